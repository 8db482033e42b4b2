//! The test app's function.json files agree with its tools.

use std::{env, fs};

/// When set, the files are written instead of compared.
const UPDATE: &str = "UPDATE_FUNCTION_FILES";

#[test]
fn the_test_apps_files_are_what_its_tools_say() {
    for tool in test_app::tools::registry().definitions() {
        let path = test_app::root().join(tool.name).join("function.json");
        let wanted = tool.function_json().unwrap();
        if env::var_os(UPDATE).is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &wanted).unwrap();
        }
        let present = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(present, wanted, "run this test with {UPDATE}=1");
    }
}
