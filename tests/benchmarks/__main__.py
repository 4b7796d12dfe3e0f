"""``make bench``: the README's figures, all in one run. Prints its tables, and writes them to a file.

    python -m tests.benchmarks [--quick] [--rounds N] [--only extraction,archive,job,levers,store,load]
        [--output FILE]

Every round measures everything once, one beside the other, so that what disturbs the machine
disturbs all; a figure is the median of the rounds.
"""

import argparse
import os
import platform
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.benchmarks.crawls import Archive, Job
from tests.benchmarks.extraction import (
    OWN_PAGES,
    SAMPLED,
    Extraction,
    page_documents,
    payload_documents,
)
from tests.benchmarks.load import Loads
from tests.benchmarks.measure import PROJECT
from tests.benchmarks.store import KnownStore

SAMPLES = PROJECT.parent / "shared" / "samples"
PARTS = ("extraction", "archive", "job", "levers", "store", "load")
LIBRARIES = (
    *("scrapy", "selectolax", "trafilatura", "newspaper4k", "readability-lxml"),
    *("duckdb", "psycopg", "sqlite-utils"),
)
# Known articles, of which so many are crawled; articles of a store that is rebuilt.
LARGE_STORE = (5_000_000, 100_000, 1_000_000)
SMALL_STORE = (200_000, 20_000, 100_000)
LOADED = 200_000
SKIPPED = "Skipped: ../shared/samples is not here."


def parts(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"some of {','.join(PARTS)}")
    return names


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="two rounds, a fifth of everything")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--only", type=parts, default=PARTS, help=",".join(PARTS))
    parser.add_argument("--output", type=Path, help="write the tables there, in Markdown")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    options = arguments()
    rounds = options.rounds or (2 if options.quick else 5)
    share = 5 if options.quick else 1
    samples = SAMPLES if SAMPLES.is_dir() else None
    started = perf_counter()
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        extractions, archive, job, levers, store, loads = [], None, None, None, None, None
        if "extraction" in options.only:
            say("extraction: making documents and judging what is found in them …")
            if samples:
                payloads = payload_documents(samples, SAMPLED // share)
                extractions.append(Extraction("payloads", payloads))
            pages = page_documents(samples, OWN_PAGES // share)
            extractions.append(Extraction("pages", pages))
        if "archive" in options.only and samples:
            archive = Archive(samples, folder)
        if "job" in options.only:
            say("job: writing pages …")
            job = Job(folder / "job", 5000 // share)
        if "levers" in options.only:
            levers = Job(folder / "levers", 1500 // share)
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds} …")
            for extraction in extractions:
                extraction.run()
            if archive:
                archive.run()
        if job:
            with job.server():
                for number in range(1, rounds + 1):
                    say(f"job, round {number} of {rounds} …")
                    job.run()
        if levers:
            with levers.server():
                for number in range(1, min(rounds, 3) + 1):
                    say(f"levers, round {number} …")
                    levers.run_levers()
        if "store" in options.only:
            known, documents, rebuilt = SMALL_STORE if options.quick else LARGE_STORE
            store = KnownStore(folder / "store", known, documents, rebuilt)
            say(f"store: crawling {documents:,} documents, thrice …")
            store.crawl()
            for number in range(1, rounds + 1):
                say(f"store, round {number} of {rounds} …")
                store.run()
            say("store: rebuilding …")
            store.rebuild()
        if "load" in options.only:
            loads = Loads(folder / "load", LOADED // share, stack)
            for number in range(1, min(rounds, 3) + 1):
                say(f"load, round {number} …")
                loads.run()
        sections = []
        if "extraction" in options.only:
            sections.append("### Extraction")
            sections += [SKIPPED.replace("Skipped", "Payloads skipped")] if not samples else []
            sections += [extraction.report() for extraction in extractions]
        if "archive" in options.only:
            sections += ["### The archive", archive.report() if archive else SKIPPED]
        if job:
            sections += ["### The whole job", job.report()]
        if levers:
            sections += ["### Levers", levers.report_levers()]
        if store:
            sections += ["### The store", store.report()]
        if loads:
            sections += ["### Loading", loads.report()]
    versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    sections.append(
        f"Median of {rounds} interleaved rounds{', --quick' if options.quick else ''}; "
        f"{perf_counter() - started:.0f} s. Python {platform.python_version()}, "
        f"{os.cpu_count()} cores; {versions}."
    )
    text = "\n\n".join(sections) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
