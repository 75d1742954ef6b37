"""Staff: which actions can be taken on many claims, and what each asks for."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from api.auth import Office
from api.sentences import REQUIREMENTS
from api.v1 import answers
from api.v1.operator_actions import reason_codes_json
from api.v1.steps import json_response
from config.languages import gettext
from domain.office import KIND_OF_ACTION, OperatorAction, may_act
from domain.submissions import REASONS, fields_of

router = APIRouter(prefix="/v1/staff", tags=["freeing"], responses=answers.STAFF_PROBLEMS)


class BulkForm(BaseModel):
    """An action that the asker may take; codes to choose from, and whether it takes a day. A reason goes with each."""

    action: OperatorAction
    reason_codes: list[answers.Option] | None
    requirements: list[answers.Option] | None
    takes_due_on: bool
    needs_due_on: bool


class BulkForms(BaseModel):
    """Every action that the asker may take on many claims."""

    data: list[BulkForm]


@router.get("/bulk", response_model=BulkForms)
async def list_bulk_forms(principal: Office) -> Response:
    """What I may do to many claims at once, and what to fill in for it; nothing for those who only read."""
    return json_response({"data": [_form(action) for action in OperatorAction if may_act(principal.role, action)]})


def _form(action: OperatorAction) -> dict[str, Any]:
    kind = KIND_OF_ACTION[action]
    reasons = REASONS.get(kind)
    requirements = [{"code": code, "label": gettext(words)} for code, words in REQUIREMENTS.items()]
    return {
        "action": action,
        "reason_codes": reason_codes_json(reasons) if reasons else None,
        "requirements": requirements if action is OperatorAction.WAIVE else None,
        "takes_due_on": "due_on" in fields_of(kind),
        "needs_due_on": action is OperatorAction.EXTEND,
    }
