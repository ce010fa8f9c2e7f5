//! Sends one alert and says what became of it:
//!
//! ```sh
//! cargo run -p apns --example send -- AuthKey_ABC123DEFG.p8 ABC123DEFG DEF123GHIJ net.example.pager sandbox <push token> "db-3 is down"
//! ```
//!
//! With `APNS_HOST=127.0.0.1:2197` and `APNS_CA=ca.pem` it sends to a simulator.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use apns::payload::{Alert, AlertPayload};
use apns::{
    ApnsTopic, BundleId, Client, Endpoint, Environment, KeyId, ProviderTokens, Request, Response,
    SigningKey, TeamId,
};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Ok(
        [
            p8,
            key_id,
            team_id,
            bundle_id,
            environment,
            push_token,
            text,
        ],
    ) = <[String; 7]>::try_from(arguments)
    else {
        eprintln!(
            "expected: <p8 file> <key id> <team id> <bundle id> <production|sandbox> <push token> <text>"
        );
        return ExitCode::from(64);
    };
    let asked = || -> Result<(Client, Request), Box<dyn Error>> {
        let pem = std::fs::read(&p8).map_err(|error| format!("{p8}: {error}"))?;
        let key = SigningKey::from_p8(&pem, KeyId::new(key_id)?, TeamId::new(team_id)?)?;
        let client = Client::builder(ProviderTokens::new(key))
            .endpoint(endpoint(environment.parse()?)?)
            .build()?;
        let payload = AlertPayload::new(Alert::from(text))
            .sound("default")
            .to_payload()?;
        let topic = ApnsTopic::for_bundle(&BundleId::new(bundle_id)?, payload.push_type())?;
        let request = Request::builder(push_token.parse()?, topic, payload).build()?;
        Ok((client, request))
    };
    let (client, request) = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(65);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(71);
        }
    };
    let (answer, code) = match runtime.block_on(client.send(request)) {
        Ok(Response::Accepted(accepted)) => (format!("accepted: {accepted:?}"), 0),
        Ok(Response::Rejected(rejected)) => (format!("rejected: {rejected}"), 1),
        Err(error) if error.maybe_sent() => (format!("unknown: {error}"), 2),
        Err(error) => (format!("not sent: {error}"), 3),
    };
    println!("{answer}");
    runtime.block_on(client.close(Duration::from_secs(5)));
    ExitCode::from(code)
}

fn endpoint(environment: Environment) -> Result<Endpoint, Box<dyn Error>> {
    let Ok(address) = std::env::var("APNS_HOST") else {
        return Ok(Endpoint::environment(environment));
    };
    let (host, port) = address
        .rsplit_once(':')
        .ok_or("APNS_HOST: expected host:port")?;
    let mut endpoint = Endpoint::new(host, port.parse()?);
    if let Ok(file) = std::env::var("APNS_CA") {
        endpoint = endpoint.extra_ca_pem(&std::fs::read(file)?);
    }
    Ok(endpoint)
}
