"""The store in PostgreSQL: several data directories, as on several machines, know the same articles.

See `tests.machines`, which also kills a crawl at every single point.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.server import MirrorServer
from rfinews.files import MARK, PART, CrawlMark
from rfinews.recovery import recover_crawls
from rfinews.store import Answer, Store, StoreError, check_url, index, postgres
from rfinews.verify import Verification
from tests.conftest import PROJECT, SITE, Crawl, crawl_environment, files_in
from tests.crashes import FEED, Bench, Point, World, manifests, points, stored, until
from tests.machines import DEATHS, Death, LauncherShared, LaunchersShared, Machine, check
from tests.postgres import PostgresServer
from tests.stores import (
    HISTORIES,
    NOW,
    ONE,
    THREE,
    TWO,
    Opened,
    address,
    complete,
    crawl_all,
    dump,
    end,
    facts,
    id_of,
    known,
    lines_of,
    link,
    names_in,
    query,
    record,
    records_in,
    stores,
    write_part,
)

EVERYTHING = [
    """
    SELECT id, canonical_url, spider, revision, change, source, content_hash, feed_date,
        date_modified, published, first_seen, last_seen, next_check, gone_since FROM articles
    """,
    """
    SELECT id, revisions.revision, revisions.change, revisions.content_hash, name, directory
    FROM revisions JOIN articles ON number = article JOIN all_files f ON f.number = file
    """,
    "SELECT directory, name FROM all_files",
    "SELECT alias, id, rule FROM aliases JOIN articles ON number = article",
    "SELECT directory, crawl_id, sha256 FROM all_heads",
]


def everything(store: Store) -> list[object]:
    """All that the store takes from files, of all data directories."""
    return [query(store, sql) for sql in EVERYTHING]


def forget(store: Store) -> None:
    """Empty the store, as an administrator may."""
    store.home.do(lambda db: db.execute(f"DROP SCHEMA IF EXISTS {postgres.SCHEMA} CASCADE"))


@pytest.fixture
def here(tmp_path: Path, postgres_url: str) -> Iterator[Opened]:
    """Open stores of one data directory."""
    with stores(tmp_path / "here", postgres_url) as opened:
        yield opened


@pytest.fixture
def there(tmp_path: Path, postgres_url: str) -> Iterator[Opened]:
    """Open stores of another one."""
    with stores(tmp_path / "there", postgres_url) as opened:
        yield opened


# -------------------------------------------------------------------------- two data directories


def test_what_one_has_exported_the_other_knows(here: Opened, there: Opened) -> None:
    a, b = here(ONE), there(TWO)
    complete(a, [record(1), record(2)])
    assert known(b, 1) == known(a, 1)
    done = complete(b, [record(1), record(2, "second"), record(3)], f"{TWO}.jsonl")
    assert [verdict.revision for verdict in done.verdicts] == [None, 2, 1]
    assert names_in(a.articles) == [f"{ONE}.jsonl"]
    assert [each["headline"] for each in records_in(b.articles / f"{TWO}.jsonl")] == [
        "second",
        "first",
    ]


def test_files_of_the_same_name(here: Opened, there: Opened) -> None:
    """A scheduler that gives its jobs the same id on all machines, in the same second."""
    a, b = here(ONE), there(ONE)
    complete(a, [record(1)])
    complete(b, [record(2)])
    for store, other in ((a, b), (b, a)):
        assert dump(store)["files"] == [(f"{ONE}.jsonl",)]
        assert query(store, "SELECT * FROM crawls") == [(ONE,)]
        assert store.known(id_of(1)) == other.known(id_of(1))
    end(a)
    assert query(b, "SELECT * FROM crawls") == [(ONE,)]


def test_each_has_its_chain(here: Opened, there: Opened) -> None:
    a, b = here(ONE), there(TWO)
    first, others = end(a), end(b)
    assert first["previous"] is None
    assert others["previous"] is None
    assert end(here(THREE))["previous"] == link(first)


def test_where_a_revision_is(here: Opened, there: Opened) -> None:
    a, b = here(ONE), there(TWO)
    complete(a, [record(1)])
    complete(b, [record(1, "second")], f"{TWO}.jsonl")
    told = {}
    for name, store in (("here", a), ("there", b)):
        biography = store.biography(id_of(1))
        assert biography is not None
        told[name] = [each["elsewhere"] for each in biography["revisions"]]
    host = os.uname().nodename
    assert told == {
        "here": [None, f"{host}:{b.articles.parent}"],
        "there": [f"{host}:{a.articles.parent}", None],
    }


@given(HISTORIES, st.randoms(use_true_random=False))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_each_revision_stands_in_one_file_and_the_store_can_be_built_again(
    postgres_url: str, history: list[list[dict[str, object]]], dice: random.Random
) -> None:
    with TemporaryDirectory() as name, ExitStack() as stack:
        openers = [stack.enter_context(stores(Path(name) / each, postgres_url)) for each in "abc"]
        forget(openers[0](None))
        crawls = [
            opened(f"feedx-20231107T120000Z-{number}") for number, opened in enumerate(openers)
        ]
        crawl_all(crawls, history)
        found = [
            (each["id"], each["revision"])
            for store in crawls
            for path in store.articles.iterdir()
            for each in records_in(path)
        ]
        assert len(found) == len(set(found))
        told = everything(crawls[0])
        assert sorted(found) == sorted((row[0].hex(), row[1]) for row in told[1])  # type: ignore[attr-defined]
        forget(crawls[0])
        for opened in dice.sample(openers, len(openers)):
            opened(None)
        assert everything(openers[0](None)) == told


def test_many_crawls_at_once(here: Opened, there: Opened) -> None:
    dice = random.Random(1)
    crawls = [
        opened(f"feedx-20231107T120000Z-{number}{place}")
        for place, opened in (("a", here), ("b", there))
        for number in range(2)
    ]
    for store in crawls:
        for number in range(1, 5):
            some = [record(dice.randrange(20), str(dice.randrange(9))) for _ in range(30)]
            write_part(store.articles, f"{store.crawl_id}.{number:05d}.jsonl", lines_of(some))
    errors = []

    def work(store: Store) -> None:
        try:
            for part in sorted(store.articles.glob(f"{store.crawl_id}.*{PART}")):
                store.complete(part)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=[store]) for store in crawls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    folders = {store.articles for store in crawls}
    records = [each for folder in folders for path in folder.iterdir() for each in records_in(path)]
    assert set(Counter((each["id"], each["revision"]) for each in records).values()) == {1}
    for number in range(20):
        revisions = sorted(each["revision"] for each in records if each["id"] == id_of(number))
        assert revisions == list(range(1, known(crawls[0], number).revision + 1))


# ------------------------------------------------------------------- a file between two names


class Crashed(BaseException):
    """Nothing of ours catches it."""


def die_before_the_name(
    store: Store, part: Path, monkeypatch: pytest.MonkeyPatch, **how: bool
) -> None:
    """The store knows the file, which does not have its name yet."""

    def crash(judged: object) -> None:
        raise Crashed

    with monkeypatch.context() as patch:
        patch.setattr(index._Judged, "place", crash)
        with pytest.raises(Crashed):
            store.complete(part, **how)


@pytest.mark.parametrize("then", [False, True], ids=["", "recovered to gz"])
@pytest.mark.parametrize("first", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("numbers", [(1, 2), (0, 1, 2)], ids=["as it is", "copied"])
def test_crash_before_a_file_has_its_name(
    here: Opened,
    there: Opened,
    monkeypatch: pytest.MonkeyPatch,
    *,
    numbers: tuple[int, ...],
    first: bool,
    then: bool,
) -> None:
    """Others bring the same meanwhile: it is known, and the next crawl of this directory has it."""
    dying, other = here(ONE), there(TWO)
    complete(other, [record(0)], f"{TWO}.jsonl")
    CrawlMark.create(dying.articles, {"crawl_id": ONE}).release()
    part = write_part(dying.articles, f"{ONE}.jsonl", lines_of(map(record, numbers)))
    die_before_the_name(dying, part, monkeypatch, compress=first)
    assert part.exists()
    assert complete(other, [record(1), record(2)], f"{TWO}.00002.jsonl").facts is None
    recovering = here(THREE)
    assert complete(recovering, [record(2)], f"{THREE}.jsonl").facts is None
    recover_crawls(recovering, compress=then)
    name = f"{ONE}.jsonl.gz" if first else f"{ONE}.jsonl"
    assert records_in(dying.articles / name) == [record(1), record(2)]
    assert names_in(dying.articles) == sorted(
        [name, f"{ONE}.manifest.json", f"{ONE}.outcomes.jsonl"]
    )


def test_facts_of_a_file_that_was_judged_before(
    here: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = here(ONE)
    complete(store, [record(0)])
    part = write_part(store.articles, f"{TWO}.jsonl", lines_of(map(record, (0, 1, 2))))
    die_before_the_name(store, part, monkeypatch, compress=True)
    done = store.complete(part)
    assert done.facts == facts(store.articles / f"{TWO}.jsonl.gz")
    assert not part.exists()


def test_copy_that_was_given_up(
    here: Opened, there: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken for what the store knows, when in the end the part is right as it is."""
    store, other = here(ONE), there(TWO)
    part = write_part(store.articles, f"{ONE}.jsonl", lines_of([record(1), record(2)]))
    copy = part.with_name(f"{ONE}.jsonl.copy.part")
    copy.write_bytes(b"torn")
    die_before_the_name(store, part, monkeypatch)
    assert not copy.exists()
    recover_crawls(here(THREE))
    assert records_in(store.articles / f"{ONE}.jsonl") == [record(1), record(2)]
    assert known(other, 1)


# --------------------------------------------------------------------------- connections and servers


def backends(server: PostgresServer, url: str, what: str = "pg_terminate_backend(pid)") -> None:
    """Do something to each connection of the crawls."""
    server.run(
        f"SELECT {what} FROM pg_stat_activity WHERE datname = '{url.rpartition('/')[2]}'"
        " AND application_name = 'rfinews'"
    )


def test_connection_that_is_lost_between_look_ups(
    here: Opened,
    postgres_server: PostgresServer,
    postgres_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = here(ONE)
    complete(store, [record(1)])
    backends(postgres_server, postgres_url)
    assert known(store, 1).revision == 1
    (line,) = [message for message in caplog.messages if "again" in message]
    assert line.startswith(f"Connecting again to the store {postgres_url}: ")
    store.remember(answers={("feed", "x"): Answer("1", None, None, NOW)})
    assert store.answer("feed", "x")


def test_connection_that_is_lost_while_a_file_is_completed(
    here: Opened,
    there: Opened,
    postgres_server: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = here(ONE)
    part = write_part(store.articles, f"{ONE}.jsonl", lines_of([record(1)]))
    content = part.read_bytes()
    admit = Store._admit

    def lose(self: Store, db: object, *rest: object) -> object:
        backends(postgres_server, postgres_url)
        return admit(self, db, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_admit", lose)
        with pytest.raises(StoreError, match=r"^Cannot use the store postgresql://[^\n]+$"):
            store.complete(part)
    assert part.read_bytes() == content
    assert names_in(store.articles) == [part.name]
    assert there(TWO).known(id_of(1)) is None
    assert store.complete(part).facts is not None


def test_connection_that_is_lost_when_all_is_written(
    here: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the store knows it or not, nobody can tell then: the next crawl does."""
    store = here(ONE)
    execute = postgres.Connection.execute
    for number, is_known in enumerate((False, True), start=1):
        part = write_part(store.articles, f"{ONE}.{number:05d}.jsonl", lines_of([record(number)]))

        def cut(
            self: postgres.Connection, sql: str, *rest: object, is_known: bool = is_known
        ) -> object:
            if sql == "COMMIT":
                if is_known:
                    execute(self, sql)
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return execute(self, sql, *rest)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(postgres.Connection, "execute", cut)
            with pytest.raises(StoreError, match="closed the connection"):
                store.complete(part)
        assert part.exists()
        assert (store.known(id_of(number)) is not None) == is_known
        recover_crawls(here(TWO))
        assert records_in(store.articles / part.name.removesuffix(PART)) == [record(number)]


def test_another_crawl_that_writes_for_too_long(
    here: Opened, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres._SESSION, "lock_timeout", "50ms")
    store = here(ONE)
    with psycopg.connect(postgres_url) as db:
        db.execute("SELECT pg_advisory_lock(%s)", (postgres._WRITER,))
        with pytest.raises(StoreError, match=r"lock timeout$"):
            store.remember()
    store.remember()


def test_store_that_is_emptied_while_it_is_open(here: Opened, there: Opened) -> None:
    a, b = here(ONE), there(TWO)
    complete(a, [record(1)])
    complete(b, [record(2)], f"{TWO}.jsonl")
    told = everything(a)
    forget(a)
    assert known(b, 2).revision == 1
    assert known(here(None), 1).revision == 1
    assert everything(a) == told


def test_manifest_is_not_written_twice(here: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the connection is lost after that."""
    store = here(ONE)
    execute = postgres.Connection.execute
    lost = []

    def cut(self: postgres.Connection, sql: str, *rest: object) -> object:
        if "INSERT INTO head" in sql and not lost:
            lost.append(self.db.close())
        return execute(self, sql, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(postgres.Connection, "execute", cut)
    manifest = end(store)
    assert lost
    assert manifest["previous"] is None
    assert end(here(TWO))["previous"] == link(manifest)


def test_store_of_a_newer_version_is_left_alone(here: Opened) -> None:
    store = here(ONE)
    store.home.do(lambda db: db.execute("UPDATE about SET version = 2"))
    with pytest.raises(StoreError, match=r"written by a newer version of rfinews$"):
        here(TWO)


def test_database_that_cannot_hold_every_text(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    postgres_server.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(StoreError, match="its encoding is LATIN1, not UTF8"):
            Store(tmp_path, url=postgres_server.url("latin")).open(ONE)
    finally:
        postgres_server.drop_database("/latin")


# ----------------------------------------------------------------------------------- what it holds


def test_columns_are_those_of_the_file(tmp_path: Path, here: Opened) -> None:
    alone = Store(tmp_path / "alone")
    alone.open()
    shared = query(
        here(None),
        "SELECT table_name, column_name, ordinal_position, is_nullable"
        f" FROM information_schema.columns WHERE table_schema = '{postgres.SCHEMA}'",
    )
    for (table,) in query(alone, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        mine = query(alone, f"SELECT name, cid + 1 FROM pragma_table_info('{table}')")
        assert mine == [row[1:3] for row in shared if row[0] == table]
    alone.close()


def test_addresses_that_no_index_would_hold(here: Opened) -> None:
    store = here(ONE)
    complete(store, [record(1), record(2)])
    noise = random.Random(1).randbytes(3000).hex()
    for number in (1, 2):
        store.remember(
            aliases=[
                (f"https://rfi.my/{noise}{each}", id_of(number), "redirect") for each in (1, 2)
            ],
            answers={
                ("date", f"{noise}{each}"): Answer(None, None, b"", number) for each in (1, 2)
            },
        )
        assert store.resolve(f"https://rfi.my/{noise}2") == address(number)
        answer = store.answer("date", f"{noise}1")
        assert answer is not None
        assert answer.at == number
    assert len(query(store, "SELECT alias FROM aliases")) == 2
    complete(store, [record(1, "second", url=f"https://rfi.my/{noise}1")], f"{TWO}.jsonl")
    assert store.resolve(f"https://rfi.my/{noise}1") == address(2)


def test_text_with_a_nul(here: Opened) -> None:
    store = here(ONE)
    store.remember(outcomes=[("https://www.rfi.fr/\0", "invalid", "a\0b")])
    told = store.outcome("https://www.rfi.fr/\0")
    assert told is not None
    assert told["detail"] == "a\ufffdb"


# ------------------------------------------------------------------------------ the data directory


def test_data_directory_keeps_its_name(here: Opened, tmp_path: Path) -> None:
    store = here(ONE)
    path = store.state / postgres.IDENTITY
    name = path.read_text()
    here(TWO)
    assert path.read_text() == name
    store.articles.parent.rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved", url=str(store.home))
    moved.open(THREE)
    assert query(moved, "SELECT id, place FROM directories") == [
        (name, f"{os.uname().nodename}:{tmp_path / 'moved'}")
    ]
    moved.close()


def test_many_make_the_tables(tmp_path: Path, postgres_url: str) -> None:
    """The first crawls of all begin at once."""
    errors = []
    barrier = threading.Barrier(6)

    def begin(number: int) -> None:
        store = Store(tmp_path / f"{number}", url=postgres_url)
        barrier.wait()
        try:
            store.open(ONE)
        except StoreError as error:
            errors.append(error)
        store.close()

    threads = [threading.Thread(target=begin, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_name_of_the_data_directory_that_is_lost(here: Opened) -> None:
    """It joins as another one; what its files hold is known already."""
    store = here(ONE)
    complete(store, [record(1)])
    before = end(store)
    for damage in ("", "x" * 16):
        (store.state / postgres.IDENTITY).write_text(damage)
        again = here(TWO)
        assert known(again, 1).revision == 1
        assert dump(again)["files"] == [(f"{ONE}.jsonl",)]
        assert dump(again)["head"] == [(ONE, before["sha256"])]
        assert complete(again, [record(1)], f"{TWO}.jsonl").facts is None
    assert len(query(again, "SELECT id FROM directories")) == 3


def test_two_crawls_name_it_at_once(tmp_path: Path) -> None:
    names = set()
    barrier = threading.Barrier(8)

    def name_it() -> None:
        barrier.wait()
        names.add(postgres.directory_id(tmp_path))

    threads = [threading.Thread(target=name_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == {(tmp_path / postgres.IDENTITY).read_text()}


def test_reading_alone_makes_no_data_directory(
    here: Opened, tmp_path: Path, postgres_url: str
) -> None:
    complete(here(ONE), [record(1)])
    reader = Store(tmp_path / "reader", url=postgres_url)
    reader.open()
    assert known(reader, 1).revision == 1
    reader.close()
    assert not (tmp_path / "reader").exists()
    assert len(query(here(None), "SELECT id FROM directories")) == 1


# ---------------------------------------------------------------------------------------- addresses

MUST_BE = "RFINEWS_STORE must be postgresql://USER@HOST:PORT/DATABASE"


@pytest.mark.parametrize(
    "url",
    [
        "known.sqlite",
        "mysql://u:secret@db.example/news",
        "postgresql://u:secret@db.example",
        "postgresql://u:secret@db.example/",
        "postgresql://u:secret@db.example:x/news",
        "postgresql://u:se/secret@db.example/news",
        "postgresql://u:12/secret@db.example/news",
        "postgresql://u:%secret@db.example/news",
        "postgresql://u:s#secret@db.example/news?no=such",
        "postgresql://[::1/news",
    ],
)
def test_address_that_is_malformed(url: str) -> None:
    with pytest.raises(ValueError, match=f"^{MUST_BE}") as error:
        check_url(url)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://rfinews@db.example/news",
        "postgres://rfinews:s%2Fecret@db.example:5433/news?sslmode=require",
        "postgresql:///news?host=/run/postgresql",
        "postgresql://rfinews@one.example:5432,two.example:5432/news",
        "postgresql://[::1]:5432/news",
    ],
)
def test_address_that_is_well_formed(url: str) -> None:
    check_url(url)


@pytest.fixture
def why(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run ``scrapy why`` with a store."""

    def run(
        store: str, data_dir: Path | None = None, url: str = address(1)
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "scrapy", "why", url],
            cwd=PROJECT,
            env=crawl_environment(data_dir or tmp_path / "nowhere", mirrored=True)
            | {"RFINEWS_STORE": store},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_why(
    here: Opened, why: Callable[..., "subprocess.CompletedProcess[str]"], postgres_url: str
) -> None:
    store = here(ONE)
    complete(store, [record(1)])
    for data_dir, elsewhere in (
        (store.articles.parent, ""),
        (None, f" ({os.uname().nodename}:{store.articles.parent})"),
    ):
        told = why(postgres_url, data_dir)
        assert told.returncode == 0
        assert f"in {ONE}.jsonl{elsewhere}\n" in told.stdout


def test_commands_with_a_store_that_is_none(
    crawl: Callable[..., Crawl],
    why: Callable[..., "subprocess.CompletedProcess[str]"],
    postgres_server: PostgresServer,
    tmp_path: Path,
) -> None:
    """One line each, without the password."""
    port = postgres_server.port
    nowhere = f"postgresql://u:s3cr3t@127.0.0.1:{port}/nowhere"
    refused = "postgresql://u:s3cr3t@127.0.0.1:1/news"
    malformed = "postgresql://u:s3cr3t@127.0.0.1"
    for url, status, told in (
        (malformed, 2, MUST_BE),
        (nowhere, 1, "Cannot use the store postgresql://u@127.0.0.1"),
        (refused, 1, "Cannot use the store postgresql://u@127.0.0.1:1/news: connection failed"),
    ):
        said = why(url)
        assert said.returncode == status
        assert said.stderr.startswith(f"scrapy why: {told}")
        assert said.stderr.count("\n") == 1
        done = crawl("archive", {"path": tmp_path}, {"RFINEWS_STORE": url, "LOG_LEVEL": "WARNING"})
        assert done.status == status
        (line,) = [
            line for line in done.stderr.splitlines() if "RFINEWS_STORE" in line or "store" in line
        ]
        assert told in line
        assert "Traceback" not in done.stderr
        assert "s3cr3t" not in said.stderr + said.stdout + done.stderr + done.stdout


def test_driver_that_is_not_installed(tmp_path: Path) -> None:
    """A package that cannot be imported stands before psycopg in the path."""
    (tmp_path / "psycopg.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", "why", address(1)],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=True)
        | {"RFINEWS_STORE": "postgresql://u@h/d", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "scrapy why: RFINEWS_STORE needs more packages: pip install 'rfinews[postgres]'\n"
    )


# -------------------------------------------------------------------------------------- real crawls


@pytest.fixture(scope="module")
def launchers() -> Iterator[LaunchersShared]:
    with LaunchersShared() as started:
        yield started


@pytest.fixture
def launcher(launchers: LaunchersShared) -> Iterator[LauncherShared]:
    with launchers.one() as launcher:
        yield launcher  # type: ignore[misc]


@pytest.fixture
def machines(
    launcher: LauncherShared, mirror: MirrorServer, tmp_path: Path, postgres_url: str
) -> list[Machine]:
    """Two machines and the bundled site."""
    return [Machine(tmp_path / name, postgres_url, launcher, mirror) for name in ("a", "b")]


CRAWLS = (
    ("feedx", {"follow": 1}),
    ("rfi", {"edition": "cn"}),
)


@pytest.fixture(scope="module")
def alone(launchers: LaunchersShared, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What one machine has of the bundled site."""
    with launchers.one() as launcher, MirrorServer(SITE) as server:
        bench = Bench(tmp_path_factory.mktemp("alone"), launcher, server)
        for spider, arguments in CRAWLS:
            bench.run(spider, **arguments)
        return addresses(bench)


def addresses(*benches: Bench) -> set[str]:
    return {record.canonical_url for bench in benches for record in stored(bench.data_dir)}


def test_bundled_site_one_after_the_other(machines: list[Machine], alone: set[str]) -> None:
    a, b = machines
    for spider, arguments in CRAWLS:
        a.run(spider, **arguments)
        b.run(spider, **arguments)
    check(machines)
    assert addresses(a) == alone
    assert addresses(b) == set()
    outcomes = [manifest["outcomes"] for manifest in manifests(b.data_dir).values()]
    # A feed that a has read is unchanged for b, too; one that tells of faults is read again.
    assert all("exported" not in each for each in outcomes)
    assert any(each.get("unchanged") for each in outcomes)


def test_bundled_site_at_once(machines: list[Machine], alone: set[str]) -> None:
    running = [
        machine.start(spider, {"RFINEWS_ROTATE_ITEMS": 3}, **arguments)
        for spider, arguments in CRAWLS
        for machine in machines
    ]
    ended = [each.wait() for each in running]
    assert [each.status for each in ended] == [0] * 4
    assert not any("Traceback" in each.log for each in ended)
    check(machines)
    assert addresses(*machines) == alone


def test_store_is_built_again_from_both(machines: list[Machine], postgres_url: str) -> None:
    a, b = machines
    a.run("feedx", follow=1)
    b.run("rfi", edition="cn")
    store = Store(a.data_dir, url=postgres_url)
    store.open()
    told = everything(store)
    forget(store)
    store.close()
    for machine in (b, a):
        reader = Store(machine.data_dir, url=postgres_url)
        reader.open()
        again = everything(reader)
        reader.close()
    assert [again[number] for number in (1, 2, 4)] == [told[number] for number in (1, 2, 4)]
    a.run("rfi", edition="cn")
    b.run("feedx", follow=1)
    check(machines)


def test_file_gives_way_to_a_database_and_the_other_way_round(machines: list[Machine]) -> None:
    """What was crawled with another store is known, for it stands in the files."""
    a, _ = machines
    for (spider, arguments), store in zip(CRAWLS, ("", a.url), strict=True):
        a.run(spider, settings={"RFINEWS_STORE": store}, **arguments)
    before = stored(a.data_dir)
    for store in ("", a.url):
        for spider, arguments in CRAWLS:
            a.run(spider, settings={"RFINEWS_STORE": store}, **arguments)
    assert stored(a.data_dir) == before
    assert list(Verification([a.data_dir]).faults()) == []


@pytest.fixture
def world() -> World:
    made = World()
    for number in range(12):
        made.publish(str(number))
    return made


def hold(mirror: MirrorServer, world: World, seconds: float) -> None:
    """Let the page of one article take its time."""
    mirror.add_route(world.address("7"), {"delay": seconds})


def test_one_is_killed_while_both_crawl(
    machines: list[Machine], mirror: MirrorServer, world: World
) -> None:
    a, b = machines
    world.put_on(mirror)
    hold(mirror, world, 1)
    settings = {"RFINEWS_ROTATE_ITEMS": 3}
    dies, goes_on = [machine.start("feedx", settings, feed=FEED, follow=1) for machine in machines]
    until(lambda: a.growing and b.growing)
    until(lambda: any(path.name.endswith(".jsonl") for path in a.articles.iterdir()))
    dies.send(signal.SIGKILL)
    assert dies.wait().was_killed
    assert goes_on.wait().status == 0
    hold(mirror, world, 0)
    b.feedx(follow=1)  # is no business of the dead one
    assert a.parts(MARK)
    a.feedx(follow=1)
    check(machines, world.expected())
    reasons = [
        Counter(each["finish_reason"] for each in manifests(m.data_dir).values()) for m in machines
    ]
    assert reasons == [{"finished": 1, "recovered": 1}, {"finished": 2}]


def test_server_that_stops_in_the_middle(
    machines: list[Machine],
    mirror: MirrorServer,
    world: World,
    postgres_server: PostgresServer,
) -> None:
    a, b = machines
    world.put_on(mirror)
    hold(mirror, world, 2)
    settings = {"RFINEWS_ROTATE_ITEMS": 3}
    running = a.start("feedx", settings, feed=FEED, follow=1)
    until(lambda: any(path.name.endswith(".00002.jsonl") for path in files_in(a.data_dir)))
    before = {path: path.read_bytes() for path in a.articles.glob("*.jsonl")}
    postgres_server.stop(signal.SIGQUIT)
    try:
        ended = running.wait()
        assert ended.status == 1
        assert "Traceback" not in ended.log
        told = [line for line in ended.log.splitlines() if " ERROR: Cannot use the store " in line]
        assert len(told) == 1
        assert {path: path.read_bytes() for path in before} == before
    finally:
        postgres_server.start()
    hold(mirror, world, 0)
    b.feedx(follow=1)
    a.feedx(follow=1)
    check(machines, world.expected())


@pytest.mark.parametrize("options", DEATHS, ids=str)
def test_killed_between_the_store_and_the_file(
    launchers: LaunchersShared,
    postgres_server: PostgresServer,
    tmp_path: Path,
    options: dict[str, object],
) -> None:
    """Around each commit and each renaming: the other machine has crawled the same meanwhile."""
    with launchers.one() as launcher:
        death = Death(tmp_path, postgres_server, launcher, **options)  # type: ignore[arg-type]
        events = death.events(launcher)  # type: ignore[arg-type]
    first = {
        event: position
        for position, event in reversed(list(enumerate(events)))
        if event.startswith("replace ") and ".jsonl" in event and "outcomes" not in event
    }
    chosen = []
    for event, position in first.items():
        commits = events[:position].count("store: COMMIT")
        chosen += [Point("after", commits, "store: COMMIT"), Point("after", 1, event)]
    chosen += points(["replace own.manifest.json.part"], ["after"])
    death.survive_all(launchers, list(dict.fromkeys(chosen)))


def test_password_stands_nowhere(
    launcher: LauncherShared, tmp_path: Path, postgres_url: str, world: World
) -> None:
    machine = Machine(
        tmp_path / "a", postgres_url.replace("postgres@", "postgres:s3cr3t@"), launcher
    )
    path = world.write_archive(tmp_path / "archive")
    ended = machine.archive(path, settings={"LOG_LEVEL": "DEBUG"})
    assert "s3cr3t" not in ended.log
    files = files_in(machine.data_dir)
    assert len(files) == 4  # articles, outcomes, manifest and the directory's name
    assert not any(b"s3cr3t" in path.read_bytes() for path in files)
    store = Store(machine.data_dir, url=postgres_url)
    store.open()
    assert "s3cr3t" not in str(query(store, "SELECT place FROM directories"))
    store.close()
    shutil.rmtree(machine.data_dir)
