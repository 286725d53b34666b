use tracing_subscriber::EnvFilter;

use crate::settings::Environment;
use crate::{ExportSettings, export, metrics, read_settings};

/// Logs to standard output as one JSON object per line, which is what CloudWatch Logs can search, and emits [`metrics`](crate::measure)
/// there under the name in `ROCKPOOL_DEPLOYMENT`. `ROCKPOOL_LOG` filters (`info` by default). Spans go where [`ExportSettings`] says.
pub fn log_as_json() {
    let filter = EnvFilter::try_from_env("ROCKPOOL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).with_span_list(true).init();
    let environment: Environment<'_> = &|name| std::env::var(name).ok();
    metrics::emit_for(environment("ROCKPOOL_DEPLOYMENT").unwrap_or_default());
    if let Ok(settings) = read_settings(environment, ExportSettings::read) {
        export::export_to(settings);
    }
}
