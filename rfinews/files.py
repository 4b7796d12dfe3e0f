"""The files of a crawl: their names, files that appear whole, the mark of a crawl that has not ended.

A file grows under a name that ends in ``.part`` and is renamed once it is flushed to disk, so a name
without ``.part`` is always complete (CONTRACT section 5).
"""

import contextlib
import fcntl
import gzip
import hashlib
import io
import os
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

PART = ".part"
MANIFEST = ".manifest.json"
OUTCOMES = ".outcomes.jsonl"
MARK = ".crawl.part"
DRAFT_OF_MARK = ".crawl.copy.part"
#: Seconds after which a crawl on another host that gave no sign of life counts as dead.
LEASE = 600
#: Seconds between two signs of life.
HEARTBEAT = 60
_COPY_BYTES = 1 << 20
_ARTICLES = re.compile(r"(?P<crawl_id>.+?)(?:\.(?P<number>\d{5}))?\.jsonl(?:\.gz)?", re.DOTALL)


class ArticlesName(NamedTuple):
    """What the name of a complete articles file says."""

    crawl_id: str
    number: int


def articles_name(crawl_id: str, number: int, *, compressed: bool = False) -> str:
    """Name the `number`-th articles file of a crawl; the first carries no number.

    >>> articles_name("feedx-1", 1), articles_name("feedx-1", 2, compressed=True)
    ('feedx-1.jsonl', 'feedx-1.00002.jsonl.gz')
    """
    rotation = f".{number:05d}" if number > 1 else ""
    return f"{crawl_id}{rotation}.jsonl{'.gz' if compressed else ''}"


def read_articles_name(name: str) -> ArticlesName | None:
    """Take the name of a complete articles file apart; `None` for any other name.

    >>> read_articles_name("feedx-1.00002.jsonl.gz")
    ArticlesName(crawl_id='feedx-1', number=2)
    >>> read_articles_name("feedx-1.outcomes.jsonl"), read_articles_name("feedx-1.jsonl.part")
    (None, None)
    """
    match = _ARTICLES.fullmatch(name)
    if match is None or name.endswith(OUTCOMES):
        return None
    return ArticlesName(match["crawl_id"], int(match["number"] or 1))


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, the last perhaps torn. Raises `OSError`, also for broken gzip."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        try:
            yield from file
        except (EOFError, zlib.error) as error:
            raise OSError(f"{path.name}: {error}") from None


def sync_file(path: Path) -> None:
    """Flush a file to disk. Raises `OSError`."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Flush the names in a directory to disk. Raises `OSError`."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _open_alone(path: Path, flags: int, *, wait: bool = False) -> int:
    """Open `path` and lock it. Raises `BlockingIOError` when another process holds it."""
    while True:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_at(fd, path):  # not so if it was renamed or removed in between
                return fd
        except OSError:
            os.close(fd)
            raise
        os.close(fd)


def is_locked(path: Path) -> bool:
    """Whether a process holds the file, for it is writing it."""
    try:
        os.close(_open_alone(path, os.O_RDWR))
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


class PartFile(io.RawIOBase):
    """A file that grows as ``<path>.part``: whole writes or none, counted and hashed as they come.

    The first failing write is kept in `error`, told to `failed`, and undone; later ones are ignored,
    because Scrapy's exporter would meet each with a traceback and go on.
    Raises `OSError` when the file cannot be opened or is another crawl's.
    """

    error: OSError | None = None

    def __init__(
        self,
        path: Path,
        *,
        part: Path | None = None,
        append: bool = False,
        failed: Callable[[OSError], None] | None = None,
    ) -> None:
        self.path = path
        self.part = part or path.with_name(path.name + PART)
        self.failed = failed
        self.size = 0
        self.lines = 0
        self.lines_before = 0
        self.digest = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.fd = _open_alone(self.part, os.O_WRONLY | os.O_CREAT)
        except BlockingIOError as error:
            raise OSError(error.errno, "another crawl is writing it", str(self.part)) from None
        os.ftruncate(self.fd, 0)
        if append and path.exists():
            with path.open("rb") as before:
                while chunk := before.read(_COPY_BYTES):
                    self.write(chunk)
            if self.error is not None:
                self.close()
                raise self.error
            self.lines_before = self.lines

    def write(self, data: "Buffer", /) -> int:
        """Append all of `data`, or nothing of it. Returns the number of bytes taken: all."""
        data = bytes(data)
        if self.error is None:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self.fd, rest) :]
            except OSError as error:
                self.error = error
                with contextlib.suppress(OSError):
                    os.ftruncate(self.fd, self.size)
                    os.lseek(self.fd, self.size, os.SEEK_SET)
                if self.failed is not None:
                    self.failed(error)
            else:
                self.size += len(data)
                self.lines += data.count(b"\n")
                self.digest.update(data)
        return len(data)

    def rewrite(self) -> None:
        """Forget all that was written. Raises `OSError`."""
        os.ftruncate(self.fd, 0)
        os.lseek(self.fd, 0, os.SEEK_SET)
        self.error, self.size, self.lines, self.digest = None, 0, 0, hashlib.sha256()

    def finish(self) -> None:
        """Flush to disk and give the file its name. Raises `OSError`, also for a failed write."""
        if self.error is not None:
            raise self.error
        self.complete()

    def complete(self) -> None:
        """Flush to disk what could be written and give the file its name. Raises `OSError`."""
        try:
            os.fsync(self.fd)
            self.part.replace(self.path)
            sync_directory(self.path.parent)
        finally:
            self.close()

    def remove(self) -> None:
        """Give the file up."""
        self.part.unlink(missing_ok=True)
        self.close()

    @property
    def is_in_place(self) -> bool:
        """Whether the part is still there, and not taken over as that of a crawl that died."""
        return _is_at(self.fd, self.part)

    def close(self) -> None:
        """Close the file; if it is not complete, it stays a ``.part``."""
        if not self.closed:
            os.close(self.fd)
        super().close()

    def tell(self) -> int:
        return self.size

    def writable(self) -> bool:
        return True

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest says of the file."""
        return {
            "name": self.path.name,
            "lines": self.lines,
            "bytes": self.size,
            "sha256": self.digest.hexdigest(),
        }


class CrawlMark:
    """``<crawl_id>.crawl.part``: a crawl that has begun and not ended. Locked while its crawl runs.

    It holds what the manifest of a crawl that died has to say. A lock does not reach every host
    that shares the directory, so its time is also a sign of life; see `LEASE`.
    """

    def __init__(self, path: Path, fd: int, about: dict[str, Any]) -> None:
        self.path = path
        self.fd = fd
        self.about = about

    @classmethod
    def create(cls, directory: Path, about: dict[str, Any]) -> Self:
        """Mark the crawl ``about["crawl_id"]`` as begun. Raises `OSError`."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{about['crawl_id']}{MARK}"
        draft = directory / f"{about['crawl_id']}{DRAFT_OF_MARK}"
        # Nobody else writes it, but one may look whether it is locked, by locking it.
        mark = cls(draft, _open_alone(draft, os.O_RDWR | os.O_CREAT, wait=True), about)
        try:
            os.write(mark.fd, orjson.dumps({**about, "host": socket.gethostname()}))
            mark.path = draft.rename(path)  # never seen without its lock
        except OSError:
            mark.remove()
            raise
        return mark

    @classmethod
    def seize(cls, path: Path) -> Self | None:
        """Take over the mark of a crawl that died; `None` if it runs, here or elsewhere."""
        try:
            fd = _open_alone(path, os.O_RDWR)
        except (BlockingIOError, FileNotFoundError):
            return None
        try:
            about = orjson.loads(os.read(fd, _COPY_BYTES))
            is_ours = about["host"] == socket.gethostname()
        except (ValueError, TypeError, KeyError):  # it died while it wrote it
            about, is_ours = {}, True
        if not is_ours and abs(time.time() - os.fstat(fd).st_mtime) < LEASE:
            os.close(fd)
            return None
        about["crawl_id"] = path.name.removesuffix(MARK)
        return cls(path, fd, about)

    def beat(self) -> None:
        """Give a sign of life."""
        with contextlib.suppress(OSError):  # a full or vanished disk is for others to report
            os.utime(self.fd)

    def remove(self) -> None:
        """The crawl has ended, or has never begun."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave the crawl to whoever comes next."""
        os.close(self.fd)
