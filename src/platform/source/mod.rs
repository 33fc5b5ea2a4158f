//! The mechanisms that platforms use to obtain configs. None of them refers to a platform.

pub(super) mod cidata;
pub(super) mod config_drive;
pub(super) mod dhcp_lease;
pub(super) mod document;
pub(super) mod drive;
pub(super) mod encoding;
pub(super) mod kernel_module;
pub(super) mod mount;
pub(super) mod ovf_disc;
pub(super) mod probes;
pub(super) mod waiting;
