"""Names and titles of schemas in a document."""

from typing import Any

import pytest

from shared.http.openapi.schemas import drop_titles, rename_schemas


def document(*names: str, **schemas: Any) -> dict[str, Any]:
    empty = {name: dict[str, Any]() for name in names}
    return {"components": {"schemas": {**empty, **schemas}}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CaseView", "CaseView"),
        ("Page_CaseView_", "PageCaseView"),
        ("services__lifecycle__simulations__schemas__State", "SchemasState"),
        ("services__lifecycle__simulations_schemas__State", "SimulationsState"),
    ],
)
def test_a_schema_has_a_name_of_one_word(name: str, expected: str) -> None:
    made = document(name)
    rename_schemas(made)
    assert list(made["components"]["schemas"]) == [expected]


def test_references_follow_their_schema_wherever_they_stand() -> None:
    place = "#/components/schemas/Page_A_"
    made = document(Page_A_={}, B={"items": [{"$ref": place}], "mapping": {"a": place}})
    rename_schemas(made)
    renamed = "#/components/schemas/PageA"
    assert made["components"]["schemas"]["B"] == {
        "items": [{"$ref": renamed}],
        "mapping": {"a": renamed},
    }


@pytest.mark.parametrize("names", [("Page_A_", "PageA"), ("Page_A_", "Page__A")])
def test_two_schemas_never_get_one_name(names: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="PageA"):
        rename_schemas(document(*names))


def test_titles_go_but_fields_and_values_of_that_name_stay() -> None:
    schema = {
        "title": "Case",
        "properties": {"title": {"title": "Title", "type": "string"}},
        "examples": [{"title": "Dr."}],
    }
    drop_titles(schema)
    assert schema == {
        "properties": {"title": {"type": "string"}},
        "examples": [{"title": "Dr."}],
    }
