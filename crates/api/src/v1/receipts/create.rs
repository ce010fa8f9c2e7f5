//! `POST /v1/receipts`: from phones and browsers, with nothing but what the push carried.

use crate::answer;
use crate::body::{is_json, media_type, whole, wrong_media_type};
use crate::instant;
use crate::json;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::{Request, State};
use axum::response::Response;
use carillon_model::id::DeliveryId;
use carillon_model::problem::FieldProblem;
use carillon_model::receipts::ReceiptKind;
use carillon_ports::receipt::{NewReceipt, ReceiptAnswer};
use serde::{Deserialize, Serialize};
use utoipa::{PartialSchema, ToSchema};

/// Most receipts of one request.
const MOST: usize = 100;
/// Largest body, in bytes: what 100 of them need, and room for fields of later versions.
const BODY_BYTES: usize = 64 << 10;
const NO_PAGE: &str = "expected delivered or opened, found acknowledged: the push was no page of an incident, or the incident is not kept any more; say opened";

/// What one says.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Delivered,
    Opened,
    /// Opened, and the incident is in hand.
    Acknowledged,
}

/// One receipt. Fields that are not known are passed over: apps are updated slowly.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Receipt {
    /// `carillon_receipt` of the push's data.
    #[schema(example = "AQAAAAACkAAAAAAH3q2-78r-4ab-zQE1")]
    receipt: String,
    /// `delivered` or `opened`. Of an incident's page also `acknowledged`: opened, and the incident is taken in hand by whoever
    /// was paged.
    #[schema(value_type = String, example = "opened")]
    event: Said,
    /// When that was; default: now. Later than now is taken for now.
    #[schema(format = DateTime)]
    at: Option<String>,
}

/// One of them, or a list, for the document.
pub(crate) struct Brought;

impl PartialSchema for Brought {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let one = utoipa::openapi::Ref::from_schema_name("Receipt");
        let many = utoipa::openapi::ArrayBuilder::new()
            .items(one.clone())
            .min_items(Some(1))
            .max_items(Some(MOST));
        utoipa::openapi::OneOfBuilder::new()
            .item(one)
            .item(many)
            .into()
    }
}

impl ToSchema for Brought {
    fn name() -> std::borrow::Cow<'static, str> {
        "Receipts".into()
    }

    fn schemas(
        schemas: &mut Vec<(
            String,
            utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
        )>,
    ) {
        schemas.push(("Receipt".to_owned(), Receipt::schema()));
        Receipt::schemas(schemas);
    }
}

/// What became of them.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceiptsRecorded)]
pub(crate) struct Recorded {
    /// New, and written down.
    recorded: usize,
    /// There was one of this kind already: the first counts.
    repeated: usize,
    /// What they are for is not kept any more.
    gone: usize,
}

problems!(BODY, WRITES; SERVER_BUSY, RECEIPT_UNKNOWN, RECEIPT_GONE);

/// Say that pushes arrived, or were opened.
///
/// One receipt, or a list of at most 100. No API key is needed: `carillon_receipt`, which the push carried
/// in its data, is the authority for this one delivery and for nothing else. Of each kind the first counts,
/// so it can be sent again. One that is none of ours refuses the whole request, and so does `acknowledged` for a push that was
/// no page of an incident. What was acknowledged is on disk with the answer; where somebody else has the incident in hand, or it
/// is over, the receipt counts as `opened` alone. Pages may call this from any site (CORS).
#[utoipa::path(
    post, path = "/v1/receipts", operation_id = "receipt_create", tag = "receipts",
    security(()),
    request_body = Brought,
    responses((status = 200, description = "They are written down.", body = Recorded), Problems),
)]
pub(crate) async fn create(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    if !is_json(media_type(request.headers())) {
        return Err(wrong_media_type(request.headers(), "application/json"));
    }
    let within = api.limits.body_timeout;
    let bytes = whole(request.into_body(), BODY_BYTES, within).await?;
    let brought: Vec<Receipt> = json::read_one_or_many(&bytes)?;
    if !(1..=MOST).contains(&brought.len()) {
        let message = format!("expected 1 to {MOST} receipts, found {}", brought.len());
        let problem = FieldProblem::new("", "receipt.count", message);
        return Err(Problem::invalid(vec![problem]));
    }
    let receipts = read(&api, &brought)?;
    acknowledge(&api, &brought, &receipts).await?;
    let answers = api.engine.receive(receipts).await?;
    let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
    let recorded = Recorded {
        recorded: count(ReceiptAnswer::Recorded),
        repeated: count(ReceiptAnswer::Repeated),
        gone: count(ReceiptAnswer::Gone),
    };
    if recorded.gone == answers.len() {
        return Err(Problem::new(
            &codes::RECEIPT_GONE,
            "the push is older than what is kept",
        ));
    }
    answer::ok(&recorded)
}

fn read(api: &Api, brought: &[Receipt]) -> Result<Vec<NewReceipt>, Problem> {
    let now = api.now();
    let key = &api.engine.receipts().receipt_key;
    let mut receipts = Vec::with_capacity(brought.len());
    for (at, one) in brought.iter().enumerate() {
        // One word for everything that can be wrong with it.
        let delivery = key
            .read(&one.receipt)
            .ok_or_else(|| Problem::new(&codes::RECEIPT_UNKNOWN, "no push of ours carried this"))?;
        let said_at = one.at.as_deref().map_or(Ok(now), instant::parse);
        let said_at = said_at.map_err(|message| {
            let pointer = pointer(brought, at, "at");
            Problem::invalid(vec![FieldProblem::new(pointer, "receipt.at", message)])
        })?;
        receipts.push(NewReceipt {
            delivery,
            kind: match one.event {
                Said::Delivered => ReceiptKind::Delivered,
                Said::Opened | Said::Acknowledged => ReceiptKind::Opened,
            },
            at: said_at,
        });
    }
    Ok(receipts)
}

/// Before they are written down: nobody is to be paged meanwhile, and where this fails all of them are brought once more.
async fn acknowledge(
    api: &Api,
    brought: &[Receipt],
    receipts: &[NewReceipt],
) -> Result<(), Problem> {
    let all = brought.iter().zip(receipts).enumerate();
    let said = all.filter(|(_, (one, _))| one.event == Said::Acknowledged);
    let said = said.map(|(at, (_, receipt))| (at, receipt.delivery));
    let (places, deliveries): (Vec<usize>, Vec<DeliveryId>) = said.unzip();
    if deliveries.is_empty() {
        return Ok(());
    }
    let found = api.engine.pages_of(&deliveries).await?;
    let mut pages = Vec::with_capacity(found.len());
    let mut problems = Vec::new();
    for (at, page) in places.into_iter().zip(found) {
        match page {
            Some(page) => pages.push(page),
            None => {
                let pointer = pointer(brought, at, "event");
                problems.push(FieldProblem::new(pointer, "receipt.no_page", NO_PAGE));
            }
        }
    }
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let acknowledged = api.engine.acknowledge_pages(pages).await;
    acknowledged.map_err(Problem::from)
}

fn pointer(brought: &[Receipt], at: usize, field: &str) -> String {
    match brought.len() {
        1 => format!("/{field}"),
        _ => format!("/{at}/{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_many_and_fields_of_later_apps() {
        let read =
            |json: &str| json::read_one_or_many::<Receipt>(json.as_bytes()).map(|all| all.len());
        let one = r#"{"receipt":"x","event":"opened","battery":3}"#;
        assert_eq!(read(one).ok(), Some(1));
        assert_eq!(read(&format!("[{one},{one}]")).ok(), Some(2));
        assert!(read(r#"{"receipt":"x"}"#).is_err() && read("3").is_err());
        assert!(read(r#"{"receipt":"x","event":"seen"}"#).is_err());
        let acknowledged = r#"{"receipt":"x","event":"acknowledged"}"#;
        assert_eq!(read(acknowledged).ok(), Some(1));
    }
}
