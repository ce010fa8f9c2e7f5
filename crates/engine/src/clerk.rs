//! The Clerk: writes down receipts, many together, so that a million phones that say they got a push are
//! some hundreds of transactions and events, and not a million of each.
//!
//! Whoever brings a receipt waits for the transaction that it is in: an answer means that it is on disk.

use crate::engine::Engine;
use crate::hub::Hub;
use crate::moment::ms;
use crate::receipt::ReceiptKey;
use crate::service::Shared;
use crate::tray::Tray;
use crate::watch::heard;
use carillon_model::id::DeliveryId;
use carillon_ports::fault;
use carillon_ports::receipt::{NewReceipt, ReceiptAnswer, ReceiptStore};
use carillon_ports::store::StoreError;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Calls that wait for the clerk; more are refused.
const WAITING: usize = 2_048;
/// Receipts of one transaction, about.
const MOST: usize = 4_000;

type Answers = Result<Vec<ReceiptAnswer>, StoreError>;

pub(crate) struct Brought {
    receipts: Vec<NewReceipt>,
    answer: oneshot::Sender<Answers>,
}

/// Where receipts are brought to.
pub(crate) type Counter = Tray<Brought, WAITING>;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let mut waiting = hub.receipts.waiting().await;
    while let Some(first) = waiting.recv().await {
        let mut count = first.receipts.len();
        let mut together = vec![first];
        // Others bring theirs meanwhile.
        tokio::time::sleep(ms(hub.parts.config.receipt_pause_ms)).await;
        while count < MOST
            && let Ok(next) = waiting.try_recv()
        {
            count += next.receipts.len();
            together.push(next);
        }
        write(hub, together).await;
    }
}

async fn write(hub: &Hub, together: Vec<Brought>) {
    let now = hub.parts.clock.now();
    let all: Vec<NewReceipt> = together
        .iter()
        .flat_map(|brought| brought.receipts.iter().copied())
        .collect();
    let deliveries: Vec<DeliveryId> = all.iter().map(|receipt| receipt.delivery).collect();
    let recorded = hub.parts.receipts.store.record_receipts(all, now).await;
    fault::stage("receipts.committed");
    if recorded.is_ok() {
        heard(hub, &deliveries).await;
    }
    if let Ok(answers) = &recorded {
        let is_new = |answer: &&ReceiptAnswer| **answer == ReceiptAnswer::Recorded;
        let count = answers.iter().filter(is_new).count();
        hub.meters.receipts(count as u64);
        if count > 0 {
            hub.tell();
        }
    }
    let mut from = 0;
    for brought in together {
        let to = from + brought.receipts.len();
        let mine = match &recorded {
            Ok(answers) => Ok(answers.get(from..to).unwrap_or_default().to_vec()),
            Err(error) => Err(error.clone()),
        };
        // Whoever went away does not need it.
        let _ = brought.answer.send(mine);
        from = to;
    }
}

/// What receipts stand on.
#[derive(Clone)]
pub struct Receipts {
    /// Keeps them.
    pub store: Arc<dyn ReceiptStore>,
    /// Authenticates receipt tokens.
    pub receipt_key: ReceiptKey,
}

impl Engine {
    /// What receipts stand on.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.shared().hub.parts.receipts
    }

    /// Writes receipts down, together with others that come at the same time. Answers in the same order,
    /// when they are on disk.
    ///
    /// # Errors
    /// When too many wait already ([`StoreError::Overloaded`]), or the store cannot be written.
    pub async fn receive(&self, receipts: Vec<NewReceipt>) -> Answers {
        let (answer, answered) = oneshot::channel();
        let hub = &self.shared().hub;
        if hub.is_stopping() {
            return Err(StoreError::Closed);
        }
        let brought = Brought { receipts, answer };
        if !hub.receipts.try_bring(brought) {
            return Err(StoreError::Overloaded);
        }
        // A clerk that died on it has not answered: nobody knows, and it can be brought again.
        let died = || StoreError::Failed("the clerk panicked; the log has the place".into());
        answered.await.unwrap_or_else(|_| Err(died()))
    }
}
