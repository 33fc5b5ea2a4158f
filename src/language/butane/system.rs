//! What a variant expects of the system that the config is applied to, where that system is known.

use super::context::ButaneContext;
use super::variants::Variant;
use crate::language::node::Node;
use crate::language::target::Distribution;

/// Keys with what they require, and what to do where the system lacks it.
const BOOT_DEVICE: (&str, &str, &str) = (
    "boot_device",
    "`boot_device` needs a system that can re-create its root file system on the first boot",
    "Fedora CoreOS and RHEL CoreOS can; elsewhere, use disks, luks and filesystems",
);
const GRUB: (&str, &str, &str) = (
    "grub",
    "`grub` needs a boot loader that reads /boot/grub2/user.cfg",
    "that of Fedora CoreOS and RHEL CoreOS does; elsewhere, write the file that yours reads",
);

/// Warns of what `root` requests and the system may lack. Without a target, nothing is known of the system.
pub(super) fn check(root: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    let system = context.surroundings.target.distribution;
    let variant = context.dialect.variant;
    if system != Distribution::Unknown && system.family() != variant.system() {
        let at = root.get("variant").map_or(root.at, |node| node.at);
        let message = format!(
            "variant {} is meant for {}, and this system is {}",
            variant.name(),
            variant.title(),
            system.title()
        );
        let help =
            "its output may not suit this system; write the config in the variant of the system";
        context.remarks.warn_with_help(at, message, help);
    }
    let is_applied = context.surroundings.is_boot || system != Distribution::Unknown;
    if !is_applied || system == Distribution::CoreOs {
        return;
    }
    for (key, message, help) in [BOOT_DEVICE, GRUB] {
        if let Some(node) = root.get(key).filter(|node| !node.entries().is_empty()) {
            context.remarks.warn_with_help(node.at, message, help);
        }
    }
}

impl Variant {
    /// The system that it is meant for.
    const fn system(self) -> Distribution {
        match self {
            Variant::Fcos | Variant::Openshift => Distribution::CoreOs,
            Variant::Flatcar => Distribution::Flatcar,
            Variant::R4e => Distribution::RedHat,
            Variant::Fiot => Distribution::Fedora,
        }
    }

    /// The name of its system.
    const fn title(self) -> &'static str {
        match self {
            Variant::Fcos => "Fedora CoreOS",
            Variant::Flatcar => "Flatcar",
            Variant::R4e => "RHEL for Edge",
            Variant::Fiot => "Fedora IoT",
            Variant::Openshift => "RHEL CoreOS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::surroundings::Surroundings;
    use crate::language::target::Target;

    fn warnings(text: &str, distribution: Distribution, is_boot: bool) -> Vec<String> {
        let surroundings = Surroundings {
            is_boot,
            target: Target {
                distribution,
                ..Target::default()
            },
            ..Surroundings::default()
        };
        let parsed = crate::language::parse("x", text.as_bytes(), &surroundings);
        assert!(parsed.outcome.is_ok(), "{:?}", parsed.findings);
        let shown = parsed.findings.0.iter().map(|finding| {
            let line = finding.position.map_or(0, |position| position.line);
            format!("{line}: {}", finding.message)
        });
        shown.collect()
    }

    #[test]
    fn variants_for_another_system_are_reported_if_the_system_is_known() {
        let text =
            |variant: &str, version: &str| format!("# A\nvariant: {variant}\nversion: {version}\n");
        let fcos = text("fcos", "1.5.0");
        assert_eq!(
            warnings(&fcos, Distribution::Debian, true),
            ["2: variant fcos is meant for Fedora CoreOS, and this system is Debian"]
        );
        let silent = [
            (fcos.clone(), Distribution::CoreOs),
            (fcos, Distribution::Unknown),
            (text("flatcar", "1.1.0"), Distribution::Flatcar),
            (text("r4e", "1.1.0"), Distribution::RedHat),
            (text("r4e", "1.1.0"), Distribution::Rocky),
            (text("fiot", "1.0.0"), Distribution::Fedora),
        ];
        for (text, system) in silent {
            assert_eq!(
                warnings(&text, system, true),
                [""; 0],
                "{text} on {system:?}"
            );
        }
    }

    #[test]
    fn keys_without_support_of_the_system_are_reported() {
        let text = "variant: fcos\nversion: 1.5.0\nboot_device:\n  luks:\n    tpm2: true\ngrub:\n  users:\n    - name: a\n      \
                    password_hash: b\n";
        let found = warnings(text, Distribution::Unknown, true);
        let expected =
            [("4", BOOT_DEVICE.1), ("7", GRUB.1)].map(|(line, m)| format!("{line}: {m}"));
        assert_eq!(found, expected);
        assert_eq!(warnings(text, Distribution::Unknown, false), [""; 0]);
        assert_eq!(warnings(text, Distribution::CoreOs, true), [""; 0]);
        assert_eq!(warnings(text, Distribution::Fedora, false).len(), 3);
    }
}
