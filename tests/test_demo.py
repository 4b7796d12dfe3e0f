"""What `make demo` shows a newcomer."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def demo(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fixtures.demo"],
        cwd=PROJECT,
        env={**os.environ, "RFINEWS_DATA_DIR": str(data), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def test_shows_where_the_file_is_its_counts_and_the_first_article(tmp_path: Path) -> None:
    shown = demo(tmp_path)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    (manifest_file,) = (tmp_path / "articles").glob("*.manifest.json")
    manifest = json.loads(manifest_file.read_bytes())
    articles = tmp_path / "articles" / f"{manifest['crawl_id']}.jsonl"
    lines = articles.read_text(encoding="utf-8").splitlines()
    assert len(lines) == manifest["outcomes"]["exported"]
    assert str(articles) in shown.stdout
    for outcome, count in manifest["outcomes"].items():
        assert f"{count:6}  {outcome}\n" in shown.stdout
    first = json.loads(lines[0])
    article = shown.stdout.partition("The first article:")[2]
    assert f"\n{first['headline']}\n" in article
    assert first["article_body"] in article
    assert all(video["url"] in article for video in first["videos"])


def test_exits_with_the_status_of_a_crawl_that_failed(tmp_path: Path) -> None:
    no_folder = tmp_path / "data"
    no_folder.touch()
    shown = demo(no_folder)
    assert shown.returncode == 1
    assert "Traceback" not in shown.stdout + shown.stderr
