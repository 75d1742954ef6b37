#!/usr/bin/env python3
r"""A learning platform in its smallest form: it signs events as Standard Webhooks 1.0 says, and sends them to Laurel.

Only the standard library is needed, so that every platform can read here what to do:

    export LAUREL_INTEGRATION_SECRET=whsec_...        # printed by `laurel integrations add academy`
    python send_events.py http://localhost:8000/v1/integrations/academy/events progress \
        --email ada@hospital.example --ce-activity grand-rounds --content video --interval 0-600
"""

# ruff: noqa: T201

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from typing import Any

WAITS = (1, 5, 25)
TRANSIENT = {429, 500, 502, 503, 504}


def signed_headers(secret: str, event_id: str, sent_at: int, body: bytes) -> dict[str, str]:
    """The three headers that prove where an event comes from; ``sent_at`` counts seconds since 1970."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.new(key, f"{event_id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def event(event_type: str, data: dict[str, Any]) -> bytes:
    """The body of an event; exactly these bytes are signed and sent."""
    happened_at = datetime.now(UTC).isoformat()
    return json.dumps({"type": event_type, "timestamp": happened_at, "data": data}).encode()


def send(url: str, secret: str, event_id: str, body: bytes) -> int:
    """Send an event once, and answer with the status; a transient failure raises ``OSError``."""
    headers = signed_headers(secret, event_id, int(time.time()), body)
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  # the caller's own address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        if error.code in TRANSIENT:
            raise
        print(error.read().decode(errors="replace"), file=sys.stderr)
        return error.code


def deliver(url: str, secret: str, body: bytes) -> bool:
    """Send an event until it is taken. Its id stays the same, so that it counts once however often it is sent."""
    event_id = f"msg_{uuid.uuid4().hex}"
    for wait in (*WAITS, None):
        try:
            return send(url, secret, event_id, body) == 202  # noqa: PLR2004  # the only answer that means recorded
        except OSError as error:
            print(f"not delivered yet: {error}", file=sys.stderr)
        if wait is not None:
            time.sleep(wait)
    return False


def _interval(text: str) -> list[int]:
    start, _, end = text.partition("-")
    return [int(start), int(end)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Send one signed event to Laurel.")
    parser.add_argument("url", help="https://.../v1/integrations/NAME/events")
    parser.add_argument("what", choices=["progress", "participation"])
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--email", help="the learner's address")
    who.add_argument("--employee-id", help="or their number at their employer")
    parser.add_argument("--ce-activity", required=True, help="slug or activity code")
    parser.add_argument("--content", help="code of the content")
    parser.add_argument("--interval", type=_interval, action="append", help="FROM-TO in seconds; may be repeated")
    parser.add_argument("--seconds", type=int, help="total seconds watched so far")
    return parser.parse_args()


def main() -> int:
    """Send what the command line says; 0 when Laurel has recorded it."""
    given = _arguments()
    learner = {"email": given.email} if given.email else {"employee_id": given.employee_id}
    data: dict[str, Any] = {"learner": learner, "ce_activity": given.ce_activity}
    if given.what == "progress":
        data |= {"content": given.content}
        data |= {"intervals": given.interval} if given.interval else {}
        data |= {"seconds": given.seconds} if given.seconds is not None else {}
    event_type = {"progress": "progress.updated", "participation": "participation.recorded"}[given.what]
    is_taken = deliver(given.url, os.environ["LAUREL_INTEGRATION_SECRET"], event(event_type, data))
    print("recorded" if is_taken else "not recorded")
    return 0 if is_taken else 1


if __name__ == "__main__":
    sys.exit(main())
