"""What earlier crawls know, at hand for the components of this one."""

import logging
import time
from asyncio import Future, Lock, ensure_future, to_thread
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.http import Response

from rfinews import dates
from rfinews.items import Article
from rfinews.recovery import recover_crawls
from rfinews.revisions import POORER, Found, Known, Verdict, judge
from rfinews.store import Answer, Completed, Seen, Store, StoreError
from rfinews.urls import canonical_url, is_short_link

logger = logging.getLogger(__name__)

GONE = ("http_404", "http_410")
NO_STORE = "no_store"
"""The reason why a crawl ends whose store cannot be used."""

_DAY = 24 * 3600
_AT_ONCE = 10_000
#: Seconds by which a date may lie ahead; one further on would hide for long that a feed is old.
_AHEAD = 3600

P = ParamSpec("P")
T = TypeVar("T")


class KnownArticles:
    """Extension that keeps the store for a crawl; its methods are for spiders and pipelines.

    What a crawl only saw is remembered in one transaction for many articles, when one of its files
    is complete. `CrawlLog` opens it, tells it of each complete file, and ends it.
    """

    def __init__(self, crawler: Crawler, store: Store, *, compress: bool) -> None:
        self.crawler = crawler
        self.store = store
        self.compress = compress
        self.now = int(time.time())
        self._closing: Future[None] | None = None
        self._turn = Lock()
        self.exporting: dict[str, Known] = {}  # by id: what stands in files that still grow
        self.told: dict[str, tuple[int, int]] = {}  # by edition: articles in feeds, newest date
        self._seen: dict[str, Seen] = {}
        self._at_most = _AT_ONCE
        self._aliases: list[tuple[str, str, str]] = []
        self._answers: dict[tuple[str, str], Answer] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        store = Store(
            Path(settings["RFINEWS_DATA_DIR"]).absolute(),
            settings.getfloat("RFINEWS_RECHECK_HOURS"),
            settings["RFINEWS_STORE"],
        )
        return cls(crawler, store, compress=settings["RFINEWS_COMPRESS"] == "gz")

    def open(self, crawl_id: str) -> None:
        """Open the store and complete what dead crawls left. Raises `StoreError`, `OSError`."""
        self.store.open(crawl_id)
        recover_crawls(self.store, compress=self.compress)

    # ------------------------------------------------------------------------------ for spiders

    def get(self, article: Article) -> Known | None:
        """Look up what is known of an article. Raises `CloseSpider` when the store fails."""
        exporting = self.exporting.get(article.id)
        return exporting or self._ask(self.store.known, article.id)

    def resolve(self, address: str) -> str:
        """Where an address leads, as far as earlier crawls followed it; else itself."""
        canonical = canonical_url(address)
        target = self._ask(self.store.resolve, canonical)
        return address if target == canonical else target

    def due(self, spider: str) -> list[str]:
        """List the articles whose pages it is time to ask again, whatever the feed says."""
        return self._ask(self.store.due, spider, self.now)

    def summaries(self) -> list[str]:
        """List the articles of which there is only a summary yet."""
        return self._ask(self.store.summaries)

    def is_due(self, known: Known, article: Article) -> bool:
        """Whether to ask for a page: its feed or sitemap tells of news, or the article is young."""
        if known.next_check is not None and known.next_check <= self.now:
            return True
        if article.feed_hash and known.feed_hash and article.feed_hash != known.feed_hash:
            return True
        feed_date = dates.to_seconds(article.feed_date) or 0
        if known.feed_date is not None and feed_date > known.feed_date:
            return True
        lastmod = dates.to_seconds(article.lastmod) or 0
        return lastmod > (known.lastmod or known.asked_at or self.now)

    def saw(self, article: Article, *, is_known: bool = True) -> None:
        """Remember that the article was met. `article.page_hash` says that its page was read.

        `is_known`: as its feed dates it. Not so while it stands in a file that may get lost, or if
        the feed tells of news that its page has yet to confirm.
        """
        was_asked = article.page_hash is not None
        if article.feed_url:
            self._tell(article)
        self._see(
            article,
            Seen(
                at=self.now,
                feed_date=dates.to_seconds(article.feed_date) if is_known else None,
                feed_hash=article.feed_hash,
                page_hash=article.page_hash,
                lastmod=dates.to_seconds(article.lastmod),
                asked_at=self.now if was_asked else None,
                next_check=self._next_check(article) if was_asked else None,
                was_asked=was_asked,
            ),
        )

    def could_not_see(self, article: Article, known: Known, outcome: str) -> bool:
        """Remember that the page could not be had; whether the article is to be retracted.

        That is so when the page has answered 404 or 410 twice, at least a day apart.
        """
        since = known.gone_since
        next_check = self._next_check(article)
        if outcome in GONE:
            if since is None or since > self.now:  # or the clock was set back
                since = self.now
            if self.now - since >= _DAY and known.change != "retracted":
                return True
            next_check = since + _DAY if known.change != "retracted" else None
        seen = Seen(self.now, next_check=next_check, gone_since=since, was_asked=True)
        self._see(article, seen)
        return False

    def leads_to(self, address: str, article: Article) -> None:
        """Remember that an address which is not one of the article's spellings led to it."""
        alias = canonical_url(address)
        if alias != article.canonical_url:
            rule = "short link" if is_short_link(alias) else "redirect"
            self._aliases.append((alias, article.id, rule))

    def conditions(self, purpose: str, url: str) -> dict[str, str]:
        """The headers that ask for an answer only if it is another than that kept last time."""
        kept = self._ask(self.store.answer, purpose, url)
        headers = {}
        if kept is not None and kept.etag:
            headers["If-None-Match"] = kept.etag
        if kept is not None and kept.last_modified:
            headers["If-Modified-Since"] = kept.last_modified
        return headers

    def keep(self, purpose: str, url: str, response: Response) -> None:
        """Keep the validators of a feed or sitemap, if in the end all it named is accounted for."""
        etag, modified = (
            (response.headers.get(name) or b"").decode("latin-1") or None
            for name in ("ETag", "Last-Modified")
        )
        if etag or modified:
            self._answers[purpose, url] = Answer(etag, modified, None, self.now)

    def keep_walked(self, purpose: str, url: str) -> None:
        """Keep that a listing was read to its end, if in the end all it named is accounted for."""
        self._answers.setdefault((purpose, url), Answer(None, None, None, self.now))

    def is_walked(self, purpose: str, url: str) -> bool:
        """Whether a listing has been read to its end since something was lost."""
        return self._ask(self.store.answer, purpose, url) is not None

    def keep_date(self, url: str, date: str) -> None:
        """Keep when an article was published that is not wanted for that."""
        self._answers["date", url] = Answer(None, None, date.encode(), self.now)

    def kept_date(self, url: str) -> str | None:
        """Recall when an article was published that was not wanted for that."""
        kept = self._ask(self.store.answer, "date", url)
        return kept.body.decode() if kept is not None and kept.body else None

    def robots(self, url: str) -> bytes | None:
        """Recall a robots.txt of the last 24 hours (RFC 9309 section 2.4)."""
        kept = self._ask(self.store.answer, "robots.txt", url)
        return kept.body if kept is not None and 0 <= self.now - kept.at < _DAY else None

    def keep_robots(self, url: str, body: bytes) -> None:
        """Keep a robots.txt."""
        self._answers["robots.txt", url] = Answer(None, None, body, self.now)

    # --------------------------------------------------------------- for pipelines and the crawl log

    def judge(self, article: Article) -> Verdict:
        """Decide whether an article is news, and what revision. Raises `CloseSpider`."""
        found = Found.of(lambda name: getattr(article, name))
        exporting = self.exporting.get(found.id)
        verdict = judge(exporting or self._ask(self.store.known, found.id), found)
        if exporting is not None and (found.feed_date or 0) <= (exporting.feed_date or 0):
            verdict = Verdict(None, "update")  # of two texts in one feed the first counts
        if verdict.revision is not None:
            news = found._replace(revision=verdict.revision, change=verdict.change)
            self.exporting[found.id] = Known.after(news)
        self.saw(article, is_known=verdict.revision is None and verdict.reason != POORER)
        self.leads_to(article.address, article)
        return verdict

    async def complete(self, part: Path) -> Completed:
        """Give an articles file its name, one after the other. Raises `OSError`, `StoreError`."""
        async with self._turn:
            return await to_thread(self.store.complete, part, compress=self.compress)

    def completed(self, revisions: dict[str, int]) -> None:
        """These articles, by id and revision, stand in no growing file any more."""
        for id_, revision in revisions.items():
            known = self.exporting.get(id_)
            if known is not None and known.revision == revision:
                del self.exporting[id_]
        self._remember()

    def end(
        self,
        build: Callable[[dict[str, str] | None], bytes],
        outcomes: Iterable[tuple[str, str, str | None]],
        changed_feeds: set[str] | None,
    ) -> None:
        """Remember how each address ended and write the manifest. Raises `OSError`, `StoreError`.

        `changed_feeds` are those to read again next time, `None`: all.
        """
        self._answers = {
            (purpose, url): answer
            for (purpose, url), answer in self._answers.items()
            if answer.body is not None or (changed_feeds is not None and url not in changed_feeds)
        }
        self._remember()
        self.store.remember(answers=self._answers)
        rows = iter(outcomes)
        while some := list(islice(rows, _AT_ONCE)):
            self.store.remember(outcomes=some)
        assert self.store.crawl_id is not None
        self.store.end(self.store.crawl_id, build)

    def close(self) -> None:
        self.store.close()

    # ----------------------------------------------------------------------------------- inside

    def _ask(self, look_up: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the store. If it fails, the crawl cannot tell what is news, and ends."""
        try:
            return look_up(*args, **kwargs)
        except StoreError as error:
            engine = self.crawler.engine
            if engine.spider is not None and self._closing is None:
                logger.error("%s", error)  # noqa: TRY400 - a line for the user
                self._closing = ensure_future(engine.close_spider_async(reason=NO_STORE))
            raise CloseSpider(NO_STORE) from None

    def _see(self, article: Article, seen: Seen) -> None:
        before = self._seen.get(article.id)
        if before is not None and before.was_asked and not seen.was_asked:
            seen = seen._replace(
                page_hash=before.page_hash,
                asked_at=before.asked_at,
                next_check=before.next_check,
                gone_since=before.gone_since,
                was_asked=True,
            )
        self._seen[article.id] = seen
        if len(self._seen) >= self._at_most:
            self._remember()

    def _tell(self, article: Article) -> None:
        date = dates.to_seconds(article.feed_date or article.date_published)
        if date is not None and date <= self.now + _AHEAD:
            number, newest = self.told.get(article.edition, (0, date))
            self.told[article.edition] = number + 1, max(newest, date)

    def _next_check(self, article: Article) -> int | None:
        published = dates.to_seconds(article.date_published) or dates.to_seconds(article.feed_date)
        return self.store.next_check(published or self.now, self.now)

    def _remember(self) -> None:
        """Remember what was seen of articles that stand in complete files."""
        seen, self._seen = self._seen, {}
        aliases, self._aliases = self._aliases, []
        for id_ in self.exporting.keys() & seen.keys():
            self._seen[id_] = seen.pop(id_)
        self._aliases = [alias for alias in aliases if alias[1] in self.exporting]
        self._at_most = len(self._seen) + _AT_ONCE
        try:
            self.store.remember(
                seen, [alias for alias in aliases if alias[1] not in self.exporting]
            )
        except (OSError, StoreError) as error:
            logger.warning("What was only seen is not remembered: %s", error)
