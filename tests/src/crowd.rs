//! A crowd: as many idle actors as are asked for, and what each of them takes of the machine.
//!
//! All are children of one root, and were asked something once, so that each holds what a guest holds that has
//! lived. What they take is told by differences between before and then: of the bytes that the allocator has given
//! out, of anonymous pages, of pages of tables of pages, and of mappings.

use std::fmt;
use std::fs;

use steading::config::Profile;
use steading::{Budget, Code, Host, Nursery, Result};

/// What this process has.
#[derive(Clone, Copy, Debug)]
struct Held {
    heap: usize,
    resident: usize,
    tables: usize,
    mappings: usize,
}

impl Held {
    fn now(heap: fn() -> usize) -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("procfs is there on Linux");
        let kibibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let count = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
            count.expect("a line says how many there are") * 1024
        };
        let maps = fs::read_to_string("/proc/self/maps").expect("procfs is there on Linux");
        Self {
            heap: heap(),
            resident: kibibytes("RssAnon:"),
            tables: kibibytes("VmPTE:"),
            mappings: maps.lines().count(),
        }
    }
}

/// What a crowd has taken.
#[derive(Clone, Debug)]
pub struct Crowd {
    profile: Profile,
    actors: u32,
    without: Held,
    with: Held,
}

impl Crowd {
    fn each(&self, of: impl Fn(&Held) -> usize) -> f64 {
        (of(&self.with) as f64 - of(&self.without) as f64) / f64::from(self.actors)
    }

    /// Bytes of anonymous pages for each actor, what the allocator has given out among them.
    pub fn resident(&self) -> f64 {
        self.each(|held| held.resident)
    }

    /// Mappings of this process when all were there.
    pub fn mappings(&self) -> usize {
        self.with.mappings
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}: {} idle actors; each: {:.1} KiB resident, of which {:.1} KiB heap, and {:.1} KiB of page tables; {} mappings in all",
            self.profile,
            self.actors,
            self.resident() / 1024.0,
            self.each(|held| held.heap) / 1024.0,
            self.each(|held| held.tables) / 1024.0,
            self.mappings(),
        )
    }
}

/// Starts them on a host of their own, looks, and ends them.
///
/// # Errors
/// Why one of them could not be started.
pub async fn run(profile: Profile, actors: u32, heap: fn() -> usize) -> Result<Crowd> {
    let host = crate::host().profile(profile).max_actors(actors).build()?;
    let code = host.load(crate::artifacts::SOAK)?;
    let without = Held::now(heap);
    let with = host
        .root(async |nursery| {
            gather(&host, &nursery, &code, actors).await?;
            let with = Held::now(heap);
            nursery.cancel("seen");
            Ok(with)
        })
        .await?;
    host.assert_quiescent();
    Ok(Crowd {
        profile,
        actors,
        without,
        with,
    })
}

async fn gather(host: &Host, nursery: &Nursery, code: &Code, actors: u32) -> Result<()> {
    for number in 0..actors {
        let spec = code.spec("idler").budget(Budget::default());
        let portal = nursery.start_actor(spec).await?;
        let answer: u64 = portal.call("answer", &u64::from(number)).await?;
        assert_eq!(answer, u64::from(number) + 1);
    }
    assert_eq!(host.snapshot().actors.len(), actors as usize + 1, "all live at once");
    Ok(())
}
