"""WS-Security with RSA-2048: Body and Timestamp signed with SHA-256 and exclusive canonicalization.

Checks: the same two references everywhere; Roamgate checks the structure and the freshness too.
signxml gets key objects (from PEM on each call it takes thirty milliseconds); the floor is the bare
operation with the key.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from benchmarks import samples
from benchmarks.keys import own
from benchmarks.operations import Operation, operation
from gateway.security.parse import Limits, parse
from gateway.security.profile import Profile, Signing
from gateway.security.signature import sign, verify
from gateway.security.timestamp import Freshness

_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_LIMITS = Limits()


def unsigned() -> bytes:
    return samples.envelope(samples.question(7))


@cache
def signing() -> Signing:
    return Signing(own=own(), method="rsa-sha256")


def signed() -> bytes:
    return sign(unsigned(), signing(), datetime.now(UTC), Freshness(), _LIMITS)


def stamped() -> tuple[bytes, list[str]]:
    """A message with a Timestamp, and the ids of what is to be signed: Body and Timestamp."""
    root = etree.fromstring(signed())
    security = root[0][0]
    stamp = security.find(f"{{{_WSU}}}Timestamp")
    for child in list(security):
        if child is not stamp:
            security.remove(child)
    ids = [str(each.get(f"{{{_WSU}}}Id")) for each in (root[1], stamp)]
    return etree.tostring(root), ids


@operation("sign/ours")
def _() -> Operation:
    data, how, fresh = unsigned(), signing(), Freshness()
    return lambda: sign(data, how, datetime.now(UTC), fresh, _LIMITS)


@operation("verify/ours")
def _() -> Operation:
    from gateway.security.keys import Trust

    profile = Profile(partner="bench", trust=Trust([own().certificate]))
    data, now = signed(), datetime.now(UTC)
    return lambda: verify(parse(data, _LIMITS), profile, now, _LIMITS)


@operation("sign/key")
def sign_with_key() -> Operation:
    key, data = own().private, b"a" * 500
    return lambda: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


@operation("verify/key")
def verify_with_key() -> Operation:
    key, data = own().private, b"a" * 500
    value, public = key.sign(data, padding.PKCS1v15(), hashes.SHA256()), key.public_key()
    return lambda: public.verify(value, data, padding.PKCS1v15(), hashes.SHA256())


@operation("sign/signxml")
def _() -> Operation:
    from signxml import SignatureConstructionMethod, XMLSigner

    data, names = stamped()
    key, certificate = own().private, own().certificate.parsed

    def once() -> bytes:
        signer = XMLSigner(
            method=SignatureConstructionMethod.detached,
            c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#",
        )
        signature = signer.sign(
            etree.fromstring(data),
            key=key,
            cert=[certificate],
            reference_uri=[f"#{name}" for name in names],
            id_attribute="Id",
        )
        return etree.tostring(signature)

    return once


@operation("verify/signxml")
def _() -> Operation:
    from signxml import SignatureConfiguration, XMLVerifier

    data, certificate = signed(), own().certificate.parsed
    config = SignatureConfiguration(expect_references=2, require_x509=True)

    def once() -> Any:
        return XMLVerifier().verify(
            etree.fromstring(data),
            x509_cert=certificate,
            id_attribute="Id",
            validate_schema=False,
            expect_config=config,
        )

    return once


def _zeep() -> Any:
    import xmlsec
    from zeep.wsse.signature import MemorySignature

    pem = own().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate = own().certificate.parsed.public_bytes(Encoding.PEM)
    methods = (xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA256)
    return MemorySignature(pem, certificate, None, *methods)


@operation("sign/zeep")
def _() -> Operation:
    plugin, (data, _) = _zeep(), stamped()

    def once() -> bytes:
        envelope, _ = plugin.apply(etree.fromstring(data), {})
        return etree.tostring(envelope)

    return once


@operation("verify/zeep")
def _() -> Operation:
    plugin = _zeep()
    data = etree.tostring(plugin.apply(etree.fromstring(stamped()[0]), {})[0])
    return lambda: plugin.verify(etree.fromstring(data))


@operation("keys/both")
def _() -> Operation:
    private, public = sign_with_key(), verify_with_key()
    return lambda: (private(), public())


def sign_all(bodies: list[bytes], count: int, now: datetime) -> list[bytes]:
    """So many requests, each with a signature of its own."""
    how, fresh = signing(), Freshness()
    return [
        samples.http(
            "/ochp/1.4",
            sign(bodies[number % len(bodies)], how, now, fresh, _LIMITS),
            "GetSingleRoamingAuthorisation",
        )
        for number in range(count)
    ]
