"""``scrapy crawl feedx [-a feed=URL[,URL…]] [-a follow=0|1]``: full-text feeds and their pages."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self
from urllib.parse import urljoin

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, ResponseDataLossError
from scrapy.http import Response
from twisted.python.failure import Failure
from w3lib.encoding import http_content_type_encoding

from rfinews.arguments import Argument, addresses, flag, read_arguments
from rfinews.crawl_log import one_line
from rfinews.items import Article, NotRfi, article_at, merged
from rfinews.markup import TooDeep
from rfinews.middlewares import failure_outcome
from rfinews.parsers.feed import Entry, Feed, NotAFeed, read_feed
from rfinews.parsers.feedx import read_entry
from rfinews.parsers.rfi import NotAnArticle, read_page
from rfinews.signals import address_discovered, address_settled
from rfinews.text import as_utf8
from rfinews.urls import is_rfi, is_short_link

FEED_MAXSIZE = 64 * 1024 * 1024
SHORT_LINK_HOPS = 3


class FeedxSpider(Spider):
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
        """Ask a feed; if not `whole`, take what there is of it when the connection is cut."""
        meta = {
            "allow_offsite": True,
            "download_fail_on_dataloss": whole,
            "download_maxsize": FEED_MAXSIZE,
            "rfinews_trusted": self.chosen,
        }
        return Request(
            self.feeds[index],
            callback=self.parse_feed,
            errback=self.feed_failed,
            cb_kwargs={"index": index},
            meta=meta,
            dont_filter=True,
        )

    def parse_feed(self, response: Response, index: int) -> Iterator[Any]:
        try:
            feed = read_feed(response.body, charset_of(response))
        except NotAFeed as error:
            yield self.next_feed(index, "parse", str(error))
            return
        yield from self.entries(feed, self.feeds[index])

    def feed_failed(self, failure: Failure) -> Iterator[Request]:
        index = failure.request.cb_kwargs["index"]  # type: ignore[attr-defined]
        if isinstance(failure.value, ResponseDataLossError):  # after all its retries
            yield self.feed_request(index, whole=False)
        else:
            yield self.next_feed(index, *failure_outcome(failure))

    def next_feed(self, index: int, outcome: str, detail: str | None) -> Request:
        """Settle a feed that cannot be had and ask the next; raise `CloseSpider` after the last."""
        url = self.feeds[index]
        self.discovered(url)
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
            self.discovered(address)
            if entry.link is None:
                self.settled(address, "invalid", "entry without a link")
            elif is_short_link(address):
                yield self.short_link_request(address, entry, address, feed_url, hops=0)
            else:
                yield from self.entry(entry, address, address, feed_url)
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
            self.settled(address, "duplicate", article.canonical_url)
            return
        article.url = article.address = address
        article.feed_url = feed_url
        try:
            read_entry(article, entry)
        except TooDeep as error:
            article.note = f"payload: {error}"
        if self.follow:
            self.seen.add(article.canonical_url)
            yield Request(
                article.canonical_url,
                callback=self.parse_page,
                errback=self.page_failed,
                cb_kwargs={"article": article},
                dont_filter=True,
            )
        elif article.is_complete:
            self.seen.add(article.canonical_url)
            yield article
        else:
            self.incomplete(article)

    def parse_page(self, response: Response, article: Article) -> Iterator[Article]:
        try:
            page = read_page(as_utf8(response.body, charset_of(response))[0], response.url)
        except (NotAnArticle, NotRfi, TooDeep) as error:
            yield from self.without_page(article, "parse", str(error))
        else:
            article = merged(page, article)
            if article.is_complete:
                yield article
            else:
                self.incomplete(article)

    def page_failed(self, failure: Failure) -> Iterator[Article]:
        article = failure.request.cb_kwargs["article"]  # type: ignore[attr-defined]
        yield from self.without_page(article, *failure_outcome(failure))

    def without_page(self, article: Article, outcome: str, detail: str | None) -> Iterator[Article]:
        """Let the feed's fields stand where the page cannot be had."""
        self.crawler.stats.inc_value(f"rfinews/page/{outcome}")
        if article.is_complete:
            reason = f"{outcome}, {detail}" if detail else outcome
            article.note = f"from the feed; page: {reason}"
            if outcome != "unfetched":  # then its host has been told of
                self.logger.warning(
                    "%s: from the feed; page: %s", one_line(article.address), reason
                )
            yield article
        else:
            self.settled(article.address, outcome, detail)

    def incomplete(self, article: Article) -> None:
        missing = "no title" if not article.headline else "no content"
        self.settled(article.address, "invalid", article.note or missing)

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
            meta={"dont_redirect": True, "handle_httpstatus_list": [301, 302, 303, 307, 308]},
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

    # ----------------------------------------------------------------------------------- outcomes

    def discovered(self, url: str) -> None:
        self.crawler.signals.send_catch_log(address_discovered, url=url)

    def settled(self, url: str, outcome: str, detail: str | None = None) -> None:
        self.crawler.signals.send_catch_log(
            address_settled, url=url, outcome=outcome, detail=detail
        )


def charset_of(response: Response) -> str | None:
    """Return the charset that the Content-Type header names."""
    kind = (response.headers.get("Content-Type") or b"").decode("latin-1")
    return http_content_type_encoding(kind)
