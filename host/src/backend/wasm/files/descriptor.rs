//! `wasi:filesystem/types`: what makes something grow is charged first, and everything else forwarded.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, File, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode, HostDescriptor, HostDirectoryEntryStream};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use steading_types::Directory;

use super::stream::{Position, Reader, Writer};
use super::{Files, Terms};
use crate::runtime::quota::{Entry, Quota};

type Fd = Resource<Descriptor>;

/// Bytes that one call may write, as in the engine's own implementation.
const MOST_AT_ONCE: usize = 64 << 10;

impl Files<'_> {
    /// A borrowed look at the same descriptor: the calls take theirs.
    fn again(descriptor: &Fd) -> Fd {
        Resource::new_borrow(descriptor.rep())
    }

    fn file(&self, descriptor: &Fd) -> FsResult<File> {
        match self.inner.table.get(descriptor)? {
            Descriptor::File(file) if file.perms.write_not_permitted() => Err(ErrorCode::NotPermitted.into()),
            Descriptor::File(file) => Ok(file.clone()),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// Changes the length of a file, charged to its quota. The gate is held until it is done, be this awaited or not.
    async fn resize<R: Send + 'static>(
        &mut self,
        quota: Arc<Quota>,
        file: File,
        becomes: impl FnOnce(u64) -> u64 + Send + 'static,
        act: impl FnOnce(&std::fs::File) -> io::Result<R> + Send + 'static,
    ) -> FsResult<R> {
        let gate = quota.gate().await;
        let who = self.quotas.who.clone();
        let work = move || {
            let _gate = gate;
            quota.resize(&file.file, &who, becomes, act)
        };
        let done = match self.quotas.inline {
            true => work(),
            false => wasmtime_wasi::runtime::spawn_blocking(work).await,
        };
        Ok(done?)
    }

    /// What a name stands for, itself and not what it leads to; `None` if nobody can tell.
    async fn entry(&mut self, directory: &Fd, path: &str) -> Option<Entry> {
        let follow = types::PathFlags::empty();
        let stat = self.inner.stat_at(Self::again(directory), follow, path.to_owned());
        let stat = stat.await.ok()?;
        let hash = self
            .inner
            .metadata_hash_at(Self::again(directory), follow, path.to_owned());
        Some(Entry {
            identity: hash.await.ok()?.lower,
            size: stat.size,
            links: stat.link_count,
            is_directory: matches!(stat.type_, types::DescriptorType::Directory),
        })
    }

    /// Charges for a name that is about to be made.
    fn take(&self, quota: &Quota, bytes: u64) -> FsResult<()> {
        Ok(quota.take(bytes, &self.quotas.who)?)
    }

    /// That of both, if they have the same; what has another is another disk.
    fn common(&self, one: &Fd, other: &Fd) -> FsResult<Option<Arc<Quota>>> {
        match (self.quotas.of(one)?, self.quotas.of(other)?) {
            (None, None) => Ok(None),
            (Some(one), Some(other)) if Arc::ptr_eq(&one.quota, &other.quota) => Ok(Some(one.quota)),
            _ => Err(ErrorCode::CrossDevice.into()),
        }
    }

    /// Opens within a quota. What is to be emptied is so afterwards, as a change of its length.
    async fn open_within(
        &mut self,
        terms: Terms,
        directory: Fd,
        path_flags: types::PathFlags,
        path: String,
        mut oflags: types::OpenFlags,
        mut flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        let quota = terms.quota.clone();
        let gate = quota.gate().await;
        if !quota.may_open(&self.quotas.who) {
            return Err(ErrorCode::Quota.into());
        }
        let creates = oflags.contains(types::OpenFlags::CREATE)
            && self
                .inner
                .stat_at(Self::again(&directory), path_flags, path.clone())
                .await
                .is_err();
        let empties = oflags.contains(types::OpenFlags::TRUNCATE);
        if empties {
            oflags &= !types::OpenFlags::TRUNCATE;
            if !flags.contains(types::DescriptorFlags::WRITE) {
                flags |= types::DescriptorFlags::WRITE | types::DescriptorFlags::READ;
            }
        }
        if creates {
            self.take(&quota, Directory::ENTRY)?;
        }
        let opened = self.inner.open_at(directory, path_flags, path, oflags, flags).await;
        if opened.is_err() && creates {
            quota.give(Directory::ENTRY);
        }
        let opened = opened?;
        self.enlist(&terms, &opened).await?;
        drop(gate);
        match empties {
            true => self.empty(quota, opened).await,
            false => Ok(opened),
        }
    }

    /// From now on it counts as open, and what is done with it as done within the quota.
    async fn enlist(&mut self, terms: &Terms, opened: &Fd) -> FsResult<()> {
        let identity = self.inner.metadata_hash(Self::again(opened)).await?.lower;
        let file = match self.inner.table.get(opened)? {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(dir) => &dir.dir,
        };
        terms.quota.opened(file, identity);
        self.quotas.open.insert(opened.rep(), terms.clone());
        Ok(())
    }

    async fn empty(&mut self, quota: Arc<Quota>, opened: Fd) -> FsResult<Fd> {
        let file = match self.inner.table.get(&opened)? {
            Descriptor::File(file) if file.open_mode.contains(OpenMode::WRITE) => file.clone(),
            _ => return Ok(opened),
        };
        let cut = |file: &std::fs::File| match file.metadata()?.is_file() {
            true => file.set_len(0),
            false => Ok(()),
        };
        let emptied = self.resize(quota, file, |_| 0, cut).await;
        if emptied.is_err() {
            HostDescriptor::drop(self, Resource::new_own(opened.rep())).map_err(FsError::trap)?;
        }
        emptied.map(|()| opened)
    }

    /// In the place of a stream, one that ends with what its file stems from.
    fn bounded(&mut self, stream: Resource<DynInputStream>, terms: Terms) -> FsResult<Resource<DynInputStream>> {
        let inner = self.inner.table.delete(stream)?;
        let reader: DynInputStream = Box::new(Reader::new(inner, terms.until));
        Ok(self.inner.table.push(reader)?)
    }

    /// Puts a stream into the table that charges what it writes.
    fn writer(&mut self, terms: Terms, descriptor: &Fd, position: Position) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file(descriptor)?;
        let writer = Writer::new(file, position, terms, self.quotas.who.clone(), self.quotas.inline);
        let writer: DynOutputStream = Box::new(writer);
        Ok(self.inner.table.push(writer)?)
    }
}

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.filesystem_error_code(error)
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<types::DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        self.inner.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.inner, stream)
    }
}

impl HostDescriptor for Files<'_> {
    async fn set_size(&mut self, fd: Fd, size: types::Filesize) -> FsResult<()> {
        let Some(Terms { quota, .. }) = self.quotas.of(&fd)? else {
            return self.inner.set_size(fd, size).await;
        };
        let file = self.file(&fd)?;
        self.resize(quota, file, move |_| size, move |file| file.set_len(size))
            .await
    }

    async fn write(&mut self, fd: Fd, mut buf: Vec<u8>, offset: types::Filesize) -> FsResult<types::Filesize> {
        let Some(Terms { quota, .. }) = self.quotas.of(&fd)? else {
            return self.inner.write(fd, buf, offset).await;
        };
        let file = self.file(&fd)?;
        // A write may always be a short one.
        buf.truncate(MOST_AT_ONCE);
        let end = offset.saturating_add(buf.len() as u64);
        let becomes = move |len: u64| len.max(end);
        let written = self
            .resize(quota, file, becomes, move |file| file.write_at(&buf, offset))
            .await?;
        Ok(written as types::Filesize)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: types::Filesize) -> FsResult<Resource<DynOutputStream>> {
        match self.quotas.of(&fd)? {
            Some(terms) => self.writer(terms, &fd, Position::At(offset)),
            None => self.inner.write_via_stream(fd, offset),
        }
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        match self.quotas.of(&fd)? {
            Some(terms) => self.writer(terms, &fd, Position::End),
            None => self.inner.append_via_stream(fd),
        }
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        oflags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        let (fd, path) = self.reach(fd, path)?;
        match self.quotas.of(&fd)? {
            Some(terms) => self.open_within(terms, fd, path_flags, path, oflags, flags).await,
            None => self.inner.open_at(fd, path_flags, path, oflags, flags).await,
        }
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.quotas.forget(&fd);
        HostDescriptor::drop(&mut self.inner, fd)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, path) = self.reach(fd, path)?;
        let Some(Terms { quota, .. }) = self.quotas.of(&fd)? else {
            return self.inner.create_directory_at(fd, path).await;
        };
        let _gate = quota.gate().await;
        self.take(&quota, Directory::ENTRY)?;
        let made = self.inner.create_directory_at(fd, path).await;
        made.inspect_err(|_| quota.give(Directory::ENTRY))
    }

    async fn symlink_at(&mut self, fd: Fd, src_path: String, dest_path: String) -> FsResult<()> {
        let (fd, dest_path) = self.reach(fd, dest_path)?;
        let Some(Terms { quota, .. }) = self.quotas.of(&fd)? else {
            return self.inner.symlink_at(fd, src_path, dest_path).await;
        };
        let _gate = quota.gate().await;
        let cost = Directory::ENTRY + src_path.len() as u64;
        self.take(&quota, cost)?;
        let made = self.inner.symlink_at(fd, src_path, dest_path).await;
        made.inspect_err(|_| quota.give(cost))
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        old_path_flags: types::PathFlags,
        old_path: String,
        new_descriptor: Fd,
        new_path: String,
    ) -> FsResult<()> {
        let (fd, old_path) = self.reach(fd, old_path)?;
        let (new_descriptor, new_path) = self.reach(new_descriptor, new_path)?;
        let quota = self.common(&fd, &new_descriptor)?;
        // Not while the last name of the same file is being removed, which would be given back.
        let _gate = match &quota {
            Some(quota) => Some(quota.gate().await),
            None => None,
        };
        if let Some(quota) = &quota {
            self.take(quota, Directory::ENTRY)?;
        }
        let made = self
            .inner
            .link_at(fd, old_path_flags, old_path, new_descriptor, new_path)
            .await;
        made.inspect_err(|_| quota.iter().for_each(|quota| quota.give(Directory::ENTRY)))
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, path) = self.reach(fd, path)?;
        let Some(Terms { quota, .. }) = self.quotas.of(&fd)? else {
            return self.inner.unlink_file_at(fd, path).await;
        };
        let _gate = quota.gate().await;
        let entry = self.entry(&fd, &path).await;
        self.inner.unlink_file_at(fd, path).await?;
        entry.into_iter().for_each(|entry| quota.removed(entry));
        Ok(())
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, path) = self.reach(fd, path)?;
        let Some(Terms { quota, .. }) = self.quotas.of(&fd)? else {
            return self.inner.remove_directory_at(fd, path).await;
        };
        let _gate = quota.gate().await;
        self.inner.remove_directory_at(fd, path).await?;
        quota.give(Directory::ENTRY);
        Ok(())
    }

    async fn rename_at(&mut self, fd: Fd, old_path: String, new_fd: Fd, new_path: String) -> FsResult<()> {
        let (fd, old_path) = self.reach(fd, old_path)?;
        let (new_fd, new_path) = self.reach(new_fd, new_path)?;
        let Some(quota) = self.common(&fd, &new_fd)? else {
            return self.inner.rename_at(fd, old_path, new_fd, new_path).await;
        };
        let _gate = quota.gate().await;
        let (old, replaced) = (self.entry(&fd, &old_path).await, self.entry(&new_fd, &new_path).await);
        self.inner.rename_at(fd, old_path, new_fd, new_path).await?;
        // Between two names of one file nothing is renamed.
        if let (Some(old), Some(replaced)) = (old, replaced)
            && old.identity != replaced.identity
        {
            quota.removed(replaced);
        }
        Ok(())
    }

    async fn advise(
        &mut self,
        fd: Fd,
        offset: types::Filesize,
        len: types::Filesize,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.quotas.of(&fd)?;
        self.inner.advise(fd, offset, len, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.quotas.of(&fd)?;
        self.inner.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<types::DescriptorFlags> {
        self.quotas.of(&fd)?;
        self.inner.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<types::DescriptorType> {
        self.quotas.of(&fd)?;
        self.inner.get_type(fd).await
    }

    async fn set_times(&mut self, fd: Fd, atim: types::NewTimestamp, mtim: types::NewTimestamp) -> FsResult<()> {
        self.quotas.of(&fd)?;
        self.inner.set_times(fd, atim, mtim).await
    }

    async fn read(&mut self, fd: Fd, len: types::Filesize, offset: types::Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.quotas.of(&fd)?;
        self.inner.read(fd, len, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<types::DirectoryEntryStream>> {
        self.quotas.of(&fd)?;
        self.inner.read_directory(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.quotas.of(&fd)?;
        self.inner.sync(fd).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<types::DescriptorStat> {
        self.quotas.of(&fd)?;
        self.inner.stat(fd).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: types::PathFlags, path: String) -> FsResult<types::DescriptorStat> {
        let (fd, path) = self.reach(fd, path)?;
        self.quotas.of(&fd)?;
        self.inner.stat_at(fd, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FsResult<()> {
        let (fd, path) = self.reach(fd, path)?;
        self.quotas.of(&fd)?;
        self.inner.set_times_at(fd, path_flags, path, atim, mtim).await
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        let (fd, path) = self.reach(fd, path)?;
        self.quotas.of(&fd)?;
        self.inner.readlink_at(fd, path).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: types::Filesize) -> FsResult<Resource<DynInputStream>> {
        let terms = self.quotas.of(&fd)?;
        let stream = self.inner.read_via_stream(fd, offset)?;
        match terms.filter(|terms| !terms.until.is_forever()) {
            Some(terms) => self.bounded(stream, terms),
            None => Ok(stream),
        }
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        self.inner.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<types::MetadataHashValue> {
        self.quotas.of(&fd)?;
        self.inner.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        let (fd, path) = self.reach(fd, path)?;
        self.quotas.of(&fd)?;
        self.inner.metadata_hash_at(fd, flags, path).await
    }
}
