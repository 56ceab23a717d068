"""The settings: read from a file, the environment and flags, validated as a whole, and frozen.

`load_settings` is the only way in; `stream.runtime` and the commands read what it returns.
"""

from stream.settings.load import Loaded, load_settings
from stream.settings.model import Settings
from stream.settings.redact import redacted_settings
from stream.settings.secret import Secret
from stream.settings.workflow import Workflow

__all__ = ["Loaded", "Secret", "Settings", "Workflow", "load_settings", "redacted_settings"]
