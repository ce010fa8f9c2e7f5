//! Gauges that are read when somebody asks: lanes, pools, breakers.

use carillon_engine::{BreakerState, Engine};

/// Writes the engine's state into the metrics.
pub(crate) fn record(engine: &Engine) {
    let directory = engine.directory();
    let status = engine.status();
    let now = engine.clock().now();
    for lane in &status.lanes {
        let app = directory
            .app_by_no(lane.lane.app)
            .map_or_else(|| "deleted".to_owned(), |app| app.id.clone());
        let labels = [
            ("app", app),
            ("gateway", lane.lane.gateway.as_str().to_owned()),
            ("environment", lane.lane.environment.as_str().to_owned()),
        ];
        let oldest = lane
            .oldest_accepted_at
            .map_or(0.0, |at| (now - at).max(0) as f64 / 1_000.0);
        metrics::gauge!("carillon_lane_queued", &labels).set(lane.queued as f64);
        metrics::gauge!("carillon_lane_in_flight", &labels).set(lane.in_flight as f64);
        metrics::gauge!("carillon_lane_has_stored_backlog", &labels)
            .set(f64::from(u8::from(lane.backlog)));
        metrics::gauge!("carillon_lane_oldest_waiting_age_seconds", &labels).set(oldest);
        metrics::gauge!("carillon_lane_breaker_open", &labels)
            .set(f64::from(u8::from(lane.breaker != BreakerState::Closed)));
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
    metrics::gauge!("carillon_unsettled_outcomes").set(status.unsettled as f64);
    metrics::gauge!("carillon_fanouts_running").set(f64::from(status.fanouts));
    metrics::gauge!("carillon_rescue_finished").set(f64::from(u8::from(status.rescued)));
}
