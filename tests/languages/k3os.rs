//! The `config.yaml` of k3OS.

use crate::view::{check, shown};
use kindling::language::{Language, NetworkManager, Surroundings, Target};

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
        has_k3s: Some(false),
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
