"""A large meeting: its definition, what its learners claim, and what the record must say of them afterwards."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import yaml
from sqlalchemy import Engine, text

from domain import credit
from domain.policy import Profession

Json = dict[str, Any]

SLUG = "assembly-of-clinical-microbiology-2025"
DISCLOSURES = "2025-2"
# What learners of these professions seek, one after the other.
STATEMENTS = {
    Profession.PHYSICIAN: "ama_pra_category_1",
    Profession.NURSE: "ancc_contact_hours",
    Profession.OTHER: "participation",
}
PROFESSIONS = (Profession.PHYSICIAN, Profession.NURSE, Profession.PHYSICIAN, Profession.OTHER)

_DESIGNATED = "30.00"
_FIRST_DAY = date(2025, 10, 6)
_DAYS = 5
_TRACKS = 10
# Starts and lengths in minutes of the first track's day; every other track begins a quarter of an hour later.
_SLOTS = ((480, 60), (555, 60), (630, 90), (780, 60), (855, 90), (960, 60))
_TOPICS = (
    "Carbapenem Resistance",
    "Candida auris",
    "Sepsis in Neonates",
    "Blood Culture Stewardship",
    "Travel and Tuberculosis",
    "Wastewater Surveillance",
    "Phage Therapy",
    "Metagenomic Sequencing",
    "Clostridioides difficile",
    "Biofilms on Implants",
    "Vaccination After Transplant",
    "Hepatitis B",
    "Hospital Water Systems",
    "Gonococcal Resistance",
    "Influenza at the Bedside",
)
_FORMS = (
    "{}: What Changed This Year",
    "{}: From Bench to Ward",
    "{}: A Debate in Two Halves",
    "{}: Cases That Kept Us Awake",
    "{}: Reading the Report Together",
    "{}: What Small Laboratories Can Do",
    "{}: The Economics of Testing Early",
    "{}: Where the Guidelines Disagree",
    "{}: Lessons From an Outbreak",
    "{}: A Workshop With Worked Examples",
    "{}: Methods for the Next Ten Years",
    "{}: What Patients Ask",
    "{}: Quality Control Without Tears",
    "{}: Data That Surprised Us",
    "{}: Children Are Different",
    "{}: One Health, One Laboratory",
    "{}: Meet the Editors",
    "{}: Late-Breaking Reports",
    "{}: Communicating Uncertainty",
    "{}: The View From Primary Care",
)


@dataclass(frozen=True, slots=True)
class ProgrammeSession:
    """One session of the programme; minutes count from the first day's midnight, units are the most it is worth."""

    code: str
    title: str
    starts: int
    ends: int
    units: Decimal

    def overlaps(self, other: "ProgrammeSession") -> bool:
        return self.starts < other.ends and other.starts < self.ends


def programme() -> tuple[ProgrammeSession, ...]:
    """300 sessions in their order: five days, ten tracks beside one another, six sessions a day in each."""
    titles = (form.format(topic) for form, topic in product(_FORMS, _TOPICS))
    sessions = []
    for (day, track), (start, minutes) in product(product(range(_DAYS), range(_TRACKS)), _SLOTS):
        begins = 1440 * day + start + 15 * (track % 2)
        code = f"d{day + 1}-t{track + 1:02}-{start // 60:02}{start % 60:02}"
        units = Decimal(minutes) / 60
        sessions.append(ProgrammeSession(code, next(titles), begins, begins + minutes, units.quantize(Decimal("0.01"))))
    return tuple(sorted(sessions, key=lambda session: (session.starts, session.code)))


def definition() -> str:
    """The meeting as its office would write it, in YAML."""
    return yaml.safe_dump(_document(), sort_keys=False, allow_unicode=True, width=120)


def _document() -> Json:
    provider = "Society for Clinical Microbiology"
    return {
        "slug": SLUG,
        "status": "published",
        "title": "Assembly of Clinical Microbiology 2025",
        "format": "live_activity",
        "event_type": "live_meeting",
        "description": "Five days of lectures, debates, workshops and case rounds on infections and their diagnosis.",
        "location": "Harbor Convention Center, Boston, Massachusetts",
        "contact": "credit@microbiology.example",
        "provider": {
            "name": provider,
            "acronym": "CME",
            "address": "14 Quay Street, Boston, MA 02110, USA",
            "website": "https://www.microbiology.example",
            "accreditation_statement": f"The {provider} is jointly accredited to provide continuing education for the "
            "healthcare team.",
        },
        "time_zone": "America/New_York",
        "starts_on": _FIRST_DAY.isoformat(),
        "ends_on": (_FIRST_DAY + timedelta(days=_DAYS - 1)).isoformat(),
        "claim_window": {"opens_on": _FIRST_DAY.isoformat(), "closes_on": "2031-12-31"},
        "requirements": _requirements(),
        "sessions": [_session(session) for session in programme()],
        "credit": _offers(provider),
        "signatories": [{"name": "Ingrid Solheim, PhD", "title": "Director of Education"}],
    }


def _requirements() -> list[Json]:
    pages = [
        {"title": "Planners", "text": "None of the planners has relevant financial relationships to disclose. " * 8},
        {
            "title": "Speakers",
            "text": "Two speakers consult for makers of diagnostics; the committee mitigated it. " * 20,
        },
    ]
    questions = [
        {"code": "objectives", "kind": "scale", "text": "The session met its learning objectives."},
        {"code": "speakers", "kind": "scale", "text": "The speakers knew their subject and taught it well."},
        {
            "code": "balance",
            "kind": "choice",
            "text": "Was the session free of commercial bias?",
            "options": [{"code": "yes", "label": "Yes"}, {"code": "no", "label": "No"}],
        },
        {"code": "change", "kind": "text", "text": "What will you change in your practice?", "is_required": False},
    ]
    return [
        {"kind": "statement"},
        {"kind": "participation", "methods": ["badge_id"], "prompt": "The number on your badge"},
        {"kind": "disclosures", "version": DISCLOSURES, "pages": pages},
        {"kind": "evaluation", "asked": "per_session", "questions": questions},
        {"kind": "finalization"},
    ]


def _offers(provider: str) -> list[Json]:
    words = {
        "ama_pra_category_1": f"The {provider} designates this live activity for a maximum of {_DESIGNATED} AMA PRA "
        "Category 1 Credit(s)™. Physicians should claim only the credit commensurate with the extent of their "
        "participation in the activity.",
        "ancc_contact_hours": f"This activity provides up to {_DESIGNATED} contact hours for nurses.",
        "participation": f"This activity lasts up to {_DESIGNATED} hours.",
    }
    return [
        {"credit_type": code, "designated_units": _DESIGNATED, "designation_statement": statement}
        for code, statement in words.items()
    ]


def _session(session: ProgrammeSession) -> Json:
    day, begins = divmod(session.starts, 1440)
    return {
        "code": session.code,
        "title": session.title,
        "held_on": (_FIRST_DAY + timedelta(days=day)).isoformat(),
        "starts_at": _time(begins),
        "ends_at": _time(session.ends - 1440 * day),
        "maximum_units": str(session.units),
        "location": f"Room {session.code[3:6].upper()}",
    }


def _time(minutes: int) -> str:
    return time(minutes // 60, minutes % 60).isoformat("minutes")


def badge_of(number: int) -> str:
    """The badge of the meeting's n-th learner, as it is printed."""
    return f"ACM25-{100_000 + number}"


def roster(learners: int) -> bytes:
    """The badges that were printed for the meeting, as the registration desk exports them."""
    rows = (f"{badge_of(number)},Registrant,{number}\r\n" for number in range(learners))
    return ("Badge ID,Ticket,Order\r\n" + "".join(rows)).encode()


def profession_of(number: int) -> Profession:
    return PROFESSIONS[number % len(PROFESSIONS)]


@dataclass(frozen=True, slots=True)
class Choice:
    """A session that a learner attended, and the units that they claim for it."""

    session: ProgrammeSession
    units: Decimal

    @property
    def body(self) -> Json:
        """What claims it, with its evaluation."""
        responses = {"objectives": 4, "speakers": 5, "balance": "yes", "change": "I will culture before I treat."}
        return {"units": str(self.units), "responses": responses}


def choices_of(number: int, sessions: Sequence[ProgrammeSession], count: int) -> list[Choice]:
    """Sessions that do not overlap, chosen anew for each learner; now and then somebody left a quarter early."""
    chance = random.Random(number)  # noqa: S311  # the same choices in every run
    chosen: list[Choice] = []
    for session in chance.sample(sessions, len(sessions)):
        if len(chosen) == count:
            return chosen
        if not any(session.overlaps(other.session) for other in chosen):
            left_early = Decimal("0.25") * (chance.random() < 0.2)
            chosen.append(Choice(session, session.units - left_early))
    raise ValueError(f"no {count} sessions without overlap")


def credit_of(number: int) -> Json:
    """What claims the credit for all sessions together, attesting to it."""
    rule = credit.rule(STATEMENTS[profession_of(number)])
    return {"credit_type": rule.code, "attestation_version": rule.attestation_version, "attested": True}


_RECORD = text(
    """
    SELECT c.id, c.stage, c.finalized_at IS NOT NULL AS is_final, w.credit_type, w.units,
           (SELECT json_object_agg(l.session, l.units::text) FROM award_lines l WHERE l.award_id = w.id) AS lines,
           (SELECT count(*) FROM awards o WHERE o.claim_id = c.id) AS awards,
           (SELECT count(*) FROM certificates x WHERE x.award_id = w.id AND x.state = 'issued') AS issued,
           (SELECT count(*) FROM certificates x WHERE x.award_id = w.id) AS certificates,
           (SELECT count(*) FROM outgoing_emails e WHERE e.claim_id = c.id AND e.purpose = 'award'
               AND e.state = 'sent') AS sent,
           (SELECT count(*) FROM outgoing_emails e WHERE e.claim_id = c.id AND e.purpose = 'award') AS emails,
           (SELECT count(*) FROM evaluations v WHERE v.claim_id = c.id) AS evaluations,
           (SELECT count(*) FROM roster_entries r WHERE r.claim_id = c.id) AS badges,
           (SELECT count(*) FROM submissions s WHERE s.claim_id = c.id AND s.outcome IS DISTINCT FROM 'accepted')
             AS not_accepted
      FROM claims c JOIN ce_activities a ON a.id = c.ce_activity_id LEFT JOIN awards w ON w.claim_id = c.id
     WHERE a.slug = :slug
    """
)


def deviations(engine: Engine, expected: dict[str, int], count: int) -> Iterator[str]:
    """What the record says of the meeting's claims and should not; ``expected`` maps claims to learners' numbers.

    Each learner has one award with a line for each session that add up to it, one certificate issued, and one mail.
    """
    sessions = programme()
    with engine.connect() as connection:
        found = {row["id"]: dict(row) for row in connection.execute(_RECORD, {"slug": SLUG}).mappings()}
    if found.keys() != expected.keys():
        yield f"{len(expected)} claims were opened, {len(found)} are in the record"
    for claim_id, number in expected.items():
        choices = {choice.session.code: choice.units for choice in choices_of(number, sessions, count)}
        right = {
            "id": claim_id,
            "stage": "completed",
            "is_final": True,
            "credit_type": STATEMENTS[profession_of(number)],
            "units": sum(choices.values(), Decimal(0)),
            "lines": {code: str(units) for code, units in choices.items()},
            **dict.fromkeys(("awards", "issued", "certificates", "sent", "emails", "badges"), 1),
            "evaluations": count,
            "not_accepted": 0,
        }
        row = found.get(claim_id, {})
        wrong = {name: row.get(name) for name, value in right.items() if row.get(name) != value}
        if wrong:
            yield f"{claim_id} of learner {number}: {wrong}"
