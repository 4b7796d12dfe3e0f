"""Hostile and broken input, each kind in a real crawl: what is good is delivered, the rest counted.

Every case ends in the same way (`assert_accounted`): the exit status, one line in the log for each
fault and no traceback, an outcome for every address, less than 500 MB of memory, and no host asked
but those that the case is about.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fixtures.server import MirrorServer, Page
from rfinews.verify import Verification
from tests.conftest import PROJECT, Crawl, crawl_environment, files_in, read_lines

Serve = Callable[..., MirrorServer]
RunCrawl = Callable[..., Crawl]

FEED = "https://feedx.net/rss/rfi.xml"
FEED_AT = "feedx.net/rss/rfi.xml"
XML = '<?xml version="1.0" encoding="UTF-8"?>'
DATE = "Tue, 07 Nov 2023 12:15:02 +0000"


# ------------------------------------------------------------------------------- what is served


def link(name: str) -> str:
    """The address of an article."""
    return f"https://www.rfi.fr/cn/国际/20231107-{name}"


def at(name: str) -> str:
    """Where the server keeps the page of an article."""
    return link(name).removeprefix("https://")


def body(name: str) -> str:
    """The text of an article in the feed."""
    return f"松河{name}的桥昨天重新开放。"


def payload(name: str) -> str:
    return f"<div>07/11/2023 - 12:35</div><div><p>{body(name)}</p></div>"


def entry(name: str, **parts: str | None) -> str:
    """A feed entry; `parts` are ``title``, ``link``, ``pubDate`` and ``description``.

    ``None`` leaves one out.
    """
    whole = {"title": f"标题{name}", "link": link(name), "pubDate": DATE}
    whole |= {"description": payload(name), **parts}
    elements = (f"<{tag}>{escape(text)}</{tag}>" for tag, text in whole.items() if text is not None)
    return f"<item>{''.join(elements)}</item>"


def feed(*entries: str, head: str = XML) -> str:
    return f'{head}<rss version="2.0"><channel><title>RFI</title>{"".join(entries)}</channel></rss>'


def article_page(name: str) -> str:
    """An article page whose text is not the feed's."""
    return (
        "<!DOCTYPE html><html><head><title>x - RFI</title></head><body><article>"
        f'<h1 class="t-content__title">页面{name}</h1>'
        f'<div class="t-content__body"><p>灯塔{name}整夜亮着。</p></div></article></body></html>'
    )


# ----------------------------------------------------------------------------- what is asserted

LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[[\w.]+\] (\w+): (.*)")


def faults(crawl: Crawl) -> list[str]:
    """What the log says above INFO, without time and logger."""
    lines = filter(None, map(LOGGED.fullmatch, crawl.stderr.splitlines()))
    return [line[2] for line in lines if line[1] not in ("DEBUG", "INFO")]


def hosts(server: MirrorServer) -> set[str]:
    """The hosts that were asked for anything."""
    return {request.address.partition("/")[0] for request in server.requests}


def outcomes(crawl: Crawl) -> dict[str, tuple[str, str | None]]:
    """Outcome and detail of every address."""
    return {line["url"]: (line["outcome"], line["detail"]) for line in crawl.outcomes}


def left(crawl: Crawl) -> set[str]:
    """The kinds of the files that it added to its articles."""
    folder = crawl.data_dir / "articles"
    return {file.name.partition(".")[2] for file in crawl.files if file.parent == folder}


def bodies(crawl: Crawl) -> list[str]:
    return sorted(record["article_body"] for record in crawl.records)


def assert_accounted(
    crawl: Crawl,
    server: MirrorServer | None = None,
    *,
    asked: set[str] | frozenset[str] = frozenset({"feedx.net"}),
    log: list[str],
    status: int = 0,
    reason: str = "finished",
) -> None:
    """Every promise that holds for every crawl, and `log`: all it says above INFO, in any order."""
    assert "Traceback" not in crawl.stderr, crawl.stderr
    assert sorted(faults(crawl)) == sorted(log)
    assert crawl.status == status
    assert crawl.manifest is not None
    assert crawl.manifest["finish_reason"] == reason
    addresses = [line["url"] for line in crawl.outcomes]
    assert len(addresses) == len(set(addresses))
    assert Counter(line["outcome"] for line in crawl.outcomes) == crawl.manifest["outcomes"]
    assert crawl.manifest["outcomes"].get("exported", 0) == len(crawl.records)
    assert not [file for file in crawl.files if file.name.endswith(".part")]
    assert crawl.peak_rss_mb < 500
    if server:
        assert hosts(server) == asked


# ------------------------------------------------------------------------------------ the feed

THREE = feed(entry("一"), entry("二"), entry("三"))
FRENCH = {
    "title": "L’été à Angoulême",
    "link": "https://www.rfi.fr/fr/france/20231107-été",
    "description": "<p>Déjà l’été : « ça chauffe », dit-on là-bas.</p>",
}
TRUNCATED = "truncated: ends in the middle; an entry that is incomplete is left out"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))

# What the feed's address answers, texts of the articles that must come of it, the line in the log.
BROKEN_FEEDS: dict[str, tuple[bytes, list[str], str | None]] = {
    "truncated": (
        THREE.encode()[:-150],
        [body("一"), body("二")],
        f"line 1: no element found; mended from there on; {TRUNCATED}",
    ),
    "control characters": (
        THREE.replace("松河二", "松\x00河\x0b二\x1b").encode(),
        [body("一"), body("二"), body("三")],
        "line 1: not well-formed (invalid token); mended from there on",
    ),
    "undefined entities": (
        THREE.replace("松河二", "&rsquo;松河二&eacute;").encode(),
        [body("一"), "’松河二é的桥昨天重新开放。", body("三")],
        "line 1: undefined entity; mended from there on",
    ),
    "byte order mark and leading blank lines": (
        f"\ufeff\n\r\n \n{THREE}".encode(),
        [body("一"), body("二"), body("三")],
        None,
    ),
    "GB18030, declared": (
        THREE.replace("UTF-8", "GB18030").encode("gb18030"),
        [body("一"), body("二"), body("三")],
        None,
    ),
    "GB18030, undeclared": (
        THREE.replace(XML, "").encode("gb18030"),
        [body("一"), body("二"), body("三")],
        "declares nothing as its charset, read as gb18030",
    ),
    "windows-1252, declared": (
        feed(entry("x", **FRENCH)).replace("UTF-8", "windows-1252").encode("cp1252"),
        ["Déjà l’été : « ça chauffe », dit-on là-bas."],
        None,
    ),
    "windows-1252, undeclared": (
        feed(entry("x", **FRENCH), head="").encode("cp1252"),
        ["Déjà l’été : « ça chauffe », dit-on là-bas."],
        "declares nothing as its charset, read as cp1252",
    ),
    "billion laughs": (
        THREE.replace(XML, f'{XML}<!DOCTYPE rss [<!ENTITY l0 "ha">{LAUGHS}]>')
        .replace("松河二", "松河二&l11;")
        .encode(),
        [body("一"), "松河二&l11;的桥昨天重新开放。", body("三")],
        "declares entities: ignored; line 1: undefined entity; mended from there on",
    ),
    "external entity": (
        THREE.replace(
            XML,
            f'{XML}<!DOCTYPE rss SYSTEM "http://evil.example/dtd" [<!ENTITY f SYSTEM "file:///etc/'
            'passwd"><!ENTITY h SYSTEM "http://evil.example/x">]>',
        )
        .replace("松河二", "松河二&f;&h;")
        .encode(),
        [body("一"), "松河二&f;&h;的桥昨天重新开放。", body("三")],
        "declares entities: ignored; line 1: undefined entity; mended from there on",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_FEEDS)
def test_broken_feed(crawl: RunCrawl, serve: Serve, kind: str) -> None:
    content, expected, fault = BROKEN_FEEDS[kind]
    server = serve({FEED_AT: content})
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_accounted(done, server, log=[f"Feed {FEED}: {fault}"] if fault else [])
    assert bodies(done) == sorted(expected)


def test_feed_whose_connection_is_cut(crawl: RunCrawl, serve: Serve) -> None:
    """Tried again, and then taken for what there is of it."""
    server = serve({FEED_AT: THREE.encode()})
    server.add_route(
        FEED_AT,
        {"cut_after": len(THREE.encode()) - 150, "headers": {"Content-Encoding": "identity"}},
    )
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    fault = BROKEN_FEEDS["truncated"][2]
    assert_accounted(done, server, log=[f"Feed {FEED}: {fault}"])
    assert bodies(done) == sorted([body("一"), body("二")])
    assert [request.address for request in server.requests].count(FEED_AT) == 4


def test_feed_after_retries(crawl: RunCrawl, serve: Serve) -> None:
    server = serve({FEED_AT: THREE.encode()}, {FEED_AT: {"sequence": [500, {"drop": True}]}})
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_accounted(done, server, log=[])
    assert len(done.records) == 3


def test_feed_of_50_mb(crawl: RunCrawl, serve: Serve) -> None:
    """One long entry, the same short one again and again, and good ones around them."""
    before, after = feed(entry("一"), "…", entry("三")).split("…")
    long = entry("长", description="<p>一段话。</p>" * 200_000)
    again = entry("二", description=payload("二") * 100)
    times = (50 * 2**20 - len(long.encode())) // len(again.encode())
    server = serve(
        routes={
            FEED_AT: {
                "repeat": {"before": before + long, "text": again, "times": times, "after": after}
            }
        }
    )
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_accounted(done, server, log=[])
    assert set(outcomes(done)) == {link("一"), link("二"), link("三"), link("长")}
    assert f"Feed {FEED}: {times + 3} entries" in done.stderr
    assert len(done.records) == 4


# What an address answers that is no feed: page, route, outcome and detail.
NO_FEEDS: dict[str, tuple[bytes | None, dict[str, Any], str, str]] = {
    "empty": (b"", {}, "parse", "nothing in it"),
    "html": (article_page("x").encode(), {}, "parse", "an HTML page"),
    "404": (None, {"status": 404}, "http_404", "Not Found"),
    "500": (None, {"status": 500}, "http_500", "Internal Server Error"),
    "503": (None, {"status": 503}, "http_503", "Service Unavailable"),
    "drop": (None, {"drop": True}, "network", "connection failed: Connection was closed cleanly."),
    "bomb": (None, {"gzip_bomb_mb": 300}, "network", "larger than 67108864 bytes"),
    "70MB": (
        None,
        {"repeat": {"text": " ", "times": 70 * 2**20}},
        "network",
        "larger than 67108864 bytes",
    ),
    "elsewhere": (
        None,
        {"status": 302, "location": "http://127.0.0.1:1/rss"},
        "offsite",
        "private address: 127.0.0.1",
    ),
}


def no_feeds(serve: Serve) -> tuple[MirrorServer, dict[str, tuple[str, str]]]:
    """A server for `NO_FEEDS`; each feed's address with its outcome and detail."""
    server = serve({"feeds.example/good": THREE.encode()})
    expected = {}
    for name, (content, route, outcome, detail) in NO_FEEDS.items():
        if content is not None:
            server.add_page(f"feeds.example/{name}", content)
        server.add_route(f"feeds.example/{name}", route)
        expected[f"https://feeds.example/{name}"] = (outcome, detail)
    return server, expected


def told(expected: Mapping[str, tuple[str, str]]) -> list[str]:
    """The lines in the log for addresses that end so."""
    return [f"{address}: {outcome}, {detail}" for address, (outcome, detail) in expected.items()]


def test_first_feed_that_is_one_is_taken(crawl: RunCrawl, serve: Serve) -> None:
    server, expected = no_feeds(serve)
    addresses = ",".join([*expected, "https://feeds.example/good"])
    done = crawl("feedx", {"feed": addresses}, mirror=server)
    assert_accounted(done, server, asked={"feeds.example"}, log=told(expected))
    assert len(done.records) == 3
    assert {k: v for k, v in outcomes(done).items() if k in expected} == expected


def test_no_feed_at_all(crawl: RunCrawl, serve: Serve) -> None:
    server, expected = no_feeds(serve)
    done = crawl("feedx", {"feed": ",".join(expected)}, mirror=server)
    assert_accounted(
        done,
        server,
        asked={"feeds.example"},
        log=[
            *told(expected),
            f"No feed to be had: none of {len(expected)} addresses answered with one",
        ],
        status=1,
        reason="no_feed",
    )
    assert outcomes(done) == expected
    assert left(done) == {"outcomes.jsonl", "manifest.json"}


# --------------------------------------------------------------------------------- its entries

LONG_LINK = link("长" * 900)
# Links that lead to no article, with outcome and detail.
BAD_LINKS = {
    "http://127.0.0.1/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "http://10.1.2.3:8080/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "http://169.254.169.254/latest/meta-data": ("offsite", "not an RFI address"),
    "http://2130706433/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "http://[::1]/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "http://localhost/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "https://example.org/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "https://www.rfi.fr.evil.example/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "https://www.rfi.fr@evil.example/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "https://evilrfi.fr/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "https://www.rfi.fr:99999/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "https://[www.rfi.fr/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "file:///etc/passwd": ("offsite", "not an RFI address"),
    "javascript:alert(document.domain)": ("offsite", "not an RFI address"),
    "data:text/html,<p>x": ("offsite", "not an RFI address"),
    "ftp://www.rfi.fr/cn/国际/20231107-a": ("offsite", "not an RFI address"),
    "一句话，不是地址": ("offsite", "not an RFI address"),
    "https://www.rfi.fr/cn/": ("invalid", "no article's address"),
    "https://rfi.my/evil": ("offsite", "https://www.rfi.fr.evil.example/cn/20231107-a"),
    "https://rfi.my/user": ("offsite", "https://www.rfi.fr@evil.example/cn/20231107-a"),
    "https://rfi.my/home": ("offsite", "http://127.0.0.1/cn/20231107-a"),
    "https://rfi.my/file": ("offsite", "file:///etc/passwd"),
    "https://rfi.my/loop": ("parse", "a short link that leads nowhere"),
    "https://rfi.my/gone": ("http_410", "Gone"),
}
SHORT_LINKS: dict[str, dict[str, Any]] = {
    address.removeprefix("https://"): {"status": 302, "location": detail}
    for address, (_, detail) in BAD_LINKS.items()
    if address.startswith("https://rfi.my/")
} | {
    "rfi.my/loop": {"status": 302, "location": "https://rfi.my/loop"},
    "rfi.my/gone": {"status": 410},
}


def test_links_that_lead_to_no_article(crawl: RunCrawl, serve: Serve) -> None:
    entries = [entry(str(n), link=address) for n, address in enumerate(BAD_LINKS)]
    server = serve({FEED_AT: feed(entry("一"), *entries, entry("二")).encode()}, SHORT_LINKS)
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_accounted(done, server, asked={"feedx.net", "rfi.my"}, log=told(BAD_LINKS))
    good = {link("一"): ("exported", None), link("二"): ("exported", None)}
    assert outcomes(done) == BAD_LINKS | good


def test_link_with_control_characters_is_one_line(crawl: RunCrawl, serve: Serve) -> None:
    address = "https://evil.example/\x9b31m\n2023-11-07 12:00:00 [feedx] ERROR: forged"
    server = serve({FEED_AT: feed(entry("一", link=address)).encode()})
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    shown = "https://evil.example/ 31m 2023-11-07 12:00:00 [feedx] ERROR: forged"
    assert_accounted(done, server, log=[f"{shown}: offsite, not an RFI address"])
    assert outcomes(done) == {address: ("offsite", "not an RFI address")}


DEEP = "<div>" * 50_000 + "深"
POOR_ENTRIES = (
    entry("无链接", link=None),
    entry("无标题", title=None),
    entry("空标题", title=" "),
    entry("无日期", pubDate=None),
    entry("坏日期", pubDate="昨天"),
    entry("无正文", description=None),
    entry("空正文", description="<p> <br></p>"),
    entry("深", description=DEEP),
    "<item/>",
    entry("好"),
)


def test_poor_entries(crawl: RunCrawl, serve: Serve) -> None:
    server = serve({FEED_AT: feed(*POOR_ENTRIES).encode()})
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    expected = {
        f"{FEED}#1": ("invalid", "entry without a link"),
        f"{FEED}#9": ("invalid", "entry without a link"),
        link("无标题"): ("invalid", "no title"),
        link("空标题"): ("invalid", "no title"),
        link("无正文"): ("invalid", "no content"),
        link("空正文"): ("invalid", "no content"),
    }
    deep = outcomes(done).pop(link("深"))
    assert deep[0] == "invalid"
    assert "elements deep" in str(deep[1])
    expected[link("深")] = (deep[0], str(deep[1]))
    assert_accounted(done, server, log=told(expected))
    good = dict.fromkeys(map(link, ("无日期", "坏日期", "好")), ("exported", None))
    assert outcomes(done) == expected | good
    dates = {record["headline"]: record["feed_date"] for record in done.records}
    assert dates == {"标题无日期": None, "标题坏日期": None, "标题好": "2023-11-07T12:15:02Z"}
    assert {record["date_published"] for record in done.records} == {"2023-11-07T11:35:00Z"}


def test_poor_entries_are_completed_by_their_pages(crawl: RunCrawl, serve: Serve) -> None:
    names = ("无标题", "空标题", "无日期", "坏日期", "无正文", "空正文", "深", "好")
    server = serve(
        {FEED_AT: feed(*POOR_ENTRIES).encode()}
        | {at(name): article_page(name).encode() for name in names}
    )
    done = crawl("feedx", {"feed": FEED, "follow": 1}, mirror=server)
    expected = {f"{FEED}#{number}": ("invalid", "entry without a link") for number in (1, 9)}
    log = [*told(expected), f"{link('深')}: payload: more than 500 elements deep"]
    assert_accounted(done, server, asked={"feedx.net", "www.rfi.fr"}, log=log)
    assert {record["headline"] for record in done.records} == {f"页面{name}" for name in names}


# ----------------------------------------------------------------------------------- the pages

BIG_PAGE = "larger than 10485760 bytes"
NOT_FOUND = "http_404, Not Found"
# What the page of an article answers: page, route, and what the log says of it.
BROKEN_PAGES: dict[str, tuple[Page | bytes | None, dict[str, Any], str]] = {
    "300MB": (None, {"gzip_bomb_mb": 300}, f"network, {BIG_PAGE}"),
    "大": (None, {"repeat": {"text": "<p>x", "times": 3 * 2**20}}, f"network, {BIG_PAGE}"),
    "断": (
        None,
        {"cut_after": 99, "repeat": {"before": article_page("断"), "text": " ", "times": 999}},
        "network, connection cut in the middle of the response",
    ),
    "空": (b"", {}, "parse, no article on the page"),
    "白": (b" \r\n\t", {}, "parse, no article on the page"),
    "图": (Page(b"\x89PNG\r\n\x1a\n\0\0", "image/png"), {}, "parse, no article on the page"),
    "乱": (bytes(range(256)) * 40, {}, "parse, no article on the page"),
    "软": (b"<title>404</title><p>Page not found", {}, "parse, no article on the page"),
    "环": (
        None,
        {"status": 302, "location": "/cn/国际/20231107-环"},
        "network, max redirections reached",
    ),
    "家": (
        None,
        {"status": 302, "location": "http://127.0.0.1:1/cn/x"},
        "offsite, private address: 127.0.0.1",
    ),
    "数": (
        None,
        {"status": 301, "location": "//2130706433/"},
        "offsite, private address: 2130706433",
    ),
    "邻": (
        None,
        {"status": 302, "location": "https://www.rfi.fr.evil.example/cn/x"},
        "offsite, another host: www.rfi.fr.evil.example",
    ),
    "文": (None, {"status": 302, "location": "file:///etc/passwd"}, "http_302, Found"),
    "禁": (None, {"status": 403}, "http_403, Forbidden"),
    "没": (None, {"status": 404}, NOT_FOUND),
    "坏": (None, {"status": 500}, "http_500, Internal Server Error"),
}
# Pages that a browser would show, too.
ODD_PAGES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "国标": (article_page("国标").encode("gb18030"), {"charset": "utf-8"}),
    "乌": (article_page("乌").encode(), {"charset": "windows-1252"}),
    "无": (article_page("无").encode("gb18030"), {"charset": ""}),
    "迟": (article_page("迟").encode(), {"sequence": [500, {"drop": True}]}),
    "半": (article_page("半").partition("</article>")[0].encode(), {}),
}


def broken_pages(serve: Serve, feed_page: str) -> MirrorServer:
    server = serve({FEED_AT: feed_page.encode()})
    for name, (page, route, _) in BROKEN_PAGES.items():
        if page is not None:
            server.add_page(at(name), page)
        server.add_route(at(name), route)
    for name, (content, route) in ODD_PAGES.items():
        server.add_page(at(name), content)
        server.add_route(at(name), route)
    deep = {"before": "<!DOCTYPE html><article>", "text": "<div>", "times": 50_000}
    server.add_route(at("深"), {"repeat": deep})
    server.add_page(at("好"), article_page("好").encode())
    return server


def test_broken_pages_leave_the_feeds_articles(crawl: RunCrawl, serve: Serve) -> None:
    names = [*BROKEN_PAGES, "深", *ODD_PAGES, "好"]
    server = broken_pages(serve, feed(*map(entry, names)))
    done = crawl("feedx", {"feed": FEED, "follow": 1}, mirror=server)
    notes = {name: f"from the feed; page: {fault}" for name, (_, _, fault) in BROKEN_PAGES.items()}
    deep = str(outcomes(done)[link("深")][1])
    assert deep.startswith("from the feed; page: parse, ")
    assert "elements deep" in deep
    notes["深"] = deep
    assert_accounted(
        done,
        server,
        asked={"feedx.net", "www.rfi.fr"},
        log=[f"{link(name)}: {note}" for name, note in notes.items()],
    )
    assert outcomes(done) == {link(name): ("exported", notes.get(name)) for name in names}
    texts = {record["headline"]: record["article_body"] for record in done.records}
    assert texts == {f"标题{name}": body(name) for name in notes} | {
        f"页面{name}": f"灯塔{name}整夜亮着。" for name in (*ODD_PAGES, "好")
    }


def test_broken_pages_of_entries_without_payload(crawl: RunCrawl, serve: Serve) -> None:
    names = [*BROKEN_PAGES, *ODD_PAGES, "好"]
    server = broken_pages(serve, feed(*(entry(name, description=None) for name in names)))
    done = crawl("feedx", {"feed": FEED, "follow": 1}, mirror=server)
    assert_accounted(
        done,
        server,
        asked={"feedx.net", "www.rfi.fr"},
        log=[f"{link(name)}: {fault}" for name, (_, _, fault) in BROKEN_PAGES.items()],
    )
    expected = {name: fault.partition(", ")[0] for name, (_, _, fault) in BROKEN_PAGES.items()}
    assert {address: outcome for address, (outcome, _) in outcomes(done).items()} == {
        link(name): expected.get(name, "exported") for name in names
    }


def test_page_with_an_unreadable_byte(crawl: RunCrawl, serve: Serve) -> None:
    """It costs one character, not the text."""
    content = article_page("é").encode().replace("灯塔".encode(), "灯塔".encode() + b"\xff")
    server = serve({FEED_AT: feed(entry("é")).encode(), at("é"): content})
    done = crawl("feedx", {"feed": FEED, "follow": 1}, mirror=server)
    assert_accounted(done, server, asked={"feedx.net", "www.rfi.fr"}, log=[])
    assert bodies(done) == ["灯塔\ufffdé整夜亮着。"]


# -------------------------------------------------------------------------------------- markup

ALLOWED = {
    tag: set()
    for tag in (
        "p h2 h3 h4 ul ol li blockquote strong em b i u sub sup br hr a figure figcaption img "
        "table thead tbody tr th td"
    ).split()
} | {"a": {"href"}, "img": {"src", "alt", "width", "height"}}

# Each stands between two paragraphs; {} is text that a reader would see.
ATTACKS = (
    "<script>alert(1)</script>{}",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>{}",
    "<scr<script>ipt>alert(1)</scr</script>ipt>{}",
    "<script\n>alert(1)</script\n>{}",
    "<p onclick=alert(1) style='background:url(javascript:alert(1))'>{}</p>",
    "<p/onmouseover='alert(1)'/x>{}</p>",
    "<img src=x onerror=alert(1)>{}",
    '<img """><b onmouseover=alert(1)>{}</b>',
    "<img src='javascript:alert(1)'>{}",
    "<image src=x onerror=alert(1)>{}",
    "<a href='javascript:alert(1)'>{}</a>",
    "<a href=' &#14; javascript:alert(1)'>{}</a>",
    "<a href='jav&#x0A;ascript&colon;alert(1)'>{}</a>",
    "<a href='JaVaScRiPt:alert(1)'>{}</a>",
    "<a href='vbscript:msgbox(1)'>{}</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>{}</a>",
    "<a href='https://www.rfi.fr/' onfocus=alert(1) autofocus tabindex=1 id=x>{}</a>",
    "<svg onload=alert(1)><circle r=9></svg>{}",
    "<svg><script>alert(1)</script></svg>{}",
    "<svg><a xlink:href='javascript:alert(1)'><rect/></a></svg>{}",
    "<svg></p><style><a title='</style><img src=x onerror=alert(1)>'></svg>{}",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=alert(1)>'>{}",
    "<style>@import 'javascript:alert(1)';</style>{}",
    "<style><!--</style><script>alert(1)//--></script>{}",
    "<iframe srcdoc='<script>alert(1)</script>' src=javascript:alert(1)></iframe>{}",
    "<object data=javascript:alert(1)></object>{}",
    "<embed src=javascript:alert(1)>{}",
    "<base href='javascript:alert(1)//'>{}",
    "<link rel=stylesheet href=//evil.example/x.css>{}",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>{}",
    "<form action=javascript:alert(1)><input type=image src=x onerror=alert(1)></form>{}",
    "<details open ontoggle=alert(1)>{}</details>",
    "<marquee onstart=alert(1)>{}</marquee>",
    "<div style='width:expression(alert(1))'>{}</div>",
    "<table background='javascript:alert(1)'><tr><td onclick=alert(1)>{}</td></tr></table>",
    "<template><script>alert(1)</script></template>{}",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>{}",
    "<video><source onerror=alert(1)></video>{}",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->{}",
    "<!--><img src=x onerror=alert(1)>-->{}",
    "<![CDATA[<img src=x onerror=alert(1)>]]>{}",
    "<?xml-stylesheet href='javascript:alert(1)'?>{}",
    "<xss style='behavior:url(x.htc)'>{}</xss>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>{}",
    "<p title='\x00<script>alert(1)</script>'>{}</p>",
    "\x00<img\x00src=x\x00onerror=alert(1)>{}",
    "&lt;b&gt;{}&lt;/b&gt;",
)


class Markup(HTMLParser):
    """Notes what is not on the list."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            scheme = (value or "").partition(":")[0]
            if name in ("href", "src") and scheme not in ("http", "https", "mailto"):
                self.foreign.append(f"{name}={value}")
        if tag not in ALLOWED or not {name for name, _ in attrs} <= ALLOWED[tag]:
            self.foreign.append(self.get_starttag_text() or tag)

    def handle_comment(self, data: str) -> None:
        self.foreign.append(data)

    handle_decl = unknown_decl = handle_pi = handle_comment


def test_attacks_leave_their_harmless_text(crawl: RunCrawl, serve: Serve, tmp_path: Path) -> None:
    """In a feed's payload and on a page."""
    names = [f"攻{number}" for number in range(len(ATTACKS))]
    attacks = {
        name: f"<p>前{name}。</p>{attack.format(f'字{name}')}<p>后{name}。</p>"
        for name, attack in zip(names, ATTACKS, strict=True)
    }
    server = serve(
        {
            FEED_AT: feed(*(entry(n, description=html) for n, html in attacks.items())).encode(),
            **{
                at(name): article_page(name).replace("灯塔", f"灯塔</p>{html}<p>").encode()
                for name, html in attacks.items()
            },
        }
    )
    done = [
        crawl("feedx", {"feed": FEED, "follow": n}, mirror=server, data_dir=tmp_path / f"data {n}")
        for n in (0, 1)
    ]
    assert hosts(server) == {"feedx.net", "www.rfi.fr"}
    lost = []
    for crawled in done:
        assert "Traceback" not in crawled.stderr
        assert len(crawled.records) == len(ATTACKS)
        for record in crawled.records:
            name = re.sub("标题|页面", "", record["headline"])
            assert Markup(record["article_body_html"]).foreign == [], attacks[name]
            visible = (f"前{name}。", f"字{name}", f"后{name}。")
            texts = (record["article_body"], record["article_body_html"])
            lost += [(attacks[name], t) for t in texts if any(part not in t for part in visible)]
    assert lost == []


# ------------------------------------------------------------------------- arguments, settings

FEED_TAKES = "one or more http(s) addresses of one feed, with commas between"
FEEDX_TAKES = f"feed ({FEED_TAKES}), follow (0 or 1)"
PATH_TAKES = "an existing file or directory"
WRONG_ARGUMENTS: list[tuple[str, dict[str, str], str]] = [
    ("feedx", {"nope": "1"}, f"unknown argument nope; known: {FEEDX_TAKES}"),
    ("feedx", {"Follow": "1"}, f"unknown argument Follow; known: {FEEDX_TAKES}"),
    ("feedx", {"follow": "2"}, "follow takes 0 or 1, not '2'"),
    ("feedx", {"follow": ""}, "follow takes 0 or 1, not ''"),
    ("feedx", {"feed": ""}, f"feed takes {FEED_TAKES}, not '': an empty address"),
    (
        "feedx",
        {"feed": "ftp://x"},
        f"feed takes {FEED_TAKES}, not 'ftp://x': no http(s) address: 'ftp://x'",
    ),
    (
        "feedx",
        {"feed": f"{FEED},"},
        f"feed takes {FEED_TAKES}, not '{FEED},': an empty address",
    ),
    (
        "feedx",
        {"feed": "http://[x"},
        f"feed takes {FEED_TAKES}, not 'http://[x': no http(s) address: 'http://[x'",
    ),
    ("archive", {}, f"-a path=… is missing; it takes {PATH_TAKES}"),
    ("archive", {"path": ""}, f"path takes {PATH_TAKES}, not '': no such file or directory"),
    (
        "archive",
        {"path": "/no/such"},
        f"path takes {PATH_TAKES}, not '/no/such': no such file or directory",
    ),
    ("archive", {"path": "/", "since": "1"}, f"unknown argument since; known: path ({PATH_TAKES})"),
    ("nope", {}, "no spider 'nope'; there are: archive, feedx, rfi"),
]


@pytest.mark.parametrize(("spider", "arguments", "line"), WRONG_ARGUMENTS)
def test_wrong_arguments(
    crawl: RunCrawl, serve: Serve, spider: str, arguments: dict[str, str], line: str
) -> None:
    server = serve()
    done = crawl(spider, arguments, mirror=server)
    assert done.stderr == f"scrapy crawl: {line}\n"
    assert done.status == 2
    assert done.files == ()
    assert server.requests == []


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("RFINEWS_MIRROR", "127.0.0.1:80", "RFINEWS_MIRROR must be http://HOST:PORT, not "),
        ("RFINEWS_COMPRESS", "zip", "RFINEWS_COMPRESS must be gz, not 'zip'"),
        ("RFINEWS_CONTACT", "a b", "RFINEWS_CONTACT must be a web or mail address"),
        ("RFINEWS_CONTACT", "x\r\nX-Evil: 1", "RFINEWS_CONTACT must be a web or mail address"),
        ("RFINEWS_RETRY_BACKOFF", "soon", "RFINEWS_RETRY_BACKOFF must be a number, not 'soon'"),
    ],
)
def test_malformed_settings(crawl: RunCrawl, setting: str, value: str, line: str) -> None:
    done = crawl("feedx", settings={setting: value})
    assert done.stderr.startswith(f"scrapy crawl: {line}")
    assert done.stderr.count("\n") == 1
    assert done.status == 2
    assert done.files == ()


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        (
            "RFINEWS_FEEDX_FEEDS",
            "feedx.net",
            "RFINEWS_FEEDX_FEEDS: no http(s) address: 'feedx.net'",
        ),
        ("RFINEWS_FEEDX_FEEDS", "", "RFINEWS_FEEDX_FEEDS: an empty address"),
        ("DOWNLOAD_DELAY", "long", "could not convert string to float: 'long'"),
    ],
)
def test_settings_that_no_crawl_can_start_with(
    crawl: RunCrawl, setting: str, value: str, line: str
) -> None:
    done = crawl("feedx", settings={setting: value, "LOG_LEVEL": "WARNING"})
    assert done.stderr == f"scrapy crawl: cannot start: {line}\n"
    assert done.status == 2
    assert done.files == ()


# -------------------------------------------------------------------------- the data directory


def assert_refused(crawl: Crawl, server: MirrorServer, line: str) -> None:
    """Nothing was written and nothing asked for."""
    assert "Traceback" not in crawl.stderr
    assert faults(crawl) == [line]
    assert crawl.status == 1
    assert crawl.files == ()
    assert server.requests == []


@pytest.mark.parametrize("where", ["data", "data/articles"])
def test_file_in_the_place_of_the_data_directory(
    crawl: RunCrawl, serve: Serve, tmp_path: Path, where: str
) -> None:
    file = tmp_path / where
    file.parent.mkdir(exist_ok=True)
    file.touch()
    server = serve({FEED_AT: THREE.encode()})
    done = crawl("feedx", {"feed": FEED}, mirror=server, data_dir=tmp_path / "data")
    kind = "Not a directory" if where == "data" else "File exists"
    assert_refused(done, server, f"Cannot write to {tmp_path}/data/articles: {kind}")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_data_directory_that_cannot_be_made(crawl: RunCrawl, serve: Serve) -> None:
    server = serve({FEED_AT: THREE.encode()})
    done = crawl("feedx", {"feed": FEED}, mirror=server, data_dir=Path("/proc/rfinews"))
    assert_refused(done, server, "Cannot write to /proc/rfinews: No such file or directory")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_read_only_data_directory(crawl: RunCrawl, serve: Serve, tmp_path: Path) -> None:
    server = serve({FEED_AT: THREE.encode()})
    with mounted(tmp_path / "data", "ro,size=1m") as folder:
        done = crawl("feedx", {"feed": FEED}, mirror=server, data_dir=folder)
        line = f"Cannot write to {folder}/articles: Read-only file system"
        assert_refused(done, server, line)


MANY = [f"之{number}" for number in range(40)]
LONG = "长" * 1000


def many(serve: Serve) -> MirrorServer:
    """A feed of `MANY` articles that take more room, 0.3 MB, than the store of them."""
    entries = (entry(name, description=f"{payload(name)}<p>{LONG}</p>") for name in MANY)
    return serve({FEED_AT: feed(*entries).encode()})


def own_file(crawl: Crawl) -> Path:
    """Where its articles stand or would stand."""
    (outcomes_file,) = (file for file in crawl.files if ".outcomes.jsonl" in file.name)
    return outcomes_file.with_name(f"{outcomes_file.name.partition('.')[0]}.jsonl")


def assert_not_stored(done: Crawl, log: list[str], most: int = len(MANY) - 1) -> int:
    """Of `MANY` the first, `most` at most, are exported and stand in complete files; how many."""
    assert "Traceback" not in done.stderr
    assert faults(done) == log
    assert done.status == 1
    assert done.manifest is not None
    assert done.manifest["finish_reason"] == "not_stored"
    stored = len(done.records)
    assert 0 < stored <= most
    assert [record["article_body"] for record in done.records] == [
        f"{body(name)}\n\n{LONG}" for name in MANY[:stored]
    ]
    counts = Counter(exported=stored, unfetched=len(MANY) - stored)
    assert done.manifest["outcomes"] == dict(+counts)
    assert {address: outcome for address, (outcome, _) in outcomes(done).items()} == {
        **{link(name): "exported" for name in MANY[:stored]},
        **{link(name): "unfetched" for name in MANY[stored:]},
    }
    assert left(done) - {"00002.jsonl"} == {"jsonl", "outcomes.jsonl", "manifest.json"}
    return stored


def assert_made_up_for(again: Crawl, reasons: list[str], names: Sequence[str]) -> None:
    """A crawl with room for all: nothing is lost, nothing stands there twice, nothing is unfinished.

    `reasons` are those of the manifests that it wrote, its own and those of crawls that died.
    """
    assert "Traceback" not in again.stderr
    assert again.status == 0
    manifests = [file for file in again.files if file.name.endswith(".manifest.json")]
    told = [json.loads(file.read_bytes())["finish_reason"] for file in manifests]
    assert sorted(told) == sorted(reasons)
    assert not list(again.data_dir.rglob("*.part"))
    articles = [
        (article["url"], article["revision"])
        for file in (again.data_dir / "articles").glob("*.jsonl*")
        if ".outcomes.jsonl" not in file.name
        for article in read_lines(file)
    ]
    assert sorted(articles) == sorted((link(name), 1) for name in names)
    assert list(Verification([again.data_dir]).faults()) == []


IN_PARTS = {"RFINEWS_COMPRESS": "gz", "RFINEWS_ROTATE_ITEMS": 5}


@pytest.mark.parametrize(
    ("settings", "size"),
    [({}, 200), ({}, 300), ({}, 400), (IN_PARTS, 180), (IN_PARTS, 220), (IN_PARTS, 280)],
)
def test_full_disk(
    crawl: RunCrawl, serve: Serve, tmp_path: Path, settings: dict[str, object], size: int
) -> None:
    """Complete files stay, no article is lost: what had no room is for the next crawl that has it.

    At 200 kB there is none for the articles, at 400 kB there is none for the store to know them.
    """
    with mounted(tmp_path / "data", f"size={size}k") as folder:
        before = crawl("feedx", {"feed": FEED}, mirror=serve({FEED_AT: THREE.encode()}))
        content = {file: file.read_bytes() for file in before.files if file.suffix != ".sqlite"}
        server = many(serve)
        statuses = []
        for _ in range(2):
            done = crawl("feedx", {"feed": FEED}, settings, mirror=server, data_dir=folder)
            statuses.append(done.status)
            assert "Traceback" not in done.stderr, done.stderr
            full = "No space left on device|database or disk is full"
            assert done.status == 0 or re.search(full, "\n".join(faults(done)))
            known = f"{full}|Recovered crawl|is left for the next crawl"
            assert [line for line in faults(done) if not re.search(known, line)] == []
            assert {file: file.read_bytes() for file in content} == content
        assert statuses[0] == 1  # the second may have had room for the rest
        marks = [file.name.removesuffix(".crawl.part") for file in folder.rglob("*.crawl.part")]
        ended = {file.name.removesuffix(".manifest.json") for file in folder.rglob("*.json")}
        subprocess.run(["mount", "-o", "remount,size=8m", str(folder)], check=True)
        again = crawl("feedx", {"feed": FEED}, settings, mirror=server, data_dir=folder)
        reasons = ["recovered" for crawl_id in marks if crawl_id not in ended]
        assert_made_up_for(again, [*reasons, "finished"], [*"一二三", *MANY])
        assert {file: file.read_bytes() for file in content} == content


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process and its children can grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_write_that_fails(crawl: RunCrawl, serve: Serve) -> None:
    server = many(serve)
    with largest_file(150_000):
        done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_not_stored(done, [f"Cannot write {own_file(done)}: File too large"])
    again = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_made_up_for(again, ["finished"], MANY)


def test_write_that_fails_while_appending(crawl: RunCrawl, serve: Serve, tmp_path: Path) -> None:
    """The crawl's own file has all that was exported; what came before stays in the other."""
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"{}\n" * 100_000)
    server = many(serve)
    with largest_file(400_000):  # 300,000 are taken, the crawl's own file needs less
        done = crawl("feedx", {"feed": FEED}, mirror=server, options=["-o", str(file)])
    stored = assert_not_stored(done, [f"Cannot write {file}: File too large"], len(MANY))
    lines = read_lines(file)
    assert lines[:100_000] == [{}] * 100_000
    added = lines[100_000:]
    assert added == done.records[: len(added)]
    assert 0 < len(added) < stored
    assert done.manifest is not None
    assert {each["name"]: each["lines"] for each in done.manifest["files"]} == {
        own_file(done).name: stored,
        str(file): len(lines),
    }
    again = crawl("feedx", {"feed": FEED}, mirror=server, options=["-o", str(file)])
    assert_made_up_for(again, ["finished"], MANY)
    assert read_lines(file) == lines + again.records


def test_outcomes_that_cannot_be_written(crawl: RunCrawl, serve: Serve) -> None:
    """Without them there is no manifest; the articles are known all the same."""
    far = "https://example.org/" + "x" * 6000
    entries = [entry(name, link=far + name) for name in MANY]
    server = serve({FEED_AT: feed(entry("一"), *entries).encode()})
    with largest_file(150_000):
        done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert "Traceback" not in done.stderr
    assert [line for line in faults(done) if "example.org" not in line] == [
        f"Cannot write to {done.data_dir}/articles: File too large"
    ]
    assert done.status == 1
    assert done.manifest is None
    assert bodies(done) == [body("一")]
    again = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_made_up_for(again, ["recovered", "finished"], ["一"])
    assert again.records == []


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.jsonl.gz"])
def test_write_that_fails_in_a_format_without_lines(
    crawl: RunCrawl, serve: Serve, tmp_path: Path, name: str
) -> None:
    """There is nothing to be saved; the file that was there before stays."""
    file = tmp_path / name
    file.write_text("before")
    options = {"format": name.split(".")[1], "overwrite": True}
    if name.endswith(".gz"):
        options["postprocessing"] = ["scrapy.extensions.postprocessing.GzipPlugin"]
    noise = (f"<p>{os.urandom(30_000).hex()}</p>" for _ in MANY)  # does not become small
    entries = (entry(name, description=html) for name, html in zip(MANY, noise, strict=True))
    server = serve({FEED_AT: feed(*entries).encode()})
    settings = {"FEEDS": json.dumps({str(file): options}), "RFINEWS_ROTATE_ITEMS": 5}
    with largest_file(1_000_000):
        done = crawl("feedx", {"feed": FEED}, settings, mirror=server)
    assert "Traceback" not in done.stderr
    assert faults(done) == [f"Cannot write {file}: File too large"]
    assert done.status == 1
    assert done.manifest is not None
    assert done.manifest["finish_reason"] == "not_stored"
    stored = len(done.records)
    assert 0 < stored <= len(MANY)
    counts = Counter(exported=stored, unfetched=len(MANY) - stored)
    assert done.manifest["outcomes"] == dict(+counts)
    assert str(file) not in [each["name"] for each in done.manifest["files"]]
    assert sum(each["lines"] for each in done.manifest["files"]) == stored
    assert file.read_text() == "before"
    again = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_made_up_for(again, ["finished"], MANY)


@pytest.mark.parametrize("size", [100, 3_000, 30_000])
def test_store_that_cannot_be_written(crawl: RunCrawl, serve: Serve, size: int) -> None:
    """The crawl ends before it has asked for anything; the store and complete files stay."""
    before = crawl("feedx", {"feed": FEED}, mirror=serve({FEED_AT: THREE.encode()}))
    content = {file: file.read_bytes() for file in before.files}
    server = many(serve)
    with largest_file(size):
        done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert "Traceback" not in done.stderr
    assert done.status == 1
    (line,) = faults(done)
    assert re.fullmatch(f"Cannot use the store {done.data_dir}/state/known.sqlite: .+", line)
    assert left(done) == set()
    assert {file: file.read_bytes() for file in before.files} == content
    assert server.requests == []
    again = crawl("feedx", {"feed": FEED}, mirror=server)
    assert_made_up_for(again, ["finished"], [*"一二三", *MANY])


# ------------------------------------------------------------------------------------- archives


def document(name: str, html: str | None = None, head: str = "<!--1699359302000-->") -> str:
    html = payload(name) if html is None else html
    return f"{head}\n[标题{name}]({link(name)})\n------\n\n{html}"


def test_archive_documents(crawl: RunCrawl, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    (folder / "no document.md").mkdir(parents=True)
    os.mkfifo(folder / "pipe.md")
    (folder / "note.txt").write_text("no document either")
    (folder / "good.md").write_text(document("好"))
    no_header = "no <!--milliseconds-->, [title](url), ------ header"
    broken = {
        "empty.md": (b"", no_header),
        "text.md": (b"just text", no_header),
        "time.md": (document("时", head="<!--yesterday-->").encode(), no_header),
        "rule.md": (document("线").replace("------", "").encode(), no_header),
        "bytes.md": (bytes(range(256)) * 9, no_header),
    }
    for name, (content, _) in broken.items():
        (folder / name).write_bytes(content)
    (folder / "loop.md").symlink_to("loop.md")
    Path(os.fsdecode(os.fsencode(folder) + b"/name\xff.md")).write_text("x")
    (folder / "deep.md").write_text(document("深", DEEP))
    (folder / "nothing.md").write_text(document("空", ""))
    (folder / "untitled.md").write_text(document("无").replace("标题无", ""))
    (folder / "elsewhere.md").write_text(document("外").replace("www.rfi.fr", "evil.example"))
    (folder / "gb.md").write_bytes(document("国标").encode("gb18030"))
    (folder / "wide.md").write_bytes(document("宽").encode("utf-16"))

    done = crawl("archive", {"path": folder})

    deep = str(outcomes(done)[link("深")][1])
    assert "elements deep" in deep
    expected = {
        **{name: ("parse", reason) for name, (_, reason) in broken.items()},
        "loop.md": ("parse", "Too many levels of symbolic links"),
        "name\\xff.md": ("parse", no_header),
        link("深"): ("parse", deep),
        link("空"): ("invalid", "no content"),
        link("无"): ("invalid", "no title"),
        link("外").replace("www.rfi.fr", "evil.example"): ("offsite", "not an RFI address"),
    }
    assert_accounted(done, log=told(expected))
    good = ("好", "国标", "宽")
    assert outcomes(done) == expected | {link(name): ("exported", None) for name in good}
    assert bodies(done) == sorted(map(body, good))


def test_archive_document_with_an_unreadable_byte(crawl: RunCrawl, tmp_path: Path) -> None:
    """It costs one character, not the text, and never the address."""
    content = document("好").encode().replace("昨天".encode(), b"\xff")
    (tmp_path / "a.md").write_bytes(content)
    done = crawl("archive", {"path": tmp_path / "a.md"})
    assert_accounted(done, log=[])
    assert outcomes(done) == {link("好"): ("exported", None)}
    assert bodies(done) == ["松河好的桥\ufffd重新开放。"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_archive_document_that_may_not_be_read(crawl: RunCrawl, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(document("好"))
    (tmp_path / "a.md").chmod(0)
    done = crawl("archive", {"path": tmp_path / "a.md"})
    assert_accounted(done, log=["a.md: parse, Permission denied"])


# --------------------------------------------------------------------------------- stopped crawls


def test_sigterm(serve: Serve, crawl: RunCrawl, tmp_path: Path) -> None:
    """What has been exported is in a complete file, what has not been asked for is counted.

    Until then the files grow as ``.part``, beside what ``-O`` is to replace.
    """
    delayed = {at(name): {"status": 404, "delay": 1} for name in ("二", "三", "四")}
    server = serve({FEED_AT: feed(*map(entry, "一二三四")).encode()}, delayed)
    wanted = tmp_path / "wanted.jsonl"
    wanted.write_text("before")
    data = tmp_path / "data"
    settings = {"RFINEWS_MIRROR": server.url, "DOWNLOAD_DELAY": 0.001, "AUTOTHROTTLE_ENABLED": 0}
    command = [sys.executable, "-m", "scrapy", "crawl", "feedx", "-O", str(wanted)]
    command += ["-a", f"feed={FEED}", "-a", "follow=1"]
    command += [part for name, value in settings.items() for part in ("-s", f"{name}={value}")]
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=crawl_environment(data, mirrored=True),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "from the feed; page: http_404" in line:
                break
        for _ in range(1000):
            if any(file.stat().st_size for file in data.rglob("*[0-9a-f].jsonl.part")):
                break
            time.sleep(0.001)
        assert wanted.read_text() == "before"
        growing = {file.name.partition(".")[2] for file in files_in(data / "articles")}
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in rest
    assert "Received SIGTERM, shutting down gracefully" in rest
    assert growing == {"crawl.part", "jsonl.part", "outcomes.jsonl.part"}
    assert not list(tmp_path.rglob("*.part"))
    assert {file.name for file in files_in(data / "state")} == {"known.sqlite", "known.lock"}
    (manifest_file,) = data.rglob("*.manifest.json")
    manifest = json.loads(manifest_file.read_bytes())
    assert manifest["finish_reason"] == "shutdown"
    exported = manifest["outcomes"]["exported"]
    assert 1 <= exported <= 3
    assert manifest["outcomes"] == {"exported": exported, "unfetched": 4 - exported}
    own = manifest_file.with_name(f"{manifest['crawl_id']}.jsonl")
    assert {file["name"]: file["lines"] for file in manifest["files"]} == {
        own.name: exported,
        str(wanted): exported,
    }
    assert len(read_lines(wanted)) == exported
    assert wanted.read_bytes() == own.read_bytes()
    again = crawl("feedx", {"feed": FEED}, mirror=server, data_dir=data)
    assert_made_up_for(again, ["finished"], "一二三四")


def test_text_of_the_feed_beats_one_that_is_guessed(crawl: RunCrawl, serve: Serve) -> None:
    """The layout of the page has changed: its text would be trafilatura's."""
    head = (
        '<meta property="og:type" content="article">'
        '<meta property="article:published_time" content="2023-11-07T12:35:00+01:00">'
    )
    text = "<p>灯塔整夜亮着，渔民们都看见了它的光，直到天亮才回港。</p>" * 9
    changed = (
        f"<!DOCTYPE html><html><head><title>页面甲</title>{head}</head><body><main><h1>页面甲</h1>"
        f"<div class=x>{text}</div></main></body></html>"
    )
    server = serve({FEED_AT: feed(entry("甲")).encode(), at("甲"): changed.encode()})
    done = crawl("feedx", {"feed": FEED, "follow": 1}, mirror=server)
    assert [record["article_body"] for record in done.records] == [body("甲")]
    assert [outcome["detail"] for outcome in done.outcomes] == [None]
