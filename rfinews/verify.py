"""Checks what crawls left against their manifests (CONTRACT section 5).

Files are read a line at a time; all that is remembered of them is a key for each revision.
"""

import errno
import fcntl
import gzip
import hashlib
import importlib.resources
import io
import os
import re
import socket
import stat
import time
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import jsonschema_rs
import orjson

from rfinews.files import LEASE, MANIFEST, MARK, OUTCOMES, PART
from rfinews.markup import content_hash
from rfinews.urls import article_id

# Of a line and of a manifest. The largest page that is fetched (10 MB) gives less.
_LONGEST = 32 << 20
_SHOWN = 5
_LINES = (".jsonl", ".jsonl.gz")
_ARTICLES = r"(?:\.[0-9]{5})?\.jsonl(?:\.gz)?"
_OF_A_CRAWL = re.compile(
    rf"(?P<crawl_id>.+-[0-9]{{8}}T[0-9]{{6}}Z-.+?)(?:{_ARTICLES}|{re.escape(OUTCOMES)})", re.DOTALL
)

_FILE = {
    "type": "object",
    "required": ["name", "lines", "bytes", "sha256"],
    "properties": {
        "name": {"type": "string", "pattern": r"^[^\x00]+$"},
        "lines": {"type": "integer", "minimum": 0},
        "bytes": {"type": "integer", "minimum": 0},
        "sha256": {"type": "string"},
    },
}
_MANIFEST = jsonschema_rs.Draft202012Validator(
    {
        "type": "object",
        "required": [
            *("crawl_id", "spider", "arguments", "started_at", "finished_at", "finish_reason"),
            *("files", "outcomes", "versions", "previous"),
        ],
        "properties": {
            "crawl_id": {"type": "string"},
            "spider": {"type": "string"},
            "arguments": {"type": "object"},
            "started_at": {"type": "string"},
            "finished_at": {"type": "string"},
            "finish_reason": {"type": "string"},
            "files": {"type": "array", "items": _FILE},
            "outcomes_file": {"anyOf": [_FILE, {"type": "null"}]},
            "outcomes": {
                "type": "object",
                "additionalProperties": {"type": "integer", "minimum": 0},
            },
            "versions": {"type": "object"},
            "previous": {
                "type": ["object", "null"],
                "required": ["crawl_id", "sha256"],
                "properties": {
                    "crawl_id": {"type": "string", "pattern": r"^[^\x00/]+$"},
                    "sha256": {"type": "string"},
                },
            },
        },
    }
)
_OUTCOME = jsonschema_rs.Draft202012Validator(
    {
        "type": "object",
        "required": ["url", "outcome", "detail"],
        "properties": {
            "url": {"type": "string"},
            "outcome": {
                "type": "string",
                "pattern": "^(?:exported|unchanged|duplicate|offsite|robots|http_[0-9]{3}|network"
                "|parse|invalid|unfetched)$",
            },
            "detail": {"type": ["string", "null"]},
        },
        "additionalProperties": False,
    }
)


class Fault(NamedTuple):
    """What is wrong with a file: a word for programs, which is never renamed, and one for people."""

    path: str
    fault: str
    detail: str


class Note(NamedTuple):
    """What is worth telling of a file and no fault."""

    path: str
    detail: str


class NotVerifiable(ValueError):
    """Raised by `Verification` for a path that cannot be verified; its text is one line for the user."""


class Wrong(ValueError):
    """Raised by the check of a line; `fault` is the word of the `Fault` that it becomes."""

    def __init__(self, fault: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


class Claim(NamedTuple):
    """What a manifest says of a file."""

    path: Path
    lines: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a manifest says. `articles` are the crawl's own files, `others` those of ``-o``."""

    path: Path
    crawl_id: str
    finished_at: str
    articles: list[Claim]
    others: list[Claim]
    outcomes: dict[str, int]
    outcomes_path: Path
    outcomes_file: Claim | None
    previous: dict[str, str] | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `OSError` or, for a file that is no manifest, `ValueError`."""
        with _open(path) as file:
            content = _parsed(file.read(_LONGEST + 1), _MANIFEST)
        crawl_id = path.name.removesuffix(MANIFEST)
        if content["crawl_id"] != crawl_id:
            raise ValueError(f"its crawl_id is {content['crawl_id']}")
        claims = [_claim(path, entry) for entry in content["files"]]
        own = re.compile(re.escape(str(path.with_name(crawl_id))) + _ARTICLES)
        outcomes_path = path.with_name(crawl_id + OUTCOMES)
        outcomes_file = content.get("outcomes_file")
        if outcomes_file is not None and outcomes_file["name"] != outcomes_path.name:
            raise ValueError(f"its outcomes_file is {outcomes_file['name']}")
        return cls(
            path=path,
            crawl_id=crawl_id,
            finished_at=content["finished_at"],
            articles=[claim for claim in claims if own.fullmatch(str(claim.path))],
            others=[claim for claim in claims if not own.fullmatch(str(claim.path))],
            outcomes=content["outcomes"],
            outcomes_path=outcomes_path,
            outcomes_file=outcomes_file and _claim(path, outcomes_file),
            previous=content["previous"],
        )

    @property
    def named(self) -> set[Path]:
        """The files that it vouches for."""
        return {self.outcomes_path, *(claim.path for claim in self.articles + self.others)}


class Verification:
    """A check of data directories, their ``articles/``, single manifests and JSON Lines files.

    `faults` does it; the counts and `notes` are whole when it is at its end. Raises `NotVerifiable`.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.folders: dict[Path, Path] = {}
        self.singles: dict[Path, Path] = {}
        for path in paths:
            try:
                self._add(path)
            except FileNotFoundError:
                raise NotVerifiable(f"no such file or directory: {printable(path)}") from None
            except OSError as error:
                raise NotVerifiable(f"cannot read {printable(path)}: {error.strerror}") from None
        schema = importlib.resources.files("rfinews") / "schemas" / "article-v1.json"
        article = orjson.loads(schema.read_bytes())
        self.fields = tuple(article["properties"])
        self.article = jsonschema_rs.Draft202012Validator(article)
        self.manifests = 0
        self.files = 0
        self.lines = 0
        self.notes: list[Note] = []
        # 16 bytes of id and 4 of revision: the file that it stands in. 5 million take 0.5 GB.
        self.revisions: dict[bytes, str] = {}
        # A file of -o may be another crawl's -o later: what the last one says of it counts.
        self.others: dict[Path, tuple[str, Claim]] = {}
        self.crawl_was_running = False  # and may hold revisions that were not read

    def _add(self, path: Path) -> None:
        if not stat.S_ISDIR(path.stat().st_mode):
            if not path.name.endswith((MANIFEST, *_LINES, PART)):
                raise NotVerifiable(f"neither manifest nor JSON Lines file: {printable(path)}")
            self.singles[_real(path)] = path
            return
        folder = path / "articles"
        if not folder.is_dir():
            folder = path
            names = [file.name for file in path.iterdir()]
            if _real(path).name != "articles" and not any(
                name.endswith((MANIFEST, *_LINES, PART)) for name in names
            ):
                raise NotVerifiable(f"no articles/ in {printable(path)}")
        self.folders[_real(folder)] = folder

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong as it is found."""
        for folder in self.folders.values():
            yield from self._check_folder(folder)
        yield from self._check_singles()
        for _, claim in self.others.values():
            yield from self._check_other(claim)
        gaps = () if self.singles else _few(self._gaps())
        if self.crawl_was_running:
            self.notes += [Note(gap.path, f"{gap.detail}; a crawl was running") for gap in gaps]
        else:
            yield from gaps

    def _check_folder(self, folder: Path) -> Iterator[Fault]:
        try:
            names = _names(folder)
        except OSError as error:
            yield Fault(printable(folder), "unreadable", _reason(error))
            return
        running = _running(folder, names)
        named: set[Path] = set()
        for path in [folder / name for name in sorted(names) if name.endswith(MANIFEST)]:
            manifest = yield from self._check_manifest(path)
            named |= {path} if manifest is None else {path} | manifest.named
        for name in sorted(names):
            if folder / name not in named:
                yield from self._check_unnamed(folder / name, names, running)

    def _check_singles(self) -> Iterator[Fault]:
        """Check single manifests, then the single files that these did not name."""
        left = {
            real: path for real, path in self.singles.items() if real.parent not in self.folders
        }
        for path in [path for path in left.values() if path.name.endswith(MANIFEST)]:
            manifest = yield from self._check_manifest(path)
            for checked in {path} if manifest is None else {path} | manifest.named:
                left.pop(_real(checked), None)
        for path in left.values():
            yield from self._check_lines_file(path)

    def _check_lines_file(self, path: Path) -> Iterator[Fault]:
        try:
            names = _names(path.parent)
            manifest = _manifest_naming(path, names)
        except (OSError, ValueError) as error:
            yield Fault(printable(path), "manifest", f"its manifest: {_reason(error)}")
            return
        if manifest is None:
            yield from self._check_unnamed(path, names, _running(path.parent, names))
        elif path == manifest.outcomes_path:
            yield from self._check_outcomes(manifest)
        else:
            for claim in manifest.articles + manifest.others:
                if claim.path == path:
                    yield from self._check_claim(claim, manifest)

    def _check_manifest(self, path: Path) -> Generator[Fault, None, Manifest | None]:
        self.manifests += 1
        try:
            manifest = Manifest.read(path)
        except (OSError, ValueError) as error:
            yield Fault(printable(path), "manifest", _reason(error))
            return None
        yield from self._check_previous(manifest)
        for claim in manifest.articles + manifest.others:
            yield from self._check_claim(claim, manifest)
        yield from self._check_outcomes(manifest)
        return manifest

    def _check_previous(self, manifest: Manifest) -> Iterator[Fault]:
        if manifest.previous is None:
            return
        name = manifest.previous["crawl_id"] + MANIFEST
        folders = [manifest.path.parent, *self.folders.values()]
        folders += [path.parent for path in self.singles.values()]
        found = {_sha256(folder / name) for folder in folders} - {None}
        if not found:
            detail = f"the manifest before it is not there: {name}"
        elif manifest.previous["sha256"] not in found:
            detail = f"sha256 of the manifest before it differs: {name}"
        else:
            return
        yield Fault(printable(manifest.path), "chain", printable(detail))

    def _check_claim(self, claim: Claim, manifest: Manifest) -> Iterator[Fault]:
        if claim in manifest.articles:
            self.files += 1
            name = printable(claim.path)
            yield from _few(
                _check_file(
                    claim.path, claim, lambda line: self._check_line(line, manifest.crawl_id, name)
                )
            )
        else:
            finished_at, _ = self.others.get(claim.path, ("", claim))
            if finished_at <= manifest.finished_at:
                self.others[claim.path] = (manifest.finished_at, claim)

    def _check_line(self, line: bytes, crawl_id: str, name: str) -> None:
        self.lines += 1
        try:
            record = _parsed(line, self.article)
        except ValueError as error:
            raise Wrong("schema", str(error)) from None
        if tuple(record) != self.fields:
            raise Wrong("schema", "its fields stand in another order")
        id_, revision = record["id"], int(record["revision"])
        if revision >= 1 << 32:
            raise Wrong("schema", f"revision: {revision} is too large")
        key = bytes.fromhex(id_) + revision.to_bytes(4, "big")
        if key in self.revisions:
            other = self.revisions[key]
            raise Wrong("duplicate", f"{id_} revision {revision} stands in {other} already")
        self.revisions[key] = name
        if record["crawl_id"] != crawl_id:
            raise Wrong("crawl_id", f"it is {record['crawl_id']}")
        if id_ != article_id(record["canonical_url"]):
            raise Wrong("id", f"{id_} is not that of {record['canonical_url']}")
        content = record["headline"], record["description"], record["article_body"]
        if record["content_hash"] != content_hash(*content):
            raise Wrong("content_hash", "headline, description or article_body differ from it")

    def _check_other(self, claim: Claim) -> Iterator[Fault]:
        """Check a file of ``-o``: it may be of any format, and may have been moved since."""
        name = printable(claim.path)
        try:
            with _open(claim.path) as file:
                wrong = _damage(file, claim)
        except (FileNotFoundError, NotADirectoryError):
            self.notes.append(Note(name, "a file of -o, and no longer there"))
            return
        except OSError as error:
            wrong = Wrong("unreadable", _reason(error))
        self.files += 1
        if wrong is not None:
            yield Fault(name, wrong.fault, str(wrong))

    def _check_outcomes(self, manifest: Manifest) -> Iterator[Fault]:
        counts: Counter[str] = Counter()
        addresses: set[bytes] = set()

        def check_line(line: bytes) -> None:
            try:
                row = _parsed(line, _OUTCOME)
            except ValueError as error:
                raise Wrong("outcomes", str(error)) from None
            key = hashlib.sha256(row["url"].encode()).digest()[:16]
            if key in addresses:
                raise Wrong("outcomes", f"{row['url']} stands there before")
            addresses.add(key)
            counts[row["outcome"]] += 1

        path, claim = manifest.outcomes_path, manifest.outcomes_file
        faults = list(_few(_check_file(path, claim, check_line)))
        if claim is None and not manifest.outcomes:
            faults = [fault for fault in faults if fault.fault != "missing"]
        yield from faults
        said = Counter(manifest.outcomes)
        if not faults and counts != said:
            differences = [
                f"{counts[outcome]:,} {outcome}, the manifest says {said[outcome]:,}"
                for outcome in sorted(counts | said)
                if counts[outcome] != said[outcome]
            ]
            yield Fault(printable(path), "outcomes", printable("; ".join(differences)))

    def _check_unnamed(
        self, path: Path, names: frozenset[str], running: frozenset[str]
    ) -> Iterator[Fault]:
        """Check a file that no manifest names."""
        match = _OF_A_CRAWL.fullmatch(path.name)
        manifest = match["crawl_id"] + MANIFEST if match else ""
        name = printable(path)
        if any(path.name.startswith(f"{crawl_id}.") for crawl_id in running):
            self._note_running(name, "its crawl is running")
        elif not path.name.endswith((*_LINES, PART)):
            self.notes.append(Note(name, "no file of a crawl's"))
        elif path.name.endswith(PART) and os.path.lexists(path):
            yield Fault(name, "unfinished", "its crawl did not end; the next crawl completes it")
        elif path.name.endswith(PART) or (
            manifest and manifest not in names and path.with_name(manifest).exists()
        ):
            self._note_running(name, "its crawl has ended meanwhile")
        elif not manifest or manifest in names:
            yield Fault(name, "extra", "no manifest names it")
        else:
            detail = f"no {manifest}: its crawl did not end; the next crawl completes it"
            yield Fault(name, "unfinished", printable(detail))

    def _note_running(self, name: str, detail: str) -> None:
        self.notes.append(Note(name, detail))
        self.crawl_was_running = True

    def _gaps(self) -> Iterator[Fault]:
        for key, name in self.revisions.items():
            revision = int.from_bytes(key[16:], "big")
            before = key[:16] + (revision - 1).to_bytes(4, "big")
            if revision > 1 and before not in self.revisions:
                detail = f"{key[:16].hex()} revision {revision} without revision {revision - 1}"
                yield Fault(name, "gap", detail)


def _check_file(
    path: Path, claim: Claim | None, check_line: Callable[[bytes], None]
) -> Iterator[Fault]:
    """Check a JSON Lines file as a whole, then line by line; `check_line` raises `Wrong`."""
    name = printable(path)
    try:
        with _open(path) as file:
            damage = claim and _damage(file, claim)
            if damage is not None:
                yield Fault(name, damage.fault, str(damage))
            file.seek(0)
            number = 0
            for line in _lines(gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file):
                if not line.endswith(b"\n") and len(line) <= _LONGEST:
                    yield Fault(name, "torn", "its last line has no end")
                    break
                number += 1
                try:
                    check_line(line)
                except Wrong as wrong:
                    yield Fault(name, wrong.fault, printable(f"line {number:,}: {wrong}"))
        if claim is not None and damage is None and number != claim.lines:
            detail = f"{number:,} lines, the manifest says {claim.lines:,}"
            yield Fault(name, "manifest", detail)
    except FileNotFoundError:
        yield Fault(name, "missing", "its manifest names it, and it is not there")
    except EOFError:
        yield Fault(name, "torn", "its compressed content has no end")
    except (OSError, zlib.error) as error:
        yield Fault(name, "unreadable", _reason(error))


def _damage(file: io.BufferedIOBase, claim: Claim) -> Wrong | None:
    """Compare a file with what its manifest says of it."""
    digest = hashlib.sha256()
    size = 0
    while chunk := file.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
    if size != claim.size:
        word = "torn" if size < claim.size else "altered"
        return Wrong(word, f"{size:,} bytes, the manifest says {claim.size:,}")
    if digest.hexdigest() != claim.sha256:
        return Wrong("altered", "sha256 differs from the manifest")
    return None


def _lines(file: io.BufferedIOBase) -> Iterator[bytes]:
    """Yield the lines; of one longer than `_LONGEST` only the beginning, which is longer, too."""
    while line := file.readline(_LONGEST + 1):
        rest = line
        while len(rest) > _LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST + 1)
        yield line


def _parsed(text: bytes, schema: jsonschema_rs.Draft202012Validator) -> dict[str, Any]:
    """Read JSON. Raises ValueError if it is too long, no JSON or not what the schema asks for."""
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST:,} bytes")
    try:
        value: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from None
    if not schema.is_valid(value):
        wrong = next(schema.iter_errors(value))
        where = ".".join(map(str, wrong.instance_path))
        raise ValueError(f"{where}: {wrong.message[:200]}" if where else wrong.message[:200])
    return value


def _claim(manifest: Path, entry: dict[str, Any]) -> Claim:
    path = manifest.parent / entry["name"]
    if "/" in entry["name"] and _real(path.parent) == _real(manifest.parent):
        path = manifest.with_name(path.name)
    return Claim(path, entry["lines"], entry["bytes"], entry["sha256"])


def _manifest_naming(path: Path, names: Iterable[str]) -> Manifest | None:
    """Find the manifest beside a file that names it. Raises what reading the crawl's own raises."""
    match = _OF_A_CRAWL.fullmatch(path.name)
    own = match["crawl_id"] + MANIFEST if match else ""
    if own in names:
        manifest = Manifest.read(path.with_name(own))
        if path in manifest.named:
            return manifest
    found = None
    for name in names:
        if name.endswith(MANIFEST) and name != own:
            try:
                manifest = Manifest.read(path.with_name(name))
            except (OSError, ValueError):
                continue
            if path in manifest.named and (not found or found.finished_at < manifest.finished_at):
                found = manifest
    return found


def _running(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """Return the crawls that have begun and not ended, and are still at it."""
    marks = [folder / name for name in names if name.endswith(MARK)]
    return frozenset(mark.name.removesuffix(MARK) for mark in marks if _is_held(mark))


def _is_held(mark: Path) -> bool:
    """Whether a crawl holds the lock of its mark or, from another host, renewed it lately."""
    try:
        fd = os.open(mark, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
        host = orjson.loads(os.read(fd, 1 << 20))["host"]
        return host != socket.gethostname() and abs(time.time() - os.fstat(fd).st_mtime) < LEASE
    except BlockingIOError:
        return True
    except (OSError, ValueError, TypeError, KeyError):
        return False
    finally:
        os.close(fd)


def _open(path: Path) -> io.BufferedReader:
    """Open a regular file: no pipe, which would never end. Raises `OSError`."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    return path.open("rb")


def _sha256(path: Path) -> str | None:
    try:
        with _open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _names(folder: Path) -> frozenset[str]:
    return frozenset(file.name for file in folder.iterdir())


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _reason(error: Exception) -> str:
    return printable((error.strerror if isinstance(error, OSError) else None) or error)


def _few(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Pass on the first faults of each kind in a file, then the number of the others."""
    counts: Counter[tuple[str, str]] = Counter()
    for fault in faults:
        counts[fault.path, fault.fault] += 1
        if counts[fault.path, fault.fault] <= _SHOWN:
            yield fault
    for (path, word), count in counts.items():
        if count > _SHOWN:
            yield Fault(path, word, f"{count - _SHOWN:,} more of this kind")


def printable(value: object) -> str:
    r"""A value in one line that any terminal can show, whatever a file or its name holds.

    >>> printable("a\nb\x1b[2J\udcff")
    'a?b?[2J?'
    """
    text = str(value)
    text = text if len(text) <= 1000 else f"{text[:1000]}…"
    return "".join(char if char.isprintable() else "?" for char in text)
