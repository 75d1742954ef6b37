"""What routes are given: one object per application, made when it starts."""

from dataclasses import dataclass

from starlette.requests import Request

from api.database import Database
from api.gateway import Gateway
from api.limits import Limiter, SharedLimiter
from api.policies import Policies
from api.wakeups import Wakeups
from config.settings import Settings
from documents.jobs import Renderer


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route may use."""

    settings: Settings
    database: Database
    wakeups: Wakeups
    gateway: Gateway
    policies: Policies
    limiter: Limiter
    shared_limiter: SharedLimiter
    renderer: Renderer


# Asynchronous like every dependency of a request: a synchronous one waits its turn in a thread, whatever it does.
async def services_of(request: Request) -> Services:
    """The services of the application that a request came to."""
    services: Services = request.app.state.services
    return services
