"""Pages of every edition and kind (``fixtures/pages``), compared field by field with what is expected.

The expectations are derived by hand from the contract. They leave out what a crawl adds to a record.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from rfinews.editions import EDITIONS
from rfinews.items import FIELDS, Article, as_record
from rfinews.markup import sanitize
from rfinews.parsers import fallback
from rfinews.parsers.rfi import NotAnArticle, read_page
from tests import oracle

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "fixtures" / "pages"
ARTICLES = sorted(PAGES.glob("*/*.json"))
OTHERS = sorted((PAGES / "none").glob("*.html"))
ADDRESS = "https://www.rfi.fr/fr/afrique/20240605-une-adresse-d-article"
# What the crawl knows, not the page.
OF_THE_CRAWL = {
    "schema_version",
    "id",
    "revision",
    "change",
    "feed_date",
    "feed_url",
    "content_hash",
    "crawled_at",
    "crawl_id",
}


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("expectation", ARTICLES, ids=name)
def test_every_field_of_a_page(expectation: Path) -> None:
    expected = json.loads(expectation.read_text(encoding="utf-8"))
    note = expected.pop("note", None)
    assert set(expected) == set(FIELDS) - OF_THE_CRAWL
    page = expectation.with_suffix(".html").read_bytes()
    article = read_page(page, expected["url"])
    article.article_body_html = sanitize(article.article_body_html)
    record = as_record(article)
    for field, value in expected.items():
        assert (field, record[field]) == (field, value)
    assert article.note == note
    assert oracle.faults(article.article_body_html) == []
    assert read_page(page.decode(), expected["url"]).article_body == article.article_body


def test_every_edition_has_its_page() -> None:
    assert {path.parent.name for path in ARTICLES if path.stem == "article"} == set(EDITIONS)


@pytest.mark.parametrize("page", OTHERS, ids=name)
def test_pages_that_are_no_articles(page: Path) -> None:
    with pytest.raises(NotAnArticle):
        read_page(page.read_bytes(), ADDRESS)


# ---------------------------------------------------------------------------------- other layouts

REDESIGNED = (PAGES / "vi" / "redesigned.html").read_text(encoding="utf-8")
GUESSED = json.loads((PAGES / "vi" / "redesigned.json").read_text(encoding="utf-8"))["article_body"]
LONG = "Sáu tua-bin gió ở mũi phía bắc đủ điện cho một nghìn hai trăm hộ dân, cả ngày lẫn đêm. " * 2

DATED = (
    '<meta property="og:type" content="article">'
    '<meta property="article:published_time" content="2026-03-05T03:15:00+01:00">'
)


def read_counted(page: str) -> tuple[Article, str]:
    """The article and where its body was found."""
    hits: Counter[str] = Counter()
    article = read_page(page, ADDRESS, hits)
    (source,) = (hit.removeprefix("body:") for hit in hits if hit.startswith("body:"))
    return article, source


def with_data(page: str = REDESIGNED, **data: object) -> str:
    """The page with properties added to its JSON-LD."""
    added = json.dumps(data, ensure_ascii=False)[1:-1]
    assert page.count('"@type": "NewsArticle", ') == 1
    return page.replace('"@type": "NewsArticle", ', f'"@type": "NewsArticle", {added}, ')


@pytest.mark.parametrize("expectation", ARTICLES, ids=name)
def test_a_body_by_another_name_is_what_the_article_holds_beside_its_parts(
    expectation: Path,
) -> None:
    expected = json.loads(expectation.read_text(encoding="utf-8"))
    page = expectation.with_suffix(".html").read_text(encoding="utf-8")
    article, source = read_counted(page.replace("t-content__body", "story"))
    for field in ("description", "article_body", "copyright_notice"):
        assert (field, getattr(article, field)) == (field, expected[field])
    assert source in ("article", "json-ld", "trafilatura") or not expected["article_body"]


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (LONG, LONG.strip()),
        (f"{LONG}\n\n  Hết &amp; rồi. \r\n", f"{LONG.strip()}\n\nHết & rồi."),
        (f"<p>{LONG}</p><p>Quảng cáo</p><p><b>Hết</b>.</p>", f"{LONG.strip()}\n\nHết."),
        (f"<<{LONG.strip()}>>", f"<<{LONG.strip()}>>"),
        # no more than a beginning
        (LONG.strip() + "…", GUESSED),
        (LONG.strip() + " [...]", GUESSED),
        ("Sáu tua-bin gió.", GUESSED),
        ("", GUESSED),
        (None, GUESSED),
        ([LONG], GUESSED),
    ],
)
def test_the_publishers_words_come_before_a_guess(said: object, body: str) -> None:
    article, source = read_counted(with_data(articleBody=said))
    assert article.article_body == body
    assert source == ("trafilatura" if body is GUESSED else "json-ld")
    assert article.note is not None
    assert article.note.endswith("selectors found none")
    assert (article.note.startswith("body from JSON-LD")) == (body is not GUESSED)


def test_a_body_that_is_there_needs_no_other() -> None:
    page = (PAGES / "es" / "article.html").read_text(encoding="utf-8")
    for said in (LONG, "", None):
        changed = page.replace('"headline": ', f'"articleBody": {json.dumps(said)}, "headline": ')
        article, source = read_counted(changed)
        assert source == ".t-content__body"
        assert article.note is None
    empty = page.replace("<p>", "<!--").replace("</p>", "-->")
    beside = empty.replace("</main>", f"<section><p>{LONG}</p></section></main>")
    article, source = read_counted(beside)  # and one that is empty gives no cause to guess
    assert (article.article_body, source, article.note) == ("", "none", None)


@pytest.mark.parametrize(
    "head",
    [
        '<meta property="og:type" content="website">',
        '<meta property="og:type" content="article">',  # without a date
        '<script type="application/ld+json">{"@type": "WebPage", "name": "x"}</script>',
        '<script type="application/ld+json">{"@type": "CollectionPage"}</script>' + DATED,
    ],
)
def test_nothing_is_guessed_of_a_page_that_is_no_article(head: str) -> None:
    start, end = REDESIGNED.index("<link rel"), REDESIGNED.index("<style")
    with pytest.raises(NotAnArticle):
        read_page(REDESIGNED[:start] + head + REDESIGNED[end:], ADDRESS)


def test_meta_elements_alone_make_an_article() -> None:
    start, end = REDESIGNED.index("<link rel"), REDESIGNED.index("<style")
    head = DATED + (
        '<meta property="og:title" content="Đảo gió">'
        '<meta name="description" content="Máy phát chạy dầu được tắt sau bốn mươi năm.">'
    )
    article, source = read_counted(REDESIGNED[:start] + head + REDESIGNED[end:])
    assert (article.headline, source) == ("Đảo gió", "trafilatura")
    assert article.article_body.endswith(GUESSED)


def test_a_page_of_links_is_no_guess() -> None:
    links = "".join(f'<p><a href="/vi/{n}">{LONG}</a></p>' for n in range(5))
    assert fallback.guessed(f"<body><h1>Đảo</h1><div>{links}</div></body>") == ""
    assert fallback.guessed(f"<body><nav>{LONG}</nav><aside>{LONG}</aside></body>") == ""
    assert fallback.guessed(f"<body><p>{LONG}</p></body>") != ""
    assert fallback.guessed(f"<body><p>{LONG}</p></body>" + " " * 10**6) == ""
    assert fallback.guessed(b"") == fallback.guessed("\x00" * 99) == ""


@pytest.mark.parametrize(
    ("updates", "body"),
    [
        ([{"headline": "Một", "articleBody": "Hai.\nBa."}], "Một\n\nHai.\n\nBa."),
        ([{"headline": "Một &amp; hai"}, {"articleBody": "<p>Ba</p>"}], "Một & hai\n\nBa"),
        ({"headline": "Một"}, "Một"),
        ([None, 5, {}, {"headline": 5, "articleBody": []}, {"headline": " … "}], ""),
        (None, ""),
        ("x", ""),
    ],
)
def test_posts_of_a_live_blog_in_json_ld(updates: object, body: str) -> None:
    page = '<article data-article-content><h1>Tin</h1><div class="t-content__body"></div></article>'
    data = {"@type": "LiveBlogPosting", "headline": "Tin", "liveBlogUpdate": updates}
    head = f'<script type="application/ld+json">{json.dumps(data)}</script>'
    article, source = read_counted(head + page)
    assert (article.article_body, source) == (body, "json-ld" if body else "none")
    shown = body.replace("\n\n", "</p><p>")
    article, source = read_counted(head + page.replace('body">', f'body"><p>{shown}</p>'))
    assert article.article_body == body  # none twice


def test_only_posts_that_are_shown_are_left_out() -> None:
    long = "Neun Boote " * 20
    data = {
        "liveBlogUpdate": [
            {"articleBody": text} for text in ("Boot", "Neun", f"{long} <b>Ende</b>", "Tor.")
        ]
    }
    body = f"Neun Boote\n\n14:31\n\n{long}\n\nTor!"
    assert fallback.posts(data, body) == "<p>Boot</p><p>Neun</p>"


def test_a_known_layout_never_imports_trafilatura() -> None:
    code = (
        "import sys, pathlib\n"
        "from rfinews.parsers.rfi import read_page\n"
        f"for page in pathlib.Path({str(PAGES)!r}).glob('*/[!r]*.html'):\n"
        "    if page.parent.name != 'none':\n"
        f"        read_page(page.read_bytes(), {ADDRESS!r})\n"
        "assert 'trafilatura' not in sys.modules\n"
        "import trafilatura\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
