import json
from html import escape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfinews.items import Image, Media
from rfinews.markup import parse, render
from rfinews.parsers.media import address, asset, collect, is_picture, pixels, video_address

BASE = "https://www.rfi.fr/cn/国际/20231107-例题"
ONE = "dcb6fbc2-923b-11ed-a18a-005056bf30b7"
TWO = "0a2c4e6e-7c3d-11ee-9f21-005056a900c8"
S = "https://s.rfi.fr/media/display"


def collected(html: str) -> tuple[list[Image], list[Media], list[Media], str]:
    """Pictures, audios, videos of a payload, and its text."""
    body = parse(f"<body>{html}").body
    assert body is not None
    found = collect(body, BASE)
    return *found, render([body]).text


def pictures(html: str) -> list[str]:
    return [image.url for image in collected(html)[0]]


# ------------------------------------------------------------------------------------------ pictures

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
DATASET = escape(json.dumps({"url": f"{S}/{ONE}/w:1280/", "filename": "a.jpg"}))
WHOLE = escape(json.dumps({"url": f"{S}/{ONE}/w:1280/a.jpg", "formats": {}}))


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (f'<img src="{S}/{ONE}/w:310/a.jpg">', f"{S}/{ONE}/w:310/a.jpg"),
        (f'<img src="//s.rfi.fr/media/display/{ONE}/a.jpg">', f"{S}/{ONE}/a.jpg"),
        ('<img src="/media/a b.jpg">', "https://www.rfi.fr/media/a%20b.jpg"),
        ('<img src="HTTPS://S.rfi.fr/图.jpg">', "https://s.rfi.fr/%E5%9B%BE.jpg"),
        # the largest rendition, in whatever order, width or density
        (f'<img src="/a.jpg" srcset="{S}/310/a.jpg 310w, {S}/1280/a.jpg\n1280w,{S}/980/a.jpg 980w">',
         f"{S}/1280/a.jpg"),
        ('<img src="/a.jpg" srcset="/b.jpg 1x, /c.jpg 1.5x">', "https://www.rfi.fr/c.jpg"),
        ('<img srcset="/b.jpg">', "https://www.rfi.fr/b.jpg"),
        ('<img srcset=" , /b.jpg 2x , ">', "https://www.rfi.fr/b.jpg"),
        ('<img src="/a.jpg" srcset="/b.jpg .">', "https://www.rfi.fr/b.jpg%20."),
        ('<img src="/a.jpg" srcset="">', "https://www.rfi.fr/a.jpg"),
        ('<img src="/a.jpg" data-srcset="/b.jpg 2x">', "https://www.rfi.fr/b.jpg"),
        # lazy pictures
        (f'<img src="{PIXEL}" data-src="/b.jpg">', "https://www.rfi.fr/b.jpg"),
        (f'<img src="{PIXEL}" data-image-dataset="{DATASET}">', f"{S}/{ONE}/w:1280/a.jpg"),
        (f'<img src="{PIXEL}" data-image-dataset="{WHOLE}">', f"{S}/{ONE}/w:1280/a.jpg"),
        (f'<img src="{PIXEL}"> <noscript><img src="/b.jpg"></noscript>', "https://www.rfi.fr/b.jpg"),
        (f'<img src="{PIXEL}"><noscript><img src="/b.jpg" srcset="/b.jpg 1x, /c.jpg 2x"></noscript>',
         "https://www.rfi.fr/c.jpg"),
        (f'<img src="{PIXEL}" srcset="{PIXEL} 1x" data-src="/b.jpg">', "https://www.rfi.fr/b.jpg"),
        ('<img src="https://static.rfi.fr/meta_og_twcards/RFI_FB.png" data-src="/b.jpg">',
         "https://www.rfi.fr/b.jpg"),
    ],
)  # fmt: skip
def test_the_real_address_of_a_picture(html: str, expected: str) -> None:
    for markup in (html, f"<figure>{html}</figure>", f"<p>甲{html}</p>"):
        assert pictures(markup) == [expected]
        body = parse(f"<body>{markup}").body
        assert body is not None
        collect(body, BASE)
        assert f'<img src="{expected}"' in render([body]).html


@pytest.mark.parametrize(
    "html",
    [
        f'<img src="{PIXEL}">',
        '<img src="file:///C:\\Users\\x\\a.jpg">',
        '<img src="https://static.rfi.fr/meta_og_twcards/RFI_FB.png">',
        '<img src="https://scd.example/sites/RFI_FB.png">',
        '<img src="mailto:a@example.com">',
        '<img src="">',
        "<img>",
        '<img src="http://[">',
        '<img src="javascript:alert(1)">',
        f'<img src="{PIXEL}" data-image-dataset="{{">',
        f'<img src="{PIXEL}" data-image-dataset="[1]">',
        f'<img src="{PIXEL}" data-image-dataset="{escape(json.dumps({"url": 5}))}">',
        f'<img srcset="{PIXEL} 1x">',
    ],
)
def test_what_is_no_picture_goes(html: str) -> None:
    images, _, _, text = collected(f"<p>甲{html}</p>")
    assert images == []
    assert text == "甲"
    body = parse(f"<body><p>甲{html}</p>").body
    assert body is not None
    collect(body, BASE)
    assert render([body]).html == "<p>甲</p>"


def test_one_picture_comes_once_in_its_first_rendition() -> None:
    assert pictures(
        f'<img src="{S}/{ONE}/w:310/p:16x9/a.jpg"><p>甲</p><img src="{S}/{TWO}/w:310/b.jpg">'
        f'<figure><img src="{S}/{ONE.upper()}/w:1280/other.jpg"></figure>'
        '<img src="http://a.example/c.jpg"><img src="https://a.example/c.jpg">'
    ) == [f"{S}/{ONE}/w:310/p:16x9/a.jpg", f"{S}/{TWO}/w:310/b.jpg", "http://a.example/c.jpg"]


LEGEND = '<span class="m-figure__caption__legend">图</span>'
CREDIT = '<span class="m-figure__caption__credits">甲/AFP</span>'


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ('<figcaption><span class="a-media-legend">图 一</span><span class="a-media-legend">© 甲</span></figcaption>',
         ("图 一", "© 甲")),
        ('<figcaption><span class="a-media-legend">图</span></figcaption>', ("图", None)),
        (f"<figcaption>{LEGEND}{CREDIT}</figcaption>", ("图", "甲/AFP")),
        (f"<figcaption><span>图</span>{CREDIT}</figcaption>", ("图", "甲/AFP")),
        ('<figcaption><span class="m-figure__caption__credits">AFP</span></figcaption>',
         (None, "AFP")),
        ("<figcaption><span>图</span> <span>甲</span></figcaption>", ("图", "甲")),
        ("<figcaption> 图\u3000一 </figcaption>", ("图 一", None)),
        ("<figcaption><span> </span></figcaption>", (None, None)),
        ("<figcaption></figcaption>", (None, None)),
        ("", (None, None)),
        ("<figcaption><span>图<script>x()</script><style>y</style></span></figcaption>", ("图", None)),
    ],
)  # fmt: skip
def test_captions_and_credits(caption: str, expected: tuple[str | None, str | None]) -> None:
    html = f'<figure class="m-figure"><img src="/a.jpg" width="980" height="551px">{caption}</figure><p>甲</p>'
    (image,), _, _, text = collected(html)
    assert (image.caption, image.credit) == expected
    assert (image.width, image.height) == (980, 551)
    assert text == "甲"


def test_a_caption_comes_from_whichever_copy_has_one() -> None:
    (image,), *_ = collected(
        f'<img src="{S}/{ONE}/a.jpg"><figure><img src="{S}/{ONE}/b.jpg"><figcaption>图</figcaption></figure>'
    )
    assert image == Image(f"{S}/{ONE}/a.jpg", "图")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("980", 980), (" 980px ", 980), (980, 980), ("0", None), ("-1", None), ("100%", None), ("", None),
     (None, None), (True, None), ("1e3", None), (10**30, None), ("٣", None), ("99999", 99999), (1.5, None)],
)  # fmt: skip
def test_pixels(value: object, expected: int | None) -> None:
    assert pixels(value) == expected


def gallery(data: object, name: str = "diaporama") -> str:
    return (
        f'<{name} inlined-images-data="{escape(json.dumps(data))}" diaporama-classes="x"></{name}>'
    )


def test_a_gallery_gives_all_its_pictures_in_order() -> None:
    slides = [
        {
            "url": f"{S}/{ONE}/w:1280/",
            "filename": "a.jpg",
            "legend": "图 &amp; 一",
            "credits": "甲",
        },
        {"image": {"url": "/b.jpg", "width": 980, "height": "551"}, "caption": "外"},
        {"url": f"{S}/{ONE}/w:310/a.jpg"},
        {"url": PIXEL},
        {"url": "https://static.rfi.fr/RFI_FB.png"},
    ]
    images, _, _, text = collected(f'<img src="/main.jpg">{gallery({"slides": slides})}<p>甲</p>')
    assert images == [
        Image("https://www.rfi.fr/main.jpg"),
        Image(f"{S}/{ONE}/w:1280/a.jpg", "图 & 一", "甲"),
        Image("https://www.rfi.fr/b.jpg", None, None, 980, 551),
    ]
    assert text == "甲"


@pytest.mark.parametrize(
    "data", [None, 1, "x", [], {}, [[[]]], {"url": None}, [{"url": "http://["}]]
)
def test_a_gallery_of_something_else_gives_none(data: object) -> None:
    assert collected(gallery(data))[0] == []


def test_a_gallery_that_is_no_json_gives_none() -> None:
    assert collected('<diaporama inlined-images-data="[{"></diaporama>')[0] == []
    assert collected(f"<diaporama inlined-images-data='{'[' * 100_000}'></diaporama>")[0] == []


# ------------------------------------------------------------------------------------------ videos

WATCH = "https://www.youtube.com/watch?v=U6uZp_2CZZU"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.youtube.com/embed/U6uZp_2CZZU", WATCH),
        ("//www.youtube.com/embed/U6uZp_2CZZU?feature=oembed&start=5", WATCH),
        ("https://www.youtube-nocookie.com/embed/U6uZp_2CZZU", WATCH),
        ("https://youtu.be/U6uZp_2CZZU?t=5", WATCH),
        ("http://m.youtube.com/watch?app=desktop&v=U6uZp_2CZZU", WATCH),
        ("https://www.youtube.com/shorts/U6uZp_2CZZU", WATCH),
        ("https://www.youtube.com/v/U6uZp_2CZZU", WATCH),
        (" https://www.youtube.com/embed/U6uZp_2CZZU ", WATCH),
        ("https://www.dailymotion.com/embed/video/x7abc", "https://www.dailymotion.com/embed/video/x7abc"),
        ("//player.vimeo.com/video/76979871", "https://player.vimeo.com/video/76979871"),
        ("https://www.youtube.com/embed/short", None),
        ("https://www.youtube.com/channel/UC123", None),
        ("https://example.com/embed/U6uZp_2CZZU", None),
        ("https://player.vimeo.com.evil.example/video/1", None),
        ("javascript:alert('youtu.be/U6uZp_2CZZU')", None),
        ("http://[", None),
        ("", None),
    ],
)  # fmt: skip
def test_video_addresses(url: str, expected: str | None) -> None:
    assert video_address(url) == expected


@pytest.mark.parametrize(
    "player",
    [
        '<div class="m-em-flash"><iframe src="https://www.youtube.com/embed/U6uZp_2CZZU"></iframe></div>',
        '<youtube-player source="https://www.youtube.com/embed/U6uZp_2CZZU" video-id="x"></youtube-player>',
        '<youtube-player video-type="youtube" video-id="U6uZp_2CZZU"></youtube-player>',
        '<iframe data-src="//www.youtube.com/embed/U6uZp_2CZZU">x</iframe>',
    ],
)
def test_a_youtube_player_in_each_of_its_forms(player: str) -> None:
    assert collected(f"<p>甲</p>{player}{player}<p>乙</p>") == ([], [], [Media(WATCH)], "甲\n\n乙")


def test_videos_have_their_own_titles() -> None:
    def player(code: str, title: str) -> str:
        return (
            f'<div class="m-em-video"><div data-wrapper-video-player><figure><img src="/poster.jpg"></figure>'
            f'<youtube-player video-id="{code * 11}"></youtube-player></div>{title}</div>'
        )

    images, _, videos, text = collected(
        "<div class='t-content__body'>"
        + player("a", '<div class="a-em-title">甲 题</div>')
        + player("b", "")
        + player("c", '<div class="m-em-video__title">丙题</div>')
        + "<p>乙</p></div>"
    )
    assert [(video.url[-1], video.name) for video in videos] == [
        ("a", "甲 题"),
        ("b", None),
        ("c", "丙题"),
    ]
    assert images == []
    assert text == "乙"


def test_a_poster_is_no_picture() -> None:
    html = '<figure><img src="/poster.jpg"><button class="m-main-media-btn">x</button></figure><img src="/a.jpg">'
    assert pictures(html) == ["https://www.rfi.fr/a.jpg"]


def test_video_files() -> None:
    html = '<video src="/a b.mp4"></video><video><source src="https://v.example/c.mp4"><source></video>'
    videos = collected(html)[2]
    assert [video.url for video in videos] == [
        "https://www.rfi.fr/a%20b.mp4",
        "https://v.example/c.mp4",
    ]


# ------------------------------------------------------------------------------------------ audios


def audio(data: object, inside: str = "") -> str:
    return (
        '<div class="m-em-audio"><script data-media-id="WB1" type="application/json">'
        f"{data if isinstance(data, str) else json.dumps(data)}</script>{inside}</div>"
    )


BUTTON = '<div data-root-audio-player-button=""><play-media media-id="WB1"></play-media></div>'
SHOW = '<div><p class="m-em-audio__show-infos__emission">节目</p><p class="x">10:00</p></div>'


@pytest.mark.parametrize(
    ("data", "inside", "expected"),
    [
        ({"sources": [{"url": "https://a.example/b.mp3"}]}, "", [Media("https://a.example/b.mp3")]),
        ({"sources": [{"url": "https://a.example/b.mp3", "duration": 200}], "duration": 5}, BUTTON + SHOW,
         [Media("https://a.example/b.mp3", "节目", 200)]),
        ({"sources": [{"url": "https://a.example/b.mp3"}], "duration": "PT3M20S",
          "diffusion": {"title": "期 &amp; 题"}, "emission": {"title": "秀"}}, SHOW,
         [Media("https://a.example/b.mp3", "期 & 题", 200)]),
        ({"sources": [{"url": "https://a.example/b.mp3"}], "emission": {"title": "秀"}}, "",
         [Media("https://a.example/b.mp3", "秀")]),
        ({"sources": [{"url": "/b c.mp3"}, {"url": "/b c.mp3"}, {"url": "/d.mp3"}]}, "",
         [Media("https://www.rfi.fr/b%20c.mp3"), Media("https://www.rfi.fr/d.mp3")]),
        ({"sources": [{"url": "data:audio/mp3,x"}, {"url": 5}, {}, None, "x"]}, "", []),
        ({"sources": [{"url": "/b.mp3", "duration": {"x": 1}}], "diffusion": []}, "",
         [Media("https://www.rfi.fr/b.mp3")]),
        ({"sources": {"url": "/b.mp3"}}, "", []),
        ({}, "", []),
        ([], "", []),
        ("{", "", []),
        ("", "", []),
        ('{"sources": [{"url": "/b.mp3"}], "title": "a\tb"}', "", [Media("https://www.rfi.fr/b.mp3")]),
    ],
)  # fmt: skip
def test_audios_of_rfis_player(data: object, inside: str, expected: list[Media]) -> None:
    found = collected(f"<p>甲</p>{audio(data, inside)}<p>乙</p>")
    assert found == ([], expected, [], "甲\n\n乙")


def test_a_player_without_its_classes_leaves_no_title_in_the_text() -> None:
    stripped = audio({"sources": [{"url": "/b.mp3"}]}, BUTTON + SHOW).replace(
        ' class="m-em-audio"', ""
    )
    assert collected(f"<p>甲</p>{stripped}<p>乙</p>")[3] == "甲\n\n乙"


def test_a_player_that_lost_its_box_takes_no_paragraph_along() -> None:
    data = audio({"sources": [{"url": "/b.mp3"}]}).removeprefix('<div class="m-em-audio">')
    html = f"<p>甲</p>{data.removesuffix('</div>')}{BUTTON}<p>乙</p><p>丙</p>"
    for markup in (html, f"<div>{html}</div>"):
        _, audios, _, text = collected(markup)
        assert [each.url for each in audios] == ["https://www.rfi.fr/b.mp3"]
        assert text == "甲\n\n乙\n\n丙"


def test_plain_audio_elements() -> None:
    html = '<audio src="/b.mp3">x</audio><audio><source src="https://a.example/c.mp3" type="audio/mp3"></audio>'
    assert collected(html)[1] == [
        Media("https://www.rfi.fr/b.mp3"),
        Media("https://a.example/c.mp3"),
    ]


# ------------------------------------------------------------------------------------------ addresses


def test_assets() -> None:
    assert asset(f"{S}/{ONE.upper()}/w:1/a.jpg") == ONE
    assert asset("https://a.example/b.jpg") == asset("http://a.example/b.jpg")
    assert asset("") == ""
    assert is_picture("https://a.example/b.jpg")
    assert not is_picture("HTTPS://a.example/b.jpg")


@given(st.text(st.characters()) | st.text("htps:/[]@.a%?# \\"), st.sampled_from([BASE, "", "x"]))
def test_an_address_is_http_and_without_blanks_or_none(value: str, base: str) -> None:
    found = address(value, base)
    assert found is None or (
        found.startswith(("https://", "http://")) and not any(map(str.isspace, found))
    )
    video_address(value)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
    | st.sampled_from(["/a.jpg", "https://a.example/b.mp3", "http://[", PIXEL, "PT5S"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["url", "filename", "sources", "duration", "diffusion", "title", "width", "legend"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(JSON, st.text("a/.,: 12xw", max_size=30))
def test_no_data_raises(data: Any, srcset: str) -> None:
    dataset = escape(json.dumps(data))
    images, audios, videos, _ = collected(
        f'<img data-image-dataset="{dataset}" srcset="{srcset}">{gallery(data)}{audio(data)}'
        f'<youtube-player source="{srcset}" video-id="{srcset}"></youtube-player>'
    )
    for part in (*images, *audios, *videos):
        assert part.url.startswith(("https://", "http://"))
        assert not any(map(str.isspace, part.url))
    for image in images:
        assert image.width is None or 0 < image.width < 100_000
