//! Platform `aws` (Amazon EC2): user data of the Instance Metadata Service, by version 2, or by version 1 where there is
//! no other.

use super::metadata::Document;
use super::{About, Answer, FetchContext, Network, Platform, Ready, Tested, facts};
use crate::fetch::{FetchError, Method, Settings};
use anyhow::Context;

/// Where tokens of version 2 are given out.
pub static TOKEN: Document = Document {
    headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
    method: Method::Put,
    ..Document::at("http://169.254.169.254/latest/api/token")
};
static USER_DATA: Document = Document::at("http://169.254.169.254/2019-10-01/user-data");
/// What a token is sent in.
pub const TOKEN_HEADER: &str = "X-aws-ec2-metadata-token";

/// The platform.
pub struct Aws;

impl Platform for Aws {
    fn id(&self) -> &'static str {
        "aws"
    }

    fn about(&self) -> About {
        About {
            source: "user data of the Instance Metadata Service, version 2, else 1",
            asks: &[],
            no_config: USER_DATA.no_config(),
            patience: "2 min for each document (`--fetch-timeout`); each stage first waits until the service answers, without limit",
            network: Network::Needed,
            modules: &[],
            tested: Tested::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
        let user_data = USER_DATA.describe();
        vec![
            TOKEN.describe(),
            format!("{user_data} with {TOKEN_HEADER}, if there is a token"),
        ]
    }

    /// Waits until the network is there, which the service shows. Roles and S3 need it in every stage, and nothing of
    /// the distribution may wait for it.
    fn init(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Ready> {
        let unlimited = Settings {
            total: None,
            ..context.fetcher.settings().clone()
        };
        let fetcher = context.fetcher.with_settings(unlimited);
        match fetcher.fetch_to_vec(&TOKEN.request(), context.events) {
            Ok(_) | Err(FetchError::NotFound { .. }) => Ok(Ready::Yes),
            Err(error) if error.needs_network() => Ok(Ready::NeedsNetwork {
                what: error.to_string(),
            }),
            // The service is switched off for this machine, which then has no user data, but may have a config of
            // another source.
            Err(error) if error.has_status(403) => {
                context
                    .log
                    .warning("the metadata service is switched off (403 Forbidden)");
                Ok(Ready::Yes)
            }
            Err(error) => Err(error).context("initializing platform config"),
        }
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        USER_DATA.answer_with_token(TOKEN_HEADER, || token(context), context)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::aws::SOURCE)
    }
}

/// A token; none where the service has only version 1, which wants none.
fn token(context: &FetchContext<'_>) -> anyhow::Result<Option<String>> {
    match context
        .fetcher
        .fetch_to_vec(&TOKEN.request(), context.events)
    {
        Ok((token, _)) => String::from_utf8(token)
            .map(Some)
            .context("the token is not valid UTF-8"),
        Err(FetchError::NotFound { .. }) => {
            context
                .log
                .info("IMDSv2 unavailable; falling back to IMDSv1");
            Ok(None)
        }
        Err(error) => Err(error).context("cannot get a token of IMDSv2"),
    }
}
