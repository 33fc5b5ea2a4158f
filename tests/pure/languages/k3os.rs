//! The `config.yaml` of k3OS.

use crate::common::language_cases::{check, shown};
use kindling::language::{
    InstanceData, K3s, Language, Layer, NetworkManager, Surroundings, SystemConfig, Target,
};

#[test]
fn cases() {
    check("k3os", Language::K3os, &Surroundings::default());
}

/// The lines of `out` that begin with `start`.
fn lines<'o>(out: &'o str, start: &str) -> Vec<&'o str> {
    out.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn wireless_networks_are_in_the_files_of_what_manages_them() {
    let text = b"k3os:\n  wifi:\n  - {name: \"caf\xc3\xa9\", passphrase: secret}\n  - name: open\n  ntp_servers: n\n";
    let cases: [(_, &[&str]); 4] = [
        (
            NetworkManager::Connman,
            &[
                "file /etc/connman/main.conf 644",
                "file /var/lib/connman/settings 644",
                "file /var/lib/connman/cloud-config.config 600",
            ],
        ),
        (
            NetworkManager::Iwd,
            &[
                "file /etc/systemd/timesyncd.conf.d/50-k3os.conf 644",
                "file /var/lib/iwd/=636166c3a9.psk 600",
                "file /var/lib/iwd/open.open 600",
            ],
        ),
        (
            NetworkManager::NetworkManager,
            &[
                "file /etc/systemd/timesyncd.conf.d/50-k3os.conf 644",
                "file /etc/NetworkManager/system-connections/café.nmconnection 600",
                "file /etc/NetworkManager/system-connections/open.nmconnection 600",
            ],
        ),
        (
            NetworkManager::Other,
            &["file /etc/systemd/timesyncd.conf.d/50-k3os.conf 644"],
        ),
    ];
    for (manager, want) in cases {
        let target = Target {
            wireless: Some(manager),
            ..Target::default()
        };
        let surroundings = Surroundings {
            target,
            ..Surroundings::default()
        };
        let out = shown(text, Language::K3os, &surroundings);
        assert_eq!(lines(&out, "file "), want, "{manager:?}");
        let is_warned = manager == NetworkManager::Other;
        assert_eq!(
            lines(&out, "warning ").len(),
            2 * usize::from(is_warned),
            "{out}"
        );
    }
}

#[test]
fn kernel_arguments_are_below_the_config() {
    let target = Target {
        kernel_arguments: Some(
            "quiet hostname=a k3os.labels.a=b k3os.labels.c=d k3os.token=t k3os.mode=live \
             k3os.sysctl[vm.swappiness]=1 run_cmd=\"echo hi\" k3os=1",
        ),
        ..Target::default()
    };
    let surroundings = Surroundings {
        target,
        ..Surroundings::default()
    };
    let text = b"hostname: b\nk3os:\n  labels: {x: z}\n";
    let out = shown(text, Language::K3os, &surroundings);
    assert_eq!(lines(&out, "warning ").len(), 2, "{out}");
    for line in [
        "  |b",
        "  |vm.swappiness = 1",
        "  |token: \"t\"",
        "  |sh -c 'echo hi' || exit",
        "  |ExecStart=/usr/local/bin/k3s server --node-label=x=z",
    ] {
        assert!(out.lines().any(|have| have == line), "{line}\n{out}");
    }
}

#[test]
fn the_account_is_the_one_that_is_named() {
    let target = Target {
        default_user: Some("core"),
        k3s: Some(K3s::Missing),
        ..Target::default()
    };
    let surroundings = Surroundings {
        target,
        ..Surroundings::default()
    };
    let text = b"ssh_authorized_keys: [k]\nk3os: {token: t}\n";
    let out = shown(text, Language::K3os, &surroundings);
    assert_eq!(
        lines(&out, "user "),
        [r#"user core shell="/bin/bash" sshAuthorizedKeys=["k"]"#]
    );
    assert!(lines(&out, "file /etc/sudoers.d").is_empty(), "{out}");
    assert_eq!(lines(&out, "warning ").len(), 1, "{out}");
}

#[test]
fn the_unit_starts_the_program_that_is_there() {
    let out = |k3s, text: &str| {
        let surroundings = Surroundings {
            target: Target {
                k3s,
                ..Target::default()
            },
            ..Surroundings::default()
        };
        shown(text.as_bytes(), Language::K3os, &surroundings)
    };
    let text = "k3os: {token: t}\n";
    let brought = "write_files: [{path: /usr/local/bin/k3s, content: x, permissions: '0755'}]\n";
    let brought = format!("{brought}{text}");
    let cases = [
        (None, text, "/usr/local/bin/k3s", 0),
        (Some(K3s::Local), text, "/usr/local/bin/k3s", 0),
        (Some(K3s::System), text, "/usr/bin/k3s", 0),
        (Some(K3s::Missing), text, "/usr/local/bin/k3s", 1),
        (Some(K3s::Missing), &brought, "/usr/local/bin/k3s", 0),
    ];
    for (k3s, text, program, warnings) in cases {
        let out = out(k3s, text);
        for line in [
            format!("  |ExecStart={program} server"),
            format!("  |ConditionFileIsExecutable={program}"),
        ] {
            assert_eq!(lines(&out, &line).len(), 1, "{k3s:?}: {line}\n{out}");
        }
        assert_eq!(lines(&out, "warning ").len(), warnings, "{out}");
    }
}

#[test]
fn long_command_lines_are_broken() {
    let labels: String = (0..100)
        .map(|i| format!("    label{i}: value{i}\n"))
        .collect();
    let text = format!("k3os:\n  labels:\n{labels}");
    let out = shown(text.as_bytes(), Language::K3os, &Surroundings::default());
    assert!(
        out.contains("k3s server \\\n  |    --node-label=label0=value0 \\\n"),
        "{out}"
    );
    assert!(!out.contains("refused"), "{out}");
}

/// Translates `text` together with configs of the system, kernel arguments and instance metadata.
fn between(
    text: &str,
    configs: &[(&str, Layer)],
    arguments: &str,
    instance: InstanceData<'_>,
) -> String {
    let configs: Vec<SystemConfig> = configs
        .iter()
        .enumerate()
        .map(|(number, (text, layer))| SystemConfig {
            path: format!("/config-{number}"),
            text: text.as_bytes().into(),
            layer: *layer,
        })
        .collect();
    let surroundings = Surroundings {
        target: Target {
            kernel_arguments: Some(arguments),
            configs: &configs,
            ..Target::default()
        },
        instance,
        ..Surroundings::default()
    };
    shown(text.as_bytes(), Language::K3os, &surroundings)
}

#[test]
fn sources_are_merged_in_the_order_of_k3os() {
    let keys = ["ssh-rsa platform".to_owned()];
    let instance = InstanceData {
        hostname: Some("platform"),
        keys: &keys,
        ..InstanceData::default()
    };
    let all = [
        (
            "hostname: image\nk3os: {modules: [image], labels: {a: image}, token: image}\n",
            Layer::Image,
        ),
        ("hostname: kept\nk3os: {labels: {b: kept}}\n", Layer::Kept),
        ("hostname: last\n", Layer::Last),
    ];
    let name = |configs: &[(&str, Layer)], text: &str, arguments: &str, instance| {
        let out = between(text, configs, arguments, instance);
        let mut lines = out
            .lines()
            .skip_while(|line| !line.starts_with("file /etc/hostname"));
        lines
            .nth(1)
            .unwrap_or_default()
            .trim_start_matches("  |")
            .to_owned()
    };
    let line = "hostname=line";
    let none = InstanceData::default();
    assert_eq!(name(&all[..1], "", "", none), "image");
    assert_eq!(name(&all[..1], "", line, none), "line");
    assert_eq!(name(&all[..2], "", line, none), "kept");
    assert_eq!(name(&all[..2], "", line, instance), "platform");
    assert_eq!(name(&all[..2], "hostname: text", line, instance), "text");
    assert_eq!(name(&all, "hostname: text", line, instance), "last");
    // An empty value, or a key without a value, replaces earlier ones as well.
    assert_eq!(name(&all[..2], "hostname:", line, instance), "");
    assert_eq!(name(&all[..2], "hostname: \"\"", line, instance), "");

    let out = between(
        "ssh_authorized_keys: [own]\n",
        &all,
        "k3os.labels.c=line",
        instance,
    );
    for (part, is_there) in [
        ("image", true),
        ("a=image", false),
        ("b=kept", true),
        ("c=line", false),
        ("[\"own\"]", true),
        ("ssh-rsa platform", false),
    ] {
        assert_eq!(out.contains(part), is_there, "{part}\n{out}");
    }
}

#[test]
fn configs_of_the_system_that_cannot_be_read_are_named() {
    for (text, want) in [
        (
            "a: [",
            "error at $, line 1 col 1: /config-0 of the system, line 1: ",
        ),
        (
            "- a",
            "error at $, line 1 col 1: /config-0 of the system is a list, not a mapping",
        ),
        (
            "nope: 1",
            "warning at $, line 1 col 1: /config-0 of the system has keys that are unknown",
        ),
        (
            "runcmd: a\nrun_cmd: b",
            "error at $, line 1 col 1: /config-0 of the system has keys",
        ),
    ] {
        let out = between(
            "hostname: a\n",
            &[(text, Layer::Kept)],
            "",
            InstanceData::default(),
        );
        assert!(out.contains(want), "{text}: {out}");
    }
}
