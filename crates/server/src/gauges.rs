//! Gauges that are read when somebody asks: backlogs, pools. What the engine measures itself is in its
//! own metrics.

use carillon_engine::Engine;

/// Says what they mean.
pub(crate) fn describe() {
    for (name, about) in [
        (
            "carillon_lane_has_stored_backlog",
            "1: more waits in the store.",
        ),
        ("carillon_pool_connections", "Open connections."),
        (
            "carillon_pool_streams_in_flight",
            "Pushes without an answer.",
        ),
        ("carillon_pool_waiting", "Pushes that wait for a stream."),
        (
            "carillon_fanouts_running",
            "Notifications whose audience is being counted.",
        ),
        (
            "carillon_rescue_finished",
            "1: what a former process held is free again.",
        ),
    ] {
        metrics::describe_gauge!(name, about);
    }
    metrics::describe_counter!("carillon_pool_goaways_total", "GOAWAY frames received.");
    metrics::describe_counter!("carillon_pool_connects_total", "Connections made.");
}

/// Writes the engine's state into the metrics.
pub(crate) fn record(engine: &Engine) {
    let directory = engine.directory();
    let status = engine.status();
    for lane in &status.lanes {
        let app = directory
            .app_by_no(lane.lane.app)
            .map_or_else(|| "deleted".to_owned(), |app| app.id.clone());
        let labels = [
            ("app", app),
            ("gateway", lane.lane.gateway.as_str().to_owned()),
            ("environment", lane.lane.environment.as_str().to_owned()),
        ];
        metrics::gauge!("carillon_lane_has_stored_backlog", &labels)
            .set(f64::from(u8::from(lane.backlog)));
    }
    for pool in &status.pools {
        let app = directory
            .app_by_no(pool.app)
            .map_or_else(|| "deleted".to_owned(), |app| app.id.clone());
        let labels = [
            ("app", app),
            ("credential", pool.credential.clone()),
            ("environment", pool.id.environment.as_str().to_owned()),
            ("probing", pool.id.probing.to_string()),
        ];
        metrics::gauge!("carillon_pool_connections", &labels)
            .set(f64::from(pool.status.connections));
        metrics::gauge!("carillon_pool_streams_in_flight", &labels)
            .set(f64::from(pool.status.in_flight));
        metrics::gauge!("carillon_pool_waiting", &labels).set(f64::from(pool.status.waiting));
        metrics::counter!("carillon_pool_goaways_total", &labels).absolute(pool.status.goaways);
        metrics::counter!("carillon_pool_connects_total", &labels).absolute(pool.status.connects);
    }
    metrics::gauge!("carillon_fanouts_running").set(f64::from(status.fanouts));
    metrics::gauge!("carillon_rescue_finished").set(f64::from(u8::from(status.rescued)));
}
