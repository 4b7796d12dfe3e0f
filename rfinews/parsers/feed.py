"""RSS 2.0, RSS 1.0 and Atom, also broken, as entries one after the other.

Why expat (standard library), with a mending reader behind it: each candidate was given the broken
feeds of tests/parsers/test_feed.py. lxml with ``recover``, and fastfeedparser upon it, lose text
without a word: after libxml2's first fault every later ``&amp;`` is without its ``&``, and a
control character, a ``<`` in a title or a missing end tag costs all entries behind it. feedparser
keeps most entries, but delivers the torn one, takes UTF-8 with one bad byte for another charset,
holds the whole feed in memory and is ten times slower. Expat never sees the document type here, so
there is no entity that it could expand or fetch; it is faster than lxml, and it tells byte offsets,
so markup inside a body goes on as it was written. Where a feed is not well-formed, `_mended` goes
on behind the last complete entry.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from html.entities import html5
from itertools import chain
from typing import Literal, NamedTuple
from xml.parsers import expat

from rfinews import dates
from rfinews.text import as_utf8

_CHUNK = 1 << 18  # bytes; expat begins again with each chunk on a token that is not complete yet
_MAX_DEPTH = 256  # as libxml2's
_MAX_NAMES = 5_000
_MAX_PREFIXES = 100
_TRUNCATED = "truncated: ends in the middle; an entry that is incomplete is left out"

# Namespaces in lower case without the final slash or hash, which feeds often forget.
_NAMESPACES = {
    "http://www.w3.org/2005/atom": "atom",
    "http://purl.org/atom/ns": "atom",
    "http://purl.org/rss/1.0": "rss",
    "http://my.netscape.com/rdf/simple/0.9": "rss",
    "http://purl.org/rss/1.0/modules/content": "content",
    "http://purl.org/dc/elements/1.1": "dc",
    "http://search.yahoo.com/mrss": "media",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
}

# Where a field has several sources: in order of preference (`payload`: the longest wins).
_TITLES = ("rss:title", "atom:title", "dc:title")
_GUIDS = ("rss:guid", "atom:id", "rdf:about")
_DATES = ("rss:pubDate", "atom:published", "atom:issued", "dc:date", "atom:updated")
_PAYLOADS = ("content:encoded", "atom:content", "rss:description", "atom:summary")
_SUMMARIES = ("rss:description", "atom:summary", "itunes:summary")
_AUTHORS = ("dc:creator", "atom:name", "rss:author", "itunes:author")
_CATEGORIES = ("rss:category", "atom:category", "dc:subject")
_ONLY_IMAGES = frozenset({"media:thumbnail", "itunes:image"})
_IMAGES = ("media:content", "media:thumbnail", "rss:enclosure", "itunes:image")
_FIELDS = frozenset(
    chain(
        ("rss:link", "atom:link", "itunes:duration"),
        *(_TITLES, _GUIDS, _DATES, _PAYLOADS, _SUMMARIES, _AUTHORS, _CATEGORIES, _IMAGES),
    )
)
_RSS_TITLE_PATH = ("rss:channel", "rss:title")
_CONTAINERS = frozenset({"atom:author", "media:group", "media:content"})
# In a body without escapes these are HTML elements, not the entry's next field.
_ALSO_HTML = frozenset({"rss:title", "atom:title", "rss:link", "atom:link", "atom:summary"})

_PROLOG = re.compile(
    rb"""(?: [\x00-\x20\xef\xbb\xbf]++ | <!--.*?--> | <\?[^>]*+>
    | <!DOCTYPE [^\[>]*+
      (?: \[ (?: <!--.*?--> | "[^"]*" | '[^']*' | (?!<!--)[^]"'] )*+ \] \s*+ )? >
    )*+""",
    re.DOTALL | re.VERBOSE,
)
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(rss|rdf|feed|html)(?=[\s>/])", re.IGNORECASE)
_TAG = re.compile(
    rb"""< (?P<close>/?) (?P<name>[A-Za-z_][\w.:-]*+)
    (?P<rest> (?: [^<>"'] | "[^"<]*" | '[^'<]*' )*+ | [^<>]*+ ) >""",
    re.VERBOSE,
)
_MARK = re.compile(
    rb"<!\[CDATA\[ | <!-- | <\?[^<>]*> | <![A-Za-z][^<>]*> | " + _TAG.pattern, re.VERBOSE
)
_ATTRIBUTE = re.compile(
    rb"""(?:^|(?<=[\s"'/]))([^\s=<>"'/]++)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"""
)
_PREFIX = re.compile(rb"\s*<([A-Za-z_][\w.-]*:)")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));")
_ILLEGAL = bytes(set(range(32)) - set(b"\t\n\r"))

_HTTP = re.compile(r"\s*https?://\S", re.IGNORECASE)
_PICTURE = re.compile(r"[^?#]*\.(?:jpe?g|png|webp|gif|avif)(?:[?#]|$)", re.IGNORECASE)
_MAIL_AND_NAME = re.compile(r"^[^\s@]+@[^\s(]+\s*\((.+)\)$")

Kind = Literal["rss2", "rss1", "atom"]


class NotAFeed(ValueError):
    """Raised by `read_feed`; the message says in one line what the bytes are instead."""


class _NotWellFormed(ValueError):
    """Raised by `_well_formed`: not XML, or such that reading on would fill the memory."""


@dataclass(slots=True)
class Entry:
    """One entry. ``None``: not there, or nothing but whitespace. Links are as the feed has them.

    `payload` is the HTML of the longest of the entry's texts, verbatim (line ends are LF, as XML
    demands); `summary` the description or summary beside it. `title` has its XML references
    resolved once. `date` is ISO 8601 in UTC. `enclosures` are address, media type and seconds.
    """

    link: str | None
    guid: str | None
    title: str | None
    date: str | None
    payload: str | None
    summary: str | None
    authors: list[str]
    categories: list[str]
    image: str | None
    enclosures: list[tuple[str, str | None, int | None]]


@dataclass(slots=True)
class Feed:
    """A feed; `problems` and `truncated` are complete once `entries` is exhausted."""

    kind: Kind
    title: str | None
    entries: Iterator[Entry]
    problems: list[str]

    @property
    def truncated(self) -> bool:
        return _TRUNCATED in self.problems


def read_feed(body: bytes, charset: str | None = None) -> Feed:
    """Read the feed in `body`; `charset` is the one that HTTP names.

    Entries are read as they are asked for, and not kept. Raises `NotAFeed`, and nothing else.

    >>> feed = read_feed(b"<rss><channel><item><title>One &amp; two</title></item></channel></rss>")
    >>> feed.kind, [entry.title for entry in feed.entries]
    ('rss2', ['One & two'])
    >>> read_feed(b"<html><body>Not found</body></html>")
    Traceback (most recent call last):
    ...
    rfinews.parsers.feed.NotAFeed: an HTML page
    """
    problems: list[str] = []
    source, problem = as_utf8(body, charset)
    if problem:
        problems.append(problem)
    prolog = _PROLOG.match(source)
    start = prolog.end() if prolog else 0
    if start == len(source):
        raise NotAFeed("nothing in it")
    root = _ROOT.search(source, start)
    if root is None:
        raise NotAFeed("no feed: neither <rss> nor <feed> nor <rdf:RDF> in it")
    name = root[1].lower()
    if name == b"html":
        raise NotAFeed("an HTML page")
    if b"<!ENTITY" in source[:start]:
        problems.append("declares entities: ignored")
    kind: Kind = "rss2" if name == b"rss" else "rss1" if name == b"rdf" else "atom"
    reader = _Reader(source, root.start(), kind)
    entries = _entries(reader, problems)
    first = next(entries, None)
    return Feed(kind, reader.title, chain((first,), entries) if first else entries, problems)


def _entries(reader: "_Reader", problems: list[str]) -> Iterator[Entry]:
    try:
        yield from _well_formed(reader)
        return
    except _NotWellFormed as error:
        problem = f"{error}; mended from there on"
    while reader.done:
        yield reader.done.popleft()
    if reader.closed:
        return
    problems.append(problem)
    reader.back_to_last_entry()
    yield from _mended(reader)
    if not reader.closed:
        problems.append(_TRUNCATED)


# -------------------------------------------------------------------------------------- two parsers


def _well_formed(reader: "_Reader") -> Iterator[Entry]:
    """Read what is XML by the book. Raises `_NotWellFormed`.

    The text of CDATA sections, most of a full-text feed, is taken from the source and not sent
    through expat, which would take as long for it as for all the rest.
    """
    source, at = reader.source, reader.at
    ahead = at  # of the source's offsets, compared with those in what expat has been given
    in_cdata, cuts_cdata = False, True
    parser = expat.ParserCreate("utf-8", intern={})
    parser.buffer_text = True
    parser.buffer_size = 1 << 16

    def start_cdata() -> None:
        nonlocal in_cdata
        in_cdata = True

    reader.position = lambda: ahead + parser.CurrentByteIndex
    parser.StartElementHandler = reader.open
    parser.EndElementHandler = reader.close
    parser.CharacterDataHandler = reader.text
    parser.StartCdataSectionHandler = start_cdata
    try:
        while at < len(source):
            mark = -1
            if cuts_cdata:
                mark = source.find(b"<![CDATA[", at, at + _CHUNK + len("<![CDATA"))
            stop = at + _CHUNK if mark < 0 else mark + len("<![CDATA[")
            in_cdata = False
            parser.Parse(source[at:stop], False)
            at = stop
            if mark >= 0 and not in_cdata:
                cuts_cdata = (
                    False  # a comment has the mark in it; with a million, expat would crawl
                )
            elif mark >= 0 and (close := source.find(b"]]>", at)) >= 0:
                if source.find(b"<![CDATA[", at, close) >= 0:
                    line = source.count(b"\n", 0, at) + 1
                    raise _NotWellFormed(f"line {line}: a CDATA section that may have no end")
                reader.text(_decoded(source[at:close]))
                ahead += close - at
                at = close
            if len(parser.intern) > _MAX_NAMES:
                raise _NotWellFormed(f"more than {_MAX_NAMES} names of elements")
            while reader.done:
                yield reader.done.popleft()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        line = source.count(b"\n", 0, ahead + parser.ErrorByteIndex) + 1
        raise _NotWellFormed(f"line {line}: {expat.ErrorString(error.code)}") from None
    finally:
        # Reader and parser refer to each other: until a collection the source would stay in memory.
        parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None


def _mended(reader: "_Reader") -> Iterator[Entry]:
    """Read what only looks like XML.

    An entry ends where the next begins, a field where the next field begins. An end tag that was
    never opened, a CDATA section or comment that never ends, and a ``<`` or ``&`` that begins
    nothing count as absent or as text. HTML's named characters are known. Control characters go.
    """
    source, at = reader.source, reader.at
    reader.position = lambda: at
    last_cdata, last_comment = source.rfind(b"]]>"), source.rfind(b"-->")
    while not reader.closed and (mark := _MARK.search(source, at)):
        if reader.field:
            reader.text(_unescaped(source[at : mark.start()]))
        at, end = mark.span()
        if mark["name"]:
            _mended_tag(reader, mark)
        elif mark[0] == b"<![CDATA[":
            close = _cdata_end(reader, end) if end <= last_cdata else -1
            if close >= 0:
                reader.text(_decoded(source[end:close]) if reader.field else "")
                end = close + len("]]>")
        elif mark[0] == b"<!--" and end <= last_comment:
            end = source.index(b"-->", end) + len("-->")
        at = end
        while reader.done:
            yield reader.done.popleft()


def _cdata_end(reader: "_Reader", at: int) -> int:
    """Where the CDATA section that begins at `at` ends; -1 if its end is missing.

    It is missing where the element's end tag and then another section come before it.
    """
    following = reader.source.find(b"<![CDATA[", at)
    if following >= 0 and reader.source.find(b"]]>", at, following) < 0:
        name = reader.stack[-1][0] if reader.stack else ""
        if reader.source.find(f"</{name}".encode(), at, following) >= 0:
            return -1
    return reader.source.index(b"]]>", at)


def _mended_tag(reader: "_Reader", tag: re.Match[bytes]) -> None:
    name = tag["name"].decode()
    if tag["close"]:
        names = [opened for opened, _ in reader.stack]
        if name in names:
            depth = len(names) - names[::-1].index(name)
            while len(reader.stack) >= depth:
                reader.close()
        elif reader.field:
            reader.field.has_markup = True
        return
    key = reader.key(name)
    if key == reader.entry_key:
        while reader.entry_depth or reader.field:
            reader.close()
    elif reader.field and _begins_field(key, reader.field.key):
        reader.close()
    if reader.field:
        reader.field.has_markup = True
    elif len(reader.stack) < _MAX_DEPTH:
        pairs = _ATTRIBUTE.findall(tag["rest"])
        reader.open(name, {_decoded(k): _unescaped(a or b or c) for k, a, b, c in pairs})
        if tag["rest"].endswith(b"/"):
            reader.close()


def _begins_field(key: str, opened: str) -> bool:
    if opened in _PAYLOADS and key in _ALSO_HTML:
        return False
    return key in _FIELDS or key in _CONTAINERS


# ----------------------------------------------------------------------------------- what they feed


class _Found(NamedTuple):
    """A field as found: text with references resolved, or (`is_markup`) its source."""

    text: str
    attributes: dict[str, str]
    is_markup: bool = False


class _Names(dict[str, str]):
    """Names by namespace, whatever the prefix: ``"content:encoded"`` for ``"c:encoded"``.

    The root's own namespace is `core`, so is none at all; an undeclared prefix means what it says.
    """

    def __init__(self, uris: dict[str, str], core: str, core_uri: str | None) -> None:
        super().__init__()
        self.uris, self.core, self.core_uri = uris, core, core_uri

    def __missing__(self, name: str) -> str:
        prefix, _, local = name.rpartition(":")
        uri = self.uris.get(prefix)
        if uri is None:
            prefix = prefix or self.core
        elif uri == self.core_uri:
            prefix = self.core
        else:
            prefix = _NAMESPACES.get(uri, uri)
        key = f"{prefix}:{local}"
        if len(self) < _MAX_NAMES:
            self[name] = key
        return key

    def declare(self, attributes: dict[str, str]) -> "_Names":
        """Return the names as they are where `attributes` hold; the same object if none declares."""
        declared = {
            name[6:]: uri.strip().lower().replace("https:", "http:", 1).rstrip("/#")
            for name, uri in attributes.items()
            if name == "xmlns" or name.startswith("xmlns:")
        }
        if not declared or len(self.uris) + len(declared) > _MAX_PREFIXES:
            return self
        return _Names(self.uris | declared, self.core, self.core_uri)


@dataclass(slots=True)
class _Field:
    """An element whose text is being read; whatever is inside it is markup.

    `at` is the offset of a payload's start tag.
    """

    key: str
    depth: int
    attributes: dict[str, str]
    parts: list[str]
    at: int = 0
    has_markup: bool = False


class _Reader:
    """Builds entries from tags and text, whichever parser tells of them.

    `done` are the entries complete and not yet taken, `at` is the offset of the last one's end tag.
    `stack` are the open elements, each with the names that hold inside; `field` is the open field.
    The parser sets `position`, which tells the offset of the tag that it is at.
    """

    def __init__(self, source: bytes, root: int, kind: Kind) -> None:
        self.source = source
        self.start = self.at = root
        self.core = "atom" if kind == "atom" else "rss"
        self.entry_key = "atom:entry" if kind == "atom" else "rss:item"
        self.title_path = ("atom:feed", "atom:title") if kind == "atom" else _RSS_TITLE_PATH
        self.title: str | None = None
        self.position: Callable[[], int] = lambda: root
        self.done: deque[Entry] = deque()
        self.stack: list[tuple[str, _Names]] = []
        self.field: _Field | None = None
        self.closed = False
        self.entry_depth = 0
        self._found: dict[str, list[_Found]] = {}
        self._stack_at: list[tuple[str, _Names]] = []

    def key(self, name: str) -> str:
        return self.stack[-1][1][name] if self.stack else name

    def open(self, name: str, attributes: dict[str, str]) -> None:
        stack = self.stack
        if len(stack) == _MAX_DEPTH:
            raise _NotWellFormed(f"nested deeper than {_MAX_DEPTH} elements")
        if self.field:
            self.field.has_markup = True
            stack.append(stack[-1])
            return
        if stack:
            names = stack[-1][1].declare(attributes) if attributes else stack[-1][1]
        else:
            names = _Names({}, self.core, None).declare(attributes)
            names.core_uri = names.uris.get(name.rpartition(":")[0])
        stack.append((name, names))
        key = names[name]
        if self.entry_depth:
            if key in _CONTAINERS:
                self._keep(key, _Found("", attributes))
            else:
                at = self.position() if key in _PAYLOADS else 0
                self.field = _Field(key, len(stack), attributes, [], at)
        elif key == self.entry_key:
            self.entry_depth = len(stack)
            for attribute, value in attributes.items():
                if attribute.endswith(":about"):
                    self._keep("rdf:about", _Found(value, {}))
        elif self.title is None and len(stack) > 1:
            parent, parent_names = stack[-2]
            if (parent_names[parent], key) == self.title_path:
                self.field = _Field(key, len(stack), attributes, [])

    def text(self, text: str) -> None:
        if self.field:
            self.field.parts.append(text)

    def close(self, _: str = "") -> None:
        """Note that the innermost element ends."""
        depth = len(self.stack)
        self.stack.pop()
        if self.field:
            if depth == self.field.depth:
                self._close_field(self.field)
        elif depth == self.entry_depth:
            self.done.append(_entry(self._found))
            self._found, self.entry_depth = {}, 0
            self._stack_at = self.stack.copy()
            self.at = self.position()
        self.closed = not self.stack

    def back_to_last_entry(self) -> None:
        """Forget what came behind the last complete entry, to read on from `at`."""
        self.stack = self._stack_at.copy()
        self.field, self._found, self.entry_depth = None, {}, 0

    def _close_field(self, field: _Field) -> None:
        self.field = None
        if not self.entry_depth:
            self.title = _or_none("".join(field.parts))
        elif field.key in _FIELDS:
            markup = None
            if field.has_markup and field.key in _PAYLOADS:
                markup = self._markup(field)
            text = "".join(field.parts) if markup is None else markup
            self._keep(field.key, _Found(text, field.attributes, markup is not None))

    def _markup(self, field: _Field) -> str | None:
        """Return what stands in `field` as it is written, without CDATA marks and XHTML's prefix.

        None if more of its tags are escaped than not: then these are the accident.
        """
        tag = _TAG.match(self.source, field.at)
        inner = self.source[tag.end() if tag else field.at : self.position()]
        if inner.count(b"&lt;") > inner.count(b"<"):
            return None
        prefix = _PREFIX.match(inner) if field.attributes.get("type") == "xhtml" else None
        if prefix:
            inner = inner.replace(b"<" + prefix[1], b"<").replace(b"</" + prefix[1], b"</")
        return _decoded(inner.replace(b"<![CDATA[", b"").replace(b"]]>", b""))

    def _keep(self, key: str, found: _Found) -> None:
        self._found.setdefault(key, []).append(found)


# ------------------------------------------------------------------------------ from fields to entry


def _entry(found: dict[str, list[_Found]]) -> Entry:
    payload_key, payload = _payload(found)
    return Entry(
        link=_link(found),
        guid=_first(found, _GUIDS),
        title=_first(found, _TITLES),
        date=_date(found),
        payload=payload,
        summary=_first(found, tuple(k for k in _SUMMARIES if k != payload_key)),
        authors=_authors(found),
        categories=_categories(found),
        image=_image(found),
        enclosures=_enclosures(found),
    )


def _texts(found: dict[str, list[_Found]], key: str) -> list[str]:
    """The texts of a field, without those that are only whitespace."""
    fields = found.get(key)
    return [text for field in fields if (text := field.text.strip())] if fields else []


def _first(found: dict[str, list[_Found]], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if texts := _texts(found, key):
            return texts[0]
    return None


def _date(found: dict[str, list[_Found]]) -> str | None:
    for key in _DATES:
        for text in _texts(found, key):
            if date := dates.from_rfc822(text) or dates.from_iso(text):
                return date
    return None


def _link(found: dict[str, list[_Found]]) -> str | None:
    """RSS's link, Atom's alternate (best an HTML page), RDF's name of the entry, the permalink."""
    if link := _first(found, ("rss:link",)):
        return link
    alternates = [
        (field.attributes.get("type", "html"), field.attributes.get("href", "").strip())
        for field in found.get("atom:link", ())
        if field.attributes.get("rel", "alternate") == "alternate"
    ]
    alternates.sort(key=lambda alternate: "html" not in alternate[0])
    for _, href in alternates:
        if href:
            return href
    if about := _first(found, ("rdf:about",)):
        return about
    for guid in found.get("rss:guid", ()):
        is_permalink = guid.attributes.get("isPermaLink", "true").strip().lower() == "true"
        if is_permalink and _HTTP.match(guid.text):
            return guid.text.strip()
    return None


def _payload(found: dict[str, list[_Found]]) -> tuple[str | None, str | None]:
    """The field with the longest text, and that text; of two as long the one named first."""
    best: tuple[str | None, str | None] = None, None
    for key in _PAYLOADS:
        for field in found.get(key, ()):
            html = _html(field)
            if html.strip() and len(html) > len(best[1] or ""):
                best = key, html
    return best


def _html(field: _Found) -> str:
    """HTML of a text: what Atom calls plain text is escaped, binary content is none.

    Without a type it is taken for HTML, although Atom means plain text then: few feeds know.
    """
    kind = field.attributes.get("type", "html").strip().lower()
    if field.is_markup or kind.endswith(("html", "xml")):
        return field.text
    return escape(field.text, quote=False) if kind.startswith("text") else ""


def _authors(found: dict[str, list[_Found]]) -> list[str]:
    for key in _AUTHORS:
        if names := _texts(found, key):
            return [_MAIL_AND_NAME.sub(r"\1", name) for name in names]
    return []


def _categories(found: dict[str, list[_Found]]) -> list[str]:
    names = [
        field.text.strip() or field.attributes.get("label") or field.attributes.get("term", "")
        for key in _CATEGORIES
        for field in found.get(key, ())
    ]
    return [name for name in dict.fromkeys(map(str.strip, names)) if name]


def _image(found: dict[str, list[_Found]]) -> str | None:
    for key in _IMAGES:
        for field in found.get(key, ()):
            attributes = field.attributes
            url = (attributes.get("url") or attributes.get("href") or "").strip()
            kind = attributes.get("medium") or attributes.get("type")
            is_picture = key in _ONLY_IMAGES or (
                kind.startswith("image") if kind else _PICTURE.match(url)
            )
            if url and is_picture:
                return url
    return None


def _enclosures(found: dict[str, list[_Found]]) -> list[tuple[str, str | None, int | None]]:
    """RSS's, Atom's, and Media RSS's sound and films; each address once."""
    files = [field.attributes for field in found.get("rss:enclosure", ())]
    files += [
        field.attributes | {"url": field.attributes.get("href", "")}
        for field in found.get("atom:link", ())
        if field.attributes.get("rel") == "enclosure"
    ]
    files += [
        field.attributes
        for field in found.get("media:content", ())
        if (field.attributes.get("medium") or field.attributes.get("type") or "").startswith(
            ("audio", "video")
        )
    ]
    if not files:
        return []
    length = dates.duration(_first(found, ("itunes:duration",)))
    enclosures: dict[str, tuple[str, str | None, int | None]] = {}
    for attributes in files:
        url, kind = attributes.get("url", "").strip(), _or_none(attributes.get("type", ""))
        is_picture = (kind or "").startswith("image")
        seconds = None if is_picture else dates.duration(attributes.get("duration")) or length
        if url:
            enclosures.setdefault(url, (url, kind, seconds))
    return list(enclosures.values())


def _or_none(text: str) -> str | None:
    return text.strip() or None


# -------------------------------------------------------------------------------------- characters


def _decoded(raw: bytes) -> str:
    """Text without the control characters that XML forbids, line ends as XML makes them."""
    text = raw.translate(None, _ILLEGAL).decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _unescaped(raw: bytes) -> str:
    """Text with the references of XML and HTML resolved once; an unknown one stays as it is."""
    return _REFERENCE.sub(_character, _decoded(raw))


def _character(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return html5.get(f"{name};", reference[0])
    code = int(decimal) if decimal else int(hexadecimal, 16)
    is_control = code < 32 and code not in (9, 10, 13)
    if is_control or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return ""
    return chr(code)
