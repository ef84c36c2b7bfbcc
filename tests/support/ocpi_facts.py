"""Whether a JSON value is an object of OCPI 2.2.1, by the field facts of the standard alone."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.support.ocpi_objects import ENUMS, OBJECTS

_SIZED = re.compile(r"(CiString|string)\((\d+)\)")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")
_FORMATS = {
    "latitude": r"-?[0-9]{1,2}\.[0-9]{5,7}",
    "longitude": r"-?[0-9]{1,3}\.[0-9]{5,7}",
    "country": "[A-Z]{3}",
    "currency": "[A-Z]{3}",
    "country_code": "[A-Z]{2}",
    "party_id": "[A-Z0-9]{3}",
    "language": "[a-z]{2}",
    "period_begin": "([01][0-9]|2[0-3]):[0-5][0-9]",
    "period_end": "([01][0-9]|2[0-3]):[0-5][0-9]",
    "start_time": "([01][0-9]|2[0-3]):[0-5][0-9]",
    "end_time": "([01][0-9]|2[0-3]):[0-5][0-9]",
    "start_date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "end_date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
}


def wrong(name: str, value: Any, at: str = "") -> Iterator[str]:
    """What is wrong with an object that the gateway wrote."""
    if not isinstance(value, dict):
        yield f"{at} is no {name}"
        return
    facts = OBJECTS[name]
    for field in value.keys() - facts.keys():
        yield f"{at}/{field} is no field of {name}"
    for field, fact in facts.items():
        type_, card = fact.rsplit(" ", 1)
        place, found = f"{at}/{field}", value.get(field)
        if found is None:
            if card in "1+":
                yield f"{place} is missing"
        elif card in "+*":
            if not isinstance(found, list) or (card == "+" and not found):
                yield f"{place} is no list of {type_}"
                continue
            for number, item in enumerate(found):
                yield from _one(field, type_, item, f"{place}/{number}")
        else:
            yield from _one(field, type_, found, place)


def _one(field: str, type_: str, value: Any, at: str) -> Iterator[str]:
    if type_ in OBJECTS:
        yield from wrong(type_, value, at)
    elif not _fits(type_, value):
        yield f"{at} {value!r} is no {type_}"
    elif type_.startswith(("string", "CiString")) and not re.fullmatch(
        _FORMATS.get(field, ".*"), value, re.DOTALL
    ):
        yield f"{at} {value!r} is no {field}"


def _fits(type_: str, value: Any) -> bool:
    if type_ in ENUMS:
        return value in ENUMS[type_]
    sized = _SIZED.fullmatch(type_)
    if sized:
        plain = sized[1] == "string" or (isinstance(value, str) and value.isascii())
        return isinstance(value, str) and plain and len(value) <= int(sized[2])
    if type_ == "DateTime":
        return isinstance(value, str) and bool(_INSTANT.fullmatch(value))
    if type_ == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if type_ == "number":
        return isinstance(value, int | Decimal)
    if type_.startswith("int"):
        return isinstance(value, int)
    return type_ == "URL" and isinstance(value, str) and value.startswith(("http:", "https:"))
