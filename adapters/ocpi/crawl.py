"""All pages of a partner's list, however the partner pages.

Source: OCPI 2.2.1, "Pagination" in the transport chapter.
Rules: a usable ``Link`` is followed; where there is none, or it leads to an error or to a page that
was seen, own offsets are used until ``X-Total-Count`` objects have passed. When the total shrinks
on the way, an object has moved up behind the window: the offset steps back. Objects that come twice
count once. A list that does not come to an end is an error, never a short list.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.ocpi import paging
from adapters.ocpi.envelope import a_list, read
from gateway.errors import BadAnswer, Refused
from gateway.http import HttpAnswer
from gateway.security.json_gate import write_json

_PAGES = 10_000
_REPEATS = 3
Get = Callable[[str], Awaitable[HttpAnswer]]


@dataclass
class Crawl:
    """A walk through one list. ``items`` are plain JSON values; ``total`` as the partner said."""

    get: Get
    address: str
    since: datetime | None
    until: datetime | None
    limit: int
    offset: int = 0
    maximum: int | None = None
    """No more objects than these are wanted."""
    items: list[Any] = field(default_factory=list)
    total: int | None = None

    async def run(self) -> None:
        """Fetch until the end; raises as a call does, BadAnswer when there is no end."""
        seen: set[Any] = set()
        asked: set[str] = set()
        repeats, links = 0, True
        url, by_link = self._own_url(), False
        for _ in range(_PAGES):
            asked.add(url)
            answer = await self.get(url)
            try:
                data = a_list(read(answer))
            except (Refused, BadAnswer):
                if not by_link:
                    raise
                links, by_link, url = False, False, self._own_url()
                continue
            fresh = [item for item in data if _new(item, seen)]
            self.items += fresh
            if not data or self._enough():
                self._count(answer)
                return
            repeats = 0 if fresh else repeats + 1
            if repeats == _REPEATS:
                raise BadAnswer("the list repeats itself and does not come to an end")
            shrunk = self._count(answer)
            # what moved up stands before this page now: read this page again, from further up
            self.offset += -min(shrunk, self.offset) if shrunk else len(data)
            link = paging.next_url(answer.headers.get("link"), url) if links else None
            if shrunk or link in asked:
                link = None
            if link is None and not self._more(answer, len(data)):
                return
            url, by_link = link or self._own_url(), link is not None
        raise BadAnswer(f"the list has more than {_PAGES} pages")

    def _own_url(self) -> str:
        return paging.first_url(self.address, self.since, self.until, self.offset, self.limit)

    def _enough(self) -> bool:
        return self.maximum is not None and len(self.items) >= self.maximum

    def _count(self, answer: HttpAnswer) -> int:
        """Take over the total; by how much it has shrunk."""
        before, self.total = self.total, paging.count_of(answer.headers, "x-total-count")
        if before is None or self.total is None:
            return 0
        return max(0, before - self.total)

    def _more(self, answer: HttpAnswer, count: int) -> bool:
        """Whether there is a next page that no ``Link`` names."""
        if self.total is not None:
            return self.offset < self.total
        ceiling = paging.count_of(answer.headers, "x-limit") or self.limit
        return count >= min(ceiling, self.limit)


def _new(item: Any, seen: set[Any]) -> bool:
    """Whether an object has not come yet; what has no id is known by its whole content."""
    named = item if isinstance(item, dict) else {}
    key: Any = tuple(
        value.casefold() if isinstance(value := named.get(name), str) else None
        for name in ("country_code", "party_id", "id", "uid", "type")
    )
    if key[2] is None and key[3] is None:
        key = hashlib.sha256(write_json(item)).digest()
    if key in seen:
        return False
    seen.add(key)
    return True
