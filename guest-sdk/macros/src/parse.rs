//! From an `impl` block to endpoints, or to an error at the right place.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, ImplItem, ImplItemFn, ItemImpl, Lit, Meta, Pat, PathArguments,
    PathSegment, Result, ReturnType, Type,
};

/// A parsed `impl` block.
pub(crate) struct Actor {
    pub(crate) item: ItemImpl,
    pub(crate) docs: String,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// One function.
pub(crate) struct Endpoint {
    pub(crate) visibility: syn::Visibility,
    pub(crate) name: syn::Ident,
    pub(crate) docs: String,
    /// The type of its first parameter, if that is a context.
    pub(crate) context: Option<ContextTypes>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
}

/// The type parameters of a context.
pub(crate) struct ContextTypes {
    pub(crate) sends: Type,
    pub(crate) receives: Type,
    pub(crate) started: Type,
}

pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) ty: Type,
}

/// What a function returns.
pub(crate) struct Returns {
    pub(crate) value: Type,
    /// The type of its error; `None` if it cannot fail.
    pub(crate) error: Option<String>,
}

pub(crate) fn actor(attribute: TokenStream, item: TokenStream) -> Result<Actor> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(attribute, "`actor` takes no arguments"));
    }
    let item: ItemImpl = syn::parse2(item).map_err(|e| {
        Error::new(
            e.span(),
            "`actor` goes on an `impl` block, whose functions are the endpoints",
        )
    })?;
    if let Some((_, path, _)) = &item.trait_ {
        return Err(Error::new_spanned(
            path,
            "`actor` goes on an `impl` block without a trait",
        ));
    }
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &item.generics,
            "an actor cannot have generics: its endpoints are named from afar",
        ));
    }
    let endpoints = item.items.iter().map(endpoint).collect::<Result<Vec<_>>>()?;
    Ok(Actor {
        docs: docs(&item.attrs),
        item,
        endpoints,
    })
}

fn endpoint(item: &ImplItem) -> Result<Endpoint> {
    let ImplItem::Fn(function) = item else {
        return Err(Error::new_spanned(
            item,
            "only endpoints go in here: move this out of the `impl` block",
        ));
    };
    check(function)?;
    let mut parameters = function.sig.inputs.iter().map(parameter).collect::<Result<Vec<_>>>()?;
    let context = match parameters.first().and_then(|first| context(&first.ty)) {
        Some(context) => {
            parameters.remove(0);
            Some(context)
        }
        None => None,
    };
    if let Some(late) = parameters
        .iter()
        .find(|parameter| self::context(&parameter.ty).is_some())
    {
        let message = "the context comes first: make it the first parameter, the arguments follow";
        return Err(Error::new_spanned(&late.ty, message));
    }
    Ok(Endpoint {
        visibility: function.vis.clone(),
        name: function.sig.ident.clone(),
        docs: docs(&function.attrs),
        context,
        parameters,
        returns: returns(&function.sig.output),
    })
}

fn check(function: &ImplItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        let message = "an endpoint has no `self`: what tasks share goes into a `thread_local!` or `static`";
        return Err(Error::new_spanned(receiver, message));
    }
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span(),
            "an endpoint is an `async fn`; move helpers out of the block",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "an endpoint cannot have generics: its types are on the wire",
        ));
    }
    Ok(())
}

fn parameter(argument: &FnArg) -> Result<Parameter> {
    let FnArg::Typed(argument) = argument else {
        return Err(Error::new_spanned(argument, "an endpoint has no `self`"));
    };
    if let Type::Reference(reference) = &*argument.ty {
        return Err(Error::new_spanned(
            reference,
            "arguments come from another actor: take them by value",
        ));
    }
    if let Type::ImplTrait(ty) = &*argument.ty {
        return Err(Error::new_spanned(
            ty,
            "an endpoint cannot have generics: its types are on the wire",
        ));
    }
    let name = match &*argument.pat {
        Pat::Ident(name) => name.ident.to_string(),
        _ => "_".to_owned(),
    };
    Ok(Parameter {
        name: name.trim_start_matches('_').to_owned(),
        ty: (*argument.ty).clone(),
    })
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn type_arguments(segment: &PathSegment) -> Vec<Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    types.collect()
}

fn unit() -> Type {
    syn::parse_quote!(())
}

fn context(ty: &Type) -> Option<ContextTypes> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Context")?;
    let mut types = type_arguments(segment).into_iter();
    let mut next = || types.next().unwrap_or_else(unit);
    Some(ContextTypes {
        sends: next(),
        receives: next(),
        started: next(),
    })
}

fn returns(output: &ReturnType) -> Returns {
    let ReturnType::Type(_, ty) = output else {
        return Returns {
            value: unit(),
            error: None,
        };
    };
    match last_segment(ty).filter(|segment| segment.ident == "Result") {
        Some(segment) => {
            let mut types = type_arguments(segment).into_iter();
            Returns {
                value: types.next().unwrap_or_else(unit),
                error: Some(types.next().map_or_else(|| "Error".to_owned(), |ty| spell(&ty))),
            }
        }
        None => Returns {
            value: (**ty).clone(),
            error: None,
        },
    }
}

/// A type as one would write it: tokens are printed with spaces between them.
pub(crate) fn spell(ty: &Type) -> String {
    let mut text = quote::quote!(#ty).to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("< ", "<"),
        (" ,", ","),
        ("& ", "&"),
        (" ;", ";"),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}

fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.map(|line| line.trim().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn refusal(item: TokenStream) -> String {
        actor(TokenStream::new(), item)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_an_endpoint_is_refused_in_terms_of_actors() {
        let cases = [
            (
                quote!(
                    struct A;
                ),
                "`actor` goes on an `impl` block, whose functions are the endpoints",
            ),
            (
                quote!(impl T for A {}),
                "`actor` goes on an `impl` block without a trait",
            ),
            (
                quote!(
                    impl<T> A<T> {}
                ),
                "an actor cannot have generics: its endpoints are named from afar",
            ),
            (
                quote!(impl A { const N: u8 = 1; }),
                "only endpoints go in here: move this out of the `impl` block",
            ),
            (
                quote!(impl A { fn f() {} }),
                "an endpoint is an `async fn`; move helpers out of the block",
            ),
            (
                quote!(impl A { async fn f(&self) {} }),
                "an endpoint has no `self`: what tasks share goes into a `thread_local!` or `static`",
            ),
            (
                quote!(impl A { async fn f(n: u8, ctx: Context<u8, u8>) {} }),
                "the context comes first: make it the first parameter, the arguments follow",
            ),
            (
                quote!(impl A { async fn f<T>(t: T) {} }),
                "an endpoint cannot have generics: its types are on the wire",
            ),
            (
                quote!(impl A { async fn f(t: impl Send) {} }),
                "an endpoint cannot have generics: its types are on the wire",
            ),
            (
                quote!(impl A { async fn f(t: &str) {} }),
                "arguments come from another actor: take them by value",
            ),
        ];
        for (item, message) in cases {
            assert_eq!(refusal(item), message);
        }
    }

    #[test]
    fn types_are_read_as_they_are_written() {
        let item = quote! {
            impl A {
                /// Scans.
                pub async fn scan(ctx: sdk::Context<Hit, Vec<(u8, String)>>, pattern: Option<String>) -> Result<u32, Bad> {}
            }
        };
        let parsed = actor(TokenStream::new(), item).expect("a good actor");
        let endpoint = &parsed.endpoints[0];
        let context = endpoint.context.as_ref().expect("it has a context");
        assert_eq!(endpoint.docs, "Scans.");
        assert_eq!(
            [&context.sends, &context.receives, &context.started].map(spell),
            ["Hit", "Vec<(u8, String)>", "()"]
        );
        assert_eq!(spell(&endpoint.parameters[0].ty), "Option<String>");
        assert_eq!(
            (
                spell(&endpoint.returns.value).as_str(),
                endpoint.returns.error.as_deref()
            ),
            ("u32", Some("Bad"))
        );
    }
}
