//! Scaleway only answers requests from privileged ports.

use super::clouds::SCALEWAY;
use super::encoding::CONFIG;
use super::service::Response;

#[test]
fn one_privileged_port_serves_all_attempts() {
    let responses = [
        Response::status(503),
        Response::Closed,
        Response::status(500),
        Response::ok(CONFIG),
    ];
    let (machine, server) = SCALEWAY.with_responses(&responses);
    let result = machine.stage(SCALEWAY.id, "fetch");
    result.assert(0, &[]);
    let ports: Vec<u16> = server.seen().iter().map(|seen| seen.port).collect();
    assert_eq!(ports, [ports[0]; 4], "{}", result.log);
    assert!((1..=1022).contains(&ports[0]), "{ports:?}");
}

#[test]
fn the_privileged_port_is_only_used_for_the_service() {
    // Other resources of the same host are fetched from any port.
    let config = r#"{"ignition": {"version": "3.4.0", "config": {"merge": [{"source": "http://169.254.42.42/more"}]}}}"#;
    let (machine, server) = SCALEWAY.with_responses(&[Response::ok(config)]);
    server.set_responses("GET /more", &[Response::ok(CONFIG)]);
    machine.stage(SCALEWAY.id, "fetch").assert(0, &[]);
    assert_eq!(
        server.request_lines(),
        [SCALEWAY.document.line, "GET /more"]
    );
    let ports: Vec<u16> = server.seen().iter().map(|seen| seen.port).collect();
    assert!(ports[0] <= 1022 && ports[1] > 1022, "{ports:?}");
}
