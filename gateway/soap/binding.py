"""SOAP over HTTP: media types, actions and status codes of both versions.

Source: SOAP 1.1 chapter 6; SOAP 1.2 part 2 chapter 7; RFC 3902 (application/soap+xml); WS-I Basic
Profile 1.1 R1126 (a fault is sent with status 500).
Limits: no attachments, no compressed messages.
"""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from gateway.errors import Busy, GatewayError, Malformed, Untrusted
from gateway.soap.contract import ContractOperation
from gateway.soap.envelope import Code, Version

_MEDIA_TYPES = ("text/xml", "application/soap+xml", "application/xml", "")


class UnsupportedMedia(Malformed):
    """The Content-Type or Content-Encoding is none of SOAP over HTTP."""


class ContentType(Struct, frozen=True):
    """The media type in lower case (empty: the header is missing) and two of its parameters."""

    media: str
    charset: str | None
    action: str | None


def read_content_type(headers: Mapping[str, str]) -> ContentType:
    """What the headers say about the body. Raises ``UnsupportedMedia``."""
    return _content_type(
        headers.get("content-type", ""), headers.get("content-encoding", "identity")
    )


@lru_cache(64)  # a partner's tool-kit sends the same every time
def _content_type(value: str, encoding: str) -> ContentType:
    if encoding.strip().lower() != "identity":
        raise UnsupportedMedia("the message is compressed, which is not supported")
    media, _, rest = value.partition(";")
    media = media.strip().lower()
    if media not in _MEDIA_TYPES:
        raise UnsupportedMedia(f"Content-Type {media[:60]!r} is not supported")
    parameters = {
        name.strip().lower(): value.strip().strip("\"'")
        for name, _, value in (each.partition("=") for each in rest.split(";"))
    }
    return ContentType(media, parameters.get("charset") or None, parameters.get("action"))


def not_taken(headers: Mapping[str, str]) -> str | None:
    """Why a message with these headers is not taken; None: it is."""
    try:
        read_content_type(headers)
    except UnsupportedMedia as error:
        return str(error)
    return None


def request_headers(operation: ContractOperation, version: Version) -> dict[str, str]:
    """The headers that go with a request: the action has its place by version."""
    content_type = f"{version.media_type}; charset=utf-8"
    if version is Version.SOAP_12:
        return {"Content-Type": f'{content_type}; action="{operation.soap_action}"'}
    return {"Content-Type": content_type, "SOAPAction": f'"{operation.soap_action}"'}


def deviations(
    headers: Mapping[str, str],
    content_type: ContentType,
    operation: ContractOperation,
    version: Version,
) -> list[str]:
    """Where the headers differ from what the contract asks. They decide nothing: the body does."""
    found = []
    if content_type.media != version.media_type:
        found.append(f"Content-Type is {content_type.media or 'missing'}")
    if version is Version.SOAP_11:
        action = headers.get("soapaction")
        if action is None:
            found.append("SOAPAction is missing")
        elif action.strip() != f'"{operation.soap_action}"':
            found.append(f"SOAPAction is {action[:200]}")
    elif content_type.action not in (None, operation.soap_action):
        found.append(f"action is {str(content_type.action)[:200]}")
    return found


def fault_status(error: GatewayError, code: Code, version: Version, *, challenges: bool) -> int:
    """HTTP status of a fault; ``challenges``: HTTP Basic credentials would have been believed."""
    if isinstance(error, UnsupportedMedia):
        return 415
    if isinstance(error, Busy):
        return 503
    if isinstance(error, Untrusted) and challenges:
        return 401
    return 400 if code is Code.SENDER and version is Version.SOAP_12 else 500
