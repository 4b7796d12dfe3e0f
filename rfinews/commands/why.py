"""``scrapy why``: what is known of an address. Exit status: 0 told, 1 no store to ask, 2 wrong usage."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from rfinews.store import Store, StoreError, check_url
from rfinews.urls import (
    article_id,
    canonical_steps,
    canonical_url,
    is_article_url,
    is_rfi,
    is_short_link,
)


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] URL"

    def short_desc(self) -> str:
        return "Tell what is known of an address"

    def long_desc(self) -> str:
        return (
            "Tell the canonical form of an address and each rule that changed it, its other "
            "addresses, its revisions and files, and its last outcome."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        try:
            super().process_options(args, opts)
            if len(args) != 1 or not args[0].strip():
                raise UsageError("give one address")
            if not args[0].strip().lower().startswith(("http://", "https://")):
                raise UsageError(f"no http(s) address: {args[0]}")
            assert self.settings is not None
            if self.settings["RFINEWS_STORE"]:
                check_url(self.settings["RFINEWS_STORE"])
        except (UsageError, ValueError) as error:
            print(f"scrapy why: {error}", file=sys.stderr)
            sys.exit(2)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        assert self.settings is not None
        try:
            data_dir = Path(self.settings["RFINEWS_DATA_DIR"]).absolute()
            told = tell(args[0], data_dir, self.settings["RFINEWS_STORE"])
        except (OSError, StoreError) as error:
            print(f"scrapy why: {error}", file=sys.stderr)
            self.exitcode = 1
            return
        text = json.dumps(told) if opts.json else "\n".join(lines(told))
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))


def tell(url: str, data_dir: Path, shared: str | None = None) -> dict[str, Any]:
    """Gather what is known of `url`, in the data directory or the `shared` store.

    Raises `OSError`, `StoreError`.
    """
    canonical = canonical_url(url)
    told: dict[str, Any] = {
        "url": url,
        "canonical_url": canonical,
        "rules": [{"rule": rule, "result": result} for rule, result in canonical_steps(url)],
        "kind": _kind(url),
        "leads_to": None,
        "article": None,
        "last_outcome": None,
    }
    if not shared and not (data_dir / "articles").is_dir():
        return told
    store = Store(data_dir, url=shared)
    store.open()
    try:
        target = store.resolve(canonical)
        if target == canonical and (as_given := store.resolve(url)) != url:
            target = as_given
        if target != canonical:
            told["leads_to"] = target
        told["article"] = store.biography(article_id(target))
        told["last_outcome"] = store.outcome(canonical) or store.outcome(target)
    finally:
        store.close()
    return told


def _kind(url: str) -> str:
    if is_short_link(url):
        return "a short link"
    if not is_rfi(url):
        return "not an RFI address"
    return "an article's address" if is_article_url(url) else "an RFI address, but no article's"


def lines(told: dict[str, Any]) -> Iterator[str]:
    """Tell it to a person."""
    yield f"{told['url']}"
    yield f"  is {told['kind']}"
    for step in told["rules"]:
        yield f"  {step['rule']}: {step['result']}"
    yield f"  canonical: {told['canonical_url']}"
    if told["leads_to"]:
        yield f"  leads to: {told['leads_to']}"
    article = told["article"]
    if article is None:
        yield "Not known: no crawl has exported it."
    else:
        yield f"Known as {article['id']}"
        yield f"  first seen {article['first_seen']}, last seen {article['last_seen']}"
        if article["gone_since"]:
            yield f"  its page answers that it is gone since {article['gone_since']}"
        if article["next_check"]:
            yield f"  its page is due to be asked again at {article['next_check']}"
        for each in article["revisions"]:
            elsewhere = f" ({each['elsewhere']})" if each["elsewhere"] else ""
            yield (
                f"  revision {each['revision']}: {each['change']} from {each['source']},"
                f" {each['crawled_at']}, in {each['file']}{elsewhere}"
            )
        for alias in article["aliases"]:
            yield f"  also at {alias['alias']} ({alias['rule']}; {alias['crawl_id']})"
    outcome = told["last_outcome"]
    if outcome is not None:
        detail = f" ({outcome['detail']})" if outcome["detail"] else ""
        yield f"Last outcome: {outcome['outcome']}{detail} in {outcome['crawl_id']}"
