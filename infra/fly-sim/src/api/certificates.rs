use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{body, platform_app};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::records::{App, Certificate};

pub(super) async fn list(State(world): State<Shared>, Path(app): Path<String>) -> Answer<Json<Value>> {
    world.read(|tables| {
        let certificates: Vec<Value> = platform_app(tables, &app)?.certificates.values().map(summary).collect();
        Ok(Json(json!({ "total_count": certificates.len(), "certificates": certificates, "next_cursor": "" })))
    })
}

#[derive(Deserialize)]
struct Add {
    hostname: Option<String>,
}

/// Asks for a certificate. It stays `pending_validation` for ever, as on Fly until the name's DNS points at the app.
pub(super) async fn add(State(world): State<Shared>, Path(app): Path<String>, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let hostname = body::<Add>(&bytes)?.hostname.unwrap_or_default().to_ascii_lowercase();
    if !is_hostname(&hostname) {
        return Err(Refusal::platform(StatusCode::UNPROCESSABLE_ENTITY, "Validation failed: Hostname is invalid"));
    }
    world.change(|change| {
        if platform_app(change.tables(), &app)?.certificates.contains_key(&hostname) {
            return Err(Refusal::platform(StatusCode::UNPROCESSABLE_ENTITY, "Validation failed: Hostname already exists on app"));
        }
        let app = change.app(&app).ok_or_else(not_found)?;
        let certificate = Certificate { hostname: hostname.clone(), created_at: world.now() };
        let answer = detail(app, &certificate);
        app.certificates.insert(hostname, certificate);
        Ok((StatusCode::CREATED, Json(answer)))
    })
}

fn is_hostname(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let label =
        |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    name.len() <= 253 && name.contains('.') && name.split('.').all(label)
}

pub(super) async fn read(State(world): State<Shared>, Path((app, hostname)): Path<(String, String)>) -> Answer<Json<Value>> {
    world.read(|tables| {
        let app = platform_app(tables, &app)?;
        app.certificates.get(&hostname).map(|certificate| Json(detail(app, certificate))).ok_or_else(not_found)
    })
}

pub(super) async fn check(State(world): State<Shared>, path: Path<(String, String)>) -> Answer<Json<Value>> {
    let Json(mut answer) = read(State(world), path).await?;
    answer["dns_records"] =
        json!({ "a": [], "aaaa": [], "cname": [], "resolved_addresses": [], "acme_challenge_cname": "", "ownership_txt": "", "soa": "" });
    Ok(Json(answer))
}

pub(super) async fn remove(State(world): State<Shared>, Path((app, hostname)): Path<(String, String)>) -> Answer<StatusCode> {
    world.change(|change| {
        platform_app(change.tables(), &app)?;
        change.app(&app).and_then(|app| app.certificates.remove(&hostname)).map(|_| StatusCode::NO_CONTENT).ok_or_else(not_found)
    })
}

fn not_found() -> Refusal {
    Refusal::platform(StatusCode::NOT_FOUND, "Certificate not found")
}

fn summary(certificate: &Certificate) -> Value {
    json!({
        "hostname": certificate.hostname, "status": "pending_validation", "configured": false, "acme_requested": true, "dns_provider": "",
        "has_fly_certificate": false, "has_custom_certificate": false, "acme_dns_configured": false, "acme_alpn_configured": false,
        "acme_http_configured": false, "ownership_txt_configured": false, "created_at": certificate.created_at, "updated_at": certificate.created_at,
    })
}

fn detail(app: &App, certificate: &Certificate) -> Value {
    let base = certificate.hostname.trim_start_matches("*.");
    let of = |v6: bool| {
        app.ips.iter().map(|ip| ip.ip.clone()).filter(|ip| ip.contains(':') == v6 && !ip.starts_with("fdaa:")).collect::<Vec<_>>()
    };
    json!({
        "hostname": certificate.hostname, "status": "pending_validation", "configured": false, "acme_requested": true, "dns_provider": "",
        "certificates": [], "validation_errors": [],
        "validation": { "dns_configured": false, "alpn_configured": false, "http_configured": false, "ownership_txt_configured": false },
        "dns_requirements": {
            "a": of(false), "aaaa": of(true), "cname": format!("{}.fly.dev", app.name),
            "acme_challenge": { "name": format!("_acme-challenge.{base}"), "target": format!("{base}.{}.flydns.net", app.id) },
            "ownership": { "name": format!("_fly-ownership.{base}"), "app_value": format!("app-{}", app.id), "org_value": "org-simulated" },
        },
    })
}
