//! Scaleway answers who can bind a port of root's.

use super::clouds::SCALEWAY;
use super::packing::CONFIG;
use super::service::Answer;

#[test]
fn one_port_of_root_serves_all_attempts() {
    let answers = [
        Answer::status(503),
        Answer::Closed,
        Answer::status(500),
        Answer::ok(CONFIG),
    ];
    let (world, server) = SCALEWAY.with(&answers);
    let ended = world.stage(SCALEWAY.id, "fetch");
    ended.assert(0, &[]);
    let ports: Vec<u16> = server.seen().iter().map(|seen| seen.port).collect();
    assert_eq!(ports, [ports[0]; 4], "{}", ended.log);
    assert!((1..=1022).contains(&ports[0]), "{ports:?}");
}

#[test]
fn the_port_of_root_is_for_the_service_alone() {
    // On the same machine, but from any port.
    let config = r#"{"ignition": {"version": "3.4.0", "config": {"merge": [{"source": "http://169.254.42.42/more"}]}}}"#;
    let (world, server) = SCALEWAY.with(&[Answer::ok(config)]);
    server.say("GET /more", &[Answer::ok(CONFIG)]);
    world.stage(SCALEWAY.id, "fetch").assert(0, &[]);
    assert_eq!(server.lines(), [SCALEWAY.document.line, "GET /more"]);
    let ports: Vec<u16> = server.seen().iter().map(|seen| seen.port).collect();
    assert!(ports[0] <= 1022 && ports[1] > 1022, "{ports:?}");
}
