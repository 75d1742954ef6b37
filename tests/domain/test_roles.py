from domain.roles import STAFF_ROLES, Role


def test_everyone_but_learners_and_auditors_is_staff() -> None:
    assert set(Role) - {Role.LEARNER, Role.AUDITOR} == STAFF_ROLES
