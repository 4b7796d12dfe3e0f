"""The addresses of one crawl and what became of each, in memory that does not grow with them."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4096;
CREATE TABLE addresses (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL,
    outcome TEXT,
    detail TEXT
);
CREATE TABLE named (number INTEGER NOT NULL, feed TEXT NOT NULL);
CREATE TABLE waiting (
    number INTEGER PRIMARY KEY,
    feed TEXT,
    lastmod TEXT,
    entry BLOB
)
"""
#: Outcomes that asking again would not change, as long as the feed or sitemap stays the same.
_FINAL = frozenset(
    "exported unchanged duplicate offsite robots invalid parse http_404 http_410 http_451".split()
)


class Settled(NamedTuple):
    """An address and its outcome (CONTRACT section 5)."""

    url: str
    outcome: str
    detail: str | None


class Tip(NamedTuple):
    """What is told of an address where it is discovered."""

    feed: str | None
    """Feed, sitemap or page that names it."""
    lastmod: str | None = None
    entry: bytes | None = None
    """What a feed's entry says, as the spider writes and reads it."""


class Ledger:
    """A table in a private temporary database: in memory while it is small, then on disk."""

    def __init__(self) -> None:
        self.db = sqlite3.connect("", isolation_level=None)
        self.db.executescript(_SCHEMA)
        self.db.execute("BEGIN")  # one transaction, never ended: there is nothing to come back to
        self.outcomes: Counter[str] = Counter()
        self.discovered = 0
        self.documents = 0

    def discover(self, url: str, feed: str | None = None) -> bool:
        """Note an address, and the feed or sitemap that names it. Returns whether it is new."""
        cursor = self.db.execute(
            "INSERT OR IGNORE INTO addresses (key, url) VALUES (?, ?)", (_key(url), _text(url))
        )
        if feed is not None:
            self.db.execute("INSERT INTO named VALUES (?, ?)", (self._number(url), feed))
        self.discovered += cursor.rowcount
        return cursor.rowcount == 1

    def _number(self, url: str) -> int:
        query = "SELECT number FROM addresses WHERE key = ?"
        (number,) = self.db.execute(query, (_key(url),)).fetchone()
        return int(number)

    def has(self, url: str) -> bool:
        """Whether an address is noted."""
        query = "SELECT 1 FROM addresses WHERE key = ?"
        return self.db.execute(query, (_key(url),)).fetchone() is not None

    def forget(self, url: str) -> None:
        """Forget an address without an outcome: somebody else accounts for it."""
        query = "SELECT number FROM addresses WHERE key = ? AND outcome IS NULL"
        row = self.db.execute(query, (_key(url),)).fetchone()
        if row is not None:
            self.db.execute("DELETE FROM addresses WHERE number = ?", row)
            self.db.execute("DELETE FROM named WHERE number = ?", row)
            self.discovered -= 1

    def claim(self, article: str) -> bool:
        """Return whether nobody else has an article, by its canonical address."""
        return True

    def count_documents(self, number: int) -> int:
        """Count so many more feeds, sitemaps and sections that could be had; return how many."""
        self.documents += number
        return self.documents

    def keep_waiting(self, url: str, tip: Tip) -> bool:
        """Note an address whose turn comes later. Returns whether it is new.

        Of one that waits already the latest `lastmod` and the first `entry` are kept.
        """
        is_new = self.discover(url, tip.feed)
        number = self._number(url)
        if is_new:
            self.db.execute("INSERT INTO waiting VALUES (?, ?, ?, ?)", (number, *tip))
        else:
            self.db.execute(
                "UPDATE waiting SET lastmod ="
                " max(ifnull(lastmod, :lastmod), ifnull(:lastmod, lastmod)),"
                " entry = ifnull(entry, :entry) WHERE number = :number",
                {"lastmod": tip.lastmod, "entry": tip.entry, "number": number},
            )
        return is_new

    def next_waiting(self) -> tuple[str, Tip] | None:
        """Take the first address that waits."""
        row = self.db.execute(
            "SELECT number, url, waiting.feed, lastmod, entry"
            " FROM waiting JOIN addresses USING (number) ORDER BY number LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        self.db.execute("DELETE FROM waiting WHERE number = ?", row[:1])
        return row[1], Tip(*row[2:])

    def outcome(self, url: str) -> str | None:
        query = "SELECT outcome FROM addresses WHERE key = ?"
        row = self.db.execute(query, (_key(url),)).fetchone()
        return None if row is None else row[0]

    def settle(self, url: str, outcome: str, detail: str | None) -> None:
        """Note what became of an address, in place of what was noted before."""
        before = self.outcome(url)
        if before is not None:
            self.outcomes[before] -= 1
        self.outcomes[outcome] += 1
        self.db.execute(
            "INSERT INTO addresses (key, url, outcome, detail) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET outcome = excluded.outcome, detail = excluded.detail",
            (_key(url), _text(url), outcome, detail),
        )

    def pending(self) -> list[str]:
        """List the addresses without an outcome."""
        query = "SELECT url FROM addresses WHERE outcome IS NULL ORDER BY number"
        return [url for (url,) in self.db.execute(query)]

    def settled(self) -> Iterator[Settled]:
        """Yield the addresses with an outcome, in the order in which they were discovered."""
        query = "SELECT url, outcome, detail FROM addresses WHERE outcome NOTNULL ORDER BY number"
        return map(Settled._make, self.db.execute(query))

    def feeds_to_read_again(self) -> set[str]:
        """Name the feeds of which an address ended in something that may pass."""
        query = "SELECT DISTINCT feed, outcome FROM named JOIN addresses USING (number)"
        return {feed for feed, outcome in self.db.execute(query) if outcome not in _FINAL}

    @property
    def counts(self) -> dict[str, int]:
        """Addresses by outcome."""
        return {outcome: count for outcome, count in sorted(self.outcomes.items()) if count}


def _key(url: str) -> bytes:
    return blake2b(url.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _text(url: str) -> str:
    """Text as a database and JSON can bear it: half a character is written as an escape."""
    return url.encode("utf-8", "backslashreplace").decode("utf-8")
