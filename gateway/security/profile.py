"""How messages with one partner are secured: what the gateway signs, what it wants to see signed.

Limits: Body and Timestamp are always signed and always required; more is added per partner, and per
request element.
Why: a policy that can be weakened message by message is none; what differs between partners are
keys, the way of naming them, and more parts.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.security.algorithms import SignatureName, Waiver
from gateway.security.key_info import Style
from gateway.security.keys import OwnKey, Trust
from gateway.security.timestamp import Freshness
from gateway.security.wss_structure import BODY, STAMP

ALWAYS = frozenset({BODY, STAMP})


class Signing(Struct, frozen=True, kw_only=True):
    """How the gateway signs what it sends."""

    own: OwnKey
    method: SignatureName
    style: Style = "binary-token"
    headers: frozenset[str] = frozenset()
    """Header blocks, ``{namespace}name``, that are signed where they are present."""
    inclusive_prefixes: tuple[str, ...] = ()
    """InclusiveNamespaces PrefixList; empty: there is none."""


class Profile(Struct, frozen=True, kw_only=True):
    """The security of the messages with one partner."""

    partner: str
    party: Any = None
    """What a service takes the sender for when it says who it is by its signature alone."""
    signing: Signing | None = None
    """None: what is sent is not signed."""
    trust: Trust | None = None
    """None: signatures are not looked at."""
    required: frozenset[str] = ALWAYS
    required_for: Mapping[str, frozenset[str]] = {}
    """By the local name of the Body's child: parts that are required besides."""
    freshness: Freshness = Freshness()
    waivers: tuple[Waiver, ...] = ()

    def parts(self, operation: str) -> frozenset[str]:
        """What has to be signed in a message with this body element (``{namespace}name``)."""
        more = self.required_for.get(operation.rpartition("}")[2], frozenset())
        return ALWAYS | self.required | more
