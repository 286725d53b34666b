use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::records::{App, Certificate, CertificateStatus};

/// How long nothing is tried after too many failures: five for a hostname within an hour (<https://letsencrypt.org/docs/rate-limits/>).
const LIMITED: SignedDuration = SignedDuration::from_hours(1);
/// How long a certificate lasts once it is issued.
const LASTS: SignedDuration = SignedDuration::from_hours(90 * 24);

pub(super) fn summary(certificate: &Certificate) -> Value {
    let active = certificate.status() == CertificateStatus::Active;
    json!({
        "hostname": certificate.hostname, "status": certificate.status().as_str(), "configured": active, "acme_requested": certificate.acme.is_some(),
        "dns_provider": "", "has_fly_certificate": certificate.acme == Some(CertificateStatus::Active),
        "has_custom_certificate": certificate.custom.is_some(), "acme_dns_configured": false, "acme_alpn_configured": active,
        "acme_http_configured": active, "ownership_txt_configured": certificate.owned(), "created_at": certificate.created_at,
        "updated_at": certificate.updated_at,
    })
}

pub(super) fn detail(app: &App, certificate: &Certificate) -> Value {
    let base = certificate.hostname.trim_start_matches("*.");
    let of = |v6: bool| {
        app.ips.iter().map(|ip| ip.ip.clone()).filter(|ip| ip.contains(':') == v6 && !ip.starts_with("fdaa:")).collect::<Vec<_>>()
    };
    let active = certificate.status() == CertificateStatus::Active;
    json!({
        "hostname": certificate.hostname, "status": certificate.status().as_str(), "configured": active, "acme_requested": certificate.acme.is_some(),
        "dns_provider": "", "certificates": entries(certificate), "validation_errors": errors(certificate), "rate_limited_until": limited_until(certificate),
        "validation": {
            "dns_configured": active, "alpn_configured": active, "http_configured": active, "ownership_txt_configured": certificate.owned(),
        },
        "dns_requirements": {
            "a": of(false), "aaaa": of(true), "cname": format!("{}.fly.dev", app.name),
            "acme_challenge": { "name": format!("_acme-challenge.{base}"), "target": format!("{base}.{}.flydns.net", app.id) },
            "ownership": { "name": format!("_fly-ownership.{base}"), "app_value": format!("app-{}", app.id), "org_value": "org-simulated" },
        },
    })
}

/// What went wrong at the last attempt. Fly's codes are not documented.
fn errors(certificate: &Certificate) -> Vec<Value> {
    let error = |code: &str, message: &str, remediation: &str| {
        vec![json!({ "code": code, "message": message, "remediation": remediation, "timestamp": certificate.updated_at })]
    };
    match certificate.status() {
        CertificateStatus::Failed => error(
            "validation_failed",
            "no challenge of the certificate authority could be answered",
            "point the hostname's DNS at the app, or set the _acme-challenge record",
        ),
        CertificateStatus::RateLimited => error("rate_limited", "too many failed attempts for this hostname", "wait, and correct its DNS"),
        CertificateStatus::PendingOwnership | CertificateStatus::PendingValidation | CertificateStatus::Active => Vec::new(),
    }
}

fn limited_until(certificate: &Certificate) -> Option<Timestamp> {
    (certificate.status() == CertificateStatus::RateLimited).then(|| certificate.updated_at + LIMITED)
}

/// The certificates of a hostname: the one that Fly has asked for, and the one that was brought.
fn entries(certificate: &Certificate) -> Vec<Value> {
    let mut entries = Vec::new();
    // One that is still to be issued is not listed.
    if certificate.acme == Some(CertificateStatus::Active) {
        entries.push(entry("fly", "Let's Encrypt", CertificateStatus::Active, certificate.updated_at));
    }
    if let Some(status) = certificate.custom {
        entries.push(entry("custom", "", status, certificate.created_at));
    }
    entries
}

fn entry(source: &str, issuer: &str, status: CertificateStatus, at: Timestamp) -> Value {
    let ends = at + LASTS;
    json!({
        "source": source, "status": status.as_str(), "created_at": at, "expires_at": ends, "issuer": issuer,
        "issued": [{ "type": "ecdsa", "expires_at": ends, "certificate_authority": issuer }],
    })
}
