"""Manifests, marks, outcomes and articles read for a report: facts out, and faults counted.

Whatever a file holds, nothing here raises for it: what cannot be read is a `Fault` and left out.
Whether files are what their manifests say to the last byte is for ``scrapy verify`` to tell.
"""

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import jsonschema_rs
import orjson

from rfinews import dates
from rfinews.files import LEASE, MANIFEST, MARK, OUTCOMES, PART, read_articles_name, read_lines
from rfinews.manifest import DONE

State = Literal["ok", "failed", "running", "died", "unreadable"]

#: Fields whose coverage is told, in the order of the record.
COVERED = (
    *("section", "description", "article_body", "authors", "keywords", "images", "audios"),
    *("videos", "alternates", "date_published", "date_modified"),
)
_BITS = tuple((name, 1 << number) for number, name in enumerate(COVERED))
_TEXTS = (
    *("id", "change", "edition", "in_language", "headline", "canonical_url", "source"),
    "crawled_at",
)
_texts = itemgetter(*_TEXTS)
# A crawl fetches several articles in a second.
_to_seconds = lru_cache(maxsize=4096)(dates.to_seconds)
# Outcomes of addresses with which nothing is wrong.
_FINE = frozenset(("exported", "unchanged", "duplicate", "offsite", "robots"))
_CRAWL_ID = re.compile(r"(?P<spider>[^-]+)-(?P<time>[0-9]{8}T[0-9]{6}Z)-.+", re.DOTALL)
_MANIFEST = jsonschema_rs.Draft202012Validator(
    {
        "type": "object",
        "required": [
            *("spider", "arguments", "started_at", "finished_at", "finish_reason"),
            *("files", "outcomes"),
        ],
        "properties": {
            "spider": {"type": "string"},
            "arguments": {"type": "object"},
            "started_at": {"type": "string"},
            "finished_at": {"type": "string"},
            "finish_reason": {"type": "string"},
            "files": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "bytes"],
                    "properties": {
                        "name": {"type": "string", "pattern": r"^[^\x00]+$"},
                        "bytes": {"type": "integer", "minimum": 0},
                    },
                },
            },
            "outcomes": {
                "type": "object",
                "additionalProperties": {"type": "integer", "minimum": 0},
            },
            "monitors": {
                "type": ["object", "null"],
                "additionalProperties": {
                    "type": "array",
                    "items": {"type": "object", "required": ["name", "message"]},
                },
            },
        },
    }
)
_SHOWN = 50
_LONGEST = 300


class Fault(NamedTuple):
    """What cannot be read, or is not there: for people."""

    path: str
    detail: str


@dataclass
class Faults:
    """The first faults by name, and the number of all; `lines` of them are lines of files."""

    shown: list[Fault] = field(default_factory=list)
    total: int = 0
    lines: int = 0

    def add(self, path: Path, detail: object, *, lines: int = 0) -> None:
        self.total += lines or 1
        self.lines += lines
        if len(self.shown) < _SHOWN:
            self.shown.append(Fault(str(path), str(detail)[:_LONGEST]))


@dataclass
class CrawlFiles:
    """The names that a crawl has in a folder; its articles files from the first to the last."""

    folder: Path
    crawl_id: str
    has_manifest: bool = False
    has_outcomes: bool = False
    has_mark: bool = False
    has_parts: bool = False
    articles: list[str] = field(default_factory=list)

    @property
    def time(self) -> str:
        """When it began as its name tells (``20261124T054500Z``), ``""`` if it does not."""
        match = _CRAWL_ID.fullmatch(self.crawl_id)
        return match["time"] if match else ""


@dataclass(frozen=True, slots=True)
class Crawl:
    """A crawl, ended or not. Times are seconds since 1970, `size` is bytes.

    `arguments` is ``None`` where its manifest cannot be read; `finished` is unknown then, too, while
    it runs, and when it died.
    """

    crawl_id: str
    spider: str
    arguments: str | None
    state: State
    started: int
    finished: int | None = None
    finish_reason: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    left_alone: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()

    @property
    def exported(self) -> int:
        return self.outcomes.get("exported", 0)

    @property
    def duration(self) -> int | None:
        """Seconds that it ran. One that died was ended by a later one: nobody knows."""
        if self.finished is None or self.finish_reason == "recovered":
            return None
        return max(self.finished - self.started, 0)


class Record(NamedTuple):
    """A line of an articles file, as far as a report needs it. `has` is a bit for each `COVERED`."""

    id: str
    revision: int
    change: str
    edition: str
    language: str
    headline: str
    url: str
    source: str
    published: int | None
    crawled: int
    has: int
    image: str | None


class Failure(NamedTuple):
    """A line of the outcomes that tells of an address which could not be had."""

    outcome: str
    host: str
    detail: str | None


def find_crawls(paths: Iterable[Path], faults: Faults) -> list[CrawlFiles]:
    """List the crawls in data directories or their ``articles/``, the newest first.

    A directory given twice counts once, and so does a crawl of which there are copies: that in the
    directory named first. Raises `OSError` for a directory that cannot be listed.
    """
    folders = {os.path.realpath(folder): folder for folder in map(_folder, paths)}
    crawls: dict[str, CrawlFiles] = {}
    for folder in folders.values():
        for crawl_id, files in _list(folder, faults).items():
            crawls.setdefault(crawl_id, files)
    return sorted(crawls.values(), key=lambda files: (files.time, files.crawl_id), reverse=True)


def _folder(path: Path) -> Path:
    articles = path / "articles"
    return articles if articles.is_dir() else path


def _list(folder: Path, faults: Faults) -> dict[str, CrawlFiles]:
    crawls: dict[str, CrawlFiles] = {}
    with os.scandir(folder) as entries:
        names = sorted((entry.name, _is_file(entry)) for entry in entries)
    for name, is_file in names:
        crawl_id = _crawl_of(name)
        if crawl_id is None:
            continue
        if not is_file:
            faults.add(folder / name, "Not a regular file")
            continue
        crawl = crawls.setdefault(crawl_id, CrawlFiles(folder, crawl_id))
        if name.endswith(MANIFEST):
            crawl.has_manifest = True
        elif name.endswith(OUTCOMES):
            crawl.has_outcomes = True
        elif name.endswith(MARK):
            crawl.has_mark = True
        elif name.endswith(PART):
            crawl.has_parts = True
        else:
            crawl.articles.append(name)
    return crawls


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a regular file: no pipe, which would never end, nor a link to itself."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _crawl_of(name: str) -> str | None:
    """Name the crawl that a file belongs to.

    >>> _crawl_of("feedx-1.00002.jsonl.gz"), _crawl_of("feedx-1.outcomes.jsonl.part")
    ('feedx-1', 'feedx-1')
    >>> _crawl_of("notes.txt"), _crawl_of("feedx-1.crawl.copy.part")
    (None, None)
    """
    for suffix in (MANIFEST, MARK, OUTCOMES, OUTCOMES + PART):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    articles = read_articles_name(name.removesuffix(PART))
    return None if articles is None else articles.crawl_id


# ----------------------------------------------------------------------------------------- crawls


def read_crawl(files: CrawlFiles, faults: Faults) -> Crawl | None:
    """Read what is known of a crawl; `None` if that is less than when it began."""
    match = _CRAWL_ID.fullmatch(files.crawl_id)
    about: dict[str, Any] = {}
    state: State = "died"
    if files.has_manifest:
        path = files.folder / f"{files.crawl_id}{MANIFEST}"
        try:
            return _ended(files, orjson.loads(path.read_bytes()), faults)
        except (OSError, ValueError) as error:
            faults.add(path, _reason(error))
            state = "unreadable"
    elif files.has_mark:
        mark = files.folder / f"{files.crawl_id}{MARK}"
        about = _read_mark(mark)
        state = "running" if is_running(mark, about) else "died"
    elif not files.has_parts:
        name = files.articles[0] if files.articles else files.crawl_id + OUTCOMES
        faults.add(files.folder / name, "No manifest names it")
        return None
    started = _seconds(about.get("started_at")) or (_name_time(match["time"]) if match else None)
    if started is None:
        faults.add(files.folder / files.crawl_id, "Nothing tells when it began")
        return None
    return Crawl(
        crawl_id=files.crawl_id,
        spider=match["spider"] if match else files.crawl_id,
        arguments=_arguments(about["arguments"]) if "arguments" in about else None,
        state=state,
        started=started,
    )


def _ended(files: CrawlFiles, manifest: dict[str, Any], faults: Faults) -> Crawl:
    """Read a manifest. Raises `ValueError`."""
    if not _MANIFEST.is_valid(manifest):
        wrong = next(_MANIFEST.iter_errors(manifest))
        where = ".".join(map(str, wrong.instance_path))
        raise ValueError(f"{where}: {wrong.message}" if where else wrong.message)
    started, finished = _seconds(manifest["started_at"]), _seconds(manifest["finished_at"])
    if started is None or finished is None:
        raise ValueError("started_at or finished_at is no date")
    reason = manifest["finish_reason"]
    monitors = _monitors(manifest, "failed")
    count, size = _check_files(files, manifest, faults)
    return Crawl(
        crawl_id=files.crawl_id,
        spider=manifest["spider"],
        arguments=_arguments(manifest["arguments"]),
        state="ok" if reason in DONE and not monitors else "failed",
        started=started,
        finished=finished,
        finish_reason=reason,
        outcomes=manifest["outcomes"],
        files=count,
        size=size,
        left_alone=_named(manifest.get("left_alone")),
        monitors=monitors,
        not_judged=_monitors(manifest, "not_judged"),
    )


def _check_files(files: CrawlFiles, manifest: dict[str, Any], faults: Faults) -> tuple[int, int]:
    """Count the articles files that a manifest names, and their bytes, and look if they are there.

    Files of ``-o`` are left out: they belong to whoever asked for them.
    """
    count = total = 0
    if manifest["outcomes"] and not files.has_outcomes:
        faults.add(files.folder / f"{files.crawl_id}{OUTCOMES}", "It is not there")
    for entry in manifest["files"]:
        articles = read_articles_name(entry["name"])
        if articles is None or articles.crawl_id != files.crawl_id:
            continue
        count, total = count + 1, total + entry["bytes"]
        path = files.folder / entry["name"]
        try:
            size = path.stat().st_size
        except OSError as error:
            faults.add(path, f"{_reason(error)}, and its manifest names it")
        else:
            if size != entry["bytes"]:
                faults.add(path, f"{size:,} bytes, its manifest says {entry['bytes']:,}")
    return count, total


def _read_mark(mark: Path) -> dict[str, Any]:
    try:
        about = orjson.loads(mark.read_bytes())
    except (OSError, ValueError):  # it died while it wrote it, or has ended meanwhile
        return {}
    return about if isinstance(about, dict) else {}


def is_running(mark: Path, about: dict[str, Any]) -> bool:
    """Whether a crawl holds the lock of its mark or, from another host, renewed it lately."""
    try:
        fd = os.open(mark, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
        age = abs(time.time() - os.fstat(fd).st_mtime)
        return about.get("host", socket.gethostname()) != socket.gethostname() and age < LEASE
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def _arguments(value: object) -> str | None:
    """Write spider arguments as the command line has them.

    >>> _arguments({"follow": "1", "feed": "https://example.org/rss"})
    'feed=https://example.org/rss follow=1'
    """
    if not isinstance(value, dict):
        return None
    return " ".join(f"{name}={value[name]}" for name in sorted(value))


def _monitors(manifest: dict[str, Any], what: str) -> tuple[str, ...]:
    """Tell of the monitors that failed, or that could not judge what failed before.

    >>> alarm = {"name": "refused", "message": "12 of 40", "since": "2026-11-24T05:45:00Z"}
    >>> _monitors({"monitors": {"failed": [alarm], "not_judged": []}}, "failed")
    ('refused: 12 of 40',)
    >>> _monitors({}, "failed")
    ()
    """
    told = manifest.get("monitors") or {}
    return tuple(f"{alarm['name']}: {alarm['message']}" for alarm in told.get(what, ()))


def _named(value: object) -> tuple[str, ...]:
    return tuple(f"{name}: {why}" for name, why in value.items()) if isinstance(value, dict) else ()


# ------------------------------------------------------------------------------------------ lines


def read_records(files: CrawlFiles, faults: Faults) -> Iterator[Record]:
    """Yield the articles of a crawl, the last one first: an archive has revisions in their order.

    One file's records are kept at a time (``RFINEWS_ROTATE_ITEMS``), without their texts.
    """
    for name in reversed(files.articles):
        yield from reversed([*_read(files.folder / name, _record, faults)])


def read_failures(files: CrawlFiles, faults: Faults) -> Iterator[Failure]:
    """Yield the addresses that a crawl could not have."""
    if files.has_outcomes:
        for failure in _read(files.folder / f"{files.crawl_id}{OUTCOMES}", _failure, faults):
            if failure is not None:
                yield failure


def _read(path: Path, parse: Any, faults: Faults) -> Iterator[Any]:
    """Yield what the lines of a file hold; those that hold nothing readable are one fault a file."""
    bad = number = first = 0
    why: object = None
    try:
        for line in read_lines(path):
            number += 1
            try:
                parsed = parse(orjson.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                bad += 1
                if bad == 1:
                    first, why = number, _reason(error)
                continue
            yield parsed
    except OSError as error:
        faults.add(path, _reason(error))
    if bad:
        faults.add(path, f"{bad:,} of {number:,} lines; the first, {first:,}: {why}", lines=bad)


def _record(row: dict[str, Any]) -> Record:
    """Raises `ValueError`, `TypeError` or `KeyError` for a line that is no record."""
    texts = _texts(row)
    if {*map(type, texts)} != {str}:
        raise ValueError(f"no text: {_TEXTS[[type(text) is str for text in texts].index(False)]}")
    id_, change, edition, language, headline, url, source, crawled_at = texts
    revision, published, images = row["revision"], row["date_published"], row["images"]
    if type(revision) is not int:
        raise ValueError("no number: revision")
    crawled = _seconds(crawled_at)
    if crawled is None:
        raise ValueError("no date: crawled_at")
    has = 0
    for name, bit in _BITS:
        if row[name]:
            has |= bit
    return Record(
        *(id_, revision, change, edition, language, headline, url, source),
        published=_seconds(published) if published else None,
        crawled=crawled,
        has=has,
        image=str(images[0]["url"]) if images else None,
    )


def _failure(row: dict[str, Any]) -> Failure | None:
    outcome, url, detail = row["outcome"], row["url"], row["detail"]
    if type(outcome) is not str or type(url) is not str:
        raise ValueError("outcome or url is no text")
    if outcome in _FINE:
        return None
    return Failure(outcome, _host(url), None if detail is None else str(detail)[:_LONGEST])


def _host(url: str) -> str:
    """Name the host of an address.

    >>> _host("https://WWW.rfi.fr/cn/"), _host("mailto:a"), _host("http://[::1/")
    ('www.rfi.fr', '', '')
    """
    try:
        return (urlsplit(url).hostname or "")[:_LONGEST]
    except ValueError:
        return ""


def _seconds(value: object) -> int | None:
    return _to_seconds(value) if isinstance(value, str) else None


def _name_time(text: str) -> int | None:
    """Read the time in a crawl_id.

    >>> _name_time("20261124T054500Z"), _name_time("20269924T054500Z")
    (1795499100, None)
    """
    day, clock = text[:8], text[9:15]
    iso = f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"
    return dates.to_seconds(iso)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    if isinstance(error, TypeError | AttributeError):
        return "no object with the fields of a line"
    if isinstance(error, orjson.JSONDecodeError):
        return f"no JSON: {error.msg}"
    return str((error.strerror if isinstance(error, OSError) else None) or error)
