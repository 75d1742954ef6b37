"""Audit bundles: all that is on record of one claim, in one ZIP file that proves itself without Laurel.

``verify.py`` is part of every bundle and runs on its own; ``README.txt`` goes with it.
"""
