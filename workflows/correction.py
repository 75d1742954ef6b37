"""A correction of what was awarded, from asking to telling the learner, as a workflow of its own."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.contract import (
        ISSUANCE_PAUSED,
        NOT_IN_RECORD,
        CertificateActivities,
        ClaimRef,
        CorrectionActivities,
        CorrectionAttention,
        CorrectionRef,
        CorrectionResolution,
        CorrectionStatus,
        MailActivities,
        number_of_change,
    )
    from domain.claims import Attention
    from domain.corrections import CorrectionState
    from domain.submissions import SubmissionKind
    from workflows import contract
    from workflows.contract import CorrectionInput, CorrectionResult, OperatorSignal
    from workflows.explain import explain_correction

Argument = TypeVar("Argument")


@workflow.defn(name=contract.CORRECTION_WORKFLOW)
class CorrectionWorkflow:
    """One correction. The record says how far it is; whatever happened to an earlier run, the story goes on there."""

    @workflow.init
    def __init__(self, correction: CorrectionInput) -> None:
        self._correction = CorrectionRef(correction.correction_id)
        self._status: CorrectionStatus | None = None
        self._is_decided = False
        self._is_issuance_resumed = False
        self._retry: OperatorSignal | None = None
        self._resolution: OperatorSignal | None = None
        self._attention_changes = 0

    @workflow.run
    async def run(self, _correction: CorrectionInput) -> CorrectionResult:
        """Wait for approval if need be, apply, issue the certificate, tell the learner."""
        try:
            await self._bring_about()
        except ActivityError as failure:
            # The record was restored as it was before anybody asked for this.
            if _type_of(failure) == NOT_IN_RECORD:
                return CorrectionResult(NOT_IN_RECORD)
            raise
        return CorrectionResult(self._known.state)

    async def _bring_about(self) -> None:
        await self._write(CorrectionActivities.load_correction, self._correction)
        while self._known.state is CorrectionState.AWAITING_APPROVAL:
            await workflow.wait_condition(lambda: self._is_decided)
            self._is_decided = False
            await self._write(CorrectionActivities.load_correction, self._correction)
        while self._known.state is CorrectionState.APPROVED:
            self._listen_anew()
            await self._write(CorrectionActivities.apply_correction, self._correction)
            if self._known.attention is Attention.ISSUANCE_PAUSED:
                await self._wait_for_issuance()
        if self._known.state is CorrectionState.APPLIED:
            if self._known.is_issued_here:
                await self._finish(self._issue_certificate, Attention.CERTIFICATE_FAILED)
            await self._finish(self._tell_learner, Attention.EMAIL_FAILED)
            await self._write(CorrectionActivities.complete_correction, self._correction)
            if self._known.is_claim_parked:
                await self._wake_claim()

    async def _issue_certificate(self) -> None:
        claim = ClaimRef(self._known.claim_id)
        await workflow.execute_activity_method(CertificateActivities.issue_certificate, claim, **contract.CERTIFICATE)

    async def _tell_learner(self) -> None:
        claim = ClaimRef(self._known.claim_id)
        await workflow.execute_activity_method(MailActivities.send_award_email, claim, **contract.EMAIL)

    async def _wake_claim(self) -> None:
        """Let a claim that is parked look again: the certificate that it could not make is replaced by this one."""
        claim = workflow.get_external_workflow_handle(contract.claim_workflow_id(self._known.claim_id))
        retry = OperatorSignal(submission_id=self._correction.correction_id)
        try:
            await claim.signal(contract.SIGNAL_OF_KIND[SubmissionKind.RETRY], retry)
        except FailureError as failure:
            # It does not run at present: once it is started again, it reads the record first.
            if is_cancelled_exception(failure):
                raise

    async def _finish(self, effect: Callable[[], Awaitable[None]], attention: Attention) -> None:
        """Bring an outside effect about. A dependency that fails parks the correction; only staff end it then."""
        while True:
            if self._known.attention is not None:
                await self._record_attention(None)
            if self._known.state is not CorrectionState.APPLIED:
                return None
            try:
                return await effect()
            except ActivityError as failure:
                self._listen_anew()
                is_paused = _type_of(failure) == ISSUANCE_PAUSED
                await self._record_attention(Attention.ISSUANCE_PAUSED if is_paused else attention, failure)
            await (self._wait_for_issuance() if is_paused else self._wait_for_retry())

    async def _wait_for_issuance(self) -> None:
        """Wait until issuance goes on, or staff decide; Laurel says so as often as it takes, so there is no timer."""
        await workflow.wait_condition(lambda: self._is_issuance_resumed or self._is_called)
        await self._resolve_if_asked()

    async def _wait_for_retry(self) -> None:
        """Wait for a person, or a while, and then let the step be tried again."""
        try:
            await workflow.wait_condition(
                lambda: self._is_called, timeout=contract.SELF_RETRY, timeout_summary="parked; tries itself again"
            )
        except TimeoutError:
            return
        await self._resolve_if_asked()

    @property
    def _is_called(self) -> bool:
        """Whether somebody wants the parked correction to go on or to end; of what staff decided, the record knows."""
        return self._is_decided or self._retry is not None or self._resolution is not None

    def _listen_anew(self) -> None:
        """Forget signals that came before the correction was parked: they are about something else."""
        self._is_decided = self._is_issuance_resumed = False
        self._retry = self._resolution = None

    async def _resolve_if_asked(self) -> None:
        """End the correction as it is, if an operator says so in the Temporal UI."""
        asked = self._resolution
        if asked is not None:
            resolution = CorrectionResolution(
                self._correction.correction_id, asked.operator or "", asked.reason or "", asked.reason_code
            )
            await self._write(CorrectionActivities.resolve_correction, resolution)

    async def _record_attention(self, attention: Attention | None, failure: ActivityError | None = None) -> None:
        self._attention_changes += 1
        number = number_of_change(workflow.now(), self._attention_changes)
        operator = self._retry or OperatorSignal()
        change = CorrectionAttention(
            self._correction.correction_id,
            workflow.info().run_id,
            number,
            attention=attention,
            error=_type_of(failure) if failure else None,
            operator=None if attention else operator.operator,
            reason=None if attention else operator.reason,
        )
        await self._write(CorrectionActivities.record_correction_attention, change)

    @workflow.signal(name=contract.CORRECTION_DECIDED)
    def decided(self) -> None:
        """The record says something new: a second person's word, that staff end it as it is, or what was restored."""
        awaits_approval = self._status is None or self._status.state is CorrectionState.AWAITING_APPROVAL
        # Earlier releases went on waiting when this came later, and their histories say so.
        if awaits_approval or workflow.patched("decided-ends-every-wait"):
            self._is_decided = True

    @workflow.signal(name=contract.ISSUANCE_RESUMED)
    def issuance_resumed(self) -> None:
        """Issuance goes on after a pause."""
        self._is_issuance_resumed = True

    @workflow.signal(
        name=contract.RETRY_CORRECTION,
        description='Try a parked step again: {"operator": "j.doe", "reason": "mail server repaired"}',
    )
    def retry_step(self, signal: OperatorSignal) -> None:
        """An operator lets a parked step be tried again; without operator and reason it moves nothing."""
        if signal.operator and signal.reason:
            self._retry = signal

    @workflow.signal(
        name=contract.RESOLVE_CORRECTION,
        description='End a parked correction as it is: {"operator": "j.doe", "reason_code": "told_otherwise", '
        '"reason": "by telephone"}',
    )
    def resolve_step(self, signal: OperatorSignal) -> None:
        """An operator ends a parked correction as it is; without operator and reason it moves nothing."""
        # Earlier releases asked for this signal, too, but did not know it, and their histories say so.
        if signal.operator and signal.reason and workflow.patched("resolve-ends-correction"):
            self._resolution = signal

    @property
    def _known(self) -> CorrectionStatus:
        assert self._status is not None  # noqa: S101  # run() loads the correction before anything else
        return self._status

    async def _write(self, write: Callable[[Any, Argument], CorrectionStatus], argument: Argument) -> None:
        """Write to the ledger as a local activity; while the database is away, as one that operators see pending."""
        try:
            self._status = await workflow.execute_local_activity_method(write, argument, **contract.LEDGER_LOCAL)
        except FailureError as failure:
            if is_cancelled_exception(failure):
                raise
            self._status = await workflow.execute_activity_method(write, argument, **contract.LEDGER_ORDINARY)
        self._show()

    def _show(self) -> None:
        """Let operators find what is parked among claims that are, and read what is awaited."""
        shown = workflow.info().typed_search_attributes.get(contract.CLAIM_ATTENTION)
        if shown != self._known.attention:
            attention = contract.CLAIM_ATTENTION
            value = self._known.attention
            workflow.upsert_search_attributes([attention.value_set(value) if value else attention.value_unset()])
        workflow.set_current_details(explain_correction(self._known))


def _type_of(failure: ActivityError) -> str | None:
    return failure.cause.type if isinstance(failure.cause, ApplicationError) else type(failure.cause).__name__
