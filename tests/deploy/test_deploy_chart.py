"""The Helm chart: rendered by Helm, checked against Kubernetes' own schemas, and held to what the program needs."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from assertions import every, filled
from deploy_image import FINAL
from deploy_tools import ROOT, uv

from stream.model.errors import ConfigError
from stream.settings import Settings, load_settings

CHART = ROOT / "deploy" / "chart"
EVERYTHING = CHART / "ci" / "everything-values.yaml"
STATIC = CHART / "ci" / "static-values.yaml"
KUBERNETES = "1.37.0"
VALIDATOR = "kubernetes-validate==1.37.0"
"""Has the strict JSON Schemas of Kubernetes' own kinds in its package."""
CONFIG = 'config=kafka.topics = ["t"]'
SCOPE = 'namespace="events", job="live"'

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


def template(helm: str, *options: str, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    """Render the chart."""
    command = [helm, "template", "live", str(chart), "--kube-version", KUBERNETES, "--namespace", "events", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rendered(helm: str, *options: str) -> list[Manifest]:
    """The manifests."""
    done = template(helm, *options)
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def rendered_with(helm: str, settings: str, directory: Path, *options: str) -> dict[str, Manifest]:
    """The manifests with a stream.toml, by kind."""
    path = directory / "stream.toml"
    path.write_bytes(settings.encode())
    return {found["kind"]: found for found in rendered(helm, "--set-file", f"config={path}", *options)}


def refusal(helm: str, settings: str, directory: Path, *options: str) -> str:
    """What Helm says against a stream.toml."""
    path = directory / "stream.toml"
    path.write_text(settings)
    done = template(helm, "--set-file", f"config={path}", *options)
    assert done.returncode != 0, done.stdout
    return done.stderr


@pytest.fixture
def everything(helm: str) -> dict[str, Manifest]:
    """With all that can be turned on, by kind; the dashboards as kind Dashboards."""
    found = rendered(helm, "--values", str(EVERYTHING))
    names = ["Dashboards" if m["metadata"]["name"].endswith("-dashboards") else m["kind"] for m in found]
    assert len(set(names)) == len(names)
    return dict(zip(names, found, strict=True))


@pytest.fixture
def pod(everything: dict[str, Manifest]) -> Manifest:
    """The pod's specification."""
    spec: Manifest = everything["Deployment"]["spec"]["template"]["spec"]
    return spec


VALUES = [["--set", CONFIG], ["--values", str(EVERYTHING)], ["--values", str(STATIC)]]
NAMES = ["defaults", "everything", "static"]


@pytest.mark.parametrize("values", VALUES, ids=NAMES)
def test_helm_lints_it(helm: str, values: list[str]) -> None:
    """No error and no warning."""
    command = [helm, "lint", "--strict", str(CHART), *values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES, ids=NAMES)
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
    assert re.search("passed for resource (deployment|statefulset)/live-tray-stream", told)


def test_kinds_of_operators_have_known_fields(everything: dict[str, Manifest]) -> None:
    """What Kubernetes' schemas do not know is held to the fields that are documented."""
    assert {kind: set(everything[kind]["spec"]) for kind in OPERATORS_FIELDS} == OPERATORS_FIELDS


def test_the_least_is_four_objects(helm: str) -> None:
    """By default nothing needs an operator that the cluster may not have."""
    kinds = sorted(manifest["kind"] for manifest in rendered(helm, "--set", CONFIG, "--skip-tests"))
    assert kinds == ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "config is empty: give your stream.toml"),
        (["--set", CONFIG, "--set", "replicas=two"], "replicas"),
        (["--set", CONFIG, "--set", "replica=3"], "replica"),
        (["--set", CONFIG, "--set", "terminationGracePeriodSeconds=10"], "terminationGracePeriodSeconds"),
        (["--set", CONFIG, "--set", "terminationGracePeriodSeconds=25"], "kafka.drain_timeout (15s) and ten seconds"),
        (["--set", CONFIG, "--set", "keda.enabled=true"], "bootstrapServers"),
        (["--set", "existingConfigMap=mine", "--set", "keda.enabled=true"], "bootstrapServers"),
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


@pytest.mark.parametrize(
    ("drain", "grace"),
    [("", 45), ("15s", 45), ("1m", 90), ("1m30s", 120), ("PT2M", 150), ("500ms", 31), ("2.5s", 33), ("1h", 3630)],
)
def test_a_pod_has_time_to_drain(helm: str, drain: str, grace: int, tmp_path: Path) -> None:
    """Kubernetes waits for the drain that the settings ask for, the last commit and the leave."""
    settings = f'[kafka]\ntopics = ["t"]\ndrain_timeout = "{drain}"\n' if drain else '[kafka]\ntopics = ["t"]\n'
    found = rendered_with(helm, settings, tmp_path)
    assert found["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace
    variable = ("--set", "env[0].name=TRAY_KAFKA__DRAIN_TIMEOUT", "--set", "env[0].value=40s")
    found = rendered_with(helm, settings, tmp_path, *variable)
    assert found["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 70


def test_the_derived_defaults_are_the_programs() -> None:
    """What the chart takes for a setting that is not in the file is its default."""
    kafka = Settings().kafka
    assert (kafka.drain_timeout, kafka.start, kafka.group_id) == (15.0, "earliest", "tray")
    texts = (CHART / "templates" / "_settings.tpl").read_text()
    assert '"drain_timeout" "15s"' in texts
    assert '"start" "earliest"' in texts
    assert '"group_id" "tray"' in texts


KAFKA = '[kafka]\nbootstrap_servers = "k:9092"\ntopics = ["t"]\n'
WITH_KEDA = ("--set", "keda.enabled=true")


@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        ("[kafka\n", (), "config is not TOML"),
        (KAFKA + 'drain_timeout = "2m"\n', ("--set", "terminationGracePeriodSeconds=60"), "kafka.drain_timeout (120s)"),
        (KAFKA + 'drain_timeout = "long"\n', (), "cannot be read here"),
        (KAFKA + 'drain_timeout = "${env:DRAIN}"\n', (), "cannot be read here"),
        ('[kafka]\ntopics = ["^segment-.*"]\nbootstrap_servers = "k:9092"\n', WITH_KEDA, "takes no pattern"),
        (KAFKA, (*WITH_KEDA, "--set", "keda.minReplicas=9"), "minReplicas (9) is above keda.maxReplicas (6)"),
        (KAFKA + "[[workflow]]\nurl='https://x'\n", (*WITH_KEDA, "--set", "nameOverride=x"), ""),
        ('isolation = "workflow"\n' + KAFKA + "[[workflow]]\nurl='https://x'\n", WITH_KEDA, "workflow[0] has no name"),
        ('isolation = "workflow"\n' + KAFKA, WITH_KEDA, "config has no [[workflow]]"),
        ('[kafka]\nbootstrap_servers = "${env:K}"\ntopics = ["t"]\n', WITH_KEDA, "keda.bootstrapServers is empty"),
        ('[kafka]\nbootstrap_servers = "k:9092"\n', WITH_KEDA, "keda.topics is empty"),
        (KAFKA + '[http]\nlisten = "127.0.0.1:9464"\n', (), "cannot ask for health there"),
        (KAFKA + '[http]\nlisten = "0.0.0.0:0"\n', (), "does not say at which port"),
        (KAFKA + 'group_instance_id = "one"\n', (), "would be the same in every pod"),
        (KAFKA.replace("9092", "9096"), ("--set", "networkPolicy.enabled=true"), "has port 9096"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    helm: str, settings: str, options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """Helm reads stream.toml, and names what Kubernetes or KEDA could not do with it."""
    if said:
        assert said in refusal(helm, settings, tmp_path, *options)
    else:
        assert rendered_with(helm, settings, tmp_path, *options)


def test_the_port_follows_the_settings(helm: str) -> None:
    """Service, pod and probes use the port of http.listen."""
    found = {manifest["kind"]: manifest for manifest in rendered(helm, "--values", str(STATIC))}
    (container,) = found["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [9999]
    assert [port["port"] for port in found["Service"]["spec"]["ports"]] == [9999]


def test_static_members_keep_their_names(helm: str) -> None:
    """A StatefulSet whose pods have their own name as the group's instance id, and KEDA scales it."""
    found = {manifest["kind"]: manifest for manifest in rendered(helm, "--values", str(STATIC))}
    assert "Deployment" not in found
    spec = found["StatefulSet"]["spec"]
    assert spec["serviceName"] == found["Service"]["metadata"]["name"]
    (container,) = spec["template"]["spec"]["containers"]
    name = {"name": "TRAY_KAFKA__GROUP_INSTANCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert container["env"] == [name]
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 120
    assert found["ScaledObject"]["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"


def test_each_workflows_group_scales(helm: str) -> None:
    """With isolation = "workflow" KEDA looks at every group on every topic, from where that group begins."""
    found = {manifest["kind"]: manifest for manifest in rendered(helm, "--values", str(STATIC))}
    triggers = [trigger["metadata"] for trigger in found["ScaledObject"]["spec"]["triggers"]]
    assert [(one["consumerGroup"], one["topic"], one["offsetResetPolicy"]) for one in triggers] == [
        ("tray.orders", "segment-events", "latest"),
        ("tray.orders", "more-events", "latest"),
        ("tray.crm", "segment-events", "earliest"),
        ("tray.crm", "more-events", "earliest"),
    ]
    assert {one["bootstrapServers"] for one in triggers} == {"kafka-1:9094,kafka-2:9094"}


def test_settings_of_another_config_map(helm: str) -> None:
    """`existingConfigMap` is mounted, and the chart makes none."""
    found = {manifest["kind"]: manifest for manifest in rendered(helm, "--set", "existingConfigMap=mine")}
    assert "ConfigMap" not in found
    volumes = found["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volumes[0] == {"name": "config", "configMap": {"name": "mine"}}


def test_what_is_added_to_a_pod_is_there(pod: Manifest) -> None:
    """Volumes, mounts, environment from Secrets, containers before and beside."""
    container, beside = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "kafka-password"}}]
    assert {"name": "authority", "configMap": {"name": "kafka-authority"}} in pod["volumes"]
    assert {"name": "authority", "mountPath": "/etc/kafka-authority", "readOnly": True} in container["volumeMounts"]
    assert (beside["name"], pod["initContainers"][0]["name"]) == ("beside", "wait")


def test_the_security_context_can_be_replaced(helm: str) -> None:
    """A cluster that gives out user ids itself (OpenShift) takes the pod without ours."""
    options = ("--set", "podSecurityContext.runAsUser=null", "--set", "securityContext.readOnlyRootFilesystem=false")
    found = {manifest["kind"]: manifest for manifest in rendered(helm, "--set", CONFIG, *options)}
    spec = found["Deployment"]["spec"]["template"]["spec"]
    assert "runAsUser" not in spec["securityContext"]
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False


def test_helm_test_checks_what_the_pods_see(everything: dict[str, Manifest], pod: Manifest) -> None:
    """`tray-stream check` with the same settings, secrets and environment; no selector takes it for a processor."""
    check = everything["Pod"]
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (container,) = check["spec"]["containers"]
    assert container["args"] == ["check"]
    assert container["volumeMounts"] == pod["containers"][0]["volumeMounts"]
    assert container["envFrom"] == pod["containers"][0]["envFrom"]
    assert check["spec"]["restartPolicy"] == "Never"
    selector = everything["Service"]["spec"]["selector"]
    assert not selector.items() <= check["metadata"]["labels"].items()


@pytest.mark.parametrize("folder", ["rules", "dashboards"])
def test_a_chart_without_its_files_is_refused(helm: str, folder: str, tmp_path: Path) -> None:
    """What a tool has dropped, or left as a link's text, is not installed as an empty object."""
    copy = shutil.copytree(CHART, tmp_path / "chart")
    for path in (copy / "files" / folder).iterdir():
        path.write_text("../../../grafana\n")
    done = template(helm, "--values", str(EVERYTHING), chart=copy)
    assert (done.returncode != 0, "packaged as a link" in done.stderr) == (True, True), done.stderr
    shutil.rmtree(copy / "files" / folder)
    done = template(helm, "--values", str(EVERYTHING), chart=copy)
    assert (done.returncode != 0, "packaged without them" in done.stderr) == (True, True), done.stderr


def test_the_chart_holds_real_files() -> None:
    """No link in it: tools that package or fetch charts drop them."""
    assert [path for path in CHART.rglob("*") if path.is_symlink()] == []


def test_two_releases_stand_side_by_side(helm: str) -> None:
    """No object of one has the name of the other's, no selector finds the other's pods, no rule sees its series."""
    command = [helm, "template", "other", str(CHART), "--kube-version", KUBERNETES, "--namespace", "events"]
    done = subprocess.run([*command, "--values", str(EVERYTHING)], capture_output=True, text=True, check=True)
    others = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    ours = rendered(helm, "--values", str(EVERYTHING))
    names = [(one["kind"], one["metadata"]["name"]) for one in (*ours, *others)]
    assert len(names) == 2 * len(ours) == len(set(names))
    selectors = [one["spec"]["selector"] for one in others if one["kind"] == "Service"]
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in ours if one["kind"] == "Deployment"]
    assert every(not selector.items() <= given.items() for selector in selectors for given in labels)
    (rules,) = (one["spec"]["groups"] for one in others if one["kind"] == "PrometheusRule")
    assert every('job="other"' in rule["expr"] for group in rules for rule in group["rules"])


def test_rules_of_a_release_are_valid(everything: dict[str, Manifest], tmp_path: Path) -> None:
    """Prometheus takes the rules with the matchers of the release."""
    if shutil.which("promtool") is None:
        pytest.skip("NOT CHECKED: promtool is not on PATH.")
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": everything["PrometheusRule"]["spec"]["groups"]}))
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_names_every_value() -> None:
    """Each key of values.yaml stands in the chart's README."""
    text = (CHART / "README.md").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert [key for key in values if f"`{key}" not in text] == []


def test_the_version_is_the_packages() -> None:
    """One version for package, chart and what the chart installs."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_settings_and_secrets_are_files(everything: dict[str, Manifest], pod: Manifest, tmp_path: Path) -> None:
    """The settings lie where the image looks, secrets beside them as files, and a change of settings rolls the pods."""
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    mounts.pop("authority")
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
    """A whole stream.toml, with quotes, braces, umlauts and an indented first line, goes through unchanged."""
    text = '   # {{ not a template }}\n[kafka]\ntopics = ["ä"]\n\n[[workflow]]\nurl = "${file:/secrets/a}"  \n'
    for one in (text, text.lstrip(), "\n\n" + text, text + "\n\n", text.rstrip()):
        assert rendered_with(helm, one, tmp_path)["ConfigMap"]["data"]["stream.toml"] == one


def test_objects_belong_together(everything: dict[str, Manifest]) -> None:
    """Every selector finds the pods; the monitor finds the service, and calls the job by the release."""
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
    assert service[monitor["jobLabel"]] == "live"
    assert [port["name"] for port in everything["Service"]["spec"]["ports"]] == [monitor["endpoints"][0]["port"]]
    assert everything["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == everything["Deployment"]["metadata"]["name"]


def test_rules_and_dashboards_are_those_of_the_repository(everything: dict[str, Manifest]) -> None:
    """The chart's copies are current (`make dashboards`), and render with alerts' own templates untouched."""
    for folder, path in (("rules", "grafana/prometheus/rules"), ("dashboards", "grafana/dashboards")):
        copies = {file.name: file.read_text() for file in (CHART / "files" / folder).iterdir()}
        assert copies == {file.name: file.read_text() for file in (ROOT / path).glob("*.[jy]*")}, (
            "Run `make dashboards`."
        )
    rules = sorted((ROOT / "grafana/prometheus/rules").glob("*.yml"))
    groups = [group for path in rules for group in yaml.safe_load(path.read_text())["groups"]]
    scoped = everything["PrometheusRule"]["spec"]["groups"]
    for rule in filled(rule for group in scoped for rule in group["rules"]):
        rule["expr"] = rule["expr"].replace(f"{{{SCOPE}}}", "").replace(f"{SCOPE}, ", "")
    assert scoped == groups
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
