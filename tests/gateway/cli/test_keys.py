"""``roamgate keys``: everything that can end is listed, checked and can be made anew."""

import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner

from gateway.cli.app import app as command
from gateway.security.credentials import is_stored, matches
from gateway.security.keys import OwnKey, own_key
from gateway.server.config import load
from gateway.server.inventory import rows
from tests.support.wss import make_certificate, private_key, write_pem

NOW = datetime.now(UTC)
CONFIG = """
[gateway]
public_url = "https://gw.example"
country = "SE"
party = "HUB"
name = "Hub, Inc"
database = "sqlite:///gateway.db"
[gateway.tls]
cert = "tls/server.pem"
key = "tls/server.key"
client_ca = "tls/ca.pem"

[[party]]
id = "acme"
name = "Acme"
roles = ["cpo"]
country = "DE"
codes = ["DE*ACM"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "acme"
password_in = "known-secret-in-clear"
password_in_next = "sha256$00000000000000000000000000000000$HASH"
[party.tls]
ca = "tls/ca.pem"
cert = "tls/client.pem"
key = "tls/client.key"
pinned = ["tls/theirs.pem"]
pinned_keys = ["sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
[party.tls_in]
trusted = ["tls/shown.pem"]
authority = "tls/ca.pem"
subject = "CN=acme"
[party.wss]
key = "tls/own.key"
certificate = "tls/own.pem"
trusted = ["tls/signs.pem"]
authority = "tls/ca.pem"
subject = "CN=acme"
[[party.wss.waiver]]
algorithm = "rsa-sha1"
until = UNTIL
""".replace("HASH", "0" * 64)
USES = [
    ("everybody", "own, TLS listener"),
    ("everybody", "issuer of client certificates"),
    ("acme", "own, TLS client"),
    ("acme", "its TLS server"),
    ("acme", "its TLS server, by key"),
    ("acme", "issuer of its TLS server"),
    ("acme", "its TLS client"),
    ("acme", "issuer of its TLS client"),
    ("acme", "own, signatures"),
    ("acme", "its signatures"),
    ("acme", "issuer of its signatures"),
    ("acme", "waiver"),
    ("acme", "password_in"),
    ("acme", "password_in_next"),
]


def key(which, days=365.0):
    private = private_key("p256", which)
    begins = NOW - timedelta(days=1)
    return OwnKey(
        private, make_certificate(private, which, begins=begins, ends=NOW + timedelta(days=days))
    )


@pytest.fixture
def config(tmp_path):
    """A configuration of which nothing ends soon."""
    tls = tmp_path / "tls"
    tls.mkdir()
    trustme.CA().cert_pem.write_to_path(str(tls / "ca.pem"))
    for stem in ("server", "client", "theirs", "shown", "own", "signs"):
        write_pem(tls, key(stem), stem)
    path = tmp_path / "roamgate.toml"
    path.write_text(CONFIG.replace("UNTIL", f"{NOW + timedelta(days=100):%Y-%m-%d}"))
    return path


def run(*arguments, stdin=None):
    return CliRunner().invoke(command, ["keys", *map(str, arguments)], input=stdin)


def test_everything_is_listed(config):
    """In the order of the file, with its end; no secret is in it."""
    result = run("--config", config, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert [(row["party"], row["use"]) for row in found] == USES
    assert {row["state"] for row in found} == {"good"}
    [own] = [row for row in found if row["use"] == "own, signatures"]
    certificate = key("own").certificate
    assert own["fingerprint"] is not None
    assert own["ends"][:10] == f"{certificate.ends:%Y-%m-%d}"
    kept = {row["use"]: row["what"] for row in found if row["use"].startswith("password")}
    assert kept == {"password_in": "kept in clear", "password_in_next": "kept as sha256"}
    table = run("--config", config).output
    for text in (result.output, table):
        assert "known-secret" not in text
        assert "sha256$" not in text
        assert "PRIVATE" not in text
    assert own["fingerprint"] in table


def test_every_file_of_the_configuration_is_in_a_row(config):
    """Keys apart: an option that names a certificate cannot be forgotten here."""
    named = {
        value.partition('"')[2].partition('"')[0]
        for value in config.read_text().splitlines()
        if ".pem" in value
    }
    assert {f"tls/{row.file.rpartition('/')[2]}" for row in rows(load(config)) if row.file} == named


def test_nothing_ends(config):
    result = run("check", "--config", config)
    assert (result.exit_code, result.stdout) == (0, "")
    assert run("check", "--config", config, "--days", "364").exit_code == 1  # the waiver


@pytest.mark.parametrize(
    ("stem", "days", "state"),
    [("server", 10, "soon"), ("theirs", 29, "soon"), ("shown", -0.5, "over"), ("signs", 1, "soon")],
)
def test_what_ends_is_told(config, stem, days, state):
    write_pem(config.parent / "tls", key(stem, days), stem)
    result = run("check", "--config", config, "--json")
    assert result.exit_code == 1
    [row] = json.loads(result.output)
    assert (row["state"], row["file"].rpartition("/")[2]) == (state, f"{stem}.pem")
    text = run("check", "--config", config)
    assert text.exit_code == 1
    assert state in text.output


def test_a_waiver_that_ends(config):
    config.write_text(CONFIG.replace("UNTIL", f"{NOW - timedelta(days=2):%Y-%m-%d}"))
    result = run("check", "--config", config, "--json")
    [row] = json.loads(result.output)
    assert (result.exit_code, row["use"], row["what"]) == (1, "waiver", "rsa-sha1")
    assert row["state"] == "over"


def test_a_file_that_cannot_be_read(config):
    (config.parent / "tls/shown.pem").write_text("nothing")
    result = run("check", "--config", config, "--json")
    [row] = json.loads(result.output)
    assert (result.exit_code, row["state"]) == (1, "broken")
    assert "holds no PEM certificate" in row["what"]


# -- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "form"),
    [
        ("short one", "scrypt"),
        ("7f9c2ba4e88f827d616045507605853e", "sha256"),
        ("ü", "scrypt"),
        ("correct horse battery staple", "scrypt"),
        ("Gv3xkq9SxTGBIuFzPyTtqw", "sha256"),
    ],
)
def test_a_secret_becomes_its_stored_form(secret, form):
    """It is read from standard input; short ones get a slow hash."""
    result = run("hash", stdin=f"{secret}\n")
    stored = result.stdout.strip()
    assert stored.startswith(f"{form}$")
    assert is_stored(stored)
    assert matches(secret, stored)
    assert secret not in result.output


def test_a_new_secret():
    said = json.loads(run("hash", "--new", "--json").output)
    assert matches(said["secret"], said["stored"])
    assert len(said["secret"]) >= 43
    assert json.loads(run("hash", "--new", "--json").output) != said
    assert said["stored"].startswith("sha256$")


@pytest.mark.parametrize("stdin", ["", "\n", "a\0b\n"])
def test_no_secret(stdin):
    assert run("hash", stdin=stdin).exit_code == 2


def test_a_pin(config):
    """The form that pinned_keys takes."""
    result = run("pin", config.parent / "tls/theirs.pem")
    assert result.exit_code == 0
    [row] = [row for row in rows(load(config)) if row.use == "its TLS server"]
    assert result.stdout.strip() == row.pin
    assert run("pin", config.parent / "tls/own.key").exit_code == 2


# -- new keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "stem", "purpose"),
    [
        (["acme"], "acme-signing", None),
        (["acme", "--kind", "p256"], "acme-signing", None),
        (["acme", "--use", "client", "--kind", "p384"], "acme-client", "clientAuth"),
        (["--kind", "p256"], "gateway-listener", "serverAuth"),
    ],
)
def test_a_new_key_stands_beside_the_old_one(config, arguments, stem, purpose):
    """Key, certificate and request fit each other, and openssl reads them."""
    before = {path: path.read_bytes() for path in (config.parent / "tls").iterdir()}
    result = run("new", *arguments, "--config", config)
    assert result.exit_code == 0, result.output
    made = config.parent / "tls" / f"{stem}-{NOW:%Y%m%d}"
    for end in (".key", ".pem", ".csr"):
        assert f"{made}{end}" in result.output
    assert {path: path.read_bytes() for path in before} == before
    key_file, pem = made.with_name(f"{made.name}.key"), made.with_name(f"{made.name}.pem")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    own = own_key(key_file, pem)
    assert own.certificate.subject == "CN=gw.example,O=Hub\\, Inc"
    own.certificate.check(datetime.now(UTC))
    request = x509.load_pem_x509_csr(pem.with_suffix(".csr").read_bytes())
    assert request.is_signature_valid
    private = load_pem_private_key(key_file.read_bytes(), None)
    assert request.public_key() == private.public_key()
    said = subprocess.run(
        ["openssl", "req", "-in", pem.with_suffix(".csr"), "-noout", "-text", "-verify"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {"clientAuth": "TLS Web Client Auth", "serverAuth": "TLS Web Server Auth"}
    assert (names[purpose] in said) if purpose else "TLS Web" not in said
    assert ("DNS:gw.example" in said) == (purpose == "serverAuth")
    again = run("new", *arguments, "--config", config)
    assert again.exit_code == 2
    assert "exists already" in again.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "is no party"),
        (["acme", "--use", "love"], "is one of signing, client"),
        (["acme", "--kind", "dsa"], "is one of rsa, p256, p384"),
        (["acme", "--subject", "x"], "is no subject"),
    ],
)
def test_no_new_key(config, arguments, said):
    result = run("new", *arguments, "--config", config)
    assert result.exit_code == 2
    assert said in result.output
    assert not list((config.parent / "tls").glob("acme-*"))


@pytest.mark.parametrize(
    ("arguments", "stem"),
    [(["acme"], "own"), (["acme", "--use", "client"], "client"), ([], "server")],
)
def test_a_new_key_is_put_in_the_place_of_the_old_one(config, arguments, stem):
    """Both files, by one command; the old pair stands beside them."""
    tls = config.parent / "tls"
    old = [(tls / f"{stem}{end}").read_bytes() for end in (".key", ".pem")]
    assert run("new", *arguments, "--kind", "p256", "--config", config).exit_code == 0
    [new_key] = tls.glob(f"*-{NOW:%Y%m%d}.key")
    pair = ["--key", new_key, "--certificate", new_key.with_suffix(".pem")]
    (tls / f"{stem}.key").chmod(0o640)
    result = run("use", *arguments, *pair, "--config", config)
    assert result.exit_code == 0, result.output
    new = [new_key.read_bytes(), new_key.with_suffix(".pem").read_bytes()]
    assert [(tls / f"{stem}{end}").read_bytes() for end in (".key", ".pem")] == new
    assert stat.S_IMODE((tls / f"{stem}.key").stat().st_mode) == 0o640
    kept = [next(tls.glob(f"{stem}{end}.until-*")).read_bytes() for end in (".key", ".pem")]
    assert kept == old
    assert not list(tls.glob("*.new"))
    load(config)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["acme", "--key", "tls/server.key", "--certificate", "tls/client.pem"], "not the key of"),
        (["acme", "--key", "tls/none.key", "--certificate", "tls/client.pem"], "cannot be read"),
        (["acme", "--key", "tls/old.key", "--certificate", "tls/old.pem"], "expired"),
        (["acme", "--key", "tls/own.key", "--certificate", "tls/own.pem"], "the files in use"),
        (
            ["nobody", "--key", "tls/old.key", "--certificate", "tls/old.pem"],
            "no key is configured",
        ),
    ],
)
def test_a_key_that_is_not_put_in_place(config, monkeypatch, arguments, said):
    monkeypatch.chdir(config.parent)
    write_pem(config.parent / "tls", key("old", -0.5), "old")
    before = {path: path.read_bytes() for path in (config.parent / "tls").iterdir()}
    result = run("use", *arguments, "--config", config)
    assert result.exit_code == 2
    assert said in result.output
    assert {path: path.read_bytes() for path in (config.parent / "tls").iterdir()} == before
