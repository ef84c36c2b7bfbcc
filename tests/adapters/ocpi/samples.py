"""OCPI 2.2.1 objects of the tests, each call a fresh copy with changes."""

from decimal import Decimal
from typing import Any


def connector(**changes: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "standard": "IEC_62196_T2_COMBO",
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": 920,
        "max_amperage": 200,
        "max_electric_power": 150000,
        "tariff_ids": ["DC-FAST"],
        "last_updated": "2031-05-01T09:00:00Z",
    } | changes


def evse(uid: str = "E7", **changes: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "evse_id": f"DE*ACM*{uid}",
        "status": "AVAILABLE",
        "capabilities": ["RFID_READER"],
        "connectors": [connector()],
        "physical_reference": "7",
        "last_updated": "2031-05-01T09:00:00Z",
    } | changes


def location(id_: str = "SITE-1", **changes: Any) -> dict[str, Any]:
    return {
        "country_code": "DE",
        "party_id": "ACM",
        "id": id_,
        "publish": True,
        "name": "Harbour",
        "address": "Quay 5",
        "city": "Kiel",
        "postal_code": "24103",
        "country": "DEU",
        "coordinates": {"latitude": "54.318740", "longitude": "10.139020"},
        "evses": [evse()],
        "time_zone": "Europe/Berlin",
        "last_updated": "2031-05-01T09:00:00Z",
    } | changes


def token(uid: str = "04A1B2C3D4E580", **changes: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "EVP",
        "uid": uid,
        "type": "RFID",
        "contract_id": "NL-EVP-C00012345-2",
        "issuer": "EV Provider",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2031-05-01T09:00:00Z",
    } | changes


def tariff(id_: str = "DC-FAST", **changes: Any) -> dict[str, Any]:
    return {
        "country_code": "DE",
        "party_id": "ACM",
        "id": id_,
        "currency": "EUR",
        "type": "REGULAR",
        "elements": [
            {
                "price_components": [
                    {"type": "FLAT", "price": 0.25, "vat": 19.0, "step_size": 1},
                    {"type": "ENERGY", "price": 0.5, "vat": 19.0, "step_size": 1},
                ]
            }
        ],
        "last_updated": "2031-05-01T09:00:00Z",
    } | changes


def cdr_token() -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "EVP",
        "uid": "04A1B2C3D4E580",
        "type": "RFID",
        "contract_id": "NL-EVP-C00012345-2",
    }


def period(start: str = "2031-05-01T10:00:00Z", kwh: float = 10.5) -> dict[str, Any]:
    return {"start_date_time": start, "dimensions": [{"type": "ENERGY", "volume": kwh}]}


def session(id_: str = "S-1", **changes: Any) -> dict[str, Any]:
    return {
        "country_code": "DE",
        "party_id": "ACM",
        "id": id_,
        "start_date_time": "2031-05-01T10:00:00Z",
        "kwh": 10.5,
        "cdr_token": cdr_token(),
        "auth_method": "AUTH_REQUEST",
        "location_id": "SITE-1",
        "evse_uid": "E7",
        "connector_id": "1",
        "currency": "EUR",
        "charging_periods": [period()],
        "status": "ACTIVE",
        "last_updated": "2031-05-01T10:10:00Z",
    } | changes


def cdr(id_: str = "C-1", **changes: Any) -> dict[str, Any]:
    return {
        "country_code": "DE",
        "party_id": "ACM",
        "id": id_,
        "start_date_time": "2031-05-01T10:00:00Z",
        "end_date_time": "2031-05-01T10:30:00Z",
        "session_id": "S-1",
        "cdr_token": cdr_token(),
        "auth_method": "AUTH_REQUEST",
        "cdr_location": {
            "id": "SITE-1",
            "address": "Quay 5",
            "city": "Kiel",
            "country": "DEU",
            "coordinates": {"latitude": "54.318740", "longitude": "10.139020"},
            "evse_uid": "E7",
            "evse_id": "DE*ACM*E7",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2_COMBO",
            "connector_format": "CABLE",
            "connector_power_type": "DC",
        },
        "currency": "EUR",
        "charging_periods": [period(kwh=18.5)],
        "total_cost": {"excl_vat": 9.5, "incl_vat": Decimal("11.305")},
        "total_energy": 18.5,
        "total_time": 0.5,
        "last_updated": "2031-05-01T10:31:00Z",
    } | changes
