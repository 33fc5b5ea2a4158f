//! The languages that configs are written in, and their names.

use crate::config::Wording;

/// A language that configs are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Ignition 3, in JSON.
    Ignition,
    /// Ignition 1 and 2, in JSON.
    OldIgnition,
    /// Butane, in YAML.
    Butane,
    /// Container Linux Config, in YAML.
    ContainerLinux,
    /// `#cloud-config` as coreos-cloudinit reads it, scripts and MIME included.
    CoreosCloudinit,
    /// `#cloud-config` as cloud-init reads it, with its other forms of user data.
    CloudInit,
    /// The `config.yaml` of k3OS.
    K3os,
    /// Ignition in a MachineConfig of OpenShift.
    MachineConfig,
}

impl Language {
    /// All languages.
    pub const ALL: [Language; 8] = [
        Language::Ignition,
        Language::OldIgnition,
        Language::Butane,
        Language::ContainerLinux,
        Language::CoreosCloudinit,
        Language::CloudInit,
        Language::K3os,
        Language::MachineConfig,
    ];

    /// Its name in options and kernel arguments.
    pub const fn name(self) -> &'static str {
        match self {
            Language::Ignition => "ignition",
            Language::OldIgnition => "ignition2",
            Language::Butane => "butane",
            Language::ContainerLinux => "clc",
            Language::CoreosCloudinit => "coreos-cloudinit",
            Language::CloudInit => "cloud-init",
            Language::K3os => "k3os",
            Language::MachineConfig => "machineconfig",
        }
    }

    /// Its name in messages.
    pub const fn title(self) -> &'static str {
        match self {
            Language::Ignition => "Ignition 3",
            Language::OldIgnition => "Ignition 1 or 2",
            Language::Butane => "Butane",
            Language::ContainerLinux => "Container Linux Config",
            Language::CoreosCloudinit => "cloud-config of coreos-cloudinit",
            Language::CloudInit => "cloud-config of cloud-init",
            Language::K3os => "config.yaml of k3OS",
            Language::MachineConfig => "MachineConfig of OpenShift",
        }
    }

    /// What its keys are called in messages.
    pub(super) const fn wording(self) -> Wording {
        match self {
            Language::Ignition | Language::OldIgnition | Language::MachineConfig => {
                Wording::Ignition
            }
            Language::Butane => Wording::Butane,
            Language::ContainerLinux => Wording::ContainerLinux,
            Language::CoreosCloudinit => Wording::CoreosCloudinit,
            Language::CloudInit => Wording::CloudInit,
            Language::K3os => Wording::K3os,
        }
    }

    /// The language called `name`; see [`Language::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.name() == name)
    }
}
