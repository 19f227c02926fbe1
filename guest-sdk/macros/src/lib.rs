//! The `#[actor]` attribute, which makes every function of an `impl` block an endpoint and exports the
//! component, and `#[derive(Schema)]`.
//!
//! `parse.rs` reads the functions and says what is wrong with them in terms of actors; `expand.rs`
//! writes the description, the dispatch and the export. `schema.rs` writes what a type looks like on the
//! wire, by serde's attributes (`attributes.rs`, `case.rs`). Nothing here knows how endpoints run or what
//! a schema is for: that is in steading-actor.

mod attributes;
mod case;
mod expand;
mod parse;
mod schema;

use proc_macro::TokenStream;
use quote::quote;

/// Makes an actor of an `impl` block.
///
/// Every function in it is an endpoint: `async`, without `self`, without generics. If its first
/// parameter is a `Context`, callers open a context to it; otherwise they call it. Functions that return
/// a `Result` can fail. `Actor::SCAN` is the `Signature` of `Actor::scan`: by it, callers open contexts
/// with the right types. Doc comments are shown by `steading inspect`. Helpers belong outside the block.
#[proc_macro_attribute]
pub fn actor(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = parse::actor(attribute.into(), item.into()).map(|actor| expand::actor(&actor));
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Says what the values of a type look like on the wire, as serde writes them: names, `rename`,
/// `rename_all`, `default`, `skip`, `flatten`, tags, `transparent`, `from` and `into` are honoured; what is
/// written `with` somebody's function is `any`, but for `serde_bytes`. `#[schema(any)]`, `#[schema(bytes)]`
/// and `#[schema(like = "Type")]` are for fields whose type has no schema.
#[proc_macro_derive(SchemaOfActor, attributes(schema))]
pub fn schema_of_actor(input: TokenStream) -> TokenStream {
    derive(&quote!(::steading_actor), input)
}

/// As for `steading_actor`, where only `steading_guest` is known.
#[proc_macro_derive(SchemaOfGuest, attributes(schema))]
pub fn schema_of_guest(input: TokenStream) -> TokenStream {
    derive(&quote!(::steading_guest), input)
}

/// As for `steading_actor`, where only `steading` is known.
#[proc_macro_derive(SchemaOfHost, attributes(schema))]
pub fn schema_of_host(input: TokenStream) -> TokenStream {
    derive(&quote!(::steading), input)
}

fn derive(library: &proc_macro2::TokenStream, input: TokenStream) -> TokenStream {
    schema::derive(library, input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
