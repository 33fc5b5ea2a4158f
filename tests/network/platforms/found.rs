//! Existing configs: exactly the expected requests are sent, and the config is cached.

use super::clouds::{AKAMAI, AWS, CLOUDS, Cloud};
use super::encoding::{CONFIG, FOUND};
use super::for_each;
use super::service::Response;
use crate::common::server::Seen;
use kindling::platform::{PLATFORMS, TestLevel};

/// Needs a hypervisor, which a network namespace does not have.
const TESTED_ELSEWHERE: [&str; 1] = ["applehv"];

#[test]
fn every_real_wire_platform_is_tested_here() {
    let wire = PLATFORMS.iter().filter(|platform| {
        let tested = platform.about().tested;
        tested == TestLevel::RealWire && !TESTED_ELSEWHERE.contains(&platform.id())
    });
    let wire: Vec<&str> = wire.map(|platform| platform.id()).collect();
    let here: Vec<&str> = CLOUDS.iter().map(|cloud| cloud.id).collect();
    assert_eq!(here, wire);
}

#[test]
fn requests_match_the_contract() {
    for_each(CLOUDS, |cloud| {
        let (machine, server) =
            cloud.with_responses(&[Response::ok(cloud.encoding.encode(CONFIG))]);
        machine.stage(cloud.id, "fetch").assert(0, &[]);
        let cache = machine.cache().expect("a config");
        assert!(cache.contains(FOUND), "{cache}");
        let seen = server.seen();
        assert_eq!(server.request_lines(), cloud.request_lines(1));
        for (seen, request) in seen.iter().zip(cloud.requests()) {
            if !request.line.starts_with("POST") {
                let mut own = request.headers.to_vec();
                if request.line.starts_with("PUT") {
                    own.push(("content-length", "0"));
                }
                assert_eq!(
                    headers(seen),
                    expected_headers(cloud, &own),
                    "{}",
                    request.line
                );
            }
        }
    });
}

#[test]
fn kindling_fetch_prints_the_decoded_config() {
    for_each([&AKAMAI, &AWS], |cloud| {
        let (machine, server) =
            cloud.with_responses(&[Response::ok(cloud.encoding.encode(CONFIG))]);
        let result = machine.fetch(cloud.id);
        assert_eq!(result.code, Some(0), "{result:?}");
        assert!(result.log.contains(CONFIG), "{result:?}");
        // Without the request that waits for the service to be ready.
        let token = cloud.before.last().expect("a token").line;
        assert_eq!(server.request_lines(), [token, cloud.document.line]);
    });
}

fn headers(seen: &Seen) -> Vec<(&str, &str)> {
    let pairs = seen.headers.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// The headers of every request, with `own` added or replaced.
fn expected_headers(
    cloud: &Cloud,
    own: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let defaults = [
        (
            "accept",
            "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1",
        ),
        ("accept-encoding", "identity"),
        ("host", cloud.host()),
        ("user-agent", kindling::fetch::USER_AGENT),
    ];
    let defaults = defaults.into_iter();
    let defaults = defaults.filter(|(name, _)| !own.iter().any(|(own, _)| own == name));
    let mut all: Vec<_> = defaults.chain(own.iter().copied()).collect();
    all.sort_unstable();
    all
}
