"""Files that appear whole, whatever their format, and JSON Lines with the fields in order."""

import csv
import gzip
import hashlib
import json
import operator
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fixtures.server import MirrorServer
from rfinews.files import PartFile
from rfinews.items import FIELDS
from tests.conftest import Crawl, read_lines

RunCrawl = Callable[..., Crawl]


# --------------------------------------------------------------------------------------- PartFile


def test_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.jsonl"
    file = PartFile(path)
    file.write(b"one\ntwo\n")
    file.write(memoryview(b"three"))
    assert not path.exists()
    assert file.part.read_bytes() == b"one\ntwo\nthree"
    file.finish()
    assert path.read_bytes() == b"one\ntwo\nthree"
    assert list(path.parent.iterdir()) == [path]
    assert (file.size, file.tell(), file.lines, file.lines_before) == (13, 13, 2, 0)
    assert file.digest.digest() == hashlib.sha256(b"one\ntwo\nthree").digest()


def test_file_that_is_only_closed_stays_a_part(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x")
    file.write(b"x")
    file.close()
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.part"]


def test_part_of_a_dead_crawl_is_no_beginning(tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"half a line that was much lon")
    file = PartFile(tmp_path / "x")
    file.write(b"whole\n")
    file.finish()
    assert (tmp_path / "x").read_bytes() == b"whole\n"


def test_appending_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    before = b"line\n" * 500_000  # more than is copied at once
    path.write_bytes(before)
    file = PartFile(path, append=True)
    assert (file.size, file.lines_before) == (len(before), 500_000)
    file.write(b"new\n")
    assert path.read_bytes() == before
    file.finish()
    assert path.read_bytes() == before + b"new\n"
    assert (file.lines, file.lines_before) == (500_001, 500_000)
    assert file.digest.digest() == hashlib.sha256(before + b"new\n").digest()


def test_appending_to_nothing(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x", append=True)
    file.write(b"new\n")
    file.finish()
    assert (tmp_path / "x").read_bytes() == b"new\n"


def test_rewriting(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x")
    file.write(b"a long first version\n\n")
    file.rewrite()
    assert (file.size, file.tell(), file.lines, file.part.stat().st_size) == (0, 0, 0, 0)
    file.write(b"short\n")
    file.write(b"more\n")
    file.finish()
    assert (tmp_path / "x").read_bytes() == b"short\nmore\n"
    assert (file.size, file.lines) == (11, 2)
    assert file.digest.digest() == hashlib.sha256(b"short\nmore\n").digest()


def test_file_belongs_to_one_crawl_at_a_time(tmp_path: Path) -> None:
    first = PartFile(tmp_path / "x")
    first.write(b"first\n")
    with pytest.raises(OSError, match="another crawl is writing it") as error:
        PartFile(tmp_path / "x")
    assert error.value.filename == str(tmp_path / "x.part")
    assert first.part.read_bytes() == b"first\n"
    first.finish()
    second = PartFile(tmp_path / "x", append=True)
    second.write(b"second\n")
    second.finish()
    assert (tmp_path / "x").read_bytes() == b"first\nsecond\n"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_failing_write_is_undone_and_told_once(tmp_path: Path) -> None:
    told: list[OSError] = []
    file = PartFile(tmp_path / "x", failed=told.append)
    with largest_file(1000):
        assert file.write(b"1" * 699 + b"\n") == 700
        assert file.write(b"2" * 699 + b"\n") == 700  # 300 of them fit
        assert file.part.stat().st_size == 700
        file.write(b"3\n")  # would fit
    assert told == [file.error]
    assert (file.size, file.lines, file.part.stat().st_size) == (700, 1, 700)
    with pytest.raises(OSError, match="File too large"):
        file.finish()
    assert not (tmp_path / "x").exists()
    file.complete()
    assert (tmp_path / "x").read_bytes() == b"1" * 699 + b"\n"
    assert file.digest.digest() == hashlib.sha256(b"1" * 699 + b"\n").digest()


def test_rewriting_after_a_failing_write(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "x")
    with largest_file(10):
        file.write(b"much too long")
        file.rewrite()
        file.write(b"short")
        file.finish()
    assert (tmp_path / "x").read_bytes() == b"short"


def test_appending_where_there_is_no_room(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 2000)
    with largest_file(1000), pytest.raises(OSError, match="File too large"):
        PartFile(path, append=True)
    assert path.read_bytes() == b"x" * 2000
    PartFile(path).close()  # nothing keeps it locked


# ------------------------------------------------------------------------------- in a real crawl


def left(crawl: Crawl) -> set[str]:
    """The kinds of the files that it added to its articles."""
    folder = crawl.data_dir / "articles"
    return {file.name.partition(".")[2] for file in crawl.files if file.parent == folder}


def facts(file: Path, *, name: str | None = None) -> dict[str, Any]:
    """What a manifest has to say of a file."""
    content = file.read_bytes()
    lines = gzip.decompress(content) if file.suffix == ".gz" else content
    return {
        "name": name or str(file),
        "lines": lines.count(b"\n"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def own_file(crawl: Crawl) -> Path:
    """The crawl's own articles."""
    assert crawl.manifest is not None, crawl.stderr
    return crawl.data_dir / "articles" / f"{crawl.manifest['crawl_id']}.jsonl"


def assert_listed(crawl: Crawl, *files: Path) -> None:
    """The manifest tells the truth about the crawl's own file and these beside it, and of no other."""
    assert crawl.status == 0
    assert crawl.manifest is not None
    own = own_file(crawl)
    by_name = operator.itemgetter("name")  # they are listed in the order in which they were closed
    assert sorted(crawl.manifest["files"], key=by_name) == sorted(
        [facts(own, name=own.name), *map(facts, files)], key=by_name
    )
    assert len(crawl.records) == crawl.manifest["outcomes"]["exported"]
    assert left(crawl) == {"jsonl", "outcomes.jsonl", "manifest.json"}
    assert not list(crawl.data_dir.rglob("*.part"))
    assert all(not file.with_name(f"{file.name}.part").exists() for file in files)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_formats_hold_the_same(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    csv_file, json_file, lines_file = (tmp_path / f"x.{kind}" for kind in ("csv", "json", "jsonl"))
    feeds = {
        str(csv_file): {"format": "csv"},
        json_file.as_uri(): {"format": "json"},
        str(lines_file): {"format": "jsonlines"},
    }
    done = crawl("feedx", settings={"FEEDS": json.dumps(feeds)}, mirror=mirror)
    assert_listed(done, csv_file, json_file, lines_file)
    records = done.records
    assert all(tuple(record) == FIELDS for record in records)
    assert lines_file.read_bytes() == own_file(done).read_bytes()
    assert json.loads(json_file.read_bytes()) == records
    assert [row["headline"] for row in rows(csv_file)] == [r["headline"] for r in records]
    assert [row["article_body"] for row in rows(csv_file)] == [r["article_body"] for r in records]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_overwriting(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "new folder" / f"x.{kind}"
    file.parent.mkdir()
    file.write_text("before")
    done = crawl("feedx", mirror=mirror, options=["-O", str(file)])
    assert_listed(done, file)
    assert b"before" not in file.read_bytes()
    if kind == "jsonl":
        assert file.read_bytes() == own_file(done).read_bytes()


def test_appending_lines(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    content = b""
    for times in (1, 2):
        data = tmp_path / f"data {times}"  # to neither is anything known
        done = crawl("feedx", mirror=mirror, options=["-o", str(file)], data_dir=data)
        assert_listed(done, file)
        content += own_file(done).read_bytes()
        assert file.read_bytes() == content
        records = read_lines(file)
        assert len(records) == times * len({record["id"] for record in records})
        assert len({record["crawl_id"] for record in records}) == times


def test_what_is_known_is_not_appended_again(
    crawl: RunCrawl, serve: Callable[..., MirrorServer], tmp_path: Path
) -> None:
    file = tmp_path / "x.jsonl"
    options = ["-o", str(file)]

    def feed(*entries: str) -> MirrorServer:
        items = (
            f"<item><title>{entry}</title><description>&lt;p&gt;{entry}&lt;/p&gt;</description>"
            f"<link>https://www.rfi.fr/fr/france/20231107-{entry[0]}</link></item>"
            for entry in entries
        )
        rss = f'<rss version="2.0"><channel>{"".join(items)}</channel></rss>'
        return serve({"feedx.net/rss/rfi.xml": rss.encode()})

    first = crawl("feedx", mirror=feed("a", "b", "c"), options=options)
    assert_listed(first, file)
    second = crawl("feedx", mirror=feed("a", "b again", "c", "d"), options=options)
    assert_listed(second, file)
    assert second.manifest is not None
    assert second.manifest["outcomes"] == {"exported": 2, "unchanged": 2}
    assert [(record["headline"], record["revision"]) for record in read_lines(file)] == [
        *(("a", 1), ("b", 1), ("c", 1), ("b again", 2), ("d", 1))
    ]
    content = file.read_bytes()
    assert content == own_file(first).read_bytes() + own_file(second).read_bytes()
    third = crawl("feedx", mirror=feed("d", "c"), options=options)
    assert third.status == 0
    assert third.manifest is not None
    assert third.manifest["files"] == []
    assert third.manifest["outcomes"] == {"unchanged": 2}
    assert left(third) == {"outcomes.jsonl", "manifest.json"}
    assert file.read_bytes() == content


def test_batches(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    feed: dict[str, Any] = {"format": "jsonl", "batch_item_count": 20}
    feeds = {str(tmp_path / "%(name)s-%(batch_id)d.jsonl"): feed}
    done = crawl("feedx", settings={"FEEDS": json.dumps(feeds)}, mirror=mirror)
    files = [tmp_path / f"feedx-{number}.jsonl" for number in (1, 2, 3)]
    assert_listed(done, *files)
    assert [len(read_lines(file)) for file in files[:2]] == [20, 20]
    assert b"".join(file.read_bytes() for file in files) == own_file(done).read_bytes()


def test_chosen_and_renamed_fields(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    some, renamed = tmp_path / "some.jsonl", tmp_path / "renamed.jsonl"
    feeds = {
        str(some): {"format": "jsonl", "fields": ["headline", "images"]},
        str(renamed): {"format": "jsonl", "fields": {"id": "key", "column": "series"}},
    }
    done = crawl("feedx", settings={"FEEDS": json.dumps(feeds)}, mirror=mirror)
    assert_listed(done, some, renamed)
    assert {tuple(record) for record in read_lines(some)} == {("headline", "images")}
    assert {tuple(record) for record in read_lines(renamed)} == {("key", "series")}
    assert [record["key"] for record in read_lines(renamed)] == [r["id"] for r in done.records]
    assert all(tuple(record) == FIELDS for record in done.records)  # whatever others choose
    pictures = [image for record in read_lines(some) for image in record["images"]]
    assert {tuple(image) for image in pictures} == {("url", "caption", "credit", "width", "height")}


def test_standard_output(crawl: RunCrawl, mirror: MirrorServer) -> None:
    done = crawl("feedx", mirror=mirror, options=["-o", "-:jsonl"])
    assert_listed(done)
    assert done.stdout.encode() == own_file(done).read_bytes()


def test_compressed(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    plain = crawl("feedx", mirror=mirror, data_dir=tmp_path / "plain")
    done = crawl("feedx", settings={"RFINEWS_COMPRESS": "gz"}, mirror=mirror)
    assert left(done) == {"jsonl.gz", "outcomes.jsonl", "manifest.json"}
    assert not list(done.data_dir.rglob("*.part"))
    (file,) = [file for file in done.files if file.name.endswith(".jsonl.gz")]
    assert done.manifest is not None
    assert done.manifest["files"] == [facts(file, name=file.name)]
    assert done.manifest["files"][0]["lines"] == done.manifest["outcomes"]["exported"]
    assert 0 < file.stat().st_size < own_file(plain).stat().st_size
    hashes, plain_hashes = (
        [record["content_hash"] for record in each.records] for each in (done, plain)
    )
    assert hashes == plain_hashes


def test_rotation(crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path) -> None:
    """The articles are the same in several files; each is known once its file is complete."""
    whole = crawl("feedx", mirror=mirror, data_dir=tmp_path / "whole")
    done = crawl("feedx", settings={"RFINEWS_ROTATE_ITEMS": 20}, mirror=mirror)
    own = own_file(done)
    files = [own, *(own.with_name(f"{own.stem}.{number:05}.jsonl") for number in (2, 3))]
    assert [len(read_lines(file)) for file in files[:2]] == [20, 20]
    assert done.manifest is not None
    assert done.manifest["files"] == [facts(file, name=file.name) for file in files]
    assert left(done) == {
        *("jsonl", "00002.jsonl", "00003.jsonl", "outcomes.jsonl", "manifest.json")
    }
    hashes, whole_hashes = (
        [record["content_hash"] for file in each for record in read_lines(file)]
        for each in (files, [own_file(whole)])
    )
    assert hashes == whole_hashes
    again = crawl("feedx", settings={"RFINEWS_ROTATE_ITEMS": 20}, mirror=mirror)
    assert left(again) == {"outcomes.jsonl", "manifest.json"}


def test_file_that_another_crawl_is_writing(
    crawl: RunCrawl, mirror: MirrorServer, tmp_path: Path
) -> None:
    """What was exported until then stands in the crawl's own file, the rest in the next crawl's."""
    whole = crawl("feedx", mirror=mirror, data_dir=tmp_path / "whole")
    file = PartFile(tmp_path / "x.jsonl")
    file.write(b"{}\n")
    done = crawl("feedx", mirror=mirror, options=["-O", str(file.path)])
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count(f"Cannot write {file.path}: another crawl is writing it") == 1
    assert done.manifest is not None
    assert done.manifest["finish_reason"] == "not_stored"
    own = own_file(done)
    assert done.manifest["files"] == [facts(own, name=own.name)]
    assert done.manifest["outcomes"]["exported"] == len(done.records)
    file.finish()
    assert file.path.read_bytes() == b"{}\n"
    rest = crawl("feedx", mirror=mirror, options=["-O", str(file.path)])
    assert_listed(rest, file.path)
    assert file.path.read_bytes() == own_file(rest).read_bytes()
    hashes, whole_hashes = (
        sorted(record["content_hash"] for record in records)
        for records in (done.records + rest.records, whole.records)
    )
    assert hashes == whole_hashes  # nothing lost, nothing twice
