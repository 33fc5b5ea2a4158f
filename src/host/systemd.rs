//! systemd, over its private socket: there is no bus daemon before the real root.
//!
//! We need only one call and one signal of D-Bus, so its messages are encoded by hand (see `wire`). D-Bus crates pull
//! in older versions of our dependencies, and the best of them spins forever if systemd hangs up during authentication.
//! `systemctl start` cannot replace them: when systemd reloads its units, as dracut makes it do during a boot, it drops
//! jobs for absent devices. `systemctl` then ends with status 1, as after a timeout, and only its text distinguishes
//! the two; the signal that a job has been removed names the result.

mod connection;
mod wire;

use anyhow::{Context, bail};
use connection::Connection;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wire::{BusMessage, MessageBody, MessageKind};

/// Where systemd listens for root.
const SOCKET: &str = "/run/systemd/private";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// How long systemd may take to answer a call. It does not answer while it reloads its units, which dracut makes it do
/// during a boot, and which takes seconds on slow machines.
const REPLY_TIMEOUT: Duration = Duration::from_secs(25);
/// How many times a job that systemd drops is started.
const MAX_ATTEMPTS: usize = 10;

/// A connection to systemd.
#[derive(Debug)]
pub struct SystemdClient {
    connection: Connection,
    /// Results of the jobs whose end was signalled, by path.
    results: HashMap<String, String>,
}

/// A device whose unit did not become active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStarted {
    /// The device.
    pub device: PathBuf,
    /// The result that systemd reports: `timeout`, `failed`; `None` if it still waits, but our time limit has passed.
    pub result: Option<String>,
}

impl NotStarted {
    /// True if systemd dropped the job without a result. It drops jobs for absent devices when it reloads its units, so
    /// they are started again.
    fn is_dropped(&self) -> bool {
        matches!(self.result.as_deref(), Some("collected" | "canceled"))
    }
}

/// The name of the unit of a device.
pub fn device_unit(device: &Path) -> String {
    format!("{}.device", escape(&device.display().to_string()))
}

/// A path as part of a unit name, as `systemd-escape --path` does it.
fn escape(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return "-".into();
    }
    let mut escaped = String::new();
    for byte in parts.join("/").bytes() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if escaped.is_empty() => escaped.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("\\x{other:02x}")),
        }
    }
    escaped
}

impl SystemdClient {
    /// Connects to the systemd of this machine, if there is one and it allows us to.
    pub fn connect() -> Option<Self> {
        Self::connect_to(Path::new(SOCKET))
    }

    fn connect_to(socket: &Path) -> Option<Self> {
        let connection = Connection::open(socket, Instant::now() + REPLY_TIMEOUT).ok()?;
        Some(Self {
            connection,
            results: HashMap::new(),
        })
    }

    /// Waits until the units of all devices are active, for `limit` at most; without it, as long as systemd itself
    /// waits for devices. Returns those that are not.
    ///
    /// # Errors
    /// If systemd does not answer, or does not allow it.
    pub fn start_devices(
        &mut self,
        devices: &[&Path],
        limit: Option<Duration>,
    ) -> anyhow::Result<Vec<NotStarted>> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut not_started = self.start_once(devices, deadline)?;
        for _ in 1..MAX_ATTEMPTS {
            if not_started.is_empty() || !not_started.iter().all(NotStarted::is_dropped) {
                break;
            }
            let remaining: Vec<&Path> =
                not_started.iter().map(|one| one.device.as_path()).collect();
            not_started = self.start_once(&remaining, deadline)?;
        }
        Ok(not_started)
    }

    fn start_once(
        &mut self,
        devices: &[&Path],
        deadline: Option<Instant>,
    ) -> anyhow::Result<Vec<NotStarted>> {
        self.results.clear();
        let mut jobs = Vec::new();
        for device in devices {
            jobs.push(self.start(&device_unit(device))?);
        }
        let all_ended = |results: &HashMap<_, _>| jobs.iter().all(|job| results.contains_key(job));
        while !all_ended(&self.results) {
            let Some(message) = self.connection.receive(deadline)? else {
                break;
            };
            self.record_result(&message);
        }
        let results = devices.iter().zip(&jobs).filter_map(|(device, job)| {
            let result = self.results.get(job).cloned();
            let device = device.into();
            (result.as_deref() != Some("done")).then_some(NotStarted { device, result })
        });
        Ok(results.collect())
    }

    /// Starts a unit; returns the path of the job.
    fn start(&mut self, unit: &str) -> anyhow::Result<String> {
        let reply = self.call(MANAGER, "StartUnit", &[unit, "replace"]);
        let job = reply.and_then(|body| Ok(body.reader().object_path()?));
        job.with_context(|| format!("cannot make systemd start {unit}"))
    }

    /// Calls a method of the manager.
    fn call(
        &mut self,
        interface: &str,
        member: &str,
        arguments: &[&str],
    ) -> anyhow::Result<MessageBody> {
        let deadline = Instant::now() + REPLY_TIMEOUT;
        let serial = self.connection.call(interface, member, arguments)?;
        while let Some(message) = self.connection.receive(Some(deadline))? {
            self.record_result(&message);
            if message.reply_to != Some(serial) {
                continue;
            }
            if message.kind == MessageKind::Error {
                let name = message.error_name.unwrap_or_default();
                let text = message.body.reader().string().unwrap_or_default();
                bail!("systemd refuses {member}: {name}: {text}");
            }
            return Ok(message.body);
        }
        bail!(
            "systemd did not answer {member} within {} s",
            REPLY_TIMEOUT.as_secs()
        )
    }

    /// Records the result of a job. The signal may come before the reply that names the job.
    fn record_result(&mut self, message: &BusMessage) {
        if message.kind != MessageKind::Signal || message.member.as_deref() != Some("JobRemoved") {
            return;
        }
        let mut reader = message.body.reader();
        let mut read = || {
            reader.number()?;
            let job = reader.object_path()?;
            reader.string()?;
            Ok::<_, wire::WireError>((job, reader.string()?))
        };
        if let Ok((job, result)) = read() {
            self.results.insert(job, result);
        }
    }
}

#[cfg(test)]
mod tests;
