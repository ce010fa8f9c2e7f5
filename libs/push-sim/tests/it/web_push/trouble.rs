//! Scripted faults over HTTP/2, which may be for the push services alone.

use push_sim::{
    Action, AnswerFate, Fault, FaultFilter, FaultKind, Gateway, GoawayDebug, Host, ReceivedFilter,
    Settings, WebPushService,
};

use super::sender::Scene;
use crate::support::{Peer, Push, Reply, V1_TOKEN, finish, soon};

fn answer(status: u16) -> FaultKind {
    FaultKind::Answer {
        status,
        reason: None,
        timestamp_ms: None,
        retry_after_secs: None,
        body: None,
    }
}

fn only(gateway: Gateway, kind: FaultKind) -> Fault {
    Fault {
        only: FaultFilter {
            gateway: Some(gateway),
            ..FaultFilter::default()
        },
        ..kind.into()
    }
}

#[tokio::test]
async fn a_fault_can_be_for_one_gateway_service_or_subscription() {
    let scene = Scene::new(WebPushService::Mozilla);
    let mut peer = scene.connect().await;
    let mut apple = Peer::connect(&scene.sim).await;
    let apns = || Push::v2().with("authorization", &format!("bearer {V1_TOKEN}"));
    let filters = [
        FaultFilter {
            gateway: Some(Gateway::WebPush),
            ..FaultFilter::default()
        },
        FaultFilter {
            host: Some(Host::WebPush),
            ..FaultFilter::default()
        },
        FaultFilter {
            app: Some("mozilla".into()),
            ..FaultFilter::default()
        },
        FaultFilter {
            push_token: Some(scene.view().push_token),
            ..FaultFilter::default()
        },
    ];
    for only in filters {
        let fault = Fault {
            only: only.clone(),
            ..answer(500).into()
        };
        let id = scene.sim.add_fault(fault).unwrap();
        assert_ne!(apple.push(&apns()).await.status, 500, "{only:?}");
        assert_eq!(peer.push(&scene.push("x")).await.status, 500, "{only:?}");
        assert_eq!(scene.sim.remove_fault(id).unwrap().hits, 1);
    }
    let fault = only(Gateway::Apns, answer(500));
    scene.sim.add_fault(fault).unwrap();
    assert_eq!(apple.push(&apns()).await.status, 500);
    assert_eq!(peer.push(&scene.push("x")).await.status, 201);
    let environment = FaultFilter {
        environment: Some(push_sim::Environment::Production),
        ..FaultFilter::default()
    };
    let fault = Fault {
        only: environment,
        ..answer(500).into()
    };
    scene.sim.add_fault(fault).unwrap();
    let reply = peer.push(&scene.push("x")).await;
    assert_eq!(reply.status, 201, "only Apple's hosts have environments");
}

#[tokio::test]
async fn scripted_answers_speak_like_the_service() {
    let text = |reply: &Reply| String::from_utf8(reply.body.to_vec()).unwrap();
    for service in WebPushService::ALL {
        let scene = Scene::new(service);
        let mut peer = scene.connect().await;
        for (status, errno) in [(404, 102), (410, 106), (429, 201), (500, 999)] {
            let id = scene.sim.add_fault(answer(status)).unwrap();
            let reply = peer.push(&scene.push("x")).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("location"), None);
            match service {
                WebPushService::Mozilla => assert_eq!(reply.json()["errno"], errno),
                WebPushService::Apple | WebPushService::Wns => assert_eq!(text(&reply), ""),
                WebPushService::Fcm => assert!(!text(&reply).is_empty()),
            }
            scene.sim.remove_fault(id);
        }
        let named = FaultKind::Answer {
            status: 503,
            reason: Some("ServiceUnavailable".into()),
            timestamp_ms: None,
            retry_after_secs: Some(5),
            body: None,
        };
        scene.sim.add_fault(named).unwrap();
        let reply = peer.push(&scene.push("x")).await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("5"))
        );
        let told = match service {
            WebPushService::Wns => reply.header("x-wns-error-description").unwrap().to_owned(),
            _ => text(&reply),
        };
        assert!(told.contains("ServiceUnavailable"), "{service}: {told}");
        assert!(scene.titles().is_empty());
        scene.sim.clear_faults();
        let id = scene.sim.add_fault(answer(202)).unwrap();
        assert_eq!(peer.push(&scene.push("x")).await.status, 202);
        assert_eq!(scene.sim.remove_fault(id).unwrap().hits, 1);
        assert_eq!(scene.titles(), ["x"], "a success delivers");
    }
}

#[tokio::test]
async fn answers_that_never_come() {
    let scene = Scene::new(WebPushService::Apple);
    for (kind, is_shown) in [
        (FaultKind::RefuseStream, false),
        (
            FaultKind::ResetStream {
                code: 8,
                processed: true,
            },
            true,
        ),
        (
            FaultKind::CloseAfterBody {
                processed: true,
                reset: false,
            },
            true,
        ),
        (FaultKind::CutAnswer { status: 201 }, false),
    ] {
        let before = scene.titles().len();
        let id = scene.sim.add_fault(kind.clone()).unwrap();
        let mut peer = scene.connect().await;
        assert!(peer.try_push(&scene.push("x")).await.is_err(), "{kind:?}");
        assert_eq!(
            scene.titles().len() - before,
            usize::from(is_shown),
            "{kind:?}"
        );
        assert_eq!(scene.sim.remove_fault(id).unwrap().hits, 1);
    }
    // A request that a GOAWAY excludes was not processed.
    let goaway = FaultKind::Goaway {
        debug: GoawayDebug::Json("Shutdown".into()),
        code: 0,
        before_this: true,
        then: push_sim::AfterGoaway::Close,
    };
    scene.sim.add_fault(goaway).unwrap();
    let mut peer = scene.connect().await;
    let error = peer.try_push(&scene.push("x")).await.unwrap_err();
    assert!(error.is_go_away(), "{error:?}");
    assert_eq!(scene.titles().len(), 2);
}

#[tokio::test]
async fn what_is_done_to_live_connections_can_be_for_one_gateway() {
    let scene = Scene::new(WebPushService::Mozilla);
    let delay = FaultKind::Delay {
        ms: 60_000,
        jitter_ms: 0,
    };
    scene.sim.add_fault(delay).unwrap();
    let mut peer = scene.connect().await;
    let mut apple = Peer::connect(&scene.sim).await;
    let waiting = peer.open(&scene.push("x")).unwrap();
    let apples = apple.open(&Push::v2()).unwrap();
    let arrived = async {
        while scene
            .sim
            .connections()
            .iter()
            .map(|one| one.in_flight)
            .sum::<u32>()
            < 2
            || scene.sim.received_count() < 2
        {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    let ours = FaultFilter {
        gateway: Some(Gateway::WebPush),
        ..FaultFilter::default()
    };
    let fail = Action::FailInFlight {
        status: 503,
        reason: None,
    };
    let report = scene.sim.act(&fail, &ours);
    assert_eq!((report.connections, report.requests_in_flight), (1, 1));
    assert_eq!(soon(finish(waiting)).await.unwrap().status, 503);
    let page = scene.sim.received(&ReceivedFilter {
        answer: Some(AnswerFate::Pending),
        ..ReceivedFilter::default()
    });
    assert_eq!(page.received.len(), 1);
    assert_eq!(page.received[0].gateway, Gateway::Apns);
    drop(apples);

    // Provider tokens are Apple's alone.
    let report = scene.sim.act(&Action::ExpireProviderTokens, &ours);
    assert_eq!(report.connections, 0);
    let view = scene.sim.connections();
    let ours = view.iter().find(|one| one.host == Host::WebPush).unwrap();
    assert_eq!(ours.stream_limit, Settings::default().web_push.max_streams);
}
