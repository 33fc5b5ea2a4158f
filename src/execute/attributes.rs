//! Extended attributes that a new file takes over from the file it replaces.

use crate::host::sys;
use std::ffi::CStr;
use std::fs::File;

/// The SELinux label, without which programs may not be allowed to use the file.
const LABEL: &CStr = c"security.selinux";
/// The POSIX ACL. Without it, the group would get the rights of the mask of the ACL.
const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Copies the SELinux label to a new file whose owner and mode are set, and with `with_list` the access list as well,
/// which is only correct if the mode is the old one. Other attributes are not copied: they are checksums of the old
/// content or belong to its inode.
///
/// Errors are ignored: a file system without labels has none to copy, and a label that the running kernel does not
/// accept is lost.
pub(super) fn keep(from: &File, to: &File, with_list: bool) {
    let list = with_list.then_some(ACCESS_LIST);
    for name in [LABEL].into_iter().chain(list) {
        if let Ok(Some(value)) = sys::extended_attribute(from, name) {
            let _ = sys::set_extended_attribute(to, name, &value);
        }
    }
}
