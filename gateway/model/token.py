"""Tokens: what a driver shows, the contract behind it, and whether the driver may charge."""

from datetime import datetime
from enum import StrEnum

from gateway.model.base import Canonical, PartyId


class TokenKind(StrEnum):
    """The means of identification (IEC 63119 credential)."""

    RFID = "rfid"
    REMOTE = "remote"
    APP_USER = "app_user"
    AD_HOC_USER = "ad_hoc_user"
    ISO_15118 = "iso_15118"
    OTHER = "other"


class Representation(StrEnum):
    """How ``uid`` is written: plain, or the hexadecimal hash of the plain text."""

    PLAIN = "plain"
    SHA1 = "sha-160"
    SHA256 = "sha-256"


class RfidKind(StrEnum):
    MIFARE_CLASSIC = "mifare_classic"
    MIFARE_DESFIRE = "mifare_desfire"
    CALYPSO = "calypso"


class Whitelist(StrEnum):
    """When the visited-CSO may decide from its list without asking the home-CSP."""

    ALWAYS = "always"
    ALLOWED = "allowed"
    ALLOWED_OFFLINE = "allowed_offline"
    NEVER = "never"


class PublishToken(Canonical, frozen=True, kw_only=True):
    """A token that may see an unpublished site (OCPI PublishTokenType)."""

    uid: str | None = None
    kind: TokenKind | None = None
    visual_number: str | None = None
    issuer: str | None = None
    group_id: str | None = None


class EnergyContract(Canonical, frozen=True, kw_only=True):
    supplier_name: str
    contract_id: str | None = None


class Token(Canonical, frozen=True, kw_only=True):
    """A credential and its contract; ``owner`` is the home-CSP.

    ``expires``: the instant from which the token is no longer good (OCHP). ``valid``: the CSP's
    word of now (OCPI). A protocol that says only one of them leaves the other None.
    """

    uid: str
    kind: TokenKind
    contract_id: str
    representation: Representation | None = None
    rfid_kind: RfidKind | None = None
    owner: PartyId | None = None
    visual_number: str | None = None
    issuer: str | None = None
    group_id: str | None = None
    valid: bool | None = None
    expires: datetime | None = None
    whitelist: Whitelist | None = None
    language: str | None = None
    default_profile: str | None = None
    energy_contract: EnergyContract | None = None
    updated: datetime | None = None


class TokenRef(Canonical, frozen=True, kw_only=True):
    """The token named in a session, a CDR or a question."""

    uid: str
    kind: TokenKind
    representation: Representation | None = None
    rfid_kind: RfidKind | None = None
    contract_id: str | None = None
    owner: PartyId | None = None


class Allowed(StrEnum):
    ALLOWED = "allowed"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    NO_CREDIT = "no_credit"
    NOT_ALLOWED = "not_allowed"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - an answer, not a password
