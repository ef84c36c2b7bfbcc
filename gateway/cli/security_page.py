"""The tables of docs/security.md, made from what the code goes by.

Limits: a limit without a reason here stops ``make docs``, and its test.
Why: a number that is written down twice is wrong once.
"""

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from gateway.routing.permits import ASKED_BY, OWNED_BY
from gateway.security import key_info, keys, parse, signed_info, wss_structure
from gateway.security.algorithms import CURVES, DIGESTS, METHODS, RSA_BITS, Weak
from gateway.security.timestamp import Freshness
from gateway.security.unverified import Code
from gateway.server import config_options as options
from gateway.server.limits import Limits as Listener
from gateway.server.options.declared import options as declared
from gateway.server.options.values import duration_text

_XML = {
    "list_bytes": (
        "body-size",
        "OCHP has no paging: a whole country comes as one list. It waits in a file, and is read "
        "item by item once the sender is known",
    ),
    "bytes": ("bytes", "what is read whole becomes a tree of about six times its size"),
    "depth": (
        "depth",
        "OCHP needs 7 within its envelope; beyond 256 libxml2 stops by itself",
    ),
    "elements": ("elements", "each costs about 200 bytes and 140 ns, however short it is written"),
    "attributes": ("attributes", "OCHP needs 4; a parser compares each with the others"),
    "declarations": ("declarations", "some tool-kits declare a prefix at every item of a list"),
    "namespaces": (
        "namespaces",
        "canonicalisation looks through all that are in scope, at every element: its cost is "
        "their number times the elements",
    ),
    "text": ("text", "a certificate, an image in a description; no field of OCHP is as long"),
}
_JSON = {
    "bytes": ("bytes", "OCPI has pages, and one object is much smaller"),
    "depth": ("depth", "no object of OCPI has half of it"),
    "members": ("members", "each costs memory, however short it is written"),
    "names": ("names", "a CDR, OCPI's largest object, has about 40 fields"),
    "text": ("text", "the longest fields of OCPI are signed meter values"),
    "digits": (
        "digits, exponent",
        "more says nothing of money or energy; an exponent of 999999 costs its size in whoever "
        "computes with it",
    ),
}
_PARTNER = {
    "rate": ("rate", "above what a process answers: a smaller one is agreed with a party"),
    "burst": ("rate", "a partner that was away comes back with all it has"),
    "concurrent": ("queue", "places in the threads and in the database"),
    "waiting": (
        "queue",
        "with `concurrent` less than a quarter of `requests` below: one partner cannot take all",
    ),
}
_LISTENER = {
    "request_line": ("request-line", "ids of 36 characters, percent-encoded, and a query"),
    "head": ("head-size", "tokens, routing headers and what proxies add"),
    "fields": ("header-count", "a proxy adds a dozen"),
    "body": ("body-size", "of a route without a limit of its own"),
    "held": ("memory", "bodies in memory, of all connections together"),
    "held_of_one": ("memory-of-one", "of them, the long ones of one party"),
    "spool": ("", "a longer body waits in a file"),
    "spooled": ("memory", "bodies in files, of all connections together"),
    "spooled_of_one": ("memory-of-one", "of them, those of one party: its longest list"),
    "unknown": (
        "unknown-sender",
        "of both, what is over 64 KB and not known by its beginning; half of it for one address",
    ),
    "requests": ("busy", "with the handler; more wait at their senders"),
    "connections": ("connections", "each is an open file of the process"),
    "connections_of_one": ("connections-of-one", "one address cannot take all places"),
    "handshakes": ("handshakes", "a second from one address: each is an operation with our key"),
    "handshakes_at_once": ("handshakes", "a proxy or partner that comes back with all it has"),
    "head_seconds": (
        "head-timeout",
        "a slow sender or handshake holds a connection, and nothing else",
    ),
    "body_seconds": ("body-timeout", "and a second more for each `body_rate` bytes of it"),
    "body_rate": ("", "bytes a second"),
    "answer_seconds": (
        "answer-timeout",
        "longer than a partner waits, and a second more for each `answer_rate` bytes it sent",
    ),
    "answer_rate": ("", "bytes a second: a long list is stored before it is answered"),
    "write_seconds": ("", "who does not read its answers is cut off"),
    "idle_seconds": ("", "partners keep connections open"),
    "linger_seconds": ("", "so that a last answer arrives before the connection is reset"),
    "drain_seconds": ("", "set by `[gateway] drain`"),
}
Rows = Iterable[tuple[object, ...]]


def tables() -> str:
    """All of them, Markdown."""
    return "\n".join(
        (
            "### Limits of a SOAP message (`[limits.soap]`, `[[limits.route]]`)",
            "",
            _limits(options.XmlLimits, _XML),
            "### Limits of a JSON message (`[limits.json]`, `[[limits.route]]`)",
            "",
            _limits(options.JsonLimits, _JSON),
            "### What one partner gets (`[limits.partner]`, `[party.limits]`)",
            "",
            _limits(options.PartnerLimits, _PARTNER),
            "### What the listener grants",
            "",
            _listener(),
            "### Limits of a signed message",
            "",
            _signed(),
            "### Algorithms",
            "",
            _algorithms(),
            "### Who may ask what",
            "",
            _roles(),
            "### Codes of what is not believed",
            "",
            ", ".join(f"`{code}`" for code in get_args(Code)),
            "",
        )
    )


def _table(head: tuple[str, ...], rows: Rows) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g} s"


def _limits(table: type[msgspec.Struct], reasons: dict[str, tuple[str, str]]) -> str:
    rows = []
    for option in declared(table):
        assert option.kind is not None
        code, why = reasons[option.name]
        ceiling = option.kind.schema["maximum"]
        rows.append((f"`{option.name}`", option.meaning, _number(option.default),
                     _number(ceiling), f"`{code}`", why))  # fmt: skip
    return _table(("limit", "of", "default", "ceiling", "code", "why"), rows)


def _listener() -> str:
    rows = []
    for field in msgspec.structs.fields(Listener):
        code, why = _LISTENER[field.name]
        rows.append((f"`{field.name}`", _number(field.default), code and f"`{code}`", why))
    return _table(("limit", "value", "code", "why"), rows)


def _signed() -> str:
    freshness = Freshness()
    rows = (
        ("References in a signature", signed_info.REFERENCES, "each is a pass over its element"),
        ("bytes of SignedInfo", f"{signed_info.BYTES:,}", "canonical, and read before it is "
         "verified"),
        ("ids", f"{wss_structure.IDS:,}", "each is compared with the others"),
        ("prefixes in a PrefixList", signed_info.PREFIXES, "its cost is that of all prefixes in "
         "scope at every element; WSS4J lists those of the envelope"),
        ("bytes of a signature value", f"{wss_structure.SIGNATURE_BYTES:,}", "RSA of 8,192 bits"),
        ("bytes of a certificate", f"{key_info.CERTIFICATE_BYTES:,}", "read before it is trusted"),
        ("certificates in a KeyInfo", key_info.CERTIFICATES, "a chain"),
        ("certificates above a certificate", keys.CHAIN, "each is a signature to be verified"),
        ("pinned certificates of a party", keys.PINNED, "the present and the next one"),
        ("canonical form", "as large as a message", "it can be hundreds of times larger than what "
         "it is made from"),
        ("age (`max_age`)", duration_text(freshness.age), "WSS4J's default"),
        ("difference of clocks (`skew`)", duration_text(freshness.skew), "WSS4J's default"),
    )  # fmt: skip
    return _table(("limit", "value", "why"), rows)


def _algorithms() -> str:
    rows = (
        ("signatures", ", ".join(f"`{each.name}`" for each in METHODS)),
        ("digests", ", ".join(f"`{each.name}`" for each in DIGESTS)),
        ("canonicalisation", "exclusive, without comments; with and without a PrefixList"),
        ("keys", f"RSA of {RSA_BITS.start:,} to {RSA_BITS.stop - 1:,} bits; "
         f"{', '.join(sorted(CURVES))}"),
        ("key references", ", ".join(f"`{each}`" for each in get_args(key_info.Style))),
        ("only with a waiver that has a date", ", ".join(f"`{each}`" for each in get_args(Weak))),
        ("encodings", ", ".join(sorted({*parse.ENCODINGS.values()}))),
    )  # fmt: skip
    return _table(("what", "accepted"), rows)


def _roles() -> str:
    rows = []
    for kind, roles in ASKED_BY.items():
        own = OWNED_BY.get(kind, frozenset()) - roles
        rows.append((f"`{kind.__name__}`", ", ".join(sorted(roles)), ", ".join(sorted(own))))
    return _table(("canonical request", "roles", "about what is their own besides"), rows)
