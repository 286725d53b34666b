use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::apps::App;
use crate::call::{Call, Repeat};
use crate::error::CallError;
use crate::lenient;

/// A certificate of an app for a host name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Certificate {
    /// The host name, or a wildcard.
    pub hostname: String,
    /// `active`, `pending_ownership` or `pending_validation`, the last perhaps for ever.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: String,
    /// Whether the host name leads to the app.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub configured: bool,
    /// Until when the authority issues nothing for it.
    #[serde(default, deserialize_with = "lenient::time")]
    pub rate_limited_until: Option<Timestamp>,
    /// What the owner of the host name must enter in its DNS zone.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub dns_requirements: DnsRequirements,
}

/// What must be in DNS. One of the ways to prove ownership is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct DnsRequirements {
    /// IPv4 addresses of the app.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub a: Vec<String>,
    /// IPv6 addresses of the app.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub aaaa: Vec<String>,
    /// The app's own name.
    #[serde(default, deserialize_with = "lenient::id")]
    pub cname: Option<String>,
    /// The CNAME that lets the authority validate.
    #[serde(default)]
    pub acme_challenge: Option<DnsTarget>,
}

/// A CNAME to be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DnsTarget {
    /// Its name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// What it points to.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub target: String,
}

/// A certificate in the list of an app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CertificateSummary {
    /// The host name.
    pub hostname: String,
    /// As in [`Certificate::status`].
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: String,
}

/// Certificates: <https://fly.io/docs/networking/custom-domain/>.
impl App<'_> {
    fn certificate_path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["v1", "apps", self.name, "certificates"], rest].concat()
    }

    /// Every certificate of the app. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn certificates(&self) -> Result<Vec<CertificateSummary>, CallError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default, deserialize_with = "lenient::or_default")]
            certificates: Vec<CertificateSummary>,
            #[serde(default, deserialize_with = "lenient::id")]
            next_cursor: Option<String>,
        }
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let call = Call::get("list_certificates", &self.certificate_path(&[])).query("limit", 500).query_if("cursor", cursor.as_ref());
            let page: Page = self.client.read(call).await?;
            all.extend(page.certificates);
            // A cursor that does not move would be followed for ever.
            if page.next_cursor.is_none() || page.next_cursor == cursor {
                return Ok(all);
            }
            cursor = page.next_cursor;
        }
    }

    /// A certificate. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn certificate(&self, hostname: &str) -> Result<Certificate, CallError> {
        self.client.read(Call::get("get_certificate", &self.certificate_path(&[hostname]))).await
    }

    /// Asks for a certificate from Let's Encrypt. Not resent: its authority counts duplicates.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn request_certificate(&self, hostname: &str) -> Result<Certificate, CallError> {
        #[derive(Serialize)]
        struct Request<'a> {
            hostname: &'a str,
        }
        let call = Call::post("request_certificate", Repeat::Never, &self.certificate_path(&["acme"])).json(&Request { hostname })?;
        self.client.read(call).await
    }

    /// Lets Fly.io look at DNS again. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_certificate(&self, hostname: &str) -> Result<Certificate, CallError> {
        let call = Call::post("check_certificate", Repeat::Safe, &self.certificate_path(&[hostname, "check"]));
        self.client.read(call).await
    }

    /// Removes a host name with its certificates. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete_certificate(&self, hostname: &str) -> Result<(), CallError> {
        match self.client.send(Call::delete("delete_certificate", &self.certificate_path(&[hostname]))).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
