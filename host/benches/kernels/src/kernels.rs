//! What is measured, as plain Rust: compiled for the machine into the bench, and for wasm into the component.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Instant;

/// Words of the memory that is walked and copied: 16 MiB, more than the caches nearest to a core hold.
const WORDS: usize = 2 << 20;

thread_local! {
    static MEMORY: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Computes in registers.
pub(crate) fn compute(rounds: u32) -> u64 {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    for i in 0..rounds {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x = x.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(u64::from(i));
    }
    black_box(x)
}

/// Reads words all over the memory, each where the one before it says, and writes them back.
pub(crate) fn walk(steps: u32) -> u64 {
    with_memory(|memory| {
        let mut at = 0;
        for step in 0..steps {
            let word = memory[at];
            memory[at] = word.rotate_left(1) ^ u64::from(step);
            at = (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 43) as usize % WORDS;
        }
        black_box(at as u64)
    })
}

/// Copies half of the memory to the other half.
pub(crate) fn copy(rounds: u32) -> u64 {
    with_memory(|memory| {
        for round in 0..rounds {
            memory[0] = u64::from(round);
            memory.copy_within(..WORDS / 2, WORDS / 2);
            black_box(&mut *memory);
        }
        black_box(memory[WORDS / 2])
    })
}

/// Asks for the time, which whoever runs this has to be asked for.
pub(crate) fn ask(times: u32) -> u64 {
    let begun = Instant::now();
    let mut sum = 0;
    for _ in 0..times {
        sum += black_box(Instant::now()).duration_since(begun).subsec_nanos() as u64;
    }
    black_box(sum)
}

fn with_memory<T>(kernel: impl FnOnce(&mut [u64]) -> T) -> T {
    MEMORY.with_borrow_mut(|memory| {
        if memory.is_empty() {
            memory.extend((0..WORDS as u64).map(|word| word.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        }
        kernel(memory)
    })
}
