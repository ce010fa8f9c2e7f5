//! Writes a JSON object key by key, without a tree.

use serde::Serialize;

/// Objects within objects, in the order in which their keys are given.
pub(crate) struct Json {
    out: Vec<u8>,
    is_first: bool,
}

impl Json {
    pub(crate) fn new() -> Self {
        Self {
            out: Vec::with_capacity(512),
            is_first: true,
        }
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn open(&mut self) {
        self.out.push(b'{');
        self.is_first = true;
    }

    pub(crate) fn close(&mut self) {
        self.out.push(b'}');
        self.is_first = false;
    }

    pub(crate) fn key(&mut self, key: &str) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        self.put(key);
        self.out.push(b':');
    }

    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.key(key);
        self.put(value);
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.extend_from_slice(json.as_bytes());
    }

    fn put<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Strings, numbers and booleans into memory: nothing here can fail.
        let written = serde_json::to_writer(&mut self.out, value);
        debug_assert!(written.is_ok());
    }
}
