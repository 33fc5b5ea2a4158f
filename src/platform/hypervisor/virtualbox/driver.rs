//! The receiver of requests: the kernel's driver or, in tests, a host in memory.

use super::layout::IoctlRequest;
use crate::host::sys::{self, PointedBytes};
use anyhow::Context;
use std::fs::File;

const DEVICE: &str = "/dev/vboxguest";

/// A receiver of requests.
pub(super) trait Driver {
    /// Performs a request; results are returned in the request and in the buffers that it points to.
    ///
    /// # Errors
    /// If the driver rejects it. The status of the host is in the request.
    fn request(
        &mut self,
        request: &mut IoctlRequest,
        pointed: &mut [PointedBytes<'_>],
    ) -> anyhow::Result<()>;
}

/// The kernel's driver.
pub(super) struct Guest(File);

impl Guest {
    /// Opens the device.
    ///
    /// # Errors
    /// If it does not exist, or access is denied.
    pub(super) fn open() -> anyhow::Result<Self> {
        let opened = File::options().read(true).write(true).open(DEVICE);
        let context = || format!("cannot open {DEVICE}; the kernel needs the module vboxguest");
        Ok(Self(opened.with_context(context)?))
    }
}

impl Driver for Guest {
    fn request(
        &mut self,
        request: &mut IoctlRequest,
        pointed: &mut [PointedBytes<'_>],
    ) -> anyhow::Result<()> {
        let IoctlRequest { number, bytes } = request;
        sys::request_with_pointers(&self.0, *number, bytes, pointed)
            .with_context(|| format!("{DEVICE} refuses request {number:#010x}"))
    }
}

#[cfg(test)]
pub(super) mod peer {
    //! A host in memory: it parses requests byte by byte, as the driver does.

    use super::{Driver, IoctlRequest, PointedBytes};
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// The host, shared by all connections.
    #[derive(Clone)]
    pub(crate) struct FakeHost(Rc<RefCell<FakeHostState>>);

    #[derive(Default)]
    struct FakeHostState {
        values: BTreeMap<String, String>,
        clients: Vec<u32>,
        version: i32,
        connect: i32,
        call: i32,
        announced: Option<u32>,
        is_read_only: bool,
    }

    impl FakeHost {
        pub(crate) fn with(values: &[(&str, &str)]) -> Self {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            FakeHost(Rc::new(RefCell::new(FakeHostState {
                values: values.iter().map(owned).collect(),
                ..FakeHostState::default()
            })))
        }

        pub(crate) fn connect(&self) -> Self {
            self.clone()
        }

        pub(crate) fn names(&self) -> Vec<String> {
            self.0.borrow().values.keys().cloned().collect()
        }

        pub(crate) fn is_idle(&self) -> bool {
            self.0.borrow().clients.is_empty()
        }

        pub(crate) fn make_read_only(&self) {
            self.0.borrow_mut().is_read_only = true;
        }

        pub(crate) fn fail_version(&self, status: i32) {
            self.0.borrow_mut().version = status;
        }

        pub(crate) fn fail_connect(&self, status: i32) {
            self.0.borrow_mut().connect = status;
        }

        pub(crate) fn fail_call(&self, status: i32) {
            self.0.borrow_mut().call = status;
        }

        pub(crate) fn announce(&self, bytes: u32) {
            self.0.borrow_mut().announced = Some(bytes);
        }
    }

    fn read_u32(bytes: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
    }

    fn write_u32(bytes: &mut [u8], at: usize, value: u32) {
        bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    impl FakeHostState {
        fn call(&mut self, bytes: &mut [u8], pointed: &mut [PointedBytes<'_>]) -> i32 {
            assert!(
                self.clients.contains(&read_u32(bytes, 24)),
                "a connected client"
            );
            if self.call != 0 {
                return self.call;
            }
            for PointedBytes { at, bytes: buffer } in pointed.iter() {
                assert_eq!(
                    read_u32(bytes, at - 4) as usize,
                    buffer.len(),
                    "length at {at}"
                );
            }
            let (name, rest) = pointed.split_first_mut().expect("a name");
            assert_eq!(read_u32(bytes, 40), 5, "the name is only read");
            let name = name.bytes.strip_suffix(b"\0").expect("it ends with NUL");
            let name = String::from_utf8(name.into()).expect("text");
            match read_u32(bytes, 28) {
                1 => self.get(&name, bytes, rest),
                4 if self.is_read_only => -10,
                4 => {
                    self.values.remove(&name);
                    0
                }
                other => panic!("function {other}"),
            }
        }

        fn get(&self, name: &str, bytes: &mut [u8], rest: &mut [PointedBytes<'_>]) -> i32 {
            let Some(value) = self.values.get(name) else {
                return -78;
            };
            let value_and_flags = [value.as_bytes(), b"\0TRANSIENT\0"].concat();
            write_u32(
                bytes,
                92,
                self.announced.unwrap_or(value_and_flags.len() as u32),
            );
            match rest[0].bytes.get_mut(..value_and_flags.len()) {
                Some(target) => {
                    target.copy_from_slice(&value_and_flags);
                    0
                }
                None => -41,
            }
        }
    }

    impl Driver for FakeHost {
        fn request(
            &mut self,
            request: &mut IoctlRequest,
            pointed: &mut [PointedBytes<'_>],
        ) -> anyhow::Result<()> {
            let mut state = self.0.borrow_mut();
            let bytes = &mut request.bytes;
            assert_eq!(read_u32(bytes, 4), 0x0001_0001, "the version of the header");
            let status = match request.number {
                0xc02c_5600 => state.version,
                0xc09c_5604 if state.connect != 0 => state.connect,
                0xc09c_5604 => {
                    let client = 40 + state.clients.len() as u32;
                    state.clients.push(client);
                    write_u32(bytes, 24, client);
                    0
                }
                0xc01c_5605 => {
                    let client = read_u32(bytes, 24);
                    state.clients.retain(|other| *other != client);
                    0
                }
                number if number & 0xffff == 0x5607 => state.call(bytes, pointed),
                number => panic!("request {number:#x}"),
            };
            write_u32(bytes, 12, status.cast_unsigned());
            Ok(())
        }
    }
}
