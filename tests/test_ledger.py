"""The addresses of one crawl and their outcomes: against a dictionary, and how much memory they take."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfinews.ledger import Ledger, Settled, Tip
from tests.conftest import PROJECT

FEED, OTHER_FEED = "https://feedx.net/rss/rfi.xml", "https://www.rfi.fr/cn/rss"
A, B, C = (f"https://www.rfi.fr/cn/{letter}" for letter in "abc")


def test_address_is_discovered_once() -> None:
    ledger = Ledger()
    assert [ledger.discover(url) for url in (B, A, B, A)] == [True, True, False, False]
    assert ledger.discovered == 2
    assert ledger.pending() == [B, A]
    assert ledger.outcome(A) is None
    assert ledger.counts == {}


def test_settled() -> None:
    ledger = Ledger()
    ledger.discover(A)
    ledger.discover(B)
    ledger.settle(B, "http_500", "thrice")
    assert ledger.outcome(B) == "http_500"
    assert ledger.pending() == [A]
    assert list(ledger.settled()) == [Settled(B, "http_500", "thrice")]
    assert ledger.counts == {"http_500": 1}


def test_later_outcome_takes_the_place_of_the_earlier() -> None:
    ledger = Ledger()
    ledger.discover(A)
    ledger.settle(A, "duplicate", "of what")
    ledger.settle(A, "exported", None)
    assert not ledger.discover(A)
    assert list(ledger.settled()) == [Settled(A, "exported", None)]
    assert ledger.counts == {"exported": 1}
    assert ledger.discovered == 1


def test_address_that_nobody_discovered_is_accounted_for() -> None:
    ledger = Ledger()
    ledger.settle(A, "offsite", None)
    assert list(ledger.settled()) == [Settled(A, "offsite", None)]
    assert ledger.pending() == []


def test_addresses_come_in_the_order_of_their_discovery() -> None:
    ledger = Ledger()
    urls = [f"{A}{number * 7919 % 1000}" for number in range(1000)]
    for url in urls:
        ledger.discover(url)
    for url in sorted(urls):
        ledger.settle(url, "unchanged", None)
    assert [row.url for row in ledger.settled()] == urls


def test_counts_are_in_the_order_of_their_names() -> None:
    ledger = Ledger()
    for url, outcome in ((A, "unchanged"), (B, "exported"), (C, "http_404")):
        ledger.settle(url, outcome, None)
    assert list(ledger.counts) == ["exported", "http_404", "unchanged"]


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        ("exported", False),
        ("unchanged", False),
        ("duplicate", False),
        ("offsite", False),
        ("robots", False),
        ("invalid", False),
        ("parse", False),
        ("http_404", False),
        ("http_410", False),
        ("http_451", False),
        ("http_403", True),
        ("http_429", True),
        ("http_500", True),
        ("http_503", True),
        ("network", True),
        ("unfetched", True),
    ],
)
def test_feed_is_read_again_when_something_may_pass(outcome: str, again: bool) -> None:
    ledger = Ledger()
    ledger.discover(A, FEED)
    ledger.discover(B, OTHER_FEED)
    ledger.discover(C)
    ledger.settle(A, outcome, None)
    ledger.settle(B, "exported", None)
    ledger.settle(C, "network", "no feed names it")
    assert ledger.feeds_to_read_again() == ({FEED} if again else set())


def test_each_feed_that_names_the_address_is_read_again() -> None:
    ledger = Ledger()
    ledger.discover(A, FEED)
    ledger.discover(A, OTHER_FEED)
    ledger.discover(A, FEED)
    assert ledger.feeds_to_read_again() == {FEED, OTHER_FEED}  # it is not settled at all
    ledger.settle(A, "network", None)
    assert ledger.feeds_to_read_again() == {FEED, OTHER_FEED}
    ledger.settle(A, "exported", None)
    assert ledger.feeds_to_read_again() == set()


# -------------------------------------------------------------------------------------- waiting


def test_addresses_wait_for_their_turn() -> None:
    ledger = Ledger()
    assert ledger.next_waiting() is None
    assert ledger.keep_waiting(B, Tip(FEED, "2023-11-07T11:45:00Z", b"{}"))
    assert ledger.keep_waiting(A, Tip(None))
    assert ledger.discovered == 2
    assert ledger.pending() == [B, A]
    assert ledger.next_waiting() == (B, Tip(FEED, "2023-11-07T11:45:00Z", b"{}"))
    assert ledger.next_waiting() == (A, Tip(None))
    assert ledger.next_waiting() is None


def test_address_waits_once() -> None:
    """It is not asked for again when another feed names it after its turn."""
    ledger = Ledger()
    assert ledger.keep_waiting(A, Tip(FEED))
    assert ledger.next_waiting() == (A, Tip(FEED))
    assert not ledger.keep_waiting(A, Tip(OTHER_FEED, "2023-11-07T11:45:00Z"))
    assert ledger.next_waiting() is None
    ledger.settle(A, "network", None)
    assert ledger.feeds_to_read_again() == {FEED, OTHER_FEED}


OLD, NEW = "2023-11-07T11:45:00Z", "2023-11-08T00:00:00Z"


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (Tip(FEED), Tip(OTHER_FEED), Tip(FEED)),
        (Tip(FEED, OLD), Tip(OTHER_FEED, NEW), Tip(FEED, NEW)),
        (Tip(FEED, NEW), Tip(OTHER_FEED, OLD), Tip(FEED, NEW)),
        (Tip(FEED), Tip(OTHER_FEED, OLD), Tip(FEED, OLD)),
        (Tip(None, None, b"1"), Tip(OTHER_FEED, None, b"2"), Tip(None, None, b"1")),
        (Tip(None), Tip(OTHER_FEED, None, b"2"), Tip(None, None, b"2")),
        pytest.param(
            Tip(FEED, OLD),
            Tip(OTHER_FEED),
            Tip(FEED, OLD),
        ),
    ],
)
def test_what_two_feeds_say_of_an_address_that_waits(first: Tip, second: Tip, kept: Tip) -> None:
    ledger = Ledger()
    assert ledger.keep_waiting(A, first)
    assert not ledger.keep_waiting(A, second)
    assert ledger.next_waiting() == (A, kept)
    assert ledger.next_waiting() is None


# -------------------------------------------------------------------------- any address, many of them


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:\x1b[2J\n\x00alert(1)",
        "https://www.rfi.fr/" + "国" * 100_000,
    ],
)
def test_any_address_is_accounted_for(url: str) -> None:
    ledger = Ledger()
    ledger.discover(url, url)
    ledger.settle(url, "network", url)
    assert list(ledger.settled()) == [Settled(url, "network", url)]
    assert ledger.feeds_to_read_again() == {url}


URLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=2)
OUTCOMES = st.none() | st.sampled_from(["exported", "unchanged", "network"])


@given(st.lists(st.tuples(URLS, OUTCOMES, st.none() | st.just("why"))))
def test_as_a_dictionary_has_it(steps: list[tuple[str, str | None, str | None]]) -> None:
    ledger, model = Ledger(), dict[str, tuple[str, str | None] | None]()
    for url, outcome, detail in steps:
        if outcome is None:
            assert ledger.discover(url) == (url not in model)
            model.setdefault(url, None)
        else:
            ledger.settle(url, outcome, detail)
            model[url] = (outcome, detail)
        now = model[url]
        assert ledger.outcome(url) == (now[0] if now else None)
    assert ledger.pending() == [url for url, row in model.items() if row is None]
    assert list(ledger.settled()) == [(url, *row) for url, row in model.items() if row is not None]
    counts = [row[0] for row in model.values() if row is not None]
    assert ledger.counts == {outcome: counts.count(outcome) for outcome in set(counts)}


def test_memory_does_not_grow_with_the_addresses() -> None:
    """36 MB of addresses; SQLite keeps 4 MB of them."""
    code = """if True:
        import psutil
        from rfinews.ledger import Ledger
        ledger, memory = Ledger(), psutil.Process().memory_info
        ledger.settle("", "exported", None)
        before = memory().rss
        for number in range(60_000):
            ledger.discover(f"https://www.rfi.fr/{number}/{600 * 'x'}", "https://feedx.net/")
            ledger.settle(f"https://www.rfi.fr/{number}/{600 * 'x'}", "exported", None)
        assert sum(len(row.url) for row in ledger.settled()) > 36_000_000
        print(memory().rss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 12_000_000


def test_half_a_surrogate_pair_is_written_as_an_escape() -> None:
    ledger = Ledger()
    ledger.discover("https://www.rfi.fr/\ud800")
    ledger.settle("https://www.rfi.fr/\ud800", "invalid", None)
    assert list(ledger.settled()) == [("https://www.rfi.fr/\\ud800", "invalid", None)]
