//! The address of the DHCP server, from the lease that a DHCP client has stored.

use super::waiting::WaitProgress;
use crate::host::Command;
use crate::input;
use crate::log::Log;
use anyhow::{Context, bail};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where leases are looked for, for messages.
pub(crate) const PLACES: &str = "systemd-networkd (/run/systemd/netif/leases), NetworkManager (nmcli), dhclient of dracut (/tmp/dhclient.*.dhcpopts)";
const NETWORKD: &str = "run/systemd/netif/leases";
const DRACUT: &str = "tmp";
/// Maximum size of a lease; most have less than a kibibyte.
const MAX_LEASE_BYTES: u64 = 1 << 20;
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const NMCLI_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits for a lease, and returns the address of its server.
///
/// # Errors
/// If a lease names no server or cannot be read, or the wait was cancelled.
pub(crate) fn server(log: &Log, cancelled: &dyn Fn() -> bool) -> anyhow::Result<IpAddr> {
    let mut waiting = WaitProgress::begin("a lease of a DHCP server", None, log, cancelled);
    loop {
        if let Some(server) = find_server(Path::new("/"))? {
            log.info(format_args!("the DHCP server is {server}"));
            return Ok(server);
        }
        waiting.pause(POLL_INTERVAL)?;
    }
}

fn find_server(root: &Path) -> anyhow::Result<Option<IpAddr>> {
    for lease in sorted_files(&root.join(NETWORKD)) {
        let Some(text) = read(&lease)? else { continue };
        let shown = lease.display();
        let Some(value) = value_of(&text, "SERVER_ADDRESS") else {
            bail!("lease {shown} names no server");
        };
        return parse_address(&value)
            .map(Some)
            .with_context(|| format!("lease {shown}"));
    }
    for options in sorted_files(&root.join(DRACUT)) {
        let name = options.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with("dhclient.") && name.ends_with(".dhcpopts")) {
            continue;
        }
        let text = read(&options)?.unwrap_or_default();
        if let Some(value) = value_of(&text, "new_dhcp_server_identifier") {
            return parse_address(value.trim_matches(['\'', '"'])).map(Some);
        }
    }
    if !root.join("run/NetworkManager").is_dir() {
        return Ok(None);
    }
    // nmcli may be missing, or fail while the service starts: then there is no lease yet.
    let output = Command::new("nmcli")
        .args(["-t", "-f", "DHCP4", "device", "show"])
        .within(NMCLI_TIMEOUT)
        .run();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    server_of_nmcli(&output).map(parse_address).transpose()
}

fn sorted_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Reads a file that may be removed at any time.
fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match input::read(path, MAX_LEASE_BYTES) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read lease {}", path.display())),
    }
}

/// The value in the first line of the form `KEY=VALUE`, without another `=`.
fn value_of(text: &str, key: &str) -> Option<String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut values = pairs.filter(|(name, value)| *name == key && !value.contains('='));
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// The address in a line like `DHCP4.OPTION[4]:dhcp_server_identifier = 10.0.2.2`.
fn server_of_nmcli(text: &str) -> Option<&str> {
    let options = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = options.filter_map(|(_, option)| option.split_once(" = "));
    let server = values.find(|(name, _)| name.trim() == "dhcp_server_identifier");
    server.map(|(_, value)| value.trim())
}

fn parse_address(address: &str) -> anyhow::Result<IpAddr> {
    let parsed = address.parse();
    parsed.with_context(|| format!("invalid DHCP server address {address:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        root
    }

    fn server_in(files: &[(&str, &str)]) -> Result<Option<String>, String> {
        let found = find_server(root(files).path());
        let found = found.map_err(|error| format!("{error:#}"))?;
        Ok(found.map(|server| server.to_string()))
    }

    #[test]
    fn leases_of_networkd() {
        let lease = "# private\nADDRESS=10.1.1.5\nSERVER_ADDRESS=10.1.1.1\nT1=1800\n";
        let path = "run/systemd/netif/leases/2";
        assert_eq!(server_in(&[]), Ok(None));
        assert_eq!(server_in(&[(path, lease)]), Ok(Some("10.1.1.1".into())));
        for (text, want) in [
            ("ADDRESS=10.1.1.5\n", "names no server"),
            ("SERVER_ADDRESS=a=b\n", "names no server"),
            ("SERVER_ADDRESS=host\n", "invalid DHCP server address"),
        ] {
            let error = server_in(&[(path, text)]).expect_err(text);
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn options_of_dhclient() {
        let options = "new_ip_address='10.0.0.9'\nnew_dhcp_server_identifier='10.0.0.1'\n";
        let files = [
            ("tmp/dhclient.eth0.dhcpopts", options),
            ("tmp/x.dhcpopts", "new_dhcp_server_identifier='1.1.1.1'"),
        ];
        assert_eq!(server_in(&files), Ok(Some("10.0.0.1".into())));
    }

    #[test]
    fn lines_of_nmcli() {
        let text = "DHCP4.OPTION[1]:broadcast_address = 10.0.2.255\nDHCP4.OPTION[4]:dhcp_server_identifier = 10.0.2.2\n";
        assert_eq!(server_of_nmcli(text), Some("10.0.2.2"));
        assert_eq!(server_of_nmcli("DHCP4.OPTION[1]:x = y\n"), None);
    }
}
