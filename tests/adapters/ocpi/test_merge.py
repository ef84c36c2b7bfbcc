"""PATCH: what is merged, what is appended, what is replaced."""

import copy

import pytest

from adapters.ocpi.merge import patched, same


@pytest.mark.parametrize(
    ("name", "stored", "changes", "expected"),
    [
        ("token", {"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 1, "b": 3, "c": 4}),
        ("token", {"a": 1, "b": [1]}, {"a": None, "b": []}, {"a": 1, "b": [1]}),
        ("token", {"o": {"x": 1, "y": 2}}, {"o": {"x": 9}}, {"o": {"x": 9}}),
        ("location", {"images": [1, 2]}, {"images": [3]}, {"images": [3]}),
        ("location", {}, {"evses": [{"uid": "A"}]}, {"evses": [{"uid": "A"}]}),
        (
            "location",
            {"evses": [{"uid": "A", "s": 1}, {"uid": "B", "s": 1}]},
            {"evses": [{"uid": "b", "s": 2}, {"uid": "C"}]},
            {"evses": [{"uid": "A", "s": 1}, {"uid": "B", "s": 2}, {"uid": "C"}]},
        ),
        (
            "location",
            {"evses": [{"uid": "A", "connectors": [{"id": "1", "v": 1}, {"id": "2"}]}]},
            {"evses": [{"uid": "A", "connectors": [{"id": "1", "w": 2}]}]},
            {"evses": [{"uid": "A", "connectors": [{"id": "1", "v": 1, "w": 2}, {"id": "2"}]}]},
        ),
        (  # what is inside was changed when the whole was, unless it says otherwise
            "location",
            {"evses": [{"uid": "A", "last_updated": 1, "connectors": [{"id": "1"}, {"id": "2"}]}]},
            {"evses": [{"uid": "A", "connectors": [{"id": "1", "v": 2}]}], "last_updated": 5},
            {
                "evses": [
                    {
                        "uid": "A",
                        "last_updated": 5,
                        "connectors": [{"id": "1", "v": 2, "last_updated": 5}, {"id": "2"}],
                    }
                ],
                "last_updated": 5,
            },
        ),
        (
            "location",
            {"evses": [{"uid": "A", "last_updated": 1}]},
            {"evses": [{"uid": "A", "last_updated": 4}], "last_updated": 5},
            {"evses": [{"uid": "A", "last_updated": 4}], "last_updated": 5},
        ),
        ("evse", {"connectors": None}, {"connectors": [7]}, {"connectors": [7]}),
        ("session", {"charging_periods": [1]}, {"charging_periods": [2]}, [1, 2]),
        ("session", {"charging_periods": [1]}, {"charging_periods": [1, 2]}, [1, 2]),
        ("session", {}, {"charging_periods": [1]}, [1]),
        ("cdr", {"charging_periods": [1]}, {"charging_periods": [2]}, [2]),
    ],
)
def test_patches(name, stored, changes, expected):
    before = copy.deepcopy((stored, changes))

    result = patched(name, stored, changes)

    assert result == ({"charging_periods": expected} if isinstance(expected, list) else expected)
    assert (stored, changes) == before


def test_same():
    assert same("Aß", "aSS")
    assert not same("a", "b")
    assert not same(None, None)
