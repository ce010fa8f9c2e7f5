//! How a push to a device looks on the wire: the cheap way, since this is done for every push.
//!
//! The shared headers are copied from the [`Template`](crate::Template), the few that differ are replaced in the copy.
//! Their text is cut from one scratch buffer, so that a push allocates for its header map and nothing else.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};
use h2_pool::{End, ErrorKind};
use http::header::{AUTHORIZATION, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};
use tokio::time::Instant;

use crate::connection::{APNS_COLLAPSE_ID, APNS_EXPIRATION, APNS_ID, Finished, Outbox, Push};
use crate::error::Error;
use crate::response::Response;
use crate::rules::Wire;

/// Size of the buffer that paths and header values are cut from.
const SCRATCH: usize = 32 * 1024;

pub(crate) struct DeviceWire {
    scheme: Scheme,
    authority: Authority,
    outbox: Rc<Outbox>,
    scratch: RefCell<BytesMut>,
    has_news: Cell<bool>,
}

impl DeviceWire {
    pub(crate) fn new(scheme: Scheme, authority: Authority, outbox: Rc<Outbox>) -> Self {
        Self {
            scheme,
            authority,
            outbox,
            scratch: RefCell::default(),
            has_news: Cell::new(false),
        }
    }
}

fn digits(mut number: u64, out: &mut BytesMut) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&text[at..]);
}

fn hex(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

/// A header value that no other push shares, so it must not enter the table of compressed headers.
fn unique(text: Bytes) -> Result<HeaderValue, h2_pool::Error> {
    let mut value = HeaderValue::from_maybe_shared(text).map_err(invalid)?;
    value.set_sensitive(true);
    Ok(value)
}

pub(crate) fn invalid(error: impl std::fmt::Display) -> h2_pool::Error {
    h2_pool::Error::new(ErrorKind::Invalid, error.to_string())
}

// === impl Wire ===

impl Wire for DeviceWire {
    type Item = Push;

    fn encode(
        &self,
        push: &Push,
        authorization: Option<HeaderValue>,
    ) -> Result<(http::Request<()>, Bytes), h2_pool::Error> {
        let mut headers = push
            .template
            .headers(push.expiration.is_some(), push.collapse_id.is_some());
        match authorization {
            Some(value) => headers.insert(AUTHORIZATION, value),
            None => headers.remove(AUTHORIZATION),
        };
        let mut scratch = self.scratch.borrow_mut();
        let needed = 10 + 2 * push.push_token.as_bytes().len() + 36 + 20;
        if scratch.capacity() < needed {
            *scratch = BytesMut::with_capacity(SCRATCH.max(needed));
        }
        scratch.put_slice(b"/3/device/");
        hex(push.push_token.as_bytes(), &mut scratch);
        let path = scratch.split().freeze();
        scratch.put_slice(
            push.apns_id
                .hyphenated()
                .encode_lower(&mut [0; 36])
                .as_bytes(),
        );
        headers.insert(APNS_ID, unique(scratch.split().freeze())?);
        if let Some(expiration) = push.expiration {
            digits(expiration.as_secs(), &mut scratch);
            headers.insert(APNS_EXPIRATION, unique(scratch.split().freeze())?);
        }
        drop(scratch);
        if let Some(collapse_id) = &push.collapse_id {
            let mut value = collapse_id.header_value();
            value.set_sensitive(true);
            headers.insert(APNS_COLLAPSE_ID, value);
        }
        let path = PathAndQuery::from_maybe_shared(path).map_err(invalid)?;
        let mut request = post(&self.scheme, &self.authority, path)?;
        *request.headers_mut() = headers;
        Ok((request, push.payload.clone()))
    }

    fn finish(&self, push: &mut Push, end: End) {
        let result = match end.result {
            Ok(answer) => Ok(Response::read(answer.status, &answer.headers, answer.body)),
            Err(error) => Err(Error::from(error)),
        };
        self.outbox.push(Finished {
            tag: push.tag,
            result,
            connection: end.connection,
            late: end.late,
        });
        self.has_news.set(true);
    }

    fn deliver(&self) {
        if self.has_news.replace(false) {
            self.outbox.deliver();
        }
    }

    fn write_by(&self, push: &Push) -> Option<Instant> {
        push.write_by
    }
}

/// A POST without headers.
pub(crate) fn post(
    scheme: &Scheme,
    authority: &Authority,
    path: PathAndQuery,
) -> Result<http::Request<()>, h2_pool::Error> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(authority.clone());
    parts.path_and_query = Some(path);
    let mut request = http::Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_parts(parts).map_err(invalid)?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_hexadecimal_are_spelt_as_usual() {
        for number in [0, 9, 10, 1_700_003_600, u64::MAX] {
            let mut out = BytesMut::new();
            digits(number, &mut out);
            assert_eq!(out, number.to_string());
        }
        let mut out = BytesMut::new();
        hex(&[0x0b, 0xad, 0xc0, 0xde, 0xff], &mut out);
        assert_eq!(&out[..], b"0badc0deff");
    }
}
