"""Crawls that are killed, at any point that matters, and what must be true of their data directory.

    python -m tests.crashes [--kills 100] [--seed N]    # at random, in one directory that grows
    python -m tests.crashes --everywhere                # at every point, one after the other

How a crawl is killed
    `Launcher` is a process that has imported everything and forks for each crawl, which then is
    ``scrapy crawl`` from its command line on. A crawl's writes, renames, removals, flushes and
    changes of the store are its *events* (`Watch`): each is a point at which the crawl can end
    with SIGKILL: before it, after it, and with half of the bytes written. What is on disk after an
    event is as a rule what is there before the next one.

What must be true
    `faults` tells what is wrong with a data directory.
"""

import argparse
import contextlib
import faulthandler
import gc
import hashlib
import importlib
import itertools
import json
import logging
import os
import pkgutil
import queue
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import partial
from html import escape
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from fixtures.server import MirrorServer
from rfinews.files import MANIFEST, OUTCOMES, PART, read_articles_name
from rfinews.store import Store
from rfinews.urls import canonical_url, is_short_link
from rfinews.verify import Verification
from tests.conftest import PROJECT, crawl_environment, read_lines

LONGEST = 60
"""Seconds after which a crawl hangs."""
HOWS = ("before", "half", "after")
FEED = "https://feedx.net/rss/rfi.xml"
PARIS = ZoneInfo("Europe/Paris")

# ------------------------------------------------------------------------------------- one crawl


class Point(NamedTuple):
    """Where a crawl is killed."""

    how: str
    """One of `HOWS`; ``half`` is for writes, and ``before`` for all other events. Or ``pause
    before``, ``pause after``: the crawl is not killed but stands still, until SIGCONT."""
    nth: int
    """From 1."""
    event: str = ""
    """Its name; if it has none, all are counted."""

    def __str__(self) -> str:
        return f"{self.how} {self.event} ({self.nth})"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A crawl to be started."""

    argv: Sequence[str]
    """What follows ``scrapy``."""
    data_dir: str
    log: str
    """Where its standard output and error go."""
    kill: "Point | None" = None
    clock: float = 0
    """Seconds by which its clock is wrong."""
    timeout: float = LONGEST

    @property
    def note(self) -> Path:
        """The file in which it notes its events."""
        return Path(f"{self.log}.events")


@dataclass(frozen=True)
class Ended:
    """A crawl that has ended. Killed ones have the negative number of the signal as status."""

    status: int
    cpu: float
    """Seconds."""
    log: str
    events: list[str]

    @property
    def was_killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Watch:
    """In the crawl: counts its events, and ends it at one of them."""

    def __init__(self, job: Job) -> None:
        self.root = os.path.realpath(job.data_dir)
        self.kill = job.kill
        self.note = job.note
        self.events: list[str] = []
        self.paths: dict[int, str] = {}  # of file descriptors
        folder = Path(job.data_dir) / "articles"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        self.before = {name.partition(".")[0] for name in names}
        self.lock = threading.Lock()

    def start(self) -> None:
        for name in ("replace", "rename", "link", "unlink", "mkdir"):
            setattr(os, name, partial(self.on_path, name, getattr(os, name)))
        self.write = os.write
        os.write = self.on_write
        os.fsync = partial(self.on_fd, "fsync", os.fsync)
        os.ftruncate = partial(self.on_fd, "ftruncate", os.ftruncate)
        os.open = partial(self.on_open, os.open)  # type: ignore[assignment]
        connect = sqlite3.connect
        watch = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *rest: Any) -> Any:
                run = partial(super().execute, sql, *rest)
                return watch.happens(watch.statement(sql), run) if changes(sql) else run()

            def executemany(self, sql: str, *rest: Any) -> Any:
                run = partial(super().executemany, sql, *rest)
                return watch.happens(watch.statement(sql), run)

            def executescript(self, *rest: Any) -> Any:
                return watch.happens("store: schema", partial(super().executescript, *rest))

            def close(self) -> None:
                watch.happens("store: close", super().close)

        def connected(path: Any, *rest: Any, **options: Any) -> Any:
            if watch.is_inside(path):
                options["factory"] = Connection
            return connect(path, *rest, **options)

        sqlite3.connect = connected  # type: ignore[assignment]

    # ---------------------------------------------------------------------------------- wrappers

    def on_path(self, name: str, call: Callable[..., Any], path: Any, *rest: Any, **o: Any) -> Any:
        run = partial(call, path, *rest, **o)
        is_in_vain = os.path.lexists(path) == (name == "mkdir")
        if not self.is_inside(path) or is_in_vain:
            return run()
        return self.happens(f"{name} {self.label(path)}", run)

    def on_open(self, call: Callable[..., int], path: Any, flags: int, *rest: Any, **o: Any) -> int:
        run = partial(call, path, flags, *rest, **o)
        if not self.is_inside(path):
            return run()
        if flags & os.O_CREAT and not os.path.lexists(path):
            fd: int = self.happens(f"create {self.label(path)}", run)
        else:
            fd = run()
        self.paths[fd] = os.fspath(path)
        return fd

    def on_fd(self, name: str, call: Callable[..., Any], fd: int, *rest: Any) -> Any:
        label = self.label(self.paths[fd]) if fd in self.paths else "a file"
        return self.happens(f"{name} {label}", partial(call, fd, *rest))

    def on_write(self, fd: int, data: Any) -> int:
        run = partial(self.write, fd, data)
        if fd not in self.paths:
            return run()
        half = partial(self.write, fd, bytes(data)[: len(data) // 2])
        written: int = self.happens(f"write {self.label(self.paths[fd])}", run, half)
        return written

    def is_inside(self, path: Any) -> bool:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            return False
        return os.path.realpath(os.fspath(path)).startswith(self.root)

    def label(self, path: Any) -> str:
        """Name a file without the crawl's name: those of a crawl before are ``old``."""
        name = Path(path).name
        crawl_id, _, rest = name.partition(".")
        if not re.search(r"-\d{8}T\d{6}Z-", crawl_id):
            return name
        return f"{'old' if crawl_id in self.before else 'own'}.{rest}"

    @staticmethod
    def statement(sql: str) -> str:
        return f"store: {sql.split(maxsplit=1)[0].upper()}"

    def happens(
        self, name: str, run: Callable[[], Any], half: Callable[[], Any] | None = None
    ) -> Any:
        with self.lock:  # files are completed in threads
            self.events.append(name)
            is_the_end = self.is_the_end(name)
        how = self.kill.how if self.kill is not None and is_the_end else None
        if how == "half" and half is not None:
            half()
        if how in ("before", "half"):
            self.die()
        if how == "pause before":
            self.stand_still()
        result = run()
        if how == "after":
            self.die()
        if how == "pause after":
            self.stand_still()
        return result

    def stand_still(self) -> None:
        self.save()
        os.kill(os.getpid(), signal.SIGSTOP)

    def is_the_end(self, name: str) -> bool:
        if self.kill is None or self.kill.event not in ("", name):
            return False
        happened = self.events.count(name) if self.kill.event else len(self.events)
        return happened == self.kill.nth

    def die(self) -> None:
        self.save()
        os.kill(os.getpid(), signal.SIGKILL)

    def save(self) -> None:
        self.note.write_text("\n".join(self.events))


def changes(sql: str) -> bool:
    """Whether a statement changes anything, or begins or ends to."""
    return not sql.lstrip().startswith("SELECT") and ("PRAGMA" not in sql or "=" in sql)


def shift_clock(seconds: float) -> None:
    """Let the crawl's own code see another time."""
    now, wrong = time.time, timedelta(seconds=seconds)
    time.time = lambda: now() + seconds

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Shifted(datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + wrong

    for name, module in list(sys.modules.items()):
        if name.startswith("rfinews.") and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]


def be_crawl(job: Job) -> None:
    """Turn this process into a crawl. Does not return."""
    status = 70
    try:
        fd = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        faulthandler.dump_traceback_later(job.timeout, exit=True)
        if job.clock:
            shift_clock(job.clock)
        watch = Watch(job)
        watch.start()
        from scrapy.cmdline import execute

        try:
            execute(["scrapy", *job.argv])
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 0
        watch.save()
    except BaseException:  # noqa: BLE001 - this is where the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


# ----------------------------------------------------------------------------------- the launcher


def import_all() -> None:
    """Import what a crawl would import, but for the settings, which read the environment."""
    import scrapy

    import rfinews

    def import_below(package: ModuleType, skip: str) -> None:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not re.search(skip, module.name):
                with contextlib.suppress(ImportError):
                    importlib.import_module(module.name)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # modules that are deprecated and that no crawl imports
        import_below(rfinews, r"\.settings$")
        import_below(scrapy, r"\.(__main__|interfaces|shell|utils\.(test.*|benchserver))$")
    for name in ("uvloop", "twisted.internet.asyncioreactor"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert "twisted.internet.reactor" not in sys.modules
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()


def serve() -> None:
    """Start crawls as standard input asks for them: ``{"start": job}``, ``{"wait": pid}``."""
    import_all()
    print("ready", flush=True)
    running: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            pid = os.fork()
            if pid == 0:
                kill = asked["start"].pop("kill")
                be_crawl(Job(**asked["start"], kill=Point(*kill) if kill else None))
            running.add(pid)
            answer: dict[str, Any] = {"pid": pid}
        else:
            pid, status, usage = os.wait4(asked["wait"], 0)
            running.discard(pid)
            answer = {
                "status": os.waitstatus_to_exitcode(status),
                "cpu": usage.ru_utime + usage.ru_stime,
            }
        print(json.dumps(answer), flush=True)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Running:
    """A crawl that was started."""

    pid: int
    job: Job
    launcher: "Launcher"

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    @property
    def has_noted(self) -> bool:
        """Whether it stands still or comes to its end."""
        return self.job.note.exists()

    def wait(self) -> Ended:
        """Wait for its end."""
        answer = self.launcher.ask({"wait": self.pid})
        log = Path(self.job.log).read_text(encoding="utf-8", errors="replace")
        assert "Timeout (0:" not in log, log[-5000:]
        note = self.job.note
        events = note.read_text().split("\n") if note.exists() else []
        note.unlink(missing_ok=True)
        return Ended(answer["status"], answer["cpu"], log, list(filter(None, events)))


def until(condition: Callable[[], object], seconds: float = LONGEST) -> None:
    """Wait until something is true."""
    for _ in range(int(seconds * 100)):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come true")


class Launcher:
    """A process that starts crawls; a context manager. One thread at a time may use it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.communicate(timeout=10)
            self.process = None

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        process = self.process or self._begin()
        assert process.stdin is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(_line(process.stdout))
        return answer

    def _begin(self) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes", "--serve"],
            cwd=PROJECT,
            env=crawl_environment(Path("nowhere"), mirrored=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        assert _line(self.process.stdout) == "ready\n"
        return self.process

    def start(self, job: Job) -> Running:
        """Start a crawl."""
        Path(job.log).touch()
        return Running(self.ask({"start": asdict(job)})["pid"], job, self)

    def run(self, job: Job) -> Ended:
        """Start a crawl and wait for its end."""
        return self.start(job).wait()


def _line(pipe: IO[str] | None) -> str:
    assert pipe is not None
    line = pipe.readline()
    assert line, "the launcher has died"
    return line


class Launchers:
    """Some launchers, to work in parallel; a context manager."""

    def __init__(self, number: int = 2) -> None:
        self.number = number
        self.stack = contextlib.ExitStack()
        self.idle: queue.SimpleQueue[Launcher] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        for _ in range(self.number):
            self.idle.put(self.stack.enter_context(Launcher()))
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    @contextlib.contextmanager
    def one(self) -> Iterator[Launcher]:
        """Borrow a launcher."""
        launcher = self.idle.get()
        try:
            yield launcher
        finally:
            self.idle.put(launcher)

    def each(self, work: Callable[[Launcher, Any], Any], items: Iterable[Any]) -> list[Any]:
        """Do the work for all items, in parallel; the results in order."""

        def borrowed(item: Any) -> Any:
            with self.one() as launcher:
                return work(launcher, item)

        with ThreadPoolExecutor(self.number) as pool:
            return list(pool.map(borrowed, items))


def arguments(
    spider: str,
    data_dir: Path,
    settings: Mapping[str, object] | None = None,
    **spider_arguments: object,
) -> list[str]:
    """What follows ``scrapy`` to crawl as fast as possible."""
    every: dict[str, object] = {
        "RFINEWS_DATA_DIR": data_dir,
        "DOWNLOAD_DELAY": 0.001,
        "AUTOTHROTTLE_ENABLED": 0,
        "RFINEWS_RETRY_BACKOFF": 0,
        "LOG_LEVEL": "WARNING",
        **(settings or {}),
    }
    command = ["crawl", spider]
    for name, value in spider_arguments.items():
        command += ["-a", f"{name}={value}"]
    for name, value in every.items():
        command += ["-s", f"{name}={value}"]
    return command


# -------------------------------------------------------------------------- what there is to crawl


class Edition(NamedTuple):
    """One text of an article, in one layout."""

    at: int
    """When the feed delivered it, seconds since 1970."""
    text: str
    layout: int = 0


LAYOUTS = (
    "<div>{date}</div><div><p>{text}</p></div>",
    "<div>{date}</div><div><p><strong>{text}</strong></p><p> </p></div>",
    """<div>{date}</div><p>{text}</p><br><hr><div>获取更多RSS：<br>
    <a href="https://feedx.net">https://feedx.net</a> <br></div>""",
    """<div>{date}</div><div class="t-content__body u-clearfix"><p>{text}</p>
    <div class="o-self-promo o-self-promo--nl" data-selfpromo-newsletter></div></div>""",
)
ON_THE_PAGE = (
    "<p>{}</p>",
    "<p><strong>{}</strong></p><p> </p>",
    "<div><p>{}</p></div><div class='m-interstitial'></div>",
    "<div class='u-clearfix'><p>{}</p></div><script>share()</script>",
)


class World:
    """Articles and their history, as archive, feed and pages; and so what must be in the files."""

    def __init__(self, start: int = 1_699_359_302) -> None:
        self.clock = start
        self.articles: dict[str, list[Edition]] = {}

    def publish(self, name: str, text: str | None = None, layout: int = 0) -> None:
        """A new article, or one that changes: another text, or only another layout."""
        self.clock += 60
        editions = self.articles.setdefault(name, [])
        if text is None:
            text = editions[-1].text if editions else f"松河{name}的桥重新开放。"
        editions.append(Edition(self.clock, text, layout))

    @staticmethod
    def address(name: str) -> str:
        return f"https://www.rfi.fr/cn/国际/20231107-{name}"

    @staticmethod
    def title(name: str) -> str:
        return f"标题{name}"

    @staticmethod
    def payload(edition: Edition) -> str:
        date = f"{datetime.fromtimestamp(edition.at, PARIS):%d/%m/%Y - %H:%M}"
        return LAYOUTS[edition.layout].format(date=date, text=edition.text)

    def write_archive(self, folder: Path) -> Path:
        """Write all editions."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, editions in self.articles.items():
            for edition in editions:
                file = folder / f"{name}-{edition.at}.md"
                file.write_text(
                    f"<!--{edition.at}000-->\n[{self.title(name)}]({self.address(name)})\n------\n\n"
                    f"{self.payload(edition)}",
                    encoding="utf-8",
                )
        return folder

    def feed(self, names: Iterable[str] | None = None) -> bytes:
        """The feed of the newest editions."""
        items = []
        for name in self.articles if names is None else names:
            edition = self.articles[name][-1]
            items.append(
                f"<item><title>{self.title(name)}</title><link>{self.address(name)}</link>"
                f"<pubDate>{formatdate(edition.at)}</pubDate>"
                f"<description>{escape(self.payload(edition))}</description></item>"
            )
        channel = f"<channel><title>RFI</title>{''.join(items)}</channel>"
        return f'<?xml version="1.0"?><rss version="2.0">{channel}</rss>'.encode()

    def page(self, name: str) -> bytes:
        """The article's page; it says what the feed says."""
        edition = self.articles[name][-1]
        body = ON_THE_PAGE[edition.layout].format(edition.text)
        return (
            "<!DOCTYPE html><html><head><title>x - RFI</title></head><body><article>"
            f'<h1 class="t-content__title">{self.title(name)}</h1>'
            f'<div class="t-content__body">{body}</div></article></body></html>'
        ).encode()

    def put_on(self, server: MirrorServer) -> None:
        """Serve feed and pages."""
        server.add_page(FEED.removeprefix("https://"), self.feed())
        for name in self.articles:
            server.add_page(self.address(name).removeprefix("https://"), self.page(name))

    def expected(self) -> set["Record"]:
        """What an archive must come to, or a feed that was crawled at each change."""
        records = set()
        for name, editions in self.articles.items():
            for revision, text in enumerate(changes_of(editions), start=1):
                records.add(Record(canonical_url(self.address(name)), revision, text))
        return records

    def latest(self) -> dict[str, str]:
        """The newest text of each article."""
        return {
            canonical_url(self.address(name)): editions[-1].text
            for name, editions in self.articles.items()
        }


def changes_of(editions: Iterable[Edition]) -> list[str]:
    """The texts one after the other; what differs in punctuation alone is one text."""
    grouped = itertools.groupby(
        (edition.text for edition in editions), key=lambda text: re.sub(r"\W", "", text)
    )
    return [next(texts) for _, texts in grouped]


# ---------------------------------------------------------------------------- what must be true


class Record(NamedTuple):
    """What is compared of a record."""

    canonical_url: str
    revision: int
    text: str


def records(data_dir: Path) -> dict[Path, list[dict[str, Any]]]:
    """The records of each complete articles file."""
    return {
        path: read_lines(path)
        for path in sorted((data_dir / "articles").iterdir())
        if read_articles_name(path.name) is not None
    }


def stored(data_dir: Path) -> set[Record]:
    """All records in complete files."""
    return {
        Record(line["canonical_url"], line["revision"], line["article_body"])
        for lines in records(data_dir).values()
        for line in lines
    }


def manifests(data_dir: Path) -> dict[str, dict[str, Any]]:
    """The manifests by ``crawl_id``."""
    found = (json.loads(path.read_bytes()) for path in (data_dir / "articles").glob(f"*{MANIFEST}"))
    return {manifest["crawl_id"]: manifest for manifest in found}


def faults(data_dir: Path, expected: set[Record] | None = None) -> list[str]:
    """What is wrong with a data directory in which no crawl runs and none has to be recovered."""
    if not (data_dir / "articles").is_dir():
        return ["no articles/"]
    found = [
        *_faults_in_records(data_dir),
        *_faults_in_manifests(data_dir),
        *_faults_in_store(data_dir),
        *(f"verify: {fault}" for fault in Verification([data_dir]).faults()),
    ]
    if expected is not None:
        there = stored(data_dir)
        found += [f"lost: {record}" for record in sorted(expected - there)]
        found += [f"not expected: {record}" for record in sorted(there - expected)]
    return found


def check(data_dir: Path, expected: set[Record] | None = None) -> None:
    """Fail with all that is wrong."""
    found = faults(data_dir, expected)
    listing = sorted(path.name for path in (data_dir / "articles").glob("*"))
    assert not found, "\n".join([*found, *listing])


def _faults_in_records(data_dir: Path) -> Iterator[str]:
    places: dict[tuple[str, int], list[str]] = defaultdict(list)
    by_id: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for path, lines in records(data_dir).items():
        for line in lines:
            places[line["id"], line["revision"]].append(path.name)
            by_id[line["id"]][line["revision"]] = line
    for key, names in places.items():
        if len(names) > 1:
            yield f"twice: {key} in {names}"
    for revisions in by_id.values():
        if sorted(revisions) != list(range(1, len(revisions) + 1)):
            yield f"revisions {sorted(revisions)} of {revisions.popitem()[1]['canonical_url']}"
            continue
        for number, line in revisions.items():
            before = revisions.get(number - 1)
            if (line["change"] == "new") != (before is None):
                yield f"revision {number} is {line['change']}: {line['canonical_url']}"
            elif (
                before is not None
                and line["change"] == "update"
                and before["content_hash"] == line["content_hash"]
            ):
                yield f"false update: revision {number} of {line['canonical_url']}"


def _faults_in_manifests(data_dir: Path) -> Iterator[str]:
    folder = data_dir / "articles"
    names = {path.name for path in folder.iterdir()}
    yield from (f"left over: {name}" for name in sorted(names) if name.endswith(PART))
    known = manifests(data_dir)
    for name in names:
        crawl_id = name.partition(".")[0]
        if crawl_id not in known:
            yield f"no manifest: {name}"
    digests = {
        crawl_id: hashlib.sha256((folder / f"{crawl_id}{MANIFEST}").read_bytes()).hexdigest()
        for crawl_id in known
    }
    previous = [manifest["previous"] for manifest in known.values()]
    if known and previous.count(None) != 1:
        yield f"{previous.count(None)} manifests without a previous one"
    for crawl_id, times in Counter(each["crawl_id"] for each in previous if each).items():
        if times > 1:
            yield f"{times} manifests come after {crawl_id}"
    for each in previous:
        if each and digests.get(each["crawl_id"]) != each["sha256"]:
            yield f"broken chain: {each}"
    for crawl_id, manifest in known.items():
        yield from _faults_in_manifest(folder, crawl_id, manifest)


def _faults_in_manifest(folder: Path, crawl_id: str, manifest: dict[str, Any]) -> Iterator[str]:
    lines = read_lines(folder / f"{crawl_id}{OUTCOMES}")
    urls = [line["url"] for line in lines]
    if len(urls) != len(set(urls)):
        yield f"an address has two outcomes in {crawl_id}"
    if Counter(line["outcome"] for line in lines) != manifest["outcomes"]:
        yield f"outcomes of {crawl_id} are not {manifest['outcomes']}"
    files = {file["name"] for file in manifest["files"]}
    found = {
        path.name
        for path in folder.glob(f"{crawl_id}.*")
        if read_articles_name(path.name) is not None
    }
    if files != found:
        yield f"files of {crawl_id} are {sorted(found)}, its manifest names {sorted(files)}"
    exported = {
        canonical_url(line["url"])
        for line in lines
        if line["outcome"] == "exported" and not is_short_link(line["url"])
    }
    in_files = {record["canonical_url"] for name in found for record in read_lines(folder / name)}
    short = any(is_short_link(url) for url in urls)
    if exported - in_files or (in_files - exported and not short):
        yield f"exported and not in a file, or the reverse, in {crawl_id}: {exported ^ in_files}"


_REVISIONS = """
SELECT hex(id), canonical_url, revisions.revision, revisions.change, revisions.source,
    revisions.content_hash, crawled_at, name
FROM revisions JOIN articles ON articles.number = article JOIN files ON files.number = file
"""
_ARTICLES = (
    "SELECT hex(id), canonical_url, spider, revision, change, source, content_hash FROM articles"
)
_OTHERS = ("SELECT name FROM files", "SELECT crawl_id, sha256 FROM head")


_QUIET = threading.Lock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A store that is built for comparison need not tell so; one thread at a time."""
    log = logging.getLogger("rfinews.store")
    with _QUIET:
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)


def _faults_in_store(data_dir: Path) -> Iterator[str]:
    """The store must be what the files make of it, but for what stands in no file."""
    path = data_dir / "state" / "known.sqlite"
    if not path.exists():
        yield "no store"
        return
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = [set(db.execute(query)) for query in (_REVISIONS, _ARTICLES, *_OTHERS)]
        begun = [crawl_id for (crawl_id,) in db.execute("SELECT crawl_id FROM crawls")]
        if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            yield "the store is damaged"
    if begun:
        yield f"the store believes that these have not ended: {begun}"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "articles").symlink_to(data_dir / "articles", target_is_directory=True)
        store = Store(Path(folder))
        with quiet():
            store.open()
        store.close()
        with contextlib.closing(sqlite3.connect(store.path)) as db:
            built = [set(db.execute(query)) for query in (_REVISIONS, _ARTICLES, *_OTHERS)]
    for name, mine, theirs in zip(
        ("revisions", "articles", "files", "head"), tables, built, strict=True
    ):
        if mine != theirs:
            yield f"store: {name}: only in it {mine - theirs}; only in the files {theirs - mine}"
    in_files = {
        (line["id"].upper(), line["revision"])
        for lines in records(data_dir).values()
        for line in lines
    }
    if {(row[0], row[2]) for row in tables[0]} != in_files:
        yield "the store's revisions are not those in the files"


class Bench:
    """A data directory and crawls in it, one after the other or at once."""

    def __init__(
        self, folder: Path, launcher: Launcher, server: MirrorServer | None = None
    ) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = folder / "data"
        self.launcher = launcher
        self.server = server
        self.numbers = itertools.count()

    @property
    def articles(self) -> Path:
        return self.data_dir / "articles"

    @property
    def names(self) -> set[str]:
        """The files of all crawls."""
        return {path.name for path in self.articles.iterdir()} if self.articles.exists() else set()

    def parts(self, ending: str = PART) -> list[Path]:
        """The files that grow."""
        return [self.articles / name for name in sorted(self.names) if name.endswith(ending)]

    @property
    def growing(self) -> list[Path]:
        """The articles files among them."""
        return [path for path in self.parts(".jsonl.part") if OUTCOMES not in path.name]

    def start(
        self,
        spider: str,
        settings: Mapping[str, object] | None = None,
        *,
        kill: Point | None = None,
        clock: float = 0,
        **spider_arguments: object,
    ) -> Running:
        """Start a crawl."""
        mirrored = {"RFINEWS_MIRROR": self.server.url} if self.server else {}
        return self.launcher.start(
            Job(
                argv=arguments(
                    spider, self.data_dir, {**mirrored, **(settings or {})}, **spider_arguments
                ),
                data_dir=str(self.data_dir),
                log=str(self.folder / f"log-{next(self.numbers)}"),
                kill=kill,
                clock=clock,
            )
        )

    def run(self, spider: str, *, status: int = 0, **options: Any) -> Ended:
        """Let a crawl end; with another status than that it fails."""
        ended = self.start(spider, **options).wait()
        assert ended.status == status, ended.log
        assert "Traceback" not in ended.log, ended.log
        return ended

    def archive(self, path: Path, **options: Any) -> Ended:
        return self.run("archive", path=path, **options)

    def feedx(self, **options: Any) -> Ended:
        return self.run("feedx", feed=FEED, **options)

    def kill(self, point: Point, spider: str, **options: Any) -> Ended:
        """Kill a crawl."""
        ended = self.start(spider, kill=point, **options).wait()
        assert ended.was_killed, ended.log
        return ended


# ------------------------------------------------------------------------------ kills everywhere


DURABLE = re.compile(
    r"(create|write|replace|rename|link|unlink|mkdir) |store: (schema|COMMIT|close)"
)
"""Events that change what a crawl leaves when it is killed; others are undone, or only flush."""


def points(events: Iterable[str], hows: Sequence[str] = HOWS) -> list[Point]:
    """Every point of a crawl; ``half`` only where there is one."""
    counts: Counter[str] = Counter()
    found = []
    for event in events:
        counts[event] += 1
        found += [
            Point(how, counts[event], event)
            for how in hows
            if how != "half" or event.startswith("write ")
        ]
    return found


def chosen_points(events: Sequence[str]) -> list[Point]:
    """After every event that changes anything and in the midst of writes; of equal ones the first
    and the last.
    """
    durable = points(filter(DURABLE.match, events), ("half", "after"))
    last = Counter(events)
    return [
        point
        for point in durable
        if point.nth in (1, last[point.event]) or point.event == "store: COMMIT"
    ]


@dataclass(kw_only=True)
class Scenario:
    """A crawl, to be killed at each of its points in a copy of `template` (or nothing)."""

    folder: Path
    argv: Callable[[Path], list[str]]
    expected: set[Record]
    template: Path | None = None
    made: "itertools.count[int]" = field(default_factory=itertools.count)

    def place(self) -> Path:
        """A data directory in the state before."""
        folder = self.folder / f"{next(self.made)}"
        if self.template is not None:
            shutil.copytree(self.template, folder / "data")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "data"

    def job(self, data_dir: Path, **options: Any) -> Job:
        log = str(data_dir.with_name(f"log-{next(self.made)}"))
        return Job(argv=self.argv(data_dir), data_dir=str(data_dir), log=log, **options)

    def events(self, launcher: Launcher, before: Sequence[Point] = ()) -> list[str]:
        """The events of the crawl, or of that after some that were killed; it must do its job."""
        data_dir = self.place()
        for point in before:
            launcher.run(self.job(data_dir, kill=point))
        ended = launcher.run(self.job(data_dir))
        assert ended.status == 0, ended.log
        check(data_dir, self.expected)
        shutil.rmtree(data_dir.parent)
        return ended.events

    def survives(self, launcher: Launcher, kills: Sequence[Point]) -> str | None:
        """Kill a crawl after the other, then let one end; return what is wrong then."""
        data_dir = self.place()
        story = []
        for point in kills:
            ended = launcher.run(self.job(data_dir, kill=point))
            story.append(
                f"killed {point}"
                if ended.was_killed
                else f"never {point}, exit status {ended.status}"
            )
            if not ended.was_killed and ended.status != 0:
                return f"{'; '.join(story)}: {ended.log}"
        ended = launcher.run(self.job(data_dir))
        wrong = faults(data_dir, self.expected)
        if ended.status != 0 or "Traceback" in ended.log:
            wrong.append(f"exit status {ended.status}\n{ended.log}")
        if wrong:
            listing = sorted(path.name for path in (data_dir / "articles").glob("*"))
            return "\n    ".join([f"{'; '.join(story)}: {data_dir}", *wrong, *listing])
        shutil.rmtree(data_dir.parent)
        return None

    def bears(self, launcher: Launcher, pause: Point) -> str | None:
        """Let a crawl stand still while another one comes and, where it can, goes; what is wrong."""
        data_dir = self.place()
        first = launcher.start(self.job(data_dir, kill=pause))
        until(lambda: first.has_noted)
        second = launcher.start(self.job(data_dir))
        with contextlib.suppress(AssertionError):  # it may have to wait for the other one
            until(lambda: second.has_noted, 0.5)
        first.send(signal.SIGCONT)
        ended = [first.wait(), second.wait()]
        wrong = faults(data_dir, self.expected)
        wrong += [
            f"{name}: exit status {each.status}\n{each.log}"
            for name, each in zip(("first", "second"), ended, strict=True)
            if each.status != 0 or "Traceback" in each.log
        ]
        reasons = sorted(each["finish_reason"] for each in manifests(data_dir).values())
        if reasons[-2:] != ["finished"] * 2 or "recovered" in reasons:
            wrong.append(f"crawls ended as {reasons}")
        if wrong:
            return "\n    ".join([f"{pause}: {data_dir}", *wrong])
        shutil.rmtree(data_dir.parent)
        return None

    def bear_all(self, launchers: Launchers, pauses: Iterable[Point]) -> None:
        """Fail with every pause in which another crawl does harm."""
        wrong = launchers.each(self.bears, pauses)
        failed = [each for each in wrong if each is not None]
        assert not failed, "\n".join([f"{len(failed)} of {len(wrong)}", *failed[:10]])

    def survive_all(self, launchers: Launchers, kills: Iterable[Sequence[Point]]) -> None:
        """Fail with every sequence of kills that the crawl does not survive."""
        wrong = launchers.each(self.survives, kills)
        failed = [each for each in wrong if each is not None]
        assert not failed, "\n".join([f"{len(failed)} of {len(wrong)}", *failed[:10]])


def small_world() -> tuple[World, World]:
    """What there is at first and what has come of it.

    Six documents then, of four articles: one as before, one changed, two new, of which one with two
    texts.
    """
    before = World()
    before.publish("一")
    before.publish("二")
    after = deepcopy(before)
    after.publish("一", layout=1)
    after.publish("二", "松河二的桥又关了。")
    after.publish("三")
    return before, after


def scenarios(folder: Path, launcher: Launcher, server: MirrorServer) -> dict[str, Scenario]:
    """The crawls that are killed."""
    before, after = small_world()
    path = before.write_archive(folder / "before")
    old = Bench(folder / "of an archive", launcher)
    old.archive(path)
    after.publish("四")
    after.publish("四", "松河四的桥拆了。")
    path = after.write_archive(folder / "after")
    expected = after.expected()
    rotated = {"RFINEWS_ROTATE_ITEMS": 2}
    compressed = {"RFINEWS_COMPRESS": "gz"}
    found = {
        "archive": Scenario(
            folder=folder / "1",
            argv=lambda data_dir: arguments("archive", data_dir, path=path),
            expected=expected,
        ),
        "more of an archive, rotated": Scenario(
            folder=folder / "2",
            argv=lambda data_dir: arguments("archive", data_dir, rotated, path=path),
            expected=expected,
            template=old.data_dir,
        ),
        "more of an archive, rotated, compressed": Scenario(
            folder=folder / "3",
            argv=lambda data_dir: arguments("archive", data_dir, rotated | compressed, path=path),
            expected=expected,
            template=old.data_dir,
        ),
    }
    before, after = small_world()
    mirrored = {"RFINEWS_MIRROR": server.url}
    for follow in (0, 1):
        before.put_on(server)
        old = Bench(folder / f"of a feed {follow}", launcher, server)
        old.feedx(follow=follow)
        after.put_on(server)
        found[f"changed feed, follow={follow}"] = Scenario(
            folder=folder / f"feed {follow}",
            argv=lambda data_dir, follow=follow: arguments(  # type: ignore[misc]
                "feedx", data_dir, mirrored | rotated, feed=FEED, follow=follow
            ),
            expected=after.expected(),
            template=old.data_dir,
        )
    return found


FIRST_KILLS = {
    "its mark is all there is of it": ("rename own.crawl.copy.part", "after", 0),
    "its mark is torn": ("write own.crawl.copy.part", "half", 0),
    "a line is torn": ("write own.jsonl.part", "half", 1),
    "all articles are written": ("write own.jsonl.part", "after", -1),
    "its file has been renamed and not stored": ("replace own.jsonl.part", "after", 0),
    "its outcomes are torn": ("write own.outcomes.jsonl.part", "half", 1),
    "its outcomes are complete": ("replace own.outcomes.jsonl.part", "after", 0),
    "its manifest is torn": ("write own.manifest.json.part", "half", 0),
    "its manifest has been renamed and not stored": ("replace own.manifest.json.part", "after", 0),
    "it has only not removed its mark": ("unlink own.crawl.part", "before", 0),
}
"""Where a crawl is killed whose recovery is killed then: event, how, and which of its kind."""


def first_kill(name: str, events: Sequence[str]) -> Point:
    """The point of that name in `FIRST_KILLS`."""
    event, how, index = FIRST_KILLS[name]
    return [point for point in points(events, [how]) if point.event == event][index]


def of_recovery(events: Sequence[str]) -> list[str]:
    """The events of a crawl before it begins with its own work."""
    return list(events[: events.index("create own.outcomes.jsonl.part")])


# ------------------------------------------------------------------------------------ many kills


@dataclass
class Tally:
    """What happened in a long run."""

    crawls: int = 0
    kills: int = 0
    at: Counter[str] = field(default_factory=Counter)

    def add(self, ended: Ended) -> None:
        self.crawls += 1
        if ended.was_killed:
            self.kills += 1
            self.at[ended.events[-1].split()[0].rstrip(":") if ended.events else "by time"] += 1


class LongRun:
    """Crawls in one data directory while the world changes, many of them killed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.random = random.Random(seed)
        self.world = World()
        self.tally = Tally()
        self.events = 60  # of the last crawl that was not killed
        self.numbers = itertools.count()
        self.gathered: set[tuple[str, str]] = set()

    def run(self, kills: int, launcher: Launcher, server: MirrorServer) -> list[str]:
        """Kill so many crawls, let the last ones end; return what is wrong then."""
        self.server = server
        while self.tally.kills < kills:
            self.change_world()
            number = 2 if self.random.random() < 0.25 else 1
            started = [launcher.start(self.job(to_be_killed=True)) for _ in range(number)]
            for each in started:
                if each.job.kill is None and self.random.random() < 0.8:
                    time.sleep(self.random.uniform(0, 0.3))
                    with contextlib.suppress(ProcessLookupError):
                        each.send(signal.SIGKILL)
            for each in started:
                ended = each.wait()
                self.tally.add(ended)
                if not ended.was_killed:
                    self.events = len(ended.events)
                    if ended.status != 0 or "Traceback" in ended.log:
                        return [f"exit status {ended.status}\n{ended.log}"]
            self.note_gathered()
        for spider in ("follow", "feedx", "archive"):
            ended = launcher.run(self.job(spider))
            if ended.status != 0 or "Traceback" in ended.log:
                return [f"exit status {ended.status}\n{ended.log}"]
        return [*faults(self.data_dir), *self.lost(), *self.made_up()]

    def change_world(self) -> None:
        choose = self.random
        names = list(self.world.articles)
        for _ in range(choose.randint(0, 3)):
            self.world.publish(f"之{len(self.world.articles)}")
        for name in choose.sample(names, min(len(names), choose.randint(0, 2))):
            self.world.publish(name, f"松河{name}的桥第{next(self.numbers)}次关闭。")
        for name in choose.sample(names, min(len(names), choose.randint(0, 2))):
            self.world.publish(name, layout=choose.randrange(len(LAYOUTS)))
        self.world.write_archive(self.folder / "archive")
        self.world.put_on(self.server)

    def job(self, kind: str | None = None, *, to_be_killed: bool = False) -> Job:
        choose = self.random
        kind = kind or choose.choice(("archive", "feedx", "follow"))
        settings: dict[str, object] = {"RFINEWS_ROTATE_ITEMS": choose.choice((1, 2, 5, 10_000))}
        if choose.random() < 0.3:
            settings["RFINEWS_COMPRESS"] = "gz"
        if kind == "archive":
            argv = arguments("archive", self.data_dir, settings, path=str(self.folder / "archive"))
        else:
            settings["RFINEWS_MIRROR"] = self.server.url
            follow = int(kind == "follow")
            argv = arguments("feedx", self.data_dir, settings, feed=FEED, follow=follow)
        options: dict[str, Any] = {}
        if to_be_killed and choose.random() < 0.7:
            options["kill"] = Point(choose.choice(HOWS), choose.randint(1, self.events))
        log = str(self.folder / f"log-{next(self.numbers)}")
        return Job(argv=argv, data_dir=str(self.data_dir), log=log, **options)

    def note_gathered(self) -> None:
        """Note what stands in files that have not been completed, in whole lines."""
        folder = self.data_dir / "articles"
        for path in folder.glob("*.jsonl.part") if folder.is_dir() else ():
            if path.name.endswith(OUTCOMES + PART):
                continue
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    record = json.loads(line)
                    self.gathered.add((record["canonical_url"], record["article_body"]))

    def lost(self) -> Iterator[str]:
        """What was gathered, or is there now, and is in no file."""
        texts: dict[str, list[str]] = defaultdict(list)
        for record in sorted(stored(self.data_dir)):
            texts[record.canonical_url].append(record.text)
        for url, text in self.world.latest().items():
            if not texts[url] or texts[url][-1] != text:
                yield f"lost: {url} is now {text!r}, the files have {texts[url]}"
        published = {
            canonical_url(self.world.address(name)): [edition.text for edition in editions]
            for name, editions in self.world.articles.items()
        }
        for url, text in self.gathered:
            # Another crawl may have had a newer text first; then this one is older.
            newer = published[url][published[url].index(text) :]
            if not set(newer) & set(texts[url]):
                yield f"lost: {url} had {text!r}, which was gathered"

    def made_up(self) -> Iterator[str]:
        """Revisions that are no text of the article, or not in the order of their publication."""
        order = {
            canonical_url(self.world.address(name)): changes_of(editions)
            for name, editions in self.world.articles.items()
        }
        found: dict[str, list[str]] = defaultdict(list)
        for record in sorted(stored(self.data_dir)):
            found[record.canonical_url].append(record.text)
        for url, texts in found.items():
            rest = iter(order[url])
            if not all(text in rest for text in texts):
                yield f"false update: {url}: {texts}, published were {order[url]}"


def long_run(kills: int, seed: int) -> int:
    """Kill crawls at random and print what came of it; the exit status."""
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="crashes-") as name,
        Launcher() as launcher,
        MirrorServer() as server,
    ):
        run = LongRun(Path(name), seed)
        wrong = run.run(kills, launcher, server)
        kinds = Counter(line.partition(":")[0] for line in wrong)
        ends = Counter(each["finish_reason"] for each in manifests(run.data_dir).values())
        there = stored(run.data_dir)
        print(
            f"{run.tally.kills} kills of {run.tally.crawls} crawls (seed {seed}), "
            f"{time.monotonic() - started:.0f} s",
            f"killed at: {', '.join(f'{n} {kind}' for kind, n in run.tally.at.most_common())}",
            f"recoveries: {ends['recovered']}",
            f"articles: {len({record.canonical_url for record in there})}",
            f"revisions: {len(there)}",
            *(f"{kind}: {kinds[kind]}" for kind in ("lost", "twice", "false update")),
            f"other faults: {len(wrong) - sum(kinds[k] for k in ('lost', 'twice', 'false update'))}",
            *wrong,
            sep="\n",
        )
        if wrong:
            print(f"kept: {shutil.copytree(name, f'{name}.kept')}")
    return 1 if wrong else 0


def everywhere() -> int:
    """Kill each of the scenarios at every point, and every recovery; the exit status."""
    wrong = 0
    with (
        tempfile.TemporaryDirectory(prefix="crashes-") as name,
        Launchers() as launchers,
        MirrorServer() as server,
    ):
        with launchers.one() as launcher:
            all_scenarios = scenarios(Path(name), launcher, server)
        for title, scenario in all_scenarios.items():
            with launchers.one() as launcher:
                events = scenario.events(launcher)
                kills: list[tuple[Point, ...]] = [(point,) for point in points(events)]
                for first in FIRST_KILLS:
                    if FIRST_KILLS[first][0] in events:
                        point = first_kill(first, events)
                        again = scenario.events(launcher, [point])
                        kills += [(point, second) for second in points(of_recovery(again))]
            failed = list(filter(None, launchers.each(scenario.survives, kills)))
            print(f"{title}: {len(kills)} kills, {len(failed)} not survived", *failed, sep="\n")
            wrong += len(failed)
    return 1 if wrong else 0


def main() -> int:
    """The command; see the top of this file."""
    parser = argparse.ArgumentParser(description="Kills crawls and checks that nothing is lost.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(datetime.now(UTC).timestamp()))
    parser.add_argument("--everywhere", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    if options.everywhere:
        return everywhere()
    return long_run(options.kills, options.seed)


if __name__ == "__main__":
    sys.exit(main())
