"""Bodies that no selector finds, as HTML: what JSON-LD says, else what trafilatura makes of the page.

The publisher's own words come first: JSON-LD has no furniture in it and needs no guess. trafilatura
finds an article in any layout, but keeps a label here and a teaser there; it is for the days between
a redesign and new selectors.
"""

import re
from collections.abc import Iterator
from html import escape
from itertools import accumulate
from typing import Any

from rfinews.markup import decode_references, is_furniture, parse, words

# Fewer letters than a short agency piece has: a teaser, a cookie notice, a list of links.
_LEAST_LETTERS = 100
_CUT_OFF = ("…", "...", "[…]", "[...]")
_TAG = re.compile(r"</?(?:p|br|div|h[1-6]|ul|li|strong|em|a)\b[^<>]*>", re.IGNORECASE)
_COMPARED = 80
_LARGEST = 1_000_000  # RFI's pages have a tenth to a third; trafilatura may take seconds for this
_BESIDE = frozenset("aside footer form nav".split())


def said(data: dict[str, Any]) -> str:
    """Return JSON-LD's ``articleBody``, "" if there is none or no more than a beginning of one."""
    text = data.get("articleBody")
    if not isinstance(text, str) or text.rstrip().endswith(_CUT_OFF):
        return ""
    return _html(text) if len(_reduced(text)) >= _LEAST_LETTERS else ""


def posts(data: dict[str, Any], body: str) -> str:
    """Return the posts of a live blog (``liveBlogUpdate``) that `body` does not hold, in their order."""
    shown = _beginnings([words(block) for block in body.split("\n\n")])
    missing = [
        post for post in _posts(data) if _reduced(post[1] or post[0])[:_COMPARED] not in shown
    ]
    return "".join(
        f"<h2>{escape(headline, quote=False)}</h2>{_html(text)}" if headline else _html(text)
        for headline, text in missing
    )


def _beginnings(blocks: list[str]) -> set[str]:
    """Return how each run of blocks begins, and whole runs that are shorter than what is compared."""
    shown = "".join(blocks)
    edges = list(dict.fromkeys([0, *accumulate(map(len, blocks))]))
    found = {shown[edge : edge + _COMPARED] for edge in edges}
    found.discard("")
    for number, edge in enumerate(edges):
        ends = edges[number + 1 : number + _COMPARED]
        found.update(shown[edge:end] for end in ends if end - edge < _COMPARED)
    return found


def guessed(html: str | bytes) -> str:
    """Return what trafilatura takes for the article on a page, "" where it finds hardly anything.

    It gets the page without the furniture that is known.
    """
    if len(html) > _LARGEST:
        return ""
    # Its import takes a third of a second and 16 MB, which a known layout never costs.
    from trafilatura import extract  # noqa: PLC0415

    tree = parse(html)
    for node in reversed(tree.css("body *")):
        if node.tag in _BESIDE or is_furniture(node):
            node.decompose()
    found = extract(
        tree.html or "", output_format="html", include_comments=False, include_links=True
    )
    body = parse(found).body if found else None
    if found is None or body is None:
        return ""
    linked = sum(len(words(link.text())) for link in body.css("a"))
    letters = len(words(body.text()))
    return found if letters >= _LEAST_LETTERS and 2 * linked < letters else ""


def _posts(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield headline and text of each post that has either."""
    updates = data.get("liveBlogUpdate")
    for post in updates if isinstance(updates, list) else [updates]:
        if isinstance(post, dict):
            found = (post.get("headline"), post.get("articleBody"))
            headline, text = (each if isinstance(each, str) else "" for each in found)
            headline = decode_references(headline).strip()
            if words(headline) or _reduced(text):
                yield headline, text


def _reduced(text: str) -> str:
    """Return the letters and digits of plain text or HTML."""
    return words(_TAG.sub(" ", decode_references(text)))


def _html(text: str) -> str:
    """Return plain text as paragraphs, a line each; HTML as it is."""
    if _TAG.search(text):
        return text
    lines = map(str.strip, decode_references(text).splitlines())
    return "".join(f"<p>{escape(line, quote=False)}</p>" for line in lines if line)
