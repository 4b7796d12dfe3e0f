"""RFI's article pages: JSON-LD, meta elements and selectors, each the others' fallback.

Selectors are named here, so that a redesign is one place to touch; `_SOURCES` says which source of a
field is asked first. A body that no selector finds comes from `rfinews.parsers.fallback`.
"""

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from rfinews import dates
from rfinews.editions import EDITIONS
from rfinews.items import Alternate, Article, Image, Media, NotRfi, article_at
from rfinews.markup import (
    decode_references,
    is_furniture,
    is_label,
    parse,
    plain,
    render,
    settle_links,
    words,
)
from rfinews.parsers import fallback, media
from rfinews.parsers.feedx import take_copyright
from rfinews.parsers.headline import split_title
from rfinews.parsers.people import people
from rfinews.urls import canonical_url, edition_of, is_article_url

ARTICLE = "article[data-article-content]"
ANY_ARTICLE = "article:has(h1)"  # not the teasers of sections and search pages
TITLE = "h1.t-content__title"
CHAPO = ".t-content__chapo"
DATES = ".t-content__dates time"
AUTHORS = ".m-from-author__name"
OLDER_AUTHORS = ".t-content__authors a"
BODY = ".t-content__body"
TAGS = ".t-content__tags a"
BLOCKS = "h1, h2, h3, p, li"
JSON_LD = 'script[type^="application/ld+json" i]'
DATALAYER = "script#datalayer"
# What stray </div>s push out of the article and behind it, beside embedded media (EMBEDDED).
PUSHED_OUT = frozenset("p h2 h3 h4 ul ol blockquote figure table".split())
EMBEDDED = "m-em-"
# Ends of schema.org's types: of what can be an article's page, and of what lists or presents others.
_ARTICLE_TYPES = ("Article", "BlogPosting", "Report", "Episode", "Gallery")
_LIST_TYPES = ("CollectionPage", "ItemList", "ProfilePage", "SearchResultsPage", "Series")
_MEDIA_TYPES = ("AudioObject", "VideoObject")
_WRAPPING = re.compile(r"(?:\s|\ufeff|<!--|<!\[CDATA\[|//|/\*|\*/|[,;])*")
_COMMAS = re.compile("[,，،]")
_SHOWN = re.compile(r".{0,40}\d{2}/\d{2}/\d{4}\s*-\s*\d{2}:\d{2}.{0,10}")
_DECODER = json.JSONDecoder(strict=False)
_MISSING = tuple({words(text) for edition in EDITIONS.values() for text in edition.missing})
_CODES = ("404", "error404", "erreur404")


class NotAnArticle(ValueError):
    """Raised by `read_page`: the page holds no article (soft error, section page, empty answer)."""


class _Head:
    """What the page says of itself outside its article."""

    canonical: str | None = None

    def __init__(self, tree: LexborHTMLParser, url: str) -> None:
        self.tree, self.url = tree, url
        self.parts: list[LexborNode] = []
        self.alternates: list[tuple[str, str]] = []
        self.candidates: list[dict[str, Any]] = []  # JSON-LD objects of articles
        self.media: list[dict[str, Any]] = []  # and of audios and videos on their own
        self.lists = False  # whether there is one of a list or of a page that presents others
        for part in (tree.head, tree.body):
            if part is None:
                continue
            self.parts.append(part)
            self._read_links(part)
            self._read_json_ld(part)
            if self.canonical and self.candidates:
                break  # else a pixel in a noscript has ended the head early: nothing runs scripts
        self.data = self._article_data()

    def _read_links(self, part: LexborNode) -> None:
        for node in part.css("link[rel=canonical][href], link[hreflang][href]"):
            attributes = node.attributes
            href = attributes["href"] or ""
            if language := attributes.get("hreflang"):
                self.alternates.append((language, href))
            else:
                self.canonical = self.canonical or href

    def _read_json_ld(self, part: LexborNode) -> None:
        for node in part.css(JSON_LD):
            for candidate in _objects(node.text()):
                if _is_a(candidate, _ARTICLE_TYPES):
                    self.candidates.append(candidate)
                elif _is_a(candidate, _MEDIA_TYPES):
                    self.media.append(candidate)
                elif _is_a(candidate, _LIST_TYPES):
                    self.lists = True

    def _article_data(self) -> dict[str, Any]:
        """Return the page's article, completed by others of its headline or without one.

        Where there are several, the page's is the one that names its address, else the first.
        """
        candidates = self.candidates
        if len(candidates) > 1:
            candidates = sorted(candidates, key=self._is_another)
        data: dict[str, Any] = {}
        for candidate in candidates:
            headline = data.get("headline")
            if headline is None or candidate.get("headline", headline) == headline:
                data = {**candidate, **data}
        return data

    def _is_another(self, candidate: dict[str, Any]) -> bool:
        page = candidate.get("mainEntityOfPage")
        page = page.get("@id") if isinstance(page, dict) else page
        pages = {canonical_url(_absolute(a, self.url)) for a in (self.canonical, self.url)}
        named = (candidate.get("url"), page)
        return not any(isinstance(a, str) and canonical_url(a) in pages for a in named)

    @cached_property
    def meta(self) -> dict[str, list[str]]:
        """Each meta element's name with its values, in page order; read when first asked for."""
        found: dict[str, list[str]] = {}
        for part in self.parts:
            for node in part.css("meta[content]"):
                attributes = node.attributes
                name = attributes.get("property") or attributes.get("name")
                content = plain(decode_references(attributes["content"] or ""))
                if name and content:
                    found.setdefault(name.lower(), []).append(content)
        return found

    def first(self, *names: str) -> str | None:
        values = (value for name in names for value in self.meta.get(name, ()))
        return next(values, None)

    @property
    def is_article(self) -> bool:
        """Whether the page calls itself an article: by JSON-LD, or by its type and a date."""
        if self.data:
            return True
        published = _date(self.first("article:published_time"))
        return published is not None and self.first("og:type") == "article"

    @property
    def is_soft_error(self) -> bool:
        """Whether RFI's own data say that the page is an error, sent with status 200."""
        found = self.tree.css_first(DATALAYER)
        datalayer = next(_objects(found.text()), {}) if found is not None else {}
        return str(datalayer.get("http_code", 200)) != "200"


class _Page:
    """A page while it is read."""

    def __init__(self, head: _Head, root: LexborNode | None, article: Article) -> None:
        self.head, self.root, self.article = head, root, article
        self.body = root.css_first(BODY) if root is not None else None
        self.is_rfis = root is not None and "data-article-content" in root.attributes
        self.chapo = self.text(CHAPO)
        self.names = self.texts(AUTHORS)  # in the article's byline
        self.byline: list[str] = []  # and in one that its body begins or ends with
        self.hits: list[str] = []  # each field with its source

    def pick(self, name: str) -> Any:
        """Return a field from the first of its sources that has it, and note which."""
        for source, read in _SOURCES[name]:
            if value := read(self):
                self.hits.append(f"{name}:{source}")
                return value
        self.hits.append(f"{name}:none")
        return None

    def text(self, selector: str) -> str | None:
        return media.text_of(self.root.css_first(selector)) if self.root is not None else None

    def texts(self, selector: str) -> list[str | None]:
        return [media.text_of(node) for node in self._nodes(selector)]

    def time(self, number: int) -> str | None:
        """Return the first date shown (published) or the second (modified)."""
        for node in self._nodes(DATES)[number : number + 1]:
            return _date(node.attributes.get("datetime")) or dates.from_paris(node.text())
        return None

    def _nodes(self, selector: str) -> list[LexborNode]:
        return self.root.css(selector) if self.root is not None else []


_SOURCES: dict[str, tuple[tuple[str, Callable[[_Page], Any]], ...]] = {
    "headline": (
        (TITLE, lambda page: page.text(TITLE)),
        ("h1", lambda page: page.text("article h1")),
        ("json-ld", lambda page: _data_text(page, "headline", "name")),
        ("og:title", lambda page: page.head.first("og:title")),
        ("title", lambda page: media.text_of(page.head.tree.css_first("title"))),
    ),
    "description": (
        (CHAPO, lambda page: page.chapo),
        ("head", lambda page: _unless_repeated(page, _summary(page))),
    ),
    "date_published": (
        ("json-ld", lambda page: _date(page.head.data.get("datePublished"))),
        ("meta", lambda page: _date(page.head.first("article:published_time"))),
        (DATES, lambda page: page.time(0)),
    ),
    "date_modified": (
        ("json-ld", lambda page: _date(page.head.data.get("dateModified"))),
        ("meta", lambda page: _date(page.head.first("article:modified_time"))),
        (DATES, lambda page: page.time(1)),
    ),
    "authors": (
        (AUTHORS, lambda page: people(page.names)),
        (OLDER_AUTHORS, lambda page: people(page.texts(OLDER_AUTHORS))),
        ("json-ld", lambda page: people(_person_names(page.head.data.get("author")))),
        ("byline", lambda page: people(page.byline)),
    ),
    "keywords": (
        (TAGS, lambda page: _names(page.texts(TAGS))),
        ("article:tag", lambda page: _names(page.head.meta.get("article:tag", ()))),
        ("json-ld", lambda page: _names(_keywords(page.head.data.get("keywords")))),
        ("meta", lambda page: _names(_keywords(page.head.first("keywords")))),
    ),
    "images": (
        ("article", lambda page: page.article.images),
        ("head", lambda page: list(_linked_images(page))),
    ),
}


def read_page(html: str | bytes, url: str, hits: Counter[str] | None = None) -> Article:
    """Read the article at `url`, the page's final address, from its text or its UTF-8.

    `hits` counts which source gave each field of an article: ``headline:h1.t-content__title``,
    ``body:trafilatura``, ``authors:none``. Raises `NotAnArticle`, `rfinews.items.NotRfi` and `rfinews.markup.TooDeep`.
    """
    tree = parse(html)
    head = _Head(tree, url)
    root = _article_element(head)
    if root is None and (head.lists or not head.is_article):
        raise NotAnArticle("no article on the page")
    article = _identify(head, url)
    page = _Page(head, root, article)
    article.headline, article.column = split_title(
        page.pick("headline") or "", article.canonical_url
    )
    article.date_published = page.pick("date_published")
    article.date_modified = page.pick("date_modified")
    if not (head.data or article.date_published) and _is_another_page(head, article.headline):
        raise NotAnArticle("a list, or an error that was sent as a page")
    article.keywords = page.pick("keywords") or []
    article.alternates = list(_alternates(head, article))
    _read_content(page, html)
    article.description = page.pick("description")
    article.authors = page.pick("authors") or []
    article.images = page.pick("images") or []
    if not article.headline:
        raise NotAnArticle("the article on the page has no headline")
    if not (article.has_content or head.data):
        raise NotAnArticle("the article on the page is empty")
    if hits is not None:
        hits.update(page.hits)
    return article


def _article_element(head: _Head) -> LexborNode | None:
    """Return what holds the article: RFI's own element, what is around a body, any with a title."""
    page = head.tree.body
    if page is None:
        return None
    if (root := page.css_first(ARTICLE)) is not None:
        return root
    if (body := page.css_first(BODY)) is not None:
        box = body.parent
        return body if box is None or box.tag in ("main", "body") else box
    return page.css_first(ANY_ARTICLE) if head.is_article and not head.lists else None


def _is_another_page(head: _Head, headline: str) -> bool:
    """Whether a page without a date is a list of articles, or an error sent with status 200."""
    said = words(headline)
    if said.startswith(_CODES) or any(text in said for text in _MISSING):
        return True
    return head.lists or head.is_soft_error


def _read_content(page: _Page, html: str | bytes) -> None:
    """Fill in media, copyright and body."""
    article, root = page.article, page.root
    if root is not None:
        _bring_back(root)
        article.images, article.audios, article.videos = media.collect(root, article.canonical_url)
        article.copyright_notice = take_copyright(root)
    # RFI's own element may hold nothing but media; then no body is looked for elsewhere
    is_media = page.is_rfis and bool(article.audios or article.videos or article.images[1:])
    article.audios = _joined(page, "audios", article.audios, _linked_audios(page))
    article.videos = _joined(page, "videos", article.videos, _linked_videos(page))
    source = _read_body(page)
    if source is None and not (source := _read_json_ld_body(page)) and not is_media:
        source = _read_guessed_body(page, html)
    page.hits.append(f"body:{source or 'none'}")


def _read_body(page: _Page) -> str | None:
    """Fill in the body from where RFI has it; return which element that is, None if it is empty."""
    source = None
    if page.body is not None and page.root is not None:
        if _write(page, _content_nodes(page.root, page.body)):
            source = BODY
    elif page.is_rfis and _write_rest(page):
        source = "article"
    if "liveBlogUpdate" in page.head.data:
        posts = fallback.posts(page.head.data, page.article.article_body)
        if _write_html(page, posts) and source is None:
            source = "json-ld"
    return source


def _read_json_ld_body(page: _Page) -> str | None:
    if not _write_html(page, fallback.said(page.head.data)):
        return None
    page.article.note = "body from JSON-LD: selectors found none"
    return "json-ld"


def _read_guessed_body(page: _Page, html: str | bytes) -> str | None:
    """Fill in what trafilatura finds, else what the article's element holds."""
    if page.body is not None:
        return None  # known to be empty
    if _write_html(page, fallback.guessed(html)):
        page.article.note = "body by trafilatura: selectors found none"
        return "trafilatura"
    return "article" if page.root is not None and _write_rest(page) else None


def _write(page: _Page, nodes: Iterable[LexborNode]) -> bool:
    """Add `nodes` to the body and the names of their bylines to the page's; return if there was any."""
    article = page.article
    nodes = [node for node in nodes if not is_furniture(node)]
    page.byline += [name for node in nodes for name in settle_links(node, article.canonical_url)]
    content = render(nodes)
    article.article_body = "\n\n".join(filter(None, (article.article_body, content.text)))
    article.article_body_html += content.html
    return bool(content.html)


def _write_html(page: _Page, html: str) -> bool:
    """Add the body that stands in `html`, made by `fallback`, without what is the page's elsewhere."""
    body = parse(f"<body>{html}").body if html else None
    if body is None:
        return False
    notice = take_copyright(body)
    page.article.copyright_notice = page.article.copyright_notice or notice
    _drop_repeated(page, body)
    return _write(page, [body])


def _write_rest(page: _Page) -> bool:
    """Add what the article's element holds beside the parts that are known."""
    if page.root is None:
        return False
    _drop_repeated(page, page.root)
    return _write(page, [page.root])


def _drop_repeated(page: _Page, top: LexborNode) -> None:
    """Remove what is no body below `top`: labels, the date shown, what other fields hold.

    A body does not begin before its headline; a standfirst without its class is the first block of
    its text, another one repeats it.
    """
    article, head = page.article, page.head
    names = {*page.names, *_names(_person_names(head.data.get("author")))}
    known = [head.first("og:title"), *names]
    known += [text for image in article.images for text in (image.caption, image.credit)]
    headline, repeated = words(article.headline), {*names, *(words(text) for text in known if text)}
    standfirst = "" if page.chapo else words(_summary(page) or "")
    waste: list[LexborNode] = []
    blocks = top.css(BLOCKS)
    for number, block in enumerate(blocks):
        text = plain(block.text())
        reduced = words(text)
        if reduced == headline:
            waste = blocks[: number + 1] if block.tag == "h1" else [*waste, block]
        elif standfirst and reduced == standfirst:
            standfirst = ""
            waste.append(block)
        elif is_label(text) or _SHOWN.fullmatch(text) or {reduced, *people([text])} & repeated:
            waste.append(block)
    for block in reversed(waste):
        block.decompose()


def _bring_back(root: LexborNode) -> None:
    """Move what stray ``</div>``s pushed out of the article's element back to its end."""
    outer: LexborNode | None = root
    while outer is not None and outer.tag not in ("main", "body"):
        node = outer.next
        while node is not None:
            following = node.next
            if _is_pushed_out(node):
                root.insert_child(node, move=True)
            node = following
        outer = outer.parent


def _is_pushed_out(node: LexborNode) -> bool:
    if node.tag == "-text":
        return bool(plain(node.text_content or ""))
    return node.tag in PUSHED_OUT or (node.attributes.get("class") or "").startswith(EMBEDDED)


def _content_nodes(root: LexborNode, body: LexborNode) -> Iterator[LexborNode]:
    """Yield the body and what a lost or stray tag left behind it, in page order."""
    yield body
    if body.mem_id == root.mem_id:
        return
    following = body.next
    while following is not None:
        yield following
        following = following.next
    outer = body.parent
    while outer is not None and outer.mem_id != root.mem_id:
        following = outer.next
        while following is not None:
            if _is_pushed_out(following):
                yield following
            following = following.next
        outer = outer.parent


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-LD script, also those in arrays and in ``@graph``.

    Comments and CDATA around the JSON, and text behind it, are ignored.
    """
    pending: deque[Any] = deque()
    start = _json_start(text, 0)
    try:
        while start < len(text):
            value, end = _DECODER.raw_decode(text, start)
            pending.append(value)
            start = _json_start(text, end)
    except (ValueError, RecursionError):
        pass
    while pending:
        value = pending.popleft()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            yield value
            pending += _list(value.get("@graph"))


def _json_start(text: str, at: int) -> int:
    found = _WRAPPING.match(text, at)
    return found.end() if found else at


def _is_a(candidate: dict[str, Any], types: tuple[str, ...]) -> bool:
    return any(str(kind).endswith(types) for kind in _list(candidate.get("@type")))


def _data_text(page: _Page, *names: str) -> str | None:
    """Return the first of these properties of the page's JSON-LD that is a text."""
    return next(filter(None, (_text(page.head.data.get(name)) for name in names)), None)


def _identify(head: _Head, url: str) -> Article:
    article = _named(head.canonical, url) or _named(head.first("og:url"), url) or article_at(url)
    article.url = url
    article.source = "rfi"
    return article


def _named(address: str | None, url: str) -> Article | None:
    """Return the article at an address that the page names, None if it is not one of RFI's."""
    try:
        return article_at(_absolute(address, url))
    except NotRfi:
        return None


def _absolute(address: str | None, base_url: str) -> str:
    try:
        return urljoin(base_url, address or "") if address else ""
    except ValueError:
        return ""


def _text(value: object) -> str | None:
    return (plain(decode_references(value)) or None) if isinstance(value, str) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _date(value: object) -> str | None:
    return dates.from_iso(value) if isinstance(value, str) else None


def _names(values: Iterable[object]) -> list[str]:
    """Return the texts among `values`, in order, each once."""
    return list(dict.fromkeys(filter(None, map(_text, values))))


def _person_names(value: object) -> list[object]:
    named = [each.get("name") if isinstance(each, dict) else each for each in _list(value)]
    return [name for names in named for name in _list(names)]


def _keywords(value: object) -> list[object]:
    return list(_COMMAS.split(value)) if isinstance(value, str) else _list(value)


def _alternates(head: _Head, article: Article) -> Iterator[Alternate]:
    """Yield the translations that the page names: articles in other editions, each once."""
    seen = {article.canonical_url}
    for language, href in head.alternates:
        address = canonical_url(_absolute(href, article.url))
        if language.lower() == "x-default" or address in seen or not is_article_url(address):
            continue
        seen.add(address)
        edition = edition_of(address)
        if edition is not None and edition.code != article.edition:
            yield Alternate(edition.language, address)


def _summary(page: _Page) -> str | None:
    return _data_text(page, "description") or page.head.first("description", "og:description")


def _unless_repeated(page: _Page, summary: str | None) -> str | None:
    """Return the page's own description, unless it is the beginning of the body."""
    start = words(summary.rstrip(" .…")) if summary else ""
    return summary if start and not words(page.article.article_body).startswith(start) else None


def _linked_images(page: _Page) -> Iterator[Image]:
    """Yield the pictures that JSON-LD and og:image name.

    Where the article has a video and no picture, that is the video's poster.
    """
    if page.is_rfis and page.article.videos:
        return
    seen = set()
    data = page.head.data
    found = [*_list(data.get("image")), *_parts(data, "ImageObject")]
    for value in found + page.head.meta.get("og:image", []):
        details = value if isinstance(value, dict) else {"url": value}
        base = page.article.canonical_url
        url = media.address(details.get("url") or details.get("contentUrl"), base)
        if url is not None and media.asset(url) not in seen:
            seen.add(media.asset(url))
            credit = _text(details.get("creditText")) or _text(details.get("copyrightNotice"))
            width, height = (media.pixels(details.get(side)) for side in ("width", "height"))
            yield Image(url, _text(details.get("caption")), credit, width, height)


def _linked_audios(page: _Page) -> Iterator[Media]:
    """Yield the audios of JSON-LD: the article's and those that stand on their own."""
    data = page.head.data
    own = [each for each in page.head.media if _is_a(each, ("AudioObject",))]
    for value in [*_list(data.get("audio")), *_parts(data, "AudioObject"), *own]:
        details = value if isinstance(value, dict) else {"contentUrl": value}
        if url := media.address(details.get("contentUrl"), page.article.canonical_url):
            yield Media(url, _text(details.get("name")), _seconds(details.get("duration")))


def _linked_videos(page: _Page) -> Iterator[Media]:
    """Yield the videos of JSON-LD, of each its player's address, else its file's."""
    data = page.head.data
    own = [each for each in page.head.media if _is_a(each, ("VideoObject",))]
    for value in [*_list(data.get("video")), *_parts(data, "VideoObject"), *own]:
        details = value if isinstance(value, dict) else {"contentUrl": value}
        named = [details.get(name) for name in ("embedUrl", "contentUrl")]
        addresses = [address for address in named if isinstance(address, str)]
        base = page.article.canonical_url
        urls = [media.video_address(a) or media.address(a, base) for a in addresses]
        if url := next(filter(None, urls), None):
            yield Media(url, _text(details.get("name")), _seconds(details.get("duration")))


def _parts(data: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the ``associatedMedia`` of that kind: an episode's audio, a gallery's pictures."""
    parts = [part for part in _list(data.get("associatedMedia")) if isinstance(part, dict)]
    return [part for part in parts if _is_a(part, (kind,))]


def _joined(page: _Page, name: str, found: list[Media], linked: Iterable[Media]) -> list[Media]:
    """Add to the players' media what JSON-LD knows: names, durations, and media without a player."""
    media_of = {media.file_of(each.url): each for each in found}
    for each in linked:
        known = media_of.setdefault(media.file_of(each.url), each)
        known.name = known.name or each.name
        known.duration = each.duration if known.duration is None else known.duration
    source = "player" if found else "json-ld" if media_of else "none"
    page.hits.append(f"{name}:{source}")
    return list(media_of.values())


def _seconds(value: object) -> int | None:
    return dates.duration(str(value)) if value else None


__all__ = ["NotAnArticle", "NotRfi", "read_page"]
