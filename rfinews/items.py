"""What a crawl yields: one `Article` a revision, the record of CONTRACT section 2.

The fields stand in the order in which they are exported. Times are ISO 8601 in UTC with ``Z``,
durations are seconds, addresses are absolute ``http(s)``.
"""

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal

from rfinews.urls import (
    article_id,
    canonical_url,
    edition_of,
    is_article_url,
    is_rfi,
    section_of,
)

SCHEMA_VERSION = 1
_INTERNAL = {"internal": True}


@dataclass(slots=True)
class Image:
    """A picture at its real address (never ``data:``); width and height in pixels."""

    url: str
    caption: str | None = None
    credit: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(slots=True)
class Media:
    """An audio or a video; duration in seconds."""

    url: str
    name: str | None = None
    duration: int | None = None


@dataclass(slots=True)
class Alternate:
    """The same article in another language: BCP 47 tag and canonical address."""

    in_language: str
    url: str


@dataclass(slots=True)
class Article:
    """An article of RFI.

    ``None`` is an unknown value, an empty list or ``""`` in `article_body` one that is known to be
    empty. `headline` is ``""`` only until a parser or the feed has found it.
    """

    schema_version: int = SCHEMA_VERSION
    #: First 32 hex digits of SHA-256 of `canonical_url`.
    id: str = ""
    canonical_url: str = ""
    #: Where the content came from: final page address, or the entry's link as the feed has it.
    url: str = ""
    revision: int = 1
    #: ``new``, ``update`` or ``retracted``.
    change: str = "new"
    #: First path segment: ``cn``, ``fr``.
    edition: str = ""
    #: BCP 47: ``zh-Hans``.
    in_language: str = ""
    section: str | None = None
    column: str | None = None
    headline: str = ""
    #: The chapô, plain text.
    description: str | None = None
    #: Plain text, blocks joined by a blank line.
    article_body: str = ""
    article_body_html: str = ""
    copyright_notice: str | None = None
    authors: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    audios: list[Media] = field(default_factory=list)
    videos: list[Media] = field(default_factory=list)
    alternates: list[Alternate] = field(default_factory=list)
    date_published: str | None = None
    date_modified: str | None = None
    feed_date: str | None = None
    source: Literal["feedx", "rfi", "archive"] = "feedx"
    feed_url: str | None = None
    #: See `rfinews.markup.content_hash`.
    content_hash: str = ""
    crawled_at: str = ""
    crawl_id: str = ""
    #: The address as it was discovered, for its outcome. Not exported.
    address: str = field(default="", metadata=_INTERNAL)
    #: What the outcome says beside ``exported``. Not exported.
    note: str | None = field(default=None, metadata=_INTERNAL)
    #: `content_hash` of what the feed alone says, and the page alone. Not exported.
    feed_hash: str | None = field(default=None, metadata=_INTERNAL)
    page_hash: str | None = field(default=None, metadata=_INTERNAL)
    #: When the page changed last as its sitemap says. Not exported.
    lastmod: str | None = field(default=None, metadata=_INTERNAL)

    @property
    def has_content(self) -> bool:
        """Whether there is anything to read, hear or watch; a main image alone is not content."""
        return bool(self.article_body or self.audios or self.videos)

    @property
    def is_complete(self) -> bool:
        """Whether it can stand as a record: a headline and anything below it, be it a picture."""
        return bool(self.headline and (self.has_content or self.images))


#: The exported fields in order.
FIELDS: tuple[str, ...] = tuple(f.name for f in fields(Article) if not f.metadata.get("internal"))


_PARTS = ("images", "audios", "videos", "alternates")


def as_record(article: Article) -> dict[str, Any]:
    """Return the exported fields in their order as plain dicts, lists and values."""
    record = {name: getattr(article, name) for name in FIELDS}
    for name in _PARTS:
        record[name] = [
            {part_field: getattr(part, part_field) for part_field in part.__slots__}
            for part in record[name]
        ]
    return record


class NotRfi(ValueError):
    """Raised by `article_at`: the address is no article of RFI; `outcome` says which kind."""

    def __init__(self, outcome: Literal["offsite", "invalid"], message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


def article_at(address: str) -> Article:
    """Return an article that knows nothing but what its address tells.

    Raises `NotRfi` for an address that is not RFI's or that can be no article.
    """
    return Article(url=address, **_identity(address))


@lru_cache(maxsize=8192)  # a page names the address that its feed has named before
def _identity(address: str) -> dict[str, Any]:
    if not is_rfi(address):
        raise NotRfi("offsite", "not an RFI address")
    canonical = canonical_url(address)
    edition = edition_of(canonical)
    if edition is None or not is_article_url(address):
        raise NotRfi("invalid", "no article's address")
    return {
        "id": article_id(canonical),
        "canonical_url": canonical,
        "edition": edition.code,
        "in_language": edition.language,
        "section": section_of(canonical),
    }


_FROM_ENTRY = (
    "column",
    "description",
    "article_body",
    "article_body_html",
    "copyright_notice",
    "authors",
    "images",
    "audios",
    "videos",
    "date_published",
    "feed_date",
    "feed_url",
    "address",
    "note",
    "feed_hash",
)


def retracted(article: Article) -> Article:
    """Return what is exported of an article whose page is gone: that it is gone, and no content."""
    return Article(
        id=article.id,
        canonical_url=article.canonical_url,
        url=article.canonical_url,
        change="retracted",
        edition=article.edition,
        in_language=article.in_language,
        section=article.section,
        source="rfi",
        feed_url=article.feed_url,
        address=article.address,
    )


def merged(page: Article, entry: Article) -> Article:
    """Return the page's article; where the page is silent, field by field, what the entry says.

    `source` and `url` are those of the body.
    """
    if not page.has_content:
        page.source, page.url = entry.source, entry.url
    for name in _FROM_ENTRY:
        if not getattr(page, name):
            setattr(page, name, getattr(entry, name))
    return page
