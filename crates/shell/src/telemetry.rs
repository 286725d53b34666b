use tracing_subscriber::EnvFilter;

use crate::metrics;

/// Logs to standard output as one JSON object per line, which is what CloudWatch Logs can search, and emits [`metrics`](crate::measure)
/// there under the name in `ROCKPOOL_DEPLOYMENT`. `ROCKPOOL_LOG` filters (`info` by default).
pub fn log_as_json() {
    let filter = EnvFilter::try_from_env("ROCKPOOL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).with_span_list(true).init();
    metrics::emit_for(std::env::var("ROCKPOOL_DEPLOYMENT").unwrap_or_default());
}
