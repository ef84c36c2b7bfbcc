"""HMAC signatures of requests with JSON parties that have agreed on a secret, both ways.

Source: the ``[party.http_signature]`` tables; ``gateway.security.http_signature`` for the rules.
Limits: a request over a redirect of the same origin has the first one's signature and is refused
there; answers are not signed.
Why: the memory against replays is the one of WS-Security: it stands in the database, so that it
survives a restart and holds for all processes. It is asked after the signature was found good.
"""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from gateway.adapter import Fetch, Partner
from gateway.http import HttpAnswer, HttpCall, Request
from gateway.routing.runtime import Runtime
from gateway.security.http_signature import Message, SharedKeys, read_key, sign, verify
from gateway.security.replay import Seen, refuse_replay
from gateway.security.timestamp import Freshness
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

    async def check(self, partner: Partner, request: Request) -> None:
        """Refuse a request without a good and new signature; raises Unverified."""
        keys = self._keys.get(partner.id)
        if keys is None:
            return
        target = f"{self._url}{request.path}"
        if request.query:
            target += f"?{request.query}"
        message = Message(request.method, target, request.headers, request.body)

        def look() -> None:
            found = verify(message, keys, self._clock(), family(partner.protocol))
            refuse_replay(self._seen, partner.id, (found.id,), found.until)

        await self._runtime.in_thread(look, writing=True)


def signed(fetch: Fetch, party: Party, clock: Clock) -> Fetch:
    """The same way, with each request signed if the party wants that."""
    options = party.http_signature
    if options is None or options.secret_out is None:
        return fetch
    key, key_id = read_key(options.secret_out.reveal()), options.key_id_out
    also = family(party.protocol)

    async def asked(call: HttpCall) -> HttpAnswer:
        fields = {name.lower(): value for name, value in call.headers.items()}
        message = Message(call.method, target_of(call.url), fields, call.body)
        added = sign(message, key, key_id, clock(), also)
        return await fetch(msgspec.structs.replace(call, headers={**call.headers, **added}))

    return asked


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
