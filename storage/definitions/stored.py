"""A policy as it is stored for ever: canonical JSON, from which it reads back as it was."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Final, cast

from pydantic import TypeAdapter

from domain import credit
from domain.policy import CEActivityPolicy

POLICY: Final[TypeAdapter[CEActivityPolicy]] = TypeAdapter(CEActivityPolicy)


def policy_to_json(policy: CEActivityPolicy, published_on: date | None = None) -> dict[str, object]:
    """The policy as it is stored for ever: amounts and dates as strings, and every rule version named.

    Offers without a version get the one in force on ``published_on``, or the newest; see ``domain.credit.rule``.
    """
    pinned = [
        replace(offer, rule_version=credit.rule(offer.credit_type, offer.rule_version, published_on).version)
        for offer in policy.credit
    ]
    return cast("dict[str, object]", POLICY.dump_python(replace(policy, credit=tuple(pinned)), mode="json"))


def policy_from_json(values: Mapping[str, object]) -> CEActivityPolicy:
    """Read back what ``policy_to_json`` wrote; raises ``pydantic.ValidationError`` for anything else."""
    return POLICY.validate_json(json.dumps(values), strict=True)
