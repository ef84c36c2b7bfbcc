"""``roamgate messages replay``: what the present mapping makes of a message that came before.

The message is read again from its bytes; what each partner was sent for it is written again; the
differences to what was read and sent then are shown. Nothing is sent and nothing is stored.

Rules: what changed in reading is carried into what was sent, field by field, where the field had
been passed on as it was. Answers of partners are those of then, the present instant is that of the
sending; sites that a writer asks about are those of today.
Limits: what is told as the present state of an object (sites, tariffs, tokens) is compared as it
was sent then; whether the message would be routed otherwise today is not asked.
"""

import difflib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from lxml import etree
from msgspec.structs import replace

from gateway import registry
from gateway.adapter import Fetch, Link, Partner
from gateway.cli.operate import opened, print_json, utc_now
from gateway.errors import GatewayError, Malformed, Unreachable
from gateway.http import HttpAnswer, HttpCall
from gateway.mapping import interpret
from gateway.model.message import Message
from gateway.routing.exchange import Exchange
from gateway.routing.records import pack, unpack_message
from gateway.routing.runtime import Inline
from gateway.routing.transcript import Said
from gateway.security.json_gate import read_json
from gateway.security.parse import parse
from gateway.server import parties
from gateway.server.config import Config
from gateway.server.links import XML, Links, is_lenient
from gateway.soap import envelope
from gateway.store import Entry, Store


class NotPossible(GatewayError):
    """The message cannot be replayed."""


def run(config: Path, id: str, *, as_json: bool) -> int:
    """Print the differences; the exit code: 0 there are none, 1 there are, or it cannot be done."""
    with opened(config) as (read, store):
        try:
            found = _blocking(replay(read, store, id))
        except GatewayError as error:
            print(f"roamgate: {error}", file=sys.stderr)
            return 1
    if as_json:
        print_json(found)
    else:
        _print(found)
    differs = bool(found["read"]) or any(each["differences"] for each in found["sent"])
    return 1 if differs else 0


def _blocking(coroutine: Any) -> Any:
    """The result of a coroutine that may use threads, from a process that runs no reactor yet."""
    from twisted.internet import reactor as installed
    from twisted.internet.defer import ensureDeferred

    reactor: Any = installed
    ended: list[Any] = []

    def end(result: Any) -> None:
        ended.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: ensureDeferred(coroutine).addBoth(end))
    reactor.run()
    (result,) = ended
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


async def replay(config: Config, store: Store, id: str) -> dict[str, Any]:
    """What is read and sent otherwise than then, as lines of a unified diff."""
    entry, sent = _stored(store, id)
    partner = next((p for p in config.parties if p.id == entry.party), None)
    if partner is None:
        raise NotPossible(f"{entry.party} is no configured party any more")
    directory = parties.directory(config)
    before = unpack_message(entry.canonical or b"")
    now = read_again(entry, directory.parties[entry.party].partner)
    report: dict[str, Any] = {
        "message": entry.id,
        "party": entry.party,
        "operation": entry.wire or entry.operation,
        "read": _diff(_pretty_canonical(before), _pretty_canonical(now)),
        "sent": [],
    }
    links = _links(config)
    for attempt in _attempts(sent):
        exchange = Exchange(directory, store, links.get, _at(attempt[-1].at), Inline())
        links.connect(directory, exchange)
        message = carried(before, now, unpack_message(attempt[-1].canonical or b""))
        report["sent"] += await _sent_again(exchange, attempt, message)
    return report


def _stored(store: Store, id: str) -> tuple[Entry, list[Entry]]:
    with store.read() as tx:
        entry = tx.ledger.get(id)
        if entry is None:
            raise NotPossible(f"no message {id}")
        if entry.direction != "in" or not entry.line:
            raise NotPossible("only what came in over the wire can be replayed")
        if entry.request is None:
            raise NotPossible("of this message only the hash is kept")
        if entry.canonical is None:
            raise NotPossible(f"it changed nothing, or was refused: {entry.reason or 'a question'}")
        found = tx.ledger.find(correlation=entry.correlation, direction="out", limit=1000)
        all_of_them = [tx.ledger.get(each.entry.id) for each in reversed(found)]
    return entry, [each for each in all_of_them if each is not None and each.line]


def read_again(entry: Entry, partner: Partner) -> Message:
    """The canonical message of stored bytes, as they are read today."""
    adapter: Any = registry.adapter_for(entry.protocol)
    data = entry.request or b""
    if hasattr(adapter, "endpoints"):
        tree: Any = envelope.read(parse(data, XML)).body
        if is_lenient(partner.options):
            tree, _ = adapter.mend(tree)
    else:
        tree = read_json(data)
    form = adapter.detect(entry.protocol, tree)
    found: Message = interpret.read(form.record, tree, reading=interpret.Reading(partly=True))
    return found


def _attempts(sent: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The calls of the last attempt of each delivery, in order."""
    last: dict[tuple[int | None, str], list[Entry]] = {}
    for entry in sent:
        calls = last.setdefault((entry.delivery, entry.party), [])
        if calls and calls[0].attempt != entry.attempt:
            calls.clear()
        calls.append(entry)
    yield from (calls for calls in last.values() if calls[-1].canonical)


def carried(before: Message, now: Message, sent: Message) -> Message:
    """What was sent, with what is read otherwise today.

    A field that had been changed on the way keeps the value that it was given there.
    """
    for name in sent.__struct_fields__:
        items = getattr(sent, name)
        old, new = getattr(before, name, None), getattr(now, name, None)
        if isinstance(items, tuple) and isinstance(old, tuple) and isinstance(new, tuple):
            earlier = {_id(each): each for each in old}
            later = {_id(each): each for each in new}
            made = tuple(
                _item(each, earlier.get(_id(each)), later.get(_id(each))) for each in items
            )
            sent = replace(sent, **{name: made})
    return sent


def _id(item: Any) -> Any:
    return getattr(item, "id", None) or getattr(item, "uid", None)


def _item(sent: Any, before: Any, now: Any) -> Any:
    if before is None or now is None or _id(sent) is None or type(sent) is not type(before):
        return sent
    changed = {
        name: getattr(now, name)
        for name in sent.__struct_fields__
        if getattr(before, name) != getattr(now, name)
        and getattr(sent, name) == getattr(before, name)
    }
    return replace(sent, **changed)


# -- writing again -----------------------------------------------------------------------------


class Dry(Said):
    """A line on which nobody is: calls are answered as they were then, nothing is remembered."""

    def __init__(self, exchange: Exchange, calls: Sequence[Entry]) -> None:
        super().__init__(exchange)
        self._calls_then = list(calls)
        self.made: list[tuple[HttpCall, Entry | None]] = []

    def over(self, fetch: Fetch) -> Fetch:
        return self._answer

    async def _answer(self, call: HttpCall) -> HttpAnswer:
        line = f"{call.method} {call.url}"
        then = next((each for each in self._calls_then if each.line == line), None)
        if then is None:
            then = next((each for each in self._calls_then if each.request and call.body), None)
        self.made.append((call, then))
        if then is None or then.status is None or then.answer is None:
            raise Unreachable("nobody answers in a replay")
        self._calls_then.remove(then)
        media = "application/json" if then.answer[:1] in b"{[" else "text/xml; charset=utf-8"
        return HttpAnswer(status=then.status, headers={"content-type": media}, body=then.answer)

    async def recall(self, partner: Partner, key: str, *, recent: bool = False) -> Any:
        # what was sent before is forgotten, so that it is sent again
        return await super().recall(partner, key, recent=recent) if key == "credentials" else None

    async def remember(self, partner: Partner, key: str, value: Any) -> None:
        return None


def _links(config: Config) -> Links:
    from twisted.internet import reactor

    return Links(config, reactor, utc_now)


def _at(at: datetime) -> Any:
    return lambda: at


async def _sent_again(
    exchange: Exchange, attempt: Sequence[Entry], message: Message
) -> list[dict[str, Any]]:
    last = attempt[-1]
    about = {"party": last.party, "delivery": last.delivery}
    link: Link | None = exchange.link(last.party)
    if link is None:
        return [{**about, "line": last.line, "differences": ["there is no way to it any more"]}]
    dry = Dry(exchange, attempt)
    failed: GatewayError | None = None
    try:
        await link.over(dry).ask(message, last.correlation)  # type: ignore[attr-defined]
    except GatewayError as error:
        failed = error
    found = [
        {
            **about,
            "line": f"{call.method} {call.url}",
            "differences": _diff(_pretty(then.request if then else b""), _pretty(call.body)),
        }
        for call, then in dry.made
        if call.body
    ]
    if not found:
        why = f"nothing would be sent: {failed}" if failed else "nothing would be sent"
        found = [{**about, "line": last.line, "differences": [why]}]
    return found


# -- differences -------------------------------------------------------------------------------


def _diff(before: list[str], now: list[str]) -> list[str]:
    return list(difflib.unified_diff(before, now, "then", "today", lineterm="", n=2))


def _pretty(data: bytes | None) -> list[str]:
    """A wire message in lines: the body of an envelope, or JSON with its members in order."""
    if not data:
        return []
    if data.lstrip()[:1] == b"<":
        tree: Any = envelope.read(parse(data, XML)).body
        etree.indent(tree)
        text: str = etree.tostring(tree, method="c14n2").decode()
        return text.splitlines()
    return _json_lines(data)


def _pretty_canonical(message: Message) -> list[str]:
    return [type(message).__name__, *_json_lines(pack(message))]


def _json_lines(data: bytes) -> list[str]:
    try:
        value = msgspec.json.Decoder(float_hook=Decimal).decode(data)
    except msgspec.DecodeError as error:
        raise Malformed(str(error)) from None
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str).splitlines()


def _print(found: dict[str, Any]) -> None:
    print(f"{found['message']}: {found['operation']} of {found['party']}")
    _print_part("read", found["read"])
    for each in found["sent"]:
        delivery = f", delivery {each['delivery']}" if each["delivery"] else ""
        _print_part(f"sent to {each['party']}{delivery}: {each['line']}", each["differences"])
    if not found["sent"]:
        print("nobody was sent anything for it")


def _print_part(what: str, differences: Sequence[str]) -> None:
    print(f"{what}: {'as then' if not differences else ''}".rstrip())
    for line in differences:
        print(f"  {line}")
