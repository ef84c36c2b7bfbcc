"""All flows of the demo on PostgreSQL, and what stands in the log meanwhile.

PostgreSQL is asked for as in the tests of the store; without one the flows run on SQLite, and with
ROAMGATE_REQUIRE_SERVICES=1 the tests fail instead.
"""

import re
from collections import Counter
from contextlib import closing

import pytest
import pytest_twisted
from sqlalchemy import create_engine, text
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred

from gateway.client import HttpClient, Timeouts
from gateway.demo import data
from gateway.demo.flows import Flows
from gateway.demo.stage import build
from gateway.server.app import App
from gateway.server.config import load
from tests.gateway.store.conftest import DATABASES, postgresql
from tests.support.gate import logged, pause

__all__ = ["postgresql"]


class Silent:
    """Nobody is told the story."""

    def step(self, title):
        """A flow begins."""

    def line(self, what):
        """Something has arrived."""


@pytest.fixture(scope="module")
def address(request, tmp_path_factory):
    """The address of an empty database, as an operator writes it."""
    if DATABASES[-1] == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('store')}/flows.db"
    return request.getfixturevalue("postgresql").replace("+psycopg", "")


@pytest.fixture(scope="module")
def story(tmp_path_factory, address):
    """(log lines, as text, stage, faults that partners found) after the demo, with fewer sites."""

    async def play(lines):
        client = HttpClient(reactor, Timeouts(total=30))
        stage = build(tmp_path_factory.mktemp("stage"), reactor, client.fetch)
        config = stage.config.read_text(encoding="utf-8")
        stage.config.write_text(config.replace("sqlite:///demo.db", address), encoding="utf-8")
        del stage.ocpi_cpo.lists["locations"][45:]
        app = App(load(stage.config), reactor)
        try:
            app.start()
            flows = Flows(stage, Silent(), pause)
            del flows.alpen[100:]
            for _, flow in flows.each():
                await flow()
        finally:
            await app.stop()
            await stage.close()
            await client.close()
        return lines.all(), lines.getvalue(), stage, flows.faults()

    with logged() as lines:
        return pytest_twisted.blockon(ensureDeferred(play(lines)))


def test_every_flow(story, address):
    """Whatever the partners wait for arrives, and it is in this very database."""
    *_, faults = story
    assert faults == []
    engine = create_engine(re.sub("^postgresql:", "postgresql+psycopg:", address))
    with closing(engine.connect()) as connection:
        rows = connection.execute(text("SELECT kind, count(*) FROM objects GROUP BY kind"))
        stored = dict(map(tuple, rows))
    engine.dispose()
    assert {"location", "tariff", "token", "cdr", "session", "evse_status"} <= stored.keys()


def test_no_secret_in_the_log(story):
    """No password or token, configured or agreed on in a handshake, is in any line."""
    _, raw, stage, _ = story
    secrets = re.findall(
        r'(?:token_in|password_in|password_out) = "([^"]+)"', stage.config.read_text()
    )
    partners = (stage.ocpi_cpo, stage.ocpi_emsp)
    secrets += [token for partner in partners for token in (partner.accepts, partner.presents)]
    assert len(secrets) == 10
    assert [secret for secret in secrets if secret in raw] == []


def test_no_driver_in_the_log(story):
    """No card number and no contract id, however it is spelled."""
    lines, _, stage, _ = story
    uids = {token["uid"] for token in stage.ocpi_emsp.lists["tokens"]}
    uids |= {data.ochp_uid(number) for number in (*range(1, 202), *range(1001, 1021))}
    uids |= stage.ocpi_cpo.got["tokens"].keys()
    contracts = {token["contract_id"] for token in stage.ocpi_cpo.got["tokens"].values()}
    contracts |= {token["contract_id"] for token in stage.ocpi_emsp.lists["tokens"]}
    names = uids | contracts | {contract.replace("-", "") for contract in contracts}
    assert len(names) > 500
    values = "\n".join(
        str(value).upper() for line in lines for name, value in line.items() if name != "time"
    )
    assert [name for name in names if name.upper() in values] == []


def test_a_message_is_followed_by_its_id(story):
    """Every delivery has the correlation id of a line about what came in before it."""
    lines, *_ = story
    heard: set[str] = set()
    told: Counter[str] = Counter()
    for line in lines:
        assert line.keys() >= {"time", "level", "event"}
        if line["event"] in ("soap call", "ocpi call", "poll"):
            heard.add(line["correlation_id"])
        elif line["event"] == "delivery":
            told[line["party"]] += 1
    assert told.keys() == {"havenlader", "rijstroom", "clearing"}
    strangers = {
        line["correlation_id"]
        for line in lines
        if line["event"] == "delivery" and line["correlation_id"] not in heard
    }
    assert strangers == set()
