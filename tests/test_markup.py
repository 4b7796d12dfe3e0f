"""Clean markup: the rules of CONTRACT section 4 one by one, and properties for any text."""

import unicodedata
from html import escape

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rfinews import markup
from rfinews.editions import EDITIONS
from rfinews.markup import (
    TooDeep,
    content_hash,
    decode_references,
    mend,
    parse,
    plain,
    render,
    sanitize,
    settle_links,
    visible_text,
    words,
)
from tests import oracle

BASE = "https://www.rfi.fr/cn/国际/20231107-例题"


def clean(html: str) -> tuple[str, str]:
    """What leaves of a payload: its HTML and its text."""
    body = parse(f"<body>{html}").body
    assert body is not None
    settle_links(body, BASE)
    content = render([body])
    return sanitize(content.html), content.text


def blocks_of(html: str) -> list[str]:
    return clean(html)[1].split("\n\n")


# ------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \n\t\r\f\v ", ""),
        ("一\u3000二\xa0\xa0三\u2009四\u202f五\u2028六\x85七", "一 二 三 四 五 六 七"),
        ("　　段首空两格", "段首空两格"),
        ("国\u200b际\ufeff新\u2060闻", "国际新闻"),
        ("co\xadopé\xadration", "coopération"),
        ("\u200c中\u200d文\u200c", "中文"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u200cمی خواهم\u200c", "می خواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("a\u200db", "ab"),
        ("\u200f سلام \u200e", "\u200f سلام \u200e"),
        ("a\x00b\x08c\x1bd\x7fe\x80f\x9fg\ufffeh\uffffi\ud800j", "abcdefghij"),
        ("a\x1cb\x1fc", "a b c"),
        ("a\u200b \u200bb", "a b"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(st.text(st.characters()))
def test_plain_is_idempotent_and_on_one_line(text: str) -> None:
    line = plain(text)
    assert plain(line) == line == " ".join(line.split())
    assert oracle.letters(line) == oracle.letters(text)
    assert line.encode().decode() == line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&#22338;", "坂"),
        ("&amp;#22338;", "坂"),
        ("&amp;amp;#x5742;", "坂"),
        ("72&amp;amp;股权", "72&股权"),
        ("AT&T & R&D", "AT&T & R&D"),
        ("&amp", "&amp"),
        ("?a=1&copy=2", "?a=1&copy=2"),
        ("&laquo;&nbsp;oui&nbsp;&raquo;", "«\xa0oui\xa0»"),
        ("&lt;b&gt;", "<b>"),
        ("&amp;lt;b&amp;gt;", "<b>"),
        ("&#38;#60;", "<"),
        ("&#x26;#38;amp;lt;", "<"),
        ("&nosuchname;", "&nosuchname;"),
        ("&#0;&#xD800;&#x110000;", "\ufffd\ufffd\ufffd"),
        ("&#99999999;", "&#99999999;"),
        ("&;&#;&#x;", "&;&#;&#x;"),
    ],
)
def test_references_are_decoded_until_none_is_left(text: str, expected: str) -> None:
    assert decode_references(text) == expected


@given(st.lists(st.sampled_from("& amp ; # # 38 x26 lt gt 22338 a 中".split())).map("".join))
def test_decoded_references_stay_decoded(text: str) -> None:
    decoded = decode_references(text)
    assert decode_references(decoded) == decoded


@pytest.mark.parametrize("chain", ["amp;", "#38;", "#x26;", "#0038;"])
def test_references_escaped_a_hundred_thousand_times(chain: str) -> None:
    assert decode_references("&" + chain * 100_000 + "lt;") == "<"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“Ｒ＆Ｄ”支出——１．５％！", "rd支出15"),
        ("STRASSE Straße", "strassestrasse"),
        ("a_b-c d", "abcd"),
        ("第②届", "第2届"),
        ("…、，。；：？！（）「」『』《》〈〉", ""),
        ("e\u0301té", "été"),
        ("ﾊﾟﾘ", "パリ"),
        ("\ud800a", "a"),
    ],
)
def test_words_are_letters_and_digits(text: str, expected: str) -> None:
    assert words(text) == expected


def test_words_take_no_short_cut_that_changes_them() -> None:
    for code in (*range(0xD800), *range(0xE000, 0x20000)):
        character = chr(code)
        folded = unicodedata.normalize("NFKC", character).casefold()
        assert words(f"甲{character}乙") == words(f"甲{folded}乙"), hex(code)


def test_layout_and_punctuation_never_count_as_change() -> None:
    first = content_hash("例题：一", "导语。", "第一段。\n\n第二段 12％")
    assert first == content_hash("例题 一", "「导语」", "第一段 第二段：１２%")
    assert first == content_hash("例题一导语", None, "第一段第二段12")
    assert first != content_hash("例题：一", "导语。", "第一段。\n\n第二段 13％")
    assert first.startswith("v1:")
    assert len(first) == 67
    assert content_hash("\ud800", None, "")


# ------------------------------------------------------------------------------------------ mending


@pytest.mark.parametrize(
    ("glued", "expected"),
    [
        ('<divclass="m-block-ad ">', '<div class="m-block-ad ">'),
        ('<divclass="m-block-ad "data-tms="x">', '<div class="m-block-ad "data-tms="x">'),
        ('<imgsrc="https://a.example/b.jpg">', '<img src="https://a.example/b.jpg">'),
        ('<sourcetype="audio/mp3"', '<source type="audio/mp3"'),
        ('<ahref="/cn/a">', '<a href="/cn/a">'),
        ('<pclass="x">', '<p class="x">'),
        ('<h2class="x">', '<h2 class="x">'),
        ('<liclass="x">', '<li class="x">'),
        ('<iframesrc="//a.example">', '<iframe src="//a.example">'),
        ('<spanstyle="x">', '<span style="x">'),
        ('<scriptdata-media-id="1">', '<script data-media-id="1">'),
        ('<divdata-root-share="1">', '<div data-root-share="1">'),
        ("<divdata-selfpromo-newsletter>", "<div data-selfpromo-newsletter>"),
        ("<divdata-wrapper-video-player>", "<div data-wrapper-video-player>"),
        ('<youtube-playervideo-type="x">', '<youtube-player video-type="x">'),
        ('<youtube-playersource="x">', '<youtube-player source="x">'),
        ('<diaporamadiaporama-classes="x">', '<diaporama diaporama-classes="x">'),
        ('<share-buttontitle="x">', '<share-button title="x">'),
    ],
)
def test_glued_tags_are_parted(glued: str, expected: str) -> None:
    assert mend(glued) == expected
    assert mend(expected) == expected


@pytest.mark.parametrize(
    "html",
    [
        '<a class="x" href="y">z</a>',
        '<p>< Deep State >, <<书名>>, a<b, 1<src="x"</p>',
        "<article><abbr><address><aside><picture><pre><section><search>",
        "<link rel=canonical><picture class=x><sources=1>",
        "</div></youtube-player></diaporama><youtube-player><diaporama>",
        '<DIVclass="x">',
    ],
)
def test_what_is_not_glued_stays(html: str) -> None:
    assert mend(html) == html


@given(st.text("<>/ =\"'abdfgilmnoprsuvy-", max_size=60))
def test_mending_is_idempotent(text: str) -> None:
    assert mend(mend(text)) == mend(text)


# ------------------------------------------------------------------------------------------ parsing

TRAPS = {
    "book title in angle brackets": "<p>甲<<观察>>乙</p>",
    "book title in one pair": "<p>《甲》与<观察>乙</p>",
    "single guillemets": "<p>‹观察›，甲</p>",
    "blank behind the bracket": "<p>甲 < Deep State > 乙</p>",
    "brackets at the end": "<p>甲</p><<",
    "bracket before a digit": "<p>甲<5，乙>3</p>",
    "stray end tags": "<div><div>甲</div></div></div></div><button>丙</button></div><p>乙</p>",
    "broken quotes": '<p><span style="font: "Times New", serif;"><u1:p></u1:p>甲</span></p>',
    "nested paragraphs": "<p><p>甲</p>乙</p>",
    "block in a paragraph": "<p>甲<div>乙</div>丙</p>",
    "paragraph in a heading": "<h1><p>甲</h1>乙",
    "heading left open": "<h1>甲<h2>乙<h3>丙",
    "bold over a paragraph": "甲<b>乙<p>丙</p>丁",
    "wrong nesting": "<b>甲<i>乙</b>丙</i>丁",
    "link in a link": '<a href="x">甲<a href="y">乙</a>丙</a>',
    "text in a table": "<table>甲<tr>乙<td>丙</table>丁",
    "list without items": "<ul>甲<p>乙</p></ul>",
    "items without a list": "<li>甲<li>乙",
    "definitions": "<dl><dt>甲<dd>乙</dl>",
    "end tag of a paragraph alone": "甲</p>乙",
    "end of a line break": "甲</br>乙",
    "self-closed block": "<div/>甲<p/>乙",
    "null": "<p>甲\x00乙</p>",
    "comments": "甲<!-- 丙 -->乙<!--> 丁 <!--->戊<!-- -- ! -->己",
    "CDATA": "甲<![CDATA[ 丙 ]]>乙",
    "processing instruction": "甲<?xml version='1.0'?>乙",
    "escaped markup": "&lt;p&gt;甲&amp;amp;乙&lt;/p&gt;&#22338;",
    "references without semicolon": "&copy甲&notit;乙&#65丙",
    "frameset in front": "<frameset><frame></frameset><p>甲</p>",
    "a document": "<html><head><title>丙</title></head><body class=x>甲</body></html>乙",
    "style in svg": "甲<svg><style>.a{fill:none}</style><path d='x'/></svg>乙",
    "paragraph breaks out of svg": "<svg><g><p>甲</p>乙",
    "text area": "<textarea><b>甲</textarea>乙",
    "xmp": "<xmp><b>甲</xmp>乙",
    "plain text": "甲<plaintext>乙</p><b>",
    "Word's paragraphs": "<o:p>甲</o:p><u1:p></u1:p>乙",
    "unknown elements": "<x-y>甲</x-y><中>乙</中>",
    "attribute without blank": '<img alt="丙"class="y"src=z>甲',
    "no quotes": "<p class=a>b>甲",
}


@pytest.mark.parametrize("html", TRAPS.values(), ids=TRAPS)
def test_both_parsers_read_the_same_text(html: str) -> None:
    body = parse(f"<body>{html}").body
    assert body is not None
    assert body.text() == oracle.text(html, removed=())
    text = clean(html)[1]
    assert oracle.letters(text) == oracle.letters(oracle.text(html))
    assert "甲" in text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>《甲》提到<<观察条例>>，乙</p>", ["《甲》提到<<观察条例>>，乙"]),
        ("<p>所谓 < Deep State > 存在</p>", ["所谓 < Deep State > 存在"]),
        ("<p><全球见证>承认</p>", ["<全球见证>承认"]),
        ("<p>甲</p></div></div><button>继续</button><p>乙</p>", ["甲", "乙"]),
        ("<div>甲</div><h1>乙</h1>丙", ["甲", "乙", "丙"]),
    ],
)
def test_real_traps_keep_their_paragraphs(html: str, expected: list[str]) -> None:
    assert blocks_of(html) == expected


DEEP = {
    "div": "<div>" * 50_000,
    "closed div": "<div>" * 50_000 + "甲" + "</div>" * 50_000,
    "div with stray end tags": "<div></span>" * 50_000,
    "div in ended tables": "<div><table></div></table>" * 50_000,
    "b": "<b>" * 50_000,
    "b of different kinds": "<p>" + "".join(f"<b id={n}>甲<p>" for n in range(10_000)),
    "b over paragraphs": "".join(f"<b id={n}>" for n in range(480)) + "<p>甲</p>" * 20_000,
    "b over blocks": "<b>" * 480 + "<div>甲</div>" * 20_000,
    "b in paragraphs": "<b><p>" * 20_000,
    "span": "<p>" + "<span>" * 50_000 + "<br>甲",
    "span, fewer": "<p>" + "<span>" * 2_900 + "<br>甲",
    "list": "<ul><li>" * 50_000,
    "list, fewer": "<ul><li>" * 1_400 + "<br>甲",
    "table": "<table><tr><td>" * 50_000,
    "table, fewer": "<table><tr><td>" * 900 + "<br>甲",
    "blockquote": "<blockquote>" * 50_000 + "甲",
    "font around all": "<font>" * 490 + "<p>甲</p>" * 5_000,
    "heading": "<h2>" * 50_000 + "甲",
    "paragraph": "<p>" * 50_000 + "甲",
    "items": "<ul>" + "<li>甲" * 50_000,
    "cells": "<table><tr>" + "<td>甲" * 50_000,
    "line breaks": "<p>甲" + "<br>" * 50_000 + "乙",
    "line breaks in bold": "<p><b>甲" + "<br>" * 50_000 + "乙",
    "line breaks behind": "<li>甲" + "<br> " * 50_000,
    "links": '<a href="/cn/a">甲</a>' * 20_000,
    "share links": "<div>" + '<a href="https://x.com/share?url=x"></a>' * 20_000 + "甲" * 50_000,
    "author links": "<p>" + '<a href="/cn/作者/甲/">甲</a>，乙' * 10_000,
    "math": "<math>" * 50_000,
    "svg": "<svg>" * 50_000,
    "unknown element": "<x-y>" * 50_000,
    "button": "<button>" * 50_000,
    "template": "<template>" * 50_000,
    "select": "<select><option>" * 50_000,
    "brackets": "<" * 100_000 + "甲",
    "end tags": "甲" + "</div>" * 100_000,
}


@pytest.mark.parametrize("html", DEEP.values(), ids=DEEP)
def test_deep_nesting_ends_as_too_deep_or_in_output(html: str) -> None:
    try:
        cleaned, text = clean(html)
    except TooDeep:
        return
    assert len(cleaned) < 5 * len(html)
    assert len(text) <= len(html)


@pytest.mark.parametrize("name", ["div", "closed div", "list", "table", "b in paragraphs"])
def test_fifty_thousand_elements_are_too_deep(name: str) -> None:
    with pytest.raises(TooDeep) as caught:
        clean(DEEP[name])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depth", [10, 100, 450])
@pytest.mark.parametrize("tag", ["div", "b", "span", "blockquote", "x-y"])
def test_what_is_not_that_deep_is_delivered(tag: str, depth: int) -> None:
    assert blocks_of(f"<{tag}>" * depth + "甲") == ["甲"]
    closed = f"<{tag}>" * depth + "甲" + f"</{tag}>" * depth
    assert blocks_of(f"<p>乙</p>{closed}<p>丙</p>") == ["乙", "甲", "丙"]


def test_a_long_flat_document_is_not_deep() -> None:
    rows = "".join(f"<p>第{n}段 <b>甲</b><br><img src=x><li>乙" for n in range(3_000))
    assert len(blocks_of(rows)) == 6_000


# ------------------------------------------------------------------------------------------ links

SHARE = '<a href="https://x.com/intent/tweet?url=https%3A%2F%2Frfi.my%2FA1"><svg><path/></svg></a>'
FACEBOOK = (
    '<a href="https://www.facebook.com/dialog/share?href=https%3A%2F%2Frfi.my"><span></span></a>'
)
SHARES = f'{SHARE}{FACEBOOK}<a href="mailto:?subject=x"></a><a href="whatsapp://send?text=x"> </a>'


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/cn/a?utm_source=feed&amp;p=2#c", "https://www.rfi.fr/cn/a?p=2#c"),
        ("20231107-b", "https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-b"),
        ("//example.com/a", "https://example.com/a"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("https://m.example/owa/redir.aspx?C=x&amp;URL=https%3a%2f%2fa.example%2f1", "https://a.example/1"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fa.example%2F", "https://a.example/"),
        ("https://x.com/share?url=https%3A%2F%2Fa.example%2F", "https://a.example/"),
        ("https://x.com/RFI_Cn", "https://x.com/RFI_Cn"),
        ("/cn/作者/罗拉/", "https://www.rfi.fr/cn/%E4%BD%9C%E8%80%85/%E7%BD%97%E6%8B%89/"),
    ],
)  # fmt: skip
def test_links_are_absolute_and_lead_where_they_say(href: str, expected: str) -> None:
    cleaned, text = clean(f'<p>见<a href="{href}">甲</a>。</p>')
    assert cleaned == f'<p>见<a href="{escape(expected)}">甲</a>。</p>'
    assert text == "见甲。"


@pytest.mark.parametrize(
    "href",
    ["", " ", "#", "#note", "javascript:alert(1)", "data:text/html,x", "file:///C:/x", "http://", "tel:1"],
)  # fmt: skip
def test_links_that_lead_nowhere_leave_their_text(href: str) -> None:
    assert clean(f'<p>见<a href="{href}">甲<b>乙</b></a>。</p>') == (
        "<p>见甲<b>乙</b>。</p>",
        "见甲乙。",
    )


@pytest.mark.parametrize(
    "block",
    [
        f"<div>分享 :{SHARES}</div>",
        f"<div>{SHARES}</div>",
        f"<div><div>分享 :</div><ul><li>{SHARES}</li></ul></div>",
        f'<div class="t-content__shares">Compartir todo {SHARES}</div>',
        f"<div><p><span>分享：</span></p><p>{SHARES}</p></div>",
        f"<div><div>分享 :</div>{SHARE}<span data-root-share><share-button></share-button></span></div>",
        "<share-button>分享</share-button><share-modal><div>分享到</div></share-modal>",
        '<div data-root-share="x">分享 <b>甲</b></div>',
        SHARES,
    ],
)
def test_share_blocks_go_labelled_or_not(block: str) -> None:
    assert clean(f"<p>甲</p>{block}<p>乙</p>") == ("<p>甲</p><p>乙</p>", "甲\n\n乙")


def test_a_share_link_takes_nothing_of_the_article_along() -> None:
    assert blocks_of(f"<div>甲{SHARES}乙</div>{SHARES}") == ["甲乙"]
    assert blocks_of(f"<div>甲<div>{SHARE}</div></div>") == ["甲"]
    picture = '<img src="https://s.example/a.jpg">'
    assert clean(f"<div>{SHARE}{picture}</div>")[0] == f"<p>{picture}</p>"


@pytest.mark.parametrize(
    ("block", "names"),
    [
        ('<div><span>作者：</span><a href="/cn/作者/罗拉/" title="罗拉">罗拉</a></div>', ["罗拉"]),
        ('<span>作者：</span><a href="/cn/作者/罗拉/" title="罗拉"></a>', ["罗拉"]),
        ('<p>作者：<a href="/cn/作者/甲/">甲</a>、<a href="/cn/作者/乙/">乙</a></p>', ["甲", "乙"]),
        ('<div>Par : <a href="/fr/auteur/a-b/">A B</a> et <a href="/fr/auteur/c/">C</a></div>', ["A B", "C"]),
        ('<div><b>TEXT BY:</b> <a href="https://www.rfi.fr/en/author/a/">A</a></div>', ["A"]),
    ],
)  # fmt: skip
def test_bylines_go_and_name_people(block: str, names: list[str]) -> None:
    body = parse(f"<body><p>甲文</p>{block}<p>乙文</p>").body
    assert body is not None
    assert settle_links(body, BASE) == names
    assert render([body]).text == "甲文\n\n乙文"


@pytest.mark.parametrize(
    "sentence",
    [
        '<p>本台记者<a href="/cn/作者/罗拉/">罗拉</a>报道</p>',
        '<p><b>专访</b> <a href="/cn/作者/罗拉/">罗拉</a></p>',
        '<p><a href="/cn/作者/">作者名单</a></p>',
        '<p>作者：<a href="/cn/作者/罗拉/">罗拉</a>，译者：<a href="https://example.com/x">丙</a></p>',
    ],
)
def test_an_author_in_a_sentence_stays(sentence: str) -> None:
    body = parse(f"<body>{sentence}").body
    assert body is not None
    assert settle_links(body, BASE) == []
    assert oracle.letters(render([body]).text) == oracle.letters(oracle.text(sentence))


# ------------------------------------------------------------------------------------------ blocks

PICTURE = '<img src="https://s.example/a.jpg" alt="甲" width="10" height="5">'


@pytest.mark.parametrize(
    ("html", "expected", "blocks"),
    [
        # paragraphs, wherever they stand
        ("<p>甲</p><p>乙</p>", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("甲", "<p>甲</p>", ["甲"]),
        ("<div>甲<div>乙</div>丙</div>", "<p>甲</p><p>乙</p><p>丙</p>", ["甲", "乙", "丙"]),
        ("甲<div></div>乙", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<p><p>甲</p></p>乙", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<figure></figure>甲<p>乙</p>", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<section><article>甲</article><aside>乙</aside></section>", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<dl><dt>甲<dd>乙</dl><address>丙</address><pre>丁</pre>",
         "<p>甲</p><p>乙</p><p>丙</p><p>丁</p>", ["甲", "乙", "丙", "丁"]),
        ("<p>甲\n\n  乙\u3000\xa0丙&nbsp;</p>", "<p>甲 乙 丙</p>", ["甲 乙 丙"]),
        ("<p> </p><p>\u3000</p><p>&nbsp;</p><p>\u200b</p><p><br></p><p><b> </b></p><p></p>", "", [""]),
        ("<p class='x' style='y' onclick='z'>甲</p>", "<p>甲</p>", ["甲"]),
        # headings
        ("<h1>甲</h1><h2>乙</h2><h3>丙</h3><h4>丁</h4><h5>戊</h5><h6>己</h6>",
         "<h2>甲</h2><h2>乙</h2><h3>丙</h3><h4>丁</h4><h4>戊</h4><h4>己</h4>", list("甲乙丙丁戊己")),
        ("<h1>甲<p>乙</h1>", "<h2>甲</h2><p>乙</p>", ["甲", "乙"]),
        # line breaks
        ("<p>甲<br>乙</p>", "<p>甲<br>乙</p>", ["甲 乙"]),
        ("<p>甲<br><br>乙</p>", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<p>甲<br>\n&nbsp;<br>\u200b<br>乙</p>", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<p><br>甲<br></p>", "<p>甲</p>", ["甲"]),
        ("<p>甲 <b></b><br></p>", "<p>甲</p>", ["甲"]),
        ("甲<br><br>乙<br>丙", "<p>甲</p><p>乙<br>丙</p>", ["甲", "乙 丙"]),
        ("<h2>甲<br><br>乙</h2>", "<h2>甲</h2><h2>乙</h2>", ["甲", "乙"]),
        ("<p>甲</p><hr><p>乙</p>", "<p>甲</p><hr><p>乙</p>", ["甲", "乙"]),
        # inline markup
        ("<p><strong>甲</strong><em>乙</em><b>丙</b><i>丁</i><u>戊</u>H<sub>2</sub>m<sup>2</sup></p>",
         "<p><strong>甲</strong><em>乙</em><b>丙</b><i>丁</i><u>戊</u>H<sub>2</sub>m<sup>2</sup></p>",
         ["甲乙丙丁戊H2m2"]),
        ('<p><span style="x">甲</span><font size=1>乙</font><o:p>丙</o:p><x-y>丁</x-y></p>',
         "<p>甲乙丙丁</p>", ["甲乙丙丁"]),
        ('<p>甲 <span> 乙</span> <b title="y" class="z"> 丙</b></p>', "<p>甲 乙 <b> 丙</b></p>", ["甲 乙 丙"]),
        ("<p>甲<b></b><i> </i><u><span></span></u>乙</p>", "<p>甲 乙</p>", ["甲 乙"]),
        ("<b>甲<p>乙</p>丙</b>丁", "<p><b>甲</b></p><p><b>乙</b></p><p><b>丙</b>丁</p>", ["甲", "乙", "丙丁"]),
        ("<b>甲<b>乙<div>丙</div></b></b>", "<p><b>甲乙</b></p><p><b>丙</b></p>", ["甲乙", "丙"]),
        ('<a href="/cn/a"><h2>甲</h2><p>乙</p></a>',
         '<h2><a href="https://www.rfi.fr/cn/a">甲</a></h2><p><a href="https://www.rfi.fr/cn/a">乙</a></p>',
         ["甲", "乙"]),
        # lists
        ("<ul><li>甲</li><li><p>乙</p></li></ul>", "<ul><li>甲</li><li><p>乙</p></li></ul>", ["甲", "乙"]),
        ("<ol><li>甲<ul><li>乙</ul>丙</ol>",
         "<ol><li>甲<ul><li>乙</li></ul><p>丙</p></li></ol>", ["甲", "乙", "丙"]),
        ("<ul><li>甲<br><br>乙</li></ul>", "<ul><li>甲<br><br>乙</li></ul>", ["甲 乙"]),
        ("<ul><li>甲<p></p>乙</li></ul>", "<ul><li>甲<p>乙</p></li></ul>", ["甲", "乙"]),
        ("<ul><li></li><li> </li></ul>甲", "<p>甲</p>", ["甲"]),
        ("<ul>甲<li>乙</ul>", "<ul><p>甲</p><li>乙</li></ul>", ["甲", "乙"]),
        ("<li>甲<h1><li>乙</h1>", "<li>甲<p>乙</p></li>", ["甲", "乙"]),
        ("<blockquote>甲<p>乙</p></blockquote>", "<blockquote><p>甲</p><p>乙</p></blockquote>", ["甲", "乙"]),
        ("<blockquote> <p></p></blockquote>甲", "<p>甲</p>", ["甲"]),
        # tables: a row is a block
        ("<table><thead><tr><th>甲<th>乙</thead></table>",
         "<table><thead><tr><th>甲</th><th>乙</th></tr></thead></table>", ["甲 乙"]),
        ("<table><tr><td>丙<td><p>丁</p><p>戊</p></table>",
         "<table><tbody><tr><td>丙</td><td><p>丁</p><p>戊</p></td></tr></tbody></table>", ["丙 丁 戊"]),
        ("<table><tr><th></th><td> </td><td><b></b></td><td>甲</table>",
         "<table><tbody><tr><th></th><td></td><td></td><td>甲</td></tr></tbody></table>", ["甲"]),
        ("<table><caption>甲</caption><tr><td>乙</table>",
         "<p>甲</p><table><tbody><tr><td>乙</td></tr></tbody></table>", ["甲", "乙"]),
        ("<table><tr><td>乙<caption>甲</table>",
         "<p>甲</p><table><tbody><tr><td>乙</td></tr></tbody></table>", ["甲", "乙"]),
        ("<table><caption>甲</table>乙", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<table>甲<tr><td>乙</table>", "<p>甲</p><table><tbody><tr><td>乙</td></tr></tbody></table>", ["甲", "乙"]),
        ("<table><tr><td>甲</td></tr><tfoot><tr><td>乙</table>",
         "<table><tbody><tr><td>甲</td></tr></tbody><tbody><tr><td>乙</td></tr></tbody></table>", ["甲", "乙"]),
        # pictures and captions: a caption is no block
        (f"<p>{PICTURE}</p>甲", f"<p>{PICTURE}</p><p>甲</p>", ["甲"]),
        (f"<figure>{PICTURE}<figcaption>甲 <b>乙</b><span>丙</span></figcaption></figure>丁",
         f"<figure>{PICTURE}<figcaption>甲 乙 丙</figcaption></figure><p>丁</p>", ["丁"]),
        ("<figure><figcaption>甲<script>x()</script><b>乙<style>y</style></b></figcaption></figure>丁",
         "<figure><figcaption>甲 乙</figcaption></figure><p>丁</p>", ["丁"]),
        ("<figcaption></figcaption>丁", "<p>丁</p>", ["丁"]),
        (f"<figure>甲{PICTURE}</figure>", f"<figure><p>甲{PICTURE}</p></figure>", ["甲"]),
        ('<p>甲<img src="data:image/gif;base64,x"><img src="/b.jpg"><img src="file:///C:\\b.jpg"><img></p>',
         "<p>甲</p>", ["甲"]),
        ('<p><img src="https://s.example/a.jpg" alt=" &lt;b&gt;\u200b " width="10%" srcset="x"></p>甲',
         '<p><img src="https://s.example/a.jpg" alt="&lt;b&gt;"></p><p>甲</p>', ["甲"]),
        # what is no block of ours keeps its text
        ("<p>甲<math><mi>乙</mi><th>丙</th></math></p>", "<p>甲乙丙</p>", ["甲乙丙"]),
        ("<form>甲<label>乙</label><fieldset><legend>丙</legend>丁</fieldset></form>",
         "<p>甲乙</p><p>丙</p><p>丁</p>", ["甲乙", "丙", "丁"]),
        ("<details open><summary>甲</summary>乙</details>", "<p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<p>甲<object>乙</object><canvas>丙</canvas><marquee>丁</marquee></p>", "<p>甲乙丙丁</p>", ["甲乙丙丁"]),
        ("<p>甲<ruby>漢<rt>かん</rt></ruby></p>", "<p>甲漢かん</p>", ["甲漢かん"]),
        ("<p>1 &lt; 2 &amp;&amp; &lt;script&gt;</p>", "<p>1 &lt; 2 &amp;&amp; &lt;script&gt;</p>",
         ["1 < 2 && <script>"]),
        ("1 &lt; 2 &amp;amp; 3", "<p>1 &lt; 2 &amp;amp; 3</p>", ["1 < 2 &amp; 3"]),
    ],
)  # fmt: skip
def test_blocks(html: str, expected: str, blocks: list[str]) -> None:
    cleaned, text = clean(html)
    assert cleaned == expected
    assert text.split("\n\n") == blocks


GONE = {
    "script": "<script>x()</script><script src='//a.example/b.js'></script>",
    "style": "<style>.a{fill:none}</style>",
    "svg": "<svg><style>.a{fill:none}</style><text>x</text></svg>",
    "noscript twin": "<noscript><img src='https://s.example/a.jpg'>x</noscript><i></i>",
    "read-more button": "<button class='a'>继续浏览后续<svg><style>.a{}</style></svg></button>",
    "read-more link": "<a class='a-read-more' href='/cn/a'>继续浏览后续</a>",
    "read-more paragraph": "<p class='a-read-more'>继续浏览后续</p>",
    "self-promo": "<div class='o-self-promo o-self-promo--app'><p>下载应用程序</p></div>",
    "self-promo app": "<div data-selfpromo-app><p>下载应用程序</p></div>",
    "newsletter": "<div data-selfpromo-newsletter>订阅每日新闻</div>",
    "interstitial": "<div class='m-interstitial'><div class='m-block-ad'>广告</div></div>",
    "ad": "<div class='m-block-ad '><div class='m-block-ad__label'>广告</div><div>举报广告</div></div>",
    "soft error": "<div class='a-loader-error'><p>Page not found</p></div>",
    "soft error paragraph": "<p class='a-loader-error'>Page not found</p>",
    "quote widget": "<blockquote class='m-em-quote'><p>x</p></blockquote>",
    "video player": "<div class='m-em-video'><div class='a-em-title'>视频题</div></div>",
    "flash player": "<div class='m-em-flash'><iframe src='//www.youtube.com/embed/x'>x</iframe></div>",
    "audio player": "<div class='m-em-audio'>播放</div>",
    "youtube": "<youtube-player source='x'>x</youtube-player>",
    "audio, video": "<audio src=x>x</audio><video>x</video>",
    "Array": "Array",
    "Array in a box": "<div>Array</div>",
    "comment": "<!-- x -->",
    "template": "<template><p>x</p></template>",
    "frames nobody sees": "<noframes><b>x</b></noframes><noembed><b>x</b></noembed>",
}


@pytest.mark.parametrize("html", GONE.values(), ids=GONE)
def test_boilerplate_goes_with_its_text(html: str) -> None:
    assert clean(f"<p>甲</p>{html}<p>乙</p>") == ("<p>甲</p><p>乙</p>", "甲\n\n乙")
    assert clean(html) == ("", "")


LABELS = {
    label for row in EDITIONS.values() for label in (*row.ad_labels, *row.share_labels)
}  # fmt: skip


@pytest.mark.parametrize("label", sorted(LABELS))
def test_labels_go_in_all_languages(label: str) -> None:
    for written in (label, f" {label} :", label.upper(), f"{label}："):
        box = f"<div>{written}</div><div><span class='m-block-ad__label'>{written}</span></div>"
        assert blocks_of(f"<p>甲</p>{box}<p>乙</p>") == ["甲", "乙"]


def test_a_label_in_a_sentence_stays() -> None:
    assert blocks_of("<div>广告业萎缩</div><p>他分享：甲</p>") == ["广告业萎缩", "他分享：甲"]
    assert blocks_of("<div>广告<b>费</b></div>") == ["广告费"]
    assert blocks_of("<p>广告</p><p>Array</p>") == ["广告", "Array"]


@pytest.mark.parametrize(
    "tag",
    [
        "audio", "button", "noscript", "select", "video", "youtube-player", "share-button",
        "div class='m-block-ad'", "div class='m-interstitial'",
    ],
)  # fmt: skip
def test_an_element_without_its_end_does_not_swallow_the_article(tag: str) -> None:
    assert blocks_of(f"<p>甲</p><{tag}><p>乙</p><h2>丙</h2>") == ["甲", "乙", "丙"]
    assert blocks_of(f"<div><p>甲</p><{tag}><p>乙</p></div><p>丙</p>") == ["甲", "乙", "丙"]


def test_scripts_and_drawings_are_no_text() -> None:
    html = "<h1>甲<svg><style>a</style></svg><b>乙</b><script>x</script>\n</h1>"
    node = parse(html).css_first("h1")
    assert node is not None
    assert visible_text(node) == "甲乙"


def test_several_nodes_make_one_body() -> None:
    body = parse("<p>甲</p>乙<b>丙</b><p>丁</p>").body
    assert body is not None
    content = render(body.iter(include_text=True))
    assert content.text == "甲\n\n乙丙\n\n丁"
    assert content.html == "<p>甲</p><p>乙<b>丙</b></p><p>丁</p>"
    assert render([]) == markup.Body("", "")


# ------------------------------------------------------------------------------------------ sanitising


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<p title="a" lang="b" class="c" style="d" dir="e" id="f" onclick="g">甲</p>', "<p>甲</p>"),
        ('<a href="https://a.example/" target="_blank" rel="x" title="y">甲</a>',
         '<a href="https://a.example/">甲</a>'),
        ('<a href="http://a.example/">甲</a><a href="mailto:a@b.example">乙</a>',
         '<a href="http://a.example/">甲</a><a href="mailto:a@b.example">乙</a>'),
        ('<a href="/a">甲</a><a href="javascript:x">乙</a><a href="data:x">丙</a><a href="ftp://x/">丁</a>',
         "<a>甲</a><a>乙</a><a>丙</a><a>丁</a>"),
        ('<img src="data:image/png;base64,x" onerror="y"><img src="https://a.example/b" srcset="c">',
         '<img><img src="https://a.example/b">'),
        ("<h1>甲</h1><h5>乙</h5><div>丙</div><span>丁</span>", "甲乙丙丁"),
        ("<script>a</script><style>b</style><template>c</template><noscript>d</noscript>甲", "甲"),
        ("<svg><p>a</p></svg><math><mi>b</mi></math><iframe>c</iframe>甲", "<p>a</p>甲"),
        ("<!-- a -->甲<!", "甲"),
        ("<p>甲\ud800乙", "<p>甲乙</p>"),
        ("<form><input><button>甲</button></form>", "甲"),
    ],
)  # fmt: skip
def test_the_sanitiser_lets_pass_what_is_listed(html: str, expected: str) -> None:
    assert sanitize(html) == expected


def test_the_list_is_the_contracts() -> None:
    assert set(oracle.KEPT) == markup.ALLOWED


# ------------------------------------------------------------------------------------------ properties

TAGS = (
    "p h1 h2 h3 h5 ul ol li blockquote strong em b i u sub sup br hr a figure img table"
    " colgroup thead tbody tfoot tr th td col div span font section article main center dl"
    " dt dd pre address details summary form label fieldset legend textarea o:p u1:p marquee nobr"
    " big tt object embed applet canvas xmp plaintext listing ruby rt area map dialog menu x-y"
    " html head body frameset frame meta link base"
).split()
# Elements that the two parsers, or the two sets of rules, may differ on.
ODD_TAGS = (
    "script style svg math mi mtext annotation-xml foreignObject desc title template noscript iframe"
    " noembed noframes select option optgroup button input video audio source youtube-player"
    " share-button share-modal diaporama caption figcaption scr\u200bipt im\xadg"
).split()
WORDS = [
    "观察", "Élysée 2023", "می\u200cخواهم", "< Deep State >", "<<观察条例>>", "‹全球›", " ", "\n",
    "\u3000", "&nbsp;", "a & b", "&amp;", "&lt;b&gt;", "&#22338;", "x\u200by", "\u200b", "\ufeff",
    "4<5", "1.5", "—", "\u200c", "²", ":", '"', "'", "-->", "]]>", "&#x1F600;", "<", "</", "<!",
]  # fmt: skip
ATTRIBUTES = [
    'class="x"', 'style="font-family: "Times" "', 'style="x:1"', 'href="/cn/a"',
    'href="https://x.example/?utm_source=a&b=1"', 'href="javascript:alert(1)"',
    "href=JaVaScRiPt:alert(1)", 'href="mailto:a@b.example"', 'href="#x"',
    'src="https://a.example/b.jpg"', 'src="//a.example/b.jpg"', "src=x", 'src="data:image/png,x"',
    'alt="<b></b>&quot;\u200b"', 'alt=" "', "width=10", 'height="x"', "onclick=alert(1)",
    'onerror="alert(1)"', 'title="<br> <b> </b>"', "title='>\"<script>'", "lang=fr", "hidden",
    "a<b=1", 'a"b', "/", "=", "`", 'class="t-copyright"', 'srcset="https://a.example/c.jpg 2x"',
]  # fmt: skip
FURNITURE = ['class="m-block-ad"', 'class="o-self-promo"', 'class="a-read-more"', "data-root-share"]


def soups(tags: list[str], texts: list[str], attributes: list[str]) -> st.SearchStrategy[str]:
    """Tag soup of a few elements: the fewer, the more they meet."""

    def of(few: list[str]) -> st.SearchStrategy[str]:
        tag = st.sampled_from(few)
        start = st.tuples(tag, st.lists(st.sampled_from(attributes), max_size=2))
        piece = st.one_of(
            st.sampled_from(texts),
            tag.map("<{}>".format),
            tag.map("</{}>".format),
            start.map(lambda it: f"<{' '.join([it[0], *it[1]])}>"),
            st.sampled_from(["<br>", "<br><br>", "<!-- x -->", "<![CDATA[x]]>", "</div></div>"]),
        )
        return st.lists(piece, max_size=25).map("".join)

    return st.lists(st.sampled_from(tags), min_size=2, max_size=6, unique=True).flatmap(of)


SOUP = soups(TAGS + ODD_TAGS, [*WORDS, "\x00", "\ud800"], ATTRIBUTES + FURNITURE)
EVEN_SOUP = soups(TAGS, WORDS, ATTRIBUTES)
THOROUGH = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@THOROUGH
@given(SOUP)
@example("<li>甲<h1><li>乙")
@example("<table><caption>甲")
@example("<table><tr><td>甲<caption>乙")
@example("<math><th>甲")
@example("<p><b><span></span></b>甲")
@example("<p>甲 <span> 乙")
@example("<scr\u200bipt>甲</scr\u200bipt>")
@example("<p>甲<noembed><b>乙")
@example('<p>甲<b title="> </b><script>alert(1)</script>">乙</b>')
@example("<p>甲<br><b></b><br>乙")
@example("<noscript></p>")
@example("<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>字")
@example("<li>甲<p></p>乙")
def test_whatever_comes_in_what_leaves_is_clean(html: str) -> None:
    cleaned, text = clean(html)
    assert oracle.faults(cleaned) == []
    blocks = text.split("\n\n") if text else []
    assert all(block and block == plain(block) for block in blocks)
    assert oracle.letters(oracle.text(cleaned, ["figcaption"])) == oracle.letters(text)
    again, same = clean(cleaned)
    assert again == cleaned
    assert oracle.letters(same) == oracle.letters(text)


@THOROUGH
@given(EVEN_SOUP)
def test_every_letter_survives_in_order(html: str) -> None:
    body = parse(f"<body>{html}").body
    assert body is not None
    assert oracle.letters(render([body]).text) == oracle.letters(oracle.text(html))


@given(st.text(st.characters()) | st.text("<>/&;!-='\" \nabpsdiv中"))
def test_no_text_raises(text: str) -> None:
    assert oracle.faults(clean(mend(text))[0]) == []
    assert oracle.faults(sanitize(text)) == []
    assert oracle.faults(clean(decode_references(text))[0]) == []


@given(st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"])))
def test_escaped_text_comes_back(text: str) -> None:
    assert clean(f"<p>{escape(text)}</p>")[1] == plain(text)
    loose = clean(f"<b>{escape(text)}</b>")[1]
    if loose:  # a label that stands loose goes
        assert loose == plain(text)


@given(st.lists(st.text("甲乙丙ab12", min_size=1, max_size=12), max_size=8))
def test_no_paragraph_is_lost_to_stray_end_tags(paragraphs: list[str]) -> None:
    html = "".join(f"<div><p>{paragraph}</div></div>" for paragraph in paragraphs)
    assert clean(html)[1] == "\n\n".join(paragraphs)
