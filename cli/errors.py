"""Errors that a person at the command line can mend."""


class StackError(Exception):
    """The embedded stack cannot start or go on; the message tells a person why and what to do."""
