"""Stammkunde lifecycle: what it takes and gives, and its operations.

Made from docs/openapi/lifecycle.json by `make documents`.
"""
# ruff: noqa: A002, E501, RUF100

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import date, datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from shared.client.http import AsyncClient, Client, segment
from shared.client.streams import StreamEvent


class ActivationRequest(TypedDict):
    """The instant from which a policy is to judge."""

    at: NotRequired[str | None]


class ActivationView(TypedDict):
    """One activation of a policy."""

    number: int
    at: str | None
    made_at: str


Phase: TypeAlias = Literal[
    "prospect", "new", "established", "advocate", "at_risk", "inactive", "former", "won_back"
]
"""The phase of a customer; None where the customer is not yet known."""


class BestBuyers(TypedDict):
    """The best buyers in one currency."""

    currency: str
    share: float | None
    buyers: int
    best_buyers: int
    revenue: int
    best_revenue: int


class CadenceOutlook(TypedDict):
    """What the cadence model expects of the customer, with its horizon and currency."""

    p_alive: float
    p_no_purchase: float
    expected_orders_12m: float
    expected_value: float | None
    clv: float | None
    fit: int
    horizon_days: int
    currency: str


class FailureView(TypedDict):
    """A nightly fit that could not be made at all."""

    at: str
    reason: str


class Guards(TypedDict):
    """What a fit needs in order not to be refused."""

    customers: NotRequired[int]
    repeats: NotRequired[int]
    drop_out: NotRequired[float]


class CauseCounts(TypedDict):
    """Moves to at_risk by the kind of their causes, up to an instant."""

    as_of: str
    counts: dict[str, int]


class CauseView(TypedDict):
    """One cause of being at risk."""

    cause: str
    means: str
    ends_with: str


class CheckView(TypedDict):
    """The daily counts of transitions, compared with the transitions themselves."""

    rows: int
    differing: int
    equal: bool


class ChurnValue(TypedDict):
    """How many active customers are lost."""

    value: float | None
    active_at_begin: int
    lost: int


class ScoreView(TypedDict):
    """What one model of silence makes of the purchases."""

    customers_warned: int
    mean_lead_days: float | None
    false_alarms: int
    false_alarm_share: float | None


class Topic(TypedDict):
    """Complaints about one topic beside their baseline."""

    topic: str
    complaints: int
    expected: float | None
    weekly_mean: float | None
    weekly_spread: float | None
    probability: float | None
    above: bool


class ConversionValue(TypedDict):
    """How many prospects become customers."""

    value: float | None
    prospects: int
    converted: int


class CsatValue(TypedDict):
    """How satisfied customers are."""

    value: float | None
    mean: float | None
    satisfied: int
    customers: int


Model: TypeAlias = Literal["six_phase", "five_phase", "three_stage", "cxm", "activity"]
"""A model of the literature."""


class MoneyView(TypedDict):
    """An amount of money."""

    amount: int
    currency: str


class OutlookView(TypedDict):
    """What the cadence model expects of a customer at `as_of`."""

    p_alive: float
    p_no_purchase: float
    expected_orders_12m: float
    expected_value: float | None
    clv: float | None
    fit: int


class PolicyView(TypedDict):
    """A version of a policy."""

    name: str
    version: int


class DeadLetterEntry(TypedDict):
    """An event that was set aside: it is not part of the customer's history."""

    type: str
    time: str
    recorded_at: str
    source: str
    id: str
    historical: bool
    merged_from: str | None
    data: Any
    kind: NotRequired[Literal["dead_letter"]]
    reason: str
    because: str


class Difference(TypedDict):
    """A field in which two policies differ."""

    field: str
    unit: str | None
    one: str | int | float | None
    other: str | int | float | None


class DwellingStepView(TypedDict):
    """A day of age at which stays ended."""

    day: int
    at_risk: int
    ended: int
    survival: float


EventEffect: TypeAlias = Literal["taken", "without_effect", "waiting", "test"]
"""Whether the history takes an event into account."""


class EventRefView(TypedDict):
    """One of the customer's events."""

    source: str
    id: str


class EventView(TypedDict):
    """One event of the customer."""

    type: str
    time: str
    recorded_at: str
    source: str
    id: str
    historical: bool
    merged_from: str | None
    data: Any


class ExpectedValue(TypedDict):
    """What the active customers are expected to buy."""

    value: NotRequired[float | None]
    currency: NotRequired[str | None]
    reason: NotRequired[str | None]
    orders: NotRequired[float | None]
    customers: NotRequired[int | None]
    without_value: NotRequired[int | None]
    fit: NotRequired[int | None]


class FiredView(TypedDict):
    """How often a rule fired in a month."""

    rule: str
    month: str
    live: int
    candidate: int


class Responses(TypedDict):
    """How long customers waited for first responses."""

    median_hours: float | None
    share_within_2_hours: float | None
    opened: int
    responded: int
    within_2_hours: int
    open: int
    open_over_2_hours: int


class ParametersView(TypedDict):
    """The parameters of MBG/NBD (time in weeks) and Gamma-Gamma (money in minor units)."""

    r: float
    alpha: float
    a: float
    b: float
    p: float | None
    q: float | None
    gamma: float | None
    currency: str | None
    log_likelihood: float | None
    no_values: str | None


Span: TypeAlias = Literal["day", "week", "month"]
"""What moves are counted by."""

Unit: TypeAlias = Literal[
    "share", "customers", "transitions", "topics", "days", "hours", "points", "minor_units"
]
"""What a headline counts."""


class HintCounts(TypedDict):
    """Hints by name, up to an instant."""

    as_of: str
    counts: dict[str, int]


class HintEntry(TypedDict):
    """A hint that was given to the shop."""

    kind: NotRequired[Literal["hint"]]
    time: str
    name: str
    occasion: str


class Lookup(TypedDict):
    """Which customers to look up."""

    customers: list[str]


class NpsValue(TypedDict):
    """How many more promoters than detractors there are."""

    value: float | None
    promoters: int
    passives: int
    detractors: int
    customers: int


class WayView(TypedDict):
    """One way in which the rule may fire: what is lacking, and what brings it about."""

    lacks: str
    on: list[str]
    deadline: str | None


PeriodView = TypedDict("PeriodView", {"from": str, "to": str})
"""Whole UTC days, half-open."""


class PartitionState(TypedDict):
    """How far a service has applied a partition of a topic."""

    topic: str
    partition: int
    next_offset: int
    stopped: str | None
    clock: str
    epoch: int


class PartitionProgress(TypedDict):
    """How many customers of a partition follow the activations up to `target`, and the rules."""

    partition: int
    target: int
    edition: int
    done: int
    total: int
    finished: bool


class PolicyDocument(TypedDict):
    """A policy; fields left out are as in the built-in one. Days are 24 hours."""

    name: NotRequired[str]
    version: NotRequired[int | None]
    account: NotRequired[Literal["b2c", "b2b"] | None]
    currency: NotRequired[str]
    silence: NotRequired[Literal["fixed", "cadence", "auto"]]
    at_risk_days: NotRequired[int]
    inactive_days: NotRequired[int]
    established_after_orders: NotRequired[int]
    settle_after_orders: NotRequired[int]
    former_after_inactive_days: NotRequired[int]
    prospect_days: NotRequired[int]
    advocate_days: NotRequired[int]
    complaint_overdue_hours: NotRequired[int]
    revenue_decline_share: NotRequired[float]
    contact_days: NotRequired[int]
    renewal_grace_days: NotRequired[int]
    act_within_days: NotRequired[int]
    active_days: NotRequired[int]
    survey_days: NotRequired[int]
    onboarding_days: NotRequired[int]
    renewal_notice_days: NotRequired[int]
    incentive_days: NotRequired[int]
    answer_hours: NotRequired[int]
    notice_days: NotRequired[int]
    horizon_days: NotRequired[int]
    risk_probability: NotRequired[float]
    inactive_probability: NotRequired[float]
    min_at_risk_days: NotRequired[int]
    discount_rate: NotRequired[float]
    default_margin_rate: NotRequired[float]
    free_orders_count: NotRequired[bool]


PolicyState: TypeAlias = Literal["draft", "active", "scheduled", "superseded"]
"""Whether a version of a policy was never activated, judges, will judge, or no longer does."""


class PolicyName(TypedDict):
    """A version of a policy."""

    name: str
    version: int


class ProgressView(TypedDict):
    """The progress of a simulation."""

    done: int
    total: int | None
    events: int


class RebuildView(TypedDict):
    """What a rebuild has found and done."""

    rows: int
    differing: int
    equal: bool
    dropped: int


class RecommendationValue(TypedDict):
    """How many customers recommend the shop with success."""

    value: float | None
    recommending: int
    referrals: int
    active: int


class RenewalValue(TypedDict):
    """How many contracts are renewed."""

    value: float | None
    possible: int
    renewed: int
    pending: int


class RepurchaseValue(TypedDict):
    """How many buyers buy again."""

    value: float | None
    buyers: int
    repeat_buyers: int
    orders: int


class Requested(TypedDict):
    """The request was accepted and will be carried out."""

    status: NotRequired[Literal["requested"]]


class RetentionValue(TypedDict):
    """How many active customers stay."""

    value: float | None
    active_at_begin: int
    kept: int


class RuleCounts(TypedDict):
    """Transitions of the current histories by rule, up to an instant."""

    as_of: str
    counts: dict[str, int]
    total: int


SimulationState: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]
"""The state of a simulation; the last three are final."""


class WithoutEffectCounts(TypedDict):
    """Events that change nothing, by the reason that holds by now."""

    as_of: str
    without_effect: dict[str, int]
    waiting: dict[str, int]


class ActiveValue(TypedDict):
    """How many customers there are at the end of the period."""

    value: float
    passive: int
    active_at_begin: int
    passive_at_begin: int
    advocates_without_order: int
    phases: dict[str, int]


class CellView(TypedDict):
    """How many customers are in one phase by the live history, in the other by the candidate's."""

    live: Phase | None
    candidate: Phase | None
    customers: int


class EnteredView(TypedDict):
    """How often a phase was entered."""

    phase: Phase
    live: int
    candidate: int


FlowView = TypedDict("FlowView", {"from": Phase | None, "to": Phase, "transitions": int})
"""The number of transitions from one phase to another."""


class NextTransition(TypedDict):
    """The next transition by time alone, if nothing else happens before."""

    to: Phase
    view: str
    label: str
    rule: str
    at: str


SimulationStepView = TypedDict(
    "SimulationStepView", {"occurred_at": str, "rule": str, "from": Phase | None, "to": Phase}
)
"""One transition of a history."""


class BestShareValue(TypedDict):
    """How much of the revenue the best fifth of the buyers brings."""

    value: float | None
    currencies: list[BestBuyers]


ChurnFigure = TypedDict(
    "ChurnFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["churn"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": ChurnValue,
    },
)
"""How many active customers are lost."""


class ComparisonView(TypedDict):
    """Fixed days and cadence on the same purchases; contracts and other causes are left aside."""

    since: str
    as_of: str
    horizon_days: int
    purchases: int
    lost: int
    returning: int
    fixed: ScoreView
    cadence: ScoreView
    matched: ScoreView
    matched_days: int


class ComplaintValue(TypedDict):
    """What customers complain about."""

    value: float | None
    complaints: int
    without_topic: int
    baseline_weeks: int
    topics: list[Topic]


ConversionFigure = TypedDict(
    "ConversionFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["conversion"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": ConversionValue,
    },
)
"""How many prospects become customers."""

CsatFigure = TypedDict(
    "CsatFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["csat"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": CsatValue,
    },
)
"""How satisfied customers are."""


class PhaseAt(TypedDict):
    """A customer's phase at `as_of`, as it was known when the clock stood at `known_at`."""

    customer: str
    phase: NotRequired[Phase | None]
    model: Model | None
    view: NotRequired[str | None]
    label: NotRequired[str | None]
    since: NotRequired[str | None]
    episode: NotRequired[int | None]
    rule: NotRequired[str | None]
    version: NotRequired[int | None]
    position: NotRequired[int | None]
    reason: NotRequired[Literal["not_yet_customer", "not_yet_known"] | None]
    as_of: str
    known_at: str


class PhaseCounts(TypedDict):
    """Customers by phase, or by what the phase is in a model, at an instant."""

    as_of: str
    model: Model | None
    counts: dict[str, int]
    labels: dict[str, str]


class OrderView(TypedDict):
    """The order that caused a transition."""

    order_id: str
    total: MoneyView
    coupon: NotRequired[str | None]


class DwellView(TypedDict):
    """Stays in one phase that began in the period."""

    phase: Phase
    stays: int
    ended: int
    median_days: int | None
    survival: list[DwellingStepView]


class EventEntry(TypedDict):
    """An event."""

    type: str
    time: str
    recorded_at: str
    source: str
    id: str
    historical: bool
    merged_from: str | None
    data: Any
    kind: NotRequired[Literal["event"]]
    effect: EventEffect
    reason: str | None
    because: str | None


class TransitionEvidence(TypedDict):
    """Why a transition happened: the events, or the deadline that passed."""

    events: NotRequired[list[EventRefView]]
    deadline: NotRequired[str | None]


class EvidenceView(TypedDict):
    """Why the customer is in the phase: the events themselves, or the deadline that passed."""

    because: str
    events: list[EventView]
    deadline: str | None


ExpectedRevenueFigure = TypedDict(
    "ExpectedRevenueFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["expected_revenue"],
        "unit": Literal["minor_units"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": ExpectedValue,
    },
)
"""What the active customers are expected to buy."""


class FirstResponseValue(TypedDict):
    """How long customers wait."""

    value: float | None
    together: Responses
    complaints: Responses
    inquiries: Responses


class FitView(TypedDict):
    """One fit: accepted with its parameters, or refused with the reason."""

    version: int
    accepted: bool
    reason: str | None
    effective_at: str
    made_at: str
    customers: int
    repeats: int
    parameters: ParametersView | None


class HeadlineView(TypedDict):
    """A figure of the period, with that of the period before."""

    name: str
    unit: Unit
    value: float | None
    before: float | None
    currency: str | None
    currency_before: str | None
    computed_at: str
    recomputed_at: str | None


NpsFigure = TypedDict(
    "NpsFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["nps"],
        "unit": Literal["points"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": NpsValue,
    },
)
"""How many more promoters than detractors there are."""


class OpenRule(TypedDict):
    """A rule that could fire next, and the ways to it."""

    rule: str
    to: Phase
    view: str
    label: str
    ways: list[WayView]


class PartitionPage(TypedDict):
    """Partitions, by topic and number."""

    items: list[PartitionState]
    next_cursor: str | None


class RearmingView(TypedDict):
    """How many customers follow the last activation, and the rules of this version, by now."""

    done: int
    total: int
    finished: bool
    partitions: list[PartitionProgress]


SimulationRequest = TypedDict(
    "SimulationRequest",
    {
        "policy": PolicyDocument,
        "from": str,
        "to": NotRequired[str | None],
        "account": NotRequired[Literal["b2c", "b2b"] | None],
    },
)
"""Which policy to try, and on what part of the past."""


class PolicyDetail(TypedDict):
    """A version of a policy in full."""

    name: str
    version: int
    account: str | None
    state: PolicyState
    since: str | None
    created_at: str
    document: PolicyDocument
    activations: list[ActivationView]
    as_of: str


class PolicySummary(TypedDict):
    """A version of a policy, and its state."""

    name: str
    version: int
    account: str | None
    state: PolicyState
    since: str | None
    created_at: str


class PolicyDiff(TypedDict):
    """The differences between two policies, apart from name and version."""

    one: PolicyName
    other: PolicyName
    differences: list[Difference]


RecommendationRateFigure = TypedDict(
    "RecommendationRateFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["recommendation_rate"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": RecommendationValue,
    },
)
"""How many customers recommend the shop with success."""

RenewalRateFigure = TypedDict(
    "RenewalRateFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["renewal_rate"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": RenewalValue,
    },
)
"""How many contracts are renewed."""

RepurchaseFigure = TypedDict(
    "RepurchaseFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["repurchase"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": RepurchaseValue,
    },
)
"""How many buyers buy again."""

RetentionFigure = TypedDict(
    "RetentionFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["retention"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": RetentionValue,
    },
)
"""How many active customers stay."""

SimulationSummary = TypedDict(
    "SimulationSummary",
    {
        "id": str,
        "policy": PolicyDocument,
        "from": str,
        "to": str,
        "account": str | None,
        "state": SimulationState,
        "reason": str | None,
        "progress": ProgressView,
        "created_at": str,
        "started_at": str | None,
        "ended_at": str | None,
    },
)
"""A simulation, without its report."""

ActivePassiveFigure = TypedDict(
    "ActivePassiveFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["active_passive"],
        "unit": Literal["customers"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": ActiveValue,
    },
)
"""How many customers there are at the end of the period."""


class SpanView(TypedDict):
    """The transitions of a day, week or month, as far as it lies in the period."""

    begins: str
    flows: list[FlowView]


class CustomerItem(TypedDict):
    """A customer on a list."""

    customer: str
    phase: Phase
    model: Model | None
    view: str
    label: str
    since: str
    account: Literal["b2c", "b2b"] | None
    causes: list[str]
    value: MoneyView | None
    orders: int
    next_transition: NextTransition | None
    version: int
    parked: bool


class CustomerView(TypedDict):
    """Where a customer stands."""

    customer: str
    phase: Phase
    model: Model | None
    view: str
    label: str
    since: str
    causes: list[str]
    episode: int
    version: int
    orders: int
    revenue: list[MoneyView]
    first_order_at: str | None
    last_order_at: str | None
    next_transition: NextTransition | None
    policy: PolicyView
    outlook: OutlookView | None
    parked: bool
    as_of: str


class ExampleView(TypedDict):
    """A customer whose histories differ."""

    customer: str
    alike: int
    live: list[SimulationStepView]
    candidate: list[SimulationStepView]


Best20ShareFigure = TypedDict(
    "Best20ShareFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["best_20_share"],
        "unit": Literal["share"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": BestShareValue,
    },
)
"""How much of the revenue the best fifth of the buyers brings."""

ComplaintTopicsFigure = TypedDict(
    "ComplaintTopicsFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["complaint_topics"],
        "unit": Literal["topics"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": ComplaintValue,
    },
)
"""What customers complain about."""


class ProfileView(TypedDict):
    """What was known of the customer right after a transition."""

    orders: int
    revenue: list[MoneyView]
    margin: list[MoneyView]
    first_order_at: str | None
    last_order_at: str | None
    deadlines: dict[str, str]
    order: OrderView | None
    causes: list[str]
    more_causes: NotRequired[int]
    outlook: OutlookView | None


class DwellValue(TypedDict):
    """How long customers stay in each phase."""

    value: float | None
    phases: list[DwellView]


FirstResponseFigure = TypedDict(
    "FirstResponseFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["first_response"],
        "unit": Literal["hours"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": FirstResponseValue,
    },
)
"""How long customers wait."""


class CadenceView(TypedDict):
    """The state of the cadence model. A refused fit leaves the last accepted one in force."""

    silence: str
    in_force: FitView | None
    last: FitView | None
    guards: NotRequired[Guards]
    failure: FailureView | None
    as_of: str


class FitPage(TypedDict):
    """Some of all fits, the newest first."""

    items: list[FitView]
    next_cursor: str | None
    as_of: str


OverviewView = TypedDict(
    "OverviewView",
    {
        "from": str,
        "to": str,
        "account": Literal["b2c", "b2b"] | None,
        "before": PeriodView,
        "items": list[HeadlineView],
    },
)
"""All figures at a glance."""


class PolicyPage(TypedDict):
    """Some of the policies, by name and version."""

    items: list[PolicySummary]
    next_cursor: str | None
    as_of: str


class SimulationPage(TypedDict):
    """Some of the simulations, the latest first, without their reports."""

    items: list[SimulationSummary]
    next_cursor: str | None


class FlowsValue(TypedDict):
    """Moves between phases."""

    value: float
    per: Span
    flows: list[FlowView]
    spans: list[SpanView]


class CustomerPage(TypedDict):
    """A part of a list, in the order of the ids. It may hold few customers or none, even if there is a `next_cursor`."""

    items: list[CustomerItem]
    next_cursor: str | None
    as_of: str


class LookedUp(TypedDict):
    """The answer about one id."""

    asked: str
    merged_into: str | None
    customer: CustomerItem | None


class ReportView(TypedDict):
    """The result of a simulation."""

    customers: int
    events: int
    differing: int
    unsettled: int
    matrix: list[CellView]
    transitions: list[FiredView]
    entered: list[EnteredView]
    examples: list[ExampleView]


PhaseChange = TypedDict(
    "PhaseChange",
    {
        "customer": str,
        "version": int,
        "position": int,
        "from": Phase | None,
        "to": Phase,
        "rule": str,
        "occurred_at": str,
        "recorded_at": str,
        "evidence": TransitionEvidence,
        "policy": PolicyView,
        "episode": int,
        "historical": bool,
        "profile": ProfileView,
    },
)
"""One move of one customer."""

TransitionEntry = TypedDict(
    "TransitionEntry",
    {
        "customer": str,
        "version": int,
        "position": int,
        "from": Phase | None,
        "from_view": str | None,
        "from_label": str | None,
        "to": Phase,
        "model": Model | None,
        "view": str,
        "label": str,
        "rule": str,
        "occurred_at": str,
        "recorded_at": str,
        "evidence": TransitionEvidence,
        "policy": PolicyView,
        "episode": int,
        "historical": bool,
        "profile": ProfileView,
        "withdrawn": NotRequired[int | None],
        "kind": NotRequired[Literal["transition"]],
        "time": str,
        "withdrawn_at": NotRequired[str | None],
    },
)
"""A transition."""

TransitionView = TypedDict(
    "TransitionView",
    {
        "customer": str,
        "version": int,
        "position": int,
        "from": Phase | None,
        "from_view": str | None,
        "from_label": str | None,
        "to": Phase,
        "model": Model | None,
        "view": str,
        "label": str,
        "rule": str,
        "occurred_at": str,
        "recorded_at": str,
        "evidence": TransitionEvidence,
        "policy": PolicyView,
        "episode": int,
        "historical": bool,
        "profile": ProfileView,
        "withdrawn": NotRequired[int | None],
    },
)
"""One transition, with why it happened and what was known then. The views of both phases are as of `occurred_at`."""

DwellTimesFigure = TypedDict(
    "DwellTimesFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["dwell_times"],
        "unit": Literal["days"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": DwellValue,
    },
)
"""How long customers stay in each phase."""

FlowsFigure = TypedDict(
    "FlowsFigure",
    {
        "from": str,
        "to": str,
        "name": Literal["flows"],
        "unit": Literal["transitions"],
        "formula": str,
        "source": str,
        "account": Literal["b2c", "b2b"] | None,
        "settled": bool,
        "computed_at": str,
        "recomputed_at": str | None,
        "result": FlowsValue,
    },
)
"""Moves between phases."""


class LookupAnswer(TypedDict):
    """The answers in the order of the request."""

    items: list[LookedUp]
    unknown: list[str]
    as_of: str


SimulationView = TypedDict(
    "SimulationView",
    {
        "id": str,
        "policy": PolicyDocument,
        "from": str,
        "to": str,
        "account": str | None,
        "state": SimulationState,
        "reason": str | None,
        "progress": ProgressView,
        "created_at": str,
        "started_at": str | None,
        "ended_at": str | None,
        "report": ReportView | None,
    },
)
"""A simulation with its report."""


class PhaseChanged(TypedDict):
    """A customer is in another phase."""

    specversion: Literal["1.0"]
    id: str
    source: Literal["/lifecycle"]
    subject: str
    time: str
    type: Literal["phase.changed"]
    data: PhaseChange


class PhaseCorrection(TypedDict):
    """The past has changed: the added transitions replace those of the withdrawn versions. A correction too large for one record comes in parts, one after another: keep what is added, and judge when the last part (`part` = `parts`) has come."""

    customer: str
    version: int
    withdrawn: list[int]
    added: list[PhaseChange]
    current: Phase | None
    recorded_at: str
    part: NotRequired[int]
    parts: NotRequired[int]
    withdrawn_from: NotRequired[int | None]


class TimelinePage(TypedDict):
    """A part of all that happened to a customer, newest first."""

    items: list[EventEntry | TransitionEntry | HintEntry | DeadLetterEntry]
    next_cursor: str | None
    as_of: str


class Explanation(TypedDict):
    """A customer's phase, why it holds, and what is lacking for each rule that could fire next."""

    customer: str
    phase: Phase
    model: Model | None
    view: str
    label: str
    since: str
    causes: list[str]
    episode: int
    version: int
    orders: int
    revenue: list[MoneyView]
    first_order_at: str | None
    last_order_at: str | None
    next_transition: NextTransition | None
    policy: PolicyView
    outlook: OutlookView | None
    parked: bool
    as_of: str
    summary: str
    transition: TransitionView
    evidence: EvidenceView
    at_risk_by: list[CauseView]
    rules: list[OpenRule]
    cadence: CadenceOutlook | None


class HistoryPage(TypedDict):
    """A part of a customer's history, the newest first."""

    items: list[TransitionView]
    next_cursor: str | None
    as_of: str


class PhaseCorrected(TypedDict):
    """A customer's past is another."""

    specversion: Literal["1.0"]
    id: str
    source: Literal["/lifecycle"]
    subject: str
    time: str
    type: Literal["phase.corrected"]
    data: PhaseCorrection


class ChangePage(TypedDict):
    """Published changes behind a cursor, each customer's in order."""

    items: list[PhaseChanged | PhaseCorrected]
    next: str
    more: bool


class LifecycleClient(Client):
    """Its operations."""

    def show_customer(
        self, customer: str, *, model: Model | None = None, language: str | None = None
    ) -> CustomerView:
        """Show the phase of a customer, since when it has held, and what comes next."""
        return self._call(
            CustomerView,
            "GET",
            f"/v1/customers/{segment(customer)}",
            query={"model": model},
            headers={"Accept-Language": language},
        )

    def show_history(
        self,
        customer: str,
        *,
        all: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> HistoryPage:
        """List the transitions of a customer, newest first."""
        return self._call(
            HistoryPage,
            "GET",
            f"/v1/customers/{segment(customer)}/history",
            query={"all": all, "limit": limit, "cursor": cursor, "model": model},
            headers={"Accept-Language": language},
        )

    def release_customer(self, customer: str) -> Requested:
        """Apply the events that wait for a parked customer, once the reason for parking is gone.

        Soon afterwards the customer is no longer parked, and this is answered with 409.
        """
        return self._call(
            Requested, "POST", f"/v1/customers/{segment(customer)}/release", once=True
        )

    def count_phases(
        self,
        *,
        as_of: datetime | str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> PhaseCounts:
        """Count customers by phase, or by what the phase is in a model."""
        return self._call(
            PhaseCounts,
            "GET",
            "/v1/phases",
            query={"as_of": as_of, "model": model},
            headers={"Accept-Language": language},
        )

    def count_transitions(self, *, as_of: datetime | str | None = None) -> RuleCounts:
        """Count the transitions of the current histories by rule."""
        return self._call(RuleCounts, "GET", "/v1/transitions/counts", query={"as_of": as_of})

    def count_causes(self, *, as_of: datetime | str | None = None) -> CauseCounts:
        """Count why customers became at risk: moves to `at_risk` by the kind of their causes.

        One move may have several causes.
        """
        return self._call(CauseCounts, "GET", "/v1/causes/counts", query={"as_of": as_of})

    def count_hints(self, *, as_of: datetime | str | None = None) -> HintCounts:
        """Count the hints given to the shop by name."""
        return self._call(HintCounts, "GET", "/v1/hints/counts", query={"as_of": as_of})

    def count_events_without_effect(self) -> WithoutEffectCounts:
        """Count the events that change nothing by reason: refunds that match nothing, repetitions.

        An event has the reason that holds by now: a refund that waited for its order counts no more
        once the order has come.
        """
        return self._call(WithoutEffectCounts, "GET", "/v1/events/without-effect/counts")

    def show_phase(
        self,
        customer: str,
        *,
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> PhaseAt:
        """Show the phase that a customer was in at an instant, as it was known then or later.

        An answer without a phase says in `reason` why there was none.
        """
        return self._call(
            PhaseAt,
            "GET",
            f"/v1/customers/{segment(customer)}/phase",
            query={"as_of": as_of, "known_at": known_at, "model": model},
            headers={"Accept-Language": language},
        )

    def explain_customer(
        self, customer: str, *, model: Model | None = None, language: str | None = None
    ) -> Explanation:
        """Explain why a customer is in its phase, and what each rule lacks that could fire next.

        The answer has a summary to read out.
        """
        return self._call(
            Explanation,
            "GET",
            f"/v1/customers/{segment(customer)}/explain",
            query={"model": model},
            headers={"Accept-Language": language},
        )

    def show_timeline(
        self,
        customer: str,
        *,
        all: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> TimelinePage:
        """List events, transitions, hints and events set aside in order of time, newest first.

        What is added meanwhile does not disturb later pages.
        """
        return self._call(
            TimelinePage,
            "GET",
            f"/v1/customers/{segment(customer)}/timeline",
            query={"all": all, "limit": limit, "cursor": cursor, "model": model},
            headers={"Accept-Language": language},
        )

    def create_policy(self, body: PolicyDocument) -> PolicyDetail:
        """Store a version of a policy as a draft. It never changes, and judges nobody until activated.

        Sending the same again is safe.
        """
        return self._call(PolicyDetail, "POST", "/v1/policies", body=body)

    def list_policies(self, *, limit: int | None = None, cursor: str | None = None) -> PolicyPage:
        """List all versions of all policies by name and version, with their states."""
        return self._call(
            PolicyPage, "GET", "/v1/policies", query={"limit": limit, "cursor": cursor}
        )

    def show_policy(self, name: str, version: int) -> PolicyDetail:
        """Show one version of a policy, and when it was activated."""
        return self._call(PolicyDetail, "GET", f"/v1/policies/{segment(name)}/{segment(version)}")

    def activate_policy(
        self, name: str, version: int, body: ActivationRequest | None = None
    ) -> ActivationView:
        """Let a policy judge what happens from an instant on.

        The deadlines of all customers follow in the background (`/v1/rearming`). Sending the same
        again changes nothing, unless another policy was activated in between, which it then replaces.
        """
        return self._call(
            ActivationView,
            "POST",
            f"/v1/policies/{segment(name)}/{segment(version)}/activate",
            body=body,
            once=True,
        )

    def compare_policies(self, name: str, version: int, *, against: str) -> PolicyDiff:
        """List the fields in which two policies differ."""
        return self._call(
            PolicyDiff,
            "GET",
            f"/v1/policies/{segment(name)}/{segment(version)}/diff",
            query={"against": against},
        )

    def show_rearming(self) -> RearmingView:
        """Show how many customers follow the last activation, and the rules of this version, by now."""
        return self._call(RearmingView, "GET", "/v1/rearming")

    def make_fit(self) -> FitView:
        """Fit the model to all orders until the clock. It judges purchases from the clock on.

        Nobody is judged again. Requests that come while a fit is being made get that fit; a later one
        makes another. A refused fit is an answer too: `accepted` is false, with the reason, and the
        last accepted one stays in force.
        """
        return self._call(FitView, "POST", "/v1/cadence/fits", once=True)

    def list_fits(self, *, limit: int | None = None, cursor: str | None = None) -> FitPage:
        """List all fits, refused ones too, the newest first."""
        return self._call(
            FitPage, "GET", "/v1/cadence/fits", query={"limit": limit, "cursor": cursor}
        )

    def show_cadence(self) -> CadenceView:
        """Show the fit in force, the last attempt, and what a fit needs."""
        return self._call(CadenceView, "GET", "/v1/cadence")

    def compare_models(self, *, since: datetime | str | None = None) -> ComparisonView:
        """Compare fixed days and cadence: customers warned, how early, and how often in vain."""
        return self._call(ComparisonView, "GET", "/v1/cadence/comparison", query={"since": since})

    def create_simulation(
        self, body: SimulationRequest, *, idempotency_key: str | None = None
    ) -> SimulationView:
        """Try a policy on the stored events, without touching anybody's phase.

        It runs in the background, after those requested before. With an `Idempotency-Key`, sending it
        again is safe.
        """
        return self._call(
            SimulationView,
            "POST",
            "/v1/simulations",
            headers={"Idempotency-Key": idempotency_key},
            body=body,
        )

    def list_simulations(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> SimulationPage:
        """List all simulations, the latest first, without their reports."""
        return self._call(
            SimulationPage, "GET", "/v1/simulations", query={"limit": limit, "cursor": cursor}
        )

    def show_simulation(self, simulation: str) -> SimulationView:
        """Show how far a simulation has come and, once it is done, its report."""
        return self._call(SimulationView, "GET", f"/v1/simulations/{segment(simulation)}")

    def cancel_simulation(self, simulation: str) -> SimulationView:
        """End a simulation. One that has ended stays as it is, so that sending this again is safe."""
        return self._call(SimulationView, "POST", f"/v1/simulations/{segment(simulation)}/cancel")

    def list_changes(
        self, *, after: str | None = None, limit: int | None = None, wait_s: float | None = None
    ) -> ChangePage:
        """List published transitions and corrections behind a cursor, each once.

        Those of one customer come in order.
        """
        return self._call(
            ChangePage,
            "GET",
            "/v1/changes",
            query={"after": after, "limit": limit, "wait_s": wait_s},
        )

    def stream_changes(
        self, *, after: str | None = None, last_event_id: str | None = None
    ) -> AbstractContextManager[Iterator[StreamEvent]]:
        """Stream the same as server-sent events, for as long as the client listens."""
        return self._stream(
            "/v1/changes/stream", query={"after": after}, headers={"Last-Event-ID": last_event_id}
        )

    def show_figures(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> OverviewView:
        """Show the headlines of all figures, beside those of the period before."""
        return self._call(
            OverviewView, "GET", "/v1/figures", query={"from": from_, "to": to, "account": account}
        )

    def show_flows(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
        per: Span | None = None,
    ) -> FlowsFigure:
        """Count transitions from phase to phase, by day (at most 366 of them), week or month."""
        return self._call(
            FlowsFigure,
            "GET",
            "/v1/figures/flows",
            query={"from": from_, "to": to, "account": account, "per": per},
        )

    def show_active_passive(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ActivePassiveFigure:
        """How many customers there are at the end of the period. Customers who at `to` are new, established, at risk, won back, or advocates who have ordered."""
        return self._call(
            ActivePassiveFigure,
            "GET",
            "/v1/figures/active_passive",
            query={"from": from_, "to": to, "account": account},
        )

    def show_conversion(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ConversionFigure:
        """How many prospects become customers. Prospects who became new / customers who were prospects at any time in the period."""
        return self._call(
            ConversionFigure,
            "GET",
            "/v1/figures/conversion",
            query={"from": from_, "to": to, "account": account},
        )

    def show_retention(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RetentionFigure:
        """How many active customers stay. Customers active at `from` and at `to` / customers active at `from`."""
        return self._call(
            RetentionFigure,
            "GET",
            "/v1/figures/retention",
            query={"from": from_, "to": to, "account": account},
        )

    def show_churn(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ChurnFigure:
        """How many active customers are lost. Customers active at `from` and inactive or former at `to` / customers active at `from`."""
        return self._call(
            ChurnFigure,
            "GET",
            "/v1/figures/churn",
            query={"from": from_, "to": to, "account": account},
        )

    def show_recommendation_rate(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RecommendationRateFigure:
        """How many customers recommend the shop with success. Customers with a referral that succeeded in the period / customers active at `to`."""
        return self._call(
            RecommendationRateFigure,
            "GET",
            "/v1/figures/recommendation_rate",
            query={"from": from_, "to": to, "account": account},
        )

    def show_dwell_times(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> DwellTimesFigure:
        """How long customers stay in each phase. Per phase, Kaplan-Meier estimate from the stays that began in the period, watched until `to`."""
        return self._call(
            DwellTimesFigure,
            "GET",
            "/v1/figures/dwell_times",
            query={"from": from_, "to": to, "account": account},
        )

    def show_repurchase(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RepurchaseFigure:
        """How many buyers buy again. Customers with at least two orders in the period that stand at `to` / customers with one."""
        return self._call(
            RepurchaseFigure,
            "GET",
            "/v1/figures/repurchase",
            query={"from": from_, "to": to, "account": account},
        )

    def show_best_20_share(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> Best20ShareFigure:
        """How much of the revenue the best fifth of the buyers brings. Revenue in the period, less what was undone before `to`, of the fifth of the buyers with the highest revenue / revenue of all buyers, by currency."""
        return self._call(
            Best20ShareFigure,
            "GET",
            "/v1/figures/best_20_share",
            query={"from": from_, "to": to, "account": account},
        )

    def show_expected_revenue(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ExpectedRevenueFigure:
        """What the active customers are expected to buy. Sum over customers active at `to` of the orders expected in 12 months x their expected value, by the fit of the cadence model in force at `to`."""
        return self._call(
            ExpectedRevenueFigure,
            "GET",
            "/v1/figures/expected_revenue",
            query={"from": from_, "to": to, "account": account},
        )

    def show_renewal_rate(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RenewalRateFigure:
        """How many contracts are renewed. Terms of contracts whose `renews_at` lies in the period that were renewed before `to` / all such terms."""
        return self._call(
            RenewalRateFigure,
            "GET",
            "/v1/figures/renewal_rate",
            query={"from": from_, "to": to, "account": account},
        )

    def show_nps(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> NpsFigure:
        """How many more promoters than detractors there are. % promoters (9, 10) - % detractors (0 to 6), by the last NPS score of each customer in the period."""
        return self._call(
            NpsFigure, "GET", "/v1/figures/nps", query={"from": from_, "to": to, "account": account}
        )

    def show_csat(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> CsatFigure:
        """How satisfied customers are. Customers whose last CSAT score in the period is 4 or 5 / customers with one."""
        return self._call(
            CsatFigure,
            "GET",
            "/v1/figures/csat",
            query={"from": from_, "to": to, "account": account},
        )

    def show_first_response(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> FirstResponseFigure:
        """How long customers wait. Median of the time from the opening of a complaint or inquiry in the period to its first response before `to`."""
        return self._call(
            FirstResponseFigure,
            "GET",
            "/v1/figures/first_response",
            query={"from": from_, "to": to, "account": account},
        )

    def show_complaint_topics(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ComplaintTopicsFigure:
        """What customers complain about. Topics with more complaints opened in the period than the 8 weeks before explain: at least 5, less likely than 0.001 at an unchanged rate, and 3 standard deviations above the mean."""
        return self._call(
            ComplaintTopicsFigure,
            "GET",
            "/v1/figures/complaint_topics",
            query={"from": from_, "to": to, "account": account},
        )

    def check_flows(self) -> CheckView:
        """Compare the daily counts of transitions with the transitions; nothing is changed."""
        return self._call(CheckView, "GET", "/v1/figures/flows/check")

    def rebuild_figures(self) -> RebuildView:
        """Count the transitions anew, mend the daily counts that differ, and drop all stored figures.

        Meanwhile nobody is judged: workers wait for it. Sending it again is safe.
        """
        return self._call(RebuildView, "POST", "/v1/figures/rebuild")

    def list_customers(
        self,
        *,
        phase: Phase | None = None,
        since_before: datetime | str | None = None,
        due_before: datetime | str | None = None,
        min_value: int | None = None,
        account: Literal["b2c", "b2b"] | None = None,
        cause: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> CustomerPage:
        """List the customers who fulfil all filters, in the order of their ids.

        Customers who were merged into others are not listed. A customer who fulfils the filters all
        along is shown exactly once, whatever happens to others between two pages.

        With `Accept: text/csv` or `application/x-ndjson` the whole list comes as a file, as of one
        instant; it takes no `limit` or `cursor`.
        """
        return self._call(
            CustomerPage,
            "GET",
            "/v1/customers",
            query={
                "phase": phase,
                "since_before": since_before,
                "due_before": due_before,
                "min_value": min_value,
                "account": account,
                "cause": cause,
                "limit": limit,
                "cursor": cursor,
                "model": model,
            },
            headers={"Accept-Language": language},
        )

    def list_customers_as(
        self,
        media_type: Literal["application/x-ndjson", "text/csv"],
        *,
        phase: Phase | None = None,
        since_before: datetime | str | None = None,
        due_before: datetime | str | None = None,
        min_value: int | None = None,
        account: Literal["b2c", "b2b"] | None = None,
        cause: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The same as a file, part by part, without pages."""
        return self._download(
            media_type,
            "/v1/customers",
            query={
                "phase": phase,
                "since_before": since_before,
                "due_before": due_before,
                "min_value": min_value,
                "account": account,
                "cause": cause,
                "model": model,
            },
            headers={"Accept-Language": language},
        )

    def look_up_customers(
        self, body: Lookup, *, model: Model | None = None, language: str | None = None
    ) -> LookupAnswer:
        """Look up as many as 1,000 customers by their ids, in the order asked.

        A merged customer is answered with who it is now.
        """
        return self._call(
            LookupAnswer,
            "POST",
            "/v1/customers/lookup",
            query={"model": model},
            headers={"Accept-Language": language},
            body=body,
        )

    def list_partitions(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> PartitionPage:
        """List the partitions that the service reads, by topic: how far each is, and why it stopped."""
        return self._call(
            PartitionPage, "GET", "/v1/partitions", query={"limit": limit, "cursor": cursor}
        )


class AsyncLifecycleClient(AsyncClient):
    """Its operations."""

    async def show_customer(
        self, customer: str, *, model: Model | None = None, language: str | None = None
    ) -> CustomerView:
        """Show the phase of a customer, since when it has held, and what comes next."""
        return await self._call(
            CustomerView,
            "GET",
            f"/v1/customers/{segment(customer)}",
            query={"model": model},
            headers={"Accept-Language": language},
        )

    async def show_history(
        self,
        customer: str,
        *,
        all: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> HistoryPage:
        """List the transitions of a customer, newest first."""
        return await self._call(
            HistoryPage,
            "GET",
            f"/v1/customers/{segment(customer)}/history",
            query={"all": all, "limit": limit, "cursor": cursor, "model": model},
            headers={"Accept-Language": language},
        )

    async def release_customer(self, customer: str) -> Requested:
        """Apply the events that wait for a parked customer, once the reason for parking is gone.

        Soon afterwards the customer is no longer parked, and this is answered with 409.
        """
        return await self._call(
            Requested, "POST", f"/v1/customers/{segment(customer)}/release", once=True
        )

    async def count_phases(
        self,
        *,
        as_of: datetime | str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> PhaseCounts:
        """Count customers by phase, or by what the phase is in a model."""
        return await self._call(
            PhaseCounts,
            "GET",
            "/v1/phases",
            query={"as_of": as_of, "model": model},
            headers={"Accept-Language": language},
        )

    async def count_transitions(self, *, as_of: datetime | str | None = None) -> RuleCounts:
        """Count the transitions of the current histories by rule."""
        return await self._call(RuleCounts, "GET", "/v1/transitions/counts", query={"as_of": as_of})

    async def count_causes(self, *, as_of: datetime | str | None = None) -> CauseCounts:
        """Count why customers became at risk: moves to `at_risk` by the kind of their causes.

        One move may have several causes.
        """
        return await self._call(CauseCounts, "GET", "/v1/causes/counts", query={"as_of": as_of})

    async def count_hints(self, *, as_of: datetime | str | None = None) -> HintCounts:
        """Count the hints given to the shop by name."""
        return await self._call(HintCounts, "GET", "/v1/hints/counts", query={"as_of": as_of})

    async def count_events_without_effect(self) -> WithoutEffectCounts:
        """Count the events that change nothing by reason: refunds that match nothing, repetitions.

        An event has the reason that holds by now: a refund that waited for its order counts no more
        once the order has come.
        """
        return await self._call(WithoutEffectCounts, "GET", "/v1/events/without-effect/counts")

    async def show_phase(
        self,
        customer: str,
        *,
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> PhaseAt:
        """Show the phase that a customer was in at an instant, as it was known then or later.

        An answer without a phase says in `reason` why there was none.
        """
        return await self._call(
            PhaseAt,
            "GET",
            f"/v1/customers/{segment(customer)}/phase",
            query={"as_of": as_of, "known_at": known_at, "model": model},
            headers={"Accept-Language": language},
        )

    async def explain_customer(
        self, customer: str, *, model: Model | None = None, language: str | None = None
    ) -> Explanation:
        """Explain why a customer is in its phase, and what each rule lacks that could fire next.

        The answer has a summary to read out.
        """
        return await self._call(
            Explanation,
            "GET",
            f"/v1/customers/{segment(customer)}/explain",
            query={"model": model},
            headers={"Accept-Language": language},
        )

    async def show_timeline(
        self,
        customer: str,
        *,
        all: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> TimelinePage:
        """List events, transitions, hints and events set aside in order of time, newest first.

        What is added meanwhile does not disturb later pages.
        """
        return await self._call(
            TimelinePage,
            "GET",
            f"/v1/customers/{segment(customer)}/timeline",
            query={"all": all, "limit": limit, "cursor": cursor, "model": model},
            headers={"Accept-Language": language},
        )

    async def create_policy(self, body: PolicyDocument) -> PolicyDetail:
        """Store a version of a policy as a draft. It never changes, and judges nobody until activated.

        Sending the same again is safe.
        """
        return await self._call(PolicyDetail, "POST", "/v1/policies", body=body)

    async def list_policies(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> PolicyPage:
        """List all versions of all policies by name and version, with their states."""
        return await self._call(
            PolicyPage, "GET", "/v1/policies", query={"limit": limit, "cursor": cursor}
        )

    async def show_policy(self, name: str, version: int) -> PolicyDetail:
        """Show one version of a policy, and when it was activated."""
        return await self._call(
            PolicyDetail, "GET", f"/v1/policies/{segment(name)}/{segment(version)}"
        )

    async def activate_policy(
        self, name: str, version: int, body: ActivationRequest | None = None
    ) -> ActivationView:
        """Let a policy judge what happens from an instant on.

        The deadlines of all customers follow in the background (`/v1/rearming`). Sending the same
        again changes nothing, unless another policy was activated in between, which it then replaces.
        """
        return await self._call(
            ActivationView,
            "POST",
            f"/v1/policies/{segment(name)}/{segment(version)}/activate",
            body=body,
            once=True,
        )

    async def compare_policies(self, name: str, version: int, *, against: str) -> PolicyDiff:
        """List the fields in which two policies differ."""
        return await self._call(
            PolicyDiff,
            "GET",
            f"/v1/policies/{segment(name)}/{segment(version)}/diff",
            query={"against": against},
        )

    async def show_rearming(self) -> RearmingView:
        """Show how many customers follow the last activation, and the rules of this version, by now."""
        return await self._call(RearmingView, "GET", "/v1/rearming")

    async def make_fit(self) -> FitView:
        """Fit the model to all orders until the clock. It judges purchases from the clock on.

        Nobody is judged again. Requests that come while a fit is being made get that fit; a later one
        makes another. A refused fit is an answer too: `accepted` is false, with the reason, and the
        last accepted one stays in force.
        """
        return await self._call(FitView, "POST", "/v1/cadence/fits", once=True)

    async def list_fits(self, *, limit: int | None = None, cursor: str | None = None) -> FitPage:
        """List all fits, refused ones too, the newest first."""
        return await self._call(
            FitPage, "GET", "/v1/cadence/fits", query={"limit": limit, "cursor": cursor}
        )

    async def show_cadence(self) -> CadenceView:
        """Show the fit in force, the last attempt, and what a fit needs."""
        return await self._call(CadenceView, "GET", "/v1/cadence")

    async def compare_models(self, *, since: datetime | str | None = None) -> ComparisonView:
        """Compare fixed days and cadence: customers warned, how early, and how often in vain."""
        return await self._call(
            ComparisonView, "GET", "/v1/cadence/comparison", query={"since": since}
        )

    async def create_simulation(
        self, body: SimulationRequest, *, idempotency_key: str | None = None
    ) -> SimulationView:
        """Try a policy on the stored events, without touching anybody's phase.

        It runs in the background, after those requested before. With an `Idempotency-Key`, sending it
        again is safe.
        """
        return await self._call(
            SimulationView,
            "POST",
            "/v1/simulations",
            headers={"Idempotency-Key": idempotency_key},
            body=body,
        )

    async def list_simulations(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> SimulationPage:
        """List all simulations, the latest first, without their reports."""
        return await self._call(
            SimulationPage, "GET", "/v1/simulations", query={"limit": limit, "cursor": cursor}
        )

    async def show_simulation(self, simulation: str) -> SimulationView:
        """Show how far a simulation has come and, once it is done, its report."""
        return await self._call(SimulationView, "GET", f"/v1/simulations/{segment(simulation)}")

    async def cancel_simulation(self, simulation: str) -> SimulationView:
        """End a simulation. One that has ended stays as it is, so that sending this again is safe."""
        return await self._call(
            SimulationView, "POST", f"/v1/simulations/{segment(simulation)}/cancel"
        )

    async def list_changes(
        self, *, after: str | None = None, limit: int | None = None, wait_s: float | None = None
    ) -> ChangePage:
        """List published transitions and corrections behind a cursor, each once.

        Those of one customer come in order.
        """
        return await self._call(
            ChangePage,
            "GET",
            "/v1/changes",
            query={"after": after, "limit": limit, "wait_s": wait_s},
        )

    def stream_changes(
        self, *, after: str | None = None, last_event_id: str | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[StreamEvent]]:
        """Stream the same as server-sent events, for as long as the client listens."""
        return self._stream(
            "/v1/changes/stream", query={"after": after}, headers={"Last-Event-ID": last_event_id}
        )

    async def show_figures(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> OverviewView:
        """Show the headlines of all figures, beside those of the period before."""
        return await self._call(
            OverviewView, "GET", "/v1/figures", query={"from": from_, "to": to, "account": account}
        )

    async def show_flows(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
        per: Span | None = None,
    ) -> FlowsFigure:
        """Count transitions from phase to phase, by day (at most 366 of them), week or month."""
        return await self._call(
            FlowsFigure,
            "GET",
            "/v1/figures/flows",
            query={"from": from_, "to": to, "account": account, "per": per},
        )

    async def show_active_passive(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ActivePassiveFigure:
        """How many customers there are at the end of the period. Customers who at `to` are new, established, at risk, won back, or advocates who have ordered."""
        return await self._call(
            ActivePassiveFigure,
            "GET",
            "/v1/figures/active_passive",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_conversion(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ConversionFigure:
        """How many prospects become customers. Prospects who became new / customers who were prospects at any time in the period."""
        return await self._call(
            ConversionFigure,
            "GET",
            "/v1/figures/conversion",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_retention(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RetentionFigure:
        """How many active customers stay. Customers active at `from` and at `to` / customers active at `from`."""
        return await self._call(
            RetentionFigure,
            "GET",
            "/v1/figures/retention",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_churn(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ChurnFigure:
        """How many active customers are lost. Customers active at `from` and inactive or former at `to` / customers active at `from`."""
        return await self._call(
            ChurnFigure,
            "GET",
            "/v1/figures/churn",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_recommendation_rate(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RecommendationRateFigure:
        """How many customers recommend the shop with success. Customers with a referral that succeeded in the period / customers active at `to`."""
        return await self._call(
            RecommendationRateFigure,
            "GET",
            "/v1/figures/recommendation_rate",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_dwell_times(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> DwellTimesFigure:
        """How long customers stay in each phase. Per phase, Kaplan-Meier estimate from the stays that began in the period, watched until `to`."""
        return await self._call(
            DwellTimesFigure,
            "GET",
            "/v1/figures/dwell_times",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_repurchase(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RepurchaseFigure:
        """How many buyers buy again. Customers with at least two orders in the period that stand at `to` / customers with one."""
        return await self._call(
            RepurchaseFigure,
            "GET",
            "/v1/figures/repurchase",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_best_20_share(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> Best20ShareFigure:
        """How much of the revenue the best fifth of the buyers brings. Revenue in the period, less what was undone before `to`, of the fifth of the buyers with the highest revenue / revenue of all buyers, by currency."""
        return await self._call(
            Best20ShareFigure,
            "GET",
            "/v1/figures/best_20_share",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_expected_revenue(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ExpectedRevenueFigure:
        """What the active customers are expected to buy. Sum over customers active at `to` of the orders expected in 12 months x their expected value, by the fit of the cadence model in force at `to`."""
        return await self._call(
            ExpectedRevenueFigure,
            "GET",
            "/v1/figures/expected_revenue",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_renewal_rate(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> RenewalRateFigure:
        """How many contracts are renewed. Terms of contracts whose `renews_at` lies in the period that were renewed before `to` / all such terms."""
        return await self._call(
            RenewalRateFigure,
            "GET",
            "/v1/figures/renewal_rate",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_nps(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> NpsFigure:
        """How many more promoters than detractors there are. % promoters (9, 10) - % detractors (0 to 6), by the last NPS score of each customer in the period."""
        return await self._call(
            NpsFigure, "GET", "/v1/figures/nps", query={"from": from_, "to": to, "account": account}
        )

    async def show_csat(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> CsatFigure:
        """How satisfied customers are. Customers whose last CSAT score in the period is 4 or 5 / customers with one."""
        return await self._call(
            CsatFigure,
            "GET",
            "/v1/figures/csat",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_first_response(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> FirstResponseFigure:
        """How long customers wait. Median of the time from the opening of a complaint or inquiry in the period to its first response before `to`."""
        return await self._call(
            FirstResponseFigure,
            "GET",
            "/v1/figures/first_response",
            query={"from": from_, "to": to, "account": account},
        )

    async def show_complaint_topics(
        self,
        *,
        from_: date | str | None = None,
        to: date | str | None = None,
        account: Literal["b2c", "b2b"] | None = None,
    ) -> ComplaintTopicsFigure:
        """What customers complain about. Topics with more complaints opened in the period than the 8 weeks before explain: at least 5, less likely than 0.001 at an unchanged rate, and 3 standard deviations above the mean."""
        return await self._call(
            ComplaintTopicsFigure,
            "GET",
            "/v1/figures/complaint_topics",
            query={"from": from_, "to": to, "account": account},
        )

    async def check_flows(self) -> CheckView:
        """Compare the daily counts of transitions with the transitions; nothing is changed."""
        return await self._call(CheckView, "GET", "/v1/figures/flows/check")

    async def rebuild_figures(self) -> RebuildView:
        """Count the transitions anew, mend the daily counts that differ, and drop all stored figures.

        Meanwhile nobody is judged: workers wait for it. Sending it again is safe.
        """
        return await self._call(RebuildView, "POST", "/v1/figures/rebuild")

    async def list_customers(
        self,
        *,
        phase: Phase | None = None,
        since_before: datetime | str | None = None,
        due_before: datetime | str | None = None,
        min_value: int | None = None,
        account: Literal["b2c", "b2b"] | None = None,
        cause: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> CustomerPage:
        """List the customers who fulfil all filters, in the order of their ids.

        Customers who were merged into others are not listed. A customer who fulfils the filters all
        along is shown exactly once, whatever happens to others between two pages.

        With `Accept: text/csv` or `application/x-ndjson` the whole list comes as a file, as of one
        instant; it takes no `limit` or `cursor`.
        """
        return await self._call(
            CustomerPage,
            "GET",
            "/v1/customers",
            query={
                "phase": phase,
                "since_before": since_before,
                "due_before": due_before,
                "min_value": min_value,
                "account": account,
                "cause": cause,
                "limit": limit,
                "cursor": cursor,
                "model": model,
            },
            headers={"Accept-Language": language},
        )

    def list_customers_as(
        self,
        media_type: Literal["application/x-ndjson", "text/csv"],
        *,
        phase: Phase | None = None,
        since_before: datetime | str | None = None,
        due_before: datetime | str | None = None,
        min_value: int | None = None,
        account: Literal["b2c", "b2b"] | None = None,
        cause: str | None = None,
        model: Model | None = None,
        language: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The same as a file, part by part, without pages."""
        return self._download(
            media_type,
            "/v1/customers",
            query={
                "phase": phase,
                "since_before": since_before,
                "due_before": due_before,
                "min_value": min_value,
                "account": account,
                "cause": cause,
                "model": model,
            },
            headers={"Accept-Language": language},
        )

    async def look_up_customers(
        self, body: Lookup, *, model: Model | None = None, language: str | None = None
    ) -> LookupAnswer:
        """Look up as many as 1,000 customers by their ids, in the order asked.

        A merged customer is answered with who it is now.
        """
        return await self._call(
            LookupAnswer,
            "POST",
            "/v1/customers/lookup",
            query={"model": model},
            headers={"Accept-Language": language},
            body=body,
        )

    async def list_partitions(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> PartitionPage:
        """List the partitions that the service reads, by topic: how far each is, and why it stopped."""
        return await self._call(
            PartitionPage, "GET", "/v1/partitions", query={"limit": limit, "cursor": cursor}
        )
