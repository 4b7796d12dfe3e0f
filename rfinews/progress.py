"""How far a crawl is: a live bar on a terminal, a line a minute in a log."""

import logging
import sys
from collections import deque
from contextlib import ExitStack
from time import monotonic
from typing import Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import AsyncioLoopingCall, create_looping_call
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm
from twisted.internet.task import LoopingCall

from rfinews.crawl_log import CrawlLog
from rfinews.items import Article
from rfinews.signals import address_settled

logger = logging.getLogger(__name__)

_NO_ERROR = frozenset(("exported", "unchanged", "duplicate", "offsite"))
_WINDOW = 60  # seconds over which the rate is taken
_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} addresses{postfix} [{elapsed}]"


class Progress:
    """Extension in the place of Scrapy's `LogStats`, with its setting ``LOGSTATS_INTERVAL``."""

    def __init__(self, crawler: Crawler, interval: float) -> None:
        self.crawler = crawler
        self.interval = interval
        self.articles = 0
        self.pages = 0
        self.errors = 0
        self.month: str | None = None
        self.ticks: deque[tuple[float, int]] = deque()
        self.exit = ExitStack()
        self.bar: tqdm[Any] | None = None
        self.task: AsyncioLoopingCall | LoopingCall | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        interval = crawler.settings.getfloat("LOGSTATS_INTERVAL")
        if not interval:
            raise NotConfigured
        progress = cls(crawler, interval)
        connect = crawler.signals.connect
        connect(progress.engine_started, signals.engine_started)
        connect(progress.item_scraped, signals.item_scraped)
        connect(progress.response_received, signals.response_received)
        connect(progress.settled, address_settled)
        connect(progress.spider_closed, signals.spider_closed)
        return progress

    def engine_started(self) -> None:
        if sys.stderr.isatty():
            self.exit.enter_context(logging_redirect_tqdm())
            self.bar = self.exit.enter_context(
                tqdm(bar_format=_BAR, total=0, dynamic_ncols=True, leave=False)
            )
        self.ticks.append((monotonic(), 0))
        self.task = create_looping_call(self.tell)
        self.task.start(1.0 if self.bar is not None else self.interval, now=False)

    def item_scraped(self, item: object) -> None:
        self.articles += 1
        if isinstance(item, Article) and item.date_published:
            self.month = item.date_published[:7]

    def response_received(self) -> None:
        self.pages += 1

    def settled(self, outcome: str) -> None:
        self.errors += outcome not in _NO_ERROR

    def tell(self) -> None:
        log = self.crawler.get_extension(CrawlLog)
        assert log is not None
        done, total = log.progress
        if self.bar is not None:
            self.bar.total, self.bar.n = total, done
            self.bar.set_postfix_str(self.line())
        else:
            logger.info("%s of %s addresses, %s", f"{done:,}", f"{total:,}", self.line())

    def line(self) -> str:
        """Say articles, pages, errors, pages in the last minute, and the month of the last article."""
        now = monotonic()
        self.ticks.append((now, self.pages))
        while len(self.ticks) > 2 and now - self.ticks[1][0] >= _WINDOW:
            self.ticks.popleft()
        then, before = self.ticks[0]
        rate = (self.pages - before) * 60 / max(now - then, 1.0)
        parts = [
            f"{self.articles:,} articles",
            f"{self.pages:,} answers",
            f"{self.errors:,} errors",
            f"{rate:,.0f} a minute",
        ]
        if self.month is not None:
            parts.append(self.month)
        return ", ".join(parts)

    def spider_closed(self) -> None:
        if self.task is not None and self.task.running:
            self.task.stop()
        self.exit.close()
