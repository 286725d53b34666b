use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::Environment;
use crate::{ExportSettings, export, metrics, read_settings};

/// Logs to standard output as one JSON object per line, which is what CloudWatch Logs can search, and emits [`metrics`](crate::measure)
/// there under the name in `ROCKPOOL_DEPLOYMENT`. `ROCKPOOL_LOG` filters by level and module (`info` by default;
/// `warn,sweep=debug`). Spans go where [`ExportSettings`] says.
pub fn log_as_json() {
    let environment: Environment<'_> = &|name| std::env::var(name).ok();
    // Not `EnvFilter`: filtering by the values of fields brings an engine of regular expressions into every function.
    let filter = environment("ROCKPOOL_LOG").and_then(|text| text.parse().ok());
    let filter: Targets = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false).with_span_list(true);
    tracing_subscriber::registry().with(filter).with(lines).init();
    metrics::emit_for(environment("ROCKPOOL_DEPLOYMENT").unwrap_or_default());
    if let Ok(settings) = read_settings(environment, ExportSettings::read) {
        export::export_to(settings);
    }
}
