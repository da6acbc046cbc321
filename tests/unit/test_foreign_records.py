"""No record that anybody can write stops a service or parks a customer.

FOREIGN_RECORDS says how many are tried: `make test RECORDS=20000`.
"""

import asyncio
import os
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.events.envelope import CONTROL
from shared.kafka.topics import TOPICS
from tests.support.foreign_records import AWFUL, FOREIGN, Raw, mutated
from tests.support.nearly_golden import FIELDS
from tests.support.record_readers import READS, follow, take_in

RECORDS: Final = int(os.environ.get("FOREIGN_RECORDS", "1000"))
MADE: Final = RECORDS // 10
AT_A_TIME: Final = 500


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.mark.parametrize("first", range(0, RECORDS - MADE, AT_A_TIME))
def test_golden_records_with_mutations_are_folded_or_dead_letters(
    first: int, loop: asyncio.AbstractEventLoop
) -> None:
    left = min(AT_A_TIME, RECORDS - MADE - first)
    random = Random(first)
    while left > 0:
        records = [mutated(random) for _ in range(random.randint(1, 4))]
        try:
            follow(records, loop)
        except Exception as error:
            error.add_note("\n".join(map(str, records)))
            raise
        left -= len(records)


# -- records made of anything ----------------------------------------------------------------------

TYPES: Final = sorted({golden["type"] for _, golden in FOREIGN} | CONTROL | {"no.such"})
RAW: Final = st.sampled_from([msgspec.Raw(text.encode()) for text in AWFUL])
VALUES: Final = st.recursive(
    st.one_of(RAW, st.text(max_size=9), st.integers(), st.floats(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=6,
)
DATA: Final = st.one_of(VALUES, st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
ENVELOPES: Final = st.fixed_dictionaries(
    {
        "id": st.one_of(st.just("e-1"), st.text(min_size=1, max_size=9), RAW),
        "source": st.one_of(st.just("/shop"), RAW),
        "type": st.one_of(st.sampled_from(TYPES), st.sampled_from(TYPES), RAW),
        "subject": st.one_of(st.just("bob"), st.just("bob"), VALUES),
        "time": st.one_of(st.just("2024-01-05T12:00:00Z"), st.datetimes().map(str), RAW),
        "data": DATA,
    },
    optional={
        "specversion": VALUES,
        "historical": VALUES,
        "traceparent": VALUES,
        "mergedfrom": st.one_of(st.just("old"), RAW),
        "mergedvia": VALUES,
    },
)


def encoded(value: Any) -> bytes:
    """JSON of whatever can be said in it; the rest of it is no JSON."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate
        return repr(value).encode(errors="surrogatepass")


MADE_RECORDS: Final = st.tuples(
    st.sampled_from(TOPICS),
    st.one_of(ENVELOPES.map(encoded), ENVELOPES.map(encoded), st.binary(max_size=99)),
)


@settings(max_examples=MADE, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MADE_RECORDS, min_size=1, max_size=2))
def test_records_made_of_anything_are_folded_or_dead_letters(records: list[Raw]) -> None:
    with asyncio.Runner() as runner:
        follow(records, runner.get_loop())


def test_every_service_reads_some_of_the_mutated_records_and_sets_others_aside() -> None:
    random = Random(1)
    records = [mutated(random) for _ in range(500)]
    for read in READS:
        portion = take_in(records, read)
        assert len(portion.events) > 50
        assert len(portion.dead) > 50
        assert {letter.reason for letter in portion.dead} >= {"undecodable", "invalid_data"}
