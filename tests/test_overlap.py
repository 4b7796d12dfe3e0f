"""Crawls at once in one data directory: what both find is there once, and each leaves the other alone."""

import fcntl
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.server import MirrorServer
from rfinews.files import LEASE, MARK
from tests.crashes import (
    FEED,
    Bench,
    Launcher,
    Launchers,
    Point,
    World,
    check,
    manifests,
    points,
    scenarios,
    stored,
    until,
)


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer() as started:
        yield started


@pytest.fixture
def world() -> World:
    """Twenty articles."""
    made = World()
    for number in range(20):
        made.publish(str(number))
    return made


@pytest.fixture
def bench(launcher: Launcher, server: MirrorServer, world: World, tmp_path: Path) -> Bench:
    world.put_on(server)
    return Bench(tmp_path / "bench", launcher, server)


def hold(server: MirrorServer, world: World, name: str, seconds: float) -> None:
    """Let the page of an article take its time."""
    server.add_route(world.address(name), {"delay": seconds})


def reasons(bench: Bench) -> Counter[str]:
    """How the crawls ended."""
    return Counter(each["finish_reason"] for each in manifests(bench.data_dir).values())


# ----------------------------------------------------------------------------------------- at once


@pytest.mark.parametrize("rotate", [10_000, 3])
@pytest.mark.parametrize("number", [2, 4])
def test_same_feed(
    bench: Bench, server: MirrorServer, world: World, number: int, rotate: int
) -> None:
    """All have articles in a growing file before the first completes its own."""
    hold(server, world, "5", 1)
    settings = {"RFINEWS_ROTATE_ITEMS": rotate}
    running = [bench.start("feedx", settings, feed=FEED, follow=1) for _ in range(number)]
    until(lambda: len(bench.parts(MARK)) == number)
    until(lambda: len(bench.growing) >= number)
    ended = [each.wait() for each in running]
    assert [each.status for each in ended] == [0] * number
    assert not any("Traceback" in each.log for each in ended)
    check(bench.data_dir, world.expected())
    assert reasons(bench) == {"finished": number}
    outcomes: Counter[str] = Counter()
    for manifest in manifests(bench.data_dir).values():
        outcomes.update(manifest["outcomes"])
    assert outcomes == {"exported": 20, "unchanged": 20 * (number - 1)}


def test_different_spiders(
    bench: Bench, server: MirrorServer, world: World, tmp_path: Path
) -> None:
    """What the feed has is newer than what the archive has, and both are there."""
    path = world.write_archive(tmp_path / "archive")
    for name in ("3", "4", "15"):
        world.publish(name, f"松河{name}的桥又关了。")
    world.publish("新")
    world.put_on(server)
    server.add_route(FEED, {"delay": 0.3})
    running = [
        bench.start("feedx", {"RFINEWS_ROTATE_ITEMS": 4}, feed=FEED),
        bench.start("archive", {"RFINEWS_ROTATE_ITEMS": 7}, path=path),
        bench.start("feedx", feed=FEED),
        bench.start("archive", path=path),
    ]
    assert [each.wait().status for each in running] == [0] * 4
    check(bench.data_dir)
    texts = {(record.canonical_url, record.text) for record in stored(bench.data_dir)}
    latest = world.latest()
    assert set(latest.items()) <= texts
    everything = {(record.canonical_url, record.text) for record in world.expected()}
    assert texts <= everything
    bench.feedx()
    bench.archive(path)
    check(bench.data_dir)
    assert {(record.canonical_url, record.text) for record in stored(bench.data_dir)} == texts


def test_one_is_killed_and_the_other_goes_on(
    bench: Bench, server: MirrorServer, world: World
) -> None:
    hold(server, world, "5", 1)
    dies, goes_on = (bench.start("feedx", feed=FEED, follow=1) for _ in range(2))
    until(lambda: len(bench.growing) == 2)
    dies.send(signal.SIGKILL)
    assert dies.wait().was_killed
    assert goes_on.wait().status == 0
    hold(server, world, "5", 0)
    bench.feedx(follow=1)
    check(bench.data_dir, world.expected())
    assert reasons(bench) == {"finished": 2, "recovered": 1}


@pytest.mark.parametrize("settings", [{}, {"RFINEWS_COMPRESS": "gz"}])
def test_crawl_that_runs_is_left_alone(
    bench: Bench, server: MirrorServer, world: World, tmp_path: Path, settings: dict[str, object]
) -> None:
    """Another one begins and ends meanwhile, and takes nothing for that of a dead crawl."""
    hold(server, world, "5", 1)
    running = bench.start("feedx", settings, feed=FEED, follow=1)
    until(lambda: bench.growing and bench.growing[0].stat().st_size > 0)
    before = {path.name: path.stat().st_ino for path in bench.parts()}
    assert len(before) == 3
    bench.archive(world.write_archive(tmp_path / "archive"), settings=settings)
    assert {path.name: path.stat().st_ino for path in bench.parts()} == before
    ended = running.wait()
    assert ended.status == 0
    assert "Traceback" not in ended.log
    check(bench.data_dir, world.expected())
    assert reasons(bench) == {"finished": 2}


def test_many_recover_the_same(bench: Bench, world: World, tmp_path: Path) -> None:
    """Four crawls begin at once where three have died."""
    path = world.write_archive(tmp_path / "archive")
    for event in (
        "rename own.crawl.copy.part",
        "replace own.jsonl.part",
        "write own.manifest.json.part",
    ):
        bench.kill(Point("after", 1, event), "archive", path=path)
    running = [bench.start("archive", path=path) for _ in range(4)]
    assert [each.wait().status for each in running] == [0] * 4
    check(bench.data_dir, world.expected())


def test_one_stands_still_anywhere(
    launcher: Launcher, server: MirrorServer, tmp_path: Path
) -> None:
    """And is no dead crawl for the one that comes meanwhile."""
    scenario = scenarios(tmp_path, launcher, server)["more of an archive, rotated"]
    pauses = points(scenario.events(launcher), ["pause before", "pause after"])
    last = Counter(point.event for point in pauses if point.how == "pause before")
    kinds = ("create", "replace", "unlink", "store: BEGIN", "store: COMMIT")
    chosen = [
        point
        for point in pauses
        if point.event.startswith(kinds) and point.nth in (1, last[point.event])
        if point.how == "pause before" or point.event.startswith("create ")
    ]
    with Launchers() as launchers:
        scenario.bear_all(launchers, chosen)


# -------------------------------------------------------------------------------- dead or elsewhere


@pytest.fixture
def died(bench: Bench, world: World) -> Path:
    """The mark of a crawl that died with all its articles in a growing file."""
    bench.kill(Point("before", 1, "replace own.jsonl.part"), "feedx", feed=FEED)
    (mark,) = bench.parts(MARK)
    assert len(bench.growing) == 1
    return mark


def move_elsewhere(mark: Path) -> None:
    """Let the mark be that of another host."""
    about = json.loads(mark.read_bytes())
    mark.write_text(json.dumps(about | {"host": "elsewhere.example"}))


def set_age(mark: Path, seconds: float) -> None:
    os.utime(mark, (time.time() - seconds,) * 2)


@pytest.mark.parametrize("age", [0, LEASE - 60])
def test_crawl_on_another_host_is_left_alone(
    bench: Bench, died: Path, world: World, age: float
) -> None:
    move_elsewhere(died)
    set_age(died, age)
    before = {path.name: path.read_bytes() for path in bench.parts()}
    bench.feedx()
    assert {path.name: path.read_bytes() for path in bench.parts()} == before
    assert stored(bench.data_dir) == world.expected()
    set_age(died, LEASE + 60)
    bench.feedx()
    check(bench.data_dir, world.expected())
    assert reasons(bench) == {"finished": 2, "recovered": 1}


@pytest.mark.parametrize("age", [LEASE + 60, -40 * 24 * 3600])
def test_crawl_on_another_host_that_gives_no_sign_of_life(
    bench: Bench, died: Path, world: World, age: float
) -> None:
    """Or whose clock was far ahead."""
    move_elsewhere(died)
    set_age(died, age)
    bench.archive(bench.folder)
    check(bench.data_dir, world.expected())
    assert reasons(bench) == {"finished": 1, "recovered": 1}


def torn(mark: Path) -> None:
    mark.write_bytes(mark.read_bytes()[:40])


def empty(mark: Path) -> None:
    mark.write_bytes(b"")


def older(mark: Path) -> None:
    """One that says less than today's."""
    about = json.loads(mark.read_bytes())
    mark.write_text(json.dumps({"crawl_id": about["crawl_id"], "host": about["host"]}))


@pytest.mark.parametrize("change", [Path.unlink, torn, empty, older])
def test_crawl_without_a_good_mark(
    bench: Bench, died: Path, world: World, change: Callable[[Path], None]
) -> None:
    crawl_id = died.name.removesuffix(MARK)
    change(died)
    bench.archive(bench.folder)
    check(bench.data_dir, world.expected())
    recovered = manifests(bench.data_dir)[crawl_id]
    assert recovered["finish_reason"] == "recovered"
    assert recovered["spider"] == "feedx"


def test_part_without_a_mark_that_is_being_written(bench: Bench, died: Path, world: World) -> None:
    died.unlink()
    (part,) = bench.growing
    with part.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        bench.archive(bench.folder)
        assert part.exists()
        assert stored(bench.data_dir) == set()
    bench.archive(bench.folder)
    check(bench.data_dir, world.expected())


def test_files_of_others_are_left_alone(bench: Bench, died: Path, world: World) -> None:
    """Parts that are no crawl's, in the data directory."""
    others = {"notes.txt.part": "mine", "x.part": "", "README": "mine"}
    for name, text in others.items():
        (bench.articles / name).write_text(text)
    bench.archive(bench.folder)
    for name, text in others.items():
        path = bench.articles / name
        assert path.read_text() == text
        path.unlink()
    check(bench.data_dir, world.expected())


def test_data_directory_that_was_copied(bench: Bench, died: Path, world: World) -> None:
    """As a backup of a crawl that runs: the copy is recovered, the original is not touched."""
    copy = Bench(bench.folder / "copy", bench.launcher, bench.server)
    shutil.copytree(bench.data_dir, copy.data_dir)
    copy.archive(bench.folder / "data")
    check(copy.data_dir, world.expected())
    assert died.exists()
