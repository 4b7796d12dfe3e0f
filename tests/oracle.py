"""What a second HTML5 parser, html5lib, says of markup: the tests' opinion beside rfinews' own."""

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

import html5lib
from selectolax.lexbor import LexborHTMLParser

# CONTRACT section 4, copied by hand: elements and their attributes.
KEPT = {
    tag: frozenset()
    for tag in (
        "p h2 h3 h4 ul ol li blockquote strong em b i u sub sup br hr figure figcaption"
        " table thead tbody tr th td"
    ).split()
} | {"a": frozenset(["href"]), "img": frozenset(["src", "alt", "width", "height"])}

# Elements that go with their text.
REMOVED = frozenset(
    "audio button diaporama embed iframe input noembed noframes noscript play-media script select"
    " share-button share-modal style svg template title video youtube-player".split()
)


def tree(html: str) -> Any:
    """The body that html5lib builds of `html`; elements without namespace, comments named by a function."""
    return html5lib.parse(f"<body>{html}", namespaceHTMLElements=False).find("body")


def faults(html: str) -> list[str]:
    """What two parsers find in `html` that CONTRACT section 4 does not allow."""
    found = []
    for element in tree(html).iter():
        if element.tag != "body":
            found += _element_faults(element.tag, dict(element.attrib))
    body = LexborHTMLParser(f"<body>{html}").body
    for node in body.traverse():
        if node.tag != "body":
            found += _element_faults(node.tag, dict(node.attributes))
    return found


def _element_faults(tag: object, attributes: dict[str, str | None]) -> Iterator[str]:
    if tag not in KEPT:
        yield f"<{tag}>"
        return
    for name, value in attributes.items():
        if name not in KEPT[tag]:
            yield f"<{tag} {name}>"
        elif name in ("href", "src"):
            allowed = ("http", "https", "mailto") if name == "href" else ("http", "https")
            if urlsplit(value or "").scheme not in allowed:
                yield f"<{tag} {name}={value!r}>"


def text(html: str, removed: Collection[str] = REMOVED) -> str:
    """The text of a fragment in tree order, without the elements `removed`."""
    return "".join(_pieces(tree(html), removed))


def _pieces(top: Any, removed: Collection[str]) -> Iterator[str]:
    pending: list[Any] = [top]
    while pending:
        element = pending.pop()
        if isinstance(element, str):
            yield element
            continue
        name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else None
        if name is None or name in removed:
            continue
        inside = [element.text or ""]
        for child in element:
            inside += [child, child.tail or ""]
        pending += reversed(inside)


def inside(element: Any, removed: Collection[str] = REMOVED) -> str:
    """The text below an element on one line."""
    return " ".join("".join(_pieces(element, removed)).split())


def letters(content: str) -> str:
    """The letters and digits of a text."""
    return "".join(filter(str.isalnum, content))
