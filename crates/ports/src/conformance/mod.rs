//! What every store must do: suites that run against the fake and against each adapter.
//!
//! An adapter's tests implement [`Subject`] and name a function that makes a fresh one in
//! [`store_suite!`](crate::store_suite): each case becomes a test of its own. They know nothing of
//! SQL; crashes, full disks and locked files are the adapter's own tests.

mod accepting;
mod activity_sources;
mod asking;
mod campaigns;
mod cancelling;
mod claiming;
mod devices;
mod fanning_out;
mod fixture;
mod gathering;
mod incidents;
mod listing;
mod live_activities;
mod own_devices;
mod paging;
mod people;
mod preferences;
mod pruning;
mod receipts;
mod recurring;
mod registry;
mod rescuing;
mod resolving;
mod scheduling;
mod segments;
mod settling;
mod sharing;
mod telling;
mod viewing;
mod watching;
mod webhooks;

pub use accepting::*;
pub use activity_sources::*;
pub use asking::*;
pub use campaigns::*;
pub use cancelling::*;
pub use claiming::*;
pub use devices::*;
pub use fanning_out::*;
pub use fixture::*;
pub use gathering::*;
pub use incidents::*;
pub use listing::*;
pub use live_activities::*;
pub use own_devices::*;
pub use paging::*;
pub use people::*;
pub use preferences::*;
pub use pruning::*;
pub use receipts::*;
pub use recurring::*;
pub use registry::*;
pub use rescuing::*;
pub use resolving::*;
pub use scheduling::*;
pub use segments::*;
pub use settling::*;
pub use sharing::*;
pub use telling::*;
pub use viewing::*;
pub use watching::*;
pub use webhooks::*;

use crate::receipt::ReceiptStore;
use crate::registry::Registry;
use crate::store::HotStore;
use crate::webhook::WebhookStore;
use std::sync::Arc;

/// A store under test.
#[async_trait::async_trait]
pub trait Subject: Send + Sync {
    /// It, as the hot store.
    fn hot(&self) -> Arc<dyn HotStore>;
    /// It, as the registry.
    fn registry(&self) -> Arc<dyn Registry>;
    /// It, as what telling stands on.
    fn webhooks(&self) -> Arc<dyn WebhookStore>;
    /// It, as what keeps receipts.
    fn receipts(&self) -> Arc<dyn ReceiptStore>;
    /// Ends the process that holds it, as far as the store can tell, and opens it again.
    async fn restart(&mut self);
}

/// Makes a `#[tokio::test]` of every case, each with a fresh [`Subject`] from `$fresh()`. With `maybe:` before it that is an
/// `Option`: without a subject, of which the function tells, a case proves nothing.
#[macro_export]
macro_rules! store_suite {
    (maybe: $fresh:expr) => {
        $crate::store_suite!(@cases $fresh;
            accepts_what_it_is_given
            repeats_are_told_apart
            numbers_are_never_reused
            an_empty_audience_is_complete_at_once
            events_are_gathered
            a_repeated_event_joins_once
            a_digest_is_told_once
            throttles_let_so_many_through
            a_time_that_fired_is_not_planned_again
            schedules_are_due_by_their_definition
            a_schedule_that_two_make_at_once_is_due_once
            a_schedule_that_is_tried_again_keeps_its_time
            a_turn_is_written_once
            what_a_schedule_sends_is_its_run
            runs_are_read_page_by_page_and_pruned
            live_activities_are_stepped_under_their_fence
            what_a_live_activity_pushes_is_its_step
            live_activities_are_listed_and_go
            devices_start_live_activities
            live_activities_have_errands
            refused_pushes_come_back
            pushes_at_once_are_counted_by_phone
            monitors_are_stepped_under_their_fence
            monitors_are_stepped_together
            checks_are_due_in_their_order
            incidents_are_made_of_their_entries
            incidents_are_listed
            what_a_monitor_pages_is_its_step
            devices_are_rung_apart
            phones_are_found_by_person
            hours_add_up
            what_is_kept_of_monitors_goes
            rows_of_a_source_are_noted
            sources_go_with_their_app
            a_timer_is_put_off_and_its_run_stays_open
            what_changes_overtakes_its_question
            what_is_sent_later_is_asked_first
            what_was_gathered_goes_with_its_user
            sends_when_the_time_has_come
            later_sends_go_to_whom_there_is
            changes_until_it_is_sent
            a_cancel_withdraws_what_waits
            apps_take_turns
            a_round_of_timers_is_bounded_by_bytes
            what_cannot_fire_is_set_aside
            lists_what_is_coming
            what_waits_goes_with_its_app
            claims_the_oldest_first
            claims_within_its_limits
            lanes_are_apart
            released_work_comes_back
            backlogs_are_counted
            settles_singles
            settles_large_batches
            knowledge_merges_one_way
            follow_ups_wait_their_time
            tries_are_remembered
            counts_and_events_add_up
            dead_push_tokens_retire_by_rule
            environments_are_repaired_once
            completions_are_told_once
            failures_are_told_once
            dead_push_tokens_are_told_by_device
            cancels_what_waits
            cancels_what_is_held_later
            what_had_ended_is_not_cancelled
            cancel_knows_its_app
            cancelled_doubt_is_unknown
            rescues_what_may_be_sent_again
            rescues_what_must_not_be_sent_again
            rescues_in_slices
            fans_out_page_by_page
            a_cancel_stops_a_fan_out
            campaigns_have_names
            a_campaign_goes_step_by_step
            what_rests_is_not_claimed
            a_campaign_that_rests_can_be_cancelled
            a_step_may_find_its_audience
            a_step_may_halt_a_campaign
            failures_of_campaigns_are_counted
            devices_are_asked_by_number
            an_audience_may_end_after_its_deliveries
            fan_out_reads_living_push_tokens
            lists_newest_first
            lists_deliveries
            deliveries_belong_to_an_app
            finds_the_deliveries_of_a_device
            prunes_content_and_records
            prunes_large_notifications_in_slices
            stragglers_are_not_forgotten
            prunes_what_a_deleted_app_left
            resolves_devices_and_users
            resolves_raw_push_tokens
            reaches_devices_by_preference
            topics_have_subscribers
            segments_mean_who_they_say
            segments_are_fanned_out_in_bounds
            segments_are_counted_in_slices
            segments_are_sampled
            attributes_have_names
            finds_the_devices_of_an_upload
            a_list_means_the_last_whole_upload
            lists_are_fanned_out_in_bounds
            lists_are_bounded_in_number
            lists_without_a_name_go
            people_are_known
            keeps_preferences
            caps_are_kept
            counts_badges_once
            counts_badges_over_pages
            registers_devices
            push_tokens_move_between_devices
            registering_again_revives
            imported_push_tokens_are_of_unknown_age
            lists_devices
            deletes_devices
            replaced_push_tokens_are_followed
            push_tokens_move_between_users_and_not_between_apps
            lists_devices_by_what_is_known
            counts_devices
            limits_the_devices_of_a_user
            deletes_stale_devices
            deletes_push_tokens
            devices_register_themselves
            strangers_change_no_device
            devices_delete_themselves
            devices_delete_their_push_tokens
            erases_users
            keeps_apps
            keeps_credentials
            changes_a_definition_only_as_it_was_read
            keeps_definitions
            keeps_api_keys
            reseals_secrets
            the_audit_log_tells_who
            receipts_are_kept_once
            segments_ask_what_devices_told
            receipts_go_with_their_batch
            endpoints_begin_with_what_is_new
            queues_and_cursors_move_together
            calls_are_settled
            backlogs_have_an_end
            queues_go_with_their_events
            finds_places_in_the_event_log
        );
    };
    ($fresh:expr) => {
        $crate::store_suite!(maybe: || Some($fresh()));
    };
    (@cases $fresh:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let Some(mut subject) = ($fresh)() else {
                    return;
                };
                $crate::conformance::$case(&mut subject).await;
            }
        )*
    };
}
