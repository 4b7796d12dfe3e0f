"""The loopback server, asked as clients ask it."""

import doctest
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from fixtures import server as server_module
from fixtures.server import MirrorServer, Page, Site, spawn

Serve = Callable[..., MirrorServer]

ARTICLE = "www.rfi.fr/cn/国际/20240102-某事"
BODY = "<p>某事发生了。</p>".encode() * 40


@contextmanager
def connected(url: str) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    server: MirrorServer | str, address: str, method: str = "GET", **headers: str
) -> tuple[HTTPResponse, bytes]:
    """One request on a connection of its own; header names are written with underscores."""
    url = server if isinstance(server, str) else server.url
    with connected(url) as connection:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, "/" + quote(address, safe="/%?=&"), headers=names)
        response = connection.getresponse()
        return response, response.read()


def raw(url: str, request: bytes) -> bytes:
    """Everything that the server sends for these bytes until it closes the connection."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small site on disk, with a file beside it that is none of its business."""
    folder = tmp_path_factory.mktemp("server")
    root = folder / "site"
    for name, content in {
        f"{ARTICLE}.html": BODY,
        "www.rfi.fr/cn/index.html": b"front page",
        "www.rfi.fr/en/20240102-up-1.5": b"no extension",
        "feedx.net/rss/rfi.xml": b"<rss version='2.0'/>",
        "www.rfi.fr/cn/rss.xml": b"<rss/>",
        "s.rfi.fr/media/a.jpg": b"\xff\xd8picture",
        "x.xml": b"<x/>",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (folder / "secret.html").write_bytes(b"outside")
    (root / "link.html").symlink_to(folder / "secret.html")
    return root


@pytest.fixture(scope="module", params=[[], ["--preload"]], ids=["from disk", "preloaded"])
def url(site: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a process that serves the site."""
    with spawn("--root", str(site), *request.param) as url:
        yield url


@pytest.mark.parametrize(
    ("address", "content", "kind"),
    [
        (ARTICLE, BODY, "text/html; charset=utf-8"),
        (f"{ARTICLE}.html", BODY, "text/html; charset=utf-8"),
        (f"{ARTICLE}?ref=feed", BODY, "text/html; charset=utf-8"),
        (ARTICLE.replace("/cn", "//cn"), BODY, "text/html; charset=utf-8"),
        ("www.rfi.fr/cn/", b"front page", "text/html; charset=utf-8"),
        ("www.rfi.fr/cn", b"front page", "text/html; charset=utf-8"),
        ("www.rfi.fr/en/20240102-up-1.5", b"no extension", "text/html; charset=utf-8"),
        ("feedx.net/rss/rfi.xml", b"<rss version='2.0'/>", "application/xml"),
        ("www.rfi.fr/cn/rss", b"<rss/>", "application/xml"),
        ("s.rfi.fr/media/a.jpg", b"\xff\xd8picture", "image/jpeg"),
        ("x.xml", b"<x/>", "application/xml"),
    ],
)
def test_a_file_answers_for_its_address(url: str, address: str, content: bytes, kind: str) -> None:
    response, body = ask(url, address)
    assert (response.status, body) == (200, content)
    assert response.headers["Content-Type"] == kind
    assert int(response.headers["Content-Length"]) == len(content)


@pytest.mark.parametrize(
    "target",
    [
        "/www.rfi.fr/cn/none",
        "/www.rfi.fr/none/",
        "/",
        f"/{quote(ARTICLE)}/",
        "/../secret.html",
        "/www.rfi.fr/../../secret.html",
        "/www.rfi.fr/%2e%2e/%2e%2e/secret.html",
        "/..%2fsecret.html",
        "//../secret.html",
        "/link.html",
        "/%00",
        "/%ff%fe",
        "/" + "x" * 5000,
    ],
)
def test_nothing_else_and_nothing_outside_is_served(url: str, site: Path, target: str) -> None:
    secret = quote(str(site.parent / "secret.html"))
    for wanted in (target, target.replace("secret.html", secret)):
        with connected(url) as connection:
            connection.request("GET", wanted)
            response = connection.getresponse()
            assert response.status == 404
            assert b"outside" not in response.read()


def test_head_has_the_headers_alone(site: Path, serve: Serve) -> None:
    server = serve(root=site)
    full, _ = ask(server, ARTICLE)
    head, body = ask(server, ARTICLE, "HEAD")
    assert body == b""
    assert dict(head.headers) | {"Date": ""} == dict(full.headers) | {"Date": ""}


def test_conditional_requests(site: Path, serve: Serve) -> None:
    server = serve(root=site)
    first, _ = ask(server, ARTICLE)
    tag, date = first.headers["ETag"], first.headers["Last-Modified"]
    for headers in (
        {"If_None_Match": tag},
        {"If_None_Match": f'"other", W/{tag}'},
        {"If_None_Match": "*"},
        {"If_Modified_Since": date},
        {"If_None_Match": tag, "If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ):
        response, body = ask(server, ARTICLE, **headers)
        assert (response.status, body) == (304, b"")
        assert response.headers["ETag"] == tag
    for headers in (
        {"If_None_Match": '"other"'},
        {"If_None_Match": '"other"', "If_Modified_Since": date},
        {"If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If_Modified_Since": "yesterday"},
    ):
        assert ask(server, ARTICLE, **headers)[0].status == 200


def test_a_changed_page_has_another_tag(serve: Serve) -> None:
    server = serve({ARTICLE: Page(b"old", modified=1_700_000_000)})
    first, _ = ask(server, ARTICLE)
    assert first.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    server.add_page(ARTICLE, b"new")
    again, body = ask(server, ARTICLE, If_None_Match=first.headers["ETag"])
    assert (again.status, body) == (200, b"new")


def test_gzip_for_those_who_accept_it(site: Path, serve: Serve) -> None:
    server = serve(root=site)
    plain, _ = ask(server, ARTICLE)
    packed, body = ask(server, ARTICLE, Accept_Encoding="gzip, deflate")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == BODY
    assert len(body) == int(packed.headers["Content-Length"]) < len(BODY)
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    for tag in (packed.headers["ETag"], plain.headers["ETag"]):
        answer, _ = ask(server, ARTICLE, Accept_Encoding="gzip", If_None_Match=tag)
        assert answer.status == 304
        assert "Content-Encoding" not in answer.headers
    for accepted in ("br", "gzip;q=0", "identity"):
        assert ask(server, ARTICLE, Accept_Encoding=accepted)[1] == BODY
    picture, _ = ask(server, "s.rfi.fr/media/a.jpg", Accept_Encoding="gzip")
    assert "Content-Encoding" not in picture.headers


def test_no_gzip_where_it_is_switched_off(site: Path) -> None:
    with spawn("--root", str(site), "--no-gzip") as url:
        response, body = ask(url, ARTICLE, Accept_Encoding="gzip")
    assert (response.headers["Content-Encoding"], body) == (None, BODY)


def test_compressed_copies_take_bounded_memory() -> None:
    cache = server_module.GzipCache(limit=100_000)
    pages = [Page(os.urandom(30_000)) for _ in range(20)]
    for page in pages * 2:
        assert gzip.decompress(cache.get(page)) == page.body
    assert sum(len(copy) for copy in cache._copies.values()) <= 100_000
    assert cache.get(pages[-1]) is cache.get(pages[-1])


def test_the_table_beside_the_files(tmp_path: Path, serve: Serve) -> None:
    table = {
        "rfi.my/AbCd": {"status": 301, "location": "https://www.rfi.fr/cn/国际/20240102-某事?x=1"},
        "www.rfi.fr/cn/refused": {"status": 403},
        "www.rfi.fr/cn/busy": {"status": 429, "headers": {"retry-after": "1"}},
        "www.rfi.fr/cn/?page=2": {"status": 404},
        "https://www.rfi.fr/cn/%E5%9B%BD": {"status": 410},
    }
    (tmp_path / "routes.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    pages = {"www.rfi.fr/cn/": b"front page", "www.rfi.fr/cn/国": BODY}
    server = serve(pages, {"www.rfi.fr/cn/refused": {"status": 451}}, tmp_path)
    moved, _ = ask(server, "rfi.my/AbCd")
    assert moved.status == 301
    assert moved.headers["Location"] == (
        "https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20240102-%E6%9F%90%E4%BA%8B?x=1"
    )
    busy, body = ask(server, "www.rfi.fr/cn/busy")
    assert (busy.status, busy.headers["Retry-After"]) == (429, "1")
    assert b"Too Many Requests" in body
    assert ask(server, "www.rfi.fr/cn/refused")[0].status == 451  # the test's own word counts
    assert ask(server, "www.rfi.fr/cn/")[0].status == 200
    assert ask(server, "www.rfi.fr/cn/?page=2")[0].status == 404
    assert ask(server, "www.rfi.fr/cn/国")[0].status == 410


def test_a_sequence_runs_once_and_then_the_file_answers(serve: Serve) -> None:
    server = serve(
        {ARTICLE: BODY, "b": b"b"},
        {
            ARTICLE: {
                "sequence": [500, {"status": 503, "headers": {"Retry-After": "0"}}, 200],
                "headers": {"X-Try": "yes"},
            }
        },
    )
    answers = [ask(server, ARTICLE) for _ in range(5)]
    assert [response.status for response, _ in answers] == [500, 503, 200, 200, 200]
    assert [response.headers["Retry-After"] for response, _ in answers[:2]] == [None, "0"]
    assert [response.headers["X-Try"] for response, _ in answers] == ["yes", None, *["yes"] * 3]
    assert BODY not in {body for _, body in answers[:2]}
    assert {body for _, body in answers[2:]} == {BODY}


def test_headers_and_charset(serve: Serve) -> None:
    server = serve(
        {"a": "国".encode("gb18030"), "f.xml": b"<rss/>", "q?x=国": b"with", "q": b"without"},
        {
            "a": {"charset": "gb18030"},
            "f.xml": {"charset": ""},
            "bare": {"status": 404, "headers": {"content-type": None, "X-Robots-Tag": "noindex"}},
        },
    )
    declared, body = ask(server, "a")
    assert declared.headers["Content-Type"] == "text/html; charset=gb18030"
    assert body.decode("gb18030") == "国"
    assert ask(server, "f.xml")[0].headers["Content-Type"] == "application/xml"
    bare, _ = ask(server, "bare")
    assert bare.headers["Content-Type"] is None
    assert bare.headers["X-Robots-Tag"] == "noindex"
    assert ask(server, "q?x=国")[1] == ask(server, "q?x=%E5%9B%BD")[1] == b"with"
    assert ask(server, "q?x=2")[1] == ask(server, "q")[1] == b"without"
    server.add_route("a", {"charset": ""})
    assert ask(server, "a")[0].headers["Content-Type"] == "text/html"
    server.add_page("a", Page(b"", "text/plain"))
    assert ask(server, "a")[0].headers["Content-Type"] == "text/plain"


def test_a_page_that_lies_about_its_encoding(serve: Serve) -> None:
    server = serve({"a": BODY}, {"a": {"headers": {"Content-Encoding": "gzip"}}})
    response, body = ask(server, "a", Accept_Encoding="gzip")
    assert (response.headers["Content-Encoding"], body) == ("gzip", BODY)


def test_a_connection_cut_in_the_body(serve: Serve) -> None:
    server = serve({"a": BODY}, {"a": {"cut_after": 100}, "b": {"cut_after": 0}})
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(server, "a")
    assert caught.value.partial == BODY[:100]
    assert caught.value.expected == len(BODY) - 100
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "b")


def test_a_connection_dropped_without_an_answer(serve: Serve) -> None:
    server = serve({"a": BODY}, {"a": {"sequence": [{"drop": True}]}})
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server, "a")
    assert ask(server, "a")[1] == BODY
    assert [request.status for request in server.requests] == [0, 200]


def test_a_delayed_answer_holds_up_nobody_else_and_not_the_end() -> None:
    with (
        MirrorServer(pages={"b": b"b"}, routes={"a": {"delay": 3600}}) as server,
        connected(server.url) as waiting,
    ):
        waiting.request("GET", "/a")
        assert ask(server, "b")[1] == b"b"
    assert not server._thread.is_alive()


def test_a_delay_that_passes(serve: Serve) -> None:
    server = serve({"a": b"a"}, {"a": {"delay": 0.01}})
    assert ask(server, "a")[1] == b"a"


@pytest.mark.parametrize("times", [0, 1, 50_000, 700_001])
def test_a_repeated_text(serve: Serve, times: int) -> None:
    shape = {"before": "<b>", "text": "<div>国", "times": times, "after": "</b>"}
    server = serve(routes={"a.xml": {"repeat": shape}})
    response, body = ask(server, "a.xml")
    assert body == b"<b>" + "<div>国".encode() * times + b"</b>"
    assert response.headers["Content-Type"] == "application/xml"
    with connected(server.url) as connection:  # its length is announced
        connection.request("HEAD", "/a.xml")
        assert int(connection.getresponse().headers["Content-Length"]) == len(body)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_gzip_bomb_takes_little_memory_to_send(tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_text('{"bomb": {"gzip_bomb_mb": 300}}')
    with running(tmp_path) as (process, url), connected(url) as connection:
        connection.request("GET", "/bomb")
        response = connection.getresponse()
        assert response.headers["Content-Encoding"] == "gzip"
        unpack, received, size = zlib.decompressobj(wbits=31), 0, 0
        start = end = b""
        while chunk := response.read(16_384):
            received += len(chunk)
            while chunk:
                piece = unpack.decompress(chunk, 2**20)
                start, end = start or piece[:200], (end + piece)[-200:]
                size += len(piece)
                chunk = unpack.unconsumed_tail
        assert unpack.eof
        connection.request("HEAD", "/bomb")  # the connection is still good
        assert connection.getresponse().status == 200
        memory = Path(f"/proc/{process.pid}/status").read_text()
    assert size > 300 * 2**20
    assert received < 2 * 2**20
    assert start.startswith(b"<!DOCTYPE html>")
    assert end.endswith(b"   </p></body></html>")
    peak = re.search(r"VmHWM:\s+(\d+) kB", memory)
    assert peak
    assert int(peak[1]) < 80 * 1024


def test_requests_are_remembered(serve: Serve) -> None:
    server = serve({ARTICLE: BODY})
    ask(server, f"{ARTICLE}?page=2", User_Agent="rfinews")
    ask(server, "none", "HEAD")
    first, second = server.requests
    assert first.address == f"{ARTICLE}?page=2"
    assert (first.method, first.status) == ("GET", 200)
    assert first.headers["user-agent"] == "rfinews"
    assert (second.method, second.address, second.status) == ("HEAD", "none", 404)
    assert first.time <= second.time


def test_requests_are_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with spawn("--root", str(tmp_path), "--log", str(log)) as url:
        ask(url, ARTICLE, User_Agent="rfinews")
        (entry,) = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert (entry["method"], entry["address"], entry["status"]) == ("GET", ARTICLE, 404)
    assert entry["headers"]["user-agent"] == "rfinews"


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    server = serve(
        {"a": b"AAA", "b": b"BBB", "c": b"CCC", "d": b"DDD"},
        {"a": {"delay": 0.01}, "b": {"repeat": {"text": "BBB", "times": 1}}},
    )
    requests = b"".join(b"GET /%c HTTP/1.1\r\nHost: h\r\n\r\n" % name for name in b"abc")
    sent = raw(server.url, requests + b"HEAD /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    parts = sent.split(b"HTTP/1.1 200 OK\r\n")
    assert [part.partition(b"\r\n\r\n")[2] for part in parts] == [b"", b"AAA", b"BBB", b"CCC", b""]
    assert b"Connection: close" in parts[-1]


def test_a_connection_is_kept(serve: Serve) -> None:
    server = serve({"a": b"a"}, {"gone": {"status": 204}, "bomb": {"gzip_bomb_mb": 1}})
    with connected(server.url) as connection:
        sockets = set()
        for address in ("a", "none", "gone", "bomb", "a"):
            connection.request("GET", f"/{address}")
            sockets.add(connection.sock)
            connection.getresponse().read()
        connection.request("GET", "/a", headers={"If-None-Match": "*"})
        assert connection.getresponse().read() == b""
        sockets.add(connection.sock)
        assert len(sockets) == 1


@pytest.mark.parametrize(
    ("status", "headers"), [(204, b""), (304, b""), (200, b"If-None-Match: *\r\n")]
)
def test_answers_that_have_no_body(serve: Serve, status: int, headers: bytes) -> None:
    server = serve({"a": BODY}, {"a": {"status": status}})
    sent = raw(server.url, b"GET /a HTTP/1.1\r\n" + headers + b"Connection: close\r\n\r\n")
    head, end, body = sent.partition(b"\r\n\r\n")
    assert (end, body) == (b"\r\n\r\n", b"")
    assert b"Content-Length" not in head


def test_the_absolute_form_and_old_clients(serve: Serve) -> None:
    server = serve({"www.rfi.fr/a": b"mirrored", "a": b"plain"}, {"bomb": {"gzip_bomb_mb": 1}})
    end = b"HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    assert raw(server.url, b"GET http://www.rfi.fr/a " + end).endswith(b"\r\n\r\nmirrored")
    own = server.url.encode()
    assert raw(server.url, b"GET " + own + b"/a " + end).endswith(b"\r\n\r\nplain")
    assert raw(server.url, b"GET /a HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nplain")
    head, _, body = raw(server.url, b"GET /bomb HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert len(gzip.decompress(body)) > 2**20


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\n\r\n", 405),
        (b"GET /a HTTP/1.1\r\n" + b"X-Long: %b\r\n" % (b"x" * 100_000) + b"\r\n", 431),
        (b"GET /a HTTP/3\r\n\r\n", 505),
    ],
)
def test_what_is_no_request_to_serve(serve: Serve, request_: bytes, status: int) -> None:
    server = serve({"a": b"a"})
    assert raw(server.url, request_).startswith(b"HTTP/1.1 %d " % status)
    assert ask(server, "a")[1] == b"a"


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("{", "Expecting"),
        ("[]", "list"),
        ('{"a": {"stat": 200}}', "stat"),
        ('{"a": {"status": 799}}', "799"),
        ('{"a": {"sequence": [{"x": 1}]}}', "x"),
        ('{"a": {"repeat": {"x": 1}}}', "x"),
    ],
)
def test_a_table_with_a_fault_is_one_line(tmp_path: Path, table: str, fault: str) -> None:
    (tmp_path / "routes.json").write_text(table)
    with pytest.raises(ValueError, match=fault):
        Site(tmp_path)
    ended = run_server("--root", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("server.py: ")
    assert len(ended.stderr.splitlines()) == 1


def test_what_it_cannot_do_is_one_line(tmp_path: Path, serve: Serve) -> None:
    taken = urlsplit(serve().url).port
    for arguments in (
        ["--root", str(tmp_path / "none")],
        ["--root", str(tmp_path), "--port", str(taken)],
        ["--root", str(tmp_path), "--log", str(tmp_path / "none" / "log")],
    ):
        ended = run_server(*arguments)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert len(ended.stderr.splitlines()) == 1


def run_server(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, for uses that end at once."""
    return subprocess.run(
        [sys.executable, server_module.__file__, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def running(root: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and its address."""
    with subprocess.Popen(
        [sys.executable, server_module.__file__, "--root", str(root), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "routes.json").write_text('{"slow": {"delay": 3600}}')
    with (
        running(tmp_path) as (process, url),
        connected(url) as idle,
        connected(url) as waiting,
    ):
        idle.request("GET", "/")
        idle.getresponse().read()
        waiting.request("GET", "/slow")
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_it_ends_with_its_standard_input(tmp_path: Path) -> None:
    with running(tmp_path, "--until-stdin-closes") as (process, url):
        assert ask(url, "none")[0].status == 404
        assert process.communicate(timeout=30) == ("", "")  # closes standard input first
    assert process.returncode == 0


def test_it_outlives_its_standard_input_otherwise(tmp_path: Path) -> None:
    with running(tmp_path) as (process, url):
        assert process.stdin
        process.stdin.close()
        assert ask(url, "none")[0].status == 404
        assert process.poll() is None


def test_the_examples_in_its_documentation() -> None:
    results = doctest.testmod(server_module)
    assert results.attempted > 4
    assert results.failed == 0
