# ruff: noqa: S608 - the names in the statements are our own
"""Records into a SQLite file."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import orjson

from rfinews.load.base import Found, LoadError
from rfinews.load.records import Record
from rfinews.load.rows import Rows
from rfinews.load.search import phrases, spaced
from rfinews.load.tables import (
    COLUMNS,
    CRAWL_COLUMNS,
    LISTS,
    PARTS,
    Row,
    count_statements,
    crawl_row,
    definitions,
    names,
    part_rows,
    strange_tables,
)

#: Seconds to wait for another program that writes to the file.
PATIENCE = 120
# Unique columns take new entries all over their index; pages of 4 kB are kept up to 32 MB.
_SESSION = """
PRAGMA cache_size = -32000;
PRAGMA temp_store = FILE;
PRAGMA synchronous = NORMAL;
"""
_values = itemgetter(*COLUMNS)
_IDS = 500  # values that a statement takes: at least 999
_SEARCHED = ("headline", "description", "article_body")
_ARTICLE = f"INSERT INTO articles (number, {names()}) VALUES (?{', ?' * len(COLUMNS)})"
_WORDS = (
    "INSERT INTO articles_search (rowid, headline, description, article_body) VALUES (?, ?, ?, ?)"
)
_FORGET = (
    "INSERT INTO articles_search (articles_search, rowid, headline, description, article_body)"
    " VALUES ('delete', ?, ?, ?, ?)"
)
# Default 1 MB of words that are sorted in memory before they go to disk, to be merged there.
_MORE_AT_ONCE = "INSERT INTO articles_search (articles_search, rank) VALUES ('hashsize', 16777216)"
_PARTS = {
    table: f"INSERT INTO {table} VALUES (?, ?{', ?' * len(columns)})"
    for table, columns in PARTS.items()
}


class SQLite(Rows):
    """A SQLite file, which is made when there is none. `patience` is in seconds."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.path = path
        self.patience = patience

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise LoadError(f"{self}: no such directory: {self.path.parent}")
        with self._told():
            self._db = sqlite3.connect(self.path, timeout=self.patience, isolation_level=None)
        try:
            with self._told():
                self._db.executescript(_SESSION)
                self._has_tables = self._check_tables()
        except BaseException:
            self._db.close()
            raise
        self._has_incoming = False
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(sqlite3.Error):  # somebody reads it, or it is read-only
            self._db.execute("PRAGMA busy_timeout = 0")
            self._db.execute("PRAGMA journal_mode = DELETE")  # one file that can be copied
        self._db.close()

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"

    def _check_tables(self) -> bool:
        """Whether the tables are there. Raises `LoadError` for tables of somebody else's."""
        there: dict[str, set[str]] = {}
        query = (
            "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
            " WHERE m.type IN ('table', 'view')"
        )
        for table, column in self._db.execute(query):
            there.setdefault(table, set()).add(column)
        if strange := strange_tables(there, {"articles_search": set(_SEARCHED)}):
            raise LoadError(f"{self}: {strange}")
        return "articles" in there

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            reason = str(error)
            if "locked" in reason or "busy" in reason:
                reason = "another program writes to it, and did not end"
            elif "readonly" in reason:
                reason = "it may only be read"
            raise LoadError(f"{self}: {reason}") from error

    # -------------------------------------------------------------------------------------- write

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            if (
                self._has_tables
            ):  # who reads need not wait; of a new file all would be written twice
                with suppress(sqlite3.OperationalError):  # somebody is at it, for whom BEGIN waits
                    self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if not self._has_tables:
                    self._make_tables()
                self._db.execute(_MORE_AT_ONCE)
                (self._last,) = self._db.execute("SELECT max(number) FROM articles").fetchone()
                self._last = self._last or 0
                yield
                self._db.execute("COMMIT")
                self._has_tables = True
            finally:
                self._has_incoming = False
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _make_tables(self) -> None:
        if self._check_tables():  # another one was first
            return
        statement = ""
        for line in definitions("sqlite").splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self._db.execute(statement)
                statement = ""

    def _row(self, record: Record) -> Row:
        return tuple(
            [
                (orjson.dumps(value).decode() if value else "[]")
                if isinstance(value, list)
                else value
                for value in _values(record)
            ]
        )

    def _known(self, ids: set[str]) -> Iterator[Row]:
        left = list(ids)
        for start in range(0, len(left), _IDS):
            some = left[start : start + _IDS]
            marks = ", ".join("?" * len(some))
            yield from self._db.execute(
                f"SELECT {names()} FROM revisions WHERE id IN ({marks})",
                some,
            )

    def _add(self, fresh: list[tuple[Row, Record]]) -> None:
        first = self._last + 1
        self._last += len(fresh)
        rows = ((number, *row) for number, (row, _) in enumerate(fresh, first))
        self._db.executemany(_ARTICLE, rows)
        self._describe((number, record) for number, (_, record) in enumerate(fresh, first))

    def _describe(self, articles: Iterable[tuple[int, Record]]) -> None:
        """Write lists and words of articles, given with their numbers."""
        parts: dict[str, list[Row]] = {table: [] for table in PARTS}
        texts = []
        for number, record in articles:
            for table, rows in parts.items():
                if record[table]:
                    rows.extend(part_rows(record["id"], table, record[table]))
            texts.append((number, *(spaced(record[name] or "") for name in _SEARCHED)))
        for table, rows in parts.items():
            rows.sort()
            self._db.executemany(_PARTS[table], rows)
        self._db.executemany(_WORDS, texts)

    def _gather(self, news: list[Row]) -> None:
        if not self._has_incoming:
            self._run(f"CREATE TEMPORARY TABLE incoming AS SELECT {names()} FROM articles LIMIT 0")
            self._has_incoming = True
        marks = ", ".join("?" * len(COLUMNS))
        self._db.executemany(f"INSERT INTO incoming VALUES ({marks})", news)

    def _gathered(self) -> bool:
        return self._has_incoming

    def _run(self, statement: str) -> None:
        self._db.execute(statement)

    def _forget_words(self) -> None:
        """An index without content has to be told what it held."""
        query = f"SELECT number, {names(_SEARCHED)} FROM articles WHERE id IN (SELECT id FROM news)"
        self._db.executemany(
            _FORGET,
            (
                (number, *(spaced(text or "") for text in texts))
                for number, *texts in self._db.execute(query)
            ),
        )

    def _renew(self) -> None:
        needed = ("id", *LISTS, *_SEARCHED)
        found = self._db.execute(
            f"SELECT number, {names(needed)} FROM articles WHERE id IN (SELECT id FROM news)"
        )
        while rows := found.fetchmany(_IDS):
            articles = []
            for number, *values in rows:
                record = dict(zip(needed, values, strict=True))
                articles.append((number, record | {n: orjson.loads(record[n]) for n in LISTS}))
            self._describe(articles)

    def _count_news(self) -> dict[str, int]:
        counts = {}
        for fate, statement in count_statements().items():
            (counts[fate],) = self._db.execute(statement).fetchone()
        self._run("DROP TABLE incoming")
        self._run("DROP TABLE news")
        return counts

    def load_crawl(self, manifest: Record) -> bool:
        row = crawl_row(manifest)
        values = [
            orjson.dumps(value).decode() if isinstance(value, dict | list) else value
            for value in row
        ]
        marks = ", ".join("?" * len(CRAWL_COLUMNS))
        with self._transaction():
            # Of two manifests for one crawl the one written last stands.
            written = self._db.execute(
                f"INSERT INTO crawls ({names(CRAWL_COLUMNS)}) VALUES ({marks})"
                " ON CONFLICT (crawl_id) DO UPDATE SET"
                f" ({names(CRAWL_COLUMNS)}) = ({names(CRAWL_COLUMNS, 'excluded')})"
                " WHERE (excluded.finished_at, excluded.manifest)"
                " > (crawls.finished_at, crawls.manifest)",
                values,
            )
            return written.rowcount > 0

    # -------------------------------------------------------------------------------------- search

    def search(self, query: str, limit: int) -> list[Found]:
        if not self._has_tables:
            raise LoadError(f"{self}: nothing has been loaded into it")
        match = " ".join(f'"{" ".join(phrase)}"' for phrase in phrases(query))
        if not match:
            return []
        sql = (
            "SELECT id, substr(date_published, 1, 10), edition, headline, canonical_url FROM articles"
            " WHERE number IN (SELECT rowid FROM articles_search WHERE articles_search MATCH ?)"
            " ORDER BY date_published IS NULL, date_published DESC, id LIMIT ?"
        )
        with self._told():
            found: list[Any] = self._db.execute(sql, (match, limit)).fetchall()
        return [Found(*row) for row in found]
