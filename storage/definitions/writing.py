"""Writing a definition as people edit it: YAML without what goes without saying, which reads back as the same."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from domain.policy import CEActivityPolicy, Requirement, Session
from storage.definitions.reading import DefinitionStatus
from storage.definitions.stored import POLICY

_WIDTH: Final = 100
_HOUR_AND_MINUTE: Final = len("08:00")


def definition_values(slug: str, status: DefinitionStatus, policy: CEActivityPolicy) -> dict[str, Any]:
    """The fields of a definition as plain values, those left out that have their default."""
    written = POLICY.dump_python(policy, mode="json", exclude_defaults=True)
    values = {"slug": slug, "status": str(status), **written}
    values["requirements"] = [
        _with_kind(each, fields) for each, fields in zip(policy.requirements, written["requirements"], strict=True)
    ]
    if policy.sessions:
        values["sessions"] = [
            _with_times(each, fields) for each, fields in zip(policy.sessions, written["sessions"], strict=True)
        ]
    return values


def _with_kind(requirement: Requirement, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": requirement.kind, **fields}


def _with_times(session: Session, fields: Mapping[str, Any]) -> dict[str, Any]:
    times = {"starts_at": session.starts_at, "ends_at": session.ends_at}
    return {**fields, **{name: at.isoformat()[:_HOUR_AND_MINUTE] for name, at in times.items()}}


def definition_yaml(values: Mapping[str, Any]) -> str:
    """The definition as YAML, its fields in their order."""
    return yaml.dump(
        dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    )


class _Dumper(yaml.SafeDumper):
    """Indents lists, folds long texts, and leaves dates without quotes, as authors write them."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # so the base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002  # as the base class calls it
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # definitions have none
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_long = "\n" in text or len(text) > _WIDTH
    style = ("|" if "\n" in text else ">") if is_long else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)
