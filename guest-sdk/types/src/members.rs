//! What an error has below it: the members of a group, the cause of a wrapper (semantics 7 and 9).
//!
//! In memory that is a tree; where records cannot recurse (`wit/`) or must not (frames), it is a list in
//! which each error is behind the one it belongs to and says how deep it is. However deep and wide, a tree
//! has [`BoxedError::MOST_MEMBERS`] errors at most, so whoever walks it may recurse.

use crate::BoxedError;

impl BoxedError {
    /// Errors below one error, at all depths together. What a group has beyond is counted, in `omitted`.
    pub const MOST_MEMBERS: usize = 64;
    /// Hops of all these errors together; beyond, paths are no longer extended, and not believed.
    pub const MOST_MEMBER_HOPS: usize = 512;

    /// Whether this stands for several independent failures.
    pub fn is_group(&self) -> bool {
        self.members.len() + self.omitted as usize > 1
    }

    /// What this error was caused by, if it wraps another one.
    pub fn cause(&self) -> Option<&Self> {
        match &self.members[..] {
            [cause] if self.omitted == 0 => Some(cause),
            _ => None,
        }
    }

    /// This error and all below it, each before what is below it, with its depth.
    pub fn walk(&self) -> impl Iterator<Item = (u32, &Self)> {
        let mut waiting = vec![(0, self)];
        std::iter::from_fn(move || {
            let (depth, error) = waiting.pop()?;
            waiting.extend(error.members.iter().rev().map(|member| (depth + 1, member)));
            Some((depth, error))
        })
    }

    /// Takes out all that is below this error, as [`walk`](Self::walk) has it; each is left without what was
    /// below it.
    pub fn take_members(&mut self) -> Vec<(u32, Self)> {
        let mut taken = Vec::new();
        let mut waiting = Vec::new();
        waiting.extend(
            std::mem::take(&mut self.members)
                .into_iter()
                .rev()
                .map(|member| (1, member)),
        );
        while let Some((depth, mut error)) = waiting.pop() {
            let below = std::mem::take(&mut error.members).into_iter().rev();
            waiting.extend(below.map(|member| (depth + 1, member)));
            taken.push((depth, error));
        }
        taken
    }

    /// Adds an error at the end of what [`walk`](Self::walk) gives. One deeper than there is anything to belong
    /// to belongs to the last.
    pub fn push_member(&mut self, depth: u32, member: Self) {
        let mut parent = self;
        for _ in 1..depth {
            if parent.members.is_empty() {
                break;
            }
            let last = parent.members.len() - 1;
            parent = &mut parent.members[last];
        }
        parent.members.push(member);
    }

    /// Adds what [`walk`](Self::walk) gave below an error, as far as there is room.
    pub fn with_members(mut self, members: impl IntoIterator<Item = (u32, Self)>) -> Self {
        let mut members = members.into_iter();
        for (depth, member) in members.by_ref().take(Self::MOST_MEMBERS) {
            self.push_member(depth, member);
        }
        let more = u32::try_from(members.count()).unwrap_or(u32::MAX);
        self.omitted = self.omitted.saturating_add(more);
        self
    }

    /// Cuts the tree to its first [`MOST_MEMBERS`](Self::MOST_MEMBERS) errors.
    pub fn cut(&mut self) {
        self.cut_to(&mut { Self::MOST_MEMBERS });
    }

    fn cut_to(&mut self, room: &mut usize) {
        let mut kept = 0;
        for member in &mut self.members {
            if *room == 0 {
                break;
            }
            *room -= 1;
            kept += 1;
            member.cut_to(room);
        }
        let more = u32::try_from(self.members.len() - kept).unwrap_or(u32::MAX);
        self.omitted = self.omitted.saturating_add(more);
        self.members.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActorId, ErrorKind, Uuid};

    fn error(message: &str, members: Vec<BoxedError>) -> BoxedError {
        let nobody = ActorId::new("", Uuid::default());
        BoxedError {
            members,
            ..BoxedError::new(ErrorKind::EndpointError, nobody, message)
        }
    }

    fn leaf(message: &str) -> BoxedError {
        error(message, Vec::new())
    }

    fn flat(of: &BoxedError) -> Vec<(u32, BoxedError)> {
        of.clone().take_members()
    }

    #[test]
    fn a_tree_comes_back_out_of_its_list() {
        let tree = error(
            "all",
            vec![
                error("a", vec![error("b", vec![leaf("c")])]),
                leaf("d"),
                error("e", vec![leaf("f")]),
            ],
        );
        let names: String = tree.walk().skip(1).map(|(_, error)| &*error.message).collect();
        assert_eq!(names, "abcdef");
        assert_eq!(leaf("all").with_members(flat(&tree)), tree);
    }

    #[test]
    fn depths_that_lie_make_some_tree() {
        let members = [(7, leaf("a")), (0, leaf("b")), (u32::MAX, leaf("c")), (2, leaf("d"))];
        let tree = leaf("all").with_members(members);
        assert_eq!(tree.walk().count(), 5);
        assert_eq!(
            tree,
            error("all", vec![leaf("a"), error("b", vec![leaf("c"), leaf("d")])])
        );
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut tree = error("all", (0..100).map(|n| leaf(&n.to_string())).collect());
        let list = leaf("all").with_members(flat(&tree));
        tree.cut();
        assert_eq!((tree.members.len(), tree.omitted), (64, 36));
        assert_eq!(list, tree);
        tree.cut();
        assert_eq!(tree.omitted, 36, "cutting what is short changes nothing");
    }

    #[test]
    fn one_that_is_left_of_several_is_no_cause() {
        let mut tree = error("all", vec![leaf("a")]);
        assert!(tree.cause().is_some() && !tree.is_group());
        tree.omitted = 1;
        assert!(tree.cause().is_none() && tree.is_group());
    }
}
