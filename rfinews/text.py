"""Bytes to text, for feeds, pages and archives that lie about their charset or name none.

A byte order mark wins; then UTF-8, whatever is declared, because no other text reads as UTF-8 by
chance; then what is declared, if it fits; then GB 18030 if it gives everyday Chinese, else
windows-1252. (charset-normalizer takes short French in windows-1252 for windows-1257.)
"""

import re
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterator

from w3lib.encoding import html_body_declared_encoding, read_bom, resolve_encoding

_CHUNK = 1 << 20
_HEAD_BYTES = 4096
_MULTI_BYTE = frozenset({"utf-8", "gb18030", "big5hkscs", "euc_jp", "cp932", "cp949"})
_SINGLE_BYTE = re.compile(r"cp(?:125[0-8]|874|866)|iso8859-\d+|koi8-[ru]|mac-\w+")


def decode(body: bytes, charset: str | None = None) -> str:
    r"""Return `body` as text; `charset` is the one that HTTP names. Never raises.

    What cannot be read becomes U+FFFD; a character that the end cuts off is left out.

    >>> decode('法广'.encode('gb18030'), 'utf-8'), decode(b'\xe9t\xe9')
    ('法广', 'été')
    """
    return as_utf8(body, charset)[0].decode("utf-8", "replace")


def as_utf8(body: bytes, charset: str | None = None) -> tuple[bytes, str | None]:
    """Return `body` in UTF-8, without a mark, and, in a line, what was wrong with its charset (None: nothing).

    A long body is read a piece at a time, so that it is never in memory as wide text.
    """
    wide = _wide(body)
    if wide is None and _is_utf8(body):
        return body.removeprefix(BOM_UTF8), None
    declared = [
        resolve_encoding(label)
        for label in (charset, html_body_declared_encoding(body[:_HEAD_BYTES]))
        if label
    ]
    found = wide or _charset(body, declared)
    problem = None
    if found == "utf-8":
        problem = "not quite UTF-8: what cannot be read is U+FFFD"
    elif not wide and found not in declared:
        names = " and ".join(filter(None, declared)) or "nothing"
        problem = f"declares {names} as its charset, read as {found}"
    utf8 = b"".join(text.encode("utf-8", "replace") for text in _pieces(body, found))
    return utf8.removeprefix(BOM_UTF8), problem


def _wide(body: bytes) -> str | None:
    """UTF-16 or UTF-32, by byte order mark or by the zeros in ``<?xml`` and ``<rss``."""
    mark, _ = read_bom(body)
    if mark and mark != "utf-8":
        return mark
    if re.match(rb"<\0[?!RrFf]\0", body):
        return "utf-16-le"
    return "utf-16-be" if re.match(rb"\0<\0[?!RrFf]", body) else None


def _charset(body: bytes, declared: list[str | None]) -> str:
    """The charset of a body that is not UTF-8, or not quite: the first of these that fits.

    UTF-8; a declared charset with several bytes a character; a declared one with one byte, which
    fits any text, except windows-1252, which servers declare unasked; GB 18030 if it gives everyday
    Chinese; windows-1252. (charset-normalizer takes short French in windows-1252 for cp1257.)
    """
    for charset in ["utf-8", *declared]:
        if charset in _MULTI_BYTE and _fits(body, charset):
            return charset
    for charset in declared:
        if charset and charset != "cp1252" and _SINGLE_BYTE.fullmatch(charset):
            return charset
    return "gb18030" if _fits(body, "gb18030", everyday="gb2312") else "cp1252"


def _fits(body: bytes, charset: str, everyday: str | None = None) -> bool:
    """Whether a tenth at most of what is not ASCII is faulty, and half of it or more `everyday`."""
    faults = others = common = 0
    for text in _pieces(body, charset):
        in_ascii = len(text.encode("ascii", "ignore"))
        bad = text.count("\ufffd")
        faults += bad
        others += len(text) - in_ascii - bad
        if everyday:
            common += (len(text.encode(everyday, "ignore")) - in_ascii) // 2
    return faults * 10 <= others and (everyday is None or common * 2 >= others)


def _is_utf8(body: bytes) -> bool:
    try:
        for _ in _pieces(body, "utf-8", "strict"):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _pieces(body: bytes, charset: str, errors: str = "replace") -> Iterator[str]:
    """Decode `body` a piece at a time; a character that its end cuts off is left out."""
    decoder = getincrementaldecoder(charset)(errors)
    for at in range(0, len(body), _CHUNK):
        yield decoder.decode(body[at : at + _CHUNK])
