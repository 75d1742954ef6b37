"""The pages: of learners, of staff, and of anyone."""

from typing import Final

from api.pages.learner import ce_activities, certificate, home
from api.pages.public import sign_in, site, verification

ROUTERS: Final = (
    sign_in.router,
    home.router,
    ce_activities.router,
    certificate.router,
    verification.router,
    site.router,
)
