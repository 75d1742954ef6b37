"""Keeping personal data out of Temporal: what an activity raises is stored in the history, word for word."""

import uuid
from typing import Any

import structlog
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

logger = structlog.get_logger(__name__)


class PrivateFailures(Interceptor):
    """Replaces every unexpected exception by its type and an incident id; the rest goes to the worker's log.

    Errors of databases and mail servers quote rows and addresses. Ours are ``ApplicationError`` with a code as message.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Wrap the running of activities."""
        return _PrivateActivity(next)


class _PrivateActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        incident, name, non_retryable = "", "", False
        try:
            return await super().execute_activity(input)
        except ApplicationError as error:
            if error.message == error.type and not error.details:
                incident, name, non_retryable = "", error.type or "", error.non_retryable
            else:
                incident, name = self._report(error), "ApplicationError"
        except FailureError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote personal data
            incident, name = self._report(error), type(error).__name__
        # Raised outside the handlers, so that neither cause nor context carries the original into the history.
        message = f"{name} (incident {incident})" if incident else name
        raise ApplicationError(message, type=name, non_retryable=non_retryable)

    def _report(self, error: Exception) -> str:
        incident = uuid.uuid4().hex[:12]
        logger.error("activity failed", incident=incident, exc_info=error)
        return incident
