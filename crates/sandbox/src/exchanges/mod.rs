//! What the cloud is asked and what it answers, read off the wire and put into words, for those who
//! listen to the cloud's events.
//!
//! Only what is known to be harmless is told: names, numbers and URLs. Tokens are read for whom they
//! are about, and never shown.

mod entra;
mod graph;
mod managed_identity;
mod message;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::middleware::Next;
use actix_web::web::Data;

use self::message::{Answer, Request, Words};
use crate::events::{Event, Events, Exchange, Party};
use crate::tenant::Tenant;

/// Passes a request on, and tells of it and its answer. The app's data name the service, a [`Party`], and those who
/// listen, [`Events`].
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
            "nobody knows whose service this is",
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
