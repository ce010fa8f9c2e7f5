//! Receipts, as far as the engine has a say: the receipt token that each push carries when its App or its
//! notification wants so, and what that does to what is said.
//!
//! A receipt token names its delivery and is authenticated by a key of this installation, so that checking
//! one asks no store. It is the whole authority to say that this one push arrived or was opened, and of a page to
//! acknowledge its incident; it opens nothing else. What comes back is written down by the clerk.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carillon_model::app::AppSettings;
use carillon_model::body::LateSource;
use carillon_model::content::Content;
use carillon_model::id::{BatchNo, DeliveryId};
use carillon_model::notification::NotificationRequest;
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::PushType;
use carillon_model::target::Target;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The key in a push's data under which its receipt token stands.
pub const DATA_KEY: &str = "carillon_receipt";

/// Version, batch, position.
const PLAIN: usize = 1 + 8 + 2;
/// So much of the HMAC: 96 bits, of which nobody can try many.
const TAG: usize = 12;
const VERSION: u8 = 1;

/// Authenticates the receipt tokens of this installation.
#[derive(Clone)]
pub struct ReceiptKey(hmac::Key);

impl ReceiptKey {
    /// Of bytes that nobody can guess, the same at every start: or what is on devices stops being good.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// What processes of this installation know each other by, where somebody may listen: it opens nothing, and is of
    /// another length than what receipt tokens are made of.
    #[must_use]
    pub fn wake_word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        word.copy_from_slice(hmac::sign(&self.0, b"carillon wakes").as_ref());
        word
    }

    /// A key for something else, of which the other keys tell nothing.
    pub(crate) fn derived(&self, label: &[u8]) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.0, label).as_ref())
    }

    /// The receipt token of a delivery: 31 characters.
    #[must_use]
    pub fn make(&self, id: DeliveryId) -> String {
        let mut bytes = [0; PLAIN + TAG];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&id.batch.0.to_be_bytes());
        bytes[9..PLAIN].copy_from_slice(&id.position.to_be_bytes());
        let tag = hmac::sign(&self.0, &bytes[..PLAIN]);
        bytes[PLAIN..].copy_from_slice(&tag.as_ref()[..TAG]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The delivery that a receipt token is for. `None`: it is none of ours, whatever is wrong with it.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<DeliveryId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes: [u8; PLAIN + TAG] = bytes.try_into().ok()?;
        let (plain, tag) = bytes.split_at(PLAIN);
        let expected = hmac::sign(&self.0, plain);
        constant_time::verify_slices_are_equal(tag, &expected.as_ref()[..TAG]).ok()?;
        let batch = i64::from_be_bytes(plain[1..9].try_into().ok()?);
        let position = u16::from_be_bytes(plain[9..].try_into().ok()?);
        (plain[0] == VERSION).then_some(DeliveryId {
            batch: BatchNo(batch),
            position,
        })
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptKey(secret)")
    }
}

/// Whether the pushes of a notification carry receipt tokens: as it says itself, else as its App has it for
/// what people and apps get.
pub(crate) fn is_wanted(request: &NotificationRequest, settings: Option<&AppSettings>) -> bool {
    let by_default = || {
        settings.is_some_and(|settings| settings.receipts)
            && matches!(
                request.options.push_type,
                PushType::Alert | PushType::Background
            )
            && !matches!(request.target, Target::Channel(_))
    };
    request.options.receipt.unwrap_or_else(by_default)
}

/// What is in the way of receipts that are wanted.
pub(crate) fn problem(request: &NotificationRequest, content: &Content) -> Option<FieldProblem> {
    if matches!(request.target, Target::Channel(_)) {
        return Some(FieldProblem::new(
            "/options/receipt",
            "options.receipt",
            "a broadcast is one push for everybody: no device could say that it was its own",
        ));
    }
    let data = content.data.as_ref()?;
    let keys: std::collections::BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(data.get()).ok()?;
    keys.contains_key(DATA_KEY).then(|| {
        FieldProblem::new(
            "/content/data",
            "content.receipt",
            format!("the key {DATA_KEY:?} is where Carillon puts the receipt token: use another"),
        )
    })
}

/// What is said to each device apart.
pub(crate) fn late_source(request: &NotificationRequest, late: Option<LateSource>) -> LateSource {
    let late = late.unwrap_or_else(|| LateSource {
        content: request.content.clone(),
        ..LateSource::default()
    });
    LateSource {
        receipt: true,
        ..late
    }
}

/// The content that is checked when a notification is accepted: with a receipt token's length in it, so
/// that what passes then fits with any.
pub(crate) fn sample(content: Cow<'_, Content>) -> Cow<'_, Content> {
    let longest = "A".repeat((PLAIN + TAG) * 4 / 3 + 1);
    with_receipt(content, &longest)
}

/// Content with its receipt token among the data.
pub(crate) fn with_receipt<'c>(content: Cow<'c, Content>, receipt: &str) -> Cow<'c, Content> {
    let mut content = content.into_owned();
    let data = content.data.as_ref().map_or("{}", |data| data.get()).trim();
    // What is there is an object: it was checked when it was accepted, or a template made it.
    let fields = data
        .strip_prefix('{')
        .and_then(|data| data.strip_suffix('}'));
    let fields = fields.unwrap_or_default().trim();
    let comma = if fields.is_empty() { "" } else { "," };
    let joined = format!("{{{fields}{comma}\"{DATA_KEY}\":\"{receipt}\"}}");
    if let Ok(joined) = RawValue::from_string(joined) {
        content.data = Some(joined);
    }
    Cow::Owned(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(batch: i64, position: u16) -> DeliveryId {
        DeliveryId {
            batch: BatchNo(batch),
            position,
        }
    }

    #[test]
    fn what_is_made_is_read_and_nothing_else() {
        let key = ReceiptKey::new(&[7; 32]);
        for id in [id(0, 0), id(i64::MAX, 999), id(42_991_616, 7)] {
            let text = key.make(id);
            assert_eq!(text.len(), 31);
            assert_eq!(key.read(&text), Some(id));
            assert_eq!(
                ReceiptKey::new(&[8; 32]).read(&text),
                None,
                "of another house"
            );
            for at in 0..text.len() {
                let mut bent = text.clone().into_bytes();
                bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
                let bent = String::from_utf8(bent).unwrap();
                assert_eq!(key.read(&bent), None, "{at}");
            }
        }
        for bad in ["", "A", "é", &"A".repeat(31), &"A".repeat(10_000)] {
            assert_eq!(key.read(bad), None, "{bad}");
        }
        assert_eq!(format!("{key:?}"), "ReceiptKey(secret)");
    }

    #[test]
    fn it_stands_beside_the_callers_data() {
        let with = |data: Option<&str>| {
            let content = Content {
                data: data.map(|data| RawValue::from_string(data.to_owned()).unwrap()),
                ..Content::default()
            };
            let content = with_receipt(Cow::Owned(content), "abc").into_owned();
            content.data.unwrap().get().to_owned()
        };
        assert_eq!(with(None), r#"{"carillon_receipt":"abc"}"#);
        assert_eq!(with(Some("{ }")), r#"{"carillon_receipt":"abc"}"#);
        assert_eq!(
            with(Some(r#"{"a":{"b":1}}"#)),
            r#"{"a":{"b":1},"carillon_receipt":"abc"}"#
        );
        let sample = sample(Cow::Owned(Content::default())).into_owned();
        let made = ReceiptKey::new(&[7; 32]).make(id(1, 1));
        let real = with_receipt(Cow::Owned(Content::default()), &made).into_owned();
        let length = |content: Content| content.data.unwrap().get().len();
        assert_eq!(
            length(sample),
            length(real),
            "what passes when accepted fits"
        );
    }
}
