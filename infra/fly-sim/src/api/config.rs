//! A machine's configuration: what is refused, and what the platform makes of what it takes.

mod guest;
mod shape;

pub(super) use guest::Guest;

use serde_json::{Value, json};

use super::Answer;
use super::platform::{is_region, regions_of};
use super::refusal::Refusal;
use crate::world::World;

/// The fields that a configuration has; others are silently ignored, as on Fly (<https://fly.io/docs/machines/api/machines-resource/>).
const FIELDS: &[&str] = &[
    "auto_destroy",
    "cache_drive",
    "checks",
    "containers",
    "disable_machine_autostart",
    "dns",
    "env",
    "files",
    "guest",
    "image",
    "init",
    "metadata",
    "metrics",
    "mounts",
    "processes",
    "restart",
    "rootfs",
    "schedule",
    "services",
    "size",
    "standbys",
    "statics",
    "stop_config",
];

const SERVICE_FIELDS: &[&str] = &[
    "autostart",
    "autostop",
    "checks",
    "concurrency",
    "force_instance_description",
    "force_instance_key",
    "internal_port",
    "min_machines_running",
    "ports",
    "protocol",
];

/// Where a machine or a volume goes without a wish.
const DEFAULT_REGION: &str = "iad";

/// Checks a configuration and answers what is kept of it: known fields, with defaults.
pub(super) fn normalise(config: Value) -> Answer<Value> {
    shape::check(&config)?;
    let guest = Guest::of(&config["guest"])?;
    guest.validate()?;
    let Value::Object(mut fields) = config else { return Err(Refusal::invalid("config must be an object")) };
    fields.retain(|field, value| FIELDS.contains(&field.as_str()) && !value.is_null());
    fields.entry("init").or_insert_with(|| json!({}));
    fields.entry("restart").or_insert_with(|| json!({ "policy": "on-failure", "max_retries": 10 }));
    fields.insert("guest".to_owned(), guest.completed());
    for service in fields.get_mut("services").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(service) = service.as_object_mut() {
            service.retain(|field, value| SERVICE_FIELDS.contains(&field.as_str()) && !value.is_null());
            // Answers keep to the booleans that older clients know.
            let autostop = service.get("autostop").map(|autostop| match autostop.as_str() {
                Some("off") => json!(false),
                Some("stop") => json!(true),
                _ => autostop.clone(),
            });
            if let Some(autostop) = autostop {
                service.insert("autostop".to_owned(), autostop);
            }
        }
    }
    Ok(Value::Object(fields))
}

/// Chooses the first region with room from a placement wish: `fra`, `cdg,eu`, `iad,any`.
pub(super) fn place(world: &World, wish: Option<&str>) -> Answer<String> {
    let wished = candidates(wish)?;
    wished.into_iter().find(|region| !world.is_full(region)).map(str::to_owned).ok_or_else(Refusal::region_full)
}

/// The regions that a placement wish allows, most wanted first.
pub(super) fn candidates(wish: Option<&str>) -> Answer<Vec<&'static str>> {
    let wish = wish.filter(|wish| !wish.is_empty()).unwrap_or(DEFAULT_REGION);
    let mut allowed = Vec::new();
    for entry in wish.split(',').map(str::trim) {
        let regions = regions_of(entry);
        if regions.is_empty() && !is_region(entry) {
            return Err(Refusal::invalid(format!("region '{entry}' not found")));
        }
        allowed.extend(regions);
    }
    Ok(allowed)
}

/// Takes an image reference apart: `registry/repository:tag@digest`.
pub(super) fn image_ref(image: &str) -> Value {
    use sha2::{Digest, Sha256};
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest.to_owned())));
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (name, "latest"),
    };
    let (registry, repository) = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
        Some(_) => ("docker-hub-mirror.fly.io", path.to_owned()),
        None => ("docker-hub-mirror.fly.io", format!("library/{path}")),
    };
    let digest = digest.unwrap_or_else(|| format!("sha256:{}", hex::encode(Sha256::digest(image.as_bytes()))));
    json!({ "registry": registry, "repository": repository, "tag": tag, "digest": digest, "labels": {} })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fly_does_not_know_is_dropped_and_what_is_missing_is_filled_in() {
        let given = json!({
            "image": "a/b", "secret_sauce": 1, "schedule": null,
            "services": [{ "internal_port": 80, "protocol": "tcp", "auto_stop_machines": true, "autostop": "off", "autostart": false }],
        });
        let expected = json!({
            "image": "a/b", "init": {}, "restart": { "policy": "on-failure", "max_retries": 10 },
            "guest": { "cpu_kind": "shared", "cpus": 1, "memory_mb": 256 },
            "services": [{ "internal_port": 80, "protocol": "tcp", "autostop": false, "autostart": false }],
        });
        assert_eq!(normalise(given).unwrap(), expected);
    }

    #[test]
    fn an_image_reference_is_taken_apart() {
        let found = image_ref("registry.fly.io/rockpool-tenant:openclaw-1@sha256:ab");
        let expected = json!({ "registry": "registry.fly.io", "repository": "rockpool-tenant", "tag": "openclaw-1", "digest": "sha256:ab", "labels": {} });
        assert_eq!(found, expected);
        assert_eq!(image_ref("localhost:5000/x")["registry"], "localhost:5000");
        assert_eq!(image_ref("nginx")["repository"], "library/nginx");
    }

    #[test]
    fn a_placement_wish_is_a_list_of_regions_and_parts_of_the_world() {
        assert_eq!(candidates(Some("cdg,eu")).unwrap(), ["cdg", "ams", "arn", "cdg", "fra", "lhr"]);
        assert_eq!(candidates(Some("iad,any")).unwrap().len(), 19);
        assert_eq!(candidates(None).unwrap(), ["iad"]);
        assert!(candidates(Some("fra,atlantis")).is_err());
    }
}
