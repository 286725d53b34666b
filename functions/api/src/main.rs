//! The API as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shell::log_as_json();
    let api = api::from_environment(&|name| std::env::var(name).ok()).await?;
    lambda_http::run(api::router(api)).await
}
