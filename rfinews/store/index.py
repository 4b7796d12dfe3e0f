"""The index over the complete articles files: what is known, and what becomes of a file's lines."""

import gzip
import hashlib
import logging
import os
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
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
from rfinews.store import chain
from rfinews.store.home import Database, Home
from rfinews.store.sqlite import FILE, SqliteHome
from rfinews.urls import article_id, canonical_url, is_short_link

logger = logging.getLogger(__name__)

_HOUR = 3600
_DAY = 24 * _HOUR
#: Records that go to or come from the store together.
_RECORDS_AT_ONCE = 200
#: Files whose articles come to be known in one transaction, and others wait.
_FILES_AT_ONCE = 20

T = TypeVar("T")


def _greatest(column: str, sign: str = ">") -> str:
    """The later of what is known and what comes, as far as either is."""
    return f"""
    {column} = CASE WHEN excluded.{column} {sign} articles.{column} OR articles.{column} IS NULL
        THEN excluded.{column} ELSE articles.{column} END"""


def _of_newest(column: str) -> str:
    return f"""
    {column} = CASE WHEN excluded.revision > articles.revision
        THEN excluded.{column} ELSE articles.{column} END"""


_NEWEST = (
    *("spider", "revision", "change", "source", "content_hash", "date_modified", "published"),
    "next_check",
)
# A revision that is not the newest one changes only what its file tells of seeing the article.
_KNOW = f"""
INSERT INTO articles (
    id, canonical_url, {", ".join(_NEWEST)}, feed_date, asked_at, first_seen, last_seen
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET {",".join(map(_of_newest, _NEWEST))},
    gone_since = CASE WHEN excluded.revision > articles.revision
        THEN NULL ELSE articles.gone_since END,
    {_greatest("feed_date")}, {_greatest("asked_at")}, {_greatest("last_seen")},
    {_greatest("first_seen", "<")}
"""  # noqa: S608 - our names
# Not INSERT … SELECT, for which SQLite would keep a journal of each statement.
_KNOW_REVISION = """
INSERT INTO revisions VALUES ((SELECT number FROM articles WHERE id = ?), ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_KNOW_ADDRESS = """
INSERT INTO aliases VALUES (?, (SELECT number FROM articles WHERE id = ?), 'address', ?)
ON CONFLICT DO NOTHING
"""
_SEE = """
UPDATE articles SET
    last_seen = CASE WHEN last_seen > :at THEN last_seen ELSE :at END,
    feed_date = CASE WHEN feed_date > :feed_date OR :feed_date IS NULL
        THEN feed_date ELSE :feed_date END,
    feed_hash = coalesce(:feed_hash, feed_hash),
    page_hash = coalesce(:page_hash, page_hash),
    lastmod = coalesce(:lastmod, lastmod),
    asked_at = coalesce(:asked_at, asked_at),
    next_check = CASE WHEN :was_asked THEN :next_check ELSE next_check END,
    gone_since = CASE WHEN :was_asked THEN :gone_since ELSE gone_since END
WHERE id = :id
"""
_FORGET_ALIAS = """
DELETE FROM aliases WHERE alias = ? AND EXISTS (SELECT 1 FROM articles WHERE id = ?)
"""
_REMEMBER_ALIAS = """
INSERT INTO aliases SELECT ?, number, ?, ? FROM articles WHERE id = ? ON CONFLICT DO NOTHING
"""
_REMEMBER_OUTCOME = """
INSERT INTO outcomes VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    outcome = excluded.outcome, detail = excluded.detail, crawl_id = excluded.crawl_id
"""
_SUMMARY = "source = 'rfi' AND asked_at IS NULL AND change != 'retracted'"
_FIELDS = ", ".join(Known._fields)


class Completed(NamedTuple):
    """What became of an articles file: what the manifest says of it, and of each of its lines."""

    facts: dict[str, Any] | None
    """`None`: there was no news in it, so there is no such file."""
    verdicts: list[Verdict]
    """None, if the file was judged in a crawl that died then."""


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


class _Judged(NamedTuple):
    """An articles file whose lines have been judged."""

    target: Path
    draft: Path | None
    """What is to have the name `target`; `None`: there is no news in it."""
    completed: Completed

    def place(self) -> None:
        """Give the file its name. Raises `OSError`."""
        if self.draft is not None:
            self.draft.replace(self.target)
            sync_directory(self.target.parent)


class Store:
    """The known articles; `open` it before use.

    It is a file in the data directory, or, with a `url`, a PostgreSQL database that several data
    directories share. Every method raises `StoreError` when the store cannot be used. What the
    complete files of the data directory hold is known, even if the store has been lost meanwhile.
    """

    def __init__(self, data_dir: Path, recheck_hours: float = 48, url: str | None = None) -> None:
        self.articles = data_dir / "articles"
        self.state = data_dir / "state"
        self.path = self.state / FILE
        self.recheck_seconds = int(recheck_hours * _HOUR)
        self.crawl_id: str | None = None
        self.home = self._home(url)

    def _home(self, url: str | None) -> Home:
        if not url:
            return SqliteHome(self.path, self._fill, self._opened)
        from rfinews.store.postgres import PostgresHome  # noqa: PLC0415 - not without need

        return PostgresHome(url, self.state, self._opened)

    # ------------------------------------------------------------------------------------- life

    def open(self, crawl_id: str | None = None) -> None:
        """Open the store for a crawl, or only to read; build what is missing of it."""
        self.crawl_id = crawl_id
        if crawl_id is not None or not self.home.is_shared or self.articles.is_dir():
            self.articles.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(parents=True, exist_ok=True)
        self.home.open()

    def close(self) -> None:
        self.home.close()

    def _opened(self, db: Database, *, is_new: bool = False) -> None:
        """Know what is complete, and that this crawl has begun. `is_new`: to a shared store."""
        if self.crawl_id is not None or is_new:
            self._join(db, is_new=is_new)
        if self.crawl_id is None:
            return
        # pages that nobody came to ask for
        too_late = int(time.time()) - max(2 * self.recheck_seconds, 7 * _DAY)
        with self.home.writing(db):
            self._catch_up_with_the_dead(db)
            db.execute("INSERT INTO crawls VALUES (?) ON CONFLICT DO NOTHING", (self.crawl_id,))
            db.execute("UPDATE articles SET next_check = NULL WHERE next_check < ?", (too_late,))

    def _join(self, db: Database, *, is_new: bool) -> None:
        """Know the files of this data directory that the store does not know: its log was lost,
        or another store was in use meanwhile.
        """
        names = list(self._unknown(db, self._files_on_disk()))
        if names and is_new:
            logger.warning("%s joins the store with %d files", self.articles.parent, len(names))
        if names or is_new:
            with self.home.writing(db):
                chain.find_head(db, self.articles)
        for some in _batches(names, _FILES_AT_ONCE):
            with self.home.writing(db):
                self._catch_up(db, some)

    def _fill(self, db: Database) -> None:
        """Know what is complete, in a store that knows nothing."""
        started = time.monotonic()
        number = sum(1 for _ in self._files_on_disk())
        if number:
            logger.warning("No store in %s: building it from %d files", self.state, number)
        self._catch_up(db, self._files_on_disk())
        chain.find_head(db, self.articles)
        if number:
            (known,) = db.execute("SELECT count(*) FROM articles").fetchone()
            seconds = time.monotonic() - started
            logger.warning("Store built: %d known articles in %.1f s", known, seconds)

    # ---------------------------------------------------------------------------------- look-ups

    def known(self, id_: str) -> Known | None:
        """Look an article up by the record's ``id``."""
        query = f"SELECT {_FIELDS} FROM articles WHERE id = ?"  # noqa: S608 - our names

        def work(db: Database) -> Known | None:
            row = db.execute(query, (bytes.fromhex(id_),)).fetchone()
            return None if row is None else Known._make(row)

        return self.home.do(work)

    def resolve(self, canonical: str) -> str:
        """Where an address leads as far as earlier crawls found out; itself, if to nowhere else."""
        query = (
            "SELECT canonical_url FROM aliases JOIN articles ON number = article WHERE alias = ?"
        )

        def work(db: Database) -> str:
            row = db.execute(query, (canonical,)).fetchone()
            return canonical if row is None else cast(str, row[0])

        return self.home.do(work)

    def due(self, spider: str, now: int) -> list[str]:
        """List the canonical addresses of a spider's articles whose pages it is time to ask again."""
        query = "SELECT canonical_url FROM articles WHERE next_check <= ? AND spider = ?"
        return self.home.do(lambda db: [url for (url,) in db.execute(query, (now, spider))])

    def summaries(self) -> list[str]:
        """List the canonical addresses of articles of which RFI gave a summary and no page yet."""
        query = f"SELECT canonical_url FROM articles WHERE {_SUMMARY}"  # noqa: S608 - our words
        return self.home.do(lambda db: [url for (url,) in db.execute(query)])

    def answer(self, purpose: str, url: str) -> Answer | None:
        """Recall what was kept of an answer."""
        query = "SELECT etag, last_modified, body, at FROM answers WHERE purpose = ? AND url = ?"

        def work(db: Database) -> Answer | None:
            row = db.execute(query, (purpose, url)).fetchone()
            return None if row is None else Answer._make(row)

        return self.home.do(work)

    def biography(self, id_: str) -> dict[str, Any] | None:
        """Tell all that is known of an article, for a person."""

        def work(db: Database) -> dict[str, Any] | None:
            cursor = db.execute("SELECT * FROM articles WHERE id = ?", (bytes.fromhex(id_),))
            row = cursor.fetchone()
            if row is None:
                return None
            told = dict(zip((column[0] for column in cursor.description or ()), row, strict=True))
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
                    "elsewhere": elsewhere,
                }
                for revision, change, source, content, crawled_at, name, elsewhere in db.execute(
                    self.home.revisions, (number,)
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

        return self.home.do(work)

    def outcome(self, address: str) -> dict[str, Any] | None:
        """Recall how the last crawl that met an address accounted for it."""
        query = "SELECT outcome, detail, crawl_id FROM outcomes WHERE id = ?"

        def work(db: Database) -> dict[str, Any] | None:
            row = db.execute(query, (_key(address),)).fetchone()
            names = ("outcome", "detail", "crawl_id")
            return None if row is None else dict(zip(names, row, strict=True))

        return self.home.do(work)

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
        leads = [(alias, bytes.fromhex(id_), rule) for alias, id_, rule in aliases]
        ends = [(_key(address), *end, self.crawl_id) for address, *end in outcomes]

        def work(db: Database) -> None:
            with self.home.writing(db):
                db.executemany(
                    _SEE,
                    (each._asdict() | {"id": bytes.fromhex(id_)} for id_, each in seen.items()),
                )
                for alias, key, rule in leads:  # the last one counts
                    db.execute(_FORGET_ALIAS, (alias, key))
                    db.execute(_REMEMBER_ALIAS, (alias, rule, self.crawl_id, key))
                db.executemany(_REMEMBER_OUTCOME, ends)
                db.executemany("DELETE FROM answers WHERE purpose = ? AND url = ?", answers)
                db.executemany(
                    "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                    ((*key, *answer) for key, answer in answers.items()),
                )

        self.home.do(work)

    def forget_crawls(self, are_marked: Callable[[str], bool]) -> None:
        """Forget those that have not ended and never begun: there is nothing to come from them."""

        def work(db: Database) -> None:
            with self.home.writing(db):
                for (crawl_id,) in db.execute("SELECT crawl_id FROM crawls").fetchall():
                    if not are_marked(crawl_id):
                        db.execute("DELETE FROM crawls WHERE crawl_id = ?", (crawl_id,))

        self.home.do(work)

    def forget_answers(self) -> None:
        """Forget all validators: something that a feed or sitemap named may not be on file."""

        def work(db: Database) -> None:
            with self.home.writing(db):
                db.execute("DELETE FROM answers WHERE body IS NULL")

        self.home.do(work)

    # ------------------------------------------------------------------------------------- files

    def complete(self, part: Path, *, compress: bool = False) -> Completed:
        """Give an articles file that has grown as `part` its name; its articles are known then.

        Each line is judged once more, for another crawl may have been first: a line that is no news
        any more is left out, another revision gets its number. Torn lines are left out, too.
        Raises `OSError`; the part is then as it was. May run in a thread.
        """
        name = part.name.removesuffix(PART)
        target = part.with_name(f"{name}.gz" if compress else name)
        self.home.stay()
        sync_file(part)
        completed = self.home.apart(lambda db: self._complete(db, part, target))
        part.unlink(missing_ok=True)
        return completed

    def _complete(self, db: Database, part: Path, target: Path) -> Completed:
        is_placed = False
        try:
            with self.home.writing(db):
                self._catch_up_with_the_dead(db)
                judged = self._judged_before(db, part) or self._judge(db, part, target)
                if not self.home.is_shared:
                    judged.place()
                    is_placed = judged.draft is not None
        except self.home.refusals as error:
            if not is_placed:
                raise
            # It has its name, and whoever writes next finds it, as if this crawl had died here.
            logger.warning("%s is complete, the store will know it later: %s", target, error)
        if self.home.is_shared:
            judged.place()  # should this fail or never happen, it is `_judged_before`
        return judged.completed

    def _judge(self, db: Database, part: Path, target: Path) -> _Judged:
        """Judge each line of `part`; what is news is known then. Write what is left of it."""
        db.execute("INSERT INTO files (name) VALUES (?) ON CONFLICT DO NOTHING", (target.name,))
        file = _file_number(db, target.name)
        verdicts: list[Verdict] = []
        as_is = target.name == part.name.removesuffix(PART)
        digest, size = hashlib.sha256(), 0

        def read() -> Iterator[Found | None]:
            nonlocal size
            for line in read_lines(part):
                digest.update(line)
                size += len(line)
                yield read_found(line)

        for founds in _batches(read(), _RECORDS_AT_ONCE):
            some = self._admit(db, founds, file)
            for found, verdict in zip(founds, some, strict=True):
                told = None if found is None else (found.revision, found.change)
                as_is = as_is and told == verdict[:2]
            verdicts += some
        if not any(verdict.revision for verdict in verdicts):
            db.execute("DELETE FROM files WHERE number = ?", (file,))
            return _Judged(target, None, Completed(None, verdicts))
        if as_is:
            facts: dict[str, Any] = {
                "name": target.name,
                "lines": len(verdicts),
                "bytes": size,
                "sha256": digest.hexdigest(),
            }
            _copy_of(target).unlink(missing_ok=True)  # else it would be that of `_judged_before`
            return _Judged(target, part, Completed(facts, verdicts))
        facts = _write_copy(part, target, verdicts)
        return _Judged(target, _copy_of(target), Completed(facts, verdicts))

    def _judged_before(self, db: Database, part: Path) -> _Judged | None:
        """Find what a crawl made of `part` that died when the store knew the file, and before the
        file had its name.
        """
        if not self.home.is_shared:
            return None
        name = part.name.removesuffix(PART)
        both = [part.with_name(name), part.with_name(f"{name}.gz")]
        unknown = set(self._unknown(db, [target.name for target in both]))
        for target in both:
            if target.name not in unknown and not target.exists():
                copy = _copy_of(target)
                draft = copy if copy.exists() else part
                return _Judged(target, draft, Completed(_facts(draft, target.name), []))
        return None

    def _admit(self, db: Database, founds: list[Found | None], file: int) -> list[Verdict]:
        """Judge records and, if they are news, know them. `None` is a torn line."""
        known = self._known(db, {found.id for found in founds if found is not None})
        verdicts = []
        news = []
        for found in founds:
            if found is None:
                verdicts.append(Verdict(None, "new", "torn"))
                continue
            verdict = judge(known.get(found.id), found)
            if verdict.revision is not None:
                made = found._replace(revision=verdict.revision, change=verdict.change)
                known[found.id] = _after(known.get(found.id), made)
                news.append(made)
            verdicts.append(verdict)
        self._know(db, news, file)
        return verdicts

    def _known(self, db: Database, ids: Collection[str]) -> dict[str, Known]:
        query = f"SELECT id, {_FIELDS} FROM articles WHERE id IN ({_marks(ids)})"  # noqa: S608
        rows = db.execute(query, [bytes.fromhex(id_) for id_ in ids]).fetchall() if ids else ()
        return {id_.hex(): Known._make(fields) for id_, *fields in rows}

    def _know(self, db: Database, founds: list[Found], file: int) -> None:
        """Know what stands in a file. Of one revision in two files the first is known."""
        keys = [bytes.fromhex(found.id) for found in founds]
        db.executemany(
            _KNOW,
            (
                (
                    key,
                    found.canonical_url,
                    found.spider,
                    found.revision,
                    found.change,
                    found.source,
                    found.content_hash,
                    found.date_modified,
                    found.published,
                    self.next_check(found.published, found.crawled_at) if found.is_there else None,
                    found.feed_date,
                    found.crawled_at if found.has_page else None,
                    found.crawled_at,
                    found.crawled_at,
                )
                for key, found in zip(keys, founds, strict=True)
            ),
        )
        db.executemany(
            _KNOW_REVISION,
            (
                (
                    key,
                    found.revision,
                    found.change,
                    found.source,
                    found.content_hash,
                    found.crawled_at,
                    file,
                )
                for key, found in zip(keys, founds, strict=True)
            ),
        )
        db.executemany(
            _KNOW_ADDRESS,
            (
                (found.url, key, found.crawl_id)
                for key, found in zip(keys, founds, strict=True)
                if found.url != found.canonical_url and found.is_there
            ),
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
        self.home.stay()
        path = self.articles / f"{crawl_id}{MANIFEST}"

        def work(db: Database) -> None:
            with self.home.writing(db):  # should it die, its manifest is looked for
                db.execute("INSERT INTO crawls VALUES (?) ON CONFLICT DO NOTHING", (crawl_id,))
            with self.home.writing(db):
                self._catch_up_with_the_dead(db, but=crawl_id)
                if not path.exists():  # else the store was mended after that
                    manifest = PartFile(path)
                    try:
                        manifest.write(build(chain.head(db)))
                        manifest.finish()
                    except OSError:
                        manifest.close()
                        raise
                chain.set_head(db, crawl_id, chain.read_manifest(path).sha256)

        self.home.do(work)

    def _catch_up_with_the_dead(self, db: Database, but: str | None = None) -> None:
        """Know what crawls completed that died before they could say so."""
        unfinished = {crawl_id for (crawl_id,) in db.execute("SELECT crawl_id FROM crawls")}
        unfinished.discard(but)
        if unfinished:
            self._catch_up(db, self._files_on_disk(unfinished))
            chain.catch_up(db, self.articles, unfinished)

    def _catch_up(self, db: Database, names: Iterable[str]) -> None:
        """Know the articles of those of the complete files `names` that are not known yet."""
        for name in self._unknown(db, names):
            db.execute("SAVEPOINT file")
            db.execute("INSERT INTO files (name) VALUES (?)", (name,))
            file = _file_number(db, name)
            lines = read_lines(self.articles / name)
            found = (found for line in lines if (found := read_found(line)) is not None)
            try:
                for some in _batches(found, _RECORDS_AT_ONCE):
                    self._know(db, some, file)
            except OSError as error:
                logger.error("Cannot read %s, see scrapy verify: %s", name, error)  # noqa: TRY400
                db.execute("ROLLBACK TO file")
            db.execute("RELEASE file")

    def _unknown(self, db: Database, names: Iterable[str]) -> Iterator[str]:
        """Pass on those of the names of files that the store does not know."""
        for some in _batches(names, _RECORDS_AT_ONCE):
            query = f"SELECT name FROM files WHERE name IN ({_marks(some)})"  # noqa: S608 - marks
            known = {name for (name,) in db.execute(query, some).fetchall()}
            yield from (name for name in some if name not in known)

    def _files_on_disk(self, crawl_ids: Container[str] | None = None) -> Iterator[str]:
        with os.scandir(self.articles) as entries:
            for entry in entries:
                name = read_articles_name(entry.name)
                if name is not None and (crawl_ids is None or name.crawl_id in crawl_ids):
                    yield entry.name


def _after(known: Known | None, found: Found) -> Known:
    """What is known of an article once `found` is, as far as `judge` asks for it."""
    dated = [
        date
        for date in (found.feed_date, None if known is None else known.feed_date)
        if date is not None
    ]
    return Known.after(found)._replace(feed_date=max(dated, default=None))


def _copy_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.copy{PART}")


def _write_copy(part: Path, target: Path, verdicts: list[Verdict]) -> dict[str, Any]:
    """Write what counts of `part` to the copy of `target`, compressed if that name says so.

    Returns its facts.
    """
    copy = _copy_of(target)
    file = PartFile(target, part=copy)
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
        if file.error is not None:
            raise file.error
    finally:
        file.close()
    sync_file(copy)
    sync_directory(copy.parent)
    return file.facts | {"lines": lines}


def _facts(path: Path, name: str) -> dict[str, Any]:
    """What a manifest says of a file whose name is to be `name`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    with gzip.open(path) if name.endswith(".gz") else path.open("rb") as lines:
        number = sum(1 for _ in lines)
    return {
        "name": name,
        "lines": number,
        "bytes": path.stat().st_size,
        "sha256": digest.hexdigest(),
    }


def _file_number(db: Database, name: str) -> int:
    (number,) = db.execute("SELECT number FROM files WHERE name = ?", (name,)).fetchone()
    return cast(int, number)


def _batches(each: Iterable[T], number: int) -> Iterator[list[T]]:
    rest = iter(each)
    while some := list(islice(rest, number)):
        yield some


def _marks(values: Collection[object]) -> str:
    """Write a mark for each value.

    >>> _marks("abc")
    '?, ?, ?'
    """
    return ", ".join("?" * len(values))


def _rule(alias: str, rule: str, canonical: str) -> str:
    """Say why an address leads to an article. ``address`` stands for what a record came from."""
    if rule != "address":
        return rule
    if canonical_url(alias) == canonical:
        return "spelling"
    return "short link" if is_short_link(alias) else "redirect"


def _key(address: str) -> bytes:
    return bytes.fromhex(article_id(canonical_url(address)))
