//! `wasi:filesystem/types`: each operation is performed apart from the worker, by the engine; what makes something grow is
//! charged there.

use std::os::unix::fs::FileExt as _;

use steading_types::Directory;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode, HostDescriptor, HostDirectoryEntryStream};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::growth::Wanted;
use super::stream::{Position, Reader, Writer};
use super::work::{again, now, writable};
use super::{Fd, Files};

/// Bytes that one call may write, as in the engine's own implementation.
const MOST_AT_ONCE: usize = 64 << 10;

impl Files<'_> {
    /// Puts a stream into the table that writes to this file.
    fn writer(&mut self, fd: &Fd, position: Position) -> FsResult<Resource<DynOutputStream>> {
        let terms = self.quotas.of(fd)?;
        let file = writable(self.inner.table.get(fd)?)?;
        let writer: DynOutputStream = Box::new(Writer::new(file.file, position, terms, self.quotas.place.clone()));
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
        self.next_entry(&stream).await
    }

    fn drop(&mut self, stream: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.end_listing(&stream)
    }
}

impl HostDescriptor for Files<'_> {
    async fn set_size(&mut self, fd: Fd, size: types::Filesize) -> FsResult<()> {
        self.apart(&fd, move |job, fd| job.resize(&fd, |_| size, |file| file.set_len(size)))
            .await
    }

    async fn write(&mut self, fd: Fd, mut buf: Vec<u8>, offset: types::Filesize) -> FsResult<types::Filesize> {
        // A write may always be a short one.
        buf.truncate(MOST_AT_ONCE);
        let end = offset.saturating_add(buf.len() as u64);
        let written = self.apart(&fd, move |job, fd| {
            job.resize(&fd, |len| len.max(end), |file| file.write_at(&buf, offset))
        });
        Ok(written.await? as types::Filesize)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: types::Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&fd, Position::At(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&fd, Position::End)
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
        let terms = self.quotas.of(&fd)?;
        let wanted = Wanted {
            path_flags,
            path,
            oflags,
            flags,
        };
        let opened = self.apart(&fd, move |job, fd| job.open(&fd, wanted)).await?;
        let opened = self.inner.table.push(opened)?;
        if let Some(terms) = terms {
            self.quotas.open.insert(opened.rep(), terms);
        }
        Ok(opened)
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.quotas.forget(&fd);
        HostDescriptor::drop(&mut self.inner, fd)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, path) = self.reach(fd, path)?;
        self.apart(&fd, move |job, fd| {
            job.make(Directory::ENTRY, |job| now(job.view().create_directory_at(fd, path)))
        })
        .await
    }

    async fn symlink_at(&mut self, fd: Fd, src_path: String, dest_path: String) -> FsResult<()> {
        let (fd, dest_path) = self.reach(fd, dest_path)?;
        self.apart(&fd, move |job, fd| {
            let cost = Directory::ENTRY + src_path.len() as u64;
            job.make(cost, |job| now(job.view().symlink_at(fd, src_path, dest_path)))
        })
        .await
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        old_path_flags: types::PathFlags,
        old_path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        let (fd, old_path) = self.reach(fd, old_path)?;
        let (new_fd, new_path) = self.reach(new_fd, new_path)?;
        // Not while the last name of the same file is being removed, which would be given back.
        self.apart_both((&fd, &new_fd), move |job, fd, new_fd| {
            job.make(Directory::ENTRY, |job| {
                now(job.view().link_at(fd, old_path_flags, old_path, new_fd, new_path))
            })
        })
        .await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, path) = self.reach(fd, path)?;
        self.apart(&fd, move |job, fd| job.unlink(&fd, path)).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, path) = self.reach(fd, path)?;
        self.apart(&fd, move |job, fd| job.remove_directory(&fd, path)).await
    }

    async fn rename_at(&mut self, fd: Fd, old_path: String, new_fd: Fd, new_path: String) -> FsResult<()> {
        let (fd, old_path) = self.reach(fd, old_path)?;
        let (new_fd, new_path) = self.reach(new_fd, new_path)?;
        self.apart_both((&fd, &new_fd), move |job, fd, new_fd| {
            job.rename((&fd, old_path), (&new_fd, new_path))
        })
        .await
    }

    async fn advise(
        &mut self,
        fd: Fd,
        offset: types::Filesize,
        len: types::Filesize,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.apart(&fd, move |job, fd| now(job.view().advise(fd, offset, len, advice)))
            .await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.apart(&fd, |job, fd| now(job.view().sync_data(fd))).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<types::DescriptorFlags> {
        self.apart(&fd, |job, fd| now(job.view().get_flags(fd))).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<types::DescriptorType> {
        self.apart(&fd, |job, fd| now(job.view().get_type(fd))).await
    }

    async fn set_times(&mut self, fd: Fd, atim: types::NewTimestamp, mtim: types::NewTimestamp) -> FsResult<()> {
        self.apart(&fd, move |job, fd| now(job.view().set_times(fd, atim, mtim)))
            .await
    }

    async fn read(&mut self, fd: Fd, len: types::Filesize, offset: types::Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.apart(&fd, move |job, fd| now(job.view().read(fd, len, offset)))
            .await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<types::DirectoryEntryStream>> {
        self.list(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.apart(&fd, |job, fd| now(job.view().sync(fd))).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<types::DescriptorStat> {
        self.apart(&fd, |job, fd| now(job.view().stat(fd))).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: types::PathFlags, path: String) -> FsResult<types::DescriptorStat> {
        let (fd, path) = self.reach(fd, path)?;
        self.apart(&fd, move |job, fd| now(job.view().stat_at(fd, flags, path)))
            .await
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
        self.apart(&fd, move |job, fd| {
            now(job.view().set_times_at(fd, path_flags, path, atim, mtim))
        })
        .await
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        let (fd, path) = self.reach(fd, path)?;
        self.apart(&fd, move |job, fd| now(job.view().readlink_at(fd, path)))
            .await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: types::Filesize) -> FsResult<Resource<DynInputStream>> {
        let until = self.quotas.of(&fd)?.map(|terms| terms.until).unwrap_or_default();
        let file = match self.inner.table.get(&fd)? {
            Descriptor::File(file) => file.file.clone(),
            Descriptor::Dir(_) => return Err(ErrorCode::IsDirectory.into()),
        };
        let reader: DynInputStream = Box::new(Reader::new(file, offset, until, self.quotas.place.clone()));
        Ok(self.inner.table.push(reader)?)
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        let other = self.inner.table.get(&other)?.clone();
        let same = self.apart_from_terms(&one, move |job, one| {
            let other = job.add(other)?;
            now(async {
                job.view()
                    .is_same_object(again(&one), other)
                    .await
                    .map_err(FsError::trap)
            })
        });
        match same.await {
            Ok(same) => Ok(same),
            // What cannot be looked at is nothing else's equal.
            Err(error) => error.downcast().map(|_: ErrorCode| false),
        }
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<types::MetadataHashValue> {
        self.apart(&fd, |job, fd| now(job.view().metadata_hash(fd))).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        let (fd, path) = self.reach(fd, path)?;
        self.apart(&fd, move |job, fd| now(job.view().metadata_hash_at(fd, flags, path)))
            .await
    }
}
