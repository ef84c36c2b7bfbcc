"""Attacks that a partner's own key has signed: the signature is right, and the form is not.

Source: XML Signature 1.1; Exclusive XML Canonicalization 1.0, 2 and 3; WSS SOAP Message Security
1.1, 7 and 8; XML Schema part 2, 3.2.16 (one spelling of base64); XML 1.0, 2.3 (white space).
Why: if only the wrong signature value stopped them, these would show nothing. ``resigned`` makes
digests and signature right again where the receiver of the attack would look for them.
"""

from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from gateway.security.wsse import SECURITY, WSSE, WSU
from tests.support.attacks import DS, EXC, ID, Attack, Parts
from tests.support.wss import SOAP_11, SOAP_12, own

_D, _S, _U = f"{{{DS}}}", f"{{{SOAP_11}}}", f"{{{WSU}}}"
_X11 = "http://www.w3.org/2009/xmldsig11#"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_STR = (
    "http://docs.oasis-open.org/wss/2004/01/"
    "oasis-200401-wss-soap-message-security-1.0#STR-Transform"
)
_NBSP, _ZERO_WIDTH = "\u00a0", "\u200b"

Change = Callable[[Parts], bytes | None]
RESIGNED: list[Attack] = []


def resigned(parts: Parts) -> None:
    """Digests by whatever id a Reference may mean, and a signature over SignedInfo as it is."""
    found = {
        value: element
        for element in parts.root.iter("*")
        for name, value in element.attrib.items()
        if str(name).rpartition("}")[2].lower() == "id"
    }
    for reference in parts.references:
        element = found.get(reference.get("URI", "").removeprefix("#"))
        if element is not None and len(reference) == 3:
            content = etree.tostring(element, method="c14n", exclusive=True, with_tail=False)
            reference[2].text = b64encode(sha256(content).digest()).decode()
    _sign(parts)


def _sign(parts: Parts) -> None:
    content = etree.tostring(parts.info, method="c14n", exclusive=True, with_tail=False)
    value = own("rsa").private.sign(content, padding.PKCS1v15(), hashes.SHA256())
    parts.value.text = b64encode(value).decode()


def _add(name: str, codes: str, change: Change, after: Change | None = None) -> None:
    """``change``, then all is signed again; ``after``: what is not mended by that."""

    def make(parts: Parts) -> bytes | None:
        change(parts)
        resigned(parts)
        return after(parts) if after else None

    RESIGNED.append(Attack(name, tuple(codes.split()), make))


def _plain(parts: Parts) -> None: ...


def _sub(tag: str, **attributes: str) -> etree._Element:
    return etree.Element(tag, attributes)


# ---------------------------------------------------------------- ids and References

_IDS = {
    "of accented letters": "b\u00f6dy",
    "of accented letters, put together": "bo\u0308dy",
    "of letters of full width": "\uff42ody",
    "of Cyrillic letters": "b\u043edy",
    "with a letter that no font shows": f"bo{_ZERO_WIDTH}dy",
    "that begins with a digit": "1body",
    "that begins with a hyphen": "-body",
    "with a colon": "a:body",
    "with an apostrophe": "bo'dy",
    "with a bracket": "body)",
    "with a blank in it": "bo dy",
    "of 129 characters": "b" * 129,
}


def _id(id: str) -> Change:
    def make(parts: Parts) -> None:
        reference = parts.reference(parts.body)
        parts.body.set(ID, id)
        reference.set("URI", f"#{id}")

    return make


for _name, _value in _IDS.items():
    _add(f"an id {_name}", "reference", _id(_value))


def _uri(form: str) -> Change:
    """A Reference to the Body by another form of its id; the digest stays that of the Body."""

    def make(parts: Parts) -> None:
        id = parts.body.get(ID) or ""
        parts.reference(parts.body).set(
            "URI", form.format(id=id, percent=f"%{ord(id[0]):x}{id[1:]}")
        )

    return make


for _form in (
    "#{percent}",
    "#{id} ",
    " #{id}",
    "#{id}#{id}",
    "?#{id}",
    "./#{id}",
    "#xpointer(id('{id}'))",
    "#xpointer(/)",
    "#/1/2",
    "#xmlns(w=urn:w)xpointer(//w:Body)",
    "{id}",
    "##{id}",
    "#{id}\n",
    "urn:uuid:{id}",
    "http://127.0.0.1:1/#{id}",
    "data:text/xml;base64,PGEvPg==",
):
    _add(f"the URI {_form!r}", "reference", _uri(_form))


def _other_attribute(attribute: str) -> Change:
    def make(parts: Parts) -> None:
        parts.body.set(attribute, parts.body.attrib.pop(ID))

    return make


for _name, _attribute in {
    "of a draft of WS-Security": "{http://schemas.xmlsoap.org/ws/2003/06/utility}Id",
    "of a namespace with a stroke more": f"{{{WSU}/}}Id",
    "in small letters": f"{_U}id",
    "in large letters": f"{_U}ID",
    "without a namespace, in large letters": "ID",
    "of SAML": "AssertionID",
    "of the signature's namespace": f"{_D}Id",
}.items():
    _add(f"an id {_name}", "reference-place", _other_attribute(_attribute))


def _everything(parts: Parts) -> None:
    """URI='' with the enveloped transform: the whole message without its Signature."""
    reference = parts.reference(parts.body)
    reference.set("URI", "")
    reference[0].insert(0, _sub(f"{_D}Transform", Algorithm=f"{DS}enveloped-signature"))
    whole = deepcopy(parts.root)
    security = whole[0].find(SECURITY)
    security.remove(security.find(f"{_D}Signature"))
    content = etree.tostring(whole, method="c14n", exclusive=True)
    reference[2].text = b64encode(sha256(content).digest()).decode()


_add("the whole message, enveloped", "reference", _everything)
_add(
    "a URI of the signature's namespace",
    "signature-form",
    lambda p: p.reference(p.body).set(f"{_D}URI", "#x"),
)
_add(
    "the id of the Body for a Reference",
    "ids",
    lambda p: p.references[0].set("Id", p.body.get(ID) or ""),
)
_add(
    "the id of the Body for the SignatureValue",
    "ids",
    lambda p: p.value.set("Id", p.body.get(ID) or ""),
)
_add(
    "the id of the Body for SignedInfo",
    "ids",
    lambda p: p.info.set("Id", p.body.get(ID) or ""),
)

# ---------------------------------------------------------------- spellings of values


def _text(find: Callable[[Parts], etree._Element], change: Callable[[str], str]) -> Change:
    def make(parts: Parts) -> None:
        element = find(parts)
        element.text = change(element.text or "")

    return make


def _signed_text(change: Callable[[str], str]) -> Change:
    """Another spelling of a digest, under a signature that is right."""

    def make(parts: Parts) -> None:
        _text(lambda p: p.references[0][2], change)(parts)
        _sign(parts)

    return make


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "with a no-break space": lambda t: f"{t[:4]}{_NBSP}{t[4:]}",
    "with a space of no width": lambda t: f"{t[:4]}{_ZERO_WIDTH}{t[4:]}",
    "with a line separator": lambda t: f"{t[:4]}\u2028{t[4:]}",
    "with more padding": lambda t: f"{t}=",
    "without padding": lambda t: t.rstrip("="),
    "twice": lambda t: t + t,
    "with a letter of another alphabet": lambda t: f"-_{t[2:]}",
    "with digits of full width": lambda t: f"\uff11{t[1:]}",
}


def _more_bits(text: str) -> str:
    """Bits that do not count are set: the same bytes for most readers."""
    value = text.rstrip("=")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    assert len(value) < len(text), "nothing is left over"
    return value[:-1] + letters[letters.index(value[-1]) + 1] + text[len(value) :]


for _name, _change in {**_SPELLINGS, "with bits that do not count": _more_bits}.items():
    _add(f"a digest {_name}", "signature-form", _plain, _signed_text(_change))
    _add(
        f"a signature value {_name}",
        "signature-form",
        _plain,
        _text(lambda p: p.value, _change),
    )
    if _name != "without padding":  # the certificate may need none
        _add(
            f"a token {_name}",
            "key-info",
            _plain,
            _text(lambda p: p.token, _change if _change is not _more_bits else lambda t: t + "A"),
        )
_add("a digest with a carriage return", "signature-form", _plain, _signed_text(lambda t: f"\r{t}"))
_add(
    "a digest in hexadecimal",
    "signature-form",
    _plain,
    _signed_text(lambda t: sha256(t.encode()).hexdigest()),
)

# ---------------------------------------------------------------- text and instructions


def _bytes(old: str, new: str) -> Change:
    def make(parts: Parts) -> bytes:
        data = parts.bytes().replace(old.encode(), new.encode(), 1)
        assert data != parts.bytes(), old
        return data

    return make


for _name, _codes, _old, _new in (
    ("an instruction in the digest", "instruction", "<ds:DigestValue>", "<ds:DigestValue><?a b?>"),
    ("an instruction in the Body", "instruction", "18.50", "18<?a b?>.50"),
    ("an instruction in the Envelope", "instruction", "<s:Body", "<?a b?><s:Body"),
    ("an instruction in the Timestamp", "instruction", "<wsu:Expires>", "<?a?><wsu:Expires>"),
    ("an entity in the digest", "syntax", "<ds:DigestValue>", "<ds:DigestValue>&a;"),
    ("a type declaration", "doctype", "<s:Envelope", "<!DOCTYPE a><s:Envelope"),
    ("a prefix that is not declared", "syntax", "<p:to>", "<p:to q:a='1'>"),
    ("a prefix undeclared", "syntax", "<p:to>", "<p:to xmlns:x=''>"),
    ("the prefix xml bound to something", "syntax", "<p:to>", "<p:to xmlns:xml='urn:evil'>"),
    ("an id twice by two prefixes", "syntax", "<p:Pay ", f"<p:Pay xmlns:v='{WSU}' xmlns:w='{WSU}' "
     "v:Id='a' w:Id='a' "),
    ("a prefix of Reference bound again", "signature-form", "<ds:Reference ",
     "<ds:Reference xmlns:ds='urn:evil' "),
    ("a prefix of Transforms bound again", "signature-form", "<ds:Transforms>",
     "<ds:Transforms xmlns:ds='urn:evil'>"),
):  # fmt: skip
    _add(_name, _codes, _plain, _bytes(_old, _new))


def _loose(find: Callable[[Parts], etree._Element], text: str) -> Change:
    def make(parts: Parts) -> None:
        find(parts).text = text

    return make


for _name, _codes, _find in (
    ("SignedInfo", "signature-form", lambda p: p.info),
    ("a Reference", "signature-form", lambda p: p.references[0]),
    ("Transforms", "transform", lambda p: p.references[0][0]),
    ("the Signature", "signature-form", lambda p: p.signature),
    ("KeyInfo", "key-info", lambda p: p.key),
    ("Security", "security-child", lambda p: p.security),
    ("the Timestamp", "timestamp-form", lambda p: p.stamp),
):
    for _name_of, _character in (("a no-break space", _NBSP), ("a letter", "x")):
        _add(f"{_name_of} within {_name}", _codes, _loose(_find, _character))
_add("a SignedInfo of white space", "too-large", _loose(lambda p: p.info, " " * 70_000))

# ---------------------------------------------------------------- what SignedInfo holds


def _into(
    find: Callable[[Parts], etree._Element], place: int, element: Callable[[], etree._Element]
) -> Change:
    def make(parts: Parts) -> None:
        find(parts).insert(place, element())

    return make


def _first(p: Parts) -> etree._Element:
    return p.references[0]


def _transforms(p: Parts) -> etree._Element:
    return p.references[0][0]


_ENVELOPED = f"{DS}enveloped-signature"
for _name, _codes, _change in (
    ("parameters of RSA-PSS", "signature-form",
     _into(lambda p: p.info[1], 0, lambda: _sub(f"{{{_MORE}}}RSAPSSParams"))),
    ("a parameter of the digest", "algorithm",
     _into(lambda p: _first(p)[1], 0, lambda: _sub(f"{_D}HMACOutputLength"))),
    ("two signature methods", "signature-form",
     lambda p: p.info.insert(2, deepcopy(p.info[1]))),
    ("no signature method", "signature-form", lambda p: p.info.remove(p.info[1])),
    ("the signature method first", "signature-form", lambda p: p.info.insert(0, p.info[1])),
    ("a Reference before the method", "signature-form",
     lambda p: p.info.insert(1, p.references[0])),
    ("SignedInfo within SignedInfo", "signature-form",
     lambda p: p.info.append(deepcopy(p.info))),
    ("a Reference within a Reference", "signature-form",
     lambda p: _first(p).append(deepcopy(p.references[1]))),
    ("two digests", "signature-form", lambda p: _first(p).append(deepcopy(_first(p)[2]))),
    ("the digest before its method", "signature-form",
     lambda p: _first(p).insert(1, _first(p)[2])),
    ("a blank behind the method", "algorithm",
     lambda p: p.info[1].set("Algorithm", p.info[1].get("Algorithm", "") + " ")),
    ("a second algorithm by a prefix", "signature-form",
     lambda p: p.info[1].set("{urn:w}Algorithm", "none")),
    ("SHA-224", "algorithm", lambda p: _first(p)[1].set("Algorithm", f"{_MORE}sha224")),
    ("SHA3-256", "algorithm", lambda p: _first(p)[1].set(
        "Algorithm", "http://www.w3.org/2007/05/xmldsig-more#sha3-256")),
    ("SHA-512 with 32 bytes", "signature-form", lambda p: _first(p)[1].set(
        "Algorithm", "http://www.w3.org/2001/04/xmlenc#sha512")),
    ("ECDSA with a key of RSA", "key-mismatch",
     lambda p: p.info[1].set("Algorithm", f"{_MORE}ecdsa-sha256")),
    ("the enveloped transform last", "transform",
     lambda p: _transforms(p).append(_sub(f"{_D}Transform", Algorithm=_ENVELOPED))),
    ("the enveloped transform twice", "transform", lambda p: _transforms(p).__setitem__(
        slice(0, 0), [_sub(f"{_D}Transform", Algorithm=_ENVELOPED) for _ in range(2)])),
    ("the transform of a token reference", "transform", lambda p: _transforms(p).insert(
        0, _sub(f"{_D}Transform", Algorithm=_STR))),
    ("a transform in another namespace", "transform",
     lambda p: setattr(_transforms(p)[0], "tag", "{urn:w}Transform")),
    ("a transform with an attribute more", "transform",
     lambda p: _transforms(p)[0].set("Version", "2")),
    ("XPath within canonicalisation", "prefix-list",
     _into(lambda p: _transforms(p)[0], 0, lambda: _sub(f"{_D}XPath"))),
    ("a PrefixList of the wrong namespace", "prefix-list",
     _into(lambda p: _transforms(p)[0], 0,
           lambda: _sub(f"{_D}InclusiveNamespaces", PrefixList="s"))),
    ("a PrefixList that holds something", "prefix-list",
     lambda p: etree.SubElement(etree.SubElement(
         _transforms(p)[0], f"{{{EXC}}}InclusiveNamespaces", PrefixList="s"), "x")),
    ("SignedInfo in another namespace", "signature-form",
     lambda p: setattr(p.info, "tag", "{urn:w}SignedInfo")),
    ("a Reference in no namespace", "signature-form",
     lambda p: setattr(_first(p), "tag", "Reference")),
    ("a Signature of XML Signature 1.1's namespace", "signature-count security-child",
     lambda p: setattr(p.signature, "tag", f"{{{_X11}}}Signature")),
):  # fmt: skip
    _add(_name, _codes, _change)

# ---------------------------------------------------------------- places in the message


def _security_of_a_draft(parts: Parts) -> None:
    parts.security.tag = "{http://schemas.xmlsoap.org/ws/2002/12/secext}Security"


def _envelope_of_12(parts: Parts) -> None:
    parts.root.tag = f"{{{SOAP_12}}}Envelope"


def _for_two(parts: Parts) -> None:
    """The same header for the next and, first, for somebody else."""
    other = deepcopy(parts.security)
    other.remove(other.find(f"{_D}Signature"))
    other.set(f"{_S}actor", "urn:other")
    for element in other.iter("*"):
        element.attrib.pop(ID, None)
    parts.header.insert(0, other)


for _name, _codes, _change in (
    ("a Security header of a draft", "security-header", _security_of_a_draft),
    ("two Security headers, the first for another", "security-header", _for_two),
    ("a role of SOAP 1.2 in SOAP 1.1", "security-header",
     lambda p: p.security.set(f"{{{SOAP_12}}}role", "urn:other")),
    ("an Envelope of SOAP 1.2 around 1.1", "envelope", _envelope_of_12),
    ("a Header of SOAP 1.2 in SOAP 1.1", "envelope",
     lambda p: setattr(p.header, "tag", f"{{{SOAP_12}}}Header")),
    ("a Body of each SOAP version", "envelope",
     lambda p: p.root.append(_sub(f"{{{SOAP_12}}}Body"))),
    ("the Signature in the Body", "signature-place", lambda p: p.body[0].append(p.signature)),
    ("the Signature in the Timestamp", "signature-place", lambda p: p.stamp.append(p.signature)),
    ("the Signature in the token", "signature-place", lambda p: p.token.append(p.signature)),
    ("the Timestamp in the Body", "reference-place", lambda p: p.body[0].append(p.stamp)),
    ("the Timestamp beside Security", "coverage", lambda p: p.header.append(p.stamp)),
    ("two signed Timestamps", "security-child", lambda p: p.security.append(deepcopy(p.stamp))),
    ("a confirmed signature", "security-child", lambda p: p.security.append(_sub(
        "{http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd}"
        "SignatureConfirmation"))),
    ("a derived key", "security-child", lambda p: p.security.append(_sub(
        "{http://schemas.xmlsoap.org/ws/2005/02/sc}DerivedKeyToken"))),
    ("a reference beside the Signature", "security-child",
     lambda p: p.security.append(_sub(f"{{{WSSE}}}SecurityTokenReference"))),
):  # fmt: skip
    _add(_name, _codes, _change)

# ---------------------------------------------------------------- whose key

_CERTIFICATE = b64encode(own("rsa").certificate.der).decode()
_X509 = f"<X509Certificate>{_CERTIFICATE}</X509Certificate>"
_T = f'xmlns="{DS}" xmlns:o="{WSSE}"'


def _key_info(inner: str) -> Change:
    def make(parts: Parts) -> None:
        id = parts.token.get(ID) or ""
        new = etree.fromstring(f"<KeyInfo {_T}>{inner.replace('TOKEN', id)}</KeyInfo>")
        parts.signature.replace(parts.key, new)

    return make


def _str(inner: str) -> str:
    return f"<o:SecurityTokenReference>{inner}</o:SecurityTokenReference>"


for _name, _inner in {
    "the same certificate twice": f"<X509Data>{_X509 * 2}</X509Data>",
    "X509Data within X509Data": f"<X509Data><X509Data>{_X509}</X509Data></X509Data>",
    "RetrievalMethod to the token": '<RetrievalMethod URI="#TOKEN"/>',
    "KeyInfoReference": f'<KeyInfoReference xmlns="{_X11}" URI="#TOKEN"/>',
    "DEREncodedKeyValue": f'<DEREncodedKeyValue xmlns="{_X11}">AQAB</DEREncodedKeyValue>',
    "X509Digest": f'<X509Data><X509Digest xmlns="{_X11}">AQAB</X509Digest></X509Data>',
    "a certificate and a digest of one": f"<X509Data>{_X509}"
    f'<X509Digest xmlns="{_X11}">AQAB</X509Digest></X509Data>',
    "a negative serial": "<X509Data><X509IssuerSerial><X509IssuerName>CN=a</X509IssuerName>"
    "<X509SerialNumber>-1</X509SerialNumber></X509IssuerSerial></X509Data>",
    "a token reference by percent": _str('<o:Reference URI="#%54OKEN"/>'),
    "a token reference with two marks": _str('<o:Reference URI="##TOKEN"/>'),
    "a token reference of no id": _str('<o:Reference URI="#"/>'),
    "two token references": _str('<o:Reference URI="#TOKEN"/>') * 2,
    "a token reference and a certificate": _str('<o:Reference URI="#TOKEN"/>')
    + f"<X509Data>{_X509}</X509Data>",
    "a token reference that holds something": _str('<o:Reference URI="#TOKEN"><o:x/></o:Reference>'),  # noqa: E501
    "an embedded token": _str(f"<o:Embedded><o:BinarySecurityToken>{_CERTIFICATE}"
                              "</o:BinarySecurityToken></o:Embedded>"),
    "a KeyName within the reference": _str("<KeyName>acme</KeyName>"),
}.items():  # fmt: skip
    _add(f"KeyInfo: {_name}", "key-info", _key_info(_inner))
_add("a token with a child", "key-info", lambda p: p.token.append(_sub("{urn:w}x")))
