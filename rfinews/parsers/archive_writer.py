"""The way back: a record as a Markdown archive document, which reads as the same record.

The payload is the feed's own markup, so that any reader of such archives finds title, dates, chapô,
body, pictures and players. Each document is read once before it leaves: what the payload does not
give back stands in the front matter (see `rfinews.parsers.archive`), and a record that does not come
back even so is refused instead of being changed without a word.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson

from rfinews import dates
from rfinews.editions import EDITIONS
from rfinews.items import FIELDS, Article, NotRfi, article_at, as_record
from rfinews.markup import TooDeep, content_hash, sanitize
from rfinews.parsers.archive import (
    RULES,
    Document,
    NotADocument,
    NotCredible,
    amend,
    read_article,
    read_document,
    write_document,
)

Record = dict[str, Any]

#: What is not the article's but of the crawl that exports it, so that no document can keep it.
OF_THE_CRAWL = frozenset(
    ("schema_version", "revision", "change", "source", "crawled_at", "crawl_id")
)
_KEPT = tuple(name for name in FIELDS if name not in OF_THE_CRAWL | {"content_hash"})
_DATES = ("date_published", "date_modified", "feed_date", "crawled_at")
_CHANGED = "a document would give back another value"
_PARIS = ZoneInfo("Europe/Paris")
_FITS_HEAD = re.compile(r"(?!.*\]\()\S(?:.*\S)?")
# Words that nobody sees, beside what would be taken for a byline or for feedx's footer without them.
_UNSEEN = "<span><style>/* text */</style></span>"
_PROMO = "获取更多RSS"
_YOUTUBE = "https://www.youtube.com/watch?v="


class NotWritable(ValueError):
    """Raised for a record that no document gives back; `field` is the first that would differ."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def document_of(record: Record) -> Document:
    """Return the document of a record (valid by the schema). Raises `NotWritable`."""
    if record["content_hash"] != content_hash(
        record["headline"], record["description"], record["article_body"]
    ):
        raise NotWritable("content_hash", "it is not that of headline, description and body")
    for name in _DATES:
        if dates.from_iso(record[name]) != record[name]:
            raise NotWritable(name, "no date of a record")
    date, url = _date(record), _url(record)
    if record["change"] == "retracted":
        bare = Document(date, "", url, "", '{"change":"retracted"}')
        return _completed(bare, {"change": "retracted"}, record)
    title = " - ".join(filter(None, (record["headline"], record["column"])))
    try:
        return _completed(Document(date, title, url, _payload(record, date)), {}, record)
    except NotWritable:
        return _completed(
            Document(date, title, url, _payload(record, date, is_bare=True)), {}, record
        )


def document_path(record: Record) -> str:
    """Name the document of a record: the same for the same article and revision, on any file system.

    >>> document_path({"edition": "cn", "id": "2d9e", "revision": 1, "change": "new", "source": "feedx",
    ...     "date_published": "2023-11-07T11:35:00Z", "feed_date": None, "crawled_at": "2026-01-01T00:00:00Z"})
    'cn/2023/11/20231107-2d9e-1.md'
    """
    date = record["date_published"] or _date(record)
    year, month, day = date[:10].split("-")
    name = f"{year}{month}{day}-{record['id']}-{record['revision']}.md"
    return f"{record['edition']}/{year}/{month}/{name}"


def _date(record: Record) -> str:
    """Return when a document was gathered, which tells the revisions of an article apart.

    That is when the feed delivered it. A later revision may come with the same date, or, from a page
    alone, with none: then it is the time at which it was fetched, or, of a feed whose clock is ahead
    of ours, as many seconds later.
    """
    feed_date: str | None = record["feed_date"]
    fetched: str = record["crawled_at"]
    earlier: int = record["revision"] - 1
    if feed_date is None or (earlier and record["source"] != "archive" and fetched > feed_date):
        return fetched
    if not earlier or record["source"] == "archive":
        return feed_date
    return dates.from_seconds((dates.to_seconds(feed_date) or 0) + earlier) or feed_date


def _url(record: Record) -> str:
    """Return the address that the content came from if it names the article, else the article's."""
    url: str = record["url"]
    try:
        is_its = article_at(url).canonical_url == record["canonical_url"]
    except NotRfi:
        is_its = False
    return url if is_its and _FITS_HEAD.fullmatch(url) else str(record["canonical_url"])


def _completed(document: Document, said: Record, record: Record) -> Document:
    """Add to a document what reading it does not give back. Raises `NotWritable`."""
    try:
        article = read_article(document)
    except NotRfi as error:
        raise NotWritable("canonical_url", str(error)) from None
    except TooDeep as error:
        raise NotWritable("article_body_html", str(error)) from None
    missing = {name: record[name] for name in _differing(article, record)}
    for name in missing:
        if name not in RULES:
            raise NotWritable(name, _CHANGED)
    try:
        amend(article, missing, document.title)
    except NotCredible as error:
        raise NotWritable(error.field, str(error)) from None
    said |= {name: missing[name] for name in RULES if name in missing}
    document = replace(document, said=orjson.dumps(said).decode() if said else "")
    for name in _differing(article, record):
        raise NotWritable(name, _CHANGED)
    try:
        if read_document(write_document(document)) != document:
            raise NotWritable("headline", "no title of a document")
    except NotADocument:
        raise NotWritable("url", "no address of a document") from None
    return document


def _differing(article: Article, record: Record) -> Iterator[str]:
    article.article_body_html = sanitize(article.article_body_html)
    article.content_hash = content_hash(article.headline, article.description, article.article_body)
    read = as_record(article)
    return (name for name in _KEPT if read[name] != record[name])


# ------------------------------------------------------------------------------- the feed's markup


def _payload(record: Record, date: str, *, is_bare: bool = False) -> str:
    """Write date, pictures, chapô, players, body, copyright line and byline, each as the feed does.

    `is_bare`: nothing beside date, chapô and body, for a body that would be read otherwise.
    """
    body: str = record["article_body_html"]
    images = [i for i in record["images"] if f' src="{escape(i["url"])}"' not in body]
    have_legends = any(image["caption"] or image["credit"] for image in images)
    published, chapo = record["date_published"], record["description"]
    is_dated = published is not None and (chapo or published != date)
    parts = []
    if is_dated:
        shown = datetime.fromisoformat(published).astimezone(_PARIS)
        parts.append(f"<div>{shown:%d/%m/%Y - %H:%M}</div>")
    if not (is_bare or have_legends):
        parts += map(_picture, images)
    if not is_dated:
        parts.append("<p></p>")  # else another box could be taken for the date's
    elif chapo:  # nobody looks for one where there is no date
        parts.append(f"<p><strong>{_escaped(chapo)}</strong></p>")
    if is_bare:
        body = body.replace("</a>", f"</a>{_UNSEEN}").replace(_PROMO, f"{_UNSEEN}{_PROMO}")
        return f"{''.join(parts)}<div>{body}{_copyright('', body)}</div>"
    if have_legends:
        figures = "".join(map(_figure, images))
        parts.append(f'<div class="t-content__main-media">{figures}</div>')
    parts += map(_audio, record["audios"])
    parts += map(_video, record["videos"])
    line = _copyright(record["copyright_notice"] or "", body)
    parts.append(f'<div class="t-content__body">{_with_legends(body, record)}{line}</div>')
    parts += _byline(record)
    return "".join(parts)


def _copyright(notice: str, body: str) -> str:
    """Write the copyright line, an empty one where a paragraph of the body might be taken for it."""
    if "©" not in notice + body:
        return ""
    return f'<p class="t-copyright">{_escaped(notice)}</p>'


def _picture(image: Record) -> str:
    sides = "".join(f' {side}="{image[side]}"' for side in ("width", "height") if image[side])
    return f'<img src="{escape(image["url"])}"{sides}>'


def _figure(image: Record) -> str:
    return f"<figure>{_picture(image)}<figcaption>{_legend(image)}</figcaption></figure>"


def _legend(image: Record) -> str:
    named = ("legend", image["caption"]), ("credits", image["credit"])
    return " ".join(
        f'<span class="m-figure__caption__{name}">{_escaped(text)}</span>'
        for name, text in named
        if text
    )


def _with_legends(body: str, record: Record) -> str:
    """Tell credits from captions in the figures of the body, whose captions are one line of text."""
    for image in record["images"]:
        texts = filter(None, (image["caption"], image["credit"]))
        caption = f"<figcaption>{_escaped(' '.join(texts))}</figcaption>"
        if image["credit"]:
            body = body.replace(caption, f"<figcaption>{_legend(image)}</figcaption>")
    return body


def _audio(audio: Record) -> str:
    return f'<div class="m-em-audio">{_player("data-media-id", audio)}</div>'


def _video(video: Record) -> str:
    if not video["url"].startswith(_YOUTUBE) or video["duration"] is not None:
        return f'<div class="m-em-video">{_player("data-media-video-id", video)}</div>'
    title = (
        f'<div class="m-em-video__title">{_escaped(video["name"])}</div>' if video["name"] else ""
    )
    player = f'<youtube-player source="{escape(video["url"])}"></youtube-player>'
    return f'<div class="m-em-video">{title}{player}</div>'


def _player(id_attribute: str, medium: Record) -> str:
    """Write the data of a player as RFI's pages and feeds hold them, in a script."""
    data: Record = {"sources": [{"url": medium["url"]}]}
    if medium["name"]:
        data["diffusion"] = {"title": medium["name"]}
    if medium["duration"]:
        data["duration"] = medium["duration"]
    text = orjson.dumps(data).decode().replace("<", "\\u003c")  # else a name could end the script
    return f'<script {id_attribute} type="application/json">{text}</script>'


def _byline(record: Record) -> Iterator[str]:
    """Name the authors as the feed does since 2024: by links to their pages, as RFI forms these."""
    edition = EDITIONS[record["edition"]]
    if not (record["authors"] and edition.byline_labels and edition.author_words):
        return
    label = edition.byline_labels[0]
    colon, comma = ("：", "、") if edition.language.startswith("zh") else (": ", ", ")
    links = []
    for name in record["authors"]:
        page = f"/{edition.code}/{edition.author_words[0]}/{'-'.join(name.lower().split())}/"
        links.append(f'<a href="{quote(page)}" title="{escape(name)}">{_escaped(name)}</a>')
    yield f"<div><span>{label}{colon}</span>{comma.join(links)}</div>"


def _escaped(text: str) -> str:
    return escape(text, quote=False)
