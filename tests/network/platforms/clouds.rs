//! What each cloud is asked, where, and what its answers mean: the contract, written down once more than in the product.

use super::packing::Packing;
use super::service::{Answer, Script, Service};
use super::world::World;
use crate::common::namespace;
use crate::common::server::{self, Accept};
use crate::common::tls;

/// A cloud.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    pub id: &'static str,
    /// Where its service is.
    pub address: &'static str,
    pub transport: Transport,
    /// What is asked first, in order.
    pub before: &'static [Ask],
    /// What has the config.
    pub document: Ask,
    /// What is asked after the stage.
    pub after: &'static [Ask],
    pub packing: Packing,
    pub missing: Missing,
    /// Statuses after which it is asked again, besides those of any server.
    pub again: &'static [u16],
    pub besides: Besides,
}

/// One request, and its good answer; that of a document is the config.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// E.g. `GET /user-data`.
    pub line: &'static str,
    /// Sent besides those of every request, or instead of them.
    pub headers: &'static [(&'static str, &'static str)],
    pub answer: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Http,
    /// HTTPS, for a host of this name.
    Https(&'static str),
}

/// What status 404 of the document means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    NoConfig,
    Failure,
    AskedAgain,
}

/// Where a config may be besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Besides {
    Nowhere,
    /// On a drive, which is waited for whatever the service says, unless it has an answer. What logs call the service.
    Drive(&'static str),
    /// On a disc, if the service has none.
    Disc,
}

const LINK_LOCAL: &str = "169.254.169.254";
const TOKEN: &str = "tok-s3cret";

const fn get(line: &'static str) -> Ask {
    Ask {
        line,
        headers: &[],
        answer: "",
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
        packing: Packing::Plain,
        missing: Missing::NoConfig,
        again: &[],
        besides: Besides::Nowhere,
    }
}

pub const AKAMAI: Cloud = Cloud {
    before: &[Ask {
        line: "PUT /v1/token",
        headers: &[
            ("accept", "text/plain"),
            ("metadata-token-expiry-seconds", "300"),
        ],
        // Space around it is none of it.
        answer: " tok-s3cret\n",
    }],
    document: Ask {
        headers: &[("accept", "*/*"), ("metadata-token", TOKEN)],
        ..get("GET /v1/user-data")
    },
    packing: Packing::Base64Gzip,
    missing: Missing::Failure,
    ..plain("akamai", "")
};

/// The readiness of the service, and the token of a fetch.
const AWS_TOKEN: Ask = Ask {
    line: "PUT /latest/api/token",
    headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
    answer: TOKEN,
};

pub const AWS: Cloud = Cloud {
    before: &[AWS_TOKEN, AWS_TOKEN],
    document: Ask {
        headers: &[("x-aws-ec2-metadata-token", TOKEN)],
        ..get("GET /2019-10-01/user-data")
    },
    ..plain("aws", "")
};

pub const AZURE: Cloud = Cloud {
    document: Ask {
        headers: &[("metadata", "true")],
        ..get("GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text")
    },
    packing: Packing::Base64,
    missing: Missing::AskedAgain,
    again: &[404, 410, 429],
    besides: Besides::Disc,
    ..plain("azure", "")
};

pub const CLOUDSTACK: Cloud = Cloud {
    address: "10.1.1.1",
    besides: Besides::Drive("the service at the DHCP server"),
    ..plain("cloudstack", "GET /latest/user-data")
};

const GCP: Cloud = Cloud {
    document: Ask {
        headers: &[("metadata-flavor", "Google")],
        ..get("GET /computeMetadata/v1/instance/attributes/user-data")
    },
    ..plain("gcp", "")
};

pub const OPENSTACK: Cloud = Cloud {
    besides: Besides::Drive("the metadata service"),
    ..plain("openstack", "GET /openstack/latest/user_data")
};

/// The name that the certificate of the service is for.
pub const PACKET_NAME: &str = "metadata.packet.net";

pub const PACKET: Cloud = Cloud {
    address: "127.0.0.1",
    transport: Transport::Https(PACKET_NAME),
    document: Ask {
        headers: &[("accept", "*/*")],
        ..get("GET /userdata")
    },
    after: &[
        Ask {
            headers: &[("accept", "*/*")],
            answer: r#"{"id": "s3cret", "phone_home_url": "https://metadata.packet.net/phone-home"}"#,
            ..get("GET /metadata")
        },
        get("POST /events"),
    ],
    missing: Missing::Failure,
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
        missing: Missing::Failure,
        ..plain("digitalocean", "GET /metadata/v1/user-data")
    },
    Cloud { id: "ec2", ..AWS },
    plain("exoscale", "GET /1.0/user-data"),
    Cloud { id: "gce", ..GCP },
    GCP,
    plain("hetzner", "GET /hetzner/v1/userdata"),
    OPENSTACK,
    Cloud {
        document: Ask {
            headers: &[("authorization", "Bearer Oracle")],
            ..get("GET /opc/v2/instance/metadata/user_data")
        },
        packing: Packing::Base64,
        again: &[429],
        ..plain("oraclecloud", "")
    },
    PACKET,
    SCALEWAY,
    plain("upcloud", "GET /metadata/v1/user_data"),
    plain("vultr", "GET /user-data/user-data"),
];

impl Cloud {
    /// A machine in this cloud. Its service has still to listen.
    pub fn world(&self) -> World {
        let world = World::enter();
        if self.id == CLOUDSTACK.id {
            let lease = format!("ADDRESS=10.1.1.5\nSERVER_ADDRESS={}\n", self.address);
            world.put("/run/systemd/netif/leases/2", &lease);
        }
        if let Transport::Https(name) = self.transport {
            namespace::certificates(&world.path(""), &[name]);
        }
        world
    }

    /// Makes the service reachable, at an address that was not there.
    pub fn open(&self, world: &World, server: &Service) {
        if self.address != "127.0.0.1" {
            namespace::add_address(self.address);
        }
        let port = match self.transport {
            Transport::Http => 80,
            Transport::Https(_) => 443,
        };
        let address = format!("{}:{port}", self.address);
        server.accept(address.parse().expect("an address"), self.accept(world));
    }

    fn accept(&self, world: &World) -> Accept {
        match self.transport {
            Transport::Http => server::plain(),
            Transport::Https(_) => tls::accept(&world.path("")),
        }
    }

    /// A machine, and its service, which says this of the document.
    pub fn with(&self, document: &[Answer]) -> (World, Service) {
        let world = self.world();
        let server = Service::of(self.script(document));
        self.open(&world, &server);
        (world, server)
    }

    /// What the service says, if it says this of the document.
    pub fn script(&self, document: &[Answer]) -> Script {
        let others = self.before.iter().chain(self.after);
        let good = others.fold(Script::default(), |script, ask| {
            script.with(ask.line, &[Answer::ok(ask.answer)])
        });
        good.with(self.document.line, document)
    }

    /// What is asked when all is well, in order.
    pub fn asks(&self) -> Vec<Ask> {
        let before = self.before.iter().chain([&self.document]);
        before.chain(self.after).copied().collect()
    }

    /// Their lines, the document `times` times.
    pub fn lines(&self, times: usize) -> Vec<&'static str> {
        let lines = |asks: &[Ask]| asks.iter().map(|ask| ask.line).collect::<Vec<_>>();
        let document = vec![self.document.line; times];
        [lines(self.before), document, lines(self.after)].concat()
    }

    pub fn host(&self) -> &'static str {
        match self.transport {
            Transport::Http => self.address,
            Transport::Https(name) => name,
        }
    }

    /// Where the document is.
    pub fn url(&self) -> String {
        let scheme = match self.transport {
            Transport::Http => "http",
            Transport::Https(_) => "https",
        };
        let (_, path) = self.document.line.split_once(' ').expect("a method");
        format!("{scheme}://{}{path}", self.host())
    }

    /// The same, as who fetches shows it: values of queries may be secret.
    pub fn shown_url(&self) -> String {
        self.url()
            .replace("=2021-01-01", "=…")
            .replace("=text", "=…")
    }
}
