"""What the fields of events mean, and what each type does to the phase of a customer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account": "private or business customer; decides which policy judges",
        "address_hash": "one-way hash of the postal address, to recognise self-referral",
        "agent": "who spoke with the customer",
        "amount": "what went back, in the order's currency; in another one it changes no sum",
        "case_id": "the win-back case",
        "channel": "the way of contact",
        "code": "the referral code",
        "complaint_id": "the shop's id of the complaint",
        "contract_id": "the shop's id of the contract; several may run at once",
        "coupon": "the code that was redeemed, of a win-back offer for instance",
        "device_hash": "one-way hash of the device, to recognise self-referral",
        "effective_at": "when the contract ends; without it, at `time`",
        "email_hash": "one-way hash of the e-mail address, to recognise self-referral",
        "evidence": "how the consent was given or withdrawn, in any shape",
        "import_id": "the same in `import.started` and `import.finished`",
        "inquiry_id": "the shop's id of the inquiry",
        "into": "the customer who stays; another one than `subject`",
        "items": "the goods in any shape, or only their number",
        "kind": "what the score measures",
        "managed_by_field_sales": "a person looks after this customer",
        "margin": "contribution margin; it counts if it is in the currency of `total`",
        "message_id": "the message that was opened or clicked",
        "order_id": "the shop's id of the order; it counts once, whatever the ids of its events",
        "payment_hash": "one-way hash of the means of payment, to recognise self-referral",
        "payment_method": "in the shop's words",
        "preferred_channel": "where the customer likes to be contacted",
        "product": "the product",
        "public": "whether others can read it; only a public review makes an advocate",
        "purpose": "what the channel may be used for",
        "reachable": "the channels on which the customer can be reached at all; the whole list",
        "reason": "why, in the customer's words",
        "reason_code": "why, as a code of the shop",
        "reason_text": "why, in the customer's words",
        "referee": "the customer who was recruited",
        "referral_code": "whose recommendation this is",
        "renews_at": "when it is to be renewed; without it, `time` plus the term in calendar months",
        "requested_by": "who asked for it",
        "required_change": "what would have to change for the customer to come back",
        "result": "how the talk ended, as a code of the shop",
        "return_window_days": "how long the order may be returned; until then rewards are pending",
        "satisfied": "whether the customer is content with the solution; without it, no",
        "score": "NPS 0 to 10, CSAT and review 1 to 5",
        "severity": "1 mild, 2, 3 grave",
        "sku": "the article",
        "term_months": "the term in calendar months; without it in a renewal, the one before (12 if there is none)",
        "text": "free text",
        "timezone": "IANA name, such as Europe/Berlin, for quiet hours",
        "topic": "what it is about, as a code of the shop",
        "total": "what the customer paid; 0 counts as an order too",
        "value": "worth of one term",
    }
)
"""What a field of `data` means, by name: one word means one thing in every type."""

_NO_CUSTOMER: Final = "Creates no customer."
_SEEN: Final = "Activity of the kind that `contact_days` watches: ends the cause `contact` and starts its deadline anew."
_ACTIVITY: Final = "Activity: ends the cause `contact`."
_NONE: Final = "None."

EFFECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "customer.signed_up": "Activity: ends the cause `contact`. In the model `six_phase` a prospect is in "
        "`conversion` from here on.",
        "customer.updated": _NONE,
        "customer.closed": f"`relationship_ended`: former at once. {_NO_CUSTOMER}",
        "session.signed_in": _SEEN,
        "page.viewed": _SEEN,
        "message.opened": _ACTIVITY,
        "message.clicked": _SEEN,
        "product.activated": "Activity: ends the cause `contact`; the hint `onboarding.stalled` is not given. In the "
        "model `six_phase`, `activation` instead of `purchase` from here on.",
        "product.used": _ACTIVITY,
        "order.completed": "`first_purchase`, `habit_formed`, `returned` or `settled`; ends the causes `silence`, "
        "`revenue`, `contact` and `newsletter` (`recovered`) and starts the deadlines of silence anew. Revenue decline "
        "is judged here (`bond_weakens`).",
        "order.refunded": "Takes revenue back. When nothing of the order is left, it is undone: "
        "`first_purchase_undone` if it was the last purchase of the episode. Revenue decline is judged here.",
        "order.cancelled": "Undoes the whole order: `first_purchase_undone` if it was the last purchase of the "
        "episode. Revenue decline is judged here.",
        "delivery.delayed": _NONE,
        "contract.concluded": "`first_purchase` or `returned`; ends the causes `silence`, `revenue`, `contact`, "
        "`newsletter` and every `cancellation`. Silence is suspended while the contract runs.",
        "contract.renewed": "`habit_formed`, `settled` or `returned`; ends the same causes as contract.concluded. "
        "A contract that nobody has heard of is concluded by it.",
        "contract.cancelled": "`cancellation_announced` while the end is to come; then `relationship_ended`, if no "
        "other contract runs and no order followed the notice.",
        "feedback.submitted": "NPS up to 6, CSAT or review up to 2: `dissatisfied`; above, that cause ends. NPS 9 or "
        "10, or a public review of 5, with no complaint open: `recommends` from established. NPS up to 8: "
        "`enthusiasm_faded`.",
        "complaint.opened": "Severity 2 or 3: `dissatisfied` at once; any severity: when nobody answers within "
        "`complaint_overdue_hours`.",
        "complaint.answered": "Stops the deadline for an answer; ends the cause of a complaint of severity 1.",
        "complaint.resolved": "Closes the complaint; with `satisfied` its cause ends (`recovered`).",
        "inquiry.opened": _ACTIVITY,
        "inquiry.answered": _NONE,
        "newsletter.subscribed": "Activity: ends the causes `newsletter` and `contact`.",
        "newsletter.unsubscribed": "`bond_weakens`: at risk by the cause `newsletter`.",
        "consent.granted": f"None. {_NO_CUSTOMER}",
        "consent.withdrawn": f"None. {_NO_CUSTOMER}",
        "contact.made": _NONE,
        "customer.merged": "Every event of the subject, stored or yet to come, counts for `into` instead; the "
        f"subject's own history is withdrawn. {_NO_CUSTOMER}",
        "customer.erasure_requested": f"None. {_NO_CUSTOMER}",
        "referral.succeeded": "`recommends`: advocate, from unknown too.",
        "referral.annulled": "`enthusiasm_faded`, if nothing else speaks for the enthusiasm.",
        "clock.ticked": "Deadlines up to `time` fire. Accepted in log time only.",
        "import.started": "Deadlines that fell due before it wait for the end of the import.",
        "import.finished": "Those deadlines fire; what they bring is `historical`.",
        "improvement.delivered": _NONE,
    }
)
"""What a type does to the phase, by name. Whoever is unknown becomes a prospect by it, unless it says otherwise."""
