//! Every kind of fault really happened: a run without one of them proves nothing about it.

use crate::books::Books;

pub(super) fn check(books: &Books) -> Vec<String> {
    let missing = books.faults.iter().filter(|(_, count)| **count == 0);
    missing.map(|(name, _)| format!("{name}: never")).collect()
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_fault_that_never_happened_is_found() {
        let mut books = true_books();
        *books.0.faults.values_mut().next().unwrap() = 0;
        books.breaks(&[Law::Happened], ": never");
    }
}
