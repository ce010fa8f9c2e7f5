//! Values that go with a statement: what `rusqlite` takes, in the few shapes in which commands write them.

use rusqlite::ToSql;

/// Values of a statement, in the order of its parameters.
pub(crate) trait Params {
    /// As SQLite's driver takes them.
    fn sqlite(self) -> impl rusqlite::Params;
}

// The empty list has an impl of its own, as in `rusqlite`, so that its type is never in question.
impl Params for [&(dyn ToSql + Send + Sync); 0] {
    fn sqlite(self) -> impl rusqlite::Params {
        self
    }
}

impl Params for &[&dyn ToSql] {
    fn sqlite(self) -> impl rusqlite::Params {
        self
    }
}

macro_rules! arrays {
    ($($count:literal)*) => {$(
        impl<T: ToSql> Params for [T; $count] {
            fn sqlite(self) -> impl rusqlite::Params {
                self
            }
        }
    )*};
}

arrays!(1 2 3 4);

/// Values of one type, however many.
pub(crate) fn params_from_iter<I: IntoIterator<Item: ToSql>>(values: I) -> FromIter<I> {
    FromIter(values)
}

/// See [`params_from_iter`].
pub(crate) struct FromIter<I>(I);

impl<I: IntoIterator<Item: ToSql>> Params for FromIter<I> {
    fn sqlite(self) -> impl rusqlite::Params {
        rusqlite::params_from_iter(self.0)
    }
}
