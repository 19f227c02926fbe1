//! Every bound this backend puts on a guest, with its reason. Nothing else here invents a number.

use std::time::Duration;

/// Bytes of linear memory over all memories of an instance, unless its spec says otherwise.
pub(crate) const MEMORY: usize = 64 << 20;
/// What no spec can exceed; also what a slot of the pool can hold.
pub(crate) const MEMORY_MAX: usize = 256 << 20;
/// Bytes of linear memory of a guest that the embedder started and all below it, unless its spec or the host
/// says otherwise.
pub(crate) const BUDGET_MEMORY: u64 = 256 << 20;
/// Actors of such a guest, itself included.
pub(crate) const BUDGET_ACTORS: u32 = 1_000;
/// Table elements over all tables: Rust guests need a few hundred, one per indirectly called function.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// Memories of an instance; toolchains make one.
pub(crate) const MEMORIES: usize = 4;
/// Tables of an instance; a component adds one for its lowered imports to those of its modules.
pub(crate) const TABLES: usize = 16;
/// Core instances of an instance; `wit-component` makes three or four of one module.
pub(crate) const CORE_INSTANCES: usize = 32;

/// Stack of the guest's own frames.
pub(crate) const WASM_STACK: usize = 256 << 10;
/// The whole stack a turn runs on: the guest's part and 768 KiB for host functions beneath it.
pub(crate) const TURN_STACK: usize = 1 << 20;

/// How often a running guest is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// How long a guest runs before other tasks of its worker get a chance.
pub(crate) const SLICE: Duration = Duration::from_millis(5);
/// Processor time of one turn that never waits for the host.
pub(crate) const TURN: Duration = Duration::from_secs(1);
/// Ticks without any turn after which the ticker sleeps until the next one.
pub(crate) const IDLE_TICKS: u32 = 100;

/// Largest payload by default; counts into what one host call may copy.
pub(crate) const PAYLOAD: usize = steading_types::PAYLOAD;
/// What a host call may copy out of a guest besides a payload.
pub(crate) const HOSTCALL: usize = 1 << 20;
/// Handles a guest may hold in its own tables.
pub(crate) const COMPONENT_HANDLES: usize = 4096;
/// Open WASI resources (files, streams, pollables).
pub(crate) const RESOURCES: usize = 1024;
/// Directories that are being read: each has 8 KiB of names on the host's side, and is a descriptor of the process.
/// A walk needs one for each level it is deep.
pub(crate) const LISTINGS: usize = 64;
/// Random bytes per call.
pub(crate) const RANDOM: u64 = 64 << 10;
/// Operations on contexts, streams and nurseries in one turn. What they leave is performed, and what they bring
/// is told, when the turn is over: until then it takes the host's memory. A turn of the library polls 1024 tasks.
pub(crate) const CALLS: u32 = 1 << 16;
/// Bytes of arguments in all calls that a turn opens: until it is over, the host holds them.
pub(crate) const OPENED: usize = 64 << 20;
/// Directories that a guest hands on to one child: each is a descriptor of the whole process.
pub(crate) const DIRECTORIES: usize = 16;
/// Longest line of a guest's standard output; the rest of it starts a new one.
pub(crate) const LINE: usize = 8 << 10;

/// Frames of a guest's backtrace.
pub(crate) const BACKTRACE_FRAMES: usize = 16;
/// Values in the arguments or the result of a foreign function: each takes tens of bytes on the host's side.
pub(crate) const VALUES: usize = 1 << 18;
/// Bytes of the host's memory that the arguments of one foreign call may take as values.
pub(crate) const LOWERED: usize = 32 << 20;
/// The same for what a foreign function returns: so many that a list may have as many numbers as there may be values.
/// Where types are so heavy that [`LEAST_FUEL`] is more, it is at most half as much again.
pub(crate) const LIFTED: usize = VALUES * 2 * size_of::<wasmtime::component::Val>();
/// What a guest may hand to its host at once, whatever its functions return: a payload, and something to say of it.
pub(crate) const LEAST_FUEL: usize = PAYLOAD + (64 << 10);
/// Bytes that the types of a foreign component's functions may take, a hundred for each field, case and flag: a large
/// interface has a thousand of these.
pub(crate) const TYPES: usize = 2 << 20;
/// Bytes of a panic message or a backtrace that are kept.
pub(crate) const MESSAGE: usize = 8 << 10;

/// Bytes of a component file.
pub(crate) const FILE: u64 = 16 << 20;
/// Functions in all modules of a component.
pub(crate) const FUNCTIONS: u32 = 50_000;
/// Locals of a function: register allocation is worse than linear in them.
pub(crate) const LOCALS: u32 = 2_000;
/// Depth of nested loops in a function, for the same reason.
pub(crate) const LOOP_NEST: u32 = 64;
/// Processor time that a component may take to compile in a child process, over all its threads. Guests of half a
/// megabyte take a second of it where Cranelift checks itself as it does in development, and those of three
/// megabytes eight.
pub(crate) const COMPILE_TIME: Duration = Duration::from_secs(10);
/// How many times as long it may take by the clock, where it has to share its processor with others.
pub(crate) const COMPILE_PATIENCE: u32 = 6;
/// Bytes of address space of that process, its own program included: with four threads, a guest of 3 MiB takes
/// 310 MiB of it, of which 250 are there for the smallest.
pub(crate) const COMPILE_MEMORY: u64 = 1 << 30;
/// Bytes of compiled code: Cranelift makes three of one, and a component has at most [`FILE`].
pub(crate) const COMPILED: u64 = 256 << 20;
/// Threads that compile one component; each takes a part of the address space.
pub(crate) const COMPILE_THREADS: usize = 4;
/// Descriptors of that process: three it is given, and what its runtime looks into.
pub(crate) const COMPILE_FILES: u64 = 32;
/// Loads that wait for another component to be compiled; each holds its own in memory.
pub(crate) const COMPILES_WAITING: usize = 32;
/// How long `describe` may take by the clock, waits included; of the processor it has what a turn has. So much, that
/// on a machine that is busy one that spins is told from one that waits.
pub(crate) const DESCRIBE_TIME: Duration = Duration::from_secs(10);
/// What `describe` may use.
pub(crate) const DESCRIBE_MEMORY: usize = 16 << 20;

/// Actors the pool has room for, if the machine has enough mappings.
pub(crate) const ACTORS: u32 = 10_000;
/// What a guest that waits takes of the machine's memory, all told: 94 KiB of a Rust guest are pages of its own,
/// and beside them are tables of pages and what the host keeps of it.
pub(crate) const ACTOR_MEMORY: u64 = 128 << 10;
/// Components that can be asked what they offer at the same time, beside as many actors as there may be.
pub(crate) const DESCRIBED_AT_ONCE: u32 = 8;
/// What a slot of a dense pool can hold, and so what no spec can exceed there.
pub(crate) const DENSE_MEMORY: usize = 64 << 20;
/// Between the slots of a dense pool: one that reads past its end by less needs no check of its own.
pub(crate) const DENSE_GUARD: u64 = 64 << 10;
/// Slots of a dense pool kept warm after use.
pub(crate) const DENSE_WARM_SLOTS: u32 = 16;
/// Mappings left to the rest of the process.
pub(crate) const MAPS_RESERVED: u32 = 4_096;
/// Slots kept warm after use, so that starting an actor seldom asks the kernel for anything.
pub(crate) const WARM_SLOTS: u32 = 256;
/// Bytes of a memory that are cleared by hand after use instead of given back to the kernel, where it
/// can say which pages were touched (Linux 6.7): starting an actor takes 18 µs then, and 35 without.
/// Where it cannot, none are: the lowest pages of a Rust guest are its untouched stack, and clearing
/// them makes the kernel provide them first (47 µs, and 600 for a slot that was not warm).
pub(crate) const MEMORY_KEEP_RESIDENT: usize = 256 << 10;
/// Bytes of a table that are cleared by hand.
pub(crate) const TABLE_KEEP_RESIDENT: usize = 16 << 10;
/// Bytes of compiled code the cache keeps on disk; the oldest go first.
pub(crate) const CACHE: u64 = 1 << 30;
/// How long it is remembered that a component was given too little of a processor to be compiled in time.
pub(crate) const BUSY: Duration = Duration::from_secs(60);
/// Components of which the cache remembers that they are refused, a kilobyte each at most; the oldest go first.
pub(crate) const REFUSALS: usize = 4096;
