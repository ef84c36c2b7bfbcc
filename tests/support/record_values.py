"""Wire messages made from a record table alone, as XML or as JSON, for any adapter.

``trees(record)`` draws a message of every shape that the rows allow: optional fields there, absent
or null, lists absent, empty or filled, fields that no table knows where the protocol is open.
A kind does not say which values it takes, so candidates that the field uses (ids, dates, numbers,
words) are tried, and those that it takes are drawn; a code list tells its codes.

Limits: rows are drawn one by one; a rule that ties several fields together is not known here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from gateway.mapping.interpret import flat_rows
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record, Row

TEXTS = (
    *("DE*ACM*E0007*1", "DEACME0007", "nl*qgw*eHARBOUR7*2", "SE*QK2*E1180", "NL*QGW*EX1"),
    *("DE*ACM*P0007", "NLQGWP12", "DE*ACM*TDAY", "NLQGWT1", "SE*QK2*TNIGHT"),
    *("DE-8MB-C0A1B2C3D-4", "NLTNMC00122045", "DE-8MB-000471183", "NL-TNM-C00122045-K"),
    *("DEACM31062100088", "NLQGW42", "LOC1", "SITE 7", "A1", "ACM", "DEACM", "NL8MB", "S"),
    *("04A2B3C4D5E6F7", "04a2b3c4d5e6f7", "DE-8MB-C0A1B2C3D", "#NA"),
    *("DE", "nl", "SE", "DEU", "NLD", "SWE", "EUR", "sek", "deu", "ENG", "NLD", "en", "xx"),
    *(
        "Götgatan",
        "Straße 5",
        "Quai < & > \"x\" 'y'",
        "  two  blanks ",
        "Platz\nzwei",
        "10 B",
        "-1",
    ),
    *("1016 GV", "118 30", "+31 20-555 12", "0800 1234", "P-12", "U2", "12"),
    *(
        "https://cpo.example/a.png",
        "http://x.example/?q=%2F&r=1",
        "ftp://x.example/b",
        "PNG",
        "jpeg",
    ),
    *("Europe/Berlin", "Atlantic/Canary", "08:00", "22:30", "00:00", "24:00", "23:59"),
    *("2031-05-02", "1971-12-31", "001:30:00", "999:59:59", "052.12", "x" * 40, "y" * 300),
    *("52.370216", "-3.703790", "4.89517", "179.9999999", "0.000000"),
)
NUMBERS = ("0", "1", "2", "7", "12.50", "0.4", "-3", "1E-3", "12E+2", "00.10", "+5", "999", "40000")
_START = datetime(2031, 5, 2, 9, 0, tzinfo=UTC)


def _instants() -> Iterator[str]:
    for minutes in (0, 17, 60, 90, 600, 1440, 43_200):
        moment = _START + timedelta(minutes=minutes)
        yield f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        yield moment.astimezone(timezone(timedelta(hours=2))).isoformat()
    yield from ("2031-05-02T09:00:00", "2031-05-02T09:00:00.250Z", "2031-05-02t09:00:00z")


INSTANTS = tuple(_instants())
_BOOLEANS = ("true", "false", "1", "0")
_XML = (*TEXTS, *NUMBERS, *INSTANTS, *_BOOLEANS, "")
_JSON = (
    *TEXTS,
    *INSTANTS,
    "",
    True,
    False,
    *(0, 1, 2, 7, 16, 230, 400, 1000, 40_000),
    *(Decimal(text) for text in ("12.50", "0.4", "-3.0", "1E-3", "12E+2", "0.0")),
)


def _takes(parse: Any, value: Any) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


@cache
def texts(kind: Kind) -> tuple[str, ...]:
    """Texts that a kind takes in XML."""
    found = kind.codes or tuple(text for text in _XML if _takes(kind.parse, text))
    assert found, f"no candidate is a {kind.name}: add one"
    return found


@cache
def values(kind: Kind) -> tuple[Any, ...]:
    """Values that a kind takes in JSON."""
    found: tuple[Any, ...] = kind.codes or tuple(v for v in _JSON if _takes(kind.from_json, v))
    if not found:
        found = tuple([text] for text in TEXTS if _takes(kind.from_json, [text]))
    assert found, f"no candidate is a {kind.name}: add one"
    return found


Draw = Any


def trees(record: Record, *, xml: bool | None = None) -> st.SearchStrategy[Any]:
    """Messages of a record in its own notation, or the other one (``xml``)."""
    as_xml = bool(record.wire.namespace) if xml is None else xml

    def make(draw: Draw) -> Any:
        if as_xml:
            root = etree.Element(f"{{{record.wire.namespace}}}{record.name}")
            _fill_xml(draw, record, root)
            return root
        return _json(draw, record)

    return st.composite(make)()


def _rows(record: Record) -> list[Row]:
    return [row for _, row in flat_rows(record) if row.card != "="]


def _count(draw: Draw, row: Row) -> int:
    if row.card == "1":
        return 1
    if row.card == "?":
        return int(draw(st.integers(0, 1)))
    return int(draw(st.integers(1 if row.card == "+" else 0, 2)))


def _fill_xml(draw: Draw, record: Record, node: Any) -> None:
    space = f"{{{record.wire.namespace}}}"
    for row in _rows(record):
        for _ in range(_count(draw, row)):
            *outer, last = row.steps
            place = node
            for step in outer:
                known = None if row.listed else place.find(space + step)
                place = etree.SubElement(place, space + step) if known is None else known
            if isinstance(row.kind, Record):
                _fill_xml(draw, row.kind, etree.SubElement(place, space + last))
                continue
            text = draw(st.sampled_from(texts(row.kind)))
            if last.startswith("@"):
                place.set(last[1:], text)
            elif last == ".":
                place.text = text
            else:
                etree.SubElement(place, space + last).text = text


_UNKNOWN = st.dictionaries(
    st.sampled_from(["x_vendor", "a/b", "~tilde", "./dot"]),
    st.sampled_from([None, "v", [], {}, {"a": [1, {"b": None}]}]),
    max_size=1,
)


def _json(draw: Draw, record: Record) -> Any:
    rows = _rows(record)
    if [row.wire for row in rows] == ["."]:
        return _json_list(draw, rows[0], _count(draw, rows[0]))
    node: dict[str, Any] = {}
    for row in rows:
        count = _count(draw, row)
        if count == 0:
            said = draw(st.sampled_from(["absent", "null", "empty"]))
            if said != "absent" and len(row.steps) == 1:
                node[row.wire] = [] if said == "empty" and row.listed else None
            continue
        *outer, last = row.steps
        if row.listed:
            node[row.steps[0]] = _json_list(draw, row, count)
            continue
        place = node
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = _json_value(draw, row)
    if record.wire.open:
        node = draw(_UNKNOWN) | node
    return node


def _json_list(draw: Draw, row: Row, count: int) -> list[Any]:
    items = []
    for _ in range(count):
        item = _json_value(draw, row)
        for step in reversed(row.steps[1:]):
            item = {step: item}
        items.append(item)
    return items


def _json_value(draw: Draw, row: Row) -> Any:
    if isinstance(row.kind, Record):
        return _json(draw, row.kind)
    return draw(st.sampled_from(values(row.kind)))
