//! Configs whose encoding is not that of the cloud.

use super::clouds::{AKAMAI, CLOUDS, Cloud};
use super::encoding::{CONFIG, Encoding, FOUND, base64};
use super::service::Response;
use super::{for_each, in_thread};
use crate::common::gzip::gzipped;

fn clouds_with(encoding: impl Fn(Encoding) -> bool) -> impl Iterator<Item = &'static Cloud> {
    CLOUDS.iter().filter(move |cloud| encoding(cloud.encoding))
}

fn assert_fatal(cloud: &Cloud, body: Vec<u8>, texts: &[&str]) {
    in_thread(|| assert_fatal_here(cloud, body, texts));
}

fn assert_fatal_here(cloud: &Cloud, body: Vec<u8>, texts: &[&str]) {
    let (machine, server) = cloud.with_responses(&[Response::ok(body)]);
    let result = machine.stage(cloud.id, "fetch");
    result.assert(1, &["CRITICAL : failed to acquire config: "]);
    result.assert(1, texts);
    assert_eq!(machine.cache(), None);
    assert_eq!(server.request_lines(), cloud.request_lines(1));
}

fn assert_found(cloud: &Cloud, body: Vec<u8>) {
    in_thread(|| {
        let (machine, _) = cloud.with_responses(&[Response::ok(body)]);
        machine.stage(cloud.id, "fetch").assert(0, &[]);
        assert!(machine.cache().is_some_and(|cache| cache.contains(FOUND)));
    });
}

#[test]
fn invalid_base64_is_an_error() {
    for_each(
        clouds_with(|encoding| encoding != Encoding::Plain),
        |cloud| {
            let good = String::from_utf8(base64(CONFIG.as_bytes())).expect("text");
            let (truncated, with_space) = (&good[..good.len() - 1], format!(" {good}"));
            for bad in [CONFIG, truncated, &with_space] {
                let cause = format!("the user data of {}: not valid base64", cloud.url());
                assert_fatal(cloud, bad.into(), &[&cause]);
            }
        },
    );
}

#[test]
fn base64_may_have_line_breaks() {
    for_each(
        clouds_with(|encoding| encoding != Encoding::Plain),
        |cloud| {
            let text = cloud.encoding.encode(CONFIG);
            let lines: Vec<&[u8]> = text.chunks(20).collect();
            assert_found(cloud, lines.join(b"\r\n".as_slice()));
            assert_found(
                cloud,
                [lines.join(b"\n".as_slice()), b"\n".to_vec()].concat(),
            );
        },
    );
}

#[test]
fn truncated_gzip_is_an_error() {
    let packed = gzipped(CONFIG);
    for bytes in [&packed[..packed.len() - 4], &packed[..20], &packed[..3]] {
        let cause = format!("the user data of {}: not valid gzip data", AKAMAI.url());
        for_each([&AKAMAI], |cloud| {
            assert_fatal(cloud, base64(bytes), &[&cause])
        });
    }
}

#[test]
fn gzip_in_base64_is_optional() {
    for_each([&AKAMAI], |cloud| {
        assert_found(cloud, base64(CONFIG.as_bytes()))
    });
}

/// Gzip is also detected where the platform does not specify it.
#[test]
fn gzip_is_always_decompressed() {
    for_each(
        clouds_with(|encoding| encoding == Encoding::Plain),
        |cloud| {
            assert_found(cloud, gzipped(CONFIG));
        },
    );
    for_each(
        clouds_with(|encoding| encoding == Encoding::Base64),
        |cloud| {
            assert_found(cloud, base64(&gzipped(CONFIG)));
        },
    );
}

#[test]
fn invalid_configs_are_rejected_without_being_logged() {
    for_each(CLOUDS, |cloud| {
        for bad in [
            "s3cret",
            "\n",
            r#"{"s3cret": "s3cret"}"#,
            "{\"ignition\": s3cret",
        ] {
            assert_fatal(cloud, cloud.encoding.encode(bad), &["cannot use config"]);
        }
    });
}
