//! `carillon openapi`: the API's document, the same that a server serves.

use crate::output::Output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Prints it.
pub(crate) fn run(output: Output) {
    output.text(&carillon_api::openapi_text());
}
