"""The messages of the comparisons, always the same: seeded, and made by us.

Every contender of a work gets the same bytes. The UsernameToken of a request is not marked as to be
understood, because some peers refuse what they do not know, and those do not look at it.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gateway.demo import data
from gateway.demo.ochp import NS, SOAP, TEXT, WSSE

TOKENS = 1000
"""Tokens that the store knows, and that are asked for in turn."""
_STEP = 1000


def envelope(body: str, user: str = "", password: str = "") -> bytes:
    """A SOAP 1.1 message, with a UsernameToken where a user is given."""
    header = "<s:Header/>"
    if user:
        header = (
            f'<s:Header><w:Security xmlns:w="{WSSE}"><w:UsernameToken><w:Username>{user}'
            f'</w:Username><w:Password Type="{TEXT}">{password}</w:Password></w:UsernameToken>'
            "</w:Security></s:Header>"
        )
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="{SOAP}">'
    return f"{start}{header}<s:Body>{body}</s:Body></s:Envelope>".encode()


def question(number: int) -> str:
    """May this token charge?"""
    return (
        f'<GetSingleRoamingAuthorisationRequest xmlns="{NS}"><emtId representation="plain">'
        f"<instance>{data.ochp_uid(number)}</instance><tokenType>rfid</tokenType></emtId>"
        "</GetSingleRoamingAuthorisationRequest>"
    )


def tokens() -> str:
    """The list of a provider, DE-FST."""
    name = "roamingAuthorisationInfoArray"
    items = (data.ochp_token("DE", "FST", number, name) for number in range(TOKENS))
    return _list("SetRoamingAuthorisationListRequest", items)


def cdrs(count: int, first: int = 0) -> str:
    """Charge detail records of AT*ALP for the drivers of DE-FST."""
    evses = list(data.ochp_evses("AT", "ALP", 200, seed=5))
    return _list(
        "AddCDRsRequest",
        (
            data.ochp_cdr(
                evses[number % 200],
                number,
                data.ochp_uid(number % TOKENS),
                data.contract("DE", "FST", number % TOKENS),
            )
            for number in range(first, first + count)
        ),
    )


def charge_points(file: Path, count: int, user: str = "", password: str = "") -> Path:
    """A SetChargePointList of AT*ALP, about 1.3 kB for each item, as a file (made once)."""
    if not file.exists():
        draft = file.with_suffix(".draft")
        start, end = envelope(_list("SetChargePointListRequest", ("@",)), user, password).split(
            b"@"
        )
        items = (data.ochp_charge_point(each) for each in data.ochp_evses("AT", "ALP", count, 7))
        with draft.open("wb") as out:
            out.write(start)
            while piece := "".join(islice(items, _STEP)):
                out.write(piece.encode())
            out.write(end)
        draft.rename(file)
    return file


def _list(root: str, items: Iterator[str] | tuple[str, ...]) -> str:
    return f'<{root} xmlns="{NS}">{"".join(items)}</{root}>'


def http(path: str, body: bytes, action: str = "", **headers: str) -> bytes:
    """A request as it goes over the wire; SOAP where an ``action`` is given."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1"]
    if action:
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NS}/{action}"'}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def questions(path: str, user: str = "", password: str = "") -> list[bytes]:
    """A question for each stored token, as requests."""
    return [
        http(path, envelope(question(number), user, password), "GetSingleRoamingAuthorisation")
        for number in range(TOKENS)
    ]
