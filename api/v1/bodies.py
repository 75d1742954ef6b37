"""What clients may send: one strict model per body. Unknown fields, numbers as text and text as numbers are refused."""

from datetime import date
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from domain import credit
from domain.names import clean_name, clean_text, email_address

MAXIMUM_REASON_LENGTH: Final = 2000
_MAXIMUM_ANSWERS: Final = 500


def _units(text: str) -> str:
    try:
        units = credit.parse_units(text)
    except ValueError:
        raise ValueError("units_format") from None
    if units <= 0:
        raise ValueError("units_format")
    return text


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("date_invalid") from None
    return text


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("time_zone_unknown")
    return ZoneInfo(name).key


def _reason(text: str) -> str:
    cleaned = clean_text(text, MAXIMUM_REASON_LENGTH)
    if not cleaned:
        raise ValueError("text_empty")
    return cleaned


def _credentials(text: str) -> str:
    return clean_name(text) if text.strip() else ""


Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,100}$")]
Email = Annotated[
    str,
    StringConstraints(max_length=320),
    AfterValidator(email_address),
    WithJsonSchema({"type": "string", "format": "email"}),
]
Name = Annotated[str, AfterValidator(clean_name)]
Credentials = Annotated[str, StringConstraints(max_length=100), AfterValidator(_credentials)]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_time_zone)]
Units = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9]{1,2})?$"), AfterValidator(_units)]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)]
Reason = Annotated[str, AfterValidator(_reason)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=80)]
# What stands on a badge, in a letter or in a link: letters and digits of any script, and what joins them.
Identifier = Annotated[
    str, StringConstraints(pattern=r"^[\w .,:#/+\-\u2010-\u2015]{0,80}$"), AfterValidator(lambda text: text.strip())
]


class Body(BaseModel):
    """The base of every body: nothing is converted, nothing unknown is accepted, nothing is repeated in errors."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class LinkRequest(Body):
    """Ask for a sign-in link."""

    email: Email


class SessionRequest(Body):
    """Sign in with the token of a link."""

    token: Token


class ClaimRequest(Body):
    """Open, or find, my claim for a CE activity."""

    ce_activity: Slug


class ParticipationRequest(Body):
    """Prove that I took part: by an option, a code, a badge id or a group's id; a roster needs no value."""

    method: Literal["attestation", "code", "badge_id", "group_id", "roster"] = "attestation"
    value: Identifier = ""

    @model_validator(mode="after")
    def _has_value(self) -> Self:
        if not self.value and self.method != "roster":
            raise ValueError("text_empty")
        return self


class StatementRequest(Body):
    """Choose the statement of credit that I seek."""

    credit_type: Code


class DisclosuresRequest(Body):
    """Acknowledge that I read the disclosures in this version."""

    version: Code


class SessionCreditRequest(Body):
    """What I claim for a session, with its evaluation; without ``responses`` the evaluation stays as it was."""

    units: Units
    responses: dict[Key, str | int] | None = Field(default=None, max_length=_MAXIMUM_ANSWERS)


class FinalizationRequest(Body):
    """Make my statement final, knowing that nothing can be changed in it afterwards."""

    confirmed: bool


class Nothing(Body):
    """A step that needs no fields."""


class AnswersRequest(Body):
    """The final answers of an attempt: question code to option code."""

    answers: dict[Key, Code] = Field(max_length=_MAXIMUM_ANSWERS)


class EvaluationRequest(Body):
    """The evaluation: question code to option code, number on the scale, or text."""

    responses: dict[Key, str | int] = Field(max_length=_MAXIMUM_ANSWERS)


class CreditRequest(Body):
    """The amount claimed, and the attestation that it is commensurate with participation (R-AMA-4)."""

    credit_type: Code
    units: Units | None = None
    attestation_version: Code
    attested: bool


class ReasonRequest(Body):
    """Something that needs a reason."""

    reason: Reason
