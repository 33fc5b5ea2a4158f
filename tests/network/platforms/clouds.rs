//! The contract of each cloud, independent of the implementation: requests, addresses, and the meaning of responses.

use super::encoding::Encoding;
use super::machine::Machine;
use super::service::{Response, Script, Service};
use crate::common::namespace;
use crate::common::server::{self, Accept};
use crate::common::tls;

/// A cloud.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    pub id: &'static str,
    /// Address of its service.
    pub address: &'static str,
    pub transport: Transport,
    /// Requests before that of the document, in order.
    pub before: &'static [ExpectedRequest],
    /// The request for the config.
    pub document: ExpectedRequest,
    /// Requests after the stage.
    pub after: &'static [ExpectedRequest],
    pub encoding: Encoding,
    pub not_found: NotFound,
    /// Statuses of the document that are retried, in addition to those that always are.
    pub retry_statuses: &'static [u16],
    pub other_source: OtherSource,
}

/// An expected request, and its successful response; for a document, that is the config.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedRequest {
    /// E.g. `GET /user-data`.
    pub line: &'static str,
    /// Headers that are added to, or replace, those of every request.
    pub headers: &'static [(&'static str, &'static str)],
    pub response: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Http,
    /// HTTPS, for a host of this name.
    Https(&'static str),
}

/// The meaning of status 404 for the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFound {
    NoConfig,
    Failure,
    Retry,
}

/// Where else a config may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSource {
    None,
    /// On a drive, which is waited for until the service has a config. Has the name of the service in logs.
    Drive(&'static str),
    /// On a disc, if the service has no config.
    Disc,
}

const LINK_LOCAL: &str = "169.254.169.254";
const TOKEN: &str = "tok-s3cret";

const fn get(line: &'static str) -> ExpectedRequest {
    ExpectedRequest {
        line,
        headers: &[],
        response: "",
    }
}

/// An ordinary cloud, whose service has one document.
const fn plain(id: &'static str, line: &'static str) -> Cloud {
    Cloud {
        id,
        address: LINK_LOCAL,
        transport: Transport::Http,
        before: &[],
        document: get(line),
        after: &[],
        encoding: Encoding::Plain,
        not_found: NotFound::NoConfig,
        retry_statuses: &[],
        other_source: OtherSource::None,
    }
}

pub const AKAMAI: Cloud = Cloud {
    before: &[ExpectedRequest {
        line: "PUT /v1/token",
        headers: &[
            ("accept", "text/plain"),
            ("metadata-token-expiry-seconds", "300"),
        ],
        // Surrounding whitespace is ignored.
        response: " tok-s3cret\n",
    }],
    document: ExpectedRequest {
        headers: &[("accept", "*/*"), ("metadata-token", TOKEN)],
        ..get("GET /v1/user-data")
    },
    encoding: Encoding::Base64Gzip,
    not_found: NotFound::Failure,
    ..plain("akamai", "")
};

/// Sent both to wait for the service, and to get a token.
const AWS_TOKEN: ExpectedRequest = ExpectedRequest {
    line: "PUT /latest/api/token",
    headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
    response: TOKEN,
};

pub const AWS: Cloud = Cloud {
    before: &[AWS_TOKEN, AWS_TOKEN],
    document: ExpectedRequest {
        headers: &[("x-aws-ec2-metadata-token", TOKEN)],
        ..get("GET /2019-10-01/user-data")
    },
    ..plain("aws", "")
};

pub const AZURE: Cloud = Cloud {
    document: ExpectedRequest {
        headers: &[("metadata", "true")],
        ..get("GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text")
    },
    encoding: Encoding::Base64,
    not_found: NotFound::Retry,
    retry_statuses: &[404, 410, 429],
    other_source: OtherSource::Disc,
    ..plain("azure", "")
};

pub const CLOUDSTACK: Cloud = Cloud {
    address: "10.1.1.1",
    other_source: OtherSource::Drive("the service at the DHCP server"),
    ..plain("cloudstack", "GET /latest/user-data")
};

const GCP: Cloud = Cloud {
    document: ExpectedRequest {
        headers: &[("metadata-flavor", "Google")],
        ..get("GET /computeMetadata/v1/instance/attributes/user-data")
    },
    ..plain("gcp", "")
};

pub const OPENSTACK: Cloud = Cloud {
    other_source: OtherSource::Drive("the metadata service"),
    ..plain("openstack", "GET /openstack/latest/user_data")
};

/// The host name in the certificate of the service.
pub const PACKET_NAME: &str = "metadata.packet.net";

pub const PACKET: Cloud = Cloud {
    address: "127.0.0.1",
    transport: Transport::Https(PACKET_NAME),
    document: ExpectedRequest {
        headers: &[("accept", "*/*")],
        ..get("GET /userdata")
    },
    after: &[
        ExpectedRequest {
            headers: &[("accept", "*/*")],
            response: r#"{"id": "s3cret", "phone_home_url": "https://metadata.packet.net/phone-home"}"#,
            ..get("GET /metadata")
        },
        get("POST /events"),
    ],
    not_found: NotFound::Failure,
    ..plain("packet", "")
};

pub const SCALEWAY: Cloud = Cloud {
    address: "169.254.42.42",
    ..plain("scaleway", "GET /user_data/cloud-init")
};

/// Every cloud, by id.
pub static CLOUDS: &[Cloud] = &[
    AKAMAI,
    Cloud {
        address: "100.100.100.200",
        ..plain("aliyun", "GET /latest/user-data")
    },
    AWS,
    AZURE,
    Cloud {
        id: "brightbox",
        ..OPENSTACK
    },
    CLOUDSTACK,
    Cloud {
        not_found: NotFound::Failure,
        ..plain("digitalocean", "GET /metadata/v1/user-data")
    },
    Cloud { id: "ec2", ..AWS },
    plain("exoscale", "GET /1.0/user-data"),
    Cloud { id: "gce", ..GCP },
    GCP,
    plain("hetzner", "GET /hetzner/v1/userdata"),
    OPENSTACK,
    Cloud {
        document: ExpectedRequest {
            headers: &[("authorization", "Bearer Oracle")],
            ..get("GET /opc/v2/instance/metadata/user_data")
        },
        encoding: Encoding::Base64,
        retry_statuses: &[429],
        ..plain("oraclecloud", "")
    },
    PACKET,
    SCALEWAY,
    plain("upcloud", "GET /metadata/v1/user_data"),
    plain("vultr", "GET /user-data/user-data"),
];

impl Cloud {
    /// A machine in this cloud, whose service does not listen yet.
    pub fn machine(&self) -> Machine {
        let machine = Machine::enter();
        if self.id == CLOUDSTACK.id {
            let lease = format!("ADDRESS=10.1.1.5\nSERVER_ADDRESS={}\n", self.address);
            machine.put("/run/systemd/netif/leases/2", &lease);
        }
        if let Transport::Https(name) = self.transport {
            namespace::certificates(&machine.path(""), &[name]);
        }
        machine
    }

    /// Adds the address of the service, and makes it listen there.
    pub fn start_service(&self, machine: &Machine, server: &Service) {
        if self.address != "127.0.0.1" {
            namespace::add_address(self.address);
        }
        let port = match self.transport {
            Transport::Http => 80,
            Transport::Https(_) => 443,
        };
        let address = format!("{}:{port}", self.address);
        server.accept(address.parse().expect("an address"), self.accept(machine));
    }

    fn accept(&self, machine: &Machine) -> Accept {
        match self.transport {
            Transport::Http => server::plain(),
            Transport::Https(_) => tls::accept(&machine.path("")),
        }
    }

    /// A machine, and its service with these responses for the document.
    pub fn with_responses(&self, document: &[Response]) -> (Machine, Service) {
        let machine = self.machine();
        let server = Service::new(self.script(document));
        self.start_service(&machine, &server);
        (machine, server)
    }

    /// The script of the service with these responses for the document.
    pub fn script(&self, document: &[Response]) -> Script {
        let others = self.before.iter().chain(self.after);
        let good = others.fold(Script::default(), |script, request| {
            script.with(request.line, &[Response::ok(request.response)])
        });
        good.with(self.document.line, document)
    }

    /// All requests of a successful fetch, in order.
    pub fn requests(&self) -> Vec<ExpectedRequest> {
        let before = self.before.iter().chain([&self.document]);
        before.chain(self.after).copied().collect()
    }

    /// Their request lines, that of the document `times` times.
    pub fn request_lines(&self, times: usize) -> Vec<&'static str> {
        let lines = |requests: &[ExpectedRequest]| {
            requests
                .iter()
                .map(|request| request.line)
                .collect::<Vec<_>>()
        };
        let document = vec![self.document.line; times];
        [lines(self.before), document, lines(self.after)].concat()
    }

    pub fn host(&self) -> &'static str {
        match self.transport {
            Transport::Http => self.address,
            Transport::Https(name) => name,
        }
    }

    /// The URL of the document.
    pub fn url(&self) -> String {
        let scheme = match self.transport {
            Transport::Http => "http",
            Transport::Https(_) => "https",
        };
        let (_, path) = self.document.line.split_once(' ').expect("a method");
        format!("{scheme}://{}{path}", self.host())
    }

    /// The URL as logged: values of queries may be secret.
    pub fn redacted_url(&self) -> String {
        self.url()
            .replace("=2021-01-01", "=…")
            .replace("=text", "=…")
    }
}
