//! Certificates: <https://fly.io/docs/networking/custom-domain-api/>.

mod view;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use self::view::{detail, summary};
use super::query::{Params, body, platform_app, unknown_app};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::records::{Certificate, CertificateStatus};
use crate::world::World;

/// Rows of a page unless asked for more, and at most.
const PAGE: usize = 25;
const LONGEST_PAGE: usize = 500;

type Names = Path<(String, String)>;

pub(super) async fn list(State(world): State<Shared>, Path(app): Path<String>, params: Params) -> Answer<Json<Value>> {
    let limit = params.number("limit")?.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
    let (filter, after) = (params.get("filter").unwrap_or_default(), params.get("cursor").unwrap_or_default());
    world.read(|tables| {
        let all = platform_app(tables, &app)?.certificates.values();
        let fitting: Vec<&Certificate> = all.filter(|certificate| certificate.hostname.contains(filter)).collect();
        let rest: Vec<&&Certificate> = fitting.iter().filter(|certificate| certificate.hostname.as_str() > after).collect();
        let page = &rest[..rest.len().min(limit)];
        let next = page.last().filter(|_| rest.len() > limit).map(|certificate| certificate.hostname.as_str()).unwrap_or_default();
        let rows: Vec<Value> = page.iter().map(|certificate| summary(certificate)).collect();
        Ok(Json(json!({ "total_count": fitting.len(), "certificates": rows, "next_cursor": next })))
    })
}

#[derive(Deserialize)]
struct Acme {
    hostname: Option<String>,
}

/// Asks for a certificate. It stays `pending_validation` until the name's DNS points at the app, which a test has to say.
pub(super) async fn add(State(world): State<Shared>, Path(app): Path<String>, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let hostname = hostname(body::<Acme>(&bytes)?.hostname)?;
    write(&world, &app, hostname, |known| {
        if known.acme.is_some() {
            return Err(Refusal::platform(StatusCode::UNPROCESSABLE_ENTITY, "Validation failed: Hostname already exists on app"));
        }
        known.acme = Some(CertificateStatus::PendingValidation);
        Ok(())
    })
}

#[derive(Deserialize)]
struct Custom {
    hostname: Option<String>,
    fullchain: Option<String>,
    private_key: Option<String>,
}

/// Takes a certificate that the caller has got elsewhere. It is served once the caller's ownership of the name is proved.
pub(super) async fn bring(State(world): State<Shared>, Path(app): Path<String>, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let Custom { hostname: name, fullchain, private_key } = body(&bytes)?;
    let hostname = hostname(name)?;
    for (what, pem, label) in [("Certificate", fullchain, "CERTIFICATE-----"), ("Private key", private_key, "PRIVATE KEY-----")] {
        if !pem.is_some_and(|pem| pem.contains("-----BEGIN ") && pem.contains(label)) {
            return Err(Refusal::platform(StatusCode::UNPROCESSABLE_ENTITY, format!("Validation failed: {what} is invalid")));
        }
    }
    write(&world, &app, hostname, |known| {
        known.custom = Some(if known.owned() { CertificateStatus::Active } else { CertificateStatus::PendingOwnership });
        Ok(())
    })
}

/// Writes to the certificate of a hostname, which is made if there is none.
fn write(
    world: &World,
    app: &str,
    hostname: String,
    write: impl FnOnce(&mut Certificate) -> Answer<()>,
) -> Answer<(StatusCode, Json<Value>)> {
    let now = world.now();
    world.change(|change| {
        platform_app(change.tables(), app)?;
        let app = change.app(app).ok_or_else(unknown_app)?;
        let mut certificate = app.certificates.get(&hostname).cloned().unwrap_or_else(|| Certificate::new(hostname.clone(), now));
        write(&mut certificate)?;
        certificate.updated_at = now;
        let answer = detail(app, &certificate);
        app.certificates.insert(hostname, certificate);
        Ok((StatusCode::CREATED, Json(answer)))
    })
}

fn hostname(given: Option<String>) -> Answer<String> {
    let hostname = given.unwrap_or_default().to_ascii_lowercase();
    let name = hostname.strip_prefix("*.").unwrap_or(&hostname);
    let label =
        |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if name.len() <= 253 && name.contains('.') && name.split('.').all(label) {
        return Ok(hostname);
    }
    Err(Refusal::platform(StatusCode::UNPROCESSABLE_ENTITY, "Validation failed: Hostname is invalid"))
}

pub(super) async fn read(State(world): State<Shared>, Path((app, hostname)): Names) -> Answer<Json<Value>> {
    world.read(|tables| {
        let app = platform_app(tables, &app)?;
        app.certificates.get(&hostname).map(|certificate| Json(detail(app, certificate))).ok_or_else(not_found)
    })
}

pub(super) async fn check(State(world): State<Shared>, path: Names) -> Answer<Json<Value>> {
    let Json(mut answer) = read(State(world), path).await?;
    answer["dns_records"] =
        json!({ "a": [], "aaaa": [], "cname": [], "resolved_addresses": [], "acme_challenge_cname": "", "ownership_txt": "", "soa": "" });
    Ok(Json(answer))
}

pub(super) async fn remove(State(world): State<Shared>, Path((app, hostname)): Names) -> Answer<StatusCode> {
    world.change(|change| {
        platform_app(change.tables(), &app)?;
        change.app(&app).and_then(|app| app.certificates.remove(&hostname)).map(|_| StatusCode::NO_CONTENT).ok_or_else(not_found)
    })
}

/// Gives up the certificate that Fly has asked for.
pub(super) async fn remove_acme(State(world): State<Shared>, names: Names) -> Answer<Json<Value>> {
    give_up(&world, &names, |certificate| certificate.acme.take().is_some())
}

/// Gives up the certificate that was brought.
pub(super) async fn remove_custom(State(world): State<Shared>, names: Names) -> Answer<Json<Value>> {
    let Json(mut answer) = give_up(&world, &names, |certificate| certificate.custom.take().is_some())?;
    if answer["status"] != CertificateStatus::Active.as_str() {
        answer["warning"] = json!("this hostname has no active certificate any more");
    }
    Ok(Json(answer))
}

fn give_up(world: &World, Path((app, hostname)): &Names, give_up: impl FnOnce(&mut Certificate) -> bool) -> Answer<Json<Value>> {
    let now = world.now();
    world.change(|change| {
        platform_app(change.tables(), app)?;
        let app = change.app(app).ok_or_else(unknown_app)?;
        let mut certificate = app.certificates.get(hostname).cloned().ok_or_else(not_found)?;
        if !give_up(&mut certificate) {
            return Err(not_found());
        }
        certificate.updated_at = now;
        let answer = detail(app, &certificate);
        if certificate.acme.is_none() && certificate.custom.is_none() {
            app.certificates.remove(hostname);
        } else {
            app.certificates.insert(hostname.clone(), certificate);
        }
        Ok(Json(answer))
    })
}

fn not_found() -> Refusal {
    Refusal::platform(StatusCode::NOT_FOUND, "Certificate not found")
}
