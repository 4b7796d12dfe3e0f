"""Known articles, across crawls: what was exported, under which address, and when to look again.

The complete articles files are the truth and this is an index over them, kept in SQLite. Lost or
damaged, it is built again from the files; what stands in no file (when a page was last asked, where
a short link leads) is only saved work.
"""

import contextlib
import fcntl
import gzip
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from threading import RLock
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar, cast

import orjson

from rfinews import dates
from rfinews.files import (
    MANIFEST,
    PART,
    PartFile,
    read_articles_name,
    read_lines,
    sync_directory,
    sync_file,
)
from rfinews.revisions import Found, Known, Verdict, judge, read_found
from rfinews.urls import article_id, canonical_url, is_short_link

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
_HOUR = 3600
_DAY = 24 * _HOUR

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
_SUMMARY = "source = 'rfi' AND asked_at IS NULL AND change != 'retracted'"
_INSERT = """
INSERT OR IGNORE INTO articles (
    id, canonical_url,
    spider, revision, change, source, content_hash, date_modified, published, next_check,
    feed_date, asked_at, first_seen, last_seen
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = """
UPDATE articles SET
    spider = ?, revision = ?, change = ?, source = ?, content_hash = ?, date_modified = ?,
    published = ?, next_check = ?, gone_since = NULL
WHERE number = ? AND revision < ?
"""
_WIDEN = """
UPDATE articles SET
    first_seen = min(first_seen, :at),
    last_seen = max(last_seen, :at),
    feed_date = max(ifnull(feed_date, :feed_date), ifnull(:feed_date, feed_date)),
    asked_at = max(ifnull(asked_at, :page_at), ifnull(:page_at, asked_at))
WHERE number = :number
"""
_SEE = """
UPDATE articles SET
    last_seen = max(last_seen, :at),
    feed_date = max(ifnull(feed_date, :feed_date), ifnull(:feed_date, feed_date)),
    feed_hash = ifnull(:feed_hash, feed_hash),
    page_hash = ifnull(:page_hash, page_hash),
    lastmod = ifnull(:lastmod, lastmod),
    asked_at = ifnull(:asked_at, asked_at),
    next_check = iif(:was_asked, :next_check, next_check),
    gone_since = iif(:was_asked, :gone_since, gone_since)
WHERE id = :id
"""

T = TypeVar("T")


class StoreError(Exception):
    """The store cannot be used (refused, full, written by a newer version); one line for the user."""


_KNOWN = f"SELECT {', '.join(Known._fields)} FROM articles WHERE id = ?"  # noqa: S608 - our names


class Completed(NamedTuple):
    """What became of an articles file: what the manifest says of it, and of each of its lines."""

    facts: dict[str, Any] | None
    """`None`: there was no news in it, so there is no such file."""
    verdicts: list[Verdict]


class Seen(NamedTuple):
    """What a crawl saw of a known article without a reason to export it."""

    at: int
    feed_date: int | None = None
    feed_hash: str | None = None
    page_hash: str | None = None
    lastmod: int | None = None
    asked_at: int | None = None
    """When the page was had; `None`: it was not."""
    next_check: int | None = None
    gone_since: int | None = None
    was_asked: bool = False
    """Whether the page was asked; only then the last two mean something."""


class Answer(NamedTuple):
    """What a server said of an address: its validators, and the body if that is worth keeping."""

    etag: str | None
    last_modified: str | None
    body: bytes | None
    at: int


class Store:
    """The store of one data directory; `open` it before use.

    Every method raises `StoreError` when the store cannot be used. A store found damaged, at any
    time, is set aside and built again.
    """

    def __init__(self, data_dir: Path, recheck_hours: float = 48) -> None:
        self.articles = data_dir / "articles"
        self.state = data_dir / "state"
        self.path = self.state / FILE
        self.recheck_seconds = int(recheck_hours * _HOUR)
        self.crawl_id: str | None = None
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._lock = RLock()  # files are completed in threads

    # ------------------------------------------------------------------------------------- life

    def open(self, crawl_id: str | None = None) -> None:
        """Open the store for a crawl, or only to read; build what is missing of it."""
        self.crawl_id = crawl_id
        with _told(self.path):
            self.articles.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(parents=True, exist_ok=True)
            self._open()

    def _open(self) -> None:
        self.close()
        with _lock(self.state / _LOCK):
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
        db = cast(sqlite3.Connection, self._db)
        if self.crawl_id is not None:
            with self._writing(db):
                if self._catch_up(db, self._files_on_disk()):  # its log may have been lost
                    self._find_head(db)
                self._catch_up_with_the_dead(db)
                db.execute("INSERT OR IGNORE INTO crawls VALUES (?)", (self.crawl_id,))
                # pages that nobody came to ask for
                too_late = int(time.time()) - max(2 * self.recheck_seconds, 7 * _DAY)
                db.execute(
                    "UPDATE articles SET next_check = NULL WHERE next_check < ?", (too_late,)
                )

    def _connect(self) -> None:
        self._db = db = _connection(self.path)
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
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _set_aside(self, reason: str) -> None:
        aside = self.path.with_name(
            f"{FILE}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        )
        logger.warning("Store %s is damaged (%s): set aside as %s", self.path, reason, aside.name)
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(FILE + suffix).replace(aside.with_name(aside.name + suffix))

    def _build(self) -> None:
        """Build the store from the complete files, beside its place, then put it there."""
        started = time.monotonic()
        building = self.path.with_name(FILE + PART)
        for name in (building.name, FILE):  # what is left of a store is no part of the next
            for suffix in ("", "-journal", "-wal", "-shm"):
                self.path.with_name(name + suffix).unlink(missing_ok=True)
        number = sum(1 for _ in self._files_on_disk())
        if number:
            logger.warning("No store in %s: building it from %d files", self.state, number)
        with contextlib.closing(_connection(building)) as db:
            db.executescript(
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
                f"{_SCHEMA} PRAGMA user_version = {_VERSION}"
            )
            db.execute("BEGIN")
            self._catch_up(db, self._files_on_disk())
            self._find_head(db)
            db.execute("COMMIT")
            (known,) = db.execute("SELECT count(*) FROM articles").fetchone()
        sync_file(building)
        building.replace(self.path)
        sync_directory(self.state)
        if number:
            seconds = time.monotonic() - started
            logger.warning("Store built: %d known articles in %.1f s", known, seconds)

    def _find_head(self, db: sqlite3.Connection) -> None:
        """Find the manifest that no other one names as the one before it; of several the newest."""
        last: _Manifest | None = None
        before = set()
        for path in self.articles.glob(f"*{MANIFEST}"):
            before.add(_read_manifest(path).previous)
        for path in self.articles.glob(f"*{MANIFEST}"):
            manifest = _read_manifest(path)
            if manifest.crawl_id not in before and (last is None or manifest > last):
                last = manifest
        if last is not None:
            _set_head(db, last.crawl_id, last.sha256)

    def _mended(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work`; if the store proves damaged, build it again and do it then."""
        with _told(self.path), self._lock:
            if self._db is None:  # it could not be mended
                self._open()
            assert self._db is not None
            try:
                return work(self._db)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._mend(str(error))
                return work(self._db)

    def _mend(self, reason: str) -> None:
        with self._lock:
            self.close()
            with _lock(self.state / _LOCK):
                if self._is_in_place():  # else another crawl has mended it
                    self._set_aside(reason)
            self._open()

    def _stay(self) -> None:
        """Open the store again if it is another file by now, or none."""
        with _told(self.path), self._lock:
            if not self._is_in_place():
                self._open()

    def _is_in_place(self) -> bool:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return False
        return self._identity == (stat.st_dev, stat.st_ino)

    @contextlib.contextmanager
    def _writing(self, db: sqlite3.Connection) -> Iterator[None]:
        """One transaction, alone; undone on any exception. Nobody sets the store aside meanwhile."""
        with _lock(self.state / _LOCK, fcntl.LOCK_SH):
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

    # ---------------------------------------------------------------------------------- look-ups

    def known(self, id_: str) -> Known | None:
        """Look an article up by the record's ``id``."""

        def work(db: sqlite3.Connection) -> Known | None:
            row = db.execute(_KNOWN, (bytes.fromhex(id_),)).fetchone()
            return None if row is None else Known._make(row)

        return self._mended(work)

    def resolve(self, canonical: str) -> str:
        """Where an address leads as far as earlier crawls found out; itself, if to nowhere else."""
        query = (
            "SELECT canonical_url FROM aliases JOIN articles ON number = article WHERE alias = ?"
        )

        def work(db: sqlite3.Connection) -> str:
            row = db.execute(query, (canonical,)).fetchone()
            return canonical if row is None else row[0]

        return self._mended(work)

    def due(self, spider: str, now: int) -> list[str]:
        """List the canonical addresses of a spider's articles whose pages it is time to ask again."""
        query = "SELECT canonical_url FROM articles WHERE next_check <= ? AND spider = ?"
        return self._mended(lambda db: [url for (url,) in db.execute(query, (now, spider))])

    def summaries(self) -> list[str]:
        """List the canonical addresses of articles of which RFI gave a summary and no page yet."""
        query = f"SELECT canonical_url FROM articles WHERE {_SUMMARY}"  # noqa: S608 - our words
        return self._mended(lambda db: [url for (url,) in db.execute(query)])

    def answer(self, purpose: str, url: str) -> Answer | None:
        """Recall what was kept of an answer."""
        query = "SELECT etag, last_modified, body, at FROM answers WHERE purpose = ? AND url = ?"

        def work(db: sqlite3.Connection) -> Answer | None:
            row = db.execute(query, (purpose, url)).fetchone()
            return None if row is None else Answer._make(row)

        return self._mended(work)

    def biography(self, id_: str) -> dict[str, Any] | None:
        """Tell all that is known of an article, for a person."""

        def work(db: sqlite3.Connection) -> dict[str, Any] | None:
            cursor = db.execute("SELECT * FROM articles WHERE id = ?", (bytes.fromhex(id_),))
            row = cursor.fetchone()
            if row is None:
                return None
            told = dict(zip((column[0] for column in cursor.description), row, strict=True))
            number = told.pop("number")
            told["id"] = id_
            for name in (
                "feed_date date_modified published first_seen last_seen lastmod asked_at next_check"
                " gone_since"
            ).split():
                told[name] = dates.from_seconds(told[name])
            told["revisions"] = [
                {
                    "revision": revision,
                    "change": change,
                    "source": source,
                    "content_hash": content,
                    "crawled_at": dates.from_seconds(crawled_at),
                    "file": name,
                }
                for revision, change, source, content, crawled_at, name in db.execute(
                    "SELECT revision, change, source, content_hash, crawled_at, name FROM revisions"
                    " JOIN files ON number = file WHERE article = ? ORDER BY revision",
                    (number,),
                )
            ]
            told["aliases"] = [
                {"alias": alias, "rule": _rule(alias, rule, told["canonical_url"])}
                | {"crawl_id": crawl_id}
                for alias, rule, crawl_id in db.execute(
                    "SELECT alias, rule, crawl_id FROM aliases WHERE article = ? ORDER BY alias",
                    (number,),
                )
            ]
            return told

        return self._mended(work)

    def outcome(self, address: str) -> dict[str, Any] | None:
        """Recall how the last crawl that met an address accounted for it."""
        query = "SELECT outcome, detail, crawl_id FROM outcomes WHERE id = ?"

        def work(db: sqlite3.Connection) -> dict[str, Any] | None:
            row = db.execute(query, (_key(address),)).fetchone()
            names = ("outcome", "detail", "crawl_id")
            return None if row is None else dict(zip(names, row, strict=True))

        return self._mended(work)

    # ------------------------------------------------------------------------- what was only seen

    def remember(
        self,
        seen: Mapping[str, Seen] = MappingProxyType({}),
        aliases: Iterable[tuple[str, str, str]] = (),
        outcomes: Iterable[tuple[str, str, str | None]] = (),
        answers: Mapping[tuple[str, str], Answer] = MappingProxyType({}),
    ) -> None:
        """Keep what stands in no file.

        `seen`: by ``id``; `aliases`: address, ``id`` it leads to, rule; `outcomes`: address, outcome
        and detail; `answers`: by purpose and address.
        """
        crawl_id = self.crawl_id

        def work(db: sqlite3.Connection) -> None:
            with self._writing(db):
                db.executemany(
                    _SEE,
                    (each._asdict() | {"id": bytes.fromhex(id_)} for id_, each in seen.items()),
                )
                db.executemany(
                    "INSERT OR REPLACE INTO aliases"
                    " SELECT ?, number, ?, ? FROM articles WHERE id = ?",
                    ((alias, rule, crawl_id, bytes.fromhex(id_)) for alias, id_, rule in aliases),
                )
                db.executemany(
                    "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)",
                    (
                        (_key(address), outcome, detail, crawl_id)
                        for address, outcome, detail in outcomes
                    ),
                )
                db.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                    ((*key, *answer) for key, answer in answers.items()),
                )

        self._mended(work)

    def forget_crawls(self, are_marked: Callable[[str], bool]) -> None:
        """Forget those that have not ended and never begun: there is nothing to come from them."""

        def work(db: sqlite3.Connection) -> None:
            with self._writing(db):
                for (crawl_id,) in db.execute("SELECT crawl_id FROM crawls").fetchall():
                    if not are_marked(crawl_id):
                        db.execute("DELETE FROM crawls WHERE crawl_id = ?", (crawl_id,))

        self._mended(work)

    def forget_answers(self) -> None:
        """Forget all validators: something that a feed or sitemap named may not be on file."""

        def work(db: sqlite3.Connection) -> None:
            with self._writing(db):
                db.execute("DELETE FROM answers WHERE body IS NULL")

        self._mended(work)

    # ------------------------------------------------------------------------------------- files

    def complete(self, part: Path, *, compress: bool = False) -> Completed:
        """Give an articles file that has grown as `part` its name; its articles are known then.

        Each line is judged once more, for another crawl may have been first: a line that is no news
        any more is left out, another revision gets its number. Torn lines are left out, too.
        Raises `OSError`; the part is then as it was. May run in a thread.
        """
        name = part.name.removesuffix(PART)
        target = part.with_name(f"{name}.gz" if compress else name)
        self._stay()
        with _told(self.path):
            sync_file(part)
            try:
                return self._complete(part, target)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._mend(str(error))
                return self._complete(part, target)

    def _complete(self, part: Path, target: Path) -> Completed:
        completed = None
        try:
            with contextlib.closing(_connection(self.path)) as db, self._writing(db):
                self._catch_up_with_the_dead(db)
                completed = self._place(db, part, target)
        except sqlite3.OperationalError as error:
            if completed is None or completed.facts is None:
                raise
            # It has its name, and whoever writes next finds it, as if this crawl had died here.
            logger.warning("%s is complete, the store will know it later: %s", target, error)
        part.unlink(missing_ok=True)
        return completed

    def _place(self, db: sqlite3.Connection, part: Path, target: Path) -> Completed:
        """Judge each line of `part` and give what is left of it the name `target`."""
        db.execute("INSERT OR IGNORE INTO files (name) VALUES (?)", (target.name,))
        file = _file_number(db, target.name)
        facts: dict[str, Any] | None = None
        verdicts = []
        as_is = target.name == part.name.removesuffix(PART)
        digest, size = hashlib.sha256(), 0
        for line in read_lines(part):
            digest.update(line)
            size += len(line)
            found = read_found(line)
            if found is None:
                verdict = Verdict(None, "new", "torn")
            else:
                verdict = self._admit(db, found, file)
                as_is = as_is and (found.revision, found.change) == verdict[:2]
            as_is = as_is and verdict.revision is not None
            verdicts.append(verdict)
        if not any(verdict.revision for verdict in verdicts):
            db.execute("DELETE FROM files WHERE number = ?", (file,))
        elif as_is:
            part.replace(target)
            facts = {
                "name": target.name,
                "lines": len(verdicts),
                "bytes": size,
                "sha256": digest.hexdigest(),
            }
        else:
            facts = _copy(part, target, verdicts)
        sync_directory(target.parent)
        return Completed(facts, verdicts)

    def _admit(self, db: sqlite3.Connection, found: Found, file: int) -> Verdict:
        """Judge a record and, if it is news, know it."""
        row = db.execute(_KNOWN, (bytes.fromhex(found.id),)).fetchone()
        known = None if row is None else Known._make(row)
        verdict = judge(known, found)
        if verdict.revision is not None:
            news = found._replace(revision=verdict.revision, change=verdict.change)
            self._insert(db, news, file)
        return verdict

    def _insert(self, db: sqlite3.Connection, found: Found, file: int) -> None:
        """Know what stands in a file. Of one revision in two files the first is known."""
        key = bytes.fromhex(found.id)
        latest = (
            found.spider,
            found.revision,
            found.change,
            found.source,
            found.content_hash,
            found.date_modified,
            found.published,
            self.next_check(found.published, found.crawled_at) if found.is_there else None,
        )
        page_at = found.crawled_at if found.has_page else None
        seen = (found.feed_date, page_at, found.crawled_at, found.crawled_at)
        cursor = db.execute(_INSERT, (key, found.canonical_url, *latest, *seen))
        if cursor.rowcount:
            number = cursor.lastrowid
        else:
            (number,) = db.execute("SELECT number FROM articles WHERE id = ?", (key,)).fetchone()
            db.execute(_UPDATE, (*latest, number, found.revision))
            widen = {"at": found.crawled_at, "page_at": page_at, "feed_date": found.feed_date}
            db.execute(_WIDEN, widen | {"number": number})
        db.execute(
            "INSERT OR IGNORE INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                found.revision,
                found.change,
                found.source,
                found.content_hash,
                found.crawled_at,
                file,
            ),
        )
        if found.url != found.canonical_url and found.is_there:
            db.execute(
                "INSERT OR IGNORE INTO aliases VALUES (?, ?, ?, ?)",
                (found.url, number, "address", found.crawl_id),
            )

    def next_check(self, published: int, now: int) -> int | None:
        """When to ask for a page again: after an hour, then at twice its age; not when it is old."""
        age = max(now - published, 0)
        after = now + max(_HOUR, age)
        return after if after - published <= self.recheck_seconds else None

    def end(self, crawl_id: str, build: Callable[[dict[str, str] | None], bytes]) -> None:
        """Write the manifest of a crawl, the next link of the chain. Raises `OSError`.

        `build` gets what the manifest says of its ``previous`` one.
        """
        self._stay()

        def work(db: sqlite3.Connection) -> None:
            with self._writing(db):  # should it die, its manifest is looked for
                db.execute("INSERT OR IGNORE INTO crawls VALUES (?)", (crawl_id,))
            with self._writing(db):
                self._catch_up_with_the_dead(db, but=crawl_id)
                row = db.execute("SELECT crawl_id, sha256 FROM head").fetchone()
                previous = None if row is None else {"crawl_id": row[0], "sha256": row[1]}
                manifest = PartFile(self.articles / f"{crawl_id}{MANIFEST}")
                try:
                    manifest.write(build(previous))
                    manifest.finish()
                except OSError:
                    manifest.close()
                    raise
                _set_head(db, crawl_id, manifest.digest.hexdigest())

        self._mended(work)

    def _catch_up_with_the_dead(self, db: sqlite3.Connection, but: str | None = None) -> None:
        """Know what crawls completed that died before they could say so."""
        unfinished = {crawl_id for (crawl_id,) in db.execute("SELECT crawl_id FROM crawls")}
        unfinished.discard(but)
        if not unfinished:
            return
        self._catch_up(db, self._files_on_disk(unfinished))
        paths = [self.articles / f"{crawl_id}{MANIFEST}" for crawl_id in unfinished]
        manifests = [_read_manifest(path) for path in paths if path.exists()]
        before = {manifest.previous for manifest in manifests}
        # the last one is none that another names as the one before it
        for manifest in sorted(manifests, key=lambda each: each.crawl_id not in before):
            _set_head(db, manifest.crawl_id, manifest.sha256)

    def _catch_up(self, db: sqlite3.Connection, names: Iterable[str]) -> int:
        """Know the articles of those of the complete files `names` that are not known yet.

        Returns how many files those are.
        """
        number = 0
        for name in names:
            query = "SELECT 1 FROM files WHERE name = ?"
            if db.execute(query, (name,)).fetchone() is not None:
                continue
            number += 1
            db.execute("SAVEPOINT file")
            db.execute("INSERT INTO files (name) VALUES (?)", (name,))
            file = _file_number(db, name)
            try:
                for line in read_lines(self.articles / name):
                    if (found := read_found(line)) is not None:
                        self._insert(db, found, file)
            except OSError as error:
                logger.error("Cannot read %s, see scrapy verify: %s", name, error)  # noqa: TRY400
                db.execute("ROLLBACK TO file")
            db.execute("RELEASE file")
        return number

    def _files_on_disk(self, crawl_ids: Container[str] | None = None) -> Iterator[str]:
        with os.scandir(self.articles) as entries:
            for entry in entries:
                name = read_articles_name(entry.name)
                if name is not None and (crawl_ids is None or name.crawl_id in crawl_ids):
                    yield entry.name


class _Manifest(NamedTuple):
    """A link of the chain."""

    finished_at: str
    crawl_id: str
    sha256: str
    previous: str | None


def _read_manifest(path: Path) -> _Manifest:
    content = path.read_bytes()
    crawl_id = path.name.removesuffix(MANIFEST)
    digest = hashlib.sha256(content).hexdigest()
    try:
        told = orjson.loads(content)
        previous = told["previous"] and told["previous"]["crawl_id"]
        return _Manifest(told["finished_at"], crawl_id, digest, previous)
    except (ValueError, TypeError, KeyError):  # altered; see scrapy verify
        return _Manifest("", crawl_id, digest, None)


def _copy(part: Path, target: Path, verdicts: list[Verdict]) -> dict[str, Any]:
    """Write what counts of `part` as `target`, compressed if its name says so; return its facts."""
    file = PartFile(target, part=target.with_name(f"{target.name}.copy{PART}"))
    try:
        compressed = (
            gzip.GzipFile("", "wb", mtime=0, fileobj=file) if target.suffix == ".gz" else None
        )
        lines = 0
        for line, verdict in zip(read_lines(part), verdicts, strict=True):
            if verdict.revision is None:
                continue
            record = orjson.loads(line)
            if (record["revision"], record["change"]) != verdict[:2]:
                record["revision"], record["change"] = verdict[:2]
                (compressed or file).write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            else:
                (compressed or file).write(line)
            lines += 1
        if compressed is not None:
            compressed.close()
        file.finish()
    except OSError:
        file.close()
        raise
    return file.facts | {"lines": lines}


def _set_head(db: sqlite3.Connection, crawl_id: str, digest: str) -> None:
    """Make a manifest the newest link of the chain; its crawl has ended."""
    db.execute("DELETE FROM head")
    db.execute("INSERT INTO head VALUES (?, ?)", (crawl_id, digest))
    db.execute("DELETE FROM crawls WHERE crawl_id = ?", (crawl_id,))


def _file_number(db: sqlite3.Connection, name: str) -> int:
    (number,) = db.execute("SELECT number FROM files WHERE name = ?", (name,)).fetchone()
    return cast(int, number)


def _rule(alias: str, rule: str, canonical: str) -> str:
    """Say why an address leads to an article. ``address`` stands for what a record came from."""
    if rule != "address":
        return rule
    if canonical_url(alias) == canonical:
        return "spelling"
    return "short link" if is_short_link(alias) else "redirect"


def _key(address: str) -> bytes:
    return bytes.fromhex(article_id(canonical_url(address)))


def _connection(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
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


@contextlib.contextmanager
def _lock(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock among all crawls of the data directory: alone, or with others that write."""
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("Waiting for another crawl at the store")
            fcntl.flock(lock, kind)
        yield
