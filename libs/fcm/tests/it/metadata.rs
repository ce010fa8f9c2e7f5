//! Access tokens from a metadata server, over plain HTTP as in Google's cloud.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fcm::{AccessTokenErrorKind, AccessTokens, DefaultCredential, MetadataServer, Moment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::peer::watched;

/// A metadata server that gives these answers, one for each connection; an empty one closes without a word.
async fn serve(answers: &[&str]) -> (MetadataServer, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = MetadataServer::at("127.0.0.1", listener.local_addr().unwrap().port());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    tokio::spawn({
        let asked = asked.clone();
        async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut question = Vec::new();
                while !question.ends_with(b"\r\n\r\n") {
                    question.push(socket.read_u8().await.unwrap());
                }
                asked
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(question).unwrap());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (server, asked)
}

const GRANT: &str = "HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\nContent-Type: application/json\r\n\r\n{\"access_token\":\"ya29.vm\",\"expires_in\":3000,\"token_type\":\"Bearer\"}";

#[tokio::test]
async fn the_machine_is_asked_who_it_is() {
    watched(async {
        let name = "HTTP/1.0 200 OK\r\nMetadata-Flavor: Google\r\n\r\ndemo-proj\n";
        let (server, asked) = serve(&[name, GRANT]).await;
        let credential = DefaultCredential::Metadata(server);
        assert_eq!(credential.project_id().await.unwrap().as_str(), "demo-proj");
        let access_token = credential.into_tokens().get(Moment::now()).await.unwrap();
        assert_eq!(access_token.header_value(), "Bearer ya29.vm");
        let asked = asked.lock().unwrap();
        let question = "GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=https://www.googleapis.com/auth/firebase.messaging HTTP/1.0\r\nHost: 127.0.0.1\r\nMetadata-Flavor: Google\r\n\r\n";
        assert_eq!(asked[1], question);
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_a_refusal_is_not() {
    watched(async {
        let (server, asked) = serve(&["", "HTTP/1.1 200", GRANT]).await;
        AccessTokens::new(server).get(Moment::now()).await.unwrap();
        assert_eq!(asked.lock().unwrap().len(), 3);

        let missing = "HTTP/1.1 404 Not Found\r\nMetadata-Flavor: Google\r\n\r\n";
        let (server, asked) = serve(&[missing]).await;
        let error = AccessTokens::new(server)
            .get(Moment::now())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), AccessTokenErrorKind::Account);
        assert!(error.to_string().contains("no service account"), "{error}");
        assert_eq!(asked.lock().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn another_server_at_its_place_is_not_believed() {
    watched(async {
        let foreign = GRANT.replace("Metadata-Flavor: Google\r\n", "");
        let (server, _) = serve(&[&foreign]).await;
        let error = AccessTokens::new(server)
            .get(Moment::now())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), AccessTokenErrorKind::Unreachable);
        assert!(error.to_string().contains("something else"), "{error}");

        // Takes the connection and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let server = MetadataServer::at("127.0.0.1", port).timeout(Duration::from_millis(20));
        let error = server.project_id().await.unwrap_err();
        assert!(error.to_string().contains("no answer in time"), "{error}");
    })
    .await;
}
