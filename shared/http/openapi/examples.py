"""Examples of bodies and answers, built from the examples of their fields."""

from contextlib import suppress
from typing import Any, Final

Json = dict[str, Any]

_JSON: Final = "application/json"
_TEXTS: Final = {
    "date-time": "2024-05-01T12:00:00Z",
    "date": "2024-05-01",
    "uuid": "018f3c5e-7a10-7cc3-9f5e-3b1d2a4c6e80",
}
"""Examples of texts by format."""
_VALUE_KEYWORDS: Final = ("const", "default")
_CHOICES: Final = ("anyOf", "oneOf", "allOf")


def add_examples(operation: Json, schemas: Json) -> None:
    """Add an example of the body and of each JSON answer.

    Those that the route gives stay, and those with a field without example are left out.
    """
    parts = [operation.get("requestBody", {}), *operation["responses"].values()]
    for part in parts:
        content = part.get("content", {}).get(_JSON)
        if content and not {"example", "examples"} & content.keys():
            with suppress(LookupError):
                content["example"] = example(content.get("schema", {}), schemas)


def with_nulls(value: Any, schema: Json, schemas: Json) -> Any:
    """An example with its null fields, which the framework leaves out of the document."""
    if "$ref" in schema:
        return with_nulls(value, _resolve(schema, schemas), schemas)
    if isinstance(value, list):
        return [with_nulls(item, schema.get("items", {}), schemas) for item in value]
    if not isinstance(value, dict):
        return value
    if "anyOf" in schema:
        choice = next(part for part in schema["anyOf"] if part.get("type") != "null")
        return with_nulls(value, choice, schemas)
    parts: Json = schema.get("properties", {})
    nullable = (name for name, part in parts.items() if {"type": "null"} in part.get("anyOf", ()))
    completed: Json = dict.fromkeys(nullable)
    for name, inner in value.items():
        completed[name] = with_nulls(inner, parts.get(name, {}), schemas)
    return completed


def example(schema: Json, schemas: Json) -> Any:
    """A value of this schema, built from the examples of its parts.

    Raises LookupError where a part has none.
    """
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example(_resolve(schema, schemas), schemas)
    for keyword in _VALUE_KEYWORDS:
        if keyword in schema:
            return schema[keyword]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in _CHOICES:
        if choice in schema:
            return example(schema[choice][0], schemas)
    return _example_by_type(schema, schemas)


def _example_by_type(schema: Json, schemas: Json) -> Any:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {name: example(part, schemas) for name, part in schema["properties"].items()}
    if kind == "array":
        return [example(schema["items"], schemas)]
    if kind == "boolean":
        return False
    if schema.get("format") in _TEXTS:
        return _TEXTS[schema["format"]]
    raise LookupError(f"no example of {schema}")


def _resolve(schema: Json, schemas: Json) -> Json:
    target: Json = schemas[schema["$ref"].rpartition("/")[2]]
    return target
