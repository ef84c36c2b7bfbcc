"""What the commands for operators share: the store of a configuration, instants, tables.

Limits: the commands work on the database beside a running gateway, or without one.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.errors import ConfigError
from gateway.server.config import Config, load
from gateway.store import Store


def utc_now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Config, Store]]:
    """The configuration in a file and its store; raises ConfigError, StoreUnavailable."""
    config = load(path)
    store = Store(config.gateway.database.reveal(), utc_now)
    try:
        yield config, store
    finally:
        store.close()


def instant(text: str, now: datetime) -> datetime:
    """An instant as people write it: ISO 8601, UTC where no offset is given; or how long ago.

    >>> now = datetime(2024, 5, 1, 12, tzinfo=UTC)
    >>> instant("90m", now).isoformat(), instant("2024-04-30", now).isoformat()
    ('2024-05-01T10:30:00+00:00', '2024-04-30T00:00:00+00:00')
    """
    from gateway.server.options.kinds import Surroundings
    from gateway.server.options.values import DURATION

    try:
        span: timedelta = DURATION.read(text, Surroundings(Path(), {}))
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            wanted = "an instant such as 2024-12-31T08:00:00Z, or how long ago, such as 2h"
            raise ConfigError(f"{text!r} is not {wanted}") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return now - span


def one_of(name: str, value: str | None, *known: str) -> None:
    """Raise ConfigError for a word that an option does not know."""
    if value is not None and value not in known:
        raise ConfigError(f"{name} is one of {', '.join(known)}, not {value!r}")


def moment(at: datetime | None) -> str:
    """An instant for people, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if at else ""


def shown(value: bytes | None) -> Any:
    """Bytes in JSON: their text, else Base64."""
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """A table as wide as it needs to be, where it does not go to a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if value is None else str(value)) for value in row))
    console.print(table)
