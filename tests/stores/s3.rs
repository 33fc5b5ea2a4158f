//! `s3:` and `arn:`, with moto.

use crate::world::{Plan, World};
use crate::{Case, apply, assert_applied, assert_fails, assert_got, content, run};
use kindling::config::model::{Resource, Verification};
use kindling::fetch::{Cloud, Compression, FetchError, Request, Silent};
use serde_json::json;

const LARGE: usize = 6_000_000;
const LARGE_SEED: usize = 7;
const POINT: &str = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap1/object/dir/hello";

const PLAN: Plan<'static> = Plan {
    program: "s3_front.py",
    names: &[
        "public-west.s3.us-east-1.amazonaws.com",
        "public-west.s3.eu-west-1.amazonaws.com",
        "public-west.s3.dualstack.eu-west-1.amazonaws.com",
        "private-west.s3.us-east-1.amazonaws.com",
        "private-west.s3.eu-west-1.amazonaws.com",
        "private-west.s3.dualstack.eu-west-1.amazonaws.com",
        "versions.s3.us-east-1.amazonaws.com",
        "versions.s3.eu-west-1.amazonaws.com",
        "versions.s3.dualstack.us-east-1.amazonaws.com",
        "nowhere.s3.us-east-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "s3.dualstack.eu-central-1.amazonaws.com",
        "china.s3.cn-north-1.amazonaws.com.cn",
        "china.s3.dualstack.cn-north-1.amazonaws.com.cn",
        "ap1-111122223333.s3-accesspoint.dualstack.eu-west-1.amazonaws.com",
    ],
    metadata_names: &[],
};

const CASES: &[Case] = &[
    ("the program itself", the_program_itself),
    ("anonymously", anonymously),
    (
        "path style and other partitions",
        path_style_and_other_partitions,
    ),
    ("as the role of the instance", as_the_role_of_the_instance),
    ("odd keys", odd_keys),
    ("access points", access_points),
    ("versions", versions),
    ("metadata service, version 1", version_1),
    ("without a role", without_a_role),
    ("bad credentials", bad_credentials),
    ("a flaky metadata service", a_flaky_metadata_service),
    ("access denied is final", access_denied_is_final),
    ("a wrong clock", a_wrong_clock),
    ("no bucket, no region", no_bucket_no_region),
    ("busy", busy),
    ("resumed", resumed),
    ("a range ends early", a_range_ends_early),
    ("changed during the fetch", changed_during_the_fetch),
    ("digests and compression", digests_and_compression),
    ("many files, few questions", many_files_few_questions),
    ("secrets are not logged", secrets_are_not_logged),
];

#[test]
fn objects_of_amazon_s3() {
    let mut world = World::enter(&PLAN);
    world.start("venv/bin/moto_server", &["-p", "5000"]);
    world.open(&PLAN);
    run(&world, CASES);
}

fn the_program_itself(world: &World) {
    world.begin(json!({}));
    let files: [(&str, &[u8]); 3] = [
        ("s3://public-west/dir/hello", b"hello public-west"),
        ("arn:aws:s3:::public-west/dir/hello", b"hello public-west"),
        ("s3://public-west/empty", b""),
    ];
    assert_applied(world, &files);
    // A machine that is not known to be one of Amazon's does not query the metadata service.
    assert_eq!(world.log().metadata(), [""; 0]);
    let root = world.path("failing");
    let output = apply(world, &root, &["s3://private-west/dir/hello"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let error = "error fetching object \"dir/hello\" from bucket \"private-west\": failed to fetch resource";
    assert!(
        stderr.contains(error) && stderr.contains("AccessDenied"),
        "{stderr}"
    );
    assert!(stderr.contains("may read the object"), "{stderr}");
    assert!(!root.join("srv/0").exists());
}

fn anonymously(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Other);
    assert_got(&fetcher, "s3://public-west/dir/hello", b"hello public-west");
    let log = world.log();
    assert_eq!(
        log.store(),
        [
            "HEAD public-west.s3.us-east-1.amazonaws.com / 301",
            "GET public-west.s3.dualstack.eu-west-1.amazonaws.com /dir/hello 200",
        ]
    );
    assert_eq!(log.header("authorization"), [None, None]);
    assert_got(
        &fetcher,
        "s3://public-west/large",
        &content(LARGE, LARGE_SEED),
    );
    let missing = assert_fails(
        &fetcher,
        "s3://public-west/missing",
        &[
            "error fetching object \"missing\" from bucket \"public-west\"",
            "404",
            "NoSuchKey",
        ],
    );
    assert!(!missing.contains("resource not found"), "{missing}");
}

fn path_style_and_other_partitions(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Other);
    assert_got(&fetcher, "s3://with.dots/dir/hello", b"hello with.dots");
    assert_got(&fetcher, "arn:aws-cn:s3:::china/dir/hello", b"hello china");
    assert_eq!(
        world.log().store(),
        [
            "HEAD s3.us-east-1.amazonaws.com /with.dots 301",
            "GET s3.dualstack.eu-central-1.amazonaws.com /with.dots/dir/hello 200",
            "HEAD china.s3.cn-north-1.amazonaws.com.cn / 200",
            "GET china.s3.dualstack.cn-north-1.amazonaws.com.cn /dir/hello 200",
        ]
    );
}

fn as_the_role_of_the_instance(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Aws);
    assert_got(
        &fetcher,
        "s3://private-west/dir/hello",
        b"hello private-west",
    );
    let log = world.log();
    // The region of the instance is tried first.
    assert_eq!(
        log.store(),
        [
            "HEAD private-west.s3.eu-west-1.amazonaws.com / 403",
            "GET private-west.s3.dualstack.eu-west-1.amazonaws.com /dir/hello 200",
        ]
    );
    let requests = log.metadata();
    assert!(
        requests.contains(&"PUT /latest/api/token 200".to_owned()),
        "{requests:?}"
    );
    assert_got(
        &fetcher,
        "s3://private-west/large",
        &content(LARGE, LARGE_SEED),
    );
}

fn odd_keys(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Aws);
    assert_got(&fetcher, "s3://private-west/a//b%20+~=&%C3%A4", b"odd");
    assert_fails(
        &fetcher,
        "s3://private-west/a/../b",
        &["no URL can carry this key"],
    );
}

fn access_points(world: &World) {
    world.begin(json!({}));
    assert_got(&world.fetcher(Cloud::Aws), POINT, b"hello private-west");
    let host = "ap1-111122223333.s3-accesspoint.dualstack.eu-west-1.amazonaws.com";
    assert_eq!(world.log().store(), [format!("GET {host} /dir/hello 200")]);
    let bucket = "from bucket \"arn:aws:s3:eu-west-1:111122223333:accesspoint/ap1\"";
    assert_fails(
        &world.fetcher(Cloud::Other),
        POINT,
        &[bucket, "AccessDenied"],
    );
}

fn versions(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Aws);
    let version = world.query_metadata("/version");
    assert_got(
        &fetcher,
        &format!("s3://versions/v?versionId={version}"),
        b"first",
    );
    assert_got(
        &fetcher,
        &format!("arn:aws:s3:::versions/v?versionId={version}"),
        b"first",
    );
    assert_got(&fetcher, "s3://versions/v", b"second");
    assert_fails(
        &fetcher,
        "s3://versions/v?versionId=",
        &["invalid S3 object VersionId"],
    );
}

fn version_1(world: &World) {
    for status in [403, 404, 405] {
        world.begin(json!({"imds": format!("no-v2-{status}")}));
        let fetcher = world.fetcher(Cloud::Aws);
        assert_got(
            &fetcher,
            "s3://private-west/dir/hello",
            b"hello private-west",
        );
        let refused = format!("PUT /latest/api/token {status}");
        assert!(world.log().metadata().contains(&refused), "{status}");
    }
}

fn without_a_role(world: &World) {
    for imds in ["no-role", "status-403", "status-400"] {
        world.begin(json!({"imds": imds}));
        let fetcher = world.fetcher(Cloud::Aws);
        assert_got(&fetcher, "s3://public-west/dir/hello", b"hello public-west");
        assert_fails(
            &fetcher,
            "s3://private-west/dir/hello",
            &[
                "error fetching object \"dir/hello\" from bucket \"private-west\": anonymously: ",
                "AccessDenied",
                "the authenticated fetch also failed: ",
            ],
        );
    }
}

fn bad_credentials(world: &World) {
    let failed = r#"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "s3cr3t"}"#;
    let no_key =
        r#"{"Code": "Success", "AccessKeyId": "s3cr3t", "Expiration": "2030-01-01T00:00:00Z"}"#;
    for document in ["s3cr3t", "[]", failed, no_key] {
        world.begin(json!({"document": document}));
        let fetcher = world.fetcher(Cloud::Aws);
        assert_got(&fetcher, "s3://public-west/dir/hello", b"hello public-west");
        let error = assert_fails(
            &fetcher,
            "s3://private-west/dir/hello",
            &[
                "anonymously",
                "also failed: the credentials of the role are",
            ],
        );
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

fn a_flaky_metadata_service(world: &World) {
    // First for the token, then for the credentials; a request without a token is rejected.
    world.begin(json!({"metadata_faults": [1, 1]}));
    let fetcher = world.fetcher(Cloud::Aws);
    assert_got(
        &fetcher,
        "s3://private-west/dir/hello",
        b"hello private-west",
    );
}

fn access_denied_is_final(world: &World) {
    world.begin(json!({"denied": true}));
    let url = "s3://public-west/dir/hello";
    let error = assert_fails(
        &world.fetcher(Cloud::Aws),
        url,
        &["403", "AccessDenied: Access Denied"],
    );
    assert!(!error.contains("anonymously"), "{error}");
    let log = world.log();
    assert_eq!(log.store().len(), 2, "{log:?}");
    world.begin(json!({"key_id": "another"}));
    assert_fails(&world.fetcher(Cloud::Aws), url, &["InvalidAccessKeyId"]);
}

fn a_wrong_clock(world: &World) {
    for clock in [7200, -7200] {
        world.begin(json!({"clock": clock}));
        let fetcher = world.fetcher(Cloud::Aws);
        assert_got(
            &fetcher,
            "s3://private-west/dir/hello",
            b"hello private-west",
        );
    }
}

fn no_bucket_no_region(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Other);
    assert_fails(
        &fetcher,
        "s3://nowhere/k",
        &["error fetching object \"k\" from bucket \"nowhere\": could not find bucket \"nowhere\""],
    );
    let unsure = "couldn't determine the region for bucket \"public-west\"";
    world.begin(json!({"silent": true}));
    assert_fails(
        &world.fetcher(Cloud::Other),
        "s3://public-west/empty",
        &[unsure, "301"],
    );
    world.begin(json!({"region": "evil.test/"}));
    assert_fails(
        &world.fetcher(Cloud::Other),
        "s3://public-west/empty",
        &[unsure, "an invalid region"],
    );
}

fn busy(world: &World) {
    let url = "s3://public-west/dir/hello";
    let busy = json!({"status": 503});
    world.begin(json!({"faults": [busy, busy]}));
    assert_got(&world.fetcher(Cloud::Other), url, b"hello public-west");
    // Retries for a busy service are limited, those for a broken network are not.
    world.begin(json!({"faults": [busy, busy, busy, busy]}));
    assert_fails(
        &world.fetcher(Cloud::Other),
        url,
        &["503", "SlowDown", "gave up after 3 attempts"],
    );
    let dropped = json!({"drop": true});
    world.begin(json!({"faults": [dropped, dropped, dropped, dropped]}));
    assert_got(&world.fetcher(Cloud::Other), url, b"hello public-west");
}

fn resumed(world: &World) {
    world.begin(json!({"faults": [{"cut": 2_500_000}, {"status": 503}, {"cut": 1_000_000}]}));
    let url = "s3://private-west/large";
    assert_got(&world.fetcher(Cloud::Aws), url, &content(LARGE, LARGE_SEED));
    let log = world.log();
    let ranges = log.header("range");
    assert_eq!(ranges.len(), 5, "{log:?}");
    assert_eq!(ranges[..2], [None, None], "{ranges:?}");
    assert!(ranges[2..].iter().all(Option::is_some), "{ranges:?}");
    assert!(
        log.header("if-match")[2..].iter().all(Option::is_some),
        "{log:?}"
    );
}

fn a_range_ends_early(world: &World) {
    world.begin(json!({"faults": [{"cut": 2_500_000}, {"short": 1_000_000}]}));
    let url = "s3://private-west/large";
    assert_got(&world.fetcher(Cloud::Aws), url, &content(LARGE, LARGE_SEED));
    let log = world.log();
    let ranges = log.header("range");
    assert_eq!(ranges.len(), 4, "{log:?}");
    assert!(ranges[2..].iter().all(Option::is_some), "{ranges:?}");
}

fn changed_during_the_fetch(world: &World) {
    // The second part is rejected; the full body that follows is compared with what has already been received.
    world.begin(json!({"faults": [{"cut": 1_000_000}], "etags": ["\"1\"", "\"2\""]}));
    let url = "s3://public-west/large";
    assert_got(
        &world.fetcher(Cloud::Other),
        url,
        &content(LARGE, LARGE_SEED),
    );
    let log = world.log();
    assert!(
        log.store().iter().any(|line| line.ends_with(" 412")),
        "{log:?}"
    );
}

fn digests_and_compression(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Other);
    let request = |hash: Option<&str>, compression: Option<&str>| {
        let resource = Resource {
            source: Some("s3://public-west/empty".into()),
            compression: compression.map(String::from),
            verification: Verification {
                hash: hash.map(String::from),
            },
            ..Resource::default()
        };
        Request::of(&resource).expect("a request")
    };
    let empty_digest = "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    fetcher
        .fetch_to_vec(&request(Some(empty_digest), None), &Silent)
        .expect("nothing");
    let other = empty_digest.replace('e', "f");
    let mismatch = fetcher.fetch_to_vec(&request(Some(&other), None), &Silent);
    assert!(
        matches!(mismatch, Err(FetchError::HashMismatch { .. })),
        "{mismatch:?}"
    );
    let packed = request(None, Some("gzip"));
    assert_eq!(packed.compression, Compression::Gzip);
    let error = fetcher
        .fetch_to_vec(&packed, &Silent)
        .expect_err("not with this scheme");
    assert!(
        error
            .to_string()
            .starts_with("compression is not supported with that scheme"),
        "{error}"
    );
}

fn many_files_few_questions(world: &World) {
    world.begin(json!({}));
    let fetcher = world.fetcher(Cloud::Aws);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                assert_got(
                    &fetcher,
                    "s3://private-west/dir/hello",
                    b"hello private-west",
                )
            });
        }
    });
    // Two requests serve all of them; a slow machine may need another attempt.
    let requests = world.log().metadata();
    let credentials = requests
        .iter()
        .filter(|line| line.contains("security-credentials"));
    assert!(credentials.count() < 8, "{requests:?}");
}

fn secrets_are_not_logged(world: &World) {
    world.begin(json!({"denied": true}));
    let events = RecordedEvents::default();
    let request = Request::get("s3://private-west/dir/hello?versionId=v3rsion");
    let result = world.fetcher(Cloud::Aws).fetch_to_vec(&request, &events);
    let error = result.expect_err("denied").to_string();
    let text = events.0.lock().expect("no panic in here").clone() + &error;
    assert!(text.contains("https://private-west.s3"), "{text}");
    for secret in ["s3cr3t", "t0ken", "Signature=", "v3rsion"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

/// Everything that a fetch reports.
#[derive(Default)]
struct RecordedEvents(std::sync::Mutex<String>);

impl kindling::fetch::FetchEvents for RecordedEvents {
    fn event(&self, event: kindling::fetch::FetchEvent<'_>) {
        self.0
            .lock()
            .expect("no panic in here")
            .push_str(&format!("{event}\n"));
    }
}
