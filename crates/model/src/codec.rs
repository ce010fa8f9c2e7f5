//! The few primitives that the compact records share: unsigned LEB128 integers and byte strings.
//!
//! Each record begins with its own version byte; a reader refuses a version it does not know. Golden
//! tests beside each record hold the bytes still.

/// A stored record that cannot be read: which record, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable {record}: {reason}")]
pub struct Unreadable {
    /// Name of the record, e.g. `verdicts`.
    pub record: &'static str,
    /// What is wrong with its bytes.
    pub reason: &'static str,
}

/// Appends `n` as LEB128.
pub fn put_uint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n as u8 & 0x7f) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends length and bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads a record from front to back.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    record: &'static str,
}

impl<'a> Reader<'a> {
    /// Begins to read `record`; its first byte must be `version`.
    pub fn new(record: &'static str, version: u8, bytes: &'a [u8]) -> Result<Self, Unreadable> {
        match bytes.split_first() {
            Some((first, rest)) if *first == version => Ok(Self { rest, record }),
            Some(_) => Err(Unreadable {
                record,
                reason: "unknown version byte",
            }),
            None => Err(Unreadable {
                record,
                reason: "empty",
            }),
        }
    }

    /// Begins to read `record` of any version up to `newest`; says which it is.
    pub fn up_to(
        record: &'static str,
        newest: u8,
        bytes: &'a [u8],
    ) -> Result<(Self, u8), Unreadable> {
        let version = bytes.first().copied().unwrap_or_default().clamp(1, newest);
        Ok((Self::new(record, version, bytes)?, version))
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error about this record.
    #[must_use]
    pub fn error(&self, reason: &'static str) -> Unreadable {
        Unreadable {
            record: self.record,
            reason,
        }
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| self.error("cut short"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// One LEB128 integer.
    pub fn uint(&mut self) -> Result<u64, Unreadable> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(self.error("integer over 64 bits"))
    }

    /// Length and bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Unreadable> {
        let len = usize::try_from(self.uint()?).map_err(|_| self.error("length over usize"))?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.error("cut short"))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Length and UTF-8 text.
    pub fn text(&mut self) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.error("text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_and_bytes_read_back(n in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut out = vec![9];
            put_uint(&mut out, n);
            put_bytes(&mut out, &bytes);
            let mut reader = Reader::new("test", 9, &out).unwrap();
            prop_assert_eq!(reader.uint().unwrap(), n);
            prop_assert_eq!(reader.bytes().unwrap(), &bytes[..]);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(mut reader) = Reader::new("test", 1, &bytes) {
                let _ = reader.uint();
                let _ = reader.text();
                let _ = reader.byte();
            }
        }
    }
}
