"""HTTP Basic in place of a UsernameToken: who may, what it opens, and what goes out."""

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred

from gateway import registry
from gateway.demo.ochp import wrapped
from gateway.errors import Untrusted
from gateway.http import HttpAnswer, HttpCall
from gateway.schema import schema_for
from gateway.security.credentials import hash_password, hash_token, write_basic
from gateway.security.wsse import WSSE
from gateway.soap.caller import PartnerCaller
from tests.support.gate import Gate, logged

ROOT = "GetRoamingAuthorisationListRequest"
SECRET = "secret-of-alpenstrom"
LONG = "<x>" + "y" * 300_000 + "</x>"


@pytest.fixture(params=[str, hash_token, hash_password], ids=["clear", "sha256", "scrypt"])
def gate(tmp_path: Any, request: Any) -> Any:
    """A gateway with one party that presents itself by HTTP Basic."""
    gate = Gate(tmp_path)
    text = gate.config.read_text()
    old = f'password_in = "{SECRET}"'
    assert old in text
    first, second = request.param(SECRET), request.param("the-next-secret")
    new = f'password_in = "{first}"\npassword_in_next = "{second}"\nwsse_in = "basic"'
    gate.config.write_text(text.replace(old, new))
    pytest_twisted.blockon(ensureDeferred(gate.start()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def asked(gate: Gate, body: bytes, *, basic: str = "") -> HttpAnswer:
    return await gate.post_soap(body, **({"authorization": basic} if basic else {}))


def refused(answer: HttpAnswer) -> bool:
    return b"FailedAuthentication" in answer.body


@pytest_twisted.ensureDeferred
async def test_who_presents_http_basic(gate: Gate) -> None:
    """The present password and the next one; the message itself names nobody."""
    bare = wrapped(ROOT, "")
    for password in (SECRET, "the-next-secret") * 2:
        with logged() as lines:
            answer = await asked(gate, bare, basic=write_basic("alpenstrom", password))
        assert answer.status == 200, answer.body
        (line,) = [each for each in lines.of("the-id") if each["event"] == "soap call"]
        assert line["party"] == "alpenstrom"
        assert password not in lines.getvalue()


@pytest_twisted.ensureDeferred
async def test_what_is_wrong_is_challenged(gate: Gate) -> None:
    """Wrong ones, none, and none that can be read: 401 and the same fault, for long ones too."""
    for inner in ("", LONG):
        bare = wrapped(ROOT, inner)
        for basic in (
            "",
            "Basic ***",
            "Basic",
            "Bearer x",
            write_basic("alpenstrom", "guess"),
            write_basic("alpenstrom", ""),
            write_basic("nobody", SECRET),
        ):
            answer = await asked(gate, bare, basic=basic)
            assert (answer.status, refused(answer)) == (401, True), basic
            assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest_twisted.ensureDeferred
async def test_each_party_in_its_own_way(gate: Gate) -> None:
    """Basic opens nothing for a party with tokens, nor a token for one with Basic; who shows both
    is who the message says."""
    token = wrapped(ROOT, "", "alpenstrom", SECRET)
    assert refused(await asked(gate, token))
    right = write_basic("alpenstrom", SECRET)
    assert refused(await asked(gate, token, basic=right))
    other = write_basic("fahrstrom", "secret-of-fahrstrom")
    assert refused(await asked(gate, wrapped(ROOT, ""), basic=other))
    good = wrapped("GetCDRsRequest", "", "fahrstrom", "secret-of-fahrstrom")
    with logged() as lines:
        answer = await asked(gate, good, basic=right)
    assert answer.status == 200
    assert [each.get("party") for each in lines.all() if each["event"] == "soap call"] == [
        "fahrstrom"
    ]


@pytest_twisted.ensureDeferred
async def test_a_long_message_by_http_basic(gate: Gate) -> None:
    """Its sender is known by the head: it is read to its end, and refused for what is in it."""
    body, basic = wrapped("UpdateChargePointListRequest", LONG), write_basic("alpenstrom", SECRET)
    with logged() as lines:
        await asked(gate, body, basic=basic)
    (line,) = [each for each in lines.of("the-id") if each["event"] == "soap call"]
    assert (line["party"], line["error"], line["bytes_in"]) == (
        "alpenstrom", "Malformed", len(body),
    )  # fmt: skip


@pytest_twisted.ensureDeferred
async def test_what_goes_out() -> None:
    """A partner that wants HTTP Basic gets it, and no Security header."""
    calls = []

    async def fetch(call: HttpCall) -> HttpAnswer:
        calls.append(call)
        return HttpAnswer(status=401)

    adapter = registry.adapter("ochp")
    options = {
        "address": "http://hub",
        "username_out": "us",
        "password_out": "p:w",
        "wsse_out": "basic",
    }
    caller = PartnerCaller(adapter.endpoints, options, fetch, schema_for("ochp", "1.4"), timeout=5)
    with pytest.raises(Untrusted):
        await caller.call("GetCDRs", b'<GetCDRsRequest xmlns="http://ochp.eu/1.4"/>', "id")
    assert calls[0].headers["Authorization"] == "Basic dXM6cDp3"
    assert WSSE.encode() not in calls[0].body
