"""The contracts: finds the files of wsdl/ and xsd/, checks messages against them, offline.

Source: XML Schema 1.0, Parts 1 and 2.
Limits: libxml2 gives the verdict, so its reading of the standard is ours: it lets ``1E`` pass as a
float and refuses blanks around a date or ``NaN``. It leaves off inside an element whose children
stand wrong; what else is wrong there is told by the slower ``xmlschema``, in messages of up to
``EXPLAINED`` elements. In longer ones a note says where checking left off. Where more than one in
``ONE_IN`` elements is wrong, the first problems are told, and how many there are.
Why two libraries: libxml2 checks a megabyte in milliseconds, outside the interpreter lock;
``xmlschema`` knows the schema as objects, takes fifty times as long, and is loaded on first use.
"""

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

from gateway.errors import ConfigError, Problem

if TYPE_CHECKING:
    from xmlschema import XMLSchema10

EXPLAINED = 1_000
"""Elements of a message up to which every problem is looked for; takes 25 ms, which is about what
a valid message of that size costs in all."""

ONE_IN = 8
"""A problem for so many elements is more than anybody reads: to explain each would cost more than
a valid message of that size does in all."""

TOLD = 50
"""Problems that are told of a message however short it is."""

WIDE = 1_000
"""Children of one element up to which libxml2 may be asked at once where in the message a problem
is: it counts those before it each time. A message in which as many are wrong costs up to three
times what it would without that; to have it parsed once more costs three times its validation,
wrong or not."""

SHORT, LARGE = 2_500, 100_000
"""Elements and attributes of a message up to which that costs little whatever stands beside what;
and from which on it is not asked at once in any case: each problem takes 700 bytes of memory."""

COUNTED = 50_000
"""Problems of a large message after which no more are looked for."""

STEPS = 200_000_000
"""Problems times children of the widest element up to which each is told with its place: to find
one, libxml2 goes past what stands before it. That many take most of a second."""

TEXT = 512 * 1024
"""Bytes of a message that is checked without a tree."""

_FEW = 4
"""Places of a long message that are found one by one."""

_ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = ("wsdl", "xsd")
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_LONGEST_REASON = 300
# How the two libraries begin a message; the rest is kept as the reason.
_LIBXML2 = re.compile(
    r"Element '[^']*'(?:, attribute '([^']*)'|(?=: The attribute '([^']*)'))?: "
    r"(?:\[facet '\w+'\] )?"
)
_XMLSCHEMA = re.compile(r"(?:attribute ([^\s=]+)=|(?=missing required attribute '([^']*)'))?")
_NAMESPACE = re.compile(r"(?<!attribute ')\{[^{}\s']*[:/][^{}\s']*\}")


def contract_file(path: str) -> Path:
    """The file ``wsdl/...`` or ``xsd/...``, in a checkout or an installed gateway alike.

    Raises ``ConfigError`` when these folders hold no such file.
    """
    found = (_ROOT / path).resolve()
    inside = any(found.is_relative_to(_ROOT / folder) for folder in _FOLDERS)
    if not inside or not found.is_file():
        raise ConfigError(f"no contract file {path}")
    return found


@cache
def schema_for(protocol: str, version: str) -> "Schema":
    """The schema ``xsd/<protocol>/<version>/<protocol>.xsd``, loaded once."""
    return Schema(contract_file(f"xsd/{protocol}/{version}/{protocol}.xsd"))


class Field(NamedTuple):
    """One child element or attribute of a complex type."""

    name: str
    kind: str
    """``element`` or ``attribute``."""
    type: str
    """Local name of its type. For a type without a name: what it restricts, or nothing."""
    min: int
    """0 also for an alternative of a choice."""
    max: int | None
    """None when unbounded."""


class Schema:
    """One schema document with all it includes and imports. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Raises ``ConfigError`` when the document is no schema."""
        self.path = path
        self._own = threading.local()  # a validator holds its last errors: each thread needs one
        self._validator()

    def check(self, element: Element) -> list[Problem]:
        """What is wrong with a message, in document order; nothing when it is valid.

        ``element`` is the message's root, alone or inside an envelope. Paths are in the message's
        words, repeatable elements numbered: ``AddCDRsRequest/cdrInfoArray[1]/currency``.
        """
        if _is_wide(element) and (problems := self._crowd(element)) is not None:
            return problems
        validator = self._validator()
        if validator.validate(element):
            return []
        log: Iterable[Any] = validator.error_log  # type: ignore[assignment]
        errors = list(log)
        count, elements = len(errors), _elements(element)
        if crowd := count > _most(elements):
            errors = errors[:TOLD]
        short = elements <= EXPLAINED and not crowd
        only = None if short else {error.path for error in errors}
        if only is not None and len(only) <= _FEW:
            places = self._some_places(element, only)
        else:
            places = self._places(element, only)
        faults = _libxml2_faults(errors, places)
        if any(fault.structural for fault in faults):
            faults = self._completed(element, places, faults, short)
        faults.sort(key=lambda fault: fault.place.number)
        problems = list(dict.fromkeys(fault.problem() for fault in faults))
        return [*problems, _too_many(element, count, told=True)] if crowd else problems

    def accepts(self, element: Element) -> bool:
        """Whether a message is valid; the same as ``not check(element)``, without the reasons."""
        if _is_wide(element):
            return not self._faults(element, 0)
        return bool(self._validator().validate(element))

    def _faults(self, element: Element, most: int) -> int:
        """How many things are wrong with a message, or more than ``most``. While it parses, libxml2
        does not tell where they are, and so does not count what stands before each."""
        parser = etree.XMLParser(
            schema=self._validator(), resolve_entities=False, no_network=True, huge_tree=True
        )
        text = etree.tostring(element, with_tail=False)
        try:
            for start in range(0, len(text), _PIECE):
                parser.feed(text[start : start + _PIECE])
                if (count := len(parser.feed_error_log)) > most:
                    return count
            parser.close()
        except etree.XMLSyntaxError:
            return max(1, len(parser.feed_error_log))
        return 0

    def holds(self, text: bytes) -> bool:
        """Whether the text of a message is well-formed and valid: in less time than it takes to
        read and check it, because no tree is made. What it refuses is for ``check`` to explain; a
        text over ``TEXT`` too, because a log of all that is wrong with it has no bound here."""
        if len(text) > TEXT:
            return False
        parser = self._reader()
        try:
            etree.fromstring(text, parser)
        except etree.XMLSyntaxError:
            return False
        return not parser.error_log

    def _crowd(self, element: Element) -> list[Problem] | None:
        """The problems of a wide or large message if it has none or too many."""
        count = self._faults(element, COUNTED)
        if not count:
            return []
        most = min(_most(_elements(element)), COUNTED)
        if count > most or count * _widest(element) > STEPS:
            first = self._first(element)
            return [*first, _too_many(element, count, told=bool(first))]
        return None

    def _first(self, element: Element) -> list[Problem]:
        """What is wrong with the first children of a message that are wrong and not wide too."""
        root, before = _local(element), Counter[str]()
        children = iter(element.iterchildren(etree.Element))
        while some := list(islice(children, TOLD)):
            names = Counter(map(_local, some))
            if sum(map(_size, some)) > LARGE:
                before += names
                continue
            part = etree.Element(element.tag, nsmap=dict[Any, str](element.nsmap))
            part.attrib.update(element.attrib)
            part.extend(map(deepcopy, some))
            place = re.compile(
                rf"{re.escape(root)}/({'|'.join(map(re.escape, names))})\[(\d+)\](.*)", re.DOTALL
            )
            problems = [] if _is_wide(part) else self.check(part)
            found = [(place.fullmatch(problem.path), problem.reason) for problem in problems]
            if told := [
                Problem(f"{root}/{at[1]}[{before[at[1]] + int(at[2])}]{at[3]}", reason)
                for at, reason in found
                if at is not None
            ]:
                return told
            before += names
        return []

    def roots(self) -> tuple[str, ...]:
        """The messages: global elements as ``{namespace}name``, in the order of the schema."""
        return tuple(element.name for element in self._model.elements.values())

    def fields(self, type_name: str) -> tuple[Field, ...]:
        """Child elements in order, then attributes, of a complex type.

        ``type_name`` is a type, a root, or a path below these for a type without a name
        (``ConfirmCDRsRequest/approved``). Raises ``LookupError`` when there is none.
        """
        xsd_type = self._type(type_name)
        elements = [
            Field(child.local_name, "element", _type_name(child.type), low, high)
            for child, low, high in _children(xsd_type)
        ]
        attributes = [
            Field(
                each.local_name, "attribute", _type_name(each.type), int(each.use == "required"), 1
            )
            for each in getattr(xsd_type, "attributes", {}).values()
        ]
        return (*elements, *attributes)

    def _validator(self) -> etree.XMLSchema:
        validator: etree.XMLSchema | None = getattr(self._own, "validator", None)
        if validator is None:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
            try:
                validator = etree.XMLSchema(etree.parse(self.path, parser))
            except (OSError, etree.LxmlError) as error:
                raise ConfigError(f"{self.path.name}: {error}") from None
            self._own.validator = validator
        return validator

    def _reader(self) -> etree.XMLParser:
        """A parser that validates and does nothing else. What is invalid is in its log alone."""
        reader: etree.XMLParser | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = etree.XMLParser(
                target=_Nothing(),  # type: ignore[arg-type] # it need not be told of anything
                schema=self._validator(),
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
                collect_ids=False,
            )
        return reader

    @cached_property
    def _model(self) -> "XMLSchema10":
        from xmlschema import XMLSchema10

        return XMLSchema10(self.path, allow="local")

    def _type(self, path: str) -> Any:
        namespace, brace, names = path.rpartition("}")
        first, *steps = names.split("/")
        first = namespace + brace + first
        maps = self._model.maps
        for components in (maps.types, maps.elements):
            found = [
                component
                for name, component in components.items()
                if first in (name, name.rpartition("}")[2]) and not name.startswith(_XSD)
            ]
            if found:
                break
        if len(found) != 1:
            raise LookupError(f"{self.path.name} has {len(found)} types {first}")
        xsd_type = getattr(found[0], "type", found[0])
        for step in steps:
            inner = [child.type for child, *_ in _children(xsd_type) if child.local_name == step]
            if not inner:
                raise LookupError(f"{self.path.name} has no type {path}")
            xsd_type = inner[0]
        return xsd_type

    def _places(self, element: Element, only: set[str] | None) -> "dict[str, _Place]":
        """The elements of a message in document order, by the path that libxml2 reports; ``only``
        these and those above them."""
        wanted = {end for path in only for end in _above(path)} if only is not None else None
        declared = self._model.maps.elements.get(str(element.tag))
        places: dict[str, _Place] = {}
        waiting = [
            ("/" + _step(element), _local(element), element, getattr(declared, "type", None))
        ]
        while waiting:
            xpath, words, node, xsd_type = waiting.pop()
            places[xpath] = _Place(len(places), words, node)
            if not len(node):
                continue
            known = {child.name: (child.type, high) for child, _, high in _children(xsd_type)}
            below = []
            for child, step, number, total in _steps(node):
                if wanted is not None and f"{xpath}/{step}" not in wanted:
                    continue
                child_type, high = known.get(child.tag, (None, 1))
                word = _local(child) if high == 1 == total else f"{_local(child)}[{number}]"
                below.append((f"{xpath}/{step}", f"{words}/{word}", child, child_type))
            waiting.extend(reversed(below))
        return places

    def _some_places(self, element: Element, only: Iterable[str]) -> "dict[str, _Place]":
        """The same, found one by one: an element may have thousands of children beside them."""
        declared = self._model.maps.elements.get(str(element.tag))
        top = "/" + _step(element)
        found = {top: (element, _local(element), getattr(declared, "type", None))}
        order: dict[str, tuple[int, ...]] = {top: ()}
        wanted = {end for path in only for end in _above(path)} - {top}
        for path in sorted(wanted, key=len):
            above, _, step = path.rpartition("/")
            if above not in found or (child := _child(found[above][0], step)) is None:
                continue
            _, words, xsd_type = found[above]
            known = {each.name: (each.type, high) for each, _, high in _children(xsd_type)}
            child_type, high = known.get(child.tag, (None, 1))
            before, alone, number = _among(child)
            word = _local(child) if high == 1 and alone else f"{_local(child)}[{number}]"
            found[path] = child, f"{words}/{word}", child_type
            order[path] = (*order[above], before)
        return {
            path: _Place(number, found[path][1], found[path][0])
            for number, path in enumerate(sorted(found, key=order.__getitem__))
        }

    def _completed(
        self, element: Element, places: "dict[str, _Place]", faults: "list[_Fault]", short: bool
    ) -> "list[_Fault]":
        """The faults, with those added that libxml2 did not look for."""
        told = {fault.place.number for fault in faults if not fault.structural}
        more: list[_Fault] = []
        if short:
            from xmlschema import XMLSchemaException

            by_node = {place.node: place for place in places.values()}
            try:
                more = [
                    _xmlschema_fault(each, by_node) for each in self._model.iter_errors(element)
                ]
            except XMLSchemaException:  # such as an xsi:type that it cannot resolve
                more = []
        if not any(fault.structural for fault in more):
            note = " The rest of the element was not checked."
            return [f._replace(reason=f.reason + note * f.structural) for f in faults]
        return [
            *(fault for fault in faults if not fault.structural),
            *(fault for fault in more if fault.structural or fault.place.number not in told),
        ]


class _Nothing:
    """What becomes of a text that is only checked."""

    def close(self) -> None: ...


class _Place(NamedTuple):
    """An element of a message: its number in document order, its path in the message's words."""

    number: int
    words: str
    node: Element


class _Fault(NamedTuple):
    """A problem before it is worded; ``structural``: children stand wrong."""

    place: _Place
    below: str
    reason: str
    structural: bool = False

    def problem(self) -> Problem:
        reason = self.reason
        if len(reason) > _LONGEST_REASON:
            reason = reason[:_LONGEST_REASON] + "..."
        return Problem(self.place.words + self.below, reason)


_MAY_BE_WIDE = etree.XPath(f"boolean(*[{WIDE + 1}] | *[descendant::*[{WIDE + 1}]])")
_IS_WIDE = etree.XPath(f"boolean(descendant-or-self::*[*[{WIDE + 1}]])")
_IS_WIDE_BELOW = etree.XPath(f"boolean(*/*/descendant-or-self::*[*[{WIDE + 1}]])")
_ELEMENTS = etree.XPath("count(descendant-or-self::*)")
_SIZE = etree.XPath("count(descendant-or-self::*) + count(descendant-or-self::*/@*)")
_PIECE = 64 * 1024


def _is_wide(element: Element) -> bool:
    size = _size(element)
    if size <= SHORT:
        return False
    # where a message of up to WIDE items holds none that is large, one quick look is enough
    return size > LARGE or bool(_MAY_BE_WIDE(element) and _IS_WIDE(element))


def _widest(element: Element) -> int:
    """No fewer than the children of the element that has most."""
    if _IS_WIDE_BELOW(element):
        return _elements(element)
    return max(len(element), *map(len, element))


def _size(element: Element) -> int:
    """Elements and attributes of a message."""
    size: Any = _SIZE(element)
    return int(size)


def _elements(element: Element) -> int:
    """How many there are in a message."""
    count: Any = _ELEMENTS(element)
    return int(count)


def _most(elements: int) -> int:
    """How many problems of a message of so many elements are told."""
    return max(TOLD, elements // ONE_IN)


def _too_many(element: Element, count: int, *, told: bool) -> Problem:
    rest = ", of which the first are told" if told else ", too many to tell where"
    more = "more than " if count > COUNTED else ""
    return Problem(_local(element), f"{more}{min(count, COUNTED)} problems{rest}")


def _libxml2_faults(errors: Iterable[Any], places: dict[str, _Place]) -> list[_Fault]:
    root, content = next(iter(places.values())), etree.ErrorTypes.SCHEMAV_ELEMENT_CONTENT
    split: dict[str, tuple[str, str]] = {}  # the items of a list say the same over and over
    faults = []
    for error in errors:
        message = error.message
        if message not in split:
            split[message] = _split(_LIBXML2, message)
        place = places.get(error.path, root)
        faults.append(_Fault(place, *split[message], error.type == content))
    return faults


def _xmlschema_fault(error: Any, places: dict[Element, _Place]) -> _Fault:
    from xmlschema import XMLSchemaChildrenValidationError

    place = places.get(error.elem) or next(iter(places.values()))
    if not isinstance(error, XMLSchemaChildrenValidationError):
        return _Fault(place, *_split(_XMLSCHEMA, error.reason))
    expected = [tag.rpartition("}")[2] for tag in error.expected_tags]
    wanted = f"; expected is {' or '.join(expected)}" if expected else ""
    child: Any = error.invalid_child
    if child is not None:
        ours, theirs = (etree.QName(node).namespace for node in (place.node, child))
        foreign = "" if theirs == ours else f" in namespace '{theirs or ''}'"
        return _Fault(places[child], "", f"not expected here{foreign}{wanted}", True)
    if len(expected) == 1:
        return _Fault(place, f"/{expected[0]}", "missing", True)
    return _Fault(place, "", f"incomplete{wanted}", True)


def _split(head: re.Pattern[str], message: str) -> tuple[str, str]:
    """The attribute a message speaks of, as the end of a path, and the reason for people."""
    found = head.match(message)
    attribute, end = "", 0
    if found is not None:
        attribute, end = (found[1] or found[2] or "").rpartition("}")[2], found.end()
    return f"/@{attribute}" if attribute else "", _NAMESPACE.sub("", message[end:])


def _above(path: str) -> Iterator[str]:
    """A path and all that it goes through.

    >>> list(_above("/a/*[2]/b"))
    ['/a/*[2]/b', '/a/*[2]', '/a']
    """
    while path:
        yield path
        path = path.rpartition("/")[0]


_SAME = "[local-name() = $name and namespace-uri() = $space]"
_NTH = etree.XPath("*[position() = $place]")
_NTH_NAMED = etree.XPath(
    "*[name() = $name and (contains($name, ':') or namespace-uri() = '')][position() = $place]"
)
_BEFORE = etree.XPath("count(preceding-sibling::*)")
_SAME_BEFORE = etree.XPath(f"count(preceding-sibling::*{_SAME})")
_SAME_BEHIND = etree.XPath(f"count(following-sibling::*{_SAME}[1])")


def _child(node: Element, step: str) -> Element | None:
    """The child that a step of libxml2's path is to; see ``_steps``."""
    name, _, place = step.rstrip("]").partition("[")
    find = _NTH if name == "*" else _NTH_NAMED
    found: Any = find(node, name=name, place=int(place or 1))
    return found[0] if found else None


def _among(child: Element) -> tuple[int, bool, int]:
    """How many elements stand before it; whether it is the only one with its name, and the number
    among these."""
    name = etree.QName(child)
    names: dict[str, Any] = {"name": name.localname, "space": name.namespace or ""}
    counts: list[Any] = [count(child, **names) for count in (_BEFORE, _SAME_BEFORE, _SAME_BEHIND)]
    before, same, behind = map(int, counts)
    return before, not same and not behind, same + 1


def _steps(node: Element) -> Iterator[tuple[Element, str, int, int]]:
    """Each child with its step in libxml2's path, its number among its like, and their count.

    libxml2 writes ``*`` for an element in a default namespace and then counts all siblings.
    """
    children = list(node.iterchildren(etree.Element))
    written = list(map(_step, children))
    steps, tags = Counter(written), Counter(child.tag for child in children)
    like, same = dict.fromkeys(steps, 0), dict.fromkeys(tags, 0)
    for position, (child, step) in enumerate(zip(children, written, strict=True), 1):
        like[step] += 1
        same[child.tag] += 1
        number, total = (position, len(children)) if step == "*" else (like[step], steps[step])
        yield child, f"{step}[{number}]" if total > 1 else step, same[child.tag], tags[child.tag]


def _step(node: Element) -> str:
    if node.prefix:
        return f"{node.prefix}:{_local(node)}"
    return "*" if str(node.tag).startswith("{") else _local(node)


def _local(node: Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _children(xsd_type: Any) -> list[tuple[Any, int, int | None]]:
    """The elements of a complex type in order, each with how often it may stand."""
    group = getattr(xsd_type, "model_group", None)
    return [] if group is None else list(_particles(group, 1, 1))


def _particles(group: Any, low: int, high: int | None) -> Iterator[tuple[Any, int, int | None]]:
    optional = group.model == "choice" and len(group) > 1
    for particle in group:
        at_least = 0 if optional else low * particle.min_occurs
        at_most = None if None in (high, particle.max_occurs) else high * particle.max_occurs
        if hasattr(particle, "model"):
            yield from _particles(particle, at_least, at_most)
        elif particle.name:
            yield particle, at_least, at_most


def _type_name(xsd_type: Any) -> str:
    if xsd_type.local_name:
        return str(xsd_type.local_name)
    return str(xsd_type.base_type.local_name) if xsd_type.is_simple() else ""
