"""``scrapy crawl archive -a path=FILE_OR_DIR``: Markdown archives (CONTRACT section 7), no network."""

from asyncio import sleep
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from os import fsencode
from pathlib import Path

from scrapy import Request
from scrapy.http import Response
from twisted.python.failure import Failure

from rfinews import dates
from rfinews.arguments import Argument, existing_path, read_arguments
from rfinews.items import Article, NotRfi
from rfinews.markup import TooDeep
from rfinews.parsers.archive import Document, NotADocument, read_article, read_document
from rfinews.revisions import Known
from rfinews.spiders.base import ArticleSpider, hash_of
from rfinews.text import decode
from rfinews.urls import canonical_url

SUFFIXES = (".md", ".markdown")
_AT_ONCE = 100


class ArchiveSpider(ArticleSpider):
    """Yields the revisions of each address from the oldest feed date to the newest.

    Of documents with the same text in a row the newest stands for all. Only paths and addresses
    are kept in memory; a document is read again when its turn comes.

    Each address is a request for its newest document, not an item that `start` yields: Scrapy 2.19
    waits for ever for such an item when the crawl is stopped (`Scraper.close_spider_async`).
    """

    name = "archive"
    arguments = {"path": Argument(existing_path, "an existing file or directory", required=True)}
    custom_settings = {
        "DOWNLOAD_HANDLERS": {
            "file": "scrapy.core.downloader.handlers.file.FileDownloadHandler",
            **dict.fromkeys(("http", "https", "data", "ftp", "s3")),
        },
        "DOWNLOADER_MIDDLEWARES_BASE": {},  # they are about the network
        "DOWNLOADER_MIDDLEWARES": {},
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_ENABLED": False,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
    }

    def __init__(self, **kwargs: str) -> None:
        super().__init__(_job=kwargs.get("_job"))
        options = read_arguments(self.arguments, kwargs)
        self.given_arguments = {name: kwargs[name] for name in options}
        self.path: Path = options["path"]

    async def start(self) -> AsyncIterator[Request]:
        dated = []
        for number, path in enumerate(self.paths()):
            if number % _AT_ONCE == 0:
                await sleep(0)  # lets the crawl be stopped
            if (document := self.document(path)) is not None:
                self.discovered(document.url)
                dated.append((document.feed_date or "", path, canonical_url(document.url)))
        groups: dict[str, list[Path]] = {}
        for _, path, canonical in sorted(dated):
            groups.setdefault(canonical, []).append(path)
        for *older, newest in groups.values():
            yield Request(
                newest.absolute().as_uri(),
                callback=self.parse_documents,
                errback=self.unreadable,
                cb_kwargs={"older": older, "newest": newest},
                dont_filter=True,
            )

    def parse_documents(
        self, response: Response, older: list[Path], newest: Path
    ) -> Iterator[Article]:
        documents = [self.document(path) for path in older]
        documents.append(self.document(newest, response.body))
        read = [(d, a) for d in documents if d is not None and (a := self.article(d)) is not None]
        revisions = []
        for (document, article), (_, newer) in pairwise(read):
            if hash_of(article) != hash_of(newer):
                revisions.append((document, article))
            else:
                self.settled(article.address, "duplicate", article.canonical_url)
        if read:
            yield from self.news([*revisions, read[-1]])

    def news(self, revisions: list[tuple[Document, Article]]) -> Iterator[Article]:
        """Yield the revisions of one article that the store has to judge, the oldest first.

        It takes each only if it is dated after what is known. Where front matter says an earlier
        feed date, or none, because the feed gave no newer one, the document's own date stands.
        """
        known = self.known.get(revisions[0][1])
        latest = None if known is None else dates.from_seconds(known.feed_date) or ""
        for document, article in revisions:
            if latest is not None and (article.feed_date or "") <= latest:
                article.feed_date = document.feed_date
            latest = max(latest or "", article.feed_date or "")
            if may_judge(article, known):
                yield article
            else:
                self.settled(article.address, "unchanged", "retracted elsewhere, or since")

    def unreadable(self, failure: Failure) -> None:
        path = failure.request.cb_kwargs["newest"]  # type: ignore[attr-defined]
        self.lost(path, failure.getErrorMessage())

    def paths(self) -> list[Path]:
        """List the documents below the path given, or that path itself."""
        if self.path.is_file():
            return [self.path]
        found = (path for path in self.path.rglob("*") if path.suffix in SUFFIXES)
        return [path for path in found if path.is_file() or not path.exists()]  # or a broken link

    def document(self, path: Path, content: bytes | None = None) -> Document | None:
        """Read a document; one that cannot be read is settled under its name."""
        try:
            return read_document(decode(path.read_bytes() if content is None else content))
        except OSError as error:
            self.lost(path, error.strerror or str(error))
        except NotADocument as error:
            self.lost(path, str(error))
        return None

    def lost(self, path: Path, reason: str) -> None:
        name = path.name if path == self.path else str(path.relative_to(self.path))
        name = fsencode(name).decode("utf-8", "backslashreplace")
        self.discovered(name)
        self.settled(name, "parse", reason)

    def article(self, document: Document) -> Article | None:
        try:
            article = read_article(document)
            if article.is_complete or article.change == "retracted":
                return article
            self.incomplete(article)
        except NotRfi as error:
            self.settled(document.url, error.outcome, str(error))
        except TooDeep as error:
            self.settled(document.url, "parse", str(error))
        return None


def may_judge(article: Article, known: Known | None) -> bool:
    """Whether the store may judge an article that is retracted, here or there, like any other.

    An archive retracts only what came from an archive; and its documents from before a retraction,
    or a retraction from before the newest text, are no news when they are read again.
    """
    if known is None or "retracted" not in (article.change, known.change):
        return True
    is_newer = (dates.to_seconds(article.feed_date) or 0) > (known.feed_date or 0)
    return known.source == "archive" and is_newer
