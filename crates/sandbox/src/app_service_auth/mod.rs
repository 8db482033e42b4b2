//! App Service Authentication ("Easy Auth"), in front of the Functions host: it verifies callers and passes their
//! identity to the app in headers that clients cannot set.
//!
//! MCP clients send a bearer token. Browsers send the cookie of the session that a sign-in at `/.auth/login/aad` opens;
//! the app needs that sign-in for consent only.
//!
//! Source: "Authentication and authorization in Azure App Service and Azure Functions", and the pages that it links to.

mod caller;
mod code_redemption;
mod pages;
mod protected_resource;
mod session;
mod sign_in;

use std::{fmt, io, sync::Arc};

use actix_web::{
    Error, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::HOST},
    middleware::Next,
    web::{Data, ServiceConfig},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Url;

pub use self::caller::caller_headers;
use self::{session::Sessions, sign_in::SignIns};
use crate::{
    directory::TENANT_ID,
    events::{Event, Events, Exchange, Party},
    loopback,
    tenant::Tenant,
};

/// The authentication of one app.
pub struct AppServiceAuth {
    tenant: Arc<Tenant>,
    authority: Url,
    /// The path that clients call with their tokens.
    resource_path: &'static str,
    /// The app's origins. The first is the app's own name for itself.
    origins: [Url; 2],
    client: reqwest::Client,
    sign_ins: SignIns,
    sessions: Sessions,
    events: Events,
}

impl AppServiceAuth {
    /// The authentication of the app on a port of this machine. Clients call the app at `resource_path`. Registers the
    /// redirect URIs of the app's sign-in in the tenant.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(
        tenant: Arc<Tenant>,
        port: u16,
        resource_path: &'static str,
        events: Events,
    ) -> io::Result<Self> {
        let parse = |url: &str| Url::parse(url).map_err(io::Error::other);
        let origins = [
            parse(&format!("http://127.0.0.1:{port}"))?,
            parse(&format!("http://localhost:{port}"))?,
        ];
        for origin in &origins {
            let redirect_uri = sign_in::redirect_uri(origin);
            tenant.directory.register_redirect_uri(redirect_uri);
        }
        Ok(Self {
            authority: parse(&tenant.addresses.authority)?,
            tenant,
            resource_path,
            origins,
            client: loopback::client()?,
            sign_ins: SignIns::default(),
            sessions: Sessions::default(),
            events,
        })
    }

    /// The URL of the sign-in with a browser.
    pub fn sign_in_url(&self) -> String {
        let [own_name, _] = &self.origins;
        url_at(own_name, sign_in::SIGN_IN_PATH).into()
    }

    /// Whether App Service Authentication answers requests for the path itself.
    fn answers(&self, path: &str) -> bool {
        path.starts_with("/.auth/") || protected_resource::is_metadata(path, self.resource_path)
    }

    /// The origin that the request was sent to.
    fn origin(&self, request: &HttpRequest) -> &Url {
        let [own_name, other_name] = &self.origins;
        match request.headers().get(HOST) {
            Some(host) if host.as_bytes() == other_name.authority().as_bytes() => other_name,
            _ => own_name,
        }
    }

    /// The tenant's OAuth endpoint of this name.
    fn entra(&self, endpoint: &str) -> Url {
        url_at(
            &self.authority,
            &format!("/{TENANT_ID}/oauth2/v2.0/{endpoint}"),
        )
    }

    /// Reports a request to App Service Authentication and its answer.
    fn report(&self, from: Party, request: &HttpRequest, status: StatusCode, answer: String) {
        self.events.emit(Event::Exchange(Exchange {
            from: Some(from),
            to: Party::AppServiceAuth,
            request: format!("{} {}", request.method(), request.path()),
            status: status.as_u16(),
            answer,
        }));
    }
}

impl fmt::Debug for AppServiceAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppServiceAuth")
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// The routes that App Service Authentication answers itself.
pub(crate) fn routes(config: &mut ServiceConfig, auth: Data<AppServiceAuth>) {
    protected_resource::routes(config, auth.resource_path);
    config
        .configure(sign_in::routes)
        .configure(session::routes)
        .app_data(auth);
}

/// Passes on authenticated requests and those for its own pages, or all requests if the app has no authentication.
pub(crate) async fn authenticate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(auth) = request.app_data::<Data<AppServiceAuth>>().cloned()
        && !auth.answers(request.path())
    {
        match auth.identify_caller(request.request()) {
            Ok(caller) => caller.set_headers(request.headers_mut()),
            Err(refusal) => {
                let response = auth.refuse(request.request(), &refusal);
                return Ok(request.into_response(response));
            }
        }
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// The URL of a path at an origin.
fn url_at(origin: &Url, path: &str) -> Url {
    let mut url = origin.clone();
    url.set_path(path);
    url
}

/// An unguessable id.
fn random_id() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
