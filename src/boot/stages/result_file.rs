//! The result file: records in the real root when it was provisioned, and whether a user config was provided.

use crate::boot::paths::BOOT_ID;
use crate::boot::state::State;
use crate::host::{Command, TargetRoot};
use crate::layout::RESULT_FILE;
use crate::log::Log;
use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use std::fs;

/// A program of the distribution that succeeds on live systems, whose root is lost on reboot.
const LIVE_PROGRAM: &str = "is-live-image";

/// The contents of the file. Ignition writes the fields in this order.
#[derive(Serialize)]
struct ResultFile {
    #[serde(rename = "provisioningBootID")]
    boot_id: String,
    #[serde(rename = "provisioningDate")]
    date: String,
    #[serde(rename = "userConfigProvided")]
    user_config: bool,
    #[serde(rename = "previousReport", skip_serializing_if = "Option::is_none")]
    previous: Option<Value>,
}

/// The text of the result file for this run.
///
/// # Errors
/// If the boot id or the result file of an earlier run cannot be read.
pub(super) fn text(root: &TargetRoot, state: &State, log: &Log) -> anyhow::Result<String> {
    let boot_id = fs::read_to_string(BOOT_ID).with_context(|| format!("cannot read {BOOT_ID}"))?;
    let result = ResultFile {
        boot_id: boot_id.trim().into(),
        date: crate::text::time::now(),
        user_config: state.has_user_config(),
        previous: previous(root, log)?,
    };
    Ok(format!("{}\n", serde_json::to_string_pretty(&result)?))
}

/// The result of an earlier run, if there is one and this is not a live system.
fn previous(root: &TargetRoot, log: &Log) -> anyhow::Result<Option<Value>> {
    let text = root
        .read(RESULT_FILE)
        .with_context(|| format!("cannot read {RESULT_FILE} of an earlier run"))?;
    let Some(text) = text else {
        return Ok(None);
    };
    if is_live(log) {
        return Ok(None);
    }
    if text.is_empty() {
        log.warning(format_args!(
            "{RESULT_FILE} of an earlier run is empty: that run was cut short"
        ));
        return Ok(None);
    }
    log.warning(
        "Ignition already ran on this system; the result of the earlier run is kept in the new one",
    );
    let value = serde_json::from_str(&text)
        .with_context(|| format!("{RESULT_FILE} of an earlier run is not valid JSON; remove it"))?;
    Ok(Some(value))
}

fn is_live(log: &Log) -> bool {
    match Command::new(LIVE_PROGRAM).run() {
        Ok(_) => true,
        Err(error) => {
            if error
                .downcast_ref::<crate::host::command::CommandFailure>()
                .is_none()
            {
                log.notice(format_args!(
                    "no program {LIVE_PROGRAM}; assuming that this is not a live system"
                ));
            }
            false
        }
    }
}
