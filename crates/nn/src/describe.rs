//! One-line descriptions of layers, losses, optimizers and schedules, which differ for different settings.

/// The name of a type, without its path and type parameters.
pub(crate) fn type_name<T: ?Sized>() -> String {
    let path = std::any::type_name::<T>();
    let name = path.split('<').next().unwrap_or(path);
    name.rsplit("::").next().unwrap_or(name).to_owned()
}

/// The method `describe` of types whose `Debug` output shows all their settings.
macro_rules! describe_as_debugged {
    () => {
        fn describe(&self) -> String {
            format!("{self:?}")
        }
    };
}
