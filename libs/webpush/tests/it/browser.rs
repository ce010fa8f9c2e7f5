//! A browser's side: it subscribes, and reads what arrives.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use webpush::content::open;
use webpush::{
    AuthSecret, PushEndpoint, ReceiverKey, Request, SealedPush, Subscription, Ttl, VapidPublicKey,
};

pub(crate) struct Browser {
    receiver: ReceiverKey,
    auth: AuthSecret,
    pub(crate) subscription: Subscription,
}

impl Browser {
    pub(crate) fn subscribe(endpoint: &str) -> Self {
        let receiver = ReceiverKey::generate().unwrap();
        let auth = AuthSecret::new(b"sixteen bytes...").unwrap();
        let endpoint = PushEndpoint::parse(endpoint).unwrap();
        let subscription = Subscription::new(endpoint, *receiver.public_key(), auth.clone());
        Self {
            receiver,
            auth,
            subscription,
        }
    }

    pub(crate) fn request(&self, message: &str) -> Request {
        Request::builder(self.subscription.clone(), Ttl::secs(60))
            .message(message.to_owned())
            .build()
            .unwrap()
    }

    pub(crate) fn sealed(&self, message: &str) -> SealedPush {
        self.request(message).seal_fresh().unwrap()
    }

    pub(crate) fn read(&self, body: &[u8]) -> String {
        String::from_utf8(open(body, &self.receiver, &self.auth).unwrap()).unwrap()
    }
}

/// Checks an `authorization` header as a service does, and gives the token's claims and the key it was signed with.
pub(crate) fn verified(authorization: &str) -> (serde_json::Value, VapidPublicKey) {
    let (jwt, public) = authorization
        .strip_prefix("vapid t=")
        .unwrap()
        .split_once(", k=")
        .unwrap();
    let public = VapidPublicKey::from_base64(public).unwrap();
    let (unsigned, signature) = jwt.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public.as_bytes())
        .verify(
            unsigned.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();
    let claims = unsigned.split_once('.').unwrap().1;
    let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    (claims, public)
}
