"""Clean markup: the rules of CONTRACT section 4 one by one, and properties for any text."""

import html5lib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
    words,
)
from tests import oracle

BASE = "https://www.rfi.fr/cn/国际/20231107-甲"


def clean(html: str) -> tuple[str, str]:
    body = parse(mend(html)).body
    if body is None:
        return "", ""
    settle_links(body, BASE)
    content = render([body])
    return sanitize(content.html), content.text


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<p>一</p><p>二</p>", "<p>一</p><p>二</p>"),
        ("<h1>题</h1><h5>小题</h5>", "<h2>题</h2><h4>小题</h4>"),
        ("<div>散文</div>段外", "<p>散文</p><p>段外</p>"),
        ("<p class='x' style='y' onclick='z'>一</p>", "<p>一</p>"),
        ("<p><span lang='ZH'><u1:p></u1:p>一</span><font>二</font></p>", "<p>一二</p>"),
        ("<p><<台湾旅行法>></p>", "<p>&lt;&lt;台湾旅行法&gt;&gt;</p>"),
        ("<p><全球见证>称 < Deep State ></p>", "<p>&lt;全球见证&gt;称 &lt; Deep State &gt;</p>"),
        ("<p> 一\u3000\xa0二&nbsp; </p><p>&nbsp;</p><p></p>", "<p>一 二</p>"),
        ("<p>甲</div></div><button>继续浏览后续</button></div><p>乙</p>", "<p>甲</p><p>乙</p>"),
        ("<svg><style>.a{fill:none}</style><path d='M0'/></svg><p>甲</p>", "<p>甲</p>"),
        ("<div class='m-interstitial'><div>广告</div></div><p>甲</p>", "<p>甲</p>"),
        ("<div class='m-interstitial'><p>甲</p>", "<p>甲</p>"),
        ("<div>Publicité</div><p>广告</p>", "<p>广告</p>"),
        ("<div>Array</div><p>Array</p>", "<p>Array</p>"),
        ("<script src='//x.example/a.js'></script><p>甲<script>b</script>乙</p>", "<p>甲乙</p>"),
        ("<ul><li>一</li><li>二<ul><li>三</li></ul></li></ul>",
         "<ul><li>一</li><li>二<ul><li>三</li></ul></li></ul>"),
        ("<blockquote>引文</blockquote>", "<blockquote><p>引文</p></blockquote>"),
        ("<p>一<br>二</p>", "<p>一<br>二</p>"),
        ("散<br><br>文", "<p>散</p><p>文</p>"),
        ("<p><strong>一<p>二</strong>三", "<p><strong>一</strong></p><p><strong>二</strong>三</p>"),
        ("<divclass=\"m-block-ad \"data-tms-ad-type=\"box\"></div><p>甲</p>", "<p>甲</p>"),
        ("<p><a href='/cn/a?utm_source=x'>甲</a></p>", '<p><a href="https://www.rfi.fr/cn/a">甲</a></p>'),
        ("<p><a href='javascript:x'>甲</a></p>", "<p>甲</p>"),
        ("<p><a href='http://mail.example/owa/redir.aspx?C=x&amp;URL=https%3a%2f%2fudn.com%2f1'>甲</a>",
         '<p><a href="https://udn.com/1">甲</a></p>'),
        ("<div><div>分享 :</div><div><a href='https://x.com/intent/tweet?url=a'><svg><title>X</title></svg></a><span data-root-share><share-button></share-button></span></div></div><p>甲</p>", "<p>甲</p>"),
        ("<p>甲</p><div><span>作者：</span><a href='/cn/作者/罗拉/' title='罗拉'>罗拉</a></div>", "<p>甲</p>"),
        ("<p>记者<a href='/cn/作者/罗拉/'>罗拉</a>报道</p>",
         '<p>记者<a href="https://www.rfi.fr/cn/%E4%BD%9C%E8%80%85/%E7%BD%97%E6%8B%89/">罗拉</a>报道</p>'),
    ],
)  # fmt: skip
def test_rules(html, wanted):
    assert clean(html)[0] == wanted


def test_a_table_keeps_its_cells_and_reads_row_by_row():
    html, text = clean("<table><tr><th>城</th><th></th></tr><tr><td>甲</td><td>1</td></tr></table>")
    assert html == (
        "<table><tbody><tr><th>城</th><th></th></tr><tr><td>甲</td><td>1</td></tr></tbody></table>"
    )
    assert text == "城\n\n甲 1"


def test_captions_are_in_the_html_only():
    html, text = clean(
        "<figure><img src='https://s.rfi.fr/a.jpg'><figcaption><span>图</span><span>摄</span>"
        "</figcaption></figure><p>甲</p>"
    )
    assert html == (
        '<figure><img src="https://s.rfi.fr/a.jpg"><figcaption>图 摄</figcaption></figure><p>甲</p>'
    )
    assert text == "甲"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 50_000,
        "<div>" * 50_000 + "</div>" * 50_000,
        "<ul><li>" * 25_000,
        "<b><p>" * 20_000,
    ],
    ids=["open", "closed", "lists", "formats"],
)
def test_what_nests_too_deeply_is_refused(html):
    with pytest.raises(TooDeep):
        clean(html)


def test_titles_are_decoded_until_nothing_is_left():
    assert decode_references("72&amp;amp;股权 &amp;#22338; AT&T") == "72&股权 坂 AT&T"


def test_joiners_stay_where_they_belong_to_the_word():
    assert plain("می\u200cخواهم") == "می\u200cخواهم"
    assert plain("法\u200c广\u200d\u00ad") == "法广"


def test_layout_punctuation_and_width_are_no_change_of_content():
    one = content_hash("标题！", "导语", "第一段。\n\n第二段 12％")
    assert one == content_hash("标题 !", "「导语」", "第一段 第二段：１２%")
    assert one != content_hash("标题！", "导语", "第一段。\n\n第二段 13％")


TAGS = "p div h1 h2 ul ol li span b strong em a br img figure figcaption table tr td blockquote"
TAGS += " script style svg noscript template button iframe u1:p math textarea select option xmp"
ATTRIBUTES = ["", " class='m-block-ad'", " href='https://a.example/'", " onclick=x", " src=data:x"]
ATTRIBUTES += [' style="font: "A", b"', " href='javascript:x'", " src='https://s.rfi.fr/a.jpg'"]
PIECES = st.one_of(
    st.sampled_from(
        ["文", "本 ", "text ", "<<书>>", "&nbsp;", "&amp;lt;", "\u200b", "فارسی", "<", "1"]
    ),
    st.builds("<{}{}>".format, st.sampled_from(TAGS.split()), st.sampled_from(ATTRIBUTES)),
    st.builds("</{}>".format, st.sampled_from(TAGS.split())),
)
SOUP = st.lists(PIECES, max_size=40).map("".join)


@given(st.one_of(st.text(), SOUP))
@example("<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>字")
def test_whatever_comes_only_allowed_markup_leaves(html):
    cleaned, text = clean(html)
    assert oracle.faults(cleaned) == []
    for block in text.split("\n\n") if text else []:
        assert block == " ".join(block.split()) != ""


@given(st.one_of(st.text(), SOUP))
def test_cleaning_twice_is_cleaning_once(html):
    once, text = clean(html)
    again, text_again = clean(once)
    assert oracle.letters(text_again) == oracle.letters(text)
    assert oracle.faults(again) == []


@given(SOUP)
def test_text_and_html_say_the_same(html):
    cleaned, text = clean(html)
    removed = {*oracle.REMOVED, "figcaption"}
    assert oracle.letters(oracle.text(cleaned, removed)) == oracle.letters(text)


@given(st.text())
def test_words_are_letters_and_digits(text):
    assert all(map(str.isalnum, words(text)))


@given(st.lists(st.text("甲乙丙ab12", min_size=1, max_size=12), max_size=8))
def test_no_paragraph_is_ever_lost(paragraphs):
    html = "".join(f"<div><p>{p}</div></div>" for p in paragraphs)
    assert clean(html)[1] == "\n\n".join(paragraphs)


def test_both_parsers_read_the_traps_alike():
    for trap in (
        "<p>a<<台湾>>b",
        "<h1><p>x</h1>y",
        "text<b>bold<p>para</b>rest",
        "<p><p>x</p></p>",
    ):
        tree = html5lib.parse(f"<body>{trap}", namespaceHTMLElements=False)
        assert "".join(tree.itertext()) == parse(f"<body>{trap}").body.text()
