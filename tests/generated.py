"""A mirror of RFI, made while it is asked: editions × articles and all that leads to them.

A page follows from its edition, number and version alone, so that a site of 48,000 articles takes
no memory. All of it is made up.
"""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import blake2b
from html import escape
from json import dumps
from typing import Any, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fixtures.server import MirrorServer, Page, Route
from rfinews.editions import EDITIONS, Edition

PARIS = ZoneInfo("Europe/Paris")
END = datetime(2024, 3, 20, 12, tzinfo=UTC)
"""When the newest article is published, unless another time is given."""
IN_FEED = 22
IN_NEWS = 40
ON_FRONT_PAGE = 12
ON_PAGE = 10
XML = "application/xml"

WORDS = {
    "cn": "灯塔 渡船 港口 守夜人 晨雾 渔民 石桥 海岸 钟声 盐田 风车 堤坝",
    "tw": "燈塔 渡船 港口 守夜人 晨霧 漁民 石橋 海岸 鐘聲 鹽田 風車 堤壩",
    "fr": "phare traversée port gardien brume pêcheurs pont côte cloche marais éolienne digue",
    "en": "lighthouse ferry harbour keeper fog fishermen bridge coast bell saltworks windmill dyke",
    "es": "faro travesía puerto vigía niebla pescadores puente costa campana salina molino dique",
    "pt": "farol travessia porto vigia névoa pescadores ponte costa sino salina moinho dique",
    "br": "farol balsa porto vigia neblina pescadores ponte litoral sino salina moinho barragem",
    "ru": "маяк паром гавань сторож туман рыбаки мост берег колокол солеварня мельница плотина",
    "fa": "فانوس کشتی بندر نگهبان مه ماهیگیران پل ساحل زنگ نمکزار آسیاب سد",
    "vi": "đèn-biển phà cảng lính-gác sương ngư-dân cầu bờ-biển chuông ruộng-muối cối-gió đê",
    "km": "ប៉មភ្លើង សាឡាង កំពង់ផែ អ្នកយាម អ័ព្ទ អ្នកនេសាទ ស្ពាន ឆ្នេរ ជួង ស្រែអំបិល កង្ហារ ទំនប់",
    "sw": "mnara kivuko bandari mlinzi ukungu wavuvi daraja pwani kengele chumvi kinu bwawa",
    "ha": "hasumiya jirgi tasha mai-gadi hazo masunta gada gabar ƙararrawa gishiri injin madatsa",
    "uk": "маяк пором гавань сторож туман рибалки міст берег дзвін солеварня млин гребля",
    "ff": "lampaa laana poor deenowo curki awooɓe salndu daande jolirde lamɗam keneeli baraas",
    "ma": "fitinɛ bato pɔri kɔlɔsibaga buguri mɔnnikɛlaw pɔn kɔgɔjida bɛlɛkisɛ kɔgɔ fiɲɛ barasi",
}
CODES = tuple(WORDS)
UNSPACED = ("cn", "tw", "km")
SECTIONS = {"cn": ("国际", "亚洲", "专栏检索/要闻分析"), "tw": ("國際", "亞洲", "專欄檢索/要聞")}
MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"


class Piece(NamedTuple):
    """An article: its edition, and its place there from the oldest, 0, to the newest."""

    code: str
    number: int

    @property
    def edition(self) -> Edition:
        return EDITIONS[self.code]

    @property
    def is_podcast(self) -> bool:
        return self.number % 10 == 3

    @property
    def is_undated(self) -> bool:
        return self.number % 10 == 7

    @property
    def words(self) -> list[str]:
        vocabulary = WORDS[self.code].split()
        picked = blake2b(f"{self.code}{self.number}".encode(), digest_size=32).digest()
        return [vocabulary[byte % len(vocabulary)] for byte in picked]

    def say(self, first: int, last: int) -> str:
        """Some of its words, as a sentence has them."""
        said = ("" if self.code in UNSPACED else " ").join(self.words[first:last])
        return said[:1].upper() + said[1:]

    @property
    def headline(self) -> str:
        return f"{self.say(0, 5)} {self.number}"

    @property
    def standfirst(self) -> str:
        return f"{self.say(5, 13)}."

    @property
    def keywords(self) -> list[str]:
        return list(dict.fromkeys(self.words[:3]))

    @property
    def image(self) -> str:
        media_id = blake2b(f"image {self.code} {self.number}".encode(), digest_size=16).hexdigest()
        return f"https://s.rfi.fr/media/display/{media_id}/w:1280/p:16x9/{self.number}.jpg"

    @property
    def audio(self) -> str:
        return f"https://aod-rfi.akamaized.net/rfi/{self.code}/audio/{self.number}.mp3"

    def body(self, version: int) -> list[str]:
        return [
            f"{self.say(start, start + 14)} {self.number}{f', {version}' * (start == 6)}."
            for start in (3, 6, 9, 12)
        ]


def paris_month(date: datetime) -> str:
    return f"{date.astimezone(PARIS):%Y%m}"


class World:
    """What RFI has on its pages, and when."""

    def __init__(
        self,
        codes: Sequence[str] = CODES,
        articles: int = 40,
        *,
        end: datetime = END,
        gap: timedelta = timedelta(hours=36),
        faulty: bool = False,
        latency: float = 0,
    ) -> None:
        """`gap`: time from one article of an edition to the next; `latency`: seconds to an answer."""
        self.codes = tuple(codes)
        self.articles = articles
        self.end = end.replace(microsecond=0)
        self.gap = gap
        self.faulty = faulty
        self.latency = latency
        self.start = self.end - gap * (articles - 1)
        self.versions: dict[Piece, tuple[int, datetime]] = {}
        self.links: dict[Piece, str] = {}  # what the feed has instead of the address
        self.disallowed: list[str] = []
        self.layout = "t-content"

    # ------------------------------------------------------------------------------ its articles

    def of(self, code: str) -> list[Piece]:
        """The articles of an edition, newest first."""
        return [Piece(code, number) for number in reversed(range(self.articles))]

    @property
    def pieces(self) -> list[Piece]:
        return [piece for code in self.codes for piece in self.of(code)]

    def publish(self, number: int) -> None:
        """Let each edition have so many more."""
        self.articles += number
        self.end += self.gap * number

    def change(self, piece: Piece, at: datetime) -> None:
        """Change a text; its sitemap says when."""
        self.versions[piece] = (self.version(piece) + 1, at.replace(microsecond=0))

    def version(self, piece: Piece) -> int:
        return self.versions[piece][0] if piece in self.versions else 1

    def published(self, piece: Piece) -> datetime:
        return self.start + self.gap * piece.number

    def modified(self, piece: Piece) -> datetime:
        if piece in self.versions:
            return self.versions[piece][1]
        return self.published(piece) + timedelta(minutes=5)

    def section(self, piece: Piece) -> str:
        """Where it is listed; only an article with a date also has that in its address."""
        if piece.is_podcast:
            return f"podcasts/{WORDS[piece.code].split()[0]}"
        return self.sections(piece.code)[piece.number % 3]

    def sections(self, code: str) -> tuple[str, ...]:
        words = WORDS[code].split()
        named = SECTIONS.get(code, (words[2], words[7], words[9]))
        return (*named, f"podcasts/{words[0]}")

    def path(self, piece: Piece) -> str:
        """Its address without host, not percent-encoded."""
        slug = f"{'-'.join(piece.words[:5])}-{piece.number}"
        if piece.is_undated:
            return f"/{piece.code}/{slug}"
        section = "contenu" if piece.number % 10 == 5 else self.section(piece)
        return f"/{piece.code}/{section}/{self.published(piece).astimezone(PARIS):%Y%m%d}-{slug}"

    def url(self, piece: Piece) -> str:
        """Its canonical address."""
        return f"https://{piece.edition.host}{quote(self.path(piece), safe='/-._~')}"

    def address(self, piece: Piece) -> str:
        """Its address as the server notes it."""
        return f"{piece.edition.host}{self.path(piece)}"

    def expected(self, piece: Piece) -> dict[str, Any]:
        """Fields of its record."""
        section = None if piece.is_undated or piece.number % 10 == 5 else self.section(piece)
        return {
            "canonical_url": self.url(piece),
            "edition": piece.code,
            "in_language": piece.edition.language,
            "section": section,
            "headline": piece.headline,
            "description": piece.standfirst,
            "article_body": "\n\n".join(piece.body(self.version(piece))),
            "date_published": f"{self.published(piece):%Y-%m-%dT%H:%M:%SZ}",
            "source": "rfi",
        }

    def piece_at(self, address: str) -> Piece | None:
        """The article that the server has at an address."""
        host, _, path = address.partition("?")[0].partition("/")
        code, number = path.partition("/")[0], path.rpartition("-")[2]
        if code not in self.codes or not number.isdecimal() or int(number) >= self.articles:
            return None
        piece = Piece(code, int(number))
        return piece if self.address(piece) == f"{host}/{path}" else None

    # ----------------------------------------------------------------------------- its documents

    def document(self, address: str) -> Page | None:
        """What the server has at an address; `None`: nothing."""
        if piece := self.piece_at(address):
            return self._page(self.article(piece))
        host, _, path = address.partition("/")
        if path == "robots.txt":
            rules = "".join(f"Disallow: {rule}\n" for rule in self.disallowed)
            return Page(f"User-agent: *\n{rules}".encode(), modified=0)
        first, _, rest = path.partition("/")
        code, _, name = rest.partition("/")
        if first == "sitemaps" and code in self.codes and host == EDITIONS[code].host:
            return self.sitemap(code, name)
        if first in self.codes and host == EDITIONS[first].host:
            if path == f"{first}/rss":
                return Page(self.feed(first).encode(), "application/rss+xml", 0)
            if path.endswith("/"):
                return self.listing(first, rest.rstrip("/"))
            if rest.startswith("archives/"):
                return self.archive(first, rest.removeprefix("archives/").split("/"))
        return None

    @staticmethod
    def _page(html: str) -> Page:
        return Page(html.encode(), modified=0)

    def article(self, piece: Piece) -> str:
        edition, version = piece.edition, self.version(piece)
        published, modified = self.published(piece).isoformat(), self.modified(piece).isoformat()
        author = f"{piece.words[9].capitalize()} {piece.words[11].capitalize()}"
        data: dict[str, Any] = {
            "@context": "http://schema.org",
            "@type": "NewsArticle",
            "headline": piece.headline,
            "datePublished": published,
            "dateModified": modified,
            "inLanguage": edition.language,
            "author": [{"@type": "Person", "name": author}],
            "image": [piece.image],
        }
        if piece.is_podcast:
            data["audio"] = {"@type": "AudioObject", "contentUrl": piece.audio, "duration": "PT3M"}
        paragraphs = "".join(f"<p>{escape(text)}</p>" for text in piece.body(version))
        label = edition.ad_labels[0]
        if self.layout == "t-content":
            content = (
                f'<article class="t-content__article-wrapper" data-article-content>'
                f'<h1 class="t-content__title">{escape(piece.headline)}</h1>'
                f'<p class="t-content__chapo">{escape(piece.standfirst)}</p>'
                f'<div class="t-content__dates"><time datetime="{published}"></time>'
                f'<time datetime="{modified}"></time></div><div class="t-content__main-media">'
                f'<figure><img src="{piece.image}" width="1280" height="720"></figure></div>'
                f'<div class="m-from-author"><span class="m-from-author__by-label">'
                f'{edition.byline_labels[0]}</span> <span class="m-from-author__name">{author}'
                f'</span></div><div class="t-content__body u-clearfix"><div class="m-interstitial">'
                f'<div class="m-block-ad"><div class="m-block-ad__label">{label}</div></div></div>'
                f"{paragraphs}</div></article>"
            )
        else:
            content = (
                f'<div class="z1"><h1 class="z2">{escape(piece.headline)}</h1>'
                f'<div class="z3">{paragraphs}</div></div>'
            )
        return self._html(
            piece.code,
            f"{piece.headline} - RFI",
            content,
            f'<link rel="canonical" href="{self.url(piece)}"><meta property="og:type" '
            f'content="article"><script type="application/ld+json">[{dumps(data)}]</script>',
        )

    def _html(self, code: str, title: str, content: str, head: str = "", foot: str = "") -> str:
        menu = "".join(f'<a href="/{code}/{each}/">{each}</a>' for each in self.sections(code))
        return (
            f'<!DOCTYPE html><html lang="{code}"><head><meta charset="utf-8">'
            f"<title>{escape(title)}</title>{head}</head><body><header><nav>{menu}</nav></header>"
            f"<main>{content}</main><footer>{foot}© RFI</footer></body></html>"
        )

    def feed(self, code: str) -> str:
        return (
            '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/" '
            'xmlns:media="http://search.yahoo.com/mrss/"><channel><title>RFI</title>'
            f"{''.join(map(self._feed_item, self.of(code)[:IN_FEED]))}</channel></rss>"
        )

    def _feed_item(self, piece: Piece) -> str:
        link = self.links.get(piece) or f"https://{self.address(piece)}?utm_source=rss&at=1"
        audio = f'<enclosure url="{piece.audio}" type="audio/mpeg" length="1"/>'
        return (
            f"<item><title>{escape(piece.headline)}</title><link>{escape(link)}</link>"
            f"<description>{escape(piece.standfirst)}</description>"
            f"<category>{piece.keywords[0]}</category><dc:creator>RFI</dc:creator>"
            f"<pubDate>{format_datetime(self.published(piece))}</pubDate>"
            f"<guid>{escape(link)}</guid>"
            f'<media:thumbnail url="{piece.image}"/>{audio * piece.is_podcast}</item>'
        )

    def sitemap(self, code: str, name: str) -> Page | None:
        pieces = self.of(code)
        if name == "index.xml":
            months = dict.fromkeys(paris_month(self.published(piece)) for piece in pieces)
            names = ["news.xml", "tags.xml", *map(self.month_name, months)]
            items = "".join(
                f"<sitemap><loc>https://{EDITIONS[code].host}/sitemaps/{code}/{each}</loc></sitemap>"
                for each in names
            )
            return Page(f"{self._ROOT}<sitemapindex>{items}</sitemapindex>".encode(), XML, 0)
        if name == "news.xml":
            entries = "".join(map(self._news_item, pieces[:IN_NEWS]))
        else:
            month = name.removeprefix("contents_")[:6]
            if name != self.month_name(month):
                return None
            entries = "".join(
                f"<url><loc>{self.url(piece)}</loc><lastmod>{self.modified(piece).isoformat()}"
                "</lastmod></url>"
                for piece in pieces
                if paris_month(self.published(piece)) == month
            )
        content = f"{self._ROOT}<urlset {self._SPACES}>{entries}</urlset>".encode()
        if name.endswith(".gz"):
            return Page(gzip.compress(content, 1, mtime=0), "application/gzip", 0)
        return Page(content, XML, 0)

    _ROOT = '<?xml version="1.0" encoding="UTF-8"?>'
    _SPACES = (
        'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" '
        'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
    )

    @staticmethod
    def month_name(month: str) -> str:
        """The name of a month's sitemap; that of every other one is packed."""
        return f"contents_{month}.xml{'.gz' * (int(month) % 2 == 0)}"

    def _news_item(self, piece: Piece) -> str:
        return (
            f"<url><loc>https://{escape(self.address(piece))}{'/' * (not piece.is_undated)}</loc>"
            f"<lastmod>{self.modified(piece).isoformat()}</lastmod><news:news><news:publication>"
            f"<news:name>RFI</news:name><news:language>{piece.code}</news:language>"
            f"</news:publication><news:publication_date>{self.published(piece).isoformat()}"
            f"</news:publication_date><news:title>{escape(piece.headline)}</news:title>"
            f"<news:keywords>{', '.join(piece.keywords)}</news:keywords></news:news>"
            f"<image:image><image:loc>{piece.image}</image:loc></image:image></url>"
        )

    def listing(self, code: str, name: str) -> Page | None:
        """The front page, without a name, or a page of a section."""
        section, _, last = name.rpartition("/")
        number = int(last) if last.isdecimal() else 1
        section = section if last.isdecimal() else name
        if section and section not in self.sections(code):
            return None
        pieces = self.of(code)
        if section:
            pieces = [piece for piece in pieces if self.section(piece) == section]
            at = (number - 1) * ON_PAGE
            shown, more = pieces[at : at + ON_PAGE], pieces[at + ON_PAGE :]
        else:
            shown, more = pieces[:ON_FRONT_PAGE], []
        if not shown:
            return None
        items = "".join(map(self._teaser, shown))
        pager = f'<a rel="next" href="/{code}/{section}/{number + 1}/">{number + 1}</a>'
        head = f'<link rel="alternate" type="application/rss+xml" href="/{code}/rss">'
        years = range(self.start.year, self.end.year + 1)
        foot = "".join(f'<a href="/{code}/archives/{year}">{year}</a>' for year in years)
        return self._page(self._html(code, section, items + pager * bool(more), head, foot))

    def _teaser(self, piece: Piece) -> str:
        return (
            '<div class="m-item-list-article" data-article-list><p class="article__title">'
            f'<a href="{self.path(piece)}" data-article-item-link>{escape(piece.headline)}</a></p>'
            "</div>"
        )

    def archive(self, code: str, date: list[str]) -> Page | None:
        """A year, month or day of the archive; leads from one to the next."""
        dates = {self.published(piece).astimezone(PARIS): piece for piece in self.of(code)}
        found = {day: piece for day, piece in dates.items() if date == self.day(day)[: len(date)]}
        if not found:
            return None
        if len(date) == 3:
            links = [
                f'<li><a href="{self.path(piece)}">{escape(piece.headline)}</a></li>'
                for piece in found.values()
            ]
            content = f'<ul class="o-archive-day__list">{"".join(links)}</ul>'
        else:
            names = dict.fromkeys("/".join(self.day(day)[: len(date) + 1]) for day in found)
            content = "".join(f'<a href="/{code}/archives/{name}">{name}</a>' for name in names)
        return self._page(self._html(code, "/".join(date), content))

    @staticmethod
    def day(date: datetime) -> list[str]:
        """How the archive calls a day: year, month and day."""
        name = f"{date:%d}-{MONTHS.split()[date.month - 1]}-{date:%Y}"
        return [f"{date:%Y}", f"{date:%m}", name]

    # -------------------------------------------------------------------------------- its faults

    def fault(self, piece: Piece) -> str:
        """What is wrong with an article's page; in hundredths as `FAULTS` has it."""
        if not self.faulty:
            return ""
        at = int.from_bytes(blake2b(self.path(piece).encode(), digest_size=4).digest()) % 100
        return next((name for name, hundredths in FAULTS.items() if at in hundredths), "")


FAULTS = {
    "500 once": range(3),
    "500": range(3, 5),
    "cut": range(5, 6),
    "cut once": range(6, 7),
    "slow": range(7, 8),
    "403": range(8, 18),
}
_ROUTES = {
    "500 once": Route.of({"sequence": [500]}),
    "500": Route(status=500),
    "cut": Route(cut_after=100),
    "cut once": Route.of({"sequence": [{"cut_after": 100}]}),
    "slow": Route(delay=0.2),
    "403": Route(status=403),
}


class _Pages(dict[str, Page]):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def get(self, address: str, default: Any = None) -> Any:
        return super().get(address) or ("?" not in address and self.world.document(address)) or None


class _Routes(dict[str, Route]):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def get(self, address: str, default: Any = None) -> Any:
        if (route := super().get(address)) is not None:
            return route
        if "?" in address:
            return None
        if not self.world.faulty:
            return Route(delay=self.world.latency) if self.world.latency else None
        piece = self.world.piece_at(address)
        return _ROUTES.get(self.world.fault(piece)) if piece is not None else None


@contextmanager
def served(world: World) -> Iterator[MirrorServer]:
    """Serve a world; pages and routes that are added to the server come before its own."""
    server = MirrorServer()
    server.site.use_gzip = False
    server.site._pages = _Pages(world)
    server.site._routes = _Routes(world)
    with server:
        yield server
