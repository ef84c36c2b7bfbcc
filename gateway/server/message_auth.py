"""HMAC signatures of messages with JSON parties that have agreed on a secret, both ways.

Source: the ``[party.http_signature]`` tables; ``gateway.security.http_signature`` for the rules.
Limits: a request over a redirect of the same origin has the first one's signature and is refused
there. Signed is the answer to each request whose own signature was good, whatever it says: to
another it is not known with which secret, and nobody is to have us sign what they choose.
Why: the memory against replays is the one of WS-Security: it stands in the database, so that it
survives a restart and holds for all processes. It is asked after the signature was found good.
"""

import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from gateway.adapter import Fetch, Partner, Seal
from gateway.errors import BadAnswer, GatewayError, Unreachable
from gateway.http import HttpAnswer, HttpCall, Request, Response
from gateway.routing.runtime import Runtime
from gateway.security.http_signature import (
    Answer,
    Message,
    SharedKeys,
    read_key,
    sign,
    sign_answer,
    verify,
    verify_answer,
)
from gateway.security.replay import Seen, refuse_replay
from gateway.security.timestamp import Freshness
from gateway.security.unverified import Unverified
from gateway.server.config_options import Config, HttpSignature, Party

Clock = Callable[[], datetime]


class MessageAuth:
    """Checks the requests of parties that have to sign them."""

    def __init__(self, config: Config, seen: Seen, clock: Clock, runtime: Runtime) -> None:
        self._keys = {
            party.id: keys
            for party in config.parties
            if party.http_signature and (keys := _keys(party.http_signature))
        }
        self._url = config.gateway.public_url.rstrip("/")
        self._seen, self._clock, self._runtime = seen, clock, runtime

    async def check(self, partner: Partner, request: Request) -> Seal | None:
        """Refuse a request without a good and new signature; raises Unverified.

        Gives back how to sign the answer; None: the party has no secret.
        """
        keys = self._keys.get(partner.id)
        if keys is None:
            return None
        target = f"{self._url}{request.path}"
        if request.query:
            target += f"?{request.query}"
        message = Message(request.method, target, request.headers, request.body)
        also = family(partner.protocol)

        def look() -> bytes:
            found = verify(message, keys, self._clock(), also)
            refuse_replay(self._seen, partner.id, (found.id,), found.until)
            return found.key

        key = await self._runtime.in_thread(look, writing=True)
        key_id = _KEY_ID.search(request.headers["signature-input"])

        def seal(response: Response) -> Response:
            body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
            fields = {name.lower(): value for name, value in response.headers.items()}
            content = b"" if request.method == "HEAD" else body
            answer = Answer(response.status, fields, content, message)
            added = sign_answer(answer, key, key_id[1] if key_id else "", self._clock(), also)
            return msgspec.structs.replace(
                response, headers={**response.headers, **added}, body=body
            )

        return seal


_KEY_ID = re.compile(r';keyid="([^"]*)"')
"""The secret is called in an answer as it was in the request."""


def signed(fetch: Fetch, party: Party, clock: Clock) -> Fetch:
    """The same way, with each request signed if the party wants that, and each answer checked if it
    signs them."""
    options = party.http_signature
    if options is None or options.secret_out is None:
        return fetch
    key, key_id = read_key(options.secret_out.reveal()), options.key_id_out
    keys = SharedKeys(secrets=(key,), freshness=Freshness(age=options.max_age, skew=options.skew))
    also, checked = family(party.protocol), options.answers_signed

    async def asked(call: HttpCall) -> HttpAnswer:
        fields = {name.lower(): value for name, value in call.headers.items()}
        message = Message(call.method, target_of(call.url), fields, call.body)
        added = sign(message, key, key_id, clock(), also)
        answer = await fetch(msgspec.structs.replace(call, headers={**call.headers, **added}))
        if checked:
            fields |= {name.lower(): value for name, value in added.items()}
            heard = Answer(answer.status, answer.headers, answer.body, message)
            try:
                verify_answer(heard, keys, clock(), also)
            except Unverified as error:
                raise _not_believed(answer.status, error) from None
        return answer

    return asked


def _not_believed(status: int, error: Unverified) -> GatewayError:
    """What an answer without a good signature counts as: whoever wrote it, what was asked may be
    asked again. What stands in front of the party (429, 5xx) cannot sign."""
    if status == 429 or status >= 500:
        return Unreachable(f"HTTP {status}, not signed")
    return BadAnswer(f"HTTP {status} that is not believed: {error}")


def target_of(url: str) -> str:
    """A URL as its receiver sees it: host in lower case, no fragment, a path, no default port."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts._replace(
        netloc=parts.netloc.lower().removesuffix(default), path=parts.path or "/", fragment=""
    ).geturl()


def family(protocol: str) -> str:
    """How the fields of a protocol begin: ``ocpi-``."""
    return f"{protocol.partition('-')[0]}-"


def _keys(options: HttpSignature) -> SharedKeys | None:
    known = [each for each in (options.secret_in, options.secret_in_next) if each]
    if not known:
        return None
    return SharedKeys(
        secrets=tuple(read_key(each.reveal()) for each in known),
        freshness=Freshness(age=options.max_age, skew=options.skew),
    )
