"""README.md keeps its word: its commands run, its record is a record, its settings exist."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rfinews import settings
from rfinews.items import FIELDS
from tests.scheduling import readme_commands

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
CRAWLS = [line for line in COMMANDS if "scrapy crawl" in line]
QUESTIONS = [line for line in COMMANDS if "scrapy verify" in line or "scrapy why" in line]
REPORTS = [line for line in COMMANDS if "scrapy report" in line]
IMPORTS = [line for line in COMMANDS if re.search(r"scrapy (load|search|export-archive)", line)]
MADE = [line.removeprefix("make ") for line in COMMANDS if line.startswith("make ")]


def run(command: list[str], tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "RFINEWS_DATA_DIR": str(tmp_path / "data"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("line", CRAWLS)
def test_crawls_run(line, mirror, tmp_path):
    words = line.replace("=fixtures/", f"={ROOT}/fixtures/").split()
    command = [sys.executable, "-m", "scrapy", *words[1:]]
    quick = ["-s", "DOWNLOAD_DELAY=0.001", "-s", "AUTOTHROTTLE_ENABLED=0"]
    (tmp_path / "scrapy.cfg").write_text((ROOT / "scrapy.cfg").read_text())
    result = run(
        [*command, *quick],
        tmp_path,
        RFINEWS_MIRROR=mirror.url,
        RFINEWS_RETRY_BACKOFF="0",
        PYTHONPATH=str(ROOT),
    )
    assert result.returncode == 0, result.stderr
    if "-O" in words:
        assert (tmp_path / words[words.index("-O") + 1]).stat().st_size
    else:
        assert list(tmp_path.glob("data/articles/*.jsonl"))


@pytest.mark.parametrize("line", QUESTIONS)
def test_questions_are_answered(line, crawl, mirror, tmp_path):
    data = crawl("feedx", mirror=mirror, data_dir=tmp_path / "data").data_dir
    (tmp_path / "scrapy.cfg").write_text((ROOT / "scrapy.cfg").read_text())
    command = [sys.executable, "-m", "scrapy", *line.split()[1:]]
    answer = run(command, tmp_path, RFINEWS_DATA_DIR=str(data), PYTHONPATH=str(ROOT))
    assert answer.returncode == 0, answer.stderr
    assert re.search("no faults|revision 1: new from feedx", answer.stdout)


@pytest.mark.parametrize("line", REPORTS)
def test_reports_are_written(line, crawl, mirror, tmp_path):
    data = crawl("feedx", mirror=mirror, data_dir=tmp_path / "data").data_dir
    (tmp_path / "scrapy.cfg").write_text((ROOT / "scrapy.cfg").read_text())
    command = [sys.executable, "-m", "scrapy", *line.split()[1:]]
    done = run(command, tmp_path, RFINEWS_DATA_DIR=str(data), PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_import_commands_run(crawl, mirror, tmp_path):
    """One after the other, as they stand there."""
    crawl("feedx", {"follow": "1"}, mirror=mirror, data_dir=tmp_path / "data")
    (tmp_path / "scrapy.cfg").write_text((ROOT / "scrapy.cfg").read_text())
    for line in IMPORTS:
        done = run(
            [sys.executable, "-m", "scrapy", *line.split()[1:]], tmp_path, PYTHONPATH=str(ROOT)
        )
        assert done.returncode == 0, done.stderr
        if "search" in line:
            assert "青石湾港口恢复夜航" in done.stdout
    assert len(IMPORTS) == 5
    assert list(tmp_path.glob("data/archive/cn/2020/07/*.md"))


def test_every_command_is_of_a_kind_that_is_run():
    known = {*CRAWLS, *QUESTIONS, *REPORTS, *IMPORTS, *(f"make {target}" for target in MADE)}
    for heading in ("Scrapyd", "cron", "systemd"):  # test_scrapyd.py, test_schedules.py
        known.update(readme_commands(heading))
    others = {line for line in COMMANDS if line not in known}
    assert {line for line in others if not line.startswith("export RFINEWS_")} == set()


@pytest.mark.parametrize("target", MADE)
def test_make_targets_exist(target):
    """What they do is run by `.ci/run` (setup, demo, lint, test) and by hand (bench, format, lock)."""
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_import_example_reads_what_a_crawl_wrote(crawl, mirror, tmp_path):
    result = crawl("feedx", mirror=mirror)
    example, *_ = blocks("python")
    (tmp_path / "data").exists() or (tmp_path / "data").symlink_to(result.data_dir)
    printed = run([sys.executable, "-c", example], tmp_path).stdout
    assert printed == f"{len(result.records)} articles\n"


def test_the_record_shown_is_one_that_the_demo_exports(crawl, mirror):
    (text,) = blocks("json")
    shown = json.loads(text)
    assert tuple(shown) == FIELDS
    records = crawl("feedx", {"follow": "1"}, mirror=mirror).records
    (real,) = [record for record in records if record["id"] == shown["id"]]
    for name in ("crawled_at", "crawl_id"):
        del real[name], shown[name]
    assert real == shown


def test_every_setting_of_our_own_is_in_the_table_with_its_default():
    table = dict(re.findall(r"^\| `(RFINEWS_\w+)` \| (.*?) \|", README, re.MULTILINE))
    ours = {name for name in vars(settings) if name.startswith("RFINEWS_")}
    assert table.keys() == ours
    assert table["RFINEWS_REFUSALS_MAX"] == f"`{settings.RFINEWS_REFUSALS_MAX}`"
