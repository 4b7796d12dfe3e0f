"""Elements of a page whose texts and attributes cannot become markup, whatever they hold."""

from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Child: TypeAlias = "Element | str | int | Iterable[Child] | None"

# What a page must not hold: control characters, halves of surrogate pairs, noncharacters.
_UNFIT = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF],
    "\ufffd",
)


def h(tag: str, *children: Child, **attributes: str | int | bool | None) -> Element:
    """Make an element. `class_` is ``class``, `aria_label` is ``aria-label``; ``None`` and ``False``
    are left out, as children and as attributes.

    >>> markup(h("p", "a < b", None, [h("b", "c")], class_="x", hidden=True))
    '<p class="x" hidden="">a &lt; b<b>c</b></p>'
    """
    if tag in ("script", "style"):  # their text is written as it is
        raise ValueError(tag)
    element = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            text = "" if value is True else str(value)
            element.set(name.rstrip("_").replace("_", "-"), text.translate(_UNFIT))
    _append(element, children)
    return element


def _append(element: Element, child: Child) -> None:
    if isinstance(child, Element):
        element.append(child)
    elif isinstance(child, str | int):
        text = str(child).translate(_UNFIT)
        if len(element):
            element[-1].tail = (element[-1].tail or "") + text
        else:
            element.text = (element.text or "") + text
    elif child is not None:
        for each in child:
            _append(element, each)


def markup(element: Element) -> str:
    """Write an element as HTML."""
    return tostring(element, encoding="unicode", method="html")
