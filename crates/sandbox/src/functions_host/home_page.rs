//! The page at `/`, which tells a browser that the host runs.

use actix_web::{HttpResponse, http::StatusCode};
use function_app::MCP_PATH;
use maud::html;

use crate::html;

const TITLE: &str = "The function app is up and running";

/// `GET /`
pub(super) async fn home_page() -> HttpResponse {
    let content = html! {
        h1 { (TITLE) }
        p { "It has no pages of its own. MCP clients connect to " (MCP_PATH) "." }
    };
    html::response(StatusCode::OK).body(html::page("Azure Functions", TITLE, content))
}
