//! Platform `ibmcloud`: user data on the drive `cidata` of a virtual server.
//!
//! Attributes: a file with lines and a MIME multipart message on the same drive.

use crate::platform::attributes::decode::{self, Keys};
use crate::platform::attributes::{FunctionSource, drives, mime, yaml};
use crate::platform::contract::{Attributes, FetchContext};
use crate::platform::source::cidata::{Cidata, CidataPlatform, LABEL};
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

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &["IBMCLOUD_INSTANCE_ID", "IBMCLOUD_LOCAL_HOSTNAME"],
    fetch: |context: &FetchContext<'_>| {
        drives::visit(&[LABEL], context, &|_, mount_point| read_drive(mount_point))
    },
};

const META_DATA: &str = "/meta-data";
const VENDOR_DATA: &str = "/vendor-data";

#[derive(Default, Deserialize)]
struct CloudConfig {
    #[serde(default)]
    ssh_authorized_keys: Keys,
}

fn read_drive(mount_point: &Path) -> anyhow::Result<Attributes> {
    let lines = decode::text(
        &drives::shown(META_DATA),
        drives::read_required(mount_point, META_DATA)?,
    )?;
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
    if let Some(archive) = drives::read(mount_point, VENDOR_DATA)? {
        let archive = decode::text(&drives::shown(VENDOR_DATA), archive)?;
        add_keys(&archive, &mut attributes).with_context(|| drives::shown(VENDOR_DATA))?;
    }
    Ok(attributes)
}

fn add_keys(archive: &str, attributes: &mut Attributes) -> anyhow::Result<()> {
    for part in mime::parts(archive, "text/cloud-config")? {
        let entries = yaml::entries(&part, &["ssh_authorized_keys"])?;
        let config: Option<CloudConfig> = decode::from_value("the cloud-config", entries)?;
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
        let drive = drive(&[(META_DATA, META), (VENDOR_DATA, archive)]);
        let attributes = read_drive(drive.path()).expect("good");
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me", "ssh-rsa B you"]);
        let want =
            "AFTERBURN_IBMCLOUD_INSTANCE_ID=0717_e2e4\nAFTERBURN_IBMCLOUD_LOCAL_HOSTNAME=web\n";
        assert_eq!(attributes.to_env(), want);
    }

    #[test]
    fn drives_without_keys_and_with_invalid_data() {
        let attributes = read_drive(drive(&[(META_DATA, META)]).path()).expect("good");
        assert_eq!(attributes.ssh_keys, [""; 0]);
        for (files, want) in [
            (&[][..], "the drive has no /meta-data"),
            (
                &[(META_DATA, META), (VENDOR_DATA, "secret")],
                "/vendor-data of the drive: it is not a MIME multipart message",
            ),
            (
                &[
                    (META_DATA, META),
                    (
                        VENDOR_DATA,
                        "Content-Type: text/cloud-config\n\nssh_authorized_keys: secret: x\n",
                    ),
                ],
                "/vendor-data of the drive: it is not a MIME multipart message",
            ),
        ] {
            let error = format!("{:#}", read_drive(drive(files).path()).expect_err(want));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
