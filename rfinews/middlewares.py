"""What happens to requests and responses: who may be asked, how often, and how it ended."""

import http.client
import logging
import random
from asyncio import Lock
from collections import defaultdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Self

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares import redirect, retry, robotstxt
from scrapy.exceptions import (
    CannotResolveHostError,
    DontCloseSpider,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.robotstxt import RobotParser
from scrapy.settings import BaseSettings
from scrapy.spidermiddlewares.httperror import HttpError
from scrapy.statscollectors import StatsCollector
from scrapy.utils.asyncio import (
    AsyncioLoopingCall,
    CallLaterResult,
    call_later,
    create_looping_call,
)
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from rfinews.known import KnownArticles
from rfinews.urls import is_private_host

TRUSTED = "rfinews_trusted"
"""Key of `Request.meta`: the user chose this address himself, so it may be a private one. A
redirect to another host loses it."""

NOT_BEFORE = "rfinews_not_before"
"""Key of `Request.meta`: `time.monotonic()` before which the request is not sent."""

ADDRESS = "rfinews_address"
"""Key of `Request.meta`: the address that this request is to account for, and the feed that names
it or None. It goes along when another worker of a fleet gets the request."""

AGAIN = "rfinews_again"
"""Key of `Request.meta`: why an address is asked once more, which a fleet would not do."""

REFUSALS = {403, 429, 503}
"""Statuses that say "you, not now": answered again and again, they mean the whole host."""

LEFT_ALONE = "rfinews/left_alone/"
"""Prefix of the stats that say why a host is asked no more, one a host."""

NETWORK_FAULTS = {
    CannotResolveHostError: "host not found",
    DownloadConnectionRefusedError: "connection refused",
    DownloadTimeoutError: "timed out",
    ResponseDataLossError: "connection cut in the middle of the response",
}

logger = logging.getLogger(__name__)


class NotFetchedError(IgnoreRequest):
    """A request ends without a usable response; carries the outcome of its address (CONTRACT §5).

    Raised by the middlewares of this module, received by the errback of the request.
    """

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


class NotNowError(IgnoreRequest):
    """A request must not be sent now; the scheduler gets it back.

    Raised and caught by `RetryMiddleware`, never seen by a spider.
    """


def failure_outcome(failure: Failure) -> tuple[str, str]:
    """The outcome (CONTRACT §5) and its detail for any failure that an errback receives.

    >>> failure_outcome(Failure(DownloadTimeoutError("…")))
    ('network', 'timed out')
    >>> failure_outcome(Failure(ValueError("not a feed: HTML page")))
    ('parse', 'not a feed: HTML page')
    """
    error = failure.value
    if isinstance(error, NotFetchedError):
        return error.outcome, error.detail
    if isinstance(error, HttpError):
        status = error.response.status
        return f"http_{status}", http.client.responses.get(status, "unknown status")
    if isinstance(error, IgnoreRequest) and str(error) == "Forbidden by robots.txt":
        return "robots", "forbidden by robots.txt"
    if isinstance(error, ValueError):
        return "parse", str(error)
    return "network", fault(error)


def fault(error: BaseException | None) -> str:
    """One line on why nothing usable came over the network."""
    for kind, words in NETWORK_FAULTS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, DownloadFailedError):  # its text is the repr of a list of Failures
        reasons = getattr(error.__cause__, "reasons", ())
        return "connection failed: " + ", ".join(str(reason.value) for reason in reasons)
    limit = getattr(error and error.__cause__, "max_size", None)
    if limit is not None:  # the compression middleware says so in 40 words
        return f"larger than {limit} bytes"
    if isinstance(error, IgnoreRequest):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110 §10.2.3), `None` if it is malformed.

    >>> noon = datetime(2023, 11, 7, 12, tzinfo=UTC)
    >>> retry_after("120", noon), retry_after("Tue, 07 Nov 2023 12:00:30 GMT", noon)
    (120.0, 30.0)
    >>> retry_after("Tue, 07 Nov 2023 11:00:00 GMT", noon), retry_after("soon", noon)
    (0.0, None)
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:  # "-0000": UTC, from nowhere in particular
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def hostname(request: Request) -> str:
    """The host that a request is for, lower-case, without port."""
    return urlparse_cached(request).hostname or ""


def is_for_component(request: Request) -> bool:
    """Whether Scrapy itself waits for the response: robots.txt of a page that may be asked."""
    return request.callback is NO_CALLBACK


class AddressMiddleware:
    """Refuses addresses that must not be asked; the errback of the request hears of it.

    In place of Scrapy's `OffsiteMiddleware` and `UrlLengthMiddleware`, with their settings: those
    drop a request without callback or errback, so that a page which redirects elsewhere just
    vanishes; the former lets every retry and all that a retry redirects to pass (`dont_filter`),
    and drops robots.txt of hosts that only ``allow_offsite`` admits, whose rules are then ignored.
    """

    def __init__(self, crawler: Crawler, max_length: int) -> None:
        self.crawler = crawler
        self.max_length = max_length

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler, crawler.settings.getint("URLLENGTH_LIMIT"))

    def process_request(self, request: Request) -> None:
        refusal = self.refusal(request)
        if refusal:
            self.crawler.stats.inc_value("rfinews/addresses/refused")
            logger.info("Not asked: %s (%s)", request.url[:200], refusal.detail)
            raise refusal

    def refusal(self, request: Request) -> NotFetchedError | None:
        """Why a request must not be sent, `None` if it may."""
        scheme = urlparse_cached(request).scheme
        host = hostname(request)
        redirected = "redirect_times" in request.meta
        if scheme not in {"http", "https"}:
            return NotFetchedError("offsite", f"not an http(s) address: {scheme}:")
        if len(request.url) > self.max_length:
            return NotFetchedError("invalid", f"address longer than {self.max_length} characters")
        if is_for_component(request):
            if redirected and is_private_host(request.url):
                return NotFetchedError("offsite", f"private address: {host}")
            return None
        if is_private_host(request.url) and not request.meta.get(TRUSTED):
            return NotFetchedError("offsite", f"private address: {host}")
        domains = getattr(self.crawler.spider, "allowed_domains", None)
        if (
            domains
            and not request.meta.get("allow_offsite")
            and not any(host == domain or host.endswith(f".{domain}") for domain in domains)
        ):
            return NotFetchedError("offsite", f"another host: {host}")
        return None


class RobotsTxtMiddleware(robotstxt.RobotsTxtMiddleware):
    """Keeps to robots.txt for every request to a host.

    In Scrapy 2.19 the requests that wait for one robots.txt share a Deferred: the first of them uses
    up its result, the rules, and all others get `None`, which stands for "no rules". Here they wait
    for a lock and find the rules stored, for a day also those of an earlier crawl. No traceback where there is no robots.txt to be had,
    and nobody waits for it while its host is paused.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._rules: dict[str, RobotParser | None] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    async def robot_parser(self, request: Request) -> RobotParser | None:
        netloc = urlparse_cached(request).netloc
        async with self._locks[netloc]:
            if netloc not in self._rules:
                self._rules[netloc] = await self._fetch(request)
            return self._rules[netloc]

    async def _fetch(self, request: Request) -> RobotParser | None:
        parts = urlparse_cached(request)
        url = f"{parts.scheme}://{parts.netloc}/robots.txt"
        known = self.crawler.get_extension(KnownArticles)
        if known is not None and (kept := known.robots(url)) is not None:
            return self._parserimpl.from_crawler(self.crawler, kept)
        meta = {"dont_obey_robotstxt": True}
        asked = Request(url, NO_CALLBACK, priority=self.DOWNLOAD_PRIORITY, meta=meta)
        try:
            response = await self.crawler.engine.download_async(asked)
        except NotNowError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the page will meet it, too
            logger.warning("Crawling without %s (%s)", url, fault(error))
            return None
        self.crawler.stats.inc_value(f"robotstxt/response_status_count/{response.status}")
        if known is not None and response.status < 500:
            known.keep_robots(url, response.body)
        return self._parserimpl.from_crawler(self.crawler, response.body)


class RedirectMiddleware(redirect.RedirectMiddleware):
    """Follows redirects so that every one of them ends in a callback or an errback.

    Scrapy's own are dropped in silence where they lead to an address seen before, and stay in the
    download slot of the host they came from, past the other host's delay.
    """

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        # Scrapy's own also looks for the referer middleware and warns that there is none.
        middleware = cls(crawler.settings)
        middleware.crawler = crawler
        return middleware

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        try:
            result = super().process_response(request, response)
        except ValueError as error:
            raise NotFetchedError("network", f"redirects to no address: {error}") from error
        if isinstance(result, Request):
            result.dont_filter = True
            if urlparse_cached(result).netloc != urlparse_cached(request).netloc:
                result.meta.pop("download_slot", None)
                result.meta.pop(TRUSTED, None)
        return result


class RetryMiddleware(retry.RetryMiddleware):
    """Retries after a while instead of at once, and leaves hosts alone that ask for it.

    - A failed request waits `RFINEWS_RETRY_BACKOFF` seconds, twice as long before each further
      retry, ± 50 %.
    - A refusal (403, 429, 503, or any error with `Retry-After`) pauses the whole host: for as long
      as `Retry-After` says, otherwise for the back-off of so many refusals in a row, at most
      `AUTOTHROTTLE_MAX_DELAY`.
    - A host that wants to be left alone for more than `RFINEWS_RETRY_AFTER_MAX` seconds, or that
      refuses `RFINEWS_REFUSALS_MAX` requests in a row, is asked no more in this crawl: the outcome
      of its addresses is its last answer, the manifest says why.

    Where requests wait: here, outside scheduler and downloader. The `request_scheduled` signal lets
    a component keep a request back, `spider_idle` keeps the spider open meanwhile, `engine.crawl`
    hands it in again. A request that sleeps in a middleware, or in the slot of a paused host, is
    one of the `CONCURRENT_REQUESTS`: sixteen of them stop all other hosts, and Ctrl-C waits for
    them. So a pause also empties the host's slot, on the signal by which AutoThrottle works on it
    too: it comes before the slot sends its next request. And when robots.txt has to wait, the
    pages that need it do, and ask for it again.

    Has to stand last before the downloader, so that nothing lies between this check and the slot.
    """

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings)
        self.backoff = settings.getfloat("RFINEWS_RETRY_BACKOFF")
        self.longest_backoff = settings.getfloat("AUTOTHROTTLE_MAX_DELAY")
        self.longest_pause = settings.getfloat("RFINEWS_RETRY_AFTER_MAX")
        self.most_refusals = settings.getint("RFINEWS_REFUSALS_MAX")
        self.max_size = settings.getint("DOWNLOAD_MAXSIZE")
        self._paused_until: dict[str, float] = {}
        self._robots_retries: dict[str, int] = {}
        self._refusals: dict[str, int] = {}
        self._given_up: dict[str, tuple[str, str]] = {}
        self._waiting: dict[Request, CallLaterResult] = {}
        self._watch: AsyncioLoopingCall | LoopingCall | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = super().from_crawler(crawler)
        for receiver, signal in (
            (middleware.spider_opened, signals.spider_opened),
            (middleware.request_scheduled, signals.request_scheduled),
            (middleware.response_downloaded, signals.response_downloaded),
            (middleware.spider_idle, signals.spider_idle),
            (middleware.spider_closed, signals.spider_closed),
        ):
            crawler.signals.connect(receiver, signal=signal)
        return middleware

    @property
    def stats(self) -> StatsCollector:
        return self.crawler.stats

    # Requests on their way to the downloader

    def request_scheduled(self, request: Request) -> None:
        seconds = self._seconds_to_wait(request)
        if seconds > 0:
            self._waiting[request] = call_later(seconds, self._hand_in, request)
            raise IgnoreRequest("waits for its time")

    async def process_request(self, request: Request) -> None:
        host = hostname(request)
        if host in self._given_up:
            raise NotFetchedError(*self._given_up[host])
        if self._stopped or self._seconds_to_wait(request) > 0:
            raise NotNowError
        if is_for_component(request):
            request.meta["retry_times"] = self._robots_retries.get(host, 0)

    @property
    def _stopped(self) -> bool:
        return self._watch is not None and not self.crawler.crawling

    def _seconds_to_wait(self, request: Request) -> float:
        not_before: float = request.meta.get(NOT_BEFORE, 0.0)
        return max(not_before, self._paused_until.get(hostname(request), 0.0)) - monotonic()

    def _hand_in(self, request: Request) -> None:
        del self._waiting[request]
        self.crawler.engine.crawl(request)

    # What comes back

    def response_downloaded(self, response: Response, request: Request) -> None:
        host = hostname(request)
        if response.status < 400:
            self._accepted(host)
            return
        header = response.headers.get("Retry-After", b"") or b""
        asked_for = retry_after(header.decode("latin-1"), datetime.now(UTC))
        if asked_for is None and response.status not in REFUSALS:
            self._accepted(host)
            return
        refusals = self._refused(host)
        if asked_for is not None and asked_for > self.longest_pause:
            reason = f"wants to be left alone for {asked_for:.0f} s"
            self._give_up(host, response.status, reason)
        elif refusals >= self.most_refusals:
            self._give_up(host, response.status, f"refused {refusals} requests in a row")
        else:
            pause = self._backoff(refusals) if asked_for is None else asked_for
            logger.info("%s answers %d: paused for %.1f s", host, response.status, pause)
            self.stats.inc_value("rfinews/retry/pauses")
            self._pause(host, pause)
        self._empty_slot(request.meta["download_slot"])

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        if hostname(request) in self._given_up:
            return response
        result = super().process_response(request, response)
        return self._delayed(result) if isinstance(result, Request) else result

    def process_exception(
        self, request: Request, exception: Exception, spider: Spider | None = None
    ) -> Request | Response | None:
        if isinstance(exception, NotNowError):
            return None if is_for_component(request) else request.replace(dont_filter=True)
        if isinstance(exception, DownloadCancelledError):  # does not say by what limit
            limit = request.meta.get("download_maxsize", self.max_size)
            raise NotFetchedError("network", f"larger than {limit} bytes") from exception
        result = super().process_exception(request, exception)
        return self._delayed(result) if isinstance(result, Request) else result

    def _delayed(self, request: Request) -> Request:
        retries = request.meta["retry_times"]
        if is_for_component(request):
            self._robots_retries[hostname(request)] = retries
            self._pause(hostname(request), self._backoff(retries))
            raise NotNowError
        request.meta[NOT_BEFORE] = monotonic() + self._backoff(retries)
        return request

    def _accepted(self, host: str) -> None:
        self._refusals.pop(host, None)

    def _refused(self, host: str) -> int:
        """Count a refusal; return how many in a row."""
        refusals = self._refusals[host] = self._refusals.get(host, 0) + 1
        return refusals

    def _pause(self, host: str, seconds: float) -> None:
        until = monotonic() + seconds
        self._paused_until[host] = max(until, self._paused_until.get(host, 0.0))

    def _backoff(self, failures: int) -> float:
        seconds = min(self.backoff * 2.0 ** (failures - 1), self.longest_backoff)
        return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - spreads requests, keeps no secret

    def _give_up(self, host: str, status: int, reason: str) -> None:
        if host not in self._given_up:
            logger.warning("Giving up a host: %s %s", host, reason)
            self.stats.set_value(f"{LEFT_ALONE}{host}", reason)
            self._given_up[host] = f"http_{status}", f"not asked: {host} {reason}"

    def _empty_slot(self, key: str) -> None:
        slot = self.crawler.engine.downloader.slots[key]
        while slot.queue:
            _, waiting = slot.queue.popleft()
            waiting.errback(NotNowError())

    # The spider's life

    def spider_opened(self) -> None:
        if self.crawler.crawling:  # not so in `scrapy shell`
            self._watch = create_looping_call(self._let_go)
            self._watch.start(1.0, now=False)

    def _let_go(self) -> None:
        """When the crawl is told to stop, do not first send what waits for the delay of its slot."""
        if self._stopped:
            for key in self.crawler.engine.downloader.slots:
                self._empty_slot(key)

    def spider_idle(self) -> None:
        if self._waiting:
            raise DontCloseSpider

    def spider_closed(self, spider: Spider) -> None:
        if self._watch:
            self._watch.stop()
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
