//! SSH keys that are fetched before anything is changed, in addition to those in the config itself.

use super::assembly::{AssembledFile, Assembly, FileBody};
use super::node::Node;

/// File of fetched keys. Those in the config are in `authorized_keys`, which can have one origin only.
const FILE: &str = "authorized_keys2";

/// The server reads both files by default, but many systems set the first one alone.
const SERVER_FILE: &str = "/etc/ssh/sshd_config.d/30-fetched-keys.conf";
const SERVER_SETTING: &str = "AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2\n";

/// Adds keys of the account `name`, whose home is `home` or the usual one. Failing to get them fails the run.
pub(super) fn add(
    at: u32,
    name: &str,
    home: Option<&str>,
    keys: Vec<FileBody>,
    assembly: &mut Assembly<'_>,
) {
    if keys.is_empty() {
        return;
    }
    let directory = match (home, name) {
        (Some(home), _) => format!("{}/.ssh", home.trim_end_matches('/')),
        (None, "root") => "/root/.ssh".to_owned(),
        (None, name) => format!("/home/{name}/.ssh"),
    };
    assembly.add_directory(at, &directory, Some(0o700), Some(name));
    let owner = Node::mapping(at).with("name", Node::text(at, name.to_owned()));
    assembly.add_file(AssembledFile {
        append: keys,
        user: Some(owner),
        ..AssembledFile::appended(at, format!("{directory}/{FILE}"), 0o600, "")
    });
    assembly.add_file(AssembledFile::new(at, SERVER_FILE, 0o644, SERVER_SETTING));
}
