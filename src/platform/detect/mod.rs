//! Guesses the platform of a machine from its firmware, devices and file systems. This is only informational: a boot
//! requires an explicit platform, since a wrong guess would take the config from whatever is at that address.

mod guess;
mod rules;
mod traits;

pub use guess::{Certainty, Guess};
pub use rules::guesses;
pub use traits::Traits;
