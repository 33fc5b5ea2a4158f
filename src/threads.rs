//! Work that two processors share.

use std::thread::Builder;

/// Runs `side` in a thread of its own while `work` runs, or after it if no thread can be started. Returns the results
/// of both.
pub(crate) fn run_beside<S: Send, W>(
    side: impl Fn() -> S + Sync,
    work: impl FnOnce() -> W,
) -> (S, W) {
    std::thread::scope(|scope| {
        let thread = Builder::new().spawn_scoped(scope, &side);
        let result = work();
        let of_side = thread.ok().and_then(|thread| thread.join().ok());
        (of_side.unwrap_or_else(&side), result)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn both_run_at_the_same_time() {
        let (sender, receiver) = mpsc::channel();
        let side = || sender.send(1).is_ok();
        let result = run_beside(side, || receiver.recv());
        assert_eq!(result, (true, Ok(1)));
    }
}
