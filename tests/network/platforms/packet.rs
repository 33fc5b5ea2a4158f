//! Packet wants to hear how each stage ended.

use super::apart;
use super::clouds::{PACKET, PACKET_NAME};
use super::packing::CONFIG;
use super::service::{Answer, Service};

/// What it heard, and how.
fn events(server: &Service) -> Vec<String> {
    let seen = server.seen().into_iter();
    let events = seen.filter(|seen| seen.line() == "POST /events");
    events
        .map(|seen| {
            let header = |wanted| seen.headers.iter().find(|(name, _)| name == wanted);
            let kind = header("content-type").map(|(_, value)| value.as_str());
            assert_eq!(kind, Some("application/json"));
            seen.body
        })
        .collect()
}

#[test]
fn the_end_of_each_stage_is_told() {
    let stages = ["fetch", "kargs", "disks", "mount", "files", "umount"];
    let (world, server) = PACKET.with(&[Answer::ok(r#"{"ignition": {"version": "3.4.0"}}"#)]);
    for stage in stages {
        world.stage(PACKET.id, stage).assert(0, &[]);
    }
    let told = stages.map(|stage| {
        format!(
            r#"{{"state":"running","message":"[{stage}] Ignition status: finished successfully"}}"#
        )
    });
    assert_eq!(events(&server), told);
    let asked = ["GET /metadata", "POST /events"];
    let asked = [vec!["GET /userdata"], asked.repeat(stages.len())].concat();
    assert_eq!(server.lines(), asked);
}

#[test]
fn a_stage_that_failed_says_why() {
    let (world, server) = PACKET.with(&[Answer::status(404)]);
    world.stage(PACKET.id, "fetch").assert(1, &[]);
    let why = "cannot obtain the config from platform packet: resource not found: GET https://metadata.packet.net/userdata: 404 Not Found";
    let told = format!(r#"{{"state":"failed","message":"[fetch] Ignition error: {why}"}}"#);
    assert_eq!(events(&server), [told]);
}

#[test]
fn what_the_service_thinks_of_it_does_not_matter() {
    for (line, answer, words) in [
        ("POST /events", Answer::status(500), ""),
        (
            "POST /events",
            Answer::Closed,
            "cannot report the result of the stage to the platform: ",
        ),
        (
            "GET /metadata",
            Answer::status(404),
            "resource not found: GET https://metadata.packet.net/metadata",
        ),
        (
            "GET /metadata",
            Answer::ok("s3cret"),
            "the metadata of the machine has no phone_home_url",
        ),
    ] {
        apart(|| {
            let (world, server) = PACKET.with(&[Answer::ok(CONFIG)]);
            server.say(line, &[answer]);
            world.stage(PACKET.id, "fetch").assert(0, &[words]);
            assert!(world.cache().is_some());
        });
    }
}

#[test]
fn a_service_that_has_gone_holds_up_no_stage_for_long() {
    // Its name and its network are there, but nobody answers.
    let (world, server) = PACKET.with(&[Answer::ok(CONFIG)]);
    server.say("GET /metadata", &[Answer::Closed]);
    let ended = world.stage(PACKET.id, "fetch");
    ended.assert(
        0,
        &[
            "cannot report the result of the stage to the platform: unable to fetch resource in time",
            "/metadata: gave up after ",
        ],
    );
    assert!(world.cache().is_some());
}

#[test]
fn only_an_authority_that_the_machine_trusts_vouches_for_it() {
    let (world, server) = PACKET.with(&[Answer::ok(CONFIG)]);
    crate::common::namespace::certificates(&world.path(""), &[PACKET_NAME]);
    world
        .start(PACKET.id, "fetch")
        .until("invalid peer certificate");
    assert_eq!(server.lines(), [""; 0]);
}
