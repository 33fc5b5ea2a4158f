//! The service of OpenStack has an IPv4 address, an IPv6 address, or both.

use super::clouds::OPENSTACK;
use super::encoding::{CONFIG, FOUND};
use super::in_thread;
use super::machine::{Machine, StageResult};
use super::service::{Response, Script, Service};
use crate::common::namespace;
use crate::common::server::plain;
use nix::net::if_::if_nametoindex;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::Path;

/// The service is only reachable through this interface.
const INTERFACE: &str = "cloud0";
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// The response at each address of the service, if it listens there.
struct Responses {
    ipv4: Option<Response>,
    ipv6: Option<Response>,
}

/// Runs stage `fetch` on a machine with an IPv6 network, and the service at both addresses.
fn fetch(responses: Responses) -> (StageResult, Machine, [Service; 2]) {
    let machine = OPENSTACK.machine();
    for command in [
        "ip link add cloud0 type veth peer name other0",
        "ip link set cloud0 up",
        "ip link set other0 up",
        "ip -6 address flush dev other0",
        "ip -6 address add fe80::a9fe:a9fe/64 dev cloud0 nodad",
    ] {
        namespace::run(Path::new("/"), command);
    }
    let script = |response: &Option<Response>| match response {
        Some(response) => OPENSTACK.script(std::slice::from_ref(response)),
        None => Script::default(),
    };
    let servers = [&responses.ipv4, &responses.ipv6].map(|response| Service::new(script(response)));
    if responses.ipv4.is_some() {
        OPENSTACK.start_service(&machine, &servers[0]);
    }
    if responses.ipv6.is_some() {
        let scope = if_nametoindex(INTERFACE).expect("it was just made");
        servers[1].accept(SocketAddrV6::new(ADDRESS, 80, 0, scope).into(), plain());
    }
    (machine.stage(OPENSTACK.id, "fetch"), machine, servers)
}

#[track_caller]
fn assert_found(machine: &Machine, result: &StageResult) {
    result.assert(0, &[]);
    assert!(machine.cache().is_some_and(|cache| cache.contains(FOUND)));
}

#[test]
fn the_service_may_only_have_an_ipv6_address() {
    let ipv6 = Some(Response::ok(CONFIG));
    let (result, machine, [_, server]) = fetch(Responses { ipv4: None, ipv6 });
    assert_found(&machine, &result);
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), OPENSTACK.document.line);
    let host = seen.headers.iter().find(|(name, _)| name == "host");
    // The interface must not be sent.
    assert_eq!(
        host.map(|(_, value)| value.as_str()),
        Some("[fe80::a9fe:a9fe]")
    );
}

#[test]
fn the_service_may_only_have_an_ipv4_address() {
    let ipv4 = Some(Response::ok(CONFIG));
    let (result, machine, [server, _]) = fetch(Responses { ipv4, ipv6: None });
    assert_found(&machine, &result);
    assert_eq!(server.request_lines(), OPENSTACK.request_lines(1));
}

#[test]
fn one_address_with_a_config_is_enough() {
    for bad in [404, 403, 503] {
        for swapped in [false, true] {
            in_thread(|| {
                let (bad, good) = (Some(Response::status(bad)), Some(Response::ok(CONFIG)));
                let (ipv4, ipv6) = if swapped { (good, bad) } else { (bad, good) };
                let (result, machine, _) = fetch(Responses { ipv4, ipv6 });
                assert_found(&machine, &result);
            });
        }
    }
}

#[test]
fn neither_address_has_a_config() {
    let missing = || Some(Response::status(404));
    let both = Responses {
        ipv4: missing(),
        ipv6: missing(),
    };
    let (result, machine, servers) = fetch(both);
    result.assert(0, &["the metadata service answered first: no config"]);
    assert!(machine.cache().is_some_and(|cache| !cache.contains(FOUND)));
    for server in servers {
        assert_eq!(server.request_lines(), OPENSTACK.request_lines(1));
    }
}
