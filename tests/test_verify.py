"""``scrapy verify``: nothing to say of what crawls left, and a fault for whatever happens to it."""

import fcntl
import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from fixtures.server import MirrorServer
from rfinews.files import LEASE, MANIFEST, MARK, OUTCOMES
from rfinews.markup import content_hash
from rfinews.urls import article_id
from rfinews.verify import Fault, NotVerifiable, Verification
from tests.conftest import PROJECT, SITE, Crawl, crawl_environment, files_in, read_lines

Change = Callable[[dict[str, Any]], object]

DEAD = "feedx-20201231T235959Z-0badcafe"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crawled") / "data"


@pytest.fixture
def data(
    stored: Path,
    crawl: Callable[..., Crawl],
    serve: Callable[..., MirrorServer],
    tmp_path: Path,
) -> Path:
    """What two crawls left, to be damaged; they run once for all tests."""
    if not stored.exists():
        crawl("feedx", mirror=serve(root=SITE), data_dir=stored)
        crawl("archive", {"path": PROJECT / "fixtures" / "archive"}, data_dir=stored)
    return Path(shutil.copytree(stored, tmp_path / "copy"))


@pytest.fixture
def folder(data: Path) -> Path:
    return data / "articles"


def manifests(folder: Path) -> list[Path]:
    """The manifests from the first to the last."""
    links = {}
    for path in folder.glob(f"*{MANIFEST}"):
        previous = json.loads(path.read_bytes())["previous"]
        links[previous and previous["crawl_id"]] = path
    chain: list[Path] = []
    while links:
        chain.append(links.pop(chain[-1].name.removesuffix(MANIFEST) if chain else None))
    return chain


def first(folder: Path) -> str:
    """The crawl_id of the first crawl, the one that is sure to have articles."""
    return manifests(folder)[0].name.removesuffix(MANIFEST)


def articles(folder: Path) -> Path:
    return folder / f"{first(folder)}.jsonl"


def facts(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    lines = gzip.decompress(content) if path.suffix == ".gz" else content
    return {
        "name": path.name,
        "lines": lines.count(b"\n"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def change_manifest(path: Path, change: Change) -> None:
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))


def change_line(path: Path, number: int, change: Change) -> None:
    lines = read_lines(path)
    change(lines[number])
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def seal(folder: Path, change: Change = lambda manifest: None) -> None:
    """Make all manifests true again, after `change` to the first: only contents can be at fault."""
    previous = None
    for number, path in enumerate(manifests(folder)):
        crawl_id = path.name.removesuffix(MANIFEST)
        manifest = json.loads(path.read_bytes())
        files = [*folder.glob(f"{crawl_id}*.jsonl"), *folder.glob(f"{crawl_id}*.jsonl.gz")]
        outcomes = folder / f"{crawl_id}{OUTCOMES}"
        manifest["files"] = [facts(file) for file in sorted(files) if file != outcomes]
        manifest["outcomes"] = Counter(line["outcome"] for line in read_lines(outcomes))
        manifest["outcomes_file"] = facts(outcomes)
        manifest["previous"] = previous
        if number == 0:
            change(manifest)
        path.write_bytes(orjson.dumps(manifest))
        previous = {
            "crawl_id": crawl_id,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }


def faults_in(*paths: Path) -> list[Fault]:
    return list(Verification(paths).faults())


def words(*paths: Path) -> set[tuple[str, str]]:
    """File name and kind of each fault."""
    return {(Path(fault.path).name, fault.fault) for fault in faults_in(*paths)}


def notes(*paths: Path) -> dict[str, str]:
    verification = Verification(paths)
    assert list(verification.faults()) == []
    return {Path(note.path).name: note.detail for note in verification.notes}


def scrapy_verify(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scrapy", "verify", *map(str, arguments)],
        cwd=PROJECT,
        env=crawl_environment(Path("data"), mirrored=False) | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


# ------------------------------------------------------------------------------- nothing is wrong


def test_what_crawls_leave_has_no_fault(data: Path, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in files_in(data)}
    verification = Verification([data])
    assert list(verification.faults()) == []
    assert verification.notes == []
    assert verification.manifests == 2
    entries = [
        entry
        for path in folder.glob(f"*{MANIFEST}")
        for entry in json.loads(path.read_bytes())["files"]
    ]
    assert verification.files == len(entries) > 0
    assert verification.lines == sum(entry["lines"] for entry in entries) > 5
    assert {path: path.stat().st_mtime_ns for path in files_in(data)} == before


def test_sealing_is_no_damage(data: Path, folder: Path) -> None:
    seal(folder)
    assert faults_in(data) == []


def test_every_way_to_name_the_same(data: Path, folder: Path, tmp_path: Path) -> None:
    """What is given twice is checked once, or each article would be its own duplicate."""
    link = tmp_path / "link"
    link.symlink_to(data, target_is_directory=True)
    for paths in (
        [data],
        [folder],
        [data, folder, link, data / ".." / "copy"],
        [data, articles(folder)],
        [articles(folder), folder / ".." / "articles" / articles(folder).name],
        sorted(folder.iterdir()),
    ):
        assert faults_in(*paths) == []


def test_single_files(folder: Path) -> None:
    one, two = manifests(folder)
    assert faults_in(two) == []
    for path, counts in (
        (one, (1, 1)),
        (articles(folder), (0, 1)),
        (folder / f"{first(folder)}{OUTCOMES}", (0, 0)),
    ):
        verification = Verification([path])
        assert list(verification.faults()) == []
        assert (verification.manifests, verification.files) == counts


def test_crawl_without_articles(folder: Path, data: Path) -> None:
    articles(folder).unlink()
    seal(folder)
    assert faults_in(data) == []


def test_old_manifest_does_not_name_its_outcomes(data: Path, folder: Path) -> None:
    seal(folder, lambda manifest: manifest.pop("outcomes_file"))
    assert faults_in(data) == []
    outcomes = folder / f"{first(folder)}{OUTCOMES}"
    outcomes.unlink()
    assert words(data) == {(outcomes.name, "missing")}


def test_recovered_crawl_that_had_discovered_nothing(data: Path, folder: Path) -> None:
    articles(folder).unlink()
    outcomes = folder / f"{first(folder)}{OUTCOMES}"
    outcomes.write_bytes(b"")

    def change(manifest: dict[str, Any]) -> None:
        manifest |= {"finish_reason": "recovered", "outcomes_file": None}

    seal(folder, change)
    outcomes.unlink()
    assert faults_in(data) == []


def test_compressed_and_rotated_files(data: Path, folder: Path) -> None:
    lines = articles(folder).read_bytes().splitlines(keepends=True)
    articles(folder).write_bytes(lines[0])
    compressed = folder / f"{first(folder)}.00002.jsonl.gz"
    members = gzip.compress(b"".join(lines[1:3])), gzip.compress(b"".join(lines[3:]))
    compressed.write_bytes(b"".join(members))
    assert words(data) == {(articles(folder).name, "torn"), (compressed.name, "extra")}
    seal(folder)
    assert faults_in(data) == faults_in(compressed) == []
    compressed.write_bytes(compressed.read_bytes()[:-20])
    assert words(data) == {(compressed.name, "torn")}
    assert words(compressed) == {(compressed.name, "torn")}
    compressed.write_bytes(lines[1])
    assert (compressed.name, "unreadable") in words(data)
    compressed.unlink()
    assert words(data) == {(compressed.name, "missing")}


def test_number_of_lines(folder: Path, data: Path) -> None:
    seal(folder, lambda manifest: manifest["files"][0].update(lines=1_234_567))
    (fault,) = faults_in(data)
    assert (Path(fault.path), fault.fault) == (articles(folder), "manifest")
    assert fault.detail.endswith(" lines, the manifest says 1,234,567")


# ---------------------------------------------------------------- files are not what they were


def told(path: Path, faults: list[Fault]) -> bool:
    """Whether a fault names the file; that a manifest is gone is told of what it should name."""
    return any(path.name in fault.path + fault.detail for fault in faults)


def test_byte_flipped_anywhere(folder: Path, data: Path) -> None:
    """Nobody knows the hash of the last manifest: of it only what it says can be checked."""
    seal(folder)
    for path in sorted(files_in(folder) - {manifests(folder)[-1]}):
        content = path.read_bytes()
        for at in range(0, len(content), max(len(content) // 10, 1)):
            changed = bytearray(content)
            changed[at] ^= 1
            path.write_bytes(changed)
            assert told(path, faults_in(data)), (path, at)
        path.write_bytes(content)
    assert faults_in(data) == []


def test_garbage_is_a_fault_and_no_exception(folder: Path, data: Path) -> None:
    seal(folder)
    garbage = (b"", b"\n", b"\xff\xfe", b"null\n", b"[]", b"{}\n", b"[" * 5000, b'"\\ud800"\n')
    for path in sorted(files_in(folder)):
        content = path.read_bytes()
        for other in {*garbage, content[: len(content) // 2], content + content} - {content}:
            path.write_bytes(other)
            assert told(path, faults_in(data)), (path, other[:20])
            assert told(path, faults_in(path)), (path, other[:20])
        path.write_bytes(content)
    assert faults_in(data) == []


@pytest.mark.parametrize("kind", ["nothing", "folder", "pipe", "loop"])
def test_no_file(folder: Path, data: Path, kind: str) -> None:
    for path in sorted(files_in(folder)):
        content = path.read_bytes()
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "loop":
            path.symlink_to(path)
        assert told(path, faults_in(data)), path
        if kind == "folder":
            path.rmdir()
        elif kind != "nothing":
            path.unlink()
        path.write_bytes(content)
    assert faults_in(data) == []


@pytest.mark.parametrize("name", ["articles", "file"])
def test_refused(folder: Path, data: Path, name: str) -> None:
    """Root may read everything, so it looks as somebody else."""
    refused = articles(folder) if name == "file" else folder
    refused.chmod(0)
    code = (
        "import os; from pathlib import Path; from rfinews.verify import Verification\n"
        "verification = Verification([Path()])\n"
        "os.geteuid() or os.setuid(65534)\n"
        "print(*verification.faults(), sep='\\n')"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=data,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    refused.chmod(0o755)
    path = refused.relative_to(data)
    fault = Fault(str(path), "unreadable", "Permission denied")
    assert found.stdout == f"{fault}\n", found.stderr


def test_line_removed(folder: Path, data: Path) -> None:
    lines = articles(folder).read_bytes().splitlines(keepends=True)
    articles(folder).write_bytes(b"".join(lines[:2] + lines[3:]))
    assert words(data) == {(articles(folder).name, "torn")}


def test_cut_off(folder: Path, data: Path) -> None:
    content = articles(folder).read_bytes()
    articles(folder).write_bytes(content[:-100])
    faults = faults_in(data)
    assert [fault.fault for fault in faults] == ["torn", "torn"]
    assert faults[0].detail == f"{len(content) - 100:,} bytes, the manifest says {len(content):,}"
    assert faults[1].detail == "its last line has no end"


def test_lines_longer_than_any_article(folder: Path, data: Path) -> None:
    lines = articles(folder).read_bytes().splitlines(keepends=True)
    with articles(folder).open("wb") as file:
        file.writelines([lines[0], b'"', *[b"x" * (1 << 20)] * 100, b'"\n', lines[1]])
    seal(folder)
    (fault,) = faults_in(data)
    assert (fault.fault, fault.detail) == ("schema", "line 2: longer than 33,554,432 bytes")


def test_extra_files(folder: Path, data: Path) -> None:
    for name in (f"{first(folder)}.00002.jsonl", "mine.jsonl", f"{first(folder)}x.jsonl.gz"):
        shutil.copy(articles(folder), folder / name)
    kinds = dict(words(data))
    assert kinds == {
        f"{first(folder)}.00002.jsonl": "extra",
        "mine.jsonl": "extra",
        f"{first(folder)}x.jsonl.gz": "unfinished",
    }
    assert words(folder / "mine.jsonl") == {("mine.jsonl", "extra")}


def test_unknown_files_are_noted(folder: Path, data: Path) -> None:
    (folder / "README").write_text("mine")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "old").mkdir()
    assert notes(data) == dict.fromkeys(("README", ".DS_Store", "old"), "no file of a crawl's")


def test_names_that_no_terminal_shows(folder: Path, data: Path) -> None:
    (folder / "a\n\x1b[2J.jsonl").touch()
    (folder / os.fsdecode(b"\xff.jsonl")).touch()
    assert words(data) == {("a??[2J.jsonl", "extra"), ("?.jsonl", "extra")}


# ------------------------------------------------------------------------- manifests and outcomes


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"files": None}, 'files: null is not of type "array"'),
        ({"files": [{"name": "x"}]}, 'files.0: "lines" is a required property'),
        ({"outcomes": {"exported": -1}}, "outcomes.exported: -1 is less than the minimum of 0"),
        ({"previous": {"crawl_id": "../x", "sha256": ""}}, "previous.crawl_id: "),
        ({"crawl_id": "other"}, "its crawl_id is other"),
        ({"outcomes_file": {"name": "x", "lines": 1, "bytes": 1, "sha256": ""}}, "its outcomes_"),
    ],
)
def test_manifest_of_another_shape(
    folder: Path, data: Path, change: dict[str, Any], detail: str
) -> None:
    last = manifests(folder)[-1]
    change_manifest(last, lambda manifest: manifest.update(change))
    faults = faults_in(data)
    assert (Path(faults[0].path), faults[0].fault) == (last, "manifest")
    assert faults[0].detail.startswith(detail)


@pytest.mark.parametrize("key", ["crawl_id", "finish_reason", "files", "outcomes", "previous"])
def test_manifest_without_a_key(folder: Path, key: str) -> None:
    last = manifests(folder)[-1]
    change_manifest(last, lambda manifest: manifest.pop(key))
    (fault,) = faults_in(last)
    assert (fault.fault, fault.detail) == ("manifest", f'"{key}" is a required property')


def test_manifest_says_something_else_of_a_file(folder: Path, data: Path) -> None:
    for key, other, word in (
        ("lines", 1, "manifest"),
        ("bytes", 1, "altered"),
        ("bytes", 1 << 40, "torn"),
        ("sha256", "0" * 64, "altered"),
        ("name", "other.jsonl", "extra"),
    ):

        def change(manifest: dict[str, Any], key: str = key, other: object = other) -> None:
            manifest["files"][0][key] = other

        seal(folder, change)
        assert (articles(folder).name, word) in words(data)


def test_chain(folder: Path, data: Path) -> None:
    one, two = manifests(folder)
    content = one.read_bytes()
    one.write_bytes(content + b"\n")
    assert words(data) == words(two) == {(two.name, "chain")}
    assert faults_in(one) == []
    one.write_bytes(content)
    change_manifest(two, lambda manifest: manifest["previous"].update(sha256="0" * 64))
    assert words(data) == {(two.name, "chain")}
    change_manifest(two, lambda manifest: manifest["previous"].update(crawl_id="x"))
    assert words(data) == {(two.name, "chain")}


def test_chain_leads_to_another_folder(folder: Path, data: Path, tmp_path: Path) -> None:
    older = tmp_path / "older" / "articles"
    older.mkdir(parents=True)
    crawl_id, two = first(folder), manifests(folder)[1]
    for path in list(folder.glob(f"{crawl_id}.*")):
        path.rename(older / path.name)
    assert words(data) == {(two.name, "chain")}
    assert faults_in(data, older) == faults_in(older.parent, data) == []
    assert faults_in(two, older / f"{crawl_id}{MANIFEST}") == []


def test_outcomes(folder: Path, data: Path) -> None:
    seal(folder, lambda manifest: manifest.pop("outcomes_file"))
    path = folder / f"{first(folder)}{OUTCOMES}"
    content = path.read_bytes()
    lines = read_lines(path)
    exported = [line["outcome"] for line in lines].count("exported")
    number = [line["outcome"] for line in lines].index("exported")

    change_line(path, number, lambda line: line.update(outcome="http_404"))
    (fault,) = faults_in(data)
    assert (Path(fault.path), fault.fault) == (path, "outcomes")
    assert f"{exported - 1:,} exported, the manifest says {exported:,}" in fault.detail
    assert faults_in(path) == [fault]
    changes: list[dict[str, Any]] = [
        {"outcome": "eaten"},
        {"outcome": "exported\n"},
        {"url": lines[number - 1]["url"]},
        {"url": None},
        {"detail": 1},
        {"more": None},
    ]
    for change in changes:
        path.write_bytes(content)
        change_line(path, number, lambda line, change=change: line.update(change))
        faults = faults_in(data)
        assert {(Path(fault.path), fault.fault) for fault in faults} == {(path, "outcomes")}
    path.write_bytes(content + b'{"url":"x","outcome":"robots","detail":null}')
    assert words(data) == {(path.name, "torn")}


# --------------------------------------------------------------------------- records are not right


def test_records(folder: Path, data: Path) -> None:
    """Files whose manifest is true, with records that no crawl may write."""
    content = articles(folder).read_bytes()
    other_id = article_id("https://www.rfi.fr/cn/other")
    changes: list[tuple[str, Change]] = [
        ("schema", lambda record: record.pop("section")),
        ("schema", lambda record: record.update(revision=0)),
        ("schema", lambda record: record.update(revision=1 << 32)),
        ("schema", lambda record: record.update(revision=True)),
        ("schema", lambda record: record.update(images=[{"url": "file:///x"}])),
        ("schema", lambda record: record.update(headline=record.pop("headline"))),
        ("id", lambda record: record.update(id=other_id)),
        ("id", lambda record: record.update(canonical_url="https://www.rfi.fr/cn/other")),
        ("crawl_id", lambda record: record.update(crawl_id=DEAD)),
        ("content_hash", lambda record: record.update(headline="别的")),
        ("content_hash", lambda record: record.update(description="别的")),
        ("content_hash", lambda record: record.update(article_body="别的")),
        ("content_hash", lambda record: record.update(content_hash=f"v1:{'0' * 64}")),
        ("gap", lambda record: record.update(revision=record["revision"] + 2)),
    ]
    for word, change in changes:
        articles(folder).write_bytes(content)
        change_line(articles(folder), -1, change)
        seal(folder)
        assert words(data) >= {(articles(folder).name, word)}, word
        number = len(content.splitlines())
        assert word == "gap" or f"line {number}: " in faults_in(articles(folder))[0].detail


def test_where_a_record_is_wrong(folder: Path, data: Path) -> None:
    images = [{"url": "https://x/", "caption": None, "credit": 5, "width": 1, "height": 1}]
    change_line(articles(folder), 1, lambda record: record.update(images=images))
    seal(folder)
    assert [fault.detail.partition(" 5 ")[0] for fault in faults_in(data)] == [
        "line 2: images.0.credit:"
    ]


def test_few_faults_of_a_kind_are_shown(folder: Path, data: Path) -> None:
    articles(folder).write_bytes(b"{}\n" * 1300 + b"[]\n")
    seal(folder)
    details = [fault.detail for fault in faults_in(data)]
    assert details[:5] == [
        f'line {number}: "schema_version" is a required property' for number in range(1, 6)
    ]
    assert details[5:] == ["1,296 more of this kind"]


def test_revision_stands_twice(folder: Path, data: Path, tmp_path: Path) -> None:
    content = articles(folder).read_bytes()
    lines = content.splitlines(keepends=True)
    articles(folder).write_bytes(content + lines[0])
    seal(folder)
    (fault,) = faults_in(data)
    assert (Path(fault.path), fault.fault) == (articles(folder), "duplicate")
    assert fault.detail.startswith(f"line {len(lines) + 1}: ")
    further = folder / f"{first(folder)}.00002.jsonl"
    articles(folder).write_bytes(content)
    further.write_bytes(lines[1])
    seal(folder)
    (fault,) = faults_in(data)
    assert fault.fault == "duplicate"
    assert told(articles(folder), [fault])
    assert told(further, [fault])
    further.unlink()
    seal(folder)
    copy = Path(shutil.copytree(data, tmp_path / "second"))
    assert {fault.fault for fault in faults_in(data, copy)} == {"duplicate"}


def updated(record: dict[str, Any], revision: int) -> bytes:
    headline = f"Nr. {revision}"
    content = content_hash(headline, record["description"], record["article_body"])
    changed = {"revision": revision, "change": "update", "headline": headline}
    return orjson.dumps(record | changed | {"content_hash": content}) + b"\n"


def test_gap(folder: Path, data: Path) -> None:
    """Revisions may stand in any order and any file, but none may be missing."""
    content = articles(folder).read_bytes()
    record = read_lines(articles(folder))[0]
    further = folder / f"{first(folder)}.00002.jsonl"
    latest = [updated(record, record["revision"] + number) for number in (1, 2, 3)]
    articles(folder).write_bytes(latest[2] + content)
    further.write_bytes(latest[1] + latest[0])
    seal(folder)
    assert faults_in(data) == []
    further.write_bytes(latest[0])
    seal(folder)
    (fault,) = faults_in(data)
    assert (Path(fault.path), fault.fault) == (articles(folder), "gap")
    newest = record["revision"] + 3
    assert fault.detail == f"{record['id']} revision {newest} without revision {newest - 1}"
    assert faults_in(articles(folder)) == []  # what other files hold is not known


def test_retracted_article(folder: Path, data: Path) -> None:
    (record, *_) = read_lines(articles(folder))
    retracted = record | {
        name: [] if isinstance(record[name], list) else None
        for name in ("images", "audios", "videos", "authors", "keywords", "description")
    }
    retracted |= {"revision": record["revision"] + 1, "change": "retracted"}
    retracted |= {"headline": "", "article_body": "", "article_body_html": ""}
    retracted |= {"content_hash": content_hash("", None, "")}
    with articles(folder).open("ab") as file:
        file.write(orjson.dumps(retracted) + b"\n")
    seal(folder)
    assert faults_in(data) == []


# --------------------------------------------------------------------------------------- -o files


def test_files_of_the_users(folder: Path, data: Path, tmp_path: Path) -> None:
    """They may be of any format, may have been moved, and the next crawl may have written on."""
    one, two = manifests(folder)
    csv = tmp_path / "mine" / "articles.csv"
    csv.parent.mkdir()
    csv.write_text("headline\nx\n")
    entry = facts(csv) | {"name": str(csv)}
    first_entry = entry | {"bytes": 5, "sha256": "0" * 64, "lines": 1}
    change_manifest(two, lambda manifest: manifest["files"].append(entry))
    assert notes(data) == notes(two) == {}
    change_manifest(one, lambda manifest: manifest["files"].append(first_entry))
    digest = hashlib.sha256(one.read_bytes()).hexdigest()
    change_manifest(two, lambda manifest: manifest["previous"].update(sha256=digest))
    change_manifest(two, lambda manifest: manifest.update(finished_at="2999-01-01T00:00:00Z"))
    assert notes(data) == {}
    csv.write_text("headline\ny\n")
    assert words(data) == {("articles.csv", "altered")}
    csv.write_text("")
    assert words(data) == {("articles.csv", "torn")}
    csv.unlink()
    assert notes(data) == {"articles.csv": "a file of -o, and no longer there"}
    csv.mkdir()
    assert words(data) == {("articles.csv", "unreadable")}
    csv.rmdir()
    csv.parent.rmdir()
    csv.parent.touch()
    assert notes(data) == {"articles.csv": "a file of -o, and no longer there"}


def test_file_of_the_users_beside_the_articles(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = folder / "mine.jsonl"
    mine.write_text("{}\n")
    last = manifests(folder)[-1]
    entry = facts(mine) | {"name": str(mine)}
    change_manifest(last, lambda manifest: manifest["files"].append(entry))
    monkeypatch.chdir(data)
    assert faults_in(Path()) == faults_in(Path("articles", mine.name)) == []
    mine.write_text("[]\n")
    assert words(Path("articles")) == {(mine.name, "altered")}


# ------------------------------------------------------------------------------ unfinished crawls


@pytest.fixture
def dead(folder: Path) -> list[Path]:
    """What a crawl leaves that was killed."""
    names = (".00002.jsonl.part", OUTCOMES + ".part", MARK)
    content = articles(folder).read_bytes()
    (folder / f"{DEAD}.jsonl").write_bytes(content)
    for name in names:
        (folder / f"{DEAD}{name}").write_bytes(content[: len(content) // 2])
    return [folder / f"{DEAD}{name}" for name in (".jsonl", *names)]


def test_crawl_that_died(data: Path, dead: list[Path]) -> None:
    assert words(data) == {(path.name, "unfinished") for path in dead}
    for path in dead:
        assert words(path) == {(path.name, "unfinished")}
    dead.pop().unlink()
    assert words(data) == {(path.name, "unfinished") for path in dead}


def test_crawl_that_runs(data: Path, dead: list[Path]) -> None:
    with dead[-1].open("r+b") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        assert notes(data) == dict.fromkeys((path.name for path in dead), "its crawl is running")
        for path in dead:
            assert notes(path) == {path.name: "its crawl is running"}
        (data / "articles" / "other.part").touch()
        assert words(data) == {("other.part", "unfinished")}
    (data / "articles" / "other.part").unlink()
    assert words(data) == {(path.name, "unfinished") for path in dead}
    with dead[-1].open("r+b") as mark:  # to look at a mark is not to hold it
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_crawl_that_runs_may_hold_what_is_missing(
    folder: Path, data: Path, dead: list[Path]
) -> None:
    change_line(articles(folder), 0, lambda record: record.update(revision=record["revision"] + 4))
    seal(folder)
    assert (articles(folder).name, "gap") in words(data)
    with dead[-1].open("r+b") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        assert notes(data)[articles(folder).name].endswith("; a crawl was running")


def test_crawl_on_another_host(data: Path, dead: list[Path]) -> None:
    """Its lock may not be seen here, but the time of its mark is."""
    mark = dead[-1]
    mark.write_bytes(orjson.dumps({"host": "elsewhere.example"}))
    assert set(notes(data).values()) == {"its crawl is running"}
    long_ago = time.time() - LEASE - 60
    os.utime(mark, (long_ago, long_ago))
    assert words(data) == {(path.name, "unfinished") for path in dead}
    mark.write_bytes(orjson.dumps({"host": socket.gethostname()}))
    assert words(data) == {(path.name, "unfinished") for path in dead}


@pytest.mark.parametrize("kind", ["pipe", "loop", "folder"])
def test_mark_that_is_no_file(data: Path, dead: list[Path], kind: str) -> None:
    dead[-1].unlink()
    if kind == "pipe":
        os.mkfifo(dead[-1])
    elif kind == "loop":
        dead[-1].symlink_to(dead[-1])
    else:
        dead[-1].mkdir()
    assert words(data) == {(path.name, "unfinished") for path in dead}


def test_crawl_ends_while_it_is_verified(data: Path, folder: Path) -> None:
    """Its files are listed, but by the time they are looked at it has its manifest."""
    one, two = manifests(folder)
    verification = Verification([one, two, articles(folder)])
    names = frozenset(path.name for path in folder.iterdir()) - {one.name}
    gone = folder / f"{articles(folder).name}.part"
    for path in (articles(folder), gone):
        assert list(verification._check_unnamed(path, names, frozenset())) == []
    assert {note.detail for note in verification.notes} == {"its crawl has ended meanwhile"}


# ---------------------------------------------------------------------------------- the command


def test_command_without_faults(data: Path, folder: Path) -> None:
    done = scrapy_verify(data)
    verification = Verification([data])
    list(verification.faults())
    assert (done.returncode, done.stderr) == (0, "")
    files = f"{verification.files} file{'' if verification.files == 1 else 's'}"
    assert done.stdout == f"2 manifests, {files}, {verification.lines:,} lines: no faults\n"


def test_command_with_faults(data: Path, folder: Path) -> None:
    path = articles(folder)
    path.write_bytes(path.read_bytes().replace("青石湾".encode(), "青石弯".encode()))
    (folder / "别的").touch()
    # A terminal that shows no Chinese
    done = scrapy_verify(data, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{path}: sha256 differs from the manifest"
    assert lines[-2] == f"note: {folder}/\\u522b\\u7684: no file of a crawl's"
    assert lines[-1].endswith(f" lines: {len(lines) - 2} faults")


def test_json(data: Path, folder: Path) -> None:
    done = scrapy_verify("--json", data)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(report) == ["ok", "manifests", "files", "lines", "faults", "notes"]
    assert (report["ok"], report["faults"], report["notes"]) == (True, [], [])
    articles(folder).unlink()
    (folder / "README").touch()
    done = scrapy_verify(data, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    detail = "its manifest names it, and it is not there"
    assert not report["ok"]
    assert report["faults"] == [
        {"path": str(articles_path), "fault": "missing", "detail": detail}
        for articles_path in [folder / f"{first(folder)}.jsonl"]
    ]
    assert report["notes"] == [{"path": str(folder / "README"), "detail": "no file of a crawl's"}]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "give the path of a data directory, a manifest or an articles file"),
        ([""], "give the path of a data directory, a manifest or an articles file"),
        (["--bogus", "."], "unknown option --bogus"),
        (["no-such-path", "."], "no such file or directory: no-such-path"),
        (["README.md"], "neither manifest nor JSON Lines file: README.md"),
        (["rfinews"], "no articles/ in rfinews"),
        (["README.md/x"], "cannot read README.md/x: Not a directory"),
    ],
)
def test_wrong_usage(arguments: list[str], line: str) -> None:
    done = scrapy_verify(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"scrapy verify: {line}\n"


def test_no_crawl_yet(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    assert faults_in(tmp_path) == faults_in(tmp_path / "articles") == []
    with pytest.raises(NotVerifiable, match="no articles/ in"):
        Verification([Path(shutil.copytree(tmp_path / "articles", tmp_path / "other"))])


def test_reader_that_goes_away(folder: Path, data: Path) -> None:
    for number in range(3000):
        (folder / f"{number}.jsonl").touch()
    command = [sys.executable, "-m", "scrapy", "verify", str(data)]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 1
        assert process.stderr.read() == b""
