//! What the first event costs: settings, clients, secrets, the first connections, and DynamoDB's first answer.

use std::time::Duration;

use jiff::Timestamp;
use lambda_sim::{Settings, measure_invocations};
use serde_json::{Value, json};
use shipped::{Binaries, FUNCTIONS, Options, Platform};

use crate::{Error, median, tls};

/// The processor's share of a first invocation with TLS. A source of random numbers that measures jitter takes 30 ms alone.
const MOST_CPU: Duration = Duration::from_millis(25);

/// Invocations of each process: the first, and one that finds everything there.
const EVENTS: usize = 2;

/// Prints a line for each function; whether all are within the bounds.
pub(crate) async fn print(binaries: &Binaries, runs: usize) -> Result<bool, Error> {
    let (binaries, machine) = (binaries.clone(), std::env::current_exe()?);
    let platform = Platform::start(Options { binaries, machine, tick: None, parameters: Vec::new() }).await?;
    let folder = tempfile::tempdir()?;
    let certificate = folder.path().join("authority.pem");
    let mut tls = None;
    println!("| function | first invocation, TLS | without TLS | second, TLS | calls of both |\n| --- | --- | --- | --- | --- |");
    let mut within = true;
    for name in FUNCTIONS {
        let plain = settings(&platform, name);
        let address = match &tls {
            Some(address) => String::clone(address),
            None => tls.insert(tls::in_front_of(aws(&plain)?, &certificate).await?).clone(),
        };
        let with = |more: &[(&str, &str)]| {
            let mut settings = plain.clone();
            settings.environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            settings
        };
        let bundle = certificate.to_str().ok_or("the folder's name is no text")?;
        let secured = with(&[("AWS_ENDPOINT_URL", &address), ("AWS_CA_BUNDLE", bundle)]);
        // The place where programs look that read the system's certificates: <https://docs.rs/openssl-probe>.
        let native = with(&[("AWS_ENDPOINT_URL", &address), ("SSL_CERT_FILE", bundle)]);
        let (mut first, mut unsecured, mut second) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            let cpu = invocations(name, &secured).await?;
            first.push(cpu[0]);
            second.push(cpu[1]);
            unsecured.push(invocations(name, &plain).await?[0]);
        }
        if invocations(name, &native).await.is_ok() {
            return Err(format!("{name} trusts the certificates of the system").into());
        }
        let (first, unsecured, second) = (median(first.into_iter()), median(unsecured.into_iter()), median(second.into_iter()));
        let ms = |cpu: Duration| cpu.as_secs_f64() * 1e3;
        platform.cloud.sim.reset_ledger();
        invocations(name, &secured).await?;
        let calls = platform.cloud.sim.consumed();
        let calls: Vec<_> = calls.operations().iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("| `{name}` | {:.2} ms | {:.2} ms | {:.2} ms | {} |", ms(first), ms(unsecured), ms(second), calls.join(", "));
        within &= first <= MOST_CPU;
    }
    platform.stop().await;
    println!("\n{} the bound: {} ms", if within { "within" } else { "BEYOND" }, MOST_CPU.as_millis());
    Ok(within)
}

/// What the processor did for each of two events in one process. That they succeeded says that DynamoDB answered.
async fn invocations(name: &str, settings: &Settings) -> Result<Vec<Duration>, Error> {
    let events = vec![event(name).to_string().into(); EVENTS];
    let invocations = measure_invocations(settings, &events).await?;
    for invocation in &invocations {
        let answer: Value = serde_json::from_slice(&invocation.answer)?;
        let failed = answer["batchItemFailures"].as_array().is_some_and(|failures| !failures.is_empty());
        if failed || answer["statusCode"].as_u64().is_some_and(|status| status != 200) {
            return Err(format!("{name} fails: {answer}").into());
        }
    }
    Ok(invocations.into_iter().map(|invocation| invocation.cpu).collect())
}

/// An event that makes a function ask DynamoDB, and where it can be helped nothing else.
fn event(name: &str) -> Value {
    let message = |body: String| json!({ "Records": [{ "messageId": "one", "body": body, "messageAttributes": {} }] });
    let now = Timestamp::now();
    match name {
        "api" => json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/v1/health", "rawQueryString": "", "headers": {},
            "requestContext": {
                "accountId": "123456789012", "apiId": "api", "domainName": "localhost", "domainPrefix": "api", "requestId": "one",
                "routeKey": "$default", "stage": "$default", "time": "23/Nov/2026:10:00:00 +0000", "timeEpoch": 1_795_428_000_000_u64,
                "http": { "method": "GET", "path": "/v1/health", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "" },
            },
            "isBase64Encoded": false,
        }),
        "sweep" => json!({ "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() }),
        "health-checker" => message(json!({ "shard": 3, "minute": now.as_second() / 60 }).to_string()),
        _ => message("org_01a2081c6207700281ea48c7befcaf3a.op_01a2081c62cb72dba6356f53603e1d85".to_owned()),
    }
}

/// A function's settings as the platform has deployed it.
fn settings(platform: &Platform, name: &str) -> Settings {
    let mut found = None;
    platform.function(name).configure(|settings| found = Some(settings.clone()));
    found.expect("it has settings")
}

fn aws(settings: &Settings) -> Result<std::net::SocketAddr, Error> {
    Ok(settings.environment["AWS_ENDPOINT_URL"].trim_start_matches("http://").parse()?)
}
