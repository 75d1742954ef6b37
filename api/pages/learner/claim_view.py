"""What the page of a claim shows: its checklist, the one form for what is next, and what we wait for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final

from api.pages.wording import LOCK_WORDS, PAUSED_WORDS, STEP_WORDS, WAITING_WORDS
from domain.claims import CLOSED_STAGES, Attention
from domain.progress import Action, StepState, WaitingFor

Json = Mapping[str, Any]

# What may be done beside the steps, and needs no form of its own among them.
_BESIDE: Final = frozenset({Action.REQUEST_EXTENSION, Action.WITHDRAW, Action.VIEW_CERTIFICATE})
# Where several steps are possible at once, the one that is shown: sessions are claimed before their sum is.
_FIRST: Final = (Action.FINALIZE, Action.CLAIM_SESSION)
_SIGNS: Final = {
    StepState.DONE: "✓",
    StepState.WAIVED: "✓",
    StepState.TO_DO: "●",
    StepState.LOCKED: "○",
    StepState.WAITING: "…",
}


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the checklist; ``because`` says why it is locked, ``until`` when it ends by itself."""

    kind: str
    title: str
    state: str
    sign: str
    because: str
    until: str | None


@dataclass(frozen=True, slots=True)
class ClaimPage:
    """A claim as its learner sees it. ``step`` names the form that is shown, or why there is none.

    ``own_zone`` is the learner's time zone, ``errors`` maps fields to words, ``typed`` fields to what was sent.
    ``signature`` changes with everything that the page shows, ``form_signature`` only with what the form is about.
    """

    claim: Json
    own_zone: str | None
    step: str
    form: Json
    actions: frozenset[str]
    steps: Sequence[StepRow]
    waiting_words: str
    seconds_left: int | None
    is_undecided: bool = False
    code: str = ""
    offer: Json | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The claim's id."""
        return str(self.claim["id"])

    @property
    def zone(self) -> str:
        """The time zone of the activity."""
        return str(self.claim["ce_activity"]["time_zone"])

    @property
    def is_closed(self) -> bool:
        """Whether nothing changes by itself any more."""
        return self.claim["stage"] in CLOSED_STAGES

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing to fill in, so that the page may be loaded again without loss."""
        return not self.is_closed and (self.is_undecided or self.step in ("waiting", Action.COMPLETE_CONTENT))

    @property
    def refresh_seconds(self) -> int:
        """After how long a browser without scripts loads the page again."""
        return 5 if self.is_undecided or self.claim["waiting_for"] in _SOON else 60

    @property
    def signature(self) -> str:
        """Changes with what the page shows; ``claim.js`` makes the same of a live status."""
        claim = self.claim
        content, sessions, certificate = (claim[name] or {} for name in ("content", "sessions", "certificate"))
        parts = (
            claim["stage"],
            claim["attention"],
            claim["progress"]["done"],
            claim["due_at"],
            sum(item["seconds_completed"] for item in content.get("items", ())) if content else None,
            sessions.get("claimed"),
            sessions.get("total_units"),
            len(claim["attempts"]),
            certificate.get("state"),
            int(claim["is_extension_requested"]),
        )
        return "|".join("" if part is None else str(part) for part in parts)

    @property
    def form_signature(self) -> str:
        """Changes when the form that is shown is not the one to fill in any more."""
        live = self.signature if self.step in ("waiting", "closed", Action.COMPLETE_CONTENT) else ""
        return f"{self.step}|{self.claim['stage']}|{len(self.claim['attempts'])}|{live}"


_SOON: Final = frozenset({WaitingFor.GRADING, WaitingFor.CERTIFICATE})


def claim_page(
    claim: Json, own_zone: str | None, *, wanted: str = "", is_undecided: bool = False, **shown: Any
) -> ClaimPage:
    """Make the page of a claim; ``wanted`` is the step whose form is asked for, if it can be taken now.

    While a step that was taken is undecided there is no form.
    """
    forms = {each["action"]: each.get("form") or {} for each in claim["next_actions"]}
    step = "waiting" if is_undecided else _step_of(claim, forms, wanted)
    return ClaimPage(
        claim=claim,
        own_zone=own_zone,
        step=step,
        form=forms.get(step, {}),
        actions=frozenset(forms),
        steps=[_row(each) for each in claim["progress"]["steps"]],
        waiting_words=PAUSED_WORDS if _is_paused(claim) else WAITING_WORDS[claim["waiting_for"]],
        seconds_left=seconds_until(claim["waiting_until"]) if claim["waiting_for"] == WaitingFor.GRADING else None,
        is_undecided=is_undecided,
        **shown,
    )


def _is_paused(claim: Json) -> bool:
    return bool(claim["attention"] == Attention.ISSUANCE_PAUSED)


def _step_of(claim: Json, forms: Mapping[str, Json], wanted: str) -> str:
    steps = [action for action in forms if action not in _BESIDE]
    if wanted in steps:
        return wanted
    if claim["waiting_for"] == WaitingFor.NOTHING or Action.VIEW_CERTIFICATE in forms:
        return "closed"
    preferred = [action for action in _FIRST if action in steps]
    return next(iter((*preferred, *steps)), "waiting")


def seconds_until(at: str | None) -> int | None:
    """How many seconds are left until then, none less than nought."""
    return max(0, ceil((datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds())) if at else None


def _row(step: Json) -> StepRow:
    return StepRow(
        kind=step["kind"],
        title=STEP_WORDS[step["kind"]],
        state=step["state"],
        sign=_SIGNS[step["state"]],
        because=LOCK_WORDS.get(step["reason"], "") if step["state"] in (StepState.LOCKED, StepState.WAITING) else "",
        until=step["until"],
    )
