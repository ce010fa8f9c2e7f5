//! The engine on paused time, with the store in memory and a scripted gateway: no socket, no disk, no
//! waiting. A second of the engine's life takes as long as its work takes.

mod badges;
mod breakers;
mod callouts;
mod campaigns;
mod cancelling;
mod chaos;
mod events;
mod fairness;
mod fake_gateway;
mod fanning_out;
mod intake;
mod lists;
mod live_activities;
mod patience;
mod peers;
mod preferences;
mod rates;
mod reach;
mod receipts;
mod rehearsals;
mod repairs;
mod retries;
mod roles;
mod schedules;
mod scheduling;
mod segments;
mod sending;
mod sources;
mod stopping;
mod store_trouble;
mod telling;
mod templates;
mod verdicts;
mod world;
