//! `kith health`: whether a server serves, as probes ask it. Ends with 0 if it does.

use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::client::Client;
use super::failure::Failure;
use super::print::say;

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The service to ask for, as in kith.v1.PathService; the whole server when not given.
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,
}

pub async fn run(args: HealthArgs, client: &Client, as_json: bool) -> Result<(), Failure> {
    let request = HealthCheckRequest { service: args.service };
    let answer = client.health().check(request).await?.into_inner();
    let status = answer.status();
    let name = status.as_str_name();
    say(&if as_json { format!("{}\n", serde_json::json!({ "status": name })) } else { format!("{name}\n") })?;
    match status {
        ServingStatus::Serving => Ok(()),
        _ => Err(Failure::new("the server does not serve")),
    }
}
