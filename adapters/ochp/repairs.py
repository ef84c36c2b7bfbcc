"""How single values and missing parts of a deviating OCHP message are put right.

Source: captures and open implementations of OCHP peers; OCHP 1.4 schema, facets.
Limits: see ``lenient.py``. A date without time is the local midnight of the tariff's country, or of
Greenwich where that has several zones.
"""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from lxml import etree

from adapters.ochp import kinds
from gateway import iso
from gateway.mapping.carriers import local
from gateway.mapping.kinds import BOOLEAN, NUMBER, Kind, parse_decimal, parse_instant
from gateway.model.ids import contract_of_din, parse_contract, parse_evse, without_separators

_NS = f"{{{kinds.NAMESPACE}}}"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STANDARDS = {name.lower(): name for name in kinds.STANDARDS}
_WORDS = {
    kinds.REPRESENTATION: {
        "sha160": "sha-160",
        "sha-1": "sha-160",
        "sha1": "sha-160",
        "sha256": "sha-256",
    },
    kinds.CDR_STATUS: {"owner declined": "declined"},
    kinds.AUTH_METHOD: {"rfidcallypso": "RfidCalypso"},
}


def _utc(value: str) -> str:
    return parse_instant(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _local(value: str) -> str:
    there = parse_instant(value).replace(microsecond=0)
    return kinds.LOCAL.format(there)


def _letters(allowed: str, other: str, most: int) -> Callable[[str], str]:
    def change(value: str) -> str:
        return re.sub(rf"[^{allowed}]", other, value.upper())[:most].strip()

    return change


def _evse(value: str) -> str:
    bare = re.sub(r"^([A-Za-z]{2})-([A-Za-z0-9]{3})-", r"\1*\2*", value)
    return parse_evse(bare).text() if bare[:1] in "+0123456789" else bare


def _contract(value: str) -> str:
    bare = without_separators(value)
    if len(bare) in (11, 12):
        return contract_of_din(bare).text()
    return parse_contract(bare).text()


def _degrees(value: str) -> str:
    return f"{Decimal(value).quantize(Decimal('0.000001')):f}"


def _whole(value: str) -> str:
    number = parse_decimal(value)  # bounded: a short text may be a number of millions of digits
    return str(int(number)) if number == number.to_integral_value() else value


def _duration(value: str) -> str:
    hours, minutes, seconds = value.split(":")
    return f"{int(hours):03}:{minutes}:{seconds}"


def _phone(value: str) -> str:
    return " ".join("".join(c if c in "+0123456789-" else " " for c in value).split())


def _image_type(value: str) -> str:
    return value.rpartition("/")[2].rpartition(".")[2][:4]


_CHANGES: dict[Kind, Callable[[str], str]] = {
    kinds.CDR_ID: str.upper,
    kinds.EVSE_ID: _evse,
    kinds.CONTRACT_ID: _contract,
    kinds.DATE_TIME: _utc,
    kinds.LOCAL: _local,
    kinds.LOCATION_ID: _letters("A-Z0-9 ", " ", 15),
    kinds.HOUSE_NUMBER: _letters(r"A-Z0-9 \-", "-", 6),
    kinds.ZIP_CODE: _letters(r"A-Z0-9 \-", " ", 10),
    kinds.FLOOR: _letters(r"A-Z0-9\-+/", "", 4),
    kinds.SPOT_NUMBER: _letters(r"A-Z0-9\-+/", "", 5),
    kinds.ISO_COUNTRY: lambda value: iso.alpha3(value) or value,
    kinds.LANGUAGE: lambda value: (iso.language3(value) or value).upper(),
    kinds.LATITUDE: _degrees,
    kinds.LONGITUDE: _degrees,
    kinds.PHONE: _phone,
    kinds.HMS: _duration,
    kinds.IMAGE_TYPE: _image_type,
    kinds.RECIPIENT: lambda value: re.sub(r"[-*]", "", value).upper(),
    kinds.INT: _whole,
    kinds.SMALL: _whole,
    kinds.PIXELS: _whole,
    kinds.CONNECTOR_STANDARD: lambda value: _STANDARDS.get(value.lower().replace("-", "_"), value),
    kinds.CONNECTOR_FORMAT: str.capitalize,
    kinds.CURRENT: str.upper,
    BOOLEAN: str.lower,
    NUMBER: lambda value: value or "0",
}


_SHORT = 64


def value(kind: Kind, text: str) -> str:
    """A value that its kind refuses, changed to what it plainly means; else as it is."""
    return _known(kind, text) if len(text) <= _SHORT else _meant(kind, text)


def _meant(kind: Kind, text: str) -> str:
    if _reads(kind, text) and kinds.fits(kind, kind.parse(text)) and not _too_precise(kind, text):
        return text
    stripped = text.strip()
    change = _CHANGES.get(kind)
    word = _WORDS.get(kind, {}).get(stripped.lower())
    if word is not None:
        return word
    if change is None:
        return stripped if _reads(kind, stripped) else text
    with suppress(ValueError, ArithmeticError):
        return change(stripped)
    return text


# A partner that deviates does so in every record.
_known = lru_cache(maxsize=4096)(_meant)


def _reads(kind: Kind, text: str) -> bool:
    try:
        kind.parse(text)
    except (ValueError, ArithmeticError):
        return False
    return True


def _too_precise(kind: Kind, text: str) -> bool:
    """Readable, but not of the length that the schema wants."""
    if kind is kinds.DATE_TIME:
        return len(text.strip()) != 20 or not text.strip().endswith("Z")
    return kind is kinds.LOCAL and len(text.strip()) != 25


def complete(root: Any, say: Callable[[str, str], None]) -> None:
    """Parts that peers leave out or mix up."""
    counts = Counter[str]()
    for child in root.iterchildren(f"{_NS}*"):
        name = local(child.tag)
        counts[name] += 1
        _complete(child, f"{local(root.tag)}/{name}[{counts[name]}]", say)
    if root.tag == f"{_NS}GetStatusResponse":
        _one_list(root, say)


def _complete(child: Any, path: str, say: Callable[[str, str], None]) -> None:
    for hours in child.iter(f"{_NS}openingTimes"):
        if hours.find(f"{_NS}closedCharging") is None:
            etree.SubElement(hours, f"{_NS}closedCharging").text = "false"
            say(f"{path}/openingTimes", "closedCharging is missing, read as false")
    if child.tag == f"{_NS}result" and child.find(f"{_NS}resultDescription") is None:
        etree.SubElement(child, f"{_NS}resultDescription")
        say(path, "resultDescription is missing")
    if child.tag in (f"{_NS}TariffInfoArray", f"{_NS}refusedTariffInfo"):
        _dates(child, path, say)


def _dates(tariff: Any, path: str, say: Callable[[str, str], None]) -> None:
    country = (tariff.findtext(f"{_NS}tariffId") or "")[:2]
    zone = ZoneInfo(iso.zone(country) or "UTC")
    for node in tariff.iter(f"{_NS}DateTime"):
        text = (node.text or "").strip()
        if _DATE.fullmatch(text):
            with suppress(ValueError):
                midnight = datetime.combine(datetime.fromisoformat(text), time(), zone)
                node.text = _utc(midnight.isoformat())
                say(path, f"{text} read as midnight in {zone.key}")


def _one_list(root: Any, say: Callable[[str, str], None]) -> None:
    """Combined and EVSE rows are of one type; parking rows cannot stand beside them."""
    names = {child.tag for child in root}
    if f"{_NS}combined" in names and f"{_NS}evse" in names:
        say("GetStatusResponse", "evse beside combined read as combined")
        for child in root.findall(f"{_NS}evse"):
            child.tag = f"{_NS}combined"
    if f"{_NS}parking" in names and len(names) > 1:
        spots = root.findall(f"{_NS}parking")
        say("GetStatusResponse", f"{len(spots)} parking rows beside EVSE rows left out")
        for child in spots:
            root.remove(child)
