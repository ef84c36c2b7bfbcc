"""What every canonical object shares.

Canonical objects are frozen structs in the terms of IEC 63119; they know no wire. They are a
superset: what a protocol says exactly has a field here, even where another protocol says the same
fact in another shape (bill items of OCHP beside charging periods of OCPI); decoding fills the
fields its protocol speaks, encoding derives what it needs and records how.

Units: money is ``Decimal`` in the currency named beside it, net of tax unless the name says gross;
energy is kWh, power kW unless a name says otherwise, durations are ``timedelta`` or hours as named;
instants are aware ``datetime`` (the offset that a partner sent is kept).
"""

from collections.abc import Mapping
from typing import Any, NewType

import msgspec

# protocol name -> wire path relative to the object's own element -> raw text or JSON value
Extras = Mapping[str, Mapping[str, Any]]

EvseKey = NewType("EvseKey", str)
ContractKey = NewType("ContractKey", str)


class Canonical(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all canonical objects.

    ``extras`` keeps, per protocol, what no common field holds, and the spelling of a value whose
    canonical form would be written differently, so that writing back in that protocol loses
    nothing.
    """

    extras: Extras | None = None


class PartyId(Canonical, frozen=True, kw_only=True):
    """A roaming party: ISO 3166-1 alpha-2 country and the three-character code issued there."""

    country: str
    code: str

    def __str__(self) -> str:
        return f"{self.country}*{self.code}"
