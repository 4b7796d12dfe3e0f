"""``scrapy load`` and ``scrapy search``: the same rows whatever the order, the repetition, the crash."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from rfinews.items import SCHEMA_VERSION
from rfinews.load.base import FATES, LoadError
from rfinews.load.records import Source
from rfinews.load.search import spaced, words
from rfinews.load.sqlite import SQLite
from rfinews.load.tables import COLUMNS, definitions
from rfinews.load.tsvector import search_query, search_vector
from tests.conftest import PROJECT, crawl_environment
from tests.loading import (
    expected,
    killed_load,
    load,
    record,
    refuse,
    scrapy,
    snapshot,
    some_records,
    split,
    statements,
    write,
)

SAMPLE = PROJECT / "rfinews" / "schemas" / f"sample-v{SCHEMA_VERSION}.jsonl"
MANIFEST = {
    "crawl_id": "feedx-20261101T080000Z-0a",
    "spider": "feedx",
    "arguments": {"follow": "1"},
    "started_at": "2026-11-01T08:00:00Z",
    "finished_at": "2026-11-01T08:05:00Z",
    "finish_reason": "finished",
    "files": [],
    "outcomes": {"exported": 3, "unchanged": 1},
    "outcomes_file": None,
    "left_alone": {},
    "versions": {},
    "previous": None,
}


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Make addresses of databases that hold nothing."""
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path}/{len(list(tmp_path.glob('*.db')))}.db"
        return
    server = request.getfixturevalue("postgres_server")
    made: list[str] = []

    def new() -> str:
        made.append(server.new_database())
        return made[-1]

    yield new
    for url in made:
        server.drop_database(url)


# ---------------------------------------------------------------------------------- the same rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_any_repetition_any_split_gives_the_same_rows(new_url, tmp_path, seed):
    records = some_records(seed, 60)
    once = new_url()
    load(once, write(tmp_path / "all.jsonl", records))
    clean = snapshot(once)
    search = {"search": clean["search"]}
    assert clean == expected(records) | search
    chance = random.Random(seed)
    for number in range(2):
        files = split(records, tmp_path / "files", chance.choice((1, 3, 9)), seed=number)
        files += [write(tmp_path / "back.jsonl", list(reversed(records)))] * number
        chance.shuffle(files)
        url = new_url()
        load(url, *files)
        assert snapshot(url) == clean
        again = load(url, *chance.sample(files, len(files)))
        assert {fate: sum(each[fate] for each in again) for fate in FATES[:3]} == dict.fromkeys(
            FATES[:3], 0
        )
        assert snapshot(url) == clean


def test_what_became_of_each_record_is_counted(new_url, tmp_path):
    url = new_url()
    first, second, third = (record(1, revision=n, crawl_id=f"feedx-{n}") for n in (1, 2, 3))
    later = second | {"crawled_at": "2026-11-02T08:00:00Z", "headline": "改"}
    other = record(2)
    told = load(
        url,
        write(tmp_path / "1.jsonl", [second, other, second]),
        write(tmp_path / "2.jsonl", [first, other]),
        write(tmp_path / "3.jsonl", [third, later, second]),
        write(tmp_path / "4.jsonl", [first, second, third, later]),
    )
    assert [tuple(each[fate] for fate in FATES) for each in told] == [
        (2, 0, 0, 1),
        (0, 0, 1, 1),
        (0, 1, 1, 1),
        (0, 0, 0, 4),
    ]
    assert snapshot(url)["articles"] == expected([third, other])["articles"]
    assert {row[COLUMNS.index("headline")] for row in snapshot(url)["superseded"]} == {
        *("标题1", "改")
    }


def test_a_retracted_article_stays_as_a_state(new_url, tmp_path):
    url = new_url()
    first = record(1, keywords=["台湾"], headline="台湾旧闻")
    gone = record(1, revision=2, change="retracted", crawled_at="2026-11-02T08:00:00Z")
    load(url, write(tmp_path / "b.jsonl", [gone]), write(tmp_path / "a.jsonl", [first]))
    held = snapshot(url)
    (row,) = held["articles"]
    assert row[COLUMNS.index("change")] == "retracted"
    assert [row[COLUMNS.index("headline")] for row in held["superseded"]] == ["台湾旧闻"]
    assert held["keywords"] == []
    assert scrapy("search", url, "台湾").returncode == 1
    back = record(1, revision=3, change="update", headline="台湾又来")
    load(url, write(tmp_path / "c.jsonl", [back]))
    assert "台湾又来" in scrapy("search", url, "台湾").stdout


def test_fields_in_another_order_are_the_same_fields(new_url, tmp_path):
    url = new_url()
    one = record(1, images=[{"url": "https://s.rfi.fr/1.jpg", "caption": None, "credit": None}
                            | {"width": 1, "height": 2}])  # fmt: skip
    load(url, write(tmp_path / "a.jsonl", [dict(reversed(one.items()))]))
    held = snapshot(url)
    assert held == expected([one]) | {"search": held["search"]}


def test_a_load_that_is_killed_before_any_statement_has_done_all_or_nothing(new_url, tmp_path):
    records = some_records(7, 12)
    first, second = split(records, tmp_path / "files", 2, seed=1)
    whole = new_url()
    number = statements(whole, first)
    assert number > 10
    after_one = snapshot(whole)
    number = statements(whole, second)
    after_both = snapshot(whole)
    chance = random.Random(3)
    points = [1, 2, number - 1, number, *chance.sample(range(3, number - 1), 6)]
    held = []
    for nth in sorted(points):
        url = new_url()
        load(url, first)
        assert killed_load(url, second, nth), nth
        held.append(snapshot(url))
        load(url, second)
        assert snapshot(url) == after_both
    done = [each == after_both for each in held]
    assert [each for each in held if each not in (after_one, after_both)] == []
    assert done == sorted(done)
    assert done.count(False) >= len(points) - 2  # which may come after the commit


def test_a_load_that_is_killed_while_it_reads_leaves_nothing(new_url, tmp_path):
    records = some_records(8, 600)
    lines = write(tmp_path / "all.jsonl", records).read_bytes().splitlines(keepends=True)
    clean, url = new_url(), new_url()
    load(clean, tmp_path / "all.jsonl")
    load(url, write(tmp_path / "few.jsonl", records[:5]))
    before = snapshot(url)
    for number in (10, 1010, len(lines)):
        with subprocess.Popen(
            [sys.executable, "-m", "scrapy", "load", "-", "--to", url],
            cwd=PROJECT,
            env=crawl_environment(tmp_path, mirrored=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            process.stdin.writelines(lines[:number])
            process.stdin.flush()  # the process has read all but what the pipe holds
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert snapshot(url) == before
    done = scrapy("load", "-", "--to", url, stdin=b"".join(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert snapshot(url) == snapshot(clean)


def test_two_loads_at_once_give_what_one_gives(new_url, tmp_path):
    records = some_records(9, 150)
    files = split(records, tmp_path / "files", 6, seed=2)
    clean, url = new_url(), new_url()
    load(clean, *files)
    shares = [files, files[::-1]]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda share: scrapy("load", *share, "--to", url), shares))
    assert [(each.returncode, each.stderr) for each in done] == [(0, "")] * 2
    assert snapshot(url) == snapshot(clean)


# ------------------------------------------------------------------------------ what is no record


def test_a_bad_line_is_told_and_kept_and_the_others_are_loaded(new_url, tmp_path):
    url = new_url()
    good = [record(number) for number in range(3)]
    lines = [json.dumps(each).encode() for each in good]
    bad = [
        b"no json",
        b"[]",
        b'{"headline": "x"}',
        json.dumps(record(4, headline=7)).encode(),
        json.dumps(record(5, date_published="2026-02-30T10:00:00Z")).encode(),
        json.dumps(record(6, article_body="a\0b")).encode(),
        json.dumps(record(7) | {"id": "0" * 32}).encode(),
        json.dumps(record(8, revision=1 << 63)).encode(),
        json.dumps(record(9)).encode()[:200],
    ]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join([lines[0], *bad[:4], lines[1], *bad[4:8], lines[2], bad[8]]))
    done = scrapy("load", path, "--to", url)
    assert done.returncode == 1
    assert "1 file: 3 new, 0 updated, 0 older, 0 unchanged, 9 rejected" in done.stdout
    told = [line.removeprefix(f"scrapy load: {path}:") for line in done.stderr.splitlines()]
    assert [line.split(": ")[:2] for line in told[:-1]] == [
        *(["2", "line"], ["3", "line"], ["4", "schema_version"], ["5", "headline"]),
        *(["7", "date_published"], ["8", "article_body"], ["9", "id"], ["10", "revision"]),
        ["12", "line"],
    ]
    rejected = tmp_path / "x.rejected.jsonl"
    assert told[-1] == f" 9 lines rejected, kept in {rejected}"
    assert rejected.read_bytes().splitlines() == bad
    assert len(snapshot(url)["articles"]) == 3
    done = scrapy("load", rejected, path.with_suffix(".jsonl"), "--to", url)
    assert "left out; give it another name when it is mended" in done.stderr


def test_compressed_files_standard_input_and_empty_files_are_loaded(new_url, tmp_path):
    url = new_url()
    (tmp_path / "none.jsonl").touch()
    done = scrapy(
        *("load", write(tmp_path / "a.jsonl.gz", [record(1)]), tmp_path / "none.jsonl", "-"),
        *("--to", url),
        stdin=json.dumps(record(2)).encode(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 files: 2 new, ")


def test_a_data_directory_with_its_manifests_is_loaded(new_url, tmp_path):
    url = new_url()
    folder = tmp_path / "data" / "articles"
    folder.mkdir(parents=True)
    name = MANIFEST["crawl_id"]
    other = "rfi-20261102T080000Z-0b"
    write(folder / f"{name}.jsonl", [record(1), record(2)])
    write(folder / f"{name}.00002.jsonl.gz", [record(3)])
    (folder / f"{name}.outcomes.jsonl").write_text("{}\n")
    (folder / f"{name}.rejected.jsonl").write_text("{}\n")
    (folder / f"{other}.jsonl.part").write_text("{")
    (folder / f"{name}.manifest.json").write_text(json.dumps(MANIFEST))
    (folder / f"{other}.manifest.json").write_text('{"crawl_id": ')
    done = scrapy("load", tmp_path / "data", "--to", url)
    assert done.returncode == 1
    assert done.stdout == (
        "2 files: 3 new, 0 updated, 0 older, 0 unchanged, 0 rejected; 1 new crawl\n"
    )
    assert done.stderr.count("\n") == 1
    assert f"{other}.manifest.json: " in done.stderr
    (folder / f"{other}.manifest.json").unlink()
    done = scrapy("load", folder / f"{name}.jsonl", *folder.glob("*.json*"), "--to", url)
    assert (done.returncode, done.stdout[-15:]) == (0, "; 0 new crawls\n")
    (crawl,) = snapshot(url)["crawls"]
    assert crawl[0] == name
    assert crawl[6] == 3
    assert json.loads(crawl[9]) == MANIFEST


def test_the_whole_of_a_crawl_is_loaded_by_its_manifest(tmp_path):
    name = MANIFEST["crawl_id"]
    facts = {"name": f"{name}.jsonl", "lines": 1, "bytes": 1, "sha256": "0"}
    write(tmp_path / f"{name}.jsonl", [record(1)])
    manifest = tmp_path / f"{name}.manifest.json"
    manifest.write_text(json.dumps(MANIFEST | {"files": [facts]}))
    done = scrapy("load", manifest, "--to", f"sqlite:///{tmp_path}/a.db")
    assert (done.returncode, done.stdout[:15]) == (0, "1 file: 1 new, ")
    (tmp_path / f"{name}.jsonl").unlink()
    done = scrapy("load", manifest, "--to", f"sqlite:///{tmp_path}/a.db")
    assert (done.returncode, done.stdout[:7]) == (1, "0 files")
    assert done.stderr.startswith(f"scrapy load: {tmp_path}/{name}.jsonl: ")


def test_a_file_that_is_not_whole_is_not_loaded_and_the_others_are(new_url, tmp_path):
    url = new_url()
    cut = write(tmp_path / "cut.jsonl.gz", [record(n) for n in range(100)])
    cut.write_bytes(cut.read_bytes()[:-40])
    (tmp_path / "no.jsonl.gz").write_bytes(b"{}")
    good = write(tmp_path / "good.jsonl", [record(200)])
    done = scrapy(
        *("load", cut, tmp_path / "none.jsonl", tmp_path / "no.jsonl.gz", good, "--to", url)
    )
    assert done.returncode == 1
    assert done.stdout.startswith("1 file: 1 new, ")
    told = done.stderr.splitlines()
    assert len(told) == 3
    assert f"{cut}: not whole: " in told[0]
    assert told[1].endswith("none.jsonl: No such file or directory")
    assert f"{tmp_path}/no.jsonl.gz: not whole: Not a gzipped file" in told[2]
    assert len(snapshot(url)["articles"]) == 1


# ---------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give JSON Lines files, manifests or data directories"),
        (("x.jsonl",), "--to URL says where they are loaded"),
        (("x.jsonl", "--to", "mysql://u:secret@h/d"), "the address must be sqlite:///FILE, "),
        (("x.jsonl", "--to", "articles.db"), "the address must be sqlite:///FILE, "),
        (("x.jsonl", "--to", "sqlite:articles.db"), "the address must be sqlite:///FILE"),
        (("x.jsonl", "--to", "sqlite:///"), "the address must be sqlite:///FILE"),
        (("x.jsonl", "--to", "parquet:"), "the address must be parquet:DIRECTORY"),
        (("x.jsonl", "--to", "postgresql://u:se/cret@h/"), "--to must be postgresql://USER@"),
        (("--fast", "x.jsonl", "--to", "sqlite:///a.db"), "unknown option --fast"),
    ],
)
def test_wrong_usage_is_told_in_a_line(arguments, told):
    done = scrapy("load", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(f"scrapy load: {told}")
    assert "cret" not in done.stderr


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("duckdb:///a.db", "duckdb", "duckdb"),
        ("parquet:folder", "duckdb", "duckdb"),
        ("postgresql://u@h/d", "psycopg", "postgres"),
    ],
)
def test_a_driver_that_is_missing_is_told_with_the_remedy(tmp_path, url, module, extra):
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})")
    done = scrapy("load", SAMPLE, "--to", url, PYTHONPATH=str(tmp_path))
    told = f"scrapy load: {module} is not installed; pip install 'rfinews[{extra}]'\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_what_is_no_database_of_ours_is_left_as_it_is(tmp_path):
    text, other, half = (tmp_path / f"{name}.db" for name in ("text", "other", "half"))
    text.write_text("no database " * 1000)
    for path, table in ((other, "articles (id TEXT)"), (half, "crawls (crawl_id TEXT)")):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE {table}")
    for path, told in (
        (text, "file is not a database"),
        (other, "its table articles is not one of scrapy load"),
        (half, "its table crawls is not one of scrapy load"),
        (tmp_path / "no" / "a.db", f"no such directory: {tmp_path}/no"),
        (tmp_path, "unable to open database file"),
    ):
        before = path.read_bytes() if path.is_file() else None
        done = scrapy("load", SAMPLE, "--to", f"sqlite:///{path}")
        assert (done.returncode, done.stderr) == (1, f"scrapy load: sqlite:///{path}: {told}\n")
        assert (path.read_bytes() if path.is_file() else None) == before


def test_tables_of_somebody_elses_in_postgresql_are_left_as_they_are(postgres_server, postgres_url):
    database = postgres_url.rpartition("/")[2]
    postgres_server.run("CREATE TABLE articles (id text)", database)
    done = scrapy("load", SAMPLE, "--to", postgres_url)
    assert done.returncode == 1
    assert done.stderr.endswith(": its table articles is not one of scrapy load\n")
    assert postgres_server.run("SELECT count(*) FROM articles", database) == [(0,)]


def test_postgresql_that_refuses_is_told_in_a_line_without_the_password(postgres_server):
    port = postgres_server.port
    for url, told in (
        (f"postgresql://postgres:se%2Fcret@127.0.0.1:{port}/nothing", "nothing"),
        ("postgresql://u:se%2Fcret@127.0.0.1:1/d", "refused"),
        (f"postgresql://nobody:se%2Fcret@127.0.0.1:{port}/postgres", "nobody"),
    ):
        done = scrapy("load", SAMPLE, "--to", url)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert told in done.stderr
        assert "cret" not in done.stderr


def test_a_server_that_goes_away_leaves_nothing_half_loaded(postgres_server, tmp_path):
    url = postgres_server.new_database()
    load(url, SAMPLE)
    before = snapshot(url)
    read, write_end = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "scrapy", "load", "-", "--to", url],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=True),
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        os.close(read)
        with os.fdopen(write_end, "wb") as pipe:
            lines = [json.dumps(each).encode() + b"\n" for each in some_records(5, 1500)]
            pipe.writelines(lines)
            pipe.flush()
            postgres_server.stop(signal.SIGQUIT)
        stdout, stderr = process.communicate(timeout=60)
    try:
        assert (process.returncode, stderr.count("\n")) == (1, 1), stderr
        assert stdout.startswith("0 files: ")
    finally:
        postgres_server.start()
    assert snapshot(url) == before
    postgres_server.drop_database(url)


def test_a_file_that_somebody_else_writes_to_is_waited_for_and_then_told(tmp_path):
    path = tmp_path / "a.db"
    load(f"sqlite:///{path}", SAMPLE)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            SQLite(path, patience=0.05) as target,
            pytest.raises(LoadError, match="another program writes to it, and did not end"),
        ):
            target.load(Source(str(SAMPLE), refuse))
        ends = threading.Timer(0.2, lambda: other.execute("COMMIT"))
        ends.start()
        load(f"sqlite:///{path}", write(tmp_path / "b.jsonl", [record(1)]))
        ends.join()
    assert "标题1" in scrapy("search", f"sqlite:///{path}", "标题1").stdout


def test_a_full_disk_is_told_in_a_line_and_leaves_the_database_as_it_was(tmp_path):
    path = tmp_path / "a.db"
    load(f"sqlite:///{path}", SAMPLE)
    before = snapshot(f"sqlite:///{path}")
    big = write(tmp_path / "big.jsonl", some_records(1, 400))
    code = (
        "import resource, signal, sys; from scrapy.cmdline import execute;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({path.stat().st_size + 40000},) * 2);"
        f"execute(['scrapy', 'load', {str(big)!r}, '--to', 'sqlite:///{path}'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"scrapy load: sqlite:///{path}: ")
    assert snapshot(f"sqlite:///{path}") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_only_be_read_is_told_in_a_line(tmp_path):
    path = tmp_path / "a.db"
    load(f"sqlite:///{path}", SAMPLE)
    path.chmod(0o444)
    done = scrapy("load", SAMPLE, "--to", f"sqlite:///{path}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


def test_the_database_is_one_file_that_can_be_copied_and_read_meanwhile(tmp_path):
    path = tmp_path / "a.db"
    load(f"sqlite:///{path}", SAMPLE)
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]
    shutil.copy(path, tmp_path / "b.db")
    assert snapshot(f"sqlite:///{tmp_path}/b.db") == snapshot(f"sqlite:///{path}")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        with SQLite(path) as target, target._transaction():
            target._add([(target._row(record(1)), record(1))])
            assert reader.execute("SELECT count(*) FROM articles WHERE id = ?", (record(1)["id"],)).fetchone() == (0,)  # fmt: skip
        assert reader.execute("SELECT count(*) FROM articles WHERE id = ?", (record(1)["id"],)).fetchone() == (1,)  # fmt: skip


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Not by what the merge of changes to known articles gathers, either."""
    peaks = []
    body = "x" * 6000
    for number in (2_000, 8_000):
        path = tmp_path / f"{number}.jsonl"
        for revision in (1, 2):
            made = (record(n, revision=revision, article_body=f"{n}{body}") for n in range(number))
            with path.open("wb") as file:
                file.writelines(json.dumps(each).encode() + b"\n" for each in made)
            process = subprocess.run(
                [sys.executable, "-c", PEAK, str(path), f"{tmp_path}/{number}.db"],
                cwd=PROJECT,
                capture_output=True,
                text=True,
                check=True,
            )
        peaks.append(int(process.stdout))
    assert peaks[1] < peaks[0] + 30_000, peaks  # kB; the file has 72 MB more


PEAK = """
import resource, sys
from pathlib import Path
from rfinews.load.records import Source
from rfinews.load.sqlite import SQLite
with SQLite(Path(sys.argv[2])) as target:
    target.load(Source(sys.argv[1], print))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


# ------------------------------------------------------------------------------------------ search

TEXTS = {
    "taiwan": "台湾总统访问巴拉圭，R&D 3人。",
    "french": "La Tempête s’éloigne : un porte-avions à l’île",
    "khmer": "រាជធានីភ្នំពេញថ្ងៃនេះ",
    "persian": "متن خبر از راست به چپ نوشته می‌شود در پاریس",
    "vietnamese": "Việt Nam và Đông Nam Á",
    "russian": "Ёлка в Москве",
    "hausa": "Ɓauna Ɗan Ƙasa",
}
QUERIES = [
    ("台湾", ["taiwan"]),
    ("巴拉圭 总统", ["taiwan"]),
    ("湾台", []),
    ("总统 tempête", []),
    ("TEMPETE", ["french"]),
    ("tempe\u0302te", ["french"]),
    ("porte-avions", ["french"]),
    ("avions-porte", []),
    ("l'île", ["french"]),
    ("L’ÎLE", ["french"]),
    ("ភ្នំពេញ", ["khmer"]),
    ("ពេញភ្នំ", []),
    ("ﭘﺎﺭﯾﺲ", ["persian"]),
    ("مي‌شود", ["persian"]),
    ("viet NAM", ["vietnamese"]),
    ("елка", ["russian"]),
    ("ɓAUNA", ["hausa"]),
    ("R&D", ["taiwan"]),
    ("３人", ["taiwan"]),
    ('台湾" OR "tempete', []),
    ("' & | ! \\ tempete", ["french"]),
]


def test_search_finds_words_in_any_script(new_url, tmp_path):
    url = new_url()
    by_id = {}
    records = []
    for number, (name, text) in enumerate(TEXTS.items()):
        field = ("headline", "description", "article_body")[number % 3]
        records.append(record(number, headline="h") | {"article_body": "b"} | {field: text})
        by_id[records[-1]["id"]] = name
    load(url, write(tmp_path / "a.jsonl", records))
    from rfinews.load.targets import find_target

    with find_target(url) as target:
        for query, names in QUERIES:
            assert [by_id[each.id] for each in target.search(query, 9)] == names, query
        assert target.search("h b", 2) == target.search("h b", 9)[:2]
        assert target.search(",", 9) == []


def test_search_prints_lines_for_people_and_for_programs(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    old = record(1, headline="台湾一", date_published="2026-10-01T10:00:00Z")
    new = record(2, headline="台湾\u009b二", date_published="2026-10-03T10:00:00Z", edition="tw")
    load(url, write(tmp_path / "a.jsonl", [old, new, record(3)]))
    done = scrapy("search", url, "台湾")
    assert done.stdout == (
        "2026-10-03  tw  台湾?二  https://www.rfi.fr/cn/2\n"
        "2026-10-01  cn  台湾一  https://www.rfi.fr/cn/1\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = scrapy("search", url, "--json", "--limit", "1", "台湾", "二")
    assert json.loads(done.stdout) == {
        "id": new["id"],
        "date": "2026-10-03",
        "edition": "tw",
        "headline": "台湾\u009b二",
        "canonical_url": "https://www.rfi.fr/cn/2",
    }
    done = scrapy("search", url, "湾台")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ((), 2, "give the address of a database and what to look for"),
        (("sqlite:///none.db",), 2, "give the address of a database and what to look for"),
        (("sqlite:///none.db", " ,"), 2, "there is no word to look for"),
        (("sqlite:///none.db", "a", "--limit", "0"), 2, "--limit takes a number from 1: 0"),
        (("ftp:x", "a"), 2, "the address must be sqlite:///FILE"),
        (("sqlite:///none.db", "a"), 1, "no database none.db"),
    ],
)
def test_mistakes_in_a_search_are_told_in_a_line(arguments, status, told):
    done = scrapy("search", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert done.stderr.startswith(f"scrapy search: {told}")
    assert not (PROJECT / "none.db").exists()


def test_the_published_function_asks_for_what_python_asks_for(postgres_url):
    load(postgres_url, SAMPLE)
    chance = random.Random(11)
    spans = [(0x20, 0x250), (0x386, 0x530), (0x5D0, 0x700), (0x1780, 0x17EA), (0xE01, 0xE5C)]
    spans += [(0x1E00, 0x1F00), (0x2000, 0x2070), (0x3000, 0x3100), (0x4E00, 0x4E20)]
    spans += [(0xFF00, 0xFFE0)]
    pools = [
        [char for char in map(chr, range(*span)) if unicodedata.category(char) != "Cn"]
        for span in spans
    ]
    queries = [query for query, _ in QUERIES] + list(TEXTS.values()) + ["", "x" * 300 + " y"]
    queries += [
        "".join(chance.choice(chance.choice(pools[n % 10 : n % 10 + 2])) for _ in range(6))
        for n in range(500)
    ]
    different = []
    with psycopg.connect(postgres_url) as db:
        for query in queries:
            sql = "SELECT search_query(%s)::text, %s::tsquery::text"
            row = db.execute(sql, (query, search_query(query))).fetchone()
            if row is None or row[0] != row[1]:
                different.append((query, row))
    assert different == []


def test_a_long_text_is_found_by_its_last_words_in_postgresql(
    postgres_server, postgres_url, tmp_path
):
    """A tsvector has room for 256 places of a word and for 16,383 places in all."""
    long = "的" * 300 + "的尾" + "".join(chr(0x4E00 + n % 5000) for n in range(20_000)) + "巴黎"
    huge = " ".join(f"word{n}" for n in range(100_000)) + " x" * 30 + "y" * 5000
    load(postgres_url, write(tmp_path / "a.jsonl", [record(1, article_body=long), record(2, article_body=huge)]))  # fmt: skip
    from rfinews.load.targets import find_target

    with find_target(postgres_url) as target:
        for query, number in (("的尾", 1), ("巴黎", 1), ("尾的", 0), ("word1 word2", 1), ("word2 word900", 1)):  # fmt: skip
            assert len(target.search(query, 9)) == number, query
    assert search_vector("a" * 300) == f"{'a' * 255}:1 "


def test_words_are_the_same_in_sqlite(tmp_path):
    """FTS5 splits what Python has cut nowhere else, and loses nothing of it."""
    chance = random.Random(5)
    letters = [chr(c) for c in range(0x21, 0x30000, 7) if chr(c).isprintable()]
    texts = ["".join(chance.choices(letters, k=30)) for _ in range(300)]
    url = f"sqlite:///{tmp_path}/a.db"
    load(url, write(tmp_path / "a.jsonl", [record(n, headline=text) for n, text in enumerate(texts)]))  # fmt: skip
    by_id = {record(n)["id"]: text for n, text in enumerate(texts)}
    from rfinews.load.targets import find_target

    with find_target(url) as target:
        for id_, text in by_id.items():
            cut = words(text)
            for start in range(0, len(cut) - 1, 5):
                query = " ".join(cut[start : start + 2])
                assert id_ in {each.id for each in target.search(query, 300)}, (query, text)


@pytest.mark.parametrize("around", ["a{}B", "台a{}B湾"])
def test_what_sqlite_folds_itself_is_folded_as_in_a_query(around):
    """Of every character: not all texts are cut and folded before SQLite gets them."""
    texts = [around.format(chr(c)) for c in range(0x20, 0x10000) if not 0xD800 <= c < 0xE000]
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(definitions("sqlite"))
        db.execute("CREATE VIRTUAL TABLE tokens USING fts5vocab(articles_search, instance)")
        insert = "INSERT INTO articles_search (rowid, headline, description) VALUES (?, ?, ?)"
        rows = ((n, spaced(text), " ".join(words(text))) for n, text in enumerate(texts))
        db.executemany(insert, rows)
        found = {"headline": [], "description": []}
        for doc, column, term in db.execute(
            "SELECT doc, col, term FROM tokens ORDER BY doc, col, offset"
        ):
            found[column].append((texts[doc], term))
    assert len(found["headline"]) > len(texts)
    assert found["headline"] == found["description"]
