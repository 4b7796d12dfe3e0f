"""The store alone, beside files written by hand: what it knows and what it writes.

In SQLite and in PostgreSQL it is the same; what is of one alone is in ``test_store_sqlite.py`` and
``test_store_postgres.py``.
"""

import gzip
import logging
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfinews.dates import from_seconds
from rfinews.files import PART
from rfinews.revisions import Known
from rfinews.store import Answer, Seen, Store, StoreError, chain
from rfinews.store.home import Database
from tests.stores import (
    HISTORIES,
    HOUR,
    NOW,
    ONE,
    THREE,
    TWO,
    Opened,
    address,
    complete,
    crawl_all,
    dump,
    end,
    facts,
    gone,
    id_of,
    known,
    lines_of,
    link,
    names_in,
    read_manifest,
    rebuilt_dump,
    record,
    records_in,
    stores,
    without_asked_at,
    write_part,
)
from tests.test_output import largest_file


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the store is; `None`: in a file of the data directory."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.fixture
def opened(tmp_path: Path, url: str | None) -> Iterator[Opened]:
    with stores(tmp_path, url) as opened:
        yield opened


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened(ONE)


def lose(store: Store) -> None:
    """Remove it, as when somebody has restored the files alone."""
    if store.home.is_shared:
        store.home.do(lambda db: db.execute("DROP SCHEMA rfinews_store CASCADE"))
    else:
        store.path.unlink()
    store.close()


# -------------------------------------------------------------------------------- files and revisions


def test_article_is_known_once_its_file_is_complete(store: Store, opened: Opened) -> None:
    other = opened(TWO)
    one = record(1, date_modified=from_seconds(NOW - 90))
    part = write_part(store.articles, f"{ONE}.jsonl", lines_of([one, record(2)]))
    content = part.read_bytes()
    assert store.known(id_of(1)) is None
    done = store.complete(part)
    assert names_in(store.articles) == [f"{ONE}.jsonl"]
    assert (store.articles / f"{ONE}.jsonl").read_bytes() == content
    assert done.facts == facts(store.articles / f"{ONE}.jsonl")
    assert [verdict[:2] for verdict in done.verdicts] == [(1, "new"), (1, "new")]
    for each in (store, other, opened(None)):
        known_of_it = known(each, 1)
        assert known_of_it == Known(
            number=known_of_it.number,
            revision=1,
            change="new",
            source="feedx",
            content_hash=one["content_hash"],
            feed_date=NOW - HOUR,
            date_modified=NOW - 90,
            published=NOW - 2 * HOUR,
            feed_hash=None,
            page_hash=None,
            lastmod=None,
            asked_at=None,
            next_check=NOW + 2 * HOUR,
            gone_since=None,
        )
        assert each.known(id_of(2)) is not None
        assert each.known(id_of(3)) is None


def test_what_is_no_news_is_left_out_and_what_is_gets_its_number(store: Store) -> None:
    complete(store, [record(1), record(2), record(3)])
    later = from_seconds(NOW)
    second = [
        record(1),
        record(2, "second", feed_date=later),
        record(4),
        record(3, "second", feed_date=from_seconds(NOW - 2 * HOUR)),
        gone(1),
    ]
    done = complete(store, second, f"{TWO}.jsonl")
    assert [verdict[:2] for verdict in done.verdicts] == [
        (None, "update"),
        (2, "update"),
        (1, "new"),
        (None, "update"),
        (2, "retracted"),
    ]
    assert done.verdicts[3].reason == "older than revision 1"
    path = store.articles / f"{TWO}.jsonl"
    assert records_in(path) == [
        second[1] | {"revision": 2, "change": "update"},
        second[2],
        second[4] | {"revision": 2, "change": "retracted"},
    ]
    assert [list(each) for each in records_in(path)] == 3 * [list(second[0])]
    assert done.facts == facts(path)
    assert names_in(store.articles) == [f"{ONE}.jsonl", f"{TWO}.jsonl"]
    assert (known(store, 1).revision, known(store, 1).change) == (2, "retracted")
    assert (known(store, 2).revision, known(store, 2).feed_date) == (2, NOW)
    assert (known(store, 3).revision, known(store, 4).revision) == (1, 1)


def test_revision_that_is_right_already(store: Store) -> None:
    complete(store, [record(1)])
    second = lines_of([record(1, "second", revision=2, change="update")])
    part = write_part(store.articles, f"{TWO}.jsonl", second)
    inode = part.stat().st_ino
    store.complete(part)
    assert (store.articles / f"{TWO}.jsonl").stat().st_ino == inode  # not copied
    assert (store.articles / f"{TWO}.jsonl").read_bytes() == second[0]


def test_article_twice_in_a_file(store: Store) -> None:
    """As an archive has it: one revision after the other, and one that returns to the first."""
    texts = ("first", "second", "second", "first")
    dated = [
        record(1, text, feed_date=from_seconds(NOW - HOUR + number))
        for number, text in enumerate(texts)
    ]
    done = complete(store, dated)
    assert [verdict.revision for verdict in done.verdicts] == [1, 2, None, 3]
    path = store.articles / f"{ONE}.jsonl"
    assert [(each["revision"], each["headline"]) for each in records_in(path)] == [
        (1, "first"),
        (2, "second"),
        (3, "first"),
    ]


def test_gone_and_back_again(store: Store) -> None:
    page = record(1, source="rfi", article_body="一")
    complete(store, [page])
    complete(store, [gone(1)], f"{TWO}.jsonl")
    assert known(store, 1).next_check is None
    done = complete(store, [page, record(1, "second")], f"{THREE}.jsonl")
    assert [verdict[:2] for verdict in done.verdicts] == [(3, "update"), (None, "update")]
    assert known(store, 1).next_check is not None


def test_no_news_no_file(store: Store, opened: Opened) -> None:
    complete(store, [record(1)])
    before = (store.articles / f"{ONE}.jsonl").read_bytes()
    done = complete(store, [record(1), record(1, "", change="retracted", id=id_of(9))], TWO)
    assert done.facts is None
    assert [verdict.revision for verdict in done.verdicts] == [None, None]
    assert names_in(store.articles) == [f"{ONE}.jsonl"]
    assert (store.articles / f"{ONE}.jsonl").read_bytes() == before
    complete(opened(TWO), [record(2)], f"{TWO}.jsonl")  # the name is free
    assert names_in(store.articles) == [f"{ONE}.jsonl", f"{TWO}.jsonl"]


def test_empty_part(store: Store) -> None:
    assert complete(store, []) == (None, [])
    assert names_in(store.articles) == []


@pytest.mark.parametrize("cut", [1, 2, 100, 700])
def test_torn_line_is_left_out(store: Store, cut: int) -> None:
    lines = lines_of([record(1), record(2)])
    lines[1] = lines[1][:-1][:-cut]
    done = store.complete(write_part(store.articles, f"{ONE}.jsonl", lines))
    assert [verdict.reason for verdict in done.verdicts] == [None, "torn"]
    path = store.articles / f"{ONE}.jsonl"
    assert path.read_bytes() == lines[0]
    assert done.facts == facts(path)
    assert store.known(id_of(2)) is None


def test_noise_in_the_middle_is_left_out(store: Store) -> None:
    lines = lines_of([record(1), record(2)])
    noise = [b"\x00\xff\n", b"{}\n", b"[]\n", b"\n"]
    done = store.complete(write_part(store.articles, f"{ONE}.jsonl", [*noise, *lines, *noise]))
    assert len(done.verdicts) == 10
    assert (store.articles / f"{ONE}.jsonl").read_bytes() == b"".join(lines)


def test_record_that_lacks_what_it_must_have_is_left_out(store: Store) -> None:
    lines = lines_of([record(1, canonical_url=None), record(2)])
    store.complete(write_part(store.articles, f"{ONE}.jsonl", lines))
    assert store.known(id_of(2)) is not None


def test_compressed(store: Store, opened: Opened) -> None:
    done = complete(store, [record(1), record(2)], compress=True)
    path = store.articles / f"{ONE}.jsonl.gz"
    assert names_in(store.articles) == [path.name]
    assert gzip.decompress(path.read_bytes()) == b"".join(lines_of([record(1), record(2)]))
    assert done.facts == facts(path)
    again = complete(opened(TWO), [record(1), record(3)], f"{TWO}.jsonl", compress=True)
    assert again.facts == facts(store.articles / f"{TWO}.jsonl.gz")
    assert records_in(store.articles / f"{TWO}.jsonl.gz") == [record(3)]
    assert complete(store, [record(1)], f"{THREE}.jsonl", compress=True).facts is None
    assert len(names_in(store.articles)) == 2


def test_compressed_file_does_not_say_when_it_was_made(store: Store) -> None:
    """The same articles make the same file."""
    complete(store, [record(1)], compress=True)
    assert (store.articles / f"{ONE}.jsonl.gz").read_bytes()[4:8] == bytes(4)


def test_two_crawls_with_the_same_articles(opened: Opened) -> None:
    first, second = opened(ONE), opened(TWO)
    parts = [
        write_part(first.articles, f"{crawl}.jsonl", lines_of(record(n) for n in numbers))
        for crawl, numbers in ((ONE, (1, 2, 3)), (TWO, (3, 4, 2)))
    ]
    assert [verdict.revision for verdict in first.complete(parts[0]).verdicts] == [1, 1, 1]
    assert [verdict.revision for verdict in second.complete(parts[1]).verdicts] == [None, 1, None]
    assert records_in(first.articles / f"{TWO}.jsonl") == [record(4)]


def test_many_crawls_at_once(opened: Opened, tmp_path: Path) -> None:
    """Each finds articles of the others, newer texts and other ones."""
    dice = random.Random(1)
    crawls = [opened(f"feedx-20231107T120000Z-{number}") for number in range(4)]
    for store in crawls:
        for number in range(1, 6):
            some = [
                record(dice.randrange(20), str(date), feed_date=from_seconds(NOW - HOUR + date))
                for date in (dice.randrange(9) for _ in range(30))
            ]
            name = f"{store.crawl_id}.{number:05d}.jsonl"
            write_part(store.articles, name, lines_of(some))
    errors = []

    def work(store: Store) -> None:
        try:
            for part in sorted(store.articles.glob(f"{store.crawl_id}.*{PART}")):
                store.complete(part, compress=part.name.endswith("2.jsonl.part"))
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=[store]) for store in crawls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    records = [each for path in crawls[0].articles.iterdir() for each in records_in(path)]
    assert not list(crawls[0].articles.glob(f"*{PART}"))
    counts = Counter((each["id"], each["revision"]) for each in records)
    assert set(counts.values()) == {1}
    for number in range(20):
        revisions = sorted(each["revision"] for each in records if each["id"] == id_of(number))
        assert revisions == list(range(1, known(crawls[0], number).revision + 1))
    assert dump(crawls[0]) == rebuilt_dump(tmp_path)


# ----------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("compress", [False, True])
def test_file_that_cannot_be_written(store: Store, tmp_path: Path, compress: bool) -> None:
    """No room for a copy: nothing has happened."""
    complete(store, [record(0)])
    noise = random.Random(1).randbytes(3000).hex()
    records = [record(0), *(record(number, noise[number:]) for number in range(1, 20))]
    part = write_part(store.articles, f"{TWO}.jsonl", lines_of(records))
    content, before = part.read_bytes(), dump(store)
    with largest_file(2000), pytest.raises((OSError, StoreError)):
        store.complete(part, compress=compress)
    assert part.read_bytes() == content
    names = {name for name in names_in(store.articles) if not name.endswith(f".copy{PART}")}
    assert names == {f"{ONE}.jsonl", part.name}
    assert dump(store) == before
    assert store.known(id_of(1)) is None
    done = store.complete(part, compress=compress)
    assert [verdict.revision for verdict in done.verdicts] == [None, *([1] * 19)]
    assert dump(store) == rebuilt_dump(tmp_path)


def test_part_that_is_gone(store: Store, tmp_path: Path) -> None:
    before = dump(store)
    with pytest.raises(FileNotFoundError):
        store.complete(store.articles / f"{ONE}.jsonl.part")
    assert dump(store) == before


def test_next_crawl_finds_what_is_complete(opened: Opened, tmp_path: Path) -> None:
    opened(ONE).close()
    (tmp_path / "articles" / f"{TWO}.jsonl").write_bytes(b"".join(lines_of([record(1)])))
    assert opened(None).known(id_of(1)) is None
    assert known(opened(THREE), 1).revision == 1


# ------------------------------------------------------------------------------- building it again


@given(HISTORIES, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_built_again_it_says_the_same_in_whatever_order(
    history: list[list[dict[str, Any]]], dice: random.Random
) -> None:
    """But for `asked_at`, see below."""
    with TemporaryDirectory() as name, stores(Path(name)) as opened:
        crawls = [opened(ONE), opened(TWO)]
        crawl_all(crawls, history)
        again = rebuilt_dump(Path(name), lambda names: dice.sample(names, len(names)))
        assert without_asked_at(again) == without_asked_at(dump(crawls[0]))


@given(HISTORIES)
@settings(max_examples=20, deadline=None)
def test_each_revision_stands_in_one_file(history: list[list[dict[str, Any]]]) -> None:
    with TemporaryDirectory() as name, stores(Path(name)) as opened:
        crawls = [opened(ONE), opened(TWO)]
        crawl_all(crawls, history)
        folder = Path(name) / "articles"
        records = [each for path in folder.iterdir() for each in records_in(path)]
        in_store = sorted(dump(crawls[0])["revisions"])
        assert sorted((bytes.fromhex(each["id"]), each["revision"]) for each in records) == [
            row[:2] for row in in_store
        ]
        for id_ in {row[0] for row in in_store}:
            revisions = [row for row in in_store if row[0] == id_]
            assert [row[1] for row in revisions] == list(range(1, len(revisions) + 1))


def test_when_the_page_was_had_stays_known(store: Store, tmp_path: Path) -> None:
    complete(store, [record(1, source="rfi", article_body="一")])
    complete(store, [gone(1)], f"{TWO}.jsonl")
    assert known(store, 1).asked_at == NOW
    for order in (list, lambda names: names[::-1]):
        assert rebuilt_dump(tmp_path, order) == dump(store)


def test_when_the_page_was_had_last(store: Store, tmp_path: Path) -> None:
    """Of two crawls at once the one that had the page first may be the last to complete its file."""
    page = {"source": "rfi", "article_body": "一"}
    complete(store, [record(1, **page)])
    earlier = from_seconds(NOW - HOUR)
    complete(store, [record(1, "second", crawled_at=earlier, **page)], f"{TWO}.jsonl")
    assert known(store, 1).asked_at == NOW
    for order in (list, lambda names: names[::-1]):
        assert rebuilt_dump(tmp_path, order) == dump(store)


def test_first_and_last_seen(opened: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    for number, (seen, text) in enumerate(((5, "two"), (9, "three"), (7, "one")), start=1):
        made = record(1, text, revision=[2, 3, 1][number - 1], crawled_at=from_seconds(NOW - seen))
        (folder / f"{ONE}.{number:05d}.jsonl").write_bytes(b"".join(lines_of([made])))
    told = opened(None).biography(id_of(1))
    assert told is not None
    assert (told["first_seen"], told["last_seen"]) == (from_seconds(NOW - 9), from_seconds(NOW - 5))
    assert (told["revision"], [each["revision"] for each in told["revisions"]]) == (3, [1, 2, 3])
    assert told["content_hash"] == record(1, "three")["content_hash"]


def test_building_is_told(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    store = opened(ONE)
    assert caplog.messages == []
    complete(store, [record(1)])
    lose(store)
    assert known(opened(TWO), 1)
    told = [message.partition(" in ")[0] for message in caplog.messages]
    if store.home.is_shared:
        assert told == [f"{store.articles.parent} joins the store with 1 files"]
    else:
        assert told == ["No store", "Store built: 1 known articles"]


@pytest.mark.parametrize("name", [f"{TWO}.jsonl", f"{TWO}.jsonl.gz"])
def test_file_that_cannot_be_read(
    opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """It is told of; what the others hold is known."""
    complete(opened(ONE), [record(1)])
    path = tmp_path / "articles" / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(b"".join(lines_of([record(2)])))[:-20])
    else:
        path.mkdir()
    assert known(opened(THREE), 1)
    (line,) = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    assert line.message.startswith(f"Cannot read {name}, see scrapy verify: ")
    assert "\n" not in line.message


def test_file_that_could_not_be_read_once(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "articles" / f"{ONE}.jsonl"
    path.mkdir(parents=True)
    opened(TWO).close()
    path.rmdir()
    path.write_bytes(b"".join(lines_of([record(1)])))
    assert opened(THREE).known(id_of(1)) is not None


# -------------------------------------------------------------------------- what was only seen


def seen(store: Store, number: int = 1, **facts: Any) -> Known:
    store.remember({id_of(number): Seen(**{"at": NOW, **facts})})
    return known(store, number)


def test_what_was_seen_of_an_article(store: Store, opened: Opened) -> None:
    complete(store, [record(1), record(2)])
    before = known(store, 1)
    after = seen(store, feed_date=NOW, feed_hash="f", page_hash="p", lastmod=7, asked_at=NOW)
    assert after == before._replace(
        feed_date=NOW, feed_hash="f", page_hash="p", lastmod=7, asked_at=NOW
    )
    assert seen(store) == after
    assert seen(store, feed_date=NOW - 9 * HOUR, feed_hash="g") == after._replace(feed_hash="g")
    assert known(store, 2).feed_hash is None
    assert known(opened(None), 1) == known(store, 1)


def test_answer_of_a_page(store: Store) -> None:
    complete(store, [record(1)])
    asked = seen(store, was_asked=True, next_check=NOW + 5, gone_since=NOW)
    assert (asked.next_check, asked.gone_since) == (NOW + 5, NOW)
    assert seen(store, next_check=NOW + 9) == asked
    asked = seen(store, was_asked=True)
    assert (asked.next_check, asked.gone_since) == (None, None)


def test_article_that_is_exported_again_is_not_gone(store: Store) -> None:
    complete(store, [record(1)])
    seen(store, was_asked=True, gone_since=NOW)
    complete(store, [record(1, "second")], f"{TWO}.jsonl")
    assert known(store, 1).gone_since is None


def test_last_seen(store: Store) -> None:
    complete(store, [record(1)])
    for at, last in ((NOW + 9, NOW + 9), (NOW + 3, NOW + 9)):
        seen(store, at=at)
        told = store.biography(id_of(1))
        assert told is not None
        assert (told["first_seen"], told["last_seen"]) == (from_seconds(NOW), from_seconds(last))


def test_article_without_a_feed_date(store: Store) -> None:
    complete(store, [record(1, feed_date=None)])
    assert seen(store).feed_date is None
    assert seen(store, feed_date=NOW).feed_date == NOW
    assert seen(store).feed_date == NOW


def test_unknown_article_is_not_seen(store: Store) -> None:
    store.remember({id_of(9): Seen(NOW)}, [("https://rfi.my/x", id_of(9), "redirect")])
    assert store.known(id_of(9)) is None
    assert store.resolve("https://rfi.my/x") == "https://rfi.my/x"


def test_all_or_nothing(store: Store) -> None:
    complete(store, [record(1)])
    before = known(store, 1)
    broken: Any = [("https://rfi.my/x", id_of(1), None)]
    with pytest.raises(StoreError):
        store.remember({id_of(1): Seen(NOW, feed_hash="f")}, broken)
    assert known(store, 1) == before


# ------------------------------------------------------------------------------------ aliases


def test_aliases(store: Store, opened: Opened) -> None:
    written = "https://www.rfi.fr/cn/20231107-1?from=feed"
    complete(store, [record(1, url=written), record(2)])
    store.remember(aliases=[("https://rfi.my/1", id_of(1), "short link")])
    for each in (store, opened(TWO)):
        assert each.resolve(written) == address(1)
        assert each.resolve("https://rfi.my/1") == address(1)
        assert each.resolve(address(2)) == address(2)
        assert each.resolve("https://rfi.my/2") == "https://rfi.my/2"
    told = store.biography(id_of(1))
    assert told is not None
    assert told["aliases"] == [
        {"alias": "https://rfi.my/1", "rule": "short link", "crawl_id": ONE},
        {"alias": written, "rule": "spelling", "crawl_id": ONE},
    ]


def test_address_of_what_is_gone_is_no_alias(store: Store) -> None:
    complete(store, [record(1)])
    complete(store, [gone(1, url="https://rfi.my/1")], f"{TWO}.jsonl")
    assert store.resolve("https://rfi.my/1") == "https://rfi.my/1"


def test_short_link_that_leads_elsewhere_now(store: Store) -> None:
    complete(store, [record(1), record(2)])
    for number in (1, 2):
        store.remember(aliases=[("https://rfi.my/x", id_of(number), "short link")])
        assert store.resolve("https://rfi.my/x") == address(number)
    assert (told := store.biography(id_of(1))) is not None
    assert told["aliases"] == []


# -------------------------------------------------------------------------------- when to look again


@pytest.mark.parametrize(
    ("age", "after"),
    [
        (-9 * HOUR, HOUR),
        (0, HOUR),
        (HOUR, HOUR),
        (2 * HOUR, 2 * HOUR),
        (24 * HOUR, 24 * HOUR),
        (24 * HOUR + 1, None),
        (99 * HOUR, None),
    ],
)
def test_next_check(tmp_path: Path, age: int, after: int | None) -> None:
    next_check = Store(tmp_path, 48).next_check(NOW - age, NOW)
    assert next_check == (None if after is None else NOW + after)


@pytest.mark.parametrize(
    ("hours", "checks"),
    [
        (0, []),
        (0.5, []),
        (1, [1]),
        (2, [1, 2]),
        (48, [1, 2, 4, 8, 16, 32]),
        (168, [1, 2, 4, 8, 16, 32, 64, 128]),
    ],
)
def test_checks_grow_rarer_until_the_article_is_old(
    tmp_path: Path, hours: float, checks: list[int]
) -> None:
    store = Store(tmp_path, hours)
    times: list[int] = []
    when = store.next_check(NOW, NOW)
    while when is not None:
        times.append((when - NOW) // HOUR)
        when = store.next_check(NOW, when)
    assert times == checks


def test_due(store: Store) -> None:
    old = from_seconds(NOW - 99 * HOUR)
    complete(
        store,
        [
            record(1),
            record(2, date_published=from_seconds(NOW)),
            record(3, date_published=old),
            record(4, crawl_id="rfi-20231107T120000Z-1"),
            record(5),
            gone(5),
        ],
    )
    assert store.due("feedx", NOW) == []
    assert store.due("feedx", NOW + HOUR) == [address(2)]
    assert sorted(store.due("feedx", NOW + 2 * HOUR)) == [address(1), address(2)]
    assert store.due("rfi", NOW + 2 * HOUR) == [address(4)]
    seen(store, 2, was_asked=True)
    seen(store, 1, was_asked=True, next_check=NOW + 3 * HOUR)
    assert store.due("feedx", NOW + 2 * HOUR) == []
    assert store.due("feedx", NOW + 3 * HOUR) == [address(1)]


def test_page_that_nobody_came_to_ask_for(opened: Opened) -> None:
    """After a week's pause, or twice the time in which pages are asked again, it is too late."""
    store = opened(ONE)
    day = 24 * HOUR
    complete(store, [record(1), record(2)])
    for number, days in ((1, 6), (2, 8)):
        seen(store, number, was_asked=True, next_check=NOW - days * day)
    assert len(opened(None).due("feedx", NOW)) == 2
    assert len(opened(TWO, recheck_hours=5 * 24).due("feedx", NOW)) == 2
    assert opened(THREE).due("feedx", NOW) == [address(1)]


# ------------------------------------------------------------------------- answers and outcomes


def test_answers(store: Store, opened: Opened) -> None:
    url = "https://feedx.net/rss/rfi.xml"
    answer = Answer('"1"', "Tue, 07 Nov 2023 12:00:00 GMT", None, NOW)
    robots = Answer(None, None, b"User-agent: *\n\x00", NOW)
    store.remember(answers={("feed", url): answer, ("robots.txt", url): robots})
    for each in (store, opened(TWO)):
        assert each.answer("feed", url) == answer
        assert each.answer("robots.txt", url) == robots
        assert each.answer("feed", f"{url}/") is None
    newer = answer._replace(etag=None, at=NOW + 1)
    store.remember(answers={("feed", url): newer})
    assert store.answer("feed", url) == newer


def test_validators_are_forgotten_and_bodies_kept(store: Store) -> None:
    feed, robots = Answer('"1"', None, None, NOW), Answer(None, None, b"", NOW)
    store.remember(answers={("feed", "x"): feed, ("robots.txt", "x"): robots})
    store.forget_answers()
    assert store.answer("feed", "x") is None
    assert store.answer("robots.txt", "x") == robots


def test_outcomes(store: Store, opened: Opened) -> None:
    store.remember(outcomes=[(address(1), "exported", None), ("mailto:x", "offsite", "no RFI")])
    assert store.outcome(address(1)) == {"outcome": "exported", "detail": None, "crawl_id": ONE}
    assert store.outcome("mailto:x") == {
        "outcome": "offsite",
        "detail": "no RFI",
        "crawl_id": ONE,
    }
    assert store.outcome(address(2)) is None
    opened(TWO).remember(outcomes=[(f"{address(1)}/?x#y", "network", "refused")])
    spelt = "http://rfi.fr//cn/20231107-1"
    assert store.outcome(spelt) == {"outcome": "network", "detail": "refused", "crawl_id": TWO}


def test_biography(store: Store) -> None:
    first = record(1, date_modified=from_seconds(NOW - 60))
    complete(store, [first])
    second = record(1, "second", crawled_at=from_seconds(NOW + 60))
    complete(store, [second], f"{TWO}.jsonl.gz".removesuffix(".gz"), compress=True)
    assert store.biography(id_of(2)) is None
    assert store.biography(id_of(1)) == {
        "id": id_of(1),
        "canonical_url": address(1),
        "spider": "feedx",
        "revision": 2,
        "change": "update",
        "source": "feedx",
        "content_hash": second["content_hash"],
        "feed_date": from_seconds(NOW - HOUR),
        "date_modified": None,
        "published": from_seconds(NOW - 2 * HOUR),
        "first_seen": from_seconds(NOW),
        "last_seen": from_seconds(NOW + 60),
        "feed_hash": None,
        "page_hash": None,
        "lastmod": None,
        "asked_at": None,
        "next_check": from_seconds(NOW + 60 + 2 * HOUR + 60),
        "gone_since": None,
        "revisions": [
            {
                "revision": number,
                "change": change,
                "source": "feedx",
                "content_hash": made["content_hash"],
                "crawled_at": made["crawled_at"],
                "file": file,
                "elsewhere": None,
            }
            for number, change, made, file in (
                (1, "new", first, f"{ONE}.jsonl"),
                (2, "update", second, f"{TWO}.jsonl.gz"),
            )
        ],
        "aliases": [],
    }


# ------------------------------------------------------------------------------------ manifests


def test_manifests_are_a_chain(opened: Opened) -> None:
    """In the order in which crawls end, whatever the order in which they begin."""
    one, two, three = opened(ONE), opened(TWO), opened(THREE)
    manifests = [end(two), end(three), end(one)]
    assert manifests[0]["previous"] is None
    assert manifests[1]["previous"] == link(manifests[0])
    assert manifests[2]["previous"] == link(manifests[1])
    assert not list(one.articles.glob(f"*{PART}"))


def test_chain_goes_on_when_the_store_is_built_again(opened: Opened) -> None:
    """With the crawl that ended last, though the clock was set back meanwhile."""
    for crawl_id, hour in ((ONE, 20), (TWO, 10), (THREE, 15)):
        store = opened(crawl_id)
        end(store, hour=hour)
        lose(store)
    four = end(opened("feedx-20231107T120000Z-0"))
    assert four["previous"] == link(read_manifest(store, THREE))


def test_chain_goes_on_beside_manifests_that_are_none(opened: Opened) -> None:
    store = opened(ONE)
    manifest = end(store)
    lose(store)
    others = (b"", b"[]", b"{}", b"\xff", b'{"crawl_id": "x"}', b'{"crawl_id":"y","previous":1}')
    for number, content in enumerate(others):
        (store.articles / f"{number}.manifest.json").write_bytes(content)
    assert end(opened(TWO))["previous"] == link(manifest)


class Crashed(BaseException):
    """Nothing of ours catches it."""


def end_without_telling(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A manifest that has its name, of a crawl that died before the store could know."""
    set_head = chain.set_head

    def crash(db: Database, crawl_id: str, digest: str) -> None:
        if crawl_id == store.crawl_id:
            raise Crashed
        set_head(db, crawl_id, digest)

    with monkeypatch.context() as patch:
        patch.setattr(chain, "set_head", crash)
        with pytest.raises(Crashed):
            end(store)
    assert store.crawl_id is not None
    return read_manifest(store, store.crawl_id)


def test_manifest_of_which_the_store_was_not_told(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, first, dying = opened(ONE), opened(THREE), opened(TWO)
    end(first)
    dead = end_without_telling(dying, monkeypatch)
    assert dead["previous"] == link(read_manifest(first, THREE))
    assert end(running)["previous"] == link(dead)


def test_next_crawl_finds_the_manifest_of_the_dead(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = end_without_telling(opened(ONE), monkeypatch)
    assert end(opened(TWO))["previous"] == link(dead)


def test_two_manifests_of_which_the_store_was_not_told(
    tmp_path: Path, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        with stores(tmp_path / str(number), url) as opened:
            crawls = [opened(f"feedx-20231107T120000Z-{number}{crawl}") for crawl in "abc"]
            first, second = [end_without_telling(store, monkeypatch) for store in crawls[:2]]
            assert second["previous"] == link(first)
            assert end(crawls[2])["previous"] == link(second)


def test_manifest_that_cannot_be_written(opened: Opened) -> None:
    store = opened(ONE)
    first = end(opened(TWO))
    with largest_file(50), pytest.raises((OSError, StoreError)):
        end(store)
    assert not (store.articles / f"{ONE}.manifest.json").exists()
    assert end(store)["previous"] == link(first)


def test_crawl_that_is_ended_for_another(opened: Opened) -> None:
    """As recovery does; what the dead crawl completed is known before."""
    opened(ONE).close()
    store = opened(TWO)
    (store.articles / f"{ONE}.jsonl").write_bytes(b"".join(lines_of([record(1)])))
    dead = end(store, ONE)
    assert dead["previous"] is None
    assert end(store)["previous"] == link(dead)
