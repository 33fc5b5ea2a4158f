//! A service by HTTPS, with a certificate of an authority that only the machine at hand trusts.

use crate::certified;
use crate::server::{Accept, Stream};
use crate::world::World;
use rustls::{ServerConnection, StreamOwned};
use std::sync::Arc;

/// Of the service.
pub const NAME: &str = "metadata.packet.net";

/// Accepts connections with the certificate that the world has.
pub fn accept(world: &World) -> Accept {
    let config = certified::config(&world.path(""));
    Arc::new(move |tcp| {
        let session = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(Box::new(StreamOwned::new(session, tcp)) as Box<dyn Stream>)
    })
}
