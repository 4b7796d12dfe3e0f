"""Markdown archive documents (CONTRACT section 7): what they look like, and the articles in them.

Documents that `rfinews.parsers.archive_writer` wrote may have front matter with a line of our own,
``rfinews: {…}``: as JSON, those fields of the record that the feed's markup has no place for. Anybody
may have written it, so it is believed as far as a page would be: it fits the published schema, each
value is one that our parsers give, and what it says of the text holds the same words as the text.
"""

import importlib.resources
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from rfinews import dates
from rfinews.items import Alternate, Article, Image, Media, article_at, retracted
from rfinews.markup import plain, words
from rfinews.parsers import media
from rfinews.parsers.feedx import read_payload
from rfinews.parsers.people import people
from rfinews.urls import canonical_url, edition_of, is_article_url, is_rfi, is_short_link

_HEAD = re.compile(
    r"^<!--\s*(?P<millis>\d{1,15})\s*-->[ \t]*\r?\n"
    r"\[(?P<title>.*)\]\((?P<url>[^\r\n]*)\)[ \t]*\r?\n"
    r"-{3,}[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE,
)
_FENCE = "---"
_KEY = "rfinews:"


class NotADocument(ValueError):
    """Raised by `read_document`: the text has no archive header."""


class NotCredible(ValueError):
    """Raised by `amend`: front matter that says what no record of ours says; `field` names where."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Document:
    """`feed_date` is when the feed delivered it (UTC), `payload` the feed's HTML.

    `said` is the JSON that front matter of our own holds, ``""`` where there is none.
    """

    feed_date: str | None
    title: str
    url: str
    payload: str
    said: str = ""


def read_document(text: str) -> Document:
    r"""Read one document; of front matter before the header only our own line counts (its date is wrong).

    Raises `NotADocument`.

    >>> read_document('<!--1699359302000-->\n[T](https://www.rfi.fr/cn/a)\n------\n\n<p>x</p>')
    Document(feed_date='2023-11-07T12:15:02Z', title='T', url='https://www.rfi.fr/cn/a', payload='<p>x</p>', said='')
    """
    head = _HEAD.search(text)
    if head is None:
        raise NotADocument("no <!--milliseconds-->, [title](url), ------ header")
    return Document(
        dates.from_millis(head["millis"]),
        head["title"],
        head["url"].strip(),
        text[head.end() :].strip(),
        _own_line(text[: head.start()]),
    )


def _own_line(front: str) -> str:
    """Return what our line in YAML front matter says."""
    fence, *lines = front.split("\n")
    if fence.rstrip() != _FENCE:
        return ""
    for line in lines:
        if line.startswith(_KEY):
            return line.removeprefix(_KEY).strip()
        if line.rstrip() == _FENCE:
            break
    return ""


def write_document(document: Document) -> str:
    r"""Write what `read_document` reads. A document without a date gets one that reads as none.

    >>> print(write_document(Document("2023-11-07T12:15:02Z", "T", "https://www.rfi.fr/cn/a", "<p>x</p>")))
    <!--1699359302000-->
    [T](https://www.rfi.fr/cn/a)
    ------
    <BLANKLINE>
    <p>x</p>
    <BLANKLINE>
    """
    front = f"{_FENCE}\n{_KEY} {document.said}\n{_FENCE}\n" if document.said else ""
    millis = (dates.to_seconds(document.feed_date) or 0) * 1000
    head = f"<!--{millis}-->\n[{document.title}]({document.url})\n------\n"
    return f"{front}{head}\n{document.payload}\n"


def read_article(document: Document) -> Article:
    """Return the article in a document. Its note says why its front matter was not believed, if so.

    Raises `rfinews.items.NotRfi` and `rfinews.markup.TooDeep`.
    """
    article = article_at(document.url)
    article.address = document.url
    article.feed_date = document.feed_date
    said: dict[str, Any] = {}
    try:
        said = read_said(document.said)
    except NotCredible as error:
        article.note = _not_believed(error)
    if "change" in said:
        article = retracted(article)
        article.feed_date = document.feed_date
    else:
        read_payload(article, document.title, document.payload)
    article.source = "archive"
    try:
        amend(article, said, document.title)
    except NotCredible as error:
        article.note = _not_believed(error)
    return article


def _not_believed(error: NotCredible) -> str:
    return f"without its front matter: {error}"


# ------------------------------------------------------------------------------------ our own line


def read_said(text: str) -> dict[str, Any]:
    """Read the JSON of our line, ``""`` as nothing. Raises `NotCredible` for what the schema refuses.

    >>> read_said('{"keywords":["a"]}'), read_said("")
    ({'keywords': ['a']}, {})
    """
    if not text:
        return {}
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotCredible("rfinews", f"no JSON: {error.msg}") from None
    for fault in _schema().iter_errors(said):
        where = ".".join(map(str, fault.instance_path)) or "rfinews"
        raise NotCredible(where, fault.message[:200])
    assert isinstance(said, dict)
    return said


@cache
def _schema() -> jsonschema_rs.Draft202012Validator:
    """The part of the published schema that is about the fields that front matter may hold."""
    path = importlib.resources.files("rfinews") / "schemas" / "article-v1.json"
    properties = orjson.loads(path.read_bytes())["properties"]
    return jsonschema_rs.Draft202012Validator(
        {
            "type": "object",
            "properties": {name: properties[name] for name in RULES}
            | {"change": {"const": "retracted"}},
            "additionalProperties": False,
        }
    )


def amend(article: Article, said: dict[str, Any], title: str) -> None:
    """Give `article`, as its title and payload have it, the values that front matter says; all or none.

    Raises `NotCredible` for a value that none of our parsers would have given.
    """
    values = {name: _typed(name, value) for name, value in said.items()}
    for name, value in values.items():
        if name not in _OF_RETRACTED and article.change == "retracted":
            raise NotCredible(name, "a retracted article has none")
        if value is not None and not RULES[name](article, value):
            raise NotCredible(name, "not as a record has it")
    if {"headline", "column"} & said.keys():
        parts = values.get("headline", article.headline), values.get("column", article.column)
        if words("".join(filter(None, parts))) != words(title):
            raise NotCredible("headline", "it is not what the title says")
    for name, value in values.items():
        setattr(article, name, value)


def _typed(name: str, value: Any) -> Any:
    match name:
        case "images":
            return [Image(**each) for each in value]
        case "audios" | "videos":
            return [Media(**each) for each in value]
        case "alternates":
            return [Alternate(**each) for each in value]
    return value


def _is_plain(_: Article, text: str) -> bool:
    return plain(text) == text


def _is_date(_: Article, text: str) -> bool:
    return dates.from_iso(text) == text


def _is_earlier(article: Article, text: str) -> bool:
    return _is_date(article, text) and text <= (article.feed_date or "")


def _is_same_text(article: Article, text: str) -> bool:
    blocks = text.split("\n\n") if text else []
    is_clean = all(block and block == plain(block) for block in blocks)
    return is_clean and words(text) == words(article.article_body)


def _are_images(article: Article, images: list[Image]) -> bool:
    base = article.canonical_url
    return all(
        media.address(image.url, base) == image.url and _are_plain(image.caption, image.credit)
        for image in images
    ) and _differ(media.asset(image.url) for image in images)


def _are_media(article: Article, found: list[Media]) -> bool:
    base = article.canonical_url
    return all(
        media.address(each.url, base) == each.url and _are_plain(each.name) for each in found
    ) and _differ(each.url for each in found)


def _are_alternates(article: Article, found: list[Alternate]) -> bool:
    return all(_is_alternate(article, each) for each in found) and _differ(e.url for e in found)


def _is_alternate(article: Article, alternate: Alternate) -> bool:
    edition = edition_of(alternate.url)
    return (
        canonical_url(alternate.url) == alternate.url
        and is_article_url(alternate.url)
        and edition is not None
        and edition.code != article.edition
        and edition.language == alternate.in_language
    )


def _are_plain(*texts: str | None) -> bool:
    return all(text is None or plain(text) == text for text in texts)


def _differ(keys: Any) -> bool:
    listed = list(keys)
    return len(set(listed)) == len(listed)


#: What front matter may say, in the record's order, and when it is believed.
RULES: dict[str, Callable[[Article, Any], bool]] = {
    "url": lambda _, url: is_rfi(url) or is_short_link(url),
    "change": lambda *_: True,
    "column": _is_plain,
    "headline": _is_plain,
    "description": _is_plain,
    "article_body": _is_same_text,
    "copyright_notice": _is_plain,
    "authors": lambda _, names: people(names) == names,
    "keywords": lambda _, words_: _are_plain(*words_),
    "images": _are_images,
    "audios": _are_media,
    "videos": _are_media,
    "alternates": _are_alternates,
    "date_published": _is_date,
    "date_modified": _is_date,
    "feed_date": _is_earlier,
    "feed_url": lambda *_: True,
}
_OF_RETRACTED = frozenset(("url", "change", "feed_date", "feed_url"))
