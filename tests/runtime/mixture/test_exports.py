"""An export can be loaded by others, replaces its predecessor at once, and never anything else."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.directory import check_target, replaced_directory, write_manifest
from mixwright_runtime.exporters.files import write_jsonl, write_parquet
from mixwright_runtime.exporters.write import write_exports
from mixwright_runtime.mixture import MixtureRow, mixture_row, mixture_rows
from mixwright_runtime.store.records import SelectionRecord
from mixwright_runtime.store.store import Store
from tests.runtime.mixture.finished import finish_run, plan

GOLDEN = Path(__file__).parent / "golden_card.md"


def exported(directory: Path, **attributes: object) -> Path:
    made = plan(directory, **attributes)
    with Store.open(directory / "store") as store:
        (result,) = write_exports(made, store, finish_run(made, store), "tutor")
    assert result.rows == 5
    return result.path


@pytest.fixture
def messages(tmp_path):
    return exported(tmp_path)


def expected_rows(directory: Path) -> list[tuple[object, ...]]:
    with Store.open(directory / "store") as store:
        found = mixture_rows(store, plan(directory), 1, "tutor")
        return [(r.messages, r.id, r.component, r.source) for r in found]


@pytest.mark.parametrize(("format", "reader"), [("messages", "read_json"), ("parquet", "read_parquet")])
def test_duckdb_reads_the_rows_back_in_order(tmp_path, format, reader):
    target = exported(tmp_path, format=format)
    (data,) = (target / "data").iterdir()
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT messages, id, component, source FROM {reader}('{data}')"
        ).fetchall()
    assert [(m, str(i).replace("-", ""), c, s) for m, i, c, s in rows] == expected_rows(tmp_path)
    assert {(c, s) for _, _, c, s in rows} == {("math", "seeds"), ("chats", "chats")}


def test_reasoning_and_calls_of_tools_are_exported(tmp_path):
    """Columns for what occurs, in both formats alike; arguments and schemas are JSON text."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    weather = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    calling = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It rains."},
    ]
    plain = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    rows = [
        mixture_row(bytes(16), {"messages": plain}, component="a"),
        mixture_row(bytes(16), {"messages": calling, "tools": json.dumps(weather)}, component="a"),
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    write_parquet(tmp_path / "rows.parquet", rows)
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [line["messages"] for line in lines] == [plain, calling]
    assert json.loads(lines[1]["tools"]) == weather
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT messages, tools FROM '{tmp_path}/rows.parquet'").fetchall()
    assert [[{k: v for k, v in m.items() if v is not None} for m in messages] for messages, _ in found] == [
        plain,
        calling,
    ]
    assert [tools and json.loads(tools) for _, tools in found] == [None, weather]


@pytest.mark.skipif(not importlib.util.find_spec("datasets"), reason="needs the package datasets")
@pytest.mark.parametrize("format", ["messages", "parquet"])
def test_hugging_face_datasets_loads_the_directory(tmp_path, format, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    target = exported(tmp_path, format=format)
    loaded = datasets.load_dataset(str(target), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == ["messages", "id", "lineage", "component", "source"]
    assert [row["messages"] for row in loaded] == [row[0] for row in expected_rows(tmp_path)]


def test_the_card_says_what_is_in_the_dataset(messages, update):
    card = (messages / "README.md").read_text(encoding="utf-8")
    if update:
        GOLDEN.write_text(card, encoding="utf-8")
    assert card == GOLDEN.read_text(encoding="utf-8")


def test_the_manifest_names_every_file_with_its_hash(messages):
    manifest = json.loads((messages / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["rows"] == 5
    assert manifest["components"] == {"math": 3, "chats": 2}
    assert sorted(manifest["files"]) == ["README.md", "data/train-00000-of-00001.jsonl"]


def test_writing_again_gives_the_same_bytes_and_leaves_nothing_beside(messages, tmp_path):
    before = {path: path.read_bytes() for path in messages.rglob("*") if path.is_file()}
    with Store.open(tmp_path / "store") as store:
        write_exports(plan(tmp_path), store, 1, "tutor")
    assert {path: path.read_bytes() for path in messages.rglob("*") if path.is_file()} == before
    assert os.listdir(messages.parent) == ["tutor"]


def test_a_card_can_be_left_out(tmp_path):
    target = exported(tmp_path, card=False)
    assert sorted(os.listdir(target)) == ["data", "manifest.json"]


def test_a_card_names_each_license_of_an_expression_for_the_hub_knows_ids_alone(tmp_path):
    stated = "mit AND (gpl-2.0-only WITH classpath-exception-2.0 OR odc-by)"
    card = (exported(tmp_path, license=stated) / "README.md").read_text(encoding="utf-8")
    assert "\nlicense:\n- gpl-2.0-only\n- mit\n- odc-by\n" in card


def test_a_directory_of_someone_else_is_refused(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("mine")
    with (
        pytest.raises(RunError, match="was not written by mixwright"),
        replaced_directory(tmp_path / "notes"),
    ):
        pass
    assert (tmp_path / "notes" / "thesis.txt").read_text() == "mine"
    with replaced_directory(tmp_path / "notes", force=True) as new:
        (new / "data.txt").write_text("ours")
    assert sorted(os.listdir(tmp_path / "notes")) == ["data.txt", "thesis.txt"]


def test_force_removes_what_the_manifest_names_and_nothing_else(tmp_path):
    target = tmp_path / "out"
    with replaced_directory(target) as new:
        (new / "data").mkdir()
        (new / "data" / "old.jsonl").write_text("ours")
        write_manifest(new, {})
    (target / "data" / "notes.txt").write_text("mine")
    (target / "empty").mkdir()
    (target / ".git" / "objects").mkdir(parents=True)
    (target / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (target / "elsewhere").symlink_to(tmp_path)
    (target / "data" / "old.jsonl").write_text("edited")
    inode = (target / "data" / "notes.txt").stat().st_ino
    with replaced_directory(target, force=True) as new:
        (new / "new.jsonl").write_text("ours")
        write_manifest(new, {})
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*"))
    kept = [".git", ".git/HEAD", ".git/objects", "data", "data/notes.txt", "elsewhere", "empty"]
    assert found == [*kept, "manifest.json", "new.jsonl"]
    assert (target / "data" / "notes.txt").stat().st_ino == inode
    assert os.readlink(target / "elsewhere") == str(tmp_path)


@pytest.mark.parametrize("foreign", ["data.txt", "data.txt/mine"])
def test_a_foreign_file_where_one_is_to_be_written_stays(tmp_path, foreign):
    theirs = tmp_path / "notes" / foreign
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with (
        pytest.raises(RunError, match="is in the way, and mixwright did not write it"),
        replaced_directory(tmp_path / "notes", force=True) as new,
    ):
        (new / "data.txt").write_text("ours")
    assert theirs.read_text() == "mine"
    assert os.listdir(tmp_path) == ["notes"]


def test_a_data_file_changed_by_hand_is_not_overwritten(messages, tmp_path):
    (data,) = (messages / "data").iterdir()
    before = data.read_bytes()
    data.write_text("edited by hand")
    with Store.open(tmp_path / "store") as store:
        with pytest.raises(RunError, match=rf"{data.name} was changed in .*--force"):
            write_exports(plan(tmp_path), store, 1, "tutor")
        assert data.read_text() == "edited by hand"
        write_exports(plan(tmp_path), store, 1, "tutor", force=True)
    assert data.read_bytes() == before


def written_again(directory: Path, **attributes: object) -> str | None:
    """README.md after another export."""
    with Store.open(directory / "store") as store:
        (result,) = write_exports(plan(directory, **attributes), store, 1, "tutor")
    card = result.path / "README.md"
    return card.read_text(encoding="utf-8") if card.exists() else None


def test_words_around_the_blocks_of_a_card_stay_and_the_blocks_are_renewed(messages, tmp_path):
    card = (messages / "README.md").read_text(encoding="utf-8")
    edited = (
        card.replace("---\n\n<!--", "arxiv: 2406.20094\n---\n\nRead this first.\n\n<!--") + "\n## Thanks\n"
    )
    (messages / "README.md").write_text(edited.replace("| math |", "| edited |"), encoding="utf-8")
    for _ in range(2):
        assert written_again(tmp_path) == edited
    assert written_again(tmp_path, card=False) == edited


def test_a_card_without_blocks_belongs_to_its_writer(messages, tmp_path):
    (messages / "README.md").write_bytes(b"my own words \xff\n")
    for _ in range(2):
        with Store.open(tmp_path / "store") as store:
            write_exports(plan(tmp_path), store, 1, "tutor")
        assert (messages / "README.md").read_bytes() == b"my own words \xff\n"
    with Store.open(tmp_path / "store") as store:
        write_exports(plan(tmp_path), store, 1, "tutor", force=True)
    assert (messages / "README.md").read_text() == GOLDEN.read_text()


def test_a_card_that_nobody_edited_goes_when_none_is_wanted(messages, tmp_path):
    assert written_again(tmp_path, card=False) is None


def test_a_file_or_link_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(RunError, match="is not a directory"), replaced_directory(tmp_path / name):
            pass


def test_a_failure_half_way_leaves_the_old_export(tmp_path):
    target = tmp_path / "out"
    with replaced_directory(target) as new:
        (new / "a").write_text("old")
        write_manifest(new, {})
    with pytest.raises(ZeroDivisionError), replaced_directory(target) as new:
        (new / "a").write_text("new")
        raise ZeroDivisionError
    assert (target / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


KILLED = """
import os, signal, sys
from pathlib import Path
import mixwright_runtime.exporters.directory as directory
moment, target = sys.argv[1], Path(sys.argv[2])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if moment == "moved":
    directory.shutil.rmtree = lambda path, **_: die() if (target / "a").read_text() == "new" else None
with directory.replaced_directory(target) as new:
    (new / "a").write_text("new")
    directory.write_manifest(new, {})
    if moment == "writing":
        die()
"""


@pytest.mark.parametrize(("moment", "kept"), [("writing", "old"), ("moved", "new")])
def test_a_kill_leaves_the_old_export_or_the_new_one(tmp_path, moment, kept):
    target = tmp_path / "out"
    with replaced_directory(target) as new:
        (new / "a").write_text("old")
        write_manifest(new, {})
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, moment, str(target)], cwd=Path(__file__).parents[3]
    )
    assert killed.returncode == -signal.SIGKILL
    assert (target / "a").read_text() == kept
    check_target(target)
    with replaced_directory(target) as new:
        (new / "a").write_text("next")
    assert os.listdir(tmp_path) == ["out"]


def test_what_a_killed_export_left_is_removed_and_a_running_ones_is_not(tmp_path):
    dead, alive = tmp_path / ".out.mixwright-999999999", tmp_path / f".out.mixwright-{os.getppid()}"
    for path in (dead, alive):
        path.mkdir()
    with replaced_directory(tmp_path / "out"):
        pass
    assert (dead.exists(), alive.exists()) == (False, True)


def test_a_selected_row_that_the_store_has_lost_stops_the_export(tmp_path):
    made = plan(tmp_path)
    with Store.open(tmp_path / "store") as store:
        run_id = finish_run(made, store)
        store.put_selection([SelectionRecord(run_id, "tutor", 5, "math", "math", b"\0" * 16)])
        store.close()
    with Store.open(tmp_path / "store") as store, pytest.raises(RunError, match="its text is not stored"):
        write_exports(made, store, run_id, "tutor")
    assert not (tmp_path / "out" / "tutor").exists()


def test_text_that_utf8_cannot_hold_is_replaced_and_odd_paths_work(tmp_path):
    directory = tmp_path / "it's [1] 100%"
    directory.mkdir()
    rows = [MixtureRow(bytes(16), [{"role": "user", "content": "a\ud800b"}], "c")]
    assert write_jsonl(directory / "rows.jsonl", rows) == 1
    assert json.loads((directory / "rows.jsonl").read_text("utf-8"))["messages"][0]["content"] == "a\ufffdb"
    assert write_parquet(directory / "rows.parquet", rows) == 1
    assert sorted(os.listdir(directory)) == ["rows.jsonl", "rows.parquet"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"question": "?", "answer": "!"},
            "rows need a column `messages`, these have answer, question; make a pipeline",
        ),
        ({"messages": "hello"}, "`messages` is not a list of messages"),
        (
            {"messages": [{"role": "human", "content": "x"}]},
            "`role` that is one of system, user, assistant, tool",
        ),
        ({"messages": [{"role": "user", "content": None}]}, "`content` that is text"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": []}]}, "role user has `tool_calls`"),
    ],
)
def test_a_row_that_is_no_chat_names_the_fix(columns, message):
    with pytest.raises(RunError) as error:
        mixture_row(bytes(16), columns, component="web")
    assert str(error.value).startswith(f"mixture component 'web', row {'00' * 16}: ")
    assert message in str(error.value)


def test_an_example_larger_than_duckdb_reads_by_itself_is_exported(tmp_path):
    row = MixtureRow(bytes(16), [{"role": "user", "content": "x" * (17 << 20)}], "c")
    assert write_parquet(tmp_path / "long.parquet", [row]) == 1
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT len(messages[1].content) FROM '{tmp_path / 'long.parquet'}'"
        ).fetchall()
    assert found == [(17 << 20,)]
