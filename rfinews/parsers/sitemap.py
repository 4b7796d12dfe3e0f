"""Sitemaps and their indexes (sitemaps.org), with news, images and translations; also broken ones.

One reader for all: feed.py's mending one. A sitemap is a flat list of short fields, so what saves a
broken one (a field ends where the next begins, an entry too) reads a sound one just as it stands.
Names count without their prefix, by the element they stand in: ``loc`` in ``image`` is the
picture's. The document type is passed over, so there is no entity to expand or fetch.
"""

import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from rfinews import dates
from rfinews.items import Alternate, Image
from rfinews.markup import decode_references, plain
from rfinews.parsers import media
from rfinews.parsers.feed import _ATTRIBUTE, _MARK, _PROLOG, _TAG, _decoded, _unescaped
from rfinews.text import as_utf8
from rfinews.urls import is_private_host

MOST_BYTES = 64 << 20  # unpacked; the protocol allows 50 MB
_MAX_DEPTH = 32
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 12  # bytes that are unpacked at once: what a fault in them costs
_PARIS = ZoneInfo("Europe/Paris")

_ROOT = re.compile(
    rb"<(?P<name>(?:[A-Za-z_][\w.-]*:)?(?P<kind>urlset|sitemapindex|(?i:html|rss|feed|rdf)))(?=[\s>/])"
)
_STRAY = re.compile(rb"<|&(?!(?:#[0-9]+|#x[0-9A-Fa-f]+|amp|lt|gt|quot|apos);)")
_FIELDS = frozenset(
    """
    loc lastmod news/title news/publication_date news/keywords publication/language
    image/loc image/caption image/title
    """.split()
)
_CONTAINERS = frozenset({"news", "publication", "image", "link"})

_HTTP = re.compile(r"https?://", re.IGNORECASE)
_BREAKS = {ord(character): None for character in "\t\n\r"}  # a URL parser drops them, too
_COMMA = re.compile("[,，،]")
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_CONTENTS = re.compile(r"/contents_([0-9]{4}(?:0[1-9]|1[0-2]))(?![0-9])[^/]*$")

Kind = Literal["index", "urlset"]


class NotASitemap(ValueError):
    """Raised by `read_sitemap`; the message says in one line what the bytes are instead."""


@dataclass(slots=True)
class SitemapEntry:
    """One entry, of a sitemap or of an index. ``None``: not there, or unreadable.

    `url` is absolute http(s), as it is written there. `lastmod` is the latest instant that is meant
    (`latest`), `published` an exact one. `alternates` are the translations, without ``x-default``
    and the entry itself.
    """

    url: str
    lastmod: str | None = None
    published: str | None = None
    title: str | None = None
    language: str | None = None
    keywords: list[str] = field(default_factory=list)
    image: Image | None = None
    alternates: list[Alternate] = field(default_factory=list)


@dataclass(slots=True)
class Sitemap:
    """A sitemap or an index; `problems` is complete once `entries` is exhausted."""

    kind: Kind
    entries: Iterator[SitemapEntry]
    problems: list[str]


def read_sitemap(content: bytes) -> Sitemap:
    """Read a sitemap or an index, plain or packed with gzip.

    Entries are read as they are asked for, in order, each address once. Where the XML is broken,
    all entries whose address is complete are kept. Raises `NotASitemap`, and nothing else.

    >>> sitemap = read_sitemap(b"<urlset><url><loc>https://www.rfi.fr/cn/a?b&amp;c</loc></url></urlset>")
    >>> sitemap.kind, [entry.url for entry in sitemap.entries], sitemap.problems
    ('urlset', ['https://www.rfi.fr/cn/a?b&c'], [])
    >>> read_sitemap(b"<html><body>Not found</body></html>")
    Traceback (most recent call last):
    ...
    rfinews.parsers.sitemap.NotASitemap: an HTML page
    """
    problems: list[str] = []
    if content.startswith(_GZIP):
        content = _unpacked(content, problems)
    source, problem = as_utf8(content)
    if problem:
        problems.append(problem)
    prolog = _PROLOG.match(source)
    start = prolog.end() if prolog else 0
    if start == len(source):
        raise NotASitemap("nothing in it")
    root = _ROOT.search(source, start)
    if root is None:
        raise NotASitemap("no sitemap: neither <urlset> nor <sitemapindex> in it")
    name = root["kind"].lower()
    if name not in (b"urlset", b"sitemapindex"):
        raise NotASitemap("an HTML page" if name == b"html" else "a feed")
    if b"<!ENTITY" in source[:start]:
        problems.append("declares entities: ignored")
    kind: Kind = "urlset" if name == b"urlset" else "index"
    return Sitemap(kind, _entries(_found(source, root, kind, problems), problems), problems)


def latest(text: str | None) -> str | None:
    """The latest instant that a W3C date can mean: what it leaves open is read as late as can be.

    A year, month or day counts as its last second, a time without offset as one in UTC, where each
    of them ends later than in Paris. So what is "not newer" is not, whichever was meant.

    >>> latest("2023-11-07T12:35+01:00"), latest("2023-11-07T12:35:00")
    ('2023-11-07T11:35:00Z', '2023-11-07T12:35:00Z')
    >>> latest("2023-11-07"), latest("2024-02")
    ('2023-11-07T23:59:59Z', '2024-02-29T23:59:59Z')
    >>> latest("yesterday")
    """
    text = (text or "").strip()
    match = _DAY.fullmatch(text)
    if match is None:
        return dates.from_iso(text) or dates.from_iso(f"{text}Z")
    year, month, day = match.groups()
    days = [day] if day else ["31", "30", "29", "28"]
    ends = (dates.from_iso(f"{year}-{month or '12'}-{each}T23:59:59Z") for each in days)
    return next(filter(None, ends), None)


def months(entries: Iterable[SitemapEntry], since: str | None, until: str | None) -> list[str]:
    """The addresses of an index's monthly sitemaps that matter from `since` to `until`, newest first.

    That is each ``contents_YYYYMM`` whose month in Paris has an instant of that time; no limit is
    ``None``. The index's ``lastmod`` says nothing here: an old article that was edited does not
    bring back its month, and a ``lastmod`` that nobody keeps up to date costs no article.

    >>> index = [SitemapEntry(f"https://www.rfi.fr/sitemaps/cn/{name}.xml")
    ...          for name in ("news", "tags", "contents_202310", "contents_202311")]
    >>> months(index, "2023-10-31T23:30:00Z", None)
    ['https://www.rfi.fr/sitemaps/cn/contents_202311.xml']
    """
    first = _paris_month(since) if since else ""
    last = _paris_month(until) if until else "999999"
    found = ((match[1], entry.url) for entry in entries if (match := _CONTENTS.search(entry.url)))
    wanted = [(month, url) for month, url in found if first <= month <= last]
    wanted.sort(key=lambda each: each[0], reverse=True)
    return list(dict.fromkeys(url for _, url in wanted))


def _paris_month(date: str) -> str:
    return f"{datetime.fromisoformat(date).astimezone(_PARIS):%Y%m}"


def _unpacked(content: bytes, problems: list[str]) -> bytes:
    """Unpack gzip, also one file behind another; what comes before a fault is kept."""
    found = bytearray()
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for at in range(0, len(content), _PIECE):
            piece = content[at : at + _PIECE]
            while piece:
                if stream.eof:
                    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
                found += stream.decompress(piece, MOST_BYTES + 1 - len(found))
                if len(found) > MOST_BYTES:
                    raise NotASitemap(f"more than {MOST_BYTES >> 20} MiB when unpacked")
                piece = stream.unused_data
        problem = None if stream.eof else "gzip: truncated"
    except zlib.error as error:
        problem = f"gzip: {error}"
    if problem and not found:
        raise NotASitemap(problem)
    if problem:
        problems.append(problem)
    return bytes(found)


# ------------------------------------------------------------------------------- from bytes to fields


@dataclass(slots=True)
class _Found:
    """The first text of each of an entry's fields, of each picture's, and its links' attributes."""

    fields: dict[str, str] = field(default_factory=dict)
    images: list[dict[str, str]] = field(default_factory=list)
    links: list[dict[str, str]] = field(default_factory=list)


def _found(
    source: bytes, root: re.Match[bytes], kind: Kind, problems: list[str]
) -> Iterator[_Found]:
    """Yield what stands in each entry; `root` is where the root's start tag begins.

    An end tag that was never opened, a CDATA section or comment that never ends, and a ``<`` or
    ``&`` that begins nothing count as absent or as text. The first such fault is told.
    """
    tag = _TAG.match(source, root.start())
    if tag and tag["rest"].endswith(b"/"):
        return
    reader = _Reader(root["name"].decode(), kind)
    at = root.end()
    last_comment = source.rfind(b"-->")
    is_sound = True
    while reader.stack and (mark := _MARK.search(source, at)):
        was_sound = is_sound
        if reader.key:
            text = source[at : mark.start()]
            reader.parts.append(_unescaped(text))
            is_sound = is_sound and not _STRAY.search(text)
        at = mark.end()
        if mark["name"]:
            is_sound = _read_tag(reader, mark) and is_sound
        elif mark[0] == b"<![CDATA[" and (end := _cdata_end(source, at)) >= 0:
            if reader.key:
                reader.parts.append(_decoded(source[at:end]))
            at = end + len("]]>")
        elif mark[0] == b"<!--" and at <= last_comment:
            at = source.index(b"-->", at) + len("-->")
        elif not mark[0].startswith(b"<?"):
            is_sound = False
        if was_sound and not is_sound:
            line = source.count(b"\n", 0, mark.start()) + 1
            problems.append(f"line {line}: not well-formed; mended from there on")
        while reader.done:
            yield reader.done.popleft()
    if reader.stack:
        problems.append("truncated: ends in the middle")
        reader.key = ""  # half an address is none
        reader.close(0)
        yield from reader.done


def _cdata_end(source: bytes, at: int) -> int:
    """Where the CDATA section that begins at `at` ends; -1 if another one begins before."""
    following = source.find(b"<![CDATA[", at)
    return source.find(b"]]>", at, following if following >= 0 else len(source))


def _read_tag(reader: "_Reader", tag: re.Match[bytes]) -> bool:
    """Tell `reader` of a tag; False if it is not well-formed."""
    name = tag["name"].decode()
    if not tag["close"]:
        return reader.open(name, tag["rest"]) and not _STRAY.search(tag["rest"])
    if name not in reader.stack:
        return False
    is_sound = reader.stack[-1] == name
    reader.close(len(reader.stack) - 1 - reader.stack[::-1].index(name))
    return is_sound


class _Reader:
    """Builds entries from tags and text.

    `done` are the entries complete and not yet taken. `stack` are the names of the open elements,
    the root's first, then the entry's; it is empty when the root has ended. `parts` is the text of
    the open field `key`, which is at `depth` in the stack.
    """

    def __init__(self, root: str, kind: Kind) -> None:
        self.entry_name = "url" if kind == "urlset" else "sitemap"
        self.stack = [root]
        self.done: deque[_Found] = deque()
        self.key = ""
        self.depth = 0
        self.parts: list[str] = []
        self._entry: _Found | None = None
        self._prefix = ""

    def open(self, name: str, rest: bytes) -> bool:
        """Note that an element begins; False if another one should have ended before."""
        stack, is_sound = self.stack, True
        prefix, _, local = name.rpartition(":")
        if local == self.entry_name and (len(stack) == 1 or prefix == self._prefix):
            is_sound = len(stack) == 1
            self.close(1)
            self._entry, self._prefix = _Found(), prefix
        elif self._entry:
            key = self._key_of(name)
            is_known = key in _FIELDS or local in _CONTAINERS
            if self.key and is_known:
                is_sound = False
                self.close(self.depth - 1)
            if len(stack) == 2 and local == "image":
                self._entry.images.append({})
            elif local == "link":
                pairs = _ATTRIBUTE.findall(rest)
                attributes = {_decoded(k): _unescaped(a or b or c) for k, a, b, c in pairs}
                self._entry.links.append(attributes)
            elif key in _FIELDS:
                self.key, self.depth, self.parts = key, len(stack) + 1, []
        if len(stack) < _MAX_DEPTH:
            stack.append(name)
            if rest.endswith(b"/"):
                self.close(len(stack) - 1)
        return is_sound

    def close(self, depth: int) -> None:
        """Note that the elements end that are deeper than `depth`."""
        if self.key and depth < self.depth:
            self._keep(self.key, "".join(self.parts).strip())
            self.key = ""
        del self.stack[depth:]
        if self._entry and depth < 2:
            self.done.append(self._entry)
            self._entry = None

    def _key_of(self, name: str) -> str:
        """Return how `_FIELDS` calls an element that begins now.

        Where the open field is one that nobody ended, the new element is beside it.
        """
        parent = self.depth - 2 if self.key else len(self.stack) - 1
        prefix, _, local = name.rpartition(":")
        if parent > 1:
            return f"{self.stack[parent].rpartition(':')[2]}/{local}"
        return local if prefix == self._prefix else f"{prefix}/{local}"

    def _keep(self, key: str, text: str) -> None:
        if not (text and self._entry):
            return
        fields = self._entry.fields
        if key.startswith("image/"):
            if not self._entry.images:
                self._entry.images.append({})
            fields = self._entry.images[-1]
        fields.setdefault(key, text)


# ------------------------------------------------------------------------------ from fields to entries


def _entries(found: Iterable[_Found], problems: list[str]) -> Iterator[SitemapEntry]:
    """Yield the entries with an address, each address once, and tell of the others."""
    seen: set[str] = set()
    blank = unusable = 0
    for each in found:
        address = each.fields.get("loc")
        url = _address(address)
        if url and url not in seen:
            seen.add(url)
            yield _entry(url, each)
        elif not address:
            blank += 1
        elif not url:
            unusable += 1
    if blank:
        problems.append(f"without an address: {blank} skipped")
    if unusable:
        problems.append(f"addresses that are not public http(s) ones: {unusable} skipped")


def _entry(url: str, found: _Found) -> SitemapEntry:
    fields = found.fields
    keywords = (_text(word) for word in _COMMA.split(_text(fields.get("news/keywords")) or ""))
    return SitemapEntry(
        url=url,
        lastmod=latest(fields.get("lastmod")),
        published=dates.from_iso(fields.get("news/publication_date")),
        title=_text(fields.get("news/title")),
        language=_text(fields.get("publication/language")),
        keywords=list(dict.fromkeys(filter(None, keywords))),
        image=next(_images(url, found), None),
        alternates=list(_alternates(url, found)),
    )


def _address(text: str | None) -> str | None:
    """Return an absolute public http(s) address, as it is written; escapes of escapes resolved."""
    url = decode_references(text or "").translate(_BREAKS).strip()
    return url if _HTTP.match(url) and not is_private_host(url) else None


def _text(text: str | None) -> str | None:
    return plain(decode_references(text)) or None if text else None


def _images(url: str, found: _Found) -> Iterator[Image]:
    for image in found.images:
        if address := media.address(decode_references(image.get("image/loc", "")), url):
            yield Image(
                address, _text(image.get("image/caption")) or _text(image.get("image/title"))
            )


def _alternates(url: str, found: _Found) -> Iterator[Alternate]:
    seen = {url}
    for link in found.links:
        language, address = link.get("hreflang", "").strip(), _address(link.get("href"))
        is_translation = link.get("rel", "").lower() == "alternate" and language
        if is_translation and language.lower() != "x-default" and address and address not in seen:
            seen.add(address)
            yield Alternate(language, address)
