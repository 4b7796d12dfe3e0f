"""The SQL behind the pages. Every value goes in as a parameter."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from datasette.database import Database, QueryInterrupted  # type: ignore[import-untyped]

from rfinews.load.search import phrases
from rfinews.urls import article_id

PAGE_SIZE = 20
#: Facets in the order in which they are shown.
FACETS = ("edition", "section", "column", "source")
#: Values of a facet that are listed.
_LISTED = 40
#: Milliseconds for a facet; without an answer by then, the page goes without it.
_FACET_TIME = 1500
_LISTS = ("authors", "keywords", "images", "audios", "videos", "alternates")
#: What the pages read must be there.
TABLES = {"articles", "superseded", "revisions", "articles_search"}


class Row(NamedTuple):
    value: str
    articles: int
    chosen: bool
    href: str


class Facet(NamedTuple):
    name: str
    chosen: str | None
    clear: str
    rows: list[Row]
    in_time: bool


@dataclass(frozen=True)
class Selection:
    """What a reader asked the list for."""

    query: str = ""
    facets: Mapping[str, str] = field(default_factory=dict)
    page: int = 1

    def href(self, **changes: str | None) -> str:
        """Return the list's address with some parameters changed, at its first page."""
        values: dict[str, str | None] = {"q": self.query or None, **self.facets, **changes}
        given = urlencode({name: value for name, value in values.items() if value})
        return f"/?{given}" if given else "/"

    def where(self, without: str = "") -> tuple[str, list[str]]:
        """Return the condition in SQL and its parameters, leaving the facet `without` out."""
        terms, values = ["1"], []
        if self.query.strip():
            terms.append(
                "number IN (SELECT rowid FROM articles_search WHERE articles_search MATCH ?)"
            )
            values.append(match_expression(self.query))
        for name, value in self.facets.items():
            if name != without:
                terms.append(f'"{name}" = ?')
                values.append(value)
        return " AND ".join(terms), values


def match_expression(query: str) -> str:
    r"""Return a query as FTS5 understands it: all its phrases. Without any word it finds nothing.

    >>> match_expression('台湾 "total"*'), match_expression("-?")
    ('"台 湾" "total"', '""')
    """
    return " ".join(f'"{" ".join(phrase)}"' for phrase in phrases(query)) or '""'


async def count_articles(db: Database, selection: Selection) -> int:
    where, values = selection.where()
    found = await db.execute(f"SELECT count(*) FROM articles WHERE {where}", values)  # noqa: S608
    return int(found.first()[0])


async def list_articles(db: Database, selection: Selection) -> list[dict[str, Any]]:
    """Return a page of articles, newest first; one that is retracted under its last headline."""
    where, values = selection.where()
    # An article's text is long: sort their numbers first.
    sql = (
        'SELECT id, change, revision, edition, in_language, section, "column", date_published,'  # noqa: S608
        " description, images, coalesce(nullif(headline, ''), (SELECT headline FROM superseded AS s"
        "  WHERE s.id = articles.id AND s.headline != '' ORDER BY s.revision DESC LIMIT 1), '')"
        " AS headline FROM articles WHERE number IN (SELECT number FROM articles"
        f" WHERE {where} ORDER BY date_published DESC, number DESC LIMIT ? OFFSET ?)"
        " ORDER BY date_published DESC, number DESC"
    )
    skipped = (selection.page - 1) * PAGE_SIZE
    found = await db.execute(sql, [*values, PAGE_SIZE, skipped])
    return [_decoded(row) for row in found.rows]


async def list_facets(db: Database, selection: Selection) -> list[Facet]:
    """Return what the list can be narrowed to, a facet's own choice left aside."""
    facets = []
    for name in FACETS:
        where, values = selection.where(without=name)
        sql = (
            f'SELECT "{name}", count(*) FROM articles WHERE {where} AND "{name}" IS NOT NULL'  # noqa: S608
            f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_LISTED}"
        )
        chosen = selection.facets.get(name)
        try:
            found = (await db.execute(sql, values, custom_time_limit=_FACET_TIME)).rows
            in_time = True
        except QueryInterrupted:
            found, in_time = [], False
        rows = [
            Row(value, count, value == chosen, selection.href(**{name: value}))
            for value, count in found
        ]
        facets.append(Facet(name, chosen, selection.href(**{name: None}), rows, in_time))
    return facets


async def revisions_of(db: Database, id_: str) -> list[dict[str, Any]]:
    """Return all revisions of an article, the first one first; none where it is not known."""
    found = await db.execute("SELECT * FROM revisions WHERE id = ? ORDER BY revision", [id_])
    return [_decoded(row) for row in found.rows]


async def known_ids(db: Database, urls: list[str]) -> dict[str, str]:
    """Return the ids of those addresses that are in the database."""
    marks = ", ".join("?" * len(urls))
    sql = f"SELECT canonical_url, id FROM articles WHERE id IN ({marks})"  # noqa: S608
    found = await db.execute(sql, [article_id(url) for url in urls])
    return {row["canonical_url"]: row["id"] for row in found.rows}


def _decoded(row: Any) -> dict[str, Any]:
    record = dict(row)
    for name in _LISTS:
        if name in record:
            record[name] = json.loads(record[name])
    return record
