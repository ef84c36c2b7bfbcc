"""What the functions that change shape share: times, texts, ids, and items that cannot be said.

Source: OCHP 1.4, CDRInfo.startDateTime (local time of the charge point), AddressType, the grammar
of its ids.
Limits: an id that OCHP cannot hold becomes a surrogate that is computed from it, so that the same
id always gives the same surrogate; the way back is known only to whoever keeps the pair
(``Facts.wire_id`` and ``canonical_id``).
Why: an object that was read from OCHP is in OCHP's shape already and is written as it is; each
family of objects has a test for that (``spoken``) beside its table.
"""

import base64
import hashlib
import re
import uuid
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from adapters.ochp.kinds import (
    CDR_ID,
    CONTRACT_ID,
    HOUSE_NUMBER,
    LOCATION_ID,
    TARIFF_ID,
    ZIP_CODE,
    fits,
)
from gateway import iso
from gateway.errors import Inexpressible, Problem
from gateway.mapping.context import Context
from gateway.mapping.record import Write, value_at
from gateway.model.base import PartyId
from gateway.model.ids import (
    IdStyle,
    contract_of_din,
    evse_owner,
    parse_contract,
    parse_evse,
    restyle,
    without_separators,
)
from gateway.model.location import Address

# -- times -----------------------------------------------------------------------------------


def whole(field: str, target: str) -> Write:
    """A row's ``write`` for an instant of whole seconds: a fraction is cut off and noted."""

    def write(obj: Any, ctx: Context) -> datetime | None:
        value: datetime | None = value_at(obj, field)
        if value is None or not value.microsecond:
            return value
        ctx.approximated(field, target, "whole-seconds")
        return value.replace(microsecond=0)

    return write


def zone_of(ctx: Context, evse_id: str | None, country: str | None) -> ZoneInfo:
    """The zone of a site: as stored, as configured for the partner, or that of the whole country.

    ``country`` is alpha-3. Raises Inexpressible when none is known.
    """
    name = (
        (ctx.facts.time_zone(evse_id=evse_id, country=None) if evse_id else None)
        or ctx.options.get("time_zone")
        or (ctx.facts.time_zone(evse_id=None, country=country) if country else None)
        or (iso.zone(country) if country else None)
    )
    if not name:
        place = evse_id or country or "the party"
        raise Inexpressible(Problem("", f"local time cannot be told: no time zone of {place}"))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a directory
        raise Inexpressible(Problem("", f"{name[:60]!r} is no time zone")) from None


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The wall time of an instant with its offset (not its zone), whole seconds."""
    there = instant.astimezone(_fixed(instant.astimezone(zone).utcoffset()))
    return there.replace(microsecond=0) if there.microsecond else there


@lru_cache(maxsize=256)
def _fixed(offset: timedelta | None) -> timezone:
    return timezone(offset or timedelta())


# -- texts -----------------------------------------------------------------------------------


def cut(text: str, length: int, ctx: Context, field: str, target: str) -> str:
    """The text within a length; what is too long is cut and noted."""
    if len(text) <= length:
        return text
    ctx.approximated(field, target, f"cut-at-{length}")
    return text[:length].rstrip()


def shortened(field: str, target: str, length: int) -> Write:
    """A row's ``write`` for text within a length."""

    def write(obj: Any, ctx: Context) -> str | None:
        value: str | None = value_at(obj, field)
        return None if value is None else cut(value, length, ctx, field, target)

    return write


_NUMBERED = re.compile(r"(.*\S)\s+([0-9]+ ?[A-Za-z]?(?:-[0-9A-Za-z]+)?)", re.ASCII)


def split_number(line: str) -> tuple[str, str | None]:
    """An address line as street and house number, where a number of OCHP's kind ends it.

    >>> split_number("Havenkade 12 B"), split_number("Platz der Republik")
    (('Havenkade', '12 B'), ('Platz der Republik', None))
    """
    found = _NUMBERED.fullmatch(line.strip())
    if found and len(found[1]) > 1 and fits(HOUSE_NUMBER, found[2].upper()):
        return found[1], found[2].upper()
    return line, None


def postal_address(address: Address, spoken: bool, ctx: Context) -> Address:
    """An address within OCHP's lengths and letters.

    ``spoken``: it is in OCHP's shape, a line without house number is not split.
    """
    line, number = address.street, address.house_number
    if number is None and not spoken:
        line, number = split_number(line)
    elif number is not None and not fits(HOUSE_NUMBER, number):
        if fits(HOUSE_NUMBER, number.upper()):
            number = number.upper()
        else:
            line, number = f"{line} {number}", None
            ctx.approximated("address/house_number", "chargePointAddress/address", "joined")
    said = {
        "street": cut(line, 45, ctx, "address/street", "chargePointAddress/address"),
        "house_number": number,
        "city": cut(address.city, 45, ctx, "address/city", "chargePointAddress/city"),
        "postal_code": _zip_code(address.postal_code, ctx),
        "country": iso.alpha3(address.country) or address.country,
    }
    if all(getattr(address, name) == value for name, value in said.items()):
        return address
    made = replace(address, **said)
    from_line = [("house_number", "address/street")] if address.house_number is None else []
    ctx.came_from(made, *from_line, ("", "address"))
    return made


def _zip_code(code: str | None, ctx: Context) -> str:
    if code is not None and fits(ZIP_CODE, code):
        return code
    target = "chargePointAddress/zipCode"
    bare = re.sub(r"[^A-Z0-9 \-]", " ", (code or "").upper())[:10].strip()
    if not bare:
        ctx.defaulted(target, "no-postal-code")
        return "-"
    if bare != (code or "").upper():
        ctx.approximated("address/postal_code", target, "postal-code-letters")
    return bare


# -- ids -------------------------------------------------------------------------------------


def style_of(ctx: Context) -> IdStyle:
    """The partner's choice of separators in EVSE ids."""
    return IdStyle(ctx.options.get("evse_id_style", IdStyle.KEEP))


_DASHED = re.compile(r"^([A-Za-z]{2})-([A-Za-z0-9]{3})-(?=[Ee])")


def evse_text(evse_id: str, spoken: bool, ctx: Context) -> str:
    """An EVSE id as OCHP writes it: ISO form, upper case, the partner's separators.

    One that is no EVSE id of OCHP is given back as it is (the kind refuses it).
    """
    text = evse_id
    if not spoken:
        text = (_DASHED.sub(r"\1*\2*", evse_id) if "-" in evse_id else evse_id).upper()
    try:
        if text[:1] == "+" or text[:1].isdigit():
            text = parse_evse(text).text()
        return restyle(text, "E", style_of(ctx))
    except ValueError:
        return text


def contract_text(contract_id: str, ctx: Context) -> str:
    """A contract id as OCHP writes it; a DIN contract in the partner's form (C0 or 00).

    >>> contract_text("DE*XYZ*C01234567*2", Context())
    'DE-XYZ-C01234567-2'
    """
    if fits(CONTRACT_ID, contract_id):
        return contract_id
    bare = without_separators(contract_id)
    try:
        if len(bare) in (11, 12):
            return contract_of_din(bare, ctx.options.get("din_contract", "C0")).text()
        return parse_contract(bare).text()
    except ValueError:
        return contract_id


def cdr_wire_id(cdr_id: str, evse_id: str, spoken: bool, ctx: Context) -> str:
    """The CdrId of a record: agreed, or its own where it fits, else a surrogate.

    A surrogate is the operator's five characters and the Base32 text of the UUID or of a hash.
    """
    agreed = ctx.facts.wire_id("cdr", cdr_id)
    if agreed:
        return agreed
    if spoken:
        return cdr_id
    owner = evse_owner(evse_id)
    if owner is None:
        return cdr_id
    prefix = owner.country + owner.code
    if cdr_id.upper().startswith(prefix) and fits(CDR_ID, cdr_id.upper()):
        return cdr_id.upper()
    try:
        content = uuid.UUID(cdr_id).bytes
    except ValueError:
        content = _digest(cdr_id)[:19]
    made = prefix + base64.b32encode(content).decode().rstrip("=")
    ctx.approximated("id", "CdrId", "cdr-id-surrogate", f"{cdr_id} is {made}")
    ctx.inferred("evse_id", "CdrId", "cdr-id-surrogate")
    return made


def tariff_wire_id(tariff_id: str, owner: PartyId | None, ctx: Context) -> str | None:
    """The TariffId of a tariff: agreed, or its own where it fits, else a surrogate.

    None when there is no owner to build one with.
    """
    agreed = ctx.facts.wire_id("tariff", tariff_id)
    if agreed:
        return agreed
    if fits(TARIFF_ID, tariff_id):
        return tariff_id
    if owner is None:
        return None
    tail = base64.b32encode(_digest(tariff_id)).decode()[:9]
    made = f"{owner.country}*{owner.code}*T{tail}"
    return restyle(made, "T", IdStyle.COMPACT) if style_of(ctx) is IdStyle.COMPACT else made


def location_wire_id(location_id: str, ctx: Context) -> str:
    """The locationId of a site: agreed, or its own where it fits, else a surrogate.

    Characters are not left out: two sites must not become one.
    """
    agreed = ctx.facts.wire_id("location", location_id)
    if agreed:
        return agreed
    if fits(LOCATION_ID, location_id.upper()):
        return location_id.upper()
    number, made = int.from_bytes(_digest(location_id)), ""
    while len(made) < 15:
        number, place = divmod(number, 36)
        made += "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place]
    ctx.approximated("id", "locationId", "location-id-surrogate", f"{location_id} is {made}")
    return made


def _digest(text: str) -> bytes:
    """Ids differ in more than the case of their letters."""
    return hashlib.sha256(text.upper().encode()).digest()


def owner_noted(
    owner: PartyId, named: PartyId | None, ctx: Context, field: str, target: str
) -> None:
    """An owner is said by the id at ``target``; dropped where that names another one."""
    if owner == named:
        ctx.carried(field, target, "owner-in-id")
        return
    ctx.dropped(field, "owner-in-id", f"the id names {named}" if named else "the id names no party")
