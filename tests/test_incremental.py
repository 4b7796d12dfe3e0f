"""Crawls one after the other: what is new or has changed is exported, once, and nothing else is."""

import json
import os
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.server import MirrorServer
from tests.conftest import PROJECT, files_in, read_lines
from tests.crashes import (
    FEED,
    Bench,
    Ended,
    Launcher,
    Point,
    Record,
    World,
    check,
    manifests,
    records,
    stored,
    until,
)

HOUR = 3600
DAY = 24 * HOUR
SHORT = "https://rfi.my/8x2K"


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer() as started:
        yield started


@pytest.fixture
def bench(launcher: Launcher, server: MirrorServer, tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench", launcher, server)


def world_of(number: int, **options: Any) -> World:
    world = World(**options)
    for each in range(number):
        world.publish(str(each))
    return world


def lines(bench: Bench) -> list[dict[str, Any]]:
    """All records in the order of revisions."""
    every = [line for found in records(bench.data_dir).values() for line in found]
    return sorted(every, key=lambda line: (line["canonical_url"], line["revision"]))


def outcomes_of(bench: Bench, before: set[str]) -> Counter[str]:
    """What became of the addresses in crawls since."""
    counts: Counter[str] = Counter()
    for name in bench.names - before:
        if name.endswith(".outcomes.jsonl"):
            counts.update(line["outcome"] for line in read_lines(bench.articles / name))
    return counts


def asked(server: MirrorServer) -> Counter[str]:
    """How often each address was asked, but for robots.txt."""
    addresses = (request.address for request in server.requests)
    return Counter(each for each in addresses if not each.endswith("/robots.txt"))


# --------------------------------------------------------------------------------- what is an update


@pytest.mark.parametrize("follow", [0, 1])
def test_ten_changed_texts_and_thirty_changed_layouts(
    bench: Bench, server: MirrorServer, follow: int
) -> None:
    world = world_of(60)
    world.put_on(server)
    bench.feedx(follow=follow)
    before = bench.names
    for number in range(10):
        world.publish(str(number), f"松河{number}的桥昨天又关闭了。")
    for number in range(10, 31):
        world.publish(str(number), layout=1 + number % 3)
    for number in range(31, 36):  # punctuation
        world.publish(str(number), f"松河{number}的桥，重新开放！")
    for number in range(36, 40):  # nothing but its date
        world.publish(str(number))
    world.put_on(server)
    bench.feedx(follow=follow)
    check(bench.data_dir, world.expected())
    updates = [line for line in lines(bench) if line["change"] == "update"]
    assert [line["revision"] for line in updates] == [2] * 10
    assert outcomes_of(bench, before) == {"exported": 10, "unchanged": 50}
    bench.feedx(follow=follow)
    check(bench.data_dir, world.expected())


def test_feed_that_repeats_itself_in_another_order(bench: Bench, server: MirrorServer) -> None:
    world = world_of(12)
    names = list(world.articles)
    address = FEED.removeprefix("https://")
    for _ in range(3):
        server.add_page(address, world.feed(names + names[:4]))
        bench.feedx()
        random.Random(1).shuffle(names)
        check(bench.data_dir, world.expected())


def test_text_that_comes_back(bench: Bench, server: MirrorServer) -> None:
    """It is a revision each time."""
    world = world_of(2)
    for text in ("松河0的桥又关了。", "松河0的桥重新开放。"):
        world.put_on(server)
        bench.feedx()
        world.publish("0", text)
    world.put_on(server)
    bench.feedx()
    check(bench.data_dir, world.expected())
    assert len(lines(bench)) == 4


def test_feed_of_a_mirror_that_lags_behind(bench: Bench, server: MirrorServer) -> None:
    world = world_of(3)
    old = world.feed()
    world.publish("1", "松河1的桥又关了。")
    world.put_on(server)
    bench.feedx()
    expected = stored(bench.data_dir)
    server.add_page(FEED.removeprefix("https://"), old)
    bench.feedx()
    check(bench.data_dir, expected)


def test_feed_that_says_less_than_the_page(
    bench: Bench, server: MirrorServer, tmp_path: Path
) -> None:
    """Neither it nor an archive of it is an update, not even a newer one."""
    world = world_of(3)
    world.put_on(server)
    page = world.page("1").replace("重新开放".encode(), "经过修缮重新开放".encode())
    server.add_page(world.address("1").removeprefix("https://"), page)
    bench.feedx(follow=1)
    expected = stored(bench.data_dir)
    url = lines(bench)[1]["canonical_url"]
    assert Record(url, 1, "松河1的桥经过修缮重新开放。") in expected
    bench.feedx()
    check(bench.data_dir, expected)
    world.publish("1", "松河1的桥开放。")
    server.add_page(FEED.removeprefix("https://"), world.feed())
    bench.feedx()
    bench.archive(world.write_archive(tmp_path / "archive"))
    check(bench.data_dir, expected)


@pytest.mark.parametrize("between", ["feedx", "archive"])
def test_page_that_has_changed_is_asked_whoever_told_of_it_first(
    bench: Bench, server: MirrorServer, tmp_path: Path, between: str
) -> None:
    """A crawl without pages cannot export the update, and must not hide it from the next."""
    world = world_of(3)
    world.put_on(server)
    bench.feedx(follow=1)
    world.publish("1", "松河1的桥又关了。")
    world.put_on(server)
    if between == "feedx":
        bench.feedx()
    else:
        bench.archive(world.write_archive(tmp_path / "archive"))
    bench.feedx(follow=1)
    check(bench.data_dir, world.expected())


def test_page_takes_the_place_of_the_feed(bench: Bench, server: MirrorServer) -> None:
    """The same text from the page is no update; another one is."""
    world = world_of(3)
    server.add_page(FEED.removeprefix("https://"), world.feed())
    bench.feedx(follow=1)  # there are no pages
    assert {line["source"] for line in lines(bench)} == {"feedx"}
    for number in range(3):
        world.publish(str(number))
    world.put_on(server)
    page = world.page("2").replace("重新开放".encode(), "经过修缮重新开放".encode())
    server.add_page(world.address("2").removeprefix("https://"), page)
    expected = stored(bench.data_dir)
    bench.feedx(follow=1)
    url = lines(bench)[-1]["canonical_url"]
    check(bench.data_dir, expected | {Record(url, 2, "松河2的桥经过修缮重新开放。")})


def test_old_archive_never_overwrites(bench: Bench, server: MirrorServer, tmp_path: Path) -> None:
    world = world_of(4)
    old = world.write_archive(tmp_path / "archive")
    for number in range(2):
        world.publish(str(number), f"松河{number}的桥又关了。")
    world.put_on(server)
    bench.feedx()
    expected = stored(bench.data_dir)
    bench.archive(old)
    check(bench.data_dir, expected)
    world.publish("3", "松河3的桥又关了。")
    bench.archive(world.write_archive(tmp_path / "archive"))
    url = next(record for record in world.expected() if record.revision == 2 and "3" in record.text)
    check(bench.data_dir, expected | {url})


def test_archive_in_files_of_one_article_each(bench: Bench, tmp_path: Path) -> None:
    """The revisions of an article stand in files that are completed at the same time."""
    world = world_of(5)
    for number in range(5):
        for text in "又关了", "拆了", "重建了":
            world.publish(str(number), f"松河{number}的桥{text}。")
    path = world.write_archive(tmp_path / "archive")
    for _ in range(2):
        bench.archive(path, settings={"RFINEWS_ROTATE_ITEMS": 1})
        check(bench.data_dir, world.expected())


def test_archive_that_grows_in_files_of_two_articles(bench: Bench, tmp_path: Path) -> None:
    """An update that waits for its file to be completed is not taken for old news."""
    world = world_of(6)
    settings = {"RFINEWS_ROTATE_ITEMS": 2}
    for text in "又关了", "拆了", "重建了":
        bench.archive(world.write_archive(tmp_path / "archive"), settings=settings)
        check(bench.data_dir, world.expected())
        for number in range(6):
            world.publish(str(number), f"松河{number}的桥{text}。")
    bench.archive(world.write_archive(tmp_path / "archive"), settings=settings)
    check(bench.data_dir, world.expected())


@pytest.mark.parametrize("spider", ["archive", "feedx"])
def test_killed_after_the_first_of_two_files(
    bench: Bench, server: MirrorServer, tmp_path: Path, spider: str
) -> None:
    """What the second holds are updates, which the store has not seen yet."""
    world = world_of(6)
    options: dict[str, Any] = {"path": tmp_path / "archive"}
    if spider == "feedx":
        options = {"feed": FEED}
    world.write_archive(tmp_path / "archive")
    world.put_on(server)
    bench.run(spider, **options)
    for number in range(6):
        world.publish(str(number), f"松河{number}的桥又关了。")
    world.write_archive(tmp_path / "archive")
    world.put_on(server)
    bench.kill(
        Point("after", 3, "store: COMMIT"), spider, settings={"RFINEWS_ROTATE_ITEMS": 5}, **options
    )
    bench.run(spider, **options)
    check(bench.data_dir, world.expected())


# ---------------------------------------------------------------------------------------- retraction


@pytest.fixture
def young(server: MirrorServer) -> World:
    """Three articles of this hour, whose pages are asked again for two days."""
    world = world_of(3, start=int(time.time()) - HOUR)
    world.put_on(server)
    return world


def gone(server: MirrorServer, world: World, name: str, status: int = 404) -> None:
    server.add_route(world.address(name), {"status": status})


def changes(bench: Bench, world: World, name: str) -> list[tuple[int, str]]:
    """Revisions of an article."""
    return [
        (line["revision"], line["change"])
        for line in lines(bench)
        if line["canonical_url"].endswith(f"-{name}") and name in world.articles
    ]


@pytest.mark.parametrize("status", [404, 410])
def test_page_that_is_gone(bench: Bench, server: MirrorServer, young: World, status: int) -> None:
    """Twice, a day apart: the article is retracted. When it is back, that is an update."""
    bench.feedx(follow=1)
    gone(server, young, "1", status)
    for hours in (2, 3, 3.5):
        bench.feedx(follow=1, clock=hours * HOUR)
        assert changes(bench, young, "1") == [(1, "new")]
    for hours in (27, 28, 60):
        bench.feedx(follow=1, clock=hours * HOUR)
        check(bench.data_dir)
        assert changes(bench, young, "1") == [(1, "new"), (2, "retracted")]
    record = next(line for line in lines(bench) if line["change"] == "retracted")
    schema = json.loads((PROJECT / "rfinews/schemas/article-v1.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(record)
    assert (record["headline"], record["article_body"], record["images"]) == ("", "", [])
    bench.feedx(clock=61 * HOUR)  # what the feed has is not on the page
    assert changes(bench, young, "1") == [(1, "new"), (2, "retracted")]
    gone(server, young, "1", 200)
    young.publish("1")
    young.put_on(server)
    for hours in (62, 63):
        bench.feedx(follow=1, clock=hours * HOUR)
        check(bench.data_dir)
        assert changes(bench, young, "1") == [(1, "new"), (2, "retracted"), (3, "update")]
    assert changes(bench, young, "0") == changes(bench, young, "2") == [(1, "new")]


def test_page_that_is_back_at_once(bench: Bench, server: MirrorServer, young: World) -> None:
    """It has been retracted, and the next feed has it again."""
    bench.feedx(follow=1)
    gone(server, young, "1")
    bench.feedx(follow=1, clock=2 * HOUR)
    bench.feedx(follow=1, clock=27 * HOUR)
    gone(server, young, "1", 200)
    young.publish("1")
    young.put_on(server)
    bench.feedx(follow=1, clock=28 * HOUR)
    check(bench.data_dir)
    assert changes(bench, young, "1") == [(1, "new"), (2, "retracted"), (3, "update")]


def test_page_that_was_gone_for_an_hour(bench: Bench, server: MirrorServer, young: World) -> None:
    bench.feedx(follow=1)
    gone(server, young, "1")
    bench.feedx(follow=1, clock=2 * HOUR)
    gone(server, young, "1", 200)
    bench.feedx(follow=1, clock=27 * HOUR)
    gone(server, young, "1")
    bench.feedx(follow=1, clock=40 * HOUR)
    bench.feedx(follow=1, clock=41 * HOUR)
    check(bench.data_dir, young.expected())


@pytest.mark.parametrize("route", [{"status": 403}, {"status": 500}, {"drop": True}])
def test_page_that_cannot_be_had_is_not_gone(
    bench: Bench, server: MirrorServer, young: World, route: dict[str, Any]
) -> None:
    bench.feedx(follow=1)
    server.add_route(young.address("1"), route)
    for hours in (2, 27, 54):
        bench.feedx(follow=1, clock=hours * HOUR, settings={"RETRY_TIMES": 0})
    check(bench.data_dir, young.expected())


def test_retraction_survives_the_store(bench: Bench, server: MirrorServer, young: World) -> None:
    bench.feedx(follow=1)
    gone(server, young, "1")
    bench.feedx(follow=1, clock=2 * HOUR)
    bench.feedx(follow=1, clock=27 * HOUR)
    assert changes(bench, young, "1") == [(1, "new"), (2, "retracted")]
    remove(bench)
    bench.feedx(follow=1, clock=28 * HOUR)
    bench.feedx(follow=1, clock=60 * HOUR)
    check(bench.data_dir)
    assert changes(bench, young, "1") == [(1, "new"), (2, "retracted")]


# ------------------------------------------------------------------------------ what need not be asked


@pytest.mark.parametrize("follow", [0, 1])
def test_unchanged_feed(bench: Bench, server: MirrorServer, follow: int) -> None:
    """One request, which is answered 304, and no file but outcomes and manifest."""
    world = world_of(60)
    world.put_on(server)
    first = bench.feedx(follow=follow)
    before, content = bench.names, stored(bench.data_dir)
    server.requests.clear()
    second = bench.feedx(follow=follow)
    assert [(request.address, request.status) for request in server.requests] == [
        (FEED.removeprefix("https://"), 304)
    ]
    assert sorted(name.partition(".")[2] for name in bench.names - before) == [
        "manifest.json",
        "outcomes.jsonl",
    ]
    check(bench.data_dir, content)
    print(f"CPU of the first crawl {first.cpu:.3f} s, of the second {second.cpu:.3f} s")
    assert second.cpu < first.cpu


def test_known_pages_are_not_asked_again(bench: Bench, server: MirrorServer) -> None:
    """Where the feed has changed, only those are that are new or have changed in it."""
    world = world_of(20)
    world.put_on(server)
    bench.feedx(follow=1)
    world.publish("7", "松河7的桥又关了。")
    world.publish("新")
    world.put_on(server)
    server.requests.clear()
    bench.feedx(follow=1)
    wanted = [FEED, world.address("7"), world.address("新")]
    assert asked(server) == Counter(each.removeprefix("https://") for each in wanted)
    check(bench.data_dir, world.expected())


@pytest.mark.parametrize("follow", [0, 1])
def test_short_link_is_asked_once_ever(bench: Bench, server: MirrorServer, follow: int) -> None:
    world = world_of(3)
    world.put_on(server)
    server.add_route(SHORT, {"status": 302, "location": world.address("1")})

    def serve_feed() -> None:
        content = world.feed().decode().replace(world.address("1"), SHORT)
        server.add_page(FEED.removeprefix("https://"), content.encode())

    serve_feed()
    bench.feedx(follow=follow)
    world.publish("新")
    world.put_on(server)
    serve_feed()
    bench.feedx(follow=follow)
    world.publish("1", "松河1的桥又关了。")
    world.put_on(server)
    serve_feed()
    bench.feedx(follow=follow)
    check(bench.data_dir, world.expected())
    assert asked(server)[SHORT.removeprefix("https://")] == 1


def test_feed_is_read_again_after_a_crash(bench: Bench, server: MirrorServer) -> None:
    """What the server calls unchanged may not be on file."""
    world = world_of(5)
    world.put_on(server)
    for event in ("write own.jsonl.part", "write own.outcomes.jsonl.part", "unlink own.crawl.part"):
        bench.kill(Point("before", 1, event), "feedx", feed=FEED)
        bench.feedx()
        check(bench.data_dir, world.expected())
        world.publish(event.partition(".")[0].replace(" ", "-"))
        world.put_on(server)


# --------------------------------------------------------------------------------------- a bad store


def store_of(bench: Bench) -> Path:
    return bench.data_dir / "state" / "known.sqlite"


def remove(bench: Bench) -> None:
    for path in files_in(bench.data_dir / "state"):
        path.unlink()


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def overwrite(bench: Bench) -> None:
    path = store_of(bench)
    path.write_bytes(noise(path.stat().st_size))


def overwrite_at(bench: Bench, place: int, size: int) -> None:
    with store_of(bench).open("r+b") as file:
        file.seek(place)
        file.write(noise(size))


def cut(bench: Bench) -> None:
    os.truncate(store_of(bench), store_of(bench).stat().st_size // 2)


def empty(bench: Bench) -> None:
    os.truncate(store_of(bench), 0)


def of_another_program(bench: Bench) -> None:
    store_of(bench).unlink()
    with closing(sqlite3.connect(store_of(bench))) as db:
        db.executescript("CREATE TABLE articles (x); INSERT INTO articles VALUES (1)")


def unfinished(bench: Bench) -> None:
    """A crawl has died that was building the store."""
    store_of(bench).rename(store_of(bench).with_name("known.sqlite.part"))


@pytest.mark.parametrize(
    "harm",
    [
        remove,
        overwrite,
        lambda bench: overwrite_at(bench, 0, 100),
        lambda bench: overwrite_at(bench, 40, 4096),
        cut,
        empty,
        of_another_program,
        unfinished,
    ],
    ids="removed noise header start cut empty foreign unfinished".split(),
)
def test_store_is_built_again(
    bench: Bench, server: MirrorServer, harm: Callable[[Bench], None]
) -> None:
    world = world_of(8)
    world.put_on(server)
    bench.feedx()
    world.publish("3", "松河3的桥又关了。")
    world.put_on(server)
    bench.feedx()
    harm(bench)
    world.publish("新")
    world.publish("4", "松河4的桥又关了。")
    world.put_on(server)
    bench.feedx()
    check(bench.data_dir, world.expected())


def test_damaged_page_anywhere_in_the_store(bench: Bench, tmp_path: Path) -> None:
    world = world_of(30)
    path = world.write_archive(tmp_path / "archive")
    bench.archive(path)
    content = store_of(bench).read_bytes()
    names = bench.names
    for place in range(4096, len(content), 4096):
        store_of(bench).write_bytes(content)
        overwrite_at(bench, place, 4096)
        bench.archive(path)
        check(bench.data_dir, world.expected())
        for name in bench.names - names:
            (bench.articles / name).unlink()


@pytest.mark.parametrize("harm", [remove, overwrite, cut])
@pytest.mark.parametrize("rotate", [10_000, 2])
def test_store_harmed_while_a_crawl_runs(
    bench: Bench, server: MirrorServer, harm: Callable[[Bench], None], rotate: int
) -> None:
    world = world_of(10)
    world.put_on(server)
    bench.feedx(follow=1)
    for number in (2, 8):
        world.publish(str(number), f"松河{number}的桥又关了。")
    world.publish("新")
    world.publish("又新")
    world.put_on(server)
    server.add_route(world.address("新"), {"delay": 0.5})
    running = bench.start("feedx", {"RFINEWS_ROTATE_ITEMS": rotate}, feed=FEED, follow=1)
    until(lambda: bench.parts(".jsonl.part"))
    until(lambda: world.address("新").removeprefix("https://") in asked(server))
    harm(bench)
    ended = running.wait()
    assert "Traceback" not in ended.log, ended.log
    assert ended.status == 0, ended.log
    bench.feedx(follow=1)
    check(bench.data_dir, world.expected())


@pytest.mark.parametrize("what", ["removed", "noise"])
def test_log_of_the_store_is_lost(
    bench: Bench, server: MirrorServer, tmp_path: Path, what: str
) -> None:
    """A crawl has ended while another one ran that died: what the store knew of it is in the log."""
    world = world_of(10)
    world.put_on(server)
    bench.archive(world.write_archive(tmp_path / "archive"))
    world.publish("3", "松河3的桥又关了。")
    world.put_on(server)
    server.add_route(FEED, {"delay": 20})
    dies = bench.start("feedx", feed=FEED)
    until(lambda: len(bench.parts(".outcomes.jsonl.part")) == 1)
    bench.archive(world.write_archive(tmp_path / "archive"))
    dies.send(9)
    dies.wait()
    server.add_route(FEED, {})
    log = store_of(bench).with_name("known.sqlite-wal")
    assert log.stat().st_size > 0
    if what == "removed":
        log.unlink()
    else:
        log.write_bytes(noise(log.stat().st_size))
    bench.feedx()
    check(bench.data_dir, world.expected())


# ---------------------------------------------------------------------------- a bad file system


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A file system in memory; gives a function that changes its options. Skips where there is none."""
    folder.mkdir(parents=True)

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system can be mounted: {error}")

    mount(options)
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fails(bench: Bench, spider: str, **options: Any) -> Ended:
    """A crawl that says in a line why it cannot do its job."""
    ended = bench.run(spider, status=1, **options)
    assert "ERROR" in ended.log
    return ended


@pytest.mark.parametrize("kilobytes", [60, 120, 200])
@pytest.mark.parametrize("rotate", [10_000, 20])
def test_full_disk(bench: Bench, server: MirrorServer, kilobytes: int, rotate: int) -> None:
    """Whatever there is no room for is there after the next crawl that has room."""
    world = world_of(200)
    world.put_on(server)
    settings = {"RFINEWS_ROTATE_ITEMS": rotate}
    with mounted(bench.data_dir, f"size={kilobytes}k") as remount:
        for _ in range(2):
            fails(bench, "feedx", settings=settings, feed=FEED)
        remount("size=20m")
        bench.feedx(settings=settings)
        check(bench.data_dir, world.expected())


def test_disk_that_fills_up(bench: Bench, server: MirrorServer) -> None:
    """Complete files and the store are not touched by a crawl that finds no room."""
    world = world_of(30)
    world.put_on(server)
    with mounted(bench.data_dir, "size=20m") as remount:
        bench.feedx()
        content = {path: path.read_bytes() for path in files_in(bench.articles)}
        for number in range(30, 400):
            world.publish(str(number))
        world.put_on(server)
        used = sum(path.stat().st_blocks for path in files_in(bench.data_dir)) * 512
        remount(f"size={used // 1024 + 120}k")
        fails(bench, "feedx", feed=FEED)
        fails(bench, "archive", path=world.write_archive(bench.folder / "archive"))
        assert {path: path.read_bytes() for path in content} == content
        remount("size=20m")
        bench.feedx()
        check(bench.data_dir, world.expected())


def test_read_only(bench: Bench, server: MirrorServer) -> None:
    world = world_of(5)
    world.put_on(server)
    with mounted(bench.data_dir, "size=20m") as remount:
        bench.kill(Point("before", 1, "replace own.jsonl.part"), "feedx", feed=FEED)
        content = {path: path.read_bytes() for path in files_in(bench.data_dir)}
        remount("ro")
        server.requests.clear()
        fails(bench, "feedx", feed=FEED)
        assert server.requests == []
        assert {path: path.read_bytes() for path in files_in(bench.data_dir)} == content
        remount("rw")
        world.publish("新")
        world.put_on(server)
        bench.feedx()
        check(bench.data_dir, world.expected())


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
@pytest.mark.parametrize("name", ["articles", "state"])
def test_directory_that_may_not_be_written(bench: Bench, server: MirrorServer, name: str) -> None:
    world = world_of(5)
    world.put_on(server)
    bench.feedx()
    world.publish("新")
    world.put_on(server)
    (bench.data_dir / name).chmod(0o500)
    fails(bench, "feedx", feed=FEED)
    (bench.data_dir / name).chmod(0o700)
    bench.feedx()
    check(bench.data_dir, world.expected())


# --------------------------------------------------------------------------------------- the clock


@pytest.mark.parametrize("clocks", [(40 * DAY, 0, 0), (0, 40 * DAY, 0), (0, -40 * DAY, 0)])
@pytest.mark.parametrize("follow", [0, 1])
def test_clock_is_set(
    bench: Bench, server: MirrorServer, clocks: tuple[float, ...], follow: int
) -> None:
    """Ahead and back again: nothing new is passed over, nothing known is exported again."""
    world = world_of(6)
    for number, clock in enumerate(clocks):
        world.put_on(server)
        bench.feedx(follow=follow, clock=clock)
        check(bench.data_dir, world.expected())
        bench.feedx(follow=follow, clock=clock)
        check(bench.data_dir, world.expected())
        world.publish(str(number), f"松河{number}的桥又关了。")
        world.publish(f"新{number}")
    chain = manifests(bench.data_dir)
    assert len(chain) == 6


def test_clock_is_set_while_a_page_is_gone(
    bench: Bench, server: MirrorServer, young: World
) -> None:
    """A day has not gone by because the clock says so."""
    bench.feedx(follow=1)
    gone(server, young, "1")
    bench.feedx(follow=1, clock=10 * DAY)
    bench.feedx(follow=1, clock=2 * HOUR)
    bench.feedx(follow=1, clock=3 * HOUR)
    check(bench.data_dir, young.expected())
