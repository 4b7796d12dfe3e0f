"""What `make demo` shows a newcomer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


def demo(data: Path | None, project: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RFINEWS_DATA_DIR": str(data or "")}
    return subprocess.run(
        [sys.executable, "-m", "fixtures.demo"],
        cwd=project,
        env={**environment, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def the_manifest(data: Path) -> dict[str, Any]:
    """What the only crawl says of itself."""
    (file,) = (data / "articles").glob("*.manifest.json")
    manifest: dict[str, Any] = json.loads(file.read_bytes())
    return manifest


def test_shows_where_the_file_is_its_counts_and_the_first_article(tmp_path: Path) -> None:
    shown = demo(tmp_path)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    manifest = the_manifest(tmp_path)
    articles = tmp_path / "articles" / f"{manifest['crawl_id']}.jsonl"
    lines = articles.read_text(encoding="utf-8").splitlines()
    assert len(lines) == manifest["outcomes"]["exported"]
    assert f"{len(lines):6}  lines in {articles}\n" in shown.stdout
    for outcome, count in manifest["outcomes"].items():
        assert f"{count:6}  {outcome}\n" in shown.stdout
    first = json.loads(lines[0])
    article = shown.stdout.partition("The first article:")[2]
    assert f"\n{first['headline']}\n" in article
    assert first["article_body"] in article
    assert all(video["url"] in article for video in first["videos"])

    again = demo(tmp_path)  # a directory that was chosen is kept, and what is in it is known
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.endswith("\nNothing new since the last crawl.\n")
    assert " exported\n" not in again.stdout
    assert articles.read_text(encoding="utf-8").splitlines() == lines


def test_shows_the_same_each_time(tmp_path: Path) -> None:
    """Its own directory is made anew, real articles beside that are left alone."""
    for name in ("rfinews", "fixtures"):
        shutil.copytree(
            PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(PROJECT / "scrapy.cfg", tmp_path)
    mine = tmp_path / "data" / "articles" / "mine.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    crawls = []
    articles = []
    for _ in range(2):
        shown = demo(None, tmp_path)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        manifest = the_manifest(tmp_path / "data" / "demo")
        assert " exported\n" in shown.stdout
        crawls.append(manifest["crawl_id"])
        articles.append(shown.stdout.partition("The first article:")[2])
    assert crawls[0] != crawls[1]
    assert articles[0] == articles[1] != ""
    assert [file.name for file in mine.parent.iterdir()] == ["mine.jsonl"]
    assert sorted(file.name for file in (tmp_path / "data").iterdir()) == ["articles", "demo"]


def test_exits_with_the_status_of_a_crawl_that_failed(tmp_path: Path) -> None:
    no_folder = tmp_path / "data"
    no_folder.touch()
    shown = demo(no_folder)
    assert shown.returncode == 1
    assert "Traceback" not in shown.stdout + shown.stderr
