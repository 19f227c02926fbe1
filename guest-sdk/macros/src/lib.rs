//! The `#[actor]` attribute: makes every function of an `impl` block an endpoint and exports the
//! component.
//!
//! `parse.rs` reads the functions and says what is wrong with them in terms of actors; `expand.rs`
//! writes the description, the dispatch and the export. Nothing here knows how endpoints run: that is
//! in steading-actor.

mod expand;
mod parse;

use proc_macro::TokenStream;

/// Makes an actor of an `impl` block.
///
/// Every function in it is an endpoint: `async`, without `self`, without generics. If its first
/// parameter is a `Context`, callers open a context to it; otherwise they call it. Functions that return
/// a `Result` can fail. Doc comments are shown by `steading inspect`. Helpers belong outside the block.
#[proc_macro_attribute]
pub fn actor(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = parse::actor(attribute.into(), item.into()).map(|actor| expand::actor(&actor));
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
