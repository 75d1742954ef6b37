"""How an audit bundle is written: the files that ``verify.py`` checks, and the ZIP file around them.

The same contents always give the same bytes. ``verify.py`` has to agree with every line of this module.
"""

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from storage.keys import PublicKey

_FOLDER: Final = Path(__file__).parent
# Files of a ZIP file bear a time; this is the earliest that there is, and says nothing.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledEntry:
    """One entry of the audit trail as it is stored, and its place in the signed tree, if it has one yet.

    ``private`` is what was sealed in it, if it was opened for this bundle.
    """

    stream: str
    seq: int
    body: bytes | None
    body_hash: bytes
    prev_hash: bytes
    hash: bytes
    recorded_at: datetime
    leaf: int | None = None
    path: Sequence[bytes] = ()
    private: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one bundle holds.

    ``about`` says of which claim it is, who asked for it, why and when. ``note`` is the newest signed checkpoint, empty
    while there is none; ``consistency`` maps the sizes of older trees to the proof that this one grew from them.
    ``opened_keys`` are the keys that open what is shown of sealed entries. ``documents`` are certificates, credentials
    and evidence by their file names, ``rules`` the pinned policy and rules of credit.
    """

    about: Mapping[str, Any]
    entries: Sequence[BundledEntry]
    note: str
    tree_size: int
    consistency: Mapping[int, Sequence[bytes]]
    public_keys: Sequence[PublicKey]
    opened_keys: Mapping[str, bytes]
    documents: Mapping[str, bytes]
    rules: Mapping[str, Any]


def bundle_files(contents: Contents) -> dict[str, bytes]:
    """Every file of a bundle by its name, in the order of the names; the manifest has the hashes of the others."""
    files = {
        "README.txt": (_FOLDER / "README.txt").read_bytes(),
        "verify.py": (_FOLDER / "verify.py").read_bytes(),
        "events.jsonl": "".join(f"{entry_line(entry)}\n" for entry in contents.entries).encode(),
        "proofs.json": _page(_proofs(contents)),
        "checkpoint.note": contents.note.encode(),
        "keys.json": _page([_public_key(key) for key in contents.public_keys]),
        "opened.json": _page(_opened(contents)),
        "rules.json": _page(contents.rules),
        **contents.documents,
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["manifest.json"] = _page({**contents.about, "files": hashes})
    return dict(sorted(files.items()))


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """A ZIP file of these files."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.external_attr = _READABLE
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return written.getvalue()


def entry_line(entry: BundledEntry) -> str:
    """One entry as a line of JSON, without the end of the line; its ``body`` is exactly the text that was hashed."""
    values = {
        "stream": entry.stream,
        "seq": entry.seq,
        # What cannot be text was changed; the hash tells it, whatever stands here.
        "body": None if entry.body is None else entry.body.decode(errors="replace"),
        "body_hash": entry.body_hash.hex(),
        "prev_hash": entry.prev_hash.hex(),
        "hash": entry.hash.hex(),
        "recorded_at": entry.recorded_at.astimezone(UTC).isoformat(),
    }
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def _proofs(contents: Contents) -> dict[str, Any]:
    entries = [
        {"stream": entry.stream, "seq": entry.seq, "leaf": entry.leaf, "path": [each.hex() for each in entry.path]}
        for entry in contents.entries
    ]
    consistency = {str(size): [each.hex() for each in path] for size, path in contents.consistency.items()}
    return {"tree_size": contents.tree_size, "entries": entries, "consistency": consistency}


def _public_key(key: PublicKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "purpose": key.purpose,
        "algorithm": key.algorithm,
        "public_key": b64encode(key.public_key).decode(),
        "created_at": _time(key.created_at),
        "retired_at": _time(key.retired_at),
        "revoked_at": _time(key.revoked_at),
    }


def _opened(contents: Contents) -> dict[str, Any]:
    entries = [
        {"stream": entry.stream, "seq": entry.seq, "values": entry.private}
        for entry in contents.entries
        if entry.private is not None
    ]
    return {
        "entries": entries,
        "keys": {key_id: b64encode(key).decode() for key_id, key in contents.opened_keys.items()},
    }


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _page(values: object) -> bytes:
    return f"{json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False)}\n".encode()
