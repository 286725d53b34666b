use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a certificate has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateStatus {
    /// It is not proved whose name it is.
    PendingOwnership,
    /// It is not proved that the name leads to the app.
    PendingValidation,
    /// It is served.
    Active,
    /// It was tried in vain: `pending_validation` on the wire, with `validation_errors`.
    Failed,
    /// It was tried in vain too often: likewise, with `rate_limited_until`.
    RateLimited,
}

impl CertificateStatus {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingOwnership => "pending_ownership",
            Self::PendingValidation | Self::Failed | Self::RateLimited => "pending_validation",
            Self::Active => "active",
        }
    }
}

/// What an app has for a hostname.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) hostname: String,
    pub(crate) created_at: Timestamp,
    #[serde(default)]
    pub(crate) updated_at: Timestamp,
    /// The certificate that Fly has asked for.
    #[serde(default = "pending")]
    pub(crate) acme: Option<CertificateStatus>,
    /// The certificate that was brought.
    #[serde(default)]
    pub(crate) custom: Option<CertificateStatus>,
}

/// What certificates of the first format of the state file were.
#[allow(clippy::unnecessary_wraps, reason = "the field may be absent in later formats")]
fn pending() -> Option<CertificateStatus> {
    Some(CertificateStatus::PendingValidation)
}

impl Certificate {
    pub(crate) fn new(hostname: String, now: Timestamp) -> Self {
        Self { hostname, created_at: now, updated_at: now, acme: None, custom: None }
    }

    /// How far the further of both has come.
    pub(crate) fn status(&self) -> CertificateStatus {
        match [self.acme, self.custom] {
            all if all.contains(&Some(CertificateStatus::Active)) => CertificateStatus::Active,
            [first, second] => first.or(second).unwrap_or(CertificateStatus::PendingValidation),
        }
    }

    /// Whether it is proved whose name it is.
    pub(crate) fn owned(&self) -> bool {
        self.status() == CertificateStatus::Active || (self.custom == Some(CertificateStatus::PendingValidation))
    }

    /// Lets what is pending come as far as this.
    pub(crate) fn advance(&mut self, status: CertificateStatus) {
        for part in [&mut self.acme, &mut self.custom].into_iter().flatten() {
            *part = status;
        }
    }
}
