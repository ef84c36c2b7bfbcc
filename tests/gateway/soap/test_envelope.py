"""Envelopes and faults of both versions."""

import pytest
from lxml import etree

from gateway.errors import Malformed
from gateway.security.parse import Limits, OverLimit, parse
from gateway.soap import envelope
from gateway.soap.envelope import BrokenEnvelope, Code, Version, VersionMismatch

BOTH = pytest.mark.parametrize("version", Version)
NEXT = {
    Version.SOAP_11: 'actor="http://schemas.xmlsoap.org/soap/actor/next"',
    Version.SOAP_12: 'role="http://www.w3.org/2003/05/soap-envelope/role/next"',
}
OTHER = {Version.SOAP_11: 'actor="urn:somebody"', Version.SOAP_12: 'role="urn:somebody"'}


def read(inner: str, version: Version = Version.SOAP_11, attributes: str = "") -> envelope.Envelope:
    text = f'<s:Envelope xmlns:s="{version.value}" {attributes}>{inner}</s:Envelope>'
    return envelope.read(parse(text.encode(), Limits()))


@BOTH
def test_headers_and_body_are_found(version):
    """Header blocks in order, and the one body element."""
    found = read(
        '<s:Header><a xmlns="urn:h"/><b xmlns="urn:h"/></s:Header> <s:Body>\n<x/>\n</s:Body>',
        version,
    )
    assert found.version is version
    assert [block.tag for block in found.headers] == ["{urn:h}a", "{urn:h}b"]
    assert found.body.tag == "x"


BROKEN = {
    "no body": "<s:Header/>",
    "nothing": "",
    "two bodies": "<s:Body><a/></s:Body><s:Body><b/></s:Body>",
    "two headers": "<s:Header/><s:Header/><s:Body><a/></s:Body>",
    "header after body": "<s:Body><a/></s:Body><s:Header/>",
    "element after body": '<s:Body><a/></s:Body><x xmlns="urn:x"/>',
    "element before body": '<x xmlns="urn:x"/><s:Body><a/></s:Body>',
    "two body children": "<s:Body><a/><b/></s:Body>",
    "empty body": "<s:Body/>",
    "text in body": "<s:Body>text<a/></s:Body>",
    "text after the body element": "<s:Body><a/>text</s:Body>",
    "text in envelope": "text<s:Body><a/></s:Body>",
    "text after body": "<s:Body><a/></s:Body>text",
    "text in header": "<s:Header>text</s:Header><s:Body><a/></s:Body>",
    "body of another namespace": "<Body><a/></Body>",
    "header block without namespace": "<s:Header><a/></s:Header><s:Body><a/></s:Body>",
}


@BOTH
@pytest.mark.parametrize("inner", BROKEN.values(), ids=BROKEN.keys())
def test_other_forms_are_refused(inner, version):
    """One Header at most, one Body, one child, nothing else."""
    with pytest.raises(BrokenEnvelope):
        read(inner, version)


def test_bodies_of_two_versions_do_not_mix():
    """A Body of the other version is no Body."""
    with pytest.raises(BrokenEnvelope):
        read(f'<x:Body xmlns:x="{Version.SOAP_12.value}"><a/></x:Body>')


def test_unknown_version():
    """An Envelope of another namespace is a version that nobody here speaks."""
    for text in (b'<Envelope xmlns="urn:x"><Body/></Envelope>', b"<Envelope/>"):
        with pytest.raises(VersionMismatch):
            envelope.read(parse(text, Limits()))


def test_a_header_has_so_many_blocks():
    """More than anybody needs would each be looked at before it is known who sends them."""
    block = '<h:a xmlns:h="urn:h"/>'
    body = "<s:Body><a/></s:Body>"
    most = read(f"<s:Header>{block * envelope.MOST_BLOCKS}</s:Header>{body}")
    assert len(most.headers) == envelope.MOST_BLOCKS
    with pytest.raises(OverLimit) as caught:
        read(f"<s:Header>{block * (envelope.MOST_BLOCKS + 1)}</s:Header>{body}")
    assert caught.value.code == "header-blocks"


def test_no_envelope():
    """A bare body is told apart from a wrong version."""
    with pytest.raises(BrokenEnvelope) as caught:
        envelope.read(parse(b'<a xmlns="urn:x"/>', Limits()))
    assert not isinstance(caught.value, VersionMismatch)


def test_body_keeps_the_prefixes_around_it():
    """A prefix that only a value uses is still declared when the body stands alone."""
    found = read(
        '<s:Body xmlns:outer="urn:outer"><t:a kind="t:K"> <b>outer:v</b> tail </t:a></s:Body>',
        attributes='xmlns:t="urn:t" xmlns:root="urn:root"',
    )
    alone = etree.fromstring(etree.tostring(found.body))
    for prefix in ("t", "outer", "root"):
        assert alone.nsmap[prefix] == f"urn:{prefix}"
    assert alone.get("kind") == "t:K"
    assert (alone.text, alone[0].text, alone[0].tail) == (" ", "outer:v", " tail ")


def test_body_is_cut_off_from_the_header():
    """From the body there is no way back to what was not checked."""
    found = read('<s:Header><h xmlns="urn:h"/></s:Header><s:Body><a><b/></a></s:Body>')
    assert found.body.getparent() is None
    assert found.body.getroottree().getroot() is found.body
    assert found.body.xpath("count(//*)") == 2


@BOTH
@pytest.mark.parametrize(
    ("mark", "names"),
    [
        ('s:mustUnderstand="1"', ("{urn:h}a",)),
        ('s:mustUnderstand="true"', ("{urn:h}a",)),
        ('s:mustUnderstand="0"', ()),
        ('mustUnderstand="1"', ()),
        ("", ()),
        ('s:mustUnderstand="1" s:NEXT', ("{urn:h}a",)),
        ('s:mustUnderstand="1" s:OTHER', ()),
    ],
)
def test_must_understand(version, mark, names):
    """Only what is marked and meant for us counts."""
    mark = mark.replace("NEXT", NEXT[version]).replace("OTHER", OTHER[version])
    found = read(f'<s:Header><a xmlns="urn:h" {mark}/></s:Header><s:Body><x/></s:Body>', version)
    assert envelope.not_understood(found) == names
    assert envelope.not_understood(found, {"{urn:h}a"}) == ()


def test_must_understand_is_a_boolean():
    """Anything else is refused instead of guessed."""
    found = read(
        '<s:Header><a xmlns="urn:h" s:mustUnderstand="yes"/></s:Header><s:Body><x/></s:Body>'
    )
    with pytest.raises(BrokenEnvelope):
        envelope.not_understood(found)


@BOTH
def test_written_envelope_is_read_again(version):
    """As tree, as bytes, in pieces: the same message."""
    body = parse('<a xmlns="urn:a" b="&quot;">\u20ac&lt;</a>'.encode(), Limits())
    header = parse(b'<h xmlns="urn:h">x</h>', Limits())
    raw = etree.tostring(body, encoding="utf-8")
    assert envelope.write(version, body) == envelope.write(version, raw)
    pieces = list(envelope.write_stream(version, iter([raw[:5], raw[5:]])))
    assert b"".join(pieces) == envelope.write(version, raw)
    found = envelope.read(parse(envelope.write(version, body, [header]), Limits()))
    assert etree.tostring(found.body, method="c14n2") == etree.tostring(body, method="c14n2")
    assert found.headers[0].text == "x"


def test_fault_of_soap_11():
    """The subcode takes the code's place; its prefix is declared on the faultcode itself."""
    raw = envelope.fault(
        Version.SOAP_11,
        Code.SENDER,
        "a < b",
        "{urn:sub}Failed",
        parse(b'<d xmlns="urn:d"/>', Limits()),
    )
    body = envelope.read(parse(raw, Limits())).body
    assert b'<faultcode xmlns:sub="urn:sub">sub:Failed</faultcode>' in raw
    found = envelope.read_fault(body)
    assert (found.codes, found.text) == (("{urn:sub}Failed",), "a < b")
    assert found.detail[0].tag == "{urn:d}d"


def test_fault_of_soap_12():
    """Code, then subcode, both readable."""
    raw = envelope.fault(Version.SOAP_12, Code.SENDER, "a < b", "{urn:sub}Failed")
    found = envelope.read_fault(envelope.read(parse(raw, Limits())).body)
    assert found.codes == (f"{{{Version.SOAP_12.value}}}Sender", "{urn:sub}Failed")
    assert (found.text, found.detail) == ("a < b", None)


@pytest.mark.parametrize("code", Code)
@BOTH
def test_fault_codes(version, code):
    """Every code of both versions, in the envelope's namespace."""
    found = envelope.read_fault(
        envelope.read(parse(envelope.fault(version, code, "x"), Limits())).body
    )
    assert found.codes == (f"{{{version.value}}}{code.name_in(version)}",)


def test_fault_text_is_always_xml():
    """Whatever an error quotes, the fault can be read."""
    raw = envelope.fault(Version.SOAP_11, Code.SENDER, "\0\x1b\ud800\uffff]]><&\U0001f50c")
    body = envelope.read(parse(raw, Limits())).body
    assert envelope.read_fault(body).text == "????]]><&\U0001f50c"


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("<f:Fault/>", ()),
        ("<f:Fault><faultcode/></f:Fault>", ("",)),
        ("<f:Fault><faultcode>nowhere:X</faultcode></f:Fault>", ("nowhere:X",)),
        ("<f:Fault><faultcode>Client</faultcode></f:Fault>", ("Client",)),
    ],
)
def test_poor_faults_are_read(fault, codes):
    """A fault with parts missing is still a fault."""
    root = parse(
        fault.replace("<f:Fault", f'<f:Fault xmlns:f="{Version.SOAP_11.value}"', 1).encode(),
        Limits(),
    )
    assert envelope.read_fault(root).codes == codes


def test_no_fault():
    """A body element of that name in another namespace is none."""
    assert envelope.read_fault(parse(b'<Fault xmlns="urn:x"/>', Limits())) is None


def test_version_mismatch_is_a_malformed_message():
    """Whoever catches Malformed gets them all."""
    assert issubclass(VersionMismatch, Malformed)
    assert issubclass(BrokenEnvelope, Malformed)
