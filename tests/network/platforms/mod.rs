//! Clouds that are asked by a network: the shipped program in a namespace, and a service at the real address that says
//! what the real one says.

mod clouds;
mod cloudstack;
mod encodings;
mod found;
mod missing;
mod openstack;
mod packet;
mod packing;
mod patience;
mod scaleway;
mod service;
mod tokens;
mod world;

use clouds::Cloud;

/// Runs what enters a world of its own, in a thread that is in none.
#[track_caller]
fn apart(case: impl FnOnce() + Send) {
    let ended = std::thread::scope(|scope| scope.spawn(case).join());
    assert!(ended.is_ok(), "it failed; why stands above");
}

/// Runs a case for each cloud, all at once, and says in the end for which it failed.
#[track_caller]
fn each<'a>(clouds: impl IntoIterator<Item = &'a Cloud>, case: impl Fn(&Cloud) + Sync) {
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
    assert!(failed.is_empty(), "failed: {failed:?}; why stands above");
}
