"""No attempt to smuggle code through leaves anything but allow-listed markup, and all its text."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rfinews.items import Article, article_at
from rfinews.markup import content_hash, sanitize
from rfinews.parsers.feedx import read_payload
from rfinews.parsers.rfi import read_page
from tests import oracle
from tests.conftest import Crawl

DATA = json.loads((Path(__file__).parent / "data" / "xss.json").read_bytes())
CLOSED: dict[str, list[str]] = DATA["closed"]
OPEN: dict[str, list[str]] = DATA["open"]
FAMILIES = CLOSED | OPEN
VECTORS = [vector for family in FAMILIES.values() for vector in family]

ADDRESS = "https://www.rfi.fr/cn/国际/20231107-例题"
FIRST, SECOND = "第一段，无害。", "第二段，无害。"
PAGE = """<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>例题 - RFI</title>
<link rel="canonical" href="{address}"></head><body><main><div><article data-article-content>
<h1 class="t-content__title">例题</h1><div class="t-content__body">{body}</div>
</article></div></main></body></html>"""


def archived(payload: str) -> Article:
    """An article as the archive spider and the pipelines make it of a payload."""
    article = article_at(ADDRESS)
    article.feed_date = "2023-11-07T12:15:02Z"
    read_payload(article, "例题", payload)
    article.article_body_html = sanitize(article.article_body_html)
    return article


def paged(body: str) -> Article:
    """An article as it is read from a page."""
    article = read_page(PAGE.format(address=ADDRESS, body=body), ADDRESS)
    article.article_body_html = sanitize(article.article_body_html)
    return article


def between(vector: str) -> str:
    return f"<p>{FIRST}</p>{vector}<p>{SECOND}</p>"


def complaints(article: Article, vector: str) -> list[str]:
    """What is wrong with the article that holds a vector."""
    found = oracle.faults(article.article_body_html)
    addresses = [part.url for part in (*article.images, *article.audios, *article.videos)]
    found += [url for url in addresses if not url.startswith(("https://", "http://"))]
    written = [article.article_body, article.article_body_html, *addresses]
    found += [text for text in written if "GONE" in text]
    if article.article_body.count("HARMLESS") != vector.count("HARMLESS"):
        found.append(f"HARMLESS is lost in {article.article_body!r}")
    text = oracle.text(article.article_body_html, ["figcaption"])
    if oracle.letters(text) != oracle.letters(article.article_body):
        found.append(f"{text!r} is not {article.article_body!r}")
    return found


def test_the_collection_is_broad() -> None:
    assert len(set(VECTORS)) > 500
    assert len(FAMILIES) > 10


@pytest.mark.parametrize("family", FAMILIES)
def test_a_vector_alone(family: str) -> None:
    for vector in FAMILIES[family]:
        assert complaints(archived(vector), vector) == [], vector


@pytest.mark.parametrize(
    ("family", "read"),
    [(family, archived) for family in FAMILIES]
    + [(family, paged) for family in FAMILIES if family != "glued tags that are mended"],
)
def test_a_vector_between_paragraphs(family: str, read: Callable[[str], Article]) -> None:
    for vector in FAMILIES[family]:
        article = read(between(vector))
        assert complaints(article, vector) == [], vector
        blocks = article.article_body.split("\n\n")
        assert blocks[0] == FIRST, vector
        if family in CLOSED:
            assert blocks[-1] == SECOND, vector
        if family == "elements without an end":
            assert SECOND in article.article_body, vector


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sanitiser_alone(family: str) -> None:
    for vector in FAMILIES[family]:
        assert oracle.faults(sanitize(vector)) == [], vector


def test_all_vectors_in_a_crawl(tmp_path: Path, crawl: Callable[..., Crawl]) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number, vector in enumerate(VECTORS):
        head = f"<!--{1699359302000 + number}-->\n[例题]({ADDRESS}-{number})\n------\n\n"
        document = head + between(vector).replace("\n", "&#10;")
        (folder / f"{number}.md").write_text(document, "utf-8", newline="")
    result = crawl("archive", {"path": folder})
    assert result.status == 0
    assert "Traceback" not in result.stderr
    records = {record["url"]: record for record in result.records}
    assert len(records) == len(result.records) == len(VECTORS)
    for number, vector in enumerate(VECTORS):
        record = records[f"{ADDRESS}-{number}"]
        assert oracle.faults(record["article_body_html"]) == [], vector
        assert record["article_body"].startswith(FIRST)
        assert record["article_body"].count("HARMLESS") == vector.count("HARMLESS"), vector
        assert record["content_hash"] == content_hash("例题", None, record["article_body"])
