"""What the gateway signs it verifies, in every combination that it offers."""

from datetime import timedelta

import pytest
from lxml import etree

from gateway.errors import Inexpressible, Untrusted
from gateway.security import wsse
from gateway.security.c14n import canonical
from gateway.security.keys import Trust
from gateway.security.profile import Profile
from gateway.security.timestamp import Freshness
from gateway.security.unverified import Unverified
from tests.support.wss import (
    METHODS,
    NOW,
    SOAP_11,
    SOAP_12,
    STYLES,
    WSA,
    body,
    c14n,
    make_certificate,
    message,
    own,
    private_key,
    profile,
    signed,
    signing,
    verified,
)

RELATIVE = message(b'<p:Pay xmlns:p="UR"/>')
MESSAGE_ID = f'<a:MessageID xmlns:a="{WSA}">urn:uuid:7</a:MessageID>'.encode()


def code_of(data: bytes, how: Profile | None = None, **options: object) -> str:
    with pytest.raises(Unverified) as caught:
        verified(data, how, **options)  # type: ignore[arg-type]
    return caught.value.code


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_every_algorithm(kind: str, method: str, space: str) -> None:
    data = signed(message(space=space), signing(kind, method))
    found = verified(data, profile(kind))
    assert c14n(found.body) == c14n(body())
    assert found.certificate is own(kind).certificate
    assert found.body.getparent() is None


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_every_key_reference(style: str, kind: str) -> None:
    data = signed(how=signing(kind, style=style))
    assert c14n(verified(data, profile(kind)).body) == c14n(body())


@pytest.mark.parametrize("prefixes", [("s",), ("s", "x", "none"), ("#default",), ("#default", "s")])
@pytest.mark.parametrize("more", ["", 'xmlns="urn:d"', 'xmlns="urn:d" xmlns:x="urn:other"'])
def test_prefix_lists(prefixes: tuple[str, ...], more: str) -> None:
    data = signed(message(more=more), signing(inclusive_prefixes=prefixes))
    assert b"PrefixList" in data
    assert c14n(verified(data).body) == c14n(body())


@pytest.mark.parametrize(
    "more",
    [
        'xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#"',
        'xmlns:ec="urn:other"',
        'xmlns:x="urn:x" xmlns:a-b="urn:a" xmlns:a="urn:a" xmlns="urn:d"',
        'xmlns:ds="urn:ds" xmlns:wsu="urn:wsu" xmlns:wsse="urn:wsse"',
    ],
)
def test_a_prefix_list_with_whatever_is_in_scope(more: str) -> None:
    """What is signed is written as it is canonicalised, whatever its prefixes mean around it."""
    prefixes = ("x", "ec", "wsu", "ds", "#default", "a", "a-b", "s", "wsse", "xml")
    data = signed(message(more=more), signing(inclusive_prefixes=prefixes))
    assert c14n(verified(data).body) == c14n(body())
    read = etree.fromstring(data)
    info = read.find(".//{http://www.w3.org/2000/09/xmldsig#}SignedInfo")
    assert info is not None
    assert canonical(info, prefixes, 100_000) in data


def test_a_namespace_that_canonicalisers_write_differently_is_not_listed() -> None:
    """libxml2 leaves out the escapes of Canonical XML 1.0, 2.3."""
    with pytest.raises(Inexpressible, match="no-canonical-form"):
        signed(message(more='xmlns:x="urn:a&amp;b"'), signing(inclusive_prefixes=("x",)))


def test_headers_are_signed_and_handed_on() -> None:
    name = f"{{{WSA}}}MessageID"
    data = signed(message(headers=MESSAGE_ID), signing(headers=frozenset({name})))
    how = profile(required=frozenset({name}))
    found = verified(data, how)
    assert [(each.tag, each.text) for each in found.headers] == [(name, "urn:uuid:7")]
    assert found.ids[1:] == ("id:urn:uuid:7",)


def test_a_header_that_is_not_signed_is_not_handed_on() -> None:
    assert verified(signed(message(headers=MESSAGE_ID))).headers == ()


def test_a_required_header_has_to_be_signed() -> None:
    data = signed(message(headers=MESSAGE_ID))
    how = profile(required_for={"Pay": frozenset({f"{{{WSA}}}MessageID"})})
    assert code_of(data, how) == "coverage"
    assert verified(data, profile(required_for={"Other": frozenset({"{urn:a}b"})}))


def test_a_username_token_is_signed_with_the_rest() -> None:
    token = wsse.write(wsse.UsernameToken("acme", "secret"), SOAP_11)
    data = signed(message(headers=etree.tostring(token)))
    assert verified(data, profile(required=frozenset({"UsernameToken"})))
    changed = data.replace(b">secret<", b">Secret<")
    assert code_of(changed) == "digest"


def test_what_comes_back_was_read_from_what_was_hashed() -> None:
    """A prefix that no signature covers is gone, so it cannot be bound to something else."""
    content = b'<p:Pay xmlns:p="urn:p" kind="x:Big"/>'
    data = signed(message(content, more='xmlns:x="urn:x"'))
    rebound = data.replace(b'xmlns:x="urn:x"', b'xmlns:x="urn:evil"')
    for each in (data, rebound):
        assert "x" not in verified(each).body.nsmap
    covered = signed(message(content, more='xmlns:x="urn:x"'), signing(inclusive_prefixes=("x",)))
    assert verified(covered).body.nsmap["x"] == "urn:x"
    assert code_of(covered.replace(b'xmlns:x="urn:x"', b'xmlns:x="urn:evil"')) == "signature"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"18.50", b"98.50", "digest"),
        (b'currency="EUR"', b'currency="SEK"', "digest"),
        (b"urn:example:pay", b"urn:example:PAY", "digest"),
        (b"<p:to>", b"<p:to >", None),
        (b"<p:to>", b"<p:to><!-- a comment -->", None),
        (b">A1<", b">A<!-- -->1<", None),
        (b">A1<", b">A<![CDATA[1]]><", None),
        (b">A1<", b">&#65;1<", None),
        (b">A1<", b"> A1<", "digest"),
        (b"T12:00:00.000Z</wsu:Created>", b"T12:00:01.000Z</wsu:Created>", "digest"),
        (b"<s:Header>", b"<s:Header>\n ", None),
    ],
)
def test_what_was_signed_cannot_change(old: bytes, new: bytes, code: str | None) -> None:
    """And what canonicalisation makes equal is equal: comments are not part of a message."""
    data = signed()
    assert data.count(old) == 1
    changed = data.replace(old, new)
    if code:
        assert code_of(changed) == code
    else:
        assert c14n(verified(changed).body) == c14n(body())


def test_the_wrong_key() -> None:
    stranger = own("rsa", "stranger")
    how = Profile(partner="acme", trust=Trust([stranger.certificate]))
    assert code_of(signed(), how) == "key-unknown"


def test_a_certificate_of_another_kind_of_key() -> None:
    """The message says RSA and names an ECDSA certificate that is trusted."""
    data = signed(how=signing("p256", style="thumbprint"))
    changed = data.replace(b"ecdsa-sha256", b"rsa-sha256")
    assert code_of(changed, profile("p256")) == "key-mismatch"


def test_a_certificate_with_another_key_under_the_same_name() -> None:
    """Issuer and serial fit, the key does not: the signature is what counts."""
    mine = own("rsa")
    other = private_key("rsa", "other")
    twin = make_certificate(other, "acme", serial=mine.certificate.serial)
    data = signed(how=signing(style="issuer-serial"))
    assert code_of(data, Profile(partner="acme", trust=Trust([twin]))) == "signature"


def test_times() -> None:
    data = signed()
    assert verified(data, now=NOW + timedelta(minutes=5, seconds=59))
    assert code_of(data, now=NOW + timedelta(minutes=6, seconds=1)) == "timestamp-expired"
    assert verified(data, now=NOW - timedelta(seconds=59))
    assert code_of(data, now=NOW - timedelta(seconds=61)) == "timestamp-future"


def test_an_hour_in_expires_does_not_make_it_good_for_an_hour() -> None:
    data = signed(freshness=Freshness(lifetime=timedelta(hours=1)))
    assert code_of(data, now=NOW + timedelta(minutes=7)) == "timestamp-expired"


def test_a_short_expires_counts() -> None:
    data = signed(freshness=Freshness(lifetime=timedelta(seconds=1)))
    assert verified(data, now=NOW + timedelta(seconds=60))
    assert code_of(data, now=NOW + timedelta(seconds=62)) == "timestamp-expired"


def test_ids_are_those_of_the_content_not_of_the_signature_value() -> None:
    """Two ECDSA signatures of one content are the same message."""
    data = signed(how=signing("p256"))
    first = verified(data, profile("p256"))
    assert first.ids == verified(data.replace(b"<s:Header>", b"<s:Header> "), profile("p256")).ids
    assert first.ids != verified(signed(how=signing("p256")), profile("p256")).ids
    assert first.until == NOW + timedelta(minutes=7)


def test_no_trust_no_verification() -> None:
    assert code_of(signed(), Profile(partner="acme")) == "key-unknown"


def test_an_unsigned_message() -> None:
    assert code_of(message()) == "security-header"
    token = wsse.write(wsse.UsernameToken("acme", "secret"), SOAP_11)
    assert code_of(message(headers=etree.tostring(token))) == "signature-count"


def test_the_body_has_one_element() -> None:
    data = signed(message(body() + body()))
    assert code_of(data) == "envelope"


def test_signing_what_is_no_message() -> None:
    for bad in (b"", b"<a/>", b"<a", b"<s:Envelope xmlns:s='%s'/>" % SOAP_11.encode(), RELATIVE):
        with pytest.raises(Inexpressible):
            signed(bad)


def test_a_message_without_a_header_gets_one() -> None:
    data = message().replace(b"<s:Header></s:Header>", b"")
    assert verified(signed(data))


def test_a_refusal_is_untrusted() -> None:
    with pytest.raises(Untrusted, match=r"^digest: "):
        verified(signed().replace(b"18.50", b"98.50"))


def test_the_canonical_form_is_bounded() -> None:
    """A declaration that is written again for each of many elements does not fill the memory."""
    long = "urn:" + "x" * 10_000
    inner = "".join(f"<p:e{number}/>" for number in range(1000))
    root = etree.fromstring(f'<a xmlns:p="{long}">{inner}</a>')
    with pytest.raises(Unverified) as caught:
        canonical(root, None, 1_000_000)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize("prefixes", [None, ["x"], ["#default"], ["#default", "x", "y"]])
def test_an_element_in_place_is_canonicalised_as_if_it_stood_alone(
    prefixes: list[str] | None,
) -> None:
    """Namespaces from above count, the rest of the document does not."""
    root = etree.fromstring(
        '<e xmlns="urn:d" xmlns:x="urn:x" xmlns:y="urn:y">t<y:b at="x:q"><c xmlns=""><x:d/></c>'
        "</y:b>tail</e>"
    )
    alone = etree.fromstring(etree.tostring(root[0], with_tail=False))
    expected = canonical(alone, prefixes, 10_000)
    assert canonical(root[0], prefixes, 10_000) == expected
    assert (b'xmlns="urn:d"' in expected) == ("#default" in (prefixes or ()))
    assert (b'<y:b xmlns:x="urn:x"' in expected) == (prefixes == ["x"])
