"""``scrapy report``: the page that tells each morning whether all is well."""

import fcntl
import gzip
import hashlib
import json
import os
import pty
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import html5lib
import orjson
import pytest
from scrapy.exceptions import UsageError

from fixtures.server import MirrorServer
from rfinews import dates
from rfinews.commands.report import read_days, write
from rfinews.editions import EDITIONS
from rfinews.files import MANIFEST, MARK, OUTCOMES, CrawlMark
from rfinews.items import FIELDS
from rfinews.report import page as pages
from rfinews.report.charts import buckets
from rfinews.report.html import h, markup
from rfinews.report.judgement import headline, judge, rhythm
from rfinews.report.reading import COVERED, Crawl, Record, find_crawls
from rfinews.report.summary import Delays, Summary
from tests.conftest import MEASURED, PROJECT, SITE, crawl_environment, files_in, read_lines
from tests.conftest import Crawl as CrawlRun
from tests.generated import CODES, WORDS
from tests.test_xss import VECTORS

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
NOW = 1_795_500_000  # 24 November 2026, 06:00 UTC
HOUR, DAY = 3600, 86_400
SETS = {  # spider, arguments: seconds from one crawl to the next
    ("feedx", "follow=1"): HOUR,
    ("rfi", "edition=all via=rss,news"): 6 * HOUR,
}
EMPTY = dict.fromkeys(FIELDS) | {
    "schema_version": 1,
    "revision": 1,
    "change": "new",
    "source": "rfi",
    "article_body": "",
    **{name: [] for name in ("authors", "keywords", "images", "audios", "videos", "alternates")},
}


def record(number: int, edition: str, crawled: int, **changes: Any) -> dict[str, Any]:
    """A record of article `number`; what it has varies with the number."""
    words = WORDS[edition].split()
    picked = [words[(number * step) % len(words)] for step in (1, 3, 5, 7)]
    headline = f"{''.join(picked) if edition in ('cn', 'tw', 'km') else ' '.join(picked)} {number}"
    return (
        EMPTY
        | {
            "id": f"{number:032x}",
            "canonical_url": f"https://www.rfi.fr/{edition}/{number}",
            "url": f"https://www.rfi.fr/{edition}/{number}",
            "edition": edition,
            "in_language": EDITIONS[edition].language,
            "section": picked[0] if number % 7 else None,
            "headline": headline,
            "description": headline * 2 if number % 9 else None,
            "article_body": headline * 12,
            "article_body_html": f"<p>{headline * 12}</p>",
            "authors": [picked[1]] if number % 3 else [],
            "keywords": picked[:2] if number % 4 else [],
            "images": [{"url": "https://s.rfi.fr/media/display/a/w:1280/b.jpg"}] * (number % 5 > 0),
            "audios": [{"url": "https://aod-rfi.akamaized.net/a.mp3"}] * (number % 11 == 0),
            "date_published": dates.from_seconds(crawled - 600 * (number % 23 + 1)),
            "content_hash": f"v1:{number:064x}",
            "crawled_at": dates.from_seconds(crawled),
        }
        | changes
    )


def leave(
    folder: Path,
    spider: str,
    started: int,
    records: list[dict[str, Any]],
    outcomes: Counter[str],
    **changes: Any,
) -> Path:
    """Write the files of a crawl as it leaves them. Returns its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    at = (dates.from_seconds(started) or "").replace("-", "").replace(":", "")
    crawl_id = f"{spider}-{at}-{started:08x}"
    files = []
    if records:
        path = folder / f"{crawl_id}.jsonl"
        lines = [orjson.dumps(each | {"crawl_id": crawl_id}) + b"\n" for each in records]
        path.write_bytes(b"".join(lines))
        size = sum(map(len, lines))
        files = [{"name": path.name, "lines": len(lines), "bytes": size, "sha256": ""}]
    rows = [
        {"url": f"https://www.rfi.fr/cn/{number}", "outcome": outcome, "detail": None}
        for outcome, count in outcomes.items()
        for number in range(count)
    ]
    text = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    (folder / f"{crawl_id}{OUTCOMES}").write_bytes(text)
    manifest = {
        "crawl_id": crawl_id,
        "spider": spider,
        "arguments": {},
        "started_at": dates.from_seconds(started),
        "finished_at": dates.from_seconds(started + 100 + started % 77),
        "finish_reason": "finished",
        "files": files,
        "outcomes": outcomes,
        "left_alone": {},
        "versions": {},
        "previous": None,
    } | changes
    (folder / f"{crawl_id}{MANIFEST}").write_bytes(orjson.dumps(manifest))
    return folder / f"{crawl_id}{MANIFEST}"


def schedule(crawls: int, end: int) -> Iterator[tuple[str, str, int]]:
    """The last crawls before `end`, the newest first."""
    due = {key: end - 300 * number for number, key in enumerate(SETS, 1)}
    for _ in range(crawls):
        key = max(due, key=lambda each: due[each])
        yield (*key, due[key])
        due[key] -= SETS[key]


def generate(folder: Path, crawls: int, end: int, *, records: int) -> None:
    """Leave what a long life of crawls leaves: some fail, some articles change or go."""
    chance = random.Random(1)
    number = crawls * records * 2
    for spider, arguments, started in schedule(crawls, end):
        is_bad = chance.random() < 0.02
        news = 0 if is_bad else min(int(chance.expovariate(1 / records)), 3 * records)
        lines = []
        for _ in range(news):
            number -= 1
            edition = "cn" if spider == "feedx" else CODES[min(int(chance.expovariate(0.3)), 15)]
            line = record(number, edition, started + 20)
            if spider == "feedx":
                line["source"] = "feedx"
            if number % 25 == 0:
                line |= {"id": f"{number + 100:032x}", "revision": 2, "change": "update"}
            lines.append(line)
        outcomes = Counter(
            exported=len(lines),
            unchanged=chance.randrange(5, 15),
            offsite=chance.randrange(3),
            http_403=chance.randrange(20) if chance.random() < 0.2 else 0,
            network=30 if is_bad else 0,
            parse=int(chance.random() < 0.1),
        )
        leave(
            *(folder, spider, started, lines, +outcomes),
            arguments=dict(pair.split("=") for pair in arguments.split()),
            finish_reason="no_feed" if is_bad else "finished",
        )


def summarised(folder: Path, now: int = NOW, days: int | None = None) -> Summary:
    summary = Summary(now, None if days is None else now // DAY - days + 1)
    summary.read(find_crawls([folder], summary.faults))
    return summary


def scrapy_report(
    *arguments: object, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    (cwd / "scrapy.cfg").write_text((PROJECT / "scrapy.cfg").read_text())
    return subprocess.run(
        [sys.executable, "-m", "scrapy", "report", *map(str, arguments)],
        cwd=cwd,
        env=crawl_environment(cwd / "data", mirrored=False)
        | {"PYTHONPATH": str(PROJECT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def texts(html: bytes, id_: str, tag: str = "tr") -> list[str]:
    """The texts of the elements in a section of a page, each in one line."""
    document = html5lib.parse(html, treebuilder="lxml", namespaceHTMLElements=False)
    (section,) = document.xpath(f"//*[@id='{id_}']")
    return [" ".join(" ".join(each.itertext()).split()) for each in section.iter(tag)]


def title(html: bytes) -> str:
    return html.decode().partition("<h1")[2].partition("</span>")[2].partition("</h1>")[0]


# ------------------------------------------------------------------------- is all well? (aggregation)


def ended(started: int, state: str = "ok", arguments: str = "follow=1", **more: Any) -> Crawl:
    reason = {"ok": "finished", "failed": "no_feed"}.get(state, "")
    finished = None if state in ("running", "died") else started + 60
    given = {"finished": finished, "finish_reason": reason} | more
    return Crawl(f"feedx-{started}", "feedx", arguments, state, started, **given)


def hourly(last: int, count: int = 60, **more: Any) -> list[Crawl]:
    return [ended(last - number * HOUR, **more) for number in range(count)]


@pytest.mark.parametrize(
    ("crawls", "state", "level", "said"),
    [
        ([ended(NOW - HOUR)], "ok", "good", ""),
        ([ended(NOW - 29 * DAY)], "ok", "good", ""),
        ([ended(NOW - 31 * DAY)], "stopped", "none", ""),
        (hourly(NOW - HOUR), "ok", "good", ""),
        (hourly(NOW - 100 * 60), "ok", "good", ""),
        (hourly(NOW - 101 * 60), "overdue", "bad", "usually every 1 h"),
        (hourly(NOW - 29 * DAY), "overdue", "bad", ""),
        (hourly(NOW - 31 * DAY), "stopped", "none", ""),
        ([ended(NOW - 7 * HOUR), *hourly(NOW - 24 * HOUR)], "overdue", "bad", ""),
        (hourly(NOW - 20 * HOUR, 10), "ok", "good", ""),  # no rhythm in nine hours
        ([ended(NOW - HOUR, "failed")], "failed", "bad", "no_feed: no feed was to be had"),
        ([ended(NOW - 8 * DAY, "failed")], "failed", "none", ""),  # by hand, and long ago
        ([ended(NOW - 60, "failed"), *hourly(NOW - HOUR)], "failed", "bad", "no_feed"),
        ([ended(NOW - DAY, "failed"), *hourly(NOW - 25 * HOUR)], "failed", "bad", "none since"),
        ([ended(NOW - 60), ended(NOW - HOUR, "failed")], "ok", "good", ""),
        ([ended(NOW - HOUR, "died")], "died", "bad", "the next crawl completes what it had"),
        ([ended(NOW - HOUR, "running")], "running", "good", ""),
        (
            [ended(NOW - 90 * DAY // 24, "running"), *hourly(NOW - 4 * DAY)],
            "running",
            "attention",
            "",
        ),
        (
            [ended(NOW - 9, "running"), ended(NOW - HOUR, "failed")],
            "running",
            "attention",
            "before",
        ),
        ([ended(NOW - 9, "running"), *hourly(NOW - DAY)], "running", "good", ""),
        ([ended(NOW - 9, "failed", monitors=("few: 1",))], "failed", "bad", "few: 1"),
        ([ended(NOW + HOUR)], "ok", "good", ""),  # of a clock that goes wrong
    ],
)
def test_state_of_a_spider(crawls: list[Crawl], state: str, level: str, said: str) -> None:
    summary = Summary(NOW)
    for crawl in crawls:
        summary.add_crawl(crawl)
    (verdict,) = judge(summary)
    assert (verdict.state, verdict.level) == (state, level)
    assert said in verdict.detail


@pytest.mark.parametrize(
    ("crawls", "level", "answer"),
    [
        ([], "none", "No crawl yet"),
        ([ended(NOW - HOUR)], "good", "All is well"),
        ([ended(NOW - 40 * DAY)], "bad", "No crawl in the last 30 days"),
        ([ended(NOW - HOUR, "failed")], "bad", "1 crawl failed"),
        ([ended(NOW, "failed"), ended(NOW, "failed", "")], "bad", "2 crawls failed"),
        (hourly(NOW - 5 * HOUR), "bad", "1 crawl is overdue"),
        (
            [ended(NOW, "failed", ""), *hourly(NOW - 5 * HOUR)],
            "bad",
            "1 crawl failed, 1 is overdue",
        ),
        ([ended(NOW), ended(NOW - 40 * DAY, "failed", "")], "good", "All is well"),
    ],
)
def test_answer(crawls: list[Crawl], level: str, answer: str) -> None:
    summary = Summary(NOW)
    for crawl in crawls:
        summary.add_crawl(crawl)
    told = headline(summary, judge(summary))
    assert (told.level, told.title) == (level, answer)
    assert len(told.lines) == {"good": 0, "none": 1}.get(level, len(told.lines))


def test_arguments_tell_spiders_apart() -> None:
    summary = Summary(NOW)
    for crawl in (ended(NOW), ended(NOW, "failed", ""), ended(NOW - DAY, "failed")):
        summary.add_crawl(crawl)
    assert {v.history.name: v.state for v in judge(summary)} == {
        "feedx follow=1": "ok",
        "feedx": "failed",
    }


def test_no_rhythm_without_crawls() -> None:
    assert rhythm([]) == rhythm([5]) == (None, None)


def article(id_: str, day: float, revision: int = 1, **more: Any) -> Record:
    given = {"change": "new" if revision == 1 else "update", "edition": "cn", "source": "rfi"}
    crawled = int(NOW + day * DAY)
    given |= {"headline": f"{id_}.{revision}", "language": "zh-Hans", "url": f"https://{id_}"}
    given |= {"published": crawled - HOUR, "crawled": crawled, "has": 0, "image": None} | more
    return Record(id=id_, revision=revision, **given)


def added(records: list[Record], first_day: int | None = None) -> Summary:
    summary = Summary(NOW, first_day)
    summary.add_crawl(ended(NOW))
    for each in records:
        summary.add_record(each)
    return summary


def test_an_article_counts_once_whatever_its_revisions() -> None:
    summary = added(
        [
            article("a", 0, 3, has=0b10),
            article("gone", 0, 2, change="retracted", headline=""),
            article("b", -1, has=0b11),
            article("a", -1, 2, has=0b1),
            article("a", -2, 1, has=0b1),
            article("gone", -2, has=0b1),
        ]
    )
    assert summary.articles["cn"].total() == 3
    assert (summary.updates.total(), summary.retracted.total()) == (2, 1)
    assert summary.coverage == {("cn", 0b10): 1, ("cn", 0b11): 1}
    assert [record.headline for record in summary.newest.top()] == ["a.3", "b.1"]


def test_the_newest_articles_are_those_published_last() -> None:
    records = [
        article(f"{number:04}", -number / 1000, published=NOW - number * 7919 % 100_000)
        for number in range(2000)
    ]
    records.append(article("future", -3, published=NOW + 9 * DAY))
    expected = sorted(records[:-1], key=lambda each: min(each.published or 0, each.crawled))
    top = [record.id for record in added(records).newest.top()]
    assert top == [record.id for record in expected[: -len(top) - 1 : -1]]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ([-20, *range(-14, 0)], False),
        ([day - 2.1 for day in range(-16, 0)], False),  # once a day: five days may pass
        ([day / 4 - 2.1 for day in range(-60, 0)], True),
        ([day / 4 for day in range(-60, 0)], False),
        ([-13.5, -13.4, -13.3], False),  # never usual
    ],
)
def test_editions_that_fall_silent(days: list[float], said: bool) -> None:
    summary = added([article(str(day), day) for day in days])
    told = headline(summary, judge(summary))
    assert told.level == ("attention" if said else "good")
    assert [line.startswith("cn: no new article for 2 days") for line in told.lines] == [
        True
    ] * said


def test_archives_are_no_news() -> None:
    records = [article(str(n), n / 4 - 2.1, source="archive") for n in range(-60, 0)]
    summary = added(records)
    assert headline(summary, judge(summary)).level == "good"
    assert summary.articles["cn"].total() == 60
    assert not summary.delays


def test_percentiles_are_right_to_a_few_per_cent() -> None:
    chance = random.Random(7)
    exact = [int(chance.lognormvariate(8, 1.5)) + 60 for _ in range(3000)]
    delays = Delays()
    for seconds in exact:
        delays.add(seconds)
    cuts = statistics.quantiles(exact, n=100)
    for percent in (10, 25, 50, 75, 90, 99):
        found = delays.percentile(percent / 100)
        assert found == pytest.approx(cuts[percent - 1], rel=0.08)
    assert delays.between(0, float("inf")) == delays.count == 3000
    assert Delays().percentile(0.5) is None
    delays.add(-5)  # clocks differ
    assert delays.percentile(0) == pytest.approx(60, rel=0.04)


@pytest.mark.parametrize("length", [1, 14, 185, 186, 1100, 1101, 9000])
def test_buckets_cover_each_day_once(length: int) -> None:
    days = range(20_000, 20_000 + length)
    found = buckets(days)
    covered = [day for bucket in found for day in range(bucket.first, bucket.last + 1)]
    assert len(covered) == len(set(covered))
    assert set(days) <= set(covered)
    assert len(found) <= 300
    assert len({bucket.name for bucket in found}) == len(found)


def test_days_limit_what_is_shown_but_not_what_is_judged(tmp_path: Path) -> None:
    for day in range(40):
        at = NOW - day * DAY - HOUR
        lines = [record(day * 10 + number, "cn", at) for number in range(3)]
        leave(tmp_path, "feedx", at, lines, Counter(exported=3, http_403=1))
    month, week = summarised(tmp_path), summarised(tmp_path, days=7)
    assert (month.crawls, month.articles["cn"].total()) == (40, 120)
    assert (week.crawls, week.articles["cn"].total()) == (7, 21)
    assert len(week.days) == 7
    assert week.failures["http_403", "www.rfi.fr"].total == 7
    assert judge(week)[0].every == judge(month)[0].every == DAY
    assert headline(week, judge(week)).title == "All is well"


# ------------------------------------------------------------------------------------- damaged files


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """What three sound crawls left."""
    for number in range(3):
        at = NOW - (3 - number) * HOUR
        lines = [record(number * 10 + each, "fr", at) for each in range(3)]
        leave(tmp_path / "articles", "rfi", at, lines, Counter(exported=3, unchanged=2, http_404=1))
    return tmp_path / "articles"


BAD_FILES = {
    "empty": b"",
    "no UTF-8": b"\xff\xfe\n",
    "null": b"null\n",
    "list": b"[]\n",
    "object": b"{}\n",
    "number": b"1\n",
    "deep": b"[" * 5000,
    "half a character": b'{"id": "\\ud800"}\n',
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
@pytest.mark.parametrize("kind", [MANIFEST, OUTCOMES, ".jsonl"])
def test_damaged_files_are_counted(sound: Path, kind: str, content: bytes) -> None:
    path = next(
        file for file in sorted(sound.iterdir()) if re.search(rf"[0-9a-f]{kind}$", file.name)
    )
    path.write_bytes(content)
    summary = summarised(sound)
    page = pages.render(summary, sources=["data"])
    if kind == OUTCOMES and not content:
        assert summary.faults.total == 0  # for verify to find
    else:
        assert [Path(fault.path) for fault in summary.faults.shown] >= [path]
        assert path.name in " ".join(texts(page, "damage", "td"))
        assert title(page) == "Crawls run, with something to look at"
    known = summary.articles["fr"].total()
    assert known == (6 if kind == ".jsonl" else 9)


@pytest.mark.parametrize("kind", ["gone", "directory", "pipe", "loop", "cut", "torn gzip"])
def test_files_that_are_none(sound: Path, kind: str) -> None:
    for path in sorted(sound.iterdir()):
        content = path.read_bytes()
        path.unlink()
        if kind == "directory":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "loop":
            path.symlink_to(path)
        elif kind == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif kind == "torn gzip":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content)[:-9])
        summary = summarised(sound)
        assert summary.faults.total, path
        assert b"Damaged or missing" in pages.render(summary, sources=["data"])
        for left in sound.glob(f"{path.name}*"):
            left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()
        path.write_bytes(content)
    assert summarised(sound).faults.total == 0


def test_bad_lines_are_counted_and_the_others_read(sound: Path) -> None:
    path = next(file for file in sorted(sound.glob("*.jsonl")) if OUTCOMES not in file.name)
    lines = read_lines(path)
    bad = [
        lines[0] | {"headline": None},
        lines[0] | {"crawled_at": "yesterday"},
        lines[0] | {"revision": "1"},
        lines[0] | {"images": ["x"]},
        lines[0] | {"edition": ["cn"]},
        {"id": "x"},
    ]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in [*bad, *lines]))
    summary = summarised(sound)
    assert (summary.faults.lines, summary.articles["fr"].total()) == (6, 9)
    assert "6 of 9 lines; the first, 1: no text: headline" in summary.faults.shown[-1].detail


@pytest.mark.parametrize(
    "change",
    [
        {"files": None},
        {"files": [{"name": "x\0", "bytes": 1}]},
        {"outcomes": {"exported": "many"}},
        {"started_at": "soon"},
        {"finish_reason": 7},
        {"monitors": {"failed": ["x"]}},
        {"arguments": []},
    ],
)
def test_manifests_of_another_shape(sound: Path, change: dict[str, Any]) -> None:
    path = max(sound.glob(f"*{MANIFEST}"))
    path.write_bytes(orjson.dumps(json.loads(path.read_bytes()) | change))
    summary = summarised(sound)
    assert [fault.path for fault in summary.faults.shown] == [str(path)]
    assert summary.recent[0].state == "unreadable"
    assert summary.articles["fr"].total() == 9


def test_what_monitors_said_is_shown(tmp_path: Path) -> None:
    alarm = {"name": "refused", "message": "12 of 40 <b>pages</b>", "since": "2026-11-23T05:45:00Z"}
    old = {"name": "fields", "message": "no images", "since": "2026-11-23T05:45:00Z"}
    monitors = {"failed": [alarm], "not_judged": [old]}
    leave(tmp_path, "rfi", NOW - HOUR, [], Counter(), monitors=monitors)
    page = pages.render(summarised(tmp_path), sources=["data"])
    assert title(page) == "1 crawl failed"
    assert "refused: 12 of 40 <b>pages</b>" in texts(page, "state")[1]
    assert "failed before, not judged now: fields: no images" in texts(page, "state")[1]
    assert "refused: 12 of 40" in texts(page, "crawls")[1]


def test_crawls_that_run_or_died(tmp_path: Path) -> None:
    about = {"spider": "feedx", "arguments": {"follow": "1"}, "started_at": dates.now()}
    mark = CrawlMark.create(tmp_path, about | {"crawl_id": "feedx-20261124T050000Z-1"})
    (tmp_path / "feedx-20261124T050000Z-1.jsonl.part").write_bytes(b'{"id"')
    running = summarised(tmp_path, int(time.time()))
    assert [(v.history.name, v.state) for v in judge(running)] == [("feedx follow=1", "running")]
    mark.release()
    assert [verdict.state for verdict in judge(summarised(tmp_path, int(time.time())))] == ["died"]
    path = tmp_path / f"feedx-20261124T050000Z-1{MARK}"
    path.write_bytes(orjson.dumps(json.loads(path.read_bytes()) | {"host": "elsewhere"}))
    assert [v.state for v in judge(summarised(tmp_path, int(time.time())))] == ["running"]
    os.utime(path, (NOW, NOW - DAY))
    assert [v.state for v in judge(summarised(tmp_path, int(time.time())))] == ["died"]
    path.write_bytes(b'{"to')  # it died while it wrote it
    assert summarised(tmp_path, NOW).recent[0].state == "died"


def test_copies_count_once(sound: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sound, tmp_path / "copy"))
    (tmp_path / "link").symlink_to(sound)
    summary = Summary(NOW)
    summary.read(find_crawls([sound.parent, tmp_path / "link", sound, copy], summary.faults))
    assert (summary.crawls, summary.articles["fr"].total(), summary.faults.total) == (3, 9, 0)


def test_compressed_and_rotated_files(tmp_path: Path) -> None:
    path = leave(tmp_path, "rfi", NOW - HOUR, [record(1, "fr", NOW)], Counter(exported=2))
    first = next(file for file in tmp_path.glob("*.jsonl") if OUTCOMES not in file.name)
    second = first.with_name(f"{first.stem}.00002.jsonl.gz")
    second.write_bytes(gzip.compress(orjson.dumps(record(2, "fr", NOW)) + b"\n"))
    manifest = json.loads(path.read_bytes())
    manifest["files"].append({"name": second.name, "bytes": second.stat().st_size})
    manifest["files"].append({"name": "/elsewhere/mine.csv", "bytes": 7})
    path.write_bytes(orjson.dumps(manifest))
    summary = summarised(tmp_path)
    assert (summary.articles["fr"].total(), summary.recent[0].files) == (2, 2)
    assert summary.faults.total == 0


# ------------------------------------------------------------------------------------------ the page


def test_nothing_that_a_file_says_becomes_markup() -> None:
    for vector in VECTORS:
        element = h("p", vector, h("b", vector), vector, title=vector)
        parsed = html5lib.parseFragment(
            markup(element), treebuilder="lxml", namespaceHTMLElements=False
        )
        (found,) = parsed
        assert [each.tag for each in found.iter()] == ["p", "b"], vector
        assert list(found.attrib) == ["title"], vector
        written = re.sub(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", vector)
        plain = written.replace("\r\n", "\n").replace("\r", "\n")
        assert "".join(found.itertext()).replace("\r", "\n") == plain * 3, vector


@pytest.mark.parametrize("tag", ["script", "style"])
def test_scripts_and_styles_are_no_elements_of_its(tag: str) -> None:
    with pytest.raises(ValueError, match=tag):
        h(tag, "</script>")


def test_chart_library_is_the_one_that_its_makers_released() -> None:
    """SHA-256 of dist/chart.umd.min.js in the npm package chart.js 4.6.1, and its licence."""
    folder = PROJECT / "rfinews/report/assets"
    digest = hashlib.sha256((folder / pages.CHART_LIBRARY).read_bytes()).hexdigest()
    assert digest == "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2"
    assert "Chart.js v4.6.1" in (folder / pages.CHART_LIBRARY).read_text()[:100]
    assert "The MIT License" in (folder / "chart-LICENSE.md").read_text()


def test_reading_and_writing_need_no_scrapy() -> None:
    code = "import rfinews.report.page, sys; print({'scrapy', 'twisted'} & sys.modules.keys())"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert found.stdout == "set()\n", found.stderr


# ---------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crawled") / "data"


@pytest.fixture
def real(crawled: Path, crawl: Callable[..., CrawlRun], serve: Callable[..., MirrorServer]) -> Path:
    """What three real crawls left; they run once for all tests."""
    if not crawled.exists():
        mirror = serve(root=SITE)
        crawl("feedx", {"follow": "1"}, mirror=mirror, data_dir=crawled)
        crawl("archive", {"path": PROJECT / "fixtures" / "archive"}, data_dir=crawled)
        crawl("feedx", {"feed": "https://feedx.example/rss"}, mirror=mirror, data_dir=crawled)
    return crawled


def test_real_crawls(real: Path, tmp_path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in files_in(real)}
    result = scrapy_report(real, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert {file: file.stat().st_mtime_ns for file in files_in(real)} == before
    html = (tmp_path / "report.html").read_bytes()
    assert title(html) == "1 crawl failed"
    manifests = [json.loads(path.read_bytes()) for path in real.rglob(f"*{MANIFEST}")]
    rows = texts(html, "crawls")[1:]
    assert len(rows) == len(manifests) == 3
    for manifest in manifests:
        (row,) = [
            row for row in rows if all(f"{k}={v}" in row for k, v in manifest["arguments"].items())
        ]
        assert manifest["finish_reason"] in row
        assert all(f"{count:,}" in row for count in manifest["outcomes"].values())
    records = [
        line
        for path in real.glob("articles/*.jsonl")
        if OUTCOMES not in path.name
        for line in read_lines(path)
    ]
    new = Counter(line["edition"] for line in records if line["change"] == "new")
    shown = {
        row.split()[0]: int(row.split()[1]) for row in texts(html, "articles") if row[2:3] == " "
    }
    assert {edition: count for edition, count in shown.items() if edition in new} == new
    links = re.findall(
        r'<a lang="[\w-]+" dir="auto" href="([^"]+)" rel="noopener noreferrer">', html.decode()
    )
    assert links
    assert {*links} <= {line["canonical_url"] for line in records}


def test_coverage_is_what_the_records_have(real: Path) -> None:
    html = pages.render(summarised(real, int(time.time())), sources=["data"])
    newest: dict[str, dict[str, Any]] = {}
    for path in sorted(real.glob("articles/*.jsonl")):
        for line in read_lines(path) if OUTCOMES not in path.name else ():
            known = newest.get(line["id"], {"revision": 0})
            newest[line["id"]] = max(known, line, key=lambda each: each["revision"])
    kept = [line for line in newest.values() if line["change"] != "retracted"]
    (row,) = [row for row in texts(html, "coverage") if row.startswith("all ")]
    shares = [100 * sum(bool(line[name]) for line in kept) / len(kept) for name in COVERED]
    assert row.split()[1] == str(len(kept))
    assert [int(text) for text in row.split()[2:]] == [pytest.approx(s, abs=0.51) for s in shares]


def test_default_directory_and_standard_output(real: Path, tmp_path: Path) -> None:
    result = scrapy_report("-o", "-", cwd=tmp_path, RFINEWS_DATA_DIR=str(real))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("<!DOCTYPE html>")
    assert result.stdout.endswith("</html>\n")
    assert title(result.stdout.encode()) == "1 crawl failed"
    assert [file.name for file in tmp_path.iterdir()] == ["scrapy.cfg"]


def test_no_crawl_yet(tmp_path: Path) -> None:
    result = scrapy_report(cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert title((tmp_path / "report.html").read_bytes()) == "No crawl yet"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such directory: nowhere"),
        (["--days", "0"], "--days takes a number from 1: 0"),
        (["-o", ""], "-o takes the name of a file"),
        (["-x"], "unknown option -x"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = scrapy_report(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"scrapy report: {said}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "many", "", "36501", "9" * 5000])
def test_days_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--days takes a number from 1"):
        read_days(text)


def test_output_that_cannot_be_written(real: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = scrapy_report(real, "-o", "file/report.html", cwd=tmp_path)
    assert result.returncode == 1
    assert re.fullmatch(r"scrapy report: .*file\S*: [\w ]+\n", result.stderr)
    assert (tmp_path / "file").read_text() == "mine"
    for path in (tmp_path, Path("/proc/report.html"), Path("/dev/full/report.html")):
        with pytest.raises(OSError, match=f"report|full|{tmp_path.name}"):
            write(path, b"page")
    assert not [file.name for file in tmp_path.iterdir() if "report" in file.name]


def test_disk_is_full(tmp_path: Path) -> None:
    """What stands there stays, and nothing half-written is left."""
    (tmp_path / "report.html").write_text("yesterday's")
    code = (
        "import resource, signal; from pathlib import Path; from rfinews.commands.report import write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write(Path('report.html'), b'x' * 2000)\nexcept OSError as error:\n    print(error.strerror)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "File too large\n", result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "yesterday's"


def test_two_at_once(real: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("yesterday's")
    with (tmp_path / "report.html.part").open("wb") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        result = scrapy_report(real, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "scrapy report: another one is writing report.html\n"
    assert (tmp_path / "report.html").read_text() == "yesterday's"


# ----------------------------------------------------------------------------------- thousands of crawls


@pytest.fixture(scope="module")
def thousands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with what 5,000 crawls left, and the report on it."""
    folder = tmp_path_factory.mktemp("thousands")
    generate(folder / "data" / "articles", 5000, int(time.time()), records=5)
    yield folder
    shutil.rmtree(folder)  # 100 MB that pytest would keep


def measured_report(folder: Path, name: str) -> tuple[int, float, bytes]:
    """Report on `folder`/data: exit status, peak memory in MB, and the page."""
    (folder / "scrapy.cfg").write_text((PROJECT / "scrapy.cfg").read_text())
    command = [sys.executable, "-m", "scrapy", "report", "data", "-o", name]
    subprocess.run(
        [sys.executable, "-c", MEASURED, "status", *command],
        cwd=folder,
        env=crawl_environment(folder / "data", mirrored=False) | {"PYTHONPATH": str(PROJECT)},
        check=True,
        timeout=120,
    )
    status, peak = (folder / "status").read_text().split()
    return int(status), int(peak) / 1024, (folder / name).read_bytes()


def test_5000_crawls(thousands: Path, tmp_path: Path) -> None:
    generate(tmp_path / "data" / "articles", 50, int(time.time()), records=5)
    _, few_mb, _ = measured_report(tmp_path, "report.html")
    status, many_mb, html = measured_report(thousands, "report.html")
    assert status == 0
    assert title(html) == "All is well"
    assert many_mb < few_mb + 40
    assert len(html) < 700_000
    assert "The last 100 of 5,000, newest first." in texts(html, "crawls", "p")[0]
    counted = Counter[str]()
    for path in thousands.glob("data/articles/*.jsonl"):
        if OUTCOMES not in path.name:
            counted.update(
                line.partition(b'"edition":"')[2][:2].decode()
                for line in path.read_bytes().splitlines()
                if b'"change":"new"' in line
            )
    shown = {row.split()[0]: row.split()[1] for row in texts(html, "articles") if row[2:3] == " "}
    assert {edition: shown[edition] for edition in counted} == {
        edition: f"{count:,}" for edition, count in counted.items()
    }


def test_progress_on_a_terminal_only(thousands: Path, tmp_path: Path) -> None:
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "scrapy", "report", str(thousands / "data"), "-o", "/dev/null/x"],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=False) | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stderr=writing,
    ) as process:
        os.close(writing)
        said = b""
        while True:
            try:
                chunk = os.read(reading, 1 << 16)
            except OSError:  # it has ended
                break
            said += chunk
            if not chunk:
                break
    os.close(reading)
    assert process.returncode == 1
    assert re.search(r"\d+/5000 \[", said.decode())
    assert "crawls/s" in said.decode()


# ---------------------------------------------------------------------------------- in a real browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a file; at the end nobody may have complained or asked for anything else."""
    opened: list[Any] = []

    def open_page(path: Path, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        page = context.new_page()
        page.complaints, page.asked = [], []

        def guard(route: Any) -> None:
            if route.request.url != path.as_uri():
                page.asked.append(route.request.url)
            route.continue_() if route.request.url.startswith("file:") else route.abort()

        context.route("**/*", guard)
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: page.complaints.append(f"dialog {dialog.message}"))
        page.goto(path.as_uri())
        opened.append((context, page))
        return page

    yield open_page
    for context, page in opened:
        context.close()
        assert (page.complaints, page.asked) == ([], [])


@pytest.fixture(scope="module")
def written(thousands: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page without data, of one crawl, of one with all troubles, and of thousands."""
    folder = tmp_path_factory.mktemp("written")
    now = int(time.time())
    leave(folder / "one", "feedx", now - HOUR, [record(1, "cn", now - HOUR)], Counter(exported=1))
    (folder / "none").mkdir()
    troubles(folder / "troubles", now)
    found = {}
    for name in ("none", "one", "troubles"):
        found[name] = folder / f"{name}.html"
        found[name].write_bytes(pages.render(summarised(folder / name, now), sources=[name]))
    found["thousands"] = folder / "thousands.html"
    summary = summarised(thousands / "data", now)
    found["thousands"].write_bytes(pages.render(summary, sources=["data"]))
    return found


def troubles(folder: Path, now: int) -> None:
    """All that can go wrong, and words that want to be code."""
    generate(folder, 200, now - 9 * HOUR, records=4)
    hostile = [
        record(number, "cn", now - 8 * HOUR, headline=vector[:300] or "-", section=vector)
        for number, vector in enumerate(VECTORS[::20])
    ]
    hostile[0]["canonical_url"] = "javascript:alert(1)"
    hostile[1] |= {"edition": "<img src=x onerror=alert(1)>", "in_language": '"><script>alert(1)'}
    hostile[2]["headline"] = "无空格" * 60
    leave(
        *(folder, "feedx", now - 8 * HOUR, hostile, Counter({"exported": 9, "</script>": 3})),
        arguments={"follow": "1", "feed": "</script><script>alert(1)</script>"},
        finish_reason="<script>alert(1)</script>",
        left_alone={"www.rfi.fr": "refused <b>10</b> times"},
        monitors={"failed": [{"name": "<i>few</i>", "message": "<svg onload=alert(1)>"}]},
    )
    leave(folder, "rfi", now - 4 * HOUR, [], Counter()).write_bytes(b'{"torn')


CANVASES = """() => [...document.querySelectorAll("canvas")].map((canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const colors = new Map();
  for (let at = 0; at < bytes.length; at += 4) {
    if (bytes[at + 3] < 255) continue;
    const color = "#" + [...bytes.slice(at, at + 3)].map((x) => x.toString(16).padStart(2, "0")).join("");
    colors.set(color, (colors.get(color) ?? 0) + 1);
  }
  return Object.fromEntries(colors);
})"""


def is_colorful(color: str) -> bool:
    """Whether a colour is none of text, lines and ground.

    >>> is_colorful("#2955b5"), is_colorful("#565d67")
    (True, False)
    """
    channels = bytes.fromhex(color[1:])
    return max(channels) - min(channels) > 50


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition; the page's policy does not let the browser itself poll."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline


FIRST_COLOR = {"light": "#2955b5", "dark": "#5190f8"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["none", "one", "troubles", "thousands"])
def test_charts_are_drawn_in_the_colours_of_the_page(
    written: dict[str, Path], visit: Callable[..., Any], name: str, scheme: str
) -> None:
    page = visit(written[name], color_scheme=scheme)
    drawn = page.evaluate(CANVASES)
    assert len(drawn) == (0 if name == "none" else 4)
    for number, colors in enumerate(drawn):
        assert sum(count for color, count in colors.items() if is_colorful(color)) > 10
        if number != 2:  # its lines fall between the pixels
            assert colors.get(FIRST_COLOR[scheme], 0) > 10
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[scheme]


def test_charts_follow_the_scheme_and_the_printer(
    written: dict[str, Path], visit: Callable[..., Any]
) -> None:
    page = visit(written["one"], color_scheme="light")
    page.emulate_media(color_scheme="dark")
    until(lambda: page.evaluate(CANVASES)[0].get(FIRST_COLOR["dark"], 0) > 10)
    assert FIRST_COLOR["light"] not in page.evaluate(CANVASES)[0]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(CANVASES)[0][FIRST_COLOR["light"]] > 10
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(CANVASES)[0][FIRST_COLOR["dark"]] > 10
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("name", ["none", "one", "troubles", "thousands"])
def test_a_phone_scrolls_only_downwards(
    written: dict[str, Path], visit: Callable[..., Any], name: str
) -> None:
    page = visit(written[name], viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for canvas in page.locator("canvas").all():
        box = canvas.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360


def test_hostile_words_are_words(written: dict[str, Path], visit: Callable[..., Any]) -> None:
    page = visit(written["troubles"])
    assert page.locator("h1").text_content() == "✕1 crawl failed, 1 is overdue"
    shown = page.locator(".newest li > div > :first-child").all_text_contents()
    assert "无空格" * 60 in shown
    assert page.locator("main script, main iframe, main img, main object, main style").count() == 0
    assert (
        page.locator(
            "main [style]:not(canvas), main [onload], main [onerror], main [onclick]"
        ).count()
        == 0
    )
    addresses = page.locator("main a").evaluate_all("all => all.map((each) => each.href)")
    assert addresses
    assert all(address.startswith("https://www.rfi.fr/") for address in addresses)
    assert "<script>alert(1)</script>" in page.locator("#crawls").inner_text()
    assert "<svg onload=alert(1)>" in page.locator("#state").inner_text()


def test_the_policy_holds(written: dict[str, Path], visit: Callable[..., Any]) -> None:
    page = visit(written["one"])
    page.evaluate(
        """() => {
            const add = (tag, properties) =>
                document.body.append(Object.assign(document.createElement(tag), properties));
            add("script", { textContent: "window.broken = 1" });
            add("script", { src: "https://example.org/x.js" });
            add("style", { textContent: "body { display: none }" });
            add("img", { src: "https://example.org/x.png" });
            document.body.insertAdjacentHTML("beforeend", "<p onclick='window.broken = 2'>x</p>");
            document.body.lastChild.click();
        }"""
    )
    page.wait_for_timeout(0)
    assert page.evaluate("window.broken") is None
    assert page.locator("body").is_visible()
    assert len(page.complaints) >= 5
    page.complaints.clear()


def test_a_keyboard_reaches_everything_and_sees_where_it_is(
    written: dict[str, Path], visit: Callable[..., Any]
) -> None:
    page = visit(written["troubles"])
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")]
            .filter((each) => each.checkVisibility()).length"""
    )
    seen = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                    const each = document.activeElement;
                    const style = getComputedStyle(each);
                    each.dataset.seen = "1";
                    return [each.tagName, style.outlineStyle !== "none" && style.outlineWidth !== "0px"];
                }"""
            )
        )
    assert {tag for tag, is_outlined in seen if not is_outlined} == set()
    assert page.locator("[data-seen]").count() == wanted
    assert {tag for tag, _ in seen} == {"A", "BUTTON", "INPUT", "SUMMARY", "DIV", "CANVAS"}
    assert page.evaluate("document.querySelector('[data-seen]').className") == "skip"


def test_charts_speak(written: dict[str, Path], visit: Callable[..., Any]) -> None:
    page = visit(written["troubles"])
    rows = page.locator("#articles figure tbody tr")
    page.locator("#articles-chart canvas").focus()
    spoken = page.locator("#articles-spoken")
    said = []
    for key in ("ArrowLeft", "ArrowLeft", "Home", "End", "Escape"):
        page.keyboard.press(key)
        said.append(spoken.text_content())
    days = [text.split("\t")[0] for text in rows.locator("th").all_text_contents()]
    for text, day in zip(said[:4], (days[0], days[1], days[-1], days[0]), strict=True):
        assert text.startswith(f"{day}: ")
    assert said[4] == ""
    cells = rows.nth(1).locator("td").all_text_contents()
    total = sum(int(cell.replace(",", "")) for cell in cells)
    assert said[1].endswith(f"; {total:,} articles in all")
    before = page.evaluate(CANVASES)[0]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(CANVASES)[0] != before  # the tip is drawn


def test_legend_and_filter(written: dict[str, Path], visit: Callable[..., Any]) -> None:
    page = visit(written["thousands"])
    button = page.locator("#articles-legend button").first
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert FIRST_COLOR["light"] not in page.evaluate(CANVASES)[0]
    page.keyboard.press("Space")
    assert page.evaluate(CANVASES)[0][FIRST_COLOR["light"]] > 10
    rows = page.locator(".crawls tbody tr:visible")
    assert rows.count() == 100
    page.locator("#only-not-ok").focus()
    page.keyboard.press("Space")
    states = set(rows.locator(".state").all_text_contents())
    assert states == {"✕failed"}
    label = page.locator("#filter").text_content()
    assert label.endswith(f"({rows.count()})")


def test_pictures_only_when_asked_for(
    visit: Callable[..., Any], chromium: Any, tmp_path: Path
) -> None:
    now = int(time.time())
    leave(tmp_path / "data", "rfi", now - HOUR, [record(1, "fr", now)], Counter(exported=1))
    summary = summarised(tmp_path / "data", now)
    path = tmp_path / "images.html"
    path.write_bytes(pages.render(summary, sources=["data"], with_images=True))
    page = chromium.new_page()
    asked = []

    def answer(route: Any) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            asked.append((route.request.url, route.request.headers.get("referer")))
            route.fulfill(
                content_type="image/svg+xml", body="<svg xmlns='http://www.w3.org/2000/svg'/>"
            )

    page.route("**/*", answer)
    page.goto(path.as_uri())
    page.locator(".newest img").scroll_into_view_if_needed()
    until(lambda: page.evaluate("document.querySelector('.newest img').complete"))
    page.close()
    assert asked == [("https://s.rfi.fr/media/display/a/w:1280/b.jpg", None)]
    path.write_bytes(pages.render(summary, sources=["data"]))
    assert visit(path).locator("main img").count() == 0


def test_a_page_that_was_left_lying_says_so(written: dict[str, Path], chromium: Any) -> None:
    page = chromium.new_page()
    page.clock.set_fixed_time(time.time() + 3 * DAY)
    page.goto(written["one"].as_uri())
    assert page.locator("#age").text_content() == ", 3 days ago"
    page.close()


def test_without_scripts_there_are_still_the_numbers(
    written: dict[str, Path], visit: Callable[..., Any]
) -> None:
    page = visit(written["thousands"], java_script_enabled=False)
    assert page.locator(".crawls tbody tr:visible").count() == 100
    page.locator("#articles summary").click()
    assert page.locator("#articles figure tbody tr:visible").count() > 100
    assert not page.locator("#filter").is_visible()
