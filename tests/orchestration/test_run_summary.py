"""The text at the end of a run."""

import pandas as pd

from pipeline.orchestration.run_summary import summarize


def test_only_the_shards_of_this_run_are_counted(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    problems = pd.DataFrame({"video": ["a"], "problem": ["404"], "mask_problem": [""]})
    problems.to_csv(videos / "mine-test-000.csv", index=False)
    # Tables of another configuration, of an older version, and an unfinished one.
    problems.to_csv(videos / "other-test-000.csv", index=False)
    (videos / "old-test-000.csv").write_text("video\na\n")
    (videos / ".mine-test-000.csv").write_text("half a li")
    text = summarize(tmp_path, ["mine-test-000", "mine-test-001"])
    assert text.startswith("1 videos or masks could not be obtained")


def test_missing_results_are_not_mentioned(tmp_path):
    assert summarize(tmp_path, []) == ""
