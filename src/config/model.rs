//! The config in its latest version, as plain typed data.
//!
//! One model for all versions; older documents are translated to the latest one. `Option` means that absent differs
//! from empty, zero and false; plain strings, numbers and lists treat absent as empty. Serializing gives the canonical
//! form of the cache: unset options and empty lists are left out, object-valued sections are always present.

use super::shared_text::SharedText;
use serde::{Deserialize, Serialize};

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// A whole config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// Metadata: version, references, transport settings.
    pub ignition: Ignition,
    /// Kernel command line changes (since 3.3).
    pub kernel_arguments: KernelArguments,
    /// Users and groups.
    pub passwd: Passwd,
    /// Disks and everything on them.
    pub storage: Storage,
    /// Units.
    pub systemd: Systemd,
}

/// `ignition`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ignition {
    /// References to other configs.
    pub config: References,
    /// Proxies (since 3.1).
    pub proxy: Proxy,
    /// TLS settings.
    pub security: Security,
    /// HTTP time limits.
    pub timeouts: Timeouts,
    /// Spec version of the document.
    pub version: String,
}

/// `ignition.config`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct References {
    /// Configs merged into this one, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merge: Vec<Resource>,
    /// Config that takes this one's place.
    pub replace: Resource,
}

/// `ignition.proxy`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Proxy {
    /// Proxy for http.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_proxy: Option<String>,
    /// Proxy for https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_proxy: Option<String>,
    /// Hosts reached directly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
}

/// `ignition.security`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Security {
    /// TLS settings.
    pub tls: Tls,
}

/// `ignition.security.tls`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    /// PEM bundles trusted in addition to the system roots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificate_authorities: Vec<Resource>,
}

/// `ignition.timeouts`, in seconds; 0 means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// Wait for response headers per attempt; default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_response_headers: Option<i64>,
    /// Limit for the whole fetch with retries; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_total: Option<i64>,
}

/// Something to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resource {
    /// `gzip` or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// Extra request headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<HttpHeader>,
    /// URL; absent differs from empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SharedText>,
    /// Expected digest.
    pub verification: Verification,
}

/// A request header; without value it removes the parent's header when merging.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeader {
    /// Name, compared exactly.
    pub name: String,
    /// Value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Expected digest of the decompressed bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Verification {
    /// `sha512-<hex>` or `sha256-<hex>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// `kernelArguments`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KernelArguments {
    /// Arguments the command line must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub should_exist: Vec<String>,
    /// Arguments the command line must not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub should_not_exist: Vec<String>,
}

/// `passwd`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Passwd {
    /// Groups, in config order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<PasswdGroup>,
    /// Users, in config order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<PasswdUser>,
}

/// One group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswdGroup {
    /// Numeric id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<i64>,
    /// Name.
    pub name: String,
    /// Group password hash. Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// False: delete it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_exist: Option<bool>,
    /// System group (new groups only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
}

/// One user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswdUser {
    /// Comment field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gecos: Option<String>,
    /// Supplementary groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Home directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_dir: Option<String>,
    /// Login name.
    pub name: String,
    /// True: do not create the home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_create_home: Option<bool>,
    /// True: leave lastlog and faillog alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_log_init: Option<bool>,
    /// True: do not create a group named after the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_user_group: Option<bool>,
    /// crypt(5) hash. Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// Primary group, name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_group: Option<String>,
    /// Login shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// False: delete the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_exist: Option<bool>,
    /// Public keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
    /// System account (new accounts only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
    /// Numeric id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<i64>,
}

/// `storage`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Storage {
    /// Directories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<Directory>,
    /// Disks to partition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// File systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filesystems: Vec<Filesystem>,
    /// Symbolic and hard links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Encrypted volumes (since 3.2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub luks: Vec<Luks>,
    /// Software RAID arrays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub raid: Vec<Raid>,
}

/// What an entry puts at its path, as far as it matters to paths that lead through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirection<'a> {
    /// A symbolic link with this target.
    Link(&'a str),
    /// A directory that takes the place of whatever is there.
    Directory,
    /// A file, or another name of one, that takes the place of whatever is there.
    File,
}

impl Storage {
    /// The paths of entries that change where paths below them lead.
    pub fn redirections(&self) -> impl Iterator<Item = (&str, Redirection<'_>)> {
        let files = self.files.iter().filter(|f| f.overwrite == Some(true));
        let files = files.map(|f| f.path.as_str());
        let hard_links = self.links.iter().filter(|l| l.hard == Some(true));
        let hard_links = hard_links.filter(|l| l.overwrite == Some(true));
        let files = files.chain(hard_links.map(|l| l.path.as_str()));
        let directories = self
            .directories
            .iter()
            .filter(|d| d.overwrite == Some(true));
        let links = self.links.iter().filter(|l| l.hard != Some(true));
        directories
            .map(|d| (d.path.as_str(), Redirection::Directory))
            .chain(files.map(|path| (path, Redirection::File)))
            .chain(links.map(|l| {
                let target = l.target.as_deref().unwrap_or_default();
                (l.path.as_str(), Redirection::Link(target))
            }))
    }
}

impl Storage {
    /// Paths of the entries with `overwrite`, as written.
    pub fn overwriting_paths(&self) -> impl Iterator<Item = &str> {
        let directories = self.directories.iter().map(|d| (&d.path, d.overwrite));
        let files = self.files.iter().map(|f| (&f.path, f.overwrite));
        let links = self.links.iter().map(|l| (&l.path, l.overwrite));
        let entries = directories.chain(files).chain(links);
        entries
            .filter(|(_, overwrite)| *overwrite == Some(true))
            .map(|(path, _)| path.as_str())
    }
}

/// An owner by id or by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeOwner {
    /// Numeric id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Name, looked up in the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The owner of a directory, if it is created as a parent of something else. Other languages can state this, Ignition
/// cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewParent {
    /// Absolute path.
    pub path: String,
    /// Owner.
    pub user: NodeOwner,
    /// Owning group.
    pub group: NodeOwner,
}

/// One directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Directory {
    /// Owning group.
    pub group: NodeOwner,
    /// Remove what is there first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Absolute path.
    pub path: String,
    /// Owner.
    pub user: NodeOwner,
    /// Permission bits, decimal in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i64>,
}

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct File {
    /// Owning group.
    pub group: NodeOwner,
    /// Remove what is there first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Absolute path.
    pub path: String,
    /// Owner.
    pub user: NodeOwner,
    /// Fragments appended in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub append: Vec<Resource>,
    /// Body.
    pub contents: Resource,
    /// Permission bits, decimal in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i64>,
}

/// One link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Link {
    /// Owning group (symbolic links).
    pub group: NodeOwner,
    /// Remove what is there first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Absolute path.
    pub path: String,
    /// Owner (symbolic links).
    pub user: NodeOwner,
    /// True: hard link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard: Option<bool>,
    /// What it points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// One disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Disk {
    /// Absolute device path.
    pub device: String,
    /// Partitions, present or absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
    /// Erase the table first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_table: Option<bool>,
}

/// One partition; sizes in MiB.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Partition {
    /// GPT unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// GPT name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Slot; 0 = next free.
    #[serde(skip_serializing_if = "is_zero")]
    pub number: i64,
    /// May be resized when all but the size matches (since 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<bool>,
    /// False: must not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_exist: Option<bool>,
    /// Size in MiB; 0 = as large as possible.
    #[serde(rename = "sizeMiB", skip_serializing_if = "Option::is_none")]
    pub size_mib: Option<i64>,
    /// Start in MiB; 0 = start of the largest free block.
    #[serde(rename = "startMiB", skip_serializing_if = "Option::is_none")]
    pub start_mib: Option<i64>,
    /// GPT type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_guid: Option<String>,
    /// A mismatching entry may be deleted or recreated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_partition_entry: Option<bool>,
}

/// One file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filesystem {
    /// Device path, or the tag for virtiofs.
    pub device: String,
    /// ext4, btrfs, xfs, vfat, swap, none, virtiofs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Volume label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Arguments for mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mount_options: Vec<String>,
    /// Arguments for mkfs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Mount point below the target root while provisioning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Volume UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Wipe before creating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_filesystem: Option<bool>,
}

/// One encrypted volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Luks {
    /// IBM Crypto Express (since 3.5).
    pub cex: Cex,
    /// Automatic unlocking.
    pub clevis: Clevis,
    /// Backing device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Pass discards through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discard: Option<bool>,
    /// Key material. Secret.
    pub key_file: Resource,
    /// Volume label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Mapper name.
    pub name: String,
    /// Arguments for opening.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open_options: Vec<String>,
    /// Arguments for formatting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Volume UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Wipe before creating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_volume: Option<bool>,
}

/// `luks[].cex`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cex {
    /// Use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `luks[].clevis`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Clevis {
    /// Free-form pin, excludes the others.
    pub custom: ClevisCustom,
    /// Tang servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tang: Vec<Tang>,
    /// Pieces needed; default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<i64>,
    /// Bind to the TPM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm2: Option<bool>,
}

/// `luks[].clevis.custom`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClevisCustom {
    /// Pin configuration, JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Unlocking needs the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_network: Option<bool>,
    /// Pin name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// One tang server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tang {
    /// Advertisement as JSON text; absent = ask the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertisement: Option<String>,
    /// Signing key thumbprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// Server.
    pub url: String,
}

/// One array.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Raid {
    /// Member devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Redundancy level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// md device name.
    pub name: String,
    /// Extra mdadm arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Number of spares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spares: Option<i64>,
}

/// `systemd`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Systemd {
    /// Units, in config order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Unit>,
}

/// One unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Unit {
    /// Unit text; empty = no unit file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<String>,
    /// Drop-ins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropins: Vec<Dropin>,
    /// Preset; absent = leave alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Mask or unmask; absent = leave alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<bool>,
    /// Unit file name.
    pub name: String,
}

/// One drop-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dropin {
    /// Drop-in text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<String>,
    /// File name ending in `.conf`.
    pub name: String,
}
