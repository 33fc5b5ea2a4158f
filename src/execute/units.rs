//! Disables units and changes kernel arguments, with the programs for that.

use super::{Context, Done};
use crate::host::Command;
use crate::plan::op::{DisableUnit, KernelArgumentsAct};

/// Removes the links that enable a unit.
pub fn disable(act: &DisableUnit, context: &Context) -> anyhow::Result<Done> {
    disable_command(&act.unit, &context.root.path().to_string_lossy()).run()?;
    Ok(Done::default())
}

fn disable_command(unit: &str, root: &str) -> Command {
    let command = Command::new("systemctl").args(["--root", root, "disable"]);
    // E.g. `-.mount`, the unit of the root directory, would be parsed as an option.
    match unit.starts_with('-') {
        true => command.args(["--", unit]),
        false => command.arg(unit),
    }
}

/// Runs the helper of the distribution, with the arguments to add first.
pub fn kernel_arguments(act: &KernelArgumentsAct, _: &Context) -> anyhow::Result<Done> {
    kernel_arguments_command(act).run()?;
    Ok(Done::default())
}

fn kernel_arguments_command(act: &KernelArgumentsAct) -> Command {
    let add = act
        .should_exist
        .iter()
        .map(|argument| ("--should-exist", argument));
    let remove = act
        .should_not_exist
        .iter()
        .map(|argument| ("--should-not-exist", argument));
    add.chain(remove).fold(
        Command::new("ignition-kargs-helper"),
        |command, (option, argument)| command.arg(option).arg(argument),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_names_are_not_options() {
        for (unit, shown) in [("a.service", "a.service"), ("-.mount", "-- -.mount")] {
            let command = disable_command(unit, "/r").to_string();
            assert_eq!(command, format!("systemctl --root /r disable {shown}"));
        }
    }

    #[test]
    fn kernel_arguments_stay_single_words() {
        let act = KernelArgumentsAct {
            should_exist: vec!["a b".into(), "c".into()],
            should_not_exist: vec!["d".into()],
        };
        assert_eq!(
            kernel_arguments_command(&act).to_string(),
            "ignition-kargs-helper --should-exist \"a b\" --should-exist c --should-not-exist d"
        );
    }
}
