"""``scrapy browse``: the real command, a real Datasette, and a real browser that reads its pages."""

import json
import os
import selectors
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from rfinews.browse.differences import compare_texts, tokens
from rfinews.items import Article, as_record
from rfinews.load.search import words
from rfinews.load.tables import COLUMNS, definitions, names
from rfinews.urls import article_id
from tests.conftest import PROJECT

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PHONE = {"width": 360, "height": 740}

SCRIPT = "<script>window.hostile = 1</script>"
HOSTILE = (
    f"<p>before</p>{SCRIPT}<img src=x onerror='window.hostile = 2'>"
    "<svg onload='window.hostile = 3'></svg><iframe srcdoc='<script>parent.hostile = 4</script>'>"
    "</iframe><a id=link href='javascript:window.hostile = 5'>link</a>"
    "<style>body { display: none }</style><p style='position: fixed'>after</p>"
)


def record(path: str, **fields: Any) -> dict[str, Any]:
    url = f"https://www.rfi.fr/{path}"
    given: dict[str, Any] = {"edition": "cn", "in_language": "zh-Hans", "source": "feedx"} | fields
    article = as_record(Article(id=article_id(url), canonical_url=url, url=url))
    article |= {"crawled_at": "2026-11-01T08:00:00Z", "crawl_id": "feedx-1", "content_hash": "v1:0"}
    article |= given
    article["article_body_html"] = article["article_body_html"] or "".join(
        f"<p>{block}</p>" for block in article["article_body"].split("\n\n")
    )
    return article


TAIWAN = record(
    "cn/台湾",
    section="国际",
    headline="台湾总统访问巴拉圭",
    description="这次访问为期三天。",
    article_body="总统马英九今天抵达。\n\n天气很好。",
    date_published="2026-10-03T10:00:00Z",
    images=[
        {"url": "https://s.rfi.fr/tw.jpg", "caption": "机场", "credit": "AFP"}
        | {"width": 1280, "height": 720}
    ],
)
TAIWAN_2 = TAIWAN | {
    "revision": 2,
    "change": "update",
    "article_body": "总统蔡英文今天抵达。\n\n天气很好。\n\n她明天离开。",
    "article_body_html": "<p>总统蔡英文今天抵达。</p><p>天气很好。</p><p>她明天离开。</p>",
    "crawled_at": "2026-11-02T08:00:00Z",
}
TAIWAN_3 = TAIWAN_2 | {"revision": 3, "headline": "台湾总统访问友邦巴拉圭"}
PERSIAN = record(
    "fa/پاریس",
    edition="fa",
    in_language="fa",
    section="جهان",
    headline="RFI: گفتگو درباره پاریس",
    article_body="متن خبر از راست به چپ نوشته می‌شود.",
    authors=["مریم"],
    keywords=["پاریس", "R&D"],
    audios=[{"url": "https://s.rfi.fr/a.mp3", "name": "گزارش", "duration": 200}],
    videos=[{"url": "https://www.youtube.com/watch?v=abc", "name": None, "duration": None}],
    alternates=[
        {"in_language": "zh-Hans", "url": TAIWAN["canonical_url"]},
        {"in_language": "fr", "url": "https://www.rfi.fr/fr/ailleurs"},
    ],
    date_published="2026-10-02T10:00:00Z",
    date_modified="2026-10-02T11:30:00Z",
    copyright_notice="© 2026 AFP",
    source="rfi",
)
FRENCH = record(
    "fr/tempete",
    edition="fr",
    in_language="fr",
    column="Afrique économie",
    headline="La Tempête s’éloigne",
    article_body="L’été à Taipei.",
    date_published="2026-10-01T10:00:00Z",
)
KHMER = record(
    "km/ភ្នំពេញ",
    edition="km",
    in_language="km",
    headline="រាជធានីភ្នំពេញថ្ងៃនេះ",
    article_body="អត្ថបទ",
    date_published="2026-09-30T10:00:00Z",
)
GONE_1 = record(
    "cn/gone", headline="旧闻", article_body="曾经", date_published="2026-09-01T10:00:00Z"
)
GONE = record("cn/gone", change="retracted", revision=2)
EVIL = record(
    "cn/evil",
    headline=f"Evil {SCRIPT}",
    description=SCRIPT,
    section="<b>s</b>",
    article_body="evil",
    article_body_html=HOSTILE,
    images=[
        {"url": "javascript:window.hostile = 6", "caption": SCRIPT, "credit": None}
        | {"width": None, "height": None}
    ],
    videos=[{"url": "javascript:window.hostile = 7", "name": "video", "duration": None}],
    date_published="2026-08-01T10:00:00Z",
)
#: Enough for a second page.
OTHERS = [
    record(
        f"en/{n}",
        edition="en",
        in_language="en",
        headline=f"Filler {n}",
        article_body="Text.",
        date_published=f"2026-01-{n + 1:02}T10:00:00Z",
    )
    for n in range(20)
]
LATEST = [TAIWAN_3, PERSIAN, FRENCH, KHMER, EVIL, *OTHERS, GONE]
EARLIER = [TAIWAN, TAIWAN_2, GONE_1]


def make_database(path: Path) -> None:
    """Fill the published tables as they are defined; what is hostile must get past every check."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(definitions("sqlite"))
        for table, rows in (("articles", LATEST), ("superseded", EARLIER)):
            for row in rows:
                values = [
                    json.dumps(row[name]) if isinstance(row[name], list) else row[name]
                    for name in COLUMNS
                ]
                marks = ", ".join("?" * len(values))
                number = connection.execute(
                    f"INSERT INTO {table} ({names()}) VALUES ({marks})", values
                ).lastrowid
                if table == "articles":
                    texts = (row["headline"], row["description"] or "", row["article_body"])
                    connection.execute(
                        "INSERT INTO articles_search (rowid, headline, description, article_body)"
                        " VALUES (?, ?, ?, ?)",
                        (number, *(" ".join(words(text)) for text in texts)),
                    )


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "scrapy", "browse", *map(str, args)]


def first_line(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(seconds), "it says nothing"
    return process.stdout.readline()


@contextmanager
def browsing(database: Path) -> Iterator[SimpleNamespace]:
    with subprocess.Popen(
        command(database, "--port", 0),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            said = first_line(process, 60)
            assert said.startswith("http://127.0.0.1:"), process.communicate()[1]
            yield SimpleNamespace(
                process=process, url=said.split()[0].rstrip("/"), database=database
            )
        finally:
            process.send_signal(signal.SIGINT)
            stderr = process.communicate(timeout=30)[1]
    assert (process.returncode, stderr) == (0, "")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The command over a database whose name is awkward in a URI; nothing may change the file."""
    database = tmp_path_factory.mktemp("browse") / "r fi?mode=rwc#1%41.db"
    make_database(database)
    before = database.read_bytes()
    with browsing(database) as server:
        yield server
    assert database.read_bytes() == before
    assert [file.name for file in database.parent.iterdir()] == [database.name]


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visit(server, chromium):
    """Open a path in a new window; `page.asked` are the addresses elsewhere that it wanted."""
    contexts = []

    def open_page(path: str, viewport: dict[str, int] | None = None) -> Any:
        context = chromium.new_context(viewport=viewport or {"width": 1200, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []

        def guard(route: Any) -> None:
            if route.request.url.startswith(f"{server.url}/"):
                route.continue_()
            else:
                page.asked.append((route.request.url, route.request.headers.get("referer")))
                route.abort()

        context.route("**/*", guard)
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def headlines(page: Any) -> list[str]:
    return page.locator("h2").all_text_contents()


def article_path(article: dict[str, Any], rest: str = "") -> str:
    return f"/article/{article['id']}{rest}"


def test_the_list_shows_the_newest_articles_first_with_picture_and_facts(visit):
    page = visit("/")
    assert headlines(page)[:4] == [each["headline"] for each in LATEST[:4]]
    assert page.locator("h1").text_content() == "26 articles"
    first = page.locator(".list > li").first
    assert first.locator(".facts").inner_text().split("\n") == [
        *("cn", "国际", "2026-10-03 10:00 UTC", "revision 3")
    ]
    picture = first.locator("img")
    assert picture.get_attribute("src") == "https://s.rfi.fr/tw.jpg"
    assert picture.get_attribute("loading") == "lazy"
    assert page.asked == [("https://s.rfi.fr/tw.jpg", None)]
    page.get_by_text("Older").click()
    assert len(headlines(page)) == 6
    assert headlines(page)[-1] == "旧闻"
    assert page.locator("li.gone .state").text_content() == "retracted"
    page.get_by_text("Newer").click()
    assert len(headlines(page)) == 20


SEARCHES = (
    ("台湾", [TAIWAN_3]),
    ("巴拉圭 蔡英文", [TAIWAN_3]),
    ("湾台", []),
    ("TEMPETE", [FRENCH]),
    ("été", [FRENCH]),
    ("ភ្នំពេញ", [KHMER]),
    ("ﭘﺎﺭﯾﺲ", [PERSIAN]),
    ("马英九", []),
    ('"', []),
    ('台湾" OR "tempete', []),
    ("NEAR(", []),
    ("headline:台湾", []),
    ("*", []),
)


def test_search_finds_words_in_any_script_and_takes_any_text(visit):
    page = visit("/")
    for query, found in SEARCHES:
        page.get_by_role("searchbox").fill(query)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert headlines(page) == [each["headline"] for each in found], query
        assert page.get_by_role("searchbox").input_value() == query


def test_a_facet_narrows_the_list_and_is_given_up_again(visit):
    page = visit("/")
    page.locator("summary", has_text="Edition").click()
    assert page.locator("details[open] li a").all_inner_texts() == [
        *("en\n20", "cn\n3", "fa\n1", "fr\n1", "km\n1")
    ]
    page.locator("details[open] a", has_text="fa").click()
    assert headlines(page) == [PERSIAN["headline"]]
    assert page.url.endswith("/?edition=fa")
    page.locator("summary", has_text="Section").click()
    page.locator("details[open] a", has_text="جهان").click()
    assert headlines(page) == [PERSIAN["headline"]]
    page.get_by_label("Any edition").click()
    page.get_by_label("Any section").click()
    assert len(headlines(page)) == 20
    page.locator("summary", has_text="Source").click()
    page.locator("details[open] a", has_text="rfi").click()
    assert headlines(page) == [PERSIAN["headline"]]
    page.get_by_role("searchbox").fill("tempete")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?source=rfi&q=tempete")
    assert headlines(page) == []


def test_an_article_stands_with_all_that_is_known_of_it(visit):
    page = visit("/?edition=fa")
    page.locator("h2 a").click()
    article = page.locator("article")
    assert article.get_attribute("lang") == "fa"
    assert page.locator("h1").evaluate("each => getComputedStyle(each).direction") == "rtl"
    assert page.locator("h1").text_content() == PERSIAN["headline"]
    assert page.locator(".body p").all_text_contents() == [PERSIAN["article_body"]]
    byline = page.locator(".byline").inner_text()
    assert "مریم" in byline
    assert "Published 2026-10-02 10:00 UTC" in byline
    assert "Modified 2026-10-02 11:30 UTC" in byline
    assert page.locator("audio").get_attribute("src") == PERSIAN["audios"][0]["url"]
    assert "3:20" in page.locator("figure.media").inner_text()
    assert page.locator("p.media a").get_attribute("href") == PERSIAN["videos"][0]["url"]
    assert page.locator(".copyright").text_content() == "© 2026 AFP"
    assert page.locator(".tags a").all_text_contents() == PERSIAN["keywords"]
    original = page.get_by_role("link", name="https://www.rfi.fr/fa/پاریس")
    assert original.get_attribute("href") == PERSIAN["canonical_url"]
    assert page.locator("a[hreflang=fr]").get_attribute("href") == "https://www.rfi.fr/fr/ailleurs"
    assert (page.asked, page.complaints) == ([], [])
    page.locator("a[hreflang=zh-Hans]").click()
    assert page.locator("h1").text_content() == TAIWAN_3["headline"]
    assert page.locator("figcaption").inner_text() == "机场 AFP"
    assert page.locator("figure img").get_attribute("src") == "https://s.rfi.fr/tw.jpg"


def test_an_earlier_revision_can_be_read(visit):
    page = visit(article_path(TAIWAN, "?revision=1"))
    assert page.locator(".body").inner_text().startswith("总统马英九")
    assert "This is revision 1" in page.locator(".notice").inner_text()
    page.get_by_text("The latest is 3").click()
    assert page.locator("h1").text_content() == TAIWAN_3["headline"]


def test_a_retracted_article_says_so_and_leads_to_what_it_said(visit):
    page = visit(article_path(GONE))
    assert page.locator("h1").text_content() == "旧闻"
    assert page.locator(".notice .state").text_content() == "retracted"
    page.get_by_text("What it said last").click()
    assert page.locator(".body").inner_text() == "曾经"


def test_hostile_markup_in_the_database_does_nothing(visit):
    for path in ("/?q=evil", article_path(EVIL), article_path(EVIL, "/compare")):
        page = visit(path)
        assert SCRIPT in page.locator("main").inner_text()
        assert page.locator("script, iframe, svg, style, [onerror], [style]").count() == 0
        assert page.locator("[href^='javascript:'], [src^='javascript:']").count() == 0
        assert page.evaluate("window.hostile") is None
        assert (page.complaints, page.asked) == ([], [])
    page = visit(article_path(EVIL))
    assert page.locator(".body p").all_text_contents() == ["before", "after"]
    assert page.locator(".body p").last.evaluate("p => getComputedStyle(p).position") == "static"


def test_the_policy_alone_would_stop_a_script(visit):
    page = visit("/")
    page.evaluate(
        "for (const text of ['window.hostile = 1'])"
        " document.body.append(Object.assign(document.createElement('script'), { text }))"
    )
    page.evaluate(
        "new Promise(seen => { document.body.innerHTML += `<img src=x onerror='window.hostile = 2'>`;"
        " document.querySelector('img[src=x]').addEventListener('error', seen) })"
    )
    assert page.evaluate("window.hostile") is None
    assert any("Content Security Policy" in each for each in page.complaints)


def test_two_revisions_stand_side_by_side_with_what_differs_marked(visit):
    page = visit(article_path(TAIWAN, "?revision=3"))
    page.get_by_role("link", name="Compare").click()
    assert page.locator("ins").all_text_contents() == ["友邦"]
    assert page.locator("del").all_text_contents() == []
    page.get_by_label("From").select_option("1")
    page.get_by_label("To").select_option("2")
    page.get_by_role("button", name="Compare").click()
    assert page.locator("del").all_text_contents() == ["马", "九"]
    assert page.locator("ins").all_text_contents() == ["蔡", "文", "她明天离开。"]
    old, new = (page.locator(".changed td").nth(n).inner_text() for n in (0, 1))
    assert (old, new) == ("总统马英九今天抵达。", "总统蔡英文今天抵达。")
    page = visit(article_path(TAIWAN, "/compare?from=2&to=2"))
    assert "Nothing that readers see differs" in page.locator(".notice").inner_text()


def test_what_is_not_there_has_a_page_that_says_so(server, visit):
    page = visit("/nothing")
    for path in (
        f"/article/{'0' * 32}",
        article_path(TAIWAN, "?revision=9"),
        article_path(TAIWAN, "/compare?from=1&to=x"),
    ):
        assert page.locator("h1").text_content() == "There is no such page."
        page.goto(server.url + path)
    page.get_by_text("All articles").click()
    assert len(headlines(page)) == 20


@pytest.mark.parametrize(
    "path", ["/", article_path(PERSIAN), article_path(TAIWAN, "/compare"), "/x"]
)
def test_a_phone_needs_no_sideways_scrolling(visit, path):
    page = visit(path, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("summary").count() == 0 or page.locator("summary").first.is_visible()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit):
    page = visit("/")
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", seen
    assert seen[0] == "Skip to the content"
    assert seen[-1] == TAIWAN_3["headline"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/article/*")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        (f"/?q={quote('台湾')}", 200),
        ("/?page=99999999999&edition=", 200),
        (article_path(TAIWAN), 200),
        (article_path(TAIWAN, "/compare"), 200),
        ("/-/browse/browse.css", 200),
        ("/-/browse/../plugin.py", 404),
        ("/-/browse/%2e%2e/plugin.py", 404),
        ("/rfi", 200),
        ("/rfi/articles", 200),
        ("/rfi/articles/1", 200),
        ("/rfi/articles.json", 200),
        ("/rfi/nothing", 404),
        ("/nothing", 404),
        ("/rfi?sql=select+1", 403),
        ("/rfi.json?sql=select+1", 403),
        ("/rfi/articles?_where=1%3D1", 403),
        ("/rfi.db", 403),
        ("/_internal", 403),
    ],
)
def test_every_answer_has_the_policy_and_sql_of_strangers_none(server, path, status):
    answer = httpx.get(server.url + path)
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src http: https:;")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    if "html" in answer.headers["content-type"]:
        assert "<script" not in answer.text


def test_other_names_for_this_machine_are_refused(server):
    port = server.url.rpartition(":")[2]
    for name, status in (("localhost", 200), ("127.0.0.1", 200), ("rebound.example", 421)):
        answer = httpx.get(f"{server.url}/", headers={"host": f"{name}:{port}"})
        assert answer.status_code == status


def start(*args: object, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*args),
        cwd=PROJECT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_mistakes_are_told_in_a_line(server, tmp_path):
    other, text, none = (tmp_path / name for name in ("other.db", "text.db", "none.db"))
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE articles (number INTEGER)")
    text.write_text("no database " * 100)
    (tmp_path / "datasette.py").write_text("raise ModuleNotFoundError(name='datasette')")
    port = server.url.rpartition(":")[2]
    mistakes = [
        (start(none), 1, f"no database {none}; make it with: scrapy load "),
        (start(other), 1, f"{other} is no database of scrapy load"),
        (start(text), 1, f"cannot read {text}: file is not a database"),
        (start(server.database, "--port", port), 1, f"cannot listen on port {port}: Address alr"),
        (start(other, PYTHONPATH=str(tmp_path)), 1, "datasette is not installed; pip install"),
        (start(), 2, "give one database file"),
        (start(other, "--port", "x"), 2, "--port takes a number from 0 to 65535, not 'x'"),
    ]
    for process, status, told in mistakes:
        stdout, stderr = process.communicate(timeout=60)
        assert (process.returncode, stdout, stderr.count("\n")) == (status, "", 1), stderr
        assert stderr.startswith(f"scrapy browse: {told}")
    assert not none.exists()


def test_tokens_keep_the_text_and_clusters_whole():
    for text in ("ភ្នំពេញ", "ก็นี้", "La tempe\u0302te, 3\u00a0morts", "台湾 RFI", "\u0301x", ""):
        assert "".join(tokens(text)) == text
    assert tokens("ភ្នំពេញ") == ["ភ្នំ", "ពេ", "ញ"]
    assert tokens("tempe\u0302te") == ["tempe\u0302te"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "x"),
        ("a\n\nb", "b\n\nc"),
        ("Le chat dort, dit-il.", "Un chien dort, dit-elle."),
        ("一" * 9000, "二" * 9000),
        ("台湾总统\n\n同一段", "总统在台湾\n\n新的一段\n\n同一段"),
    ],
)
def test_what_is_marked_beside_what_is_not_makes_both_texts(old, new):
    passages = list(compare_texts(old, new))
    for side, text in ((0, old), (1, new)):
        told = ["".join(piece.text for piece in passage[side]) for passage in passages]
        assert "\n\n".join(part for part in told if part) == text
    same = [
        "".join(piece.text for piece in passage[side] if not piece.changed)
        for side in (0, 1)
        for passage in passages
    ]
    assert same[: len(passages)] == same[len(passages) :]
