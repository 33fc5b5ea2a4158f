//! VMware's backdoor: registers in, registers out. What they mean is the matter of `rpc`.

pub use crate::host::sys::BackdoorRegisters as Registers;
use anyhow::Context;

/// Whoever answers at the backdoor.
pub trait Hypervisor {
    /// One call.
    fn call(&mut self, registers: Registers) -> Registers;

    /// Gives bytes all at once.
    fn send(&mut self, bytes: &[u8], registers: Registers) -> Registers;

    /// Takes as many bytes as `buffer` has.
    fn receive(&mut self, buffer: &mut [u8], registers: Registers) -> Registers;
}

/// The command that every version of the backdoor knows.
const GET_VERSION: u32 = 10;

/// True if somebody answers. Without a hypervisor behind it the port reads as ones.
pub fn answers(hypervisor: &mut impl Hypervisor) -> bool {
    !matches!(version(hypervisor).eax, 0 | u32::MAX)
}

fn version(hypervisor: &mut impl Hypervisor) -> Registers {
    hypervisor.call(Registers {
        ebx: u32::MAX,
        ecx: GET_VERSION,
        ..Registers::default()
    })
}

#[cfg(target_arch = "x86_64")]
pub use device::{Device, describe};

#[cfg(target_arch = "x86_64")]
mod device {
    use super::{Context, Hypervisor, Registers, answers, version};
    use crate::host::sys::{Backdoor, is_vmware};

    /// The real one.
    pub struct Device(Backdoor);

    impl Device {
        /// Opens it; nothing if this is not a machine of VMware's.
        pub fn open() -> Option<Self> {
            let mut device = Device(Backdoor::of_vmware()?);
            answers(&mut device).then_some(device)
        }
    }

    impl Hypervisor for Device {
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

    /// Who is there, in a line: QEMU has a backdoor of this kind, too, which knows its version and not much else.
    ///
    /// # Errors
    /// The ports are not ours to use.
    pub fn describe() -> anyhow::Result<String> {
        let backdoor = Backdoor::anywhere().context("the kernel does not permit I/O ports")?;
        let mut device = Device(backdoor);
        let Registers { eax, ebx, .. } = version(&mut device);
        let answers = answers(&mut device);
        let processor = is_vmware();
        Ok(format!(
            "answers: {answers}, version {eax:#x}, magic {ebx:#x}, VMware by the processor: {processor}"
        ))
    }
}
