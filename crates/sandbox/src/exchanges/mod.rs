//! Describes the requests to the cloud and their answers, read off the wire, for the log.
//!
//! The log has only what is known to be harmless: names, numbers and URLs. Of tokens it names the user and the
//! audience, never the token.

mod entra;
mod graph;
mod managed_identity;
mod message;

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::ErrorInternalServerError,
    middleware::Next,
    web::Data,
};

use self::message::{Answer, Request, Words};
use crate::{
    events::{Event, Events, Exchange, Party},
    tenant::Tenant,
};

/// Passes a request on, and reports it and its answer. The app's data have the service, a [`Party`], and the listener,
/// [`Events`].
pub(crate) async fn observe(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (Some(tenant), Some(events), Some(&service)) = (
        request.app_data::<Data<Tenant>>().cloned(),
        request.app_data::<Events>().cloned(),
        request.app_data::<Party>(),
    ) else {
        return Err(ErrorInternalServerError(
            "the app's data lack the tenant, the listener or the service",
        ));
    };
    if !events.are_heard() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let asked = Request::read(&tenant, &mut request).await?;
    let response = next.call(request).await?.map_into_boxed_body();
    let (answer, response) = Answer::read(response);
    let words = match service {
        Party::ManagedIdentity => Some(managed_identity::describe(&asked, &answer)),
        Party::Graph => Some(graph::describe(&asked, &answer)),
        _ => entra::describe(&asked, &answer),
    };
    if let Some(Words { from, asks, gets }) = words {
        events.emit(Event::Exchange(Exchange {
            from,
            to: service,
            request: asks,
            status: answer.status.as_u16(),
            answer: gets,
        }));
    }
    Ok(response)
}
