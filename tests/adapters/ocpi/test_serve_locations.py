"""Locations over HTTP: what an operator pushes, down to a plug, and what others read of it."""

import pytest

from gateway.model.location import EvseState
from gateway.model.message import LocationUpload, StatusUpload
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.world import ACM, EVP, Client, Desk, partner, serve

S = "/ocpi/2.2.1/sender/locations"
R = "/ocpi/2.2.1/receiver/locations/DE/ACM"
SITE, E7, PLUG = f"{R}/SITE-1", f"{R}/SITE-1/E7", f"{R}/SITE-1/E7/1"
BEFORE, STORED, LATER = "2031-05-01T08:59:59Z", "2031-05-01T09:00:00Z", "2031-05-01T10:00:00Z"


@pytest.fixture
def desk():
    return Desk(
        partner("cpo", ACM, roles="cpo", handshake=False, token_in="cpo-token"),
        partner("emsp", EVP, handshake=False, token_in="emsp-token"),
    )


@pytest.fixture
def cpo(desk):
    """An operator whose site of two EVSEs, the first with two plugs, is known."""
    client = Client(serve(desk), "cpo-token")
    first = samples.evse("E7", connectors=[samples.connector(), samples.connector(id="2")])
    body = samples.location(evses=[first, samples.evse("E8")])
    assert client("PUT", SITE, body)["status_code"] == 1000
    assert client.status == 201
    desk.asked.clear()
    return client


@pytest.fixture
def emsp(desk):
    return Client(serve(desk), "emsp-token")


def site(client):
    return client("GET", SITE)["data"]


def uploads(desk):
    return [message for message in desk.asked if isinstance(message, LocationUpload | StatusUpload)]


# -- reading ---------------------------------------------------------------------------------


def test_the_same_objects_on_both_interfaces(cpo, emsp):
    """What was put is what the operator compares and what a provider gets."""
    for tail, key, value in (("", "id", "SITE-1"), ("/E7", "uid", "E7"), ("/E7/2", "id", "2")):
        held = cpo("GET", SITE + tail)["data"]
        assert held[key] == value
        assert emsp("GET", f"{S}/SITE-1{tail}")["data"] == held
    assert emsp("GET", S)["data"] == [site(cpo)]
    assert emsp("GET", f"{S}/site-1/e7/2")["data"]["id"] == "2"


def test_a_location_comes_back_as_it_was_put(desk, cpo):
    """Nothing is lost, added or written in another way, unknown fields included, but for nulls."""
    body = samples.location(
        last_updated=LATER,
        evses=[],
        images=None,
        facilities=[],
        custom={"deep": [1, {"x": "y"}]},
        opening_times={"twentyfourseven": True},
    )
    cpo("PUT", SITE, body)

    del body["images"]
    assert site(cpo) == body


@pytest.mark.parametrize(
    ("tail", "code"),
    [("SITE-9", 2003), ("SITE-1/E9", 2003), ("SITE-1/E7/9", 2003), ("SITE-9/E7/1", 2003)],
)
def test_what_is_not_known_is_404(cpo, emsp, tail, code):
    assert emsp("GET", f"{S}/{tail}")["status_code"] == code
    assert emsp.status == 404
    assert cpo("GET", f"{R}/{tail}")["status_code"] == code
    assert cpo.status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
@pytest.mark.parametrize("party", ["FR/XYZ", "DE/AC", "DEU/ACM", "D1/ACM", "NL/EVP"])
def test_the_party_in_the_path_is_the_callers(cpo, desk, method, party):
    """Nobody reads or writes in another operator's name."""
    answer = cpo(method, f"/ocpi/2.2.1/receiver/locations/{party}/SITE-1", samples.location())

    assert (cpo.status, answer["status_code"]) == (404, 2001)
    assert desk.asked == []


# -- PUT -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SITE, samples.location("SITE-2")),
        (SITE, samples.location(country_code="FR")),
        (SITE, samples.location(party_id="XYZ")),
        (SITE, samples.location(id=7)),
        (E7, samples.evse("E8")),
        (PLUG, samples.connector(id="2")),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_ids_of_path_and_body_agree(cpo, desk, method, path, body):
    """2001 otherwise, and nothing is stored."""
    answer = cpo(method, path, body)

    assert (cpo.status, answer["status_code"]) == (200, 2001)
    assert uploads(desk) == []


def test_put_replaces_the_whole_location(cpo):
    """Fields and EVSEs that are not sent are gone; 200, since it was known."""
    body = samples.location(last_updated=LATER)
    del body["name"]

    assert cpo("PUT", SITE, body)["status_code"] == 1000
    assert cpo.status == 200
    assert "name" not in site(cpo)
    assert [evse["uid"] for evse in site(cpo)["evses"]] == ["E7"]


def test_put_evse_raises_the_location(cpo, desk):
    """The EVSE is replaced in its place, and its time goes up to the location."""
    answer = cpo("PUT", E7, samples.evse(physical_reference="9", last_updated=LATER))

    assert (cpo.status, answer["status_code"]) == (200, 1000)
    found = site(cpo)
    assert [evse["uid"] for evse in found["evses"]] == ["E7", "E8"]
    assert found["evses"][0]["physical_reference"] == "9"
    assert len(found["evses"][0]["connectors"]) == 1
    assert found["last_updated"] == LATER
    assert found["evses"][1]["last_updated"] == STORED
    assert len(uploads(desk)) == 1


def test_put_of_a_new_evse(cpo):
    assert cpo("PUT", f"{SITE}/E9", samples.evse("E9", last_updated=LATER))["status_code"] == 1000

    assert cpo.status == 201
    assert [evse["uid"] for evse in site(cpo)["evses"]] == ["E7", "E8", "E9"]


def test_put_connector_raises_both_parents(cpo):
    """Connector, EVSE and location have the new time; the other plug keeps its own."""
    assert cpo("PUT", PLUG, samples.connector(max_amperage=63, last_updated=LATER))
    assert cpo.status == 200

    found = site(cpo)
    evse = found["evses"][0]
    assert [plug["max_amperage"] for plug in evse["connectors"]] == [63, 200]
    assert [plug["last_updated"] for plug in evse["connectors"]] == [LATER, STORED]
    assert (evse["last_updated"], found["last_updated"]) == (LATER, LATER)


def test_an_older_child_does_not_turn_back_its_parents(cpo):
    """A plug that is newer than before but older than the location leaves its time alone."""
    cpo("PUT", SITE, samples.location(last_updated="2031-05-01T12:00:00Z"))
    cpo("PUT", PLUG, samples.connector(last_updated=LATER))

    assert site(cpo)["last_updated"] == "2031-05-01T12:00:00Z"
    assert site(cpo)["evses"][0]["last_updated"] == LATER


@pytest.mark.parametrize("path", [f"{R}/SITE-9/E7", f"{R}/SITE-9/E7/1", f"{SITE}/E9/1"])
def test_put_below_what_is_not_known(cpo, desk, path):
    """404 with 2003; the operator then puts the parent."""
    body = samples.connector() if path.endswith("/1") else samples.evse()

    assert cpo("PUT", path, body)["status_code"] == 2003
    assert cpo.status == 404
    assert uploads(desk) == []


def test_put_connector_of_a_new_plug(cpo):
    cpo("PUT", f"{SITE}/E8/2", samples.connector(id="2", last_updated=LATER))

    assert cpo.status == 201
    assert [plug["id"] for plug in site(cpo)["evses"][1]["connectors"]] == ["1", "2"]


# -- stale -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", SITE, samples.location(name="old", last_updated=BEFORE)),
        ("PUT", E7, samples.evse(status="BLOCKED", last_updated=BEFORE)),
        ("PUT", PLUG, samples.connector(max_amperage=1, last_updated=BEFORE)),
        ("PATCH", SITE, {"name": "old", "last_updated": BEFORE}),
        ("PATCH", E7, {"status": "BLOCKED", "last_updated": BEFORE}),
        ("PATCH", E7, {"physical_reference": "0", "last_updated": BEFORE}),
        ("PATCH", PLUG, {"max_amperage": 1, "last_updated": BEFORE}),
    ],
)
def test_what_is_older_is_ignored_with_1000(cpo, desk, method, path, body):
    """It is no error of the sender's, but it changes nothing, and the answer says so."""
    before = site(cpo)

    answer = cpo(method, path, body)

    assert (cpo.status, answer["status_code"]) == (200, 1000)
    assert "ignored" in answer["status_message"]
    assert uploads(desk) == []
    assert site(cpo) == before


def test_the_same_again_is_taken(cpo, desk):
    """Equal times are no reason to ignore: peers repeat after a lost answer."""
    cpo("PUT", E7, samples.evse(status="BLOCKED"))

    assert site(cpo)["evses"][0]["status"] == "BLOCKED"


# -- PATCH -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SITE, E7, PLUG])
@pytest.mark.parametrize("time", [{}, {"last_updated": None}, {"last_updated": "now"}])
def test_patch_needs_last_updated(cpo, desk, path, time):
    answer = cpo("PATCH", path, {"max_amperage": 63, **time})

    assert (cpo.status, answer["status_code"]) == (200, 2001)
    assert "last_updated" in answer["status_message"]
    assert uploads(desk) == []


@pytest.mark.parametrize("tail", ["SITE-9", "SITE-9/E7", "SITE-1/E9", "SITE-1/E7/9"])
def test_patch_of_what_is_not_known(cpo, tail):
    assert cpo("PATCH", f"{R}/{tail}", {"name": "x", "last_updated": LATER})["status_code"] == 2003
    assert cpo.status == 404


def test_a_status_alone_is_live_status(cpo, desk):
    """It does not go through the whole location."""
    answer = cpo("PATCH", f"{SITE}/e7", {"status": "CHARGING", "last_updated": LATER})

    assert (cpo.status, answer["status_code"]) == (200, 1000)
    [upload] = uploads(desk)
    assert isinstance(upload, StatusUpload)
    [status] = upload.evses
    assert status.state is EvseState.CHARGING
    assert (status.location_id, status.evse_uid, status.evse_id) == ("SITE-1", "E7", "DE*ACM*E7")
    assert status.updated.isoformat() == "2031-05-01T10:00:00+00:00"


def test_a_bad_status_is_2001(cpo, desk):
    answer = cpo("PATCH", E7, {"status": "BROKEN", "last_updated": LATER})

    assert (cpo.status, answer["status_code"]) == (200, 2001)
    assert "/status" in answer["status_message"]
    assert uploads(desk) == []


def test_patch_evse(cpo, desk):
    """More than a status changes the location: fields merged, time raised, the rest as it was."""
    before = site(cpo)

    cpo("PATCH", E7, {"status": "BLOCKED", "physical_reference": "9", "last_updated": LATER})

    found = site(cpo)
    assert found["evses"][0] == before["evses"][0] | {
        "status": "BLOCKED",
        "physical_reference": "9",
        "last_updated": LATER,
    }
    assert found == before | {"evses": [found["evses"][0], before["evses"][1]]} | {
        "last_updated": LATER
    }
    assert isinstance(uploads(desk)[0], LocationUpload)


def test_patch_connector(cpo):
    before = site(cpo)["evses"][0]["connectors"]

    cpo("PATCH", PLUG, {"max_amperage": 63, "last_updated": LATER})

    found = site(cpo)
    assert found["evses"][0]["connectors"] == [
        before[0] | {"max_amperage": 63, "last_updated": LATER},
        before[1],
    ]
    assert (found["evses"][0]["last_updated"], found["last_updated"]) == (LATER, LATER)


def test_patch_location_merges_evses_and_connectors_and_replaces_other_lists(cpo):
    """EVSEs by uid, connectors by id; facilities are one value."""
    cpo("PATCH", SITE, {"facilities": ["HOTEL", "WIFI"], "last_updated": LATER})
    cpo(
        "PATCH",
        SITE,
        {
            "facilities": ["CAFE"],
            "evses": [
                {"uid": "e7", "connectors": [{"id": "2", "max_amperage": 32}]},
                samples.evse("E9"),
            ],
            "last_updated": LATER,
        },
    )

    found = site(cpo)
    assert found["facilities"] == ["CAFE"]
    assert [evse["uid"] for evse in found["evses"]] == ["E7", "E8", "E9"]
    assert [plug["max_amperage"] for plug in found["evses"][0]["connectors"]] == [200, 32]
    assert found["name"] == "Harbour"


@pytest.mark.parametrize("nothing", [{"name": None}, {"evses": []}, {"facilities": []}, {}])
def test_null_and_empty_change_nothing_in_a_patch(cpo, nothing):
    """A PATCH cannot remove: null, [] and absent are the same."""
    cpo("PATCH", SITE, {"facilities": ["CAFE"], "last_updated": STORED})
    before = site(cpo)

    cpo("PATCH", SITE, nothing | {"last_updated": LATER})

    assert site(cpo) == before | {"last_updated": LATER}


def test_a_new_evse_in_a_patch_has_to_be_whole(cpo, desk):
    answer = cpo("PATCH", SITE, {"evses": [{"uid": "E9"}], "last_updated": LATER})

    assert answer["status_code"] == 2001
    assert "/evses/2/connectors" in answer["status_message"]
    assert uploads(desk) == []


@pytest.mark.parametrize("evses", [[7], "x", [{"uid": 7}], [[]], {"uid": "E7"}])
def test_odd_lists_in_a_patch(cpo, evses):
    """What is no list of EVSEs is told, not merged."""
    answer = cpo("PATCH", SITE, {"evses": evses, "last_updated": LATER})

    assert (cpo.status, answer["status_code"]) == (200, 2001)


def test_two_owners_of_one_id():
    """A sender's id that two operators use is asked for with a receiver."""
    fra = "FR*XYZ"
    hub = [{"role": "HUB", "party": "SE*HUB"}, {"role": "CPO", "party": fra}]
    desk = Desk(
        partner("hub", roles="hub", handshake=False, token_in="h"),
        partner("emsp", EVP, handshake=False, token_in="e", we=hub),
    )
    pusher, emsp = Client(serve(desk), "h"), Client(serve(desk), "e")
    pusher("PUT", SITE, samples.location())
    other = samples.location(country_code="FR", party_id="XYZ", name="Autre")
    pusher("PUT", "/ocpi/2.2.1/receiver/locations/FR/XYZ/SITE-1", other)

    assert emsp("GET", f"{S}/SITE-1")["status_code"] == 2001
    to = {"OCPI-to-country-code": "FR", "OCPI-to-party-id": "XYZ"}
    assert emsp("GET", f"{S}/SITE-1", headers=to)["data"]["name"] == "Autre"
