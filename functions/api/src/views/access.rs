use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A way into an instance's gateway. Whoever has it is let in: keep it as you keep a password.
#[derive(Serialize, ToSchema)]
#[schema(as = Access)]
pub(crate) struct AccessView {
    /// The instance's origin, for programs that bring the token along.
    pub(crate) address: String,
    /// For `Authorization: Bearer` or a WebSocket's subprotocol.
    pub(crate) token: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Timestamp,
    /// For a person's browser, once.
    pub(crate) link: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) link_expires_at: Timestamp,
}
