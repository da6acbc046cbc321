"""Every metric of the project, declared once; a process shows those it moves under `/metrics`."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS: Final = (1, 5, 10, 50, 100, 250, 500, 1000, 2000, 4000, 8000)

HTTP_REQUESTS: Final = Counter(
    "stammkunde_http_requests", "HTTP requests answered.", ["method", "route", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "stammkunde_http_seconds",
    "Seconds from an HTTP request to its response.",
    ["route"],
    buckets=_SECONDS,
)

EVENTS_ACCEPTED: Final = Counter(
    "stammkunde_events_accepted",
    "Events acknowledged by Kafka and confirmed in a receipt.",
    ["type"],
)
EVENTS_REJECTED: Final = Counter(
    "stammkunde_events_rejected", "Events refused in a receipt.", ["code"]
)
PUBLISH_SECONDS: Final = Histogram(
    "stammkunde_publish_seconds",
    "Seconds from the first event handed to Kafka to the last acknowledgement.",
    buckets=_SECONDS,
)
BODIES_UNDER_WAY: Final = Gauge(
    "stammkunde_bodies_under_way_bytes", "Bytes of bodies that arrived and are not yet answered."
)

BATCH_RECORDS: Final = Histogram(
    "stammkunde_batch_records", "Records applied in one batch.", buckets=_RECORDS
)
BATCH_SECONDS: Final = Histogram(
    "stammkunde_batch_seconds", "Seconds that the commit of one batch takes.", buckets=_SECONDS
)
RECORDS_APPLIED: Final = Counter(
    "stammkunde_records_applied", "Records committed with their effects.", ["topic"]
)
RECORDS_BEHIND: Final = Gauge(
    "stammkunde_records_behind",
    "Records in the log that this worker has not applied yet.",
    ["topic", "partition"],
)
RETRIES: Final = Counter(
    "stammkunde_retries",
    "Sessions ended by a transient failure (Retryable) or a lost partition (Fenced).",
    ["reason"],
)
EPOCH: Final = Gauge(
    "stammkunde_owner_epoch", "The epoch under which this worker owns a partition.", ["partition"]
)
CLOCK: Final = Gauge(
    "stammkunde_clock_timestamp_seconds",
    "A partition's clock, in seconds since 1970.",
    ["partition"],
)

DEAD_LETTERS: Final = Counter(
    "stammkunde_dead_letters", "Records put into the dead letters.", ["reason"]
)
STOPPED: Final = Gauge(
    "stammkunde_stopped", "1 while a topic's partition has stopped.", ["topic", "partition"]
)
LOGS_NOT_COMPARED: Final = Counter(
    "stammkunde_logs_not_compared",
    "Take-overs of a topic's partition whose last applied record is not in the log any more.",
    ["topic"],
)
PARKED: Final = Counter(
    "stammkunde_customers_parked", "Customers parked because their fold failed."
)

OUTBOX_PUBLISHED: Final = Counter(
    "stammkunde_outbox_published", "Records published from the outbox.", ["topic"]
)
OUTBOX_QUARANTINED: Final = Counter(
    "stammkunde_outbox_quarantined",
    "Records that Kafka refused: they wait, and all later ones of their customers.",
)
OUTBOX_RETRIES: Final = Counter(
    "stammkunde_outbox_retries", "Failures to publish rows of a partition, to be tried again."
)

TRANSITIONS: Final = Counter("stammkunde_transitions", "Phase transitions recorded.", ["rule"])
CORRECTIONS: Final = Counter(
    "stammkunde_corrections", "Corrections of histories after late or withdrawn events."
)
WITHOUT_EFFECT: Final = Counter(
    "stammkunde_events_without_effect",
    "Events that had no effect when they came, or wait for their order.",
    ["reason"],
)
DEADLINES_FIRED: Final = Counter(
    "stammkunde_deadlines_fired", "Deadlines that fell due and have been applied."
)
FITS: Final = Counter(
    "stammkunde_fits",
    "Fits of the cadence model, by outcome: accepted, refused or failed.",
    ["outcome"],
)
BACKGROUND_FAILURES: Final = Counter(
    "stammkunde_background_failures",
    "Rounds of background work that failed and are tried again.",
    ["work"],
)
