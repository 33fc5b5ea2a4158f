"""Boots from configs in other languages than Ignition's own."""

import json
import re
import urllib.parse

import configs
from failing import failing
from lab import Server, scenario

# What configs.VERSION is called in Butane.
HEAD = {"variant": "fcos", "version": "1.4.0"}


def butane(document):
    """A config of Ignition as a person writes it in Butane."""
    body = {key: value for key, value in snake(document).items() if key != "ignition"}
    references = {key: value for key, value in snake(document["ignition"]).items() if key != "version"}
    if references:
        body["ignition"] = references
    return "\n".join(lines({**HEAD, **body})) + "\n"


def snake(value):
    """Keys in the spelling of Butane; texts in data URLs become inline ones."""
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
    """A value as lines of YAML in block style; scalars as JSON has them, which YAML reads as well."""
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
    """a Butane config through QEMU's firmware"""
    machine = lab.start(lab.system(), lab.blank(), document=butane(configs.full(lab.checks)))
    lab.judge(machine)


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
    lab.judge(machine, checks)
    assert {"/config.bu", "/child.bu", "/child.ign"} <= set(server.asked), f"asked for: {server.asked}"


@scenario
def fails_butane(lab):
    """failing: a Butane config with a path that is not absolute; the screen names the line of the YAML"""
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
    """Ignition 2.3 through QEMU's firmware, with a referenced config of Ignition 3"""
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
    lab.judge(machine, checks)
    assert "/other.ign" in server.asked, f"asked for: {server.asked}"


@scenario
def clc_flatcar_url(lab):
    """a Container Linux Config from the URL among the kernel arguments of Flatcar"""
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
    lab.judge(machine, checks)
    assert "/config.yaml" in server.asked, f"asked for: {server.asked}"
