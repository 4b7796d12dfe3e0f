"""What of a record is news: the rule line by line, what holds of any history, and reading records."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfinews.items import Article, as_record
from rfinews.revisions import Found, Known, Verdict, judge, read_found

FOUND = Found(
    id="0123456789abcdef0123456789abcdef",
    canonical_url="https://www.rfi.fr/cn/a",
    url="https://www.rfi.fr/cn/a",
    crawl_id="feedx-20231107T120000Z-0a1b2c3d",
    revision=1,
    change="new",
    source="feedx",
    content_hash="one",
    feed_date=None,
    date_modified=None,
    published=100,
    crawled_at=200,
)
KNOWN = Known.after(FOUND._replace(revision=3, change="update"))


def found(**changes: Any) -> Found:
    return FOUND._replace(**changes)


def known(**changes: Any) -> Known:
    return KNOWN._replace(**changes)


# ----------------------------------------------------------------------------------------- the rule

PAGE = {"source": "rfi"}
ARCHIVE = {"source": "archive"}
OTHER = {"content_hash": "two"}
GONE = {"change": "retracted", "source": "rfi", "content_hash": "none"}
POORER = "its page is known, which says more than its feed"
OLDER = "older than revision 3"


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        # never seen before
        (None, {}, (1, "new")),
        (None, {"revision": 7, "change": "update"}, (1, "new")),
        (None, PAGE, (1, "new")),
        (None, ARCHIVE, (1, "new")),
        (None, GONE, (None, "retracted", "never exported")),
        # gone
        ({}, GONE, (4, "retracted")),
        (PAGE, GONE, (4, "retracted")),
        (PAGE, GONE | {"date_modified": 1}, (4, "retracted")),
        (GONE, GONE, (None, "retracted", "known to be retracted")),
        # back again, be it as it was
        (GONE, PAGE, (4, "update")),
        (GONE | {"content_hash": "two"}, PAGE | OTHER, (4, "update")),
        (GONE | {"date_modified": 9}, PAGE | {"date_modified": 8}, (4, "update")),
        (GONE, {}, (None, "update", POORER)),
        (GONE, ARCHIVE, (None, "update", POORER)),
        # the page beside feed and archive
        (PAGE, {}, (None, "update", POORER)),
        (PAGE, OTHER, (None, "update", POORER)),
        (PAGE, OTHER | {"feed_date": 999}, (None, "update", POORER)),
        (PAGE, OTHER | ARCHIVE, (None, "update", POORER)),
        ({}, PAGE | OTHER, (4, "update")),
        (ARCHIVE, PAGE | OTHER, (4, "update")),
        ({"feed_date": 9}, PAGE | OTHER | {"feed_date": 8}, (4, "update")),
        # the same text
        ({}, {}, (None, "update")),
        ({}, {"feed_date": 999, "revision": 9}, (None, "update")),
        ({}, PAGE, (None, "update")),
        (PAGE, PAGE, (None, "update")),
        # another text in the feed
        ({}, OTHER, (4, "update")),
        ({"feed_date": 9}, OTHER | {"feed_date": 9}, (4, "update")),
        ({"feed_date": 9}, OTHER | {"feed_date": 10}, (4, "update")),
        ({"feed_date": 9}, OTHER, (4, "update")),
        ({}, OTHER | {"feed_date": 9}, (4, "update")),
        ({"feed_date": 9}, OTHER | {"feed_date": 8}, (None, "update", OLDER)),
        (ARCHIVE | {"feed_date": 9}, OTHER | {"feed_date": 8}, (None, "update", OLDER)),
        (ARCHIVE | {"feed_date": 9}, OTHER | {"feed_date": 10}, (4, "update")),
        # another text on the page
        (PAGE, PAGE | OTHER, (4, "update")),
        (PAGE | {"date_modified": 9}, PAGE | OTHER | {"date_modified": 9}, (4, "update")),
        (PAGE | {"date_modified": 9}, PAGE | OTHER, (4, "update")),
        (PAGE, PAGE | OTHER | {"date_modified": 9}, (4, "update")),
        (PAGE | {"date_modified": 9}, PAGE | OTHER | {"date_modified": 8}, (None, "update", OLDER)),
        ({"date_modified": 9}, PAGE | OTHER | {"date_modified": 8}, (4, "update")),
        (PAGE | {"feed_date": 9}, PAGE | OTHER | {"feed_date": 8}, (4, "update")),
        # another text in an archive, which has to show that it is newer
        (ARCHIVE | {"feed_date": 9}, ARCHIVE | OTHER | {"feed_date": 10}, (4, "update")),
        (ARCHIVE, ARCHIVE | OTHER | {"feed_date": 1}, (4, "update")),
        ({"feed_date": 9}, ARCHIVE | OTHER | {"feed_date": 10}, (4, "update")),
        ({"feed_date": 9}, ARCHIVE | OTHER | {"feed_date": 9}, (None, "update", OLDER)),
        ({"feed_date": 9}, ARCHIVE | OTHER | {"feed_date": 8}, (None, "update", OLDER)),
        ({"feed_date": 9}, ARCHIVE | OTHER, (None, "update", OLDER)),
        ({}, ARCHIVE | OTHER, (None, "update", OLDER)),
    ],
)
def test_rule(
    before: dict[str, Any] | None, now: dict[str, Any], verdict: tuple[int | None, str, str]
) -> None:
    assert judge(None if before is None else known(**before), found(**now)) == Verdict(*verdict)


# ----------------------------------------------------------------------------- what holds of any past

DATES = st.none() | st.integers(1, 4)
FOUNDS = st.builds(
    found,
    change=st.sampled_from(["new", "new", "update", "retracted"]),
    source=st.sampled_from(["feedx", "rfi", "archive"]),
    content_hash=st.sampled_from(["one", "two", "three"]),
    feed_date=DATES,
    date_modified=DATES,
    revision=st.integers(1, 9),
)
PASTS = st.lists(FOUNDS, max_size=8)


def exported(verdict: Verdict, now: Found) -> Found:
    """A record that is news, as it stands in its file."""
    assert verdict.revision is not None
    return now._replace(revision=verdict.revision, change=verdict.change)


def history(all_found: Iterable[Found]) -> tuple[Known | None, list[Found]]:
    """What is known after these, and what of them was exported."""
    state, told = None, []
    for now in all_found:
        verdict = judge(state, now)
        if verdict.revision is not None:
            told.append(exported(verdict, now))
            state = Known.after(told[-1])
    return state, told


@given(PASTS)
def test_revisions_are_counted_from_one(past: list[Found]) -> None:
    state, told = history(past)
    assert [each.revision for each in told] == list(range(1, len(told) + 1))
    assert (state.revision if state else 0) == len(told)


@given(PASTS)
def test_only_the_first_revision_is_new(past: list[Found]) -> None:
    _, told = history(past)
    assert [each.change == "new" for each in told] == [each.revision == 1 for each in told]


@given(PASTS)
def test_each_revision_says_something_else_than_the_one_before(past: list[Found]) -> None:
    _, told = history(past)
    for before, after in pairwise(told):
        if before.is_there and after.is_there:
            assert before.content_hash != after.content_hash
        else:
            assert before.is_there or after.is_there


@given(PASTS, FOUNDS)
def test_the_same_again_is_never_news(past: list[Found], now: Found) -> None:
    state, _ = history(past)
    verdict = judge(state, now)
    if verdict.revision is not None:
        state = Known.after(exported(verdict, now))
        assert judge(state, exported(verdict, now)).revision is None
    assert judge(state, now).revision is None


@given(PASTS)
def test_the_exported_lines_alone_lead_to_the_same(past: list[Found]) -> None:
    """As when a store is built again from them."""
    state, told = history(past)
    assert history(told) == (state, told)


@given(PASTS, FOUNDS, st.sampled_from(["feedx", "archive"]))
def test_poorer_source_never_updates(past: list[Found], now: Found, poorer: str) -> None:
    state, _ = history([FOUND, *past])
    assert state is not None
    poor = now._replace(source=poorer, change="new")
    assert judge(state._replace(source="rfi"), poor).revision is None


@given(PASTS, FOUNDS)
def test_what_is_gone_is_retracted_once(past: list[Found], now: Found) -> None:
    state, _ = history(past)
    verdict = judge(state, now._replace(change="retracted"))
    assert verdict.change == "retracted"
    was_there = state is not None and state.change != "retracted"
    assert (verdict.revision is not None) == was_there


@given(PASTS, FOUNDS, st.integers(1, 4), st.integers(1, 4))
def test_older_date_of_its_own_source_never_updates(
    past: list[Found], now: Found, date: int, older_by: int
) -> None:
    now = now._replace(change="new")
    state, _ = history([*past, now._replace(source="rfi")])
    assert state is not None
    assert state.change != "retracted"
    field = "date_modified" if now.source == "rfi" else "feed_date"
    state = state._replace(source=now.source, **{field: date})
    assert judge(state, now._replace(**{field: date - older_by})).revision is None
    is_other = now.content_hash != state.content_hash
    assert (judge(state, now._replace(**{field: date + 1})).revision is not None) == is_other


@given(PASTS, FOUNDS, st.tuples(DATES, DATES, DATES))
def test_what_was_only_seen_decides_nothing(
    past: list[Found], now: Found, seen: tuple[int | None, ...]
) -> None:
    state, _ = history([FOUND, *past])
    assert state is not None
    more = state._replace(
        number=77, feed_hash="one", page_hash="two", next_check=seen[0], gone_since=seen[1]
    )
    assert judge(more, now) == judge(state, now)


# -------------------------------------------------------------------------------------------- records

ARTICLE = Article(
    id="0123456789abcdef0123456789abcdef",
    canonical_url="https://www.rfi.fr/cn/%E4%B8%AD%E5%9B%BD/a",
    url="https://www.rfi.fr/cn/中国/a",
    revision=2,
    change="update",
    headline="旧桥",
    source="rfi",
    content_hash="v1:00",
    date_published="2023-11-07T11:35:00Z",
    date_modified="2023-11-07T11:45:00Z",
    feed_date="2023-11-07T12:15:02Z",
    crawled_at="2023-11-07T13:00:00Z",
    crawl_id="rfi-20231107T125959Z-0a1b2c3d",
)
READ = Found(
    id="0123456789abcdef0123456789abcdef",
    canonical_url="https://www.rfi.fr/cn/%E4%B8%AD%E5%9B%BD/a",
    url="https://www.rfi.fr/cn/中国/a",
    crawl_id="rfi-20231107T125959Z-0a1b2c3d",
    revision=2,
    change="update",
    source="rfi",
    content_hash="v1:00",
    feed_date=1699359302,
    date_modified=1699357500,
    published=1699356900,
    crawled_at=1699362000,
)


def line(**changes: Any) -> bytes:
    return orjson.dumps(as_record(ARTICLE) | changes, option=orjson.OPT_APPEND_NEWLINE)


def test_line_is_read() -> None:
    assert read_found(line()) == READ
    assert Found.of(lambda name: getattr(ARTICLE, name)) == READ
    assert (READ.spider, READ.is_there) == ("rfi", True)
    assert not READ._replace(change="retracted").is_there


@pytest.mark.parametrize(
    ("missing", "published"),
    [
        ({"date_published": None}, 1699359302),
        ({"date_published": None, "feed_date": None}, 1699362000),
        ({"date_published": None, "feed_date": None, "crawled_at": ""}, 0),
        ({"date_published": "soon"}, 1699359302),
    ],
)
def test_article_without_a_date_was_published_when_it_was_found(
    missing: dict[str, str | None], published: int
) -> None:
    read = read_found(line(**missing))
    assert read is not None
    assert read.published == published


@pytest.mark.parametrize(
    ("changes", "has_page"),
    [
        ({"article_body": "一"}, True),
        ({"audios": [{"url": "https://x/a.mp3", "name": None, "duration": None}]}, False),
        ({"videos": [{"url": "https://x/v.mp4", "name": None, "duration": None}]}, False),
        ({}, False),
        ({"source": "feedx", "article_body": "一"}, False),
        ({"source": "archive", "article_body": "一"}, False),
    ],
)
def test_page_was_had(changes: dict[str, Any], has_page: bool) -> None:
    read = read_found(line(**changes))
    assert read is not None
    assert read.has_page == has_page
    assert Known.after(read).asked_at == (read.crawled_at if has_page else None)


def test_what_is_known_afterwards() -> None:
    state = Known.after(READ, 5)
    same = set(Known._fields) & set(Found._fields)
    assert {name: getattr(state, name) for name in same} == {
        name: getattr(READ, name) for name in same
    }
    assert state.number == 5
    assert {getattr(state, name) for name in set(Known._fields) - same - {"number"}} == {None}


def test_torn_line_is_no_record() -> None:
    whole = line().removesuffix(b"\n")
    assert read_found(whole) is not None
    for end in range(len(whole)):
        assert read_found(whole[:end]) is None, end


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"null",
        b"1",
        b'"x"',
        b"[]",
        b"{}",
        b"\x00" * 100,
        b"\xff\xfe",
        line(id="0123"),
        line(id="x" * 32),
        line(id=None),
        line(id=1),
        b"[" * 100_000,
    ],
)
def test_other_lines_are_no_records(text: bytes) -> None:
    assert read_found(text) is None


@given(st.binary(max_size=40) | st.integers(0, 900).map(lambda cut: line()[cut:]))
def test_any_line_can_be_read(text: bytes) -> None:
    read = read_found(text)
    assert read is None or text == line()
