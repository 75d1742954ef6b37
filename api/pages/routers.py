"""The pages: of learners, of staff, and of anyone."""

from typing import Final

from api.pages.learner import (
    ce_activities,
    certificate,
    claim,
    evaluation,
    home,
    login_sessions,
    meeting,
    post_test,
    profile,
    questionnaire,
    reports,
    wallet,
)
from api.pages.public import shared, sign_in, sign_in_provider, site, start, verification
from api.pages.staff import ce_activities as programme
from api.pages.staff import definitions

ROUTERS: Final = (
    sign_in.router,
    sign_in_provider.router,
    home.router,
    ce_activities.router,
    claim.router,
    questionnaire.router,
    post_test.router,
    evaluation.router,
    meeting.router,
    certificate.router,
    wallet.router,
    profile.router,
    reports.router,
    login_sessions.router,
    definitions.router,
    programme.router,
    shared.router,
    start.router,
    verification.router,
    site.router,
)
