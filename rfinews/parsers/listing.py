"""Pages that list articles: sections and day archives.

Selectors are named here, so that a redesign is one place to touch. Until then any link of the page
to an article does. Paging was not observed on RFI itself; sister sites on the same system have
``/2/`` behind the section's path (``#pager``), so ``?page=2``, ``/2/`` and ``/page/2/`` are known.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from selectolax.lexbor import LexborHTMLParser, LexborNode

from rfinews import dates
from rfinews.markup import TooDeep, parse
from rfinews.parsers.sitemap import latest
from rfinews.urls import (
    canonical_url,
    clean_link,
    edition_of,
    is_article_url,
    is_author_page,
    is_rfi,
    is_share_link,
)

LINKS = (
    ".m-item-list-article[data-article-list] a[data-article-item-link], "
    ".article__title a[data-article-item-link], .o-archive-day__list a"
)
ANY_LINKS = ("main a[href]", "body a[href]")
MENUS = "nav a, footer a"
PAGES = (
    "link[rel~=next], a[rel~=next], a.next, .next a, a[class*=pagination], [class*=pagination] a, "
    "[data-pagination] a"
)
SECTIONS = "nav a, header a, [class*=nav] a, [class*=menu] a"
FEEDS = 'link[rel~=alternate][type="application/rss+xml"]'
FEED = "rss, feed, rdf\\:rdf, urlset, sitemapindex"

_NUMBER = re.compile(r"[1-9][0-9]{0,2}")  # with four digits it is a year


_ARCHIVE = re.compile(
    r"/archives(?:/(?P<year>(?:19|20)[0-9]{2})(?:/(?P<month>0[1-9]|1[0-2])(?:/(?P<day>[0-9]{2})[^/]*)?)?)?"
)


class Archive(NamedTuple):
    """A page of the archive: of all years, of a year, a month or a day."""

    url: str
    first: int | None
    """When its time begins, in seconds since 1970, to a day; `None`: of all times."""
    last: int | None
    is_day: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """What a page leads to.

    `links` are articles' addresses, absolute, in page order, each article once. `next` is the
    listing's next page. `by` tells how the links were found, None that there are none; ``links``
    means that the selectors do not fit the page any more.
    """

    links: list[str] = field(default_factory=list)
    next: str | None = None
    by: Literal["selectors", "links"] | None = None
    sections: list[str] = field(default_factory=list)
    """The other pages of its edition that its menus name."""
    archives: list[Archive] = field(default_factory=list)
    feeds: list[str] = field(default_factory=list)


def read_listing(html: str | bytes, url: str) -> Listing:
    """Read the listing at `url`, the page's final address, from its text or its UTF-8. Never raises.

    What is no listing (soft error, feed, empty answer) gives an empty one; a page without articles
    leads no further.

    >>> page = '<ul class="o-archive-day__list"><li><a href="/cn/中国/20231107-a">A</a></ul>'
    >>> listing = read_listing(f'{page}<a rel="next" href="?page=2">', "https://www.rfi.fr/cn/x/")
    >>> listing.links, listing.next, listing.by
    (['https://www.rfi.fr/cn/%E4%B8%AD%E5%9B%BD/20231107-a'], 'https://www.rfi.fr/cn/x/?page=2', 'selectors')
    """
    try:
        tree = parse(html)
    except TooDeep:
        return Listing()
    if tree.css_first(FEED) is not None:
        return Listing()
    by: Literal["selectors", "links"] | None = None
    if links := _articles(tree.css(LINKS), url):
        by = "selectors"
    elif links := next(filter(None, _any_articles(tree, url)), []):
        by = "links"
    return Listing(
        links,
        _next_page(tree, url) if links else None,
        by,
        _sections(tree, url),
        _archives(tree, url),
        [link for link in _absolutes(tree.css(FEEDS), url) if is_rfi(link)],
    )


def _any_articles(tree: LexborHTMLParser, url: str) -> Iterator[list[str]]:
    menus = {link.mem_id for link in tree.css(MENUS)}
    for selector in ANY_LINKS:
        yield _articles((link for link in tree.css(selector) if link.mem_id not in menus), url)


def _sections(tree: LexborHTMLParser, url: str) -> list[str]:
    edition = edition_of(url)
    found: dict[str, str] = {}
    for address in _absolutes(tree.css(SECTIONS), url):
        path = canonical_url(address)
        depth = path.count("/") - 3  # behind https://host/edition
        if (
            edition is not None
            and edition_of(address) == edition
            and depth in (1, 2)
            and not is_article_url(address)
            and not is_author_page(address)
            and not _ARCHIVE.search(path)
            and path != canonical_url(url)
        ):
            found.setdefault(path, address)
    return list(found.values())


def _archives(tree: LexborHTMLParser, url: str) -> list[Archive]:
    """Return the archive's pages of the same edition, each with the time that it covers."""
    found: dict[str, Archive] = {}
    for address in _absolutes(tree.css('a[href*="/archives"]'), url):
        match = _ARCHIVE.search(canonical_url(address))
        if match is not None and edition_of(address) == edition_of(url):
            found.setdefault(canonical_url(address), _archive(address, match))
    return list(found.values())


def _archive(url: str, match: re.Match[str]) -> Archive:
    year, month, day = match["year"], match["month"], match["day"]
    if year is None:
        return Archive(url, None, None, is_day=False)
    first = dates.to_seconds(f"{year}-{month or '01'}-{day or '01'}T00:00:00Z")
    last = latest("-".join(filter(None, (year, month, day))))
    return Archive(url, first, dates.to_seconds(last), is_day=day is not None)


def _absolutes(links: Iterable[LexborNode], url: str) -> list[str]:
    found = (_absolute(link, url) for link in links)
    return list(dict.fromkeys(address for address in found if address is not None))


def _articles(links: Iterable[LexborNode], url: str) -> list[str]:
    found: dict[str, str] = {}
    for link in links:
        address = _absolute(link, url)
        if address is not None and is_article_url(address):
            found.setdefault(canonical_url(address), address)
    found.pop(canonical_url(url), None)
    return list(found.values())


def _absolute(link: LexborNode, url: str) -> str | None:
    """Return where a link leads, without fragment, None if it is for sharing or leads nowhere."""
    href = link.attributes.get("href") or ""
    address = None if is_share_link(href) else clean_link(href, url)
    return None if address is None else address.partition("#")[0]


def _next_page(tree: LexborHTMLParser, url: str) -> str | None:
    """Return the nearest of the pages behind `url`; those of other listings do not count."""
    listing, number = _page((clean_link(url, "") or url).partition("#")[0])
    found: dict[int, str] = {}
    for link in tree.css(PAGES):
        address = _absolute(link, url)
        if address is None:
            continue
        its_listing, its_number = _page(address)
        if its_listing == listing and its_number > number:
            found.setdefault(its_number, address)
    return found[min(found)] if found else None


def _page(address: str) -> tuple[tuple[str, list[tuple[str, str]]], int]:
    """Take an address apart: the listing, as path and parameters, and the page's number in it.

    The first page bears no number. One behind another number is a day or month of the archive.

    >>> _page("https://www.rfi.fr/cn/x/2/?a=b"), _page("https://www.rfi.fr/cn/x?page=3&a=b")
    ((('https://www.rfi.fr/cn/x', [('a', 'b')]), 2), (('https://www.rfi.fr/cn/x', [('a', 'b')]), 3))
    >>> _page("https://www.rfi.fr/cn/archives/2023/11")
    (('https://www.rfi.fr/cn/archives/2023/11', []), 1)
    """
    path, number = canonical_url(address), 1
    listing, _, last = path.rpartition("/")
    if _NUMBER.fullmatch(last) and not listing.rpartition("/")[2].isdecimal():
        path, number = listing.removesuffix("/page"), int(last)
    parameters = parse_qsl(address.partition("?")[2], keep_blank_values=True)
    for name, value in parameters:
        if name == "page" and _NUMBER.fullmatch(value):
            number = int(value)
    return (path, [each for each in parameters if each[0] != "page"]), number
