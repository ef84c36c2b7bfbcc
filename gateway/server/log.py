"""Log lines: an event and its keys, as JSON or for a person at a terminal.

Limits: secrets are recognised by the name of their key, not by looking at values; an event's own
text must not hold any. What an exception says is not ours to choose: of its words those are kept
that are short and of letters alone. Lines are written where the event happens, in their order.
Why: one form for our lines, Twisted's and those of libraries, so that one processor masks them all.
Identifiers of drivers are shortened to a hash that is the same on every line; with a secret
``hash_key`` nobody can find the identifier by trying all of them.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import blake2s
from pathlib import PurePath
from typing import Any, TextIO, cast
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogBeginner, globalLogPublisher

MASK = "***"

_SECRET_WORDS = frozenset(
    {
        *("password", "passwd", "passphrase", "pin", "secret", "secrets", "token", "tokens"),
        *("authorization", "cookie", "credential", "credentials", "key", "keys"),
    }
)
_IDENTIFIERS = frozenset(
    {
        *("contract_id", "evco_id", "emaid", "driver_id"),
        *("uid", "emt_id", "token_uid", "token_id", "rfid"),
    }
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PLAIN_WORD = re.compile(r"[('\"]{0,2}[A-Za-z_]{1,15}[)'\".,:;]{0,3}|[-=+/|]")
_DEPTH = 6
_HARMLESS = frozenset({str, int, float, bool, type(None)})
"""What is shown as it is, where the key asks for nothing else; most of what is logged."""
_PLAIN = (str, int, float, Decimal, date, time, timedelta, Enum, UUID)

_LEVELS = {
    LogLevel.debug: logging.DEBUG,
    LogLevel.info: logging.INFO,
    LogLevel.warn: logging.WARNING,
    LogLevel.error: logging.ERROR,
    LogLevel.critical: logging.CRITICAL,
}


def configure_log(
    *,
    level: str = "info",
    human: bool | None = None,
    hash_key: bytes = b"",
    stream: TextIO | None = None,
    worker: int | None = None,
    final: bool = False,
) -> Callable[[], None]:
    """Send everything that is logged to ``stream`` (stderr); a call of the result undoes that.

    ``human`` chooses coloured lines instead of JSON; by default a terminal gets them. ``hash_key``
    (up to 32 bytes) keys the hashes of identifiers. ``worker`` stands on every line. ``final``: in
    this process it stays so, which spares a look at each line.
    """
    out = sys.stderr if stream is None else stream
    if human is None:
        human = out.isatty()
    lowest = logging.getLevelNamesMapping()[level.upper()]
    render: Any = structlog.dev.ConsoleRenderer(colors=out.isatty()) if human else _json_line
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            Masking(hash_key),
            *([] if worker is None else [_naming(worker)]),
            _with_traceback,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=final,
    )
    logging.getLogger("gateway").setLevel(lowest)
    root, handler = logging.getLogger(), _Library()
    root.addHandler(handler)
    if root.level < logging.WARNING:
        root.setLevel(logging.WARNING)
    _begin_twisted()

    def undo() -> None:
        root.removeHandler(handler)
        logging.getLogger("gateway").setLevel(logging.NOTSET)
        globalLogPublisher.removeObserver(cast(Any, log_twisted))
        structlog.reset_defaults()

    return undo


def _naming(worker: int) -> Any:
    """A processor that says which of several processes a line is of."""

    def named(logger: Any, name: str, event: MutableMapping[str, Any]) -> Any:
        event.setdefault("worker", worker)
        return event

    return named


class Masking:
    """Hides secrets and shortens identifiers of drivers, by key, at any depth."""

    def __init__(self, hash_key: bytes = b"") -> None:
        self._hash_key = hash_key

    def __call__(
        self, logger: Any, name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if type(value) in _HARMLESS and not _treatment(key):
                continue
            if key != "exc_info":
                event[key] = self._shown(key, value, _DEPTH)
        return event

    def _shown(self, key: str, value: Any, depth: int) -> Any:
        treatment = _treatment(key)
        if value is None or isinstance(value, bool):
            return value
        if treatment == "secret" or not depth:
            return MASK
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._shown(key, one, depth - 1) for one in value]
        if treatment == "identifier":
            return self._short(value)
        if isinstance(value, Struct):
            value = msgspec.structs.asdict(value)
        if isinstance(value, Mapping):
            return {
                str(inner): self._shown(str(inner), one, depth - 1) for inner, one in value.items()
            }
        if isinstance(value, bytes):
            return f"{len(value)} bytes"
        if isinstance(value, _PLAIN):
            return value
        return str(value) if isinstance(value, (BaseException, PurePath)) else type(value).__name__

    def _short(self, value: Any) -> str:
        digest = blake2s(str(value).encode(), digest_size=5, key=self._hash_key)
        return f"#{digest.hexdigest()}"


@lru_cache(4096)
def _treatment(key: str) -> str:
    """``secret``, ``identifier`` or nothing, for a key in any spelling.

    >>> _treatment("X-Api-Key"), _treatment("accessToken"), _treatment("contractId")
    ('secret', 'secret', 'identifier')
    """
    words = [word.lower() for word in _WORD.findall(key)]
    if "_".join(words) in _IDENTIFIERS:
        return "identifier"
    return "secret" if not _SECRET_WORDS.isdisjoint(words) else ""


def _with_traceback(
    logger: Any, name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Where an exception came from and what kinds they are, in the order they happened."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_told(error))
    return event


def _told(error: BaseException) -> Iterator[str]:
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _told(earlier)
    yield "".join(["Traceback:\n", *traceback.format_tb(error.__traceback__)]).rstrip()
    yield f"{type(error).__name__}: {plain_words(str(error))}".rstrip(": ")


def plain_words(text: str) -> str:
    """A text without what may be an identifier or a secret.

    >>> plain_words("card 04AF77 of NL-RYS-C00000001-R is not known")
    'card *** of *** is not known'
    """
    words = (word if _PLAIN_WORD.fullmatch(word) else MASK for word in text[:1000].split())
    return " ".join(words)


def _json_line(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    text = event.pop("event", "")
    first = {"time": event.pop("time", None), "level": event.pop("level", None), "event": text}
    line = {**first, **event}
    try:
        return msgspec.json.encode(line, enc_hook=repr).decode()
    except (ValueError, OverflowError):  # a lone surrogate, an endless number: still a line
        return json.dumps(line, default=repr)


def log_twisted(event: LogEvent) -> None:
    """Take an event of Twisted's own log."""
    level = _LEVELS.get(event.get("log_level", LogLevel.info), logging.INFO)
    logger = structlog.get_logger()
    failure = event.get("log_failure")
    exc_info = None
    if failure is not None:
        exc_info = (failure.type, failure.value, failure.getTracebackObject())
    text = formatEvent(event) or (str(failure.value) if failure is not None else "")
    logger.log(level, text, logger=event.get("log_namespace"), exc_info=exc_info)


class _Library(logging.Handler):
    """Takes the records of Python's own logging; ``extra={"keys": {...}}`` are keys of the line."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            record.getMessage(),
            logger=record.name,
            exc_info=record.exc_info,
            **getattr(record, "keys", {}),
        )


def _begin_twisted() -> None:
    if globalLogBeginner._temporaryObserver is None:
        globalLogPublisher.addObserver(cast(Any, log_twisted))
    else:
        globalLogBeginner.beginLoggingTo([cast(Any, log_twisted)], redirectStandardIO=False)
