"""A real Scrapyd, started, filled and asked as README says: jobs, their logs, their end."""

import base64
import configparser
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from pkgutil import get_data
from typing import Any, Self

import psutil
import pytest

from fixtures.server import MirrorServer
from rfinews import __version__
from rfinews.verify import Verification
from tests.conftest import PROJECT, SITE
from tests.crashes import FEED, World, check, manifests, stored
from tests.generated import World as RfiWorld
from tests.generated import served
from tests.scheduling import CronTab, Machine, Unit, readme_commands, until

PASSWORD = "pa$s %40 word"
DEPLOYED = f"{__version__}+deployed"
QUICK = {"DOWNLOAD_DELAY": 0.001, "AUTOTHROTTLE_ENABLED": 0, "RFINEWS_RETRY_BACKOFF": 0}
EXPECTED = PROJECT / "fixtures" / "expected"
HERE = "127.0.0.1:6800"
"""Where README has it."""


def environment(home: Path, **values: str) -> dict[str, str]:
    """Nothing of the caller's that could steer Scrapyd, its client or a crawl."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SCRAPY", "RFINEWS", "XDG", "MAKE"))
        and not name.lower().endswith("_proxy")
    }
    return mine | {"HOME": str(home), "SCRAPYD_PASSWORD": PASSWORD} | values


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Scrapyd:
    """A Scrapyd that is started with some command; it takes its jobs along when it ends."""

    def __init__(self, log: Path, port: int | None = None) -> None:
        self.log = log
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.left: list[psutil.Process] = []

    def start(self, command: list[str], directory: Path, values: Mapping[str, str]) -> Self:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env={**values, "SCRAPYD_HTTP_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(self._listens)
        except BaseException:
            self.end()
            raise
        return self

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> list[psutil.Process]:
        """Tell it alone to stop; its jobs, which go on."""
        jobs = psutil.Process(self.process.pid).children()
        self.left += jobs
        self.process.terminate()
        self.process.wait(timeout=30)
        return jobs

    def end(self) -> None:
        """End what was started, whatever it does."""
        if self.process.poll() is None:
            mine = psutil.Process(self.process.pid)
            self.left += [mine, *mine.children(recursive=True)]
        for process in self.left:  # psutil knows if another has the number now
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(timeout=30)

    # ------------------------------------------------------------------------------------ its API

    def ask(self, path: str, data: object = None, password: str | None = PASSWORD) -> bytes:
        """GET, or POST if there is data; raises HTTPError."""
        body = urllib.parse.urlencode(data, doseq=True).encode() if data else None  # type: ignore[call-overload]
        request = urllib.request.Request(self.url + path, body)
        if password is not None:
            login = base64.b64encode(f"rfinews:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {login}")
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: bytes = response.read()
        return answer

    def get(self, path: str, data: object = None) -> dict[str, Any]:
        """What the API answers when all is well."""
        answer: dict[str, Any] = json.loads(self.ask(path, data))
        assert answer["status"] == "ok", answer
        return answer

    def schedule(
        self, spider: str, settings: Mapping[str, object] | None = None, **arguments: object
    ) -> str:
        """Schedule a job; its id."""
        setting = [f"{name}={value}" for name, value in (QUICK | dict(settings or {})).items()]
        job = {"project": "rfinews", "spider": spider, "setting": setting, **arguments}
        return str(self.get("schedule.json", job)["jobid"])

    def state(self, job: str) -> str:
        return str(self.get(f"status.json?project=rfinews&job={job}")["currstate"])

    def jobs(self, state: str) -> dict[str, dict[str, Any]]:
        return {job["id"]: job for job in self.get("listjobs.json?project=rfinews")[state]}

    def wait(self, *jobs: str, state: str = "finished") -> None:
        until(lambda: {self.state(job) for job in jobs} == {state})

    def log_of(self, job: str, state: str = "finished") -> str:
        """A job's log, where the list of jobs says it is."""
        address = self.jobs(state)[job]["log_url"]
        assert address, f"{job} has no log"
        return self.ask(address.removeprefix("/")).decode()

    def waits(self, job: str, data: Path) -> bool:
        """Whether a job has articles in a growing file."""
        return any(file.stat().st_size for file in data.glob(f"articles/*-{job}.jsonl.part"))


def the_manifest(data: Path, job: str) -> dict[str, Any]:
    """The manifest of the crawl whose `crawl_id` ends in the job's id."""
    (manifest,) = [
        each
        for crawl_id, each in manifests(data).items()
        if re.fullmatch(rf"[a-z]+-\d{{8}}T\d{{6}}Z-{job}", crawl_id)
    ]
    return manifest


def lines_of(manifest: Mapping[str, Any]) -> int:
    return sum(file["lines"] for file in manifest["files"])


def assert_sound(data: Path) -> None:
    assert list(Verification([data]).faults()) == []


@pytest.fixture(scope="module")
def bundled() -> Iterator[MirrorServer]:
    with MirrorServer(SITE) as server:
        yield server


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, as deployed of another version than that which lies about."""
    folder = tmp_path_factory.mktemp("scrapyd") / "clone"
    folder.mkdir()
    sources = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "rfinews", folder / "rfinews", ignore=sources)
    for name in ("Makefile", "scrapy.cfg", "setup.py", "pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, folder)
    for name in ("tests", "fixtures"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    (folder / ".venv").symlink_to(sys.prefix)
    package = folder / "rfinews" / "__init__.py"
    package.write_text(package.read_text().replace(__version__, DEPLOYED))
    configuration = folder / "rfinews" / "deploy" / "scrapyd.conf"
    text = configuration.read_text(encoding="utf-8")
    text, number = re.subn(r"^poll_interval = .*", "poll_interval = 0.05", text, flags=re.MULTILINE)
    assert number == 1
    configuration.write_text(text, encoding="utf-8")
    return folder


def make(clone: Path, line: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Run a command that starts with ``make``; nothing is installed."""
    command = line.replace("make ", "make -o setup ", 1)
    return subprocess.run(
        ["timeout", "50", "/bin/sh", "-c", command],  # which takes along all that was started
        cwd=clone,
        env=environment(clone.parent, **values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def scrapyd(clone: Path, bundled: MirrorServer) -> Iterator[Scrapyd]:
    """What ``make scrapyd`` starts, with the egg that ``make deploy`` sends. Jobs crawl the mirror."""
    commands = readme_commands("Scrapyd")
    assert "make scrapyd" in commands
    values = environment(clone.parent, RFINEWS_MIRROR=bundled.url)
    started = Scrapyd(clone.parent / "scrapyd.log")
    with ExitStack() as stack:
        started.start(["make", "-o", "setup", "scrapyd"], clone, values)
        stack.callback(started.end)
        (deploy,) = (line for line in commands if line.startswith("make deploy"))
        done = make(clone, deploy, SCRAPYD_URL=started.url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"spiders": 3, "status": "ok"' in done.stdout
        yield started
    assert "import pkg_resources" not in started.log.read_text()


@pytest.fixture
def egg(scrapyd: Scrapyd, clone: Path) -> Path:
    """The egg that is deployed."""
    (found,) = (clone / "data" / "scrapyd" / "eggs" / "rfinews").iterdir()
    return found


# ----------------------------------------------------------------------------------- configuration


def test_configuration_has_options_that_scrapyd_knows(clone: Path) -> None:
    ours, theirs = configparser.ConfigParser(), configparser.ConfigParser()
    ours.read(PROJECT / "rfinews" / "deploy" / "scrapyd.conf", encoding="utf-8")
    theirs.read_string((get_data("scrapyd", "default_scrapyd.conf") or b"").decode())
    assert ours.sections() == ["scrapyd"]
    assert set(ours["scrapyd"]) <= set(theirs["scrapyd"])
    assert ours["scrapyd"]["items_dir"] == ours["scrapyd"]["jobs_dir"] == ""


def test_make_scrapyd_wants_a_password(clone: Path) -> None:
    done = make(clone, "make scrapyd", SCRAPYD_PASSWORD="", SCRAPYD_HTTP_PORT=str(free_port()))
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("make scrapyd: SCRAPYD_PASSWORD is not set; ")


def test_only_loopback_listens_and_no_other_project_is_there(scrapyd: Scrapyd) -> None:
    mine = psutil.Process(scrapyd.process.pid)
    listening = {
        connection.laddr
        for process in [mine, *mine.children(recursive=True)]
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", scrapyd.port)}
    assert scrapyd.get("listprojects.json")["projects"] == ["rfinews"]
    assert scrapyd.get("listspiders.json?project=rfinews")["spiders"] == ["archive", "feedx", "rfi"]


def test_deployed_egg_is_the_project_zipped(egg: Path) -> None:
    with zipfile.ZipFile(egg) as opened:
        folders = {name.partition("/")[0] for name in opened.namelist()}
    assert folders == {"EGG-INFO", "rfinews"}


def test_wrong_credentials(scrapyd: Scrapyd, clone: Path, egg: Path) -> None:
    for password in (None, "", "wrong", f"{PASSWORD}x"):
        for path in ("", "daemonstatus.json", "jobs", "logs/"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                scrapyd.ask(path, password=password)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            scrapyd.ask("schedule.json", {"project": "rfinews", "spider": "feedx"}, password)
    deploy = f"make deploy ARGS='--egg {egg}'"
    done = make(clone, deploy, SCRAPYD_URL=scrapyd.url, SCRAPYD_PASSWORD="wrong")
    assert done.returncode == 2  # make's own for a command that failed
    assert "Deploy failed (401)" in done.stderr
    assert scrapyd.get("listversions.json?project=rfinews")["versions"] == [egg.stem]


def test_deploy_with_the_password_in_netrc(scrapyd: Scrapyd, clone: Path, egg: Path) -> None:
    netrc = clone.parent / ".netrc"
    netrc.write_text(f'machine 127.0.0.1 login rfinews password "{PASSWORD}"\n')
    netrc.chmod(0o600)
    values = {"SCRAPYD_URL": scrapyd.url, "SCRAPYD_PASSWORD": ""}
    done = make(clone, f"make deploy ARGS='--egg {egg} --version 1'", **values)
    netrc.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    scrapyd.get("delversion.json", {"project": "rfinews", "version": "1"})


def test_deploy_that_scrapyd_cannot_use(scrapyd: Scrapyd, clone: Path, egg: Path) -> None:
    """Scrapyd answers 200, and scrapyd-deploy exits with 0."""
    no_egg = clone.parent / "no.egg"
    no_egg.write_text("x")
    deploy = f"make deploy ARGS='--egg {no_egg} --version 1'"
    done = make(clone, deploy, SCRAPYD_URL=scrapyd.url)
    assert done.returncode == 2
    assert "egg is not a ZIP file" in done.stdout
    assert scrapyd.get("listversions.json?project=rfinews")["versions"] == [egg.stem]


def test_deploy_elsewhere_is_refused(clone: Path, egg: Path) -> None:
    deploy = f"make deploy ARGS='--egg {egg}'"
    done = make(clone, deploy, SCRAPYD_URL=f"http://127.0.0.1:{free_port()}/")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Connection refused" in done.stderr


# -------------------------------------------------------------------------------------------- jobs


def test_commands_of_the_readme(scrapyd: Scrapyd, clone: Path) -> None:
    """Schedule, look, read, cancel; with real delays, so that there is something to cancel."""
    lines = [line.replace(HERE, f"127.0.0.1:{scrapyd.port}") for line in readme_commands("Scrapyd")]
    define = next(line for line in lines if line.startswith("scrapyd()"))
    commands = [line for line in lines if line.startswith("scrapyd ")]
    before = scrapyd.jobs("finished")

    def run(line: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", f"{define}\n{line}"],
            env=environment(clone.parent),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    schedule, status, log, cancel, jobs = commands
    job = re.search(r"jobid=(\S+)", schedule)
    assert job
    assert json.loads(run(schedule))["jobid"] == job[1]
    until(lambda: json.loads(run(status))["currstate"] == "running")
    data = clone / "data"
    until(lambda: scrapyd.jobs("running").get(job[1], {}).get("log_url"))
    until(lambda: "Spider opened" in run(log))
    assert json.loads(run(cancel))["prevstate"] == "running"
    until(lambda: job[1] in {each["id"] for each in json.loads(run(jobs))["finished"]})
    assert set(scrapyd.jobs("finished")) == {*before, job[1]}
    manifest = the_manifest(data, job[1])
    assert manifest["finish_reason"] == "shutdown"
    assert manifest["arguments"] == {"follow": "1"}
    assert manifest["versions"]["rfinews"] == DEPLOYED
    assert_sound(data)


def test_every_spider(scrapyd: Scrapyd, tmp_path: Path) -> None:
    """Each leaves what it leaves without Scrapyd, and the job's id in it."""
    with served(RfiWorld(["cn"], 10)) as rfi:
        here = {"RFINEWS_DATA_DIR": tmp_path}
        packed = here | {"RFINEWS_COMPRESS": "gz"}
        jobs = {
            "feedx-follow": scrapyd.schedule("feedx", here, follow=1),
            "archive": scrapyd.schedule("archive", packed, path=PROJECT / "fixtures" / "archive"),
            "rfi": scrapyd.schedule("rfi", here | {"RFINEWS_MIRROR": rfi.url}, edition="cn"),
        }
        scrapyd.wait(*jobs.values())
    exported = {}
    for name, job in jobs.items():
        manifest = the_manifest(tmp_path, job)
        assert manifest["spider"] == name.partition("-")[0]
        assert manifest["finish_reason"] == "finished"
        assert manifest["versions"]["rfinews"] == DEPLOYED
        assert f"Crawl {manifest['crawl_id']}: finished; " in scrapyd.log_of(job)
        exported[name] = lines_of(manifest)
    assert exported == {
        **{
            name: (EXPECTED / f"{name}.jsonl").read_bytes().count(b"\n")
            for name in ("feedx-follow", "archive")
        },
        "rfi": 10,
    }
    assert [file.name.rpartition("-")[2] for file in tmp_path.rglob("*.jsonl.gz")] == [
        f"{jobs['archive']}.jsonl.gz"
    ]
    assert_sound(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "settings", "line"),
    [
        ({"folow": 1}, {}, "unknown argument folow; known: feed "),
        ({}, {"RFINEWS_COMPRESS": "zip"}, "RFINEWS_COMPRESS must be gz, not 'zip'"),
    ],
)
def test_job_with_a_mistake(
    scrapyd: Scrapyd,
    tmp_path: Path,
    arguments: dict[str, object],
    settings: dict[str, object],
    line: str,
) -> None:
    """It ends, and its log is the one line."""
    job = scrapyd.schedule("feedx", {"RFINEWS_DATA_DIR": tmp_path / "data"} | settings, **arguments)
    scrapyd.wait(job)
    log = scrapyd.log_of(job)
    assert line in log
    assert log.count("\n") == 1
    assert not (tmp_path / "data").exists()


TRIES = {"DOWNLOAD_TIMEOUT": 2}
"""A page that is held is asked for again after so many seconds, twice."""


@pytest.fixture
def slow() -> Iterator[tuple[World, MirrorServer]]:
    """A feed of ten articles; the fourth page is held."""
    world = World()
    for number in range(10):
        world.publish(str(number))
    with MirrorServer() as server:
        world.put_on(server)
        hold(server, 30)
        yield world, server


def hold(server: MirrorServer, seconds: float) -> None:
    server.add_route(World.address("3"), {"delay": seconds})


def test_cancelled(scrapyd: Scrapyd, slow: tuple[World, MirrorServer], tmp_path: Path) -> None:
    """Its file is complete, its manifest says why it is short, the next job does the rest."""
    world, server = slow
    settings = {"RFINEWS_DATA_DIR": tmp_path, "RFINEWS_MIRROR": server.url} | TRIES
    job = scrapyd.schedule("feedx", settings, feed=FEED, follow=1)
    until(lambda: scrapyd.waits(job, tmp_path))
    assert scrapyd.get("cancel.json", {"project": "rfinews", "job": job})["prevstate"] == "running"
    scrapyd.wait(job)
    manifest = the_manifest(tmp_path, job)
    assert manifest["finish_reason"] == "shutdown"
    assert 1 <= lines_of(manifest) <= 4
    assert manifest["outcomes"]["unfetched"] == 10 - lines_of(manifest)
    assert "Received SIGINT, shutting down gracefully" in scrapyd.log_of(job)
    check(tmp_path)
    hold(server, 0)
    job = scrapyd.schedule("feedx", settings, feed=FEED, follow=1)
    scrapyd.wait(job)
    assert the_manifest(tmp_path, job)["finish_reason"] == "finished"
    check(tmp_path, world.expected())


def test_two_at_once_and_the_third_waits(
    scrapyd: Scrapyd, slow: tuple[World, MirrorServer], tmp_path: Path
) -> None:
    """In one data directory: each article once."""
    world, server = slow
    settings = {"RFINEWS_DATA_DIR": tmp_path, "RFINEWS_MIRROR": server.url} | TRIES
    jobs = [scrapyd.schedule("feedx", settings, feed=FEED, follow=1) for _ in range(3)]
    until(lambda: all(scrapyd.waits(job, tmp_path) for job in jobs[:2]))
    assert list(scrapyd.jobs("pending")) == jobs[2:]
    assert set(scrapyd.jobs("running")) == set(jobs[:2])
    cancelled = scrapyd.get("cancel.json", {"project": "rfinews", "job": jobs.pop()})
    assert cancelled["prevstate"] == "pending"
    hold(server, 0)
    scrapyd.wait(*jobs)
    assert [the_manifest(tmp_path, job)["finish_reason"] for job in jobs] == ["finished"] * 2
    assert len(manifests(tmp_path)) == 2
    check(tmp_path, world.expected())


# ------------------------------------------------------------------------------------- as a service


@pytest.fixture
def service(egg: Path, clone: Path, tmp_path: Path) -> Iterator[Callable[[], Scrapyd]]:
    """Start Scrapyd as ``scrapyd.service`` does, again and again; it has the egg."""
    machine = Machine(tmp_path / "machine")
    folder = machine.data / "scrapyd"
    (folder / "eggs" / "rfinews").mkdir(parents=True)
    shutil.copy(egg, folder / "eggs" / "rfinews")
    shutil.copy(clone / "rfinews" / "deploy" / "scrapyd.conf", folder)
    (machine.root / "etc/rfinews").mkdir()
    machine.install("rfinews.env", to="etc/rfinews/rfinews.env")
    unit = Unit(machine.install("scrapyd.service", to="etc/systemd/system/scrapyd.service"))
    command = unit.command()
    port = free_port()
    values = environment(tmp_path) | command.environment
    with ExitStack() as stack:

        def start() -> Scrapyd:
            started = Scrapyd(tmp_path / "scrapyd.log", port)
            started.start(command.argv, command.directory, values)
            stack.callback(started.end)
            return started

        yield start


def test_restarted_in_the_middle(
    service: Callable[[], Scrapyd], slow: tuple[World, MirrorServer], tmp_path: Path
) -> None:
    """Scrapyd alone is told to stop: one job goes on to its end, one is killed, one still waits.

    History and queue are there again, and the job that waited recovers what the killed one left.
    """
    world, server = slow
    scrapyd = service()
    data = tmp_path / "machine" / "var" / "lib" / "rfinews"
    with served(rfi := RfiWorld(["cn"], 10)) as other:
        other.add_route(rfi.address(rfi.of("cn")[5]), {"delay": 3})
        (tmp_path / "empty").mkdir()
        done = scrapyd.schedule("archive", path=tmp_path / "empty")
        scrapyd.wait(done)
        goes_on = scrapyd.schedule("rfi", {"RFINEWS_MIRROR": other.url}, edition="cn")
        until(lambda: scrapyd.waits(goes_on, data))
        going_on = psutil.Process(scrapyd.jobs("running")[goes_on]["pid"])
        going_on.suspend()
        mirrored = {"RFINEWS_MIRROR": server.url}
        dies = scrapyd.schedule("feedx", mirrored, feed=FEED, follow=1)
        until(lambda: scrapyd.waits(dies, data))
        dying = psutil.Process(scrapyd.jobs("running")[dies]["pid"])
        waits = scrapyd.schedule("feedx", mirrored, feed=FEED, follow=1)

        assert set(scrapyd.stop()) == {going_on, dying}
        assert dying.is_running()
        dying.kill()
        until(lambda: not dying.is_running() or dying.status() == psutil.STATUS_ZOMBIE)
        assert len(list(data.glob("articles/*.crawl.part"))) == 2
        hold(server, 0)

        scrapyd = service()
        scrapyd.wait(waits)
        assert set(scrapyd.jobs("finished")) == {done, waits}
        going_on.resume()
        until(lambda: not list(data.glob("articles/*.part")))
    reasons = {
        job: the_manifest(data, job)["finish_reason"] for job in (done, goes_on, dies, waits)
    }
    assert list(reasons.values()) == ["finished", "finished", "recovered", "finished"]
    assert {record.canonical_url for record in stored(data)} == {
        *(record.canonical_url for record in world.expected()),
        *(rfi.url(piece) for piece in rfi.pieces),
    }
    check(data)


def test_nothing_in_the_environment(egg: Path, clone: Path, tmp_path: Path) -> None:
    """Data are in the working directory, and Scrapyd asks nobody for a password."""
    folder = tmp_path / "scrapyd"
    (folder / "eggs" / "rfinews").mkdir(parents=True)
    shutil.copy(egg, folder / "eggs" / "rfinews")
    shutil.copy(clone / "rfinews" / "deploy" / "scrapyd.conf", folder)
    values = environment(tmp_path)
    del values["SCRAPYD_PASSWORD"]
    scrapyd = Scrapyd(tmp_path / "log")
    with ExitStack() as stack:
        stack.callback(scrapyd.end)
        scrapyd.start([f"{sys.prefix}/bin/scrapyd", "--pidfile="], folder, values)
        assert scrapyd.ask("daemonstatus.json", password=None)
        job = scrapyd.schedule("archive", path=PROJECT / "fixtures" / "archive")
        scrapyd.wait(job)
    assert the_manifest(folder / "data", job)["finish_reason"] == "finished"
    assert {path.name for path in folder.iterdir()} == {
        *("scrapyd.conf", "data"),
        *("dbs", "eggs", "logs"),
    }


# ------------------------------------------------------------------------------------------ by cron


def test_schedule_by_cron(scrapyd: Scrapyd, bundled: MirrorServer, tmp_path: Path) -> None:
    """A job, but none while one waits or runs; what goes wrong is said."""
    machine = Machine(tmp_path)
    values = {"SCRAPYD_URL": scrapyd.url.rstrip("/"), "JITTER": "0"}
    table = CronTab(machine.install("rfinews-scrapyd.cron", to="etc/cron.d/rfinews", **values))
    table.values["HOME"] = str(tmp_path)
    netrc = tmp_path / ".netrc"
    netrc.write_text(f'machine 127.0.0.1 login rfinews password "{PASSWORD}"\n')
    before = set(scrapyd.jobs("finished"))
    assert table.command().run() == (0, "")
    for _ in range(2):
        assert table.command().run() == (0, "")
    (job,) = scrapyd.jobs("pending") | scrapyd.jobs("running")
    scrapyd.wait(job, state="running")
    assert table.command().run() == (0, "")
    scrapyd.get("cancel.json", {"project": "rfinews", "job": job})
    scrapyd.wait(job)
    assert set(scrapyd.jobs("finished")) == before | {job}
    netrc.write_text("machine 127.0.0.1 login rfinews password wrong\n")
    status, said = table.command().run()
    assert status == 0
    assert said == f"rfinews: the feedx crawl was not scheduled; see {values['SCRAPYD_URL']}/jobs\n"
