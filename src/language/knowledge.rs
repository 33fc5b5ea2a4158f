//! What a run knows for every config text that it reads: the owned form of [`Surroundings`].

use super::surroundings::{InstanceData, Surroundings};
use super::target::{Distribution, K3s, NetworkManager, SystemConfig, Target, TimeClient};

/// What is known of the system and of the machine. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// As [`Surroundings::platform`].
    pub platform: Option<String>,
    /// As [`Target::distribution`].
    pub distribution: Distribution,
    /// As [`Target::codename`].
    pub codename: Option<String>,
    /// As [`Target::default_user`].
    pub default_user: Option<String>,
    /// As [`Target::accounts`].
    pub accounts: Option<Vec<String>>,
    /// As [`Target::wireless`].
    pub wireless: Option<NetworkManager>,
    /// As [`Target::time_client`].
    pub time_client: Option<TimeClient>,
    /// As [`Target::k3s`].
    pub k3s: Option<K3s>,
    /// As [`Target::disks`].
    pub disks: Vec<(String, u64)>,
    /// As [`Target::zones`].
    pub zones: Option<Vec<String>>,
    /// As [`Target::kernel_arguments`].
    pub kernel_arguments: Option<String>,
    /// As [`Target::configs`].
    pub configs: Vec<SystemConfig>,
    /// As [`Surroundings::instance`].
    pub instance: KnownInstance,
    /// As [`Surroundings::ignore_unsupported`].
    pub ignore_unsupported: bool,
}

/// The owned form of [`InstanceData`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownInstance {
    /// As [`InstanceData::id`].
    pub id: Option<String>,
    /// As [`InstanceData::hostname`].
    pub hostname: Option<String>,
    /// As [`InstanceData::keys`].
    pub keys: Vec<String>,
    /// As [`InstanceData::variables`].
    pub variables: Vec<(String, String)>,
    /// As [`InstanceData::vendor_data`].
    pub vendor_data: Option<Vec<u8>>,
}

impl Knowledge {
    /// The surroundings of a config text.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            platform: self.platform.as_deref(),
            target: Target {
                distribution: self.distribution,
                codename: self.codename.as_deref(),
                default_user: self.default_user.as_deref(),
                accounts: self.accounts.as_deref(),
                wireless: self.wireless,
                time_client: self.time_client,
                k3s: self.k3s,
                disks: &self.disks,
                zones: self.zones.as_deref(),
                kernel_arguments: self.kernel_arguments.as_deref(),
                configs: &self.configs,
            },
            instance: InstanceData {
                id: self.instance.id.as_deref(),
                hostname: self.instance.hostname.as_deref(),
                keys: &self.instance.keys,
                variables: &self.instance.variables,
                vendor_data: self.instance.vendor_data.as_deref(),
            },
            ignore_unsupported: self.ignore_unsupported,
            ..Surroundings::default()
        }
    }
}
