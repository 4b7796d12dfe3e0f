"""Names of people and agencies, as bylines, feeds and JSON-LD give them."""

import re
from collections.abc import Iterable

from rfinews.editions import EDITIONS, OUTLET_NAMES
from rfinews.markup import decode_references, plain

_EDGES = " ,，;、،"
_OUTLETS = frozenset(name.casefold() for name in OUTLET_NAMES)
_LABELS = "|".join(
    sorted(re.escape(label) for edition in EDITIONS.values() for label in edition.byline_labels)
)
_LABEL = re.compile(rf"(?:{_LABELS})\s*[:：៖]", re.IGNORECASE)


def people(values: Iterable[object]) -> list[str]:
    """Return the names among `values`, each once, in order: no address, not the outlet itself.

    >>> people(["罗拉 ", "RFI", "https://www.facebook.com/RFI", "罗拉", None])
    ['罗拉']
    >>> people(["Por: Ana Lima", "De Gaulle"])
    ['Ana Lima', 'De Gaulle']
    """
    texts = [plain(decode_references(value)) for value in values if isinstance(value, str)]
    names = [_without_label(text).strip(_EDGES) for text in texts]
    return [
        name
        for name in dict.fromkeys(names)
        if name and "://" not in name and name.casefold() not in _OUTLETS
    ]


def _without_label(text: str) -> str:
    found = _LABEL.match(text)
    return text[found.end() :] if found else text
