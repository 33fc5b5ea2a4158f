//! Configs in other languages and their translation.

mod butane;
mod butane_and_back;
mod clc;
mod cloud_init;
mod coreos_cloudinit;
mod desk;
mod k3os;
mod old_ignition;
mod wording;
