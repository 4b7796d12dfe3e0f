"""What a report adds up, in memory that grows with days and editions, not with articles.

Crawls must come the newest first, each before its articles, of which the newest come first, too. Days are those of UTC, as
numbers since 1970; times are seconds since 1970.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from rfinews.report.reading import (
    Crawl,
    CrawlFiles,
    Failure,
    Faults,
    Record,
    State,
    read_crawl,
    read_failures,
    read_records,
)

DAY = 86_400
WEEK = 7 * DAY
#: Days before today over which an edition's usual number of articles is taken.
USUAL_DAYS = 14
RECENT_CRAWLS = 100
#: Crawls that did not end well and are older than those, as many at most.
OLDER_NOT_OK = 50
NEWEST_ARTICLES = 40

_STRIP = 40
_STARTS = 300
_DURATIONS = 20
_FAILURE_KINDS = 500
_BINS_A_DECADE = 32
_SHORTEST = 60  # seconds; a delay that is less counts as so much


@dataclass
class History:
    """The crawls of one spider with one set of arguments, the newest first.

    `starts` are those of the last 300, `states` of the last 40, `durations` of the last 20 that
    ended; `day_…` are of the last 24 hours.
    """

    spider: str
    arguments: str
    last: Crawl
    ended: Crawl | None = None
    crawls: int = 0
    starts: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    day_crawls: int = 0
    day_exported: int = 0

    @property
    def name(self) -> str:
        return f"{self.spider} {self.arguments}".rstrip()


@dataclass
class FailureKind:
    """Addresses of one host that came to the same outcome; `detail` is the latest one's."""

    outcome: str
    host: str
    detail: str | None
    week: int = 0
    total: int = 0


@dataclass
class Delays:
    """Delays in seconds, counted in bins that are 7 % wide."""

    bins: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: int) -> None:
        self.bins[round(math.log10(max(seconds, _SHORTEST)) * _BINS_A_DECADE)] += 1

    def __iadd__(self, other: "Delays") -> "Delays":
        self.bins.update(other.bins)
        return self

    @property
    def count(self) -> int:
        return self.bins.total()

    def percentile(self, share: float) -> float | None:
        """The delay that `share` of all do not exceed, `None` if there are none.

        >>> delays = Delays(Counter({64: 9, 128: 1}))
        >>> delays.percentile(0.5), delays.percentile(0.95)
        (100.0, 10000.0)
        """
        rank = share * self.count
        for number in sorted(self.bins):
            rank -= self.bins[number]
            if rank <= 0:
                return float(10 ** (number / _BINS_A_DECADE))
        return None

    def between(self, low: float, high: float) -> int:
        """Count those from `low` to below `high` seconds, by the middle of their bin."""
        return sum(
            count
            for number, count in self.bins.items()
            if low <= 10 ** (number / _BINS_A_DECADE) < high
        )


@dataclass
class Newest:
    """The articles that were published last, each once, as its newest revision has it."""

    records: dict[str, Record] = field(default_factory=dict)
    least: tuple[int, int, str] = (0, 0, "")

    def add(self, record: Record) -> None:
        if _newness(record) < self.least:
            return
        known = self.records.get(record.id)
        if known is not None and known.revision >= record.revision:
            return
        self.records[record.id] = record
        if len(self.records) > 10 * NEWEST_ARTICLES:
            top = self.top()
            self.records = {record.id: record for record in top}
            self.least = _newness(top[-1])

    def top(self) -> list[Record]:
        """List them, the newest first."""
        return sorted(self.records.values(), key=_newness, reverse=True)[:NEWEST_ARTICLES]


def _newness(record: Record) -> tuple[int, int, str]:
    """When an article came out; a date in the future of its crawl is none."""
    published = record.crawled if record.published is None else record.published
    return min(published, record.crawled), record.crawled, record.id


@dataclass
class Summary:
    """All that the report tells. `first_day` is the first that it shows, `None`: all that there are."""

    now: int
    first_day: int | None = None
    faults: Faults = field(default_factory=Faults)

    histories: dict[tuple[str, str], History] = field(default_factory=dict)
    crawls: int = 0
    states: Counter[State] = field(default_factory=Counter)
    day_states: Counter[State] = field(default_factory=Counter)
    recent: list[Crawl] = field(default_factory=list)
    older_not_ok: list[Crawl] = field(default_factory=list)
    outcomes: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: dict[tuple[str, str], FailureKind] = field(default_factory=dict)

    articles: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    updates: Counter[int] = field(default_factory=Counter)
    retracted: Counter[int] = field(default_factory=Counter)
    day_articles: int = 0
    #: Articles by day of the last two weeks, and when the last came, without archives.
    lately: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    last_new: dict[str, int] = field(default_factory=dict)
    delays: defaultdict[int, Delays] = field(default_factory=lambda: defaultdict(Delays))
    week_delays: Delays = field(default_factory=Delays)
    #: Articles by edition and by what they have (see `rfinews.report.reading.Record`).
    coverage: Counter[tuple[str, int]] = field(default_factory=Counter)
    newest: Newest = field(default_factory=Newest)
    # Articles of which a later revision has been met, and not yet the first one.
    _superseded: set[str] = field(default_factory=set)

    @property
    def today(self) -> int:
        return self.now // DAY

    @property
    def reads_from(self) -> int:
        """The time before which articles and failures need not be read."""
        if self.first_day is None:
            return 0
        return min(self.first_day, self.today - USUAL_DAYS) * DAY

    @property
    def days(self) -> range:
        """The days shown, to today from the first with anything to show, two weeks at least."""
        found = {*self.outcomes, *self.updates, *self.retracted}.union(*self.articles.values())
        first = min([self.today - USUAL_DAYS + 1, *found])
        first = first if self.first_day is None else max(first, self.first_day)
        return range(first, max([self.today, *found]) + 1)

    def read(self, found: Iterable[CrawlFiles]) -> None:
        """Add what crawls left, the newest first."""
        for files in found:
            crawl = read_crawl(files, self.faults)
            ended = None if crawl is None else crawl.finished
            if crawl is not None:
                self.add_crawl(crawl)
            if ended is not None and ended < self.reads_from:
                continue
            for record in read_records(files, self.faults):
                self.add_record(record)
            if crawl is not None:
                for failure in read_failures(files, self.faults):
                    self.add_failure(failure, crawl.started)

    def add_crawl(self, crawl: Crawl) -> None:
        self._add_to_history(crawl)
        day = crawl.started // DAY
        if self.now - crawl.started < DAY:
            self.day_states[crawl.state] += 1
        if not self._is_shown(day):
            return
        self.crawls += 1
        self.states[crawl.state] += 1
        self.outcomes[day].update(crawl.outcomes)
        if len(self.recent) < RECENT_CRAWLS:
            self.recent.append(crawl)
        elif crawl.state not in ("ok", "running") and len(self.older_not_ok) < OLDER_NOT_OK:
            self.older_not_ok.append(crawl)

    def _add_to_history(self, crawl: Crawl) -> None:
        if crawl.arguments is None:  # its manifest is a fault of its own
            return
        key = crawl.spider, crawl.arguments
        history = self.histories.get(key)
        if history is None:
            history = self.histories[key] = History(*key, last=crawl)
        if history.ended is None and crawl.state != "running":
            history.ended = crawl
        history.crawls += 1
        if len(history.starts) < _STARTS:
            history.starts.append(crawl.started)
        if len(history.states) < _STRIP:
            history.states.append(crawl.state)
        if crawl.duration is not None and len(history.durations) < _DURATIONS:
            history.durations.append(crawl.duration)
        if self.now - crawl.started < DAY:
            history.day_crawls += 1
            history.day_exported += crawl.exported

    def add_failure(self, failure: Failure, started: int) -> None:
        if not self._is_shown(started // DAY):
            return
        key = failure.outcome, failure.host
        if key not in self.failures and len(self.failures) >= _FAILURE_KINDS:
            key = failure.outcome, "other hosts"
        kind = self.failures.get(key)
        if kind is None:
            kind = self.failures[key] = FailureKind(*key, detail=failure.detail)
        kind.total += 1
        if self.now - started < WEEK:
            kind.week += 1

    def add_record(self, record: Record) -> None:
        day = record.crawled // DAY
        if record.change == "new":
            self._add_article(record, day)
        elif self._is_shown(day):
            counts = self.retracted if record.change == "retracted" else self.updates
            counts[day] += 1
        if self._is_current(record) and self._is_shown(day):
            self.coverage[record.edition, record.has] += 1
            self.newest.add(record)

    def _add_article(self, record: Record, day: int) -> None:
        is_live = record.source != "archive"
        if is_live and day >= self.today - USUAL_DAYS:
            self.lately[record.edition][day] += 1
        if is_live and record.crawled > self.last_new.get(record.edition, 0):
            self.last_new[record.edition] = record.crawled
        if not self._is_shown(day):
            return
        self.articles[record.edition][day] += 1
        self.day_articles += self.now - record.crawled < DAY
        if is_live and record.published is not None:
            delay = record.crawled - record.published
            self.delays[day].add(delay)
            if self.now - record.crawled < WEEK:
                self.week_delays.add(delay)

    def _is_current(self, record: Record) -> bool:
        """Whether no later revision has been met, and it is not one that says there is no more."""
        if record.id in self._superseded:
            if record.revision == 1:
                self._superseded.remove(record.id)
            return False
        if record.revision > 1:
            self._superseded.add(record.id)
        return record.change != "retracted"

    def _is_shown(self, day: int) -> bool:
        return self.first_day is None or day >= self.first_day
