from collections.abc import Callable
from html import escape

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rfinews.parsers.listing import Listing, read_listing
from rfinews.urls import canonical_url, is_article_url, is_rfi

SITE = "https://www.rfi.fr"
PAGE = f"{SITE}/cn/国际/"
CN = "/cn/国际/20231107-灯塔重新点亮"
AGENCY = "/cn/渡船多开两班-4"
CONTENU = "/cn/contenu/20231106-雾中的钟"
FR = "/fr/monde/20231107-le-phare-se-rallume-à-l-île"
FA = "/fa/جهان/20231107-فانوس-دریایی-می‌درخشد"
KM = "/km/អន្តរជាតិ/20231107-ប៉មភ្លើងហ្វារ"
PODCAST = "/fr/podcasts/grand-reportage/20231107-la-nuit-du-phare"
NOT_ARTICLES = [
    "/cn/中国/",
    "/cn/国际",
    "/cn/",
    "/",
    "/cn/作者/罗拉/",
    "/cn/rss",
    "/cn/国际/2/",
    "https://example.org/cn/国际/20231107-别处",
    "https://www.rfi.fr.example/cn/国际/20231107-a",
    f"https://www.facebook.com/sharer/sharer.php?u={SITE}{CN}",
    f"https://x.com/intent/tweet?url={SITE}/cn/国际/20231101-a",
    f"mailto:?body={SITE}{CN}",
    "mailto:desk@rfi.example",
    "javascript:alert('/cn/国际/20231107-a')",
    "file:///cn/国际/20231107-a",
    "#20231107-a",
    "http://[broken/cn/国际/20231107-a",
    "",
]


def link(href: str, attributes: str = "", text: str = "灯塔") -> str:
    return f'<a href="{escape(href)}" {attributes}>{text}</a>'


def item(href: str) -> str:
    """One article of a section page, as the content system writes it: its title is the link."""
    return (
        '<div class="m-item-list-article" data-article-list><div class="article__infos">'
        f'<div class="article__title">{link(href, "data-article-item-link")}</div></div></div>'
    )


def wrapped_item(href: str) -> str:
    """The same, all of it in the link."""
    title = '<figure><img src="/a.jpg"></figure><p class="article__title"><h2>灯塔</h2></p>'
    attributes = 'data-article-item-link=""'
    return f'<div class="m-item-list-article m-x" data-article-list="">{link(href, attributes, title)}</div>'


def entry(href: str) -> str:
    """One article of a day archive."""
    return f'<li class="o-archive-day__list__entry">{link(href)}</li>'


def page(*content: str, head: str = "") -> str:
    menu = f"<header><nav>{link('/fr/menu-du-jour')}{link('/cn/国际/20231101-菜单')}</nav></header>"
    foot = f"<footer>{link('/cn/页脚')}</footer>"
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8">{head}</head><body>{menu}'
        f"<main>{''.join(content)}</main>{foot}</body></html>"
    )


def archive(*content: str) -> str:
    return page(
        f'<div class="o-archive-day"><ul class="o-archive-day__list">{"".join(content)}</ul>'
    )


def found(html: str | bytes, url: str = PAGE) -> list[str]:
    """The canonical addresses of the links, whose spelling is not the parser's business."""
    listing = read_listing(html, url)
    return [canonical_url(address) for address in listing.links]


def canonical(*paths: str) -> list[str]:
    return [canonical_url(SITE + path) for path in paths]


ARTICLES = [CN, AGENCY, CONTENU, FR, FA, KM, PODCAST]


# --------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("written", [item, wrapped_item])
def test_section(written: Callable[[str], str]) -> None:
    html = page(*map(written, ARTICLES), "<aside>", link("/cn/国际/20230101-旁边"), "</aside>")
    assert found(html) == canonical(*ARTICLES)
    assert found(html.encode()) == canonical(*ARTICLES)
    assert read_listing(html, PAGE).by == "selectors"


def test_title_outside_a_list_item() -> None:
    title = f'<h2 class="article__title">{link(CN, "data-article-item-link")}</h2>'
    assert read_listing(page(title), PAGE).by == "selectors"


def test_day_archive() -> None:
    html = archive(*map(entry, ARTICLES))
    assert found(html, f"{SITE}/cn/archives/2023/11/07-十一月-2023") == canonical(*ARTICLES)
    assert read_listing(html, PAGE).by == "selectors"


def test_order_is_the_page_s_whatever_the_selector() -> None:
    mixed = [f'<ul class="o-archive-day__list">{entry(CN)}</ul>', item(FR), wrapped_item(KM)]
    assert found(page(*mixed)) == canonical(CN, FR, KM)
    assert found(page(*mixed[::-1])) == canonical(KM, FR, CN)


def test_links_are_absolute_ascii() -> None:
    html = archive(entry("/fr/monde/20231107-é?utm_source=x&p=1#top"), entry("20231107-b"))
    assert read_listing(html, f"{SITE}/fr/monde/?page=2#x").links == [
        "https://www.rfi.fr/fr/monde/20231107-%C3%A9?p=1",
        "https://www.rfi.fr/fr/monde/20231107-b",
    ]


def test_each_article_once() -> None:
    again = [CN, f"{CN}/", f"{CN}?ref=x", f"{CN}#top", f"http://m.rfi.fr{CN}", f"{SITE}/{CN}", FR]
    assert found(archive(*map(entry, again))) == canonical(CN, FR)
    assert read_listing(archive(*map(entry, again)), PAGE).links == canonical(CN, FR)


@pytest.mark.parametrize("href", NOT_ARTICLES)
def test_other_links_are_none(href: str) -> None:
    html = archive(entry(href), entry(FR), "<li><a>nowhere</a></li>", "<li><a href>empty</a></li>")
    assert found(html) == canonical(FR)


def test_the_page_itself_is_none() -> None:
    assert found(archive(entry(CN), entry(FR)), f"{SITE}{CN}?x=1") == canonical(FR)


# ------------------------------------------------------------------------------------ layout changed


def test_any_link_when_the_layout_changed() -> None:
    html = page(
        *(f"<article><header><h3>{link(href)}</h3></header></article>" for href in ARTICLES)
    )
    assert found(html) == canonical(*ARTICLES)
    assert read_listing(html, PAGE).by == "links"


def test_main_before_body() -> None:
    html = page(f"<h3>{link(CN)}</h3>", link("?page=2", 'rel="next"'))
    listing = read_listing(html.replace("<main>", f"<div>{link(FR)}</div><main>"), PAGE)
    assert listing == Listing(canonical(CN), f"{canonical_url(PAGE)}/?page=2", "links")


def test_body_when_there_is_nothing_in_main() -> None:
    html = page("<p>", link("/cn/中国/")).replace("</main>", f"</main><div>{link(CN)}</div>")
    assert found(html) == canonical(CN)
    assert read_listing(html, PAGE).by == "links"
    assert found(f"<div>{link(FR)}") == canonical(FR)


@pytest.mark.parametrize("href", [NOT_ARTICLES[0], NOT_ARTICLES[9], NOT_ARTICLES[7]])
def test_known_selectors_without_articles_are_a_changed_layout(href: str) -> None:
    listing = read_listing(page(item(href), entry(href), f"<h3>{link(CN)}</h3>"), PAGE)
    assert (listing.by, len(listing.links)) == ("links", 1)


# --------------------------------------------------------------------------------------------- paging

BASE = f"{SITE}/en/africa/"


def next_page(content: str, url: str = BASE, head: str = "") -> str | None:
    return read_listing(page(item(CN), content, head=head), url).next


@pytest.mark.parametrize(
    "content",
    [
        '<a rel="next" href="{}">More</a>',
        '<a rel="nofollow next" href="{}">More</a>',
        '<a class="btn next" href="{}">More</a>',
        '<ul><li class="next"><a href="{}">More</a></li></ul>',
        '<div class="m-pagination"><a href="{}">2</a></div>',
        '<nav class="pagination"><ul><li><a href="{}">2</a></li></ul></nav>',
        '<div data-pagination><a href="{}">2</a></div>',
        '<a class="m-pagination__link m-pagination__link--next" href="{}">More</a>',
    ],
)
@pytest.mark.parametrize(
    ("href", "address"),
    [
        ("?page=2", f"{BASE}?page=2"),
        ("/en/africa/2/", f"{BASE}2/"),
        ("2/#pager", f"{BASE}2/"),
        (f"{BASE}page/2", f"{BASE}page/2"),
        ("https://www.rfi.fr/en/africa?page=2", "https://www.rfi.fr/en/africa?page=2"),
    ],
)
def test_next_page(content: str, href: str, address: str) -> None:
    assert next_page(content.format(href)) == address


def test_next_page_in_the_head() -> None:
    head = '<link rel="next" href="?page=2">'
    assert next_page(link("2/", 'class="next"'), head=head) == f"{BASE}?page=2"


@pytest.mark.parametrize(
    "url", [f"{BASE}3/", f"{BASE}?page=3", f"{BASE}page/3/", f"{BASE}3/#pager", f"{BASE}?page=3#x"]
)
def test_the_nearest_page_and_never_backwards(url: str) -> None:
    pages = '<div class="m-pagination">{}</div>'
    numbers = ["?page=1", "/en/africa/2/", "?page=3", "", "#", "/en/africa/", "/en/africa/3/"]
    back = "".join(map(link, numbers)) + link("?page=2", 'rel="next"')
    assert next_page(pages.format(back), url) is None
    ahead = link(f"{BASE}40/") + link(f"{BASE}4/") + link(f"{BASE}5/")
    assert next_page(pages.format(back + ahead), url) == f"{BASE}4/"


@pytest.mark.parametrize(
    "href",
    [
        "https://example.org/en/africa/?page=2",
        "https://en.rfi.fr/en/africa/?page=2",
        "/fr/africa/?page=2",
        "/en/africa/other/?page=2",
        "/en/africa/other/2/",
        "/en/?page=2",
        "/en/2/",
        "/en/africa/2023/",
        "/en/africa/2/3/",
        "/en/africa/02/",
        "?page=two",
        "?page=-2",
        "?page=2&tag=sea",
        "?tag=2",
        "javascript:next(2)",
        "http://[broken/?page=2",
        "#page=2",
    ],
)
def test_pages_of_other_listings_do_not_count(href: str) -> None:
    assert next_page(link(href, 'rel="next"')) is None


def test_other_parameters_stay() -> None:
    url = f"{BASE}?tag=sea&page=2&q=%C3%A9"
    assert next_page(link("?page=3", 'rel="next"'), url) is None
    following = next_page(link("?tag=sea&q=é&page=3&utm_source=x", 'rel="next"'), url)
    assert following == f"{BASE}?tag=sea&q=%C3%A9&page=3"
    following = next_page(link("?tag=2&page=2", 'rel="next"'), f"{BASE}?utm_source=x&tag=2")
    assert following == f"{BASE}?tag=2&page=2"


@pytest.mark.parametrize("day", ["2023/11/07", "2023/11/7", "2023/11/07-November-2023"])
def test_the_next_day_is_no_next_page(day: str) -> None:
    for href in ("/en/archives/2023/11/8", "/en/archives/2023/11/08-November-2023"):
        assert next_page(link(href, 'rel="next"'), f"{SITE}/en/archives/{day}") is None
    assert next_page(link("/en/archives/2023/", 'rel="next"'), f"{SITE}/en/archives/") is None
    assert (
        next_page(link("/en/archives/2023/11", 'rel="next"'), f"{SITE}/en/archives/2023/") is None
    )


def test_a_page_without_articles_leads_no_further() -> None:
    assert read_listing(page(link("?page=2", 'rel="next"')), BASE) == Listing()


# ------------------------------------------------------------------------------------- no listing

RSS = f"""<?xml version="1.0"?><rss version="2.0"><channel><title>RFI</title><link>{PAGE}</link><item>
<link>{SITE}{CN}</link><description><![CDATA[<p>{link(CN)}{link(FR)}</p>]]></description></item></channel></rss>"""


@pytest.mark.parametrize(
    "html",
    [
        "",
        b"",
        " \n",
        "<html></html>",
        page("<h1>Page not found</h1>"),
        "403 Forbidden",
        '{"error": "/cn/国际/20231107-a"}',
        RSS,
        RSS.encode(),
        RSS.replace("rss", "rdf:RDF"),
        f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><content>{link(CN)}</content></entry></feed>',
        f"<urlset><url><loc>{SITE}{CN}</loc></url>{link(CN)}</urlset>",
        "<div>" * 100_000 + link(CN),
        b"\x89PNG\r\n\x1a\n\x00\xff",
    ],
    ids=range(14),
)
def test_what_is_no_listing(html: str | bytes) -> None:
    assert read_listing(html, PAGE) == Listing(links=[], next=None, by=None)


# ------------------------------------------------------------------------------------------ properties

HREFS = st.sampled_from([*ARTICLES, *NOT_ARTICLES, "?page=2", "2/", "3/"]) | st.text(max_size=30)
PIECES = HREFS.flatmap(
    lambda href: st.sampled_from(
        [item(href), wrapped_item(href), entry(href), link(href), link(href, 'rel="next"'), href]
    )
)
PAGES = st.lists(PIECES | st.sampled_from(["<nav>", "</main>", '<ul class="o-archive-day__list">']))


def is_sound(listing: Listing) -> bool:
    return (
        all(
            address.startswith(("https://", "http://"))
            and is_article_url(address)
            and is_rfi(address)
            for address in listing.links
        )
        and len(set(map(canonical_url, listing.links))) == len(listing.links)
        and (listing.by is None) == (listing.links == [])
        and (listing.next is None or is_rfi(listing.next))
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    PAGES.map("".join) | st.text() | st.binary(),
    st.sampled_from([PAGE, BASE, f"{BASE}2/", f"{SITE}{CN}"]) | st.text(max_size=30),
)
@example(page(item(CN)), "")
@example(page(item(CN), link("?page=2", 'rel="next"')), "https://[")
@example(f'<a href="{SITE}{CN}\ud800" data-article-item-link class="article__title">', "\ud800")
def test_any_text(html: str | bytes, url: str) -> None:
    assert is_sound(read_listing(html, url))


@settings(deadline=None)
@given(st.lists(st.sampled_from(ARTICLES), unique=True), st.sampled_from([item, wrapped_item]))
def test_any_order_is_kept(paths: list[str], written: Callable[[str], str]) -> None:
    assert found(page(*map(written, paths))) == canonical(*paths)


# --------------------------------------------------------------------- sections, archives and feeds


def menu(*hrefs: str) -> str:
    return f"<header><nav>{''.join(map(link, hrefs))}</nav></header>"


def sections(*hrefs: str, url: str = f"{SITE}/cn/") -> list[str]:
    return read_listing(f"<body>{menu(*hrefs)}<main></main>", url).sections


@pytest.mark.parametrize(
    ("href", "is_section"),
    [
        ("/cn/国际/", True),
        ("/cn/国际", True),
        ("/cn/专栏检索/要闻分析/", True),
        ("国际/", True),
        ("https://m.rfi.fr/cn/国际/", True),
        ("/cn/podcasts/", True),
        ("/cn/", False),
        ("/", False),
        ("/tw/國際/", False),
        ("/cn/a/b/c/", False),
        (CN, False),
        (AGENCY, False),
        ("/cn/作者/罗拉/", False),
        ("/cn/archives/2023", False),
        ("/cn/archives/2023/11", False),
        ("/cn/archives", False),
        ("https://example.org/cn/国际/", False),
        (f"https://www.facebook.com/sharer/sharer.php?u={SITE}/cn/国际/", False),
        ("mailto:desk@rfi.example", False),
        ("javascript:void(0)", False),
        ("http://[broken/cn/国际/", False),
    ],
)
def test_what_is_a_section(href: str, is_section: bool) -> None:
    found = sections(href)
    assert len(found) == is_section
    assert all(is_rfi(address) and address.isascii() for address in found)


def test_each_section_once_in_the_menu_s_order() -> None:
    hrefs = ["/cn/国际/", "/cn/亚洲/", "/cn/国际", "/cn/国际/?ref=menu", "//www.rfi.fr/cn/亚洲/#x"]
    assert [canonical_url(url) for url in sections(*hrefs)] == canonical("/cn/国际", "/cn/亚洲")


def test_a_section_does_not_lead_to_itself() -> None:
    assert sections("/cn/国际/", "/cn/亚洲/", url=PAGE) == sections("/cn/亚洲/")


@pytest.mark.parametrize(
    "box", ["<nav>{}</nav>", "<header>{}</header>", '<div class="o-site-nav">{}</div>']
)
def test_sections_stand_in_menus(box: str) -> None:
    outside = f"<main>{link('/cn/亚洲/')}</main>"
    html = f"<body>{box.format(link('/cn/国际/'))}{outside}"
    assert [canonical_url(url) for url in read_listing(html, f"{SITE}/cn/").sections] == canonical(
        "/cn/国际"
    )


def archives(*hrefs: str, url: str = f"{SITE}/cn/") -> list[tuple[int | None, int | None, bool]]:
    html = f"<body><footer>{''.join(map(link, hrefs))}</footer>"
    return [each[1:] for each in read_listing(html, url).archives]


NEW_YEAR, NOVEMBER, SEVENTH, DAY = 1_672_531_200, 1_698_796_800, 1_699_315_200, 86_400


@pytest.mark.parametrize(
    ("href", "first", "last", "is_day"),
    [
        ("/cn/archives", None, None, False),
        ("/cn/archives/", None, None, False),
        ("/cn/archives/2023", NEW_YEAR, NEW_YEAR + 365 * DAY - 1, False),
        ("/cn/archives/2023/11", NOVEMBER, NOVEMBER + 30 * DAY - 1, False),
        ("/cn/archives/2023/11/", NOVEMBER, NOVEMBER + 30 * DAY - 1, False),
        ("/cn/archives/2023/11/07", SEVENTH, SEVENTH + DAY - 1, True),
        ("/cn/archives/2023/11/07-十一月-2023", SEVENTH, SEVENTH + DAY - 1, True),
        ("2023/../archives/2023/11/07-x-2023", SEVENTH, SEVENTH + DAY - 1, True),
    ],
)
def test_time_of_an_archive(href: str, first: int | None, last: int | None, is_day: bool) -> None:
    assert archives(href) == [(first, last, is_day)]


def test_archives_of_this_edition_each_once() -> None:
    hrefs = ["/cn/archives/2023", "/tw/archives/2023", "/cn/archives/2023/#a", "/cn/archives/2022"]
    found = read_listing(f"<body>{''.join(map(link, hrefs))}", f"{SITE}/cn/").archives
    assert [each.url for each in found] == [
        f"{SITE}/cn/archives/2023",
        f"{SITE}/cn/archives/2022",
    ]


@pytest.mark.parametrize("href", ["/cn/archives/2023/13", "/cn/archives/2023/11/32-x-2023"])
def test_archive_of_no_date_is_no_fault(href: str) -> None:
    archives(href)


@pytest.mark.parametrize(
    ("element", "feeds"),
    [
        ('<link rel="alternate" type="application/rss+xml" href="/cn/rss">', [f"{SITE}/cn/rss"]),
        (
            '<link rel="alternate nofollow" type="application/rss+xml" href="//rfi.fr/cn/国际/rss">',
            [f"{SITE}/cn/%E5%9B%BD%E9%99%85/rss"],
        ),
        ('<link rel="alternate" type="application/rss+xml" href="https://x.example/rss">', []),
        ('<link rel="alternate" type="application/json" href="/cn/rss">', []),
        ('<link rel="stylesheet" type="application/rss+xml" href="/cn/rss">', []),
        ('<link rel="alternate" type="application/rss+xml">', []),
        ('<a rel="alternate" type="application/rss+xml" href="/cn/rss">', []),
    ],
)
def test_feeds_of_a_page(element: str, feeds: list[str]) -> None:
    found = read_listing(f"<head>{element}{element}</head><body>", PAGE).feeds
    assert [canonical_url(url) for url in found] == feeds
