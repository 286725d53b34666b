//! The page at the platform's address: what runs where.

use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse};
use maud::{DOCTYPE, html};

use crate::outbox::Outbox;
use fly_sim::Simulator;

/// What the page shows.
#[derive(Clone)]
pub(crate) struct Index {
    pub(crate) address: String,
    pub(crate) instances: String,
    pub(crate) issuer: String,
    pub(crate) provider: String,
    pub(crate) data: String,
    pub(crate) simulator: Simulator,
    pub(crate) outbox: Outbox,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#16323a;background:#fbfdfd}\
h1{font-size:1.6rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid #d5e3e5;vertical-align:top}code{font-size:.9em}\
p.none{color:#5b7178}";

/// The page has a style of its own and no script at all.
const POLICY: (HeaderName, HeaderValue) = (
    CONTENT_SECURITY_POLICY,
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"),
);

impl Index {
    pub(crate) fn render(&self) -> impl IntoResponse + use<> {
        let parts = [
            ("API", self.address.as_str(), "the customers' API; its description is at /openapi.json"),
            ("Instances", self.instances.as_str(), "the provider's edge: APP.localhost at this port is an instance"),
            ("OpenID Connect issuer", self.issuer.as_str(), "signs the token that the start printed"),
            ("Fly Machines API", self.provider.as_str(), "simulated; its machines are processes"),
            ("Data", self.data.as_str(), "everything that survives a restart"),
        ];
        let (machines, notices) = (self.simulator.machines(), self.outbox.notices());
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "Rockpool on this machine" }
                    style { (maud::PreEscaped(STYLE)) }
                }
                body {
                    h1 { "Rockpool on this machine" }
                    h2 { "What runs where" }
                    table { @for (name, place, what) in parts {
                        tr { th { (name) } td { code { (place) } } td { (what) } }
                    } }
                    h2 { "Machines" }
                    @if machines.is_empty() { p.none { "None yet: create an instance." } } @else {
                        table {
                            tr { th { "App" } th { "Machine" } th { "Region" } th { "State" } }
                            @for machine in &machines {
                                tr { td { code { (machine.app) } } td { code { (machine.id) } } td { (machine.region) } td { (machine.state) } }
                            }
                        }
                    }
                    h2 { "Outbox" }
                    @if notices.is_empty() { p.none { "Nobody has been told anything yet." } } @else {
                        table {
                            tr { th { "When" } th { "What" } th { "Message" } }
                            @for notice in &notices {
                                tr { td { (notice.recorded_at.strftime("%Y-%m-%d %H:%M:%S")) " UTC" } td { code { (notice.event) } } td { (notice.message) } }
                            }
                        }
                    }
                }
            }
        };
        ([POLICY], Html(page.into_string()))
    }
}
