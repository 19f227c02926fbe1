//! What the machine has left for this process: memory, address space, mappings.
//!
//! Read from procfs and the control groups, of either version; what the machine does not say bounds nothing. Who
//! decides by it is `capacity.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// What there is of something, and what of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Supply {
    pub(crate) total: u64,
    pub(crate) left: u64,
}

/// Where the kernel tells of itself; another folder in tests.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    proc: PathBuf,
    groups: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            groups: "/sys/fs/cgroup".into(),
        }
    }
}

impl Machine {
    /// Memory that this process could still use: of the machine, or of its control group if that has less.
    pub(crate) fn memory(&self) -> Option<Supply> {
        let groups = self.groups().into_iter().filter_map(|group| group.supply());
        self.of_all().into_iter().chain(groups).min_by_key(|supply| supply.left)
    }

    fn of_all(&self) -> Option<Supply> {
        let text = fs::read_to_string(self.proc.join("meminfo")).ok()?;
        Some(Supply {
            total: kibibytes(&text, "MemTotal:")?,
            left: kibibytes(&text, "MemAvailable:")?,
        })
    }

    /// The control groups that this process is in, and those above them.
    fn groups(&self) -> Vec<Group> {
        let text = fs::read_to_string(self.proc.join("self/cgroup")).unwrap_or_default();
        text.lines().flat_map(|line| self.groups_of(line)).collect()
    }

    /// Of a line of `/proc/self/cgroup`: `0::/a/b`, or `4:memory:/a/b` where groups are of the first version.
    fn groups_of(&self, line: &str) -> Vec<Group> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            return Vec::new();
        };
        let (base, files) = match controllers {
            "" => (self.groups.clone(), &SECOND),
            some if some.split(',').any(|name| name == "memory") => (self.groups.join("memory"), &FIRST),
            _ => return Vec::new(),
        };
        let path = Path::new(path.trim_start_matches('/'));
        path.ancestors()
            .map(|path| Group {
                dir: base.join(path),
                files,
            })
            .collect()
    }

    /// Address space that this process may still take; `None` if that is not bounded.
    pub(crate) fn address_space(&self) -> Option<Supply> {
        let total = getrlimit(Resource::As).current?;
        let text = fs::read_to_string(self.proc.join("self/status")).ok()?;
        let used = kibibytes(&text, "VmSize:")?;
        Some(Supply {
            total,
            left: total.saturating_sub(used),
        })
    }

    /// Mappings that this process may still make. To count them takes as long as there are many: half a
    /// microsecond each.
    pub(crate) fn mappings(&self) -> Option<Supply> {
        let used = fs::read(self.proc.join("self/maps")).ok()?;
        let used = used.iter().filter(|byte| **byte == b'\n').count() as u64;
        let total = u64::from(self.max_map_count());
        Some(Supply {
            total,
            left: total.saturating_sub(used),
        })
    }

    /// `vm.max_map_count`; the kernel's default where the machine does not say.
    pub(crate) fn max_map_count(&self) -> u32 {
        let text = fs::read_to_string(self.proc.join("sys/vm/max_map_count")).unwrap_or_default();
        text.trim().parse().unwrap_or(65_530)
    }
}

/// A control group.
struct Group {
    dir: PathBuf,
    files: &'static Files,
}

/// What a version of control groups calls its files, and what of the memory in use can be had back at once.
struct Files {
    limit: &'static str,
    used: &'static str,
    idle: &'static str,
}

const FIRST: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    idle: "total_inactive_file ",
};
const SECOND: Files = Files {
    limit: "memory.max",
    used: "memory.current",
    idle: "inactive_file ",
};

impl Group {
    /// `None` if it bounds nothing.
    fn supply(&self) -> Option<Supply> {
        let number = |file: &str| fs::read_to_string(self.dir.join(file)).ok()?.trim().parse::<u64>().ok();
        let total = number(self.files.limit)?;
        let used = number(self.files.used)?;
        let text = fs::read_to_string(self.dir.join("memory.stat")).unwrap_or_default();
        let idle = text.lines().find_map(|line| line.strip_prefix(self.files.idle));
        let idle = idle.and_then(|idle| idle.trim().parse().ok()).unwrap_or(0);
        Some(Supply {
            total,
            left: total.saturating_sub(used.saturating_sub(idle)),
        })
    }
}

/// A line such as `MemTotal:       24684096 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let count: u64 = line.trim().trim_end_matches("kB").trim_end().parse().ok()?;
    count.checked_mul(1024)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A machine of 8 GiB, of which 6 are free, with these files besides.
    pub(crate) fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().expect("there is room for a few files");
        let meminfo = (
            "proc/meminfo",
            "MemTotal:        8388608 kB\nMemAvailable:    6291456 kB\n",
        );
        for (path, text) in files.iter().chain([&meminfo]) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        }
        let machine = Machine {
            proc: dir.path().join("proc"),
            groups: dir.path().join("groups"),
        };
        (dir, machine)
    }

    fn check(files: &[(&str, &str)], total: u64, left: u64) {
        let (_dir, machine) = machine(files);
        let expected = Supply {
            total: total << 20,
            left: left << 20,
        };
        assert_eq!(machine.memory(), Some(expected), "{files:?}");
    }

    #[test]
    fn the_narrowest_group_bounds_memory() {
        check(&[], 8192, 6144);
        let second = [
            ("proc/self/cgroup", "0::/a/b\n"),
            ("groups/a/memory.max", "1073741824\n"),
            ("groups/a/memory.current", "805306368\n"),
            ("groups/a/memory.stat", "anon 1\ninactive_file 268435456\n"),
            ("groups/a/b/memory.max", "max\n"),
            ("groups/a/b/memory.current", "805306368\n"),
        ];
        check(&second, 1024, 512);
        let first = [
            ("proc/self/cgroup", "5:pids:/x\n4:memory:/a\n0::/\n"),
            ("groups/memory/a/memory.limit_in_bytes", "2147483648\n"),
            ("groups/memory/a/memory.usage_in_bytes", "1073741824\n"),
            ("groups/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("groups/memory/memory.usage_in_bytes", "1073741824\n"),
        ];
        check(&first, 2048, 1024);
    }

    #[test]
    fn mappings_are_counted_and_what_is_not_said_bounds_nothing() {
        let (_dir, told) = machine(&[("proc/self/maps", "a\nb\nc\n"), ("proc/sys/vm/max_map_count", "100\n")]);
        assert_eq!(told.mappings(), Some(Supply { total: 100, left: 97 }));
        let nothing = Machine {
            proc: "/nowhere".into(),
            groups: "/nowhere".into(),
        };
        assert_eq!((nothing.memory(), nothing.mappings()), (None, None));
        assert_eq!(nothing.max_map_count(), 65_530);
    }

    #[test]
    fn this_machine_says_what_it_has() {
        let machine = Machine::default();
        let memory = machine.memory().expect("it is Linux");
        assert!(memory.left > 0 && memory.left <= memory.total, "{memory:?}");
        assert!(machine.mappings().expect("it is Linux").left > 0);
    }
}
