"""Regular text: references mean what a parser makes of them, and what is usual is regular."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway import registry
from gateway.demo.data import ochp_charge_point, ochp_evses
from gateway.mapping import interpret, regular
from gateway.mapping.compile import codec
from gateway.mapping.stream import list_of

LIST = registry.adapter_for("ochp-1.4").operations["SetChargepointList"].request.record
ROW, POINT = list_of(LIST)
TEXT = ochp_charge_point(next(iter(ochp_evses("AT", "FST", 1, 7))))
references = st.sampled_from(
    (
        *("&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#65;", "&#x41;", "&#xe4;", "&#8364;"),
        *("&#x1F50C;", "&#13;", "&#10;", "&#9;", "&#0000065;", "&#x00041;", "&#00000000065;"),
    )
)
plain = st.text(st.characters(codec="utf-8", exclude_characters="&<\r", exclude_categories=["C"]))


@given(st.lists(references | plain).map("".join))
@example("&amp;lt;")
@example("&#38;amp;")
@example("a&amp;&amp;b;&gt;")
def test_references_mean_what_a_parser_reads(text: str) -> None:
    """What libxml2 takes as well-formed has the same text here, or is left to the elements."""
    try:
        read = etree.fromstring(f"<a>{text}</a>").text or ""
    except etree.XMLSyntaxError:
        return
    try:
        assert regular.meant(text) == read
    except ValueError:
        assert "&#0000000" in text  # more digits than any character needs


@pytest.mark.parametrize("text", ["&logo;", "a &amp; &b c;", "&", "&#;", "&#x110000000;"])
def test_no_entity_is_guessed(text: str) -> None:
    """What a declaration would have to define is no text here."""
    with pytest.raises(ValueError, match="refers to an entity"):
        regular.meant(text)


@pytest.mark.parametrize(
    "written",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("><", ">\r\n\t<"),
        TEXT.replace("<city>", "<city>Bad &amp; Berg "),
        TEXT.replace('lat="', 'lat="&#52;'),
    ],
    ids=["as made", "CRLF", "indented", "ampersand", "in an attribute"],
)
def test_what_tool_kits_write_is_regular(written: str) -> None:
    """It is read from its text, without a tree."""
    found = regular.element(POINT, ROW.steps[0]).pattern.match(written)

    assert found is not None
    assert found.end() == len(written)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("<AuthMethodType>Rfid&#77;ifareCls<", "<AuthMethodType>RfidMifareCls<"),
        ("<city>Bad &amp; Berg<", "<city>Bad & Berg<"),
        ("</ratings><userInterfaceLang>&#68;EU</userInterfaceLang>", "<userInterfaceLang>DEU<"),
    ],
    ids=["list of codes", "part", "list of texts"],
)
def test_references_are_resolved_wherever_a_text_stands(said: str, meant: str) -> None:
    """What the text says is what its elements say."""
    start = said[: said.index(">") + 1]
    written = re.sub(rf"{start}(?:[^<]*<)?", said, TEXT, count=1)
    if start == "</ratings>":
        written = TEXT.replace(start, said)
    found = regular.element(POINT, ROW.steps[0]).pattern.match(written)
    assert found is not None
    tree = etree.fromstring(f'<x xmlns="{POINT.wire.namespace}">{written}</x>')[0]
    assert meant in etree.tostring(tree, encoding="unicode").replace("&amp;", "&")

    assert codec(POINT).function("read_text")(found) == interpret.read(POINT, tree)
