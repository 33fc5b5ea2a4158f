//! What a variant forbids in the resulting config, whether the user wrote it or sugar generated it.

use super::context::ButaneContext;
use super::variants::{Dialect, Variant};
use crate::config::Severity;
use crate::config::tree::{Tree, Value};
use crate::language::findings::Remarks;

/// File modes without set-user-ID, set-group-ID and sticky bit.
const PLAIN_MODES: std::ops::RangeInclusive<i64> = 0..=0o777;

/// Checks `config`, the result of a translation.
pub(super) fn check(config: &Tree<'_>, context: &mut ButaneContext<'_, '_>) {
    let dialect = context.dialect;
    let mut filter = Filter {
        dialect,
        // Members that a MachineConfig has no place for are fine in a plain config; values that no machine accepts are
        // not.
        allows_members: dialect.variant == Variant::Openshift && context.surroundings.is_raw,
        remarks: context.remarks,
    };
    match dialect.variant {
        Variant::Fcos => {}
        Variant::Flatcar => filter.check_flatcar(config),
        Variant::R4e | Variant::Fiot => filter.check_images(config),
        Variant::Openshift => filter.check_openshift(config),
    }
}

struct Filter<'f> {
    dialect: &'static Dialect,
    allows_members: bool,
    remarks: &'f mut Remarks,
}

impl Filter<'_> {
    /// Reports a member that is not supported, unless such members are allowed.
    fn forbid(&mut self, tree: Option<&Tree<'_>>, what: &str) {
        if !self.allows_members {
            self.refuse(tree, what);
        }
    }

    /// Reports a value that is not supported.
    fn refuse(&mut self, tree: Option<&Tree<'_>>, what: &str) {
        if let Some(tree) = tree.filter(|tree| tree.has_content()) {
            let message = format!(
                "variant {} does not support {what}",
                self.dialect.variant.name()
            );
            let is_list = matches!(tree.value, Value::List(_));
            self.remarks
                .about_value(Severity::Error, tree.at.offset, is_list, message);
        }
    }

    fn check_flatcar(&mut self, config: &Tree<'_>) {
        let is_experimental = self.dialect.version == "1.2.0-experimental";
        let (key, what) = match is_experimental {
            true => ("cex", "Crypto Express cards"),
            false => ("clevis", "Clevis"),
        };
        for volume in elements(part(config, &["storage", "luks"])) {
            self.forbid(volume.member(key), what);
        }
    }

    /// Systems that are installed from an image with a finished disk layout.
    fn check_images(&mut self, config: &Tree<'_>) {
        self.forbid(config.member("kernelArguments"), "kernel arguments");
        for (key, what) in [
            ("disks", "partitions"),
            ("filesystems", "file systems"),
            ("luks", "encrypted volumes"),
            ("raid", "arrays"),
        ] {
            self.forbid(part(config, &["storage", key]), what);
        }
    }

    fn check_openshift(&mut self, config: &Tree<'_>) {
        if self.dialect.is_openshift_since(14)
            && !self.allows_members
            && let Some(arguments) = config.member("kernelArguments").filter(|t| t.has_content())
        {
            self.remarks.error_with_help(
                arguments.at.offset,
                "variant openshift does not support kernel_arguments",
                "use openshift.kernel_arguments",
            );
        }
        self.forbid(part(config, &["passwd", "groups"]), "groups");
        for user in elements(part(config, &["passwd", "users"])) {
            self.check_user(user);
        }
        self.forbid(part(config, &["storage", "directories"]), "directories");
        self.forbid(part(config, &["storage", "links"]), "links");
        for file in elements(part(config, &["storage", "files"])) {
            self.check_file(file);
        }
        for filesystem in elements(part(config, &["storage", "filesystems"])) {
            let format = filesystem.member("format");
            let is_unsupported = match format.map_or("", Tree::text) {
                "btrfs" => true,
                "none" => self.dialect.is_openshift_since(14),
                _ => false,
            };
            self.refuse(format.filter(|_| is_unsupported), "this format");
        }
    }

    fn check_user(&mut self, user: &Tree<'_>) {
        let Value::Object(members) = &user.value else {
            return;
        };
        for (field, value) in members {
            let is_allowed = match field.name {
                "name" | "sshAuthorizedKeys" => true,
                "passwordHash" => self.dialect.is_openshift_since(13),
                _ => false,
            };
            if !is_allowed {
                self.forbid(Some(value), "this setting of users");
            }
        }
        let name = user.member("name");
        if name.map_or("", Tree::text) != "core" {
            let at = name.map_or(user.at, |name| name.at).offset;
            self.remarks
                .error(at, "variant openshift supports no user but core");
        }
    }

    fn check_file(&mut self, file: &Tree<'_>) {
        self.forbid(file.member("append"), "appending to files");
        let contents = file.member("contents");
        let headers = contents.and_then(|contents| contents.member("httpHeaders"));
        self.forbid(headers, "HTTP headers of files");
        let source = contents.and_then(|contents| contents.member("source"));
        if let Some(source) = source.filter(|s| matches!(s.value, Value::Text(_)))
            && !source.text().starts_with("data:")
        {
            self.remarks.error_with_help(
                source.at.offset,
                "variant openshift supports no files from URLs",
                "use inline or local",
            );
        }
        let compression = contents.and_then(|contents| contents.member("compression"));
        let is_compressed = compression.is_some_and(|one| !one.text().is_empty());
        if is_compressed && !self.dialect.is_openshift_since(10) {
            self.refuse(compression, "compressed files in this version");
        }
        let mode = file.member("mode");
        if let Some(Value::Int(bits)) = mode.map(|mode| &mode.value)
            && !PLAIN_MODES.contains(bits)
            && self.dialect.is_openshift_since(10)
        {
            self.refuse(mode, "special bits in modes");
        }
    }
}

/// The value at the end of a path of members.
pub(super) fn part<'n, 't>(tree: &'n Tree<'t>, path: &[&str]) -> Option<&'n Tree<'t>> {
    path.iter().try_fold(tree, |tree, name| tree.member(name))
}

/// The elements of a list.
pub(super) fn elements<'n, 't>(tree: Option<&'n Tree<'t>>) -> &'n [Tree<'t>] {
    match tree.map(|tree| &tree.value) {
        Some(Value::List(elements)) => elements,
        _ => &[],
    }
}
