"""The sandbox that workflows run in, without a detour that only payload codecs and external storage need.

For each payload of each task the SDK (1.35) enters the sandbox six times to ask in which context it is to be encoded,
stored and decoded. We use neither a codec nor external storage, and the default converter ignores the context, so the
answer changes nothing; asking costs a fifth of a worker's CPU (``docs/decisions``, number 8).
"""

from typing import Any, Final

from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

# What workflows import is loaded once per process and not once per claim.
IMPORTED: Final = ("activities", "domain", "workflows.contract", "workflows.explain", "tzdata")


class ContextFreeRunner(WorkflowRunner):
    """Runs workflows as the given runner does, and answers for it that no payload needs a context."""

    def __init__(self, runner: WorkflowRunner) -> None:
        self._runner = runner

    def prepare_workflow(self, defn: Any) -> None:
        """See ``WorkflowRunner``."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See ``WorkflowRunner``."""
        return _ContextFreeInstance(self._runner.create_instance(det))

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        """See ``WorkflowRunner``."""
        self._runner.set_worker_level_failure_exception_types(types)


class _ContextFreeInstance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance) -> None:
        self._instance = instance
        self._store_context = instance.get_external_store_context(None)

    def activate(self, act: Any) -> Any:
        return self._instance.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:  # noqa: ARG002  # the same answer for every command
        return None

    def get_external_store_context(self, command_info: Any) -> Any:  # noqa: ARG002  # nothing is stored externally
        return self._store_context

    def get_info(self) -> Any:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


def workflow_runner() -> WorkflowRunner:
    """The runner of the product's workers: the workflows' own modules, too, are loaded once (decision 19)."""
    return _runner(*IMPORTED, "workflows")


def watching_runner() -> WorkflowRunner:
    """The runner of the tests: loads a workflow's module for each claim, to watch it for clocks, chance and input."""
    return _runner(*IMPORTED)


def _runner(*passed_through: str) -> WorkflowRunner:
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*passed_through)
    return ContextFreeRunner(SandboxedWorkflowRunner(restrictions=restrictions))
