//! Configs that are packed otherwise than the cloud packs them.

use super::clouds::{AKAMAI, CLOUDS, Cloud};
use super::packing::{CONFIG, FOUND, Packing, base64, gzip};
use super::service::Answer;
use super::{apart, each};

fn packed(packing: impl Fn(Packing) -> bool) -> impl Iterator<Item = &'static Cloud> {
    CLOUDS.iter().filter(move |cloud| packing(cloud.packing))
}

fn assert_fatal(cloud: &Cloud, body: Vec<u8>, words: &[&str]) {
    apart(|| is_fatal(cloud, body, words));
}

fn is_fatal(cloud: &Cloud, body: Vec<u8>, words: &[&str]) {
    let (world, server) = cloud.with(&[Answer::ok(body)]);
    let ended = world.stage(cloud.id, "fetch");
    ended.assert(1, &["CRITICAL : failed to acquire config: "]);
    ended.assert(1, words);
    assert_eq!(world.cache(), None);
    assert_eq!(server.lines(), cloud.lines(1));
}

fn assert_found(cloud: &Cloud, body: Vec<u8>) {
    apart(|| {
        let (world, _) = cloud.with(&[Answer::ok(body)]);
        world.stage(cloud.id, "fetch").assert(0, &[]);
        assert!(world.cache().is_some_and(|cache| cache.contains(FOUND)));
    });
}

#[test]
fn what_is_not_base64_is_refused() {
    each(packed(|packing| packing != Packing::Plain), |cloud| {
        let good = String::from_utf8(base64(CONFIG.as_bytes())).expect("text");
        let (cut, with_space) = (&good[..good.len() - 1], format!(" {good}"));
        for bad in [CONFIG, cut, &with_space] {
            let what = format!("the user data of {}: not valid base64", cloud.url());
            assert_fatal(cloud, bad.into(), &[&what]);
        }
    });
}

#[test]
fn lines_of_base64_may_end() {
    each(packed(|packing| packing != Packing::Plain), |cloud| {
        let text = cloud.packing.pack(CONFIG);
        let lines: Vec<&[u8]> = text.chunks(20).collect();
        assert_found(cloud, lines.join(b"\r\n".as_slice()));
        assert_found(
            cloud,
            [lines.join(b"\n".as_slice()), b"\n".to_vec()].concat(),
        );
    });
}

#[test]
fn gzip_that_is_cut_off_is_refused() {
    let packed = gzip(CONFIG);
    for bytes in [&packed[..packed.len() - 4], &packed[..20], &packed[..3]] {
        let what = format!("the user data of {}: not valid gzip data", AKAMAI.url());
        each([&AKAMAI], |cloud| {
            assert_fatal(cloud, base64(bytes), &[&what])
        });
    }
}

#[test]
fn gzip_is_no_must_in_base64() {
    each([&AKAMAI], |cloud| {
        assert_found(cloud, base64(CONFIG.as_bytes()))
    });
}

/// Where the platform says nothing of it, the text itself does.
#[test]
fn gzip_is_unpacked_everywhere() {
    each(packed(|packing| packing == Packing::Plain), |cloud| {
        assert_found(cloud, gzip(CONFIG));
    });
    each(packed(|packing| packing == Packing::Base64), |cloud| {
        assert_found(cloud, base64(&gzip(CONFIG)));
    });
}

#[test]
fn what_is_no_config_is_refused_without_being_shown() {
    each(CLOUDS, |cloud| {
        for bad in [
            "s3cret",
            "\n",
            r#"{"s3cret": "s3cret"}"#,
            "{\"ignition\": s3cret",
        ] {
            assert_fatal(cloud, cloud.packing.pack(bad), &["cannot use config"]);
        }
    });
}
