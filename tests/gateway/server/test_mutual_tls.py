"""Parties bound to their certificates, and keys that change meanwhile, over real TLS."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_twisted
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from structlog.testing import capture_logs
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.threads import deferToThread

from gateway.client import HttpClient, Timeouts
from gateway.demo.ochp import wrapped
from gateway.demo.stage import free_port
from gateway.errors import ConfigError, Unreachable
from gateway.http import HttpCall, Request
from gateway.security.keys import OwnKey
from gateway.server import inventory
from gateway.server.app import App
from gateway.server.config import load
from gateway.server.tls import client_tls
from tests.gateway.server.conftest import Client
from tests.support.gate import pause, token_header, until
from tests.support.wss import make_certificate, private_key, write_pem

CONFIG = """
[gateway]
public_url = "https://localhost:{port}"
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
country = "NL"
party = "RGW"
name = "Gate"
database = "sqlite:///gate.db"
[gateway.tls]
cert = "server.pem"
key = "server.key"

[[party]]
id = "pinned"
name = "Pinned"
roles = ["cpo"]
country = "DE"
codes = ["DE*PIN"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "pinned"
password_in = "password-of-pinned"
[party.tls_in]
trusted = ["now.pem", "next.pem"]

[[party]]
id = "issued"
name = "Issued"
roles = ["emsp"]
country = "NL"
codes = ["NL-ISS"]
protocol = "ocpi-2.2.1"
[party.ocpi]
token_in = "token-of-issued"
[party.tls_in]
authority = "ca.pem"
subject = "CN=issued"

[[party]]
id = "alone"
name = "Alone"
roles = ["cpo"]
country = "DE"
codes = ["DE*ALO"]
protocol = "ochp-1.4"
[party.tls_in]
trusted = ["alone.pem"]
alone = true

[[party]]
id = "open"
name = "Open"
roles = ["cpo"]
country = "DE"
codes = ["DE*OPE"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "open"
password_in = "password-of-open"
"""


def key(which, days=365.0):
    """A key and a certificate by itself, good now."""
    private, now = private_key("p256", which), datetime.now(UTC)
    ends = now + timedelta(days=days)
    return OwnKey(private, make_certificate(private, which, begins=now - timedelta(1), ends=ends))


def write_issued(folder, stem, issued):
    (folder / f"{stem}.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / f"{stem}.key"))


class Gate:
    """A gateway with TLS, and clients with any certificate."""

    def __init__(self, folder):
        self.folder, self.ca = folder, trustme.CA()
        self.ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        write_issued(folder, "server", self.ca.issue_cert("localhost"))
        write_issued(folder, "issued", self.ca.issue_cert("x.example", common_name="issued"))
        write_issued(folder, "other", self.ca.issue_cert("y.example", common_name="other"))
        write_issued(folder, "stranger", trustme.CA().issue_cert("z.example"))
        for stem in ("now", "next", "alone", "third"):
            write_pem(folder, key(stem), stem)
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        text = CONFIG.format(port=self.port, admin=free_port())
        (folder / "gate.toml").write_text(text)
        self.app = App(load(folder / "gate.toml"), reactor)
        self.app.start()
        self._clients = {}

    def client(self, stem):
        """A client that shows a certificate, or none."""
        if stem not in self._clients:
            own = (self.folder / f"{stem}.pem", self.folder / f"{stem}.key") if stem else ()
            tls = client_tls(self.folder / "ca.pem", *own)
            self._clients[stem] = HttpClient(reactor, Timeouts(total=5), tls=tls)
        return self._clients[stem]

    async def soap(self, stem, name, password):
        """What a SOAP question is answered."""
        root = "GetRoamingAuthorisationListRequest"
        answer = await self.client(stem).fetch(
            HttpCall(
                method="POST",
                url=f"{self.url}/ochp/1.4",
                headers={"content-type": "text/xml; charset=utf-8", "soapaction": '""'},
                body=wrapped(root, "", name, password),
            )
        )
        return "refused" if b"FailedAuthentication" in answer.body else answer.status

    async def ocpi(self, stem, token):
        """The HTTP status of an OCPI question."""
        headers = {"authorization": token_header(token)}
        url = f"{self.url}/ocpi/versions"
        answer = await self.client(stem).fetch(HttpCall(method="GET", url=url, headers=headers))
        return answer.status

    async def ready(self):
        """Not before the outbox was looked into once, which comes late on a busy machine."""
        await until(lambda: self.app.deliveries.looked is not None, "the outbox is looked into")

    async def readyz(self):
        answer = await self.app.admin(Request(method="GET", path="/readyz"))
        return answer.status, json.loads(answer.body)["checks"]["key files"]

    async def close(self):
        await self.app.stop()
        for client in self._clients.values():
            await client.close()

    def replace(self, stem, *new):
        """Put other content into files, as a renewal does."""
        for suffix, source in zip((".pem", ".key"), new, strict=False):
            shutil.copy(source, self.folder / "new")
            os.replace(self.folder / "new", self.folder / f"{stem}{suffix}")


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    made = Gate(tmp_path_factory.mktemp("gate"))
    yield made
    pytest_twisted.blockon(ensureDeferred(made.close()))


@pytest.fixture
def own_gate(tmp_path):
    """One of which the files may be changed."""
    made = Gate(tmp_path)
    pytest_twisted.blockon(ensureDeferred(made.ready()))
    yield made
    pytest_twisted.blockon(ensureDeferred(made.close()))


@pytest.mark.parametrize("shown", ["now", "next"])
async def test_a_pinned_certificate_with_its_password(gate, shown):
    assert await gate.soap(shown, "pinned", "password-of-pinned") == 200
    assert await gate.soap(shown, "pinned", "wrong") == "refused"


@pytest.mark.parametrize("shown", [None, "issued", "other", "alone"])
async def test_a_stolen_password_over_another_connection(gate, shown):
    """Right credentials, but no certificate, or that of somebody else: refused, and logged why."""
    with capture_logs() as lines:
        assert await gate.soap(shown, "pinned", "password-of-pinned") == "refused"
    [line] = [line for line in lines if line["event"] == "soap call"]
    assert (line["party"], line["code"]) == ("pinned", "client-certificate")


async def test_an_issued_certificate_with_its_token(gate):
    assert await gate.ocpi("issued", "token-of-issued") == 200


@pytest.mark.parametrize("shown", [None, "other", "now", "alone"])
async def test_a_stolen_token_over_another_connection(gate, shown):
    """Of the same authority with another subject, of another party, or none."""
    assert await gate.ocpi(shown, "token-of-issued") == 401


async def test_a_certificate_of_one_party_with_the_password_of_another(gate):
    """Also where that other one needs no certificate."""
    assert await gate.soap(None, "open", "password-of-open") == 200
    assert await gate.soap("other", "open", "password-of-open") == 200
    assert await gate.soap("now", "open", "password-of-open") == "refused"


async def test_a_certificate_alone(gate):
    """Who it is follows from the certificate, for the party that is configured so and no other."""
    assert await gate.soap("alone", "", "") == 200
    for shown in (None, "now", "other"):
        assert await gate.soap(shown, "", "") == "refused"
    assert await gate.soap("alone", "open", "password-of-open") == "refused"


@pytest.mark.parametrize("shown", ["stranger", "third"])
async def test_a_certificate_of_a_stranger(gate, shown):
    """It does not get past the handshake."""
    with pytest.raises(Unreachable, match="TLS: "):
        await gate.soap(shown, "open", "password-of-open")


async def test_a_certificate_that_ends_while_the_connection_is_open(gate):
    """With each request its validity is looked at."""
    party = gate.app.directory.parties["pinned"].partner
    shown = key("now").certificate.parsed
    later = gate.app.certificates
    clock, later._clock = later._clock, lambda: datetime.now(UTC) + timedelta(days=400)
    try:
        request = Request(method="POST", path="/", client_certificate=shown)
        with pytest.raises(Exception, match="client-certificate: not a certificate of this party"):
            later.check(party, request)
    finally:
        later._clock = clock


# -- files that change -----------------------------------------------------------------------------


def certificate_of(gate, open_client=None):
    """The certificate that the gateway shows to who connects now."""
    context = ssl.create_default_context(cadata=gate.ca.cert_pem.bytes().decode())
    client = open_client or Client(gate.port, tls=context)
    try:
        return client._socket.getpeercert(binary_form=True)
    finally:
        if open_client is None:
            client.close()


GET = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_a_renewed_certificate_of_the_listener(own_gate, tmp_path):
    """New connections get it; one that is open goes on."""
    context = ssl.create_default_context(cadata=own_gate.ca.cert_pem.bytes().decode())
    before = await deferToThread(certificate_of, own_gate)
    client = await deferToThread(Client, own_gate.port, tls=context)
    assert (await deferToThread(lambda: client.send(GET).answer())).status == 200
    write_issued(tmp_path, "renewed", own_gate.ca.issue_cert("localhost"))
    own_gate.replace("server", tmp_path / "renewed.pem", tmp_path / "renewed.key")

    own_gate.app.reloading.look()
    assert await deferToThread(certificate_of, own_gate) == before  # it may not be whole yet
    own_gate.app.reloading.look()
    assert await deferToThread(certificate_of, own_gate) != before
    assert (await deferToThread(lambda: client.send(GET).answer())).status == 200
    client.close()
    assert await own_gate.readyz() == (200, {"ok": True, "reason": None})


async def test_a_broken_file_changes_nothing(own_gate, tmp_path):
    """It is logged and shown, and mended by a good one; traffic is not held back."""
    before = await deferToThread(certificate_of, own_gate)
    (tmp_path / "broken").write_text("-----BEGIN CERTIFICATE-----\nZm9v\n")
    own_gate.replace("server", tmp_path / "broken")
    with capture_logs() as lines:
        own_gate.app.reloading.look(at_once=True)
    [line] = lines
    assert (line["event"], line["about"]) == ("changed files are not used", "gateway.tls")
    assert await deferToThread(certificate_of, own_gate) == before
    status, said = await own_gate.readyz()
    assert (status, said["ok"]) == (200, True)
    assert "server.pem holds no PEM certificate" in said["reason"]

    write_issued(tmp_path, "renewed", own_gate.ca.issue_cert("localhost"))
    own_gate.replace("server", tmp_path / "renewed.pem")
    own_gate.app.reloading.look(at_once=True)
    assert "is not the key of" in (await own_gate.readyz())[1]["reason"]
    own_gate.replace("server", tmp_path / "renewed.pem", tmp_path / "renewed.key")
    own_gate.app.reloading.look(at_once=True)
    assert await deferToThread(certificate_of, own_gate) != before
    assert (await own_gate.readyz())[1] == {"ok": True, "reason": None}


async def test_another_certificate_of_a_party(own_gate, tmp_path):
    """What is trusted changes at once, also on connections that are open."""
    assert await own_gate.soap("now", "pinned", "password-of-pinned") == 200
    with pytest.raises(Unreachable):
        await own_gate.soap("third", "pinned", "password-of-pinned")
    own_gate.replace("now", tmp_path / "third.pem")
    own_gate.app.reloading.look(at_once=True)
    assert await own_gate.soap("third", "pinned", "password-of-pinned") == 200
    assert await own_gate.soap("next", "pinned", "password-of-pinned") == 200
    assert await own_gate.soap("now", "pinned", "password-of-pinned") == "refused"


async def test_the_files_are_looked_at_by_themselves(own_gate, tmp_path):
    """Every few seconds, by the reactor's clock."""
    from twisted.internet.task import Clock

    own_gate.app.reloading.stop()
    clock = Clock()
    loop = own_gate.app.reloading._loop
    loop.clock = clock
    own_gate.app.reloading.start()
    own_gate.replace("now", tmp_path / "third.pem")
    clock.advance(5)
    clock.advance(5)
    assert await own_gate.soap("third", "pinned", "password-of-pinned") == 200


def withdraw(gate, *stems, days=1.0):
    """Write what the authority has withdrawn to ``crl.pem``."""
    authority = x509.load_pem_x509_certificate(gate.ca.cert_pem.bytes())
    signs = load_pem_private_key(gate.ca.private_key_pem.bytes(), None)
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    builder = builder.last_update(now - timedelta(9)).next_update(now + timedelta(days))
    for stem in stems:
        pem = (gate.folder / f"{stem}.pem").read_bytes()
        serial = x509.load_pem_x509_certificate(pem).serial_number
        row = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        builder = builder.add_revoked_certificate(row.build())
    made = builder.sign(signs, hashes.SHA256()).public_bytes(Encoding.PEM)
    (gate.folder / "fresh.pem").write_bytes(made)
    os.replace(gate.folder / "fresh.pem", gate.folder / "crl.pem")


async def test_a_certificate_that_its_authority_has_withdrawn(tmp_path):
    """Refused as soon as the list says so, also over a connection that is open; a list that has
    run out lets nobody of that authority in, and others are not asked for one."""
    gate = Gate(tmp_path)
    await gate.app.stop()
    withdraw(gate, "other")
    path = tmp_path / "gate.toml"
    path.write_text(path.read_text().replace('"CN=issued"', '"CN=issued"\ncrl = "crl.pem"'))
    gate.app = App(load(path), reactor)
    gate.app.start()
    try:
        assert await gate.ocpi("issued", "token-of-issued") == 200
        for stems, days, status in ((("issued",), 1, 401), ((), 1, 200), ((), -1, 401)):
            withdraw(gate, *stems, days=days)
            gate.app.reloading.look(at_once=True)
            assert await gate.ocpi("issued", "token-of-issued") == status
            assert await gate.soap("now", "pinned", "password-of-pinned") == 200
        found = {row.use: row for row in inventory.rows(load(path))}
        row = found["withdrawn by issuer of its TLS client"]
        assert row.state(datetime.now(UTC)) == "over"
        assert row.what.startswith("0 certificates of ")
    finally:
        await gate.close()


async def test_a_server_whose_certificate_was_withdrawn(own_gate):
    """Who is called has to be on no list of its authority, and the list has to be current."""

    async def called(*stems, days=1.0):
        withdraw(own_gate, *stems, days=days)
        tls = client_tls(own_gate.folder / "ca.pem", crl=own_gate.folder / "crl.pem")
        client = HttpClient(reactor, Timeouts(total=5), tls=tls)
        try:
            url = f"{own_gate.url}/openapi.json"
            return (await client.fetch(HttpCall(method="GET", url=url))).status
        except Unreachable as error:
            return str(error)
        finally:
            await client.close()

    assert await called("other") == 200
    for stems, days in ((("server",), 1), ((), -1)):
        assert "TLS: certificate verify failed" in await called(*stems, days=days)
    assert await called() == 200


# -- configuration ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('trusted = ["now.pem", "next.pem"]', "", "has neither trusted nor authority"),
        ('trusted = ["now.pem", "next.pem"]', 'trusted = ["server.key"]', "holds no PEM"),
        ('subject = "CN=issued"', "", "authority needs subject"),
        ('["now.pem", "next.pem"]', '["now.pem", "next.pem", "third.pem"]', "the present key and"),
        ('subject = "CN=issued"', 'subject = "CN=issued"\nalone = true', "always has tokens"),
        ('["alone.pem"]', '["now.pem"]', "is also that of"),
        ('["alone.pem"]', '["alone.pem"]\ncrl = "ca.pem"', "of no use without authority"),
        ('"CN=issued"', '"CN=issued"\ncrl = "ca.pem"', "holds no revocation list"),
        ("[party.tls_in]", '[party.tls]\ncrl = "ca.pem"\n[party.tls_in]', "of no use without ca"),
        ('[gateway.tls]\ncert = "server.pem"\nkey = "server.key"\n', "", "needs gateway.tls"),
    ],
)
def test_what_cannot_be_configured(gate, tmp_path, old, new, said):
    shutil.copytree(gate.folder, tmp_path / "copy")
    path = tmp_path / "copy" / "gate.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=said):
        App(load(path), reactor).close()


async def test_sighup_has_the_files_read_again_at_once(tmp_path):
    """In a process of its own, which goes on."""
    gate = Gate(tmp_path)
    await gate.close()  # its files and ports are what is needed here
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(tmp_path / "gate.toml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )
    try:
        before = await eventually(gate)
        write_issued(tmp_path, "renewed", gate.ca.issue_cert("localhost"))
        gate.replace("server", tmp_path / "renewed.pem", tmp_path / "renewed.key")
        process.send_signal(signal.SIGHUP)
        await eventually(gate, other_than=before)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


async def eventually(gate, other_than=None):
    """The certificate that is shown, once it can be seen and is another one."""
    for _ in range(100):
        try:
            found = await deferToThread(certificate_of, gate)
        except OSError:
            found = other_than
        if found != other_than:
            return found
        await pause(0.1)
    raise AssertionError("no other certificate")


async def test_a_certificate_for_servers_only(own_gate, tmp_path):
    """Its extended key usage says what it is for, pinned or not."""
    private, now = private_key("p256", "server-only"), datetime.now(UTC)
    only = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    begins, ends = now - timedelta(days=1), now + timedelta(days=9)
    made = make_certificate(private, "x", begins=begins, ends=ends, extensions=[only])
    write_pem(tmp_path, OwnKey(private, made), "only")
    own_gate.replace("next", tmp_path / "only.pem")
    own_gate.app.reloading.look(at_once=True)
    with pytest.raises(Unreachable, match="TLS: "):
        await own_gate.soap("only", "pinned", "password-of-pinned")
