//! Sends one notification to one device, or only asks FCM whether it would take it:
//!
//! ```sh
//! cargo run -p fcm --example send service-account.json <push token> "A title" "A text" [--validate-only]
//! ```

use std::process::ExitCode;
use std::time::Duration;

use fcm::message::{Content, Notification};
use fcm::{Client, PushToken, Request, Response, ServiceAccount};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let validate_only = args.last().is_some_and(|last| last == "--validate-only");
    if validate_only {
        args.pop();
    }
    let [file, push_token, title, body] = &args[..] else {
        eprintln!(
            "usage: send <service account file> <push token> <title> <text> [--validate-only]"
        );
        return ExitCode::from(64);
    };
    match send(
        file,
        push_token,
        Notification::new(title, body),
        validate_only,
    ) {
        Ok(Response::Accepted(accepted)) => {
            println!("accepted: {}", accepted.name.unwrap_or_default());
            ExitCode::SUCCESS
        }
        Ok(Response::Rejected(rejected)) => {
            println!("rejected: {rejected}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn send(
    file: &str,
    push_token: &str,
    notification: Notification,
    validate_only: bool,
) -> Result<Response, Box<dyn std::error::Error>> {
    let account = ServiceAccount::from_json(&std::fs::read_to_string(file)?)?;
    let message = Content::new().notification(notification).to_message()?;
    let mut request = Request::new(PushToken::new(push_token)?, message)?;
    if validate_only {
        request = request.validate_only();
    }
    let client = Client::service_account(account).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let response = client.send(request).await;
        client.close(Duration::from_secs(5)).await;
        Ok(response?)
    })
}
