"""What a crawl leaves beside its articles: outcomes and manifest, and a line for each fault."""

import hashlib
import json
import os
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


def facts(file: Path) -> dict[str, Any]:
    """What a manifest has to say of a file of JSON Lines."""
    content = file.read_bytes()
    return {
        "name": file.name,
        "lines": content.count(b"\n"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def assert_true(manifest: dict[str, Any], folder: Path) -> None:
    """Files and outcomes are what the manifest says."""
    assert manifest["files"] == [facts(folder / file["name"]) for file in manifest["files"]]
    outcomes = folder / f"{manifest['crawl_id']}.outcomes.jsonl"
    assert manifest["outcomes_file"] == facts(outcomes)
    lines = read_lines(outcomes)
    assert {tuple(line) for line in lines} <= {("url", "outcome", "detail")}
    assert len({line["url"] for line in lines}) == len(lines)
    assert Counter(line["outcome"] for line in lines) == manifest["outcomes"]
    articles = [line for file in manifest["files"] for line in read_lines(folder / file["name"])]
    exported = {line["url"] for line in lines if line["outcome"] == "exported"}
    assert {article["url"] for article in articles} == exported
    assert {article["crawl_id"] for article in articles} <= {manifest["crawl_id"]}


def left(crawl: Crawl) -> set[str]:
    """The kinds of the files that it added to its articles."""
    folder = crawl.data_dir / "articles"
    return {file.name.partition(".")[2] for file in crawl.files if file.parent == folder}


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
        "outcomes_file",
        "left_alone",
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
    assert set(done.files) == {
        *(
            folder / f"{manifest['crawl_id']}{suffix}"
            for suffix in (".jsonl", ".outcomes.jsonl", ".manifest.json")
        ),
        done.data_dir / "state" / "known.sqlite",
        done.data_dir / "state" / "known.lock",
    }


def test_exported_comes_last(crawl: RunCrawl, mirror: MirrorServer) -> None:
    """An article is exported once the file that holds it is complete."""
    done = crawl("feedx", mirror=mirror)
    kinds = [line["outcome"] for line in done.outcomes]
    assert 0 < len(done.records) < len(kinds)
    assert kinds[-len(done.records) :] == ["exported"] * len(done.records)
    assert "exported" not in kinds[: -len(done.records)]


def test_manifests_are_a_chain(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    """Spiders, crawls that failed and crawls without records are links of it, too.

    Which is the last is known, and not guessed from the times of the files.
    """
    (tmp_path / "empty").mkdir()
    runs: list[dict[str, Any]] = [
        {"spider": "feedx"},
        {"spider": "archive", "arguments": {"path": tmp_path / "empty"}},
        {"spider": "feedx", "arguments": {"feed": "https://nowhere.example/"}},
        {"spider": "feedx"},
        {"spider": "archive", "arguments": {"path": PROJECT / "fixtures" / "archive"}},
    ]
    crawls = []
    for run in runs:
        crawls.append(crawl(**run, mirror=mirror))
        for age, file in enumerate(sorted(files_in(tmp_path / "data" / "articles")), start=1):
            os.utime(file, (age, age))
    assert [done.status for done in crawls] == [0, 0, 1, 0, 0]
    without = {"outcomes.jsonl", "manifest.json"}
    assert [left(done) for done in crawls] == [
        *({"jsonl", *without}, without, without, without, {"jsonl", *without})
    ]
    previous = None
    for done in crawls:
        manifest = manifest_of(done)
        assert_true(manifest, done.data_dir / "articles")
        assert manifest["previous"] == previous
        (file,) = [file for file in done.files if file.name.endswith(".manifest.json")]
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        previous = {"crawl_id": manifest["crawl_id"], "sha256": digest}
    assert manifest_of(crawls[1])["outcomes"] == {}
    assert manifest_of(crawls[3])["outcomes"] == {}  # the feed has not changed since the first
    assert len({manifest_of(done)["crawl_id"] for done in crawls}) == len(runs)


def test_two_crawls_at_once(mirror: MirrorServer, tmp_path: Path) -> None:
    """Each article stands in a file of one of them, whichever completes it first."""
    mirror.add_route("feedx.net/rss/rfi.xml", {"delay": 2})  # until both have begun
    settings = ["DOWNLOAD_DELAY=0.001", "AUTOTHROTTLE_ENABLED=0", f"RFINEWS_MIRROR={mirror.url}"]
    settings += ["RFINEWS_ROTATE_ITEMS=10"]
    command = [sys.executable, "-m", "scrapy", "crawl", "feedx", "--nolog"]
    command += [part for setting in settings for part in ("-s", setting)]

    def run(data_dir: Path, times: int) -> list[dict[str, Any]]:
        """The articles that these crawls exported."""
        environment = crawl_environment(data_dir, mirrored=True)
        crawls = [subprocess.Popen(command, cwd=PROJECT, env=environment) for _ in range(times)]
        assert [each.wait(timeout=60) for each in crawls] == [0] * times
        folder = data_dir / "articles"
        manifests = [json.loads(file.read_bytes()) for file in folder.glob("*.manifest.json")]
        assert len(manifests) == times
        for manifest in manifests:
            assert CRAWL_ID.fullmatch(manifest["crawl_id"])
            assert_true(manifest, folder)
        files = [folder / file["name"] for manifest in manifests for file in manifest["files"]]
        assert files_in(folder) == {
            *files,
            *(folder / f"{manifest['crawl_id']}.manifest.json" for manifest in manifests),
            *(folder / f"{manifest['crawl_id']}.outcomes.jsonl" for manifest in manifests),
        }
        assert files_in(data_dir / "state") == {
            data_dir / "state" / name for name in ("known.sqlite", "known.lock")
        }
        assert sum(manifest["previous"] is None for manifest in manifests) == 1
        return [article for file in files for article in read_lines(file)]

    alone = run(tmp_path / "alone", 1)
    both = run(tmp_path / "both", 2)
    assert sorted((article["id"], article["revision"]) for article in both) == sorted(
        (article["id"], article["revision"]) for article in alone
    )


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
    assert left(done) == {"outcomes.jsonl", "manifest.json"}
