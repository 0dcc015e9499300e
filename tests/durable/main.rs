//! What is written survives: the stores, the log and its checkpoints, and the state the engine folds of them.

mod backup;
mod commands;
mod conformance;
mod damage;
mod erasures;
mod fixtures;
mod format;
mod format_merges;
mod histories;
mod hub;
mod long_orders;
mod memory;
mod model;
mod naive;
mod over;
mod requests;
mod support;
mod verify;
mod watched;
