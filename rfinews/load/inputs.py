"""What ``scrapy load`` is asked to load: articles files and manifests, found by their names."""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from rfinews.files import MANIFEST, OUTCOMES, PART, read_articles_name
from rfinews.load.records import REJECTED, Record
from rfinews.verify import Manifest

STDIN = "-"


class Inputs:
    """The files to load: `articles` (``-``: standard input), then `manifests`, each once.

    `notes` tells what has been left aside. Raises `OSError` for a directory that cannot be read,
    `ValueError` for one without ``articles/``.
    """

    def __init__(self, args: Iterable[str]) -> None:
        self.articles: list[str] = []
        self.manifests: list[Path] = []
        self.notes: list[str] = []
        self._seen: set[str] = set()
        for arg in args:
            if arg == STDIN:
                self._add(arg, self.articles)
            elif Path(arg).is_dir():
                self._add_folder(Path(arg))
            else:
                self._add_file(Path(arg))

    def _add(self, name: str, kind: list[Any]) -> None:
        real = name if name == STDIN else os.path.realpath(name)
        if real not in self._seen:
            self._seen.add(real)
            kind.append(name if kind is self.articles else Path(name))

    def _add_folder(self, path: Path) -> None:
        folder = path / "articles" if (path / "articles").is_dir() else path
        found = sorted(
            file
            for file in folder.iterdir()
            if file.name.endswith(MANIFEST)
            or (read_articles_name(file.name) and not file.name.endswith(REJECTED))
        )
        if not found and folder == path and folder.name != "articles":
            raise ValueError(f"no articles in {path}")
        for file in found:
            self._add_file(file)

    def _add_file(self, path: Path) -> None:
        name = path.name
        if name.endswith(MANIFEST):
            self._add_crawl(path)
        elif name.endswith(OUTCOMES):
            pass  # ``articles/*.jsonl`` names them, too
        elif name.endswith(REJECTED):
            self.notes.append(f"{path}: left out; give it another name when it is mended")
        elif name.endswith(PART):
            self.notes.append(f"{path}: left out; a crawl is writing it")
        else:
            self._add(str(path), self.articles)
            crawl = read_articles_name(name)
            if crawl and (manifest := path.with_name(crawl.crawl_id + MANIFEST)).is_file():
                self._add(str(manifest), self.manifests)

    def _add_crawl(self, path: Path) -> None:
        """A manifest and the files that it names; a broken one is told when it is loaded."""
        self._add(str(path), self.manifests)
        try:
            manifest = Manifest.read(path)
        except (OSError, ValueError):
            return
        for claim in manifest.articles:
            self._add(str(claim.path), self.articles)


def read_manifest(path: Path) -> Record:
    """Read a manifest that every engine can store. Raises `OSError` or `ValueError`, in one line."""
    Manifest.read(path)
    content = path.read_bytes()
    if b"\\u0000" in content:
        raise ValueError("it holds a NUL character")
    manifest: Record = orjson.loads(content)
    for name in ("started_at", "finished_at"):
        try:
            is_dated = datetime.fromisoformat(manifest[name]).tzinfo is not None
        except ValueError:
            is_dated = False
        if not is_dated:
            raise ValueError(f"{name}: {manifest[name]!r} is no date")
    return manifest
