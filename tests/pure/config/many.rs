//! All findings are reported in one run.

use super::{config, verdict};
use kindling::config::{Severity, parse};

const TWENTY: &str = r#"{
  "ignition": {
    "version": "3.5.0",
    "proxy": {"httpProxy": "proxy:3128"},
    "timeouts": {"httpTotal": "10"}
  },
  "storag": {},
  "storage": {
    "disks": [
      {"device": "sda"},
      {"device": "/dev/sdb", "partitions": [
        {"number": 1, "lable": "a"},
        {"number": 1}
      ]}
    ],
    "filesystems": [
      {"device": "/dev/sdc", "format": "ext5"},
      {"device": "/dev/sdd", "format": "xfs", "label": "much-too-long-for-xfs"}
    ],
    "raid": [
      {"name": "md0", "level": "raid1", "devices": []}
    ],
    "files": [
      {"path": "/etc//motd"},
      {"path": "/a", "mode": 4095},
      {"path": "/b", "mode": "0644"},
      {"path": "/c", "contents": {"source": "ftp://h/f"}},
      {"path": "/d", "overwrite": true}
    ],
    "links": {},
    "luks": [{"name": "l", "device": "/dev/e", "clevis": null}]
  },
  "systemd": {
    "units": [
      {"name": "web", "enabled": true},
      {"name": "x.service", "contents": "[Unit"}
    ]
  },
  "passwd": {
    "users": [{"name": "core", "uid": 1.5}, {"name": "core"}]
  }
}
"#;

#[test]
fn twenty_mistakes_give_twenty_findings_in_one_run() {
    let expected = [
        "error at $.ignition.proxy.httpProxy, line 4 col 28: a proxy must be an http or https URL",
        "error at $.ignition.timeouts.httpTotal, line 5 col 31: expected an integer, found a string",
        "warning at $.storag, line 7 col 3: unknown key `storag`",
        "error at $.storage.disks.0.device, line 10 col 18: path is not absolute",
        "warning at $.storage.disks.1.partitions.0.lable, line 12 col 23: unknown key `lable`",
        "error at $.storage.disks.1.partitions.1, line 13 col 10: \
         duplicate entry: same number as partitions.0",
        "error at $.storage.filesystems.0.format, line 17 col 40: unknown file system format",
        "error at $.storage.filesystems.1.label, line 18 col 56: \
         label has more than the 12 bytes of this format",
        "error at $.storage.raid.0.devices, line 21 col 53: devices are required",
        "error at $.storage.files.0.path, line 24 col 16: path is not in simplest form",
        "warning at $.storage.files.1.mode, line 25 col 30: \
         setuid, setgid and sticky bits do nothing in version 3.5.0 (this is octal 07777)",
        "error at $.storage.files.2.mode, line 26 col 30: expected an integer, found a string",
        "error at $.storage.files.3.contents.source, line 27 col 45: \
         invalid url scheme: `ftp` is not supported",
        "error at $.storage.files.4.overwrite, line 28 col 35: \
         overwrite is true but there is no contents.source to write",
        "error at $.storage.links, line 30 col 15: expected a list, found an object",
        "warning at $.storage.luks.0.clevis, line 31 col 58: \
         expected an object, found null; it is read as an empty object",
        "error at $.systemd.units.0.name, line 35 col 16: the unit name has no valid suffix",
        "error at $.systemd.units.1.contents, line 36 col 41: \
         the unit text cannot be parsed: a section header has no closing bracket",
        "error at $.passwd.users.0.uid, line 40 col 39: \
         expected an integer, found a number with a fraction or an exponent",
        "error at $.passwd.users.1, line 40 col 46: duplicate entry: same name as users.0",
        "undecodable",
    ];
    assert_eq!(verdict(TWENTY.as_bytes()), expected);
    assert_eq!(expected.len(), 20 + 1);
}

#[test]
fn every_finding_has_a_place() {
    let parsed = parse("x", TWENTY.as_bytes());
    for finding in &parsed.findings.0 {
        assert!(
            finding.position.is_some() && finding.path.is_some(),
            "{finding}"
        );
    }
    let count = |s| parsed.findings.0.iter().filter(|f| f.severity == s).count();
    assert_eq!((count(Severity::Error), count(Severity::Warning)), (16, 4));
}

#[test]
fn a_wrong_type_causes_no_further_findings() {
    let cases = [
        // A missing path would be an error; one of the wrong type is reported only as that.
        r#""files":[{"path":5}]"#,
        r#""files":[{"path":"/a","overwrite":true,"contents":5}]"#,
        r#""files":[{"path":"/a","overwrite":true,"contents":{"source":5}}]"#,
        r#""files":[{"path":"/a","contents":{"source":5,"verification":{"hash":"sha512-‹›"}}}]"#,
        r#""files":[{"path":"/a","contents":{"source":5,"httpHeaders":[{"name":"a"}]}}]"#,
        r#""files":[5]"#,
        r#""disks":[{"device":5},{"device":"/dev/a"}]"#,
        r#""disks":[{"device":"/dev/a","partitions":[{"label":5}]}]"#,
        r#""filesystems":[{"device":"/dev/a","format":5,"path":"/a"}]"#,
        r#""raid":[{"name":"a","level":5,"devices":["/dev/a"]}]"#,
        r#""raid":[{"name":"a","level":"1","devices":5}]"#,
        r#""luks":[{"name":"a","device":5}]"#,
        r#""luks":[{"name":"a","device":"/dev/a","clevis":{"tang":[{"url":5,"thumbprint":"x"}]}}]"#,
        r#""luks":[{"name":"a","device":"/dev/a","clevis":{"custom":{"pin":5,"config":"x"}}}]"#,
    ];
    for members in cases {
        let members = members.replace("‹›", &"0".repeat(128));
        let text = super::config("3.6.0", &format!("\"storage\":{{{members}}}"));
        let found = verdict(text.as_bytes());
        let [finding, outcome] = &found[..] else {
            panic!("{members}: {found:#?}")
        };
        assert!(finding.contains("expected a"), "{finding}");
        assert_eq!(outcome, "undecodable", "{members}");
    }
}

/// Members of a config, and the number of findings: one for each fault.
const COUNTS: &[(&str, usize)] = &[
    // The same number, label or both, with and without a fixed start.
    (
        r#""storage":{"disks":[{"device":"/d","partitions":[{"number":1},{"number":1}]}]}"#,
        1,
    ),
    (
        r#""storage":{"disks":[{"device":"/d","partitions":[
            {"number":1,"label":"a","startMiB":1,"sizeMiB":5},{"number":1,"label":"a","startMiB":1,"sizeMiB":5}]}]}"#,
        1,
    ),
    (
        r#""storage":{"disks":[{"device":"/d","partitions":[
            {"label":"a","startMiB":1,"sizeMiB":5},{"label":"a","startMiB":1,"sizeMiB":5}]}]}"#,
        1,
    ),
    (
        r#""storage":{"disks":[{"device":"/d","partitions":[{"number":1,"label":"a"},{"number":2,"label":"a"}]}]}"#,
        1,
    ),
    // An overlap of others is found in addition to a duplicate number.
    (
        r#""storage":{"disks":[{"device":"/d","partitions":[{"number":1,"startMiB":1,"sizeMiB":5},
            {"number":1,"startMiB":1,"sizeMiB":5},{"number":2,"startMiB":3,"sizeMiB":5}]}]}"#,
        2,
    ),
    // The same path, name or device.
    (r#""storage":{"files":[{"path":"/a"},{"path":"/a"}]}"#, 1),
    (
        r#""storage":{"files":[{"path":"/a"}],"directories":[{"path":"/a"}]}"#,
        1,
    ),
    (
        r#""storage":{"disks":[{"device":"/d"},{"device":"/d"}]}"#,
        1,
    ),
    (r#""passwd":{"users":[{"name":"a"},{"name":"a"}]}"#, 1),
    (
        r#""systemd":{"units":[{"name":"a.service"},{"name":"a.service"}]}"#,
        1,
    ),
    // Missing keys: each is reported, but not as duplicates of each other.
    (r#""storage":{"files":[{},{}]}"#, 2),
    (r#""storage":{"directories":[{},{}]}"#, 2),
    (r#""storage":{"disks":[{},{}]}"#, 2),
    (r#""storage":{"filesystems":[{},{}]}"#, 2),
    (r#""systemd":{"units":[{},{}]}"#, 2),
    (r#""passwd":{"users":[{},{}]}"#, 1),
    // A value of the wrong type is not missing as well.
    (r#""storage":{"files":[{"path":7}]}"#, 1),
    (r#""storage":{"disks":[{"device":[]}]}"#, 1),
    (
        r#""storage":{"raid":[{"name":"a","level":1,"devices":["/d"]}]}"#,
        1,
    ),
    (r#""storage":{"files":7}"#, 1),
    // A duplicate link is still one in the path of a file.
    (
        r#""storage":{"links":[{"path":"/l","target":"/x"},{"path":"/l","target":"/x"}],"files":[{"path":"/l/a"}]}"#,
        2,
    ),
    (
        r#""storage":{"luks":[{"name":"a","device":"/d","keyFile":{"source":"ftp://x"}}]}"#,
        1,
    ),
    (r#""storage":{"files":[{"path":"/a","mode":4755}]}"#, 1),
    (r#""storage":{"files":[{"path":"/a","mode":755}]}"#, 1),
    (r#""filesystems":[],"Storage":{}"#, 2),
];

#[test]
fn one_fault_is_one_finding() {
    for (members, count) in COUNTS {
        for version in ["3.4.0", "3.6.0"] {
            let found = verdict(config(version, members).as_bytes());
            assert_eq!(found.len() - 1, *count, "{version} {members}: {found:#?}");
        }
    }
}

#[test]
fn findings_are_in_the_order_of_the_text() {
    for (members, _) in COUNTS {
        let parsed = parse("x", config("3.6.0", members).as_bytes());
        let places: Vec<_> = parsed.findings.0.iter().map(|f| f.position).collect();
        assert!(places.is_sorted(), "{members}: {places:?}");
    }
}
