"""Loading row by row, as SQLite and PostgreSQL do it; `Rows` says what it asks of a database."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager

from rfinews.load.base import FATES, Target
from rfinews.load.records import Record, Source
from rfinews.load.tables import COLUMNS, Row, merge_statements

#: A batch has at most so many records and, but for its last one, so many bytes.
_RECORDS = 1000
_BYTES = 8 << 20
_ID = COLUMNS.index("id")
_REVISION = COLUMNS.index("revision")
#: The one fetched last stands; `merge_statements` has the same rule.
_FETCHED = COLUMNS.index("crawled_at"), COLUMNS.index("crawl_id")


class Rows(Target):
    """A database that takes rows from Python.

    Articles that it does not know are written as they come. Whatever else is news is gathered in a
    temporary table and merged at the end of the file, so no more than a batch is in memory.
    """

    def load(self, source: Source) -> Counter[str]:
        with self._transaction():
            counts = Counter(dict.fromkeys(FATES, 0))
            for batch in _batches(source):
                self._take(batch, counts)
            if self._gathered():
                self._merge(counts)
        return counts

    def _take(self, batch: list[Record], counts: Counter[str]) -> None:
        known: dict[tuple[str, int], Row] = {}
        ids = {record["id"] for record in batch}
        for row in self._known(ids):
            known[row[_ID], row[_REVISION]] = row
        here = {id_ for id_, _ in known}
        fresh, news = [], []
        for record in batch:
            row = self._row(record)
            stored = known.get((row[_ID], row[_REVISION]))
            if stored is not None and (row == stored or _fetched(row) < _fetched(stored)):
                counts["unchanged"] += 1
            elif row[_ID] in here:
                news.append(row)
            else:
                here.add(row[_ID])
                known[row[_ID], row[_REVISION]] = row
                fresh.append((row, record))
        counts["new"] += len(fresh)
        counts["unchanged"] += len(news)  # as long as the merge does not say otherwise
        if fresh:
            self._add(fresh)
        if news:
            self._gather(news)

    def _merge(self, counts: Counter[str]) -> None:
        find_news, *others = merge_statements()
        self._run(find_news)
        self._forget_words()
        for statement in others:
            self._run(statement)
        self._renew()
        for fate, number in self._count_news().items():
            counts[fate] += number
            counts["unchanged"] -= number

    # ------------------------------------------------------------------------- what engines differ in

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[None]:
        """All that happens within is done when it ends, or nothing of it."""

    @abstractmethod
    def _row(self, record: Record) -> Row:
        """Return a record as `_known` returns it."""

    @abstractmethod
    def _known(self, ids: set[str]) -> Iterator[Row]:
        """Yield every revision of these articles."""

    @abstractmethod
    def _add(self, fresh: list[tuple[Row, Record]]) -> None:
        """Write articles that are not there, one row each, their lists and their words."""

    @abstractmethod
    def _gather(self, news: list[Row]) -> None:
        """Write rows into the temporary table `incoming`, and make it when there is none."""

    @abstractmethod
    def _gathered(self) -> bool:
        """Whether there is anything in `incoming`."""

    @abstractmethod
    def _run(self, statement: str) -> None:
        """Run a statement without values."""

    @abstractmethod
    def _forget_words(self) -> None:
        """Take the articles in the temporary table `news` out of the search."""

    @abstractmethod
    def _renew(self) -> None:
        """Write lists and words of the articles in `news`."""

    @abstractmethod
    def _count_news(self) -> dict[str, int]:
        """Return how many rows of `incoming` are in the database now, by fate, and drop what is temporary."""


def _fetched(row: Row) -> Row:
    return tuple(row[position] for position in _FETCHED)


def _batches(source: Source) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for line, record in source.lines():
        batch.append(record)
        size += len(line)
        if len(batch) == _RECORDS or size >= _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
