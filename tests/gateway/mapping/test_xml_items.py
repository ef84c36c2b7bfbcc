"""Lists in XML, item by item: what is cut out of the text is what an XML parser reads there."""

import io
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway import registry
from gateway.demo.data import ochp_charge_point, ochp_evses
from gateway.errors import GatewayError, Malformed
from gateway.mapping import interpret, regular
from gateway.mapping.record import Row
from gateway.mapping.stream import ITEM as MOST
from gateway.mapping.stream import Block, Item, NotShared, NotStreamed, list_of, lists
from gateway.mapping.xml_items import UNWIELDY, XmlItems
from gateway.schema import schema_for

NS = "http://ochp.eu/1.4"
ITEM = "chargePointInfoArray"
RECORD = registry.adapter_for("ochp-1.4").operations["SetChargepointList"].request.record
POINTS = [ochp_charge_point(each) for each in ochp_evses("AT", "FST", 4, 7)]


def message(inside: str, name: str = "SetChargePointListRequest") -> bytes:
    return f'<{name} xmlns="{NS}">{inside}</{name}>'.encode()


def streamed(data: bytes, source: Any = None) -> list[Item]:
    return list(XmlItems(RECORD, source or io.BytesIO(data), schema_for("ochp", "1.4")))


def in_one_piece(data: bytes) -> Any:
    """The plain reading of the whole, by elements."""
    parser = etree.XMLParser(resolve_entities=False, remove_comments=True)
    root = etree.fromstring(data, parser)
    assert not schema_for("ochp", "1.4").check(root)
    return interpret.read(RECORD, root).locations


class Slow(io.BytesIO):
    """A stream that comes in small pieces."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(701)


# What partners write, and what nobody should: all of it valid.
ODD = (
    lambda text: text,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("><", ">\n\t <"),
    lambda text: text.replace("AT*", "A&#84;*"),
    lambda text: text.replace('lat="', "lat='").replace('" lon="', "' lon='").replace('"/>', "'/>"),
    lambda text: text.replace("<city>", "<city><![CDATA[").replace("</city>", "]]></city>"),
    lambda text: text.replace("<city>", f"<!-- </{ITEM}> --><city>"),
    lambda text: f"<!-- {text} -->{text}",
    lambda text: f"{text}<!-- </{ITEM}>",
    lambda text: text.replace(f"<{ITEM}>", f'<{ITEM} xmlns:x="urn:x">'),
    lambda text: text.replace(f"<{ITEM}>", f'<{ITEM} xmlns="{NS}">'),
    lambda text: text.replace("<", "<p:").replace("<p:/", "</p:").replace(
        f"<p:{ITEM}>", f'<p:{ITEM} xmlns:p="{NS}">'
    ),
    lambda text: text.replace(f"</{ITEM}>", f"</{ITEM} >"),
    lambda text: text.replace("<city>", "<city><![CDATA[<!-- ]]>").replace("</city>", "--></city>"),
)  # fmt: skip
CLOSING = " -->"


@given(
    st.lists(
        st.tuples(st.sampled_from(POINTS), st.integers(0, len(ODD) - 1)), min_size=1, max_size=8
    )
)
@example([(POINTS[0], 0), (POINTS[1], 8), (POINTS[2], 0), (POINTS[3], 0)])
@example([(POINTS[0], 8), (POINTS[1], 5), (POINTS[2], 13), (POINTS[3], 0)])
@settings(deadline=None)
def test_items_are_those_of_the_whole_message(chosen: list[tuple[str, int]]) -> None:
    """However items are written, and wherever the stream is cut: the same objects in order."""
    text, inside = "", False
    for point, odd in chosen:
        if not inside:
            text += ODD[odd](point)
            inside = odd == 8
        else:
            text += point.replace("--", "") + CLOSING
            inside = False
    data = message(text + CLOSING * inside)
    expected = list(in_one_piece(data))

    for source in (io.BytesIO(data), Slow(data)):
        items = streamed(data, source)
        assert [item.value for item in items] == expected
        assert [item.number for item in items] == list(range(len(expected)))


def test_a_prefix_of_the_whole_message_is_regular_too() -> None:
    """Many tool-kits write every element with a prefix."""
    text = "".join(POINTS).replace("<", "<p:").replace("<p:/", "</p:")
    data = f'<p:SetChargePointListRequest xmlns:p="{NS}">{text}</p:SetChargePointListRequest>'

    assert [item.value for item in streamed(data.encode())] == list(in_one_piece(data.encode()))
    pattern = regular.element(list_of(RECORD)[1], ITEM).pattern
    found = pattern.match(text)
    assert found is not None
    assert found[1] == "p:"


@pytest.mark.parametrize(
    "between",
    [
        f"<x xmlns='urn:x'><{ITEM}>a</{ITEM}></x>",
        "<x/>",
        f"<?x </{ITEM}>",
        "mislaid",
        f"<![CDATA[ </{ITEM}>",
        "<!-- ",
        "]]>",
        "\x01",
        "&x;",
    ],
)
@pytest.mark.parametrize("end", ["", " ?>", "]]>", "-->"])
def test_what_is_no_list_of_items_is_refused(between: str, end: str) -> None:
    """What stands between items is never taken for blanks, nor items in it for items."""
    data = message(POINTS[0] + between + POINTS[1] + end + POINTS[2])
    if between == "<!-- " and end == "-->":
        assert len(streamed(data)) == 2
        return

    with pytest.raises((GatewayError, NotStreamed)):
        streamed(data)
    with pytest.raises((GatewayError, NotStreamed)):
        streamed(data, Slow(data))


def test_the_place_of_a_fault_is_that_in_the_whole_text() -> None:
    """Items that were cut out do not change the numbers of lines."""
    lines = "".join(POINTS).count("\n")
    data = message("".join(POINTS) + "\n\n<broken")

    with pytest.raises(Malformed, match=f"line {lines + 3}"):
        streamed(data)


def test_a_faulty_item_is_found_among_regular_ones() -> None:
    """A regular item that breaks the schema is refused for itself."""
    bad = POINTS[1].replace("<country>AUT", "<country>Austria")
    items = streamed(message(POINTS[0] + bad + POINTS[2]))

    assert [bool(item.problems) for item in items] == [False, True, False]
    assert str(items[1].problems[0]).startswith(f"SetChargePointListRequest/{ITEM}[2]/")
    assert [items[0].value, items[2].value] == [
        streamed(message(point))[0].value for point in (POINTS[0], POINTS[2])
    ]


MEND = registry.adapter_for("ochp-1.4").mend
DEVIATING = {
    "none": lambda text: text,
    "case": lambda text: text.replace(">AUT<", ">at<"),
    "name": lambda text: text.replace("openingTimes", "operatingTimes"),
    "left out": lambda text: text.replace("<closedCharging>true</closedCharging>", ""),
    "hopeless": lambda text: text.replace("<country>AUT", "<country>Austria"),
}


def mended(data: bytes) -> list[Item]:
    return list(XmlItems(RECORD, io.BytesIO(data), schema_for("ochp", "1.4"), MEND))


@given(st.lists(st.sampled_from(list(DEVIATING)), min_size=1, max_size=6))
@example(["case"] * 4)
@example(["left out", "none", "name", "case"])
@example(["case", "hopeless", "none", "name"])
@settings(deadline=None)
def test_deviations_are_put_right_item_by_item(chosen: list[str]) -> None:
    """Together or alone: the same objects, each with what was told of it; what cannot be put right
    is refused for itself."""
    texts = [DEVIATING[name](POINTS[place % len(POINTS)]) for place, name in enumerate(chosen)]
    items = mended(message("".join(texts)))
    alone = [mended(message(text))[0] for text in texts]

    assert [item.value for item in items] == [item.value for item in alone]
    assert [item.number for item in items] == list(range(len(chosen)))
    for place, (name, item) in enumerate(zip(chosen, items, strict=True)):
        told = [str(problem) for problem in item.problems] or list(item.deviations)
        assert bool(item.problems) is (name == "hopeless")
        assert bool(item.deviations) is (name not in ("none", "hopeless"))
        start = f"SetChargePointListRequest/{ITEM}[{place + 1}]"
        assert all(each.startswith(start) for each in told), told


@pytest.mark.parametrize("hopeless", [0, 3])
def test_deviations_of_all_items_are_put_right_together(hopeless: int) -> None:
    """A partner that deviates does so in every record: it is looked at once for many, also where
    some cannot be put right."""
    asked = []

    def mend(body: Any) -> tuple[Any, list[str]]:
        asked.append(len(body))
        return MEND(body)

    texts = [DEVIATING["case"](point) for point in POINTS * 50]
    for place in range(hopeless):
        texts[place * 50] = DEVIATING["hopeless"](texts[place * 50].replace(">at<", ">AUT<"))
    data = message("".join(texts))
    items = list(XmlItems(RECORD, io.BytesIO(data), schema_for("ochp", "1.4"), mend))

    assert [bool(item.problems) for item in items].count(True) == hopeless
    assert sum(len(item.deviations) for item in items) == 200 - hopeless
    assert len(asked) < 10 + hopeless
    assert sum(asked) == 200 + hopeless


LISTED = registry.adapter_for("ochp-1.4").operations["GetChargePointList"].reply.record
RESULT = "<result><resultDescription/><resultCode><resultCode>ok</resultCode></resultCode></result>"


def test_what_stands_before_the_items_is_put_right_once() -> None:
    """It is told once, however long the list is."""
    data = message(RESULT + "".join(POINTS * 50), "GetChargePointListResponse")
    items = list(XmlItems(LISTED, io.BytesIO(data), schema_for("ochp", "1.4"), MEND, lambda: 2000))

    assert len(items) == 200
    assert not any(item.problems for item in items)
    (told,) = [note for item in items for note in item.deviations]
    assert told == "GetChargePointListResponse/result[1]: children put in order"


@pytest.mark.parametrize("tag", ["ChargePointInfoArray", "chargePointInfo", 'x xmlns=""'])
@pytest.mark.parametrize("others", ["none", "case"])
def test_an_item_under_another_name_is_not_lost(tag: str, others: str) -> None:
    """The first one may be taken for what stands before the list: the message is read whole."""
    first = POINTS[0].replace(f"<{ITEM}>", f"<{tag}>").replace(f"</{ITEM}>", f"</{tag.split()[0]}>")
    if tag.startswith("x"):
        first = POINTS[0].replace(f"<{ITEM}>", f'<{ITEM} xmlns="">')
    data = message(first + "".join(map(DEVIATING[others], POINTS * 10)))
    with pytest.raises((NotStreamed, Malformed)):
        mended(data)


def test_a_mending_that_leaves_items_out_does_not_mix_them_up() -> None:
    """Nobody knows which became of which: each is looked at for itself."""

    def mend(body: Any) -> tuple[Any, list[str]]:
        root, notes = MEND(body)
        if len(root) > 1:
            root.remove(root[0])
        return root, notes

    texts = [DEVIATING["case"](point) for point in POINTS]
    data = message("".join(texts))
    items = list(XmlItems(RECORD, io.BytesIO(data), schema_for("ochp", "1.4"), mend))
    assert [item.value for item in items] == [mended(message(text))[0].value for text in texts]


def test_what_takes_the_place_of_items_does_not_add_up() -> None:
    """libxml2 has no text of over ten megabytes; a list may leave more blanks than that behind."""
    data = message((POINTS[0] + "\n" * 64_000) * 200)

    assert len(data) > 12_000_000
    assert len(streamed(data)) == 200


def in_blocks(data: bytes, size: int) -> list[Item]:
    """The items of a message read block by block, the last block first."""
    schema = schema_for("ochp", "1.4")
    items = XmlItems(RECORD, io.BytesIO(data), schema, chunk=lambda: 700)
    first, *blocks = items.blocks(size)
    assert isinstance(first, list)
    found: list[list[Item]] = []
    for block in reversed(blocks):
        assert isinstance(block, Block)
        found.append(list(items.read(block)))
        assert len(found[-1]) == block.items
    return [*first, *(item for some in reversed(found) for item in some)]


@given(
    st.lists(
        st.tuples(st.sampled_from(POINTS), st.integers(0, len(ODD) - 1)), min_size=1, max_size=8
    ),
    st.sampled_from([500, 2000, 100_000]),
)
@settings(deadline=None)
def test_blocks_hold_the_items_of_the_whole_message(
    chosen: list[tuple[str, int]], size: int
) -> None:
    """Each block for itself gives its items, or says that it cannot be read alone."""
    data = message("".join(ODD[odd](point) for point, odd in chosen if odd != 8) or POINTS[0])

    try:
        items = in_blocks(data, size)
    except NotShared:
        return

    assert items == streamed(data)


@pytest.mark.parametrize("odd", [0, 1, 2, 3, 4, 5, 9, 10])
def test_items_of_a_block_may_be_irregular(odd: int) -> None:
    """What is written otherwise than most do is read in its block, faults and all."""
    bad = POINTS[2].replace("<country>AUT", "<country>Austria")
    data = message("".join(map(ODD[odd], [*POINTS, bad, *POINTS])))

    assert in_blocks(data, 1000) == streamed(data)


@pytest.mark.parametrize(
    "between",
    [
        f"<x xmlns='urn:x'><{ITEM}>a</{ITEM}></x>",
        f"<x xmlns='urn:x'>a</x><{ITEM}/>",
        f"<?x </{ITEM}>",
        f"<?x </{ITEM}>?>",
        "mislaid",
        f"<![CDATA[ </{ITEM}>",
        "<!-- ",
        "<!--",
        f"</SetChargePointListRequest><SetChargePointListRequest xmlns='{NS}'>",
        "]]>",
        "\x01",
        "&x;",
        "\xff",
    ],
)
@pytest.mark.parametrize("end", ["", " ?>", "]]>", "-->"])
@pytest.mark.parametrize("size", [500, 100_000])
def test_what_is_no_list_is_none_in_blocks(between: str, end: str, size: int) -> None:
    """Nothing is read in blocks that is refused in one piece."""
    text = message(POINTS[0] + POINTS[1] + between + POINTS[2] + end + POINTS[3])
    data = text.replace("\xff".encode(), b"\xff")

    with pytest.raises((GatewayError, NotStreamed, NotShared)):
        in_blocks(data, size)


@pytest.mark.parametrize("name", ["p:x:city", "a:b:c:city"])
@pytest.mark.parametrize("large", [False, True])
def test_a_name_of_two_colons_is_no_name(name: str, large: bool) -> None:
    """Said of the text, however early the parser of the whole is asked."""
    bad = POINTS[1].replace("<city>", f'<{name} xmlns:p="{NS}">').replace("</city>", f"</{name}>")
    data = message(POINTS[0] + bad + POINTS[2] * (300 if large else 1))

    with pytest.raises(Malformed, match="Failed to parse QName"):
        streamed(data)


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\u3000", "\u2028"])
def test_only_blanks_of_xml_stand_between_items(blank: str) -> None:
    """As for the schema."""
    data = message(POINTS[0] + POINTS[1] + blank + POINTS[2])

    with pytest.raises(Malformed, match="character content"):
        streamed(data)
    assert len(streamed(data.replace(blank.encode(), b" \t\r\n"))) == 3


def test_a_relative_name_of_a_namespace_is_only_odd() -> None:
    """libxml2 warns of it, and reads on."""
    data = message(POINTS[0] + POINTS[1]).replace(b"xmlns=", b'xmlns:odd="odd" xmlns=', 1)

    assert len(streamed(data)) == 2


STATUS = registry.adapter_for("ochp-1.4").operations["UpdateStatus"].request.record
EVSE = '<evse major="available"><evseId>AT*ALP*E{}</evseId></evse>'
SPOT = '<parking status="unknown"><parkingId>AT*ALP*P1</parkingId></parking>'
TTL = "<ttl><DateTime>2031-05-02T09:00:00Z</DateTime></ttl>"


EVSES, SPOTS = lists(STATUS)


def statuses(inside: str, row: Row | None) -> tuple[Any, list[Any]]:
    data = message(inside, "UpdateStatusRequest")
    items = XmlItems(
        STATUS, io.BytesIO(data), schema_for("ochp", "1.4"), chunk=lambda: 700, row=row
    )
    return items, list(items)


@given(
    st.integers(0, 40),
    st.integers(0, 300),
    st.booleans(),
    st.sampled_from(["", "\n", "<!-- x -->"]),
)
@settings(deadline=None)
def test_each_of_several_lists_is_read_for_itself(
    evses: int, spots: int, ends: bool, between: str
) -> None:
    """All of the message is in the head or among the items of a list, whatever its length."""
    parts = [*map(EVSE.format, range(evses)), *[SPOT] * spots, *[TTL] * ends]
    root = etree.fromstring(message("".join(parts), "UpdateStatusRequest"))
    whole = interpret.read(STATUS, root)
    for row, others in ((EVSES, ["parking"] * bool(spots)), (SPOTS, ["evse"] * bool(evses))):
        items, found = statuses(between.join(parts), row)
        assert tuple(item.value for item in found) == getattr(whole, row.field)
        assert items.head == msgspec.structs.replace(whole, evses=(), parkings=())
        assert items.others == set(others)


def test_lists_are_read_whose_items_are_not_among_the_first_bytes() -> None:
    """More of the one list than an item may have, before and behind the other."""
    many = SPOT * (MOST // len(SPOT) + 1000)
    items, found = statuses(EVSE.format(1) + many + TTL, EVSES)
    assert (len(found), items.others) == (1, {"parking"})
    many = EVSE.format(1) * (MOST // len(EVSE) + 1000)
    items, found = statuses(many + SPOT, SPOTS)
    assert (len(found), items.others) == (1, {"evse"})


MANY = "<a/>" * (UNWIELDY + 1)


@pytest.mark.parametrize("row", [EVSES, SPOTS], ids=["evses", "spots"])
@pytest.mark.parametrize(
    "inside",
    [
        f"<x>{MANY}</x>{EVSE.format(1)}{SPOT}",
        EVSE.format(1) + SPOT.replace("</parking>", f"{MANY}</parking>"),
        EVSE.format(1).replace("</evse>", f"{MANY}</evse>") + SPOT,
        f"{EVSE.format(1)}{SPOT}<x>{MANY}</x>{TTL}" + SPOT,
        *(
            "".join(f"<x>{text}</x>{EVSE.format(number)}{SPOT}" for number in range(80))
            for text in ("x" * 100_000, "<a/>" * 3000)
        ),
    ],
    ids=["before", "spot", "evse", "behind", "texts", "elements"],
)
def test_what_takes_long_or_much_is_for_who_reads_it_whole(inside: str, row: Row) -> None:
    """Of what is no item little is held, and nothing large is moved."""
    with pytest.raises((NotStreamed, Malformed)):
        statuses(inside, row)


@pytest.mark.parametrize("text", ["<![CDATA[{}]]>", "&lt;evse>{}", "x", "\u00a0"])
def test_a_message_of_text_alone_is_none(text: str) -> None:
    data = text.format("".join(map(EVSE.format, range(50))))
    if "CDATA" not in text:
        data = text.format("")
    for row in (EVSES, SPOTS):
        with pytest.raises(Malformed, match="character content"):
            statuses(data, row)


@pytest.mark.parametrize(
    "inside",
    [
        EVSE.format("x y") + EVSE.format(1) + EVSE.format(2),
        EVSE.format(1) + EVSE.format("x y"),
        EVSE.format("x y"),
    ],
    ids=["first wrong", "last wrong", "all wrong"],
)
def test_a_sample_of_the_items_is_kept(inside: str) -> None:
    """One that is good, wherever it stands."""
    items, found = statuses(inside.replace("AT*ALP*Ex y", "?"), EVSES)
    good = [each.value.evse_id for each in found if not each.problems]
    if not good:
        assert items.sample is None
        assert not items.may_have([items.sample])
    else:
        assert items.sample.findtext("{*}evseId") in good
        assert items.may_have([items.sample])


@pytest.mark.parametrize(
    "inside",
    [
        EVSE.format(1) + SPOT + EVSE.format(2),
        EVSE.format(1) + TTL + SPOT,
        EVSE.format(1) + TTL + TTL,
        SPOT + EVSE.format(1),
        SPOT + "".join(map(EVSE.format, range(50))),
        EVSE.format(1) + "<other/>" * 101,
        EVSE.format(1) + SPOT.replace("unknown", "free"),
        EVSE.format(1) + SPOT + "x" + SPOT,
        EVSE.format(1) + "x" + SPOT,
        "".join(map(EVSE.format, range(50))) + SPOT + "".join(map(EVSE.format, range(50))),
    ],
    ids=[
        *("between", "order", "twice", "before", "long before", "others", "wrong", "text inside"),
        *("text", "later"),
    ],
)
def test_what_is_wrong_beside_a_list_is_told(inside: str) -> None:
    """Nothing of the message counts, or an item of it does not."""

    def read() -> None:
        for row in (EVSES, SPOTS):
            for item in statuses(inside, row)[1]:
                if item.problems:
                    raise Malformed(item.problems)

    with pytest.raises((NotStreamed, Malformed)):
        read()
    with pytest.raises(NotStreamed, match="no list of its own"):
        statuses(inside, None)
