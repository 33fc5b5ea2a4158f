//! Platform `hyperv`: key-value pairs (KVP) that the host sends to the machine once per boot. They are written to the
//! files of the KVP daemon, which will no longer receive them.

mod kvp_socket;
mod message;

use crate::config::data_url;
use crate::config::model::{File, Resource};
use crate::platform::contract::{
    About, Answer, FetchContext, KernelModule, Network, Platform, TestLevel,
};
use crate::platform::source::kernel_module;
use anyhow::Context;
use kvp_socket::Pools;
use nix::libc::O_NONBLOCK;
use std::collections::HashMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const DEVICE: &str = "/dev/vmbus/hv_kvp";
/// Exists once the kernel has the driver.
const DRIVER: &str = "/sys/bus/vmbus/drivers/hv_utils";
/// The pool of pairs that are set from outside the machine.
const EXTERNAL: usize = 0;
/// Key of the config or, with a number appended, of a part of it: a value holds about 1000 characters.
const KEY: &str = "ignition.config";
/// Prefix of the daemon's files, followed by the number of the pool.
const POOL_FILES: &str = "/var/lib/hyperv/.kvp_pool_";
/// They contain the config, so only root may read them.
const POOL_MODE: i64 = 0o600;

/// The platform.
pub(crate) struct HyperV;

impl Platform for HyperV {
    fn id(&self) -> &'static str {
        "hyperv"
    }

    fn about(&self) -> About {
        About {
            source: "key-value pair `ignition.config` of pool 0, else `ignition.config.0`, `ignition.config.1` and so on in one; all pairs are written to `/var/lib/hyperv/.kvp_pool_0` to `_4` by the files stage",
            requests: &[
                "register at /dev/vmbus/hv_kvp, and take all key-value pairs until none comes for 1 s",
            ],
            no_config: "there is no such key, or its value is empty",
            waits: "1 s after the last pair",
            network: Network::NotNeeded,
            modules: &[KernelModule::Loaded("hv_utils")],
            tested: TestLevel::Exchange,
        }
    }

    fn is_read_once(&self) -> bool {
        true
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        kernel_module::load_unless_exists(Path::new(DRIVER), "hv_utils", context.log)?;
        let mut options = std::fs::File::options();
        let opened = options.read(true).write(true).custom_flags(O_NONBLOCK);
        let device = opened.open(DEVICE);
        let device = device.with_context(|| format!("cannot open {DEVICE}"))?;
        let pools = kvp_socket::read_all(&device)
            .with_context(|| format!("cannot read the key-value pairs at {DEVICE}"))?;
        // Even without a config: no later program will receive the pairs.
        context.output_files.extend(files(&pools));
        Ok(answer(&pools))
    }
}

fn answer(pools: &Pools) -> Answer {
    // Of several pairs with one key the first one counts.
    let pairs = pools.0[EXTERNAL].iter().rev();
    let values: HashMap<&[u8], &[u8]> = pairs
        .map(|pair| (pair.key.as_slice(), pair.value.as_slice()))
        .collect();
    let value = |key: &str| values.get(key.as_bytes()).copied();
    if let Some(config) = value(KEY).filter(|config| !config.is_empty()) {
        return Answer::of(format!("key-value pair {KEY}"), config.into());
    }
    let parts = (0..).map_while(|number: u32| value(&format!("{KEY}.{number}")));
    let parts: Vec<&[u8]> = parts.collect();
    let name = format!(
        "key-value pairs {KEY}.0 to {KEY}.{}",
        parts.len().max(1) - 1
    );
    Answer::of(name, parts.concat())
}

/// The files of the daemon, in the format that it uses.
fn files(pools: &Pools) -> impl Iterator<Item = File> + '_ {
    pools.0.iter().enumerate().map(|(number, pairs)| {
        let records = pairs.iter().flat_map(message::record);
        let text: Vec<u8> = records.collect();
        File {
            path: format!("{POOL_FILES}{number}"),
            overwrite: Some(true),
            mode: Some(POOL_MODE),
            contents: Resource {
                source: Some(data_url::encode(&text).into()),
                ..Resource::default()
            },
            ..File::default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::message::Pair;
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn pools(pairs: &[(usize, &str, &str)]) -> Pools {
        let mut pools = Pools::default();
        for (pool, key, value) in pairs {
            let (key, value) = ((*key).into(), (*value).into());
            pools.0[*pool].push(Pair { key, value });
        }
        pools
    }

    fn text_of(pairs: &[(usize, &str, &str)]) -> Option<String> {
        match answer(&pools(pairs)) {
            Answer::Config { text, .. } => Some(String::from_utf8(text).expect("text")),
            Answer::Empty => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whole_configs_and_parts() {
        let whole = (0, "ignition.config", "whole");
        let parts = [
            (0, "ignition.config.1", "b"),
            (0, "ignition.config.0", "a"),
            (0, "ignition.config.3", "d"),
        ];
        assert_eq!(text_of(&[]), None);
        assert_eq!(text_of(&[parts[0], whole]).as_deref(), Some("whole"));
        assert_eq!(text_of(&parts).as_deref(), Some("ab"));
        let empty = (0, "ignition.config", "");
        assert_eq!(text_of(&[empty, parts[1]]).as_deref(), Some("a"));
        assert_eq!(text_of(&[empty]), None);
        assert_eq!(text_of(&[(1, "ignition.config", "other pool")]), None);
        let twice = [
            (0, "ignition.config", "first"),
            (0, "ignition.config", "second"),
        ];
        assert_eq!(text_of(&twice).as_deref(), Some("first"));
    }

    #[test]
    fn every_pool_gets_its_file() {
        let all: Vec<File> = files(&pools(&[(0, "k", "v"), (0, "l", ""), (4, "m", "w")])).collect();
        let paths: Vec<&str> = all.iter().map(|file| &*file.path).collect();
        let want = [0, 1, 2, 3, 4].map(|n| format!("/var/lib/hyperv/.kvp_pool_{n}"));
        assert_eq!(paths, want);
        let bytes = |file: &File| {
            assert_eq!((file.mode, file.overwrite), (Some(0o600), Some(true)));
            let source = file.contents.source.as_deref().expect("a body");
            let text = source.strip_prefix("data:;base64,").expect("base64");
            STANDARD.decode(text).expect("base64")
        };
        let first = bytes(&all[0]);
        assert_eq!(first.len(), 2 * 2560);
        assert_eq!(
            (&first[..2], &first[512..514]),
            (b"k\0".as_slice(), b"v\0".as_slice())
        );
        assert_eq!(&first[2560..2562], b"l\0");
        assert!(bytes(&all[1]).is_empty());
        assert_eq!(bytes(&all[4]).len(), 2560);
    }
}
