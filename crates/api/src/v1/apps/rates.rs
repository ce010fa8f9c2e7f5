//! How fast an App's pushes may leave.

use carillon_model::problem::FieldProblem;
use carillon_model::rate::{self, RateOf};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// So many in a second, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rate)]
pub(crate) struct RateView {
    /// How many in a second.
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    per_second: u32,
    /// Most at once after a quiet time: at least a hundredth of `per_second`; null for a fifth of it.
    #[schema(minimum = 1, maximum = 1_000_000)]
    #[serde(default)]
    burst: Option<u32>,
}

/// How fast pushes of the App may leave; what is null does not limit. What a rate holds back waits, and
/// uses no attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = AppRates)]
pub(crate) struct Rates {
    /// All its pushes together.
    total: Option<RateView>,
    /// Those to Apple, in all environments together.
    apns: Option<RateView>,
    /// Those to Google.
    fcm: Option<RateView>,
    /// Those to browsers' push services.
    webpush: Option<RateView>,
}

/// A rate that holds back what waits in a lane.
#[derive(Serialize, ToSchema)]
#[schema(as = RateLimit)]
pub(crate) struct LimitView {
    /// The setting of the App: `rates.total`, `rates.apns`, `rates.fcm` or `rates.webpush`.
    #[schema(example = "rates.total")]
    setting: &'static str,
    /// How many in a second.
    per_second: u32,
    /// How many at once.
    burst: u32,
}

impl From<rate::Rate> for RateView {
    fn from(rate: rate::Rate) -> Self {
        Self {
            per_second: rate.per_second,
            burst: rate.burst,
        }
    }
}

impl From<rate::Rates> for Rates {
    fn from(rates: rate::Rates) -> Self {
        Self {
            total: rates.total.map(Into::into),
            apns: rates.apns.map(Into::into),
            fcm: rates.fcm.map(Into::into),
            webpush: rates.webpush.map(Into::into),
        }
    }
}

impl From<carillon_engine::RateLimit> for LimitView {
    fn from(limit: carillon_engine::RateLimit) -> Self {
        Self {
            setting: limit.of.setting(),
            per_second: limit.rate.per_second,
            burst: limit.rate.burst(),
        }
    }
}

impl Rates {
    /// Checks them.
    pub(crate) fn read(self, problems: &mut Vec<FieldProblem>) -> rate::Rates {
        use carillon_model::lane::Gateway::{Apns, Fcm, WebPush};
        let mut read = |of: RateOf, rate: Option<RateView>| rate?.read(of, problems);
        rate::Rates {
            total: read(RateOf::Total, self.total),
            apns: read(RateOf::Gateway(Apns), self.apns),
            fcm: read(RateOf::Gateway(Fcm), self.fcm),
            webpush: read(RateOf::Gateway(WebPush), self.webpush),
        }
    }
}

impl RateView {
    fn read(self, of: RateOf, problems: &mut Vec<FieldProblem>) -> Option<rate::Rate> {
        let Self { per_second, burst } = self;
        let most = rate::Rate::MAX;
        let mut refuse = |field: &str, code, message: String| {
            let pointer = format!("/settings/{}/{field}", of.setting().replace('.', "/"));
            problems.push(FieldProblem::new(pointer, code, message));
        };
        if !(1..=most).contains(&per_second) {
            let expected = format!(
                "expected 1 to {most}, found {per_second}; to send nothing, revoke the credential, and for no limit leave the rate out"
            );
            refuse("per_second", "app.rate", expected);
            return None;
        }
        let least = per_second.div_ceil(100);
        if let Some(burst) = burst.filter(|burst| !(least..=most).contains(burst)) {
            let expected = format!(
                "expected {least} (a hundredth of per_second, so that the rate can be reached) to {most}, found {burst}"
            );
            refuse("burst", "app.rate_burst", expected);
            return None;
        }
        Some(rate::Rate { per_second, burst })
    }
}
