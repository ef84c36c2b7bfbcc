"""Messages with JSON partners authenticated by a shared secret: HMAC over what they say.

Source: RFC 9421 (HTTP Message Signatures): 2.1 (fields), 2.2.1, 2.2.2 and 2.2.9 (@method,
@target-uri, @status), 2.3 (parameters), 2.4 (``req``: what an answer says of its request), 2.5
(signature base), 3.3.3 (hmac-sha256), 4 (the two fields); RFC 9530 (Content-Digest); RFC 8941 (the
grammar of all of them).
Limits: a strict part of it. One signature a message; components without parameters but ``req``; the
canonical spelling of structured fields; hmac-sha256 and nothing else, whatever
``alg`` says; Content-Digest by SHA-256 or SHA-512, also of an empty body.
Rules: covered are @method, @target-uri and content-digest always, and of a request's fields those
that say who sends what to whom, where they are present. ``created`` and ``nonce`` are required, and
a nonce counts once. An answer covers its status, content and paging, and of its request method,
target, content and the signature: so it is good for that one request, and needs no nonce.
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
OF_ANSWER = ("@status", "content-digest")
OF_ITS_REQUEST = ("@method;req", "@target-uri;req", "content-digest;req", "signature;req")
IF_PRESENT_IN_ANSWER = ("content-type", "link", "location", "x-limit", "x-total-count")
LABEL = "roamgate"
LONGEST = 2048
"""Characters of one of the fields."""
KEY_BYTES = 32
_HASHES = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_INPUT = re.compile(
    r"([a-z*][a-z0-9_.*-]{0,63})=(\((%s(?: %s)*)\)"
    r"((?:;[a-z*][a-z0-9_.*-]{0,63}=(?:\"[ !#-\[\]-~]{0,256}\"|-?[0-9]{1,15}))*))".replace(
        "%s", r"\"[a-z0-9@_-]{1,64}\"(?:;req)?"
    )
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


class Answer(NamedTuple):
    """What was answered to a request, as both sides see it. ``fields`` in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    request: Message
    """As it was signed."""


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
    key: bytes
    """The secret that it was signed with: the answer is signed with the same."""

    def __repr__(self) -> str:
        return f"Verified({self.id!r})"


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
    lines = [f"{_quoted(name)}: {value}" for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode("latin-1")


def _quoted(name: str) -> str:
    """A component as it is written: ``"@method";req``."""
    field, separator, parameter = name.partition(";")
    return f'"{field}"{separator}{parameter}'


def mac(key: bytes, base: bytes) -> bytes:
    """The signature (RFC 9421, 3.3.3)."""
    return hmac.digest(key, base, "sha256")


def sign(
    message: Message, key: bytes, key_id: str, now: datetime, also: str = ""
) -> dict[str, str]:
    """The fields to add to a request. Fields that begin with ``also`` are covered too."""
    fields = {**message.fields, "content-digest": content_digest(message.body)}
    signed = message._replace(fields=fields)
    nonce = f';nonce="{secrets.token_urlsafe(16)}"'
    return _signed(signed, _wanted(signed, also), key, key_id, now, nonce)


def sign_answer(
    answer: Answer, key: bytes, key_id: str, now: datetime, also: str = ""
) -> dict[str, str]:
    """The fields to add to an answer to a signed request."""
    fields = {**answer.fields, "content-digest": content_digest(answer.body)}
    signed = answer._replace(fields=fields)
    return _signed(signed, _wanted(signed, also), key, key_id, now, "")


def verify(message: Message, keys: SharedKeys, now: datetime, also: str = "") -> Verified:
    """Check a request; raises ``Unverified``. That it is new is for the caller to ask."""
    moment, nonce, key = _checked(message, keys, now, also)
    if not nonce:
        raise Unverified("http-signature-form", "a nonce is required")
    until = timestamp.forget_after(moment, keys.freshness)
    return Verified(f"http-signature:{nonce}", until, key)


def verify_answer(answer: Answer, keys: SharedKeys, now: datetime, also: str = "") -> None:
    """Check an answer to a request that was signed; raises ``Unverified``."""
    _checked(answer, keys, now, also)


def _signed(
    message: Message | Answer,
    names: Sequence[str],
    key: bytes,
    key_id: str,
    now: datetime,
    nonce: str,
) -> dict[str, str]:
    quoted = " ".join(map(_quoted, names))
    parameters = (
        f'({quoted});created={int(now.timestamp())}{nonce};keyid="{key_id}";alg="hmac-sha256"'
    )
    value = mac(key, signature_base(_values(message, names), parameters))
    return {
        "Content-Digest": message.fields["content-digest"],
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}=:{_base64(value)}:",
    }


def _checked(
    message: Message | Answer, keys: SharedKeys, now: datetime, also: str
) -> tuple[Timestamp, str, bytes]:
    """When a message was signed, its nonce, and the secret that it is signed with."""
    _check_digest(message)
    text = message.fields.get("signature-input", "")
    found = _INPUT.fullmatch(text) if len(text) <= LONGEST else None
    value = _SIGNATURE.fullmatch(message.fields.get("signature", "")[: LONGEST + 1])
    if found is None or value is None or found[1] != value[1]:
        raise Unverified("http-signature-form", "one signature of a simple form is meant")
    label, parameters, listed, given = found[1], found[2], found[3], found[4]
    names = [name.replace('"', "") for name in listed.split(" ")]
    _check_covered(message, names, also)
    nonce, created, expires = _read_parameters(given)
    base = signature_base(_values(message, names), parameters)
    presented = _decoded(value[2])
    right = [hmac.compare_digest(mac(key, base), presented) for key in keys.secrets]
    if True not in right:
        raise Unverified("signature", f"{label}: not with the secret agreed")
    moment = Timestamp(created, expires)
    timestamp.check(moment, keys.freshness, now)
    return moment, nonce, keys.secrets[right.index(True)]


def _check_digest(message: Message | Answer) -> None:
    found = _DIGEST.fullmatch(message.fields.get("content-digest", "")[:LONGEST])
    if found is None or found[1] not in _HASHES:
        raise Unverified("digest", "one Content-Digest by sha-256 or sha-512 is meant")
    if not hmac.compare_digest(_HASHES[found[1]](message.body).digest(), _decoded(found[2])):
        raise Unverified("digest", "the content is not what was signed")


def _check_covered(message: Message | Answer, names: Sequence[str], also: str) -> None:
    if len(set(names)) != len(names):
        raise Unverified("http-signature-form", "a component is there twice")
    missing = [name for name in _wanted(message, also) if name not in names]
    if missing:
        raise Unverified("coverage", f"not covered: {', '.join(missing)}")


def _wanted(message: Message | Answer, also: str) -> tuple[str, ...]:
    """The components that have to be covered."""
    answer = isinstance(message, Answer)
    some = IF_PRESENT_IN_ANSWER if answer else IF_PRESENT
    present = [name for name in some if name in message.fields]
    if also:
        present += sorted(name for name in message.fields if name.startswith(also))
    return (*OF_ANSWER, *present, *OF_ITS_REQUEST) if answer else (*COVERED, *present)


def _values(message: Message | Answer, names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, _value(message, name)) for name in names]


def _value(message: Message | Answer, name: str) -> str:
    if isinstance(message, Answer):
        field, _, of_request = name.partition(";")
        if of_request:
            return _value(message.request, field)
        if name == "@status":
            return str(message.status)
    elif name == "@method":
        return message.method
    elif name == "@target-uri":
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
    if "created" not in numbers:
        raise Unverified("http-signature-form", "created is required")
    if texts.keys() - {"nonce", "keyid", "alg", "tag"} or numbers.keys() - {"created", "expires"}:
        raise Unverified("http-signature-form", "a parameter that is not known")
    expires = _instant(numbers["expires"]) if "expires" in numbers else None
    return texts.get("nonce", ""), _instant(numbers["created"]), expires


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
