//! Services that want a token.

use super::apart;
use super::clouds::{AKAMAI, AWS, Cloud};
use super::packing::{CONFIG, FOUND};
use super::service::{Answer, Service};
use super::world::{StageEnd, World};

fn good(cloud: &Cloud) -> Answer {
    Answer::ok(cloud.packing.pack(CONFIG))
}

/// A stage `fetch` where the service says this when a token is asked for, and when the document is.
fn fetch(cloud: &Cloud, tokens: &[Answer], documents: &[Answer]) -> (StageEnd, World, Service) {
    let world = cloud.world();
    let script = cloud.script(documents);
    let server = Service::of(script.with(cloud.before[0].line, tokens));
    cloud.open(&world, &server);
    (world.stage(cloud.id, "fetch"), world, server)
}

/// The tokens that came with requests for the document.
fn tokens(cloud: &Cloud, server: &Service) -> Vec<Option<String>> {
    let names = ["metadata-token", "x-aws-ec2-metadata-token"];
    let seen = server.seen().into_iter();
    let asked = seen.filter(|seen| seen.line() == cloud.document.line);
    asked
        .map(|seen| {
            let mut headers = seen.headers.into_iter();
            let token = headers.find(|(name, _)| names.contains(&name.as_str()));
            token.map(|(_, value)| value)
        })
        .collect()
}

#[test]
fn aws_without_version_2_is_asked_by_version_1() {
    let (ended, world, server) = fetch(&AWS, &[Answer::status(404)], &[good(&AWS)]);
    ended.assert(0, &["IMDSv2 unavailable; falling back to IMDSv1"]);
    assert!(world.cache().is_some_and(|cache| cache.contains(FOUND)));
    assert_eq!(server.lines(), AWS.lines(1));
    assert_eq!(tokens(&AWS, &server), [None]);
}

#[test]
fn aws_that_is_switched_off_does_not_matter_to_other_sources() {
    let off = [Answer::status(403)];
    apart(|| {
        let (ended, world, server) = fetch(&AWS, &off, &[good(&AWS)]);
        let what = "cannot get a token of IMDSv2: failed to fetch resource: PUT http://169.254.169.254/latest/api/token: 403 Forbidden";
        ended.assert(1, &["the metadata service is switched off", what]);
        assert_eq!(world.cache(), None);
        assert_eq!(server.lines(), [AWS.before[0].line; 2]);
    });
    apart(|| {
        let tokens = [Answer::status(403), Answer::ok("tok-s3cret")];
        let (ended, world, _) = fetch(&AWS, &tokens, &[good(&AWS)]);
        ended.assert(0, &["the metadata service is switched off (403 Forbidden)"]);
        assert!(world.cache().is_some_and(|cache| cache.contains(FOUND)));
    });
    // Stages that look into the cache ask for nothing, and neither does a config of the system.
    let world = AWS.world();
    let script = AWS.script(&[good(&AWS)]);
    let server = Service::of(script.with(AWS.before[0].line, &off));
    AWS.open(&world, &server);
    world.put("etc/user.ign", CONFIG);
    for stage in ["fetch", "kargs"] {
        let ended = world.stage(AWS.id, stage);
        ended.assert(0, &["the metadata service is switched off (403 Forbidden)"]);
    }
    assert!(world.cache().is_some_and(|cache| cache.contains(FOUND)));
    assert_eq!(server.lines(), [AWS.before[0].line; 2]);
}

#[test]
fn a_machine_that_aws_does_not_answer_otherwise_is_not_ready() {
    let (ended, _, server) = fetch(&AWS, &[Answer::status(400)], &[good(&AWS)]);
    ended.assert(1, &["initializing platform config", "400 Bad Request"]);
    assert_eq!(server.lines(), [AWS.before[0].line]);
}

#[test]
fn a_token_whose_time_is_over_is_replaced_once() {
    let old = || Answer::ok("old-s3cret");
    let cases = [
        // The first one is for init.
        (AWS, vec![old(), old(), Answer::ok("new-s3cret")]),
        (AKAMAI, vec![old(), Answer::ok("new-s3cret\n")]),
    ];
    for (cloud, given) in &cases {
        let refused = || Answer::status(401);
        apart(|| {
            let (ended, world, server) = fetch(cloud, given, &[refused(), good(cloud)]);
            ended.assert(0, &["did not take the token (401); getting another one"]);
            assert!(world.cache().is_some_and(|cache| cache.contains(FOUND)));
            let sent = ["old-s3cret", "new-s3cret"].map(|token| Some(token.to_owned()));
            assert_eq!(tokens(cloud, &server), sent);
        });
        apart(|| {
            let again = [refused(), refused(), good(cloud)];
            let (ended, world, server) = fetch(cloud, given, &again);
            let what = format!("GET {}: 401 Unauthorized", cloud.url());
            ended.assert(1, &["CRITICAL : failed to acquire config: ", &what]);
            assert_eq!(world.cache(), None);
            assert_eq!(tokens(cloud, &server).len(), 2);
        });
    }
}

#[test]
fn who_gets_no_token_does_not_ask_twice_for_one() {
    for code in [400, 401, 403, 404] {
        apart(|| {
            let (ended, _, server) = fetch(&AKAMAI, &[Answer::status(code)], &[good(&AKAMAI)]);
            let what = "PUT http://169.254.169.254/v1/token: ";
            ended.assert(1, &["cannot get a token: ", what, &code.to_string()]);
            assert_eq!(server.lines(), [AKAMAI.before[0].line]);
        });
    }
    for empty in ["", " \n"] {
        apart(|| {
            let (ended, _, server) = fetch(&AKAMAI, &[Answer::ok(empty)], &[good(&AKAMAI)]);
            ended.assert(1, &["the metadata service gave an empty token"]);
            assert_eq!(server.lines(), [AKAMAI.before[0].line]);
        });
    }
}
