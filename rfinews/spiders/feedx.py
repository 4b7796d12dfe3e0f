"""``scrapy crawl feedx [-a feed=URL[,URL…]] [-a follow=0|1]``: full-text feeds and their pages."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self
from urllib.parse import urljoin

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, ResponseDataLossError
from scrapy.http import Response
from twisted.python.failure import Failure

from rfinews.arguments import Argument, addresses, flag, read_arguments
from rfinews.items import Article, NotRfi, article_at, merged
from rfinews.markup import TooDeep
from rfinews.middlewares import ADDRESS, AGAIN, failure_outcome
from rfinews.parsers.feed import Entry, Feed, NotAFeed, read_feed
from rfinews.parsers.feedx import read_entry
from rfinews.spiders.base import PageSpider, charset_of, hash_of
from rfinews.urls import is_rfi, is_short_link

FEED_MAXSIZE = 64 * 1024 * 1024
SHORT_LINK_HOPS = 3


class FeedxSpider(PageSpider):
    """Takes the first of its feeds that answers with one; delivers each entry once.

    Without `follow` an article is what the feed says; with it, what the page says, and the feed
    where the page is silent, refused or broken.
    """

    name = "feedx"
    allowed_domains = ["rfi.fr", "rfi.ro", "rfi.my", "t.cn"]  # for pages; a feed may be anywhere
    arguments = {
        "feed": Argument(
            addresses, "one or more http(s) addresses of one feed, with commas between"
        ),
        "follow": Argument(flag, "0 or 1"),
    }

    def __init__(self, feeds: list[str], **kwargs: str) -> None:
        super().__init__(_job=kwargs.get("_job"))
        options = read_arguments(self.arguments, kwargs)
        self.given_arguments = {name: kwargs[name] for name in options}
        self.chosen = "feed" in options
        self.feeds: list[str] = options.get("feed", feeds)
        self.follow: bool = options.get("follow", False)
        self.seen: set[str] = set()

    @property
    def purpose(self) -> str:
        """What a feed was read for: not to have changed since means nothing to another purpose."""
        return f"{self.name} follow={self.follow:d}"

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        try:
            feeds = addresses(",".join(crawler.settings.getlist("RFINEWS_FEEDX_FEEDS")))
        except ValueError as error:
            raise ValueError(f"RFINEWS_FEEDX_FEEDS: {error}") from None
        return super().from_crawler(crawler, feeds, **kwargs)

    # ------------------------------------------------------------------------------------ the feed

    async def start(self) -> AsyncIterator[Any]:
        yield self.feed_request(0)

    def feed_request(self, index: int, *, whole: bool = True) -> Request:
        """Ask a feed; if not `whole`, take what there is of it when the connection is cut.

        An unchanged feed is not sent again, unless pages are due, which need their entries.
        """
        url = self.feeds[index]
        is_needed = self.follow and self.known.due(self.name)
        conditions = {} if is_needed else self.known.conditions(self.purpose, url)
        meta = {
            "handle_httpstatus_list": [304] if conditions else [],
            "allow_offsite": True,
            "download_fail_on_dataloss": whole,
            "download_maxsize": FEED_MAXSIZE,
            "rfinews_trusted": self.chosen,
        }
        if not whole:
            meta[AGAIN] = "cut"
        return Request(
            url,
            headers=conditions,
            callback=self.parse_feed,
            errback=self.feed_failed,
            cb_kwargs={"index": index},
            meta=meta,
            dont_filter=True,
        )

    def parse_feed(self, response: Response, index: int) -> Iterator[Any]:
        if response.status == 304:
            self.logger.info("Feed %s: unchanged", self.feeds[index])
            return
        try:
            feed = read_feed(response.body, charset_of(response))
        except NotAFeed as error:
            yield self.next_feed(index, "parse", str(error))
            return
        yield from self.entries(feed, self.feeds[index])
        if response.meta["download_fail_on_dataloss"] and not feed.problems:
            self.known.keep(self.purpose, self.feeds[index], response)
        if self.follow:
            yield from self.pages_to_check()

    def feed_failed(self, failure: Failure) -> Iterator[Request]:
        index = failure.request.cb_kwargs["index"]  # type: ignore[attr-defined]
        if isinstance(failure.value, ResponseDataLossError):  # after all its retries
            yield self.feed_request(index, whole=False)
        else:
            yield self.next_feed(index, *failure_outcome(failure))

    def next_feed(self, index: int, outcome: str, detail: str | None) -> Request:
        """Settle a feed that cannot be had and ask the next; raise `CloseSpider` after the last."""
        url = self.feeds[index]
        self.discovered(url, url)
        self.settled(url, outcome, detail)
        if index + 1 == len(self.feeds):
            self.logger.error(
                "No feed to be had: none of %d addresses answered with one", index + 1
            )
            raise CloseSpider("no_feed")
        return self.feed_request(index + 1)

    def entries(self, feed: Feed, feed_url: str) -> Iterator[Any]:
        number = 0
        for number, entry in enumerate(feed.entries, start=1):
            address = entry.link or f"{feed_url}#{number}"
            self.discovered(address, feed_url)
            if entry.link is None:
                self.settled(address, "invalid", "entry without a link")
            elif is_short_link(link := self.known.resolve(address)):
                yield self.short_link_request(address, entry, address, feed_url, hops=0)
            else:
                yield from self.entry(entry, address, link, feed_url)
        if feed.problems:
            self.logger.warning("Feed %s: %s", feed_url, "; ".join(feed.problems))
        self.logger.info("Feed %s: %d entries", feed_url, number)

    # --------------------------------------------------------------------------------- its entries

    def entry(self, entry: Entry, address: str, link: str, feed_url: str) -> Iterator[Any]:
        """Yield the entry's article, or the request for its page.

        `address` is the link as the feed has it, `link` where it leads if it is a short one.
        """
        try:
            article = article_at(link)
        except NotRfi as error:
            self.settled(address, error.outcome, str(error))
            return
        if article.canonical_url in self.seen:
            self.duplicate(article, address)
            return
        article.url = article.address = address
        article.feed_url = feed_url
        try:
            read_entry(article, entry)
        except TooDeep as error:
            article.note = f"payload: {error}"
        is_wanted = self.follow or article.is_complete
        if is_wanted and not self.log_of_crawl.ledger.claim(article.canonical_url):
            self.duplicate(article, address)
        elif self.follow:
            self.seen.add(article.canonical_url)
            known = self.known.get(article)
            if known is not None:
                article.feed_hash = hash_of(article)
                if not self.known.is_due(known, article):
                    self.unchanged(article)
                    return
            yield self.page_request(article)
        elif article.is_complete:
            self.seen.add(article.canonical_url)
            yield article
        else:
            self.incomplete(article)

    def duplicate(self, article: Article, address: str) -> None:
        self.known.leads_to(address, article)
        self.settled(address, "duplicate", article.canonical_url)

    def pages_to_check(self) -> Iterator[Request]:
        """Yield requests for young articles that the feed does not hold any more."""
        for url in self.known.due(self.name):
            if url not in self.seen:
                self.seen.add(url)
                self.discovered(url)
                article = article_at(url)
                article.source, article.address = "rfi", url
                yield self.page_request(article)

    def combined(self, page: Article, article: Article) -> Article | None:
        """Return the page, and the feed where it is silent."""
        if article.source == "rfi":  # to be checked, without its entry
            known = self.known.get(page)
            if known is not None and known.page_hash in (None, page.page_hash):
                return None
        if page.note and article.article_body:  # the body was guessed: the feed has the text itself
            page.note, page.article_body, page.article_body_html = None, "", ""
        return merged(page, article)

    def without_page(self, article: Article) -> Article | None:
        """Let the feed's fields stand where the page cannot be had."""
        return article if article.is_complete else None

    # -------------------------------------------------------------------------------- short links

    def short_link_request(
        self, link: str, entry: Entry, address: str, feed_url: str, hops: int
    ) -> Request:
        """Ask a short link where it leads: without that the article has no identity."""
        return Request(
            link,
            callback=self.parse_short_link,
            errback=self.short_link_failed,
            cb_kwargs={"entry": entry, "address": address, "feed_url": feed_url, "hops": hops + 1},
            meta={
                "dont_redirect": True,
                "handle_httpstatus_list": [301, 302, 303, 307, 308],
                ADDRESS: (address, feed_url),
            },
            dont_filter=True,
        )

    def parse_short_link(
        self, response: Response, entry: Entry, address: str, feed_url: str, hops: int
    ) -> Iterator[Any]:
        location = response.headers.get("Location")
        link = urljoin(response.url, location.decode("utf-8", "replace")) if location else ""
        if is_short_link(link) and hops < SHORT_LINK_HOPS:
            yield self.short_link_request(link, entry, address, feed_url, hops)
        elif not link or is_short_link(link):
            self.settled(address, "parse", "a short link that leads nowhere")
        elif is_rfi(link):
            yield from self.entry(entry, address, link, feed_url)
        else:
            self.settled(address, "offsite", link)

    def short_link_failed(self, failure: Failure) -> None:
        address = failure.request.cb_kwargs["address"]  # type: ignore[attr-defined]
        self.settled(address, *failure_outcome(failure))
