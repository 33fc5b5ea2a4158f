//! Guest properties. Each call has its own connection to the service of the host.

use super::driver::Driver;
use super::layout::{self, IoctlRequest, Parameter};
use crate::host::sys::PointedBytes;
use anyhow::{Context, bail, ensure};

/// Functions of the service.
const GET: u32 = 1;
const DELETE: u32 = 4;

/// Status codes of the service.
const PERMISSION_DENIED: i32 = -10;
const BUFFER_OVERFLOW: i32 = -41;
const NOT_FOUND: i32 = -78;

/// Maximum size of a value; those of the host are far shorter.
const MAX_BYTES: usize = 16 << 20;

/// Returns the value of a property, if it is set.
///
/// # Errors
/// If the driver or the host does not follow the protocol.
pub(super) fn get(driver: &mut impl Driver, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    with_connection(driver, |driver, client| {
        let first = get_into(driver, client, name, vec![0])?;
        match first.status {
            NOT_FOUND => return Ok(None),
            0 | BUFFER_OVERFLOW => {}
            other => bail!("the host gave status {other}"),
        }
        let required_bytes = first.required_bytes;
        ensure!(
            required_bytes <= MAX_BYTES,
            "the host announced {required_bytes} bytes; {MAX_BYTES} is the limit"
        );
        let second = get_into(driver, client, name, vec![0; required_bytes])?;
        ensure!(second.status == 0, "the host gave status {}", second.status);
        without_flags(second.value).map(Some)
    })
}

/// Deletes a property.
///
/// # Errors
/// If the host rejects it, or does not follow the protocol.
pub(super) fn delete(driver: &mut impl Driver, name: &str) -> anyhow::Result<()> {
    with_connection(driver, |driver, client| {
        let mut name = nul_terminated(name);
        let mut request = layout::call(client, DELETE, &[Parameter::In(name.len())]);
        let pointed = &mut [PointedBytes {
            at: layout::address_offset(0),
            bytes: &mut name,
        }];
        driver.request(&mut request, pointed)?;
        match layout::status(&request) {
            0 => Ok(()),
            PERMISSION_DENIED => bail!("it is read only; let the host delete it"),
            other => bail!("the host gave status {other}"),
        }
    })
}

/// The result of a call for a value.
struct PropertyValue {
    status: i32,
    value: Vec<u8>,
    required_bytes: usize,
}

fn get_into(
    driver: &mut impl Driver,
    client: u32,
    name: &str,
    mut value: Vec<u8>,
) -> anyhow::Result<PropertyValue> {
    let mut name = nul_terminated(name);
    let parameters = [
        Parameter::In(name.len()),
        Parameter::InOut(value.len()),
        Parameter::Number64,
        Parameter::Number32,
    ];
    let mut request = layout::call(client, GET, &parameters);
    let pointed = &mut [
        PointedBytes {
            at: layout::address_offset(0),
            bytes: &mut name,
        },
        PointedBytes {
            at: layout::address_offset(1),
            bytes: &mut value,
        },
    ];
    driver.request(&mut request, pointed)?;
    Ok(PropertyValue {
        status: layout::status(&request),
        required_bytes: layout::number(&request, 3) as usize,
        value,
    })
}

/// The value without its flags. The host returns value, NUL, flags, NUL.
fn without_flags(mut value: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let end = value.iter().position(|byte| *byte == 0);
    value.truncate(end.context("the value is not NUL-terminated")?);
    Ok(value)
}

fn nul_terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// Opens a connection, calls `work`, and always closes the connection.
fn with_connection<D: Driver, T>(
    driver: &mut D,
    work: impl FnOnce(&mut D, u32) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    send(
        driver,
        layout::version(),
        "negotiate a version with the driver",
    )?;
    let connection = send(
        driver,
        layout::connect(),
        "connect to the service of the host",
    )?;
    let client = layout::client(&connection);
    let result = work(driver, client);
    let disconnected = send(
        driver,
        layout::disconnect(client),
        "disconnect from the service of the host",
    );
    let result = result?;
    disconnected?;
    Ok(result)
}

fn send(
    driver: &mut impl Driver,
    mut request: IoctlRequest,
    action: &str,
) -> anyhow::Result<IoctlRequest> {
    let done = driver.request(&mut request, &mut []);
    done.with_context(|| format!("cannot {action}"))?;
    let status = layout::status(&request);
    ensure!(status == 0, "cannot {action}: status {status}");
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::super::driver::peer::FakeHost;
    use super::*;

    #[test]
    fn values_without_an_end_are_errors() {
        assert_eq!(without_flags(b"a\0b\0".into()).expect("ends"), b"a");
        assert_eq!(without_flags(b"\0\0".into()).expect("ends"), b"");
        without_flags(b"a".into()).expect_err("no end");
        without_flags(Vec::new()).expect_err("no end");
    }

    /// Makes a host misbehave.
    type HostFault = fn(&FakeHost);

    #[test]
    fn errors_are_reported_and_the_connection_is_closed() {
        let cases: [(HostFault, &str); 4] = [
            (
                |peer| peer.fail_version(-225),
                "negotiate a version with the driver: status -225",
            ),
            (
                |peer| peer.fail_connect(-1),
                "connect to the service of the host: status -1",
            ),
            (|peer| peer.fail_call(-8), "the host gave status -8"),
            (|peer| peer.announce(u32::MAX), "announced 4294967295 bytes"),
        ];
        for (change, want) in cases {
            let peer = FakeHost::with(&[("/a", "x")]);
            change(&peer);
            let error = get(&mut peer.connect(), "/a").expect_err(want);
            assert!(format!("{error:#}").contains(want), "{error:#}");
            assert!(peer.is_idle(), "{want}");
        }
    }
}
