//! `kindling platform show`: everything there is to know of one platform.

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

/// Prints what is known.
pub(super) fn run(args: &ShowArgs) -> Result<Exit, ExitError> {
    let platform = platform::find(&args.id).ok_or_else(|| unknown(&args.id))?;
    match args.json {
        true => terminal::write_line(&format!("{:#}", json(platform)))?,
        false => terminal::print(&human(platform))?,
    }
    Ok(Exit::Done)
}

/// No platform has this id.
pub(in crate::cli) fn unknown(id: &str) -> ExitError {
    let near = platform::PLATFORMS.iter().map(|platform| platform.id());
    let near = near.filter(|known| known.contains(id) || id.contains(known));
    let near: Vec<&str> = near.filter(|_| !id.is_empty()).collect();
    let hint = match near.as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(" or ")),
    };
    ExitError::usage(format!(
        "unknown platform {id:?}{hint}; `kindling platform list` lists all"
    ))
}

/// Everything, for programs.
pub(super) fn json(platform: &dyn Platform) -> Value {
    let about = platform.about();
    let modules = about.modules.iter().map(
        |module| json!({"name": module.name(), "loadedByUs": matches!(module, KernelModule::Loaded(_))}),
    );
    json!({
        "id": platform.id(),
        "aliasOf": platform.alias_of(),
        "source": about.source.replace('`', ""),
        "asks": platform.asks(),
        "noConfig": about.no_config.replace('`', ""),
        "waits": about.waits.replace('`', ""),
        "needsNetwork": about.network == Network::Needed,
        "kernelModules": modules.collect::<Vec<_>>(),
        "testedBy": about.tested.name(),
        "readOnce": platform.is_read_once(),
    })
}

/// Everything, for people.
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
    let asks = platform.asks();
    let named = std::iter::once("asks").chain(std::iter::repeat(""));
    lines.extend(named.zip(asks));
    lines.push(("no config", about.no_config.into()));
    lines.push(("waits", about.waits.into()));
    lines.push(("network", network.into()));
    let named = std::iter::once("modules").chain(std::iter::repeat(""));
    lines.extend(named.zip(about.modules.iter().map(module)));
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
    fn everything_has_words() {
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
    fn requests_are_told_as_they_are_made() {
        let text = human(find("gcp").expect("there"));
        let line = "asks       GET http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data with Metadata-Flavor: Google\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_wrong_name_gets_a_hint() {
        let told = unknown("google-gcp").message;
        assert!(told.contains("did you mean gcp?"), "{told}");
        let told = unknown("").message;
        assert!(told.starts_with("unknown platform \"\"; "), "{told}");
    }
}
