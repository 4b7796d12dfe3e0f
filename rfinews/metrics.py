"""What a crawl came to, for Prometheus: as a text file for the node exporter, or pushed.

All are gauges of the last crawl: a number that each crawl begins anew is no counter, and `rate` of it
would be wrong. Of a date the metric is the date, not an age, so that it ages also when no crawl runs.
"""

import logging
from functools import partial
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings

from rfinews.figures import Figures
from rfinews.manifest import DONE
from rfinews.notices import check_http, in_thread
from rfinews.tally import Tally
from rfinews.watching import Watching

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_JOB = "rfinews"
# Those that are told also where there are none: a series that comes and goes is hard to watch.
_OUTCOMES = "exported unchanged duplicate offsite robots network parse invalid unfetched".split()
_CHANGES = ("new", "update", "retracted")

logger = logging.getLogger(__name__)


def check_settings(settings: BaseSettings) -> None:
    """Raise `ValueError`, one line for the user, for a malformed setting of the metrics."""
    path, push = settings["RFINEWS_METRICS_FILE"], settings["RFINEWS_METRICS_PUSH"]
    if (path or push) and find_spec("prometheus_client") is None:
        name = "RFINEWS_METRICS_FILE" if path else "RFINEWS_METRICS_PUSH"
        raise ValueError(f"{name} needs more packages: pip install 'rfinews[monitor]'")
    if path and not path.endswith(".prom"):
        raise ValueError(f"RFINEWS_METRICS_FILE must end in .prom, not {path!r}")
    if push:
        try:
            check_http(push)
        except ValueError as error:
            raise ValueError(f"RFINEWS_METRICS_PUSH: {error}") from None


class Metrics:
    """Extension that writes and pushes them at the end of a crawl. What fails is a line in the log.

    Needs `Tally`, and `Watching` if there are monitors, and has its turn after them.
    """

    def __init__(self, crawler: Crawler, path: Path | None, push: str | None) -> None:
        self.crawler = crawler
        self.path = path
        self.push = push

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        path, push = settings["RFINEWS_METRICS_FILE"], settings["RFINEWS_METRICS_PUSH"]
        if not path and not push:
            raise NotConfigured
        path = path and path.replace("{spider}", crawler.spidercls.name)
        metrics = cls(crawler, Path(path).absolute() if path else None, push or None)
        crawler.signals.connect(metrics.engine_stopped, signals.engine_stopped)
        return metrics

    async def engine_stopped(self) -> None:
        registry = self.registry()
        if self.path is not None:
            self._write(self.path, registry)
        if self.push is not None:
            await self._push(self.push, registry)

    def _write(self, path: Path, registry: "CollectorRegistry") -> None:
        from prometheus_client import write_to_textfile  # noqa: PLC0415 - in an extra

        try:
            write_to_textfile(str(path), registry)
        except OSError as error:
            logger.error("Cannot write %s: %s", path, error.strerror or error)  # noqa: TRY400

    async def _push(self, address: str, registry: "CollectorRegistry") -> None:
        from prometheus_client import push_to_gateway  # noqa: PLC0415 - in an extra

        labels = self._labels()
        timeout = self.crawler.settings.getfloat("DOWNLOAD_TIMEOUT")
        push = partial(
            push_to_gateway,
            address,
            _JOB,
            registry,
            {name: value for name, value in labels.items() if value},
            timeout,
        )
        try:
            await in_thread(push, timeout)
        except (OSError, HTTPException) as error:
            host = urlsplit(address).netloc
            logger.error("Metrics not pushed to %s: %s", host, error)  # noqa: TRY400

    def _labels(self) -> dict[str, str]:
        arguments = self._figures().arguments
        told = " ".join(f"{name}={value}" for name, value in sorted(arguments.items()))
        return {"spider": self.crawler.spidercls.name, "arguments": told}

    def _tally(self) -> Tally:
        tally = self.crawler.get_extension(Tally)
        assert tally is not None
        return tally

    def _figures(self) -> Figures:
        return self._tally().figures(self.crawler.stats.get_value("rfinews/finish_reason"))

    def registry(self) -> "CollectorRegistry":
        """Gather the metrics."""
        from prometheus_client import CollectorRegistry, Gauge  # noqa: PLC0415 - in an extra

        registry = CollectorRegistry()
        now, tally = self._figures(), self._tally()
        stats, labels = self.crawler.stats, self._labels()

        def gauge(name: str, told: str, *names: str) -> Gauge:
            return Gauge(f"rfinews_{name}", told, (*labels, *names), registry=registry)

        def tell(name: str, told: str, value: float | None) -> None:
            if value is not None:
                gauge(name, told).labels(**labels).set(value)

        articles = gauge("crawl_articles", "Articles that the crawl exported.", "edition", "change")
        for edition in sorted({*now.newest, *(edition for edition, _ in tally.changes)}):
            for change in _CHANGES:
                number = tally.changes[edition, change]
                articles.labels(**labels, edition=edition, change=change).set(number)
        addresses = gauge("crawl_addresses", "Addresses that the crawl discovered.", "outcome")
        for outcome, number in (dict.fromkeys(_OUTCOMES, 0) | dict(now.outcomes)).items():
            addresses.labels(**labels, outcome=outcome).set(number)
        pages = gauge("crawl_pages", "Article pages that the crawl asked for.", "outcome")
        for outcome, number in {"read": sum(now.bodies.values()), **now.pages}.items():
            pages.labels(**labels, outcome=outcome).set(number)
        bodies = gauge(
            "crawl_bodies", "Article pages that it read, by the source of their text.", "source"
        )
        for source, number in now.bodies.items():
            bodies.labels(**labels, source=source).set(number)
        newest = gauge(
            "feed_newest_timestamp_seconds",
            "When the newest article was published that the feeds of an edition told of.",
            "edition",
        )
        for edition, at in now.newest.items():
            newest.labels(**labels, edition=edition).set(at)
        count = stats.get_value
        tell(
            "crawl_requests", "Requests that the crawl sent.", count("downloader/request_count", 0)
        )
        tell(
            "crawl_response_bytes",
            "Size of the responses to the crawl, as received.",
            count("downloader/response_bytes", 0),
        )
        tell("crawl_duration_seconds", "How long the crawl took.", count("elapsed_time_seconds"))
        watching = self.crawler.get_extension(Watching)
        failed = [] if watching is None else watching.alarms
        is_well = now.reason in DONE and not failed
        successes = [each.finished_at for each in tally.before if is_success(each)]
        successes += [now.finished_at] * is_well
        tell("crawl_success", "Whether the crawl did its job and no monitor failed.", int(is_well))
        tell("crawl_last_timestamp_seconds", "When the last crawl ended.", now.finished_at)
        tell(
            "crawl_last_success_timestamp_seconds",
            "When a crawl last did its job and no monitor failed.",
            max(successes, default=None),
        )
        if watching is not None:
            failing = gauge(
                "monitor_failing", "Whether a monitor failed in the last crawl.", "monitor"
            )
            for name in watching.names:
                is_failing = any(alarm.name == name for alarm in failed)
                failing.labels(**labels, monitor=name).set(int(is_failing))
        return registry


def is_success(crawl: Figures) -> bool:
    return crawl.reason in DONE and not crawl.alarms
