import time

import pytest

from rfinews.arguments import (
    Argument,
    BadArgument,
    choices,
    first_instant,
    flag,
    last_instant,
    read_arguments,
)

NOON = 1_699_354_800  # 2023-11-07T11:00:00Z, noon in Paris


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 0.9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cn", ["cn"]),
        ("fr,cn", ["fr", "cn"]),
        (" fr , cn ", ["fr", "cn"]),
        ("cn,cn,tw,cn", ["cn", "tw"]),
        ("all", ["cn", "tw", "fr"]),
        ("tw,all", ["cn", "tw", "fr"]),
    ],
)
def test_choices(text: str, words: list[str]) -> None:
    assert choices("cn", "tw", "fr")(text) == words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("xx", "there is no 'xx'"),
        ("cn,xx,yy", "there is no 'xx'"),
        ("CN", "there is no 'CN'"),
        ("ALL", "there is no 'ALL'"),
        ("cn tw", "there is no 'cn tw'"),
        ("all,xx", "there is no 'xx'"),
        ("", "an empty word"),
        ("cn,", "an empty word"),
        (",cn", "an empty word"),
        ("cn,,tw", "an empty word"),
    ],
)
def test_no_choice(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}$"):
        choices("cn", "tw", "fr")(text)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2023-11-07", NOON - 12 * 3600, NOON + 12 * 3600 - 60),
        (" 2023-11-07 ", NOON - 12 * 3600, NOON + 12 * 3600 - 60),
        ("2023-11-07T12:00:00+01:00", NOON, NOON),
        ("2023-11-07T11:00:00Z", NOON, NOON),
        ("2023-07-01", 1_688_162_400, 1_688_162_400 + 86_340),  # two hours before UTC
        ("2024-02-29", 1_709_161_200, 1_709_161_200 + 86_340),
        ("2023-03-26", 1_679_785_200, 1_679_785_200 + 82_740),  # a day of 23 hours
        ("2023-10-29", 1_698_530_400, 1_698_530_400 + 89_940),  # one of 25
    ],
)
def test_dates(text: str, first: int, last: int) -> None:
    assert (first_instant(text), last_instant(text)) == (first, last)


@pytest.mark.usefixtures("at_noon")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0m", 0),
        ("90m", 5_400),
        ("12h", 43_200),
        ("3d", 259_200),
        ("2w", 1_209_600),
        (" 3d ", 259_200),
        ("99999w", 99_999 * 604_800),
    ],
)
def test_how_long_ago(text: str, seconds: int) -> None:
    assert first_instant(text) == last_instant(text) == NOON - seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "yesterday",
        "3",
        "3y",
        "3D",
        "-3d",
        "3.5d",
        "d",
        "999999d",
        "٣d",
        "2023-11",
        "2023-11-7",
        "07/11/2023",
        "2023-02-29",
        "2023-13-01",
        "2023-00-10",
        "2023-11-07T25:00:00Z",
        "20231107x",
    ],
)
def test_no_date(text: str) -> None:
    for read in (first_instant, last_instant):
        with pytest.raises(ValueError):
            read(text)


DECLARED = {
    "edition": Argument(choices("cn", "tw"), "cn or tw", required=True),
    "since": Argument(first_instant, "a date"),
    "follow": Argument(flag, "0 or 1"),
}


def test_read_arguments() -> None:
    given = {"edition": "tw", "follow": "0", "_job": "1"}
    assert read_arguments(DECLARED, given) == {"edition": ["tw"], "follow": False}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "-a edition=… is missing; it takes cn or tw"),
        ({"edition": "fr"}, "edition takes cn or tw, not 'fr': there is no 'fr'"),
        ({"edition": "cn", "since": "soon"}, "since takes a date, not 'soon'"),
        (
            {"edition": "cn", "until": "3d"},
            "unknown argument until; known: edition (cn or tw), since (a date), follow (0 or 1)",
        ),
    ],
)
def test_bad_arguments(given: dict[str, str], says: str) -> None:
    with pytest.raises(BadArgument) as caught:
        read_arguments(DECLARED, given)
    assert str(caught.value) == says
