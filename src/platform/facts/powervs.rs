//! Facts of `powervs`: a config drive in the form of OpenStack.

use super::super::FetchContext;
use super::openstack::{self, Machine};
use super::{AttributeSource, Facts, drives};

/// The source.
pub static SOURCE: AttributeSource = AttributeSource {
    names: &["POWERVS_INSTANCE_ID", "POWERVS_LOCAL_HOSTNAME"],
    ask: |context: &FetchContext<'_>| {
        drives::visit(&["config-2"], context, &|_, point| {
            Ok(facts(&openstack::machine(point)?))
        })
    },
};

/// The name its owner gave is what it is called; the other has a domain that is none.
fn facts(machine: &Machine) -> Facts {
    let mut facts = Facts::default();
    facts.name(machine.name.as_ref());
    facts.set("POWERVS_LOCAL_HOSTNAME", machine.name.as_ref());
    facts.set("POWERVS_INSTANCE_ID", machine.uuid.as_ref());
    machine.public_keys.add_to(&mut facts);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::drives::testing::drive;

    #[test]
    fn a_drive() {
        let text = r#"{"uuid": "7a2f", "name": "web", "hostname": "web.power", "public_keys": {"k": "ssh-rsa A"}}"#;
        let drive = drive(&[("/openstack/latest/meta_data.json", text)]);
        let facts = facts(&openstack::machine(drive.path()).expect("good"));
        assert_eq!(facts.hostname.as_deref(), Some("web"));
        assert_eq!(facts.ssh_keys, ["ssh-rsa A"]);
        let want = "AFTERBURN_POWERVS_INSTANCE_ID=7a2f\nAFTERBURN_POWERVS_LOCAL_HOSTNAME=web\n";
        assert_eq!(facts.to_env(), want);
    }
}
