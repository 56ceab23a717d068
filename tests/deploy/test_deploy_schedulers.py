"""Examples for systemd, ECS and Nomad, and the workflows of releases: each judged by what reads it there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from assertions import every
from deploy_image import FINAL
from deploy_tools import ACTIONLINT, ROOT, go_tool, uv

from stream.settings import Settings, load_settings

UNIT = ROOT / "deploy/systemd/tray-stream.service"
TASK = ROOT / "deploy/ecs/task-definition.json"
JOB = ROOT / "deploy/nomad/tray-stream.nomad.hcl"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
VALIDATE_TASK = """
import json, sys
import botocore.session
from botocore.validate import ParamValidator
model = botocore.session.get_session().get_service_model("ecs")
shape = model.operation_model("RegisterTaskDefinition").input_shape
print("report:", ParamValidator().validate(json.load(open(sys.argv[1])), shape).generate_report())
"""
READ_HCL = "import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1]))))"
EXPOSURE = "15"
"""Of systemd-analyze security, in tenths: 0 is nothing, 100 is a unit without any hardening."""


def python_with(package: str, program: str, path: Path) -> str:
    """What a program prints that needs a package of its own; skipped, loudly, where that is not to be had."""
    command = [uv(), "run", "--quiet", "--no-project", "--with", package, "python", "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)
    if "ModuleNotFoundError" in done.stderr or "fetch" in done.stderr:
        pytest.skip(f"NOT CHECKED: {package} could not be had: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def grace() -> float:
    """The least time from SIGTERM to SIGKILL."""
    return Settings().kafka.drain_timeout + 10


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """No unknown key, and little left open; the program need not be installed here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT CHECKED: systemd-analyze is not on PATH.")
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"/opt/tray-stream/bin/tray-stream", "/bin/true", UNIT.read_text()))
    for command in (["verify"], ["security", "--offline=true", f"--threshold={EXPOSURE}"]):
        done = subprocess.run(["systemd-analyze", *command, str(copy)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "tray-stream.service:" not in done.stderr, done.stderr


def test_the_unit_stops_in_order() -> None:
    """It waits for the drain, restarts what a restart can help, and lets the supervisor stop its workers itself."""
    keys = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line))
    assert float(keys["TimeoutStopSec"]) > grace()
    assert keys["RestartPreventExitStatus"] == "2 3"
    assert keys["KillMode"] == "mixed"


def test_the_unit_leaves_the_metrics_of_the_process() -> None:
    """prometheus_client reads /proc/stat for the time of the boot, and without it says nothing of the process."""
    assert "ProcSubset" not in UNIT.read_text()


def test_ecs_takes_the_task() -> None:
    """The model of the AWS API has every key and type."""
    report = python_with("botocore==1.44.5", VALIDATE_TASK, TASK)
    assert report.strip() == "report:"


def test_the_task_is_the_image(tmp_path: Path) -> None:
    """Health as the image asks it, its user, time to drain, and variables that are settings."""
    (container,) = json.loads(TASK.read_text())["containerDefinitions"]
    assert container["healthCheck"]["command"] == ["CMD", *FINAL.command("HEALTHCHECK")]
    assert container["user"] == FINAL.last("USER")
    assert container["stopTimeout"] > grace()
    assert [port["containerPort"] for port in container["portMappings"]] == [int(FINAL.last("EXPOSE"))]
    secrets = dict.fromkeys((one["name"] for one in container["secrets"]), "https://hooks.example.com/w")
    given = {one["name"]: one["value"] for one in container["environment"]} | secrets
    loaded = load_settings(None, given, {}, default_path=tmp_path / "none.toml")
    assert (loaded.settings.kafka.topics, loaded.warnings) == (("segment-events",), ()), loaded.warnings


def test_nomad_reads_the_job() -> None:
    """It is HCL, the container's command finds its settings, and there is time to drain."""
    job = json.dumps(json.loads(python_with("python-hcl2==8.1.4", READ_HCL, JOB)))
    assert "tray-stream" in job
    text = JOB.read_text()
    timeout = re.search(r'kill_timeout = "(\d+)s"', text)
    assert timeout is not None
    assert float(timeout[1]) > grace()
    assert re.search(rf"to = {FINAL.last('EXPOSE')}\b", text)
    assert every(f'destination   = "{path}"' in text for path in ("local/stream.toml", "secrets/orders_url"))


@pytest.mark.parametrize(
    ("page", "path"),
    [("systemd.md", UNIT), ("nomad-ecs.md", TASK), ("nomad-ecs.md", JOB)],
    ids=["systemd", "ecs", "nomad"],
)
def test_the_documents_show_the_file(page: str, path: Path) -> None:
    """What a page prints is the example as it is, and says where it lies."""
    text = (ROOT / "docs/start" / page).read_text()
    assert f"\n{path.read_text()}```" in text
    assert str(path.relative_to(ROOT)) in text


def test_versions_are_the_packages() -> None:
    """Examples name the image of this version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert every(f"tray-stream:{version}" in path.read_text() for path in (TASK, JOB))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_takes_the_workflow(path: Path) -> None:
    """Keys, expressions, types of inputs, and dependencies of jobs."""
    done = subprocess.run([go_tool(ACTIONLINT), str(path)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_releases_are_tested_on_every_python() -> None:
    """The versions of the classifiers are those of the test run, which a release waits for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [found[1] for one in project["classifiers"] if (found := re.search(r"Python :: (3\.\d+)$", one))]
    test, release = (
        yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text()) for name in ("test", "release")
    )
    assert test["jobs"]["test"]["strategy"]["matrix"]["python"] == named
    jobs: dict[str, Any] = release["jobs"]
    assert jobs["build"]["needs"] == "test"
    assert every("build" in str(jobs[name]["needs"]) for name in ("package", "image", "chart", "publish"))


def test_no_job_has_more_rights_than_it_uses() -> None:
    """By default a workflow may only read; what a job may write it names."""
    for path in WORKFLOWS:
        loaded = yaml.safe_load(path.read_text())
        assert loaded["permissions"] == {"contents": "read"}, path.name
        checkouts = [
            step
            for job in loaded["jobs"].values()
            for step in job.get("steps", ())
            if "checkout" in step.get("uses", "")
        ]
        assert every(step["with"]["persist-credentials"] is False for step in checkouts)
