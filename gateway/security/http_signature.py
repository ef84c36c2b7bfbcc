"""Requests of JSON partners authenticated by a shared secret: HMAC over what they say.

Source: RFC 9421 (HTTP Message Signatures): 2.1 (fields), 2.2.1 and 2.2.2 (@method, @target-uri),
2.3 (parameters), 2.5 (signature base), 3.3.3 (hmac-sha256), 4 (the two fields); RFC 9530
(Content-Digest); RFC 8941 (the grammar of all of them).
Limits: a strict part of it. One signature a message, of requests only; components without
parameters; the canonical spelling of structured fields; hmac-sha256 and nothing else, whatever
``alg`` says; Content-Digest by SHA-256 or SHA-512, also of an empty body.
Rules: covered are @method, @target-uri and content-digest always, and of a request's fields those
that say who sends what to whom, where they are present. ``created`` and ``nonce`` are required, and
a nonce counts once.
Why: TLS ends at proxies, a token can be copied from any message; this is good for one message only.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct

from gateway.security import timestamp
from gateway.security.timestamp import Freshness, Timestamp
from gateway.security.unverified import Unverified

COVERED = ("@method", "@target-uri", "content-digest")
IF_PRESENT = ("authorization", "content-type")
LABEL = "roamgate"
LONGEST = 2048
"""Characters of one of the fields."""
KEY_BYTES = 32
_HASHES = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_INPUT = re.compile(
    r"([a-z*][a-z0-9_.*-]{0,63})=(\((\"[a-z0-9@_-]{1,64}\"(?: \"[a-z0-9@_-]{1,64}\")*)\)"
    r"((?:;[a-z*][a-z0-9_.*-]{0,63}=(?:\"[ !#-\[\]-~]{0,256}\"|-?[0-9]{1,15}))*))"
)
_PARAMETER = re.compile(r";([a-z*][a-z0-9_.*-]*)=(?:\"([^\"]*)\"|(-?[0-9]+))")
_SIGNATURE = re.compile(r"([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/=]{1,128}):")
_DIGEST = re.compile(r"([a-z0-9-]{1,16})=:([A-Za-z0-9+/=]{1,128}):")


class Message(NamedTuple):
    """A request as both sides see it. ``fields`` in lower case."""

    method: str
    target: str
    """The absolute URL that was called."""
    fields: Mapping[str, str]
    body: bytes


class SharedKeys(Struct, frozen=True, kw_only=True):
    """The secrets of one partner, the present one and the next; its ``repr`` has none."""

    secrets: tuple[bytes, ...]
    freshness: Freshness = Freshness()

    def __repr__(self) -> str:
        return f"SharedKeys({len(self.secrets)})"


class Verified(NamedTuple):
    """A good signature: what may not come again, and until when that has to be known."""

    id: str
    until: datetime


def read_key(text: str) -> bytes:
    """A secret as it is configured: Base64 of at least 32 bytes; raises ValueError."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no Base64") from None
    if len(key) < KEY_BYTES:
        raise ValueError(f"has {len(key)} bytes; {KEY_BYTES} or more are meant")
    return key


def content_digest(body: bytes) -> str:
    """The Content-Digest field of a body.

    >>> content_digest(b'{"hello": "world"}')
    'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:'
    """
    return f"sha-256=:{_base64(hashlib.sha256(body).digest())}:"


def signature_base(components: Iterable[tuple[str, str]], parameters: str) -> bytes:
    """What is signed: a line for each component, and one for the parameters."""
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode("latin-1")


def mac(key: bytes, base: bytes) -> bytes:
    """The signature (RFC 9421, 3.3.3)."""
    return hmac.digest(key, base, "sha256")


def sign(
    message: Message, key: bytes, key_id: str, now: datetime, also: str = ""
) -> dict[str, str]:
    """The fields to add to a request. Fields that begin with ``also`` are covered too."""
    fields = {**message.fields, "content-digest": content_digest(message.body)}
    signed = message._replace(fields=fields)
    names = _wanted(signed, also)
    quoted = " ".join(f'"{name}"' for name in names)
    parameters = (
        f'({quoted});created={int(now.timestamp())};nonce="{secrets.token_urlsafe(16)}"'
        f';keyid="{key_id}";alg="hmac-sha256"'
    )
    value = mac(key, signature_base(_values(signed, names), parameters))
    return {
        "Content-Digest": fields["content-digest"],
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}=:{_base64(value)}:",
    }


def verify(message: Message, keys: SharedKeys, now: datetime, also: str = "") -> Verified:
    """Check a request; raises ``Unverified``. That it is new is for the caller to ask."""
    _check_digest(message)
    text = message.fields.get("signature-input", "")
    found = _INPUT.fullmatch(text) if len(text) <= LONGEST else None
    value = _SIGNATURE.fullmatch(message.fields.get("signature", "")[: LONGEST + 1])
    if found is None or value is None or found[1] != value[1]:
        raise Unverified("http-signature-form", "one signature of a simple form is meant")
    label, parameters, listed, given = found[1], found[2], found[3], found[4]
    names = [name.strip('"') for name in listed.split(" ")]
    _check_covered(message, names, also)
    nonce, created, expires = _read_parameters(given)
    base = signature_base(_values(message, names), parameters)
    presented = _decoded(value[2])
    right = [hmac.compare_digest(mac(key, base), presented) for key in keys.secrets]
    if True not in right:
        raise Unverified("signature", f"{label}: not with the secret agreed")
    moment = Timestamp(created, expires)
    timestamp.check(moment, keys.freshness, now)
    return Verified(f"http-signature:{nonce}", timestamp.forget_after(moment, keys.freshness))


def _check_digest(message: Message) -> None:
    found = _DIGEST.fullmatch(message.fields.get("content-digest", "")[:LONGEST])
    if found is None or found[1] not in _HASHES:
        raise Unverified("digest", "one Content-Digest by sha-256 or sha-512 is meant")
    if not hmac.compare_digest(_HASHES[found[1]](message.body).digest(), _decoded(found[2])):
        raise Unverified("digest", "the content is not what was signed")


def _check_covered(message: Message, names: Sequence[str], also: str) -> None:
    if len(set(names)) != len(names):
        raise Unverified("http-signature-form", "a component is there twice")
    missing = [name for name in _wanted(message, also) if name not in names]
    if missing:
        raise Unverified("coverage", f"not covered: {', '.join(missing)}")


def _wanted(message: Message, also: str) -> tuple[str, ...]:
    """The components that have to be covered."""
    present = [name for name in IF_PRESENT if name in message.fields]
    if also:
        present += sorted(name for name in message.fields if name.startswith(also))
    return (*COVERED, *present)


def _values(message: Message, names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, _value(message, name)) for name in names]


def _value(message: Message, name: str) -> str:
    if name == "@method":
        return message.method
    if name == "@target-uri":
        return message.target
    if name.startswith("@") or name not in message.fields:
        raise Unverified("http-signature-form", f"the component {name} is not here")
    return " ".join(message.fields[name].strip().split("\n"))


def _read_parameters(text: str) -> tuple[str, datetime, datetime | None]:
    """Nonce, created and expires."""
    pairs = _PARAMETER.findall(text)
    texts = {name: value for name, value, number in pairs if not number}
    numbers = {name: int(number) for name, _, number in pairs if number}
    names = [name for name, _, _ in pairs]
    if len(set(names)) != len(names) or texts.get("alg", "hmac-sha256") != "hmac-sha256":
        raise Unverified("http-signature-form", "a parameter twice, or another algorithm")
    if "created" not in numbers or not texts.get("nonce"):
        raise Unverified("http-signature-form", "created and nonce are required")
    if texts.keys() - {"nonce", "keyid", "alg", "tag"} or numbers.keys() - {"created", "expires"}:
        raise Unverified("http-signature-form", "a parameter that is not known")
    expires = _instant(numbers["expires"]) if "expires" in numbers else None
    return texts["nonce"], _instant(numbers["created"]), expires


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unverified("timestamp-form", "an instant that does not exist") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _base64(data) == text else b""  # one spelling: no stray bits at its end
