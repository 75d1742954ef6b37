from domain.roles import APPROVING_ROLES, AUDITING_ROLES, OFFICE_ROLES, STAFF_ROLES, Role


def test_everyone_but_learners_auditors_and_viewers_is_staff() -> None:
    assert set(Role) - {Role.LEARNER, Role.AUDITOR, Role.VIEWER} == STAFF_ROLES


def test_everyone_but_learners_reads_the_claims_of_others() -> None:
    assert set(Role) - {Role.LEARNER} == OFFICE_ROLES


def test_viewers_neither_agree_to_anything_nor_read_the_whole_audit_trail() -> None:
    assert Role.VIEWER not in APPROVING_ROLES | AUDITING_ROLES
