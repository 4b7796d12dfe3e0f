"""(d) the store: look-ups among millions of known articles, start-up, memory of a crawl, rebuilding.

- Millions of articles come into the store with SQL, journal and syncs off, into the schema that the
  store has made itself: for each a row in ``articles``, one in ``revisions``, one in ``outcomes``.
  They are ten years of crawls; ids are hashes, so their order is random as it is in life. What the
  crawls left on disk lies there, too, as empty files: a crawl compares their names with the store.
- Memory: ``scrapy crawl archive`` over small documents, first with an empty store, then, as all are
  known by now, once more, then beside the millions. Each crawl is a process of its own.
- Rebuilding is what `Store.open` does where there is no store, in a process of its own.
- The store's file lies in the system's memory as a whole, but for what is "not in memory": there
  the system has been told to forget it, as after a reboot or on a machine that has little.
"""

import hashlib
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter

import orjson

from rfinews import dates
from rfinews.files import MANIFEST, OUTCOMES, articles_name
from rfinews.items import Article, article_at, as_record
from rfinews.store import Store
from rfinews.urls import article_id
from tests.benchmarks.crawls import scrapy
from tests.benchmarks.measure import PROJECT, Cost, clean_environment, measured, table

LOOK_UPS = 100_000
RECENT = 5000
PER_CRAWL = 500
BEGINNING = int(time.time()) - 10 * 365 * 24 * 3600
SLUG = "%E5%B8%82%E6%94%BF%E5%8E%85%E5%AE%A3%E5%B8%83%E4%BF%AE%E7%BC%AE%E6%97%A7%E6%A1%A5"
SENTENCE = "市政厅周二在青石湾宣布，将拨款300万欧元，用于修缮沿河的十二座旧桥。"
OPEN = """\
import sys
from pathlib import Path
from rfinews.store import Store
Store(Path(sys.argv[1])).open()
"""
INSERTS = (
    """
    INSERT INTO articles (
        number, id, canonical_url, spider, revision, change, source, content_hash, feed_date,
        published, first_seen, last_seen, feed_hash
    ) VALUES (?, ?, ?, 'feedx', 1, 'new', 'feedx', ?, ?, ?, ?, ?, ?)
    """,
    "INSERT INTO revisions VALUES (?, 1, 'new', 'feedx', ?, ?, ?)",
    "INSERT INTO outcomes VALUES (?, 'exported', NULL, ?)",
)


def address(number: int) -> str:
    return f"https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-{SLUG}-{number}"


def text_hash(number: int) -> str:
    return f"v1:{hashlib.sha256(str(number).encode()).hexdigest()}"


class KnownStore:
    """A store that grows to `known` articles, beside crawls of `documents` of them."""

    def __init__(self, folder: Path, known: int, documents: int, rebuilt: int) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.known = known
        self.documents = documents
        self.rebuilt = rebuilt
        self.crawls: dict[str, Cost] = {}
        self.rebuilds: list[tuple[int, float, Cost, float]] = []
        self.seconds: dict[str, list[float]] = {}
        self.starts: dict[str, list[float]] = {}

    # ------------------------------------------------------------------------ once: crawls, rebuilds

    def crawl(self) -> None:
        """Crawl the same documents with an empty store, with one of these alone, with the millions."""
        path = self.folder / "documents"
        write_documents(path, self.documents)
        self.crawls["the store is empty"] = self._crawl(path, "exported")
        self.crawls[f"all are known, as {self.documents:,}"] = self._crawl(path, "unchanged")
        self._start("to read and check one of up to 64 MB", lambda store: store.open())
        self.fill()
        self.crawls[f"all are known, as {self.known:,}"] = self._crawl(path, "unchanged")
        shutil.rmtree(path)

    def _crawl(self, path: Path, outcome: str) -> Cost:
        cost = measured(
            scrapy("crawl", "archive", "-a", f"path={path}", options={}),
            PROJECT,
            clean_environment(RFINEWS_DATA_DIR=str(self.data)),
        )
        if cost.stat(f"rfinews/outcome/{outcome}") != self.documents:
            raise RuntimeError(f"not every document is {outcome}:\n{cost.log[-2000:]}")
        return cost

    def fill(self) -> None:
        """Bring the store to `known` articles."""
        store = Store(self.data)
        numbers = range(self.documents, self.known)
        with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
            db.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144"
            )
            db.execute("BEGIN")
            for start in range(numbers.start, numbers.stop, PER_CRAWL):
                some = range(start, min(start + PER_CRAWL, numbers.stop))
                seconds = BEGINNING + start * (10 * 365 * 24 * 3600) // self.known
                crawl_id = (
                    f"feedx-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(seconds))}-{start:08x}"
                )
                name = articles_name(crawl_id, 1)
                for left in (name, f"{crawl_id}{OUTCOMES}", f"{crawl_id}{MANIFEST}"):
                    (store.articles / left).touch()
                file = db.execute("INSERT INTO files (name) VALUES (?)", (name,)).lastrowid
                articles, revisions, outcomes = [], [], []
                for number in some:
                    row, key, hashed = number + 1, key_of(number), text_hash(number)
                    dated = (seconds - 3600, seconds - 7200, seconds, seconds)
                    articles.append((row, key, address(number), hashed, *dated, hashed))
                    revisions.append((row, hashed, seconds, file))
                    outcomes.append((key, crawl_id))
                for insert, rows in zip(INSERTS, (articles, revisions, outcomes), strict=True):
                    db.executemany(insert, rows)
            db.execute("COMMIT")

    def rebuild(self) -> None:
        """Rebuild a store from small records, from a tenth of them, and from a tenth of large ones."""
        for number, more in (
            (self.rebuilt, 0),
            (self.rebuilt // 10, 0),
            (self.rebuilt // 10, 9000),
        ):
            data = self.folder / "rebuilt"
            (data / "articles").mkdir(parents=True)
            size = write_articles(
                data / "articles", number, SENTENCE * (more // len(SENTENCE) // 3)
            )
            cost = measured((sys.executable, "-c", OPEN, data), PROJECT, clean_environment())
            store = Store(data)
            with closing(sqlite3.connect(store.path)) as db:
                (known,) = db.execute("SELECT count(*) FROM revisions").fetchone()
            if known != number:
                raise RuntimeError(f"{known} of {number} known:\n{cost.log}")
            self.rebuilds.append((number, size / number, cost, store.path.stat().st_size))
            shutil.rmtree(data)

    # --------------------------------------------------------------------------------- in each round

    def run(self) -> None:
        """One round of look-ups and starts."""
        dice = random.Random(len(self.starts.get("to read", ())))
        lowest = self.documents
        hits = [article_id(address(dice.randrange(lowest, self.known))) for _ in range(LOOK_UPS)]
        misses = [article_id(address(self.known + n)) for n in range(LOOK_UPS)]
        recent = [article_id(address(self.known - 1 - n)) for n in range(RECENT)]
        self._bring_to_memory()
        self._look_up("known, in random order", hits)
        self._look_up("not known", misses)
        self._look_up(f"the newest {RECENT:,}, as a feed names them", recent)
        self._start("to read", lambda store: store.open())
        self._start("for a crawl", lambda store: store.open("archive-20200101T000000Z-0"))
        self._forget()
        self._look_up("the newest, the store not in memory", recent)
        self._look_up("known, in random order, the store not in memory", hits[:RECENT])
        self._forget()
        self._start("for a crawl, the store not in memory", lambda store: store.open("archive-1"))

    def _look_up(self, what: str, ids: list[str]) -> None:
        store = Store(self.data)
        store.open()
        started = perf_counter()
        found = sum(store.known(id_) is not None for id_ in ids)
        self.seconds.setdefault(what, []).append((perf_counter() - started) / len(ids))
        store.close()
        if found != (0 if what == "not known" else len(ids)):
            raise RuntimeError(f"{what}: {found} of {len(ids)} found")

    def _start(self, what: str, start: Callable[[Store], None]) -> None:
        store = Store(self.data)
        started = perf_counter()
        start(store)
        self.starts.setdefault(what, []).append(perf_counter() - started)
        store.close()
        with closing(sqlite3.connect(store.path)) as db, db:
            db.execute("DELETE FROM crawls")  # none that has begun and not ended

    def _bring_to_memory(self) -> None:
        with Store(self.data).path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass

    def _forget(self) -> None:
        fd = os.open(Store(self.data).path, os.O_RDONLY)
        try:
            os.fsync(fd)  # what is not on disk cannot be forgotten
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)

    # ---------------------------------------------------------------------------------------- report

    def report(self) -> str:
        size = Store(self.data).path.stat().st_size
        crawls = (self.known - self.documents) // PER_CRAWL
        look_ups = [
            (what, f"{1 / median(each):,.0f}", f"{1e6 * median(each):.1f}")
            for what, each in self.seconds.items()
        ]
        starts = [(what, f"{1000 * median(each):.1f}") for what, each in self.starts.items()]
        empty = next(iter(self.crawls.values())).peak_mb
        memory = [
            (
                what,
                f"{cost.peak_mb:.0f}",
                f"{cost.peak_mb - empty:+.0f}",
                f"{cost.cpu:.0f}",
                f"{self.documents / cost.wall:,.0f}",
            )
            for what, cost in self.crawls.items()
        ]
        rebuilds = [
            (
                f"{number:,} of {line / 1000:.1f} kB",
                f"{cost.wall:.1f}",
                f"{cost.wall / number * 1e6:.0f}",
                f"{cost.peak_mb:.0f}",
                f"{stored / 1e6:.0f}",
            )
            for number, line, cost, stored in self.rebuilds
        ]
        (_, _, small, _), (number, _, large, _) = self.rebuilds[-2:]
        more = (large.wall - small.wall) / number * 1e6
        head = f"{self.known:,} articles, {size / 1e6:,.0f} MB, {size / self.known:.0f} bytes each"
        return "\n\n".join(
            (
                table((head, "look-ups/s", "µs each"), look_ups),
                table(
                    (f"opening it, beside {3 * crawls:,} files of {crawls:,} crawls", "ms"), starts
                ),
                table(
                    (
                        f"crawling {self.documents:,} documents",
                        "peak MB",
                        "to an empty store",
                        "CPU s",
                        "documents/s",
                    ),
                    memory,
                ),
                "Goal: at most 30 MB more than with an empty store.",
                table(
                    ("rebuilding from records", "s", "s a million", "peak MB", "store MB"), rebuilds
                ),
                f"Lines of 10 kB in place of 1 kB: {more:+.0f} s a million.",
            )
        )


# --------------------------------------------------------------------------------- what is generated


def key_of(number: int) -> bytes:
    return bytes.fromhex(article_id(address(number)))


def write_documents(folder: Path, number: int) -> None:
    """Write small archive documents, a thousand in a folder."""
    for start in range(0, number, 1000):
        (folder / str(start)).mkdir(parents=True)
        for n in range(start, min(start + 1000, number)):
            (folder / str(start) / f"{n}.md").write_text(
                f"<!--{1699359302000 + 1000 * n}-->\n[第{n}座旧桥]({address(n)})\n------\n\n"
                f"<div>07/11/2023 - 12:35</div><p>{SENTENCE}{n}</p>\n",
                encoding="utf-8",
            )


def write_articles(folder: Path, number: int, body: str) -> int:
    """Write articles files of 10,000 small records, whose text is `body`; return the bytes of all."""
    size = 0
    for start in range(0, number, 10_000):
        name = articles_name(f"feedx-20231107T120000Z-{start:08x}", 1)
        with (folder / name).open("wb") as file:
            file.writelines(records(range(start, min(start + 10_000, number)), body))
            size += file.tell()
    return size


def records(numbers: Iterable[int], body: str) -> Iterator[bytes]:
    article: Article = article_at(address(0))
    article.headline, article.article_body = SENTENCE, body
    article.crawl_id = "feedx-20231107T120000Z-00000000"
    record = as_record(article)
    for number in numbers:
        seconds = BEGINNING + number * 60
        record["canonical_url"] = record["url"] = address(number)
        record["id"] = article_id(record["url"])
        record["content_hash"] = text_hash(number)
        record["date_published"] = dates.from_seconds(seconds)
        record["feed_date"] = record["crawled_at"] = dates.from_seconds(seconds + 3600)
        yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
