//! Streams over a real connection: a client that sends everything before it reads anything.

use crate::world::{Setup, World};
use carillon_api::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const LINES: usize = 15_000;

/// Serves the API for as long as the test's runtime lives. Both ends have small buffers in the
/// kernel: those that grow could take a whole answer for a client that does not read.
async fn connect(world: &World) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16_384).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let address = listener.local_addr().unwrap();
    let router = world.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Many lines that are wrong: their results are large and cost the engine nothing.
fn request(world: &World) -> Vec<u8> {
    let body = "x\n".repeat(LINES);
    let head = format!(
        "POST /v1/apps/shop/notifications HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        world.admin,
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_send_everything_before_it_reads() {
    let world = World::furnished(Setup::default()).await;
    let mut connection = connect(&world).await;
    let talk = async {
        connection.write_all(&request(&world)).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(60), talk)
        .await
        .expect("nothing locks up");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(answer.ends_with(b"\r\n0\r\n\r\n"), "the answer is complete");
    let results = answer
        .windows(8)
        .filter(|window| window == b"{\"line\":")
        .count();
    assert_eq!(results, LINES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_given_up_and_sees_that_it_is_not_all() {
    let limits = Limits {
        result_bytes: 1_000,
        body_timeout: Duration::from_millis(100),
        streams: 1,
        ..Setup::default().limits
    };
    let world = World::furnished(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let mut connection = connect(&world).await;
    let talk = async {
        // The rest may find nobody who reads it.
        let _ = connection.write_all(&request(&world)).await;
        // Once the answer has begun the stream has its permit; looking takes nothing away.
        connection.peek(&mut [0]).await.unwrap();
        // The permit of the stream is free again: it was given up although nobody read.
        let again = || async {
            let body = "x\n".to_owned();
            let ask =
                crate::world::Ask::new(axum::http::Method::POST, "/v1/apps/shop/notifications");
            world
                .send(ask.body("application/x-ndjson", body))
                .await
                .status
                .as_u16()
        };
        while again().await == 503 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut answer = Vec::new();
        // A reset is as good as a cut.
        let _ = connection.read_to_end(&mut answer).await;
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(60), talk)
        .await
        .expect("it is given up");
    assert!(
        !answer.ends_with(b"\r\n0\r\n\r\n"),
        "{} bytes look complete",
        answer.len()
    );
}
