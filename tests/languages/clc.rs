//! Container Linux Config.

use crate::view;
use kindling::language::{Distribution, Language, Surroundings, Target};

#[test]
fn cases() {
    view::check("clc", Language::ContainerLinux, &Surroundings::default());
}

fn shown(text: &str, surroundings: &Surroundings<'_>) -> String {
    view::shown(text.as_bytes(), Language::ContainerLinux, surroundings)
}

/// Fields of the machine become variables of the platform, and the service waits for who knows them.
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

/// What is not offered, or not known, is refused at its place.
#[test]
fn dynamic_data_that_is_not_there() {
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

/// Platforms whose agent has to be told where it is, and the agent of later systems.
#[test]
fn the_agent_is_told_its_platform() {
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
