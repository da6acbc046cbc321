"""The formats of an export, and which of them a client prefers."""

import csv
import json
from collections.abc import Sequence
from enum import StrEnum
from io import StringIO
from typing import Any, Final, NamedTuple, Protocol

from services.lifecycle.lists.schemas import ExportedCustomer

_MAX_RANGES: Final = 20
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
"""What a spreadsheet may take for the beginning of a formula, and the mark of plain text."""


class Format(StrEnum):
    """A media type that the list comes in."""

    JSON = "application/json"
    CSV = "text/csv"
    NDJSON = "application/x-ndjson"


class _Preference(NamedTuple):
    """A range of media types that a client accepts. Preferences sort by weight, then exactness."""

    weight: float
    is_exact: bool
    format: Format


def preferred_format(accept: str | None) -> Format:
    """The best of our formats by RFC 9110; JSON if the client accepts none of them.

    Among equal weights, the more specific range wins, then the earlier one.
    """
    ranges = (accept or "*/*").lower().split(",")[:_MAX_RANGES]
    preferences = [preference for text in ranges if (preference := _parse_range(text))]
    best = max(preferences, key=lambda preference: preference[:2], default=None)
    return best.format if best else Format.JSON


def _parse_range(text: str) -> _Preference | None:
    """One range of an `Accept` header; None if it names none of our formats, or refuses it."""
    media, *parameters = (part.strip() for part in text.split(";"))
    weight = next((_weight(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
    if weight == 0:
        return None
    if media in list(Format):
        return _Preference(weight, True, Format(media))
    if media in ("*/*", "application/*"):
        return _Preference(weight, False, Format.JSON)
    return None


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


class Writer(Protocol):
    """Turns customers into the bytes of a file."""

    def head(self) -> bytes:
        """What comes before the first customer."""

    def lines(self, customers: Sequence[ExportedCustomer]) -> bytes:
        """Some customers, each on a line of its own."""


class NdjsonWriter:
    """One JSON object a line."""

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def lines(self, customers: Sequence[ExportedCustomer]) -> bytes:
        """The items of a page, each with `as_of`."""
        return b"".join(customer.model_dump_json().encode() + b"\n" for customer in customers)


COLUMNS: Final = (
    "customer",
    "phase",
    "model",
    "view",
    "label",
    "since",
    "account",
    "causes",
    "value_amount",
    "value_currency",
    "orders",
    "next_to",
    "next_view",
    "next_label",
    "next_rule",
    "next_at",
    "version",
    "parked",
    "as_of",
)


class CsvWriter:
    """RFC 4180 in UTF-8 with a header row; null is an empty cell, and causes are a JSON array."""

    def head(self) -> bytes:
        """The names of the columns."""
        return _rows([COLUMNS])

    def lines(self, customers: Sequence[ExportedCustomer]) -> bytes:
        """One row for each customer."""
        return _rows([_cells(customer) for customer in customers])


def _cells(customer: ExportedCustomer) -> list[str]:
    values = customer.model_dump(mode="json")
    for name, part in (values["value"] or {}).items():
        values[f"value_{name}"] = part
    for name, part in (values["next_transition"] or {}).items():
        values[f"next_{name}"] = part
    causes = values["causes"]
    values["causes"] = json.dumps(causes, ensure_ascii=False) if causes else None
    return [_cell(values.get(name)) for name in COLUMNS]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_DANGEROUS):
        return f"'{value}"
    return "" if value is None else str(value)


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    out = StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


WRITERS: Final[dict[Format, type[Writer]]] = {
    Format.CSV: CsvWriter,
    Format.NDJSON: NdjsonWriter,
}
"""By format, for the formats that are files."""

_CSV_EXAMPLE: Final = (
    f"{','.join(COLUMNS)}\r\n"
    "ada,at_risk,,at_risk,at risk,2024-04-20T12:00:00Z,b2c,"
    '"[""silence""]",17970,EUR,3,'
    "inactive,inactive,inactive customer,fell_silent,2024-07-19T12:00:00Z,"
    "4,false,2024-05-01T12:00:00Z\r\n"
)
_NDJSON_EXAMPLE: Final = (
    '{"customer":"ada","phase":"at_risk","model":null,"view":"at_risk","label":"at risk",'
    '"since":"2024-04-20T12:00:00Z","account":"b2c","causes":["silence"],'
    '"value":{"amount":17970,"currency":"EUR"},"orders":3,'
    '"next_transition":{"to":"inactive","view":"inactive","label":"inactive customer",'
    '"rule":"fell_silent","at":"2024-07-19T12:00:00Z"},'
    '"version":4,"parked":false,"as_of":"2024-05-01T12:00:00Z"}\n'
)
EXAMPLES: Final = {Format.CSV: _CSV_EXAMPLE, Format.NDJSON: _NDJSON_EXAMPLE}
"""One customer in each format."""
