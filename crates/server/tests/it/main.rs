//! The whole program as a process: what a user and an operator see of it. Parts have their own tests
//! beside them; here is only what needs the real binary.

mod activity_story;
mod activity_world;
mod callouts;
mod campaigns;
mod certificate;
mod commands;
mod config;
mod conflicts;
mod connections;
mod credential_files;
mod databases;
mod demo;
mod deploy;
mod docs;
mod doctor;
mod import;
mod later;
mod lists;
mod old_server;
mod proxy;
mod receiver;
mod reporting;
mod roles;
mod rpush;
mod schedules;
mod secrets;
mod segments;
mod sources;
mod stop;
mod story;
mod supervised;
mod support;
mod tls;
mod upgrade;
mod webhooks;
