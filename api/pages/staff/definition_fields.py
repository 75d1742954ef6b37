"""The sections in which staff edit a definition by form: which fields each has, and what they are called."""

from dataclasses import dataclass
from typing import Final

from api.pages.staff.definition_forms import Choices, Field, Kind, Part, Rows
from api.pages.wording import EVENT_WORDS, FORMAT_WORDS, PROFILE_WORDS
from config.languages import marked as _
from domain import credit
from domain.identifiers import IDENTIFIERS
from domain.policy import EvaluationTime, ParticipationMethod, QuestionKind

FORMATS: Final[Choices] = tuple((str(each), words) for each, words in FORMAT_WORDS.items())
EVENTS: Final[Choices] = (("", _("Not said")), *((str(each), words) for each, words in EVENT_WORDS.items()))
CREDIT_TYPES: Final[Choices] = tuple(dict.fromkeys((rule.code, rule.name) for rule in credit.rules()))
METHODS: Final[Choices] = (
    (ParticipationMethod.ATTESTATION, _("The learner's word: they choose how they took part")),
    (ParticipationMethod.CODE, _("A code that was shown at the activity")),
    (ParticipationMethod.BADGE_ID, _("The ID of their badge, from the roster")),
    (ParticipationMethod.GROUP_ID, _("The ID of their group, from the roster")),
    (ParticipationMethod.ROSTER, _("Their name or address on the roster")),
)
KINDS_OF_QUESTION: Final[Choices] = (
    (QuestionKind.SCALE, _("A number of a scale")),
    (QuestionKind.CHOICE, _("One of several options")),
    (QuestionKind.TEXT, _("Words of one's own")),
)
ASKED: Final[Choices] = (
    (EvaluationTime.BEFORE_CLAIM, _("Before credit is claimed")),
    (EvaluationTime.AT_CLAIM, _("When credit is claimed")),
)
_PROFILE: Final[Choices] = (
    *((name, PROFILE_WORDS[name]) for name in ("given_name", "family_name", "credentials", "profession")),
    *((name, kind.label) for name, kind in IDENTIFIERS.items()),
)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a definition. ``requirement`` is the kind of requirement that it is about, if it is about one.

    ``is_per_session`` tells the evaluation of each session from that of the whole.
    """

    name: str
    title: str
    lead: str
    fields: tuple[Part, ...]
    requirement: str | None = None
    is_per_session: bool = False


_CODE: Final = Field("code", "", Kind.CODE)
_LIMITED: Final = Field(
    "formats", _("Only for those who took part as"), Kind.MANY, hint=_("None chosen means everybody."), choices=FORMATS
)
_OPTIONS: Final = Rows(
    "options", _("Option {number}"), (_CODE, Field("label", _("Words"))), "label", blank=1, least=4, is_compact=True
)
_TITLE: Final = Field("title", _("Title"), is_required=True)
_FORMAT: Final = Field("format", _("Learning format"), Kind.CHOICE, choices=FORMATS, is_required=True)
_STARTS: Final = Field("starts_on", _("First day"), Kind.DATE, is_required=True)
_ENDS: Final = Field("ends_on", _("Last day"), Kind.DATE, is_required=True)
_ZONE: Final = Field(
    "time_zone",
    _("Time zone"),
    hint=_("City by which deadlines are reckoned, such as America/Chicago."),
    is_required=True,
)
_CONTACT: Final = Field("contact", _("Contact"), hint=_("Where learners ask for help."), is_required=True)
_PROVIDER: Final = (
    Field("provider.name", _("Provider"), is_required=True),
    Field("provider.acronym", _("What you call your credit"), hint=_("CE, CME, CEU, CPE …"), default="CE"),
    Field("provider.address", _("Address")),
    Field("provider.website", _("Website")),
    Field("provider.accreditation_statement", _("Accreditation statement"), Kind.LONG, is_required=True),
)
_OFFER: Final = (
    Field("credit_type", _("Type of credit"), Kind.CHOICE, choices=CREDIT_TYPES),
    Field("designated_units", _("Designated amount"), hint=_("The most that one learner can claim, such as 1.25.")),
    Field("designation_statement", _("Designation statement"), Kind.LONG, hint=_("Word for word, as it is printed.")),
)
_QUESTION: Final = (
    _CODE,
    Field("text", _("Question"), Kind.LONG),
    Field("kind", _("Answered by"), Kind.CHOICE, choices=KINDS_OF_QUESTION, default=QuestionKind.SCALE),
    Field("scale_maximum", _("Highest number of the scale"), Kind.NUMBER, hint=_("5 if you leave it empty.")),
    _OPTIONS,
    Field("is_required", _("It must be answered"), Kind.SWITCH, default=True),
)

NEW: Final = Section(
    "new",
    _("New activity"),
    _("It is saved as a draft, which nobody but the office sees. Everything but its name in addresses can be changed."),
    (
        _TITLE,
        Field(
            "slug",
            _("Name in addresses"),
            hint=_("Small letters, digits and hyphens, such as grand-rounds-2026. It cannot be changed."),
            is_required=True,
        ),
        _FORMAT,
        _STARTS,
        _ENDS,
        _ZONE,
        Field("location", _("Place")),
        _CONTACT,
        *_PROVIDER,
        Rows("credit", _("Credit offer {number}"), _OFFER),
    ),
)

SECTIONS: Final = (
    Section(
        "general",
        _("Title, dates and place"),
        _("What learners see first, and what certificates say about the activity."),
        (
            _TITLE,
            _FORMAT,
            Field("event_type", _("Kind of event"), Kind.CHOICE, choices=EVENTS),
            Field("description", _("Description"), Kind.LONG),
            _STARTS,
            _ENDS,
            _ZONE,
            Field("location", _("Place")),
            Field("course_url", _("Web address of the course")),
            _CONTACT,
            Field("activity_code", _("Activity code"), hint=_("By which learners find this activity.")),
        ),
    ),
    Section(
        "provider",
        _("Provider and signatures"),
        _("Printed on every certificate, word for word."),
        (
            *_PROVIDER,
            Field("provider.logo", _("Logo"), hint=_("The name of a stored picture.")),
            Rows(
                "signatories",
                _("Signature {number}"),
                (
                    Field("name", _("Name")),
                    Field("title", _("Title of the person")),
                    Field("signature", _("Picture of the signature"), hint=_("The name of a stored picture.")),
                ),
                is_grid=True,
            ),
            Field("paper", _("Paper"), Kind.CHOICE, choices=(("letter", "Letter"), ("a4", "A4")), default="letter"),
        ),
    ),
    Section(
        "credit",
        _("Credit"),
        _("Each type of credit with its amount and its statement. Learners see the types that fit their profession."),
        (
            Rows(
                "credit",
                _("Credit offer {number}"),
                (
                    *_OFFER,
                    Field("rule_version", _("Version of the rules"), hint=_("The newest if you leave it empty.")),
                    Rows(
                        "identifiers",
                        _("Registered number {number}"),
                        (Field("code", _("Number")), Field("label", _("What the number is called"))),
                        is_grid=True,
                    ),
                    _LIMITED,
                ),
            ),
        ),
    ),
    Section(
        "claiming",
        _("When and how credit is claimed"),
        _("Deadlines end with the last minute of the day, by the activity's time zone."),
        (
            Field("claim_window.opens_on", _("Claiming opens on"), Kind.DATE),
            Field("claim_window.closes_on", _("Last day to claim"), Kind.DATE),
            Field("claim_window.days", _("Days to claim, from the day a claim is opened"), Kind.NUMBER),
            Field(
                "reminder_days",
                _("Remind learners so many days before"),
                Kind.NUMBERS,
                hint=_("Numbers with commas between them; none means no reminders."),
                default=(14, 3, 1),
            ),
            Field("profile_fields", _("Profile fields that must be filled in"), Kind.MANY, choices=_PROFILE),
            Field(
                "certificate.issued",
                _("Certificates are issued"),
                Kind.CHOICE,
                choices=(("here", _("Here")), ("elsewhere", _("By another system"))),
                default="here",
            ),
            Field("certificate.system", _("The other system's name")),
            Field("certificate.url", _("The other system's web address")),
        ),
    ),
    Section(
        "participation",
        _("Participation"),
        _("How learners show that they took part."),
        (
            Field("prompt", _("What learners are asked"), default="How did you take part?"),
            Field("methods", _("Proved by"), Kind.MANY, choices=METHODS, default=(ParticipationMethod.ATTESTATION,)),
            Field("code", _("The code that was shown")),
            Rows(
                "options",
                _("Way of taking part {number}"),
                (
                    _CODE,
                    Field("label", _("Words")),
                    Field(
                        "format",
                        _("Learning format of this way"),
                        Kind.CHOICE,
                        choices=(("", _("The activity's")), *FORMATS),
                    ),
                ),
                coded_by="label",
            ),
        ),
        requirement="participation",
    ),
    Section(
        "statement",
        _("Statement of credit"),
        _("Learners first choose which statement of credit they seek."),
        (Field("prompt", _("What learners are asked"), default="Which statement of credit do you seek?"),),
        requirement="statement",
    ),
    Section(
        "disclosures",
        _("Disclosures"),
        _("Pages that must be read and acknowledged."),
        (
            Field("version", _("Version"), hint=_("Named in each acknowledgement, such as 2026-1.")),
            Rows("pages", _("Page {number}"), (Field("title", _("Title")), Field("text", _("Text"), Kind.LONG))),
        ),
        requirement="disclosures",
    ),
    Section(
        "content",
        _("Content"),
        _("Videos, sessions or pages to complete, as the learning platform reports it."),
        (
            Rows(
                "items",
                _("Item {number}"),
                (
                    _CODE,
                    Field("title", _("Title")),
                    Field("url", _("Web address")),
                    Field("minutes", _("Minutes"), Kind.NUMBER),
                ),
                coded_by="title",
                is_grid=True,
            ),
            Field("allows_partial", _("Credit may be claimed for a part of it"), Kind.SWITCH, default=False),
            _LIMITED,
        ),
        requirement="content",
    ),
    Section(
        "post-test",
        _("Post-test"),
        _("Graded. Learners see the passing score before they start."),
        (
            Field("passing_percent", _("Passing score in percent"), Kind.NUMBER, is_required=True),
            Field("attempts_allowed", _("Attempts"), Kind.NUMBER, hint=_("As many as one likes if left empty.")),
            Field("grading_seconds", _("Seconds that grading takes"), Kind.NUMBER, default=30),
            Rows(
                "questions",
                _("Question {number}"),
                (
                    _CODE,
                    Field("text", _("Question"), Kind.LONG),
                    Field("correct", _("Right answer"), Kind.RIGHT),
                    _OPTIONS,
                    Field(
                        "rationale", _("Why it is right"), Kind.LONG, hint=_("For the office; learners do not see it.")
                    ),
                ),
                coded_by="text",
            ),
            _LIMITED,
        ),
        requirement="post_test",
    ),
    Section(
        "evaluation",
        _("Evaluation"),
        _("Not graded. Without it no credit is awarded."),
        (
            Field("asked", _("Asked for"), Kind.CHOICE, choices=ASKED, default=EvaluationTime.BEFORE_CLAIM),
            Rows("questions", _("Question {number}"), _QUESTION, coded_by="text"),
            _LIMITED,
        ),
        requirement="evaluation",
    ),
    Section(
        "sessions",
        _("Sessions"),
        _("Of a meeting: each can be claimed up to its own amount. Times are local."),
        (
            Rows(
                "sessions",
                _("Session {number}"),
                (
                    _CODE,
                    Field("title", _("Title")),
                    Field("held_on", _("Day"), Kind.DATE),
                    Field("starts_at", _("From"), Kind.TIME),
                    Field("ends_at", _("Until"), Kind.TIME),
                    Field("maximum_units", _("Most credit")),
                    Field("location", _("Room")),
                ),
                coded_by="title",
                blank=3,
                is_grid=True,
            ),
        ),
    ),
    Section(
        "session-evaluation",
        _("Evaluation of each session"),
        _("Asked with every session that is claimed."),
        (Rows("questions", _("Question {number}"), _QUESTION, coded_by="text"), _LIMITED),
        requirement="evaluation",
        is_per_session=True,
    ),
    Section(
        "finalization",
        _("Final statement"),
        _("Learners confirm that their statement is final; nothing can be changed in it afterwards."),
        (
            Field(
                "warning",
                _("What they are warned of"),
                Kind.LONG,
                default="Once the statement is final, nothing can be added to it or changed in it.",
            ),
        ),
        requirement="finalization",
    ),
)
BY_NAME: Final = {section.name: section for section in SECTIONS}
