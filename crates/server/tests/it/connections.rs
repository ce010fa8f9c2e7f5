//! The bound on connections to the API.

use crate::support::{Home, PATIENCE, until};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

/// A connection that is kept open between requests.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn ask(&mut self) {
        let request = b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n";
        self.0.get_mut().write_all(request).unwrap();
    }

    fn hear(&mut self) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "closed: {head:?}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok())
            .unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
    }

    fn hears_nothing(&mut self) -> bool {
        let stream = self.0.get_mut();
        stream.set_nonblocking(true).unwrap();
        let heard = stream.read(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

#[test]
fn beyond_the_bound_new_connections_wait_and_the_others_go_on() {
    let mut home = Home::new();
    home.set("SERVER__CONNECTIONS", "2");
    let server = home.serve();
    let mut kept = [Kept::open(&server.url), Kept::open(&server.url)];
    for one in &mut kept {
        one.ask();
        one.hear();
    }
    let mut third = Kept::open(&server.url);
    third.ask();
    until("a warning", || server.log().contains("server.connections"));
    for _ in 0..100 {
        for one in &mut kept {
            one.ask();
            one.hear();
        }
    }
    assert!(third.hears_nothing(), "it is not within the bound");
    let [first, mut second] = kept;
    drop(first);
    third.hear();
    second.ask();
    second.hear();
    drop((second, third));
    assert_eq!(server.stop(), 0);
}

/// Otherwise a few clients who say nothing would keep everybody out.
#[test]
fn who_says_nothing_keeps_nobody_out() {
    let mut home = Home::new();
    home.set("SERVER__CONNECTIONS", "1");
    home.set("SERVER__HEADER_TIMEOUT", "300ms");
    let server = home.serve();
    for said in ["", "P", "GET /healthz HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n"] {
        let mut silent = Kept::open(&server.url);
        silent.0.get_mut().write_all(said.as_bytes()).unwrap();
        let mut next = Kept::open(&server.url);
        next.ask();
        next.hear();
    }
}
