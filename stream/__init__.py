"""tray-stream: Segment events on Kafka, delivered to tray workflows."""

__all__ = ["DISTRIBUTION", "__version__"]

DISTRIBUTION = "tray-stream"
"""Tells this package from others of its name."""

__version__: str


def __getattr__(name: str) -> str:
    """The version when it is asked for: reading it takes longer than all else that a start does first."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tray-stream")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
