//! What makes a directory grow or shrink, charged to its quota: by a thread that may block, and holds the gate.

use std::io;
use std::sync::Arc;

use steading_types::Directory;
use wasmtime_wasi::filesystem::{Descriptor, OpenMode};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode, HostDescriptor as _};

use super::Fd;
use super::work::{Job, again, now};
use crate::runtime::quota::{Entry, Quota};

/// What to open, and how.
pub(super) struct Wanted {
    pub(super) path_flags: types::PathFlags,
    pub(super) path: String,
    pub(super) oflags: types::OpenFlags,
    pub(super) flags: types::DescriptorFlags,
}

impl Wanted {
    /// Leaves out what makes the engine open a file so that it can be written, and has it opened so all the same.
    fn without(&mut self, flag: types::OpenFlags) {
        self.oflags &= !flag;
        if !self.flags.contains(types::DescriptorFlags::WRITE) {
            self.flags |= types::DescriptorFlags::WRITE | types::DescriptorFlags::READ;
        }
    }
}

impl Job {
    /// Makes a name, which costs so much.
    pub(super) fn make(&mut self, cost: u64, make: impl FnOnce(&mut Self) -> FsResult<()>) -> FsResult<()> {
        let Some(quota) = self.quota() else { return make(self) };
        let _gate = quota.gate();
        let taken = quota.take_for(cost, &self.who)?;
        make(self)?;
        taken.keep();
        Ok(())
    }

    /// Changes the length of a file.
    pub(super) fn resize<R>(
        &self,
        fd: &Fd,
        becomes: impl FnOnce(u64) -> u64,
        act: impl FnOnce(&std::fs::File) -> io::Result<R>,
    ) -> FsResult<R> {
        let file = self.file(fd)?;
        let Some(quota) = self.quota() else {
            return Ok(act(&file.file)?);
        };
        let _gate = quota.gate();
        Ok(quota.resize(&file.file, &self.who, becomes, act)?)
    }

    /// Opens, within a quota if there is one. What is to be emptied is so afterwards, as a change of its length.
    pub(super) fn open(&mut self, fd: &Fd, mut wanted: Wanted) -> FsResult<Descriptor> {
        let Some(quota) = self.quota() else {
            let opened = self.open_now(fd, &wanted)?;
            return self.take(opened);
        };
        let opening = quota.open_one_more(&self.who).ok_or(ErrorCode::Quota)?;
        let is_directory = wanted.oflags.contains(types::OpenFlags::DIRECTORY);
        let empties = wanted.oflags.contains(types::OpenFlags::TRUNCATE) && !is_directory;
        if empties {
            wanted.without(types::OpenFlags::TRUNCATE);
        }
        let opened = match wanted.oflags.contains(types::OpenFlags::CREATE) {
            true => self.create(fd, &quota, wanted)?,
            false => self.open_now(fd, &wanted)?,
        };
        let identity = now(self.view().metadata_hash(again(&opened)))?.lower;
        let file = match self.descriptor(&opened)? {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(dir) => &dir.dir,
        };
        opening.is(file, identity);
        if empties {
            self.empty(&opened)?;
        }
        self.take(opened)
    }

    fn open_now(&mut self, fd: &Fd, wanted: &Wanted) -> FsResult<Fd> {
        let (path, oflags, flags) = (wanted.path.clone(), wanted.oflags, wanted.flags);
        now(self.view().open_at(again(fd), wanted.path_flags, path, oflags, flags))
    }

    /// Opens what is made if it is not there. What is there is opened without the gate, as it may be a FIFO, that keeps
    /// who opens it waiting; and without leave to make it, which nobody would be charged for.
    fn create(&mut self, fd: &Fd, quota: &Arc<Quota>, mut wanted: Wanted) -> FsResult<Fd> {
        let gate = quota.gate();
        let found = now(self.view().stat_at(again(fd), wanted.path_flags, wanted.path.clone()));
        if found.is_ok() {
            let may_wait = !wanted
                .oflags
                .intersects(types::OpenFlags::EXCLUSIVE | types::OpenFlags::DIRECTORY);
            if may_wait {
                drop(gate);
                wanted.without(types::OpenFlags::CREATE);
            }
            return self.open_now(fd, &wanted);
        }
        let taken = quota.take_for(Directory::ENTRY, &self.who)?;
        let opened = self.open_now(fd, &wanted)?;
        taken.keep();
        Ok(opened)
    }

    fn empty(&self, opened: &Fd) -> FsResult<()> {
        let is_writable =
            matches!(self.descriptor(opened)?, Descriptor::File(file) if file.open_mode.contains(OpenMode::WRITE));
        let cut = |file: &std::fs::File| match file.metadata()?.is_file() {
            true => file.set_len(0),
            false => Ok(()),
        };
        match is_writable {
            true => self.resize(opened, |_| 0, cut),
            false => Ok(()),
        }
    }

    pub(super) fn unlink(&mut self, fd: &Fd, path: String) -> FsResult<()> {
        let Some(quota) = self.quota() else {
            return now(self.view().unlink_file_at(again(fd), path));
        };
        let _gate = quota.gate();
        let entry = self.entry(fd, &path);
        now(self.view().unlink_file_at(again(fd), path))?;
        entry.into_iter().for_each(|entry| quota.removed(entry));
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, fd: &Fd, path: String) -> FsResult<()> {
        let Some(quota) = self.quota() else {
            return now(self.view().remove_directory_at(again(fd), path));
        };
        let _gate = quota.gate();
        now(self.view().remove_directory_at(again(fd), path))?;
        quota.give(Directory::ENTRY);
        Ok(())
    }

    pub(super) fn rename(&mut self, (fd, path): (&Fd, String), (new_fd, new_path): (&Fd, String)) -> FsResult<()> {
        let Some(quota) = self.quota() else {
            return now(self.view().rename_at(again(fd), path, again(new_fd), new_path));
        };
        let _gate = quota.gate();
        let (old, replaced) = (self.entry(fd, &path), self.entry(new_fd, &new_path));
        now(self.view().rename_at(again(fd), path, again(new_fd), new_path))?;
        // Between two names of one file nothing is renamed.
        if let (Some(old), Some(replaced)) = (old, replaced)
            && old.identity != replaced.identity
        {
            quota.removed(replaced);
        }
        Ok(())
    }

    /// What a name stands for, itself and not what it leads to; `None` if nobody can tell.
    fn entry(&mut self, fd: &Fd, path: &str) -> Option<Entry> {
        let follow = types::PathFlags::empty();
        let stat = now(self.view().stat_at(again(fd), follow, path.to_owned())).ok()?;
        let hash = now(self.view().metadata_hash_at(again(fd), follow, path.to_owned())).ok()?;
        Some(Entry {
            identity: hash.lower,
            size: stat.size,
            links: stat.link_count,
            is_directory: matches!(stat.type_, types::DescriptorType::Directory),
        })
    }
}
