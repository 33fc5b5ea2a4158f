//! Machines that keep no config. Theirs comes from the kernel command line, or from `user.ign`.

use super::{About, Answer, FetchContext, Platform};

/// The platform, with its id.
pub struct Metal(pub &'static str);

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

    fn fetch(&self, _site: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        Ok(Answer::Empty)
    }
}
