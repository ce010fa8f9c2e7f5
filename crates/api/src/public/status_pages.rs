//! Status pages that were made a moment ago, one for each App. A page never waits for another App's; and whoever comes while
//! one is made anew is shown the former one, as long as that is not too old.

use crate::problem::Problem;
use carillon_model::app::{App, StatusPageSettings};
use carillon_model::id::AppNo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long one is shown before it is made anew.
const FRESH: Duration = Duration::from_secs(10);
/// How old the former one is at most that is shown while the next one is made.
const STALE: Duration = Duration::from_secs(60);

/// See the module's words.
pub(crate) struct StatusPages<T>(Mutex<HashMap<AppNo, Arc<Slot<T>>>>);

struct Slot<T> {
    made: Mutex<Option<Made<T>>>,
    /// The turn to make the next one.
    making: tokio::sync::Mutex<()>,
}

struct Made<T> {
    at: Instant,
    /// What the App said of it then.
    name: String,
    settings: StatusPageSettings,
    page: Arc<T>,
}

impl<T> Default for StatusPages<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            made: Mutex::new(None),
            making: tokio::sync::Mutex::default(),
        }
    }
}

impl<T> Slot<T> {
    /// The page, if it is at most so old and says what the App says now.
    fn within(&self, age: Duration, app: &App) -> Option<Arc<T>> {
        let made = self.made.lock();
        let made = made.as_ref().filter(|made| {
            made.at.elapsed() < age
                && (&made.name, &made.settings) == (&app.name, &app.settings.status_page)
        });
        made.map(|made| Arc::clone(&made.page))
    }
}

impl<T> StatusPages<T> {
    /// The page of an App, made by `make` now or a moment ago. `has_page`: whether an App still has one.
    pub(crate) async fn get(
        &self,
        app: &App,
        has_page: impl Fn(AppNo) -> bool,
        make: impl Future<Output = Result<T, Problem>>,
    ) -> Result<Arc<T>, Problem> {
        let slot = self.slot(app.no, has_page);
        if let Some(page) = slot.within(FRESH, app) {
            return Ok(page);
        }
        let _turn = match slot.making.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                if let Some(page) = slot.within(STALE, app) {
                    return Ok(page);
                }
                slot.making.lock().await
            }
        };
        // Somebody may have made it in the meantime.
        if let Some(page) = slot.within(FRESH, app) {
            return Ok(page);
        }
        let page = Arc::new(make.await?);
        *slot.made.lock() = Some(Made {
            at: Instant::now(),
            name: app.name.clone(),
            settings: app.settings.status_page.clone(),
            page: Arc::clone(&page),
        });
        Ok(page)
    }

    fn slot(&self, app: AppNo, has_page: impl Fn(AppNo) -> bool) -> Arc<Slot<T>> {
        let mut slots = self.0.lock();
        if let Some(slot) = slots.get(&app) {
            return Arc::clone(slot);
        }
        // Of Apps that have no page any more nothing is kept.
        slots.retain(|no, _| has_page(*no));
        Arc::clone(slots.entry(app).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::app::AppSettings;
    use futures_util::FutureExt as _;
    use std::future::pending;
    use std::pin::pin;

    fn app(no: i64, name: &str) -> App {
        App {
            no: AppNo(no),
            id: format!("app{no}"),
            name: name.to_owned(),
            settings: AppSettings::default(),
            created_at: 0,
            updated_at: 0,
        }
    }

    async fn get(pages: &StatusPages<u32>, app: &App, makes: u32) -> u32 {
        let got = pages.get(app, |_| true, async move { Ok(makes) }).await;
        *got.unwrap()
    }

    /// One that is being made, for ever.
    async fn stuck(pages: &StatusPages<u32>, app: &App) {
        let _never = pages.get(app, |_| true, pending()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_made_at_most_once_in_a_while() {
        let (pages, shop) = (StatusPages::default(), app(1, "Shop"));
        assert_eq!(get(&pages, &shop, 1).await, 1);
        tokio::time::advance(FRESH - Duration::from_millis(1)).await;
        assert_eq!(get(&pages, &shop, 2).await, 1, "it is kept");
        assert_eq!(get(&pages, &app(1, "Other"), 3).await, 3, "another name");
        tokio::time::advance(FRESH).await;
        assert_eq!(get(&pages, &app(1, "Other"), 4).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_another_page_and_for_his_own_no_longer_than_needed() {
        let (pages, shop) = (StatusPages::default(), app(1, "Shop"));
        assert_eq!(get(&pages, &shop, 1).await, 1);
        tokio::time::advance(FRESH).await;
        {
            let mut making = pin!(stuck(&pages, &shop));
            assert!(making.as_mut().now_or_never().is_none());
            assert_eq!(get(&pages, &app(2, "Bank"), 2).await, 2, "another App's");
            let former = get(&pages, &shop, 3).now_or_never();
            assert_eq!(former, Some(1), "the former one");
            tokio::time::advance(STALE - FRESH).await;
            let too_old = get(&pages, &shop, 4).now_or_never();
            assert_eq!(too_old, None, "it is too old by now");
        }
        // Whoever was making it has gone away.
        assert_eq!(get(&pages, &shop, 5).await, 5);
    }

    #[tokio::test]
    async fn a_page_that_could_not_be_made_is_not_kept() {
        let (pages, shop) = (StatusPages::default(), app(1, "Shop"));
        let failed = pages.get(&shop, |_| true, async { Err(Problem::internal("off")) });
        assert!(failed.await.is_err());
        assert_eq!(get(&pages, &shop, 1).await, 1);
        assert_eq!(get(&pages, &app(2, "Bank"), 2).await, 2);
        let third = app(3, "Third");
        let got = pages.get(&third, |no| no == third.no, async { Ok(3) });
        assert_eq!(*got.await.unwrap(), 3);
        assert_eq!(pages.0.lock().len(), 1, "the others have none any more");
    }
}
