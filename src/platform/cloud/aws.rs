//! Platform `aws` (Amazon EC2): user data of the Instance Metadata Service, version 2 with a fallback to version 1.
//!
//! Attributes: the tree of the same service, and the region from the identity document.

use crate::fetch::{FetchError, Method, Settings};
use crate::platform::attributes::decode;
use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, Network, Platform, Readiness,
    TestLevel,
};
use crate::platform::source::document::ServiceDocument;
use anyhow::Context;
use serde::Deserialize;

/// Where tokens for version 2 are issued.
static TOKEN: ServiceDocument = ServiceDocument {
    headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
    method: Method::Put,
    ..ServiceDocument::at("http://169.254.169.254/latest/api/token")
};
static USER_DATA: ServiceDocument =
    ServiceDocument::at("http://169.254.169.254/2019-10-01/user-data");
/// Header that carries the token.
const TOKEN_HEADER: &str = "X-aws-ec2-metadata-token";

/// The platform.
pub(crate) struct Aws;

impl Platform for Aws {
    fn id(&self) -> &'static str {
        "aws"
    }

    fn about(&self) -> About {
        About {
            source: "user data of the Instance Metadata Service, version 2, else 1",
            requests: &[],
            no_config: USER_DATA.no_config(),
            waits: "2 min for each document (`--fetch-timeout`); each stage first waits until the service answers, without limit",
            network: Network::Needed,
            modules: &[],
            tested: TestLevel::RealWire,
        }
    }

    fn requests(&self) -> Vec<String> {
        let user_data = USER_DATA.describe();
        vec![
            TOKEN.describe(),
            format!("{user_data} with {TOKEN_HEADER}, if there is a token"),
        ]
    }

    /// Waits until the service answers, which shows that the network is up. Roles and S3 need the network in every
    /// stage, and the distribution may not wait for it otherwise.
    fn init(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Readiness> {
        let unlimited = Settings {
            total: None,
            ..context.fetcher.settings().clone()
        };
        let fetcher = context.fetcher.with_settings(unlimited);
        match fetcher.fetch_to_vec(&TOKEN.request(), context.events) {
            Ok(_) | Err(FetchError::NotFound { .. }) => Ok(Readiness::Yes),
            Err(error) if error.needs_network() => Ok(Readiness::NeedsNetwork {
                what: error.to_string(),
            }),
            // The service is disabled for this machine, which then has no user data, but may have a config from another
            // source.
            Err(error) if error.has_status(403) => {
                context
                    .log
                    .warning("the metadata service is switched off (403 Forbidden)");
                Ok(Readiness::Yes)
            }
            Err(error) => Err(error).context("initializing platform config"),
        }
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        USER_DATA.answer_with_token(TOKEN_HEADER, || token(context), context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

/// Gets a token; `None` if the service only supports version 1, which needs none.
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

/// The attributes for `kindling metadata`.
static ATTRIBUTES: AwsAttributes = AwsAttributes;

static TREE: DocumentTree = DocumentTree {
    base: "http://169.254.169.254/2021-01-03/",
    headers: &[],
    hostname: Some("meta-data/hostname"),
    keys: KeysAt::Listed("meta-data/public-keys"),
    values: &[
        (
            "AWS_AVAILABILITY_ZONE",
            "meta-data/placement/availability-zone",
        ),
        (
            "AWS_AVAILABILITY_ZONE_ID",
            "meta-data/placement/availability-zone-id",
        ),
        ("AWS_HOSTNAME", "meta-data/hostname"),
        ("AWS_INSTANCE_ID", "meta-data/instance-id"),
        ("AWS_INSTANCE_TYPE", "meta-data/instance-type"),
        ("AWS_IPV4_LOCAL", "meta-data/local-ipv4"),
        ("AWS_IPV4_PUBLIC", "meta-data/public-ipv4"),
        ("AWS_IPV6", "meta-data/ipv6"),
        ("AWS_PUBLIC_HOSTNAME", "meta-data/public-hostname"),
    ],
};
/// Attribute from the identity document.
const REGION: &str = "AWS_REGION";
const IDENTITY: &str = "dynamic/instance-identity/document";

/// The tree and the region.
#[derive(Debug)]
struct AwsAttributes;

#[derive(Deserialize)]
struct Identity {
    region: Option<String>,
}

impl AttributeSource for AwsAttributes {
    fn names(&self) -> Vec<&'static str> {
        let mut names = TREE.names();
        names.push(REGION);
        names
    }

    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        let mut service = TREE.service(context);
        let token = service.send(&TOKEN.request());
        if let Some(token) = token.context("cannot get a token of IMDSv2")? {
            service = service.with_header(TOKEN_HEADER, decode::text("the token", token)?);
        }
        let mut attributes = TREE.gather(&service)?;
        let identity: Option<Identity> = service.json(IDENTITY)?;
        attributes.set(REGION, identity.and_then(|identity| identity.region));
        Ok(attributes)
    }
}
