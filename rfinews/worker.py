"""A crawl as a worker of a fleet (``RFINEWS_REDIS_URL``): Scrapy's side of `rfinews.fleet`.

The add-on puts these components in the place of those that they extend, so that a crawl of its own
knows nothing of them. scrapy-redis 0.9.1 gives the scheduler, the queue and the fingerprints. Its
`RedisSpider` is not used: it has no `start`, so that nothing is asked on Scrapy 2.16 and later. Nor
are the methods that pop a request for good and tell statistics of it by an argument that Scrapy 2.19
deprecates (`Scheduler.enqueue_request`, `Scheduler.next_request`).

A request stays in Redis, as taken by this worker, until all that comes of it is safe: requests that
it leads to are queued, articles and outcomes are written. Those lines survive the worker, so the
request is done then, not only when the file is complete. A worker that dies in between leaves both
line and request: the page is asked twice, but of the two lines the store lets one pass.
"""

import io
import logging
import pickle
from asyncio import Event, Future, Lock, ensure_future, get_running_loop, sleep, wait_for
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple, ParamSpec, Self, TypeVar

from scrapy import Request, Spider, signals
from scrapy.core import downloader
from scrapy.core.downloader.handlers import DownloadHandlers
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import Response
from scrapy.utils.asyncio import AsyncioLoopingCall, create_looping_call
from scrapy_redis import dupefilter, queue, scheduler  # type: ignore[import-untyped]
from twisted.internet.task import LoopingCall

from rfinews import crawl_log, known, middlewares
from rfinews.fleet import Fleet, FleetError, LeftAlone, merged
from rfinews.ledger import Ledger, Tip
from rfinews.middlewares import ADDRESS, AGAIN, NotFetchedError, NotNowError, hostname
from rfinews.signals import address_settled
from rfinews.store import Answer, StoreError

NO_REDIS = "no_redis"
"""The reason why a worker ends that cannot use Redis."""

TICKET = "rfinews_ticket"
"""Key of `Request.meta`: number of the request, among those that this worker has taken, that this
one is, or a retry of, or a redirect."""

WAITS = "rfinews_waits"
"""Key of `Request.meta`: an address that waits in the queue until its turn comes. What to ask for it
is for the spider to say then (`page_of`)."""

_EVERYTHING = "*"  # in the place of a feed: read all of them again
#: Seconds after which a worker without work looks for some again, and tells what it is done with.
_LOOK_AGAIN = 0.1
#: Requests that a worker may have taken at once, those included that wait to be sent again.
_AT_ONCE = 32
#: Addresses that need no request, dealt with before others get a turn.
_IN_A_ROW = 50
#: Seconds between two looks at a site whose places other workers have taken.
_NO_PLACE = 0.01

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Extension that belongs to a fleet: joins it, gives signs of life, and goes.

    Redis lost is told in a line; the spider is closed then, as ``no_redis``.
    """

    def __init__(self, crawler: Crawler, fleet: Fleet) -> None:
        self.crawler = crawler
        self.fleet = fleet
        self.is_lost = False
        self.refusals: dict[str, int] = {}  # in a row, by host, when a request was sent last
        self.heart: AsyncioLoopingCall | LoopingCall | None = None
        self._closing: Future[None] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings, spider = crawler.settings, crawler.spider
        assert spider is not None
        arguments = getattr(spider, "given_arguments", {}).items()
        name = " ".join([spider.name, *(f"{name}={value}" for name, value in sorted(arguments))])
        lease = settings.getfloat("RFINEWS_FLEET_LEASE")
        fleet = Fleet(settings["RFINEWS_REDIS_URL"], name, settings["RFINEWS_CRAWL_ID"], lease)
        return cls(crawler, fleet)

    @classmethod
    def of(cls, crawler: Crawler) -> Self:
        worker = crawler.get_extension(cls)
        assert worker is not None
        return worker

    def join(self) -> None:
        """Raises `FleetError`."""
        try:
            self.fleet.join()
        except FleetError:
            self.is_lost = True
            raise
        self.heart = create_looping_call(self._beat)
        self.heart.start(self.fleet.lease / 3000, now=False)

    def _beat(self) -> None:
        self.ask(None, self.fleet.renew)

    def leave(
        self, answers: Iterable[object], again: Iterable[str]
    ) -> tuple[list[list[Any]], set[str]] | None:
        """Go; see `Fleet.leave`."""
        if self.heart is None or not self.heart.running:
            return None
        self.heart.stop()
        return self.ask(None, self.fleet.leave, answers, again)

    def ask(self, otherwise: T, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask Redis; return `otherwise` once it is lost."""
        if self.is_lost:
            return otherwise
        try:
            return ask(*args, **kwargs)
        except FleetError as error:
            self.is_lost = True
            logger.error("%s", error)  # noqa: TRY400 - a line for the user
            engine = self.crawler.engine
            if engine.spider is not None:
                self._closing = ensure_future(engine.close_spider_async(reason=NO_REDIS))
            return otherwise


# ----------------------------------------------------------------------------------------- the queue


class Hand(NamedTuple):
    """A request that this worker has taken."""

    written: bytes
    """As it stands in Redis."""
    address: str | None
    """What it accounts for."""
    waited: str
    """The address that it waited for; ``""``: it was queued as a request."""


class Plain:
    """Serialises requests for scrapy-redis: by pickle, which builds nothing but data in return."""

    @staticmethod
    def dumps(request: dict[str, Any]) -> bytes:
        return pickle.dumps(request, protocol=5)

    @staticmethod
    def loads(written: bytes) -> Any:
        request = _Unpickler(io.BytesIO(written)).load()
        request.pop("_class", None)
        return request


class _Unpickler(pickle.Unpickler):
    _CLASSES = frozenset(
        {("rfinews.items", name) for name in ("Article", "Image", "Media", "Alternate")}
        | {("rfinews.parsers.feed", "Entry")}
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._CLASSES:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a request")
        return super().find_class(module, name)


class Scheduler(scheduler.Scheduler):  # type: ignore[misc]
    """The fleet's queue. What has been taken is done when the engine is done with it.

    Each request gets into the queue once a run, `dont_filter` or not: whatever leads to it may be
    read twice. A retry or redirect stays with the worker that has taken the request.
    """

    def __init__(self, crawler: Crawler, worker: Worker) -> None:
        fleet = worker.fleet
        seen = dupefilter.RFPDupeFilter(fleet.client, f"{fleet.prefix}seen")
        super().__init__(fleet.client, persist=True, dupefilter=seen, serializer=Plain)
        self.crawler = crawler
        self.worker = worker
        self.fleet = fleet
        self.stats = crawler.stats
        self.hands: dict[int, Hand] = {}  # by ticket
        self.sent: dict[int, Request] = {}  # of those the ones that the engine has
        self.again: deque[Request] = deque()  # retries and redirects whose time has come
        self.tickets = count(1)
        self.number = 0  # of requests, queued or taken by anyone
        self.task: AsyncioLoopingCall | LoopingCall | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        scheduler = cls(crawler, Worker.of(crawler))
        crawler.signals.connect(scheduler.request_scheduled, signals.request_scheduled)
        return scheduler

    @property
    def ledger(self) -> "SharedLedger":
        log = self.crawler.get_extension(CrawlLog)
        assert log is not None
        return log.ledger

    def open(self, spider: Spider) -> None:
        self.spider: Any = spider
        key = f"{self.fleet.prefix}queue".replace("%", "%%")
        self.queue = queue.PriorityQueue(self.server, spider, key, self.serializer)
        self.task = create_looping_call(self.look_again)
        self.task.start(_LOOK_AGAIN, now=False)

    def look_again(self) -> None:
        """Let the engine ask for requests: others may have queued some."""
        slot = self.crawler.engine._slot  # noqa: SLF001 - it looks by itself every five seconds
        if slot is None or slot.closing is not None or not slot.heartbeat.running:
            return
        slot.nextcall.schedule()
        if done := self.done():
            self.number, _ = self.worker.ask((0, None), self.fleet.take, done, is_to_take=False)

    def close(self, reason: str) -> None:
        """Return to the queue what was taken and not begun: others account for it."""
        if self.task is not None and self.task.running:
            self.task.stop()
        self.worker.ask(None, self.fleet.put_back, self.done())
        if not self.worker.is_lost:
            for hand in self.hands.values():
                if hand.address is not None:
                    self.ledger.forget(hand.address)

    def __len__(self) -> int:
        return len(self.again) + self.number

    def has_pending_requests(self) -> bool:
        """Whether there is anything to do, for this worker or others: that may lead to more."""
        return len(self) > 0 and not self.worker.is_lost

    # --------------------------------------------------------------------------------- into it

    def request_scheduled(self, request: Request) -> None:
        """A retry is not with the engine while it waits for its time."""
        ticket = request.meta.get(TICKET)
        if ticket in self.hands:
            self.sent.pop(ticket, None)

    def enqueue_request(self, request: Request) -> bool:
        if request.meta.get(TICKET) in self.hands:
            self.again.append(request)
            return True
        address = request.meta.get(ADDRESS, (None,))[0]
        is_new = self.worker.ask(
            None,
            self.fleet.put,
            self.queue._encode_request(request),  # noqa: SLF001 - made to be extended
            -request.priority,
            self.df.request_fingerprint(request) + request.meta.get(AGAIN, ""),
            address,
        )
        if is_new:
            self.number += 1
            self.stats.inc_value("scheduler/enqueued/redis")
            if address is not None:
                self.ledger.forget(address)
        elif is_new is False and address is not None:
            self.crawler.signals.send_catch_log(
                address_settled, url=address, outcome="duplicate", detail=request.url
            )
        return bool(is_new)

    def keep_waiting(self, url: str, tip: Tip) -> bool:
        """Queue an address whose turn comes when all that leads to others is read."""
        request = Request(url, callback=self.spider.parse_page, meta={WAITS: url})
        written = self.queue._encode_request(request)  # noqa: SLF001
        return self.worker.ask(False, self.fleet.put_waiting, written, url, tip)

    # ------------------------------------------------------------------------------- out of it

    def next_request(self) -> Request | None:
        if self.again:
            request: Request | None = self.again.popleft()
        else:
            request = self._take()
        if request is not None:
            self.sent[request.meta[TICKET]] = request
        return request

    def _take(self) -> Request | None:
        for _ in range(_IN_A_ROW):
            done = self.done()
            is_to_take = len(self.hands) < _AT_ONCE
            self.number, written = self.worker.ask(
                (0, None), self.fleet.take, done, is_to_take=is_to_take
            )
            if written is None:
                return None
            self.stats.inc_value("scheduler/dequeued/redis")
            request = self._request(written)
            if request is not None:
                return request
        self.crawler.engine._slot.nextcall.schedule()  # type: ignore[union-attr] # noqa: SLF001
        return None

    def _request(self, written: bytes) -> Request | None:
        """Read a request that was taken; `None`: its address needs none."""
        request: Request = self.queue._decode_request(written)  # noqa: SLF001
        ticket = next(self.tickets)
        if WAITS not in request.meta:
            address, feed = request.meta.get(ADDRESS, (None, None))
            if address is not None:
                self.ledger.take(address, [feed])
            self.hands[ticket] = Hand(written, address, "")
        else:
            url = request.meta[WAITS]
            tips = self.worker.ask([Tip(None)], self.fleet.tips, url)
            self.ledger.take(url, [tip.feed for tip in tips])
            self.hands[ticket] = Hand(written, url, url)
            try:
                page: Request | None = self.spider.page_of(url, merged(tips))
            except CloseSpider:  # the store cannot be used, which has been told
                return None
            if page is None:
                self.sent[ticket] = request  # the engine never had it, so it is done
                return None
            request = page
        request.meta[TICKET] = ticket
        return request

    def done(self) -> list[tuple[bytes, str]]:
        """Part with what the engine is done with: all that came of it is queued or written."""
        slot = self.crawler.engine._slot  # noqa: SLF001 - no signal tells of it
        assert slot is not None
        done = [ticket for ticket, sent in self.sent.items() if sent not in slot.inprogress]
        for ticket in done:
            del self.sent[ticket]
        hands = [self.hands.pop(ticket) for ticket in done]
        return [(hand.written, hand.waited) for hand in hands]

    def hold(self, request: Request) -> None:
        """Let others go on while a request waits to be sent again."""
        hand = self.hands.get(request.meta.get(TICKET, 0))
        if hand is not None and request.priority > 0:
            self.worker.ask(None, self.fleet.hold, hand.written)


# -------------------------------------------------------------------------------------- the accounts


class SharedLedger(Ledger):
    """The addresses that this worker accounts for: those that it takes, or settles at once."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__()
        self.crawler = crawler

    @property
    def worker(self) -> Worker:
        return Worker.of(self.crawler)

    def discover(self, url: str, feed: str | None = None) -> bool:
        """Note an address unless another worker accounts for it. Returns whether it is new."""
        if not self.has(url) and not self.worker.ask(True, self.worker.fleet.claim, url):
            return False
        return super().discover(url, feed)

    def take(self, url: str, feeds: Iterable[str | None]) -> None:
        """Note an address that was taken from the queue, and who named it."""
        for feed in feeds:
            super().discover(url, feed)

    def keep_waiting(self, url: str, tip: Tip) -> bool:
        """Let any worker have an address, in its turn. Returns whether it is new."""
        queue = self.crawler.engine.scheduler
        assert isinstance(queue, Scheduler)
        return queue.keep_waiting(url, tip)

    def claim(self, article: str) -> bool:
        """Return whether no other worker has an article."""
        return self.worker.ask(True, self.worker.fleet.claim, f"article {article}")

    def count_documents(self, number: int) -> int:
        """Count what any worker could have."""
        return self.worker.ask(1, self.worker.fleet.count, "documents", number)


class CrawlLog(crawl_log.CrawlLog):
    """Leaves alone what another worker accounts for."""

    ledger: SharedLedger

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        log = super().from_crawler(crawler)
        log.ledger = SharedLedger(crawler)
        return log

    def settle(self, url: str, outcome: str, detail: str | None = None) -> None:
        if self.ledger.has(url):
            super().settle(url, outcome, detail)

    def engine_stopped(self) -> None:
        super().engine_stopped()
        Worker.of(self.crawler).leave((), [_EVERYTHING])  # unless it has

    def _failed(self, error: OSError | StoreError) -> None:
        super()._failed(error)
        if isinstance(error, FleetError):
            self.failure = NO_REDIS


class KnownArticles(known.KnownArticles):
    """Joins the fleet with the crawl, and goes with it.

    Only when the run ends is all accounted for that a feed names, so the last worker keeps the
    validators of all.
    """

    def open(self, crawl_id: str) -> None:
        super().open(crawl_id)
        Worker.of(self.crawler).join()

    def end(
        self,
        build: Callable[[dict[str, str] | None], bytes],
        outcomes: Iterable[tuple[str, str, str | None]],
        changed_feeds: set[str] | None,
    ) -> None:
        answers = [item for item in self._answers.items() if item[1].body is None]
        for key, _ in answers:
            del self._answers[key]
        of_all = Worker.of(self.crawler).leave(
            [(key, tuple(answer)) for key, answer in answers],
            [_EVERYTHING] if changed_feeds is None else changed_feeds,
        )
        if of_all is not None:
            for (purpose, url), answer in of_all[0]:
                self._answers[purpose, url] = Answer(*answer)
            changed_feeds = None if _EVERYTHING in of_all[1] else of_all[1]
        super().end(build, outcomes, changed_feeds)


# ----------------------------------------------------------------------------------------- the sites


class PausedError(NotNowError):
    """Raised by `Turns`: a site wants to be left alone for some seconds, as others found out."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"paused for {seconds:.1f} s")
        self.seconds = seconds


class LeftAloneError(IgnoreRequest):
    """Raised by `Turns`: a site is asked no more, as others found out."""

    def __init__(self, why: LeftAlone) -> None:
        super().__init__(why.reason)
        self.why = why


class Downloader(downloader.Downloader):
    """Sends a request when it is the fleet's turn: to a site all workers are one crawler.

    The delay is that of the download slot, which AutoThrottle works on, without jitter;
    ``CONCURRENT_REQUESTS_PER_DOMAIN`` is how many requests are on their way there from anywhere.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.handlers = Turns(self.handlers, self)  # type: ignore[assignment]


class Turns:
    """Download handlers behind a gate, after which nothing but the wire can hold a request up."""

    def __init__(self, handlers: DownloadHandlers, downloader: Downloader) -> None:
        self.handlers = handlers
        self.downloader = downloader
        self.worker = Worker.of(downloader.crawler)
        self.fleet = self.worker.fleet
        self.locks: defaultdict[str, Lock] = defaultdict(Lock)
        self.ends: defaultdict[str, Event] = defaultdict(Event)
        self.numbers = count(1)

    async def download_request_async(self, request: Request) -> Response:
        host, number = hostname(request), next(self.numbers)
        async with self.locks[host]:  # one of the worker's requests asks, the others wait for it
            await self.wait(request, host, number)
        try:
            return await self.handlers.download_request_async(request)
        finally:  # after `response_downloaded`, on which a refusal pauses the site
            get_running_loop().call_soon(self.end, host, number)

    def end(self, host: str, number: int) -> None:
        self.worker.ask(None, self.fleet.end_turn, host, number)
        self.ends[host].set()

    async def wait(self, request: Request, host: str, number: int) -> None:
        """Wait until the request may be sent. Raises `NotNowError`, `LeftAloneError`."""
        slot = self.downloader.slots[request.meta[Downloader.DOWNLOAD_SLOT]]
        while self.downloader.crawler.crawling:
            self.ends[host].clear()
            turn = self.worker.ask(
                None, self.fleet.turn, host, number, slot.delay, slot.concurrency
            )
            if turn is None:
                break
            if turn.left_alone is not None:
                raise LeftAloneError(turn.left_alone)
            if turn.paused:
                raise PausedError(turn.paused)
            if turn.wait is None:
                self.worker.refusals[host] = turn.refusals
                return
            if turn.wait:
                await sleep(min(turn.wait, 1.0))
            else:
                with suppress(TimeoutError):
                    await wait_for(self.ends[host].wait(), _NO_PLACE)
        raise NotNowError


class RetryMiddleware(middlewares.RetryMiddleware):
    """Tells the others of pauses, refusals in a row and hosts left alone, and hears of theirs."""

    @property
    def worker(self) -> Worker:
        return Worker.of(self.crawler)

    def request_scheduled(self, request: Request) -> None:
        try:
            super().request_scheduled(request)
        except IgnoreRequest:  # it waits
            queue = self.crawler.engine.scheduler
            assert isinstance(queue, Scheduler)
            queue.hold(request)
            raise

    def process_exception(
        self, request: Request, exception: Exception, spider: Spider | None = None
    ) -> Request | Response | None:
        host = hostname(request)
        if isinstance(exception, PausedError):
            super()._pause(host, exception.seconds)
            self._empty_slot(request.meta[Downloader.DOWNLOAD_SLOT])
        elif isinstance(exception, LeftAloneError):
            super()._give_up(host, *exception.why)
            self._empty_slot(request.meta[Downloader.DOWNLOAD_SLOT])
            raise NotFetchedError(*self._given_up[host])
        return super().process_exception(request, exception, spider)

    def _accepted(self, host: str) -> None:
        if self.worker.refusals.pop(host, 0):
            self.worker.ask(None, self.worker.fleet.accepted, host)

    def _refused(self, host: str) -> int:
        return self.worker.ask(1, self.worker.fleet.refused, host)

    def _pause(self, host: str, seconds: float) -> None:
        super()._pause(host, seconds)
        self.worker.ask(None, self.worker.fleet.pause, host, seconds)

    def _give_up(self, host: str, status: int, reason: str) -> None:
        super()._give_up(host, status, reason)
        self.worker.ask(None, self.worker.fleet.leave_alone, host, LeftAlone(status, reason))
