//! A supervisor as a real process, and callers who mean it no good: bytes written to its socket as they stand.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod flooding;
mod forging;
mod gateway;
mod ordering;
mod raw;
mod smuggling;
mod sockets;
mod spoofing;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../machine/support/mod.rs"]
mod support;

use ::gateway::Family;
use proptest::prelude::ProptestConfig;

use crate::gateway::Gateway;
use crate::support::{Machine, Plan};

/// A machine that is ready, with a gateway inside the test.
async fn machine() -> (Machine, Gateway) {
    let plan = Plan::idle(Family::Openclaw);
    let gateway = Gateway::serve(plan.gateway_port).await;
    let machine = plan.boot();
    machine.ready().await;
    (machine, gateway)
}

/// A few cases, each of which is a whole batch of requests; the seed of a failure is written beside this file.
fn batches(count: u32) -> ProptestConfig {
    let cases = (ProptestConfig::default().cases * count / 256).max(1);
    ProptestConfig { cases, max_shrink_iters: 64, source_file: Some(file!()), ..ProptestConfig::default() }
}

/// Fails if the log has one of these in it, in whatever place.
fn check_log(machine: &Machine, secrets: &[&str]) {
    for line in machine.log.lines() {
        let line = line.to_string();
        for secret in secrets {
            assert!(!line.contains(secret), "the log shows a secret: {line}");
        }
        assert!(!line.contains("panicked"), "{line}");
    }
}
