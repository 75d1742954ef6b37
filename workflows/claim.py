"""A learner's credit claim, from opening to certificate, as one durable workflow."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.contract import (
        CERTIFICATE_NOT_ISSUED,
        ISSUANCE_PAUSED,
        AttentionChange,
        CertificateActivities,
        ClaimActivities,
        ClaimRef,
        ClaimState,
        ClaimStep,
        MailActivities,
        OperatorAct,
        number_of_change,
    )
    from domain import deadlines
    from domain.claims import CLOSED_STAGES, STAGES_OF_ISSUING, STAGES_WITH_DEADLINE, Attention, Stage
    from domain.identities import derived_id
    from domain.submissions import SubmissionKind
    from workflows import contract
    from workflows.contract import (
        EXAMPLES,
        SIGNAL_OF_KIND,
        ClaimInput,
        ClaimResult,
        OperatorSignal,
        SubmissionReceived,
    )
    from workflows.explain import changed_attributes, explain

Argument = TypeVar("Argument")
Effect = TypeVar("Effect")


@workflow.defn(name=contract.CLAIM_WORKFLOW)
class ClaimWorkflow:
    """One claim. The ledger holds its facts and says its stage; the workflow waits, wakes, and does what comes next.

    Resumable: whatever happened to an earlier run, the first act loads the claim and the story goes on from its stage.
    """

    @workflow.init
    def __init__(self, claim: ClaimInput) -> None:
        self._claim_id = claim.claim_id
        self._state: ClaimState | None = None
        self._is_signalled = False
        self._is_reading = False
        self._writes_underway = 0
        self._operator_acts: list[OperatorAct] = []
        self._is_retry_asked = False
        self._attention_changes = 0
        self._is_record_restored = False
        self._watchers: list[asyncio.Task[None]] = []

    @workflow.run
    async def run(self, _claim: ClaimInput) -> ClaimResult:
        """The claim's life. Which stages it passes through, and in which order, is its policy's choice."""
        await self._write(ClaimActivities.load_claim, self._step())
        self._watchers = [asyncio.create_task(self._read_signals()), asyncio.create_task(self._watch_deadline())]
        while self._stage not in CLOSED_STAGES or self._has_news:
            match self._stage:
                case Stage.GRADING:
                    await self._wait_for_result()
                case Stage.AWAITING_WINDOW:
                    await self._wait_for_window()
                case Stage.ISSUING:
                    await self._issue_certificate()
                    await self._email_learner()
                case Stage.AWARDING:
                    await self._email_learner()
                case stage if stage in CLOSED_STAGES:
                    await self._read_last_news()
                case _:
                    await self._wait_for_learner()
            if self._is_record_restored:
                await self._read_last_news()
            if self._is_run_over:
                workflow.continue_as_new(ClaimInput(self._claim_id))
        return ClaimResult(self._stage)

    async def _wait_for_learner(self) -> None:
        """Participation, disclosures, answers, sessions, credit: each step is a signal that moves the claim on."""
        stage = self._stage
        await self._wait(lambda: self._stage is not stage or self._is_run_over)

    async def _read_last_news(self) -> None:
        """What came with a run's end is decided before it ends; a step sent in time may open a closed claim again."""
        await self._wait(lambda: not self._has_news)

    async def _wait_for_result(self) -> None:
        """The durable grading delay; it ends early only if the claim does."""
        result_at = self._known.wakes_at
        await self._wait(lambda: self._stage is not Stage.GRADING, until=result_at, summary="grading")
        if self._stage is Stage.GRADING:
            await self._write(ClaimActivities.grade_attempt, self._step(result_at))

    async def _wait_for_window(self) -> None:
        opens_at = self._known.wakes_at
        await self._wait(lambda: self._stage is not Stage.AWAITING_WINDOW, until=opens_at, summary="claim window opens")
        if self._stage is Stage.AWAITING_WINDOW:
            await self._write(ClaimActivities.open_window, self._step(opens_at))

    async def _issue_certificate(self) -> None:
        await self._finish(
            lambda: workflow.execute_activity_method(
                CertificateActivities.issue_certificate, ClaimRef(self._claim_id), **contract.CERTIFICATE
            ),
            Attention.CERTIFICATE_FAILED,
        )

    async def _email_learner(self) -> None:
        known = self._state
        state = await self._finish(
            lambda: workflow.execute_activity_method(
                MailActivities.send_award_email, ClaimRef(self._claim_id), **contract.EMAIL
            ),
            Attention.EMAIL_FAILED,
        )
        if state is not None:
            self._adopt(state, known)

    async def _finish(self, effect: Callable[[], Awaitable[Effect]], attention: Attention) -> Effect | None:
        """Bring an outside effect about; None when somebody did it meanwhile, or a restored record knows no award.

        A dependency that fails parks the claim; it never ends it.
        """
        while self._is_issuing:
            if self._known.attention_code is not None:
                await self._write(ClaimActivities.record_attention, self._attention_change(None, None))
            try:
                return await effect()
            except ActivityError as failure:
                cause = failure.cause
                error = cause.type if isinstance(cause, ApplicationError) else type(cause).__name__
                # An effect that was begun before the record was restored may end when its learner is here once more.
                if self._is_issuing:
                    await self._park(attention, error)
                    # What comes before this step is missing, so the next try begins there, in a run of its own.
                    self._is_record_restored = self._is_record_restored or error == CERTIFICATE_NOT_ISSUED
        return None

    async def _park(self, attention: Attention, error: str | None) -> None:
        """Wait for a person, or a while, and then let the step be tried again."""
        self._is_retry_asked = False
        if is_paused := error == ISSUANCE_PAUSED:
            attention = Attention.ISSUANCE_PAUSED
        await self._write(ClaimActivities.record_attention, self._attention_change(attention, error))
        # When issuance goes on after a pause, Laurel says so as often as it takes.
        until = None if is_paused else workflow.now() + contract.SELF_RETRY
        await self._wait(
            lambda: self._is_retry_asked or self._known.attention_code is None or not self._is_issuing,
            until=until,
            summary="parked; tries itself again",
        )

    def _attention_change(self, attention: Attention | None, error: str | None) -> AttentionChange:
        self._attention_changes += 1
        number = number_of_change(workflow.now(), self._attention_changes)
        return AttentionChange(self._claim_id, workflow.info().run_id, number, attention=attention, error=error)

    async def _read_signals(self) -> None:
        """Have the ledger decide whatever was submitted, as often as a signal says there is something."""
        while True:
            await workflow.wait_condition(lambda: self._is_signalled or bool(self._operator_acts))
            self._is_reading = True
            acts, self._operator_acts = self._operator_acts, []
            for act in acts:
                await self._write(ClaimActivities.record_operator_act, act)
            if self._is_signalled:
                self._is_signalled = False
                await self._write(ClaimActivities.decide_submissions, self._step())
            self._is_reading = False

    async def _watch_deadline(self) -> None:
        """One durable timer, for the next reminder or else the deadline, armed again when either moves.

        Timeliness itself is judged by the ledger.
        """
        while True:
            due_at, reminds_at = self._known.due_at, self._known.reminds_at
            expires_at = due_at and deadlines.expires_at(
                due_at, self._claim_id, contract.DEADLINE_GRACE, contract.DEADLINE_JITTER
            )

            def is_moved(due_at: datetime | None = due_at) -> bool:
                return self._known.due_at != due_at

            summary = "reminder of the deadline" if reminds_at else "claim deadline, with grace"
            await self._wait(is_moved, until=reminds_at or expires_at, summary=summary)
            if reminds_at is not None and not is_moved():
                await self._write(ClaimActivities.remind_learner, self._step(reminds_at))
            while reminds_at is None and not is_moved():
                await self._write_expiry(is_moved, expires_at)

    async def _write_expiry(self, is_moved: Callable[[], bool], expires_at: datetime | None) -> None:
        """Expire the claim once it waits for the learner: a step that began in time is finished first.

        Neither is a claim expired that the office holds, or whose credit waits for issuance to go on.
        """
        await workflow.wait_condition(lambda: is_moved() or self._can_expire)
        if not is_moved():
            await self._write(ClaimActivities.expire_claim, self._step(expires_at))

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.OPENING])
    def claim_opened(self, _received: SubmissionReceived) -> None:
        """The learner opened the claim once more."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.PARTICIPATION])
    def participation_stated(self, _received: SubmissionReceived) -> None:
        """The learner stated how they took part."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.STATEMENT])
    def statement_chosen(self, _received: SubmissionReceived) -> None:
        """The learner chose the statement of credit they seek."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.DISCLOSURES])
    def disclosures_acknowledged(self, _received: SubmissionReceived) -> None:
        """The learner read the disclosures."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.PROGRESS])
    def progress_reported(self, _received: SubmissionReceived) -> None:
        """A platform reported progress that matters."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.ATTEMPT])
    def attempt_started(self, _received: SubmissionReceived) -> None:
        """The learner started an attempt at the post-test."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.ANSWERS])
    def answers_given(self, _received: SubmissionReceived) -> None:
        """The learner gave the final answers of an attempt."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.EVALUATION])
    def evaluation_completed(self, _received: SubmissionReceived) -> None:
        """The learner completed the evaluation."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.SESSION])
    def session_claimed(self, _received: SubmissionReceived) -> None:
        """The learner claimed credit for a session, or changed it."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.CREDIT])
    def credit_claimed(self, _received: SubmissionReceived) -> None:
        """The learner claimed an amount of credit."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.FINALIZATION])
    def statement_finalized(self, _received: SubmissionReceived) -> None:
        """The learner made the statement final."""
        self._is_signalled = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.EXTENSION_REQUEST])
    def extension_requested(self, _received: SubmissionReceived) -> None:
        """The learner asked for more time."""
        self._is_signalled = True

    @workflow.signal(name=contract.ISSUANCE_RESUMED)
    def issuance_resumed(self) -> None:
        """Issuance goes on after a pause: what was kept is decided, and what could not be issued is tried again."""
        self._is_signalled = self._is_retry_asked = True

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.EXTENSION], description=EXAMPLES[SubmissionKind.EXTENSION])
    def extend_deadline(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, move the deadline."""
        self._take(SubmissionKind.EXTENSION, signal)

    @workflow.signal(
        name=SIGNAL_OF_KIND[SubmissionKind.EXTENSION_REFUSAL], description=EXAMPLES[SubmissionKind.EXTENSION_REFUSAL]
    )
    def refuse_extension(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, refuse more time."""
        self._take(SubmissionKind.EXTENSION_REFUSAL, signal)

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.RETRY], description=EXAMPLES[SubmissionKind.RETRY])
    def retry_step(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, let a parked step be tried again."""
        self._take(SubmissionKind.RETRY, signal)
        # A signal typed without operator and reason is recorded as refused, and moves nothing.
        is_complete = signal.submission_id is not None or bool(signal.operator and signal.reason)
        self._is_retry_asked = self._is_retry_asked or is_complete

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.HOLD], description=EXAMPLES[SubmissionKind.HOLD])
    def place_hold(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, hold the claim."""
        self._take(SubmissionKind.HOLD, signal)

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.RELEASE], description=EXAMPLES[SubmissionKind.RELEASE])
    def release_hold(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, release the claim."""
        self._take(SubmissionKind.RELEASE, signal)

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.WAIVER], description=EXAMPLES[SubmissionKind.WAIVER])
    def waive_requirement(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, waive a requirement."""
        self._take(SubmissionKind.WAIVER, signal)

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.RESOLUTION], description=EXAMPLES[SubmissionKind.RESOLUTION])
    def resolve_step(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, did themselves what Laurel could not do."""
        self._take(SubmissionKind.RESOLUTION, signal)

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.DENIAL], description=EXAMPLES[SubmissionKind.DENIAL])
    def deny_claim(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, deny the claim."""
        self._take(SubmissionKind.DENIAL, signal)

    @workflow.signal(name=SIGNAL_OF_KIND[SubmissionKind.REOPENING], description=EXAMPLES[SubmissionKind.REOPENING])
    def reopen_claim(self, signal: OperatorSignal) -> None:
        """Staff, or an operator in the Temporal UI, open the claim again; mostly by a new run."""
        self._take(SubmissionKind.REOPENING, signal)

    @workflow.signal(
        name=SIGNAL_OF_KIND[SubmissionKind.STAFF_WITHDRAWAL], description=EXAMPLES[SubmissionKind.STAFF_WITHDRAWAL]
    )
    def withdraw(self, signal: OperatorSignal) -> None:
        """The learner, or an operator, gives the claim up."""
        self._take(SubmissionKind.STAFF_WITHDRAWAL, signal)

    @workflow.signal(name=contract.READ_RECORD, description="Read the record again, after it was restored.")
    def read_record(self) -> None:
        """Somebody says that the record knows something else: one of the two was restored."""
        self._is_signalled = True

    def _take(self, kind: SubmissionKind, signal: OperatorSignal) -> None:
        if signal.submission_id is not None:
            self._is_signalled = True
            return
        act = OperatorAct(
            claim_id=self._claim_id,
            # With the time, because a run that an older copy of Temporal's database brings back draws the same again.
            submission_id=derived_id("sub", self._claim_id, str(workflow.uuid4()), workflow.now().isoformat()),
            kind=kind,
            operator=signal.operator or "",
            reason=signal.reason or "",
            due_on=signal.due_on,
            reason_code=signal.reason_code,
            requirement=signal.requirement,
        )
        self._operator_acts.append(act)

    @property
    def _known(self) -> ClaimState:
        assert self._state is not None  # noqa: S101  # run() loads the claim before anything else
        return self._state

    @property
    def _stage(self) -> Stage:
        return self._known.stage

    @property
    def _is_issuing(self) -> bool:
        """Whether this run goes on with what an award brings about; of a restored record's award the next run does."""
        return self._stage in STAGES_OF_ISSUING and not self._is_record_restored

    @property
    def _can_expire(self) -> bool:
        is_kept = self._known.attention_code in (Attention.ON_HOLD, Attention.ISSUANCE_PAUSED)
        return self._stage in STAGES_WITH_DEADLINE and not is_kept

    @property
    def _has_news(self) -> bool:
        """Whether a run has to go on: it must not end while a write's answer is on its way to it."""
        is_busy = self._is_reading or self._writes_underway > 0
        return self._is_signalled or is_busy or bool(self._operator_acts)

    @property
    def _is_run_over(self) -> bool:
        """Whether a new run should go on from the ledger: thousands of refused steps fill the history of this one.

        Or what this one waits for follows from what a restored record no longer knows.
        """
        is_over = self._is_record_restored or workflow.info().is_continue_as_new_suggested()
        return is_over and not self._has_news

    def _step(self, at: datetime | None = None) -> ClaimStep:
        """A write at this moment, or at the moment that a timer was set for, if the clock is a little behind it."""
        now = workflow.now()
        return ClaimStep(self._claim_id, max(now, at) if at else now)

    async def _wait(self, condition: Callable[[], bool], *, until: datetime | None = None, summary: str = "") -> None:
        """Wait for a condition, at most until a time; a bug in a watcher surfaces here instead of being lost."""

        def is_over() -> bool:
            return condition() or any(watcher.done() for watcher in self._watchers)

        try:
            await workflow.wait_condition(
                is_over,
                timeout=max(until - workflow.now(), contract.NO_TIME) if until else None,
                timeout_summary=summary or None,
            )
        except TimeoutError:
            return
        for watcher in self._watchers:
            if watcher.done():
                watcher.result()

    async def _write(self, write: Callable[[Any, Argument], ClaimState], argument: Argument) -> None:
        """Write to the ledger as a local activity; while the database is away, as one that operators see pending."""
        known = self._state
        self._writes_underway += 1
        try:
            state = await workflow.execute_local_activity_method(write, argument, **contract.LEDGER_LOCAL)
        except FailureError as failure:
            # A local activity that ran out of attempts raises its own failure, not one wrapped as an ActivityError.
            if is_cancelled_exception(failure):
                raise
            state = await workflow.execute_activity_method(write, argument, **contract.LEDGER_ORDINARY)
        finally:
            self._writes_underway -= 1
        self._adopt(state, known)

    def _adopt(self, state: ClaimState, known: ClaimState | None) -> None:
        """Take over what the ledger said to who had known this much, and show it to operators.

        An answer that another one overtook is old. One that was not, and still says less than was known when it was
        asked for, comes from a record that was restored, which is the record all the same.
        """
        is_less = self._state is not None and state.version < self._state.version
        if is_less and self._state is not known:
            return
        self._is_record_restored = self._is_record_restored or is_less
        self._state = state
        updates = changed_attributes(state, workflow.info().typed_search_attributes, workflow.now())
        if updates:
            workflow.upsert_search_attributes(updates)
        since = workflow.info().typed_search_attributes.get(contract.CLAIM_STAGE_SINCE)
        workflow.set_current_details(explain(state, since))
