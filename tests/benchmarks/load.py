"""(e) loading: `scrapy load` of a file into each database, beside what their own tools take for it.

- The file holds records of 5.5 kB, the mean of the samples, with text of our own, in five languages;
  each is another article.
- `sqlite-utils insert` writes one table of JSON texts: no search, no tables of the lists, no
  revisions, nothing checked. With `enable-fts` it has a search, though not of Chinese words.
- DuckDB's bare ``CREATE TABLE … AS SELECT * FROM read_json(…)`` is the same for DuckDB.
- Memory: once more with a quarter of the file. PostgreSQL's is that of the loading program.
"""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from rfinews.items import Alternate, Article, Image, article_at, as_record
from rfinews.markup import content_hash
from tests.benchmarks.measure import PROJECT, Cost, clean_environment, measured, ratio, table
from tests.postgres import PostgresServer, programs

_SENTENCES = {
    "cn": "市政厅周二在青石湾宣布，将拨款{n}万欧元，用于修缮沿河的十二座旧桥，工程由{w}负责。",
    "fr": "La mairie a annoncé mardi qu'elle consacrerait {n} millions d'euros aux vieux ponts, avec {w}. ",
    "fa": "شهرداری روز سه‌شنبه اعلام کرد که {n} میلیون یورو برای پل‌های کهنه می‌پردازد، همراه با {w}. ",
    "en": "The town hall said on Tuesday that it would spend {n} million euros on old bridges, with {w}. ",
    "km": "សាលាក្រុងបានប្រកាសនៅថ្ងៃអង្គារថានឹងចំណាយ {n} លានអឺរ៉ូសម្រាប់ស្ពានចាស់ៗ ជាមួយ {w}។ ",
}
_BODY_BYTES = 1700
_WORDS = 4000
BARE = (
    "import duckdb, sys; duckdb.connect(sys.argv[1]).execute("
    "'CREATE TABLE articles AS SELECT * FROM read_json(?)', [sys.argv[2]])"
)


def write_records(path: Path, number: int) -> int:
    """Write records of different articles; return the bytes of a mean one."""
    chance = random.Random(5)
    words = [
        "".join(chance.choices("abcdeilmnorstu", k=chance.randint(4, 9))) for _ in range(_WORDS)
    ]
    with path.open("wb") as file:
        for each in range(number):
            file.write(orjson.dumps(as_record(_article(each, chance, words))) + b"\n")
        return file.tell() // number


def _article(number: int, chance: random.Random, words: Sequence[str]) -> Article:
    code = chance.choices([*_SENTENCES], (70, 12, 6, 8, 4))[0]
    day = f"{2012 + number % 14}{1 + number // 14 % 12:02}{1 + number // 168 % 28:02}"
    article = article_at(f"https://www.rfi.fr/{code}/monde/{day}-{chance.choice(words)}-{number}")
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}T09:20:31Z"
    blocks, size = [], 0
    while size < _BODY_BYTES:
        block = "".join(
            _SENTENCES[code].format(n=chance.randrange(1000), w=chance.choice(words))
            for _ in range(3)
        ).strip()
        blocks.append(block)
        size += len(block.encode())
    article.headline = _SENTENCES[code].format(n=number, w=chance.choice(words))[:60].strip()
    article.description = blocks[0]
    article.article_body = "\n\n".join(blocks)
    article.article_body_html = "".join(f"<p>{block}</p>" for block in blocks)
    article.authors = chance.choices(words, k=1)
    article.keywords = chance.sample(words, k=3)
    article.images = [
        Image(
            f"https://s.rfi.fr/media/display/{number}/w:1280/p:16x9/a.jpg",
            blocks[0],
            None,
            1280,
            720,
        )
    ]
    article.alternates = [Alternate("es", f"https://www.rfi.fr/es/mundo/{day}-a-{number}")]
    article.date_published = article.feed_date = article.crawled_at = date
    article.revision, article.change, article.source = 1, "new", "rfi"
    article.crawl_id = "rfi-20261124T000000Z-00000000"
    article.content_hash = content_hash(article.headline, article.description, article.article_body)
    return article


class Loads:
    """Loads of `number` records."""

    def __init__(self, folder: Path, number: int, stack: ExitStack) -> None:
        self.folder = folder
        self.number = number
        folder.mkdir()
        self.large, self.small = folder / "large.jsonl", folder / "small.jsonl"
        self.bytes = write_records(self.large, number)
        write_records(self.small, number // 4)
        self.server: PostgresServer | None = None
        if (found := programs()) is not None:
            self.server = PostgresServer(found)
            stack.callback(self.server.remove)
            self.server.start()
        self.costs: dict[str, list[Cost]] = {}
        self.small_costs: dict[str, Cost] = {}

    def run(self) -> None:
        for name, command in self._commands(self.large):
            self.costs.setdefault(name, []).append(self._measured(command))
        if not self.small_costs:
            for name, command in self._commands(self.small):
                self.small_costs[name] = self._measured(command)

    def _measured(self, command: Sequence[object]) -> Cost:
        environment = clean_environment(RFINEWS_DATA_DIR=str(self.folder))
        cost = measured(command, PROJECT, environment)
        for path in self.folder.glob("out*"):
            _remove(path)
        return cost

    def _commands(self, file: Path) -> Iterator[tuple[str, list[object]]]:
        out = self.folder / "out"
        python: list[object] = [sys.executable, "-m"]
        load = [*python, "scrapy", "load", file, "--to"]
        insert = [*python, "sqlite_utils", "insert", out, "articles", file, "--nl", "--pk", "id"]
        yield "scrapy load, SQLite", [*load, f"sqlite:///{out}"]
        yield "sqlite-utils insert", insert
        fts = [*python, "sqlite_utils", "enable-fts", out, "articles"]
        fts += ["headline", "description", "article_body"]
        both = " && ".join(" ".join(map(str, each)) for each in (insert, fts))
        yield "sqlite-utils insert, enable-fts", ["sh", "-c", both]
        yield "scrapy load, DuckDB", [*load, f"duckdb:///{out}"]
        yield "DuckDB, bare read_json", [sys.executable, "-c", BARE, out, file]
        yield "scrapy load, Parquet", [*load, f"parquet:{out}"]
        if self.server is not None:
            yield "scrapy load, PostgreSQL", [*load, self.server.new_database()]

    def report(self) -> str:
        rows: list[tuple[Any, ...]] = []
        for name, costs in self.costs.items():
            wall = sorted(cost.wall for cost in costs)[len(costs) // 2]
            peak = max(cost.peak_mb for cost in costs)
            quarter = self.small_costs[name].peak_mb
            rows.append(
                (name, f"{self.number / wall:,.0f}", f"{wall:.1f}", f"{peak:.0f}", f"{quarter:.0f}")
            )
        head = (
            f"{self.number:,} records of {self.bytes / 1000:.1f} kB",
            *("records a second", "seconds", "peak MB", "peak MB, a quarter"),
        )
        return "\n\n".join((table(head, rows), *self._ratios()))

    def _ratios(self) -> Iterator[str]:
        for ours, theirs in (
            ("scrapy load, SQLite", "sqlite-utils insert"),
            ("scrapy load, SQLite", "sqlite-utils insert, enable-fts"),
            ("scrapy load, DuckDB", "DuckDB, bare read_json"),
        ):
            walls = [[cost.wall for cost in self.costs[name]] for name in (ours, theirs)]
            yield f"{ours}: {ratio(*walls):.2f} times the time of {theirs}."


def _remove(path: Path) -> None:
    if path.is_dir():
        for each in path.iterdir():
            _remove(each)
        path.rmdir()
    else:
        path.unlink()
