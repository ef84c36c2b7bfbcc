"""The OpenAPI document says what is served."""

import json

import pytest

from adapters.ocpi.adapter import ADAPTER, RECORDS
from adapters.ocpi.openapi import document
from adapters.ocpi.routes import ROUTES
from gateway.security.json_gate import write_json
from tests.adapters.ocpi import samples

DOCUMENT = document("https://gw.example/", RECORDS)
SCHEMAS = DOCUMENT["components"]["schemas"]
PYTHON = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}


def faults(schema, value, at=""):
    """What a value breaks of a schema: the keywords that the document uses."""
    if "$ref" in schema:
        return faults(SCHEMAS[schema["$ref"].rpartition("/")[2]], value, at)
    if "anyOf" in schema:
        return [] if any(not faults(s, value) for s in schema["anyOf"]) else [f"{at}: anyOf"]
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    if types and not any(
        isinstance(value, PYTHON[t]) and (t == "boolean" or type(value) is not bool) for t in types
    ):
        return [f"{at}: is no {types}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: not in enum")
    if isinstance(value, str) and len(value) > schema.get("maxLength", 1e9):
        found.append(f"{at}: too long")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            found.append(f"{at}: too few")
        for n, item in enumerate(value):
            found += faults(schema["items"], item, f"{at}/{n}")
    if isinstance(value, dict):
        found += [f"{at}/{n}: missing" for n in schema.get("required", ()) if n not in value]
        for name, item in value.items():
            if name in schema.get("properties", {}):
                found += faults(schema["properties"][name], item, f"{at}/{name}")
    return found


def plain(sample):
    return json.loads(write_json(sample))


def test_every_route_is_documented_and_nothing_else():
    documented = {
        (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item
    }

    assert documented == {(route.method, f"/ocpi/{route.path}") for route in ROUTES}
    ids = [op["operationId"] for item in DOCUMENT["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere():
    text = write_json(DOCUMENT).decode()
    for reference in text.split('"$ref":"')[1:]:
        name = reference.partition('"')[0].removeprefix("#/components/schemas/")
        assert SCHEMAS[name], name


def test_parameters_of_paths():
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            assert path.count("{") == len(named)
            assert all(f"{{{name}}}" in path for name in named)
            assert {"200", "401", "405"} <= operation["responses"].keys()


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("Location", samples.location()),
        ("EVSE", samples.evse()),
        ("Connector", samples.connector()),
        ("Tariff", samples.tariff()),
        ("Token", samples.token()),
        ("Session", samples.session()),
        ("CDR", samples.cdr()),
    ],
)
def test_objects_fit_their_schemas(name, sample):
    """Samples are valid; without any one mandatory field, or with a wrong one, they are not."""
    assert faults({"$ref": f"#/components/schemas/{name}"}, plain(sample)) == []
    required = SCHEMAS[name]["required"]
    assert {"last_updated"} <= set(required)
    for field in required:
        assert faults(SCHEMAS[name], {k: v for k, v in plain(sample).items() if k != field})
        assert faults(SCHEMAS[name], plain(sample) | {field: {"wrong": 1}})


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("Location", samples.location(publish="yes"), "/publish"),
        ("Location", samples.location(id="x" * 37), "/id"),
        ("Location", samples.location(coordinates={"latitude": "1"}), "/coordinates/longitude"),
        ("EVSE", samples.evse(status="BROKEN"), "/status"),
        ("EVSE", samples.evse(connectors=[]), "/connectors"),
        ("EVSE", samples.evse(capabilities=["FLYING"]), "/capabilities/0"),
        ("CDR", samples.cdr(total_cost={"incl_vat": 1}), "/total_cost/excl_vat"),
        ("CDR", samples.cdr(cdr_location={}), "/cdr_location/id"),
    ],
)
def test_wrong_objects_do_not_fit(name, value, fault):
    assert any(found.startswith(f"{fault}:") for found in faults(SCHEMAS[name], plain(value)))


def test_null_is_as_good_as_absent_where_a_field_is_optional():
    value = samples.location(suboperator=None, images=None, parking_type=None)

    assert faults(SCHEMAS["Location"], plain(value)) == []


def test_a_change_needs_only_its_time():
    change = SCHEMAS["EVSEChange"]

    assert faults(change, {"status": "CHARGING", "last_updated": "2031-05-01T10:00:00Z"}) == []
    assert faults(change, {"status": "CHARGING"}) == ["/last_updated: missing"]
    assert faults(change, {"status": "BROKEN", "last_updated": "x"})


def test_the_adapter_gives_it():
    assert ADAPTER.openapi("https://gw.example")["servers"] == [{"url": "https://gw.example"}]
    assert DOCUMENT["servers"] == [{"url": "https://gw.example"}]
    assert json.loads(write_json(DOCUMENT))["openapi"] == "3.1.0"
