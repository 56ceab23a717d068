"""The Helm chart: rendered by Helm, checked against Kubernetes' own schemas, and held to what the program needs."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from assertions import every
from deploy_image import FINAL
from deploy_tools import ROOT, uv

from stream.model.errors import ConfigError
from stream.settings import load_settings

CHART = ROOT / "deploy" / "chart"
EVERYTHING = CHART / "ci" / "everything-values.yaml"
KUBERNETES = "1.37.0"
VALIDATOR = "kubernetes-validate==1.37.0"
"""Has the strict JSON Schemas of Kubernetes' own kinds in its package."""
LEAST_GRACE_S = 25
CONFIG = 'config="[kafka]\\ntopics = [\\"t\\"]\\n"'

Manifest = dict[str, Any]

OPERATORS_FIELDS = {
    "ServiceMonitor": {"jobLabel", "selector", "endpoints"},
    "PrometheusRule": {"groups"},
    "ScaledObject": {
        "scaleTargetRef",
        "minReplicaCount",
        "maxReplicaCount",
        "pollingInterval",
        "advanced",
        "triggers",
    },
}
"""Fields of kinds that are not Kubernetes' own, from their documentation; a misspelled one would be ignored there."""


def template(helm: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Render the chart."""
    command = [helm, "template", "live", str(CHART), "--kube-version", KUBERNETES, "--namespace", "events", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rendered(helm: str, *options: str) -> list[Manifest]:
    """The manifests."""
    done = template(helm, *options)
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


@pytest.fixture(scope="module")
def everything(helm: str) -> dict[str, Manifest]:
    """With all that can be turned on, by kind; the dashboards as kind Dashboards."""
    found = rendered(helm, "--values", str(EVERYTHING))
    names = ["Dashboards" if m["metadata"]["name"].endswith("-dashboards") else m["kind"] for m in found]
    assert len(set(names)) == len(names)
    return dict(zip(names, found, strict=True))


@pytest.fixture(scope="module")
def pod(everything: dict[str, Manifest]) -> Manifest:
    """The pod's specification."""
    spec: Manifest = everything["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("values", [[], ["--values", str(EVERYTHING)]], ids=["defaults", "everything"])
def test_helm_lints_it(helm: str, values: list[str]) -> None:
    """No error and no warning."""
    command = [helm, "lint", "--strict", str(CHART), *values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", [["--set", CONFIG], ["--values", str(EVERYTHING)]], ids=["defaults", "everything"])
def test_kubernetes_takes_it(helm: str, values: list[str], tmp_path: Path) -> None:
    """Each manifest of a kind of Kubernetes' own fits its strict schema."""
    path = tmp_path / "manifests.yaml"
    path.write_text(template(helm, *values).stdout)
    command = [uv(), "tool", "run", "--quiet", "--from", VALIDATOR, "kubernetes-validate", "--strict", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    if "passed for resource" not in told and "did not validate" not in told:
        pytest.skip(f"NOT CHECKED: {VALIDATOR} could not be run: {told.strip()[-300:]}")
    assert done.returncode == 0, told
    assert "passed for resource deployment/live-tray-stream" in told


def test_kinds_of_operators_have_known_fields(everything: dict[str, Manifest]) -> None:
    """What Kubernetes' schemas do not know is held to the fields that are documented."""
    assert {kind: set(everything[kind]["spec"]) for kind in OPERATORS_FIELDS} == OPERATORS_FIELDS


def test_the_least_is_four_objects(helm: str) -> None:
    """By default nothing needs an operator that the cluster may not have."""
    kinds = sorted(manifest["kind"] for manifest in rendered(helm, "--set", CONFIG))
    assert kinds == ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "config is empty: give your stream.toml"),
        (["--set", CONFIG, "--set", "replicas=two"], "replicas"),
        (["--set", CONFIG, "--set", "replica=3"], "replica"),
        (["--set", CONFIG, "--set", "terminationGracePeriodSeconds=10"], "terminationGracePeriodSeconds"),
        (["--set", CONFIG, "--set", "keda.enabled=true"], "bootstrapServers"),
    ],
)
def test_wrong_values_are_refused(helm: str, options: list[str], told: str) -> None:
    """Helm names the value before anything reaches the cluster."""
    done = template(helm, *options)
    assert done.returncode != 0
    assert told in done.stderr


def test_the_pod_is_restricted(pod: Manifest) -> None:
    """It fits Kubernetes' "restricted" standard, and is the user that the image names."""
    container = pod["containers"][0]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == FINAL.last("USER")
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False


def test_probes_ask_the_program(pod: Manifest) -> None:
    """Life is asked at /healthz, readiness at /readyz, at the port that the image listens on."""
    container = pod["containers"][0]
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert {container[probe]["httpGet"]["port"] for probe in paths} == {"metrics"}
    assert [port["containerPort"] for port in container["ports"]] == [int(FINAL.last("EXPOSE"))]


def test_a_pod_has_time_to_drain(pod: Manifest) -> None:
    """Kubernetes waits for the drain, the last commit and the leave."""
    assert pod["terminationGracePeriodSeconds"] > LEAST_GRACE_S


def test_settings_and_secrets_are_files(everything: dict[str, Manifest], pod: Manifest, tmp_path: Path) -> None:
    """The settings lie where the image looks, secrets beside them as files, and a change of settings rolls the pods."""
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"config": FINAL.last("WORKDIR"), "secrets": "/secrets", "tmp": "/tmp"}  # noqa: S108 - in the pod
    assert pod["volumes"][2]["secret"] == {"secretName": "tray-stream-secrets", "defaultMode": 0o440}
    text = everything["ConfigMap"]["data"]["stream.toml"]
    (tmp_path / "stream.toml").write_text(text.replace("/secrets/", f"{tmp_path}/"))
    (tmp_path / "shared_secret").write_text("secret")
    (tmp_path / "orders_url").write_text("https://hooks.example.com/orders")
    assert load_settings(tmp_path / "stream.toml", {}, {}).settings.kafka.group_id == "tray"
    annotations = everything["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["checksum/config"] == hashlib.sha256(text.encode()).hexdigest()


def test_settings_come_as_they_are(helm: str, tmp_path: Path) -> None:
    """A whole stream.toml, with quotes, braces and umlauts, goes through unchanged."""
    text = '# {{ not a template }}\n[kafka]\ntopics = ["ä"]\n\n[[workflow]]\nurl = "${file:/secrets/a}"\n'
    (tmp_path / "stream.toml").write_text(text)
    found = rendered(helm, "--set-file", f"config={tmp_path}/stream.toml")
    assert next(m for m in found if m["kind"] == "ConfigMap")["data"]["stream.toml"] == text


def test_objects_belong_together(everything: dict[str, Manifest]) -> None:
    """Every selector finds the pods; the monitor finds the service, and calls the job as the dashboards do."""
    labels = everything["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        everything["Deployment"]["spec"]["selector"]["matchLabels"],
        everything["Service"]["spec"]["selector"],
        everything["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        everything["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert every(selector.items() <= labels.items() for selector in selectors)
    monitor = everything["ServiceMonitor"]["spec"]
    service = everything["Service"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= service.items()
    assert service[monitor["jobLabel"]] == "tray-stream"
    assert [port["name"] for port in everything["Service"]["spec"]["ports"]] == [monitor["endpoints"][0]["port"]]
    assert everything["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == everything["Deployment"]["metadata"]["name"]


def test_rules_and_dashboards_are_those_of_the_repository(everything: dict[str, Manifest]) -> None:
    """Not copies: the chart holds what grafana/ holds, alerts' own templates untouched."""
    rules = sorted((ROOT / "grafana/prometheus/rules").glob("*.yml"))
    groups = [group for path in rules for group in yaml.safe_load(path.read_text())["groups"]]
    assert everything["PrometheusRule"]["spec"]["groups"] == groups
    files = {
        f"tray-stream-{path.name}": path.read_text().strip() for path in (ROOT / "grafana/dashboards").glob("*.json")
    }
    assert everything["Dashboards"]["data"] == files
    assert everything["Dashboards"]["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_alerts_lead_to_the_right_addresses(helm: str) -> None:
    """Runbooks and dashboards are named by path in the rules; the chart writes their site before them."""
    sites = [
        "prometheusRule.repositoryUrl=https://git.example.com/blob/main/",
        "prometheusRule.grafanaUrl=https://g.eu",
    ]
    options = [word for site in sites for word in ("--set", site)]
    (rule,) = (m for m in rendered(helm, "--values", str(EVERYTHING), *options) if m["kind"] == "PrometheusRule")
    rules = [rule for group in rule["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(rules) > 10
    runbooks = {rule["annotations"]["runbook_url"].split("RUNBOOKS.md#")[0] for rule in rules}
    assert runbooks == {"https://git.example.com/blob/main/grafana/"}
    assert {rule["annotations"]["dashboard_url"].split("/d/")[0] for rule in rules} == {"https://g.eu"}


def test_the_lag_scales_and_a_dead_workflow_does_not(everything: dict[str, Manifest]) -> None:
    """KEDA leaves out partitions that stand still, begins where the group begins, and owns the number of replicas."""
    (trigger,) = everything["ScaledObject"]["spec"]["triggers"]
    assert trigger == {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": "kafka.events.svc:9092",
            "consumerGroup": "tray",
            "topic": "segment-events",
            "lagThreshold": "10000",
            "offsetResetPolicy": "earliest",
            "allowIdleConsumers": "false",
            "excludePersistentLag": "true",
            "sasl": "scram_sha512",
            "tls": "enable",
        },
        "authenticationRef": {"name": "kafka-credentials"},
    }
    assert "replicas" not in everything["Deployment"]["spec"]


def test_the_default_settings_are_none(tmp_path: Path) -> None:
    """The chart brings no settings that would start against somebody's Kafka by accident."""
    (tmp_path / "stream.toml").write_text(yaml.safe_load((CHART / "values.yaml").read_text())["config"])
    with pytest.raises(ConfigError, match="no topic is given"):
        load_settings(tmp_path / "stream.toml", {}, {})


def test_the_network_policy_has_no_open_rule(helm: str) -> None:
    """Each way out names where it leads and by which ports, and none leads to link-local addresses."""
    policies = [
        manifest
        for options in (["--set", CONFIG, "--set", "networkPolicy.enabled=true"], ["--values", str(EVERYTHING)])
        for manifest in rendered(helm, *options)
        if manifest["kind"] == "NetworkPolicy"
    ]
    assert len(policies) == 2
    rules = [rule for policy in policies for rule in policy["spec"]["egress"]]
    assert every(rule["ports"] and rule["to"] for rule in rules)
    blocks = [peer["ipBlock"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]
    assert every(block.get("except") for block in blocks if block["cidr"].endswith("/0"))


@pytest.mark.parametrize("key", ["kafkaPorts", "webhookPorts", "dnsTo", "kafkaTo"])
def test_an_empty_list_in_the_network_policy_is_refused(helm: str, key: str) -> None:
    """In a NetworkPolicy an empty list means everything."""
    done = template(
        helm, "--set", CONFIG, "--set", "networkPolicy.enabled=true", "--set-json", f"networkPolicy.{key}=[]"
    )
    assert done.returncode != 0
    assert key in done.stderr
