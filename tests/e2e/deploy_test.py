#!/usr/bin/env python3
"""Goal: the files in integrations/deploy/ and the commands in docs/deploy.md work unchanged.
Method: systemd checks the unit. The compose file and the manifest are compared with the parts of
their schemas that they use: every key is known there and has the right type, and no required key is
missing. All three start the same agent with the same rights, with a command line that the binary
accepts. Each check is first tried on a broken copy, to show that it can fail.
"""

import copy
import re
import shlex

import documents
import harness
import yaml
from harness import BINARY, ROOT, check, run, say

DEPLOY = ROOT / "integrations" / "deploy"
COMPOSE, MANIFEST = DEPLOY / "compose.yaml", DEPLOY / "daemonset.yaml"
UNIT = DEPLOY / "longshore.service"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")

# A shape: a type, a tuple of allowed values, [shape of each element], {key: shape; "key?" may be
# missing}, or {str: shape} for any key. Of https://github.com/compose-spec/compose-spec:
COMPOSE_SHAPE = {"services": {str: {
    "image": str, "command?": [str], "restart?": ("no", "always", "on-failure", "unless-stopped"),
    "pid?": str, "cap_drop?": [str], "cap_add?": [str], "security_opt?": [str],
    "environment?": {str: str},
    "volumes?": [{"type": ("bind", "volume", "tmpfs"), "source": str, "target": str,
                  "read_only?": bool,
                  "bind?": {"propagation?": ("rprivate", "private", "rshared", "shared", "rslave",
                                             "slave"), "create_host_path?": bool}}]}}}
# Of https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/daemon-set-v1/:
CONTAINER = {
    "name": str, "image": str, "args?": [str],
    "env?": [{"name": str, "value?": str, "valueFrom?": {"fieldRef": {"fieldPath": str}}}],
    "securityContext?": {"allowPrivilegeEscalation?": bool, "readOnlyRootFilesystem?": bool,
                         "privileged?": bool,
                         "capabilities?": {"drop?": [str], "add?": [str]}},
    "resources?": {"requests?": {str: str}, "limits?": {str: str}},
    "volumeMounts?": [{"name": str, "mountPath": str, "readOnly?": bool,
                       "mountPropagation?": ("None", "HostToContainer", "Bidirectional")}]}
METADATA = {"name?": str, "namespace?": str, "labels?": {str: str}, "annotations?": {str: str}}
MANIFEST_SHAPE = {
    "apiVersion": ("apps/v1",), "kind": ("DaemonSet",), "metadata": METADATA,
    "spec": {
        "selector": {"matchLabels": {str: str}},
        "updateStrategy?": {"type": ("RollingUpdate", "OnDelete"),
                            "rollingUpdate?": {"maxUnavailable?": str}},
        "template": {"metadata": METADATA, "spec": {
            "hostPID?": bool, "terminationGracePeriodSeconds?": int, "serviceAccountName?": str,
            "tolerations?": [{"key?": str, "operator?": ("Exists", "Equal"), "effect?": str}],
            "containers": [CONTAINER],
            "volumes?": [{"name": str, "hostPath?": {
                "path": str, "type?": ("", "DirectoryOrCreate", "Directory", "File",
                                       "Socket")}}]}}}}


def misfit(value, shape, where="the file"):
    """What of a value is not as its shape says; empty if all is."""
    if isinstance(shape, type):
        return "" if type(value) is shape else f"{where} is {value!r}, not {shape.__name__}"
    if isinstance(shape, tuple):
        return "" if value in shape else f"{where} is {value!r}, none of {shape}"
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return f"{where} is no list"
        found = [misfit(each, shape[0], f"{where}[{i}]") for i, each in enumerate(value)]
        return next(filter(None, found), "")
    if not isinstance(value, dict) or not value:
        return f"{where} is no mapping"
    for key, each in value.items():
        known = shape.get(key, shape.get(f"{key}?", shape.get(str)))
        wrong = misfit(each, known, f"{where}.{key}") if known else f"{where} knows no {key}"
        if wrong:
            return wrong
    missing = [key for key in shape if key is not str and not key.endswith("?")
               and key not in value]
    return f"{where} has no {missing[0]}" if missing else ""


def understood(words, name):
    """The words of an agent's command line."""
    done = run(BINARY, *words, "--help", ok=False)
    check(words[0] == "agent" and done.returncode == 0, f"{name}: {words}: {done.stderr}")


def the_unit(lab):
    text = UNIT.read_text(encoding="utf-8")
    command = shlex.split(re.search(r"^ExecStart=(.*)$", text, re.M).group(1))
    check(command[0] == "/usr/bin/longshore", f"{command[0]} is not where the page installs it")
    understood(command[1:], UNIT.name)

    def verdict(name, unit):
        path = lab.dir / name
        path.write_text(unit.replace("/usr/bin/longshore", str(BINARY)), encoding="utf-8")
        done = run("systemd-analyze", "verify", path, ok=False)
        return done.stderr + done.stdout + ("" if done.returncode == 0 else "refused")

    check("RestartSek" in verdict("broken.service", text.replace("RestartSec", "RestartSek")),
          "systemd-analyze verify passes a broken unit")
    check(not verdict("longshore.service", text), verdict("longshore.service", text))
    check("RestartPreventExitStatus=2\n" in text, "a refusal would be repeated for ever")
    say("systemd finds nothing wrong with the unit")

    sample = re.search(r"^```ini\n(.*?)^```", PAGE, re.M | re.S).group(1)
    config = lab.dir / "longshore.conf"
    config.write_text(sample, encoding="utf-8")
    state = lab.dir / "no" / "such"
    for more, expected in (("", "state directory"), ("no-such-setting = 1\n", "no-such-setting")):
        config.write_text(sample + more, encoding="utf-8")
        done = run(BINARY, "agent", "--config", config, "--state-dir", state, ok=False)
        check(done.returncode == 2 and expected in done.stderr, f"{config}: {done.stderr}")
    say("the settings of the page are taken")


def same_agent():
    """[(who, arguments, capabilities)] of the compose file and the manifest."""
    service = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["longshore"]
    pod = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    agent = pod["containers"][0]
    return [("compose.yaml", service["command"], service["cap_drop"], service["cap_add"],
             service["pid"] == "host"),
            ("daemonset.yaml", agent["args"], agent["securityContext"]["capabilities"]["drop"],
             agent["securityContext"]["capabilities"]["add"], pod["hostPID"])]


def compose_and_manifest(_):
    for path, shape in ((COMPOSE, COMPOSE_SHAPE), (MANIFEST, MANIFEST_SHAPE)):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        broken = copy.deepcopy(value)
        broken["metdata"] = {}
        check("metdata" in misfit(broken, shape), "an unknown key passes")
        del broken["metdata"], broken[next(iter(broken))]
        check(misfit(broken, shape), "a missing key passes")
        check(not misfit(value, shape), f"{path.name}: {misfit(value, shape)}")
    unit = UNIT.read_text(encoding="utf-8")
    granted = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M).group(1)
    check(f"AmbientCapabilities={granted}\n" in unit, "bounding and ambient set differ")
    wanted = {each.removeprefix("CAP_") for each in granted.split()}
    for name, arguments, drop, add, host_pids in same_agent():
        understood(arguments, name)
        check(drop == ["ALL"] and set(add) == wanted, f"{name} grants {add}, the unit {wanted}")
        check(host_pids, f"{name}: without the host's processes it sees no container")
        check("--host-root=/host" in arguments, f"{name}: it reads its own root")
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["spec"]
    check(manifest["selector"]["matchLabels"] == manifest["template"]["metadata"]["labels"],
          "the selector does not match the pods")
    pod = manifest["template"]["spec"]
    check({each["name"] for each in pod["volumes"]} ==
          {each["name"] for each in pod["containers"][0]["volumeMounts"]}, "volumes differ")
    say("compose file and manifest fit their schemas, and grant what the unit grants")


def yaml_of_the_documents(_):
    """Examples for those who declare logs."""
    count = 0
    for name, text in documents.documents().items():
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
            value = yaml.safe_load(block)
            shape = COMPOSE_SHAPE if "services" in value else {"containers": [CONTAINER]}
            check(not misfit(value, shape), f"{name}: {misfit(value, shape)}")
            count += 1
    check(count >= 2, f"only {count} examples")
    say(f"{count} examples of YAML fit")


def packages(_):
    """The packages that docs/deploy.md installs bring every library that the binary is linked to.
    """
    needed, found = set(), run("ldd", BINARY).stdout
    for library in re.findall(r"NEEDED +(\S+)", run("objdump", "-p", BINARY).stdout):
        path = re.search(rf"^\s*{re.escape(library)} => (\S+)", found, re.M)
        check(path, f"{library} is not found")
        real = run("readlink", "-f", path.group(1)).stdout.strip()
        # Packages that are older than the merge of /lib and /usr/lib name the former.
        owner = (run("dpkg", "-S", real, ok=False).stdout or
                 run("dpkg", "-S", real.removeprefix("/usr")).stdout)
        needed.add(owner.split(":")[0])
    needed -= {"libc6", "libstdc++6", "libgcc-s1"}  # Of every Debian.
    lists = re.findall(r"apt-get install (?:-y )?--no-install-recommends \\\n(.*?)(?:&&|```)", PAGE,
                       re.S)
    check(len(lists) == 2 and len(needed) > 5, f"{len(lists)} lists, {needed}")
    for words in lists:
        named = set(words.replace("\\", " ").split())
        check(needed <= named, f"the page does not install {needed - named}")
        check(named - needed <= {"ca-certificates", "zlib1g"}, f"needless: {named - needed}")
    say(f"the page names all {len(needed)} packages that the binary needs")


def test(lab):
    harness.run_parts((the_unit, compose_and_manifest, yaml_of_the_documents, packages), lab)


if __name__ == "__main__":
    harness.main(test, 120)
