//! The edge of the HTTP API: what stands between a request and one call into the domain.
//!
//! A handler names what it needs in its arguments (a permission, an identifier, a body) and never sees a request that lacks it. Whatever
//! is wrong leaves as a [`Problem`] (RFC 9457). [`dress`] puts the layers around a router that every answer goes through.
//!
//! ```
//! use axum::{Router, extract::FromRef, routing::get};
//! use edge::{Authorised, InstancesRead, Path, Problem};
//!
//! #[derive(Clone, FromRef)]
//! struct State {
//!     verifier: identity::Verifier,
//! }
//!
//! async fn name(caller: Authorised<InstancesRead>, Path(id): Path<domain::InstanceId>) -> Result<String, Problem> {
//!     Err(Problem::not_found(format_args!("instance {id} in {}", caller.organisation())))
//! }
//!
//! fn router(state: State) -> Router {
//!     edge::dress(Router::new().route("/v1/instances/{id}/name", get(name)).with_state(state))
//! }
//! ```
//!
//! Invariants: no detail of a problem comes from an error that was not written for customers; an unknown error is a 500 with a fixed
//! text. A malformed identifier, a foreign one and one that never existed get the same answer. This crate knows nothing about instances,
//! AWS or Fly.io.

mod authorised;
mod body;
mod cursor;
mod dress;
mod idempotency;
mod object;
mod path;
mod permission;
mod problem;
mod problems;
mod query;
mod request_id;

#[cfg(test)]
mod tests;

pub use authorised::Authorised;
pub use body::{BODY_LIMIT, JsonBody, Request};
pub use cursor::Cursors;
pub use dress::{dress, note_instance, note_operation};
pub use idempotency::IdempotencyKey;
pub use object::Object;
pub use path::Path;
pub use permission::{InstancesAccess, InstancesRead, InstancesWrite, OperationsCancel, OperationsRead, Permission, Role};
pub use problem::{Kind, Problem, ProblemDocument};
pub use query::Query;
pub use request_id::RequestId;
