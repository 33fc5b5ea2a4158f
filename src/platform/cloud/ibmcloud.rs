//! Platform `ibmcloud`: user data on the drive `cidata` of a virtual server.
//!
//! Attributes: lines and a MIME multipart message on the same drive.

use crate::platform::attributes::decode::{self, Keys};
use crate::platform::attributes::{FunctionSource, drives, mime, yaml};
use crate::platform::contract::{Attributes, FetchContext};
use crate::platform::source::cidata::{Cidata, CidataPlatform, LABEL};
use crate::platform::source::drive;
use anyhow::Context;
use serde::Deserialize;
use std::path::Path;

pub(crate) static PLATFORM: CidataPlatform = CidataPlatform {
    id: "ibmcloud",
    source: "`/user-data` on the drive labelled `cidata`",
    no_config: "the drive does not appear, cannot be read, or has no user data",
    drive: Cidata {
        files: &["/user-data"],
        skips_cloud_config: false,
    },
    attributes: &ATTRIBUTES,
};

/// What `kindling metadata` asks for.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &["IBMCLOUD_INSTANCE_ID", "IBMCLOUD_LOCAL_HOSTNAME"],
    ask: |context: &FetchContext<'_>| drives::visit(&[LABEL], context, &|_, point| of_drive(point)),
};

const LINES: &str = "/meta-data";
const ARCHIVE: &str = "/vendor-data";

#[derive(Default, Deserialize)]
struct CloudConfig {
    #[serde(default)]
    ssh_authorized_keys: Keys,
}

fn of_drive(point: &Path) -> anyhow::Result<Attributes> {
    let lines = decode::text(&drives::shown(LINES), drives::needed(point, LINES)?)?;
    let value = |key: &str| {
        let mut pairs = lines.lines().filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(name, _)| name.trim() == key);
        found.map(|(_, value)| value.trim().trim_matches('"'))
    };
    let hostname = value("local-hostname");
    let mut attributes = Attributes::default();
    attributes.set_hostname(hostname);
    attributes.set("IBMCLOUD_LOCAL_HOSTNAME", hostname);
    attributes.set("IBMCLOUD_INSTANCE_ID", value("instance-id"));
    if let Some(archive) = drive::read(point, ARCHIVE)? {
        let archive = decode::text(&drives::shown(ARCHIVE), archive)?;
        add_keys(&archive, &mut attributes).with_context(|| drives::shown(ARCHIVE))?;
    }
    Ok(attributes)
}

fn add_keys(archive: &str, attributes: &mut Attributes) -> anyhow::Result<()> {
    for part in mime::parts(archive, "text/cloud-config")? {
        let entries = yaml::entries(&part, &["ssh_authorized_keys"])?;
        let config: Option<CloudConfig> = decode::shaped("the cloud-config", entries)?;
        config
            .unwrap_or_default()
            .ssh_authorized_keys
            .add_to(attributes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::drives::testing::drive;

    const META: &str = "instance-id: 0717_e2e4\nlocal-hostname: web\npublic-keys: []\n";

    #[test]
    fn a_drive_with_keys() {
        let archive = "Content-Type: multipart/mixed; boundary=\"===1==\"\nMIME-Version: 1.0\n\n--===1==\n\
            Content-Type: text/cloud-config; charset=\"us-ascii\"\nMIME-Version: 1.0\n\n#cloud-config\n\
            ssh_authorized_keys:\n  - ssh-rsa A me\n  - \"ssh-rsa B you\"\nchpasswd: {expire: false}\n--===1==\n\
            Content-Type: text/x-shellscript\n\n#!/bin/sh\nssh_authorized_keys: [no]\n--===1==--\n";
        let drive = drive(&[(LINES, META), (ARCHIVE, archive)]);
        let attributes = of_drive(drive.path()).expect("good");
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me", "ssh-rsa B you"]);
        let want =
            "AFTERBURN_IBMCLOUD_INSTANCE_ID=0717_e2e4\nAFTERBURN_IBMCLOUD_LOCAL_HOSTNAME=web\n";
        assert_eq!(attributes.to_env(), want);
    }

    #[test]
    fn drives_without_keys_and_with_nonsense() {
        let attributes = of_drive(drive(&[(LINES, META)]).path()).expect("good");
        assert_eq!(attributes.ssh_keys, [""; 0]);
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
