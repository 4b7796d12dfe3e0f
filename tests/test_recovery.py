"""Recovery from files written by hand, rule by rule; ``test_crashes.py`` kills real crawls."""

import gzip
import hashlib
import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from rfinews import recovery
from rfinews.dates import now
from rfinews.files import LEASE, MARK, CrawlMark, PartFile, read_lines
from rfinews.items import article_at, as_record
from rfinews.manifest import about, outcome_line, versions
from rfinews.recovery import recover_crawls
from rfinews.store import Answer, Store
from rfinews.urls import article_id

DEAD = "feedx-20231107T120000Z-0a1b2c3d"
LIVING = "feedx-20231108T120000Z-0a1b2c3d"
ARTICLES, OUTCOMES = f"{DEAD}.jsonl", f"{DEAD}.outcomes.jsonl"
MANIFEST = f"{DEAD}.manifest.json"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    store.open(LIVING)
    yield store
    store.close()


@pytest.fixture
def folder(store: Store) -> Path:
    return store.articles


# ------------------------------------------------------------------------------ what a crawl leaves


def address(number: int) -> str:
    return f"https://www.rfi.fr/cn/20231107-{number}"


def record(number: int, text: str = "first", **changes: Any) -> dict[str, Any]:
    article = article_at(address(number))
    article.headline = text
    article.content_hash = f"v1:{hashlib.sha256(text.encode()).hexdigest()}"
    article.feed_date = article.crawled_at = "2023-11-07T12:00:00Z"
    article.crawl_id = DEAD
    return as_record(article) | changes


def lines_of(records: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in records)


def leave_mark(folder: Path, crawl_id: str = DEAD, **changes: Any) -> dict[str, Any]:
    """The mark of a crawl that died. Returns what it says."""
    said = about(crawl_id, "feedx", {"follow": "1"}) | {"started_at": "2023-11-07T12:00:01Z"}
    said |= {"host": socket.gethostname(), "versions": {"rfinews": "0.9"}} | changes
    (folder / f"{crawl_id}{MARK}").write_bytes(orjson.dumps(said))
    return said


def leave_articles(folder: Path, *numbers: int, name: str = f"{ARTICLES}.part") -> bytes:
    content = lines_of(map(record, numbers))
    (folder / name).write_bytes(content)
    return content


def leave_outcomes(folder: Path, *rows: tuple[str, str, str | None]) -> None:
    content = b"".join(outcome_line(*row) for row in rows)
    (folder / f"{OUTCOMES}.part").write_bytes(content)


def manifest_of(folder: Path, crawl_id: str = DEAD) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / f"{crawl_id}.manifest.json").read_bytes())
    return manifest


def outcomes_of(folder: Path) -> dict[str, tuple[str, str | None]]:
    rows = [json.loads(line) for line in read_lines(folder / OUTCOMES)]
    outcomes = {row["url"]: (row["outcome"], row["detail"]) for row in rows}
    assert len(outcomes) == len(rows)
    return outcomes


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def facts(path: Path) -> dict[str, Any]:
    return {
        "name": path.name,
        "lines": len(list(read_lines(path))),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


# ------------------------------------------------------------------------------------- recovered


def test_nothing_to_recover(store: Store, folder: Path) -> None:
    (folder / "notes.txt.part").write_text("not ours")
    assert recover_crawls(store) == 0
    assert names_in(folder) == {"notes.txt.part"}


def test_recovered(store: Store, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = leave_mark(folder)
    content = leave_articles(folder, 1, 2)
    leave_outcomes(folder, (address(3), "duplicate", "of what"), (address(4), "network", None))
    started = now()
    assert recover_crawls(store) == 1
    assert names_in(folder) == {ARTICLES, OUTCOMES, MANIFEST}
    assert (folder / ARTICLES).read_bytes() == content
    assert store.known(article_id(address(1))) is not None
    assert outcomes_of(folder) == {
        address(3): ("duplicate", "of what"),
        address(4): ("network", None),
        address(1): ("exported", None),
        address(2): ("exported", None),
    }
    manifest = manifest_of(folder)
    assert started <= manifest.pop("finished_at") <= now()
    assert manifest == {
        **{name: said[name] for name in ("crawl_id", "spider", "arguments", "started_at")},
        "versions": {"rfinews": "0.9"},
        "finish_reason": "recovered",
        "files": [facts(folder / ARTICLES)],
        "outcomes": {"duplicate": 1, "exported": 2, "network": 1},
        "outcomes_file": facts(folder / OUTCOMES),
        "left_alone": {},
        "previous": None,
    }
    assert caplog.messages == [f"Recovered crawl {DEAD}, which had died: 2 articles"]
    assert recover_crawls(store) == 0


def test_crawl_that_died_as_it_began(store: Store, folder: Path) -> None:
    leave_mark(folder)
    assert recover_crawls(store) == 1
    assert names_in(folder) == {OUTCOMES, MANIFEST}
    assert (folder / OUTCOMES).read_bytes() == b""
    assert (manifest_of(folder)["files"], manifest_of(folder)["outcomes"]) == ([], {})


@pytest.mark.parametrize("name", [f"{ARTICLES}.part", f"{OUTCOMES}.part", f"{MANIFEST}.part"])
def test_crawl_whose_mark_is_lost(store: Store, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    started = now()
    assert recover_crawls(store) == 1
    assert names_in(folder) == {OUTCOMES, MANIFEST}
    manifest = manifest_of(folder)
    assert (manifest["crawl_id"], manifest["spider"], manifest["arguments"]) == (DEAD, "feedx", {})
    assert manifest["versions"] == versions()
    assert manifest["started_at"] == "2023-11-07T12:00:00Z" < started


@pytest.mark.parametrize(
    ("crawl_id", "spider"),
    [
        ("rfi-20231107T120000Z-a-b-c", "rfi"),
        ("rfi-2023-11-07", "rfi-2023-11-07"),
        ("x", "x"),
        ("rfi-20231307T120000Z-a", "rfi"),
    ],
)
def test_crawl_of_an_odd_name(store: Store, folder: Path, crawl_id: str, spider: str) -> None:
    (folder / f"{crawl_id}{MARK}").write_bytes(b'{"crawl_i')
    assert recover_crawls(store) == 1
    manifest = manifest_of(folder, crawl_id)
    assert (manifest["crawl_id"], manifest["spider"]) == (crawl_id, spider)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", manifest["started_at"])


def test_several_files(store: Store, folder: Path) -> None:
    """One complete, one whose copy was not removed, one that grew."""
    leave_mark(folder)
    second, third = (f"{DEAD}.0000{number}.jsonl" for number in (2, 3))
    leave_articles(folder, 1, 2, name=ARTICLES)
    (folder / f"{second}.gz").write_bytes(gzip.compress(lines_of([record(3)])))
    leave_articles(folder, 3, 1, name=f"{second}.part")
    leave_articles(folder, 2, 4, name=f"{third}.part")
    store.close()
    store.open(LIVING)  # knows what is complete
    recover_crawls(store, compress=True)
    assert names_in(folder) == {ARTICLES, f"{second}.gz", f"{third}.gz", OUTCOMES, MANIFEST}
    assert [file["name"] for file in manifest_of(folder)["files"]] == [
        ARTICLES,
        f"{second}.gz",
        f"{third}.gz",
    ]
    assert manifest_of(folder)["files"][2] == facts(folder / f"{third}.gz")
    assert [json.loads(line)["id"] for line in read_lines(folder / f"{third}.gz")] == [
        article_id(address(4))
    ]
    assert manifest_of(folder)["outcomes"] == {"exported": 4}


def test_files_are_listed_by_number(store: Store, folder: Path) -> None:
    leave_mark(folder)
    for number in (1, 2, 10, 99_999):
        name = f"{DEAD}.{number:05d}.jsonl" if number > 1 else ARTICLES
        leave_articles(folder, number, name=f"{name}.part")
    recover_crawls(store)
    lines = [file["name"] for file in manifest_of(folder)["files"]]
    assert lines == [ARTICLES, *(f"{DEAD}.{number}.jsonl" for number in ("00002", "00010", 99_999))]


def test_torn_ends(store: Store, folder: Path) -> None:
    leave_mark(folder)
    first = lines_of([record(1)])
    (folder / f"{ARTICLES}.part").write_bytes(first + lines_of([record(2)])[:-9])
    row = outcome_line(address(3), "parse")
    (folder / f"{OUTCOMES}.part").write_bytes(row + outcome_line(address(4), "parse")[:-2])
    recover_crawls(store)
    assert (folder / ARTICLES).read_bytes() == first
    assert outcomes_of(folder) == {
        address(3): ("parse", None),
        address(1): ("exported", None),
    }


def test_what_another_crawl_has_exported_since(store: Store, folder: Path) -> None:
    (folder / f"{LIVING}.jsonl.part").write_bytes(lines_of([record(1)]))
    store.complete(folder / f"{LIVING}.jsonl.part")
    leave_mark(folder)
    leave_articles(folder, 1)
    recover_crawls(store)
    assert names_in(folder) == {f"{LIVING}.jsonl", OUTCOMES, MANIFEST}
    assert (manifest_of(folder)["files"], outcomes_of(folder)) == ([], {})


def test_outcomes_of_articles(store: Store, folder: Path) -> None:
    """An article's outcome stands under the address that was discovered, in whatever spelling."""
    leave_mark(folder)
    leave_articles(folder, 1, 2, 3, name=ARTICLES)
    store.close()
    store.open(LIVING)
    store.remember(aliases=[("https://rfi.my/2", article_id(address(2)), "short link")])
    leave_outcomes(
        folder,
        (f"{address(1)}/?from=feed", "exported", None),
        ("https://rfi.my/2", "exported", "page: http_500"),
        (address(3), "network", "before it was asked again"),
    )
    recover_crawls(store)
    assert outcomes_of(folder) == {
        f"{address(1)}/?from=feed": ("exported", None),
        "https://rfi.my/2": ("exported", "page: http_500"),
        address(3): ("exported", None),
    }


def test_later_outcome_counts(store: Store, folder: Path) -> None:
    leave_mark(folder)
    (folder / OUTCOMES).write_bytes(outcome_line("a", "unfetched") + outcome_line("b", "parse"))
    leave_outcomes(folder, ("a", "duplicate", None), ("c", "network", None), ("c", "parse", "x"))
    recover_crawls(store)
    assert outcomes_of(folder) == {
        "a": ("duplicate", None),
        "b": ("parse", None),
        "c": ("parse", "x"),
    }
    assert manifest_of(folder)["outcomes"] == {"duplicate": 1, "parse": 2}


def test_crawl_that_died_at_its_very_end(store: Store, folder: Path) -> None:
    """Its manifest says all: only the leftovers go."""
    leave_mark(folder)
    (folder / MANIFEST).write_bytes(b"{}")
    (folder / OUTCOMES).write_bytes(b"")
    (folder / f"{OUTCOMES}.copy.part").write_bytes(b"")
    assert recover_crawls(store) == 1
    assert names_in(folder) == {MANIFEST, OUTCOMES}
    assert (folder / MANIFEST).read_bytes() == b"{}"


def test_articles_that_a_crawl_could_not_store(store: Store, folder: Path) -> None:
    """`ArticlesStorage`: what cannot be stored stays a part, which the next crawl completes."""
    (folder / MANIFEST).write_bytes(b'{"crawl_id":"x","finish_reason":"not_stored"}')
    leave_articles(folder, 1)
    recover_crawls(store)
    assert store.known(article_id(address(1))) is not None


def test_leftovers_go(store: Store, folder: Path) -> None:
    leave_mark(folder)
    for name in (f"{ARTICLES}.gz.copy.part", f"{MANIFEST}.part", f"{OUTCOMES}.copy.part"):
        (folder / name).write_bytes(b"half")
    recover_crawls(store)
    assert names_in(folder) == {OUTCOMES, MANIFEST}


def test_several_crawls_are_links_of_the_chain(store: Store, folder: Path) -> None:
    crawls = [f"feedx-2023110{day}T120000Z-0a1b2c3d" for day in (3, 1, 2)]
    for crawl_id in crawls:
        leave_mark(folder, crawl_id)
    assert recover_crawls(store) == 3
    previous = None
    for crawl_id in sorted(crawls):
        assert manifest_of(folder, crawl_id)["previous"] == previous
        content = (folder / f"{crawl_id}.manifest.json").read_bytes()
        previous = {"crawl_id": crawl_id, "sha256": hashlib.sha256(content).hexdigest()}


# ------------------------------------------------------------------------------------ left alone


def test_crawl_that_runs_is_left_alone(store: Store, folder: Path) -> None:
    mark = CrawlMark.create(folder, {"crawl_id": DEAD})
    leave_articles(folder, 1)
    before = names_in(folder)
    assert recover_crawls(store) == 0
    assert names_in(folder) == before
    mark.remove()


def test_crawl_on_another_host_is_left_alone_until_it_gives_no_sign(
    store: Store, folder: Path
) -> None:
    leave_mark(folder, host="elsewhere")
    leave_articles(folder, 1)
    assert recover_crawls(store) == 0
    mark = folder / f"{DEAD}{MARK}"
    then = mark.stat().st_mtime - LEASE - 1
    os.utime(mark, (then, then))
    assert recover_crawls(store) == 1
    assert names_in(folder) == {ARTICLES, OUTCOMES, MANIFEST}


def test_crawl_without_a_mark_runs_while_it_writes(store: Store, folder: Path) -> None:
    leave_articles(folder, 1)
    file = PartFile(folder / OUTCOMES)
    assert recover_crawls(store) == 0
    assert names_in(folder) == {f"{ARTICLES}.part", f"{OUTCOMES}.part"}
    file.close()
    assert recover_crawls(store) == 1
    assert names_in(folder) == {ARTICLES, OUTCOMES, MANIFEST}


def test_others_are_recovered_beside_one_that_cannot_be(
    store: Store, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its mark stays, for the next crawl."""
    first, last = "a-20231107T120000Z-1", "z-20231107T120000Z-1"
    for crawl_id in (first, DEAD, last):
        leave_mark(folder, crawl_id)
    (folder / f"{ARTICLES}.part").mkdir()
    assert recover_crawls(store) == 2
    assert {f"{first}.manifest.json", f"{last}.manifest.json"} <= names_in(folder)
    assert {f"{DEAD}{MARK}", f"{ARTICLES}.part"} <= names_in(folder)
    assert MANIFEST not in names_in(folder)
    (told,) = [entry.message for entry in caplog.records if entry.levelno == logging.ERROR]
    assert told.startswith(f"Cannot recover crawl {DEAD}: ")


def test_next_crawl_recovers_what_this_one_could_not(store: Store, folder: Path) -> None:
    leave_mark(folder)
    (folder / f"{ARTICLES}.part").mkdir()
    assert recover_crawls(store) == 0
    (folder / f"{ARTICLES}.part").rmdir()
    leave_articles(folder, 1)
    assert recover_crawls(store) == 1
    assert names_in(folder) == {ARTICLES, OUTCOMES, MANIFEST}


# ----------------------------------------------------------------------------- the store beside it


def test_feeds_are_read_again_after_a_crawl_that_died(store: Store, folder: Path) -> None:
    """What they name may not be on file."""
    kept = {
        ("feed", "x"): Answer('"1"', None, None, 1),
        ("robots.txt", "x"): Answer(None, None, b"", 1),
    }
    store.remember(answers=kept)
    recover_crawls(store)
    assert store.answer("feed", "x") is not None
    leave_mark(folder)
    recover_crawls(store)
    assert store.answer("feed", "x") is None
    assert store.answer("robots.txt", "x") is not None


class Crashed(BaseException):
    """Nothing of ours catches it."""


STEPS = ("_complete_articles", "_facts", "_complete_outcomes", "_about")


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_recovery_that_is_cut_short_itself(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, is_done: bool
) -> None:
    leave_mark(folder)
    content = leave_articles(folder, 1, 2)
    leave_outcomes(folder, (address(3), "parse", None))
    work: Callable[..., Any] = getattr(recovery, step)
    seize, seized = CrawlMark.seize, []

    def seize_and_tell(path: Path) -> CrawlMark | None:
        seized.append(seize(path))
        return seized[-1]

    def crash(*arguments: Any, **more: Any) -> None:
        if is_done:
            work(*arguments, **more)
        raise Crashed

    with monkeypatch.context() as patch:
        patch.setattr(CrawlMark, "seize", seize_and_tell)
        patch.setattr(recovery, step, crash)
        with pytest.raises(Crashed):
            recover_crawls(store)
    os.close(seized[0].fd)  # as the end of its process does
    store.close()
    assert f"{DEAD}{MARK}" in names_in(folder)
    store.open("feedx-20231109T120000Z-0a1b2c3d")
    assert recover_crawls(store) == 1
    assert names_in(folder) == {ARTICLES, OUTCOMES, MANIFEST}
    assert (folder / ARTICLES).read_bytes() == content
    assert manifest_of(folder)["outcomes"] == {"exported": 2, "parse": 1}
