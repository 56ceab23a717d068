"""Known vulnerabilities of the locked packages: `make audit`.

Exit 0: none is known. Exit 1: some are, listed with the versions that mend them. Without a way to the database of
vulnerabilities it says so and ends with 0, or with 1 where CI is set: there nobody would read it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

EXPORT = ("export", "--locked", "--no-emit-project", "--all-extras", "--all-groups", "--quiet")
OFFLINE = ("Max retries exceeded", "Connection", "connect", "resolve", "Temporary failure", "timed out", "Timeout")


def main(uv: str, pip_audit: str, more: list[str]) -> int:
    """Ask; print what is known."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(run(uv, *EXPORT).stdout)
        asked = run(
            *(pip_audit, "--requirement", str(requirements), "--require-hashes", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off", *more),
        )
    try:
        return told(json.loads(asked.stdout)["dependencies"])
    except ValueError:
        return unanswered(asked.stderr)


def told(packages: list[dict[str, object]]) -> int:
    """Print what was found."""
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", ())]  # type: ignore[attr-defined]  # JSON
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "nothing yet"
        print(f"{package['name']} {package['version']}: {flaw['id']}; mended by {fixed}")
    print(f"{len(packages)} packages, {len(found)} known vulnerabilities.")
    return 1 if found else 0


def unanswered(errors: str) -> int:
    """There was no answer: a network that is not there, or something worse."""
    reason = errors.strip().splitlines()[-1:] or ["no answer"]
    if not any(word in errors for word in OFFLINE):
        print(f"pip-audit failed: {reason[0]}", file=sys.stderr)
        return 1
    print("Not audited: the database of vulnerabilities cannot be reached from here.", file=sys.stderr)
    return 1 if os.environ.get("CI") == "true" else 0


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # fixed names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
