//! An actor that uses what its contexts are granted, keeps what it can, and grants what it has.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use steading_guest::{Context, Directory, Error, Nursery, Portal, Result, Spec, granted, nursery};

struct Granting;

/// What the actor keeps beyond the context it had it by.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

struct Kept {
    root: PathBuf,
    read: File,
    write: Option<File>,
}

/// In every directory of these stories.
const NOTE: &str = "note.txt";

#[steading_guest::actor]
impl Granting {
    /// What the note in the directory says that the call was granted by this name.
    async fn peek(name: String) -> Result<String> {
        read(&granted(&name)?)
    }

    /// As `peek`, by a path it was told.
    async fn read(path: String) -> Result<String> {
        read(path.as_ref())
    }

    /// Writes the note.
    async fn write(name: String, text: String) -> Result<()> {
        Ok(fs::write(granted(&name)?.join(NOTE), text)?)
    }

    /// As `peek`, but for as long as the caller likes; keeps all that it has.
    async fn hold(ctx: Context<(), (), String>, name: String) -> Result<()> {
        let root = ctx.granted(&name)?;
        let read_from = File::open(root.join(NOTE))?;
        let write = OpenOptions::new().append(true).open(root.join(NOTE)).ok();
        let said = read(&root)?;
        *KEPT.lock().expect("nobody panics") = Some(Kept {
            root,
            read: read_from,
            write,
        });
        ctx.started(said).await?;
        ctx.stream(async |stream| {
            while stream.next().await?.is_some() {}
            Ok(())
        })
        .await
    }

    /// Tries to use what was kept, in every way there is; what came of each.
    async fn later() -> Result<Vec<(String, String)>> {
        let mut kept = KEPT.lock().expect("nobody panics");
        let Kept { root, read, write } = kept.as_mut().ok_or_else(|| Error::msg("nothing was kept"))?;
        let mut text = String::new();
        let mut all = vec![
            ("read on", show(read.read_to_string(&mut text))),
            (
                "read from the start",
                show(read.seek(SeekFrom::Start(0)).and_then(|_| read.read(&mut [0]))),
            ),
            ("look at what is open", show(read.metadata())),
            ("open", show(File::open(root.join(NOTE)))),
            ("list", show(fs::read_dir(&*root))),
            ("look", show(fs::metadata(root.join(NOTE)))),
            ("make", show(fs::write(root.join("new"), "x"))),
            ("remove", show(fs::remove_file(root.join(NOTE)))),
            ("rename", show(fs::rename(root.join(NOTE), root.join("other")))),
        ];
        if let Some(write) = write {
            all.push(("write on", show(write.write_all(b"more").and_then(|()| write.flush()))));
            all.push(("cut", show(write.set_len(0))));
        }
        Ok(all.into_iter().map(|(how, what)| (how.to_owned(), what)).collect())
    }

    /// What can be seen at this path below what was granted.
    async fn below(name: String, path: String) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(granted(&name)?.join(path))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Grants a directory of this actor's, or of what this call was granted, to a child's context; what the child says.
    async fn pass_on(path: String, writable: bool) -> Result<String> {
        with_child(Spec::this_component("child"), async |_, child| {
            let mut directory = Directory::new(found(&path)?, "in");
            directory.writable = writable;
            child.context("peek").args("in").grant(directory).call().await
        })
        .await
    }

    /// Starts a child with what this call was granted, and asks it.
    async fn hand_on(name: String) -> Result<String> {
        let path = found(&name)?;
        with_child(Spec::this_component("child").dir(path, "/mine"), async |_, child| {
            child.call("read", "/mine").await
        })
        .await
    }

    /// Starts a child of a component.
    async fn start(component: String) -> Result<String> {
        with_child(Spec::component(component, "child"), async |_, child| {
            Ok(format!("{} runs", child.id().name))
        })
        .await
    }

    /// Opens contexts that grant as many directories as they can, all at once; how many there were, and why no more.
    async fn flood(path: String, each: usize) -> Result<(usize, String)> {
        with_child(Spec::this_component("child"), async |_, child| {
            flood(&child, &path, each).await
        })
        .await
    }

    /// Opens, again and again, contexts that grant something and are given up.
    async fn churn(path: String, times: u32) -> Result<u32> {
        with_child(Spec::this_component("child"), async |_, child| {
            for _ in 0..times {
                let call = child.context("peek").args("in").grant(Directory::new(&path, "in"));
                call.call::<String>().await?;
            }
            Ok(times)
        })
        .await
    }
}

/// The path itself, or that of what this call was granted.
fn found(path: &str) -> Result<String> {
    match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Ok(granted(path)?.display().to_string()),
    }
}

async fn with_child<T>(spec: Spec, body: impl AsyncFnOnce(&Nursery, Portal) -> Result<T>) -> Result<T> {
    nursery(async |nursery| {
        let child = nursery.start_actor(spec).await?;
        let value = body(&nursery, child.clone()).await?;
        child.cancel_actor("asked").await?;
        Ok(value)
    })
    .await
}

async fn flood(child: &Portal, path: &str, each: usize) -> Result<(usize, String)> {
    let names = (0..each).map(|n| n.to_string());
    let context = names.fold(child.context("hold").args("0"), |context, name| {
        context.grant(Directory::new(path, name))
    });
    let deeper = async |ctx: Context<(), (), String>, _: String| {
        let all = Box::pin(flood(child, path, each)).await?;
        ctx.stream(async |_| Ok(all)).await
    };
    match context.open(deeper).await {
        Ok((contexts, why)) => Ok((contexts + 1, why)),
        Err(error) if matches!(error.kind(), steading_guest::ErrorKind::Limit(_)) => Ok((0, error.to_string())),
        Err(error) => Err(error),
    }
}

fn read(root: &Path) -> Result<String> {
    Ok(fs::read_to_string(root.join(NOTE))?)
}

fn show<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "it worked".to_owned(),
        Err(error) => error.kind().to_string(),
    }
}

fn main() {}
