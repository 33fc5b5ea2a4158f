//! Locks on ranges of a file that belong to an open file and not to a process, see "Open file description locks" in
//! fcntl(2).

use nix::libc;

/// The description of a lock of type `kind`, such as `F_WRLCK`, on `bytes` from `start` on. 0 bytes reach to the end of
/// the file, however large it becomes.
pub fn range(kind: libc::c_int, start: i64, bytes: i64) -> libc::flock {
    libc::flock {
        // Constants of different types, all of which fit.
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: bytes,
        l_pid: 0,
    }
}
