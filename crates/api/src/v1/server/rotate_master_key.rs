//! `POST /v1/server/rotate-master-key`
//!
//! The order is what keeps every secret openable, whatever fails in between: a key leaves the ring
//! only after everything that it sealed was sealed again.

use crate::answer;
use crate::auth::Caller;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::{Api, Shared};
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::{Actor, Scope};
use carillon_ports::secret::Place;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What was done.
#[derive(Serialize, ToSchema)]
#[schema(as = MasterKeyRotation)]
pub(crate) struct Rotated {
    /// Secrets that were sealed again.
    resealed: u64,
    /// Id of the master key that seals now.
    #[schema(example = "5be01d9f")]
    master_key_id: String,
}

problems!(GUARDED, GLOBAL, WRITES; STORE_REFUSED);

/// Make a new master key, and seal every secret with it.
///
/// When the master key comes from the environment, Carillon makes none: everything is sealed with the
/// first one that it was given. Needs the scope `admin`, and an API key that is not bound to an App.
#[utoipa::path(
    post, path = "/v1/server/rotate-master-key", operation_id = "server_rotate_master_key", tag = "server",
    responses((status = 200, description = "Everything is sealed with the newest master key.", body = Rotated), Problems),
)]
pub(crate) async fn rotate_master_key(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Response, Problem> {
    caller.global(&[Scope::Admin])?;
    let (by, shared) = (caller.actor(), Api::clone(&api));
    let resealed = answer::change(&api, async move {
        // One at a time: two rotations at once would drop the key that the first still needs.
        let _turn = shared.rotation.lock().await;
        // The former rotation may have been cut short. What still needs the oldest key is sealed
        // with the present one first, because a fresh one pushes the oldest out.
        let resealed = reseal(&shared, &by).await?;
        let keys = Arc::clone(&shared.master_keys);
        let made = tokio::task::spawn_blocking(move || keys.rotate())
            .await
            .map_err(|error| Problem::internal(error.to_string()))?
            .map_err(Problem::internal)?;
        if made {
            reseal(&shared, &by).await
        } else {
            Ok(resealed)
        }
    })
    .await?;
    answer::ok(&Rotated {
        resealed,
        master_key_id: api.master_keys.id(),
    })
}

/// Seals everything with the newest key, in one transaction.
async fn reseal(api: &Shared, by: &Actor) -> Result<u64, Problem> {
    let stopped = Arc::new(Mutex::new(None));
    let (keys, why) = (Arc::clone(&api.master_keys), Arc::clone(&stopped));
    let sealed = api
        .registry()
        .reseal(
            Box::new(move |table, column, row, sealed| {
                keys.reseal(Place { table, column, row }, sealed)
                    .inspect_err(|sentence| *why.lock() = Some(sentence.clone()))
            }),
            api.now(),
            by.clone(),
        )
        .await;
    // Only the sealing's own words are for the caller; the store's may name its insides.
    match (sealed, stopped.lock().take()) {
        (Err(_), Some(sentence)) => Err(Problem::new(&codes::STORE_REFUSED, sentence)),
        (sealed, _) => Ok(sealed?),
    }
}
