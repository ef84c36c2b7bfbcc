"""What sessions and charge detail records of OCPI share.

Source: OCPI 2.2.1 CDRs module (ChargingPeriod, CdrDimension, SignedData, SignedValue).
"""

from adapters.ocpi import fates
from adapters.ocpi.kinds import CDR_DIMENSION_TYPE, UTC, WIRE, ci, string
from gateway.mapping.context import Context
from gateway.mapping.kinds import INTEGER, NUMBER
from gateway.mapping.record import Record, one, opt, some
from gateway.model.base import PartyId
from gateway.model.charging import (
    Cdr,
    ChargingPeriod,
    Dimension,
    Session,
    SignedData,
    SignedValue,
)

DIMENSION = Record(
    "CdrDimension",
    Dimension,
    WIRE,
    "OCPI 2.2.1 CDRs, CdrDimension class",
    (
        one("type", "type", CDR_DIMENSION_TYPE),
        one("volume", "volume", NUMBER),
    ),
)

CHARGING_PERIOD = Record(
    "ChargingPeriod",
    ChargingPeriod,
    WIRE,
    "OCPI 2.2.1 CDRs, ChargingPeriod class",
    (
        one("start_date_time", "start", UTC),
        some("dimensions", "dimensions", DIMENSION),
        opt("tariff_id", "tariff_id", ci(36), write=fates.agreed_id("tariff", "tariff_id")),
    ),
)

SIGNED_DATA = Record(
    "SignedData",
    SignedData,
    WIRE,
    "OCPI 2.2.1 CDRs, SignedData class",
    (
        one("encoding_method", "encoding_method", ci(36)),
        opt("encoding_method_version", "encoding_method_version", INTEGER),
        opt("public_key", "public_key", string(512)),
        some(
            "signed_values",
            "values",
            Record(
                "SignedValue",
                SignedValue,
                WIRE,
                "OCPI 2.2.1 CDRs, SignedValue class",
                (
                    one("nature", "nature", ci(32)),
                    one("plain_data", "plain_data", string(5000)),
                    one("signed_data", "signed_data", string(5000)),
                ),
            ),
        ),
        opt("url", "url", string(512)),
    ),
)


def owned(obj: Session | Cdr, party: PartyId | None, field: str, ctx: Context) -> PartyId:
    """The operator of a session: as said, else ``party``, which the id in ``field`` names."""
    if obj.owner is not None:
        return obj.owner
    if party is None:
        raise fates.cannot(ctx, "party_id", "no id tells the operator")
    fates.party_of(field, ctx)
    return party
