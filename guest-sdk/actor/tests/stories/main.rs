//! The library over a boundary that only writes down what it is asked.
//!
//! A story runs tasks by hand, delivers events, and reads what the boundary was asked. Tasks are polled
//! only when they were woken, so a lost wake-up fails a story instead of going unnoticed.

#![expect(unreachable_pub, reason = "the harness is written as a library of this one test")]

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
