//! `#[derive(Schema)]`: from a type and serde's attributes to what serde will make of its values.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, FieldsNamed, Result, Type, parse_quote};

use crate::attributes::Attributes;
use crate::case::Case;

/// The implementation; `library` is the crate in which the user has found the macro.
pub(crate) fn derive(library: &TokenStream, input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let attributes = Attributes::of(&input.attrs)?;
    let body = body(&input, &attributes)?;
    let name = &input.ident;
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(__schema::Schema));
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    Ok(quote! {
        const _: () = {
            use #library::schema as __schema;

            #[automatically_derived]
            impl #parameters __schema::Schema for #name #arguments #bounds {
                fn describe(shape: &mut __schema::Shape) {
                    shape.inside::<Self>(|shape| #body);
                }
            }
        };
    })
}

fn body(input: &DeriveInput, attributes: &Attributes) -> Result<TokenStream> {
    if let Some(ty) = attributes.stand_in()? {
        return Ok(quote!(<#ty as __schema::Schema>::describe(shape)));
    }
    if let Some(scalar) = attributes.scalar() {
        return Ok(quote!(shape.#scalar()));
    }
    match &input.data {
        Data::Struct(data) => structure(&data.fields, attributes),
        Data::Enum(data) => enumeration(data, attributes),
        Data::Union(data) => Err(Error::new(
            data.union_token.span,
            "a union cannot be sent, and has no schema",
        )),
    }
}

fn structure(fields: &Fields, attributes: &Attributes) -> Result<TokenStream> {
    if attributes.has("transparent") {
        return wrapped(fields);
    }
    match fields {
        Fields::Unit => Ok(quote!(shape.unit())),
        Fields::Named(fields) => {
            let mut fields = record(fields, attributes.case("rename_all"), attributes.has("default"))?;
            if let Some(tag) = attributes.text("tag") {
                fields.push(quote!(__schema::Field::new(#tag, <str as __schema::Schema>::describe)));
            }
            Ok(quote!(shape.record(&[#(#fields),*])))
        }
        Fields::Unnamed(unnamed) => {
            let items = items(fields)?;
            Ok(match (unnamed.unnamed.len(), &items[..]) {
                // A newtype is what it wraps.
                (1, [item]) => quote!((#item)(shape)),
                _ => quote!(shape.tuple(&[#(#items),*])),
            })
        }
    }
}

/// The one field that is not there for the compiler only.
fn wrapped(fields: &Fields) -> Result<TokenStream> {
    for field in fields {
        let attributes = Attributes::of(&field.attrs)?;
        if !attributes.is_skipped() && !is_phantom(&field.ty) {
            let describe = describe(&field.ty, &attributes)?;
            return Ok(quote!((#describe)(shape)));
        }
    }
    Ok(quote!(shape.unit()))
}

fn is_phantom(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "PhantomData"))
}

fn enumeration(data: &DataEnum, attributes: &Attributes) -> Result<TokenStream> {
    let tagging = match (attributes.text("tag"), attributes.text("content")) {
        _ if attributes.has("untagged") => quote!(Untagged),
        (Some(tag), Some(content)) => quote!(Adjacent(#tag, #content)),
        (Some(tag), None) => quote!(Internal(#tag)),
        (None, _) => quote!(External),
    };
    let case = attributes.case("rename_all");
    let field_case = attributes.case("rename_all_fields");
    let mut variants = Vec::new();
    for variant in &data.variants {
        let own = Attributes::of(&variant.attrs)?;
        if own.has("untagged") {
            // One that is known by its content alone may look like anything.
            return Ok(quote!(shape.any()));
        }
        if own.is_skipped() {
            continue;
        }
        let name = variant.ident.unraw().to_string();
        let name = own
            .text("rename")
            .unwrap_or_else(|| case.map_or(name.clone(), |case| case.variant(&name)));
        let content = content(&variant.fields, &own, own.case("rename_all").or(field_case))?;
        variants.push(quote!(__schema::Variant { name: #name, content: __schema::Content::#content }));
    }
    Ok(quote!(shape.variants(__schema::Tagging::#tagging, &[#(#variants),*])))
}

fn content(fields: &Fields, attributes: &Attributes, case: Option<Case>) -> Result<TokenStream> {
    if let Some(scalar) = attributes.scalar() {
        return Ok(quote!(One(__schema::Shape::#scalar)));
    }
    match fields {
        Fields::Unit => Ok(quote!(Unit)),
        Fields::Named(fields) => {
            let fields = record(fields, case, false)?;
            Ok(quote!(Record(&[#(#fields),*])))
        }
        Fields::Unnamed(unnamed) => {
            let items = items(fields)?;
            Ok(match (unnamed.unnamed.len(), &items[..]) {
                (1, [item]) => quote!(One(#item)),
                _ => quote!(Tuple(&[#(#items),*])),
            })
        }
    }
}

/// The fields of a record, those that cross.
fn record(fields: &FieldsNamed, case: Option<Case>, all_optional: bool) -> Result<Vec<TokenStream>> {
    let mut record = Vec::new();
    for field in &fields.named {
        let attributes = Attributes::of(&field.attrs)?;
        if attributes.is_skipped() {
            continue;
        }
        let name = field
            .ident
            .as_ref()
            .map(|name| name.unraw().to_string())
            .unwrap_or_default();
        let name = attributes
            .text("rename")
            .unwrap_or_else(|| case.map_or(name.clone(), |case| case.field(&name)));
        let kind = match () {
            () if attributes.has("flatten") => quote!(flattened),
            () if all_optional || attributes.is_optional() => quote!(optional),
            () => quote!(new),
        };
        let describe = describe(&field.ty, &attributes)?;
        record.push(quote!(__schema::Field::#kind(#name, #describe)));
    }
    Ok(record)
}

/// The values of a tuple, those that cross.
fn items(fields: &Fields) -> Result<Vec<TokenStream>> {
    let mut items = Vec::new();
    for field in fields {
        let attributes = Attributes::of(&field.attrs)?;
        if !attributes.is_skipped() {
            items.push(describe(&field.ty, &attributes)?);
        }
    }
    Ok(items)
}

/// The function that describes a part.
fn describe(ty: &Type, attributes: &Attributes) -> Result<TokenStream> {
    let stand_in = attributes.stand_in()?;
    if let (None, Some(scalar)) = (&stand_in, attributes.scalar()) {
        return Ok(quote!(__schema::Shape::#scalar));
    }
    let ty = stand_in.as_ref().unwrap_or(ty);
    // The error for a type without a schema is to point at it.
    Ok(quote_spanned!(ty.span()=> <#ty as __schema::Schema>::describe))
}
