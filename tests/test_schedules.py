"""The schedules in ``rfinews/deploy/``: their commands are taken from the files and run as cron and systemd do."""

import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.server import MirrorServer
from rfinews.verify import Verification
from tests.crashes import manifests
from tests.scheduling import DEPLOY, CronTab, Machine, Unit, readme_commands, until

EXPECTED = DEPLOY.parents[1] / "fixtures" / "expected"
FEED = "feedx.net/rss/rfi.xml"
UNITS = ("rfinews@.service", "rfinews@.timer", "scrapyd.service")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def cron(machine: Machine, mirror: MirrorServer) -> Callable[..., CronTab]:
    """Install ``rfinews.cron`` as README says; its jitter is nought and its crawls are mirrored."""

    def install(**values: str) -> CronTab:
        for command in readme_commands("cron"):
            machine.run(command)
        machine.install("rfinews.cron", to="etc/cron.d/rfinews", **{"JITTER": "0"} | values)
        table = CronTab(machine.root / "etc/cron.d/rfinews")
        table.values["RFINEWS_MIRROR"] = mirror.url
        table.values["RFINEWS_RETRY_BACKOFF"] = "0"
        return table

    return install


def ended(machine: Machine) -> list[tuple[str, int]]:
    """How the crawls ended and how many articles they exported; what they left is sound."""
    assert list(Verification([machine.data]).faults()) == []
    return sorted(
        (each["finish_reason"], sum(file["lines"] for file in each["files"]))
        for each in manifests(machine.data).values()
    )


def expected(name: str) -> int:
    return (EXPECTED / f"{name}.jsonl").read_bytes().count(b"\n")


def log(machine: Machine) -> str:
    (file,) = machine.logs.iterdir()
    assert re.fullmatch(r"feedx-\d{4}-\d\d\.log", file.name)
    return file.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------- cron


def test_cron(cron: Callable[..., CronTab], machine: Machine) -> None:
    """Nothing is said when all is well: it would be a mail."""
    command = cron().command()
    for number in (1, 2):
        assert command.run() == (0, "")
        assert len(ended(machine)) == log(machine).count("] INFO: Crawl feedx-") == number
    assert ended(machine)[-1] == ("finished", expected("feedx-follow"))


def test_cron_lets_a_crawl_run(
    cron: Callable[..., CronTab], machine: Machine, mirror: MirrorServer
) -> None:
    """The second time there is none, and no mail, and nothing that waits."""
    mirror.add_route(FEED, {"delay": 30})
    command = cron().command()
    with command.start() as first:
        until(lambda: list(machine.data.glob("articles/*.crawl.part")))
        assert command.run() == (0, "")
        assert first.poll() is None
        assert len(list(machine.data.glob("articles/*.crawl.part"))) == 1
        mirror.add_route(FEED, {})  # for the next try
        assert first.communicate(timeout=60) == ("", None)
    assert first.returncode == 0
    assert ended(machine) == [("finished", expected("feedx-follow"))]


def test_cron_tells_of_a_crawl_that_failed(
    cron: Callable[..., CronTab], machine: Machine, mirror: MirrorServer
) -> None:
    table = cron()
    table.values["RFINEWS_FEEDX_FEEDS"] = "https://feedx.net/none"
    said = f"rfinews: the feedx crawl failed; see {machine.logs}\n"
    assert table.command().run() == (0, said)
    assert ended(machine) == [("no_feed", 0)]
    assert "No feed to be had" in log(machine)
    shutil.rmtree(machine.logs)
    assert table.command().run()[1].endswith(said)


def test_cron_waits_a_random_time(cron: Callable[..., CronTab], machine: Machine) -> None:
    """Told by a `sleep` that notes how long."""
    notes = machine.root / "notes"
    tools = machine.root / "tools"
    tools.mkdir()
    for name, text in {"sleep": f'echo "$@" >>{notes}', "flock": "exit 0"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    table = cron(JITTER="300")
    table.values["PATH"] = f"{tools}:/usr/bin:/bin"
    for _ in range(20):
        assert table.command().run() == (0, "")
    slept = [int(line) for line in notes.read_text().splitlines()]
    assert len(slept) == 20
    assert len(set(slept)) > 5
    assert all(0 <= seconds <= 300 for seconds in slept)


@contextmanager
def cron_daemon(machine: Machine) -> Iterator[Path]:
    """The real cron, which sees only the tables of the machine. Skips where that cannot be.

    In name spaces of its own: nothing outside changes, and it takes what it started along.
    """
    tools = [shutil.which(name, path="/usr/bin:/usr/sbin:/bin") for name in ("cron", "unshare")]
    if not all(tools):
        pytest.skip("cron or unshare is not installed")
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*spaces, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not make name spaces, so cron would read this system's tables")
    (machine.root / "none").touch()
    (machine.root / "etc/crontabs").mkdir()
    script = f"""
        set -e
        mount --bind {machine.root}/etc/cron.d /etc/cron.d
        test ! -e /etc/crontab || mount --bind {machine.root}/none /etc/crontab
        mount --bind {machine.root}/etc/crontabs /var/spool/cron
        mount -t tmpfs tmpfs /run
        exec {tools[0]} -f -L 15
    """
    said = machine.root / "cron.log"
    with (
        said.open("w") as output,
        subprocess.Popen(
            [*spaces, "/bin/sh", "-c", script], stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield said
            assert process.poll() is None, said.read_text()
        finally:
            process.send_signal(signal.SIGKILL)


def test_real_cron(cron: Callable[..., CronTab], machine: Machine, mirror: MirrorServer) -> None:
    """It reads the file and starts the crawl; at its own start, so that nobody waits a quarter."""
    cron(MAILTO='""')
    table = machine.root / "etc/cron.d/rfinews"
    text = table.read_text(encoding="utf-8")
    text, number = re.subn(
        r"^\*/15 \* \* \* \* rfinews ", "@reboot root ", text, flags=re.MULTILINE
    )
    assert number == 1
    table.write_text(f"RFINEWS_MIRROR={mirror.url}\nRFINEWS_RETRY_BACKOFF=0\n{text}", "utf-8")
    with cron_daemon(machine):
        until(lambda: list(machine.data.glob("articles/*.manifest.json")))
    assert ended(machine) == [("finished", expected("feedx-follow"))]
    assert "Feed https://feedx.net/rss/rfi.xml" in log(machine)


# ---------------------------------------------------------------------------------------- systemd


@pytest.fixture
def systemd(machine: Machine) -> Machine:
    """The units, in their places."""
    if not shutil.which("systemctl"):
        pytest.skip("systemctl is not installed")
    for command in [*readme_commands("Scrapyd"), *readme_commands("systemd")]:
        if command.startswith(("install", "systemctl")):
            machine.run(command)
    (machine.data / "scrapyd").mkdir(parents=True)  # systemd makes it: StateDirectory
    for name in UNITS:
        machine.install(name, to=f"etc/systemd/system/{name}")
    machine.install("rfinews.env", to="etc/rfinews/rfinews.env")
    return machine


def test_units_are_enabled_and_only_root_reads_the_password(systemd: Machine) -> None:
    wanted = systemd.root / "etc/systemd/system"
    assert (wanted / "timers.target.wants/rfinews@feedx.timer").is_symlink()
    assert (wanted / "multi-user.target.wants/scrapyd.service").is_symlink()
    for command in readme_commands("systemd"):
        systemd.run(command)
    assert (systemd.root / "etc/rfinews/rfinews.env").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", UNITS)
def test_units_are_valid(systemd: Machine, name: str) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "verify", systemd.root / "etc/systemd/system" / name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("instance", "own", "same"),
    [
        ("all", 'CRAWL="feedx -a follow=1"\n', "feedx-follow"),
        ("stored", "# mine\nCRAWL='archive -a path=archive'\n", "archive"),
    ],
)
def test_service_crawls_what_its_file_says(
    systemd: Machine, mirror: MirrorServer, instance: str, own: str, same: str
) -> None:
    (systemd.root / f"etc/rfinews/{instance}.env").write_text(own)
    (systemd.project / "archive").symlink_to(DEPLOY.parents[1] / "fixtures" / "archive")
    unit = Unit(systemd.root / "etc/systemd/system/rfinews@.service", instance)
    command = unit.command()
    status, said = command.run(RFINEWS_MIRROR=mirror.url, RFINEWS_RETRY_BACKOFF="0")
    assert status == 0, said
    assert ended(systemd) == [("finished", expected(same))]
    assert unit.keys["Type"] == ["oneshot"]  # the timer starts no second one


def test_crawl_bears_what_the_service_denies_it(systemd: Machine, mirror: MirrorServer) -> None:
    """What can be had without systemd: no memory both writable and executable."""
    unit = Unit(systemd.root / "etc/systemd/system/rfinews@.service", "feedx")
    assert unit.keys["MemoryDenyWriteExecute"] == ["yes"]
    command = unit.command()
    deny = (
        "import ctypes, os, sys\n"
        "os._exit(77) if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) else None\n"  # PR_SET_MDWE
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    python = str(systemd.project / ".venv/bin/python")
    denied = command._replace(argv=[python, "-c", deny, *command.argv])
    status, said = denied.run(RFINEWS_MIRROR=mirror.url, RFINEWS_RETRY_BACKOFF="0")
    if status == 77:
        pytest.skip("the kernel has no PR_SET_MDWE")
    assert status == 0, said
    assert ended(systemd) == [("finished", expected("feedx"))]


def test_scrapyd_does_not_start_without_a_password(systemd: Machine) -> None:
    unit = Unit(systemd.root / "etc/systemd/system/scrapyd.service")
    assert unit.command("ExecStartPre").run()[0] == 1
    settings = systemd.root / "etc/rfinews/rfinews.env"
    settings.write_text(settings.read_text().replace("# SCRAPYD_PASSWORD=", "SCRAPYD_PASSWORD=x"))
    assert unit.command("ExecStartPre").run() == (0, "")


def test_all_that_is_named_is_there() -> None:
    """No file of ``rfinews/deploy/`` is without a test."""
    tested = {*UNITS, "rfinews.cron", "rfinews-scrapyd.cron", "rfinews.env", "scrapyd.conf"}
    assert {path.name for path in DEPLOY.iterdir()} == tested
