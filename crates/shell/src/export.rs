//! Spans to an OpenTelemetry collector, if one is configured: OTLP over HTTP in its JSON encoding,
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.
//!
//! A function is frozen between invocations, so what it has to tell is sent before the invocation ends and never by a task of its own; the
//! SDK's exporters need a thread, or block the one there is. A collector that does not answer costs a second, and nothing else.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::http::HttpClientError;
use crate::settings::Reader;

/// What a collector may take of an invocation's time.
const PATIENCE: Duration = Duration::from_secs(1);

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Where spans go. Variables: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    endpoint: Option<String>,
    headers: HeaderMap,
    service: String,
}

impl ExportSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` (nothing is exported without it), `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        let pairs = reader.list(HEADERS).into_iter().enumerate().filter_map(|(place, pair)| {
            let header = header(&pair);
            if header.is_none() {
                // Only its place is told: it may be a secret whose name was forgotten.
                reader.problem(format!("pair {} of {HEADERS} is not a header's name=value", place + 1));
            }
            header
        });
        Self {
            headers: pairs.collect(),
            endpoint: reader.optional_address("OTEL_EXPORTER_OTLP_ENDPOINT"),
            service: reader.optional("OTEL_SERVICE_NAME").unwrap_or_else(|| "rockpool".to_owned()),
        }
    }
}

/// A header of a request to the collector; its value is never shown.
fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let mut value = HeaderValue::try_from(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(name.trim()).ok()?, value))
}

/// A piece of work that is over.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: u128,
    pub(crate) id: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) name: &'static str,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
}

/// Collects spans and sends them on.
pub(crate) struct Exporter {
    url: String,
    settings: ExportSettings,
    spans: Mutex<Vec<Span>>,
    http: OnceLock<reqwest::Client>,
}

impl Exporter {
    pub(crate) fn new(settings: ExportSettings) -> Option<Self> {
        let url = format!("{}/v1/traces", settings.endpoint.as_ref()?.trim_end_matches('/'));
        Some(Self { url, settings, spans: Mutex::default(), http: OnceLock::new() })
    }

    pub(crate) fn add(&self, span: Span) {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    /// Sends what there is, or drops it.
    pub(crate) async fn send(&self) {
        let spans = std::mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner));
        if spans.is_empty() {
            return;
        }
        let http = match self.http() {
            Ok(http) => http,
            Err(error) => return tracing::warn!(%error, "spans were not exported"),
        };
        let request = http.post(&self.url).headers(self.settings.headers.clone()).timeout(PATIENCE);
        let sent = request.json(&document(&self.settings.service, &spans)).send().await.and_then(reqwest::Response::error_for_status);
        if let Err(error) = sent {
            tracing::warn!(error = %error.without_url(), "spans were not exported");
        }
    }

    /// A client of its own, built with the first spans: the function's own one is there only once the function is ready, and what was
    /// refused before that is told too.
    fn http(&self) -> Result<&reqwest::Client, HttpClientError> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let http = crate::http::client()?;
        Ok(self.http.get_or_init(|| http))
    }
}

/// From now on finished work is told to the collector of these settings, if they name one.
pub(crate) fn export_to(settings: ExportSettings) {
    if let Some(exporter) = Exporter::new(settings) {
        EXPORTER.get_or_init(|| exporter);
    }
}

/// Whether anybody is told.
pub(crate) fn is_configured() -> bool {
    EXPORTER.get().is_some()
}

/// Notes a piece of work that is over, for the next [`flush`].
pub(crate) fn note(span: Span) {
    if let Some(exporter) = EXPORTER.get() {
        exporter.add(span);
    }
}

/// Sends the spans of this invocation, before its answer: afterwards the process may be frozen. Costs nothing if no collector is configured.
pub async fn flush() {
    if let Some(exporter) = EXPORTER.get() {
        exporter.send().await;
    }
}

fn document(service: &str, spans: &[Span]) -> Value {
    let nanoseconds = |time: Timestamp| time.as_nanosecond().to_string();
    let spans: Vec<_> = spans
        .iter()
        .map(|span| {
            json!({
                "traceId": format!("{:032x}", span.trace),
                "spanId": format!("{:016x}", span.id),
                "parentSpanId": span.parent.map_or_else(String::new, |parent| format!("{parent:016x}")),
                "name": span.name,
                // SPAN_KIND_SERVER: something was received and worked on.
                "kind": 2,
                "startTimeUnixNano": nanoseconds(span.began),
                "endTimeUnixNano": nanoseconds(span.ended),
            })
        })
        .collect();
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": { "name": "rockpool" }, "spans": spans }] }] })
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::{body_json, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::settings::{SettingsError, read_settings};

    fn read(endpoint: Option<&str>, headers: &str) -> Result<ExportSettings, SettingsError> {
        let environment = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => endpoint.map(str::to_owned),
            "OTEL_EXPORTER_OTLP_HEADERS" => Some(headers.to_owned()),
            "OTEL_SERVICE_NAME" => Some("flow-runner".to_owned()),
            _ => None,
        };
        read_settings(&environment, ExportSettings::read)
    }

    fn settings(endpoint: Option<&str>) -> ExportSettings {
        read(endpoint, "x-key=hush-hush").unwrap()
    }

    fn span() -> Span {
        let at = |text: &str| text.parse().unwrap();
        let (began, ended) = (at("2026-11-23T12:00:00Z"), at("2026-11-23T12:00:00.25Z"));
        Span { trace: 0x4bf9_2f35, id: 7, parent: Some(8), name: "message", began, ended }
    }

    #[tokio::test]
    async fn spans_are_posted_once_in_the_collectors_json() {
        let server = MockServer::start().await;
        let expected = json!({ "resourceSpans": [{
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "flow-runner" } }] },
            "scopeSpans": [{ "scope": { "name": "rockpool" }, "spans": [{
                "traceId": "0000000000000000000000004bf92f35",
                "spanId": "0000000000000007",
                "parentSpanId": "0000000000000008",
                "name": "message",
                "kind": 2,
                "startTimeUnixNano": "1795435200000000000",
                "endTimeUnixNano": "1795435200250000000",
            }] }],
        }] });
        let posted = Mock::given(method("POST")).and(path("/v1/traces")).and(header("x-key", "hush-hush")).and(body_json(expected));
        posted.respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
        let exporter = Exporter::new(settings(Some(&server.uri()))).unwrap();
        exporter.add(span());
        exporter.send().await;
        exporter.send().await;
    }

    #[tokio::test]
    async fn a_collector_that_is_away_costs_its_spans_and_no_more() {
        let exporter = Exporter::new(settings(Some("http://127.0.0.1:1"))).unwrap();
        exporter.add(span());
        exporter.send().await;
        assert!(exporter.spans.lock().unwrap().is_empty());
    }

    #[test]
    fn without_an_endpoint_nothing_is_exported_and_headers_are_never_shown() {
        assert!(Exporter::new(settings(None)).is_none());
        assert!(!format!("{:?}", settings(Some("http://collector"))).contains("hush-hush"));
    }

    #[test]
    fn what_is_malformed_is_a_problem_that_tells_no_header() {
        for endpoint in ["collector:4318", "collector", "/v1/traces", "ftp://collector", "http://"] {
            let problems = read(Some(endpoint), "").expect_err(endpoint).problems;
            assert_eq!(problems, ["OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https address"], "{endpoint}");
        }
        for bad in ["hush-hush", "=hush-hush", "x key=hush-hush", "x-key=hush\u{7f}hush"] {
            let problems = read(None, &format!("x-first=1, {bad}, x-last=a=b")).expect_err(bad).problems;
            assert_eq!(problems, ["pair 2 of OTEL_EXPORTER_OTLP_HEADERS is not a header's name=value"], "{bad}");
        }
    }
}
