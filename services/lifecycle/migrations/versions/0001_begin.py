"""Ownership, outbox, dead letters; customers, events, transitions, hints, timers."""

from alembic import op

from shared.migrations import CORE_V1, execute

revision = "0001"
down_revision = None

PHASES = "('prospect', 'new', 'established', 'advocate', 'at_risk', 'inactive', 'former', 'won_back')"
EVENT_PARTITIONS = 8

SCRIPT = f"""
CREATE TABLE customer (
    customer text PRIMARY KEY,
    partition integer NOT NULL,
    phase text CONSTRAINT customer_phase CHECK (phase IN {PHASES}),
    version bigint NOT NULL CONSTRAINT customer_version CHECK (version >= 0),
    state json NOT NULL,
    parked text,
    merged_into text,
    key bigint NOT NULL,
    signed_up_at timestamptz,
    activated_at timestamptz
) WITH (fillfactor = 70);
COMMENT ON COLUMN customer.phase IS 'null: only events so far that create no customer';
COMMENT ON COLUMN customer.version IS 'records published for this customer';
COMMENT ON COLUMN customer.state IS 'as folded';
COMMENT ON COLUMN customer.parked IS 'why this customer''s events wait in the dead letters; null while they do not';
COMMENT ON COLUMN customer.merged_into IS 'the customer who stays; this one''s events go on to it';
COMMENT ON COLUMN customer.key IS 'hash of the customer, as its events have it';
COMMENT ON COLUMN customer.signed_up_at IS 'of the state: the first sign-up';
COMMENT ON COLUMN customer.activated_at IS 'of the state: the first product put to use';
CREATE TABLE event (
    customer_key bigint,
    event_key bigint,
    order_key bigint,
    time timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    act boolean NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (customer_key, event_key)
) PARTITION BY HASH (customer_key);
COMMENT ON COLUMN event.customer_key IS 'hash of the customer';
COMMENT ON COLUMN event.event_key IS 'hash of source and id';
COMMENT ON COLUMN event.order_key IS 'hash of the order that it names';
COMMENT ON COLUMN event.act IS 'the customer has acted, bought, clicked or paid';
COMMENT ON COLUMN event.body IS 'the record as it was read';
CREATE TABLE transition (
    customer text,
    version bigint,
    position integer,
    from_phase text CONSTRAINT transition_from_phase CHECK (from_phase IN {PHASES}),
    to_phase text NOT NULL CONSTRAINT transition_to_phase CHECK (to_phase IN {PHASES}),
    rule text NOT NULL,
    occurred_at timestamptz NOT NULL,
    withdrawn bigint,
    body bytea NOT NULL,
    PRIMARY KEY (customer, version, position)
);
COMMENT ON COLUMN transition.withdrawn IS 'version of the correction that voided it';
COMMENT ON COLUMN transition.body IS 'the transition as published, as JSON';
CREATE UNIQUE INDEX transition_current ON transition (customer, position) WHERE withdrawn IS NULL;
CREATE TABLE hint (
    customer text,
    name text,
    occasion text,
    at timestamptz NOT NULL,
    PRIMARY KEY (customer, name, occasion)
);
COMMENT ON COLUMN hint.occasion IS 'each is given once';
CREATE TABLE sighting (partition integer, type text, PRIMARY KEY (partition, type));
COMMENT ON COLUMN sighting.type IS 'the shop sends events of this type';
CREATE TABLE timer (customer text PRIMARY KEY, partition integer NOT NULL, due_at timestamptz NOT NULL)
    WITH (fillfactor = 70);
COMMENT ON COLUMN timer.due_at IS 'no deadline of the customer lies before';
CREATE INDEX timer_due ON timer (partition, due_at);
"""


def upgrade() -> None:
    execute(op, CORE_V1 + SCRIPT)
    for n in range(EVENT_PARTITIONS):
        op.execute(
            f"CREATE TABLE event_{n} PARTITION OF event FOR VALUES WITH (MODULUS {EVENT_PARTITIONS}, REMAINDER {n})"
        )


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing before it")
