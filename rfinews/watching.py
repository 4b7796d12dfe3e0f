"""Monitors at the end of a crawl, and who hears of it."""

import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings

from rfinews.arguments import choices
from rfinews.figures import Alarm, Figures
from rfinews.files import MANIFEST
from rfinews.monitors import OF_A_WORKER, RULES, Judgement, Limits, judgement
from rfinews.notices import (
    MailServer,
    Notice,
    check_http,
    check_mail,
    in_thread,
    is_due,
    mail,
    notice,
    post,
)
from rfinews.signals import crawl_ends
from rfinews.tally import Tally

#: Stat: how many monitors failed.
FAILED = "rfinews/monitors/failed"
#: Nobody asks whether a crawl did its job that was told to stop before.
_STOPPED = "shutdown"
_PREFIX = "RFINEWS_MONITOR_"

logger = logging.getLogger(__name__)


def check_settings(settings: BaseSettings) -> None:
    """Raise `ValueError`, one line for the user, for a malformed setting of the monitors."""
    if settings.getint("RFINEWS_MONITOR_CRAWLS") < 1:
        raise ValueError("RFINEWS_MONITOR_CRAWLS must be at least 1")
    for name, value in limits(settings)._asdict().items():
        if name != "hours" and not 0 <= value <= 1:
            raise ValueError(f"{_PREFIX}{name.upper()} must be from 0 to 1, not {value:g}")
        if not value >= 0:
            raise ValueError(f"{_PREFIX}{name.upper()} must not be negative")
    Receivers.read(settings)
    if not settings["RFINEWS_MONITORS"]:
        return
    names = monitors(settings)
    if find_spec("spidermon") is None:
        raise ValueError("RFINEWS_MONITORS needs more packages: pip install 'rfinews[monitor]'")
    if settings["RFINEWS_REDIS_URL"] and not set(names) <= set(OF_A_WORKER):
        raise ValueError(
            f"RFINEWS_MONITORS: one of several workers can judge only {','.join(OF_A_WORKER)}"
        )


def monitors(settings: BaseSettings) -> list[str]:
    """Read which monitors are asked for. Raises `ValueError`."""
    try:
        return choices(*RULES)(",".join(settings.getlist("RFINEWS_MONITORS")))
    except ValueError as error:
        raise ValueError(
            f"RFINEWS_MONITORS must be all, or one or more of {', '.join(RULES)}: {error}"
        ) from None


def limits(settings: BaseSettings) -> Limits:
    """Read what is borne. Raises `ValueError`."""
    return Limits(**{name: settings.getfloat(_PREFIX + name.upper()) for name in Limits._fields})


class Receivers(NamedTuple):
    """Who hears of a crawl that is not well."""

    webhook: str | None
    mail: list[str]
    sender: str
    server: MailServer

    @classmethod
    def read(cls, settings: BaseSettings) -> Self:
        """Raises `ValueError`, one line for the user."""
        name = ""
        try:
            name = "WEBHOOK"
            webhook = settings[_PREFIX + name]
            webhook = check_http(webhook) if webhook else None
            name = "MAIL"
            addresses = [word.strip() for word in settings.getlist(_PREFIX + name)]
            addresses = [check_mail(address) for address in addresses]
            name = "MAIL_FROM"
            sender = settings[_PREFIX + name]
            sender = check_mail(sender) if sender else f"rfinews@{socket.gethostname()}"
            name = "SMTP"
            server = MailServer.read(settings[_PREFIX + name])
        except ValueError as error:
            raise ValueError(f"{_PREFIX}{name}: {error}") from None
        return cls(webhook, addresses, sender, server)

    def ways(self, timeout: float) -> list[tuple[str, Callable[[Notice], None]]]:
        """Return in words and as calls how to reach them. An address may be a secret but for its host."""
        found: list[tuple[str, Callable[[Notice], None]]] = []
        if self.webhook:
            webhook = self.webhook
            host = urlsplit(webhook).hostname
            found.append((f"webhook at {host}", lambda told: post(webhook, told.data, timeout)))
        if self.mail:
            send = partial(mail, self.server, self.sender, self.mail, timeout=timeout)
            found.append((f"mail to {', '.join(self.mail)}", send))
        return found


class Watching:
    """Extension that lets monitors judge a crawl: what fails is a line in the log, exit status 1, and
    stands in the manifest; when that changes, and once a day, it is posted and mailed.

    Needs `CrawlLog` and `Tally`, and has its turn after them. The manifest is written before anything
    is sent, so that no slow server delays it.
    """

    def __init__(
        self,
        crawler: Crawler,
        names: Sequence[str],
        limits: Limits,
        receivers: Receivers,
        timeout: float,
    ) -> None:
        self.crawler = crawler
        self.names = names
        self.limits = limits
        self.receivers = receivers
        self.timeout = timeout
        self.judged: tuple[str, Judgement] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        if not settings["RFINEWS_MONITORS"]:
            raise NotConfigured
        watching = cls(
            crawler,
            monitors(settings),
            limits(settings),
            Receivers.read(settings),
            settings.getfloat("DOWNLOAD_TIMEOUT"),
        )
        crawler.signals.connect(watching.crawl_ends, crawl_ends)
        crawler.signals.connect(watching.spider_closed, signals.spider_closed)
        crawler.signals.connect(watching.engine_stopped, signals.engine_stopped)
        return watching

    @property
    def tally(self) -> Tally:
        tally = self.crawler.get_extension(Tally)
        assert tally is not None
        return tally

    @property
    def alarms(self) -> list[Alarm]:
        """What failed."""
        return self.judged[1].failed if self.judged is not None else []

    def crawl_ends(self, reason: str, notes: dict[str, Any]) -> None:
        if reason != _STOPPED:
            notes["monitors"] = self.judge(reason).as_notes()

    def judge(self, reason: str) -> Judgement:
        """Ask the monitors about the crawl that ends with `reason`."""
        if self.judged is None or self.judged[0] != reason:
            from rfinews.suite import ask  # noqa: PLC0415 - its library is in an extra

            now, before = self.tally.figures(reason), self.tally.before
            said = ask(self.names, now, before, self.limits)
            self.judged = reason, judgement(said, now, before)
        return self.judged[1]

    async def spider_closed(self, reason: str) -> None:
        """Tell of a crawl that could not even begin; the engine then never stops."""
        if self.tally.log.outcomes is None:
            await self._tell(self.tally.log.failure or reason)

    async def engine_stopped(self) -> None:
        if self.tally.log.outcomes is not None:
            await self._tell(self.crawler.stats.get_value("rfinews/finish_reason"))

    async def _tell(self, reason: str) -> None:
        if reason == _STOPPED:
            return
        judged = self.judge(reason)
        self.crawler.stats.set_value(FAILED, len(judged.failed))
        for alarm in judged.failed:
            logger.error("Monitor %s: %s", alarm.name, alarm.message)
        now, before = self.tally.figures(reason), self.tally.before
        if is_due(judged, now, before):
            await self._send(judged, now)

    async def _send(self, judged: Judgement, now: Figures) -> None:
        manifest = self.tally.directory / f"{now.crawl_id}{MANIFEST}"
        told = notice(judged, now, socket.gethostname(), str(manifest))
        for way, send in self.receivers.ways(self.timeout):
            try:
                await in_thread(partial(send, told), self.timeout)
                logger.info("Told by %s: %s", way, told.subject)
            except OSError as error:
                logger.error("Not told by %s: %s", way, error)  # noqa: TRY400
