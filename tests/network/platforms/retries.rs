//! Services that are not available yet, or fail temporarily.

use super::clouds::{CLOUDS, Cloud};
use super::encoding::{CONFIG, FOUND};
use super::for_each;
use super::machine::Machine;
use super::service::{Response, Service};
use std::thread::{scope, sleep};
use std::time::Duration;

/// The service appears this long after the start of the stage.
const SERVICE_DELAY: Duration = Duration::from_secs(5);

#[track_caller]
fn assert_found(cloud: &Cloud, machine: &Machine) {
    machine.stage(cloud.id, "fetch").assert(0, &[]);
    let cache = machine.cache().expect("a config");
    assert!(cache.contains(FOUND), "{cache}");
}

#[test]
fn failed_requests_are_retried() {
    for_each(CLOUDS, |cloud| {
        let good = Response::ok(cloud.encoding.encode(CONFIG));
        let (machine, server) =
            cloud.with_responses(&[Response::status(503), Response::Closed, good]);
        assert_found(cloud, &machine);
        assert_eq!(server.request_lines(), cloud.request_lines(3));
    });
}

#[test]
fn failed_token_requests_are_retried() {
    let with_token = CLOUDS.iter().filter(|cloud| !cloud.before.is_empty());
    for_each(with_token, |cloud| {
        let machine = cloud.machine();
        let token = cloud.before[0];
        let responses = [
            Response::status(503),
            Response::Closed,
            Response::ok(token.response),
        ];
        let script = cloud.script(&[Response::ok(cloud.encoding.encode(CONFIG))]);
        let server = Service::new(script.with(token.line, &responses));
        cloud.start_service(&machine, &server);
        assert_found(cloud, &machine);
        let lines = [vec![token.line; 2], cloud.request_lines(1)].concat();
        assert_eq!(server.request_lines(), lines);
    });
}

#[test]
fn statuses_of_a_starting_machine_are_retried() {
    for_each(CLOUDS, |cloud| {
        let busy = cloud
            .retry_statuses
            .iter()
            .map(|&code| Response::status(code));
        let good = Response::ok(cloud.encoding.encode(CONFIG));
        let responses: Vec<Response> = busy.chain([good]).collect();
        let (machine, server) = cloud.with_responses(&responses);
        assert_found(cloud, &machine);
        assert_eq!(server.request_lines(), cloud.request_lines(responses.len()));
    });
}

#[test]
fn status_429_is_final_on_most_clouds() {
    let others = CLOUDS
        .iter()
        .filter(|cloud| !cloud.retry_statuses.contains(&429));
    for_each(others, |cloud| {
        let (machine, server) = cloud.with_responses(&[Response::status(429)]);
        let cause = format!("GET {}: 429 Too Many Requests", cloud.redacted_url());
        machine.start(cloud.id, "fetch").wait_for(&cause);
        assert_eq!(
            server.request_lines()[..cloud.before.len() + 1],
            cloud.request_lines(1)[..cloud.before.len() + 1]
        );
    });
}

#[test]
fn a_service_may_appear_late() {
    for_each(CLOUDS, |cloud| {
        let machine = cloud.machine();
        let server = Service::new(cloud.script(&[Response::ok(cloud.encoding.encode(CONFIG))]));
        let running = machine.start(cloud.id, "fetch");
        let result = scope(|scope| {
            // Started threads are in the network namespace of this thread, like the stage.
            scope.spawn(|| {
                sleep(SERVICE_DELAY);
                cloud.start_service(&machine, &server);
            });
            running.wait()
        });
        result.assert(0, &[]);
        assert!(result.duration >= SERVICE_DELAY, "{result:?}");
        let cache = machine.cache().expect("a config");
        assert!(cache.contains(FOUND), "{cache}");
        assert_eq!(server.request_lines(), cloud.request_lines(1));
    });
}

#[test]
fn the_offline_stage_only_requests_a_network() {
    for_each(CLOUDS, |cloud| {
        let (machine, server) =
            cloud.with_responses(&[Response::ok(cloud.encoding.encode(CONFIG))]);
        let result = machine.stage(cloud.id, "fetch-offline");
        result.assert(0, &["a network is needed: "]);
        assert!(machine.needs_network(), "{result:?}");
        assert_eq!(machine.cache(), None);
        assert_eq!(server.request_lines(), [""; 0]);
    });
}
