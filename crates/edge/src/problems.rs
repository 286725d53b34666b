//! Every way in which a request can go wrong, with the sentence that tells what to do.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use http::HeaderValue;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use crate::problem::{Kind, Problem};

impl Problem {
    /// The body is no JSON (RFC 8259), or nothing at all. `what` says where it stops being so.
    #[must_use]
    pub fn not_json(what: impl Display) -> Self {
        Self::new(Kind::NotJson, format!("{what} Send a JSON object, whole and in UTF-8."))
    }

    /// The body is JSON and has another type where `field` is, or as a whole. `why` says which was expected.
    #[must_use]
    pub fn wrong_type(field: Option<&str>, why: impl Display) -> Self {
        let place = field.map_or("The body".to_owned(), |field| format!("The field `{field}`"));
        let problem =
            Self::new(Kind::WrongType, format!("{place} has the wrong type. Correct it as `GET /openapi.json` describes: {why}."));
        if let Some(field) = field { problem.with("field", field) } else { problem }
    }

    /// The body is JSON of the right types and still cannot be used. `what` says why, and what to do.
    #[must_use]
    pub fn invalid_body(what: impl Display) -> Self {
        Self::new(Kind::InvalidBody, format!("{what}"))
    }

    /// A field that the request does not have. `expected` tells which it has.
    #[must_use]
    pub fn unknown_field(field: &str, expected: impl Display) -> Self {
        Self::new(Kind::UnknownField, format!("There is no field `{field}` here: {expected}. Remove it or correct its spelling."))
            .with("field", field)
    }

    /// A query parameter that does not exist or has a wrong value.
    #[must_use]
    pub fn invalid_query(what: impl Display) -> Self {
        Self::new(Kind::InvalidQuery, format!("{what}"))
    }

    /// A cursor that was changed, or was given to somebody else or for another list.
    #[must_use]
    pub fn invalid_cursor() -> Self {
        Self::new(Kind::InvalidCursor, "Use `next_cursor` of the page before exactly as it came, or begin without a cursor.")
            .with("field", "cursor")
    }

    /// An `Idempotency-Key` that is empty, too long or not plain text.
    #[must_use]
    pub fn invalid_idempotency_key() -> Self {
        Self::new(
            Kind::InvalidIdempotencyKey,
            "Send one `Idempotency-Key` of 1 to 255 visible ASCII characters, for example a random UUID.",
        )
    }

    /// No token was sent, or not as a bearer token (RFC 6750, section 3: the challenge then carries no error code).
    #[must_use]
    pub fn unauthorised() -> Self {
        let detail = "Send `Authorization: Bearer TOKEN` with an access token of the issuer that this service trusts.";
        Self::new(Kind::Unauthorised, detail).with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"rockpool\""))
    }

    /// A token was sent and is bad. `why` is safe for its bearer; it is said in the challenge too (RFC 6750, section 3.1).
    #[must_use]
    pub fn bad_token(why: identity::Refusal) -> Self {
        use identity::Refusal;
        let (kind, advice) = match why {
            Refusal::Expired => (Kind::TokenExpired, "Sign in again for a new one."),
            // Whoever signs with a key that the issuer does not publish is another issuer.
            Refusal::Issuer | Refusal::UnknownKey | Refusal::Audience | Refusal::Party => {
                (Kind::TokenForeign, "Use a token that the issuer of this service gave out for this service.")
            }
            Refusal::Malformed
            | Refusal::Algorithm
            | Refusal::Signature
            | Refusal::Claims
            | Refusal::NotYetValid
            | Refusal::Type
            | Refusal::Subject => {
                (Kind::TokenInvalid, "Send an access token exactly as the issuer gave it, or sign in again for a new one.")
            }
        };
        // The text has backquotes but neither quotes nor backslashes, so it may stand in a quoted string as it is.
        let challenge = HeaderValue::try_from(format!("Bearer realm=\"rockpool\", error=\"invalid_token\", error_description=\"{why}\""));
        Self::new(kind, format!("The access token is refused: {why}. {advice}"))
            .with_header(WWW_AUTHENTICATE, challenge.expect("the reasons are visible ASCII"))
    }

    /// The caller lacks a permission.
    #[must_use]
    pub fn forbidden(permission: &'static str) -> Self {
        let challenge = HeaderValue::try_from(format!("Bearer realm=\"rockpool\", error=\"insufficient_scope\", scope=\"{permission}\""));
        let detail = format!("This needs the permission `{permission}`, which you do not have. Ask an owner of the organisation for it.");
        Self::new(Kind::Forbidden, detail)
            .with("permission", permission)
            .with_header(WWW_AUTHENTICATE, challenge.expect("permissions are visible ASCII"))
    }

    /// It does not exist, or not for this caller: the two are never told apart.
    #[must_use]
    pub fn not_found(thing: impl Display) -> Self {
        Self::new(
            Kind::NotFound,
            format!("There is no {thing}. Check the address and the identifier; what was deleted cannot be found again."),
        )
    }

    /// The address exists, but not with this method. The answer's `Allow` header names those it has.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            Kind::MethodNotAllowed,
            "Use one of the methods in the `Allow` header of this answer; `GET /openapi.json` describes them.",
        )
    }

    /// Another instance of the organisation has the name.
    #[must_use]
    pub fn name_taken(name: &str) -> Self {
        Self::new(
            Kind::NameTaken,
            format!(
                "An instance of yours is called `{name}`, or was and is still being deleted. Choose another name, or wait for its end."
            ),
        )
        .with("field", "name")
    }

    /// A run is at work on the instance.
    #[must_use]
    pub fn busy(operation: impl Display) -> Self {
        let detail = format!("Operation {operation} is at work on it. Wait until it has ended, or cancel it, and try again.");
        Self::new(Kind::Busy, detail).with("operation", operation.to_string())
    }

    /// The instance's state has no place for the action; `allowed` are the states that have.
    #[must_use]
    pub fn state_forbids(action: &str, state: impl Display, allowed: impl IntoIterator<Item = impl Display>) -> Self {
        let allowed: Vec<String> = allowed.into_iter().map(|state| state.to_string()).collect();
        let detail =
            format!("`{action}` is not possible while the instance is {state}. It is possible in these states: {}.", allowed.join(", "));
        Self::new(Kind::StateForbids, detail).with("state", state.to_string()).with("allowed", allowed)
    }

    /// The instance lives where the new list of regions does not allow it to.
    #[must_use]
    pub fn region_in_use(region: impl Display) -> Self {
        let detail = format!(
            "The instance lives in `{region}`, which the list leaves out. Add `{region}` to the list, or make a new instance elsewhere."
        );
        Self::new(Kind::RegionInUse, detail).with("field", "allowed_regions").with("region", region.to_string())
    }

    /// The operation has ended, or has passed the point of no return.
    #[must_use]
    pub fn not_cancellable(state: impl Display) -> Self {
        let detail =
            format!("The operation is {state}. Only a running operation that has not passed its point of no return can be cancelled.");
        Self::new(Kind::NotCancellable, detail).with("state", state.to_string())
    }

    /// The organisation has as many instances as its plan allows.
    #[must_use]
    pub fn quota_exceeded(plan: impl Display, instances: u32) -> Self {
        let detail =
            format!("The plan `{plan}` allows {instances} instance(s), and you have as many. Delete one, or choose a larger plan.");
        Self::new(Kind::QuotaExceeded, detail).with("plan", plan.to_string()).with("limit", instances)
    }

    /// The body is longer than `limit` bytes.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(Kind::BodyTooLarge, format!("A body may have {limit} bytes at most. Send less.")).with("limit_bytes", limit)
    }

    /// The body has another media type than JSON.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(Kind::UnsupportedMediaType, "Send the body as JSON in UTF-8, with the header `Content-Type: application/json`.")
    }

    /// The name is longer than a DNS label may be. `why` says how long that is.
    #[must_use]
    pub fn name_too_long(why: impl Display) -> Self {
        Self::new(Kind::NameTooLong, format!("The name is too long: {why}. Choose a shorter one.")).with("field", "name")
    }

    /// The name is no DNS label: empty, or of other characters. `why` says which.
    #[must_use]
    pub fn name_invalid(why: impl Display) -> Self {
        let detail = format!("The name is not a DNS label: {why}. Choose one like `my-assistant`.");
        Self::new(Kind::NameInvalid, detail).with("field", "name")
    }

    /// A region that is not sold.
    #[must_use]
    pub fn unknown_region(field: &str, why: impl Display) -> Self {
        Self::new(Kind::UnknownRegion, format!("{why}. Choose one of them.")).with("field", field)
    }

    /// A plan that is not sold.
    #[must_use]
    pub fn unknown_plan(why: impl Display) -> Self {
        Self::new(Kind::UnknownPlan, format!("{why}. Choose one of them.")).with("field", "plan")
    }

    /// A gateway that is not hosted; `known` are those that are.
    #[must_use]
    pub fn unknown_version(asked: impl Display, known: impl IntoIterator<Item = impl Display>) -> Self {
        let known: Vec<String> = known.into_iter().map(|release| release.to_string()).collect();
        let detail = format!("The gateway `{asked}` is not hosted here. Choose one of these: {}.", known.join(", "));
        Self::new(Kind::UnknownVersion, detail).with("field", "gateway").with("known", known)
    }

    /// The plan's machine has less memory than the gateway needs; `fits` is the smallest plan that has enough, if any is sold.
    #[must_use]
    pub fn plan_too_small(plan: impl Display, release: impl Display, needs_mb: u32, fits: Option<impl Display>) -> Self {
        let needs = format!("{release} needs {needs_mb} MB of memory, more than the plan `{plan}` has.");
        let fits = fits.map(|plan| plan.to_string());
        let advice = fits
            .as_ref()
            .map_or("No plan has enough; choose another version.".to_owned(), |fits| format!("Choose the plan `{fits}` or a larger one."));
        Self::new(Kind::PlanTooSmall, format!("{needs} {advice}"))
            .with("field", "plan")
            .with("needs_memory_mb", needs_mb)
            .with("fits", fits)
    }

    /// The key came before, with another request.
    #[must_use]
    pub fn idempotency_key_reused() -> Self {
        let detail =
            "This `Idempotency-Key` came before with another request. Use a new key for a new request; repeat a request unchanged.";
        Self::new(Kind::IdempotencyKeyReused, detail)
    }

    /// Something that the answer needs does not work at the moment.
    #[must_use]
    pub fn unavailable(retry_after: Duration) -> Self {
        Self::new(Kind::Unavailable, "A part of this service does not answer. Nothing was changed; try again after `Retry-After` seconds.")
            .after(retry_after)
    }

    /// Our own fault. The caller gets a fixed text, the log gets the cause.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "It has been recorded. Try again; if it happens again, tell support the `request_id`.";
        Self::new(Kind::Internal, detail).caused_by(cause)
    }

    /// RFC 9110, section 10.2.3, in whole seconds, rounded up, at least one.
    fn after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        let seconds = seconds.max(1);
        self.with("retry_after_seconds", seconds).with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }
}
