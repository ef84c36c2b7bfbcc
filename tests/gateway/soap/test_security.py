"""Signed messages through the service and the client, each party by its own profile."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_twisted
from lxml import etree
from twisted.internet import reactor

from gateway.client import HttpClient, Limits, Timeouts
from gateway.errors import BadAnswer, ConfigError, Refused, Untrusted
from gateway.http import HttpAnswer, HttpCall
from gateway.routing.runtime import Inline
from gateway.routing.together import Together
from gateway.security import wsse
from gateway.security.certificates import Name
from gateway.security.digest import Digests, Password
from gateway.security.keys import Authority, Trust
from gateway.security.parse import Limits as XmlLimits
from gateway.security.parse import parse
from gateway.security.profile import Profile, Signing
from gateway.security.signature import sign, verify
from gateway.security.timestamp import Freshness
from gateway.security.unverified import Unverified
from gateway.server.signatures import SeenTogether
from gateway.soap import envelope, offload
from gateway.soap.client import FaultAnswer, SoapClient
from gateway.soap.envelope import Version
from gateway.soap.security import MessageSecurity
from gateway.store import Store
from tests.support.wss import NOW, own

from .conftest import (
    CONTRACT,
    NAMESPACE,
    OCCUPY,
    TOKEN,
    authenticate,
    fault_of,
    message,
    opened,
    request,
)

XML = XmlLimits()
PARTNER, GATEWAY, STRANGER = own("rsa", "partner"), own("p256", "gateway"), own("rsa", "stranger")


def signing(key=PARTNER, **options):
    return Signing(own=key, method="rsa-sha256" if key.kind == "rsa" else "ecdsa-sha256", **options)


def signed(data=None, key=PARTNER, now=NOW, **options):
    data = message() if data is None else data
    return sign(data, signing(key, **options), now, Freshness(), XML)


def checked(data, key=GATEWAY):
    """The body of an answer that the partner has verified."""
    profile = Profile(partner="gateway", trust=Trust([key.certificate]))
    return verify(parse(data, XML), profile, NOW, XML).body


class Clock:
    now = NOW

    def __call__(self):
        return self.now


class Remembered(set):
    """A memory that lasts as long as the test."""

    def first_time(self, partner, id, until):
        new = (partner, id) not in self
        self.add((partner, id))
        return new


@dataclass
class Memory:
    """The same for who does not block."""

    seen: Remembered

    async def first_time(self, partner, ids, until):
        return all(self.seen.first_time(partner, id, until) for id in ids)


@dataclass(frozen=True)
class Party:
    id: str


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def seen():
    return Remembered()


@pytest.fixture
def secure(make, seen, clock):
    """``secure(profile, ...)``: the service with profiles."""

    def build(*profiles, **options):
        security = MessageSecurity(profiles, Memory(seen), clock)
        return make(security=security, **options)

    return build


VERIFIES = Profile(partner="party-1", trust=Trust([PARTNER.certificate]))
BOTH = Profile(partner="party-1", trust=Trust([PARTNER.certificate]), signing=signing(GATEWAY))


# ---------------------------------------------------------------- the service


@pytest.mark.parametrize("version", Version)
async def test_a_signed_message_is_answered_with_a_signed_one(secure, calls, version):
    data = signed(message(version=version))
    response = await secure(BOTH).handle(request(data, version))
    assert response.status == 200
    assert checked(response.body).findtext("{*}accepted") == "1"
    (call,) = calls
    assert (call.party, call.deviations) == ("party-1", [])
    assert call.body.getparent() is None


async def test_what_is_handed_on_was_signed(secure, calls):
    """Namespaces around the body that no signature covers do not come along."""
    data = signed().replace(b"<soap:Envelope ", b'<soap:Envelope xmlns:evil="urn:evil" ')
    await secure(VERIFIES).handle(request(data))
    assert "evil" not in calls[0].body.nsmap


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (message(), "signature-count"),
        (signed(key=STRANGER), "key-unknown"),
        (signed().replace(b"<spot>A1<", b"<spot>A2<"), "digest"),
        (signed(now=NOW - timedelta(hours=1)), "timestamp-expired"),
    ],
    ids=["unsigned", "stranger", "changed", "old"],
)
async def test_a_bad_signature_is_refused(secure, calls, logged, data, code):
    """With a fault that says nothing, and a log line that says which rule."""
    response = await secure(VERIFIES).handle(request(data))
    fault = fault_of(response)
    assert response.status == 500
    assert fault.codes == (wsse.FAILED_AUTHENTICATION,)
    assert code not in fault.text
    assert calls == []
    (line,) = [each for each in logged if each["event"] == "soap call"]
    assert (line["code"], line["party"], line["outcome"]) == (code, "party-1", "fault")


async def test_a_password_alone_is_not_enough_and_neither_is_a_key(secure, calls):
    service = secure(VERIFIES)
    wrong = message(token=wsse.UsernameToken("cpo", "wrong"))
    for data in (message(), signed(wrong), signed(message(token=None))):
        assert fault_of(await service.handle(request(data)))
    assert calls == []


async def test_it_comes_after_mustunderstand_and_before_the_schema(secure):
    block = etree.Element("{urn:x}X")
    block.set(f"{{{Version.SOAP_11.value}}}mustUnderstand", "1")
    unknown = message(headers=(block,))
    response = await secure(VERIFIES).handle(request(unknown))
    assert "MustUnderstand" in fault_of(response).codes[0]
    invalid = message(OCCUPY.replace(b"spot", b"spat"))
    response = await secure(VERIFIES).handle(request(invalid))
    assert fault_of(response).codes == (wsse.FAILED_AUTHENTICATION,)
    response = await secure(VERIFIES).handle(request(signed(invalid)))
    assert "Client" in fault_of(response).codes[0]


async def test_a_message_counts_once(secure, calls, clock):
    service, data = secure(BOTH), signed()
    first = await service.handle(request(data))
    again = await service.handle(request(data))
    assert (first.status, again.status, len(calls)) == (200, 500, 1)
    assert fault_of(again).codes == (wsse.FAILED_AUTHENTICATION,)
    assert (await service.handle(request(signed()))).status == 200
    clock.now += timedelta(minutes=10)
    assert fault_of(await service.handle(request(data)))


async def test_a_changed_copy_does_not_use_up_the_original(secure, calls):
    """Only what was found good is remembered."""
    service, data = secure(VERIFIES), signed()
    assert fault_of(await service.handle(request(data.replace(b">A1<", b">A2<"))))
    assert (await service.handle(request(data))).status == 200


async def test_the_memory_survives_a_restart(make, clock, tmp_path, calls):
    data = signed()
    statuses = []
    for _ in range(2):
        store = Store(f"sqlite:///{tmp_path}/store.db", clock)
        security = MessageSecurity([VERIFIES], SeenTogether(Together(store, Inline())), clock)
        statuses.append((await make(security=security).handle(request(data))).status)
        store.close()
    assert (statuses, len(calls)) == ([200, 500], 1)


@pytest.fixture
def handed(monkeypatch):
    """The names of what was handed over to a thread."""
    names = []

    async def in_thread(work, *arguments):
        names.append(work.__name__)
        return work(*arguments)

    monkeypatch.setattr(offload, "deferToThread", in_thread)
    return names


async def test_small_messages_are_not_handed_to_a_thread(secure, calls, handed):
    assert (await secure(BOTH).handle(request(signed()))).status == 200
    assert handed == []


async def test_messages_that_canonicalisation_makes_long_are(secure, calls, handed):
    """A small one that says a long namespace once, and uses it at two hundred places."""
    space = "urn:" + "x" * 4000
    block = f'<X xmlns="urn:x" xmlns:a="{space}">{"<a:y/>" * 200}</X>'
    data = message().replace(b"</soap:Header>", f"{block}</soap:Header>".encode())
    data = signed(data, headers=frozenset({"{urn:x}X"}))
    assert len(data) < 16 * 1024
    assert (await secure(BOTH).handle(request(data))).status == 200
    assert handed == ["verify"]


async def test_long_keys_and_chains_are_for_a_thread(secure, calls, handed):
    """Signing takes long with the one; the keys of the other come from the sender."""
    long = Profile(
        partner="party-1",
        trust=Trust([PARTNER.certificate], Authority([STRANGER.certificate], Name.parse("CN=x"))),
        signing=signing(own("rsa3200", "gateway")),
    )
    assert (await secure(long).handle(request(signed()))).status == 200
    assert handed == ["verify", "sign"]


async def test_faults_are_signed_too(secure, calls):
    """Those for a sender who is known, by password at least."""
    service = secure(BOTH)
    calls.reply = Refused("no")
    answer = await service.handle(request(signed()))
    assert envelope.read_fault(checked(answer.body)) is not None
    answer = await service.handle(request(message()))
    assert envelope.read_fault(checked(answer.body)) is not None
    wrong = message(token=wsse.UsernameToken("cpo", "wrong"))
    answer = await service.handle(request(wrong))
    with pytest.raises(Unverified):
        checked(answer.body)


async def test_an_answer_in_pieces_is_signed_whole(secure, calls):
    async def reply(call):
        return iter([f'<OccupyResponse xmlns="{NAMESPACE}">'.encode(), b"<accepted>3</accepted>",
                     b"</OccupyResponse>"])  # fmt: skip

    calls.reply = reply
    answer = await secure(BOTH).handle(request(signed()))
    assert checked(answer.body).findtext("{*}accepted") == "3"


async def test_an_answer_that_breaks_off_while_it_is_signed(secure, calls):
    async def reply(call):
        def pieces():
            yield b"<OccupyResponse>"
            raise ArithmeticError

        return pieces()

    calls.reply = reply
    answer = await secure(BOTH).handle(request(signed()))
    assert answer.status == 500
    assert "Server" in fault_of(answer).codes[0]


async def test_a_party_without_a_profile_is_served_as_before(secure, calls):
    other = Profile(partner="party-2", trust=Trust([PARTNER.certificate]))
    answer = await secure(other).handle(request(message()))
    assert (answer.status, calls[0].deviations) == (200, [])
    assert opened(answer).headers == ()
    await secure(other).handle(request(signed()))
    assert calls[1].deviations == ["a signature that nobody looked at"]


async def test_signatures_beside_http_basic(secure, calls):
    service = secure(BOTH, basic=authenticate)
    data = signed(message(token=None))
    asked = request(data, authorization="Basic Y3BvOnBhc3M=")
    assert (await service.handle(asked)).status == 200
    assert len(calls) == 1


# ---------------------------------------------------------------- who it is, by the key alone


def by_key(name, key, **options):
    return Profile(partner=name, party=Party(name), trust=Trust([key.certificate]), **options)


async def test_a_party_can_be_known_by_its_key(secure, calls):
    service = secure(by_key("acme", PARTNER), by_key("abc", STRANGER))
    for key in (PARTNER, STRANGER):
        data = signed(message(token=None), key, style="thumbprint")
        assert (await service.handle(request(data))).status == 200
    assert [call.party for call in calls] == [Party("acme"), Party("abc")]


async def test_nobody_is_known_by_a_key_before_the_signature_is_good(secure, calls, logged):
    service = secure(by_key("acme", PARTNER))
    forged = signed(message(token=None), PARTNER).replace(b">A1<", b">A2<")
    unknown = signed(message(token=None), STRANGER)
    for data, code in ((forged, "digest"), (unknown, "key-unknown")):
        assert fault_of(await service.handle(request(data)))
        line = logged[-1]
        assert (line["code"], line["party"]) == (code, None)
        assert line.get("claimed") == ("acme" if code == "digest" else None)
    assert calls == []


async def test_a_party_with_a_password_is_not_known_by_its_key(secure, calls):
    data = signed(message(token=None))
    assert fault_of(await secure(VERIFIES).handle(request(data)))
    assert calls == []


def test_partners_with_the_same_key_are_no_configuration(seen, clock):
    with pytest.raises(ConfigError, match="is also that of"):
        MessageSecurity([by_key("acme", PARTNER), by_key("abc", PARTNER)], Memory(seen), clock)


# ---------------------------------------------------------------- the client


@pytest.fixture
def http():
    client = HttpClient(reactor, Timeouts(connect=2, total=5), Limits(body=1_000_000))
    yield client
    pytest_twisted.blockon(client.close())


@pytest.fixture
def partner(schema, seen, clock, http):
    """``partner(address, profile, **options)``: a client with the profile."""

    def build(address, profile, **options):
        security = MessageSecurity([profile], Memory(seen), clock).of(profile.partner)
        options = {"username": TOKEN.username, "password": TOKEN.password} | options
        fetch = options.pop("fetch", http.fetch)
        return SoapClient(CONTRACT, "P11", address, fetch, schema, security=security, **options)

    return build


CALLER = Profile(partner="gateway", trust=Trust([GATEWAY.certificate]), signing=signing(PARTNER))


async def test_client_and_service(serve, secure, partner, calls):
    """Both directions are signed and verified; each has the other's certificate alone."""
    client = partner(serve(secure(BOTH).handle), CALLER)
    for _ in range(2):
        found = await client.call("Occupy", OCCUPY)
        assert found.body.findtext("{*}accepted") == "1"
        assert found.body.getparent() is None
    assert [call.party for call in calls] == ["party-1"] * 2


async def test_an_answer_that_is_not_signed_is_not_believed(serve, secure, partner, calls):
    url = serve(secure(VERIFIES).handle)
    with pytest.raises(Unverified) as caught:
        await partner(url, CALLER).call("Occupy", OCCUPY)
    assert caught.value.code == "security-header"


async def test_an_answer_by_somebody_else(serve, secure, partner):
    stranger = Profile(
        partner="party-1", trust=Trust([PARTNER.certificate]), signing=signing(STRANGER)
    )
    with pytest.raises(Untrusted):
        await partner(serve(secure(stranger).handle), CALLER).call("Occupy", OCCUPY)


async def test_an_old_answer_is_not_taken_again(partner, secure):
    """Whoever stands between cannot answer a second question with the first answer."""
    service, kept = secure(BOTH), []

    async def fetch(call: HttpCall) -> HttpAnswer:
        response = await service.handle(request(call.body))
        kept.append(HttpAnswer(status=200, headers=response.headers, body=response.body))
        return kept[0]

    client = partner("http://x", CALLER, fetch=fetch)
    assert await client.call("Occupy", OCCUPY) is not None
    with pytest.raises(Unverified) as caught:
        await client.call("Occupy", OCCUPY)
    assert caught.value.code == "replay"


async def test_faults_to_a_client_that_verifies(serve, secure, partner, calls):
    """A signed fault is the partner's word; one that is not signed is only a bad answer."""
    calls.reply = Refused("no")
    with pytest.raises(FaultAnswer, match="no"):
        await partner(serve(secure(BOTH).handle), CALLER).call("Occupy", OCCUPY)
    with pytest.raises(BadAnswer, match="without a good signature") as caught:
        await partner(serve(secure(VERIFIES).handle), CALLER).call("Occupy", OCCUPY)
    assert not isinstance(caught.value, FaultAnswer)


async def test_a_client_that_only_signs(serve, secure, partner, calls):
    only = Profile(partner="gateway", signing=signing(PARTNER))
    found = await partner(serve(secure(BOTH).handle), only).call("Occupy", OCCUPY)
    assert found.body.findtext("{*}accepted") == "1"


# ---------------------------------------------------------------- digests of passwords


@pytest.fixture
def by_digest(make, seen, clock):
    """A service for a party that presents digests."""
    digests = Digests({"cpo": Password("pass", Party("party-1"))}, seen, clock)
    return make(
        digests=digests.check,
        authenticate=lambda username, password: None,
        claimed={"cpo": "party-1"}.get,
    )


def digest(nonce=b"nonce", secret=""):
    return wsse.digested("cpo", secret or "pass", nonce, NOW)


@pytest.mark.parametrize("version", Version)
async def test_a_password_digest_is_taken_once(by_digest, calls, logged, version):
    data = message(token=digest(), version=version)
    assert (await by_digest.handle(request(data, version))).status == 200
    assert calls[0].party == Party("party-1")
    assert fault_of(await by_digest.handle(request(data, version)))
    line = logged[-1]
    assert (line["code"], line["party"], line["claimed"]) == ("replay", None, "party-1")
    assert len(calls) == 1


async def test_who_presents_digests_presents_no_password(by_digest, calls, logged):
    for token in (wsse.UsernameToken("cpo", "pass"), digest(b"n2", "wrong")):
        assert fault_of(await by_digest.handle(request(message(token=token))))
        assert (logged[-1]["code"], logged[-1]["claimed"]) == ("credentials", "party-1")
    assert calls == []


async def test_digests_are_not_taken_from_others(service, calls, logged):
    assert fault_of(await service.handle(request(message(token=digest()))))
    assert (logged[-1]["code"], calls) == ("token-type", [])


async def test_a_client_that_presents_digests(serve, by_digest, schema, http, calls, clock):
    options = {"username": "cpo", "password": "pass", "scheme": "digest", "clock": clock}
    client = SoapClient(CONTRACT, "P11", serve(by_digest.handle), http.fetch, schema, **options)
    for _ in range(2):
        assert (await client.call("Occupy", OCCUPY)).body.findtext("{*}accepted") == "1"
    assert len(calls) == 2
