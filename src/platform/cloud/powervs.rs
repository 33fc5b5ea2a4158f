//! Platform `powervs` (IBM Power Virtual Server): user data on a config drive in the format of OpenStack.
//!
//! Attributes: metadata on the same drive.

use crate::platform::attributes::openstack::{self, Machine};
use crate::platform::attributes::{FunctionSource, drives};
use crate::platform::contract::{Attributes, FetchContext};
use crate::platform::source::config_drive::{ConfigDrivePlatform, LABEL};

pub(crate) static PLATFORM: ConfigDrivePlatform = ConfigDrivePlatform {
    id: "powervs",
    attributes: Some(&ATTRIBUTES),
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &["POWERVS_INSTANCE_ID", "POWERVS_LOCAL_HOSTNAME"],
    fetch: |context: &FetchContext<'_>| {
        drives::visit(&[LABEL], context, &|_, mount_point| {
            Ok(attributes(&openstack::machine(mount_point)?))
        })
    },
};

/// The host name is in `name`: `hostname` has a domain that does not exist.
fn attributes(machine: &Machine) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set_hostname(machine.name.as_ref());
    attributes.set("POWERVS_LOCAL_HOSTNAME", machine.name.as_ref());
    attributes.set("POWERVS_INSTANCE_ID", machine.uuid.as_ref());
    machine.public_keys.add_to(&mut attributes);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::drives::testing::drive;

    #[test]
    fn a_drive() {
        let text = r#"{"uuid": "7a2f", "name": "web", "hostname": "web.power", "public_keys": {"k": "ssh-rsa A"}}"#;
        let drive = drive(&[("/openstack/latest/meta_data.json", text)]);
        let attributes = attributes(&openstack::machine(drive.path()).expect("good"));
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A"]);
        let want = "AFTERBURN_POWERVS_INSTANCE_ID=7a2f\nAFTERBURN_POWERVS_LOCAL_HOSTNAME=web\n";
        assert_eq!(attributes.to_env(), want);
    }
}
