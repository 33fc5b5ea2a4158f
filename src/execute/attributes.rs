//! Extended attributes of a file that is replaced: a new one in its place has the same.

use crate::host::sys;
use std::ffi::CStr;
use std::fs::File;

/// The label of SELinux, without which programs may not use the file.
const LABEL: &CStr = c"security.selinux";
/// Who may use it besides its owner and its group. Without the list, its group would have the rights of the mask.
const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Gives a new file, whose owner and mode are set, the label and the access list of the one whose place it takes; the list
/// only if the mode is the old one as well. Others stay behind: they are sums of the old content, or hold for its inode.
///
/// A file system without labels has none to keep, and one that the kernel of this machine does not take is lost.
pub(super) fn keep(from: &File, to: &File, with_list: bool) {
    let list = with_list.then_some(ACCESS_LIST);
    for name in [LABEL].into_iter().chain(list) {
        if let Ok(Some(value)) = sys::extended_attribute(from, name) {
            let _ = sys::set_extended_attribute(to, name, &value);
        }
    }
}
