//! CloudStack has its service at the DHCP server, which a lease names.

use super::clouds::CLOUDSTACK;
use super::each;
use super::packing::{CONFIG, FOUND};
use super::service::{Answer, Service};
use super::world::World;
use std::thread::{scope, sleep};
use std::time::Duration;

/// A machine that has not been told yet who its DHCP server is.
fn without_lease() -> (World, Service) {
    let world = World::enter();
    let server = Service::of(CLOUDSTACK.script(&[Answer::ok(CONFIG)]));
    CLOUDSTACK.open(&world, &server);
    (world, server)
}

#[track_caller]
fn assert_asked(world: &World, server: &Service) {
    assert!(world.cache().is_some_and(|cache| cache.contains(FOUND)));
    assert_eq!(server.lines(), CLOUDSTACK.lines(1));
}

const NETWORKD: (&str, &str) = (
    "/run/systemd/netif/leases/3",
    "# This is private data. Do not parse.\nADDRESS=10.1.1.5\nSERVER_ADDRESS=10.1.1.1\nT1=43200\n",
);
const DHCLIENT: (&str, &str) = (
    "/tmp/dhclient.eth0.dhcpopts",
    "new_ip_address='10.1.1.5'\nnew_dhcp_server_identifier='10.1.1.1'\n",
);

#[test]
fn leases_of_networkd_and_of_dhclient_name_the_server() {
    for (path, text) in [NETWORKD, DHCLIENT] {
        each([&CLOUDSTACK], |_| {
            let (world, server) = without_lease();
            world.put(path, text);
            let ended = world.stage(CLOUDSTACK.id, "fetch");
            ended.assert(0, &["the DHCP server is 10.1.1.1"]);
            assert_asked(&world, &server);
        });
    }
}

#[test]
fn a_lease_may_come_late() {
    let late = Duration::from_secs(2);
    let (world, server) = without_lease();
    let running = world.start(CLOUDSTACK.id, "fetch");
    let ended = scope(|scope| {
        scope.spawn(|| {
            sleep(late);
            assert_eq!(server.lines(), [""; 0]);
            // Whole at once, as who writes leases does it.
            world.put("/run/lease", NETWORKD.1);
            std::fs::create_dir_all("/run/systemd/netif/leases").expect("a directory");
            std::fs::rename("/run/lease", NETWORKD.0).expect("renamed");
        });
        running.end()
    });
    ended.assert(0, &["the DHCP server is 10.1.1.1"]);
    assert!(ended.took >= late, "{ended:?}");
    assert_asked(&world, &server);
}

#[test]
fn a_lease_without_a_server_leaves_the_drive() {
    let (world, server) = without_lease();
    world.put(NETWORKD.0, "ADDRESS=10.1.1.5\n");
    let running = world.start(CLOUDSTACK.id, "fetch");
    running.until("no config from the service at the DHCP server: lease /run/systemd/netif/leases/3 names no server");
    assert_eq!(server.lines(), [""; 0]);
}
