"""Titles: what belongs to the article, to its column, and to the site."""

import re
from functools import cache

from rfinews.editions import Edition
from rfinews.markup import decode_references, plain, words
from rfinews.urls import edition_of, section_of, slug_of

_DASH = re.compile(r"\s[-–—|]\s")


def split_title(title: str, canonical_url: str) -> tuple[str, str | None]:
    """Return headline and column of a title as feeds and pages give it.

    A suffix behind a dash is a column when the edition knows it, when the address's last section
    names it, or when the address's slug (made from the title by RFI, without the column) ends
    before it. Any other dash is the writer's own.

    >>> split_title('例题 - 要闻解说 – 法国国际广播电台 - RFI', 'https://www.rfi.fr/cn/a-b')
    ('例题', '要闻解说')
    >>> split_title('Corona - 例题 - RFI', 'https://www.rfi.fr/cn/corona-例题')
    ('Corona - 例题', None)
    """
    text = plain(decode_references(title))
    edition = edition_of(canonical_url)
    dashes = list(_DASH.finditer(text))
    if not dashes or edition is None:
        return text, None
    text = _site_suffix(edition).sub("", text)
    dashes = [dash for dash in dashes if dash.end() < len(text)]
    if not dashes:
        return text, None
    headline, suffix = text[: dashes[-1].start()], text[dashes[-1].end() :]
    last_section = (section_of(canonical_url) or "").rsplit("/", 1)[-1]
    named = suffix in edition.columns or words(suffix) == words(last_section) != ""
    if named or words(slug_of(canonical_url)) == words(headline):
        return headline, suffix
    return text, None


@cache
def _site_suffix(edition: Edition) -> re.Pattern[str]:
    sites = "|".join(map(re.escape, edition.site_names))
    return re.compile(rf"(?:{_DASH.pattern}(?:{sites}))+$", re.IGNORECASE)
