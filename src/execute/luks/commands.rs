//! The commands for volumes, as values. Keys are passed in files, never as arguments.

use crate::host::Command;
use crate::plan::op::{ClevisBinding, CreateLuks, MarkLifetime, OpenMode};
use crate::plan::volumes::MARK;

fn cryptsetup(verb: &str) -> Command {
    Command::new("cryptsetup").arg(verb)
}

/// Formats a device. `key_arguments` are those of the volume key, if that is a special one; they follow the device.
pub(super) fn format(
    act: &CreateLuks,
    device: &str,
    key: &str,
    key_arguments: Option<Vec<String>>,
) -> Command {
    let mut command =
        cryptsetup("luksFormat").args(["--batch-mode", "--type", "luks2", "--key-file", key]);
    if let Some(label) = &act.label {
        command = command.args(["--label", label]);
    }
    if let Some(uuid) = &act.uuid {
        command = command.args(["--uuid", uuid]);
    }
    if act.mark != MarkLifetime::Never {
        command = command.args(["--subsystem", MARK]);
    }
    command
        .args(act.options.iter())
        .arg(device)
        .args(key_arguments.unwrap_or_default())
}

/// Opens a volume. `--persistent` stores the flags in the header, so they need no crypttab option. It also removes
/// stored flags that are not given, so an existing volume gets it only if the config has options.
pub(super) fn open(act: &CreateLuks, device: &str, key: &str) -> Command {
    let mut command = cryptsetup("luksOpen").args([device, &act.name, "--key-file", key]);
    if act.way == OpenMode::Format || !act.open_options.is_empty() {
        command = command.arg("--persistent");
    }
    if act.discard {
        command = command.arg("--allow-discards");
    }
    command.args(act.open_options.iter())
}

/// Succeeds if the key opens the volume, without opening it.
pub(super) fn try_key(device: &str, key: &str) -> Command {
    cryptsetup("open").args(["--test-passphrase", "--key-file", key, device])
}

/// Closes a mapping.
pub(super) fn close(name: &str) -> Command {
    cryptsetup("luksClose").arg(name)
}

/// Removes a key from a volume.
pub(super) fn remove_key(device: &str, key: &str) -> Command {
    cryptsetup("luksRemoveKey").args(["--batch-mode", device, key])
}

/// Removes the mark from a header. cryptsetup sets the label together with it.
pub(super) fn unmark(device: &str, label: Option<&str>) -> Command {
    cryptsetup("config").args([
        device,
        "--subsystem",
        "",
        "--label",
        label.unwrap_or_default(),
    ])
}

/// Binds a volume to a pin. The configuration of a custom pin may contain secrets, so it is never shown.
pub(super) fn bind(binding: &ClevisBinding, device: &str, key: &str) -> Command {
    Command::new("clevis")
        .args(["luks", "bind", "-f", "-k", key, "-d", device, &binding.pin])
        .secret(&binding.config)
}

/// Encrypts a word with a pin, to check that this works.
pub(super) fn try_pin(binding: &ClevisBinding) -> Command {
    Command::new("clevis")
        .args(["encrypt", &binding.pin])
        .secret(&binding.config)
        .stdin("trial")
}

/// Unlocks a volume by its binding.
pub(super) fn unlock(device: &str, name: &str) -> Command {
    Command::new("clevis").args(["luks", "unlock", "-d", device, "-n", name])
}

/// Generates a volume key that only the Crypto Express adapters can use.
pub(super) fn generate_volume_key(volume: &str, queues: &str) -> Command {
    Command::new("zkey")
        .args(["generate", "--name", &format!("ignition-luks-{volume}")])
        .args(["--key-type", "CCA-AESCIPHER", "--xts", "--description"])
        .arg(format!("Secure Key for {volume} Volume"))
        .args(["--apqns", queues])
}

/// Stores a pattern in the header by which a volume key can be verified.
pub(super) fn set_verification_pattern(device: &str, key: &str) -> Command {
    Command::new("zkey-cryptsetup").args(["setvp", device, "--key-file", key])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DeviceRef;
    use crate::plan::op::{Expected, KeySource};

    fn act() -> CreateLuks {
        CreateLuks {
            name: "data".into(),
            device: DeviceRef::Path {
                path: "/dev/x".into(),
            },
            label: None,
            uuid: None,
            key: KeySource::Generated,
            options: Vec::new(),
            open_options: Vec::new(),
            discard: false,
            way: OpenMode::Format,
            expected: Expected::Blank,
            close_first: false,
            mark: MarkLifetime::Never,
            clevis: None,
        }
    }

    #[test]
    fn formatting() {
        let start = "cryptsetup luksFormat --batch-mode --type luks2 --key-file K";
        let plain = act();
        assert_eq!(
            format(&plain, "/dev/x", "K", None).to_string(),
            format!("{start} /dev/x")
        );
        let all = CreateLuks {
            label: Some("my label".into()),
            uuid: Some("u-1".into()),
            mark: MarkLifetime::UntilHandOver,
            options: vec!["--cipher".into(), "c".into()],
            ..act()
        };
        let key_arguments = vec!["--volume-key-file".into(), "f".into()];
        assert_eq!(
            format(&all, "/dev/x", "K", Some(key_arguments)).to_string(),
            format!(
                "{start} --label \"my label\" --uuid u-1 --subsystem kindling-provisioning --cipher c /dev/x \
                 --volume-key-file f"
            )
        );
    }

    #[test]
    fn opening() {
        let start = "cryptsetup luksOpen /dev/x data --key-file K --persistent";
        assert_eq!(open(&act(), "/dev/x", "K").to_string(), start);
        let all = CreateLuks {
            discard: true,
            open_options: vec!["--perf-no_read_workqueue".into()],
            ..act()
        };
        let expected = format!("{start} --allow-discards --perf-no_read_workqueue");
        assert_eq!(open(&all, "/dev/x", "K").to_string(), expected);
        let kept = CreateLuks {
            way: OpenMode::Open,
            ..act()
        };
        assert_eq!(
            open(&kept, "/dev/x", "K").to_string(),
            "cryptsetup luksOpen /dev/x data --key-file K"
        );
        assert_eq!(
            try_key("/dev/x", "K").to_string(),
            "cryptsetup open --test-passphrase --key-file K /dev/x"
        );
        assert_eq!(close("data").to_string(), "cryptsetup luksClose data");
    }

    #[test]
    fn headers() {
        assert_eq!(
            unmark("/dev/x", Some("l")).to_string(),
            "cryptsetup config /dev/x --subsystem \"\" --label l"
        );
        assert_eq!(
            unmark("/dev/x", None).to_string(),
            "cryptsetup config /dev/x --subsystem \"\" --label \"\""
        );
        assert_eq!(
            remove_key("/dev/x", "K").to_string(),
            "cryptsetup luksRemoveKey --batch-mode /dev/x K"
        );
    }

    #[test]
    fn binding_shows_no_configuration() {
        let binding = ClevisBinding {
            pin: "sss".into(),
            config: "{}".into(),
            words: String::new(),
            servers: Vec::new(),
            prove: true,
            remove_key: true,
        };
        let command = bind(&binding, "/dev/x", "K");
        assert_eq!(
            command.to_string(),
            "clevis luks bind -f -k K -d /dev/x sss [hidden]"
        );
        assert_eq!(
            command.arguments.last().map(|a| a.shown()),
            Some("[hidden]")
        );
        assert_eq!(try_pin(&binding).to_string(), "clevis encrypt sss [hidden]");
        assert_eq!(
            unlock("/dev/x", "data").to_string(),
            "clevis luks unlock -d /dev/x -n data"
        );
    }

    #[test]
    fn secure_keys() {
        assert_eq!(
            generate_volume_key("root", "00.0001,01.0002").to_string(),
            "zkey generate --name ignition-luks-root --key-type CCA-AESCIPHER --xts --description \
             \"Secure Key for root Volume\" --apqns 00.0001,01.0002"
        );
        assert_eq!(
            set_verification_pattern("/dev/x", "K").to_string(),
            "zkey-cryptsetup setvp /dev/x --key-file K"
        );
    }
}
