"""Field paths into parts of an object, and wire elements shared by several rows."""

import pytest
from lxml import etree

from gateway.errors import Malformed
from gateway.mapping import interpret
from gateway.mapping.compile import Codec, Compiler, codec
from gateway.mapping.context import Context
from gateway.mapping.kinds import TEXT
from gateway.mapping.record import Record, Wire, many, one, opt, value_at
from gateway.model.location import Address, Evse, GeoPoint, Location
from gateway.model.token import Token, TokenKind

WIRE = Wire("test-1", "urn:test")
KINDS = {"rfid": TokenKind.RFID, "remote": TokenKind.REMOTE}


def _xml(text: str) -> etree._Element:
    return etree.fromstring(text.replace("<R>", '<R xmlns="urn:test">'))


TOKEN = Record(
    "R",
    Token,
    WIRE,
    "test",
    (
        opt("Id/@representation", "issuer", TEXT),
        one("Id/instance", "uid", TEXT),
        opt("Id/kind", "kind", TEXT),
        opt("Id/text", "language", TEXT),
        one("contract", "contract_id", TEXT),
    ),
)
SITE = Record(
    "R",
    Location,
    WIRE,
    "test",
    (
        one("evse", "evses/0/evse_id", TEXT),
        one("id", "id", TEXT),
        opt("street", "address/street", TEXT),
        opt("city", "address/city", TEXT),
        opt("country", "address/country", TEXT),
        opt("lat", "coordinates/latitude", TEXT),
        opt("lon", "coordinates/longitude", TEXT),
        many("lang", "evses/0/ui_languages", TEXT),
    ),
    lost={"evses/0/floor_level": "floors are not said"},
    parts={"evses/0": Evse, "address": Address, "coordinates": GeoPoint},
)
PLACE = Address(street="Kade", city="Delft", country="NLD")
POINT = GeoPoint(latitude="1", longitude="2")  # type: ignore[arg-type]
SITE_XML = (
    "<R><evse>E1</evse><id>L</id><street>Kade</street><city>Delft</city><country>NLD</country>"
    "<lat>1</lat><lon>2</lon>{}</R>"
)


def _both(record: Record, text: str, name: str = "R") -> object:
    """Read plainly and compiled, and write both ways; they agree."""
    node = _xml(text)
    plain = interpret.read(record, node)
    assert codec(record).function("read_xml")(node) == plain
    for ctx in (Context(), Context(traced=True)):
        written = interpret.write(record, plain, ctx)
        assert etree.tostring(written, method="c14n") == etree.tostring(node, method="c14n")
    pieces: list[str] = []
    write = Codec(record, Compiler()).function("write_xml")
    write(plain, Context(), pieces.append, name, ' xmlns="urn:test"')
    assert etree.tostring(etree.fromstring("".join(pieces)), method="c14n") == etree.tostring(
        node, method="c14n"
    )
    return plain


@pytest.mark.parametrize(
    "inside",
    [
        '<Id representation="p"><instance>1</instance><kind>k</kind></Id>',
        "<Id><instance>1</instance></Id>",
        "<Id><instance>1</instance><text>t</text></Id>",
    ],
)
def test_rows_share_an_element(inside):
    text = f"<R>{inside}<contract>c</contract></R>"
    if "kind" not in inside:
        with pytest.raises(Malformed, match="kind"):
            interpret.read(TOKEN, _xml(text))
        return
    token = _both(TOKEN, text)
    assert token == Token(uid="1", kind="k", contract_id="c", issuer="p")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inside", "place"),
    [
        ("<contract>c</contract>", "/R/Id/instance: found 0"),
        ("<Id><kind>k</kind></Id><contract>c</contract>", "/R/Id/instance: found 0"),
    ],
)
def test_a_missing_shared_field_is_named(inside, place):
    with pytest.raises(Malformed, match=place):
        codec(TOKEN).read(_xml(f"<R>{inside}</R>"))


def test_unknown_attributes_and_children_of_a_shared_element_are_kept():
    node = _xml(
        '<R><Id x="1"><instance>1</instance><kind>k</kind><y>2</y></Id><contract>c</contract></R>'
    )
    token = codec(TOKEN).read(node)
    assert token == interpret.read(TOKEN, node)
    assert token.extras == {"test-1": {"Id/@x": "1", "Id/y": "2"}}


def test_a_part_that_is_the_only_item_of_a_list():
    site = _both(SITE, SITE_XML.format("<lang>a</lang><lang>b</lang>"))
    assert site == Location(
        id="L",
        address=PLACE,
        coordinates=POINT,
        evses=(Evse(evse_id="E1", ui_languages=("a", "b")),),
    )


def test_what_no_row_reads_in_a_part_is_noted():
    site = Location(
        id="L",
        name="n",
        address=PLACE,
        coordinates=POINT,
        evses=(Evse(evse_id="E1", floor_level="2", extras={"other-1": {"x": 1}}), Evse()),
    )
    contexts = [Context(), Context()]
    interpret.write(SITE, site, contexts[0])
    codec(SITE).write_xml(site, contexts[1])
    for ctx in contexts:
        assert [(note.path, note.why) for note in ctx.notes] == [
            ("name", None),
            ("evses/0/floor_level", "floors are not said"),
            ("evses/0/extras/other-1/x", "kept as extra other-1:x"),
            ("evses/1", None),
        ]


def test_the_compiled_form_notes_the_same():
    site = Location(
        id="L", name="n", address=PLACE, coordinates=POINT, evses=(Evse(evse_id="E", uid="u"),)
    )
    contexts = [Context(), Context()]
    interpret.write(SITE, site, contexts[0])
    pieces: list[str] = []
    codec(SITE).function("write_xml")(site, contexts[1], pieces.append, "R", "")
    assert contexts[0].notes == contexts[1].notes
    assert [note.path for note in contexts[0].notes] == ["name", "evses/0/uid"]


def test_leaves_of_parts_are_traced_to_their_place():
    writing = interpret.Writing()
    site = interpret.read(SITE, _xml(SITE_XML.format("<lang>a</lang>")))
    interpret.write(SITE, site, Context(traced=True), writing=writing)
    assert {(leaf.target, leaf.paths) for leaf in writing.wrote} >= {
        ("/R/evse", ("evses/0/evse_id",)),
        ("/R/street", ("address/street",)),
        ("/R/lang[1]", ("evses/0/ui_languages/0",)),
    }


def test_equal_items_are_traced_each_to_its_place():
    """Also where a function gives the list."""
    row = many("lang", "evses/0/ui_languages", TEXT, write=lambda site, ctx: ("a", "b", "b", "a"))
    record = SITE.but(row)
    writing = interpret.Writing()
    site = interpret.read(SITE, _xml(SITE_XML.format("<lang>a</lang><lang>a</lang><lang>b</lang>")))
    interpret.write(record, site, Context(traced=True), writing=writing)
    places = [leaf.paths[0][-1] for leaf in writing.wrote if leaf.row is row]
    assert places == ["0", "2", "2", "0"]
    site = interpret.read(SITE, _xml(SITE_XML.format("<lang>a</lang><lang>b</lang><lang>b</lang>")))
    writing = interpret.Writing()
    interpret.write(record, site, Context(traced=True), writing=writing)
    places = [leaf.paths[0][-1] for leaf in writing.wrote if leaf.row is row]
    assert places == ["0", "1", "2", "0"]


def test_value_at_ends_where_the_way_ends():
    site = Location(id="L", address=PLACE, coordinates=POINT)
    assert value_at(site, "evses/0/evse_id") is None
    assert value_at(site, "opening/regular") is None
    assert value_at(site, "address/city") == "Delft"
