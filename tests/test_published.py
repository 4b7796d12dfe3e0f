"""What importers build on stays as it was published: ``rfinews/schemas/``, one set of files a version.

``tests/data/published.json`` holds the SHA-256 of each file by its ``schema_version``. A file that is
listed never changes again, not even in a description; what is to change comes as a new version:

    python -m tests.test_published    # prints the lines for files that are not listed yet
"""

import hashlib
import json
import re
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rfinews.items import FIELDS, SCHEMA_VERSION
from rfinews.markup import content_hash
from rfinews.urls import article_id

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "rfinews" / "schemas"
CHANGELOG = ROOT / "CHANGELOG.md"
TABLE = Path(__file__).parent / "data" / "published.json"
SAMPLE = SCHEMAS / f"sample-v{SCHEMA_VERSION}.jsonl"
SCHEMA = json.loads((SCHEMAS / f"article-v{SCHEMA_VERSION}.json").read_bytes())

Published = dict[str, dict[str, str]]

_NAME = re.compile(r"(?P<name>[a-z]+)-v(?P<version>[0-9]+)(?P<kind>(?:\.[a-z0-9]+)+)")
_MENTIONED = re.compile(r"\bschema[_ ]version`? `?([0-9]+)\b")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def faults(schemas: Path, changelog: str, published: Published, current: int) -> list[str]:
    """Say what is wrong with a folder of published definitions, and what to do about it."""
    found = []
    listed = {
        name: (version, sha) for version, files in published.items() for name, sha in files.items()
    }
    there = {path.name: path for path in schemas.iterdir() if path.is_file()}
    for name, (version, sha) in sorted(listed.items()):
        new = int(version) + 1
        if name not in there:
            found.append(
                f"{name} was published with schema_version {version} and is gone: put it back"
            )
        elif digest(there[name]) != sha:
            found.append(
                f"{name} was published with schema_version {version} and has changed. Importers rely on "
                f"it, descriptions included: put it back as it was. If the change is meant, publish it "
                f"beside the old one: copy every file of -v{version} to -v{new} and change that, set "
                f"SCHEMA_VERSION = {new} in rfinews/items.py, say `schema_version {new}` and what it "
                f"means for importers in CHANGELOG.md, and add the digests to {TABLE.name}"
            )
    for name in sorted(there.keys() - listed.keys()):
        named = _NAME.fullmatch(name)
        if named is None:
            found.append(f"{name} names no version: call it <name>-v{current}.<kind>")
        else:
            found.append(
                f'{name} is not published yet: add "{name}": "{digest(there[name])}" to version '
                f"{named['version']} in {TABLE.name}; from then on it never changes"
            )
    mentioned = set(_MENTIONED.findall(changelog))
    for version, files in published.items():
        if version not in mentioned:
            found.append(
                f"CHANGELOG.md does not say `schema_version {version}` nor what is new in it"
            )
        found += [
            f"{name} is listed under version {version}"
            for name in files
            if (named := _NAME.fullmatch(name)) is None or named["version"] != version
        ]
    if str(current) != max(published, key=int, default=""):
        found.append(
            f"SCHEMA_VERSION is {current}, the newest one published another: {[*published]}"
        )
    kinds = {
        version: Counter(kind_of(name) for name in files) for version, files in published.items()
    }
    for version, kept in kinds.items():
        before = kinds.get(str(int(version) - 1), Counter())
        found += [f"version {version} has no {kind}" for kind in before - kept]
    return found


def kind_of(name: str) -> str:
    named = _NAME.fullmatch(name)
    return f"{named['name']}{named['kind']}" if named else name


def table() -> Published:
    published: Published = json.loads(TABLE.read_bytes())
    return published


def test_what_was_published_is_as_it_was() -> None:
    found = faults(SCHEMAS, CHANGELOG.read_text(encoding="utf-8"), table(), SCHEMA_VERSION)
    assert found == [], "\n" + "\n".join(found)


def test_the_schema_says_its_version() -> None:
    for version in table():
        schema = json.loads((SCHEMAS / f"article-v{version}.json").read_bytes())
        assert schema["properties"]["schema_version"]["const"] == int(version)


# ----------------------------------------------------------------------- that it would be noticed


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, Published]:
    """A folder with two definitions, both published."""
    (tmp_path / "article-v1.json").write_text('{"description": "An article."}')
    (tmp_path / "articles-v1.sqlite.sql").write_text(
        "CREATE TABLE articles (id TEXT); -- one a row"
    )
    return tmp_path, {"1": {path.name: digest(path) for path in tmp_path.iterdir()}}


LOG = "- Records of `schema_version 1`."


def test_nothing_to_say(published: tuple[Path, Published]) -> None:
    assert faults(*published[:1], LOG, published[1], 1) == []


@pytest.mark.parametrize("name", ["article-v1.json", "articles-v1.sqlite.sql"])
def test_a_change_of_a_letter(published: tuple[Path, Published], name: str) -> None:
    folder, listed = published
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("one a row", "one per row").replace("An a", "One a"))
    (told,) = faults(folder, LOG, listed, 1)
    assert told.startswith(f"{name} was published with schema_version 1 and has changed.")
    for what_to_do in ("-v2", "SCHEMA_VERSION = 2", "`schema_version 2`", "published.json"):
        assert what_to_do in told


def test_a_file_that_goes(published: tuple[Path, Published]) -> None:
    folder, listed = published
    (folder / "article-v1.json").unlink()
    (told,) = faults(folder, LOG, listed, 1)
    assert "put it back" in told


@pytest.mark.parametrize("name", ["articles-v1.duckdb.sql", "article-v2.json"])
def test_a_file_that_comes(published: tuple[Path, Published], name: str) -> None:
    folder, listed = published
    (folder / name).write_text("new")
    (told,) = faults(folder, LOG, listed, 1)
    assert f'"{name}": "{digest(folder / name)}"' in told


def test_a_file_without_a_version(published: tuple[Path, Published]) -> None:
    folder, listed = published
    (folder / "article.json").touch()
    (told,) = faults(folder, LOG, listed, 1)
    assert "names no version" in told


def test_a_new_version(published: tuple[Path, Published]) -> None:
    """It is welcome when it is whole, in use and told of."""
    folder, listed = published
    for name in ("article-v2.json", "articles-v2.sqlite.sql"):
        (folder / name).write_text("new")
    whole = listed | {"2": {path.name: digest(path) for path in folder.glob("*-v2.*")}}
    log = f"{LOG}\n- `schema_version 2`: a field more."
    assert faults(folder, log, whole, 2) == []
    assert any("CHANGELOG" in told for told in faults(folder, LOG, whole, 2))
    assert any("SCHEMA_VERSION is 1" in told for told in faults(folder, log, whole, 1))
    (folder / "articles-v2.sqlite.sql").unlink()
    del whole["2"]["articles-v2.sqlite.sql"]
    assert faults(folder, log, whole, 2) == ["version 2 has no articles.sqlite.sql"]


# --------------------------------------------------------------------------------------- the sample


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLE.read_bytes().splitlines()]


def test_the_sample_is_what_a_crawl_writes(records: list[dict[str, Any]]) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    content = SAMPLE.read_bytes()
    assert content.endswith(b"}\n")
    assert b"\\u" not in content
    revisions: Counter[str] = Counter()
    for record in records:
        validator.validate(record)
        assert tuple(record) == FIELDS
        assert record["id"] == article_id(record["canonical_url"])
        texts = record["headline"], record["description"], record["article_body"]
        assert record["content_hash"] == content_hash(*texts)
        revisions[record["id"]] += 1
        assert record["revision"] == revisions[record["id"]]
        assert (record["change"] == "new") == (record["revision"] == 1)


def test_the_sample_has_what_an_importer_must_handle(records: list[dict[str, Any]]) -> None:
    assert 10 <= len(records) <= 15
    assert {record["change"] for record in records} == {"new", "update", "retracted"}
    assert {record["source"] for record in records} == {"feedx", "rfi", "archive"}
    assert {record["in_language"] for record in records} >= {"zh-Hans", "zh-Hant", "fr", "fa", "km"}
    assert any(r["videos"] and not r["article_body"] for r in records)
    assert any(r["audios"] and r["audios"][0]["duration"] for r in records)
    assert any(len(r["images"]) > 3 for r in records)
    for name in FIELDS:
        assert any(record[name] for record in records), f"no record with {name}"
    optional = {name for name, rule in SCHEMA["properties"].items() if "anyOf" in rule}
    for name in optional:
        assert any(record[name] is None for record in records), f"no record without {name}"


def test_the_tables_take_the_sample(records: list[dict[str, Any]]) -> None:
    """Every field of a record has its column in the published SQLite tables."""
    path = SCHEMAS / f"articles-v{SCHEMA_VERSION}.sqlite.sql"
    if not path.exists():
        pytest.skip("no SQLite tables are published")
    with sqlite3.connect(":memory:") as database:
        database.executescript(path.read_text(encoding="utf-8"))
        columns = {row[1] for row in database.execute("PRAGMA table_info(articles)")}
    database.close()
    assert set(FIELDS) <= columns


if __name__ == "__main__":
    for told in faults(SCHEMAS, CHANGELOG.read_text(encoding="utf-8"), table(), SCHEMA_VERSION):
        print(told)
