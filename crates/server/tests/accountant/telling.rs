//! Finds out which notification of the store told which events: what triggers made stands in the first book from then on,
//! as if it had been asked for, so that every law holds for it, too.

use std::collections::HashMap;

use anyhow::{Context, Result};
use futures_util::{StreamExt, stream};

use crate::audit::{AT_ONCE, Accepted, gateway_id, micros};
use crate::books::Books;
use crate::books::accepted::{Asked, Audience, Kind, OnUnknown};
use crate::books::events::Telling;
use crate::books::stored::KeptNotification;
use crate::caller::Question;
use crate::gateway::reading::Told;
use crate::scene::Scene;

/// Enters what triggers made. `kept` are the notifications of the store that no request asked for, by their ids; of those
/// of which nobody received anything the books keep only that.
pub(crate) fn enter(
    books: &mut Books,
    told: Vec<Told>,
    mut kept: HashMap<String, KeptNotification>,
    owners: &HashMap<u128, String>,
    accepted: &Accepted,
) -> Result<()> {
    let mut tellings: HashMap<String, usize> = HashMap::new();
    for (mut receipt, count, events) in told {
        let owner = receipt.own_id.and_then(|id| owners.get(&id));
        let Some(id) = owner else {
            books.strangers.push(format!(
                "no notification that told the events {events:?} (push {})",
                receipt.seq
            ));
            continue;
        };
        let at = match tellings.get(id) {
            Some(at) => *at,
            None => {
                let device = &books.devices[books.device_of(&receipt) as usize];
                let (app, user) = (device.app, device.user);
                let number = u32::try_from(books.asked.len()).context("too many notifications")?;
                let (_, instant) = accepted.get(id).context("a notification without an App")?;
                let accepted_at = micros(instant)?;
                let reported = events.iter().filter_map(|event| {
                    let event = books.events.get(*event as usize)?;
                    Some(event.sent)
                });
                // No device is missed that was there before the first of the events was.
                let sent = reported.min().unwrap_or(receipt.at);
                books.asked.push(Asked {
                    app,
                    kind: Kind::Alert,
                    on_unknown: OnUnknown::Resend,
                    audience: Audience::Users(vec![user]),
                    expires_at: None,
                    planned: None,
                    ahead: 0,
                    sent,
                    accepted: Some((id.clone(), accepted_at)),
                    refused: None,
                    is_cancel_asked: false,
                    cancelled: None,
                    sightings: Vec::new(),
                });
                books.kept.push(kept.remove(id));
                books.tellings.push(Telling {
                    number,
                    id: id.clone(),
                    user,
                    accepted_at,
                    count,
                    events: events.clone(),
                    is_contradictory: false,
                });
                tellings.insert(id.clone(), books.tellings.len() - 1);
                books.tellings.len() - 1
            }
        };
        let telling = &mut books.tellings[at];
        telling.is_contradictory |= telling.events != events || telling.count != count;
        receipt.asked = telling.number;
        books.receipts.push(receipt);
    }
    books.unread.extend(kept.into_keys());
    Ok(())
}

/// Which notification each delivery belongs to, by the delivery's own id.
pub(crate) async fn owners(
    scene: &Scene,
    kept: &HashMap<String, KeptNotification>,
    accepted: &Accepted,
) -> Result<HashMap<u128, String>> {
    let deliveries = kept.iter().flat_map(|(id, kept)| {
        let app = accepted.get(id).map(|(app, _)| app.as_str());
        let app = app.unwrap_or_default();
        let paths = kept.deliveries.iter();
        paths.map(move |delivery| (id.clone(), format!("{app}/deliveries/{}", delivery.id)))
    });
    let deliveries: Vec<_> = deliveries.collect();
    stream::iter(deliveries)
        .map(|(id, path)| async move {
            let page = scene.caller.ask(&Question::get(path)).await?.success()?;
            Ok((gateway_id(&page)?, id))
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect()
}
