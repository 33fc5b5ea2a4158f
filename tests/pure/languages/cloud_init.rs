//! `#cloud-config` and other user data formats of cloud-init.

use crate::common::language_cases::{check, shown};
use kindling::language::{
    Distribution, InstanceData, Language, MODULES, Support, Surroundings, Target, TimeClient,
};

#[test]
fn cases() {
    check("cloud_init", Language::CloudInit, &Surroundings::default());
}

fn translated(text: &str, surroundings: &Surroundings<'_>) -> String {
    shown(text.as_bytes(), Language::CloudInit, surroundings)
}

fn target(target: Target<'_>) -> Surroundings<'_> {
    Surroundings {
        target,
        ..Surroundings::default()
    }
}

#[test]
fn conventions_are_those_of_the_system() {
    let text = "#cloud-config\nfqdn: h.example.com\nlocale: C.UTF-8\nkeyboard: {layout: de}\n\
        timezone: UTC\nca_certs: {trusted: [x]}\nntp: {servers: [n], allow: [a]}\n";
    let cases: [(_, &[&str], &[&str]); 4] = [
        (
            Distribution::Debian,
            &[
                "user debian ",
                "file /etc/default/locale ",
                "file /etc/timezone ",
                "  |h",
            ],
            &["file /etc/locale.conf "],
        ),
        (
            Distribution::Fedora,
            &[
                "user fedora ",
                "file /etc/locale.conf ",
                "file /etc/vconsole.conf ",
                "  |h.example.com",
            ],
            &["file /etc/timezone ", "info "],
        ),
        (
            Distribution::CoreOs,
            &[
                "user core",
                "file /etc/pki/ca-trust/source/anchors/cloud-init-1.crt ",
            ],
            &["user core ", "file /etc/sudoers.d"],
        ),
        (
            Distribution::Suse,
            &[
                "user opensuse ",
                "file /etc/chrony.d/cloud-init.conf ",
                "  |allow a",
            ],
            &["file /etc/systemd/timesyncd"],
        ),
    ];
    for (distribution, present, absent) in cases {
        let out = translated(
            text,
            &target(Target {
                distribution,
                time_client: Some(TimeClient::Chrony),
                ..Target::default()
            }),
        );
        for start in present {
            let found = out.lines().any(|line| line.starts_with(start));
            assert!(found, "{distribution:?}: no {start}\n{out}");
        }
        for start in absent {
            let found = out.lines().any(|line| line.starts_with(start));
            assert!(!found, "{distribution:?}: {start}\n{out}");
        }
    }
}

#[test]
fn chrony_includes_a_file_that_it_does_not_read_by_default() {
    let text = "#cloud-config\nusers: []\nntp: {servers: [n]}\n";
    for (distribution, is_included) in [
        (Distribution::Suse, false),
        (Distribution::Debian, false),
        (Distribution::Fedora, true),
        (Distribution::Rocky, true),
    ] {
        let out = translated(
            text,
            &target(Target {
                distribution,
                time_client: Some(TimeClient::Chrony),
                ..Target::default()
            }),
        );
        assert!(out.contains("  |server n iburst\n"), "{out}");
        let line =
            "file /etc/chrony.conf 644\n  append\n  |include /etc/chrony.d/cloud-init.conf\n";
        assert_eq!(out.contains(line), is_included, "{distribution:?}\n{out}");
    }
}

#[test]
fn sources_of_apt_are_those_of_the_release() {
    let text = "#cloud-config\nusers: []\napt: {sources: {a: {source: 'deb http://a/ $RELEASE ${RELEASE}-x'}}}\n";
    let unknown = translated(text, &Surroundings::default());
    assert!(unknown.ends_with("refused\n"), "{unknown}");
    let out = translated(
        text,
        &target(Target {
            codename: Some("bookworm"),
            ..Target::default()
        }),
    );
    assert!(
        out.contains("  |deb http://a/ bookworm bookworm-x\n"),
        "{out}"
    );
}

#[test]
fn derivatives_of_red_hat_have_their_own_default_accounts() {
    let text = "#cloud-config\nfqdn: h.example.com\nca_certs: {trusted: [x]}\n";
    for (distribution, name) in [
        (Distribution::RedHat, "cloud-user"),
        (Distribution::AlmaLinux, "almalinux"),
        (Distribution::Amazon, "ec2-user"),
        (Distribution::Rocky, "rocky"),
    ] {
        let out = translated(
            text,
            &target(Target {
                distribution,
                ..Target::default()
            }),
        );
        for line in [
            format!("user {name} "),
            "file /etc/pki/ca-trust/source/anchors/cloud-init-1.crt ".to_owned(),
            "  |h.example.com".to_owned(),
        ] {
            let found = out.lines().any(|have| have.starts_with(&line));
            assert!(found, "{distribution:?}: no {line}\n{out}");
        }
    }
}

#[test]
fn what_the_platform_says_counts_where_the_config_says_nothing() {
    let keys = ["ssh-ed25519 AAAA platform".to_owned()];
    let variables = [("v1.region".to_owned(), "north".to_owned())];
    let surroundings = Surroundings {
        instance: InstanceData {
            id: Some("i-1"),
            hostname: Some("given.example.com"),
            keys: &keys,
            variables: &variables,
            ..InstanceData::default()
        },
        ..Surroundings::default()
    };
    let text = "## template: jinja\n#cloud-config\nbootcmd: [\"echo {{ v1.region }}\"]\n\
        ssh_authorized_keys: [own]\nbad_key: 1\n";
    let out = translated(text, &surroundings);
    for line in [
        "  |given",
        "  |echo north",
        "  |INSTANCE_ID='i-1'",
        "warning at $.bad_key, line 5 col 10: unknown key `bad_key`: it does nothing",
    ] {
        assert!(out.lines().any(|have| have == line), "{line}\n{out}");
    }
    assert!(
        out.contains(r#"["own","ssh-ed25519 AAAA platform"]"#),
        "{out}"
    );
    let own = "#cloud-config\nhostname: own\nmanage_etc_hosts: true\n";
    let out = translated(own, &surroundings);
    assert!(out.contains("  |own\n"), "{out}");
    let hosts = "  |127.0.1.1 given.example.com own\n";
    assert!(out.contains(hosts), "{out}");
}

#[test]
fn vendor_data_is_below_the_user_data() {
    let translate = |text: &str, vendor: &str| {
        let surroundings = Surroundings {
            instance: InstanceData {
                vendor_data: Some(vendor.as_bytes()),
                ..InstanceData::default()
            },
            ..Surroundings::default()
        };
        translated(text, &surroundings)
    };
    let vendor = "#cloud-config\nhostname: theirs\nruncmd: [theirs]\npackages: [agent]\n";
    let out = translate("#cloud-config\nruncmd: [own]\n", vendor);
    for (line, is_there) in [
        ("  |theirs", true),
        ("  |own", true),
        (
            "warning at $, line 2 col 1: left out of the vendor data of the platform: packages",
            true,
        ),
    ] {
        assert_eq!(
            out.lines().any(|have| have == line),
            is_there,
            "{line}\n{out}"
        );
    }
    assert_eq!(out.matches("theirs").count(), 1, "{out}");
    let off = translate("#cloud-config\nvendor_data: {enabled: false}\n", vendor);
    assert!(!off.contains("theirs"), "{off}");
    let script = translate("#!/bin/sh\necho own\n", "#!/bin/sh\necho theirs\n");
    let (theirs, own) = (script.find("echo theirs"), script.find("echo own"));
    assert!(theirs.is_some() && theirs < own, "{script}");
    let broken = translate("#cloud-config\nhostname: own\n", "#cloud-config\na: [\n");
    assert!(
        broken.contains("cannot be read; it is left out"),
        "{broken}"
    );
    assert!(broken.contains("  |own\n"), "{broken}");
}

#[test]
fn sizes_in_percent_are_those_of_the_disk() {
    let disks = [("/dev/sdb".to_owned(), 10_u64 << 30)];
    let surroundings = target(Target {
        disks: &disks,
        ..Target::default()
    });
    let text = "#cloud-config\ndisk_setup:\n  /dev/sdb: {table_type: gpt, layout: [25, 75]}\n";
    let out = translated(text, &surroundings);
    assert!(
        out.contains(r#"[{"number":1,"sizeMiB":2559},{"number":2,"sizeMiB":0}]"#),
        "{out}"
    );
}

#[test]
fn unsupported_modules_can_be_ignored() {
    let surroundings = Surroundings {
        ignore_unsupported: true,
        ..Surroundings::default()
    };
    for module in MODULES
        .iter()
        .filter(|module| module.support == Support::Refused)
    {
        for key in module.keys {
            let text = format!("#cloud-config\n{key}: {{a: b}}\n");
            let refused = translated(&text, &Surroundings::default());
            assert!(refused.ends_with("refused\n"), "{key}\n{refused}");
            let ignored = translated(&text, &surroundings);
            assert!(ignored.contains("warning at $."), "{ignored}");
            assert!(!ignored.ends_with("refused\n"), "{key}\n{ignored}");
        }
    }
}

#[test]
fn accounts_that_are_known_to_be_there_are_not_made() {
    let accounts = ["root".to_owned(), "alice".to_owned()];
    let surroundings = target(Target {
        accounts: Some(&accounts),
        ..Target::default()
    });
    let text = "#cloud-config\nusers:\n- {name: alice, gecos: x, lock_passwd: false}\n\
        write_files:\n- {path: /a, owner: bob}\n";
    let out = translated(text, &surroundings);
    assert!(out.contains("gecos does nothing for alice"), "{out}");
    assert!(out.contains("there is no account bob"), "{out}");
}

#[test]
fn parts_are_bounded() {
    let many = format!(
        "#cloud-config-archive\n{}",
        "- \"#!/bin/sh\"\n".repeat(2000)
    );
    assert!(translated(&many, &Surroundings::default()).ends_with("refused\n"));
    let mut deep = "#!/bin/sh".to_owned();
    for _ in 0..12 {
        deep = format!("## template: jinja\n{deep}");
    }
    assert!(translated(&deep, &Surroundings::default()).ends_with("refused\n"));
}

/// The table of the documentation is generated from that of the code; `KINDLING_WRITE_SCHEMAS=1` updates it.
#[test]
fn the_documentation_has_the_table_of_modules() {
    use kindling::language::{MODULES, Support};
    let row = |module: &kindling::language::Module| {
        let keys: Vec<String> = module.keys.iter().map(|key| format!("`{key}`")).collect();
        let support = match module.support {
            Support::Done => "done",
            Support::Differently => "differently",
            Support::Refused => "refused",
            Support::NothingToDo => "nothing to do",
        };
        format!(
            "| {} | {} | {support} | {} |\n",
            module.name,
            keys.join(", "),
            module.note
        )
    };
    let rows: String = MODULES.iter().map(row).collect();
    let table =
        format!("| module | keys | what is done | how, or why not |\n|---|---|---|---|\n{rows}");
    let path = format!("{}/docs/cloud-init.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the documentation");
    let (head, _) = text.split_once("| module |").unwrap_or((&text, ""));
    let want = format!("{head}{table}");
    if std::env::var_os("KINDLING_WRITE_SCHEMAS").is_some() {
        std::fs::write(&path, want).expect("the documentation is written");
    } else {
        assert!(
            text == want,
            "docs/cloud-init.md is stale: set KINDLING_WRITE_SCHEMAS=1 and test again"
        );
    }
}
