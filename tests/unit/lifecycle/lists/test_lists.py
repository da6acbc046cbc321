"""Lists in small: which format is wanted, and what a cause is."""

import pytest

from services.lifecycle.lists.filters import Cause, Filters
from services.lifecycle.lists.formats import EXAMPLES, WRITERS, Format, preferred_format
from services.lifecycle.lists.schemas import ExportedCustomer


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, Format.JSON),
        ("*/*", Format.JSON),
        ("text/html", Format.JSON),
        ("text/csv", Format.CSV),
        ("Text/CSV; header=present", Format.CSV),
        ("text/csv, */*", Format.CSV),
        ("*/*, application/x-ndjson", Format.NDJSON),
        ("text/csv;q=0.5, application/json", Format.JSON),
        ("application/json, text/csv", Format.JSON),
        ("text/csv;q=0", Format.JSON),
        ("text/csv;q=many", Format.JSON),
        ("application/x-ndjson;q=0.4, text/csv;q=0.6, text/html", Format.CSV),
    ],
)
def test_the_format_is_what_the_client_likes_best(accept: str | None, wanted: Format) -> None:
    assert preferred_format(accept) is wanted


def test_the_examples_are_what_the_writers_write() -> None:
    customer = ExportedCustomer.model_validate_json(EXAMPLES[Format.NDJSON])
    for format, example in EXAMPLES.items():
        writer = WRITERS[format]()
        assert (writer.head() + writer.lines([customer])).decode() == example


def test_a_cause_means_names_where_these_are_known() -> None:
    assert Cause.parse("silence").names == ["silence"]
    assert Cause.parse("score").names == ["score:nps", "score:csat", "score:review"]
    assert Cause.parse("complaint:a:b").names == ["complaint:a:b"]
    assert Cause.parse("complaint").names is None
    assert Filters(cause=Cause("silence")).phases == ("at_risk",)
