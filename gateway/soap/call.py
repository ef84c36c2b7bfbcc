"""One call of a SOAP service: what the answering side sees, its log line and its fault.

Limits: knows neither the contract nor HTTP.
Why: the log line names places, never reasons or values (they may quote a token or a password), and
the sender is told everything about its own mistakes and nothing about ours.
"""

import time
from collections.abc import Iterator
from typing import Any

import structlog
from lxml import etree
from lxml.etree import _Element as Element
from msgspec import Struct, field

from gateway.errors import Busy, GatewayError, Malformed, Refused, Untrusted, reason_code
from gateway.security import wsse
from gateway.soap import envelope
from gateway.soap.check import Refusal
from gateway.soap.envelope import Code, NotUnderstood, Version, VersionMismatch
from gateway.soap.long import Long

log = structlog.get_logger(__name__)

PROBLEMS = "urn:roamgate:problems"
"""Namespace of the list of problems in the detail of a fault."""
_SHOWN = 50

FAULTS: tuple[tuple[type[GatewayError], Code, str | None], ...] = (
    #  error            code                   subcode
    (VersionMismatch, Code.VERSION_MISMATCH, None),
    (NotUnderstood, Code.MUST_UNDERSTAND, None),
    (Untrusted, Code.SENDER, wsse.FAILED_AUTHENTICATION),
    (Malformed, Code.SENDER, None),
    (Refused, Code.SENDER, None),
    (GatewayError, Code.RECEIVER, None),
)


class SoapCall(Struct, kw_only=True):
    """One call, as the answering side sees it. ``deviations`` say what was tolerated around the
    body, ``mended`` what was put right in it (with values: not for the log)."""

    operation: str = ""
    body: Any = None
    """The checked body element, root of its own document; without content if it is ``long``."""
    long: Long | None = None
    """The message where it is too long to be held."""
    party: Any = None
    """What the authentication gave."""
    claimed: str = ""
    """The id of the party that the message says it is from, as long as that is not found good."""
    correlation_id: str
    desk: Any = None
    """Who is asked for this call, where that is not the service's own desk."""
    result: str = ""
    """What the answer says of itself, in the protocol's own code, for the log."""
    deviations: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    """Items of its list that are not taken."""


class Progress(Struct):
    """How far a call has come: what the log line and the fault are made from."""

    call: SoapCall
    bytes_in: int
    version: Version = Version.SOAP_11
    challenges: bool = False
    """HTTP Basic credentials would be believed, and nothing in the message says who sends it."""
    error: GatewayError | None = None
    """Why the call was refused, whether the sender got a fault or an answer that says so."""
    started: float = field(default_factory=time.perf_counter)

    def log(self, outcome: str, bytes_out: int) -> None:
        """Write the one line of the call."""
        call, error = self.call, self.error
        party = None if call.party is None else str(getattr(call.party, "id", call.party))
        about: dict[str, Any] = {"result": call.result} if call.result else {}
        if error is not None:
            about["error"] = type(error).__name__
            about["code"] = reason_code(error)
            about["problems"] = len(error.problems)
            about["places"] = [each.path for each in error.problems[:3] if each.path]
        elif call.refused:
            about["refused_items"] = len(call.refused)
            about["places"] = [one.problems[0].path for one in call.refused[:3] if one.problems]
        if party is None and call.claimed:
            about["claimed"] = call.claimed
        if call.deviations or call.mended:
            about["deviations"] = len(call.deviations) + len(call.mended)
        log.info(
            "soap call",
            operation=call.operation or None,
            party=party,
            outcome=outcome,
            duration_ms=round((time.perf_counter() - self.started) * 1000, 3),
            bytes_in=self.bytes_in,
            bytes_out=bytes_out,
            correlation_id=call.correlation_id,
            **about,
        )

    def logged(self, outcome: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces; the line is written when the last one is out, or nobody wants more."""
        size, whole = 0, False
        try:
            for piece in pieces:
                size += len(piece)
                yield piece
            whole = True
        finally:
            self.log(outcome if whole else "broken off", size)


def fault_code(error: GatewayError) -> tuple[Code, str | None]:
    """Code and subcode of the fault for an error."""
    return next((code, sub) for kind, code, sub in FAULTS if isinstance(error, kind))


def fault(progress: Progress) -> bytes:
    """The fault message for the error of the call."""
    error = progress.error or GatewayError()
    code, subcode = fault_code(error)
    headers: tuple[Element, ...] = ()
    detail = None
    if isinstance(error, Untrusted):
        text = wsse.FAILED_AUTHENTICATION_TEXT
    elif isinstance(error, Busy):
        text = f"{error}; try again after {error.after} s ({progress.call.correlation_id})"
    elif code is Code.RECEIVER:
        text = f"the message could not be processed ({progress.call.correlation_id})"
    else:
        text = str(error)[:500] or type(error).__name__
        if any(problem.path for problem in error.problems):
            detail = _problem_list(error)
    if isinstance(error, NotUnderstood):
        headers = envelope.not_understood_headers(progress.version, error.names)
    return envelope.fault(progress.version, code, text, subcode, detail, headers)


def _problem_list(error: GatewayError) -> Element:
    detail = etree.Element(f"{{{PROBLEMS}}}problems", nsmap={"p": PROBLEMS})
    for problem in error.problems[:_SHOWN]:
        row = etree.SubElement(detail, f"{{{PROBLEMS}}}problem", {"path": problem.path[:500]})
        row.text = problem.reason[:500]
    return detail
