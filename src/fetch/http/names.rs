//! Look-ups of host names, each in a thread of its own: the system call may take long, and cannot be cancelled.
//!
//! The client has a resolver that does the same, but it panics if the system permits no more threads, for instance in a
//! container with a limit on processes. Here that is an error like any other, after which the request is retried.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::ToSocketAddrs as _;
use std::thread::Builder;
use tokio::sync::oneshot;

/// Looks up names with the system's resolver.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadResolver;

impl Resolve for ThreadResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (sender, answer) = oneshot::channel();
        let host = name.as_str().to_owned();
        let started = Builder::new().name("http-name".into()).spawn(move || {
            // The receiver is gone if the fetch was cancelled.
            let _ = sender.send((host.as_str(), 0).to_socket_addrs());
        });
        let started = started.map(drop).map_err(|error| {
            let text = format!("cannot start a thread for it: {error}");
            io::Error::new(error.kind(), text)
        });
        Box::pin(async move {
            started?;
            let addresses: Addrs = Box::new(answer.await??);
            Ok(addresses)
        })
    }
}
