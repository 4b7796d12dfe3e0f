"""Datasette over one database, read-only, on loopback."""

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import uvicorn
from datasette.app import Datasette  # type: ignore[import-untyped]
from datasette.database import Database  # type: ignore[import-untyped]
from datasette.plugins import pm  # type: ignore[import-untyped]

from rfinews.browse import plugin
from rfinews.browse.queries import TABLES

HOST = "127.0.0.1"
_SETTINGS = {
    "default_allow_sql": False,
    "allow_download": False,
    "suggest_facets": False,
    "default_page_size": 50,
    "sql_time_limit_ms": 5000,
}
_METADATA: dict[str, Any] = {
    "title": "rfinews",
    "databases": {
        plugin.NAME: {
            "allow_sql": False,
            "tables": {"articles": {"sort_desc": "date_published", "label_column": "headline"}},
        }
    },
}


class NotBrowsable(Exception):
    """Raised by `open_database` and `listen`; its text is one line for the user."""


class ReadOnly(Database):  # type: ignore[misc]
    """A file that is opened for reading only, whatever is in its name; a load may go on beside."""

    def connect(self, write: bool = False) -> sqlite3.Connection:
        """Raises `sqlite3.OperationalError` when somebody wants to write."""
        if write:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        connection = connect(Path(self.path))
        self._all_file_connections.append(connection)
        return connection


def connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def open_database(path: Path) -> Datasette:
    """Return Datasette with this project's pages over a database of ``scrapy load``.

    Raises `NotBrowsable`.
    """
    if not path.is_file():
        raise NotBrowsable(
            f"no database {path}; make it with: scrapy load data/articles/*.jsonl"
            f" --to sqlite:///{path}"
        )
    try:
        with closing(connect(path)) as connection:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise NotBrowsable(f"cannot read {path}: {error}") from None
    if not there >= TABLES:
        raise NotBrowsable(f"{path} is no database of scrapy load: it has no table of articles")
    if not pm.is_registered(plugin):
        pm.register(plugin, plugin.__name__)
        pm.unregister(name="datasette.handle_exception")  # it prints tracebacks, of a 404 too
    datasette = Datasette(
        memory=True,
        metadata=_METADATA,
        settings=_SETTINGS,
        template_dir=str(plugin.HERE / "templates"),
        static_mounts=[("-/browse", str(plugin.HERE / "static"))],
    )
    datasette.remove_database("_memory")
    datasette.add_database(ReadOnly(datasette, str(path)), name=plugin.NAME)
    return datasette


def listen(port: int) -> socket.socket:
    """Listen on loopback; port 0 is any that is free. Raises `NotBrowsable`."""
    listening = socket.socket(socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise NotBrowsable(
            f"cannot listen on port {port}: {os.strerror(error.errno or 0)}; choose another with --port"
        ) from None
    return listening


def serve(datasette: Datasette, listening: socket.socket) -> None:
    """Answer until the process is interrupted or told to end."""
    config = uvicorn.Config(
        datasette.app(), lifespan="on", log_level="warning", access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])
