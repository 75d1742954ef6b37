"""Who types a command, as the audit trail names them."""

import getpass


def cli_actor() -> str:
    """``cli:<user>``; a user whom the machine cannot name is ``cli:unknown``."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"
