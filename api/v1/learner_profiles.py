"""Staff: putting right what is on record of a learner. Issued certificates stay until they are corrected."""

from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Staff
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Credentials, Key, Name, Reason
from api.v1.envelope import Envelope, envelope
from api.v1.once import answer_once
from api.v1.people import LearnerDetails, learner_json
from domain.identifiers import IDENTIFIERS
from domain.identities import is_id
from domain.people import EMPLOYEE_ID, NOT_AN_EMPLOYEE, written_identifier
from domain.policy import Profession
from storage import employees, historical_awards, learners, people
from storage.acts import Actor
from storage.learners import LearnerView

router = APIRouter(prefix="/v1/staff/learners", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
EnvelopeOf = Annotated[Envelope, Depends(envelope)]

_FIELDS: Final = frozenset({"given_name", "family_name", "credentials", "profession"})


class LearnerChangeRequest(Body):
    """Fields to change; what is left out stays. Empty credentials are none; an identifier that is null is removed."""

    given_name: Name | None = None
    family_name: Name | None = None
    credentials: Credentials | None = None
    profession: Annotated[Profession, Field(strict=False)] | None = None
    identifiers: dict[Key, str | None] = Field(default_factory=dict, max_length=len(IDENTIFIERS))
    reason: Reason

    @model_validator(mode="after")
    def _identifiers_are_known(self) -> Self:
        for kind, value in self.identifiers.items():
            if kind not in IDENTIFIERS:
                raise ValueError("identifier_unknown")
            if value is not None:
                written = written_identifier(kind, value)
                if written is None:
                    raise ValueError("identifier_format")
                self.identifiers[kind] = written
        if not self.changes and not self.identifiers:
            raise ValueError("change_missing")
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """The fields to change, besides identifiers."""
        given = self.model_dump(include=set(_FIELDS), exclude_none=True)
        return given | ({"credentials": given["credentials"] or None} if "credentials" in given else {})


@router.patch("/{learner_id}", response_model=LearnerDetails, responses={409: answers.TAKEN[409]})
async def change_learner(
    learner_id: str, body: LearnerChangeRequest, principal: Staff, head: EnvelopeOf, services: ServicesOf
) -> Response:
    """Put a learner's name, credentials, profession or identifiers right; of a merged one, those of the other."""
    actor = Actor(principal.account_id, head.request_id)

    async def change(connection: AsyncConnection) -> dict[str, Any]:
        known = is_id(learner_id, "lrn")
        kept_id = await connection.run_sync(historical_awards.lock_learner, learner_id) if known else None
        if kept_id is None:
            raise ProblemError("not_found")
        if kept_id == principal.learner_id:
            raise ProblemError("own_account")
        before = await _found(connection, kept_id)
        if before.erased_at is not None:
            raise ProblemError("learner_erased")
        await _check_employee_id(connection, before, body)
        await people.change_profile(connection, kept_id, body.changes, body.identifiers, actor, reason=body.reason)
        return learner_json(await _found(connection, kept_id))

    return await answer_once(services, head.key, change)


async def _found(connection: AsyncConnection, learner_id: str) -> LearnerView:
    view = await learners.learner(connection, learner_id)
    if view is None:
        raise ProblemError("not_found")
    return view


async def _check_employee_id(connection: AsyncConnection, before: LearnerView, body: LearnerChangeRequest) -> None:
    """Staff, too, can't give an employee id that the list has for nobody, or for somebody else."""
    employee_id = body.identifiers.get(EMPLOYEE_ID)
    if employee_id in (None, NOT_AN_EMPLOYEE):
        return
    given_name = body.given_name or before.summary.given_name
    family_name = body.family_name or before.summary.family_name
    if not await employees.may_have(connection, employee_id, given_name, family_name):
        raise ProblemError("employee_id_unknown", errors=[FieldError("/identifiers", "employee_id_unknown")])
