"""Every message of OCPI 2.2.1 that has a body, made from the field facts of the standard.

``MESSAGES``: whatever the facts allow. ``ROAMING``: the same with values as partners send them,
so that ids name operators and contracts, sessions end after they began, plugs are common ones;
most of these another protocol can say.
"""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.support.ocpi_objects import objects

_TIME = "2031-05-02T09:00:00Z"
_LISTED = ("Location", "Tariff", "Token", "Session", "CDR")


def _listed(name: str) -> st.SearchStrategy[list[Any]]:
    return st.lists(objects(name), min_size=1, max_size=2)


def _response(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "data": _listed(name),
            "status_code": st.just(1000),
            "timestamp": st.just(_TIME),
        },
        optional={"status_message": st.sampled_from(["Success", None])},
    )


def _authorisation(value: dict[str, Any]) -> dict[str, Any]:
    """An empty list of EVSEs there is read as absent."""
    if (value.get("location") or {}).get("evse_uids") == []:
        del value["location"]["evse_uids"]
    return value


MESSAGES: dict[str, st.SearchStrategy[Any]] = {
    **{f"{name} list": _listed(name) for name in _LISTED},
    **{f"{name} response": _response(name) for name in _LISTED},
    "AuthorizationInfo": objects("AuthorizationInfo").map(_authorisation),
}

# -- values as partners send them ------------------------------------------------------------

_USUAL: dict[str, tuple[Any, ...]] = {
    "country_code": ("DE",),
    "party_id": ("ACM",),
    "evse_id": ("DE*ACM*E0007*1", "DE*ACM*E0007*2", "DEACME0008", "DE*ACM*E0009"),
    "contract_id": ("DE-ACM-C0A1B2C3D-4", "DEACMC00122045", "DE-ACM-000471183"),
    "country": ("DEU", "NLD", "SWE"),
    "time_zone": ("Europe/Berlin", "Europe/Amsterdam"),
    "city": ("Berlin", "Delft"),
    "postal_code": ("10115", "2611 AB", "2611ab", None),
    "address": ("Havenkade 12", "Platz der Republik 1", "Quai"),
    "currency": ("EUR", "SEK"),
    "standard": ("IEC_62196_T2", "IEC_62196_T2_COMBO", "CHADEMO", "DOMESTIC_F", "NEMA_5_20"),
    "connector_standard": ("IEC_62196_T2", "IEC_62196_T2_COMBO", "CHADEMO"),
    "language": ("de", "en", "nl"),
    "url": ("https://cpo.example/a.png", "http://x.example/?q=%2F"),
    "website": ("https://cpo.example", "http://x.example/?q=%2F"),
    "max_voltage": (230, 400, 1000),
    "max_amperage": (16, 32, 125),
    "max_electric_power": (11000, 22000, 150000, None),
    "price": (0.25, 0.4, 2, 12),
    "volume": (1, 2, 14.25, 0.5),
    "total_energy": (14.25, 20, 0),
    "total_time": (1.5, 2),
    "excl_vat": (5, 7.5, 10.25),
    "incl_vat": (5.95, 8.925, 12.1975),
    "vat": (19, 21, 5.5),
    "step_size": (1, 60, 300, 1000),
    "start_date_time": ("2031-05-02T09:00:00Z", "2031-05-02T09:30:00Z"),
    "end_date_time": ("2031-05-02T10:30:00Z", "2031-05-02T12:00:00.5Z"),
    "publish": (True, True, True, False),
    "weekday": (1, 2, 7),
    "credit": (None, False),
    "type_of_image": ("png", "jpeg"),
}
_TOKENS: tuple[dict[str, Any], ...] = (
    {"uid": "04A2B3C4D5E6F7", "type": "RFID"},
    {"uid": "04a2b3c4", "type": "RFID", "whitelist": "ALLOWED"},
    {"uid": "DE-ACM-C0A1B2C3D-4", "type": "OTHER"},
    {"type": "APP_USER"},
)
_IDS = ("LOC1", "site-7", "A1", "9f0c8a52-6f0e-4d3a-9c57-1f6f2a3b4c5d")


@st.composite
def _usual(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            known = {name: walk(each, name) for name, each in value.items()}
            if "whitelist" in known:
                known |= draw(st.sampled_from(_TOKENS))
            if "connectors" in known and not known.get("evse_id"):
                known["evse_id"] = draw(st.sampled_from(_USUAL["evse_id"]))
            if "time_zone" in known and not known.get("evses"):
                known["evses"] = [walk(draw(objects("EVSE")))]
            if "category" in known and "url" in known:
                known["type"] = draw(st.sampled_from(_USUAL["type_of_image"]))
            return known
        if isinstance(value, list):
            return [walk(each, key) for each in value]
        if value is None:
            return None
        if key in _USUAL:
            return draw(st.sampled_from(_USUAL[key]))
        return draw(st.sampled_from(_IDS)) if key in ("id", "location_id") else value

    return _decimals(walk(draw(values)))


def _decimals(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _decimals(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_decimals(each) for each in value]
    return Decimal(str(value)) if isinstance(value, float) else value


ROAMING: dict[str, st.SearchStrategy[Any]] = {
    name: _usual(values) for name, values in MESSAGES.items() if not name.startswith("Session")
}
