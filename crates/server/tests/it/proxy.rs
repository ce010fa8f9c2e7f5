//! Reaching Apple through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6).

use crate::support::{BUNDLE_ID, Home, until};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// `user` and `open sesame`, as Basic authentication (RFC 7617) writes them.
const LETS_IN: &str = "Proxy-Authorization: Basic dXNlcjpvcGVuIHNlc2FtZQ==";
const PASSWORD: &str = "open sesame";

/// A proxy that lets in who knows the password. Its threads end with the connections.
struct Proxy {
    address: SocketAddr,
    /// Heads of the requests that it was sent.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let heads = Arc::clone(&heads);
                std::thread::spawn(move || pass_on(client, &heads));
            }
        });
        Self { address, asked }
    }
}

/// Does what a request asks; whoever breaks off ends it.
fn pass_on(client: TcpStream, heads: &Mutex<Vec<String>>) -> Option<()> {
    let mut from_client = BufReader::new(client.try_clone().ok()?);
    let mut to_client = client;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from_client.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    heads.lock().unwrap().push(head.clone());
    if !head.contains(LETS_IN) {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return to_client.write_all(refusal.as_bytes()).ok();
    }
    let target = head.strip_prefix("CONNECT ")?.split_whitespace().next()?;
    let mut to_target = TcpStream::connect(target).ok()?;
    let mut from_target = to_target.try_clone().ok()?;
    to_client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_target, &mut to_client);
        let _ = to_client.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut from_client, &mut to_target);
    to_target.shutdown(std::net::Shutdown::Both).ok()
}

#[test]
fn pushes_go_through_the_proxy_and_a_wrong_password_is_named() {
    let proxy = Proxy::start();
    let mut home = Home::new();
    home.set("APNS__PROXY", proxy.address.to_string());
    home.set("APNS__PROXY_USER", "user");
    home.set("APNS__PROXY_PASSWORD", "wrong");
    home.set("APNS__BACKOFF_MIN", "50ms");
    home.set("LOG__LEVEL", "debug");
    let server = home.serve();
    server.set_up(&home.phones(1));
    server.json(&["send", "shop", "--device", "phone-1", "--body", "hello"]);
    until("the proxy's refusal in the status", || {
        server.get("/v1/status").contains("407")
    });
    assert_eq!(home.simulator.counters().requests, 0);
    assert_eq!(server.stop(), 0);

    home.set("APNS__PROXY_PASSWORD", PASSWORD);
    proxy.asked.lock().unwrap().clear();
    let server = home.serve();
    assert_eq!(server.settle()["accepted"], 1, "what waited is sent");
    server.json(&["credential", "probe", "shop", "apple"]);
    let log = server.log();
    assert!(
        !log.contains(PASSWORD) && !log.contains("dXNlcjpvcGVu"),
        "{log}"
    );
    assert_eq!(server.stop(), 0);

    let asked = proxy.asked.lock().unwrap();
    let production = home.simulator.addresses().production.device;
    let head = format!("CONNECT {production} HTTP/1.1\r\nHost: {production}\r\n");
    assert!(
        asked.iter().any(|asked| asked.starts_with(&head)),
        "{asked:?}"
    );
    let received = home
        .simulator
        .received(&push_sim::ReceivedFilter::default());
    let through: std::collections::BTreeSet<_> = received
        .received
        .iter()
        .inspect(|push| assert_eq!(push.topic, BUNDLE_ID))
        .map(|push| push.connection)
        .collect();
    assert!(
        !through.is_empty() && through.len() <= asked.len(),
        "no connection past the proxy: {through:?}, {asked:?}"
    );
}
