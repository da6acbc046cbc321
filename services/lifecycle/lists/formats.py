"""The formats of an export, and which of them a client wants."""

import csv
import json
from collections.abc import Sequence
from enum import StrEnum
from io import StringIO
from typing import Any, Final, Protocol

from services.lifecycle.lists.schemas import ExportedCustomer

_MAX_WISHES: Final = 20
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
"""What a spreadsheet may take for a formula, and the mark that says it is none."""


class Format(StrEnum):
    """A media type that the list comes in."""

    JSON = "application/json"
    CSV = "text/csv"
    NDJSON = "application/x-ndjson"


def preferred_format(accept: str | None) -> Format:
    """The best of our formats by RFC 9110; JSON where nothing that we have is asked for.

    Of equal weights the more specific goes first, then the earlier.
    """
    found = list[tuple[float, bool, Format]]()
    for wish in (accept or "*/*").lower().split(",")[:_MAX_WISHES]:
        media, *parameters = (part.strip() for part in wish.split(";"))
        weight = next((_weight(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        if media in list(Format):
            found.append((weight, True, Format(media)))
        elif media in ("*/*", "application/*"):
            found.append((weight, False, Format.JSON))
    wanted = [wish for wish in found if wish[0] > 0]
    return max(wanted, key=lambda wish: wish[:2])[2] if wanted else Format.JSON


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


class Writer(Protocol):
    """Turns customers into bytes of a file."""

    def head(self) -> bytes:
        """What stands before the first customer."""

    def lines(self, customers: Sequence[ExportedCustomer]) -> bytes:
        """Some customers, each on a line of its own."""


class NdjsonWriter:
    """One JSON object a line."""

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def lines(self, customers: Sequence[ExportedCustomer]) -> bytes:
        """As the items of a page, with `as_of`."""
        return b"".join(customer.model_dump_json().encode() + b"\n" for customer in customers)


COLUMNS: Final = (
    "customer", "phase", "model", "view", "label", "since", "account", "causes", "value_amount", "value_currency",
    "orders", "next_to", "next_view", "next_label", "next_rule", "next_at", "version", "parked", "as_of",
)  # fmt: skip


class CsvWriter:
    """RFC 4180 in UTF-8 with a header row; what is null is empty, causes are a JSON array."""

    def head(self) -> bytes:
        """The names of the columns."""
        return _rows([COLUMNS])

    def lines(self, customers: Sequence[ExportedCustomer]) -> bytes:
        """One row each."""
        return _rows([_cells(customer) for customer in customers])


def _cells(customer: ExportedCustomer) -> list[str]:
    said = customer.model_dump(mode="json")
    value, move = said["value"] or {}, said["next_transition"] or {}
    said |= {f"value_{name}": part for name, part in value.items()} | {
        f"next_{name}": p for name, p in move.items()
    }
    said["causes"] = json.dumps(said["causes"], ensure_ascii=False) if said["causes"] else None
    return [_cell(said.get(name)) for name in COLUMNS]


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


WRITERS: Final[dict[Format, type[Writer]]] = {Format.CSV: CsvWriter, Format.NDJSON: NdjsonWriter}
"""Of each format that is a file."""

EXAMPLES: Final = {
    Format.CSV: ",".join(COLUMNS)
    + "\r\nada,at_risk,,at_risk,at risk,2024-04-20T12:00:00Z,b2c,"
    + '"[""silence""]",17970,EUR,3,inactive,inactive,inactive customer,fell_silent,2024-07-19T12:00:00Z,4,false,'
    + "2024-05-01T12:00:00Z\r\n",
    Format.NDJSON: '{"customer":"ada","phase":"at_risk","model":null,"view":"at_risk","label":"at risk",'
    '"since":"2024-04-20T12:00:00Z","account":"b2c","causes":["silence"],"value":{"amount":17970,"currency":"EUR"},'
    '"orders":3,"next_transition":{"to":"inactive","view":"inactive","label":"inactive customer",'
    '"rule":"fell_silent","at":"2024-07-19T12:00:00Z"},"version":4,"parked":false,"as_of":"2024-05-01T12:00:00Z"}\n',
}
"""One customer, as each format has it."""
