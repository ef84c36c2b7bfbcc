"""Whose keys are trusted, for what, until when; keys of partners never mix."""

from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import ConfigError
from gateway.security import keys
from gateway.security.algorithms import Waiver, allowed
from gateway.security.certificates import Certificate, Name, load_pem, same_name
from gateway.security.key_info import KeyReference
from gateway.security.keys import Authority, OwnKey, Trust, refuse_shared
from gateway.security.profile import Profile, Signing
from gateway.security.unverified import Unverified
from tests.support.attacks import Parts
from tests.support.wss import (
    NOW,
    make_certificate,
    name,
    own,
    private_key,
    signed,
    signing,
    usage,
    verified,
    write_pem,
)

DAY = timedelta(days=1)
CA = private_key("p256", "ca")
CA_EXTENSIONS = [
    (x509.BasicConstraints(ca=True, path_length=1), True),
    usage(key_cert_sign=True, crl_sign=True),
    (x509.SubjectKeyIdentifier.from_public_key(CA.public_key()), False),
]
ROOT = make_certificate(CA, "authority", extensions=CA_EXTENSIONS)


def issued(
    common: str, key: object = None, *, by: tuple[Certificate, object] = (ROOT, CA), **more: object
) -> Certificate:
    """A certificate by an authority."""
    above, above_key = by
    extensions = [
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(above_key.public_key()), False),  # type: ignore[attr-defined]
        usage(digital_signature=True),
    ]
    options = {"extensions": extensions, **more}
    return make_certificate(
        key or private_key("rsa"),
        common,
        issuer=(above.parsed.subject, above_key),
        **options,  # type: ignore[arg-type]
    )


def code_of(trust: Trust, reference: KeyReference, now: object = NOW) -> str:
    with pytest.raises(Unverified) as caught:
        trust.certificate(reference, now)  # type: ignore[arg-type]
    return caught.value.code


def by(certificate: Certificate) -> KeyReference:
    return KeyReference(certificate=certificate)


# ---------------------------------------------------------------- pinned


def test_two_keys_overlap() -> None:
    """During a rotation the old key and the new one are good, each until its own end."""
    old, new = own("rsa", "old"), own("rsa", "new")
    how = Profile(partner="acme", trust=Trust([old.certificate, new.certificate]))
    for key in (old, new):
        data = signed(how=Signing(own=key, method="rsa-sha256", style="thumbprint"))
        assert verified(data, how).certificate is key.certificate
    after = Profile(partner="acme", trust=Trust([new.certificate]))
    with pytest.raises(Unverified):
        verified(signed(how=Signing(own=old, method="rsa-sha256")), after)


def test_validity() -> None:
    certificate = make_certificate(private_key("rsa"), begins=NOW, ends=NOW + DAY)
    trust = Trust([certificate])
    assert trust.certificate(by(certificate), NOW) is certificate
    assert code_of(trust, by(certificate), NOW - timedelta(seconds=1)) == "certificate-early"
    later = NOW + DAY + timedelta(seconds=1)
    assert code_of(trust, by(certificate), later) == "certificate-expired"


@pytest.mark.parametrize(
    ("bits", "good"),
    [
        ({"digital_signature": True}, True),
        ({"content_commitment": True}, True),
        ({"key_encipherment": True}, False),
        ({"key_cert_sign": True}, False),
    ],
)
def test_usage(bits: dict[str, bool], good: bool) -> None:
    certificate = make_certificate(private_key("rsa"), extensions=[usage(**bits)])
    trust = Trust([certificate])
    if good:
        assert trust.certificate(by(certificate), NOW)
    else:
        assert code_of(trust, by(certificate)) == "certificate-usage"


@pytest.mark.parametrize("kind", ["rsa1024", "p521"])
def test_weak_keys(kind: str, tmp_path: Path) -> None:
    certificate = make_certificate(private_key(kind))
    assert code_of(Trust([certificate]), by(certificate)) == "certificate-weak"
    path = tmp_path / "weak.pem"
    path.write_bytes(certificate.parsed.public_bytes(Encoding.PEM))
    with pytest.raises(ConfigError, match="certificate-weak"):
        keys.pinned([path])


def test_a_key_with_a_new_certificate() -> None:
    """A reference by key identifier fits both; the one that is valid is taken."""
    key = private_key("rsa")
    old = make_certificate(key, ends=NOW - DAY)
    new = make_certificate(key)
    trust = Trust([old, new])
    assert trust.certificate(KeyReference(ski=new.ski), NOW) is new
    assert code_of(Trust([old]), KeyReference(ski=old.ski)) == "certificate-expired"


def test_a_reference_to_two_keys_is_refused() -> None:
    """Somebody gave two keys the same identifier."""
    ski = x509.SubjectKeyIdentifier(b"same")
    pair = [
        make_certificate(private_key("rsa", which), which, extensions=[(ski, False)])
        for which in ("old", "new")
    ]
    assert code_of(Trust(pair), KeyReference(ski=b"same")) == "key-ambiguous"


def test_everything_that_is_said_has_to_fit() -> None:
    certificate = own("rsa").certificate
    fitting = KeyReference(
        certificate=certificate,
        issuer=Name.of(certificate.parsed.issuer),
        serial=certificate.serial,
        ski=certificate.ski,
        thumbprint=certificate.thumbprint,
        subject=Name.of(certificate.parsed.subject),
    )
    assert fitting.fits(certificate)
    other = own("rsa", "other").certificate
    assert not fitting.fits(other)
    for wrong in (
        KeyReference(certificate=certificate, serial=1),
        KeyReference(serial=certificate.serial, issuer=Name.parse("CN=x")),
        KeyReference(ski=other.ski),
        KeyReference(thumbprint=other.thumbprint),
        KeyReference(certificate=certificate, subject=Name.parse("CN=x")),
    ):
        assert not wrong.fits(certificate)


def test_keys_of_partners_never_mix() -> None:
    """What is good for one partner is nothing to another, whichever way it is named."""
    acme, abc = own("rsa", "acme"), own("rsa", "abc")
    for style in ("binary-token", "x509-data", "issuer-serial", "key-identifier", "thumbprint"):
        data = signed(how=Signing(own=acme, method="rsa-sha256", style=style))  # type: ignore[arg-type]
        assert verified(data, Profile(partner="acme", trust=Trust([acme.certificate])))
        with pytest.raises(Unverified) as caught:
            verified(data, Profile(partner="abc", trust=Trust([abc.certificate])))
        assert caught.value.code == "key-unknown"


def test_a_key_is_one_partners_only() -> None:
    key = private_key("rsa")
    first, second = make_certificate(key, "acme"), make_certificate(key, "abc")
    with pytest.raises(ConfigError, match="the key of abc is also that of acme"):
        refuse_shared({"acme": Trust([first]), "abc": Trust([second])})
    with pytest.raises(ConfigError, match="the key of acme is also that of the gateway"):
        refuse_shared({"acme": Trust([first])}, [OwnKey(key, second)])
    refuse_shared({"acme": Trust([first, second])})


# ---------------------------------------------------------------- authority


def trusting(subject: str = "CN=acme,O=Acme Charging") -> Trust:
    return Trust(authority=Authority([ROOT], Name.parse(subject)))


def test_a_chain_to_the_authority() -> None:
    leaf = issued("acme")
    data = signed(how=Signing(own=OwnKey(private_key("rsa"), leaf), method="rsa-sha256"))
    how = Profile(partner="acme", trust=trusting())
    assert verified(data, how).certificate.fingerprint == leaf.fingerprint
    assert verified(data, how)  # the second time from memory


def test_a_chain_with_a_certificate_between() -> None:
    middle_key = private_key("p256", "middle")
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        usage(key_cert_sign=True),
        (x509.SubjectKeyIdentifier.from_public_key(middle_key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.public_key()), False),
    ]
    middle = issued("middle", middle_key, extensions=extensions)
    leaf = issued("acme", by=(middle, middle_key))
    assert code_of(trusting(), by(leaf)) == "certificate-chain"
    whole = KeyReference(certificate=leaf, others=(middle,))
    assert trusting().certificate(whole, NOW) is leaf
    data = signed(how=Signing(own=OwnKey(private_key("rsa"), leaf), method="rsa-sha256"))
    assert data  # a message carries one certificate: those between stand in the authority's file
    both = Trust(authority=Authority([ROOT, middle], Name.parse("CN=acme")))
    assert both.certificate(by(leaf), NOW) is leaf


def test_a_chain_in_x509_data() -> None:
    """The certificates above come along; which of them signed is found, in any order."""
    middle_key = private_key("p256", "middle")
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        usage(key_cert_sign=True),
        (x509.SubjectKeyIdentifier.from_public_key(middle_key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.public_key()), False),
    ]
    middle = issued("middle", middle_key, extensions=extensions)
    leaf = issued("acme", by=(middle, middle_key))
    own_key = OwnKey(private_key("rsa"), leaf)
    data = signed(how=Signing(own=own_key, method="rsa-sha256", style="x509-data"))
    for place in (0, 1):
        parts = Parts(data)
        holder = parts.key[0]
        extra = holder[0].__copy__()
        extra.text = b64encode(middle.der).decode()
        holder.insert(place, extra)
        assert verified(parts.bytes(), Profile(partner="acme", trust=trusting()))


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        (lambda: issued("abc"), "certificate-chain"),
        (lambda: make_certificate(private_key("rsa"), "acme"), "certificate-chain"),
        (
            lambda: issued("acme", by=(ROOT, private_key("p256", "forger"))),
            "certificate-chain",
        ),
        (lambda: issued("acme", extensions=[usage(key_encipherment=True)]), "certificate-usage"),
        (lambda: issued("acme", ends=NOW - DAY), "certificate-expired"),
        (lambda: issued("acme", begins=NOW + DAY), "certificate-early"),
        (lambda: issued("acme", private_key("rsa1024")), "certificate-weak"),
        (lambda: issued("acme", by=(own("rsa", "leaf").certificate, private_key("rsa", "leaf"))),
         "certificate-chain"),
    ],
    ids=[
        "another subject", "self-signed", "forged", "usage", "over", "not yet", "weak",
        "by a leaf",
    ],
)  # fmt: skip
def test_what_the_authority_does_not_cover(certificate: object, code: str) -> None:
    assert code_of(trusting(), by(certificate())) == code  # type: ignore[operator]


def test_a_leaf_cannot_issue() -> None:
    """A partner with a good certificate makes one for another subject."""
    key = private_key("rsa", "abc")
    abc = issued("abc", key)
    forged = issued("acme", by=(abc, key))
    whole = KeyReference(certificate=forged, others=(abc,))
    assert code_of(trusting(), whole) == "certificate-chain"


def test_the_chain_ends_with_its_first_certificate() -> None:
    """Also when it was good before and is remembered."""
    root = make_certificate(CA, "authority", ends=NOW + DAY, extensions=CA_EXTENSIONS)
    trust = Trust(authority=Authority([root], Name.parse("CN=acme")))
    leaf = issued("acme", by=(root, CA))
    assert trust.certificate(by(leaf), NOW) is leaf
    assert code_of(trust, by(leaf), NOW + 2 * DAY) == "certificate-chain"


def test_a_reference_without_the_certificate_needs_a_pinned_one() -> None:
    leaf = issued("acme")
    assert code_of(trusting(), KeyReference(thumbprint=leaf.thumbprint)) == "key-unknown"
    both = Trust([leaf], trusting().authority)
    assert both.certificate(KeyReference(thumbprint=leaf.thumbprint), NOW) is leaf


# ---------------------------------------------------------------- files and warnings


def test_files(tmp_path: Path) -> None:
    key_file, cert_file = write_pem(tmp_path, own("rsa"), "acme")
    assert keys.own_key(key_file, cert_file).certificate.fingerprint == (
        own("rsa").certificate.fingerprint
    )
    assert keys.pinned([cert_file])[0].fingerprint == own("rsa").certificate.fingerprint
    other, _ = write_pem(tmp_path, own("rsa", "other"), "other")
    with pytest.raises(ConfigError, match="is not the key of"):
        keys.own_key(other, cert_file)
    with pytest.raises(ConfigError, match="holds no PEM private key"):
        keys.own_key(cert_file, cert_file)
    with pytest.raises(ConfigError, match="holds no PEM certificate"):
        load_pem(key_file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_pem(tmp_path / "missing.pem")
    with pytest.raises(ConfigError, match="3 trusted certificates"):
        keys.pinned([cert_file] * 3)
    with pytest.raises(ConfigError, match="is no subject"):
        keys.authority(cert_file, "((")
    with pytest.raises(ConfigError, match="anybody"):
        keys.authority(cert_file, "")


def test_keys_are_not_printed() -> None:
    text = repr(own("rsa")) + repr(signing())
    assert "PRIVATE" not in text
    assert "RSAPrivateKey" not in text


# ---------------------------------------------------------------- names and waivers


@pytest.mark.parametrize(
    "text",
    [
        "CN=acme,O=Acme Charging,C=DE",
        "CN=acme, O=Acme Charging, C=DE",
        "cn=ACME,o=Acme   Charging,c=de",
        "2.5.4.3=acme,2.5.4.10=Acme Charging,2.5.4.6=DE",
        "OID.2.5.4.3=acme, O=Acme Charging, C=DE",
    ],
)
def test_names_are_compared_loosely(text: str) -> None:
    assert same_name(Name.parse(text), name("acme"))
    assert not same_name(Name.parse(text), name("abc"))


def test_names_with_an_address() -> None:
    """As OpenSSL, .NET and Java write it."""
    plain = Name.parse("1.2.840.113549.1.9.1=a@b.example,CN=x")
    for text in (
        "E=a@b.example,CN=x",
        "EMAILADDRESS=a@b.example, CN=x",
        "1.2.840.113549.1.9.1=#160b" + b"a@b.example".hex() + ",CN=x",
    ):
        assert Name.parse(text) == plain


def test_names_with_escapes() -> None:
    assert Name.parse(r"CN=a\, O=b,C=DE") != Name.parse("CN=a,O=b,C=DE")


def test_a_waiver_has_a_last_day() -> None:
    """SHA-1 from a partner that can do no better, until the day that was agreed."""
    sha1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
    waiver = Waiver("rsa-sha1", NOW.date())
    assert sha1 in allowed([waiver], NOW).methods
    assert sha1 not in allowed([waiver], NOW + DAY).methods
    assert sha1 not in allowed([], NOW).methods
    assert "http://www.w3.org/2000/09/xmldsig#sha1" not in allowed([waiver], NOW).digests
