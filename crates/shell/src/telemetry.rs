use std::sync::Once;

use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::MapRequestLayer;
use lambda_runtime::{Error, LambdaInvocation, Runtime, Service};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::repeats::Repeats;
use crate::settings::Environment;
use crate::{ExportSettings, export, metrics, read_settings};

/// Serves events until the process is ended, each in a span that has its request's identifier.
///
/// Logs to standard output as one JSON object per line, which is what CloudWatch Logs can search, and emits [`metrics`](crate::measure)
/// there under the name in `ROCKPOOL_DEPLOYMENT`. `ROCKPOOL_LOG` filters by level and module (`info` by default;
/// `warn,sweep=debug`); what it says that cannot be read is logged once, and `info` holds. An error whose cause was just told is
/// told once in five minutes. Of what is not ours, nothing is logged below `debug`. Spans go where [`ExportSettings`] says.
///
/// The log is put together with the first event, before that one's span is opened: until then nobody writes a line, and a start would pay
/// a tenth of its time for it.
///
/// # Errors
/// If the interface of the Lambda runtime fails.
pub async fn serve<S>(runtime: Runtime<S>) -> Result<(), Error>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    static LOG: Once = Once::new();
    let begin = |invocation: LambdaInvocation| {
        LOG.call_once(log_as_json);
        invocation
    };
    runtime.layer(TracingLayer::new()).layer(MapRequestLayer::new(begin)).run().await
}

fn log_as_json() {
    let environment: Environment<'_> = &|name| std::env::var(name).ok();
    let asked = environment("ROCKPOOL_LOG").unwrap_or_default();
    let (filter, unreadable) = filter(&asked);
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false).with_span_list(true).with_filter(Repeats::default());
    tracing_subscriber::registry().with(filter).with(lines).init();
    if let Some(error) = unreadable {
        tracing::warn!(asked, %error, "ROCKPOOL_LOG cannot be read; info is logged");
    }
    metrics::emit_for(environment);
    // What is malformed is said with the function's own settings, which refuse its invocations.
    if let Ok(settings) = read_settings(environment, ExportSettings::read) {
        export::export_to(settings);
    }
}

/// What is to be logged, and what is wrong with the text that says so. Not `EnvFilter`: filtering by the values of fields brings an engine
/// of regular expressions into every function.
fn filter(asked: &str) -> (Targets, Option<ParseError>) {
    let info = Targets::new().with_default(LevelFilter::INFO);
    if asked.is_empty() {
        return (info, None);
    }
    match asked.parse() {
        Ok(filter) => (capped(&filter), None),
        Err(error) => (info, Some(error)),
    }
}

/// The crates that a function is made of and that are ours.
const OURS: [&str; 17] = [
    "access",
    "api",
    "control",
    "domain",
    "durable",
    "dynamo",
    "edge",
    "flow_runner",
    "flows",
    "fly",
    "gateway",
    "health_checker",
    "identity",
    "notifier",
    "shell",
    "sweep",
    "vault",
];

/// Whatever is asked for, the crates of others do not trace: the AWS SDK writes whole requests then, with the session's token in their
/// headers and a customer's secrets in their bodies. A list of those that are known to do it would miss the next one.
fn capped(asked: &Targets) -> Targets {
    const THEIRS: LevelFilter = LevelFilter::DEBUG;
    let ours = |target: &str| OURS.contains(&target.split("::").next().unwrap_or_default());
    let everything = asked.default_level().unwrap_or(LevelFilter::OFF);
    let mut capped = Targets::new().with_default(everything.min(THEIRS));
    if everything > THEIRS {
        capped = capped.with_targets(OURS.map(|target| (target, everything)));
    }
    capped.with_targets(asked.iter().map(|(target, level)| (target.to_owned(), if ours(target) { level } else { level.min(THEIRS) })))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_cannot_be_read_means_info_and_is_told() {
        for (asked, debug, readable) in
            [("", false, true), ("debug", true, true), ("sweep=loud", false, false), ("sweep=debug[x]", false, false)]
        {
            let (filter, error) = filter(asked);
            assert_eq!((filter.would_enable("sweep", &Level::DEBUG), error.is_none()), (debug, readable), "{asked}");
            assert!(filter.would_enable("sweep", &Level::INFO), "{asked}");
        }
    }
    #[test]
    fn the_crates_of_others_do_not_trace_whatever_is_asked() {
        for asked in ["trace", "aws_smithy_runtime=trace", "info,aws_smithy_runtime::client=trace", "a=trace", "fly=trace,aws=trace"] {
            let (filter, _) = filter(asked);
            assert!(!filter.would_enable("aws_smithy_runtime::client::orchestrator", &Level::TRACE), "{asked}");
        }
        for (asked, target, level, enabled) in [
            ("trace", "fly::client", Level::TRACE, true),
            ("trace", "hyper_util", Level::DEBUG, true),
            ("trace,fly=info", "fly::client", Level::DEBUG, false),
            ("info,fly=trace", "fly::client", Level::TRACE, true),
            ("info,fly::client=trace", "fly::other", Level::DEBUG, false),
            ("fly=debug", "shell", Level::ERROR, false),
            ("off", "fly", Level::ERROR, false),
        ] {
            assert_eq!(filter(asked).0.would_enable(target, &level), enabled, "{asked}: {target} {level}");
        }
    }
}
