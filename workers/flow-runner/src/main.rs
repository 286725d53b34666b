//! The flow runner as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let runner = flow_runner::from_environment(&|name| std::env::var(name).ok());
    shell::serve_queue(runner, |runner, body, deadline| async move { runner.handle(&body, deadline).await.map(drop) }).await
}
