"""What codes are called on pages, in English; translated where they are shown."""

from typing import Final

from config.languages import marked as _
from domain.claims import Stage

STAGE_WORDS: Final = {
    Stage.VERIFYING_PARTICIPATION: _("Say how you took part"),
    Stage.AWAITING_STATEMENT: _("Choose your statement of credit"),
    Stage.AWAITING_DISCLOSURES: _("Read the disclosures"),
    Stage.AWAITING_CONTENT: _("Complete the content"),
    Stage.AWAITING_TEST: _("Take the post-test"),
    Stage.GRADING: _("Being graded"),
    Stage.AWAITING_EVALUATION: _("Complete the evaluation"),
    Stage.AWAITING_WINDOW: _("Claiming is not open yet"),
    Stage.READY_TO_CLAIM: _("Ready to claim"),
    Stage.AWAITING_FINALIZATION: _("Make your statement final"),
    Stage.AWARDING: _("Being awarded"),
    Stage.ISSUING: _("Certificate is being made"),
    Stage.COMPLETED: _("Completed"),
    Stage.EXPIRED: _("Deadline passed"),
    Stage.DENIED: _("Not passed"),
    Stage.WITHDRAWN: _("Withdrawn"),
}
