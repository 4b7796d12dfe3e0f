"""What every database that records are loaded into can do."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import NamedTuple, Self

from rfinews.load.records import Record, Source

#: What can become of a record, in the order in which it is told.
FATES = ("new", "updated", "older", "unchanged")


class LoadError(Exception):
    """Raised when a database cannot be used; its text is one line for the user, with the address."""


class Found(NamedTuple):
    """An article that a search found; `date` is its day (``2026-11-24``) or `None`."""

    id: str
    date: str | None
    edition: str
    headline: str
    canonical_url: str


class Target(ABC):
    """A database that files are loaded into, one transaction a file; used with `with`.

    Every method raises `LoadError` for what the engine refuses.
    """

    @abstractmethod
    def __enter__(self) -> Self:
        """Open the database, and make its tables if there are none."""

    @abstractmethod
    def __exit__(self, *exception: object) -> None:
        """Close it; what has not been committed is not there."""

    @abstractmethod
    def load(self, source: Source) -> Counter[str]:
        """Load a file, all of it or, when anything is raised, nothing.

        Returns how many records were `new` articles, `updated` ones (a later revision than the
        database had, or the same one fetched later), `older` (an earlier revision that it did not
        have), `unchanged` (nothing that it did not have).
        """

    @abstractmethod
    def load_crawl(self, manifest: Record) -> bool:
        """Load the manifest of a crawl; False: it was known."""

    @abstractmethod
    def search(self, query: str, limit: int) -> list[Found]:
        """Find articles that hold all of the query's parts between blanks, the newest first."""
