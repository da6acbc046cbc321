"""Money in events: integer minor units and an ISO 4217 code."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from shared.events.fields import WHOLE

MAX_AMOUNT: Final = 2**53
"""Above this, receivers that read JSON numbers as doubles would round."""

# The codes in use (ISO 4217, list one), without funds and metals.
_IN_USE: Final = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO
NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND
VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
# Withdrawn codes, which imported histories may contain.
_WITHDRAWN: Final = """
ANG ATS BEF BGN BYR CUC CYP DEM EEK ESP FIM FRF GRD HRK IEP ITL LTL LUF LVL MRO MTL NLG PTE ROL
SIT SKK SLL STD TRL VEF ZMK ZWL
"""
_WITHOUT_MINOR_UNIT: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_WITH_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    dict.fromkeys(_IN_USE.split(), 2)
    | dict.fromkeys(_WITHOUT_MINOR_UNIT.split(), 0)
    | dict.fromkeys(_WITH_THREE_DIGITS.split(), 3)
)
"""The digits of the minor unit of every currency in use (ISO 4217, list one)."""
CURRENCIES: Final = frozenset(_IN_USE.split()) | frozenset(_WITHDRAWN.split())


def _known(code: str) -> str:
    if code not in CURRENCIES:
        raise PydanticCustomError("currency", "must be an ISO 4217 code in capitals, such as EUR")
    return code


CURRENCY_PATTERN: Final = "^[A-Z]{3}$"
Currency = Annotated[str, Field(pattern=CURRENCY_PATTERN, examples=["EUR"]), AfterValidator(_known)]


class Money(BaseModel):
    """An amount in minor units (1999 is 19.99 EUR), never negative."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT), WHOLE]
    currency: Currency


class SignedMoney(BaseModel):
    """An amount in minor units that may be negative, as a margin is after a loss."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    amount: Annotated[int, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT), WHOLE]
    currency: Currency
