//! What was measured, and how it is shown: a table in Markdown, or JSON.

use std::fmt::Write as _;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The figure, in the unit of the bound.
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    /// The figure in words, with its spread.
    pub(crate) ours: String,
    /// What native tokio took, if it can do the same.
    pub(crate) native: String,
    /// The design's target.
    pub(crate) target: Bound,
    /// What must hold now, if it is less than the target.
    pub(crate) demand: Option<Bound>,
}

/// What the figure of a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Ratio,
    Micros,
    Millis,
    KiB,
    GigabytesPerSecond,
}

/// What a figure may be at most, or must be at least.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    Most(f64),
    Least(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Most(bound) => value <= bound,
            Self::Least(bound) => value >= bound,
        }
    }

    fn text(self, unit: Unit) -> String {
        match self {
            Self::Most(bound) => format!("≤ {}", unit.text(bound)),
            Self::Least(bound) => format!("≥ {}", unit.text(bound)),
        }
    }
}

impl Unit {
    pub(crate) fn text(self, value: f64) -> String {
        let number = match value {
            v if v >= 100.0 => format!("{v:.0}"),
            v if v >= 10.0 => format!("{v:.1}"),
            v => format!("{v:.2}"),
        };
        let number = match number.contains('.') {
            true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => number,
        };
        match self {
            Self::Ratio => format!("×{number}"),
            Self::Micros => format!("{number} µs"),
            Self::Millis => format!("{number} ms"),
            Self::KiB => format!("{number} KiB"),
            Self::GigabytesPerSecond => format!("{number} GB/s"),
        }
    }
}

impl Row {
    /// Whether what must hold now does.
    pub(crate) fn is_met(&self) -> bool {
        self.demand.is_none_or(|demand| demand.holds(self.value))
    }

    pub(crate) fn markdown(&self) -> String {
        let mark = if self.target.holds(self.value) { "met" } else { "missed" };
        let demand = match self.demand {
            Some(demand) if self.is_met() => format!(" (now {}: met)", demand.text(self.unit)),
            Some(demand) => format!(" (now {}: **missed**)", demand.text(self.unit)),
            None => String::new(),
        };
        let target = self.target.text(self.unit);
        format!(
            "| {} | {} | {} | **{}** | {target}: {mark}{demand} |",
            self.name,
            self.ours,
            self.native,
            self.unit.text(self.value)
        )
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "value": self.value,
            "unit": format!("{:?}", self.unit),
            "ours": self.ours,
            "native": self.native,
            "target": self.target.text(self.unit),
            "target_met": self.target.holds(self.value),
            "demand": self.demand.map(|demand| demand.text(self.unit)),
            "demand_met": self.is_met(),
        })
    }
}

/// The head of the table.
pub(crate) const HEAD: &str = "| What | steading | native tokio | Figure | Target |\n|---|---|---|---|---|";

/// All rows as one JSON object.
pub(crate) fn json(rows: &[Row]) -> String {
    serde_json::json!({ "rows": rows.iter().map(Row::json).collect::<Vec<_>>() }).to_string()
}

/// Measurements of one thing, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, nanoseconds: f64) {
        let at = self.0.partition_point(|known| *known < nanoseconds);
        self.0.insert(at, nanoseconds);
    }

    /// The sample below which this part of all lies.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * part).round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Median and 99th percentile in words.
    pub(crate) fn percentiles(&self) -> String {
        format!("p50 {}, p99 {}", time(self.median()), time(self.quantile(0.99)))
    }
}

/// Rounds of both, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) ours: Samples,
    pub(crate) native: Samples,
    pub(crate) ratio: Samples,
}

impl Rounds {
    pub(crate) fn push(&mut self, ours: f64, native: f64) {
        self.ours.push(ours);
        self.native.push(native);
        self.ratio.push(ours / native);
    }

    /// The spread of the ratio: the middle half of all rounds.
    pub(crate) fn spread(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        _ = write!(
            text,
            "×{:.2}–{:.2}",
            self.ratio.quantile(0.25),
            self.ratio.quantile(0.75)
        );
        text
    }
}

/// A time in words.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 10_000.0 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}
