//! The world of `wit/` as Rust: generated, and the only generated code of the host.
//!
//! Two halves, since they want different types. What a guest asks for ([`imports`]) is owned, except
//! the list of `send-batch`, which `imports/stream.rs` reads in place. What it is given
//! ([`exports`]) is borrowed, so that a batch on its way into a guest is copied once: from the
//! sender's buffer into the receiver's memory.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_variables,
    reason = "generated code"
)]
#![allow(clippy::all, elided_lifetimes_in_paths, reason = "generated code")]

pub(super) mod imports {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package steading:host;
            world requests {
                import steading:actor/context@0.1.0;
                import steading:actor/%stream@0.1.0;
                import steading:actor/nursery@0.1.0;
                import steading:actor/log@0.1.0;
                import steading:actor/runtime@0.1.0;
            }
        ",
        world: "steading:host/requests",
        imports: { default: trappable },
    });
    pub(crate) use self::steading::actor::*;
}

pub(super) mod exports {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package steading:host;
            world guest {
                use steading:actor/events@0.1.0.{event, description};
                export describe: func() -> description;
                export turn: func(now: u64, events: list<event>) -> bool;
                export turn-on-data: func(now: u64, context: u32, batch: list<u8>) -> bool;
            }
        ",
        world: "steading:host/guest",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
    pub(crate) use self::steading::actor::*;
}
