"""The HTTP interface: tokens, paths, envelopes, routing headers, paging."""

import base64
import re

import pytest

from adapters.ocpi.routes import ROUTES
from gateway.errors import (
    BadAnswer,
    ConfigError,
    Inexpressible,
    NoRoute,
    Refused,
    StoreUnavailable,
    TimedOut,
    UnknownId,
    Unreachable,
    Untrusted,
)
from gateway.http import Request
from gateway.model.message import (
    LocationList,
    LocationQuery,
    LocationUpload,
    Receipt,
    Result,
    ResultCode,
)
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.world import ACM, EVP, HUB, Client, Desk, dumps, partner, run, serve

S = "/ocpi/2.2.1/sender"
R = "/ocpi/2.2.1/receiver"
SITES = f"{R}/locations/DE/ACM"


@pytest.fixture
def desk():
    """An operator, a provider and a hub with fixed tokens, and an operator about to register."""
    return Desk(
        partner("cpo", ACM, roles="cpo", handshake=False, token_in="cpo-token"),
        partner("emsp", EVP, handshake=False, token_in="emsp-token"),
        partner("hub", HUB, roles="hub", handshake=False, token_in="hub-token"),
        partner("new", ACM, roles="cpo", token_in="token-a"),
    )


@pytest.fixture
def cpo(desk):
    return Client(serve(desk), "cpo-token")


@pytest.fixture
def emsp(desk):
    return Client(serve(desk), "emsp-token")


def put_sites(cpo, count):
    for number in range(1, count + 1):
        site = samples.location(
            f"SITE-{number}", last_updated=f"2031-05-01T09:00:{number:02}Z", evses=[]
        )
        assert cpo("PUT", f"{SITES}/SITE-{number}", site)["status_code"] == 1000


# -- tokens ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "Token emsp-token",
        "token emsp-token",
        "Token " + base64.b64encode(b"emsp-token").decode(),
        "Token " + base64.b64encode(b"emsp-token\n").decode(),
    ],
)
@pytest.mark.parametrize("path", ["/ocpi/versions", "/ocpi/2.2.1", f"{S}/locations"])
def test_every_spelling_of_the_token_is_read(desk, header, path):
    """Raw, Base64 and Base64 with a line feed open the same doors."""
    client = Client(serve(desk), None)

    answer = client("GET", path, headers={"Authorization": header})

    assert (client.status, answer["status_code"]) == (200, 1000)


@pytest.mark.parametrize("header", [None, "Token wrong", "Bearer emsp-token", "Token"])
@pytest.mark.parametrize("path", ["/ocpi/versions", f"{S}/locations", "/ocpi/nothing/here"])
def test_an_unknown_caller_gets_401(desk, header, path):
    """Nobody unknown learns anything, not even which paths exist."""
    client = Client(serve(desk), None)

    answer = client("GET", path, headers={"Authorization": header} if header else {})

    assert client.status == 401
    assert answer["status_code"] == 2000
    assert "data" not in answer
    assert client.response.headers["WWW-Authenticate"] == "Token"
    assert desk.asked == []


def test_a_header_that_may_mean_two_partners_is_refused():
    """One partner's token happens to be the Base64 of another's."""
    coded = base64.b64encode(b"emsp-token").decode()
    desk = Desk(
        partner("one", EVP, handshake=False, token_in="emsp-token"),
        partner("two", ACM, handshake=False, token_in=coded),
    )
    client = Client(serve(desk), None)

    client("GET", "/ocpi/versions", headers={"Authorization": f"Token {coded}"})

    assert client.status == 401


@pytest.mark.parametrize("route", [r for r in ROUTES if r.functional], ids=str)
def test_a_registration_token_opens_no_functional_module(desk, route):
    """Token A is for versions, details and credentials."""
    client = Client(serve(desk), "token-a")

    answer = client(route.method, "/ocpi/" + re.sub(r"\{.*?\}", "x", route.path), {})

    assert (client.status, answer["status_code"]) == (401, 2000)
    assert client("GET", "/ocpi/versions")["status_code"] == 1000
    assert desk.asked == []


# -- versions --------------------------------------------------------------------------------


def test_versions_and_details(emsp):
    """The list names 2.2.1, its details every interface of every module, in both roles."""
    [version] = emsp("GET", "/ocpi/versions")["data"]
    assert version == {"version": "2.2.1", "url": "https://gw.example/ocpi/2.2.1"}

    details = emsp("GET", version["url"])["data"]

    assert details["version"] == "2.2.1"
    listed = [(e["identifier"], e["role"]) for e in details["endpoints"]]
    assert listed.count(("credentials", "SENDER")) == 1
    for module in ("cdrs", "locations", "sessions", "tariffs", "tokens"):
        assert (module, "SENDER") in listed
        assert (module, "RECEIVER") in listed
    assert len(listed) == 11
    served = {"/ocpi/" + route.path for route in ROUTES}
    for endpoint in details["endpoints"]:
        path = endpoint["url"].removeprefix("https://gw.example")
        assert any(known.startswith(path) for known in served)


def test_listed_urls_end_with_a_slash_for_partners_that_append_without_one(desk):
    """Such a partner pushes to ``url + "DE/ACM/SITE-1"``: that must be a path that is served."""
    cpo = partner("cpo", ACM, roles="cpo", handshake=False, token_in="t", trailing_slash=True)
    client = Client(serve(Desk(cpo)), "t")

    listed = {
        (each["identifier"], each["role"]): each["url"]
        for each in client("GET", "/ocpi/2.2.1")["data"]["endpoints"]
    }
    put_site = listed["locations", "RECEIVER"] + "DE/ACM/SITE-1"

    assert all(url.endswith("/") for url in listed.values())
    assert client("PUT", put_site, samples.location("SITE-1"))["status_code"] == 1000


# -- paths and methods -----------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["", "/", "//"])
def test_slash_and_no_slash(cpo, tail):
    """Both spellings are answered, without a redirect."""
    put_sites(cpo, 1)

    assert len(cpo("GET", f"{S}/locations{tail}")["data"]) == 1
    assert cpo("GET", f"{S}/locations/SITE-1{tail}")["data"]["id"] == "SITE-1"
    assert cpo("GET", f"/ocpi/versions{tail}")["status_code"] == 1000


@pytest.mark.parametrize("path", ["/ocpi", "/ocpi/", "/ocpi/2.1.1", f"{S}/chargers", f"{S}//x"])
def test_unknown_paths(emsp, path):
    """A known caller is told that there is nothing."""
    assert emsp("GET", path)["status_code"] == 2000
    assert emsp.status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", f"{S}/locations", "GET, HEAD"),
        ("DELETE", f"{SITES}/SITE-1", "GET, HEAD, PATCH, PUT"),
        ("PATCH", f"{R}/tariffs/DE/ACM/T", "DELETE, GET, HEAD, PUT"),
        ("GET", f"{R}/cdrs", "POST"),
        ("HEAD", f"{R}/cdrs", "POST"),
        ("PATCH", "/ocpi/2.2.1/credentials", "DELETE, GET, HEAD, POST, PUT"),
    ],
)
def test_a_method_that_a_module_does_not_have(emsp, method, path, allowed):
    """405 names the methods that there are."""
    assert emsp(method, path, {})["status_code"] == 2000
    assert emsp.status == 405
    assert emsp.response.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("id_", "segment"),
    [
        ("DE*ACM*1", "DE*ACM*1"),
        ("DE*ACM*1", "DE%2AACM%2A1"),
        ("A+B", "A+B"),
        ("A+B", "A%2BB"),
        ("A/B", "A%2FB"),
        ("A B", "A%20B"),
        ("A%B", "A%25B"),
    ],
)
def test_ids_in_paths(cpo, id_, segment):
    """Every character of an id comes through, however much of it is percent-encoded."""
    answer = cpo("PUT", f"{SITES}/{segment}", samples.location(id_))
    assert (cpo.status, answer["status_code"]) == (201, 1000)

    assert cpo("GET", f"{SITES}/{segment}")["data"]["id"] == id_
    assert cpo("GET", f"{S}/locations/{segment}/E7")["data"]["uid"] == "E7"


@pytest.mark.parametrize("segment", ["%FF", "%00", "%0A", "x" * 300, "a%E2%80%A8b"])
def test_segments_that_are_no_ids(cpo, segment):
    """Bytes that are no text, controls and endless segments are no id of anything."""
    cpo("GET", f"{S}/locations/{segment}")
    assert cpo.status == 404


def test_ids_are_compared_without_case(cpo):
    """An id is found in any case and keeps the spelling in which it was first seen."""
    cpo("PUT", f"{SITES}/Site-1", samples.location("Site-1"))

    lower = samples.location("site-1", country_code="de", party_id="acm", name="New")
    answer = cpo("PUT", f"{R}/locations/de/acm/SITE-1", lower)

    assert (cpo.status, answer["status_code"]) == (200, 1000)
    found = cpo("GET", f"{S}/locations/sITE-1")["data"]
    assert (found["id"], found["name"]) == ("Site-1", "New")
    assert len(cpo("GET", f"{S}/locations")["data"]) == 1


# -- envelopes and errors --------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"<xml/>", b'{"id":"a","id":"b"}', b'{"id":"\\u0000"}', b"\xff", b'{"a":NaN}'],
)
def test_what_is_no_json_is_400(cpo, raw):
    """The reason is told; nothing is asked of anybody."""
    answer = cpo("PUT", f"{SITES}/SITE-1", raw=raw)

    assert (cpo.status, answer["status_code"]) == (400, 2001)
    assert answer["status_message"]


@pytest.mark.parametrize("raw", [b"[" * 50, b'{"kwh":1e999999}', b'"' + b"x" * 200_000 + b'"'])
def test_what_is_over_a_limit_is_413(cpo, raw):
    answer = cpo("PUT", f"{SITES}/SITE-1", raw=raw)

    assert (cpo.status, answer["status_code"]) == (413, 2001)


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"12"])
def test_json_that_is_no_object_is_2001(cpo, raw):
    answer = cpo("PUT", f"{SITES}/SITE-1", raw=raw)

    assert (cpo.status, answer["status_code"]) == (200, 2001)


def test_a_bad_object_is_2001_with_every_problem(cpo):
    """The message was JSON, so it is HTTP 200; all faults are named with their places."""
    body = samples.location(publish="yes", coordinates={"latitude": "54", "longitude": "10.139020"})
    del body["city"]

    answer = cpo("PUT", f"{SITES}/SITE-1", body)

    assert (cpo.status, answer["status_code"]) == (200, 2001)
    for place in ("/city", "/publish", "/coordinates/latitude"):
        assert place in answer["status_message"]
    assert cpo("GET", f"{SITES}/SITE-1")["status_code"] == 2003


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NoRoute("nobody"), 200, 4001),
        (TimedOut("late"), 200, 4002),
        (Unreachable("away"), 200, 4003),
        (BadAnswer("odd"), 200, 4000),
        (Refused("no"), 200, 2000),
        (Untrusted("another partner's signature"), 200, 2000),
        (UnknownId("what"), 200, 2003),
        (Inexpressible("cannot say"), 200, 2001),
        (StoreUnavailable("disk full at /var"), 503, 3000),
        (ConfigError("secret detail"), 500, 3000),
    ],
)
def test_errors_of_the_gateway(emsp, desk, error, status, code):
    """Each error has its code; what went wrong inside is not told."""
    desk.answers[LocationQuery] = error

    answer = emsp("GET", f"{S}/locations")

    assert (emsp.status, answer["status_code"]) == (status, code)
    assert ("secret" in str(answer) or "/var" in str(answer)) is False


@pytest.mark.parametrize(
    ("receipt", "code"),
    [
        (Receipt(result=Result(code=ResultCode.PARTLY), reasons=("too old",)), 2001),
        (Receipt(result=Result(code=ResultCode.FORMAT, text="bad")), 2001),
        (Receipt(result=Result(code=ResultCode.NOT_AUTHORIZED)), 2000),
        (Receipt(result=Result(code=ResultCode.SERVER)), 3000),
        (Receipt(result=Result(code=ResultCode.ROAMING)), 4001),
    ],
)
def test_an_upload_that_is_not_taken(cpo, desk, receipt, code):
    """What the gateway does not take is no success, and the reason is passed on."""
    desk.answers[LocationUpload] = receipt

    answer = cpo("PUT", f"{SITES}/SITE-1", samples.location())

    assert (cpo.status, answer["status_code"]) == (200, code)
    for reason in (*receipt.reasons, receipt.result.text or ""):
        assert reason in answer["status_message"]


def test_the_envelope(emsp):
    """data, status_code and a timestamp in UTC with Z."""
    answer = emsp("GET", f"{S}/locations")

    assert answer == {"data": [], "status_code": 1000, "timestamp": "2031-05-02T12:00:00Z"}


# -- headers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["emsp-token", "wrong"])
def test_ids_are_echoed(desk, token):
    """Request and correlation id come back with every answer, errors included."""
    client = Client(serve(desk), token)

    client("GET", f"{S}/locations", headers={"X-Request-ID": "r-1", "x-correlation-id": "c-1"})

    assert client.response.headers["X-Request-ID"] == "r-1"
    assert client.response.headers["X-Correlation-ID"] == "c-1"
    assert desk.correlations == (["c-1"] if token == "emsp-token" else [])


@pytest.mark.parametrize("sent", [{}, {"X-Request-ID": "x" * 200, "X-Correlation-ID": "\xe9"}])
def test_missing_ids_are_made_up(emsp, desk, sent):
    """Nobody is refused for a missing or unusable id."""
    assert emsp("GET", f"{S}/locations", headers=sent)["status_code"] == 1000

    request_id = emsp.response.headers["X-Request-ID"]
    assert len(request_id) == 36
    assert desk.correlations[0] == emsp.response.headers["X-Correlation-ID"]


def routed(to=None, sender=None):
    headers = {}
    for end, who in (("to", to), ("from", sender)):
        if who:
            headers[f"OCPI-{end}-country-code"], headers[f"OCPI-{end}-party-id"] = who
    return headers


def test_routing_headers_are_swapped(emsp):
    """The answer goes from whom the request went to, to whom it came from."""
    emsp("GET", f"{S}/locations", headers=routed(("de", "acm"), ("NL", "EVP")))

    headers = emsp.response.headers
    assert (headers["OCPI-from-country-code"], headers["OCPI-from-party-id"]) == ("DE", "ACM")
    assert (headers["OCPI-to-country-code"], headers["OCPI-to-party-id"]) == ("NL", "EVP")


def test_open_routing(emsp, desk):
    """Without a receiver all owners are asked; the answer names both ends."""
    emsp("GET", f"{S}/locations")

    assert desk.asked[0].owner is None
    assert emsp.response.headers["OCPI-from-party-id"] == "ACM"
    assert emsp.response.headers["OCPI-to-party-id"] == "EVP"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (routed(("FR", "XYZ")), 4001),
        (routed(("DE", "ACM"), ("FR", "XYZ")), 2001),
        ({"OCPI-to-country-code": "DE"}, 2001),
        (routed(("DEU", "ACM")), 2001),
        (routed(("D1", "ACM")), 2001),
    ],
)
def test_routing_that_leads_nowhere(emsp, desk, headers, code):
    """An unknown receiver is 4001; a sender that is none of the caller's is refused."""
    answer = emsp("GET", f"{S}/locations", headers=headers)

    assert (emsp.status, answer["status_code"]) == (200, code)
    assert desk.asked == []


def test_a_directed_list_is_that_partys_alone(emsp, desk):
    emsp("GET", f"{S}/locations", headers=routed(("DE", "ACM")))

    assert desk.asked[0].owner == ACM


def test_we_are_the_hub():
    """Addressed to the hub a list is everybody's; to a known client it is the client's."""
    hub = {"role": "HUB", "party": "SE*HUB", "name": "Hub"}
    desk = Desk(partner("emsp", EVP, handshake=False, token_in="t", we=[hub]))
    client = Client(serve(desk), "t")

    for to in (("SE", "HUB"), ("DE", "ACM"), ("FR", "XYZ")):
        answer = client("GET", f"{S}/locations", headers=routed(to))
    assert answer["status_code"] == 4001
    assert [message.owner for message in desk.asked] == [None, ACM]


def test_a_hub_speaks_for_others(desk):
    """A hub's requests come from the parties behind it."""
    hub = Client(serve(desk), "hub-token")

    answer = hub(
        "PUT", f"{SITES}/SITE-1", samples.location(), headers=routed(("DE", "ACM"), ("FR", "XYZ"))
    )

    assert answer["status_code"] == 1000
    assert hub.response.headers["OCPI-to-country-code"] == "FR"


def test_configuration_modules_are_not_routed(emsp):
    """Routing headers mean nothing there and are not answered."""
    answer = emsp("GET", "/ocpi/versions", headers=routed(("FR", "XYZ"), ("FR", "ABC")))

    assert answer["status_code"] == 1000
    assert not [name for name in emsp.response.headers if name.startswith("OCPI")]


# -- paging ----------------------------------------------------------------------------------


def follow(client, path):
    """All pages of a list, and the headers of each."""
    items, headers = [], []
    while path:
        items.append([item["id"] for item in client("GET", path)["data"]])
        headers.append(client.response.headers)
        link = client.response.headers.get("Link", "")
        path = link.partition(">")[0].removeprefix("<")
        assert link == "" or link.endswith('>; rel="next"')
        assert len(items) < 20
    return items, headers


def test_pages(cpo, emsp):
    """Links lead through the whole list in order of creation, each object once."""
    put_sites(cpo, 5)

    items, headers = follow(emsp, f"{S}/locations?limit=2")

    assert items == [["SITE-1", "SITE-2"], ["SITE-3", "SITE-4"], ["SITE-5"]]
    assert [page["X-Total-Count"] for page in headers] == ["5", "5", "5"]
    assert [page["X-Limit"] for page in headers] == ["100", "100", "100"]
    assert headers[0]["Link"].startswith("<https://gw.example/ocpi/2.2.1/sender/locations?")


def test_filters_stay_in_the_link(cpo, emsp):
    """date_from is inclusive, date_to exclusive, and both are in every link."""
    put_sites(cpo, 6)
    window = "date_from=2031-05-01T09:00:02Z&date_to=2031-05-01T11:00:06%2B02:00"

    items, headers = follow(emsp, f"{S}/locations?{window}&limit=3")

    assert items == [["SITE-2", "SITE-3", "SITE-4"], ["SITE-5"]]
    assert headers[0]["X-Total-Count"] == "4"
    assert "date_from=2031-05-01T09%3A00%3A02Z" in headers[0]["Link"]
    assert "date_to=2031-05-01T11%3A00%3A06%2B02%3A00" in headers[0]["Link"]


def test_the_ceiling_holds():
    """Who asks for more than the ceiling gets the ceiling, and is told what it is."""
    desk = Desk(
        partner("cpo", ACM, roles="cpo", handshake=False, token_in="c"),
        partner("emsp", EVP, handshake=False, token_in="e", page_limit=2),
    )
    put_sites(Client(serve(desk), "c"), 5)
    emsp = Client(serve(desk), "e")

    items, headers = follow(emsp, f"{S}/locations?limit=1000")

    assert [len(page) for page in items] == [2, 2, 1]
    assert headers[0]["X-Limit"] == "2"


def test_a_list_that_nobody_counted(emsp, desk):
    """Without a total there is a next page while pages are full."""
    desk.answers[LocationQuery] = LocationList()

    emsp("GET", f"{S}/locations?offset=7")

    assert emsp.response.headers["X-Total-Count"] == "7"
    assert "Link" not in emsp.response.headers


@pytest.mark.parametrize(
    ("code", "expected", "status"),
    [
        (ResultCode.ROAMING, 1000, 200),
        (ResultCode.SERVER, 3000, 200),
        (ResultCode.PARTLY, 1000, 200),
    ],
)
def test_a_list_with_a_result(emsp, desk, code, expected, status):
    """No relation is an empty list that says why; what went wrong is no list."""
    desk.answers[LocationQuery] = LocationList(result=Result(code=code, text="because"))

    answer = emsp("GET", f"{S}/locations")

    assert (emsp.status, answer["status_code"]) == (status, expected)
    assert answer["status_message"] == "because"
    assert ("data" in answer) is (expected == 1000)


def test_a_page_behind_the_end(cpo, emsp):
    put_sites(cpo, 2)

    assert emsp("GET", f"{S}/locations?offset=10")["data"] == []
    assert emsp.response.headers["X-Total-Count"] == "2"
    assert "Link" not in emsp.response.headers


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=ten", "limit=1e3", "offset=-1", "date_from=yesterday"),
        *("date_to=2031-13-01T00:00:00Z", f"offset={10**20}", "limit=%FF"),
        "&".join(["a=1"] * 60),
    ],
)
def test_parameters_that_cannot_be(emsp, desk, query):
    answer = emsp("GET", f"{S}/locations?{query}")

    assert (emsp.status, answer["status_code"]) == (200, 2001)
    assert desk.asked == []


def test_an_unencoded_offset_in_a_date(cpo, emsp):
    """A plus sign that arrives as a blank is a plus sign."""
    put_sites(cpo, 1)

    found = emsp("GET", f"{S}/locations?date_from=2031-05-01T11:00:00+02:00")["data"]

    assert len(found) == 1


def test_what_ocpi_cannot_say_is_left_out_of_a_list_and_named(cpo, emsp, desk):
    """One object that cannot be said does not take the list with it, and is not lost silently."""
    put_sites(cpo, 3)
    stored = desk.kinds["location"].stored
    stored[1] = type(stored[1])(
        id="X" * 40, address=stored[1].address, coordinates=stored[1].coordinates, owner=ACM
    )

    answer = emsp("GET", f"{S}/locations")

    assert [item["id"] for item in answer["data"]] == ["SITE-1", "SITE-3"]
    assert answer["status_code"] == 1000
    assert answer["status_message"].startswith("1 of 3 left out: XXXX")
    assert emsp.response.headers["X-Total-Count"] == "3"


# -- partner options -------------------------------------------------------------------------


def test_created_as_200_and_explicit_nulls():
    """For peers that know only HTTP 200, and for those that want every field."""
    desk = Desk(
        partner(
            "cpo",
            ACM,
            roles="cpo",
            handshake=False,
            token_in="c",
            created_as_200=True,
            explicit_nulls=True,
        )
    )
    cpo = Client(serve(desk), "c")

    cpo("PUT", f"{SITES}/SITE-1", samples.location())
    assert cpo.status == 200
    found = cpo("GET", f"{SITES}/SITE-1")["data"]

    assert found["suboperator"] is None
    assert found["images"] == []
    assert found["evses"][0]["floor_level"] is None
    assert found["evses"][0]["connectors"][0]["terms_and_conditions"] is None
    assert {k: v for k, v in found.items() if v not in (None, []) and k != "evses"} == {
        k: v for k, v in samples.location().items() if k != "evses"
    }


def test_settings_that_are_wrong_answer_as_our_fault():
    """A partner is not told what is wrong in our configuration."""
    desk = Desk(partner("emsp", EVP, token_in="e", auth_encoding="rot13"))
    emsp = Client(serve(desk), "e")

    answer = emsp("GET", "/ocpi/versions")

    assert (emsp.status, answer["status_code"]) == (500, 3000)
    assert "rot13" not in str(answer)


def test_requests_do_not_share_anything(desk):
    """Two requests through one service know nothing of each other."""
    handler = serve(desk)
    one = handler(
        Request(method="GET", path="/ocpi/versions", headers={"authorization": "Token x"})
    )
    other = handler(
        Request(method="GET", path="/ocpi/versions", headers={"authorization": "Token emsp-token"})
    )

    assert run(other).status == 200
    assert run(one).status == 401
    assert dumps({}) == b"{}"
