"""Sub-classes that several modules of OCPI 2.2.1 share: owner, price, text, energy mix, token.

Source: OCPI 2.2.1 Types chapter (DisplayText, Price) and the modules named at each table.
"""

from adapters.ocpi import fates
from adapters.ocpi.kinds import (
    COUNTRY_CODE,
    ENERGY_SOURCE,
    ENVIRONMENTAL_IMPACT,
    LATITUDE,
    LONGITUDE,
    PARTY_ID,
    WIRE,
    string,
)
from adapters.ocpi.languages import LANGUAGE
from gateway.mapping.kinds import BOOLEAN, NUMBER
from gateway.mapping.record import Record, many, one, opt
from gateway.model.base import PartyId
from gateway.model.location import GeoPoint, Text
from gateway.model.tariff import (
    EnergyMix,
    EnergySource,
    EnvironmentalImpact,
    Price,
    TariffText,
)

OWNER = Record(
    "owner",
    PartyId,
    WIRE,
    "OCPI 2.2.1 owner of a client owned object",
    (
        one("country_code", "country", COUNTRY_CODE, rule="party-of-id"),
        one("party_id", "code", PARTY_ID, rule="party-of-id"),
    ),
)

PRICE = Record(
    "Price",
    Price,
    WIRE,
    "OCPI 2.2.1 Types, Price class",
    (
        one("excl_vat", "net", NUMBER),
        opt("incl_vat", "gross", NUMBER),
    ),
)


def _text(cls: type[Text] | type[TariffText]) -> Record:
    return Record(
        "DisplayText",
        cls,
        WIRE,
        "OCPI 2.2.1 Types, DisplayText class",
        (
            one("language", "language", LANGUAGE, write=fates.language),
            one("text", "text", string(512), write=fates.clipped("text", "text", 512)),
        ),
    )


DISPLAY_TEXT = _text(Text)
TARIFF_TEXT = _text(TariffText)

GEO_LOCATION = Record(
    "GeoLocation",
    GeoPoint,
    WIRE,
    "OCPI 2.2.1 Locations, GeoLocation class",
    (
        one("latitude", "latitude", LATITUDE),
        one("longitude", "longitude", LONGITUDE),
    ),
)

ENERGY_MIX = Record(
    "EnergyMix",
    EnergyMix,
    WIRE,
    "OCPI 2.2.1 Locations, EnergyMix class",
    (
        one("is_green_energy", "is_green", BOOLEAN),
        many(
            "energy_sources",
            "sources",
            Record(
                "EnergySource",
                EnergySource,
                WIRE,
                "OCPI 2.2.1 Locations, EnergySource class",
                (
                    one("source", "source", ENERGY_SOURCE),
                    one("percentage", "percentage", NUMBER),
                ),
            ),
        ),
        many(
            "environ_impact",
            "impacts",
            Record(
                "EnvironmentalImpact",
                EnvironmentalImpact,
                WIRE,
                "OCPI 2.2.1 Locations, EnvironmentalImpact class",
                (
                    one("category", "category", ENVIRONMENTAL_IMPACT),
                    one("amount", "amount", NUMBER),
                ),
            ),
        ),
        opt("supplier_name", "supplier_name", string(64)),
        opt("energy_product_name", "product_name", string(64)),
    ),
)
