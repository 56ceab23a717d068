"""tray-stream: Segment events on Kafka, delivered to tray workflows."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tray-stream")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
