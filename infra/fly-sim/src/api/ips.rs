use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::query::{body, platform_app};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::records::IpAssignment;
use crate::world::World;

pub(super) async fn list(State(world): State<Shared>, Path(app): Path<String>) -> Answer<Json<Value>> {
    world.read(|tables| Ok(Json(json!({ "ips": platform_app(tables, &app)?.ips.iter().map(view).collect::<Vec<_>>() }))))
}

#[derive(Deserialize)]
struct Assign {
    r#type: Option<String>,
    region: Option<String>,
    service_name: Option<String>,
    network: Option<String>,
}

pub(super) async fn assign(State(world): State<Shared>, Path(app): Path<String>, bytes: Bytes) -> Answer<Json<Value>> {
    let Assign { r#type, region, service_name, network } = body(&bytes)?;
    let network = network.filter(|network| !network.is_empty()).unwrap_or_else(|| "default".to_owned());
    let kind = r#type.unwrap_or_default();
    world.change(|change| {
        let app_now = platform_app(change.tables(), &app)?;
        let ip = address(&world, &network, &kind)?;
        // One shared IPv4 and one IPv6 per app: a repeat is refused, and whoever asked again may take that as done.
        if matches!(kind.as_str(), "shared_v4" | "v6") && app_now.ips.iter().any(|ip| ip.kind == kind) {
            return Err(Refusal::platform(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("Validation failed: App already has a {kind} address allocated"),
            ));
        }
        let region = region.filter(|region| !region.is_empty()).unwrap_or_else(|| "global".to_owned());
        let ip = IpAssignment { ip, kind, region, service_name: service_name.unwrap_or_default(), network, created_at: world.now() };
        let answer = view(&ip);
        if let Some(app) = change.app(&app) {
            app.ips.push(ip);
        }
        Ok(Json(answer))
    })
}

/// Addresses of the ranges for documentation, so that a client that tried to reach one would reach nobody.
/// A Flycast address is of the network that callers are on, which is not the app's own unless they say so.
fn address(world: &World, network: &str, kind: &str) -> Answer<String> {
    let drawn = world.ids.number();
    match kind {
        "shared_v4" => Ok("203.0.113.1".to_owned()),
        "v4" => Ok(format!("198.51.100.{}", drawn % 254 + 1)),
        "v6" => Ok(format!("2001:db8:{:x}:{:x}::1", drawn >> 16, drawn & 0xffff)),
        "private_v6" => {
            let prefix = hex::encode(&Sha256::digest(network.as_bytes())[..4]);
            Ok(format!("fdaa:{}:{}:0:1::{:x}", &prefix[..4], &prefix[4..], drawn & 0xffff))
        }
        other => Err(Refusal::platform(StatusCode::BAD_REQUEST, format!("invalid IP type \"{other}\""))),
    }
}

pub(super) async fn release(State(world): State<Shared>, Path((app, ip)): Path<(String, String)>) -> Answer<StatusCode> {
    world.change(|change| {
        platform_app(change.tables(), &app)?;
        let app = change.app(&app).ok_or_else(|| Refusal::platform(StatusCode::NOT_FOUND, "Could not find App"))?;
        let before = app.ips.len();
        app.ips.retain(|held| held.ip != ip);
        if app.ips.len() == before { Err(Refusal::platform(StatusCode::NOT_FOUND, "IP not found")) } else { Ok(StatusCode::NO_CONTENT) }
    })
}

fn view(ip: &IpAssignment) -> Value {
    let shared = ip.kind == "shared_v4";
    json!({ "ip": ip.ip, "region": ip.region, "service_name": ip.service_name, "shared": shared, "created_at": ip.created_at })
}
