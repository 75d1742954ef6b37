"""What a check of the audit trail found, for people and as JSON."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Final

# One change can break everything after it; the first findings are the ones to look at.
_MOST_FINDINGS: Final = 50


class Verdict(IntEnum):
    """The outcome of a check, which is the command's exit code."""

    CLEAN = 0
    TAMPERED = 1
    INCOMPLETE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, as stream and sequence number or as a place in the tree, and what."""

    what: str
    stream: str | None = None
    seq: int | None = None
    leaf_index: int | None = None
    tree_size: int | None = None

    @property
    def where(self) -> str:
        """The place in words."""
        if self.stream is not None:
            return f"{self.stream}, entry {self.seq}" if self.seq is not None else self.stream
        if self.leaf_index is not None:
            return f"leaf {self.leaf_index}"
        if self.tree_size is not None:
            return f"checkpoint of {self.tree_size} entries"
        return "audit trail"


@dataclass(slots=True)
class Report:
    """What was checked, what is wrong, what is missing yet, and which bodies were purged at the end of retention.

    ``purged`` maps a stream to how many of its entries have no body any more; their hashes were checked all the same.
    ``unauthorised`` is how many of them no entry about a purge accounts for. ``pinned`` if the newest checkpoint was
    compared with keys known from elsewhere than the record.
    """

    pinned: bool = False

    entries: int = 0
    streams: int = 0
    leaves: int = 0
    checkpoints: int = 0
    anchored: int = 0
    purged: dict[str, int] = field(default_factory=dict)
    unauthorised: dict[str, int] = field(default_factory=dict)
    tampered: list[Finding] = field(default_factory=list)
    incomplete: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def verdict(self) -> Verdict:
        """Changed outweighs incomplete."""
        if self.tampered:
            return Verdict.TAMPERED
        return Verdict.INCOMPLETE if self.incomplete or self.unauthorised else Verdict.CLEAN

    def tamper(self, what: str, **place: Any) -> None:
        """Note that something was changed."""
        if len(self.tampered) < _MOST_FINDINGS:
            self.tampered.append(Finding(what, **place))
        else:
            self.more += 1

    def lack(self, what: str, **place: Any) -> None:
        """Note that something is not there yet."""
        if len(self.incomplete) < _MOST_FINDINGS:
            self.incomplete.append(Finding(what, **place))
        else:
            self.more += 1

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values, with the verdict and every place in words."""
        values = {"verdict": self.verdict.name.lower(), **asdict(self)}
        for name, findings in (("tampered", self.tampered), ("incomplete", self.incomplete)):
            values[name] = [{"where": each.where, **asdict(each)} for each in findings]
        return values

    def lines(self) -> Iterable[str]:
        """The report for a person: the worst first, the verdict last."""
        for word, findings in (("CHANGED", self.tampered), ("missing", self.incomplete)):
            for finding in findings:
                yield f"{word:<9}{finding.where}: {finding.what}"
        if self.more:
            yield f"{'':<9}and {self.more} more"
        for stream, count in sorted(self.unauthorised.items()):
            have = "have" if count > 1 else "has"
            yield f"{'missing':<9}{stream}: {_entries(count)} {have} no body, and no entry says who purged it"
        authorised = sum(self.purged.values()) - sum(self.unauthorised.values())
        if authorised:
            yield f"purged   {_entries(authorised)} at the end of their retention; hashes checked"
        if not self.pinned:
            yield "keys     as the record itself names them; an anchor, or --key, rules out that all was signed anew"
        yield (
            f"checked  {self.entries} entries of {self.streams} streams, {self.leaves} leaves, "
            f"{self.checkpoints} signed checkpoints, {self.anchored} anchored ones"
        )
        words = {
            Verdict.CLEAN: "clean: nothing was changed, removed or inserted",
            Verdict.TAMPERED: "CHANGED: the audit trail is not what it was",
            Verdict.INCOMPLETE: "incomplete: nothing was found changed, but not everything is sealed",
        }
        yield f"verdict  {words[self.verdict]}"


def _entries(count: int) -> str:
    return f"{count} {'entries' if count > 1 else 'entry'}"
