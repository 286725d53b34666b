//! The health checker as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let checker = health_checker::from_environment(&|name| std::env::var(name).ok());
    shell::serve_queue(checker, |checker, body, _deadline| async move { checker.handle(&body).await.map(|checked| checked.measure()) })
        .await
}
