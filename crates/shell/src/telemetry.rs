use tracing_subscriber::EnvFilter;

/// Logs to standard output as one JSON object per line, which is what CloudWatch Logs can search. `ROCKPOOL_LOG` filters
/// (`info` by default).
pub fn log_as_json() {
    let filter = EnvFilter::try_from_env("ROCKPOOL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(true).init();
}
