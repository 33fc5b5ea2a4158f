//! Platform `applehv`: the hypervisor of macOS serves the config over VSOCK.

use crate::platform::contract::{
    About, Answer, FetchContext, KernelModule, Network, Platform, TestLevel,
};
use crate::platform::source::kernel_module;
use std::path::Path;
use std::time::Duration;

const PORT: u32 = 1024;
/// Exists once the kernel supports VSOCK.
const DEVICE: &str = "/sys/devices/virtual/misc/vsock";
/// The host is local, so it will not answer later.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The platform.
pub(crate) struct AppleHv;

impl Platform for AppleHv {
    fn id(&self) -> &'static str {
        "applehv"
    }

    fn about(&self) -> About {
        About {
            source: "the document that the hypervisor serves by HTTP at VSOCK port 1024",
            requests: &[
                "GET / with Host: d, Accept: application/json, at VSOCK address 2 (the host), port 1024; once, any status",
            ],
            no_config: "the body is empty",
            waits: "one attempt of at most 2 min",
            network: Network::NotNeeded,
            modules: &[
                KernelModule::Loaded("vsock"),
                KernelModule::Expected("vmw_vsock_virtio_transport"),
            ],
            tested: TestLevel::RealWire,
        }
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        kernel_module::load_unless_exists(Path::new(DEVICE), "vsock", context.log)?;
        context
            .log
            .info(format_args!("asking the hypervisor at VSOCK port {PORT}"));
        let accept = "application/json";
        let text = context
            .fetcher
            .hypervisor_document(PORT, accept, TIMEOUT, context.events)?;
        Ok(Answer::of(format!("vsock://2:{PORT}"), text))
    }
}
