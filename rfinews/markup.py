"""Clean markup (CONTRACT section 4): from what a site serves to what an archive keeps.

Three steps, each a function: `parse` repairs, `settle_links` makes links honest, `render` writes
what is the article's as blocks, once as HTML and once as plain text. `sanitize` is the last word on
any HTML that leaves.

Parser: selectolax' Lexbor. It builds the same tree as a browser (WHATWG), as html5lib does, in a
fortieth of html5lib's time. libxml2 (lxml) tokenises by the same rules since 2.14, so it keeps
``<<台湾旅行法>>`` too, but its tree is its own: ``<h1><p>a</h1>b`` becomes one paragraph ``ab`` and
``text<b>bold<p>para</b>rest`` loses its bold. Sanitiser: nh3 (ammonia), the maintained successor of
bleach; its allow-list is below and nothing else decides what a reader's browser may see.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape, unescape

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

from rfinews.editions import EDITIONS
from rfinews.urls import clean_link, is_author_page, is_share_link

__all__ = [
    "Body",
    "TooDeep",
    "content_hash",
    "decode_references",
    "is_furniture",
    "is_label",
    "mend",
    "parse",
    "plain",
    "render",
    "sanitize",
    "settle_links",
    "visible_text",
    "words",
]

Node = LexborNode


class TooDeep(ValueError):
    """Raised by `parse` and `render` for documents nested so deeply that they would take minutes."""


@dataclass(frozen=True, slots=True)
class Body:
    """The same content twice: allow-listed HTML, and plain text with a blank line between blocks."""

    html: str
    text: str


# ---------------------------------------------------------------------------------------- text

# Zero width space, word joiner, byte order mark, soft hyphen. Joiners (U+200C, U+200D) are letters'
# business in Persian and in emoji sequences: they go only where neither stands beside them.
_SHAPED = "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff"
_JOINED = f"{_SHAPED}\u0900-\u0dff\u1780-\u17ff\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
_INVISIBLE = re.compile(
    f"[\u00ad\u200b\u2060\ufeff]|(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])"
)
# What XML and HTML forbid in text: control characters other than white space, and noncharacters.
_FORBIDDEN_SET = "\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff"
_FORBIDDEN = re.compile(f"[{_FORBIDDEN_SET}]")
_UNWANTED = re.compile(f"[\u00ad\u200b-\u200d\u2060\ufeff{_FORBIDDEN_SET}]")
_WIDE_PUNCTUATION = re.compile(
    "[\u2025\u2026\u3000\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+"
)
_NOT_ALNUM = re.compile(r"[\W_]+")
# Escaped ampersands in front go in one step, else "&amp;amp;amp;…" would take one for each.
_REFERENCE = re.compile(
    r"&(?:(?:amp|#0*38|#[xX]0*26);)*(#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|[a-zA-Z][a-zA-Z0-9]{1,31};)"
)


def plain(text: str) -> str:
    r"""Return `text` on one line: white space (U+3000, U+00A0 too) collapsed, invisible characters gone.

    >>> plain(' 北京\u3000\xa0 时间\u200b\n')
    '北京 时间'
    """
    if _UNWANTED.search(text):
        text = _FORBIDDEN.sub("", _INVISIBLE.sub("", text))
    return " ".join(text.split())


def visible_text(node: Node) -> str:
    """Return the text of `node` on one line. Removes the code and drawings in it."""
    child = node.first_child
    if child is not None and (child.next is not None or child.tag != "-text"):
        for waste in node.css("script, style, svg, template"):
            waste.decompose()
    return plain(node.text())


def decode_references(text: str) -> str:
    """Decode character references until none is left; only those that end in a semicolon count.

    Source: feedx titles are escaped twice (``&amp;#22338;``), and "AT&T" is not a reference.

    >>> decode_references('72&amp;amp;股权 &amp;#22338;')
    '72&股权 坂'
    """
    while "&" in text:
        decoded = _REFERENCE.sub(lambda match: unescape(f"&{match[1]}"), text)
        if decoded == text:
            break
        text = decoded
    return text


def words(text: str) -> str:
    """Reduce `text` to its letters and digits, NFKC and case-folded: what counts as content.

    >>> words('「Ｒ&D」支出 ②％')
    'rd支出2'
    """
    text = _WIDE_PUNCTUATION.sub(" ", text)  # else NFKC has to rewrite any Chinese text
    return _NOT_ALNUM.sub("", unicodedata.normalize("NFKC", text).casefold())


def content_hash(headline: str, description: str | None, body: str) -> str:
    """Return ``v1:`` and the SHA-256 (hex) of the `words` of headline, description and body."""
    reduced = words(headline) + words(description or "") + words(body)
    return "v1:" + hashlib.sha256(reduced.encode()).hexdigest()


# ---------------------------------------------------------------------------------------- parsing

# feedx once joined lines with nothing between, which glues a tag's name to its first attribute.
_GLUED = re.compile(
    r"<(a|div|figure|iframe|img|p|source|span|script|video|audio|button|ul|li|h[1-6])"
    r"(?=(?:alt|class|data-[\w-]+|height|href|id|rel|src|srcset|style|target|title|type|width)=)"
    r"|<(youtube-player|play-media|share-button|share-modal|diaporama)(?=[a-z])"
    r"|<(div)(?=data-(?:wrapper-video-player|root-|selfpromo-))"
)
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
# Elements that need no end tag: void ones, those that the next one ends, those that SVG closes itself.
_FLAT = frozenset(
    """
    area base br circle col dd dt ellipse embed hr img input li line link meta option p param path
    polygon polyline rect source stop tbody td tfoot th thead tr track use wbr
    """.split()
)
# Elements that a parser opens again in each block as long as they are not ended.
_REOPENED = frozenset("a b big code em font i nobr s small strike strong tt u".split())
# Lexbor, like every HTML5 parser, walks up the open elements at each <div>, <p> or <li>: 50,000
# nested ones take seconds. A real page of RFI has some 2,000 tags, 40 deep.
_MANY_TAGS, _DEEPEST, _MOST_REOPENED = 3_000, 500, 500_000


def mend(html: str) -> str:
    """Part the tags that feedx glued to their attributes.

    >>> mend('<divclass="m-block-ad "><imgsrc="a.jpg"><sourcetype="audio/mp3">')
    '<div class="m-block-ad "><img src="a.jpg"><source type="audio/mp3">'
    """
    return _GLUED.sub(r"\g<0> ", html)


def parse(html: str | bytes) -> LexborHTMLParser:
    """Parse a document or a fragment, text or UTF-8, the way browsers do.

    Raises `TooDeep` before the parser sees a document that would keep it busy for minutes.
    """
    # As bytes it counts and parses twice as fast as wide text.
    data = html if isinstance(html, bytes) else html.encode("utf-8", "replace")
    tags = data.count(b"<")
    if tags > _MANY_TAGS or tags - 2 * data.count(b"</") > _DEEPEST:
        _refuse_depth(data.decode("utf-8", "replace"))
    return LexborHTMLParser(data)


def _refuse_depth(html: str) -> None:
    """Raise `TooDeep` if the elements of `html`, as far as can be told unparsed, nest too deeply."""
    opened: list[str] = []
    unended: Counter[str] = Counter()
    reopening = reopened = 0
    for closing, name in _TAG.findall(html.lower()):
        if name in _REOPENED and (not closing or unended[name]):
            change = -1 if closing else 1
            unended[name] += change
            reopening += change
        reopened += reopening
        if len(opened) > _DEEPEST or reopened > _MOST_REOPENED:
            raise TooDeep(f"more than {_DEEPEST} elements deep")
        if name in _FLAT:
            continue
        if not closing:
            opened.append(name)
        elif opened and opened[-1] == name:
            opened.pop()
        elif name in opened:
            start = len(opened) - 1 - opened[::-1].index(name)
            if "table" not in opened[start + 1 :]:  # its end tag alone ends a table
                del opened[start:]


# ---------------------------------------------------------------------------------------- links

_LABELS = frozenset(
    label.casefold()
    for edition in EDITIONS.values()
    for label in (
        *edition.ad_labels,
        *edition.share_labels,
        *edition.byline_labels,
        *edition.more_labels,
        "Array",
    )
)
_SEPARATORS = " \t\n:：៖,，،、/|·•-–—"
_RUN = frozenset("-text a b br em i span strong".split())
_AND = frozenset(("", "et", "and", "和", "y", "e", "und"))


def _bare(text: str) -> str:
    """Return `text` as labels are compared: without the colon or the line around it."""
    return plain(text).strip(_SEPARATORS).casefold()


def is_label(text: str) -> bool:
    """Tell a label of the site's own (advertising, sharing, byline, read more) in any language.

    >>> is_label("Publicité"), is_label("分享 :"), is_label("Publicité mensongère")
    (True, True, False)
    """
    return _bare(text) in _LABELS


def settle_links(root: Node, base_url: str) -> list[str]:
    """Make the links below `root` absolute and honest; remove share and byline blocks.

    Returns the names of the byline blocks, in order (``<span>作者：</span><a href="/cn/作者/罗拉/">``).
    """
    names = []
    kept: set[int] = set()
    for link in root.css("a"):
        if link.parent is None:
            continue  # went with another one's block
        href = link.attributes.get("href") or ""
        if is_share_link(href) and _is_icon(link):
            _remove_with_empty_parents(link, root, kept)
            continue
        if is_author_page(href) and (run := _byline(link)):
            names += [
                plain(n.text() or n.attributes.get("title") or "") for n in run if n.tag == "a"
            ]
            for node in run[1:]:
                node.decompose()
            _remove_with_empty_parents(run[0], root, kept)
            continue
        target = clean_link(href, base_url) if href else None
        if target is None:
            link.unwrap()
        elif target != href:
            link.attrs["href"] = target
    return [name for name in names if name]


def _is_icon(link: Node) -> bool:
    for drawing in link.css("svg"):
        drawing.decompose()
    return not plain(link.text()) and link.css_first("img") is None


def _byline(link: Node) -> list[Node]:
    """Return the run of inline nodes around an author link if it holds nothing but names and labels."""
    first = link
    while (before := first.prev) is not None and before.tag in _RUN:
        first = before
        if not _in_byline(first):
            return []
    run, node = [first], first.next
    while node is not None and node.tag in _RUN:
        if not _in_byline(node):
            return []
        run.append(node)
        node = node.next
    return run


def _in_byline(node: Node) -> bool:
    if node.tag == "a":
        return is_author_page(node.attributes.get("href") or "")
    return _bare(node.text()) in _LABELS | _AND


def _remove_with_empty_parents(node: Node, root: Node, kept: set[int]) -> None:
    """Remove `node`, then each ancestor below `root` that is left with no more than a label.

    `kept` collects the ancestors that hold more, so that none is read twice.
    """
    kept.add(root.mem_id)
    while (parent := node.parent) is not None:
        node.decompose()
        if parent.mem_id in kept:
            break
        if parent.css_first("img") or _bare(parent.text()) not in _LABELS | {""}:
            kept.add(parent.mem_id)
            break
        node = parent


# ---------------------------------------------------------------------------------------- blocks

# Never the article's: code, controls, players (their media are collected before), share widgets,
# and what browsers show only if they cannot do better.
_DROPPED = frozenset(
    """
    audio button diaporama embed iframe input noembed noframes noscript play-media script select
    share-button share-modal style svg template title video video-player youtube-player
    """.split()
)
# Those of them that hold no paragraph of their own, but the article's where an end tag is lost.
_UNENDED = frozenset(
    """
    audio button diaporama noscript play-media select share-button share-modal video video-player
    youtube-player
    """.split()
)
# The site's own furniture, by class names and attributes that outlived four redesigns.
_FURNITURE = frozenset(
    """
    a-em-title a-loader-error a-read-more a-reading-time a-share-bar-label m-author-n-reading-time
    m-block-ad m-block-ad__content m-block-ad__label m-em-audio m-em-flash m-em-quote m-em-video
    m-feed-sub m-from-author m-interstitial m-item-list-article m-pub-dates m-share-bar
    o-layout-list o-self-promo t-content__authors t-content__authors-tts t-content__chapo
    t-content__dates t-content__main-media t-content__section t-content__shares t-content__tags
    t-content__title data-root-share data-selfpromo-app data-selfpromo-newsletter data-wrapper-video-player
    """.split()
)
# Furniture that a lost </div> can make swallow the article: if it holds blocks, only its own goes.
_SWALLOWS = frozenset(("m-block-ad", "m-interstitial"))
_BLOCKS_INSIDE = "p, h1, h2, h3, li, blockquote, table"
_LEAVES = {
    "p": "p", "h1": "h2", "h2": "h2", "h3": "h3", "h4": "h4", "h5": "h4", "h6": "h4", "li": "li",
    "td": "td", "th": "th", "dt": "p", "dd": "p", "pre": "p", "address": "p", "summary": "p",
    "caption": "p", "legend": "p",
}  # fmt: skip
_CONTAINERS = frozenset("blockquote figure li ol table tbody td th thead tr ul".split())
# Elements that a browser starts on a line of their own; all others, unknown ones too, are inline.
_BLOCK_LEVEL = frozenset(
    """
    address article aside blockquote body center details dialog dir div dl fieldset figure footer
    form header hgroup html listing main menu nav ol plaintext search section table tbody td tfoot
    th thead tr ul xmp
    """.split()
).union(_LEAVES)
_KEPT_INLINE = frozenset("a b em i strong sub sup u".split())
_BARE_IN = frozenset(
    ("<li>", "<td>", "<th>")
)  # inline content needs no paragraph right behind these
# Anything but a few plain inline elements, without the site's own classes (a-…, m-…), asks for a look
# at every node; the rest can be taken as it is.
_CLOSER_LOOK = re.compile(
    r"<(?!/?(?:a|b|em|i|span|strong|sub|sup|u)"
    r'(?: (?!class="[^"]*\b[amot]-)[a-z:-]+="[^"<>]*")*>)'
)
_MANY_INLINE = 200
_SPAN = re.compile(r"</?span(?: [^<>]*)?>")
_EMPTY_INLINE = re.compile(r"<(a|b|em|i|strong|sub|sup|u)(?: [^<>]*)?>(\s*)</\1>")


def render(nodes: Iterable[Node]) -> Body:
    r"""Write `nodes` (siblings, pruned) as blocks. Raises `TooDeep`.

    >>> body = render([parse('<div>Loose <b>text</b><h1>Head</h1><p>a<br>b<ul><li>one').body])
    >>> body.html
    '<p>Loose <b>text</b></p><h2>Head</h2><p>a<br>b</p><ul><li>one</li></ul>'
    >>> body.text
    'Loose text\n\nHead\n\na b\n\none'
    """
    writer = _Writer()
    for node in nodes:
        writer.walk(node)
    writer.flush()
    return Body("".join(writer.html), "\n\n".join(writer.blocks))


def is_furniture(node: Node) -> bool:
    """Tell the site's own furniture by its classes and attributes."""
    attributes = node.attributes
    if not attributes:
        return False
    names = {*attributes, *(attributes.get("class") or "").split()} & _FURNITURE
    return bool(names) and (not names & _SWALLOWS or node.css_first(_BLOCKS_INSIDE) is None)


def _is_simple(markup: str) -> bool:
    return markup.count("<") < _MANY_INLINE and _CLOSER_LOOK.search(markup) is None


def _put_captions_first(table: Node) -> None:
    rows = None
    for child in list(table.iter()):
        if child.tag != "caption":
            rows = rows or child
        elif rows is not None:
            rows.insert_before(child, move=True)


def _has_swallowed(node: Node) -> bool:
    """Tell an element that lacks its end tag, or holds one that does: it took in all that follows."""
    return node.next is None and node.css_first(_BLOCKS_INSIDE) is not None


class _Writer:
    """Collects blocks. Inline content gathers in a buffer until a block begins or ends (`flush`)."""

    def __init__(self) -> None:
        self.html: list[str] = []
        self.blocks: list[str] = []
        self.buffer: list[str] = []  # inline markup, and beside it
        self.text: list[str] = []  # its text
        # Inline elements open now: their start tags, "" for those that leave no trace.
        self.formats: list[str] = []
        # What inline content belongs to: a leaf's element, "" inside an open li or td, and "div"
        # where it stands loose, which makes it a paragraph.
        self.wraps = ["div"]
        self.marks: list[tuple[int, int]] = []  # where in html and blocks the open containers began

    def walk(self, top: Node) -> None:
        node, depth = top, 0
        while True:
            if self.enter(node) and (child := node.first_child) is not None:
                node, depth = child, depth + 1
                if depth > _DEEPEST:
                    raise TooDeep(f"more than {_DEEPEST} elements deep")
                continue
            while True:
                if depth == 0:
                    return
                if (sibling := node.next) is not None:
                    node = sibling
                    break
                parent = node.parent
                assert parent is not None
                node, depth = parent, depth - 1
                self.leave(node)

    def enter(self, node: Node) -> bool:
        """Write `node` at once if it is simple (False), else open it (True: it has children)."""
        tag = node.tag or "-"
        if tag == "-text":
            content = node.text_content or ""
            if self.buffer or not content.isspace():
                self.inline(escape(content, quote=False), content)
        elif tag in _LEAVES:
            return self.enter_leaf(node, tag)
        elif tag == "br":
            self.line_break()
        elif tag == "img":
            self.image(node)
        elif tag == "hr":
            self.flush()
            self.html.append("<hr>")
        elif tag == "figcaption":
            self.caption(node)
        elif tag == "math":  # what looks like HTML in there is not
            formula = visible_text(node)
            self.inline(escape(formula, quote=False), formula)
        elif tag in _BLOCK_LEVEL:
            if self.buffer:
                self.flush()
            if node.first_child is None or is_furniture(node):
                return False
            if tag == "table":
                _put_captions_first(node)
            if tag in _CONTAINERS:
                self.open(tag)
            self.wraps.append("div")
            return True
        elif tag[0] == "-" or node.first_child is None:
            pass
        elif tag not in _DROPPED or (tag in _UNENDED and _has_swallowed(node)):
            return self.enter_inline(node, tag)
        return False

    def enter_leaf(self, node: Node, tag: str) -> bool:
        if self.buffer:
            self.flush()
        if node.attributes and is_furniture(node):
            return False
        wrap, before = _LEAVES[tag], len(self.html)
        if wrap == "li" and self.marks and self.html[self.marks[-1][0]] == "<li>":
            wrap = "p"  # an item right inside another one, as broken markup has it
        inner = node.inner_html or ""
        if "<" not in inner and not self.formats:
            if inner := plain(inner.replace("&nbsp;", " ")):
                self.html.append(f"<{wrap}>{inner}</{wrap}>")
                self.blocks.append(unescape(inner) if "&" in inner else inner)
        elif _is_simple(inner) and not any(self.formats):
            self.wraps.append(wrap)
            self.buffer.append(inner)
            self.text.append(node.text())
            self.flush()
            self.wraps.pop()
        elif node.first_child is not None:
            if wrap in _CONTAINERS:
                self.open(wrap)
                wrap = ""
            self.wraps.append(wrap)
            return True
        if wrap in ("td", "th") and len(self.html) == before:
            self.html.append(f"<{wrap}></{wrap}>")
        if tag == "caption":
            self.begin_table_again()
        return False

    def enter_inline(self, node: Node, tag: str) -> bool:
        if not self.formats:  # inside one that had to be opened, all are: none is looked at twice
            markup = node.html or ""
            if _is_simple(markup):
                self.inline(markup, node.text())
                return False
        if is_furniture(node):
            return False
        start = ""
        if tag in _KEPT_INLINE and not any(f[1:-1].split(" ")[0] == tag for f in self.formats):
            href = node.attributes.get("href") if tag == "a" else None
            start = f'<a href="{escape(href)}">' if href else f"<{tag}>"
            self.buffer.append(start)
        self.formats.append(start)
        return True

    def leave(self, node: Node) -> None:
        tag = node.tag or "-"
        if tag in _BLOCK_LEVEL:
            if self.buffer:
                self.flush()
            if self.wraps.pop() != "p" and tag in _CONTAINERS:
                self.close(tag)
            if tag == "caption":
                self.begin_table_again()
        elif start := self.formats.pop():
            if self.buffer[-1] == start:
                self.buffer.pop()
            elif self.buffer[-2:] == [start, " "]:
                del self.buffer[-2]
            else:
                self.buffer.append(f"</{tag}>")

    def open(self, tag: str) -> None:
        self.marks.append((len(self.html), len(self.blocks)))
        self.html.append(f"<{tag}>")

    def close(self, tag: str) -> None:
        start, block = self.marks.pop()
        if len(self.html) == start + 1 and tag not in ("td", "th"):
            self.html.pop()  # it held nothing
            return
        self.html.append(f"</{tag}>")
        if tag == "tr" and len(self.blocks) > block:
            self.blocks[block:] = [" ".join(self.blocks[block:])]

    def begin_table_again(self) -> None:
        """Put the table's start tag behind its caption, which stays a paragraph before it."""
        start, block = self.marks.pop()
        self.html.append(self.html.pop(start))
        self.marks.append((len(self.html) - 1, block))

    def inline(self, markup: str, text: str) -> None:
        if plain(text):
            self.buffer.append(markup)
            self.text.append(text)
        elif any(map(str.isspace, text)) and self.buffer[-1:] != [" "]:
            self.buffer.append(" ")
            self.text.append(" ")

    def line_break(self) -> None:
        last = next((part for part in reversed(self.buffer[-2:]) if part != " "), None)
        if last == "<br>" and self.wraps[-1] and not any(self.formats):
            self.flush()  # two in a row part paragraphs
        else:
            self.buffer.append("<br>")
            self.text.append(" ")

    def image(self, node: Node) -> None:
        attributes = node.attributes
        source = attributes.get("src") or ""
        if not source.startswith(("https://", "http://")):
            return
        parts = [f'<img src="{escape(source)}"']
        for name in ("alt", "width", "height"):
            value = plain(attributes.get(name) or "")
            if value and (name == "alt" or value.isdecimal()):
                parts.append(f' {name}="{escape(value)}"')
        self.buffer.append("".join(parts) + ">")

    def caption(self, node: Node) -> None:
        self.flush()
        children = node.iter(include_text=True)
        parts = [visible_text(child) for child in children if child.tag not in _DROPPED]
        if text := " ".join(filter(None, parts)):
            self.html.append(f"<figcaption>{escape(text, quote=False)}</figcaption>")

    def flush(self) -> None:
        wrap = self.wraps[-1]
        formats = [start for start in self.formats if start]
        text = plain("".join(self.text))
        ends = [f"</{start[1:-1].split(' ')[0]}>" for start in reversed(formats)]
        inner = "".join(self.buffer + ends)
        self.buffer = formats
        self.text = []
        picture = "<img " in inner
        if not (text or picture):
            return
        if wrap == "div":
            if _bare(text) in _LABELS and not picture:
                return
            wrap = "" if self.html and self.html[-1] == "<figure>" and not text else "p"
        elif not wrap and self.html[-1] not in _BARE_IN:
            wrap = "p"
        inner = _tidy(inner)
        self.html.append(f"<{wrap}>{inner}</{wrap}>" if wrap else inner)
        if text:
            self.blocks.append(text)


def _tidy(inner: str) -> str:
    """Return inline markup without spans, empty elements, blanks and line breaks at its edges."""
    if "<span" in inner:
        inner = _SPAN.sub("", inner)
    inner = plain(inner.replace("&nbsp;", " "))
    if "></" in inner or "> </" in inner:
        while (shorter := _EMPTY_INLINE.sub(r"\2", inner)) != inner:
            inner = shorter
        inner = plain(inner)
    if "<br>" not in inner:
        return inner
    start, end = 0, len(inner)
    while inner.startswith("<br>", start):
        start += 5 if inner.startswith(" ", start + 4) else 4
    while inner.endswith("<br>", start, end):
        end -= 5 if inner.endswith(" ", start, end - 4) else 4
    return inner[start:end]


# ---------------------------------------------------------------------------------------- sanitising

ALLOWED = frozenset(
    """
    p h2 h3 h4 ul ol li blockquote strong em b i u sub sup br hr a figure figcaption img
    table thead tbody tr th td
    """.split()
)
_CLEANER = nh3.Cleaner(
    tags=set(ALLOWED),
    # "*": without it nh3 lets title and lang pass on any element
    attributes={"*": set(), "a": {"href"}, "img": {"src", "alt", "width", "height"}},
    clean_content_tags={"script", "style", "template", "svg", "math", "noscript", "iframe"},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=None,
)


def sanitize(html: str) -> str:
    """Return `html` with nothing but the elements and attributes of CONTRACT section 4.

    >>> sanitize('<p onclick="x">a<script>b</script> <a href="javascript:c">d</a></p>')
    '<p>a <a>d</a></p>'
    """
    try:
        return _CLEANER.clean(html)
    except UnicodeEncodeError:  # half of a surrogate pair
        return _CLEANER.clean(_FORBIDDEN.sub("", html))
