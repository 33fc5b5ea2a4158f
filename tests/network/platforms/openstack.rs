//! OpenStack has its service at an address of IPv4, of IPv6, or both.

use super::apart;
use super::clouds::OPENSTACK;
use super::packing::{CONFIG, FOUND};
use super::service::{Answer, Script, Service};
use super::world::{StageEnd, World};
use crate::common::namespace;
use crate::common::server::plain;
use nix::net::if_::if_nametoindex;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::Path;

/// The service is known by this interface only.
const INTERFACE: &str = "cloud0";
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// What the service says at its two addresses; nothing where it is not.
struct Says {
    by_4: Option<Answer>,
    by_6: Option<Answer>,
}

/// A stage `fetch` of a machine with a network of IPv6, and the service at both addresses.
fn fetch(says: Says) -> (StageEnd, World, [Service; 2]) {
    let world = OPENSTACK.world();
    for command in [
        "ip link add cloud0 type veth peer name other0",
        "ip link set cloud0 up",
        "ip link set other0 up",
        "ip -6 address flush dev other0",
        "ip -6 address add fe80::a9fe:a9fe/64 dev cloud0 nodad",
    ] {
        namespace::run(Path::new("/"), command);
    }
    let script = |answer: &Option<Answer>| match answer {
        Some(answer) => OPENSTACK.script(std::slice::from_ref(answer)),
        None => Script::default(),
    };
    let servers = [&says.by_4, &says.by_6].map(|answer| Service::of(script(answer)));
    if says.by_4.is_some() {
        OPENSTACK.open(&world, &servers[0]);
    }
    if says.by_6.is_some() {
        let scope = if_nametoindex(INTERFACE).expect("it was just made");
        servers[1].accept(SocketAddrV6::new(ADDRESS, 80, 0, scope).into(), plain());
    }
    (world.stage(OPENSTACK.id, "fetch"), world, servers)
}

#[track_caller]
fn assert_found(world: &World, ended: &StageEnd) {
    ended.assert(0, &[]);
    assert!(world.cache().is_some_and(|cache| cache.contains(FOUND)));
}

#[test]
fn the_service_may_be_at_an_address_of_ipv6_only() {
    let by_6 = Some(Answer::ok(CONFIG));
    let (ended, world, [_, server]) = fetch(Says { by_4: None, by_6 });
    assert_found(&world, &ended);
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), OPENSTACK.document.line);
    let host = seen.headers.iter().find(|(name, _)| name == "host");
    // Without the interface, which is nobody's business but the machine's.
    assert_eq!(
        host.map(|(_, value)| value.as_str()),
        Some("[fe80::a9fe:a9fe]")
    );
}

#[test]
fn the_service_may_be_at_an_address_of_ipv4_only() {
    let by_4 = Some(Answer::ok(CONFIG));
    let (ended, world, [server, _]) = fetch(Says { by_4, by_6: None });
    assert_found(&world, &ended);
    assert_eq!(server.lines(), OPENSTACK.lines(1));
}

#[test]
fn one_address_has_what_the_other_has_not() {
    for bad in [404, 403, 503] {
        for swapped in [false, true] {
            apart(|| {
                let (bad, good) = (Some(Answer::status(bad)), Some(Answer::ok(CONFIG)));
                let (by_4, by_6) = if swapped { (good, bad) } else { (bad, good) };
                let (ended, world, _) = fetch(Says { by_4, by_6 });
                assert_found(&world, &ended);
            });
        }
    }
}

#[test]
fn no_address_has_it() {
    let missing = || Some(Answer::status(404));
    let both = Says {
        by_4: missing(),
        by_6: missing(),
    };
    let (ended, world, servers) = fetch(both);
    ended.assert(0, &["the metadata service answered first: no config"]);
    assert!(world.cache().is_some_and(|cache| !cache.contains(FOUND)));
    for server in servers {
        assert_eq!(server.lines(), OPENSTACK.lines(1));
    }
}
