//! The handler as the Functions host meets it: its server in this process, with tools made for the tests.

mod answers;
mod envelopes;
mod mishaps;
mod support;
