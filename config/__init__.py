"""Settings, logging and the Temporal connection. Imports nothing else of Laurel's."""

__version__ = "0.1.0"
