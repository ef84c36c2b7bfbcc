"""xml-crypto (Node.js), which node-soap uses, verifies what we sign and signs what we verify."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.security.algorithms import ENVELOPED, EXC_C14N
from gateway.security.algorithms import METHODS as ALGORITHMS
from gateway.security.wsse import WSSE
from tests.support.wss import (
    SOAP_11,
    SOAP_12,
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
)

RSA = ("rsa-sha256", "rsa-sha512")
"""What xml-crypto has of ours."""


class Node:
    """A running xml-crypto."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("node_signer.js")
        self._process = subprocess.Popen(
            ["node", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    running = Node()
    yield running
    running.stop()


def certificate() -> str:
    pem: bytes = own("rsa").certificate.parsed.public_bytes(Encoding.PEM)
    return pem.decode()


@pytest.mark.parametrize("space", [SOAP_11, SOAP_12])
@pytest.mark.parametrize("method", RSA)
def test_node_verifies(node: Node, method: str, space: str) -> None:
    data = signed(message(space=space), signing("rsa", method))
    answer = node.ask(do="verify", certificate=certificate(), message=data.decode())
    assert any("18.50" in each for each in answer["references"]), answer
    changed = data.replace(b"18.50", b"98.50")
    assert "error" in node.ask(do="verify", certificate=certificate(), message=changed.decode())


@pytest.mark.parametrize("transforms", [[EXC_C14N], [ENVELOPED, EXC_C14N]])
@pytest.mark.parametrize("method", RSA)
def test_node_signs(node: Node, method: str, transforms: list[str]) -> None:
    """Also with the transform that node-soap adds, which does nothing here."""
    algorithm = next(each for each in ALGORITHMS if each.name == method)
    _, token = key_reference("binary-token")
    security = f'<w:Security xmlns:w="{WSSE}">{token}{stamp("stamp")}</w:Security>'
    pem = own("rsa").private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    answer = node.ask(
        do="sign",
        key=pem.decode(),
        certificate=certificate(),
        method=algorithm.uri,
        digest=algorithm.digest,
        message=message(headers=security.encode()).decode(),
        xpaths=["/*/*[local-name(.)='Body']", "//*[local-name(.)='Timestamp']"],
        transforms=transforms,
    )
    found = verified(answer["message"].encode(), profile())
    assert c14n(found.body) == c14n(body())
