"""Who is asked, how often, and how it ended: each rule in a real crawl."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.server import MirrorServer
from rfinews.middlewares import retry_after
from tests.probe import Result, probe

Serve = Callable[..., MirrorServer]

RFI = "http://www.rfi.fr"
DOMAINS = ["rfi.fr", "rfi.my"]
MB = 1024 * 1024

# Address: how it behaves (None: nothing is asked of it), its outcome and the detail.
OUTCOMES: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    f"{RFI}/403": ({"status": 403}, "http_403", "Forbidden"),
    f"{RFI}/404": ({"status": 404}, "http_404", "Not Found"),
    f"{RFI}/410": ({"status": 410}, "http_410", "Gone"),
    f"{RFI}/500": ({"status": 500}, "http_500", "Internal Server Error"),
    f"{RFI}/429": ({"status": 429}, "http_429", "Too Many Requests"),
    f"{RFI}/private": (None, "robots", "forbidden by robots.txt"),
    f"{RFI}/private/2": (None, "robots", "forbidden by robots.txt"),
    f"{RFI}/private/3": (None, "robots", "forbidden by robots.txt"),
    f"{RFI}/drop": ({"drop": True}, "network", "connection failed: Connection was closed cleanly."),
    f"{RFI}/slow": ({"delay": 30}, "network", "timed out"),
    f"{RFI}/cut": (
        {"cut_after": 100, "repeat": {"text": "x", "times": 1000}},
        "network",
        "connection cut in the middle of the response",
    ),
    f"{RFI}/bomb": ({"gzip_bomb_mb": 300}, "network", f"larger than {10 * MB} bytes"),
    f"{RFI}/announced": (
        {"repeat": {"text": "x" * 1024, "times": 10 * 1024 + 1}},
        "network",
        f"larger than {10 * MB} bytes",
    ),
    f"{RFI}/unannounced": (
        {
            "repeat": {"text": "x" * 1024, "times": 10 * 1024 + 1},
            "headers": {"Content-Length": None, "Connection": "close"},
        },
        "network",
        f"larger than {10 * MB} bytes",
    ),
    f"{RFI}/no-gzip": (
        {"repeat": {"text": "x", "times": 1000}, "headers": {"Content-Encoding": "gzip"}},
        "network",
        "BadGzipFile: Not a gzipped file (b'xx')",
    ),
    f"{RFI}/loop": (
        {"status": 302, "location": "/loop"},
        "network",
        "max redirections reached",
    ),
    f"{RFI}/nowhere": ({"status": 302, "headers": {"Location": None}}, "http_302", "Found"),
    f"{RFI}/to-no-port": (
        {"status": 302, "location": "http://www.rfi.fr:99999/"},
        "network",
        "redirects to no address: Port out of range 0-65535",
    ),
    f"{RFI}/to-file": ({"status": 302, "location": "file:///etc/hostname"}, "http_302", "Found"),
    f"{RFI}/to-loopback": (
        {"status": 302, "location": "http://127.0.0.1:1/"},
        "offsite",
        "private address: 127.0.0.1",
    ),
    f"{RFI}/to-decimal": (
        {"status": 301, "location": "//2130706433/"},
        "offsite",
        "private address: 2130706433",
    ),
    f"{RFI}/to-evil": (
        {"status": 302, "location": "http://www.rfi.fr.evil.example/x"},
        "offsite",
        "another host: www.rfi.fr.evil.example",
    ),
    f"{RFI}/late-to-evil": (
        {"sequence": [500], "status": 302, "location": "http://evil.example/"},
        "offsite",
        "another host: evil.example",
    ),
    "http://www.rfi.fr.evil.example/x": (None, "offsite", "another host: www.rfi.fr.evil.example"),
    "http://www.rfi.fr@evil.example/x": (None, "offsite", "another host: evil.example"),
    "http://notrfi.fr/x": (None, "offsite", "another host: notrfi.fr"),
    "http://localhost:8000/": (None, "offsite", "private address: localhost"),
    "http://[::1]/": (None, "offsite", "private address: ::1"),
    "file:///etc/hostname": (None, "offsite", "not an http(s) address: file:"),
    "data:,x": (None, "offsite", "not an http(s) address: data:"),
    "ftp://www.rfi.fr/x": (None, "offsite", "not an http(s) address: ftp:"),
    f"{RFI}/{'x' * 8192}": (None, "invalid", "address longer than 8192 characters"),
}


@pytest.fixture(scope="module")
def outcomes() -> tuple[Result, list[str]]:
    """A crawl of everything in `OUTCOMES`, and what the server was asked for, in order."""
    routes = {
        address.removeprefix("http://"): behaviour
        for address, (behaviour, _, _) in OUTCOMES.items()
        if behaviour is not None
    }
    pages = {"www.rfi.fr/robots.txt": b"User-agent: *\nDisallow: /private\n"}
    with MirrorServer(routes=routes, pages=pages) as server:
        result = probe(
            list(OUTCOMES),
            mirror=server.url,
            allowed_domains=DOMAINS,
            settings={"DOWNLOAD_TIMEOUT": 2, "RFINEWS_REFUSALS_MAX": 100},
        )
        return result, [request.address for request in server.requests]


@pytest.mark.parametrize("address", OUTCOMES, ids=lambda address: address[:60])
def test_outcome(outcomes: tuple[Result, list[str]], address: str) -> None:
    result, _ = outcomes
    answers = [answer for answer in result.answers if answer["asked"] == address]
    _, outcome, detail = OUTCOMES[address]
    assert [(answer["outcome"], answer["detail"]) for answer in answers] == [(outcome, detail)]


def test_failures_leave_no_traceback(outcomes: tuple[Result, list[str]]) -> None:
    result, _ = outcomes
    assert "Traceback" not in result.log
    assert " ERROR: " not in result.log


def test_what_was_asked_and_how_often(outcomes: tuple[Result, list[str]]) -> None:
    _, asked = outcomes
    assert {address.partition("/")[0] for address in asked} == {"www.rfi.fr"}
    assert not any("private" in address for address in asked)
    for name in ("500", "429", "slow", "cut"):  # and two retries
        assert asked.count(f"www.rfi.fr/{name}") == 3
    for name in ("403", "404", "bomb", "announced", "unannounced", "no-gzip"):
        assert asked.count(f"www.rfi.fr/{name}") == 1


def test_size_limit_can_be_another_for_a_request(serve: Serve) -> None:
    server = serve(routes={"www.rfi.fr/feed": {"repeat": {"text": "x" * 1024, "times": 11 * 1024}}})
    feed = f"{RFI}/feed"
    larger = probe([{"url": feed, "meta": {"download_maxsize": 64 * MB}}], mirror=server.url)
    smaller = probe([{"url": feed, "meta": {"download_maxsize": 5000}}], mirror=server.url)
    assert larger.answers[0]["size"] == 11 * MB
    assert smaller.answers[0]["detail"] == "larger than 5000 bytes"


def test_redirect_to_an_address_seen_before_is_answered(serve: Serve) -> None:
    server = serve(
        pages={"www.rfi.fr/x": b"x"},
        routes={"rfi.my/S": {"status": 302, "location": f"{RFI}/x"}},
    )
    result = probe([f"{RFI}/x", "http://rfi.my/S"], mirror=server.url, allowed_domains=DOMAINS)
    assert result.outcomes == [("http://rfi.my/S", "fetched"), (f"{RFI}/x", "fetched")]
    assert {answer["slot"] for answer in result.answers} == {"www.rfi.fr"}  # and keeps its delay


def test_private_address_of_the_users_choice(serve: Serve) -> None:
    """It is fetched, its robots.txt is kept, and it leads to no other private place."""
    server = serve(pages={"feed": b"feed", "robots.txt": b"User-agent: *\nDisallow: /no\n"})
    other = server.url.replace("127.0.0.1", "localhost") + "/feed"
    server.add_route("moved", {"status": 302, "location": "/feed"})
    server.add_route("away", {"status": 302, "location": other})
    server.add_route("around", {"status": 302, "location": "http://127.0.0.1:1/"})
    trusted = [
        {"url": f"{server.url}/{path}", "meta": {"rfinews_trusted": True}}
        for path in ("feed", "moved", "away", "around", "no")
    ]

    result = probe([*trusted, f"{server.url}/feed?untrusted"])

    assert result.outcomes == [
        (f"{server.url}/around", "offsite"),
        (f"{server.url}/away", "offsite"),
        (f"{server.url}/feed", "fetched"),
        (f"{server.url}/feed?untrusted", "offsite"),
        (f"{server.url}/moved", "fetched"),
        (f"{server.url}/no", "robots"),
    ]


def test_robots_txt_of_an_admitted_host_is_kept(serve: Serve) -> None:
    server = serve(pages={"feedx.net/robots.txt": b"User-agent: *\nDisallow: /no\n"})
    request = {"url": "http://feedx.net/no", "meta": {"allow_offsite": True}}
    result = probe([request], mirror=server.url, allowed_domains=DOMAINS)
    assert result.outcomes == [("http://feedx.net/no", "robots")]


def test_robots_txt_is_not_fetched_from_private_addresses(serve: Serve) -> None:
    server = serve(pages={"www.rfi.fr/x": b"x"})
    address = server.url.removeprefix("http://")
    location = f"http://{address}/www.rfi.fr/robots.txt"
    server.add_route("www.rfi.fr/robots.txt", {"status": 302, "location": location})
    probe([f"{RFI}/x"], mirror=server.url)
    assert [request.address for request in server.requests] == [
        "www.rfi.fr/robots.txt",
        "www.rfi.fr/x",
    ]


def test_robots_txt_out_of_reach_is_one_line(serve: Serve) -> None:
    server = serve(pages={"www.rfi.fr/x": b"x"}, routes={"www.rfi.fr/robots.txt": {"drop": True}})
    result = probe([f"{RFI}/x"], mirror=server.url)
    assert result.outcomes == [(f"{RFI}/x", "fetched")]
    assert "Traceback" not in result.log
    assert result.log.count("Crawling without http://www.rfi.fr/robots.txt") == 1


@pytest.mark.parametrize(
    "rules",
    [
        {"status": 403},
        {"status": 500},
        {"repeat": {"before": "User-agent: *\nDisallow: /x\n", "times": 1}},
    ],
    ids=["403", "500", "rules"],
)
def test_every_waiting_request_gets_the_same_rules(serve: Serve, rules: dict[str, Any]) -> None:
    addresses = [f"{RFI}/x{number}" for number in range(10)]
    server = serve(routes={"www.rfi.fr/robots.txt": rules})
    result = probe(addresses, mirror=server.url)
    expected = "robots" if "repeat" in rules else "http_404"
    assert {outcome for _, outcome in result.outcomes} == {expected}


def test_rules_that_come_late_are_kept(serve: Serve) -> None:
    late = {
        "sequence": [{"status": 503, "headers": {"Retry-After": "1"}}, {"drop": True}],
        "repeat": {"before": "User-agent: *\nDisallow: /x\n", "times": 1},
    }
    server = serve(routes={"www.rfi.fr/robots.txt": late})
    result = probe([f"{RFI}/x{number}" for number in range(20)], mirror=server.url)
    assert [outcome for _, outcome in result.outcomes] == ["robots"] * 20
    assert {request.address for request in server.requests} == {"www.rfi.fr/robots.txt"}


def test_retries_wait_longer_each_time(serve: Serve) -> None:
    server = serve(routes={"www.rfi.fr/x": {"sequence": [500, 503], "status": 404}})
    result = probe([f"{RFI}/x"], mirror=server.url, settings={"RFINEWS_RETRY_BACKOFF": 0.4})
    assert result.answers[0]["outcome"] == "http_404"
    first, second, third = (request.time for request in server.requests[1:])
    assert second - first >= 0.19  # 0.4 s - 50 %
    assert third - second >= 0.39  # 0.8 s - 50 %


def times(server: MirrorServer, host: str) -> list[float]:
    """When pages of a host were asked for, seconds since the epoch."""
    return [
        request.time
        for request in server.requests
        if request.address.startswith(f"{host}/") and not request.address.endswith("robots.txt")
    ]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_host_is_left_alone_for_as_long_as_it_asks(serve: Serve, form: str) -> None:
    """The whole host, others go on, though more than `CONCURRENT_REQUESTS` wait for it."""
    value, least = "1", 1.0
    if form == "date":  # whole seconds: 2 s is at least 1 s from now
        value, least = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True), 0.0
    busy, free = ([f"http://{host}.example/{n}" for n in range(20)] for host in ("busy", "free"))
    server = serve(
        routes={
            "busy.example/0": {"sequence": [{"status": 429, "headers": {"Retry-After": value}}]}
        }
    )

    result = probe([*busy, *free], mirror=server.url)

    assert len(result.answers) == 40
    refused, *later = times(server, "busy.example")
    assert len(later) == 20
    assert min(later) - refused >= least
    if form == "date":
        assert datetime.fromtimestamp(min(later), UTC) >= parsed(value)
    assert max(times(server, "free.example")) < min(later)


def parsed(value: str) -> datetime:
    """The moment that an HTTP date names."""
    return datetime.strptime(value, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC)


def test_host_that_asks_for_too_long_is_given_up(serve: Serve) -> None:
    refusal = {"status": 503, "headers": {"Retry-After": "601"}}
    server = serve(routes={"busy.example/0": refusal}, pages={"free.example/0": b"x"})
    busy = [f"http://busy.example/{number}" for number in range(20)]

    result = probe([*busy, "http://free.example/0"], mirror=server.url)

    _, *others = busy
    expected = dict.fromkeys(busy, "http_503")
    assert dict(result.outcomes) == {**expected, "http://free.example/0": "fetched"}
    assert len(times(server, "busy.example")) == 1
    assert {answer["detail"] for answer in result.answers if answer["asked"] in others} == {
        "not asked: busy.example wants to be left alone for 601 s"
    }


def test_host_that_keeps_refusing_is_given_up(serve: Serve) -> None:
    """What it refused is counted, the rest is not asked for but counted with it, other hosts are."""
    pages = [f"{RFI}/{number}" for number in range(12)]
    server = serve(
        routes={f"www.rfi.fr/{number}": {"status": 403} for number in range(12)},
        pages={"feedx.net/feed": b"feed"},
    )
    feed = {"url": "http://feedx.net/feed", "then": pages}

    one_at_a_time = {"CONCURRENT_REQUESTS_PER_DOMAIN": 1, "RFINEWS_REFUSALS_MAX": 4}
    result = probe([feed], mirror=server.url, settings=one_at_a_time)

    found = dict(result.outcomes)
    assert found.pop("http://feedx.net/feed") == "fetched"
    assert list(found.values()) == ["http_403"] * 12
    assert len(times(server, "www.rfi.fr")) == 4


def test_an_answer_ends_a_row_of_refusals(serve: Serve) -> None:
    server = serve(routes={"www.rfi.fr/0": {"status": 403}, "www.rfi.fr/2": {"status": 403}})
    chain: list[Any] = []
    for number in (3, 2, 1, 0):  # one after the other; 1 and 3 are not there
        chain = [{"url": f"{RFI}/{number}", "meta": {"handle_httpstatus_all": True}, "then": chain}]
    result = probe(chain, mirror=server.url, settings={"RFINEWS_REFUSALS_MAX": 2})
    assert [answer["status"] for answer in result.answers] == [403, 404, 403, 404]


def test_ctrl_c_does_not_wait_for_paused_hosts(serve: Serve) -> None:
    """Neither for the one that asked for a pause nor for one that did so instead of robots.txt."""
    refusal = {"status": 503, "headers": {"Retry-After": "600"}}
    server = serve(
        routes={"busy.example/0": refusal, "shut.example/robots.txt": refusal},
        pages={f"free.example/{number}": b"x" for number in range(20)},
    )
    requests = [
        f"http://{host}.example/{number}"
        for host in ("shut", "busy", "free")
        for number in range(20)
    ]
    result = probe(requests, mirror=server.url, interrupt_after=20, timeout=60)
    assert result.stats["finish_reason"] == "shutdown"
    assert len(result.answers) == 20
    assert len(times(server, "free.example")) == 20
    assert len(times(server, "busy.example")) == 1
    assert times(server, "shut.example") == []


def test_ctrl_c_does_not_wait_for_the_delay_of_a_host(serve: Serve) -> None:
    server = serve(pages={f"www.rfi.fr/{number}": b"x" for number in range(20)})
    result = probe(
        [f"{RFI}/{number}" for number in range(20)],
        mirror=server.url,
        settings={"DOWNLOAD_SLOTS": {"www.rfi.fr": {"delay": 1, "jitter": 0}}},
        interrupt_after=1,
    )
    assert result.stats["finish_reason"] == "shutdown"
    assert len(times(server, "www.rfi.fr")) <= 3


@given(st.text())
def test_retry_after_takes_any_text(value: str) -> None:
    seconds = retry_after(value, datetime.now(UTC))
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 5 ", 5),
        ("9" * 5000, math.inf),
        ("Tue, 07 Nov 2023 12:00:30 -0000", 30),
        ("Tuesday, 07-Nov-23 12:00:30 GMT", 30),
        ("Tue, 07 Nov 2023 13:00:30 +0100", 30),
        ("-5", None),
        ("1.5", None),
        ("１", None),
        ("", None),
        ("Tue, 07 Nov 99999 12:00:30 GMT", None),
        ("Tue, 07 Nov 2023 12:00:30 +9999999", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value, datetime(2023, 11, 7, 12, tzinfo=UTC)) == seconds
