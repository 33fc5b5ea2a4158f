//! Missing configs and refused requests: the meaning of each status.

use super::clouds::{CLOUDS, Cloud, NotFound, OtherSource};
use super::encoding::FOUND;
use super::service::Response;
use super::{for_each, in_thread};

/// Checks that a boot continues, with only the config of the system.
fn assert_no_config(cloud: &Cloud, document: Response, texts: &[&str]) {
    let (machine, server) = cloud.with_responses(&[document]);
    machine.stage(cloud.id, "fetch").assert(0, texts);
    let cache = machine.cache().expect("an empty config is cached, too");
    assert!(cache.starts_with(r#"{"ignition":"#) && !cache.contains(FOUND));
    assert_eq!(server.request_lines(), cloud.request_lines(1));
}

#[test]
fn status_204_and_an_empty_body_are_no_config() {
    let clouds = CLOUDS.iter();
    for_each(
        clouds.filter(|cloud| cloud.other_source != OtherSource::Disc),
        |cloud| {
            for response in [Response::status(204), Response::ok("")] {
                in_thread(|| assert_no_config(cloud, response, &["no config"]));
            }
        },
    );
}

#[test]
fn status_404_is_no_config_on_most_clouds() {
    let has = |expected| move |cloud: &&Cloud| cloud.not_found == expected;
    for_each(CLOUDS.iter().filter(has(NotFound::NoConfig)), |cloud| {
        assert_no_config(cloud, Response::status(404), &["no config"]);
    });
    for_each(CLOUDS.iter().filter(has(NotFound::Failure)), |cloud| {
        let (machine, server) = cloud.with_responses(&[Response::status(404)]);
        let cause = format!(
            "resource not found: GET {}: 404 Not Found",
            cloud.redacted_url()
        );
        let result = machine.stage(cloud.id, "fetch");
        result.assert(1, &["CRITICAL : failed to acquire config: ", &cause]);
        assert_eq!(machine.cache(), None);
        assert_eq!(server.request_lines(), cloud.request_lines(1));
    });
}

#[test]
fn azure_without_user_data_looks_for_a_disc() {
    let disc = CLOUDS.iter();
    for_each(
        disc.filter(|cloud| cloud.other_source == OtherSource::Disc),
        |cloud| {
            for response in [Response::status(204), Response::ok("")] {
                in_thread(|| {
                    let (machine, server) = cloud.with_responses(&[response]);
                    let running = machine.start(cloud.id, "fetch");
                    running.wait_for("there is no user data; looking for custom data on a disc");
                    assert_eq!(server.request_lines(), cloud.request_lines(1));
                });
            }
        },
    );
}

#[test]
fn client_errors_are_final_and_name_the_request() {
    for_each(CLOUDS, |cloud| {
        for (code, status) in [(400, "400 Bad Request"), (403, "403 Forbidden")] {
            let cause = format!(
                "failed to fetch resource: GET {}: {status}",
                cloud.redacted_url()
            );
            in_thread(|| assert_refused(cloud, code, &cause));
        }
    });
}

fn assert_refused(cloud: &Cloud, code: u16, cause: &str) {
    let (machine, server) = cloud.with_responses(&[Response::status(code)]);
    if let OtherSource::Drive(service) = cloud.other_source {
        let cause = format!("no config from {service}: {cause}");
        machine.start(cloud.id, "fetch").wait_for(&cause);
    } else {
        let result = machine.stage(cloud.id, "fetch");
        result.assert(1, &["CRITICAL : failed to acquire config: ", cause]);
    }
    assert_eq!(machine.cache(), None);
    assert_eq!(server.request_lines(), cloud.request_lines(1));
}
