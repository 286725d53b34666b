//! The API as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shell::log_as_json();
    lambda_http::run(api::service(api::from_environment(&|name| std::env::var(name).ok()))).await
}
