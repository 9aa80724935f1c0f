use super::*;
use crate::host::work_folder::is_alive;

fn sh(script: &str, folder: &Path) -> Launch {
    Launch::new(
        "script",
        Path::new("/bin/sh"),
        vec!["-c".into(), script.into()],
        folder,
    )
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read_pid(path: &Path) -> i32 {
    wait_until("the pid file", || {
        fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'))
    });
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_child_runs_with_its_environment_and_reports_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let children = Children::start().unwrap();
    let mut launch = sh("echo $WORD; pwd; exit 7", folder.path());
    launch.env = vec![("WORD".into(), "hello".into())];
    launch.only_env = true;
    launch.folder = Some(folder.path().to_path_buf());
    let child = children.spawn(&launch).unwrap();
    assert_eq!(child.wait().await, Exit { code: 7 });
    let log = fs::read_to_string(child.log()).unwrap();
    assert_eq!(log, format!("hello\n{}\n", folder.path().display()));
}

#[tokio::test]
async fn stopping_a_child_kills_its_own_children_even_if_it_ignores_the_signal() {
    let folder = tempfile::tempdir().unwrap();
    let children = Children::start().unwrap();
    let script = format!(
        "trap '' TERM; sleep 300 & echo $! >{0}/pid; wait; wait",
        folder.path().display()
    );
    let child = children.spawn(&sh(&script, folder.path())).unwrap();
    let grandchild = read_pid(&folder.path().join("pid"));
    let end = child.stop(Duration::from_millis(200)).await;
    assert_eq!(end.code, 128 + 9);
    wait_until("the end of the grandchild", || {
        !is_alive(grandchild) || is_zombie(grandchild)
    });
}

#[tokio::test]
async fn what_a_child_leaves_behind_is_killed_when_it_exits() {
    let folder = tempfile::tempdir().unwrap();
    let children = Children::start().unwrap();
    let script = format!("sleep 300 & echo $! >{}/pid", folder.path().display());
    let child = children.spawn(&sh(&script, folder.path())).unwrap();
    assert_eq!(child.wait().await.code, 0);
    let left = read_pid(&folder.path().join("pid"));
    wait_until("the end of what it left", || {
        !is_alive(left) || is_zombie(left)
    });
}

#[tokio::test]
async fn dropping_the_last_owner_kills_all_children() {
    let folder = tempfile::tempdir().unwrap();
    let children = Children::start().unwrap();
    let child = children.spawn(&sh("sleep 300", folder.path())).unwrap();
    drop(children.clone());
    assert_eq!(child.ended(), None);
    drop(children);
    assert_eq!(child.wait().await.code, 128 + 15);
}

/// Not a test by itself: the process that the next test kills.
#[tokio::test]
async fn a_parent_waits_to_be_killed() {
    let Some(folder) = std::env::var_os("NAMESAKE_TEST_FOLDER") else {
        return;
    };
    let folder = PathBuf::from(folder);
    let children = Children::start().unwrap();
    let child = children
        .spawn(&sh("trap '' TERM; sleep 300; sleep 300", &folder))
        .unwrap();
    fs::write(folder.join("pid"), format!("{}\n", child.pid())).unwrap();
    child.wait().await;
}

#[test]
fn children_of_a_killed_parent_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "host::children::tests::a_parent_waits_to_be_killed",
        ])
        .env("NAMESAKE_TEST_FOLDER", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let child = read_pid(&folder.path().join("pid"));
    assert!(is_alive(child));
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the child's end", || !is_alive(child) || is_zombie(child));
}

#[test]
fn a_program_is_run_until_it_exits() {
    let folder = tempfile::tempdir().unwrap();
    let mut calls = 0;
    let end = run_to_end(&sh("sleep 0.3; exit 5", folder.path()), &mut |_| calls += 1).unwrap();
    assert_eq!(end, Exit { code: 5 });
    assert!(calls > 0);
}

fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z"))
}
