//! What `#[serde(…)]` and `#[schema(…)]` say about a type, a variant or a field.
//!
//! serde has checked its own already; what has no bearing on the form on the wire is skipped here.

use proc_macro2::Ident;
use quote::format_ident;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, ExprLit, Lit, Meta, Result, Token, Type};

use crate::case::Case;

/// The items of all attributes of one thing.
pub(crate) struct Attributes(Vec<Meta>);

impl Attributes {
    pub(crate) fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut items = Vec::new();
        for attribute in attributes {
            let ours = attribute.path().is_ident("schema");
            if !ours && !attribute.path().is_ident("serde") {
                continue;
            }
            let list = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
            if ours {
                list.iter().try_for_each(check)?;
            }
            items.extend(list);
        }
        Ok(Self(items))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.item(name).is_some()
    }

    fn item(&self, name: &str) -> Option<&Meta> {
        self.0.iter().find(|item| item.path().is_ident(name))
    }

    /// The text of `name = "text"`, or of `name(serialize = "text")`: what is sent is what counts.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.item(name)? {
            Meta::NameValue(item) => literal(&item.value),
            Meta::List(list) => {
                let parts = list
                    .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                    .ok()?;
                let parts = Self(parts.into_iter().collect());
                parts.text("serialize").or_else(|| parts.text("deserialize"))
            }
            Meta::Path(_) => None,
        }
    }

    pub(crate) fn case(&self, name: &str) -> Option<Case> {
        Case::named(&self.text(name)?)
    }

    /// The type that says what this looks like, if it is not its own.
    pub(crate) fn stand_in(&self) -> Result<Option<Type>> {
        let text = ["like", "into", "from", "try_from"]
            .iter()
            .find_map(|name| self.text(name));
        text.map(|text| syn::parse_str(&text)).transpose()
    }

    /// What it looks like, said without a type. Of what somebody else's code writes, nothing is known.
    pub(crate) fn scalar(&self) -> Option<Ident> {
        let is_bytes = self.text("with").is_some_and(|path| path == "serde_bytes");
        if self.has("bytes") || is_bytes {
            return Some(format_ident!("bytes"));
        }
        let opaque = ["any", "with", "serialize_with", "deserialize_with", "remote"];
        opaque.iter().any(|name| self.has(name)).then(|| format_ident!("any"))
    }

    /// It never crosses.
    pub(crate) fn is_skipped(&self) -> bool {
        self.has("skip") || (self.has("skip_serializing") && self.has("skip_deserializing"))
    }

    /// It may be missing.
    pub(crate) fn is_optional(&self) -> bool {
        [
            "default",
            "skip_serializing",
            "skip_deserializing",
            "skip_serializing_if",
        ]
        .iter()
        .any(|name| self.has(name))
    }
}

fn check(item: &Meta) -> Result<()> {
    match item {
        Meta::Path(path) if path.is_ident("any") || path.is_ident("bytes") => Ok(()),
        Meta::NameValue(item) if item.path.is_ident("like") && literal(&item.value).is_some() => Ok(()),
        _ => Err(Error::new_spanned(
            item,
            "`schema` knows `any`, `bytes` and `like = \"Type\"`",
        )),
    }
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        // What came through a macro is wrapped.
        Expr::Group(group) => literal(&group.expr),
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => Some(text.value()),
        _ => None,
    }
}
