"""What a crawl came to, in numbers: what monitors judge, metrics tell, and later crawls compare.

A crawl with monitors or metrics writes them into its manifest. Of an older one they are read as far
as its manifest goes: outcomes and times.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from rfinews import dates
from rfinews.files import MANIFEST

#: Fields of a record of which a share of the articles is expected to have them.
FIELDS = (
    "headline",
    "description",
    "article_body",
    "authors",
    "keywords",
    "images",
    "date_published",
    "date_modified",
)
#: Manifests that are read at most for each one wanted: those between are of other arguments.
_READ_FOR_ONE = 10


class Feed(NamedTuple):
    """What a feed, sitemap or section came to."""

    entries: int
    """Addresses that it named."""
    articles: int
    """Exported or known, of those."""
    known: int
    """Known to an earlier crawl, of those."""


class Alarm(NamedTuple):
    """A monitor that failed."""

    name: str
    message: str
    since: int
    """When it failed first, in seconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Times are seconds since 1970."""

    crawl_id: str
    spider: str
    arguments: Mapping[str, Any]
    started_at: int
    finished_at: int
    reason: str
    """The manifest's ``finish_reason``."""
    outcomes: Mapping[str, int]
    pages: Mapping[str, int] = field(default_factory=dict)
    """Pages that could not be had or read, by outcome, also where a feed stands in for them."""
    bodies: Mapping[str, int] = field(default_factory=dict)
    """Pages that could be read, by the source of their body (`rfinews.parsers.rfi.read_page`)."""
    articles: int = 0
    """Exported ones, without those retracted."""
    fields: Mapping[str, int] = field(default_factory=dict)
    """How many of those have a field."""
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    newest: Mapping[str, int] = field(default_factory=dict)
    """By edition, the date of the newest article that feeds told of, in this crawl or before."""
    not_modified: int = 0
    """Feeds, sitemaps and sections that have not changed since the last crawl."""
    news_at: int | None = None
    """When a crawl last exported anything, this one included."""
    alarms: Mapping[str, Alarm] | None = None
    """Monitors that failed, by name, those included of which the crawl could say nothing; `None`:
    there were no monitors."""

    @property
    def exported(self) -> int:
        return self.outcomes.get("exported", 0)

    @property
    def met(self) -> int:
        """Articles that are exported or known."""
        return self.exported + self.outcomes.get("unchanged", 0)

    def as_notes(self) -> dict[str, Any]:
        """What the manifest says of them that does not stand there anyway."""
        return {
            "pages": dict(self.pages),
            "bodies": dict(self.bodies),
            "articles": self.articles,
            "fields": dict(self.fields),
            "feeds": {url: feed._asdict() for url, feed in self.feeds.items()},
            "newest": {edition: dates.from_seconds(at) for edition, at in self.newest.items()},
            "not_modified": self.not_modified,
            "news_at": dates.from_seconds(self.news_at),
        }


def read_figures(manifest: bytes) -> Figures | None:
    """Read them from a manifest; `None`: it is none, or damaged."""
    try:
        told = orjson.loads(manifest)
        notes = told.get("figures") or {}
        monitors = told.get("monitors")
        finished_at = _seconds(told["finished_at"])
        return Figures(
            crawl_id=told["crawl_id"],
            spider=told["spider"],
            arguments=told["arguments"],
            started_at=_seconds(told["started_at"]),
            finished_at=finished_at,
            reason=told["finish_reason"],
            outcomes=_counts(told["outcomes"]),
            pages=_counts(notes.get("pages", {})),
            bodies=_counts(notes.get("bodies", {})),
            articles=int(notes.get("articles", 0)),
            fields=_counts(notes.get("fields", {})),
            feeds={url: Feed(**feed) for url, feed in notes.get("feeds", {}).items()},
            newest={name: _seconds(date) for name, date in notes.get("newest", {}).items()},
            not_modified=int(notes.get("not_modified", 0)),
            news_at=finished_at
            if told["outcomes"].get("exported")
            else dates.to_seconds(notes.get("news_at")),
            alarms=None if monitors is None else dict(_alarms(monitors)),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _alarms(monitors: Mapping[str, Any]) -> Iterator[tuple[str, Alarm]]:
    for told in (*monitors["failed"], *monitors["not_judged"]):
        yield told["name"], Alarm(told["name"], told["message"], _seconds(told["since"]))


def _counts(told: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(count) for name, count in told.items()}


def _seconds(date: str) -> int:
    seconds = dates.to_seconds(date)
    if seconds is None:
        raise ValueError(date)
    return seconds


def read_history(
    directory: Path, spider: str, arguments: Mapping[str, Any], number: int
) -> list[Figures]:
    """Read the last `number` crawls with this spider and these arguments, the newest first."""
    ending = len(MANIFEST)
    try:
        names = [
            path.name[:-ending] for path in directory.glob(f"{spider}-*{MANIFEST}")
        ]  # begin with the time
    except OSError:
        return []
    names.sort(reverse=True)
    return list(islice(_read(directory, names[: number * _READ_FOR_ONE], arguments), number))


def _read(directory: Path, names: Sequence[str], arguments: Mapping[str, Any]) -> Iterator[Figures]:
    for name in names:
        try:
            figures = read_figures((directory / f"{name}{MANIFEST}").read_bytes())
        except OSError:
            continue
        if figures is not None and figures.arguments == arguments:
            yield figures


def carried_on(figures: Figures, before: Sequence[Figures]) -> Figures:
    """Return what a crawl came to with what earlier ones knew and it could not see.

    That is the newest article of each edition, and when there was last one to export.
    """
    newest: dict[str, int] = {}
    for each in (*reversed(before), figures):
        for edition, at in each.newest.items():
            newest[edition] = max(at, newest.get(edition, at))
    news_at = figures.finished_at if figures.exported else None
    known = (each.news_at for each in before if each.news_at is not None)
    return replace(
        figures, newest=newest, news_at=news_at if news_at is not None else max(known, default=None)
    )
