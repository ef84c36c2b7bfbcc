"""Real-time authorisation over HTTP: the whole matrix of answers."""

import pytest

from gateway.errors import Inexpressible, UnknownId
from gateway.model.base import PartyId
from gateway.model.message import AuthorisationQuery, AuthorisationReply, Result, ResultCode
from gateway.model.token import Allowed, TokenKind
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.world import ACM, EVP, Client, Desk, partner, serve

UID = "04A1B2C3D4E580"
ASK = f"/ocpi/2.2.1/sender/tokens/{UID}/authorize"
EMSP = [{"role": "EMSP", "party": "NL*EVP", "name": "EV Provider"}]


@pytest.fixture
def desk():
    return Desk(
        partner("cpo", ACM, roles="cpo", handshake=False, token_in="cpo-token", we=EMSP),
        partner("emsp", EVP, handshake=False, token_in="emsp-token"),
    )


@pytest.fixture
def cpo(desk):
    Client(serve(desk), "emsp-token")(
        "PUT", f"/ocpi/2.2.1/receiver/tokens/NL/EVP/{UID}", samples.token()
    )
    desk.asked.clear()
    return Client(serve(desk), "cpo-token")


def question(desk):
    [query] = [message for message in desk.asked if isinstance(message, AuthorisationQuery)]
    return query


def test_a_known_token(cpo, desk):
    """The whole token, the place that was asked for and the reference come back."""
    answer = cpo("POST", ASK, {"location_id": "SITE-1", "evse_uids": ["E7"]})

    assert (cpo.status, answer["status_code"]) == (200, 1000)
    assert answer["data"] == {
        "allowed": "ALLOWED",
        "token": samples.token(),
        "location": {"location_id": "SITE-1", "evse_uids": ["E7"]},
        "authorization_reference": "AR-1",
    }
    asked = question(desk)
    assert (asked.token.uid, asked.token.kind) == (UID, TokenKind.RFID)
    assert (asked.location_id, asked.evse_uids) == ("SITE-1", ("E7",))
    assert asked.token.owner is None


@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_a_known_token_that_may_not(cpo, desk, allowed):
    """No is an answer, not an error."""
    desk.answers[AuthorisationQuery] = AuthorisationReply(allowed=Allowed[allowed])

    answer = cpo("POST", ASK)

    assert (cpo.status, answer["status_code"]) == (200, 1000)
    assert answer["data"]["allowed"] == allowed
    assert answer["data"]["token"] == samples.token()


@pytest.mark.parametrize(
    "reply",
    [
        UnknownId("nobody's"),
        AuthorisationReply(allowed=Allowed.UNKNOWN_TOKEN),
        AuthorisationReply(result=Result(code=ResultCode.INVALID_ID)),
    ],
)
def test_an_unknown_token(cpo, desk, reply):
    """Both HTTP 404 and 2004."""
    desk.answers[AuthorisationQuery] = reply

    answer = cpo("POST", ASK)

    assert (cpo.status, answer["status_code"]) == (404, 2004)


def test_the_location_is_needed(cpo, desk):
    """2002 when it was not said; if it was, it is not that."""
    desk.answers[AuthorisationQuery] = Inexpressible("an EVSE has to be named")

    assert cpo("POST", ASK)["status_code"] == 2002
    assert cpo.status == 200
    assert cpo("POST", ASK, {"location_id": "SITE-1"})["status_code"] == 2001


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", TokenKind.RFID),
        ("?type=APP_USER", TokenKind.APP_USER),
        ("?token_type=AD_HOC_USER", TokenKind.AD_HOC_USER),
        ("?type=OTHER&token_type=RFID", TokenKind.OTHER),
    ],
)
def test_the_type_of_the_token(cpo, desk, query, kind):
    cpo("POST", ASK + query)

    assert question(desk).token.kind is kind


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("?type=CARD", None),
        ("", {"location_id": 7}),
        ("", {"location_id": "x" * 37}),
        ("", {"location_id": "SITE-1", "evse_uids": "E7"}),
    ],
)
def test_a_bad_question(cpo, desk, query, body):
    answer = cpo("POST", ASK + query, body)

    assert (cpo.status, answer["status_code"]) == (200, 2001)
    assert desk.asked == []


def test_a_directed_question(cpo, desk):
    """The receiver named is the home-CSP that is asked."""
    cpo("POST", ASK, headers={"OCPI-to-country-code": "NL", "OCPI-to-party-id": "EVP"})

    assert question(desk).token.owner == EVP


def test_a_home_csp_that_gives_no_record(cpo, desk):
    """OCPI wants the token in the answer: what nobody knows is #NA."""
    desk.answers[AuthorisationQuery] = AuthorisationReply(allowed=Allowed.ALLOWED)

    answer = cpo("POST", ASK.replace(UID, "CAFE01"))

    assert (cpo.status, answer["status_code"]) == (200, 1000)
    token = answer["data"]["token"]
    assert (token["uid"], token["type"], token["valid"]) == ("CAFE01", "RFID", True)
    assert (token["contract_id"], token["issuer"]) == ("#NA", "#NA")
    assert (token["country_code"], token["party_id"]) == ("NL", "EVP")
    assert token["whitelist"] == "NEVER"
    assert PartyId(country="NL", code="EVP") == EVP
