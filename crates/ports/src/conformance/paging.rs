//! Who is paged by a monitor, on which devices, and how often those were rung.

use super::watching::{made, next, opened, paged, read, step, write};
use super::{Fixture, Subject, T0, address, nobody, registration, some_delivery};
use crate::store::{Retirement, Settlement};
use crate::watch::{PagePhone, RingChange, StoredWatch, WatchClaim};
use carillon_model::device::PushTokenRegistration;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::DeviceNo;
use carillon_model::lane::{Gateway, Lane};
use carillon_model::monitor::{CALL_SCREEN, PageHow, PhoneFacts, RingRules, Rings};
use carillon_model::push_type::TokenKind;

fn rung(rings: &Rings) -> Rings {
    let facts = PhoneFacts {
        has_call_screen: true,
        has_voip_token: true,
        has_alert_token: true,
    };
    let mut now = rings.clone();
    let how = now.page(PageHow::Ring, facts, &RingRules::default(), T0);
    assert_eq!(how, (PageHow::Ring, None));
    now
}

/// Step, pages and rings are all there or none is; a device that another monitor has rung meanwhile is read anew.
pub async fn what_a_monitor_pages_is_its_step(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 2).await;
    let (a, b) = (made(&f, "a").await, made(&f, "b").await);
    let ring = |was: &Rings| RingChange {
        device: devices[0],
        was: was.clone(),
        now: rung(was),
    };
    let page = |of: &StoredWatch, no: u32, was: &Rings| {
        let item = f.notification(&devices, 2, false);
        let number = item.no;
        let mut step = step(&f, of.monitor, WatchClaim::Known(of.fence));
        step.entries = vec![opened(no, T0), paged(no, T0)];
        (step.rings, step.pages) = (vec![ring(was)], vec![(no, item)]);
        (number, step)
    };
    let none = Rings::default();
    let (first, one) = page(&a, 1, &none);
    let (second, two) = page(&b, 7, &none);
    let answers = f.hot.step_watches(vec![one, two]).await.unwrap();
    assert_eq!(answers, [true, false], "its device is rung by the other");
    assert_eq!(
        f.hot.incident_of(first).await.unwrap(),
        Some((a.monitor, 1))
    );
    assert_eq!(f.hot.incident_of(second).await.unwrap(), None);
    assert!(f.hot.notification(f.app, second).await.unwrap().is_none());
    assert_eq!(f.hot.incident(b.monitor, 7).await.unwrap(), None);
    assert_eq!(read(&f, b.monitor).await, b);
    assert_eq!(f.view(first).await.deliveries, 2);
    assert_eq!(f.claim(T0).await.len(), 1, "its work is due at once");
    // Read anew, it is rung again; and both in one go where the second knows of the first.
    let rings = async || {
        let users = vec!["u0".to_owned()];
        let phones = f.hot.page_phones(f.app, users, 9).await.unwrap();
        phones[0].rings.clone()
    };
    assert_eq!(rings().await, rung(&none));
    let (second, two) = page(&b, 7, &rings().await);
    let mut one = next(&f, a.monitor).await;
    one.rings = vec![ring(&two.rings[0].now)];
    let answers = f.hot.step_watches(vec![two, one]).await.unwrap();
    assert_eq!(answers, [true, true]);
    assert_eq!(
        f.hot.incident_of(second).await.unwrap(),
        Some((b.monitor, 7))
    );
    assert_eq!(rings().await, rung(&rung(&rung(&none))));
    // It is heard of, and goes with its device.
    let mut after = rings().await;
    after.heard_of();
    f.hot.heard_of(devices.clone()).await.unwrap();
    assert_eq!(rings().await, after);
    f.hot.heard_of(devices.clone()).await.unwrap();
    assert_eq!(rings().await, after);
    let deleted = f.registry.delete_device(f.app, "d0".into(), T0, nobody());
    assert!(deleted.await.unwrap());
    let mut third = next(&f, a.monitor).await;
    third.rings = vec![ring(&none)];
    assert!(write(&f, third).await, "nothing is left of its rings");
}

/// Who else rings a device has nothing to do with a device that nobody rang.
pub async fn devices_are_rung_apart(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 2).await;
    let (a, b) = (made(&f, "a").await, made(&f, "b").await);
    let ring = |device: DeviceNo| {
        let was = Rings::default();
        let now = rung(&was);
        RingChange { device, was, now }
    };
    let mut one = step(&f, a.monitor, WatchClaim::Known(a.fence));
    one.rings = vec![ring(devices[0])];
    let mut two = step(&f, b.monitor, WatchClaim::Known(b.fence));
    two.rings = vec![ring(devices[1])];
    let answers = f.hot.step_watches(vec![one, two]).await.unwrap();
    assert_eq!(answers, [true, true]);
    // Where one of a step's devices is not as it was read, the other is not rung either.
    let mut third = next(&f, a.monitor).await;
    let known = rung(&Rings::default());
    third.rings = vec![
        RingChange {
            device: devices[0],
            was: known.clone(),
            now: rung(&known),
        },
        ring(devices[1]),
    ];
    assert!(!write(&f, third).await);
    let rings = async || {
        let users = vec!["u0".to_owned(), "u1".to_owned()];
        let phones = f.hot.page_phones(f.app, users, 9).await.unwrap();
        phones.into_iter().map(|one| one.rings).collect::<Vec<_>>()
    };
    assert_eq!(rings().await, [known.clone(), known.clone()]);
    // One that is rung twice in a step goes on from its first ring.
    let twice = rung(&known);
    let mut fourth = next(&f, a.monitor).await;
    fourth.rings = [(&known, &twice), (&twice, &rung(&twice))]
        .map(|(was, now)| RingChange {
            device: devices[0],
            was: was.clone(),
            now: now.clone(),
        })
        .to_vec();
    assert!(write(&f, fourth).await);
    assert_eq!(rings().await, [rung(&twice), known]);
}

/// Where push tokens of [`phones_are_found_by_person`] are.
fn environment(kind: TokenKind) -> TokenEnvironment {
    match kind {
        TokenKind::Voip => TokenEnvironment::Sandbox,
        _ => TokenEnvironment::Production,
    }
}

/// Of each user those devices that were seen last, with what counts for how they are paged.
pub async fn phones_are_found_by_person(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let with = |id: &str, user: &str, kinds: &[(TokenKind, u64)], capabilities: &[&str]| {
        let mut device = registration(id, user, 0);
        let tokens = kinds.iter().map(|(kind, number)| {
            PushTokenRegistration::new(*kind, address(*number), environment(*kind))
        });
        device.push_tokens = tokens.collect();
        device.capabilities = capabilities.iter().map(|&name| name.to_owned()).collect();
        device
    };
    let both = [(TokenKind::Alert, 1), (TokenKind::Voip, 2)];
    let register = async |device, now| {
        let made = f.registry.register_devices(f.app, vec![device], now).await;
        made.unwrap().remove(0).no
    };
    let full = with("a-full", "ann", &both, &["other", CALL_SCREEN]);
    let full = register(full, T0 + 9).await;
    let bare = register(with("a-bare", "ann", &[], &["voip"]), T0).await;
    let two = [(TokenKind::WebPush, 5), (TokenKind::Fcm, 3)];
    let android = with("a-android", "ann", &two, &[]);
    let android = register(android, T0 + 5).await;
    let bob = with("b", "bob", &[(TokenKind::Voip, 4)], &[]);
    let bob = register(bob, T0).await;
    let find = async |users: &[&str], most| {
        let users = users.iter().map(|&user| user.to_owned()).collect();
        f.hot.page_phones(f.app, users, most).await.unwrap()
    };
    let lane = |kind: TokenKind| Lane {
        app: f.app,
        gateway: kind.gateway(),
        environment: environment(kind),
    };
    let expected = |device, id: &str, user: &str, facts: [bool; 2], at: &[Gateway]| PagePhone {
        device,
        id: id.into(),
        user: user.into(),
        has_call_screen: facts[0],
        ring_lane: facts[1].then(|| lane(TokenKind::Voip)),
        alert_lanes: at.iter().map(|at| lane(at.alert_kind())).collect(),
        rings: Rings::default(),
    };
    let of_ann = [
        expected(full, "a-full", "ann", [true, true], &[Gateway::Apns]),
        expected(bare, "a-bare", "ann", [false, false], &[]),
        expected(
            android,
            "a-android",
            "ann",
            [false, false],
            &Gateway::ALL[1..],
        ),
    ];
    let of_bob = expected(bob, "b", "bob", [false, true], &[]);
    assert_eq!(find(&["ann"], 9).await, of_ann);
    assert_eq!(
        find(&["bob", "eve", "ann"], 2).await,
        [of_bob, of_ann[0].clone(), of_ann[2].clone()]
    );
    // A push token that is dead reaches nobody, and an app may take back what it has declared.
    let dead = Settlement {
        retirements: vec![Retirement {
            app: f.app,
            delivery: some_delivery(),
            device: full,
            kind: TokenKind::Voip,
            generation: 1,
            since: None,
            reason: "BadDeviceToken".into(),
        }],
        now: T0,
        ..Settlement::default()
    };
    f.hot.settle(dead).await.unwrap();
    assert_eq!(
        find(&["ann"], 9).await[0],
        expected(full, "a-full", "ann", [true, false], &[Gateway::Apns])
    );
    register(with("a-full", "ann", &both, &[]), T0 + 10).await;
    let again = find(&["ann"], 9).await.remove(0);
    assert_eq!(
        again,
        expected(full, "a-full", "ann", [false, true], &[Gateway::Apns])
    );
}
