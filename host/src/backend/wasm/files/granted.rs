//! Where a guest finds what its contexts were granted: `/granted/KEY/NAME`.
//!
//! The place itself is an empty directory without a name, in which nothing can be made. A path that begins there is
//! led on, by its first two steps, to the directory that its caller has granted; what is left of it is resolved by the
//! engine below that, as any other. A component that was not made for steading serves one call at a time and knows no
//! keys: it finds what that call was granted at `/granted/NAME`.

use steading_types::Key;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, Dir, FsPerms, OpenMode};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::{Fd, Files, Terms};
use crate::runtime::children::GrantedDir;

/// A directory without a name: nothing is in it, and nothing can be made there. `None` where the machine has no place
/// for temporary files; guests are granted no directories for a time there.
pub(in crate::backend::wasm) fn nothing() -> Option<Dir> {
    let made = make_nothing();
    made.inspect_err(|error| tracing::warn!("contexts cannot grant directories here: {error}"))
        .ok()
}

fn make_nothing() -> std::io::Result<Dir> {
    let named = tempfile::tempdir()?;
    let dir = std::fs::File::open(named.path())?;
    named.close()?;
    Ok(Dir::new(dir, FsPerms::ReadOnly, OpenMode::READ, true))
}

impl Files<'_> {
    /// A descriptor of the place, for a guest that may be granted something.
    pub(super) fn place(&mut self) -> wasmtime::Result<Option<Fd>> {
        let Some(nothing) = self.quotas.loans.place() else {
            return Ok(None);
        };
        let place = self.inner.table.push(Descriptor::Dir(nothing.clone()))?;
        self.quotas.places.push(place.rep());
        Ok(Some(place))
    }

    /// Where a path leads: elsewhere, if it begins at the place and goes on.
    pub(super) fn reach(&mut self, fd: Fd, path: String) -> FsResult<(Fd, String)> {
        if !self.quotas.places.contains(&fd.rep()) {
            return Ok((fd, path));
        }
        let steps = match self.quotas.only_call {
            Some(context) => step(&path).map(|(name, rest)| (context, name, rest)),
            None => step(&path).and_then(|(key, rest)| {
                let (name, rest) = step(rest)?;
                Some((key.parse().ok()?, name, rest))
            }),
        };
        let Some((context, name, rest)) = steps else {
            return Ok((fd, path));
        };
        let rest = if rest.is_empty() { "." } else { rest };
        Ok((self.root(context, name)?, rest.to_owned()))
    }

    fn root(&mut self, context: Key, name: &str) -> FsResult<Fd> {
        let known = (context, name.to_owned());
        if let Some(root) = self.quotas.roots.get(&known) {
            return Ok(Resource::new_borrow(*root));
        }
        self.close_what_is_over();
        let granted = self.quotas.loans.directory(context, name).ok_or(ErrorCode::NoEntry)?;
        let root = self.inner.table.push(Self::descriptor(&granted)?)?.rep();
        if let Some(quota) = granted.quota {
            let until = granted.until;
            self.quotas.open.insert(root, Terms { quota, until });
        }
        self.quotas.roots.insert(known, root);
        Ok(Resource::new_borrow(root))
    }

    fn descriptor(granted: &GrantedDir) -> FsResult<Descriptor> {
        let (perms, mode) = match granted.writable {
            true => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
            false => (FsPerms::ReadOnly, OpenMode::READ),
        };
        let dir = granted.dir.try_clone()?.into_std_file();
        Ok(Descriptor::Dir(Dir::new(dir, perms, mode, true)))
    }

    /// Closes what was granted and is over: the directories themselves, and what the guest still holds of them, which
    /// from now on is a directory with nothing in it. Streams close when they are asked for more.
    pub(super) fn close_what_is_over(&mut self) {
        let (open, table) = (&mut self.quotas.open, &mut self.inner.table);
        let is_over = |terms: Option<&Terms>| terms.is_none_or(|terms| terms.until.is_over());
        let roots = &mut self.quotas.roots;
        if !roots.values().any(|root| is_over(open.get(root))) {
            return;
        }
        roots.retain(|_, root| {
            let over = is_over(open.get(root));
            if over {
                open.remove(root);
                // It is there for as long as it is known as a root, and nothing hangs on it.
                table.delete(Resource::<Descriptor>::new_own(*root)).ok();
            }
            !over
        });
        for (number, _) in open.iter().filter(|(_, terms)| terms.until.is_over()) {
            let held = table.get_mut(&Resource::<Descriptor>::new_borrow(*number));
            if let (Ok(held), Some(nothing)) = (held, self.quotas.loans.place()) {
                *held = Descriptor::Dir(nothing.clone());
            }
        }
    }
}

/// The first name of a path that is not absolute, and what comes after it.
fn step(path: &str) -> Option<(&str, &str)> {
    let mut path = path;
    loop {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let rest = rest.trim_start_matches('/');
        match name {
            "" => return None,
            "." => path = rest,
            name => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn a_path_begins_with_its_first_name() {
        let check = |path, found| assert_eq!(step(path), found, "{path}");
        check("7/in/a", Some(("7", "in/a")));
        check("./7//in/", Some(("7", "in/")));
        check("in", Some(("in", "")));
        check("in/", Some(("in", "")));
        check("in/../x", Some(("in", "../x")));
        check("..", Some(("..", "")));
        for nowhere in ["", ".", "./", "/7/in", "//"] {
            check(nowhere, None);
        }
    }
}
