"""Feeds as they should be, and as they come.

The bad ones are those on which feed.py's parsers were compared (see its first lines).
"""

import gc
import gzip
import json
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rfinews.parsers.archive import read_document
from rfinews.parsers.feed import Entry, Feed, NotAFeed, read_feed

PROJECT = Path(__file__).resolve().parents[2]

CHINESE = "灯塔管理员说，今年冬天的雾比往年更浓，渡船每天只开两班。"
FRENCH = "Le gardien du phare a été félicité : « à l’île, l’été s’achève déjà », répète-t-il."
# HTML with what no parser may touch: glued tags, quotation marks, references, stray end tags.
BODY = (
    '<div>05/02/2024 - 09:15</div><imgsrc="https://s.example/a.jpg"><divclass="m-block">'
    f"<p style='x:\"y\"'>{CHINESE} <<灯塔法>> < 深 > &nbsp;&amp;#28783; &eacute; a&b</p></div></div>"
    "<br>\n<script>if (a<b && c>d) {}</script>\u3000"
)
NAMESPACES = (
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    'xmlns:atom="http://www.w3.org/2005/Atom"'
)
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def item(
    number: int = 1, *, title: str | None = None, body: str | None = BODY, more: str = ""
) -> str:
    title = title or f"Title {number}"
    payload = "" if body is None else f"<description><![CDATA[{body}]]></description>"
    return (
        f"<item><title>{title}</title><link>https://www.rfi.fr/cn/a/{number}</link>"
        f'<guid isPermaLink="false">id-{number}</guid>'
        f"<pubDate>Mon, 05 Feb 2024 09:15:0{number} +0100</pubDate>{payload}{more}</item>\n"
    )


def rss(*items: str, declaration: str = DECLARATION, namespaces: str = NAMESPACES) -> str:
    channel = f"<channel><title>灯塔 news</title>{''.join(items)}</channel>"
    return f'{declaration}<rss version="2.0" {namespaces}>{channel}</rss>'


def rss_item(*fields: str) -> str:
    return rss(f"<item>{''.join(fields)}</item>")


def atom(entry: str) -> str:
    return (
        f'<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><entry>{entry}</entry></feed>'
    )


def read(feed: str | bytes, charset: str | None = None) -> list[Entry]:
    return list(read_feed(feed.encode() if isinstance(feed, str) else feed, charset).entries)


def one(feed: str | bytes, charset: str | None = None) -> Entry:
    (entry,) = read(feed, charset)
    return entry


def read_all(body: bytes, charset: str | None = None) -> tuple[Feed, list[Entry]]:
    feed = read_feed(body, charset)
    return feed, list(feed.entries)


# --------------------------------------------------------------------------------- the three formats


def test_rss_2() -> None:
    feed, entries = read_all(rss(item(1), item(2)).encode())
    assert (feed.kind, feed.title, feed.problems, feed.truncated) == (
        "rss2",
        "灯塔 news",
        [],
        False,
    )
    assert entries[1] == Entry(
        link="https://www.rfi.fr/cn/a/2",
        guid="id-2",
        title="Title 2",
        date="2024-02-05T08:15:02Z",
        payload=BODY,
        summary=None,
        authors=[],
        categories=[],
        image=None,
        enclosures=[],
    )


def test_rss_1() -> None:
    feed, entries = read_all(
        f"""<?xml version="1.0"?><rdf:RDF xmlns="http://purl.org/rss/1.0/" {NAMESPACES}
        xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <channel rdf:about="https://f.example/"><title>F</title>
        <items><rdf:Seq><rdf:li rdf:resource="https://f.example/1"/></rdf:Seq></items></channel>
        <image><title>Logo</title></image>
        <item rdf:about="https://f.example/1"><title>One</title><dc:creator>Ada</dc:creator>
        <description>Short</description><content:encoded><![CDATA[<p>Long text</p>]]></content:encoded>
        <dc:date>2024-02-05T09:15:00+01:00</dc:date><dc:subject>sea</dc:subject></item>
        </rdf:RDF>""".encode()
    )
    assert (feed.kind, feed.title) == ("rss1", "F")
    assert entries == [
        Entry(
            link="https://f.example/1",
            guid="https://f.example/1",
            title="One",
            date="2024-02-05T08:15:00Z",
            payload="<p>Long text</p>",
            summary="Short",
            authors=["Ada"],
            categories=["sea"],
            image=None,
            enclosures=[],
        )
    ]


def test_atom() -> None:
    feed, entries = read_all(
        b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title>
        <author><name>The outlet</name></author>
        <entry><title>One</title><id>urn:1</id>
        <link rel="self" href="/self"/><link href="/one.json" type="application/json"/>
        <link rel="alternate" href="/one" type="text/html"/>
        <link rel="enclosure" href="/one.mp3" type="audio/mpeg"/>
        <updated>2024-02-06T00:00:00Z</updated><published>2024-02-05T09:15:00+01:00</published>
        <author><name>Ada</name><uri>https://f.example/ada</uri></author>
        <contributor><name>Bob</name></contributor>
        <category term="sea" label="The sea"/><category term="fog"/>
        <summary>Short</summary><content type="html">&lt;p&gt;Long &amp;amp; good&lt;/p&gt;</content>
        <source><title>Elsewhere</title><id>urn:2</id><author><name>Eve</name></author></source>
        </entry></feed>"""
    )
    assert (feed.kind, feed.title) == ("atom", "F")
    assert entries == [
        Entry(
            link="/one",
            guid="urn:1",
            title="One",
            date="2024-02-05T08:15:00Z",
            payload="<p>Long &amp; good</p>",
            summary="Short",
            authors=["Ada"],
            categories=["The sea", "fog"],
            image=None,
            enclosures=[("/one.mp3", "audio/mpeg", None)],
        )
    ]


# --------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize("name", ["description", "content:encoded"])
@pytest.mark.parametrize(
    "written",
    [
        f"<![CDATA[{BODY}]]>",
        escape(BODY),
        escape(BODY, quote=False),
        "".join(f"&#{ord(character)};" for character in BODY),
        f"<![CDATA[{BODY[:40]}]]><![CDATA[{BODY[40:]}]]>",
        f"<!-- <![CDATA[ -->{escape(BODY[:40])}<![CDATA[{BODY[40:]}]]>",
    ],
    ids=["cdata", "escaped", "quotes left", "numeric", "two cdata", "comment"],
)
@pytest.mark.parametrize("broken", ["", "<title>&nope;</title>"], ids=["well-formed", "mended"])
def test_rss_bodies_are_verbatim(name: str, written: str, broken: str) -> None:
    assert one(rss_item(broken, f"<{name}>{written}</{name}>")).payload == BODY


def test_body_in_another_chunk_and_across_chunks() -> None:
    # Longer than what expat is given at once, CDATA marks at every offset around the borders.
    bodies = [BODY * 40 + "x" * number for number in range(300)]
    for wrap in ("<![CDATA[{}]]>", "{}"):
        fields = [
            f"<item><description>{wrap.format(body if 'CDATA' in wrap else escape(body))}"
            "</description></item>"
            for body in bodies
        ]
        assert [entry.payload for entry in read(rss(*fields))] == bodies


XHTML = '<div xmlns="http://www.w3.org/1999/xhtml"><p class="a">1 &lt; 2<br/>é</p ></div>'
XHTML_WITH_PREFIX = """<content type="xhtml" xmlns:x="http://www.w3.org/1999/xhtml"
><x:div><x:p>One <x:em>two</x:em></x:p></x:div></content>"""


@pytest.mark.parametrize(
    ("content", "payload"),
    [
        ('<content type="html"><![CDATA[<p>a &amp; b</p>]]></content>', "<p>a &amp; b</p>"),
        ('<content type="text">1 &lt; 2</content>', "1 &lt; 2"),
        ('<content type="text/html" mode="escaped">&lt;p&gt;old</content>', "<p>old"),
        ('<content type="image/png">aGVsbG8=</content>', None),
        ('<content src="https://f.example/elsewhere" type="text/html"/>', None),
        (
            f'<content type="xhtml">{XHTML}</content>',
            XHTML,
        ),
        (
            XHTML_WITH_PREFIX,
            "<div><p>One <em>two</em></p></div>",
        ),
    ],
)
def test_atom_content(content: str, payload: str | None) -> None:
    assert one(atom(content)).payload == payload


def test_markup_that_nobody_escaped() -> None:
    written = "<p>One &amp; two<br/><![CDATA[<b>three]]></p>"
    assert one(rss_item(f"<description>{written}</description>")).payload == (
        "<p>One &amp; two<br/><b>three</p>"
    )
    word = "<o:p>One</o:p>"
    assert one(rss_item(f"<description>{word}</description>")).payload == word
    html = "<p>One & two<br><title>t</title><link href=x>&nbsp;<img src=a>"
    entry = one(rss_item(f"<description>{html}</description><guid>g</guid>"))
    assert (entry.payload, entry.guid, entry.title) == (html, "g", None)


def test_stray_tags_in_an_escaped_body() -> None:
    written = f"{escape(BODY)}</b><br>"
    assert one(rss_item(f"<description>{written}</description>")).payload == BODY
    assert one(rss_item(f"<description>{escape(BODY)}<br/></description>")).payload == BODY


def test_the_longest_text_is_the_payload() -> None:
    long, short = "<p>All of the text</p>", "<p>Teaser</p>"
    fields = "<description>{}</description>", "<content:encoded>{}</content:encoded>"
    for first, second in ((long, short), (short, long)):
        written = [
            field.format(escape(text)) for field, text in zip(fields, (first, second), strict=True)
        ]
        assert one(rss_item(*written)).payload == long
    entry = one(rss_item(*[field.format(escape(long)) for field in fields]))
    assert (entry.payload, entry.summary) == (long, long)


# --------------------------------------------------------------------------------------------- fields


def test_entry_without_anything() -> None:
    nothing = Entry(None, None, None, None, None, None, [], [], None, [])
    assert one(rss("<item/>")) == nothing
    blank = "".join(
        f"<{name}> \n\u3000</{name}>"
        for name in ("title", "link", "guid", "pubDate", "description", "dc:creator", "category")
    )
    assert one(rss_item(blank)) == nothing
    assert one(rss_item("<pubDate>yesterday</pubDate>")).date is None
    assert read(rss()) == []


def test_title_is_decoded_once() -> None:
    assert one(rss(item(title="A &amp;amp; B &amp;#28783;"))).title == "A &amp; B &#28783;"
    assert one(rss(item(title="<![CDATA[A &amp; B]]>"))).title == "A &amp; B"
    assert one(rss(item(title="\n one  <b>two</b>\n"))).title == "one  two"


@pytest.mark.parametrize(
    ("fields", "link"),
    [
        ("<link>/cn/relative?a=1&amp;b=2</link>", "/cn/relative?a=1&b=2"),
        (
            "<link>\n https://x.example/ \n</link><guid>https://y.example/</guid>",
            "https://x.example/",
        ),
        ("<guid>https://y.example/</guid>", "https://y.example/"),
        ('<guid isPermaLink="true">HTTP://y.example/</guid>', "HTTP://y.example/"),
        ('<guid isPermaLink="false">https://y.example/</guid>', None),
        ("<guid>12345</guid>", None),
        ("<guid>javascript:alert(1)</guid>", None),
        ('<link/><atom:link href="https://z.example/"/>', "https://z.example/"),
        ('<atom:link rel="self" href="https://z.example/"/>', None),
        ("<link>javascript:alert(1)</link>", "javascript:alert(1)"),
    ],
)
def test_link(fields: str, link: str | None) -> None:
    assert one(rss_item(fields)).link == link


@pytest.mark.parametrize(
    ("fields", "date"),
    [
        ("<dc:date>2024-02-05T09:15:00+01:00</dc:date>", "2024-02-05T08:15:00Z"),
        (
            "<dc:date>2024-01-01T00:00:00Z</dc:date><pubDate>Mon, 05 Feb 2024 08:15 GMT</pubDate>",
            "2024-02-05T08:15:00Z",
        ),
        ("<pubDate>soon</pubDate><dc:date>2024-01-01T00:00:00Z</dc:date>", "2024-01-01T00:00:00Z"),
        ("<pubDate>2024-01-01T00:00:00Z</pubDate>", "2024-01-01T00:00:00Z"),
    ],
)
def test_date(fields: str, date: str) -> None:
    assert one(rss_item(fields)).date == date


@pytest.mark.parametrize(
    ("fields", "authors"),
    [
        (
            "<dc:creator>Ada</dc:creator><dc:creator>Bob</dc:creator><author>x</author>",
            ["Ada", "Bob"],
        ),
        ("<author>desk@f.example (Ada Lovelace)</author>", ["Ada Lovelace"]),
        ("<author>Ada</author>", ["Ada"]),
        ("<atom:author><atom:name>Ada</atom:name></atom:author>", ["Ada"]),
        ("<itunes:author>Ada</itunes:author>", ["Ada"]),
    ],
)
def test_authors(fields: str, authors: list[str]) -> None:
    assert one(rss_item(fields)).authors == authors


def test_categories_once_each_in_order() -> None:
    fields = "<category>sea</category><category> fog</category><category>sea</category><category/>"
    assert one(rss_item(fields)).categories == ["sea", "fog"]


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ('<media:thumbnail url="https://s.example/t"/>', "https://s.example/t"),
        (
            '<media:thumbnail url="/t.jpg"/><media:content medium="image" url="/c"/>',
            "/c",
        ),
        ('<media:content url="/c.jpg?w=1"/>', "/c.jpg?w=1"),
        ('<media:content url="/c.mp4"/>', None),
        (
            '<media:content type="video/mp4" url="/v"><media:thumbnail url="/t"/></media:content>',
            "/t",
        ),
        ('<media:group><media:content type="image/webp" url="/g"/></media:group>', "/g"),
        ('<enclosure type="image/jpeg" url="/e" length="1"/>', "/e"),
        ('<enclosure type="audio/mpeg" url="/e"/><itunes:image href="/i"/>', "/i"),
        ('<media:thumbnail url=" "/>', None),
    ],
)
def test_image(fields: str, image: str | None) -> None:
    assert one(rss_item(fields)).image == image


@pytest.mark.parametrize(
    ("fields", "enclosures"),
    [
        (
            '<enclosure url="/a.mp3" type="audio/mpeg" length="9"/><itunes:duration>3:20</itunes:duration>',
            [("/a.mp3", "audio/mpeg", 200)],
        ),
        (
            '<enclosure url="/a.jpg" type="image/jpeg"/><itunes:duration>200</itunes:duration>',
            [("/a.jpg", "image/jpeg", None)],
        ),
        ('<enclosure url="/a"/><enclosure url="/a"/><enclosure/>', [("/a", None, None)]),
        (
            '<media:content url="/v.mp4" type="video/mp4" duration="61"/><media:content url="/p.png"/>',
            [("/v.mp4", "video/mp4", 61)],
        ),
    ],
)
def test_enclosures(fields: str, enclosures: list[tuple[str, str | None, int | None]]) -> None:
    assert one(rss_item(fields)).enclosures == enclosures


# ----------------------------------------------------------------------------------------- namespaces


@pytest.mark.parametrize(
    "namespaces",
    [
        'xmlns:c="http://purl.org/rss/1.0/modules/content/"',
        'xmlns:c="https://purl.org/rss/1.0/modules/content"',
    ],
)
def test_namespaces_count_not_prefixes(namespaces: str) -> None:
    entry = "<item><c:encoded>Body</c:encoded></item>"
    assert one(rss(entry, namespaces=namespaces)).payload == "Body"
    foreign = "<item><content:encoded>Body</content:encoded><x:title>no</x:title></item>"
    declared = 'xmlns:content="urn:other" xmlns:x="urn:x"'
    assert one(rss(foreign, namespaces=declared)) == one(rss("<item/>"))


def test_namespace_declared_on_the_element_or_on_the_root() -> None:
    inside = '<c:encoded xmlns:c="http://purl.org/rss/1.0/modules/content/">Body</c:encoded>'
    assert one(rss_item(inside)).payload == "Body"
    prefixed = '<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:title>T</a:title></a:entry></a:feed>'
    assert one(prefixed).title == "T"
    of_its_own = '<rss xmlns="http://backend.userland.com/rss2"><channel><item><title>T</title></item></channel></rss>'
    assert one(of_its_own).title == "T"
    assert one("<feed><entry><title>T</title></entry></feed>").title == "T"


def test_undeclared_prefix_means_what_it_says() -> None:
    fields = "<content:encoded>Body</content:encoded><dc:creator>Ada</dc:creator><x:y>z</x:y>"
    entry = one(rss(f"<item>{fields}</item>", namespaces=""))
    assert (entry.payload, entry.authors) == ("Body", ["Ada"])


# --------------------------------------------------------------------------------------- broken feeds


def test_truncated_anywhere() -> None:
    # At every byte: the entries complete up to there, exactly as in the whole feed, and no other.
    body = rss(item(1), item(2, body=None), item(3)).encode()
    whole = read(body)
    ends = [at + len(b"</item>") for at in range(len(body)) if body.startswith(b"</item>", at)]
    for cut in range(body.index(b"<channel"), len(body) - 1):
        feed, entries = read_all(body[:cut])
        assert entries == whole[: sum(end <= cut for end in ends)]
        assert feed.truncated
        assert feed.problems[-1].startswith("truncated")


def test_truncated_after_a_fault() -> None:
    body = rss(item(1, title="&nope;"), item(2), item(3)).encode()
    whole = read(body)
    for cut in range(body.index(b"</item>") + 7, len(body) - 1):
        feed, entries = read_all(body[:cut])
        assert entries == whole[: body[:cut].count(b"</item>")]
        assert feed.truncated


def test_control_characters() -> None:
    dirty = "a\x00\x08b\x0b\x1fc\ufffe"
    feed, entries = read_all(rss(item(1, title=dirty, body=f"<p>{dirty}</p>"), item(2)).encode())
    assert [entry.title for entry in entries] == ["abc\ufffe", "Title 2"]
    assert [entry.payload for entry in entries] == ["<p>abc\ufffe</p>", BODY]
    assert feed.problems == ["line 2: not well-formed (invalid token); mended from there on"]
    assert one(rss(item(title="a&#0;b&#x1F;c&#xD800;d&#99999999;"))).title == "abcd&#99999999;"


def test_undefined_entities() -> None:
    entry = one(
        rss(item(title="caf&eacute;&nbsp;&amp;amp; &hellip; &nope; &#233;", body="&eacute;"))
    )
    assert entry.title == "café\xa0&amp; … &nope; é"
    assert entry.payload == "&eacute;"
    assert one(rss_item("<description>&lt;p&gt;&eacute;&nbsp;</description>")).payload == "<p>é\xa0"


@pytest.mark.parametrize(
    "before",
    ["\ufeff", "\n\n  ", "\ufeff\r\n\t\n", "\n\ufeff", "\x00\n", "<!-- <rss> -->\n", "junk "],
)
def test_before_the_declaration(before: str) -> None:
    feed, entries = read_all((before + rss(item(1), item(2))).encode())
    assert [entry.payload for entry in entries] == [BODY, BODY]
    assert feed.problems == []


def test_behind_the_end() -> None:
    feed, entries = read_all((rss(item()) + "\n<script>x</script> & <item/>").encode())
    assert (len(entries), feed.problems) == (1, [])


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("AT&T R&D, x & y; a&b; &", "AT&T R&D, x & y; a&b; &"),
        ("1 < 2 <<灯塔法>> >", "1 < 2 <<灯塔法>> >"),
        ("A <b>bold one", "A bold one"),
        ("A <![CDATA[ one", "A  one"),
        ("A <!-- one", "A  one"),
    ],
)
def test_faults_in_a_title(title: str, text: str) -> None:
    feed, entries = read_all(
        rss(item(1), item(2, title=title), item(3, title="Three &amp; 3")).encode()
    )
    assert [entry.title for entry in entries] == ["Title 1", text, "Three & 3"]
    assert [entry.payload for entry in entries] == [BODY] * 3
    assert [entry.link for entry in entries] == [f"https://www.rfi.fr/cn/a/{n}" for n in (1, 2, 3)]
    assert len(feed.problems) == 1


@pytest.mark.parametrize(
    "end", ["</title>", "</link>", "</guid>", "</pubDate>", "</description>", "</item>"]
)
def test_missing_end_tag(end: str) -> None:
    broken = rss(item(1), item(2, more="<category>sea</category>").replace(end, ""), item(3))
    whole = rss(item(1), item(2, more="<category>sea</category>"), item(3))
    assert read(broken) == read(whole)


def test_cdata_without_an_end() -> None:
    feed, entries = read_all(
        rss(item(1), item(2, body=BODY), item(3)).replace("]]>", "", 2).encode()
    )
    assert [entry.payload for entry in entries] == [BODY] * 3
    assert len(feed.problems) == 1
    assert not feed.truncated


def test_cdata_in_cdata() -> None:
    text = "<p>How to write <![CDATA[ in XML</p>"
    assert [entry.payload for entry in read(rss(item(1, body=text), item(2)))] == [text, BODY]
    broken = "<p>How to <![CDATA[write]]> it</p>"
    entries = read(rss(item(1, body=broken), item(2)))
    assert [entry.payload for entry in entries] == ["<p>How to write it</p>", BODY]


@pytest.mark.parametrize(
    "stray",
    [
        "</b>",
        "</channel2>",
        '<media:thumbnail url="/t">',
        "<atom:author>",
        "<?php x",
        "<a b='c>",
        "]]>",
    ],
)
def test_stray_markup_between_fields(stray: str) -> None:
    feed, entries = read_all(rss(item(1).replace("<link>", f"{stray}<link>"), item(2)).encode())
    assert [entry.title for entry in entries] == ["Title 1", "Title 2"]
    assert [entry.payload for entry in entries] == [BODY, BODY]
    assert [entry.link for entry in entries] == [f"https://www.rfi.fr/cn/a/{n}" for n in (1, 2)]
    assert not feed.truncated


def test_attributes_in_a_mended_feed() -> None:
    fields = (
        "<title>&nope;</title><guid isPermaLink='false'>https://y.example/</guid>"
        '<enclosure url="/a?b=1&c=2&amp;d=3" type=audio/mpeg />'
    )
    entry = one(rss_item(fields))
    assert entry.link is None
    assert entry.enclosures == [("/a?b=1&c=2&d=3", "audio/mpeg", None)]


def test_mending_changes_nothing_that_is_well_formed() -> None:
    broken = WHOLE.replace(b"<channel>", b"<channel>&nope;", 1)
    feed, entries = read_all(broken)
    assert feed.problems == ["line 2: undefined entity; mended from there on"]
    assert (feed.title, entries) == ("灯塔 news", read(WHOLE))


def test_nothing_is_delivered_twice_or_lost_around_a_fault() -> None:
    feed = rss("<item/>", item(1), "&nope;", "<item/>", item(2), "<item></item>")
    assert [entry.title for entry in read(feed)] == [None, "Title 1", None, "Title 2", None]


def test_too_deep_and_too_many_names() -> None:
    deep = "<content:encoded>" + "<i>" * 60_000 + "x" + "</i>" * 60_000 + "</content:encoded>"
    feed, entries = read_all(rss(item(1), f"<item>{deep}</item>", item(2)).encode())
    assert [len(entry.payload or "") for entry in entries] == [len(BODY), 60_000 * 7 + 1, len(BODY)]
    assert feed.problems == ["nested deeper than 256 elements; mended from there on"]
    names = "".join(f"<n{number}/>" for number in range(50_000))
    feed, entries = read_all(rss(item(1), names, item(2)).encode())
    assert [entry.title for entry in entries] == ["Title 1", "Title 2"]
    assert feed.problems == ["more than 5000 names of elements; mended from there on"]


# ------------------------------------------------------------------------------------------- entities


def doctype(*declarations: str) -> str:
    return f"<!DOCTYPE rss [{''.join(declarations)}]>"


def test_billion_laughs() -> None:
    laughs = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
    bomb = doctype('<!ENTITY l0 "lol">', *laughs)
    feed, entries = read_all(
        rss(
            item(1),
            item(2, title="&l9;", more='<enclosure url="&l9;"/>'),
            item(3),
            declaration=bomb,
        ).encode()
    )
    assert [entry.title for entry in entries] == ["Title 1", "&l9;", "Title 3"]
    assert entries[1].enclosures == [("&l9;", None, None)]
    assert [entry.payload for entry in entries] == [BODY] * 3
    assert feed.problems[0] == "declares entities: ignored"


def test_external_entities(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    declarations = doctype(
        f'<!ENTITY x SYSTEM "{secret.as_uri()}">', f'<!ENTITY % y SYSTEM "{secret.as_uri()}"> %y;'
    )
    feed, entries = read_all(rss(item(1), item(2, title="&x;"), declaration=declarations).encode())
    assert [entry.title for entry in entries] == ["Title 1", "&x;"]
    assert "secret" not in repr(entries) + repr(feed.problems)


def test_document_types_are_passed_over() -> None:
    declared = doctype(
        "<!-- don't ]> -->", '<!ENTITY h "<html><rss><channel><item/>]>">', "<!ELEMENT a (b)>"
    )
    assert [entry.title for entry in read(rss(item(1), declaration=declared))] == ["Title 1"]
    public = '<!DOCTYPE rss PUBLIC "-//N//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss.dtd">'
    feed, entries = read_all(rss(item(1), declaration=public).encode())
    assert (len(entries), feed.problems) == (1, [])


# ------------------------------------------------------------------------------------------- charsets


def in_charset(text: str, charset: str, declared: str | None) -> bytes:
    declaration = (
        f'<?xml version="1.0" encoding="{declared}"?>' if declared else '<?xml version="1.0"?>'
    )
    body = f"<p>{text}</p>"
    feed = rss(item(title=text, body=body), declaration=declaration).replace("灯塔 news", "news")
    return feed.encode(charset)


@pytest.mark.parametrize(
    ("text", "charset", "declared", "http"),
    [
        (CHINESE, "gb18030", "GB18030", None),
        (CHINESE, "gb18030", "gb2312", None),
        (CHINESE, "gb18030", None, "gbk"),
        (CHINESE, "gb18030", None, None),
        (CHINESE, "gb18030", "utf-8", None),
        (CHINESE, "gb18030", "utf-8", "utf-8"),
        (CHINESE, "gb18030", "gb2312", "iso-8859-1"),
        (CHINESE, "gb18030", None, "iso-8859-1"),
        (FRENCH, "cp1252", "windows-1252", None),
        (FRENCH, "cp1252", None, "iso-8859-1"),
        (FRENCH, "cp1252", None, None),
        (FRENCH, "cp1252", "utf-8", None),
        (FRENCH, "cp1252", "utf-8", "utf-8"),
        (FRENCH, "cp1252", "gb2312", None),
        ("Élysée", "cp1252", None, None),
        ("Łódź, gdzie żółw", "iso8859-2", "iso-8859-2", None),
        ("Маяк закрыт на зиму", "cp1251", "windows-1251", "iso-8859-1"),
        ("燈塔管理員", "big5", "Big5", None),
        (CHINESE + FRENCH, "utf-8", "gb2312", "windows-1252"),
        (CHINESE + FRENCH, "utf-8", None, "zlib"),
        (CHINESE + FRENCH, "utf-8-sig", "gb2312", None),
        (CHINESE + FRENCH, "utf-16", "utf-16", None),
        (CHINESE + FRENCH, "utf-16-le", None, None),
        (CHINESE + FRENCH, "utf-16-be", None, None),
        (CHINESE + FRENCH, "utf-32", None, None),
    ],
)
def test_charset(text: str, charset: str, declared: str | None, http: str | None) -> None:
    feed, entries = read_all(in_charset(text, charset, declared), http)
    assert [(entry.title, entry.payload) for entry in entries] == [(text, f"<p>{text}</p>")]
    wrong = [problem for problem in feed.problems if "charset" in problem]
    named = {"utf-8": "utf", "gb18030": "gb", "cp1252": "1252 8859"}.get(charset, charset)
    claims = [claim for claim in (declared, http) if claim]
    if claims and charset in ("gb18030", "cp1252"):
        honest = any(part in claim.lower() for claim in claims for part in named.split())
        assert bool(wrong) is not honest


@pytest.mark.parametrize(
    "http", ["zlib", "base64", "rot13", "unicode_escape", "idna", "no\x00ne", "é", ""]
)
def test_charsets_that_are_none(http: str) -> None:
    assert one(in_charset(FRENCH, "cp1252", None), http).title == FRENCH


def test_some_bad_bytes_are_no_other_charset() -> None:
    body = rss(item(1), item(2, body=CHINESE)).encode()
    broken = body.replace("灯塔管理员".encode(), "灯塔管理".encode() + b"\xe5\xff", 1)
    feed, entries = read_all(broken)
    assert [entry.title for entry in entries] == ["Title 1", "Title 2"]
    assert entries[0].payload == BODY.replace("管理员", "管理\ufffd\ufffd")
    assert entries[1].payload == CHINESE
    assert feed.problems == ["not quite UTF-8: what cannot be read is U+FFFD"]


def test_truncated_within_a_character() -> None:
    for charset in ("utf-8", "gb18030"):
        body = in_charset(CHINESE, charset, charset) * 1
        body = body.replace(b"</channel></rss>", item(2, title=CHINESE).encode(charset))
        cut = body.rindex("雾".encode(charset)) + 1
        feed, entries = read_all(body[:cut])
        assert [entry.title for entry in entries] == [CHINESE]
        assert feed.truncated


# ----------------------------------------------------------------------------------------- not a feed


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "nothing in it"),
        (b"\xef\xbb\xbf \r\n\x00", "nothing in it"),
        (
            b"<!DOCTYPE html>\n<html><head><title>Gone</title></head><body><rss></body></html>",
            "HTML",
        ),
        (
            b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><p>x</p></html>',
            "HTML",
        ),
        ("<html>请稍候</html>".encode("utf-16"), "HTML"),
        (b'{"version": "https://jsonfeed.org/version/1"}', "no feed"),
        (b'<?xml version="1.0"?><urlset><url/></urlset>', "no feed"),
        (b'<opml version="2.0"><head/></opml>', "no feed"),
        (b"<!-- <rss> -->", "nothing in it"),
        (b"<rs", "no feed"),
        (b"\x1f\x8b\x08\x00garbage", "no feed"),
    ],
)
def test_not_a_feed(body: bytes, reason: str) -> None:
    with pytest.raises(NotAFeed) as error:
        read_feed(body)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


# --------------------------------------------------------------------------------------- real bodies


def test_real_payloads_are_verbatim(samples: Path) -> None:
    with gzip.open(samples / "archive-2020-plain.jsonl.gz", "rt", encoding="utf-8") as file:
        payloads = [read_document(json.loads(line)["text"]).payload.strip() for line in file]
    assert len(payloads) > 700
    in_cdata = [f"<item><description><![CDATA[{text}]]></description></item>" for text in payloads]
    escaped = [f"<item><description>{escape(text)}</description></item>" for text in payloads]
    for fault in ("", "&nope;"):
        for items in (in_cdata, escaped):
            assert [entry.payload for entry in read(rss(fault, *items))] == payloads


# ------------------------------------------------------------------------------------------ any bytes

WHOLE = rss(
    item(1, more='<media:thumbnail url="/t.jpg"/><enclosure url="/a.mp3" type="audio/mpeg"/>'),
    item(2, title="&lt;b&gt; &amp;amp; &#28783;", body=None),
    "<item><description><p>One<br/>two</p></description></item>",
    item(3),
).encode()
PIECES = [
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?", b"?>", b"<", b">", b"&", b"&nbsp;", b'"', b"'"),
    *(
        b"</item>",
        b"<item>",
        b"</title>",
        b"<title>",
        b"</rss>",
        b"<html>",
        b"<item/>",
        b"</channel>",
    ),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"<!DOCTYPE rss [", b"<!ENTITY a 'b'>", b"]>", b"\r\n"),
    *(b"<a:b xmlns:a='c'>", b"xmlns='http://www.w3.org/2005/Atom' ", "灯".encode("gb18030")),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    body = WHOLE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        length = draw(st.sampled_from([0, 0, 1, 2, 9, 200]))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=6))
        body = body[:start] + piece + body[start + length :]
    return body


def fields_are_sound(entry: Entry) -> bool:
    texts = [
        entry.link,
        entry.guid,
        entry.title,
        entry.date,
        entry.payload,
        entry.summary,
        entry.image,
    ]
    lists = [*entry.authors, *entry.categories, *(url for url, _, _ in entry.enclosures)]
    return all(text is None or text.strip() for text in texts) and all(
        text.strip() for text in lists
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated() | st.binary(max_size=300), st.none() | st.text(max_size=12))
@example(b"<rss", None)
@example(b"<rss/>", None)
@example(b"<rss></rss>", None)
@example(b"<feed><entry>", "utf-16")
@example(b"<rss><channel><item><title></item>", None)
@example(b"<rss><channel><title><item><title/></item>", None)
@example(b"<rdf:RDF><item a:about=''/></rdf:RDF>", None)
def test_raises_nothing_but_not_a_feed(body: bytes, charset: str | None) -> None:
    try:
        feed = read_feed(body, charset)
    except NotAFeed:
        return
    assert all(fields_are_sound(entry) for entry in feed.entries)
    assert all(len(problem.splitlines()) == 1 for problem in feed.problems)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["description", "content:encoded"]))
@example("]]", "description")
@example("]]>", "description")
@example("\r\n\r", "description")
def test_any_escaped_text_comes_back(text: str, name: str) -> None:
    text = "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"))
    try:
        body = rss_item(f"<{name}>{escape(text)}</{name}>").encode()
    except UnicodeEncodeError:  # lone surrogates
        return
    expected = text if text.strip() else None
    assert one(body).payload == expected
    mended = body.replace(b"<item>", b"<item><title>&nope;</title>")
    assert one(mended).payload == expected
    if "]]>" not in text and not text.endswith("]"):
        in_cdata = rss_item(f"<{name}><![CDATA[{text}]]></{name}>").encode()
        assert one(in_cdata).payload == expected


# ---------------------------------------------------------------------------------- time and memory


@pytest.mark.parametrize(
    "hostile",
    [
        "<!DOCTYPE a [" + "<!--" * 500_000,
        "<!DOCTYPE a [" + '"' * 2_000_001,
        "<rss><!--" + "<![CDATA[" * 200_000 + "-->",
        "<rss><channel><item><title>" + "<![CDATA[" * 200_000,
        "<rss><channel><item><title>" + "<![CDATA[</title>" * 100_000 + "]]>",
        "<rss><channel><item><title>" + "<!--" * 500_000,
        "<rss><channel><item " + "a " * 1_000_000 + "/>",
        "<rss><channel><item " + "a" * 2_000_000 + "/>",
        "<rss><channel><item " + '"' * 2_000_001 + "/>",
        "<rss><channel><item><author>" + "a@" * 1_000_000 + "</author></item>",
        "<rss><channel>" + "<a>" * 500_000,
        "<rss><channel>" + "</a>" * 500_000,
    ],
    ids=range(12),
)
def test_time_grows_with_size_alone(hostile: str) -> None:
    # What is quadratic somewhere does not end within the time limit of the tests.
    try:
        entries = read(hostile)
    except NotAFeed:
        return
    assert len(entries) <= 1


def test_the_source_is_let_go() -> None:
    gc.disable()
    try:
        for body in (rss(item(1), item(2)).encode(), rss(item(1), "&nope;", item(2)).encode()):
            before = sys.getrefcount(body)
            assert len(read(body)) == 2
            assert sys.getrefcount(body) == before
            assert next(read_feed(body).entries).payload == BODY
            assert sys.getrefcount(body) == before
    finally:
        gc.enable()


MEASURE = """
import resource, sys
from rfinews.parsers.feed import read_feed

item = b"<item><title>T &amp; t</title><description><![CDATA[" + b"%s" * 400 + b"]]></description></item>"
body = b"<rss><channel>" + item * (50_000_000 // len(item)) + sys.argv[1].encode() + b"</channel></rss>"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(entry.payload is not None for entry in read_feed(body).entries)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(body), count, body.count(b"<item>"), (peak - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux")
@pytest.mark.parametrize(
    ("text", "charset"), [(CHINESE, "utf-8"), (CHINESE, "gb18030")], ids=["utf-8", "gb18030"]
)
@pytest.mark.parametrize("fault", ["", "&nope;<item>"], ids=["well-formed", "broken"])
def test_memory_of_a_large_feed(text: str, charset: str, fault: str) -> None:
    script = MEASURE % "".join(f"\\x{byte:02x}" for byte in text.encode(charset))
    output = subprocess.run(
        [sys.executable, "-c", script, fault],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    size, delivered, written, megabytes = map(int, output.split())
    assert size > 49_000_000
    assert delivered == written - bool(fault)
    assert megabytes < 200
