"""What a PATCH means: a stored object and the changes to it become the new object.

Source: OCPI 2.2.1, PATCH of the Locations, Sessions and Tokens receiver interfaces.
Rules: a field that is sent replaces the stored one; null and ``[]`` mean the same as absent, so a
PATCH removes nothing. ``evses`` are merged by ``uid`` and ``connectors`` by ``id``; a session's
``charging_periods`` are appended, those that are there already not a second time; every other list
replaces the stored one. ``last_updated`` is mandatory and goes up to the parents; an EVSE or a
connector inside that is sent without one was changed when the whole was.
"""

from collections.abc import Mapping
from typing import Any

APPEND = "append"
LISTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "location": {"evses": ("uid", "evse")},
    "evse": {"connectors": ("id", "connector")},
    "session": {"charging_periods": (APPEND, "")},
}
"""Per object: the lists that are merged, by which key, and what their items are."""


def same(one: Any, other: Any) -> bool:
    """Whether two CiStrings are equal.

    >>> same("LOC1", "loc1"), same("LOC1", None)
    (True, False)
    """
    return isinstance(one, str) and isinstance(other, str) and one.casefold() == other.casefold()


def patched(name: str, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The object after a PATCH; neither argument is changed."""
    result = dict(stored)
    lists = LISTS.get(name, {})
    for field, value in changes.items():
        if value is None or value == []:
            continue
        if field in lists and isinstance(value, list):
            key, inner = lists[field]
            before = result.get(field) or []
            result[field] = (
                _appended(before, value)
                if key == APPEND
                else _merged(before, value, key, inner, changes.get("last_updated"))
            )
        else:
            result[field] = value
    return result


def _appended(before: list[Any], more: list[Any]) -> list[Any]:
    """A PATCH that is sent again after a lost answer adds nothing twice."""
    return [*before, *(item for item in more if item not in before)]


def _merged(before: list[Any], changes: list[Any], key: str, inner: str, time: object) -> list[Any]:
    result = list(before)
    for change in changes:
        if not isinstance(change, dict):
            result.append(change)
            continue
        place = next(
            (n for n, item in enumerate(result) if same(item.get(key), change.get(key))), None
        )
        if place is None:
            result.append(change)
        else:
            named = {**change, key: result[place][key]}
            if time and not change.get("last_updated"):
                named["last_updated"] = time
            result[place] = patched(inner, result[place], named)
    return result
