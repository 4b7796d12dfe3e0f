"""``scrapy crawl`` as its users meet it: exit status, errors of one line, help."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.server import MirrorServer
from tests.conftest import PROJECT, Crawl, crawl_environment, files_in, read_lines

RunCrawl = Callable[..., Crawl]


def scrapy(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``scrapy crawl`` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "scrapy", "crawl", *arguments],
        cwd=PROJECT,
        env=crawl_environment(data, mirrored=False),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "give the name of one spider"),
        (["feedx", "archive"], "give the name of one spider"),
        (["feedx", "--bogus"], "give the name of one spider"),
        (["Feedx"], "no spider 'Feedx'; there are: archive, feedx, rfi"),
        (["feedx", "-a", "follow"], "Invalid -a value, use -a NAME=VALUE"),
        (["feedx", "-s", "LOG_LEVEL"], "Invalid -s value, use -s NAME=VALUE"),
        (["feedx", "-s", "FEEDS={"], "Invalid -s value, use -s NAME=VALUE"),
        (
            ["feedx", "-o", "x.json", "-O", "x.json"],
            "Please use only one of -o/--output and -O/--overwrite-output",
        ),
        (["feedx", "-a", "follow=2", "--nolog"], "follow takes 0 or 1, not '2'"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], line: str) -> None:
    done = scrapy(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"scrapy crawl: {line}\n"
    assert files_in(tmp_path) == set()


def test_unknown_output_format(tmp_path: Path) -> None:
    done = scrapy(tmp_path, "feedx", "-o", str(tmp_path / "x.docx"))
    assert done.returncode == 2
    assert done.stderr.startswith("scrapy crawl: Unrecognized output format 'docx'.")
    assert done.stderr.count("\n") == 1


def test_help(tmp_path: Path) -> None:
    done = scrapy(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "scrapy crawl [options] <spider>" in done.stdout
    for option in ("-a NAME=VALUE", "-o FILE", "-O FILE", "-s NAME=VALUE"):
        assert option in done.stdout


def test_malformed_setting_of_scrapys(tmp_path: Path) -> None:
    settings = ["-s", "DOWNLOAD_DELAY=long", "-s", "LOG_LEVEL=WARNING"]
    done = scrapy(tmp_path, "archive", "-a", f"path={tmp_path}", *settings)
    assert done.returncode == 2
    assert done.stderr == "scrapy crawl: cannot start: could not convert string to float: 'long'\n"


def test_error_of_the_programmers_keeps_its_traceback(tmp_path: Path) -> None:
    extension = '{"rfinews.no_such_module.Extension": 1}'
    done = scrapy(tmp_path, "archive", "-a", f"path={tmp_path}", "-s", f"EXTENSIONS={extension}")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'rfinews.no_such_module'" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_finished_is_done(crawl: RunCrawl, tmp_path: Path) -> None:
    done = crawl("archive", {"path": tmp_path})
    assert done.status == 0
    assert done.manifest is not None
    assert done.manifest["finish_reason"] == "finished"


@pytest.mark.parametrize(
    ("settings", "reason", "status"),
    [
        ({"CLOSESPIDER_ITEMCOUNT": 1}, "closespider_itemcount", 0),
        ({"CLOSESPIDER_PAGECOUNT": 1}, "closespider_pagecount", 0),
        ({"CLOSESPIDER_ERRORCOUNT": 1}, "finished", 0),
        ({"RFINEWS_FEEDX_FEEDS": "https://nowhere.example/rss"}, "no_feed", 1),
    ],
)
def test_exit_status_tells_the_finish_reason(
    crawl: RunCrawl, mirror: MirrorServer, settings: dict[str, object], reason: str, status: int
) -> None:
    done = crawl("feedx", settings=settings, mirror=mirror)
    assert done.manifest is not None
    assert done.manifest["finish_reason"] == reason
    assert done.status == status


def test_output_that_cannot_be_opened(
    crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path
) -> None:
    """What was exported until then stands in the crawl's own file, the rest in the next crawl's."""
    (tmp_path / "file").touch()
    wanted = tmp_path / "file" / "x.jsonl"
    whole = crawl("feedx", mirror=mirror, data_dir=tmp_path / "whole")
    done = crawl("feedx", mirror=mirror, options=["-o", str(wanted)])
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count(f"ERROR: Cannot write {wanted}: File exists\n") == 1
    assert done.stderr.count(" ERROR: ") == 1
    assert done.manifest is not None
    assert done.manifest["finish_reason"] == "not_stored"
    own = done.data_dir / "articles" / f"{done.manifest['crawl_id']}.jsonl"
    assert [file["name"] for file in done.manifest["files"]] == [own.name]
    assert done.manifest["outcomes"]["exported"] == len(done.records) == len(read_lines(own))
    rest = crawl("feedx", mirror=mirror)
    assert rest.status == 0
    hashes, whole_hashes = (
        sorted(record["content_hash"] for record in records)
        for records in (done.records + rest.records, whole.records)
    )
    assert hashes == whole_hashes  # nothing lost, nothing twice
