//! What the hostile guests share: WASI as it is underneath the standard library, which would check what they ask.
//!
//! Only what they call is written down; an import may be a part of an interface.

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, rust_2018_idioms)]
mod bindings {
    steading_guest::__private::wit_bindgen::generate!({
        inline: r#"
            package test:guests;

            world wasi-underneath {
                import wasi:io/poll@0.2.3;
                import wasi:io/streams@0.2.3;
                import wasi:cli/stdout@0.2.3;
                import wasi:clocks/monotonic-clock@0.2.3;
                import wasi:random/random@0.2.3;
                import wasi:filesystem/types@0.2.3;
                import wasi:filesystem/preopens@0.2.3;
            }

            package wasi:io@0.2.3 {
                interface poll {
                    resource pollable;
                    poll: func(%in: list<borrow<pollable>>) -> list<u32>;
                }
                interface error { resource error; }
                interface streams {
                    use error.{error};
                    variant stream-error { last-operation-failed(error), closed }
                    resource output-stream {
                        check-write: func() -> result<u64, stream-error>;
                        write: func(contents: list<u8>) -> result<_, stream-error>;
                        write-zeroes: func(len: u64) -> result<_, stream-error>;
                        blocking-flush: func() -> result<_, stream-error>;
                    }
                }
            }

            package wasi:cli@0.2.3 {
                interface stdout {
                    use wasi:io/streams@0.2.3.{output-stream};
                    get-stdout: func() -> output-stream;
                }
            }

            package wasi:clocks@0.2.3 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.3.{pollable};
                    type instant = u64;
                    type duration = u64;
                    now: func() -> instant;
                    subscribe-duration: func(when: duration) -> pollable;
                }
                interface wall-clock {
                    record datetime { seconds: u64, nanoseconds: u32 }
                }
            }

            package wasi:random@0.2.3 {
                interface random { get-random-bytes: func(len: u64) -> list<u8>; }
            }

            package wasi:filesystem@0.2.3 {
                interface types {
                    use wasi:clocks/wall-clock@0.2.3.{datetime};
                    use wasi:io/error@0.2.3.{error};
                    use wasi:io/streams@0.2.3.{output-stream};
                    type filesize = u64;
                    enum descriptor-type {
                        unknown, block-device, character-device, directory, fifo, symbolic-link, regular-file, socket,
                    }
                    flags descriptor-flags {
                        read, write, file-integrity-sync, data-integrity-sync, requested-write-sync, mutate-directory,
                    }
                    flags path-flags { symlink-follow }
                    flags open-flags { create, directory, exclusive, truncate }
                    type link-count = u64;
                    record descriptor-stat {
                        %type: descriptor-type,
                        link-count: link-count,
                        size: filesize,
                        data-access-timestamp: option<datetime>,
                        data-modification-timestamp: option<datetime>,
                        status-change-timestamp: option<datetime>,
                    }
                    variant new-timestamp { no-change, now, timestamp(datetime) }
                    record directory-entry { %type: descriptor-type, name: string }
                    enum error-code {
                        access, would-block, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large,
                        illegal-byte-sequence, in-progress, interrupted, invalid, io, is-directory, loop, too-many-links,
                        message-size, name-too-long, no-device, no-entry, no-lock, insufficient-memory,
                        insufficient-space, not-directory, not-empty, not-recoverable, unsupported, no-tty,
                        no-such-device, overflow, not-permitted, pipe, read-only, invalid-seek, text-file-busy,
                        cross-device,
                    }
                    resource directory-entry-stream {
                        read-directory-entry: func() -> result<option<directory-entry>, error-code>;
                    }
                    resource descriptor {
                        set-size: func(size: filesize) -> result<_, error-code>;
                        set-times: func(data-access-timestamp: new-timestamp, data-modification-timestamp: new-timestamp)
                            -> result<_, error-code>;
                        read: func(length: filesize, offset: filesize) -> result<tuple<list<u8>, bool>, error-code>;
                        write: func(buffer: list<u8>, offset: filesize) -> result<filesize, error-code>;
                        read-directory: func() -> result<directory-entry-stream, error-code>;
                        create-directory-at: func(path: string) -> result<_, error-code>;
                        stat-at: func(path-flags: path-flags, path: string) -> result<descriptor-stat, error-code>;
                        set-times-at: func(path-flags: path-flags, path: string,
                            data-access-timestamp: new-timestamp, data-modification-timestamp: new-timestamp)
                            -> result<_, error-code>;
                        link-at: func(old-path-flags: path-flags, old-path: string, new-descriptor: borrow<descriptor>,
                            new-path: string) -> result<_, error-code>;
                        open-at: func(path-flags: path-flags, path: string, open-flags: open-flags,
                            %flags: descriptor-flags) -> result<descriptor, error-code>;
                        readlink-at: func(path: string) -> result<string, error-code>;
                        remove-directory-at: func(path: string) -> result<_, error-code>;
                        rename-at: func(old-path: string, new-descriptor: borrow<descriptor>, new-path: string)
                            -> result<_, error-code>;
                        symlink-at: func(old-path: string, new-path: string) -> result<_, error-code>;
                        unlink-file-at: func(path: string) -> result<_, error-code>;
                        write-via-stream: func(offset: filesize) -> result<output-stream, error-code>;
                        append-via-stream: func() -> result<output-stream, error-code>;
                    }
                    filesystem-error-code: func(err: borrow<error>) -> option<error-code>;
                }
                interface preopens {
                    use types.{descriptor};
                    get-directories: func() -> list<tuple<descriptor, string>>;
                }
            }
        "#,
        world: "test:guests/wasi-underneath",
        runtime_path: "::steading_guest::__private::wit_bindgen::rt",
        generate_all,
    });
}

pub use bindings::wasi;
