"""Identifiers of roaming: EVSE, parking spot, tariff, contract, party.

Source: ISO 15118-2 Annex H, eMI3 part 2, DIN SPEC 91286, IEC 63119-2 clause 5.5; check digits of
both contract schemes.
Limits: ids are carried as they were sent; what is here reads, compares and restyles them. A check
digit is never part of a comparison and a wrong one is no reason to refuse: published examples fail
their own algorithm.
Why: peers write the same id with and without separators, in upper and lower case.
"""

import re
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from gateway import iso
from gateway.model.base import ContractKey, EvseKey, PartyId

_INFRASTRUCTURE = re.compile(r"([A-Z]{2})(\*?)([A-Z0-9]{3})\2([A-Z])([A-Z0-9][A-Z0-9*]{0,30})")
_CONTRACT = re.compile(r"([A-Z]{2})(-?)([A-Z0-9]{3})\2([A-Z0-9]{9})(?:\2([A-Z0-9]))?")
_DIN_CONTRACT = re.compile(r"([A-Z]{2})([*-]?)([A-Z0-9]{3})\2([A-Z0-9]{6})(?:\2([0-9X]))?")
_DIN_EVSE = re.compile(r"\+?([0-9]{1,3})\*([0-9]{3})\*([0-9][0-9*]{0,30})")
_PARTY = re.compile(r"([A-Z]{2})[*-]?([A-Z0-9]{3})")


class IdStyle(StrEnum):
    """How the structural separators of an id are written."""

    KEEP = "keep"
    COMPACT = "compact"
    SEPARATED = "separated"


class InfrastructureId(NamedTuple):
    """``CC*PPP*E...``: an EVSE (E), parking spot (P), tariff (T) or station (S).

    All upper case; stars inside ``instance`` are kept.
    """

    country: str
    party: str
    letter: str
    instance: str

    @property
    def owner(self) -> PartyId:
        return PartyId(country=self.country, code=self.party)

    def text(self, style: IdStyle = IdStyle.SEPARATED) -> str:
        star = "" if style is IdStyle.COMPACT else "*"
        return f"{self.country}{star}{self.party}{star}{self.letter}{self.instance}"


class ContractId(NamedTuple):
    """``CC-PPP-IIIIIIIII-D``: a contract (ISO 15118-2, eMI3), upper case; ``check`` or None."""

    country: str
    party: str
    instance: str
    check: str | None

    @property
    def owner(self) -> PartyId:
        return PartyId(country=self.country, code=self.party)

    def text(self, style: IdStyle = IdStyle.SEPARATED) -> str:
        parts = [self.country, self.party, self.instance, *([self.check] if self.check else [])]
        return ("" if style is IdStyle.COMPACT else "-").join(parts)


def _upper(text: str) -> str:
    """Upper case; nothing for text whose upper case only looks like an id."""
    return text.upper() if text.isascii() else ""


def parse_infrastructure(text: str, letter: str) -> InfrastructureId:
    """An id with this type letter; ValueError for anything else.

    >>> parse_infrastructure("de*abc*e0001*1", "E")
    InfrastructureId(country='DE', party='ABC', letter='E', instance='0001*1')
    """
    found = _INFRASTRUCTURE.fullmatch(_upper(text))
    if not found or found[4] != letter:
        raise ValueError(f"{text[:60]!r} is no id of type {letter}")
    return InfrastructureId(found[1], found[3], found[4], found[5])


def parse_evse(text: str) -> InfrastructureId:
    """An EVSE id in ISO form, or in DIN form, which is converted.

    A calling code of several countries stands for the first of them.

    >>> parse_evse("+49*823*1234*5678").text()
    'DE*823*E1234*5678'
    """
    din = _DIN_EVSE.fullmatch(text)
    if din:
        countries = iso.CALLING_CODES.get(din[1], ())
        if not countries:
            raise ValueError(f"{text[:60]!r}: calling code {din[1]} is no country known here")
        return InfrastructureId(countries[0], din[2], "E", din[3])
    return parse_infrastructure(text, "E")


def parse_contract(text: str) -> ContractId:
    """A contract id of 14 or 15 characters besides separators; ValueError for anything else."""
    found = _CONTRACT.fullmatch(_upper(text))
    if not found:
        raise ValueError(f"{text[:60]!r} is no contract id")
    return ContractId(found[1], found[3], found[4], found[5])


def parse_party(text: str) -> PartyId:
    """``DE*ABC``, ``DE-ABC`` or ``DEABC``; ValueError for anything else."""
    found = _PARTY.fullmatch(_upper(text))
    if not found:
        raise ValueError(f"{text[:60]!r} is no party id")
    return PartyId(country=found[1], code=found[2])


@lru_cache(maxsize=1024)
def evse_owner(text: str) -> PartyId | None:
    """The operator named in an EVSE id, or None where the id names none."""
    try:
        return parse_evse(text).owner
    except ValueError:
        return None


def tariff_owner(text: str) -> PartyId | None:
    """The operator named in a tariff id, or None where the id names none."""
    try:
        return parse_infrastructure(text, "T").owner
    except ValueError:
        return None


def contract_owner(text: str) -> PartyId | None:
    """The provider named in a contract id (DIN form too), or None where the id names none."""
    found = _PARTY.match(_upper(text))
    if not found or len(contract_key(text)) != 14:
        return None
    return PartyId(country=found[1], code=found[2])


@lru_cache(maxsize=4096)
def evse_key(text: str) -> EvseKey:
    """What equal EVSE ids have in common: no star at all, upper case, DIN read as ISO.

    >>> evse_key("de*abc*E0001*1") == evse_key("DEABCE00011")
    True
    """
    if text[:1] == "+" or text[:1].isdigit():
        with suppress(ValueError):
            text = parse_evse(text).text()
    return EvseKey(text.replace("*", "").upper())


def without_separators(text: str) -> str:
    """A contract id without what stands between its parts.

    >>> without_separators("NL*TNM-012204 5")
    'NLTNM0122045'
    """
    return text.replace("-", "").replace("*", "").replace(" ", "")


def contract_key(text: str) -> ContractKey:
    """What equal contract ids have in common: no separators, upper case, no check digit.

    A DIN contract has the key of its eMI3 form; an id of no known form is its own key.

    >>> contract_key("nl-tnm-c00122045-K"), contract_key("NL*TNM*012204*5")
    ('NLTNMC00122045', 'NLTNMC00122045')
    """
    bare = without_separators(text).upper()
    if len(bare) in (11, 12):
        try:
            return contract_key(contract_of_din(bare).text(IdStyle.COMPACT))
        except ValueError:
            return ContractKey(bare)
    return ContractKey(bare[:14] if len(bare) == 15 else bare)


def restyle(text: str, letter: str, style: IdStyle) -> str:
    """An infrastructure id with the structural separators of a style; inner stars stay.

    >>> restyle("NL*QGW*EHARBOUR7*1", "E", IdStyle.COMPACT)
    'NLQGWEHARBOUR7*1'
    """
    return text if style is IdStyle.KEEP else parse_infrastructure(text, letter).text(style)


# -- check digits ----------------------------------------------------------------------------

_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def check_character(contract: str) -> str:
    """The check digit of ISO 15118 and eMI3 for 14 characters without separators.

    Each character is a pair over GF(2) and a pair over GF(3); both are summed under powers of a
    fixed matrix.

    >>> check_character("NLTNMC00122045")
    'K'
    """
    if len(contract) != 14:
        raise ValueError(f"{contract[:60]!r} has not 14 characters")
    a, b, c, d = 1, 0, 0, 1  # P^k, rows (a b) (c d), over GF(2)
    e, f, g, h = 1, 0, 0, 1  # Q^k over GF(3)
    s1 = s2 = t1 = t2 = 0
    for character in contract.upper():
        number = _CHARACTERS.find(character)
        if number < 0:
            raise ValueError(f"{contract[:60]!r}: {character!r} has no place in a contract id")
        a, b, c, d = b, (a + b) % 2, d, (c + d) % 2  # times [[0,1],[1,1]]
        e, f, g, h = f, (e + 2 * f) % 3, h, (g + 2 * h) % 3  # times [[0,1],[1,2]]
        x1, x2 = number // 18, number // 9 % 2
        y1, y2 = number % 9 // 3, number % 3
        s1, s2 = (s1 + x1 * a + x2 * c) % 2, (s2 + x1 * b + x2 * d) % 2
        t1, t2 = (t1 + y1 * e + y2 * g) % 3, (t2 + y1 * f + y2 * h) % 3
    r1, r2 = 2 * t2 % 3, (2 * t1 + t2) % 3  # times [[0,2],[2,1]]
    return _CHARACTERS[18 * s1 + 9 * s2 + 3 * r1 + r2]


def din_check_digit(contract: str) -> str:
    """The check digit of DIN SPEC 91286 for 11 characters: 0-9 or X.

    >>> din_check_digit("INTNM000110")
    'X'
    """
    if len(contract) != 11:
        raise ValueError(f"{contract[:60]!r} has not 11 characters")
    weight, total = 1, 0
    for character in contract.upper():
        number = _CHARACTERS.find(character)
        if number < 0:
            raise ValueError(f"{contract[:60]!r}: {character!r} has no place in a contract id")
        for digit in divmod(number, 10) if number > 9 else (number,):
            total += digit * weight
            weight *= 2
    return "0123456789X"[total % 11]


def check_problem(text: str) -> str | None:
    """What is wrong with the check digit; None when it is right, absent, or this no contract."""
    try:
        contract = parse_contract(text)
    except ValueError:
        return None
    due = check_character(contract.country + contract.party + contract.instance)
    if contract.check in (None, due):
        return None
    return f"check digit of {text} is {contract.check}, {due} was computed"


# -- DIN contracts ---------------------------------------------------------------------------


def contract_of_din(text: str, prefix: str = "C0") -> ContractId:
    """A DIN contract with an instance of nine: ``prefix`` (C0 in eMI3, 00 in OCHP) + 6 + check.

    >>> contract_of_din("NL-TNM-012204-5").text()
    'NL-TNM-C00122045-K'
    """
    found = _DIN_CONTRACT.fullmatch(_upper(text))
    if not found:
        raise ValueError(f"{text[:60]!r} is no DIN contract id")
    country, party, instance = found[1], found[3], found[4]
    check = found[5] or din_check_digit(country + party + instance)
    whole = f"{prefix}{instance}{check}"
    return ContractId(country, party, whole, check_character(country + party + whole))


def din_of_contract(text: str) -> str | None:
    """The DIN form ``CC-PPP-IIIIII-D`` of a contract that was made from one, else None.

    >>> din_of_contract("NL-TNM-000122045-U")
    'NL-TNM-012204-5'
    """
    try:
        country, party, instance, _ = parse_contract(text)
    except ValueError:
        return None
    if instance[:2] not in ("C0", "00"):
        return None
    if instance[8] != din_check_digit(country + party + instance[2:8]):
        return None
    return f"{country}-{party}-{instance[2:8]}-{instance[8]}"
