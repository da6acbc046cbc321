"""Decoders of what lifecycle stores as JSON; each takes the text of one column."""

from typing import Final

import msgspec

from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.merges import Merges
from shared.events.transitions import Transition

decode_customer: Final = msgspec.json.Decoder(Customer).decode
decode_merges: Final = msgspec.json.Decoder(Merges).decode
decode_transition: Final = msgspec.json.Decoder(Transition).decode
decode_policy: Final = msgspec.json.Decoder(Policy).decode
decode_fit: Final = msgspec.json.Decoder(Fit).decode
