//! k3OS settings among the kernel arguments.

use super::names::{self, K3osKey, K3osValueKind};
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::text::kernel_arguments;

/// Settings that choose how k3OS boots, which do not concern a config.
const BOOT_MODES: [&str; 3] = ["k3os.mode", "k3os.fallback_mode", "k3os.debug"];

/// The settings among `arguments`, as a config with canonical names. They are not in the text, so everything gets the
/// offset `at`, and remarks name the key of the argument.
pub(super) fn read<'t>(arguments: &str, at: u32, remarks: &mut Remarks) -> Node<'t> {
    let mut root = Node::mapping(at);
    for argument in kernel_arguments(arguments) {
        let key = argument.key.as_str();
        let value = argument.value.as_deref().unwrap_or("true");
        if BOOT_MODES.contains(&key) || key == "rescue" {
            let message =
                format!("kernel argument {key} chooses how k3OS boots; it does nothing here");
            remarks.warn(at, message);
            continue;
        }
        if !is_setting(key) {
            continue;
        }
        if !insert(&mut root, &path(key), value, names::ROOT) {
            let message = format!("kernel argument {key} is not a setting of k3OS; it is ignored");
            remarks.warn(at, message);
        }
    }
    root
}

/// True for arguments below a known top-level key; any other argument may be for another program.
fn is_setting(key: &str) -> bool {
    let first = key.split(['.', '[']).next().unwrap_or_default();
    names::find(names::ROOT, first).is_some()
}

/// `a.b[c.d]` as `a`, `b`, `c.d`.
fn path(key: &str) -> Vec<&str> {
    let (plain, bracketed) = match key.strip_suffix(']').and_then(|key| key.split_once('[')) {
        Some((plain, inner)) => (plain, Some(inner)),
        None => (key, None),
    };
    plain.split('.').chain(bracketed).collect()
}

/// Sets `path` to `value`. False if there is no such setting, or it cannot be given as an argument.
fn insert(into: &mut Node<'_>, path: &[&str], value: &str, of: &'static [K3osKey]) -> bool {
    let at = into.at;
    let [first, rest @ ..] = path else {
        return false;
    };
    let Some(key) = names::find(of, first) else {
        return false;
    };
    let text = |value: &str| Node::text(at, value.to_owned());
    match (&key.kind, rest) {
        (K3osValueKind::Object(of), [_, ..]) => {
            let mut inner = into.remove(key.name).unwrap_or(Node::mapping(at));
            let is_known = insert(&mut inner, rest, value, of);
            into.set(key.name, inner);
            is_known
        }
        (K3osValueKind::Map, [_, ..]) => {
            let mut inner = into.remove(key.name).unwrap_or(Node::mapping(at));
            inner.set(rest.join("."), text(value));
            into.set(key.name, inner);
            true
        }
        (K3osValueKind::Text | K3osValueKind::Flag, []) => {
            _ = into.remove(key.name);
            into.set(key.name, text(value));
            true
        }
        (K3osValueKind::Texts, []) => {
            let mut list = into.remove(key.name).unwrap_or(Node::list(at, Vec::new()));
            if let NodeContent::List(elements) = &mut list.value {
                elements.push(text(value));
            }
            into.set(key.name, list);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts at a path, joined by `|`.
    fn shown(node: &Node<'_>, path: &[&str]) -> Option<String> {
        let node = path.iter().try_fold(node, |node, key| node.get(key))?;
        let elements = match &node.value {
            NodeContent::List(elements) => elements.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let texts = elements
            .iter()
            .filter_map(|e| Some(e.as_scalar()?.text.to_string()));
        Some(texts.collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn settings() {
        let cases: [(&str, &[&str], Option<&str>); 12] = [
            (
                "k3os.dns_nameserver=1.1.1.1 k3os.dns_nameserver=8.8.8.8",
                &["k3os", "dns_nameservers"],
                Some("1.1.1.1|8.8.8.8"),
            ),
            ("hostname=x quiet", &["hostname"], Some("x")),
            ("hostname=x hostname=y", &["hostname"], Some("y")),
            (
                "k3os.sysctl[kernel.printk]=\"4 4 1 7\"",
                &["k3os", "sysctls", "kernel.printk"],
                Some("4 4 1 7"),
            ),
            (
                "k3os.sysctls.kernel.printk=4",
                &["k3os", "sysctls", "kernel.printk"],
                Some("4"),
            ),
            ("k3os.labels.a=b", &["k3os", "labels", "a"], Some("b")),
            (
                "run_cmd=\"echo hi there\"",
                &["run_cmd"],
                Some("echo hi there"),
            ),
            (
                "\"k3os.server_url=https://s:6443\"",
                &["k3os", "server_url"],
                Some("https://s:6443"),
            ),
            (
                "k3os.install.silent",
                &["k3os", "install", "silent"],
                Some("true"),
            ),
            (
                "k3os.dns_nameservers=a,b",
                &["k3os", "dns_nameservers"],
                Some("a,b"),
            ),
            ("root=/dev/x console=ttyS0", &["root"], None),
            ("k3os.wifi.name=x", &["k3os", "wifi"], None),
        ];
        for (arguments, path, want) in cases {
            let node = read(arguments, 0, &mut Remarks::default());
            assert_eq!(shown(&node, path).as_deref(), want, "{arguments}");
        }
    }

    #[test]
    fn settings_of_the_wrong_kind_are_ignored() {
        for arguments in [
            "k3os=1",
            "k3os.nope=1",
            "write_files.path=/a",
            "k3os.labels=x",
        ] {
            let mut remarks = Remarks::default();
            read(arguments, 0, &mut remarks);
            assert!(!remarks.is_fatal(), "{arguments}");
        }
    }
}
