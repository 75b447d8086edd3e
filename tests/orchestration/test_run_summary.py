"""What a finished run says of itself."""

import pandas as pd

from pipeline.orchestration.run_summary import summarize


def test_only_this_runs_shards_are_counted(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    problems = pd.DataFrame({"video": ["a"], "problem": ["404"]})
    problems.to_csv(videos / "mine-test-000.csv", index=False)
    # Of an earlier configuration, and of an earlier version.
    problems.to_csv(videos / "other-test-000.csv", index=False)
    (videos / "old-test-000.csv").write_text("video\na\n")
    (videos / ".mine-test-000.csv").write_text("half a li")
    told = summarize(tmp_path, ["mine-test-000", "mine-test-001"])
    assert told.startswith("1 videos or masks could not be had")


def test_nothing_is_said_of_what_is_not_there(tmp_path):
    assert summarize(tmp_path, []) == ""
