"""Lists with a filter in the address: what the API refuses of it is said by its field, and the page still comes."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from api.pages.visit import ApiProblem, Visit
from api.pages.wording import field_words

Json = Mapping[str, Any]

_NOTHING: Final[Json] = {"data": [], "has_more": False, "next": None}


async def listed(visit: Visit, path: str, filters: Mapping[str, str], **query: Any) -> tuple[Json, dict[str, str]]:
    """A page of a list of the API; where a filter is refused, an empty one, with what is wrong by the filter's field.

    What else is refused is raised: nobody types the beginning of a page, or how long it is.
    """
    try:
        return await visit.get(path, **filters, **query), {}
    except ApiProblem as problem:
        return _NOTHING, filter_errors(problem, filters)


def filter_errors(problem: ApiProblem, filters: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with each of these fields, in words; raises the problem when it is about anything else."""
    errors = problem.errors_by_field()
    if problem.status != HTTPStatus.UNPROCESSABLE_ENTITY or not errors or errors.keys() - filters.keys():
        raise problem
    return {name: field_words(error["code"]) for name, error in errors.items()}


def status_of(errors: Mapping[str, str]) -> int:
    """How a page of a list answers."""
    return HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
