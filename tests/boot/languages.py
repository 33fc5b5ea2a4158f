"""Boots from configs in languages other than Ignition."""

import json
import re
import urllib.parse

import configs
from clouds import ISOLATED, USER_DATA, iso
from failing import failing
from lab import Server, scenario

# The Butane version that corresponds to configs.VERSION.
HEAD = {"variant": "fcos", "version": "1.4.0"}


def butane(document):
    """Converts an Ignition config to Butane as people write it."""
    body = {key: value for key, value in snake(document).items() if key != "ignition"}
    references = {key: value for key, value in snake(document["ignition"]).items() if key != "version"}
    if references:
        body["ignition"] = references
    return "\n".join(lines({**HEAD, **body})) + "\n"


def snake(value):
    """Converts keys to the spelling of Butane, and data URLs to inline texts."""
    if isinstance(value, list):
        return [snake(element) for element in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, element in value.items():
        if key == "source" and element.startswith("data:,"):
            result["inline"] = urllib.parse.unquote(element[len("data:,"):])
            continue
        spelled = re.sub(r"(MiB|[A-Z])", lambda match: "_" + match[0].lower(), key)
        result[spelled] = snake(element)
    return result


def lines(value, indent=""):
    """A value as lines of YAML in block style; scalars are JSON, which is valid YAML."""
    if isinstance(value, dict) and value:
        for key, element in value.items():
            below = list(lines(element, indent + "  "))
            if isinstance(element, (dict, list)) and element:
                yield f"{indent}{key}:"
                yield from below
            else:
                yield f"{indent}{key}: {below[0].strip()}"
    elif isinstance(value, list) and value:
        for element in value:
            below = list(lines(element, indent + "  "))
            yield f"{indent}- {below[0].strip()}"
            yield from below[1:]
    else:
        yield indent + json.dumps(value)


@scenario
def butane_fw_cfg(lab):
    """a Butane config from QEMU's firmware"""
    machine = lab.start(lab.system(), lab.blank(), document=butane(configs.full(lab.checks)))
    lab.verify(machine)


@scenario
def butane_url(lab):
    """a Butane config from a URL that merges a config in Butane and one in JSON"""
    checks = lab.checks + [("file of the Butane child", "cat /etc/from-butane", "butane\n"),
                           ("file of the JSON child", "cat /etc/from-json", "json\n")]
    child = configs.config(storage={"files": [configs.file("/etc/from-butane", "butane\n")]})
    other = configs.config(storage={"files": [configs.file("/etc/from-json", "json\n")]})
    bodies = {"/child.bu": butane(child).encode(), "/child.ign": configs.text(other).encode()}
    server = Server(bodies)
    document = configs.full(checks)
    document["ignition"]["config"] = {"merge": [{"source": server.url + "/child.bu"},
                                                {"source": server.url + "/child.ign"}]}
    bodies["/config.bu"] = butane(document).encode()
    machine = lab.start(lab.system(), lab.blank(), network=True, platform="metal",
                        args=f"ignition.config.url={server.url}/config.bu")
    lab.verify(machine, checks)
    assert {"/config.bu", "/child.bu", "/child.ign"} <= set(server.requested), f"asked for: {server.requested}"


@scenario
def fails_butane(lab):
    """failing: a Butane config with a path that is not absolute; the screen has the line in the YAML"""
    text = butane(configs.config(storage={"files": [configs.file("/etc/a", "a\n"), configs.file("relative", "x")]}))
    line = text.splitlines().index('    - path: "relative"') + 1
    failing(lab, text, [
        ("operation", "operation "), ("cause", "cause .*(path|relative)"),
        ("where", rf"\S*:{line}\b.*files.1.path"), ("what to do", "to do ")])


CHECKS_OF_2 = [
    ("text of a file", "cat /etc/motd", "of version 2\n"),
    ("user", "getent passwd core | cut -d: -f1,6", "core:/home/core\n"),
    ("groups of the user", "id -nG core | tr ' ' '\\n' | sort | tr '\\n' ' '", "core sudo "),
]


@scenario
def ignition_2_appends(lab):
    """Ignition 2.3 from QEMU's firmware, with a referenced config of Ignition 3"""
    other = configs.config(storage={"files": [configs.file("/etc/from-3", "three\n")]})
    server = Server({"/other.ign": configs.text(other).encode()})
    checks = CHECKS_OF_2 + [("file of the config that is appended", "cat /etc/from-3", "three\n")]
    script = configs.report_script(checks)
    document = {
        "ignition": {"version": "2.3.0", "config": {"append": [{"source": server.url + "/other.ign"}]}},
        "storage": {"files": [
            {"filesystem": "root", "path": "/etc/motd", "mode": 0o644,
             "contents": {"source": configs.data("of version 2\n")}},
            {"filesystem": "root", "path": "/usr/local/bin/boot-report", "mode": 0o755,
             "contents": {"source": configs.data(script)}}]},
        "systemd": {"units": [{"name": "boot-report.service", "enable": True, "contents": configs.REPORT_UNIT}]},
        "passwd": {"users": [{"name": "core", "create": {"groups": ["sudo"]}}]},
    }
    machine = lab.start(lab.system(), network=True, document=document)
    lab.verify(machine, checks)
    assert "/other.ign" in server.requested, f"asked for: {server.requested}"


@scenario
def clc_flatcar_url(lab):
    """a Container Linux Config from the URL in Flatcar's kernel argument"""
    checks = [("text of a file", "cat /etc/motd", "of Container Linux\n"),
              ("settings of updates", "cat /etc/coreos/update.conf", 'GROUP=beta\nREBOOT_STRATEGY="off"'),
              ("drop-in of the unit", "systemctl show -p Environment --value demo.service", "WHAT=dropped\n")]
    report = [
        {"path": "/usr/local/bin/boot-report", "filesystem": "root", "mode": 0o755,
         "contents": {"inline": configs.report_script(checks)}},
        {"path": "/etc/motd", "filesystem": "root", "mode": 0o644, "contents": {"inline": "of Container Linux\n"}}]
    units = [
        {"name": "boot-report.service", "enabled": True, "contents": configs.REPORT_UNIT},
        {"name": "demo.service", "enabled": True, "dropins": [
            {"name": "10-what.conf", "contents": "[Service]\nEnvironment=WHAT=dropped\n"}],
         "contents": "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"}]
    document = {"storage": {"files": report}, "systemd": {"units": units},
                "update": {"group": "beta"}, "locksmith": {"reboot_strategy": "off"}}
    server = Server({"/config.yaml": ("\n".join(lines(document)) + "\n").encode()})
    machine = lab.start(lab.system(), network=True, platform="metal",
                        args=f"flatcar.config.url={server.url}/config.yaml")
    lab.verify(machine, checks)
    assert "/config.yaml" in server.requested, f"asked for: {server.requested}"


@scenario
def coreos_cloudinit_drive(lab):
    """coreos-cloudinit from the config drive of OpenStack"""
    checks = [("text of a file", "cat /etc/motd", "of coreos-cloudinit\n"),
              ("host name", "uname -n", "first\n"),
              ("settings of updates", "cat /etc/coreos/update.conf", "GROUP=beta\nREBOOT_STRATEGY=off\n"),
              ("unit that is started", "systemctl is-active demo.service", "active\n"),
              ("its drop-in", "systemctl show -p Environment --value demo.service", "WHAT=dropped\n"),
              ("user", "id -nG core2 | tr ' ' '\\n' | sort | tr '\\n' ' '", "core2 sudo ")]
    demo = {"name": "demo.service", "command": "start", "content": "[Service]\nExecStart=/bin/sleep infinity\n",
            "drop-ins": [{"name": "10-what.conf", "content": "[Service]\nEnvironment=WHAT=dropped\n"}]}
    report = {"name": "boot-report.service", "enable": True, "content": configs.REPORT_UNIT}
    document = {
        "hostname": "first",
        "write_files": [{"path": "/etc/motd", "content": "of coreos-cloudinit\n"},
                        {"path": "/opt/bin/boot-report", "permissions": "0755", "content": configs.report_script(checks)}],
        "coreos": {"update": {"group": "beta", "reboot-strategy": "off"}, "units": [demo, {
            **report, "content": configs.REPORT_UNIT.replace("/usr/local/bin", "/opt/bin")}]},
        "users": [{"name": "core2", "groups": ["sudo"], "ssh-authorized-keys": [configs.KEY]}]}
    drive = iso(lab, "config-2", {USER_DATA: "#cloud-config\n" + "\n".join(lines(document)) + "\n"})
    machine = lab.start(lab.system(), platform="openstack", network=ISOLATED, drives=[("ide", drive)])
    lab.verify(machine, checks)


# Records how it was started, and keeps running.
K3S = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done >/run/k3s.arguments
env >/run/k3s.environment
exec sleep infinity
"""


@scenario
def k3os(lab):
    """a k3OS config: a fake k3s gets the arguments, the labels, the taints and the environment"""
    checks = [
        ("arguments of k3s", "cat /run/k3s.arguments", "agent\n--node-name\nn 1\n--node-label=disk=ssd\n"
         "--node-label=region=eu 1\n--node-taint=key=value:NoSchedule\n"),
        ("environment of k3s", "grep -e ^INSTALL -e ^http_proxy /run/k3s.environment | sort",
         "INSTALL_NOTE=50% of $HOME \"quoted\"\nhttp_proxy=http://10.0.2.2:3128\n"),
        ("server and token", "cat /etc/rancher/k3s/config.yaml.d/50-k3os.yaml",
         'server: "https://10.0.2.2:6443"\ntoken: "K10secret"\n'),
        ("mode of the token", "stat -c %a /etc/rancher/k3s/config.yaml.d/50-k3os.yaml", "600\n"),
        ("commands in their order", "cat /run/commands", "init\nboot\nrun\n"),
        ("host name", "uname -n", "node-1\n"),
        ("setting of the kernel", "cat /proc/sys/vm/swappiness", "17\n"),
        ("user", "getent passwd rancher | cut -d: -f1,6,7", "rancher:/home/rancher:/bin/bash\n"),
        ("text of a file", "cat /etc/motd", "of k3OS\n"),
        ("failed units", "systemctl --failed --no-legend --plain", ""),
    ]
    document = {
        "hostname": "node-1", "ssh_authorized_keys": [configs.KEY],
        "init_cmd": ["echo init >>/run/commands"], "boot_cmd": ["echo boot >>/run/commands"],
        "run_cmd": ["echo run >>/run/commands"],
        "write_files": [
            {"path": "/etc/motd", "content": "of k3OS\n"},
            {"path": "/usr/local/bin/k3s", "permissions": "0755", "content": K3S},
            {"path": "/usr/local/bin/boot-report", "permissions": "0755", "content": configs.report_script(checks)},
            {"path": "/etc/systemd/system/boot-report.service", "content": configs.REPORT_UNIT.replace(
                "multi-user.target\n[Service]", "multi-user.target k3s.service\n[Service]")},
            {"path": "/etc/systemd/system-preset/10-boot-report.preset", "content": "enable boot-report.service\n"}],
        "k3os": {
            "server_url": "https://10.0.2.2:6443", "token": "K10secret", "k3s_args": ["agent", "--node-name", "n 1"],
            "labels": {"region": "eu 1", "disk": "ssd"}, "taints": ["key=value:NoSchedule"],
            "environment": {"http_proxy": "http://10.0.2.2:3128", "INSTALL_NOTE": '50% of $HOME "quoted"'},
            "sysctls": {"vm.swappiness": 17}}}
    lab.verify(lab.start(lab.system(), document="\n".join(lines(document)) + "\n"), checks)
