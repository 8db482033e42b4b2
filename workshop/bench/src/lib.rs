//! Compares the handler with its alternatives, on loopback, against the sandbox's Entra ID, managed identity and
//! Microsoft Graph.
//!
//! | module | content |
//! |---|---|
//! | [`program`] | the programs that are compared, and how they are built |
//! | [`world`] | the environment of all programs: the cloud, and the host's invocations |
//! | [`process`], [`accounting`], [`load`] | a running program, its processor time and memory, and calls to it |
//! | [`comparison`] | the measurements |
//! | [`instructions`] | a check that does not depend on the machine's speed |
//! | [`results`], [`report`] | the results, and their report |
//! | [`conditions`], [`deployment`] | the conditions of a run; the size of a deployment |

pub mod accounting;
pub mod comparison;
pub mod conditions;
pub mod deployment;
pub mod instructions;
pub mod load;
pub mod process;
pub mod program;
pub mod report;
pub mod results;
pub mod world;
