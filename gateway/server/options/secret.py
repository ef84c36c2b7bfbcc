"""Values that are not printed, and where they come from."""

from collections.abc import Callable
from typing import Any, NoReturn

from gateway.server.options.kinds import Kind, Surroundings

MAX_SECRET_BYTES = 65536


class Secret:
    """Text that only ``reveal`` shows; logs, reprs and tracebacks show ``***``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


def secret_kind(name: str, check: Callable[[str], str | None]) -> Kind:
    """A secret: a string, ``{ file = "..." }`` or ``{ env = "..." }``.

    ``check`` gives what is wrong with the text, without the text, or None.
    """

    def read(value: Any, around: Surroundings) -> Secret:
        text = secret_text(value, around)
        if fault := "is empty" if not text else check(text):
            raise ValueError(fault)
        return Secret(text)

    refer = {"file": {"type": "string"}, "env": {"type": "string"}}
    table = {"type": "object", "properties": refer, "additionalProperties": False}
    table |= {"minProperties": 1, "maxProperties": 1}
    return Kind(name, read, {"anyOf": [{"type": "string"}, table]}, lambda value: value.reveal())


def secret_text(value: Any, around: Surroundings) -> str:
    """The text that a secret in the file stands for."""
    match value:
        case str():
            return value
        case {"env": str(name)} if len(value) == 1:
            if name not in around.environment:
                raise ValueError(f"the environment has no {name}")
            return around.environment[name]
        case {"file": str(name)} if len(value) == 1:
            path = around.path(name)
            try:
                with path.open("rb") as file:
                    content = file.read(MAX_SECRET_BYTES + 1)
                text = content.decode()
            except OSError as error:
                raise ValueError(f"{path} cannot be read: {error.strerror}") from None
            except UnicodeDecodeError:
                raise ValueError(f"{path} is no UTF-8 text") from None
            if len(content) > MAX_SECRET_BYTES:
                raise ValueError(f"{path} is larger than {MAX_SECRET_BYTES} bytes")
            return text.removesuffix("\n").removesuffix("\r")
    raise ValueError('is no string, { file = "..." } or { env = "..." }')
