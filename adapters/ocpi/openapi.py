"""The OpenAPI 3.1 document of the HTTP interface, built from the route and record tables.

Source: OpenAPI 3.1.0; the rows of ``routes.py`` and of the record tables.
Limits: a PATCH takes some fields of its object, of which ``last_updated`` is mandatory; what a
field's pattern and a rule between fields ask for beyond type, length and code list is left to the
standard. Fields that the standard does not know are allowed everywhere.
Why: what is served, checked and documented are the same rows.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.ocpi.routes import ROUTES, VERSION, Route
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record, Row

Schema = dict[str, Any]

_LENGTH = re.compile(r"(?:CiString|string)\((\d+)\)")
_PARAMETERS: Mapping[str, Schema] = {
    "date_from": {"type": "string", "format": "date-time"},
    "date_to": {"type": "string", "format": "date-time"},
    "offset": {"type": "integer", "minimum": 0, "default": 0},
    "limit": {"type": "integer", "minimum": 1},
    "type": {"enum": ["AD_HOC_USER", "APP_USER", "OTHER", "RFID"], "default": "RFID"},
}
_HEADERS = (
    ("X-Request-ID", "one per call; made up when missing"),
    ("X-Correlation-ID", "one per chain of calls; made up when missing"),
)
_ROUTING = (
    ("OCPI-to-country-code", "country of the receiver"),
    ("OCPI-to-party-id", "party id of the receiver"),
    ("OCPI-from-country-code", "country of the sender"),
    ("OCPI-from-party-id", "party id of the sender"),
)
_URL = {"type": "string", "format": "uri", "maxLength": 255}
_TEXT = {"type": "string"}

# What has no record table: the objects of the configuration modules and small bodies.
PLAIN: Mapping[str, Schema] = {
    "Version": {
        "type": "object",
        "required": ["version", "url"],
        "properties": {"version": _TEXT, "url": _URL},
    },
    "Details": {
        "type": "object",
        "required": ["version", "endpoints"],
        "properties": {
            "version": _TEXT,
            "endpoints": {"type": "array", "items": {"$ref": "#/components/schemas/Endpoint"}},
        },
    },
    "Endpoint": {
        "type": "object",
        "required": ["identifier", "role", "url"],
        "properties": {
            "identifier": _TEXT,
            "role": {"enum": ["SENDER", "RECEIVER"]},
            "url": _URL,
        },
    },
    "Credentials": {
        "type": "object",
        "required": ["token", "url", "roles"],
        "properties": {
            "token": {"type": "string", "minLength": 1, "maxLength": 64},
            "url": _URL,
            "roles": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/components/schemas/CredentialsRole"},
            },
        },
    },
    "CredentialsRole": {
        "type": "object",
        "required": ["role", "country_code", "party_id", "business_details"],
        "properties": {
            "role": {"enum": ["CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"]},
            "country_code": {"type": "string", "maxLength": 2},
            "party_id": {"type": "string", "maxLength": 3},
            "business_details": {"$ref": "#/components/schemas/BusinessDetails"},
        },
    },
    "LocationReferences": {
        "type": "object",
        "required": ["location_id"],
        "properties": {
            "location_id": {"type": "string", "maxLength": 36},
            "evse_uids": {"type": ["array", "null"], "items": {"type": "string", "maxLength": 36}},
        },
    },
    "Response": {
        "type": "object",
        "required": ["status_code", "timestamp"],
        "properties": {
            "status_code": {"type": "integer"},
            "status_message": _TEXT,
            "timestamp": {"type": "string", "format": "date-time"},
        },
    },
}
_PLAIN_NAMES = {
    "versions": "Version*",
    "details": "Details",
    "credentials": "Credentials",
    "references?": "LocationReferences?",
}


def document(public_url: str, records: Mapping[str, Record]) -> dict[str, Any]:
    """The document; ``records`` are the tables by the names that the routes use."""
    schemas: dict[str, Schema] = dict(PLAIN)
    for record in records.values():
        _add(record, schemas)
    paths: dict[str, Any] = {}
    for route in ROUTES:
        operation = _operation(route, records, schemas)
        paths.setdefault(f"/ocpi/{route.path}", {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": f"OCPI {VERSION}", "version": VERSION},
        "servers": [{"url": public_url.rstrip("/")}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token`, a blank, and the Base64 of the credentials token",
                }
            },
        },
    }


# -- operations ------------------------------------------------------------------------------


def _operation(
    route: Route, records: Mapping[str, Record], schemas: dict[str, Schema]
) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", route.path)
    headers = (*_HEADERS, *(_ROUTING if route.functional else ()))
    parameters = [
        *({"name": n, "in": "path", "required": True, "schema": _TEXT} for n in names),
        *({"name": n, "in": "query", "schema": _PARAMETERS[n]} for n in route.query),
        *({"name": n, "in": "header", "description": d, "schema": _TEXT} for n, d in headers),
    ]
    steps = re.sub(r"[{}]", "", route.path.removeprefix(VERSION).strip("/")).split("/")
    result: dict[str, Any] = {
        "operationId": "_".join((route.method.lower(), *filter(None, steps))),
        "summary": route.clause,
        "tags": [route.module],
        "parameters": parameters,
        "responses": _responses(route, records, schemas),
    }
    if route.reads:
        result["requestBody"] = {
            "required": route.reads != "references?",
            "content": _json(_named(route.reads, records, schemas)),
        }
    return result


def _responses(
    route: Route, records: Mapping[str, Record], schemas: dict[str, Schema]
) -> dict[str, Any]:
    plain = {"$ref": "#/components/schemas/Response"}
    good: Schema = plain
    if route.answers:
        data = _named(route.answers, records, schemas)
        good = {"allOf": [plain, {"type": "object", "properties": {"data": data}}]}
    done: dict[str, Any] = {
        "description": "done (1000 to 1999), or declined (2000 and above)",
        "content": _json(good),
    }
    result = {"200": done}
    if route.query and "limit" in route.query:
        done["headers"] = {name: {"schema": _TEXT} for name in ("Link", "X-Total-Count", "X-Limit")}
    if route.functional and route.method in ("PUT", "POST") and not route.answers:
        created: dict[str, Any] = {"description": "created", "content": _json(plain)}
        if route.method == "POST":
            created["headers"] = done["headers"] = {"Location": {"schema": _URL}}
        result["201"] = created
    refusals = {"401": "no token, or an unknown one", "405": "not possible here"}
    if "{" in route.path:
        refusals |= {"400": "a path that cannot be decoded", "404": "no such object"}
    if route.reads:
        broken = "no JSON, or a path that cannot be decoded" if "{" in route.path else "no JSON"
        refusals |= {"400": broken, "413": "over a limit"}
    for status, meaning in sorted(refusals.items()):
        result[status] = {"description": meaning, "content": _json(plain)}
    return result


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _named(name: str, records: Mapping[str, Record], schemas: dict[str, Schema]) -> Schema:
    """The schema of a route's body: ``location``, ``location*`` a list, ``location?`` a change."""
    name = _PLAIN_NAMES.get(name, name)
    base = name.rstrip("*?")
    title = records[base].name if base in records else base
    reference: Schema = {"$ref": f"#/components/schemas/{_id(title)}"}
    if name.endswith("*"):
        return {"type": "array", "items": reference}
    if name.endswith("?") and base in records:
        change = f"{_id(title)}Change"
        properties = schemas[_id(title)]["properties"]
        schemas[change] = {
            "type": "object",
            "required": ["last_updated"],
            "properties": {key: _optional(value) for key, value in properties.items()}
            | {"last_updated": properties.get("last_updated", _TEXT)},
        }
        return {"$ref": f"#/components/schemas/{change}"}
    return reference


# -- schemas ---------------------------------------------------------------------------------


def _id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", name)


def _add(record: Record, schemas: dict[str, Schema]) -> Schema:
    """A reference to the schema of a record, which is made when it is not there yet."""
    name = _id(record.name)
    if name not in schemas:
        schemas[name] = {}
        schemas[name] = _object(_flat(record.rows), schemas, record.clause)
    return {"$ref": f"#/components/schemas/{name}"}


def _flat(rows: Iterable[Row]) -> list[Row]:
    """The rows of a record with those of its inline parts."""
    found: list[Row] = []
    for row in rows:
        if row.card == "" and isinstance(row.kind, Record):
            found += _flat(row.kind.rows)
        elif row.card != "=":
            found.append(row)
    return found


def _object(
    rows: list[Row], schemas: dict[str, Schema], clause: str = "", depth: int = 0
) -> Schema:
    properties: dict[str, Schema] = {}
    required: list[str] = []
    below: dict[str, list[Row]] = {}
    for row in rows:
        step = row.steps[depth]
        if len(row.steps) > depth + 1:
            below.setdefault(step, []).append(row)
            properties.setdefault(step, {})
            continue
        value = _add(row.kind, schemas) if isinstance(row.kind, Record) else _scalar(row.kind)
        if row.listed:
            value = {"type": "array", "items": value} | ({"minItems": 1} if row.card == "+" else {})
        if row.card in "1+":
            required.append(step)
            properties[step] = value
        else:
            properties[step] = _optional(value)
    for step, inner in below.items():
        part = _object(inner, schemas, depth=depth + 1)
        if part.get("required"):
            required.append(step)
            properties[step] = part
        else:
            properties[step] = _optional(part)
    result: Schema = {"type": "object", "properties": properties}
    if required:
        result["required"] = required
    return {"description": clause, **result} if clause else result


def _optional(value: Schema) -> Schema:
    """Null means the same as absent."""
    kind = value.get("type")
    if isinstance(kind, list) or "anyOf" in value:
        return value
    if kind is None:
        return {"anyOf": [value, {"type": "null"}]}
    return {**value, "type": [kind, "null"]}


def _scalar(kind: Kind) -> Schema:
    if kind.codes:
        return {"enum": list(kind.codes)}
    if kind.unit == "number":
        return {"type": "integer" if kind.name.startswith("int") else "number"}
    if kind.unit == "boolean":
        return {"type": "boolean"}
    if kind.unit == "utc":
        return {"type": "string", "format": "date-time", "maxLength": 25}
    if kind.name == "URL":
        return dict(_URL)
    length = _LENGTH.fullmatch(kind.name)
    return {"type": "string"} | ({"maxLength": int(length[1])} if length else {})
