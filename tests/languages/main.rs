//! Configs in other languages, and what becomes of them.

mod clc;
mod cloud_init;
mod coreos_cloudinit;
mod k3os;
mod old_ignition;
mod view;
