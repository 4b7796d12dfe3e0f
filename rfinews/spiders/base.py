"""What the spiders share: how they account for addresses, and pages of articles."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeVar

from scrapy import Request, Spider
from scrapy.http import Response
from twisted.python.failure import Failure
from w3lib.encoding import http_content_type_encoding

from rfinews.crawl_log import CrawlLog
from rfinews.items import Article, NotRfi, retracted
from rfinews.known import KnownArticles
from rfinews.markup import TooDeep, content_hash
from rfinews.middlewares import ADDRESS, failure_outcome
from rfinews.parsers.rfi import NotAnArticle, read_page
from rfinews.signals import address_discovered, address_settled
from rfinews.text import as_utf8

T = TypeVar("T")


class NotWanted(Exception):
    """Raised by `PageSpider.combined`: the page is an article, but none to export."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class ArticleSpider(Spider):
    """Tells the crawl log what it discovers and how that ends."""

    @property
    def known(self) -> KnownArticles:
        return _extension(self, KnownArticles)

    @property
    def log_of_crawl(self) -> CrawlLog:
        return _extension(self, CrawlLog)

    def discovered(self, url: str, feed: str | None = None) -> None:
        self.crawler.signals.send_catch_log(address_discovered, url=url, feed=feed)

    def settled(self, url: str, outcome: str, detail: str | None = None) -> None:
        self.crawler.signals.send_catch_log(
            address_settled, url=url, outcome=outcome, detail=detail
        )

    def incomplete(self, article: Article) -> None:
        missing = "no content" if article.headline else "no title"
        self.settled(article.address, "invalid", article.note or missing)

    def unchanged(self, article: Article) -> None:
        self.known.saw(article)
        self.known.leads_to(article.address, article)
        self.settled(article.address, "unchanged")


class PageSpider(ArticleSpider):
    """Asks for the pages of articles, each with what its feed says of it.

    A subclass says how the two are `combined` and what stands in for a page (`without_page`).
    """

    #: Whether several workers may share a crawl: its requests can be written and read again.
    can_share = True

    def page_request(self, article: Article, **kwargs: Any) -> Request:
        return Request(
            article.canonical_url,
            callback=self.parse_page,
            errback=self.page_failed,
            cb_kwargs={"article": article},
            meta={ADDRESS: (article.address, article.feed_url)},
            dont_filter=True,
            **kwargs,
        )

    def parse_page(self, response: Response, article: Article) -> Iterator[Article]:
        hits: Counter[str] = Counter()
        try:
            html = as_utf8(response.body, charset_of(response))[0]
            page = read_page(html, response.url, hits)
        except (NotAnArticle, NotRfi, TooDeep) as error:
            yield from self.page_missing(article, "parse", str(error))
            return
        for source in hits:  # so that a change of layout is seen before articles are lost
            self.crawler.stats.inc_value(f"rfinews/selector/{source}")
        page.page_hash = hash_of(page)
        try:
            combined = self.combined(page, article)
        except NotWanted as error:
            self.settled(article.address, error.outcome, str(error))
            return
        if combined is None:
            page.address, page.lastmod = article.address, article.lastmod
            self.unchanged(page)
        elif combined.is_complete:
            yield combined
        else:
            self.incomplete(combined)

    def page_failed(self, failure: Failure) -> Iterator[Article]:
        article = failure.request.cb_kwargs["article"]  # type: ignore[attr-defined]
        yield from self.page_missing(article, *failure_outcome(failure))

    def page_missing(self, article: Article, outcome: str, detail: str | None) -> Iterator[Article]:
        """Retract an article whose page is gone, or let what its feed says stand in for it."""
        self.crawler.stats.inc_value(f"rfinews/page/{outcome}")
        article.feed_hash = article.lastmod = None  # not compared with the page yet
        known = self.known.get(article)
        if known is not None and self.known.could_not_see(article, known, outcome):
            yield retracted(article)
            return
        stand_in = self.without_page(article)
        if stand_in is None:
            self.settled(article.address, outcome, detail)
            return
        reason = f"{outcome}, {detail}" if detail else outcome
        stand_in.note = f"from the feed; page: {reason}"
        yield stand_in

    def combined(self, page: Article, article: Article) -> Article | None:
        """Return what page and feed say together; `None`: nothing that was not known.

        Raises `NotWanted`.
        """
        raise NotImplementedError

    def without_page(self, article: Article) -> Article | None:
        """Return what stands in for the page; `None`: nothing."""
        raise NotImplementedError


def hash_of(article: Article) -> str:
    return content_hash(article.headline, article.description, article.article_body)


def charset_of(response: Response) -> str | None:
    """Return the charset that the Content-Type header names."""
    kind = (response.headers.get("Content-Type") or b"").decode("latin-1")
    return http_content_type_encoding(kind)


def _extension(spider: Spider, cls: type[T]) -> T:
    extension = spider.crawler.get_extension(cls)
    assert extension is not None
    return extension
