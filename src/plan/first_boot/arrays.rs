//! What keeps the names of arrays on later boots: lines of mdadm.conf.
//!
//! Only a first boot writes them: the UUID of an array is known only after its creation, and outside a boot the same
//! plan creates the array and writes the tree. Without a line an array keeps its name too, unless another one has it.

use super::super::lines::{self, WordSyntax};
use super::super::op::{Base, Content, FileAct, Owner, Permissions};
use super::super::{Effect, OpKind, Phase};
use super::FirstBootPlanner;
use crate::config::JsonPath;
use crate::facts::NodeKind;
use crate::layout::{DEBIAN_MDADM_CONF, MDADM_CONF};

/// Exists on Debian and its derivatives.
const DEBIAN_DIRECTORY: &str = "/etc/mdadm";

/// An array as mdadm.conf describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Index in `storage.raid`.
    pub index: usize,
    /// Its node.
    pub node: String,
    /// Version of its superblocks.
    pub metadata: String,
    /// The name in its superblocks.
    pub name: Option<String>,
    /// Its UUID as blkid prints it.
    pub uuid: String,
}

impl FirstBootPlanner<'_, '_> {
    /// Existing lines are kept; an array that already has one gets no other.
    pub(super) fn plan_arrays(&mut self, arrays: &[Array]) {
        let Some(first) = arrays.first() else { return };
        let at = JsonPath::new(format!("$.storage.raid.{}", first.index));
        let origin = self.draft.document.origin(&at);
        let is_debian = self.planned.resolve(DEBIAN_DIRECTORY).is_ok_and(|path| {
            let node = self.planned.node(&path);
            node.is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. }))
        });
        let wanted = if is_debian {
            DEBIAN_MDADM_CONF
        } else {
            MDADM_CONF
        };
        let Some(path) = self.resolve(wanted, &origin) else {
            return;
        };
        let present = self.draft.observed.root.mdadm_conf_texts.get(wanted);
        let is_missing = |array: &&Array| !present.is_some_and(|text| array.is_listed_in(text));
        let missing: Vec<&Array> = arrays.iter().filter(is_missing).collect();
        let words = missing.iter().flat_map(|array| array.words());
        if missing.is_empty()
            || lines::refuse_broken(
                self.draft,
                wanted,
                WordSyntax::Quoted,
                words,
                origin.as_ref(),
            )
        {
            return;
        }
        let missing: String = missing.into_iter().map(Array::line).collect();
        let needs_newline = present.is_some_and(|text| !text.is_empty() && !text.ends_with('\n'));
        let text = if needs_newline {
            format!("\n{missing}")
        } else {
            missing
        };
        let (base, effect) = match present {
            Some(_) => (Base::Present, Effect::Change),
            None => (Base::Empty, Effect::Create),
        };
        let kind = OpKind::File(FileAct {
            path: path.as_str().into(),
            base,
            parts: vec![Content::text(&text)],
            permissions: Permissions {
                user: Owner::Keep,
                group: Owner::Keep,
                mode: None,
            },
            replace: present.is_some(),
            differs: Vec::new(),
            unit: None,
            finishes: false,
        });
        self.push(Phase::Arrays, effect, &path, kind, origin);
    }
}

impl Array {
    fn words(&self) -> impl Iterator<Item = &str> {
        let name = self.name.iter().map(String::as_str);
        [self.node.as_str(), &self.metadata, &self.uuid]
            .into_iter()
            .chain(name)
    }

    fn line(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map(|name| format!(" {}", quoted(&format!("name={name}"))));
        format!(
            "ARRAY {} metadata={}{} UUID={}\n",
            quoted(&self.node),
            self.metadata,
            name.unwrap_or_default(),
            mdadm_uuid(&self.uuid)
        )
    }

    fn is_listed_in(&self, text: &str) -> bool {
        let uuid = format!("UUID={}", mdadm_uuid(&self.uuid));
        text.lines().any(|line| {
            let mut words = line.split_whitespace();
            let is_array = words
                .next()
                .is_some_and(|first| first.eq_ignore_ascii_case("ARRAY"));
            is_array && words.any(|word| word.eq_ignore_ascii_case(&uuid))
        })
    }
}

/// Quotes a word that mdadm would read as several words or a comment.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/=:._-+@".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false if text.contains('"') => format!("'{text}'"),
        false => format!("\"{text}\""),
    }
}

/// A UUID in mdadm's notation: four groups of eight digits.
fn mdadm_uuid(uuid: &str) -> String {
    let digits: Vec<char> = uuid.chars().filter(|c| *c != '-').collect();
    let groups: Vec<String> = digits
        .chunks(8)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(name: Option<&str>) -> Array {
        Array {
            index: 0,
            node: "/dev/md/data".into(),
            metadata: "1.2".into(),
            name: name.map(String::from),
            uuid: "a9fcaeb6-c5ed-2184-f080-a5d372e3e09f".into(),
        }
    }

    #[test]
    fn lines_as_mdadm_writes_them() {
        assert_eq!(
            array(Some("any:data")).line(),
            "ARRAY /dev/md/data metadata=1.2 name=any:data UUID=a9fcaeb6:c5ed2184:f080a5d3:72e3e09f\n"
        );
        assert_eq!(
            array(None).line(),
            "ARRAY /dev/md/data metadata=1.2 UUID=a9fcaeb6:c5ed2184:f080a5d3:72e3e09f\n"
        );
        let spaced = array(Some("any:my data")).line();
        assert!(spaced.contains(" \"name=any:my data\" UUID="), "{spaced}");
    }

    #[test]
    fn an_array_is_recognized_by_its_uuid() {
        let uuid = "a9fcaeb6:c5ed2184:f080a5d3:72e3e09f";
        let is_listed_in = |text: &str| array(None).is_listed_in(text);
        assert!(is_listed_in(&format!(
            "DEVICE x\narray  /dev/md1 uuid={}\n",
            uuid.to_uppercase()
        )));
        assert!(!is_listed_in(&format!("# ARRAY /dev/md1 UUID={uuid}\n")));
        assert!(!is_listed_in(
            "ARRAY /dev/md/data UUID=00000000:c5ed2184:f080a5d3:72e3e09f\n"
        ));
    }
}
