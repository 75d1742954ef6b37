"""My profile, and whether I have one already."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Principal, SignedIn, client_address
from api.limits import Limit
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Credentials, Key, Name, TimeZone
from api.v1.envelope import Envelope, envelope
from api.v1.once import answer_once
from api.v1.steps import json_response
from config.languages import LANGUAGES, current_language, gettext, marked
from domain.identifiers import IDENTIFIERS
from domain.people import (
    ALWAYS_REQUIRED,
    EMPLOYEE_ID,
    NOT_AN_EMPLOYEE,
    matching_person,
    missing_fields,
    name_key,
    written_identifier,
)
from domain.policy import Profession
from storage import employees, intake, learners, people
from storage.acts import Actor
from storage.intake import KeyReusedError
from storage.people import LearnerProfile

router = APIRouter(prefix="/v1/me", tags=["me"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
EnvelopeOf = Annotated[Envelope, Depends(envelope)]

# A look-up tells whether somebody has an account, so nobody may go through a list of names or employee ids.
_LOOK_UPS: Final = Limit("look_ups", 5, 3600)
_LOOK_UPS_PER_CLIENT: Final = Limit("look_ups_per_client", 100, 3600)
_EMPLOYEE_IDS: Final = Limit("employee_ids", 20, 3600)
_HAS_PROFILE: Final[answers.Responses] = {409: {**answers.TAKEN[409], "description": "I have a profile already."}}

_WORDS: Final = {
    "account_found": marked(
        "You have an account already. A link to sign in is on its way to the address that it is under."
    ),
    "no_match": marked("No account was found. Go on and create your profile."),
}


def _written(kind: str, value: str) -> str:
    written = written_identifier(kind, value)
    if written is None:
        raise ValueError("identifier_format")
    return written


def _employee_id(value: str) -> str:
    return _written(EMPLOYEE_ID, value)


def _language(tag: str) -> str:
    if tag not in LANGUAGES:
        raise ValueError("language_unknown")
    return tag


Language = Annotated[str, StringConstraints(max_length=20), AfterValidator(_language)]


class ProfileChange(Body):
    """Fields of the profile to change; what is left out stays. An identifier that is null is removed."""

    given_name: Name | None = None
    family_name: Name | None = None
    credentials: Credentials | None = None
    profession: Annotated[Profession, Field(strict=False)] | None = None
    time_zone: TimeZone | None = None
    language: Language | None = None
    wants_reminders: bool = True
    shows_name: bool = True
    identifiers: dict[Key, str | None] = Field(default_factory=dict, max_length=len(IDENTIFIERS))

    @model_validator(mode="after")
    def _identifiers_are_known(self) -> Self:
        for kind, value in self.identifiers.items():
            if kind not in IDENTIFIERS:
                raise ValueError("identifier_unknown")
            if value is not None:
                self.identifiers[kind] = _written(kind, value)
        return self


class LookUpRequest(Body):
    """Who I am; ``employee_id`` is NA for people who are not employees."""

    given_name: Name
    family_name: Name
    employee_id: Annotated[str, StringConstraints(max_length=80), AfterValidator(_employee_id)]


class LookUpAnswer(BaseModel):
    """Whether I have an account; nothing about it is told here."""

    result: Literal["account_found", "no_match"]
    message: str


class Profile(BaseModel):
    """Who I am here. ``missing`` names the fields that everyone has to fill in and I have not.

    ``language`` is the one that pages and e-mails are in, null until one is chosen.
    ``shows_name`` says whether anyone who verifies a certificate of mine is told my name.
    """

    email: str
    role: str
    given_name: str | None
    family_name: str | None
    credentials: str | None
    profession: str | None
    time_zone: str | None
    language: str | None
    wants_reminders: bool
    shows_name: bool
    identifiers: dict[str, str]
    is_new: bool
    missing: list[str]


@router.get("", response_model=Profile)
async def show_profile(principal: SignedIn, services: ServicesOf) -> Response:
    """Who I am here, and what my profile still lacks."""
    profile = await services.database.statements(lambda c: people.profile(c, principal.learner_id))
    return json_response(_profile_json(profile, principal))


def _profile_json(profile: LearnerProfile, principal: Principal) -> dict[str, Any]:
    return {
        "email": profile.email,
        # The account that is signed in, which after a merge may be another one than the profile's own.
        "role": principal.role,
        "given_name": profile.given_name,
        "family_name": profile.family_name,
        "credentials": profile.credentials,
        "profession": profile.profession,
        "time_zone": profile.time_zone,
        "language": profile.language,
        "wants_reminders": profile.wants_reminders,
        "shows_name": profile.shows_name,
        "identifiers": dict(profile.identifiers),
        "is_new": profile.is_new,
        "missing": list(missing_fields(profile.fields, ALWAYS_REQUIRED)),
    }


@router.patch("", response_model=Profile)
async def change_profile(body: ProfileChange, principal: SignedIn, head: EnvelopeOf, services: ServicesOf) -> Response:
    """Change my profile; what is left out stays, what is null is emptied. Issued certificates stay as they are."""
    changes = body.model_dump(exclude_unset=True, exclude={"identifiers"})
    if body.identifiers.get(EMPLOYEE_ID) not in (None, NOT_AN_EMPLOYEE):
        services.limiter.hit(_EMPLOYEE_IDS, principal.account_id)

    async def change(connection: AsyncConnection) -> bool:
        if head.key is not None and await intake.begin_answer(connection, head.key) is not None:
            return True
        await _check_employee_id(connection, principal, changes, body.identifiers.get(EMPLOYEE_ID))
        actor = Actor(principal.account_id, head.request_id)
        await people.change_profile(connection, principal.learner_id, changes, body.identifiers, actor)
        return False

    try:
        is_repeated = await services.database.transaction(change)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    response = await show_profile(principal, services)
    if is_repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response


async def _check_employee_id(
    connection: AsyncConnection, principal: Principal, changes: Mapping[str, Any], employee_id: str | None
) -> None:
    if employee_id in (None, NOT_AN_EMPLOYEE):
        return
    profile = await people.profile(connection, principal.learner_id)
    given_name = changes.get("given_name", profile.given_name)
    family_name = changes.get("family_name", profile.family_name)
    if not await employees.may_have(connection, employee_id, given_name, family_name):
        raise _employee_id_unknown("/identifiers")


def _employee_id_unknown(pointer: str) -> ProblemError:
    return ProblemError("employee_id_unknown", errors=[FieldError(pointer, "employee_id_unknown")])


@router.post("/lookup", response_model=LookUpAnswer, responses=_HAS_PROFILE)
async def look_up(
    request: Request, body: LookUpRequest, principal: SignedIn, head: EnvelopeOf, services: ServicesOf
) -> Response:
    """Before I create a profile: whether I have an account under another address. If so, a link is mailed there."""
    services.limiter.hit(_LOOK_UPS_PER_CLIENT, client_address(request))
    request.state.limit_headers = services.limiter.hit(_LOOK_UPS, principal.account_id)

    async def find(connection: AsyncConnection) -> Mapping[str, Any]:
        if not await learners.lock_new(connection, principal.learner_id):
            raise ProblemError("profile_exists")
        found = await _send_link_to_match(connection, services, body, principal)
        result = "account_found" if found else "no_match"
        act = f"lookup.{result}"
        await people.record_act(
            connection, principal.learner_id, act, principal.account_id, {}, request_id=head.request_id
        )
        return {"result": result, "message": gettext(_WORDS[result])}

    return await answer_once(services, head.key, find)


async def _send_link_to_match(
    connection: AsyncConnection, services: Services, body: LookUpRequest, principal: Principal
) -> bool:
    """Find the account of whoever this is, and mail a link to its address; False when there is none."""
    employee_id = None if body.employee_id == NOT_AN_EMPLOYEE else body.employee_id
    if employee_id and not await employees.may_have(connection, employee_id, body.given_name, body.family_name):
        raise _employee_id_unknown("/employee_id")
    name = name_key(body.given_name, body.family_name)
    candidates = await learners.candidates(connection, name, employee_id, principal.learner_id)
    match = matching_person(name, employee_id, [each.person for each in candidates])
    if match is None:
        return False
    settings = services.settings
    await people.request_link(
        connection,
        next(each.email for each in candidates if each.person is match),
        secrets.token_urlsafe(32),
        settings.sign_in_link_life,
        settings.sign_in_links_per_hour,
        asked_by=principal.account_id,
        language=current_language(),
    )
    return True
