"""What the benchmarks read: stories, the pages and the feed that tell them, and real documents.

A story is made from a number, so every run meets the same ones. Its text is the project's own,
composed at random; nothing in it is true.
"""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

FEED_URL = "https://feedx.net/rss/rfi.xml"
PARIS = ZoneInfo("Europe/Paris")
PAGE_BYTES = 90_000


# ---------------------------------------------------------------------------------------- stories


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How a language tells stories: sentences with gaps, and what fills them."""

    tag: str
    sentences: tuple[str, ...]
    places: tuple[str, ...]
    bodies: tuple[str, ...]
    people: tuple[str, ...]
    sections: tuple[str, ...]
    topics: tuple[str, ...]
    headlines: tuple[str, ...]
    between: str
    """What stands between two sentences."""
    labels: tuple[str, str, str, str]
    """Issued on, Share, Read more, Advertising."""


VOICES = {
    "cn": Voice(
        tag="zh-Hans",
        sentences=(
            "{body}周{day}在{place}宣布，将拨款{number}万欧元，用于修缮沿河的{count}座旧桥。",
            "{person}说，居民等这一天已经等了{count}年，“现在终于看到工程队进场”。",
            "据{body}公布的统计，{place}今年前{count}个月的到访人数比去年同期增加百分之{percent}。",
            "反对者则认为，这笔钱应当先用于学校和诊所，而不是一座一年只开放{count}个月的展馆。",
            "{person}在接受本台采访时表示，双方已就{count}项议题达成初步一致，文本仍待各自批准。",
            "{place}气象站记录到{number}毫米降雨，为{count}年来同期最高，低洼街区一度断电。",
            "一名不愿具名的官员透露，谈判曾在深夜中断{count}小时，随后由{body}出面斡旋才得以继续。",
            "根据时间表，首批{number}套住房将于明年春天交付，其余部分分{count}期完成。",
            "{person}提醒说，数字背后还有许多不确定因素，例如运费、汇率以及{place}的港口容量。",
            "当地媒体报道说，{body}正在调查此事，结果预计在{count}周内公布。",
        ),
        places=(
            "青石湾",
            "北岭",
            "临江镇",
            "白桦谷",
            "东滩",
            "石桥县",
            "云台",
            "南浦",
            "高地城",
            "盐湖",
        ),
        bodies=(
            "市政厅",
            "港务局",
            "区域银行",
            "农业合作社",
            "铁路公司",
            "教师联合会",
            "环境署",
            "渔民协会",
        ),
        people=("罗屿", "沈知白", "林若川", "高以安", "何砚秋", "米拉贝尔", "特拉奥雷", "安德森"),
        sections=("国际", "法国", "亚洲", "非洲", "社会", "文化"),
        topics=("桥梁", "住房", "气候", "渔业", "铁路", "教育", "港口", "预算"),
        headlines=(
            "{place}{count}座旧桥将重修 {body}拨款{number}万",
            "{body}与{place}达成{count}项协议",
            "{place}降雨创{count}年新高",
            "{person}：{place}需要{number}套住房",
        ),
        between="",
        labels=("发表时间：", "分享 :", "继续浏览后续", "广告"),
    ),
    "fr": Voice(
        tag="fr",
        sentences=(
            "À {place}, {body} a annoncé une enveloppe de {number} millions d'euros pour {count} ponts.",
            "« Nous attendions ce jour depuis {count} ans », raconte {person}, qui tient le café du port.",
            "Selon {body}, la fréquentation a progressé de {percent} % sur les {count} premiers mois.",
            "Les opposants, eux, auraient préféré que l'argent aille d'abord aux écoles et aux dispensaires.",
            "Interrogé par notre antenne, {person} évoque {count} points d'accord, encore à ratifier.",
            "La station de {place} a relevé {number} millimètres de pluie, un record depuis {count} ans.",
            "Un responsable, sous couvert d'anonymat, décrit une nuit de négociations coupée pendant {count} heures.",
            "Les {number} premiers logements seront livrés au printemps, le reste en {count} tranches.",
            "{person} rappelle que bien des inconnues demeurent : le fret, les taux et le port de {place}.",
            "{body} enquête ; ses conclusions sont attendues dans {count} semaines.",
        ),
        places=(
            "Roquebrune-Haute",
            "Saint-Aubry",
            "Port-Lavenir",
            "Valcendre",
            "Montferrand-Plage",
        ),
        bodies=(
            "la mairie",
            "la capitainerie",
            "la banque régionale",
            "la coopérative",
            "le syndicat",
        ),
        people=("Claire Morel", "Idrissa Kanté", "Hugo Lemaître", "Nadia Belkacem", "Jeanne Roux"),
        sections=("france", "monde", "afrique", "culture"),
        topics=("Ponts", "Logement", "Climat", "Pêche", "Rail", "École"),
        headlines=(
            "{place} : {number} millions pour {count} ponts",
            "Accord en {count} points entre {body} et {place}",
            "{person} : « {place} a besoin de {number} logements »",
        ),
        between=" ",
        labels=("Publié le :", "Partager :", "Lire la suite", "Publicité"),
    ),
    "en": Voice(
        tag="en",
        sentences=(
            "In {place}, {body} announced on Thursday {number} million euros for {count} old bridges.",
            '"We have waited {count} years for this day," said {person}, who runs the harbour café.',
            "Figures from {body} show visits up by {percent} percent over the first {count} months.",
            "Opponents argue that the money should have gone to schools and clinics first.",
            "{person} told this station that {count} points had been agreed and await ratification.",
            "The station at {place} measured {number} millimetres of rain, the most in {count} years.",
            "An official who asked not to be named said the talks broke off for {count} hours overnight.",
            "The first {number} homes are to be handed over next spring, the rest in {count} stages.",
            "{person} warns that much is uncertain: freight, exchange rates and the port of {place}.",
            "{body} is investigating and expects to publish its findings within {count} weeks.",
        ),
        places=("Harrow Point", "Tamari", "Lower Wexcombe", "Port Selwyn", "Eastmere"),
        bodies=("the town council", "the port authority", "the regional bank", "the cooperative"),
        people=("Amina Diallo", "Tom Ashby", "Grace Mwangi", "Ellen Frost", "Samuel Okoro"),
        sections=("france", "africa", "international", "culture"),
        topics=("Bridges", "Housing", "Climate", "Fishing", "Rail", "Schools"),
        headlines=(
            "{place}: {number} million for {count} bridges",
            "{body} and {place} agree on {count} points",
            "{person}: {place} needs {number} homes",
        ),
        between=" ",
        labels=("Issued on:", "Share:", "Read more", "Advertising"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Story:
    """An article as its page tells it; `blocks` are the paragraphs below the chapô."""

    edition: str
    number: int
    section: str
    headline: str
    chapo: str | None
    blocks: tuple[str, ...]
    author: str | None
    topics: tuple[str, ...]
    published: datetime
    url: str
    copyright: str | None = None

    @property
    def shown(self) -> str:
        """The date as RFI shows it."""
        return f"{self.published.astimezone(PARIS):%d/%m/%Y - %H:%M}"


def story(number: int, edition: str = "cn") -> Story:
    """Return the story of this number: another text for each, always the same for one."""
    dice = random.Random(number)
    voice = VOICES[edition]

    def fill(text: str) -> str:
        filled = text.format(
            place=dice.choice(voice.places),
            body=dice.choice(voice.bodies),
            person=dice.choice(voice.people),
            day=dice.choice("一二三四五六日"),
            number=dice.randrange(20, 9000),
            count=dice.randrange(2, 60),
            percent=dice.randrange(2, 90),
        )
        return filled[0].upper() + filled[1:]

    def paragraph(sentences: int) -> str:
        return voice.between.join(fill(dice.choice(voice.sentences)) for _ in range(sentences))

    section = dice.choice(voice.sections)
    headline = fill(dice.choice(voice.headlines))
    published = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=97 * number)
    slug = "-".join("".join(c if c.isalnum() else " " for c in headline.lower()).split())
    path = f"{edition}/{section}/{published:%Y%m%d}-{slug}-{number}"
    return Story(
        edition=edition,
        number=number,
        section=section,
        headline=headline,
        chapo=paragraph(2),
        blocks=tuple(paragraph(dice.randrange(2, 5)) for _ in range(dice.randrange(6, 13))),
        author=dice.choice(voice.people),
        topics=tuple(dice.sample(voice.topics, 3)),
        published=published,
        url=f"https://www.rfi.fr/{quote(path)}",
    )


# ---------------------------------------------------------------------------------------- pages


def page(told: Story) -> str:
    """Return the story as a page of RFI's content system, about `PAGE_BYTES` long (UTF-8)."""
    voice = VOICES[told.edition]
    issued, share, more, advertising = voice.labels
    picture = (
        f"https://s.rfi.fr/media/display/{told.number:08x}-7c3d-11ee-9f21-005056a90046/w:WIDTH"
        "/p:16x9/picture.jpg"
    )
    renditions = ", ".join(
        f"{picture.replace('WIDTH', str(width))} {width}w" for width in (246, 388, 720, 980, 1280)
    )
    data = {
        "@context": "http://schema.org",
        "@type": "NewsArticle",
        "url": told.url,
        "headline": told.headline,
        "datePublished": told.published.isoformat(),
        "dateModified": (told.published + timedelta(minutes=9)).isoformat(),
        "image": [picture.replace("WIDTH", "1280")],
        "inLanguage": told.edition,
        "articleSection": told.section,
        "author": [{"@type": "Person", "name": told.author or "RFI"}],
        "publisher": {
            "@type": "NewsMediaOrganization",
            "name": "RFI",
            "url": "https://www.rfi.fr/",
            "logo": {"@type": "ImageObject", "url": "https://static.rfi.fr/logo.png"},
        },
        "keywords": list(told.topics),
        "description": told.chapo or "",
        "mainEntityOfPage": {"@type": "WebPage", "@id": told.url},
    }
    metas = [
        ("og:image", picture.replace("WIDTH", "1280")),
        ("og:site_name", "RFI"),
        ("og:type", "article"),
        ("og:title", told.headline),
        ("og:description", told.chapo or ""),
        ("og:url", told.url),
        ("article:publisher", "https://www.facebook.com/RFI/"),
        ("article:author", "https://www.facebook.com/RFI/"),
        ("article:published_time", told.published.isoformat()),
        *(("article:tag", topic) for topic in told.topics),
    ]
    meta = "\n".join(
        f'                <meta property="{name}" content="{escape(value)}">'
        for name, value in metas
    )
    advert = f"""
    <div class="m-interstitial">
        <div data-readmore-target class="m-interstitial__ad">
            <div class="m-block-ad " data-tms-ad-type="box" data-tms-ad-status="idle">
                <div class="m-block-ad__label"><span class="m-block-ad__label__text">{advertising}</span></div>
                <div class="m-block-ad__content"></div>
            </div>
        </div>
        <button data-readmore-unlocker class="m-interstitial__unlock-btn">
            <span class="m-interstitial__unlock-btn__text">{more}<span class="a-svg"></span></span>
        </button>
    </div>
    """
    promo = """<div class="o-self-promo o-self-promo--nl o-self-promo--hidden" data-selfpromo-newsletter>
        <p class="o-self-promo__text">Newsletter</p><a href="/newsletter">OK</a></div>
    """
    paragraphs = [f"<p>{escape(block, quote=False)}</p>" for block in told.blocks]
    paragraphs.insert(0, advert)
    paragraphs.insert(3, promo)
    address = quote(told.url, safe="")
    tags = "".join(
        f'<li class="m-tags-list__tag"><a href="/{told.edition}/tag/{quote(topic)}/" '
        f'class="a-hot-tag" title="{topic}">{topic}</a></li>'
        for topic in told.topics
    )
    byline = (
        '<div class="m-from-author"><span class="m-from-author__name">'
        f"\n        {escape(told.author)}\n    </span></div>"
        if told.author
        else ""
    )
    chapo = f'<p class="t-content__chapo">{escape(told.chapo)}</p>' if told.chapo else ""
    notice = f'<p class="t-copyright">{escape(told.copyright)}</p>' if told.copyright else ""
    before = f"""<!DOCTYPE html>
<html dir="ltr" lang="{voice.tag}">
    <head>
        <meta charset="UTF-8">
        <meta name="viewport" content="width=device-width, initial-scale=1.0, viewport-fit=cover">
        <link rel="shortcut icon" type="image/x-icon" href="/favicon.ico">
        <title>{escape(told.headline)} - RFI</title>
        <link rel="canonical" href="{told.url}">
{meta}
        <meta name="description" content="{escape(told.chapo or "")}">
        <script type="application/ld+json">
            [{json.dumps(data, ensure_ascii=False)}]
        </script>
        {STYLE}
        {CONFIGURATION}
    </head>
    <body class="u-header-sticky" data-cmp-theme="rfi" data-site-nav-state="hidden">
{_navigation(told.edition)}
    <main data-nav-container>
        <div class="t-content t-content--article" id="main-content" tabindex="-1">
        <article class="t-content__article-wrapper" data-article-content>
            <div class="t-content__section a-tag"><span class="a-tag__wrapper">{told.section}</span></div>
            <h1 class="t-content__title a-page-title">{escape(told.headline)}</h1>
            {chapo}
            <div class="t-content__dates"><p class="m-pub-dates"><span class="m-pub-dates__date">{issued}
                <time datetime="{told.published.isoformat()}" pubdate="pubdate">{told.shown}</time></span></p></div>
            <div class="t-content__main-media"><figure class="m-figure m-figure--16x9"><picture>
                <source type="image/webp" srcset="{renditions.replace(".jpg", ".webp")}" sizes="980px">
                <img fetchpriority="high" src="{picture.replace("WIDTH", "980")}" alt="" srcset="{renditions}"
                    width="1280" height="720" loading="eager" class="m-figure__img lazy">
                </picture>
                <figcaption class="m-figure__caption"><span class="a-media-legend">{told.topics[0]}</span>
                <span class="a-media-legend">© RFI</span></figcaption></figure></div>
            <div class="t-content__authors-tts">{byline}</div>
            <div class="t-content__body u-clearfix">
                {"".join(paragraphs)}{notice}
            </div>
            <div class="t-content__shares t-content__shares--has-label"><div class="a-share-bar-label">{share}</div>
                <div class="m-share-bar"><a href="https://www.facebook.com/dialog/share?app_id=1&amp;href={address}"
                class="m-share-bar__link" target="_blank" rel="noopener nofollow"><span class="a-svg"></span></a>
                <a href="https://x.com/intent/tweet?url={address}" class="m-share-bar__link"><span class="a-svg"></span></a>
                <span class="m-share-bar__link" data-root-share><share-button></share-button></span></div></div>
            <div class="t-content__tags"><ul class="m-tags-list">{tags}</ul></div>
        </article>
        </div>
    </main>
{_related(told)}
{_footer(told.edition)}
"""
    after = """    </script>
    <div class="a-loader-wrapper" data-loader-wrapper><div class="a-loader-error">
        <div class="a-loader-error__content__title">Page not found</div>
        <p class="a-loader-error__content__message">The content you requested does not exist.</p>
    </div></div>
    </body>
</html>
"""
    room = max(0, PAGE_BYTES - len((before + after).encode()))
    return before + "    <script>\n" + SCRIPT[:room] + "\n" + after


STYLE = (
    '<style rel="stylesheet">'
    + "".join(
        f".m-block-{n}__item--{n % 7}{{display:flex;margin:0 {n}px;color:#{n * 4099:06x}}}"
        f"@media (min-width:{n + 320}px){{.t-list-{n}>li:first-child{{width:{n % 100}%}}}}"
        for n in range(230)
    )
    + "</style>"
)
CONFIGURATION = (
    '<script>window.rfiConfig={consent:{languages:["cn","fr","en"],notice:true},ads:{box:{sizes:['
    + ",".join(f"[{n},{n + 50}]" for n in range(300))
    + "]}}};</script>"
)
SCRIPT = "".join(
    f'(function(w,d){{var b=d.querySelector("[data-block-{n}]");if(b&&b.length<{n}&&w.rfi){{'
    f'b.innerHTML="<p>"+w.rfi.label({n})+"<\\/p>";w.rfi.load("/build/js/part.{n}.js")}}}})'
    "(window,document);\n"
    for n in range(400)
)


def _link(edition: str, section: str, number: int) -> str:
    return (
        '<li class="m-nav-list__list__item">\n                '
        f'<a href="/{edition}/{quote(section)}/{number}" class="a-nav-link " tabindex="-1" '
        f"data-menu-link>{section} {number}</a>\n</li>"
    )


def _navigation(edition: str) -> str:
    sections = VOICES[edition].sections
    lists = "".join(
        '<div class="o-site-nav__wrapper"><div class="o-site-nav__block">'
        f'<div class="m-nav-list"><div class="m-nav-list__title">{section}</div>'
        f'<ul class="m-nav-list__list">{"".join(_link(edition, section, n) for n in range(12))}'
        "</ul></div></div></div>\n"
        for section in sections
    )
    return (
        '<div class="o-site-nav-wrapper" data-nav-id="menu"><nav class="o-site-nav">'
        f'{lists}</nav></div><header class="o-header"><a href="/{edition}/" title="RFI">'
        '<svg viewBox="0 0 40 40"><title>RFI</title><style>.l{fill:#e2001a}</style>'
        '<path class="l" d="M0 0h40v40H0z"/></svg></a></header>'
    )


def _related(told: Story) -> str:
    voice = VOICES[told.edition]
    dice = random.Random(-told.number)
    picture = "https://s.rfi.fr/media/display/11111111-7c3d-11ee-9f21-005056a90046"
    cards = "".join(
        f"""
    <div class="m-item-list-article" data-article-list><article><a href="/{told.edition}/x-{n}"
        data-article-item-link><figure class="m-figure"><picture><img class="m-figure__img lazy" alt=""
        src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
        srcset="{picture}/w:245/p:16x9/{n}.jpg 245w, {picture}/w:490/p:16x9/{n}.jpg 490w"></picture></figure>
        <div class="article__infos"><p class="article__title">{dice.choice(voice.sentences)[:40]}</p>
        </div></a></article></div>"""
        for n in range(12)
    )
    return f'<aside class="o-layout-list"><h2 class="a-box-title">RFI</h2>{cards}</aside>'


def _footer(edition: str) -> str:
    links = "".join(
        _link(edition, section, n) for section in VOICES[edition].sections for n in (1, 2)
    )
    return (
        f'<footer class="o-footer"><ul class="m-nav-list__list">{links}</ul>'
        '<p class="o-footer__copyright">© 2023 Copyright RFI</p></footer>'
    )


# ---------------------------------------------------------------------------------------- the site


def write_site(root: Path, stories: int) -> Path:
    """Write a mirror with a feed and its pages below `root`; return a file with the pages' addresses.

    An address is stored as the server looks it up: percent-decoded, without scheme, with ``.html``.
    """
    addresses = []
    items = []
    for number in range(stories):
        told = story(number)
        slug = told.url.rsplit("/", 1)[-1]
        file = root / "www.rfi.fr" / "cn" / told.section / f"{unquote(slug)}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page(told), encoding="utf-8")
        addresses.append(told.url)
        items.append(feed_item(told))
    feed = root / "feedx.net" / "rss" / "rfi.xml"
    feed.parent.mkdir(parents=True)
    feed.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel><title>RFI</title>'
        f"<link>https://www.rfi.fr/cn/</link>\n{''.join(items)}</channel></rss>\n",
        encoding="utf-8",
    )
    # The same for all: through the mirror a crawl reads those of the hosts, else that of the server.
    for folder in (root, root / "www.rfi.fr", root / "feedx.net"):
        (folder / "robots.txt").write_text("User-agent: *\nDisallow: /search/\n", encoding="utf-8")
    listed = root.with_suffix(".txt")
    listed.write_text("".join(f"{address}\n" for address in addresses), encoding="utf-8")
    return listed


def feed_item(told: Story) -> str:
    """Return the story as an entry of feedx's, with the first paragraph for a payload."""
    payload = (
        f"<div>{told.shown}</div><p><strong>{escape(told.chapo or '')}</strong></p>"
        f"<div><p>{escape(told.blocks[0])}</p></div>"
    )
    found = format_datetime(told.published + timedelta(minutes=53), usegmt=True)
    return (
        f"<item><title>{escape(told.headline)}</title><link>{told.url}</link>"
        f"<description><![CDATA[{payload}]]></description><guid>{told.url}</guid>"
        f"<pubDate>{found}</pubDate></item>\n"
    )


# ---------------------------------------------------------------------------------------- samples


def sample_documents(samples: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of all real documents."""
    for archive in sorted(samples.glob("*.jsonl.gz")):
        with gzip.open(archive, "rt", encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                yield row["name"], row["text"]
    for file in sorted((samples / "archive-2021-2024").iterdir()):
        yield file.name, file.read_text(encoding="utf-8")
    yield "seed.md", (samples / "seed.md").read_text(encoding="utf-8")


def gold_answers(samples: Path) -> dict[str, dict[str, Any]]:
    """Return the checked answers by document name."""
    with (samples / "gold.jsonl").open(encoding="utf-8") as lines:
        return {answer["name"]: answer for answer in map(json.loads, lines)}


def told_by_gold(number: int, answer: dict[str, Any]) -> Story:
    """Return a checked answer as a story, to be told on a page."""
    published = datetime.fromisoformat(answer["date_published"])
    return Story(
        edition="cn",
        number=number,
        section=answer["section"] or "cn",
        headline=answer["headline"],
        chapo=answer["description"],
        blocks=tuple(answer["blocks"]),
        author=next(iter(answer["authors"]), None),
        topics=VOICES["cn"].topics[:3],
        published=published,
        url=answer["canonical_url"],
        copyright=answer["copyright_notice"],
    )
