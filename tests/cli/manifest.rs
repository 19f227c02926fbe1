//! `steading run steading.toml`: what it says is what happens, and what it does not say does not.

use std::fs;
use std::path::Path;

use steading_test_artifacts::{BUDGETS, FILES, VALUES};

use crate::steading::{Transcript, shell, steading};

/// A manifest in a folder of its own.
struct Manifest(tempfile::TempDir);

impl Manifest {
    fn new(actors: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = |path: &str| Path::new(path).display().to_string();
        let components = [("budgets", BUDGETS), ("files", FILES), ("values", VALUES)];
        let components = components.map(|(name, file)| format!("{name} = {:?}\n", path(file)));
        let text = format!("{actors}\n[components]\n{}", components.concat());
        fs::write(folder.path().join("steading.toml"), text).expect("the folder can be written");
        Self(folder)
    }

    fn run(&self, options: &[&str]) -> Transcript {
        let path = self.0.path().join("steading.toml").display().to_string();
        steading(&[&["run"], options, &[&path]].concat())
    }
}

const ADD: &str = "endpoint = \"add\"\ncomponent = \"values\"\n";

#[test]
fn results_have_the_names_of_their_actors() {
    let two = Manifest::new(&format!(
        "[[actor]]\nname = \"b\"\n{ADD}args = [\"1\", \"2\"]\n[[actor]]\nname = \"a\"\n{ADD}args = [\"3\", \"4\"]\n"
    ));
    assert_eq!(two.run(&[]).exits(0).out, "b: 3\na: 7\n", "in the order of the file");
    let json = two.run(&["--json"]).exits(0).json();
    assert_eq!(json, serde_json::json!({ "results": { "a": 7, "b": 3 } }));
    let one = Manifest::new(&format!("[[actor]]\nname = \"b\"\n{ADD}args = [\"1\", \"2\"]\n"));
    assert_eq!(one.run(&[]).exits(0).out, "3\n");
}

#[test]
fn an_actor_runs_no_component_it_was_not_granted() {
    let start = "[[actor]]\nname = \"a\"\ncomponent = \"budgets\"\nendpoint = \"start\"\nargs = ['\"values\"']\n";
    Manifest::new(start).run(&[]).exits(3).complains(&[
        "no component `values` was granted to a@",
        "`components = [\"NAME\"]` of the actor",
    ]);
    Manifest::new(&format!("{start}components = [\"values\"]\n"))
        .run(&[])
        .exits(0);
}

#[test]
fn a_budget_holds_for_an_actor_and_all_it_starts() {
    let brood = "[[actor]]\nname = \"a\"\ncomponent = \"budgets\"\nendpoint = \"brood\"\nargs = [\"3\", \"0\"]\n";
    Manifest::new(&format!("{brood}budget = {{ actors = 4 }}\n"))
        .run(&[])
        .exits(0);
    Manifest::new(&format!("{brood}budget = {{ actors = 3 }}\n"))
        .run(&[])
        .exits(5)
        .complains(&["3 actors in all", "`budget = { actors = … }`"]);
    Manifest::new(&format!("{brood}children = 2\n"))
        .run(&[])
        .exits(5)
        .complains(&["children"]);
    Manifest::new(&format!("total = {{ actors = 2 }}\n{brood}"))
        .run(&[])
        .exits(5)
        .complains(&["this host may have 2 actors in all"]);
}

#[test]
fn groups_make_a_tree_each_with_its_own_terms() {
    let tree = Manifest::new(&format!(
        "[[actor]]\nname = \"a\"\n{ADD}args = [\"1\", \"2\"]\n\
         [[group]]\nname = \"outer\"\nbudget = {{ actors = 4 }}\n\
         [[group.actor]]\nname = \"b\"\n{ADD}args = [\"3\", \"4\"]\nendpoints = [\"add\"]\n\
         [[group.group]]\nname = \"inner\"\nstrategy = \"one-for-one\"\n\
         [[group.group.actor]]\nname = \"c\"\n{ADD}args = [\"5\", \"6\"]\n"
    ));
    let run = tree.run(&["--tree"]).exits(0);
    assert_eq!(run.out, "a: 3\nb: 7\nc: 11\n");
    let (_, all) = run.err.rsplit_once("in all:").expect("the tree is shown at the end");
    let depth = |name: &str| {
        let line = all
            .lines()
            .find(|line| line.contains(&format!(" {name}@")))
            .expect(name);
        line.find(name).expect("it is there")
    };
    assert!(depth("a") == depth("outer") && depth("outer") < depth("b"), "{all}");
    assert!(depth("b") == depth("inner") && depth("inner") < depth("c"), "{all}");
    let inspected = steading(&["inspect", &tree.0.path().join("steading.toml").display().to_string()]).exits(0);
    for line in [
        "Group `outer`: b, inner",
        "actors = 4",
        "Group `inner`: c",
        "one-for-one",
        "endpoints = [\"add\"]",
    ] {
        assert!(inspected.out.contains(line), "{line}: {}", inspected.out);
    }
}

#[test]
fn a_group_is_bounded_and_started_again_as_a_whole() {
    let group = |terms: &str, actor: &str| {
        Manifest::new(&format!(
            "[[group]]\nname = \"g\"\n{terms}\n[[group.actor]]\nname = \"a\"\n{actor}\n"
        ))
    };
    let add = format!("{ADD}args = [\"1\", \"2\"]");
    group("budget = { actors = 1 }", &add)
        .run(&[])
        .exits(5)
        .complains(&["may have 1 actors in all", "g@"]);
    let fails = "component = \"files\"\nendpoint = \"must_read\"\nargs = ['\"none\"']";
    let restart = "restart = { when = \"transient\", times = 2, backoff = [\"1ms\", \"1ms\"] }";
    let run = group(restart, fails).run(&[]).exits(5);
    let again = run.err.matches("actor restarted").count();
    assert_eq!(again, 2, "{run:#?}");
}

#[test]
fn what_is_granted_on_the_command_line_is_refused() {
    let one = Manifest::new(&format!("[[actor]]\nname = \"b\"\n{ADD}args = [\"1\", \"2\"]\n"));
    one.run(&["--dir", "."])
        .exits(2)
        .complains(&["--dir cannot be given here"]);
    assert_eq!(one.run(&["--stats"]).exits(0).out, "3\n", "what only looks is not");
}

#[test]
fn what_is_wrong_is_told_with_the_line() {
    let wrong = |text: &str| Manifest::new(text).run(&[]).exits(2);
    wrong("colour = 3\n").complains(&["steading.toml", "line 1", "unknown field `colour`"]);
    wrong("[[actor]]\nname = \"a\"\ncomponent = \"hats\"\n").complains(&["[components] has no `hats`"]);
    wrong("[[actor]]\nname = \"a\"\ncomponent = \"values\"\nendpoint = \"fly\"\n")
        .complains(&["actor `a`", "no endpoint `fly`; it has:"]);
    steading(&["run", "no-such.toml"])
        .exits(2)
        .complains(&["no-such.toml", "No such file"]);
}

/// Where address space is bounded there is no pool, and a memory takes four gigabytes of it.
#[test]
fn an_actor_that_the_machine_cannot_bear_is_refused_in_words() {
    let actor = |name| format!("[[actor]]\nname = \"{name}\"\n{ADD}args = [\"1\", \"2\"]\n");
    let run = |actors: &str| {
        let manifest = Manifest::new(actors);
        let path = manifest.0.path().display();
        shell(&format!(
            "ulimit -v 7340032; exec steading --log-level error run {path}"
        ))
    };
    assert_eq!(run(&actor("a")).exits(0).out, "3\n");
    // One that does not end before the other is started, be the machine as busy as it likes.
    let stays = "[[actor]]\nname = \"a\"\ncomponent = \"budgets\"\nendpoint = \"spin\"\n".to_owned();
    let both = run(&(stays + &actor("b")));
    both.exits(5).complains(&[
        "limit capacity reached",
        "cannot start actor `b`",
        "MiB of address space left",
        "`ulimit -v unlimited` raises it",
    ]);
}

#[test]
fn a_dense_host_runs_the_same_actors_with_less_memory_each() {
    let actor = format!("[[actor]]\nname = \"a\"\n{ADD}args = [\"1\", \"2\"]\n");
    let dense = Manifest::new(&format!("profile = \"density\"\n{actor}"));
    assert_eq!(dense.run(&[]).exits(0).out, "3\n");
    dense
        .run(&["--profile", "density"])
        .exits(2)
        .complains(&["--profile cannot be given here"]);
    let large = Manifest::new(&format!(
        "profile = \"density\"\nlimits = {{ memory = \"65MiB\" }}\n{actor}"
    ));
    large
        .run(&[])
        .exits(2)
        .complains(&["limits: memory: 68157440 bytes is out of range"]);
    let doctor = steading(&["doctor", "--profile", "density"]);
    assert!(
        doctor.out.contains("density: as many actors as possible"),
        "{doctor:#?}"
    );
    assert!(doctor.out.contains("guests at once"), "{doctor:#?}");
}
