"""The mirror: other bytes on the wire, the same addresses everywhere else."""

from collections.abc import Callable

import pytest
from scrapy.crawler import Crawler
from scrapy.settings import Settings

from fixtures.server import MirrorServer
from rfinews.addon import RfinewsAddon
from rfinews.downloader import mirror_base
from tests.probe import ProbeSpider, probe

STOCK = "scrapy.core.downloader.handlers.http11.HTTP11DownloadHandler"

Serve = Callable[..., MirrorServer]


def handlers(mirror: str | None) -> dict[str, str | None]:
    """The download handlers that a crawl with this mirror gets."""
    settings = Settings()
    settings.setmodule("rfinews.settings")
    settings.set("RFINEWS_MIRROR", mirror, "cmdline")
    crawler = Crawler(ProbeSpider, settings)
    RfinewsAddon.from_crawler(crawler).update_settings(crawler.settings)
    return dict(crawler.settings.getwithbase("DOWNLOAD_HANDLERS"))


def test_crawl_meets_original_addresses_only(serve: Serve) -> None:
    server = serve(
        pages={
            "www.rfi.fr/cn/x": b"<p>x",
            "www.rfi.fr/late": b"<p>late",
            "www.rfi.fr/search?q=a%20b&q=c": b"<p>found",
            "rfi.fr:8080/index.html": b"<p>port",
            "www.rfi.fr/robots.txt": b"User-agent: rfinews\nDisallow: /no",
        },
        routes={
            "rfi.my/S": {"status": 302, "location": "https://www.rfi.fr/cn/old"},
            "www.rfi.fr/cn/old": {"status": 301, "location": "/cn/x"},
            "www.rfi.fr/late": {"sequence": [500, {"drop": True}]},
        },
    )
    asked = [
        "https://www.rfi.fr/cn/x#top",
        "https://www.rfi.fr/search?q=a%20b&q=c",
        "http://rfi.fr:8080",
        "https://rfi.my/S",
        "https://www.rfi.fr/late",
        "https://www.rfi.fr/no",
    ]

    result = probe(asked, mirror=server.url)

    answers = {answer.pop("asked"): answer for answer in result.answers}
    assert answers.pop("https://www.rfi.fr/no")["outcome"] == "robots"
    assert {address: answer["url"] for address, answer in answers.items()} == {
        "https://www.rfi.fr/cn/x#top": "https://www.rfi.fr/cn/x",
        "https://www.rfi.fr/search?q=a%20b&q=c": "https://www.rfi.fr/search?q=a%20b&q=c",
        "http://rfi.fr:8080": "http://rfi.fr:8080",
        "https://rfi.my/S": "https://www.rfi.fr/cn/x",
        "https://www.rfi.fr/late": "https://www.rfi.fr/late",
    }
    assert answers["https://rfi.my/S"]["redirects"] == [
        "https://rfi.my/S",
        "https://www.rfi.fr/cn/old",
    ]
    assert answers["http://rfi.fr:8080"]["slot"] == "rfi.fr"
    assert all(answer["latency"] for answer in answers.values())  # AutoThrottle works
    assert {request.address for request in server.requests if "robots" in request.address} == {
        "www.rfi.fr/robots.txt",
        "rfi.fr:8080/robots.txt",
        "rfi.my/robots.txt",
    }
    assert server.url not in str(result.answers) + str(result.stats)


def test_environment_names_the_mirror_and_proxies_are_passed_by(serve: Serve) -> None:
    server = serve(pages={"www.rfi.fr/x": b"x"})
    environment = {"RFINEWS_MIRROR": server.url, "http_proxy": "http://me:secret@127.0.0.1:9"}

    result = probe(["http://www.rfi.fr/x"], environment=environment)

    assert result.outcomes == [("http://www.rfi.fr/x", "fetched")]
    assert "proxy-authorization" not in server.requests[-1].headers


def test_without_a_mirror_scrapys_own_handler_is_used() -> None:
    assert handlers(None)["http"] == handlers(None)["https"] == STOCK
    assert handlers("http://localhost:1")["https"] != STOCK


@pytest.mark.parametrize("value", ["http://localhost:1", "http://[::1]:65535/", "http://a-b.c:80"])
def test_mirror_address(value: str) -> None:
    assert mirror_base(value) == value.rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        "localhost:8000",
        "https://localhost:8000",
        "http://localhost",
        "http://localhost:0",
        "http://localhost:65536",
        "http://localhost:８０",
        "http://localhost:80/path",
        "http://me@localhost:80",
        "http://localhost:80\n",
        "http://:80",
        " ",
    ],
)
def test_malformed_mirror_ends_the_crawl_with_one_line(value: str) -> None:
    with pytest.raises(
        ValueError, match=r"^RFINEWS_MIRROR must be http://HOST:PORT, not "
    ) as error:
        handlers(value)
    assert "\n" not in str(error.value)
