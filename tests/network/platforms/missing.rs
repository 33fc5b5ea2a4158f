//! Configs that are not there, or not given: what each status means.

use super::clouds::{Besides, CLOUDS, Cloud, Missing};
use super::packing::FOUND;
use super::service::Answer;
use super::{apart, each};

/// Without any but that of the machine, a boot goes on.
fn assert_no_config(cloud: &Cloud, document: Answer, words: &[&str]) {
    let (world, server) = cloud.with(&[document]);
    world.stage(cloud.id, "fetch").assert(0, words);
    let cache = world.cache().expect("an empty config is kept, too");
    assert!(cache.starts_with(r#"{"ignition":"#) && !cache.contains(FOUND));
    assert_eq!(server.lines(), cloud.lines(1));
}

#[test]
fn status_204_and_an_empty_body_are_no_config() {
    let clouds = CLOUDS.iter();
    each(
        clouds.filter(|cloud| cloud.besides != Besides::Disc),
        |cloud| {
            for answer in [Answer::status(204), Answer::ok("")] {
                apart(|| assert_no_config(cloud, answer, &["no config"]));
            }
        },
    );
}

#[test]
fn status_404_is_no_config_on_most_clouds() {
    let of = |wanted| move |cloud: &&Cloud| cloud.missing == wanted;
    each(CLOUDS.iter().filter(of(Missing::NoConfig)), |cloud| {
        assert_no_config(cloud, Answer::status(404), &["no config"]);
    });
    each(CLOUDS.iter().filter(of(Missing::Failure)), |cloud| {
        let (world, server) = cloud.with(&[Answer::status(404)]);
        let what = format!(
            "resource not found: GET {}: 404 Not Found",
            cloud.shown_url()
        );
        let ended = world.stage(cloud.id, "fetch");
        ended.assert(1, &["CRITICAL : failed to acquire config: ", &what]);
        assert_eq!(world.cache(), None);
        assert_eq!(server.lines(), cloud.lines(1));
    });
}

#[test]
fn azure_without_user_data_looks_for_a_disc() {
    let disc = CLOUDS.iter();
    each(
        disc.filter(|cloud| cloud.besides == Besides::Disc),
        |cloud| {
            for answer in [Answer::status(204), Answer::ok("")] {
                apart(|| {
                    let (world, server) = cloud.with(&[answer]);
                    let running = world.start(cloud.id, "fetch");
                    running.until("there is no user data; looking for custom data on a disc");
                    assert_eq!(server.lines(), cloud.lines(1));
                });
            }
        },
    );
}

#[test]
fn a_refusal_is_final_and_names_what_was_refused() {
    each(CLOUDS, |cloud| {
        for (code, status) in [(400, "400 Bad Request"), (403, "403 Forbidden")] {
            let what = format!(
                "failed to fetch resource: GET {}: {status}",
                cloud.shown_url()
            );
            apart(|| assert_refused(cloud, code, &what));
        }
    });
}

fn assert_refused(cloud: &Cloud, code: u16, what: &str) {
    let (world, server) = cloud.with(&[Answer::status(code)]);
    if let Besides::Drive(service) = cloud.besides {
        let what = format!("no config from {service}: {what}");
        world.start(cloud.id, "fetch").until(&what);
    } else {
        let ended = world.stage(cloud.id, "fetch");
        ended.assert(1, &["CRITICAL : failed to acquire config: ", what]);
    }
    assert_eq!(world.cache(), None);
    assert_eq!(server.lines(), cloud.lines(1));
}
