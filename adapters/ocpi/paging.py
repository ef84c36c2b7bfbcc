"""Windows on lists: the parameters and headers of a paged GET, on both sides.

Source: OCPI 2.2.1, "Pagination" in the transport chapter.
Wire: ``date_from`` (inclusive), ``date_to`` (exclusive), ``offset``, ``limit``; answered with
``X-Total-Count``, ``X-Limit`` (the ceiling in force) and, unless it is the last page, ``Link``.
Limits: an offset given in a date without percent-encoding arrives as a blank; it is read as ``+``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlencode, urljoin

from adapters.ocpi.envelope import Declined
from adapters.ocpi.settings import origin, url
from gateway.errors import Problem
from gateway.mapping.kinds import format_utc, parse_instant
from gateway.model.message import Page

CEILINGS: Mapping[str, int] = {
    "locations": 100,
    "tariffs": 100,
    "tokens": 1000,
    "sessions": 100,
    "cdrs": 100,
}
"""The largest page per module, where the partner has no ``page_limit``."""

_COUNT = re.compile("[0-9]{1,20}", re.ASCII)
_MOST = 2**31 - 1
"""More objects than any list has; what is above it means the same."""
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)


@dataclass(frozen=True)
class Window:
    """What a list request asks for, within our ceiling."""

    since: datetime | None
    until: datetime | None
    offset: int
    limit: int
    ceiling: int

    @property
    def page(self) -> Page:
        return Page(offset=self.offset, limit=self.limit)


def read_query(query: str) -> dict[str, str]:
    """The parameters of a query string; of repeated ones the first counts."""
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise Declined(2001, "the query string cannot be read") from None
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def window(query: Mapping[str, str], ceiling: int, *, needs_from: bool = False) -> Window:
    """The window of a request; 2001 with every parameter that is wrong."""
    problems: list[Problem] = []

    def instant(name: str) -> datetime | None:
        if name not in query or not query[name]:
            return None
        try:
            return parse_instant(query[name].replace(" ", "+"))
        except ValueError as error:
            problems.append(Problem(name, str(error)))
            return None

    def count(name: str, default: int, least: int) -> int:
        text = query.get(name) or str(default)
        if not _COUNT.fullmatch(text) or int(text) < least:
            problems.append(Problem(name, f"{text[:60]!r} is no number from {least}"))
            return default
        return min(int(text), _MOST)

    since, until = instant("date_from"), instant("date_to")
    if needs_from and not query.get("date_from"):
        problems.append(Problem("date_from", "is required here"))
    offset, limit = count("offset", 0, 0), count("limit", ceiling, 1)
    if problems:
        raise Declined(2001, problems)
    return Window(since, until, offset, min(limit, ceiling), ceiling)


def headers(
    address: str, query: Mapping[str, str], asked: Window, count: int, total: int | None
) -> dict[str, str]:
    """The headers of a page of ``count`` objects; ``address`` is the list's own public URL.

    ``total`` None (nobody counted): there is a next page when this one is full.
    """
    end = asked.offset + count
    result = {"X-Limit": str(asked.ceiling)}
    if total is None and count < asked.limit:
        total = end
    if total is not None:
        result["X-Total-Count"] = str(total)
    if count and (total is None or end < total):
        kept = {name: query[name] for name in ("date_from", "date_to") if query.get(name)}
        following = urlencode({**kept, "offset": end, "limit": asked.limit})
        result["Link"] = f'<{address}?{following}>; rel="next"'
    return result


# -- asking a partner ------------------------------------------------------------------------


def first_url(
    address: str,
    since: datetime | None,
    until: datetime | None,
    offset: int,
    limit: int,
) -> str:
    """The URL of a page of a partner's list."""
    query: dict[str, str | int] = {}
    if since is not None:
        query["date_from"] = format_utc(since)
    if until is not None:
        query["date_to"] = format_utc(until)
    joint = "&" if "?" in address else "?"
    return f"{address}{joint}{urlencode({**query, 'offset': offset, 'limit': limit})}"


def next_url(header: str | None, asked: str) -> str | None:
    """The next page's URL from a ``Link`` header; None: none, or none that can be used.

    Relative URLs are resolved; another origin is never followed, since the token would go there.

    >>> next_url('</l?offset=2>; title="x"; rel=next', "https://cpo.example/l?offset=0")
    'https://cpo.example/l?offset=2'
    >>> next_url('<https://evil.example/l?offset=2>; rel="next"', "https://cpo.example/l")
    """
    for target, parameters in _LINK.findall((header or "")[:4096]):
        words = {
            word.lower()
            for quoted, bare in _NEXT.findall(parameters)
            for word in (quoted or bare).split()
        }
        if "next" not in words:
            continue
        try:
            found: str = urljoin(asked, target.strip())
            # A Link may be longer than the 255 characters of an OCPI URL.
            url(found[:255])
            if found and len(found) <= 2048 and origin(found) == origin(asked):
                return found
        except ValueError:
            continue
    return None


def count_of(headers: Mapping[str, str], name: str) -> int | None:
    """A count from a header in lower case; None when it is missing or no number."""
    text = headers.get(name, "").strip()
    return int(text) if _COUNT.fullmatch(text) else None


def segment(value: str) -> str:
    """A path segment, percent-encoded: ``DE*ACM/1`` becomes ``DE%2AACM%2F1``."""
    return quote(value, safe="")
