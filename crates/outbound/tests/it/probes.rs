//! Checks against scripted places on the loopback: honest ones, and those that do what no check likes.

use std::net::SocketAddr;
use std::sync::Arc;

use carillon_model::monitor::{CheckResult, FaultKind, MonitorDefinition, MonitorPlan, Verdict};
use carillon_outbound::{ProbeConfig, Prober};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::receiver::{Receiver, Script, answer};
use crate::rig::{Names, watched};

const NOW: i64 = 1_790_000_000_000;

fn plan(check: Value, with: Value) -> MonitorPlan {
    let mut body = json!({"check": check, "private_target": true});
    for (name, value) in with.as_object().unwrap() {
        body[name] = value.clone();
    }
    let definition: MonitorDefinition = serde_json::from_value(body).unwrap();
    definition.plan().unwrap()
}

fn own(receiver: Option<&Receiver>) -> ProbeConfig {
    let config = ProbeConfig {
        extra_ca_pem: receiver.map_or_else(Vec::new, |receiver| receiver.ca_pem.clone().into()),
        ..ProbeConfig::default()
    };
    config.allow_private(["127.0.0.1"]).unwrap()
}

async fn probe(config: ProbeConfig, check: Value) -> CheckResult {
    probe_with(config, check, json!({})).await
}

async fn probe_with(config: ProbeConfig, check: Value, with: Value) -> CheckResult {
    let prober = Prober::new(config).unwrap();
    prober.probe(&plan(check, with), NOW, 7).await
}

/// Kind and sentence of what was wrong.
#[track_caller]
fn fault(result: &CheckResult) -> (Verdict, FaultKind, &str) {
    let fault = result.fault.as_ref().expect("something is wrong");
    assert!(!fault.message.contains("SECRET"), "{}", fault.message);
    (result.verdict, fault.kind, &fault.message)
}

#[tokio::test]
async fn a_request_is_what_the_check_says_and_its_answer_is_judged() {
    watched(async {
        let script = answer(202, "x-version: v12\r\n", r#"{"status":"ok"}"#);
        let receiver = Receiver::tls(script).await;
        let check = json!({"http": {
            "url": receiver.url("https", "127.0.0.1"), "method": "POST",
            "headers": {"Authorization": "Bearer x"}, "body": "{}",
            "expect": {
                "status": [202], "headers": {"x-version": {"contains": "v12"}},
                "json": [{"pointer": "/status", "equals": "ok"}], "certificate_days": 14
            }
        }});
        let result = probe(own(Some(&receiver)), check).await;
        assert_eq!((result.verdict, &result.fault), (Verdict::Up, &None));
        assert!(result.certificate_until.unwrap() > NOW && result.elapsed_ms.is_some());
        let seen = receiver.seen();
        assert_eq!(seen[0].line, "POST /hooks/SECRET?x=1 HTTP/1.1");
        assert_eq!(
            seen[0].header("host"),
            format!("127.0.0.1:{}", receiver.port)
        );
        assert_eq!(seen[0].header("authorization"), "Bearer x");
        assert_eq!(seen[0].header("connection"), "close");
        assert!(seen[0].header("user-agent").ends_with("(monitor)"));
        assert_eq!(seen[0].body, b"{}");

        let receiver = Receiver::plain(answer(500, "", "out of memory")).await;
        let url = receiver.url("http", "127.0.0.1");
        let result = probe(own(None), json!({"http": {"url": url}})).await;
        let expected = (Verdict::Down, FaultKind::Status, "status 500, expected 2xx");
        assert_eq!(fault(&result), expected);
        assert_eq!(receiver.seen()[0].line, "GET /hooks/SECRET?x=1 HTTP/1.1");
    })
    .await;
}

#[tokio::test]
async fn certificates_that_do_not_hold_and_that_end_soon_are_answers_of_their_own() {
    watched(async {
        let receiver = Receiver::tls(answer(200, "", "")).await;
        let url = receiver.url("https", "127.0.0.1");
        let stranger = probe(own(None), json!({"http": {"url": url}})).await;
        let (verdict, kind, message) = fault(&stranger);
        assert_eq!((verdict, kind), (Verdict::Down, FaultKind::Certificate));
        assert!(message.contains("not trusted"), "{message}");

        let other = Receiver::tls_for(&["other.example"], answer(200, "", "")).await;
        let check = json!({"tls": {"host": "127.0.0.1", "port": other.port}});
        let result = probe(own(Some(&other)), check).await;
        let (_, kind, message) = fault(&result);
        assert_eq!(kind, FaultKind::Certificate);
        assert!(message.contains("other names"), "{message}");
        let named = json!({"tls": {"host": "127.0.0.1", "port": other.port, "server_name": "other.example"}});
        assert_eq!(probe(own(Some(&other)), named.clone()).await.verdict, Verdict::Up);

        // The same certificate, three days before it ends.
        let until = probe(own(Some(&other)), named).await.certificate_until.unwrap();
        let mut soon = json!({"tls": {"host": "127.0.0.1", "port": other.port, "server_name": "other.example"}});
        soon["tls"]["certificate_days"] = json!(14);
        let prober = Prober::new(own(Some(&other))).unwrap();
        let plan = plan(soon, json!({}));
        let result = prober.probe(&plan, until - 3 * 86_400_000 - 1, 7).await;
        let (_, kind, message) = fault(&result);
        assert_eq!(kind, FaultKind::CertificateEnds);
        assert!(message.contains("in 3 days"), "{message}");
    })
    .await;
}

#[tokio::test]
async fn what_speaks_no_tls_is_told_apart_from_a_certificate() {
    watched(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read_u8().await;
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            }
        });
        for check in [
            json!({"tls": {"host": "127.0.0.1", "port": port}}),
            json!({"http": {"url": format!("https://127.0.0.1:{port}/SECRET")}}),
        ] {
            let result = probe(own(None), check).await;
            let (verdict, kind, message) = fault(&result);
            assert_eq!(
                (verdict, kind),
                (Verdict::Down, FaultKind::Tls),
                "{message}"
            );
            assert!(message.contains("did not come about"), "{message}");
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_without_end_are_cut_and_slow_answers_end() {
    watched(async {
        let endless = Receiver::plain(Script::SayFirstThenForever(
            "HTTP/1.1 200 OK\r\n\r\nready",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        ))
        .await;
        let url = endless.url("http", "127.0.0.1");
        let check = json!({"http": {"url": url, "expect": {"body": {"contains": "ready"}}}});
        assert_eq!(probe(own(None), check).await.verdict, Verdict::Up);
        endless.left.acquire().await.unwrap().forget();
        let check = json!({"http": {"url": url, "expect": {"json": [{"pointer": "/a"}]}}});
        let result = probe(own(None), check).await;
        let (_, kind, message) = fault(&result);
        assert!(
            kind == FaultKind::Json && message.contains("262144 bytes"),
            "{message}"
        );

        for says in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        ] {
            let slow = Receiver::plain(Script::SayAndStall(says)).await;
            let check = json!({"http": {"url": slow.url("http", "127.0.0.1")}});
            let result = probe_with(own(None), check, json!({"timeout": "200ms"})).await;
            let (verdict, kind, message) = fault(&result);
            assert_eq!(
                (verdict, kind),
                (Verdict::Down, FaultKind::Timeout),
                "{message}"
            );
            assert!(message.ends_with("within 0.2 s"), "{message}");
            slow.left.acquire().await.unwrap().forget();
        }
    })
    .await;
}

#[tokio::test]
async fn what_takes_long_to_judge_is_judged_aside_and_in_time() {
    watched(async {
        let long = Receiver::plain(answer(200, "", &"x".repeat(4_000))).await;
        let short = Receiver::plain(answer(200, "", "xxx")).await;
        let check = |of: &Receiver, rule: Value| {
            json!({"http": {"url": of.url("http", "127.0.0.1"), "expect": {"body": rule}}})
        };
        let nobody = || ProbeConfig {
            judges: 0,
            ..own(None)
        };
        let pattern = json!({"matches": "^x+$"});
        let soon = json!({"timeout": "200ms"});
        let result = probe_with(nobody(), check(&long, pattern.clone()), soon).await;
        let (verdict, kind, message) = fault(&result);
        assert_eq!(
            (verdict, kind),
            (Verdict::Unknown, FaultKind::Pattern),
            "{message}"
        );
        assert!(message.contains("took too long"), "{message}");
        // What takes no time waits for nobody.
        for check in [
            check(&long, json!({"contains": "xxx"})),
            check(&short, pattern.clone()),
        ] {
            assert_eq!(probe(nobody(), check).await.verdict, Verdict::Up);
        }
        let found = probe(own(None), check(&long, pattern)).await;
        assert_eq!((found.verdict, found.fault), (Verdict::Up, None));
        let other = probe(own(None), check(&long, json!({"matches": "^y"}))).await;
        assert_eq!(fault(&other).1, FaultKind::Body);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_and_who_is_not_there() {
    watched(async {
        for script in [
            Script::HangUp,
            Script::Say("+OK POP3 server ready\r\n\r\n".into()),
            Script::SayFirstThenForever(
                "HTTP/1.1 200 OK\r\nx: ",
                "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
            ),
        ] {
            let receiver = Receiver::plain(script.clone()).await;
            let url = receiver.url("http", "127.0.0.1");
            let result = probe(own(None), json!({"http": {"url": url}})).await;
            let (verdict, kind, message) = fault(&result);
            assert_eq!(
                (verdict, kind),
                (Verdict::Down, FaultKind::Exchange),
                "{script:?}: {message}"
            );
        }
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        let tcp = json!({"tcp": {"host": "127.0.0.1", "port": port}});
        assert_eq!(probe(own(None), tcp.clone()).await.verdict, Verdict::Up);
        drop(free);
        let result = probe(own(None), tcp).await;
        let (verdict, kind, message) = fault(&result);
        assert_eq!((verdict, kind), (Verdict::Down, FaultKind::Connect));
        assert!(
            message.starts_with(&format!("127.0.0.1:{port} could not be connected to: ")),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn redirects_end_and_secrets_stay_where_they_belong() {
    watched(async {
        let end = Receiver::plain(answer(200, "", "there")).await;
        let to = format!("location: http://127.0.0.1:{}/end\r\n", end.port);
        let first = Receiver::plain(answer(302, &to, "")).await;
        let url = first.url("http", "127.0.0.1");
        let mut check = json!({"http": {"url": url, "headers": {"x-secret": "s"}}});
        let result = probe(own(None), check.clone()).await;
        assert_eq!(
            fault(&result).2,
            "status 302, expected 2xx",
            "none are followed unless it says so"
        );
        check["http"]["redirects"] = json!(1);
        check["http"]["expect"] = json!({"body": {"contains": "there"}});
        assert_eq!(probe(own(None), check.clone()).await.verdict, Verdict::Up);
        assert_eq!(first.seen()[1].header("x-secret"), "s");
        let seen = end.seen();
        assert_eq!(
            (seen[0].line.as_str(), seen[0].header("x-secret")),
            ("GET /end HTTP/1.1", "")
        );

        let circle = Receiver::plain(answer(301, "location: /hooks/SECRET?x=1\r\n", "")).await;
        check["http"]["url"] = json!(circle.url("http", "127.0.0.1"));
        check["http"]["redirects"] = json!(5);
        let result = probe(own(None), check.clone()).await;
        let (_, kind, message) = fault(&result);
        assert!(
            kind == FaultKind::Redirects && message.contains("leads back"),
            "{message}"
        );
        assert_eq!(circle.seen().len(), 1);

        // Longer each time, so that it never comes back.
        let growing = Receiver::plain(answer(307, "location: more/SECRET\r\n", "")).await;
        check["http"]["url"] = json!(growing.url("http", "127.0.0.1"));
        let result = probe(own(None), check.clone()).await;
        let (_, kind, message) = fault(&result);
        assert!(
            kind == FaultKind::Redirects && message.contains("more than 5 redirects"),
            "{message}"
        );
        assert_eq!(growing.seen().len(), 6);

        let file = Receiver::plain(answer(302, "location: file:///etc/passwd\r\n", "")).await;
        check["http"]["url"] = json!(file.url("http", "127.0.0.1"));
        let result = probe(own(None), check).await;
        assert!(fault(&result).2.contains("file://"));
    })
    .await;
}

#[tokio::test]
async fn the_guard_is_asked_of_every_place() {
    watched(async {
        let receiver = Receiver::plain(answer(200, "", "")).await;
        let url = receiver.url("http", "127.0.0.1");
        let http = json!({"http": {"url": url}});
        let tcp = json!({"tcp": {"host": "127.0.0.1", "port": receiver.port}});
        let icmp = json!({"icmp": {"host": "127.0.0.1"}});
        let dns = json!({"dns": {"name": "a.example", "server": "127.0.0.1"}});
        for check in [http.clone(), tcp.clone(), icmp, dns] {
            // The configuration lets it through, and the monitor does not say that it is private; and the other way round.
            for (config, is_private) in [(own(None), false), (ProbeConfig::default(), true)] {
                let with = json!({"private_target": is_private});
                let result = probe_with(config.clone(), check.clone(), with.clone()).await;
                let (verdict, kind, message) = fault(&result);
                assert_eq!(
                    (verdict, kind),
                    (Verdict::Unknown, FaultKind::Refused),
                    "{check}"
                );
                assert!(message.contains("loopback"), "{message}");
                let refused = Prober::new(config)
                    .unwrap()
                    .check(&plan(check.clone(), with));
                assert!(
                    refused.is_err_and(|why| why.contains("loopback")),
                    "{check}"
                );
            }
        }
        // A name that leads inside, and a redirect that does.
        let inside = ProbeConfig {
            lookup: Names::new(&[&["127.0.0.1"]]),
            ..ProbeConfig::default()
        };
        let named = json!({"http": {"url": format!("http://rebound.example:{}/", receiver.port)}});
        let result = probe_with(inside, named, json!({"private_target": false})).await;
        assert_eq!(fault(&result).1, FaultKind::Refused);
        assert_eq!(receiver.connections(), 0);
        let leads = Receiver::plain(answer(302, "location: http://127.0.0.2/\r\n", "")).await;
        let check = json!({"http": {"url": leads.url("http", "127.0.0.1"), "redirects": 3}});
        let result = probe(own(None), check).await;
        let (verdict, _, message) = fault(&result);
        assert!(
            verdict == Verdict::Unknown && message.contains("127.0.0.2"),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn names_are_looked_up_and_those_without_an_address_are_down() {
    watched(async {
        let receiver = Receiver::plain(answer(200, "", "")).await;
        let config = |answers: &[&[&str]]| ProbeConfig {
            lookup: Names::new(answers),
            ..own(None)
        };
        let check = json!({"tcp": {"host": "db.example", "port": receiver.port}});
        // The guard takes out the first address.
        let found = probe(config(&[&["127.0.0.2", "127.0.0.1"]]), check.clone()).await;
        assert_eq!(found.verdict, Verdict::Up);
        for nobody in [config(&[]), config(&[&[]])] {
            let result = probe(nobody, check.clone()).await;
            let (verdict, kind, message) = fault(&result);
            assert_eq!((verdict, kind), (Verdict::Down, FaultKind::Resolve));
            assert!(message.contains("db.example was not found"), "{message}");
        }
    })
    .await;
}

/// A name server that answers each question by what `says` makes of it.
async fn name_server(says: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    serve_names(UdpSocket::bind("127.0.0.1:0").await.unwrap(), says)
}

fn serve_names(socket: UdpSocket, says: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let _ = socket.send_to(&says(&question[..length]), from).await;
        }
    });
    address
}

/// The answer to a question, with these flags and addresses.
fn records(question: &[u8], flags: [u8; 2], addresses: &[[u8; 4]]) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 1;
    let mut message = question[..2].to_vec();
    message.extend(flags);
    message.extend([0, 1, 0, u8::try_from(addresses.len()).unwrap(), 0, 0, 0, 0]);
    message.extend(&question[12..name_end + 4]);
    for address in addresses {
        message.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(address);
    }
    message
}

#[tokio::test]
async fn name_servers_are_asked() {
    watched(async {
        let check = |server: SocketAddr| {
            json!({"dns": {"name": "shop.example.com", "server": server.to_string(), "expect": ["192.0.2.1"]}})
        };
        let good = name_server(|question| records(question, [0x81, 0x80], &[[192, 0, 2, 1]])).await;
        assert_eq!(probe(own(None), check(good)).await.verdict, Verdict::Up);
        let other = name_server(|question| records(question, [0x81, 0x80], &[[17, 1, 2, 3]])).await;
        let result = probe(own(None), check(other)).await;
        let (_, kind, message) = fault(&result);
        assert!(kind == FaultKind::Records && message.contains("found 17.1.2.3"), "{message}");
        for (code, part) in [(3, "no record of type A"), (2, "SERVFAIL"), (5, "REFUSED")] {
            let server = name_server(move |question| records(question, [0x81, 0x80 | code], &[])).await;
            let result = probe(own(None), check(server)).await;
            assert!(fault(&result).2.contains(part), "{}", fault(&result).2);
        }
        // One that answers another question is not heard, and time ends.
        let liar = name_server(|question| {
            let mut answer = records(question, [0x81, 0x80], &[[192, 0, 2, 1]]);
            answer[1] ^= 1;
            answer
        })
        .await;
        let result = probe_with(own(None), check(liar), json!({"timeout": "200ms"})).await;
        assert_eq!(fault(&result).1, FaultKind::Timeout);
        // This machine's own, where one is known.
        let unnamed = json!({"dns": {"name": "shop.example.com"}});
        let result = probe(own(None), unnamed.clone()).await;
        assert_eq!(fault(&result).0, Verdict::Unknown);
        let config = ProbeConfig {
            name_servers: vec![good],
            ..ProbeConfig::default()
        };
        assert_eq!(probe(config, unnamed).await.verdict, Verdict::Up);
    })
    .await;
}

#[tokio::test]
async fn what_this_machines_name_server_knows_of_the_inside_is_not_told() {
    watched(async {
        let inside =
            name_server(|question| records(question, [0x81, 0x80], &[[10, 1, 2, 3]])).await;
        let asking = |server| ProbeConfig {
            name_servers: vec![server],
            ..ProbeConfig::default()
        };
        let check = |expect: &str| json!({"dns": {"name": "db.example.com", "expect": [expect]}});
        let public = json!({"private_target": false});
        let result = probe_with(asking(inside), check("17.1.2.3"), public.clone()).await;
        let (verdict, kind, message) = fault(&result);
        assert_eq!((verdict, kind), (Verdict::Down, FaultKind::Records));
        assert!(message.contains("monitors.allow_private"), "{message}");
        assert!(!message.contains("10.1.2.3"), "{message}");
        // Whoever knows it may watch it.
        let known = probe_with(asking(inside), check("10.1.2.3"), public.clone()).await;
        assert_eq!(known.verdict, Verdict::Up);
        // Where both let it through it is told.
        let allowed = asking(inside).allow_private(["10.1.0.0/16"]).unwrap();
        for (is_private, is_told) in [(true, true), (false, false)] {
            let with = json!({"private_target": is_private});
            let result = probe_with(allowed.clone(), check("17.1.2.3"), with).await;
            let message = fault(&result).2;
            assert_eq!(message.contains("found 10.1.2.3"), is_told, "{message}");
        }
        // Nor where it is itself.
        let refuses = name_server(|question| records(question, [0x81, 0x85], &[])).await;
        let result = probe_with(asking(refuses), check("17.1.2.3"), public).await;
        let message = fault(&result).2;
        assert!(
            message.starts_with("this machine's name server answers REFUSED"),
            "{message}"
        );
    })
    .await;
}

/// One port for UDP and TCP; what is free for the one may be taken for the other.
async fn both_ways() -> (UdpSocket, TcpListener) {
    for _ in 0..20 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
            return (socket, listener);
        }
    }
    panic!("no port is free for UDP and TCP");
}

#[tokio::test]
async fn what_does_not_fit_is_asked_for_again_by_tcp() {
    watched(async {
        let (socket, listener) = both_ways().await;
        let cut = serve_names(socket, |question| records(question, [0x83, 0x80], &[]));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.unwrap();
            let answer = records(&question, [0x81, 0x80], &[[192, 0, 2, 1]; 9]);
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        });
        let check = json!({"dns": {"name": "a.example", "server": cut.to_string(), "expect": ["192.0.2.1"], "exactly": true}});
        assert_eq!(probe(own(None), check).await.fault, None);
    })
    .await;
}

#[tokio::test]
async fn an_echo_comes_back_or_this_machine_may_not_ask() {
    watched(async {
        let may = socket2::Socket::new(
            socket2::Domain::IPV4,
            socket2::Type::DGRAM,
            Some(socket2::Protocol::ICMPV4),
        );
        let result = probe(own(None), json!({"icmp": {"host": "127.0.0.1"}})).await;
        match may {
            Ok(_) => assert_eq!((result.verdict, result.fault), (Verdict::Up, None)),
            Err(_) => {
                let (verdict, kind, message) = fault(&result);
                assert_eq!((verdict, kind), (Verdict::Unknown, FaultKind::Refused));
                assert!(message.contains("ping_group_range"), "{message}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn one_prober_makes_many_checks_at_once() {
    watched(async {
        let receiver = Receiver::plain(answer(200, "", "ok")).await;
        let prober = Prober::new(own(None)).unwrap();
        let check = json!({"http": {"url": receiver.url("http", "127.0.0.1")}});
        let plan = Arc::new(plan(check, json!({})));
        let mut checks = tokio::task::JoinSet::new();
        for dice in 0..50 {
            let (prober, plan) = (prober.clone(), Arc::clone(&plan));
            checks.spawn(async move { prober.probe(&plan, NOW, dice).await.verdict });
        }
        let verdicts = checks.join_all().await;
        assert_eq!(verdicts, vec![Verdict::Up; 50]);
        assert_eq!(receiver.connections(), 50);
    })
    .await;
}
