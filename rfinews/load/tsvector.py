"""Words for PostgreSQL's full-text search, whose parsers know neither Chinese nor Khmer.

A tsvector holds 256 positions a word, positions up to 16,383, words of 2 kB and 1 MB in all. Where
that is no room for every position, pairs of neighbouring words are words of their own, and a query
asks for them, too.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise

from rfinews.load.search import phrases, words

_OF_A_WORD = 256
_LAST = 16_383
_LONGEST = 255  # characters: two of them and a blank are below 2 kB
_MOST_BYTES = 120_000  # of words: 1 MB even if each has a position and is part of two pairs
_PLACES = [f":{place} " for place in range(1, _LAST + 1)]


def search_vector(*texts: str | None) -> str:
    """Return the words of texts as a tsvector in its text form.

    >>> search_vector("台湾", None, "R&D")
    '台:1 湾:2 r:4 d:5 '
    """
    found = [_cut(text) for text in texts if text]
    return _crowded(found) if _is_crowded(found) else "".join(_placed(found))


def search_query(query: str) -> str:
    """Return a query as a tsquery in its text form, `""` for one without words.

    >>> search_query("台湾 R")
    "('台' <-> '湾' | '台 湾') & ('r')"
    """
    parts = []
    for phrase in phrases(query):
        listed = [word[:_LONGEST] for word in phrase]
        part = " <-> ".join(f"'{word}'" for word in listed)
        if len(listed) > 1:
            part += " | " + " & ".join(f"'{one} {two}'" for one, two in pairwise(listed))
        parts.append(f"({part})")
    return " & ".join(parts)


def _cut(text: str) -> list[str]:
    found = words(text)
    if found and max(map(len, found)) > _LONGEST:
        return [word[:_LONGEST] for word in found]
    return found


def _is_crowded(texts: list[list[str]]) -> bool:
    number = sum(map(len, texts)) + len(texts)
    return number > _OF_A_WORD and (
        number > _LAST or max(Counter(chain.from_iterable(texts)).values()) > _OF_A_WORD
    )


def _placed(texts: list[list[str]]) -> Iterator[str]:
    """Yield the words, each followed by its place."""
    first = 0
    for text in texts:
        yield from chain.from_iterable(zip(text, _PLACES[first : first + len(text)], strict=False))
        first += len(text) + 1  # no phrase goes on from the headline into the text


def _crowded(texts: list[list[str]]) -> str:
    """Write as many words as there is room for, and their pairs."""
    found: dict[str, None] = {}
    room = _MOST_BYTES
    kept = []
    for text in texts:
        number = 0
        for word in text:
            room -= len(word.encode())
            number += 1
            if room < 0:
                break
        kept.append(text[:number])
        found |= dict.fromkeys(kept[-1])
        found |= dict.fromkeys(f"'{one} {two}'" for one, two in pairwise(kept[-1]))
        if room < 0:
            break
    return "".join(_placed(kept)) + " ".join(found)
