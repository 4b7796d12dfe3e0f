import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfinews.items import Article, Image, Media, article_at
from rfinews.markup import TooDeep, sanitize
from rfinews.parsers.feed import Entry
from rfinews.parsers.feedx import read_entry, read_payload
from tests import oracle

ADDRESS = "https://www.rfi.fr/cn/国际/20231107-例题"
FEED_DATE = "2023-11-07T12:15:02Z"
DATE = "<div>07/11/2023 - 12:35</div>"
IMAGE = '<img src="https://s.rfi.fr/media/display/a/w:310/p:16x9/a.jpg">'
CHAPO = "<p><strong>导语，一句。</strong></p>"
BODY = '<div class="t-content__body u-clearfix"><p>第一段。</p><p>第二段。</p></div>'
PROMO = (
    '<br><hr><div>获取更多RSS：<br><a href="https://feedx.site" style="color:orange">https://feedx.site'
    '</a> <br><a href="https://feedx.top">https://feedx.top</a><br></div>'
)


def read(payload: str, title: str = "例题", feed_date: str | None = FEED_DATE) -> Article:
    article = article_at(ADDRESS)
    article.feed_date = feed_date
    return read_payload(article, title, payload)


def blocks(payload: str) -> list[str]:
    return read(payload).article_body.split("\n\n")


# ------------------------------------------------------------------------------------------ the whole


def test_a_payload_field_by_field() -> None:
    article = read(f"{DATE}{IMAGE}{CHAPO}{BODY}", "例题 - 要闻解说 – 法国国际广播电台 - RFI")
    assert article.headline == "例题"
    assert article.column == "要闻解说"
    assert article.description == "导语，一句。"
    assert article.article_body == "第一段。\n\n第二段。"
    assert article.article_body_html == "<p>第一段。</p><p>第二段。</p>"
    assert article.date_published == "2023-11-07T11:35:00Z"
    assert article.date_modified is None
    assert article.images == [Image("https://s.rfi.fr/media/display/a/w:310/p:16x9/a.jpg")]
    assert article.copyright_notice is None
    assert article.authors == article.audios == article.videos == article.keywords == []
    assert article.feed_date == FEED_DATE


def test_nothing_at_all() -> None:
    for payload in ("", " ", "<!-- x -->", "<script>x</script>", "\x00", "</div>"):
        article = read(payload, "")
        assert (article.headline, article.article_body, article.article_body_html) == ("", "", "")
        assert article.description is None
        assert article.date_published == FEED_DATE
        assert not article.has_content


# ------------------------------------------------------------------------------------------ date


@pytest.mark.parametrize(
    ("head", "feed_date", "expected"),
    [
        ("<div>07/11/2023 - 12:35</div>", FEED_DATE, "2023-11-07T11:35:00Z"),
        ("<div>\n 07/07/2023 - 12:35 \n</div>", FEED_DATE, "2023-07-07T10:35:00Z"),
        ("<div><div>07/11/2023 - 12:35</div></div>", FEED_DATE, "2023-11-07T11:35:00Z"),
        ("<div> <div><div>07/11/2023 - 12:35</div>甲</div></div>", FEED_DATE, "2023-11-07T11:35:00Z"),
        # the clocks go back: the hour comes twice
        ("<div>25/10/2020 - 02:35</div>", "2020-10-25T02:20:00Z", "2020-10-25T01:35:00Z"),
        ("<div>25/10/2020 - 02:35</div>", "2020-10-25T01:00:00Z", "2020-10-25T00:35:00Z"),
        ("<div>25/10/2020 - 02:35</div>", None, "2020-10-25T00:35:00Z"),
        ("<div>25/10/2020 - 01:59</div>", "2020-10-25T05:00:00Z", "2020-10-24T23:59:00Z"),
        ("<div>25/10/2020 - 03:00</div>", "2020-10-25T05:00:00Z", "2020-10-25T02:00:00Z"),
        ("<div>28/03/2021 - 03:00</div>", "2021-03-28T05:00:00Z", "2021-03-28T01:00:00Z"),
        # no date, or none that is one
        ("", FEED_DATE, FEED_DATE),
        ("<div>31/02/2023 - 12:35</div>", FEED_DATE, FEED_DATE),
        ("<div>07/11/2023 - 25:35</div>", FEED_DATE, FEED_DATE),
        ("", None, None),
        ("<div>31/02/2023 - 12:35</div>", None, None),
    ],
)  # fmt: skip
def test_the_shown_date_is_paris_time(
    head: str, feed_date: str | None, expected: str | None
) -> None:
    article = read(f"{head}<p>甲</p>", feed_date=feed_date)
    assert article.date_published == expected
    assert article.article_body.endswith("甲")
    assert "/20" not in article.article_body


@pytest.mark.parametrize(
    "payload",
    [
        "<p>甲</p><div>07/11/2023 - 12:35</div>",
        "<div>07/11/2023 - 12:35 甲</div>",
        "<p>07/11/2023 - 12:35</p>",
        "07/11/2023 - 12:35<p>甲</p>",
    ],
)
def test_a_date_in_the_text_is_text(payload: str) -> None:
    article = read(payload)
    assert article.date_published == FEED_DATE
    assert "07/11/2023 - 12:35" in article.article_body


# ------------------------------------------------------------------------------------------ image, chapô


@pytest.mark.parametrize(
    ("head", "description"),
    [
        (f"{DATE}{IMAGE}{CHAPO}", "导语，一句。"),
        (f"{DATE}\n{IMAGE}\n{CHAPO}", "导语，一句。"),
        (f"{DATE}{CHAPO}", "导语，一句。"),
        (f"{DATE}Array{CHAPO}", "导语，一句。"),
        (f"{DATE}<!-- x -->{IMAGE}<!-- y -->{CHAPO}", "导语，一句。"),
        (
            f"{DATE}<img src='https://static.rfi.fr/meta_og_twcards/RFI_FB.png'>{CHAPO}",
            "导语，一句。",
        ),
        (f"{DATE}{IMAGE}<p> <strong>导语，<b>一</b>句。</strong>\n</p>", "导语，一句。"),
        (f"{DATE}{IMAGE}<p><b>导语</b></p>", "导语"),
        (f"{DATE}{IMAGE}<p><strong>导\u3000语<br>二</strong></p>", "导 语二"),
        (f"{DATE}{IMAGE}<p><strong></strong></p>", None),
        (f"{DATE}{IMAGE}<p><strong> &nbsp; </strong></p>", None),
        (f"{DATE}{IMAGE}", None),
        (f"{DATE}{IMAGE}<p></p>", None),
        (DATE, None),
    ],
)
def test_the_head(head: str, description: str | None) -> None:
    article = read(head + BODY)
    assert article.description == description
    assert article.article_body == "第一段。\n\n第二段。"
    assert article.article_body_html == "<p>第一段。</p><p>第二段。</p>"
    assert article.date_published == "2023-11-07T11:35:00Z"


def test_bold_words_in_a_first_paragraph_are_no_chapo() -> None:
    article = read(f"{DATE}{IMAGE}<p><strong>甲</strong>：乙</p>{BODY}")
    assert article.description is None
    assert article.article_body == "甲：乙\n\n第一段。\n\n第二段。"


def test_only_the_first_bold_paragraph_is_the_chapo() -> None:
    article = read(f"{DATE}{CHAPO}<p><strong>小题</strong></p>{BODY}")
    assert article.description == "导语，一句。"
    assert article.article_body == "小题\n\n第一段。\n\n第二段。"


def test_the_box_of_archives_changes_nothing() -> None:
    inside = f"{DATE}{IMAGE}{CHAPO}{BODY}{PROMO}"
    assert (
        read(f"<div>{inside}</div>") == read(f"<div>\n<div>{inside}</div>\n</div>") == read(inside)
    )


# ------------------------------------------------------------------------------------------ body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<div >第一段。<p>第二段。</p></div>", ["第一段。", "第二段。"]),
        ("<p>甲</p></div></div><button>继续浏览后续<svg><style>.a{}</style></svg></button><p>乙</p>", ["甲", "乙"]),
        ("<div><figure><img src='/a.jpg'></figure>图外的字<p>乙</p></div>", ["图外的字", "乙"]),
        ("<h1>甲</h1><h2>乙</h2><div>丙</div>", ["甲", "乙", "丙"]),
        ("<p>法新社巴黎7日电 甲</p><p>（译者注：乙）</p><p><a href='/cn/b'>相关报道：丙</a></p>",
         ["法新社巴黎7日电 甲", "（译者注：乙）", "相关报道：丙"]),
        ('<divclass="m-block-ad "data-tms-ad-type="box"></div><p>甲</p>', ["甲"]),
        ("<div class='m-interstitial'><p>甲</p><p>乙</p>", ["甲", "乙"]),
        ("<script src='//evil.example/x.js'></script><p>甲</p><script>document.write('x')</script>", ["甲"]),
        ("<p>甲</p>Array", ["甲"]),
        ("<p>甲</p><div class='o-self-promo'>下载</div><div class='o-self-promo'>订阅</div>", ["甲"]),
        ("<div><div>分享 :</div><a href='https://x.com/intent/tweet?url=x'><svg></svg></a></div><p>甲</p>", ["甲"]),
        ("<p><A HREF='https://m.example/owa/redir.aspx?URL=https%3a%2f%2fa.example'>甲</A></p>", ["甲"]),
        ("<p><<观察条例>>与< Deep State ></p>", ["<<观察条例>>与< Deep State >"]),
        ("<frameset><frame></frameset><p>甲</p>", ["甲"]),
        ("<title>x</title><p>甲</p>", ["甲"]),
        ("<head><meta charset=x></head><body><p>甲</p></body></html>", ["甲"]),
    ],
)  # fmt: skip
def test_every_paragraph_is_kept_and_no_furniture(body: str, expected: list[str]) -> None:
    for head in (f"{DATE}{IMAGE}{CHAPO}", ""):
        article = read(f"{head}{body}{PROMO}")
        assert article.article_body.split("\n\n") == expected
        assert oracle.faults(sanitize(article.article_body_html)) == []


@pytest.mark.parametrize(
    "promo",
    [
        PROMO,
        PROMO.replace("feedx.site", "brand-new.example"),
        "<hr><div>获取更多RSS：<a href='https://a.example'>a.example</a></div>",
        "<br> <hr> <div> 获取更多RSS https://feedx.net</div>\n",
        "<div>获取更多RSS：<br>https://feedx.net</div>",
        "<br><hr><p>获取更多RSS：https://feedx.net</p>",
        "<br><hr>获取更多RSS：<br><a href='https://feedx.net'>https://feedx.net</a> <br>https://feedx.top<br>",
        "<div><br><hr><div>获取更多RSS：<a href='https://feedx.net'>feedx.net</a></div></div>",
        PROMO + PROMO,
    ],
)
def test_the_promo_goes_whatever_it_names(promo: str) -> None:
    article = read(f"{DATE}{BODY}{promo}")
    assert article.article_body == "第一段。\n\n第二段。"
    assert article.article_body_html == "<p>第一段。</p><p>第二段。</p>"


def test_a_rule_of_the_article_stays() -> None:
    article = read(f"{DATE}<p>甲</p><br><hr><p>乙</p>{PROMO}")
    assert article.article_body_html == "<p>甲</p><hr><p>乙</p>"
    assert blocks(f"{DATE}<p>甲：获取更多RSS的办法</p>") == ["甲：获取更多RSS的办法"]


@pytest.mark.parametrize(
    ("line", "notice"),
    [
        ('<p class="t-copyright">© 2020 AFP</p>', "© 2020 AFP"),
        ('<p class="t-copyright"> &copy;\u00a02020\u3000AFP </p>', "© 2020 AFP"),
        ("<p>© 2020 AFP</p>", "© 2020 AFP"),
        ("<p>&copy; 2020 AFP</p>", "© 2020 AFP"),
        ("<p>©2021 法新社</p><p></p>", "©2021 法新社"),
        ('<div class="t-copyright">© 2020 AFP</div>', "© 2020 AFP"),
        ('<p class="t-copyright"></p>', None),
        ("", None),
    ],
)
def test_the_copyright_line(line: str, notice: str | None) -> None:
    article = read(f"{DATE}{CHAPO}{BODY}{line}{PROMO}")
    assert article.copyright_notice == notice
    assert article.article_body == "第一段。\n\n第二段。"


@pytest.mark.parametrize("text", ["甲 © 2020 AFP", "© 2020", "© 甲", "© 2020 " + "长" * 100])
def test_what_only_looks_like_a_copyright_line_stays(text: str) -> None:
    article = read(f"{DATE}<p>{text}</p>")
    assert article.copyright_notice is None
    assert article.article_body == text


@pytest.mark.parametrize(
    ("byline", "authors"),
    [
        ('<div><span>作者：</span><a href="/cn/作者/罗拉/" title="罗拉">罗拉</a></div>', ["罗拉"]),
        (
            '<span>作者：</span><a href="/cn/作者/甲/">甲</a>、<a href="/cn/作者/乙/">乙</a>',
            ["甲", "乙"],
        ),
        ('<div><a href="/cn/作者/rfi/">RFI</a></div>', []),
        ('<div><a href="/cn/作者/法广/">法广</a></div>', []),
        ('<div><a href="/cn/作者/x/">https://www.facebook.com/RFI</a></div>', []),
        ("", []),
    ],
)
def test_the_byline(byline: str, authors: list[str]) -> None:
    article = read(f"{DATE}{IMAGE}{CHAPO}{byline}{BODY}")
    assert article.authors == authors
    assert article.article_body == "第一段。\n\n第二段。"


def test_a_piece_that_is_nothing_but_its_video() -> None:
    article = read(
        f"{DATE}{IMAGE}<div><div class='m-em-flash'>"
        "<iframe src='https://www.youtube.com/embed/U6uZp_2CZZU'></iframe></div></div>"
    )
    assert article.article_body == article.article_body_html == ""
    assert article.videos == [Media("https://www.youtube.com/watch?v=U6uZp_2CZZU")]
    assert article.has_content


def test_media_in_the_body() -> None:
    data = json.dumps({"sources": [{"url": "https://a.example/b.mp3", "duration": 65}]})
    article = read(
        f"{DATE}{IMAGE}<div><p>甲</p>"
        "<figure><img src='data:image/gif;base64,x' srcset='/b.jpg 310w, /c.jpg 1280w'>"
        "<figcaption><span>图</span><span>甲/AFP</span></figcaption></figure>"
        f"<div class='m-em-audio'><script data-media-id='x' type='application/json'>{data}</script></div>"
        "<img src='file:///C:\\a.jpg'></div>"
    )
    assert [image.url for image in article.images[1:]] == ["https://www.rfi.fr/c.jpg"]
    assert (article.images[1].caption, article.images[1].credit) == ("图", "甲/AFP")
    assert article.audios == [Media("https://a.example/b.mp3", None, 65)]
    assert article.article_body == "甲"
    assert article.article_body_html == (
        '<p>甲</p><figure><img src="https://www.rfi.fr/c.jpg">'
        "<figcaption>图 甲/AFP</figcaption></figure>"
    )


def test_a_payload_too_deep() -> None:
    with pytest.raises(TooDeep):
        read("<div>" * 50_000)


# ------------------------------------------------------------------------------------------ entries

ENTRY = Entry(
    link=ADDRESS,
    guid=None,
    title="例题 - RFI",
    date=FEED_DATE,
    payload=f"{DATE}{BODY}",
    summary=None,
    authors=[],
    categories=[],
    image=None,
    enclosures=[],
)


def entry(**fields: object) -> Article:
    return read_entry(article_at(ADDRESS), replace(ENTRY, **fields))  # type: ignore[arg-type]


def test_an_entry_with_the_full_text() -> None:
    article = entry()
    assert article.headline == "例题"
    assert article.date_published == "2023-11-07T11:35:00Z"
    assert article.feed_date == FEED_DATE
    assert article.article_body == "第一段。\n\n第二段。"


@pytest.mark.parametrize(
    ("payload", "description"),
    [
        ("摘要，一句。", "摘要，一句。"),
        ("<b>摘要</b>，<a href='/cn/a'>一句</a>。<img src='x'>", "摘要，一句。"),
        ("摘要 &amp;amp; 一句", "摘要 & 一句"),
        ("&lt;p&gt;摘要&lt;/p&gt;&lt;p&gt;一句&lt;/p&gt;", "摘要 一句"),
        ("1 &lt; 2", "1 < 2"),
        ("<script>x</script>摘要", "摘要"),
        ("", None),
        (None, None),
        ("<!-- x -->", None),
    ],
)
def test_an_entry_with_a_summary_only(payload: str | None, description: str | None) -> None:
    article = entry(payload=payload)
    assert article.description == description
    assert article.article_body == article.article_body_html == ""
    assert article.headline == "例题"
    assert article.date_published == FEED_DATE
    assert not article.has_content


def test_an_entry_without_title_or_date() -> None:
    article = entry(title=None, date=None)
    assert (article.headline, article.column) == ("", None)
    assert article.feed_date is None
    assert article.date_published == "2023-11-07T11:35:00Z"
    assert entry(date=None, payload="x").date_published is None


def test_authors_of_the_entry_stand_in_for_a_byline() -> None:
    assert entry(authors=["罗拉", "RFI", "https://x.example/RFI", "罗拉"]).authors == ["罗拉"]
    byline = '<span>作者：</span><a href="/cn/作者/甲/">甲</a>'
    assert entry(authors=["罗拉"], payload=f"{DATE}{byline}{BODY}").authors == ["甲"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("https://s.rfi.fr/a.jpg", ["https://s.rfi.fr/a.jpg"]),
        ("/a b.jpg", ["https://www.rfi.fr/a%20b.jpg"]),
        ("https://static.rfi.fr/meta_og_twcards/RFI_FB.png", []),
        ("data:image/gif;base64,x", []),
        ("", []),
        (None, []),
    ],
)
def test_the_image_of_the_entry_stands_in_for_one(image: str | None, expected: list[str]) -> None:
    assert [each.url for each in entry(image=image).images] == expected
    with_image = entry(image=image, payload=f"{DATE}{IMAGE}{BODY}")
    assert [each.url for each in with_image.images] == [IMAGE.split('"')[1]]


def test_audio_enclosures() -> None:
    article = entry(
        enclosures=[
            ("https://a.example/b.mp3", "audio/mpeg", 65),
            ("https://a.example/b.mp3", "audio/mpeg", None),
            ("/c d.mp3", "audio/mpeg", None),
            ("https://a.example/e.jpg", "image/jpeg", None),
            ("https://a.example/f.mp3", None, None),
            ("javascript:alert(1)", "audio/mpeg", None),
        ]
    )
    assert article.audios == [
        Media("https://a.example/b.mp3", None, 65),
        Media("https://www.rfi.fr/c%20d.mp3"),
    ]


# ------------------------------------------------------------------------------------------ properties

PIECES = [
    DATE, IMAGE, CHAPO, BODY, PROMO, "<br>", "<hr>", "Array", "<div>", "</div>", "</div></div>", "<p>", "</p>",
    "甲", "<<乙>>", "©", "&copy; 2020 AFP", '<p class="t-copyright">', "获取更多RSS", "<strong>", "</strong>",
    "<figure>", '<img src="data:,x">', "<noscript>", "</noscript>", "<script data-media-id>", "</script>", "{",
    '<div data-root-audio-player-button="">', '<div class="m-em-audio">', '<div class="m-block-ad">', "<svg>",
    "<youtube-player source=x>", '<a href="/cn/作者/罗拉/">', '<a href="https://x.com/share?url=x">', "</a>",
    "<span>作者：</span>", "<diaporama inlined-images-data='[{\"url\":\"/a.jpg\"}]'>", "<template>", "\x00", "\ud800",
    "<body>", "<html>", "<head>", "<frameset>", "<table>", "<td>", "<ul>", "<li>", "<title>", "<plaintext>",
]  # fmt: skip
PAYLOADS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(st.characters())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PAYLOADS, st.text(st.characters(), max_size=20))
def test_no_payload_raises(payload: str, title: str) -> None:
    article = read(payload, title)
    for text in (article.headline, article.column, article.description, article.copyright_notice):
        assert text is None or text == " ".join(text.split())
    assert oracle.faults(sanitize(article.article_body_html)) == []
    json.dumps(article.article_body, ensure_ascii=False).encode()
    entry(payload=payload, title=title)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["</div>", "</p>", "<p>", "<div>", "<br>", "<button>x</button>"]),
        max_size=6,
    )
)
def test_stray_tags_lose_no_paragraph(strays: list[str]) -> None:
    for stray in strays:
        payload = f"{DATE}{IMAGE}{CHAPO}<div><p>甲</p>{stray}<p>乙</p>{''.join(strays)}<p>丙</p></div>{PROMO}"
        assert blocks(payload) == ["甲", "乙", "丙"]
