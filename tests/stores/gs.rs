//! `gs:`, with the emulator of Google Cloud Storage.

use crate::world::{Plan, World};
use crate::{Case, assert_applied, assert_fails, assert_got, content, get, run};
use kindling::fetch::{Cloud, FetchError};
use serde_json::json;

const PLAN: Plan<'static> = Plan {
    program: "gs_front.py",
    names: &["storage.googleapis.com"],
    metadata_names: &["metadata.google.internal."],
};
const OPEN: &str = "gs://open-bucket/dir/hello";
const CLOSED: &str = "gs://closed-bucket/dir/hello";
const HELLO: &[u8] = b"hello gs";

const CASES: &[Case] = &[
    ("the program itself", the_program_itself),
    ("names are one segment", names_are_one_segment),
    ("tokens are kept", tokens_are_kept),
    ("expired tokens are renewed", tokens_are_renewed),
    ("without an account", without_an_account),
    ("a flaky metadata service", a_flaky_metadata_service),
    ("bad tokens", bad_tokens),
    ("what is not there", what_is_not_there),
    ("broken bodies", broken_bodies),
];

#[test]
fn objects_of_google_cloud_storage() {
    let mut world = World::enter(&PLAN);
    let arguments = ["start", "--host=127.0.0.1", "--port=9023", "--in-memory"];
    world.start("venv/bin/gcp-storage-emulator", &arguments);
    world.open(&PLAN);
    run(&world, CASES);
}

fn the_program_itself(world: &World) {
    world.begin(json!({}));
    let large = content(3_000_000, 5);
    let files: [(&str, &[u8]); 2] = [(CLOSED, HELLO), ("gs://closed-bucket/large", &large)];
    assert_applied(world, &files);
}

fn names_are_one_segment(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Other);
    assert_got(
        &fetcher,
        "gs://closed-bucket/a%20b//c+%C3%A4%3F%23%252F?generation=9",
        b"odd",
    );
    let path = "/storage/v1/b/closed-bucket/o/a%20b%2F%2Fc%2B%C3%A4%3F%23%252F?alt=media";
    let line = format!("GET storage.googleapis.com {path} 200");
    assert_eq!(world.log().store(), [line]);
}

fn tokens(world: &World) -> usize {
    let requests = world.log().metadata();
    requests
        .iter()
        .filter(|line| line.contains("/token?"))
        .count()
}

fn tokens_are_kept(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Other);
    for _ in 0..3 {
        assert_got(&fetcher, CLOSED, HELLO);
    }
    assert_eq!(tokens(world), 1);
}

fn tokens_are_renewed(world: &World) {
    world.begin(json!({"expires_in": 225}));
    let fetcher = world.fetcher(Cloud::Other);
    for _ in 0..3 {
        assert_got(&fetcher, CLOSED, HELLO);
    }
    assert_eq!(tokens(world), 3);
}

fn without_an_account(world: &World) {
    for state in [
        json!({"account": "none"}),
        json!({"flavor": "none", "account": "none"}),
    ] {
        world.begin(state);
        let fetcher = world.fetcher(Cloud::Other);
        assert_got(&fetcher, OPEN, HELLO);
        assert_fails(&fetcher, CLOSED, &["failed to fetch resource", "401"]);
        assert_eq!(tokens(world), 0);
    }
}

fn a_flaky_metadata_service(world: &World) {
    world.begin(json!({"metadata_faults": [1, 1]}));
    assert_got(&world.fetcher(Cloud::Other), CLOSED, HELLO);
}

fn bad_tokens(world: &World) {
    let documents = [
        "s3cr3t",
        "{}",
        r#"{"access_token": "s3cr3t", "token_type": "Bearer"}"#,
    ];
    for document in documents {
        world.begin(json!({"document": document}));
        let error = assert_fails(
            &world.fetcher(Cloud::Other),
            OPEN,
            &["fetching GCS auth token: "],
        );
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    world.begin(json!({"document": "", "status": 403}));
    assert_fails(
        &world.fetcher(Cloud::Other),
        OPEN,
        &["fetching GCS auth token: ", "403"],
    );
}

fn what_is_not_there(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Other);
    for url in ["gs://open-bucket/missing", "gs://missing/o"] {
        let error = get(&fetcher, url).expect_err(url);
        assert!(matches!(error, FetchError::NotFound { .. }), "{error}");
    }
}

fn broken_bodies(world: &World) {
    world.begin(json!({"faults": [{"status": 500}, {"cut": 1_000_000}, {"drop": true}]}));
    let fetcher = world.fetcher(Cloud::Other);
    assert_got(&fetcher, "gs://closed-bucket/large", &content(3_000_000, 5));
}
