//! The stores from outside.

mod backups;
mod child;
mod chores;
mod crashing;
mod foreign;
mod full_disk;
mod groups;
mod mariadb;
mod model;
mod moving;
mod opening;
mod postgres;
mod proxy;
mod reconnecting;
mod schemas;
mod suite;
mod support;
