"""The meaning of every event field, and the effect of every event type on a customer's phase."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account": "private (b2c) or business (b2b) customer; decides which policy applies",
        "acquisition": "what brought the customer to the shop: `channel`, `campaign`",
        "address_hash": "one-way hash of the postal address, to detect self-referral",
        "agent": "who spoke with the customer",
        "amount": (
            "what was refunded; it counts if it is in the currency of the order; default: all "
            "that is left (in `order.refund_withdrawn`: the latest refund of just this amount)"
        ),
        "campaign": "the campaign that the message belongs to",
        "case_id": "the win-back case",
        "channel": "the channel of the contact",
        "checkout_id": "the shop's id of the checkout",
        "claim_id": "the claim by which the recommender was named; whichever order it counts by",
        "code": "the referral code",
        "complaint_id": "the shop's id of the complaint",
        "contract_id": "the shop's id of the contract; several may run at once",
        "cost": "what the measure cost",
        "coupon": "the redeemed code, for example of a win-back offer",
        "coupons": "the redeemed codes, if there are several",
        "device_hash": "one-way hash of the device, to detect self-referral",
        "discounts": "the codes that the shop redeemed, each with `code` and `amount`",
        "effective_at": "when the contract ends; default: at `time`",
        "email_hash": "one-way hash of the e-mail address, to detect self-referral",
        "evidence": "how the consent was given or withdrawn, in any form",
        "feedback_id": "the shop's id of the feedback",
        "import_id": "identifies the import: the same in `import.started` and `import.finished`",
        "inquiry_id": "the shop's id of the inquiry",
        "into": "the customer whose id stays; different from `subject`",
        "items": "the goods in any form, or only their number",
        "kind": (
            "what the score measures (`exit`: asked on leaving), or what the customer took part in"
        ),
        "managed_by_field_sales": "whether a person of the sales force looks after this customer",
        "margin": (
            "contribution margin, negative for a loss; it counts if it is in the currency of "
            "`total`"
        ),
        "measure": "what was done about the complaint, as a code of the shop",
        "message_id": "the message",
        "order_id": (
            "the shop's id of the order; within its store it counts once, whatever the ids of "
            "its events"
        ),
        "payment_hash": "one-way hash of the means of payment, to detect self-referral",
        "payment_method": "the means of payment, in the shop's terms",
        "preferred_channel": "the channel on which the customer prefers to be contacted",
        "product": "the product",
        "public": "whether others can read it; only a public review makes an advocate",
        "purpose": "what the channel may be used for",
        "reachable": "all channels on which the customer can be reached",
        "reason": "why, in the customer's words",
        "reason_code": "why, as a code of the shop",
        "reason_text": "why, in the customer's words",
        "referee": "the customer who was referred",
        "referral_code": "the code of the customer who recommended the shop",
        "refund_id": "the shop's id of the refund; within its order it counts once",
        "renews_at": "when the contract renews; default: `time` plus the term in calendar months",
        "replacement_of": (
            "the order that this one replaces free of charge; then it is activity and no purchase"
        ),
        "requested_by": "who asked for it",
        "required_change": "what would have to change for the customer to come back",
        "result": "how the conversation ended, as a code of the shop",
        "return_window_days": (
            "for how many days the order may be returned; rewards are pending until then"
        ),
        "satisfied": "whether the customer is happy with the solution; default: no",
        "score": "NPS: 0 to 10; CSAT: 1 to 5; review: 1 to 5, in halves; `exit` has none",
        "severity": "1 (mild), 2 or 3 (serious); default: 2",
        "sku": "the article number",
        "store": (
            "the shop that the order belongs to; default: `source`. An order is (store, order_id)"
        ),
        "term_months": (
            "the term in calendar months; default in a renewal: the previous term, or 12"
        ),
        "test": "true: kept and shown, changes nothing",
        "text": "free text",
        "timezone": "IANA name, such as Europe/Berlin, for quiet hours",
        "topic": "what it is about, as a code of the shop",
        "total": "what the customer paid, before refunds; it may be 0",
        "value": "the value of one term, or of what is in the basket",
    }
)
"""What a field of `data` means, by name. A name means the same in every type."""

_NO_CUSTOMER: Final = "Creates no customer."
_SEEN: Final = (
    "Activity that `contact_days` watches: ends the cause `contact` and restarts its deadline."
)
_ACTIVITY: Final = "Activity: ends the cause `contact`."
_NONE: Final = "None."

EFFECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "customer.signed_up": (
            "Activity: ends the cause `contact`. In the model `six_phase`, a prospect is in "
            "`conversion` from then on."
        ),
        "customer.updated": _NONE,
        "customer.closed": (
            f"`relationship_ended`: the customer is former at once, and all contracts end. "
            f"{_NO_CUSTOMER}"
        ),
        "session.signed_in": _SEEN,
        "page.viewed": _SEEN,
        "message.opened": _ACTIVITY,
        "message.clicked": _SEEN,
        "engagement.recorded": _ACTIVITY,
        "checkout.started": _ACTIVITY,
        "message.sent": _NONE,
        "message.delivered": _NONE,
        "message.bounced": _NONE,
        "message.complained": _NONE,
        "product.activated": (
            "Activity: ends the cause `contact` and prevents the hint `onboarding.stalled`. In "
            "the model `six_phase`, the customer is in `activation` instead of `purchase` from "
            "then on."
        ),
        "product.used": _ACTIVITY,
        "order.completed": (
            "`first_purchase`, `habit_formed`, `returned` or `settled`; ends the causes "
            "`silence`, `revenue`, `contact` and `newsletter` (`recovered`) and restarts the "
            "deadlines of silence. A decline of revenue is judged here (`bond_weakens`). Of an "
            "order that is known it says the total; a cancelled one is bought anew. With "
            "`replacement_of` it is activity."
        ),
        "order.updated": (
            "Says the total and margin from then on. An order whose refunds reach the new total "
            "is undone; one whose total is more than its refunds stands again."
        ),
        "order.refunded": (
            "Subtracts revenue. An order of which nothing is left is undone: "
            "`first_purchase_undone` if it was the last purchase of the episode, `habit_undone` "
            "if too few are left. Silence is measured from the last purchase that stands. A "
            "decline of revenue is judged here."
        ),
        "order.refund_withdrawn": (
            "Takes a refund back. An order that it had undone stands again, with the time of "
            "purchase that it had."
        ),
        "order.cancelled": (
            "Undoes the whole order: `first_purchase_undone` if it was the last purchase of the "
            "episode, `habit_undone` if too few are left. Silence is measured from the last "
            "purchase that stands. A decline of revenue is judged here."
        ),
        "delivery.delayed": _NONE,
        "contract.concluded": (
            "`first_purchase` or `returned`; ends the causes `silence`, `revenue`, `contact`, "
            "`newsletter` and every `cancellation`. Silence is suspended while the contract runs."
        ),
        "contract.renewed": (
            "`habit_formed`, `settled` or `returned`; ends the same causes as "
            "`contract.concluded`. An unknown contract is concluded by it."
        ),
        "contract.cancelled": (
            "`cancellation_announced` until the contract ends; then `relationship_ended`, if no "
            "other contract runs and no order followed the notice. While another runs, the end "
            "only takes the cause `cancellation` along."
        ),
        "feedback.submitted": (
            "NPS up to 6, CSAT or review up to 2: `dissatisfied`; 7 or 3 ends that cause."
            " NPS 9 or 10, or a public review of 5, without an open complaint: `recommends` from "
            "established. NPS up to 8: `enthusiasm_faded`. `exit` is activity only: it ends the "
            "cause `contact`."
        ),
        "feedback.answered": _NONE,
        "complaint.opened": (
            "Severity 2 or 3: `dissatisfied` at once. Any severity: `dissatisfied` if nobody "
            "answers within `complaint_overdue_hours`."
        ),
        "complaint.answered": (
            "Stops the deadline for an answer; ends the cause of a complaint of severity 1, even "
            "if it was resolved without satisfying."
        ),
        "complaint.resolved": (
            "Closes the complaint; if `satisfied` is true, its cause ends (`recovered`)."
        ),
        "inquiry.opened": _ACTIVITY,
        "inquiry.answered": _NONE,
        "newsletter.subscribed": "Activity: ends the causes `newsletter` and `contact`.",
        "newsletter.unsubscribed": "`bond_weakens`: at risk because of `newsletter`.",
        "consent.granted": f"None. {_NO_CUSTOMER}",
        "consent.withdrawn": f"None. {_NO_CUSTOMER}",
        "contact.made": _NONE,
        "customer.merged": (
            "Every event of the subject, stored or still to come, counts for `into` instead; the "
            f"subject's own history is withdrawn. {_NO_CUSTOMER}"
        ),
        "customer.unmerged": (
            "The subject and the customer it was merged into are as if that had never been. Of "
            "all merges and unmerges of an id the latest by `time` decides, whatever `into` an "
            f"unmerge names. {_NO_CUSTOMER}"
        ),
        "customer.erasure_requested": f"None. {_NO_CUSTOMER}",
        "referral.succeeded": (
            "`recommends`: the customer becomes an advocate, even if unknown so far."
        ),
        "referral.annulled": "`enthusiasm_faded`, if no other evidence of enthusiasm is left.",
        "clock.ticked": "Deadlines up to `time` fire. Accepted in log time only.",
        "import.started": "Deadlines that were due before it wait for the end of the import.",
        "import.finished": "Those deadlines fire; the transitions they cause are `historical`.",
        "improvement.delivered": _NONE,
    }
)
"""What an event type does to the phase, by name.

An unknown customer becomes a prospect, unless the text says otherwise.
"""
