use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Shared;

/// Code, name, latitude, longitude and part of the world of each region (<https://fly.io/docs/reference/regions/>).
const REGIONS: [(&str, &str, f64, f64, &str); 18] = [
    ("ams", "Amsterdam, Netherlands", 52.37, 4.90, "europe"),
    ("arn", "Stockholm, Sweden", 59.65, 17.92, "europe"),
    ("bom", "Mumbai, India", 19.09, 72.87, "asia_pacific"),
    ("cdg", "Paris, France", 48.86, 2.35, "europe"),
    ("dfw", "Dallas, Texas (US)", 32.78, -96.81, "north_america"),
    ("ewr", "Secaucus, NJ (US)", 40.79, -74.06, "north_america"),
    ("fra", "Frankfurt, Germany", 50.12, 8.68, "europe"),
    ("gru", "Sao Paulo, Brazil", -23.55, -46.63, "south_america"),
    ("iad", "Ashburn, Virginia (US)", 39.02, -77.54, "north_america"),
    ("jnb", "Johannesburg, South Africa", -26.14, 28.01, "africa"),
    ("lax", "Los Angeles, California (US)", 33.94, -118.41, "north_america"),
    ("lhr", "London, United Kingdom", 51.52, -0.18, "europe"),
    ("nrt", "Tokyo, Japan", 35.62, 139.61, "asia_pacific"),
    ("ord", "Chicago, Illinois (US)", 41.89, -87.64, "north_america"),
    ("sin", "Singapore, Singapore", 1.30, 103.86, "asia_pacific"),
    ("sjc", "San Jose, California (US)", 37.35, -121.95, "north_america"),
    ("syd", "Sydney, Australia", -33.87, 151.20, "asia_pacific"),
    ("yyz", "Toronto, Canada", 43.64, -79.39, "north_america"),
];

pub(super) fn is_region(code: &str) -> bool {
    REGIONS.iter().any(|region| region.0 == code)
}

/// The regions that an entry of a placement list stands for: one region, a part of the world, or any.
pub(super) fn regions_of(entry: &str) -> Vec<&'static str> {
    let part = match entry {
        "eu" => "europe",
        "na" | "us" => "north_america",
        "sa" => "south_america",
        "apac" => "asia_pacific",
        "af" => "africa",
        _ => entry,
    };
    REGIONS.iter().filter(|region| entry == "any" || region.0 == entry || region.4 == part).map(|region| region.0).collect()
}

/// The keys are PascalCase here, unlike in the OpenAPI file.
pub(super) async fn regions(State(world): State<Shared>) -> Json<Value> {
    let row = |(code, name, latitude, longitude, part): (&str, &str, f64, f64, &str)| {
        json!({
            "code": code, "name": name, "latitude": latitude, "longitude": longitude, "geo_region": part, "deprecated": false,
            "gateway_available": true, "requires_paid_plan": false, "capacity": if world.is_full(code) { 0 } else { 1000 },
        })
    };
    Json(json!({ "Regions": REGIONS.map(row), "Nearest": "iad" }))
}

pub(super) async fn current_token(State(world): State<Shared>) -> Json<Value> {
    let organisation = &world.options.organisation;
    Json(
        json!({ "tokens": [{ "token_id": "simulated", "org_slug": organisation, "organization": organisation, "apps": null, "user": "" }] }),
    )
}
