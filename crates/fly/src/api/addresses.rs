use serde::{Deserialize, Serialize};

use crate::api::apps::App;
use crate::call::{Call, Repeat};
use crate::error::CallError;
use crate::lenient;

/// What kind of public address an app can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// An IPv4 address shared with other apps, routed by host name. Free.
    SharedV4,
    /// An IPv6 address of its own. Free.
    V6,
}

/// A public or private address of an app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Address {
    /// The address.
    pub ip: String,
    /// Whether other apps have it too.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub shared: bool,
}

impl Address {
    /// What it is; none for kinds that are not asked for here. Fly.io does not say, so that it is inferred: `fdaa:` are private.
    #[must_use]
    pub fn kind(&self) -> Option<AddressKind> {
        match (self.ip.contains(':'), self.shared) {
            (true, _) if self.ip.starts_with("fdaa:") => None,
            (true, _) => Some(AddressKind::V6),
            (false, true) => Some(AddressKind::SharedV4),
            (false, false) => None,
        }
    }
}

/// Addresses. An app made through the API has none and cannot be reached.
impl App<'_> {
    /// The app's addresses. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn addresses(&self) -> Result<Vec<Address>, CallError> {
        #[derive(Deserialize)]
        struct Addresses {
            #[serde(deserialize_with = "lenient::or_default")]
            ips: Vec<Address>,
        }
        Ok(self.client.read::<Addresses>(Call::get("list_ips", &["v1", "apps", self.name, "ip_assignments"])).await?.ips)
    }

    /// Gives the app an address. Not idempotent: a second IPv6 may be a second address.
    ///
    /// # Errors
    /// [`CallError`]; a repeat was seen to be answered with 409 or 422.
    pub async fn assign_address(&self, kind: AddressKind) -> Result<(), CallError> {
        #[derive(Serialize)]
        struct Request {
            r#type: AddressKind,
        }
        let call = Call::post("assign_ip", Repeat::Never, &["v1", "apps", self.name, "ip_assignments"]).json(&Request { r#type: kind })?;
        self.client.send(call).await
    }

    /// Takes an address away. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn release_address(&self, ip: &str) -> Result<(), CallError> {
        match self.client.send(Call::delete("release_ip", &["v1", "apps", self.name, "ip_assignments", ip])).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_is() {
        let kind = |ip: &str, shared| Address { ip: ip.to_owned(), shared }.kind();
        assert_eq!(kind("66.241.125.1", true), Some(AddressKind::SharedV4));
        assert_eq!(kind("37.16.0.1", false), None, "a dedicated IPv4 costs money and is not ours to count");
        assert_eq!(kind("2a09:8280:1::1", false), Some(AddressKind::V6));
        assert_eq!(kind("fdaa:0:1::3", false), None);
    }
}
