"""The life of a crawl on disk: its mark, its outcomes and, last, its manifest (CONTRACT section 5)."""

import logging
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.extensions.feedexport import FeedSlot
from scrapy.utils.asyncio import AsyncioLoopingCall, create_looping_call
from twisted.internet.task import LoopingCall

from rfinews.files import HEARTBEAT, OUTCOMES, CrawlMark, PartFile
from rfinews.items import Article
from rfinews.known import NO_STORE, KnownArticles
from rfinews.ledger import Ledger
from rfinews.manifest import DONE, about, manifest, outcome_line
from rfinews.middlewares import LEFT_ALONE
from rfinews.output import ArticlesStorage, AtomicFileFeedStorage
from rfinews.pipelines import DropArticle
from rfinews.signals import address_discovered, address_settled, crawl_ends
from rfinews.store import StoreError

logger = logging.getLogger(__name__)

# Outcomes without a fault; and of what is unfetched the one line that says why stands elsewhere.
_NO_WARNING = frozenset(("exported", "unchanged", "duplicate", "unfetched"))
_WARNINGS = 100


class _Exported(NamedTuple):
    """A line of an articles file that still grows."""

    address: str
    note: str | None
    id: str
    revision: int


class CrawlLog:
    """Extension that accounts for every address discovered and writes the manifest last.

    An article is ``exported`` once the file that holds it is complete. An address that ends in a
    fault is a line in the log, for the first 100 of each outcome.
    Stats: ``rfinews/outcome/<outcome>`` (each decision as it falls) and ``rfinews/finish_reason``,
    which is the manifest's.
    """

    def __init__(
        self,
        crawler: Crawler,
        directory: Path,
        crawl_id: str,
        arguments: dict[str, Any],
        rotate_items: int,
    ) -> None:
        self.crawler = crawler
        self.directory = directory
        self.crawl_id = crawl_id
        self.arguments = arguments
        self.rotate_items = rotate_items
        self.files: list[dict[str, Any]] = []
        self.failure: str | None = None  # the finish_reason that beats Scrapy's
        self.ledger = Ledger()
        self.is_left = False  # whether a part is left for the next crawl to complete
        self.replaced = False  # whether an outcome on file has been overruled by a later one
        self.lines = 0
        self.growing: dict[int, list[_Exported]] = {}  # by number of the file, in its order
        self.in_files: dict[str, int] = {}  # how often an address stands in those
        self.warnings: Counter[str] = Counter()
        self.mark: CrawlMark | None = None
        self.outcomes: PartFile | None = None
        self.heart: AsyncioLoopingCall | LoopingCall | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        log = cls(
            crawler,
            Path(settings["RFINEWS_DATA_DIR"]).absolute() / "articles",
            settings["RFINEWS_CRAWL_ID"],
            getattr(crawler.spider, "given_arguments", {}),
            settings.getint("RFINEWS_ROTATE_ITEMS"),
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
        known = self.crawler.get_extension(KnownArticles)
        assert known is not None
        self.known = known
        try:
            self.mark = CrawlMark.create(
                self.directory, about(self.crawl_id, spider.name, self.arguments)
            )
            self.known.open(self.crawl_id)
            self.outcomes = PartFile(self.directory / f"{self.crawl_id}{OUTCOMES}")
        except (OSError, StoreError) as error:
            self._failed(error)
            self._never_begun()
            raise CloseSpider(self.failure or "") from None
        self.heart = create_looping_call(self.mark.beat)
        self.heart.start(HEARTBEAT, now=False)

    def _never_begun(self) -> None:
        """Take back the mark; Scrapy may not come to say that the engine has stopped."""
        self.known.close()
        if self.mark is not None:
            with suppress(OSError):
                self.mark.remove()

    # --------------------------------------------------------------------------------- addresses

    def discovered(self, url: str, feed: str | None = None) -> None:
        self.ledger.discover(url, feed)

    def settle(self, url: str, outcome: str, detail: str | None = None) -> None:
        """Note what became of `url`; the first word counts."""
        if url not in self.in_files and self.ledger.outcome(url) is None:
            self._record(url, outcome, detail)

    def item_scraped(self, item: Any) -> None:
        if not isinstance(item, Article):
            return
        if item.note:
            self._warn("exported with a note", item.address, item.note)
        line = _Exported(item.address, item.note, item.id, item.revision)
        number = self.lines // self.rotate_items + 1
        self.growing.setdefault(number, []).append(line)
        self.lines += 1
        self.in_files[item.address] = self.in_files.get(item.address, 0) + 1

    @property
    def progress(self) -> tuple[int, int]:
        """How many addresses are dealt with, of how many discovered."""
        done = sum(self.ledger.counts.values()) + len(self.in_files)
        return done, max(done, self.ledger.discovered)

    def item_dropped(self, item: Any, exception: Exception) -> None:
        if isinstance(item, Article) and isinstance(exception, DropArticle):
            self.settle(item.address, exception.outcome, exception.detail)

    def item_error(self, item: Any, failure: Any) -> None:
        if isinstance(item, Article):
            self.settle(item.address, "invalid", failure.getErrorMessage())

    # ------------------------------------------------------------------------------------- files

    def feed_slot_closed(self, slot: FeedSlot) -> None:
        """Account for the file of a feed. Sent also when storing failed."""
        storage: object = slot.storage
        if isinstance(storage, ArticlesStorage):
            self._articles_closed(slot.batch_id, storage)
        elif isinstance(storage, AtomicFileFeedStorage):
            file = storage.file
            if storage.completed and file is not None:
                lines = slot.itemcount if storage.compressed else file.lines
                self.files.append(file.facts | {"name": str(storage.path), "lines": lines})
            if storage.error is not None or not storage.completed:
                self.failure = "not_stored"

    def _articles_closed(self, number: int, storage: ArticlesStorage) -> None:
        lines = self.growing.pop(number)
        verdicts = storage.completed.verdicts if storage.completed is not None else []
        if storage.completed is not None and storage.completed.facts is not None:
            self.files.append(storage.completed.facts)
        if storage.error is not None:
            self.failure = "not_stored"
        if storage.completed is None and storage.file is not None and storage.file.size:
            self.is_left = True
            return
        for line, verdict in zip(lines, verdicts, strict=False):
            self._out_of_file(line.address)
            if verdict.revision is not None:
                if self.ledger.outcome(line.address) != "exported":
                    self._record(line.address, "exported", line.note)
            elif self.ledger.outcome(line.address) is None:
                self._record(line.address, "unchanged", "another crawl was first")
        for line in lines[len(verdicts) :]:
            self._out_of_file(line.address)
            if self.ledger.outcome(line.address) is None:
                self._record(line.address, "unfetched", "not stored")
        self.known.completed({line.id: line.revision for line in lines})

    def _out_of_file(self, address: str) -> None:
        self.in_files[address] -= 1
        if not self.in_files[address]:
            del self.in_files[address]

    # --------------------------------------------------------------------------------- at the end

    def engine_stopped(self) -> None:
        """Complete the outcomes, then write the manifest: the crawl has ended."""
        stats = self.crawler.stats
        assert stats is not None
        if self.heart is not None:
            self.heart.stop()
        reason = self.failure or stats.get_value("finish_reason", "unknown")
        if self.is_left or (self.outcomes is not None and reason == NO_STORE):
            logger.error("What is not stored is left for the next crawl to complete")
        elif self.outcomes is not None:
            for url in self.ledger.pending():
                self.settle(url, "unfetched")
            try:
                self._end(self.outcomes, reason)
            except (OSError, StoreError) as error:
                self._failed(error)
        self.known.close()
        stats.set_value("rfinews/finish_reason", self.failure or reason)
        logger.info(
            "Crawl %s: %s; %s",
            self.crawl_id,
            self.failure or reason,
            ", ".join(f"{count} {outcome}" for outcome, count in self.ledger.counts.items())
            or "no addresses",
        )

    def _end(self, outcomes: PartFile, reason: str) -> None:
        if outcomes.error is not None or self.replaced:
            outcomes.rewrite()
            for row in self.ledger.settled():
                outcomes.write(outcome_line(*row))
        outcomes.finish()
        mark = self.mark
        assert mark is not None
        notes: dict[str, Any] = {}
        self.crawler.signals.send_catch_log(crawl_ends, reason=reason, notes=notes)
        self.known.end(
            lambda previous: manifest(
                mark.about,
                finish_reason=reason,
                files=self.files,
                outcomes=self.ledger.counts,
                outcomes_file=outcomes.facts,
                left_alone=self._left_alone(),
                previous=previous,
                notes=notes,
            ),
            self.ledger.settled(),
            self.ledger.feeds_to_read_again() if reason in DONE else None,
        )
        mark.remove()

    def _left_alone(self) -> dict[str, str]:
        stats = self.crawler.stats.get_stats()
        return {
            name.removeprefix(LEFT_ALONE): reason
            for name, reason in stats.items()
            if name.startswith(LEFT_ALONE)
        }

    def _record(self, url: str, outcome: str, detail: str | None) -> None:
        self.replaced = self.replaced or self.ledger.outcome(url) is not None
        self.ledger.settle(url, outcome, detail)
        self.crawler.stats.inc_value(f"rfinews/outcome/{outcome}")
        if outcome not in _NO_WARNING:
            self._warn(outcome, url, f"{outcome}, {detail}" if detail else outcome)
        if self.outcomes is not None:
            self.outcomes.write(outcome_line(url, outcome, detail))

    def _warn(self, kind: str, url: str, text: str) -> None:
        self.warnings[kind] += 1
        if self.warnings[kind] <= _WARNINGS:
            logger.warning("%s: %s", one_line(url), text)
        elif self.warnings[kind] == _WARNINGS + 1:
            logger.warning("More than %d addresses: %s; see the outcomes", _WARNINGS, kind)

    def _failed(self, error: OSError | StoreError) -> None:
        if isinstance(error, StoreError):
            logger.error("%s", error)
            self.failure = NO_STORE
            return
        if self.failure is None:  # else the storage has told of it
            logger.error(
                "Cannot write to %s: %s", error.filename or self.directory, error.strerror or error
            )
        self.failure = "not_stored"


def one_line(url: str) -> str:
    r"""An address as a log can bear it, whatever a feed gives for one.

    >>> one_line("javascript:\x1b[2J\nalert(1)")
    'javascript: [2J alert(1)'
    """
    return "".join(char if char.isprintable() else " " for char in url[:200])
