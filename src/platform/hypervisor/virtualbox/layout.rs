//! Layout of requests to the driver `vboxguest` (linux/vboxguest.h). Numbers are in native byte order.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IoctlRequest {
    /// The ioctl number, which includes the size.
    pub number: u32,
    /// Header and arguments; results are returned in them.
    pub bytes: Vec<u8>,
}

/// A parameter of a call to a service of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// A 32-bit number, for a result.
    Number32,
    /// A 64-bit number, for a result.
    Number64,
    /// A buffer of this size that the service reads.
    In(usize),
    /// A buffer of this size that the service reads and writes.
    InOut(usize),
}

const HEADER_BYTES: usize = 24;
const HEADER_VERSION: u32 = 0x0001_0001;
const PROTOCOL_VERSION: u32 = 0x0001_0000;
const STATUS_OFFSET: usize = 12;
const CLIENT_OFFSET: usize = HEADER_BYTES;

const VERSION: u32 = 0xc02c_5600;
const CONNECT: u32 = 0xc09c_5604;
const DISCONNECT: u32 = 0xc01c_5605;
/// With 64-bit addresses; the size is filled in.
const CALL: u32 = 0xc000_5607;

/// Location type: a service that exists on the host.
const EXISTING_SERVICE: u32 = 2;
const SERVICE: &[u8] = b"VBoxGuestPropSvc";
const SERVICE_BYTES: usize = 128;

const CALL_BYTES: usize = 40;
const PARAMETER_BYTES: usize = 16;
const NO_TIMEOUT: u32 = u32::MAX;

/// Requests a version of the driver interface.
pub(super) fn version() -> IoctlRequest {
    let mut bytes = header(40, 44, 44);
    write_u32(&mut bytes, 24, PROTOCOL_VERSION);
    write_u32(&mut bytes, 28, PROTOCOL_VERSION);
    IoctlRequest {
        number: VERSION,
        bytes,
    }
}

/// Connects to the guest property service.
pub(super) fn connect() -> IoctlRequest {
    let mut bytes = header(156, 28, 28 + SERVICE_BYTES);
    write_u32(&mut bytes, 24, EXISTING_SERVICE);
    bytes[28..28 + SERVICE.len()].copy_from_slice(SERVICE);
    IoctlRequest {
        number: CONNECT,
        bytes,
    }
}

/// Closes the connection.
pub(super) fn disconnect(client: u32) -> IoctlRequest {
    let mut bytes = header(28, 24, 28);
    write_u32(&mut bytes, CLIENT_OFFSET, client);
    IoctlRequest {
        number: DISCONNECT,
        bytes,
    }
}

/// Calls a function of the service.
pub(super) fn call(client: u32, function: u32, parameters: &[Parameter]) -> IoctlRequest {
    let length = CALL_BYTES + PARAMETER_BYTES * parameters.len();
    let mut bytes = header(length, length, length);
    write_u32(&mut bytes, CLIENT_OFFSET, client);
    write_u32(&mut bytes, 28, function);
    write_u32(&mut bytes, 32, NO_TIMEOUT);
    // The call may be interrupted.
    bytes[36] = 1;
    bytes[38..40].copy_from_slice(&(parameters.len() as u16).to_ne_bytes());
    for (index, parameter) in parameters.iter().enumerate() {
        let start = CALL_BYTES + PARAMETER_BYTES * index;
        let (kind, length) = match parameter {
            Parameter::Number32 => (1, 0),
            Parameter::Number64 => (2, 0),
            Parameter::InOut(length) => (4, *length),
            Parameter::In(length) => (5, *length),
        };
        write_u32(&mut bytes, start, kind);
        write_u32(&mut bytes, start + 4, length as u32);
    }
    IoctlRequest {
        number: CALL | (length as u32) << 16,
        bytes,
    }
}

/// Offset of the address of a buffer parameter.
pub(super) fn address_offset(parameter: usize) -> usize {
    CALL_BYTES + PARAMETER_BYTES * parameter + 8
}

/// Status of the service; 0 is success.
pub(super) fn status(request: &IoctlRequest) -> i32 {
    read_u32(request, STATUS_OFFSET).cast_signed()
}

/// Id of the new connection.
pub(super) fn client(request: &IoctlRequest) -> u32 {
    read_u32(request, CLIENT_OFFSET)
}

/// A 32-bit result.
pub(super) fn number(request: &IoctlRequest, parameter: usize) -> u32 {
    read_u32(request, CALL_BYTES + PARAMETER_BYTES * parameter + 4)
}

/// A buffer for the larger of request and result, with the header of the request.
fn header(in_bytes: usize, out_bytes: usize, capacity: usize) -> Vec<u8> {
    let mut bytes = vec![0; capacity.max(in_bytes).max(out_bytes)];
    write_u32(&mut bytes, 0, in_bytes as u32);
    write_u32(&mut bytes, 4, HEADER_VERSION);
    write_u32(&mut bytes, 16, out_bytes as u32);
    bytes
}

fn write_u32(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
}

fn read_u32(request: &IoctlRequest, offset: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&request.bytes[offset..offset + 4]);
    u32::from_ne_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that the request has these 32-bit numbers at these offsets, and zeros everywhere else.
    fn assert_laid_out(request: &IoctlRequest, number: u32, length: usize, words: &[(usize, u32)]) {
        assert_eq!(request.number, number, "{:#x}", request.number);
        let mut want = vec![0; length];
        for (offset, word) in words {
            write_u32(&mut want, *offset, *word);
        }
        assert_eq!(request.bytes, want);
        // The kernel's macros put the size there.
        assert_eq!((number >> 16) & 0x3fff, length as u32);
    }

    #[test]
    fn requests_are_those_of_the_driver() {
        let version_ = [
            (0, 40),
            (4, 0x10001),
            (16, 44),
            (24, 0x10000),
            (28, 0x10000),
        ];
        assert_laid_out(&version(), 0xc02c_5600, 44, &version_);
        let disconnect_ = [(0, 28), (4, 0x10001), (16, 24), (24, 7)];
        assert_laid_out(&disconnect(7), 0xc01c_5605, 28, &disconnect_);
        let mut connect = connect();
        assert_eq!(&connect.bytes[28..45], b"VBoxGuestPropSvc\0");
        connect.bytes[28..].fill(0);
        let connect_ = [(0, 156), (4, 0x10001), (16, 28), (24, 2)];
        assert_laid_out(&connect, 0xc09c_5604, 156, &connect_);
    }

    #[test]
    fn calls_have_their_parameters() {
        use Parameter::{In, InOut, Number32, Number64};
        let get = call(9, 1, &[In(3), InOut(1), Number64, Number32]);
        let flags = u32::from_ne_bytes([1, 0, 4_u16.to_ne_bytes()[0], 4_u16.to_ne_bytes()[1]]);
        let head = [
            (0, 104),
            (4, 0x10001),
            (16, 104),
            (24, 9),
            (28, 1),
            (32, u32::MAX),
            (36, flags),
        ];
        let parameters = [(40, 5), (44, 3), (56, 4), (60, 1), (72, 2), (88, 1)];
        let words: Vec<(usize, u32)> = head.into_iter().chain(parameters).collect();
        assert_laid_out(&get, 0xc068_5607, 104, &words);
        assert_eq!((address_offset(0), address_offset(1)), (48, 64));
        assert_eq!(call(9, 4, &[In(3)]).number, 0xc038_5607);
    }

    #[test]
    fn results_are_where_the_driver_puts_them() {
        let mut request = call(9, 1, &[Parameter::Number64, Parameter::Number32]);
        write_u32(&mut request.bytes, 12, (-41_i32).cast_unsigned());
        write_u32(&mut request.bytes, 60, 77);
        assert_eq!(
            (status(&request), client(&request), number(&request, 1)),
            (-41, 9, 77)
        );
    }
}
