"""The store in a file of the data directory: what damages it, what it cannot do, what it then does."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfinews.store import FILE, Seen, Store, StoreError, index, sqlite
from tests.conftest import PROJECT
from tests.stores import (
    HOUR,
    NOW,
    ONE,
    THREE,
    TWO,
    Opened,
    address,
    complete,
    end,
    facts,
    id_of,
    known,
    lines_of,
    link,
    names_in,
    record,
    stores,
    write_part,
)
from tests.test_output import largest_file


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with stores(tmp_path) as opened:
        yield opened


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened(ONE)


def test_store_that_cannot_grow(store: Store, tmp_path: Path) -> None:
    records = [record(number) for number in range(20)]
    part = write_part(store.articles, f"{ONE}.jsonl", lines_of(records))
    with largest_file(16_000):
        done = store.complete(part)
    assert done.facts == facts(store.articles / f"{ONE}.jsonl")
    assert store.known(id_of(1)) is None
    store.close()
    store.open(TWO)
    assert store.known(id_of(1)) is not None


def test_store_that_could_not_grow_for_a_while(store: Store) -> None:
    """The crawl goes on, and meets the same articles again."""
    with largest_file(16_000):
        complete(store, [record(number) for number in range(20)])
    done = complete(store, [record(1), record(20)], f"{ONE}.00002.jsonl")
    assert [verdict.revision for verdict in done.verdicts] == [None, 1]


def test_crash_before_the_store_knows(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is complete, the store does not say so: whoever comes next finds it."""
    running, dying = opened(ONE), opened(TWO)
    part = write_part(dying.articles, f"{TWO}.jsonl", lines_of([record(1)]))

    def crash(directory: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index, "sync_directory", crash)
        with pytest.raises(KeyboardInterrupt):
            dying.complete(part)
    assert names_in(dying.articles) == [f"{TWO}.jsonl"]
    assert running.known(id_of(1)) is None
    done = complete(running, [record(1), record(2)])
    assert [verdict.revision for verdict in done.verdicts] == [None, 1]
    assert known(opened(THREE), 1).revision == 1


# ------------------------------------------------------------------------------------------- damage


def fill(opened: Opened, number: int = 400) -> Path:
    """A store of many pages, closed. Returns its path."""
    store = opened(ONE)
    complete(store, [record(n, url=f"{address(n)}?x") for n in range(number)])
    store.close()
    return store.path


def set_aside(state: Path) -> list[Path]:
    """The stores that were set aside; what SQLite keeps beside one goes with it."""
    found = state.glob(f"{FILE}.damaged-*")
    return [path for path in found if not path.name.endswith(("-wal", "-shm"))]


def noise(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def noise_in_all_but_the_first_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def noise_in_the_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(3996))


def zeros_at_the_end(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(path.stat().st_size - path.stat().st_size // 2))


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_within_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def cut_within_the_head(path: Path) -> None:
    os.truncate(path, 50)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def text(path: Path) -> None:
    path.write_text("lorem ipsum\n" * 1000)


def another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE articles (x)")


DAMAGES = (
    noise,
    noise_in_all_but_the_first_page,
    noise_in_the_schema,
    zeros_at_the_end,
    cut_in_half,
    cut_within_a_page,
    cut_within_the_head,
    emptied,
    text,
    another_database,
)


@pytest.mark.parametrize("crawl_id", [None, TWO])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_store_is_set_aside_and_built_again(
    opened: Opened,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    crawl_id: str | None,
) -> None:
    path = fill(opened)
    damage(path)
    damaged = path.read_bytes()
    store = opened(crawl_id)
    assert all(store.known(id_of(number)) for number in range(400))
    assert store.known(id_of(400)) is None
    (aside,) = set_aside(path.parent)
    # The head, if SQLite knew it, says by now that there is a write-ahead log.
    assert aside.read_bytes()[100 : len(damaged)] == damaged[100:]
    told = caplog.messages[0]
    assert told.startswith(f"Store {path} is damaged (")
    assert told.endswith(f"): set aside as {aside.name}")
    assert "\n" not in told


WORK: dict[str, Callable[[Store], object]] = {
    "known": lambda store: [known(store, number) for number in range(400)],
    "resolve": lambda store: [store.resolve(f"{address(number)}?x") for number in range(400)],
    "due": lambda store: store.due("feedx", NOW + 999 * HOUR),
    "biography": lambda store: [store.biography(id_of(number)) for number in range(400)],
    "remember": lambda store: store.remember({id_of(n): Seen(NOW) for n in range(400)}),
    "complete": lambda store: complete(
        store, [record(n, "second") for n in range(400)], f"{TWO}.jsonl"
    ),
    "end": lambda store: store.end(TWO, lambda previous: b"{}"),
}


@pytest.mark.parametrize("damage", [noise_in_all_but_the_first_page, cut_in_half])
@pytest.mark.parametrize("work", WORK)
def test_damage_that_shows_later(
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    work: str,
) -> None:
    """In a store too large to be looked through at the start, or while it is open."""
    monkeypatch.setattr(sqlite, "_CHECKED_BYTES", 0)
    path = fill(opened)
    store = opened(TWO)
    WORK["known"](store)
    damage(path)
    home = store.home
    assert isinstance(home, sqlite.SqliteHome)
    assert home.db is not None
    home.db.close()
    home.db = sqlite.connection(path)  # without what it has in its cache
    result = WORK[work](store)
    if work == "due":
        assert len(result) == 400  # type: ignore[arg-type]
    if work == "complete":
        assert {verdict.revision for verdict in result.verdicts} == {2}  # type: ignore[attr-defined]
    assert known(store, 399).revision == (2 if work == "complete" else 1)
    assert known(opened(None), 0)
    assert len(set_aside(path.parent)) == 1


ASCII = st.binary(min_size=1, max_size=200).map(lambda some: bytes(byte & 0x7F for byte in some))


@given(st.integers(1, 200), st.integers(0, 4095), ASCII)
@settings(max_examples=40, deadline=None)
def test_few_wrong_bytes_end_no_crawl_with_a_traceback(page: int, at: int, content: bytes) -> None:
    """Not every wrong byte can be found; it must not be worse than one article said twice."""
    with TemporaryDirectory() as name:
        shutil.copytree(FILLED.data_dir(), name, dirs_exist_ok=True)
        path = Path(name) / "state" / FILE
        with path.open("r+b") as file:
            file.seek(page * 4096 % path.stat().st_size + at)
            file.write(content)
        store = Store(Path(name))
        with contextlib.suppress(StoreError):  # such as "written by a newer version"
            store.open(TWO)
            for number in range(0, 400, 7):
                store.known(id_of(number))
            complete(store, [record(n, "second") for n in range(390, 410)], f"{TWO}.jsonl")
            store.remember({id_of(number): Seen(NOW) for number in range(0, 400, 7)})
            store.end(TWO, lambda previous: b"{}")
        store.close()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"CREATE TABLE outcomes", id="schema"),
        pytest.param(record(1)["content_hash"].encode(), id="row"),
    ],
)
def test_wrong_byte_that_makes_text_unreadable(opened: Opened, text: bytes) -> None:
    path = fill(opened, 3)
    content = path.read_bytes()
    assert text in content
    path.write_bytes(content.replace(text, text[:9] + b"\x80" + text[10:]))
    store = opened(TWO)
    assert known(store, 1).content_hash == record(1)["content_hash"]


class _Filled:
    """A store that is filled once, to be copied."""

    folder: TemporaryDirectory[str] | None = None

    def data_dir(self) -> Path:
        if self.folder is None:
            self.folder = TemporaryDirectory()
            store = Store(Path(self.folder.name))
            store.open(ONE)
            complete(store, [record(n) for n in range(400)])
            store.close()
        return Path(self.folder.name)


FILLED = _Filled()


def test_write_ahead_log_of_another_store_is_no_part_of_it(opened: Opened) -> None:
    """Somebody has removed the store and its articles, and not what else belongs to it."""
    store = opened(ONE)
    complete(store, [record(1)])
    path, log = store.path, store.path.with_name(f"{FILE}-wal")
    logged = log.read_bytes()
    assert logged
    store.close()
    path.unlink()
    log.write_bytes(logged)
    (store.articles / f"{ONE}.jsonl").write_bytes(b"".join(lines_of([record(2)])))
    again = opened(None)
    assert again.known(id_of(1)) is None
    assert known(again, 2).revision == 1
    assert set_aside(store.state) == []


def test_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open(ONE)
    complete(store, [record(1)])
    store.close()
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA user_version = 2")
    content = store.path.read_bytes()
    for crawl_id in (None, TWO):
        with pytest.raises(StoreError) as error:
            store.open(crawl_id)
        assert str(error.value) == f"{store.path} was written by a newer version of rfinews"
        store.close()
    assert store.path.read_bytes() == content
    assert set_aside(store.state) == []


def test_folder_in_its_place(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "state" / FILE / "x").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"Cannot use the store .*: unable to open database file"):
        opened(ONE)
    assert (tmp_path / "state" / FILE / "x").is_dir()


OPEN_AS_SOMEBODY = """
import os, sys
from pathlib import Path
from rfinews.store import Store, StoreError
os.geteuid() or os.setuid(65534)
store = Store(Path.cwd())
try:
    store.open("feedx-20231107T120000Z-2")
    store.complete(Path.cwd() / sys.argv[1])
except (StoreError, OSError) as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A data directory with a store and a part, of which everybody may write everything."""
    with TemporaryDirectory() as name:
        data_dir = Path(name)
        store = Store(data_dir)
        store.open(ONE)
        complete(store, [record(1)])
        store.close()
        write_part(store.articles, f"{TWO}.jsonl", lines_of([record(1, "second")]))
        for path in (data_dir, *data_dir.rglob("*")):
            path.chmod(0o777)
        yield data_dir


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (None, ""),
        (f"state/{FILE}", "StoreError Cannot use the store .*: attempt to write a readonly .*\n"),
        ("state", "StoreError Cannot use the store .*: attempt to write a readonly .*\n"),
        ("articles", "PermissionError .*\n"),
    ],
)
def test_read_only(everybodys: Path, refused: str | None, told: str) -> None:
    """Root may write everything, so it is somebody else who opens the store."""
    part = everybodys / "articles" / f"{TWO}.jsonl.part"
    content = part.read_bytes()
    if refused is not None:
        (everybodys / refused).chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AS_SOMEBODY, str(part.relative_to(everybodys))],
        cwd=everybodys,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert re.fullmatch(told, done.stdout)
    if refused is not None:
        (everybodys / refused).chmod(0o777)
        assert part.read_bytes() == content
        assert names_in(everybodys / "articles") == [f"{ONE}.jsonl", part.name]
    store = Store(everybodys)
    store.open()
    assert known(store, 1).revision == (1 if refused else 2)
    store.close()
    assert set_aside(store.state) == []


def test_store_that_is_replaced_while_it_is_open(opened: Opened) -> None:
    store = opened(ONE)
    complete(store, [record(1)])
    store.path.unlink()
    other = opened(TWO)
    complete(other, [record(2)], f"{TWO}.jsonl")
    done = complete(store, [record(2), record(3)], f"{ONE}.00002.jsonl")
    assert [verdict.revision for verdict in done.verdicts] == [None, 1]
    assert known(store, 2) == known(other, 2)
    assert known(other, 3)


def test_store_that_is_removed_while_it_is_open(opened: Opened) -> None:
    store = opened(ONE)
    complete(store, [record(1)])
    shutil.rmtree(store.state)
    other = opened(TWO)
    manifest = end(store)
    assert end(other)["previous"] == link(manifest)
    assert known(store, 1).revision == known(other, 1).revision == 1


def test_store_that_cannot_be_mended(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged while the disk is full: an error each time, and none when there is room again."""
    monkeypatch.setattr(sqlite, "_CHECKED_BYTES", 0)
    path = fill(opened)
    store = opened(None)
    noise_in_all_but_the_first_page(path)
    with largest_file(16_000):
        for _ in range(2):
            with pytest.raises(StoreError):
                WORK["known"](store)
    WORK["known"](store)


def test_emptied_while_it_is_open(tmp_path: Path) -> None:
    """SQLite takes an empty file for a new database, and would wait for those who have the old one open."""
    (tmp_path / "articles").mkdir()
    store = Store(tmp_path)
    store.open()
    path = tmp_path / "state" / FILE
    path.write_bytes(b"")
    assert store.home.apart(lambda db: db.execute("SELECT count(*) FROM articles").fetchone()) == (
        0,
    )
    assert [each.name for each in path.parent.glob("*.damaged-*") if each.stat().st_size == 0]
    store.close()
