//! One exhaustive match from operation to executor.

use super::{
    Context, Done, accounts, filesystem, image, luks, mount, raid, relabel, settle, ssh_keys,
    table, tree, unfinished, units,
};
use crate::plan::OpKind;

/// Carries out one operation.
///
/// # Errors
/// The error of the operation's executor; the caller adds which operation it was.
pub fn execute(kind: &OpKind, context: &Context) -> anyhow::Result<Done> {
    context.directories.run(kind, || act(kind, context))
}

fn act(kind: &OpKind, context: &Context) -> anyhow::Result<Done> {
    match kind {
        OpKind::AlreadyRight(_) | OpKind::Skipped(_) => Ok(Done::default()),
        OpKind::CreateImage(act) => image::create_image(act, context),
        OpKind::WriteTable(act) => table::write_table(act, context),
        OpKind::CreateArray(act) => raid::create_array(act, context),
        OpKind::AssembleArray(act) => raid::assemble_array(act, context),
        OpKind::CreateLuks(act) => luks::create_luks(act, context),
        OpKind::HandOver(act) => luks::hand_over(act, context),
        OpKind::MakeFilesystem(act) => filesystem::make_filesystem(act, context),
        OpKind::WipeDevice(act) => filesystem::wipe_device(act, context),
        OpKind::Settle(act) => settle::settle(act, context),
        OpKind::Mount(act) => mount::mount(act, context),
        OpKind::Sync(act) => mount::sync(act, context),
        OpKind::Unmount(act) => mount::unmount(act, context),
        OpKind::Group(act) => accounts::group(act, context),
        OpKind::User(act) => accounts::user(act, context),
        OpKind::SshKeys(act) => ssh_keys::ssh_keys(act, context),
        OpKind::Remove(act) => tree::remove(act, context),
        OpKind::Directory(act) => tree::directory(act, context),
        OpKind::File(act) => tree::file(act, context),
        OpKind::NoteFiles(act) => unfinished::note(act, context),
        OpKind::ForgetFiles(act) => unfinished::forget(act, context),
        OpKind::Symlink(act) => tree::symlink(act, context),
        OpKind::HardLink(act) => tree::hard_link(act, context),
        OpKind::DisableUnit(act) => units::disable(act, context),
        OpKind::Relabel(act) => relabel::relabel(act, context),
        OpKind::KernelArguments(act) => units::kernel_arguments(act, context),
    }
}
