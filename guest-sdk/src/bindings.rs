//! What wit-bindgen makes of `wit/`. Nothing but `boundary.rs`, `convert.rs` and the export macro looks in here.

wit_bindgen::generate!({
    path: "../wit",
    world: "actor",
    runtime_path: "::steading_guest::__private::wit_bindgen::rt",
    pub_export_macro: true,
    export_macro_name: "__export_actor",
    default_bindings_module: "::steading_guest::__private::bindings",
    generate_all,
});
