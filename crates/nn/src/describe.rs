//! How layers, losses, optimizers and schedules say what they are: a line that tells one from others of other settings.

/// The name of a type, without its path and parameters.
pub(crate) fn type_name<T: ?Sized>() -> String {
    let path = std::any::type_name::<T>();
    let name = path.split('<').next().unwrap_or(path);
    name.rsplit("::").next().unwrap_or(name).to_owned()
}

/// The method `describe` of what shows all its settings where it is debugged.
macro_rules! describe_as_debugged {
    () => {
        fn describe(&self) -> String {
            format!("{self:?}")
        }
    };
}
