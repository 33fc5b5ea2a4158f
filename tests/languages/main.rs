//! Configs in other languages, and what becomes of them.

mod cloud_init;
mod k3os;
mod old_ignition;
mod view;
