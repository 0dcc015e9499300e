"""chart.py HELM KITH [--write]: what must hold of helm/kith without a cluster. --write makes its README from values.yaml."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import kubernetes_validate
import yaml

CHART = Path(__file__).resolve().parents[1] / "helm/kith"
KUBERNETES = ["1.27", "1.30", "1.33"]
HEAD = """# kith on Kubernetes

```
helm install graph helm/kith --set tls.existingSecret=kith-tls,auth.existingSecret=kith-auth
helm install graph helm/kith --set settings.insecure=true   # to try it
helm test graph
```

One StatefulSet of one pod with a volume: a store has one writer. It runs as nobody in particular, on a root file system that can't be
written, under the `restricted` Pod Security standard, and needs Kubernetes 1.27 for its gRPC probes.

It asks who calls, and encrypts: without `tls` and `auth` nothing is installed. To try it, `settings.insecure` lets it do neither; then
the NetworkPolicy alone says who may call, which is pods of its namespace with the label `kith-client=true`, and who `networkPolicy.from`
names. Probes and `helm test` ask a port of the pod that knows nothing but health, and speaks no TLS. It listens on IPv6 and IPv4. An
upgrade restarts the pod: callers see UNAVAILABLE for as long as the store takes to load, and should try again (see `examples/`).

## Values

Made of the comments in [values.yaml](values.yaml) by `.ci/chart.py`; [values.schema.json](values.schema.json) refuses what is not
among them. [ci/](ci) has value sets to start from.

| value | default | |
|---|---|---|
"""
problems = []


def check(holds, what):
    if not holds:
        problems.append(what)


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def readme():
    """A row for each value that has a comment; what is below one without is shown with it."""
    rows, above, comment = [], [], []
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    for line in text.splitlines()[2:]:
        if line.strip().startswith("#"):
            comment.append(line.strip("# "))
            continue
        key = re.match(r"^( *)([A-Za-z]+):", line)
        if key:
            above = [*above[: len(key[1]) // 2], key[2]]
            if comment:
                default = values
                for name in above:
                    default = default[name]
                shown = yaml.safe_dump(default, default_flow_style=True, width=10**6).replace("\n...", "").strip()
                rows.append(f"| `{'.'.join(above)}` | `{shown}` | {' '.join(comment)} |")
        comment = []
    return HEAD + "\n".join(rows) + "\n"


def manifests(helm, values):
    rendered = run(helm, "template", "graph", CHART, "--namespace", "social", "--values", values)
    check(rendered.returncode == 0, f"{values.name}: {rendered.stderr}")
    return [manifest for manifest in yaml.safe_load_all(rendered.stdout) if manifest]


def check_set(helm, kith, values):
    found = manifests(helm, values)
    for manifest in found:
        for version in KUBERNETES:
            if manifest["apiVersion"].startswith(("cert-manager.io/", "monitoring.coreos.com/")):
                continue  # Not of Kubernetes itself.
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{values.name}: {manifest['kind']} for {version}: {'.'.join(map(str, error.path))}: {error.message}")
    by_kind = {}
    for manifest in found:
        by_kind.setdefault(manifest["kind"], []).append(manifest)
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in found]
    check(len(names) == len(set(names)), f"{values.name}: two resources of one name")
    stateful, tests = by_kind["StatefulSet"][0], by_kind.get("Pod", [])
    template = stateful["spec"]["template"]
    selector = stateful["spec"]["selector"]["matchLabels"]
    selected = lambda labels: selector.items() <= labels.items()
    check(selected(template["metadata"]["labels"]), f"{values.name}: the pod is not selected")
    for test in tests:
        check(not selected(test["metadata"]["labels"]), f"{values.name}: the service sends calls to the test")
    for service in by_kind["Service"]:
        check(service["spec"]["selector"] == selector, f"{values.name}: a service selects something else")
    check_ports(values.name, by_kind)
    jobs = [job["spec"]["jobTemplate"]["spec"]["template"] for job in by_kind.get("CronJob", [])]
    for job in jobs:
        check(not selected(job["metadata"]["labels"]), f"{values.name}: the service sends calls to the backup")
        check_command(values.name, kith, job["spec"]["containers"][0])
    for pod in (template["spec"], *(test["spec"] for test in tests), *(job["spec"] for job in jobs)):
        check_restricted(values.name, pod)
    check_environment(values.name, kith, template["spec"]["containers"][0]["env"])
    check_notes(helm, values)


def check_command(name, kith, container):
    """The binary takes the arguments and variables of a job: what it does not find is the server, or the file of a secret."""
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    given["KITH_SERVER"] = re.sub("//.*", "//127.0.0.1:1", given["KITH_SERVER"])
    ran = subprocess.run([kith, *container["args"]], capture_output=True, text=True, env=given)
    expected = "/etc/kith/" if "KITH_CA" in given else "127.0.0.1:1"
    check(ran.returncode in (1, 3) and expected in ran.stderr, f"{name}: kith {' '.join(container['args'])}: {ran.stderr}")


def check_ports(name, by_kind):
    """Whatever is spoken to by a port's name has a port of this name; alerts and dashboard are whole."""
    container = by_kind["StatefulSet"][0]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for service in by_kind["Service"]:
        check({port["targetPort"] for port in service["spec"]["ports"]} <= ports.keys(), f"{name}: a service has a port that is none")
    for policy in by_kind.get("NetworkPolicy", []):
        let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        check(let_in == ports.keys(), f"{name}: the policy lets {let_in} in, the pod has {set(ports)}")
        let_out = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        collector = [variable["value"] for variable in container["env"] if variable["name"] == "KITH_OTLP_ENDPOINT"]
        bucket = any(variable.get("value", "").startswith("s3://") for variable in container["env"])
        port = (yaml.safe_load((CHART / "ci" / name).read_text()).get("archive") or {}).get("port", 443)
        called = {int(url.rsplit(":", 1)[1].strip("/")) for url in collector} | ({port} if bucket else set())
        check(let_out == (called | {53} if called else set()), f"{name}: the policy lets out to {let_out}, kith calls {called}")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        check(container[probe]["grpc"]["port"] == ports["health"], f"{name}: {probe} asks another port than health")
    listens = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    for port, variable in (("grpc", "KITH_LISTEN"), ("health", "KITH_HEALTH_LISTEN"), ("metrics", "KITH_METRICS_LISTEN")):
        check((port in ports) == (variable in listens), f"{name}: {variable} and the port {port} go together")
        check(port not in ports or listens[variable] == f"[::]:{ports[port]}", f"{name}: {variable} is not every address's port {port}")
    for monitor in by_kind.get("ServiceMonitor", []):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        found = [service for service in by_kind["Service"] if wanted.items() <= service["metadata"]["labels"].items()]
        named = [port["name"] for service in found for port in service["spec"]["ports"]]
        check(len(found) == 1 and monitor["spec"]["endpoints"][0]["port"] in named, f"{name}: nothing for the monitor to read")
    for rules in by_kind.get("PrometheusRule", []):
        alerts = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
        check(rules["spec"] == alerts, f"{name}: the alerts are not those of the file")
    for config in by_kind.get("ConfigMap", []):
        check(json.loads(config["data"]["kith.json"])["uid"] == "kith", f"{name}: the dashboard cannot be read")


def check_notes(helm, values):
    """What `helm install` says. It asks a cluster before it does, so the notes are rendered as a resource of a copy."""
    with tempfile.TemporaryDirectory(prefix="kith-chart-") as folder:
        copy = Path(folder) / "kith"
        shutil.copytree(CHART, copy)
        notes = textwrap.indent((copy / "templates/NOTES.txt").read_text(), "    ")
        (copy / "templates/notes.yaml").write_text(f"kind: ConfigMap\ndata:\n  notes: |\n{notes}")
        rendered = run(helm, "template", "graph", copy, "--show-only", "templates/notes.yaml", "--values", values)
        check("kith serves at " in rendered.stdout and "<no value>" not in rendered.stdout, f"{values.name}: notes: {rendered.stderr}")
        known = yaml.safe_load((CHART / "values.yaml").read_text())["networkPolicy"] | yaml.safe_load(values.read_text()).get("networkPolicy", {})
        check(known["enabled"] != ("EVERY pod" in rendered.stdout), f"{values.name}: the notes say who may connect")


def check_restricted(name, pod):
    """The `restricted` Pod Security standard, and a root file system that can't be written."""
    context = pod["securityContext"]
    check(context["runAsNonRoot"] and context["runAsUser"] > 0, f"{name}: may be root")
    check(context["seccompProfile"]["type"] == "RuntimeDefault", f"{name}: no seccomp profile")
    check(pod["automountServiceAccountToken"] is False, f"{name}: has a token of the cluster")
    check(not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), f"{name}: shares the node's namespaces")
    for volume in pod.get("volumes", []):
        check(volume.keys() - {"name"} <= {"emptyDir", "persistentVolumeClaim", "secret"}, f"{name}: a volume of another sort")
    for container in pod["containers"]:
        own = container["securityContext"]
        check(own["allowPrivilegeEscalation"] is False and own["capabilities"]["drop"] == ["ALL"], f"{name}: has privileges")
        check(own["readOnlyRootFilesystem"] is True, f"{name}: its root file system can be written")


def check_environment(name, kith, variables):
    """The binary starts with the variables that the pod gets."""
    given = {variable["name"]: variable["value"] for variable in variables if "value" in variable}
    effective = subprocess.run([kith, "config"], capture_output=True, text=True, env=given)
    check(effective.returncode == 0, f"{name}: kith refuses its environment: {effective.stderr}")
    taken = {line.split()[-1] for line in effective.stdout.splitlines()}
    for variable in given:
        check(not variable.startswith("KITH_") or variable in taken, f"{name}: kith does not know {variable}")
    with tempfile.TemporaryDirectory(prefix="kith-chart-") as folder:
        mounted = Path(folder) / "etc"
        secrets(mounted)
        given = {name: value.replace("/etc/kith", str(mounted)) for name, value in given.items()}
        given |= {variable: "127.0.0.1:0" for variable in given if variable.endswith("LISTEN")}
        given |= {"KITH_DATA": f"{folder}/store", "PATH": os.environ["PATH"]}
        # Without the network, a bucket is one that is away.
        given |= {"KITH_ARCHIVE": f"{folder}/archive"} if given.get("KITH_ARCHIVE", "").startswith("/") else {"AWS_ENDPOINT": "https://127.0.0.1:1"}
        served = subprocess.Popen([kith, "serve"], env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = served.stdout.readline()
        healthy = run(kith, "health", "--server", served.stdout.readline().removeprefix("health at ").strip())
        check(healthy.stdout == "SERVING\n", f"{name}: probes get no answer: {healthy.stderr}")
        served.terminate()
        _, log = served.communicate(timeout=60)
        check("kith serves on" in said and served.returncode == 0, f"{name}: kith does not start with its settings: {log}")


def secrets(folder):
    """What the secrets hold that the chart mounts."""
    for name in ("tls", "client-ca", "auth", "audit", "traces-ca", "archive-ca"):
        (folder / name).mkdir(parents=True)
    files = ["-keyout", folder / "tls/tls.key", "-out", folder / "tls/tls.crt"]
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=kith"]
    made = run("openssl", "req", *new, "-addext", "subjectAltName=DNS:kith", *files)
    check(made.returncode == 0, f"openssl made no certificate: {made.stderr}")
    for name in ("client-ca", "traces-ca", "archive-ca"):
        shutil.copy(folder / "tls/tls.crt", folder / name / "ca.crt")
    (folder / "audit/audit.key").write_text("k" * 32)
    caller = '[[callers]]\nname = "feed"\nroles = ["read"]\n'
    (folder / "auth/auth.toml").write_text(f'{caller}token_sha256 = ["{"0" * 64}"]\n')


def check_memory():
    """What the values say of memory is what was measured, and there is room for the edges they say it is for."""
    text = (CHART / "values.yaml").read_text()
    said = re.search(r"(\d+) bytes an edge at rest and (\d+) while it starts", text)
    operations = (CHART.parents[1] / "docs/OPERATIONS.md").read_text()
    measured = [re.search(rf"\| {row} \| (\d+) bytes an edge", operations) for row in ("memory at rest, members and all", "at most while it starts")]
    check(said and all(measured) and said.groups() == tuple(found[1] for found in measured), "values.yaml and OPERATIONS.md differ on bytes an edge")
    resources, edges = yaml.safe_load(text)["resources"], int(re.search(r"2 GiB are for (\d+) million edges", text)[1]) * 10**6
    check(resources["requests"]["memory"] == resources["limits"]["memory"] == "2Gi", "the memory that is the limit is not requested")
    check(said and 2 * int(said[1]) * edges <= 2 << 30, f"twice {said[1]} bytes of {edges} edges are more than 2 GiB")


def refused_values(case):
    """With what lets all else be installed, so that it is the case that is refused."""
    if case.get("as_it_comes"):
        return case["values"]
    return case["values"] | {"settings": {"insecure": True} | case["values"].get("settings", {})}


def check_refusals(helm):
    for case in yaml.safe_load((CHART / "refused.yaml").read_text()):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
            yaml.safe_dump(refused_values(case), values)
            values.flush()
            rendered = run(helm, "template", "graph", CHART, "--values", values.name)
            by_schema = "don't meet the specifications of the schema" in rendered.stderr
            check(rendered.returncode != 0 and by_schema, f"not refused by the schema: {case['why']}: {rendered.stderr}")


def main(helm, kith, write=None):
    if write:
        (CHART / "README.md").write_text(readme())
    check((CHART / "README.md").read_text() == readme(), "helm/kith/README.md is not made of values.yaml: run .ci/chart.py HELM KITH --write")
    version = re.search(r'^version = "(.*)"', (CHART.parents[1] / "Cargo.toml").read_text(), re.M)[1]
    check(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version, "appVersion is not kith's version")
    sets = sorted((CHART / "ci").glob("*.yaml"))
    for values in sets:
        linted = run(helm, "lint", "--strict", CHART, "--values", values)
        check(linted.returncode == 0, f"{values.name}: {linted.stdout}")
        check_set(helm, kith, values)
    check_refusals(helm)
    check_memory()
    cases = len(yaml.safe_load((CHART / "refused.yaml").read_text()))
    print(f"{len(sets)} value sets for Kubernetes {', '.join(KUBERNETES)}; {cases} bad values")
    for problem in problems:
        print(f"WRONG {problem}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(*sys.argv[1:])
