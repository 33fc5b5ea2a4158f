//! Services that are not there yet, or falter.

use super::clouds::{CLOUDS, Cloud};
use super::each;
use super::packing::{CONFIG, FOUND};
use super::service::{Answer, Service};
use super::world::World;
use std::thread::{scope, sleep};
use std::time::Duration;

/// After it began, a stage must wait so long for a service.
const ABSENT: Duration = Duration::from_secs(5);

#[track_caller]
fn assert_found(cloud: &Cloud, world: &World) {
    world.stage(cloud.id, "fetch").assert(0, &[]);
    let cache = world.cache().expect("a config");
    assert!(cache.contains(FOUND), "{cache}");
}

#[test]
fn a_service_that_falters_is_asked_again() {
    each(CLOUDS, |cloud| {
        let good = Answer::ok(cloud.packing.pack(CONFIG));
        let (world, server) = cloud.with(&[Answer::status(503), Answer::Closed, good]);
        assert_found(cloud, &world);
        assert_eq!(server.lines(), cloud.lines(3));
    });
}

#[test]
fn a_token_service_that_falters_is_asked_again() {
    let with_token = CLOUDS.iter().filter(|cloud| !cloud.before.is_empty());
    each(with_token, |cloud| {
        let world = cloud.world();
        let token = cloud.before[0];
        let falters = [
            Answer::status(503),
            Answer::Closed,
            Answer::ok(token.answer),
        ];
        let script = cloud.script(&[Answer::ok(cloud.packing.pack(CONFIG))]);
        let server = Service::of(script.with(token.line, &falters));
        cloud.open(&world, &server);
        assert_found(cloud, &world);
        let lines = [vec![token.line; 2], cloud.lines(1)].concat();
        assert_eq!(server.lines(), lines);
    });
}

#[test]
fn statuses_of_a_machine_in_the_making_are_asked_again() {
    each(CLOUDS, |cloud| {
        let busy = cloud.again.iter().map(|&code| Answer::status(code));
        let good = Answer::ok(cloud.packing.pack(CONFIG));
        let answers: Vec<Answer> = busy.chain([good]).collect();
        let (world, server) = cloud.with(&answers);
        assert_found(cloud, &world);
        assert_eq!(server.lines(), cloud.lines(answers.len()));
    });
}

#[test]
fn busy_is_final_where_the_cloud_does_not_mean_it() {
    let others = CLOUDS.iter().filter(|cloud| !cloud.again.contains(&429));
    each(others, |cloud| {
        let (world, server) = cloud.with(&[Answer::status(429)]);
        let what = format!("GET {}: 429 Too Many Requests", cloud.shown_url());
        world.start(cloud.id, "fetch").until(&what);
        assert_eq!(
            server.lines()[..cloud.before.len() + 1],
            cloud.lines(1)[..cloud.before.len() + 1]
        );
    });
}

#[test]
fn a_service_may_come_seconds_after_the_machine() {
    each(CLOUDS, |cloud| {
        let world = cloud.world();
        let server = Service::of(cloud.script(&[Answer::ok(cloud.packing.pack(CONFIG))]));
        let running = world.start(cloud.id, "fetch");
        let ended = scope(|scope| {
            // In the network of this thread, which is that of the stage.
            scope.spawn(|| {
                sleep(ABSENT);
                cloud.open(&world, &server);
            });
            running.end()
        });
        ended.assert(0, &[]);
        assert!(ended.took >= ABSENT, "{ended:?}");
        let cache = world.cache().expect("a config");
        assert!(cache.contains(FOUND), "{cache}");
        assert_eq!(server.lines(), cloud.lines(1));
    });
}

#[test]
fn without_a_network_one_is_asked_for_and_nothing_else() {
    each(CLOUDS, |cloud| {
        let (world, server) = cloud.with(&[Answer::ok(cloud.packing.pack(CONFIG))]);
        let ended = world.stage(cloud.id, "fetch-offline");
        ended.assert(0, &["a network is needed: "]);
        assert!(world.needs_network(), "{ended:?}");
        assert_eq!(world.cache(), None);
        assert_eq!(server.lines(), [""; 0]);
    });
}
