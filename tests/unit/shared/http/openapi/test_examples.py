"""Examples that are built from those of their parts."""

from typing import Any

import pytest

from shared.http.openapi.examples import add_examples, example, with_nulls

MONEY = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "examples": [1999]},
        "currency": {"type": "string", "examples": ["EUR"]},
    },
}
SCHEMAS = {"Money": MONEY}
REFERENCE = {"$ref": "#/components/schemas/Money"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"examples": ["a", "b"], "default": "c"}, "a"),
        (REFERENCE, {"amount": 1999, "currency": "EUR"}),
        ({"default": None}, None),
        ({"const": "x"}, "x"),
        ({"enum": ["new", "former"]}, "new"),
        ({"anyOf": [REFERENCE, {"type": "null"}]}, {"amount": 1999, "currency": "EUR"}),
        ({"type": "array", "items": {"type": "boolean"}}, [False]),
        ({"type": "string", "format": "date"}, "2024-05-01"),
    ],
)
def test_an_example_is_built_from_its_parts(schema: dict[str, Any], expected: object) -> None:
    assert example(schema, SCHEMAS) == expected


def test_a_part_without_an_example_leaves_the_whole_without_one() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    with pytest.raises(LookupError):
        example(schema, {})
    operation = {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}
    add_examples(operation, {})
    assert operation["responses"]["200"]["content"]["application/json"] == {"schema": schema}


def test_the_example_of_a_route_stays() -> None:
    content = {"schema": REFERENCE, "example": "mine"}
    operation: dict[str, Any] = {
        "requestBody": {"content": {"application/json": content}},
        "responses": {"200": {"content": {"application/json": {"schema": REFERENCE}}}},
    }
    add_examples(operation, SCHEMAS)
    assert content["example"] == "mine"
    answer = operation["responses"]["200"]["content"]["application/json"]
    assert answer["example"] == {"amount": 1999, "currency": "EUR"}


def test_fields_that_are_null_come_back_at_every_depth() -> None:
    nullable = {"anyOf": [REFERENCE, {"type": "null"}]}
    case = {"properties": {"paid": nullable, "note": nullable, "lines": {"items": REFERENCE}}}
    schemas = {"Money": {"properties": {**MONEY["properties"], "rate": nullable}}}  # type: ignore[dict-item]
    written = {"paid": {"amount": 1}, "lines": [{"amount": 2}]}
    assert with_nulls(written, case, schemas) == {
        "paid": {"amount": 1, "rate": None},
        "note": None,
        "lines": [{"amount": 2, "rate": None}],
    }
