//! Facts of `aws`: the tree of the Instance Metadata Service, by version 2, or by version 1 where there is no other.

use super::super::FetchContext;
use super::super::aws::{TOKEN, TOKEN_HEADER};
use super::documents;
use super::tree::{KeysAt, Tree};
use super::{Facts, Source};
use anyhow::Context;
use serde::Deserialize;

/// The source.
pub static SOURCE: Aws = Aws;

static TREE: Tree = Tree {
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
/// Besides the values of the tree.
const REGION: &str = "AWS_REGION";
const IDENTITY: &str = "dynamic/instance-identity/document";

/// A tree, and a document beside it.
#[derive(Debug)]
pub struct Aws;

#[derive(Deserialize)]
struct Identity {
    region: Option<String>,
}

impl Source for Aws {
    fn names(&self) -> Vec<&'static str> {
        let mut names = TREE.names();
        names.push(REGION);
        names
    }

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Facts> {
        let mut service = TREE.service(context);
        let token = service.send(&TOKEN.request());
        if let Some(token) = token.context("cannot get a token of IMDSv2")? {
            service = service.with(TOKEN_HEADER, documents::text("the token", token)?);
        }
        let mut facts = TREE.gather(&service)?;
        let identity: Option<Identity> = service.json(IDENTITY)?;
        facts.set(REGION, identity.and_then(|identity| identity.region));
        Ok(facts)
    }
}
