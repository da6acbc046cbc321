"""Completes the OpenAPI document of an application with what holds for every operation."""

from typing import Any, Final

from shared.http.middleware import OPEN
from shared.http.openapi.examples import add_examples, with_nulls
from shared.http.openapi.headers import describe_etag, describe_language
from shared.http.openapi.problems import common_problems, describe_problems, problem_schemas
from shared.http.openapi.schemas import drop_titles, rename_schemas

Json = dict[str, Any]

SCHEMAS: Final = "x-schemas"
"""Where an operation that reads its body itself declares schemas by name."""
ABOUT: Final = """\
Send the key as `Authorization: Bearer <key>` with every request except the probes.

* **Instants** are answered as RFC 3339 in UTC (`2024-05-01T12:00:00Z`), and read with any zone, \
as ISO 8601 is commonly written. A day has 24 hours; months are calendar months in UTC.
* **Money** is a whole number of minor units by the ISO 4217 exponent (1999 EUR is 19.99 €, \
500 JPY is 500 ¥), beside its `currency`. Sums are kept per currency and never added across \
currencies.
* **Ids** are 1 to 128 printable characters, percent-encoded in paths: `a/b` is `a%2Fb`.
* **`as_of`** is the clock that an answer holds for: it includes all events and deadlines up to \
then.
* **Lists** are `items` and `next_cursor`, which is null on the last page; send it as `cursor` \
to get the next page.
* **Errors** are `application/problem+json` (RFC 9457) with a stable `code`. Query parameters \
that are not listed are refused (422).
* **Repeating** a request is safe; with the same `Idempotency-Key` it counts once. The few \
operations marked `x-repeatable: false` are different: check what became of the first request \
before you send another. After 429 or 503, wait for `Retry-After` (seconds).
* **Polling** one thing: send its `ETag` as `If-None-Match`. If nothing has changed, the answer \
is 304 without a body.
* **`X-Request-Id`** is in every answer and in our logs.

Within `/v1` fields are only ever added: ignore those you do not know.
"""
_KEY: Final = {"type": "http", "scheme": "bearer", "description": "The key of this installation."}
_FRAMEWORK_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")


def complete(document: Json) -> None:
    """Add to a document, in place, what holds for every operation: key, problems, examples."""
    components = document.setdefault("components", {})
    _replace_schemas(document)
    schemas: Json = components["schemas"]
    components["securitySchemes"] = {"key": _KEY}
    components["responses"] = {}
    document["security"] = [{"key": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(path, operation, components)
    for part in (document["paths"], schemas):
        drop_titles(part)


def _replace_schemas(document: Json) -> None:
    """Rename schemas, and replace the framework's errors by ours."""
    schemas: Json = document["components"].setdefault("schemas", {})
    for name in _FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    rename_schemas(document)
    schemas = document["components"]["schemas"]
    schemas.update(problem_schemas())
    for schema in schemas.values():
        if "examples" in schema:
            schema["examples"] = [
                with_nulls(value, schema, schemas) for value in schema["examples"]
            ]


def _complete_operation(path: str, operation: Json, components: Json) -> None:
    schemas: Json = components["schemas"]
    schemas.update(operation.pop(SCHEMAS, {}))
    if path in OPEN:
        operation["security"] = []
    common = common_problems(operation, is_open=path in OPEN)
    describe_problems(operation, common, components["responses"])
    describe_etag(operation)
    describe_language(operation)
    add_examples(operation, schemas)
