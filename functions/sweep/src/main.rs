//! The sweep as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    sweep::serve(sweep::from_environment(&|name| std::env::var(name).ok())).await
}
