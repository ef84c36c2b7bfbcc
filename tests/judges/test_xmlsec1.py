"""xmlsec1 (libxmlsec on OpenSSL) verifies what the gateway signs and signs what it verifies."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.security.algorithms import METHODS as ALGORITHMS
from gateway.security.wsse import WSSE, WSU
from tests.support.wss import (
    METHODS,
    NOW,
    SOAP_11,
    SOAP_12,
    STYLES,
    WSA,
    body,
    c14n,
    key_reference,
    message,
    own,
    profile,
    signed,
    signing,
    stamp,
    verified,
    write_pem,
)

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
_IDS = [
    f"{SOAP_11}:Body",
    f"{SOAP_12}:Body",
    f"{WSU}:Timestamp",
    f"{WSSE}:UsernameToken",
    f"{WSA}:MessageID",
]
MESSAGE_ID = f'<a:MessageID xmlns:a="{WSA}">urn:uuid:7</a:MessageID>'.encode()


def xmlsec1(command: str, data: bytes, folder: Path, *options: str) -> subprocess.CompletedProcess:
    source = folder / "message.xml"
    source.write_bytes(data)
    ids = [word for each in _IDS for word in ("--id-attr:Id", each)]
    arguments = ["xmlsec1", f"--{command}", *options, *ids, str(source)]
    return subprocess.run(arguments, capture_output=True, timeout=60)


def accepted(data: bytes, kind: str, folder: Path) -> bool:
    """Whether xmlsec1 finds the signature good with the certificate of the kind."""
    _, certificate = write_pem(folder, own(kind), kind)
    found = xmlsec1(
        "verify",
        data,
        folder,
        "--pubkey-cert-pem",
        str(certificate),
        "--trusted-pem",
        str(certificate),
        "--verification-time",
        f"{NOW:%Y-%m-%d %H:%M:%S}",
    )
    return found.returncode == 0 and b"OK" in found.stdout + found.stderr


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_xmlsec1_verifies_every_algorithm(
    kind: str, method: str, space: str, tmp_path: Path
) -> None:
    data = signed(message(space=space), signing(kind, method))
    assert accepted(data, kind, tmp_path)
    assert not accepted(data.replace(b"18.50", b"98.50"), kind, tmp_path)


@pytest.mark.parametrize("style", STYLES)
def test_xmlsec1_verifies_with_every_key_reference(style: str, tmp_path: Path) -> None:
    assert accepted(signed(how=signing(style=style)), "rsa", tmp_path)


@pytest.mark.parametrize("prefixes", [("s",), ("#default",), ("#default", "s", "x", "ds", "none")])
@pytest.mark.parametrize(
    "more",
    ["", 'xmlns="urn:d" xmlns:x="urn:other"', 'xmlns:x="urn:x" xmlns:ds="urn:ds"'],
)
def test_xmlsec1_verifies_prefix_lists(
    prefixes: tuple[str, ...], more: str, tmp_path: Path
) -> None:
    content = b'<a xmlns=""><b xmlns="urn:b" xmlns:x="urn:x2" k="x:v"/></a>'
    data = signed(message(content, more=more), signing(inclusive_prefixes=prefixes))
    assert accepted(data, "rsa", tmp_path)


def test_xmlsec1_verifies_signed_headers(tmp_path: Path) -> None:
    how = signing(headers=frozenset({f"{{{WSA}}}MessageID"}))
    data = signed(message(headers=MESSAGE_ID), how)
    assert data.count(b"<ds:Reference") == 3
    assert accepted(data, "rsa", tmp_path)
    assert not accepted(data.replace(b"urn:uuid:7", b"urn:uuid:8"), "rsa", tmp_path)


# ---------------------------------------------------------------- the other way


def template(
    kind: str,
    method: str,
    key_info: str,
    *,
    token: str = "",
    prefixes: str = "",
    more: str = "",
    space: str = SOAP_11,
    content: bytes | None = None,
    digest: str = "",
) -> bytes:
    """A message with all but the values, as xmlsec1 takes it."""
    algorithm = next(each for each in ALGORITHMS if each.name == method)
    listed = f'<e:InclusiveNamespaces xmlns:e="{EXC}" PrefixList="{prefixes}"/>' if prefixes else ""
    references = "".join(
        f'<Reference URI="#{id}"><Transforms><Transform Algorithm="{EXC}">{listed}</Transform>'
        f'</Transforms><DigestMethod Algorithm="{digest or algorithm.digest}"/><DigestValue/>'
        "</Reference>"
        for id in ("b", "t")
    )
    return (
        f'<s:Envelope xmlns:s="{space}" xmlns:w="{WSU}" {more}><s:Header>'
        f'<o:Security xmlns:o="{WSSE}" s:mustUnderstand="1">{token}{stamp("t")}'
        f'<Signature xmlns="{DS}"><SignedInfo><CanonicalizationMethod Algorithm="{EXC}">{listed}'
        f'</CanonicalizationMethod><SignatureMethod Algorithm="{algorithm.uri}"/>{references}'
        f"</SignedInfo><SignatureValue/><KeyInfo>{key_info}</KeyInfo></Signature></o:Security>"
        f'</s:Header><s:Body w:Id="b">{(content or body()).decode()}</s:Body></s:Envelope>'
    ).encode()


def signed_by_xmlsec1(data: bytes, kind: str, folder: Path) -> bytes:
    key, certificate = write_pem(folder, own(kind), kind)
    out = folder / "signed.xml"
    found = xmlsec1(
        "sign", data, folder, "--privkey-pem", f"{key},{certificate}", "--output", str(out)
    )
    assert found.returncode == 0, found.stderr
    return out.read_bytes()


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_xmlsec1_signs_with_every_algorithm(
    kind: str, method: str, space: str, tmp_path: Path
) -> None:
    data = signed_by_xmlsec1(template(kind, method, "<X509Data/>", space=space), kind, tmp_path)
    assert c14n(verified(data, profile(kind)).body) == c14n(body())


@pytest.mark.parametrize("style", STYLES)
def test_xmlsec1_signs_beside_every_key_reference(style: str, tmp_path: Path) -> None:
    key_info, token = key_reference(style)
    data = template("rsa", "rsa-sha256", key_info, token=token)
    assert verified(signed_by_xmlsec1(data, "rsa", tmp_path))


@pytest.mark.parametrize(
    "parts",
    [
        "<X509Certificate/>",
        "<X509IssuerSerial/>",
        "<X509SKI/>",
    ],
)
def test_xmlsec1_writes_the_key_reference(parts: str, tmp_path: Path) -> None:
    data = template("rsa", "rsa-sha256", f"<X509Data>{parts}</X509Data>")
    assert verified(signed_by_xmlsec1(data, "rsa", tmp_path))


@pytest.mark.parametrize("prefixes", ["s", "#default", "#default s x"])
@pytest.mark.parametrize("more", ["", 'xmlns="urn:d" xmlns:x="urn:other"'])
def test_xmlsec1_signs_with_prefix_lists(prefixes: str, more: str, tmp_path: Path) -> None:
    content = b'<p:Pay xmlns:p="urn:p" xmlns=""><b xmlns="urn:b" xmlns:x="urn:x2" k="x:v"/></p:Pay>'
    data = template(
        "rsa", "rsa-sha256", "<X509Data/>", prefixes=prefixes, more=more, content=content
    )
    found = verified(signed_by_xmlsec1(data, "rsa", tmp_path))
    assert found.body.tag == "{urn:p}Pay"


def test_the_certificate_file_is_what_the_gateway_reads(tmp_path: Path) -> None:
    """So that a failure above is one of signatures, not of files."""
    _, certificate = write_pem(tmp_path, own("rsa"), "rsa")
    assert certificate.read_bytes() == own("rsa").certificate.parsed.public_bytes(Encoding.PEM)
