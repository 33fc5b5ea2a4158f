//! Distinguishes connecting from waiting for a response.
//!
//! The time limit for response headers starts when the connection is established; names that resolve slowly and
//! links that come up slowly have a limit of their own. The client does not make this distinction, so a layer around
//! its connector records when connecting begins and ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower_layer::Layer;
use tower_service::Service;

/// How often the time limit for headers is checked again while a connection is being established.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

tokio::task_local! {
    /// The exchange whose connector is running.
    static CURRENT: Arc<ExchangeProgress>;
}

/// The state of one exchange.
#[derive(Debug)]
pub(super) struct ExchangeProgress(Mutex<ExchangeState>);

#[derive(Debug, Clone, Copy)]
enum ExchangeState {
    Connecting,
    /// Connected at that time, or reusing an established connection.
    Waiting(Instant),
}

impl ExchangeProgress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(ExchangeProgress(Mutex::new(ExchangeState::Waiting(
            Instant::now(),
        ))))
    }

    /// When to check whether `limit` has expired, given the current time `now`.
    pub(super) fn deadline(&self, limit: Duration, now: Instant) -> Instant {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            ExchangeState::Connecting => now + POLL_INTERVAL,
            ExchangeState::Waiting(since) => since + limit,
        }
    }

    /// Runs `exchange` so that its connector reports to this state.
    pub(super) async fn watch<F: Future>(self: Arc<Self>, exchange: F) -> F::Output {
        CURRENT.scope(self, exchange).await
    }

    fn set(&self, state: ExchangeState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Runs a connector, and reports its progress to the exchange it runs for.
pub(super) async fn track<F: Future>(connector: F) -> F::Output {
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

/// Layer that makes connectors report to the exchange they run for.
#[derive(Debug, Clone, Copy)]
pub(super) struct WatchLayer;

#[derive(Debug, Clone)]
pub(super) struct WatchedConnector<S>(S);

impl<S> Layer<S> for WatchLayer {
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
        Box::pin(track(self.0.call(request)))
    }
}
