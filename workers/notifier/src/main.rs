//! The notifier as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let notifier = notifier::from_environment(&|name| std::env::var(name).ok());
    shell::serve_queue(notifier, |notifier, body, _deadline| async move { notifier.handle(&body).await.map(drop) }).await
}
