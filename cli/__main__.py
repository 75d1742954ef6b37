"""Lets ``python -m cli`` stand for ``laurel`` where the command itself is not installed."""

from cli.main import run

run()
