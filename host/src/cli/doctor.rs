//! `steading doctor`: is everything there, what holds, and how to mend what does not.

use serde_json::{Value, json};
use steading::config::{Compile, Profile};
use steading::{Allocation, Amount, Host, Limit};
use steading_build::Toolchain;

use super::DoctorArgs;
use super::failure::{Exit, Failure, Result};
use super::inspect::lone_host;
use super::output::{Output, bytes, table};
use super::session::configured;

/// One thing looked at.
struct Finding {
    name: &'static str,
    state: State,
    found: String,
    mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    /// It works, and could work better.
    Note,
    /// Something will not work.
    Missing,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Missing => "missing",
        }
    }
}

pub(crate) fn run(args: &DoctorArgs, output: Output) -> Result<Exit> {
    let (_runtime, host) = lone_host(configured(&args.limit, args.profile)?)?;
    let cleared = args.clear_cache.then(|| clear(&host)).transpose()?;
    let mut findings = toolchain();
    findings.extend(engine(&host));
    findings.push(cache(&host));
    match output.json {
        true => output.object(&as_json(&findings, &host.limits(), cleared))?,
        false => output.line(&as_text(&findings, &host.limits(), cleared))?,
    }
    let missing = findings.iter().any(|finding| finding.state == State::Missing);
    Ok(if missing { Exit::Endpoint } else { Exit::Ok })
}

fn clear(host: &Host) -> Result<usize> {
    host.clear_cache()
        .map_err(|error| Failure::new(Exit::Endpoint, format!("the cache cannot be emptied: {error}")))
}

fn toolchain() -> Vec<Finding> {
    let report = Toolchain::detect();
    let tool = |name, found: Option<String>, mend: &str| match found {
        Some(found) => fine(name, found),
        None => Finding {
            name,
            state: State::Note,
            found: "not found".to_owned(),
            mend: Some(mend.to_owned()),
        },
    };
    let target = match (report.target_installed, report.debian_fallback) {
        (true, _) => "installed",
        (false, true) => "built from Debian's packages when needed",
        (false, false) => "not installed",
    };
    let mut findings = vec![
        tool("rustc", report.rustc, "install Rust from https://rustup.rs"),
        tool("cargo", report.cargo, "install Rust from https://rustup.rs"),
        tool(
            "rustup",
            report.rustup,
            "install it from https://rustup.rs; without it, targets are not added for you",
        ),
        Finding {
            name: "wasm32-wasip2",
            state: State::Ok,
            found: target.to_owned(),
            mend: None,
        },
    ];
    for problem in report.problems {
        let about_target = report.target_installed || findings[0].state == State::Ok;
        let finding = &mut findings[if about_target { 3 } else { 0 }];
        *finding = Finding {
            name: finding.name,
            state: State::Missing,
            found: problem.what,
            mend: Some(problem.mend),
        };
    }
    findings
}

fn engine(host: &Host) -> Vec<Finding> {
    let report = host.engine_report();
    let engine = match &report.allocation {
        pooled @ Allocation::Pooled { .. } => fine("engine", pooled.to_string()),
        on_demand => Finding {
            name: "engine",
            state: State::Note,
            found: on_demand.to_string(),
            mend: Some("raise the limit on address space (ulimit -v unlimited)".to_owned()),
        },
    };
    vec![
        engine,
        profile(report.profile),
        compiler(&report.compile),
        maps(report.max_map_count),
    ]
}

fn profile(profile: Profile) -> Finding {
    let found = match profile {
        Profile::Latency => "latency: actors start and run fast",
        Profile::Density => "density: as many actors as possible, of 64 MiB at most",
    };
    fine("profile", found.to_owned())
}

fn compiler(place: &Compile) -> Finding {
    let found = match place {
        Compile::Child => "a child process, bounded as below".to_owned(),
        Compile::ChildOf(program) => format!("a child process of {}", program.display()),
        Compile::InProcess | Compile::Auto => "this process, without bounds".to_owned(),
    };
    fine("compiler", found)
}

/// The kernel's default suffices for the engine's own default.
const MAPS_DEFAULT: u32 = 65_530;

fn maps(max_map_count: u32) -> Finding {
    let found = max_map_count.to_string();
    match max_map_count < MAPS_DEFAULT {
        false => fine("vm.max_map_count", found),
        true => Finding {
            name: "vm.max_map_count",
            state: State::Note,
            found: format!("{found}: fewer actors fit than by default"),
            mend: Some(format!("sudo sysctl -w vm.max_map_count={MAPS_DEFAULT}")),
        },
    }
}

fn cache(host: &Host) -> Finding {
    let problem = host.engine_report().cache_problem.clone();
    match (host.cache_report(), problem) {
        (Some(cache), _) => {
            let (dir, size) = (cache.dir.display(), bytes(cache.bytes));
            fine(
                "compile cache",
                format!("{dir}: {} components, {} refused, {size}", cache.entries, cache.refused),
            )
        }
        (None, problem) => Finding {
            name: "compile cache",
            state: State::Note,
            found: problem.unwrap_or_else(|| "no directory for it".to_owned()),
            mend: Some("set STEADING_CACHE_DIR to a directory of your own".to_owned()),
        },
    }
}

fn fine(name: &'static str, found: String) -> Finding {
    Finding {
        name,
        state: State::Ok,
        found,
        mend: None,
    }
}

fn as_text(findings: &[Finding], limits: &[Limit], cleared: Option<usize>) -> String {
    let mut rows = Vec::new();
    for finding in findings {
        rows.push(vec![
            finding.state.name().to_owned(),
            finding.name.to_owned(),
            finding.found.clone(),
        ]);
        rows.extend(
            finding
                .mend
                .as_ref()
                .map(|mend| vec![String::new(), String::new(), format!("to mend it: {mend}")]),
        );
    }
    let cleared = cleared.map_or(String::new(), |count| {
        format!("removed {count} components from the cache\n\n")
    });
    let limits: Vec<_> = limits.iter().map(limit_row).collect();
    format!("{cleared}{}\n\nLimits\n{}", table(&rows), table(&limits))
}

fn limit_row(limit: &Limit) -> Vec<String> {
    let maximum = limit
        .maximum
        .map_or(String::new(), |maximum| format!("at most {}", amount(maximum)));
    vec![limit.name.to_string(), amount(limit.value), maximum]
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Count(count) => count.to_string(),
        Amount::Bytes(count) => bytes(count),
        Amount::Time(time) => format!("{time:?}"),
        Amount::Cores(cores) => format!("{cores} of a core"),
    }
}

fn as_json(findings: &[Finding], limits: &[Limit], cleared: Option<usize>) -> Value {
    let finding = |f: &Finding| json!({ "name": f.name, "state": f.state.name(), "found": f.found, "mend": f.mend });
    let limit = |l: &Limit| json!({ "name": l.name, "value": number(l.value), "maximum": l.maximum.map(number) });
    json!({
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        "limits": limits.iter().map(limit).collect::<Vec<_>>(),
        "cleared": cleared,
    })
}

/// Counts and bytes as they are, times in milliseconds.
fn number(amount: Amount) -> Value {
    match amount {
        Amount::Count(count) => json!({ "count": count }),
        Amount::Bytes(count) => json!({ "bytes": count }),
        Amount::Time(time) => json!({ "ms": time.as_secs_f64() * 1000.0 }),
        Amount::Cores(cores) => json!({ "cores": cores }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_says_how_to_mend_it() {
        assert_eq!(maps(65_530).state, State::Ok);
        let finding = maps(1000);
        assert_eq!((finding.state, finding.mend.is_some()), (State::Note, true));
    }

    #[test]
    fn a_limit_is_shown_with_what_it_can_become() {
        let limit = Limit {
            name: "memory".into(),
            value: Amount::Bytes(64 << 20),
            maximum: Some(Amount::Bytes(256 << 20)),
        };
        assert_eq!(limit_row(&limit), ["memory", "64 MiB", "at most 256 MiB"]);
    }
}
