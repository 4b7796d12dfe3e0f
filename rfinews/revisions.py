"""Revisions: what of a record is news, beside what is known of its article. Pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import orjson

from rfinews import dates

POORER = "its page is known, which says more than its feed"

#: An article's own page knows more than its feed or a copy of that.
_RANK = {"archive": 0, "feedx": 0, "rfi": 1}


class Found(NamedTuple):
    """What the store wants of a record; times in seconds since 1970."""

    id: str
    canonical_url: str
    url: str
    crawl_id: str
    revision: int
    change: str
    source: str
    content_hash: str
    feed_date: int | None
    date_modified: int | None
    published: int
    crawled_at: int
    has_page: bool = False
    """Whether the article's own page was had: a summary of it has no body."""

    @property
    def spider(self) -> str:
        return self.crawl_id.partition("-")[0]

    @property
    def is_there(self) -> bool:
        return self.change != "retracted"

    @classmethod
    def of(cls, get: Callable[[str], Any]) -> Self:
        """Read a record, or an article, by the names of its fields."""
        seconds = dates.to_seconds
        crawled_at = seconds(get("crawled_at")) or 0
        feed_date = seconds(get("feed_date"))
        return cls(
            get("id"),
            get("canonical_url"),
            get("url"),
            get("crawl_id"),
            get("revision"),
            get("change"),
            get("source"),
            get("content_hash"),
            feed_date,
            seconds(get("date_modified")),
            seconds(get("date_published")) or feed_date or crawled_at,
            crawled_at,
            get("source") == "rfi" and bool(get("article_body")),
        )


class Known(NamedTuple):
    """A known article: its newest revision, and what was seen of it since."""

    number: int
    revision: int
    change: str
    source: str
    content_hash: str
    feed_date: int | None
    date_modified: int | None
    published: int
    feed_hash: str | None
    page_hash: str | None
    lastmod: int | None
    asked_at: int | None
    next_check: int | None
    gone_since: int | None

    @classmethod
    def after(cls, found: Found, number: int = 0) -> Self:
        """What is known once `found` is exported."""
        return cls(
            number,
            found.revision,
            found.change,
            found.source,
            found.content_hash,
            found.feed_date,
            found.date_modified,
            found.published,
            feed_hash=None,
            page_hash=None,
            lastmod=None,
            asked_at=found.crawled_at if found.has_page else None,
            next_check=None,
            gone_since=None,
        )


class Verdict(NamedTuple):
    """What becomes of a record: the revision it is, or, without one, why it is none."""

    revision: int | None
    change: str
    reason: str | None = None


def judge(known: Known | None, found: Found) -> Verdict:
    """Decide whether `found` tells of an article anything that `known` does not.

    An update is another text from as good a source, unless its own date says that it is older: of a
    feed's mirror that lags behind, of a page from a stale cache, of an archive.
    """
    if known is None:
        if found.change == "retracted":
            return Verdict(None, "retracted", "never exported")
        return Verdict(1, "new")
    if found.change == "retracted":
        if known.change == "retracted":
            return Verdict(None, "retracted", "known to be retracted")
        return Verdict(known.revision + 1, "retracted")
    if _RANK[found.source] < _RANK[known.source]:
        return Verdict(None, "update", POORER)
    if known.change != "retracted":
        if found.content_hash == known.content_hash:
            return Verdict(None, "update")
        if _is_older(found, known):
            return Verdict(None, "update", f"older than revision {known.revision}")
    return Verdict(known.revision + 1, "update")


def _is_older(found: Found, known: Known) -> bool:
    if found.source == "rfi":
        return (
            known.source == "rfi"
            and found.date_modified is not None
            and known.date_modified is not None
            and found.date_modified < known.date_modified
        )
    if found.source == "archive":
        return (found.feed_date or 0) <= (known.feed_date or 0)
    return (
        found.feed_date is not None
        and known.feed_date is not None
        and found.feed_date < known.feed_date
    )


def read_found(line: bytes) -> Found | None:
    """Read a record as it stands in a file; `None` for what is none, such as a torn line."""
    try:
        found = Found.of(orjson.loads(line).__getitem__)
        texts = (found.canonical_url, found.url, found.crawl_id, found.content_hash)
        is_one = len(bytes.fromhex(found.id)) == 16 and all(isinstance(text, str) for text in texts)
        return found if is_one and isinstance(found.revision, int) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
