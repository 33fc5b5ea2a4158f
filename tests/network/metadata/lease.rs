//! The service of CloudStack, which is on the DHCP server that a lease of systemd-networkd names.

use super::network::{self, LINK_LOCAL, Page};
use crate::common::namespace;
use std::fs;

const LEASES: &str = "/run/systemd/netif/leases";

#[test]
fn the_service_is_on_the_dhcp_server_of_the_lease() {
    let pages = vec![
        Page::get("GET /latest/meta-data/local-hostname", "web"),
        Page::get("GET /latest/meta-data/service-offering", "Small Instance"),
        Page::get("GET /latest/meta-data/vm-id", "2fe5"),
        Page::get("GET /latest/meta-data/public-keys", "ssh-rsa A\n"),
    ];
    network::with(LINK_LOCAL, pages, |network| {
        namespace::cover("/run");
        fs::create_dir_all(LEASES).expect("made");
        let lease = format!("ADDRESS=10.1.1.5\nSERVER_ADDRESS={LINK_LOCAL}\n");
        fs::write(format!("{LEASES}/2"), lease).expect("written");
        let output = network.metadata(&["--platform=cloudstack", "--env"]);
        let expected = "AFTERBURN_CLOUDSTACK_LOCAL_HOSTNAME=web\n\
            AFTERBURN_CLOUDSTACK_SERVICE_OFFERING=\"Small Instance\"\n\
            AFTERBURN_CLOUDSTACK_VM_ID=2fe5\n";
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(0), expected),
            "{output:?}"
        );
        let output = network.metadata(&["--platform=cloudstack"]);
        assert!(
            output
                .out
                .starts_with("hostname: web\nssh key: ssh-rsa A\n"),
            "{output:?}"
        );
    });
}

#[test]
fn without_a_lease_it_times_out() {
    network::with(LINK_LOCAL, vec![], |network| {
        namespace::cover("/run");
        let output = network.metadata(&["--platform=cloudstack", "--fetch-timeout=300ms"]);
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(4), ""),
            "{output:?}"
        );
        let expected = "kindling: error: cannot get the metadata of platform cloudstack: no lease of a DHCP server appeared in time";
        assert!(output.err.contains(expected), "{output:?}");
    });
}
