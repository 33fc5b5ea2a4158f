//! Platform `akamai` (Linode): user data of the metadata service, which wants a token, and packs it by base64 and maybe
//! by gzip.

use super::metadata::{self, Document, Missing, Packing};
use super::{About, Answer, FetchContext, Network, Platform, Tested, facts};
use crate::fetch::Method;
use anyhow::{Context, bail};

/// Where tokens are given out.
pub static TOKEN: Document = Document {
    headers: &[
        ("Accept", "text/plain"),
        ("Metadata-Token-Expiry-Seconds", "300"),
    ],
    method: Method::Put,
    ..Document::at("http://169.254.169.254/v1/token")
};
static USER_DATA: Document = Document {
    headers: &[("Accept", "*/*")],
    missing: Missing::Failure,
    packing: Packing::Base64Gzip,
    ..Document::at("http://169.254.169.254/v1/user-data")
};
/// What a token is sent in.
pub const TOKEN_HEADER: &str = "Metadata-Token";

/// The platform.
pub struct Akamai;

impl Platform for Akamai {
    fn id(&self) -> &'static str {
        "akamai"
    }

    fn about(&self) -> About {
        About {
            source: "user data of the metadata service, base64 and maybe gzip",
            asks: &[],
            no_config: USER_DATA.no_config(),
            patience: metadata::TIMEOUT,
            network: Network::Needed,
            modules: &[],
            tested: Tested::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
        let user_data = USER_DATA.describe();
        vec![
            TOKEN.describe(),
            format!("{user_data}, with {TOKEN_HEADER}"),
        ]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        USER_DATA.answer_with_token(TOKEN_HEADER, || token(context).map(Some), context)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::akamai::SOURCE)
    }
}

fn token(context: &FetchContext<'_>) -> anyhow::Result<String> {
    let token = context
        .fetcher
        .fetch_to_vec(&TOKEN.request(), context.events);
    let (token, _) = token.context("cannot get a token")?;
    let token = String::from_utf8(token).context("the token is not valid UTF-8")?;
    let token = token.trim();
    if token.is_empty() {
        bail!("the metadata service gave an empty token; check that it is on for this machine");
    }
    Ok(token.into())
}
