"""Dates and durations as the sources write them, as the record has them.

Dates leave as ISO 8601 in UTC to the second (``2023-11-07T11:35:00Z``), between 1990 and 2100;
durations as seconds. Text that is none, and ``None``, give ``None``; nothing raises.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

_LONGEST = 80
_YEARS = range(1990, 2101)
_PARIS = ZoneInfo("Europe/Paris")
_SHOWN = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})\s*-\s*([0-9]{2}):([0-9]{2})")
_BEFORE_OFFSET = re.compile(r"\s+(?=[+-][0-9]{2}:?[0-9]{2}$|Z$)")
_ZONE_NAME = re.compile(r"[A-Za-z]+$")
_RFC822_ZONES = frozenset("UT UTC GMT Z EST EDT CST CDT MST MDT PST PDT".split())
_WRITTEN = re.compile(r"(?:199|20[0-9])[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_MILLIS = re.compile(r"[0-9]{1,15}")
_ISO_DURATION = re.compile(
    r"P(?:0+Y)?(?:0+M)?(?:([0-9]{1,6})D)?"
    r"(?:T(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:[.,][0-9]+)?S)?)?",
    re.IGNORECASE,
)
_CLOCK_DURATION = re.compile(r"(?:([0-9]{1,4}):(?=[0-5][0-9]:))?([0-9]{1,4}):([0-5][0-9])")
_SECONDS = re.compile(r"([0-9]{1,9})(?:\.[0-9]+)?")


def from_paris(text: str | None, latest: str | None = None) -> str | None:
    """The date that RFI shows: ``DD/MM/YYYY - HH:MM``, Paris local time.

    In autumn the hour from 02:00 to 03:00 comes twice. ``latest`` is a date (as this module writes
    it) that cannot be before the shown one, such as the feed's: of the two readings the later one
    that is not after it is meant; without it, or with one before both, the first. An hour that
    spring skips is read with the offset before the change.

    >>> from_paris("07/11/2023 - 12:35")
    '2023-11-07T11:35:00Z'
    >>> from_paris("25/10/2020 - 02:35")
    '2020-10-25T00:35:00Z'
    >>> from_paris("25/10/2020 - 02:35", latest="2020-10-25T02:20:00Z")
    '2020-10-25T01:35:00Z'
    >>> from_paris("31/02/2023 - 12:35")
    """
    match = _SHOWN.fullmatch(_short(text))
    if match is None:
        return None
    day, month, year, hour, minute = map(int, match.groups())
    try:
        shown = datetime(year, month, day, hour, minute, tzinfo=_PARIS)
    except ValueError:
        return None
    first, second = _written(shown), _written(shown.replace(fold=1))
    limit = from_iso(latest)
    if first and second and limit and first < second <= limit:
        return second
    return first


def from_iso(text: str | None) -> str | None:
    """A date in ISO 8601 with its offset; without one the instant is unknown: ``None``.

    >>> from_iso("2023-11-07T12:35:00.123+01:00"), from_iso("2023-11-07 11:35:00 +0000")
    ('2023-11-07T11:35:00Z', '2023-11-07T11:35:00Z')
    >>> from_iso("2023-11-07T12:35:00")
    """
    try:
        date = datetime.fromisoformat(_BEFORE_OFFSET.sub("", _short(text).upper()))
    except ValueError:
        return None
    return _written(date) if date.tzinfo else None


def from_rfc822(text: str | None) -> str | None:
    """A date as RSS has it (RFC 822 and its successors); without a zone it is taken for UTC.

    A zone of which there is only a name, and none of RFC 822's, makes the instant unknown.

    >>> from_rfc822("Tue, 07 Nov 2023 12:35:00 +0100"), from_rfc822("7 Nov 23 11:35 GMT")
    ('2023-11-07T11:35:00Z', '2023-11-07T11:35:00Z')
    >>> from_rfc822("Tue, 07 Nov 2023 12:35:00 CEST")
    """
    text = _short(text)
    zone = _ZONE_NAME.search(text)
    if zone and zone[0].upper() not in _RFC822_ZONES:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return _written(date if date.tzinfo else date.replace(tzinfo=UTC))


def from_millis(value: int | str | None) -> str | None:
    """Milliseconds since 1970, as the archive's first line has them.

    >>> from_millis("1699357500999")
    '2023-11-07T11:45:00Z'
    """
    text = str(value).strip()
    if not _MILLIS.fullmatch(text):
        return None
    try:
        return _written(datetime.fromtimestamp(int(text) // 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def to_seconds(text: str | None) -> int | None:
    """Seconds since 1970 of a date as this module writes it.

    >>> to_seconds("2023-11-07T11:45:00Z"), to_seconds("soon")
    (1699357500, None)
    """
    written = text if text and _WRITTEN.fullmatch(text) else from_iso(text)
    try:
        return int(datetime.fromisoformat(written).timestamp()) if written else None
    except ValueError:
        return None


def from_seconds(value: int | None) -> str | None:
    """Seconds since 1970.

    >>> from_seconds(1699357500)
    '2023-11-07T11:45:00Z'
    """
    return None if value is None else from_millis(value * 1000)


def now() -> str:
    """The present time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(text: str | None) -> int | None:
    """Seconds of an ISO 8601 duration, of ``HH:MM:SS``, ``MM:SS`` or of a plain number.

    Years and months have no length in seconds: only zero ones are read. Fractions are cut off.

    >>> duration("P0DT0H3M20S"), duration("01:02:03"), duration("3:20"), duration("200")
    (200, 3723, 200, 200)
    >>> duration("PT")
    """
    text = _short(text)
    if match := _ISO_DURATION.fullmatch(text):
        if not any(match.groups()):
            return None
        days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if match := _CLOCK_DURATION.fullmatch(text):
        hours, minutes, seconds = (int(group or 0) for group in match.groups())
        return (hours * 60 + minutes) * 60 + seconds
    if match := _SECONDS.fullmatch(text):
        return int(match[1])
    return None


def _short(text: str | None) -> str:
    """Text without the blanks around it, ``""`` where it is too long to be a date."""
    text = (text or "").strip()
    return text if len(text) <= _LONGEST else ""


def _written(date: datetime) -> str | None:
    """An aware date in UTC, ``None`` outside the years that a news archive can hold."""
    if date.year not in _YEARS:
        return None
    utc = date.astimezone(UTC)
    return f"{utc.isoformat(timespec='seconds')[:19]}Z" if utc.year in _YEARS else None
