//! Makes the monitors of the server itself that are missing: once, in the App that the configuration names. From then
//! on they are the operator's, who may change them; one that is deleted comes back, one that is paused rests.

use crate::service::Shared;
use carillon_model::definition::DefinitionKind;
use carillon_model::monitor::ServerPart;
use carillon_ports::registry::Actor;
use carillon_ports::store::StoreError;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether one is missing: in memory.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Runs in the leading worker, until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut said = None;
    while !shared.hub.is_stopping() {
        match make_missing(&shared).await {
            Ok(why) => {
                if let Some(why) = &why
                    && said.as_ref() != Some(why)
                {
                    tracing::warn!("the server does not watch itself: {why}");
                }
                said = why;
            }
            Err(error) => {
                if !shared.hub.store_refused("making its own monitors", &error) {
                    return;
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Makes them; says why that is not possible.
async fn make_missing(shared: &Arc<Shared>) -> Result<Option<String>, StoreError> {
    let hub = &shared.hub;
    let wanted = &hub.parts.config.self_watch;
    let directory = hub.directory.load_full();
    let Some(app) = directory.app(&wanted.app) else {
        let id = &wanted.app;
        return Ok(Some(format!(
            "monitors.watch_server_app names the App {id:?}, which there is not: make it (carillon app put {id})"
        )));
    };
    let ladder = (!wanted.ladder.is_empty()).then_some(&wanted.ladder);
    if let Some(ladder) = ladder
        && directory
            .definition(app.no, DefinitionKind::Ladder, ladder)
            .is_none()
    {
        let id = &app.id;
        return Ok(Some(format!(
            "monitors.watch_server_ladder names the ladder {ladder:?}, which the App {id} has not: make it (carillon ladder put {ladder} --app {id})"
        )));
    }
    let missing = ServerPart::ALL.into_iter().filter(|what| {
        let name = what.monitor_name();
        let known = directory.definition(app.no, DefinitionKind::Monitor, name);
        known.is_none()
    });
    let missing: Vec<ServerPart> = missing.collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let registry = &hub.parts.registry;
    for what in &missing {
        let mut body = json!({
            "check": { "server": { "what": what.as_str() } },
            "interval": "30s",
            "description": description(*what),
        });
        if let Some(ladder) = ladder {
            body["ladder"] = json!(ladder);
        }
        let (kind, name) = (DefinitionKind::Monitor, what.monitor_name().to_owned());
        let no = registry.definition_no(app.no, kind, name.clone()).await?;
        let now = hub.parts.clock.now();
        let server = Actor {
            api_key: None,
            request_id: None,
        };
        let (app, body) = (app.no, body.to_string());
        let put = registry.put_definition(no, app, kind, name, body, None, now, server);
        put.await?;
    }
    shared.refresh().await?;
    hub.wake_others();
    tracing::info!(
        app = app.id,
        made = missing.len(),
        "the server watches itself by monitors of the App {}",
        app.id
    );
    Ok(None)
}

fn description(what: ServerPart) -> &'static str {
    match what {
        ServerPart::Lanes => "Carillon itself: an App's pushes cannot be sent through a gateway",
        ServerPart::Credentials => "Carillon itself: a credential ends soon, or cannot be used",
        ServerPart::OldestWork => "Carillon itself: pushes wait that could be sent",
        ServerPart::Disk => "Carillon itself: little space for the store, or no writes",
        ServerPart::SchedulerLag => "Carillon itself: what is to happen later is late",
    }
}
