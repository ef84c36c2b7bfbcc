"""Whatever bytes come: the gates, the readers behind them and the listener refuse or read them.

A second reader, slow and simple, judges what the JSON gate lets through.
"""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.demo import data as demo
from gateway.errors import GatewayError, Malformed
from gateway.security.json_gate import JsonLimits, read_json, write_json
from gateway.security.parse import Limits, parse
from gateway.security.signature import verify
from gateway.server.intake import Intake
from gateway.server.limits import Limits as HttpLimits
from gateway.server.wire import HttpError
from gateway.soap import envelope
from tests.support.budget import LONG, budget
from tests.support.fuzz import mutated, outcome, within_budget
from tests.support.wss import LIMITS, NOW, WSA, message, profile, signed, signing

pytestmark = LONG
MESSAGE_ID = f'<a:MessageID xmlns:a="{WSA}">urn:uuid:7</a:MessageID>'.encode()
XML = (message(), message(headers=MESSAGE_ID), message().decode().encode("utf-16"))
CHARSETS = st.sampled_from((None, "utf-8", "UTF-16", "iso-8859-1", "us-ascii", "rot13", "\ud800"))
SMALL = Limits(bytes=20_000, depth=12, elements=300, attributes=8, namespaces=8, text=2000)


@budget(400)
@given(st.one_of(mutated(XML, "xml"), st.binary(max_size=300)), CHARSETS)
def test_xml_is_read_or_refused(data: bytes, charset: str | None) -> None:
    """And what is read has none of what no message may have, by another look at the tree."""
    with within_budget(len(data)):
        root = outcome(lambda: parse(data, SMALL, charset), Malformed)
        if root is None:
            return
        outcome(lambda: envelope.read(root), Malformed)
    for element in root.iter():
        assert isinstance(element.tag, str), "no comments, no instructions, no entities"
        assert len(element.attrib) <= SMALL.attributes
        assert len(list(element.iterancestors())) < SMALL.depth
        assert len(element.text or "") <= SMALL.text
        # the prefix xml is always in scope, declared or not
        assert len({*element.nsmap} - {"xml"}) <= SMALL.namespaces
    assert root.getroottree().docinfo.doctype == ""


# ---------------------------------------------------------------- JSON

SITE = demo.ocpi_locations("NL", "HAV", 1, seed=1)[0]
ODD = b'{"a":[1.50,-0,1e10,-1.0E-5,{"b":null}],"":"\\u00e9\\ud83d\\ude00","\xc3\xa9": "x\\"y:z"}'
JSON = (write_json(SITE), write_json([demo.ocpi_token("NL", "RYS", 1)] * 3), ODD)
TIGHT = JsonLimits(bytes=20_000, depth=8, members=300, names=40, text=500, digits=20)
_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def plain(data: bytes) -> Any:
    """The value by Python's own reader, exact; ValueError for all that the gate must refuse."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) < len(found) or len(found) > TIGHT.names:
            raise ValueError("a name twice, or too many")
        if any(len(name) > 200 or _BAD.search(name) for name, _ in found):
            raise ValueError("a name")
        return dict(found)

    def number(text: str) -> Any:
        raise ValueError(text)

    def fraction(text: str) -> Decimal:
        exponent = text.lower().partition("e")[2]
        if len(exponent.lstrip("+-0")) > 4:
            raise ValueError("exponent")
        value = Decimal(text)
        _, digits, power = value.as_tuple()
        if len(digits) > TIGHT.digits or abs(int(power)) > TIGHT.digits:
            raise ValueError("digits")
        return value

    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    value = json.loads(text, object_pairs_hook=pairs, parse_constant=number, parse_float=fraction)
    _walked(value, 1)
    return value


def _walked(value: Any, depth: int) -> None:
    if isinstance(value, str) and (len(value) > TIGHT.text or _BAD.search(value)):
        raise ValueError("a text")
    if type(value) is int and abs(value) >= 10**TIGHT.digits:
        raise ValueError("an integer")
    if isinstance(value, dict | list):
        if depth > TIGHT.depth:
            raise ValueError("depth")
        for each in value.values() if isinstance(value, dict) else value:
            _walked(each, depth + 1)


def same(one: Any, other: Any) -> bool:
    """Equal in value, kind and digits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return str(one) == str(other) if isinstance(one, Decimal) else bool(one == other)


@budget(600)
@given(st.one_of(mutated(JSON, "json"), st.binary(max_size=60)))
def test_json_is_read_exactly_or_refused(data: bytes) -> None:
    """What the gate lets through another reader reads the same way, and finds nothing wrong."""
    with within_budget(len(data)):
        value = outcome(lambda: (read_json(data, TIGHT),), Malformed)
    if value is not None:
        assert same(value[0], plain(data))
        assert same(read_json(write_json(value[0]), TIGHT), value[0])


_LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**21), 10**21), st.text(max_size=20),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-999, max_value=999),
)  # fmt: skip


@budget(300)
@given(
    st.recursive(
        _LEAF,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_what_is_right_is_not_refused(value: Any) -> None:
    """Nothing within the limits is refused, however it is written."""
    data = write_json(value)
    try:
        expected = plain(data)
    except ValueError:
        assert outcome(lambda: (read_json(data, TIGHT),), Malformed) is None
        return
    spaced = json.dumps(json.loads(data, parse_float=str), indent=1).encode()
    assert same(read_json(data, TIGHT), expected)
    outcome(lambda: read_json(spaced, TIGHT), Malformed)


# ---------------------------------------------------------------- HTTP

HTTP = (
    b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /ochp/1.4 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
)


@budget(600)
@given(mutated(HTTP, "http"), st.lists(st.integers(1, 60), max_size=12))
def test_a_connection_gives_requests_or_one_refusal(data: bytes, cuts: list[int]) -> None:
    """However the bytes are cut, the same requests come out, and the same refusal ends them."""
    with within_budget(2 * len(data)):
        assert _taken(data, cuts) == _taken(data, [])


def _taken(data: bytes, cuts: list[int]) -> list[Any]:
    intake, found = Intake(HttpLimits(head=600, body=500), lambda head: 500), []
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(data[at : at + cut])
        at += cut
    try:
        for piece in [*pieces, data[at:]]:
            intake.add(piece)
            while (taken := intake.take()) is not None:
                head, body = taken
                found.append((head.method, head.path, head.query, head.headers, body))
            while intake.unfinished:
                if (taken := intake.take()) is not None:
                    found.append((taken[0].method, taken[0].path, taken[1]))
    except HttpError as error:
        assert 400 <= error.status < 600, data  # noqa: PT017 - every error is one to be judged
        found.append("refused")  # by the first rule that the bytes so far have broken
    return found


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_signed_messages_are_verified_or_refused(kind: str) -> None:
    """And what is verified is what was signed."""
    name = f"{{{WSA}}}MessageID"
    how = signing(kind, headers=frozenset({name}), style="x509-data")
    good = signed(message(headers=MESSAGE_ID), how)
    wanted = etree.tostring(
        verify(parse(good, LIMITS), profile(kind), NOW, LIMITS).body, method="c14n"
    )

    @budget(300)
    @given(mutated((good,), "xml"))
    def holds(data: bytes) -> None:
        with within_budget(len(data)):
            found = outcome(
                lambda: verify(parse(data, LIMITS), profile(kind), NOW, LIMITS), GatewayError
            )
        assert found is None or etree.tostring(found.body, method="c14n") == wanted

    holds()
