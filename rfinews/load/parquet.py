"""Records into Parquet files, one for each edition and month."""

import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

from rfinews.files import sync_directory, sync_file
from rfinews.load.base import LoadError
from rfinews.load.duck import DuckDB
from rfinews.load.records import Source
from rfinews.load.tables import COLUMNS, names

#: The database from which the files are written. Readers of Parquet pass over names with a dot first.
STATE = ".rfinews.duckdb"
FILE = "articles.parquet"
_NEW = ".rfinews.new"
#: Articles that are written together, which bounds the memory for it, and the files.
_AT_ONCE = 20_000
_MONTH = "strftime(coalesce(date_published, feed_date, crawled_at), '%Y-%m')"
_KEPT = tuple(name for name in COLUMNS if name != "edition")  # which the directory's name says


class Parquet(DuckDB):
    """A directory with ``edition=cn/month=2024-05/articles.parquet`` for the latest revisions.

    The month is that of the publication, or else of the feed or the crawl. Every record is in a
    DuckDB file, too, which knows what files to write anew: a load that was interrupted is completed
    by the next. Each file appears whole.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / STATE)
        self.directory = directory

    def __enter__(self) -> Self:
        try:
            self.directory.mkdir(exist_ok=True)
        except OSError as error:
            raise LoadError(f"{self}: {error.strerror}") from error
        super().__enter__()
        with self._told():
            self._run(f"SET partitioned_write_max_open_files = {_AT_ONCE}")
        return self

    def __str__(self) -> str:
        return f"parquet:{self.directory}"

    def _make_more_tables(self) -> None:
        self._run("CREATE TABLE outdated (edition VARCHAR, month VARCHAR)")

    def _changing(self) -> None:
        self._run(
            f"INSERT INTO outdated SELECT DISTINCT edition, {_MONTH} FROM articles"  # noqa: S608
            " WHERE id IN (SELECT id FROM changed)"
        )

    def load(self, source: Source) -> Counter[str]:
        counts = super().load(source)
        with self._told():
            try:
                self._write()
            except OSError as error:
                raise LoadError(f"{error.filename or self}: {error.strerror}") from error
        return counts

    def _write(self) -> None:
        """Write the files of all months that are outdated. Raises `OSError`."""
        rows = (
            f"SELECT edition, month, count(id) FROM (SELECT DISTINCT * FROM outdated) AS o"  # noqa: S608
            f" LEFT JOIN (SELECT edition, {_MONTH} AS month, id FROM articles) USING (edition, month)"
            " GROUP BY ALL ORDER BY ALL"
        )
        months: list[tuple[str, str]] = []
        number = 0
        for edition, month, articles in self._run(rows).fetchall():
            if not articles:  # all that were there are in another month now
                self._remove(_folder(edition, month))
            if months and number + articles > _AT_ONCE:
                self._write_some(months)
                months, number = [], 0
            months.append((edition, month))
            number += articles
        if months:
            self._write_some(months)

    def _write_some(self, months: list[tuple[str, str]]) -> None:
        """Write the files of some editions and months at once, which costs one scan of the articles."""
        new = self.directory / _NEW
        shutil.rmtree(new, ignore_errors=True)  # of a load that was killed
        self._run("CREATE TEMPORARY TABLE months (edition VARCHAR, month VARCHAR)")
        self._db.executemany("INSERT INTO months VALUES (?, ?)", months)
        query = (
            f"SELECT {names(_KEPT)}, edition, {_MONTH} AS month FROM articles"  # noqa: S608
            f" WHERE (edition, {_MONTH}) IN (SELECT (edition, month) FROM months)"
            " ORDER BY edition, month, date_published, id"
        )
        target = str(new).replace("'", "''")
        self._run("SET preserve_insertion_order = true")
        self._run(
            f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd,"
            " PARTITION_BY (edition, month))"
        )
        self._run("SET preserve_insertion_order = false")
        for edition, month in months:
            folder = _folder(edition, month)
            if (new / folder).is_dir():
                (written,) = (new / folder).iterdir()  # one, as no more than `_AT_ONCE` are open
                sync_file(written)
                (self.directory / folder).mkdir(parents=True, exist_ok=True)
                written.replace(self.directory / folder / FILE)
                sync_directory(self.directory / folder)
        self._run(
            "DELETE FROM outdated WHERE (edition, month) IN (SELECT (edition, month) FROM months)"
        )
        self._run("DROP TABLE months")
        shutil.rmtree(new, ignore_errors=True)

    def _remove(self, folder: str) -> None:
        path = self.directory / folder
        (path / FILE).unlink(missing_ok=True)
        with suppress(OSError):  # somebody else's file is in it
            path.rmdir()
            path.parent.rmdir()


def _folder(edition: str, month: str) -> str:
    return f"edition={edition}/month={month}"
