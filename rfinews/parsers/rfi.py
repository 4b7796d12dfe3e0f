"""RFI's article pages: JSON-LD, meta elements and selectors, each the others' fallback.

Selectors are named here, so that a redesign is one place to touch. Order of preference, field by
field:

=================  ==========================================================================
canonical_url      link[rel=canonical], og:url (RFI articles only), the address fetched
headline           TITLE, JSON-LD ``headline``, og:title, title element
description        CHAPO; JSON-LD ``description``, meta description, unless they repeat the body
date_published     JSON-LD ``datePublished``, article:published_time, first DATES
date_modified      JSON-LD ``dateModified``, article:modified_time, second DATES
authors            AUTHORS, JSON-LD ``author``, byline in the body
keywords           TAGS, article:tag, JSON-LD ``keywords``
images             MAIN_MEDIA, the body's; without any, JSON-LD ``image``, og:image
audios, videos     players in the article, then JSON-LD ``audio``, ``video``
alternates         link[rel=alternate][hreflang]
=================  ==========================================================================
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from rfinews import dates
from rfinews.items import Alternate, Article, Image, Media, NotRfi, article_at
from rfinews.markup import (
    decode_references,
    is_furniture,
    parse,
    plain,
    render,
    settle_links,
    words,
)
from rfinews.parsers import media
from rfinews.parsers.feedx import take_copyright
from rfinews.parsers.headline import split_title
from rfinews.parsers.people import people
from rfinews.urls import canonical_url, edition_of, is_article_url

ARTICLE = "article[data-article-content], article"
TITLE = "h1.t-content__title, article h1"
CHAPO = ".t-content__chapo"
DATES = ".t-content__dates time[datetime]"
MAIN_MEDIA = ".t-content__main-media"
AUTHORS = ".m-from-author__name, .t-content__authors a"
BODY = ".t-content__body"
TAGS = ".t-content__tags a"
# What stray </div>s push out of the article and behind it, beside embedded media (EMBEDDED).
PUSHED_OUT = frozenset("p h2 h3 h4 ul ol blockquote figure table".split())
EMBEDDED = "m-em-"
_ARTICLE_TYPES = ("Article", "Posting", "Report")


class NotAnArticle(ValueError):
    """Raised by `read_page`: the page holds no article (soft error, section page, empty answer)."""


class _Head:
    """What the page says of itself outside its article."""

    canonical: str | None = None

    def __init__(self, tree: LexborHTMLParser) -> None:
        self.parts: list[LexborNode] = []
        self.alternates: list[tuple[str, str]] = []
        self.data: dict[str, Any] = {}  # the article's JSON-LD object
        for part in (tree.head, tree.body):
            if part is None:
                continue
            self.parts.append(part)
            self._read_links(part)
            self._read_json_ld(part)
            if self.canonical and self.data:
                break  # else a pixel in a noscript has ended the head early: nothing runs scripts

    def _read_links(self, part: LexborNode) -> None:
        for node in part.css("link[rel=canonical][href], link[hreflang][href]"):
            attributes = node.attributes
            href = attributes["href"] or ""
            if language := attributes.get("hreflang"):
                self.alternates.append((language, href))
            else:
                self.canonical = self.canonical or href

    def _read_json_ld(self, part: LexborNode) -> None:
        for node in part.css('script[type="application/ld+json"]'):
            for candidate in _objects(node.text()):
                kinds = candidate.get("@type")
                kinds = kinds if isinstance(kinds, list) else [kinds]
                if not any(str(kind).endswith(_ARTICLE_TYPES) for kind in kinds):
                    continue
                headline = self.data.get("headline")
                if (
                    candidate.get("headline", headline) == headline or not self.data
                ):  # not another's
                    self.data = {**candidate, **self.data}

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


def read_page(html: str | bytes, url: str) -> Article:
    """Read the article at `url`, the page's final address, from its text or its UTF-8.

    Raises `NotAnArticle`, `rfinews.items.NotRfi` and `rfinews.markup.TooDeep`.
    """
    tree = parse(html)
    head = _Head(tree)
    page = tree.body
    root = page and (page.css_first(ARTICLE) or page.css_first(BODY))
    if root is None and not head.data:
        raise NotAnArticle("no article on the page")
    article = _identify(head, url)
    title = (root and media.text_of(root.css_first(TITLE))) or _text(head.data.get("headline"))
    title = title or head.first("og:title") or media.text_of(tree.css_first("title")) or ""
    article.headline, article.column = split_title(title, article.canonical_url)
    data = head.data
    times = [node.attributes.get("datetime") for node in root.css(DATES)] if root else []
    article.date_published = _date(data.get("datePublished")) or _date(
        head.first("article:published_time"), *times[:1]
    )
    article.date_modified = _date(data.get("dateModified")) or _date(
        head.first("article:modified_time"), *times[1:2]
    )
    tags = [media.text_of(node) for node in root.css(TAGS)] if root else []
    article.keywords = (
        _names(tags)
        or _names(head.meta.get("article:tag", ()))
        or _names(_keywords(data.get("keywords")))
    )
    names = [media.text_of(node) for node in root.css(AUTHORS)] if root else []
    article.authors = people(names) or people(_person_names(head.data.get("author")))
    article.alternates = list(_alternates(head, article))
    if root is not None:
        _read_content(article, root)
    if article.description is None:
        article.description = _summary(article, head)
    if not article.images:
        article.images = list(_linked_images(head, article.canonical_url))
    article.audios = _joined(article.audios, _linked_audios(head.data, article.canonical_url))
    article.videos = _joined(article.videos, _linked_videos(head.data, article.canonical_url))
    if not article.headline:
        raise NotAnArticle("the article on the page has no headline")
    if not (article.has_content or head.data):
        raise NotAnArticle("the article on the page is empty")
    return article


def _read_content(article: Article, root: LexborNode) -> None:
    """Fill in what stands in the article's own element: media, chapô, body, copyright."""
    base = article.canonical_url
    _bring_back(root)
    article.images, article.audios, article.videos = media.collect(root, base)
    article.description = media.text_of(root.css_first(CHAPO))
    article.copyright_notice = take_copyright(root)
    body = root.css_first(BODY) or root
    nodes = [node for node in _content_nodes(root, body) if not is_furniture(node)]
    byline = [name for node in nodes for name in settle_links(node, base)]
    article.authors = article.authors or people(byline)
    content = render(nodes)
    article.article_body, article.article_body_html = content.text, content.html


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
    if body.mem_id == root.mem_id:
        for selector in (TITLE, CHAPO, DATES, MAIN_MEDIA):
            for node in root.css(selector):
                node.decompose()
        yield root
        return
    yield body
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
    """Yield the objects of a JSON-LD script: alone, in arrays, in ``@graph``; text behind is ignored."""
    text = text.strip()
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return
    pending = deque([value])
    while pending:
        value = pending.popleft()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            yield value
            pending += _list(value.get("@graph"))


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


def _date(*candidates: object) -> str | None:
    found = (dates.from_iso(value) for value in candidates if isinstance(value, str))
    return next(filter(None, found), None)


def _names(values: Iterable[object]) -> list[str]:
    """Return the texts among `values`, in order, each once."""
    return list(dict.fromkeys(filter(None, map(_text, values))))


def _person_names(value: object) -> list[object]:
    named = [each.get("name") if isinstance(each, dict) else each for each in _list(value)]
    return [name for names in named for name in _list(names)]


def _keywords(value: object) -> list[object]:
    return list(value.split(",")) if isinstance(value, str) else _list(value)


def _alternates(head: _Head, article: Article) -> Iterator[Alternate]:
    seen = {article.canonical_url}
    for language, href in head.alternates:
        address = canonical_url(_absolute(href, article.url))
        if language.lower() == "x-default" or address in seen or not is_article_url(address):
            continue
        seen.add(address)
        edition = edition_of(address)
        yield Alternate(edition.language if edition else language, address)


def _summary(article: Article, head: _Head) -> str | None:
    """Return the page's own description, unless it is the beginning of the body."""
    text = _text(head.data.get("description")) or head.first("description", "og:description")
    if text is None:
        return None
    start = words(text.rstrip(" .…"))
    return text if start and not words(article.article_body).startswith(start) else None


def _linked_images(head: _Head, base_url: str) -> Iterator[Image]:
    seen = set()
    found = _list(head.data.get("image")) + head.meta.get("og:image", [])
    for value in found:
        details = value if isinstance(value, dict) else {"url": value}
        url = media.address(details.get("url") or details.get("contentUrl"), base_url)
        if url is not None and media.asset(url) not in seen:
            seen.add(media.asset(url))
            width, height = (media.pixels(details.get(side)) for side in ("width", "height"))
            yield Image(url, _text(details.get("caption")), None, width, height)


def _linked_audios(data: dict[str, Any], base_url: str) -> Iterator[Media]:
    for value in _list(data.get("audio")):
        details = value if isinstance(value, dict) else {"contentUrl": value}
        if url := media.address(details.get("contentUrl"), base_url):
            yield Media(url, _text(details.get("name")), _seconds(details.get("duration")))


def _joined(found: list[Media], linked: Iterable[Media]) -> list[Media]:
    """Add to the players' media what JSON-LD knows: names, durations, and media without a player."""
    media_of = {each.url: each for each in found}
    for each in linked:
        known = media_of.setdefault(each.url, each)
        known.name = known.name or each.name
        known.duration = each.duration if known.duration is None else known.duration
    return list(media_of.values())


def _linked_videos(data: dict[str, Any], base_url: str) -> Iterator[Media]:
    for value in _list(data.get("video")):
        details = value if isinstance(value, dict) else {"contentUrl": value}
        addresses = [
            a for key in ("embedUrl", "contentUrl") if isinstance(a := details.get(key), str)
        ]
        urls = [media.video_address(a) or media.address(a, base_url) for a in addresses]
        if url := next(filter(None, urls), None):
            yield Media(url, _text(details.get("name")), _seconds(details.get("duration")))


def _seconds(value: object) -> int | None:
    return dates.duration(str(value)) if value else None


__all__ = ["NotAnArticle", "NotRfi", "read_page"]
