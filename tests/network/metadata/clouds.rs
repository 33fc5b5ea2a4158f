//! The attributes from the documents of each cloud.

use super::network::{self, ALIYUN, LINK_LOCAL, Network, Page, SCALEWAY};
use kindling::platform::{self, Platform};
use serde_json::Value;
use std::collections::BTreeSet;

/// A cloud with its documents, and the expected metadata.
struct Cloud {
    id: &'static str,
    address: &'static str,
    pages: Vec<Page>,
    hostname: Option<&'static str>,
    ssh_keys: &'static [&'static str],
    env: &'static str,
}

impl Cloud {
    fn check(self) {
        network::with(self.address, self.pages, move |network| {
            let json = network.metadata(&["--platform", self.id, "--json"]);
            assert_eq!(json.code, Some(0), "{json:?}");
            assert_eq!(json.err, "");
            let json: Value = serde_json::from_str(&json.out).expect("JSON");
            assert_eq!(json["platform"], self.id);
            assert_eq!(json["hostname"].as_str(), self.hostname);
            let keys = json["sshKeys"].as_array().expect("a list");
            let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
            assert_eq!(keys, self.ssh_keys);
            let env = network.metadata(&["--platform", self.id, "--env"]);
            assert_eq!((env.code, env.out.as_str()), (Some(0), self.env));
            assert_names_announced(self.id, &json["attributes"]);
            assert_nothing_refused(network);
        });
    }
}

/// Checks that all attributes are in [`kindling::platform::AttributeSource::names`], which the docs list.
fn assert_names_announced(id: &str, attributes: &Value) {
    let source = platform::find(id).and_then(Platform::attribute_source);
    let names = source.expect("a platform with metadata").names();
    let announced: BTreeSet<&str> = names.iter().map(|n| without_number(n)).collect();
    for name in attributes.as_object().expect("a mapping").keys() {
        assert!(announced.contains(without_number(name)), "{name}");
    }
}

/// The name without its number.
fn without_number(name: &str) -> &str {
    let (base, number) = name.rsplit_once('_').unwrap_or((name, ""));
    let is_numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if is_numbered { base } else { name }
}

fn assert_nothing_refused(network: &Network) {
    let requests = network.requests();
    let refused: Vec<&String> = requests
        .iter()
        .filter(|line| line.ends_with(" 401"))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

const TOKEN: &[network::Header] = &[("x-aws-ec2-metadata-token", "AQAEtoken==")];

fn aws_page(line: &'static str, body: &'static str) -> Page {
    Page {
        required_headers: TOKEN,
        ..Page::get(line, body)
    }
}

fn aws_pages() -> Vec<Page> {
    vec![
        Page {
            required_headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
            ..Page::get("PUT /latest/api/token", "AQAEtoken==")
        },
        aws_page(
            "GET /2021-01-03/meta-data/hostname",
            "ip-10-0-0-7.ec2.internal",
        ),
        aws_page(
            "GET /2021-01-03/meta-data/instance-id",
            "i-0123456789abcdef0",
        ),
        aws_page("GET /2021-01-03/meta-data/instance-type", "t3.micro"),
        aws_page("GET /2021-01-03/meta-data/local-ipv4", "10.0.0.7"),
        aws_page("GET /2021-01-03/meta-data/public-ipv4", ""),
        aws_page(
            "GET /2021-01-03/meta-data/placement/availability-zone",
            "us-east-1a",
        ),
        aws_page("GET /2021-01-03/meta-data/public-keys", "0=my key\n1=other"),
        aws_page(
            "GET /2021-01-03/meta-data/public-keys/0/openssh-key",
            "ssh-rsa A my key\n",
        ),
        aws_page(
            "GET /2021-01-03/meta-data/public-keys/1/openssh-key",
            "ssh-rsa B other\n",
        ),
        aws_page(
            "GET /2021-01-03/dynamic/instance-identity/document",
            "{\"accountId\": \"1\", \"region\": \"us-east-1\"}",
        ),
    ]
}

const AWS_ENV: &str = "AFTERBURN_AWS_AVAILABILITY_ZONE=us-east-1a\n\
    AFTERBURN_AWS_HOSTNAME=ip-10-0-0-7.ec2.internal\n\
    AFTERBURN_AWS_INSTANCE_ID=i-0123456789abcdef0\n\
    AFTERBURN_AWS_INSTANCE_TYPE=t3.micro\n\
    AFTERBURN_AWS_IPV4_LOCAL=10.0.0.7\n\
    AFTERBURN_AWS_REGION=us-east-1\n";

#[test]
fn aws_with_a_token() {
    Cloud {
        id: "aws",
        address: LINK_LOCAL,
        pages: aws_pages(),
        hostname: Some("ip-10-0-0-7.ec2.internal"),
        ssh_keys: &["ssh-rsa A my key", "ssh-rsa B other"],
        env: AWS_ENV,
    }
    .check();
}

#[test]
fn aws_by_its_old_name_without_tokens() {
    let without = aws_pages().into_iter().skip(1);
    Cloud {
        id: "ec2",
        address: LINK_LOCAL,
        pages: without
            .map(|page| Page {
                required_headers: &[],
                ..page
            })
            .collect(),
        hostname: Some("ip-10-0-0-7.ec2.internal"),
        ssh_keys: &["ssh-rsa A my key", "ssh-rsa B other"],
        env: AWS_ENV,
    }
    .check();
}

#[test]
fn akamai() {
    const HEADERS: &[network::Header] =
        &[("metadata-token", "t0ken"), ("accept", "application/json")];
    let page = |line, body| Page {
        required_headers: HEADERS,
        ..Page::get(line, body)
    };
    Cloud {
        id: "akamai",
        address: LINK_LOCAL,
        pages: vec![
            Page {
                required_headers: &[("metadata-token-expiry-seconds", "300")],
                ..Page::get("PUT /v1/token", "t0ken\n")
            },
            page(
                "GET /v1/instance",
                r#"{"id": 77, "label": "web", "region": "us-ord", "type": "g6-nanode-1", "tags": []}"#,
            ),
            page(
                "GET /v1/network",
                r#"{"ipv4": {"public": ["192.0.2.9/24"]}, "ipv6": {"slaac": "2001:db8::9/128"}}"#,
            ),
            page("GET /v1/ssh-keys", r#"{"users": {"root": ["ssh-rsa A"]}}"#),
        ],
        hostname: None,
        ssh_keys: &["ssh-rsa A"],
        env: "AFTERBURN_AKAMAI_INSTANCE_ID=77\n\
            AFTERBURN_AKAMAI_INSTANCE_LABEL=web\n\
            AFTERBURN_AKAMAI_INSTANCE_REGION=us-ord\n\
            AFTERBURN_AKAMAI_INSTANCE_TYPE=g6-nanode-1\n\
            AFTERBURN_AKAMAI_IPV6_SLAAC=2001:db8::9/128\n\
            AFTERBURN_AKAMAI_PUBLIC_IPV4_0=192.0.2.9/24\n",
    }
    .check();
}

#[test]
fn aliyun() {
    Cloud {
        id: "aliyun",
        address: ALIYUN,
        pages: vec![
            Page::get("GET /latest/meta-data/hostname", "web"),
            Page::get("GET /latest/meta-data/instance-id", "i-bp13"),
            Page::get(
                "GET /latest/meta-data/instance/instance-type",
                "ecs.g6e.large",
            ),
            Page::get("GET /latest/meta-data/private-ipv4", "10.0.0.4"),
            Page::get("GET /latest/meta-data/eipv4", "192.0.2.4"),
            Page::get("GET /latest/meta-data/region-id", "cn-hangzhou"),
            Page::get("GET /latest/meta-data/zone-id", "cn-hangzhou-i"),
            Page::get("GET /latest/meta-data/public-keys/", "my-key/\nmy key/"),
            Page::get(
                "GET /latest/meta-data/public-keys/my-key/openssh-key",
                "ssh-rsa A",
            ),
            Page::get(
                "GET /latest/meta-data/public-keys/my%20key/openssh-key",
                "ssh-rsa B",
            ),
        ],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A", "ssh-rsa B"],
        env: "AFTERBURN_ALIYUN_EIPV4=192.0.2.4\n\
            AFTERBURN_ALIYUN_HOSTNAME=web\n\
            AFTERBURN_ALIYUN_INSTANCE_ID=i-bp13\n\
            AFTERBURN_ALIYUN_INSTANCE_TYPE=ecs.g6e.large\n\
            AFTERBURN_ALIYUN_IPV4_PRIVATE=10.0.0.4\n\
            AFTERBURN_ALIYUN_REGION_ID=cn-hangzhou\n\
            AFTERBURN_ALIYUN_ZONE_ID=cn-hangzhou-i\n",
    }
    .check();
}

#[test]
fn azure() {
    let page = |line, body| Page {
        required_headers: &[("metadata", "true")],
        ..Page::get(line, body)
    };
    Cloud {
        id: "azure",
        address: LINK_LOCAL,
        pages: vec![
            page("GET /metadata/instance/compute/name?api-version=2017-08-01&format=text", "web"),
            page("GET /metadata/instance/compute/vmSize?api-version=2017-08-01&format=text", "Standard_B1s"),
            page(
                "GET /metadata/instance/compute/osProfile/adminUsername?api-version=2021-02-01&format=text",
                "core",
            ),
            page(
                "GET /metadata/instance/compute/publicKeys?api-version=2021-02-01",
                r#"[{"keyData": "ssh-rsa AAAA\r\nBBBB me\r\n", "path": "/home/core/.ssh/authorized_keys"}]"#,
            ),
            page(
                "GET /metadata/instance/network/interface/0/ipv4/ipAddress/0/privateIpAddress?api-version=2017-08-01&format=text",
                "10.0.0.5",
            ),
            page(
                "GET /metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress?api-version=2017-08-01&format=text",
                "192.0.2.5",
            ),
        ],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa AAAABBBB me"],
        env: "AFTERBURN_AZURE_ADMIN_USERNAME=core\n\
            AFTERBURN_AZURE_IPV4_DYNAMIC=10.0.0.5\n\
            AFTERBURN_AZURE_IPV4_VIRTUAL=192.0.2.5\n\
            AFTERBURN_AZURE_VMSIZE=Standard_B1s\n",
    }
    .check();
}

#[test]
fn azure_stack() {
    Cloud {
        id: "azurestack",
        address: LINK_LOCAL,
        pages: vec![Page {
            required_headers: &[("metadata", "true")],
            ..Page::get(
                "GET /Microsoft.Compute/identity?api-version=2019-03-11",
                r#"{"vmName": "web", "subscriptionId": "x"}"#,
            )
        }],
        hostname: Some("web"),
        ssh_keys: &[],
        env: "",
    }
    .check();
}

#[test]
fn digitalocean() {
    Cloud {
        id: "digitalocean",
        address: LINK_LOCAL,
        pages: vec![Page::get(
            "GET /metadata/v1.json",
            r#"{"droplet_id": 1, "hostname": "web", "region": "nyc3", "public_keys": ["ssh-rsa A"],
                "interfaces": {"public": [{"ipv4": {"ip_address": "192.0.2.6"}}]}}"#,
        )],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A"],
        env: "AFTERBURN_DIGITALOCEAN_HOSTNAME=web\n\
            AFTERBURN_DIGITALOCEAN_IPV4_PUBLIC_0=192.0.2.6\n\
            AFTERBURN_DIGITALOCEAN_REGION=nyc3\n",
    }
    .check();
}

#[test]
fn exoscale() {
    Cloud {
        id: "exoscale",
        address: LINK_LOCAL,
        pages: vec![
            Page::get("GET /1.0/meta-data/local-hostname", "web"),
            Page::get("GET /1.0/meta-data/local-ipv4", "192.0.2.10"),
            Page::get("GET /1.0/meta-data/service-offering", "Micro"),
            Page::get("GET /1.0/meta-data/vm-id", "87bd"),
            Page::get("GET /1.0/meta-data/public-keys", "ssh-rsa A\nssh-rsa B\n"),
        ],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A", "ssh-rsa B"],
        env: "AFTERBURN_EXOSCALE_LOCAL_HOSTNAME=web\n\
            AFTERBURN_EXOSCALE_LOCAL_IPV4=192.0.2.10\n\
            AFTERBURN_EXOSCALE_SERVICE_OFFERING=Micro\n\
            AFTERBURN_EXOSCALE_VM_ID=87bd\n",
    }
    .check();
}

fn gcp_page(line: &'static str, body: &'static str) -> Page {
    Page {
        required_headers: &[("metadata-flavor", "Google")],
        ..Page::get(line, body)
    }
}

fn gcp(more: Vec<Page>, ssh_keys: &'static [&'static str]) {
    let mut pages = vec![
        gcp_page(
            "GET /computeMetadata/v1/instance/hostname",
            "web.c.project.internal",
        ),
        gcp_page(
            "GET /computeMetadata/v1/instance/machine-type",
            "projects/1/machineTypes/e2-micro",
        ),
        gcp_page(
            "GET /computeMetadata/v1/instance/network-interfaces/0/ip",
            "10.128.0.2",
        ),
        gcp_page(
            "GET /computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip",
            "192.0.2.11",
        ),
    ];
    pages.extend(more);
    Cloud {
        id: "gcp",
        address: LINK_LOCAL,
        pages,
        hostname: Some("web.c.project.internal"),
        ssh_keys,
        env: "AFTERBURN_GCP_HOSTNAME=web.c.project.internal\n\
            AFTERBURN_GCP_IP_EXTERNAL_0=192.0.2.11\n\
            AFTERBURN_GCP_IP_LOCAL_0=10.128.0.2\n\
            AFTERBURN_GCP_MACHINE_TYPE=projects/1/machineTypes/e2-micro\n",
    }
    .check();
}

const GCP_OLD: &str = "GET /computeMetadata/v1/instance/attributes/sshKeys";
const GCP_INSTANCE: &str = "GET /computeMetadata/v1/instance/attributes/ssh-keys";
const GCP_BLOCK: &str = "GET /computeMetadata/v1/instance/attributes/block-project-ssh-keys";
const GCP_PROJECT_OLD: &str = "GET /computeMetadata/v1/project/attributes/sshKeys";
const GCP_PROJECT: &str = "GET /computeMetadata/v1/project/attributes/ssh-keys";

fn gcp_keys(block: &'static str, old: &'static str) -> Vec<Page> {
    vec![
        gcp_page(GCP_OLD, old),
        gcp_page(GCP_INSTANCE, "ann:ssh-rsa I\n"),
        gcp_page(GCP_BLOCK, block),
        gcp_page(GCP_PROJECT_OLD, "bob:ssh-rsa P1"),
        gcp_page(GCP_PROJECT, "bob:ssh-rsa P2\ncat:ssh-rsa I\n"),
    ]
}

#[test]
fn gcp_without_keys() {
    gcp(vec![], &[]);
}

#[test]
fn gcp_with_keys_of_the_project() {
    gcp(
        gcp_keys("false", ""),
        &["ssh-rsa I", "ssh-rsa P1", "ssh-rsa P2"],
    );
}

#[test]
fn gcp_with_keys_of_the_project_blocked() {
    gcp(gcp_keys("true", " \n"), &["ssh-rsa I"]);
    gcp(gcp_keys("TRUE", ""), &["ssh-rsa I"]);
}

#[test]
fn gcp_with_the_old_attribute() {
    gcp(gcp_keys("false", "ann:ssh-rsa O"), &["ssh-rsa O"]);
}

#[test]
fn hetzner() {
    Cloud {
        id: "hetzner",
        address: LINK_LOCAL,
        pages: vec![
            Page::get("GET /hetzner/v1/metadata/hostname", "web"),
            Page::get("GET /hetzner/v1/metadata/instance-id", "42"),
            Page::get("GET /hetzner/v1/metadata/public-ipv4", "192.0.2.12"),
            Page::get("GET /hetzner/v1/metadata/availability-zone", "hel1-dc2"),
            Page::get("GET /hetzner/v1/metadata/region", "eu-central"),
            Page::get("GET /hetzner/v1/metadata/public-keys", "[\"ssh-rsa A me\"]"),
            Page::get(
                "GET /hetzner/v1/metadata/private-networks",
                "- ip: 10.0.0.2\n  alias_ips: []\n  interface_num: 1\n- ip: 10.1.0.2\n",
            ),
        ],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A me"],
        env: "AFTERBURN_HETZNER_AVAILABILITY_ZONE=hel1-dc2\n\
            AFTERBURN_HETZNER_HOSTNAME=web\n\
            AFTERBURN_HETZNER_INSTANCE_ID=42\n\
            AFTERBURN_HETZNER_PRIVATE_IPV4_0=10.0.0.2\n\
            AFTERBURN_HETZNER_PRIVATE_IPV4_1=10.1.0.2\n\
            AFTERBURN_HETZNER_PUBLIC_IPV4=192.0.2.12\n\
            AFTERBURN_HETZNER_REGION=eu-central\n",
    }
    .check();
}

#[test]
fn oraclecloud() {
    Cloud {
        id: "oraclecloud",
        address: LINK_LOCAL,
        pages: vec![Page {
            required_headers: &[("authorization", "Bearer Oracle")],
            ..Page::get(
                "GET /opc/v2/instance",
                r#"{"hostname": "web", "id": "ocid1.instance", "displayName": "it's \"web\"",
                    "metadata": {"ssh_authorized_keys": "ssh-rsa A\n\nssh-rsa B\n"}}"#,
            )
        }],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A", "ssh-rsa B"],
        env: "AFTERBURN_ORACLECLOUD_DISPLAY_NAME=\"it's \\\"web\\\"\"\n\
            AFTERBURN_ORACLECLOUD_HOSTNAME=web\n\
            AFTERBURN_ORACLECLOUD_INSTANCE_ID=ocid1.instance\n",
    }
    .check();
}

const OPENSTACK: &str = r#"{"uuid": "8367", "hostname": "web.novalocal", "name": "web", "public_keys": {"k": "ssh-rsa M"}}"#;

#[test]
fn openstack_with_two_apis() {
    Cloud {
        id: "openstack",
        address: LINK_LOCAL,
        pages: vec![
            Page::get("GET /latest/meta-data/hostname", "web.novalocal"),
            Page::get("GET /latest/meta-data/instance-id", "i-0000abcd"),
            Page::get("GET /latest/meta-data/instance-type", "m1.small"),
            Page::get("GET /latest/meta-data/local-ipv4", "10.0.0.8"),
            Page::get("GET /latest/meta-data/public-ipv4", "192.0.2.13"),
            Page::get("GET /latest/meta-data/public-keys", "0=mykey"),
            Page::get(
                "GET /latest/meta-data/public-keys/0/openssh-key",
                "ssh-rsa A",
            ),
            Page::get("GET /openstack/latest/meta_data.json", OPENSTACK),
        ],
        hostname: Some("web.novalocal"),
        ssh_keys: &["ssh-rsa A"],
        env: "AFTERBURN_OPENSTACK_HOSTNAME=web.novalocal\n\
            AFTERBURN_OPENSTACK_INSTANCE_ID=i-0000abcd\n\
            AFTERBURN_OPENSTACK_INSTANCE_TYPE=m1.small\n\
            AFTERBURN_OPENSTACK_INSTANCE_UUID=8367\n\
            AFTERBURN_OPENSTACK_IPV4_LOCAL=10.0.0.8\n\
            AFTERBURN_OPENSTACK_IPV4_PUBLIC=192.0.2.13\n",
    }
    .check();
}

#[test]
fn openstack_with_its_own_api_only() {
    Cloud {
        id: "brightbox",
        address: LINK_LOCAL,
        pages: vec![Page::get("GET /openstack/latest/meta_data.json", OPENSTACK)],
        hostname: Some("web.novalocal"),
        ssh_keys: &["ssh-rsa M"],
        env: "AFTERBURN_OPENSTACK_HOSTNAME=web.novalocal\n\
            AFTERBURN_OPENSTACK_INSTANCE_UUID=8367\n",
    }
    .check();
}

#[test]
fn scaleway() {
    Cloud {
        id: "scaleway",
        address: SCALEWAY,
        pages: vec![Page::get(
            "GET /conf?format=json",
            r#"{"hostname": "web", "id": "1111", "commercial_type": "DEV1-S", "private_ip": null,
                "public_ip": {"address": "192.0.2.14"}, "location": {"zone_id": "par1"},
                "ssh_public_keys": [{"key": "ssh-rsa A"}]}"#,
        )],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A"],
        env: "AFTERBURN_SCALEWAY_HOSTNAME=web\n\
            AFTERBURN_SCALEWAY_INSTANCE_ID=1111\n\
            AFTERBURN_SCALEWAY_INSTANCE_TYPE=DEV1-S\n\
            AFTERBURN_SCALEWAY_IPV4_PUBLIC=192.0.2.14\n\
            AFTERBURN_SCALEWAY_ZONE_ID=par1\n",
    }
    .check();
}

#[test]
fn upcloud() {
    Cloud {
        id: "upcloud",
        address: LINK_LOCAL,
        pages: vec![
            Page::get("GET /metadata/v1/hostname", "web\n"),
            Page::get("GET /metadata/v1/instance_id", "00bf"),
            Page::get("GET /metadata/v1/region", "fi-hel1"),
            Page::get("GET /metadata/v1/public_keys", "ssh-rsa A\nssh-rsa B"),
        ],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A", "ssh-rsa B"],
        env: "AFTERBURN_UPCLOUD_HOSTNAME=web\n\
            AFTERBURN_UPCLOUD_INSTANCE_ID=00bf\n\
            AFTERBURN_UPCLOUD_REGION=fi-hel1\n",
    }
    .check();
}

#[test]
fn vultr() {
    Cloud {
        id: "vultr",
        address: LINK_LOCAL,
        pages: vec![
            Page::get("GET /v1/hostname", "web"),
            Page::get("GET /v1/instanceid", "a747"),
            Page::get("GET /v1/region/regioncode", "EWR"),
            Page::get("GET /v1/public-keys", "ssh-rsa A\n"),
        ],
        hostname: Some("web"),
        ssh_keys: &["ssh-rsa A"],
        env: "AFTERBURN_VULTR_HOSTNAME=web\n\
            AFTERBURN_VULTR_INSTANCE_ID=a747\n\
            AFTERBURN_VULTR_REGION_CODE=EWR\n",
    }
    .check();
}
