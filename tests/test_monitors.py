"""Monitors: each is shown to fail and not to fail in real crawls; and who is told of it, and when."""

import base64
import datetime as dt
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from fixtures.server import MirrorServer
from rfinews.figures import FIELDS, Alarm, Feed, Figures, carried_on, read_figures, read_history
from rfinews.manifest import DONE, about, manifest
from rfinews.monitors import OF_A_WORKER, RULES, Limits, NotJudged, judgement
from rfinews.notices import MailServer, Notice, is_due, mail
from rfinews.suite import ask
from rfinews.verify import Verification
from tests.conftest import PROJECT, crawl_environment
from tests.crashes import FEED, Bench, Launcher, until
from tests.generated import Piece, World, served
from tests.receivers import Post, Web, mail_server, web_server

HOUR = 3600
DAY = 24 * HOUR
NOW = 1_795_000_000
LIMITS = Limits()


# ---------------------------------------------------------------------------------------- real crawls


@dataclass(frozen=True)
class Done:
    status: int
    log: str
    manifest: dict[str, Any]

    @property
    def failed(self) -> dict[str, str]:
        """What the log says of each monitor that failed."""
        lines = [line.partition(" ERROR: Monitor ")[2] for line in self.log.splitlines()]
        return {name: said for name, _, said in (line.partition(": ") for line in lines) if said}


class Site:
    """A server, and crawls of it in one data directory, an hour or more one after the other."""

    def __init__(self, folder: Path, launcher: Launcher, server: MirrorServer) -> None:
        self.server = server
        self.bench = Bench(folder, launcher, server)
        self.clock = 0
        self.settings: dict[str, object] = {
            "RFINEWS_MONITORS": "all",
            "RFINEWS_RECHECK_HOURS": 0,
            "RFINEWS_REFUSALS_MAX": 50,
            "LOG_LEVEL": "INFO",
        }

    def crawl(self, spider: str = "feedx", *, hours: float = 1, **options: Any) -> Done:
        self.clock += int(hours * HOUR)
        before = self.bench.names
        if spider == "feedx":
            options.setdefault("feed", FEED)
        ended = self.bench.start(spider, self.settings, clock=self.clock, **options).wait()
        assert "Traceback" not in ended.log, ended.log
        written = [name for name in self.bench.names - before if name.endswith(".manifest.json")]
        content = (self.bench.articles / written[0]).read_bytes() if written else b"{}"
        done = Done(ended.status, ended.log, json.loads(content))
        told = done.manifest.get("monitors", {"failed": []})["failed"]
        if written:
            assert {alarm["name"]: alarm["message"] for alarm in told} == done.failed
            is_well = done.manifest["finish_reason"] in DONE and not done.failed
            assert ended.status == (0 if is_well else 1)
        return done

    def only(self, *names: str, **settings: object) -> None:
        self.settings |= {"RFINEWS_MONITORS": ",".join(names), **settings}

    def feed(self, numbers: range | list[int], *, address: str = FEED, **options: Any) -> None:
        """Let the feed hold these articles, just published."""
        page = feed_of(numbers, dt.datetime.now(dt.UTC).timestamp() + self.clock, **options)
        self.server.add_page(address.partition("//")[2], page)


def link(number: int) -> str:
    return f"https://www.rfi.fr/cn/国际/20231107-灯塔-{number}"


def feed_of(numbers: range | list[int], at: float, text: str = "守夜人") -> bytes:
    items = "".join(
        f"<item><title>灯塔 {number}</title><link>{link(number)}</link>"
        f"<pubDate>{formatdate(at - 60)}</pubDate>"
        f"<description>&lt;p&gt;{text} {number}&lt;/p&gt;</description></item>"
        for number in numbers
    )
    return f'<rss version="2.0"><channel><title>x</title>{items}</channel></rss>'.encode()


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def site(launcher: Launcher, tmp_path: Path, serve: Callable[..., MirrorServer]) -> Site:
    """An empty site with a feed of its own."""
    return Site(tmp_path / "site", launcher, serve())


@pytest.fixture
def world() -> World:
    """An edition with an article every hour; its feed and sitemap name the newest of them."""
    end = dt.datetime.now(dt.UTC)
    return World(["cn"], 30, end=end, gap=dt.timedelta(hours=1))


@pytest.fixture
def rfi(launcher: Launcher, tmp_path: Path, world: World) -> Iterator[Site]:
    with served(world) as server:
        yield Site(tmp_path / "rfi", launcher, server)


def publish(rfi: Site, world: World, number: int) -> Done:
    """Let so many articles appear, and crawl them."""
    world.publish(number)
    return rfi.crawl("rfi", hours=number, edition="cn")


def test_all_is_well(site: Site, rfi: Site, world: World) -> None:
    """Crawls of feeds with news and without, of pages, and of an archive."""
    site.feed(range(20))
    assert site.crawl().failed == {}
    unchanged = site.crawl()
    assert (unchanged.failed, unchanged.manifest["outcomes"]) == ({}, {})
    assert unchanged.manifest["figures"]["not_modified"] == 1
    site.feed(range(2, 22))
    assert site.crawl().manifest["outcomes"] == {"exported": 2, "unchanged": 18}
    assert site.crawl("archive", path=PROJECT / "fixtures" / "archive").failed == {}
    for number in (0, 3, 1):
        assert publish(rfi, world, number).failed == {}
    verification = Verification([site.bench.data_dir])
    assert list(verification.faults()) == []


def test_unfinished(site: Site) -> None:
    site.only("unfinished")
    done = site.crawl()
    assert done.manifest["finish_reason"] == "no_feed"
    assert done.failed == {"unfinished": "the crawl ended with no_feed"}


def test_no_articles(site: Site) -> None:
    site.only("no_articles", RFINEWS_MONITOR_HOURS=30)
    site.server.add_page("feedx.net/rss/rfi.xml", feed_of([], NOW))
    empty = "no article among 0 addresses"
    assert site.crawl().failed == {"no_articles": empty}
    page = feed_of([1, 2], NOW).replace(b"www.rfi.fr", b"example.org")
    site.server.add_page("feedx.net/rss/rfi.xml", page)
    assert site.crawl().failed == {"no_articles": "no article among 2 addresses (2 offsite)"}
    site.feed([1, 2])
    assert site.crawl().failed == {}
    assert site.crawl(hours=15).failed == {}  # not modified
    assert site.crawl(hours=14.9).failed == {}
    late = site.crawl()
    assert late.failed == {"no_articles": "nothing to export for 30.9 hours, longer than 30"}
    site.feed([1, 2, 3])
    assert site.crawl().failed == {}


def test_fall(site: Site) -> None:
    site.only("fall")
    site.server.add_page("feedx.net/rss/rfi.xml", feed_of([], NOW))
    first = 0
    for entries in (20, 20, 22, 10):  # half of it is no alarm yet
        site.feed(range(first, first + entries))
        first += 1
        assert site.crawl().failed == {}
    site.feed(range(first, first + 9))
    told = f"{FEED} names 9 articles, usually 20 (median of 4 crawls)"
    assert site.crawl().failed == {"fall": told}
    site.feed([])
    told = f"{FEED} names 0 articles, usually 20 (median of 4 crawls)"
    assert site.crawl().failed == {"fall": told}
    unchanged = site.crawl()
    assert unchanged.failed == {}  # of which it says nothing
    assert [each["name"] for each in unchanged.manifest["monitors"]["not_judged"]] == ["fall"]
    site.feed(range(first, first + 20))
    assert site.crawl().failed == {}
    site.server.add_route("feedx.net/rss/rfi.xml", {"status": 404})
    assert site.crawl().failed == {}  # that is for others to say


def test_gap(site: Site) -> None:
    site.only("gap")
    site.feed(range(10))
    assert site.crawl().failed == {}
    site.feed(range(9, 19))
    assert site.crawl().failed == {}
    site.feed(range(19, 29))
    told = f"{FEED} names 10 articles and none of those that it named 2 hours ago"
    assert site.crawl(hours=2).failed == {"gap": told}
    site.feed(range(20, 30))
    assert site.crawl().failed == {}


def test_gap_where_all_of_a_feed_was_changed(site: Site) -> None:
    """Known articles with a new text are known."""
    site.only("gap")
    site.feed(range(10))
    assert site.crawl().failed == {}
    site.feed(range(10), text="渔民")
    done = site.crawl()
    assert (done.failed, done.manifest["outcomes"]) == ({}, {"exported": 10})


def test_feed_age(site: Site, rfi: Site, world: World) -> None:
    site.only("feed_age", RFINEWS_MONITOR_HOURS=12)
    site.feed(range(10))
    site.crawl(hours=0)
    assert site.crawl(hours=11.5).failed == {}
    (said,) = site.crawl().failed.values()  # not modified, so the date is that of the first crawl
    assert said.startswith("the newest article of cn is of 20")
    assert said.endswith("Z, 12.5 hours ago, longer than 12")
    site.feed(range(1, 11))
    assert site.crawl().failed == {}
    rfi.only("feed_age", RFINEWS_MONITOR_HOURS=12)
    assert publish(rfi, world, 1).failed == {}
    assert rfi.crawl("rfi", hours=10, edition="cn").failed == {}
    (said,) = rfi.crawl("rfi", hours=3, edition="cn").failed.values()
    assert said.startswith("the newest article of cn is of 20")


def test_refused(rfi: Site, world: World) -> None:
    rfi.only("refused")
    assert publish(rfi, world, 0).failed == {}
    for piece in [Piece("cn", number) for number in range(30, 35)]:
        rfi.server.add_route(world.address(piece), {"status": 403})
    done = publish(rfi, world, 2)  # two may be refused
    assert (done.failed, done.manifest["outcomes"]["http_403"]) == ({}, 2)
    done = publish(rfi, world, 4)
    told = "5 of 6 pages could not be had (5 http_403): 83.3 %, more than 10 % of at least 20"
    assert done.failed == {"refused": told}
    rfi.server.site._routes.clear()
    assert publish(rfi, world, 1).failed == {}


def test_refused_where_the_feed_stands_in(site: Site, world: World) -> None:
    """All articles are exported, and yet no page could be had."""
    site.only("refused")
    site.server.add_page("www.rfi.fr/robots.txt", b"User-agent: *\nDisallow: /cn/\n")
    site.feed(range(2))
    assert site.crawl(follow=1).failed == {}
    site.feed(range(32))
    done = site.crawl(follow=1)
    assert done.manifest["outcomes"] == {"exported": 30, "unchanged": 2}
    told = "32 of 32 pages could not be had (32 robots): 100 %, more than 10 %"
    assert done.failed == {"refused": told}


def test_unparsed(rfi: Site, world: World) -> None:
    rfi.only("unparsed")
    assert publish(rfi, world, 0).failed == {}
    for number in range(30, 33):
        rfi.server.add_page(world.address(Piece("cn", number)), b"<html><body><p>Sorry")
    assert publish(rfi, world, 2).failed == {}
    told = "3 of 3 pages gave no article (3 parse): 100 %, more than 10 % of at least 20"
    assert publish(rfi, world, 1).failed == {"unparsed": told}


def test_fallback(rfi: Site, world: World) -> None:
    rfi.only("fallback")
    assert publish(rfi, world, 0).failed == {}
    world.layout = "new"
    assert publish(rfi, world, 2).failed == {}
    told = "3 of 3 pages have a text that no selector found (3 trafilatura): 100 %, "
    assert publish(rfi, world, 3).failed == {"fallback": told + "more than 10 % of at least 20"}
    world.layout = "t-content"
    assert publish(rfi, world, 1).failed == {}


def test_fields(rfi: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rfi.only("fields")
    first = publish(rfi, world, 0)
    assert first.manifest["figures"]["fields"]["authors"] == 30
    monkeypatch.setattr(World, "article", without_author(World.article))
    assert publish(rfi, world, 4).failed == {}  # four say little
    told = publish(rfi, world, 20).failed["fields"]
    assert told == "authors in 0 %, usually 88.2 % of 20 articles"
    monkeypatch.undo()
    assert publish(rfi, world, 20).failed == {}


def without_author(article: Callable[[World, Piece], str]) -> Callable[[World, Piece], str]:
    def changed(world: World, piece: Piece) -> str:
        html = article(world, piece)
        for name in ("author", "m-from-author__name"):
            html = html.replace(name, "x")
        return html

    return changed


def test_each_feed_and_each_argument_is_compared_with_itself(site: Site) -> None:
    """Another feed that is short by nature is no fall, nor are crawls of other arguments a usual."""
    site.only("fall", "gap")
    other = "https://feedx.best/rss/rfi.xml"
    for first in range(3):
        site.feed(range(first, first + 20))
        assert site.crawl().failed == {}
    site.feed(range(6), address=other)
    assert site.crawl(feed=other).failed == {}
    site.feed(range(30, 36), address=other)
    assert set(site.crawl(feed=other).failed) == {"gap"}


def test_crawl_that_was_told_to_stop_is_not_judged(site: Site) -> None:
    site.feed(range(20))
    for number in range(20):
        site.server.add_route(link(number).partition("//")[2], {"delay": 0.5})
    running = site.bench.start("feedx", site.settings, feed=FEED, follow=1)
    until(lambda: any("灯塔" in request.address for request in site.server.requests))
    running.send(signal.SIGINT)
    ended = running.wait()
    (name,) = [name for name in site.bench.names if name.endswith(".manifest.json")]
    told = json.loads((site.bench.articles / name).read_bytes())
    assert told["finish_reason"] == "shutdown"
    assert "monitors" not in told
    assert "Monitor" not in ended.log
    assert ended.status == 1


# -------------------------------------------------------------------------------------------- the rules


def crawl(hours_ago: float = 0, **figures: Any) -> Figures:
    """A crawl that has ended so many hours ago, in which nothing happened but what is given."""
    at = int(NOW - hours_ago * HOUR)
    given = {"reason": "finished", "outcomes": {}, "started_at": at - 60, "finished_at": at}
    return Figures(crawl_id=f"feedx-{at}", spider="feedx", arguments={}, **given | figures)


def of_feed(entries: int, known: int = 0, articles: int | None = None) -> dict[str, Feed]:
    return {FEED: Feed(entries, entries if articles is None else articles, known)}


def had(number: int, **missing: int) -> dict[str, Any]:
    """So many articles, of which so many have not this field."""
    fields = {name: number - missing.get(name, 0) for name in FIELDS}
    return {"articles": number, "fields": fields}


FAILED_BEFORE = {"fall": Alarm("fall", "x", NOW), "fields": Alarm("fields", "x", NOW)}
USUAL = [crawl(each, feeds=of_feed(20)) for each in range(1, 5)]
FULL = [crawl(each, **had(10)) for each in range(1, 9)]


@pytest.mark.parametrize(
    ("name", "now", "before", "said"),
    [
        ("unfinished", crawl(), [], None),
        ("unfinished", crawl(reason="closespider_itemcount"), [], None),
        ("unfinished", crawl(reason="not_stored"), [], "the crawl ended with not_stored"),
        ("no_articles", crawl(outcomes={"unchanged": 1}), [], None),
        ("no_articles", crawl(outcomes={"exported": 1}), [], None),
        ("no_articles", crawl(not_modified=1), [], None),
        (
            "no_articles",
            crawl(not_modified=1),
            [crawl(25)],
            "nothing to export for 25 hours, longer",
        ),
        ("no_articles", crawl(not_modified=1, news_at=NOW - DAY), [crawl(99)], None),
        (
            "no_articles",
            crawl(not_modified=1, news_at=NOW - DAY - 360),
            [],
            "nothing to export for 24.1",
        ),
        ("no_articles", crawl(outcomes={"unchanged": 9}), [crawl(99)], None),  # an archive
        (
            "no_articles",
            crawl(outcomes={"parse": 2, "robots": 9}),
            [],
            "no article among 11 addresses (9 ",
        ),
        ("fall", crawl(feeds=of_feed(10)), USUAL, None),
        (
            "fall",
            crawl(feeds=of_feed(9)),
            USUAL,
            f"{FEED} names 9 articles, usually 20 (median of 4 ",
        ),
        ("fall", crawl(feeds=of_feed(9)), USUAL[:2], NotJudged),
        ("fall", crawl(), USUAL, NotJudged),
        ("fall", crawl(feeds=of_feed(1)), [crawl(1, feeds=of_feed(4))] * 9, NotJudged),
        ("fall", crawl(feeds=of_feed(3)), [replace(USUAL[0], alarms=FAILED_BEFORE)] * 9, NotJudged),
        ("fall", crawl(feeds=of_feed(3)), [replace(USUAL[0], reason="shutdown")] * 9, NotJudged),
        ("gap", crawl(feeds=of_feed(20)), [], NotJudged),
        ("gap", crawl(feeds=of_feed(20, known=1)), USUAL, None),
        (
            "gap",
            crawl(feeds=of_feed(20)),
            USUAL,
            f"{FEED} names 20 articles and none of those that it",
        ),
        ("gap", crawl(feeds=of_feed(4)), USUAL, NotJudged),
        ("gap", crawl(feeds=of_feed(20, articles=9)), USUAL, NotJudged),  # the others were refused
        ("gap", crawl(feeds=of_feed(20)), [crawl(1, feeds=of_feed(20, articles=0))], NotJudged),
        ("feed_age", crawl(), [], NotJudged),
        ("feed_age", crawl(newest={"cn": NOW - DAY}), [], None),
        (
            "feed_age",
            crawl(newest={"cn": NOW - 2 * DAY, "fr": NOW}),
            [],
            "the newest article of cn is of ",
        ),
        ("refused", crawl(), [], NotJudged),
        ("refused", crawl(outcomes={"exported": 3}, pages={"http_403": 2}), [], None),
        (
            "refused",
            crawl(pages={"http_403": 2, "network": 1}),
            [],
            "3 of 3 pages could not be had (2 ",
        ),
        ("refused", crawl(pages={"http_503": 4}, bodies={"x": 36}), [], None),
        (
            "refused",
            crawl(pages={"http_503": 4}, bodies={"x": 35}),
            [],
            "4 of 39 pages could not be had",
        ),
        ("refused", crawl(pages={"parse": 30}), [], None),
        (
            "refused",
            crawl(outcomes={"network": 7}),
            [],
            "7 of 7 addresses could not be had (7 network)",
        ),
        ("refused", crawl(outcomes={"http_429": 3, "unchanged": 197}), [], None),
        ("unparsed", crawl(outcomes={"invalid": 3, "unchanged": 27}), [], None),
        (
            "unparsed",
            crawl(outcomes={"invalid": 3, "unchanged": 26}),
            [],
            "3 of 29 addresses gave no ",
        ),
        (
            "unparsed",
            crawl(pages={"parse": 3}, outcomes={"exported": 99}),
            [],
            "3 of 3 pages gave no a",
        ),
        ("unparsed", crawl(), [], NotJudged),
        ("fallback", crawl(), [], NotJudged),
        ("fallback", crawl(bodies={".t-content__body": 18, "json-ld": 2}), [], None),
        (
            "fallback",
            crawl(bodies={"none": 9, "json-ld": 2, "trafilatura": 1}),
            [],
            "3 of 12 pages have",
        ),
        ("fields", crawl(), FULL, NotJudged),
        ("fields", crawl(**had(20)), FULL[:1], NotJudged),
        ("fields", crawl(**had(20, authors=4)), FULL, None),
        (
            "fields",
            crawl(**had(20, authors=5)),
            FULL,
            "authors in 75 %, usually 100 % of 20 articles",
        ),
        ("fields", crawl(**had(5, authors=5)), FULL, None),
        (
            "fields",
            crawl(**had(5, authors=5)),
            [crawl(1, **had(15, authors=9)), *FULL],
            "authors in 30 %",
        ),
        ("fields", crawl(**had(20, authors=15)), [crawl(1, **had(99, authors=50))], None),  # chance
        (
            "fields",
            crawl(**had(20, authors=19)),
            [crawl(1, **had(99, authors=50))],
            "authors in 5 %, ",
        ),
        (
            "fields",
            crawl(**had(20, authors=9)),
            [replace(FULL[0], alarms=FAILED_BEFORE)] * 9,
            NotJudged,
        ),
    ],
)
def test_rules(name: str, now: Figures, before: list[Figures], said: Any) -> None:
    answer = ask([name], now, before, LIMITS)[name]
    if isinstance(said, str):
        assert isinstance(answer, str)
        assert answer.startswith(said)
    elif said is None:
        assert answer is None
    else:
        assert isinstance(answer, NotJudged)


def test_a_monitor_that_is_broken_is_told_and_the_others_have_their_turn() -> None:
    now = crawl(newest={"cn": "yesterday"}, reason="no_feed")
    assert ask(["feed_age", "unfinished"], now, [], LIMITS) == {
        "feed_age": "the monitor is broken: TypeError: "
        "unsupported operand type(s) for -: 'int' and 'str'",
        "unfinished": "the crawl ended with no_feed",
    }


FEWER = settings_of(max_examples=40, deadline=None)
COUNTS = st.dictionaries(
    st.sampled_from(("exported", "unchanged", "http_403", "robots", "parse", "trafilatura")),
    st.integers(0, 10**6),
)
TIMES = st.integers(NOW - 9 * DAY, NOW)
ALARMS = st.builds(Alarm, st.sampled_from(tuple(RULES)), st.text(), TIMES)


@st.composite
def any_figures(draw: st.DrawFn) -> Figures:
    articles = draw(st.integers(0, 1000))
    return Figures(
        crawl_id="feedx-1",
        spider="feedx",
        arguments=draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)),
        started_at=draw(TIMES),
        finished_at=draw(TIMES),
        reason=draw(st.sampled_from(("finished", "no_feed"))),
        outcomes=draw(COUNTS),
        pages=draw(COUNTS),
        bodies=draw(COUNTS),
        articles=articles,
        fields={name: draw(st.integers(0, articles)) for name in FIELDS},
        feeds=draw(
            st.dictionaries(
                st.sampled_from((FEED, "https://x.test/a\nb")),
                st.builds(Feed, *[st.integers(0, 999)] * 3),
            )
        ),
        newest=draw(st.dictionaries(st.sampled_from(("cn", "fr")), TIMES)),
        not_modified=draw(st.integers(0, 3)),
        news_at=draw(st.none() | TIMES),
        alarms=draw(
            st.none()
            | st.lists(ALARMS, max_size=2).map(lambda all_: {each.name: each for each in all_})
        ),
    )


@given(any_figures(), st.lists(any_figures(), max_size=5))
@FEWER
def test_rules_say_a_line_or_nothing_of_any_crawl(now: Figures, before: list[Figures]) -> None:
    for said in ask(RULES, now, before, LIMITS).values():
        if isinstance(said, str):
            assert said.isprintable()
            assert "broken" not in said
        elif said is not None:
            assert str(said)


@given(any_figures())
@FEWER
def test_what_is_as_usual_is_no_alarm(now: Figures) -> None:
    now = replace(now, reason="finished", alarms=None)
    for name in ("fall", "fields"):
        assert not isinstance(ask([name], now, [now] * 5, LIMITS)[name], str)


@given(any_figures())
@FEWER
def test_figures_are_read_as_they_were_written(figures: Figures) -> None:
    """Of `news_at` the manifest says more: a crawl that exported anything is itself the last."""
    alarms = list((figures.alarms or {}).values())
    notes: dict[str, Any] = {"figures": figures.as_notes()}
    if figures.alarms is not None:
        notes["monitors"] = judgement({}, figures, []).as_notes()
        notes["monitors"]["failed"] = [
            {"name": each.name, "message": each.message, "since": iso(each.since)}
            for each in alarms[:1]
        ]
        notes["monitors"]["not_judged"] = [
            {"name": each.name, "message": each.message, "since": iso(each.since)}
            for each in alarms[1:]
        ]
    told = written(figures, notes)
    if figures.exported:
        figures = replace(figures, news_at=figures.finished_at)
    assert read_figures(told) == figures


def iso(at: int) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def written(figures: Figures, notes: dict[str, Any]) -> bytes:
    told = about(figures.crawl_id, figures.spider, dict(figures.arguments))
    content = manifest(
        told | {"started_at": iso(figures.started_at)},
        finish_reason=figures.reason,
        files=[],
        outcomes=dict(figures.outcomes),
        outcomes_file={},
        left_alone={},
        previous=None,
        notes=notes,
    )
    return json.dumps(json.loads(content) | {"finished_at": iso(figures.finished_at)}).encode()


@given(
    st.binary()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    "crawl_id spider outcomes started_at figures feeds monitors failed".split()
                ),
                inner,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_damaged_manifest_is_none(content: bytes) -> None:
    assert read_figures(content) is None


def test_history(tmp_path: Path) -> None:
    """The last crawls of the same kind, the newest first; what is damaged or of others is left out."""

    def write(
        number: int, spider: str = "feedx", content: bytes | None = None, **arguments: str
    ) -> None:
        at = NOW + number * HOUR
        name = f"{spider}-{dt.datetime.fromtimestamp(at, dt.UTC):%Y%m%dT%H%M%SZ}-0a1b2c3d"
        figures = replace(crawl(-number), crawl_id=name, spider=spider, arguments=arguments)
        (tmp_path / f"{name}.manifest.json").write_bytes(content or written(figures, {}))

    for number in range(6):
        write(number)
    write(6, follow="1")
    write(7, content=b"{")
    write(8, "rfi")
    found = read_history(tmp_path, "feedx", {}, 4)
    assert [each.finished_at for each in found] == [NOW + number * HOUR for number in (5, 4, 3, 2)]
    assert len(read_history(tmp_path, "feedx", {}, 100)) == 6
    assert len(read_history(tmp_path, "feedx", {"follow": "1"}, 100)) == 1
    assert read_history(tmp_path / "nowhere", "feedx", {}, 100) == []


def test_what_a_crawl_cannot_see_is_carried_on() -> None:
    before = [
        crawl(1, newest={"cn": NOW - DAY}, news_at=NOW - 2 * HOUR),
        crawl(2, newest={"cn": NOW, "fr": NOW - HOUR}),
    ]
    seen = carried_on(crawl(newest={"cn": NOW - HOUR}), before)
    assert (seen.newest, seen.news_at) == ({"cn": NOW, "fr": NOW - HOUR}, NOW - 2 * HOUR)
    assert carried_on(crawl(outcomes={"exported": 1}), before).news_at == NOW


# ----------------------------------------------------------------------------------------- who is told


def failing(*names: str, since: int = NOW) -> dict[str, Alarm]:
    return {name: Alarm(name, "x", since) for name in names}


@pytest.mark.parametrize(
    ("said", "before", "told"),
    [
        ({"fall": None}, [], False),
        ({"fall": "x"}, [], True),
        ({"fall": "x"}, [crawl(1)], True),  # which had no monitors
        ({"fall": "x"}, [crawl(1, alarms={})], True),
        ({"fall": "x"}, [crawl(1, alarms=failing("fall", since=NOW - HOUR))], False),
        ({"fall": "x"}, [crawl(1), crawl(2, alarms=failing("fall", since=NOW - 2 * HOUR))], False),
        ({"fall": "x", "gap": "x"}, [crawl(1, alarms=failing("fall", since=NOW - HOUR))], True),
        (
            {"fall": "x", "gap": None},
            [crawl(1, alarms=failing("fall", "gap", since=NOW - HOUR))],
            True,
        ),
        ({"fall": None}, [crawl(1, alarms=failing("fall"))], True),
        ({"fall": NotJudged("x")}, [crawl(1, alarms=failing("fall", since=NOW - HOUR))], False),
        ({"fall": NotJudged("x")}, [crawl(1, alarms={})], False),
        ({}, [crawl(1, alarms=failing("fall", since=NOW - HOUR))], False),  # asked no more
        ({"fall": "x"}, [crawl(1, alarms=failing("fall", since=NOW - DAY))], True),  # once a day
        ({"fall": "x"}, [crawl(1, alarms=failing("fall", since=NOW - DAY - HOUR))], False),
        ({"fall": "x"}, [crawl(1, alarms=failing("fall", since=NOW - 2 * DAY - 60))], True),
        ({"fall": NotJudged("x")}, [crawl(1, alarms=failing("fall", since=NOW - DAY))], True),
    ],
)
def test_when_to_tell(said: dict[str, Any], before: list[Figures], told: bool) -> None:
    now = crawl()
    assert is_due(judgement(said, now, before), now, before) is told


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def post_office() -> Iterator[Post]:
    with mail_server() as server:
        yield server


def test_told_when_it_begins_and_when_it_is_well_again(
    site: Site, web: Web, post_office: Post
) -> None:
    site.only(
        "unfinished",
        "refused",
        RFINEWS_MONITOR_WEBHOOK=f"{web.url}/hook?key=1",
        RFINEWS_MONITOR_MAIL="desk@example.org, night@example.org",
        RFINEWS_MONITOR_MAIL_FROM="rfinews@example.org",
        RFINEWS_MONITOR_SMTP=f"smtp://127.0.0.1:{post_office.port}",
    )

    def told() -> tuple[int, int]:
        assert len(post_office.mails) == len(web.sent)
        return len(web.sent), len(post_office.receivers)

    site.feed(range(3))
    site.crawl()
    assert told() == (0, 0)
    site.server.add_route("feedx.net/rss/rfi.xml", {"status": 404})
    began = site.crawl()
    assert told() == (1, 2)
    assert "Told by webhook at 127.0.0.1: [rfinews] feedx: failing: unfinished\n" in began.log
    assert "Told by mail to desk@example.org, night@example.org: " in began.log
    site.crawl()
    assert told() == (1, 2)
    site.crawl(hours=23)
    assert told() == (2, 4)
    site.server.site._routes.clear()
    site.feed(range(4))
    well = site.crawl()
    assert told() == (3, 6)

    sent = web.sent[0]
    assert (sent.method, sent.path) == ("POST", "/hook?key=1")
    assert sent.headers["content-type"] == "application/json"
    body = json.loads(sent.body)
    message = "the crawl ended with no_feed"
    since = began.manifest["monitors"]["failed"][0]["since"]
    path = site.bench.articles / f"{began.manifest['crawl_id']}.manifest.json"
    host = body.pop("host")
    assert body == {
        "text": f"scrapy crawl feedx -a feed={FEED}, on {host}: failing: unfinished"
        f"\nunfinished: {message}",
        "state": "failing",
        "spider": "feedx",
        "arguments": {"feed": FEED},
        "crawl_id": began.manifest["crawl_id"],
        "finished_at": since,
        "finish_reason": "no_feed",
        "outcomes": {"http_404": 1},
        "manifest": str(path),
        "failed": [{"name": "unfinished", "message": message, "since": since}],
        "not_judged": [],
        "recovered": [],
    }
    last = json.loads(web.sent[2].body)
    assert (last["state"], last["failed"]) == ("well", [])
    assert last["recovered"] == [{"name": "unfinished", "message": message, "since": since}]

    mails = post_office.mails
    assert [each["Subject"] for each in mails] == [
        "[rfinews] feedx: failing: unfinished",
        "[rfinews] feedx: failing: unfinished",
        "[rfinews] feedx: well again",
    ]
    for each in mails:
        assert (each["From"], each["Auto-Submitted"]) == ("rfinews@example.org", "auto-generated")
        assert each["To"] == "desk@example.org, night@example.org"
        assert each["Date"]
        assert each["Message-ID"]
    texts = [each.get_content().splitlines() for each in mails]
    assert "- unfinished (new): the crawl ended with no_feed" in texts[0]
    assert f"Manifest: {path}" in texts[0]
    assert f"- unfinished (since {since}): the crawl ended with no_feed" in texts[1]
    start = texts[2].index("Well again:")
    assert texts[2][start + 1] == f"- unfinished (failed since {since}): {message}"
    assert f"Crawl: {well.manifest['crawl_id']}" in texts[2]


def test_who_cannot_be_told_is_a_line_in_the_log(site: Site, web: Web, post_office: Post) -> None:
    """Whatever the receivers do, the crawl is whole and its exit status says what it said."""

    def crawl(**settings: object) -> list[str]:
        site.only("unfinished", **{"DOWNLOAD_TIMEOUT": 60} | settings)
        site.server.add_route("feedx.net/rss/rfi.xml", {"status": 404})
        done = site.crawl(hours=25)  # so that there is something to tell each time
        assert (done.status, list(done.failed)) == (1, ["unfinished"])
        assert done.log.count(" ERROR: ") == 3
        return [
            line.partition("Not told by ")[2]
            for line in done.log.splitlines()
            if "Not told" in line
        ]

    webhook = {"RFINEWS_MONITOR_WEBHOOK": f"{web.url}/secret"}
    web.status = 500
    assert crawl(**webhook) == ["webhook at 127.0.0.1: it answers 500"]
    web.status, web.location = 302, f"{web.url}/elsewhere"
    assert crawl(**webhook) == ["webhook at 127.0.0.1: it answers 302"]
    web.is_slow = True
    assert crawl(**webhook, DOWNLOAD_TIMEOUT=0.5) == [
        "webhook at 127.0.0.1: no answer within 0.5 seconds"
    ]
    (line,) = crawl(RFINEWS_MONITOR_WEBHOOK="http://127.0.0.1:9/")
    assert line == "webhook at 127.0.0.1: [Errno 111] Connection refused"
    mail = {
        "RFINEWS_MONITOR_WEBHOOK": "",
        "RFINEWS_MONITOR_MAIL": "desk@example.org",
        "RFINEWS_MONITOR_SMTP": f"smtp://me:secret@127.0.0.1:{post_office.port}",
    }
    post_office.password = "not that"
    assert crawl(**mail) == ["mail to desk@example.org: it answers 535 5.7.8 wrong password"]
    post_office.password, post_office.refuses = base64.b64encode(b"\0me\0secret").decode(), "desk"
    assert crawl(**mail) == ["mail to desk@example.org: it refuses desk@example.org"]
    assert post_office.mails == []
    post_office.refuses = ""
    site.only("unfinished", **mail)
    assert "Told by mail to desk@example.org" in site.crawl(hours=25).log
    assert len(post_office.mails) == 1


def test_a_crawl_that_cannot_begin_is_told(site: Site, web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    data_dir = tmp_path / "file" / "data"
    site.only("unfinished", RFINEWS_DATA_DIR=data_dir, RFINEWS_MONITOR_WEBHOOK=web.url)
    done = site.crawl()
    assert done.status == 1
    assert done.failed == {"unfinished": "the crawl ended with not_stored"}
    assert [json.loads(each.body)["finish_reason"] for each in web.sent] == ["not_stored"]


NOTICE = Notice("[rfinews] x: failing: gap", "法广\n", {})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of 127.0.0.1, which nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("127.1")]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


def send(server: MailServer) -> None:
    mail(server, "rfinews@example.org", ["desk@example.org"], NOTICE, 10)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_goes_encrypted_to_whom_the_certificate_names(
    context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with mail_server(context, tls=scheme == "smtps") as office:
        office.password = base64.b64encode(b"\0me\0secret").decode()
        office.offers = () if scheme == "smtps" else ("STARTTLS",)
        # `localhost.` leads here, too, but is not known for it
        server = MailServer.read(f"{scheme}://me:secret@127.1:{office.port}")
        assert not server.is_here
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            send(server)
        assert not any(said.startswith("AUTH") for said in office.said)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        send(server)
    assert [each.get_content().split() for each in office.mails] == [["法广"]]


def test_no_password_goes_unencrypted(post_office: Post) -> None:
    post_office.password = "x"
    server = MailServer.read(f"smtp://me:secret@127.1:{post_office.port}")
    with pytest.raises(OSError, match=r"^it offers no encryption for the password$"):
        send(server)
    assert not any("AUTH" in said for said in post_office.said)


# -------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"RFINEWS_MONITORS": "1"},
            f"RFINEWS_MONITORS must be all, or one or more of {', '.join(RULES)}: there is no '1'",
        ),
        ({"RFINEWS_MONITOR_CRAWLS": "0"}, "RFINEWS_MONITOR_CRAWLS must be at least 1"),
        ({"RFINEWS_MONITOR_CRAWLS": "x"}, "RFINEWS_MONITOR_CRAWLS must be a whole number, not 'x'"),
        ({"RFINEWS_MONITOR_HOURS": "-1"}, "RFINEWS_MONITOR_HOURS must not be negative"),
        ({"RFINEWS_MONITOR_HOURS": "1d"}, "RFINEWS_MONITOR_HOURS must be a number, not '1d'"),
        ({"RFINEWS_MONITOR_FALL": "50"}, "RFINEWS_MONITOR_FALL must be from 0 to 1, not 50"),
        ({"RFINEWS_MONITOR_FIELDS": "nan"}, "RFINEWS_MONITOR_FIELDS must be from 0 to 1, not nan"),
        ({"RFINEWS_MONITOR_WEBHOOK": "x.org"}, "RFINEWS_MONITOR_WEBHOOK: not an http(s) address"),
        (
            {"RFINEWS_MONITOR_WEBHOOK": "http://me:x@x.org/"},
            "RFINEWS_MONITOR_WEBHOOK: a user and password in it would not be sent",
        ),
        ({"RFINEWS_MONITOR_MAIL": "a@x.org, b"}, "RFINEWS_MONITOR_MAIL: not a mail address: 'b'"),
        ({"RFINEWS_MONITOR_MAIL_FROM": "b"}, "RFINEWS_MONITOR_MAIL_FROM: not a mail address: 'b'"),
        (
            {"RFINEWS_MONITOR_SMTP": "localhost:25"},
            "RFINEWS_MONITOR_SMTP: not smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://…",
        ),
        (
            {"RFINEWS_MONITORS": "all", "RFINEWS_REDIS_URL": "redis://127.0.0.1:9/0"},
            f"RFINEWS_MONITORS: one of several workers can judge only {','.join(OF_A_WORKER)}",
        ),
    ],
)
def test_malformed_settings(site: Site, settings: dict[str, object], line: str) -> None:
    ended = site.bench.start("feedx", settings).wait()
    assert (ended.status, ended.log) == (2, f"scrapy crawl: {line}\n")
    assert site.bench.names == set()


def scrapy(tmp_path: Path, missing: str, *settings: str) -> subprocess.CompletedProcess[str]:
    """Crawl an archive in a Python that has not the packages `missing`."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing.split()!r}));"
        "from scrapy.cmdline import execute; execute()"
    )
    path = PROJECT / "fixtures" / "archive"
    given = [word for setting in settings for word in ("-s", setting)]
    return subprocess.run(
        [sys.executable, "-c", code, "crawl", "archive", "-a", f"path={path}", *given],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=False),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_spidermon_is_needed_for_monitors_and_for_nothing_else(tmp_path: Path) -> None:
    done = scrapy(tmp_path, "spidermon", "RFINEWS_MONITORS=all")
    line = "RFINEWS_MONITORS needs more packages: pip install 'rfinews[monitor]'"
    assert (done.returncode, done.stderr) == (2, f"scrapy crawl: {line}\n")
    assert not (tmp_path / "articles").exists()
    without = scrapy(tmp_path, "spidermon prometheus_client")
    assert without.returncode == 0, without.stderr
    (path,) = (tmp_path / "articles").glob("*.manifest.json")
    assert not {"figures", "monitors"} & json.loads(path.read_bytes()).keys()
