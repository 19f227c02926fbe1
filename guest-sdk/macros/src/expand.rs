//! From endpoints to code: the functions as they are, then the description, the dispatch and the export.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};

use syn::ext::IdentExt;

use crate::parse::{Actor, ContextTypes, Endpoint, spell};

pub(crate) fn actor(actor: &Actor) -> TokenStream {
    let Actor { item, docs, endpoints } = actor;
    let ty = &item.self_ty;
    let infos = endpoints.iter().map(info);
    let arms = endpoints.iter().enumerate().map(|(index, endpoint)| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let run = run(endpoint);
        quote!(#index => ::std::boxed::Box::pin(#run))
    });
    let signatures = endpoints
        .iter()
        .map(|endpoint| spelled_out(signature(endpoint), &quote!(#ty)));
    quote! {
        #item

        impl #ty {
            #(#signatures)*
        }

        const _: () = {
            use ::steading_guest::__private as steading;

            impl steading::Endpoints for #ty {
                fn describe() -> steading::Description {
                    steading::Description {
                        sdk: steading::SDK.to_owned(),
                        docs: #docs.to_owned(),
                        endpoints: ::std::vec![#(#infos),*],
                    }
                }

                fn run(
                    invocation: steading::Invocation,
                ) -> ::std::pin::Pin<::std::boxed::Box<dyn ::std::future::Future<Output = ()>>> {
                    match invocation.endpoint() {
                        #(#arms,)*
                        _ => ::std::boxed::Box::pin(steading::unknown(invocation)),
                    }
                }
            }

            struct Component;

            impl steading::bindings::Guest for Component {
                fn describe() -> steading::bindings::Description {
                    steading::description(<#ty as steading::Endpoints>::describe())
                }

                fn turn(now: u64, events: ::std::vec::Vec<steading::bindings::Event>) -> bool {
                    steading::turn::<#ty>(now, events)
                }

                fn turn_on_data(now: u64, context: u32, batch: ::std::vec::Vec<u8>) -> bool {
                    steading::turn_on_data(now, context, batch)
                }
            }

            steading::export!(Component with_types_in ::steading_guest::__private::bindings);
        };
    }
}

fn info(endpoint: &Endpoint) -> TokenStream {
    let Endpoint {
        name,
        docs,
        context,
        parameters,
        returns,
        ..
    } = endpoint;
    let name = name.unraw().to_string();
    let kind = if context.is_some() {
        quote!(Context)
    } else {
        quote!(Plain)
    };
    let (sends, receives, started) = match context {
        Some(types) => (spell(&types.sends), spell(&types.receives), spell(&types.started)),
        None => Default::default(),
    };
    let (value, error) = (spell(&returns.value), returns.error.as_deref().unwrap_or(""));
    let schema = schema(endpoint);
    let parameters = parameters.iter().map(|parameter| {
        let (name, ty) = (&parameter.name, spell(&parameter.ty));
        quote!(steading::Parameter { name: #name.to_owned(), type_name: #ty.to_owned() })
    });
    quote! {
        steading::EndpointInfo {
            name: #name.to_owned(),
            docs: #docs.to_owned(),
            kind: steading::EndpointKind::#kind,
            parameters: ::std::vec![#(#parameters),*],
            started: #started.to_owned(),
            sends: #sends.to_owned(),
            receives: #receives.to_owned(),
            returns: #value.to_owned(),
            error: #error.to_owned(),
            schema: #schema,
        }
    }
}

/// What the payloads look like, as far as their types say so.
fn schema(endpoint: &Endpoint) -> TokenStream {
    let shape = |ty: &dyn ToTokens| quote!((&steading::Probe::<#ty>::OF).shape());
    let (args, returns) = (shape(&arguments(endpoint)), shape(&endpoint.returns.value));
    let context = match &endpoint.context {
        Some(types) => {
            let parts = [&types.started, &types.sends, &types.receives].map(|ty| shape(ty));
            quote!(::std::option::Option::Some([#(#parts),*]))
        }
        None => quote!(::std::option::Option::None),
    };
    quote!({
        #[allow(unused_imports)]
        use steading::{Known, Unknown};
        steading::endpoint_schema(#args, #returns, #context)
    })
}

/// The endpoint's name and types, for callers within this crate.
fn signature(endpoint: &Endpoint) -> TokenStream {
    let visibility = &endpoint.visibility;
    let name = endpoint.name.unraw().to_string();
    let constant = format_ident!("{}", name.to_uppercase(), span = endpoint.name.span());
    let (args, returns) = (arguments(endpoint), &endpoint.returns.value);
    let context = match &endpoint.context {
        Some(types) => {
            let ContextTypes {
                sends,
                receives,
                started,
            } = types;
            quote!(::steading_guest::Context<#sends, #receives, #started>)
        }
        None => quote!(()),
    };
    let types = quote!(<#args, #returns, #context>);
    let schema = schema(endpoint);
    let docs = format!("What callers of `{name}` have to know of it.");
    quote! {
        #[doc = #docs]
        #[allow(dead_code, private_interfaces, unreachable_pub)]
        #visibility const #constant: ::steading_guest::SignatureRef #types = {
            use ::steading_guest::__private as steading;
            static KEPT: steading::Signature #types = steading::Signature::described(#name, || #schema);
            steading::SignatureRef::new(|| &KEPT)
        };
    }
}

/// The same tokens where `Self` and `'_` cannot be said: in a static.
fn spelled_out(tokens: TokenStream, actor: &TokenStream) -> TokenStream {
    let mut after_quote = false;
    let tokens = tokens.into_iter().flat_map(|token| {
        let in_lifetime = std::mem::replace(
            &mut after_quote,
            matches!(&token, TokenTree::Punct(p) if p.as_char() == '\''),
        );
        match token {
            TokenTree::Ident(name) if name == "_" && in_lifetime => quote!(static),
            TokenTree::Ident(name) if name == "Self" => actor.clone(),
            TokenTree::Group(group) => {
                let mut inside = Group::new(group.delimiter(), spelled_out(group.stream(), actor));
                inside.set_span(group.span());
                TokenTree::from(inside).into()
            }
            other => other.into(),
        }
    });
    tokens.collect()
}

/// The type of the arguments: nothing for none, the value itself for one, a tuple for several.
fn arguments(endpoint: &Endpoint) -> TokenStream {
    let types: Vec<_> = endpoint.parameters.iter().map(|parameter| &parameter.ty).collect();
    match &types[..] {
        [] => quote!(()),
        [ty] => quote!(#ty),
        _ => quote!((#(#types),*)),
    }
}

/// The future of one invocation.
fn run(endpoint: &Endpoint) -> TokenStream {
    let name = &endpoint.name;
    let spelled = name.unraw().to_string();
    let names: Vec<_> = (0..endpoint.parameters.len())
        .map(|index| format_ident!("arg{index}"))
        .collect();
    let ty = arguments(endpoint);
    let pattern = match &names[..] {
        [] => quote!(()),
        [name] => quote!(#name),
        _ => quote!((#(#names),*)),
    };
    let context = endpoint.context.is_some();
    let call = match context {
        true => quote!(Self::#name(context, #(#names),*).await),
        false => quote!(Self::#name(#(#names),*).await),
    };
    let result = match endpoint.returns.error.is_some() {
        true => quote! {
            match #call {
                ::std::result::Result::Ok(value) => ::std::result::Result::Ok(value),
                ::std::result::Result::Err(error) => {
                    #[allow(unused_imports)]
                    use steading::{OwnError, PlainError, PrintableError, TypedError};
                    ::std::result::Result::Err((&&&&steading::Tag::of(&error)).convert(error))
                }
            }
        },
        false => quote!(::std::result::Result::Ok(#call)),
    };
    match context {
        true => {
            quote!(steading::with_context(invocation.named(#spelled), |context, #pattern: #ty| async move { #result }))
        }
        false => quote!(steading::plain(invocation.named(#spelled), |#pattern: #ty| async move { #result })),
    }
}
