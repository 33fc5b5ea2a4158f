//! Writes partition tables.

use super::{Context, Done};
use crate::disk::gpt;
use crate::host::devices::Access;
use crate::plan::op::WriteTable;

/// Writes a table.
pub fn write_table(act: &WriteTable, context: &Context) -> anyhow::Result<Done> {
    let mut disk = context.devices.disk(&act.disk, Access::Write)?;
    let table = act.table.clone().with_guids(&mut || gpt::Guid(rand16()));
    gpt::write(&mut disk.file, &table, &mut |file| file.sync_all())?;
    Ok(Done::default())
}

fn rand16() -> [u8; 16] {
    let mut bytes = [0; 16];
    let _ = std::io::Read::read_exact(
        &mut std::fs::File::open("/dev/urandom").unwrap(),
        &mut bytes,
    );
    bytes
}
