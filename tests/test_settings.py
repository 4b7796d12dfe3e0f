"""The settings as a crawl lives under them."""

import datetime as dt
import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from scrapy.settings import default_settings
from scrapy.utils.misc import load_object

from fixtures.server import MirrorServer
from rfinews import __version__, settings
from rfinews.addon import user_agent
from tests.probe import PROJECT, probe

Serve = Callable[..., MirrorServer]

OUR_OWN = {
    name: getattr(settings, name)
    for name in dir(settings)
    if name.isupper() and not name.startswith("RFINEWS_")
}


def from_environment(**environment: str) -> dict[str, Any]:
    """The `RFINEWS_*` settings of a process that is started with these variables."""
    script = (
        "import json; from scrapy.utils.project import get_project_settings as get; "
        "print(json.dumps({k: v for k, v in get().copy_to_dict().items() if 'RFINEWS' in k}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT / "tests",
        env={"PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        check=True,
    )
    values: dict[str, Any] = json.loads(done.stdout)
    return values


@pytest.mark.parametrize("name", OUR_OWN)
def test_every_setting_departs_from_scrapys(name: str) -> None:
    assert OUR_OWN[name] != getattr(default_settings, name)


def test_components_exist() -> None:
    names = [
        path
        for name, value in OUR_OWN.items()
        if isinstance(value, dict)
        for path in (*value.keys(), *value.values())
        if isinstance(path, str) and path.startswith(("rfinews.", "scrapy."))
    ]
    assert len(names) > 10
    for path in names:
        assert isinstance(load_object(path), type)


def test_own_settings_come_from_the_environment() -> None:
    values = from_environment(
        RFINEWS_DATA_DIR="/tmp/elsewhere",
        RFINEWS_CONTACT="desk@example.org",
        RFINEWS_COMPRESS="",
        RFINEWS_RETRY_BACKOFF="0.5",
    )
    assert values["RFINEWS_DATA_DIR"] == "/tmp/elsewhere"
    assert values["RFINEWS_CONTACT"] == "desk@example.org"
    assert values["RFINEWS_COMPRESS"] is None
    assert float(values["RFINEWS_RETRY_BACKOFF"]) == 0.5


def test_data_directory_is_beside_scrapy_cfg() -> None:
    assert from_environment()["RFINEWS_DATA_DIR"] == str(PROJECT / "data")


def test_feed_addresses_in_the_order_to_try() -> None:
    feeds = settings.RFINEWS_FEEDX_FEEDS
    assert isinstance(feeds, list)
    assert feeds[0] == "https://feedx.net/rss/rfi.xml"
    assert len(feeds) == len(set(feeds)) == 7


def test_crawler_names_itself_and_asks_for_no_language(serve: Serve) -> None:
    server = serve()
    contact = {"RFINEWS_CONTACT": "https://example.org/crawler"}
    for own_settings in ({}, contact, {**contact, "USER_AGENT": "mine"}):
        probe(["http://www.rfi.fr/"], mirror=server.url, settings=own_settings)
    pages = [request for request in server.requests if request.address == "www.rfi.fr/"]
    assert [page.headers["user-agent"] for page in pages] == [
        f"rfinews/{__version__}",
        f"rfinews/{__version__} (+https://example.org/crawler)",
        "mine",
    ]
    for page in pages:
        assert not page.headers.keys() & {"accept-language", "cookie", "referer"}


@pytest.mark.parametrize("contact", ["a b", "x\r\nX-Evil: 1", "法广", "a)b", "(a"])
def test_malformed_contact_ends_the_crawl_with_one_line(contact: str) -> None:
    with pytest.raises(
        ValueError, match=r"^RFINEWS_CONTACT must be a web or mail address"
    ) as error:
        user_agent(contact)
    assert "\n" not in str(error.value)


def test_rules_for_others_are_not_ours(serve: Serve) -> None:
    """A contact that mentions another crawler does not make its rules ours."""
    rules = b"User-agent: otherbot\nDisallow: /\n\nUser-agent: rfinews\nDisallow: /private\n"
    server = serve(pages={"www.rfi.fr/robots.txt": rules, "www.rfi.fr/x": b"x"})
    result = probe(
        ["http://www.rfi.fr/x", "http://www.rfi.fr/private"],
        mirror=server.url,
        settings={"RFINEWS_CONTACT": "https://example.org/otherbot"},
    )
    assert result.outcomes == [
        ("http://www.rfi.fr/private", "robots"),
        ("http://www.rfi.fr/x", "fetched"),
    ]


@pytest.mark.parametrize(
    ("opened", "number"),
    [({}, 0), ({"TELNETCONSOLE_ENABLED": True, "REMOTE_CONTROL_ENABLED": True}, 2)],
)
def test_crawl_opens_no_port(
    serve: Serve, tmp_path: Path, opened: dict[str, bool], number: int
) -> None:
    server = serve(pages={"www.rfi.fr/x": b"x"})
    result = probe(
        ["http://www.rfi.fr/x"],
        mirror=server.url,
        settings=opened,
        environment={"HOME": str(tmp_path)},  # the remote control leaves a file there
        interrupt_after=1,
    )
    assert result.seen["sockets"] == number


def test_no_handlers_but_for_http() -> None:
    """Even without the middleware that refuses them first."""
    result = probe(
        ["file:///etc/hostname", "data:,x", "ftp://127.0.0.1/x", "s3://bucket/x"],
        settings={"DOWNLOADER_MIDDLEWARES": {}, "ROBOTSTXT_OBEY": False},
    )
    assert len(result.answers) == 4
    for answer in result.answers:
        assert answer["detail"].startswith("NotSupported: Unsupported URL scheme")
    assert "Traceback" not in result.log


def test_one_request_a_second_to_a_host(serve: Serve) -> None:
    server = serve(pages={f"www.rfi.fr/{number}": b"x" for number in range(3)})
    result = probe(
        [f"http://www.rfi.fr/{number}" for number in range(3)],
        mirror=server.url,
        settings={"DOWNLOAD_DELAY": settings.DOWNLOAD_DELAY},
    )
    assert len(result.answers) == 3
    times = [request.time for request in server.requests]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 0.49  # one second, ±50 %


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[str]:
    """The address of an https server whose certificate nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"secret")

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that hangs up in the handshake is what the test is about

    with Server(("127.0.0.1", 0), Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_certificates_are_verified(tls_server: str) -> None:
    request = {"url": tls_server, "meta": {"rfinews_trusted": True}}
    verified = probe([request])
    believed = probe([request], settings={"DOWNLOAD_VERIFY_CERTIFICATES": False})
    assert verified.outcomes == [(tls_server, "network")]
    assert believed.outcomes == [(tls_server, "fetched")]
    assert "certificate" in verified.answers[0]["detail"].lower()
