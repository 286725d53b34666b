//! The notifier as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shell::log_as_json();
    let notifier = notifier::Notifier::from_environment(&|name| std::env::var(name).ok()).await?;
    let notifier = &notifier;
    shell::serve_queue(|body, _deadline| async move { notifier.handle(&body).await.map(drop) }).await
}
