//! Compiled components on disk, so that a component is compiled once per machine and engine.
//!
//! An entry is named by the hash of the component's bytes and of all that shapes the compiled code.
//! What is loaded from here runs as native code, so nothing is believed: the directory is ours and
//! closed to everybody else, and each entry carries a keyed hash whose key lies beside it with the
//! same protection. An entry that fails the check is compiled anew and replaced, never loaded.
//! Nothing in here fails a load: a cache that cannot be used is no cache, with one warning.
//!
//! Beside them lie the refusals: of components that would not compile, why, under the same name and with the
//! same check. They are counted apart, so that no flood of them drives out what compiles.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::limits;

const KEY_FILE: &str = "key";
const COMPILED: &str = "compiled";
const REFUSED: &str = "refused";
const MAC: usize = blake3::OUT_LEN;
/// A keyed hash, and the length of the description as four bytes.
const HEADER: usize = MAC + 4;

/// Why a directory cannot be the cache.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    /// Somebody else could put code there.
    #[error("{}: {why}", path.display())]
    Unsafe {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A directory of compiled components.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
}

/// What the cache holds of one component: a file that was verified, read in place.
pub(super) struct Entry {
    bytes: Vec<u8>,
    code_at: usize,
}

impl Entry {
    pub(super) fn description(&self) -> &[u8] {
        &self.bytes[HEADER..self.code_at]
    }

    pub(super) fn code(&self) -> &[u8] {
        &self.bytes[self.code_at..]
    }
}

/// `$STEADING_CACHE_DIR`, else `steading` in the user's cache directory.
pub(crate) fn default_dir() -> Option<PathBuf> {
    let var = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    var("STEADING_CACHE_DIR")
        .or_else(|| var("XDG_CACHE_HOME").map(|base| base.join("steading")))
        .or_else(|| var("HOME").map(|home| home.join(".cache/steading")))
}

impl Cache {
    /// Opens or makes the directory, closes it to others, and reads or makes its key.
    pub(crate) fn open(dir: &Path) -> Result<Self, CacheError> {
        make_private_dir(dir)?;
        let key = read_or_make_key(&dir.join(KEY_FILE))?;
        Ok(Self {
            dir: dir.to_path_buf(),
            key,
        })
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many components it holds.
    pub(crate) fn entries(&self) -> usize {
        self.files(COMPILED).len()
    }

    /// How many refusals it holds.
    pub(crate) fn refused(&self) -> usize {
        self.files(REFUSED).len()
    }

    /// Bytes on disk.
    pub(crate) fn total_size(&self) -> u64 {
        self.all().map(|file| file.size).sum()
    }

    /// Removes every entry and says how many there were.
    pub(crate) fn clear(&self) -> io::Result<usize> {
        let mut count = 0;
        for file in self.all() {
            fs::remove_file(&file.path)?;
            count += 1;
        }
        Ok(count)
    }

    /// The entry of this name, if it is there and genuine.
    pub(super) fn load(&self, name: &str) -> Option<Entry> {
        let path = self.path(name, COMPILED);
        let bytes = fs::read(&path).ok()?;
        let entry = self.verify(name, bytes);
        if entry.is_none() {
            tracing::warn!(path = %path.display(), "compile cache: entry is damaged or was tampered with; compiling anew");
        }
        entry
    }

    /// Writes an entry; a failure is a warning, since the caller has what it needs.
    pub(super) fn store(&self, name: &str, description: &[u8], code: &[u8]) {
        self.warn(self.try_store(name, description, code));
        // A refusal under narrower bounds has had its day; mostly there is none.
        fs::remove_file(self.path(name, REFUSED)).ok();
        self.evict();
    }

    /// Why the component of this name was refused and how long ago, if that is remembered and genuine.
    pub(super) fn refusal(&self, name: &str) -> Option<(Vec<u8>, Duration)> {
        let path = self.path(name, REFUSED);
        let bytes = fs::read(&path).ok()?;
        let (mac, body) = bytes.split_first_chunk::<MAC>()?;
        if self.mac(&refused(name), body) != blake3::Hash::from_bytes(*mac) {
            return None;
        }
        // What comes from the future, by a clock that was set back, is as old as can be.
        let age = SystemTime::now().duration_since(CachedFile::of(path, REFUSED)?.modified);
        Some((body.to_vec(), age.unwrap_or(Duration::MAX)))
    }

    /// Remembers a refusal; a failure is a warning.
    pub(super) fn store_refusal(&self, name: &str, body: &[u8]) {
        let mac = self.mac(&refused(name), body);
        self.warn(self.write(&self.path(name, REFUSED), &[mac.as_bytes(), body]));
        let mut files = self.files(REFUSED);
        files.sort_by_key(|file| file.modified);
        let surplus = files.len().saturating_sub(limits::REFUSALS);
        files.iter().take(surplus).for_each(CachedFile::remove);
    }

    fn warn(&self, written: io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(dir = %self.dir.display(), %error, "compile cache: cannot write");
        }
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.dir.join(name).with_extension(extension)
    }

    /// Keyed hash, length of the description, description, code.
    fn verify(&self, name: &str, bytes: Vec<u8>) -> Option<Entry> {
        let (mac, body) = bytes.split_first_chunk::<MAC>()?;
        let length = u32::from_le_bytes(*body.first_chunk()?) as usize;
        // Comparing `Hash`es takes the same time wherever they differ.
        if self.mac(name, body) != blake3::Hash::from_bytes(*mac) {
            return None;
        }
        let code_at = HEADER.checked_add(length).filter(|at| *at <= bytes.len())?;
        Some(Entry { bytes, code_at })
    }

    /// The name is part of it, so that one genuine entry cannot be passed off as another.
    fn mac(&self, name: &str, body: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(name.as_bytes());
        hasher.update(body);
        hasher.finalize()
    }

    fn try_store(&self, name: &str, description: &[u8], code: &[u8]) -> io::Result<()> {
        let length = u32::try_from(description.len()).map_err(io::Error::other)?;
        let body = [&length.to_le_bytes(), description, code].concat();
        self.write(&self.path(name, COMPILED), &[self.mac(name, &body).as_bytes(), &body])
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.persist(path)?;
        Ok(())
    }

    /// Removes the oldest entries beyond the limit.
    fn evict(&self) {
        let mut files = self.files(COMPILED);
        files.sort_by_key(|file| file.modified);
        let mut total: u64 = files.iter().map(|file| file.size).sum();
        for file in files {
            if total <= limits::CACHE {
                return;
            }
            total -= file.size;
            file.remove();
        }
    }

    fn all(&self) -> impl Iterator<Item = CachedFile> {
        self.files(COMPILED).into_iter().chain(self.files(REFUSED))
    }

    fn files(&self, extension: &str) -> Vec<CachedFile> {
        let Ok(dir) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        dir.flatten()
            .filter_map(|entry| CachedFile::of(entry.path(), extension))
            .collect()
    }
}

struct CachedFile {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl CachedFile {
    fn of(path: PathBuf, extension: &str) -> Option<Self> {
        let metadata = fs::symlink_metadata(&path).ok()?;
        let ours = path.extension()? == extension && metadata.is_file();
        ours.then_some(Self {
            size: metadata.len(),
            modified: metadata.modified().ok()?,
            path,
        })
    }

    fn remove(&self) {
        // Somebody else may have removed it first, which is as good.
        drop(fs::remove_file(&self.path));
    }
}

/// What the keyed hash of a refusal is of, so that none can be passed off as an entry.
fn refused(name: &str) -> String {
    format!("{name}.{REFUSED}")
}

fn make_private_dir(dir: &Path) -> Result<(), CacheError> {
    let io = |source| CacheError::Io {
        path: dir.to_path_buf(),
        source,
    };
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)
        }
        Err(error) => Err(io(error)),
        Ok(metadata) if !metadata.is_dir() => Err(not_safe(dir, "is not a directory (or is a symbolic link)")),
        Ok(metadata) if metadata.uid() != our_uid() => Err(not_safe(dir, "belongs to another user")),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(io)
        }
        Ok(_) => Ok(()),
    }
}

fn read_or_make_key(path: &Path) -> Result<[u8; 32], CacheError> {
    let io = |source| CacheError::Io {
        path: path.to_path_buf(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(path).map_err(io),
        Err(error) => Err(io(error)),
        Ok(metadata) if !metadata.is_file() => Err(not_safe(path, "is not a plain file")),
        Ok(metadata) if metadata.uid() != our_uid() => Err(not_safe(path, "belongs to another user")),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => Err(not_safe(path, "can be read by others; remove it")),
        Ok(_) => read_key(path).map_err(io),
    }
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    File::open(path)?.read_exact(&mut key)?;
    Ok(key)
}

/// Written beside and linked into place, so that two hosts that start at once agree on one key.
fn make_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let draft = path.with_extension(format!("{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?
        .write_all(&key)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read_key(path),
    }
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn not_safe(path: &Path, why: &'static str) -> CacheError {
    CacheError::Unsafe {
        path: path.to_path_buf(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("cache")).unwrap();
        (dir, cache)
    }

    #[test]
    fn what_was_stored_is_loaded_by_a_later_host() {
        let (_dir, cache) = cache();
        cache.store("a", b"description", b"code");
        let entry = Cache::open(cache.dir()).unwrap().load("a").unwrap();
        assert_eq!((entry.description(), entry.code()), (&b"description"[..], &b"code"[..]));
        assert_eq!((cache.entries(), cache.clear().unwrap(), cache.entries()), (1, 1, 0));
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let (_dir, cache) = cache();
        cache.store("a", b"d", b"c");
        let genuine = fs::read(cache.path("a", COMPILED)).unwrap();
        for position in 0..genuine.len() {
            let mut forged = genuine.clone();
            forged[position] ^= 1;
            assert!(cache.verify("a", forged).is_none(), "byte {position}");
        }
        assert!(cache.verify("a", genuine[..genuine.len() - 1].to_vec()).is_none());
    }

    #[test]
    fn an_entry_cannot_pass_for_another() {
        let (_dir, cache) = cache();
        cache.store("a", b"d", b"c");
        fs::rename(cache.path("a", COMPILED), cache.path("b", COMPILED)).unwrap();
        assert!(cache.load("b").is_none());
    }

    #[test]
    fn a_refusal_is_remembered_until_the_component_compiles() {
        let (_dir, cache) = cache();
        cache.store_refusal("a", b"too large");
        let later = Cache::open(cache.dir()).unwrap();
        let (body, age) = later.refusal("a").unwrap();
        assert_eq!((&*body, later.refusal("b")), (&b"too large"[..], None));
        assert!(age < Duration::from_secs(600), "{age:?}");
        assert_eq!((later.entries(), later.refused()), (0, 1));
        later.store("a", b"d", b"c");
        assert_eq!((later.refusal("a"), later.entries(), later.refused()), (None, 1, 0));
    }

    #[test]
    fn a_refusal_that_was_changed_renamed_or_made_of_an_entry_is_none() {
        let (_dir, cache) = cache();
        cache.store_refusal("a", b"too large");
        let path = cache.path("a", REFUSED);
        let genuine = fs::read(&path).unwrap();
        for position in 0..genuine.len() {
            let mut forged = genuine.clone();
            forged[position] ^= 1;
            fs::write(&path, forged).unwrap();
            assert_eq!(cache.refusal("a"), None, "byte {position}");
        }
        fs::write(cache.path("b", REFUSED), &genuine).unwrap();
        cache.store("c", b"d", b"c");
        fs::rename(cache.path("c", COMPILED), cache.path("c", REFUSED)).unwrap();
        assert_eq!((cache.refusal("b"), cache.refusal("c")), (None, None));
    }

    #[test]
    fn the_oldest_refusals_go_first_and_take_no_entry_along() {
        let (_dir, cache) = cache();
        cache.store("kept", b"d", b"c");
        for n in 0..limits::REFUSALS {
            fs::write(cache.path(&format!("{n}"), REFUSED), b"").unwrap();
        }
        let old = File::options().write(true).open(cache.path("7", REFUSED)).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        cache.store_refusal("new", b"too large");
        assert_eq!((cache.entries(), cache.refused()), (1, limits::REFUSALS));
        assert!(cache.refusal("new").is_some() && !cache.path("7", REFUSED).exists());
    }

    #[test]
    fn a_directory_open_to_others_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Cache::open(dir.path()).unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = Cache::open(&link).unwrap_err();
        assert!(matches!(error, CacheError::Unsafe { .. }), "{error}");
    }

    #[test]
    fn a_key_others_can_read_is_refused() {
        let (_dir, cache) = cache();
        let key = cache.dir().join(KEY_FILE);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Cache::open(cache.dir()), Err(CacheError::Unsafe { .. })));
    }
}
