"""The store in a PostgreSQL database, for data directories on several machines.

Articles and all that is remembered of them are shared. Files, crawls and the chain of manifests
are those of one data directory each: views show a connection its own, by the name that the
directory keeps in ``state/directory-id``.
"""

import contextlib
import fcntl
import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown

from rfinews.files import PartFile
from rfinews.store.home import Database, Rows, StoreError, T, Values

logger = logging.getLogger(__name__)

SCHEMA = "rfinews_store"
IDENTITY = "directory-id"
_VERSION = 1
#: Of the advisory lock that whoever writes holds: one crawl of all that share the store.
_WRITER = 0x72666973746F7265
# A connection that is cut without a word is found dead within a minute or two, at either end.
_OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "rfinews",
}
_SESSION = {
    "search_path": SCHEMA,
    "synchronous_commit": "on",  # a file that has its name is known, whatever befalls the server
    "lock_timeout": "120s",  # to wait for another crawl's transaction
    "idle_in_transaction_session_timeout": "600s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# As in SQLite, see there. An index cannot hold whole addresses, which may have 8 kB, only hashes.
_TABLES = f"""
DO $$ BEGIN
    IF to_regnamespace('{SCHEMA}') IS NULL THEN CREATE SCHEMA {SCHEMA}; END IF;
END $$;
CREATE TABLE about (version bigint NOT NULL);
INSERT INTO about VALUES ({_VERSION});
CREATE TABLE articles (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id bytea NOT NULL UNIQUE,
    canonical_url text NOT NULL,
    spider text NOT NULL,
    revision bigint NOT NULL,
    change text NOT NULL,
    source text NOT NULL,
    content_hash text NOT NULL,
    feed_date bigint,
    date_modified bigint,
    published bigint NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    feed_hash text,
    page_hash text,
    lastmod bigint,
    asked_at bigint,
    next_check bigint,
    gone_since bigint
);
CREATE INDEX ON articles (next_check) WHERE next_check IS NOT NULL;
CREATE INDEX ON articles (number)
    WHERE source = 'rfi' AND asked_at IS NULL AND change != 'retracted';
CREATE TABLE revisions (
    article bigint NOT NULL,
    revision bigint NOT NULL,
    change text NOT NULL,
    source text NOT NULL,
    content_hash text NOT NULL,
    crawled_at bigint NOT NULL,
    file bigint NOT NULL,
    PRIMARY KEY (article, revision)
);
CREATE TABLE aliases (
    alias text NOT NULL,
    article bigint NOT NULL,
    rule text NOT NULL,
    crawl_id text NOT NULL,
    EXCLUDE USING hash (alias WITH =)
);
CREATE INDEX ON aliases (article);
CREATE TABLE outcomes (
    id bytea PRIMARY KEY,
    outcome text NOT NULL,
    detail text,
    crawl_id text NOT NULL
);
CREATE TABLE answers (
    purpose text NOT NULL,
    url text NOT NULL,
    etag text,
    last_modified text,
    body bytea,
    at bigint NOT NULL
);
CREATE INDEX ON answers USING hash (url);

CREATE TABLE directories (
    id text PRIMARY KEY,
    place text NOT NULL                 -- host and path, for people
);
CREATE TABLE all_files (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    directory text NOT NULL DEFAULT current_setting('rfinews.directory'),
    name text NOT NULL,
    UNIQUE (directory, name)
);
CREATE TABLE all_crawls (
    directory text NOT NULL DEFAULT current_setting('rfinews.directory'),
    crawl_id text NOT NULL,
    PRIMARY KEY (directory, crawl_id)
);
CREATE TABLE all_heads (
    directory text PRIMARY KEY DEFAULT current_setting('rfinews.directory'),
    crawl_id text NOT NULL,
    sha256 text NOT NULL
);
CREATE VIEW files AS
    SELECT number, name FROM all_files WHERE directory = current_setting('rfinews.directory');
CREATE VIEW crawls AS
    SELECT crawl_id FROM all_crawls WHERE directory = current_setting('rfinews.directory');
CREATE VIEW head AS
    SELECT crawl_id, sha256 FROM all_heads WHERE directory = current_setting('rfinews.directory');
"""  # noqa: S608 - our name
_IDENTITY = re.compile("[0-9a-f]{16}")
_PLACEHOLDER = re.compile(r"\?|:([a-z_]+)")


class _Text(StrDumperUnknown):
    """PostgreSQL keeps no NUL in a text, which an address in a feed may hold."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


class Connection:
    """A connection that takes statements as SQLite does."""

    def __init__(self, db: "psycopg.Connection[Any]") -> None:
        self.db = db

    def execute(self, sql: str, values: Values = (), /) -> Rows:
        return self.db.execute(_translated(sql), values or None)

    def executemany(self, sql: str, values: Iterable[Values], /) -> object:
        with self.db.cursor() as cursor:
            cursor.executemany(_translated(sql), values)
        return None


class Opened(Protocol):
    """What is told that the store is open, and whether it knows nothing of the data directory."""

    def __call__(self, db: Database, *, is_new: bool) -> None: ...


class PostgresHome:
    """A database that several data directories share. `opened` is told each time it is connected to.

    A connection that is lost between two transactions is made again.
    """

    is_shared = True
    refusals: type[Exception] = psycopg.Error
    revisions = """
        SELECT revision, change, source, content_hash, crawled_at, name,
            CASE WHEN directory != current_setting('rfinews.directory')
                THEN coalesce(place, directory) END
        FROM revisions JOIN all_files ON number = file LEFT JOIN directories ON id = directory
        WHERE article = ? ORDER BY revision
    """

    def __init__(self, url: str, state: Path, opened: Opened) -> None:
        self.options = read_url(url)
        self.state = state
        self.opened = opened
        self.directory = ""
        self._db: Connection | None = None
        self._lock = RLock()  # files are completed in threads

    # -------------------------------------------------------------------------------------- open

    def open(self) -> None:
        with self._told():
            self._open()

    def _open(self) -> None:
        self.close()
        self.directory = directory_id(self.state) if self.state.is_dir() else ""
        self._db = db = self._connected()
        self._make_tables(db)
        self.opened(db, is_new=self._introduce(db))

    def _connected(self) -> Connection:
        db = psycopg.connect(**self.options, autocommit=True)
        try:
            encoding = db.info.parameter_status("server_encoding")
            if encoding != "UTF8":
                raise StoreError(
                    f"Cannot use the store {self}: its encoding is {encoding}, not UTF8"
                )
            db.adapters.register_dumper(int, Int8Dumper)  # one statement for numbers of any size
            db.adapters.register_dumper(str, _Text)
            session = _SESSION | {"rfinews.directory": self.directory}
            setting = ", ".join(["set_config(%s, %s, false)"] * len(session))
            db.execute(
                f"SELECT {setting}".encode(), [text for pair in session.items() for text in pair]
            )
        except BaseException:
            db.close()
            raise
        return Connection(db)

    def _make_tables(self, db: Database) -> None:
        # Not to_regclass(), which may not see what another crawl has just made.
        query = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ? AND tablename = 'about'"
        if db.execute(query, (SCHEMA,)).fetchone() is None:
            with self.writing(db):
                if db.execute(query, (SCHEMA,)).fetchone() is None:
                    db.execute(_TABLES)
        (version,) = db.execute("SELECT version FROM about").fetchone()
        if version > _VERSION:
            raise StoreError(f"The store {self} was written by a newer version of rfinews")

    def _introduce(self, db: Database) -> bool:
        """Say where the data directory is. Returns whether the store has not known it."""
        if not self.directory:
            return False
        place = f"{socket.gethostname()}:{self.state.parent}"
        row = db.execute("SELECT place FROM directories WHERE id = ?", (self.directory,)).fetchone()
        if row != (place,):
            db.execute(
                "INSERT INTO directories VALUES (?, ?)"
                " ON CONFLICT (id) DO UPDATE SET place = excluded.place",
                (self.directory, place),
            )
        return row is None

    def close(self) -> None:
        if self._db is not None:
            self._db.db.close()
            self._db = None

    def stay(self) -> None:
        """It is never another one: what is emptied is found to be."""

    # -------------------------------------------------------------------------------------- work

    def do(self, work: Callable[[Database], T]) -> T:
        with self._told(), self._lock:
            if self._db is None:
                self._open()
            assert self._db is not None
            try:
                return work(self._db)
            except psycopg.Error as error:
                if not self._db.db.closed and not isinstance(error, psycopg.errors.UndefinedTable):
                    raise
                logger.warning("Connecting again to the store %s: %s", self, self._line(error))
                self._open()
                return work(self._db)

    def apart(self, work: Callable[[Database], T]) -> T:
        with self._told():
            own = self._connected()
            with contextlib.closing(own.db):
                return work(own)

    @contextlib.contextmanager
    def writing(self, db: Database) -> Iterator[None]:
        db.execute("BEGIN ISOLATION LEVEL READ COMMITTED")  # to see what the last writer wrote
        try:
            db.execute("SELECT pg_advisory_xact_lock(?)", (_WRITER,))
            yield
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(psycopg.Error):
                db.execute("ROLLBACK")
            raise

    # -------------------------------------------------------------------------------------- tell

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise StoreError(f"Cannot use the store {self}: {self._line(error)}") from error

    def _line(self, error: psycopg.Error) -> str:
        """What PostgreSQL has against it, in a line and without the password."""
        text = " ".join((error.diag.message_primary or str(error)).split())
        password = self.options.get("password")
        return text.replace(str(password), "…") if password else text

    def __str__(self) -> str:
        """Its address, without the password."""
        user, host, port, name = (
            self.options.get(key, "") for key in ("user", "host", "port", "dbname")
        )
        user, port = user and f"{user}@", port and f":{port}"
        return f"postgresql://{user}{host}{port}/{name}"


def read_url(url: str) -> dict[str, Any]:
    """Read the address of a database. Raises `ValueError`, one line without the password.

    >>> read_url("postgresql://rfinews@db.example/news")["dbname"]
    'news'
    """
    try:
        told = conninfo_to_dict(url)
    except (psycopg.ProgrammingError, UnicodeError):
        told = {"port": "unreadable"}
    ports = str(told.get("port", "")).split(",")
    name = str(told.get("dbname", ""))
    # a password with a character that is not written as %XX may seem to be any other part
    if not all(port.isdecimal() or not port for port in ports) or not name or "@" in name:
        raise ValueError(
            "RFINEWS_STORE must be postgresql://USER@HOST:PORT/DATABASE, a character in user or"
            " password that is neither letter nor digit written as %XX"
        )
    return _OPTIONS | told


def directory_id(state: Path) -> str:
    """Name a data directory for good. Raises `OSError`."""
    path = state / IDENTITY
    fd = os.open(state, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # of two crawls one makes the name
        found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if not _IDENTITY.fullmatch(found):
            found = secrets.token_hex(8)
            with PartFile(path) as file:
                file.write(found.encode())
                file.finish()
    finally:
        os.close(fd)
    return found


@lru_cache(maxsize=1000)
def _translated(sql: str) -> bytes:
    """Write the values of a statement as psycopg wants them.

    >>> _translated("SELECT 1 FROM a WHERE b = ? AND c = :c")
    b'SELECT 1 FROM a WHERE b = %s AND c = %(c)s'
    """
    return _PLACEHOLDER.sub(lambda mark: f"%({mark[1]})s" if mark[1] else "%s", sql).encode()
