"""Names of files, who holds them, and the mark of a crawl; `PartFile` also in ``test_output.py``."""

import fcntl
import gzip
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfinews.addon import new_crawl_id
from rfinews.files import (
    LEASE,
    MARK,
    CrawlMark,
    PartFile,
    articles_name,
    is_locked,
    read_articles_name,
    read_lines,
)
from tests.conftest import PROJECT

CRAWL = "feedx-20231107T120000Z-0a1b2c3d"


# ----------------------------------------------------------------------------------------- names


@given(
    st.sampled_from(["0a1b2c3d", "4b2c-Ü_7", "x.jsonl", "a.b", "1.2345", "1.123456", "x.gz"]),
    st.integers(1, 99_999),
    st.booleans(),
)
def test_name_says_whose_file_it_is(job: str, number: int, compressed: bool) -> None:
    crawl_id = f"feedx-20231107T120000Z-{job}"
    name = articles_name(crawl_id, number, compressed=compressed)
    assert read_articles_name(name) == (crawl_id, number)


@pytest.mark.parametrize("job", ["1.12345", "x.outcomes"])
def test_job_may_be_called_anything(job: str) -> None:
    """No ending of a job's name is taken for that of a file."""
    crawl_id = new_crawl_id("feedx", job)
    assert read_articles_name(articles_name(crawl_id, 1)) == (crawl_id, 1)


def test_names_are_in_the_order_of_the_files() -> None:
    names = [articles_name(CRAWL, number) for number in (2, 3, 10, 99, 100, 12345)]
    assert names == sorted(names)


@pytest.mark.parametrize(
    "name",
    [
        f"{CRAWL}.jsonl.part",
        f"{CRAWL}.00002.jsonl.part",
        f"{CRAWL}.jsonl.gz.copy.part",
        f"{CRAWL}.outcomes.jsonl",
        f"{CRAWL}.outcomes.jsonl.part",
        f"{CRAWL}.manifest.json",
        f"{CRAWL}.crawl.part",
        f"{CRAWL}.json",
        f"{CRAWL}.jsonl.xz",
        f"{CRAWL}.jsonl~",
        f"{CRAWL}.jsonl\n",
        ".jsonl",
        "",
    ],
)
def test_other_names(name: str) -> None:
    assert read_articles_name(name) is None


# ----------------------------------------------------------------------------------------- lines

LINES = [b'{"a":1}\n', "国\n".encode(), b"\n", b"torn"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_lines(tmp_path: Path, name: str) -> None:
    content = b"".join(LINES)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert list(read_lines(tmp_path / name)) == LINES


def test_compressed_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(b"".join(map(gzip.compress, LINES)))
    assert list(read_lines(tmp_path / "x.gz")) == LINES


def test_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("x", "x.gz"):
        with pytest.raises(FileNotFoundError):
            list(read_lines(tmp_path / name))


@pytest.mark.parametrize("kept", [1, 5, 11, 200, -9, -1])
def test_compressed_file_cut_short(tmp_path: Path, kept: int) -> None:
    lines = [b"%d %s\n" % (number, os.urandom(8).hex().encode()) for number in range(100)]
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"".join(lines))[:kept])
    with pytest.raises(OSError):
        list(read_lines(tmp_path / "x.gz"))


def test_compressed_file_with_a_wrong_bit(tmp_path: Path) -> None:
    dice = random.Random(1)
    lines = [b"%d %s\n" % (number, dice.randbytes(8).hex().encode()) for number in range(1000)]
    whole = gzip.compress(b"".join(lines), mtime=0)
    for _ in range(100):
        content = bytearray(whole)
        content[dice.randrange(10, len(content))] ^= 1 << dice.randrange(8)
        (tmp_path / "x.gz").write_bytes(content)
        with pytest.raises(OSError):
            list(read_lines(tmp_path / "x.gz"))


# ----------------------------------------------------------------------------------------- locks


def test_locked_while_it_is_written(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x")
    assert is_locked(file.part)
    file.write(b"x")
    file.close()
    assert file.part.exists()
    assert not is_locked(file.part)


def test_what_is_not_there_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "x.part")
    assert list(tmp_path.iterdir()) == []


def test_lock_on_a_file_that_was_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another crawl ends between our opening its part and locking it: ours is the next one."""
    other = PartFile(tmp_path / "x")
    other.write(b"other\n")
    lock, raced = fcntl.flock, []

    def end_of_the_other_first(fd: int, operation: int) -> None:
        if not raced:
            raced.append(fd)
            other.complete()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", end_of_the_other_first)
    ours = PartFile(tmp_path / "x")
    ours.write(b"ours\n")
    assert raced
    assert ours.is_in_place
    assert other.path.read_bytes() == b"other\n"
    ours.complete()
    assert other.path.read_bytes() == b"ours\n"


def test_part_that_was_taken_over(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x")
    assert file.is_in_place
    file.part.unlink()
    assert not file.is_in_place
    file.part.write_bytes(b"")
    assert not file.is_in_place
    file.close()


# -------------------------------------------------------------------------------------- PartFile


def test_facts(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x.jsonl")
    file.write("国\nx\n".encode())
    file.finish()
    content = file.path.read_bytes()
    assert file.facts == {
        "name": "x.jsonl",
        "lines": 2,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_part_of_another_name(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x", part=tmp_path / "x.copy.part")
    file.write(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.copy.part"]
    file.complete()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_given_up(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x")
    file.write(b"x")
    file.remove()
    assert file.closed
    assert list(tmp_path.iterdir()) == []
    PartFile(tmp_path / "x").remove()


def test_name_that_is_taken_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    file = PartFile(tmp_path / "x")
    file.write(b"all of it")
    with pytest.raises(OSError):
        file.finish()
    assert file.closed
    assert file.part.read_bytes() == b"all of it"
    assert not is_locked(file.part)


# ------------------------------------------------------------------------------------------ mark


def about(**more: Any) -> dict[str, Any]:
    return {"crawl_id": CRAWL, "spider": "feedx", "arguments": {"feed": "国"}, **more}


def mark_path(folder: Path) -> Path:
    return folder / f"{CRAWL}{MARK}"


def mark_of(folder: Path, host: str, *, age: float = 0) -> Path:
    """A mark that nobody holds, of a crawl on `host` that gave its last sign of life `age` ago."""
    path = mark_path(folder)
    path.write_bytes(orjson.dumps(about(host=host)))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


@contextmanager
def running_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has marked its crawl and goes on."""
    code = (
        "import sys, time; from pathlib import Path; from rfinews.files import CrawlMark\n"
        "mark = CrawlMark.create(Path(sys.argv[1]), {'crawl_id': sys.argv[2], 'spider': 'feedx'})\n"
        "print('marked', flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(folder), CRAWL]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "marked\n"
            yield process
        finally:
            process.kill()


def test_mark(tmp_path: Path) -> None:
    mark = CrawlMark.create(tmp_path / "new" / "articles", about())
    path = mark_path(tmp_path / "new" / "articles")
    assert mark.path == path
    assert orjson.loads(path.read_bytes()) == about(host=socket.gethostname())
    assert is_locked(path)
    mark.remove()
    assert list(path.parent.iterdir()) == []


def test_mark_without_room_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        CrawlMark.create(tmp_path, about())
    assert list(tmp_path.iterdir()) == []


def test_crawl_that_runs_keeps_its_mark(tmp_path: Path) -> None:
    with running_elsewhere(tmp_path) as process:
        assert CrawlMark.seize(mark_path(tmp_path)) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        mark = CrawlMark.seize(mark_path(tmp_path))
    assert mark is not None
    assert (mark.about["crawl_id"], mark.about["spider"]) == (CRAWL, "feedx")


def test_two_cannot_seize_one_mark(tmp_path: Path) -> None:
    path = mark_of(tmp_path, socket.gethostname())
    first = CrawlMark.seize(path)
    assert first is not None
    assert first.about["arguments"] == {"feed": "国"}
    assert CrawlMark.seize(path) is None
    first.remove()
    assert CrawlMark.seize(path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b'{"crawl_id": "fe', b"\xff", b"[]", b"1", b"{}", b'"x"'])
def test_mark_that_was_cut_short(tmp_path: Path, content: bytes) -> None:
    """Its crawl died on this host as it began: a mark is written at once."""
    mark_path(tmp_path).write_bytes(content)
    mark = CrawlMark.seize(mark_path(tmp_path))
    assert mark is not None
    assert mark.about == {"crawl_id": CRAWL}


@pytest.mark.parametrize(
    ("age", "is_dead"),
    [
        (0, False),
        (LEASE - 60, False),
        (LEASE + 60, True),
        (60 - LEASE, False),  # clocks differ
        (-LEASE - 60, True),
    ],
)
def test_crawl_on_another_host_lives_by_its_signs(
    tmp_path: Path, age: float, is_dead: bool
) -> None:
    path = mark_of(tmp_path, "elsewhere", age=age)
    before = path.stat().st_mtime
    mark = CrawlMark.seize(path)
    assert (mark is not None) == is_dead
    assert path.stat().st_mtime == before  # looking is no sign of life
    if mark is None:
        assert not is_locked(path)


def test_crawl_on_this_host_lives_by_its_lock(tmp_path: Path) -> None:
    assert CrawlMark.seize(mark_of(tmp_path, socket.gethostname())) is not None


def test_sign_of_life(tmp_path: Path) -> None:
    mark = CrawlMark.create(tmp_path, about())
    os.utime(mark.path, (1, 1))
    mark.beat()
    assert abs(mark.path.stat().st_mtime - time.time()) < 60
    mark.path.unlink()
    mark.beat()
    assert list(tmp_path.iterdir()) == []
    mark.remove()
