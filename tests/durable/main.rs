//! What is written survives: the stores, the log and its checkpoints, and the state the engine folds of them.

mod conformance;
mod damage;
mod support;
