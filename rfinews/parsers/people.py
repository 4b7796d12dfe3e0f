"""Names of people and agencies, as bylines, feeds and JSON-LD give them."""

from collections.abc import Iterable

from rfinews.editions import OUTLET_NAMES
from rfinews.markup import decode_references, plain

_EDGES = " ,，;、"
_OUTLETS = frozenset(name.casefold() for name in OUTLET_NAMES)


def people(values: Iterable[object]) -> list[str]:
    """Return the names among `values`, each once, in order: no address, not the outlet itself.

    >>> people(["罗拉 ", "RFI", "https://www.facebook.com/RFI", "罗拉", None])
    ['罗拉']
    """
    names = [plain(decode_references(v)).strip(_EDGES) for v in values if isinstance(v, str)]
    return [
        name
        for name in dict.fromkeys(names)
        if name and "://" not in name and name.casefold() not in _OUTLETS
    ]
