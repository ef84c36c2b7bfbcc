"""What a team would write by hand around zeep, spyne or xmlschema: OCHP objects to OCPI values.

Limits: the plain fields of the sample messages; no findings, no check of the outcome, no rule for
what does not fit. So the peers do less here than Roamgate does.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from gateway.demo.data import NOW, utc

_ITEMS = {"energy": "ENERGY", "usagetime": "TIME", "parkingtime": "PARKING_TIME"}


class Dotted(dict[str, Any]):
    """A dictionary of xmlschema (``@name`` for attributes) read like an object."""

    def __getattr__(self, name: str) -> Any:
        value = self.get(f"ochp:{name}", self.get(name, self.get(f"@{name}")))
        if isinstance(value, list):
            return [Dotted(each) if isinstance(each, dict) else each for each in value]
        return Dotted(value) if isinstance(value, dict) else value


def _instant(local: Any) -> datetime:
    return datetime.fromisoformat(local.LocalDateTime).astimezone(UTC)


def _street(address: Any) -> str:
    return f"{address.address} {address.houseNumber or ''}".strip()


def _owner(evse_id: str) -> tuple[str, str]:
    plain = evse_id.replace("*", "")
    return plain[:2], plain[2:5]


def cdr(record: Any) -> dict[str, Any]:
    """CDRInfo to an OCPI CDR."""
    country, party = _owner(record.evseId)
    energy = sum(
        each.billingValue
        for each in record.chargingPeriods
        if each.billingItem.BillingItemType == "energy"
    )
    start, end = _instant(record.startDateTime), _instant(record.endDateTime)
    contract = record.contractId
    cost = record.totalCost
    direct = record.chargePointType == "DC"
    return {
        "country_code": country,
        "party_id": party,
        "id": record.CdrId,
        "start_date_time": utc(start),
        "end_date_time": utc(end),
        "cdr_token": {
            "country_code": contract[:2],
            "party_id": contract.replace("-", "")[2:5],
            "uid": record.emtId.instance,
            "type": "RFID",
            "contract_id": contract,
        },
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": record.evseId,
            "address": _street(record.chargePointAddress),
            "city": record.chargePointAddress.city,
            "postal_code": record.chargePointAddress.zipCode,
            "country": record.chargePointAddress.country,
            "coordinates": {"latitude": "0", "longitude": "0"},
            "evse_uid": record.evseId,
            "evse_id": record.evseId,
            "connector_id": "1",
            "connector_standard": record.connectorType.connectorStandard.ConnectorStandard,
            "connector_format": record.connectorType.connectorFormat.ConnectorFormat.upper(),
            "connector_power_type": "DC" if direct else "AC_3_PHASE",
        },
        "currency": record.currency,
        "charging_periods": [
            {
                "start_date_time": utc(_instant(each.startDateTime)),
                "dimensions": [
                    {
                        "type": _ITEMS.get(each.billingItem.BillingItemType, "ENERGY"),
                        "volume": each.billingValue,
                    }
                ],
            }
            for each in record.chargingPeriods
        ],
        "total_cost": {"excl_vat": cost},
        "total_energy": energy,
        "total_time": (end - start).total_seconds() / 3600,
        "last_updated": utc(end),
    }


def locations(points: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """ChargePointInfo to OCPI Locations: neighbours of one locationId are one site."""
    for _, group in groupby(points, key=lambda point: point.locationId):
        evses = list(group)
        first = evses[0]
        country, party = _owner(first.evseId)
        place = first.chargePointLocation
        updated = first.timestamp.DateTime if first.timestamp else utc(NOW)
        yield {
            "country_code": country,
            "party_id": party,
            "id": first.locationId,
            "publish": True,
            "name": first.locationName,
            "address": _street(first.chargePointAddress),
            "city": first.chargePointAddress.city,
            "postal_code": first.chargePointAddress.zipCode,
            "country": first.chargePointAddress.country,
            "coordinates": {"latitude": str(place.lat), "longitude": str(place.lon)},
            "time_zone": first.timeZone,
            "opening_times": {"twentyfourseven": True},
            "evses": [_evse(point, updated) for point in evses],
            "last_updated": updated,
        }


def _evse(point: Any, updated: str) -> dict[str, Any]:
    direct = point.chargePointType == "DC"
    power = point.ratings.maximumPower if point.ratings else None
    return {
        "uid": point.evseId,
        "evse_id": point.evseId,
        "status": "AVAILABLE",
        "capabilities": ["RFID_READER"],
        "connectors": [
            {
                "id": str(place),
                "standard": each.connectorStandard.ConnectorStandard,
                "format": each.connectorFormat.ConnectorFormat.upper(),
                "power_type": "DC" if direct else "AC_3_PHASE",
                "max_electric_power": power and int(power * 1000),
                "tariff_ids": [each.tariffId] if each.tariffId else [],
                "last_updated": updated,
            }
            for place, each in enumerate(point.connectors, 1)
        ],
        "last_updated": updated,
    }
