//! How many questions of call-outs are being asked: so many of each App, so many in all. Whoever gets no
//! place does not wait here, but as a timer that is put off.

use carillon_model::id::AppNo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The places that are taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asking(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    by_app: HashMap<AppNo, u32>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Asking,
    app: AppNo,
}

impl Asking {
    /// A place for a question of this App, if there is one.
    pub(crate) fn take(&self, app: AppNo, each: u32, all: u32) -> Option<Place> {
        let mut taken = self.0.lock();
        let of_app = taken.by_app.get(&app).copied().unwrap_or(0);
        if taken.all >= all || of_app >= each {
            return None;
        }
        taken.all += 1;
        taken.by_app.insert(app, of_app + 1);
        Some(Place {
            of: self.clone(),
            app,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.0.lock();
        taken.all -= 1;
        if let Some(of_app) = taken.by_app.get_mut(&self.app) {
            *of_app -= 1;
            if *of_app == 0 {
                taken.by_app.remove(&self.app);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_takes_no_more_than_its_places_and_all_no_more_than_theirs() {
        let asking = Asking::default();
        let take = |app| asking.take(AppNo(app), 2, 3);
        let (one, two) = (take(1), take(1));
        assert!(one.is_some() && two.is_some());
        assert!(take(1).is_none(), "two of three");
        let three = take(2);
        assert!(three.is_some());
        assert!(take(3).is_none(), "three in all");
        drop(one);
        assert!(take(3).is_some());
        drop((two, three));
        assert!(asking.0.lock().by_app.is_empty());
    }
}
