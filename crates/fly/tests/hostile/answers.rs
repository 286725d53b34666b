//! Single answers: cut short, of another type, of somebody else's making, quoting what nobody should see.

use std::error::Error;
use std::sync::LazyLock;

use fly::CallError;
use futures::future::join_all;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::calls::{Call, SECRET};
use crate::scripted::TOKEN;
use crate::server::Server;

/// An answer as bytes: status, header lines, body, and by how much the announced length is off.
#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
    off: i64,
}

impl Answer {
    fn bytes(&self) -> Vec<u8> {
        let length = i64::try_from(self.body.len()).unwrap() + self.off;
        let head = format!("HTTP/1.1 {} X\r\n{}content-length: {length}\r\nconnection: close\r\n\r\n", self.status, self.headers);
        [head.as_bytes(), &self.body].concat()
    }
}

fn good(call: Call) -> Value {
    let config = json!({ "metadata": { "rockpool_instance": "ins_1" }, "mounts": [{ "volume": "vol_1", "path": "/data" }], "image": "i" });
    let event = json!({ "id": "1", "type": "exit", "status": "stopped", "timestamp": 1, "request": { "exit_event": { "exit_code": 1 } } });
    let machine = json!({
        "id": "148e21f71d9e89", "name": "gateway-1", "state": "started", "region": "fra", "config": config, "events": [event],
        "created_at": "2026-11-23T10:00:00Z", "checks": [{ "name": "live", "status": "passing" }],
    });
    let volume = json!({ "id": "vol_1", "name": "data_1", "state": "created", "region": "fra", "size_gb": 5 });
    match call {
        Call::GetApp => json!({ "name": "rp-1", "organization": { "slug": "acme" }, "network": "n", "status": "deployed" }),
        Call::ListMachines => json!([machine]),
        Call::GetMachine | Call::CreateMachine => machine,
        Call::Events => json!([event]),
        Call::ListVolumes => json!([volume]),
        Call::GetVolume | Call::CreateVolume => volume,
        Call::SetSecrets => json!({ "version": 7, "secrets": [] }),
        Call::Secrets => json!({ "secrets": [{ "name": "KEY", "digest": "d" }] }),
        Call::Addresses => json!({ "ips": [{ "ip": "2a09:8280:1::1", "shared": false }] }),
        Call::Lease => json!({ "data": { "nonce": "n", "expires_at": 1, "owner": "o" } }),
        Call::Metadata => json!({ "rockpool_instance": "ins_1" }),
        Call::Logs => {
            json!({ "data": [{ "attributes": { "timestamp": "2026-11-23T10:00:00Z", "message": "m" } }], "meta": { "next_token": "1" } })
        }
        Call::CreateApp | Call::Stop | Call::Wait | Call::Assign => json!({ "ok": true }),
    }
}

/// What a success must at least hold, so that nothing that decides anything is made up on this side.
fn says_enough(call: Call, body: &Value) -> bool {
    let id = |thing: &Value| thing["id"].as_str().is_some_and(|id| !id.is_empty());
    let all = |list: &Value| list.is_null() || list.as_array().is_some_and(|list| list.iter().all(id));
    match call {
        Call::GetApp => body["name"].is_string(),
        Call::ListMachines | Call::ListVolumes => all(body),
        Call::GetMachine | Call::CreateMachine | Call::GetVolume | Call::CreateVolume => id(body),
        Call::SetSecrets => body["version"].is_u64() || body["Version"].is_u64(),
        // Serde takes a list of members for an object; nobody has seen such an answer.
        Call::Secrets => body.get("secrets").is_some() || body.is_array(),
        Call::Addresses => body.get("ips").is_some() || body.is_array(),
        Call::Events | Call::Metadata => body.is_null() || body.is_array() || body.is_object(),
        Call::Lease => [body, &body["data"]].iter().any(|lease| lease["nonce"].as_str().is_some_and(|nonce| !nonce.is_empty())),
        Call::Logs => body.is_object() || body.is_array(),
        Call::CreateApp | Call::Stop | Call::Wait | Call::Assign => true,
    }
}

/// What is wrong with an error, if anything. Of a secret only the call that sent it can know.
fn tells(call: Call, error: &CallError) -> Option<String> {
    let mut shown = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        shown.push(cause.to_string());
        source = cause.source();
    }
    let debug = format!("{error:?}");
    let all = format!("{} {debug}", shown.join(" "));
    if all.contains(&TOKEN[..12]) || (call == Call::SetSecrets && all.contains(SECRET)) {
        return Some(format!("it shows a secret: {all}"));
    }
    if shown.iter().any(|line| line.len() > 3000 || line.chars().any(char::is_control)) {
        return Some(format!("it is no short line: {shown:?}"));
    }
    None
}

fn wrong_value() -> impl Strategy<Value = Value> {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!([]),
        json!({}),
        json!([null]),
        json!(".."),
        json!("9999-12-31T23:59:59Z"),
        json!("2026-02-30T00:00:00Z"),
        json!({ "id": 7 }),
        json!("a\r\nb"),
        json!(SECRET),
        json!(TOKEN),
    ];
    prop::sample::select(values.to_vec())
}

/// The good body with one part of it replaced or removed.
fn changed(call: Call) -> impl Strategy<Value = Vec<u8>> {
    let good = good(call);
    let mut places = Vec::new();
    pointers(&good, String::new(), &mut places);
    (prop::sample::select(places), prop::option::weighted(0.8, wrong_value())).prop_map(move |(place, with)| {
        let mut body = good.clone();
        match (with, place.rsplit_once('/')) {
            (Some(with), _) => *body.pointer_mut(&place).unwrap() = with,
            (None, Some((parent, name))) => {
                if let Some(members) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
                    members.remove(name);
                }
            }
            (None, None) => body = json!({}),
        }
        body.to_string().into_bytes()
    })
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, part)| pointers(part, format!("{at}/{name}"), found)),
        Value::Array(parts) => parts.iter().enumerate().for_each(|(number, part)| pointers(part, format!("{at}/{number}"), found)),
        _ => {}
    }
    found.push(at);
}

/// Bodies that are no answer to anything. Long ones are in `floods`.
static TEXTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let error = |text: &str| json!({ "error": text, "status": text, "message": text, "details": text }).to_string();
    let texts = [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "404 page not found\n".to_owned(),
        "<!DOCTYPE html><html><body>Sign in</body></html>".to_owned(),
        format!("<html>{TOKEN}{SECRET}"),
        "[".repeat(2000),
        "{\"a\":".repeat(2000),
        error(TOKEN),
        error(SECRET),
        error(&format!("{}{TOKEN}", "x".repeat(485))),
        error(&format!("a\r\nb {TOKEN}\u{0}")),
        error("no capacity"),
        error("unique machine name violation, machine ID ../../apps already exists"),
        error("VOLUME IS CURRENTLY BOUND TO MACHINE: İİİİ"),
        json!({ "error": { "a": [1] }, "status": 7 }).to_string(),
        json!({ "error": "x".repeat(5000) }).to_string(),
        format!("{TOKEN} {SECRET}"),
        "\u{feff}{}".to_owned(),
        "{\"id\":\"a\",\"id\":\"b\"}".to_owned(),
    ];
    texts.map(String::into_bytes).to_vec()
});

fn body(call: Call) -> impl Strategy<Value = Vec<u8>> {
    let whole = good(call).to_string().into_bytes();
    let cut = (any::<prop::sample::Index>(), Just(whole)).prop_map(|(end, whole)| whole[..end.index(whole.len())].to_vec());
    prop_oneof![
        3 => changed(call), 2 => cut, 4 => prop::sample::select(TEXTS.as_slice()), 1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

fn answer() -> impl Strategy<Value = (Call, Answer)> {
    let status = prop_oneof![
        4 => Just(200_u16),
        4 => prop::sample::select(vec![201, 202, 204, 301, 302, 304, 400, 401, 403, 404, 405, 408, 409, 410, 412, 418, 422, 429, 500, 502, 503, 504, 520, 599]),
        1 => 200_u16..600,
    ];
    let lines = [
        String::new(),
        "content-type: text/html\r\n".to_owned(),
        "retry-after: 1\r\n".to_owned(),
        "retry-after: 99999999999\r\n".to_owned(),
        "retry-after: Thu, 30 Dec 9999 22:00:00 GMT\r\n".to_owned(),
        "retry-after: -1\r\n".to_owned(),
        "location: http://127.0.0.1:1/\r\n".to_owned(),
        format!("fly-request-id: {TOKEN}\r\n"),
        format!("fly-request-id: {}\r\n", "x".repeat(5000)),
        "content-encoding: gzip\r\n".to_owned(),
    ];
    (Call::any(), status, prop::sample::select(lines.to_vec()), prop_oneof![8 => Just(0_i64), 1 => 1_i64..50, 1 => -20_i64..0])
        .prop_flat_map(|(call, status, headers, off)| {
            body(call).prop_map(move |body| {
                let off = off.max(-i64::try_from(body.len()).unwrap());
                (call, Answer { status, headers: headers.clone(), body, off })
            })
        })
}

fn check(call: Call, answer: &Answer, outcome: &Result<String, CallError>) -> Result<(), String> {
    match outcome {
        Err(error) => tells(call, error).map_or(Ok(()), Err),
        // A wait that has run out at the other side is an answer like any other.
        Ok(_) if call == Call::Wait && answer.status == 408 => Ok(()),
        Ok(gave) => {
            if !(200..300).contains(&answer.status) {
                return Err(format!("a {} was taken for a success: {gave}", answer.status));
            }
            if !call.reads_its_answer() {
                return Ok(());
            }
            let seen = usize::try_from(i64::try_from(answer.body.len()).unwrap() + answer.off.min(0)).unwrap();
            let enough = serde_json::from_slice(&answer.body[..seen]).is_ok_and(|body| says_enough(call, &body));
            if answer.off > 0 || !enough { Err(format!("that was taken for an answer: {gave}")) } else { Ok(()) }
        }
    }
}

#[test]
fn no_answer_makes_a_call_panic_guess_or_show_a_secret() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let cases = (ProptestConfig::default().cases / 16).max(1);
    let config = ProptestConfig { max_shrink_iters: 64, source_file: Some(file!()), ..ProptestConfig::with_cases(cases) };
    proptest!(config, |(batch in prop::collection::vec(answer(), 40))| {
        let outcomes = runtime.block_on(join_all(batch.iter().enumerate().map(|(number, (call, answer))| {
            let (app, server) = (format!("rp-case-{number}"), server.clone());
            server.will_answer(&app, answer.bytes());
            async move { call.make(&server.client, &app).await }
        })));
        for ((call, answer), outcome) in batch.iter().zip(outcomes) {
            if let Err(why) = check(*call, answer, &outcome) {
                let body: String = answer.body.escape_ascii().to_string().chars().take(400).collect();
                prop_assert!(false, "{:?}, {} {} {}: {}", call, answer.status, answer.headers, body, why);
            }
        }
    });
}
