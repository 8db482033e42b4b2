//! Compares the handler with what people would use instead, on loopback, against the sandbox's Entra ID, managed
//! identity and Microsoft Graph.
//!
//! | module | says |
//! |---|---|
//! | [`program`] | what is compared, and how it is made ready |
//! | [`world`] | what all programs meet: the cloud, and the host's invocations |
//! | [`process`], [`accounting`], [`load`] | a running program, what the system says of it, and calls to it |
//! | [`comparison`] | what is measured |
//! | [`instructions`] | the check that holds on any machine |
//! | [`results`], [`report`] | what was found out, and how it is told |
//! | [`conditions`], [`deployment`] | what the figures depend on; what a deployment uploads |

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
