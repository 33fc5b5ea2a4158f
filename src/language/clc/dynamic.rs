//! Data known only on the machine, such as `{PRIVATE_IPV4}`, and the agent that provides it there.

use crate::language::surroundings::Surroundings;
use crate::language::target::Distribution;

/// Names of fields, in the order of [`ClcPlatform::variables`].
const FIELDS: [&str; 5] = [
    "HOSTNAME",
    "PRIVATE_IPV4",
    "PUBLIC_IPV4",
    "PRIVATE_IPV6",
    "PUBLIC_IPV6",
];

/// A platform and the variables that its metadata agent writes, without the prefix of the agent.
#[derive(Debug)]
pub(super) struct ClcPlatform {
    pub(super) name: &'static str,
    variables: [Option<&'static str>; 5],
    /// The original only has a provider of this name on request, so units must select it.
    pub(super) needs_override: bool,
}

macro_rules! platform {
    ($name:literal, $override:literal, $($variable:expr),*) => {
        ClcPlatform { name: $name, variables: [$($variable),*], needs_override: $override }
    };
}

static PLATFORMS: [ClcPlatform; 9] = [
    platform!(
        "azure",
        false,
        None,
        Some("AZURE_IPV4_DYNAMIC"),
        Some("AZURE_IPV4_VIRTUAL"),
        None,
        None
    ),
    platform!(
        "digitalocean",
        false,
        Some("DIGITALOCEAN_HOSTNAME"),
        Some("DIGITALOCEAN_IPV4_PRIVATE_0"),
        Some("DIGITALOCEAN_IPV4_PUBLIC_0"),
        Some("DIGITALOCEAN_IPV6_PRIVATE_0"),
        Some("DIGITALOCEAN_IPV6_PUBLIC_0")
    ),
    platform!(
        "ec2",
        false,
        Some("EC2_HOSTNAME"),
        Some("EC2_IPV4_LOCAL"),
        Some("EC2_IPV4_PUBLIC"),
        None,
        None
    ),
    platform!(
        "gce",
        false,
        Some("GCE_HOSTNAME"),
        Some("GCE_IP_LOCAL_0"),
        Some("GCE_IP_EXTERNAL_0"),
        None,
        None
    ),
    platform!(
        "packet",
        false,
        Some("PACKET_HOSTNAME"),
        Some("PACKET_IPV4_PRIVATE_0"),
        Some("PACKET_IPV4_PUBLIC_0"),
        None,
        Some("PACKET_IPV6_PUBLIC_0")
    ),
    platform!(
        "openstack-metadata",
        true,
        Some("OPENSTACK_HOSTNAME"),
        Some("OPENSTACK_IPV4_LOCAL"),
        Some("OPENSTACK_IPV4_PUBLIC"),
        None,
        None
    ),
    platform!(
        "vagrant-virtualbox",
        false,
        Some("VAGRANT_VIRTUALBOX_HOSTNAME"),
        Some("VAGRANT_VIRTUALBOX_PRIVATE_IPV4"),
        None,
        None,
        None
    ),
    platform!(
        "cloudstack-configdrive",
        true,
        Some("CLOUDSTACK_LOCAL_HOSTNAME"),
        None,
        None,
        None,
        None
    ),
    platform!(
        "custom",
        false,
        Some("CUSTOM_HOSTNAME"),
        Some("CUSTOM_PRIVATE_IPV4"),
        Some("CUSTOM_PUBLIC_IPV4"),
        Some("CUSTOM_PRIVATE_IPV6"),
        Some("CUSTOM_PUBLIC_IPV6")
    ),
];

/// The program that writes metadata into an environment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::language) enum Agent {
    /// coreos-metadata, and its names in Flatcar.
    CoreosMetadata,
    Afterburn,
}

impl Agent {
    /// The agent of the target; if that is unknown, the one that the language was made for.
    pub(in crate::language) fn of(surroundings: &Surroundings<'_>) -> Self {
        match surroundings.target.distribution {
            Distribution::Unknown | Distribution::Flatcar => Agent::CoreosMetadata,
            _ => Agent::Afterburn,
        }
    }

    pub(in crate::language) fn service(self) -> &'static str {
        match self {
            Agent::CoreosMetadata => "coreos-metadata.service",
            Agent::Afterburn => "afterburn.service",
        }
    }

    pub(super) fn key_service(self) -> &'static str {
        match self {
            Agent::CoreosMetadata => "coreos-metadata-sshkeys@.service",
            Agent::Afterburn => "afterburn-sshkeys@.service",
        }
    }

    pub(in crate::language) fn file(self) -> &'static str {
        match self {
            Agent::CoreosMetadata => "/run/metadata/coreos",
            Agent::Afterburn => "/run/metadata/afterburn",
        }
    }

    pub(super) fn provider_variable(self) -> &'static str {
        match self {
            Agent::CoreosMetadata => "COREOS_METADATA_OPT_PROVIDER",
            Agent::Afterburn => "AFTERBURN_OPT_PROVIDER",
        }
    }

    fn variable(self, name: &str) -> String {
        match (self, name.split_once('_')) {
            (Agent::CoreosMetadata, Some(("CLOUDSTACK", _))) => name.to_owned(),
            (Agent::CoreosMetadata, _) => format!("COREOS_{name}"),
            (Agent::Afterburn, Some(("EC2", rest))) => format!("AFTERBURN_AWS_{rest}"),
            (Agent::Afterburn, Some(("GCE", rest))) => format!("AFTERBURN_GCP_{rest}"),
            (Agent::Afterburn, _) => format!("AFTERBURN_{name}"),
        }
    }
}

/// The platform called `name`.
///
/// # Errors
/// If there is none. The error lists the known ones.
pub(super) fn platform(name: &str) -> Result<&'static ClcPlatform, String> {
    let found = PLATFORMS.iter().find(|platform| platform.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = PLATFORMS.iter().map(|platform| platform.name).collect();
        format!("use one of {}", names.join(", "))
    })
}

/// The agent's variable for `field` on the platform called `name`.
pub(in crate::language) fn variable(
    name: &str,
    field: &str,
    surroundings: &Surroundings<'_>,
) -> Option<String> {
    let platform = PLATFORMS.iter().find(|platform| platform.name == name)?;
    let index = FIELDS.iter().position(|known| *known == field)?;
    let variable = platform.variables.get(index).copied().flatten()?;
    Some(Agent::of(surroundings).variable(variable))
}

/// Why a field has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FieldError {
    #[error("what `{{{0}}}` stands for depends on the platform, which is not known")]
    NoPlatform(String),
    #[error("the platform {platform} has no `{{{field}}}`")]
    NotOffered {
        field: String,
        platform: &'static str,
    },
}

/// A text in which fields have become variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilledText {
    pub(super) text: String,
    /// True if a field was replaced or, on a known platform, the text has a brace: the original waits for metadata
    /// then.
    pub(super) is_dynamic: bool,
}

/// `text` with its fields replaced by variables of `platform`. A brace that does not begin a field in capitals is kept.
pub(super) fn fill(
    text: &str,
    platform: Option<&'static ClcPlatform>,
    agent: Agent,
) -> Result<FilledText, FieldError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_dynamic = platform.is_some() && text.contains(['{', '}']);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let field = after.split_once('}').filter(|(name, _)| is_field(name));
        let Some((name, tail)) = field else {
            out.push('{');
            rest = after;
            continue;
        };
        let Some(platform) = platform else {
            return Err(FieldError::NoPlatform(name.to_owned()));
        };
        let index = FIELDS.iter().position(|field| *field == name);
        let variable = index.and_then(|index| platform.variables.get(index).copied().flatten());
        let Some(variable) = variable else {
            return Err(FieldError::NotOffered {
                field: name.to_owned(),
                platform: platform.name,
            });
        };
        out.push_str("${");
        out.push_str(&agent.variable(variable));
        out.push('}');
        is_dynamic = true;
        rest = tail;
    }
    out.push_str(rest);
    Ok(FilledText {
        text: out,
        is_dynamic,
    })
}

fn is_field(name: &str) -> bool {
    let is_capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    !name.is_empty() && name.bytes().all(is_capital)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, name: &str) -> Result<String, FieldError> {
        let platform = (!name.is_empty()).then(|| platform(name).unwrap());
        fill(text, platform, Agent::CoreosMetadata).map(|filled| filled.text)
    }

    #[test]
    fn fields_become_variables() {
        let cases = [
            ("{HOSTNAME}", "ec2", "${COREOS_EC2_HOSTNAME}"),
            (
                "http://{PRIVATE_IPV4}:1,{PUBLIC_IPV4}",
                "gce",
                "http://${COREOS_GCE_IP_LOCAL_0}:1,${COREOS_GCE_IP_EXTERNAL_0}",
            ),
            (
                "{HOSTNAME}",
                "cloudstack-configdrive",
                "${CLOUDSTACK_LOCAL_HOSTNAME}",
            ),
            ("a{b", "ec2", "a{b"),
            ("a{b", "", "a{b"),
            ("{\"a\": 1}", "", "{\"a\": 1}"),
            ("{{HOSTNAME}}", "ec2", "{${COREOS_EC2_HOSTNAME}}"),
            ("$X", "", "$X"),
        ];
        for (text, platform, want) in cases {
            assert_eq!(filled(text, platform).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn fields_without_a_value() {
        assert_eq!(
            filled("{HOSTNAME}", ""),
            Err(FieldError::NoPlatform("HOSTNAME".into()))
        );
        for (text, platform) in [
            ("{PUBLIC_IPV6}", "ec2"),
            ("{NOPE}", "custom"),
            ("{HOSTNAME}", "azure"),
        ] {
            assert!(
                matches!(filled(text, platform), Err(FieldError::NotOffered { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn names_of_afterburn() {
        let cases = [
            ("ec2", "${AFTERBURN_AWS_HOSTNAME}"),
            ("gce", "${AFTERBURN_GCP_HOSTNAME}"),
            (
                "cloudstack-configdrive",
                "${AFTERBURN_CLOUDSTACK_LOCAL_HOSTNAME}",
            ),
            ("packet", "${AFTERBURN_PACKET_HOSTNAME}"),
        ];
        for (name, want) in cases {
            let filled = fill("{HOSTNAME}", platform(name).ok(), Agent::Afterburn).unwrap();
            assert_eq!(filled.text, want);
            assert!(filled.is_dynamic);
        }
    }
}
