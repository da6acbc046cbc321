"""The formats of an export: which one a client prefers, and what each writes."""

import csv
import io
from typing import Any

import pytest

from services.lifecycle.lists.formats import (
    COLUMNS,
    EXAMPLES,
    WRITERS,
    CsvWriter,
    Format,
    preferred_format,
)
from services.lifecycle.lists.schemas import ExportedCustomer


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, Format.JSON),
        ("", Format.JSON),
        ("*/*", Format.JSON),
        ("text/html", Format.JSON),
        ("text/csv", Format.CSV),
        ("Text/CSV; header=present", Format.CSV),
        ("text/csv, */*", Format.CSV),
        ("*/*, application/x-ndjson", Format.NDJSON),
        ("text/csv;q=0.5, application/json", Format.JSON),
        ("text/csv;q=0.5, */*;q=0.6", Format.JSON),
        ("application/json, text/csv", Format.JSON),
        ("text/csv, application/json", Format.CSV),
        ("text/csv;q=0", Format.JSON),
        ("text/csv;q=many", Format.JSON),
        ("text/csv;q=1.1, application/x-ndjson;q=0.1", Format.NDJSON),
        ("application/x-ndjson;q=0.4, text/csv;q=0.6, text/html", Format.CSV),
        (", ".join(["text/html"] * 20 + ["text/csv"]), Format.JSON),
    ],
)
def test_the_format_is_what_the_client_likes_best(accept: str | None, wanted: Format) -> None:
    assert preferred_format(accept) is wanted


def test_the_examples_are_what_the_writers_write() -> None:
    customer = ExportedCustomer.model_validate_json(EXAMPLES[Format.NDJSON])
    for format, example in EXAMPLES.items():
        writer = WRITERS[format]()
        assert (writer.head() + writer.lines([customer])).decode() == example


def row(**values: Any) -> dict[str, str]:
    """The cells of the example with other values, by column."""
    customer = ExportedCustomer.model_validate_json(EXAMPLES[Format.NDJSON])
    writer = CsvWriter()
    lines = writer.head() + writer.lines([customer.model_copy(update=values)])
    (cells,) = csv.DictReader(io.StringIO(lines.decode(), newline=""))
    assert tuple(cells) == COLUMNS
    return cells


@pytest.mark.parametrize(
    ("customer", "cell"),
    [
        ("ada", "ada"),
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-x", "'-x"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'quoted", "''quoted"),
        ("a=1", "a=1"),
        ('say "hi", a', 'say "hi", a'),
        ("line\nbreak", "line\nbreak"),
    ],
)
def test_a_cell_is_never_a_formula(customer: str, cell: str) -> None:
    assert row(customer=customer)["customer"] == cell


def test_what_is_null_is_an_empty_cell() -> None:
    cells = row(value=None, next_transition=None, account=None, causes=[], parked=True)
    empty = {name for name, cell in cells.items() if cell == ""}
    assert empty == {
        "model",
        "account",
        "causes",
        "value_amount",
        "value_currency",
        "next_to",
        "next_view",
        "next_label",
        "next_rule",
        "next_at",
    }
    assert cells["parked"] == "true"


def test_causes_are_a_json_array_in_one_line() -> None:
    assert row(causes=["complaint:Jürgen\n7", "silence"])["causes"] == (
        '["complaint:Jürgen\\n7", "silence"]'
    )
