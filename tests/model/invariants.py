"""What must hold of the record after any history, as questions whose answer is no row."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Engine, text

INVARIANTS: Final = {
    "a learner holds one active award of a type for a CE activity": """
        SELECT learner_id, ce_activity_id, credit_type FROM awards
         WHERE state = 'active' AND claim_id = ANY(:claims) GROUP BY 1, 2, 3 HAVING count(*) > 1
    """,
    "a claim has one active award at most, and one exactly when it is awarded": """
        SELECT c.id FROM claims c LEFT JOIN awards a ON a.claim_id = c.id AND a.state = 'active'
         WHERE c.id = ANY(:claims) GROUP BY c.id
        HAVING count(a.id) <> (c.awarded_at IS NOT NULL)::int
    """,
    "the lines of an award, the claim and the certificate say the same amount": """
        SELECT a.id FROM awards a JOIN claims c ON c.id = a.claim_id JOIN certificates t ON t.award_id = a.id
         WHERE c.id = ANY(:claims)
           AND (a.units <> (SELECT sum(l.units) FROM award_lines l WHERE l.award_id = a.id)
                OR a.units <> (t.data -> 'credit' ->> 'awarded_units')::numeric
                OR (a.state = 'active' AND a.units <> c.claimed_units))
    """,
    "every award has one certificate, which is current as long as the award is": """
        SELECT a.id FROM awards a LEFT JOIN certificates t ON t.award_id = a.id WHERE a.claim_id = ANY(:claims)
         GROUP BY a.id HAVING count(t.id) <> 1 OR bool_or((t.state = 'superseded') <> (a.state = 'superseded'))
    """,
    "every certificate has one e-mail": """
        SELECT t.id FROM awards a JOIN certificates t ON t.award_id = a.id
          LEFT JOIN outgoing_emails e ON e.subject_id = t.id AND e.purpose = 'award'
         WHERE a.claim_id = ANY(:claims) GROUP BY t.id HAVING count(e.id) <> 1
    """,
    "a claim is complete when its certificate is stored and its e-mail is sent": """
        SELECT c.id FROM claims c JOIN awards a ON a.claim_id = c.id AND a.state = 'active'
          JOIN certificates t ON t.award_id = a.id JOIN outgoing_emails e ON e.subject_id = t.id
         WHERE c.id = ANY(:claims)
           AND (c.stage = 'completed')
               <> ((t.state = 'elsewhere' OR (t.state = 'issued' AND t.sha256 IS NOT NULL)) AND e.state = 'sent')
    """,
    "whatever was received is accepted, or refused with a code": """
        SELECT id FROM submissions WHERE claim_id = ANY(:claims)
           AND (decided_at IS NULL OR (outcome = 'refused') <> (refusal IS NOT NULL))
    """,
    "whatever was received is in the audit trail once": """
        SELECT s.id FROM submissions s
          LEFT JOIN audit_events e ON e.stream = 'claim:' || s.claim_id AND e.step_key = 'submission:' || s.id
         WHERE s.claim_id = ANY(:claims) GROUP BY s.id HAVING count(e.seq) <> 1
    """,
    "no step counts that was received after the deadline": """
        SELECT s.id FROM submissions s JOIN claims c ON c.id = s.claim_id
         WHERE c.id = ANY(:claims) AND s.outcome = 'accepted' AND s.received_at > c.due_at
           AND s.kind IN ('participation', 'disclosures', 'attempt', 'answers', 'evaluation', 'session', 'credit',
                          'finalization')
    """,
    "an attempt is graded at the end of its delay, and only when it was answered": """
        SELECT t.claim_id FROM attempts t WHERE t.claim_id = ANY(:claims)
           AND ((t.graded_at IS NULL) <> (t.has_passed IS NULL) OR t.graded_at < t.submitted_at
                OR (t.graded_at IS NOT NULL AND t.submitted_at IS NULL))
    """,
    "a badge proves one claim only": """
        SELECT c.id FROM claims c LEFT JOIN roster_entries r ON r.claim_id = c.id AND NOT r.is_group
         WHERE c.id = ANY(:claims) AND c.participation_method = 'badge_id' AND r.id IS NULL
           AND c.stage <> 'withdrawn'
    """,
}


def assert_invariants(engine: Engine, claim_ids: Collection[str]) -> None:
    with engine.connect() as connection:
        for sentence, query in INVARIANTS.items():
            broken = connection.execute(text(query), {"claims": list(claim_ids)}).all()
            assert broken == [], sentence
