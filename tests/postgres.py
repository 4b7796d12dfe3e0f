"""A PostgreSQL server for the tests: its own directory and port, nothing left of it afterwards.

Debian keeps the server's programs out of the path, and they refuse to run as root: root starts them
as the user ``postgres``.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

OWNER = "postgres"
_SECONDS = 60
# Nothing has to survive a power failure.
_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "listen_addresses": "127.0.0.1",
}


def programs() -> Path | None:
    """The directory of ``initdb`` and ``postgres``, of the newest version; `None`: there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4])
    )
    if found:
        return found[-1].parent
    in_path = shutil.which("postgres")
    return Path(in_path).resolve().parent if in_path and shutil.which("initdb") else None


class PostgresServer:
    """A server on a free loopback port, which can be stopped and started again."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.root = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            os.chown(self.root, owner.pw_uid, owner.pw_gid)
            self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        command = [self.programs / "initdb", "--pgdata", self.root / "data", "--username", OWNER]
        command += ["--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"]
        made = subprocess.run(
            command, **self.user, cwd=self.root, capture_output=True, text=True, check=False
        )
        if made.returncode:
            self.remove()
            pytest.fail(f"initdb: {made.stderr}")

    def start(self) -> None:
        """Start it, again at the port that it had before."""
        self.port = self.port or _free_port()
        options = _OPTIONS | {"port": str(self.port), "unix_socket_directories": str(self.root)}
        command = [str(self.programs / "postgres"), "-D", str(self.root / "data")]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                **self.user,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt at the terminal is for the tests
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"postgres: {(self.root / 'log').read_text()[-2000:]}")
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and every connection. SIGQUIT: at once, as if the machine had failed."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(_SECONDS)
            self.process = None

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.root)

    def url(self, database: str = OWNER) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, database: str = OWNER) -> list[tuple[Any, ...]]:
        """Run one statement outside of a transaction; return its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str | None = None) -> str:
        """Make an empty database, or a copy of one to which nobody is connected; return its URL."""
        name = f"test_{secrets.token_hex(6)}"
        like = f" TEMPLATE {template.rpartition('/')[2]}" if template else ""
        self.run(f"CREATE DATABASE {name}{like}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the session. A test that stops it starts it again."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server is installed")
    if os.geteuid() == 0 and OWNER not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip(f"PostgreSQL refuses to run as root, and there is no user {OWNER}")
    server = PostgresServer(found)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database, for one test."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)
