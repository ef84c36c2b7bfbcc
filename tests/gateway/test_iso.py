"""The tables of countries, languages, currencies, calling codes and zones."""

import doctest
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from gateway import iso


def _tab(name: str) -> list[list[str]]:
    text = files("tzdata").joinpath("zoneinfo", name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and line[0] != "#"]


def test_examples() -> None:
    assert doctest.testmod(iso).failed == 0


def test_every_country_of_the_time_zone_database_is_there() -> None:
    """Its iso3166.tab lists all of ISO 3166-1."""
    assert set(iso.ALPHA3) == {code for code, _ in _tab("iso3166.tab")}


def test_country_codes_are_pairs() -> None:
    assert len(iso.ALPHA3) == len(iso.ALPHA2) == 249
    assert {len(code) for code in iso.ALPHA3} == {2}
    assert {len(code) for code in iso.ALPHA2} == {3}


@pytest.mark.parametrize(
    ("alpha2", "alpha3"),
    [
        ("AT", "AUT"),
        ("AU", "AUS"),
        ("CH", "CHE"),
        ("RO", "ROU"),
        ("RS", "SRB"),
        ("SE", "SWE"),
        ("SI", "SVN"),
        ("SK", "SVK"),
        ("IE", "IRL"),
        ("XX", None),
    ],
)
def test_easily_confused_countries(alpha2: str, alpha3: str | None) -> None:
    assert iso.alpha3(alpha2) == alpha3
    assert alpha3 is None or iso.alpha2(alpha3) == alpha2


@pytest.mark.parametrize("text", ["", "D", "ß", "ıt", " DE", "DE\n", "276", "DEUT"])
def test_what_is_no_code_is_none(text: str) -> None:
    """ß is SS in upper case, which is South Sudan."""
    assert iso.alpha2(text) is None
    assert iso.alpha3(text) is None
    assert iso.language1(text) is None
    assert iso.zone(text) is None


def test_languages_have_two_and_three_letters() -> None:
    """All 183 of ISO 639-1, and the 20 that a second three-letter code exists for."""
    assert len(iso.LANGUAGE3) == 183
    assert len(set(iso.LANGUAGE3.values())) == 183
    assert len(iso.LANGUAGE1) == 183 + 20
    assert {len(code) for code in iso.LANGUAGE1} == {3}
    assert all(iso.LANGUAGE1[three] == two for two, three in iso.LANGUAGE3.items())


@pytest.mark.parametrize(
    ("given", "two", "three"),
    [
        ("cze", "cs", "ces"),
        ("fre", "fr", "fra"),
        ("slo", "sk", "slk"),
        ("slv", "sl", "slv"),
        ("DUT", "nl", "nld"),
        ("no", "no", "nor"),
        ("iw", None, None),
    ],
)
def test_bibliographic_codes_are_read(given: str, two: str | None, three: str | None) -> None:
    assert iso.language1(given) == two
    assert iso.language3(given) == three


def test_currencies() -> None:
    assert {"EUR", "CHF", "SEK", "HRK", "BGN", "XCG", "ZWG", "GBP"} <= iso.CURRENCIES
    assert not {"DEM", "eur", "", "EURO", "UKP"} & iso.CURRENCIES
    assert all(len(code) == 3 and code.isupper() for code in iso.CURRENCIES)


def test_calling_codes_are_of_countries() -> None:
    named = [country for countries in iso.CALLING_CODES.values() for country in countries]
    assert set(named) <= set(iso.ALPHA3)
    assert len(named) == len(set(named))
    assert iso.country_of_calling_code("+423") == "LI"
    assert iso.country_of_calling_code("++49") is None
    assert iso.CALLING_CODES["44"][0] == "GB"


def test_a_country_with_a_zone_has_one_time_everywhere() -> None:
    """And no country that has one time is left out."""
    zones: dict[str, list[str]] = {}
    for country, _, zone, *_ in _tab("zone.tab"):
        zones.setdefault(country, []).append(zone)
    instants = [datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=3 * n) for n in range(2400)]

    def times(zone: str) -> tuple[timedelta | None, ...]:
        return tuple(instant.astimezone(ZoneInfo(zone)).utcoffset() for instant in instants)

    alike = {c: z[0] for c, z in zones.items() if len(z) == 1 or len(set(map(times, z))) == 1}
    assert alike == iso.ZONES


def test_countries_with_several_times_have_no_zone() -> None:
    assert [iso.zone(country) for country in ("ES", "PT", "US")] == [None, None, None]
    assert [iso.zone(country) for country in ("AT", "FRA")] == ["Europe/Vienna", "Europe/Paris"]
