"""Attacks on signed messages: each makes of a good message one that must be refused, and says why.

Source: McIntosh and Austel (2005) and Somorovsky et al. (2012) for the wrapping families XSW 1 to
8, here on SOAP; W3C "XML Signature Best Practices"; the test cases of the tool-kits for the rest.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha1, sha256
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

from gateway.security.wsse import SECURITY, WSSE, WSU
from tests.support.wss import SOAP_11, WSA, key_reference, own, signed

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
_S, _D, _U = f"{{{SOAP_11}}}", f"{{{DS}}}", f"{{{WSU}}}"
ID = f"{_U}Id"


class Attack(NamedTuple):
    """``make`` takes the root of a good message and gives the bytes of the attack."""

    name: str
    codes: tuple[str, ...]
    make: Callable[["Parts"], bytes | None]

    def __str__(self) -> str:
        return self.name


class Parts:
    """A good message taken apart; attacks change it in place."""

    def __init__(self, data: bytes) -> None:
        self.root = etree.fromstring(data)
        self.header, self.body = self.root
        self.security = self.header.find(SECURITY)
        self.signature = self.security.find(f"{_D}Signature")
        self.info, self.value, self.key = self.signature
        self.token = self.security.find(f"{{{WSSE}}}BinarySecurityToken")
        self.stamp = self.security.find(f"{_U}Timestamp")
        self.message_id = self.header.find(f"{{{WSA}}}MessageID")
        self.references = self.info.findall(f"{_D}Reference")

    def bytes(self) -> bytes:
        return etree.tostring(self.root)

    def reference(self, element: Element) -> Element:
        """The Reference to an element."""
        uri = f"#{element.get(ID)}"
        return next(each for each in self.references if each.get("URI") == uri)

    def evil_body(self, id: str | None = None) -> Element:
        """A Body with another amount."""
        evil = deepcopy(self.body)
        evil[0][0].text = "9999.99"
        if id is None:
            del evil.attrib[ID]
        else:
            evil.set(ID, id)
        return evil


ATTACKS: list[Attack] = []


def attack(
    *codes: str, name: str = ""
) -> Callable[[Callable[[Parts], bytes | None]], Callable[[Parts], bytes | None]]:
    """Add a function to the corpus; it may change the parts in place, or give the bytes."""

    def add(make: Callable[[Parts], bytes | None]) -> Callable[[Parts], bytes | None]:
        ATTACKS.append(Attack(name or make.__name__, codes, make))
        return make

    return add


def made(one: Attack, data: bytes) -> bytes:
    """The attack on a good message."""
    parts = Parts(data)
    return one.make(parts) or parts.bytes()


# ---------------------------------------------------------------- wrapping: the Body is moved


def _wrapper(parent: Element, tag: str, place: int | None = None) -> Element:
    wrapper = etree.Element(tag)
    parent.insert(len(parent) if place is None else place, wrapper)
    return wrapper


_HIDING_PLACES: dict[str, Callable[[Parts], Element]] = {
    "a header block at the end": lambda p: _wrapper(p.header, "{urn:w}Wrapper"),
    "a header block at the start": lambda p: _wrapper(p.header, "{urn:w}Wrapper", 0),
    "a header block within another": lambda p: _wrapper(
        _wrapper(p.header, "{urn:w}Outer"), "{urn:w}Wrapper"
    ),
    "Header itself": lambda p: p.header,
    "Security": lambda p: p.security,
    "a wrapper in Security": lambda p: _wrapper(p.security, "{urn:w}Wrapper"),
    "the Signature": lambda p: p.signature,
    "an Object in the Signature": lambda p: _wrapper(p.signature, f"{_D}Object"),
    "SignatureProperties": lambda p: _wrapper(
        _wrapper(p.signature, f"{_D}Object"), f"{_D}SignatureProperties"
    ),
    "KeyInfo": lambda p: p.key,
    "a wrapper in KeyInfo": lambda p: _wrapper(p.key, "{urn:w}Wrapper"),
    "the token": lambda p: p.token,
    "the Timestamp": lambda p: p.stamp,
    "another signed header": lambda p: p.message_id,
    "a Reference": lambda p: p.references[0],
    "the Envelope before the Header": lambda p: _wrapper(p.root, "{urn:w}Wrapper", 0),
    "the Envelope after the Body": lambda p: _wrapper(p.root, "{urn:w}Wrapper"),
}
_CODES = {
    "Header itself": ("reference-place", "coverage"),
    "Security": ("security-child",),
    "a wrapper in Security": ("security-child",),
    "the Signature": ("signature-form",),
    "an Object in the Signature": ("signature-form",),
    "SignatureProperties": ("signature-form",),
    "KeyInfo": ("key-info",),
    "a wrapper in KeyInfo": ("key-info",),
    "the token": ("key-info",),
    "the Timestamp": ("timestamp-form",),
    "another signed header": ("reference-place",),
    "a Reference": ("signature-form",),
    "the Envelope before the Header": ("envelope",),
    "the Envelope after the Body": ("envelope",),
}


def _moved(place: str, evil_id: str | None) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        evil = parts.evil_body(evil_id)
        parts.root.replace(parts.body, evil)
        _HIDING_PLACES[place](parts).append(parts.body)

    return make


for _place in _HIDING_PLACES:
    _expected = (*_CODES.get(_place, ("reference-place",)), "reference-place")
    attack(*_expected, name=f"Body moved to {_place}, a new one without id")(_moved(_place, None))
    attack(*_expected, name=f"Body moved to {_place}, a new one with another id")(
        _moved(_place, "evil")
    )


def _moved_same_id(place: str) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        evil = parts.evil_body(parts.body.get(ID))
        parts.root.replace(parts.body, evil)
        _HIDING_PLACES[place](parts).append(parts.body)

    return make


for _place in _HIDING_PLACES:
    attack("ids", *_CODES.get(_place, ()), name=f"Body moved to {_place}, the new one has its id")(
        _moved_same_id(_place)
    )


def _xsw(number: int) -> Callable[[Parts], None]:
    """The eight families, with the Body for the assertion and the Envelope for the response."""

    def make(parts: Parts) -> None:
        original = deepcopy(parts.body)
        if number == 1:  # a copy of the whole message within the Signature, before it the new one
            copy = deepcopy(parts.root)
            parts.signature.append(copy)
            parts.body[0][0].text = "9999.99"
        elif number == 2:  # the same beside the Signature
            copy = deepcopy(parts.root)
            copy[0].find(SECURITY).remove(copy[0].find(SECURITY).find(f"{_D}Signature"))
            parts.security.insert(0, copy)
            parts.body[0][0].text = "9999.99"
        elif number == 3:  # an unsigned Body first
            parts.root.insert(1, parts.evil_body())
        elif number == 4:  # the signed Body within the unsigned one
            evil = parts.evil_body()
            parts.root.replace(parts.body, evil)
            evil.append(original)
        elif number == 5:  # the unsigned one gets the id, the signed one goes to the end
            evil = parts.evil_body("evil")
            parts.root.replace(parts.body, evil)
            parts.root.append(original)
        elif number == 6:  # the signed one within the Signature
            parts.body[0][0].text = "9999.99"
            parts.body.set(ID, "evil")
            parts.signature.append(original)
        elif number == 7:  # within an extension point of the message
            extension = etree.SubElement(parts.header, "{urn:w}Extensions")
            extension.append(original)
            parts.body[0][0].text = "9999.99"
            parts.body.set(ID, "evil")
        else:  # within an Object of the Signature
            holder = etree.SubElement(parts.signature, f"{_D}Object")
            holder.append(original)
            parts.body[0][0].text = "9999.99"
            parts.body.set(ID, "evil")

    return make


_XSW_CODES = {
    1: ("security-header",),
    2: ("security-header",),
    3: ("envelope",),
    4: ("reference-place",),
    5: ("envelope",),
    6: ("signature-form",),
    7: ("reference-place",),
    8: ("signature-form",),
}
for _number, _code in _XSW_CODES.items():
    attack(*_code, name=f"XSW {_number}")(_xsw(_number))


# ---------------------------------------------------------------- wrapping: other parts


@attack("reference-place")
def timestamp_moved_to_a_header_block(parts: Parts) -> None:
    """An old signature gets a new Timestamp."""
    fresh = deepcopy(parts.stamp)
    del fresh.attrib[ID]
    parts.security.replace(parts.stamp, fresh)
    _wrapper(parts.header, "{urn:w}Wrapper").append(parts.stamp)


@attack("security-child")
def second_timestamp(parts: Parts) -> None:
    fresh = deepcopy(parts.stamp)
    fresh.set(ID, "fresh")
    parts.security.insert(0, fresh)


@attack("reference-place", "coverage")
def timestamp_as_a_header_block(parts: Parts) -> None:
    fresh = deepcopy(parts.stamp)
    fresh.set(ID, "fresh")
    parts.security.replace(parts.stamp, fresh)
    parts.header.append(parts.stamp)


@attack("coverage")
def no_timestamp(parts: Parts) -> None:
    """Taken away together with its Reference: coverage is looked at before the signature."""
    parts.info.remove(parts.reference(parts.stamp))
    parts.security.remove(parts.stamp)


@attack("reference-place")
def timestamp_gone_reference_stays(parts: Parts) -> None:
    parts.security.remove(parts.stamp)


@attack("coverage")
def body_is_not_referred_to(parts: Parts) -> None:
    parts.info.remove(parts.reference(parts.body))
    parts.body[0][0].text = "9999.99"


@attack("coverage")
def signed_header_block_doubled(parts: Parts) -> None:
    """The unsigned one first, where a reader would take it from."""
    evil = deepcopy(parts.message_id)
    evil.text = "urn:uuid:8"
    del evil.attrib[ID]
    parts.header.insert(0, evil)


@attack("reference-place", "coverage")
def signed_header_block_within_another(parts: Parts) -> None:
    evil = deepcopy(parts.message_id)
    evil.text = "urn:uuid:8"
    evil.set(ID, "evil")
    parts.header.replace(parts.message_id, evil)
    _wrapper(parts.header, "{urn:w}Wrapper").append(parts.message_id)


@attack("reference-place")
def header_block_as_the_body(parts: Parts) -> None:
    """What was signed as a header is now the operation."""
    parts.root.remove(parts.body)
    new = etree.SubElement(parts.root, f"{_S}Body")
    new.append(parts.message_id)


@attack("digest", "coverage")
def ids_of_body_and_header_changed_over(parts: Parts) -> None:
    first, second = parts.body.get(ID), parts.message_id.get(ID)
    parts.body.set(ID, second)
    parts.message_id.set(ID, first)


@attack("envelope")
def body_before_the_header(parts: Parts) -> None:
    parts.root.insert(0, parts.body)


@attack("envelope")
def two_headers(parts: Parts) -> None:
    parts.root.insert(0, etree.Element(f"{_S}Header"))


@attack("envelope")
def the_body_is_of_the_other_soap_version(parts: Parts) -> None:
    parts.body.tag = "{http://www.w3.org/2003/05/soap-envelope}Body"


@attack("envelope")
def a_message_within_a_message(parts: Parts) -> None:
    outer = etree.Element("{urn:w}Outer")
    outer.append(parts.root)
    parts.root = outer


@attack("envelope")
def no_message_at_all(parts: Parts) -> None:
    parts.root = parts.signature


@attack("envelope")
def the_root_is_not_in_the_namespace(parts: Parts) -> None:
    parts.root.tag = "{urn:w}Envelope"


@attack("digest", "envelope")
def a_second_child_of_the_body(parts: Parts) -> None:
    parts.body.insert(0, parts.evil_body()[0])


# ---------------------------------------------------------------- namespaces


@attack("digest")
def the_prefix_of_the_payload_is_bound_to_something_else(parts: Parts) -> bytes:
    return parts.bytes().replace(b'xmlns:p="urn:example:pay"', b'xmlns:p="urn:evil"')


@attack("security-header")
def the_prefix_of_security_is_bound_to_something_else(parts: Parts) -> bytes:
    old = f'xmlns:wsse="{WSSE}"'.encode()
    assert old in parts.bytes()
    return parts.bytes().replace(old, b'xmlns:wsse="urn:evil"', 1)


@attack("signature-count", "security-child")
def the_namespace_of_the_signature_with_a_letter_more(parts: Parts) -> bytes:
    return parts.bytes().replace(DS.encode() + b'"', DS.encode() + b'x"')


@attack("reference-place")
def ids_without_a_namespace(parts: Parts) -> None:
    parts.body.set("Id", parts.body.attrib.pop(ID))


@attack("reference-place")
def ids_in_another_namespace(parts: Parts) -> None:
    parts.body.set("{urn:evil}Id", parts.body.attrib.pop(ID))


@attack("reference-place")
def ids_of_xml(parts: Parts) -> None:
    parts.body.set("{http://www.w3.org/XML/1998/namespace}id", parts.body.attrib.pop(ID))


@attack("digest")
def the_prefix_is_bound_again_below(parts: Parts) -> None:
    child = parts.body[0]
    child[0].tag = "{urn:evil}amount"


@attack("digest")
def default_namespace_on_the_body(parts: Parts) -> bytes:
    data = parts.bytes()
    return data.replace(b"<p:to>A1</p:to>", b'<to xmlns="urn:example:pay">A1</to>')


# ---------------------------------------------------------------- duplicate ids


def _duplicate(where: str, attribute: str) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        element = {
            "payload": parts.body[0],
            "header": etree.SubElement(parts.header, "{urn:w}Block"),
            "token": parts.token,
            "signature": parts.signature,
            "envelope": parts.root,
        }[where]
        element.set(attribute, parts.body.get(ID) or "")

    return make


for _where in ("payload", "header", "token", "signature", "envelope"):
    for _attribute in (ID, "Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"):
        _name = f"id of the Body again: {_attribute.rpartition('}')[2]} of the {_where}"
        _name += {"{": " (namespace)", "I": "", "i": ""}[_attribute[0]]
        _name += " (xml)" if "XML/1998" in _attribute else ""
        attack("ids", "signature-form", "key-info", name=_name)(_duplicate(_where, _attribute))


@attack("ids")
def an_id_with_a_blank(parts: Parts) -> None:
    parts.body[0].set(ID, f" {parts.body.get(ID)} ")


@attack("ids")
def thousands_of_ids(parts: Parts) -> None:
    for number in range(2000):
        etree.SubElement(parts.body[0], "x").set(ID, f"i{number}")


# ---------------------------------------------------------------- References


def _uri(uri: str) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        parts.reference(parts.body).set("URI", uri)

    return make


for _uri_value in (
    "",
    "#",
    "#xpointer(/)",
    "#xpointer(id('x'))",
    "#element(/1/2)",
    "cid:part@example",
    "http://example.com/body.xml",
    "file:///etc/hostname",
    "message.xml#b",
    "# b",
    "#" + "b" * 200,
    "#b'or'1'='1",
    "#b]|//*[1",
    "#ü",
):
    attack("reference", name=f"URI {_uri_value[:20]!r}")(_uri(_uri_value))


@attack("signature-form", "reference")
def no_uri(parts: Parts) -> None:
    del parts.reference(parts.body).attrib["URI"]


@attack("signature-form")
def reference_with_the_type_of_a_manifest(parts: Parts) -> None:
    parts.reference(parts.body).set("Type", f"{DS}Manifest")


@attack("signature-form")
def reference_to_a_manifest(parts: Parts) -> None:
    holder = etree.SubElement(parts.signature, f"{_D}Object")
    manifest = etree.SubElement(holder, f"{_D}Manifest", {"Id": "manifest"})
    manifest.append(parts.reference(parts.body))
    fresh = deepcopy(manifest[0])
    fresh.set("URI", "#manifest")
    fresh.set("Type", f"{DS}Manifest")
    parts.info.append(fresh)
    parts.body[0][0].text = "9999.99"


@attack("reference")
def the_same_reference_twice(parts: Parts) -> None:
    parts.info.append(deepcopy(parts.references[0]))


@attack("signature-form")
def many_references(parts: Parts) -> None:
    for _ in range(100):
        parts.info.append(deepcopy(parts.references[0]))


@attack("signature-form")
def no_references(parts: Parts) -> None:
    for each in parts.references:
        parts.info.remove(each)


@attack("reference-place")
def reference_to_the_signed_info(parts: Parts) -> None:
    parts.info.set("Id", "info")
    parts.reference(parts.body).set("URI", "#info")


@attack("reference-place")
def reference_to_the_security_header(parts: Parts) -> None:
    parts.security.set(ID, "security")
    parts.reference(parts.body).set("URI", "#security")


@attack("reference-place")
def reference_to_the_envelope(parts: Parts) -> None:
    parts.root.set(ID, "envelope")
    parts.reference(parts.body).set("URI", "#envelope")


@attack("reference-place")
def reference_to_the_child_of_the_body(parts: Parts) -> None:
    parts.body[0].set(ID, "child")
    parts.reference(parts.body).set("URI", "#child")


# ---------------------------------------------------------------- transforms


def _transform(algorithm: str, inner: str = "", keep: bool = False) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        transforms = parts.reference(parts.body)[0]
        new = etree.fromstring(
            f'<Transform xmlns="{DS}" Algorithm="{algorithm}">{inner}</Transform>'
        )
        if keep:
            transforms.insert(0, new)
        else:
            transforms.replace(transforms[0], new)

    return make


_TRANSFORMS = {
    "http://www.w3.org/TR/1999/REC-xpath-19991116": "<XPath>ancestor-or-self::x</XPath>",
    "http://www.w3.org/2002/06/xmldsig-filter2": "",
    "http://www.w3.org/TR/1999/REC-xslt-19991116": (
        '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0"/>'
    ),
    f"{DS}base64": "",
    f"{DS}enveloped-signature": "",
    "http://www.w3.org/2002/07/decrypt#XML": "",
    "http://docs.oasis-open.org/wss/2004/01/"
    "oasis-200401-wss-soap-message-security-1.0#STR-Transform": "",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315": "",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": "",
    "http://www.w3.org/2006/12/xml-c14n11": "",
    "http://www.w3.org/2010/xml-c14n2": "",
    f"{EXC}WithComments": "",
    "": "",
}
for _algorithm, _inner in _TRANSFORMS.items():
    _short = _algorithm.rpartition("/")[2] or "of nothing"
    attack("transform", name=f"transform {_short} alone")(_transform(_algorithm, _inner))
    if not _algorithm.endswith("enveloped-signature"):
        attack("transform", name=f"transform {_short} first")(
            _transform(_algorithm, _inner, keep=True)
        )


@attack("transform")
def exclusive_canonicalisation_twice(parts: Parts) -> None:
    transforms = parts.references[0][0]
    transforms.append(deepcopy(transforms[0]))


@attack("transform")
def hundreds_of_transforms(parts: Parts) -> None:
    transforms = parts.references[0][0]
    for _ in range(500):
        transforms.append(deepcopy(transforms[0]))


@attack("signature-form", "transform")
def no_transforms(parts: Parts) -> None:
    reference = parts.references[0]
    reference.remove(reference[0])


@attack("transform")
def empty_transforms(parts: Parts) -> None:
    del parts.references[0][0][0]


@attack("transform")
def enveloped_with_content(parts: Parts) -> None:
    _transform(f"{DS}enveloped-signature", "<XPath>x</XPath>", keep=True)(parts)


# ---------------------------------------------------------------- prefix lists


def _prefixes(prefixes: str, where: str) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        holder = parts.info[0] if where == "SignedInfo" else parts.references[0][0][0]
        etree.SubElement(holder, f"{{{EXC}}}InclusiveNamespaces", PrefixList=prefixes)

    return make


for _where in ("SignedInfo", "a Reference"):
    attack("prefix-list", name=f"prefix bomb in {_where}")(
        _prefixes(" ".join(f"p{number}" for number in range(10_000)), _where)
    )
    attack("prefix-list", name=f"seventeen prefixes in {_where}")(
        _prefixes(" ".join(f"p{number}" for number in range(17)), _where)
    )
    attack("prefix-list", name=f"a prefix of {_where} that is none")(_prefixes("a b:c", _where))
    attack("prefix-list", name=f"a long prefix in {_where}")(_prefixes("p" * 100, _where))
    attack("signature", name=f"a prefix added to {_where}")(_prefixes("s", _where))


@attack("prefix-list")
def two_prefix_lists(parts: Parts) -> None:
    for _ in range(2):
        _prefixes("s", "SignedInfo")(parts)


@attack("prefix-list")
def a_prefix_list_without_a_list(parts: Parts) -> None:
    etree.SubElement(parts.info[0], f"{{{EXC}}}InclusiveNamespaces")


@attack("prefix-list")
def something_else_in_the_place_of_a_prefix_list(parts: Parts) -> None:
    etree.SubElement(parts.info[0], "{urn:w}Parameter", PrefixList="s")


# ---------------------------------------------------------------- algorithms


def _algorithm_of(place: int, uri: str) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        parts.info[place].set("Algorithm", uri)

    return make


for _uri_value in (
    f"{DS}hmac-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    f"{DS}dsa-sha1",
    f"{DS}rsa-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
    " http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "none",
    "",
):
    attack("algorithm", name=f"signature method {_uri_value.rpartition('/')[2]!r}")(
        _algorithm_of(1, _uri_value)
    )
for _uri_value in (
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
    "http://www.w3.org/2006/12/xml-c14n11",
    f"{EXC}WithComments",
    "",
):
    attack("algorithm", name=f"canonicalisation {_uri_value.rpartition('/')[2]!r}")(
        _algorithm_of(0, _uri_value)
    )


def _digest_of(uri: str, value: Callable[[bytes], bytes]) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        reference = parts.reference(parts.body)
        reference[1].set("Algorithm", uri)
        reference[2].text = b64encode(value(etree.tostring(parts.body))).decode()

    return make


attack("algorithm", name="digest SHA-1")(_digest_of(f"{DS}sha1", lambda data: sha1(data).digest()))  # noqa: S324
attack("algorithm", name="digest MD5")(
    _digest_of("http://www.w3.org/2001/04/xmldsig-more#md5", lambda data: b"x" * 16)
)
attack("algorithm", name="digest that is none")(_digest_of("", lambda data: b"x" * 32))
attack("signature-form", name="digest cut short")(
    _digest_of(f"{XENC}sha256", lambda data: sha256(data).digest()[:10])
)
attack("signature-form", name="digest cut to nothing")(
    _digest_of(f"{XENC}sha256", lambda data: b"")
)


@attack("signature")
def digest_made_right_for_another_body(parts: Parts) -> None:
    """What is left is the signature over SignedInfo."""
    parts.body[0][0].text = "9999.99"
    content = etree.tostring(parts.body, method="c14n", exclusive=True)
    parts.reference(parts.body)[2].text = b64encode(sha256(content).digest()).decode()


@attack("algorithm")
def hmac_with_the_public_key(parts: Parts) -> None:
    """The signature is a message code under the key that everybody knows."""
    import hmac

    parts.body[0][0].text = "9999.99"
    content = etree.tostring(parts.body, method="c14n", exclusive=True)
    parts.reference(parts.body)[2].text = b64encode(sha256(content).digest()).decode()
    parts.info[1].set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    data = etree.tostring(parts.info, method="c14n", exclusive=True)
    key = own("rsa").certificate.der
    parts.value.text = b64encode(hmac.digest(key, data, "sha256")).decode()


@attack("signature-form")
def hmac_output_length(parts: Parts) -> None:
    etree.SubElement(parts.info[1], f"{_D}HMACOutputLength").text = "1"


# ---------------------------------------------------------------- the Signature itself


@attack("signature-count")
def second_signature(parts: Parts) -> None:
    parts.security.append(deepcopy(parts.signature))


@attack("signature-count")
def second_signature_in_the_body(parts: Parts) -> None:
    parts.body[0].append(deepcopy(parts.signature))


@attack("signature-count")
def second_signature_in_another_header(parts: Parts) -> None:
    _wrapper(parts.header, "{urn:w}Wrapper", 0).append(deepcopy(parts.signature))


@attack("signature-count")
def signature_taken_away(parts: Parts) -> None:
    parts.security.remove(parts.signature)


@attack("signature-place")
def signature_beside_the_security_header(parts: Parts) -> None:
    parts.header.append(parts.signature)


@attack("security-child")
def signature_deeper_in_the_security_header(parts: Parts) -> None:
    _wrapper(parts.security, "{urn:w}Wrapper").append(parts.signature)


@attack("security-header")
def second_security_header(parts: Parts) -> None:
    etree.SubElement(parts.header, SECURITY)


@attack("security-header")
def second_security_header_for_somebody_else(parts: Parts) -> None:
    etree.SubElement(parts.header, SECURITY, {f"{_S}actor": "urn:other"})


@attack("security-header")
def security_header_for_somebody_else(parts: Parts) -> None:
    parts.security.set(f"{_S}actor", "urn:other")


@attack("security-header")
def security_header_in_the_body(parts: Parts) -> None:
    parts.body[0].append(etree.Element(SECURITY))


@attack("security-header")
def security_header_deeper(parts: Parts) -> None:
    _wrapper(parts.header, "{urn:w}Wrapper").append(parts.security)


@attack("signature-form")
def object_in_the_signature(parts: Parts) -> None:
    etree.SubElement(parts.signature, f"{_D}Object").text = "x"


@attack("signature-form")
def text_in_the_signature(parts: Parts) -> None:
    parts.info.tail = "x"


@attack("signature-form")
def signed_info_twice(parts: Parts) -> None:
    parts.signature.insert(0, deepcopy(parts.info))


@attack("signature-form")
def signature_value_first(parts: Parts) -> None:
    parts.signature.insert(0, parts.value)


@attack("signature-form")
def no_key_info(parts: Parts) -> None:
    parts.signature.remove(parts.key)


@attack("signature")
def signature_value_of_zeros(parts: Parts) -> None:
    parts.value.text = b64encode(bytes(256)).decode()


@attack("signature")
def signature_value_cut_short(parts: Parts) -> None:
    parts.value.text = b64encode(b64decode(parts.value.text or "")[:-1]).decode()


@attack("signature-form")
def signature_value_empty(parts: Parts) -> None:
    parts.value.text = ""


@attack("signature-form")
def signature_value_with_a_child(parts: Parts) -> None:
    etree.SubElement(parts.value, "x").tail = parts.value.text


@attack("signature-form")
def signature_value_no_base64(parts: Parts) -> None:
    parts.value.text = "*" + (parts.value.text or "")


@attack("signature-form")
def a_huge_signature_value(parts: Parts) -> None:
    parts.value.text = "A" * 1_000_000


@attack("signature-form")
def signed_info_with_an_attribute(parts: Parts) -> None:
    parts.info.set("{urn:w}x", "y")


@attack("encrypted")
def an_encrypted_key(parts: Parts) -> None:
    key = etree.SubElement(parts.security, f"{{{XENC}}}EncryptedKey")
    etree.SubElement(key, f"{{{XENC}}}EncryptionMethod", Algorithm=f"{XENC}rsa-1_5")


@attack("encrypted")
def encrypted_content(parts: Parts) -> None:
    data = etree.SubElement(parts.body[0], f"{{{XENC}}}EncryptedData")
    etree.SubElement(data, f"{{{XENC}}}EncryptionMethod", Algorithm=f"{XENC}tripledes-cbc")


@attack("encrypted")
def an_encrypted_signature(parts: Parts) -> None:
    data = etree.Element(f"{{{XENC}}}EncryptedData")
    parts.security.replace(parts.signature, data)


@attack("security-child")
def an_unknown_child_of_security(parts: Parts) -> None:
    etree.SubElement(parts.security, "{urn:w}Assertion")


@attack("security-child")
def text_in_the_security_header(parts: Parts) -> None:
    parts.security.text = "x"


# ---------------------------------------------------------------- whose key


_STRANGER = "stranger"


def _token_of(which: str) -> Element:
    return etree.fromstring(key_reference("binary-token", own("rsa", which))[1])


@attack("key-unknown")
def somebody_elses_certificate(parts: Parts) -> None:
    parts.token.text = _token_of(_STRANGER).text


@attack("key-unknown", name="signed by a stranger")
def _by_a_stranger(parts: Parts) -> bytes:
    from gateway.security.profile import Signing

    how = Signing(
        own=own("rsa", _STRANGER),
        method="rsa-sha256",
        headers=frozenset({f"{{{WSA}}}MessageID"}),
    )
    parts.header.remove(parts.security)
    return signed(parts.bytes(), how)


@attack("signature", name="signed by a stranger, the token of the partner")
def _by_a_stranger_in_our_name(parts: Parts) -> bytes:
    forged = Parts(_by_a_stranger(parts))
    forged.token.text = b64encode(own("rsa").certificate.der).decode()
    return forged.bytes()


@attack("security-child")
def two_tokens(parts: Parts) -> None:
    second = _token_of(_STRANGER)
    parts.security.insert(0, second)


def _key_info(inner: str) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        new = etree.fromstring(f'<KeyInfo xmlns="{DS}" xmlns:o="{WSSE}">{inner}</KeyInfo>')
        parts.signature.replace(parts.key, new)

    return make


_CERTIFICATE = b64encode(own("rsa").certificate.der).decode()
_OTHER = b64encode(own("rsa", _STRANGER).certificate.der).decode()
_X509 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0"


def _data(certificate: str) -> str:
    return f"<X509Data><X509Certificate>{certificate}</X509Certificate></X509Data>"


_KEY_INFOS = {
    "empty": "",
    "KeyName": "<KeyName>acme</KeyName>",
    "KeyValue": "<KeyValue><RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent>"
    "</RSAKeyValue></KeyValue>",
    "RetrievalMethod": f'<RetrievalMethod URI="http://example.com/k" Type="{DS}X509Data"/>',
    "MgmtData": "<MgmtData>x</MgmtData>",
    "PGPData": "<PGPData/>",
    "text": "acme",
    "certificate and KeyValue": f"<X509Data><X509Certificate>{_CERTIFICATE}</X509Certificate>"
    "</X509Data><KeyValue/>",
    "two X509Data": f"<X509Data><X509Certificate>{_CERTIFICATE}</X509Certificate></X509Data>" * 2,
    "empty X509Data": "<X509Data/>",
    "X509CRL": "<X509Data><X509CRL>AQAB</X509CRL></X509Data>",
    "X509SubjectName alone": "<X509Data><X509SubjectName>CN=acme</X509SubjectName></X509Data>",
    "X509Certificate no base64": _data("%%%"),
    "X509Certificate no certificate": _data("AQAB"),
    "X509Certificate huge": _data("A" * 100_000),
    "two unrelated certificates": f"<X509Data><X509Certificate>{_CERTIFICATE}</X509Certificate>"
    f"<X509Certificate>{_OTHER}</X509Certificate></X509Data>",
    "many certificates": "<X509Data>"
    + f"<X509Certificate>{_CERTIFICATE}</X509Certificate>" * 50
    + "</X509Data>",
    "serial no number": "<X509Data><X509IssuerSerial><X509IssuerName>CN=a</X509IssuerName>"
    "<X509SerialNumber>0x10</X509SerialNumber></X509IssuerSerial></X509Data>",
    "serial of a thousand digits": "<X509Data><X509IssuerSerial><X509IssuerName>CN=a"
    f"</X509IssuerName><X509SerialNumber>{'1' * 1000}</X509SerialNumber></X509IssuerSerial>"
    "</X509Data>",
    "issuer no name": "<X509Data><X509IssuerSerial><X509IssuerName>((</X509IssuerName>"
    "<X509SerialNumber>1</X509SerialNumber></X509IssuerSerial></X509Data>",
    "empty STR": "<o:SecurityTokenReference/>",
    "embedded token": "<o:SecurityTokenReference><o:Embedded/></o:SecurityTokenReference>",
    "two references": "<o:SecurityTokenReference><o:Reference URI='#a'/><o:Reference URI='#a'/>"
    "</o:SecurityTokenReference>",
    "reference outside": '<o:SecurityTokenReference><o:Reference URI="http://example.com/c"/>'
    "</o:SecurityTokenReference>",
    "reference to the Body": '<o:SecurityTokenReference><o:Reference URI="#b"/>'
    "</o:SecurityTokenReference>",
    "reference to a SAML assertion": "<o:SecurityTokenReference><o:KeyIdentifier "
    'ValueType="http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLID">x'
    "</o:KeyIdentifier></o:SecurityTokenReference>",
    "thumbprint of 19 bytes": "<o:SecurityTokenReference><o:KeyIdentifier ValueType="
    '"http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1">'
    f"{b64encode(b'x' * 19).decode()}</o:KeyIdentifier></o:SecurityTokenReference>",
    "thumbprint of a stranger": "<o:SecurityTokenReference><o:KeyIdentifier ValueType="
    '"http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1">'
    f"{b64encode(own('rsa', _STRANGER).certificate.thumbprint).decode()}</o:KeyIdentifier>"
    "</o:SecurityTokenReference>",
    "key identifier empty": f'<o:SecurityTokenReference><o:KeyIdentifier ValueType="{_X509}'
    '#X509SubjectKeyIdentifier"/></o:SecurityTokenReference>',
    "certificate of a stranger": _data(_OTHER),
    "certificate and the serial of another": f"<X509Data><X509Certificate>{_CERTIFICATE}"
    "</X509Certificate><X509IssuerSerial><X509IssuerName>CN=acme</X509IssuerName>"
    "<X509SerialNumber>1</X509SerialNumber></X509IssuerSerial></X509Data>",
}
for _what, _inner in _KEY_INFOS.items():
    attack("key-info", "key-unknown", name=f"KeyInfo: {_what}")(_key_info(_inner))


def _token(attribute: str, value: str | None) -> Callable[[Parts], None]:
    def make(parts: Parts) -> None:
        if value is None:
            del parts.token.attrib[attribute]
        else:
            parts.token.set(attribute, value)

    return make


for _attribute, _value in (
    ("ValueType", f"{_X509}#X509PKIPathv1"),
    ("ValueType", f"{_X509}#PKCS7"),
    ("ValueType", None),
    ("EncodingType", "urn:hex"),
    (ID, None),
    (ID, "other"),
    ("{urn:w}x", "y"),
):
    attack("key-info", name=f"token: {_attribute.rpartition('}')[2]} {_value and _value[-15:]}")(
        _token(_attribute, _value)
    )


# ---------------------------------------------------------------- time


def _stamp(pattern: str, new: str) -> Callable[[Parts], bytes]:
    def make(parts: Parts) -> bytes:
        data, count = re.subn(pattern.encode(), new.encode(), parts.bytes())
        assert count
        return data

    return make


_CREATED = r"<wsu:Created>[^<]*</wsu:Created>"
for _what, _new in {
    "no Created": "",
    "two Created": "<wsu:Created>2031-05-02T12:00:00Z</wsu:Created>" * 2,
    "no offset": "<wsu:Created>2031-05-02T12:00:00</wsu:Created>",
    "a date": "<wsu:Created>2031-05-02</wsu:Created>",
    "a day that does not exist": "<wsu:Created>2031-02-30T12:00:00Z</wsu:Created>",
    "year 0": "<wsu:Created>0000-01-01T00:00:00Z</wsu:Created>",
    "the end of time": "<wsu:Created>9999-12-31T23:59:59-14:00</wsu:Created>",
    "a leap second": "<wsu:Created>2031-05-02T12:00:60Z</wsu:Created>",
    "digits of another script": "<wsu:Created>٢٠٣١-05-02T12:00:00Z</wsu:Created>",
    "a thousand decimals": f"<wsu:Created>2031-05-02T12:00:00.{'0' * 1000}Z</wsu:Created>",
    "empty": "<wsu:Created/>",
    "a child": "<wsu:Created><x/>2031-05-02T12:00:00Z</wsu:Created>",
    "an attribute": '<wsu:Created ValueType="x">2031-05-02T12:00:00Z</wsu:Created>',
}.items():
    attack("timestamp-form", name=f"Created: {_what}")(_stamp(_CREATED, _new))
attack("timestamp-expired", name="Created: long ago")(
    _stamp(_CREATED, "<wsu:Created>2021-05-02T12:00:00Z</wsu:Created>")
)
attack("timestamp-form", "timestamp-future", name="Created: tomorrow")(
    _stamp(_CREATED, "<wsu:Created>2031-05-03T12:00:00Z</wsu:Created>")
)
attack("digest", name="Created: a second later")(
    _stamp(_CREATED, "<wsu:Created>2031-05-02T12:00:01.000Z</wsu:Created>")
)
attack("timestamp-form", name="Expires before Created")(
    _stamp("2031-05-02T12:05:00", "2031-05-02T11:59:00")
)


@attack("timestamp-form")
def expires_twice(parts: Parts) -> None:
    parts.stamp.append(deepcopy(parts.stamp[1]))


@attack("timestamp-form")
def something_else_in_the_timestamp(parts: Parts) -> None:
    etree.SubElement(parts.stamp, "{urn:w}x")


# ---------------------------------------------------------------- comments and text


@attack("digest")
def text_cut_by_a_comment(parts: Parts) -> bytes:
    """18<!-- -->.50 is 18.50 for everybody; what was 18.50 is not 18."""
    return parts.bytes().replace(b">18.50<", b">18<!-- .50 --><")


@attack("digest")
def a_comment_that_holds_an_element(parts: Parts) -> bytes:
    return parts.bytes().replace(b"<p:to>A1</p:to>", b"<!-- <p:to>A1</p:to> -->")


@attack("signature-form")
def a_comment_in_the_digest(parts: Parts) -> bytes:
    """A reader that stops at the comment would compare less."""
    data = parts.bytes()
    return re.sub(rb"(<ds:DigestValue>....)", rb"\1<!-- -->****", data)


@attack("digest")
def white_space_between_elements(parts: Parts) -> bytes:
    return parts.bytes().replace(b"</p:amount>", b"</p:amount>\n")


@attack("digest")
def attribute_added(parts: Parts) -> None:
    parts.body[0].set("{urn:w}admin", "true")


@attack("digest")
def mandatory_mark_on_the_body(parts: Parts) -> None:
    parts.body.set(f"{_S}mustUnderstand", "1")


@attack("no-canonical-form")
def a_namespace_that_is_a_relative_uri(parts: Parts) -> bytes:
    """Canonical XML has no form for it, and libxml2 says so only then."""
    return parts.bytes().replace(b"<p:to>", b'<p:to xmlns:r="UR">')
