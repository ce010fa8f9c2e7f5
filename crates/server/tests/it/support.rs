//! Processes, a simulator, and a directory that goes away.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use push_sim::{NewKey, NewPhones, PushTokenKind, Simulator};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// Longest wait for anything here: generous, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The bundle id of the App in these tests.
pub(crate) const BUNDLE_ID: &str = "com.example.shop";
pub(crate) const TEAM_ID: &str = "TESTTEAM01";
pub(crate) const KEY_ID: &str = "TESTKEY001";

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_carillon"))
}

/// A command without the environment's own `CARILLON_…`.
pub(crate) fn command() -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARILLON_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The one JSON document that it printed.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command to its end, in a directory, with more environment.
pub(crate) fn run_in(directory: &Path, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let output = command()
        .args(args)
        .envs(env.iter().copied())
        .current_dir(directory)
        .output()
        .unwrap();
    Ran::of(&output)
}

/// What a back end signs: who is signed in, until then, in Unix seconds.
pub(crate) fn user_token(secret: &str, user: &str, expires_at: i64) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = json!({"sub": user, "exp": expires_at});
    let signed = format!("{}.{}", part(json!({"alg": "HS256"})), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Waits for a child to end; kills it when it does not. The exit code; where a signal ended it, its number with a minus.
pub(crate) fn wait_for_end(mut child: Child) -> i32 {
    let pid = child.id();
    let (ended, ends) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let _ = ended.send(child.wait());
    });
    match ends.recv_timeout(PATIENCE) {
        Ok(status) => {
            let status = status.unwrap();
            let by_signal = status.signal().map(|signal| -signal);
            status.code().or(by_signal).unwrap_or(i32::MIN)
        }
        Err(_) => {
            signal(pid, "KILL");
            panic!("the process did not end within {PATIENCE:?}");
        }
    }
}

/// Waits until something has come about that nobody announces.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} never came about");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "cannot send {name}");
}

/// A simulator that knows our key, a directory, and the settings to send to it.
pub(crate) struct Home {
    pub(crate) simulator: Simulator,
    directory: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(push_sim::Config::default())
    }

    /// With another simulator.
    pub(crate) fn with(config: push_sim::Config) -> Self {
        let simulator = Simulator::start(config).unwrap();
        let key = simulator
            .register_key(NewKey {
                team_id: TEAM_ID.into(),
                key_id: KEY_ID.into(),
                ..NewKey::default()
            })
            .unwrap();
        simulator.set_app(BUNDLE_ID, push_sim::AppSettings::default());
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), simulator.ca_pem()).unwrap();
        std::fs::write(
            directory.path().join("key.p8"),
            key.signing_key_pem.unwrap(),
        )
        .unwrap();
        let addresses = simulator.addresses();
        let env = [
            ("SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            (
                "STORE__PATH",
                directory
                    .path()
                    .join("data/carillon.db")
                    .display()
                    .to_string(),
            ),
            ("APNS__PRODUCTION", addresses.production.device.to_string()),
            ("APNS__SANDBOX", addresses.sandbox.device.to_string()),
            (
                "APNS__CA_FILE",
                directory.path().join("ca.pem").display().to_string(),
            ),
        ]
        .map(|(name, value)| (format!("CARILLON_{name}"), value))
        .to_vec();
        Self {
            simulator,
            directory,
            env,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("data/carillon.db")
    }

    pub(crate) fn p8(&self) -> String {
        std::fs::read_to_string(self.path().join("key.p8")).unwrap()
    }

    /// Overrides a setting for the servers started after it.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.push((format!("CARILLON_{name}"), value.into()));
    }

    /// The settings of its servers.
    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// `serve`, not waited for.
    pub(crate) fn serve_command(&self) -> Command {
        let mut command = command();
        command
            .args(["serve", "--json"])
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path());
        command
    }

    /// Tries to serve, and fails.
    pub(crate) fn fail_to_serve(&self) -> Ran {
        let child = self
            .serve_command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// Serves; ready when it returns.
    pub(crate) fn serve(&self) -> Server<'_> {
        self.serve_with(&[])
    }

    /// The same with more arguments.
    pub(crate) fn serve_with(&self, args: &[&str]) -> Server<'_> {
        self.serve_by(|command| {
            command.args(args);
        })
    }

    /// The same with whatever else the command is to have.
    pub(crate) fn serve_by(&self, prepare: impl FnOnce(&mut Command)) -> Server<'_> {
        let mut command = self.serve_command();
        prepare(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().unwrap();
        let logged = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut chunk) {
                logged
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
        });
        let stdout = child.stdout.take().unwrap();
        let (said, hears) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = said.send(lines.next());
            lines.for_each(drop);
        });
        let line = match hears.recv_timeout(PATIENCE) {
            Ok(Some(line)) => line.unwrap(),
            _ => panic!("it did not serve: {}", log.lock().unwrap()),
        };
        let said: Value = serde_json::from_str(&line).unwrap();
        let key_file = self.path().join("admin.key");
        if let Some(key) = said["admin_api_key"].as_str() {
            std::fs::write(&key_file, key).unwrap();
        }
        Server {
            home: self,
            child: Some(child),
            url: said["url"].as_str().unwrap().to_owned(),
            log,
        }
    }

    /// Phones at the simulator, by their push tokens.
    pub(crate) fn phones(&self, count: u32) -> Vec<String> {
        let made = self
            .simulator
            .make_phones(&NewPhones {
                count,
                app: BUNDLE_ID.into(),
                ..NewPhones::default()
            })
            .unwrap();
        made.into_iter()
            .map(|mut phone| phone.push_tokens.remove(&PushTokenKind::Alert).unwrap())
            .collect()
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server<'h> {
    home: &'h Home,
    child: Option<Child>,
    pub(crate) url: String,
    log: Arc<Mutex<String>>,
}

impl Server<'_> {
    /// Runs a command against it.
    pub(crate) fn carillon(&self, args: &[&str]) -> Ran {
        let key_file = self.home.path().join("admin.key");
        let env = [
            ("CARILLON_URL", self.url.as_str()),
            ("CARILLON_API_KEY_FILE", key_file.to_str().unwrap()),
        ];
        run_in(self.home.path(), args, &env)
    }

    /// The same with `--json`.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.carillon(&[args, &["--json"]].concat()).json()
    }

    /// An App with the simulator's key, and its devices `phone-1`, `phone-2`, ….
    pub(crate) fn set_up(&self, push_tokens: &[String]) {
        self.json(&["app", "put", "shop"]);
        let put = [
            "credential",
            "put",
            "shop",
            "apple",
            "--p8",
            "key.p8",
            "--key-id",
            KEY_ID,
            "--team-id",
            TEAM_ID,
            "--topic",
            BUNDLE_ID,
        ];
        self.json(&put);
        self.import(push_tokens);
    }

    /// Devices `phone-1`, `phone-2`, … of the App.
    pub(crate) fn import(&self, push_tokens: &[String]) {
        let mut rows = String::from("id,push_token,environment\n");
        for (number, push_token) in (1..).zip(push_tokens) {
            rows.push_str(&format!("phone-{number},{push_token},production\n"));
        }
        std::fs::write(self.home.path().join("phones.csv"), rows).unwrap();
        let imported = self.json(&["device", "import", "phones.csv", "--app", "shop"]);
        assert_eq!(imported["registered"], push_tokens.len());
    }

    /// Sends to these devices, one notification each; their ids.
    pub(crate) fn send_each(&self, devices: u32, idempotency_key: &str) -> Ran {
        let lines: String = (1..=devices)
            .map(|n| format!("{{\"target\":{{\"devices\":[\"phone-{n}\"]}},\"content\":{{\"body\":\"number {n}\"}}}}\n"))
            .collect();
        std::fs::write(self.home.path().join("many.ndjson"), lines).unwrap();
        self.carillon(&[
            "send",
            "shop",
            "--ndjson",
            "many.ndjson",
            "--idempotency-key",
            idempotency_key,
            "--json",
        ])
    }

    /// Waits until every notification of the App is complete; totals by state.
    pub(crate) fn settle(&self) -> Value {
        let list = self.json(&["notification", "list", "--app", "shop", "--limit", "100000"]);
        for notification in list["data"].as_array().unwrap() {
            if notification["completed_at"].is_null() {
                let id = notification["id"].as_str().unwrap();
                self.json(&["notification", "show", id, "--app", "shop", "--wait"]);
            }
        }
        self.stats()["totals"].take()
    }

    /// The App's counters.
    pub(crate) fn stats(&self) -> Value {
        let text = self.get("/v1/apps/shop/stats");
        serde_json::from_str(&text).unwrap()
    }

    /// GET with the admin key: the body.
    pub(crate) fn get(&self, path: &str) -> String {
        use std::io::Write as _;
        let key = std::fs::read_to_string(self.home.path().join("admin.key")).unwrap();
        let address = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nhost: test\r\nauthorization: Bearer {}\r\n\r\n",
            key.trim()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        body.to_owned()
    }

    /// A call with a JSON body and an API key, the admin key without one: status and answer.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        api_key: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        use std::io::Write as _;
        let admin = std::fs::read_to_string(self.home.path().join("admin.key")).unwrap();
        let (api_key, body) = (api_key.unwrap_or(admin.trim()), body.to_string());
        let address = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: test\r\nauthorization: Bearer {api_key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Asks it to stop and waits: the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        signal(self.pid(), "TERM");
        wait_for_end(self.child.take().unwrap())
    }

    /// Asks it to stop, and waits: the log tells why, if it was not in peace.
    pub(crate) fn stop_in_peace(mut self, what: &str) {
        signal(self.pid(), "TERM");
        let code = wait_for_end(self.child.take().unwrap());
        assert_eq!(code, 0, "{what}: {}", self.log());
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> i32 {
        wait_for_end(self.child.take().unwrap())
    }

    /// Pulls the plug.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A failed test leaves it behind; it may have ended by itself.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}
