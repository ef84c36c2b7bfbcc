"""Calls to a partner: token, ids and routing headers put on, redirects followed where safe.

Source: OCPI 2.2.1, transport chapter; RFC 9110 on 307 and 308.
Limits: a redirect is followed only to the same origin (the token goes with it), with method and
body kept, three times at most.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from adapters.ocpi.auth import header
from adapters.ocpi.settings import Settings, origin
from adapters.ocpi.trace import CORRELATION_ID, REQUEST_ID, write_route
from gateway.adapter import Fetch
from gateway.errors import BadAnswer
from gateway.http import HttpAnswer, HttpCall, new_id
from gateway.model.base import PartyId
from gateway.security.json_gate import write_json

_REDIRECTS = 3
NOTHING: Any = object()


class Line:
    """The way to a partner's HTTP interface with one token.

    ``encoding`` is how the partner reads the token; with ``auto`` Base64 is tried first and what
    worked is kept here.
    """

    def __init__(
        self, fetch: Fetch, token: str, options: Settings, encoding: str | None = None
    ) -> None:
        self._fetch, self._token, self._options = fetch, token, options
        self.encoding = encoding or options.auth_encoding

    async def send(
        self,
        method: str,
        url: str,
        correlation_id: str,
        *,
        body: Any = NOTHING,
        to: PartyId | None = None,
        sender: PartyId | None = None,
    ) -> HttpAnswer:
        """The partner's answer, whatever it says; raises Unreachable, BadAnswer."""
        headers = {CORRELATION_ID: correlation_id, **write_route(to, sender)}
        if body is not NOTHING:
            headers["Content-Type"] = "application/json"
        text = b"" if body is NOTHING else write_json(body)
        if self.encoding != "auto":
            return await self._follow(method, url, headers, text, self.encoding)
        for encoding in ("base64", "raw"):
            answer = await self._follow(method, url, headers, text, encoding)
            if answer.status not in (401, 403):
                self.encoding = encoding
                break
        return answer

    async def _follow(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, encoding: str
    ) -> HttpAnswer:
        if self._options.trailing_slash:
            path, mark, query = url.partition("?")
            url = f"{path.rstrip('/')}/{mark}{query}"
        for _ in range(_REDIRECTS + 1):
            answer = await self._fetch(
                HttpCall(
                    method=method,
                    url=url,
                    headers={
                        "Authorization": header(self._token, encoding),
                        "Accept": "application/json",
                        REQUEST_ID: new_id(),
                        **headers,
                    },
                    body=body,
                )
            )
            if not 300 <= answer.status < 400:
                return answer
            url = self._target(answer, url)
        raise BadAnswer(f"more than {_REDIRECTS} redirects")

    @staticmethod
    def _target(answer: HttpAnswer, url: str) -> str:
        if answer.status not in (307, 308):
            raise BadAnswer(f"HTTP {answer.status} instead of an answer")
        try:
            target = urljoin(url, answer.headers.get("location", ""))
            same = origin(target) == origin(url)
        except ValueError:
            same = False
        if not same:
            raise BadAnswer("a redirect to another origin, not followed")
        return target
