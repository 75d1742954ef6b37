"""What codes are called on pages, in English; translated where they are shown."""

from collections.abc import Mapping
from typing import Any, Final

from api.formats import day, moment, units
from config.languages import gettext
from config.languages import marked as _
from domain.claims import Stage
from domain.identifiers import IDENTIFIERS
from domain.policy import EventType, LearningFormat, Profession
from domain.progress import StepKind, StepState, WaitingFor

STAGE_NAMES: Final = {
    Stage.VERIFYING_PARTICIPATION: _("Proof of participation"),
    Stage.AWAITING_STATEMENT: _("Choice of the statement"),
    Stage.AWAITING_DISCLOSURES: _("Disclosures"),
    Stage.AWAITING_CONTENT: _("Content"),
    Stage.AWAITING_TEST: _("Post-test"),
    Stage.GRADING: _("Being graded"),
    Stage.AWAITING_EVALUATION: _("Evaluation"),
    Stage.AWAITING_WINDOW: _("Claiming is not open yet"),
    Stage.READY_TO_CLAIM: _("Ready to claim"),
    Stage.AWAITING_FINALIZATION: _("Final statement"),
    Stage.AWARDING: _("Being awarded"),
    Stage.ISSUING: _("Certificate is being made"),
    Stage.COMPLETED: _("Completed"),
    Stage.EXPIRED: _("Deadline passed"),
    Stage.DENIED: _("Denied"),
    Stage.WITHDRAWN: _("Withdrawn"),
}
"""Where a claim stands, as the office says it."""

STAGE_WORDS: Final = STAGE_NAMES | {
    Stage.VERIFYING_PARTICIPATION: _("Say how you took part"),
    Stage.AWAITING_STATEMENT: _("Choose your statement of credit"),
    Stage.AWAITING_DISCLOSURES: _("Read the disclosures"),
    Stage.AWAITING_CONTENT: _("Complete the content"),
    Stage.AWAITING_TEST: _("Take the post-test"),
    Stage.AWAITING_EVALUATION: _("Complete the evaluation"),
    Stage.AWAITING_FINALIZATION: _("Make your statement final"),
}
"""The same as learners are told it: what they have to do where it is their turn."""

STEP_WORDS: Final = {
    StepKind.PARTICIPATION: _("Participation"),
    StepKind.STATEMENT: _("Statement of credit"),
    StepKind.DISCLOSURES: _("Disclosures"),
    StepKind.CONTENT: _("Content"),
    StepKind.POST_TEST: _("Post-test"),
    StepKind.EVALUATION: _("Evaluation"),
    StepKind.CLAIM_WINDOW: _("Claiming is open"),
    StepKind.SESSIONS: _("Sessions"),
    StepKind.CREDIT: _("Type and amount of credit"),
    StepKind.FINALIZATION: _("Final statement"),
    StepKind.CERTIFICATE: _("Certificate"),
}
STATE_WORDS: Final = {
    StepState.DONE: _("Done"),
    StepState.WAIVED: _("Waived by the office"),
    StepState.TO_DO: _("To do"),
    StepState.LOCKED: _("Locked"),
    StepState.WAITING: _("Waiting"),
}
LOCK_WORDS: Final = {
    "step_locked": _("It opens when the steps before it are done."),
    "window_not_open": _("It opens when claiming opens."),
    "deadline_passed": _("The deadline has passed."),
    "attempts_exhausted": _("The post-test was not passed in the attempts that are allowed."),
    "wrong_state": _("The claim is closed."),
    "on_hold": _("The office holds this claim; it goes on when they release it."),
}
"""Why a step is locked, by its reason."""

WAITING_WORDS: Final = {
    WaitingFor.LEARNER: _("We are waiting for you."),
    WaitingFor.PLATFORM: _("We are waiting for the learning platform to report what you complete."),
    WaitingFor.GRADING: _("We are waiting for your post-test to be graded. The next step opens by itself."),
    WaitingFor.CLAIM_WINDOW: _("We are waiting for claiming to open. We tell you by e-mail when it does."),
    WaitingFor.CERTIFICATE: _("We are making your certificate. It appears here by itself."),
    WaitingFor.OPERATOR: _(
        "We are waiting for a member of staff, who looks into this claim. You need not do anything."
    ),
    WaitingFor.NOTHING: _("Nothing is waited for."),
}
PAUSED_WORDS: Final = _(
    "The office has paused issuing. Your step is kept, with the time at which it came, and goes on by itself. You need "
    "not do anything."
)
"""What is waited for while issuance is paused."""

FORMAT_WORDS: Final = {
    LearningFormat.LIVE_ACTIVITY: _("Live activity"),
    LearningFormat.ENDURING_MATERIAL: _("Enduring material"),
    LearningFormat.JOURNAL_BASED: _("Journal-based activity"),
    LearningFormat.TEST_ITEM_WRITING: _("Test item writing"),
    LearningFormat.MANUSCRIPT_REVIEW: _("Manuscript review"),
    LearningFormat.PERFORMANCE_IMPROVEMENT: _("Performance improvement"),
    LearningFormat.INTERNET_POINT_OF_CARE: _("Internet point of care"),
}
EVENT_WORDS: Final = {
    EventType.LIVE_MEETING: _("Live meeting"),
    EventType.TELECONFERENCE: _("Teleconference"),
    EventType.WEBINAR: _("Webinar"),
    EventType.ON_DEMAND: _("Online activity"),
    EventType.OTHER: _("Other activity"),
}
EVENT_GROUPS: Final = {
    EventType.LIVE_MEETING: _("Live meetings"),
    EventType.TELECONFERENCE: _("Teleconferences"),
    EventType.WEBINAR: _("Webinars"),
    EventType.ON_DEMAND: _("Online activities"),
    EventType.OTHER: _("Other activities"),
}
FIELD_WORDS: Final = {
    "missing": _("Answer this question."),
    "unknown_option": _("Choose one of the options."),
    "outside_scale": _("Choose a number of the scale."),
    "unknown_question": _("The form has changed. Open it again."),
    "text_invalid": _("Write this in other words: some characters cannot be stored, or it is too long."),
    "text_characters": _("Some of these characters cannot be stored."),
    "text_too_long": _("This is too long."),
    "text_empty": _("Fill this in."),
    "required": _("Fill this in."),
    "units_format": _("Enter an amount such as 1.25."),
    "format": _("Some of these characters cannot be part of it."),
    "too_long": _("This is too long."),
    "name_empty": _("Fill this in."),
    "name_too_long": _("This is too long."),
    "name_marks": _("Some of these characters cannot be stored."),
    "name_characters": _("Some of these characters cannot be stored."),
    "identifier_format": _("This does not look like such a number. Compare it with the example."),
    "employee_id_unknown": _(
        "This employee id is not on the list under this name. Check it, or write NA if you are not an employee."
    ),
    "time_zone_unknown": _("Choose one of the time zones."),
    "credit_type_unknown": _("Choose one of the types of credit."),
    "date_invalid": _("Enter a date, such as 2026-05-31."),
    "enum": _("There is no such choice. Choose one of the list."),
    "string_too_long": _("This is too long."),
    "range_reversed": _("The last day is before the first one."),
}
"""What is wrong with a field, by the code of its error."""

PROFILE_WORDS: Final = {
    "given_name": _("First name"),
    "family_name": _("Last name"),
    "credentials": _("Credentials"),
    "profession": _("Profession"),
    "email": _("E-mail address"),
}
PROFESSION_WORDS: Final = {
    Profession.PHYSICIAN: _("Physician"),
    Profession.PHYSICIAN_ASSISTANT: _("Physician assistant"),
    Profession.PHARMACIST: _("Pharmacist"),
    Profession.PHARMACY_TECHNICIAN: _("Pharmacy technician"),
    Profession.NURSE: _("Nurse"),
    Profession.ACCOUNTANT: _("Accountant"),
    Profession.OTHER: _("Another profession"),
}
# What the API says of these speaks to those who write programs.
_OF_FORMS: Final = {
    "idempotency_key_reused": _("This form was sent before, with something else in it. Check it and send it again."),
    "validation_failed": _("Some fields are not right."),
}
_TIMES: Final = {
    "again_at": _("You can try again after {value}."),
    "due_at": _("It was {value}."),
    "opens_at": _("It opens {value}."),
    "ends_at": _("It ends {value}."),
}
_LIMITS: Final = {
    "credit_increment": _("Claim in steps of {value}."),
    "credit_maximum": _("The most you can claim is {value}."),
    "credit_minimum": _("The least you can claim is {value}."),
    "credit_whole_only": _("The whole is {value}."),
}


def field_words(code: str) -> str:
    """What is wrong with a field, in the present language; a code without words of its own is a field to check."""
    return gettext(FIELD_WORDS.get(code, _("Check this field.")))


def profile_words(field: str) -> str:
    """What a field of a profile is called, in the present language."""
    kind = IDENTIFIERS.get(field)
    return gettext(kind.label if kind else PROFILE_WORDS.get(field, field))


def problem_words(problem: Mapping[str, Any], time_zone: str) -> str:
    """A problem document as sentences that say what is wrong and what would be right, with its times and numbers."""
    if problem["code"] in _OF_FORMS:
        return gettext(_OF_FORMS[problem["code"]])
    details = problem.get("details") or {}
    said = [f"{gettext(problem['title'])}.", gettext(problem["detail"])]
    said += [
        gettext(words).format(value=moment(details[name], time_zone))
        for name, words in _TIMES.items()
        if name in details
    ]
    if "limit" in details and problem["code"] in _LIMITS:
        said.append(gettext(_LIMITS[problem["code"]]).format(value=units(details["limit"])))
    if "total" in details:
        said.append(gettext(_("They add up to {value}.")).format(value=units(details["total"])))
    if "latest_on" in details:
        said.append(gettext(_("Choose {value} at the latest.")).format(value=day(details["latest_on"])))
    if "characters" in details:
        said.append(f"{details['characters']}.")
    if details.get("fields"):
        said.append(", ".join(profile_words(field) for field in details["fields"].split(",")) + ".")
    return " ".join(said)
