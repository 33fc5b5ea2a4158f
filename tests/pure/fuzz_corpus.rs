//! Runs the fuzz corpus (seeds, and inputs that fuzzing found) through the functions of the fuzz targets.
#![allow(
    clippy::print_stdout,
    reason = "a test that fails shows how far it came"
)]

#[path = "../../fuzz/harness/mod.rs"]
mod harness;
#[path = "../../fuzz/harness/texts.rs"]
mod texts;

use kindling::disk::gpt::{GptHealth, TableFacts};
use std::fs;
use std::path::Path;

/// Inputs of a target by file name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = fs::read_dir(folder.join(target)).expect("the corpus");
    let mut inputs: Vec<(String, Vec<u8>)> = files
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("an input"))
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn no_table_of_the_corpus_does_harm() {
    let mut tables = 0;
    for (name, input) in corpus("gpt") {
        println!("{name}");
        tables += u32::from(harness::gpt(&input).gpt().is_some());
    }
    assert!(tables >= 8, "only {tables} inputs hold a table");
}

#[test]
fn no_superblock_of_the_corpus_does_harm() {
    for (name, input) in corpus("probe") {
        println!("{name}");
        harness::probe(&input);
    }
}

/// A seed that no longer matches its name would test nothing.
#[test]
fn seeds_are_what_they_are_called() {
    for (name, input) in corpus("gpt") {
        let facts = || harness::gpt(&input);
        let healths = [
            ("seed-grown", GptHealth::BackupNotAtEnd),
            ("seed-backup-only", GptHealth::PrimaryDamaged),
            ("seed-three", GptHealth::Sound),
            ("seed-sectors-of-4096", GptHealth::Sound),
            ("seed-moved-array", GptHealth::Sound),
        ];
        for (_, expected) in healths.iter().filter(|(seed, _)| *seed == name) {
            let TableFacts::Gpt { health, .. } = facts() else {
                panic!("{name} is no table: {:?}", facts());
            };
            assert_eq!(health, *expected, "{name}");
        }
    }
    for (name, input) in corpus("probe") {
        let Some(seed) = name.strip_prefix("seed-") else {
            continue;
        };
        let kinds = harness::probe(&input).map(|found| found.kind.unwrap_or_default());
        let expected = match seed {
            "ext4-behind" => ["", "ext4"],
            "fat12" | "fat16" | "fat32" => ["vfat", "vfat"],
            "luks1" | "luks2" => ["crypto_LUKS", "crypto_LUKS"],
            "lvm2" => ["LVM2_member", "LVM2_member"],
            "zfs" => ["zfs_member", "zfs_member"],
            "suspended" => ["swsuspend", "swsuspend"],
            "two-at-once" => ["erofs", "erofs"],
            raid if raid.starts_with("raid-") => ["linux_raid_member", "linux_raid_member"],
            other => [other, other],
        };
        assert_eq!(kinds, expected.map(str::to_owned), "{name}");
    }
}

#[test]
fn no_config_of_the_corpus_does_harm() {
    for (name, input) in corpus("config") {
        println!("{name}");
        let is_config = texts::config(&input).is_some();
        if let Some(seed) = name.strip_prefix("seed-") {
            assert_eq!(is_config, !matches!(seed, "mistakes" | "nothing"), "{name}");
        }
    }
}

#[test]
fn no_url_of_the_corpus_does_harm() {
    for (name, input) in corpus("data_url") {
        println!("{name}");
        let bytes = texts::data_url(&input);
        if let Some(seed) = name.strip_prefix("seed-") {
            assert_eq!(bytes.is_none(), seed.starts_with("url-"), "{name}");
        }
    }
}

#[test]
fn no_bundle_of_the_corpus_does_harm() {
    for (name, input) in corpus("pem") {
        println!("{name}");
        let certificates = texts::pem(&input);
        let expected = match name.as_str() {
            "seed-one" => Some(1),
            "seed-two" => Some(2),
            "seed-public-key" => None,
            _ => continue,
        };
        assert_eq!(certificates, expected, "{name}");
    }
}

#[test]
fn no_packet_of_the_corpus_does_harm() {
    for (name, input) in corpus("tftp") {
        println!("{name}");
        let opcode = texts::tftp(&input);
        let expected = match name.as_str() {
            "seed-data" => Some(3),
            "seed-error" => Some(5),
            "seed-options" => Some(6),
            _ => continue,
        };
        assert_eq!(opcode, expected, "{name}");
    }
}

#[test]
fn no_environment_of_the_corpus_does_harm() {
    for (name, input) in corpus("ovf") {
        println!("{name}");
        let removed = texts::ovf(&input);
        let expected = match name.as_str() {
            "seed-properties" => Some(133),
            "seed-lenient" => None,
            _ => continue,
        };
        assert_eq!(removed, expected, "{name}");
    }
}

#[test]
fn no_finding_of_the_corpus_does_harm() {
    for (name, input) in corpus("findings") {
        println!("{name}");
        let count = texts::findings(&input);
        if name == "seed-mistakes" {
            assert!(count >= 5, "only {count} findings");
        }
    }
}

#[test]
fn no_path_of_the_corpus_does_harm() {
    for (name, input) in corpus("paths") {
        println!("{name}");
        let resolved = texts::paths(&input);
        let expected = match name.as_str() {
            "seed-chain" => Some("/usr/lib/a/b"),
            "seed-climbing" => Some("/data/x"),
            "seed-deep" => Some("/new/a/b/c/d/e/f/g/h"),
            "seed-loop" | "seed-file" => None,
            _ => continue,
        };
        assert_eq!(resolved.as_deref(), expected, "{name}");
    }
}

#[test]
fn no_database_of_the_corpus_does_harm() {
    for (name, input) in corpus("accounts") {
        println!("{name}");
        let accepted = texts::accounts(&input);
        match name.as_str() {
            "seed-plain" | "seed-damaged" => assert!(accepted >= 4, "{name}: {accepted}"),
            "seed-injection" => assert!(accepted <= 3, "{name}: {accepted}"),
            _ => {}
        }
    }
}

/// All seeds can be used, and there are enough usable inputs.
#[test]
fn no_config_in_another_language_of_the_corpus_does_harm() {
    let mut usable = 0;
    for (name, input) in corpus("languages") {
        println!("{name}");
        let is_usable = texts::languages(&input);
        assert!(
            is_usable || !name.starts_with("seed-"),
            "{name} cannot be used"
        );
        usable += u32::from(is_usable);
    }
    assert!(usable >= 8, "only {usable} inputs can be used");
}

#[test]
fn no_key_of_the_corpus_does_harm() {
    for (name, input) in corpus("keys") {
        println!("{name}");
        let verdict = texts::keys(&input);
        let Some(seed) = name.strip_prefix("seed-") else {
            continue;
        };
        let verdict = verdict.unwrap_or_else(|| panic!("{name} holds no keys"));
        let is_trusted = !seed.contains("revoked");
        assert_eq!(verdict.is_ok(), is_trusted, "{name}: {verdict:?}");
    }
}

/// The fuzz targets are a separate package, which a plain build does not compile.
#[test]
fn the_readers_of_the_fuzz_targets_are_files_of_the_program() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let readers = fs::read_to_string(fuzz.join("readers.rs")).expect("the readers");
    let paths = readers
        .lines()
        .filter_map(|line| line.strip_prefix("#[path = \"")?.strip_suffix("\"]"));
    let missing: Vec<&str> = paths.filter(|path| !fuzz.join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
