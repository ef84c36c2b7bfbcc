"""What must hold between options: references, duplicates, options that need each other.

Limits: a value that is wrong by itself has been reported before and is UNSET here, which is false
but not None, so that nothing is said to be missing that is only wrong.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from gateway.security.credentials import is_stored
from gateway.security.keys import PINNED
from gateway.server.config_options import Agreement, Config, HttpSignature, Party, TlsIn, Wss
from gateway.server.options.lines import Path
from gateway.server.options.secret import Secret

PARTNER_ROLES = {"cpo": {"cpo", "hub"}, "emsp": {"emsp", "nsp", "hub"}}
"""Which roles may stand on a side of an agreement."""


class Fault(Protocol):
    """Notes a problem on the line of a path."""

    def __call__(self, at: Path, reason: str, *, about: Path | None = None) -> None: ...


def check(config: Config, fault: Fault) -> None:
    """Report everything that does not fit together."""
    gateway = config.gateway
    if gateway and gateway.listen and gateway.listen == gateway.admin:
        fault(("gateway", "admin"), "is the same as listen")
    parties = [party for party in config.parties or () if party]
    for place, party in enumerate(parties):
        if party.tls_in and gateway and gateway.tls is None:
            fault(("party", place, "tls_in"), "needs gateway.tls: without it nothing is shown")
        _check_party(party, ("party", place), fault)
    _check_unique(parties, fault)
    for place, agreement in enumerate(config.agreements or ()):
        if agreement:
            _check_agreement(agreement, place, config, fault)


def _check_party(party: Party, at: Path, fault: Fault) -> None:
    if party.roles == () or party.codes == ():
        fault(at, "roles and codes name at least one each")
    for section in ("ochp", "ocpi"):
        wanted = (party.protocol or "").startswith(f"{section}-")
        present = getattr(party, section) is not None
        if party.protocol and present and not wanted:
            fault((*at, section), f"is of no use: the protocol is {party.protocol}")
    ochp, ocpi, tls = party.ochp, party.ocpi, party.tls
    by_key = bool(party.wss and (party.wss.trusted or party.wss.authority)) or bool(
        party.tls_in and party.tls_in.alone
    )
    if party.protocol == "ochp-1.4" and _none(ochp, "username_in", "address") and not by_key:
        fault(at, "has neither ochp.username_in nor ochp.address: nobody could call", about=at)
    if party.protocol == "ocpi-2.2.1" and _none(ocpi, "token_in", "token_out"):
        fault(at, "has neither ocpi.token_in nor ocpi.token_out: nobody could call", about=at)
    if ochp:
        here = (*at, "ochp")
        _together(ochp, ("username_in", "password_in"), here, fault)
        _together(ochp, ("address", "username_out", "password_out"), here, fault)
        for name in ("password_in", "password_in_next"):
            kept: Secret | None = getattr(ochp, name)
            if kept and ochp.wsse_in in ("digest", "either") and is_stored(kept.reveal()):
                fault((*here, name), "is a stored form; a digest needs the password itself")
        for name in ("username_in", "username_out"):
            how = ochp.wsse_in if name == "username_in" else ochp.wsse_out
            if how == "basic" and ":" in (getattr(ochp, name) or ""):
                fault((*here, name), "has a colon, which HTTP Basic cannot say")
        if ochp.password_in_next and ochp.password_in is None:
            fault((*here, "password_in_next"), "is of no use without password_in")
        if ochp.live_address and ochp.address is None:
            fault((*here, "live_address"), "is of no use without address")
    if ocpi:
        here = (*at, "ocpi")
        if ocpi.token_in_next and ocpi.token_in is None:
            fault((*here, "token_in_next"), "is of no use without token_in")
        if ocpi.token_out and ocpi.versions_url is None:
            fault((*here, "token_out"), "is of no use without versions_url")
        if ocpi.handshake is False and None in (ocpi.token_in, ocpi.token_out):
            fault((*here, "handshake"), "is false, so token_in and token_out are needed")
    if tls:
        _together(tls, ("cert", "key"), (*at, "tls"), fault)
        if tls.crl and tls.ca is None:
            fault((*at, "tls", "crl"), "is of no use without ca")
        for name in ("pinned", "pinned_keys"):
            _at_most_two(getattr(tls, name), (*at, "tls", name), fault)
    if party.tls_in:
        _check_tls_in(party.tls_in, party, (*at, "tls_in"), fault)
    if party.http_signature:
        _check_http_signature(party.http_signature, party, (*at, "http_signature"), fault)
    if party.wss:
        _check_wss(party.wss, party.protocol, (*at, "wss"), fault)


def _check_wss(wss: Wss, protocol: str, at: Path, fault: Fault) -> None:
    if protocol and not protocol.startswith("ochp-"):
        fault(at, f"is of no use: {protocol} has no SOAP messages")
    _together(wss, ("key", "certificate"), at, fault)
    _together(wss, ("authority", "subject"), at, fault)
    _check_crl(wss, at, fault)
    if wss.trusted == () and wss.authority is None and wss.key is None:
        fault(at, "has neither a key to sign with nor one to trust")
    _at_most_two(wss.trusted, (*at, "trusted"), fault)


def _check_http_signature(options: HttpSignature, party: Party, at: Path, fault: Fault) -> None:
    if party.protocol and not party.protocol.startswith("ocpi-"):
        fault(at, f"is of no use: {party.protocol} has no JSON messages")
    if _none(options, "secret_in", "secret_out"):
        fault(at, "has neither secret_in nor secret_out")
    if options.secret_in_next and options.secret_in is None:
        fault((*at, "secret_in_next"), "is of no use without secret_in")
    if options.answers_signed and options.secret_out is None:
        fault((*at, "answers_signed"), "is of no use without secret_out")


def _check_tls_in(tls_in: TlsIn, party: Party, at: Path, fault: Fault) -> None:
    _together(tls_in, ("authority", "subject"), at, fault)
    _check_crl(tls_in, at, fault)
    if tls_in.trusted == () and tls_in.authority is None:
        fault(at, "has neither trusted nor authority")
    _at_most_two(tls_in.trusted, (*at, "trusted"), fault)
    if tls_in.alone and party.protocol and not party.protocol.startswith("ochp-"):
        fault((*at, "alone"), f"is of no use: {party.protocol} always has tokens")


def _check_crl(trust: Wss | TlsIn, at: Path, fault: Fault) -> None:
    if trust.crl and trust.authority is None:
        fault((*at, "crl"), "is of no use without authority")


def _at_most_two(pinned: Any, at: Path, fault: Fault) -> None:
    if pinned and len(pinned) > PINNED:
        fault(at, f"has {len(pinned)}: the present key and the next are meant")


def _none(table: Any, *names: str) -> bool:
    return table is None or (bool(table) and all(getattr(table, name) is None for name in names))


def _together(table: Any, names: tuple[str, ...], at: Path, fault: Fault) -> None:
    missing = [name for name in names if getattr(table, name) is None]
    if missing and len(missing) < len(names):
        present = next(name for name in names if name not in missing)
        fault((*at, present), f"{present} needs {' and '.join(missing)}", about=at)


def _check_unique(parties: list[Party], fault: Fault) -> None:
    seen: dict[tuple[str, object], tuple[int, str]] = {}
    for place, party in enumerate(parties):
        for what, path, value in _unique_values(party):
            first, other = seen.setdefault((what, value), (place, party.id))
            if first != place:
                shown = "" if isinstance(value, Secret) else f" {value}"
                fault(("party", place, *path), f"{what}{shown} is also that of {other}")


def _unique_values(party: Party) -> Iterator[tuple[str, Path, object]]:
    """What no two parties may share. A code may have two roles in two systems of one company."""
    if party.id:
        yield "id", ("id",), party.id
    if party.ochp and party.ochp.username_in:
        yield "username", ("ochp", "username_in"), party.ochp.username_in
    for name in ("token_in", "token_in_next"):
        if party.ocpi and getattr(party.ocpi, name):
            yield "token", ("ocpi", name), getattr(party.ocpi, name)
    for code in party.codes or ():
        for role in party.roles or ():
            yield f"{role} code", ("codes",), bare(code)


def bare(code: str) -> str:
    """An operator or provider id without its separators, for comparison."""
    return "".join(filter(str.isalnum, code.upper()))


def _check_agreement(agreement: Agreement, place: int, config: Config, fault: Fault) -> None:
    at: Path = ("agreement", place)
    if agreement.modules == ():
        fault((*at, "modules"), "is empty; without it everything passes")
    if agreement.begin and agreement.end and agreement.end < agreement.begin:
        fault((*at, "until"), "is before from")
    for earlier in (config.agreements or ())[:place]:
        if earlier and _overlap(earlier, agreement):
            fault(at, "says again what an earlier agreement of the same two says")
            break
    for side in ("cpo", "emsp"):
        _check_side(getattr(agreement, side), side, (*at, side), config, fault)


def _overlap(one: Agreement, other: Agreement) -> bool:
    if (one.cpo, one.emsp) != (other.cpo, other.emsp) or not (one.cpo and one.emsp):
        return False
    if not set(one.modules or ()) & set(other.modules or ()):
        return False
    return not (
        (one.end and other.begin and one.end < other.begin)
        or (other.end and one.begin and other.end < one.begin)
    )


def _check_side(name: str | None, side: str, at: Path, config: Config, fault: Fault) -> None:
    parties = config.parties
    whole = isinstance(parties, tuple) and all(p and p.id and p.codes and p.roles for p in parties)
    if not name or not whole:
        return  # what it refers to may be what is wrong
    found = [
        party
        for party in parties
        if party.id == name or bare(name) in {bare(code) for code in party.codes}
    ]
    if not found:
        fault(at, f"{name!r} is neither a party's id nor one of its codes")
    elif not any(PARTNER_ROLES[side] & set(party.roles) for party in found):
        fault(at, f"{found[0].id} has no role of {' or '.join(sorted(PARTNER_ROLES[side]))}")
