//! A machine for each platform that Afterburn supports too, with all documents of its service or drive.

use super::network::{ALIYUN, LINK_LOCAL, Page, SCALEWAY};

const KEY_A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILx2wgUH88ECcDR1m7pg1+Ab1NxUte9izuUtPuLuO6Ga a@example.com";
const KEY_B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVo8Yl5zz7AMRPBJRII1ZgpaL1RGPXmEwTSKGI0Ousv b@example.com";
/// Address of the Azure service with details that its metadata service lacks.
const WIRE_SERVER: &str = "168.63.129.16";

/// A machine.
pub struct Machine {
    /// The platform ID.
    pub platform: &'static str,
    /// The name of the platform in Afterburn.
    pub provider: &'static str,
    pub address: &'static str,
    pub more_addresses: &'static [&'static str],
    /// The name of the service, if it uses HTTPS.
    pub https: Option<&'static str>,
    pub pages: Vec<Page>,
    /// Additional lines of the DHCP lease.
    pub lease: &'static str,
    /// Label and files of a drive.
    pub drive: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    /// Attributes that Afterburn does not have; documented in `docs/metadata.md`.
    pub extra_attributes: &'static [&'static str],
    /// Afterburn has no hostname on this platform.
    pub has_extra_hostname: bool,
}

impl Machine {
    fn of(name: &'static str, pages: Vec<Page>) -> Self {
        Machine {
            platform: name,
            provider: name,
            address: LINK_LOCAL,
            more_addresses: &[],
            https: None,
            pages,
            lease: "",
            drive: None,
            extra_attributes: &[],
            has_extra_hostname: false,
        }
    }

    fn with_drive(
        name: &'static str,
        label: &'static str,
        files: &'static [(&'static str, &'static str)],
    ) -> Self {
        Machine {
            drive: Some((label, files)),
            ..Machine::of(name, vec![])
        }
    }
}

/// Replaces the placeholders for keys in a text.
fn with_keys(text: &str) -> &'static str {
    text.replace("KEY_A", KEY_A).replace("KEY_B", KEY_B).leak()
}

/// Documents of a service below one path.
fn tree(base: &str, documents: &[(&str, &str)]) -> Vec<Page> {
    let pages = documents.iter().map(|(path, text)| {
        let line: &'static str = format!("GET {base}{path}").leak();
        Page::get(line, with_keys(text))
    });
    pages.collect()
}

/// All machines.
pub fn all() -> Vec<Machine> {
    let mut all = vec![akamai(), aliyun(), aws(), azure(), azure_stack()];
    all.extend([
        cloudstack(),
        cloudstack_drive(),
        digitalocean(),
        exoscale(),
        gcp(),
        hetzner(),
    ]);
    all.extend([
        ibmcloud(),
        kubevirt(),
        kubevirt_no_cloud(),
        openstack(),
        openstack_drive(),
    ]);
    all.extend([
        oraclecloud(),
        packet(),
        powervs(),
        proxmoxve(),
        scaleway(),
        upcloud(),
        vultr(),
    ]);
    all
}

fn akamai() -> Machine {
    let mut pages = tree(
        "/v1/",
        &[
            (
                "instance",
                r#"{"id": 77, "label": "web", "region": "us-ord", "type": "g6-nanode-1", "tags": ["blue", "prod"],
            "host_uuid": "a631", "specs": {"vcpus": 1, "memory": 1024, "disk": 25600, "transfer": 1000, "gpus": 0},
            "backups": {"enabled": false, "status": null}}"#,
            ),
            (
                "network",
                r#"{"interfaces": [], "ipv4": {"public": ["192.0.2.9/32"], "private": ["10.0.0.9/17", "10.0.0.10/17"],
            "shared": ["192.0.2.10/32"]}, "ipv6": {"slaac": "2001:db8::9/128", "ranges": ["2001:db8:1::/64"],
            "link_local": "fe80::9/128", "shared_ranges": ["2001:db8:2::/64"]}}"#,
            ),
            (
                "ssh-keys",
                r#"{"users": {"root": ["KEY_A"], "ann": ["KEY_B"]}}"#,
            ),
        ],
    );
    pages.push(Page::get("PUT /v1/token", "t0ken"));
    Machine::of("akamai", pages)
}

fn aliyun() -> Machine {
    let pages = tree(
        "/latest/meta-data/",
        &[
            ("eipv4", "192.0.2.4"),
            ("hostname", "web"),
            ("image-id", "aliyun_3"),
            ("instance-id", "i-bp13"),
            ("instance/instance-type", "ecs.g6e.large"),
            ("private-ipv4", "10.0.0.4"),
            ("public-ipv4", "192.0.2.5"),
            ("region-id", "cn-hangzhou"),
            ("vpc-id", "vpc-1"),
            ("zone-id", "cn-hangzhou-i"),
            ("public-keys/", "one/\ntwo/"),
            ("public-keys/one/openssh-key", "KEY_A"),
            ("public-keys/two/openssh-key", "KEY_B"),
        ],
    );
    Machine {
        address: ALIYUN,
        ..Machine::of("aliyun", pages)
    }
}

/// Requires the token of IMDSv2.
fn aws() -> Machine {
    let pages = tree(
        "/2021-01-03/",
        &[
            ("meta-data/hostname", "ip-10-0-0-7.ec2.internal"),
            ("meta-data/instance-id", "i-0123456789abcdef0"),
            ("meta-data/instance-type", "t3.micro"),
            ("meta-data/ipv6", "2001:db8::7"),
            ("meta-data/local-ipv4", "10.0.0.7"),
            ("meta-data/placement/availability-zone", "us-east-1a"),
            ("meta-data/placement/availability-zone-id", "use1-az4"),
            (
                "meta-data/public-hostname",
                "ec2-192-0-2-7.compute-1.amazonaws.com",
            ),
            ("meta-data/public-ipv4", "192.0.2.7"),
            ("meta-data/public-keys", "0=my key\n1=other"),
            ("meta-data/public-keys/0/openssh-key", "KEY_A\n"),
            ("meta-data/public-keys/1/openssh-key", "KEY_B\n"),
            (
                "dynamic/instance-identity/document",
                "{\"accountId\": \"1\", \"region\": \"us-east-1\"}",
            ),
        ],
    );
    let with_token = |page| Page {
        required_headers: &[("x-aws-ec2-metadata-token", "AQAEtoken==")],
        ..page
    };
    let mut pages: Vec<Page> = pages.into_iter().map(with_token).collect();
    pages.push(Page {
        required_headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
        ..Page::get("PUT /latest/api/token", "AQAEtoken==")
    });
    Machine::of("aws", pages)
}

const VERSIONS: (&str, &str) = (
    "/?comp=versions",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><Versions><Preferred><Version>2015-04-05</Version></Preferred><Supported>\
     <Version>2015-04-05</Version><Version>2012-11-30</Version></Supported></Versions>",
);
const GOAL: (&str, &str) = (
    "/machine/?comp=goalstate",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><GoalState><Version>2012-11-30</Version><Incarnation>1</Incarnation>\
     <Container><ContainerId>c</ContainerId><RoleInstanceList><RoleInstance><InstanceId>i</InstanceId>\
     <Configuration><SharedConfig>http://168.63.129.16/shared</SharedConfig></Configuration></RoleInstance>\
     </RoleInstanceList></Container></GoalState>",
);
const SHARED: (&str, &str) = (
    "/shared",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><SharedConfig version=\"1.0.0.0\"><Incarnation number=\"1\" instance=\"web\" \
     guid=\"{1}\"/><Instances><Instance id=\"web\" address=\"10.0.0.5\"><InputEndpoints><Endpoint name=\"ssh\" \
     address=\"10.0.0.5:22\" protocol=\"tcp\" isPublic=\"true\" loadBalancedPublicAddress=\"192.0.2.5:22\"/>\
     </InputEndpoints></Instance></Instances></SharedConfig>",
);

/// Afterburn looks for the public address in elements, but the service has it in attributes.
fn azure() -> Machine {
    let pages = tree(
        "",
        &[
            VERSIONS,
            GOAL,
            SHARED,
            (
                "/metadata/instance/compute/name?api-version=2017-08-01&format=text",
                "web",
            ),
            (
                "/metadata/instance/compute/vmSize?api-version=2017-08-01&format=text",
                "Standard_B1s",
            ),
            (
                "/metadata/instance/compute/osProfile/adminUsername?api-version=2021-02-01&format=text",
                "core",
            ),
            (
                "/metadata/instance/compute/publicKeys?api-version=2021-02-01",
                r#"[{"keyData": "KEY_A\r\n", "path": "/home/core/.ssh/authorized_keys"}, {"keyData": "KEY_B", "path": "/x"}]"#,
            ),
            (
                "/metadata/instance/network/interface/0/ipv4/ipAddress/0/privateIpAddress?api-version=2017-08-01&format=text",
                "10.0.0.5",
            ),
            (
                "/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress?api-version=2017-08-01&format=text",
                "192.0.2.5",
            ),
        ],
    );
    Machine {
        more_addresses: &[WIRE_SERVER],
        lease: "OPTION_245=a8:3f:81:10\n",
        extra_attributes: &["AZURE_ADMIN_USERNAME", "AZURE_IPV4_VIRTUAL"],
        ..Machine::of("azure", pages)
    }
}

fn azure_stack() -> Machine {
    let identity = r#"{"vmName": "web", "subscriptionId": "x"}"#;
    let pages = tree(
        "",
        &[
            VERSIONS,
            GOAL,
            (
                "/Microsoft.Compute/identity?api-version=2019-03-11",
                identity,
            ),
        ],
    );
    Machine {
        more_addresses: &[WIRE_SERVER],
        lease: "OPTION_245=a8:3f:81:10\n",
        ..Machine::of("azurestack", pages)
    }
}

fn cloudstack() -> Machine {
    let pages = tree(
        "/latest/meta-data/",
        &[
            ("availability-zone", "zone1"),
            ("cloud-identifier", "CloudStack-{7f}"),
            ("instance-id", "i-2-5-VM"),
            ("local-hostname", "web"),
            ("local-ipv4", "10.1.1.5"),
            ("public-hostname", "192.0.2.8"),
            ("public-ipv4", "192.0.2.8"),
            ("service-offering", "Small Instance"),
            ("vm-id", "2fe5"),
            ("public-keys", "KEY_A\nKEY_B\n"),
        ],
    );
    Machine {
        provider: "cloudstack-metadata",
        has_extra_hostname: true,
        ..Machine::of("cloudstack", pages)
    }
}

fn cloudstack_drive() -> Machine {
    let files = &[
        ("cloudstack/metadata/availability_zone.txt", "zone1"),
        (
            "cloudstack/metadata/cloud_identifier.txt",
            "CloudStack-{7f}",
        ),
        ("cloudstack/metadata/instance_id.txt", "i-2-5-VM"),
        ("cloudstack/metadata/local_hostname.txt", "web"),
        ("cloudstack/metadata/service_offering.txt", "Small Instance"),
        ("cloudstack/metadata/vm_id.txt", "2fe5"),
        ("cloudstack/metadata/public_keys.txt", KEY_A),
    ];
    Machine {
        provider: "cloudstack-configdrive",
        has_extra_hostname: true,
        ..Machine::with_drive("cloudstack", "config-2", files)
    }
}

/// The second public interface has no IPv4, the third no IPv6: attributes are numbered by interface.
fn digitalocean() -> Machine {
    let text = r#"{"droplet_id": 1, "hostname": "web", "region": "nyc3", "public_keys": ["KEY_A", "KEY_B"], "interfaces": {
        "private": [{"ipv4": {"ip_address": "10.0.0.2", "netmask": "255.255.0.0", "gateway": "10.0.0.1"},
            "ipv6": {"ip_address": "FD00:0:0:0::2", "cidr": 64, "gateway": "fd00::1"},
            "mac": "54:11:00:00:00:00", "type": "private"}],
        "public": [{"ipv4": {"ip_address": "192.0.2.20", "netmask": "255.255.192.0", "gateway": "192.0.2.1"},
            "ipv6": {"ip_address": "2001:0DB8:0000:0000:0000:0000:0000:0004", "cidr": 64, "gateway": "2001:db8::1"},
            "anchor_ipv4": {"ip_address": "10.17.0.5", "netmask": "255.255.0.0", "gateway": "10.17.0.1"},
            "mac": "04:01:2a:0f:2a:01", "type": "public"},
            {"ipv6": {"ip_address": "2001:0db8::0:5", "cidr": 64, "gateway": "2001:db8::1"},
            "mac": "04:01:2a:0f:2a:02", "type": "public"},
            {"ipv4": {"ip_address": "192.0.2.21", "netmask": "255.255.192.0", "gateway": "192.0.2.1"},
            "anchor_ipv4": {"ip_address": "10.17.0.6", "netmask": "255.255.0.0", "gateway": "10.17.0.1"},
            "mac": "04:01:2a:0f:2a:03", "type": "public"}]}, "dns": {"nameservers": ["192.0.2.53"]}}"#;
    Machine::of("digitalocean", tree("/metadata/", &[("v1.json", text)]))
}

fn exoscale() -> Machine {
    let pages = tree(
        "/1.0/meta-data/",
        &[
            ("availability-zone", "ch-gva-2"),
            ("cloud-identifier", "CloudStack-{1d}"),
            ("instance-id", "87bd"),
            ("local-hostname", "web"),
            ("local-ipv4", "192.0.2.10"),
            ("public-hostname", "192.0.2.10"),
            ("public-ipv4", "192.0.2.10"),
            ("service-offering", "Micro"),
            ("vm-id", "87bd"),
            ("public-keys", "KEY_A\nKEY_B\n"),
        ],
    );
    Machine::of("exoscale", pages)
}

fn gcp() -> Machine {
    let pages = tree(
        "/computeMetadata/v1/",
        &[
            ("instance/hostname", "web.c.project.internal"),
            ("instance/machine-type", "projects/1/machineTypes/e2-micro"),
            ("instance/network-interfaces/0/ip", "10.128.0.2"),
            (
                "instance/network-interfaces/0/access-configs/0/external-ip",
                "192.0.2.11",
            ),
            ("instance/attributes/ssh-keys", "ann:KEY_A\n"),
            ("instance/attributes/block-project-ssh-keys", "false"),
            ("project/attributes/ssh-keys", "bob:KEY_B"),
        ],
    );
    let flavored = |page| Page {
        required_headers: &[("metadata-flavor", "Google")],
        ..page
    };
    Machine::of("gcp", pages.into_iter().map(flavored).collect())
}

/// The service has one document with everything, and one for each part of it.
fn hetzner() -> Machine {
    let network = "config:\n- type: physical\n  name: eth0\n  mac_address: 96:00:00:00:00:01\n  subnets:\n  - type: dhcp\n    \
        ipv4: true\n  - type: static\n    ipv6: true\n    address: 2001:db8:0:0::1/64\n    gateway: fe80::1\n    \
        dns_nameservers: ['2001:db8::53']\nversion: 1\n";
    let indented = network.trim_end().replace('\n', "\n  ");
    let whole = format!(
        "hostname: web\ninstance-id: 42\npublic-ipv4: 192.0.2.12\navailability-zone: hel1-dc2\nregion: eu-central\n\
         public-keys: []\nnetwork-config:\n  {indented}\n"
    );
    let pages = tree(
        "/hetzner/v1/metadata",
        &[
            ("", &whole),
            ("/hostname", "web"),
            ("/instance-id", "42"),
            ("/public-ipv4", "192.0.2.12"),
            ("/availability-zone", "hel1-dc2"),
            ("/region", "eu-central"),
            ("/public-keys", r#"["KEY_A", "KEY_B"]"#),
            (
                "/private-networks",
                "- ip: 10.0.0.2\n  alias_ips: []\n  interface_num: 1\n- ip: 10.1.0.2\n",
            ),
            ("/network-config", network),
        ],
    );
    Machine::of("hetzner", pages)
}

fn ibmcloud() -> Machine {
    let files = &[
        ("meta-data", "instance-id: 0717_0f\nlocal-hostname: web\n"),
        (
            "vendor-data",
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/cloud-config\n\n\
             #cloud-config\nssh_authorized_keys:\n- ssh-ed25519 \
             AAAAC3NzaC1lZDI1NTE5AAAAILx2wgUH88ECcDR1m7pg1+Ab1NxUte9izuUtPuLuO6Ga a@example.com\n\n--b--\n",
        ),
    ];
    Machine::with_drive("ibmcloud", "cidata", files)
}

const NOVA: &str = r#"{"uuid": "8367", "hostname": "web.novalocal", "name": "web", "instance_type": "u1.small",
    "public_keys": {"k": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILx2wgUH88ECcDR1m7pg1+Ab1NxUte9izuUtPuLuO6Ga a@example.com"}}"#;

fn kubevirt() -> Machine {
    let network = r#"{"links": [{"id": "b", "type": "phy"}, {"id": "a", "name": "eth0", "type": "phy"}], "networks": [
        {"id": "0", "link": "b", "type": "ipv4", "ip_address": "10.0.0.5", "netmask": "255.0.0.0"},
        {"id": "1", "link": "a", "type": "ipv6", "ip_address": "2001:db8:0::7", "netmask": "64"},
        {"id": "2", "link": "a", "type": "ipv4", "ip_address": "192.0.2.7", "netmask": "255.255.255.0"}]}"#;
    let files: &[(&str, &str)] = vec![
        ("openstack/latest/meta_data.json", NOVA),
        ("openstack/latest/network_data.json", network),
    ]
    .leak();
    Machine::with_drive("kubevirt", "config-2", files)
}

fn kubevirt_no_cloud() -> Machine {
    let files = &[
        (
            "meta-data",
            "{\"instance-id\": \"i.default\", \"local-hostname\": \"web\"}",
        ),
        (
            "network-config",
            "version: 2\nethernets:\n  eth0:\n    dhcp4: true\n  eth1:\n    addresses: [192.0.2.7/24, '2001:db8:0::7/64']\n",
        ),
    ];
    Machine::with_drive("kubevirt", "cidata", files)
}

fn openstack() -> Machine {
    let mut pages = tree(
        "/latest/meta-data/",
        &[
            ("hostname", "web.novalocal"),
            ("instance-id", "i-0000abcd"),
            ("instance-type", "m1.small"),
            ("local-ipv4", "10.0.0.8"),
            ("public-ipv4", "192.0.2.13"),
            ("public-keys", "0=mykey\n1=other"),
            ("public-keys/0/openssh-key", "KEY_A"),
            ("public-keys/1/openssh-key", "KEY_B"),
        ],
    );
    // The service has the same document for each version.
    pages.extend(tree(
        "/openstack/",
        &[
            ("latest/meta_data.json", NOVA),
            ("2012-08-10/meta_data.json", NOVA),
        ],
    ));
    Machine {
        provider: "openstack-metadata",
        ..Machine::of("openstack", pages)
    }
}

fn openstack_drive() -> Machine {
    let files = &[
        (
            "ec2/latest/meta-data.json",
            r#"{"instance-id": "i-0000abcd", "instance-type": "m1.small", "local-ipv4": "10.0.0.8", "public-ipv4": "192.0.2.13"}"#,
        ),
        ("openstack/latest/meta_data.json", NOVA),
    ];
    Machine::with_drive("openstack", "config-2", files)
}

fn oraclecloud() -> Machine {
    let text = r#"{"availabilityDomain": "EMIr:PHX-AD-1", "canonicalRegionName": "us-phoenix-1", "compartmentId": "ocid1.tenancy",
        "displayName": "my web", "faultDomain": "FAULT-DOMAIN-3", "hostname": "web", "id": "ocid1.instance",
        "shape": "VM.Standard.E3.Flex", "metadata": {"ssh_authorized_keys": "KEY_A\nKEY_B\n"}}"#;
    Machine {
        extra_attributes: &["ORACLECLOUD_DISPLAY_NAME"],
        ..Machine::of("oraclecloud", tree("/opc/v2/", &[("instance", text)]))
    }
}

fn packet() -> Machine {
    let text = r#"{"id": "2885", "hostname": "web", "iqn": "iqn", "plan": "c3.small.x86", "facility": "ewr1", "tags": [],
        "ssh_keys": ["KEY_A", "KEY_B"], "phone_home_url": "http://192.0.2.1/phone-home", "network": {"bonding": {"mode": 4},
        "interfaces": [{"name": "eth0", "mac": "04:01:2a:0f:2a:01", "bond": "bond0"}], "addresses": [
        {"id": "1", "address_family": 4, "public": true, "management": true, "address": "192.0.2.33",
            "netmask": "255.255.255.254", "gateway": "192.0.2.32"},
        {"id": "2", "address_family": 6, "public": true, "management": true, "address": "2001:db8:0:0::3",
            "netmask": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "gateway": "2001:db8:0::2"},
        {"id": "3", "address_family": 4, "public": false, "management": true, "address": "10.0.0.3",
            "netmask": "255.255.255.254", "gateway": "10.0.0.2"},
        {"id": "4", "address_family": 4, "public": true, "management": false, "address": "192.0.2.35",
            "netmask": "255.255.255.254", "gateway": "192.0.2.34"}]}}"#;
    Machine {
        https: Some("metadata.packet.net"),
        ..Machine::of("packet", tree("/", &[("metadata", text)]))
    }
}

fn powervs() -> Machine {
    let files = &[("openstack/latest/meta_data.json", NOVA)];
    Machine::with_drive("powervs", "config-2", files)
}

fn proxmoxve() -> Machine {
    let user = with_keys(
        "#cloud-config\nhostname: web\nmanage_etc_hosts: true\nuser: core\nssh_authorized_keys:\n  - KEY_A\n  - KEY_B\n",
    );
    let network = "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      mac_address: 'bc:24:11:00:00:01'\n      \
        subnets:\n      - type: static\n        address: '192.0.2.1'\n        netmask: '255.255.255.0'\n        gateway: \
        '192.0.2.254'\n      - type: static6\n        address: '2001:db8:0:0::1/64'\n    - type: nameserver\n      address:\n      \
        - '192.0.2.53'\n      search:\n      - 'example.com'\n";
    let files: &[(&str, &str)] = vec![
        ("user-data", user),
        ("meta-data", "instance-id: 15a9919c\n"),
        ("vendor-data", "#cloud-config\n{}\n"),
        ("network-config", network),
    ]
    .leak();
    Machine::with_drive("proxmoxve", "cidata", files)
}

fn scaleway() -> Machine {
    let text = r#"{"hostname": "web", "id": "1111", "commercial_type": "DEV1-S", "private_ip": "10.1.2.3",
        "public_ip": {"address": "192.0.2.14"}, "ipv6": {"address": "2001:db8::3"}, "location": {"zone_id": "par1"},
        "ssh_public_keys": [{"key": "KEY_A"}, {"key": "KEY_B"}]}"#;
    Machine {
        address: SCALEWAY,
        ..Machine::of("scaleway", tree("/", &[("conf?format=json", text)]))
    }
}

fn upcloud() -> Machine {
    let pages = tree(
        "/metadata/v1/",
        &[
            ("hostname", "web"),
            ("instance_id", "00bf"),
            ("region", "fi-hel1"),
            ("public_keys", "KEY_A\nKEY_B"),
        ],
    );
    Machine::of("upcloud", pages)
}

fn vultr() -> Machine {
    let pages = tree(
        "/v1/",
        &[
            ("hostname", "web"),
            ("instanceid", "a747"),
            ("region/regioncode", "EWR"),
            ("public-keys", "KEY_A\nKEY_B\n"),
        ],
    );
    Machine::of("vultr", pages)
}
