"""Lists of partners that page well, badly, or not at all."""

from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.ocpi.crawl import Crawl
from adapters.ocpi.paging import next_url
from gateway.errors import BadAnswer, Refused, Unreachable, Untrusted
from gateway.http import HttpAnswer
from tests.adapters.ocpi.world import dumps, run

LIST = "https://cpo.example/ocpi/2.2.1/locations"


def page(items, status=200, code=1000, **headers):
    body = {"status_code": code, "timestamp": "2031-05-02T12:00:00Z", "data": items}
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return HttpAnswer(status=status, headers=named, body=dumps(body))


def objects(*numbers):
    return [{"country_code": "DE", "party_id": "ACM", "id": f"L{n}"} for n in numbers]


class Peer:
    """A partner's list; what it says of the next page differs."""

    def __init__(self, count, style, ceiling=2):
        self.items, self.style, self.ceiling = objects(*range(count)), style, ceiling
        self.urls = []
        self.meanwhile = {}

    async def get(self, url):
        self.urls.append(url)
        assert len(self.urls) < 50, "does not come to an end"
        self.meanwhile.pop(len(self.urls), lambda: None)()
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        if "None" in url:
            return HttpAnswer(status=422, body=b'{"detail":"date_from"}')
        offset, limit = int(query["offset"]), min(int(query["limit"]), self.ceiling)
        found = self.items[offset : offset + limit]
        headers = {"x_total_count": len(self.items), "x_limit": self.ceiling}
        following = f"offset={offset + limit}&limit={limit}"
        more = offset + limit < len(self.items)
        match self.style:
            case "link" if more:
                headers["link"] = f'<{LIST}?{following}>; rel="next"'
            case "relative" if more:
                headers["link"] = f"<?{following}>;title=x; rel=next"
            case "link without total":
                headers = {"link": f"<{LIST}?{following}>; rel='next', "} if more else {}
                if more:
                    headers["link"] = f'</x>; rel="prev", <{LIST}?{following}>; rel="next"'
            case "nothing":
                headers = {}
            case "empty link":
                headers["link"] = ""
            case "itself":
                headers["link"] = f'<{url}>; rel="next"'
            case "elsewhere":
                headers["link"] = f'<https://evil.example/?{following}>; rel="next"'
            case "other scheme":
                headers["link"] = f'<http://cpo.example/l?{following}>; rel="next"'
            case "None in it" if more:
                headers["link"] = f'<{LIST}?date_from=None&{following}>; rel="next"'
        return page(found, **headers)

    def crawl(self, **options):
        crawl = Crawl(self.get, LIST, None, None, **{"limit": 100, **options})
        run(crawl.run())
        return [item["id"] for item in crawl.items], crawl


STYLES = [
    "link",
    "relative",
    "link without total",
    "total only",
    "empty link",
    "itself",
    "elsewhere",
    "other scheme",
    "None in it",
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [0, 1, 2, 5, 6])
def test_every_object_once_whatever_the_link_says(style, count):
    """Links are followed where they can be, own offsets used where not; nothing leaves home."""
    peer = Peer(count, style)

    ids, _ = peer.crawl()

    assert ids == [f"L{n}" for n in range(count)]
    assert all(url.startswith(LIST) for url in peer.urls)


def test_a_list_without_any_header():
    """While pages are full there may be more; a short one is the last."""
    ids, crawl = Peer(5, "nothing").crawl(limit=2)

    assert ids == [f"L{n}" for n in range(5)]
    assert crawl.total is None


def test_the_total():
    _, crawl = Peer(5, "link").crawl()

    assert crawl.total == 5


def test_the_total_shrinks():
    """An object leaves the window while it is read: what moved up is not missed."""
    peer = Peer(6, "link")
    peer.meanwhile[2] = lambda: peer.items.pop(0)

    ids, crawl = peer.crawl()

    assert sorted(ids) == [f"L{n}" for n in range(6)]
    assert crawl.total == 5
    assert "offset=1&" in peer.urls[2]


def test_the_total_grows():
    """New objects come at the end."""
    peer = Peer(4, "link")
    peer.meanwhile[2] = lambda: peer.items.extend(objects(4, 5))

    assert peer.crawl()[0] == [f"L{n}" for n in range(6)]


def test_a_window_of_the_list():
    """Offset and maximum are those of the question; no page more than needed is fetched."""
    peer = Peer(9, "link")

    ids, _ = peer.crawl(offset=3, maximum=3, limit=3)

    assert ids[:3] == ["L3", "L4", "L5"]
    assert len(peer.urls) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"x_total_count": 1000},
        {"link": f'<{LIST}?offset=0&limit=1>; rel="next"', "x_total_count": 1000},
        {},
    ],
)
def test_a_peer_that_ignores_the_offset(headers):
    """The same page again and again is an error, not a short list and not an endless one."""
    calls = []

    async def get(url):
        calls.append(url)
        return page(objects(1, 2), **headers)

    with pytest.raises(BadAnswer, match="repeats itself"):
        run(Crawl(get, LIST, None, None, 2).run())
    assert len(calls) < 10


@pytest.mark.parametrize("junk", [[None], [7, {}], [{"id": 1}], [[]], ["x", "y"]])
def test_junk_without_end(junk):
    """What has no id is no progress either when it comes again."""
    calls = []

    async def get(url):
        calls.append(url)
        return page(junk, x_total_count=999_999_999)

    with pytest.raises(BadAnswer, match="repeats itself"):
        run(Crawl(get, LIST, None, None, 1).run())
    assert len(calls) < 10


def test_two_links_in_a_circle():
    """A repeated link is not followed."""

    async def get(url):
        other = "b" if "page=a" in url else "a"
        link = f'<{LIST}?page={other}>; rel="next"'
        return page(objects(1 if other == "a" else 2), link=link, x_total_count=1000)

    crawl = Crawl(get, LIST, None, None, 1)
    with pytest.raises(BadAnswer, match="repeats itself"):
        run(crawl.run())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (page([], status=401, code=2000), Untrusted),
        (page([], code=2001), Refused),
        (page([], status=503, code=3000), Unreachable),
        (page([], status=500, code=3000), BadAnswer),
        (page({"id": 1}), BadAnswer),
        (page("text"), BadAnswer),
        (HttpAnswer(status=200, body=b"[]"), BadAnswer),
        (HttpAnswer(status=504, body=b"<html>"), Unreachable),
    ],
)
def test_errors_are_raised(answer, error):
    async def get(url):
        return answer

    with pytest.raises(error):
        run(Crawl(get, LIST, None, None, 10).run())


def test_an_error_in_the_middle_is_no_short_list():
    """What was fetched so far is not taken for the whole."""
    peer = Peer(6, "total only")

    def fail():
        raise Unreachable("gone")

    peer.meanwhile[2] = fail

    with pytest.raises(Unreachable):
        peer.crawl()


def test_null_and_absent_data_mean_empty():
    async def get(url):
        return page(None)

    crawl = Crawl(get, LIST, None, None, 10)
    run(crawl.run())
    assert crawl.items == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("<>", None),
        (f'<{LIST}?offset=2>; rel="prev"', None),
        (f'<{LIST}?offset=2>; rel="next"', f"{LIST}?offset=2"),
        (f"<{LIST}?offset=2>;rel=next", f"{LIST}?offset=2"),
        (f'<{LIST}?offset=2>; REL="last next"', f"{LIST}?offset=2"),
        (f'<{LIST}?offset=1,2>; rel="next"', f"{LIST}?offset=1,2"),
        ('<locations?offset=2>; rel="next"', f"{LIST}?offset=2"),
        ('<//evil.example/l>; rel="next"', None),
        ('<https://cpo.example@evil.example/l>; rel="next"', None),
        ('<https://cpo.example:8443/l>; rel="next"', None),
        ('<https://[bad/l>; rel="next"', None),
        ('<javascript:alert(1)>; rel="next"', None),
        ("<" * 100_000, None),
        ("<x>;" * 50_000, None),
    ],
)
def test_link_headers(header, expected):
    assert next_url(header, f"{LIST}?offset=0") == expected
