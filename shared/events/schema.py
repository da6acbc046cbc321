"""The JSON Schema of each type as it is published: it takes what ingest takes, and no more.

Beyond what pydantic says of the models it says which customer ids are refused, what an instant
looks like, which currencies there are, and that U+0000 stands nowhere.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from shared import instants
from shared.events.catalogue import MODELS
from shared.events.customer_ids import NoCustomers
from shared.events.fields import TRIMMED
from shared.events.money import CURRENCIES, CURRENCY_PATTERN

Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ANY: Final = {"$ref": "#/$defs/JsonValue"}
_NO_NUL: Final = r"^[^\x00]*$"
_DEFINITIONS: Final[Schema] = {
    "Currency": {
        "description": "An ISO 4217 code, in use or withdrawn.",
        "enum": sorted(CURRENCIES),
    },
    "Instant": {
        "description": "An instant with a zone, as RFC 3339 and ISO 8601 write it.",
        "type": "string",
        "pattern": instants.PATTERN,
    },
    "JsonValue": {
        "description": "Any JSON without U+0000.",
        "anyOf": [
            {"type": ["null", "boolean", "number"]},
            {"type": "string", "pattern": _NO_NUL},
            {"type": "array", "items": _ANY},
            {
                "type": "object",
                "propertyNames": {"pattern": _NO_NUL},
                "additionalProperties": _ANY,
            },
        ],
    },
}


@cache
def published(name: str, refused: NoCustomers) -> Schema:
    """The schema of the events of a type; `refused` are no customer ids. Not to be changed."""
    schema = MODELS[name].model_json_schema()
    for part in list(_parts(schema)):
        _amend(part, refused)
    named = {part["$ref"].rpartition("/")[2] for part in _parts(schema) if "$ref" in part}
    definitions = {title: part for title, part in _DEFINITIONS.items() if title in named}
    schema["$schema"] = _DIALECT
    schema["$defs"] = {**schema.get("$defs", {}), **definitions}
    return schema


def _parts(schema: object) -> Iterator[Schema]:
    """The schemas in a schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from _parts(item)
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from _parts(part)


def _amend(part: Schema, refused: NoCustomers) -> None:
    kind = part.get("type")
    if kind == "object":
        part["propertyNames"] = {"pattern": _NO_NUL}
        if part.get("additionalProperties") is True:
            part["additionalProperties"] = _ANY
    elif part.get("format") == "date-time":
        _refer(part, "Instant")
    elif part.get("pattern") == CURRENCY_PATTERN:
        _refer(part, "Currency")
    elif part.get("pattern") == TRIMMED and refused.pattern:
        part["not"] = {"pattern": refused.pattern}
    elif kind == "string" and part.keys().isdisjoint({"pattern", "enum", "const"}):
        part["pattern"] = _NO_NUL


def _refer(part: Schema, name: str) -> None:
    for keyword in ("type", "format", "pattern", "examples"):
        part.pop(keyword, None)
    part["$ref"] = f"#/$defs/{name}"
