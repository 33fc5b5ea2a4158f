//! The one place for `unsafe`: calls that no crate we use wraps safely.

#![allow(
    unsafe_code,
    reason = "the only module that may; each block says why it is sound"
)]

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Detach when the last user is gone (`LO_FLAGS_AUTOCLEAR`, linux/loop.h).
pub const LOOP_AUTOCLEAR: u32 = 4;
/// Read only (`LO_FLAGS_READ_ONLY`, linux/loop.h).
pub const LOOP_READ_ONLY: u32 = 1;

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl LoopInfo {
    const EMPTY: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

/// What a loop device is attached to.
#[derive(Debug, Clone, Copy)]
pub struct LoopStatus {
    /// Number of the file system (`st_dev`) that holds the file.
    pub device: u64,
    /// Inode of the file.
    pub inode: u64,
    /// `LO_FLAGS_*` of linux/loop.h.
    pub flags: u32,
}

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

impl LoopConfig {
    /// A part of `backing`, in bytes.
    pub fn new(backing: &File, offset: u64, bytes: u64, block_bytes: u32, flags: u32) -> Self {
        let info = LoopInfo {
            offset,
            size_limit: bytes,
            flags,
            ..LoopInfo::EMPTY
        };
        let fd = u32::try_from(backing.as_raw_fd()).unwrap_or(u32::MAX);
        Self {
            fd,
            block_size: block_bytes,
            info,
            reserved: [0; 8],
        }
    }
}

/// The bare calls; request numbers of linux/loop.h, linux/fs.h, linux/blkpg.h and linux/cdrom.h. A number that the kernel
/// composes has other bits on some architectures.
#[allow(
    missing_docs,
    reason = "the macros make undocumented functions; the safe ones below are ours"
)]
mod raw {
    nix::ioctl_write_ptr_bad!(
        blkpg,
        nix::request_code_none!(0x12, 105),
        super::BlkpgArgument
    );
    nix::ioctl_none_bad!(loop_ctl_get_free, 0x4C82);
    nix::ioctl_read_bad!(loop_get_status64, 0x4C05, super::LoopInfo);
    nix::ioctl_write_ptr_bad!(loop_configure, 0x4C0A, super::LoopConfig);
    nix::ioctl_read!(block_size64, 0x12, 114, usize);
    nix::ioctl_read_bad!(sector_size, nix::libc::BLKSSZGET, nix::libc::c_int);
    // The request is numbered as if it were about a long (FS_IOC_GETFLAGS, linux/fs.h).
    nix::ioctl_read_bad!(
        inode_flags,
        nix::request_code_read!(b'f', 1, size_of::<nix::libc::c_long>()),
        nix::libc::c_int
    );
    nix::ioctl_write_int_bad!(cdrom_drive_status, 0x5326);
}

/// Number of a free loop device; the kernel creates one if there is none.
pub fn loop_free(control: &File) -> nix::Result<i32> {
    // SAFETY: the request takes no argument; the descriptor is open for the whole call.
    unsafe { raw::loop_ctl_get_free(control.as_raw_fd()) }
}

/// What a loop device is attached to; `ENXIO` if it is free.
pub fn loop_status(device: &File) -> nix::Result<LoopStatus> {
    let mut info = LoopInfo::EMPTY;
    // SAFETY: the kernel writes the structure, which has the layout it expects, into a live value.
    unsafe { raw::loop_get_status64(device.as_raw_fd(), &raw mut info) }?;
    Ok(LoopStatus {
        device: info.device,
        inode: info.inode,
        flags: info.flags,
    })
}

/// Attaches a loop device.
pub fn loop_configure(device: &File, config: &LoopConfig) -> nix::Result<()> {
    // SAFETY: the pointer is to a live value with the layout the kernel expects; it only reads it.
    unsafe { raw::loop_configure(device.as_raw_fd(), config) }.map(drop)
}

/// Size of a block device in bytes.
pub fn block_bytes(device: &File) -> nix::Result<u64> {
    let mut bytes = 0;
    // SAFETY: the kernel writes one 64-bit number (size_t of a 64-bit kernel) into a live value.
    unsafe { raw::block_size64(device.as_raw_fd(), &mut bytes) }?;
    Ok(bytes as u64)
}

/// Logical sector size of a block device in bytes.
pub fn sector_bytes(device: &File) -> nix::Result<u32> {
    let mut bytes = 0;
    // SAFETY: the kernel writes one int into a live value.
    unsafe { raw::sector_size(device.as_raw_fd(), &mut bytes) }?;
    u32::try_from(bytes).map_err(|_| nix::errno::Errno::EINVAL)
}

/// True for an optical drive with a disc that can be read (`CDS_DISC_OK`, linux/cdrom.h); false for any other device.
pub fn has_disc(device: &File) -> bool {
    const DISC_OK: i32 = 4;
    const THIS_SLOT: i32 = 0;
    // SAFETY: the request takes a number and gives one; the descriptor is open for the whole call.
    let status = unsafe { raw::cdrom_drive_status(device.as_raw_fd(), THIS_SLOT) };
    status == Ok(DISC_OK)
}

/// True for a file or directory with the attribute that lets it only grow (`FS_APPEND_FL`, linux/fs.h); false where
/// the file system has no such attributes.
pub fn is_append_only(node: &File) -> bool {
    const APPEND: nix::libc::c_int = 0x20;
    let mut flags = 0;
    // SAFETY: the kernel writes one int into a live value.
    let asked = unsafe { raw::inode_flags(node.as_raw_fd(), &mut flags) };
    asked.is_ok() && flags & APPEND != 0
}

/// The value of an extended attribute of a file; `None` if the file has no such attribute or its file system does not
/// support any.
pub fn extended_attribute(file: &File, name: &CStr) -> nix::Result<Option<Vec<u8>>> {
    /// Maximum length of a value (`XATTR_SIZE_MAX`, linux/limits.h).
    const MAX_BYTES: usize = 65536;
    let (file, name) = (file.as_raw_fd(), name.as_ptr());
    // Most files have none, so they need no buffer.
    // SAFETY: the name is NUL-terminated, and without room for a value the kernel only returns its length.
    let length = unsafe { nix::libc::fgetxattr(file, name, std::ptr::null_mut(), 0) };
    match Errno::result(length) {
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Ok(None),
        other => other?,
    };
    let mut value = vec![0_u8; MAX_BYTES];
    // SAFETY: the name is NUL-terminated, and the kernel writes at most as many bytes as the live buffer has.
    let length = unsafe { nix::libc::fgetxattr(file, name, value.as_mut_ptr().cast(), MAX_BYTES) };
    let length = Errno::result(length)?;
    value.truncate(usize::try_from(length).unwrap_or_default());
    Ok(Some(value))
}

/// Sets an extended attribute of a file.
pub fn set_extended_attribute(file: &File, name: &CStr, value: &[u8]) -> nix::Result<()> {
    let (name, from) = (name.as_ptr(), value.as_ptr().cast());
    // SAFETY: the name is NUL-terminated, and the kernel reads at most as many bytes as the live buffer has.
    let set = unsafe { nix::libc::fsetxattr(file.as_raw_fd(), name, from, value.len(), 0) };
    Errno::result(set).map(drop)
}

/// Makes a child process receive `signal` when the thread that starts it ends, so that no mkfs continues to write to a
/// disk after we have been killed.
pub fn die_with_parent(command: &mut Command, signal: Signal) {
    // SAFETY: the closure runs in the child between fork and exec and only calls prctl(2), which is
    // async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(move || nix::sys::prctl::set_pdeathsig(signal).map_err(Into::into));
    }
}

/// Restores the default action of SIGCHLD, so that this process learns how its children exit. Programs inherit an
/// ignored SIGCHLD from the process that starts them, and the kernel then discards the exit statuses of their children.
pub fn wait_for_children() -> nix::Result<()> {
    // SAFETY: the default action is not a handler, so no code runs when the signal arrives.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop)
}

/// `struct blkpg_partition` of linux/blkpg.h; start and length in bytes.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: nix::libc::c_int,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// `struct blkpg_ioctl_arg` of linux/blkpg.h.
#[repr(C)]
pub struct BlkpgArgument {
    operation: nix::libc::c_int,
    flags: nix::libc::c_int,
    length: nix::libc::c_int,
    data: *mut BlkpgPartition,
}

/// A change of one partition of a disk in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionCall {
    /// It has been added.
    Add = 1,
    /// It has been removed.
    Remove = 2,
    /// Its length has changed.
    Resize = 3,
}

/// Changes one partition in the kernel; start and length in bytes.
pub fn update_partition(
    disk: &File,
    call: PartitionCall,
    number: u32,
    start: u64,
    length: u64,
) -> nix::Result<()> {
    let signed = |n: u64| i64::try_from(n).map_err(|_| nix::errno::Errno::EOVERFLOW);
    let mut partition = BlkpgPartition {
        start: signed(start)?,
        length: signed(length)?,
        number: i32::try_from(number).map_err(|_| nix::errno::Errno::EOVERFLOW)?,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let argument = BlkpgArgument {
        operation: call as i32,
        flags: 0,
        length: size_of::<BlkpgPartition>() as i32,
        data: &raw mut partition,
    };
    // SAFETY: both structures live for the whole call and have the layout the kernel expects.
    unsafe { raw::blkpg(disk.as_raw_fd(), &argument) }.map(drop)
}

/// I/O ports of x86 that this thread may use while the value lives. It cannot be moved to or used by another thread,
/// since the permission is per thread.
#[cfg(target_arch = "x86_64")]
#[derive(Debug)]
pub struct Ports {
    first: u16,
    count: u16,
    _of_this_thread: std::marker::PhantomData<*const ()>,
}

#[cfg(target_arch = "x86_64")]
impl Ports {
    /// Requests access to `count` ports.
    ///
    /// # Errors
    /// `EPERM` without the privilege, or if the kernel is locked down.
    pub fn open(first: u16, count: u16) -> nix::Result<Self> {
        permit(first, count, true)?;
        Ok(Self {
            first,
            count,
            _of_this_thread: std::marker::PhantomData,
        })
    }

    /// Writes 16 bits to `port` and the next one.
    ///
    /// # Errors
    /// `EPERM` if they are not permitted.
    pub fn write_word(&self, port: u16, value: u16) -> nix::Result<()> {
        self.check(port, 2)?;
        // SAFETY: the ports are permitted, and the instruction touches neither memory nor the stack. What the device
        // does is up to the caller; none of our callers makes a device write to memory.
        unsafe {
            std::arch::asm!("out dx, ax", in("dx") port, in("ax") value,
                options(nomem, nostack, preserves_flags));
        }
        Ok(())
    }

    /// Reads bytes from one port until `buffer` is full, in one instruction, which hypervisors handle in large chunks.
    ///
    /// # Errors
    /// `EPERM` if the port is not permitted.
    pub fn read_bytes(&self, port: u16, buffer: &mut [u8]) -> nix::Result<()> {
        self.check(port, 1)?;
        // SAFETY: the port is permitted. The instruction writes as many bytes as `buffer` has, upwards
        // from its start, as the direction flag is clear at any asm block.
        unsafe {
            std::arch::asm!("rep insb", in("dx") port,
                inout("rdi") buffer.as_mut_ptr() => _,
                inout("rcx") buffer.len() => _,
                options(nostack, preserves_flags));
        }
        Ok(())
    }

    fn check(&self, port: u16, bytes: u16) -> nix::Result<()> {
        let end = u32::from(port) + u32::from(bytes);
        let is_permitted =
            port >= self.first && end <= u32::from(self.first) + u32::from(self.count);
        if is_permitted {
            Ok(())
        } else {
            Err(nix::errno::Errno::EPERM)
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for Ports {
    fn drop(&mut self) {
        // Dropping a permission cannot fail.
        let _ = permit(self.first, self.count, false);
    }
}

#[cfg(target_arch = "x86_64")]
fn permit(first: u16, count: u16, on: bool) -> nix::Result<()> {
    // SAFETY: the call takes numbers only, and changes what instructions this thread may use.
    let result = unsafe { nix::libc::ioperm(first.into(), count.into(), on.into()) };
    nix::errno::Errno::result(result).map(drop)
}

/// Registers before and after a call through VMware's backdoor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackdoorRegisters {
    /// Result of some calls; its value before the call is ignored.
    pub eax: u32,
    /// An argument and a result.
    pub ebx: u32,
    /// The command, and its status.
    pub ecx: u32,
    /// The upper half is the number of a channel, or the type of a reply; the lower half is the port, which is filled
    /// in.
    pub edx: u32,
    /// The upper half of a cookie.
    pub esi: u32,
    /// The lower half of a cookie.
    pub edi: u32,
    /// Half of a cookie in bulk transfers.
    pub ebp: u32,
}

/// VMware's backdoor: I/O ports at which the hypervisor answers, and not a device. It belongs to the thread that opened
/// it, since the permission to use ports does.
#[cfg(target_arch = "x86_64")]
#[derive(Debug)]
pub struct Backdoor(std::marker::PhantomData<*const ()>);

#[cfg(target_arch = "x86_64")]
impl Backdoor {
    /// Value of `eax` by which the hypervisor recognizes the call.
    const MAGIC: u32 = 0x564d_5868;
    const PORT: u32 = 0x5658;
    const BULK_PORT: u32 = 0x5659;

    /// Opens it if the processor reports VMware as the hypervisor. In that case no permission of the kernel is needed,
    /// which it may not grant.
    pub fn open_on_vmware() -> Option<Self> {
        if !is_vmware() {
            return None;
        }
        let _ = all_ports();
        Some(Self(std::marker::PhantomData))
    }

    /// Opens it whatever the hypervisor, with the permission of the kernel.
    ///
    /// # Errors
    /// If the permission is not granted.
    pub fn open_unconditionally() -> nix::Result<Self> {
        all_ports()?;
        Ok(Self(std::marker::PhantomData))
    }

    /// One call.
    pub fn call(&self, registers: BackdoorRegisters) -> BackdoorRegisters {
        let mut after = registers;
        // SAFETY: this thread may use the ports, or the hypervisor handles them without the kernel: both constructors
        // ensure one of the two. The instruction touches neither memory nor the stack. The compiler reserves rbx, so it
        // is exchanged before and after.
        unsafe {
            std::arch::asm!(
                "xchg rbx, r8",
                "in eax, dx",
                "xchg rbx, r8",
                inout("r8d") registers.ebx => after.ebx,
                inout("eax") Self::MAGIC => after.eax,
                inout("ecx") registers.ecx => after.ecx,
                inout("edx") registers.edx & !0xffff | Self::PORT => after.edx,
                inout("esi") registers.esi => after.esi,
                inout("edi") registers.edi => after.edi,
                options(nomem, nostack),
            );
        }
        after
    }

    /// Sends all of `bytes` to the hypervisor at once.
    pub fn send(&self, bytes: &[u8], registers: BackdoorRegisters) -> BackdoorRegisters {
        let mut after = registers;
        // SAFETY: as in `call`. The instruction reads as many bytes as there are, upwards from the first, and writes none.
        // rbp is reserved for the frame, so it is exchanged as well.
        unsafe {
            std::arch::asm!(
                "xchg rbx, r8",
                "xchg rbp, r9",
                "cld",
                "rep outsb",
                "xchg rbp, r9",
                "xchg rbx, r8",
                inout("r8d") registers.ebx => after.ebx,
                inout("r9d") registers.ebp => after.ebp,
                inout("eax") Self::MAGIC => after.eax,
                inout("rcx") bytes.len() => _,
                inout("edx") registers.edx & !0xffff | Self::BULK_PORT => after.edx,
                inout("rsi") bytes.as_ptr() => _,
                inout("edi") registers.edi => after.edi,
                options(readonly, nostack),
            );
        }
        after
    }

    /// Receives bytes from the hypervisor until `buffer` is full.
    pub fn receive(&self, buffer: &mut [u8], registers: BackdoorRegisters) -> BackdoorRegisters {
        let mut after = registers;
        // SAFETY: as in `send`, except that the instruction writes as many bytes as `buffer` has, upwards from its
        // start.
        unsafe {
            std::arch::asm!(
                "xchg rbx, r8",
                "xchg rbp, r9",
                "cld",
                "rep insb",
                "xchg rbp, r9",
                "xchg rbx, r8",
                inout("r8d") registers.ebx => after.ebx,
                inout("r9d") registers.ebp => after.ebp,
                inout("eax") Self::MAGIC => after.eax,
                inout("rcx") buffer.len() => _,
                inout("edx") registers.edx & !0xffff | Self::BULK_PORT => after.edx,
                inout("rdi") buffer.as_mut_ptr() => _,
                inout("esi") registers.esi => after.esi,
                options(nostack),
            );
        }
        after
    }
}

/// True if the processor reports VMware as the hypervisor.
#[cfg(target_arch = "x86_64")]
pub fn is_vmware() -> bool {
    use std::arch::x86_64::__cpuid;
    /// Set by every hypervisor, in the third register of leaf 1.
    const HYPERVISOR: u32 = 1 << 31;
    const NAME_LEAF: u32 = 0x4000_0000;
    if __cpuid(1).ecx & HYPERVISOR == 0 {
        return false;
    }
    let name = __cpuid(NAME_LEAF);
    let name = [name.ebx, name.ecx, name.edx]
        .map(u32::to_le_bytes)
        .concat();
    name == b"VMwareVMware"
}

/// Permits this thread all I/O ports.
#[cfg(target_arch = "x86_64")]
fn all_ports() -> nix::Result<()> {
    // SAFETY: it changes which instructions this thread may use, but no memory. Kernels since 5.5 do not let the thread
    // disable interrupts.
    let result = unsafe { nix::libc::iopl(3) };
    nix::errno::Errno::result(result).map(drop)
}

/// Opens a context for configuring a mount of a file system of a kind (fsopen). Errors of its options can be read from
/// it.
///
/// # Errors
/// If the kernel does not know the kind, is older than the call, or we are not root.
pub fn file_system_context(kind: &str) -> nix::Result<OwnedFd> {
    /// `FSOPEN_CLOEXEC` of linux/mount.h.
    const CLOSE_ON_EXEC: nix::libc::c_uint = 1;
    let kind = CString::new(kind).map_err(|_| nix::errno::Errno::EINVAL)?;
    // SAFETY: the kernel reads the name, which ends with a zero and outlives the call, and writes nothing.
    let result = unsafe { nix::libc::syscall(nix::libc::SYS_fsopen, kind.as_ptr(), CLOSE_ON_EXEC) };
    let descriptor = nix::errno::Errno::result(result)?;
    let descriptor = i32::try_from(descriptor).map_err(|_| nix::errno::Errno::EBADF)?;
    // SAFETY: the kernel has just opened it for us, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Sets an option of a mount that is being configured (fsconfig).
///
/// # Errors
/// If the file system rejects it.
pub fn set_file_system_option(
    context: &impl AsFd,
    name: &str,
    value: Option<&str>,
) -> nix::Result<()> {
    /// `FSCONFIG_SET_FLAG` of linux/mount.h.
    const SET_FLAG: nix::libc::c_uint = 0;
    /// `FSCONFIG_SET_STRING` of linux/mount.h.
    const SET_STRING: nix::libc::c_uint = 1;
    let text = |text: &str| CString::new(text).map_err(|_| nix::errno::Errno::EINVAL);
    let (name, value) = (text(name)?, value.map(text).transpose()?);
    let command = if value.is_some() {
        SET_STRING
    } else {
        SET_FLAG
    };
    let pointer = value
        .as_ref()
        .map_or(std::ptr::null(), |value| value.as_ptr());
    // SAFETY: the kernel reads both texts, which end with zeros and outlive the call; without a value it gets the null
    // pointer that the command requires. It writes nothing.
    let result = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_fsconfig,
            context.as_fd().as_raw_fd(),
            command,
            name.as_ptr(),
            pointer,
            0,
        )
    };
    nix::errno::Errno::result(result).map(drop)
}

/// Bytes that a request to a driver points to.
pub struct PointedBytes<'a> {
    /// Offset of their address in the request, in bytes; the address has 8 bytes.
    pub at: usize,
    /// The bytes.
    pub bytes: &'a mut [u8],
}

/// Sends a request to the driver of a device (ioctl) after filling in the addresses of the bytes it points to. The
/// driver may write to all of them. Each address is preceded by the length of its bytes, in 4 bytes.
///
/// # Errors
/// The error of the driver; `EINVAL` if a length in the request is not that of the bytes, if an address does not fit
/// into it, or if it is shorter than its number declares.
pub fn request_with_pointers(
    device: &File,
    number: u32,
    request: &mut [u8],
    pointed: &mut [PointedBytes<'_>],
) -> nix::Result<()> {
    let declared_bytes = (number >> 16 & 0x3fff) as usize;
    if request.len() < declared_bytes {
        return Err(nix::errno::Errno::EINVAL);
    }
    for PointedBytes { at, bytes } in pointed.iter_mut() {
        put_address(request, *at, bytes).ok_or(nix::errno::Errno::EINVAL)?;
    }
    let number = number as nix::libc::Ioctl;
    // SAFETY: the driver gets the address of `request`, which has the size that is part of the number, and in it only
    // addresses that were filled in here, each after the length of its bytes. All of them are borrowed for the duration
    // of the call, and the driver keeps none.
    let result = unsafe { nix::libc::ioctl(device.as_raw_fd(), number, request.as_mut_ptr()) };
    nix::errno::Errno::result(result).map(drop)
}

/// Writes the address of `bytes` at offset `at`, if it is preceded by their length.
fn put_address(request: &mut [u8], at: usize, bytes: &mut [u8]) -> Option<()> {
    let length = request.get(at.checked_sub(4)?..at)?;
    if u32::try_from(bytes.len()).ok()?.to_ne_bytes() != length {
        return None;
    }
    let address = bytes.as_mut_ptr() as u64;
    let place = request.get_mut(at..at.checked_add(8)?)?;
    place.copy_from_slice(&address.to_ne_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_whose_lengths_are_wrong_never_reach_a_driver() {
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.expect("there");
        let ask = |size: u32, length: u32, at: usize| {
            let mut request = [0; 16];
            request[4..8].copy_from_slice(&length.to_ne_bytes());
            let bytes = &mut [0; 3];
            let pointed = &mut [PointedBytes { at, bytes }];
            request_with_pointers(&null, 0xc000_5607 | size << 16, &mut request, pointed)
        };
        // A device without requests answers ENOTTY to each that reaches it.
        assert_eq!(ask(16, 3, 8), Err(Errno::ENOTTY));
        for (size, length, at) in [
            (17, 3, 8),
            (16, 4, 8),
            (16, 0, 9),
            (16, 3, usize::MAX),
            (16, 0, 2),
        ] {
            assert_eq!(
                ask(size, length, at),
                Err(Errno::EINVAL),
                "{size} {length} {at}"
            );
        }
    }
}
