"""Where the Schema Registry of the tests comes from: Maven, once, into the user's cache."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from pathlib import Path

from stream.demo.kafka_jars import DOWNLOAD_TIMEOUT_S, KafkaUnavailable, cache_directory, require_program

REGISTRY_VERSION = "2.6.13.Final"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{REGISTRY_VERSION}:tar.gz:all"


def registry_jars(cache: Path | None = None, maven: str = "mvn") -> Path:
    """Directory of Apicurio's registry; fetched when it is not in the cache yet.

    Raises:
        KafkaUnavailable: Maven is missing or could not fetch it.
    """
    jars = (cache or cache_directory()) / f"apicurio-{REGISTRY_VERSION}"
    if not jars.is_dir():
        _fetch(jars, require_program(maven, "fetch the Schema Registry of the tests"))
    return jars


def _fetch(jars: Path, maven: str) -> None:
    """Fill a folder beside `jars` and rename it, so that `jars` is either whole or absent."""
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetching-") as scratch:
        goal = ["dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={scratch}"]
        done = subprocess.run(
            [maven, "-q", "-B", *goal], cwd=scratch, capture_output=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
        archives = list(Path(scratch).glob("*.tar.gz"))
        if done.returncode != 0 or not archives:
            raise KafkaUnavailable(f"Maven could not fetch {_ARTIFACT}: {done.stdout[-1000:].decode(errors='replace')}")
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(archives[0]) as archive:
            archive.extractall(unpacked, filter="data")
        try:
            unpacked.rename(jars)
        except OSError:
            if not jars.is_dir():  # else another process was faster, and its jars are as good
                raise
