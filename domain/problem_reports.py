"""Reports of problems: what a learner says is wrong about a claim, until staff have answered or closed it."""

from enum import StrEnum


class ReportState(StrEnum):
    """What became of a report: it waits for staff, was answered, or was closed without an answer."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
