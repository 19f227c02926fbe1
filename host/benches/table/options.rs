//! The command line of the table.

/// What to measure, and how to show it.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// A third of the rounds, and shorter ones.
    pub(crate) quick: bool,
    /// One JSON object instead of the table.
    pub(crate) json: bool,
    /// Whether a missed bound is a failure.
    pub(crate) check: bool,
    /// Worker threads of the host's runtime; 0 is a runtime of the current thread.
    pub(crate) threads: usize,
    /// Only rows whose names contain one of these.
    filters: Vec<String>,
}

pub(crate) const USAGE: &str = "\
cargo bench -p steading --bench table -- [--quick] [--json] [--check] [--threads N] [NAME…]
  --quick      fewer and shorter rounds
  --json       one JSON object
  --check      exit with 1 if a bound is missed
  --threads N  run the host on N threads instead of the current one
  NAME         only rows whose names contain it";

impl Options {
    /// Reads the arguments; the text to show if they are not understood.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--threads" => options.threads = number(arguments.next())?,
                // Cargo says so to every bench.
                "--bench" => {}
                name if !name.starts_with('-') => options.filters.push(name.to_owned()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }

    /// How many rounds to measure.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 5 } else { 15 }
    }

    /// So many, or a quarter of it if it has to be quick.
    pub(crate) fn scaled(&self, count: u32) -> u32 {
        if self.quick { count / 4 } else { count }
    }
}

fn number(argument: Option<String>) -> Result<usize, String> {
    argument
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| USAGE.to_owned())
}
