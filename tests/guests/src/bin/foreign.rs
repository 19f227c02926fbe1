//! Not an actor: typed exports, and a `main` that prints its arguments.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bindings::exports::test::foreign::handles::{self, GuestThing, Thing};
use bindings::exports::test::foreign::kinds::{self, Access, Color, Point, Shape};
use bindings::exports::test::foreign::trouble;

mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
    wit_bindgen::generate!({ path: "wit" });
    use super::Foreign;
    export!(Foreign);
}

struct Foreign;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    println!("{}", args.join(" "));
    match args.first().map(String::as_str) {
        Some("fail") => ExitCode::FAILURE,
        Some("exit") => std::process::exit(0),
        Some("panic") => panic!("on purpose"),
        _ => ExitCode::SUCCESS,
    }
}

impl kinds::Guest for Foreign {
    fn all_integers(a: i8, b: u8, c: i16, d: u16, e: i32, f: u32, g: i64, h: u64) -> Vec<String> {
        let signed = [i64::from(a), c.into(), e.into(), g].map(|number| number.to_string());
        let unsigned = [u64::from(b), d.into(), f.into(), h].map(|number| number.to_string());
        [signed, unsigned].concat()
    }

    fn same_shape(value: Shape) -> Shape {
        value
    }

    fn same_access(value: Access) -> Access {
        value
    }

    fn same_color(value: Color) -> Color {
        value
    }

    fn same_points(value: Vec<Point>) -> Vec<Point> {
        value
    }

    fn same_result(value: Result<u8, String>) -> (Result<u8, String>, char) {
        (value, 'ß')
    }

    fn same_floats(a: f32, b: f64) -> (f32, f64) {
        (a, b)
    }

    fn same_bytes(value: Vec<u8>) -> Vec<u8> {
        value
    }

    fn fails(shape: Shape) -> Result<(), Shape> {
        Err(shape)
    }
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl trouble::Guest for Foreign {
    fn spin() {
        let mut number = 0u64;
        loop {
            number = std::hint::black_box(number.wrapping_add(1));
        }
    }

    fn panics() {
        panic!("on purpose");
    }

    fn naps(milliseconds: u32) {
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
    }

    fn large(bytes: u32) -> Vec<u8> {
        vec![7; bytes as usize]
    }

    fn grows() {
        let mut all = Vec::new();
        loop {
            all.push(std::hint::black_box(vec![1u8; 1 << 20]));
        }
    }

    fn count() -> u32 {
        COUNT.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn read(path: String) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn print(line: String) {
        println!("{line}");
    }
}

impl handles::Guest for Foreign {
    type Thing = Handle;

    fn make() -> Thing {
        Thing::new(Handle)
    }
}

struct Handle;

impl GuestThing for Handle {
    fn new() -> Self {
        Self
    }
}
