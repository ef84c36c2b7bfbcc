"""Every attack of the corpus is refused for its own reason; what is harmless passes."""

import random
import re
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import utils
from lxml import etree

from gateway.errors import GatewayError
from gateway.security.parse import BrokenXml, parse
from gateway.security.profile import Profile
from gateway.security.signature import verify
from gateway.security.unverified import Unverified
from gateway.security.wsse import WSU
from tests.support.attacks import ATTACKS, Attack, Parts, made
from tests.support.attacks_resigned import RESIGNED, resigned
from tests.support.budget import THOROUGH
from tests.support.wss import (
    LIMITS,
    NOW,
    SOAP_12,
    STYLES,
    WSA,
    body,
    c14n,
    message,
    profile,
    signed,
    signing,
    verified,
)

NAME = f"{{{WSA}}}MessageID"
MESSAGE_ID = f'<a:MessageID xmlns:a="{WSA}">urn:uuid:7</a:MessageID>'.encode()
STRICT = profile(required=frozenset({NAME}))


@pytest.fixture(scope="module")
def good() -> bytes:
    return signed(message(headers=MESSAGE_ID), signing(headers=frozenset({NAME})))


def test_the_corpus_is_large_and_names_are_unique() -> None:
    assert len(ATTACKS) > 250
    assert len({each.name for each in ATTACKS}) == len(ATTACKS)


def test_the_message_of_the_corpus_is_good(good: bytes) -> None:
    assert c14n(verified(good, STRICT).body) == c14n(body())
    assert verified(Parts(good).bytes(), STRICT)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_is_refused(attack: Attack, good: bytes) -> None:
    data = made(attack, good)
    assert data != Parts(good).bytes()
    with pytest.raises(Unverified) as caught:
        verified(data, STRICT)
    assert caught.value.code in attack.codes, caught.value


# ---------------------------------------------------------------- what is harmless passes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<s:Body ", b"\n<s:Body "),
        (b"<s:Header>", b"<s:Header><x:Other xmlns:x='urn:x'>not signed</x:Other>"),
        (b"</ds:SignedInfo>", b"</ds:SignedInfo>\n  "),
        (b"<wsse:Security ", b"<wsse:Security s:actor='' "),
        (b"<ds:Signature ", b"<ds:Signature Id='sig-1' "),
        (b"<ds:KeyInfo>", b"<ds:KeyInfo Id='ki-1'>"),
    ],
)
def test_what_is_harmless_passes(good: bytes, old: bytes, new: bytes) -> None:
    changed = Parts(good).bytes().replace(old, new, 1)
    assert changed != Parts(good).bytes()
    assert c14n(verified(changed, STRICT).body) == c14n(body())


def test_a_signature_value_in_lines(good: bytes) -> None:
    parts = Parts(good)
    text = parts.value.text or ""
    parts.value.text = "\n" + "\r\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    assert verified(parts.bytes(), STRICT)


def test_other_prefixes_around_what_is_signed() -> None:
    """The envelope's own prefix is part of what is signed, the wrapper's attributes are not."""
    data = signed().replace(b"<s:Envelope ", b'<s:Envelope xmlns:unused="urn:u" ')
    assert verified(data)


def test_ids_of_the_payload_are_its_own_business() -> None:
    content = b'<p:Pay xmlns:p="urn:p"><a id="1"/><b id="1"/><c id="id-x"/></p:Pay>'
    assert verified(signed(message(content)))


# ---------------------------------------------------------------- ECDSA


def test_a_signature_that_anybody_can_turn_round_is_the_same_message() -> None:
    """(r, n - s) is good as well; it has the same ids, so it is refused as a replay."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    data = signed(how=signing("p256"))
    parts = Parts(data)
    raw = b64decode(parts.value.text or "")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    turned = r.to_bytes(32, "big") + (order - s).to_bytes(32, "big")
    parts.value.text = b64encode(turned).decode()
    how = profile("p256")
    assert verified(parts.bytes(), how).ids == verified(data, how).ids


def test_a_der_signature_is_not_taken_for_a_raw_one() -> None:
    data = signed(how=signing("p256"))
    parts = Parts(data)
    raw = b64decode(parts.value.text or "")
    numbers = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    for value in (utils.encode_dss_signature(*numbers), raw + raw, bytes(64), b"\xff" * 64):
        parts.value.text = b64encode(value).decode()
        with pytest.raises(Unverified) as caught:
            verified(parts.bytes(), profile("p256"))
        assert caught.value.code == "signature"


# ---------------------------------------------------------------- mutations


def _mutated(data: bytes, chance: random.Random) -> bytes:
    """Bytes changed, lost, doubled or moved; or elements, attributes and texts of the tree."""
    if chance.random() < 0.5:
        out = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at, length = chance.randrange(len(out)), chance.choice((1, 1, 2, 8, 64))
            piece = bytes(out[at : at + length])
            match chance.randrange(5):
                case 0:
                    out[at] ^= 1 << chance.randrange(8)
                case 1:
                    out[at] = chance.randrange(32, 127)
                case 2:
                    del out[at : at + length]
                case 3:
                    out[at:at] = piece
                case _:
                    other = chance.randrange(len(out))
                    out[other : other + length] = piece
        return bytes(out)
    root = etree.fromstring(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        elements = list(root.iter("*"))
        one, other = chance.choice(elements), chance.choice(elements)
        parent = one.getparent()
        if parent is None:
            continue
        match chance.randrange(9):
            case 0:
                parent.remove(one)
            case 1:
                parent.insert(
                    chance.randrange(len(parent) + 1), etree.fromstring(etree.tostring(one))
                )
            case 2 if one not in other.iterancestors() and other is not one:
                other.insert(chance.randrange(len(other) + 1), one)
            case 3:
                one.text = (one.text or "") + chance.choice(("x", " ", "0", "\n", "&"))
            case 4 if one.attrib:
                name = chance.choice(list(one.attrib))
                one.set(name, one.attrib[name] + chance.choice(("x", " ", "1")))
            case 5 if one.attrib:
                del one.attrib[chance.choice(list(one.attrib))]
            case 6 if other.attrib:
                name = chance.choice(list(other.attrib))
                one.set(name, other.attrib[name])
            case 7:
                one.tag = other.tag
            case _:
                one.text, other.text = other.text, one.text
    return etree.tostring(root)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_mutations_never_change_what_is_handed_on(kind: str, style: str) -> None:
    """Thousands of them: a refusal of ours, or the very content that was signed."""
    how = signing(
        kind, style=style, headers=frozenset({NAME}), inclusive_prefixes=("s", "x", "#default")
    )
    space = SOAP_12 if style == "thumbprint" else message.__defaults__[1]  # type: ignore[index]
    data = signed(message(space=space, headers=MESSAGE_ID), how)
    strict = profile(kind, required=frozenset({NAME}))
    expected = verified(data, strict)
    wanted = c14n(expected.body), [c14n(each) for each in expected.headers]
    chance = random.Random(f"{kind} {style}")
    passed = 0
    for _ in range(5000 if THOROUGH else 500):
        changed = _mutated(data, chance)
        found = _outcome(changed, strict)
        if found is not None:
            passed += changed != data
            assert found == wanted, changed
    assert passed > 5, "mutations that change nothing are among them"


def _outcome(data: bytes, how: Profile) -> tuple[bytes, list[bytes]] | None:
    try:
        found = verify(parse(data, LIMITS), how, NOW, LIMITS)
    except GatewayError:
        return None
    return c14n(found.body), [c14n(each) for each in found.headers]


# ---------------------------------------------------------------- signed by the partner itself


def test_what_is_signed_again_is_good_when_its_form_is(good: bytes) -> None:
    """The control of the attacks below: not the signing is what they are refused for."""
    for name in ("plain", "another text", "white space", "an id", "comments"):
        parts = Parts(good)
        if name == "another text":
            parts.body[0][0].text = "19.00"
        elif name == "white space":
            parts.info.text = parts.references[0].text = parts.key.text = " \r\n\t"
        elif name == "an id":
            parts.reference(parts.body).set("URI", "#_b.0-A")
            parts.body.set(f"{{{WSU}}}Id", "_b.0-A")
        resigned(parts)
        data = parts.bytes()
        if name == "comments":  # they are no part of a message, and cut no text
            data = re.sub(rb"(<ds:(?:Digest|Signature)Value>....)", rb"\1<!-- a -->", data)
        assert len(verified(data, STRICT).body), name


def test_the_corpus_of_signed_attacks_is_large() -> None:
    assert len(RESIGNED) > 120
    assert len({each.name for each in RESIGNED}) == len(RESIGNED)


@pytest.mark.parametrize("attack", RESIGNED, ids=str)
def test_an_attack_under_a_good_signature_is_refused(attack: Attack, good: bytes) -> None:
    data = made(attack, good)
    with pytest.raises((Unverified, BrokenXml)) as caught:
        verified(data, STRICT)
    assert caught.value.code in attack.codes, caught.value
