//! Clouds: platforms that provide the config through a metadata service or on a drive.
//!
//! Each file has everything about one platform: its config and its attributes. None imports another; shared code is in
//! `source` and `attributes`.

pub(super) mod akamai;
pub(super) mod aliyun;
pub(super) mod aws;
pub(super) mod azure;
pub(super) mod azurestack;
pub(super) mod cloudstack;
pub(super) mod digitalocean;
#[cfg(test)]
pub(super) mod example;
pub(super) mod exoscale;
pub(super) mod gcp;
pub(super) mod hetzner;
pub(super) mod ibmcloud;
pub(super) mod kubevirt;
pub(super) mod nutanix;
pub(super) mod openstack;
pub(super) mod oraclecloud;
pub(super) mod packet;
pub(super) mod powervs;
pub(super) mod proxmoxve;
pub(super) mod scaleway;
pub(super) mod upcloud;
pub(super) mod vultr;
