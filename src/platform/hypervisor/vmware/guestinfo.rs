//! guestinfo: values that the host stores for a machine, and that both sides can read and write.

use super::backdoor::Hypervisor;
use super::rpc::{self, RpcReply};
use anyhow::{Context, bail};

/// Prefix of every key.
const PREFIX: &str = "guestinfo";

/// Returns the value of a key, if it is set.
///
/// # Errors
/// If the hypervisor does not follow the protocol.
pub(super) fn get(hypervisor: &mut impl Hypervisor, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let key = full_key(key);
    let reply = rpc::call(hypervisor, format!("info-get {key}").as_bytes());
    match reply.with_context(|| format!("cannot read {key}"))? {
        RpcReply::Done(value) => Ok(Some(value)),
        RpcReply::Refused(_) => Ok(None),
    }
}

/// Sets the value of a key.
///
/// # Errors
/// If the hypervisor refuses, or does not follow the protocol. The message does not quote the value.
pub(super) fn set(hypervisor: &mut impl Hypervisor, key: &str, value: &str) -> anyhow::Result<()> {
    let key = full_key(key);
    let reply = rpc::call(hypervisor, format!("info-set {key} {value}").as_bytes());
    match reply.with_context(|| format!("cannot set {key}"))? {
        RpcReply::Done(_) => Ok(()),
        RpcReply::Refused(reason) => bail!(
            "the hypervisor refuses to set {key}: {}",
            String::from_utf8_lossy(&reason)
        ),
    }
}

fn full_key(key: &str) -> String {
    match key.starts_with(PREFIX) {
        true => key.into(),
        false => format!("{PREFIX}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_hypervisor::FakeHypervisor;
    use super::*;

    #[test]
    fn keys_with_and_without_prefix() {
        let mut peer = FakeHypervisor::with(&[("guestinfo.a", "1")]);
        for key in ["a", "guestinfo.a"] {
            let value = get(&mut peer, key).expect("read");
            assert_eq!(value.as_deref(), Some(b"1".as_slice()), "{key}");
        }
        assert_eq!(get(&mut peer, "b").expect("read"), None);
        set(&mut peer, "b", "2 with blanks ").expect("set");
        assert_eq!(peer.value("guestinfo.b"), Some("2 with blanks "));
    }

    #[test]
    fn a_refusal_to_set_is_an_error_without_the_value() {
        let mut peer = FakeHypervisor::with(&[]);
        peer.refuses_to_set = true;
        let error = set(&mut peer, "b", "secret")
            .expect_err("refused")
            .to_string();
        assert_eq!(
            error,
            "the hypervisor refuses to set guestinfo.b: Permission denied"
        );
    }
}
