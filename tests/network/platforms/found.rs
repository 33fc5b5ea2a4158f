//! Configs that are there: exactly these requests, and the config in the cache.

use super::clouds::{AKAMAI, AWS, CLOUDS, Cloud};
use super::each;
use super::packing::{CONFIG, FOUND};
use super::service::Answer;
use crate::common::server::Seen;
use kindling::platform::{PLATFORMS, TestLevel};

/// By the hypervisor, which a network namespace does not have.
const ELSEWHERE: [&str; 1] = ["applehv"];

#[test]
fn every_platform_that_is_asked_on_a_wire_is_tested_here() {
    let wire = PLATFORMS.iter().filter(|platform| {
        let tested = platform.about().tested;
        tested == TestLevel::RealWire && !ELSEWHERE.contains(&platform.id())
    });
    let wire: Vec<&str> = wire.map(|platform| platform.id()).collect();
    let here: Vec<&str> = CLOUDS.iter().map(|cloud| cloud.id).collect();
    assert_eq!(here, wire);
}

#[test]
fn a_config_is_asked_for_as_the_cloud_wants_it() {
    each(CLOUDS, |cloud| {
        let (world, server) = cloud.with(&[Answer::ok(cloud.packing.pack(CONFIG))]);
        world.stage(cloud.id, "fetch").assert(0, &[]);
        let cache = world.cache().expect("a config");
        assert!(cache.contains(FOUND), "{cache}");
        let seen = server.seen();
        assert_eq!(server.lines(), cloud.lines(1));
        for (seen, ask) in seen.iter().zip(cloud.asks()) {
            if !ask.line.starts_with("POST") {
                let mut own = ask.headers.to_vec();
                if ask.line.starts_with("PUT") {
                    own.push(("content-length", "0"));
                }
                assert_eq!(headers(seen), wanted(cloud, &own), "{}", ask.line);
            }
        }
    });
}

#[test]
fn a_person_gets_the_config_unpacked() {
    each([&AKAMAI, &AWS], |cloud| {
        let (world, server) = cloud.with(&[Answer::ok(cloud.packing.pack(CONFIG))]);
        let ended = world.fetch(cloud.id);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.log.contains(CONFIG), "{ended:?}");
        // Nobody waits for the service to be ready: it is, or a person hears that it is not.
        let token = cloud.before.last().expect("a token").line;
        assert_eq!(server.lines(), [token, cloud.document.line]);
    });
}

fn headers(seen: &Seen) -> Vec<(&str, &str)> {
    let pairs = seen.headers.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// The headers of every request, with some instead or besides.
fn wanted(
    cloud: &Cloud,
    own: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let usual = [
        (
            "accept",
            "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1",
        ),
        ("accept-encoding", "identity"),
        ("host", cloud.host()),
        ("user-agent", kindling::fetch::USER_AGENT),
    ];
    let usual = usual.into_iter();
    let usual = usual.filter(|(name, _)| !own.iter().any(|(own, _)| own == name));
    let mut all: Vec<_> = usual.chain(own.iter().copied()).collect();
    all.sort_unstable();
    all
}
