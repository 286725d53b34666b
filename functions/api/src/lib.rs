//! The HTTP API, behind Amazon API Gateway or any listener.
//!
//! [`router`] is the whole of it; [`openapi`] describes it (OpenAPI 3.1) and is served at `/openapi.json`. A handler extracts, makes one
//! call into the desk or the store, and maps what comes back. It records what is wanted together with the run that will
//! do it, and answers; what the provider is asked is the flow runner's business.
//!
//! Invariants: no handler calls the provider. Every look-up has the caller's organisation in its key, so that a foreign identifier finds
//! nothing and is answered like one that never existed.

mod desk;
mod document;
mod lambda;
mod refusals;
mod requests;
mod routes;
mod views;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::Signer;
use axum::Router;
use axum::extract::FromRef;
use durable::Engine;
use dynamo::Store;
use edge::Cursors;
use flows::Deployment;
use identity::Verifier;

pub use document::openapi;
pub use lambda::{Settings, from_environment, service};

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// Knows callers by their tokens.
    pub verifier: Verifier,
    /// The state.
    pub store: Store,
    /// Wakes and cancels runs. Of its flows it uses none.
    pub engine: Engine,
    /// Names apps and images in plans.
    pub deployment: Deployment,
    /// Signs instance tokens and one-time links.
    pub signer: Arc<Signer>,
    /// Gives out and takes back the cursors of lists.
    pub cursors: Cursors,
}

/// The API as a service.
pub fn router(api: Api) -> Router {
    let (router, _) = document::routes().split_for_parts();
    edge::dress(router.with_state(api))
}

impl FromRef<Api> for Verifier {
    fn from_ref(api: &Api) -> Self {
        api.verifier.clone()
    }
}

impl FromRef<Api> for Cursors {
    fn from_ref(api: &Api) -> Self {
        api.cursors.clone()
    }
}

impl FromRef<Api> for Store {
    fn from_ref(api: &Api) -> Self {
        api.store.clone()
    }
}

impl FromRef<Api> for desk::Desk {
    fn from_ref(api: &Api) -> Self {
        Self { store: api.store.clone(), engine: api.engine.clone(), deployment: api.deployment.clone(), signer: Arc::clone(&api.signer) }
    }
}
