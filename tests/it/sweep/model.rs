//! What must come of a fault: the rules of semantics 6, 7, 9 and 10, as far as the scenario needs them.
//!
//! ```text
//! root ── a ── b ── c ── grandchild      contexts, each held open inside the one before it
//! ```
//! A failure rises from its victim's context through the blocks around it; the contexts of these blocks, and
//! those inside, are cancelled. What was over stays what it was.

use super::{Kind, Point};

/// A point of the undisturbed scenario, and what would come of that.
pub(super) struct Scene<'a> {
    /// What the victim is about to handle, from first to last: a kind, and how the root's contexts stood.
    pub(super) frames: &'a [String],
    pub(super) calm: &'a [String],
}

/// How the fault shows.
#[derive(Clone, PartialEq, Eq)]
enum Shock {
    None,
    /// The actor is gone, and so is what it could have said.
    Death(String),
    /// Its task is cancelled, or its whole actor; by whom.
    Cancel(String),
}

/// The lines that the scenario must end with, sorted.
pub(super) fn expected(point: &Point, scene: &Scene<'_>) -> Vec<String> {
    let case = Case { point, scene };
    let mut lines = match case.shock() {
        Shock::None => scene.calm.to_vec(),
        shock => case.shaken(&shock),
    };
    lines.sort();
    lines
}

struct Case<'a> {
    point: &'a Point,
    scene: &'a Scene<'a>,
}

impl Case<'_> {
    fn shock(&self) -> Shock {
        let Point { victim, kind, .. } = self.point;
        let by = match self.caller() {
            _ if *kind == Kind::Cancel => "cancelled by operator".to_owned(),
            caller => format!("{caller}'s deadline"),
        };
        match kind {
            Kind::Kill => Shock::Death(format!("killed of {victim}")),
            Kind::Trap => Shock::Death(format!("trap (unreachable) of {victim}")),
            Kind::Panic => Shock::Death(format!("panic of {victim}")),
            // An actor without a task ends as it was asked to; one without a deadline has none that passes.
            Kind::Cancel | Kind::Deadline if self.is_done() => Shock::None,
            Kind::Deadline if self.is_uncalled() => Shock::None,
            Kind::Cancel | Kind::Deadline => Shock::Cancel(by),
        }
    }

    fn caller(&self) -> &'static str {
        if self.point.victim == "grandchild" { "c" } else { "root" }
    }

    /// The kind of the frame it comes before.
    fn frame(&self) -> &str {
        kind_of(&self.scene.frames[self.point.frame])
    }

    /// Has the victim not been called yet?
    fn is_uncalled(&self) -> bool {
        self.frame() == "Start"
    }

    /// Is the victim's one task over?
    fn is_done(&self) -> bool {
        self.frame() == "CancelActor"
    }

    /// Had the root asked the victim's task to end already?
    fn is_asked(&self) -> bool {
        self.frame() == "Cancel"
    }

    /// The frames of a kind that the victim had handled.
    fn handled(&self, kind: &str) -> usize {
        let before = &self.scene.frames[..self.point.frame];
        before.iter().filter(|frame| kind_of(frame) == kind).count()
    }

    /// How a context of the root's stood; `None` if it was not in its block yet.
    fn stood(&self, name: &str) -> Option<&str> {
        let contexts = self.scene.frames[self.point.frame].split(' ').skip(1);
        contexts
            .filter_map(|context| context.split_once(':'))
            .find(|(known, _)| *known == name)
            .map(|(_, state)| state)
    }

    fn is_over(&self, name: &str) -> bool {
        matches!(self.stood(name), Some("returned" | "self-cancelled"))
    }

    /// The lines about somebody that would have come anyway.
    fn calm(&self, about: &[&str]) -> Vec<String> {
        let is_meant = |line: &&String| about.iter().any(|about| line.split(' ').next() == Some(about));
        self.scene.calm.iter().filter(is_meant).cloned().collect()
    }

    fn shaken(&self, shock: &Shock) -> Vec<String> {
        if let (Shock::Cancel(by), true, Kind::Deadline) = (shock, self.is_asked(), self.point.kind) {
            return self.overtaken(by);
        }
        let mut lines = vec![format!("root {}", self.raised(shock))];
        for name in ["a", "b", "c"] {
            lines.extend(self.context(name, shock));
        }
        lines.extend(self.below(shock));
        lines
    }

    /// A deadline that comes before the cancel it would be followed by: both are the caller's, who asked for
    /// it, so that it is absorbed all the same.
    fn overtaken(&self, by: &str) -> Vec<String> {
        let name = self.point.victim;
        let others = self.scene.calm.iter().filter(|line| !line.starts_with(name)).cloned();
        let own = [
            format!("{name} self-cancelled cc ca: {by}"),
            format!("{name}'s serve: {by}"),
        ];
        others.chain(own).collect()
    }

    /// What leaves the root: the failure itself, and nothing that only followed from it.
    fn raised(&self, shock: &Shock) -> String {
        match shock {
            Shock::Death(what) => what.clone(),
            Shock::Cancel(_) if self.is_uncalled() => format!("link closed of {}", self.point.victim),
            Shock::Cancel(by) => by.clone(),
            Shock::None => "ok".to_owned(),
        }
    }

    /// Does the root's block end by a cancellation, and not by an error that its body raises? The death of a
    /// child of its own cancels the body before that can raise anything.
    fn is_cancelled_throughout(&self, shock: &Shock) -> bool {
        match shock {
            Shock::Death(_) => self.point.victim != "grandchild",
            _ => !self.is_uncalled(),
        }
    }

    /// A context of the root's, at both its ends.
    fn context(&self, name: &str, shock: &Shock) -> Vec<String> {
        let told = match name {
            "c" => "c's relay:",
            _ => "serve:",
        };
        let callee = if name == "c" {
            told.to_owned()
        } else {
            format!("{name}'s {told}")
        };
        if self.is_over(name) {
            let its = format!("{name}'s");
            let mut lines = self.calm(&[name, &its]);
            // What is told of the context below is told below.
            lines.retain(|line| !line.starts_with("c's below"));
            return lines;
        }
        match self.stood(name) {
            _ if name == self.point.victim => self.own(name, &callee, shock),
            _ if name == "c" && self.point.victim == "grandchild" => self.handed_on(shock),
            None => Vec::new(),
            Some(_) => {
                let state = match self.is_cancelled_throughout(shock) {
                    true => "actor-cancelled",
                    false => "self-cancelled cc ca",
                };
                let by = self.handed_down("root", shock);
                vec![format!("{name} {state}: {by}"), format!("{callee} {by}")]
            }
        }
    }

    /// What the callee of a block that is cancelled is told by its caller: whose doing it is, and a deadline as one.
    fn handed_down(&self, by: &str, shock: &Shock) -> String {
        match (shock, self.point.kind) {
            (Shock::Cancel(_), Kind::Deadline) => format!("{by}'s deadline"),
            _ => format!("cancelled by {by}"),
        }
    }

    /// The victim's own context.
    fn own(&self, name: &str, callee: &str, shock: &Shock) -> Vec<String> {
        let asked = if self.is_asked() { " cc" } else { "" };
        let stands = match (shock, self.point.kind) {
            (Shock::Death(what), _) => format!("{name} failed{asked}: {what}"),
            (_, Kind::Deadline) => format!("{name} self-cancelled cc ca: root's deadline"),
            _ => format!("{name} actor-cancelled{asked}: cancelled by operator"),
        };
        let stands = self.stood(name).map(|_| stands);
        let says = match shock {
            Shock::Cancel(by) if !self.is_uncalled() => Some(format!("{callee} {by}")),
            _ => None,
        };
        stands.into_iter().chain(says).collect()
    }

    /// The context with `c`, which fails with what its nursery or its call raised.
    fn handed_on(&self, shock: &Shock) -> Vec<String> {
        let raised = self.raised(shock);
        let (state, says) = match (shock, self.point.kind) {
            (Shock::Death(_), _) => ("failed", raised.clone()),
            // `c` says so itself, as it was its call.
            (_, Kind::Deadline) => ("peer-cancelled", "itself's deadline".to_owned()),
            _ => ("actor-cancelled", raised.clone()),
        };
        let stands = self.stood("c").map(|_| format!("c {state}: {raised}"));
        let says = format!("c's relay: {says}");
        stands.into_iter().chain([says]).collect()
    }

    /// The context of `c` with the grandchild, at both its ends.
    fn below(&self, shock: &Shock) -> Vec<String> {
        let by_c = self.handed_down("c", shock);
        let calm = || {
            self.calm(&["c's", "grandchild's"])
                .into_iter()
                .filter(|line| !line.starts_with("c's relay"))
        };
        let (below, grandchild) = match self.point.victim {
            _ if self.is_over("c") => return calm().collect(),
            "grandchild" => self.as_grandchild(shock),
            "c" => self.under_c(shock),
            _ if self.stood("c").is_some() => (Some("self-cancelled"), Some(&*by_c)),
            _ => (None, None),
        };
        let below = below.map(|state| format!("c's below: {state}"));
        let grandchild = grandchild.map(|end| format!("grandchild's serve: {end}"));
        below.into_iter().chain(grandchild).collect()
    }

    /// The grandchild is the victim: how its caller stands, and what it says itself.
    fn as_grandchild<'s>(&self, shock: &'s Shock) -> (Option<&'static str>, Option<&'s str>) {
        match shock {
            _ if self.is_uncalled() => (Some("-"), None),
            _ if self.is_done() => (Some("returned"), Some("ok")),
            Shock::Death(_) => (Some("failed"), None),
            Shock::Cancel(by) if self.point.kind == Kind::Deadline => (Some("self-cancelled"), Some(by)),
            Shock::Cancel(by) => (Some("actor-cancelled"), Some(by)),
            Shock::None => (None, None),
        }
    }

    /// `c` is the victim: what it says of the context below while it lives, and how that ends.
    fn under_c(&self, shock: &Shock) -> (Option<&'static str>, Option<&'static str>) {
        let cancelled = match self.point.kind {
            Kind::Deadline => "c's deadline",
            _ => "cancelled by c",
        };
        let is_called = self.handled("ChildUp") > 0;
        let is_answered = self.handled("Started") > 0;
        // The end of its stream comes with the end of its task.
        let is_finished = self.frame() == "Stop" && self.handled("Stop") > 0 || self.handled("Stop") > 1;
        let (below, grandchild) = match () {
            () if is_finished => (Some("returned"), Some("ok")),
            () if is_answered => (Some("self-cancelled"), Some(cancelled)),
            () if is_called => (Some("-"), Some(cancelled)),
            () => (None, None),
        };
        let has_said = self.handled("Return") > 0;
        let is_dead = matches!(shock, Shock::Death(_));
        (below.filter(|_| has_said || !is_dead), grandchild)
    }
}

/// The kind of a frame, of what was noted of it.
fn kind_of(frame: &str) -> &str {
    frame.split(' ').next().unwrap_or_default()
}
