//! From endpoints to code: the functions as they are, then the description, the dispatch and the export.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::parse::{Actor, Endpoint, spell};

pub(crate) fn actor(actor: &Actor) -> TokenStream {
    let Actor { item, docs, endpoints } = actor;
    let ty = &item.self_ty;
    let infos = endpoints.iter().map(info);
    let arms = endpoints.iter().enumerate().map(|(index, endpoint)| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let run = run(endpoint);
        quote!(#index => ::std::boxed::Box::pin(#run))
    });
    quote! {
        #item

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

                fn turn(
                    now: u64,
                    context: u32,
                    batch: ::std::vec::Vec<u8>,
                    events: ::std::vec::Vec<steading::bindings::Event>,
                ) -> bool {
                    steading::turn::<#ty>(now, context, batch, events)
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
    } = endpoint;
    let name = name.to_string();
    let kind = if context.is_some() {
        quote!(Context)
    } else {
        quote!(Plain)
    };
    let (sends, receives, started) = match context {
        Some(types) => (types.sends.as_str(), types.receives.as_str(), types.started.as_str()),
        None => ("", "", ""),
    };
    let (value, error) = (&returns.value, returns.error.as_deref().unwrap_or(""));
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
            schema: 0,
        }
    }
}

/// The future of one invocation.
fn run(endpoint: &Endpoint) -> TokenStream {
    let name = &endpoint.name;
    let spelled = name.to_string();
    let types: Vec<_> = endpoint.parameters.iter().map(|parameter| &parameter.ty).collect();
    let names: Vec<_> = (0..types.len()).map(|index| format_ident!("arg{index}")).collect();
    // Nothing for none, the value itself for one, a tuple for several.
    let (pattern, ty) = match (&names[..], &types[..]) {
        ([], _) => (quote!(()), quote!(())),
        ([name], [ty]) => (quote!(#name), quote!(#ty)),
        _ => (quote!((#(#names),*)), quote!((#(#types),*))),
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
