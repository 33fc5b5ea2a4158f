//! Traits of a machine that can be read without a network.

use crate::platform::hypervisor::qemu;
use crate::text::kernel_arguments;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Directory of the SMBIOS fields in sysfs.
const DMI: &str = "sys/class/dmi/id";
/// Kernel argument with the platform.
const PLATFORM_KEY: &str = "ignition.platform.id";

/// Traits of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traits {
    /// The platform that the kernel command line names.
    pub stated: Option<String>,
    /// Vendor of the machine (`sys_vendor`).
    pub vendor: String,
    /// Model of the machine (`product_name`).
    pub product: String,
    /// Serial number of the machine, which only root can read.
    pub serial: String,
    /// UUID of the machine in lower case, which only root can read.
    pub uuid: String,
    /// Asset tag of the chassis (`chassis_asset_tag`).
    pub asset_tag: String,
    /// Version of the firmware (`bios_version`).
    pub firmware: String,
    /// True on a virtual machine, according to the processor.
    pub is_virtual: bool,
    /// True if QEMU provides a config through fw_cfg.
    pub has_firmware_config: bool,
    /// True if there is a VMBus, the bus of Hyper-V.
    pub has_vmbus: bool,
    /// True if there is the boot FIFO of a BlueField.
    pub has_boot_fifo: bool,
    /// True under z/VM.
    pub is_zvm: bool,
    /// True in a logical partition of PowerVM.
    pub is_powervm: bool,
    /// Labels of file systems.
    pub labels: BTreeSet<String>,
}

impl Traits {
    /// Reads the traits below `root`. Files that cannot be read count as missing.
    pub fn of_machine(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let dmi = |name: &str| text(&format!("{DMI}/{name}")).trim().to_owned();
        let exists = |path: &str| root.join(path).exists();
        Traits {
            stated: stated(&text("proc/cmdline")),
            vendor: dmi("sys_vendor"),
            product: dmi("product_name"),
            serial: dmi("product_serial"),
            uuid: dmi("product_uuid").to_lowercase(),
            asset_tag: dmi("chassis_asset_tag"),
            firmware: dmi("bios_version"),
            is_virtual: is_virtual(&text("proc/cpuinfo")),
            has_firmware_config: qemu::KEYS
                .iter()
                .any(|key| exists(&format!("sys/firmware/qemu_fw_cfg/by_name/{key}"))),
            has_vmbus: exists("sys/bus/vmbus/devices"),
            has_boot_fifo: exists("sys/bus/platform/devices/MLNXBF04:00"),
            is_zvm: text("proc/sysinfo").contains("z/VM"),
            is_powervm: text("proc/device-tree/hypervisor/compatible").contains("phyp")
                || text("proc/cpuinfo").contains("PowerVM")
                || text("proc/ppc64/lparcfg").contains("lparcfg"),
            labels: labels(&root.join("dev/disk/by-label")),
        }
    }
}

fn stated(command_line: &str) -> Option<String> {
    let arguments = kernel_arguments(command_line).into_iter().rev();
    let mut ids = arguments.filter(|argument| argument.key == PLATFORM_KEY);
    ids.find_map(|argument| argument.value)
}

/// Checks the CPUID bit that is reserved for hypervisors.
fn is_virtual(processors: &str) -> bool {
    let flags = processors.lines().filter(|line| line.starts_with("flags"));
    flags
        .flat_map(str::split_whitespace)
        .any(|flag| flag == "hypervisor")
}

fn labels(links: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(links).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_are_read() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        };
        assert_eq!(Traits::of_machine(root.path()), Traits::default());
        write(
            "proc/cmdline",
            "ignition.platform.id=a quiet \"ignition.platform.id=qemu\"\n",
        );
        write(
            "proc/cpuinfo",
            "processor: 0\nflags\t\t: fpu hypervisor lm\n",
        );
        write("sys/class/dmi/id/sys_vendor", "QEMU\n");
        write("sys/class/dmi/id/product_uuid", "EC2ABC\n");
        write(
            "sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw",
            "{}",
        );
        write("dev/disk/by-label/config-2", "");
        let want = Traits {
            stated: Some("qemu".into()),
            vendor: "QEMU".into(),
            uuid: "ec2abc".into(),
            is_virtual: true,
            has_firmware_config: true,
            labels: BTreeSet::from(["config-2".into()]),
            ..Traits::default()
        };
        assert_eq!(Traits::of_machine(root.path()), want);
    }
}
