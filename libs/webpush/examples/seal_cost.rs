//! What encrypting one message costs: a fresh key pair, the agreement with the browser's key, key derivation and AES.
//!
//! ```sh
//! cargo run --release -p webpush --example seal_cost
//! ```
//! It measures the processor's time on one thread and nothing that a network adds.

#![expect(
    clippy::print_stdout,
    reason = "a program for the command line: its figures are its output"
)]

use std::time::{Duration, Instant};

use webpush::{
    AuthSecret, MessageKey, PushEndpoint, ReceiverKey, Request, Salt, Subscription, Ttl,
};

/// Messages for each figure.
const ROUNDS: u32 = 5_000;

/// How often each figure is taken; the best one is the least disturbed by whatever else the machine does.
const TRIES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let browser = ReceiverKey::generate()?;
    let auth = AuthSecret::new(&[7; 16])?;
    let endpoint =
        PushEndpoint::parse("https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4")?;
    let subscription = Subscription::new(endpoint, *browser.public_key(), auth);
    let request = Request::builder(subscription.clone(), Ttl::secs(3_600))
        .message(vec![b'x'; 300])
        .build()?;

    let pair = best(|| MessageKey::generate().map(drop).is_ok());
    let whole = best(|| request.seal_fresh().map(drop).is_ok());
    let json = subscription.to_json();
    let read = best(|| Subscription::from_json(json.as_bytes()).map(drop).is_ok());
    let key = MessageKey::generate()?;
    let rest = best(|| {
        let salt = Salt::random();
        salt.is_ok_and(|salt| request.seal(&key, salt).map(drop).is_ok())
    });

    println!("a fresh key pair            {:>8.1} µs", micros(pair));
    println!("agreement, derivation, AES  {:>8.1} µs", micros(rest));
    println!("a message of 300 bytes, all {:>8.1} µs", micros(whole));
    println!("reading a subscription      {:>8.1} µs", micros(read));
    Ok(())
}

/// The mean cost of `act` in the best of some tries.
fn best(act: impl Fn() -> bool) -> Duration {
    let one = || {
        let began = Instant::now();
        let done = (0..ROUNDS).filter(|_| act()).count();
        let took = began.elapsed() / ROUNDS;
        if done == ROUNDS as usize {
            took
        } else {
            Duration::MAX
        }
    };
    (0..TRIES).map(|_| one()).min().unwrap_or(Duration::MAX)
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}
