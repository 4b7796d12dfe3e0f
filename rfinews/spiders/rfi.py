"""``scrapy crawl rfi -a edition=CODE[,CODE…]``: RFI's own feeds, sitemaps, sections and pages."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import orjson
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, DontCloseSpider
from scrapy.http import Response
from twisted.python.failure import Failure

from rfinews import dates
from rfinews.arguments import Argument, choices, first_instant, flag, last_instant, read_arguments
from rfinews.editions import EDITIONS, Edition
from rfinews.items import Article, Image, Media, NotRfi, article_at, as_record
from rfinews.ledger import Tip
from rfinews.middlewares import failure_outcome
from rfinews.parsers.feed import Entry, NotAFeed, read_feed
from rfinews.parsers.feedx import read_entry
from rfinews.parsers.headline import split_title
from rfinews.parsers.listing import Listing, read_listing
from rfinews.parsers.sitemap import NotASitemap, SitemapEntry, months, read_sitemap
from rfinews.spiders.base import NotWanted, PageSpider, charset_of
from rfinews.text import as_utf8
from rfinews.urls import article_id, day_of, is_short_link

ROUTES = ("rss", "news", "sitemap", "sections")
#: Pages that are on their way at once; all others wait in the ledger, which is on disk.
AT_ONCE = 100
#: Discovery goes first, what leads furthest before what repeats it.
PRIORITY = {"rss": 40, "news": 30, "index": 30, "sitemap": 20, "front": 10, "sections": 10}
#: What leads to other documents, so that it says nothing of those that it has not changed itself.
_LEADING = ("index", "front")

_DAY = 24 * 3600
#: Seconds by which the day in an address may differ from the time of publication.
_LEEWAY = 2 * _DAY
_MAXSIZE = 64 << 20
_NOT_IN_TIME = "published {}, not from since to until"
#: What a feed or sitemap tells of an article, beside its address and time of change.
_TOLD = (
    "headline column description authors keywords images audios date_published feed_date".split()
)
_PARTS: Mapping[str, Callable[..., object]] = MappingProxyType({"images": Image, "audios": Media})


class Discovered(NamedTuple):
    """An article that waits for its turn."""

    is_new: bool
    """No other feed, sitemap or section has named it in this crawl."""
    is_unknown: bool
    """No crawl has exported it."""


class RfiSpider(PageSpider):
    """Discovers addresses by several routes, then asks for the pages that are news.

    Each address waits in the crawl's ledger until its turn comes, so an article that feed, sitemap
    and section name is one, and memory does not grow with a month of sitemaps.
    """

    name = "rfi"
    allowed_domains = ["rfi.fr", "rfi.ro", "rfi.my"]
    arguments = {
        "edition": Argument(
            choices(*EDITIONS), f"one or more of {', '.join(EDITIONS)}, or all", required=True
        ),
        "since": Argument(first_instant, "a date (2023-11-07), or how long ago (3d, 12h)"),
        "until": Argument(last_instant, "a date (2023-11-07), or how long ago (3d, 12h)"),
        "via": Argument(choices(*ROUTES), f"one or more of {', '.join(ROUTES)}, or all"),
        "summaries": Argument(flag, "0 or 1"),
    }

    def __init__(self, **kwargs: str) -> None:
        super().__init__(_job=kwargs.get("_job"))
        options = read_arguments(self.arguments, kwargs)
        self.given_arguments = {name: kwargs[name] for name in options}
        self.codes: list[str] = options["edition"]
        self.editions: list[Edition] = [EDITIONS[code] for code in self.codes]
        self.since: int | None = options.get("since")
        self.until: int | None = options.get("until")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("since is later than until")
        is_past = self.since is not None or self.until is not None
        self.routes: list[str] = options.get("via") or ["rss", "news", *["sitemap"] * is_past]
        self.summaries: bool = options.get("summaries", False)
        self.purpose = f"rfi since={kwargs.get('since')} until={kwargs.get('until')}"
        self.documents_asked = 0
        self.documents_below_seen: set[str] = set()
        self.on_their_way = 0  # pages

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.spider_idle, signals.spider_idle)
        return spider

    # ---------------------------------------------------------------------------------- discovery

    async def start(self) -> AsyncIterator[Any]:
        for edition in self.editions:
            if "rss" in self.routes:
                yield self.document(edition.feed, "rss")
            if "news" in self.routes:
                yield self.document(edition.news_sitemap, "news")
            if "sitemap" in self.routes:
                yield self.document(edition.sitemap_index, "index")
            if "sections" in self.routes:
                yield self.document(edition.front_page, "front")
        for url in (*self.known.due(self.name), *self.known.summaries()):
            self.discover(url, Tip(None))

    def document(self, url: str, route: str, first: str | None = None) -> Request:
        """Ask for a feed, sitemap or section, if it has changed.

        In any case for what leads to others, and for pages behind the `first` one.
        """
        is_conditional = route not in _LEADING and first is None
        conditions = self.known.conditions(self.purpose, url) if is_conditional else {}
        self.documents_asked += 1
        return Request(
            url,
            callback=self.parse_document,
            errback=self.document_failed,
            headers=conditions,
            priority=PRIORITY[route],
            cb_kwargs={"asked": url, "route": route, "first": first or url},
            meta={
                "handle_httpstatus_list": [304] if conditions else [],
                "download_maxsize": _MAXSIZE,
            },
            dont_filter=True,
        )

    def parse_document(
        self, response: Response, asked: str, route: str, first: str
    ) -> Iterator[Request]:
        """Read it; keep its validators if all it names was understood."""
        if response.status == 304:
            self.logger.info("%s: unchanged", asked)
            self.log_of_crawl.ledger.count_documents(1)
            return
        try:
            if route in ("front", "sections"):
                problems = yield from self.parse_listing(response, asked, first)
            elif route == "rss":
                problems = self.parse_feed(response, asked)
            else:
                problems = yield from self.parse_sitemap(response, asked)
        except (NotAFeed, NotASitemap) as error:
            self.lost(asked, "parse", str(error))
            return
        self.log_of_crawl.ledger.count_documents(1)
        if problems:
            self.logger.warning("%s: %s", asked, "; ".join(problems))
        elif route not in _LEADING and first == asked:
            self.known.keep(self.purpose, asked, response)

    def document_failed(self, failure: Failure) -> None:
        kwargs = failure.request.cb_kwargs  # type: ignore[attr-defined]
        self.discovered(kwargs["asked"], kwargs["first"])
        self.lost(kwargs["asked"], *failure_outcome(failure))

    def lost(self, url: str, outcome: str, detail: str | None) -> None:
        """Account for a feed, sitemap or section that could not be had."""
        self.discovered(url)
        self.settled(url, outcome, detail)

    def parse_feed(self, response: Response, asked: str) -> list[str]:
        feed = read_feed(response.body, charset_of(response))
        for number, entry in enumerate(feed.entries, start=1):
            if entry.link is None:
                self.lost(f"{asked}#{number}", "invalid", "entry without a link")
            else:
                self.discover(entry.link, Tip(asked, None, tip_of_entry(entry)))
        return feed.problems

    def parse_sitemap(self, response: Response, asked: str) -> Generator[Request, None, list[str]]:
        sitemap = read_sitemap(response.body)
        if sitemap.kind == "index":
            # a day more, for whose months the sitemaps have is not known
            since = None if self.since is None else dates.from_seconds(self.since - _DAY)
            until = None if self.until is None else dates.from_seconds(self.until + _DAY)
            for url in months(sitemap.entries, since, until):
                yield self.document(url, "sitemap")
        else:
            for entry in sitemap.entries:
                self.discover(entry.url, Tip(asked, entry.lastmod, tip_of_sitemap(entry)))
        return sitemap.problems

    def parse_listing(
        self, response: Response, asked: str, first: str
    ) -> Generator[Request, None, list[str]]:
        """Take a section's articles and go on to its next page.

        That is as long as there are articles that are news. A section that was not read to its end
        before is, unless sitemaps name all there is. `first` is the section's first page.
        """
        html = as_utf8(response.body, charset_of(response))[0]
        listing = read_listing(html, response.url)
        found = [self.discover(link, Tip(first)) for link in listing.links]
        self.crawler.stats.inc_value(f"rfinews/listing/{listing.by or 'nothing'}")
        is_covered = "sitemap" in self.routes
        is_to_go_on = any(each is not None and each.is_unknown for each in found)
        if is_covered:
            is_to_go_on = any(each is not None and each.is_new for each in found)
        elif not self.known.is_walked(self.purpose, first):
            is_to_go_on = any(each is not None for each in found)
        if listing.next and is_to_go_on:
            yield self.document(listing.next, "sections", first)
        elif not is_covered:
            self.known.keep_walked(self.purpose, first)
        for url, route in self.documents_below(listing, asked):
            if url not in self.documents_below_seen:
                self.documents_below_seen.add(url)
                yield self.document(url, route)
        return []

    def documents_below(self, listing: Listing, asked: str) -> Iterator[tuple[str, str]]:
        """Yield the sections that a front page names, feeds, and archives of the time that matters."""
        if asked in {edition.front_page for edition in self.editions}:
            yield from ((url, "sections") for url in listing.sections)
        if "rss" in self.routes:
            own = {edition.feed for edition in self.editions}
            yield from ((url, "rss") for url in listing.feeds if url not in own)
        if self.since is not None:
            for archive in listing.archives:
                if not self.is_out_of_range(archive.first, archive.last):
                    yield archive.url, "sections"

    def discover(self, link: str, tip: Tip) -> Discovered | None:
        """Let an article wait for its turn; `None`: it is none that is wanted."""
        link = self.known.resolve(link)
        try:
            article = self.article(link)
        except NotRfi as error:
            self.lost(link, error.outcome, str(error))
            return None
        if article.edition and article.edition not in self.codes:
            return None
        day = day_of(link)
        if day is not None and self.is_out_of_range(day - _LEEWAY, day + _DAY + _LEEWAY):
            return None
        if day is None and self.is_out_of_range(None, dates.to_seconds(tip.lastmod)):
            return None
        is_new = self.log_of_crawl.ledger.keep_waiting(article.canonical_url, tip)
        return Discovered(is_new, self.known.get(article) is None)

    def article(self, url: str) -> Article:
        """Return an article of which only the address is known. Raises `NotRfi`."""
        if is_short_link(url):  # is asked where it leads
            return Article(id=article_id(url), canonical_url=url)
        return article_at(url)

    def is_out_of_range(self, first: int | None, last: int | None) -> bool:
        """Whether all from `first` to `last` (seconds since 1970) lies outside since and until."""
        return (self.since is not None and last is not None and last < self.since) or (
            self.until is not None and first is not None and first > self.until
        )

    # -------------------------------------------------------------------------------------- pages

    def spider_idle(self) -> None:
        """Discovery is done, or so many pages are: it is the turn of those that wait."""
        if self.send_pages():
            raise DontCloseSpider
        if not self.log_of_crawl.ledger.count_documents(0):
            self.logger.error(
                "Nothing to be had: no answer from any of %d addresses", self.documents_asked
            )
            raise CloseSpider("no_feed")

    def send_pages(self) -> int:
        sent = 0
        ledger = self.log_of_crawl.ledger
        while self.on_their_way < AT_ONCE and (waiting := ledger.next_waiting()) is not None:
            request = self.page_of(*waiting)
            if request is not None:
                self.crawler.engine.crawl(request)
                self.on_their_way += 1
                sent += 1
        return sent

    def page_of(self, url: str, tip: Tip) -> Request | None:
        """Return the request for a page; `None` if it is known and there is no news of it."""
        article = self.article(url)
        article.source, article.address, article.url = "rfi", url, url
        article.feed_url, article.lastmod = tip.feed, tip.lastmod
        if tip.entry is not None:
            read_tip(article, tip.entry)
        if date := self.known_date_out_of_range(url):
            self.settled(url, "unfetched", _NOT_IN_TIME.format(date))
            return None
        known = self.known.get(article)
        is_to_have = known is None or (known.asked_at is None and known.change != "retracted")
        if known is not None and not is_to_have and not self.known.is_due(known, article):
            self.unchanged(article)
            return None
        return self.page_request(article)

    def known_date_out_of_range(self, url: str) -> str | None:
        """Return the date that the page had when it was had and not wanted, if it still is not."""
        if self.since is None and self.until is None:
            return None
        date = self.known.kept_date(url)
        published = dates.to_seconds(date)
        return date if self.is_out_of_range(published, published) else None

    def parse_page(self, response: Response, article: Article) -> Iterator[Article]:
        self.page_is_back()
        yield from super().parse_page(response, article)

    def page_failed(self, failure: Failure) -> Iterator[Article]:
        self.page_is_back()
        yield from super().page_failed(failure)

    def page_is_back(self) -> None:
        self.on_their_way -= 1
        if self.on_their_way < AT_ONCE // 2:
            self.send_pages()

    def combined(self, page: Article, article: Article) -> Article | None:
        """Return the page, with what feed or sitemap say where it is silent."""
        published = dates.to_seconds(page.date_published or article.date_published)
        if self.is_out_of_range(published, published):
            date = page.date_published or article.date_published or ""
            self.known.keep_date(article.address, date)
            raise NotWanted("unfetched", _NOT_IN_TIME.format(date))
        page.address, page.feed_url = article.address, article.feed_url
        page.feed_date, page.lastmod = article.feed_date, article.lastmod
        page.date_published = page.date_published or article.date_published
        page.images = page.images or article.images
        page.audios = page.audios or article.audios
        return page

    def without_page(self, article: Article) -> Article | None:
        """With ``summaries=1``: let the feed's headline and summary stand, until the page is had."""
        if not self.summaries or not article.headline or self.known.get(article) is not None:
            return None
        return article


def tip_of_entry(entry: Entry) -> bytes:
    """Write what a feed's entry says of an article."""
    article = read_entry(Article(canonical_url=entry.link or ""), entry)
    return _written(article)


def tip_of_sitemap(entry: SitemapEntry) -> bytes | None:
    """Write what a sitemap's entry says of an article; `None`: nothing but its address."""
    if entry.title is None:
        return None
    article = Article(canonical_url=entry.url, keywords=entry.keywords)
    article.headline, article.column = split_title(entry.title, entry.url)
    article.date_published = entry.published
    article.images = [entry.image] if entry.image is not None else []
    return _written(article)


def _written(article: Article) -> bytes:
    record = as_record(article)
    return orjson.dumps({name: record[name] for name in _TOLD if record[name]})


def read_tip(article: Article, written: bytes) -> None:
    """Fill `article` with what was written of it."""
    for name, value in orjson.loads(written).items():
        read = _PARTS.get(name)
        setattr(article, name, [read(**part) for part in value] if read else value)
