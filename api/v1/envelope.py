"""What comes with a request besides its body: the idempotency key and how long the client wants to wait."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Header
from starlette.requests import Request

from api.auth import SignedIn
from api.gate import ASKED
from api.gateway import Patience
from api.problems import ProblemError
from storage.intake import IdempotencyKey

MAXIMUM_WAIT_SECONDS: Final = 30
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=([0-9]{1,4})(?:$|[,;\s])")
_ASYNC: Final = re.compile(r"(?:^|[,;\s])respond-async(?:$|[,;\s])")

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", description="1 to 255 visible ASCII characters; a repeated request has one effect."
    ),
]
PreferHeader = Annotated[
    str | None,
    Header(description="`wait=N` waits up to N seconds (at most 30) for the decision, `respond-async` not at all."),
]


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a step came."""

    key: IdempotencyKey | None
    patience: Patience
    request_id: str


async def envelope(
    request: Request, principal: SignedIn, idempotency_key: KeyHeader = None, prefer: PreferHeader = None
) -> Envelope:
    """Read the headers that belong to a step."""
    key = checked_key(idempotency_key)
    stored_key = IdempotencyKey(principal.account_id, key, fingerprint(request)) if key else None
    return Envelope(stored_key, patience(prefer), request.state.request_id)


def checked_key(key: str | None) -> str | None:
    """The idempotency key, if there is a usable one; raises 400 for one that is not."""
    if key is not None and not _KEY.fullmatch(key):
        raise ProblemError("idempotency_key_invalid")
    return key


def fingerprint(request: Request) -> bytes:
    """SHA-256 of what a request asks for: method, path and canonical body."""
    body = json.dumps(request.scope.get(ASKED), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{request.method}\0{request.url.path}\0{body}".encode()).digest()


def patience(prefer: str | None) -> Patience:
    """How long to wait; a preference that cannot be read is ignored (RFC 7240)."""
    if prefer is None:
        return Patience()
    if _ASYNC.search(prefer):
        return Patience(0)
    wait = _WAIT.search(prefer)
    if wait is None:
        return Patience()
    return Patience(min(int(wait[1]), MAXIMUM_WAIT_SECONDS), is_insistent=True)
