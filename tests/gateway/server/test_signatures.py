"""Signatures with a configured party, from the file to the answer; the warning in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog.testing
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from gateway.errors import ConfigError
from gateway.http import Request
from gateway.routing.threads import Threads
from gateway.routing.together import Together
from gateway.security import wsse
from gateway.security.keys import OwnKey, Trust
from gateway.security.parse import parse
from gateway.security.profile import Profile, Signing
from gateway.security.signature import sign, verify
from gateway.security.timestamp import Freshness
from gateway.server.app import App
from gateway.server.config import load
from gateway.server.inventory import warn
from gateway.server.signatures import SeenTogether
from gateway.soap import envelope
from gateway.soap.envelope import Version
from gateway.store import SeenMessages, Store
from tests.support.wss import LIMITS, make_certificate, private_key, write_pem

NOW = datetime.now(UTC)
BODY = Path(__file__).parents[2] / "wire/ochp/1.4/GetRoamingAuthorisationList/request_minimal.xml"
CONFIG = """
[gateway]
public_url = "https://gw.example"
country = "SE"
party = "HUB"
name = "Hub"
database = "sqlite:///gateway.db"

[[party]]
id = "acme"
name = "Acme"
roles = ["cpo"]
country = "DE"
codes = ["DE*ACM"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "acme"
password_in = "secret"
[party.wss]
"""
WHOLE = """
key = "own.key"
certificate = "own.pem"
trusted = ["acme.pem"]
"""


def key(which: str, days: float = 365, kind: str = "rsa") -> OwnKey:
    private = private_key(kind, which)
    begins, ends = NOW - timedelta(days=1), NOW + timedelta(days=days)
    return OwnKey(private, make_certificate(private, which, begins=begins, ends=ends))


OWN, ACME = key("own", 10), key("acme")


def app_of(folder: Path, options: str) -> App:
    write_pem(folder, OWN, "own")
    write_pem(folder, ACME, "acme")
    path = folder / "gateway.toml"
    path.write_text(CONFIG + options)
    return App(load(path), reactor)


def request(data: bytes) -> Request:
    headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}
    return Request(method="POST", path="/ochp/1.4", headers=headers, body=data)


def message() -> bytes:
    token = wsse.write(wsse.UsernameToken("acme", "secret"), Version.SOAP_11.value)
    body = BODY.read_bytes().partition(b"?>\n")[2] or BODY.read_bytes()
    return envelope.write(Version.SOAP_11, body, [token])


def signed(data: bytes) -> bytes:
    how = Signing(own=ACME, method="rsa-sha256")
    return sign(data, how, datetime.now(UTC), Freshness(), LIMITS)


async def test_a_party_with_a_profile_signs_and_gets_signed_answers(tmp_path: Path) -> None:
    app = app_of(tmp_path, WHOLE)
    try:
        data = signed(message())
        answer = await app.router(request(data))
        unsigned = await app.router(request(message()))
        again = await app.router(request(data))
    finally:
        app.close()
    assert answer.status == 200, answer.body
    profile = Profile(partner="gateway", trust=Trust([OWN.certificate]))
    found = verify(parse(answer.body, LIMITS), profile, datetime.now(UTC), LIMITS)
    assert found.body.tag.endswith("GetRoamingAuthorisationListResponse")
    for refused in (unsigned, again):
        assert refused.status == 500
        assert b"FailedAuthentication" in refused.body


async def test_without_a_profile_nothing_is_signed(tmp_path: Path) -> None:
    text = CONFIG.replace("[party.wss]\n", "")
    (tmp_path / "gateway.toml").write_text(text)
    app = App(load(tmp_path / "gateway.toml"), reactor)
    try:
        answer = await app.router(request(message()))
    finally:
        app.close()
    assert app.security is None
    assert answer.status == 200
    assert b"Signature" not in answer.body


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "has neither a key to sign with nor one to trust"),
        ('key = "own.key"\n', "key needs certificate"),
        ('trusted = ["acme.pem"]\nauthority = "acme.pem"\n', "authority needs subject"),
        ('trusted = ["acme.pem", "own.pem", "third.pem"]\n', "the present key and the next"),
        ('key = "own.key"\ncertificate = "acme.pem"\n', "is not the key of"),
        ('trusted = ["own.key"]\n', "holds no PEM certificate"),
        (WHOLE + 'algorithm = "ecdsa-sha256"\n', "is no key for ecdsa-sha256"),
        (WHOLE + 'required = ["Header"]\n', "is no part such as"),
        (WHOLE + 'required_for = { X = "Header" }\n', "is no array of parts"),
        (WHOLE + 'inclusive_prefixes = ["a b"]\n', "is no namespace prefix"),
        (WHOLE.replace("acme.pem", "own.pem"), "is also that of the gateway"),
        (WHOLE + '[[party.wss.waiver]]\nalgorithm = "rsa-sha1"\n', "'until' is missing"),
        (WHOLE + '[[party.wss.waiver]]\nalgorithm = "md5"\nuntil = 2030-01-01\n', "none of"),
    ],
)
def test_what_cannot_be_configured(tmp_path: Path, options: str, said: str) -> None:
    (tmp_path / "third.pem").touch()
    with pytest.raises(ConfigError, match=said):
        app_of(tmp_path, options).close()


def test_a_party_may_be_known_by_its_key_alone(tmp_path: Path) -> None:
    write_pem(tmp_path, OWN, "own")
    write_pem(tmp_path, ACME, "acme")
    names = 'username_in = "acme"\npassword_in = "secret"\n'
    (tmp_path / "gateway.toml").write_text(CONFIG.replace(names, "") + WHOLE)
    app = App(load(tmp_path / "gateway.toml"), reactor)
    app.close()
    assert app.security is not None
    assert app.security.profiles["acme"].party.id == "acme"


def test_the_end_of_a_certificate_is_told_in_time(tmp_path: Path) -> None:
    app = app_of(tmp_path, WHOLE)
    app.close()
    with structlog.testing.capture_logs() as entries:
        warn(app.config, NOW)
        warn(app.config, NOW + timedelta(days=11))
    assert [(each["event"], each["party"], each["use"]) for each in entries] == [
        ("a certificate ends soon", "acme", "own, signatures"),
        ("a certificate is over", "acme", "own, signatures"),
    ]
    assert "PRIVATE" not in str(entries)


async def test_keys_that_change_while_the_gateway_runs(tmp_path: Path) -> None:
    """Both ways: what is trusted, and what signs; a key that two share changes nothing."""
    app = app_of(tmp_path, WHOLE)
    theirs, ours = key("acme-next"), key("own-next")

    def message_of(which: OwnKey) -> bytes:
        how = Signing(own=which, method="rsa-sha256")
        return sign(message(), how, datetime.now(UTC), Freshness(), LIMITS)

    try:
        assert (await app.router(request(message_of(theirs)))).status == 500
        write_pem(tmp_path, theirs, "acme")
        write_pem(tmp_path, ours, "own")
        app.reloading.look(at_once=True)
        answer = await app.router(request(message_of(theirs)))
        assert answer.status == 200
        profile = Profile(partner="gateway", trust=Trust([ours.certificate]))
        assert verify(parse(answer.body, LIMITS), profile, datetime.now(UTC), LIMITS)
        assert (await app.router(request(message_of(ACME)))).status == 500
        write_pem(tmp_path, ours, "acme")
        app.reloading.look(at_once=True)
        assert "is also that of the gateway" in app.reloading.faults["wss of acme"]
        assert (await app.router(request(message_of(theirs)))).status == 200
    finally:
        app.close()


async def test_of_many_copies_at_once_one_is_the_first(tmp_path: Path) -> None:
    """They share a transaction, and it is on disk when the answer is known."""
    store, threads = Store(f"sqlite:///{tmp_path}/store.db", lambda: NOW), Threads(reactor)
    other = Store(f"sqlite:///{tmp_path}/store.db", lambda: NOW)
    seen = SeenTogether(Together(store, threads))
    until = NOW + timedelta(hours=1)
    asked = [seen.first_time("acme", (f"m{number % 3}", "id"), until) for number in range(9)]
    news = await gatherResults([Deferred.fromCoroutine(each) for each in asked])
    assert news == [True] + [False] * 8
    assert not SeenMessages(other).first_time("acme", "m0", until)
    assert not SeenMessages(other).first_time("acme", "id", until)
    threads.stop()
    store.close()
    other.close()
