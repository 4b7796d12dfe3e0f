"""``scrapy export-archive``: what it writes, ``scrapy crawl archive`` reads to the same records."""

import fcntl
import gzip
import json
import os
import pty
import re
import resource
import signal
import struct
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.server import MirrorServer
from rfinews.editions import EDITIONS
from rfinews.items import Alternate, Article, Image, Media, article_at, as_record
from rfinews.markup import (
    TooDeep,
    content_hash,
    decode_references,
    parse,
    plain,
    render,
    sanitize,
)
from rfinews.parsers.archive import (
    Document,
    NotCredible,
    read_article,
    read_document,
    read_said,
    write_document,
)
from rfinews.parsers.archive_writer import NotWritable, document_of, document_path
from rfinews.parsers.feedx import read_payload
from rfinews.parsers.people import people
from tests import oracle
from tests.conftest import MEASURED, PROJECT, Crawl, crawl_environment, files_in
from tests.crashes import until

Record = dict[str, Any]

#: What a record has from the crawl that exported it.
OF_THE_CRAWL = {"source", "crawled_at", "crawl_id"}
#: And what a document alone does not know.
OF_THE_ORDER = OF_THE_CRAWL | {"schema_version", "revision", "change"}
ADDRESS = "https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-%E4%BE%8B%E9%A2%98"
FEED_DATE = "2023-11-07T12:15:02Z"


# ------------------------------------------------------------------------------------------ help


def export(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as its users do."""
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", "export-archive", *map(str, arguments)],
        cwd=PROJECT,
        env=crawl_environment(Path("nowhere"), mirrored=False),
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    said = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
    assert "Traceback" not in said.stderr, said.stderr
    return said


def exported(*arguments: object) -> str:
    """What it says when it has done its job."""
    done = export(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def store(path: Path, records: list[Record]) -> Path:
    """Write records as a crawl would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text(lines, encoding="utf-8")
    return path


def finished(article: Article) -> Record:
    """Make an article a record as the pipelines do."""
    article.article_body_html = sanitize(article.article_body_html)
    article.content_hash = content_hash(article.headline, article.description, article.article_body)
    article.crawled_at, article.crawl_id = "2026-11-23T19:11:02Z", "rfi-20261123T191101Z-1"
    return as_record(article)


def read(payload: str, title: str = "例题", address: str = ADDRESS) -> Record:
    """Make the record that a feed entry gives."""
    article = article_at(address)
    article.feed_date = FEED_DATE
    return finished(read_payload(article, title, payload))


def changed(record: Record, **values: Any) -> Record:
    """A record with other values, and the hash that belongs to them."""
    record = deepcopy(record) | values
    record["content_hash"] = content_hash(
        record["headline"], record["description"], record["article_body"]
    )
    return record


def without(record: Record, fields: set[str]) -> Record:
    return {name: value for name, value in record.items() if name not in fields}


def documents(folder: Path) -> dict[str, bytes]:
    """What an archive holds, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_in(folder)}


def by_revision(records: list[Record]) -> dict[tuple[str, int], Record]:
    found = {(record["id"], record["revision"]): record for record in records}
    assert len(found) == len(records)
    return found


def assert_same(records: list[Record], again: list[Record]) -> None:
    """Check that two crawls gave the same, but for what belongs to a crawl."""
    known, found = by_revision(records), by_revision(again)
    assert found.keys() == known.keys()
    for key, record in known.items():
        assert without(found[key], OF_THE_CRAWL) == without(record, OF_THE_CRAWL)
    assert {record["source"] for record in again} <= {"archive"}


RECORD = read(
    '<div>07/11/2023 - 12:35</div><img src="https://s.rfi.fr/media/display/a/w:310/a.jpg">'
    "<p><strong>导语。</strong></p><div><p>第一段。</p><p>第二段。</p></div>"
)


# --------------------------------------------------------------------------- any record, in memory


def comes_back(record: Record) -> Document:
    """Check that the document of a record reads as that record, and return it."""
    text = write_document(document_of(record))
    document = read_document(text)
    article = read_article(document)
    assert article.note is None
    back = finished(article)
    assert without(back, OF_THE_ORDER) == without(record, OF_THE_ORDER)
    *_, payload, end = text.split("\n")
    assert (payload, end) == (document.payload, "")
    assert text.count("\n") == (8 if document.said else 5)
    return document


NASTY = [
    "](https://evil.example/)", "<script>alert(1)</script>", "</script>", "<!--", "-->", "------",
    "&amp;lt;", "AT&T", "<imgsrc=", '"', "'", "\\", " - RFI", " – 法国国际广播电台 - RFI", " - 国际",
    "- 要闻解说", "获取更多RSS：", "© 2020 AFP", "广告", "Array", "分享 :", "作者：", "07/11/2023 - 12:35",
    "rfinews: {}", "---", "[", "]", "(", ")", "}", "http://", "\u200c", "😀", "ក្រុម", "روزنامه‌نگار",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(NASTY) | st.text(max_size=8), min_size=1, max_size=4).map(
    lambda parts: plain("".join(parts))
)
WORDS = TEXT.filter(bool)
PIECES = st.sampled_from(
    """<p> </p> <div> </div> <h2> </h2> <ul> <li> </li> </ul> <b> </b> <strong> </strong> <br> <hr>
    <figure> </figure> <figcaption> </figcaption> <table> <tr> <td> </td> </tr> </table> <blockquote>
    </blockquote> <a href="https://a.example/?b=1&amp;c=2"> </a> <a href="/cn/作者/罗拉/"> </span>
    <span class="m-figure__caption__legend"> <span class="m-figure__caption__credits"> <p class="t-copyright">
    <img src="https://s.rfi.fr/media/display/b/b.jpg" alt="乙" width="310"> <img src="/c.png"> </button>
    <div class="t-content__body"> <div class="m-em-image"> <youtube-player source="https://youtu.be/Rw8xQm2LkTc">
    <div class="m-em-video__title"> </youtube-player> <iframe src="https://www.youtube.com/embed/Vt4_-bN0sYq">
    """.split("\n")
).flatmap(lambda line: st.sampled_from(re.findall(r"<[^>]*>", line) or [" "]))
SOUP = st.lists(PIECES | WORDS.map(lambda text: escape(text, quote=False)), max_size=14).map(
    "".join
)
THOROUGH = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@THOROUGH
@given(
    SOUP, st.sampled_from(["", "<div>07/11/2023 - 12:35</div>", "<div>25/10/2020 - 02:35</div>"])
)
@example("© 2020 AFP", "")
@example("<p>甲<br><br><a href='/cn/作者/罗拉/'>罗拉</a></p>", "")
@example("<figure><img src='https://a.example/b.jpg'><figcaption>甲 乙</figcaption></figure>", "")
def test_whatever_a_feed_gave_comes_back(payload: str, date: str) -> None:
    """A record that our own parser made is never refused."""
    try:
        record = read(date + payload)
    except TooDeep:
        return
    if record["article_body"] or record["images"] or record["videos"]:
        comes_back(record)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


URLS = st.sampled_from(
    [
        f"https://a.example/{name}"
        for name in ("a.jpg", "b.jpg?c=1&d=%22", "e.mp3", "f.m3u8", "g.mp4")
    ]
)
VIDEOS = URLS | st.sampled_from(["https://www.youtube.com/watch?v=Rw8xQm2LkTc"])
SECONDS = maybe(st.integers(0, 10_000))
DATES = st.sampled_from(
    ["2020-07-02T09:20:31Z", "2020-10-25T01:35:00Z", "2020-10-25T00:35:00Z", FEED_DATE]
)
ADDRESSES = [
    "https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-%E4%BE%8B%E9%A2%98",
    "https://www.rfi.fr/fa/%D9%81%D8%B1%D9%87%D9%86%DA%AF/20240320-norouz",
    "https://www.rfi.fr/ma/20210316-luumo",
    "https://www.rfi.ro/20240316-carte",
]
ALTERNATES = [
    Alternate("fr", "https://www.rfi.fr/fr/monde/20200702-la-baie"),
    Alternate("km", "https://www.rfi.fr/km/20200702-a"),
]


def once(found: list[Any]) -> list[Any]:
    return list({part.url: part for part in found}.values())


@st.composite
def articles(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Record:
    article = article_at(draw(st.sampled_from(ADDRESSES)))
    article.headline = draw(WORDS.map(decode_references).map(plain).filter(bool))
    article.column = draw(maybe(WORDS.map(decode_references).map(plain).filter(bool)))
    article.description = draw(maybe(WORDS))
    body = parse(f"<body>{draw(SOUP)}").body
    assert body is not None
    article.images = once(draw(st.lists(st.builds(Image, URLS, *[maybe(WORDS)] * 2, *[maybe(st.integers(1, 5000))] * 2))))  # fmt: skip
    for node in body.css("img, a"):
        node.decompose()  # its pictures are those above
    content = render([body])
    article.article_body, article.article_body_html = content.text, content.html
    article.copyright_notice = draw(maybe(WORDS))
    article.authors = people(draw(st.lists(WORDS, max_size=3)))
    article.keywords = draw(st.lists(WORDS, unique=True, max_size=3))
    article.audios = once(draw(st.lists(st.builds(Media, URLS, maybe(WORDS), SECONDS), max_size=2)))
    article.videos = once(
        draw(st.lists(st.builds(Media, VIDEOS, maybe(WORDS), SECONDS), max_size=2))
    )
    article.alternates = draw(st.lists(st.sampled_from(ALTERNATES), unique_by=lambda a: a.url))
    article.date_published = draw(maybe(DATES))
    article.date_modified = draw(maybe(DATES))
    article.feed_date = draw(maybe(DATES))
    article.feed_url = draw(maybe(st.just("https://feedx.net/rss/rfi.xml")))
    article.source = draw(st.sampled_from(["rfi", "feedx", "archive"]))
    article.revision = draw(st.integers(1, 3))
    return finished(article)


@THOROUGH
@given(articles())
def test_whatever_a_page_gave_comes_back(record: Record) -> None:
    document = comes_back(record)
    assert oracle.faults(sanitize(read_article(document).article_body_html)) == []


REFUSED = {
    "id": ("canonical_url", lambda r: r | {"canonical_url": f"{r['canonical_url']}/"}),
    "edition": ("edition", lambda r: r | {"edition": "tw"}),
    "section": ("section", lambda r: r | {"section": "法国"}),
    "hash": ("content_hash", lambda r: r | {"headline": "别的"}),
    "body": ("article_body", lambda r: changed(r, article_body="别的。")),
    "html": ("article_body_html", lambda r: r | {"article_body_html": "<p>第一段。"}),
    "style": (
        "article_body_html",
        lambda r: r | {"article_body_html": r["article_body_html"].replace("<p>", "<p style=x>")},
    ),
    "outlet": ("authors", lambda r: r | {"authors": ["RFI"]}),
    "picture": ("images", lambda r: r | {"images": [r["images"][0] | {"url": "https://a b/"}]}),
    "translation": ("alternates", lambda r: r | {"alternates": [{"in_language": "fr", "url": "https://a.example/"}]}),
    "date": ("date_published", lambda r: r | {"date_published": "2023-02-30T00:00:00Z"}),
    "not text": ("headline", lambda r: changed(r, headline="例\u200b题")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_parser_of_ours_gives_is_refused(name: str) -> None:
    field, change = REFUSED[name]
    with pytest.raises(NotWritable) as caught:
        document_of(change(RECORD))
    assert caught.value.field == field


def test_a_document_is_the_feeds_own() -> None:
    """What a feed's markup holds needs no front matter."""
    assert write_document(document_of(RECORD)) == (
        "<!--1699359302000-->\n"
        f"[例题]({ADDRESS})\n"
        "------\n\n"
        '<div>07/11/2023 - 12:35</div><img src="https://s.rfi.fr/media/display/a/w:310/a.jpg">'
        '<p><strong>导语。</strong></p><div class="t-content__body"><p>第一段。</p><p>第二段。</p></div>\n'
    )


def test_all_that_a_feed_can_hold_needs_no_front_matter() -> None:
    figure = (
        '<figure><img src="https://s.rfi.fr/media/display/b/b.jpg" width="310" height="200"><figcaption>'
        '<span class="m-figure__caption__legend">图说 &lt;一&gt;</span> '
        '<span class="m-figure__caption__credits">法新社</span></figcaption></figure>'
    )
    record = read(
        "<div>07/11/2023 - 12:35</div><p><strong>导语&amp;“引”。</strong></p>"
        f'<div class="t-content__main-media">{figure.replace("/b", "/a")}</div>'
        '<div class="m-em-audio"><script data-media-id type="application/json">{"sources":[{"url":'
        '"https://a.example/a.mp3"}],"diffusion":{"title":"<甲>"},"duration":65}</script></div>'
        '<div class="m-em-video"><div class="m-em-video__title">乙</div>'
        '<youtube-player source="https://youtu.be/Rw8xQm2LkTc"></youtube-player></div>'
        f'<div><p>一</p>{figure}<p>二</p><p class="t-copyright">© 2023 AFP</p></div>'
        '<div><span>作者：</span><a href="/cn/作者/罗拉/">罗拉</a>、<a href="/cn/作者/安 娜/">安 娜</a></div>',
        "例题 - 要闻解说",
    )
    assert (record["column"], record["authors"]) == ("要闻解说", ["罗拉", "安 娜"])
    assert [image["credit"] for image in record["images"]] == ["法新社", "法新社"]
    assert [each["duration"] for each in record["audios"]] == [65]
    assert (record["videos"][0]["name"], record["copyright_notice"]) == ("乙", "© 2023 AFP")
    assert comes_back(record).said == ""


def test_front_matter_is_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    words = [plain(text) for text in NASTY] + ["a: b", "# c", "{d}", "tab", "é", "\U0001f600"]
    record = RECORD | {"keywords": words, "date_modified": FEED_DATE}
    front = write_document(document_of(record)).split("---\n")[1]
    expected = {"rfinews": {"keywords": words, "date_modified": FEED_DATE}}
    assert yaml.safe_load(front) == expected


# ------------------------------------------------------------------------ front matter of others

FORGED = {
    "no JSON": ("{", "no JSON"),
    "a list": ("[]", "object"),
    "a field that is none": ('{"admin":true}', "admin"),
    "identity": ('{"id":"00000000000000000000000000000000"}', "id"),
    "another address": ('{"canonical_url":"https://www.rfi.fr/cn/a"}', "canonical_url"),
    "markup": ('{"article_body_html":"<script>alert(1)</script>"}', "article_body_html"),
    "another text": ('{"article_body":"伪造。"}', "article_body"),
    "another title": ('{"headline":"伪造"}', "headline"),
    "a column from nowhere": ('{"column":"伪造"}', "headline"),
    "an address elsewhere": ('{"url":"https://evil.example/"}', "url"),
    "a script's address": ('{"images":[{"url":"javascript:alert(1)","caption":null,"credit":null,"width":null,"height":null}]}', "images.0.url"),
    "a placeholder": ('{"images":[{"url":"https://static.rfi.fr/meta_og_twcards/RFI_FB.png","caption":null,"credit":null,"width":null,"height":null}]}', "images"),
    "half a picture": ('{"images":[{"url":"https://a.example/a.jpg"}]}', "images.0"),
    "a player's address": ('{"videos":[{"url":"https://evil.example/ a","name":null,"duration":null}]}', "videos.0.url"),
    "an author's page": ('{"authors":["https://www.facebook.com/RFI"]}', "authors"),
    "lines in a name": ('{"keywords":["a\\nb"]}', "keywords.0"),
    "a translation elsewhere": ('{"alternates":[{"in_language":"fr","url":"https://evil.example/"}]}', "alternates"),
    "a day that is none": ('{"date_published":"2023-02-30T00:00:00Z"}', "date_published"),
    "tomorrow": ('{"feed_date":"2099-01-01T00:00:00Z"}', "feed_date"),
    "a kind of change": ('{"change":"new"}', "change"),
    "a text that is retracted": ('{"change":"retracted","keywords":["a"]}', "keywords"),
    "a number": ('{"schema_version":2}', "schema_version"),
    "depth": ("[" * 100_000, "no JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_front_matter_is_not_believed(name: str) -> None:
    said, reason = FORGED[name]
    plain_document = document_of(RECORD)
    text = write_document(plain_document)
    article = read_article(read_document(f"---\nrfinews: {said}\n---\n{text}"))
    assert article.note is not None
    assert reason in article.note
    assert "\n" not in article.note
    assert article.change in ("new", "retracted")
    assert finished(article)["id"] == RECORD["id"]
    if article.change == "new":
        assert finished(article) == finished(read_article(plain_document))


@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: x\nrfinews: {}\n---\n",
        "---\r\nrfinews: {}\r\n---\r\n",
        '---\nrfinews:\t{"keywords":[]}\n---\n\n',
    ],
)
def test_spellings_of_front_matter(front: str) -> None:
    document = read_document(front + write_document(document_of(RECORD)))
    assert document.said.startswith("{")
    assert without(finished(read_article(document)), OF_THE_ORDER) == without(RECORD, OF_THE_ORDER)


@pytest.mark.parametrize(
    "front",
    [
        'rfinews: {"keywords":["a"]}\n',
        '---\nrfinews_: {"keywords":["a"]}\n---\n',
        '---\n  rfinews: {"keywords":["a"]}\n---\n',
        '---\n---\nrfinews: {"keywords":["a"]}\n',
        '\n---\nrfinews: {"keywords":["a"]}\n---\n',
    ],
)
def test_what_is_no_front_matter_of_ours(front: str) -> None:
    text = write_document(document_of(RECORD))
    assert read_document(front + text) == read_document(text)


@given(
    st.text(max_size=60) | st.recursive(st.none() | st.text(max_size=3), st.lists).map(json.dumps)
)
def test_no_front_matter_raises_anything_else(text: str) -> None:
    said: object = {}
    with suppress(NotCredible):
        said = read_said(text)
    assert isinstance(said, dict)


# -------------------------------------------------------------------------------- real crawls and back


@pytest.fixture
def again(crawl: Callable[..., Crawl], tmp_path: Path) -> Callable[[Path], Crawl]:
    """Crawl an archive with a data directory of its own."""
    runs = 0

    def run(folder: Path, data_dir: Path | None = None) -> Crawl:
        nonlocal runs
        runs += 1
        target = data_dir or tmp_path / f"again-{runs}"
        done = crawl("archive", {"path": folder}, data_dir=target)
        assert done.status == 0, done.stderr
        return done

    return run


def test_every_record_of_the_mirror_comes_back(
    crawl: Callable[..., Crawl], again: Callable[..., Crawl], mirror: MirrorServer, tmp_path: Path
) -> None:
    first = crawl("feedx", {"follow": 1}, mirror=mirror)
    assert len(first.records) > 50
    said = exported(first.data_dir, "--to", tmp_path / "archive")
    assert said == (
        f"{len(first.records)} documents written, 0 replaced, 0 unchanged; 0 lines refused\n"
    )
    second = again(tmp_path / "archive")
    assert_same(first.records, second.records)
    assert again(tmp_path / "archive", second.data_dir).records == []
    # and what was read from there is written the same, if its date is not that of the crawl
    exported(second.data_dir / "articles", "--to", tmp_path / "once-more")
    once, twice = documents(tmp_path / "archive"), documents(tmp_path / "once-more")
    undated = {document_path(record) for record in first.records if not record["feed_date"]}
    assert len(undated) < 5
    assert once.keys() - undated == twice.keys() - undated
    assert {name for name in once if twice.get(name) != once[name]} <= undated


@pytest.fixture
def editions(serve: Callable[..., MirrorServer]) -> MirrorServer:
    """The pages of every edition, each in its edition's feed."""
    pages: dict[str, bytes] = {}
    feeds: dict[str, list[str]] = {code: [] for code in EDITIONS}
    for path in sorted((PROJECT / "fixtures" / "pages").glob("*/*.json")):
        url = json.loads(path.read_text(encoding="utf-8"))["url"]
        pages[url.split("://")[1]] = path.with_suffix(".html").read_bytes()
        feeds[path.parent.name].append(url)
    for code, urls in feeds.items():
        items = "".join(f"<item><title>x</title><link>{escape(url)}</link></item>" for url in urls)
        feed = f'<?xml version="1.0"?><rss version="2.0"><channel>{items}</channel></rss>'
        pages[EDITIONS[code].feed.split("://")[1]] = feed.encode()
    return serve(pages)


def test_every_edition_comes_back(
    crawl: Callable[..., Crawl], again: Callable[..., Crawl], editions: MirrorServer, tmp_path: Path
) -> None:
    settings_ = {"RFINEWS_COMPRESS": "gz"}
    first = crawl("rfi", {"edition": "all", "via": "rss"}, settings_, mirror=editions)
    assert {record["edition"] for record in first.records} == set(EDITIONS)
    assert any(file.name.endswith(".jsonl.gz") for file in first.files)
    exported(first.data_dir, "--to", tmp_path / "archive")
    assert_same(first.records, again(tmp_path / "archive").records)


@pytest.fixture(scope="module")
def texts(samples: Path) -> list[str]:
    """The documents of ../shared/samples."""
    found = []
    for path in sorted(samples.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as rows:
            found += [json.loads(row)["text"] for row in rows]
    for path in [samples / "seed.md", *sorted((samples / "archive-2021-2024").iterdir())]:
        found.append(path.read_text(encoding="utf-8"))
    return found


def test_real_documents_come_back_without_front_matter(texts: list[str]) -> None:
    """Every third of them."""
    assert len(texts) > 6000
    for text in texts[::3]:
        assert comes_back(finished(read_article(read_document(text)))).said == ""


def test_real_documents_come_back_through_the_commands(
    texts: list[str], again: Callable[..., Crawl], tmp_path: Path
) -> None:
    """Every fortieth of them."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for number, text in enumerate(texts[::40]):
        (folder / f"{number}.md").write_text(text, encoding="utf-8")
    first = again(folder)
    exported(first.data_dir, "--to", tmp_path / "archive")
    second = again(tmp_path / "archive")
    assert len(second.records) > 150
    assert_same(first.records, second.records)


# ------------------------------------------------------------------------------------- revisions


def history() -> list[Record]:
    """What four crawls and more make of one article: feed, its page, gone, back."""
    article = changed(RECORD, source="feedx", feed_url="https://feedx.net/rss/rfi.xml")
    page = article | {"source": "rfi", "date_modified": "2023-11-07T13:00:00Z", "keywords": ["甲"]}
    gone = as_record(Article())
    gone |= {name: article[name] for name in ("id", "canonical_url", "edition", "in_language")}
    gone |= {"url": article["canonical_url"], "section": "国际", "source": "rfi"}
    found = [
        article,
        changed(page, description="导语，改过。"),  # the page, later; the feed's date is the same
        changed(page, feed_date=None, description="导语，又改过。"),  # the page, from a sitemap
        changed(gone, change="retracted"),
        changed(page, headline="例题回来了"),
    ]
    for number, record in enumerate(found, start=1):
        record["revision"] = number
        record["change"] = record["change"] if record["change"] == "retracted" else "update"
        record["crawled_at"] = f"2023-11-1{number}T08:00:00Z"
        record["crawl_id"] = f"rfi-2023111{number}T080000Z-1"
    found[0]["change"] = "new"
    return found


def test_a_feed_whose_clock_is_ahead() -> None:
    """The revisions of one address have dates that grow, however the feed dates them."""
    records = history()[:2]
    for record in records:
        record["feed_date"] = "2024-01-01T00:00:00Z"
    found = [document_of(record).feed_date for record in records]
    assert found == ["2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z"]


def dated(records: list[Record]) -> list[Record]:
    """As they come back: a later revision without a newer feed date has the time of its crawl."""
    return [
        record if number == 0 else record | {"feed_date": record["crawled_at"]}
        for number, record in enumerate(records)
    ]


def test_all_revisions_come_back(again: Callable[..., Crawl], tmp_path: Path) -> None:
    records = history()
    lines = store(tmp_path / "articles" / "rfi-20231111T080000Z-1.jsonl", records)
    exported(lines, "--to", tmp_path / "archive")
    names = sorted(documents(tmp_path / "archive"))
    assert [name.rpartition("/")[0] for name in names] == ["cn/2023/11"] * 5
    first = again(tmp_path / "archive")
    assert_same(dated(records), first.records)
    # read again, an archive has no news: not the texts from before the retraction, nor itself
    second = again(tmp_path / "archive", first.data_dir)
    assert second.records == []
    assert {row["outcome"] for row in second.outcomes} == {"unchanged"}
    exported(first.data_dir, "--to", tmp_path / "once-more")
    assert_same(first.records, again(tmp_path / "once-more").records)


def test_an_archive_that_grows_by_revisions(again: Callable[..., Crawl], tmp_path: Path) -> None:
    records = history()
    for numbers in ([1, 2], [3, 4], [5]):
        store(tmp_path / "lines.jsonl", records[: numbers[-1]])
        exported(tmp_path / "lines.jsonl", "--to", tmp_path / "archive")
        done = again(tmp_path / "archive", tmp_path / "data")
        assert [record["revision"] for record in done.records] == numbers
    every = [
        json.loads(line)
        for path in (tmp_path / "data" / "articles").glob("*.jsonl")
        if not path.name.endswith(".outcomes.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert_same(dated(records), every)


def test_only_an_archive_s_article_is_retracted_by_one(
    crawl: Callable[..., Crawl], again: Callable[..., Crawl], mirror: MirrorServer, tmp_path: Path
) -> None:
    """Whoever can write a document cannot take an article back that was seen on the site."""
    live = crawl("feedx", mirror=mirror)
    forged = [
        f'---\nrfinews: {{"change":"retracted"}}\n---\n<!--4000000000000-->\n[]({url})\n------\n'
        for url in {record["canonical_url"] for record in live.records}
    ]
    (tmp_path / "forged").mkdir()
    for number, text in enumerate(forged):
        (tmp_path / "forged" / f"{number}.md").write_text(text, encoding="utf-8")
    done = again(tmp_path / "forged", live.data_dir)
    assert done.records == []
    assert {row["outcome"] for row in done.outcomes} == {"unchanged"}
    assert again(tmp_path / "forged").records == []  # and of nothing, nothing can be retracted


def test_what_is_not_believed_is_told(again: Callable[..., Crawl], tmp_path: Path) -> None:
    text = write_document(document_of(RECORD))
    (tmp_path / "archive").mkdir()
    forged = f'---\nrfinews: {{"headline":"伪造"}}\n---\n{text}'
    (tmp_path / "archive" / "a.md").write_text(forged, encoding="utf-8")
    done = again(tmp_path / "archive")
    (record,) = done.records
    assert record["headline"] == "例题"
    (row,) = done.outcomes
    assert row["outcome"] == "exported"
    assert row["detail"].startswith("without its front matter: headline: ")


# -------------------------------------------------------------------------------------- the command


def test_its_name_is_what_users_type() -> None:
    command = [sys.executable, "-m", "scrapy", "-h"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert "  export-archive Write records as a Markdown archive\n" in listed
    done = export("-h")
    assert done.returncode == 0
    assert "--to DIRECTORY" in done.stdout


def wrong(tmp_path: Path) -> dict[str, tuple[list[object], str]]:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    lines = store(tmp_path / "a.jsonl", [RECORD])
    target = ["--to", tmp_path / "archive"]
    return {
        "nothing": ([], "say where to write: --to DIRECTORY"),
        "no target": ([lines], "say where to write: --to DIRECTORY"),
        "an empty target": ([lines, "--to", ""], "say where to write: --to DIRECTORY"),
        "no input": (target, "give files of records or data directories, each once"),
        "twice": ([lines, lines, *target], "give files of records or data directories, each once"),
        "missing": (["x.jsonl", *target], "no such file or directory: x.jsonl"),
        "other file": (
            [tmp_path / "notes.txt", *target],
            f"no file of records (.jsonl or .jsonl.gz): {tmp_path / 'notes.txt'}",
        ),
        "other directory": (
            [tmp_path / "empty", *target],
            f"neither articles/ nor JSON Lines files in {tmp_path / 'empty'}",
        ),
        "a file as target": ([lines, "--to", lines], f"no directory: {lines}"),
        "an option": ([lines, "--force", *target], "unknown option --force"),
    }


def test_wrong_usage(tmp_path: Path) -> None:
    """One line, exit status 2, and nothing is written."""
    cases = wrong(tmp_path)
    before = files_in(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        every = pool.map(lambda case: (case[1], export(*case[0])), cases.values())
    for reason, done in every:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"scrapy export-archive: {reason}\n"
    assert files_in(tmp_path) == before


def other(number: int, **values: Any) -> Record:
    """Another article with its own address."""
    record = read("<div>07/11/2023 - 12:35</div><p>段落。</p>", address=f"{ADDRESS}-{number}")
    return changed(record, **values) if values else record


def test_bad_lines_are_told_and_all_others_exported(tmp_path: Path) -> None:
    good = [other(number) for number in range(3)]
    bad = [
        (b"{\n", "line: "),
        (b"\xff\n", "line: "),
        (b"\n", "line: "),
        (json.dumps(good[0] | {"headline": 1}).encode() + b"\n", "headline: "),
        (json.dumps(good[0] | {"id": "0" * 32}).encode() + b"\n", "id: "),
        (json.dumps(good[0] | {"section": "法国"}).encode() + b"\n", "section: "),
        (json.dumps(changed(good[0], article_body="别的\n")).encode() + b"\n", "article_body: "),
        (b'"' + b"x" * (33 << 20) + b'"\n', "line: "),
        (json.dumps(good[0]).encode()[:100], "line: "),  # torn
    ]
    lines = [json.dumps(record).encode() + b"\n" for record in good]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join([*lines, *(line for line, _ in bad)]))
    done = export(path, "--to", tmp_path / "archive")
    assert done.returncode == 1
    assert done.stdout == "3 documents written, 0 replaced, 0 unchanged; 9 lines refused\n"
    told = done.stderr.splitlines()
    assert len(told) == len(bad)
    for number, (line, (_, field)) in enumerate(zip(told, bad, strict=True), start=4):
        assert line.startswith(f"scrapy export-archive: {path}: line {number}: {field}"), line
    assert len(documents(tmp_path / "archive")) == 3
    assert files_in(tmp_path) - files_in(tmp_path / "archive") == {path}


def test_a_file_that_is_not_whole(tmp_path: Path) -> None:
    records = [other(number, headline=os.urandom(400).hex()) for number in range(40)]
    whole = gzip.compress(store(tmp_path / "x.jsonl", records[:20]).read_bytes())
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b.jsonl.gz").write_bytes(b"no gzip at all\n")
    store(tmp_path / "c.jsonl", records[20:])
    names = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz", "c.jsonl")]
    done = export(*names, "--to", tmp_path / "archive")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith(f"scrapy export-archive: {names[0]}: it is not whole: ")
    assert second.startswith(f"scrapy export-archive: {names[1]}: it is not whole: ")
    written = {Path(name).name.split("-")[1] for name in documents(tmp_path / "archive")}
    assert {record["id"] for record in records[20:]} <= written
    assert 20 < len(written) < 40


def test_standard_input_and_every_kind_of_path(tmp_path: Path) -> None:
    records = [other(number) for number in range(6)]
    articles_ = tmp_path / "data" / "articles"
    stdin = store(tmp_path / "stdin", records[:1]).read_bytes()
    store(articles_ / "feedx-20231107T120000Z-1.jsonl", records[1:2])
    store(articles_ / "feedx-20231107T120000Z-1.00002.jsonl", records[2:3])
    store(articles_ / "feedx-20231107T120000Z-1.outcomes.jsonl", [{"url": "x"}])
    store(articles_ / "feedx-20231107T130000Z-1.jsonl.part", [{"torn": 1}])
    (articles_ / "feedx-20231107T120000Z-1.manifest.json").write_text("{}")
    gz = tmp_path / "data" / "articles" / "feedx-20231107T140000Z-1.jsonl.gz"
    gz.write_bytes(gzip.compress(store(tmp_path / "y", records[3:4]).read_bytes()))
    plain_file = store(tmp_path / "mine.jsonl", records[4:5])
    loose = store(tmp_path / "loose" / "mine.jsonl", records[5:]).parent
    done = export("-", tmp_path / "data", plain_file, loose, "--to", tmp_path / "1", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(documents(tmp_path / "1")) == {document_path(record) for record in records}
    exported(articles_, "--to", tmp_path / "2")
    assert set(documents(tmp_path / "2")) == {document_path(record) for record in records[1:4]}


def state(path: Path) -> tuple[int, int]:
    """What changes when a file is written."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def test_written_again_nothing_is_touched(tmp_path: Path) -> None:
    lines = store(tmp_path / "a.jsonl", [other(number) for number in range(20)])
    archive = tmp_path / "deep" / "archive"
    exported(lines, "--to", archive)
    before = {path: state(path) for path in files_in(archive)}
    said = exported(lines, "--to", archive)
    assert said == "0 documents written, 0 replaced, 20 unchanged; 0 lines refused\n"
    assert {path: state(path) for path in files_in(archive)} == before
    exported(lines, "--to", tmp_path / "other")
    assert documents(tmp_path / "other") == documents(archive)
    spoilt, missing, *_ = sorted(before)
    spoilt.write_bytes(b"")
    missing.unlink()
    said = exported(lines, "--to", archive)
    assert said == "1 document written, 1 replaced, 18 unchanged; 0 lines refused\n"
    assert documents(tmp_path / "other") == documents(archive)


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """No document is torn, and the next export completes the archive."""
    body = "".join(f"<p>第{number}段，{'字' * 60}。</p>" for number in range(60))
    lines = store(tmp_path / "a.jsonl", [other(0)] * 0)
    with lines.open("w", encoding="utf-8") as file:
        for number in range(400):
            record = read(f"<div>07/11/2023 - 12:35</div>{body}", address=f"{ADDRESS}-{number}")
            file.write(json.dumps(record) + "\n")
    whole = tmp_path / "whole"
    exported(lines, "--to", whole)
    target = tmp_path / "killed"
    for at_least in (1, 150):
        process = subprocess.Popen(
            [sys.executable, "-m", "scrapy", "export-archive", lines, "--to", target],
            cwd=PROJECT,
            env=crawl_environment(tmp_path, mirrored=False),
            stdout=subprocess.DEVNULL,
        )
        until(lambda least=at_least: len(list(target.rglob("*.md"))) >= least)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        left = documents(target)
        left.pop("export-archive.part", None)
        assert at_least <= len(left) < 400
        assert left.items() <= documents(whole).items()
    exported(lines, "--to", target)
    assert documents(target) == documents(whole)


def test_one_export_at_a_time(tmp_path: Path) -> None:
    lines = store(tmp_path / "a.jsonl", [RECORD])
    target = tmp_path / "archive"
    first = subprocess.Popen(
        [sys.executable, "-m", "scrapy", "export-archive", "-", "--to", target],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=False),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert first.stdin is not None
    first.stdin.write(lines.read_bytes())
    first.stdin.flush()
    until(lambda: list(target.rglob("*.md")))
    done = export(lines, "--to", target)
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert done.returncode == 1
    assert "another export is writing there" in done.stderr


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    lines = store(tmp_path / "a.jsonl", [RECORD])
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "cn").touch()
    done = export(lines, "--to", tmp_path / "archive")
    assert done.returncode == 1
    assert done.stdout == "0 documents written, 0 replaced, 0 unchanged; 0 lines refused\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"scrapy export-archive: cannot write {tmp_path / 'archive'}")
    assert line.endswith(": Not a directory")


def test_a_document_that_cannot_be_written_whole(tmp_path: Path) -> None:
    """Nothing of it is left, and all before it is there."""
    long = read(f"<div>07/11/2023 - 12:35</div><p>{'字' * 20_000}</p>")
    lines = store(tmp_path / "a.jsonl", [other(1), long, other(2)])
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", "export-archive", lines, "--to", tmp_path / "archive"],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=False),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert done.returncode == 1
    assert done.stdout == "1 document written, 0 replaced, 0 unchanged; 0 lines refused\n"
    (line,) = done.stderr.splitlines()
    assert line == f"scrapy export-archive: cannot write {tmp_path / 'archive'}: File too large"
    assert set(documents(tmp_path / "archive")) == {document_path(other(1))}


def lines_of(number: int, paragraphs: int) -> Iterator[bytes]:
    body = "".join(f"<p>{'字' * 80}{part}</p>" for part in range(paragraphs))
    record = read(f"<div>07/11/2023 - 12:35</div>{body}")
    line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
    return (line for _ in range(number))


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    peaks = []
    for number in (10, 1000):
        (tmp_path / "a.jsonl").write_bytes(b"".join(lines_of(number, 100)))
        note = tmp_path / "note"
        command = [sys.executable, "-m", "scrapy", "export-archive", tmp_path / "a.jsonl"]
        subprocess.run(
            [sys.executable, "-c", MEASURED, note, *command, "--to", tmp_path / "archive"],
            cwd=PROJECT,
            env=crawl_environment(tmp_path, mirrored=False),
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )
        status, peak = map(int, note.read_text().split())
        assert status == 0
        peaks.append(peak / 1024)
    assert (tmp_path / "a.jsonl").stat().st_size > 45 << 20
    assert peaks[1] - peaks[0] < 20


def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    lines = store(tmp_path / "a.jsonl", [other(number) for number in range(400)])
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "scrapy", "export-archive", lines, "--to", tmp_path / "archive"],
        cwd=PROJECT,
        env=crawl_environment(tmp_path, mirrored=False),
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
    )
    os.close(writing)
    seen = b""
    with suppress(OSError):  # so Linux tells that the other end is closed
        while chunk := os.read(reading, 4096):
            seen += chunk
    os.close(reading)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stdout == "400 documents written, 0 replaced, 0 unchanged; 0 lines refused\n"
    shown = re.findall(r"(\d+)%\|[^|]*\| [\d.]+k?/(\d+)k \[", seen.decode())
    assert {total for _, total in shown} == {str(round(lines.stat().st_size / 1000))}
    assert seen.endswith(b"\r")  # and is gone in the end


def test_names_fit_any_file_system(tmp_path: Path) -> None:
    names = [document_path(record) for record in [RECORD, *history()]]
    assert all(re.fullmatch(r"[a-z]{2}/\d{4}/\d\d/\d{8}-[0-9a-f]{32}-\d+\.md", n) for n in names)
    assert Counter(name[-5:] for name in names[1:]) == Counter(f"-{n}.md" for n in range(1, 6))
