"""What a crawl leaves beside its articles: outcomes and, last, the manifest (CONTRACT section 5)."""

import hashlib
import logging
import os
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import orjson
from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider

from rfinews import __version__, dates
from rfinews.items import Article
from rfinews.output import AtomicFileFeedStorage, PartFile
from rfinews.pipelines import DropArticle
from rfinews.signals import address_discovered, address_settled

logger = logging.getLogger(__name__)

MANIFEST_SUFFIX = ".manifest.json"
_MANIFEST_STYLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_LIBRARIES = ("scrapy", "twisted", "selectolax", "nh3", "lxml")
# Outcomes without a fault; and of what is unfetched the one line that says why stands elsewhere.
_NO_WARNING = frozenset(("exported", "unchanged", "duplicate", "unfetched"))
_WARNINGS = 100


class CrawlLog:
    """Extension that accounts for every address discovered and writes the manifest last.

    An address that ends in a fault is a line in the log, for the first 100 of each outcome.
    Stats: ``rfinews/outcome/<outcome>`` (each decision as it falls) and ``rfinews/finish_reason``, which is the manifest's.
    """

    def __init__(
        self, crawler: Crawler, directory: Path, crawl_id: str, arguments: dict[str, Any]
    ) -> None:
        self.crawler = crawler
        self.directory = directory
        self.crawl_id = crawl_id
        self.arguments = arguments
        self.started_at = dates.now()
        self.files: list[dict[str, Any]] = []
        self.unstored = False
        self.pending: dict[str, None] = {}
        self.settled: dict[str, str] = {}
        self.replaced = False  # whether an outcome on file has been overruled by a later one
        self.exported: list[str] = []  # addresses of the articles in the order of their lines
        self.outcomes: PartFile | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        spider = crawler.spider
        log = cls(
            crawler,
            Path(settings["RFINEWS_DATA_DIR"]).absolute() / "articles",
            settings["RFINEWS_CRAWL_ID"],
            getattr(spider, "given_arguments", {}),
        )
        connect = crawler.signals.connect
        connect(log.spider_opened, signals.spider_opened)
        connect(log.discovered, address_discovered)
        connect(log.settle, address_settled)
        connect(log.item_scraped, signals.item_scraped)
        connect(log.item_dropped, signals.item_dropped)
        connect(log.item_error, signals.item_error)
        connect(log.feed_slot_closed, signals.feed_slot_closed)
        connect(log.engine_stopped, signals.engine_stopped)
        return log

    def spider_opened(self, spider: Spider) -> None:
        try:
            self.outcomes = self._part(".outcomes.jsonl")
        except OSError as error:
            self._not_stored(error)
            raise CloseSpider("not_stored") from None

    def discovered(self, url: str) -> None:
        if url not in self.settled:
            self.pending[url] = None

    def settle(self, url: str, outcome: str, detail: str | None = None) -> None:
        """Note what became of `url`. The first word counts, but ``exported`` beats any other."""
        known = self.settled.get(url)
        if known is not None and (known == "exported" or outcome != "exported"):
            return
        self.pending.pop(url, None)
        self._record(url, outcome, detail)

    def item_scraped(self, item: Any) -> None:
        if isinstance(item, Article):
            self.exported.append(item.address)
            self.settle(item.address, "exported", item.note)

    def item_dropped(self, item: Any, exception: Exception) -> None:
        if isinstance(item, Article) and isinstance(exception, DropArticle):
            self.settle(item.address, exception.outcome, exception.detail)

    def item_error(self, item: Any, failure: Any) -> None:
        if isinstance(item, Article):
            self.settle(item.address, "invalid", failure.getErrorMessage())

    def feed_slot_closed(self, slot: Any) -> None:
        """List the file of a feed if it is complete. Sent also when storing failed."""
        storage = slot.storage
        if not isinstance(storage, AtomicFileFeedStorage):
            return
        file = storage.file
        if storage.completed and file is not None:
            inside = storage.path.parent == self.directory
            self.files.append(
                {
                    "name": storage.path.name if inside else str(storage.path),
                    "lines": slot.itemcount if storage.compressed else file.lines,
                    "bytes": file.size,
                    "sha256": file.digest.hexdigest(),
                }
            )
        if storage.error is not None or not storage.completed:
            self.unstored = True
            stored = file.lines - file.lines_before if storage.completed and file is not None else 0
            kept = set(self.exported[:stored])
            for url in self.exported[stored:]:
                if url not in kept:
                    self._record(url, "unfetched", "not stored")

    def engine_stopped(self) -> None:
        """Complete the outcomes, then write the manifest: the crawl has ended."""
        stats = self.crawler.stats
        assert stats is not None
        for url in list(self.pending):
            self.settle(url, "unfetched")
        reason = stats.get_value("finish_reason", "unknown")
        reason = "not_stored" if self.unstored else reason
        if self.outcomes is not None:
            try:
                self._complete(self.outcomes, reason)
            except OSError as error:
                self._not_stored(error)
                reason = "not_stored"
        stats.set_value("rfinews/finish_reason", reason)
        counts = Counter(self.settled.values()).most_common()
        logger.info(
            "Crawl %s: %s; %s",
            self.crawl_id,
            reason,
            ", ".join(f"{count} {outcome}" for outcome, count in counts) or "no addresses",
        )

    def _complete(self, outcomes: PartFile, reason: str) -> None:
        if outcomes.error is not None or self.replaced:
            outcomes.rewrite(self._current(outcomes.part.read_bytes()))
        outcomes.finish()
        manifest = self._part(MANIFEST_SUFFIX)
        manifest.write(orjson.dumps(self._manifest(reason), option=_MANIFEST_STYLE))
        manifest.finish()

    def _current(self, lines: bytes) -> bytes:
        """Return those of the outcome lines that still hold, and those that are not on file."""
        rows = ((line, orjson.loads(line)) for line in lines.splitlines(keepends=True))
        held = {
            row["url"]: line for line, row in rows if self.settled[row["url"]] == row["outcome"]
        }
        return b"".join(held.get(url) or _line(url, self.settled[url]) for url in self.settled)

    def _manifest(self, reason: str) -> dict[str, Any]:
        return {
            "crawl_id": self.crawl_id,
            "spider": self.crawler.spidercls.name,
            "arguments": self.arguments,
            "started_at": self.started_at,
            "finished_at": dates.now(),
            "finish_reason": reason,
            "files": self.files,
            "outcomes": dict(sorted(Counter(self.settled.values()).items())),
            "versions": {
                "rfinews": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in _LIBRARIES},
            },
            "previous": self._previous(),
        }

    def _previous(self) -> dict[str, str] | None:
        """Name the newest manifest before this one, by its time on disk."""
        with os.scandir(self.directory) as entries:
            manifests = [
                (entry.stat().st_mtime_ns, entry.name)
                for entry in entries
                if entry.name.endswith(MANIFEST_SUFFIX)
            ]
        if not manifests:
            return None
        name = max(manifests)[1]
        digest = hashlib.sha256((self.directory / name).read_bytes()).hexdigest()
        return {"crawl_id": name.removesuffix(MANIFEST_SUFFIX), "sha256": digest}

    def _part(self, suffix: str) -> PartFile:
        return PartFile(self.directory / f"{self.crawl_id}{suffix}")

    def _record(self, url: str, outcome: str, detail: str | None) -> None:
        self.replaced = self.replaced or url in self.settled
        self.settled[url] = outcome
        self.crawler.stats.inc_value(f"rfinews/outcome/{outcome}")
        if outcome not in _NO_WARNING:
            self._warn(url, outcome, detail)
        if self.outcomes is not None:
            self.outcomes.write(_line(url, outcome, detail))

    def _warn(self, url: str, outcome: str, detail: str | None) -> None:
        number = self.crawler.stats.get_value(f"rfinews/outcome/{outcome}")
        if number <= _WARNINGS:
            logger.warning("%s: %s", one_line(url), f"{outcome}, {detail}" if detail else outcome)
        elif number == _WARNINGS + 1:
            logger.warning("More than %d addresses: %s; see the outcomes", _WARNINGS, outcome)

    def _not_stored(self, error: OSError) -> None:
        if not self.unstored:  # else the storage has told of it
            logger.error(
                "Cannot write to %s: %s", error.filename or self.directory, error.strerror or error
            )
        self.unstored = True


def _line(url: str, outcome: str, detail: str | None = None) -> bytes:
    row = {"url": url, "outcome": outcome, "detail": detail}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def one_line(url: str) -> str:
    r"""An address as a log can bear it, whatever a feed gives for one.

    >>> one_line("javascript:\x1b[2J\nalert(1)")
    'javascript: [2J alert(1)'
    """
    return "".join(char if char.isprintable() else " " for char in url[:200])
