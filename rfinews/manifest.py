"""The manifest of a crawl and its outcomes, as they are written (CONTRACT section 5)."""

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import orjson

from rfinews import __version__, dates

#: Why a crawl ended whose job is done; a limit of the user's (CLOSESPIDER_ITEMCOUNT, …) is as good.
DONE = ("finished", "closespider_itemcount", "closespider_pagecount", "closespider_timeout")
_LIBRARIES = ("scrapy", "twisted", "selectolax", "nh3", "lxml")


def about(crawl_id: str, spider: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What is known of a crawl when it begins."""
    return {
        "crawl_id": crawl_id,
        "spider": spider,
        "arguments": arguments,
        "started_at": dates.now(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    return {
        "rfinews": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def manifest(
    about: dict[str, Any],
    *,
    finish_reason: str,
    files: Iterable[dict[str, Any]],
    outcomes: dict[str, int],
    outcomes_file: dict[str, Any],
    left_alone: dict[str, str],
    previous: dict[str, str] | None,
    notes: dict[str, Any] | None = None,
) -> bytes:
    """Write the manifest of a crawl that has ended.

    `left_alone` tells of each host that was asked no more why. `notes` are what else it says.
    """
    content = {
        "crawl_id": about["crawl_id"],
        "spider": about["spider"],
        "arguments": about["arguments"],
        "started_at": about["started_at"],
        "finished_at": dates.now(),
        "finish_reason": finish_reason,
        "files": list(files),
        "outcomes": outcomes,
        "outcomes_file": outcomes_file,
        "left_alone": left_alone,
        **(notes or {}),
        "versions": about["versions"],
        "previous": previous,
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def outcome_line(url: str, outcome: str, detail: str | None = None) -> bytes:
    """Write one line of the outcomes."""
    row = {"url": url, "outcome": outcome, "detail": detail}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
