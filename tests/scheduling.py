"""What cron and systemd make of the files in ``rfinews/deploy/``, and commands as README has them."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.conftest import PROJECT

DEPLOY = PROJECT / "rfinews" / "deploy"


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true that costs a process time to find out."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def readme_commands(heading: str) -> list[str]:
    """The shell commands that stand under a heading of README.md, before the next one."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^#+ {heading}\n(.*?)(?=^#|\Z)", without_code(readme), re.MULTILINE | re.DOTALL
    )
    assert section, f"README.md has no heading {heading}"
    text = readme[slice(*section.span(1))]
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def without_code(text: str) -> str:
    """Text in which code has no headings; of the same length."""
    return re.sub(
        r"^```.*?^```", lambda code: code[0].replace("#", " "), text, flags=re.MULTILINE | re.DOTALL
    )


class Machine:
    """A directory tree in which the places that ``rfinews/deploy/`` names are safe to use.

    ``/srv/rfinews`` holds the project, with settings that need not be slow for a mirror's sake.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "srv" / "rfinews"
        self.data = root / "var" / "lib" / "rfinews"
        self.logs = root / "var" / "log" / "rfinews"
        for folder in ("etc/cron.d", "etc/systemd/system", "srv/rfinews", "var/lib", "var/log"):
            (root / folder).mkdir(parents=True)
        (self.project / "rfinews").symlink_to(PROJECT / "rfinews")
        (self.project / ".venv").symlink_to(sys.prefix)
        (self.project / "scrapy.cfg").write_text("[settings]\ndefault = quick\n")
        (self.project / "quick.py").write_text(
            "from rfinews.settings import *\n"
            "DOWNLOAD_DELAY = 0.001\nAUTOTHROTTLE_ENABLED = False\nDOWNLOAD_TIMEOUT = 2\n"
        )

    def moved(self, text: str) -> str:
        """Text in which the places are those in the tree."""
        return re.sub(r"(?<![\w.])/(?=(srv|etc|var)/)", f"{self.root}/", text)

    def install(self, name: str, *, to: str, **values: str) -> Path:
        """Put a file of ``rfinews/deploy/`` in its place, with other values where it sets NAME=value."""
        text = self.moved((DEPLOY / name).read_text(encoding="utf-8"))
        for key, value in values.items():
            text, number = re.subn(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
            assert number == 1, f"{name} does not set {key}"
        path = self.root / to
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    def run(self, command: str) -> str:
        """Run a shell command of README's in the project's directory; its output."""
        me = Path.home().owner()
        command = self.moved(command).replace("-o rfinews", f"-o {me}")
        command = command.replace("systemctl enable --now", f"systemctl --root={self.root} enable")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


class Command(NamedTuple):
    """A command that is ready to run."""

    argv: list[str]
    environment: dict[str, str]
    directory: Path
    stdin: str = ""

    def start(self, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.argv,
            cwd=self.directory,
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert process.stdin is not None
        process.stdin.write(self.stdin)
        return process

    def run(self, **environment: str) -> tuple[int, str]:
        """Its exit status, and what it says."""
        with self.start(**environment) as process:
            said, _ = process.communicate(timeout=60)
        return process.returncode, said


class CronTab:
    """A file of ``/etc/cron.d`` as crontab(5) has it."""

    def __init__(self, path: Path) -> None:
        self.values = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "HOME": str(path.parent)}
        self.lines: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if setting := re.fullmatch(r"\s*(\w+)\s*=\s*(.*?)\s*", line):
                self.values[setting[1]] = setting[2]
            else:
                self.lines.append(line)

    def command(self) -> Command:
        """Its only command. A bare ``%`` ends it, what follows is standard input."""
        (line,) = self.lines
        *_when, _user, text = line.split(maxsplit=6)
        text, *stdin = re.split(r"(?<!\\)%", text)
        text = text.replace(r"\%", "%")
        return Command(
            [self.values["SHELL"], "-c", text],
            self.values,
            Path(self.values["HOME"]),
            "\n".join(stdin).replace(r"\%", "%"),
        )


class Unit:
    """An instance of a unit as systemd.service(5) has it: as much as is needed for those here."""

    def __init__(self, path: Path, instance: str = "") -> None:
        self.keys: dict[str, list[str]] = {}
        for line in path.read_text(encoding="utf-8").replace("%i", instance).splitlines():
            if setting := re.fullmatch(r"(\w+)=(.*)", line):
                self.keys.setdefault(setting[1], []).append(setting[2])

    @property
    def environment(self) -> dict[str, str]:
        lines = [part for value in self.keys.get("Environment", []) for part in shlex.split(value)]
        for name in self.keys["EnvironmentFile"]:
            path = Path(name.removeprefix("-"))
            if path.exists() or not name.startswith("-"):
                text = path.read_text(encoding="utf-8")
                lines += shlex.split(text, comments=True)
        values = dict(line.split("=", 1) for line in lines)
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **values}

    def command(self, key: str = "ExecStart") -> Command:
        """What stands at a key: ``$NAME`` is any number of words, ``${NAME}`` is one."""
        environment = self.environment
        argv: list[str] = []
        (line,) = self.keys[key]
        for word in shlex.split(line):
            if name := re.fullmatch(r"\$(\w+)", word):
                argv += shlex.split(environment.get(name[1], ""))
            else:
                argv.append(re.sub(r"\$\{(\w+)\}", lambda name: environment.get(name[1], ""), word))
        assert argv[0].startswith("/")
        return Command(argv, environment, Path(self.keys["WorkingDirectory"][0]))
