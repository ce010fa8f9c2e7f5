//! Once a fault has ended, new work goes out. How fast is reported and not judged; that it does is.

use crate::books::Books;

pub(super) fn check(books: &Books) -> Vec<String> {
    let stuck = books.recoveries.iter().filter(|probe| probe.took.is_none());
    stuck
        .map(|probe| {
            let (app, gateway) = (&books.apps[probe.app].id, probe.gateway.name());
            format!(
                "after {} nothing new of App {app} went out at {gateway}",
                probe.fault
            )
        })
        .collect()
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_lane_that_stays_down_is_found() {
        let mut books = true_books();
        books.0.recoveries[0].took = None;
        books.breaks(&[Law::Recovery], "after gateway 503 nothing new of App app");
    }
}
