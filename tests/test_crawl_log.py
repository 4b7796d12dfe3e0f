"""What a crawl leaves beside its articles: outcomes and manifest, and a line for each fault."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fixtures.server import MirrorServer
from rfinews import __version__
from tests.conftest import PROJECT, Crawl, crawl_environment, files_in, read_lines

RunCrawl = Callable[..., Crawl]
Serve = Callable[..., MirrorServer]

FEED = "https://feedx.net/rss/rfi.xml"
CRAWL_ID = re.compile(r"feedx-\d{8}T\d{6}Z-[0-9a-f]{8}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def feed(*entries: tuple[str, str]) -> bytes:
    """A feed of entries with these links and titles."""
    items = "".join(
        f"<item><title>{title}</title><link>{link}</link>"
        f"<description>&lt;p&gt;{title or 'x'}&lt;/p&gt;</description></item>"
        for link, title in entries
    )
    return f'<rss version="2.0"><channel>{items}</channel></rss>'.encode()


def manifest_of(crawl: Crawl) -> dict[str, Any]:
    assert crawl.manifest is not None, crawl.stderr
    return crawl.manifest


def assert_true(manifest: dict[str, Any], folder: Path) -> None:
    """Files and outcomes are what the manifest says."""
    for file in manifest["files"]:
        content = (folder / file["name"]).read_bytes()
        assert file == {
            "name": file["name"],
            "lines": len(content.splitlines()),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    lines = read_lines(folder / f"{manifest['crawl_id']}.outcomes.jsonl")
    assert {tuple(line) for line in lines} <= {("url", "outcome", "detail")}
    assert len({line["url"] for line in lines}) == len(lines)
    assert Counter(line["outcome"] for line in lines) == manifest["outcomes"]


def test_manifest(crawl: RunCrawl, mirror: MirrorServer) -> None:
    arguments = {"feed": FEED, "follow": "0", "_job": "4b2c-Ü/7"}
    done = crawl("feedx", arguments, mirror=mirror)
    manifest = manifest_of(done)
    folder = done.data_dir / "articles"
    assert_true(manifest, folder)
    assert list(manifest) == [
        "crawl_id",
        "spider",
        "arguments",
        "started_at",
        "finished_at",
        "finish_reason",
        "files",
        "outcomes",
        "versions",
        "previous",
    ]
    assert re.fullmatch(r"feedx-\d{8}T\d{6}Z-4b2c-Ü_7", manifest["crawl_id"])
    assert manifest["spider"] == "feedx"
    assert manifest["arguments"] == {"feed": FEED, "follow": "0"}
    assert TIME.fullmatch(manifest["started_at"])
    assert TIME.fullmatch(manifest["finished_at"])
    assert manifest["started_at"] <= manifest["finished_at"]
    assert manifest["finish_reason"] == "finished"
    assert manifest["outcomes"]["exported"] == len(done.records)
    assert {"exported", "duplicate", "offsite", "invalid"} <= manifest["outcomes"].keys()
    assert manifest["versions"]["rfinews"] == __version__
    assert manifest["versions"]["scrapy"] == version("scrapy")
    assert manifest["previous"] is None
    assert {record["crawl_id"] for record in done.records} == {manifest["crawl_id"]}
    assert {file.name for file in done.files} == {
        f"{manifest['crawl_id']}{suffix}"
        for suffix in (".jsonl", ".outcomes.jsonl", ".manifest.json")
    }


def test_manifests_are_a_chain(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    """Spiders, crawls that failed and crawls without records are links of it, too."""
    (tmp_path / "empty").mkdir()
    crawls = [
        crawl("feedx", mirror=mirror),
        crawl("archive", {"path": tmp_path / "empty"}),
        crawl("feedx", {"feed": "https://nowhere.example/"}, mirror=mirror),
        crawl("feedx", mirror=mirror),
    ]
    assert [done.status for done in crawls] == [0, 0, 1, 0]
    assert [len(done.files) for done in crawls] == [3, 2, 2, 3]
    previous = None
    for done in crawls:
        manifest = manifest_of(done)
        assert_true(manifest, done.data_dir / "articles")
        assert manifest["previous"] == previous
        (file,) = [file for file in done.files if file.name.endswith(".manifest.json")]
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        previous = {"crawl_id": manifest["crawl_id"], "sha256": digest}
    assert manifest_of(crawls[1])["outcomes"] == {}
    assert len({manifest_of(done)["crawl_id"] for done in crawls}) == 4


def test_two_crawls_at_once(mirror: MirrorServer, tmp_path: Path) -> None:
    settings = ["DOWNLOAD_DELAY=0.001", "AUTOTHROTTLE_ENABLED=0", f"RFINEWS_MIRROR={mirror.url}"]
    command = [sys.executable, "-m", "scrapy", "crawl", "feedx", "--nolog"]
    command += [part for setting in settings for part in ("-s", setting)]
    environment = crawl_environment(tmp_path, mirrored=True)
    crawls = [subprocess.Popen(command, cwd=PROJECT, env=environment) for _ in range(2)]
    assert [each.wait(timeout=60) for each in crawls] == [0, 0]
    folder = tmp_path / "articles"
    manifests = [json.loads(file.read_bytes()) for file in folder.glob("*.manifest.json")]
    assert len(manifests) == 2
    assert len(files_in(folder)) == 6
    for manifest in manifests:
        assert CRAWL_ID.fullmatch(manifest["crawl_id"])
        assert_true(manifest, folder)


def test_address_has_one_outcome(crawl: RunCrawl, serve: Serve) -> None:
    """The first word counts, but an article that is exported after all is exported."""
    late, twice = ("https://www.rfi.fr/fr/france/20231107-" + slug for slug in ("late", "twice"))
    entries = ((late, ""), (late, "Late"), (twice, "Twice"), (twice, "Twice"), (f"{twice}/", "x"))
    server = serve({"feedx.net/rss/rfi.xml": feed(*entries)})
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    assert {line["url"]: line["outcome"] for line in done.outcomes} == {
        late: "exported",
        twice: "exported",
        f"{twice}/": "duplicate",
    }
    assert manifest_of(done)["outcomes"] == {"exported": 2, "duplicate": 1}
    assert_true(manifest_of(done), done.data_dir / "articles")


def test_log_does_not_drown_in_faults(crawl: RunCrawl, serve: Serve) -> None:
    links = [f"https://example.org/{number}" for number in range(300)]
    entries = [(link, "x") for link in links] + [("https://www.rfi.fr/", "x")]
    server = serve({"feedx.net/rss/rfi.xml": feed(*entries)})
    done = crawl("feedx", {"feed": FEED}, mirror=server)
    warnings = [line.partition("WARNING: ")[2] for line in done.stderr.splitlines()]
    assert [warning for warning in warnings if warning] == [
        *(f"{link}: offsite, not an RFI address" for link in links[:100]),
        "More than 100 addresses: offsite; see the outcomes",
        "https://www.rfi.fr/: invalid, no article's address",
    ]
    assert manifest_of(done)["outcomes"] == {"offsite": 300, "invalid": 1}
    assert {file.name.partition(".")[2] for file in done.files} == {
        "outcomes.jsonl",
        "manifest.json",
    }
