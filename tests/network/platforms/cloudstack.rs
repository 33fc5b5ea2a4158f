//! The service of CloudStack is on the DHCP server, which is named by a lease.

use super::clouds::CLOUDSTACK;
use super::encoding::{CONFIG, FOUND};
use super::for_each;
use super::machine::Machine;
use super::service::{Response, Service};
use std::thread::{scope, sleep};
use std::time::Duration;

/// A machine without a DHCP lease, and its service.
fn without_lease() -> (Machine, Service) {
    let machine = Machine::enter();
    let server = Service::new(CLOUDSTACK.script(&[Response::ok(CONFIG)]));
    CLOUDSTACK.start_service(&machine, &server);
    (machine, server)
}

#[track_caller]
fn assert_fetched(machine: &Machine, server: &Service) {
    assert!(machine.cache().is_some_and(|cache| cache.contains(FOUND)));
    assert_eq!(server.request_lines(), CLOUDSTACK.request_lines(1));
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
fn leases_of_networkd_and_dhclient_are_read() {
    for (path, text) in [NETWORKD, DHCLIENT] {
        for_each([&CLOUDSTACK], |_| {
            let (machine, server) = without_lease();
            machine.put(path, text);
            let result = machine.stage(CLOUDSTACK.id, "fetch");
            result.assert(0, &["the DHCP server is 10.1.1.1"]);
            assert_fetched(&machine, &server);
        });
    }
}

#[test]
fn a_lease_may_appear_late() {
    let delay = Duration::from_secs(2);
    let (machine, server) = without_lease();
    let running = machine.start(CLOUDSTACK.id, "fetch");
    let result = scope(|scope| {
        scope.spawn(|| {
            sleep(delay);
            assert_eq!(server.request_lines(), [""; 0]);
            // Written atomically, like real leases.
            machine.put("/run/lease", NETWORKD.1);
            std::fs::create_dir_all("/run/systemd/netif/leases").expect("a directory");
            std::fs::rename("/run/lease", NETWORKD.0).expect("renamed");
        });
        running.wait()
    });
    result.assert(0, &["the DHCP server is 10.1.1.1"]);
    assert!(result.duration >= delay, "{result:?}");
    assert_fetched(&machine, &server);
}

#[test]
fn without_a_server_in_the_lease_only_the_drive_is_left() {
    let (machine, server) = without_lease();
    machine.put(NETWORKD.0, "ADDRESS=10.1.1.5\n");
    let running = machine.start(CLOUDSTACK.id, "fetch");
    running.wait_for("no config from the service at the DHCP server: lease /run/systemd/netif/leases/3 names no server");
    assert_eq!(server.request_lines(), [""; 0]);
}
