"""Metrics for Prometheus: as a text file, and pushed to a server on loopback."""

import base64
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fixtures.server import MirrorServer
from rfinews import dates
from tests.conftest import PROJECT, SITE, crawl_environment
from tests.crashes import FEED, Bench, Launcher
from tests.receivers import Web, web_server

Labels = frozenset[tuple[str, str]]


def read(text: str) -> dict[str, dict[Labels, float]]:
    """Metrics by name, then by labels, those left out that all of them have."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        assert not family.name.endswith("_total")  # they are no counters
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("spider") == "feedx"
            assert labels.pop("arguments").startswith("feed=")
            values = found.setdefault(sample.name, {})
            key = frozenset(labels.items())
            assert key not in values
            values[key] = sample.value
    return found


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def bench(launcher: Launcher, tmp_path: Path, serve: Callable[..., MirrorServer]) -> Bench:
    return Bench(tmp_path / "bench", launcher, serve(root=SITE))


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def crawl(bench: Bench, status: int, settings: dict[str, object], **options: Any) -> str:
    """Crawl the bundled site; return the log."""
    ended = bench.start("feedx", settings, **{"feed": FEED} | options).wait()
    assert "Traceback" not in ended.log, ended.log
    assert ended.status == status, ended.log
    return ended.log


def test_text_file(bench: Bench) -> None:
    settings: dict[str, object] = {
        "RFINEWS_METRICS_FILE": bench.folder / "node" / "rfi-{spider}.prom"
    }
    path = bench.folder / "node" / "rfi-feedx.prom"
    path.parent.mkdir()
    crawl(bench, 0, settings, follow=1)
    first = read(path.read_text())
    assert list(path.parent.iterdir()) == [path]
    outcomes = first["rfinews_crawl_addresses"]
    assert outcomes[of(outcome="exported")] > 50
    assert outcomes[of(outcome="unchanged")] == outcomes[of(outcome="unfetched")] == 0
    articles = first["rfinews_crawl_articles"]
    assert sum(articles.values()) == outcomes[of(outcome="exported")]
    assert articles[of(edition="cn", change="new")] > 50
    assert articles[of(edition="cn", change="update")] == 0
    pages = first["rfinews_crawl_pages"]
    assert pages[of(outcome="read")] == sum(first["rfinews_crawl_bodies"].values()) > 5
    assert pages[of(outcome="http_403")] >= 1
    assert first["rfinews_crawl_requests"][of()] > sum(pages.values())
    assert first["rfinews_crawl_response_bytes"][of()] > 10_000
    assert 0 < first["rfinews_crawl_duration_seconds"][of()] < 60
    newest = dates.to_seconds("2024-03-05T09:15:02Z")
    assert first["rfinews_feed_newest_timestamp_seconds"] == {of(edition="cn"): newest}
    assert first["rfinews_crawl_success"] == {of(): 1}
    ended = first["rfinews_crawl_last_timestamp_seconds"]
    assert first["rfinews_crawl_last_success_timestamp_seconds"] == ended
    assert "rfinews_monitor_failing" not in first

    crawl(bench, 1, settings | {"RFINEWS_MONITORS": "feed_age,refused"}, follow=1, clock=3600)
    second = read(path.read_text())
    assert second["rfinews_crawl_articles"][of(edition="cn", change="new")] == 0
    assert second["rfinews_crawl_success"] == {of(): 0}
    assert second["rfinews_monitor_failing"] == {
        of(monitor="feed_age"): 1,
        of(monitor="refused"): 0,
    }
    assert second["rfinews_crawl_last_success_timestamp_seconds"] == ended
    assert second["rfinews_crawl_last_timestamp_seconds"][of()] >= ended[of()] + 3600
    assert second["rfinews_feed_newest_timestamp_seconds"] == {of(edition="cn"): newest}


def test_push(bench: Bench, web: Web) -> None:
    crawl(bench, 0, {"RFINEWS_METRICS_PUSH": f"{web.url}/push/"})
    (sent,) = web.sent
    arguments = base64.urlsafe_b64encode(f"feed={FEED}".encode()).decode()
    path = f"/push/metrics/job/rfinews/arguments@base64/{arguments}/spider/feedx"
    assert (sent.method, sent.path) == ("PUT", path)
    assert sent.headers["content-type"].startswith("text/plain; version=0.0.4")
    pushed = read(sent.body.decode())
    assert pushed["rfinews_crawl_success"] == {of(): 1}
    assert pushed["rfinews_crawl_addresses"][of(outcome="exported")] > 50


def test_what_cannot_be_written_or_pushed_is_a_line_in_the_log(bench: Bench, web: Web) -> None:
    """And nothing more: the crawl did its job."""

    def said(**settings: object) -> list[str]:
        log = crawl(bench, 0, dict(settings))
        return [line.partition(" ERROR: ")[2] for line in log.splitlines() if " ERROR: " in line]

    (bench.folder / "file").touch()
    path = bench.folder / "file" / "x.prom"
    assert said(RFINEWS_METRICS_FILE=path) == [f"Cannot write {path}: Not a directory"]
    host = web.url.removeprefix("http://")
    web.status = 500
    push = {"RFINEWS_METRICS_PUSH": web.url}
    assert said(**push) == [f"Metrics not pushed to {host}: HTTP Error 500: Internal Server Error"]
    web.is_slow = True
    assert said(**push, DOWNLOAD_TIMEOUT=0.5) == [
        f"Metrics not pushed to {host}: no answer within 0.5 seconds"
    ]
    (line,) = said(RFINEWS_METRICS_PUSH="http://127.0.0.1:9")
    assert line.startswith("Metrics not pushed to 127.0.0.1:9: ")
    assert "Connection refused" in line


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"RFINEWS_METRICS_FILE": "/tmp/{spider}.txt"},
            "RFINEWS_METRICS_FILE must end in .prom, not '/tmp/{spider}.txt'",
        ),
        (
            {"RFINEWS_METRICS_PUSH": "127.0.0.1:9091"},
            "RFINEWS_METRICS_PUSH: not an http(s) address",
        ),
    ],
)
def test_malformed_settings(bench: Bench, settings: dict[str, object], line: str) -> None:
    assert crawl(bench, 2, settings) == f"scrapy crawl: {line}\n"


def test_prometheus_client_is_needed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None;"
        "from scrapy.cmdline import execute; execute()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "crawl", "feedx", "-s", "RFINEWS_METRICS_FILE=x.prom"],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=False),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    line = "RFINEWS_METRICS_FILE needs more packages: pip install 'rfinews[monitor]'"
    assert (done.returncode, done.stderr) == (2, f"scrapy crawl: {line}\n")
