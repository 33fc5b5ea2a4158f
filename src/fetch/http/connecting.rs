//! Tells connecting from waiting for an answer.
//!
//! The limit for response headers begins when the connection stands; names that resolve slowly and
//! links that come up slowly have a limit of their own. The client has no such distinction, so a
//! layer around its connector notes when connecting begins and ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower_layer::Layer;
use tower_service::Service;

/// While a connection is being made, the header limit is looked at again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

tokio::task_local! {
    /// The exchange whose connector is running.
    static CURRENT: Arc<ExchangeProgress>;
}

/// How far one exchange is.
#[derive(Debug)]
pub(super) struct ExchangeProgress(Mutex<ExchangeState>);

#[derive(Debug, Clone, Copy)]
enum ExchangeState {
    Connecting,
    /// Connected at that time, or on a connection that stood already.
    Waiting(Instant),
}

impl ExchangeProgress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(ExchangeProgress(Mutex::new(ExchangeState::Waiting(
            Instant::now(),
        ))))
    }

    /// When to look whether `limit` is over, given that it is now `now`.
    pub(super) fn deadline(&self, limit: Duration, now: Instant) -> Instant {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            ExchangeState::Connecting => now + LOOK_AGAIN,
            ExchangeState::Waiting(since) => since + limit,
        }
    }

    /// Runs `exchange` so that its connector reports here.
    pub(super) async fn watch<F: Future>(self: Arc<Self>, exchange: F) -> F::Output {
        CURRENT.scope(self, exchange).await
    }

    fn set(&self, state: ExchangeState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Runs a connector, and reports to the exchange it runs for.
pub(super) async fn note<F: Future>(connector: F) -> F::Output {
    let progress = CURRENT.try_with(Arc::clone).ok();
    if let Some(progress) = &progress {
        progress.set(ExchangeState::Connecting);
    }
    let connected = connector.await;
    if let Some(progress) = progress {
        progress.set(ExchangeState::Waiting(Instant::now()));
    }
    connected
}

/// Makes connectors report to the exchange they run for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch;

#[derive(Debug, Clone)]
pub(super) struct WatchedConnector<S>(S);

impl<S> Layer<S> for Watch {
    type Service = WatchedConnector<S>;

    fn layer(&self, inner: S) -> WatchedConnector<S> {
        WatchedConnector(inner)
    }
}

impl<S, R> Service<R> for WatchedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        Box::pin(note(self.0.call(request)))
    }
}
