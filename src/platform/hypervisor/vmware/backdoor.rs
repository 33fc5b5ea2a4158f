//! VMware's backdoor: calls that pass registers. `rpc` implements the protocol on top of it.

pub(super) use crate::host::sys::BackdoorRegisters as Registers;
use anyhow::Context;

/// A hypervisor with a backdoor.
pub(super) trait Hypervisor {
    fn call(&mut self, registers: Registers) -> Registers;

    /// Sends bytes in bulk.
    fn send(&mut self, bytes: &[u8], registers: Registers) -> Registers;

    /// Receives bytes in bulk, until `buffer` is full.
    fn receive(&mut self, buffer: &mut [u8], registers: Registers) -> Registers;
}

/// The command that every version of the backdoor supports.
const GET_VERSION: u32 = 10;

/// True if a hypervisor answers. Without one, the port reads as all ones.
pub(super) fn answers(hypervisor: &mut impl Hypervisor) -> bool {
    !matches!(version(hypervisor).eax, 0 | u32::MAX)
}

fn version(hypervisor: &mut impl Hypervisor) -> Registers {
    hypervisor.call(Registers {
        ebx: u32::MAX,
        ecx: GET_VERSION,
        ..Registers::default()
    })
}

pub(super) use device::BackdoorDevice;
#[cfg(target_arch = "x86_64")]
pub(crate) use device::describe;

#[cfg(target_arch = "x86_64")]
mod device {
    use super::{Context, Hypervisor, Registers, answers, version};
    use crate::host::sys::{Backdoor, is_vmware};

    /// The backdoor of this machine.
    pub(crate) struct BackdoorDevice(Backdoor);

    impl BackdoorDevice {
        /// Opens the backdoor; `None` if this is not a VMware guest.
        pub(crate) fn open() -> Option<Self> {
            let mut device = BackdoorDevice(Backdoor::open_on_vmware()?);
            answers(&mut device).then_some(device)
        }
    }

    impl Hypervisor for BackdoorDevice {
        fn call(&mut self, registers: Registers) -> Registers {
            self.0.call(registers)
        }

        fn send(&mut self, bytes: &[u8], registers: Registers) -> Registers {
            self.0.send(bytes, registers)
        }

        fn receive(&mut self, buffer: &mut [u8], registers: Registers) -> Registers {
            self.0.receive(buffer, registers)
        }
    }

    /// Describes what answers, in one line. QEMU also has a backdoor, which supports little more than its version.
    ///
    /// # Errors
    /// If the kernel does not permit access to I/O ports.
    pub(crate) fn describe() -> anyhow::Result<String> {
        let backdoor =
            Backdoor::open_unconditionally().context("the kernel does not permit I/O ports")?;
        let mut device = BackdoorDevice(backdoor);
        let Registers { eax, ebx, .. } = version(&mut device);
        let answers = answers(&mut device);
        let processor = is_vmware();
        Ok(format!(
            "answers: {answers}, version {eax:#x}, magic {ebx:#x}, VMware by the processor: {processor}"
        ))
    }
}
