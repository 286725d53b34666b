use async_trait::async_trait;
use domain::InstanceId;
use durable::Attempt;
use flows::ports::Alarms;

/// Alarms as log lines at level `ERROR` with a field `alarm`: what a metric filter of CloudWatch Logs counts and a person searches for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoggedAlarms;

#[async_trait]
impl Alarms for LoggedAlarms {
    async fn raise(&self, alarm: &str, instance: &InstanceId, detail: &str, request: &str) -> Attempt<()> {
        tracing::error!(alarm, %instance, detail, operation = request, "an operator is called");
        Ok(())
    }
}
