"""Data directories, as on two machines, that share a store in PostgreSQL; and crawls killed in one.

    python -m tests.machines    # at every point, one after the other

The statements of the store are events of a crawl (see `tests.crashes`) here, too.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from fixtures.server import MirrorServer
from rfinews.store import Store, postgres
from tests import crashes
from tests.conftest import PROJECT, crawl_environment
from tests.crashes import (
    Bench,
    Launcher,
    Launchers,
    Point,
    Record,
    Running,
    Watch,
    changes,
    points,
    quiet,
    small_world,
    stored,
)
from tests.postgres import PostgresServer, programs
from tests.stores import TABLES, Rows, query

#: What stands in the files, of all data directories; and in SQLite, which has one.
SHARED = {
    "articles": "SELECT id, canonical_url, spider, revision, change, source, content_hash"
    " FROM articles",
    "revisions": TABLES["revisions"].replace("JOIN files", "JOIN all_files AS files"),
    "files": "SELECT name FROM all_files",
    "head": TABLES["head"],
}
ALONE = {name: sql.replace("all_files", "files") for name, sql in SHARED.items()}


class WatchShared(Watch):
    def start(self) -> None:
        super().start()
        watch = self
        for name in ("execute", "executemany"):
            call = getattr(postgres.Connection, name)

            def happens(self: Any, sql: str, *rest: Any, call: Callable[..., Any] = call) -> Any:
                def run() -> Any:
                    return call(self, sql, *rest)

                return watch.happens(watch.statement(sql), run) if changes(sql) else run()

            setattr(postgres.Connection, name, happens)


class LauncherShared(Launcher):
    """A process that starts crawls whose statements in PostgreSQL are events."""

    def _begin(self) -> "subprocess.Popen[str]":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.machines", "--serve"],
            cwd=PROJECT,
            env=crawl_environment(Path("nowhere"), mirrored=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        assert crashes._line(self.process.stdout) == "ready\n"
        return self.process


class Machine(Bench):
    """A data directory on a machine of its own."""

    def __init__(
        self, folder: Path, url: str, launcher: Launcher, server: MirrorServer | None = None
    ) -> None:
        super().__init__(folder, launcher, server)
        self.url = url

    def start(
        self, spider: str, settings: Mapping[str, object] | None = None, **options: Any
    ) -> Running:
        return super().start(spider, {"RFINEWS_STORE": self.url, **(settings or {})}, **options)


# ---------------------------------------------------------------------------- what must be true


def faults(machines: Sequence[Machine], expected: set[Record] | None = None) -> list[str]:
    """What is wrong with data directories in which no crawl runs and none has to be recovered."""
    directories = [machine.data_dir for machine in machines]
    found = [
        fault
        for directory in directories
        for fault in crashes._faults_in_manifests(directory)
        # an address may lead to an article of another one
        if expected is not None or not fault.startswith("exported and not in a file")
    ]
    found += [f"verify: {fault}" for fault in crashes.Verification(directories).faults()]
    with tempfile.TemporaryDirectory() as name:
        both = Path(name) / "both"
        (both / "articles").mkdir(parents=True)
        for path in [path for each in directories for path in (each / "articles").iterdir()]:
            (both / "articles" / path.name).symlink_to(path)
        found += crashes._faults_in_records(both)
        found += _faults_in_store(machines, both)
        if expected is not None:
            there = stored(both)
            found += [f"lost: {record}" for record in sorted(expected - there)]
            found += [f"not expected: {record}" for record in sorted(there - expected)]
    return found


def _faults_in_store(machines: Sequence[Machine], both: Path) -> Iterator[str]:
    """The shared store must be what all files make of it, each chain what its directory does."""
    mine = tables(machines[0].data_dir, machines[0].url)
    theirs = tables(both)
    for name in ("articles", "revisions", "files"):
        if mine[name] != theirs[name]:
            only = Counter(mine[name]) - Counter(theirs[name])
            missing = Counter(theirs[name]) - Counter(mine[name])
            yield f"store: {name}: only in it {only}; only in the files {missing}"
    for machine in machines:
        if tables(machine.data_dir, machine.url)["head"] != tables_of_copy(machine)["head"]:
            yield f"head of {machine.data_dir}"
    store = Store(machines[0].data_dir, url=machines[0].url)
    store.open()
    if begun := query(store, "SELECT crawl_id FROM all_crawls"):
        yield f"the store believes that these have not ended: {begun}"
    store.close()


def tables(data_dir: Path, url: str | None = None) -> dict[str, Rows]:
    """What a store holds that stands in files."""
    with quiet():
        store = Store(data_dir, url=url)
        store.open()
    found = {name: query(store, sql) for name, sql in (SHARED if url else ALONE).items()}
    store.close()
    return found


def tables_of_copy(machine: Machine) -> dict[str, Rows]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "articles").symlink_to(machine.articles, target_is_directory=True)
        return tables(Path(name))


def check(machines: Sequence[Machine], expected: set[Record] | None = None) -> None:
    """Fail with all that is wrong."""
    found = faults(machines, expected)
    listing = [str(path) for machine in machines for path in sorted(machine.articles.iterdir())]
    assert not found, "\n".join([*found, *listing])


# ----------------------------------------------------------------------------------------- killed


class Death:
    """A crawl that dies on one of two machines, while the other one has the same to crawl.

    With `recovery` the crawl that dies is one that recovers another, which died with all its
    articles in a growing file; the other machine has exported some of them since.
    """

    def __init__(
        self,
        folder: Path,
        server: PostgresServer,
        launcher: Launcher,
        *,
        recovery: bool = False,
        **settings: object,
    ) -> None:
        self.folder = folder
        self.server = server
        self.settings: dict[str, object] = {"RFINEWS_ROTATE_ITEMS": 2, **settings}
        before, after = small_world()
        path = before.write_archive(folder / "before")
        self.template = server.new_database()
        a, b = self.machines(folder / "template", self.template, launcher)
        a.archive(path)
        b.archive(path)
        after.publish("四")
        after.publish("四", "松河四的桥拆了。")
        self.path = after.write_archive(folder / "after")
        self.expected = after.expected()
        if recovery:
            a.kill(Point("before", 1, "fsync a file"), "archive", path=self.path)
            some = folder / "some"
            some.mkdir()
            for document in [*self.path.glob("二-*"), *self.path.glob("三-*")]:
                shutil.copy(document, some)
            b.archive(some)

    def machines(self, folder: Path, url: str, launcher: Launcher) -> list[Machine]:
        return [Machine(folder / name, url, launcher) for name in ("a", "b")]

    def begin(self, launcher: Launcher, name: str) -> list[Machine]:
        """Two machines in the state before."""
        shutil.copytree(self.folder / "template", self.folder / name)
        url = self.server.new_database(self.template)
        return self.machines(self.folder / name, url, launcher)

    def events(self, launcher: Launcher) -> list[str]:
        machines = self.begin(launcher, "unharmed")
        ended = machines[0].archive(self.path, settings=self.settings)
        check(machines, self.expected)
        return ended.events

    def survived(self, launcher: Launcher, point: Point) -> str | None:
        """Kill one, let the other crawl, then the first again; return what is wrong then."""
        a, b = machines = self.begin(launcher, f"{point}".replace("/", "_"))
        told = a.start("archive", self.settings, kill=point, path=self.path).wait()
        logs = [told.log]
        wrong = [] if told.was_killed else [f"never killed: {told.log}"]
        for machine in (b, a):
            ended = machine.start("archive", self.settings, path=self.path).wait()
            logs.append(ended.log)
            if ended.status != 0 or "Traceback" in ended.log:
                wrong.append(f"exit status {ended.status}\n{ended.log}")
        wrong += faults(machines, self.expected)
        self.server.drop_database(a.url)
        shutil.rmtree(a.folder.parent)
        return "\n    ".join([f"{point}", *wrong, *logs]) if wrong else None

    def survive_all(self, launchers: Launchers, kills: Sequence[Point]) -> None:
        """Fail with every death that does harm."""
        wrong = [each for each in launchers.each(self.survived, kills) if each is not None]
        assert not wrong, "\n".join([f"{len(wrong)} of {len(kills)}", *wrong[:10]])


class LaunchersShared(Launchers):
    def __enter__(self) -> Self:
        for _ in range(self.number):
            self.idle.put(self.stack.enter_context(LauncherShared()))
        return self


DEATHS: list[dict[str, Any]] = [
    {"recovery": recovery, **compressed}
    for recovery in (False, True)
    for compressed in ({}, {"RFINEWS_COMPRESS": "gz"})
]


def everywhere() -> int:
    """Kill a crawl at each of its points. Returns the exit status."""
    found = programs()
    assert found is not None, "no PostgreSQL server is installed"
    server = PostgresServer(found)
    server.start()
    status = 0
    try:
        with tempfile.TemporaryDirectory() as folder, LaunchersShared() as launchers:
            for number, options in enumerate(DEATHS):
                with launchers.one() as launcher:
                    death = Death(Path(folder) / f"{number}", server, launcher, **options)
                    kills = points(death.events(launcher))
                wrong = [each for each in launchers.each(death.survived, kills) if each]
                print(f"{options}: {len(kills)} points, {len(wrong)} with faults", flush=True)
                print("\n".join(wrong))
                status = status or bool(wrong)
    finally:
        server.remove()
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description="Kills crawls of machines that share a store.")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().serve:
        crashes.Watch = WatchShared  # type: ignore[misc]
        crashes.serve()
        return 0
    return everywhere()


if __name__ == "__main__":
    sys.exit(main())
