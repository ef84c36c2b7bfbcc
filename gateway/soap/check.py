"""A body against its schema, strictly or after a mending.

Limits: what is mended is the adapter's knowledge; it comes as a function.
Why: service and client read with the same eyes. A mended body counts only when it is valid as a
whole, and every mending is reported. Of a list whose items alone are wrong, the good ones are taken
where the answer can say so: each item is a record of its own, and its neighbours are not to blame.
"""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

from gateway.errors import Malformed, Problem
from gateway.mapping.stream import Checker
from gateway.mapping.xml_items import is_unwieldy
from gateway.soap.offload import run

Lenient = Callable[[Element], tuple[Element, list[str]]]
"""body -> body with known deviations put right, and what was put right."""


class Refusal(NamedTuple):
    """An item of a list that is not taken: the element, and why."""

    element: Element
    problems: tuple[Problem, ...]
    valid: bool = True
    """Whether it is as the schema wants it, so that an answer may hold it too."""


_ROUNDS = 3
"""A schema leaves off where the order of children is wrong; what is behind shows in the next."""


async def checked(
    body: Element, size: int, schema: Checker, lenient: Lenient | None = None
) -> tuple[Element, list[str]]:
    """The valid body and what was mended in it. Raises ``Malformed`` with every problem left."""
    body, notes, problems = await _mended(body, size, schema, lenient)
    if problems:
        raise Malformed(problems)
    return body, notes


async def sorted_out(
    body: Element, size: int, schema: Checker, lenient: Lenient | None, items: Collection[str]
) -> tuple[Element, list[str], list[Refusal]]:
    """The same without those ``items`` of the body that alone make it invalid, and these.

    Raises ``Malformed`` when something else is wrong, or every item is.
    """
    body, notes, problems = await _mended(body, size, schema, lenient)
    if not problems:
        return body, notes, []
    refused = await run(size, _take_out, body, problems, schema, items) if items else []
    if not refused:
        raise Malformed(problems)
    return body, notes, refused


async def _mended(
    body: Element, size: int, schema: Checker, lenient: Lenient | None
) -> tuple[Element, list[str], list[Problem]]:
    notes: list[str] = []
    if lenient is not None and not is_unwieldy(body):
        if await run(size, schema.accepts, body):
            return body, notes, []
        # the reasons are asked for last: they take longer than all else, and mending may end them
        body, notes = await run(size, lenient, body)
        if bool(notes) and await run(size, schema.accepts, body):
            return body, notes, []
    problems = await run(size, schema.check, body)
    if problems and is_unwieldy(body):
        raise Malformed(problems)  # neither mended nor sorted out
    return body, notes, problems


def _take_out(
    body: Element, problems: list[Problem], schema: Checker, items: Collection[str]
) -> list[Refusal]:
    """Take the wrong items out of the body; gives them, or nothing when that does not help."""
    root, names = etree.QName(body).localname, {etree.QName(item).localname: item for item in items}
    place = re.compile(rf"({root}/({'|'.join(names)})\[)(\d+)(\].*)", re.DOTALL)
    left = {name: list(enumerate(body.findall(item), 1)) for name, item in names.items()}
    places = {problem.path.partition("]")[0] for problem in problems}
    if len(places) >= sum(map(len, left.values())):
        return []  # every one is wrong, or something else is
    refused: list[tuple[int, Refusal]] = []
    for _ in range(_ROUNDS):
        wrong: dict[tuple[str, int], list[Problem]] = {}
        for problem in problems:
            found = place.fullmatch(problem.path)
            if found is None:
                return []
            there, place_now = left[found[2]], int(found[3]) - 1
            if place_now >= len(there):
                return []  # items of another namespace are counted as well
            number = there[place_now][0]  # as sent, whatever was taken out since
            told = Problem(f"{found[1]}{number}{found[4]}", problem.reason)
            wrong.setdefault((found[2], number), []).append(told)
        if len(wrong) == sum(map(len, left.values())):
            return []
        for name, there in left.items():
            for number, element in there:
                if told_of := wrong.get((name, number)):
                    refused.append((number, Refusal(element, tuple(told_of), valid=False)))
                    body.remove(element)
            left[name] = [each for each in there if (name, each[0]) not in wrong]
        problems = schema.check(body)
        if not problems:
            return [refusal for _, refusal in sorted(refused, key=lambda each: each[0])]
    return []
