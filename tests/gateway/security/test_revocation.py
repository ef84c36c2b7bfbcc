"""Certificates that their issuer has withdrawn: by its lists, current and good ones only."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import ConfigError
from gateway.security import keys, revocation
from gateway.security.certificates import Certificate, Name
from gateway.security.key_info import KeyReference
from gateway.security.keys import Authority, Trust
from gateway.security.revocation import Revocations
from gateway.security.unverified import Unverified
from tests.gateway.security.test_keys import CA, CA_EXTENSIONS, ROOT, issued
from tests.support.wss import NOW, make_certificate, private_key

DAY = timedelta(days=1)
LEAF, OTHER = issued("acme"), issued("acme", private_key("p256"))
BETWEEN_KEY = private_key("p256", "between")
BETWEEN = issued("between", BETWEEN_KEY, extensions=CA_EXTENSIONS[:2])
BELOW = issued("acme", by=(BETWEEN, BETWEEN_KEY), extensions=[])


def listed(
    *certificates: Certificate,
    by: Certificate = ROOT,
    key: Any = CA,
    begins: datetime = NOW - DAY,
    ends: datetime | None = NOW + DAY,
    extension: x509.ExtensionType | None = None,
) -> x509.CertificateRevocationList:
    """A list of an issuer."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(by.parsed.subject)
    builder = builder.last_update(begins).next_update(ends or NOW)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    for each in certificates:
        row = x509.RevokedCertificateBuilder().serial_number(each.serial).revocation_date(begins)
        builder = builder.add_revoked_certificate(row.build())
    return builder.sign(key, hashes.SHA256())


def code(
    *lists: x509.CertificateRevocationList,
    leaf: Certificate = LEAF,
    others: tuple[Certificate, ...] = (),
    now: datetime = NOW,
) -> str:
    """What a trust with these lists says of a certificate."""
    authority = Authority([ROOT], Name.parse("CN=acme"), Revocations(lists))
    reference = KeyReference(certificate=leaf, others=others)
    for _ in range(2):  # the chain is built, then remembered
        try:
            Trust((), authority).certificate(reference, now)
        except Unverified as error:
            found = error.code
        else:
            found = "good"  # type: ignore[assignment]
    return found


def test_on_the_list_and_not() -> None:
    assert code(listed()) == "good"
    assert code(listed(OTHER)) == "good"
    assert code(listed(OTHER, LEAF)) == "certificate-revoked"
    assert code(listed(), listed(LEAF)) == "certificate-revoked"


def test_only_a_current_list_lets_pass() -> None:
    """But what an old one withdraws stays withdrawn."""
    old = {"begins": NOW - 2 * DAY, "ends": NOW - DAY}
    assert code() == "revocation-list"
    assert code(listed(**old)) == "revocation-list"  # type: ignore[arg-type]
    assert code(listed(), now=NOW + 2 * DAY) == "revocation-list"
    assert code(listed(begins=NOW + DAY, ends=NOW + 2 * DAY)) == "revocation-list"
    assert code(listed(**old), listed()) == "good"  # type: ignore[arg-type]
    assert code(listed(LEAF, **old), listed()) == "certificate-revoked"  # type: ignore[arg-type]


def test_a_list_of_somebody_else_means_nothing() -> None:
    """Neither does it withdraw anything, nor does it let pass: by its name and by its key."""
    stranger = private_key("p256", "stranger")
    same_name = make_certificate(stranger, "authority", extensions=CA_EXTENSIONS)
    forged = listed(LEAF, key=stranger)
    assert code(listed(), forged) == "good"
    assert code(forged) == "revocation-list"
    assert code(listed(by=same_name, key=stranger)) == "revocation-list"
    assert code(listed(by=BETWEEN, key=BETWEEN_KEY)) == "revocation-list"


def test_a_chain_of_two() -> None:
    """The issuer of the certificate has to have a current list; what is above may have one."""
    both = listed(by=BETWEEN, key=BETWEEN_KEY)
    assert code(both, leaf=BELOW, others=(BETWEEN,)) == "good"
    assert code(listed(), leaf=BELOW, others=(BETWEEN,)) == "revocation-list"
    assert code(both, listed(BETWEEN), leaf=BELOW, others=(BETWEEN,)) == "certificate-revoked"
    gone = listed(BELOW, by=BETWEEN, key=BETWEEN_KEY)
    assert code(gone, leaf=BELOW, others=(BETWEEN,)) == "certificate-revoked"


def test_what_is_pinned_needs_no_list() -> None:
    authority = Authority([ROOT], Name.parse("CN=acme"), Revocations([]))
    trust = Trust([LEAF], authority)
    assert trust.certificate(KeyReference(certificate=LEAF), NOW) is LEAF


def test_files(tmp_path: Path) -> None:
    """PEM with several, DER; and those that cannot be used."""
    path, pem = tmp_path / "crl.pem", Encoding.PEM
    path.write_bytes(listed(LEAF).public_bytes(pem) + b"text\n" + listed().public_bytes(pem))
    assert [len(each) for each in revocation.load(path).lists] == [1, 0]
    path.write_bytes(listed(LEAF).public_bytes(Encoding.DER))
    assert [len(each) for each in revocation.load(path).lists] == [1]
    anchor = tmp_path / "ca.pem"
    anchor.write_bytes(ROOT.parsed.public_bytes(pem))
    with pytest.raises(Unverified, match="certificate-revoked"):
        keys.authority(anchor, "CN=acme", path).check(LEAF, (), NOW)
    delta = listed(extension=x509.DeltaCRLIndicator(1)).public_bytes(pem)
    for content in (b"", b"x", delta, ROOT.parsed.public_bytes(pem), path.read_bytes()[:-20]):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"crl\.pem"):
            revocation.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        revocation.load(tmp_path / "none")
