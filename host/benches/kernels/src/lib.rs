//! The kernels as a component that knows nothing of steading, so that a bare engine runs the same one.

mod kernels;

mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
    wit_bindgen::generate!({ path: "wit" });
    use super::Kernels;
    export!(Kernels);
}

struct Kernels;

impl bindings::Guest for Kernels {
    fn compute(rounds: u32) -> u64 {
        kernels::compute(rounds)
    }

    fn walk(steps: u32) -> u64 {
        kernels::walk(steps)
    }

    fn copy(rounds: u32) -> u64 {
        kernels::copy(rounds)
    }

    fn ask(times: u32) -> u64 {
        kernels::ask(times)
    }
}
