"""The application: services made at the start, routes, and the layers around them. ``uvicorn api.app:create_app``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from api.auth import ACCESS, public, undeclared
from api.database import Database
from api.description import describe
from api.door import Door
from api.edge import Edge
from api.gate import Gate
from api.gateway import Connect, Gateway, connect_lazily
from api.handlers import add_handlers
from api.limits import Limiter, SharedLimiter
from api.pages import visit
from api.pages.routers import ROUTERS
from api.policies import Policies
from api.services import Services
from api.traced import Traced
from api.v1 import (
    audit,
    bulk,
    bulk_forms,
    ce_activities,
    certificate_previews,
    certificate_templates,
    certificate_versions,
    certificates,
    claim_records,
    claiming,
    claims,
    completion,
    correction_decisions,
    correction_previews,
    corrections,
    credentials,
    definitions,
    drafts,
    employees,
    exports,
    handed_out,
    health,
    historical_awards,
    images,
    integrations,
    issuance_pauses,
    learner_profiles,
    learning,
    login_sessions,
    me,
    metrics,
    operator_actions,
    outcomes,
    overview,
    people,
    problem_reports,
    programme,
    quarantine,
    reminders,
    rosters,
    saved_views,
    session,
    staff,
    staff_accounts,
    staff_claims,
    stuck,
    transcript,
    transcript_links,
    wallet,
)
from api.wakeups import Wakeups
from config import __version__, tracing
from config.settings import Settings, load_settings
from documents.render_process import ProcessRenderer

_FOLDER: Final = Path(__file__).parent
_FONTS: Final = _FOLDER.parent / "documents" / "fonts"
_DAY: Final = 86_400

_DESCRIPTION: Final = """
Claims of continuing-education credit. A step is recorded before it is acknowledged: **200** or **201** means accepted,
**409** refused (the `code` says why), **202** received and not decided yet (`Location` tells the outcome later).
Errors are problem documents (RFC 9457). Amounts are strings (`"1.25"`), times are RFC 3339 with offset. Send an
`Idempotency-Key` with every POST, PUT and PATCH, so that a repeated request has one effect.
"""


class _Static(StaticFiles):
    """Files that browsers may keep for a day."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Answer with a file."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = f"public, max-age={_DAY}"
        return response


def create_app(settings: Settings | None = None, connect: Connect = connect_lazily) -> FastAPI:
    """Build the application. It starts without Temporal and without its database, and says so at ``/readyz``.

    Tests pass their own settings, and a ``connect`` that makes the Temporal client they want.
    """
    chosen = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(chosen.database_url, chosen.database_pool_size)
        wakeups = Wakeups(database)
        gateway = Gateway(database, wakeups, connect)
        # Its process starts when somebody first previews a template.
        renderer = ProcessRenderer(memory_mb=chosen.render_memory_mb, seconds=chosen.render_seconds)
        app.state.services = Services(
            chosen, database, wakeups, gateway, Policies(database), Limiter(), SharedLimiter(database), renderer
        )
        await gateway.start()
        wakeups.start()
        yield
        await wakeups.stop()
        await gateway.stop()
        await database.close()
        renderer.close()
        await asyncio.to_thread(tracing.stop)

    app = FastAPI(
        title="Laurel",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_layers(app, chosen)
    _add_routes(app)
    return app


def _add_layers(app: FastAPI, settings: Settings) -> None:
    """The layers around the routes; the one added last is outermost."""
    add_handlers(app)
    app.add_exception_handler(visit.SignInNeededError, visit.lead_to_sign_in)
    app.add_exception_handler(visit.ApiProblem, visit.show_problem)
    app.add_middleware(Door, places=2 * settings.database_pool_size)
    app.add_middleware(Gate)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Prefer"],
            expose_headers=["Location", "Retry-After", "Idempotent-Replayed", "X-Request-ID", "ETag", "RateLimit"],
        )
    app.add_middleware(Edge, is_https=settings.public_url.startswith("https://"))
    if tracing.start("api"):
        app.add_middleware(Traced)


# Where two take the same address, the one that comes first is meant.
_ROUTERS: Final = (
    session.router,
    me.router,
    login_sessions.router,
    ce_activities.router,
    claims.router,
    learning.router,
    claiming.router,
    drafts.router,
    certificates.router,
    certificate_versions.router,
    certificate_versions.own_router,
    credentials.router,
    transcript.router,
    transcript_links.router,
    wallet.router,
    reminders.router,
    problem_reports.router,
    problem_reports.staff_router,
    operator_actions.router,
    bulk_forms.router,
    bulk.router,
    overview.router,
    completion.router,
    stuck.router,
    issuance_pauses.router,
    staff_claims.router,
    saved_views.router,
    programme.router,
    definitions.router,
    staff.router,
    claim_records.router,
    staff_accounts.router,
    learner_profiles.router,
    correction_previews.router,
    audit.router,
    corrections.router,
    correction_decisions.router,
    people.router,
    employees.router,
    historical_awards.router,
    outcomes.router,
    quarantine.router,
    exports.router,
    handed_out.router,
    rosters.router,
    images.router,
    certificate_previews.router,
    certificate_templates.router,
    integrations.router,
    health.router,
    metrics.router,
    *ROUTERS,
)


def _add_routes(app: FastAPI) -> None:
    for router in (*_ROUTERS, _docs()):
        missing = undeclared(router.routes, ACCESS | integrations.ACCESS | visit.ACCESS)
        if missing:
            raise RuntimeError(f"these routes do not say who may use them: {', '.join(missing)}")
        # Each router's routes are complete already; a flat list is matched faster than routers within routers.
        app.router.routes.extend(router.routes)
    app.mount("/static/fonts", _Static(directory=_FONTS))
    app.mount("/static", _Static(directory=_FOLDER / "static"))
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _docs() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    html = (_FOLDER / "templates" / "docs.html").read_text(encoding="utf-8")

    @router.get("/docs", dependencies=[Depends(public)])
    async def show_docs() -> Response:
        """The description of the API, without anything from elsewhere."""
        return HTMLResponse(html)

    return router
