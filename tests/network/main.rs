//! Tests in network namespaces, in which the test provides all names and addresses. Need root.

#[path = "../common/mod.rs"]
mod common;
mod hypervisors;
mod matchbox;
mod metadata;
mod platforms;
mod signed;
