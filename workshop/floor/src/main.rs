//! The minimal custom handler: it decodes the call, asks Microsoft Graph with a fixed token, and answers.
//!
//! It has no verification, exchange, cache, time limit or log. The handler's cost beyond this is the cost of these.

use std::{borrow::Cow, collections::HashMap, env, io};

use actix_web::{App, HttpResponse, HttpServer, http::header::ContentType, web};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

/// The size limit of an invocation, in bytes.
const MAX_INVOCATION: usize = 16 * 1024 * 1024;

struct Floor {
    client: Client,
    url: String,
    authorization: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    data: HashMap<&'a str, &'a RawValue>,
}

/// A call, decoded only as far as its headers.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    transport: Transport<'a>,
}

#[derive(Deserialize)]
struct Transport<'a> {
    #[serde(borrow)]
    properties: Properties<'a>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(borrow)]
    headers: HashMap<Cow<'a, str>, Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    display_name: String,
    mail: Option<String>,
    user_principal_name: String,
}

#[derive(Serialize)]
struct Greeting {
    name: String,
    email: String,
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let variable =
        |name| env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")));
    let port = variable("FUNCTIONS_CUSTOMHANDLER_PORT")?
        .parse()
        .map_err(io::Error::other)?;
    let graph = variable("MICROSOFT_GRAPH_ENDPOINT")?;
    let floor = web::Data::new(Floor {
        client: Client::builder().build().map_err(io::Error::other)?,
        url: format!("{graph}/v1.0/me?$select=displayName,mail,userPrincipalName"),
        authorization: format!("Bearer {}", variable("GRAPH_TOKEN")?),
    });
    HttpServer::new(move || {
        App::new()
            .app_data(floor.clone())
            .app_data(web::PayloadConfig::new(MAX_INVOCATION))
            .route("/", web::get().to(HttpResponse::Ok))
            .route("/{function}", web::post().to(greet))
    })
    .tcp_nodelay(true)
    .bind(("127.0.0.1", port))?
    .run()
    .await
}

async fn greet(body: web::Bytes, floor: web::Data<Floor>) -> HttpResponse {
    match greeting(&body, &floor).await {
        Ok(answer) => HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(answer),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn greeting(body: &[u8], floor: &Floor) -> Result<String, Box<dyn std::error::Error>> {
    let request: Request = serde_json::from_slice(body)?;
    let trigger = request.data.get("mcpTrigger").ok_or("no trigger")?;
    let quoted: String = serde_json::from_str(trigger.get())?;
    let text: String = serde_json::from_str(&quoted)?;
    let call: Call = serde_json::from_str(&text)?;
    if !call
        .transport
        .properties
        .headers
        .contains_key("Authorization")
    {
        return Err("not signed in".into());
    }

    let reply = floor
        .client
        .get(&floor.url)
        .header("Authorization", &floor.authorization)
        .send()
        .await?
        .error_for_status()?;
    let user: User = serde_json::from_slice(&reply.bytes().await?)?;
    let greeting = Greeting {
        name: user.display_name,
        email: user.mail.unwrap_or(user.user_principal_name),
    };
    let text = format!("Hello, {} ({})!", greeting.name, greeting.email);
    let result = json!({
        "content": [{ "type": "text", "text": text }],
        "structuredContent": greeting,
        "isError": false,
    });
    let value = json!({ "type": "call_tool_result", "content": result.to_string() }).to_string();
    Ok(json!({ "Outputs": {}, "Logs": [], "ReturnValue": value }).to_string())
}
