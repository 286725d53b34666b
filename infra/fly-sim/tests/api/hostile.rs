//! Every endpoint with paths, queries and bodies that no client of Fly's would send: each is answered, none breaks the simulator.

use std::collections::BTreeSet;

use axum::body::Body;
use fly_sim::ACTIONS;
use http::Request;
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::harness::{Fly, image};

/// Methods and what follows `/v1/apps/a`, or the whole path after a `!`; `{m}` and `{v}` are a machine and a volume that are there. App `b`
/// is there to be deleted: what is asked afterwards is about `a`, which must still work.
const ENDPOINTS: &[&str] = &[
    "GET ",
    "DELETE !/v1/apps/b",
    "POST /deploy_token",
    "GET /machines",
    "POST /machines",
    "GET /machines/{m}",
    "POST /machines/{m}",
    "DELETE /machines/{m}",
    "POST /machines/{m}/start",
    "POST /machines/{m}/stop",
    "POST /machines/{m}/suspend",
    "POST /machines/{m}/restart",
    "POST /machines/{m}/signal",
    "GET /machines/{m}/wait",
    "POST /machines/{m}/cordon",
    "POST /machines/{m}/uncordon",
    "GET /machines/{m}/lease",
    "POST /machines/{m}/lease",
    "DELETE /machines/{m}/lease",
    "GET /machines/{m}/metadata",
    "PUT /machines/{m}/metadata",
    "PATCH /machines/{m}/metadata",
    "GET /machines/{m}/metadata/k",
    "POST /machines/{m}/metadata/k",
    "DELETE /machines/{m}/metadata/k",
    "POST /machines/{m}/exec",
    "GET /machines/{m}/ps",
    "GET /machines/{m}/memory",
    "PUT /machines/{m}/memory",
    "POST /machines/{m}/memory/reclaim",
    "GET /machines/{m}/events",
    "GET /machines/{m}/versions",
    "GET /volumes",
    "POST /volumes",
    "GET /volumes/{v}",
    "PUT /volumes/{v}",
    "PUT /volumes/{v}/extend",
    "DELETE /volumes/{v}",
    "GET /volumes/{v}/snapshots",
    "POST /volumes/{v}/snapshots",
    "GET /secrets",
    "POST /secrets",
    "GET /secrets/NAME",
    "POST /secrets/NAME",
    "DELETE /secrets/NAME",
    "GET /ip_assignments",
    "POST /ip_assignments",
    "DELETE /ip_assignments/1.2.3.4",
    "GET /certificates",
    "POST /certificates/acme",
    "POST /certificates/custom",
    "GET /certificates/x.example.com",
    "POST /certificates/x.example.com/check",
    "DELETE /certificates/x.example.com",
    "DELETE /certificates/x.example.com/acme",
    "DELETE /certificates/x.example.com/custom",
    "GET !/v1/platform/regions",
    "POST !/v1/platform/placements",
    "GET !/v1/orgs/personal/machines",
    "GET !/v1/orgs/personal/volumes",
    "GET !/v1/tokens/current",
    "GET !/api/v1/apps/a/logs",
    "GET !/v1/apps",
    "POST !/v1/apps",
];

/// The members that bodies and queries of all endpoints know.
const NAMES: &[&str] = &[
    "name",
    "app_name",
    "org_slug",
    "network",
    "config",
    "region",
    "image",
    "guest",
    "cpus",
    "memory_mb",
    "cpu_kind",
    "gpus",
    "mounts",
    "volume",
    "path",
    "env",
    "metadata",
    "services",
    "ports",
    "port",
    "internal_port",
    "checks",
    "init",
    "exec",
    "restart",
    "policy",
    "max_retries",
    "stop_config",
    "timeout",
    "signal",
    "state",
    "instance_id",
    "version",
    "from_event_id",
    "ttl",
    "description",
    "nonce",
    "lease_ttl",
    "skip_launch",
    "min_secrets_version",
    "current_version",
    "machine_version",
    "size_gb",
    "snapshot_id",
    "source_volume_id",
    "snapshot_retention",
    "auto_backup_enabled",
    "compute",
    "values",
    "value",
    "type",
    "hostname",
    "limit",
    "cursor",
    "updated_at",
    "cmd",
    "command",
    "stdin",
    "force",
    "kill",
    "include_deleted",
    "summary",
    "metadata.k",
    "order",
    "next_token",
    "start_time",
    "Weights",
    "Count",
    "Region",
    "ComputeRequirements",
    "VolumeName",
    "VolumeSizeBytes",
    "fullchain",
    "private_key",
    "files",
    "guest_path",
    "raw_value",
    "expiry",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(256),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(""),
        json!("fra"),
        json!("a"),
        json!("../../x"),
        json!("a\r\nb\u{0}"),
        json!("9999999999999999999999s"),
        json!("2026-02-30T00:00:00Z"),
        json!("10s"),
        json!("SIGKILL"),
        json!("always"),
        json!("'unclosed"),
        json!("ä".repeat(3000)),
        json!([]),
        json!({}),
        image(),
    ]);
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES), inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>()),
        ]
    })
}

/// Mostly an object, now and then whatever; cut off somewhere now and then.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let object = prop::collection::vec((prop::sample::select(NAMES), value()), 0..5)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>());
    let near =
        value().prop_map(|config| json!({ "name": "n", "region": "fra", "size_gb": 1, "config": { "image": "i:1", "guest": config } }));
    let text = prop_oneof![6 => object, 2 => near, 1 => value()].prop_map(|value| value.to_string().into_bytes()).boxed();
    let cut = (text.clone(), any::<prop::sample::Index>()).prop_map(|(text, at)| text[..at.index(text.len())].to_vec());
    let nesting = Just(format!("{}1{}", "[".repeat(5000), "]".repeat(5000)).into_bytes());
    prop_oneof![12 => text, 2 => cut, 1 => prop::collection::vec(any::<u8>(), 0..60), 1 => nesting]
}

fn query() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "",
        "1",
        "0",
        "-1",
        "1.5",
        "99999999999999999999",
        "started",
        "started,nonsense",
        "true",
        "%00",
        "%ff",
        "%",
        "personal",
        "..%2F..",
        "fra",
        "2026-11-23T10:00:00Z",
        "2026-99-99",
        "=&",
        "a%0d%0ab",
        "[]",
    ]);
    prop::collection::vec((prop::sample::select(NAMES), text), 0..4)
        .prop_map(|pairs| pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
}

/// The part of a path that names something: what is there, or what is not and never could be.
fn name() -> impl Strategy<Value = Option<String>> {
    let odd =
        prop::sample::select(vec!["%2e%2e", "%00", "%ff", "a%2Fb", "nonesuch", "%F0%9F%90%9F", "'", "vol_", "0"]).prop_map(str::to_owned);
    prop::option::weighted(0.15, prop_oneof![odd, "[a-z0-9_.-]{1,200}"])
}

fn header() -> impl Strategy<Value = (&'static str, &'static str)> {
    let names = ["fly-machine-lease-nonce", "content-type", "content-length", "accept", "x-forwarded-for", "authorization"];
    (prop::sample::select(names.to_vec()), prop::sample::select(vec!["", "x", "text/html", "0", "gzip", "Bearer", "FlyV1 ,,", "\u{e4}"]))
}

struct Ground {
    runtime: Runtime,
    fly: Fly,
    machine: String,
    volume: String,
}

impl Ground {
    /// App `a` with a machine and a volume, and an empty app `b`, on virtual time: nothing that is waited for takes any.
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (fly, machine, volume) = runtime.block_on(async {
            let fly = Fly::new().await;
            let machine = fly.started(image()).await;
            let volume = fly.volume("data").await;
            fly.app("b").await;
            (fly, machine, volume)
        });
        Self { runtime, fly, machine, volume }
    }

    fn send(&self, endpoint: &str, name: Option<&str>, query: &str, header: Option<(&str, &str)>, body: Vec<u8>) -> Result<(), String> {
        let (method, path) = endpoint.split_once(' ').unwrap();
        let path = path.replace("{m}", name.unwrap_or(&self.machine)).replace("{v}", name.unwrap_or(&self.volume));
        let path = path.strip_prefix('!').map_or_else(|| format!("/v1/apps/a{path}"), str::to_owned);
        let mut request = Request::builder().method(method).uri(format!("{path}?{query}"));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(Body::from(body)) else { return Ok(()) };
        let (status, answer) = self.runtime.block_on(async {
            let answer = self.fly.simulator.router().oneshot(request).await.unwrap();
            (answer.status().as_u16(), answer.into_body().collect().await.expect("a whole answer").to_bytes())
        });
        let shown = || format!("{status}: {}", String::from_utf8_lossy(&answer).chars().take(300).collect::<String>());
        if !(200..500).contains(&status) {
            return Err(shown());
        }
        // An answer of the simulator's own is JSON; a path that is no text has not reached it.
        let json = answer.is_empty() || serde_json::from_slice::<Value>(&answer).is_ok();
        let plain = [&b"404 page not found"[..], b"Invalid URL"].iter().any(|text| answer.starts_with(text));
        if json || plain || status == 200 { Ok(()) } else { Err(shown()) }
    }

    /// Whether the app that everything was about is still answered, and can still be used.
    fn works(&self) -> bool {
        self.runtime.block_on(async {
            let made = self.fly.post("/v1/apps/a/volumes", json!({ "name": "after", "region": "fra", "size_gb": 1 })).await;
            let read = [
                self.fly.get("/v1/apps/a").await.0,
                self.fly.get("/v1/apps/a/machines").await.0,
                self.fly.get("/v1/apps/a/volumes").await.0,
            ];
            made.0 == 200 && read == [200; 3]
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 64, ..ProptestConfig::with_cases((ProptestConfig::default().cases / 32).max(4)) })]

    #[test]
    fn whatever_is_asked_is_answered_and_the_simulator_goes_on(
        requests in prop::collection::vec(
            (prop::sample::select(ENDPOINTS), name(), query(), prop::option::weighted(0.3, header()), body()), 20,
        ),
    ) {
        let ground = Ground::new();
        for (endpoint, name, query, header, body) in requests {
            let shown = body.escape_ascii().to_string().chars().take(300).collect::<String>();
            if let Err(why) = ground.send(endpoint, name.as_deref(), &query, header, body) {
                prop_assert!(false, "{} {:?} {} {:?} {}: {}", endpoint, name, query, header, shown, why);
            }
        }
        prop_assert!(ground.works());
    }
}

#[test]
fn the_endpoints_that_are_tried_are_all_that_there_are() {
    let mut tried = BTreeSet::new();
    for endpoint in ENDPOINTS {
        let ground = Ground::new();
        let (method, path) = endpoint.split_once(' ').unwrap();
        let path = path.replace("{m}", &ground.machine).replace("{v}", &ground.volume);
        let path = path.strip_prefix('!').map_or_else(|| format!("/v1/apps/a{path}"), str::to_owned);
        let before = ground.fly.simulator.calls().len();
        let (_, answer) = ground.runtime.block_on(ground.fly.call(method.parse().unwrap(), &path, Value::Null));
        // What is no endpoint is answered without being noted as a call.
        let calls = ground.fly.simulator.calls();
        assert_eq!(calls.len(), before + 1, "{endpoint}: {answer}");
        tried.insert(calls[before].action);
    }
    assert_eq!(tried, ACTIONS.iter().copied().collect::<BTreeSet<_>>());
}

#[test]
fn a_body_of_ten_megabytes_is_answered_at_once() {
    let ground = Ground::new();
    for text in [vec![b'x'; 10 << 20], vec![b'['; 10 << 20], format!("{{\"name\":\"{}\"}}", "n".repeat(10 << 20)).into_bytes()] {
        ground.send("POST /machines", None, "", None, text).unwrap();
    }
    assert!(ground.works());
}
