"""Tokens that Kafka takes without a signature, and a command that prints them and can be told to fail.

As a program: `unsigned_token.py FOLDER`. FOLDER/plan holds what each call does, a word a line; the last one lasts.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

GARBAGE = "canary-garbage-5f3a"


def unsigned_token(user: str, lifetime_s: float) -> str:
    """A token by which `user` logs in."""
    now = time.time()
    claims: dict[str, object] = {"sub": user, "iat": now, "exp": now + lifetime_s, "scope": "kafka"}
    parts: tuple[dict[str, object], ...] = ({"alg": "none"}, claims)
    return ".".join(_part(part) for part in parts) + "."


def command(folder: Path, *plan: str) -> list[str]:
    """The command for the settings, which follows `plan`."""
    folder.mkdir(exist_ok=True)
    follow(folder, *plan)
    return [sys.executable, "-I", __file__, str(folder)]


def follow(folder: Path, *plan: str) -> None:
    """Replace the plan: seconds of lifetime, or the name of a failure."""
    (folder / "plan").write_text("\n".join(plan))


def calls(folder: Path) -> list[str]:
    """What the command printed, or did, each time."""
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def _part(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _main(folder: Path) -> int:
    steps = (folder / "plan").read_text().splitlines()
    step = steps.pop(0)
    if steps:
        follow(folder, *steps)
    token = "" if step.isalpha() else unsigned_token("admin", float(step))
    with (folder / "calls").open("a") as log:
        log.write(f"{token or step}\n")
    if step == "fail":
        print(json.dumps({"token": GARBAGE, "lifetime": 60}))
        print(GARBAGE, file=sys.stderr)
        return 3
    if step == "hang":
        subprocess.run(["sleep", "600"], check=False)
    if step == "flood":
        while True:
            print(GARBAGE)
    if step == "garbage":
        print(f"{GARBAGE}: no JSON")
    elif step == "endless":
        print(json.dumps({"token": GARBAGE}))
    else:
        print(json.dumps({"token": token, "lifetime": float(step)}))
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
