"""What is true of the simulated world and nobody could observe: what every customer does with an offer and without."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from shared.simulator.person.life import Life, Silence
from shared.simulator.person.outcomes import (
    CELLS,
    ENDS,
    WINDOW_DAYS,
    Cell,
    Duration,
    Incentive,
    reaction,
)
from shared.simulator.shop import Shop
from shared.simulator.world.calendar import DAY, OPENING, text
from shared.simulator.world.parameters import LONGEST_SILENCE

_encode: Final = msgspec.json.Encoder().encode
_BEGINS: Final = (0, *(end for _, end in ENDS))
_SPANS: Final = tuple(zip(Duration, _BEGINS, (*_BEGINS[1:], LONGEST_SILENCE), strict=True))
"""Each duration with its first and last second of silence."""


def head(shop: Shop) -> Iterator[bytes]:
    """The first lines: what was simulated, and the effect in every cell."""
    yield _encode(
        {
            "kind": "world",
            "customers": shop.customers,
            "months": shop.months,
            "seed": shop.seed,
            "begins": OPENING,
            "ends": text(shop.span),
            "window_days": WINDOW_DAYS,
        }
    )
    for cell in CELLS:
        inside, at_end = (cell.without, cell.with_offer), cell.at_end
        yield _encode(
            {"kind": "cell", **_names(cell), **_pair("", inside), **_pair("_at_end", at_end)}
        )


def of(shop: Shop, life: Life) -> bytes | None:
    """The line of a customer: every silence, and both outcomes in each cell that it passes through.

    None if there was no silence.
    """
    if not life.silences:
        return None
    silences = [_silence(shop.seed, life, silence) for silence in life.silences]
    return _encode({"kind": "customer", "customer": life.person.customer, "silences": silences})


def _silence(seed: int, life: Life, silence: Silence) -> dict[str, Any]:
    until = min(silence.lasts, life.end - silence.since)
    passed = [span for span in _SPANS if span[1] < until and span[2] > silence.begins]
    return {
        "since": text(silence.since),
        "value": silence.value,
        "returns_after_days": _days(silence.lasts),
        "outcomes": [_outcome(seed, life, silence, span) for span in passed],
    }


def _outcome(
    seed: int, life: Life, silence: Silence, span: tuple[Duration, int, int]
) -> dict[str, Any]:
    """`without`: the day of silence on which the customer returns unasked, if in this cell; `with`: the order comes so
    many days after an offer with one of these incentives, and with any other nothing changes."""
    duration, begin, end = span
    tried = {
        i: reaction(seed, life.person.customer, Cell(duration, silence.value, i)) for i in Incentive
    }
    moved = {incentive: found for incentive, found in tried.items() if found}
    after = next(iter(moved.values())).after if moved else None
    return {
        "duration": duration,
        "without": _days(silence.lasts) if begin < silence.lasts <= end else None,
        "with": {"after_days": _days(after), "incentives": list(moved)} if after else None,
    }


def _names(cell: Cell) -> dict[str, str]:
    return {"duration": cell.duration, "value": cell.value, "incentive": cell.incentive}


def _days(seconds: int) -> float:
    return round(seconds / DAY, 3)


def _pair(when: str, probabilities: tuple[float, float]) -> dict[str, float]:
    without, with_offer = probabilities
    return {f"without{when}": round(without, 6), f"with{when}": round(with_offer, 6)}
