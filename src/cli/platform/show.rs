//! `kindling platform show`: describes one platform.

use crate::cli::exit::{Exit, ExitError};
use crate::cli::suggested;
use crate::platform::{self, KernelModule, Network, Platform};
use crate::terminal;
use clap::Args;
use serde_json::{Value, json};

/// `kindling platform show`
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// The platform; `kindling platform list` names them
    #[arg(value_name = "ID", value_parser = suggested::platform(), hide_possible_values = true)]
    id: String,
}

/// Prints the description of a platform.
pub(super) fn run(args: &ShowArgs) -> Result<Exit, ExitError> {
    let platform = platform::find(&args.id).ok_or_else(|| unknown_platform(&args.id))?;
    match args.json {
        true => terminal::write_line(&format!("{:#}", json(platform)))?,
        false => terminal::print(&human(platform))?,
    }
    Ok(Exit::Done)
}

/// The error for an id that no platform has, with similar ones.
pub(in crate::cli) fn unknown_platform(id: &str) -> ExitError {
    let similar = platform::PLATFORMS.iter().map(|platform| platform.id());
    let similar = similar.filter(|known| known.contains(id) || id.contains(known));
    let similar: Vec<&str> = similar.filter(|_| !id.is_empty()).collect();
    let hint = match similar.as_slice() {
        [] => String::new(),
        similar => format!("; did you mean {}?", similar.join(" or ")),
    };
    ExitError::usage(format!(
        "unknown platform {id:?}{hint}; `kindling platform list` lists all"
    ))
}

/// The description for programs.
pub(super) fn json(platform: &dyn Platform) -> Value {
    let about = platform.about();
    let modules = about.modules.iter().map(
        |module| json!({"name": module.name(), "loadedByUs": matches!(module, KernelModule::Loaded(_))}),
    );
    json!({
        "id": platform.id(),
        "aliasOf": platform.alias_of(),
        "source": about.source.replace('`', ""),
        "asks": platform.requests(),
        "noConfig": about.no_config.replace('`', ""),
        "waits": about.waits.replace('`', ""),
        "needsNetwork": about.network == Network::Needed,
        "kernelModules": modules.collect::<Vec<_>>(),
        "testedBy": about.tested.name(),
        "readOnce": platform.is_read_once(),
    })
}

/// The description for people.
fn human(platform: &dyn Platform) -> String {
    let about = platform.about();
    let network = match about.network {
        Network::Needed => "needed; the stage fetch-offline asks for it",
        Network::NotNeeded => "not needed",
    };
    let mut lines = vec![("platform", platform.id().to_owned())];
    if let Some(other) = platform.alias_of() {
        lines.push(("is", format!("another name of {other}")));
    }
    lines.push(("config", about.source.into()));
    let requests = platform.requests();
    let labels = std::iter::once("asks").chain(std::iter::repeat(""));
    lines.extend(labels.zip(requests));
    lines.push(("no config", about.no_config.into()));
    lines.push(("waits", about.waits.into()));
    lines.push(("network", network.into()));
    let labels = std::iter::once("modules").chain(std::iter::repeat(""));
    lines.extend(labels.zip(about.modules.iter().map(module)));
    if platform.is_read_once() {
        lines.push(("reading", "only once: reading removes it".into()));
    }
    lines.push(("tested by", about.tested.name().into()));
    let line = |(name, text): (&str, String)| format!("{name:11}{}\n", text.replace('`', ""));
    lines.into_iter().map(line).collect()
}

fn module(module: &KernelModule) -> String {
    match module {
        KernelModule::Loaded(name) => format!("{name}, loaded by kindling if it is not there"),
        KernelModule::Expected(name) => format!("{name}, loaded by the kernel or udev"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{PLATFORMS, find};

    #[test]
    fn every_line_has_text() {
        for platform in PLATFORMS {
            let text = human(*platform);
            assert!(!text.contains('`'), "{text}");
            for name in [
                "platform",
                "config",
                "no config",
                "waits",
                "network",
                "tested by",
            ] {
                let line = text.lines().find(|line| line.starts_with(name));
                let line = line.unwrap_or_else(|| panic!("{name}: {text}"));
                assert!(line.len() > 11, "{name}: {text}");
            }
        }
    }

    #[test]
    fn requests_are_shown_as_they_are_made() {
        let text = human(find("gcp").expect("there"));
        let line = "asks       GET http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data with Metadata-Flavor: Google\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_wrong_name_gets_a_hint() {
        let message = unknown_platform("google-gcp").message;
        assert!(message.contains("did you mean gcp?"), "{message}");
        let message = unknown_platform("").message;
        assert!(message.starts_with("unknown platform \"\"; "), "{message}");
    }
}
