"""Spider arguments (``-a name=value``), checked before the first request.

A spider declares ``arguments``: for each name a reader, which raises `ValueError`, and in words what
it takes.
"""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rfinews import dates
from rfinews.urls import clean_link

_AGO = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[mhdw])")
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")


class Argument(NamedTuple):
    read: Callable[[str], Any]
    takes: str
    required: bool = False


class BadArgument(ValueError):
    """Raised by `read_arguments`; its text names the argument and what it takes."""


def read_arguments(declared: Mapping[str, Argument], given: Mapping[str, str]) -> dict[str, Any]:
    """Read `given` arguments. Those of Scrapyd's own (``_job``) are passed over.

    Raises `BadArgument`.

    >>> read_arguments({"follow": Argument(flag, "0 or 1")}, {"follow": "1", "_job": "x"})
    {'follow': True}
    """
    values = {}
    for name, text in given.items():
        if name.startswith("_"):
            continue
        if name not in declared:
            known = ", ".join(f"{key} ({each.takes})" for key, each in declared.items())
            raise BadArgument(f"unknown argument {name}; known: {known}")
        try:
            values[name] = declared[name].read(text)
        except ValueError as error:
            reason = f": {error}" if str(error) else ""
            raise BadArgument(
                f"{name} takes {declared[name].takes}, not {text!r}{reason}"
            ) from None
    for name, argument in declared.items():
        if argument.required and name not in values:
            raise BadArgument(f"-a {name}=… is missing; it takes {argument.takes}")
    return values


def flag(text: str) -> bool:
    """Read ``0`` or ``1``."""
    if text not in ("0", "1"):
        raise ValueError
    return text == "1"


def addresses(text: str) -> list[str]:
    """Read one or more http(s) addresses, separated by commas."""
    found = [part.strip() for part in text.split(",")]
    for address in found:
        if not address.startswith(("http://", "https://")) or clean_link(address, "") is None:
            raise ValueError(f"no http(s) address: {address!r}" if address else "an empty address")
    return found


def choices(*known: str) -> Callable[[str], list[str]]:
    """Make a reader of one or more of the words `known`, separated by commas; ``all`` is all."""

    def read(text: str) -> list[str]:
        words = [word.strip() for word in text.split(",")]
        unknown = [word for word in words if word not in (*known, "all")]
        if unknown:
            raise ValueError(f"there is no {unknown[0]!r}" if unknown[0] else "an empty word")
        return list(known) if "all" in words else list(dict.fromkeys(words))

    return read


def first_instant(text: str) -> int:
    """Read when something begins, as seconds since 1970: of a mere date, its start in Paris.

    >>> first_instant("2023-11-07"), first_instant("2023-11-07T12:00:00+01:00")
    (1699311600, 1699354800)
    """
    return _instant(text, "00:00")


def last_instant(text: str) -> int:
    """Read when something ends, as seconds since 1970: of a mere date, its last minute in Paris.

    >>> last_instant("2023-11-07") - first_instant("2023-11-07")
    86340
    """
    return _instant(text, "23:59")


def _instant(text: str, hour: str) -> int:
    text = text.strip()
    if match := _AGO.fullmatch(text):
        return int(time.time()) - int(match["number"]) * _UNITS[match["unit"]]
    if match := _DATE.fullmatch(text):
        date = dates.from_paris(f"{match['day']}/{match['month']}/{match['year']} - {hour}")
    else:
        date = dates.from_iso(text)
    seconds = dates.to_seconds(date)
    if seconds is None:
        raise ValueError
    return seconds


def existing_path(text: str) -> Path:
    """Read the path of a file or directory that is there."""
    path = Path(text).expanduser()
    if not text or not path.exists():
        raise ValueError("no such file or directory")
    return path
