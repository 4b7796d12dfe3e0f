import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfinews.items import Alternate, Article, Image, Media, NotRfi
from rfinews.markup import TooDeep, sanitize
from rfinews.parsers.rfi import NotAnArticle, read_page
from tests import oracle

CANONICAL = "https://www.rfi.fr/cn/国际/20231107-例题"
ENCODED = "https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-%E4%BE%8B%E9%A2%98"
FETCHED = "https://www.rfi.fr/cn/contenu/20231107-另一处"
S = "https://s.rfi.fr/media/display"

LINK = f'<link rel="canonical" href="{CANONICAL}">'
META = """
<meta property="og:url" content="https://www.rfi.fr/cn/国际/20231107-元">
<meta property="og:title" content="元题 - RFI">
<meta name="description" content="元导语。">
<meta property="og:image" content="https://s.rfi.fr/media/display/og.jpg">
<meta property="article:published_time" content="2023-11-07T12:00:00+01:00">
<meta property="article:modified_time" content="2023-11-07T13:00:00+01:00">
<meta property="article:author" content="https://www.facebook.com/RFI">
<meta property="article:tag" content="元签一"><meta property="article:tag" content="元签二">
"""
ALTERNATES = """
<link rel="alternate" hreflang="zh-Hans" href="https://www.rfi.fr/cn/国际/20231107-例题">
<link rel="alternate" hreflang="fr" href="https://www.rfi.fr/fr/europe/20231107-exemple?utm_source=x">
<link rel="alternate" hreflang="pt-br" href="/br/mundo/20231107-exemplo">
<link rel="alternate" hreflang="zh" href="https://www.rfi.fr/cn/中国/20231107-例题">
<link rel="alternate" hreflang="x-default" href="https://www.rfi.fr/en/20231107-example">
<link rel="alternate" hreflang="en" href="https://www.rfi.fr/en/">
<link rel="alternate" type="application/rss+xml" href="https://www.rfi.fr/cn/rss">
<link rel="alternate" hreflang="es" href="https://evil.example/es/20231107-x">
"""
DATA: dict[str, Any] = {
    "@context": "https://schema.org",
    "@type": "NewsArticle",
    "headline": "数据题 - RFI",
    "description": "数据导语。",
    "datePublished": "2023-11-07T11:30:00+00:00",
    "dateModified": "2023-11-07T11:45:00+00:00",
    "author": [{"@type": "Person", "name": "数据人"}],
    "keywords": ["数据签", "二"],
    "image": {"@type": "ImageObject", "url": f"{S}/ld.jpg", "width": 1280, "height": 720},
}
ARTICLE = """
<h1 class="t-content__title">例题 - 要闻解说</h1>
<p class="t-content__chapo">导语，一句。</p>
<div class="t-content__dates"><time datetime="2023-11-07T11:00:00+00:00">07/11/2023 - 12:00</time>
<time datetime="2023-11-07T11:10:00+00:00">12:10</time></div>
<div class="t-content__main-media"><figure class="m-figure"><img src="https://s.rfi.fr/media/display/m.jpg">
<figcaption><span class="a-media-legend">主图</span><span class="a-media-legend">甲/AFP</span></figcaption>
</figure></div>
<div class="m-from-author"><a class="m-from-author__name" href="/cn/作者/罗拉/">罗拉</a></div>
<div class="t-content__body u-clearfix"><p>第一段。</p><p>第二段。</p></div>
<div class="t-content__shares"><span>分享</span></div>
<div class="t-content__tags"><ul><li><a href="/cn/tag/a">签一</a></li><li><a href="/cn/tag/b">签二</a></li>
<li><a href="/cn/tag/a">签一</a></li></ul></div>
"""


def script(data: object) -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f'<script type="application/ld+json">{text}</script>'


def page(
    article: str = ARTICLE,
    head: str = LINK + META + ALTERNATES,
    data: str = script(DATA),
    title: str = "标签题 - RFI",
    after: str = "",
) -> str:
    """A page as RFI's system builds it, with navigation around the article."""
    return (
        f'<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>{title}</title>{head}{data}'
        '</head><body><header><nav><ul><li><a href="/cn/">首页</a></li></ul></nav></header>'
        f'<main><div class="t-content" id="main-content"><article data-article-content>{article}</article>'
        f"<div class='o-ad-container'></div></div>{after}</main>"
        "<footer><h2>页脚</h2><p>版权所有</p></footer><script>var x = '<p>x</p>'</script></body></html>"
    )


def read(html: str, url: str = FETCHED) -> Article:
    return read_page(html, url)


def without(*parts: str) -> str:
    """The article's markup without the elements whose lines hold one of `parts`."""
    found = ARTICLE
    for part in parts:
        assert part in found
        found = found.replace(part, "x-" + part[2:])
    return found


# ------------------------------------------------------------------------------------------ the whole


def test_a_page_field_by_field() -> None:
    article = read(page())
    assert article.canonical_url == ENCODED
    assert article.url == FETCHED
    assert (article.edition, article.in_language, article.section) == ("cn", "zh-Hans", "国际")
    assert article.source == "rfi"
    assert (article.headline, article.column) == ("例题", "要闻解说")
    assert article.description == "导语，一句。"
    assert article.date_published == "2023-11-07T11:30:00Z"
    assert article.date_modified == "2023-11-07T11:45:00Z"
    assert article.authors == ["罗拉"]
    assert article.keywords == ["签一", "签二"]
    assert article.images == [Image(f"{S}/m.jpg", "主图", "甲/AFP")]
    assert article.audios == article.videos == []
    assert article.alternates == [
        Alternate("fr", "https://www.rfi.fr/fr/europe/20231107-exemple"),
        Alternate("pt-BR", "https://www.rfi.fr/br/mundo/20231107-exemplo"),
    ]
    assert article.article_body == "第一段。\n\n第二段。"
    assert article.article_body_html == "<p>第一段。</p><p>第二段。</p>"
    assert article.copyright_notice is None
    assert article.feed_date is None


def test_bytes_are_read_like_text() -> None:
    assert read_page(page().encode(), FETCHED) == read(page())


def test_hits_are_counted_for_articles_only() -> None:
    hits: Counter[str] = Counter()
    for _ in range(2):
        read_page(page(), FETCHED, hits)
    assert hits == dict.fromkeys(
        [
            "headline:h1.t-content__title",
            "description:.t-content__chapo",
            "body:.t-content__body",
            "date_published:json-ld",
            "date_modified:json-ld",
            "authors:.m-from-author__name",
            "keywords:.t-content__tags a",
            "images:article",
            "audios:none",
            "videos:none",
        ],
        2,
    )
    with pytest.raises(NotAnArticle):
        read_page(page(article="<h1>例题</h1>", data=""), FETCHED, hits)
    assert set(hits.values()) == {2}


# ------------------------------------------------------------------------------------------ preference

# Field → its sources in order: name, the value that it gives, what is removed to lose it.
SOURCES: dict[str, list[tuple[str, Any, list[str]]]] = {
    "headline": [
        ("h1.t-content__title", "例题", [' class="t-content__title"', " - 要闻解说"]),
        ("h1", "例题", ["<h1>例题</h1>"]),
        ("json-ld", "数据题", ['"headline": "数据题 - RFI", ']),
        ("og:title", "元题", ['<meta property="og:title" content="元题 - RFI">']),
        ("title", "标签题", []),
    ],
    "description": [
        (".t-content__chapo", "导语，一句。", ['<p class="t-content__chapo">导语，一句。</p>']),
        ("head", "数据导语。", ['"description": "数据导语。", ']),
        ("head", "元导语。", ['<meta name="description" content="元导语。">']),
        ("none", None, []),
    ],
    "date_published": [
        ("json-ld", "2023-11-07T11:30:00Z", ['"datePublished": "2023-11-07T11:30:00+00:00", ']),
        ("meta", "2023-11-07T11:00:00Z", ['<meta property="article:published_time" content="2023-11-07T12:00:00+01:00">']),
        (".t-content__dates time", "2023-11-07T11:00:00Z", [' datetime="2023-11-07T11:00:00+00:00"']),
        (".t-content__dates time", "2023-11-07T11:00:00Z", ["07/11/2023 - 12:00"]),
        ("none", None, []),
    ],
    "date_modified": [
        ("json-ld", "2023-11-07T11:45:00Z", ['"dateModified": "2023-11-07T11:45:00+00:00", ']),
        ("meta", "2023-11-07T12:00:00Z", ['<meta property="article:modified_time" content="2023-11-07T13:00:00+01:00">']),
        (".t-content__dates time", "2023-11-07T11:10:00Z", [' datetime="2023-11-07T11:10:00+00:00"']),
        ("none", None, []),
    ],
    "authors": [
        (".m-from-author__name", ["罗拉"], [' class="m-from-author__name"', 'm-from-author']),
        (".t-content__authors a", ["乙"], ['<div class="t-content__authors"><a href="/cn/作者/乙/">乙</a></div>']),
        ("json-ld", ["数据人"], ['"author": [{"@type": "Person", "name": "数据人"}], ']),
        ("byline", ["丁"], ['<a href="/cn/作者/丁/">丁</a>']),
        ("none", [], []),
    ],
    "keywords": [
        (".t-content__tags a", ["签一", "签二"], ["t-content__tags"]),
        ("article:tag", ["元签一", "元签二"], ['<meta property="article:tag" content="元签一"><meta property="article:tag" content="元签二">']),
        ("json-ld", ["数据签", "二"], ['"keywords": ["数据签", "二"], ']),
        ("meta", ["词一", "词二"], ['<meta name="keywords" content="词一,词二">']),
        ("none", [], []),
    ],
    "images": [
        ("article", [Image("https://s.rfi.fr/media/display/m.jpg", "主图", "甲/AFP")], ['<img src="https://s.rfi.fr/media/display/m.jpg">']),
        ("none", [], ['<youtube-player video-id="U6uZp_2CZZU"></youtube-player>', '"embedUrl": "https://youtu.be/U6uZp_2CZZU", ']),
        ("head", [Image("https://s.rfi.fr/media/display/ld.jpg", None, None, 1280, 720), Image("https://s.rfi.fr/media/display/og.jpg")],
         ['"url": "https://s.rfi.fr/media/display/ld.jpg", ']),
        ("head", [Image("https://s.rfi.fr/media/display/og.jpg")], ['<meta property="og:image" content="https://s.rfi.fr/media/display/og.jpg">']),
        ("none", [], []),
    ],
    "audios": [
        ("player", [Media("https://a.example/b.mp3", None, 200)], ['<script data-media-id="x" type="application/json">{"sources": [{"url": "https://a.example/b.mp3"}]}</script>']),
        ("json-ld", [Media("https://a.example/b.mp3", None, 200)], ['"contentUrl": "https://a.example/b.mp3", ']),
        ("none", [], []),
    ],
    "videos": [
        ("player", [Media("https://www.youtube.com/watch?v=U6uZp_2CZZU", None, 60)], ['<youtube-player video-id="U6uZp_2CZZU"></youtube-player>']),
        ("json-ld", [Media("https://www.youtube.com/watch?v=U6uZp_2CZZU", None, 60)], ['"embedUrl": "https://youtu.be/U6uZp_2CZZU", ']),
        ("none", [], []),
    ],
    "body": [
        (".t-content__body", "第一段。\n\n第二段。", ['<p>第一段。</p><p>第二段。</p>']),
        ("json-ld", "说。" * 120, ['"articleBody": "' + "说。" * 120 + '"']),
        ("none", "", []),
    ],
}  # fmt: skip


def everything() -> str:
    """A page that has every field from every source."""
    meta = META + '<meta name="keywords" content="词一,词二">'
    media = {
        "audio": {"contentUrl": "https://a.example/b.mp3", "duration": "PT3M20S"},
        "video": {"embedUrl": "https://youtu.be/U6uZp_2CZZU", "duration": "PT1M"},
        "articleBody": "说。" * 120,
    }
    player = '{"sources": [{"url": "https://a.example/b.mp3"}]}'
    article = ARTICLE.replace(
        '<div class="t-content__body',
        '<div class="t-content__authors"><a href="/cn/作者/乙/">乙</a></div><div class="t-content__body',
    ).replace(
        "<p>第二段。</p>",
        '<p>第二段。</p><div class="m-em-audio"><script data-media-id="x" type="application/json">'
        f'{player}</script></div><div class="m-em-video">'
        '<youtube-player video-id="U6uZp_2CZZU"></youtube-player></div>'
        '<div>作者：<a href="/cn/作者/丁/">丁</a></div>',
    )
    return page(article, head=LINK + meta + ALTERNATES, data=script(DATA | media))


@pytest.mark.parametrize("name", SOURCES)
def test_each_source_stands_in_for_the_one_before_it(name: str) -> None:
    html = everything()
    for source, value, removed in SOURCES[name]:
        hits: Counter[str] = Counter()
        article = read_page(html, FETCHED, hits)
        found = article.article_body if name == "body" else getattr(article, name)
        assert (source, found) == (source, value)
        assert hits[f"{name}:{source}"] == 1
        assert [hit for hit in hits if hit.startswith(f"{name}:")] == [f"{name}:{source}"]
        for part in removed:
            assert part in html
            html = html.replace(part, "")


@pytest.mark.parametrize(
    ("html", "headline"),
    [
        (page(), "例题"),
        (page(without("t-content__title")), "例题"),  # the article's h1 all the same
        (page(ARTICLE.replace("例题 - 要闻解说", " <svg><style>x</style></svg> ")), "数据题"),
        (page(ARTICLE.replace("h1", "div")), "数据题"),
        (page(ARTICLE.replace("h1", "div"), data=""), "元题"),
        (page(ARTICLE.replace("h1", "div"), data="", head=LINK), "标签题"),
        (page(ARTICLE.replace("h1", "div"), data=script(DATA | {"headline": ""})), "元题"),
        (page(ARTICLE.replace("h1", "div"), data=script(DATA | {"headline": ["x"]})), "元题"),
        (
            page(ARTICLE.replace("h1", "div"), data=script(DATA | {"headline": "甲 &amp;amp; 乙"})),
            "甲 & 乙",
        ),
    ],
)
def test_the_headline(html: str, headline: str) -> None:
    assert read(html).headline == headline


@pytest.mark.parametrize(
    ("html", "description"),
    [
        (page(), "导语，一句。"),
        (page(without("t-content__chapo").replace("导语，一句。", "")), "数据导语。"),
        (page(ARTICLE.replace("导语，一句。", "")), "数据导语。"),
        (page(ARTICLE.replace("导语，一句。", ""), data=""), "元导语。"),
        (
            page(ARTICLE.replace("导语，一句。", ""), data=script(DATA | {"description": {}})),
            "元导语。",
        ),
        (page(ARTICLE.replace("导语，一句。", ""), data="", head=LINK), None),
        # a beginning of the body is no standfirst
        (
            page(
                ARTICLE.replace("导语，一句。", ""), data=script(DATA | {"description": "第一段…"})
            ),
            None,
        ),
        (
            page(ARTICLE.replace("导语，一句。", ""), data=script(DATA | {"description": " … "})),
            None,
        ),
    ],
)
def test_the_description(html: str, description: str | None) -> None:
    article = read(html)
    assert article.description == description
    assert article.article_body == "第一段。\n\n第二段。"


NO_TIMES = ARTICLE.replace("<time ", "<b ").replace("</time>", "</b>")


@pytest.mark.parametrize(
    ("html", "published", "modified"),
    [
        (page(), "2023-11-07T11:30:00Z", "2023-11-07T11:45:00Z"),
        (page(data=""), "2023-11-07T11:00:00Z", "2023-11-07T12:00:00Z"),
        (page(data="", head=LINK), "2023-11-07T11:00:00Z", "2023-11-07T11:10:00Z"),
        (page(NO_TIMES, data="", head=LINK), None, None),
        (page(data=script(DATA | {"datePublished": "gestern", "dateModified": 5})),
         "2023-11-07T11:00:00Z", "2023-11-07T12:00:00Z"),
        (page(data=script(DATA | {"datePublished": "2023-11-07T12:30:00"})),
         "2023-11-07T11:00:00Z", "2023-11-07T11:45:00Z"),
        (page(data=script(DATA | {"datePublished": "2023-10-29T02:30:00+02:00",
                                  "dateModified": "2023-10-29T02:30:00+01:00"})),
         "2023-10-29T00:30:00Z", "2023-10-29T01:30:00Z"),
    ],
)  # fmt: skip
def test_the_dates(html: str, published: str | None, modified: str | None) -> None:
    article = read(html)
    assert (article.date_published, article.date_modified) == (published, modified)


NO_AUTHOR = ARTICLE.replace("m-from-author__name", "x").replace('href="/cn/作者/罗拉/"', "")
OLD_AUTHOR = ARTICLE.replace(
    '<div class="m-from-author"><a class="m-from-author__name" href="/cn/作者/罗拉/">罗拉</a></div>',
    '<div class="t-content__authors">作者：<a href="/cn/作者/甲/">甲</a><a href="/cn/作者/乙/">乙</a></div>',
)
BYLINE = NO_AUTHOR.replace(
    "<p>第一段。</p>", '<div>作者：<a href="/cn/作者/丁/">丁</a></div><p>第一段。</p>'
)


@pytest.mark.parametrize(
    ("html", "authors"),
    [
        (page(), ["罗拉"]),
        (page(ARTICLE.replace("<a class=", "<span class=").replace("罗拉</a>", "罗拉</span>")), ["罗拉"]),
        (page(OLD_AUTHOR), ["甲", "乙"]),
        (page(NO_AUTHOR), ["数据人"]),
        (page(BYLINE), ["数据人"]),
        (page(BYLINE, data=""), ["丁"]),
        (page(NO_AUTHOR, data=""), []),
        (page(NO_AUTHOR, data=script(DATA | {"author": {"name": "一"}})), ["一"]),
        (page(NO_AUTHOR, data=script(DATA | {"author": "一"})), ["一"]),
        (page(NO_AUTHOR, data=script(DATA | {"author": ["一", {"name": ["二", "三"]}, None, {}, 5]})), ["一", "二", "三"]),
        # never the outlet or its page
        (page(ARTICLE.replace("罗拉</a>", "RFI</a>")), ["数据人"]),
        (page(NO_AUTHOR, data=script(DATA | {"author": [{"@type": "Organization", "name": "RFI"}]})), []),
        (page(NO_AUTHOR, data=script(DATA | {"author": {"name": "Radio France Internationale"}})), []),
        (page(NO_AUTHOR, data=script(DATA | {"author": "https://www.facebook.com/RFI"})), []),
        (page(NO_AUTHOR, data=script(DATA | {"author": [{"name": "AFP"}, {"name": "法广"}]})), ["AFP"]),
    ],
)  # fmt: skip
def test_the_authors(html: str, authors: list[str]) -> None:
    article = read(html)
    assert article.authors == authors
    assert article.article_body == "第一段。\n\n第二段。"


NO_TAGS = ARTICLE.replace("t-content__tags", "t-content__tags x").replace(
    '<a href="/cn/tag', '<b href="/cn/tag'
)
BLANK_TAGS = ARTICLE.replace("签一</a>", " </a>").replace("签二</a>", "</a>")


@pytest.mark.parametrize(
    ("html", "keywords"),
    [
        (page(), ["签一", "签二"]),
        (page(NO_TAGS), ["元签一", "元签二"]),
        (page(BLANK_TAGS), ["元签一", "元签二"]),
        (page(NO_TAGS, head=LINK), ["数据签", "二"]),
        (page(NO_TAGS, head=LINK, data=script(DATA | {"keywords": "甲, 乙 ,甲,, 丙 &amp; 丁"})), ["甲", "乙", "丙 & 丁"]),
        (page(NO_TAGS, head=LINK, data=script(DATA | {"keywords": "甲"})), ["甲"]),
        (page(NO_TAGS, head=LINK, data=script(DATA | {"keywords": [None, 5, " ", "甲", {"a": 1}]})), ["甲"]),
        (page(NO_TAGS, head=LINK, data=script(DATA | {"keywords": {"a": 1}})), []),
        (page(NO_TAGS, head=LINK, data=""), []),
    ],
)  # fmt: skip
def test_the_keywords(html: str, keywords: list[str]) -> None:
    assert read(html).keywords == keywords


NO_IMAGE = ARTICLE.replace(f"{S}/m.jpg", "data:image/gif;base64,x")
LD_IMAGE = Image(f"{S}/ld.jpg", None, None, 1280, 720)
OG_IMAGE = Image(f"{S}/og.jpg")


@pytest.mark.parametrize(
    ("html", "images"),
    [
        (page(), [Image(f"{S}/m.jpg", "主图", "甲/AFP")]),
        (page(ARTICLE.replace("<p>第二段。", f"<img src='{S}/b.jpg'><p>第二段。")),
         [Image(f"{S}/m.jpg", "主图", "甲/AFP"), Image(f"{S}/b.jpg")]),
        (page(NO_IMAGE), [LD_IMAGE, OG_IMAGE]),
        (page(NO_IMAGE, data=""), [OG_IMAGE]),
        (page(NO_IMAGE, head=LINK), [LD_IMAGE]),
        (page(NO_IMAGE, head=LINK, data=""), []),
        (page(NO_IMAGE, head=LINK, data=script(DATA | {"image": f"{S}/s t.jpg"})), [Image(f"{S}/s%20t.jpg")]),
        (page(NO_IMAGE, head=LINK, data=script(DATA | {"image": [f"{S}/1.jpg", {"contentUrl": "/2.jpg"}, f"{S}/1.jpg"]})),
         [Image(f"{S}/1.jpg"), Image("https://www.rfi.fr/2.jpg")]),
        (page(NO_IMAGE, head=LINK, data=script(DATA | {"image": [None, 5, "", "data:,x", "http://[", {"url": {}}]})), []),
        (page(NO_IMAGE, head=LINK, data=script(DATA | {"image": {"url": f"{S}/1.jpg", "width": 10**30, "height": True}})),
         [Image(f"{S}/1.jpg")]),
        (page(NO_IMAGE, data="", head=LINK + '<meta property="og:image" '
              'content="https://static.rfi.fr/meta_og_twcards/RFI_FB.png">'), []),
    ],
)  # fmt: skip
def test_the_images(html: str, images: list[Image]) -> None:
    assert read(html).images == images


YOUTUBE = '<youtube-player video-id="U6uZp_2CZZU"></youtube-player>'
WATCH = "https://www.youtube.com/watch?v=U6uZp_2CZZU"


def test_audios_and_videos() -> None:
    player = json.dumps({"sources": [{"url": "https://a.example/b.mp3"}]})
    with_players = ARTICLE.replace(
        "<p>第二段。",
        f'<div class="m-em-audio"><script data-media-id="x" type="application/json">{player}</script></div>'
        f'<div class="m-em-video">{YOUTUBE}</div><p>第二段。',
    )
    linked = {
        "audio": {
            "contentUrl": "https://a.example/b.mp3",
            "duration": "P0DT0H3M20S",
            "name": "节目",
        },
        "video": [
            {
                "embedUrl": "https://www.youtube.com/embed/U6uZp_2CZZU",
                "name": "片",
                "duration": "PT1M",
            },
            {"contentUrl": "https://v.example/c d.mp4"},
        ],
    }
    article = read(page(with_players, data=script(DATA | linked)))
    assert article.audios == [Media("https://a.example/b.mp3", "节目", 200)]
    assert article.videos == [Media(WATCH, "片", 60), Media("https://v.example/c%20d.mp4")]
    assert article.article_body == "第一段。\n\n第二段。"
    article = read(page(data=script(DATA | linked)))
    assert article.audios == [Media("https://a.example/b.mp3", "节目", 200)]
    assert article.videos == [Media(WATCH, "片", 60), Media("https://v.example/c%20d.mp4")]
    article = read(page(with_players, data=""))
    assert (article.audios, article.videos) == ([Media("https://a.example/b.mp3")], [Media(WATCH)])


@pytest.mark.parametrize(
    "linked",
    [
        {"audio": None, "video": None},
        {"audio": "x", "video": "javascript:alert(1)"},
        {"audio": [[]], "video": {"embedUrl": 5, "contentUrl": []}},
        {"audio": {"contentUrl": "http://["}, "video": {"embedUrl": "http://["}},
        {"audio": {"contentUrl": "data:,x", "duration": []}},
    ],
)
def test_media_that_json_ld_gets_wrong(linked: dict[str, object]) -> None:
    article = read(page(data=script(DATA | linked)))
    assert article.videos == []
    assert [audio.url for audio in article.audios] in (
        [],
        ["https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/x"],
    )


def test_rfis_own_video_player() -> None:
    data = json.dumps(
        {
            "mediaId": "WBMZ1",
            "sources": [{"url": "https://v.example/a.mp4"}, {"url": "https://v.example/a.m3u8"}],
            "duration": "PT2M",
            "diffusion": {"title": "片"},
        }
    )
    player = (
        f'<script data-media-video-id="x" type="application/json">{data}</script>'
        '<video-player source="https://v.example/b.mp4"><span>播放</span></video-player>'
    )
    poster = f'<figure><img src="{S}/p.jpg"><video-player></video-player></figure>'
    for markup, videos in (
        (player, [Media("https://v.example/a.mp4", "片", 120)]),
        (player.replace(data, "{"), [Media("https://v.example/b.mp4")]),
        (player.replace("data-media-video-id", "data-x"), [Media("https://v.example/b.mp4")]),
    ):
        article = body(f"<p>甲</p><div>{markup}{poster}</div><p>乙</p>")
        assert article.videos == videos
        assert article.article_body == "甲\n\n乙"
        assert [image.url for image in article.images] == [f"{S}/m.jpg"]
    alone = body(f"<p>甲</p>{player.partition('<video-player')[0]}")
    assert alone.videos == [Media("https://v.example/a.mp4", "片", 120)]


def test_media_that_stand_on_their_own_in_json_ld() -> None:
    audio = {"@type": "AudioObject", "contentUrl": "http://a.example/b.mp3", "duration": "PT9S"}
    video = {"@type": "VideoObject", "embedUrl": "https://youtu.be/U6uZp_2CZZU", "name": "片"}
    for data in (
        script([DATA, audio, video]),
        script(DATA) + script(audio) + script(video),
        script(DATA | {"@type": "PodcastEpisode", "associatedMedia": [audio, video, None]}),
    ):
        article = read(page(data=data))
        assert article.audios == [Media("http://a.example/b.mp3", None, 9)]
        assert article.videos == [Media(WATCH, "片")]
    alone = page("", head=LINK, data=script([audio, video]))
    with pytest.raises(NotAnArticle):
        read(alone.replace("article data-article-content", "div"))


def test_one_file_under_two_addresses_is_one_audio() -> None:
    player = '{"sources": [{"url": "https://a.example/b.mp3?source=page"}]}'
    markup = f'<script data-media-id="x" type="application/json">{player}</script>'
    audio = {"contentUrl": "http://a.example/b.mp3", "duration": 7.9}
    found = read(page(ARTICLE + markup, data=script(DATA | {"audio": audio}))).audios
    assert found == [Media("https://a.example/b.mp3?source=page", None, 7)]


def test_a_gallery_in_json_ld() -> None:
    pictures = [
        {
            "@type": "ImageObject",
            "contentUrl": f"{S}/{n}.jpg",
            "caption": f"图{n}",
            "creditText": "甲",
        }
        for n in (1, 2)
    ]
    data = script(DATA | {"@type": "ImageGallery", "image": None, "associatedMedia": pictures})
    assert read(page(NO_IMAGE, head=LINK, data=data)).images == [
        Image(f"{S}/1.jpg", "图1", "甲"),
        Image(f"{S}/2.jpg", "图2", "甲"),
    ]


# ------------------------------------------------------------------------------------------ identity


def linked(href: str) -> str:
    return f'<link rel="canonical" href="{href}">'


@pytest.mark.parametrize(
    ("head", "url", "canonical"),
    [
        (LINK, FETCHED, ENCODED),
        (linked(CANONICAL + "?utm_source=x#y"), FETCHED, ENCODED),
        (linked("http://m.rfi.fr//cn/国际/20231107-例题/amp"), FETCHED, ENCODED),
        (linked("/cn/国际/20231107-例题"), FETCHED, ENCODED),
        (LINK + linked("https://www.rfi.fr/cn/20231107-b"), FETCHED, ENCODED),
        # not an RFI article: og:url, then the address fetched
        (linked("https://evil.example/cn/国际/20231107-例题"), FETCHED, FETCHED),
        (linked("https://www.rfi.fr.evil.example/cn/20231107-a"), FETCHED, FETCHED),
        (linked("https://www.rfi.fr@evil.example/cn/20231107-a"), FETCHED, FETCHED),
        (linked("https://www.rfi.fr/cn/国际/"), FETCHED, FETCHED),
        (linked("https://www.rfi.fr/"), FETCHED, FETCHED),
        (linked("http://["), FETCHED, FETCHED),
        (linked("javascript:alert(1)"), FETCHED, FETCHED),
        (linked(""), FETCHED, FETCHED),
        ("", FETCHED, FETCHED),
        (f'<meta property="og:url" content="{CANONICAL}">', FETCHED, ENCODED),
        (
            linked("https://www.rfi.fr/") + f'<meta property="og:url" content="{CANONICAL}">',
            FETCHED,
            ENCODED,
        ),
        ('<meta property="og:url" content="https://evil.example/x">', FETCHED, FETCHED),
        # links to something else
        (
            '<link rel="shortlink amphtml" href="https://www.rfi.fr/cn/20231107-b">',
            FETCHED,
            FETCHED,
        ),
        (LINK, "https://rfi.my/A59v", ENCODED),
    ],
)
def test_the_canonical_address(head: str, url: str, canonical: str) -> None:
    article = read(page(head=head), url)
    expected = (
        canonical
        if canonical != FETCHED
        else canonical.replace("另一处", "%E5%8F%A6%E4%B8%80%E5%A4%84")
    )
    assert article.canonical_url == expected
    assert article.url == url


@pytest.mark.parametrize(
    "url", ["https://evil.example/cn/20231107-a", "https://rfi.my/A59v", "", "x"]
)
def test_a_page_elsewhere_that_names_no_rfi_article(url: str) -> None:
    with pytest.raises(NotRfi) as caught:
        read(page(head=""), url)
    assert caught.value.outcome == "offsite"


def test_a_section_page_is_none() -> None:
    with pytest.raises(NotRfi) as caught:
        read(page(head=linked("https://www.rfi.fr/cn/国际/")), "https://www.rfi.fr/cn/国际/")
    assert caught.value.outcome == "invalid"


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<html></html>",
        "Page not found",
        "<html><head><title>RFI</title></head><body><h1>页面不存在</h1><p>404</p></body></html>",
        page(article="", data=""),
        page(article="<h1>例题</h1>", data=""),
        page(article="<h1></h1><p>甲</p>", data="", title="", head=LINK),
        page().replace("article data-article-content", "div").replace("t-content__body", "x").replace("NewsArticle", "WebPage"),
        "<frameset><frame></frameset>",
        "\x00" * 1000,
    ],
)  # fmt: skip
def test_pages_without_an_article(html: str) -> None:
    with pytest.raises(NotAnArticle) as caught:
        read(html)
    assert "\n" not in str(caught.value)


def test_a_page_too_deep() -> None:
    with pytest.raises(TooDeep):
        read(page("<div>" * 50_000))


# ------------------------------------------------------------------------------------------ JSON-LD

CRUMBS = {"@type": "BreadcrumbList", "itemListElement": [{"headline": "面包屑"}]}
OTHER = {
    "@type": "NewsArticle",
    "headline": "另一篇",
    "description": "另一篇的导语",
    "author": "别人",
}
BARE = ARTICLE.replace("h1", "div")


@pytest.mark.parametrize(
    "data",
    [
        script(DATA),
        script([DATA]),
        script([CRUMBS, DATA]),
        script({"@context": "x", "@graph": [CRUMBS, DATA]}),
        script({"@graph": DATA}),
        script([{"@graph": [CRUMBS]}, {"@graph": [[DATA]]}]),
        script(CRUMBS) + script(DATA),
        script(DATA) + script(CRUMBS),
        script("{") + script(DATA),
        script("") + script("null") + script(DATA),
        script(DATA | {"@type": ["Thing", "NewsArticle"]}),
        script(DATA | {"@type": "ReportageNewsArticle"}),
        script(DATA | {"@type": "LiveBlogPosting"}),
        script(DATA | {"@type": "http://schema.org/NewsArticle"}),
        script(json.dumps(DATA) + ";</p>"),
        script(json.dumps(DATA) + "\n}\n]"),
        script(json.dumps(DATA) + json.dumps(OTHER)),
        script(json.dumps(CRUMBS) + ",\n" + json.dumps(DATA)),
        script("<!--\n" + json.dumps(DATA) + "\n-->"),
        script("//<![CDATA[\n" + json.dumps(DATA) + "\n//]]>"),
        script("/*<![CDATA[*/" + json.dumps(DATA) + "/*]]>*/"),
        script("\ufeff" + json.dumps(DATA)),
        script(DATA).replace("application/ld+json", "application/LD+JSON; charset=utf-8"),
        script([OTHER | {"url": "https://www.rfi.fr/cn/20231107-b"}, DATA | {"url": CANONICAL}]),
        script(OTHER) + script(DATA | {"mainEntityOfPage": {"@id": CANONICAL + "?x=y"}}),
        script([OTHER, DATA | {"mainEntityOfPage": FETCHED}]),
        script("\n\t " + json.dumps(DATA, indent=2).replace("数据导语。", "数据\n导语。") + " "),
        script(json.dumps(DATA, ensure_ascii=True)),
        script(DATA) + script(OTHER),
        script([DATA, OTHER]),
        script({key: DATA[key] for key in ("@type", "headline", "author")})
        + script({key: DATA[key] for key in ("@type", "description")}),
        script({key: DATA[key] for key in ("@type", "headline", "author")})
        + script({key: DATA[key] for key in ("@type", "description")} | {"url": CANONICAL}),
    ],
)
def test_json_ld_in_every_shape(data: str) -> None:
    article = read(page(NO_AUTHOR.replace("h1", "div").replace("导语，一句。", ""), data=data))
    assert article.headline == "数据题"
    assert article.description in ("数据导语。", "数据 导语。")
    assert article.authors == ["数据人"]


@pytest.mark.parametrize(
    "data",
    [
        "",
        script(""),
        script("{"),
        script('{"@type": "NewsArticle", "headline": "断'),
        script("<!-- -->"),
        script(json.dumps(DATA)[1:]),
        script(CRUMBS),
        script([1, "x", None]),
        script({"@graph": {"@graph": None}}),
        script("[" * 100_000),
        script(DATA).replace("application/ld+json", "application/json"),
        script({"headline": "无类型"}),
        script({"@type": {"x": 1}, "headline": "怪类型"}),
    ],
)
def test_broken_json_ld_leaves_the_rest_standing(data: str) -> None:
    article = read(page(BARE, data=data))
    assert article.headline == "元题"
    assert article.date_published == "2023-11-07T11:00:00Z"
    assert article.article_body == "第一段。\n\n第二段。"


@pytest.mark.parametrize(
    "kind", ["CollectionPage", "ItemList", "ProfilePage", "SearchResultsPage", "PodcastSeries"]
)
def test_lists_are_no_articles_unless_their_page_says_so(kind: str) -> None:
    listed = script({"@type": kind, "name": "列表"})
    undated = page(NO_TIMES, head=LINK, data=listed)
    with pytest.raises(NotAnArticle):
        read(undated)
    assert read(page(NO_TIMES, head=LINK, data=listed + script(DATA))).headline == "例题"
    assert read(page(data=listed)).date_published == "2023-11-07T11:00:00Z"
    teasers = "<article><h2>一</h2><p>甲</p></article><article><h1>二</h1><p>乙</p></article>"
    bare = page("").replace("<article data-article-content></article>", teasers)
    with pytest.raises(NotAnArticle):
        read(bare.replace("</head>", f"{listed}</head>"))
    assert read(bare).headline == "二"


@pytest.mark.parametrize(
    ("title", "code"),
    [("Page not found - RFI", 200), ("页面不存在", 200), ("404", 200), ("Ой!", 404), ("Oups", 410)],
)
def test_errors_sent_as_pages_are_no_articles(title: str, code: int) -> None:
    error = (
        f'<h1 class="t-content__title">{title}</h1><div class="t-content__body"><p>甲。</p></div>'
    )
    layer = f'<script id="datalayer" type="application/json">{{"http_code": {code}}}</script>'
    with pytest.raises(NotAnArticle):
        read(page(error, head=LINK, data="", after=layer))
    dated = '<meta property="article:published_time" content="2023-11-07T12:00:00+01:00">'
    assert read(page(error, head=LINK + dated, data="", after=layer)).article_body == "甲。"


def test_a_long_list_in_json_ld_is_read_in_time() -> None:
    assert read(page(data=script([1] * 500_000 + [DATA]))).date_published == "2023-11-07T11:30:00Z"


def test_data_without_markup_is_an_article_too() -> None:
    article = read(page("").replace("article data-article-content", "div"))
    assert article.headline == "数据题"
    assert article.description == "数据导语。"
    assert article.article_body == ""
    assert article.images == [LD_IMAGE, OG_IMAGE]


def test_a_pixel_in_the_head_hides_nothing_behind_it() -> None:
    pixel = '<noscript><img height="1" src="https://pixel.example/x"></noscript>'
    assert read(page(head=pixel + LINK + META + ALTERNATES)) == read(page())


# ------------------------------------------------------------------------------------------ body

PLAIN = "<p>第一段。</p><p>第二段。</p>"


def body(inside: str, after: str = "") -> Article:
    return read(page(ARTICLE.replace(PLAIN, inside), after=after))


@pytest.mark.parametrize("strays", range(7))
def test_stray_end_tags_push_nothing_out_of_the_article(strays: int) -> None:
    article = body(
        f"<p>甲</p>{'</div>' * strays}<button>继续浏览后续</button><p>乙</p><h2>丙</h2>图外的字"
        '<div class="m-em-image"><figure><img src="/b.jpg"><figcaption>图</figcaption></figure></div>'
        f'<ul><li>丁</li></ul><div class="m-em-flash">{YOUTUBE}</div>{"</div>" * strays}<p>戊</p>'
    )
    assert article.article_body == "甲\n\n乙\n\n丙\n\n图外的字\n\n丁\n\n戊"
    assert article.article_body_html == (
        "<p>甲</p><p>乙</p><h2>丙</h2><p>图外的字</p><figure>"
        '<img src="https://www.rfi.fr/b.jpg"><figcaption>图</figcaption></figure>'
        "<ul><li>丁</li></ul><p>戊</p>"
    )
    assert [image.url for image in article.images] == [f"{S}/m.jpg", "https://www.rfi.fr/b.jpg"]
    assert [video.url for video in article.videos] == [WATCH]
    assert article.headline == "例题"
    assert article.keywords[0] in ("签一", "元签一")
    assert article.authors == ["罗拉"]


def test_what_stands_around_the_article_stays_out() -> None:
    aside = "<aside><h2>更多</h2><p>旁</p></aside><section><p>节</p></section><div><p>盒</p></div>"
    assert body(PLAIN, after=aside).article_body == "第一段。\n\n第二段。"


@pytest.mark.parametrize(
    "furniture",
    [
        '<div class="m-interstitial"><div class="m-block-ad"><div class="m-block-ad__label">广告</div></div></div>',
        '<div class="o-self-promo"><p>下载应用</p></div>',
        '<a class="a-read-more" href="/cn/a">更多</a>',
        '<blockquote class="m-em-quote"><p>引</p></blockquote>',
        '<div class="a-loader-error"><p>Page not found</p></div>',
        '<p class="a-loader-error">Page not found</p>',
        "<svg><style>.a{}</style></svg>",
        '<div class="t-content__shares">分享</div>',
        "<script>x()</script>",
    ],
)
def test_furniture_goes(furniture: str) -> None:
    for inside in (f"<p>甲</p>{furniture}<p>乙</p>", f"<p>甲</p><p>乙</p>{furniture}"):
        article = body(inside)
        assert article.article_body == "甲\n\n乙"
        assert article.article_body_html == "<p>甲</p><p>乙</p>"


@pytest.mark.parametrize(
    "furniture", ["t-content__shares", "t-content__tags", "m-from-author", "o-self-promo"]
)
def test_furniture_beside_the_body_goes(furniture: str) -> None:
    article = read(page(ARTICLE + f'<div class="{furniture}"><p>家具</p></div>'))
    assert article.article_body == "第一段。\n\n第二段。"


def test_an_article_without_a_body_of_its_own() -> None:
    article = read(page(ARTICLE.replace('<div class="t-content__body u-clearfix">', "<div>")))
    assert article.article_body == "第一段。\n\n第二段。"
    assert article.headline == "例题"
    assert article.description == "导语，一句。"


def test_a_standfirst_without_its_class_goes_once() -> None:
    inside = "<h1>例题</h1><p>数据导语。</p><p>第一段。</p><p>数据导语。</p><p>作者：数据人</p><p>分享 :</p>"
    article = read(page(f"<p>国际</p>{inside}<p>07/11/2023 - 12:00</p>"))
    assert article.article_body == "第一段。\n\n数据导语。"
    assert article.description == "数据导语。"
    article = read(page(f'{inside}<p class="t-content__chapo">数据导语。</p>'))
    assert article.article_body == "数据导语。\n\n第一段。\n\n数据导语。"


def test_a_body_without_an_article_around_it() -> None:
    article = read(page().replace("<article data-article-content>", "").replace("</article>", ""))
    assert article.article_body == "第一段。\n\n第二段。"
    assert (article.headline, article.description) == ("例题", "导语，一句。")
    assert (article.authors, article.keywords) == (["罗拉"], ["签一", "签二"])


def test_nested_paragraphs_and_copyright() -> None:
    article = body('<p><p>甲</p></p><p><span>乙</span></p><p class="t-copyright">© 2023 AFP</p>')
    assert article.article_body == "甲\n\n乙"
    assert article.copyright_notice == "© 2023 AFP"


def test_older_captions() -> None:
    old = ARTICLE.replace('"a-media-legend">主', '"m-figure__caption__legend">主').replace(
        '"a-media-legend">甲', '"m-figure__caption__credits">甲'
    )
    assert read(page(old)).images == [Image(f"{S}/m.jpg", "主图", "甲/AFP")]
    one = ARTICLE.replace('<span class="a-media-legend">甲/AFP</span>', "")
    assert read(page(one)).images == [Image(f"{S}/m.jpg", "主图", None)]


# ------------------------------------------------------------------------------------------ a real page


def test_a_real_page_of_a_sister_site(samples: Path) -> None:
    """The page says itself what is expected: html5lib reads it, and it is made one of RFI's."""
    html = (samples / "pages" / "same-cms-observers-en.html").read_text("utf-8")
    (theirs,) = re.findall('<link rel="canonical" href="([^"]+)">', html)
    ours = theirs.replace(
        "https://observers.france24.com/en/", "https://www.rfi.fr/en/international/"
    )
    html = html.replace(theirs, ours).replace(theirs.replace("/", "\\/"), ours)
    page = html5lib.parse(html, namespaceHTMLElements=False)
    ((data, *_),) = [
        json.loads(e.text) for e in page.iter("script") if e.get("type") == "application/ld+json"
    ]
    article = read(html, ours)
    assert article.canonical_url == ours
    assert (article.edition, article.section) == ("en", "international")
    (title,) = with_class(page, "t-content__title")
    assert article.headline == data["headline"] == oracle.inside(title)
    published = datetime.fromisoformat(data["datePublished"]).astimezone(UTC)
    assert article.date_published == published.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert article.date_modified is not None
    assert article.date_modified > article.date_published
    assert article.authors == [oracle.inside(e) for e in with_class(page, "m-from-author__name")]
    (tags,) = with_class(page, "t-content__tags")
    assert article.keywords == [oracle.inside(link) for link in tags.iter("a")]
    assert len(article.keywords) == 3
    assert len(article.images) >= 4
    assert all(
        image.url.startswith("https://s.observers.france24.com/") for image in article.images
    )
    assert "/w:980/" in article.images[0].url
    assert article.images[0].caption
    assert len({video.url for video in article.videos}) >= 6
    assert all(video.url.startswith("https://www.youtube.com/watch?v=") for video in article.videos)
    assert len(article.article_body.split("\n\n")) > 30
    assert oracle.faults(sanitize(article.article_body_html)) == []
    for word in ("Page not found", "Advertising", "Read more", "Share", "function", "{"):
        assert word not in article.article_body
    (body,) = with_class(page, "t-content__body")
    (promo,) = with_class(body, "o-self-promo")
    paragraphs = [oracle.inside(p) for p in body.iter("p") if p not in list(promo.iter())]
    assert [p for p in paragraphs if p not in article.article_body] == []


def with_class(top: Any, name: str) -> list[Any]:
    """The elements below `top` that have a class of that name."""
    return [element for element in top.iter() if name in (element.get("class") or "").split()]


# ------------------------------------------------------------------------------------------ properties

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
    | st.sampled_from(["http://[", "NewsArticle", "2023-11-07T12:00:00+01:00", "/a.jpg", f"{S}/x y.jpg", "PT5S"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["@type", "@graph", "url", "contentUrl", "embedUrl", "name", "duration", "width"]),
        inner, max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip
PROPERTIES = st.dictionaries(
    st.sampled_from([*DATA, "audio", "video", "@graph"]), VALUES, max_size=5
)
DOCUMENTED = (NotAnArticle, NotRfi, TooDeep)


def well_formed(article: Article) -> None:
    for text in (
        article.headline,
        article.column,
        article.description,
        *article.keywords,
        *article.authors,
    ):
        assert text is None or (text == " ".join(text.split()) and text.encode())
    for part in (*article.images, *article.audios, *article.videos, *article.alternates):
        assert part.url.startswith(("https://", "http://"))
        assert not any(map(str.isspace, part.url))
    for image in article.images:
        assert image.width is None or type(image.width) is int
    assert oracle.faults(sanitize(article.article_body_html)) == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROPERTIES, st.booleans())
def test_no_json_ld_raises(properties: dict[str, Any], bare: bool) -> None:
    data = {key: value for key, value in DATA.items() if key == "@type" or not bare} | properties
    try:
        well_formed(read(page("<p>甲</p>" if bare else ARTICLE, data=script(data))))
    except DOCUMENTED:
        pass


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_damaged_page_raises(data: st.DataObject) -> None:
    whole = page()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(start, min(len(whole), start + 400)))
        junk = data.draw(
            st.sampled_from(
                [
                    "",
                    "<",
                    ">",
                    '"',
                    "</div>",
                    "<body>",
                    "<!--",
                    "\x00",
                    "<template>",
                    "<p>",
                    "http://[",
                ]
            )
        )
        whole = whole[:start] + junk + whole[end:]
    try:
        well_formed(read(whole))
    except DOCUMENTED:
        pass


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters()), st.text(st.characters(), min_size=1) | st.just(FETCHED))
def test_no_text_raises(html: str, url: str) -> None:
    for markup in (html, page(html), html.join(["<article>", "</article>"])):
        try:
            well_formed(read(markup, url))
        except DOCUMENTED:
            pass
