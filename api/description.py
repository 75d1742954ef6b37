"""The API's description (OpenAPI 3.1), with the shape of problem documents, and with each common refusal said once."""

from collections import Counter
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.v1 import answers

Json = dict[str, Any]


def describe(app: FastAPI) -> Json:
    """The description, made once per process."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        problem = answers.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
        _say_refusals_once(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _say_refusals_once(schema: Json) -> None:
    """Move the refusals that most operations share to one place, named by their status, and refer to them there."""
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    words = Counter(
        (status, response["description"])
        for operation in operations
        for status, response in operation["responses"].items()
        if "application/problem+json" in response.get("content", {})
    )
    usual = {status: said for (status, said), _count in reversed(words.most_common())}
    shared = schema["components"].setdefault("responses", {})
    for operation in operations:
        for status, response in operation["responses"].items():
            if response["description"] == usual.get(status):
                shared[f"Problem{status}"] = response
                operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
