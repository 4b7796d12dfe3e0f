import gzip
import time
import zlib
from html import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rfinews.items import Alternate, Image
from rfinews.markup import decode_references
from rfinews.parsers import sitemap
from rfinews.parsers.sitemap import (
    NotASitemap,
    Sitemap,
    SitemapEntry,
    latest,
    months,
    read_sitemap,
)
from rfinews.urls import is_private_host

CN = "https://www.rfi.fr/cn/国际/20231107-灯塔重新点亮"
TW = "https://www.rfi.fr/tw/國際/20231107-燈塔重新點亮"
FR = "https://www.rfi.fr/fr/monde/20231107-le-phare-se-rallume-à-l-île"
FA = "https://www.rfi.fr/fa/جهان/20231107-فانوس-دریایی-می‌درخشد"
KM = "https://www.rfi.fr/km/អន្តរជាតិ/20231107-ប៉មភ្លើងហ្វារ"
QUERY = "https://www.rfi.fr/en/africa/20231107-a?b=1&c=2"
ADDRESSES = [CN, TW, FR, FA, KM, QUERY]

NAMESPACES = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
    'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" '
    'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" '
    'xmlns:xhtml="http://www.w3.org/1999/xhtml"'
)
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NEWS = f"""{DECLARATION}<?xml-stylesheet type="text/xsl" href="/a.xsl"?>
<!-- <url><loc>https://www.rfi.fr/cn/comment</loc></url> -->
<urlset {NAMESPACES}>
  <?cache off?>
  <url>
    <loc>{CN}</loc>
    <lastmod>2023-11-07T14:00:00+01:00</lastmod>
    <changefreq>hourly</changefreq>
    <news:news>
      <news:publication><news:name>RFI</news:name><news:language>zh-cn</news:language></news:publication>
      <news:publication_date>2023-11-07T12:35:00+01:00</news:publication_date>
      <news:title>灯塔 &amp; 雾</news:title>
      <news:keywords>灯塔, 海，雾,灯塔,</news:keywords>
    </news:news>
    <image:image>
      <image:loc>https://s.rfi.fr/media/display/a/w:1280/p:16x9/phare.jpg</image:loc>
      <image:title>题</image:title>
      <image:caption>灯塔，冬天</image:caption>
    </image:image>
    <image:image><image:loc>https://s.rfi.fr/media/display/b/second.jpg</image:loc></image:image>
    <video:video><video:title>片</video:title><video:thumbnail_loc>https://v.example/v</video:thumbnail_loc>
      <video:publication_date>2001-01-01T00:00:00Z</video:publication_date></video:video>
    <xhtml:link rel="alternate" hreflang="zh-Hans" href="{CN}"/>
    <xhtml:link rel="alternate" hreflang="fr" href="{FR}"/>
    <xhtml:link rel="alternate" hreflang="fr-FR" href="{FR}"/>
    <xhtml:link hreflang='en' href='{escape(QUERY)}' rel='alternate' />
    <xhtml:link rel="alternate" hreflang="x-default" href="https://www.rfi.fr/x"/>
    <xhtml:link rel="alternate" hreflang="es" href="/es/relative"/>
    <xhtml:link rel="alternate" media="handheld" href="https://m.rfi.fr/x"/>
    <xhtml:link rel="amphtml" hreflang="pt" href="https://amp.rfi.fr/x"/>
  </url>
</urlset>
"""
WHOLE = SitemapEntry(
    url=CN,
    lastmod="2023-11-07T13:00:00Z",
    published="2023-11-07T11:35:00Z",
    title="灯塔 & 雾",
    language="zh-cn",
    keywords=["灯塔", "海", "雾"],
    image=Image("https://s.rfi.fr/media/display/a/w:1280/p:16x9/phare.jpg", "灯塔，冬天"),
    alternates=[Alternate("fr", FR), Alternate("en", QUERY)],
)


def urlset(*entries: str, declaration: str = DECLARATION) -> str:
    return f"{declaration}<urlset {NAMESPACES}>{''.join(entries)}</urlset>"


def url(address: str, more: str = "") -> str:
    return f"<url><loc>{escape(address)}</loc>{more}</url>\n"


def read_all(content: str | bytes) -> tuple[Sitemap, list[SitemapEntry]]:
    found = read_sitemap(content.encode() if isinstance(content, str) else content)
    return found, list(found.entries)


def addresses(content: str | bytes) -> list[str]:
    return [entry.url for entry in read_all(content)[1]]


def problems(content: str | bytes) -> list[str]:
    return read_all(content)[0].problems


def one(fields: str) -> SitemapEntry:
    (entry,) = read_all(urlset(f"<url>{fields}</url>"))[1]
    return entry


# ---------------------------------------------------------------------------------- what is in them


def test_news() -> None:
    found, entries = read_all(NEWS)
    assert (found.kind, entries, found.problems) == ("urlset", [WHOLE], [])


def test_index() -> None:
    found, entries = read_all(
        f"""{DECLARATION}<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
        <sitemap><loc>https://www.rfi.fr/sitemaps/cn/news.xml</loc></sitemap>
        <sitemap><loc>https://www.rfi.fr/sitemaps/cn/contents_202311.xml</loc>
        <lastmod>2023-11-07</lastmod></sitemap></sitemapindex>"""
    )
    assert (found.kind, found.problems) == ("index", [])
    assert entries == [
        SitemapEntry("https://www.rfi.fr/sitemaps/cn/news.xml"),
        SitemapEntry(
            "https://www.rfi.fr/sitemaps/cn/contents_202311.xml", lastmod="2023-11-07T23:59:59Z"
        ),
    ]


@pytest.mark.parametrize(
    "renamed",
    [
        {"<news:": "<n:", "</news:": "</n:", "xmlns:news": "xmlns:n"},
        {"<image:": "<i:", "</image:": "</i:", "xmlns:image": "xmlns:i"},
        {"<xhtml:link": "<x:link", "xmlns:xhtml": "xmlns:x"},
        {
            **{f"<{name}>": f"<sm:{name}>" for name in ("url", "loc", "lastmod", "changefreq")},
            **{f"</{name}>": f"</sm:{name}>" for name in ("url", "loc", "lastmod", "changefreq")},
            "<urlset": "<sm:urlset",
            "</urlset": "</sm:urlset",
            "xmlns=": "xmlns:sm=",
        },
        {NAMESPACES: ""},
        {
            "<image:image>": '<image xmlns="http://www.google.com/schemas/sitemap-image/1.1">',
            "<image:": "<",
            "</image:": "</",
        },
        {"<xhtml:link": '<link xmlns="http://www.w3.org/1999/xhtml"'},
        {"<image:image>": "", "</image:image>": ""},
        {"<news:news>": "", "</news:news>": ""},
    ],
    ids=[
        "news",
        "image",
        "xhtml",
        "sm",
        "undeclared",
        "inner default",
        "link",
        "bare",
        "bare news",
    ],
)
def test_prefixes_do_not_count(renamed: dict[str, str]) -> None:
    changed = NEWS
    for old, new in renamed.items():
        assert old in changed
        changed = changed.replace(old, new)
    found, entries = read_all(changed)
    assert (entries, found.problems) == ([WHOLE], [])


def test_order_is_kept() -> None:
    backwards = ADDRESSES[::-1]
    assert addresses(urlset(*map(url, ADDRESSES))) == ADDRESSES
    assert addresses(urlset(*map(url, backwards))) == backwards


def test_scheme_in_capitals() -> None:
    assert addresses(urlset(url("HTTPS://www.rfi.fr/cn/a"))) == ["HTTPS://www.rfi.fr/cn/a"]


@pytest.mark.parametrize(
    "written",
    [
        f"\n\t {escape(QUERY)} \r\n",
        f"\u00a0{escape(QUERY)}\u3000",
        f"<![CDATA[{QUERY}]]>",
        f"<![CDATA[ {QUERY[:30]}]]><![CDATA[{QUERY[30:]}\n]]>",
        f"<!-- {CN} --><![CDATA[{QUERY}]]>",
        escape(escape(QUERY)),
        escape(escape(escape(QUERY))),
        f"<![CDATA[{escape(QUERY)}]]>",
        "".join(f"&#x{ord(character):X};" for character in QUERY),
        f"{escape(QUERY[:30])}\n{escape(QUERY[30:])}",
        f"<b>{escape(QUERY)}</b>",
        f" </loc><loc>{escape(QUERY)}</loc><loc>{CN}",
    ],
)
def test_address_as_it_is_meant(written: str) -> None:
    found, entries = read_all(urlset(f"<url><loc>{written}</loc></url>"))
    assert entries == [SitemapEntry(QUERY)]
    assert found.problems == []


def test_each_address_once() -> None:
    twice = urlset(url(CN), url(FR), url(CN, "<lastmod>2023</lastmod>"), url(f" {FR} "))
    found, entries = read_all(twice)
    assert entries == [SitemapEntry(CN), SitemapEntry(FR)]
    assert found.problems == []


def test_entries_that_are_none_are_counted() -> None:
    found, entries = read_all(
        urlset(
            "<url/>",
            "<url><loc> \n</loc></url>",
            "<url><loc/><lastmod>2023-11-07</lastmod></url>",
            "<url><image:image><image:loc>https://s.rfi.fr/a.jpg</image:loc></image:image></url>",
            url("/cn/relative"),
            url("//www.rfi.fr/cn/a"),
            url("ftp://www.rfi.fr/cn/a"),
            url("javascript:alert(1)"),
            url("https://"),
            url("http://[broken/"),
            url("http://127.0.0.1/admin"),
            url(CN),
        )
    )
    assert entries == [SitemapEntry(CN)]
    assert found.problems == [
        "without an address: 4 skipped",
        "addresses that are not public http(s) ones: 7 skipped",
    ]


@pytest.mark.parametrize("empty", ["<urlset/>", "<sitemapindex />", "<urlset> </urlset>"])
def test_empty(empty: str) -> None:
    found, entries = read_all(empty)
    assert (entries, found.problems) == ([], [])


def test_fields_that_are_none() -> None:
    more = (
        "<lastmod>yesterday</lastmod><news:news><news:publication_date>2023-11-07"
        "</news:publication_date><news:title> </news:title><news:keywords>, ,</news:keywords>"
        "</news:news><image:image><image:caption>no picture</image:caption></image:image>"
    )
    assert one(f"<loc>{CN}</loc>{more}") == SitemapEntry(CN)


@pytest.mark.parametrize(
    ("written", "image"),
    [
        (
            "<image:loc>/a.jpg</image:loc><image:title>T &amp;amp; t</image:title>",
            Image("https://www.rfi.fr/a.jpg", "T & t"),
        ),
        (
            "<image:loc>https://s.rfi.fr/a?x=1&amp;amp;y=2</image:loc>",
            Image("https://s.rfi.fr/a?x=1&y=2"),
        ),
        ("<image:loc>data:image/gif;base64,R0</image:loc>", None),
        ("<image:loc>https://static.rfi.fr/meta_og_twcards/RFI_FB.png</image:loc>", None),
        (
            "<image:loc>file:///a</image:loc><image:caption>lost</image:caption></image:image><image:image><image:loc>https://s.rfi.fr/b.jpg</image:loc>",
            Image("https://s.rfi.fr/b.jpg"),
        ),
    ],
)
def test_image(written: str, image: Image | None) -> None:
    assert one(f"<loc>{CN}</loc><image:image>{written}</image:image>").image == image


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2023-11-07T12:35:00.5+01:00", "2023-11-07T11:35:00Z"),
        ("2023-11-07T12:35Z", "2023-11-07T12:35:00Z"),
        (" 2023-11-07 \n", "2023-11-07T23:59:59Z"),
        ("2023-11", "2023-11-30T23:59:59Z"),
        ("2023-02", "2023-02-28T23:59:59Z"),
        ("2024-02", "2024-02-29T23:59:59Z"),
        ("2023", "2023-12-31T23:59:59Z"),
        ("2023-11-07T12:35", "2023-11-07T12:35:00Z"),
        ("2023-11-31", None),
        ("2023-13", None),
        ("0000", None),
        ("", None),
        (None, None),
        ("Tue, 07 Nov 2023 12:35:00 GMT", None),
    ],
)
def test_latest(text: str | None, instant: str | None) -> None:
    assert latest(text) == instant


# ------------------------------------------------------------------------------------------- broken

BROKEN = "line 3: not well-formed; mended from there on"
TRUNCATED = "truncated: ends in the middle"


@pytest.mark.parametrize(
    "fault",
    [
        "<url><loc>https://www.rfi.fr/en/x?a=1&b=2</loc></url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&b=2</loc><news:news><news:title>A & B</news:title></news:news></url>",
        '<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc><xhtml:link href="/?a&b"/></url>',
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc><news:title>1 < 2</news:title></url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2<lastmod>2023</lastmod></url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2<news:news><news:name>RFI</news:name></news:news></url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc></b></url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc><image:image><image:loc>/a</image:loc></url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc><news:title><![CDATA[x</news:title></url>",
        "<url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc><!-- x</url>",
        "<url><loc><b>https://www.rfi.fr/en/x?a=1&amp;b=2</loc></url>",
        "</url><url><loc>https://www.rfi.fr/en/x?a=1&amp;b=2</loc></url>",
    ],
)
def test_a_fault_costs_no_entry(fault: str) -> None:
    after = "<url><loc><![CDATA[https://www.rfi.fr/fr/y?c=1&amp;d=2]]></loc></url>"
    found, entries = read_all(urlset(url(CN), fault, url(QUERY), after))
    assert [entry.url for entry in entries] == [
        CN,
        "https://www.rfi.fr/en/x?a=1&b=2",
        QUERY,
        "https://www.rfi.fr/fr/y?c=1&d=2",
    ]
    assert found.problems == [BROKEN]


def test_control_characters_and_nul_bytes_go() -> None:
    assert addresses(urlset(url(QUERY)).replace("rfi", "r\x00f\x0bi")) == [QUERY]


def test_half_an_address_is_none() -> None:
    assert addresses("<urlset><url><loc><![CDATA[https://www.rfi.fr/cn/]]><!-- 2023 -->") == []


def test_each_cut() -> None:
    content = urlset(url(CN), url(QUERY, "<lastmod>2023</lastmod>")).encode()
    complete = [content.index(b"</loc>") + 6, content.rindex(b"</loc>") + 6]
    for cut in range(content.index(b"<urlset ") + 8, len(content)):
        found, entries = read_all(content[:cut])
        expected = [CN, QUERY][: sum(cut >= end for end in complete)]
        assert [entry.url for entry in entries] == expected
        assert TRUNCATED in found.problems


def test_junk_around_it() -> None:
    content = f"\ufeff\nWarning: mysql_connect()<br />\n{urlset(url(CN))}\n<script>x</script>"
    assert addresses(content) == [CN]


@pytest.mark.parametrize(
    ("charset", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-8", "gb2312"),
        ("utf-8", "no-such-charset"),
        ("gb18030", "gb2312"),
        ("gb18030", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-8"),
    ],
)
def test_charset(charset: str, declared: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>\n'
    assert addresses(urlset(url(CN), declaration=declaration).encode(charset)) == [CN]


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(30))


def test_entities_are_not_expanded() -> None:
    started = time.process_time()
    content = urlset(
        url(CN, "<news:news><news:title>&l30;</news:title></news:news>"),
        "<url><loc>https://www.rfi.fr/&secret;</loc></url>",
        declaration=f'<!DOCTYPE urlset [<!ENTITY l0 "lol">{LAUGHS}'
        '<!ENTITY secret SYSTEM "file:///etc/passwd">]>',
    )
    found, entries = read_all(content)
    assert [entry.title for entry in entries] == ["&l30;", None]
    assert entries[1].url == "https://www.rfi.fr/&secret;"
    assert found.problems[0] == "declares entities: ignored"
    assert time.process_time() - started < 5


# --------------------------------------------------------------------------------------------- gzip


def test_gzip() -> None:
    packed = gzip.compress(NEWS.encode())
    assert read_all(packed)[1] == [WHOLE]
    assert problems(packed) == []
    halves = NEWS.encode()[:500], NEWS.encode()[500:]
    assert read_all(b"".join(map(gzip.compress, halves)))[1] == [WHOLE]


def test_damaged_gzip() -> None:
    many = [f"https://www.rfi.fr/cn/国际/20231107-{zlib.crc32(b'%d' % n)}" for n in range(5_000)]
    packed = gzip.compress(urlset(*map(url, many)).encode())
    found, entries = read_all(packed[: len(packed) // 2])
    assert found.problems[:1] == ["gzip: truncated"]
    assert 1_000 < len(entries) < 4_000
    assert [entry.url for entry in entries] == many[: len(entries)]
    bad_sum = packed[:-8] + b"\0" * 8
    found, entries = read_all(bad_sum)
    assert found.problems[0].startswith("gzip: ")
    assert [entry.url for entry in entries] == many[: len(entries)] != []


def test_gzip_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sitemap.MOST_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(sitemap, "MOST_BYTES", 1 << 20)
    content = urlset(url(CN)).encode()
    fits = gzip.compress(content.ljust(1 << 20))
    assert addresses(fits) == [CN]
    for bomb in (
        gzip.compress(content.ljust((1 << 20) + 1)),
        gzip.compress(content.ljust(50 << 20)),
        fits + gzip.compress(b" "),
    ):
        with pytest.raises(NotASitemap, match="more than 1 MiB when unpacked"):
            read_sitemap(bomb)


# -------------------------------------------------------------------------------------- not a sitemap


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "nothing in it"),
        (b"\xef\xbb\xbf \r\n", "nothing in it"),
        (DECLARATION.encode(), "nothing in it"),
        (gzip.compress(b"", mtime=0), "nothing in it"),
        (b"<!DOCTYPE html>\n<HTML><body><urlset></body></HTML>", "an HTML page"),
        (gzip.compress(b"<html>403</html>", mtime=0), "an HTML page"),
        (b"<rss><channel/></rss>", "a feed"),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"/>', "a feed"),
        (b'{"error": 403}', "no sitemap: neither <urlset> nor <sitemapindex> in it"),
        (b"https://www.rfi.fr/cn/a\n", "no sitemap: neither <urlset> nor <sitemapindex> in it"),
        (b"<urlsets/>", "no sitemap: neither <urlset> nor <sitemapindex> in it"),
        (b"\x1f\x8b", "gzip: truncated"),
        (b"\x1f\x8bgarbage", "gzip: Error -3"),
    ],
)
def test_not_a_sitemap(content: bytes, reason: str) -> None:
    with pytest.raises(NotASitemap) as error:
        read_sitemap(content)
    assert str(error.value).startswith(reason)
    assert len(str(error.value).splitlines()) == 1


# -------------------------------------------------------------------------------------------- months

INDEX = [
    SitemapEntry(f"https://www.rfi.fr/sitemaps/cn/{name}", "2023-11-15T00:00:00Z")
    for name in (
        "news.xml",
        "tags.xml",
        "tags_202311.xml",
        "contents.xml",
        "contents_202313.xml",
        "contents_20231101.xml",
        "contents_202310.xml",
        "contents_202312.xml",
        "contents_202311.xml.gz",
        "contents_202309.xml?x=1",
        "contents_202312.xml",
        "contents_202311/videos.xml",
    )
]
OCTOBER_ON = [
    f"https://www.rfi.fr/sitemaps/cn/contents_{name}"
    for name in ("202312.xml", "202311.xml.gz", "202310.xml")
]
ALL = [*OCTOBER_ON, "https://www.rfi.fr/sitemaps/cn/contents_202309.xml?x=1"]


@pytest.mark.parametrize(
    ("since", "until", "wanted"),
    [
        (None, None, ALL),
        ("2023-10-01T00:00:00Z", None, OCTOBER_ON),
        ("2023-09-30T21:59:59Z", None, ALL),
        ("2023-09-30T22:00:00Z", None, OCTOBER_ON),
        (None, "2023-09-30T21:59:59Z", ALL[-1:]),
        (None, "2023-09-30T22:00:00Z", ALL[-2:]),
        ("2023-11-30T22:59:59Z", "2023-11-30T22:59:59Z", ALL[1:2]),
        ("2023-11-30T23:00:00Z", "2023-12-01T00:00:00Z", ALL[:1]),
        ("2023-10-31T12:00:00Z", "2023-12-01T00:00:00Z", ALL[:3]),
        ("2024-01-01T00:00:00Z", None, []),
        (None, "2020-01-01T00:00:00Z", []),
        ("2023-12-01T00:00:00Z", "2023-10-01T00:00:00Z", []),
    ],
)
def test_months(since: str | None, until: str | None, wanted: list[str]) -> None:
    assert months(INDEX, since, until) == wanted


@pytest.mark.parametrize("lastmod", [None, "1999-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_months_by_name_alone(lastmod: str | None) -> None:
    index = [SitemapEntry(entry.url, lastmod) for entry in INDEX]
    since = "2023-10-15T00:00:00Z"
    assert months(index, since, None) == OCTOBER_ON


# ------------------------------------------------------------------------------------------ properties


def test_fifty_thousand_entries_one_at_a_time() -> None:
    many = [f"https://www.rfi.fr/fr/monde/20231107-{n}?a=1&b=é" for n in range(50_000)]
    found = read_sitemap(urlset(*map(url, many)).encode())
    assert next(found.entries).url == many[0]
    assert [entry.url for entry in found.entries] == many[1:]
    assert found.problems == []


PATHS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from("&<>'\"/%?#;]"))
ADDRESS = st.builds(
    "{}://{}/{}".format, st.sampled_from(["http", "https"]), st.just("a.example"), PATHS
)


def fitting(text: str) -> bool:
    return decode_references(text) == text


@settings(deadline=None)
@given(st.lists(ADDRESS.filter(fitting)), st.sampled_from(["urlset", "sitemapindex"]))
@example(["https://a.example/]]>"], "urlset")
@example(["https://a.example/&amp"], "sitemapindex")
def test_any_list_of_addresses_comes_back(written: list[str], root: str) -> None:
    name = "url" if root == "urlset" else "sitemap"
    entries = "".join(f"<{name}><loc>{escape(each)}</loc></{name}>" for each in written)
    found, read = read_all(f"{DECLARATION}<{root}>{entries}</{root}>")
    assert [entry.url for entry in read] == list(dict.fromkeys(written))
    assert found.problems == []


PIECES = [
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?", b"?>", b"<", b">", b"&", b"&amp;", b'"', b"'"),
    *(b"<url>", b"</url>", b"<loc>", b"</loc>", b"</urlset>", b"<urlset>", b"<html>", b"<url/>"),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"<!DOCTYPE a [", b"<!ENTITY a 'b'>", b"]>", b"\r\n"),
    *(b"<image:image>", b"<news:title>", b"<sitemapindex>", b"/", b"https://[", b"javascript:"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    content = draw(st.sampled_from([NEWS.encode(), urlset(*map(url, ADDRESSES)).encode()]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 0, 1, 2, 9, 200]))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=6))
        content = content[:start] + piece + content[start + length :]
    return gzip.compress(content) if draw(st.booleans()) else content


@settings(max_examples=300, deadline=None)
@given(mutated() | st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: b"\x1f\x8b" + b))
@example(b"<urlset")
@example(b"<urlset <url><loc>")
@example(b"<urlset></url></loc></urlset></urlset>")
@example(b"<sitemapindex><sitemap><loc><loc/>")
def test_raises_nothing_but_not_a_sitemap(content: bytes) -> None:
    try:
        found, entries = read_all(content)
    except NotASitemap:
        return
    used = [entry.url for entry in entries]
    used += [each.url for entry in entries for each in entry.alternates]
    assert all(each.lower().startswith(("http://", "https://")) for each in used)
    assert not any(map(is_private_host, used))
    assert len({entry.url for entry in entries}) == len(entries)
    assert all(len(problem.splitlines()) == 1 for problem in found.problems)


@pytest.mark.parametrize(
    "hostile",
    [
        "<urlset>" + "<![CDATA[" * 100_000,
        "<urlset><url><loc>" + "<![CDATA[" * 100_000 + "]]>",
        "<urlset><url><loc>" + "<!--" * 200_000,
        "<urlset>" + "<a>" * 200_000 + "</b>" * 200_000,
        "<urlset><url>" + "<loc>" * 200_000,
        "<urlset><url>" + "</url>" * 200_000,
        "<urlset><url><link " + "a " * 500_000 + "/>",
        "<urlset " + '"' * 500_001,
        "<urlset><url><loc>https://a.example/&" + "amp;" * 200_000,
        "<!DOCTYPE a [" + "<!--" * 200_000 + "<urlset>",
    ],
    ids=range(10),
)
def test_time_grows_with_size_alone(hostile: str) -> None:
    # What is quadratic somewhere does not end within the time limit of the tests.
    assert addresses(hostile) == []
