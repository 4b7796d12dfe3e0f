"""What the tests of ``scrapy load`` share: records, what a database holds, loads that are killed."""

import gzip
import itertools
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rfinews.items import Article, as_record
from rfinews.load.records import Fault, Source
from rfinews.load.tables import COLUMNS, CRAWL_COLUMNS, PARTS, names
from rfinews.load.targets import find_target
from rfinews.urls import article_id
from tests.conftest import PROJECT, crawl_environment

Record = dict[str, Any]
Snapshot = dict[str, list[tuple[Any, ...]]]
SECONDS = 60
_TABLES = {
    "articles": COLUMNS,
    "superseded": COLUMNS,
    "revisions": COLUMNS,
    **{table: ("article", "position", *columns) for table, columns in PARTS.items()},
    "crawls": CRAWL_COLUMNS,
}


def record(number: int, **fields: Any) -> Record:
    """A record as a crawl writes it; `number` is its article's."""
    url = fields.pop("canonical_url", f"https://www.rfi.fr/cn/{number}")
    article = as_record(Article(id=article_id(url), canonical_url=url, url=url))
    article |= {"edition": "cn", "in_language": "zh-Hans", "source": "feedx"}
    article |= {"headline": f"标题{number}", "article_body": f"正文{number}"}
    article |= {"crawled_at": "2026-11-01T08:00:00Z", "crawl_id": "feedx-1"}
    article |= {"content_hash": f"v1:{'0' * 64}"}
    article |= fields
    if article["change"] == "retracted":
        article |= {"headline": "", "description": None, "article_body": ""}
        article |= {name: [] for name in PARTS}
    article["article_body_html"] = f"<p>{article['article_body']}</p>" * bool(
        article["article_body"]
    )
    return article


def some_records(seed: int, number: int) -> list[Record]:
    """Articles with up to five revisions, in any order, some twice, some fetched twice."""
    chance = random.Random(seed)
    made = []
    for article in range(number):
        for revision in range(1, chance.choice((1, 1, 2, 3, 5)) + 1):
            if revision > 1 and chance.random() < 0.2:
                continue  # in a file that is not at hand
            is_gone = revision > 1 and chance.random() < 0.2
            made += [
                record(
                    article,
                    revision=revision,
                    change="retracted" if is_gone else "new" if revision == 1 else "update",
                    headline=f"标题{article} 第{revision}次 {chance.choice('甲乙丙')}",
                    description=chance.choice((None, "导语", "L’été")),
                    article_body="\n\n".join(
                        "".join(chance.choices("台湾总统访问巴拉圭今天", k=40)) for _ in range(3)
                    ),
                    authors=chance.sample(["甲", "AFP", "O'Neil"], chance.randint(0, 2)),
                    keywords=chance.sample(["一", "二", "R&D"], chance.randint(0, 3)),
                    images=[
                        {
                            "url": f"https://s.rfi.fr/{n}.jpg",
                            "caption": chance.choice((None, "图")),
                        }
                        | {"credit": None, "width": chance.choice((None, 1280)), "height": 720}
                        for n in range(chance.randint(0, 2))
                    ],
                    alternates=[{"in_language": "fr", "url": "https://www.rfi.fr/fr/a"}]
                    * chance.randint(0, 1),
                    date_published=chance.choice((None, "2026-10-03T10:00:00Z")),
                    crawled_at=f"2026-11-0{revision}T0{fetched}:00:00Z",
                    crawl_id=f"feedx-{fetched}",
                )
                for fetched in range(chance.choice((1, 1, 1, 2)))
            ]
    made += chance.sample(made, len(made) // 10)
    chance.shuffle(made)
    return made


def write(path: Path, records: Iterable[Record]) -> Path:
    content = b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in records)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def split(records: Sequence[Record], folder: Path, files: int, seed: int) -> list[Path]:
    """Write records into files, each into one, in any order."""
    chance = random.Random(seed)
    shares: list[list[Record]] = [[] for _ in range(files)]
    for each in chance.sample(records, len(records)):
        chance.choice(shares).append(each)
    folder.mkdir(exist_ok=True)
    return [write(folder / f"part-{n}.jsonl", share) for n, share in enumerate(shares)]


def load(url: str, *files: Path) -> list[dict[str, int]]:
    """Load files in this process; return what became of the records of each."""
    with find_target(url) as target:
        return [dict(target.load(Source(str(file), refuse))) for file in files]


def refuse(fault: Fault) -> None:
    raise AssertionError(fault)


def expected(records: Iterable[Record]) -> Snapshot:
    """The rows that records become, by what CONTRACT says and not by the loader's code."""
    best: dict[tuple[str, int], Record] = {}
    for each in records:
        key = each["id"], each["revision"]
        fetched = each["crawled_at"], each["crawl_id"]
        if key not in best or fetched > (best[key]["crawled_at"], best[key]["crawl_id"]):
            best[key] = each
    latest = {id_: best[id_, revision] for id_, revision in sorted(best)}
    rows: Snapshot = {table: [] for table in _TABLES}
    for each in best.values():
        row = tuple(each[name] for name in COLUMNS)
        is_latest = each is latest[each["id"]]
        rows["revisions"].append(row)
        rows["articles" if is_latest else "superseded"].append(row)
        for table, columns in PARTS.items() if is_latest else ():
            for position, part in enumerate(each[table]):
                values = [part] if isinstance(part, str) else [part[name] for name in columns]
                rows[table].append((each["id"], position, *values))
    return {table: sorted(map(_plain, found), key=repr) for table, found in rows.items()}


def snapshot(url: str) -> Snapshot:
    """All rows of a database in an order of their own, as values that JSON has."""
    rows = {}
    execute, close = _connect(url)
    try:
        for table, columns in _TABLES.items():
            found = execute(f"SELECT {names(columns)} FROM {table}")
            rows[table] = sorted(map(_plain, found), key=repr)
        if url.startswith("sqlite:"):
            rows["search"] = _words_of_sqlite(execute)
        elif url.startswith("postgres"):
            rows["search"] = sorted(execute("SELECT id, search::text FROM articles"))
    finally:
        close()
    return rows


def _connect(url: str) -> Any:
    if url.startswith("sqlite:///"):
        lite = sqlite3.connect(url.removeprefix("sqlite:///"))
        return (lambda sql: lite.execute(sql).fetchall()), lite.close
    if url.startswith("duckdb:///"):
        import duckdb

        duck = duckdb.connect(url.removeprefix("duckdb:///"))
        duck.execute("SET TimeZone = 'UTC'")
        return (lambda sql: duck.execute(sql).fetchall()), duck.close
    import psycopg

    post = psycopg.connect(url, options="-c TimeZone=UTC")
    return (lambda sql: post.execute(sql.encode()).fetchall()), post.close


def _words_of_sqlite(execute: Any) -> list[tuple[Any, ...]]:
    """Every word in the index with its article and place; of many articles how often each one stands."""
    execute("INSERT INTO articles_search (articles_search) VALUES ('integrity-check')")
    ((number,),) = execute("SELECT count(*) FROM articles")
    kind = "instance" if number < 1000 else "row"
    execute(f"CREATE VIRTUAL TABLE temp.held USING fts5vocab(main, articles_search, {kind})")
    columns = "id, col, offset, term" if kind == "instance" else "term, doc, cnt"
    articles = "LEFT JOIN articles ON number = doc" if kind == "instance" else ""
    return sorted(execute(f"SELECT {columns} FROM held {articles}"), key=repr)


def _plain(row: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(map(_value, row))


def _value(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value[:1] in ("[", "{"):
        value = json.loads(value)
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value


# --------------------------------------------------------------------------------- the command


def scrapy(*args: object, stdin: bytes | None = None, **variables: str) -> Any:
    """Run a command of scrapy to its end; its output is text."""
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", *map(str, args)],
        cwd=PROJECT,
        env=crawl_environment(PROJECT / "data", mirrored=True) | variables,
        input=stdin or b"",
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in done.stderr, done.stderr
    return done


# ---------------------------------------------------------------------------------- being killed

#: What an engine's driver is told to do, in C or in Python.
_EVENTS = frozenset(("execute", "executemany", "write_row", "fetchmany", "_run"))
_WORKERS = multiprocessing.get_context("forkserver")
_WORKERS.set_forkserver_preload(["tests.loading", "rfinews.load.sqlite", "rfinews.load.postgres"])


def killed_load(url: str, file: Path, nth: int) -> bool:
    """Load a file in a process that is killed before its `nth` statement; False: it had fewer."""
    process = _WORKERS.Process(target=_load_until, args=(url, file, nth))
    process.start()
    process.join(SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def statements(url: str, file: Path) -> int:
    """Load a file; return how many statements it took."""
    ours, theirs = _WORKERS.Pipe()
    process = _WORKERS.Process(target=_load_until, args=(url, file, 0, theirs))
    process.start()
    theirs.close()
    number: int = ours.recv()
    process.join(SECONDS)
    return number


def _load_until(url: str, file: Path, nth: int, answer: Any = None) -> None:
    count = itertools.count(1)
    done = 0

    def watch(frame: Any, event: str, arg: Any) -> None:
        nonlocal done
        if event == "c_call":
            name = arg.__name__
        elif event == "call":
            name = frame.f_code.co_name
        else:
            return
        if name in _EVENTS:
            done = next(count)
            if done == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    try:
        load(url, file)
    finally:
        sys.setprofile(None)
    if answer is not None:
        answer.send(done)
