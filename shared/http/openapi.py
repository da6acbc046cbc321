"""The OpenAPI document of an application, completed: the key, every problem, examples made of those of the fields."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from shared.http.middleware import OPEN
from shared.http.problems import PROBLEM_JSON, PROBLEMS, ProblemBody, ProblemKind

Json = dict[str, Any]

JSON: Final = "application/json"
SCHEMAS: Final = "x-schemas"
"""Where an operation that reads its body itself says schemas by name."""
ABOUT: Final = """\
Send the key as `Authorization: Bearer <key>` with every request but the probes.

* **Instants** are RFC 3339 in UTC (`2024-05-01T12:00:00Z`). A day has 24 hours; months are calendar months in UTC.
* **Money** is a whole number of minor units by the ISO 4217 exponent (1999 EUR is 19.99 €, 500 JPY is 500 ¥), beside \
its `currency`. Sums are kept per currency and never added across.
* **Ids** are 1 to 128 printable characters, percent-encoded in paths: `a/b` is `a%2Fb`.
* **`as_of`** is the clock that an answer was true at: all events and deadlines until then are in it.
* **Lists** are `items` and `next_cursor`, which is null on the last page; send it as `cursor` to go on.
* **Errors** are `application/problem+json` (RFC 9457) with a stable `code`. Query parameters that are not listed are \
refused (422).
* **Repeating** a request is safe; with the same `Idempotency-Key` it counts once. Of the few operations that say \
`x-repeatable: false`, look what has become of the first request before you send another. After 429 or 503 wait for \
`Retry-After` (seconds).
* **Polling** one thing: send its `ETag` as `If-None-Match`, and it is sent again only if it has changed (else 304).
* **`X-Request-Id`** is in every answer, and in our logs.

Within `/v1` fields are only added: ignore those you do not know.
"""
_KEY: Final = {"type": "http", "scheme": "bearer", "description": "The key of this installation."}

UNAUTHORIZED: Final = ProblemKind(401, "unauthorized", "The key is missing or wrong.")
UNAVAILABLE: Final = ProblemKind(
    503, "unavailable", "The database or a service behind does not answer: send the same again."
)
INVALID: Final = ProblemKind(
    422, "invalid", "A parameter or the body is not as documented; `errors` names each field."
)
INVALID_CURSOR: Final = ProblemKind(
    422, "invalid_cursor", "`cursor` is not a `next_cursor` of this list."
)
UNREADABLE: Final = ProblemKind(400, "unreadable", "The body is not JSON.")
TOO_LARGE: Final = ProblemKind(413, "too_large", "The body has more bytes than are taken.")
_HEADERS: Final[Mapping[int, tuple[str, str]]] = {
    301: ("Location", "Where the same is found now."),
    401: ("WWW-Authenticate", "`Bearer`"),
    **dict.fromkeys((429, 503), ("Retry-After", "Seconds to wait before sending the same again.")),
}
_IF_NONE_MATCH: Final = "If-None-Match"
_ACCEPT_LANGUAGE: Final = "Accept-Language"
_LANGUAGE: Final = (
    ("Content-Language", "The language of the labels: `de` or `en`."),
    ("Vary", "The headers of the request that the answer depends on."),
)
_ETAG: Final = (
    "ETag",
    "Changes when anything but `as_of` and `known_at` does; for `If-None-Match`.",
)

_INSTANT: Final = "2024-05-01T12:00:00Z"
_TEXTS: Final = {
    "date-time": _INSTANT,
    "date": "2024-05-01",
    "uuid": "018f3c5e-7a10-7cc3-9f5e-3b1d2a4c6e80",
}
_KEYWORDS: Final = ("const", "default")
_VALUES: Final = frozenset({"const", "default", "enum", "example", "examples"})
"""Keywords that hold values, not schemas."""
_SCHEMAS: Final = "#/components/schemas/"


def complete(document: Json) -> None:
    """Add to a document, in place, what holds of every operation alike."""
    components = document.setdefault("components", {})
    schemas: Json = components.setdefault("schemas", {})
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    _rename(document)
    schemas = components["schemas"]
    schemas.update(_problem_schemas())
    for schema in schemas.values():
        if "examples" in schema:
            schema["examples"] = [
                _with_nulls(value, schema, schemas) for value in schema["examples"]
            ]
    components["securitySchemes"] = {"key": _KEY}
    components["responses"] = {}
    document["security"] = [{"key": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            schemas.update(operation.pop(SCHEMAS, {}))
            if path in OPEN:
                operation["security"] = []
            _tell_problems(operation, list(_common(path, operation)), components["responses"])
            _tell_etag(operation)
            _tell_language(operation)
            _give_examples(operation, schemas)
    for part in (document["paths"], schemas):
        _drop_titles(part)


def _problem_schemas() -> Json:
    schema = ProblemBody.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    inner: Json = schema.pop("$defs")
    return {"Problem": schema, **inner}


def _rename(document: Json) -> None:
    """Names of schemas are one word: `…__simulations__State` is `SimulationsState`, `Page_Case_` is `PageCase`."""
    schemas = document["components"]["schemas"]
    names = {name: _one_word(name) for name in schemas if "_" in name}
    if clashes := sorted(
        new for new in names.values() if new in schemas or list(names.values()).count(new) > 1
    ):
        raise ValueError(f"two schemas of one name: {clashes}")
    document["components"]["schemas"] = dict(
        sorted((names.get(name, name), s) for name, s in schemas.items())
    )
    _point(document, {_SCHEMAS + old: _SCHEMAS + new for old, new in names.items()})


def _one_word(name: str) -> str:
    parts = name.split("__")[-2:]
    return "".join(
        word[:1].upper() + word[1:]
        for part in parts
        for word in part.removesuffix("_schemas").split("_")
    )


def _point(part: Any, places: Mapping[str, str]) -> None:
    if isinstance(part, list):
        for item in part:
            _point(item, places)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if isinstance(inner, str) and inner in places:
                part[name] = places[inner]
            else:
                _point(inner, places)


def _drop_titles(part: Any) -> None:
    """Titles that the framework makes of names say nothing."""
    if isinstance(part, list):
        for item in part:
            _drop_titles(item)
    elif isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        for name, inner in part.items():
            if name not in _VALUES:
                _drop_titles(inner)


# -- problems ----------------------------------------------------------------------------------------------------------


def _common(path: str, operation: Json) -> Iterator[ProblemKind]:
    if path not in OPEN:
        yield UNAUTHORIZED
        yield UNAVAILABLE
    yield INVALID
    if _parameter(operation, "cursor"):
        yield INVALID_CURSOR
    if "requestBody" in operation:
        yield UNREADABLE
        yield TOO_LARGE


def _tell_problems(operation: Json, common: Sequence[ProblemKind], shared: Json) -> None:
    """Answers with nothing but problems are kept in `shared`, once each."""
    responses: Json = operation["responses"]
    _drop_framework_error(responses)
    for kind in common:
        told = responses.setdefault(str(kind.status), {}).setdefault(PROBLEMS, [])
        if all(code != kind.code for _, code, _ in told):
            told.append(kind)
    for status, response in sorted(responses.items()):
        kinds = [ProblemKind(*kind) for kind in response.pop(PROBLEMS, ())]
        is_shared = kinds and not response.keys() - {"description"}
        if kinds:
            _tell(response, int(status), kinds)
        if is_shared:
            name = "_or_".join(kind.code for kind in kinds)
            if shared.setdefault(name, response) == response:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = dict(sorted(responses.items()))


def _drop_framework_error(responses: Json) -> None:
    content = responses.get("422", {}).get("content", {}).get(JSON, {})
    if content.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
        del responses["422"]


def _tell(response: Json, status: int, kinds: Sequence[ProblemKind]) -> None:
    told = "\n\n".join(f"`{kind.code}`: {kind.meaning}" for kind in kinds)
    phrase = HTTPStatus(status).phrase
    before = response.get("description", phrase)
    response["description"] = told if before == phrase else f"{before}\n\n{told}"
    about = {"status": {"const": status}, "code": {"enum": [kind.code for kind in kinds]}}
    schema = {"allOf": [{"$ref": f"{_SCHEMAS}Problem"}, {"properties": about}]}
    first = kinds[0]
    example = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "code": first.code,
        "detail": first.meaning,
    }
    response.setdefault("content", {})[PROBLEM_JSON] = {
        "schema": schema,
        "example": {**example, "errors": []},
    }
    if status in _HEADERS:
        _tell_header(response, *_HEADERS[status])


def _tell_header(response: Json, name: str, meaning: str) -> None:
    header = {"description": meaning, "schema": {"type": "string"}}
    response.setdefault("headers", {})[name] = header


def _tell_etag(operation: Json) -> None:
    if _parameter(operation, _IF_NONE_MATCH):
        _tell_header(operation["responses"]["200"], *_ETAG)
        unchanged = {"description": "Nothing has changed but `as_of`. There is no body."}
        _tell_header(unchanged, *_ETAG)
        operation["responses"]["304"] = unchanged


def _tell_language(operation: Json) -> None:
    if _parameter(operation, _ACCEPT_LANGUAGE):
        for status in {"200", "304"} & operation["responses"].keys():
            for header in _LANGUAGE:
                _tell_header(operation["responses"][status], *header)


def _parameter(operation: Json, name: str) -> bool:
    return any(parameter["name"] == name for parameter in operation.get("parameters", ()))


# -- examples ----------------------------------------------------------------------------------------------------------


def _give_examples(operation: Json, schemas: Json) -> None:
    """An example of the body and of each answer in JSON, unless the route has given one, or a field has none."""
    parts = [operation.get("requestBody", {}), *operation["responses"].values()]
    for part in parts:
        content = part.get("content", {}).get(JSON)
        if content and not {"example", "examples"} & content.keys():
            with suppress(LookupError):
                content["example"] = example(content.get("schema", {}), schemas)


def _with_nulls(value: Any, schema: Json, schemas: Json) -> Any:
    """An example as it was written: the framework leaves fields out of the document that are null."""
    if "$ref" in schema:
        return _with_nulls(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if isinstance(value, list):
        return [_with_nulls(item, schema.get("items", {}), schemas) for item in value]
    if not isinstance(value, dict):
        return value
    if "anyOf" in schema:
        return _with_nulls(
            value, next(part for part in schema["anyOf"] if part.get("type") != "null"), schemas
        )
    parts: Json = schema.get("properties", {})
    nulls = {
        name: None for name, part in parts.items() if {"type": "null"} in part.get("anyOf", ())
    }
    return nulls | {
        name: _with_nulls(inner, parts.get(name, {}), schemas) for name, inner in value.items()
    }


def example(schema: Json, schemas: Json) -> Any:
    """A value of this schema, made of the examples of its parts. Raises LookupError where a part has none."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for keyword in _KEYWORDS:
        if keyword in schema:
            return schema[keyword]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return example(schema[choice][0], schemas)
    return _plain(schema, schemas)


def _plain(schema: Json, schemas: Json) -> Any:
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
