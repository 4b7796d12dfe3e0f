"""Crawls that died: what they had gathered is completed and accounted for (CONTRACT section 5).

Every step can be cut short and done again: a part is removed only when what it held is complete,
the mark of the crawl only when its manifest is.
"""

import hashlib
import logging
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from rfinews import dates
from rfinews.files import (
    DRAFT_OF_MARK,
    MANIFEST,
    MARK,
    OUTCOMES,
    PART,
    CrawlMark,
    PartFile,
    is_locked,
    read_articles_name,
    read_lines,
)
from rfinews.manifest import manifest, outcome_line, versions
from rfinews.store import Store
from rfinews.urls import canonical_url

logger = logging.getLogger(__name__)

_CRAWL_ID = re.compile(r"(?P<spider>[^-]+)-(?P<time>\d{8}T\d{6}Z)-.+", re.DOTALL)


def recover_crawls(store: Store, *, compress: bool = False) -> int:
    """End every crawl that died; those that still run are left alone. Returns how many.

    Raises `StoreError` when the store cannot be used. What cannot be recovered now is told and left.
    """
    recovered = 0
    for crawl_id in sorted(_unfinished(store.articles)):
        mark = None
        try:
            mark = _take_over(store.articles, crawl_id)
            if mark is not None:
                _recover(store, mark, compress=compress)
                recovered += 1
        except OSError as error:
            logger.error("Cannot recover crawl %s: %s", crawl_id, error)  # noqa: TRY400
            if mark is not None:
                mark.release()
    if recovered:
        store.forget_answers()
    store.forget_crawls(lambda crawl_id: (store.articles / f"{crawl_id}{MARK}").exists())
    return recovered


def _unfinished(directory: Path) -> set[str]:
    with os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(PART)]
    for name in names:
        if name.endswith(DRAFT_OF_MARK) and not is_locked(directory / name):
            (directory / name).unlink(missing_ok=True)  # of a crawl that died before it began
    return {crawl_id for name in names if (crawl_id := _crawl_of(name)) is not None}


def _crawl_of(part: str) -> str | None:
    """Name the crawl that a part belongs to.

    >>> _crawl_of("feedx-1.00002.jsonl.gz.copy.part"), _crawl_of("feedx-1.manifest.json.part")
    ('feedx-1', 'feedx-1')
    >>> _crawl_of("notes.txt.part")
    """
    if part.endswith(MARK):
        return part.removesuffix(MARK)
    name = part.removesuffix(PART).removesuffix(".copy")
    for suffix in (MANIFEST, OUTCOMES):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    articles = read_articles_name(name)
    return None if articles is None else articles.crawl_id


def _take_over(directory: Path, crawl_id: str) -> CrawlMark | None:
    """Take a dead crawl over; `None` if it runs. One without a mark runs while it holds a part."""
    path = directory / f"{crawl_id}{MARK}"
    if path.exists():
        return CrawlMark.seize(path)
    if any(is_locked(part) for part in _parts(directory, crawl_id)):
        return None
    return CrawlMark.create(directory, {"crawl_id": crawl_id})


def _parts(directory: Path, crawl_id: str) -> list[Path]:
    with os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(PART)]
    parts = [name for name in names if _crawl_of(name) == crawl_id and not name.endswith(MARK)]
    return [directory / name for name in sorted(parts, key=_place)]


def _place(part: str) -> tuple[int, str]:
    """Where a part stands in its crawl: a later file may hold a later revision."""
    name = read_articles_name(part.removesuffix(PART))
    return (name.number if name else 0), part


def _recover(store: Store, mark: CrawlMark, *, compress: bool) -> None:
    directory, crawl_id = store.articles, mark.about["crawl_id"]
    _complete_articles(store, crawl_id, compress=compress)
    if not (directory / f"{crawl_id}{MANIFEST}").exists():
        files = [_facts(path) for path in _articles(directory, crawl_id)]
        outcomes_file, outcomes = _complete_outcomes(store, crawl_id)
        about = _about(crawl_id, mark.about)
        store.end(
            crawl_id,
            lambda previous: manifest(
                about,
                finish_reason="recovered",
                files=files,
                outcomes=outcomes,
                outcomes_file=outcomes_file,
                left_alone={},
                previous=previous,
            ),
        )
        logger.warning(
            "Recovered crawl %s, which had died: %d articles",
            crawl_id,
            sum(file["lines"] for file in files),
        )
    for part in _parts(directory, crawl_id):
        part.unlink(missing_ok=True)
    mark.remove()


def _complete_articles(store: Store, crawl_id: str, *, compress: bool) -> None:
    for part in _parts(store.articles, crawl_id):
        name = part.name.removesuffix(PART)
        if not name.endswith(".jsonl") or name.endswith(OUTCOMES):
            continue
        complete = part.with_name(name)
        if complete.exists() or complete.with_name(f"{name}.gz").exists():
            part.unlink()  # it was copied, and its crawl died before it could remove it
        else:
            store.complete(part, compress=compress)


def _articles(directory: Path, crawl_id: str) -> list[Path]:
    with os.scandir(directory) as entries:
        names = [(read_articles_name(entry.name), entry.name) for entry in entries]
    found = [(name.number, file) for name, file in names if name and name.crawl_id == crawl_id]
    return [directory / file for _, file in sorted(found)]


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {
        "name": path.name,
        "lines": sum(1 for _ in read_lines(path)),
        "bytes": path.stat().st_size,
        "sha256": digest.hexdigest(),
    }


def _complete_outcomes(store: Store, crawl_id: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Complete the outcomes: those on file, and ``exported`` for articles that have none yet."""
    path = store.articles / f"{crawl_id}{OUTCOMES}"
    part = path.with_name(path.name + PART)
    rows: dict[str, tuple[str, str | None]] = {}
    for source in (path, part):
        if source.exists():
            for line in read_lines(source):
                try:
                    row = orjson.loads(line)
                    rows[row["url"]] = (row["outcome"], row["detail"])
                except (ValueError, TypeError, KeyError):  # torn
                    continue
    exported = {
        store.resolve(canonical_url(url)) for url, row in rows.items() if row[0] == "exported"
    }
    for file in _articles(store.articles, crawl_id):
        for line in read_lines(file):
            record = orjson.loads(line)
            if record["canonical_url"] not in exported:
                exported.add(record["canonical_url"])
                rows[record["url"]] = ("exported", None)
    with PartFile(path, part=path.with_name(f"{path.name}.copy{PART}")) as copy:
        for url, row in rows.items():
            copy.write(outcome_line(url, *row))
        copy.finish()
    part.unlink(missing_ok=True)
    return copy.facts, dict(sorted(Counter(outcome for outcome, _ in rows.values()).items()))


def _about(crawl_id: str, told: dict[str, Any]) -> dict[str, Any]:
    """What the crawl said when it began; without that, what its name says."""
    match = _CRAWL_ID.fullmatch(crawl_id)
    told_by_name: dict[str, Any] = {
        "spider": match["spider"] if match else crawl_id,
        "arguments": {},
        "started_at": (match and dates.from_iso(match["time"])) or dates.now(),
        "versions": versions(),
    }
    return told_by_name | told
