//! What is written survives: the log, its checkpoints, and the state the engine folds of them.

mod backup;
mod checkpoints;
mod commands;
mod conformance;
mod damage;
mod erasures;
mod faulty;
mod fixtures;
mod format;
mod histories;
mod hub;
mod logs;
mod long_orders;
mod many_namespaces;
mod memory;
mod model;
mod naive;
mod naive_imports;
mod namespaces;
mod over;
mod requests;
mod shares;
mod support;
mod unknown;
mod verify;
mod watched;
