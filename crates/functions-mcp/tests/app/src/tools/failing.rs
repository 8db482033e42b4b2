//! Tools that never succeed, each in another way.

use std::convert::Infallible;

use functions_mcp::{Failure, NoArguments, Tool, ToolContext};
use schemars::JsonSchema;
use serde::Serialize;

/// The result of calls that never succeed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Nothing {}

/// Fails with a message of its own.
#[derive(Debug)]
pub struct Refusing;

impl Tool for Refusing {
    const NAME: &'static str = "Refusing";
    const DESCRIPTION: &'static str = "Fails in words of its own.";
    type Arguments = NoArguments;
    type Output = Nothing;

    async fn call(&self, _: NoArguments, _: &ToolContext) -> Result<Nothing, Failure> {
        Err(Failure::user("closed", "The shop is closed."))
    }
}

/// Panics.
#[derive(Debug)]
pub struct Panicking;

impl Tool for Panicking {
    const NAME: &'static str = "Panicking";
    const DESCRIPTION: &'static str = "Panics.";
    type Arguments = NoArguments;
    type Output = Nothing;

    async fn call(&self, _: NoArguments, _: &ToolContext) -> Result<Nothing, Failure> {
        panic!("a panic of the test")
    }
}

/// Never ends.
#[derive(Debug)]
pub struct Endless;

impl Tool for Endless {
    const NAME: &'static str = "Endless";
    const DESCRIPTION: &'static str = "Never ends.";
    type Arguments = NoArguments;
    type Output = Nothing;

    async fn call(&self, _: NoArguments, _: &ToolContext) -> Result<Nothing, Failure> {
        match std::future::pending::<Infallible>().await {}
    }
}
