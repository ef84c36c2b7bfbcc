"""``roamgate translate``: one message from one protocol to another, on standard streams.

Limits: a message over ``long.LONG`` is translated item by item, its findings only counted, unless a
report is asked for or its form has no list of its own.
"""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
from lxml import etree

from gateway import bulk, iso
from gateway.cli import long
from gateway.errors import (
    ConfigError,
    GatewayError,
    Inexpressible,
    Malformed,
    UnknownOperation,
)
from gateway.mapping.carriers import is_xml, local
from gateway.mapping.context import NoFacts, Outcome
from gateway.mapping.stream import NotStreamed
from gateway.registry import adapter_for
from gateway.schema import schema_for
from gateway.security.json_gate import JsonLimits, read_json
from gateway.security.parse import Limits, parse
from gateway.soap import envelope
from gateway.translate import Report, Translation, translate

_LIMIT = 512 * 1024 * 1024
_XML = Limits(bytes=_LIMIT, elements=50_000_000)
_JSON = JsonLimits(bytes=_LIMIT, members=100_000_000)
_OUT = msgspec.json.Encoder(decimal_format="number")


class MessageFacts(NoFacts):
    """Facts of somebody who has only the message, plus a time zone given on the command line."""

    def __init__(self, time_zone: str | None) -> None:
        super().__init__()
        self._zone = time_zone

    def time_zone(self, *, evse_id: str | None, country: str | None) -> str | None:
        """The zone of a country that has only one, else the given one."""
        return (iso.zone(country) if country else None) or self._zone


def command(
    *,
    source: str,
    target: str,
    file: Path | None,
    report: Path | None,
    envelope: bool,
    time_zone: str | None,
) -> int:
    """Do it; the exit code: 0 fine, 1 the message is invalid or cannot be said, 2 wrong usage."""
    try:
        adapter_for(source), adapter_for(target)
    except ConfigError as error:
        for problem in error.problems:
            _tell(f"roamgate: {problem}")
        return 2
    return run(source, target, file, report, enveloped=envelope, time_zone=time_zone)


def run(
    source: str,
    target: str,
    file: Path | None,
    report: Path | None,
    *,
    enveloped: bool,
    time_zone: str | None,
) -> int:
    """As ``command``, with protocols that are known."""
    name = str(file) if file else "standard input"
    if not sys.stdout or not (file or sys.stdin):
        _tell(f"roamgate: standard {'input' if sys.stdout else 'output'} is closed")
        return 2
    options: dict[str, Any] = {"cdr_location_fallback": True}
    if time_zone:
        options["time_zone"] = time_zone
    facts = MessageFacts(time_zone)
    try:
        with _opened(file) as stream:
            streamed = (
                None if report else _streamed(source, target, stream, enveloped, facts, options)
            )
            if streamed is not None:
                summary(streamed, streamed.rules)
                return 1 if streamed.refused else 0
            tree, mended = load(source, stream.read(_LIMIT + 1))
        result = translate(source, target, tree, facts=facts, options=options, deviations=mended)
        written = dump(target, result, enveloped=enveloped)
    except OSError as error:
        _tell(f"{name}: {error.strerror or error}")
        return 2
    except GatewayError as error:
        _tell(f"{name}: {_headline(error, source, target)}")
        for problem in error.problems:
            _tell(f"  {problem}")
        if time_zone is None and any("no time zone" in each.reason for each in error.problems):
            _tell("  --time-zone names the zone of such sites")
        return 1
    if report:
        found = msgspec.json.format(msgspec.json.encode(result.report), indent=2)
        try:
            report.write_bytes(found + b"\n")
        except OSError as error:
            _tell(f"{report}: {error.strerror or error}")
            return 2
    sys.stdout.buffer.write(written)
    sys.stdout.buffer.flush()
    findings = Counter((each.outcome, each.rule or "same value") for each in result.report.findings)
    summary(result.report, findings)
    return 1 if result.report.refused else 0


@contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    """The input as a stream that can be read again."""
    if file is not None and file.is_file():
        with file.open("rb") as stream:
            yield stream
        return
    with tempfile.SpooledTemporaryFile(max_size=2 * long.LONG) as spool:
        with file.open("rb") if file else sys.stdin.buffer as stream:
            shutil.copyfileobj(stream, spool)
        spool.seek(0)
        yield cast(BinaryIO, spool)


def _streamed(
    source: str,
    target: str,
    stream: BinaryIO,
    enveloped: bool,
    facts: MessageFacts,
    options: Mapping[str, Any],
) -> bulk.Summary | None:
    """Translate a long message item by item; None, nothing read, where it is to be read whole."""
    size = stream.seek(0, 2)
    stream.seek(0)
    if size <= long.LONG:
        return None
    try:
        return long.translate(
            source,
            target,
            stream,
            sys.stdout.buffer,
            enveloped=enveloped,
            facts=facts,
            options=options,
        )
    except NotStreamed:
        stream.seek(0)
        return None


def _headline(error: GatewayError, source: str, target: str) -> str:
    if isinstance(error, UnknownOperation):
        return f"no message of {source}"
    if isinstance(error, Inexpressible):
        return f"cannot be said in {target}"
    if isinstance(error, Malformed):
        return f"is not valid {source}"
    return type(error).__name__


def load(protocol: str, data: bytes) -> tuple[Any, list[str]]:
    """The message's tree: a body element out of its envelope if it has one, or a JSON value; and
    what was put right in it.

    XML is checked against the protocol's schema. Raises Malformed.
    """
    if not data.strip():
        raise Malformed("there is no message: the input is empty")
    xml = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"\x00", b"\xff", b"\xfe")
    if xml is not hasattr(adapter_for(protocol), "endpoints"):
        wanted, found = ("JSON", "XML") if xml else ("XML", "something else")
        raise Malformed(f"its messages are {wanted}, this is {found}")
    if not xml:
        return read_json(data, _JSON), []
    root = parse(data, _XML)
    if local(root.tag) == "Envelope":
        root = envelope.read(root).body
    return _valid(protocol, root)


def _valid(protocol: str, root: Any) -> tuple[Any, list[str]]:
    adapter = adapter_for(protocol)
    adapter.detect(protocol, root)  # an unknown root is named as such, not as a schema error
    family, _, version = protocol.partition("-")
    schema = schema_for(family, version)
    if schema.accepts(root):
        return root, []
    mended, deviations = adapter.mend(root)
    if not deviations or not schema.accepts(mended):
        raise Malformed(schema.check(root))
    return mended, deviations


def dump(protocol: str, result: Translation, *, enveloped: bool) -> bytes:
    """The bytes of the translated message; raises Inexpressible if they break the contract."""
    tree = result.tree
    if not is_xml(tree):
        body: Any = tree
        if enveloped and not (isinstance(tree, dict) and "status_code" in tree):
            now = NoFacts().now().strftime("%Y-%m-%dT%H:%M:%SZ")
            body = {"data": tree, "status_code": 1000, "timestamp": now}
        return msgspec.json.format(_OUT.encode(body), indent=2) + b"\n"
    family, _, version = protocol.partition("-")
    problems = schema_for(family, version).check(tree)
    if problems:
        raise Inexpressible(problems)
    if enveloped:
        return envelope.write(envelope.Version.SOAP_11, tree)
    etree.indent(tree)
    return etree.tostring(tree, xml_declaration=True, encoding="UTF-8") + b"\n"


def summary(report: Report | bulk.Summary, findings: Mapping[tuple[Outcome, str], int]) -> None:
    """A short table of the findings (counted by outcome and rule), worst first."""
    _tell(f"{report.message}: {report.source} to {report.target}")
    for outcome in reversed(Outcome):
        rules = Counter({rule: n for (each, rule), n in findings.items() if each is outcome})
        if rules:
            most = sorted(rules.items(), key=lambda each: (-each[1], each[0]))[:6]
            named = ", ".join(f"{rule} {n}" for rule, n in most)
            _tell(f"  {outcome.value:<12} {rules.total():>9}  {named}")
    refused_in_all = max(len(report.refused), getattr(report, "refused_in_all", 0))
    _tell(
        f"{report.items_in} in, {report.items_out} out, {report.items_dropped} dropped,"
        f" {refused_in_all} refused"
    )
    mended = report.deviations
    if count := mended if isinstance(mended, int) else len(mended):
        _tell(f"{count} deviations from {report.source} were put right before reading")
    for refused in report.refused[:20]:
        _tell(f"refused {refused.source}")
        for problem in refused.problems[:5]:
            _tell(f"  {problem}")


def _tell(line: str) -> None:
    if sys.stderr:  # closed, print would take standard output for it
        print(line, file=sys.stderr)
