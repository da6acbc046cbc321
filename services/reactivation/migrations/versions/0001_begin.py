"""Ownership, outbox, dead letters, leases; what was read of customers, cases, offers, timers."""

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
COMMENT ON COLUMN customer.customer
    IS 'who has lapsed at least once, or become one with somebody; the row to lock';
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
    merged boolean NOT NULL DEFAULT false,
    pending boolean NOT NULL DEFAULT false,
    PRIMARY KEY (customer, version, position)
);
COMMENT ON COLUMN lapse.pending IS 'of a correction whose last part has not come yet';
COMMENT ON COLUMN lapse.withdrawn IS 'version of the correction that voided it';
COMMENT ON COLUMN lapse.merged
    IS 'voided only because its customer became another id: it counts there';
CREATE TABLE order_event (
    customer text,
    event_key bigint,
    action text NOT NULL,
    time timestamptz NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    details jsonb NOT NULL,
    codes text,
    PRIMARY KEY (customer, event_key)
);
COMMENT ON COLUMN order_event.event_key IS 'hash of source and id';
COMMENT ON COLUMN order_event.details IS 'shared.orders.facts.OrderDetails';
COMMENT ON COLUMN order_event.codes IS 'those that could be ours: canonical, between blanks';
CREATE TABLE permission (
    customer text,
    event_key bigint,
    time timestamptz NOT NULL,
    rank smallint NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    kind text NOT NULL
        CONSTRAINT permission_kind
        CHECK (kind IN ('signed_up', 'closed', 'consent_granted', 'consent_withdrawn',
                        'newsletter_subscribed', 'newsletter_unsubscribed')),
    PRIMARY KEY (customer, event_key)
);
COMMENT ON COLUMN permission.event_key IS 'hash of source and id';
COMMENT ON COLUMN permission.rank IS 'order within one instant';
CREATE TABLE merge (
    customer text,
    event_key bigint,
    time timestamptz NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    into_id text,
    PRIMARY KEY (customer, event_key)
);
COMMENT ON COLUMN merge.event_key IS 'hash of source and id';
COMMENT ON COLUMN merge.into_id IS 'null if the event ends a merge';
CREATE INDEX merge_into ON merge (into_id);
CREATE TABLE winback_case (
    id uuid PRIMARY KEY,
    customer text NOT NULL REFERENCES customer (customer),
    origin text NOT NULL,
    partition integer NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL
        CONSTRAINT winback_case_state
        CHECK (state IN ('open', 'offered', 'reopened', 'won_back', 'expired', 'let_go',
                         'cancelled')),
    opened_at timestamptz NOT NULL,
    rule text NOT NULL,
    phase text NOT NULL,
    cooldown_days integer NOT NULL,
    ended_at timestamptz,
    order_id text,
    with_code boolean,
    used_for text,
    reason text,
    CONSTRAINT winback_case_ended
        CHECK ((state IN ('open', 'offered', 'reopened')) = (ended_at IS NULL)),
    CONSTRAINT winback_case_won_back
        CHECK (state <> 'won_back' OR (order_id IS NOT NULL AND with_code IS NOT NULL)),
    CONSTRAINT winback_case_reason
        CHECK ((state IN ('cancelled', 'let_go')) = (reason IS NOT NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN winback_case.origin IS 'the id that it was opened for, before any merge';
COMMENT ON COLUMN winback_case.version IS 'records published about this case';
COMMENT ON COLUMN winback_case.opened_at IS 'when the customer lapsed';
COMMENT ON COLUMN winback_case.order_id IS 'the order that ended the case';
COMMENT ON COLUMN winback_case.used_for IS 'the order that the code is used for';
COMMENT ON COLUMN winback_case.reason IS 'why it was cancelled or let go';
CREATE UNIQUE INDEX winback_case_running ON winback_case (customer)
    WHERE state IN ('open', 'offered', 'reopened');
CREATE INDEX winback_case_origin ON winback_case (origin);
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
    reserved_by text,
    reserved_until timestamptz,
    CONSTRAINT offer_reserved CHECK ((reserved_for IS NULL) = (reserved_by IS NULL)),
    CONSTRAINT offer_reserved_until CHECK (reserved_until IS NULL OR reserved_for IS NOT NULL)
) WITH (fillfactor = 70);
COMMENT ON COLUMN offer.attributed_until IS 'until here a plain return counts as ours';
COMMENT ON COLUMN offer.reserved_for IS 'the order that the code was last put aside for';
COMMENT ON COLUMN offer.reserved_by IS 'the customer who did so, by the id of the request';
COMMENT ON COLUMN offer.reserved_until IS 'null once it is confirmed';
CREATE TABLE redemption (
    code text REFERENCES offer (code),
    order_id text,
    confirmed_at timestamptz,
    PRIMARY KEY (code, order_id, confirmed_at)
);
COMMENT ON COLUMN redemption.order_id IS 'the order that it was used for';
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
