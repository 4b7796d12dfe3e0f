"""Words to find articles by, the same in a text and in a query.

Chinese and Japanese are written without spaces, and nobody knows beforehand where a word ends: each
character is a word of its own, and a query of two characters is a phrase of two words. Khmer, Thai, Lao
and Burmese are cut between their clusters in the same way. Elsewhere a word is a run of letters and
digits. Case, accents, vowel signs of the Arabic script and its two ways to write yeh and kaf make
no difference.
"""

import re
import unicodedata

_ALONE = (
    "\u3041-\u3096\u30a1-\u30fa"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
# A letter, what is stacked below it, and its signs: Khmer ខ្មែ, Thai นี้, Burmese မြ.
_CLUSTERED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0eff"  # Thai, Lao
    "\u1000-\u1049\u1050-\u109d\u1780-\u17d3\u17dd"  # Burmese, Khmer
)
_SIGNS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    "\u102b-\u103e\u1056-\u1060\u17b4-\u17d1\u17d3\u17dd"
)
#: Regular expression for a character that is not part of a run of letters and digits.
ALONE = f"[{_ALONE}{_CLUSTERED}]"
_IS_ALONE = re.compile(ALONE)
_WORD = re.compile(
    rf"[{_ALONE}]"
    rf"|[{_CLUSTERED}](?:\u17d2[\u1780-\u17b3]|\u1039[\u1000-\u102a]|[{_SIGNS}])*"
    rf"|(?:(?![{_ALONE}{_CLUSTERED}])\w)+"
)
# Chinese punctuation, which is all that NFKC would change in most texts, at ten times the cost.
_WIDE_PUNCTUATION = re.compile(
    "[\u2026\u3000\uff01-\uff0f\uff1a-\uff20\uff3b-\uff3e\uff40\uff5b-\uff65]+"
)
_MARKED = re.compile("[\u0300-\u036f\u0640\u064b-\u065f\u0670\u064a\u0643\u06c0\u06d5]")
_UNMARK = dict.fromkeys(
    (*range(0x300, 0x370), 0x640, *range(0x64B, 0x660), 0x670), None
) | str.maketrans({"\u064a": "\u06cc", "\u0643": "\u06a9", "\u06c0": "\u0647", "\u06d5": "\u0647"})
# Letters with an accent fall apart in NFKD only where there are any: most texts are Chinese.
_MAY_HAVE_MARKS = re.compile("[\u00a0-\u06ff\u1e00-\u1fff]")


# ASCII, Latin letters, Han characters, and the signs that stand between them: what most texts are made
# of. Left out is what SQLite's `unicode61` does not fold as `fold` does.
_RARE = re.compile(
    "[^\0-\x7f\xa0-\xa9\xab-\xb1\xb4-\xb8\xbb\xbf-\xde\xe0-\u0131\u0134-\u013e\u0141-\u0148"
    "\u014a-\u017e\u1e00-\u1e99\u1ea0-\u1eff\u2010-\u2029\u20ac\u3000-\u3004\u3008-\u3011\u3014-\u301f"
    "\u3400-\u4dbf\u4e00-\u9fff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff3e\uff5b-\uff5e\uff61-\uff64]"
)
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN = re.compile("([0-9A-Za-z\xb5\xc0-\u017e\u1e00-\u1eff]+)")


def fold(text: str) -> str:
    """Reduce a text to what counts when searching.

    >>> fold("La Tempête, ３ MORTS"), fold("Việt Nam")
    ('la tempete, 3 morts', 'viet nam')
    """
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", _WIDE_PUNCTUATION.sub(" ", text)).casefold()
    if _MAY_HAVE_MARKS.search(text):
        apart = unicodedata.normalize("NFKD", text)
        if _MARKED.search(apart):
            apart = apart.translate(_UNMARK)
        text = unicodedata.normalize("NFC", apart)
    return text


def words(text: str) -> list[str]:
    """Cut a text into the words that it can be found by, in order.

    >>> words("《台湾旅行法》第3条"), words("l’été à Phnom Penh"), words("ភ្នំពេញ")
    (['台', '湾', '旅', '行', '法', '第', '3', '条'], ['l', 'ete', 'a', 'phnom', 'penh'], ['ភ្នំ', 'ពេ', 'ញ'])
    """
    return _WORD.findall(fold(text))


def spaced(text: str) -> str:
    """Set blanks between the words of a text, for SQLite's `unicode61`.

    That tokenizer passes over signs, and folds Latin letters itself, in a tenth of the time.

    >>> spaced("《旅行法》第3条"), spaced("L’été"), spaced("Ⅳ été")
    ('《 旅 行 法 》 第 3 条', 'L’été', 'iv ete')
    """
    if _RARE.search(text):
        return " ".join(words(text))
    if text.isascii() or not _HAN.search(text):
        return text
    parts = _LATIN.split(text)
    parts[::2] = map(" ".join, parts[::2])
    return " ".join(parts)


def phrases(query: str) -> list[list[str]]:
    """Cut a query into phrases: between blanks the words stand side by side; all phrases are looked for.

    >>> phrases("台湾 总统"), phrases("porte-avions"), phrases(" ,")
    ([['台', '湾'], ['总', '统']], [['porte', 'avions']], [])
    """
    return [found for part in query.split() if (found := words(part))]


def is_alone(character: str) -> bool:
    """Whether a character is a word of its own, or begins a cluster.

    >>> is_alone("台"), is_alone("a")
    (True, False)
    """
    return _IS_ALONE.match(character) is not None
