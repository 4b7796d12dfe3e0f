"""Which database an address means. A driver is imported only where it is needed."""

from collections.abc import Callable
from pathlib import Path

from rfinews.load.base import Target

_FORMS = "sqlite:///FILE, duckdb:///FILE, postgresql://USER@HOST/DATABASE or parquet:DIRECTORY"


def find_target(url: str) -> Target:
    """Return the database at an address, not opened yet. Raises `ValueError`, one line for the user.

    Three slashes come before a relative path, a fourth one begins an absolute one.

    >>> find_target("sqlite:///articles.db").path, find_target("sqlite:////srv/articles.db").path
    (PosixPath('articles.db'), PosixPath('/srv/articles.db'))
    """
    kind, colon, rest = url.partition(":")
    make = _KINDS.get(kind)
    if make is None or not colon:
        given = f"{kind}:…" if colon else url  # without what may be a password
        raise ValueError(f"the address must be {_FORMS}, not {given}")
    return make(url, rest)


def _path(rest: str, kind: str) -> Path:
    if not rest.startswith("///") or rest.endswith("/") or "\0" in rest:
        raise ValueError(f"the address must be {kind}:///FILE")
    return Path(rest.removeprefix("///"))


def _sqlite(url: str, rest: str) -> Target:
    from rfinews.load.sqlite import SQLite  # noqa: PLC0415 - as the others

    return SQLite(_path(rest, "sqlite"))


def _duckdb(url: str, rest: str) -> Target:
    path = _path(rest, "duckdb")
    try:
        from rfinews.load.duck import DuckDB  # noqa: PLC0415 - its driver is an extra
    except ModuleNotFoundError as error:
        raise _missing(error, "duckdb") from None
    return DuckDB(path)


def _parquet(url: str, rest: str) -> Target:
    if not rest or "\0" in rest:
        raise ValueError("the address must be parquet:DIRECTORY")
    try:
        from rfinews.load.parquet import Parquet  # noqa: PLC0415 - its driver is an extra
    except ModuleNotFoundError as error:
        raise _missing(error, "duckdb") from None
    return Parquet(Path(rest))


def _postgresql(url: str, rest: str) -> Target:
    try:
        from rfinews.load.postgres import PostgreSQL  # noqa: PLC0415 - its driver is an extra
    except ModuleNotFoundError as error:
        raise _missing(error, "postgres") from None
    return PostgreSQL(url)


def _missing(error: ModuleNotFoundError, extra: str) -> Exception:
    if (error.name or "").startswith("rfinews"):
        return error
    return ValueError(f"{error.name} is not installed; pip install 'rfinews[{extra}]'")


_KINDS: dict[str, Callable[[str, str], Target]] = {
    "sqlite": _sqlite,
    "duckdb": _duckdb,
    "parquet": _parquet,
    "postgresql": _postgresql,
    "postgres": _postgresql,
}
