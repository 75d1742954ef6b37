"""Taking a step of a claim from a page: send the form to the API, then lead on, or show beside it what is wrong."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from api.pages.visit import Answer, ApiProblem, Visit

Json = Mapping[str, Any]
Refused = Callable[[ApiProblem], Awaitable[Response]]

# What is said beside the form. Anything else is a page of its own: nothing is here, too many requests, no database.
_BESIDE_THE_FORM: Final = frozenset({409, 422})


def claim_address(claim_id: str, *parts: str) -> str:
    """The address of something of a claim, in the pages as well as, after ``/v1``, in the API."""
    return "/".join(["/claims", *(quote(part, safe="") for part in (claim_id, *parts))])


async def answered(
    visit: Visit, claim_id: str, sending: Awaitable[Answer], refused: Refused, *, lead_to: str | None = None
) -> Response:
    """Lead to the claim, or to ``lead_to``, once a step is taken.

    A step that is received and not decided yet leads to the claim's page, which shows the outcome.
    """
    try:
        answer = await sending
    except ApiProblem as problem:
        if problem.status not in _BESIDE_THE_FORM:
            raise
        return await refused(problem)
    if answer.is_undecided:
        submission = quote(str(answer.document["id"]), safe="")
        return visit.redirect(f"{claim_address(claim_id)}?submission={submission}", notice="received")
    return visit.redirect(lead_to or claim_address(claim_id), notice="saved")
