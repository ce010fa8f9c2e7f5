//! Rows of CSV (RFC 4180), parsed as they arrive. The first row names the columns.

use super::Rows;
use super::frames::Frames;
use crate::problem::Problem;
use bytes::{Buf as _, Bytes};
use carillon_model::problem::FieldProblem;
use csv_core::{ReadRecordResult, Reader};

/// Most columns of a row.
const COLUMNS: usize = 64;

/// A row: the values of its columns, or what is wrong with it.
pub(crate) type Row = Result<Vec<String>, FieldProblem>;

/// Parses a body into rows.
pub(crate) struct Csv {
    frames: Frames,
    parser: Reader,
    part: Bytes,
    ended: bool,
    /// Values of the row that is being parsed, one after the other, and where each ends.
    values: Vec<u8>,
    ends: Vec<usize>,
    filled: usize,
    columns: usize,
    /// Whether the row that is being parsed is too long or has too many columns.
    too_long: bool,
    /// Lines that were read whole.
    line: u64,
    /// Line on which the row that is being parsed begins; `None` between rows.
    began: Option<u64>,
}

impl Csv {
    /// Parses what comes into rows of at most `most` bytes.
    pub(crate) fn new(frames: Frames, most: usize) -> Self {
        Self {
            frames,
            parser: Reader::new(),
            part: Bytes::new(),
            ended: false,
            values: vec![0; most],
            ends: vec![0; COLUMNS],
            filled: 0,
            columns: 0,
            too_long: false,
            line: 0,
            began: None,
        }
    }

    /// Waits for the first row. `None`: there is none.
    pub(crate) async fn first(&mut self) -> Result<Option<Row>, Problem> {
        loop {
            if let Some((_, row)) = self.ready() {
                return Ok(Some(row));
            }
            if self.ended {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// Ends of line between rows, and the byte order mark that spreadsheets write.
    fn skip_between(&mut self) {
        if self.line == 0 && self.part.starts_with("\u{feff}".as_bytes()) {
            self.part.advance(3);
        }
        while let Some(b'\r' | b'\n') = self.part.first() {
            self.line += u64::from(self.part[0] == b'\n');
            self.part.advance(1);
        }
    }

    fn take_row(&mut self) -> Row {
        let columns = std::mem::take(&mut self.columns);
        self.filled = 0;
        if std::mem::take(&mut self.too_long) {
            let most = self.values.len();
            return Err(FieldProblem::new(
                "",
                "line.too_long",
                format!("expected at most {most} bytes and {COLUMNS} columns in one row"),
            ));
        }
        let mut from = 0;
        let values = self.ends[..columns].iter().map(|end| {
            let value = std::str::from_utf8(&self.values[from..*end]).map(str::to_owned);
            from = *end;
            value
        });
        let values: Result<Vec<_>, _> = values.collect();
        values.map_err(|_| FieldProblem::new("", "import.row", "expected UTF-8"))
    }
}

impl Rows for Csv {
    type Row = Row;

    fn ready(&mut self) -> Option<(u64, Row)> {
        loop {
            if self.began.is_none() {
                self.skip_between();
            }
            if self.part.is_empty() && !self.ended {
                return None;
            }
            let began = *self.began.get_or_insert(self.line + 1);
            let (result, read, written, ended) = self.parser.read_record(
                &self.part,
                &mut self.values[self.filled..],
                &mut self.ends[self.columns..],
            );
            self.line += memchr::memchr_iter(b'\n', &self.part[..read]).count() as u64;
            self.part.advance(read);
            self.filled += written;
            self.columns += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    self.too_long = true;
                    (self.filled, self.columns) = (0, 0);
                }
                ReadRecordResult::Record => {
                    self.began = None;
                    return Some((began, self.take_row()));
                }
                ReadRecordResult::End => return None,
            }
        }
    }

    async fn fill(&mut self) -> Result<bool, Problem> {
        match self.frames.next().await? {
            Some(part) => self.part = part,
            None => self.ended = true,
        }
        Ok(!self.ended)
    }

    fn line(&self) -> u64 {
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Limits;
    use axum::body::Body;
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    fn rows(parts: Vec<Vec<u8>>, most: usize) -> Vec<(u64, Row)> {
        let body = Body::from_stream(futures_util::stream::iter(
            parts.into_iter().map(Ok::<_, std::io::Error>),
        ));
        let mut csv = Csv::new(Frames::new(body, &Limits::default()), most);
        let mut all = Vec::new();
        let mut more = true;
        while more {
            more = csv
                .fill()
                .now_or_never()
                .expect("everything is there")
                .unwrap();
            while let Some(row) = csv.ready() {
                all.push(row);
            }
        }
        all
    }

    fn row(line: u64, values: &[&str]) -> (u64, Row) {
        (
            line,
            Ok(values.iter().map(|value| (*value).to_owned()).collect()),
        )
    }

    #[tokio::test]
    async fn quotes_line_ends_and_numbers_of_lines() {
        let text = "\u{feff}id,tags\r\na,\"x\r\ny\"\r\n\r\n\"b \"\"q\"\"\",\nc,d";
        assert_eq!(
            rows(vec![text.as_bytes().to_vec()], 99),
            [
                row(1, &["id", "tags"]),
                row(2, &["a", "x\r\ny"]),
                row(5, &["b \"q\"", ""]),
                row(6, &["c", "d"])
            ]
        );
        assert_eq!(rows(vec![], 99), []);
        assert_eq!(rows(vec![b"\n\n".to_vec()], 99), []);
    }

    #[tokio::test]
    async fn rows_that_are_too_long_or_not_text_fail_alone() {
        let all = rows(vec![b"a,b\n12345678901,b\nc,\xff\nd,e\n".to_vec()], 10);
        let codes: Vec<_> = all
            .iter()
            .map(|(line, row)| (*line, row.as_ref().err().map(|p| p.code)))
            .collect();
        assert_eq!(
            codes,
            [
                (1, None),
                (2, Some("line.too_long")),
                (3, Some("import.row")),
                (4, None)
            ]
        );
        let wide = format!("{}\nx\n", ",".repeat(COLUMNS + 3));
        assert!(rows(vec![wide.into_bytes()], 99)[0].1.is_err());
    }

    proptest! {
        #[test]
        fn the_parts_do_not_matter(text in "[a,\"\n\r]{0,60}", cut in 0usize..60, most in 1usize..40) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _entered = runtime.enter();
            let cut = cut.min(text.len());
            let parts = vec![text.as_bytes()[..cut].to_vec(), text.as_bytes()[cut..].to_vec()];
            prop_assert_eq!(rows(parts, most), rows(vec![text.clone().into_bytes()], most));
        }
    }
}
