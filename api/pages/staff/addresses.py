"""Where things of the office are, in the pages as well as, after ``/v1``, in the API; and forms sent there."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from api.pages.visit import Answer, ApiProblem, Refused
from api.pages.wording import field_words, problem_words

Json = Mapping[str, Any]

# What is said beside the form. Anything else is a page of its own: nothing is here, not allowed, no database.
_BESIDE_THE_FORM: Final = frozenset({409, 422})


def staff_address(*parts: str) -> str:
    """``/staff/…``, each part as one segment of a path, whatever somebody typed into it."""
    return "/".join(["/staff", *(quote(part, safe="") for part in parts)])


def api_address(*parts: str) -> str:
    """``/v1/staff/…``, likewise."""
    return f"/v1{staff_address(*parts)}"


def form_errors(problem: ApiProblem, zone: str = "UTC") -> dict[str, str]:
    """What is wrong with a form, in words: by field, or as a whole under ``form``."""
    named = {name: field_words(error["code"]) for name, error in problem.errors_by_field().items() if name}
    return named or {"form": problem_words(problem.document, zone)}


async def answer_or_page(sending: Awaitable[Answer], refused: Refused) -> Answer | Response:
    """What the API answered, or the form again with what it refused."""
    try:
        return await sending
    except ApiProblem as problem:
        if problem.status not in _BESIDE_THE_FORM:
            raise
        return await refused(problem)
