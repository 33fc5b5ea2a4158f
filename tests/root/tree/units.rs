//! systemd units.

use super::Target;
use serde_json::{Value, json};

const UNITS: &str = "/etc/systemd/system";
const PRESET: &str = "/etc/systemd/system-preset/20-ignition.preset";

fn units(units: Value) -> Value {
    json!({ "systemd": { "units": units } })
}

#[test]
fn units_dropins_and_masks_on_a_blank_root() {
    let target = Target::blank();
    target.apply(&units(json!([
        {"name": "a.service", "enabled": true, "contents": "[Unit]\n",
         "dropins": [{"name": "10-x.conf", "contents": "[Service]\n"}, {"name": "20-none.conf"},
                     {"name": "30-empty.conf", "contents": ""}]},
        {"name": "b.service", "mask": true, "contents": "[Unit]\nDescription=lost\n"},
        {"name": "c.service", "enabled": false},
        {"name": "d@one.service", "enabled": true},
        {"name": "d@two.service", "enabled": true},
    ])));
    assert_eq!(target.read(&format!("{UNITS}/a.service")), "[Unit]\n");
    assert_eq!(
        target.read(&format!("{UNITS}/a.service.d/10-x.conf")),
        "[Service]\n"
    );
    assert_eq!(
        target.read(&format!("{UNITS}/a.service.d/30-empty.conf")),
        ""
    );
    assert!(!target.exists(&format!("{UNITS}/a.service.d/20-none.conf")));
    let mask = std::fs::read_link(target.at(&format!("{UNITS}/b.service"))).expect("a link");
    assert_eq!(mask.to_str(), Some("/dev/null"));
    assert_eq!(
        target.read(PRESET),
        "enable a.service\nenable d@.service one two\n"
    );
    assert_eq!(target.owner_and_mode(PRESET), "0644 0 0");
}

#[test]
fn presets_are_extended_once() {
    let target = Target::blank();
    target.write(PRESET, "disable *");
    let config = units(
        json!([{"name": "b.service", "enabled": true}, {"name": "a.service", "enabled": true}]),
    );
    target.apply(&config);
    assert_eq!(
        target.read(PRESET),
        "disable *\nenable a.service\nenable b.service\n"
    );
}

#[test]
fn enabled_units_are_disabled() {
    let target = Target::blank();
    let install = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
    target
        .write("/usr/lib/systemd/system/on.service", install)
        .write("/usr/lib/systemd/system/off.service", install)
        .write("/usr/lib/systemd/system/t@.service", install)
        .link(
            &format!("{UNITS}/multi-user.target.wants/on.service"),
            "/usr/lib/systemd/system/on.service",
        )
        .link(
            &format!("{UNITS}/multi-user.target.wants/t@x.service"),
            "/usr/lib/systemd/system/t@.service",
        );
    let planned = target.apply(&units(json!([
        {"name": "on.service", "enabled": false},
        {"name": "off.service", "enabled": false},
        {"name": "t@x.service", "enabled": false},
        {"name": "t@y.service", "enabled": false},
    ])));
    assert_eq!(
        target.read(PRESET),
        "disable on.service\ndisable t@.service x\n"
    );
    assert!(!target.exists(&format!("{UNITS}/multi-user.target.wants/on.service")));
    assert!(!target.exists(&format!("{UNITS}/multi-user.target.wants/t@x.service")));
    let disables = planned
        .changes()
        .into_iter()
        .filter(|c| c.contains("disable unit"));
    assert_eq!(
        disables.collect::<Vec<_>>(),
        [
            "Change disable unit on.service",
            "Change disable unit t@x.service"
        ]
    );
}

/// Such as those of the root directory and of the root slice.
#[test]
fn unit_names_with_a_leading_dash_are_not_options() {
    let target = Target::blank();
    let link = format!("{UNITS}/a.target.wants/-.mount");
    target
        .write(
            "/usr/lib/systemd/system/-.mount",
            "[Mount]\nWhat=/dev/x\nWhere=/\n[Install]\nWantedBy=a.target\n",
        )
        .link(&link, "/usr/lib/systemd/system/-.mount");
    target.apply(&units(json!([{"name": "-.mount", "enabled": false}])));
    assert!(!target.exists(&link));
}

/// `systemctl disable` keeps the links of a masked unit, which start nothing: every run would have something to do.
#[test]
fn masked_units_are_not_disabled() {
    let target = Target::blank();
    let link = format!("{UNITS}/multi-user.target.wants/masked.service");
    target
        .link(&format!("{UNITS}/masked.service"), "/dev/null")
        .link(&link, "/usr/lib/systemd/system/masked.service");
    let planned = target.apply(&units(
        json!([{"name": "masked.service", "enabled": false}]),
    ));
    let changes = planned.changes();
    let mut disables = changes.iter().filter(|c| c.contains("disable unit"));
    assert_eq!(disables.next(), None, "{changes:?}");
    assert!(target.exists(&link));
}

/// `systemctl disable` removes only links: with a file there, every run would have something to do.
#[test]
fn files_in_place_of_links_enable_nothing() {
    let target = Target::blank();
    target.write(&format!("{UNITS}/multi-user.target.wants/on.service"), "");
    let planned = target.plan(&units(json!([{"name": "on.service", "enabled": false}])));
    let changes = planned.changes();
    let mut disables = changes.iter().filter(|c| c.contains("disable unit"));
    assert_eq!(disables.next(), None, "{changes:?}");
}

#[test]
fn present_units_are_replaced_and_unmasked() {
    let target = Target::blank();
    target
        .write(&format!("{UNITS}/old.service"), "old")
        .write(&format!("{UNITS}/same.service"), "[Unit]\n#same\n")
        .link(&format!("{UNITS}/masked.service"), "/dev/null")
        .link(&format!("{UNITS}/masked-too.service"), "/dev/null")
        .mkdir(&format!("{UNITS}/dir.service/sub"));
    let planned = target.apply(&units(json!([
        {"name": "old.service", "contents": "[Unit]\n#new\n"},
        {"name": "same.service", "contents": "[Unit]\n#same\n"},
        {"name": "masked.service", "mask": false},
        {"name": "masked-too.service", "mask": false, "contents": "[Unit]\n#text\n"},
        {"name": "dir.service", "mask": true},
    ])));
    assert_eq!(
        planned.changes(),
        [
            format!("Change write file {UNITS}/old.service"),
            format!("Destroy remove {UNITS}/masked.service"),
            format!("Change write file {UNITS}/masked-too.service"),
            format!("Destroy remove {UNITS}/dir.service"),
            format!("Create link {UNITS}/dir.service -> /dev/null"),
        ]
    );
    assert!(!target.exists(&format!("{UNITS}/masked.service")));
    assert_eq!(
        target.read(&format!("{UNITS}/old.service")),
        "[Unit]\n#new\n"
    );
}

#[test]
fn a_unit_takes_precedence_over_a_file_entry() {
    let target = Target::blank();
    target.link("/alias", UNITS).mkdir(UNITS);
    target.apply(&json!({
        "storage": {"files": [{"path": "/alias/a.service", "contents": {"source": "data:,file"}}]},
        "systemd": {"units": [{"name": "a.service", "contents": "[Unit]\n"}]},
    }));
    assert_eq!(target.read(&format!("{UNITS}/a.service")), "[Unit]\n");
}

#[test]
fn a_directory_in_the_way_of_a_unit_is_refused() {
    let target = Target::blank();
    target.mkdir(&format!("{UNITS}/a.service"));
    assert_eq!(
        target.refusals(&units(
            json!([{"name": "a.service", "contents": "[Unit]\n"}])
        )),
        ["cannot write /etc/systemd/system/a.service for unit a.service: a directory is there"]
    );
}

#[test]
fn units_that_systemctl_cannot_disable_are_refused() {
    let own = "/etc/systemd/system/on.service";
    let config = units(json!([{"name": "on.service", "enabled": false}]));
    let enabled = |target: &Target| {
        let link = "/etc/systemd/system/multi-user.target.wants/on.service";
        target.link(link, "/usr/lib/systemd/system/on.service");
    };
    type Case = (fn(&Target), &'static str);
    let cases: [Case; 4] = [
        (
            |target| {
                target.mkdir("/etc/systemd/system/on.service");
            },
            "/etc/systemd/system/on.service is a directory",
        ),
        (
            |target| {
                let path = target.at("/etc/systemd/system/on.service");
                nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
            },
            "/etc/systemd/system/on.service is a device, socket or pipe",
        ),
        (
            |target| {
                target.link("/etc/systemd/system/on.service", "nowhere/at");
            },
            "is a link to \"nowhere/at\", which is not the name of a unit",
        ),
        (
            |target| {
                target.link("/etc/systemd/system/b.service", "b.service");
            },
            "/etc/systemd/system/b.service is a symbolic link that points to itself",
        ),
    ];
    for (place, cause) in cases {
        let target = Target::blank();
        enabled(&target);
        place(&target);
        let refused = target.plan(&config).refused();
        assert!(
            refused.starts_with("cannot disable unit on.service: ") && refused.ends_with(cause),
            "{refused}"
        );
    }
    // A node that the config replaces is not in the way.
    let target = Target::blank();
    enabled(&target);
    nix::unistd::mkfifo(&target.at(own), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let text = "[Install]\nWantedBy=multi-user.target\n";
    let unit = json!([{"name": "on.service", "enabled": false, "contents": text}]);
    target.apply(&units(unit));
}
