"""OCPI 2.2.1 objects made from the field facts alone: what the standard's tables allow.

``objects("Location")`` is a strategy of JSON values: optional fields absent, null or there, lists
absent, null, empty or filled, fields that no table knows now and then.
"""

import json
import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from gateway.mapping.kinds import format_utc, parse_instant

FACTS = json.loads(
    (Path(__file__).parents[1] / "conformance" / "ocpi-2.2.1.fields.json").read_text()
)
OBJECTS: dict[str, dict[str, str]] = FACTS["objects"]
ENUMS: dict[str, list[str]] = FACTS["enums"]

_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_ANY = st.characters(
    blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff", max_codepoint=0x2FFFF
)
_DATES = st.dates(min_value=__import__("datetime").date(1971, 1, 1))
_CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
_INSTANTS = st.builds(
    "{}T{}:{:02}{}{}".format,
    _DATES.map(str),
    _CLOCKS,
    st.integers(0, 59),
    st.sampled_from(["", ".5", ".123", ".654321"]),
    st.sampled_from(["Z", "", "z", "+02:00", "-11:30"]),
)
_NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9),
    st.decimals(-(10**6), 10**6, places=4),
    st.sampled_from([Decimal("0.0"), Decimal("1E-3"), Decimal("12E+2"), Decimal("7.10")]),
)


def _degrees(limit: int) -> st.SearchStrategy[str]:
    return st.builds(
        "{}{}.{:0{}}".format,
        st.sampled_from(["", "-"]),
        st.integers(0, limit - 1),
        st.integers(0, 99999),
        st.integers(5, 7),
    )


# Types alone do not tell these: the field's own format does.
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "latitude": _degrees(90),
    "longitude": _degrees(180),
    "language": st.sampled_from(["de", "EN", "nl", "xx"]),
    "country": st.sampled_from(["DEU", "NLD", "xkx"]),
    "currency": st.sampled_from(["EUR", "sek"]),
    "country_code": st.sampled_from(["DE", "nl"]),
    "party_id": st.sampled_from(["ACM", "evp", "A1"]),
    "period_begin": _CLOCKS,
    "period_end": _CLOCKS,
    "start_time": _CLOCKS,
    "end_time": _CLOCKS,
    "start_date": _DATES.map(str),
    "end_date": _DATES.map(str),
    "status_code": st.just(1000),
}


@cache
def _type(name: str) -> st.SearchStrategy[Any]:
    if name in OBJECTS:
        return objects(name)
    if name in ENUMS:
        return st.sampled_from(ENUMS[name])
    sized = re.fullmatch(r"(CiString|string)\((\d+)\)", name)
    if sized:
        letters = _PRINTABLE if sized[1] == "CiString" else _ANY
        return st.text(letters, min_size=1, max_size=min(int(sized[2]), 12))
    return {
        "boolean": st.booleans(),
        "number": _NUMBERS,
        "int": st.integers(0, 10**6),
        "int(1)": st.integers(1, 7),
        "int(5)": st.integers(0, 99999),
        "URL": st.sampled_from(["https://cpo.example/a.png", "http://x.example/?q=%2F"]),
        "DateTime": _INSTANTS,
    }[name]


@cache
def _field(name: str, fact: str) -> st.SearchStrategy[Any]:
    type_, card = fact.rsplit(" ", 1)
    plain = type_.startswith(("string", "CiString"))
    one = _FIELDS[name] if name in _FIELDS and plain else _type(type_)
    if card == "1":
        return one
    if card == "?":
        return st.one_of(st.just(_ABSENT), one, st.none())
    some = st.lists(one, min_size=1, max_size=2)
    if card == "+":
        return some
    return st.one_of(st.just(_ABSENT), st.none(), st.just([]), some)


_ABSENT = object()
_UNKNOWN = st.dictionaries(
    st.sampled_from(["x_vendor", "gireve_id", "a/b", "~tilde", "./dot", "Name"]),
    st.one_of(st.none(), st.text(max_size=3), st.just([]), st.just({"a": [1, {"b": None}]})),
    max_size=1,
)


@cache
def objects(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects of a type of the standard."""
    fields = st.fixed_dictionaries(
        {
            field: st.deferred(lambda f=field, t=fact: _field(f, t))
            for field, fact in OBJECTS[name].items()
        }  # type: ignore[misc]
    )

    def whole(known: dict[str, Any], unknown: dict[str, Any]) -> dict[str, Any]:
        return unknown | {key: value for key, value in known.items() if value is not _ABSENT}

    return st.builds(whole, fields, _UNKNOWN)


_ALLOWED = re.compile(r"[0-9-]{10}T[0-9:]{8}(\.[0-9]{1,4})?Z?", re.ASCII)


def in_utc(value: Any) -> Any:
    """The same with every instant as OCPI has it: UTC and Z, at most 25 characters."""
    if isinstance(value, dict):
        return {name: in_utc(part) for name, part in value.items()}
    if isinstance(value, list):
        return [in_utc(part) for part in value]
    if not isinstance(value, str) or not re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}T", value):
        return value
    return value if _ALLOWED.fullmatch(value) else format_utc(parse_instant(value))
