"""Spider arguments (``-a name=value``), checked before the first request.

A spider declares ``arguments``: for each name a reader, which raises `ValueError`, and in words what
it takes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rfinews.urls import clean_link


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


def existing_path(text: str) -> Path:
    """Read the path of a file or directory that is there."""
    path = Path(text).expanduser()
    if not text or not path.exists():
        raise ValueError("no such file or directory")
    return path
