//! The names in a directory, a piece at a time: the kernel keeps where it was, and the host no more than a piece.
//!
//! The engine's own listing reads all of a directory at once and keeps it for as long as the guest likes.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, HostDescriptor as _,
};

use super::work::{Job, again, busy, now};
use super::{Fd, Files};
use crate::backend::wasm::limits;
use crate::runtime::lent::Until;

/// Bytes of names that are read at once, with what the kernel says beside them: at least some thirty.
const PIECE: usize = 8 << 10;

/// A directory that is being read.
pub(super) struct Listing {
    /// Open once more: the other descriptor is at a place of its own. Nothing once its end was reached.
    directory: Option<Arc<std::fs::File>>,
    read: VecDeque<Entry>,
    until: Until,
}

type Entry = Result<DirectoryEntry, ErrorCode>;
type Stream = Resource<DirectoryEntryStream>;

impl Files<'_> {
    pub(super) async fn list(&mut self, fd: Fd) -> FsResult<Stream> {
        if self.quotas.listings >= limits::LISTINGS {
            return Err(ErrorCode::Quota.into());
        }
        let until = self.quotas.of(&fd)?.map(|terms| terms.until).unwrap_or_default();
        let (directory, read) = self.apart(&fd, open).await?;
        let listing = Listing {
            directory: Some(directory),
            read,
            until,
        };
        let number = self.inner.table.push(listing)?.rep();
        self.quotas.listings += 1;
        Ok(Resource::new_own(number))
    }

    pub(super) async fn next_entry(&mut self, stream: &Stream) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.listing(stream)?;
        if listing.until.is_over() {
            listing.directory = None;
            listing.read.clear();
            return Err(ErrorCode::Access.into());
        }
        if listing.read.is_empty()
            && let Some(directory) = listing.directory.clone()
        {
            let more = self.quotas.place.run(move || piece(&directory)).await.map_err(busy)??;
            let listing = self.listing(stream)?;
            if more.is_empty() {
                listing.directory = None;
            }
            listing.read = more;
        }
        Ok(self.listing(stream)?.read.pop_front().transpose()?)
    }

    fn listing(&mut self, stream: &Stream) -> FsResult<&mut Listing> {
        Ok(self.inner.table.get_mut(&Resource::new_borrow(stream.rep()))?)
    }

    pub(super) fn end_listing(&mut self, stream: &Stream) -> wasmtime::Result<()> {
        self.inner.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        self.quotas.listings -= 1;
        Ok(())
    }
}

/// Opens it for a listing, which counts as a file that is open, and reads the first piece.
fn open(job: &mut Job, fd: Fd) -> FsResult<(Arc<std::fs::File>, VecDeque<Entry>)> {
    let quota = job.quota();
    let opening = quota.map(|quota| quota.open_one_more(&job.who).ok_or(ErrorCode::Quota));
    let opening = opening.transpose()?;
    let Descriptor::Dir(dir) = job.descriptor(&fd)? else {
        return Err(ErrorCode::NotDirectory.into());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&dir.dir, ".", flags, Mode::empty()).map_err(std::io::Error::from)?;
    let directory = Arc::new(std::fs::File::from(opened));
    if let Some(opening) = opening {
        let identity = now(job.view().metadata_hash(again(&fd)))?.lower;
        opening.is(&directory, identity);
    }
    let read = piece(&directory)?;
    Ok((directory, read))
}

/// The next names; none at the end. What has no name in UTF-8 is an error in its place.
fn piece(directory: &std::fs::File) -> std::io::Result<VecDeque<Entry>> {
    let mut room = [MaybeUninit::uninit(); PIECE];
    let mut entries = RawDir::new(directory, &mut room);
    let mut piece = VecDeque::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let is_itself = [c".", c".."].contains(&entry.file_name());
        let (name, kind) = (entry.file_name().to_str(), entry.file_type());
        let found = match name {
            Ok(name) => Ok(DirectoryEntry {
                type_: kind_of(directory, name, kind),
                name: name.to_owned(),
            }),
            Err(_) => Err(ErrorCode::IllegalByteSequence),
        };
        if !is_itself {
            piece.push_back(found);
        }
        // Of what the kernel has given at once, all; an empty piece would be the end.
        if entries.is_buffer_empty() && !piece.is_empty() {
            break;
        }
    }
    Ok(piece)
}

/// Not every file system says it along with the name.
fn kind_of(directory: &std::fs::File, name: &str, kind: FileType) -> DescriptorType {
    let kind = match kind {
        FileType::Unknown => rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
        kind => kind,
    };
    match kind {
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        _ => DescriptorType::Unknown,
    }
}
