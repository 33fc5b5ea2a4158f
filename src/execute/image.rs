//! Creates and grows image files.

use super::{Context, Done};
use crate::plan::op::CreateImage;
use anyhow::Context as _;
use std::fs::File;

/// Creates a sparse image file, or grows one that exists. Never shrinks.
///
/// # Errors
/// If the file cannot be created or resized; the message names it.
pub fn create_image(act: &CreateImage, _: &Context) -> anyhow::Result<Done> {
    let resize = || -> std::io::Result<()> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&act.path)?;
        if file.metadata()?.len() < act.bytes {
            file.set_len(act.bytes)?;
        }
        file.sync_all()
    };
    resize().with_context(|| {
        format!(
            "cannot resize {} to {} bytes",
            act.path.display(),
            act.bytes
        )
    })?;
    Ok(Done::default())
}
