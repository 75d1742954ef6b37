"""Definitions of CE activities: YAML or JSON that staff write, read into a policy, and a policy's canonical JSON.

A definition is the policy (``domain/policy.py``, the same field names) with a ``slug`` and a ``status`` beside it.
Every mistake is reported with its line and field; nothing is guessed: ``yes`` is a word, ``1.10`` keeps its zero.
"""

from storage.definitions.notation import MAXIMUM_DEFINITION_BYTES
from storage.definitions.problems import DefinitionError, DefinitionProblem
from storage.definitions.reading import Definition, DefinitionStatus, read_definition
from storage.definitions.schema import json_schema
from storage.definitions.stored import policy_from_json, policy_to_json
from storage.definitions.writing import definition_values, definition_yaml

__all__ = [
    "MAXIMUM_DEFINITION_BYTES",
    "Definition",
    "DefinitionError",
    "DefinitionProblem",
    "DefinitionStatus",
    "definition_values",
    "definition_yaml",
    "json_schema",
    "policy_from_json",
    "policy_to_json",
    "read_definition",
]
