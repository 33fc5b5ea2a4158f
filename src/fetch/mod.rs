//! Bytes from URLs; follows references between configs.

/// Fetches resources.
#[derive(Debug, Clone, Default)]
pub struct Fetcher {}
