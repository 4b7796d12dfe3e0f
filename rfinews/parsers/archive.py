"""Markdown archive documents (CONTRACT section 7)."""

import re
from dataclasses import dataclass

from rfinews import dates

_HEAD = re.compile(
    r"^<!--\s*(?P<millis>\d{1,15})\s*-->[ \t]*\r?\n"
    r"\[(?P<title>.*)\]\((?P<url>[^\r\n]*)\)[ \t]*\r?\n"
    r"-{3,}[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE,
)


class NotADocument(ValueError):
    """Raised by `read_document`: the text has no archive header."""


@dataclass(frozen=True, slots=True)
class Document:
    """`feed_date` is when the feed delivered it (UTC), `payload` the feed's HTML."""

    feed_date: str | None
    title: str
    url: str
    payload: str


def read_document(text: str) -> Document:
    r"""Read one document; YAML front matter before the header is passed over (its date is wrong).

    Raises `NotADocument`.

    >>> read_document('<!--1699359302000-->\n[T](https://www.rfi.fr/cn/a)\n------\n\n<p>x</p>')
    Document(feed_date='2023-11-07T12:15:02Z', title='T', url='https://www.rfi.fr/cn/a', payload='<p>x</p>')
    """
    head = _HEAD.search(text)
    if head is None:
        raise NotADocument("no <!--milliseconds-->, [title](url), ------ header")
    payload = text[head.end() :].strip()
    return Document(dates.from_millis(head["millis"]), head["title"], head["url"].strip(), payload)
