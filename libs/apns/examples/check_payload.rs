//! Reads a payload from standard input and says what is wrong with it:
//!
//! ```sh
//! echo '{"aps":{"alert":"down","badge":-1}}' | cargo run -p apns --example check_payload alert
//! ```

use std::io::Read;
use std::process::ExitCode;

use apns::PushType;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let push_type = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "alert".to_owned());
    let push_type: PushType = match push_type.parse() {
        Ok(push_type) => push_type,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(64);
        }
    };
    let mut body = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut body) {
        eprintln!("standard input cannot be read: {error}");
        return ExitCode::from(74);
    }
    let body = body.trim_ascii();
    let problems = apns::payload::check(push_type, body);
    for problem in &problems {
        println!("{}: {problem}", problem.rule);
    }
    if problems.is_empty() {
        println!(
            "{} of {} bytes, nothing wrong",
            body.len(),
            push_type.max_body_bytes()
        );
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
