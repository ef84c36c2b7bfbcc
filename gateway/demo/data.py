"""Realistic sites, tariffs, tokens and charge records for the demo, always the same.

Shapes are those of the partners' own systems: OCPI objects as dictionaries, OCHP records as XML.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from gateway.model.ids import check_character

NOW = datetime(2026, 6, 15, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class City:
    name: str
    country: str
    alpha3: str
    zone: str
    latitude: float
    longitude: float
    streets: tuple[str, ...]
    zip: str
    language: str


CITIES = (
    City("Delft", "NL", "NLD", "Europe/Amsterdam", 52.0116, 4.3571, ("Havenkade", "Oude Delft"),
         "2611 AB", "nl"),
    City("Utrecht", "NL", "NLD", "Europe/Amsterdam", 52.0907, 5.1214, ("Biltstraat", "Maliebaan"),
         "3572 BC", "nl"),
    City("Gent", "BE", "BEL", "Europe/Brussels", 51.0543, 3.7174, ("Coupure Links", "Veldstraat"),
         "9000", "nl"),
    City("Köln", "DE", "DEU", "Europe/Berlin", 50.9375, 6.9603, ("Aachener Straße", "Ringstraße"),
         "50674", "de"),
    City("Kiel", "DE", "DEU", "Europe/Berlin", 54.3233, 10.1228, ("Hafenstraße", "Holtenauer Str."),
         "24103", "de"),
    City("Graz", "AT", "AUT", "Europe/Vienna", 47.0707, 15.4395, ("Herrengasse", "Murgasse"),
         "8010", "de"),
    City("Linz", "AT", "AUT", "Europe/Vienna", 48.3069, 14.2858, ("Landstraße", "Donaulände"),
         "4020", "de"),
    City("Lyon", "FR", "FRA", "Europe/Paris", 45.7640, 4.8357, ("Rue Mercière", "Quai Perrache"),
         "69002", "fr"),
    City("Bergen", "NO", "NOR", "Europe/Oslo", 60.3913, 5.3221, ("Strandgaten", "Bryggen"),
         "5003", "no"),
    City("Aarhus", "DK", "DNK", "Europe/Copenhagen", 56.1629, 10.2039, ("Åboulevarden", "Vesterg."),
         "8000", "da"),
)  # fmt: skip


def utc(moment: datetime) -> str:
    """OCPI and OCHP spelling of an instant."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local(moment: datetime, zone: str) -> str:
    """OCHP spelling of a local time with its offset."""
    return moment.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def contract(country: str, provider: str, number: int) -> str:
    """A contract id with its check digit."""
    plain = f"{country}{provider}C{number:08}"
    return f"{country}-{provider}-C{number:08}-{check_character(plain)}"


def coordinate(value: float, spread: random.Random) -> str:
    """Six decimals, somewhere near."""
    return f"{value + spread.uniform(-0.03, 0.03):.6f}"


# -- OCPI ------------------------------------------------------------------------------------


def ocpi_locations(country: str, party: str, count: int, seed: int) -> list[dict[str, Any]]:
    """``count`` sites with two or four EVSEs each, in several countries."""
    spread = random.Random(seed)  # noqa: S311 - data for show
    sites = []
    for number in range(count):
        city = CITIES[number % len(CITIES)]
        fast = number % 5 == 0
        evses = []
        for place in range(4 if number % 3 == 0 else 2):
            serial = f"{number:04}{place}"
            evses.append(
                {
                    "uid": f"{party}-{serial}",
                    "evse_id": f"{country}*{party}*E{serial}",
                    "status": "AVAILABLE",
                    "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE"],
                    "connectors": [
                        {
                            "id": "1",
                            "standard": "IEC_62196_T2_COMBO" if fast else "IEC_62196_T2",
                            "format": "CABLE" if fast else "SOCKET",
                            "power_type": "DC" if fast else "AC_3_PHASE",
                            "max_voltage": 920 if fast else 230,
                            "max_amperage": 200 if fast else 16,
                            "max_electric_power": 150000 if fast else 11000,
                            "tariff_ids": [f"T{'FAST' if fast else 'AC'}"],
                            "last_updated": utc(NOW),
                        }
                    ],
                    "physical_reference": str(place + 1),
                    "floor_level": "0",
                    "last_updated": utc(NOW),
                }
            )
        sites.append(
            {
                "country_code": country,
                "party_id": party,
                "id": f"S{number:05}",
                "publish": True,
                "name": f"{city.name} {spread.choice(city.streets)}",
                "address": f"{spread.choice(city.streets)} {spread.randint(1, 180)}",
                "city": city.name,
                "postal_code": city.zip,
                "country": city.alpha3,
                "coordinates": {
                    "latitude": coordinate(city.latitude, spread),
                    "longitude": coordinate(city.longitude, spread),
                },
                "parking_type": ("ON_STREET", "PARKING_GARAGE", "PARKING_LOT")[number % 3],
                "evses": evses,
                "operator": {"name": "Havenlader"},
                "time_zone": city.zone,
                "opening_times": {"twentyfourseven": True},
                "last_updated": utc(NOW),
            }
        )
    return sites


def ocpi_tariffs(country: str, party: str) -> list[dict[str, Any]]:
    """One for slow and one for fast charging."""
    return [
        {
            "country_code": country,
            "party_id": party,
            "id": f"T{name}",
            "currency": "EUR",
            "type": "REGULAR",
            "elements": [
                {
                    "price_components": [
                        {"type": "ENERGY", "price": price, "vat": 21, "step_size": 1},
                        {"type": "FLAT", "price": Decimal("0.35"), "vat": 21, "step_size": 1},
                    ]
                }
            ],
            "last_updated": utc(NOW),
        }
        for name, price in (("AC", Decimal("0.42")), ("FAST", Decimal("0.69")))
    ]


def ocpi_token(country: str, party: str, number: int, whitelist: str = "ALLOWED") -> dict[str, Any]:
    """A card of an OCPI EMSP."""
    return {
        "country_code": country,
        "party_id": party,
        "uid": f"04{number:010X}80",
        "type": "RFID",
        "contract_id": contract(country, party, number),
        "visual_number": f"{country}-{party}-{number:05}",
        "issuer": "Rijstroom",
        "valid": True,
        "whitelist": whitelist,
        "last_updated": utc(NOW),
    }


def ocpi_cdr(
    site: dict[str, Any], token: dict[str, Any], number: int, **changes: Any
) -> dict[str, Any]:
    """The record of a charge at the first EVSE of a site, by a token (as a Token object)."""
    evse = site["evses"][0]
    connector = evse["connectors"][0]
    start = NOW + timedelta(minutes=7 * number)
    energy = Decimal("7.5") + number % 20
    net = energy * Decimal("0.42")
    price = {"excl_vat": net, "incl_vat": net * Decimal("1.21")}
    cdr = {
        "country_code": site["country_code"],
        "party_id": site["party_id"],
        "id": f"CDR{number:08}",
        "start_date_time": utc(start),
        "end_date_time": utc(start + timedelta(minutes=90)),
        "session_id": f"SES{number:08}",
        "cdr_token": {
            key: token[key] for key in ("country_code", "party_id", "uid", "type", "contract_id")
        },
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": site["id"],
            "name": site["name"],
            "address": site["address"][:45],
            "city": site["city"],
            "postal_code": site["postal_code"],
            "country": site["country"],
            "coordinates": site["coordinates"],
            "evse_uid": evse["uid"],
            "evse_id": evse["evse_id"],
            "connector_id": connector["id"],
            "connector_standard": connector["standard"],
            "connector_format": connector["format"],
            "connector_power_type": connector["power_type"],
        },
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": utc(start),
                "dimensions": [
                    {"type": "ENERGY", "volume": energy},
                    {"type": "TIME", "volume": Decimal("1.5")},
                ],
            }
        ],
        "total_cost": price,
        "total_energy": energy,
        "total_energy_cost": price,
        "total_time": Decimal("1.5"),
        "last_updated": utc(start + timedelta(minutes=91)),
    }
    return cdr | changes


def ocpi_session(
    site: dict[str, Any], token: dict[str, Any], number: int, status: str
) -> dict[str, Any]:
    """A session at the first EVSE of a site."""
    start = NOW + timedelta(minutes=7 * number)
    done = status == "COMPLETED"
    session = {
        "country_code": site["country_code"],
        "party_id": site["party_id"],
        "id": f"SES{number:08}",
        "start_date_time": utc(start),
        "kwh": Decimal("7.5") if done else Decimal("2.25"),
        "cdr_token": {
            key: token[key] for key in ("country_code", "party_id", "uid", "type", "contract_id")
        },
        "auth_method": "WHITELIST",
        "location_id": site["id"],
        "evse_uid": site["evses"][0]["uid"],
        "connector_id": "1",
        "currency": "EUR",
        "status": status,
        "last_updated": utc(start + timedelta(minutes=90 if done else 30)),
    }
    return session | ({"end_date_time": utc(start + timedelta(minutes=90))} if done else {})


# -- OCHP ------------------------------------------------------------------------------------


def ochp_evses(country: str, party: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """The EVSEs of an OCHP operator: ids, place, kind; two to a site."""
    spread = random.Random(seed)  # noqa: S311 - data for show
    cities = [city for city in CITIES if city.country == country] or list(CITIES)
    for number in range(count):
        site = number // 2
        if number % 2 == 0:
            city = cities[site % len(cities)]
            place = (
                coordinate(city.latitude, spread),
                coordinate(city.longitude, spread),
                spread.choice(city.streets),
                str(spread.randint(1, 99)),
            )
        yield {
            "evse_id": f"{country}*{party}*E{number:05}*1",
            "location_id": f"{party}{site:05}",
            "city": city,
            "latitude": place[0],
            "longitude": place[1],
            "street": place[2],
            "house": place[3],
            "dc": site % 6 == 0,
            "tariff_id": f"{country}*{party}*T{'FAST' if site % 6 == 0 else 'SLOW'}",
        }


def ochp_charge_point(evse: dict[str, Any], name: str = "chargePointInfoArray") -> str:
    """One ChargePointInfo."""
    city: City = evse["city"]
    dc = evse["dc"]
    return f"""<{name}><evseId>{evse["evse_id"]}</evseId><locationId>{
        evse["location_id"]
    }</locationId>
<timestamp><DateTime>{utc(NOW)}</DateTime></timestamp>
<locationName>{escape(city.name)} {escape(evse["street"])}</locationName>
<locationNameLang>{"DEU" if city.language == "de" else "NLD"}</locationNameLang>
<chargePointAddress><houseNumber>{evse["house"]}</houseNumber><address>{
        escape(evse["street"])
    }</address>
<city>{escape(city.name)}</city><zipCode>{city.zip}</zipCode><country>{city.alpha3}</country>
</chargePointAddress><chargePointLocation lat="{evse["latitude"]}" lon="{evse["longitude"]}"/>
<timeZone>{city.zone}</timeZone>
<openingTimes><twentyfourseven>true</twentyfourseven><closedCharging>true</closedCharging></openingTimes>
<status><ChargePointStatusType>Operative</ChargePointStatusType></status>
<telephoneNumber>+43 316 123456</telephoneNumber>
<location><GeneralLocationType>on-street</GeneralLocationType></location>
<authMethods><AuthMethodType>RfidMifareCls</AuthMethodType></authMethods>
<connectors><connectorStandard><ConnectorStandard>{
        "IEC_62196_T2_COMBO" if dc else "IEC_62196_T2"
    }</ConnectorStandard></connectorStandard>
<connectorFormat><ConnectorFormat>{"Cable" if dc else "Socket"}</ConnectorFormat></connectorFormat>
<tariffId>{evse["tariff_id"]}</tariffId></connectors>
<chargePointType>{"DC" if dc else "AC"}</chargePointType>
<ratings><maximumPower>{"150" if dc else "11"}</maximumPower></ratings></{name}>"""


def ochp_tariff(country: str, party: str, name: str, price: str) -> str:
    """One TariffInfo: energy, around the clock."""
    return f"""<TariffInfoArray><tariffId>{country}*{party}*T{name}</tariffId><individualTariff>
<tariffElement><priceComponent><billingItem><BillingItemType>energy</BillingItemType></billingItem>
<itemPrice>{price}</itemPrice><stepSize>0.001</stepSize></priceComponent><tariffRestriction/>
</tariffElement><currency>EUR</currency></individualTariff></TariffInfoArray>"""


def ochp_token(
    country: str, provider: str, number: int, name: str, expires: datetime | None = None
) -> str:
    """One RoamingAuthorisationInfo."""
    until = expires or NOW + timedelta(days=900)
    return f"""<{name}><EmtId representation="plain"><instance>{ochp_uid(number)}</instance>
<tokenType>rfid</tokenType></EmtId><contractId>{contract(country, provider, number)}</contractId>
<printedNumber>{provider} {number:05}</printedNumber>
<expiryDate><DateTime>{utc(until)}</DateTime></expiryDate></{name}>"""


def ochp_uid(number: int) -> str:
    """The card number of an OCHP token."""
    return f"7A{number:06X}"


def ochp_cdr(
    evse: dict[str, Any],
    number: int,
    uid: str,
    contract_id: str,
    *,
    status: str = "new",
    energy: str = "11.25",
    price: str = "0.4",
    cost: str = "4.5",
    name: str = "cdrInfoArray",
) -> str:
    """One CDRInfo with an energy period."""
    city: City = evse["city"]
    start = NOW + timedelta(minutes=11 * number)
    first, last = local(start, city.zone), local(start + timedelta(minutes=75), city.zone)
    owner = evse["evse_id"][:6].replace("*", "")
    span = f"""<startDateTime><LocalDateTime>{first}</LocalDateTime></startDateTime>
<endDateTime><LocalDateTime>{last}</LocalDateTime></endDateTime>"""
    return f"""<{name}><CdrId>{owner}{number:012}</CdrId><evseId>{evse["evse_id"]}</evseId>
<emtId representation="plain"><instance>{uid}</instance><tokenType>rfid</tokenType></emtId>
<contractId>{contract_id}</contractId><status><CdrStatusType>{status}</CdrStatusType></status>
{span}<duration>001:15:00</duration><chargePointAddress><houseNumber>{evse["house"]}</houseNumber>
<address>{escape(evse["street"])}</address><city>{escape(city.name)}</city><zipCode>{
        city.zip
    }</zipCode>
<country>{city.alpha3}</country></chargePointAddress><chargePointType>{
        "DC" if evse["dc"] else "AC"
    }</chargePointType><connectorType><connectorStandard>
<ConnectorStandard>{"IEC_62196_T2_COMBO" if evse["dc"] else "IEC_62196_T2"}</ConnectorStandard>
</connectorStandard><connectorFormat><ConnectorFormat>{
        "Cable" if evse["dc"] else "Socket"
    }</ConnectorFormat></connectorFormat><tariffId>{evse["tariff_id"]}</tariffId></connectorType>
<chargingPeriods>{span}<billingItem><BillingItemType>energy</BillingItemType></billingItem>
<billingValue>{energy}</billingValue><itemPrice>{price}</itemPrice><periodCost>{cost}</periodCost>
<taxrate>20</taxrate></chargingPeriods><totalCost>{cost}</totalCost><currency>EUR</currency></{
        name
    }>"""
