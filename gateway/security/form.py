"""The form of an element: its attributes, its children, no text between them, a value in base64.

Why: whatever has no meaning here cannot have one elsewhere, so nothing but what is named is let
through. Each place has a code of its own for what it refuses.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Collection, Sequence

from lxml import etree
from lxml.etree import _Element as Element

from gateway.security.unverified import Code, Unverified

NONE: frozenset[str] = frozenset()
BLANKS = " \t\r\n"
"""White space of XML. Python knows more of it, such as the no-break space."""


def has_text(element: Element) -> bool:
    """Whether there is text before, between or after its children."""
    text = element.text
    if text is not None and text.strip(BLANKS):
        return True
    for child in element:
        text = child.tail
        if text is not None and text.strip(BLANKS):
            return True
    return False


def children(element: Element, code: Code) -> list[Element]:
    """The children of an element without text between them."""
    if has_text(element):
        raise Unverified(code, f"text within {name(element)}")
    return list(element)


def inner(element: Element, attributes: Collection[str], code: Code) -> list[Element]:
    """The same of an element that has no other attributes."""
    only(element, attributes, code)
    return children(element, code)


def exactly(
    element: Element, attributes: Collection[str], tags: Sequence[str], code: Code
) -> list[Element]:
    """The same of an element whose children are these in this order."""
    found = inner(element, attributes, code)
    if [child.tag for child in found] != tags:
        names = ", ".join(tag.rpartition("}")[2] for tag in tags) or "nothing"
        raise Unverified(code, f"{name(element)} does not hold {names}")
    return found


def only(element: Element, attributes: Collection[str], code: Code) -> None:
    """Refuse an element with another attribute."""
    for each in element.keys():  # noqa: SIM118 - it is no dictionary, and this is its fastest way
        if each not in attributes:
            raise Unverified(code, f"{name(element)} has the attribute {str(each)[:100]}")


def base64(element: Element, most: int, code: Code, attributes: Collection[str] = NONE) -> bytes:
    """The bytes in an element without children: at most so many."""
    return decoded(base64_text(element, code, attributes), most, name(element), code)


def base64_text(element: Element, code: Code, attributes: Collection[str] = NONE) -> bytes:
    """The same before it is decoded."""
    only(element, attributes, code)
    if len(element):
        raise Unverified(code, f"{name(element)} holds more than a value")
    return (element.text or "").encode()


def decoded(text: bytes, most: int, what: str, code: Code) -> bytes:
    """At most so many bytes from base64; raises ``Unverified``.

    Each value has one spelling, but for white space (XML Schema, 3.2.16: bits that are not used are
    zero).
    """
    text = b"".join(text.split())
    if not text or len(text) > most * 4 // 3 + 4:
        raise Unverified(code, f"{what} is empty or too long")
    try:
        value = a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error is one
        value = b""
    if b2a_base64(value, newline=False) != text:
        raise Unverified(code, f"{what} is no base64")
    return value


def name(element: Element) -> str:
    """The local name, for people."""
    return etree.QName(element).localname[:100]
