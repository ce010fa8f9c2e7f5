//! Memory stays bounded in every life of the process.

use crate::books::Books;

/// Largest resident size allowed, in KiB: what one notification to a million devices may take, too.
const LIMIT_KIB: u64 = 250 * 1024;

pub(super) fn check(books: &Books) -> Vec<String> {
    let large = (1..)
        .zip(&books.lives)
        .filter(|(_, life)| life.peak_kib > LIMIT_KIB);
    large
        .map(|(number, life)| {
            let peak = life.peak_kib / 1024;
            format!(
                "life {number} took {peak} MiB, more than {} MiB",
                LIMIT_KIB / 1024
            )
        })
        .collect()
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_life_that_grows_is_found() {
        let mut books = true_books();
        books.0.lives[0].peak_kib = 900 * 1024;
        books.breaks(&[Law::Memory], "life 1 took 900 MiB");
    }
}
