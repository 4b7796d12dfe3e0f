"""DuckDB and Parquet: what only they can get wrong. What all engines have in common is in test_load.py."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from rfinews.items import SCHEMA_VERSION
from rfinews.load import parquet
from rfinews.load.base import LoadError
from rfinews.load.duck import DuckDB, pattern
from rfinews.load.parquet import FILE, STATE, Parquet
from rfinews.load.records import Fault, Record, Source
from rfinews.load.search import phrases, words
from rfinews.load.tables import COLUMNS, LISTS, PARTS, part_rows
from rfinews.urls import article_id

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "rfinews" / "schemas" / f"sample-v{SCHEMA_VERSION}.jsonl"
README = (ROOT / "README.md").read_text(encoding="utf-8")
_DATES = ("date_published", "date_modified", "feed_date", "crawled_at")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [orjson.loads(line) for line in SAMPLE.read_bytes().splitlines()]


def variant(record: Record, number: int, **values: Any) -> Record:
    """Another article with the same content."""
    url = f"https://www.rfi.fr/cn/a/20240501-{number}"
    return record | {"canonical_url": url, "url": url, "id": article_id(url)} | values


def write(path: Path, records: list[Record]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def faults_of(target: DuckDB, path: Path) -> list[Fault]:
    faults: list[Fault] = []
    target.load(Source(str(path), faults.append))
    return faults


def load(path: Path, *files: Path) -> None:
    with DuckDB(path) as target:
        for file in files:
            assert faults_of(target, file) == []


def stored(path: Path, table: str = "articles") -> list[Record]:
    """Rows as the records that they were made of."""
    with duckdb.connect(str(path), read_only=True) as db:
        db.execute("SET TimeZone = 'UTC'")
        found = db.execute(f"SELECT * FROM {table} ORDER BY id, revision").fetchall()
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    for row in rows:
        for name in _DATES:
            if row[name] is not None:
                row[name] = row[name].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return rows


def latest(records: list[Record]) -> list[Record]:
    last: dict[str, Record] = {}
    for record in sorted(records, key=lambda each: int(each["revision"])):
        last[record["id"]] = record
    return [last[id_] for id_ in sorted(last)]


def test_every_value_is_as_it_was(records: list[Record], tmp_path: Path) -> None:
    load(tmp_path / "a.duckdb", SAMPLE)
    assert stored(tmp_path / "a.duckdb") == latest(records)
    earlier = [record for record in records if record not in latest(records)]
    assert earlier
    earlier.sort(key=lambda record: (record["id"], record["revision"]))
    assert stored(tmp_path / "a.duckdb", "superseded") == earlier
    with duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True) as db:
        for table in LISTS:
            rows = db.execute(f"SELECT * FROM {table} ORDER BY article, position").fetchall()
            assert rows == [
                row for r in latest(records) for row in part_rows(r["id"], table, r[table])
            ]
            assert len(db.description or ()) == len(PARTS[table]) + 2


_SPELLINGS = {
    "a name that stands twice": lambda line: line.replace(
        b'"section":', b'"headline":"first","section":', 1
    ),
    "blanks": lambda line: json.dumps(
        json.loads(line), indent=None, separators=(", ", ": ")
    ).encode(),
    "escapes": lambda line: json.dumps(json.loads(line), ensure_ascii=True).encode(),
    "another order": lambda line: orjson.dumps(dict(reversed(json.loads(line).items()))),
    "a line end of Windows": lambda line: line + b"\r",
}


@pytest.mark.parametrize("name", _SPELLINGS)
def test_spellings_of_json(name: str, records: list[Record], tmp_path: Path) -> None:
    """Whatever the first good lines are, DuckDB reads what Python read."""
    lines = SAMPLE.read_bytes().splitlines()
    for number in (0, len(lines) // 2, len(lines) - 1):
        spelt = [*lines]
        spelt[number] = _SPELLINGS[name](lines[number])
        file = tmp_path / f"{number}.jsonl"
        file.write_bytes(b"\n".join(spelt))  # nor does the last line end
        read = [orjson.loads(line) for line in spelt]
        if name == "another order":
            read = [{column: record[column] for column in COLUMNS} for record in read]
        load(tmp_path / f"{number}.duckdb", file)
        assert stored(tmp_path / f"{number}.duckdb") == latest(read)
        assert not list(tmp_path.glob("*.copy.jsonl"))


@pytest.mark.parametrize("bad", [(0,), (5,), (11,), (0, 1, 2, 11), tuple(range(12))])
def test_refused_lines(bad: tuple[int, ...], records: list[Record], tmp_path: Path) -> None:
    """They are not loaded wherever they stand; all others are."""
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    for number in bad:
        lines[number] = lines[number].replace(b'"revision":', b'"revision":"x","no":', 1)
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"".join(lines))
    with DuckDB(tmp_path / "a.duckdb") as target:
        assert [fault.line for fault in faults_of(target, file)] == [number + 1 for number in bad]
    kept = [record for number, record in enumerate(records) if number not in bad]
    assert stored(tmp_path / "a.duckdb") == latest(kept)
    rejected = (tmp_path / "a.rejected.jsonl").read_bytes()
    assert rejected == b"".join(lines[number] for number in bad)


@pytest.mark.parametrize(
    "name", ["a*.jsonl", "a'b.jsonl", "[a].jsonl", "-", "é 台.jsonl", "a?.jsonl"]
)
def test_names_of_files(name: str, records: list[Record], tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(SAMPLE.read_bytes())
    write(tmp_path / "ab.jsonl", [variant(records[0], 1)])
    load(tmp_path / "d'b.duckdb", file)
    assert stored(tmp_path / "d'b.duckdb") == latest(records)


def test_a_file_that_changes_meanwhile(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.jsonl", records)
    load(tmp_path / "a.duckdb", write(tmp_path / "b.jsonl", [variant(records[0], 1)]))
    before = stored(tmp_path / "a.duckdb")
    sift = DuckDB._sift

    def and_change(*arguments: Any) -> Any:
        result = sift(*arguments)
        write(file, [variant(records[0], 2)])
        return result

    monkeypatch.setattr(DuckDB, "_sift", and_change)
    with (
        pytest.raises(LoadError, match=r"a\.jsonl was changed while it was read"),
        DuckDB(tmp_path / "a.duckdb") as target,
    ):
        faults_of(target, file)
    assert stored(tmp_path / "a.duckdb") == before


def test_another_program_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    code = (
        "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        " sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        told = re.escape(f"duckdb:///{path}: another program has it open")
        with pytest.raises(LoadError, match=f"^{told}$"), DuckDB(path):
            pass
        other.communicate()
    load(path, SAMPLE)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"\0" * 100_000])
def test_not_a_database(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"a\.duckdb: [^\n]+$"), DuckDB(path):
        pass
    assert path.read_bytes() == content


def test_tables_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("CREATE TABLE articles (id INTEGER)")
    with (
        pytest.raises(LoadError, match="its table articles is not one of scrapy load"),
        DuckDB(path),
    ):
        pass
    with pytest.raises(LoadError, match="no such directory"), DuckDB(tmp_path / "no" / "a.duckdb"):
        pass


# ------------------------------------------------------------------------------------------- search

_LETTERS = "abeé’ -ÉÀà'中台湾ភ្នំពេញیيكک3５٣。ß_"


@given(st.text(_LETTERS, max_size=20), st.text(_LETTERS, min_size=1, max_size=5))
@settings_of(deadline=None, max_examples=300)
def test_patterns_find_what_words_say(text: str, query: str) -> None:
    """A phrase is found where its words stand side by side, as in the other engines."""
    for phrase in phrases(query):
        found = words(text)
        said = any(found[start : start + len(phrase)] == phrase for start in range(len(found)))
        (matches,) = (
            _MATCHES.execute("SELECT regexp_matches(?, ?)", [text, pattern(phrase)]).fetchone()
            or ()
        )
        assert matches or not said, (text, phrase, pattern(phrase))
        if said != matches:  # a cluster may go on: ព is found in ពេ
            assert any("\u1780" <= letter <= "\u17ff" for letter in query)


_MATCHES = duckdb.connect(":memory:")


# ------------------------------------------------------------------------------------------- Parquet


def fill(directory: Path, *files: Path) -> None:
    with Parquet(directory) as target:
        for file in files:
            assert faults_of(target, file) == []


def files_in(directory: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        path.relative_to(directory).as_posix(): pl.read_parquet(
            path, hive_partitioning=False
        ).to_dicts()
        for path in directory.glob("edition=*/*/*.parquet")
    }


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """README's line for each reader."""
    block = next(
        b
        for b in re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
        if "polars" in b
    )
    lines = block.splitlines()
    return {
        name: next(line for line in lines if line.startswith("articles =") and f"{name}." in line)
        for name in ("duckdb", "pandas", "polars")
    }


@pytest.mark.parametrize("name", ["duckdb", "pandas", "polars"])
def test_one_line_reads_it(
    name: str,
    examples: dict[str, str],
    records: list[Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = Path("data/parquet")
    directory.parent.mkdir()
    fill(directory, SAMPLE)
    given: dict[str, Any] = {"duckdb": duckdb, "pandas": pd, "polars": pl}
    exec(examples[name], given)
    read = given["articles"]
    frame: pd.DataFrame = (
        read
        if name == "pandas"
        else read.pl().to_pandas()
        if name == "duckdb"
        else read.to_pandas()
    )
    assert sorted(frame["id"]) == [record["id"] for record in latest(records)]
    assert set(frame.columns) == {*COLUMNS, "month"}
    by_id = frame.set_index("id")
    for record in latest(records):
        row = by_id.loc[record["id"]]
        assert row["edition"] == record["edition"]
        assert row["headline"] == record["headline"]
        date = record["date_published"]
        assert row["month"] == (date or record["feed_date"] or record["crawled_at"])[:7]
        if date:
            assert row["date_published"] == datetime.fromisoformat(date)
        assert [image["url"] for image in row["images"]] == [i["url"] for i in record["images"]]


def test_an_article_moves_to_another_month(records: list[Record], tmp_path: Path) -> None:
    first = variant(records[0], 1, date_published="2024-05-31T23:59:59Z", edition="cn", revision=1)
    other = first | {"revision": 2, "change": "update", "date_published": "2024-06-01T00:00:00Z"}
    fill(tmp_path / "p", write(tmp_path / "1.jsonl", [first]))
    assert [*files_in(tmp_path / "p")] == [f"edition=cn/month=2024-05/{FILE}"]
    fill(tmp_path / "p", write(tmp_path / "2.jsonl", [other]))
    ((name, rows),) = files_in(tmp_path / "p").items()
    assert name == f"edition=cn/month=2024-06/{FILE}"
    assert [row["revision"] for row in rows] == [2]
    assert not (tmp_path / "p" / "edition=cn" / "month=2024-05").exists()


def test_what_has_not_changed_is_not_written(records: list[Record], tmp_path: Path) -> None:
    fill(tmp_path / "p", SAMPLE)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*.parquet")}
    fill(tmp_path / "p", SAMPLE)
    added = variant(records[0], 1, edition="fr", date_published="2001-01-01T00:00:00Z")
    fill(tmp_path / "p", write(tmp_path / "1.jsonl", [added]))
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*.parquet")}
    assert {path.parent.name for path in after.keys() - before.keys()} == {"month=2001-01"}
    assert {path: after[path] for path in before} == before


def test_in_parts_or_at_once(records: list[Record], tmp_path: Path) -> None:
    parts = [write(tmp_path / f"{n}.jsonl", records[n::3]) for n in range(3)]
    fill(tmp_path / "parts", *parts[::-1])
    fill(tmp_path / "once", SAMPLE)
    assert files_in(tmp_path / "parts") == files_in(tmp_path / "once")


class _Killed(BaseException):
    pass


def test_killed_between_two_files(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it ends, the next load writes what is missing."""
    fill(tmp_path / "once", SAMPLE)
    goal = files_in(tmp_path / "once")
    monkeypatch.setattr(parquet, "_AT_ONCE", 3)
    for number in range(len(goal)):
        directory = tmp_path / str(number)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", _until(number, Path.replace))
            with pytest.raises(_Killed):
                fill(directory, SAMPLE)
        assert len(files_in(directory)) == number
        fill(directory, SAMPLE)
        assert files_in(directory) == goal
        assert {path.name for path in directory.rglob(".*")} == {STATE}


def _until(number: int, replace: Any) -> Any:
    calls = iter(range(number))

    def wrapped(path: Path, target: Path) -> Path:
        if target.name == FILE and next(calls, None) is None:
            raise _Killed
        return replace(path, target)  # type: ignore[no-any-return]

    return wrapped


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "no" / "such"):
        with pytest.raises(LoadError, match=r"^parquet:[^\n]+$"), Parquet(directory):
            pass


def test_a_file_that_cannot_be_written(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "edition=cn").mkdir()
    month = next(r["date_published"] for r in latest(records) if r["edition"] == "cn")[:7]
    in_the_way = tmp_path / "edition=cn" / f"month={month}"
    in_the_way.touch()
    with pytest.raises(LoadError, match=r"month=[^\n]+$"), Parquet(tmp_path) as target:
        faults_of(target, SAMPLE)
    in_the_way.unlink()
    fill(tmp_path, SAMPLE)
    fill(tmp_path / "once", SAMPLE)
    ours = {k: v for k, v in files_in(tmp_path).items() if not k.startswith("once/")}
    assert ours == files_in(tmp_path / "once")
    assert (tmp_path / STATE).exists()
    assert not os.path.lexists(tmp_path / f"{STATE}.copy.jsonl")


@pytest.fixture(autouse=True, scope="module")
def closed() -> Iterator[None]:
    yield
    _MATCHES.close()
