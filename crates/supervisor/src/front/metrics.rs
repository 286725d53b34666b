use std::fmt::Write as _;

use gateway::environment as names;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::Front;
use super::answer::{Body, Problem, answer as respond};
use super::resources;
use crate::status::{InUse, Phase};

/// `GET /metrics`, in the text format of Prometheus (exposition format 0.0.4), on a listener that no service publishes.
pub(crate) fn answer(front: &Front, request: &Request<Incoming>) -> Response<Body> {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text(front)),
        (_, "/metrics") => Problem::method_not_allowed("GET").into_response(),
        _ => Problem::not_found().into_response(),
    }
}

fn text(front: &Front) -> String {
    let status = front.board.read();
    let counters = &front.counters;
    let open = counters.websockets.get().saturating_sub(counters.websockets_ended.get());
    let mut text = String::with_capacity(4096);
    let mut metric = |kind: &str, name: &str, help: &str, value: u64| {
        writeln!(text, "# HELP rockpool_{name} {help}\n# TYPE rockpool_{name} {kind}\nrockpool_{name} {value}")
            .expect("a string takes whatever is written to it");
    };
    metric("gauge", "gateway_ready", "Whether the gateway says that it is ready.", u64::from(status.phase == Phase::Ready));
    metric("gauge", "gateway_config_fallback", "Whether the wanted configuration was refused.", u64::from(status.refusal.is_some()));
    metric("gauge", "gateway_config_last_good", "Whether the last good one is in use.", u64::from(status.config == InUse::LastGood));
    metric("counter", "gateway_starts_total", "Processes of the gateway that were started.", status.starts);
    metric("counter", "gateway_crashes_total", "Processes of the gateway that ended by themselves.", status.crashes);
    metric("counter", "orphans_reaped_total", "Processes that the gateway left behind.", front.children.orphans_reaped());
    metric("counter", "requests_forwarded_total", "Requests passed on to the gateway.", counters.forwarded.get());
    metric("counter", "requests_refused_total", "Requests without a valid token or from a foreign origin.", counters.refused.get());
    metric("counter", "requests_unavailable_total", "Requests while the gateway was down.", counters.unavailable.get());
    metric("counter", "requests_broken_total", "Requests that the gateway did not answer.", counters.broke_off.get());
    metric("counter", "orders_total", "Orders of the control plane.", counters.orders.get());
    metric("counter", "sessions_total", "Browser sessions opened by a link.", counters.sessions.get());
    metric("counter", "websockets_total", "WebSockets opened.", counters.websockets.get());
    metric("counter", "websockets_expired_total", "WebSockets closed because their token ended.", counters.websockets_expired.get());
    metric("gauge", "websockets_open", "WebSockets that are open.", open);
    if let Some(disk) = resources::disk(&front.settings.place(names::DATA)) {
        metric("gauge", "volume_size_bytes", "Size of the volume.", disk.total_bytes);
        metric("gauge", "volume_free_bytes", "Room left on the volume.", disk.free_bytes);
    }
    if let Some(memory) = resources::memory(status.pid) {
        metric("gauge", "memory_available_bytes", "Memory that programs can still get.", memory.available_bytes);
        metric("gauge", "gateway_resident_bytes", "Memory of the gateway's process.", memory.gateway_bytes.unwrap_or(0));
        metric("gauge", "supervisor_resident_bytes", "Memory of the supervisor.", memory.supervisor_bytes.unwrap_or(0));
    }
    text
}
