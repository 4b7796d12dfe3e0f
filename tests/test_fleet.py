"""Several workers share a crawl through a real Redis: ``RFINEWS_REDIS_URL``.

python -m tests.test_fleet --full    # four workers, 20,000 articles, kills, speed; some minutes
"""

import argparse
import contextlib
import importlib.metadata
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
import redis

from fixtures.server import MirrorServer, Request
from rfinews.files import OUTCOMES
from rfinews.verify import Verification
from tests.conftest import PROJECT, crawl_environment, read_lines
from tests.crashes import (
    FEED,
    LONGEST,
    Bench,
    Ended,
    Job,
    Launcher,
    Point,
    Running,
    arguments,
    check,
    manifests,
    records,
    until,
)
from tests.generated import Piece, World, served

SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="redis-server is not installed")


MORTAL = {"RFINEWS_FLEET_LEASE": 1.5}
"""Settings of workers that are to die: soon enough they count as dead."""
HANDS = 16
"""Requests that a worker may have got an answer to and not be done with."""


class Redis:
    """A redis-server of its own, on a socket; a context manager. What it holds dies with it."""

    def __enter__(self) -> Self:
        self.folder = tempfile.mkdtemp(prefix="redis-")  # a socket's path must be short
        self.socket = f"{self.folder}/socket"
        self.url = f"unix://{self.socket}?db=0"
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.folder]
        assert SERVER is not None
        self.process = subprocess.Popen([SERVER, *options], stdout=subprocess.DEVNULL)
        self.client = redis.Redis(unix_socket_path=self.socket)
        until(self.answers)

    def answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.client.ping())
        return False

    def stop(self) -> None:
        """Kill it."""
        self.client.close()
        self.process.kill()
        self.process.wait()
        Path(self.socket).unlink(missing_ok=True)

    @property
    def names(self) -> list[str]:
        """Its keys, but for the pace at the sites, which outlives a run."""
        names = [key.decode() for key in self.client.scan_iter()]
        return [name for name in names if not name.startswith("rfinews:site:")]

    def key(self, name: str) -> str:
        """A key of the only fleet."""
        found = [key for key in self.names if key.endswith(f":{name}")]
        return found[0] if found else f"no {name}"

    def taken(self, worker: str) -> int:
        """How many requests a worker has taken."""
        return sum(
            self.client.zcard(key)
            for key in self.names
            if ":taken:" in key and key.endswith(f"-{worker}")
        )

    def has_taken(self, text: str) -> str | None:
        """The worker that has taken a request with this text in it."""
        for key in self.names:
            if ":taken:" in key and any(
                text.encode() in each for each in self.client.zrange(key, 0, -1)
            ):
                return key.rpartition("-")[2]
        return None


class Workers:
    """Workers on one machine, in one data directory. They are called w1, w2, …"""

    def __init__(
        self, folder: Path, launcher: Launcher, server: MirrorServer, store: Redis
    ) -> None:
        self.bench = Bench(folder, launcher, server)
        self.server, self.store = server, store
        self.running: dict[str, Running] = {}
        self.number = 0
        self.killed: list[str] = []

    def start(
        self,
        number: int = 1,
        spider: str = "rfi",
        settings: dict[str, object] | None = None,
        *,
        kill: Point | None = None,
        timeout: float = LONGEST,
        **options: Any,
    ) -> list[str]:
        """Start some; returns their names."""
        every: dict[str, object] = {
            "RFINEWS_MIRROR": self.server.url,
            "RFINEWS_REDIS_URL": self.store.url,
        }
        names = []
        for _ in range(number):
            self.number += 1
            name = f"w{self.number}"
            job = Job(
                argv=arguments(
                    spider, self.bench.data_dir, every | (settings or {}), _job=name, **options
                ),
                data_dir=str(self.bench.data_dir),
                log=str(self.bench.folder / f"log-{name}"),
                kill=kill,
                timeout=timeout,
            )
            self.running[name] = self.bench.launcher.start(job)
            names.append(name)
        return names

    def kill(self, name: str) -> None:
        self.running[name].send(signal.SIGKILL)
        self.killed.append(name)

    def ends(self, name: str, status: int = 0) -> Ended:
        """Wait for the end of one. It must not have told of anything out of the ordinary."""
        ended = self.running.pop(name).wait()
        if not ended.was_killed:
            assert ended.status == status, f"{name}: {ended.log}"
            assert "Traceback" not in ended.log, f"{name}: {ended.log}"
            assert "Warning" not in ended.log, f"{name}: {ended.log}"
        return ended

    def all_end(self, status: int = 0) -> list[Ended]:
        return [self.ends(name, status) for name in list(self.running)]

    def recover(self) -> None:
        """Let a crawl come by that completes what the dead have left."""
        archive = self.bench.folder / "archive"
        archive.mkdir(exist_ok=True)
        self.bench.archive(archive)

    @property
    def addresses(self) -> list[str]:
        return [request.address for request in self.server.requests]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Address and outcome, from all files."""
        return [
            (row["url"], row["outcome"])
            for path in sorted(self.bench.articles.glob(f"*{OUTCOMES}"))
            for row in read_lines(path)
        ]

    @property
    def exporters(self) -> set[str]:
        """The workers with articles."""
        return {
            crawl_id.rpartition("-")[2]
            for crawl_id, manifest in manifests(self.bench.data_dir).items()
            if manifest["files"]
        }


class Rfi(Workers):
    """Workers that crawl a world (see `World`)."""

    world: World

    def crawl(
        self, number: int = 1, settings: dict[str, object] | None = None, **o: Any
    ) -> list[str]:
        o.setdefault("edition", ",".join(self.world.codes))
        o.setdefault("via", "rss,news,sitemap")
        return self.start(number, "rfi", settings, **o)

    @property
    def pages(self) -> Counter[Piece]:
        """The articles whose pages were asked, and how often."""
        found = (self.world.piece_at(address) for address in self.addresses)
        return Counter(piece for piece in found if piece is not None)

    def check_records(self) -> None:
        """Each article stands in one file, as it should be; the directory is sound."""
        check(self.bench.data_dir)
        lines = [line for file in records(self.bench.data_dir).values() for line in file]
        found = {line["canonical_url"]: line for line in lines}
        assert len(found) == len(lines)
        expected = {
            self.world.url(piece): self.world.expected(piece) for piece in self.world.pieces
        }
        assert found.keys() == expected.keys()
        for url, fields in expected.items():
            assert {name: found[url][name] for name in fields} == fields

    def check_outcomes(self, *, again: int = 0) -> None:
        """Each article is accounted for once, by whichever worker.

        `again`: of how many of them the worker died when it had written and not told, so that
        another one has found them unchanged.
        """
        outcomes = Counter(outcome for _, outcome in self.outcomes)
        exported = sorted(url for url, outcome in self.outcomes if outcome == "exported")
        assert exported == sorted(map(self.world.url, self.world.pieces))
        assert outcomes.pop("unchanged", 0) <= again
        assert outcomes.keys() == {"exported"}


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def store() -> Iterator[Redis]:
    with Redis() as started:
        yield started


@pytest.fixture
def rfi(launcher: Launcher, store: Redis, tmp_path: Path) -> Iterator[Callable[..., Rfi]]:
    with ExitStack() as servers:

        def start(*args: Any, **options: Any) -> Rfi:
            world = World(*args, **options)
            site = Rfi(tmp_path / "rfi", launcher, servers.enter_context(served(world)), store)
            site.world = world
            return site

        yield start


@pytest.fixture
def bundled(launcher: Launcher, store: Redis, mirror: MirrorServer, tmp_path: Path) -> Workers:
    """Workers on the bundled mirror."""
    return Workers(tmp_path / "bundled", launcher, mirror, store)


# ------------------------------------------------------------------------------------------ together


def test_each_page_is_asked_once(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "fr", "en"], 100)
    site.crawl(4)
    site.all_end()
    assert site.pages == Counter(site.world.pieces)
    site.check_records()
    site.check_outcomes()
    assert len(site.exporters) > 1
    assert site.store.names == []
    # robots.txt is the only thing that each of them asks for
    twice = {address for address, times in Counter(site.addresses).items() if times > 1}
    assert twice <= {"www.rfi.fr/robots.txt"}

    # the next run starts afresh, and finds what this one has kept
    asked = len(site.server.requests)
    site.world.publish(1)
    site.crawl()
    site.all_end()
    again = site.server.requests[asked:]
    assert site.pages == Counter(site.world.pieces)
    assert {request.status for request in again if "sitemaps" not in request.address} == {200}
    site.check_records()
    asked = len(site.server.requests)
    site.crawl(2)
    site.all_end()
    news = [
        each for each in site.server.requests[asked:] if each.address.endswith(("rss", "news.xml"))
    ]
    assert len(news) >= 6  # more, if one was gone before the other came: then there were two runs
    assert {each.status for each in news} == {304}


def test_what_all_say_of_an_article_counts(rfi: Callable[..., Rfi]) -> None:
    """A page waits for every sitemap, for only one of them may tell that it has changed."""
    site = rfi(["cn", "fr"], 40)
    site.crawl()
    site.all_end()
    site.world.publish(1)  # so that the feeds are others, too, and name the pages first
    changed = [Piece("cn", 35), Piece("fr", 30), Piece("fr", 38)]
    for piece in changed:
        site.world.change(piece, site.world.modified(piece) + timedelta(hours=1))
    for code in site.world.codes:
        site.server.add_route(f"www.rfi.fr/sitemaps/{code}/news.xml", {"delay": 0.5})
    asked = site.pages
    site.crawl(3, {"CONCURRENT_REQUESTS_PER_DOMAIN": 8}, via="rss,news")
    site.all_end()
    new = [Piece("cn", 40), Piece("fr", 40)]
    assert site.pages - asked == Counter([*changed, *new])
    check(site.bench.data_dir)


def test_sections(rfi: Callable[..., Rfi]) -> None:
    """Each page of a section is found on the one before it."""
    site = rfi(["cn", "fr"], 60)
    site.crawl(3, via="sections")
    site.all_end()
    assert site.pages == Counter(site.world.pieces)
    site.check_records()
    site.check_outcomes()
    documents = [each for each in site.addresses if not each.endswith("robots.txt")]
    assert len(documents) == len(set(documents))


def told(bench: Bench) -> dict[tuple[str, int], dict[str, Any]]:
    """The records of all files, but for the crawl and its time."""
    own = ("crawled_at", "crawl_id")
    lines = [line for file in records(bench.data_dir).values() for line in file]
    return {
        (line["id"], line["revision"]): {k: v for k, v in line.items() if k not in own}
        for line in lines
    }


@pytest.mark.parametrize("follow", [0, 1])
def test_feedx_gives_what_one_crawl_does(bundled: Workers, tmp_path: Path, follow: int) -> None:
    """Pages, short links, refusals, entries without an address: each handled by some worker."""
    alone = Bench(tmp_path / "alone", bundled.bench.launcher, bundled.server)
    alone.feedx(follow=follow)
    asked = Counter(bundled.addresses)
    bundled.server.requests.clear()
    bundled.server.site._asked.clear()
    bundled.start(3, "feedx", feed=FEED, follow=follow)
    bundled.all_end()
    assert list(Verification([bundled.bench.data_dir]).faults()) == []
    assert told(bundled.bench) == told(alone)
    rows = [row for path in alone.articles.glob(f"*{OUTCOMES}") for row in read_lines(path)]
    assert sorted(bundled.outcomes) == sorted((row["url"], row["outcome"]) for row in rows)
    robots = {each: times for each, times in asked.items() if each.endswith("robots.txt")}
    assert Counter(bundled.addresses) - asked <= Counter(dict.fromkeys(robots, 2))
    assert bundled.store.names == []


def test_one_worker_is_a_fleet(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn"], 40)
    site.crawl()
    site.all_end()
    site.check_records()
    site.check_outcomes()


def test_nothing_to_be_had(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn"], 10)
    site.crawl(2, edition="tw")
    for ended in site.all_end(1):
        assert "Nothing to be had" in ended.log
    assert {each["finish_reason"] for each in manifests(site.bench.data_dir).values()} == {
        "no_feed"
    }
    assert site.store.names == []


# -------------------------------------------------------------------------------------------- killed


def test_killed_at_random(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "fr", "en"], 100)
    chance = random.Random(7)
    names = site.crawl(4, MORTAL)
    for name in chance.sample(names, 2):
        goal = len(site.server.requests) + chance.randrange(20, 100)
        until(lambda goal=goal: len(site.server.requests) >= goal)
        site.kill(name)
    site.all_end()
    site.recover()
    again = site.pages - Counter(site.world.pieces)
    assert again.total() <= 2 * HANDS
    site.check_records()
    site.check_outcomes(again=again.total())


def hold(site: Workers, address: str) -> None:
    """Let an address be answered only after a long while, the first time it is asked."""
    site.server.add_route(address, {"sequence": [{"delay": 30}]})


@pytest.mark.parametrize("what", ["page", "document"])
def test_killed_while_it_waits_for(rfi: Callable[..., Rfi], what: str) -> None:
    """The request returns to the queue, and another worker has it."""
    site = rfi(["cn", "fr"], 40)
    piece = Piece("fr", 20)
    address = {
        "page": site.world.address(piece),
        "document": f"www.rfi.fr/sitemaps/cn/{World.month_name('202402')}",
    }[what]
    hold(site, address)
    names = site.crawl(2, {**MORTAL, "CONCURRENT_REQUESTS_PER_DOMAIN": 2})
    until(lambda: address in site.addresses)
    sought = site.world.url(piece) if what == "page" else address
    name = site.store.has_taken(sought)
    assert name in names
    site.kill(name)
    site.all_end()
    site.recover()
    assert Counter(site.addresses)[address] == 2
    site.check_records()
    site.check_outcomes()


@pytest.mark.parametrize(
    "point",
    [
        Point("half", 5, "write own.jsonl.part"),
        Point("after", 5, "write own.jsonl.part"),  # written, and Redis not told
        Point("after", 1, "replace own.jsonl.part"),  # complete, and gone without a word
        Point("before", 1, "write own.manifest.json.part"),
    ],
    ids=str,
)
def test_killed_at(rfi: Callable[..., Rfi], point: Point) -> None:
    site = rfi(["cn", "fr"], 30)
    (mortal,) = site.crawl(1, MORTAL, kill=point)
    site.crawl(1, MORTAL)
    assert site.ends(mortal).was_killed
    site.all_end()
    site.recover()
    again = site.pages - Counter(site.world.pieces)
    assert again.total() <= HANDS
    site.check_records()
    site.check_outcomes(again=again.total())
    until(lambda: not [name for name in site.store.names if ":alive:" in name])
    asked = len(site.server.requests)
    site.crawl()  # a run of its own
    site.all_end()
    assert "www.rfi.fr/fr/rss" in site.addresses[asked:]
    assert site.store.names == []


def test_all_killed_and_started_again(rfi: Callable[..., Rfi]) -> None:
    """The run goes on where it was."""
    site = rfi(["cn", "fr"], 60)
    for name in site.crawl(2, MORTAL):
        goal = len(site.server.requests) + 40
        until(lambda goal=goal: len(site.server.requests) >= goal)
        site.kill(name)
    site.all_end()
    asked = len(site.server.requests)
    site.crawl(2)
    site.all_end()
    site.recover()
    site.check_records()
    site.check_outcomes(again=2 * HANDS)
    documents = [each.address for each in site.server.requests[asked:]]
    assert not [each for each in documents if each.endswith(("rss", "index.xml"))]


def test_silent_for_longer_than_its_lease(rfi: Callable[..., Rfi]) -> None:
    """What a worker had taken that was thought dead is done twice, and exported once."""
    site = rfi(["cn", "fr"], 60)
    first, _ = site.crawl(2, MORTAL)
    until(lambda: len(site.server.requests) >= 40)
    site.running[first].send(signal.SIGSTOP)
    until(lambda: site.store.taken(first) == 0)
    site.running[first].send(signal.SIGCONT)
    for name in list(site.running):
        site.ends(name)
    site.check_records()


# ------------------------------------------------------------------------------------------- stopped


def test_one_is_stopped(rfi: Callable[..., Rfi]) -> None:
    """What it had not begun returns to the queue at once; others account for it."""
    site = rfi(["cn", "fr"], 60, latency=0.01)
    first, _ = site.crawl(2)
    until(lambda: len(site.server.requests) >= 40)
    site.running[first].send(signal.SIGTERM)
    site.ends(first, 1)
    site.all_end()
    site.check_records()
    site.check_outcomes()
    assert site.pages == Counter(site.world.pieces)
    reasons = [each["finish_reason"] for each in manifests(site.bench.data_dir).values()]
    assert sorted(reasons) == ["finished", "shutdown"]


def test_all_are_stopped_and_started_again(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "fr"], 60, latency=0.01)
    site.crawl(2)
    until(lambda: len(site.server.requests) >= 40)
    for running in site.running.values():
        running.send(signal.SIGTERM)
    site.all_end(1)
    assert site.pages.total() < len(site.world.pieces)
    site.crawl(2)
    site.all_end()
    site.check_records()
    site.check_outcomes()
    assert site.pages == Counter(site.world.pieces)
    assert site.store.names == []


# -------------------------------------------------------------------------------------------- polite


def most_in(requests: list[Request], seconds: float) -> int:
    """The most requests that arrived within so long, in any place of the log."""
    times = sorted(request.time for request in requests)
    most = first = 0
    for number, moment in enumerate(times):
        while moment - times[first] >= seconds:
            first += 1
        most = max(most, number - first + 1)
    return most


def test_one_rate_for_all(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn"], 40)
    site.crawl(3, {"DOWNLOAD_DELAY": 0.04, "CONCURRENT_REQUESTS_PER_DOMAIN": 8})
    site.all_end()
    assert most_in(site.server.requests, 1) <= 25 + 1
    assert most_in(site.server.requests, 0.4) <= 10 + 1
    site.check_records()


def test_one_at_a_time_for_all(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn"], 10, latency=0.1)
    site.crawl(3, {"DOWNLOAD_DELAY": 0}, via="rss")
    site.all_end()
    assert most_in(site.server.requests, 0.1) == 1
    site.check_records()


def test_pause_for_all(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "fr"], 30, latency=0.01)
    address = site.world.address(Piece("fr", 20))
    refusal = {"status": 429, "headers": {"Retry-After": "1"}}
    site.server.add_route(address, {"sequence": [refusal]})
    site.crawl(3)
    site.all_end()
    (refused, granted) = [each.time for each in site.server.requests if each.address == address]
    assert granted - refused >= 1
    meanwhile = [each for each in site.server.requests if refused < each.time < refused + 0.95]
    assert meanwhile == []
    site.check_records()
    site.check_outcomes()


def test_left_alone_by_all(rfi: Callable[..., Rfi]) -> None:
    """Refusals in a row are those of all workers together."""
    site = rfi(["cn", "fr"], 30, latency=0.01)
    for piece in site.world.pieces:
        site.server.add_route(site.world.address(piece), {"status": 403})
    site.crawl(3, {"RFINEWS_REFUSALS_MAX": 12})
    site.all_end()
    assert [each.status for each in site.server.requests][-13:] == [200] + 12 * [403]
    assert Counter(outcome for _, outcome in site.outcomes) == {"http_403": 60}
    assert len(site.outcomes) == len(dict(site.outcomes))
    check(site.bench.data_dir)
    assert site.store.names == []


def test_errors_are_asked_again_in_the_next_run(rfi: Callable[..., Rfi]) -> None:
    """No validators are kept of feeds of which any worker has lost something."""
    site = rfi(["cn", "fr"], 30)
    lost = Piece("fr", 20)
    site.server.add_route(site.world.address(lost), {"status": 500})
    site.crawl(2)
    site.all_end()
    site.server.site._routes.clear()
    site.crawl(2)
    site.all_end()
    site.check_records()


# -------------------------------------------------------------------------------------- without Redis


def error_lines(ended: Ended) -> list[str]:
    return [line for line in ended.log.splitlines() if " ERROR: " in line]


def test_not_reachable_at_the_start(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn"], 10)
    site.store.stop()
    site.crawl()
    (ended,) = site.all_end(1)
    (line,) = error_lines(ended)
    assert f"Cannot use Redis at {site.store.socket}: " in line
    assert site.addresses == []
    assert site.bench.names == set()
    site.store.start()
    site.crawl()
    site.all_end()
    site.check_records()


@pytest.mark.parametrize("loss", ["gone", "emptied"])
def test_lost_in_the_middle(rfi: Callable[..., Rfi], loss: str) -> None:
    """What was gathered is complete, and the next run does the rest."""
    site = rfi(["cn", "fr"], 60, latency=0.01)
    site.crawl(2)
    until(lambda: len(site.server.requests) >= 60)
    if loss == "gone":
        site.store.stop()
    else:
        site.store.client.flushall()
    for ended in site.all_end(1):
        assert len(error_lines(ended)) == 1, ended.log
        assert "Redis at" in error_lines(ended)[0]
    check(site.bench.data_dir)
    reasons = {each["finish_reason"] for each in manifests(site.bench.data_dir).values()}
    assert reasons == {"no_redis"}
    exported = {url for url, outcome in site.outcomes if outcome == "exported"}
    assert len(exported) > 20
    if loss == "gone":
        site.store.start()
    site.crawl(2)
    site.all_end()
    site.check_records()
    assert max(site.pages.values()) <= 2


# ---------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RFINEWS_REDIS_URL": "http://127.0.0.1"}, "RFINEWS_REDIS_URL must be redis://HOST:PORT"),
        ({"RFINEWS_REDIS_URL": "redis://127.0.0.1:port"}, "RFINEWS_REDIS_URL must be"),
        ({"RFINEWS_FLEET_LEASE": "0"}, "RFINEWS_FLEET_LEASE must be at least 1"),
        ({"RFINEWS_FLEET_LEASE": "soon"}, "RFINEWS_FLEET_LEASE must be a number, not 'soon'"),
    ],
)
def test_malformed(bundled: Workers, settings: dict[str, object], said: str) -> None:
    bundled.start(1, "feedx", settings)
    (ended,) = bundled.all_end(2)
    (line,) = ended.log.splitlines()
    assert line.startswith(f"scrapy crawl: {said}")


def test_without_the_setting_redis_is_not_imported(mirror: MirrorServer, tmp_path: Path) -> None:
    crawl = arguments("feedx", tmp_path / "data", {"RFINEWS_MIRROR": mirror.url}, follow=1)
    code = f"""
import sys
from scrapy.cmdline import execute
try:
    execute(["scrapy", *{crawl!r}])
finally:
    print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=crawl_environment(tmp_path / "data", mirrored=True),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = done.stdout.split()
    assert "rfinews.spiders.feedx" in imported
    assert not [name for name in imported if "redis" in name or name == "rfinews.worker"]


def test_the_archive_spider_shares_nothing(bundled: Workers) -> None:
    """It reads this machine's files."""
    bundled.store.stop()
    bundled.start(1, "archive", path=PROJECT / "fixtures" / "archive")
    bundled.all_end()
    assert records(bundled.bench.data_dir)
    bundled.store.start()


def test_what_stands_in_redis_runs_nothing() -> None:
    from rfinews.worker import Plain

    request = {"url": "https://www.rfi.fr/", "callback": "parse_page", "meta": {"x": (1, b"2")}}
    assert Plain.loads(Plain.dumps(request)) == request
    with pytest.raises(pickle.UnpicklingError, match=r"has no place in a request"):
        Plain.loads(pickle.dumps({"url": os.system}))


def test_scrapy_redis_is_the_one_that_was_tried() -> None:
    assert importlib.metadata.version("scrapy-redis") == "0.9.1"


# ------------------------------------------------------------------------------------------ as a whole


@contextlib.contextmanager
def demonstration(world: World) -> Iterator[Rfi]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Launcher() as launcher,
        Redis() as store,
        served(world) as server,
    ):
        site = Rfi(Path(folder), launcher, server, store)
        site.world = world
        yield site


def large(articles: int, **options: Any) -> World:
    codes = ("cn", "fr", "en", "fa")
    return World(codes, articles // len(codes), gap=timedelta(hours=2), **options)


def full(articles: int, rate: float) -> Iterator[str]:
    """Show what several workers do together, in lines."""
    settings: dict[str, object] = {
        "DOWNLOAD_DELAY": 1 / rate,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
        "RFINEWS_FLEET_LEASE": 10,
    }
    for kills in (0, 2):
        with demonstration(large(articles)) as site:
            yield f"4 workers, {articles:,} articles, at most {rate:g} requests a second, {kills} killed"
            began = time.monotonic()
            names = site.crawl(4, settings, timeout=3600)
            for name in random.Random(kills).sample(names, kills):
                goal = len(site.server.requests) + random.randrange(articles // 10, articles // 3)
                until(lambda goal=goal: len(site.server.requests) >= goal, 3600)
                site.kill(name)
                yield f"  {name} killed after {len(site.server.requests):,} requests"
            site.all_end()
            seconds = time.monotonic() - began
            if kills:
                site.recover()
            again = (site.pages - Counter(site.world.pieces)).total()
            assert site.pages.keys() == set(site.world.pieces)
            assert again <= kills * HANDS
            yield f"  every page asked, {again} of them twice; {seconds:.0f} s"
            site.check_records()
            site.check_outcomes(again=again)
            assert site.store.names == []
            files = {path.name: len(lines) for path, lines in records(site.bench.data_dir).items()}
            yield f"  each article in one of {len(files)} files {sorted(files.values())}, verified"
            for window in (1, 10, 60):
                most = most_in(site.server.requests, window)
                yield f"  most requests in {window} s: {most:,} of {rate * window:,.0f} allowed"
                assert most <= rate * window + 1


def speed(articles: int) -> Iterator[str]:
    """Tell articles a second for a crawl of its own and for one, two and four workers."""
    yield f"{articles:,} articles, a server that answers after 50 ms, articles a second"
    settings: dict[str, object] = {"DOWNLOAD_DELAY": 0, "CONCURRENT_REQUESTS_PER_DOMAIN": 64}
    for at_once in (4, 16):
        for number in (0, 1, 2, 4):
            with demonstration(large(articles, latency=0.05)) as site:
                own = {"RFINEWS_REDIS_URL": ""} if not number else {}
                every = settings | own | {"CONCURRENT_REQUESTS": at_once}
                site.crawl(number or 1, every)
                site.all_end()
                assert site.pages == Counter(site.world.pieces)
                times = [
                    request.time
                    for request in site.server.requests
                    if site.world.piece_at(request.address) is not None
                ]
                pace = len(times) / (max(times) - min(times))
                yield f"  CONCURRENT_REQUESTS={at_once}, {number or 'no'} workers: {pace:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="20,000 articles")
    parser.add_argument("--articles", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--only", choices=("together", "speed"))
    given = parser.parse_args()
    articles = 20_000 if given.full else given.articles
    if given.only != "speed":
        for line in full(articles, given.rate):
            print(line, flush=True)
    if given.only != "together":
        for line in speed(articles // 10):
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
