//! The flow runner as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shell::log_as_json();
    let runner = flow_runner::FlowRunner::from_environment(&|name| std::env::var(name).ok()).await?;
    let runner = &runner;
    shell::serve_queue(|body, deadline| async move { runner.handle(&body, deadline).await.map(drop) }).await
}
