//! Sends one push and says what became of it:
//!
//! ```sh
//! cargo run -p webpush --example send -- vapid.pem mailto:you@example.com subscription.json "db-3 is down"
//! ```
//!
//! Without `vapid.pem` it makes one and prints the public key to subscribe with.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use webpush::{Client, Request, Response, Subscription, Ttl, Vapid, VapidKey};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Ok([pem, contact, subscription, text]) = <[String; 4]>::try_from(arguments) else {
        eprintln!("expected: <VAPID key as PEM> <mailto:...> <subscription as JSON> <text>");
        return ExitCode::from(64);
    };
    if !std::path::Path::new(&pem).exists() {
        let made = VapidKey::generate().and_then(|key| Ok((key.to_pem()?, key)));
        return match made.map(|(text, key)| (std::fs::write(&pem, text), key)) {
            Ok((Ok(()), key)) => {
                let public = key.public_key().to_base64url();
                println!("made {pem}; subscribe with applicationServerKey {public}");
                ExitCode::SUCCESS
            }
            Ok((Err(error), _)) => {
                eprintln!("{pem}: {error}");
                ExitCode::from(74)
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(71)
            }
        };
    }
    let asked = || -> Result<(Client, Request), Box<dyn Error>> {
        let read = |path: &str| std::fs::read(path).map_err(|error| format!("{path}: {error}"));
        let vapid = Vapid::new(VapidKey::from_pem(&read(&pem)?)?, contact.parse()?);
        let subscription = Subscription::from_json(&read(&subscription)?)?;
        let request = Request::builder(subscription, Ttl::secs(3600)).message(text);
        Ok((Client::builder(vapid).build()?, request.build()?))
    };
    let (client, request) = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(65);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(71);
        }
    };
    let (answer, code) = match runtime.block_on(client.send(&request)) {
        Ok(Response::Accepted(accepted)) => (format!("accepted: {accepted:?}"), 0),
        Ok(Response::Rejected(rejected)) => (format!("rejected: {rejected}"), 1),
        Err(error) if error.maybe_sent() => (format!("unknown: {error}"), 2),
        Err(error) => (format!("not sent: {error}"), 3),
    };
    println!("{answer}");
    runtime.block_on(client.close(Duration::from_secs(5)));
    ExitCode::from(code)
}
