//! Clouds with a metadata service: the program runs in a network namespace, with a service at the real address that
//! responds like the real one.

mod clouds;
mod cloudstack;
mod encoding;
mod found;
mod machine;
mod missing;
mod openstack;
mod packet;
mod retries;
mod scaleway;
mod service;
mod tokens;
mod unexpected_encodings;

use clouds::Cloud;

/// Runs a case in a new thread, so that it can enter its own namespaces.
#[track_caller]
fn in_thread(case: impl FnOnce() + Send) {
    let result = std::thread::scope(|scope| scope.spawn(case).join());
    assert!(result.is_ok(), "it failed; see above");
}

/// Runs a case for each cloud concurrently, and fails with the IDs of all clouds for which it failed.
#[track_caller]
fn for_each<'a>(clouds: impl IntoIterator<Item = &'a Cloud>, case: impl Fn(&Cloud) + Sync) {
    let case = &case;
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let clouds = clouds.into_iter();
        let all: Vec<_> = clouds
            .map(|cloud| (cloud.id, scope.spawn(move || case(cloud))))
            .collect();
        all.into_iter()
            .filter_map(|(id, run)| run.join().is_err().then_some(id))
            .collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}; see above");
}
