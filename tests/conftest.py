"""What the tests share: the loopback server and crawls with the real command."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.server import MirrorServer, Page
from tests.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures

PROJECT = Path(__file__).resolve().parent.parent
SITE = PROJECT / "fixtures" / "site"
SAMPLES = PROJECT.parent / "shared" / "samples"

# Runs a command and notes its exit status and its peak memory (kB). A process of its own, because
# the peak of a child counts the memory of whoever started it.
MEASURED = """\
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], "w") as file:
    print(status, peak, file=file)
"""


@dataclass(frozen=True)
class Crawl:
    """A crawl that has ended and what it left behind."""

    status: int
    """Exit status."""
    stdout: str
    stderr: str
    peak_rss_mb: float
    data_dir: Path
    files: tuple[Path, ...]
    """What it added to `data_dir`."""

    @property
    def records(self) -> list[dict[str, Any]]:
        """The articles it exported, in order."""
        return [
            record
            for file in self.files
            if file.parent.name == "articles"
            and file.name.endswith((".jsonl", ".jsonl.gz"))
            and not file.name.endswith(".outcomes.jsonl")
            for record in read_lines(file)
        ]

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """The outcome of every address, in order."""
        return [
            outcome
            for file in self.files
            if file.name.endswith(".outcomes.jsonl")
            for outcome in read_lines(file)
        ]

    @property
    def manifest(self) -> dict[str, Any] | None:
        """Its manifest, if it wrote one."""
        for file in self.files:
            if file.name.endswith(".manifest.json"):
                manifest: dict[str, Any] = json.loads(file.read_bytes())
                return manifest
        return None


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    return [json.loads(line) for line in content.splitlines()]


def files_in(folder: Path) -> set[Path]:
    """All files below a folder."""
    return {file for file in folder.rglob("*") if file.is_file()}


def crawl_environment(data_dir: Path, *, mirrored: bool) -> dict[str, str]:
    """The environment of a crawl: nothing of the caller's that could steer it.

    Without a mirror every address that is not on this machine goes to a proxy that is not there.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SCRAPY", "RFINEWS")) and not name.lower().endswith("_proxy")
    }
    environment["RFINEWS_DATA_DIR"] = str(data_dir)
    if not mirrored:
        environment["http_proxy"] = environment["https_proxy"] = "http://127.0.0.1:9"
        environment["no_proxy"] = "127.0.0.1,localhost"
    return environment


@pytest.fixture
def crawl(tmp_path: Path) -> Callable[..., Crawl]:
    """Run ``scrapy crawl`` as its users do: in a process of its own, from the project's directory."""
    runs = 0

    def run(
        spider: str,
        arguments: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
        *,
        mirror: MirrorServer | None = None,
        options: Sequence[str] = (),
        data_dir: Path | None = None,
        timeout: float = 120,
    ) -> Crawl:
        nonlocal runs
        runs += 1
        data_dir = data_dir or tmp_path / "data"
        before = files_in(data_dir)
        every_setting: dict[str, object] = {
            "DOWNLOAD_DELAY": 0.001,
            "AUTOTHROTTLE_ENABLED": 0,
            "RFINEWS_RETRY_BACKOFF": 0,
        }
        every_setting |= {"LOG_LEVEL": "INFO"}
        if mirror:
            every_setting["RFINEWS_MIRROR"] = mirror.url
        every_setting |= settings or {}
        command = [sys.executable, "-m", "scrapy", "crawl", spider, *options]
        for name, value in (arguments or {}).items():
            command += ["-a", f"{name}={value}"]
        for name, value in every_setting.items():
            command += ["-s", f"{name}={value}"]
        note = tmp_path / f"crawl-{runs}.status"
        with subprocess.Popen(
            [sys.executable, "-c", MEASURED, str(note), *command],
            cwd=PROJECT,
            env=crawl_environment(data_dir, mirrored=mirror is not None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as error:
                said = (error.stderr or b"").decode("utf-8", "replace")
                pytest.fail(f"the crawl did not end within {timeout} seconds\n{said[-5000:]}")
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        status, peak = note.read_text().split()
        return Crawl(
            status=int(status),
            stdout=stdout,
            stderr=stderr,
            peak_rss_mb=int(peak) / 1024,
            data_dir=data_dir,
            files=tuple(sorted(files_in(data_dir) - before)),
        )

    return run


@pytest.fixture
def serve() -> Iterator[Callable[..., MirrorServer]]:
    """Start a server for pages and routes (see ``fixtures/server.py``); it ends with the test."""
    with ExitStack() as servers:

        def start(
            pages: Mapping[str, Page | bytes] | None = None,
            routes: Mapping[str, Mapping[str, Any]] | None = None,
            root: Path | None = None,
        ) -> MirrorServer:
            return servers.enter_context(MirrorServer(root, routes, pages))

        yield start


@pytest.fixture
def mirror(serve: Callable[..., MirrorServer]) -> MirrorServer:
    """The bundled site."""
    return serve(root=SITE)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real documents, which is not part of the project."""
    if not SAMPLES.is_dir():
        pytest.skip("../shared/samples is not here")
    return SAMPLES
