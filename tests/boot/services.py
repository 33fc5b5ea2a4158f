"""The services that Container Linux Configs set up, with the daemons of Debian: etcd and docker."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import time

import build
import configs
from languages import lines
from lab import scenario, step

# Container Linux has the unit and the wrapper in its image; these are equivalents for another system.
ETCD_UNIT = """[Unit]
Description=etcd of the test image, in the place of Container Linux's own
Conflicts=etcd.service

[Service]
Type=notify
User=root
Environment=ETCD_DATA_DIR=/var/lib/etcd-member
ExecStart=/usr/lib/coreos/etcd-wrapper $ETCD_OPTS

[Install]
WantedBy=multi-user.target
"""
ETCD_WRAPPER = "#!/bin/sh\nexec /usr/bin/etcd \"$@\"\n"
# The version in Debian, whose options the config must have.
ETCD_VERSION = "3.4.23"
# An election takes a second, but the host may be busy.
ELECTION_TIMEOUT_S = 300
TLS = "/etc/ssl/etcd"
UNITS = "/etc/systemd/system"
BRIDGE = "kindling-etcd"
MEMBERS = {"alpha": "10.94.0.1", "beta": "10.94.0.2", "gamma": "10.94.0.3"}


def image_with_wrapper(lab, packages):
    """A system disk with etcd's unit and wrapper, as in the image of Container Linux, and packages of Debian."""
    overlay = lab.work / "overlay"
    for path, text, mode in (("usr/lib/systemd/system/etcd-member.service", ETCD_UNIT, 0o644),
                             ("usr/lib/coreos/etcd-wrapper", ETCD_WRAPPER, 0o755)):
        file = overlay / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
    system = lab.work / "system.img"
    build.copy_disk(build.system_disk(lab.tree, overlay, packages), system)
    return system


def certificates(folder):
    """A certificate authority, and one certificate for server, peer and client, as texts by file name."""
    folder.mkdir()

    def openssl(*words):
        build.run("certificates", ["openssl", *words], cwd=folder)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-days", "3", "-subj", "/CN=etcd test", "-keyout", "ca-key.pem", "-out", "ca.pem")
    openssl("req", *curve, "-subj", "/CN=member", "-keyout", "member-key.pem", "-out", "member.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl("x509", "-req", "-in", "member.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "3",
            "-extfile", "names", "-out", "member.pem")
    return {name: (folder / name).read_text() for name in ("ca.pem", "member.pem", "member-key.pem")}


def clc(checks, sections, files=()):
    """A Container Linux Config with the report script for the checks and these sections."""
    script = {"path": "/usr/local/bin/boot-report", "filesystem": "root", "mode": 0o755,
              "contents": {"inline": configs.report_script(checks)}}
    report = {"name": "boot-report.service", "enabled": True, "contents": configs.REPORT_UNIT}
    document = {"storage": {"files": [script, *files]}, "systemd": {"units": [report]}, **sections}
    return "\n".join(lines(document)) + "\n"


def etcd_section(name, scheme, host, cluster, **more):
    """The section `etcd` of one member of a static cluster."""
    clients, peers = f"{scheme}://{host}:2379", f"{scheme}://{host}:2380"
    return {"version": ETCD_VERSION, "name": name, "listen_client_urls": clients, "advertise_client_urls": clients,
            "listen_peer_urls": peers, "initial_advertise_peer_urls": peers, "initial_cluster": cluster,
            "initial_cluster_token": "boot-test", "initial_cluster_state": "new", **more}


@scenario
def clc_etcd(lab):
    """a Container Linux Config with etcd: a healthy member with the requested name, URLs and TLS files"""
    files = [{"path": f"{TLS}/{name}", "filesystem": "root", "mode": 0o600, "contents": {"inline": text}}
             for name, text in certificates(lab.work / "tls").items()]
    pair = {"cert_file": f"{TLS}/member.pem", "key_file": f"{TLS}/member-key.pem", "trusted_ca_file": f"{TLS}/ca.pem",
            "client_cert_auth": True}
    url = "https://127.0.0.1"
    section = etcd_section("alpha", "https", "127.0.0.1", f"alpha={url}:2380", **pair,
                           **{f"peer_{key}": value for key, value in pair.items()})
    ctl = (f"ETCDCTL_API=3 etcdctl --endpoints {url}:2379 --cacert {TLS}/ca.pem --cert {TLS}/member.pem"
           f" --key {TLS}/member-key.pem")
    checks = [
        ("unit of etcd", "systemctl is-active etcd-member.service", "active\n"),
        ("health", f"{ctl} endpoint health 2>&1 | cut -d: -f1-3 | cut -d, -f1", f"{url}:2379 is healthy\n"),
        ("members", f"{ctl} member list | cut -d, -f2-5", f" started, alpha, {url}:2380, {url}:2379\n"),
        ("a value that is written and read", f"{ctl} put key value; {ctl} get --print-value-only key", "OK\nvalue\n"),
        ("a client without a certificate",
         f"ETCDCTL_API=3 etcdctl --endpoints {url}:2379 --cacert {TLS}/ca.pem --command-timeout 5s get key"
         " >/dev/null 2>&1 || echo refused", "refused\n"),
    ]
    system = image_with_wrapper(lab, ",etcd-server,etcd-client,libnss-systemd")
    lab.verify(lab.start(system, document=clc(checks, {"etcd": section}, files)), checks)


@scenario
def clc_docker(lab):
    """a Container Linux Config with docker: the daemon starts with the flags of the config"""
    flags = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs", "--log-level=warn",
             "--label=from=config", "--insecure-registry=10.94.0.0/16", "--default-ulimit=nofile=1024:2048"]
    ask = "docker info --format"
    checks = [
        ("unit of docker", "systemctl is-active docker.service", "active\n"),
        ("environment of the unit", "systemctl show -p Environment --value docker.service",
         f'"DOCKER_OPTS={" ".join(flags)}"\n'),
        ("flags of the process", "tr '\\0' '\\n' </proc/$(pidof dockerd)/cmdline | tail -n +5",
         "".join(f"{flag}\n" for flag in flags)),
        ("storage driver of the daemon", f"{ask} '{{{{.Driver}}}}'", "vfs\n"),
        ("labels of the daemon", f"{ask} '{{{{.Labels}}}}'", "[from=config]\n"),
        ("registries of the daemon", f"{ask} '{{{{json .RegistryConfig.InsecureRegistryCIDRs}}}}'",
         '["10.94.0.0/16","127.0.0.0/8"]\n'),
    ]
    system = image_with_wrapper(lab, ",docker.io")
    lab.verify(lab.start(system, document=clc(checks, {"docker": {"flags": flags}})), checks)


class Members:
    """Members of a cluster, each in a network namespace of its own on one bridge."""

    def __init__(self, lab):
        self.lab = lab
        self.processes = {}

    def __enter__(self):
        self.close()
        self.ip("link", "add", BRIDGE, "type", "bridge")
        self.ip("link", "set", BRIDGE, "up")
        for name, address in MEMBERS.items():
            space = f"{BRIDGE}-{name}"
            self.ip("netns", "add", space)
            self.ip("link", "add", f"ke-{name}", "type", "veth", "peer", "name", "eth0", "netns", space)
            self.ip("link", "set", f"ke-{name}", "master", BRIDGE, "up")
            self.ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                self.ip("-n", space, "link", "set", link, "up")
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.close()

    def close(self):
        """Removes leftovers of this run or of one that was killed."""
        for name in MEMBERS:
            self.ip("netns", "del", f"{BRIDGE}-{name}", check=False)
            self.ip("link", "del", f"ke-{name}", check=False)
        self.ip("link", "del", BRIDGE, check=False)

    def ip(self, *words, check=True):
        result = subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert not check or result.returncode == 0, f"ip {' '.join(words)}: {result.stderr}"

    def command(self, name, words):
        return ["ip", "netns", "exec", f"{BRIDGE}-{name}", *words]

    def start(self, name, program, environment):
        """Starts a member with the command line of its unit."""
        log = open(self.lab.work / f"{name}.log", "w", encoding="utf-8")
        with log:
            self.processes[name] = subprocess.Popen(
                self.command(name, program), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(environment, PATH=os.environ["PATH"]))

    def etcdctl(self, name, *words, every=False):
        """Runs etcdctl for one member, or from it for every one; returns an empty string on errors."""
        addresses = MEMBERS.values() if every else [MEMBERS[name]]
        endpoints = ",".join(f"http://{address}:2379" for address in addresses)
        command = ["etcdctl", "--endpoints", endpoints, "--command-timeout=20s", *words]
        result = subprocess.run(self.command(name, command), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, env=dict(os.environ, ETCDCTL_API="3"))
        return result.stdout if result.returncode == 0 else ""


def unit_command(tree):
    """The command line and environment of etcd in the drop-in of the provisioned tree."""
    text = (tree / f"{UNITS[1:]}/etcd-member.service.d/20-clct-etcd-member.conf").read_text()
    text = text.replace("\\\n", " ")
    environment = dict(shlex.split(value)[0].split("=", 1) for value in re.findall(r"^Environment=(.*)$", text, re.MULTILINE))
    command = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)[-1]
    return [word for word in shlex.split(command) if word != "$ETCD_OPTS"], environment


@scenario
def clc_etcd_cluster(lab):
    """three Container Linux Configs with a static initial_cluster: three members that elect a leader"""
    for program in ("etcd", "etcdctl"):
        assert shutil.which(program), f"{program} is missing here: tests/needs.sh boot installs it"
    cluster = ",".join(f"{name}=http://{address}:2380" for name, address in MEMBERS.items())
    with Members(lab) as members:
        for name, address in MEMBERS.items():
            tree = lab.work / name
            tree.mkdir()
            section = etcd_section(name, "http", address, cluster, data_dir=str(lab.work / f"{name}.data"))
            config = lab.write(f"{name}.yaml", "\n".join(lines({"etcd": section})) + "\n")
            build.run("a tree for a member", [str(lab.binary), "apply", "--root", str(tree), str(config)])
            (wrapper, *words), environment = unit_command(tree)
            assert wrapper == "/usr/lib/coreos/etcd-wrapper", f"the unit starts {wrapper}"
            members.start(name, ["etcd", *words], environment)
        step("three members started")
        check_cluster(members)


def check_cluster(members):
    """Waits until the members agree on a leader; then a value written to one must be readable from another."""
    deadline = time.monotonic() + ELECTION_TIMEOUT_S
    while True:
        assert time.monotonic() < deadline, "no leader was elected"
        for name, process in members.processes.items():
            log = pathlib.Path(members.lab.work / f"{name}.log")
            assert process.poll() is None, f"etcd of {name} ended:\n{log.read_text()[-3000:]}"
        text = members.etcdctl("alpha", "endpoint", "status", "--write-out=json", every=True)
        states = [state["Status"] for state in json.loads(text or "[]")]
        leaders = {state.get("leader", 0) for state in states}
        if len(states) == len(MEMBERS) and len(leaders) == 1 and 0 not in leaders:
            break
        time.sleep(1)
    listed = members.etcdctl("beta", "member", "list", "--write-out=json")
    found = {member["name"]: member["clientURLs"] for member in json.loads(listed)["members"]}
    assert found == {name: [f"http://{address}:2379"] for name, address in MEMBERS.items()}, f"members: {found}"
    assert members.etcdctl("alpha", "put", "key", "value") == "OK\n", "a value cannot be written"
    assert members.etcdctl("gamma", "get", "--print-value-only", "key") == "value\n", "a value cannot be read"
    step("one leader, and a value read through another member than the one it was written through")
