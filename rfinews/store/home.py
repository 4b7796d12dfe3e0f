"""What the index asks of the place where its tables are kept. SQLite and PostgreSQL are such places.

Statements are written in what both understand: ``INSERT … ON CONFLICT``, ``CASE``, ``coalesce``,
with ``?`` or ``:name`` for values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Values = Sequence[Any] | Mapping[str, Any]


class StoreError(Exception):
    """The store cannot be used (refused, full, not to be reached); one line for the user."""


class Rows(Protocol):
    """The answer to a statement."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None:
        """For each column its name, first of all."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection. What it raises is the home's own."""

    def execute(self, sql: str, values: Values = ..., /) -> Rows: ...
    def executemany(self, sql: str, values: Iterable[Values], /) -> object: ...


class Home(Protocol):
    """Where the tables are. Raises `StoreError` when they cannot be used.

    The tables ``files``, ``crawls`` and ``head`` say what is in one data directory; a shared home
    shows to each its own.
    """

    is_shared: bool
    """Whether several data directories know the same articles.

    A file then gets its name after its articles are known, not before: of a crawl that dies in
    between, others could not see what it has completed.
    """
    refusals: type[Exception]
    """What a transaction that could not be written raises inside of `apart`."""
    revisions: str
    """The statement that lists the revisions of an article, by its number: five columns of that
    table, the name of the file, and in what other data directory it is."""

    def open(self) -> None:
        """Come to be usable; make what is missing."""

    def close(self) -> None: ...

    def stay(self) -> None:
        """Open it again if it is another one by now."""

    def do(self, work: Callable[[Database], T]) -> T:
        """Do `work`. If that shows that the home has to be mended, mend it and do it again."""

    def apart(self, work: Callable[[Database], T]) -> T:
        """Do `work` with a connection of its own, as in another thread."""

    def writing(self, db: Database) -> AbstractContextManager[None]:
        """One transaction, the only one that writes; undone on any exception."""
