//! The result of each stage is reported to Packet.

use super::clouds::{PACKET, PACKET_NAME};
use super::encoding::CONFIG;
use super::in_thread;
use super::service::{Response, Service};

/// The bodies of all reported events.
fn events(server: &Service) -> Vec<String> {
    let seen = server.seen().into_iter();
    let events = seen.filter(|seen| seen.line() == "POST /events");
    events
        .map(|seen| {
            let header = |expected| seen.headers.iter().find(|(name, _)| name == expected);
            let kind = header("content-type").map(|(_, value)| value.as_str());
            assert_eq!(kind, Some("application/json"));
            seen.body
        })
        .collect()
}

#[test]
fn each_stage_result_is_reported() {
    let stages = ["fetch", "kargs", "disks", "mount", "files", "umount"];
    let (machine, server) =
        PACKET.with_responses(&[Response::ok(r#"{"ignition": {"version": "3.4.0"}}"#)]);
    for stage in stages {
        machine.stage(PACKET.id, stage).assert(0, &[]);
    }
    let expected_events = stages.map(|stage| {
        format!(
            r#"{{"state":"running","message":"[{stage}] Ignition status: finished successfully"}}"#
        )
    });
    assert_eq!(events(&server), expected_events);
    let requests = ["GET /metadata", "POST /events"];
    let requests = [vec!["GET /userdata"], requests.repeat(stages.len())].concat();
    assert_eq!(server.request_lines(), requests);
}

#[test]
fn a_failed_stage_reports_the_error() {
    let (machine, server) = PACKET.with_responses(&[Response::status(404)]);
    machine.stage(PACKET.id, "fetch").assert(1, &[]);
    let why = "cannot obtain the config from platform packet: resource not found: GET https://metadata.packet.net/userdata: 404 Not Found";
    let expected_events =
        format!(r#"{{"state":"failed","message":"[fetch] Ignition error: {why}"}}"#);
    assert_eq!(events(&server), [expected_events]);
}

#[test]
fn failures_to_report_are_ignored() {
    for (line, response, text) in [
        ("POST /events", Response::status(500), ""),
        (
            "POST /events",
            Response::Closed,
            "cannot report the result of the stage to the platform: ",
        ),
        (
            "GET /metadata",
            Response::status(404),
            "resource not found: GET https://metadata.packet.net/metadata",
        ),
        (
            "GET /metadata",
            Response::ok("s3cret"),
            "the metadata of the machine has no phone_home_url",
        ),
    ] {
        in_thread(|| {
            let (machine, server) = PACKET.with_responses(&[Response::ok(CONFIG)]);
            server.set_responses(line, &[response]);
            machine.stage(PACKET.id, "fetch").assert(0, &[text]);
            assert!(machine.cache().is_some());
        });
    }
}

#[test]
fn a_stage_does_not_wait_long_for_a_missing_service() {
    // The name and the address exist, but there is no response.
    let (machine, server) = PACKET.with_responses(&[Response::ok(CONFIG)]);
    server.set_responses("GET /metadata", &[Response::Closed]);
    let result = machine.stage(PACKET.id, "fetch");
    result.assert(
        0,
        &[
            "cannot report the result of the stage to the platform: unable to fetch resource in time",
            "/metadata: gave up after ",
        ],
    );
    assert!(machine.cache().is_some());
}

#[test]
fn the_service_needs_a_certificate_by_a_trusted_authority() {
    let (machine, server) = PACKET.with_responses(&[Response::ok(CONFIG)]);
    crate::common::namespace::certificates(&machine.path(""), &[PACKET_NAME]);
    machine
        .start(PACKET.id, "fetch")
        .wait_for("invalid peer certificate");
    assert_eq!(server.request_lines(), [""; 0]);
}
