"""CDRs over HTTP: posted once, fetched again, never changed."""

from decimal import Decimal

import pytest

from gateway.model.message import CdrQuery, CdrUpload
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.world import ACM, EVP, Client, Desk, partner, serve

POST, LIST = "/ocpi/2.2.1/receiver/cdrs", "/ocpi/2.2.1/sender/cdrs"


@pytest.fixture
def desk():
    return Desk(
        partner("cpo", ACM, roles="cpo", handshake=False, token_in="cpo-token"),
        partner("emsp", EVP, handshake=False, token_in="emsp-token"),
    )


@pytest.fixture
def cpo(desk):
    return Client(serve(desk), "cpo-token")


@pytest.fixture
def emsp(desk):
    return Client(serve(desk), "emsp-token")


def uploads(desk):
    return [message for message in desk.asked if isinstance(message, CdrUpload)]


def test_a_cdr_is_posted_and_fetched_at_its_location(cpo, emsp, desk):
    """201 with an absolute URL at which the poster finds it; who pays finds it in the list."""
    answer = cpo("POST", POST, samples.cdr())

    assert (cpo.status, answer["status_code"]) == (201, 1000)
    location = cpo.response.headers["Location"]
    assert location == "https://gw.example/ocpi/2.2.1/receiver/cdrs/DE/ACM/C-1"
    assert cpo("GET", location)["data"] == samples.cdr()
    assert desk.asked[-1] == CdrQuery(mine=True, id="C-1", owner=ACM)
    assert emsp("GET", LIST)["data"] == [samples.cdr()]
    assert desk.asked[-1].mine is False
    assert uploads(desk)[0].cdrs[0].owner == ACM


def test_a_head_is_that_of_the_get_and_takes_no_cdrs(cpo, emsp, desk):
    """RFC 9110, 9.1 and 9.3.2. The server leaves the body out, so nobody was given anything."""
    cpo("POST", POST, samples.cdr())

    emsp("GET", LIST)
    seen = emsp.response
    emsp("HEAD", LIST)
    assert emsp.status == seen.status
    assert emsp.response.headers["X-Total-Count"] == "1"
    assert [message.peek for message in desk.asked[-2:]] == [False, True]


@pytest.mark.parametrize("id_", ["DE*ACM*1", "a/b", "ä".encode().hex(), "x+y", "C 1"])
def test_the_location_of_any_id_can_be_fetched(cpo, id_):
    cpo("POST", POST, samples.cdr(id_))

    assert cpo("GET", cpo.response.headers["Location"])["data"]["id"] == id_


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({}, 1000, "unchanged"),
        ({"last_updated": "2031-05-03T00:00:00Z"}, 1000, "unchanged"),
        ({"id": "c-1"}, 1000, "unchanged"),
        ({"total_energy": 99}, 2001, "credit CDR"),
        ({"remark": "corrected"}, 2001, "credit CDR"),
    ],
)
def test_a_cdr_that_comes_again_has_its_first_location(cpo, desk, changes, code, message):
    """Nothing is stored twice or changed; what differs is refused: it needs a credit CDR."""
    cpo("POST", POST, samples.cdr())
    first = cpo.response.headers["Location"]

    answer = cpo("POST", POST, samples.cdr(**changes))

    assert (cpo.status, answer["status_code"]) == (200, code)
    assert cpo.response.headers["Location"] == first
    assert message in answer["status_message"]
    said = [one.cdrs[0].total_energy for one in uploads(desk)]
    assert said == [uploads(desk)[0].cdrs[0].total_energy] * len(said)
    assert cpo("GET", first)["data"] == samples.cdr()


def test_a_credit_cdr(cpo, emsp):
    """It is another CDR, 39 characters at most, that refers to the first."""
    cpo("POST", POST, samples.cdr())
    credit = samples.cdr(
        "C" * 39,
        credit=True,
        credit_reference_id="C-1",
        total_cost={"excl_vat": -9.5, "incl_vat": Decimal("-11.305")},
    )

    assert cpo("POST", POST, credit)["status_code"] == 1000
    assert cpo.status == 201
    assert cpo("GET", cpo.response.headers["Location"])["data"] == credit
    assert len(emsp("GET", LIST)["data"]) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"party_id": "XYZ"},
        {"country_code": "FR"},
        {"party_id": None},
        {"id": "C" * 40},
        {"charging_periods": []},
        {"total_cost": 9.5},
        {"currency": None},
    ],
)
def test_a_bad_cdr_is_2001(cpo, desk, changes):
    """Another operator's, too long, without a period, without money: not taken."""
    answer = cpo("POST", POST, samples.cdr(**changes))

    assert (cpo.status, answer["status_code"]) == (200, 2001)
    assert "Location" not in cpo.response.headers
    assert uploads(desk) == []


def test_nobody_fetches_anothers_cdr(cpo, emsp):
    cpo("POST", POST, samples.cdr())

    assert emsp("GET", cpo.response.headers["Location"])["status_code"] == 2001
    assert emsp.status == 404
    assert cpo("GET", f"{POST}/DE/ACM/C-9")["status_code"] == 2000
    assert cpo.status == 404
