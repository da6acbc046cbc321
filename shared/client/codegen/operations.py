"""What a document says of its operations, in terms of Python: names, types, where each value is sent."""

import keyword
from collections.abc import Iterator, Sequence
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
"""The headers that a caller may choose; answers are always asked for in full."""


class Value(NamedTuple):
    """A parameter: its name in Python, what to send it as, its type."""

    name: str
    sent: str
    type: str
    required: bool


class Operation(NamedTuple):
    """A method of a client; `answer` is the type of what comes back."""

    name: str
    method: str
    path: str
    doc: str
    paths: Sequence[Value]
    query: Sequence[Value]
    headers: Sequence[Value]
    body: Value | None
    answer: str
    also: Sequence[int]
    """The statuses with which the same may come, besides those of success."""
    files: Sequence[str]
    """The media types in which the same may be downloaded."""
    streams: bool
    """Whether answers of that type come one after the other."""
    once: bool
    """Whether a second request would not be the first."""


def read(document: Json) -> Iterator[Operation]:
    """The operations of a document, but for the probes and those that answer neither JSON nor events."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            answer = _answer(said)
            if answer is not None and "probes" not in said["tags"]:
                yield _operation(path, method, said, answer)


def _answer(said: Json) -> str | None:
    """The type of what is asked for, or of what is streamed; None where that is neither."""
    for status, response in said["responses"].items():
        content = response.get("content", {})
        if status.startswith("2") and _JSON in content:
            return hint(content[_JSON]["schema"])
        if MEDIA_TYPE in content:
            return StreamEvent.__name__
    return None


def _also(said: Json) -> list[int]:
    told = said["responses"].items()
    return [
        int(status)
        for status, response in told
        if status > "3" and _JSON in response.get("content", {})
    ]


def _files(said: Json) -> list[str]:
    return sorted(said["responses"].get("200", {}).get("content", {}).keys() - {_JSON, MEDIA_TYPE})


def _operation(path: str, method: str, said: Json, answer: str) -> Operation:
    parameters: dict[str, list[Json]] = {"path": [], "query": [], "header": []}
    for parameter in said.get("parameters", ()):
        parameters[parameter["in"]].append(parameter)
    return Operation(
        name=said["operationId"],
        method=method.upper(),
        path=path,
        doc=said.get("description", ""),
        paths=[_value(p, p["name"]) for p in parameters["path"]],
        query=[_value(p, p["name"]) for p in parameters["query"]],
        headers=[
            _value(p, _HEADERS[p["name"]]) for p in parameters["header"] if p["name"] in _HEADERS
        ],
        body=_body(said.get("requestBody")),
        answer=answer,
        also=_also(said),
        files=_files(said),
        streams=answer == StreamEvent.__name__,
        once=not said.get("x-repeatable", True),
    )


def _value(parameter: Json, name: str) -> Value:
    python, required = (
        f"{name}_" if keyword.iskeyword(name) else name,
        parameter.get("required", False),
    )
    kind = _said(parameter["schema"])
    optional = "" if required or "None" in kind else " | None"
    return Value(python, parameter["name"], kind + optional, required)


def _said(schema: Json) -> str:
    """The type of a parameter; instants may be given as such."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_said, schema["anyOf"])))
    return _INSTANTS.get(schema.get("format", ""), hint(schema))


def _body(said: Json | None) -> Value | None:
    if said is None:
        return None
    kind = hint(said["content"][_JSON]["schema"]) + (" | bytes" if len(said["content"]) > 1 else "")
    required = said.get("required", False)
    return Value("body", "body", kind if required or "None" in kind else f"{kind} | None", required)


# -- types -------------------------------------------------------------------------------------------------------------


def hint(schema: Json) -> str:
    """The type of values of a schema."""
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
    """A value as Python writes it."""
    return f'"{value}"' if isinstance(value, str) else repr(value)
