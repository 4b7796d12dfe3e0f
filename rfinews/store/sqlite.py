"""The store in a file of the data directory: SQLite, its lock, its damage."""

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import RLock
from typing import cast

from rfinews.files import PART, sync_directory, sync_file
from rfinews.store.home import Database, StoreError, T

logger = logging.getLogger(__name__)

FILE = "known.sqlite"
_LOCK = "known.lock"
_VERSION = 1
#: Seconds to wait for another crawl's transaction.
_PATIENCE = 120
#: A damaged page is looked for at the start in stores up to this size; it takes 0.1 s.
_CHECKED_BYTES = 64 << 20
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# What SQLite says of noise in the header, in a text, or of a database that is not ours.
_SIGNS_OF_DAMAGE = ("unsupported file format", "Could not decode to UTF-8", "no such table")

_SCHEMA = """
CREATE TABLE articles (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,            -- 16 bytes: the record's id
    canonical_url TEXT NOT NULL,
    spider TEXT NOT NULL,               -- whose crawl exported it
    revision INTEGER NOT NULL,          -- the newest, and what it was made of
    change TEXT NOT NULL,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    feed_date INTEGER,                  -- times are seconds since 1970
    date_modified INTEGER,
    published INTEGER NOT NULL,         -- or first seen, where no date is known
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    feed_hash TEXT,                     -- content last seen in the feed alone
    page_hash TEXT,                     -- content last seen on the page alone
    lastmod INTEGER,                    -- as last seen in a sitemap
    asked_at INTEGER,                   -- when the page could be had last
    next_check INTEGER,                 -- when to ask for it again
    gone_since INTEGER                  -- the page answered 404 or 410 first
);
CREATE INDEX articles_to_check ON articles (next_check) WHERE next_check IS NOT NULL;
CREATE INDEX articles_without_page ON articles (number)
    WHERE source = 'rfi' AND asked_at IS NULL AND change != 'retracted';
CREATE TABLE revisions (
    article INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    change TEXT NOT NULL,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    crawled_at INTEGER NOT NULL,
    file INTEGER NOT NULL,
    PRIMARY KEY (article, revision)
) WITHOUT ROWID;
CREATE TABLE files (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    article INTEGER NOT NULL,
    rule TEXT NOT NULL,
    crawl_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX aliases_of ON aliases (article);
CREATE TABLE outcomes (                 -- the last one of each address
    id BLOB PRIMARY KEY,                -- 16 bytes: as an article's id, of any address
    outcome TEXT NOT NULL,
    detail TEXT,
    crawl_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE answers (                  -- what a conditional request needs
    purpose TEXT NOT NULL,
    url TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    body BLOB,
    at INTEGER NOT NULL,
    PRIMARY KEY (purpose, url)
) WITHOUT ROWID;
CREATE TABLE crawls (crawl_id TEXT PRIMARY KEY) WITHOUT ROWID;  -- begun and not ended
CREATE TABLE head (crawl_id TEXT NOT NULL, sha256 TEXT NOT NULL);  -- the newest manifest
"""


class SqliteHome:
    """A file that is built from the complete files where there is none; for one data directory.

    Found damaged, at any time, it is set aside and built again. `fill` fills an empty one, `opened`
    is told each time one has been opened.
    """

    is_shared = False
    refusals: type[Exception] = sqlite3.OperationalError
    revisions = (
        "SELECT revision, change, source, content_hash, crawled_at, name, NULL"
        " FROM revisions JOIN files ON number = file WHERE article = ? ORDER BY revision"
    )

    def __init__(
        self, path: Path, fill: Callable[[Database], None], opened: Callable[[Database], None]
    ) -> None:
        self.path = path
        self.fill = fill
        self.opened = opened
        self.db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._lock = RLock()  # files are completed in threads

    # -------------------------------------------------------------------------------------- open

    def open(self) -> None:
        with _told(self.path):
            self._open()

    def _open(self) -> None:
        self.close()
        with self._locked():
            if not self.path.exists():
                self._build()
            try:
                self._connect()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self.close()
                self._set_aside(str(error))
                self._build()
                self._connect()
        self.opened(cast(sqlite3.Connection, self.db))

    def _connect(self) -> None:
        self.db = db = connection(self.path)
        stat = self.path.stat()
        self._identity = (stat.st_dev, stat.st_ino)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise StoreError(f"{self.path} was written by a newer version of rfinews")
        if version < _VERSION:
            raise _damage(f"version {version}")
        if stat.st_size <= _CHECKED_BYTES:
            state = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if state != "ok":
                raise _damage(state.partition("\n")[2] or state)

    def close(self) -> None:
        if self.db is not None:
            with contextlib.suppress(sqlite3.Error):
                self.db.close()
            self.db = None

    def stay(self) -> None:
        with _told(self.path), self._lock:
            if not self._is_in_place():
                self._open()

    def _is_in_place(self) -> bool:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return False
        return self._identity == (stat.st_dev, stat.st_ino)

    # ------------------------------------------------------------------------------ build and mend

    def _build(self) -> None:
        """Build the store beside its place, then put it there."""
        building = self.path.with_name(FILE + PART)
        for name in (building.name, FILE):  # what is left of a store is no part of the next
            for suffix in ("", "-journal", "-wal", "-shm"):
                self.path.with_name(name + suffix).unlink(missing_ok=True)
        with contextlib.closing(connection(building)) as db:
            db.executescript(
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
                f"{_SCHEMA} PRAGMA user_version = {_VERSION}"
            )
            db.execute("BEGIN")
            self.fill(db)
            db.execute("COMMIT")
        sync_file(building)
        building.replace(self.path)
        sync_directory(self.path.parent)

    def _set_aside(self, reason: str) -> None:
        aside = self.path.with_name(
            f"{FILE}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        )
        logger.warning("Store %s is damaged (%s): set aside as %s", self.path, reason, aside.name)
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(FILE + suffix).replace(aside.with_name(aside.name + suffix))

    def _mend(self, reason: str) -> None:
        with self._lock:
            self.close()
            with self._locked():
                if self._is_in_place():  # else another crawl has mended it
                    self._set_aside(reason)
            self._open()

    # ---------------------------------------------------------------------------------------- work

    def do(self, work: Callable[[Database], T]) -> T:
        with _told(self.path), self._lock:
            if self.db is None:  # it could not be mended
                self._open()
            assert self.db is not None
            try:
                return work(self.db)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._mend(str(error))
                return work(self.db)

    def apart(self, work: Callable[[Database], T]) -> T:
        def with_own() -> T:
            with contextlib.closing(connection(self.path, is_in_use=True)) as db:
                return work(db)

        with _told(self.path):
            try:
                return with_own()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._mend(str(error))
                return with_own()

    @contextlib.contextmanager
    def writing(self, db: Database) -> Iterator[None]:
        """One transaction, alone; nobody sets the store aside meanwhile."""
        with self._locked(fcntl.LOCK_SH):
            if not self._is_in_place():
                raise _damage("another crawl has built it again")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _locked(self, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Hold a lock among all crawls of the data directory: alone, or with others that write."""
        with self.path.with_name(_LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("Waiting for another crawl at the store")
                fcntl.flock(lock, kind)
            yield


def connection(path: Path, *, is_in_use: bool = False) -> sqlite3.Connection:
    """Connect to the file. `is_in_use`: this crawl has it open, too."""
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        if is_in_use:  # to make another file than it was a log would wait for who uses that one
            db.execute("PRAGMA schema_version")
            if db.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                raise _damage("it is another file")
        db.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other
        db.execute("PRAGMA synchronous = FULL")  # what is known survives a power failure
        db.execute("PRAGMA cell_size_check = ON")
    except UnicodeDecodeError as error:  # in what SQLite says of the schema
        db.close()
        raise _damage(str(error)) from None
    except sqlite3.Error:
        db.close()
        raise
    return db


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in _DAMAGE or str(error).startswith(_SIGNS_OF_DAMAGE)


def _damage(reason: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell what SQLite has against it in a line."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreError(f"Cannot use the store {path}: {error}") from error
