use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sweep::Sweep;
use tokio_util::sync::CancellationToken;

/// The clock of EventBridge Scheduler: what a restart needs at once, so that it brings every run back, and then the sweep at each full
/// minute.
pub(crate) async fn every_minute(sweep: Arc<Sweep>, stop: CancellationToken) {
    let mut swept = sweep.begin().await;
    loop {
        match swept {
            Ok(minute) => tracing::debug!(?minute, "swept"),
            Err(error) => tracing::error!(%error, "the sweep is incomplete"),
        }
        let now = Timestamp::now();
        let into_minute = u64::try_from(now.as_millisecond().rem_euclid(60_000)).unwrap_or_default();
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(60_000 - into_minute))).await.is_none() {
            return;
        }
        swept = sweep.minute(Timestamp::now()).await;
    }
}
