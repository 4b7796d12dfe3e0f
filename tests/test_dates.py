import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfinews.dates import duration, from_iso, from_millis, from_paris, from_rfc822, now

FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
INSTANTS = st.datetimes(
    datetime(1990, 1, 2),  # noqa: DTZ001 - hypothesis wants them naive
    datetime(2100, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda date: date.replace(microsecond=0))


def written(date: datetime) -> str:
    return date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -------------------------------------------------------------------------------- from_paris


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("07/11/2023 - 12:35", "2023-11-07T11:35:00Z"),
        ("12/07/2023 - 13:42", "2023-07-12T11:42:00Z"),
        ("01/01/2021 - 00:10", "2020-12-31T23:10:00Z"),
        ("29/02/2020 - 12:00", "2020-02-29T11:00:00Z"),
        (" 07/11/2023\u00a0-\n12:35\t", "2023-11-07T11:35:00Z"),
        ("31/02/2023 - 12:35", None),
        ("29/02/2021 - 12:35", None),
        ("00/11/2023 - 12:35", None),
        ("07/13/2023 - 12:35", None),
        ("07/11/2023 - 24:00", None),
        ("07/11/2023 - 12:60", None),
        ("07/11/1989 - 12:35", None),
        ("07/11/2101 - 12:35", None),
        ("7/11/2023 - 12:35", None),
        ("07/11/2023", None),
        ("07/11/2023 12:35", None),
        ("am 07/11/2023 - 12:35", None),
        ("٠٧/11/2023 - 12:35", None),
        ("", None),
        (None, None),
    ],
)
def test_the_date_that_rfi_shows(text: str | None, date: str | None) -> None:
    assert from_paris(text) == date


@pytest.mark.parametrize(
    ("latest", "date"),
    [
        (None, "2020-10-25T00:35:00Z"),
        ("2020-10-25T00:36:00Z", "2020-10-25T00:35:00Z"),
        ("2020-10-25T01:34:59Z", "2020-10-25T00:35:00Z"),
        ("2020-10-25T01:35:00Z", "2020-10-25T01:35:00Z"),
        ("2020-10-25T12:00:00Z", "2020-10-25T01:35:00Z"),
        ("2020-10-24T12:00:00Z", "2020-10-25T00:35:00Z"),
        ("2020-10-25T03:35:00+02:00", "2020-10-25T01:35:00Z"),
        ("no date", "2020-10-25T00:35:00Z"),
    ],
)
def test_the_hour_that_autumn_repeats(latest: str | None, date: str) -> None:
    assert from_paris("25/10/2020 - 02:35", latest) == date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("28/03/2021 - 01:59", "2021-03-28T00:59:00Z"),
        ("28/03/2021 - 02:35", "2021-03-28T01:35:00Z"),
        ("28/03/2021 - 03:00", "2021-03-28T01:00:00Z"),
        ("25/10/2020 - 01:59", "2020-10-24T23:59:00Z"),
        ("25/10/2020 - 03:00", "2020-10-25T02:00:00Z"),
    ],
)
def test_clock_changes(text: str, date: str) -> None:
    assert from_paris(text) == date
    assert from_paris(text, "2022-01-01T00:00:00Z") == date


@given(INSTANTS.map(lambda date: date.replace(second=0)))
def test_an_instant_comes_back_from_how_paris_shows_it(instant: datetime) -> None:
    shown = instant.astimezone(ZoneInfo("Europe/Paris")).strftime("%d/%m/%Y - %H:%M")
    assert from_paris(shown, written(instant)) == written(instant)


# -------------------------------------------------------------------------------- from_iso


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2023-11-07T11:35:00Z", "2023-11-07T11:35:00Z"),
        ("2023-11-07t11:35:00z", "2023-11-07T11:35:00Z"),
        ("2023-11-07T12:35:00+01:00", "2023-11-07T11:35:00Z"),
        ("2023-11-07T12:35:00+0100", "2023-11-07T11:35:00Z"),
        ("2023-11-07T11:35:00+0000", "2023-11-07T11:35:00Z"),
        ("2023-11-07T11:35:59.999999999Z", "2023-11-07T11:35:59Z"),
        ("2023-11-07 12:35:00 +01:00", "2023-11-07T11:35:00Z"),
        ("2023-11-07 12:35:00.5 +0100", "2023-11-07T11:35:00Z"),
        ("2023-11-07 11:35:00Z", "2023-11-07T11:35:00Z"),
        ("\n2023-11-07T11:35Z ", "2023-11-07T11:35:00Z"),
        ("2020-12-31T23:30:00-02:00", "2021-01-01T01:30:00Z"),
        ("2023-11-07T11:35:00", None),
        ("2023-11-07", None),
        ("2023-02-31T11:35:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("1990-01-01T00:00:00+02:00", None),
        ("2100-12-31T23:00:00-02:00", None),
        ("yesterday", None),
        ("2" * 100_000, None),
        ("", None),
        (None, None),
    ],
)
def test_iso_dates(text: str | None, date: str | None) -> None:
    assert from_iso(text) == date


@given(INSTANTS, st.integers(-14 * 60, 14 * 60))
def test_iso_dates_keep_their_instant(instant: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    assert from_iso(instant.astimezone(zone).isoformat()) == written(instant)


# -------------------------------------------------------------------------------- from_rfc822


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Tue, 07 Nov 2023 11:35:00 GMT", "2023-11-07T11:35:00Z"),
        ("Tue, 07 Nov 2023 12:35:00 +0100", "2023-11-07T11:35:00Z"),
        ("Tue, 07 Nov 2023 12:35:00 +0100 (CET)", "2023-11-07T11:35:00Z"),
        ("7 Nov 2023 11:35 UT", "2023-11-07T11:35:00Z"),
        ("7 Nov 2023 06:35:00 EST", "2023-11-07T11:35:00Z"),
        ("Tue, 07 Nov 2023 11:35:00 -0000", "2023-11-07T11:35:00Z"),
        ("Tue, 07 Nov 2023 11:35:00", "2023-11-07T11:35:00Z"),
        ("\n Tue, 07 Nov 23 11:35:00 gmt ", "2023-11-07T11:35:00Z"),
        ("Tue, 07 Nov 2023 12:35:00 CEST", None),
        ("Tue, 31 Feb 2023 11:35:00 GMT", None),
        ("Tue, 07 Nov 2023 25:35:00 GMT", None),
        ("Tue, 07 Nov 2023 11:35:00 +9999", None),
        ("Tue, 07 Nov 1989 11:35:00 GMT", None),
        ("2023-11-07T11:35:00Z", None),
        ("a" * 200_000 + "!", None),
        ("", None),
        (None, None),
    ],
)
def test_feed_dates(text: str | None, date: str | None) -> None:
    assert from_rfc822(text) == date


def test_a_feed_date_without_zone_has_nothing_to_do_with_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert from_rfc822("Tue, 07 Nov 2023 11:35:00") == "2023-11-07T11:35:00Z"
        assert from_millis(1699357500999) == "2023-11-07T11:45:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@given(INSTANTS)
def test_feed_dates_keep_their_instant(instant: datetime) -> None:
    assert from_rfc822(format_datetime(instant, usegmt=True)) == written(instant)


# -------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize(
    ("value", "date"),
    [
        (1699357500999, "2023-11-07T11:45:00Z"),
        ("1699357500999", "2023-11-07T11:45:00Z"),
        (" 1699357500999\n", "2023-11-07T11:45:00Z"),
        (0, None),
        (-1, None),
        ("1.5", None),
        ("١٦٩٩٣٥٧٥٠٠٩٩٩", None),
        (10**30, None),
        ("9" * 15, None),
        ("", None),
        (None, None),
    ],
)
def test_milliseconds(value: int | str | None, date: str | None) -> None:
    assert from_millis(value) == date


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P0DT0H3M20S", 200),
        ("PT1H2M", 3720),
        ("PT3M", 180),
        ("PT45S", 45),
        ("P1D", 86400),
        ("PT0S", 0),
        ("P0Y0M0DT0H19M30S", 1170),
        ("PT19M30.7S", 1170),
        ("pt3m", 180),
        ("01:02:03", 3723),
        ("48:00", 2880),
        ("120:05", 7205),
        ("3:20", 200),
        (" 200 ", 200),
        ("200.9", 200),
        ("0", 0),
        ("P", None),
        ("PT", None),
        ("P1Y", None),
        ("P1M", None),
        ("3:60", None),
        ("1:60:00", None),
        ("1:2:03", None),
        ("-5", None),
        ("３：２０", None),
        ("9" * 10_000, None),
        ("long", None),
        ("", None),
        (None, None),
    ],
)
def test_durations(text: str | None, seconds: int | None) -> None:
    assert duration(text) == seconds


def test_now_is_between_before_and_after() -> None:
    before = written(datetime.now(UTC))
    assert before <= now() <= written(datetime.now(UTC))


@pytest.mark.parametrize("function", [from_paris, from_iso, from_rfc822, from_millis])
@given(
    st.one_of(
        st.text(),
        st.text(st.sampled_from("0123456789/-:TZ+. ,()PDHMS")),
        st.lists(st.sampled_from("Tue, 07 Nov 2023 11:35:00 GMT +0100 UTC ( ) \" \\ @ < - :".split()))
        .map(" ".join),
    )
)  # fmt: skip
def test_no_text_raises(function: Callable[[str], str | None], text: str) -> None:
    date = function(text)
    assert date is None or FORM.fullmatch(date)
    assert from_iso(date) == date
    from_paris("25/10/2020 - 02:35", text)
    seconds = duration(text)
    assert seconds is None or seconds >= 0
