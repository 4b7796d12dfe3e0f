"""Records read from JSON Lines: what can be stored goes on, what cannot is told by line and field."""

import gzip
import importlib.resources
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import jsonschema_rs
import orjson

from rfinews.files import PartFile
from rfinews.urls import article_id

Record = dict[str, Any]

REJECTED = ".rejected.jsonl"
#: A line of more bytes is no record: the largest page that is fetched (10 MB) gives less.
LONGEST = 32 << 20
# A line is longer than what Python reads at once by default.
_BUFFER = 1 << 18
#: What every engine's BIGINT holds.
_LARGEST = (1 << 63) - 1
_DATES = ("date_published", "date_modified", "feed_date", "crawled_at")
_NUMBERS = {"images": ("width", "height"), "audios": ("duration",), "videos": ("duration",)}
_TEXT_NUL = re.compile(rb"\\u0000")


class Fault(NamedTuple):
    """Why a line was refused: its number, the field (``images.0.url``), and one line for people."""

    line: int
    field: str
    reason: str


class Unreadable(OSError):
    """Raised while a file is read that ends too early or cannot be read; its text is one line."""


class _Refused(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Source:
    """A file of records, ``.jsonl`` or ``.jsonl.gz``, or standard input (``-``).

    Iterating yields the records that can be stored. Lines that cannot are told to `refused` and kept,
    word for word, in ``<file>.rejected.jsonl`` (of standard input: ``stdin.rejected.jsonl`` in the
    working directory), which is complete when the iteration has come to its end. `size` is in bytes
    (0: unknown), `read` tells how many of them have been read.

    Iterating raises `Unreadable`, and `OSError` where the rejected lines cannot be written.
    """

    def __init__(self, name: str, refused: Callable[[Fault], None]) -> None:
        self.name = name
        self.refused = refused
        self.path = None if name == "-" else Path(name)
        self.rejected_path = (self.path or Path("stdin.jsonl")).with_name(
            re.sub(r"\.jsonl(\.gz)?$", "", self.path.name if self.path else "stdin") + REJECTED
        )
        self.size = self.path.stat().st_size if self.path else 0
        self.rejected = 0
        self._file: BinaryIO | None = None

    @property
    def read(self) -> int:
        """Bytes of the file that have been read."""
        return self._file.tell() if self._file is not None and self.path is not None else 0

    def __iter__(self) -> Iterator[Record]:
        for _, record in self.lines():
            yield record

    def lines(self) -> Iterator[tuple[bytes, Record]]:
        """Yield each good line beside its record."""
        self.rejected = 0
        with ExitStack() as stack:
            rejects: PartFile | None = None
            try:
                for number, line in enumerate(self._raw_lines(stack), start=1):
                    try:
                        yield line, read_record(line)
                    except _Refused as error:
                        self.rejected += 1
                        self.refused(Fault(number, error.field, str(error)))
                        rejects = rejects or PartFile(self.rejected_path)
                        rejects.write(line if line.endswith(b"\n") else line + b"\n")
                if rejects is not None:
                    rejects.finish()
            finally:
                if rejects is not None and not rejects.closed:
                    rejects.remove()

    def _raw_lines(self, stack: ExitStack) -> Iterator[bytes]:
        try:
            file: BinaryIO = (
                stack.enter_context(self.path.open("rb", _BUFFER))
                if self.path
                else sys.stdin.buffer
            )
            self._file = file
            lines: io.BufferedIOBase | BinaryIO = file
            if self.path and self.path.suffix == ".gz":
                lines = stack.enter_context(gzip.GzipFile(fileobj=file))
            while line := lines.readline(LONGEST + 1):
                yield line
                while len(line) > LONGEST and not line.endswith(b"\n"):
                    line = lines.readline(LONGEST + 1)
                    if not line:
                        break
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Unreadable(f"not whole: {error}") from None
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None


def _load_validator() -> jsonschema_rs.Draft202012Validator:
    schema = importlib.resources.files("rfinews") / "schemas" / "article-v1.json"
    return jsonschema_rs.Draft202012Validator(orjson.loads(schema.read_bytes()))


_VALIDATOR = _load_validator()


def read_record(line: bytes) -> Record:
    r"""Read a line that every engine can store. Raises ValueError with a `field` and a reason.

    Beyond the schema: `id` is that of the address, dates are in the calendar, numbers fit into 64
    bits, and there is no NUL in any text.

    >>> read_record(b'{"headline": 1}')
    Traceback (most recent call last):
    rfinews.load.records._Refused: "schema_version" is a required property
    """
    if len(line) > LONGEST:
        raise _Refused("line", f"longer than {LONGEST >> 20} MB")
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _Refused("line", f"no JSON: {error}") from None
    if not _VALIDATOR.is_valid(record):
        raise _refusal(record)
    if record["id"] != article_id(record["canonical_url"]):
        raise _Refused("id", "it is not that of canonical_url")
    for name in _DATES:
        value = record[name]
        if value is not None:
            try:
                datetime.fromisoformat(value)
            except ValueError as error:
                raise _Refused(name, f"{value!r} is no date: {error}") from None
    _check_number(record["revision"], "revision")
    for name, numbers in _NUMBERS.items():
        for position, part in enumerate(record[name]):
            for number in numbers:
                _check_number(part[number], f"{name}.{position}.{number}")
    if _TEXT_NUL.search(line) and (where := _with_nul(record, "")):
        raise _Refused(where, "it holds a NUL character")
    return record  # type: ignore[no-any-return]


def _check_number(value: int | float | None, path: str) -> None:
    """For JSON Schema 1.0 is an integer, and so is one of any length."""
    if value is not None and (not isinstance(value, int) or value > _LARGEST):
        raise _Refused(path, f"{value} does not fit into 64 bits")


def _refusal(record: object) -> _Refused:
    """Name the field that the validator complains of."""
    if not isinstance(record, dict):
        return _Refused("line", "no JSON object")
    error = next(_VALIDATOR.iter_errors(record))
    path = [str(part) for part in error.instance_path]
    reason = error.message
    if not path and (named := re.match(r'"(\w+)" is a required property', reason)):
        path = [named[1]]
    if not path and (named := re.search(r"\('(\w+)' (?:was|were) unexpected\)", reason)):
        path = [named[1]]
    if (
        not path and "anyOf" in reason
    ):  # the schema's last rule: there is something below a headline
        path, reason = ["article_body"], "empty, and no picture, audio or video either"
    reason = reason if len(reason) <= 200 else f"{reason[:100]} … {reason[-90:]}"
    return _Refused(".".join(path) or "record", " ".join(reason.split()))


def _with_nul(value: object, path: str) -> str:
    """Return the path of the first text that holds U+0000, or `""`."""
    if isinstance(value, str):
        return path if "\0" in value else ""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for name, part in pairs:
        if where := _with_nul(part, f"{path}.{name}".lstrip(".")):
            return where
    return ""
