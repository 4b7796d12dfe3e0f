"""Crawls that are killed or stopped: what they had gathered is neither lost nor there twice.

See `tests.crashes`, which also does it at random and at every single point.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.server import MirrorServer
from tests.crashes import (
    FEED,
    FIRST_KILLS,
    Bench,
    Launcher,
    Launchers,
    LongRun,
    Point,
    Scenario,
    World,
    check,
    chosen_points,
    first_kill,
    manifests,
    of_recovery,
    scenarios,
    until,
)

SCENARIOS = (
    "archive",
    "more of an archive, rotated",
    "more of an archive, rotated, compressed",
    "changed feed, follow=0",
    "changed feed, follow=1",
)


@pytest.fixture(scope="module")
def launchers() -> Iterator[Launchers]:
    with Launchers() as started:
        yield started


@pytest.fixture
def launcher(launchers: Launchers) -> Iterator[Launcher]:
    with launchers.one() as launcher:
        yield launcher


@pytest.fixture(scope="module")
def server() -> Iterator[MirrorServer]:
    with MirrorServer() as started:
        yield started


@pytest.fixture(scope="module")
def all_scenarios(
    launchers: Launchers, server: MirrorServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Scenario]:
    with launchers.one() as launcher:
        return scenarios(tmp_path_factory.mktemp("scenarios"), launcher, server)


# ----------------------------------------------------------------------------------------- killed


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere(
    all_scenarios: dict[str, Scenario], launchers: Launchers, name: str
) -> None:
    scenario = all_scenarios[name]
    with launchers.one() as launcher:
        events = scenario.events(launcher)
    scenario.survive_all(launchers, [[point] for point in chosen_points(events)])


@pytest.mark.parametrize("first", FIRST_KILLS)
def test_recovery_killed_anywhere(
    all_scenarios: dict[str, Scenario], launchers: Launchers, first: str
) -> None:
    scenario = all_scenarios["more of an archive, rotated"]
    with launchers.one() as launcher:
        point = first_kill(first, scenario.events(launcher))
        again = of_recovery(scenario.events(launcher, [point]))
    scenario.survive_all(launchers, [(point, second) for second in chosen_points(again)])


def test_killed_again_and_again(all_scenarios: dict[str, Scenario], launchers: Launchers) -> None:
    """Each crawl recovers what the one before left, and dies a little later."""
    kills = [Point("before", number) for number in range(4, 200, 8)]
    all_scenarios["archive"].survive_all(launchers, [kills[::2], kills[1::2]])


def test_killed_at_random(launcher: Launcher, server: MirrorServer, tmp_path: Path) -> None:
    """For more of it: ``python -m tests.crashes``."""
    run = LongRun(tmp_path, seed=12)
    assert run.run(12, launcher, server) == []
    assert run.tally.kills >= 12


def test_log_of_the_store_left_by_a_killed_crawl(launcher: Launcher, tmp_path: Path) -> None:
    """What the store knew stands in its ``-wal``."""
    world = World()
    for number in range(5):
        world.publish(str(number))
    bench = Bench(tmp_path, launcher)
    path = world.write_archive(tmp_path / "archive")
    bench.kill(Point("before", 1, "write own.manifest.json.part"), "archive", path=path)
    log = bench.data_dir / "state" / "known.sqlite-wal"
    assert log.stat().st_size > 0
    done = bench.archive(path)
    check(bench.data_dir, world.expected())
    assert "damaged" not in done.log
    assert not log.exists()


# ---------------------------------------------------------------------------------------- stopped


class Slow:
    """A feed of ten articles whose pages come one after the other, and the fourth not at all."""

    def __init__(self, folder: Path, launcher: Launcher, server: MirrorServer) -> None:
        self.world = World()
        for number in range(10):
            self.world.publish(str(number))
        self.world.put_on(server)
        self.server = server
        self.hold(30)
        self.bench = Bench(folder, launcher, server)

    def hold(self, seconds: float) -> None:
        self.server.add_route(self.world.address("3"), {"delay": seconds})

    def until_it_waits(self) -> None:
        until(lambda: sum(path.read_bytes().count(b"\n") for path in self.bench.growing) == 3)


@pytest.fixture
def slow(launcher: Launcher, tmp_path: Path) -> Iterator[Slow]:
    with MirrorServer() as server:
        yield Slow(tmp_path, launcher, server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped(slow: Slow, number: int) -> None:
    """The file is complete, the manifest says why it is short, the next crawl does the rest."""
    bench = slow.bench
    settings = {"DOWNLOAD_TIMEOUT": 2}
    running = bench.start("feedx", settings, feed=FEED, follow=1)
    slow.until_it_waits()
    running.send(number)
    ended = running.wait()
    assert ended.status == 1
    assert "Traceback" not in ended.log
    check(bench.data_dir)
    (manifest,) = manifests(bench.data_dir).values()
    assert manifest["finish_reason"] == "shutdown"
    exported = manifest["outcomes"]["exported"]
    assert 3 <= exported <= 4  # the fourth perhaps from the feed
    assert manifest["outcomes"]["unfetched"] == 10 - exported
    slow.hold(0)
    bench.feedx(follow=1)
    check(bench.data_dir, slow.world.expected())
    reasons = [manifest["finish_reason"] for manifest in manifests(bench.data_dir).values()]
    assert sorted(reasons) == ["finished", "shutdown"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_resumed(slow: Slow, number: int, tmp_path: Path) -> None:
    """A crawl with a JOBDIR goes on where it was stopped, and everything is exported once."""
    bench = slow.bench
    settings = {"JOBDIR": tmp_path / "job", "DOWNLOAD_TIMEOUT": 2}
    running = bench.start("feedx", settings, feed=FEED, follow=1)
    slow.until_it_waits()
    running.send(number)
    running.wait()
    slow.hold(0)
    for _ in range(2):
        bench.feedx(settings=settings, follow=1)
        check(bench.data_dir, slow.world.expected())


@pytest.mark.parametrize(
    "event",
    [
        "create own.jsonl.part",
        "write own.00002.jsonl.part",
        "replace own.jsonl.part",
        "write own.outcomes.jsonl.part",
        "write own.manifest.json.part",
        "unlink own.crawl.part",
    ],
)
def test_resumed_archive(launcher: Launcher, tmp_path: Path, event: str) -> None:
    world = World()
    for number in range(10):
        world.publish(str(number))
    path = world.write_archive(tmp_path / "archive")
    settings = {"RFINEWS_ROTATE_ITEMS": 4, "JOBDIR": tmp_path / "job"}
    bench = Bench(tmp_path / "bench", launcher)
    bench.kill(Point("before", 1, event), "archive", settings=settings, path=path)
    for _ in range(2):
        bench.archive(path, settings=settings)
        check(bench.data_dir, world.expected())
