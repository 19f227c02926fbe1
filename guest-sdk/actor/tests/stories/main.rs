//! The library over a boundary that only writes down what it is asked.
//!
//! A story runs tasks by hand, delivers events, and reads what the boundary was asked. Tasks are polled
//! only when they were woken, so a lost wake-up fails a story instead of going unnoticed.

#![allow(unreachable_pub, clippy::new_without_default)]

mod broadcast;
mod callee;
mod caller;
mod cluster;
mod crossing;
mod error;
mod exit;
mod gather;
mod harness;
mod nursery;
mod policy;
mod scope;
mod shared;
mod state;
mod stream;
mod supervision;
mod tasks;
