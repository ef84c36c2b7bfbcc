"""Messages made from a schema: valid ones of every shape, and ones that just miss it.

``messages`` draws any valid message of a root element: every optional part, choice, code and
pattern turns up in time. By default the values are such as partners send (dates of the calendar,
finite amounts, real countries); ``ugly=True`` draws whatever the schema lets pass: 30 February,
``NaN``, 29:59, blanks at the ends.
``near_misses`` takes a valid message and breaks one thing at a time.

Limits: lists get at most two items over their minimum, free text ``LONGEST_TEXT`` characters;
types of the schema that are lists or unions are refused.
"""

import copy
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element as Element

from tests.support.interface import Facts
from tests.support.schema_types import INTEGERS, Simple, Type, Types, regex

Draw = Callable[[st.SearchStrategy[Any]], Any]
Texts = st.SearchStrategy[str]

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
LONGEST_TEXT = 40

_LETTERS = string.ascii_letters + string.digits + "äöüßÅéèñçøłŽΩЖ"
_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_ANY_CHARACTER = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cn", "Cc"], include_characters="\t\n"
)

# Values that partners really send.
_MOMENTS = st.integers(1_420_070_400, 2_524_607_999).map(  # 2015 to 2049
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
_DAYS = _MOMENTS.map("{:%Y-%m-%d}".format)
_IN_UTC = _MOMENTS.map("{:%Y-%m-%dT%H:%M:%SZ}".format)
_LOCAL = st.builds(
    lambda moment, hours: moment.astimezone(timezone(timedelta(hours=hours))).isoformat(),
    _MOMENTS,
    st.integers(-1, 4),
)
_SIXTY = st.integers(0, 59)
_CLOCK = st.just("24:00") | st.builds("{:02}:{:02}".format, st.integers(0, 23), _SIXTY)
_PLAIN = {  # pattern or built-in type: values
    r"(\d\d\d\d)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z": _IN_UTC,
    r"(\d\d\d\d)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([+\-]\d\d):(\d\d)": _LOCAL,
    r"(\d\d\d\d)-(\d\d)-(\d\d)": _DAYS,
    r"(\d\d\d):(\d\d):(\d\d)": st.builds(
        "{:03}:{:02}:{:02}".format, st.integers(0, 999), _SIXTY, _SIXTY
    ),
    r"[0-2][0-9]:[0-5][0-9]": _CLOCK,
    r"-?[0-9]{1,2}\.[0-9]{6}": st.decimals(-90, 90, places=6).map("{:.6f}".format),
    r"-?[0-9]{1,3}\.[0-9]{6}": st.decimals(-180, 180, places=6).map("{:.6f}".format),
    "xs:dateTime": _IN_UTC | _LOCAL,
    "xs:date": _DAYS,
    "xs:time": st.builds("{}:{:02}".format, _CLOCK.filter("24:00".__ne__), _SIXTY),
    "xs:boolean": st.sampled_from(["true", "false"]),
    **dict.fromkeys(
        ("xs:float", "xs:double", "xs:decimal"),
        st.decimals(0, 10_000, places=4).map(lambda amount: f"{amount:f}".rstrip("0").rstrip(".")),
    ),
}
_UGLY = {
    "xs:dateTime": _IN_UTC | _LOCAL | _MOMENTS.map("{:%Y-%m-%dT%H:%M:%S.123}".format),
    "xs:boolean": st.sampled_from(["true", "false", "1", "0"]),
    **dict.fromkeys(
        ("xs:float", "xs:double"),
        st.sampled_from(["NaN", "INF", "-INF", "-0", ".5", "5.", "+1", "1E3", "-12e-3", "16777217"])
        | st.floats().map(lambda number: repr(number).replace("inf", "INF").replace("nan", "NaN")),
    ),
    "xs:decimal": st.decimals(-10_000, 10_000, places=4).map("{:+f}".format),
}
_BLANKS_COUNT = ("xs:dateTime", "xs:date", "xs:time", "xs:float", "xs:double")
"""Blanks around these (of floats: NaN and INF) are allowed, but libxml2 refuses them."""
_NAMED = {  # field: values that also mean something
    "country": ["DEU", "NLD", "BEL", "FRA", "AUT", "CHE", "SWE", "DNK", "POL", "ITA", "ESP", "IRL"],
    "currency": ["EUR", "SEK", "CHF", "PLN", "DKK", "NOK", "CZK", "GBP"],
    "locationNameLang": ["DEU", "NLD", "FRA", "SWE", "POL", "ENG", "SPA"],
    "userInterfaceLang": ["DEU", "NLD", "FRA", "SWE", "POL", "ENG", "SPA"],
    "timeZone": ["Europe/Berlin", "Europe/Amsterdam", "Europe/Lisbon", "Atlantic/Canary"],
    "taxrate": ["0", "7", "19", "21", "25"],
}


@cache
def messages(root: str, xsd: Path, *, ugly: bool = False) -> st.SearchStrategy[Element]:
    """Valid messages with the root element ``root`` (local name or QName) of a schema."""
    maker = _Maker(_types(xsd), ugly)
    return st.composite(lambda draw: maker.message(draw, root))()


class NearMiss(NamedTuple):
    """An invalid message, made when asked for, and what is wrong with it."""

    what: str
    valid: Element
    place: int
    change: Callable[[Element], Any]

    @property
    def element(self) -> Element:
        spoilt = copy.deepcopy(self.valid)
        self.change(next(islice(spoilt.iter(etree.Element), self.place, None)))
        return spoilt


def near_misses(element: Element, xsd: Path) -> Iterator[NearMiss]:
    """Copies of a valid message, each invalid for one reason."""
    types = _types(xsd)
    root = types.elements[types.root(str(element.tag))]
    for place, (node, declared) in enumerate(_typed(types, element, root)):
        for what, change in _faults(types, node, declared):
            yield NearMiss(f"{etree.QName(node).localname}: {what}", element, place, change)
    for tag in (f"{{{types.namespace}}}Nothing", f"{{urn:x}}{etree.QName(element).localname}"):
        yield NearMiss(f"root {tag}", element, 0, lambda node, tag=tag: setattr(node, "tag", tag))


_types = cache(Types)


class _Maker:
    def __init__(self, types: Types, ugly: bool) -> None:
        self.types = types
        self.ugly = ugly
        self.known: dict[str, Texts] = {}

    def message(self, draw: Draw, root: str) -> Element:
        name = self.types.root(root)
        element = etree.Element(self.types.clark(name), nsmap={None: self.types.namespace})
        self._fill(draw, element, self.types.elements[name])
        return element

    def _fill(self, draw: Draw, element: Element, declared: Facts) -> None:
        if declared.get("nillable") and draw(st.sampled_from([False, False, True])):
            element.set(f"{XSI}nil", "true")
            return
        of = declared["type"]
        for name, attribute in self.types.attributes(of).items():
            if attribute["required"] or draw(st.booleans()):
                element.set(self.types.clark(name), draw(self._texts(name, attribute["type"])))
        for particle in self.types.content(of):
            self._add(draw, element, particle)
        if self.types.simple(of) is not None or not self.types.is_complex(of):
            element.text = draw(self._texts(str(element.tag).rpartition("}")[2], of))

    def _add(self, draw: Draw, parent: Element, particle: Facts) -> None:
        low, high = particle["min"], particle["max"]
        most = low + 2 if high is None else min(high, low + 2)
        for _ in range(draw(st.integers(low, most))):
            if "element" in particle:
                child = etree.SubElement(parent, self.types.clark(particle["element"]))
                self._fill(draw, child, particle)
                continue
            group = particle.get("sequence")
            if "choice" in particle:
                group = [draw(st.sampled_from(particle["choice"]))]
            elif "all" in particle:
                group = draw(st.permutations(particle["all"]))
            for inner in group:
                self._add(draw, parent, inner)

    def _texts(self, name: str, of: Type) -> Texts:
        key = f"{name} {of}"
        if key not in self.known:
            simple = self.types.simple(of)
            if simple is None:
                raise NotImplementedError(f"list or union: {of}")
            texts = self._values(name.removeprefix("tns:"), simple)
            if self.ugly and simple.collapses and simple.builtin not in _BLANKS_COUNT:
                texts = st.builds("{1}{0}{1}".format, texts, st.sampled_from(["", "", " ", "\n\t"]))
            self.known[key] = texts
        return self.known[key]

    def _values(self, name: str, simple: Simple) -> Texts:
        if simple.codes:
            return st.sampled_from(simple.codes)
        if simple.builtin in INTEGERS and not simple.patterns:
            return st.integers(*simple.range).map(str)
        named = _NAMED.get(name, [""])
        if not self.ugly and all(map(simple.fits, named)) and named != [""]:
            return st.sampled_from(named)
        if simple.patterns:
            return st.one_of([self._like(each, simple) for each in simple.patterns[0]])
        if self.ugly and simple.builtin in _UGLY:
            return _UGLY[simple.builtin]
        if simple.builtin in _PLAIN:
            return _PLAIN[simple.builtin]
        low, high = simple.lengths
        high = max(low, min(LONGEST_TEXT, LONGEST_TEXT if high is None else high))
        if self.ugly:
            return st.text(_ANY_CHARACTER, min_size=low, max_size=high).filter(simple.fits)
        return st.text(_LETTERS, min_size=low, max_size=high)

    def _like(self, pattern: str, simple: Simple) -> Texts:
        if not self.ugly and pattern in _PLAIN:
            return _PLAIN[pattern].filter(simple.fits)
        low, high = simple.lengths
        if pattern.endswith("]*") and pattern.count("[") == 1:  # [A-Z]* with lengths beside it
            pattern = f"{pattern[:-1]}{{{low},{LONGEST_TEXT if high is None else high}}}"
        return st.from_regex(regex(pattern), fullmatch=True, alphabet=_PRINTABLE).filter(
            simple.fits
        )


def _typed(types: Types, node: Element, declared: Facts) -> Iterator[tuple[Element, Facts]]:
    """Each element of a valid message with its declaration, in document order."""
    yield node, declared
    known = {
        types.clark(each["element"]): each for each in _declared(types.content(declared["type"]))
    }
    for child in node.iterchildren(etree.Element):
        yield from _typed(types, child, known[str(child.tag)])


def _declared(particles: list[Facts], optional: bool = False) -> Iterator[Facts]:
    """The elements of a type; those of a choice count as optional."""
    for particle in particles:
        if "element" in particle:
            yield {**particle, "min": 0} if optional else particle
            continue
        if particle["max"] != 1:
            raise NotImplementedError("group that is repeated")
        inner = particle.get("sequence") or particle.get("choice") or particle["all"]
        free = optional or particle["min"] == 0 or "choice" in particle
        yield from _declared(inner, free)


Fault = tuple[str, Callable[[Element], Any]]


def _faults(types: Types, node: Element, declared: Facts) -> Iterator[Fault]:
    """What can be broken in one element, and how."""
    of, simple = declared["type"], types.simple(declared["type"])
    nil = f"{XSI}nil" in node.attrib
    yield "unknown attribute", lambda n: n.set("unexpected", "1")
    yield "unexpected child", lambda n: n.append(n.makeelement(f"{{{types.namespace}}}unexpected"))
    if not declared.get("nillable"):
        yield "nil", lambda n: n.set(f"{XSI}nil", "true")
    for name, attribute in types.attributes(of).items():
        yield from _attribute_faults(types, node, types.clark(name), attribute)
    if simple is not None and not nil:
        for text in _misfits(simple, node.text or ""):
            yield f"text {text[:20]!r}", lambda n, text=text: setattr(n, "text", text)
    elif nil or types.is_complex(of):
        yield "text between elements", lambda n: setattr(n, "text", "text")
    yield from _child_faults(types, node, of)


def _attribute_faults(types: Types, node: Element, name: str, attribute: Facts) -> Iterator[Fault]:
    value = node.get(name)
    if value is None:
        return
    if attribute["required"]:
        yield f"no {name}", lambda n: n.attrib.pop(name)
    if not name.startswith("{"):
        yield (
            f"qualified {name}",
            lambda n: n.set(f"{{{types.namespace}}}{name}", n.attrib.pop(name)),
        )
    simple = types.simple(attribute["type"])
    for text in _misfits(simple, value) if simple else ():
        yield f"{name} {text[:20]!r}", lambda n, text=text: n.set(name, text)


def _child_faults(types: Types, node: Element, of: Type) -> Iterator[Fault]:
    children = list(node.iterchildren(etree.Element))
    declared = {types.clark(each["element"]): each for each in _declared(types.content(of))}
    for place, child in enumerate(children):
        tag, local = str(child.tag), etree.QName(child).localname
        found = sum(each.tag == tag for each in children)
        if found == declared[tag]["min"]:
            yield f"{local} missing", lambda n, i=place: n.remove(_child(n, i))
        if found == declared[tag]["max"]:
            yield (
                f"{local} too often",
                lambda n, i=place: _child(n, i).addnext(copy.deepcopy(_child(n, i))),
            )
        if place and children[place - 1].tag != tag:
            yield (
                f"{local} too early",
                lambda n, i=place: _child(n, i - 1).addprevious(_child(n, i)),
            )
        for namespace in ("", "{urn:x}"):
            yield (
                f"{local} in {namespace or 'no namespace'}",
                lambda n, i=place, to=namespace + local: setattr(_child(n, i), "tag", to),
            )


def _child(node: Element, place: int) -> Element:
    return list(node.iterchildren(etree.Element))[place]


def _misfits(simple: Simple, value: str) -> Iterator[str]:
    """Texts near ``value`` that the type does not allow."""
    low, high = simple.lengths
    candidates = [
        f"{value}~",
        f"~{value}",
        "",
        value.lower(),
        value[:-1],
        value * 2,
        "eighteen",
    ]
    if high is not None:
        candidates.append("x" * (high + 1))
    if low:
        candidates.append("x" * (low - 1))
    if simple.builtin in INTEGERS:
        least, most = simple.range
        candidates += [str(least - 1), str(most + 1), "1.0"]
    yield from (text for text in dict.fromkeys(candidates) if not simple.fits(text))
