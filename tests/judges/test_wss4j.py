"""Apache WSS4J, with its own defaults, verifies what we sign and signs what we verify."""

import os
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from gateway.security import wsse
from gateway.security.algorithms import METHODS as ALGORITHMS
from gateway.security.keys import OwnKey, Trust
from gateway.security.parse import parse
from gateway.security.profile import Profile, Signing
from gateway.security.wsse import WSU
from gateway.soap import envelope
from gateway.soap.envelope import Version
from tests.support.wss import (
    LIMITS,
    METHODS,
    SOAP_11,
    SOAP_12,
    STYLES,
    WSA,
    body,
    c14n,
    make_certificate,
    message,
    private_key,
    signed,
    verified,
)

_JARS = ("wss4j", "xmlsec", "slf4j-api", "slf4j-nop", "commons-logging", "commons-codec")
CLASSPATH = os.pathsep.join(f"/usr/share/java/{jar}.jar" for jar in _JARS)
NOW = datetime.now(UTC)
MESSAGE_ID = f'<a:MessageID xmlns:a="{WSA}">urn:uuid:7</a:MessageID>'.encode()


class Wss4j:
    """A running WSS4J."""

    def __init__(self, folder: Path) -> None:
        source = Path(__file__).with_name("Wss4j.java")
        compile_it = ["javac", "-cp", CLASSPATH, "-d", str(folder), str(source)]
        subprocess.run(compile_it, check=True, timeout=120)
        self._process = subprocess.Popen(
            ["java", "-cp", f"{CLASSPATH}{os.pathsep}{folder}", "Wss4j"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._folder = folder

    def ask(self, *words: str) -> tuple[bool, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        word, _, answer = self._process.stdout.readline().strip().partition(" ")
        return word == "ok", answer

    def store(self, key: OwnKey, name: str) -> str:
        path = self._folder / f"{name}.p12"
        if not path.exists():
            content = pkcs12.serialize_key_and_certificates(
                b"key", key.private, key.certificate.parsed, None, BestAvailableEncryption(b"judge")
            )
            path.write_bytes(content)
        return str(path)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


@pytest.fixture(scope="module")
def wss4j(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wss4j]:
    running = Wss4j(tmp_path_factory.mktemp("wss4j"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def keys() -> dict[str, OwnKey]:
    """Keys whose certificates are valid today: WSS4J goes by the clock of the machine."""
    found = {}
    for kind in ("rsa", "p256", "p384"):
        key = private_key(kind, "wss4j")
        ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        found[kind] = OwnKey(
            key,
            make_certificate(
                key,
                kind,
                begins=NOW - timedelta(days=1),
                ends=NOW + timedelta(days=1),
                extensions=[(ski, False)],
            ),
        )
    return found


def judged(wss4j: Wss4j, key: OwnKey, kind: str, data: bytes) -> tuple[bool, str]:
    return wss4j.ask("verify", wss4j.store(key, kind), b64encode(data).decode())


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_wss4j_verifies_every_algorithm(
    wss4j: Wss4j, keys: dict[str, OwnKey], kind: str, method: Any, space: str
) -> None:
    how = Signing(own=keys[kind], method=method)
    data = signed(message(space=space), how, datetime.now(UTC))
    ok, parts = judged(wss4j, keys[kind], kind, data)
    assert ok, parts
    assert set(parts.split(",")) == {f"{{{space}}}Body", f"{{{WSU}}}Timestamp"}
    ok, _ = judged(wss4j, keys[kind], kind, data.replace(b"18.50", b"98.50"))
    assert not ok


@pytest.mark.parametrize("style", [style for style in STYLES if style != "x509-data"])
def test_wss4j_verifies_every_key_reference(
    wss4j: Wss4j, keys: dict[str, OwnKey], style: Any
) -> None:
    """All but a bare X509Data, which is XML Signature's and not WS-Security's."""
    how = Signing(own=keys["rsa"], method="rsa-sha256", style=style)
    ok, reason = judged(wss4j, keys["rsa"], "rsa", signed(how=how, now=datetime.now(UTC)))
    assert ok, reason


@pytest.mark.parametrize("prefixes", [("s",), ("#default",), ("#default", "s", "x", "none")])
def test_wss4j_verifies_prefix_lists(
    wss4j: Wss4j, keys: dict[str, OwnKey], prefixes: tuple[str, ...]
) -> None:
    how = Signing(own=keys["rsa"], method="rsa-sha256", inclusive_prefixes=prefixes)
    data = signed(message(more='xmlns="urn:d" xmlns:x="urn:o"'), how, datetime.now(UTC))
    ok, reason = judged(wss4j, keys["rsa"], "rsa", data)
    assert ok, reason


# ---------------------------------------------------------------- the other way


def signed_by_wss4j(
    wss4j: Wss4j,
    key: OwnKey,
    kind: str,
    data: bytes,
    *,
    reference: str = "binary-token",
    method: str = "",
    space: str = SOAP_11,
    parts: tuple[str, ...] = (),
) -> bytes:
    algorithm = next(each for each in ALGORITHMS if each.name == (method or "rsa-sha256"))
    wanted = ",".join([f"{{{space}}}Body", f"{{{WSU}}}Timestamp", *parts])
    ok, answer = wss4j.ask(
        "sign",
        wss4j.store(key, kind),
        reference,
        algorithm.uri,
        algorithm.digest,
        wanted,
        b64encode(data).decode(),
    )
    assert ok, answer
    return b64decode(answer)


def trusting(key: OwnKey, **options: Any) -> Profile:
    return Profile(partner="acme", trust=Trust([key.certificate]), **options)


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_wss4j_signs_with_every_algorithm(
    wss4j: Wss4j, keys: dict[str, OwnKey], kind: str, method: str, space: str
) -> None:
    key = keys[kind]
    data = signed_by_wss4j(wss4j, key, kind, message(space=space), method=method, space=space)
    found = verified(data, trusting(key), datetime.now(UTC))
    assert c14n(found.body) == c14n(body())


@pytest.mark.parametrize(
    "reference", ["binary-token", "issuer-serial", "certificate", "key-identifier", "thumbprint"]
)
def test_wss4j_signs_with_every_key_reference(
    wss4j: Wss4j, keys: dict[str, OwnKey], reference: str
) -> None:
    data = signed_by_wss4j(wss4j, keys["rsa"], "rsa", message(), reference=reference)
    assert verified(data, trusting(keys["rsa"]), datetime.now(UTC))


@pytest.mark.parametrize("more", ["", 'xmlns="urn:d"', 'xmlns="urn:d" xmlns:x="urn:o"'])
def test_wss4j_signs_with_its_prefix_lists(
    wss4j: Wss4j, keys: dict[str, OwnKey], more: str
) -> None:
    """It lists every prefix in scope, ``#default`` too."""
    content = b'<p:Pay xmlns:p="urn:p" xmlns=""><b xmlns="urn:b" xmlns:x="urn:x2" k="x:v"/></p:Pay>'
    data = signed_by_wss4j(wss4j, keys["rsa"], "rsa", message(content, more=more))
    assert b"PrefixList" in data
    assert ("#default" in data.decode()) == ("xmlns=" in more)
    assert verified(data, trusting(keys["rsa"]), datetime.now(UTC)).body.tag == "{urn:p}Pay"


def test_wss4j_signs_headers(wss4j: Wss4j, keys: dict[str, OwnKey]) -> None:
    name = f"{{{WSA}}}MessageID"
    data = signed_by_wss4j(wss4j, keys["rsa"], "rsa", message(headers=MESSAGE_ID), parts=(name,))
    how = trusting(keys["rsa"], required=frozenset({name}))
    assert [each.tag for each in verified(data, how, datetime.now(UTC)).headers] == [name]


# ---------------------------------------------------------------- username tokens


TYPES = (wsse.PASSWORD_TEXT, wsse.PASSWORD_DIGEST)


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize("kind", TYPES)
def test_wss4j_takes_our_username_tokens(wss4j: Wss4j, kind: str, space: str) -> None:
    token = wsse.UsernameToken("acme", "s3cret")
    if kind == wsse.PASSWORD_DIGEST:
        token = wsse.digested("acme", "s3cret", b"sixteen bytes...", datetime.now(UTC))
    data = envelope.write(Version(space), body(), [wsse.write(token, space)])
    for password, right in (("s3cret", True), ("other", False)):
        ok, said = wss4j.ask("check", "acme", password, b64encode(data).decode())
        assert ok == right, said
        assert said == kind or not right


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize("kind", TYPES)
def test_we_take_username_tokens_of_wss4j(wss4j: Wss4j, kind: str, space: str) -> None:
    data = b64encode(message(space=space)).decode()
    ok, answer = wss4j.ask("username", kind, "acme", "s3cret", data)
    assert ok, answer
    token = wsse.read(envelope.read(parse(b64decode(answer), LIMITS)).headers)
    if kind == wsse.PASSWORD_TEXT:
        assert (token.username, token.password, token.digested) == ("acme", "s3cret", False)
        return
    value = wsse.digest(token.nonce, token.created, "s3cret")
    assert (token.username, token.password) == ("acme", b64encode(value).decode())
