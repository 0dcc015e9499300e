//! `kith stats`: prints what the server is, how much it holds, and its limits.

use super::client::Client;
use super::failure::Failure;
use super::json;
use super::print::{clean, say, thousands};
use crate::domain::NamespaceName;
use crate::proto::v1::{GetServerInfoRequest, GetServerInfoResponse};

/// What is said of a figure that the caller may not know, or the server does not.
const NOT_KNOWN: &str = "not known";

pub async fn run(client: &Client, namespace: &NamespaceName, json: bool) -> Result<(), Failure> {
    let info = client.admin().get_server_info(GetServerInfoRequest::default()).await?.into_inner();
    let text = if json { json::pretty("GetServerInfoResponse", &info)? } else { rendered(&info, namespace) };
    say(&text)
}

fn rendered(info: &GetServerInfoResponse, namespace: &NamespaceName) -> String {
    let digest_of = format!("digest of {namespace}");
    let limits = info.limits.unwrap_or_default();
    let since = info.start_time.map(|time| time.to_string()).unwrap_or_default();
    // A server that does not say what memory it takes does not say what disk it takes either.
    let of_all = |n: i64, none: &str| match (info.resident_bytes, n) {
        (0, 0) => NOT_KNOWN.to_owned(),
        (_, 0) => none.to_owned(),
        (_, n) => bytes(n),
    };
    let groups: [(&str, Vec<(&str, String)>); 4] = [
        (
            "server",
            vec![
                ("version", clean(&info.version, 60)),
                ("serving since", since),
                ("memory", of_all(info.resident_bytes, NOT_KNOWN)),
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
                ("on disk", of_all(info.disk_bytes, "nothing: in memory")),
                ("since the checkpoint", of_all(info.log_bytes, "0 B")),
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
    fn what_is_not_the_callers_to_know_is_not_known() {
        let shown = |resident_bytes, disk_bytes| {
            let info = GetServerInfoResponse { resident_bytes, disk_bytes, ..GetServerInfoResponse::default() };
            rendered(&info, &NamespaceName::default())
        };
        let scoped = shown(0, 0);
        assert!(scoped.contains("on disk               not known\n"), "{scoped}");
        assert!(scoped.contains("since the checkpoint  not known\n"), "{scoped}");
        let in_memory = shown(1, 0);
        assert!(in_memory.contains("on disk               nothing: in memory\n"), "{in_memory}");
        assert!(in_memory.contains("since the checkpoint  0 B\n"), "{in_memory}");
        assert!(shown(1, 4 << 20).contains("on disk               4.0 MiB\n"));
    }

    #[test]
    fn every_number_is_shown() {
        let info = GetServerInfoResponse { members: 1_234_567, edges: 89, ..GetServerInfoResponse::default() };
        let text = rendered(&info, &NamespaceName::default());
        assert!(text.contains("members               1,234,567\n"), "{text}");
        assert!(text.contains("edges                 89\n"), "{text}");
    }
}
