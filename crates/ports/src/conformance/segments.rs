//! Segments: which devices an expression holds for.

use super::{Fixture, Subject, T0, registration};
use crate::campaign::NewCampaign;
use crate::receipt::NewReceipt;
use crate::segment::SegmentFilter;
use crate::store::NewNotification;
use carillon_model::UnixMs;
use carillon_model::expression::{Expression, Vocabulary};
use carillon_model::id::{AppNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::receipts::ReceiptKind;
use carillon_model::segment::{Estimate, Sampling};

const DAY: UnixMs = 86_400_000;

fn filter(text: &str) -> SegmentFilter {
    let expression = Expression::parse_in(text, &Vocabulary::SEGMENT);
    let expression = expression.unwrap_or_else(|error| panic!("{text}: {error}"));
    SegmentFilter::new(expression, T0 + 10 * DAY)
}

fn alert() -> Reach {
    Reach::only(TokenKind::Alert)
}

/// Three devices that differ in everything, and a fourth of which nothing is known.
async fn some_devices(f: &Fixture) -> Vec<DeviceNo> {
    let texts = |all: &[&str]| {
        all.iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let mut a = registration("d1", "u1", 1);
    a.locale = Some("ko-KR".into());
    a.time_zone = Some("Asia/Seoul".into());
    a.platform = Some("ios".into());
    a.app_version = Some("2.10.0".into());
    a.tags = texts(&["vip", "it's", "a,b"]);
    a.topics = texts(&["news"]);
    a.attributes = Some(r#"{"plan":"pro","age":30,"on":true,"cities":["Seoul","부산"]}"#.into());
    let mut b = registration("d2", "u2", 2);
    b.locale = Some("ko".into());
    b.platform = Some("android".into());
    b.app_version = Some("2.9".into());
    b.tags = texts(&["a", "b"]);
    b.attributes =
        Some(r#"{"plan":"Pro","age":30.5,"on":1,"요금제":"x","o":{"n":[1,"2"]}}"#.into());
    let mut c = registration("d3", "u3", 3);
    c.locale = Some("en_US".into());
    c.app_version = Some("beta".into());
    c.attributes = Some(r#"{"plan":null,"age":"30","on":"true"}"#.into());
    let mut nobody = registration("d4", "u4", 4);
    nobody.user_id = None;
    let mut devices = Vec::new();
    for (days, device) in [(0, a), (5, b), (9, c), (9, nobody)] {
        let made = f
            .registry
            .register_devices(f.app, vec![device], T0 + days * DAY);
        devices.push(made.await.unwrap()[0].no);
    }
    devices
}

/// What devices told of a campaign is asked as any other; of another notification nothing is kept for that, and it
/// goes with the campaign.
pub async fn segments_ask_what_devices_told(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 40).await;
    let campaign = NewNotification {
        campaign: Some(NewCampaign {
            name: "spring".into(),
            plan: "{}".into(),
            state: "{}".into(),
        }),
        ..f.notification(&devices[..30], 1_000, true)
    };
    let spring = f.accept(campaign).await;
    let other = f.accept(f.notification(&devices, 1_000, true)).await;
    assert_eq!(f.hot.campaign_names(f.app, 9).await.unwrap(), ["spring"]);
    assert!(
        f.hot
            .campaign_names(AppNo(f.app.0 + 1), 9)
            .await
            .unwrap()
            .is_empty()
    );
    let receipt = |no: NotificationNo, position, kind| NewReceipt {
        delivery: DeliveryId {
            batch: no.batch(0),
            position,
        },
        kind,
        at: T0 + 5,
    };
    use ReceiptKind::{Delivered, Opened};
    let all = vec![
        receipt(spring, 0, Delivered),
        receipt(spring, 1, Delivered),
        receipt(spring, 1, Opened),
        receipt(spring, 2, Opened),
        receipt(spring, 2, Delivered),
        receipt(other, 3, Opened),
    ];
    subject
        .receipts()
        .record_receipts(all, T0 + 10)
        .await
        .unwrap();
    subject.restart().await;
    let f = f.again(subject);
    let known = [("spring".to_owned(), spring), ("sale".to_owned(), other)];
    let meant = async |text: &str, most: usize| -> Vec<_> {
        let filter = filter(text).about(known.clone().into());
        let page = f
            .hot
            .segment_devices(f.app, filter.clone(), alert(), DeviceNo(0), 100, 100);
        let page = page.await.unwrap();
        let found: Vec<_> = page.recipients.iter().map(|to| to.device).collect();
        let slice = f.registry.count_segment(f.app, filter, DeviceNo(0), 100);
        assert_eq!(slice.await.unwrap().matched, found.len() as u64, "{text}");
        found.into_iter().take(most).collect()
    };
    for (text, expected) in [
        ("opened('spring')", &devices[1..3]),
        ("delivered('spring')", &devices[..3]),
        (
            "delivered('spring') and not opened('spring')",
            &devices[..1],
        ),
        (
            "opened('spring') and version(app_version) == version(app_version)",
            &devices[1..3],
        ),
        ("opened('nobody')", &[]),
    ] {
        assert_eq!(meant(text, 99).await, expected, "{text}");
    }
    assert_eq!(meant("not delivered('spring')", 99).await.len(), 37);
    // Of what is no campaign, only the counts are kept.
    assert_eq!(
        f.hot
            .notification(f.app, other)
            .await
            .unwrap()
            .map(|seen| seen.deliveries),
        Some(40)
    );
}

/// The evaluator of the model decides, whatever language the store asks in.
pub async fn segments_mean_who_they_say(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = some_devices(&f).await;
    for (text, meant) in [
        ("tags contains 'vip'", vec![1]),
        ("tags contains 'a'", vec![2]),
        ("tags contains 'a,b' and tags contains 'it\\'s'", vec![1]),
        ("tags contains ','", vec![]),
        ("not tags contains 'vip'", vec![2, 3, 4]),
        ("tags == ['a', 'b']", vec![2]),
        ("tags == []", vec![3, 4]),
        ("tags[0] == 'vip' or tags[1] == 'b'", vec![1, 2]),
        ("topics contains 'news'", vec![1]),
        ("platform == 'ios'", vec![1]),
        ("platform != 'ios'", vec![2, 3, 4]),
        ("platform == null", vec![3, 4]),
        ("platform in ['ios', 'web', null]", vec![1, 3, 4]),
        ("not (platform < 'b')", vec![1, 3, 4]),
        ("language == 'ko'", vec![1, 2]),
        ("language == 'en' and locale startswith 'en'", vec![3]),
        ("locale == language", vec![2, 4]),
        ("locale contains 'o-'", vec![1]),
        ("time_zone startswith 'Asia/'", vec![1]),
        ("user_id >= 'u2'", vec![2, 3]),
        ("id == 'd3'", vec![3]),
        ("version(app_version) >= version('2.10')", vec![1]),
        ("version(app_version) < version('2.10')", vec![2]),
        ("not version(app_version) >= version('2.10')", vec![2, 3, 4]),
        ("attributes.plan == 'pro'", vec![1]),
        ("attributes.plan == null", vec![3, 4]),
        ("attributes.plan in ['pro', 'Pro']", vec![1, 2]),
        ("attributes.age == 30", vec![1]),
        ("attributes.age > 30", vec![2]),
        ("attributes.age <= 30.5", vec![1, 2]),
        ("attributes.age != 30", vec![2, 3, 4]),
        ("attributes.age > '3'", vec![3]),
        ("attributes.on", vec![1]),
        ("attributes.on == 1", vec![2]),
        ("attributes['요금제'] == 'x'", vec![2]),
        ("attributes.cities contains '부산'", vec![1]),
        ("'Seoul' in attributes.cities", vec![1]),
        ("attributes.cities == ['Seoul', '부산']", vec![1]),
        (
            "attributes.o.n[1] == '2' and attributes.o.n contains 1",
            vec![2],
        ),
        ("attributes.o == null", vec![1, 3, 4]),
        ("attributes.plan contains 'r'", vec![1, 2]),
        ("last_seen > ago('3d')", vec![3, 4]),
        ("last_seen <= ago('5d')", vec![1, 2]),
        ("registered < instant('2027-01-16T00:00:00Z')", vec![1]),
        ("registered == last_seen and true", vec![1, 2, 3, 4]),
    ] {
        let want: Vec<_> = meant.iter().map(|at| devices[at - 1]).collect();
        let filter = filter(text);
        let page = f
            .hot
            .segment_devices(f.app, filter.clone(), alert(), DeviceNo(0), 100, 100);
        let page = page.await.unwrap();
        let found: Vec<_> = page.recipients.iter().map(|to| to.device).collect();
        assert_eq!(found, want, "{text}");
        assert!(page.finished, "{text}");
        let slice = f
            .registry
            .count_segment(f.app, filter, DeviceNo(0), 100)
            .await;
        assert_eq!(slice.unwrap().matched, want.len() as u64, "{text}");
    }
}

/// A page ends where its limit or its scan does, and says where. Devices without a push token within
/// reach, of other Apps and up to `after` are not looked at.
pub async fn segments_are_fanned_out_in_bounds(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 10).await;
    let mut web = registration("web", "u11", 11);
    web.push_tokens.clear();
    f.registry
        .register_devices(f.app, vec![web], T0)
        .await
        .unwrap();
    let page = async |text: &str, after, limit, scan| {
        let page = f
            .hot
            .segment_devices(f.app, filter(text), alert(), after, limit, scan);
        let page = page.await.unwrap();
        let found: Vec<_> = page.recipients.iter().map(|to| to.device).collect();
        (found, page.looked_to, page.finished)
    };
    let all = "user_id startswith 'u'";
    assert_eq!(
        page(all, DeviceNo(0), 3, 100).await,
        (devices[..3].to_vec(), devices[2], false)
    );
    assert_eq!(
        page(all, devices[2], 100, 4).await,
        (devices[3..7].to_vec(), devices[6], false)
    );
    assert_eq!(page(all, devices[6], 100, 100).await.0, devices[7..]);
    assert!(page(all, devices[6], 100, 100).await.2);
    let rare = "user_id == 'u10'";
    assert_eq!(
        page(rare, DeviceNo(0), 100, 5).await,
        (vec![], devices[4], false)
    );
    let (found, _, finished) = page(rare, devices[4], 100, 6).await;
    assert_eq!((found, finished), (vec![devices[9]], true));
    let other = AppNo(f.app.0 + 1);
    let none = f
        .hot
        .segment_devices(other, filter(all), alert(), DeviceNo(0), 9, 9)
        .await
        .unwrap();
    assert!(none.recipients.is_empty() && none.finished);
    let voip = Reach::only(TokenKind::Voip);
    let none = f
        .hot
        .segment_devices(f.app, filter(all), voip, DeviceNo(0), 9, 9)
        .await
        .unwrap();
    assert!(none.recipients.is_empty() && none.finished);
}

/// Slices go on where the one before ended, and add up; devices without push tokens count.
pub async fn segments_are_counted_in_slices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    f.devices(1, 25).await;
    let mut bare = registration("bare", "u26", 26);
    bare.push_tokens.clear();
    f.registry
        .register_devices(f.app, vec![bare], T0)
        .await
        .unwrap();
    let filter = filter("user_id contains '2'");
    let (mut after, mut looked_at, mut matched, mut slices) = (DeviceNo(0), 0, 0, 0);
    loop {
        let slice = f
            .registry
            .count_segment(f.app, filter.clone(), after, 10)
            .await
            .unwrap();
        looked_at += slice.looked_at;
        matched += slice.matched;
        slices += 1;
        assert!(slice.looked_to > after && slice.looked_at <= 10);
        after = slice.looked_to;
        if slice.finished {
            break;
        }
    }
    // u2, u12, and u20 to u26.
    assert_eq!((looked_at, matched, slices), (26, 9, 3));
    let none = f
        .registry
        .count_segment(f.app, filter, after, 10)
        .await
        .unwrap();
    assert_eq!((none.looked_at, none.matched, none.finished), (0, 0, true));
}

/// Small Apps are asked whole, others in ranges; what is told of the sample is so.
pub async fn segments_are_sampled(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    f.devices(1, 300).await;
    let third = filter("user_id contains '1'");
    let truth = (1..=300)
        .filter(|n: &u32| n.to_string().contains('1'))
        .count() as u64;
    let sampling = |devices| Sampling {
        ranges: 20,
        devices,
        random: 7,
    };
    let whole = f
        .registry
        .sample_segment(f.app, third.clone(), sampling(300))
        .await
        .unwrap();
    assert!(whole.is_whole);
    let estimate = Estimate::of(&whole);
    assert_eq!(
        (estimate.low, estimate.estimate, estimate.high),
        (truth, truth, truth)
    );
    let part = f
        .registry
        .sample_segment(f.app, third.clone(), sampling(100))
        .await
        .unwrap();
    assert!(!part.is_whole);
    assert_eq!((part.total, part.ranges.len()), (300, 20));
    let asked: u32 = part.ranges.iter().map(|(asked, _)| asked).sum();
    assert!((50..=150).contains(&asked), "{asked}");
    assert!(part.ranges.iter().all(|(asked, found)| found <= asked));
    let nobody = AppNo(f.app.0 + 1);
    let none = f
        .registry
        .sample_segment(nobody, third, sampling(100))
        .await
        .unwrap();
    assert_eq!(Estimate::of(&none).high, 0);
}

/// What devices have, each name once.
pub async fn attributes_have_names(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let sampling = Sampling {
        ranges: 10,
        devices: 100,
        random: 7,
    };
    let names = async |limit| {
        f.registry
            .attribute_names(f.app, sampling, limit)
            .await
            .unwrap()
    };
    assert_eq!(names(100).await, Vec::<String>::new());
    some_devices(&f).await;
    assert_eq!(
        names(100).await,
        ["age", "cities", "o", "on", "plan", "요금제"]
    );
    assert_eq!(names(2).await, ["age", "cities"]);
}
