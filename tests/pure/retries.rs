//! A whole data centre powers on: machines that start together request their configs from an overloaded server.
//!
//! A simulation, with simulated time, of the retry rule that fetches use. It prints the figures of `docs/retries.md`:
//! `cargo test --test pure retries -- --nocapture`.

use kindling::fetch::retry::{AttemptFailure, Retry};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

const CLIENTS: usize = 10_000;
/// Requests that the server can answer per second.
const RATE: u64 = 200;
/// The time to serve all clients if the server is never idle.
const IDEAL: Duration = Duration::from_secs(CLIENTS as u64 / RATE);
/// Seconds that clients may take to adapt to the load.
const CALM_AFTER_SECONDS: usize = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How long a client waits for response headers.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How the server sheds a request.
#[derive(Debug, Clone, Copy)]
enum Shed {
    /// With a status, immediately.
    Status,
    /// With a status and a `Retry-After` time in seconds.
    RetryAfter(u64),
    /// By closing the connection immediately.
    Close,
    /// By not responding.
    Silence,
    /// Randomly in each of these ways except `RetryAfter`.
    All,
}

/// The results of a simulation.
#[derive(Debug)]
struct Figures {
    /// Time at which the last client was served.
    end: Duration,
    /// Requests in the busiest second after [`CALM_AFTER_SECONDS`].
    busiest: u64,
    requests: u64,
}

/// When clients retry.
trait Rule {
    fn pause(&mut self, failure: AttemptFailure) -> Duration;
}

impl Rule for Retry {
    fn pause(&mut self, failure: AttemptFailure) -> Duration {
        Retry::pause(self, failure, None)
    }
}

/// A naive rule: pauses that double from 0.2 s to 5 s, the same in all clients.
struct InStep(Duration);

impl Rule for InStep {
    fn pause(&mut self, failure: AttemptFailure) -> Duration {
        let pause = self.0;
        self.0 = Duration::from_secs(5).min(pause * 2);
        match failure {
            AttemptFailure::Refused {
                not_before: Some(least),
            } => least.max(pause),
            _ => pause,
        }
    }
}

/// Serves all clients, which start within one second.
fn serve_all<R: Rule>(shed: Shed, seed: u64, rule: impl Fn(fastrand::Rng) -> R) -> Figures {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut clients: Vec<R> = (0..CLIENTS).map(|_| rule(random.fork())).collect();
    let mut requests: BinaryHeap<Reverse<(Duration, usize)>> = (0..CLIENTS)
        .map(|client| Reverse((Duration::from_secs(1).mul_f64(random.f64()), client)))
        .collect();
    let mut per_second: Vec<u64> = Vec::new();
    let mut end = Duration::ZERO;
    // The server's queue holds requests for a tenth of a second.
    let answer = Duration::from_secs(1) / u32::try_from(RATE).expect("small");
    let queue = Duration::from_millis(100);
    let mut free_at = Duration::ZERO;
    while let Some(Reverse((now, client))) = requests.pop() {
        let second = usize::try_from(now.as_secs()).expect("small");
        per_second.resize(per_second.len().max(second + 1), 0);
        per_second[second] += 1;
        if free_at <= now + queue {
            free_at = free_at.max(now) + answer;
            end = free_at;
            continue;
        }
        let refused = AttemptFailure::Refused { not_before: None };
        let silence = (RESPONSE_TIMEOUT, AttemptFailure::Silent(RESPONSE_TIMEOUT));
        let (waited, failure) = match shed {
            Shed::Status | Shed::Close => (Duration::ZERO, refused),
            Shed::Silence => silence,
            Shed::RetryAfter(seconds) => {
                let not_before = Some(Duration::from_secs(seconds));
                (Duration::ZERO, AttemptFailure::Refused { not_before })
            }
            Shed::All if random.u8(..3) == 0 => silence,
            Shed::All => (Duration::ZERO, refused),
        };
        let pause = clients[client].pause(failure);
        requests.push(Reverse((now + waited + pause, client)));
    }
    Figures {
        end,
        busiest: per_second
            .iter()
            .skip(CALM_AFTER_SECONDS)
            .copied()
            .max()
            .unwrap_or(0),
        requests: per_second.iter().sum(),
    }
}

#[allow(
    clippy::print_stdout,
    reason = "the figures are the result of this measurement"
)]
fn print_figures(name: &str, shed: Shed, figures: &Figures) {
    println!(
        "{name:8} {:16} all served after {:5.1} s, busiest second {:5}, {:6} requests",
        format!("{shed:?}"),
        figures.end.as_secs_f64(),
        figures.busiest,
        figures.requests
    );
}

fn spread(shed: Shed, seed: u64) -> Figures {
    serve_all(shed, seed, |random| Retry::with_random(FIRST_PAUSE, random))
}

#[test]
fn all_clients_are_served_about_as_fast_as_the_server_can() {
    for shed in [Shed::Status, Shed::Close] {
        for seed in 0..3 {
            let figures = spread(shed, seed);
            print_figures("spread", shed, &figures);
            assert!(figures.end <= IDEAL.mul_f64(1.3), "{shed:?}: {figures:?}");
            assert!(figures.busiest <= 3 * RATE, "{shed:?}: {figures:?}");
        }
    }
}

/// Clients only notice silence after the response timeout, during which the server is idle.
#[test]
fn silence_costs_the_time_it_takes_to_notice() {
    for shed in [Shed::Silence, Shed::All] {
        let figures = spread(shed, 0);
        print_figures("spread", shed, &figures);
        let ideal = IDEAL + RESPONSE_TIMEOUT;
        assert!(figures.end <= ideal.mul_f64(1.3), "{shed:?}: {figures:?}");
        assert!(figures.busiest <= 3 * RATE, "{shed:?}: {figures:?}");
    }
    for seconds in [1, 10, 60] {
        let shed = Shed::RetryAfter(seconds);
        print_figures("spread", shed, &spread(shed, 0));
    }
}

/// The control experiment: the simulation must show that a naive rule is bad.
#[test]
fn clients_in_step_take_much_longer() {
    for shed in [Shed::Status, Shed::Silence] {
        let figures = serve_all(shed, 0, |_| InStep(FIRST_PAUSE));
        print_figures("in step", shed, &figures);
        assert!(figures.end > IDEAL * 3, "{shed:?}: {figures:?}");
        assert!(figures.busiest > 10 * RATE, "{shed:?}: {figures:?}");
    }
}
