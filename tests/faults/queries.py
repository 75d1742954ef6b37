"""The invariants of the record (reliability.md 5.3) as queries that must find nothing, whatever went wrong.

Invariant -> what was found, in words -> a query for the ids of the offenders. What no query can tell is in
``invariants.py``.
"""

from typing import Final

NEVER: Final[dict[str, dict[str, str]]] = {
    "I1": {
        "learners hold a credit twice": "SELECT learner_id FROM awards WHERE state = 'active' "
        "GROUP BY learner_id, ce_activity_id, credit_type HAVING count(*) > 1",
        "claims have not exactly one award": "SELECT c.id FROM claims c "
        "WHERE (SELECT count(*) FROM awards a WHERE a.claim_id = c.id) <> 1",
    },
    "I2": {
        "award lines do not add up": "SELECT a.id FROM awards a "
        "WHERE a.units IS DISTINCT FROM (SELECT sum(l.units) FROM award_lines l WHERE l.award_id = a.id)",
    },
    "I3": {
        "awards have not exactly one certificate, issued": "SELECT a.id FROM awards a "
        "WHERE (SELECT string_agg(state, ',') FROM certificates c WHERE c.award_id = a.id) IS DISTINCT FROM 'issued'",
    },
    "I4": {
        "certificates have not exactly one e-mail, sent": "SELECT c.id FROM certificates c "
        "WHERE (SELECT string_agg(state, ',') FROM outgoing_emails e WHERE e.subject_id = c.id) "
        "IS DISTINCT FROM 'sent'",
    },
    "I5": {
        "certificates were issued before their award": "SELECT c.id FROM certificates c "
        "JOIN awards a ON a.id = c.award_id WHERE c.issued_at < a.awarded_at",
        "e-mails about a certificate that is not there": "SELECT e.id FROM outgoing_emails e "
        "WHERE e.subject_id LIKE 'crt\\_%' AND NOT EXISTS (SELECT FROM certificates c WHERE c.id = e.subject_id)",
    },
    "I6": {
        "submissions are undecided": "SELECT id FROM submissions WHERE decided_at IS NULL",
        "submissions were refused without a reason": "SELECT id FROM submissions "
        "WHERE outcome = 'refused' AND refusal IS NULL",
    },
    "I7": {
        "submissions came under no key": "SELECT s.id FROM submissions s WHERE s.actor LIKE 'acc\\_%' "
        "AND NOT EXISTS (SELECT FROM idempotency_keys k WHERE k.submission_id = s.id)",
        "submissions came under two keys": "SELECT submission_id FROM idempotency_keys "
        "WHERE submission_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1",
        "submissions were not decided exactly once in the audit trail": "SELECT s.id FROM submissions s "
        "WHERE s.decided_at IS NOT NULL "
        "AND (SELECT count(*) FROM audit_events e WHERE e.step_key = 'submission:' || s.id) <> 1",
    },
    "I8": {
        "steps were accepted after the deadline": "SELECT s.id FROM submissions s JOIN claims c ON c.id = s.claim_id "
        "WHERE s.outcome = 'accepted' AND s.actor LIKE 'acc\\_%' AND s.received_at > c.due_at",
    },
    "I13": {
        "awards are another learner's than their claim": "SELECT a.id FROM awards a JOIN claims c ON c.id = a.claim_id "
        "WHERE (a.learner_id, a.ce_activity_id) IS DISTINCT FROM (c.learner_id, c.ce_activity_id)",
        "submissions are another learner's than their claim": "SELECT s.id FROM submissions s "
        "JOIN claims c ON c.id = s.claim_id WHERE s.learner_id <> c.learner_id",
    },
    "I14": {
        "documents do not hash to their name": "SELECT encode(sha256, 'hex') FROM documents "
        "WHERE sha256 <> sha256(content)",
        "documents belong to no certificate, credential or picture": "SELECT encode(sha256, 'hex') FROM documents d "
        "WHERE NOT EXISTS (SELECT FROM certificates c WHERE c.sha256 = d.sha256) "
        "AND NOT EXISTS (SELECT FROM credentials c WHERE c.sha256 = d.sha256) "
        "AND NOT EXISTS (SELECT FROM images i WHERE i.sha256 = d.sha256)",
    },
    "I15": {
        "attempts were answered and not graded": "SELECT claim_id FROM attempts "
        "WHERE (submitted_at IS NULL) <> (graded_at IS NULL)",
        "claims have not one graded attempt for each submission of answers": "SELECT c.id FROM claims c "
        "WHERE (SELECT count(*) FROM attempts a WHERE a.claim_id = c.id AND a.graded_at IS NOT NULL) <> "
        "(SELECT count(*) FROM submissions s WHERE s.claim_id = c.id AND s.kind = 'answers' "
        "AND s.outcome = 'accepted')",
    },
    "I16": {
        "units are not a number": "SELECT id FROM awards WHERE units = 'NaN' "
        "UNION SELECT award_id FROM award_lines WHERE units = 'NaN' "
        "UNION SELECT id FROM claims WHERE claimed_units = 'NaN'",
        "columns hold times without a zone": "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'",
    },
    "G7": {
        "claims are not completed": "SELECT id FROM claims WHERE stage <> 'completed' OR closed_at IS NULL",
        "claims are parked": "SELECT id FROM claims WHERE attention IS NOT NULL",
    },
}
