//! Services that require a token.

use super::clouds::{AKAMAI, AWS, Cloud};
use super::encoding::{CONFIG, FOUND};
use super::in_thread;
use super::machine::{Machine, StageResult};
use super::service::{Response, Service};

fn good(cloud: &Cloud) -> Response {
    Response::ok(cloud.encoding.encode(CONFIG))
}

/// Runs stage `fetch` with these responses of the service to requests for a token and for the document.
fn fetch(
    cloud: &Cloud,
    tokens: &[Response],
    documents: &[Response],
) -> (StageResult, Machine, Service) {
    let machine = cloud.machine();
    let script = cloud.script(documents);
    let server = Service::new(script.with(cloud.before[0].line, tokens));
    cloud.start_service(&machine, &server);
    (machine.stage(cloud.id, "fetch"), machine, server)
}

/// The tokens in requests for the document.
fn tokens(cloud: &Cloud, server: &Service) -> Vec<Option<String>> {
    let names = ["metadata-token", "x-aws-ec2-metadata-token"];
    let seen = server.seen().into_iter();
    let requests = seen.filter(|seen| seen.line() == cloud.document.line);
    requests
        .map(|seen| {
            let mut headers = seen.headers.into_iter();
            let token = headers.find(|(name, _)| names.contains(&name.as_str()));
            token.map(|(_, value)| value)
        })
        .collect()
}

#[test]
fn aws_falls_back_to_imdsv1() {
    let (result, machine, server) = fetch(&AWS, &[Response::status(404)], &[good(&AWS)]);
    result.assert(0, &["IMDSv2 unavailable; falling back to IMDSv1"]);
    assert!(machine.cache().is_some_and(|cache| cache.contains(FOUND)));
    assert_eq!(server.request_lines(), AWS.request_lines(1));
    assert_eq!(tokens(&AWS, &server), [None]);
}

#[test]
fn a_disabled_aws_service_does_not_affect_other_sources() {
    let disabled = [Response::status(403)];
    in_thread(|| {
        let (result, machine, server) = fetch(&AWS, &disabled, &[good(&AWS)]);
        let cause = "cannot get a token of IMDSv2: failed to fetch resource: PUT http://169.254.169.254/latest/api/token: 403 Forbidden";
        result.assert(1, &["the metadata service is switched off", cause]);
        assert_eq!(machine.cache(), None);
        assert_eq!(server.request_lines(), [AWS.before[0].line; 2]);
    });
    in_thread(|| {
        let tokens = [Response::status(403), Response::ok("tok-s3cret")];
        let (result, machine, _) = fetch(&AWS, &tokens, &[good(&AWS)]);
        result.assert(0, &["the metadata service is switched off (403 Forbidden)"]);
        assert!(machine.cache().is_some_and(|cache| cache.contains(FOUND)));
    });
    // Neither stages that use the cache nor the config of the system send requests.
    let machine = AWS.machine();
    let script = AWS.script(&[good(&AWS)]);
    let server = Service::new(script.with(AWS.before[0].line, &disabled));
    AWS.start_service(&machine, &server);
    machine.put("etc/user.ign", CONFIG);
    for stage in ["fetch", "kargs"] {
        let result = machine.stage(AWS.id, stage);
        result.assert(0, &["the metadata service is switched off (403 Forbidden)"]);
    }
    assert!(machine.cache().is_some_and(|cache| cache.contains(FOUND)));
    assert_eq!(server.request_lines(), [AWS.before[0].line; 2]);
}

#[test]
fn other_aws_token_errors_fail_the_initialization() {
    let (result, _, server) = fetch(&AWS, &[Response::status(400)], &[good(&AWS)]);
    result.assert(1, &["initializing platform config", "400 Bad Request"]);
    assert_eq!(server.request_lines(), [AWS.before[0].line]);
}

#[test]
fn an_expired_token_is_replaced_once() {
    let old = || Response::ok("old-s3cret");
    let cases = [
        // The first one is for the initialization.
        (AWS, vec![old(), old(), Response::ok("new-s3cret")]),
        (AKAMAI, vec![old(), Response::ok("new-s3cret\n")]),
    ];
    for (cloud, given) in &cases {
        let refused = || Response::status(401);
        in_thread(|| {
            let (result, machine, server) = fetch(cloud, given, &[refused(), good(cloud)]);
            result.assert(0, &["did not take the token (401); getting another one"]);
            assert!(machine.cache().is_some_and(|cache| cache.contains(FOUND)));
            let sent = ["old-s3cret", "new-s3cret"].map(|token| Some(token.to_owned()));
            assert_eq!(tokens(cloud, &server), sent);
        });
        in_thread(|| {
            let documents = [refused(), refused(), good(cloud)];
            let (result, machine, server) = fetch(cloud, given, &documents);
            let cause = format!("GET {}: 401 Unauthorized", cloud.url());
            result.assert(1, &["CRITICAL : failed to acquire config: ", &cause]);
            assert_eq!(machine.cache(), None);
            assert_eq!(tokens(cloud, &server).len(), 2);
        });
    }
}

#[test]
fn failed_token_requests_are_final() {
    for code in [400, 401, 403, 404] {
        in_thread(|| {
            let (result, _, server) = fetch(&AKAMAI, &[Response::status(code)], &[good(&AKAMAI)]);
            let cause = "PUT http://169.254.169.254/v1/token: ";
            result.assert(1, &["cannot get a token: ", cause, &code.to_string()]);
            assert_eq!(server.request_lines(), [AKAMAI.before[0].line]);
        });
    }
    for empty in ["", " \n"] {
        in_thread(|| {
            let (result, _, server) = fetch(&AKAMAI, &[Response::ok(empty)], &[good(&AKAMAI)]);
            result.assert(1, &["the metadata service gave an empty token"]);
            assert_eq!(server.request_lines(), [AKAMAI.before[0].line]);
        });
    }
}
