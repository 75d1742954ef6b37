"""What a worker's log says of every activity: whose it was, how long it took and how it ended."""

import time
from typing import Any, Final

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from config import tracing

logger = structlog.get_logger("laurel.worker")

# The workflow's id is "claim-", "correction-" or "merge-" and the id of what it is about.
_SUBJECTS: Final = ("claim", "correction", "merge")


class ActivityLog(Interceptor):
    """One line for each activity that ended, and the claim's id in every line that is written meanwhile.

    It stands outside ``PrivateFailures``, so that it sees codes and no messages.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Wrap the running of activities."""
        return _LoggedActivity(next)


class _LoggedActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        subject, _, subject_id = (info.workflow_id or "").partition("-")
        # Each activity runs in a task of its own, so what is bound here is bound to nothing else.
        if subject in _SUBJECTS:
            tracing.note(**{f"{subject}_id": subject_id})
        started, failure = time.perf_counter(), "cancelled"
        try:
            answer = await super().execute_activity(input)
            failure = ""
        except Exception as error:
            failure = (error.type if isinstance(error, ApplicationError) else None) or type(error).__name__
            raise
        finally:
            tell = logger.warning if failure else logger.info
            said = {"activity": info.activity_type, "attempt": info.attempt} | ({"error": failure} if failure else {})
            tell("activity", **said, ms=round((time.perf_counter() - started) * 1000, 1))
        return answer
