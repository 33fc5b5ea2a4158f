//! Facts of `ibmcloud`: lines and a MIME archive on the drive `cidata` of a virtual server.

use super::super::FetchContext;
use super::super::drive;
use super::documents::Keys;
use super::{AttributeSource, Facts, documents, drives, mime, yaml};
use anyhow::Context;
use serde::Deserialize;
use std::path::Path;

/// The source.
pub static SOURCE: AttributeSource = AttributeSource {
    names: &["IBMCLOUD_INSTANCE_ID", "IBMCLOUD_LOCAL_HOSTNAME"],
    ask: |context: &FetchContext<'_>| {
        drives::visit(&["cidata"], context, &|_, point| of_drive(point))
    },
};

const LINES: &str = "/meta-data";
const ARCHIVE: &str = "/vendor-data";

#[derive(Default, Deserialize)]
struct CloudConfig {
    #[serde(default)]
    ssh_authorized_keys: Keys,
}

fn of_drive(point: &Path) -> anyhow::Result<Facts> {
    let lines = documents::text(&drives::shown(LINES), drives::needed(point, LINES)?)?;
    let value = |key: &str| {
        let mut pairs = lines.lines().filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(name, _)| name.trim() == key);
        found.map(|(_, value)| value.trim().trim_matches('"'))
    };
    let hostname = value("local-hostname");
    let mut facts = Facts::default();
    facts.name(hostname);
    facts.set("IBMCLOUD_LOCAL_HOSTNAME", hostname);
    facts.set("IBMCLOUD_INSTANCE_ID", value("instance-id"));
    if let Some(archive) = drive::read(point, ARCHIVE)? {
        let archive = documents::text(&drives::shown(ARCHIVE), archive)?;
        add_keys(&archive, &mut facts).with_context(|| drives::shown(ARCHIVE))?;
    }
    Ok(facts)
}

fn add_keys(archive: &str, facts: &mut Facts) -> anyhow::Result<()> {
    for part in mime::parts(archive, "text/cloud-config")? {
        let entries = yaml::entries(&part, &["ssh_authorized_keys"])?;
        let config: Option<CloudConfig> = documents::shaped("the cloud-config", entries)?;
        config.unwrap_or_default().ssh_authorized_keys.add_to(facts);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::drives::testing::drive;

    const META: &str = "instance-id: 0717_e2e4\nlocal-hostname: web\npublic-keys: []\n";

    #[test]
    fn a_drive_with_keys() {
        let archive = "Content-Type: multipart/mixed; boundary=\"===1==\"\nMIME-Version: 1.0\n\n--===1==\n\
            Content-Type: text/cloud-config; charset=\"us-ascii\"\nMIME-Version: 1.0\n\n#cloud-config\n\
            ssh_authorized_keys:\n  - ssh-rsa A me\n  - \"ssh-rsa B you\"\nchpasswd: {expire: false}\n--===1==\n\
            Content-Type: text/x-shellscript\n\n#!/bin/sh\nssh_authorized_keys: [no]\n--===1==--\n";
        let drive = drive(&[(LINES, META), (ARCHIVE, archive)]);
        let facts = of_drive(drive.path()).expect("good");
        assert_eq!(facts.hostname.as_deref(), Some("web"));
        assert_eq!(facts.ssh_keys, ["ssh-rsa A me", "ssh-rsa B you"]);
        let want =
            "AFTERBURN_IBMCLOUD_INSTANCE_ID=0717_e2e4\nAFTERBURN_IBMCLOUD_LOCAL_HOSTNAME=web\n";
        assert_eq!(facts.to_env(), want);
    }

    #[test]
    fn drives_without_keys_and_with_nonsense() {
        let facts = of_drive(drive(&[(LINES, META)]).path()).expect("good");
        assert_eq!(facts.ssh_keys, [""; 0]);
        for (files, want) in [
            (&[][..], "the drive has no /meta-data"),
            (
                &[(LINES, META), (ARCHIVE, "secret")],
                "/vendor-data of the drive: it is not a MIME multipart message",
            ),
            (
                &[
                    (LINES, META),
                    (
                        ARCHIVE,
                        "Content-Type: text/cloud-config\n\nssh_authorized_keys: secret: x\n",
                    ),
                ],
                "/vendor-data of the drive: it is not a MIME multipart message",
            ),
        ] {
            let error = format!("{:#}", of_drive(drive(files).path()).expect_err(want));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
