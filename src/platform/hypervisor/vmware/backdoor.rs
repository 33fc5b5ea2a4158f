//! VMware's backdoor: calls that pass registers. `rpc` implements the protocol on top of it.

pub(super) use crate::host::sys::BackdoorRegisters as Registers;

/// A hypervisor with a backdoor.
pub(super) trait Hypervisor {
    fn call(&mut self, registers: Registers) -> Registers;

    /// Sends bytes in bulk.
    fn send(&mut self, bytes: &[u8], registers: Registers) -> Registers;

    /// Receives bytes in bulk, until `buffer` is full.
    fn receive(&mut self, buffer: &mut [u8], registers: Registers) -> Registers;
}

pub(super) use device::BackdoorDevice;
#[cfg(target_arch = "x86_64")]
pub(crate) use device::describe;

#[cfg(target_arch = "x86_64")]
mod device {
    use super::{Hypervisor, Registers};
    use crate::host::sys::{Backdoor, is_vmware};
    use anyhow::Context;

    /// The command that every version of the backdoor supports.
    const GET_VERSION: u32 = 10;

    /// The backdoor of this machine.
    pub(crate) struct BackdoorDevice(Backdoor);

    impl BackdoorDevice {
        /// Opens the backdoor; `None` if this is not a VMware guest.
        #[allow(clippy::unnecessary_wraps, reason = "other processors have none")]
        pub(crate) fn open() -> anyhow::Result<Option<Self>> {
            let device = Backdoor::open_on_vmware().map(BackdoorDevice);
            Ok(device.filter(BackdoorDevice::answers))
        }

        /// True if a hypervisor answers. Without one, the port reads as all ones.
        fn answers(&self) -> bool {
            !matches!(self.version().eax, 0 | u32::MAX)
        }

        fn version(&self) -> Registers {
            self.0.call(Registers {
                ebx: u32::MAX,
                ecx: GET_VERSION,
                ..Registers::default()
            })
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
        let device = BackdoorDevice(backdoor);
        let Registers { eax, ebx, .. } = device.version();
        let answers = device.answers();
        let processor = is_vmware();
        Ok(format!(
            "answers: {answers}, version {eax:#x}, magic {ebx:#x}, VMware by the processor: {processor}"
        ))
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod device {
    use super::{Hypervisor, Registers};

    /// Does not exist: other processors have no I/O ports.
    pub(crate) enum BackdoorDevice {}

    impl BackdoorDevice {
        pub(crate) fn open() -> anyhow::Result<Option<Self>> {
            anyhow::bail!("platform vmware is not supported on this architecture")
        }
    }

    impl Hypervisor for BackdoorDevice {
        fn call(&mut self, _: Registers) -> Registers {
            match *self {}
        }

        fn send(&mut self, _: &[u8], _: Registers) -> Registers {
            match *self {}
        }

        fn receive(&mut self, _: &mut [u8], _: Registers) -> Registers {
            match *self {}
        }
    }
}
