"""The types of a schema, resolved: what a node may hold, and whether a text fits a simple type.

Source: XML Schema 1.0, Part 2 for the lexical forms.
Limits: the regular expressions of a schema are taken as Python ones with ASCII digits; the
dialects differ for ``\\i``, ``\\c``, ``\\p`` and subtraction, which are refused.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.interface import Facts, schema_facts

Type = str | Facts
"""A name in the short form of ``interface``, or the facts of a type without a name."""

INTEGERS = {
    "xs:byte": (-(2**7), 2**7 - 1),
    "xs:short": (-(2**15), 2**15 - 1),
    "xs:int": (-(2**31), 2**31 - 1),
    "xs:long": (-(2**63), 2**63 - 1),
    "xs:integer": (-(10**12), 10**12),
    "xs:nonNegativeInteger": (0, 10**12),
    "xs:positiveInteger": (1, 10**12),
    "xs:unsignedByte": (0, 2**8 - 1),
    "xs:unsignedShort": (0, 2**16 - 1),
    "xs:unsignedInt": (0, 2**32 - 1),
    "xs:unsignedLong": (0, 2**64 - 1),
}
"""Their ranges; the unbounded ones cut at a number no partner reaches."""

# libxml2 lets an exponent without digits pass ("1E"), against the standard.
_FLOAT = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([Ee][+-]?[0-9]*)?|-?INF|NaN"
_DAY = r"-?[0-9]{4,}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
_ZONE = r"(Z|[+-][0-9]{2}:[0-9]{2})?"
_LEXICAL = {
    "xs:float": _FLOAT,
    "xs:double": _FLOAT,
    "xs:decimal": r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)",
    "xs:boolean": r"true|false|1|0",
    "xs:dateTime": f"{_DAY}T{_CLOCK}{_ZONE}",
    "xs:date": f"{_DAY}{_ZONE}",
    "xs:time": f"{_CLOCK}{_ZONE}",
    **dict.fromkeys(INTEGERS, r"[+-]?[0-9]+"),
}
_ANY_TEXT = ("xs:string", "xs:normalizedString", "xs:token", "xs:anyURI", "xs:anySimpleType")


class Simple(NamedTuple):
    """A simple type down to its built-in one, with the facets of every step."""

    builtin: str
    steps: tuple[Facts, ...]

    def facet(self, name: str) -> str | None:
        """The narrowest value of a facet."""
        return next((step[name] for step in self.steps if name in step), None)

    @property
    def patterns(self) -> list[list[str]]:
        """One of each inner list must match, for every inner list."""
        return [step["pattern"] for step in self.steps if "pattern" in step]

    @property
    def codes(self) -> list[str]:
        return next((step["enumeration"] for step in self.steps if "enumeration" in step), [])

    @property
    def lengths(self) -> tuple[int, int | None]:
        exact = self.facet("length")
        low, high = exact or self.facet("minLength"), exact or self.facet("maxLength")
        return int(low or 0), None if high is None else int(high)

    @property
    def range(self) -> tuple[int, int]:
        """Of an integer."""
        low, high = INTEGERS[self.builtin]
        below, above = self.facet("minExclusive"), self.facet("maxExclusive")
        return (
            max(
                low,
                int(self.facet("minInclusive") or low),
                low if below is None else int(below) + 1,
            ),
            min(
                high,
                int(self.facet("maxInclusive") or high),
                high if above is None else int(above) - 1,
            ),
        )

    @property
    def collapses(self) -> bool:
        return self.builtin not in _ANY_TEXT[:2] or self.facet("whiteSpace") == "collapse"

    def fits(self, text: str) -> bool:
        """Whether the text is valid."""
        if self.collapses:
            text = " ".join(text.split())
        if self.builtin in INTEGERS:
            low, high = self.range
            if not re.fullmatch(_LEXICAL[self.builtin], text) or not low <= int(text) <= high:
                return False
        elif self.builtin not in _ANY_TEXT and not re.fullmatch(_LEXICAL[self.builtin], text):
            return False
        shortest, longest = self.lengths
        return (
            shortest <= len(text)
            and (longest is None or len(text) <= longest)
            and (not self.codes or text in self.codes)
            and all(any(regex(each).fullmatch(text) for each in step) for step in self.patterns)
        )


@cache
def regex(pattern: str) -> re.Pattern[str]:
    """A pattern of a schema in Python."""
    if re.search(r"\\[icpICP]|\[[^\]]*-\[", pattern):
        raise NotImplementedError(pattern)
    return re.compile(pattern, re.ASCII)


class Types:
    """The types of one schema."""

    def __init__(self, path: Path) -> None:
        facts = schema_facts(path)
        self.namespace: str = facts["namespace"]
        self.elements: Facts = facts["elements"]
        self.types: Facts = facts["types"]

    def clark(self, name: str) -> str:
        """The name as lxml writes it."""
        return name.replace("tns:", f"{{{self.namespace}}}", 1) if name.startswith("tns:") else name

    def root(self, name: str) -> str:
        """The short form of a root element's name, given as any."""
        short = name.replace(f"{{{self.namespace}}}", "tns:")
        return short if short in self.elements else f"tns:{short}"

    def facts(self, of: Type) -> Facts:
        if isinstance(of, str):
            return {"base": of} if of.startswith("xs:") else self.types[of]
        return of

    def is_complex(self, of: Type) -> bool:
        return "attributes" in self.facts(of)

    def attributes(self, of: Type) -> Facts:
        facts = self.facts(of)
        inherited = self.attributes(facts["extension"]) if "extension" in facts else {}
        return {**inherited, **facts.get("attributes", {})}

    def content(self, of: Type) -> list[Facts]:
        """The particles of a complex type; those of its base come first."""
        facts = self.facts(of)
        inherited = self.content(facts["extension"]) if "extension" in facts else []
        return [*inherited, *filter(None, [facts.get("content")])]

    def simple(self, of: Type) -> Simple | None:
        """What the text of a node must be; None when it has none, or is a list or a union."""
        facts = self.facts(of)
        if "attributes" in facts:
            return self.simple(facts["extension"]) if "extension" in facts else None
        steps = [facts]
        while not str(steps[-1].get("base", "")).startswith("xs:"):
            if "base" not in steps[-1]:
                return None
            steps.append(self.facts(steps[-1]["base"]))
        return Simple(steps[-1]["base"], tuple(steps))
