//! Machines that provide no config. It comes from the kernel command line or from `user.ign`.

use crate::platform::contract::{About, Answer, FetchContext, Platform};

/// The platform, with its id.
pub(super) struct Metal(pub &'static str);

impl Platform for Metal {
    fn id(&self) -> &'static str {
        self.0
    }

    fn alias_of(&self) -> Option<&'static str> {
        (self.0 != "metal").then_some("metal")
    }

    fn about(&self) -> About {
        About::NOTHING
    }

    fn fetch(&self, _context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        Ok(Answer::Empty)
    }
}
