"""How far a crawl is, as a log and as a terminal show it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.conftest import PROJECT, crawl_environment
from tests.generated import World, served

LINE = re.compile(
    r"^[0-9-]+ [0-9:]+ \[rfinews\.progress\] INFO: (?P<done>[\d,]+) of (?P<total>[\d,]+) addresses, "
    r"(?P<articles>[\d,]+) articles, (?P<answers>[\d,]+) answers, (?P<errors>[\d,]+) errors, "
    r"[\d,]+ a minute(?:, \d{4}-\d\d)?$",
    re.MULTILINE,
)
BAR = re.compile(
    r"\r[^\r\n]*\| (?P<done>\d+)/(?P<total>\d+) addresses, (?P<articles>\d+) articles, "
    r"\d+ answers, (?P<errors>\d+) errors, \d+ a minute(?:, 20\d\d-\d\d)? \[\d\d:\d\d\]"
)
LOG_LINE = re.compile(r"[0-9-]+ [0-9:]+ \[[\w.-]+\] (?:DEBUG|INFO|WARNING): .*")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def command(url: str, **settings: object) -> list[str]:
    every = {
        "RFINEWS_MIRROR": url,
        "AUTOTHROTTLE_ENABLED": 0,
        "RFINEWS_RETRY_BACKOFF": 0,
    } | settings
    given = [part for name, value in every.items() for part in ("-s", f"{name}={value}")]
    arguments = ["-a", "edition=en", "-a", "via=sitemap"]
    return [sys.executable, "-m", "scrapy", "crawl", "rfi", *arguments, *given]


@pytest.fixture
def world() -> World:
    """Fifty articles, of which three are not there."""
    return World(["en"], 50)


def test_lines_in_a_log(tmp_path: Path, world: World) -> None:
    with served(world) as server:
        for piece in world.pieces[:3]:
            server.add_route(world.address(piece), {"status": 404})
        done = subprocess.run(
            command(server.url, LOGSTATS_INTERVAL=0.3, DOWNLOAD_DELAY=0.02),
            cwd=PROJECT,
            env=crawl_environment(tmp_path / "data", mirrored=True),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
    lines = [
        {name: int(number.replace(",", "")) for name, number in found.groupdict().items()}
        for found in LINE.finditer(done.stderr)
    ]
    assert len(lines) == done.stderr.count("[rfinews.progress]") >= 2
    assert "\r" not in done.stderr
    for name in ("done", "articles", "answers", "errors"):
        numbers = [line[name] for line in lines]
        assert numbers == sorted(numbers)
    last = lines[-1]
    assert last["total"] == 50
    assert last["done"] == last["articles"] + last["errors"]
    assert 0 < last["done"] <= 50
    assert last["errors"] == 3
    assert last["answers"] >= last["done"]
    assert "[scrapy.extensions.logstats]" not in done.stderr


def test_none_without_an_interval(tmp_path: Path, world: World) -> None:
    with served(world) as server:
        done = subprocess.run(
            command(server.url, LOGSTATS_INTERVAL=0, DOWNLOAD_DELAY=0.001),
            cwd=PROJECT,
            env=crawl_environment(tmp_path / "data", mirrored=True),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
    assert "[rfinews.progress]" not in done.stderr
    assert "50 exported" in done.stderr


def on_a_terminal(arguments: list[str], data_dir: Path, columns: int) -> str:
    """What a command writes to standard error, if that is a terminal so wide."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        arguments,
        cwd=PROJECT,
        env=crawl_environment(data_dir, mirrored=True) | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    ) as process:
        os.close(writing)
        written = b""
        try:
            while some := os.read(reading, 65_536):
                written += some
        except OSError:  # so Linux tells that the other end is closed
            pass
        assert process.wait(timeout=60) == 0, written
    os.close(reading)
    return ANSI.sub("", written.decode())


def test_bar_on_a_terminal(tmp_path: Path, world: World) -> None:
    """It is redrawn in place, and log lines that come meanwhile stand whole on their own."""
    with served(world) as server:
        for piece in world.pieces[::10]:
            server.add_route(world.address(piece), {"status": 404})
        written = on_a_terminal(
            command(server.url, DOWNLOAD_DELAY=0.06), tmp_path / "data", columns=150
        )
    bars = [
        {name: int(number) for name, number in found.groupdict().items()}
        for found in BAR.finditer(written)
    ]
    assert len(bars) >= 2
    assert bars[-1]["total"] == 50
    assert 10 < bars[-1]["done"] <= 50
    assert bars[-1]["done"] == bars[-1]["articles"] + bars[-1]["errors"]
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in written.split("\n")]
    shown = [line for line in shown if line.strip()]
    assert all(len(line) <= 150 for line in re.split(r"[\r\n]", written) if "addresses, " in line)
    warned = [line for line in shown if "http_404" in line and "WARNING" in line]
    assert len(warned) == 5
    assert all(LOG_LINE.fullmatch(line) for line in warned)
    assert not [line for line in shown if "addresses, " in line and "[rfinews" in line]
