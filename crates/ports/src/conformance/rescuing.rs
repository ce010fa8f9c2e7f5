//! Rescue of what a process held that is gone.

use super::{Fixture, Subject, T0, first, options, settlement};
use carillon_model::delivery::FinalState;
use carillon_model::id::DeliveryId;
use carillon_model::positions::Positions;
use carillon_model::push_type::OnUnknown;

/// `resend`: the doubt is recorded, then everything open is due.
pub async fn rescues_what_may_be_sent_again(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 4).await;
    let no = f.accept(f.notification(&devices, 4, true)).await;
    let batch = no.batch(0);
    f.hot
        .settle(settlement(batch, vec![(1, FinalState::Accepted)], T0))
        .await
        .unwrap();
    assert_eq!(f.hot.rescue(None, 100, T0 + 1).await.unwrap(), None);
    assert!(
        f.claim(T0 + 1).await.is_empty(),
        "this epoch's own work stays held"
    );

    subject.restart().await;
    let f = f.again(subject);
    assert!(f.claim(T0 + 1).await.is_empty(), "held until it is rescued");
    assert_eq!(f.hot.rescue(None, 100, T0 + 2).await.unwrap(), None);
    let works = f.claim(T0 + 2).await;
    assert_eq!(works.len(), 1);
    assert!(works[0].work.in_doubt);
    assert_eq!(works[0].work.id, first(batch));
    let open: Vec<_> = works[0].verdicts.open_positions().collect();
    assert_eq!(open, [0, 2, 3]);
    for (position, tries) in [(0, 1), (1, 0), (2, 1)] {
        let id = DeliveryId { batch, position };
        let (_, attempts) = f.hot.delivery(f.app, id).await.unwrap().unwrap();
        assert_eq!(attempts.len(), tries, "{position}");
        for attempt in attempts {
            assert_eq!(attempt.result, "rescued_in_doubt");
            assert_eq!(attempt.positions, Some(Positions::new(vec![0, 2, 3])));
            assert_eq!((attempt.at, attempt.attempt), (T0 + 2, 1));
        }
    }
}

/// `drop`: below the watermark unknown, the rest unsent and due.
pub async fn rescues_what_must_not_be_sent_again(subject: &mut dyn Subject) {
    let mut f = Fixture::new(subject).await;
    for count in [4u64, 40] {
        let devices = f.devices(count * 100, count).await;
        let mut numbers = Vec::new();
        for watermark in [0u16, 2, 1_000] {
            let mut item = f.notification(&devices, 1_000, true);
            item.options = options(OnUnknown::Drop);
            let no = f.accept(item).await;
            f.hot
                .settle(settlement(no.batch(0), vec![(0, FinalState::Rejected)], T0))
                .await
                .unwrap();
            if watermark > 0 {
                let mark = (first(no.batch(0)), watermark);
                f.hot.watermark(vec![mark]).await.unwrap();
            }
            numbers.push(no);
        }
        subject.restart().await;
        f = f.again(subject);
        let before: u64 = f
            .hot
            .counts(f.app, 0)
            .await
            .unwrap()
            .iter()
            .map(|c| c.count)
            .sum();
        f.hot.rescue(None, 100, T0 + 2).await.unwrap();
        let due: Vec<_> = f.claim(T0 + 2).await;
        let of: Vec<_> = due.iter().map(|work| work.notification.no).collect();
        assert_eq!(
            of,
            [numbers[0], numbers[1]],
            "all of the third may be written"
        );
        assert_eq!(due[0].verdicts.still_open() as u64, count - 1);
        assert!(!due[0].work.in_doubt);
        let open: Vec<_> = due[1].verdicts.open_positions().collect();
        assert_eq!(open.len() as u64, count - 2);
        assert_eq!(open[0], 2);
        assert_eq!(due[1].verdicts.get(1), Some(FinalState::Unknown));
        assert_eq!(due[1].work.watermark, 0);

        let view = f.view(numbers[2]).await;
        assert_eq!(
            view.states,
            [(FinalState::Rejected, 1), (FinalState::Unknown, count - 1)]
        );
        assert_eq!(view.completed_at, Some(T0 + 2));
        let after: u64 = f
            .hot
            .counts(f.app, 0)
            .await
            .unwrap()
            .iter()
            .map(|c| c.count)
            .sum();
        assert_eq!(after - before, count, "what rescue settles it also counts");
        let id = DeliveryId {
            batch: numbers[1].batch(0),
            position: 1,
        };
        let (_, attempts) = f.hot.delivery(f.app, id).await.unwrap().unwrap();
        assert_eq!(attempts[0].positions, Some(Positions::new(vec![1])));
        f.hot
            .release(due.iter().map(|work| (work.work.id, T0 + 99_999)).collect())
            .await
            .unwrap();
    }
}

/// Slice by slice, each held row once, also past rows that are not held.
pub async fn rescues_in_slices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 60).await;
    for (n, device) in devices.iter().enumerate() {
        f.accept(f.notification(&[*device], 1, n % 3 == 0)).await;
    }
    subject.restart().await;
    let f = f.again(subject);
    let (mut after, mut slices) = (None, 0);
    loop {
        slices += 1;
        assert!(slices < 100, "it ends");
        after = f.hot.rescue(after, 7, T0 + 1).await.unwrap();
        if after.is_none() {
            break;
        }
    }
    assert!(slices >= 3, "at most 7 of 20 in a slice");
    let works = f.claim(T0 + 1).await;
    assert_eq!(works.len(), 60);
    assert_eq!(works.iter().filter(|work| work.work.in_doubt).count(), 20);
}
