//! Asks before a deployment whether its code knows every run under way.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    deploy_check::run(&|name| std::env::var(name).ok()).await
}
