"""The full text that feedx puts into each entry of its feeds.

A payload is ``<div>07/11/2023 - 12:35</div>``, a main image, an optional chapô in
``<p><strong>``, the body, and a tail of furniture; FACTS.md lists what went wrong with each.
"""

import re

from selectolax.lexbor import LexborNode

from rfinews import dates
from rfinews.items import Article, Image, Media
from rfinews.markup import decode_references, mend, parse, plain, render, settle_links
from rfinews.parsers import media
from rfinews.parsers.feed import Entry
from rfinews.parsers.headline import split_title
from rfinews.parsers.people import people

_SHOWN_DATE = re.compile(r"\s*\d{2}/\d{2}/\d{4}\s*-\s*\d{2}:\d{2}\s*")
_COPYRIGHT = re.compile(r"©\s*\d{4}\s.{1,60}")
_PROMO = "获取更多RSS"
_BLOCK = re.compile(r"<(?:p|div|h[1-6]|ul|ol|figure|blockquote|table|br)[\s/>]", re.IGNORECASE)


def read_entry(article: Article, entry: Entry) -> Article:
    """Fill `article` (its identity known) from a feed entry of any feed.

    A payload without block elements is no full text: it is the description. Raises
    `rfinews.markup.TooDeep`.
    """
    article.feed_date = entry.date
    title, payload = entry.title or "", entry.payload or ""
    if _BLOCK.search(payload):
        read_payload(article, title, payload)
    else:
        article.headline, article.column = split_title(title, article.canonical_url)
        summary = parse(f"<body>{decode_references(payload)}").body
        article.description = plain(render([summary]).text if summary else "") or None
        article.date_published = entry.date
    article.authors = article.authors or people(entry.authors)
    base = article.canonical_url
    if not article.images and (picture := media.address(entry.image, base)):
        article.images = [Image(picture)]
    audios = {audio.url: audio for audio in article.audios}
    for address, kind, seconds in entry.enclosures:
        if kind and kind.startswith("audio/") and (url := media.address(address, base)):
            audios.setdefault(url, Media(url, None, seconds))
    article.audios = list(audios.values())
    return article


def read_payload(article: Article, title: str, payload: str) -> Article:
    """Fill `article` (its identity and `feed_date` known) from an entry's title and payload.

    Raises `rfinews.markup.TooDeep`. Order of preference for `date_published`: the date that RFI
    shows, then the feed's.
    """
    article.headline, article.column = split_title(title, article.canonical_url)
    article.date_published = article.feed_date
    html = mend(payload)
    body = parse(f"<body>{html}").body  # else a frameset or a title in front would change the page
    if body is None:
        return article
    base = article.canonical_url
    article.images, article.audios, article.videos = media.collect(body, base)
    shown, article.description = _take_head(body)
    if shown is not None:
        article.date_published = dates.from_paris(shown, article.feed_date) or article.feed_date
    if _PROMO in html:
        _drop_promo(body)
    if "©" in html or "&copy" in html:
        article.copyright_notice = take_copyright(body)
    if "<a" in html or "<A" in html:
        article.authors = people(settle_links(body, base))
    content = render([body])
    article.article_body, article.article_body_html = content.text, content.html
    return article


def _take_head(body: LexborNode) -> tuple[str | None, str | None]:
    """Remove date, main image and chapô from the front of `body`; return date and chapô."""
    date = _shown_date(body)
    shown = chapo = None
    node = body.first_child
    if date is not None:
        shown, node = plain(date.text()), date.next
        date.decompose()
    while node is not None:
        following = node.next
        is_blank = node.tag == "-text" and plain(node.text_content or "") in ("", "Array")
        if is_blank or node.tag in ("img", "picture"):
            node.decompose()
        elif node.tag == "p" and date is not None and _is_strong(node):
            chapo = plain(node.text())
            node.decompose()
            break
        elif node.tag != "-comment":
            break
        node = following
    return shown, chapo or None


def _shown_date(body: LexborNode) -> LexborNode | None:
    """Return the element with the date: the first in the payload, or in the box around it."""
    node: LexborNode | None = body
    for _ in range(3):
        node = _neighbour(node.first_child, "next") if node is not None else None
        if node is not None and node.tag == "div" and _SHOWN_DATE.fullmatch(node.text()):
            return node
    return None


def _is_strong(paragraph: LexborNode) -> bool:
    """Whether all of a paragraph's text stands in one ``strong``."""
    children = [n for n in paragraph.iter(include_text=True) if n.tag != "-text" or plain(n.text())]
    return len(children) == 1 and children[0].tag in ("strong", "b")


def _drop_promo(body: LexborNode) -> None:
    """Remove feedx's own footer, in a box or loose behind a rule, and the line break and rule before it."""
    for node in body.css("hr, div, p"):
        promo = _neighbour(node.next, "next") if node.tag == "hr" else node
        if promo is None or promo.parent is None or not plain(promo.text()).startswith(_PROMO):
            continue
        for tag in ("hr", "br"):
            before = _neighbour(promo.prev, "prev")
            if before is not None and before.tag == tag:
                before.decompose()
        footer = [promo]
        while promo.tag == "-text" and (following := footer[-1].next) is not None:
            footer.append(following)
        for part in footer:
            part.decompose()


def _neighbour(node: LexborNode | None, direction: str) -> LexborNode | None:
    while node is not None and node.tag == "-text" and not plain(node.text_content or ""):
        node = node.next if direction == "next" else node.prev
    return node


def take_copyright(body: LexborNode) -> str | None:
    """Remove the copyright line and return it; by its class, or by its form at the end of the text."""
    lines = body.css(".t-copyright")
    if not lines:
        lines = [p for p in body.css("p")[-3:] if _COPYRIGHT.fullmatch(plain(p.text()))]
    notice = next(filter(None, (plain(line.text()) for line in lines)), None)
    for line in lines:
        line.decompose()
    return notice
