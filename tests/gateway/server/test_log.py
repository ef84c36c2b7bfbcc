"""Log lines: one form, secrets masked."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import structlog
from msgspec import Struct
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python import log as old_log

from gateway.server.log import MASK, configure_log


@pytest.fixture
def lines():
    """Configures the log; gives a function that returns the lines written so far."""
    out, undo = io.StringIO(), []

    def start(**options):
        undo.append(configure_log(stream=out, **options))
        return lambda: [json.loads(line) for line in out.getvalue().splitlines()]

    yield start
    for one in undo:
        one()


def test_a_line(lines):
    """Time, level, event, then the keys; instants in UTC."""
    written = lines()
    structlog.get_logger().info("cdr forwarded", partner="hub", hop=5, cost=Decimal("7.16625"))
    structlog.get_logger().debug("not shown")
    [line] = [line for line in written() if "partner" in line]
    assert list(line) == ["time", "level", "event", "partner", "hop", "cost"]
    assert line["event"] == "cdr forwarded"
    assert line["cost"] == "7.16625"
    assert line["time"].endswith("Z")
    age = datetime.now(UTC) - datetime.fromisoformat(line["time"])
    assert timedelta(0) <= age < timedelta(minutes=1)


class Credentials(Struct):
    """Something that carries a secret."""

    name: str
    token: str


class Opaque:
    """Something whose repr shows everything."""

    def __repr__(self):
        return "S3cret"


@pytest.mark.parametrize(
    "keys",
    [
        {"password": "S3cret"},
        {"X-Api-Key": "S3cret"},
        {"accessToken": "S3cret"},
        {"privateKey": b"S3cret"},
        {"client_secret": "S3cret"},
        {"tokens": ["S3cret"]},
        {"headers": {"Authorization": "Token S3cret", "Cookie": "S3cret"}},
        {"partner": {"auth": [{"passphrase": "S3cret"}]}},
        {"partner": Credentials("a", "S3cret")},
        {"partner": Opaque()},
        {"body": b"S3cret"},
        {"contract_id": "S3cret"},
        {"contractId": "S3cret"},
        {"uid": "S3cret"},
        {"emt_id": {"instance": "S3cret"}},
        {"token_uid": ["S3cret", "other"]},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": "S3cret"}}}}}}},
    ],
    ids=str,
)
def test_secrets_are_masked(lines, keys):
    """Whatever the spelling and the depth, the secret is not in the line; the key is."""
    written = lines()
    structlog.get_logger().info("event", **keys)
    [line] = written()
    assert "S3cret" not in json.dumps(line)
    assert keys.keys() <= line.keys()


def test_what_is_no_secret_is_shown(lines):
    """Names that only resemble a secret's, and secrets that are absent."""
    written = lines()
    structlog.get_logger().info("event", monkey="a", password=None, has_token=True, evse_id="b")
    [line] = written()
    assert (line["monkey"], line["password"], line["has_token"], line["evse_id"]) == (
        *("a", None, True, "b"),
    )


def test_identifiers_are_the_same_on_every_line(lines):
    """The hash of an identifier links lines, and depends on the key."""
    written = lines(hash_key=b"one")
    log = structlog.get_logger()
    log.info("a", uid="04AB")
    log.info("b", contract_id="04AB", token="04AB")
    lines(hash_key=b"two")
    log = structlog.get_logger()
    log.info("c", uid="04AB")
    a, b, c = written()
    assert a["uid"] == b["contract_id"] != c["uid"]
    assert b["token"] == MASK
    assert len(a["uid"]) == 11


def test_twisted_logs_the_same_way(lines):
    """Twisted's lines, old and new, have the same form and pass the same mask."""
    written = lines()
    Logger("ns").warn("port {port} is {state}", port=80, state="closed")
    old_log.msg("old words")
    Deferred.debug = False
    unhandled = fail(ValueError("nobody listens"))
    del unhandled
    warned, said, failed = written()[:3]
    assert (warned["event"], warned["level"], warned["logger"]) == (
        *("port 80 is closed", "warning", "ns"),
    )
    assert said["event"] == "old words"
    assert failed["level"] == "critical"
    assert "ValueError: nobody listens" in json.dumps(written())


def test_libraries_log_the_same_way(lines):
    """Python's own logging ends in the same lines."""
    written = lines()
    logging.getLogger("lib").warning("disk %s", "full")
    logging.getLogger("lib").info("chatter")
    [line] = written()
    assert (line["event"], line["level"], line["logger"]) == ("disk full", "warning", "lib")


def test_errors_keep_their_traceback(lines):
    """An exception is one line."""
    written = lines()
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger().exception("failed", path="/")
    [line] = written()
    assert line["path"] == "/"
    assert "Traceback" in line["exception"]
    assert "ValueError: why" in line["exception"]


def test_nothing_makes_a_line_fail(lines):
    """What JSON cannot say is still written somehow."""
    written = lines()
    structlog.get_logger().info("odd", lone="\ud800", huge=10**400, nan=float("nan"), cls=int)
    [line] = written()
    assert line["event"] == "odd"


def test_lines_for_people(lines):
    """A terminal gets readable lines, masked like the others."""
    out = io.StringIO()
    undo = configure_log(stream=out, human=True)
    structlog.get_logger().info("cdr forwarded", partner="hub", password="S3cret")
    undo()
    assert "cdr forwarded" in out.getvalue()
    assert "partner=hub" in out.getvalue()
    assert "S3cret" not in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_undone(lines):
    """After undoing, nothing more is written here."""
    out = io.StringIO()
    configure_log(stream=out)()
    Logger("ns").warn("later")
    logging.getLogger("lib").warning("later")
    assert out.getvalue() == ""
