"""Pictures, audios and videos of RFI's content system, in feed payloads and on pages alike.

Call `collect` before the tree is rendered: it gives pictures their real addresses, and removes video
posters and the players that would leave their titles in the text.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborNode

from rfinews.dates import duration
from rfinews.items import Image, Media
from rfinews.markup import decode_references, plain, visible_text
from rfinews.urls import clean_link

_PLAY_BUTTON = "[data-root-audio-player-button]"
_KINDS = (
    "youtube-player, iframe, video, video-player",
    "script[data-media-id], script[data-media-video-id]",
    "audio",
)
POSTERS = (
    "figure:has(.m-main-media-btn), figure:has(video-player), [data-wrapper-video-player] figure"
)
# One look tells which kinds of media there are; most articles have a picture and no more.
_VIDEO_TAGS = frozenset(("youtube-player", "iframe", "script", "video", "video-player"))
_AUDIO_TAGS = frozenset(("audio", "script"))
_PLAYERS = (
    "youtube-player, iframe, video, video-player, audio, script[data-media-id], "
    "script[data-media-video-id], diaporama, .m-main-media-btn, [data-wrapper-video-player]"
)
_VIDEO_TITLES = ".m-em-video__title, .a-em-title"
PLACEHOLDERS = ("/RFI_FB.png", "/meta_og_twcards/")
LEGEND = ".m-figure__caption__legend, .a-media-legend"
CREDIT = ".m-figure__caption__credits, .a-media-legend ~ .a-media-legend"
_MEDIA_ID = re.compile(r"/media/display/([0-9a-fA-F-]{36})/")
_YOUTUBE = re.compile(
    r"(?:youtube(?:-nocookie)?\.com/(?:embed/|v/|shorts/|live/|watch\?(?:[^#]*&)?v=)|youtu\.be/)"
    r"([A-Za-z0-9_-]{11})"
)
_VIDEO_HOSTS = re.compile(
    r"^https?://(?:[\w-]+\.)*(?:dailymotion\.com/embed/video/|player\.vimeo\.com/video/)"
)
_MEDIA_FILE = re.compile(r"https?://([^?#]+\.(?:aac|m3u8|m4a|mp3|mp4|ogg|wav|webm))(?=[?#]|$)")
_WIDTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)[wx]?")
_BASE = "https://www.rfi.fr/"  # players name their files by absolute addresses or from the root
_CLEAN_ADDRESS = re.compile(r"https?://[!#-;=?-Z_a-z~]+")


def asset(url: str) -> str:
    """Tell which picture an address shows: RFI's media id, else the address without its scheme.

    >>> asset('https://s.rfi.fr/media/display/dcb6fbc2-923b-11ed-a18a-005056bf30b7/w:310/a.jpg')
    'dcb6fbc2-923b-11ed-a18a-005056bf30b7'
    """
    found = _MEDIA_ID.search(url)
    return found[1].lower() if found else url.split(":", 1)[-1]


def is_picture(url: str) -> bool:
    """Whether `url` is a picture's real address: no ``data:``, no ``file:``, no placeholder."""
    return url.startswith(("https://", "http://")) and not any(p in url for p in PLACEHOLDERS)


def collect(root: LexborNode, base_url: str) -> tuple[list[Image], list[Media], list[Media]]:
    """Return pictures, audios and videos below `root`, each once, in order."""
    kinds = {node.tag for node in root.css(_PLAYERS)}
    found_videos = videos(root) if kinds & _VIDEO_TAGS else []
    found_audios = audios(root) if kinds & _AUDIO_TAGS else []
    if kinds:
        for poster in root.css(POSTERS):
            poster.decompose()
    images = settle_pictures(root, base_url)
    if "diaporama" in kinds:
        known = {asset(image.url) for image in images}
        for gallery in root.css("diaporama[inlined-images-data]"):
            for image in _gallery(gallery.attributes["inlined-images-data"] or "", base_url):
                if asset(image.url) not in known:
                    known.add(asset(image.url))
                    images.append(image)
    return images, found_audios, found_videos


def settle_pictures(root: LexborNode, base_url: str) -> list[Image]:
    """Give every ``img`` below `root` its real address, or remove it; return the pictures."""
    images: dict[str, Image] = {}
    for node in root.css("img"):
        if node.parent is not None and node.parent.tag == "noscript":
            continue
        url = next(filter(is_picture, _sources(node, base_url)), None)
        if url is None:
            node.decompose()
            continue
        node.attrs["src"] = url
        image = _image(node, url)
        known = images.setdefault(asset(url), image)
        known.caption = known.caption or image.caption
        known.credit = known.credit or image.credit
    return list(images.values())


def _sources(node: LexborNode, base_url: str) -> Iterator[str]:
    """Yield the addresses an ``img`` may have, best first: largest rendition, then lazy, then plain."""
    attributes = node.attributes
    twin = node.next
    while twin is not None and twin.tag == "-text":
        twin = twin.next
    real = twin.css_first("img") if twin is not None and twin.tag == "noscript" else None
    candidates = [_largest(attributes.get("srcset") or attributes.get("data-srcset") or "")]
    if real is not None:
        candidates += [_largest(real.attributes.get("srcset") or ""), real.attributes.get("src")]
    if dataset := attributes.get("data-image-dataset"):
        candidates.append(_from_dataset(_json(dataset)))
    candidates += [attributes.get("data-src"), attributes.get("src")]
    for candidate in candidates:
        if candidate and (url := _absolute(candidate, base_url)):
            yield url


def _absolute(candidate: str, base_url: str) -> str | None:
    return candidate if _CLEAN_ADDRESS.fullmatch(candidate) else clean_link(candidate, base_url)


def address(value: object, base_url: str) -> str | None:
    """Return the absolute http(s) address that a page or feed gives for a file, None if it is none.

    >>> address("/sound/a b.mp3", "https://www.rfi.fr/cn/x"), address("data:,", "https://www.rfi.fr/")
    ('https://www.rfi.fr/sound/a%20b.mp3', None)
    """
    url = _absolute(value, base_url) if isinstance(value, str) else None
    return url if url is not None and is_picture(url) else None


def _largest(srcset: str) -> str | None:
    best, widest = None, -1.0
    for part in re.split(r",\s+|,(?=https?:)", srcset.strip(" \t\r\n,")):
        url, *descriptor = part.rsplit(None, 1) or [""]
        width = _WIDTH.fullmatch(descriptor[0]) if descriptor else None
        size = float(width[1]) if width else 0.0
        if url and size > widest:
            best, widest = url if width else part.strip(), size
    return best


def _json(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def file_of(url: str) -> str:
    """Tell which audio or video an address leads to: of a file, without its scheme and query.

    >>> file_of("http://a.example/b.mp3?source=page") == file_of("https://a.example/b.mp3")
    True
    """
    found = _MEDIA_FILE.match(url)
    return found[1] if found else url


def _from_dataset(data: Any) -> str | None:
    """Join the parts of ``data-image-dataset`` and of a gallery's entries to the original's address."""
    if not isinstance(data, dict) or not isinstance(data.get("url"), str):
        return None
    url, filename = data["url"], data.get("filename")
    return f"{url}{filename}" if isinstance(filename, str) and url.endswith("/") else url


def _image(node: LexborNode, url: str) -> Image:
    figure: LexborNode | None = node
    while figure is not None and figure.tag != "figure":
        figure = figure.parent
    legend = credit = None
    if figure is not None:
        legend, credit = figure.css_first(LEGEND), figure.css_first(CREDIT)
        caption = figure.css_first("figcaption")
        if legend is None and caption is not None:
            named = credit.mem_id if credit is not None else None
            spans = [n for n in caption.iter() if n.tag in ("span", "p", "div")]
            spans = [n for n in spans if n.mem_id != named]
            legend = spans[0] if spans else caption if credit is None else None
            credit = credit or (spans[1] if len(spans) > 1 else None)
    return Image(
        url,
        caption=text_of(legend),
        credit=text_of(credit),
        width=pixels(node.attributes.get("width")),
        height=pixels(node.attributes.get("height")),
    )


def text_of(node: LexborNode | None) -> str | None:
    """Return the text of `node` on one line, None if there is none."""
    return (visible_text(node) or None) if node is not None else None


def pixels(value: object) -> int | None:
    """Return a width or height in pixels, None if `value` is none that a picture can have.

    >>> pixels("980px"), pixels(0), pixels("100%")
    (980, None, None)
    """
    text = str(value).strip().removesuffix("px")
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 100_000 else None


def _gallery(data: str, base_url: str) -> Iterator[Image]:
    """Read a ``diaporama``: any JSON in which objects with an address are pictures, in their order."""
    pending = [_json(data)]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += reversed(value)
        elif isinstance(value, dict):
            url = address(_from_dataset(value), base_url)
            if url is not None:
                yield Image(
                    url,
                    _first_text(value, "legend", "caption", "description", "alt", "title"),
                    _first_text(value, "credits", "credit", "copyright", "source"),
                    pixels(value.get("width")),
                    pixels(value.get("height")),
                )
            else:
                pending += reversed(list(value.values()))


def _first_text(data: dict[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = data.get(key)
        if isinstance(value, str) and (text := plain(decode_references(value))):
            return text
    return None


def videos(root: LexborNode) -> list[Media]:
    """Return the videos below `root`, YouTube by its watch address, each once.

    RFI's own player, ``video-player source`` beside ``script[data-media-video-id]``, names one file
    in several renditions: the first is taken.
    """
    found: dict[str, Media] = {}
    for node in root.css("script[data-media-video-id]"):
        data = _json(node.text())
        urls = [video_address(file) or file for file, _ in _files(data)]
        if urls:
            name = _player_name(data) or _title(node, _VIDEO_TITLES)
            found.setdefault(urls[0], Media(urls[0], name, _length(data)))
    players = "youtube-player, iframe, video, video source"
    for node in root.css(players if found else f"{players}, video-player"):
        attributes = node.attributes
        source = attributes.get("source") or attributes.get("src") or attributes.get("data-src")
        url = video_address(source or "")
        if url is None and node.tag == "youtube-player" and (code := attributes.get("video-id")):
            url = video_address(f"https://youtu.be/{code}")
        if url is None and node.tag in ("video", "source", "video-player"):
            url = address(source, _BASE)
        if url is not None:
            found.setdefault(url, Media(url, _title(node, _VIDEO_TITLES)))
    return list(found.values())


def video_address(url: str) -> str | None:
    """Return the address of an embedded video, None if it is none.

    >>> video_address('//www.youtube.com/embed/U6uZp_2CZZU?feature=oembed')
    'https://www.youtube.com/watch?v=U6uZp_2CZZU'
    """
    absolute = clean_link(url, _BASE) or ""
    if code := _YOUTUBE.search(absolute):
        return f"https://www.youtube.com/watch?v={code[1]}"
    return absolute if _VIDEO_HOSTS.match(absolute) else None


def audios(root: LexborNode) -> list[Media]:
    """Return the audios below `root`, each once: RFI's player data, then plain ``audio`` elements."""
    found: dict[str, Media] = {}
    for node in root.css("script[data-media-id]"):
        data = _json(node.text())
        if not isinstance(data, dict):
            continue
        name = _player_name(data) or _title(node, ".m-em-audio__show-infos__emission")
        name = name or _first_text(_object(data, "emission"), "title")
        for file, source in _files(data):
            found.setdefault(file, Media(file, name, _length(source, data)))
        box = node.parent
        if box is not None and box.css_first(_PLAY_BUTTON) and len(box.css("p, h2, li")) <= 2:
            box.decompose()  # else its title and its show read like paragraphs
    for node in root.css("audio, audio source"):
        if url := address(node.attributes.get("src"), _BASE):
            found.setdefault(url, Media(url, _title(node, ".a-em-title")))
    return list(found.values())


def _files(data: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the addresses in a player's ``sources``, each with its details."""
    sources = data.get("sources") if isinstance(data, dict) else None
    for source in sources if isinstance(sources, list) else []:
        if isinstance(source, dict) and (url := address(source.get("url"), _BASE)):
            yield url, source


def _player_name(data: dict[str, Any]) -> str | None:
    return _first_text(_object(data, "diffusion"), "title")


def _length(*data: dict[str, Any]) -> int | None:
    """Return the first duration that a player's data name, in seconds."""
    named = (each["duration"] for each in data if each.get("duration"))
    return next((duration(str(value)) for value in named), None)


def _object(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _title(node: LexborNode, selector: str) -> str | None:
    """Return the player's title: the nearest of `selector` in four boxes that hold no other player."""
    box = node.parent
    for _ in range(4):
        if box is None or box.tag in ("body", "article"):
            break
        if any(len(box.css(kind)) > 1 for kind in _KINDS):
            break
        if (title := box.css_first(selector)) is not None:
            return text_of(title)
        box = box.parent
    return None
