"""Canonical objects and messages as rows of the store: bytes, ids, search keys, content hash.

Limits: ids are compared in upper case (OCPI 2.2 and later: case-insensitive), so two ids of one
owner that differ in case alone are one object; the spelling that was sent stays in the body.
Why: a content hash leaves out the times of change, because peers set them to the present on every
export; the same content must have no second effect.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from gateway.model import message as messages
from gateway.model.base import Canonical, PartyId
from gateway.model.charging import Cdr, Session
from gateway.model.ids import contract_key, evse_key
from gateway.model.message import Message
from gateway.model.packing import decoder
from gateway.model.packing import pack as pack
from gateway.model.status import EvseStatus, ParkingStatus
from gateway.model.tariff import Tariff
from gateway.model.token import Representation, Token, TokenKind, TokenRef
from gateway.routing.sites import Site, evses, gone, hidden, turns
from gateway.store import Item

C = TypeVar("C", bound=Canonical)
Keys = list[tuple[str, str]]

_TIMES = re.compile(rb'"(?:[^"\\]*/)?(?:updated|last_updated|timestamp(?:/DateTime)?)":"[^"]*",?')
_UPDATED = b'updated":"'
_MOMENT = "%Y%m%dT%H%M%S.%fZ"
HIDDEN = ("publish", "false")
"""The key of sites that are not for everybody."""
NEVER = "9"
"""Sort key of what has no time at which something is due; after every instant."""


def unpack(cls: type[C], body: bytes) -> C:
    """The reverse of ``pack``."""
    found: C = decoder(cls).decode(body)
    return found


def pack_message(message: Message) -> bytes:
    """A message with the name of its class."""
    return type(message).__name__.encode() + b"\n" + pack(message)


def unpack_message(body: bytes) -> Message:
    """The reverse of ``pack_message``."""
    name, _, rest = body.partition(b"\n")
    cls: type[Message] = getattr(messages, name.decode())
    return unpack(cls, rest)


def digest(body: bytes) -> bytes:
    """Hash of a packed object's content without its times of change."""
    return hashlib.blake2b(without_times(body), digest_size=16).digest()


def without_times(body: bytes) -> bytes:
    """What ``_TIMES`` leaves of a packed object.

    The expression looks at every text; where a time stands is found much sooner by its name.
    """
    if b"timestamp" in body:
        return _TIMES.sub(b"", body)
    pieces, done, at = [], 0, body.find(_UPDATED)
    while at >= 0:
        start = body.rfind(b'"', 0, at)
        end = body.index(b'"', at + len(_UPDATED)) + 1
        name = body[start + 1 : at]
        if start >= done and name.rpartition(b"/")[2] in (b"", b"last_") and b"\\" not in name:
            pieces.append(body[done:start])
            done = end + 1 if body[end : end + 1] == b"," else end
        at = body.find(_UPDATED, end)
    return b"".join((*pieces, body[done:])) if pieces else body


def moment(at: datetime | None) -> str:
    """An instant as a sort key; ``NEVER`` for none."""
    if at is None:
        return NEVER
    return at.astimezone(UTC).strftime(_MOMENT)


def instant(moment: str | None) -> datetime | None:
    """The instant of a sort key; None where there is none."""
    if moment is None or moment == NEVER:
        return None
    return datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC)


def same_id(id: str) -> str:
    """What equal ids of one owner have in common."""
    return id.upper()


def clean(party: PartyId) -> PartyId:
    """A party in upper case, as it is compared."""
    return PartyId(country=party.country.upper(), code=party.code.upper())


def owner_key(party: PartyId) -> str:
    """A party as an owner in the store."""
    return str(clean(party))


def party_of(owner: str) -> PartyId:
    """The reverse of ``owner_key``."""
    country, _, code = owner.partition("*")
    return PartyId(country=country, code=code)


# -- locations and status --------------------------------------------------------------------


def site_item(site: Site, changed: str, now: datetime) -> Item:
    """``changed``: the moment when something besides live status changed last. A site whose
    schedule has turned since then has another content hash."""
    body = pack(site)
    past = sum(at <= now for at in turns(site))
    present = [evse for evse in evses(site) if not gone(evse)]
    keys: Keys = [("evse", evse_key(evse.evse_id)) for evse in present if evse.evse_id]
    keys += [("uid", same_id(evse.uid)) for evse in present if evse.uid]
    keys += [("spot", spot_id(spot.id)) for evse in present for spot in evse.parking_spots]
    if hidden(site):
        keys.append(HIDDEN)
    return Item(body, dict.fromkeys(keys), digest(body + b"%d" % past), changed)


def spot_id(parking_id: str) -> str:
    """What equal parking spot ids have in common."""
    return parking_id.replace("*", "").upper()


def status_item(status: EvseStatus | ParkingStatus) -> Item:
    body = pack(status)
    return Item(body, (), digest(body), moment(status.ttl))


# -- tariffs, sessions, CDRs -----------------------------------------------------------------


def tariff_item(tariff: Tariff) -> Item:
    body = pack(tariff)
    return Item(body, (), digest(body))


def session_item(session: Session, home: str) -> Item:
    """``home``: the party that it belongs to; in the sort key again, to be read from a row."""
    body = pack(session)
    return Item(body, [("to", home)], digest(body), home)


def cdr_item(cdr: Cdr, home: str | None, *keys: tuple[str, str]) -> Item:
    """The state is the store's, not part of the content. ``home`` None: it is in nobody's list."""
    body = pack(msgspec.structs.replace(cdr, state=None))
    found = dict.fromkeys((("id", same_id(cdr.id)), *keys, *([("to", home)] if home else ())))
    return Item(body, found, digest(body), home)


def same_cdr(body: bytes, cdr: Cdr) -> bool:
    """Whether a CDR says what a stored one says: numbers and instants count by their value, however
    a partner's tool-kit writes them; state and time of change do not count."""
    without = {"state": None, "updated": None}
    known: Cdr = msgspec.structs.replace(unpack(Cdr, body), **without)
    return known == msgspec.structs.replace(cdr, **without)


# -- tokens ----------------------------------------------------------------------------------

_HASHES = {Representation.SHA1: "sha1", Representation.SHA256: "sha256"}


def bare_uid(uid: str, kind: TokenKind) -> str:
    """What equal plain uids have in common; some partners fill RFID uids with zeros, some not."""
    upper = uid.upper()
    return (upper.lstrip("0") or "0") if kind is TokenKind.RFID else upper


def hashed_uid(uid: str, representation: Representation) -> str:
    """Hexadecimal hash of a plain uid as it is (OCHP 1.4: no zero fill), upper case."""
    algorithm = _HASHES[representation]
    return hashlib.new(algorithm, uid.encode(), usedforsecurity=False).hexdigest().upper()


def is_hashed(token: Token | TokenRef) -> bool:
    return token.representation in _HASHES


def token_id(token: Token | TokenRef) -> str:
    """Key of a token below its owner: kind, form and uid (OCPI: owner, uid, type; OCHP: EmtId)."""
    if is_hashed(token):
        return f"{token.kind}:{token.representation}:{token.uid.upper()}"
    return f"{token.kind}::{bare_uid(token.uid, token.kind)}"


def uid_keys(token: Token | TokenRef) -> Keys:
    """Under which keys the same token may stand in another form, best first."""
    if is_hashed(token):
        return [("uid", token.uid.upper()), ("hash", token.uid.upper())]
    bare = bare_uid(token.uid, token.kind)
    spellings = dict.fromkeys((bare, token.uid.upper()))
    hashes = [hashed_uid(uid, form) for uid in spellings for form in _HASHES]
    return [("uid", bare), *(("uid", value) for value in hashes)]


def token_item(token: Token, now: datetime) -> Item:
    """An expired token has another content hash than before, so that it counts as changed."""
    body = pack(token)
    keys: Keys = [("contract", contract_key(token.contract_id))]
    if is_hashed(token):
        keys.append(("uid", token.uid.upper()))
    else:
        keys.append(("uid", bare_uid(token.uid, token.kind)))
        keys += (("hash", value) for name, value in uid_keys(token)[1:])
    if token.expires and token.expires <= now:
        return Item(body, dict.fromkeys(keys), digest(body + b" expired"), NEVER)
    return Item(body, dict.fromkeys(keys), digest(body), moment(token.expires))
