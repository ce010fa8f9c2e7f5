//! Pages of lists: `{data, next}`. A cursor names its list, so that one of another list is refused.

use crate::params::bad_cursor;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most entries of a page.
pub(crate) const MAX: u32 = 1_000;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The entries.
    pub(crate) data: Vec<T>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub(crate) next: Option<String>,
}

/// Query of a plain list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// Most entries: 1 to 1,000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<u32>,
}

/// A list, as its cursors name it.
#[derive(Clone, Copy)]
pub(crate) struct List(pub(crate) &'static str);

impl List {
    /// The cursor behind a key of this list.
    pub(crate) fn cursor(self, key: impl std::fmt::Display) -> String {
        format!("{}-{key}", self.0)
    }

    /// The key of a cursor of this list.
    pub(crate) fn key(self, cursor: &str) -> Result<&str, Problem> {
        cursor
            .strip_prefix(self.0)
            .and_then(|rest| rest.strip_prefix('-'))
            .filter(|key| !key.is_empty())
            .ok_or_else(|| bad_cursor(cursor))
    }

    /// A key that is a number.
    pub(crate) fn number(self, cursor: Option<&str>) -> Result<Option<i64>, Problem> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let key = self.key(cursor)?;
        let number = key
            .parse()
            .ok()
            .filter(|number: &i64| *number >= 0 && key.as_bytes()[0].is_ascii_digit());
        number.map(Some).ok_or_else(|| bad_cursor(cursor))
    }

    /// A page of what a store gave when asked for one more than `limit`; `key` tells the key of the
    /// last entry that stays.
    pub(crate) fn page<R, T>(
        self,
        mut rows: Vec<R>,
        limit: u32,
        key: impl Fn(&R) -> String,
        view: impl FnMut(R) -> T,
    ) -> Page<T> {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row| self.cursor(key(row)));
        Page {
            data: rows.into_iter().map(view).collect(),
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: List = List("ntf");

    #[test]
    fn cursors_read_back_and_strangers_are_refused() {
        assert_eq!(LIST.number(Some(&LIST.cursor(17))).unwrap(), Some(17));
        assert_eq!(LIST.number(None).unwrap(), None);
        for bad in [
            "",
            "ntf",
            "ntf-",
            "ntf-x",
            "ntf-+1",
            "ntf--1",
            "dev-1",
            "17",
            "ntf-99999999999999999999",
        ] {
            assert_eq!(
                LIST.number(Some(bad)).unwrap_err().code().code,
                "request.cursor",
                "{bad}"
            );
        }
    }

    #[test]
    fn the_last_page_has_no_next() {
        let page = |rows: Vec<i64>| LIST.page(rows, 2, i64::to_string, |row| row);
        assert_eq!(
            (page(vec![9, 8, 7]).data, page(vec![9, 8, 7]).next.unwrap()),
            (vec![9, 8], "ntf-8".into())
        );
        assert!(page(vec![9, 8]).next.is_none() && page(vec![]).next.is_none());
    }
}
