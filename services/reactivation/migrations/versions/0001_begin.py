"""Ownership, outbox, dead letters, leases; customers, lapses, purchases, cases, offers, timers."""

from alembic import op

from shared.database.migrations import CORE_V1, execute

revision = "0001"
down_revision = None

SCRIPT = """
CREATE TABLE customer (
    customer text PRIMARY KEY,
    partition integer NOT NULL,
    parked text
) WITH (fillfactor = 70);
COMMENT ON COLUMN customer.customer IS 'who has lapsed at least once; the row to lock';
COMMENT ON COLUMN customer.parked
    IS 'why this customer''s records wait in the dead letters; null if they do not';
CREATE TABLE lapse (
    customer text REFERENCES customer (customer),
    version bigint,
    position integer,
    occurred_at timestamptz NOT NULL,
    rule text NOT NULL,
    phase text NOT NULL CONSTRAINT lapse_phase CHECK (phase IN ('inactive', 'former')),
    historical boolean NOT NULL,
    withdrawn bigint,
    PRIMARY KEY (customer, version, position)
);
COMMENT ON COLUMN lapse.withdrawn IS 'version of the correction that voided it';
CREATE TABLE purchase (
    customer text,
    event_key bigint,
    time timestamptz NOT NULL,
    order_id text NOT NULL,
    coupon text,
    PRIMARY KEY (customer, event_key)
);
COMMENT ON COLUMN purchase.event_key IS 'hash of source and id';
COMMENT ON COLUMN purchase.coupon IS 'canonical; null unless it could be a code of ours';
CREATE TABLE winback_case (
    id uuid PRIMARY KEY,
    customer text NOT NULL REFERENCES customer (customer),
    partition integer NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL
        CONSTRAINT winback_case_state
        CHECK (state IN ('open', 'offered', 'won_back', 'expired', 'cancelled')),
    opened_at timestamptz NOT NULL,
    rule text NOT NULL,
    phase text NOT NULL,
    cooldown_days integer NOT NULL,
    ended_at timestamptz,
    order_id text,
    with_code boolean,
    used_for text,
    reason text,
    CONSTRAINT winback_case_ended CHECK ((state IN ('open', 'offered')) = (ended_at IS NULL)),
    CONSTRAINT winback_case_won_back
        CHECK (state <> 'won_back' OR (order_id IS NOT NULL AND with_code IS NOT NULL)),
    CONSTRAINT winback_case_reason CHECK ((state = 'cancelled') = (reason IS NOT NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN winback_case.version IS 'records published about this case';
COMMENT ON COLUMN winback_case.opened_at IS 'when the customer lapsed';
COMMENT ON COLUMN winback_case.order_id IS 'the order that ended the case';
COMMENT ON COLUMN winback_case.used_for IS 'the order that came in with the code';
COMMENT ON COLUMN winback_case.reason IS 'why it was cancelled';
CREATE UNIQUE INDEX winback_case_running ON winback_case (customer)
    WHERE state IN ('open', 'offered');
CREATE INDEX winback_case_newest ON winback_case (opened_at, id);
CREATE INDEX winback_case_state_newest ON winback_case (state, opened_at, id);
CREATE INDEX winback_case_customer ON winback_case (customer, opened_at, id);
CREATE TABLE offer (
    code text PRIMARY KEY,
    case_id uuid NOT NULL UNIQUE REFERENCES winback_case (id),
    percent integer NOT NULL CONSTRAINT offer_percent CHECK (percent BETWEEN 1 AND 100),
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attributed_until timestamptz NOT NULL,
    reserved_for text,
    reserved_until timestamptz,
    confirmed_for text,
    confirmed_at timestamptz,
    CONSTRAINT offer_reserved CHECK ((reserved_for IS NULL) = (reserved_until IS NULL)),
    CONSTRAINT offer_confirmed CHECK ((confirmed_for IS NULL) = (confirmed_at IS NULL)),
    CONSTRAINT offer_used_once CHECK (confirmed_for IS NULL OR reserved_for IS NULL)
) WITH (fillfactor = 70);
COMMENT ON COLUMN offer.attributed_until IS 'until here a plain return counts as ours';
COMMENT ON COLUMN offer.reserved_for IS 'the order that the code is put aside for';
COMMENT ON COLUMN offer.confirmed_for IS 'the order that the shop confirmed the code for';
CREATE TABLE timer (
    customer text PRIMARY KEY REFERENCES customer (customer),
    partition integer NOT NULL,
    due_at timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN timer.due_at IS 'the customer''s earliest deadline';
CREATE INDEX timer_due ON timer (partition, due_at);
"""


def upgrade() -> None:
    execute(op, CORE_V1 + SCRIPT)


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing before it")
