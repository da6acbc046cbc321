"""The operations of an OpenAPI document in terms of Python: names, types, what is sent where."""

import keyword
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from shared.client.streams import MEDIA_TYPE, StreamEvent

Json = dict[str, Any]

REF: Final = "#/components/schemas/"
_JSON: Final = "application/json"
_TYPES: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_INSTANTS: Final = {"date-time": "datetime | str", "date": "date | str"}
_HEADERS: Final = {
    "Idempotency-Key": "idempotency_key",
    "Accept-Language": "language",
    "Last-Event-ID": "last_event_id",
}
"""The headers that a caller may choose. `If-None-Match` is not among them."""


class Parameter(NamedTuple):
    """A parameter of a method: its name in Python, its name in the request, its type."""

    name: str
    sent: str
    type: str
    required: bool


class Operation(NamedTuple):
    """A method of a client.

    `answer` is the type of the answer, or of each event if it `streams`. `also` are statuses other
    than those of success with the same type of answer. `files` are media types in which the answer
    can be downloaded. With `once`, a second request would not have the effect of the first.
    """

    name: str
    method: str
    path: str
    doc: str
    paths: Sequence[Parameter]
    query: Sequence[Parameter]
    headers: Sequence[Parameter]
    body: Parameter | None
    answer: str
    also: Sequence[int]
    files: Sequence[str]
    streams: bool
    once: bool


def read_operations(document: Json) -> Iterator[Operation]:
    """The operations of a document, without probes and those with neither JSON nor events."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answer = _answer(operation)
            if answer is not None and "probes" not in operation["tags"]:
                yield _operation(path, method, operation, answer)


def _answer(operation: Json) -> str | None:
    """The type of the answer or of the events of a stream; None if there is neither."""
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if status.startswith("2") and _JSON in content:
            return hint(content[_JSON]["schema"])
        if MEDIA_TYPE in content:
            return StreamEvent.__name__
    return None


def _also(operation: Json) -> list[int]:
    return [
        int(status)
        for status, response in operation["responses"].items()
        if status > "3" and _JSON in response.get("content", {})
    ]


def _files(operation: Json) -> list[str]:
    content = operation["responses"].get("200", {}).get("content", {})
    return sorted(content.keys() - {_JSON, MEDIA_TYPE})


def _operation(path: str, method: str, operation: Json, answer: str) -> Operation:
    parameters = operation.get("parameters", ())
    headers = (p for p in _sent_in(parameters, "header") if p["name"] in _HEADERS)
    return Operation(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        doc=operation.get("description", ""),
        paths=[_parameter(p, p["name"]) for p in _sent_in(parameters, "path")],
        query=[_parameter(p, p["name"]) for p in _sent_in(parameters, "query")],
        headers=[_parameter(p, _HEADERS[p["name"]]) for p in headers],
        body=_body(operation.get("requestBody")),
        answer=answer,
        also=_also(operation),
        files=_files(operation),
        streams=answer == StreamEvent.__name__,
        once=not operation.get("x-repeatable", True),
    )


def _sent_in(parameters: Iterable[Json], place: str) -> list[Json]:
    return [parameter for parameter in parameters if parameter["in"] == place]


def _parameter(parameter: Json, name: str) -> Parameter:
    safe_name = f"{name}_" if keyword.iskeyword(name) else name
    is_required = parameter.get("required", False)
    kind = _parameter_hint(parameter["schema"])
    optional = "" if is_required or "None" in kind else " | None"
    return Parameter(safe_name, parameter["name"], kind + optional, is_required)


def _parameter_hint(schema: Json) -> str:
    """The type of a parameter, which may be a datetime where an instant is sent."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_parameter_hint, schema["anyOf"])))
    return _INSTANTS.get(schema.get("format", ""), hint(schema))


def _body(body: Json | None) -> Parameter | None:
    if body is None:
        return None
    kind = hint(body["content"][_JSON]["schema"])
    if len(body["content"]) > 1:
        kind += " | bytes"
    is_required = body.get("required", False)
    if not is_required and "None" not in kind:
        kind += " | None"
    return Parameter("body", "body", kind, is_required)


def hint(schema: Json) -> str:
    """The Python type of the values of a schema."""
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix(REF))
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " | ".join(dict.fromkeys(map(hint, schema[choice])))
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values:
        return f"Literal[{', '.join(map(literal, values))}]"
    if schema.get("type") == "array":
        return f"list[{hint(schema.get('items', {}))}]"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {hint(inner) if isinstance(inner, dict) else 'Any'}]"
    return _TYPES.get(schema.get("type", ""), "Any")


def literal(value: object) -> str:
    """A value as a Python literal."""
    return f'"{value}"' if isinstance(value, str) else repr(value)
