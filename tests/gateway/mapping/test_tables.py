"""The table engine on a small protocol of its own: plain and compiled forms, findings, streams."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import Inexpressible, Malformed
from gateway.mapping import interpret, stream, xml_items
from gateway.mapping.carriers import json_path, xml_path
from gateway.mapping.compile import codec, plain
from gateway.mapping.context import Context, Outcome
from gateway.mapping.kinds import BOOLEAN, NUMBER, TEXT, code, integer
from gateway.mapping.kinds import UTC as UTC_KIND
from gateway.mapping.record import Record, Wire, const, inline, many, one, opt, some
from gateway.mapping.report import Finding, join
from gateway.model.base import PartyId
from gateway.model.message import TariffUpload
from gateway.model.tariff import (
    BillingItem,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)

XML = Wire("toy-xml", "urn:toy")
JSON = Wire("toy-json", open=True)
ITEM = code("Item", {"energy": BillingItem.ENERGY, "time": BillingItem.CHARGING_TIME})

X_PART = Record(
    "Part",
    PriceComponent,
    XML,
    "toy Part",
    (one("item/Item", "item", ITEM), one("price", "price", NUMBER), opt("@vat", "vat", NUMBER)),
)
X_LIMITS = Record(
    "Limits",
    Restrictions,
    XML,
    "toy Limits",
    (opt("from", "begin", UTC_KIND), many("day/Day", "weekdays", TEXT)),
)
X_ELEMENT = Record(
    "Element",
    TariffElement,
    XML,
    "toy Element",
    (some("part", "components", X_PART), opt("limits", "restrictions", X_LIMITS)),
)


def _first(tariff: Tariff, ctx: Context) -> Any:
    for place in range(1, len(tariff.alt_text)):
        ctx.dropped(f"alt_text/{place}", "first-text-only")
    return tariff.alt_text[0].text if tariff.alt_text else None


X_OWNER = Record(
    "owner", PartyId, XML, "toy owner", (opt("country", "country", TEXT), opt("code", "code", TEXT))
)
X_TARIFF = Record(
    "Tariff",
    Tariff,
    XML,
    "toy Tariff",
    (
        one("Id", "id", TEXT),
        inline("owner", X_OWNER),
        some("element", "elements", X_ELEMENT),
        one("Currency", "currency", TEXT, default=lambda t, ctx: "EUR", rule="house-currency"),
    ),
    lost={"kind": "toys have no kinds"},
)
X_UPLOAD = Record(
    "Upload",
    TariffUpload,
    XML,
    "toy Upload",
    (some("tariff", "tariffs", X_TARIFF), const("full", True)),
)

J_PART = Record(
    "Part",
    PriceComponent,
    JSON,
    "toy Part",
    (one("type", "item", ITEM), one("price", "price", NUMBER), opt("vat", "vat", NUMBER)),
)
J_LIMITS = Record(
    "Limits",
    Restrictions,
    JSON,
    "toy Limits",
    (opt("from", "begin", UTC_KIND), many("days", "weekdays", TEXT)),
)
J_ELEMENT = Record(
    "Element",
    TariffElement,
    JSON,
    "toy Element",
    (some("parts", "components", J_PART), opt("limits", "restrictions", J_LIMITS)),
)
J_OWNER = Record(
    "owner", PartyId, JSON, "toy owner", (one("cc", "country", TEXT), one("pid", "code", TEXT))
)
J_TARIFF = Record(
    "Tariff",
    Tariff,
    JSON,
    "toy Tariff",
    (
        inline("owner", J_OWNER),
        one("id", "id", TEXT),
        one("currency", "currency", TEXT),
        opt("kind", "kind", TEXT),
        some("elements", "elements", J_ELEMENT),
        opt("updated", "updated", UTC_KIND),
    ),
)
J_LIST = Record("list", TariffUpload, JSON, "toy list", (some(".", "tariffs", J_TARIFF),))

texts = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=8)
numbers = st.decimals(-1000, 1000, places=3, allow_nan=False)
instants = st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1)).map(  # noqa: DTZ001
    lambda d: d.replace(microsecond=0)
)
parts = st.builds(
    PriceComponent,
    item=st.sampled_from([BillingItem.ENERGY, BillingItem.CHARGING_TIME]),
    price=numbers,
    vat=st.none() | numbers,
)
elements = st.builds(
    TariffElement,
    components=st.lists(parts, min_size=1, max_size=3).map(tuple),
    restrictions=st.none()
    | st.builds(
        Restrictions,
        begin=st.none() | instants,
        weekdays=st.lists(texts, max_size=3).map(tuple),
    ),
)
tariffs = st.builds(
    Tariff,
    id=texts,
    owner=st.builds(PartyId, country=texts, code=texts),
    currency=texts,
    kind=st.none() | texts,
    elements=st.lists(elements, min_size=1, max_size=3).map(tuple),
)
uploads = st.builds(
    TariffUpload, tariffs=st.lists(tariffs, min_size=1, max_size=3).map(tuple), full=st.just(True)
)


def _bytes(tree: Any) -> bytes:
    return etree.tostring(tree, method="c14n")


@given(uploads)
@settings(deadline=None)  # the first example compiles the tables
def test_compiled_and_plain_agree_in_xml(upload):
    """Both forms write the same text, read the same object back, and note the same losses."""
    fast, slow = Context(), Context()

    text = codec(X_UPLOAD).write_xml(upload, fast)
    tree = interpret.write(X_UPLOAD, upload, slow)

    assert etree.tostring(etree.fromstring(text), method="c14n") == _bytes(tree)
    assert sorted(fast.notes) == sorted(slow.notes)
    assert codec(X_UPLOAD).read(tree) == interpret.read(X_UPLOAD, tree)
    again = interpret.read(X_UPLOAD, tree)
    assert [t.elements for t in again.tariffs] == [t.elements for t in upload.tariffs]


@given(uploads)
@settings(deadline=None)  # the first example compiles the tables
def test_compiled_and_plain_agree_in_json(upload):
    """The same for JSON, and reading gives the written object."""
    fast, slow = Context(), Context()

    value = codec(J_LIST).write_json(upload, fast)

    assert value == interpret.write(J_LIST, upload, slow)
    assert sorted(fast.notes) == sorted(slow.notes)
    assert codec(J_LIST).read(value) == interpret.read(J_LIST, value)
    assert codec(J_LIST).read(value).tariffs == upload.tariffs


def test_every_form_compiles():
    """The generated source is there to be read."""
    assert all("def f(" in source for source in plain(X_UPLOAD))


UPLOAD = """
<t:Upload xmlns:t="urn:toy"><t:tariff><t:Id>T1</t:Id><t:country>NL</t:country><t:code>QGW</t:code>
<t:element><t:part vat="21"><t:item><t:Item>energy</t:Item></t:item><t:price>4e-1</t:price></t:part>
<t:limits><t:from>2031-05-02T11:00:00+02:00</t:from><t:day><t:Day>MO</t:Day></t:day></t:limits>
</t:element><t:Currency>EUR</t:Currency></t:tariff></t:Upload>"""


def _upload(text: str = UPLOAD) -> Any:
    return etree.fromstring(text.replace("\n", ""))


def test_spelling_comes_back_in_its_own_protocol_only():
    """Numbers and times are written back as they were spelled; elsewhere in canonical form."""
    upload = codec(X_UPLOAD).read(_upload())

    again = codec(X_UPLOAD).write_xml(upload)
    value = codec(J_LIST).write_json(upload)

    assert "<price>4e-1</price>" in again
    assert "<from>2031-05-02T11:00:00+02:00</from>" in again
    part = value[0]["elements"][0]
    assert part["parts"][0]["price"] == Decimal("0.4")
    assert part["limits"]["from"] == "2031-05-02T09:00:00Z"


def test_unknown_json_fields_and_nulls_come_back():
    """An open protocol gives back what the table does not know, and null for null."""
    value = [
        {
            "cc": "NL", "pid": "QGW", "id": "T1", "currency": "EUR", "kind": None, "x": {"y": [1]},
            "elements": [{"parts": [{"type": "energy", "price": Decimal("0.40"), "z": True}]}],
        }
    ]  # fmt: skip
    upload = codec(J_LIST).read(value)

    assert codec(J_LIST).write_json(upload) == value
    assert interpret.write(J_LIST, upload, xml=False) == value
    # partners' own fields are so usual that the compiled form knows them
    assert codec(J_LIST).function("read_json")(value) == interpret.read(J_LIST, value)


def test_all_problems_are_reported_with_their_places():
    """Every problem of a message at once, in the words of the message."""
    text = (
        UPLOAD.replace("energy", "gas")
        .replace("4e-1", "NaN")
        .replace("<t:Currency>EUR</t:Currency>", "")
    )
    with pytest.raises(Malformed) as caught:
        codec(X_UPLOAD).read(_upload(text))

    assert [str(problem) for problem in caught.value.problems] == [
        "/Upload/tariff[1]/element[1]/part[1]/item/Item: 'gas' is no Item",
        "/Upload/tariff[1]/element[1]/part[1]/price: 'NaN' is no finite decimal number",
        "/Upload/tariff[1]/Currency: found 0, expected 1",
    ]


def test_one_bad_item_does_not_take_the_others_along():
    """In a partial reading the bad item is refused with its place, the good one stays."""
    good = UPLOAD.replace("\n", "")
    item = good[good.index("<t:tariff>") : good.index("</t:Upload>")]
    text = good.replace("</t:Upload>", item.replace("4e-1", "x") + item + "</t:Upload>")
    reading = interpret.Reading(partly=True)

    upload = interpret.read(X_UPLOAD, etree.fromstring(text), reading=reading)

    assert len(upload.tariffs) == 2
    assert [(refusal.source, refusal.item) for refusal in reading.refused] == [
        ("/Upload/tariff[2]", 1)
    ]


def _findings(record: Record, upload: Any, target: Record, **kwargs: Any) -> list[Finding]:
    reading, writing = interpret.Reading(), interpret.Writing()
    message = interpret.read(record, upload, reading=reading)
    ctx = Context(traced=True)
    tree = interpret.write(target, message, ctx, writing=writing)
    is_json = not target.wire.namespace

    def path_text(where):
        return json_path(where) if is_json else xml_path(target.name, where)

    del tree
    return join(reading.seen, writing.wrote, ctx.notes, path_text, target.clause)


def test_findings_name_both_ends_and_the_rule():
    """From XML to JSON: exact, converted by a named rule."""
    rows = _findings(X_UPLOAD, _upload(), J_LIST)
    by_source = {row.source: row for row in rows}

    exact = by_source["/Upload/tariff[1]/Id"]
    assert (exact.outcome, exact.target, exact.rule) == (Outcome.EXACT, "/0/id", None)
    price = by_source["/Upload/tariff[1]/element[1]/part[1]/price"]
    assert (price.outcome, price.target) == (Outcome.CONVERTED, "/0/elements/0/parts/0/price")
    start = by_source["/Upload/tariff[1]/element[1]/limits/from"]
    assert (start.outcome, start.rule) == (Outcome.CONVERTED, "utc-form")
    assert not [row for row in rows if row.outcome is Outcome.DROPPED]


def test_findings_name_what_is_dropped_and_defaulted():
    """From JSON to XML: a kind that toys have not is dropped, a currency comes from a rule."""
    value = [
        {
            "cc": "NL", "pid": "QGW", "id": "T1", "currency": "EUR", "kind": "REGULAR", "x": 1,
            "elements": [{"parts": [{"type": "energy", "price": 1}]}],
        }
    ]  # fmt: skip
    rows = {row.source: row for row in _findings(J_LIST, value, X_UPLOAD)}

    assert rows["/0/kind"].outcome is Outcome.DROPPED
    assert rows["/0/kind"].note == "toys have no kinds"
    assert rows["/0/x"].rule == "unknown-field"
    upload = TariffUpload(tariffs=(interpret.read(J_LIST, value).tariffs[0],))
    bare = TariffUpload(
        tariffs=(
            Tariff(id="T", owner=upload.tariffs[0].owner, elements=upload.tariffs[0].elements),
        )
    )
    ctx = Context()
    assert "<Currency>EUR</Currency>" in codec(X_UPLOAD).write_xml(bare, ctx)
    assert [(note.outcome, note.rule) for note in ctx.notes] == [
        (Outcome.DEFAULTED, "house-currency")
    ]


def test_what_cannot_be_said_is_refused_with_its_place():
    """A control character has no place in XML; the refusal names the field."""
    upload = TariffUpload(
        tariffs=(
            Tariff(
                id="a\x00b",
                currency="EUR",
                elements=(
                    TariffElement(
                        components=(PriceComponent(item=BillingItem.FLAT, price=Decimal(1)),)
                    ),
                ),
            ),
        )
    )
    with pytest.raises(Inexpressible) as caught:
        codec(X_UPLOAD).write_xml(upload)

    assert [problem.path for problem in caught.value.problems] == [
        "/Upload/tariff[1]/Id",
        "/Upload/tariff[1]/element[1]/part[1]/item/Item",
    ]


def _split(upload: TariffUpload, ctx: Context) -> Any:
    """One toy per element: a change of shape with its lineage."""
    return tuple(
        ctx.came_from(
            Tariff(id=f"{t.id}-{m}", owner=t.owner, currency=t.currency, elements=(e,)),
            ("elements/0", f"tariffs/{n}/elements/{m}"),
            ("", f"tariffs/{n}"),
        )
        for n, t in enumerate(upload.tariffs)
        for m, e in enumerate(t.elements)
    )


def test_a_change_of_shape_keeps_the_lineage_of_every_leaf():
    """Objects made on the way out name the leaves that they came from."""
    split = X_UPLOAD.but(some("tariff", "tariffs", X_TARIFF, write=_split))
    element = {"parts": [{"type": "energy", "price": 1}]}
    value = [{"cc": "NL", "pid": "QGW", "id": "T1", "currency": "EUR",
              "elements": [element, {"parts": [{"type": "time", "price": 7}]}]}]  # fmt: skip
    rows = _findings(J_LIST, value, split)

    pairs = {(row.source, row.target) for row in rows}
    assert ("/0/elements/1/parts/0/price", "/Upload/tariff[2]/element[1]/part[1]/price") in pairs
    assert ("/0/currency", "/Upload/tariff[1]/Currency") in pairs
    assert ("/0/currency", "/Upload/tariff[2]/Currency") in pairs


def test_lists_stream_item_by_item():
    """Items in, bytes out; the same bytes as in one piece."""
    upload = codec(X_UPLOAD).read(_upload())
    source = xml_items.XmlItems(X_UPLOAD, io.BytesIO(_bytes(_upload())))
    items = [item.value for item in source]
    ctx = Context()

    said = stream.say(X_UPLOAD, upload, ctx)
    before, after = stream.frame(X_UPLOAD, source.head, ctx)

    assert items == list(upload.tariffs)
    text = before + stream.joined(X_UPLOAD, said.items) + after
    assert text.decode() == codec(X_UPLOAD).write_xml(upload)
    assert stream.frame(J_LIST, source.head, ctx) == (b"[", b"]")


@pytest.mark.parametrize("cut", [1, 10, 60, 200])
def test_a_truncated_stream_is_refused(cut):
    """Half a message is no message, however it is cut."""
    data = _bytes(_upload())[:-cut]
    with pytest.raises(Malformed):
        list(xml_items.XmlItems(X_UPLOAD, io.BytesIO(data)))


def test_a_stream_of_something_else_is_refused():
    """Another root is not taken for an empty list."""
    with pytest.raises(Malformed):
        list(xml_items.XmlItems(X_UPLOAD, io.BytesIO(b"<Other xmlns='urn:toy'/>")))


def test_kinds_outside_their_bounds_are_refused():
    """Whole numbers know their bounds in both directions."""
    with pytest.raises(ValueError, match="more than 7"):
        integer(1, 7).parse("8")
    assert BOOLEAN.from_json(True) is True
    with pytest.raises(ValueError, match="no boolean"):
        BOOLEAN.from_json("true")


def test_an_ambiguous_code_list_is_refused_when_it_is_made():
    """Two codes for one value need a preferred one."""
    with pytest.raises(TypeError):
        code("Item", {"a": BillingItem.FLAT, "b": BillingItem.FLAT})
    assert code("Item", {"a": 1, "b": 1}, prefer={1: "a"}).format(1) == "a"
