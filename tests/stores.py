"""What the tests of the store share: records written by hand, and what a store says of them."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from hypothesis import strategies as st

from rfinews.dates import from_seconds
from rfinews.files import MANIFEST, PartFile, read_lines
from rfinews.items import article_at, as_record
from rfinews.revisions import Known
from rfinews.store import Completed, Store
from rfinews.store.home import Database
from rfinews.urls import article_id

HOUR = 3600
NOW = int(time.time()) // HOUR * HOUR  # what is due long ago is not due any more
ONE, TWO, THREE = (f"feedx-20231107T120000Z-{number}" for number in (1, 2, 3))


def address(number: int) -> str:
    return f"https://www.rfi.fr/cn/20231107-{number}"


def id_of(number: int) -> str:
    return article_id(address(number))


def record(number: int, text: str = "first", **changes: Any) -> dict[str, Any]:
    """The record of an article, as a crawl makes it."""
    article = article_at(address(number))
    article.headline = text
    article.content_hash = f"v1:{hashlib.sha256(text.encode()).hexdigest()}"
    article.date_published = from_seconds(NOW - 2 * HOUR)
    article.feed_date = from_seconds(NOW - HOUR)
    article.crawled_at = from_seconds(NOW) or ""
    article.crawl_id = ONE
    return as_record(article) | changes


def gone(number: int, **changes: Any) -> dict[str, Any]:
    return record(number, "", change="retracted", source="rfi", **changes)


def lines_of(records: Iterable[dict[str, Any]]) -> list[bytes]:
    return [orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in records]


def write_part(folder: Path, name: str, lines: Iterable[bytes]) -> Path:
    """An articles file that has grown and is not complete."""
    file = PartFile(folder / name)
    for line in lines:
        file.write(line)
    file.close()
    return file.part


def complete(
    store: Store, records: Iterable[dict[str, Any]], name: str = f"{ONE}.jsonl", **options: Any
) -> Completed:
    return store.complete(write_part(store.articles, name, lines_of(records)), **options)


def records_in(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in read_lines(path)]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def facts(path: Path) -> dict[str, Any]:
    return {
        "name": path.name,
        "lines": len(list(read_lines(path))),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


# --------------------------------------------------------------------------------------- stores

Opened = Callable[..., Store]


@contextmanager
def stores(data_dir: Path, url: str | None = None) -> Iterator[Opened]:
    """Open stores of one data directory, each as another process has it."""
    made = []

    def opened(crawl_id: str | None = ONE, **options: Any) -> Store:
        store = Store(data_dir, url=url, **options)
        made.append(store)
        store.open(crawl_id)
        return store

    yield opened
    for store in made:
        store.close()


def known(store: Store, number: int) -> Known:
    found = store.known(id_of(number))
    assert found is not None
    return found


Rows = list[tuple[Any, ...]]

TABLES = {
    "articles": "SELECT id, canonical_url, spider, revision, change, source, content_hash,"
    " feed_date, date_modified, published, first_seen, last_seen, feed_hash, page_hash, lastmod,"
    " asked_at, next_check, gone_since FROM articles",
    "revisions": "SELECT id, revisions.revision, revisions.change, revisions.source,"
    " revisions.content_hash, crawled_at, name FROM revisions"
    " JOIN articles ON articles.number = article JOIN files ON files.number = file",
    "files": "SELECT name FROM files",
    "aliases": "SELECT alias, id, rule FROM aliases JOIN articles ON number = article",
    "head": "SELECT crawl_id, sha256 FROM head",
}


def query(store: Store, sql: str) -> Rows:
    """Ask the database itself."""

    def work(db: Database) -> Rows:
        return sorted(db.execute(sql).fetchall(), key=repr)

    return store.home.do(work)


def dump(store: Store) -> dict[str, Rows]:
    """All that a store takes from the files of its data directory, without its own numbers."""
    return {name: query(store, sql) for name, sql in TABLES.items()}


def rebuilt_dump(
    data_dir: Path, order: Callable[[list[str]], Sequence[str]] = list
) -> dict[str, Rows]:
    """The same of a store that is built from the files, in another order than theirs."""
    with TemporaryDirectory() as name:
        shutil.copytree(data_dir / "articles", Path(name) / "articles")
        store = Store(Path(name))
        names = order(sorted(store._files_on_disk()))
        store._files_on_disk = lambda crawl_ids=None: iter(names)  # type: ignore[method-assign]
        store.open()
        told = dump(store)
        store.close()
        return told


# A history: files of records, each one of three articles, seen within a day in any order.
RECORDS = st.builds(
    lambda number, text, dates, changes: record(
        number,
        text,
        crawled_at=from_seconds(NOW - dates[0] * HOUR),
        date_published=dates[1] and from_seconds(NOW - 60 * HOUR + dates[1] * HOUR),
        date_modified=dates[2] and from_seconds(NOW - 9 * HOUR + dates[2]),
        feed_date=dates[3] and from_seconds(NOW - 9 * HOUR + dates[3]),
        **changes,
    ),
    st.integers(1, 3),
    st.sampled_from(["one", "two", "three"]),
    st.tuples(st.integers(0, 20), *3 * [st.none() | st.integers(1, 40)]),
    st.sampled_from(
        [
            {},
            {"source": "rfi"},
            {"source": "archive"},
            {"change": "retracted", "source": "rfi"},
            {"crawl_id": "rfi-20231107T120000Z-9", "source": "rfi", "article_body": "一"},
        ]
    ),
).map(lambda made: made | {"url": f"{made['url']}?{made['source']}"})
HISTORIES = st.lists(st.lists(RECORDS, max_size=5), max_size=6)


def crawl_all(stores: Sequence[Store], history: list[list[dict[str, Any]]]) -> None:
    """Complete a file for each part of a history, by crawls in turn."""
    for number, records in enumerate(history, start=1):
        store = stores[number % len(stores)]
        name = f"{store.crawl_id}.{number:05d}.jsonl"
        complete(store, records, name, compress=number % 3 == 0)


def without_asked_at(tables: dict[str, Rows]) -> dict[str, Rows]:
    return tables | {"articles": [(*row[:15], *row[16:]) for row in tables["articles"]]}


# ------------------------------------------------------------------------------------ manifests


def end(store: Store, crawl_id: str | None = None, hour: int = 12) -> dict[str, Any]:
    """End a crawl at this hour. Returns its manifest, with `sha256` beside."""
    crawl_id = crawl_id or store.crawl_id
    assert crawl_id is not None

    def build(previous: dict[str, str] | None) -> bytes:
        about = {"crawl_id": crawl_id, "finished_at": f"2023-11-07T{hour:02d}:00:00Z"}
        return orjson.dumps(about | {"previous": previous})

    store.end(crawl_id, build)
    return read_manifest(store, crawl_id)


def read_manifest(store: Store, crawl_id: str) -> dict[str, Any]:
    content = (store.articles / f"{crawl_id}{MANIFEST}").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    manifest: dict[str, Any] = orjson.loads(content) | {"sha256": sha256}
    return manifest


def link(manifest: dict[str, Any]) -> dict[str, str]:
    return {"crawl_id": manifest["crawl_id"], "sha256": manifest["sha256"]}
