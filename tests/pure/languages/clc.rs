//! Container Linux Config.

use crate::common::language_cases;
use kindling::language::{Distribution, Language, Surroundings, Target};

#[test]
fn cases() {
    language_cases::check("clc", Language::ContainerLinux, &Surroundings::default());
}

fn shown(text: &str, surroundings: &Surroundings<'_>) -> String {
    language_cases::shown(text.as_bytes(), Language::ContainerLinux, surroundings)
}

/// Fields of the machine become variables of the platform, and the service waits for the agent that provides them.
#[test]
fn dynamic_data_is_that_of_the_platform() {
    let text = "etcd:\n  version: 3.3.8\n  name: \"{HOSTNAME}\"\n  discovery: \"a{b\"\n";
    let ec2 = Surroundings {
        platform: Some("ec2"),
        ..Surroundings::default()
    };
    let want = "version 3.1.0\nunit etcd-member.service enabled\n  drop-in 20-clct-etcd-member.conf\n  |[Unit]\n  \
                |Requires=coreos-metadata.service\n  |After=coreos-metadata.service\n  |\n  |[Service]\n  \
                |EnvironmentFile=/run/metadata/coreos\n  |Environment=\"ETCD_IMAGE_TAG=v3.3.8\"\n  |ExecStart=\n  \
                |ExecStart=/usr/lib/coreos/etcd-wrapper $ETCD_OPTS \\\n  |  --name=\"${COREOS_EC2_HOSTNAME}\" \\\n  \
                |  --discovery=\"a{b\"\n  \\ no line end\n";
    assert_eq!(shown(text, &ec2), want);
}

/// Unavailable and unknown fields are refused.
#[test]
fn unavailable_dynamic_data_is_refused() {
    let text = "etcd:\n  name: \"{PUBLIC_IPV6}\"\n";
    for (platform, want) in [
        (None, "which is not known"),
        (Some("ec2"), "the platform ec2 has no"),
        (Some("nope"), "unknown platform `nope`"),
    ] {
        let surroundings = Surroundings {
            platform,
            ..Surroundings::default()
        };
        let found = shown(text, &surroundings);
        assert!(found.contains(want), "{found}");
        assert!(found.ends_with("refused\n"), "{found}");
    }
    let text = "etcd:\n  name: \"a{b\"\n";
    let found = shown(text, &Surroundings::default());
    assert!(found.contains("--name=\"a{b\""), "{found}");
    assert!(!found.contains("coreos-metadata"), "{found}");
}

/// Platforms whose agent needs an option for its provider, and the agent of later systems.
#[test]
fn the_agent_gets_its_platform() {
    let with = |platform, distribution| {
        let target = Target {
            distribution,
            ..Target::default()
        };
        shown(
            "flannel: {public_ip: \"{PUBLIC_IPV4}\"}\n",
            &Surroundings {
                platform: Some(platform),
                target,
                ..Surroundings::default()
            },
        )
    };
    let found = with("openstack-metadata", Distribution::Flatcar);
    for want in [
        "unit coreos-metadata.service\n",
        "unit coreos-metadata-sshkeys@.service enabled\n",
        "|Environment=COREOS_METADATA_OPT_PROVIDER=--provider=openstack-metadata\n",
        "${COREOS_OPENSTACK_IPV4_PUBLIC}",
    ] {
        assert!(found.contains(want), "{want}: {found}");
    }
    let found = with("gce", Distribution::CoreOs);
    for want in [
        "|After=afterburn.service\n",
        "EnvironmentFile=/run/metadata/afterburn",
        "${AFTERBURN_GCP_IP_EXTERNAL_0}",
    ] {
        assert!(found.contains(want), "{want}: {found}");
    }
}

/// A shell that sources the update settings, as the client does, gets the values of the config.
#[test]
fn a_shell_reads_the_settings_of_updates() {
    let config = "update:\n  group: beta\n  server: https://updates.example/v1/update/\n\
                  locksmith:\n  reboot_strategy: etcd-lock\n  window_start: Thu 04:00\n  window_length: 1h30m\n";
    let result = kindling::language::translate(
        "case",
        config.as_bytes(),
        Language::ContainerLinux,
        &Surroundings::default(),
        false,
    );
    let json = result.outcome.expect("a config");
    let config: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let file = &config["storage"]["files"][0];
    assert_eq!(file["path"], "/etc/coreos/update.conf");
    let source = file["contents"]["source"].as_str().expect("a source");
    let text = kindling::config::data_url::decode(source).expect("a text");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("update.conf");
    std::fs::write(&path, text).expect("a file");
    let names = [
        ("GROUP", "beta"),
        ("SERVER", "https://updates.example/v1/update/"),
        ("REBOOT_STRATEGY", "etcd-lock"),
        ("LOCKSMITHD_REBOOT_WINDOW_START", "Thu 04:00"),
        ("LOCKSMITHD_REBOOT_WINDOW_LENGTH", "1h30m"),
    ];
    let script = names.map(|(name, _)| format!("printf '%s\\n' \"${name}\""));
    let output = std::process::Command::new("sh")
        .arg("-euc")
        .arg(format!(". \"$0\"; {}", script.join("; ")))
        .arg(&path)
        .output()
        .expect("a shell");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let values: Vec<&str> = stdout.lines().collect();
    assert_eq!(
        values,
        names.map(|(_, value)| value),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn an_empty_version_is_an_error() {
    let found = shown("etcd: {version: \"\"}\n", &Surroundings::default());
    assert!(
        found.contains("the version of etcd is not three numbers"),
        "{found}"
    );
}

/// A hash is two values there, and a finding is at the wrong one.
#[test]
fn a_wrong_sum_is_reported_at_the_sum() {
    for (hash, want) in [
        (
            "{function: sha512, sum: aa}",
            "error at $.ignition.config.replace.verification.hash.sum, line 1 col 96: wrong number",
        ),
        (
            "{function: md5, sum: aa}",
            "error at $.ignition.config.replace.verification.hash.function, line 1 col 83: unrecognized",
        ),
    ] {
        let text = format!(
            "ignition: {{config: {{replace: {{source: \"http://x\", verification: {{hash: {hash}}}}}}}}}\n"
        );
        let found = shown(&text, &Surroundings::default());
        assert!(found.contains(want), "{found}");
    }
}
