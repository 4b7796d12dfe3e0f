"""Records into a DuckDB file, read by DuckDB's own JSON reader."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Self

import duckdb
import orjson

from rfinews.load.base import FATES, Found, LoadError, Target
from rfinews.load.records import LONGEST, Record, Source
from rfinews.load.search import ALONE, fold, is_alone, phrases
from rfinews.load.tables import (
    CRAWL_COLUMNS,
    PARTS,
    crawl_row,
    definitions,
    merge_statements,
    names,
    strange_tables,
)

_BATCH = 1000
#: More than a transaction needs; without it DuckDB takes what most of the machine has.
_MEMORY = "512MB"
_WILD = frozenset("*?[")
_SEARCHED = ("headline", "description", "article_body")
_NO_LETTER = r"[^\p{L}\p{N}\p{M}_]"


class DuckDB(Target):
    """A DuckDB file, which is made when there is none. One program at a time has it open.

    Python reads each line first, to refuse bad ones and to know which articles come; DuckDB then
    reads the same file, or a copy of its good lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise LoadError(f"{self}: no such directory: {self.path.parent}")
        with self._told():
            self._db = duckdb.connect(str(self.path))
        try:
            with self._told():
                self._run("SET TimeZone = 'UTC'")
                self._run(f"SET memory_limit = '{_MEMORY}'")
                self._run("SET preserve_insertion_order = false")
                self._run("SET enable_progress_bar = false")
                self._has_tables = self._check_tables()
        except BaseException:
            self._db.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        with self._told():
            self._db.close()

    def __str__(self) -> str:
        return f"duckdb:///{self.path}"

    def _run(self, statement: str, values: object = None) -> "duckdb.DuckDBPyConnection":
        return self._db.execute(statement, values)

    def _number(self, query: str) -> int:
        (number,) = self._run(query).fetchone() or (0,)
        return int(number)

    def _check_tables(self) -> bool:
        """Whether the tables are there. Raises `LoadError` for tables of somebody else's."""
        there: dict[str, set[str]] = {}
        query = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        for table, column in self._run(query).fetchall():
            there.setdefault(table, set()).add(column)
        if strange := strange_tables(there, {}):
            raise LoadError(f"{self}: {strange}")
        return "articles" in there

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            if "Could not set lock" in reason:
                reason = "another program has it open"
            raise LoadError(f"{self}: {reason}") from error

    # -------------------------------------------------------------------------------------- write

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            self._run("BEGIN")
            try:
                if not self._has_tables:
                    self._run(definitions("duckdb"))
                    self._make_more_tables()
                yield
                self._run("COMMIT")
                self._has_tables = True
            except BaseException:
                self._db.rollback()
                raise

    def _make_more_tables(self) -> None:
        """Make what a kind of database has beside the published tables."""

    def _changing(self) -> None:
        """Hear that rows of the articles in the temporary table `changed` come, and that they came."""

    def load(self, source: Source) -> Counter[str]:
        counts = Counter(dict.fromkeys(FATES, 0))
        copy_path = self.path.with_name(f"{self.path.name}.copy.jsonl")
        with ExitStack() as stack, self._transaction():
            try:
                copy = stack.enter_context(copy_path.open("wb"))  # one that a killed load left, too
                stack.callback(copy_path.unlink)
                before = _facts(source.path)
                self._run("CREATE TEMPORARY TABLE ids (id VARCHAR)")
                is_copied, number = self._sift(source, copy)
                if number:
                    self._take(copy_path if is_copied else Path(source.name), number, counts)
                self._run("DROP TABLE ids")
                if not is_copied and _facts(source.path) != before:
                    raise LoadError(f"{source.path} was changed while it was read")
            except OSError as error:
                if error.filename != str(copy_path):
                    raise
                raise LoadError(f"{copy_path}: {error.strerror}") from error
        return counts

    def _sift(self, source: Source, copy: IO[bytes]) -> tuple[bool, int]:
        """Read all lines: their ids go to `ids`, and their records, if need be, to a copy.

        There is need when DuckDB would not read a line of the file as Python does: one that is
        refused, or that is not spelt as we spell it (of a name that stands twice one takes the first
        value, the other the last). Returns whether there is a copy, and how many records there are.
        """
        path = source.path
        # DuckDB would look for several files by a name with a wildcard
        is_copied = path is None or path.suffix == ".gz" or not _WILD.isdisjoint(str(path))
        ids: list[str] = []
        number = size = 0
        for line, record in source.lines():
            written = orjson.dumps(record) + b"\n"
            if not is_copied and (source.rejected or line != written):
                is_copied = True
                _copy(path, size, copy)
            if is_copied:
                copy.write(written)
            size += len(line)
            number += 1
            ids.append(record["id"])
            if len(ids) == _BATCH:
                self._run("INSERT INTO ids SELECT unnest(?)", [ids])
                ids.clear()
        if ids:
            self._run("INSERT INTO ids SELECT unnest(?)", [ids])
        if source.rejected and not is_copied:  # the last lines
            is_copied = True
            _copy(path, size, copy)
        copy.flush()
        return is_copied, number

    def _take(self, file: Path, number: int, counts: Counter[str]) -> None:
        self._run(
            "CREATE TEMPORARY TABLE known AS"
            " SELECT DISTINCT id FROM ids WHERE id IN (SELECT id FROM articles)"
        )
        self._run(
            "CREATE TEMPORARY TABLE several AS SELECT id FROM known"
            " UNION SELECT id FROM ids GROUP BY id HAVING count(*) > 1"
        )
        self._run("CREATE TEMPORARY TABLE changed (id VARCHAR)")
        columns = names()
        lines = _reader(file)
        if self._number("SELECT count(*) FROM several"):
            self._run(
                f"CREATE TEMPORARY TABLE incoming AS SELECT {columns} FROM {lines}"  # noqa: S608
                " WHERE id IN (SELECT id FROM several)"
            )
            self._merge(counts)
            self._run("DROP TABLE incoming")
        fresh = "SELECT id FROM ids WHERE id NOT IN (SELECT id FROM several)"
        if counts["new"] + counts["updated"] + counts["older"] + counts["unchanged"] < number:
            self._run(
                f"INSERT INTO articles ({columns}) SELECT {columns} FROM {lines}"  # noqa: S608
                " WHERE id NOT IN (SELECT id FROM several)"
            )
            counts["new"] += self._number(f"SELECT count(*) FROM ({fresh})")  # noqa: S608
            self._run(f"INSERT INTO changed {fresh}")
        self._add_lists("changed")
        self._changing()
        for table in ("known", "several", "changed"):
            self._run(f"DROP TABLE {table}")

    def _merge(self, counts: Counter[str]) -> None:
        """Bring in the rows of articles that are known, or of which there are several in the file."""
        find_news, *others = merge_statements()
        self._run(find_news)
        self._run("INSERT INTO changed SELECT id FROM news")
        if self._number("SELECT count(*) FROM news"):
            self._changing()
            for statement in others:
                self._run(statement)
        came = (
            f"SELECT count(*) FROM (SELECT {names()} FROM incoming WHERE id IN (SELECT id FROM news)"  # noqa: S608
            f" INTERSECT SELECT {names()} FROM {{}} WHERE id IN (SELECT id FROM news))"
        )
        latest, earlier = (self._number(came.format(table)) for table in ("articles", "superseded"))
        new = self._number("SELECT count(*) FROM several WHERE id NOT IN (SELECT id FROM known)")
        counts["new"] += new
        counts["updated"] += latest - new
        counts["older"] += earlier
        counts["unchanged"] += self._number("SELECT count(*) FROM incoming") - latest - earlier
        self._run("DROP TABLE news")

    def _add_lists(self, ids: str) -> None:
        """Write the lists' tables for the articles whose ids are in a table."""
        for table, columns in PARTS.items():
            entry = f"unnest({table}, max_depth := 2)" if len(columns) > 1 else f"unnest({table})"
            self._run(
                f"INSERT INTO {table} SELECT id, unnest(range(len({table}))), {entry}"  # noqa: S608
                f" FROM articles WHERE len({table}) > 0 AND id IN (SELECT id FROM {ids})"
            )

    def load_crawl(self, manifest: Record) -> bool:
        values = [
            orjson.dumps(value).decode() if isinstance(value, dict | list) else value
            for value in crawl_row(manifest)
        ]
        crawl_id = values[0]
        marks = ", ".join("?" * len(CRAWL_COLUMNS))
        with self._transaction():
            self._run(
                f"CREATE TEMPORARY TABLE crawl AS SELECT {names(CRAWL_COLUMNS)} FROM crawls LIMIT 0"  # noqa: S608
            )
            self._run(f"INSERT INTO crawl VALUES ({marks})", values)  # noqa: S608
            # Of two manifests for one crawl the one written last stands.
            is_news = self._number(
                "SELECT count(*) FROM crawl WHERE NOT EXISTS (SELECT 1 FROM crawls WHERE"
                " crawls.crawl_id = crawl.crawl_id AND (crawls.finished_at, crawls.manifest::VARCHAR)"
                " >= (crawl.finished_at, crawl.manifest::VARCHAR))"
            )
            if is_news:
                self._run("DELETE FROM crawls WHERE crawl_id = ?", [crawl_id])
                self._run("INSERT INTO crawls SELECT * FROM crawl")
            self._run("DROP TABLE crawl")
        return bool(is_news)

    # -------------------------------------------------------------------------------------- search

    def search(self, query: str, limit: int) -> list[Found]:
        if not self._has_tables:
            raise LoadError(f"{self}: nothing has been loaded into it")
        patterns = [pattern(phrase) for phrase in phrases(query)]
        if not patterns:
            return []
        holds = " OR ".join(f"regexp_matches({name}, ?)" for name in _SEARCHED)
        where = " AND ".join([f"({holds})"] * len(patterns))
        with self._told():
            found = self._run(
                "SELECT id, strftime(date_published, '%Y-%m-%d'), edition, headline, canonical_url"  # noqa: S608
                f" FROM articles WHERE {where} ORDER BY date_published DESC NULLS LAST, id LIMIT ?",
                [*(each for each in patterns for _ in _SEARCHED), limit],
            ).fetchall()
        return [Found(*row) for row in found]


def pattern(phrase: list[str]) -> str:
    r"""Return a regular expression (RE2) for words side by side, as `words` would cut and fold a text.

    DuckDB has no full-text index without a download, and reads a text faster than it would fold it:
    so the expression has all that folds to a letter.

    >>> pattern(["台", "湾"])
    '台[^\\p{L}\\p{N}\\p{M}_]*湾'
    """
    written = ""
    before = ""
    for word in phrase:
        is_run = not is_alone(word[0])
        gap = f"{_NO_LETTER}{'+' if is_run and before and not is_alone(before) else '*'}"
        written += (gap if before else "") + (_spellings(word) if is_run else word)
        before = word[0]
    edge = f"(?:{_NO_LETTER}|{ALONE})"
    start = "" if is_alone(phrase[0][0]) else f"(?:^|{edge})"
    end = "" if is_alone(phrase[-1][0]) else f"(?:$|{edge})"
    return f"{start}{written}{end}"


@cache
def _folded() -> dict[str, str]:
    """Letters by what `fold` makes of them: a letter, or two as of ß."""
    spellings: dict[str, str] = {}
    for first, last in ((0x41, 0x24F), (0x370, 0x6FF), (0x1E00, 0x1FFF), (0xFF10, 0xFF5A)):
        for letter in map(chr, range(first, last + 1)):
            if letter.isalnum() and len(folded := fold(letter)) <= 2:
                spellings[folded] = spellings.get(folded, "") + letter
    return spellings


def _spellings(word: str) -> str:
    """Return an expression for all that `fold` makes `word` of."""
    one, others = word[0], word[1:]
    marks = r"[\p{Mn}\x{0640}]*"
    written = f"[{one}{_folded().get(one, '')}]{marks}"
    if not others:
        return written
    written += _spellings(others)
    if both := _folded().get(word[:2]):
        written = f"(?:{written}|[{both}]{marks}{_spellings(word[2:]) if word[2:] else ''})"
    return written


def _facts(path: Path | None) -> tuple[int, int, int] | None:
    """What tells whether a file is as it was."""
    if path is None:
        return None
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _copy(path: Path | None, size: int, copy: IO[bytes]) -> None:
    """Copy the first `size` bytes of a file."""
    assert path is not None
    with path.open("rb") as file:
        while size and (block := file.read(min(size, 1 << 20))):
            copy.write(block)
            size -= len(block)


def _reader(file: Path) -> str:
    """Return DuckDB's reader of a file as SQL, with the type of each column of `articles`."""
    quoted = str(file).replace("'", "''")
    columns = ", ".join(f"'{name}': '{type_}'" for name, type_ in _types())
    return (
        f"read_json('{quoted}', format = 'newline_delimited', compression = 'none',"
        f" maximum_object_size = {LONGEST + 1}, columns = {{{columns}}})"
    )


def _types() -> Iterator[tuple[str, str]]:
    """Yield the columns of `articles` with their types, as the published definitions have them."""
    _, _, table = definitions("duckdb").partition("CREATE TABLE articles (\n")
    body, _, _ = table.partition("\n);")
    for line in body.splitlines():
        name, _, type_ = line.strip().rstrip(",").partition(" ")
        yield name.strip('"'), type_.removesuffix(" NOT NULL")
