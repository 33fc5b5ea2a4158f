//! The service of CloudStack, which is at the DHCP server, as a lease of systemd-networkd names it.

use super::world::{self, LINK_LOCAL, Page};
use crate::common::namespace;
use std::fs;

const LEASES: &str = "/run/systemd/netif/leases";

#[test]
fn the_service_is_at_the_server_of_the_lease() {
    let pages = vec![
        Page::get("GET /latest/meta-data/local-hostname", "web"),
        Page::get("GET /latest/meta-data/service-offering", "Small Instance"),
        Page::get("GET /latest/meta-data/vm-id", "2fe5"),
        Page::get("GET /latest/meta-data/public-keys", "ssh-rsa A\n"),
    ];
    world::with(LINK_LOCAL, pages, |world| {
        namespace::cover("/run");
        fs::create_dir_all(LEASES).expect("made");
        let lease = format!("ADDRESS=10.1.1.5\nSERVER_ADDRESS={LINK_LOCAL}\n");
        fs::write(format!("{LEASES}/2"), lease).expect("written");
        let said = world.metadata(&["--platform=cloudstack", "--env"]);
        let want = "AFTERBURN_CLOUDSTACK_LOCAL_HOSTNAME=web\n\
            AFTERBURN_CLOUDSTACK_SERVICE_OFFERING=\"Small Instance\"\n\
            AFTERBURN_CLOUDSTACK_VM_ID=2fe5\n";
        assert_eq!((said.code, said.out.as_str()), (Some(0), want), "{said:?}");
        let said = world.metadata(&["--platform=cloudstack"]);
        assert!(
            said.out.starts_with("hostname: web\nssh key: ssh-rsa A\n"),
            "{said:?}"
        );
    });
}

#[test]
fn without_a_lease_it_gives_up_in_time() {
    world::with(LINK_LOCAL, vec![], |world| {
        namespace::cover("/run");
        let said = world.metadata(&["--platform=cloudstack", "--fetch-timeout=300ms"]);
        assert_eq!((said.code, said.out.as_str()), (Some(4), ""), "{said:?}");
        let want = "kindling: error: cannot get the metadata of platform cloudstack: no lease of a DHCP server appeared in time";
        assert!(said.err.contains(want), "{said:?}");
    });
}
