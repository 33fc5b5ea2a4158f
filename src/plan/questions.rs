//! What planning has to know and cannot determine itself: questions that observation answers.
//!
//! They come from a draft of the disks part of the plan, based on what is known so far. An answer may raise the next
//! question: what is where a partition will be decides whether a file system is created there.

use super::op::{self, OpKind};
use super::{Draft, Options, Scope, StagePart, devices, filesystems, mounts};
use crate::config::Document;
use crate::config::model::Config;
use crate::disk::DeviceRef;
use crate::disk::extent::Extent;
use crate::disk::gpt::Entry;
use crate::facts::Observed;
use crate::facts::rehearsal::MkfsRequest;
use crate::layout::{
    CRYPTTAB, DEBIAN_MDADM_CONF, KEY_DIRECTORY, MDADM_CONF, REPORT_FILE, RESULT_FILE, key_file,
};

/// The questions of a config, based on what is known so far.
pub struct Questions<'a> {
    draft: Draft<'a>,
}

impl<'a> Questions<'a> {
    /// Drafts the disks part of the plan.
    pub fn of(document: &'a Document, observed: &'a Observed, options: &'a Options) -> Self {
        let mut draft = Draft::new(document, observed, options);
        super::build::storage(&mut draft);
        Self { draft }
    }

    /// Places of new partitions, by disk: what is there already?
    pub fn new_places(&self) -> Vec<(String, Extent)> {
        let places = self.written_places();
        places.map(|(disk, _, extent)| (disk, extent)).collect()
    }

    /// Partitions that will be moved or created, with their places.
    pub fn moved_partitions(&self) -> Vec<(DeviceRef, Extent)> {
        let moved = self.written_places().filter(|(disk, number, extent)| {
            let facts = self.draft.observed.disks.get(disk);
            let present = facts.and_then(|facts| facts.table.gpt()?.entries.get(number));
            present.map(Entry::extent) != Some(*extent)
        });
        moved
            .map(|(disk, number, extent)| (DeviceRef::Partition { disk, number }, extent))
            .collect()
    }

    /// Disk, number and place of all partitions in tables that will be written.
    fn written_places(&self) -> impl Iterator<Item = (String, u32, Extent)> + '_ {
        let operations = self.draft.operations().iter();
        let written = operations.filter_map(|operation| match &operation.kind {
            OpKind::WriteTable(write) => Some(write),
            _ => None,
        });
        written.flat_map(|write| {
            let entries = write.table.entries.iter();
            entries.map(|(number, entry)| (write.disk.clone(), *number, entry.extent()))
        })
    }

    /// File systems that will be created: would the programs accept their arguments?
    pub fn rehearsals(&self) -> Vec<MkfsRequest> {
        filesystems::mkfs_requests(&self.draft)
    }

    /// Mounts of file systems that exist and stay as they are: what is in them?
    pub fn kept_mounts(&self) -> Vec<op::Mount> {
        mounts::kept_mounts(&self.draft)
    }

    /// Devices of the config that neither exist nor will be created: will something else provide them?
    pub fn missing_devices(&self) -> Vec<String> {
        devices::unknown(&self.draft)
    }
}

/// Paths that a run of this scope writes to although no config names them: what is there now?
pub fn own_paths(config: &Config, scope: Scope) -> Vec<String> {
    let mut paths = Vec::new();
    if scope == Scope::Stage(StagePart::Files) {
        paths.extend([RESULT_FILE.to_owned(), REPORT_FILE.to_owned()]);
        if !config.storage.raid.is_empty() {
            paths.extend([MDADM_CONF.to_owned(), DEBIAN_MDADM_CONF.to_owned()]);
        }
    }
    let volumes = &config.storage.luks;
    let keeps_keys = matches!(scope, Scope::Everything | Scope::Stage(StagePart::Files));
    if keeps_keys && !volumes.is_empty() {
        paths.extend([CRYPTTAB.to_owned(), KEY_DIRECTORY.to_owned()]);
        paths.extend(volumes.iter().map(|luks| key_file(&luks.name)));
    }
    paths
}
