# ruff: noqa: S608 - the names in the statements are our own
"""The tables that records go into: their definitions, their columns, the rows that a record becomes."""

import importlib.resources
from collections.abc import Iterator, Mapping
from typing import Any

from rfinews.items import FIELDS
from rfinews.load.records import Record

Row = tuple[Any, ...]

#: Columns of `articles` and `superseded`: those of the record, in its order.
COLUMNS = FIELDS
#: The record's lists; engines without nested types keep them as JSON.
LISTS = ("authors", "keywords", "images", "audios", "videos", "alternates")
#: The columns of the lists' own tables, after `article` and `position`.
PARTS: dict[str, tuple[str, ...]] = {
    "authors": ("name",),
    "keywords": ("keyword",),
    "images": ("url", "caption", "credit", "width", "height"),
    "audios": ("url", "name", "duration"),
    "videos": ("url", "name", "duration"),
    "alternates": ("in_language", "url"),
}
CRAWL_COLUMNS = (
    *("crawl_id", "spider", "arguments", "started_at", "finished_at", "finish_reason"),
    *("exported", "outcomes", "files", "manifest"),
)


def definitions(engine: str) -> str:
    """Return the published SQL that makes the tables in ``sqlite``, ``postgresql`` or ``duckdb``."""
    file = importlib.resources.files("rfinews") / "schemas" / f"articles-v1.{engine}.sql"
    return file.read_text(encoding="utf-8")


def names(columns: tuple[str, ...] = COLUMNS, table: str = "") -> str:
    """Return column names for SQL, of which ``column`` has to be quoted.

    >>> names(("section", "column"), "n")
    'n."section", n."column"'
    """
    prefix = f"{table}." if table else ""
    return ", ".join(f'{prefix}"{column}"' for column in columns)


def strange_tables(there: Mapping[str, set[str]], engines: Mapping[str, set[str]]) -> str:
    """Say what is wrong with the tables and columns of a database; `""`: all are there, or none.

    `engines` are the tables that one engine has beside those of all.

    >>> strange_tables({"articles": {"id"}}, {})
    'its table articles is not one of scrapy load'
    """
    every = set(COLUMNS)
    parts = {table: {"article", "position", *columns} for table, columns in PARTS.items()}
    wanted = {"articles": every, "superseded": every, "revisions": every, **parts, **engines}
    wanted["crawls"] = set(CRAWL_COLUMNS)
    ours = [table for table in wanted if table in there]
    for table in ours:
        if not there[table] >= wanted[table]:
            return f"its table {table} is not one of scrapy load"
    if ours and len(ours) < len(wanted):
        missing = next(table for table in wanted if table not in there)
        return f"it has a table {ours[0]} but no {missing}: it is no database of scrapy load"
    return ""


def part_rows(id_: str, table: str, values: list[Any]) -> Iterator[Row]:
    """Yield the rows of one of the record's lists.

    >>> list(part_rows("f0", "alternates", [{"in_language": "fr", "url": "https://www.rfi.fr/fr/a"}]))
    [('f0', 0, 'fr', 'https://www.rfi.fr/fr/a')]
    """
    for position, value in enumerate(values):
        fields = (value,) if isinstance(value, str) else (value[name] for name in PARTS[table])
        yield (id_, position, *fields)


def crawl_row(manifest: Record) -> Row:
    """Return the row of a crawl; dicts and lists are left for the engine to encode.

    Raises KeyError or TypeError for what is no manifest.
    """
    return (
        *(manifest[name] for name in CRAWL_COLUMNS[:6]),
        manifest["outcomes"].get("exported", 0),
        manifest["outcomes"],
        manifest["files"],
        manifest,
    )


def merge_statements() -> list[str]:
    """Return the SQL that brings `incoming` (a temporary table of `COLUMNS`) in, for any engine.

    Everything known of the ids that bring something new is ranked anew, so the result does not
    depend on the order in which files come: of each revision the one fetched last stands (then the
    greater in all columns), of each article the highest revision. Leaves the ids in `news`, all of
    whose rows but those in the lists' tables are written.
    """
    columns = names()
    order = ", ".join(
        f'"{name}" DESC'
        for name in ("crawled_at", "crawl_id", *COLUMNS)
        if name not in ("id", "revision")
    )
    some = "WHERE id IN (SELECT id FROM news)"
    return [
        (
            "CREATE TEMPORARY TABLE news AS SELECT DISTINCT id FROM ("
            f" SELECT {columns} FROM incoming EXCEPT"
            f" SELECT {columns} FROM revisions WHERE id IN (SELECT id FROM incoming)) AS changed"
        ),
        (
            "CREATE TEMPORARY TABLE candidates AS"
            f" SELECT {columns}, max(revision) OVER (PARTITION BY id) AS latest FROM ("
            f" SELECT {columns}, row_number() OVER (PARTITION BY id, revision ORDER BY {order}) AS place"
            f" FROM (SELECT {columns} FROM incoming {some} UNION ALL"
            f" SELECT {columns} FROM revisions {some}) AS every_row"
            ") AS placed WHERE place = 1"
        ),
        *(f"DELETE FROM {table} WHERE article IN (SELECT id FROM news)" for table in PARTS),
        f"DELETE FROM superseded {some}",
        f"DELETE FROM articles {some}",
        *(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM candidates WHERE revision {which}"
            for table, which in (("articles", "= latest"), ("superseded", "< latest"))
        ),
        "DROP TABLE candidates",
    ]


def count_statements() -> dict[str, str]:
    """Return the SQL that counts, after the merge, how many rows of `incoming` are stored now, by fate."""
    fetched = "id, revision, crawled_at, crawl_id"
    return {
        fate: f"SELECT count(*) FROM (SELECT DISTINCT {fetched} FROM incoming) AS those"
        f" JOIN {table} USING ({fetched})"
        for fate, table in (("updated", "articles"), ("older", "superseded"))
    }
