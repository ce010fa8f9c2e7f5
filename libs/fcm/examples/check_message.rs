//! Reads a message from standard input and says what is wrong with it:
//!
//! ```sh
//! echo '{"android":{"ttl":3600},"data":{"from":"us"}}' | cargo run -p fcm --example check_message
//! ```

use std::io::Read;
use std::process::ExitCode;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let mut json = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut json) {
        eprintln!("standard input cannot be read: {error}");
        return ExitCode::from(74);
    }
    let problems = fcm::message::check(&json);
    for problem in &problems {
        println!("{}: {problem}", problem.rule);
    }
    if problems.is_empty() {
        println!("{} bytes of JSON, nothing wrong", json.len());
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
