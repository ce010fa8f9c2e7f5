//! One request, judged and carried out. The order of the checks is autopush's: the subscription,
//! the sender, the headers, the size, the rate.

use std::sync::Arc;

use http::{HeaderMap, Method};
use uuid::Uuid;

use super::browser::Message;
use super::browsers::Browsers;
use super::face::{Accepted, Face};
use super::refusal::Refusal;
use super::rules;
use super::service::WebPushService;
use super::settings::WebPushSettings;
use super::vapid::{self, Distrust};
use crate::apns::Answer;
use crate::phone::Effect;

/// Where messages can be cancelled: the number of the browser, a dash, the message's id.
const MESSAGE_PREFIX: &str = "/m/";

/// A complete request at a push service.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path_and_query: &'a str,
    /// Host and port as the sender wrote them.
    pub(crate) authority: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Arc<[u8]>,
}

/// The circumstances of a judgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    pub(crate) settings: &'a WebPushSettings,
    pub(crate) now_ms: i64,
    pub(crate) message_id: Uuid,
    pub(crate) record: u64,
    /// False: whatever is answered, the browser gets nothing.
    pub(crate) delivers: bool,
}

/// What was decided.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) answer: Answer,
    pub(crate) face: Face,
    pub(crate) effect: Option<Effect>,
    /// Older messages that were found to be lost on the way.
    pub(crate) missed: usize,
    /// What the browser read in the body.
    pub(crate) data: Option<Vec<u8>>,
}

impl<'a> Asked<'a> {
    /// The service and the subscription id of an endpoint.
    pub(crate) fn endpoint(&self) -> Option<(WebPushService, &'a str)> {
        WebPushService::of_path(self.path_and_query)
    }

    /// The origin the sender believes to speak to (RFC 6454: no port where it is the usual one).
    fn origin(&self) -> String {
        let authority = self.authority.strip_suffix(":443");
        format!("https://{}", authority.unwrap_or(self.authority))
    }

    fn message(&self) -> Option<(u32, Uuid)> {
        let rest = self.path_and_query.strip_prefix(MESSAGE_PREFIX)?;
        let (browser, id) = rest.split_once('-')?;
        Some((browser.parse().ok()?, id.parse().ok()?))
    }

    /// A header that counts only if it stands once.
    fn header(&self, name: &str) -> Option<&'a str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        values
            .next()
            .is_none()
            .then(|| value.to_str().unwrap_or("\0"))
    }
}

/// Judges a request and, unless told otherwise, carries it out.
pub(crate) fn judge(
    asked: &Asked<'_>,
    browsers: &mut Browsers,
    about: Circumstances<'_>,
) -> Judged {
    let endpoint = asked.endpoint();
    let mut judged = Judged {
        answer: Answer::status(201),
        face: Face {
            service: endpoint.map_or(WebPushService::default(), |(service, _)| service),
            message_id: about.message_id,
            accepted: None,
            refusal: None,
        },
        effect: None,
        missed: 0,
        data: None,
    };
    let result = match endpoint {
        Some((service, id)) => push(asked, service, id, browsers, about, &mut judged),
        None => cancel(asked, browsers, about, &mut judged),
    };
    if let Err(refused) = result {
        judged.answer = Answer {
            reason: Some(refused.why.reason().to_owned()),
            retry_after_secs: refused.retry_after_secs,
            ..Answer::status(refused.why.status(judged.face.service))
        };
        judged.face.refusal = Some(refused.why);
    }
    judged
}

struct Refused {
    why: Refusal,
    retry_after_secs: Option<u64>,
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Refused {
        Refused {
            why,
            retry_after_secs: None,
        }
    }
}

fn push(
    asked: &Asked<'_>,
    service: WebPushService,
    subscription_id: &str,
    browsers: &mut Browsers,
    about: Circumstances<'_>,
    judged: &mut Judged,
) -> Result<(), Refused> {
    if asked.method != Method::POST {
        return Err(Refusal::Method.into());
    }
    let now_ms = about.now_ms;
    let bounds = browsers.bounds(about.settings, now_ms);
    // Also what is then refused, for the books.
    let read = browsers.read(subscription_id, asked.body);
    judged.data = read.as_ref().and_then(|read| read.clone().ok());
    let bound_to = browsers
        .find(service, subscription_id, now_ms)
        .map_err(|was_there| match was_there {
            true => Refusal::Gone,
            false => Refusal::Unknown,
        })?
        .application_server_key;
    authorize(asked, service, bound_to.as_ref(), browsers, now_ms)?;
    let wanted = rules::read(asked.headers, service, asked.body.len())?;
    if asked.body.len() > about.settings.max_body_bytes {
        return Err(Refusal::TooLarge.into());
    }
    let Ok(browser) = browsers.find(service, subscription_id, now_ms) else {
        return Err(Refusal::Gone.into());
    };
    if let Some(per_minute) = about.settings.pushes_per_minute {
        browser
            .take_turn(now_ms, per_minute)
            .map_err(|left_secs| Refused {
                why: Refusal::TooMany,
                retry_after_secs: (service != WebPushService::Apple)
                    .then(|| about.settings.retry_after_secs.unwrap_or(left_secs)),
            })?;
    }
    let longest = about
        .settings
        .longest_ttl_secs
        .unwrap_or(service.longest_ttl_secs());
    let ttl_secs = wanted.ttl_secs.min(longest);
    judged.face.accepted = Some(Accepted {
        location: format!(
            "{}{MESSAGE_PREFIX}{}-{}",
            asked.origin(),
            browser.id,
            about.message_id
        ),
        ttl_secs,
        is_dropped: !browser.online && ttl_secs == 0,
    });
    if let (true, Some(data)) = (about.delivers, read) {
        let message = Message {
            id: about.message_id,
            record: about.record,
            ttl_secs,
            urgency: wanted.urgency,
            topic: wanted.topic,
            data,
        };
        let delivered = browser.deliver(message, bounds);
        judged.effect = Some(delivered.effect);
        judged.missed = delivered.missed;
    }
    Ok(())
}

/// Whether the sender may push to a subscription that is bound to `bound_to`.
fn authorize(
    asked: &Asked<'_>,
    service: WebPushService,
    bound_to: Option<&[u8; super::content::POINT_BYTES]>,
    browsers: &mut Browsers,
    now_ms: i64,
) -> Result<(), Refusal> {
    let Some(header) = asked.header("authorization") else {
        if asked.headers.contains_key("authorization") {
            return Err(Refusal::Distrusted(Distrust::Scheme));
        }
        return match service.demands_vapid() || bound_to.is_some() {
            true => Err(Refusal::Distrusted(Distrust::Missing)),
            false => Ok(()),
        };
    };
    let signed = browsers.verify(header).map_err(Refusal::Distrusted)?;
    signed
        .check(&asked.origin(), now_ms)
        .map_err(Refusal::Distrusted)?;
    let contact = signed.contact.as_deref();
    if service == WebPushService::Apple && !contact.is_some_and(vapid::is_plausible) {
        return Err(Refusal::Distrusted(Distrust::Contact));
    }
    match bound_to {
        Some(bound_to) if *bound_to != signed.public_key => Err(Refusal::KeyMismatch),
        _ => Ok(()),
    }
}

/// Anything but an endpoint: a message to be cancelled (RFC 8030, section 6.2), or nothing.
fn cancel(
    asked: &Asked<'_>,
    browsers: &mut Browsers,
    about: Circumstances<'_>,
    judged: &mut Judged,
) -> Result<(), Refused> {
    let Some((browser, message_id)) = asked.message() else {
        return Err(Refusal::BadPath.into());
    };
    if asked.method != Method::DELETE {
        return Err(Refusal::Method.into());
    }
    if !about.delivers || !browsers.cancel(browser, message_id, about.now_ms) {
        return Err(Refusal::MessageGone.into());
    }
    judged.answer = Answer::status(204);
    Ok(())
}
