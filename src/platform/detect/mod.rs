//! Guesses which platform a machine is from its firmware, devices and file systems. For people only: a boot is told, since a
//! wrong guess would take the config from whoever is at that address.

mod guess;
mod rules;
mod traits;

pub use guess::{Certainty, Guess};
pub use rules::guesses;
pub use traits::Traits;
