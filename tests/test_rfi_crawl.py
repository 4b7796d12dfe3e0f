"""``scrapy crawl rfi`` in whole mirrors of RFI: each article once, whatever leads to it.

python -m tests.test_rfi_crawl --full    # 16 editions × 3,000 articles, some minutes
"""

import argparse
import json
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.server import MirrorServer, Request
from tests.conftest import read_lines
from tests.crashes import Bench, Launcher, Running, until
from tests.generated import CODES, IN_FEED, IN_NEWS, ON_PAGE, Piece, World, paris_month, served

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Done:
    """What one crawl did."""

    status: int
    log: str
    records: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    manifest: dict[str, Any]
    requests: list[Request]

    @property
    def addresses(self) -> list[str]:
        return [request.address for request in self.requests]

    @property
    def canonical(self) -> list[str]:
        return [record["canonical_url"] for record in self.records]

    @property
    def changes(self) -> Counter[str]:
        return Counter(record["change"] for record in self.records)

    def outcome(self, url: str) -> str:
        (row,) = [row for row in self.outcomes if row["url"] == url]
        return f"{row['outcome']}"


class Rfi:
    """A world on a server, and crawls of it in one data directory."""

    def __init__(
        self, folder: Path, launcher: Launcher, world: World, server: MirrorServer
    ) -> None:
        self.world, self.server = world, server
        self.bench = Bench(folder, launcher, server)

    def start(self, settings: dict[str, object] | None = None, **options: Any) -> Running:
        self.known = self.bench.names
        self.asked = len(self.server.requests)
        options.setdefault("edition", ",".join(self.world.codes))
        return self.bench.start("rfi", settings, **options)

    def crawl(
        self, settings: dict[str, object] | None = None, status: int = 0, **options: Any
    ) -> Done:
        done = self.end(self.start(settings, **options))
        assert done.status == status, done.log
        return done

    def end(self, running: Running) -> Done:
        ended = running.wait()
        assert "Traceback" not in ended.log, ended.log
        added = sorted(self.bench.names - self.known)
        files: dict[str, list[dict[str, Any]]] = {"records": [], "outcomes": []}
        manifest: dict[str, Any] = {}
        for name in added:
            path = self.bench.articles / name
            assert not name.endswith(".part")
            if name.endswith(".manifest.json"):
                manifest = json.loads(path.read_bytes())
            else:
                files["outcomes" if ".outcomes." in name else "records"] += read_lines(path)
        done = Done(
            ended.status,
            ended.log,
            **files,
            manifest=manifest,
            requests=self.server.requests[self.asked :],
        )
        assert sum(manifest["outcomes"].values()) == len(done.outcomes)
        assert manifest["outcomes"] == Counter(row["outcome"] for row in done.outcomes)
        assert len({row["url"] for row in done.outcomes}) == len(done.outcomes)
        assert sum(file["lines"] for file in manifest["files"]) == len(done.records)
        return done

    def pages(self, done: Done) -> Counter[Piece]:
        """The articles whose pages were asked, and how often."""
        found = (self.world.piece_at(address) for address in done.addresses)
        return Counter(piece for piece in found if piece is not None)

    def documents(self, done: Done) -> list[str]:
        """Everything else that was asked."""
        return [each for each in done.addresses if self.world.piece_at(each) is None]

    def refuse(self, pieces: list[Piece], status: int = 403) -> None:
        for piece in pieces:
            self.server.add_route(self.world.address(piece), {"status": status})

    def relent(self) -> None:
        self.server.site._routes.clear()


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def rfi(launcher: Launcher, tmp_path: Path) -> Iterator[Callable[..., Rfi]]:
    """Serve a world (see `World`) for crawls."""
    with ExitStack() as servers:

        def start(*args: Any, **options: Any) -> Rfi:
            world = World(*args, **options)
            return Rfi(tmp_path / "rfi", launcher, world, servers.enter_context(served(world)))

        yield start


def check_records(world: World, done: Done, pieces: list[Piece]) -> None:
    """Each of the articles is exported once, with the content it has; nothing else is."""
    records = {record["canonical_url"]: record for record in done.records}
    assert len(records) == len(done.records)
    expected = {world.url(piece): world.expected(piece) for piece in pieces}
    assert records.keys() == expected.keys()
    for url, fields in expected.items():
        assert {name: records[url][name] for name in fields} == fields


def urls(world: World, pieces: list[Piece]) -> list[str]:
    return sorted(map(world.url, pieces))


# ---------------------------------------------------------------------------------------- discovery


def documents(world: World, code: str, routes: set[str]) -> int:
    """How many feeds, sitemaps and listings an edition's routes take."""
    pieces = world.of(code)
    number = len(routes & {"rss", "news"})
    if "sitemap" in routes:
        number += 1 + len({paris_month(world.published(piece)) for piece in pieces})
    if "sections" in routes:
        sections = Counter(world.section(piece) for piece in pieces)
        number += 1 + sum(ceil(count / ON_PAGE) for count in sections.values())
    return number


@pytest.mark.parametrize(
    ("via", "newest"),
    [
        (None, IN_NEWS),
        ("rss", IN_FEED),
        ("news", IN_NEWS),
        ("sitemap", None),
        ("sections", None),
        ("rss,sitemap", None),
        ("news,rss", IN_NEWS),
    ],
)
def test_each_article_once_by_any_route(
    rfi: Callable[..., Rfi], via: str | None, newest: int | None
) -> None:
    site = rfi(["cn", "fr", "fa"], 60)
    world = site.world
    done = site.crawl(**({"via": via} if via else {}))
    pieces = [piece for code in world.codes for piece in world.of(code)[:newest]]
    check_records(world, done, pieces)
    assert site.pages(done) == Counter(pieces)
    assert done.manifest["outcomes"] == {"exported": len(pieces)}
    routes = set((via or "rss,news").split(","))
    overhead = 1 + sum(documents(world, code, routes) for code in world.codes)
    assert len(site.documents(done)) == overhead
    assert len(set(done.addresses)) == len(done.addresses)


def test_sections_beside_other_routes(rfi: Callable[..., Rfi]) -> None:
    """What the news sitemap names, too, is not the end of a section."""
    site = rfi(["en"], 120)
    done = site.crawl(via="news,sections")
    assert sorted(done.canonical) == urls(site.world, site.world.pieces)
    assert max(site.pages(done).values()) == 1


def test_all_editions_by_all_routes(rfi: Callable[..., Rfi]) -> None:
    site = rfi()
    world = site.world
    done = site.crawl(edition="all", via="all")
    check_records(world, done, world.pieces)
    assert site.pages(done) == Counter(world.pieces)
    most = sum(documents(world, code, {"rss", "news", "sitemap", "sections"}) for code in CODES)
    lost = [row for row in done.outcomes if row["outcome"] != "exported"]
    assert [row["url"].split("/")[2] for row in lost] == ["www.rfi.ro"] * len(lost)
    of_romania = [address for address in done.addresses if address.startswith("www.rfi.ro/")]
    assert len(site.documents(done)) - len(of_romania) <= 1 + most


# ---------------------------------------------------------------------------------- and politely


def test_delay_is_kept(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["en"], 7)
    done = site.crawl({"DOWNLOAD_DELAY": 0.2}, via="news,sections")
    times = [request.time for request in done.requests]
    assert len(times) > 10
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.095


def test_robots_txt_is_kept(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en"], 30)
    world = site.world
    world.disallowed = ["/en/podcasts/", "/cn/国际/", "/sitemaps/cn/contents_202402"]
    done = site.crawl(via="all")
    refused = (
        "www.rfi.fr/en/podcasts/",
        "www.rfi.fr/cn/国际/",
        "www.rfi.fr/sitemaps/cn/contents_202402",
    )
    assert not [address for address in done.addresses if address.startswith(refused)]
    pieces = [piece for piece in world.pieces if not world.address(piece).startswith(refused)]
    lost = [piece for piece in world.pieces if piece not in pieces]
    check_records(world, done, pieces)
    assert {done.outcome(world.url(piece)) for piece in lost} == {"robots"}
    again = site.crawl(via="all")
    assert not site.pages(again)
    assert again.records == []


# ------------------------------------------------------------------------------------------- faults


def test_all_that_can_be_had_of_a_faulty_site(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "fr", "ru", "vi"], 60, faulty=True)
    world = site.world
    done = site.crawl(via="all")
    kinds = {piece: world.fault(piece) for piece in world.pieces}
    lasting = {"500": "http_500", "403": "http_403", "cut": "network"}
    assert set(lasting) < set(kinds.values()) >= {"500 once", "cut once", "slow"}
    good = [piece for piece, kind in kinds.items() if kind not in lasting]
    check_records(world, done, good)
    for piece, kind in kinds.items():
        assert done.outcome(world.url(piece)) == lasting.get(kind, "exported")
        times = {"500": 3, "cut": 3, "500 once": 2, "cut once": 2}.get(kind, 1)
        assert site.pages(done)[piece] == times, kind
    assert done.manifest["outcomes"] == Counter(
        lasting.get(kind, "exported") for kind in kinds.values()
    )
    assert "left_alone" not in done.manifest or not done.manifest["left_alone"]
    world.faulty = False
    healed = site.crawl(via="sitemap")
    check_records(world, healed, [piece for piece in world.pieces if piece not in good])


def test_host_that_refuses_is_left_alone(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en"], 60)
    site.refuse(site.world.pieces)
    done = site.crawl({"RFINEWS_REFUSALS_MAX": 7}, via="sitemap")
    assert site.pages(done).total() == 7
    assert done.records == []
    assert done.manifest["outcomes"] == {"http_403": 120}
    assert done.manifest["left_alone"] == {"www.rfi.fr": "refused 7 requests in a row"}
    site.relent()
    again = site.crawl(via="sitemap")
    check_records(site.world, again, site.world.pieces)


def test_soft_errors_are_no_articles(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en", "ru"], 22)
    world = site.world
    lost = [Piece(code, number) for code in world.codes for number in (4, 7, 13)]
    for piece in lost:
        said = piece.edition.missing[0]
        html = (
            f"<html><head><title>{said} - RFI</title></head><body><main><h1>{said}</h1><p>404</p>"
        )
        site.server.add_page(world.address(piece), html.encode())
    done = site.crawl(via="rss")
    check_records(world, done, [piece for piece in world.pieces if piece not in lost])
    assert {done.outcome(world.url(piece)) for piece in lost} == {"parse"}


def test_changed_layout(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en", "fr", "fa"], 22)
    world = site.world
    world.layout = "new"
    done = site.crawl({"LOG_LEVEL": "INFO"}, via="rss")
    assert sorted(done.canonical) == urls(world, world.pieces)
    for record in done.records:
        piece = world.piece_at(f"www.rfi.fr{world.path(_piece(world, record))}")
        assert piece is not None
        assert record["headline"] == piece.headline
        assert record["article_body"].split("\n\n")[-3:] == piece.body(1)[-3:]
    assert all("trafilatura" in row["detail"] for row in done.outcomes)
    assert f"'rfinews/selector/body:trafilatura': {len(world.pieces)}" in done.log


def _piece(world: World, record: dict[str, Any]) -> Piece:
    return next(piece for piece in world.pieces if world.url(piece) == record["canonical_url"])


@pytest.mark.parametrize("status", [404, 403, 200])
def test_nothing_to_be_had(rfi: Callable[..., Rfi], status: int) -> None:
    site = rfi(["cn", "en"], 5)
    for code in site.world.codes:
        for name in (f"{code}/rss", f"sitemaps/{code}/news.xml"):
            site.server.add_route(f"www.rfi.fr/{name}", {"status": status})
            site.server.add_page(f"www.rfi.fr/{name}", b"<html><body><h1>Sorry</h1>")
    done = site.crawl(status=1)
    assert done.manifest["finish_reason"] == "no_feed"
    assert done.log.count(" ERROR: ") == 1
    assert "Nothing to be had" in done.log
    assert done.manifest["outcomes"] == {"parse" if status == 200 else f"http_{status}": 4}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "-a edition=… is missing"),
        ({"edition": "xx"}, "there is no 'xx'"),
        ({"edition": "cn,"}, "edition takes"),
        ({"edition": "cn", "since": "yesterday"}, "since takes a date"),
        ({"edition": "cn", "until": "2024-02-30"}, "until takes a date"),
        (
            {"edition": "cn", "since": "2024-02-02", "until": "2024-02-01"},
            "since is later than until",
        ),
        ({"edition": "cn", "via": "atom"}, "there is no 'atom'"),
        ({"edition": "cn", "summaries": "yes"}, "summaries takes 0 or 1"),
        ({"edition": "cn", "bogus": "1"}, "unknown argument bogus"),
    ],
)
def test_wrong_arguments(
    launcher: Launcher, tmp_path: Path, arguments: dict[str, str], says: str
) -> None:
    bench = Bench(tmp_path / "rfi", launcher)
    ended = bench.start("rfi", **arguments).wait()
    assert ended.status == 2
    assert ended.log.count("\n") == 1
    assert ended.log.startswith("scrapy crawl: ")
    assert says in ended.log
    assert bench.names == set()


# -------------------------------------------------------------------------------------- incremental


def test_second_crawl_asks_what_is_new(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en", "fa"], 60)
    world = site.world
    site.crawl(via="all")
    unchanged = site.crawl(via="all")
    assert not site.pages(unchanged)
    assert set(unchanged.manifest["outcomes"]) <= {"unchanged"}
    assert unchanged.records == []

    world.publish(10)
    long_past = [Piece(code, 8 * number) for code in world.codes for number in range(2, 5)]
    recent = [Piece("cn", number) for number in range(1, 40, 4)] + [Piece("fa", 59)]
    for piece in long_past:
        world.change(piece, world.modified(piece) + 2 * HOUR)
    for piece in recent:
        world.change(piece, datetime.now(UTC))
    changed = [*long_past, *recent]
    new = [piece for piece in world.pieces if piece.number >= 60]
    assert (len(new), len(changed)) == (30, 20)
    news = site.crawl(via="all")
    assert site.pages(news) == Counter(new + changed)
    assert news.changes == {"new": 30, "update": 20}
    check_records(world, news, new + changed)
    assert not site.pages(site.crawl(via="all"))


def test_lastmod_alone_is_no_update(rfi: Callable[..., Rfi]) -> None:
    """The page is asked, once."""
    site = rfi(["en"], 20)
    site.crawl(via="sitemap")
    piece = Piece("en", 5)
    site.world.versions[piece] = (1, site.world.modified(piece) + HOUR)
    done = site.crawl(via="sitemap")
    assert site.pages(done) == {piece: 1}
    assert done.records == []
    assert not site.pages(site.crawl(via="sitemap"))


def test_what_was_sent_in_many_files_is_remembered(rfi: Callable[..., Rfi]) -> None:
    """Also what sitemaps said of articles whose file was still growing."""
    site = rfi(["en"], 40)
    site.crawl({"RFINEWS_ROTATE_ITEMS": 3}, via="sitemap")
    with sqlite3.connect(site.bench.data_dir / "state" / "known.sqlite") as db:
        (number,) = db.execute("SELECT count(*) FROM articles WHERE lastmod IS NULL").fetchone()
    assert number == 0


@pytest.mark.parametrize("via", ["sitemap", "sections"])
def test_what_failed_is_asked_again(rfi: Callable[..., Rfi], via: str) -> None:
    """Also where a page leads to it that has not changed."""
    site = rfi(["en"], 100)
    lost = [Piece("en", 31), Piece("en", 12), Piece("en", 7)]
    site.refuse(lost, 500)
    first = site.crawl(via=via)
    assert first.manifest["outcomes"] == {"exported": 97, "http_500": 3}
    site.relent()
    done = site.crawl(via=via)
    assert site.pages(done) == Counter(lost)
    check_records(site.world, done, lost)


@pytest.mark.parametrize("via", ["sitemap", "sections"])
def test_crawl_that_is_stopped_goes_on_next_time(rfi: Callable[..., Rfi], via: str) -> None:
    site = rfi(["cn", "en"], 100)
    world = site.world
    running = site.start({"DOWNLOAD_DELAY": 0.01}, via=via)
    begun = len(site.documents(Done(0, "", [], [], {}, site.server.requests)))
    until(lambda: len(site.server.requests) >= begun + 100)
    running.send(signal.SIGTERM)
    first = site.end(running)
    assert first.status == 1
    assert first.manifest["finish_reason"] == "shutdown"
    had = {_piece(world, record) for record in first.records}
    assert 0 < len(had) < 200
    assert first.manifest["outcomes"]["exported"] == len(had)
    if via == "sitemap":
        assert first.manifest["outcomes"] == {"exported": len(had), "unfetched": 200 - len(had)}
    rest = [piece for piece in world.pieces if piece not in had]
    second = site.crawl(via=via)
    assert site.pages(second) == Counter(rest)
    check_records(world, second, rest)


def test_young_articles_are_asked_again(rfi: Callable[..., Rfi]) -> None:
    """After an hour, then at twice their age, until they are two days old."""
    end = datetime.now(UTC)
    site = rfi(["en"], 30, end=end, gap=timedelta(minutes=130))
    world = site.world
    site.crawl()

    def following(piece: Piece, now: datetime) -> datetime | None:
        at = now + max(HOUR, now - world.published(piece))
        return at if at - world.published(piece) <= 48 * HOUR else None

    due = {piece: following(piece, end) for piece in world.pieces}
    for hours in (0.5, 1.2, 2.6, 5.7, 12.8, 30.9, 60):
        now = end + timedelta(hours=hours)
        expected = {piece for piece, at in due.items() if at is not None and at <= now}
        if hours == 5.7:
            changed = min(expected)
            world.versions[changed] = (2, world.modified(changed))
        done = site.crawl(clock=hours * 3600)
        assert set(site.pages(done)) == expected, hours
        assert done.changes == ({"update": 1} if hours == 5.7 else {})
        due |= {piece: following(piece, now) for piece in expected}
    assert not any(due.values())


# ------------------------------------------------------------------------------------- since, until


@pytest.mark.parametrize("via", ["sitemap", "all"])
def test_since_and_until_are_dates(rfi: Callable[..., Rfi], via: str) -> None:
    site = rfi(["cn", "en"], 60)
    world = site.world
    options = {"since": "2024-02-10", "until": "2024-02-20", "via": via}
    done = site.crawl(**options)
    first = datetime(2024, 2, 9, 23, tzinfo=UTC)
    last = datetime(2024, 2, 20, 22, 59, 59, tzinfo=UTC)
    wanted = [piece for piece in world.pieces if first <= world.published(piece) <= last]
    assert len(wanted) > 10
    check_records(world, done, wanted)
    months = [address for address in site.documents(done) if "/contents_" in address]
    assert sorted(months) == [
        f"www.rfi.fr/sitemaps/{code}/contents_202402.xml.gz" for code in world.codes
    ]
    for piece in site.pages(done):
        if not piece.is_undated:
            assert first - 72 * HOUR <= world.published(piece) <= last + 72 * HOUR
    again = site.crawl(**options)
    assert again.records == []
    assert not site.pages(again)


@pytest.mark.parametrize(("since", "hours"), [("3d", 72), ("12h", 12), ("90m", 1.5)])
def test_since_is_how_long_ago(rfi: Callable[..., Rfi], since: str, hours: float) -> None:
    end = datetime.now(UTC)
    site = rfi(["tw", "en"], 160, end=end, gap=timedelta(minutes=61))
    world = site.world
    done = site.crawl(since=since)
    limit = end - timedelta(hours=hours)
    wanted = [piece for piece in world.pieces if world.published(piece) >= limit]
    check_records(world, done, wanted)
    asked = {each.partition("contents_")[2][:6] for each in site.documents(done)} - {""}
    assert asked <= {paris_month(end), paris_month(limit - 24 * HOUR)}


def test_archives_of_that_time_are_followed(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["fr"], 200)
    world = site.world
    done = site.crawl(via="sections", since="2023-08-10", until="2023-08-20")
    first = datetime(2023, 8, 9, 22, tzinfo=UTC)
    last = datetime(2023, 8, 20, 21, 59, 59, tzinfo=UTC)
    wanted = [piece for piece in world.pieces if first <= world.published(piece) <= last]
    assert len(wanted) >= 7
    check_records(world, done, wanted)
    archives = [each.partition("/archives/")[2] for each in done.addresses if "/archives/" in each]
    assert {each for each in archives if each.count("/") < 2} == {"2023", "2023/08"}
    days = {int(each[8:10]) for each in archives if each.count("/") == 2}
    assert days <= set(range(9, 22))
    assert {world.published(piece).day for piece in wanted} <= days


# ---------------------------------------------------------------------------------- refused, aliases


def test_summaries_until_the_pages_are_had(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en", "fa"], IN_FEED)
    world = site.world
    site.refuse(world.pieces)
    patient = {"RFINEWS_REFUSALS_MAX": 1000}
    first = site.crawl(patient, via="rss", summaries=1)
    assert sorted(first.canonical) == urls(world, world.pieces)
    assert first.changes == {"new": len(world.pieces)}
    for record in first.records:
        piece = _piece(world, record)
        assert record["headline"] == piece.headline
        assert record["description"] == piece.standfirst
        assert record["article_body"] == record["article_body_html"] == ""
        assert record["date_published"] == world.expected(piece)["date_published"]
        assert [image["url"] for image in record["images"]] == [piece.image]
        assert [audio["url"] for audio in record["audios"]] == [piece.audio] * piece.is_podcast
    assert all("403" in row["detail"] for row in first.outcomes)

    refused_again = site.crawl(patient, via="rss", summaries=1)
    assert refused_again.records == []
    site.relent()
    second = site.crawl(via="rss", summaries=1)
    check_records(world, second, world.pieces)
    assert second.changes == {"update": len(world.pieces)}
    assert {record["revision"] for record in second.records} == {2}
    third = site.crawl(via="rss", summaries=1)
    assert third.records == []
    assert not site.pages(third)


def test_without_summaries_nothing_is_made_up(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en"], IN_FEED)
    site.refuse(site.world.pieces)
    done = site.crawl({"RFINEWS_REFUSALS_MAX": 1000}, via="rss")
    assert done.records == []
    assert done.manifest["outcomes"] == {"http_403": 2 * IN_FEED}
    assert site.pages(done) == Counter(site.world.pieces)


def give_other_addresses(site: Rfi) -> dict[Piece, str]:
    """Let the feed have other addresses, which redirect; return those that have to be asked."""
    world, server = site.world, site.server
    asked = {}
    for piece in world.pieces:
        path = world.path(piece)
        behind = path.removeprefix(f"/{piece.code}")
        legacy = {"cn": "cn.rfi.fr", "en": "en.rfi.fr"}[piece.code]
        link = {
            0: f"https://rfi.my/{piece.code}{piece.number}.W",
            1: f"http://{legacy}{behind}" if not piece.is_undated else "",
            2: f"https://amp.rfi.fr{path}",
            3: f"https://www.rfi.fr{path}/amp?x=1",
        }.get(piece.number % 5, "")
        if not link:
            continue
        world.links[piece] = link
        if piece.number % 5 < 2:
            address = link.partition("://")[2]
            asked[piece] = address
            server.add_route(address, {"status": 301, "location": world.url(piece)})
    return asked


def test_other_addresses_in_the_feed(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en"], IN_FEED)
    world = site.world
    asked = give_other_addresses(site)
    first = site.crawl(via="rss")
    check_records(world, first, world.pieces)
    assert site.pages(first) == Counter(world.pieces)
    assert {first.addresses.count(address) for address in asked.values()} == {1}
    assert first.manifest["outcomes"] == {"exported": len(world.pieces)}

    world.publish(1)  # so that the feed is another one
    second = site.crawl(via="rss")
    assert not set(second.addresses) & set(asked.values())
    assert site.pages(second) == Counter(piece for piece in world.pieces if piece.number == IN_FEED)
    assert len(second.records) == 2


def test_other_addresses_beside_the_articles_own(rfi: Callable[..., Rfi]) -> None:
    site = rfi(["cn", "en"], IN_FEED)
    world = site.world
    asked = give_other_addresses(site)
    first = site.crawl(via="rss,sitemap")
    check_records(world, first, world.pieces)
    assert first.manifest["outcomes"].keys() <= {"exported", "duplicate", "unchanged"}
    second = site.crawl(via="rss,sitemap")
    assert not set(second.addresses) & set(asked.values())
    assert not site.pages(second)


def test_each_page_is_asked_once_for_each_of_its_addresses(rfi: Callable[..., Rfi]) -> None:
    """Where another address leads is not known before it is asked."""
    site = rfi(["cn", "en"], IN_FEED)
    others = give_other_addresses(site)
    first = site.crawl(via="rss,sitemap")
    most = Counter(site.world.pieces) + Counter(others.keys())
    assert Counter(site.world.pieces) <= site.pages(first) <= most


# ----------------------------------------------------------------------------------- as large as RFI


def full(articles: int = 3_000, *, faulty: bool = False) -> Iterator[str]:
    """Crawl 16 editions, twice, then what is new; tell in lines what that took."""
    with tempfile.TemporaryDirectory() as folder, Launcher() as launcher:
        world = World(articles=articles, gap=timedelta(minutes=30), faulty=faulty)
        with served(world) as server:
            site = Rfi(Path(folder), launcher, world, server)
            yield f"{len(world.pieces):,} articles, {faulty=}"
            yield from _timed(site, lambda: _first(site))
            yield from _timed(site, lambda: _again(site))


def _timed(site: Rfi, work: Callable[[], Iterator[str]]) -> Iterator[str]:
    began = time.monotonic()
    yield from work()
    yield f"  {time.monotonic() - began:.0f} s"


def _run(site: Rfi, samples: dict[int, float] | None = None) -> Done:
    settings: dict[str, object] = {"CONCURRENT_REQUESTS_PER_DOMAIN": 8, "DOWNLOAD_DELAY": 0}
    site.known, site.asked = site.bench.names, len(site.server.requests)
    running = site.bench.launcher.start(_job(site, settings))
    process = psutil.Process(running.pid)
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if samples is not None:
            number = (len(site.server.requests) - site.asked) // 1000 * 1000
            samples.setdefault(number, process.memory_info().rss / 2**20)
        time.sleep(0.02)
    return site.end(running)


def _job(site: Rfi, settings: dict[str, object]) -> Any:
    from tests.crashes import Job, arguments

    every = {"RFINEWS_MIRROR": site.server.url, **settings, "RFINEWS_REFUSALS_MAX": 1000}
    codes = ",".join(site.world.codes)
    return Job(
        argv=arguments("rfi", site.bench.data_dir, every, edition=codes, via="rss,news,sitemap"),
        data_dir=str(site.bench.data_dir),
        log=str(site.bench.folder / f"log-{next(site.bench.numbers)}"),
        timeout=3600,
    )


def _first(site: Rfi) -> Iterator[str]:
    samples: dict[int, float] = {}
    done = _run(site, samples)
    world = site.world
    lasting = {"500": "http_500", "403": "http_403", "cut": "network"}
    expected = Counter(lasting.get(world.fault(piece), "exported") for piece in world.pieces)
    assert done.manifest["outcomes"] == expected, done.manifest["outcomes"]
    check_records(
        world, done, [piece for piece in world.pieces if world.fault(piece) not in lasting]
    )
    number = len(world.pieces)
    yield f"  {dict(expected)}; {len(done.requests) / number:.4f} requests an article"
    memory = ", ".join(f"{at // 1000}k {mb:.0f}" for at, mb in samples.items() if at % 4000 == 0)
    yield f"  MB after requests: {memory}"
    later = [mb for at, mb in samples.items() if at >= 5_000]
    if later:
        yield f"  from 5,000 on: {min(later):.0f} to {max(later):.0f} MB"
    if not world.faulty:
        assert max(site.pages(done).values()) == 1
        assert len(done.requests) <= 1.02 * number


def _again(site: Rfi) -> Iterator[str]:
    world = site.world
    if not world.faulty:
        unchanged = _run(site)
        assert not site.pages(unchanged), f"{site.pages(unchanged).total()} pages asked again"
        yield f"  again: {len(unchanged.requests)} requests, none of them for a page"
    new = world.articles
    world.publish(2)
    good = [piece for piece in world.pieces if not world.fault(piece) and piece.number < new]
    changed = good[:: len(good) // 20][:20]
    for piece in changed:
        world.change(piece, world.modified(piece) + HOUR)
    news = _run(site)
    yield f"  20 changed, {2 * len(world.codes)} new: {dict(news.changes)}"
    if not world.faulty:
        missed = set(changed) - set(site.pages(news))
        yield f"  changed but not asked: {len(missed)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="16 editions × 3,000 articles")
    parser.add_argument("--articles", type=int, default=100, help="of each edition")
    parser.add_argument("--faulty", action="store_true")
    given = parser.parse_args()
    for line in full(3_000 if given.full else given.articles, faulty=given.faulty):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
