"""Registration between two gateways, and with peers that do it wrong."""

import json

import pytest

from adapters.ocpi.auth import candidates, digest
from gateway.errors import BadAnswer, ConfigError, GatewayError, Refused, Unreachable, Untrusted
from gateway.http import HttpAnswer
from gateway.model.message import LocationQuery, TokenQuery
from tests.adapters.ocpi.world import ACM, EVP, Net, Side, dumps, run

VERSIONS = "https://{}.example/ocpi/versions"


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def cpo(net):
    return Side(net, "cpo", "CPO", ACM)


@pytest.fixture
def emsp(net, cpo):
    """A provider that has handed token A to the operator."""
    side = Side(net, "emsp", "EMSP", EVP)
    side.knows(cpo, token_in="token-a")
    cpo.knows(side, token_out="token-a")
    return side


@pytest.fixture
def registered(cpo, emsp):
    run(cpo.link.connect("c-1"))
    return cpo, emsp


def presented(call):
    """The token in a call."""
    return candidates(call.headers["Authorization"])[-1]


def answer(data=None, status=200, code=1000, **headers):
    body = {"status_code": code, "timestamp": "2031-05-02T12:00:00Z"}
    return HttpAnswer(status=status, headers=headers, body=dumps(body | {"data": data}))


def works(one, other):
    """Both directions of traffic."""
    assert run(one.link.ask(LocationQuery(), "c")).total == 0
    assert run(other.link.ask(TokenQuery(), "c")).total == 0


# -- the whole handshake ---------------------------------------------------------------------


def test_order_and_tokens(net, cpo, emsp):
    """Versions and details with A, POST with A, called back with B, afterwards B and C."""
    run(cpo.link.connect("c-1"))

    steps = [(call.method, call.url.removeprefix("https://")) for call in net.calls]
    assert steps == [
        ("GET", "emsp.example/ocpi/versions"),
        ("GET", "emsp.example/ocpi/2.2.1"),
        ("POST", "emsp.example/ocpi/2.2.1/credentials"),
        ("GET", "cpo.example/ocpi/versions"),
        ("GET", "cpo.example/ocpi/2.2.1"),
    ]
    token_b = json.loads(net.calls[2].body)["token"]
    assert [presented(call) for call in net.calls] == ["token-a"] * 3 + [token_b] * 2
    token_c = cpo.state["send"]
    assert emsp.state["send"] == token_b
    assert len({"token-a", token_b, token_c}) == 3
    assert {call.headers["X-Correlation-ID"] for call in net.calls} == {"c-1"}
    assert len({call.headers["X-Request-ID"] for call in net.calls}) == 5
    works(cpo, emsp)
    assert [presented(call) for call in net.calls[5:]] == [token_c, token_b]


def test_either_side_may_start(cpo, emsp):
    """The same with the roles changed."""
    cpo.knows(emsp, token_in="token-x")
    emsp.knows(cpo, token_out="token-x")

    run(emsp.link.connect("c-1"))

    works(cpo, emsp)
    assert cpo.state["version"] == emsp.state["version"] == "2.2.1"


def test_what_is_kept(registered):
    """Version, endpoints, roles; of tokens that are presented to us only digests."""
    cpo, emsp = registered
    assert cpo.state["endpoints"]["locations/RECEIVER"] == (
        "https://emsp.example/ocpi/2.2.1/receiver/locations"
    )
    assert len(cpo.state["endpoints"]) == 11
    assert emsp.state["roles"][0]["party_id"] == "ACM"
    assert emsp.state["url"] == "https://cpo.example/ocpi/versions"
    assert cpo.state["send"] not in str(emsp.state)
    assert "pending" not in cpo.state


def test_token_a_is_dead_after_registration(registered):
    _, emsp = registered
    client = emsp.client("token-a")

    for path in ("/ocpi/versions", "/ocpi/2.2.1/credentials"):
        assert client("GET", path)["status_code"] == 2000
        assert client.status == 401


def test_a_registration_elsewhere_is_known_where_it_counts(cpo, emsp):
    """Another process has registered the partner in this moment: its token A is dead for us too."""
    emsp.desk.recent = {}
    run(cpo.link.connect("c-1"))
    before = emsp.state
    client = emsp.client("token-a")

    for method, path in (
        ("GET", "/ocpi/versions"),
        ("POST", "/ocpi/2.2.1/credentials"),
        ("GET", "/ocpi/2.2.1/sender/locations"),
    ):
        assert client(method, path, GOOD if method == "POST" else None)["status_code"] == 2000
        assert client.status == 401
    assert emsp.state == before
    client = emsp.client(cpo.state["send"])
    client("GET", "/ocpi/2.2.1/sender/locations")
    assert client.status == 200
    client("POST", "/ocpi/2.2.1/credentials", GOOD)
    assert client.status == 405


def test_a_partner_that_left_elsewhere_changes_nothing_any_more(registered):
    """What it still may ask for a moment is data; its credentials are as they are stored."""
    cpo, emsp = registered
    token, emsp.desk.recent = cpo.state["send"], dict(emsp.desk.state)
    run(cpo.link.disconnect("c-2"))
    left = emsp.state

    client = emsp.client(token)
    for method in ("GET", "PUT", "DELETE"):
        client(method, "/ocpi/2.2.1/credentials", GOOD if method == "PUT" else None)
        assert client.status == 401
    assert emsp.state == left


def test_the_credentials_object(registered):
    """GET gives what the caller uses: the token that it presented, our URL and roles."""
    cpo, emsp = registered
    client = emsp.client(cpo.state["send"])

    assert client("GET", "/ocpi/2.2.1/credentials")["data"] == {
        "token": cpo.state["send"],
        "url": "https://emsp.example/ocpi/versions",
        "roles": [
            {
                "role": "EMSP",
                "country_code": "NL",
                "party_id": "EVP",
                "business_details": {"name": "emsp"},
            }
        ],
    }


def test_the_credentials_object_for_a_partner_that_misses_absent_fields(net, cpo, emsp):
    """Both ways: the one that is posted and the one that is answered."""
    cpo.knows(emsp, token_out="token-a", explicit_nulls=True)
    emsp.knows(cpo, token_in="token-a", explicit_nulls=True)

    run(cpo.link.connect("c-1"))

    kept = (cpo.state["roles"], emsp.state["roles"])
    for (role,), name in zip(kept, ("emsp", "cpo"), strict=True):
        assert role["business_details"] == {"name": name, "website": None, "logo": None}


@pytest.mark.parametrize("encoding", ["raw", "base64", "auto"])
def test_spellings_of_the_token(net, cpo, emsp, encoding):
    """Whatever the partner wants to read; auto finds out and remembers."""
    cpo.knows(emsp, token_out="token-a", auth_encoding=encoding)

    def picky(call):
        if "emsp" in call.url and presented(call) != call.headers["Authorization"][6:]:
            return answer(status=403)
        return None

    net.before = picky if encoding != "base64" else None
    run(cpo.link.connect("c-1"))

    works(cpo, emsp)
    if encoding == "auto":
        assert cpo.state["encoding"] == "raw"
        count = len(net.calls)
        run(cpo.link.ask(LocationQuery(), "c"))
        assert len(net.calls) == count + 1


# -- what stops it ---------------------------------------------------------------------------


def changed_nothing(cpo, emsp):
    """Nobody is registered, no token was left behind, and token A still opens the door."""
    assert not cpo.state.get("secrets")
    assert not cpo.state.get("version")
    assert emsp.state == {}
    assert emsp.client("token-a")("GET", "/ocpi/versions")["status_code"] == 1000
    with pytest.raises(Unreachable):
        run(cpo.link.ask(LocationQuery(), "c"))


def posted(net):
    return [call for call in net.calls if call.method in ("POST", "PUT")]


def only(url, reply):
    return lambda call: reply if call.url == url else None


def test_3001_the_starter_cannot_be_called(net, cpo, emsp):
    del net.hosts["cpo.example"]

    with pytest.raises(BadAnswer, match="OCPI 3001"):
        run(cpo.link.connect("c-1"))
    changed_nothing(cpo, emsp)


def test_3002_the_starter_has_no_common_version(net, cpo, emsp):
    other = [{"version": "2.1.1", "url": "https://cpo.example/x"}, {"version": "2.2"}]
    net.before = only(VERSIONS.format("cpo"), answer(other))

    with pytest.raises(BadAnswer, match=r"OCPI 3002.*2\.2\.1 here, 2\.1\.1, 2\.2 there"):
        run(cpo.link.connect("c-1"))
    changed_nothing(cpo, emsp)


def test_3003_the_starter_lacks_an_endpoint(net, cpo, emsp):
    emsp.knows(cpo, token_in="token-a", needs=["locations/SENDER", "cdrs/SENDER"])
    endpoint = {
        "identifier": "locations",
        "role": "SENDER",
        "url": "https://cpo.example/ocpi/2.2.1/sender/locations",
    }
    details = {"version": "2.2.1", "endpoints": [endpoint]}
    net.before = only("https://cpo.example/ocpi/2.2.1", answer(details))

    with pytest.raises(BadAnswer, match=r"OCPI 3003.*cdrs/SENDER"):
        run(cpo.link.connect("c-1"))
    changed_nothing(cpo, emsp)


@pytest.mark.parametrize(
    ("url", "reply", "error"),
    [
        (VERSIONS.format("emsp"), answer([]), Refused),
        (VERSIONS.format("emsp"), answer([{"version": "2.2", "url": "https://x"}]), Refused),
        (VERSIONS.format("emsp"), answer([{"version": "2.2.1", "url": "/relative"}]), BadAnswer),
        (VERSIONS.format("emsp"), answer([{"version": "2.2.1"}]), BadAnswer),
        (VERSIONS.format("emsp"), answer({"version": "2.2.1"}), BadAnswer),
        (VERSIONS.format("emsp"), answer(status=401, code=2000), Untrusted),
        (VERSIONS.format("emsp"), HttpAnswer(status=200, body=b"<html>"), BadAnswer),
        (VERSIONS.format("emsp"), HttpAnswer(status=503), Unreachable),
        ("https://emsp.example/ocpi/2.2.1", answer({"version": "2.2.1"}), BadAnswer),
        ("https://emsp.example/ocpi/2.2.1", answer({"endpoints": [7, {}]}), BadAnswer),
        (
            "https://emsp.example/ocpi/2.2.1",
            answer(
                {"endpoints": [{"identifier": "locations", "role": "BOTH", "url": "https://x"}]}
            ),
            BadAnswer,
        ),
        (
            "https://emsp.example/ocpi/2.2.1",
            answer(
                {
                    "endpoints": [
                        {
                            "identifier": "locations",
                            "role": "SENDER",
                            "url": "https://emsp.example/l",
                        }
                    ]
                }
            ),
            Refused,
        ),
    ],
)
def test_the_starter_stops_before_it_posts(net, cpo, emsp, url, reply, error):
    """What the other side offers cannot be used: an operator is told, nothing was sent."""
    net.before = only(url, reply)

    with pytest.raises(error):
        run(cpo.link.connect("c-1"))
    assert posted(net) == []
    changed_nothing(cpo, emsp)


def test_a_needed_endpoint_is_missing_at_the_other_side(net, cpo, emsp):
    cpo.knows(emsp, token_out="token-a", needs=["commands/SENDER"])

    with pytest.raises(Refused, match="commands/SENDER"):
        run(cpo.link.connect("c-1"))
    assert posted(net) == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"token": "t"},
        {"token": "x" * 65, "url": "https://emsp.example/v", "roles": []},
        [1, 2],
        {"token": "é", "url": "https://emsp.example/v", "roles": [{}]},
    ],
)
def test_credentials_in_the_answer_that_cannot_be_used(net, cpo, emsp, body):
    net.before = only("https://emsp.example/ocpi/2.2.1/credentials", answer(body))

    with pytest.raises(BadAnswer):
        run(cpo.link.connect("c-1"))
    assert not cpo.state.get("secrets")


@pytest.mark.parametrize("options", [{}, {"token_out": "t", "versions_url": None}])
def test_what_the_operator_forgot(cpo, emsp, options):
    cpo.knows(emsp, **options)

    with pytest.raises(ConfigError):
        run(cpo.link.connect("c-1"))


# -- hostile credentials ---------------------------------------------------------------------

GOOD = {
    "token": "token-b",
    "url": VERSIONS.format("cpo"),
    "roles": [{"role": "CPO", "country_code": "DE", "party_id": "ACM"}],
}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": ""}, 2001),
        ({"token": "a b"}, 2001),
        ({"token": 7}, 2001),
        ({"url": "/ocpi/versions"}, 2001),
        ({"url": "file:///etc/passwd"}, 2001),
        ({"url": "https://user:pass@cpo.example/"}, 2001),
        ({"url": "https://cpo.example/\r\nHost: x"}, 2001),
        ({"url": "https://cpo.example:99999/"}, 2001),
        ({"url": None}, 2001),
        ({"roles": []}, 2001),
        ({"roles": "CPO"}, 2001),
        ({"roles": [{"role": "CPO", "country_code": "DE"}]}, 2001),
        ({"roles": [{"role": "CPO", "country_code": "FR", "party_id": "XYZ"}]}, 2001),
        ({"url": "http://169.254.169.254/latest/meta-data"}, 3001),
        ({"url": "https://cpo.example.evil.example/"}, 3001),
        ({"url": "http://cpo.example/ocpi/versions"}, 3001),
    ],
)
def test_credentials_that_are_not_taken(net, cpo, emsp, changes, code):
    """Nothing is called that the operator has not named; nothing changes."""
    client = emsp.client("token-a")

    reply = client("POST", "/ocpi/2.2.1/credentials", GOOD | changes)

    assert (client.status, reply["status_code"]) == (200, code)
    assert net.calls == []
    assert emsp.state == {}


def test_endpoints_elsewhere_are_not_taken(net, cpo, emsp):
    """Details that lead to another origin would carry the token there."""
    endpoint = {"identifier": "locations", "role": "SENDER", "url": "https://evil.example/l"}
    net.before = only("https://cpo.example/ocpi/2.2.1", answer({"endpoints": [endpoint]}))

    with pytest.raises(BadAnswer, match="OCPI 3001"):
        run(cpo.link.connect("c-1"))
    assert not any("evil" in call.url for call in net.calls)


def test_origins_that_the_operator_names(net, cpo, emsp):
    """callback_origins replaces the origin of versions_url."""
    emsp.knows(cpo, token_in="token-a", callback_origins=["https://elsewhere.example"])

    with pytest.raises(BadAnswer, match="OCPI 3001"):
        run(cpo.link.connect("c-1"))
    emsp.knows(cpo, token_in="token-a", callback_origins=["https://cpo.example/"])
    run(cpo.link.connect("c-1"))


# -- 405 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "token", "status", "allow"),
    [
        ("PUT", "token-a", 405, "GET, HEAD, POST"),
        ("DELETE", "token-a", 405, "GET, HEAD, POST"),
        ("PATCH", "token-a", 405, "DELETE, GET, HEAD, POST, PUT"),
    ],
)
def test_not_registered(emsp, method, token, status, allow):
    client = emsp.client(token)

    client(method, "/ocpi/2.2.1/credentials", GOOD)

    assert client.status == status
    assert client.response.headers["Allow"] == allow


def test_already_registered(registered):
    cpo, emsp = registered
    client = emsp.client(cpo.state["send"])
    before = emsp.state

    client("POST", "/ocpi/2.2.1/credentials", GOOD)

    assert client.status == 405
    assert client.response.headers["Allow"] == "GET, HEAD, PUT, DELETE"
    assert emsp.state == before


def test_fixed_tokens_do_not_register(net, cpo, emsp):
    """handshake = false: the tokens work at once; nobody changes them."""
    emsp.knows(cpo, token_in="fixed-1", token_out="fixed-2", handshake=False)
    cpo.knows(emsp, token_in="fixed-2", token_out="fixed-1", handshake=False)

    works(cpo, emsp)

    assert posted(net) == []
    client = emsp.client("fixed-1")
    for method in ("POST", "PUT", "DELETE"):
        client(method, "/ocpi/2.2.1/credentials", GOOD)
        assert client.status == 405
    with pytest.raises(Refused):
        run(cpo.link.connect("c"))


def test_two_registrations_at_once(net, cpo, emsp):
    """The second one that comes to its end is refused; token A does not come back to life."""
    client = emsp.client("token-a")
    inner = []

    def meanwhile(call):
        if call.url == VERSIONS.format("cpo") and not inner:
            inner.append(None)
            inner.append(emsp.client("token-a")("POST", "/ocpi/2.2.1/credentials", body))
        return None

    run(cpo.desk.remember(cpo.link.partner, "credentials", {"secrets": [digest("token-b")]}))
    body = GOOD | {"token": "token-b"}
    net.before = meanwhile
    reply = client("POST", "/ocpi/2.2.1/credentials", body)

    assert inner[1]["status_code"] == 1000
    assert (client.status, reply["status_code"]) == (405, 2000)
    assert len(emsp.state["secrets"]) == 1
    assert emsp.client("token-a")("GET", "/ocpi/versions")["status_code"] == 2000


# -- rotation --------------------------------------------------------------------------------


def test_the_old_token_is_good_until_the_new_one_was_seen(registered):
    """PUT: what is in flight with the old token still arrives."""
    cpo, emsp = registered
    old = cpo.state["send"]
    client = emsp.client(old)
    body = {**GOOD, "token": emsp.state["send"]}

    new = client("PUT", "/ocpi/2.2.1/credentials", body)["data"]["token"]

    assert new != old
    for token, status in ((old, 200), (old, 200), (new, 200), (old, 401), (new, 200)):
        caller = emsp.client(token)
        caller("GET", "/ocpi/2.2.1/sender/locations")
        assert caller.status == status


def test_an_answer_that_got_lost(registered):
    """The partner never saw the new token: it puts again with the old one."""
    cpo, emsp = registered
    client = emsp.client(cpo.state["send"])
    body = {**GOOD, "token": emsp.state["send"]}
    for _ in range(3):
        new = client("PUT", "/ocpi/2.2.1/credentials", body)["data"]["token"]

    assert emsp.client(new)("GET", "/ocpi/versions")["status_code"] == 1000
    assert len(emsp.state["secrets"]) == 1


def test_put_reads_the_endpoints_again(net, registered):
    """Even when the version is the same."""
    cpo, emsp = registered
    body = {**GOOD, "token": emsp.state["send"]}
    endpoint = {"identifier": "cdrs", "role": "SENDER", "url": "https://cpo.example/new"}
    net.before = only("https://cpo.example/ocpi/2.2.1", answer({"endpoints": [endpoint]}))

    emsp.client(cpo.state["send"])("PUT", "/ocpi/2.2.1/credentials", body)

    assert emsp.state["endpoints"] == {"cdrs/SENDER": "https://cpo.example/new"}


def test_we_rotate(net, registered):
    """connect again is a PUT with a new token; both directions go on, the old tokens end."""
    cpo, emsp = registered
    old = cpo.state["send"], emsp.state["send"]

    run(cpo.link.connect("c-2"))

    assert posted(net)[-1].method == "PUT"
    assert cpo.state["send"] != old[0]
    assert emsp.state["send"] != old[1]
    works(cpo, emsp)
    for side, token in ((emsp, old[0]), (cpo, old[1])):
        client = side.client(token)
        client("GET", "/ocpi/versions")
        assert client.status == 401


def test_traffic_in_flight_while_we_rotate(net, registered):
    """Calls with the old tokens are answered while the PUT is under way."""
    cpo, emsp = registered
    old = cpo.state["send"], emsp.state["send"]
    seen = []

    def meanwhile(call):
        if call.url == VERSIONS.format("cpo") and not seen:
            seen.append(None)
            for side, token in ((emsp, old[0]), (cpo, old[1])):
                client = side.client(token)
                client("GET", "/ocpi/2.2.1/sender/locations")
                seen.append(client.status)

    net.before = meanwhile
    run(cpo.link.connect("c-2"))

    assert seen == [None, 200, 200]


def test_a_rotation_that_fails_changes_nothing(net, registered):
    cpo, emsp = registered
    before = cpo.state, emsp.state
    net.before = only("https://emsp.example/ocpi/2.2.1/credentials", answer(status=500, code=3000))

    with pytest.raises(GatewayError):
        run(cpo.link.connect("c-2"))

    net.before = None
    assert (cpo.state, emsp.state) == before
    works(cpo, emsp)


# -- the end ---------------------------------------------------------------------------------


def test_delete(registered):
    """Both sides stop; no token is good any longer, token A neither."""
    cpo, emsp = registered
    tokens = cpo.state["send"], emsp.state["send"]

    run(cpo.link.disconnect("c-3"))

    for side, token in ((emsp, tokens[0]), (cpo, tokens[1]), (emsp, "token-a")):
        client = side.client(token)
        client("GET", "/ocpi/versions")
        assert client.status == 401
    for side, message in ((cpo, LocationQuery()), (emsp, TokenQuery())):
        with pytest.raises(Unreachable):
            run(side.link.ask(message, "c"))
    with pytest.raises(Refused):
        run(cpo.link.disconnect("c-4"))


def test_a_new_registration_needs_a_new_token(registered):
    """After the end the operator hands out another token A."""
    cpo, emsp = registered
    run(cpo.link.disconnect("c-3"))

    with pytest.raises(Untrusted):
        run(cpo.link.connect("c-4"))
    state = emsp.desk.state
    emsp.knows(cpo, token_in="token-a2")
    cpo.knows(emsp, token_out="token-a2")
    assert emsp.desk.state is state
    run(cpo.link.connect("c-5"))
    works(cpo, emsp)


def test_a_delete_that_fails_keeps_the_registration(net, registered):
    cpo, _ = registered
    net.before = only("https://emsp.example/ocpi/2.2.1/credentials", answer(status=500, code=3000))

    with pytest.raises(BadAnswer):
        run(cpo.link.disconnect("c"))
    assert cpo.state["version"] == "2.2.1"


def test_refresh_reads_endpoints_with_the_token_in_force(net, registered):
    cpo, _ = registered
    token = cpo.state["send"]
    endpoint = {"identifier": "tokens", "role": "SENDER", "url": "https://emsp.example/t"}
    net.before = only("https://emsp.example/ocpi/2.2.1", answer({"endpoints": [endpoint]}))

    run(cpo.link.refresh("c"))

    assert cpo.state["endpoints"] == {"tokens/SENDER": "https://emsp.example/t"}
    assert cpo.state["send"] == token
