"""Versions, version details and credentials: what a partner needs before anything else.

Source: OCPI 2.2.1, version information endpoints; credentials module.
"""

from typing import Any

from adapters.ocpi import handshake
from adapters.ocpi.envelope import Declined, Reply
from adapters.ocpi.registration import REGISTRATION
from adapters.ocpi.serving import Asked


async def get_versions(asked: Asked) -> Reply:
    """The versions that we speak, each with the URL of its details."""
    return Reply(
        data=[
            {"version": version, "url": f"{asked.public_url}/ocpi/{version}"}
            for version in handshake.VERSIONS
        ]
    )


def details(public_url: str, version: str, end: str = "") -> dict[str, Any]:
    """Both interfaces of every module; for credentials the role means nothing.

    ``end``: ``/`` for a partner that appends to these URLs without a slash of its own.
    """
    base = f"{public_url}/ocpi/{version}"
    return {
        "version": version,
        "endpoints": [
            {"identifier": "credentials", "role": "SENDER", "url": f"{base}/credentials{end}"},
            *(
                {"identifier": module, "role": role, "url": f"{base}/{role.lower()}/{module}{end}"}
                for module in handshake.MODULES
                for role in ("SENDER", "RECEIVER")
            ),
        ],
    }


async def get_details(asked: Asked) -> Reply:
    end = "/" if asked.options.trailing_slash else ""
    return Reply(data=details(asked.public_url, handshake.VERSIONS[0], end))


async def get_credentials(asked: Asked) -> Reply:
    """The Credentials object that the caller uses: with the token that it presented."""
    return Reply(data=handshake.own_credentials(asked.token, asked.public_url, asked.options))


async def post_credentials(asked: Asked) -> Reply:
    """Register, with the registration token; 405 when registered or about to be."""
    _only(asked, registered=False)
    if asked.slot != REGISTRATION:
        raise Declined(2000, "a registration is under way", 405, {"Allow": "GET, HEAD"})
    return await _accept(asked)


async def put_credentials(asked: Asked) -> Reply:
    """Renew endpoints, version and both tokens; 405 when not registered."""
    _only(asked, registered=True)
    return await _accept(asked)


async def delete_credentials(asked: Asked) -> Reply:
    """Unregister; 405 when not registered."""
    _only(asked, registered=True)
    await handshake.forget(asked.desk, asked.partner)
    return Reply()


def _only(asked: Asked, *, registered: bool) -> None:
    if not asked.options.handshake:
        raise Declined(2000, "the tokens are fixed by agreement", 405, {"Allow": "GET, HEAD"})
    if asked.registration.registered is not registered:
        allowed = "GET, HEAD, POST" if registered else "GET, HEAD, PUT, DELETE"
        state = "not registered" if registered else "already registered"
        raise Declined(2000, state, 405, {"Allow": allowed})


async def _accept(asked: Asked) -> Reply:
    return Reply(
        data=await handshake.accept(
            asked.desk,
            asked.fetch,
            asked.partner,
            asked.options,
            asked.token,
            asked.content(),
            asked.public_url,
            asked.correlation_id,
        )
    )
