"""The chain of a data directory: each crawl's manifest names the one that was written before it."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from rfinews.files import MANIFEST
from rfinews.store.home import Database


class Manifest(NamedTuple):
    """A link of the chain."""

    finished_at: str
    crawl_id: str
    sha256: str
    previous: str | None


def read_manifest(path: Path) -> Manifest:
    """Read what makes a manifest a link. Raises `OSError`."""
    content = path.read_bytes()
    crawl_id = path.name.removesuffix(MANIFEST)
    digest = hashlib.sha256(content).hexdigest()
    try:
        told = orjson.loads(content)
        previous = told["previous"] and told["previous"]["crawl_id"]
        return Manifest(told["finished_at"], crawl_id, digest, previous)
    except (ValueError, TypeError, KeyError):  # altered; see scrapy verify
        return Manifest("", crawl_id, digest, None)


def find_head(db: Database, directory: Path) -> None:
    """Find the manifest that no other one names as the one before it; of several the newest."""
    last: Manifest | None = None
    before = {read_manifest(path).previous for path in directory.glob(f"*{MANIFEST}")}
    for path in directory.glob(f"*{MANIFEST}"):
        manifest = read_manifest(path)
        if manifest.crawl_id not in before and (last is None or manifest > last):
            last = manifest
    if last is not None:
        set_head(db, last.crawl_id, last.sha256)


def catch_up(db: Database, directory: Path, crawl_ids: Collection[str]) -> None:
    """Know the manifests that crawls wrote which died before they could say so."""
    paths = [directory / f"{crawl_id}{MANIFEST}" for crawl_id in crawl_ids]
    manifests = [read_manifest(path) for path in paths if path.exists()]
    for manifest in _in_order(manifests):
        set_head(db, manifest.crawl_id, manifest.sha256)


def _in_order(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The last one is none that another names as the one before it."""
    manifests = list(manifests)
    before = {manifest.previous for manifest in manifests}
    return sorted(manifests, key=lambda each: each.crawl_id not in before)


def head(db: Database) -> dict[str, str] | None:
    """What the next manifest says of its ``previous`` one."""
    row = db.execute("SELECT crawl_id, sha256 FROM head").fetchone()
    return None if row is None else {"crawl_id": row[0], "sha256": row[1]}


def set_head(db: Database, crawl_id: str, digest: str) -> None:
    """Make a manifest the newest link of the chain; its crawl has ended."""
    db.execute("DELETE FROM head")
    db.execute("INSERT INTO head VALUES (?, ?)", (crawl_id, digest))
    db.execute("DELETE FROM crawls WHERE crawl_id = ?", (crawl_id,))
