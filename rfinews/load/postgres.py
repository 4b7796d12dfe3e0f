# ruff: noqa: S608 - the names in the statements are our own
"""Records into PostgreSQL."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from operator import itemgetter
from typing import Any, Self

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_loads

from rfinews.load.base import Found, LoadError
from rfinews.load.records import Record
from rfinews.load.rows import Rows
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
from rfinews.load.tsvector import search_query, search_vector

#: Of the advisory lock that a load holds: one at a time in a database.
_LOADER = 0x72666973746C6F61
_OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "rfinews",
}
_SESSION = "SET TIME ZONE 'UTC'; SET client_min_messages = warning; SET lock_timeout = '600s'"
_DATES = frozenset(
    COLUMNS.index(name) for name in COLUMNS if "date" in name or name.endswith("_at")
)
_LISTS = frozenset(COLUMNS.index(name) for name in LISTS)
_SEARCHED = ("headline", "description", "article_body")
_values = itemgetter(*COLUMNS)
_BATCH = 1000


class PostgreSQL(Rows):
    """A PostgreSQL database, by its address. Raises `ValueError` for what is no address."""

    def __init__(self, url: str) -> None:
        self.options = _read_url(url)

    def __enter__(self) -> Self:
        with self._told():
            self._db = psycopg.connect(**self.options, autocommit=True)
        try:
            with self._told():
                encoding = self._db.info.parameter_status("server_encoding")
                if encoding != "UTF8":
                    raise LoadError(f"{self}: its encoding is {encoding}, not UTF8")
                set_json_loads(orjson.loads, self._db)
                self._db.execute(_SESSION)
                self._has_tables = self._check_tables()
        except BaseException:
            self._db.close()
            raise
        self._has_incoming = False
        return self

    def __exit__(self, *exception: object) -> None:
        self._db.close()

    def __str__(self) -> str:
        """Its address, without the password."""
        user, host, port, name = (
            self.options.get(key, "") for key in ("user", "host", "port", "dbname")
        )
        user, port = user and f"{user}@", port and f":{port}"
        return f"postgresql://{user}{host}{port}/{name}"

    def _check_tables(self) -> bool:
        """Whether the tables are there. Raises `LoadError` for tables of somebody else's."""
        there: dict[str, set[str]] = {}
        query = (
            "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
            " AND attnum > 0 AND NOT attisdropped"
        )
        for table, column in self._db.execute(query):
            there.setdefault(table, set()).add(column)
        if strange := strange_tables(there, {}):
            raise LoadError(f"{self}: {strange}")
        if "articles" in there and "search" not in there["articles"]:
            raise LoadError(f"{self}: its table articles is not one of scrapy load")
        return "articles" in there

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            text = " ".join((error.diag.message_primary or str(error)).split())
            password = self.options.get("password")
            text = text.replace(str(password), "…") if password else text
            raise LoadError(f"{self}: {text}") from error

    # --------------------------------------------------------------------------------------- write

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            try:
                with self._db.transaction():
                    self._db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOADER,))
                    if not self._has_tables and not self._check_tables():
                        self._db.execute(definitions("postgresql").encode())
                    yield
                self._has_tables = True
            finally:
                self._has_incoming = False

    def _row(self, record: Record) -> Row:
        return tuple(
            [
                datetime.fromisoformat(value) if value and number in _DATES else value
                for number, value in enumerate(_values(record))
            ]
        )

    def _known(self, ids: set[str]) -> Iterator[Row]:
        sql = f"SELECT {names()} FROM revisions WHERE id = ANY(%s)"
        yield from self._db.execute(sql.encode(), (list(ids),))

    def _copy(self, target: str, rows: Iterable[Row]) -> None:
        with (
            self._db.cursor() as cursor,
            cursor.copy(f"COPY {target} FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def _add(self, fresh: list[tuple[Row, Record]]) -> None:
        self._copy(
            f"articles ({names()}, search)",
            ((*_encoded(row), _words(record)) for row, record in fresh),
        )
        self._write_parts(record for _, record in fresh)

    def _write_parts(self, records: Iterable[Record]) -> None:
        parts: dict[str, list[Row]] = {table: [] for table in PARTS}
        for record in records:
            for table, rows in parts.items():
                if record[table]:
                    rows.extend(part_rows(record["id"], table, record[table]))
        for table, rows in parts.items():
            if rows:
                self._copy(table, rows)

    def _gather(self, news: list[Row]) -> None:
        if not self._has_incoming:
            self._run(
                "CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS"
                f" SELECT {names()} FROM articles WITH NO DATA"
            )
            self._has_incoming = True
        self._copy("incoming", map(_encoded, news))

    def _gathered(self) -> bool:
        if self._has_incoming:
            self._run("ANALYZE incoming")
        return self._has_incoming

    def _run(self, statement: str) -> None:
        self._db.execute(statement.encode())

    def _forget_words(self) -> None:
        """They go with their rows."""
        self._run("ANALYZE news")

    def _renew(self) -> None:
        needed = ("id", *LISTS, *_SEARCHED)
        self._run("CREATE TEMPORARY TABLE found (id text, search tsvector) ON COMMIT DROP")
        sql = f"SELECT {names(needed)} FROM articles WHERE id IN (SELECT id FROM news)"
        with self._db.cursor(name="news") as cursor:
            cursor.execute(sql.encode())
            while rows := cursor.fetchmany(_BATCH):
                records = [dict(zip(needed, row, strict=True)) for row in rows]
                self._write_parts(records)
                self._copy("found", ((record["id"], _words(record)) for record in records))
        self._run(
            "UPDATE articles SET search = found.search FROM found WHERE articles.id = found.id"
        )

    def _count_news(self) -> dict[str, int]:
        counts = {}
        for fate, statement in count_statements().items():
            row = self._db.execute(statement.encode()).fetchone()
            assert row is not None
            counts[fate] = row[0]
        self._run("DROP TABLE news")
        return counts

    def load_crawl(self, manifest: Record) -> bool:
        values = [
            orjson.dumps(value).decode() if isinstance(value, dict | list) else value
            for value in crawl_row(manifest)
        ]
        marks = ", ".join(["%s"] * len(CRAWL_COLUMNS))
        with self._transaction():
            # Of two manifests for one crawl the one written last stands.
            sql = (
                f"INSERT INTO crawls ({names(CRAWL_COLUMNS)}) VALUES ({marks})"
                " ON CONFLICT (crawl_id) DO UPDATE SET"
                f" ({names(CRAWL_COLUMNS)}) = ({names(CRAWL_COLUMNS, 'excluded')})"
                " WHERE (excluded.finished_at, excluded.manifest)"
                " > (crawls.finished_at, crawls.manifest)"
            )
            return self._db.execute(sql.encode(), values).rowcount > 0

    # -------------------------------------------------------------------------------------- search

    def search(self, query: str, limit: int) -> list[Found]:
        if not self._has_tables:
            raise LoadError(f"{self}: nothing has been loaded into it")
        wanted = search_query(query)
        if not wanted:
            return []
        sql = (
            "SELECT id, to_char(date_published, 'YYYY-MM-DD'), edition, headline, canonical_url"
            " FROM articles WHERE search @@ %s::tsquery"
            " ORDER BY date_published DESC NULLS LAST, id LIMIT %s"
        )
        with self._told():
            return [Found(*row) for row in self._db.execute(sql, (wanted, limit))]


def _read_url(url: str) -> dict[str, Any]:
    """Take an address apart. Raises `ValueError`, one line without the password."""
    try:
        told = conninfo_to_dict(url)
    except (psycopg.ProgrammingError, UnicodeError):
        told = {"port": "unreadable"}
    ports = str(told.get("port", "")).split(",")
    name = str(told.get("dbname", ""))
    # a password with a character that is not written as %XX may seem to be any other part
    if not all(port.isdecimal() or not port for port in ports) or not name or "@" in name:
        raise ValueError(
            "--to must be postgresql://USER@HOST:PORT/DATABASE, a character in user or"
            " password that is neither letter nor digit written as %XX"
        )
    return _OPTIONS | told


def _encoded(row: Row) -> Row:
    """Write what is kept as jsonb."""
    return tuple(
        [
            orjson.dumps(value).decode() if number in _LISTS else value
            for number, value in enumerate(row)
        ]
    )


def _words(record: Record) -> str:
    return search_vector(*(record[name] for name in _SEARCHED))
