"""Identifiers: reading, comparing, restyling, check digits."""

import pytest

from gateway.model.base import PartyId
from gateway.model.ids import (
    IdStyle,
    check_character,
    check_problem,
    contract_key,
    contract_of_din,
    contract_owner,
    din_check_digit,
    din_of_contract,
    evse_key,
    evse_owner,
    parse_contract,
    parse_evse,
    parse_infrastructure,
    parse_party,
    restyle,
    tariff_owner,
)


@pytest.mark.parametrize(
    ("contract", "digit"),
    [
        ("NN123ABCDEFGHI", "T"),
        ("FRXYZ123456789", "2"),
        ("ITA1B2C3E4F5G6", "4"),
        ("ESZU8WOX834H1D", "R"),
        ("PT73902837ABCZ", "Z"),
        ("DE83DUIEN83QGZ", "D"),
        ("DE83DUIEN83ZGQ", "M"),
        ("DE8AA001234567", "0"),
        ("NLTNM000122045", "U"),
        ("NLTNMC00122045", "K"),
        ("NLTNM000722345", "X"),
        ("NLTNM012345678", "W"),
        ("NLQGWC00000017", "X"),
        ("DEXYZC01234567", "2"),
        ("FRZZ9CA1B2C3D4", "R"),
        ("BEQRS00ABCD129", "6"),
        ("ATAB1CZZZZZZZZ", "J"),
        ("atab1czzzzzzzz", "J"),
    ],
)
def test_check_character_of_iso_15118(contract, digit):
    assert check_character(contract) == digit


def test_check_character_finds_every_exchanged_character():
    """The scheme detects any single substitution; tried for one contract at every place."""
    right = "DEXYZC01234567"
    for place in range(14):
        for other in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            wrong = right[:place] + other + right[place + 1 :]
            assert (check_character(wrong) == "2") == (wrong == right)


@pytest.mark.parametrize(
    ("contract", "digit"),
    [
        ("NLTNM012204", "5"),
        ("NLTNM122045", "0"),
        ("INTNM000071", "9"),
        ("INTNM000110", "X"),
        ("INTNM000124", "0"),
        ("INTNM000114", "6"),
        ("INTNM000191", "5"),
        ("DEXYZA1B2C3", "X"),
    ],
)
def test_check_digit_of_din(contract, digit):
    assert din_check_digit(contract) == digit


@pytest.mark.parametrize("text", ["DE", "DEXYZC0123456é", "DEXYZC01234567-", ""])
def test_no_check_digit_for_what_is_no_contract(text):
    with pytest.raises(ValueError):
        check_character(text)
    with pytest.raises(ValueError):
        din_check_digit(text)


def test_wrong_check_digits_of_published_examples_are_named():
    assert check_problem("DE8AACA2B3C4D5N") == "check digit of DE8AACA2B3C4D5N is N, L was computed"
    assert check_problem("DE-8AA-00123A563-N").endswith("M was computed")
    assert check_problem("DE-XYZ-C01234567-2") is None
    assert check_problem("DE-XYZ-C01234567") is None
    assert check_problem("no contract") is None


@pytest.mark.parametrize(
    ("text", "compact", "separated"),
    [
        ("NL*QGW*EHARBOUR7*1", "NLQGWEHARBOUR7*1", "NL*QGW*EHARBOUR7*1"),
        ("NLQGWEHARBOUR7*1", "NLQGWEHARBOUR7*1", "NL*QGW*EHARBOUR7*1"),
        ("nlqgwe1", "NLQGWE1", "NL*QGW*E1"),
        ("DE*8A1*E" + "X" * 31, "DE8A1E" + "X" * 31, "DE*8A1*E" + "X" * 31),
    ],
)
def test_evse_id_styles(text, compact, separated):
    assert restyle(text, "E", IdStyle.KEEP) == text
    assert restyle(text, "E", IdStyle.COMPACT) == compact
    assert restyle(text, "E", IdStyle.SEPARATED) == separated
    assert evse_key(text) == evse_key(compact) == evse_key(separated)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DE*ABC*E",
        "DE*ABCE1",
        "DEABC*E1",
        "DE*ICE*E*1234567890*1",
        "DE*ABC*P1",
        "D1*ABC*E1",
        "DE*ABC*E" + "X" * 32,
        "DE*ABC*E1 ",
        "+999*823*1",
        "+49*8230*1",
        "DE*ß1*E1",
    ],
)
def test_no_evse_id(text):
    with pytest.raises(ValueError):
        parse_evse(text)


def test_din_evse_id_is_read_as_iso():
    assert parse_evse("+49*823*1234*5678").text() == "DE*823*E1234*5678"
    assert evse_key("+49*823*1234*5678") == evse_key("DE823E12345678")
    assert evse_key("+999*1*1") == "+99911"


def test_owners():
    assert evse_owner("nl*qgw*E1") == PartyId(country="NL", code="QGW")
    assert evse_owner("somewhere") is None
    assert tariff_owner("NLQGWTDAY01") == PartyId(country="NL", code="QGW")
    assert tariff_owner("day") is None
    assert contract_owner("DE-XYZ-C01234567-2") == PartyId(country="DE", code="XYZ")
    assert contract_owner("DE*8AA*123A56*3") == PartyId(country="DE", code="8AA")
    assert contract_owner("visitor 12") is None
    assert parse_party("de*8aa") == parse_party("DE-8AA") == parse_party("DE8AA")
    with pytest.raises(ValueError):
        parse_party("DE*8A")


def test_contract_keys():
    """Separators, case and check digit do not matter; a DIN contract is its eMI3 form."""
    key = "DEXYZC01234567"
    for text in (
        "DE-XYZ-C01234567-2",
        "DEXYZC012345672",
        "dexyzc01234567",
        "DE*XYZ*C01234567*9",
    ):
        assert contract_key(text) == key
    assert contract_key("NL-TNM-012204") == contract_key("NL-TNM-C00122045-K")
    assert contract_key("NL-TNM-012204") != contract_key("NL-TNM-000122045-U")
    assert contract_key("guest") == "GUEST"
    assert contract_key("12345678901") == "12345678901"


@pytest.mark.parametrize("text", ["DE-XYZC01234567", "DE*XYZ*C01234567", "DEXYZC0123456", ""])
def test_no_contract_id(text):
    with pytest.raises(ValueError):
        parse_contract(text)


def test_din_contracts_go_both_ways():
    assert contract_of_din("NL-TNM-012204-5").text() == "NL-TNM-C00122045-K"
    assert contract_of_din("NL*TNM*012204").text() == "NL-TNM-C00122045-K"
    assert contract_of_din("NLTNM0122045", "00").text(IdStyle.COMPACT) == "NLTNM000122045U"
    for text in ("NL-TNM-C00122045-K", "NLTNM000122045"):
        assert din_of_contract(text) == "NL-TNM-012204-5"
    assert din_of_contract("DE-XYZ-C11234567-2") is None
    assert din_of_contract("DE-XYZ-C01234567-2") is None
    assert din_of_contract("guest") is None
    with pytest.raises(ValueError):
        contract_of_din("DE-8AA-12-3")


def test_type_letter_decides():
    assert parse_infrastructure("NL*QGW*PHARBOUR7A", "P").instance == "HARBOUR7A"
    with pytest.raises(ValueError):
        parse_infrastructure("NL*QGW*PHARBOUR7A", "E")
