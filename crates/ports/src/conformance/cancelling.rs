//! Cancelling.

use super::{Fixture, Subject, T0, first, retry, settlement};
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::positions::Positions;

/// All that waits is settled as cancelled, however much it is, and counted.
pub async fn cancels_what_waits(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 500).await;
    let no = f.accept(f.notification(&devices, 2, false)).await;
    let other = f.single(1_000, false).await;
    f.settle(
        no.batch(3),
        vec![(0, FinalState::Accepted), (1, FinalState::Rejected)],
        T0,
    )
    .await;
    let mark = f.hot.cancel(f.app, no, T0 + 1).await.unwrap().unwrap();
    assert_eq!((mark.not_sent, mark.held), (498, false));
    let view = f.view(no).await;
    assert!(view.head.cancelled);
    assert_eq!((view.open, view.completed_at), (0, Some(T0 + 1)));
    assert_eq!(
        view.states,
        [
            (FinalState::Accepted, 1),
            (FinalState::Rejected, 1),
            (FinalState::Cancelled, 498)
        ]
    );
    let left = f.claim(T0 + 2).await;
    assert_eq!(left.len(), 1);
    assert_eq!(
        left[0].notification.no, other,
        "another notification goes on"
    );

    let counted: u64 = f
        .hot
        .counts(f.app, 0)
        .await
        .unwrap()
        .iter()
        .map(|c| c.count)
        .sum();
    assert_eq!(counted, 498);
    let again = f.hot.cancel(f.app, no, T0 + 9).await.unwrap().unwrap();
    assert_eq!((again.not_sent, again.held), (0, false));
}

/// Held work is the engine's; when it comes back it is not handed out again.
pub async fn cancels_what_is_held_later(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.single(1, true).await;
    let mark = f.hot.cancel(f.app, no, T0 + 1).await.unwrap().unwrap();
    assert_eq!((mark.not_sent, mark.held), (0, true));
    assert_eq!(f.states(no).await, [None]);
    f.hot
        .release(vec![(first(no.batch(0)), T0 + 1)])
        .await
        .unwrap();
    assert!(f.claim(T0 + 1).await.is_empty());
    assert_eq!(f.states(no).await, [Some(FinalState::Cancelled)]);
    assert_eq!(f.view(no).await.completed_at, Some(T0 + 1));
    assert_eq!(f.hot.waiting_lanes().await.unwrap(), []);
}

/// A cancel that comes when all has ended changes nothing, whatever a notification is made of.
pub async fn what_had_ended_is_not_cancelled(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 2).await;
    let one = f.accept(f.notification(&devices, 2, true)).await;
    let many = f.accept(f.notification(&devices, 1, true)).await;
    let nobody = f.accept(f.notification(&[], 1, true)).await;
    let all = vec![(0, FinalState::Accepted), (1, FinalState::Rejected)];
    f.settle(one.batch(0), all, T0 + 1).await;
    f.settle(many.batch(0), vec![(0, FinalState::Accepted)], T0 + 1)
        .await;
    let half = f.accept(f.notification(&devices, 1, true)).await;
    f.settle(half.batch(0), vec![(0, FinalState::Accepted)], T0 + 1)
        .await;
    f.settle(many.batch(1), vec![(0, FinalState::Accepted)], T0 + 1)
        .await;
    for no in [one, many, nobody] {
        let before = f.view(no).await;
        assert!(before.completed_at.is_some());
        let mark = f.hot.cancel(f.app, no, T0 + 2).await.unwrap().unwrap();
        assert_eq!((mark.not_sent, mark.held), (0, false));
        let after = f.view(no).await;
        assert!(!after.head.cancelled);
        assert_eq!(after.completed_at, before.completed_at);
        assert_eq!(after.states, before.states);
    }
    f.hot.cancel(f.app, half, T0 + 2).await.unwrap().unwrap();
    assert!(f.view(half).await.head.cancelled, "some of it is open");
}

/// What belongs to another App cannot be cancelled, nor what is not there.
pub async fn cancel_knows_its_app(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.single(1, false).await;
    assert_eq!(
        f.hot.cancel(AppNo(f.app.0 + 1), no, T0).await.unwrap(),
        None
    );
    let missing = NotificationNo(no.0 + 99);
    assert_eq!(f.hot.cancel(f.app, missing, T0).await.unwrap(), None);
    assert!(!f.view(no).await.head.cancelled);
    assert_eq!(f.claim(T0).await.len(), 1);
}

/// What may have been sent is not called cancelled.
pub async fn cancelled_doubt_is_unknown(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let no = f.accept(f.notification(&devices, 3, false)).await;
    let work = f.claim(T0).await.remove(0).work;
    let mut doubtful = retry(&work, f.hot.next_seq(), Some(T0 + 5));
    doubtful.positions = Some(Positions::new(vec![1]));
    doubtful.in_doubt = true;
    let mut clear = retry(&work, f.hot.next_seq(), Some(T0 + 5));
    clear.positions = Some(Positions::new(vec![2]));
    let mut step = settlement(no.batch(0), vec![(0, FinalState::Accepted)], T0);
    step.batches[0].done = vec![work.id];
    step.batches[0].follow_ups = vec![doubtful, clear];
    f.hot.settle(step).await.unwrap();
    let mark = f.hot.cancel(f.app, no, T0 + 1).await.unwrap().unwrap();
    assert_eq!(mark.not_sent, 1);
    assert_eq!(
        f.states(no).await,
        [
            Some(FinalState::Accepted),
            Some(FinalState::Unknown),
            Some(FinalState::Cancelled)
        ]
    );
}
