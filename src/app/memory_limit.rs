//! Finds how much memory the process may take: what it was given, or most of what the system allows.

use std::fs;
use std::path::Path;

use crate::engine::{MemoryLimit, mapped, resident};

/// The part of what the system allows that is used by default, in percent: the rest is for what calls under way take.
const PERCENT_OF_ALLOWED: u64 = 85;

/// Returns a bound that was given, in bytes; otherwise 85 % of the least of the machine's memory, its control groups' and its process
/// limits. There is no bound where none of them can be read.
pub fn memory_limit(given: Option<u64>) -> MemoryLimit {
    if let Some(bytes_max) = given {
        return MemoryLimit { bytes_max: Some(bytes_max), taken: resident };
    }
    let part = |allowed: u64| allowed / 100 * PERCENT_OF_ALLOWED;
    let resident_max = [machine(), control_group(), process("Max resident set")].into_iter().flatten().min();
    // These limits bound what is mapped, used or not.
    let mapped_max = [process("Max address space"), process("Max data size")].into_iter().flatten().min();
    match (resident_max, mapped_max) {
        (resident_max, Some(most)) if resident_max.is_none_or(|resident_max| most < resident_max) => {
            MemoryLimit { bytes_max: Some(part(most)), taken: mapped }
        }
        (resident_max, _) => MemoryLimit { bytes_max: resident_max.map(part), taken: resident },
    }
}

fn machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

/// Returns the least bound of the process's control groups: its own and those above it.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let bounds = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "" => Some(("/sys/fs/cgroup", path, "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some(("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    bounds.filter_map(|(root, path, file)| least_bound(Path::new(root), path, file)).min()
}

fn least_bound(root: &Path, path: &str, file: &str) -> Option<u64> {
    // In a container the path may be one of the host, and the root is the container's own group.
    let group = root.join(path.trim_start_matches('/'));
    let folders = group.ancestors().take_while(|folder| folder.starts_with(root));
    folders.filter_map(|folder| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok()).min()
}

/// Returns a limit of the process that is a plain number; none if it is unlimited.
fn process(name: &str) -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_counts_and_what_the_machine_has_otherwise() {
        assert_eq!(memory_limit(Some(7)).bytes_max, Some(7));
        let Some(machine) = machine() else { return };
        let found = memory_limit(None);
        assert!(found.bytes_max.is_some_and(|max| (1..=machine / 100 * 85).contains(&max)), "{found:?}");
        assert!((1 << 20..machine).contains(&resident()) && mapped() >= resident());
    }

    #[test]
    fn the_least_bound_of_the_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(least_bound(root.path(), "/a/b", "memory.max"), None);
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("a/memory.max"), "4096\n").unwrap();
        assert_eq!(least_bound(root.path(), "/a/b", "memory.max"), Some(4_096));
        fs::write(inner.join("memory.max"), "1024\n").unwrap();
        assert_eq!(least_bound(root.path(), "/a/b", "memory.max"), Some(1_024));
        // In a container this path may be one of the host.
        fs::write(root.path().join("memory.max"), "512\n").unwrap();
        assert_eq!(least_bound(root.path(), "/docker/of-the-host", "memory.max"), Some(512));
    }
}
