//! Blobs of Azure, with Azurite.

use crate::world::{Plan, World};
use crate::{Case, assert_applied, assert_fails, assert_got, content, get, run};
use kindling::fetch::{Cloud, FetchError, Fetcher};
use serde_json::json;

const PLAN: Plan<'static> = Plan {
    program: "azure_front.py",
    names: &["acct.blob.core.windows.net"],
    metadata_names: &[],
};
const CLOSED: &str = "https://acct.blob.core.windows.net/closed/hello";
const OPEN: &str = "https://acct.blob.core.windows.net/open/hello";
const HELLO: &[u8] = b"hello azure";

const CASES: &[Case] = &[
    ("the program itself", the_program_itself),
    (
        "as the identity of the machine",
        as_the_identity_of_the_machine,
    ),
    ("only on Azure", only_on_azure),
    (
        "with a signature in the query",
        with_a_signature_in_the_query,
    ),
    ("other addresses", other_addresses),
    ("without an identity", without_an_identity),
    ("a service that is not ready", a_service_that_is_not_ready),
    (
        "denied, then by way of the web",
        denied_then_by_way_of_the_web,
    ),
    ("busy", busy),
    ("broken bodies", broken_bodies),
    ("broken for good, then by way of the web", broken_for_good),
];

#[test]
fn blobs_of_azure() {
    let mut world = World::enter(&PLAN);
    let arguments = "azurite/node_modules/azurite/dist/src/blob/main.js --blobHost 127.0.0.1 --blobPort 10000 --silent \
        --inMemoryPersistence --skipApiVersionCheck --disableTelemetry --oauth basic --cert leaf.pem --key leaf.key";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    world.start_node(&arguments);
    world.open(&PLAN);
    run(&world, CASES);
}

fn machine(world: &World) -> Fetcher {
    world.fetcher(Cloud::Azure)
}

fn bearers(world: &World) -> usize {
    let headers = world.log().header("authorization");
    headers
        .iter()
        .flatten()
        .filter(|value| value.starts_with("Bearer "))
        .count()
}

fn the_program_itself(world: &World) {
    world.begin(json!({}));
    let signature = world.query_metadata("/signature");
    let signed = format!("{CLOSED}?{signature}");
    assert_applied(world, &[(OPEN, HELLO), (&signed, HELLO)]);
    assert_eq!(bearers(world), 0);
}

fn as_the_identity_of_the_machine(world: &World) {
    world.begin(json!({}));
    let fetcher = machine(world);
    assert_got(&fetcher, CLOSED, HELLO);
    let large = "https://acct.blob.core.windows.net/closed/large";
    assert_got(&fetcher, large, &content(3_000_000, 11));
    assert_eq!(bearers(world), 2);
    let requests = world.log().metadata();
    assert_eq!(
        requests
            .iter()
            .filter(|line| line.contains("api-version"))
            .count(),
        1,
        "{requests:?}"
    );
    // A token for another audience gives no access.
    world.begin(json!({"audience": "https://vault.azure.net"}));
    assert_fails(&machine(world), CLOSED, &["GET https://acct.blob"]);
}

fn only_on_azure(world: &World) {
    world.begin(json!({}));
    for cloud in [Cloud::Other, Cloud::Aws] {
        let fetcher = world.fetcher(cloud);
        assert!(get(&fetcher, CLOSED).is_err());
        assert_got(&fetcher, OPEN, HELLO);
    }
    assert_eq!(bearers(world), 0);
    assert_eq!(world.log().metadata(), [""; 0]);
}

fn with_a_signature_in_the_query(world: &World) {
    let signature = world.query_metadata("/signature");
    world.begin(json!({}));
    assert_got(&machine(world), &format!("{CLOSED}?{signature}"), HELLO);
    assert_eq!((bearers(world), world.log().metadata().len()), (0, 0));
}

fn other_addresses(world: &World) {
    world.begin(json!({}));
    let nested = "https://acct.blob.core.windows.net/open/dir/hello";
    assert_got(&machine(world), nested, b"nested");
    assert_eq!((bearers(world), world.log().metadata().len()), (0, 0));
}

fn without_an_identity(world: &World) {
    world.begin(json!({"identity": "none"}));
    let fetcher = machine(world);
    assert_got(&fetcher, OPEN, HELLO);
    let requests = world.log().metadata();
    assert!(
        requests.iter().any(|line| line.contains("api-version")),
        "{requests:?}"
    );
    // The service is asked only once.
    assert_got(&fetcher, OPEN, HELLO);
    assert_eq!(world.log().metadata(), requests);
    assert!(get(&fetcher, CLOSED).is_err());
    assert_eq!(bearers(world), 0);
}

fn a_service_that_is_not_ready(world: &World) {
    world.begin(json!({"metadata_faults": [410]}));
    assert_got(&machine(world), CLOSED, HELLO);
}

fn denied_then_by_way_of_the_web(world: &World) {
    world.begin(json!({"denied": true}));
    let fetcher = machine(world);
    assert_got(&fetcher, OPEN, HELLO);
    let log = world.log();
    assert_eq!(
        log.store(),
        [
            "GET acct.blob.core.windows.net /open/hello 403",
            "GET acct.blob.core.windows.net /open/hello 200",
        ]
    );
    let missing = get(&fetcher, "https://acct.blob.core.windows.net/open/missing");
    assert!(
        matches!(missing, Err(FetchError::NotFound { .. })),
        "{missing:?}"
    );
}

fn busy(world: &World) {
    world.begin(json!({"faults": [{"status": 503}, {"drop": true}]}));
    assert_got(&machine(world), CLOSED, HELLO);
    assert_eq!(bearers(world), 3);
}

fn broken_bodies(world: &World) {
    world.begin(json!({"faults": [{"cut": 1_000_000}, {"cut": 1_000_000}]}));
    let large = "https://acct.blob.core.windows.net/closed/large";
    assert_got(&machine(world), large, &content(3_000_000, 11));
    assert_eq!(bearers(world), 3);
}

fn broken_for_good(world: &World) {
    let cut = json!({"cut": 1_000_000});
    let none = json!({"cut": 0});
    world.begin(json!({"faults": [cut, none, none, none]}));
    let large = "https://acct.blob.core.windows.net/open/large";
    assert_got(&machine(world), large, &content(3_000_000, 11));
    let authorizations = world.log().header("authorization");
    assert_eq!(authorizations.last(), Some(&None), "{authorizations:?}");
    assert!(bearers(world) >= 2, "{authorizations:?}");
}
