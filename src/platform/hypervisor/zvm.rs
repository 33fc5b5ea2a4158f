//! Platform `zvm` (s390x): a spool file of type `ign` in the virtual reader of a z/VM guest.

use crate::fetch::MAX_BUFFER_BYTES;
use crate::host::Command;
use crate::input;
use crate::log::Log;
use crate::platform::contract::{
    About, Answer, FetchContext, KernelModule, Network, Platform, TestLevel,
};
use crate::platform::source::encoding::without_nuls;
use crate::platform::source::kernel_module;
use anyhow::{Context, ensure};
use std::path::Path;

/// Device number of the reader, the same in every guest.
const READER: &str = "000c";
const TYPE: &str = "ign";
/// Maximum size of a listing: at most 9999 spool files with about 80 bytes each.
const MAX_LISTING_BYTES: usize = 4 << 20;

/// The platform.
pub(crate) struct Zvm;

impl Platform for Zvm {
    fn id(&self) -> &'static str {
        "zvm"
    }

    fn about(&self) -> About {
        About {
            source: "the first spool file of type `ign` in the reader (`000c`), without the NULs around it (s390x)",
            requests: &[
                "chccwdev -e 000c, if need be after cio_ignore -r 000c; udevadm settle",
                "vmur li",
                "vmur re -f SPOOL-ID of the first file of type ign",
            ],
            no_config: "there is no such spool file, or it has nothing but NULs",
            waits: "none",
            network: Network::NotNeeded,
            modules: &[KernelModule::Loaded("vmur")],
            tested: TestLevel::StandIn,
        }
    }

    fn is_read_once(&self) -> bool {
        true
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let log = context.log;
        kernel_module::load("vmur", log)?;
        log.operation(format_args!("switching the reader {READER} on"), || {
            switch_on(log)
        })?;
        let listing = Command::new("vmur")
            .arg("li")
            .keeping(MAX_LISTING_BYTES)
            .run()?;
        let listing = format!("{}\n{}", listing.stdout, listing.stderr);
        let Some(file) = find_config(&listing) else {
            log.info(format_args!("no spool file of type {TYPE} in the reader"));
            return Ok(Answer::Empty);
        };
        log.operation(
            format_args!("receiving spool file {} {}", file.id, file.name),
            || receive(&file, log),
        )
    }
}

fn switch_on(log: &Log) -> anyhow::Result<()> {
    let switch_on = Command::new("chccwdev").args(["-e", READER]);
    if let Err(error) = switch_on.run() {
        log.info(format_args!(
            "the kernel may have been told not to look at {READER}: {error:#}"
        ));
        Command::new("cio_ignore").args(["-r", READER]).run()?;
        switch_on.run()?;
    }
    Command::new("udevadm").arg("settle").run().map(drop)
}

/// A file in the reader.
#[derive(Debug, PartialEq, Eq)]
struct SpoolFile {
    id: String,
    name: String,
}

/// Finds the first file of our type in a listing. Its rows have at least 11 columns, of which the second is the id, the
/// tenth the name and the eleventh the type; the first line without columns ends the listing.
fn find_config(listing: &str) -> Option<SpoolFile> {
    let rows = listing
        .lines()
        .map(|line| line.split_whitespace().collect());
    let mut rows = rows.take_while(|columns: &Vec<&str>| columns.len() > 1);
    rows.find_map(|columns| match columns.get(10) {
        Some(&TYPE) => Some(SpoolFile {
            id: columns[1].into(),
            name: columns[9].into(),
        }),
        _ => None,
    })
}

/// Receives the file, which removes it from the reader.
fn receive(file: &SpoolFile, log: &Log) -> anyhow::Result<Answer> {
    ensure!(
        file.id.bytes().all(|byte| byte.is_ascii_digit()),
        "vmur lists a spool file with id {:?}, which is not a number",
        file.id
    );
    let directory = tempfile::tempdir().context("cannot create a directory for the spool file")?;
    let path = directory.path().join(TYPE);
    Command::new("vmur")
        .args(["re", "-f", &file.id])
        .arg(path.display().to_string())
        .run()?;
    Ok(read_received(&path, file, log))
}

fn read_received(path: &Path, file: &SpoolFile, log: &Log) -> Answer {
    let name = format!("spool file {} {}.{TYPE}", file.id, file.name);
    match input::read(path, MAX_BUFFER_BYTES) {
        Ok(text) => Answer::of(name, without_nuls(text)),
        Err(error) => {
            log.warning(format_args!("no config: cannot read {name}: {error}"));
            Answer::Empty
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str =
        "ORIGINID FILE CLASS RECORDS  CPY HOLD DATE  TIME     NAME      TYPE     DIST
RSCS     0008 B PUN 00000010 001 NONE 06-11 15:07:42 PROFILE   EXEC     SYSPROG
LINUX    0012 A PUN 00000099 001 NONE 06-11 15:08:00 coreos    ign      SYSPROG
LINUX    0013 A PUN 00000099 001 NONE 06-11 15:09:00 second    ign      SYSPROG
";

    fn id_of(listing: &str) -> Option<String> {
        find_config(listing).map(|file| format!("{} {}", file.id, file.name))
    }

    #[test]
    fn the_first_file_of_the_type_counts() {
        assert_eq!(id_of(LISTING).as_deref(), Some("0012 coreos"));
        let first = LISTING.lines().next().expect("a head");
        assert_eq!(id_of(first), None);
        assert_eq!(id_of(""), None);
    }

    #[test]
    fn a_line_without_columns_ends_the_listing() {
        let cut = LISTING.replacen("LINUX    0012", "\nLINUX    0012", 1);
        assert_eq!(id_of(&cut), None);
        let upper = LISTING.replace(" ign ", " IGN ");
        assert_eq!(id_of(&upper), None);
    }
}
