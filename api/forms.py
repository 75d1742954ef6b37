"""The forms of a claim's steps as JSON values: what a front end shows, and what it may send."""

from dataclasses import replace
from typing import Any

from config.languages import gettext as _
from config.languages import ngettext
from domain import credit
from domain.assessments import MAXIMUM_TEXT_LENGTH
from domain.claiming import claimable_units, is_whole_only, missing_in_profile
from domain.claims import ClaimFacts, attempts_left, completed_minutes, is_item_complete, offer_of
from domain.policy import (
    CEActivityPolicy,
    Content,
    CreditOffer,
    Disclosures,
    Evaluation,
    EvaluationTime,
    Finalization,
    Option,
    Participation,
    ParticipationOption,
    PostTest,
    Profession,
    QuestionKind,
    Requirement,
    Session,
    Statement,
)
from domain.progress import Action
from domain.sessions import interval_of, overlapping, total_units

Json = dict[str, Any]


def form_of(action: Action, policy: CEActivityPolicy, facts: ClaimFacts) -> Json | None:
    """What belongs to one of the next actions; None when there is nothing to fill in or to read."""
    match action:
        case Action.STATE_PARTICIPATION if policy.participation:
            return _participation_json(policy.participation)
        case Action.CHOOSE_STATEMENT:
            # Another statement than the one that was chosen may be sought until it is final.
            return {"offers": claimable_json(policy, replace(facts, statement=None))}
        case Action.CLAIM_CREDIT:
            return {"offers": claimable_json(policy, facts)}
        case Action.ACKNOWLEDGE_DISCLOSURES if policy.disclosures:
            return _disclosures_json(policy.disclosures)
        case Action.COMPLETE_CONTENT:
            return content_json(policy, facts)
        case Action.START_ATTEMPT if policy.post_test:
            return {**_post_test_json(policy.post_test), "attempts_left": attempts_left(policy.post_test, facts)}
        case Action.COMPLETE_EVALUATION if policy.evaluation:
            return evaluation_json(policy.evaluation)
        case Action.CLAIM_SESSION:
            evaluation = policy.session_evaluation
            return {"evaluation": evaluation_json(evaluation) if evaluation else None}
        case Action.FINALIZE if policy.finalization:
            return {"warning": policy.finalization.warning}
        case _:
            return None


def options_json(options: tuple[Option, ...] | tuple[ParticipationOption, ...]) -> list[Json]:
    """Choices: ``code`` is sent, ``label`` is shown."""
    return [{"code": option.code, "label": option.label} for option in options]


def _participation_json(participation: Participation) -> Json:
    """``methods`` says in which ways participation can be proved; the first one is suggested."""
    return {
        "method": participation.methods[0],
        "methods": list(participation.methods),
        "prompt": participation.prompt,
        "options": options_json(participation.options),
    }


def _disclosures_json(disclosures: Disclosures) -> Json:
    pages = [{"title": page.title, "text": page.text} for page in disclosures.pages]
    return {"version": disclosures.version, "pages": pages}


def content_json(policy: CEActivityPolicy, facts: ClaimFacts) -> Json | None:
    """The content to complete, with how much of it is: for each piece, and in all."""
    content = policy.content
    if content is None:
        return None
    items = [
        {
            "code": item.code,
            "title": item.title,
            "url": item.url,
            "minutes": item.minutes,
            "seconds_needed": 60 * item.minutes,
            "seconds_completed": min(facts.content_seconds.get(item.code, 0), 60 * item.minutes),
            "is_complete": is_item_complete(item, facts),
        }
        for item in content.items
    ]
    return {
        "items": items,
        "allows_partial": content.allows_partial,
        "minutes_completed": completed_minutes(content, facts),
        "minutes_needed": sum(item.minutes for item in content.items),
    }


def _post_test_json(post_test: PostTest) -> Json:
    return {
        "passing_percent": post_test.passing_percent,
        "attempts_allowed": post_test.attempts_allowed,
        "grading_seconds": post_test.grading_seconds,
        "question_count": len(post_test.questions),
    }


def questions_json(post_test: PostTest) -> list[Json]:
    """The questions of a post-test as a learner may see them: without the key and without its reasons."""
    return [
        {"code": question.code, "text": question.text, "options": options_json(question.options)}
        for question in post_test.questions
    ]


def evaluation_json(evaluation: Evaluation) -> Json:
    """The questions of an evaluation, each with what answers it."""
    questions = []
    for question in evaluation.questions:
        described: Json = {
            "code": question.code,
            "text": question.text,
            "kind": question.kind,
            "is_required": question.is_required,
        }
        match question.kind:
            case QuestionKind.CHOICE:
                described["options"] = options_json(question.options)
            case QuestionKind.SCALE:
                described |= {"minimum": 1, "maximum": question.scale_maximum}
            case QuestionKind.TEXT:
                described["maximum_length"] = MAXIMUM_TEXT_LENGTH
        questions.append(described)
    return {"questions": questions}


def offers_json(policy: CEActivityPolicy, profession: Profession | None) -> list[Json]:
    """The credit that a learner of this profession may claim, with the statement to attest to; all if unknown."""
    offers = credit.offers_for(policy, profession) if profession else policy.credit
    return [_offer_json(offer) for offer in offers]


def claimable_json(policy: CEActivityPolicy, facts: ClaimFacts) -> list[Json]:
    """The credit that this learner may claim, the way they took part: how much, and what their profile still lacks."""
    offers = [
        offer
        for offer in credit.offers_for(policy, facts.profession)
        if offer is offer_of(policy, facts, offer.credit_type)
        and (facts.statement in (None, offer.credit_type) or not policy.has_statement)
    ]
    return [
        {
            **_offer_json(offer),
            "claimable_units": str(claimable_units(policy, facts, offer)),
            "is_whole_only": is_whole_only(policy, facts, offer),
            "missing_in_profile": list(missing_in_profile(policy, facts, credit.rule_of(offer))),
        }
        for offer in offers
    ]


def _offer_json(offer: CreditOffer) -> Json:
    rule = credit.rule_of(offer)
    return {
        "credit_type": offer.credit_type,
        "name": rule.name,
        "is_italic": rule.is_italic,
        "unit": rule.unit,
        "increment": str(rule.increment),
        "minimum_units": str(rule.minimum_units),
        "designated_units": str(offer.designated_units),
        "designation_statement": offer.designation_statement,
        "attestation_version": rule.attestation_version,
        "attestation_text": rule.attestation_text,
        "required_identifiers": list(rule.required_identifiers),
        "formats": list(offer.formats),
    }


def sessions_summary_json(claim_id: str, policy: CEActivityPolicy, facts: ClaimFacts) -> Json | None:
    """The credit summary of a meeting: what is claimed, what is still to be evaluated, and what it adds up to."""
    if not policy.sessions:
        return None
    needs_evaluation = policy.session_evaluation is not None
    missing = facts.sessions.keys() - facts.evaluated_sessions if needs_evaluation else set()
    offer = offer_of(policy, facts, facts.statement) if facts.statement else None
    return {
        "href": f"/v1/claims/{claim_id}/sessions",
        "count": len(policy.sessions),
        "claimed": len(facts.sessions),
        "total_units": str(total_units(facts.sessions)),
        "designated_units": str(offer.designated_units) if offer else None,
        "evaluations_missing": sorted(missing),
    }


def session_json(claim_id: str, policy: CEActivityPolicy, facts: ClaimFacts, session: Session) -> Json:
    """One session, with what is claimed for it and which claimed sessions it overlaps."""
    held = interval_of(session, policy.time_zone)
    units = facts.sessions.get(session.code)
    return {
        "code": session.code,
        "href": f"/v1/claims/{claim_id}/sessions/{session.code}",
        "title": session.title,
        "held_on": session.held_on.isoformat(),
        "starts_at": held.starts_at.isoformat().replace("+00:00", "Z"),
        "ends_at": held.ends_at.isoformat().replace("+00:00", "Z"),
        "time_zone": policy.time_zone,
        "location": session.location,
        "maximum_units": str(session.maximum_units),
        "units": None if units is None else str(units),
        "is_evaluated": session.code in facts.evaluated_sessions,
        "overlaps": list(overlapping(policy, session, facts.sessions)),
    }


def requirement_json(requirement: Requirement) -> Json:
    """A requirement with its form, for those who have no claim yet."""
    described: Json = {"kind": requirement.kind, "words": requirement_words(requirement)}
    match requirement:
        case Participation():
            return described | _participation_json(requirement)
        case Disclosures():
            return described | _disclosures_json(requirement)
        case PostTest():
            return described | _post_test_json(requirement)
        case Evaluation():
            return described | {"asked": requirement.asked} | evaluation_json(requirement)
        case Content():
            items = [{"code": each.code, "title": each.title, "minutes": each.minutes} for each in requirement.items]
            return described | {"items": items, "allows_partial": requirement.allows_partial}
        case _:
            return described


def requirement_words(requirement: Requirement) -> str:
    """A requirement as a sentence for learners, in the present language.

    The passing score is known before the start (R-AMA-8).
    """
    match requirement:
        case PostTest():
            return _post_test_words(requirement)
        case Evaluation(asked=EvaluationTime.PER_SESSION):
            return _("Evaluate each session you claim ({count}).").format(count=_questions(requirement))
        case Evaluation():
            return _("Complete the evaluation ({count}).").format(count=_questions(requirement))
        case Content():
            items = len(requirement.items)
            return ngettext(
                "Complete the content ({count} item).", "Complete the content ({count} items).", items
            ).format(count=items)
        case Disclosures():
            pages = len(requirement.pages)
            return ngettext(
                "Read the disclosures ({count} page).", "Read the disclosures ({count} pages).", pages
            ).format(count=pages)
        case Statement():
            return _("Choose the statement of credit that you seek.")
        case Finalization():
            return _("Make your statement final.")
        case Participation():  # pragma: no branch -- mypy proves that no other case is left
            return _("State how you took part.") if requirement.options else _("Prove that you took part.")


def _post_test_words(post_test: PostTest) -> str:
    match post_test.attempts_allowed:
        case None:
            tries = _("as often as you like")
        case 1:
            tries = _("in one attempt")
        case _:
            tries = _("in at most {count} attempts").format(count=post_test.attempts_allowed)
    return _("Pass the post-test ({count}) with at least {percent} %, {tries}.").format(
        count=_questions(post_test), percent=post_test.passing_percent, tries=tries
    )


def _questions(asked: PostTest | Evaluation) -> str:
    count = len(asked.questions)
    return ngettext("{count} question", "{count} questions", count).format(count=count)
