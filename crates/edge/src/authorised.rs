use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use domain::OrganisationId;
use http::header::AUTHORIZATION;
use http::request::Parts;
use identity::{Caller, Verifier, VerifyError};

use crate::dress::note_organisation;
use crate::permission::{Permission, Role};
use crate::problem::Problem;

/// A caller who is known and has the permission `P`. It stands first among a handler's arguments, so that nobody learns anything about
/// identifiers or bodies before they have said who they are.
pub struct Authorised<P> {
    /// Who calls.
    pub caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> Authorised<P> {
    /// The organisation on whose behalf they call: every look-up has it in its key.
    #[must_use]
    pub fn organisation(&self) -> OrganisationId {
        self.caller.organisation
    }

    /// Lets the caller pass if their role grants the permission.
    fn admit(caller: Caller, role: Role) -> Result<Self, Problem> {
        if role.grants(P::NAME) { Ok(Self { caller, permission: PhantomData }) } else { Err(Problem::forbidden(P::NAME)) }
    }
}

impl<S, P> FromRequestParts<S> for Authorised<P>
where
    S: Send + Sync,
    P: Permission,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(parts)?;
        let caller = Verifier::from_ref(state).verify(token).await.map_err(|error| match error {
            VerifyError::Refused(refusal) => Problem::bad_token(refusal),
            VerifyError::IssuerUnreachable(_) => Problem::unavailable(Duration::from_secs(5)).caused_by(error),
        })?;
        note_organisation(caller.organisation);
        Self::admit(caller, Role::Owner)
    }
}

/// The token of the one `Authorization` header (RFC 6750, section 2.1). A second header could mean one thing here and another in a proxy.
fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return Err(Problem::unauthorised()) };
    let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(Problem::unauthorised)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_matches(' ')) } else { Err(Problem::unauthorised()) }
}

impl<P: Permission> fmt::Debug for Authorised<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorised").field("caller", &self.caller).field("permission", &P::NAME).finish()
    }
}
