"""What has changed between two revisions, by words; by characters where words have no blanks between."""

import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, NamedTuple

#: Beyond so many tokens on a side a changed passage is marked as a whole: time grows with the square.
_LARGEST = 4000
#: Scripts that put no blanks between words: kana and Han; Thai, Lao, Burmese and Khmer.
_WITHOUT_BLANKS = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3041, 0x30FF)),
    *((0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)
_STACKS_THE_NEXT = "\u17d2\u1039"  # Khmer coeng, Burmese virama


class Piece(NamedTuple):
    """A run of text, and whether it stands in one revision only."""

    text: str
    changed: bool


class Passage(NamedTuple):
    """Paragraphs that belong together in two revisions; without pieces on a side, it lacks them."""

    old: list[Piece]
    new: list[Piece]
    changed: bool


class FieldChange(NamedTuple):
    name: str
    passages: list[Passage]
    changed: bool


_FIELDS = {
    "headline": "Headline",
    "description": "Standfirst",
    "article_body": "Text",
    "authors": "Authors",
    "keywords": "Keywords",
    "images": "Pictures",
    "audios": "Audio",
    "videos": "Video",
    "section": "Section",
    "column": "Column",
    "date_published": "Published",
    "date_modified": "Modified",
    "copyright_notice": "Copyright",
    "canonical_url": "Address",
}


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[FieldChange]:
    """Compare what readers see of two revisions, field by field; fields empty in both are left out."""
    changes = []
    for field, name in _FIELDS.items():
        before, after = _as_text(old[field]), _as_text(new[field])
        if before or after:
            passages = list(compare_texts(before, after))
            changes.append(FieldChange(name, passages, any(each.changed for each in passages)))
    return changes


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n\n".join(
            part if isinstance(part, str) else " · ".join(str(v) for v in part.values() if v)
            for part in value
        )
    return str(value or "")


def compare_texts(old: str, new: str) -> Iterator[Passage]:
    """Yield the paragraphs of two texts side by side, those that differ together with their neighbours.

    >>> [passage] = compare_texts("台湾总统马英九", "台湾总统蔡英文")
    >>> [piece.text for piece in passage.new if piece.changed]
    ['蔡', '文']
    """
    before, after = (text.split("\n\n") if text else [] for text in (old, new))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            for paragraph in before[i1:i2]:
                same = [Piece(paragraph, changed=False)]
                yield Passage(same, same, changed=False)
        else:
            yield Passage(
                *_compare_passage("\n\n".join(before[i1:i2]), "\n\n".join(after[j1:j2])),
                changed=True,
            )


def _compare_passage(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    before, after = tokens(old), tokens(new)
    if not before or not after or max(len(before), len(after)) > _LARGEST:
        return _whole(old), _whole(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    same = [block for block in matcher.get_matching_blocks() if _is_telling(before, block)]
    ends = (len(before), len(after), 0)
    left: list[Piece] = []
    right: list[Piece] = []
    for (i, j, size), (next_i, next_j, _) in pairwise([(0, 0, 0), *same, ends]):
        left += _pieces(before[i : i + size], before[i + size : next_i])
        right += _pieces(after[j : j + size], after[j + size : next_j])
    return left, right


def _is_telling(tokens_: list[str], block: Any) -> bool:
    """Pass over blanks and commas that happen to stand in both: they would cut a change to bits."""
    return any(token[0].isalnum() for token in tokens_[block.a : block.a + block.size])


def _pieces(common: list[str], own: list[str]) -> list[Piece]:
    pieces = Piece("".join(common), changed=False), Piece("".join(own), changed=True)
    return [piece for piece in pieces if piece.text]


def _whole(text: str) -> list[Piece]:
    return [Piece(text, changed=True)] if text else []


def tokens(text: str) -> list[str]:
    """Cut a text where a change may begin or end; joined they are the text.

    >>> tokens("RFI：台湾, l’été")
    ['RFI', '：', '台', '湾', ',', ' ', 'l', '’', 'été']
    """
    found: list[str] = []
    in_word = False
    for char in text:
        mark = unicodedata.category(char).startswith("M")
        if found and (mark or found[-1][-1] in _STACKS_THE_NEXT):
            found[-1] += char
            continue
        of_word = char.isalnum() and not _stands_alone(char)
        if of_word and in_word:
            found[-1] += char
        else:
            found.append(char)
        in_word = of_word
    return found


def _stands_alone(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _WITHOUT_BLANKS)
