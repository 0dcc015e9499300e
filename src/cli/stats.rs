//! `kith stats`: prints what the server is, how much it holds, and its limits.

use super::client::Client;
use super::failure::Failure;
use super::json;
use super::print::{clean, say, thousands};
use crate::domain::NamespaceName;
use crate::proto::v1::{GetServerInfoRequest, GetServerInfoResponse};

pub async fn run(client: &Client, namespace: &NamespaceName, json: bool) -> Result<(), Failure> {
    let info = client.admin().get_server_info(GetServerInfoRequest::default()).await?.into_inner();
    let text = if json { json::pretty("GetServerInfoResponse", &info)? } else { rendered(&info, namespace) };
    say(&text)
}

fn rendered(info: &GetServerInfoResponse, namespace: &NamespaceName) -> String {
    let digest_of = format!("digest of {namespace}");
    let limits = info.limits.unwrap_or_default();
    let since = info.start_time.map(|time| time.to_string()).unwrap_or_default();
    let groups: [(&str, Vec<(&str, String)>); 4] = [
        (
            "server",
            vec![
                ("version", clean(&info.version, 60)),
                ("serving since", since),
                ("memory", bytes_or_unknown(info.resident_bytes)),
            ],
        ),
        (
            "holds",
            vec![
                ("members", thousands(info.members)),
                ("edges", thousands(info.edges)),
                ("statuses", thousands(info.statuses)),
                ("kinds", thousands(info.kinds.into())),
            ],
        ),
        (
            "store",
            vec![
                ("id", clean(&info.store_id, 60)),
                ("revision", clean(&info.revision, 60)),
                ("writes", thousands(info.sequence)),
                (&digest_of, clean(&info.content_digest, 60)),
                ("on disk", if info.disk_bytes == 0 { "nothing: in memory".into() } else { bytes(info.disk_bytes) }),
                ("since the checkpoint", bytes(info.log_bytes)),
            ],
        ),
        (
            "limits",
            vec![
                ("edges a query visits", thousands(limits.max_edges_visited)),
                ("bytes of a message", bytes(limits.max_message_bytes)),
                ("queries at once", thousands(limits.max_queries.into())),
            ],
        ),
    ];
    groups.iter().map(|(title, lines)| group(title, lines)).collect::<Vec<_>>().join("\n")
}

fn group(title: &str, lines: &[(&str, String)]) -> String {
    let lines: String = lines.iter().map(|(name, value)| format!("  {name:<21} {value}\n")).collect();
    format!("{title}\n{lines}")
}

fn bytes_or_unknown(n: i64) -> String {
    if n == 0 { "not known".to_owned() } else { bytes(n) }
}

/// Returns `4.0 MiB`.
pub fn bytes(n: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit_a_person_reads() {
        assert_eq!([bytes(0), bytes(1023), bytes(4 << 20), bytes(3 << 29)], ["0 B", "1023 B", "4.0 MiB", "1.5 GiB"]);
    }

    #[test]
    fn every_number_is_shown() {
        let info = GetServerInfoResponse { members: 1_234_567, edges: 89, ..GetServerInfoResponse::default() };
        let text = rendered(&info, &NamespaceName::default());
        assert!(text.contains("members               1,234,567\n"), "{text}");
        assert!(text.contains("edges                 89\n"), "{text}");
    }
}
