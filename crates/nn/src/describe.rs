//! One-line descriptions of layers, losses, optimizers and schedules, which differ for different settings.

/// The name of a type, without its path and type parameters.
pub(crate) fn type_name<T: ?Sized>() -> String {
    short_name(std::any::type_name::<T>()).to_owned()
}

/// The name at the end of a path, without type parameters.
pub(crate) fn short_name(path: &str) -> &str {
    let name = path.split('<').next().unwrap_or(path);
    name.rsplit("::").next().unwrap_or(name)
}

/// The method `describe` of types whose `Debug` output shows all their settings.
macro_rules! describe_as_debugged {
    () => {
        fn describe(&self) -> String {
            format!("{self:?}")
        }
    };
}
